import gc
import os
import random

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import spotters

from keras_rnn2dnn import cli, web
from keras_rnn2dnn.deploy import bundle
from keras_rnn2dnn.recognition import library
from keras_rnn2dnn.util.files import Audio

# TensorFlow's graphs are of many small objects: fewer searches for garbage among them.
gc.set_threshold(20_000, 50, 50)


# To optimise these small graphs takes longer than to run them as they were traced;
# with OPTIMISED_GRAPHS=1 they are optimised as those of users are.
if not os.environ.get("OPTIMISED_GRAPHS"):
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture(autouse=True)
def seeded():
    """Gives every test the same random numbers.

    Those of Keras come from Python's. TensorFlow's own seed is set once for a module:
    it makes all eager operations anew.
    """
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002


@pytest.fixture(scope="module", autouse=True)
def forgotten():
    """Seeds a module, and forgets its models: those of all would slow down the rest."""
    keras.utils.set_random_seed(0)
    yield
    keras.backend.clear_session()
    gc.freeze()  # what TensorFlow still holds, which every collection would search


@pytest.fixture(scope="session", autouse=True)
def no_costs(tmp_path_factory):
    """Spares conversions emulated cores, the smallest arena, recipes a web page.

    Recognizers find no C compiler, and no library of another run: so numpy computes.
    The tests of these call them by themselves.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "measure_cores", lambda *arguments: None)
        patch.setattr(library, "compiler", lambda: None)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(bundle.tflm, "smallest_arena", lambda tflite: 4096)
        patch.setattr(web, "is_installed", lambda: False)
        yield patch


@pytest.fixture(scope="session")
def spotter(tmp_path_factory):
    """A bundle that hears a low and a high tone; nobody may change it."""
    folder = tmp_path_factory.mktemp("spotter") / "bundle"
    recordings = Audio([spotters.stream()], 8000, ["low high"])
    spotters.converted(folder, recordings=recordings)
    return folder


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
