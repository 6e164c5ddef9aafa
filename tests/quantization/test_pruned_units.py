"""Units that were pruned, or died: TensorFlow Lite gives them biases of 2^30."""

import keras
import numpy as np
import pytest
from helpers.bundles import needs_cores

from keras_rnn2dnn.deploy import Int8Student, convert, window_model
from keras_rnn2dnn.deploy.device.layers import read_layers
from keras_rnn2dnn.deploy.device.network import run_network
from keras_rnn2dnn.deploy.tflm import is_installed, run_tflm
from keras_rnn2dnn.deploy.toolchain import CORES, Workbench, missing_tools
from keras_rnn2dnn.quantization.quantize import quantize

L = keras.layers
FEATURES, CLASSES = 6, 5
FACTORS, BIASES = (0, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4), (-10.0, -0.22, 0.22, 5.0)


def pruned(pairs):
    """A student with one such unit in each layer, for each pair of factor and bias."""
    hidden = len(pairs) + 5
    student = keras.Sequential(
        [
            keras.Input((None, FEATURES)),
            L.Conv1D(hidden, 3, padding="same", activation="relu"),
            L.Dense(hidden, "relu"),
            L.Dense(CLASSES),
        ]
    )
    weights = student.get_weights()
    for kernel, bias in (weights[:2], weights[2:4]):
        for unit, (factor, value) in enumerate(pairs):
            kernel[..., unit] *= factor
            bias[unit] = value
    student.set_weights(weights)
    return student


def features(number=12, frames=70):
    rng = np.random.default_rng(0)
    return rng.normal(size=(number, frames, FEATURES)).astype("float32")


@pytest.mark.parametrize(
    "pair", [(factor, bias) for factor in FACTORS for bias in BIASES[::2]]
)
def test_a_pruned_unit_keeps_the_c_code(pair):
    model, field = window_model(pruned([pair]))
    rng = np.random.default_rng(0)
    tflite = quantize(model, rng.normal(size=(100, field.window, FEATURES)))
    layers = read_layers(tflite)
    assert len(layers) == 3
    windows = rng.integers(-128, 128, (200, field.window, FEATURES), np.int8)
    runtime = Int8Student.load(tflite, field).integer_logits(windows)
    found = run_network(layers, windows)
    assert len(np.unique(found)) > 30
    assert np.abs(found.astype(int) - runtime).max() <= 1


def test_the_c_code_of_pruned_units_gives_the_same_bits(tmp_path):
    if missing_tools("sanitize"):
        pytest.skip("needs make and cc")
    student = pruned([(factor, bias) for factor in FACTORS for bias in BIASES])
    report = convert(student, tmp_path, features())
    assert report.firmware["c"] == "network"
    largest = max(np.abs(layer.bias).max() for layer in read_layers_of(tmp_path))
    assert largest >= 2**30
    inputs, expected = (
        (tmp_path / "golden" / f"network_{name}.s8").read_bytes()
        for name in ("inputs", "outputs")
    )
    with Workbench(tmp_path) as bench:  # which finds overflows, too
        assert bench.run("sanitize", "network", inputs) == expected
    field = report.context
    windows = np.frombuffer(inputs, np.int8).reshape(-1, field["window"], FEATURES)
    once = run_network(read_layers_of(tmp_path), windows[::20], "single").tobytes()
    with Workbench(tmp_path, rounding="single") as bench:
        assert bench.run("sanitize", "network", windows[::20].tobytes()) == once


@pytest.mark.slow
@needs_cores
def test_emulated_cores_give_the_same_bits_of_pruned_units(tmp_path):
    student = pruned([(factor, bias) for factor in FACTORS for bias in BIASES])
    window = convert(student, tmp_path, features()).context["window"] * FEATURES
    inputs, expected = (
        (tmp_path / "golden" / f"network_{name}.s8").read_bytes()
        for name in ("inputs", "outputs")
    )
    with Workbench(tmp_path) as bench:
        for core in CORES:
            found = bench.run(core, "network", inputs[-100 * window :])
            assert found == expected[-100 * CLASSES :], core


@pytest.mark.skipif(not is_installed(), reason="tflite-micro is not installed")
def test_pruned_units_are_those_of_tensorflow_lite_micro():
    model, field = window_model(pruned([(f, b) for f in FACTORS for b in BIASES]))
    rng = np.random.default_rng(0)
    tflite = quantize(model, rng.normal(size=(100, field.window, FEATURES)))
    windows = rng.integers(-128, 128, (100, field.window, FEATURES), np.int8)
    found = run_network(read_layers(tflite), windows)
    np.testing.assert_array_equal(found, run_tflm(tflite, windows))


def read_layers_of(folder):
    return read_layers((folder / "student.tflite").read_bytes())


@pytest.mark.parametrize("dead", ["unit", "gamma"])
def test_dead_units_of_a_batch_normalization_keep_the_c_code(dead):
    student = keras.Sequential(
        [
            keras.Input((None, FEATURES)),
            L.Dense(8, name="hidden"),
            L.BatchNormalization(name="norm"),
            L.ReLU(),
            L.Dense(CLASSES),
        ]
    )
    kernel, bias = student.get_layer("hidden").get_weights()
    gamma, beta, mean, variance = student.get_layer("norm").get_weights()
    beta[:] = mean[:] = 0.3
    if dead == "unit":
        kernel[:, 2], variance[2] = 0, 0
    else:
        gamma[2] = 0
    student.get_layer("hidden").set_weights([kernel, bias])
    student.get_layer("norm").set_weights([gamma, beta, mean, variance])
    model, _ = window_model(student)
    windows = np.random.default_rng(0).normal(size=(100, 1, FEATURES))
    assert len(read_layers(quantize(model, windows))) == 2
