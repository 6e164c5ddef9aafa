"""Frame-wise students with two-dimensional layers, on one context window."""

import logging

import keras
import numpy as np
import pytest
from helpers.clips import shaken

from keras_rnn2dnn import convert
from keras_rnn2dnn.deploy import Int8Student, bundle, window_model
from keras_rnn2dnn.quantization.comparison import compare_logits, student_logits

L = keras.layers
BINS, CLASSES = 6, 3


def stack(*layers, channels=True):
    shape = (None, BINS, 1) if channels else (None, BINS)
    return keras.Sequential(
        [keras.Input(shape), *layers, L.Dense(CLASSES, name="logits")]
    )


def streaming():
    """Convolutions over frames and bins that need no frame behind."""
    return stack(
        L.ZeroPadding2D(((4, 0), (1, 1))),
        L.Conv2D(4, (5, 3), use_bias=False),
        L.BatchNormalization(),
        L.ReLU(),
        L.Conv2D(5, 3, strides=(1, 2), padding="same", activation="relu", name="both"),
        L.Reshape((-1, 15)),
        L.Conv1D(7, 3, padding="causal", dilation_rate=2, activation="relu"),
    )


def two_paths():
    inputs = keras.Input((None, BINS))
    x = L.Reshape((-1, BINS, 1))(inputs)
    x = L.Conv2D(2, (3, 1), name="conv")(L.ZeroPadding2D(((1, 1), (0, 0)))(x))
    x = L.TimeDistributed(L.Flatten())(x)
    y = L.Dense(2 * BINS)(inputs)
    return keras.Model(inputs, L.Dense(CLASSES)(L.Add()([x, y])))


STUDENTS = {
    "streaming": (streaming, (9, 1)),
    "two paths": (two_paths, (1, 1)),
    "depthwise": (
        lambda: stack(
            L.Conv2D(2, 1),
            L.DepthwiseConv2D(3, padding="same", activation="relu"),
            L.BatchNormalization(),
            L.MaxPooling2D((1, 2)),
            L.Reshape((-1, 6)),
        ),
        (1, 1),
    ),
    "valid": (
        lambda: stack(
            L.SeparableConv2D(4, (3, 2), dilation_rate=2),
            L.AveragePooling2D((2, 2), strides=(1, 2)),
            L.Reshape((-1, 8)),
        ),
        (0, 5),
    ),
    "images come from frames": (
        lambda: stack(
            L.Rescaling(0.5, offset=1.0),
            L.Reshape((-1, BINS, 1)),
            L.Conv2D(3, 3, padding="same"),
            L.Reshape((-1, 3 * BINS)),
            channels=False,
        ),
        (1, 1),
    ),
}


@pytest.mark.parametrize("name", STUDENTS)
def test_a_window_computes_what_the_student_does_on_inner_frames(name):
    build, (left, right) = STUDENTS[name]
    student = shaken(build())
    model, field = window_model(student)
    assert (field.left, field.right, field.stride) == (left, right, 1)
    x = np.random.default_rng(0).normal(size=(25, BINS)).astype("float32")
    expected = student_logits(student, x)[left : 25 - right]
    windows = [x[t : t + field.window] for t in range(len(x) - field.window + 1)]
    found = np.concatenate([model(window[None]).numpy() for window in windows])
    expected = student_logits(student, x) if name == "valid" else expected
    np.testing.assert_allclose(found, expected, atol=2e-5 * abs(expected).max())


def test_strides_and_pooling_give_fewer_frames():
    student = shaken(
        stack(
            L.Conv2D(3, 3, strides=2, padding="same", activation="relu"),
            L.MaxPooling2D(2),
            L.Reshape((-1, 3)),
        )
    )
    model, field = window_model(student)
    assert (field.left, field.right, field.stride) == (0, 4, 4)
    x = np.random.default_rng(0).normal(size=(32, BINS)).astype("float32")
    starts = range(0, 32 - field.window + 1, 4)
    found = [model(x[None, t : t + field.window]).numpy()[0] for t in starts]
    expected = student_logits(student, x)
    assert len(expected) == 8
    np.testing.assert_allclose(found, expected[: len(starts)], atol=1e-4)


def test_such_a_student_becomes_c_code_of_its_network(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(bundle, "measure_cores", lambda *arguments: None)
    x = np.random.default_rng(0).normal(size=(20, 60, BINS, 1)).astype("float32")
    with caplog.at_level(logging.WARNING, logger="keras_rnn2dnn"):
        report = convert(student := shaken(streaming()), tmp_path, x)
    assert (report.firmware["c"], report.latency_frames) == ("network", 1)
    assert report.comparison["frames"] == 4 * 60
    (int8,) = Int8Student.load(tmp_path).predict([x[0, ..., 0]])
    inner = slice(9, 59)  # where the student sees no zeros
    expected = student_logits(student, x[0, ..., 0])
    assert compare_logits([expected[inner]], [int8[inner]])["kl"] < 0.02
    (said,) = [r.getMessage() for r in caplog.records]
    assert 'padding="same" puts zeros before and behind an utterance' in said
    assert said.endswith("Layers: both (Conv2D)")


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([L.Flatten(name="flat")], r"flat \(Flatten\).*Keep the frames: Reshape"),
        (
            [L.MaxPooling2D((1, 3), strides=1, padding="same", name="pool")],
            r'pool \(MaxPooling2D\).*padding="same" pads the bins',
        ),
    ],
)
def test_what_a_stream_cannot_have_is_named(layers, message):
    inputs = keras.Input((None, BINS, 1))
    x = inputs
    for layer in layers:
        x = layer(x)
    if len(x.shape) == 4:
        x = L.Reshape((-1, x.shape[2] * x.shape[3]))(x)
    else:
        x = L.Reshape((-1, 6))(x)
    with pytest.raises(ValueError, match=message):
        window_model(keras.Model(inputs, L.Dense(CLASSES)(x)))
