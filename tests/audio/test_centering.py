import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.rounding import of_log_mel

from keras_rnn2dnn.audio.centering import running_mean, start_weights
from keras_rnn2dnn.audio.features import FeatureSpec, LogMel


def noise(batch, num_samples, seed=0):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.normal(size=(batch, num_samples))).astype("float32")


def means64(features, memory, prior, start=0.0):
    """The recursion, a frame at a time."""
    current, means = start, []
    for t, row in enumerate(np.asarray(features, "float64")):
        current = current + (row - current) / min(prior + t + 1, memory)
        means.append(current)
    return np.array(means)


def log_mel(num_frames, seed=0, bins=2):
    """What drifts and stands off zero, as log-mel energies do."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(num_frames, bins)).cumsum(0) * 0.05
    return (-9.0 + steps + rng.normal(size=(num_frames, bins))).astype("float32")


COUNTS = [(1, 0), (1, 7), (2, 0), (7, 3), (100, 0), (100, 30), (300, 500), (5000, 0)]


@pytest.mark.parametrize(("memory", "prior"), COUNTS)
@pytest.mark.parametrize("num_frames", [1, 2, 299])
def test_the_mean_is_that_of_the_recursion(memory, prior, num_frames):
    features, start = log_mel(num_frames), np.array([-8.0, 3.0])
    result = running_mean(features[None], memory, prior, start).numpy()[0]
    expected = means64(features, memory, prior, start)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    plain = running_mean(features[None], memory, prior).numpy()[0]
    weights = start_weights(num_frames, memory, prior)
    np.testing.assert_allclose(plain + weights[:, None] * start, expected, atol=1e-5)


def test_ten_minutes_are_as_exact_as_a_second():
    features = log_mel(60_000)
    for memory, prior in ((100, 10), (300, 30), (60_000, 0)):
        result = running_mean(features[None], memory, prior).numpy()[0]
        np.testing.assert_allclose(result, means64(features, memory, prior), atol=1e-4)


def test_constant_features_have_themselves_as_the_mean():
    features = np.full((1, 2000, 1), -11.3, "float32")
    result = running_mean(features, 300, 30, np.array([-11.3])).numpy()
    np.testing.assert_allclose(result, features, atol=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_compiled_functions_take_any_length(jit_compile):
    compiled = tf.function(
        lambda x: running_mean(x, 20, 5, np.array([1.0, 2.0])),
        input_signature=[tf.TensorSpec((None, None, 2), tf.float32)],
        jit_compile=jit_compile,
    )
    for num_frames in (1, 17, 1000):
        features = log_mel(num_frames)
        expected = means64(features, 20, 5, np.array([1.0, 2.0]))
        np.testing.assert_allclose(compiled(features[None])[0], expected, atol=1e-5)


SPEC = FeatureSpec(
    8000,
    num_bins=3,
    centering="running",
    mean=(-3.0, -2.0, 1.0),
    variance=(4.0, 1.0, 9.0),
    memory_ms=500.0,
    prior_ms=100.0,
)


def test_what_is_heard_later_changes_nothing():
    samples = noise(1, 16000)
    layer = LogMel.from_spec(SPEC)
    whole = layer(samples).numpy()
    for count in (200, 4000, 11111):
        prefix = layer(samples[:, :count]).numpy()
        expected = whole[:, : SPEC.num_frames(count)]
        np.testing.assert_allclose(prefix, expected, atol=1e-5)
    masked = layer(samples, mask=np.arange(16000)[None] < 4000).numpy()
    np.testing.assert_array_equal(masked, whole)


def test_a_stream_of_single_frames_gives_the_same():
    samples = noise(1, 4000)
    raw = LogMel(8000, num_bins=3)
    mean, features = np.array(SPEC.mean), []
    for t in range(SPEC.num_frames(4000)):
        start = t * SPEC.frame_step
        x = raw(samples[:, start : start + SPEC.frame_length]).numpy()[0, 0]
        mean = mean + (x - mean) / min(SPEC.prior_frames + t + 1, SPEC.memory_frames)
        features.append((x - mean) / np.sqrt(SPEC.variance))
    result = LogMel.from_spec(SPEC)(samples).numpy()[0]
    np.testing.assert_allclose(result, features, atol=1e-4)


def test_the_layer_takes_data_sets_and_any_length():
    samples = noise(3, 1200)
    expected = LogMel.from_spec(SPEC)(samples).numpy()
    layer = LogMel.from_spec(SPEC)
    signature = [tf.TensorSpec((None, None), tf.float32)]
    compiled = tf.function(lambda x: layer(x), input_signature=signature)
    dataset = tf.data.Dataset.from_tensor_slices(samples).batch(2)
    mapped = dataset.map(LogMel.from_spec(SPEC)).as_numpy_iterator()
    for result in (compiled(samples), np.concatenate(list(mapped))):
        np.testing.assert_allclose(result, expected, atol=1e-5)


def adapted(samples, mask=None, **options):
    layer = LogMel(8000, num_bins=4, centering="running", **options)
    layer.adapt(samples, mask=mask)
    return layer


@pytest.mark.parametrize(("memory_ms", "prior_ms"), [(100, 0), (300, 200), (50, 900)])
def test_adapted_features_start_at_the_mean_and_have_variance_1(memory_ms, prior_ms):
    samples = noise(4, 6000) * np.array([[1.0], [0.1], [2.0], [0.5]], "float32")
    layer = adapted(samples, memory_ms=memory_ms, prior_ms=prior_ms)
    raw = LogMel(8000, num_bins=4)(samples).numpy().astype("float64")
    np.testing.assert_allclose(layer.spec.mean, raw.mean(axis=(0, 1)), rtol=1e-6)
    centred = [
        x - means64(x, memory_ms // 10, prior_ms // 10, np.array(layer.spec.mean))
        for x in raw
    ]
    variance = np.concatenate(centred).var(axis=0)
    np.testing.assert_allclose(layer.spec.variance, variance, rtol=1e-4)
    features = layer(samples).numpy().astype("float64")
    np.testing.assert_allclose(features.var(axis=(0, 1)), 1.0, atol=1e-3)
    assert layer.spec.centering == "running"


def test_one_pass_over_a_generator_is_enough():
    samples = noise(6, 1000)
    whole = adapted(samples)
    parts = adapted(batch for batch in (samples[:1], samples[1:]))
    whole.adapt(samples)  # anew, not on top of what is there
    rounding = of_log_mel(whole.spec)
    np.testing.assert_allclose(parts.spec.mean, whole.spec.mean, atol=rounding)
    variances = parts.spec.variance, whole.spec.variance
    np.testing.assert_allclose(*variances, rtol=4 * rounding)


def test_adapting_leaves_padding_out():
    samples = noise(2, 3000)
    mask = np.arange(3000) < np.array([[3000], [1400]])
    padded = adapted(samples, mask)
    alone = adapted([samples[:1], samples[1:, :1400]])
    rounding = of_log_mel(padded.spec)
    np.testing.assert_allclose(padded.spec.mean, alone.spec.mean, atol=rounding)
    variances = padded.spec.variance, alone.spec.variance
    np.testing.assert_allclose(*variances, rtol=4 * rounding)
    with pytest.raises(ValueError, match="No frame to adapt to"):
        adapted(samples, np.zeros((2, 3000), bool))


def test_a_saved_layer_computes_the_same(tmp_path):
    samples = noise(2, 1200)
    layer = LogMel.from_spec(SPEC)
    model = keras.Sequential([keras.Input((None,)), layer])
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded.layers[0].spec == SPEC
    np.testing.assert_array_equal(loaded(samples), model(samples))
    predicted = model.predict(samples, verbose=0)
    np.testing.assert_allclose(predicted, model(samples), atol=1e-5)


def test_specifications_saved_before_there_was_a_running_mean_load():
    fields = json.loads(json.dumps(FeatureSpec(8000, centering="utterance").to_dict()))
    del fields["memory_ms"], fields["prior_ms"]
    assert FeatureSpec.from_dict(fields) == FeatureSpec(8000, centering="utterance")
    assert LogMel.from_config(fields).spec.centering == "utterance"


def test_memory_and_prior_are_counted_in_frames():
    assert (SPEC.memory_frames, SPEC.prior_frames) == (50, 10)
    halves = FeatureSpec(8000, frame_step_ms=20.0, memory_ms=31.0, prior_ms=9.0)
    assert (halves.memory_frames, halves.prior_frames) == (2, 0)
