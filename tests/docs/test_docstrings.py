import doctest
import importlib.util
import pkgutil

import keras
import numpy as np
import pytest

import keras_rnn2dnn

MODULES = [
    module.name
    for module in pkgutil.walk_packages(keras_rnn2dnn.__path__, prefix="keras_rnn2dnn.")
]
NEED_EXTRAS = {
    "keras_rnn2dnn.audio.espeak": ("espeakng_loader", "synth"),
    "keras_rnn2dnn.audio.synthesis": ("espeakng_loader", "synth"),
    "keras_rnn2dnn.ctc.language_model": ("pyctcdecode", "ctc"),
    "keras_rnn2dnn.kaldi.archives": ("kaldiio", "kaldi"),
    "keras_rnn2dnn.kaldi.directory": ("kaldiio", "kaldi"),
    "keras_rnn2dnn.kaldi.posteriors": ("kaldiio", "kaldi"),
    "keras_rnn2dnn.deploy.tflm_worker": ("tflite_micro", "micro"),
}


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_the_docstrings_run(name, tmp_path, monkeypatch):
    package, extra = NEED_EXTRAS.get(name, (None, None))
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"needs the extra `{extra}`")
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(
        importlib.import_module(name),
        extraglobs={"np": np, "keras": keras},
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS,
    )
    assert result.failed == 0


def test_the_public_names_have_docstrings():
    for name in keras_rnn2dnn.__all__:
        assert getattr(keras_rnn2dnn, name).__doc__, name
