import pytest
import tensorflow as tf
from helpers.bundles import parts, student

from keras_rnn2dnn.deploy import convert


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """A bundle from PCM to words, which nobody may change."""
    folder = tmp_path_factory.mktemp("written") / "bundle"
    convert(student(), folder, **parts())
    return folder


@pytest.fixture
def one_scale(monkeypatch):
    """Makes the converter give the weights of a dense layer one scale."""
    make = tf.lite.TFLiteConverter.from_concrete_functions

    def made(functions):
        converter = make(functions)
        name = "_experimental_disable_per_channel_quantization_for_dense_layers"
        assert getattr(converter, name) is False
        setattr(converter, name, True)
        return converter

    monkeypatch.setattr(tf.lite.TFLiteConverter, "from_concrete_functions", made)
