import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest

from keras_rnn2dnn import cli


@pytest.fixture(autouse=True)
def seeded():
    """Gives every test the same random numbers."""
    keras.utils.set_random_seed(0)


@pytest.fixture
def run(capsys):
    """Runs a command: returns exit code, standard output and standard error."""

    def run(*arguments):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            code = stopped.code
        output = capsys.readouterr()
        return code, output.out, output.err

    return run
