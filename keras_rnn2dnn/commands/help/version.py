"""`rnn2dnn --version`: the versions of what computes, none of which is imported."""

import argparse
import platform
import sys

from keras_rnn2dnn import __version__

# TensorFlow is one of several distributions.
_COMPUTE = {
    "TensorFlow": ("tensorflow", "tensorflow-cpu", "tf-nightly", "tensorflow-macos"),
    "Keras": ("keras", "keras-nightly"),
}


def versions() -> str:
    """Returns a line with the versions of the package and of what it computes with."""
    found = [f"{name} {_version(several)}" for name, several in _COMPUTE.items()]
    found.append(f"Python {platform.python_version()}")
    return f"keras-rnn2dnn {__version__} ({', '.join(found)})"


def _version(distributions):
    import importlib.metadata  # much, for this option alone

    for name in distributions:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "not installed"


class Version(argparse.Action):
    """Prints the versions, and ends the program."""

    def __init__(self, option_strings, dest, help=None):
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser, namespace, values, option_string=None):
        """Prints them."""
        sys.stdout.write(f"{versions()}\n")
        parser.exit()
