"""`rnn2dnn project`: a firmware bundle for a build system."""

import argparse
from pathlib import Path

from keras_rnn2dnn.commands.terminal import say
from keras_rnn2dnn.deploy import write_project


def run(options: argparse.Namespace) -> None:
    """Writes a project."""
    say(written(write_project(options.bundle, options.kind, options.out)))


def written(project: Path) -> str:
    """Returns the line that says where a project lies, and how to go on."""
    return f"Wrote {project}; how to build it: {project / 'README.md'}"
