import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn.audio.cepstra import cepstral_matrix
from keras_rnn2dnn.audio.features import FeatureSpec, LogMel


def speech(batch=2, num_samples=8000, seed=0):
    """Noise with tones that rise, loud and soft by turns."""
    rng, t = np.random.default_rng(seed), np.arange(num_samples) / num_samples
    tone = np.sin(2 * np.pi * 1500 * t**2) * (1 + np.sin(40 * t))
    noise = rng.normal(0, 0.05, (batch, num_samples))
    return (0.2 * (tone + noise)).astype("float32")


@pytest.mark.parametrize(("bins", "count"), [(40, 10), (40, 40), (23, 13), (80, 20)])
def test_cepstra_are_those_of_tensorflow(bins, count):
    spec, samples = FeatureSpec(16000, num_bins=bins, num_cepstra=count), speech()
    logs = LogMel.from_spec(dataclasses.replace(spec, num_cepstra=None))(samples)
    expected = tf.signal.mfccs_from_log_mel_spectrograms(logs)[..., :count]
    found = LogMel.from_spec(spec)(samples)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.ptp(expected[..., 0]) > 10 and np.std(expected[..., 1:]) > 0.5


def test_all_cepstra_of_the_orthonormal_transform_give_the_bins_back():
    spec = FeatureSpec(8000, num_bins=24, num_cepstra=24, cepstral_norm="ortho")
    matrix = cepstral_matrix(spec)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(24), atol=1e-12)
    htk = cepstral_matrix(dataclasses.replace(spec, cepstral_norm="htk"))
    np.testing.assert_allclose(htk[:, 1:], matrix[:, 1:])
    np.testing.assert_allclose(htk[:, 0], np.sqrt(2) * matrix[:, 0])


def test_the_lifter_is_that_of_kaldi():
    spec = FeatureSpec(8000, num_bins=23, num_cepstra=13)
    lifted = cepstral_matrix(dataclasses.replace(spec, cepstral_lifter=22))
    found = lifted[0] / cepstral_matrix(spec)[0]
    np.testing.assert_allclose(found[[0, 1, 11]], [1, 2.565463, 12], rtol=1e-6)


def test_the_running_mean_is_that_of_the_cepstra():
    """Sums and means may change places: what is subtracted is the same."""
    spec = FeatureSpec(8000, num_bins=24, centering="running", prior_ms=0)
    bins = LogMel.from_spec(spec)(speech()).numpy()
    mfcc = dataclasses.replace(spec, num_cepstra=9)
    found = LogMel.from_spec(mfcc)(speech())
    np.testing.assert_allclose(found, bins @ cepstral_matrix(mfcc), atol=1e-4)


@pytest.mark.parametrize("centering", ["none", "utterance", "running"])
def test_adapted_cepstra_have_mean_0_and_variance_1(centering):
    layer = LogMel(8000, num_bins=24, num_cepstra=9, centering=centering)
    samples = speech(3) * np.array([[1.0], [0.1], [2.0]], "float32")
    layer.adapt(samples)
    features = layer(samples).numpy().astype("float64")
    assert features.shape == (3, 98, 9) == layer.compute_output_shape((3, 8000))
    assert len(layer.spec.mean) == len(layer.spec.variance) == 9
    np.testing.assert_allclose(features.var(axis=(0, 1)), 1, atol=1e-3)
    if centering != "running":
        np.testing.assert_allclose(features.mean(axis=(0, 1)), 0, atol=1e-3)


def test_a_saved_layer_computes_the_same(tmp_path):
    layer = LogMel(8000, num_bins=24, num_cepstra=9, cepstral_lifter=22)
    model = keras.Sequential([keras.Input((None,)), layer])
    assert model.output_shape == (None, None, 9)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded.layers[0].spec == layer.spec
    np.testing.assert_array_equal(loaded(speech()), layer(speech()))


def test_specifications_are_kept_in_files_and_those_of_before_load():
    spec = FeatureSpec(8000, num_cepstra=10, cepstral_norm="ortho", cepstral_lifter=22)
    fields = json.loads(json.dumps(spec.to_dict()))
    assert FeatureSpec.from_dict(fields) == spec
    for name in ("num_cepstra", "cepstral_norm", "cepstral_lifter"):
        del fields[name]
    assert FeatureSpec.from_dict(fields) == FeatureSpec(8000)
    with pytest.raises(ValueError) as error:
        FeatureSpec.from_dict({**fields, "num_cepstra": "10"})
    assert str(error.value) == (
        "Invalid value for `num_cepstra`. Expected a number. Received: num_cepstra='10'"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"num_cepstra": 41},
            "Invalid value for `num_cepstra`. Expected None, or an integer from 1 to "
            "num_bins=40. Received: num_cepstra=41",
        ),
        (
            {"num_cepstra": 2.5},
            "Invalid value for `num_cepstra`. Expected None, or an integer from 1 to "
            "num_bins=40. Received: num_cepstra=2.5",
        ),
        (
            {"num_cepstra": 10, "cepstral_norm": "slaney"},
            "Invalid value for `cepstral_norm`. Expected one of ('htk', 'ortho'). "
            "Received: cepstral_norm='slaney'",
        ),
        (
            {"num_cepstra": 10, "cepstral_lifter": -1},
            "Invalid value for `cepstral_lifter`. Expected a number >= 0. Received: "
            "cepstral_lifter=-1",
        ),
        (
            {"cepstral_lifter": 22},
            "Invalid value for `cepstral_lifter`. Expected 0 without num_cepstra. "
            "Received: cepstral_lifter=22",
        ),
        (
            {"num_cepstra": 10, "compression": "pcen"},
            'Invalid value for `compression`. Expected "log" with num_cepstra. '
            "Received: compression='pcen'. Cepstra are of logarithms",
        ),
        (
            {"num_cepstra": 10, "mean": (0.0,) * 40},
            "Invalid value for `mean`. Expected 10 numbers. Received: "
            "mean='40 numbers'",
        ),
    ],
)
def test_values_out_of_range_are_refused(options, said):
    with pytest.raises(ValueError) as error:
        FeatureSpec(8000, **options)
    assert str(error.value) == said


def test_mfcc_of_audio_are_those_of_tensorflow_from_the_window_on():
    """Short-time transform, mel, logarithm and cepstra are all `tf.signal`'s."""
    samples = speech(2, 16_000)
    power = tf.abs(tf.signal.stft(samples, 640, 320)) ** 2
    mel = tf.signal.linear_to_mel_weight_matrix(40, 513, 16_000, 20.0, 4000.0)
    logs = tf.math.log(power @ mel + 1e-6)
    expected = tf.signal.mfccs_from_log_mel_spectrograms(logs)[..., :10]
    options = {"num_bins": 40, "high_hz": 4000.0, "window": "hann", "num_cepstra": 10}
    found = LogMel(16_000, frame_length_ms=40, frame_step_ms=20, **options)(samples)
    assert found.shape == expected.shape == (2, 49, 10)
    np.testing.assert_allclose(found, expected, atol=1e-4)
