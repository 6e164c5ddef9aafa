"""`rnn2dnn report`: a page about a finished demo."""

import argparse

from keras_rnn2dnn.commands.terminal import say
from keras_rnn2dnn.report import write_report
from keras_rnn2dnn.util.errors import invalid


def run(options: argparse.Namespace) -> None:
    """Writes the page."""
    chosen = None
    if options.utterances is not None:
        chosen = _numbers(options.utterances)
    path = write_report(options.run_directory, options.out, chosen)
    say(f"Report: {path}")


def _numbers(text):
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        expected = "whole numbers with commas between them"
        raise ValueError(invalid("--utterances", expected, text)) from None
