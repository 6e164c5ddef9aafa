import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.cepstra import cepstra64
from helpers.pcen import pcen64
from helpers.rounding import of_log_mel

from keras_rnn2dnn.audio.features import FeatureSpec, LogMel


def noise(batch, num_samples, seed=0):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.normal(size=(batch, num_samples))).astype("float32")


def mel(hz):
    return 1127.0 * np.log(1.0 + np.asarray(hz, "float64") / 700.0)


def triangles(sample_rate_hz, fft_length, num_bins, low_hz, high_hz):
    """Triangles that are straight on the mel scale, `(spectrum, bins)`."""
    frequencies = mel(np.arange(fft_length // 2 + 1) * sample_rate_hz / fft_length)
    edges = np.linspace(mel(low_hz), mel(high_hz), num_bins + 2)
    weights = np.zeros((len(frequencies), num_bins))
    for b in range(num_bins):
        rise = (frequencies - edges[b]) / (edges[b + 1] - edges[b])
        fall = (edges[b + 2] - frequencies) / (edges[b + 2] - edges[b + 1])
        weights[:, b] = np.maximum(0.0, np.minimum(rise, fall))
    return weights


def log_mel64(samples, spec):
    """The features of one utterance by the formula of `FeatureSpec`, in float64."""
    length, step = spec.frame_length, spec.frame_step
    n = np.arange(length)
    window = 0.54 - 0.46 * np.cos(2 * np.pi * n / (length - 1))
    if spec.window == "hann":
        window = 0.5 - 0.5 * np.cos(2 * np.pi * n / length)
    matrix = triangles(
        spec.sample_rate_hz, spec.fft_length, spec.num_bins, spec.low_hz, spec.upper_hz
    )
    rows = []
    for start in range(0, len(samples) - length + 1, step):
        frame = samples[start : start + length].astype("float64") * window
        power = np.abs(np.fft.rfft(frame, spec.fft_length)) ** 2
        rows.append(power @ matrix + spec.floor)
    energies = np.array(rows)
    pcen = spec.compression == "pcen"
    features = pcen64(energies, spec) if pcen else np.log(energies)
    if spec.num_cepstra:
        features = cepstra64(features, spec)
    mean = 0.0 if spec.mean is None else np.array(spec.mean)
    variance = 1.0 if spec.variance is None else np.array(spec.variance)
    if spec.centering == "utterance":
        features = features - features.mean(axis=0)
    if spec.centering == "running":
        mean = running_means64(features, spec, mean)
    return (features - mean) / np.sqrt(variance)


def running_means64(features, spec, start):
    memory, prior = spec.memory_ms / 10, spec.prior_ms / 10
    means, current = [], start
    for t, row in enumerate(features):
        current = current + (row - current) / min(prior + t + 1, memory)
        means.append(current)
    return np.array(means)


SPECS = {
    "8 kHz": FeatureSpec(8000, num_bins=24),
    "16 kHz": FeatureSpec(16000),
    "limits, lengths and floor": FeatureSpec(
        8000, 32.0, 8.0, num_bins=13, low_hz=0.0, high_hz=3500.0, floor=1e-3
    ),
    "centred": FeatureSpec(8000, num_bins=24, low_hz=80.0, centering="utterance"),
    "normalised": FeatureSpec(
        8000, num_bins=3, mean=(-1.0, 0.5, 2.0), variance=(4.0, 0.25, 9.0)
    ),
    "centred and normalised": FeatureSpec(
        8000, num_bins=3, centering="utterance", mean=(1.0, 0, 0), variance=(4.0, 1, 9)
    ),
    "running": FeatureSpec(8000, num_bins=3, centering="running"),
    "running and normalised": FeatureSpec(
        8000,
        num_bins=3,
        centering="running",
        mean=(-9.0, 0.5, 2.0),
        variance=(4.0, 1, 9),
        memory_ms=120,
        prior_ms=50.0,
    ),
    "running without prior": FeatureSpec(
        8000,
        num_bins=3,
        centering="running",
        mean=(1.0, 2, 3),
        memory_ms=80,
        prior_ms=0,
    ),
    "running, all prior": FeatureSpec(
        8000, num_bins=3, centering="running", memory_ms=20, prior_ms=500
    ),
    "running, one frame": FeatureSpec(
        8000, num_bins=3, centering="running", memory_ms=10, prior_ms=0
    ),
    "hann": FeatureSpec(8000, num_bins=13, window="hann"),
    "cepstra": FeatureSpec(8000, num_bins=24, num_cepstra=10),
    "all cepstra, lifted, running": FeatureSpec(
        8000,
        num_bins=13,
        num_cepstra=13,
        cepstral_norm="ortho",
        cepstral_lifter=7.5,
        centering="running",
        mean=tuple(range(13)),
        variance=tuple(range(1, 14)),
        memory_ms=120,
    ),
    "one cepstrum, centred": FeatureSpec(
        8000, num_bins=7, num_cepstra=1, centering="utterance"
    ),
    "pcen": FeatureSpec(8000, num_bins=24, compression="pcen"),
    "pcen, normalised, of four frames": FeatureSpec(
        8000,
        num_bins=3,
        compression="pcen",
        mean=(0.5, -1.0, 0.1),
        variance=(4.0, 0.25, 9.0),
        gain=0.7,
        bias=0.3,
        power=0.25,
        time_constant_ms=41,
    ),
    "pcen, logarithm, centred": FeatureSpec(
        8000,
        num_bins=3,
        compression="pcen",
        gain=1,
        bias=0.1,
        power=0,
        centering="utterance",
        time_constant_ms=150,
    ),
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_the_features_are_those_of_the_formula(spec):
    samples = noise(2, 2777)
    samples[1] *= np.linspace(0, 2, 2777)
    result = LogMel.from_spec(spec)(samples).numpy()
    assert result.dtype == np.float32
    expected = np.array([log_mel64(row, spec) for row in samples])
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_silence_gives_the_log_of_the_floor():
    result = LogMel(8000, num_bins=5, floor=1e-4)(np.zeros((1, 400), "float32"))
    np.testing.assert_allclose(result, np.full((1, 3, 5), np.log(1e-4)), rtol=1e-6)


def test_a_tone_is_loudest_in_the_triangle_at_its_frequency():
    spec = FeatureSpec(8000, num_bins=24, low_hz=80.0, high_hz=3900.0)
    centres = np.linspace(mel(80.0), mel(3900.0), 26)[1:-1]
    for number in (4, 12, 20):
        hz = 700 * (np.exp(centres[number] / 1127) - 1)
        tone = np.sin(2 * np.pi * hz * np.arange(800) / 8000)[None].astype("float32")
        assert set(np.argmax(LogMel.from_spec(spec)(tone), -1)[0]) == {number}


def test_frames_are_counted_without_padding():
    spec = FeatureSpec(8000, num_bins=4)
    counts = {199: 0, 200: 1, 279: 1, 280: 2, 8000: 98}
    assert {n: spec.num_frames(n) for n in counts} == counts
    for num_samples, frames in counts.items():
        if frames:
            assert LogMel.from_spec(spec)(noise(1, num_samples)).shape[1] == frames
    assert [spec.num_samples(n) for n in (0, 1, 2, 98)] == [0, 200, 280, 7960]


def padded_pair(spec, counts=(2345, 3000)):
    samples = noise(2, max(counts))
    mask = np.arange(max(counts)) < np.array(counts)[:, None]
    samples[~mask] = 0
    alone = [
        LogMel.from_spec(spec)(row[None, :count])[0].numpy()
        for row, count in zip(samples, counts, strict=True)
    ]
    return samples, mask, alone


@pytest.mark.parametrize("centering", ["none", "utterance", "running"])
def test_a_padded_utterance_has_the_features_it_has_alone(centering):
    spec = FeatureSpec(8000, num_bins=8, centering=centering, variance=(9.0,) * 8)
    samples, mask, alone = padded_pair(spec)
    layer = LogMel.from_spec(spec)
    result = layer(samples, mask=mask)
    frames = layer.compute_mask(samples, mask)
    assert frames.shape == result.shape[:2]
    for row, kept, expected in zip(result.numpy(), frames, alone, strict=True):
        assert kept.sum() == len(expected) and kept[: len(expected)].all()
        np.testing.assert_allclose(row[kept], expected, atol=1e-5)
    assert layer.compute_mask(samples) is None


def test_the_mask_goes_on_to_the_next_layer():
    inputs = keras.Input((None,))
    mask = keras.Input((None,), dtype="bool")
    outputs = LogMel(8000, num_bins=8, centering="utterance")(inputs, mask=mask)
    model = keras.Model([inputs, mask], keras.layers.Dense(2)(outputs))
    samples, mask, alone = padded_pair(FeatureSpec(8000, num_bins=8))
    handed_on = model([samples, mask])._keras_mask
    assert np.array(handed_on).sum(axis=1).tolist() == [len(a) for a in alone]


def test_an_utterance_that_is_all_padding_gives_finite_features():
    layer = LogMel(8000, num_bins=4, centering="utterance")
    result = layer(noise(2, 400), mask=np.array([[False] * 400, [True] * 400]))
    assert np.isfinite(result).all()


def test_a_saved_model_computes_the_same(tmp_path):
    samples = noise(2, 1200)
    layer = LogMel(8000, num_bins=6, centering="utterance", high_hz=3800.0)
    layer.adapt(samples)
    model = keras.Sequential([keras.Input((None,)), layer, keras.layers.Dense(2)])
    assert model.output_shape == (None, None, 2)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded.layers[0].spec == layer.spec
    np.testing.assert_array_equal(loaded(samples), model(samples))


def test_the_config_holds_every_field():
    spec = SPECS["centred and normalised"]
    layer = LogMel.from_spec(spec, name="front")
    config = layer.get_config()
    assert config["name"] == "front"
    assert {k: v for k, v in config.items() if k != "name"} == dataclasses.asdict(spec)
    restored = LogMel.from_config(json.loads(json.dumps(config)))
    assert restored.spec == spec and restored.name == "front"
    assert FeatureSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert layer.compute_output_shape((5, 8000)) == (5, 98, 3)
    assert layer.compute_output_shape((5, None)) == (5, None, 3)


def test_mean_and_variance_may_be_any_sequence():
    arrays = FeatureSpec(8000, num_bins=2, mean=np.ones(2), variance=[4, 9])
    assert arrays == FeatureSpec(8000, num_bins=2, mean=(1.0, 1.0), variance=(4.0, 9.0))
    assert json.loads(json.dumps(arrays.to_dict()))["variance"] == [4.0, 9.0]
    LogMel.from_spec(arrays)(noise(1, 400))


@pytest.mark.parametrize("centering", ["none", "utterance"])
def test_adapted_features_have_mean_0_and_variance_1(centering):
    samples = noise(4, 4000) * np.array([[1.0], [0.1], [2.0], [0.5]], "float32")
    layer = LogMel(8000, num_bins=8, centering=centering)
    layer.adapt(samples)
    features = layer(samples).numpy().astype("float64")
    np.testing.assert_allclose(features.mean(axis=(0, 1)), 0.0, atol=1e-5)
    np.testing.assert_allclose(features.var(axis=(0, 1)), 1.0, atol=1e-4)


def test_adapting_to_batches_is_adapting_to_all_of_them():
    samples = noise(6, 1000)
    whole, parts, dataset = (LogMel(8000, num_bins=8) for _ in range(3))
    whole.adapt(samples)
    parts.adapt(batch for batch in (samples[:1], samples[1:]))
    dataset.adapt(tf.data.Dataset.from_tensor_slices(samples).batch(4))
    rounding = of_log_mel(whole.spec)
    for layer in (parts, dataset):
        np.testing.assert_allclose(layer.spec.mean, whole.spec.mean, atol=rounding)
        variances = layer.spec.variance, whole.spec.variance
        np.testing.assert_allclose(*variances, rtol=4 * rounding)
    before = whole.spec
    whole.adapt(samples)  # anew, not on top of what is there
    np.testing.assert_allclose(whole.spec.mean, before.mean, atol=rounding)


def test_adapting_leaves_padding_out():
    samples, mask, alone = padded_pair(FeatureSpec(8000, num_bins=8))
    layer = LogMel(8000, num_bins=8)
    layer.adapt(samples, mask=mask)
    frames = np.concatenate(alone).astype("float64")
    np.testing.assert_allclose(layer.spec.mean, frames.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(layer.spec.variance, frames.var(axis=0), rtol=1e-4)


def test_adapting_to_nothing_is_an_error():
    text = (
        "No frame to adapt to. Expected audio of at least one window. Received: no "
        "batches, or masks that leave none"
    )
    layer = LogMel(8000)
    with pytest.raises(ValueError) as error:
        layer.adapt([])
    assert str(error.value) == text
    with pytest.raises(ValueError, match="No frame to adapt to"):
        layer.adapt(noise(1, 400), mask=np.zeros((1, 400), bool))
    text = "Audio too short. Expected at least 200 samples, .* Received: 150"
    for short in (noise(1, 150), iter([noise(1, 400), noise(1, 150)])):
        with pytest.raises(ValueError, match=text):
            layer.adapt(short)
    assert layer.spec.mean is None


def test_the_layer_works_in_compiled_functions_and_data_sets():
    spec = SPECS["centred"]
    samples = noise(3, 1200)
    expected = LogMel.from_spec(spec)(samples).numpy()
    layer = LogMel.from_spec(spec)

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.float32)])
    def compiled(x):
        return layer(x)

    dataset = tf.data.Dataset.from_tensor_slices(samples).batch(3)
    mapped = next(iter(dataset.map(LogMel.from_spec(spec)).as_numpy_iterator()))
    for result in (compiled(samples), mapped):
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_the_layer_stays_in_float32_under_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layer = LogMel(8000, num_bins=8)
        inputs = keras.Input((None,))
        model = keras.Model(inputs, layer(inputs))
    finally:
        keras.config.set_dtype_policy(before)
    samples = noise(1, 1200)
    assert layer.compute_dtype == "float32"
    np.testing.assert_array_equal(model(samples), LogMel(8000, num_bins=8)(samples))


BAD = [
    ({"sample_rate_hz": 0}, "`sample_rate_hz`. Expected a number > 0. Received: "),
    ({"frame_length_ms": -1}, "`frame_length_ms`. Expected a number > 0. Received: "),
    ({"frame_step_ms": 0}, "`frame_step_ms`. Expected a number > 0. Received: "),
    ({"floor": float("nan")}, "`floor`. Expected a number > 0. Received: floor=nan"),
    (
        {"frame_step_ms": 0.05},
        "`frame_step_ms`. Expected at least one sample at 8000 Hz. Received: "
        "frame_step_ms=0.05",
    ),
    ({"frame_length_ms": 0.01}, "`frame_length_ms`. Expected at least one sample"),
    ({"num_bins": 0}, "`num_bins`. Expected an integer >= 1. Received: num_bins=0"),
    ({"num_bins": 2.5}, "`num_bins`. Expected an integer >= 1. Received: num_bins=2.5"),
    (
        {"high_hz": 4001},
        "`(low_hz, high_hz)`. Expected low_hz < high_hz, both from 0 to 4000. "
        "Received: (low_hz, high_hz)=(20.0, 4001)",
    ),
    ({"low_hz": -1}, "`(low_hz, high_hz)`. Expected low_hz < high_hz"),
    ({"low_hz": 500, "high_hz": 500}, "`(low_hz, high_hz)`. Expected low_hz < high_hz"),
    (
        {"centering": "batch"},
        "`centering`. Expected one of ('none', 'utterance', 'running'). "
        "Received: centering='batch'",
    ),
    ({"prior_ms": -1}, "`prior_ms`. Expected a number >= 0. Received: prior_ms=-1"),
    ({"prior_ms": float("inf")}, "`prior_ms`. Expected a number >= 0. Received: "),
    ({"memory_ms": 0}, "`memory_ms`. Expected a number > 0. Received: memory_ms=0"),
    (
        {"memory_ms": 4},
        "`memory_ms`. Expected at least one frame of 10 ms, and finite. Received: "
        "memory_ms=4",
    ),
    ({"memory_ms": float("inf")}, "`memory_ms`. Expected at least one frame of 10 ms"),
    (
        {"mean": (1.0, 2.0)},
        "`mean`. Expected 40 numbers. Received: mean='2 numbers'",
    ),
    (
        {"variance": [1.0]},
        "`variance`. Expected 40 numbers. Received: variance='1 numbers'",
    ),
    (
        {"num_bins": 2, "variance": (1.0, 0.0)},
        "`variance`. Expected numbers > 0. Received: variance=0.0",
    ),
]


@pytest.mark.parametrize(("fields", "text"), BAD, ids=[text[:40] for _, text in BAD])
def test_bad_fields_are_refused(fields, text):
    fields = {"sample_rate_hz": 8000, **fields}
    for build in (FeatureSpec, LogMel):
        with pytest.raises(ValueError) as error:
            build(**fields)
        assert str(error.value).startswith(f"Invalid value for {text}")


def test_bad_audio_is_refused():
    layer = LogMel(8000)
    with pytest.raises(ValueError) as error:
        layer(noise(2, 199))
    assert (
        "Audio too short. Expected at least 200 samples, one window of 25 ms. "
        "Received: 199"
    ) in str(error.value)
    with pytest.raises(ValueError) as error:
        layer(np.zeros((1, 400), "int16"))
    assert (
        "Invalid value for `inputs`. Expected floats of shape (batch, samples). "
        "Received: inputs='int16 (1, 400)'. Divide 16-bit PCM by 32768."
    ) in str(error.value)
    with pytest.raises(ValueError, match=r"Received: inputs='float32 \(400,\)'"):
        layer(np.zeros(400, "float32"))
    with pytest.raises(TypeError, match="bins"):
        LogMel(8000, bins=3)
