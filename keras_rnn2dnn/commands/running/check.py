"""`rnn2dnn check`: what a student will be on a device."""

import argparse
import json

from keras_rnn2dnn.commands.terminal import say
from keras_rnn2dnn.deploy import forecast
from keras_rnn2dnn.distillation.model_files import load_model


def run(options: argparse.Namespace) -> int:
    """Prints the forecast; returns the exit code: 1 where the student has no C code."""
    found = forecast(load_model(options.student), options.frames)
    say(json.dumps(found.to_dict(), indent=2) if options.json else str(found))
    return 0 if found.c else 1
