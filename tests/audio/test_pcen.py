import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn.audio.features import FeatureSpec, LogMel
from keras_rnn2dnn.audio.pcen import pcen


def noise(batch, num_samples, level=0.1, seed=0):
    rng = np.random.default_rng(seed)
    return (level * rng.normal(size=(batch, num_samples))).astype("float32")


def layer(**options):
    return LogMel(8000, num_bins=8, compression="pcen", **options)


def test_frames_of_the_time_constant_are_averaged():
    energies = np.array([1.0, 2.0, 6.0, 6.0], "float32")
    for frames, means in ((100, [1, 1.5, 3, 3.75]), (2, [1, 1.5, 3.75, 4.875])):
        found = pcen(energies[None, :, None], frames, gain=1, bias=1, power=1)
        np.testing.assert_allclose(found[0, :, 0], energies / means, rtol=1e-6)


def test_whatever_stands_still_gives_the_same():
    """With a gain of 1; a tone of whole periods in a frame step stands still."""
    t = np.arange(4000)
    tone = np.sin(2 * np.pi * t / 8)
    signals = np.stack([0.5 * tone, 0.001 * tone, 0 * tone]).astype("float32")
    found = layer(gain=1)(signals).numpy()
    np.testing.assert_allclose(found, np.sqrt(3) - np.sqrt(2), atol=1e-5)


def test_with_a_gain_of_1_the_level_does_not_matter():
    samples = noise(1, 8000) * np.linspace(0.1, 1, 8000, dtype="float32")
    loud, soft = (layer(gain=1)(samples * level).numpy() for level in (1.0, 0.125))
    np.testing.assert_allclose(soft, loud, atol=2e-3)
    logs = [LogMel(8000, num_bins=8)(samples * x).numpy() for x in (1.0, 0.125)]
    assert np.abs(logs[0] - logs[1]).min() > 3


@pytest.mark.parametrize("before", [0.0, 3e-4, 0.01, 0.5])
def test_what_was_heard_before_is_forgotten_within_seconds(before):
    words, pause = noise(1, 8000, seed=1), np.zeros((1, 64_000), "float32")
    sound = noise(1, 24_000, before, seed=2)
    expected = layer()(np.concatenate([pause, words], 1)).numpy()[:, -98:]
    whole = np.concatenate([sound, pause, words], 1)
    found = layer()(whole).numpy()[:, -98:]
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_the_start_of_a_stream_is_no_louder_than_what_follows():
    """The quotient is at most the number of frames; in steady noise about 1."""
    rest = layer()(noise(200, 8000)).numpy()[:, 40:]
    start = layer()(noise(200, 1000)).numpy()[:, :10]
    assert abs(start.mean() - rest.mean()) < 0.02
    assert start.max() < rest.max() + 0.2


def test_a_padded_utterance_has_the_features_it_has_alone():
    samples = noise(2, 3000)
    mask = np.arange(3000) < np.array([[3000], [1777]])
    samples[~mask] = 0
    found = layer()(samples, mask=mask)
    alone = layer()(samples[1:, :1777])
    np.testing.assert_allclose(found[1:, : alone.shape[1]], alone, atol=1e-6)


def test_loud_and_soft_minutes_are_as_exact_as_a_second():
    energies = np.full((1, 12_000, 1), 1e-6, "float32")
    energies[:, 1000:3000] = 5e3
    found = pcen(energies, 40, gain=1, bias=1.0, power=1)[0, :, 0].numpy()
    fall = 1 / (1 + (5e3 / 1e-6 - 1) * (1 - 1 / 40) ** np.arange(1.0, 9001))
    np.testing.assert_allclose(found[3000:], fall, rtol=2e-3, atol=1e-6)
    np.testing.assert_allclose(found[:1000], 1, rtol=1e-5)


def test_adapted_features_have_mean_0_and_variance_1():
    samples = noise(3, 6000) * np.array([[1.0], [0.1], [2.0]], "float32")
    adapted = layer()
    adapted.adapt(samples)
    features = adapted(samples).numpy().astype("float64")
    np.testing.assert_allclose(features.mean(axis=(0, 1)), 0, atol=1e-4)
    np.testing.assert_allclose(features.var(axis=(0, 1)), 1, atol=1e-3)
    assert adapted.spec.compression == "pcen"


@pytest.mark.parametrize("jit_compile", [False, True])
def test_compiled_functions_take_any_length(jit_compile):
    compiled = tf.function(
        lambda x: pcen(x, 20, 0.98, 2.0, 0.5),
        input_signature=[tf.TensorSpec((None, None, 2), tf.float32)],
        jit_compile=jit_compile,
    )
    for num_frames in (1, 17, 1000):
        energies = noise(1, 2 * num_frames).reshape(1, -1, 2) ** 2 + 1e-6
        expected = pcen(energies, 20, 0.98, 2.0, 0.5)
        np.testing.assert_allclose(compiled(energies), expected, atol=1e-5)


def test_a_saved_layer_computes_the_same(tmp_path):
    samples = noise(2, 1200)
    model = keras.Sequential([keras.Input((None,)), layer(power=0, bias=0.5)])
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded.layers[0].spec == model.layers[0].spec
    np.testing.assert_array_equal(loaded(samples), model(samples))


def test_specifications_saved_before_there_was_pcen_load():
    fields = json.loads(json.dumps(FeatureSpec(8000, centering="running").to_dict()))
    for name in ("compression", "gain", "bias", "power", "time_constant_ms"):
        del fields[name]
    assert FeatureSpec.from_dict(fields) == FeatureSpec(8000, centering="running")
    assert LogMel.from_config(fields).spec.compression == "log"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"compression": "root"},
            "Invalid value for `compression`. Expected one of ('log', 'pcen'). "
            "Received: compression='root'",
        ),
        (
            {"gain": 1.5},
            "Invalid value for `gain`. Expected a number from 0 to 1. Received: "
            "gain=1.5",
        ),
        (
            {"power": -0.1},
            "Invalid value for `power`. Expected a number from 0 to 1. Received: "
            "power=-0.1",
        ),
        (
            {"bias": 0.0},
            "Invalid value for `bias`. Expected a finite number > 0. Received: "
            "bias=0.0",
        ),
        (
            {"time_constant_ms": 4},
            "Invalid value for `time_constant_ms`. Expected at least one frame of 10 "
            "ms, and finite. Received: time_constant_ms=4",
        ),
        (
            {"compression": "pcen", "centering": "running"},
            'Invalid value for `centering`. Expected "none" or "utterance" with '
            "compression=\"pcen\". Received: centering='running'. PCEN has a running "
            "mean of its own: that of the energy",
        ),
    ],
)
def test_values_out_of_range_are_refused(options, said):
    with pytest.raises(ValueError) as error:
        FeatureSpec(8000, **options)
    assert str(error.value) == said
