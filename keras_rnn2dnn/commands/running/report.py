"""`rnn2dnn report`: a page about a finished demo."""

from keras_rnn2dnn.commands.parser import add_command, say
from keras_rnn2dnn.report import write_report
from keras_rnn2dnn.util.errors import invalid


def add(commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "report",
        _run,
        "Write one HTML page about a finished demo: curves, errors, posteriors, "
        "firmware.",
        "rnn2dnn report out --utterances 3,17",
    )
    parser.add_argument(
        "run_directory", metavar="RUN", help="what the demo's --out was"
    )
    parser.add_argument(
        "--out", metavar="FILE.html", help="default: report.html in RUN"
    )
    parser.add_argument(
        "--utterances",
        metavar="N,N,...",
        help="test strings to show, by their number in the order of the folds, from 0 "
        "on (default: the one with the most errors, and a typical one)",
    )


def _run(options):
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
