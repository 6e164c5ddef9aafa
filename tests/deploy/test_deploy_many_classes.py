"""Students of real size: as many classes as real acoustic models have."""

import keras
import numpy as np
import pytest

from keras_rnn2dnn.deploy import convert
from keras_rnn2dnn.deploy.toolchain import Workbench, missing_tools
from keras_rnn2dnn.quantization import quantization_aware

L = keras.layers
FEATURES = 6


def student(classes):
    """With trained statistics, pruned units, and a softmax at its end."""
    model = keras.Sequential(
        [
            keras.Input((None, FEATURES)),
            L.BatchNormalization(),
            L.Conv1D(16, 3, activation="relu"),
            L.BatchNormalization(),
            L.Dense(classes),
            L.Softmax(name="posteriors"),
        ]
    )
    rng = np.random.default_rng(0)
    for weight in model.weights:
        low = 0.2 if "variance" in weight.name else -1.0
        weight.assign(rng.uniform(low, 1.5, weight.shape))
    kernel, bias = model.layers[3].get_weights()
    kernel[:, ::7] *= 1e-7
    model.layers[3].set_weights([kernel, bias])
    return model


def features():
    return np.random.default_rng(1).normal(size=(12, 70, FEATURES)).astype("float32")


@pytest.mark.parametrize("classes", [51, 201, 3400])
def test_the_c_code_gives_the_same_bits(classes, tmp_path):
    model, x = student(classes), features()
    report = convert(model, tmp_path, x)
    assert report.firmware["c"] == "network" and report.missing_c is None
    assert report.left_out == "the softmax of 'posteriors': the file gives logits"
    assert "not in the file" in str(report)
    assert report.comparison["agreement"] > 0.85
    assert report.comparison["kl"] < 0.02
    if missing_tools("host"):
        pytest.skip("needs make and cc")
    window, count = report.context["window"] * FEATURES, 40
    inputs, outputs = (
        (tmp_path / "golden" / f"network_{name}.s8").read_bytes()
        for name in ("inputs", "outputs")
    )
    with Workbench(tmp_path) as bench:
        given = bench.run("host", "network", inputs[-count * window :])
    assert given == outputs[-count * classes :]


@pytest.mark.parametrize("classes", [201, 3400])
def test_students_trained_for_int8(classes):
    aware = quantization_aware(student(classes), features())
    values = aware(features()[:2]).numpy()
    assert values.shape == (2, 68, classes)
    np.testing.assert_allclose(values.sum(-1), 1.0, rtol=1e-4)
