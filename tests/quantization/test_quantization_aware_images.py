"""Students of two-dimensional layers, and of whole clips, trained for int8."""

import keras
import numpy as np
import pytest
from helpers.clips import (
    BINS,
    CLASSES,
    FRAMES,
    clips,
    ds_cnn,
    image,
    row,
    shaken,
    tc_resnet,
)

from keras_rnn2dnn import Distiller, ds_cnn_student
from keras_rnn2dnn.deploy import Int8Student, convert
from keras_rnn2dnn.quantization import quantization_aware
from keras_rnn2dnn.quantization.clips import clip_input
from keras_rnn2dnn.quantization.fake_quant import FakeQuant, is_fake_quantized
from keras_rnn2dnn.quantization.ranges import scale_and_zero_point

L = keras.layers


def separable():
    return image(
        L.SeparableConv2D(5, 3, padding="same", depth_multiplier=2),
        L.BatchNormalization(),
        L.ReLU(),
        L.MaxPooling2D(2),
        L.ZeroPadding2D(1),
        L.Conv2D(4, 3, activation="relu6"),
        L.AveragePooling2D((2, 2)),
        L.Flatten(),
        pooled=False,
    )


def averages():
    return row(
        L.Conv1D(8, 3, padding="same", activation="relu"),
        L.AveragePooling1D(2),
        L.Conv1D(8, 3),
    )


STUDENTS = {
    "ds-cnn": ds_cnn,
    "tc-resnet": tc_resnet,
    "separable": separable,
    "averages": averages,
}


@pytest.mark.parametrize("name", STUDENTS)
def test_the_student_and_its_int8_file_take_the_same_decisions(name, tmp_path):
    student, x = shaken(STUDENTS[name]()), clips(150)
    aware = quantization_aware(student, x)
    report = convert(aware, tmp_path, x)
    assert report.calibration["ranges"] == "student" and report.missing_c is None
    device, other = Int8Student.load(tmp_path), clips(200, seed=9)
    logits = aware(clip_input(aware, other)).numpy()
    received = device.predict(other)
    assert (logits.argmax(1) == received.argmax(1)).mean() >= 0.99
    steps = np.abs(logits - received) / device.output_quantization[0]
    # Values on the edge between two steps; of sums over few channels.
    assert steps.max() < 4.5 and (steps > 0.5).mean() < 0.1


def rounded(values, among, average=False):
    """Rounds to int8 in the range of other values; of averages a half away from 0."""
    low, high = min(among.min(), 0), max(among.max(), 0)
    scale, zero_point = scale_and_zero_point(low, high)
    steps = values / scale + zero_point
    sign = np.sign(steps) if average else 1
    steps = np.clip(sign * np.floor(sign * steps + 0.5 + 1e-9 * average), -128, 127)
    return scale * (steps - zero_point)


def int8(kernel, axes):
    scale = np.abs(kernel).max(axes) / 127
    return np.rint(kernel / scale) * scale


def images_of(x, size):
    """Windows of `(batch, frames, bins, channels)`, `(..., channels, *size)`."""
    return np.lib.stride_tricks.sliding_window_view(x, size, axis=(1, 2))


def test_it_computes_what_numpy_computes():
    student = image(
        L.Conv2D(4, (3, 2), activation="relu"),
        L.DepthwiseConv2D(3, depth_multiplier=2),
        L.SeparableConv2D(3, 2, activation="relu"),
    )
    student, x = shaken(student), clips(40)
    weights = [np.float64(w) for w in student.get_weights()]

    def forward(rounds):
        kept = []
        first, b1, deep, b2, depth, point, b3, last, b4 = weights
        if rounds:
            first, point = int8(first, (0, 1, 2)), int8(point, (0, 1, 2))
            deep, depth, last = int8(deep, (0, 1)), int8(depth, (0, 1)), int8(last, 0)

        def give(values):
            number = len(kept)
            kept.append(values)
            return rounded(values, floats[number]) if rounds else values

        y = give(np.float64(x[..., None]))
        y = np.einsum("btfchw,hwco->btfo", images_of(y, (3, 2)), first) + b1
        y = give(np.maximum(y, 0))
        y = np.einsum("btfchw,hwcm->btfcm", images_of(y, (3, 3)), deep)
        y = give(y.reshape(*y.shape[:3], -1) + b2)
        y = np.einsum("btfchw,hwcm->btfcm", images_of(y, (2, 2)), depth)
        y = give(y.reshape(*y.shape[:3], -1))
        y = give(np.maximum(y @ point[0, 0] + b3, 0))
        mean = y.mean((1, 2))
        y = rounded(mean, floats[len(kept) - 1], True) if rounds else mean
        return give(y @ last + b4), kept

    exact, floats = forward(False)
    assert student(x[..., None]).numpy() == pytest.approx(exact, rel=1e-3, abs=1e-2)
    expected, _ = forward(True)
    aware = quantization_aware(student, x, ranges="minmax")
    received = aware(x[..., None]).numpy()
    difference = np.abs(received - expected) / np.ptp(exact)
    assert (difference > 0.3 / 255).mean() < 0.05  # on the edge between two steps
    assert np.abs(expected - exact).max() > 1e-3 * np.ptp(exact)


def test_averages_have_the_range_of_what_they_are_of():
    aware = quantization_aware(shaken(averages()), clips(60))
    found = [layer for layer in aware.layers if isinstance(layer, FakeQuant)]
    limits = [(layer.low, layer.high) for layer in found]
    assert len(limits) == 6  # input, conv, average, conv, mean, logits
    assert limits[1] == limits[2] and limits[3] == limits[4] != limits[5]


def test_a_frame_wise_student_of_images(tmp_path):
    student = keras.Sequential(
        [
            keras.Input((None, BINS, 1)),
            L.ZeroPadding2D(((2, 0), (1, 1))),
            L.Conv2D(4, 3, use_bias=False),
            L.BatchNormalization(),
            L.ReLU(),
            L.Reshape((-1, 4 * BINS)),
            L.Dense(CLASSES),
        ]
    )
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 60, BINS)).astype("float32")
    aware = quantization_aware(shaken(student), x)
    report = convert(aware, tmp_path, x)
    assert report.calibration["ranges"] == "student" and report.missing_c is None
    device = Int8Student.load(tmp_path)
    logits = aware(x[..., None]).numpy()[:, 2:]
    steps = np.abs(logits - device.predict(x)[:, 2:]) / device.output_quantization[0]
    assert steps.max() < 2.5 and (steps > 0.5).mean() < 0.06


def test_it_is_trained_saved_and_loaded(tmp_path):
    x = clips(64)
    aware = quantization_aware(shaken(separable()), x)
    before = aware.get_weights()
    distiller = Distiller(None, aware)
    distiller.compile(keras.optimizers.Adam(0.01))
    distiller.fit(
        x[..., None], 5 * np.eye(CLASSES)[np.arange(64) % CLASSES] - 1, verbose=0
    )
    after = aware.get_weights()
    changes = [np.abs(a - b).max() for a, b in zip(before, after, strict=True)]
    assert min(changes) > 1e-4
    aware.save(tmp_path / "aware.keras")
    loaded = keras.saving.load_model(tmp_path / "aware.keras")
    np.testing.assert_array_equal(aware(x[..., None]), loaded(x[..., None]))
    assert is_fake_quantized(loaded)


def test_the_reference_student_is_taken():
    student = ds_cnn_student(BINS, CLASSES, frames=FRAMES)
    aware = quantization_aware(student, clips(60))
    x = clips(20, seed=3)
    difference = aware(x).numpy() - student(x, training=False).numpy()
    assert 0 < np.abs(difference).max() < 0.1 * np.ptp(student(x).numpy()) + 0.02


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (L.Conv2D(4, 3, activation="tanh", name="bend"), r"bend \(Conv2D\)'. .*relu6"),
        (L.LeakyReLU(name="leak"), r"leak \(LeakyReLU\)'. .*SeparableConv, pooling"),
        (L.Rescaling(1.0, 1.0, name="shift"), r"shift \(Rescaling\)'. .*folds it"),
    ],
)
def test_other_layers_are_refused_by_name(layer, named):
    student = image(layer, L.Conv2D(4, 3, padding="same", activation="relu"))
    with pytest.raises(ValueError, match=named):
        quantization_aware(student, clips(60))
