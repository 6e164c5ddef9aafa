"""Floats in the range of int16 are refused wherever samples come in."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import LogMel
from keras_rnn2dnn.audio.corpora.recordings import write_wav
from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.commands.running.sources import FeatureSource
from keras_rnn2dnn.deploy.golden import int16_pcm
from keras_rnn2dnn.quantization.interpreter import load_interpreter
from keras_rnn2dnn.recognition.streaming import int16_samples

LOUD = 1000 * np.sin(np.arange(800, dtype="float32"))
MESSAGE = (
    "Invalid value for `{name}`. Expected samples in [-1, 1]. Received: {name}="
    "'float32 from -1000 to 1000'. Divide 16-bit PCM by 32768"
)


@pytest.mark.parametrize(
    ("name", "take"),
    [
        ("inputs", lambda x: LogMel(8000)(x[None])),
        ("recordings", int16_pcm),
        ("samples", lambda x: write_wav("never.wav", x, 8000)),
    ],
)
def test_arrays_are_refused(name, take):
    with pytest.raises(ValueError) as error:
        take(LOUD)
    assert MESSAGE.format(name=name) in str(error.value)
    with pytest.raises(ValueError, match=r"Expected samples in \[-1, 1\].*from nan"):
        take(np.full(800, np.nan, "float32"))


def test_compiled_features_refuse_them():
    layer = LogMel(8000)
    compiled = tf.function(layer, jit_compile=False)
    batches = tf.data.Dataset.from_tensors(LOUD[None])
    for take in (compiled, lambda x: next(iter(batches.map(layer)))):
        with pytest.raises(tf.errors.InvalidArgumentError) as error:
            take(LOUD[None])
        assert (
            "[Invalid value for `inputs`. Expected samples in [-1, 1]. Divide 16-bit "
            "PCM by 32768. Received samples as far from 0 as:] ["
        ) in str(error.value)
    quiet = LOUD[None] / 1000
    np.testing.assert_allclose(compiled(quiet), layer(quiet), atol=1e-5)
    silenced = np.full((1, 800), np.nan, "float32")  # named with its utterance by `fit`
    assert np.isnan(compiled(silenced)).all()


def test_a_check_of_values_does_not_keep_features_from_xla_and_tflite():
    layer = LogMel(8000)
    inputs = keras.Input((800,), batch_size=1)
    model = keras.Model(inputs, layer(inputs))
    quiet = LOUD[None] / 1000
    expected = layer(quiet)
    compiled = tf.function(model, jit_compile=True)
    np.testing.assert_allclose(compiled(quiet), expected, atol=1e-4)
    converted = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    interpreter = load_interpreter(converted)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], quiet)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_streams_refuse_them_in_their_words():
    with pytest.raises(ValueError, match=r"int16, or floats in \[-1, 1\].* to 1000"):
        int16_samples(LOUD)


def test_noise_beyond_1_has_features():
    noise = np.random.default_rng(0).normal(size=(1, 800)).astype("float32")
    assert LogMel(8000)(2 * noise).shape == (1, 8, 40)


def test_integers_are_never_scaled_and_clipped():
    with pytest.raises(
        ValueError, match=r"`samples`. Expected floats .*int16 .*Divide"
    ):
        write_wav("never.wav", LOUD.astype("int16"), 8000)


def test_files_are_refused_where_features_are_made(tmp_path):
    soundfile = pytest.importorskip("soundfile", reason="needs the extra `audio`")
    soundfile.write(tmp_path / "a.wav", LOUD, 8000, subtype="FLOAT")
    source = FeatureSource(tmp_path / "a.wav", FeatureSpec(8000), strict=True)
    with pytest.raises(
        ValueError, match="its samples reach from -1000 to 1000. Expect"
    ):
        list(source.batches())
