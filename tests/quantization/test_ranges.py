import keras
import numpy as np
import pytest
from tensorflow.lite.python import schema_py_generated as schema

from keras_rnn2dnn import SpliceFrames, dnn_student
from keras_rnn2dnn.deploy import Int8Student, convert, window_model
from keras_rnn2dnn.quantization.operators import check_runs_on_device
from keras_rnn2dnn.quantization.quantize import quantize
from keras_rnn2dnn.quantization.ranges import calibrated_range, scale_and_zero_point

L = keras.layers
FEATURES, CLASSES = 4, 3


def values_like(name, rng):
    normal = rng.normal(size=3000)
    return {
        "heavy tails": rng.standard_t(2, size=3000),
        "one outlier": np.append(normal, 60.0),
        "relu": np.maximum(rng.standard_t(2, size=3000) - 0.3, 0),
        "negative": -(np.abs(normal) ** 3),
        "far from zero": normal + 20,
        "two values": np.array([-1.0, 2.0]),
    }[name]


def squared_error(values, low, high):
    scale, zero_point = (high - low) / 255, np.rint(-128 - low * 255 / (high - low))
    steps = np.clip(np.rint(values / scale) + zero_point, -128, 127)
    return ((scale * (steps - zero_point) - values) ** 2).mean()


@pytest.mark.parametrize(
    "name",
    ["heavy tails", "one outlier", "relu", "negative", "far from zero", "two values"],
)
def test_mse_is_the_least_squared_error_of_all_candidates(name):
    values = values_like(name, np.random.default_rng(3))
    low, high = min(values.min(), 0), max(values.max(), 0)
    lows = [k / 64 * low for k in range(1, 65)] if low else [0.0]
    highs = [k / 64 * high for k in range(1, 65)] if high else [0.0]
    errors = [squared_error(values, a, b) for a in lows for b in highs]
    found = calibrated_range(values, "mse")
    assert squared_error(values, *found) == pytest.approx(min(errors), rel=1e-9)
    assert squared_error(values, *found) <= squared_error(values, low, high)
    # float32 values of another shape are the same values
    again = calibrated_range(values.astype("float32").reshape(-1, 1), "mse")
    assert again == pytest.approx(found, rel=0.05)


def test_mse_clips_tails():
    values = np.random.default_rng(0).standard_t(3, size=20_000)
    low, high = calibrated_range(values, "mse")
    assert values.min() < low < -5 and 5 < high < values.max()


def test_percentile_keeps_9999_of_10000_values():
    values = np.random.default_rng(1).standard_t(2, size=40_000)
    low, high = calibrated_range(values, "percentile")
    assert (low, high) == pytest.approx(tuple(np.percentile(values, [0.005, 99.995])))
    assert ((values < low) | (values > high)).sum() == 4


@pytest.mark.parametrize("ranges", ["minmax", "percentile", "mse"])
@pytest.mark.parametrize("name", ["heavy tails", "relu", "negative", "far from zero"])
def test_zero_is_represented_exactly(ranges, name):
    low, high = calibrated_range(values_like(name, np.random.default_rng(2)), ranges)
    assert low <= 0 <= high
    _, zero_point = scale_and_zero_point(low, high)
    assert -128 <= zero_point <= 127


def test_values_that_are_all_zero_have_an_empty_range():
    for ranges in ("minmax", "percentile", "mse"):
        assert calibrated_range(np.zeros((2, 3)), ranges) == (0.0, 0.0)


def test_unknown_ranges_are_refused():
    with pytest.raises(ValueError) as error:
        calibrated_range(np.ones(3), "entropy")
    assert str(error.value) == (
        "Invalid value for `ranges`. Expected one of ['minmax', 'percentile', 'mse']. "
        "Received: ranges='entropy'"
    )


def stored_ranges(tflite):
    """Returns `(scale, zero point)` of the int8 activations, as a sorted list."""
    graph = schema.Model.GetRootAs(tflite, 0).Subgraphs(0)
    tensors = [graph.Tensors(k) for k in range(graph.TensorsLength())]
    quantized = [t.Quantization() for t in tensors if t.Shape(0) == 1]
    pairs = {(float(q.Scale(0)), q.ZeroPoint(0)) for q in quantized if q}
    return sorted(pairs)


def heavy_windows(window, number=200):
    x = np.random.default_rng(0).standard_t(3, size=(number, window, FEATURES))
    return x.astype("float32")


@pytest.mark.parametrize("ranges", ["minmax", "percentile", "mse"])
def test_the_file_has_the_ranges_of_its_activations(ranges):
    student = dnn_student(FEATURES, CLASSES, (1, 1), (8,))
    model, field = window_model(student)
    x = heavy_windows(field.window)
    tflite = quantize(model, x, ranges)
    kernel, bias, last, last_bias = map(np.float64, student.get_weights())
    hidden = np.maximum(x.reshape(len(x), -1) @ kernel + bias, 0)
    expected = sorted(
        scale_and_zero_point(*calibrated_range(values, ranges))
        for values in (x, hidden, hidden @ last + last_bias)
    )
    received = stored_ranges(tflite)
    np.testing.assert_allclose(received, expected, rtol=1e-5)


def kinds():
    inputs = keras.Input((None, FEATURES))
    merged = L.Concatenate()(
        [
            L.Dense(6, "silu")(inputs),
            L.ReLU()(L.BatchNormalization()(L.Conv1D(6, 3, padding="same")(inputs))),
        ]
    )
    outputs = L.Dense(CLASSES)(L.Dense(5, "tanh")(SpliceFrames(1, 1)(merged)))
    yield keras.Model(inputs, outputs)
    yield keras.Sequential(
        [
            keras.Input((None, FEATURES)),
            L.Conv1D(6, 3, padding="causal", activation="relu"),
            L.BatchNormalization(),
            L.SeparableConv1D(6, 3, padding="same", activation="relu6"),
            L.Dense(CLASSES, "leaky_relu"),
        ]
    )


@pytest.mark.parametrize("number", [0, 1], ids=["merged", "convolutions"])
@pytest.mark.parametrize("ranges", ["percentile", "mse"])
def test_students_of_every_build_have_such_ranges(number, ranges):
    model, field = window_model(list(kinds())[number])
    x = np.random.default_rng(0).uniform(-2, 2, (100, field.window, FEATURES))
    x = x.astype("float32")
    tflite = quantize(model, x, ranges)
    check_runs_on_device(tflite)
    device = Int8Student.load(tflite, field)
    received = np.stack([z[field.left] for z in device.predict(list(x[:40]))])
    expected = np.concatenate([model(w[None]).numpy() for w in x[:40]])
    assert np.abs(received - expected).max() < 0.06 * np.abs(expected).max()


def test_an_outlier_in_the_calibration_costs_less_where_it_is_clipped(tmp_path):
    student = dnn_student(FEATURES, CLASSES, (2, 1), (16,))
    x = np.random.default_rng(0).normal(size=(20, 300, FEATURES)).astype("float32")
    x[[3, 4], 7, 1] *= 100  # in 8 of 19,200 frames of the windows
    agreement = {}
    for ranges in ("minmax", "percentile"):
        out = tmp_path / ranges
        report = convert(
            student, out, x, ranges=ranges, seed=1, num_calibration_windows=5000
        )
        assert report.calibration["ranges"] == ranges
        expected = student(x[5:]).numpy().argmax(-1)
        received = Int8Student.load(out).predict(x[5:]).argmax(-1)
        agreement[ranges] = (expected == received).mean()
    assert agreement["minmax"] + 0.01 < agreement["percentile"]
