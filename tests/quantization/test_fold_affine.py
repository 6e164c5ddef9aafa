import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_rnn2dnn import SpliceFrames
from keras_rnn2dnn.deploy import ReceptiveField, window_model
from keras_rnn2dnn.deploy.device.layers import read_layers
from keras_rnn2dnn.models.spliced_dense import SplicedDense
from keras_rnn2dnn.quantization.folding.affine import Affine
from keras_rnn2dnn.quantization.quantize import quantize
from keras_rnn2dnn.quantization.window_layers import SliceFrames

L = keras.layers
FEATURES, CLASSES, FRAMES = 4, 3, 40


def stack(*layers):
    return keras.Sequential([keras.Input((None, FEATURES)), *layers, L.Dense(CLASSES)])


def operators():
    x = keras.Input((None, FEATURES))
    y = L.Dense(6)((x - np.arange(4.0)) / 3.0)
    y = ops.maximum(2 - y, 0.0) * 0.5 + np.arange(1.0, 7.0)
    return keras.Model(x, -L.Dense(CLASSES)(ops.relu(L.Dense(5)(y))))


def clipped():
    x = keras.Input((None, FEATURES))
    y = L.AlphaDropout(0.1)(ops.clip(L.Dense(6)(x), 0, 6))
    return keras.Model(x, L.Dense(CLASSES)(y))


def read_twice():
    x = keras.Input((None, FEATURES))
    y = L.BatchNormalization()(x)
    return keras.Model(x, L.Dense(CLASSES)(L.Add()([L.Dense(5)(y), L.Dense(5)(y)])))


def normalization():
    return L.Normalization(mean=[1.0, 2, 3, 4], variance=[4.0, 1, 0.25, 9])


# By the receptive field and whether the C code runs what is left.
STUDENTS = {
    "after relu": (lambda: stack(L.Dense(6, "relu"), L.BatchNormalization()), 0, 0),
    "first": (
        lambda: stack(L.BatchNormalization(), L.Conv1D(6, 3, padding="same")),
        *(1, 1),
    ),
    "before a dilated convolution": (
        lambda: stack(
            L.Conv1D(6, 2, activation="relu"),
            L.BatchNormalization(),
            L.Conv1D(5, 3, padding="causal", dilation_rate=2, use_bias=False),
        ),
        *(4, 1),
    ),
    "between dense and relu": (
        lambda: stack(
            L.Dense(6, use_bias=False), L.Dropout(0.5), L.BatchNormalization(), L.ReLU()
        ),
        *(0, 0),
    ),
    "twice, of few": (
        lambda: stack(
            L.BatchNormalization(scale=False),
            L.Identity(),
            L.BatchNormalization(center=False),
            SplicedDense(6, 2, 1, 2, "relu"),
        ),
        *(4, 2),
    ),
    "before spliced frames": (
        lambda: stack(L.ReLU(), L.BatchNormalization(), SpliceFrames(2, 1)),
        *(2, 1),
    ),
    "last": (
        lambda: keras.Sequential(
            [stack(L.Dense(6, "relu")), L.BatchNormalization(), L.Dropout(0.1)]
        ),
        *(0, 0),
    ),
    "spliced frames of several frames": (
        lambda: stack(
            SpliceFrames(1, 1),
            L.Dense(6, "relu"),
            SpliceFrames(2, 0, step=2),
            L.Masking(),
        ),
        *(5, 1),
    ),
    "first, before a relu": (lambda: stack(L.BatchNormalization(), L.ReLU()), 0, 0),
    "last, after a relu": (
        lambda: keras.Sequential([stack(L.Dense(6)), L.ReLU(), L.BatchNormalization()]),
        *(0, 0),
    ),
    "clipped": (clipped, 0, 0),
    "rescaling": (lambda: stack(L.Rescaling([1, 2, 3, 4.0], -0.5)), 0, 0),
    "normalization": (lambda: stack(normalization(), L.Conv1D(5, 2)), 0, 1),
    "by frames": (
        lambda: stack(L.TimeDistributed(L.Dense(5, "relu")), L.BatchNormalization()),
        *(0, 0),
    ),
    "operators": (operators, 0, 0),
    "read twice": (read_twice, 0, 0),
    "zero padding": (
        lambda: stack(
            L.ZeroPadding1D((2, 0)),
            L.BatchNormalization(),
            L.Conv1D(6, 3, dilation_rate=1),
        ),
        *(2, 0),
    ),
    "zero padding before a splice": (
        lambda: stack(L.ZeroPadding1D((4, 2)), L.Conv1D(6, 4, dilation_rate=2)),
        *(4, 2),
    ),
    "average": (
        lambda: stack(L.AveragePooling1D(3, strides=1, padding="same"), L.ReLU()),
        *(1, 1),
    ),
    "groups": (
        lambda: stack(L.BatchNormalization(), L.Conv1D(6, 3, groups=2, padding="same")),
        *(1, 1),
    ),
    "depthwise": (
        lambda: stack(
            L.BatchNormalization(),
            L.DepthwiseConv1D(3, depth_multiplier=2, padding="same", use_bias=False),
            L.BatchNormalization(),
            L.ReLU(),
        ),
        *(1, 1),
    ),
    "separable": (
        lambda: stack(
            L.ReLU(),
            L.BatchNormalization(),
            L.SeparableConv1D(6, 3, depth_multiplier=2, padding="same"),
            L.BatchNormalization(),
            L.ReLU(),
        ),
        *(1, 1),
    ),
    "activations of TensorFlow": (
        lambda: stack(L.Dense(6, tf.nn.relu), L.Conv1D(6, 1, activation=ops.relu6)),
        *(0, 0),
    ),
    "a layer as an activation": (
        lambda: stack(L.Dense(6, activation=L.ReLU()), L.Activation(L.ReLU())),
        *(0, 0),
    ),
}
NOT_IN_C = ("read twice", "groups", "depthwise", "separable", "before spliced frames")


def trained(model):
    """Gives every weight a value, moving statistics far from 0 and 1."""
    rng = np.random.default_rng(0)
    for variable in model.weights:
        low, high = (0.05, 4.0) if "variance" in variable.name else (-0.9, 1.1)
        variable.assign(rng.uniform(low, high, variable.shape))
    return model


@pytest.mark.parametrize("name", STUDENTS)
def test_scales_and_shifts_are_in_the_weights(name):
    build, left, right = STUDENTS[name]
    student = trained(build())
    before = student.get_weights()
    model, field = window_model(student)
    assert field == ReceptiveField(left, right)
    kinds = {type(layer) for layer in model.layers}
    assert not kinds & {Affine, L.BatchNormalization, L.Rescaling, L.Normalization}
    x = np.random.default_rng(1).normal(2, 3, (FRAMES, FEATURES)).astype("float32")
    expected = student(x[None]).numpy()[0]
    windows = [x[t - left : t + right + 1] for t in range(left, FRAMES - right)]
    found = np.concatenate([model(w[None]).numpy() for w in windows])
    expected = expected[left : left + len(windows)]
    scale = np.abs(expected).max()
    assert np.abs(found - expected).max() < 2e-6 * max(scale, 1) * 10
    for old, new in zip(before, student.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    if name not in NOT_IN_C:
        tflite = quantize(model, np.stack(windows))
        assert len(read_layers(tflite)) == sum(
            bool(layer.weights) for layer in model.layers
        )


def test_what_nothing_with_weights_is_beside_stays():
    x = keras.Input((None, FEATURES))
    y = L.BatchNormalization()(x)
    model = trained(keras.Model(x, L.Dense(CLASSES)(L.Add()([L.ReLU()(y), y]))))
    window, _ = window_model(model)
    assert sum(isinstance(layer, Affine) for layer in window.layers) == 1
    values = np.random.default_rng(1).normal(size=(1, 1, FEATURES)).astype("float32")
    np.testing.assert_allclose(window(values), model(values)[0], rtol=1e-5, atol=1e-5)


def test_strided_averages_are_strided_convolutions():
    student = stack(L.AveragePooling1D(2), L.Conv1D(4, 2, activation="relu"))
    model, field = window_model(student)
    assert field == ReceptiveField(0, 3, 2)
    x = np.random.default_rng(1).normal(size=(1, 12, FEATURES)).astype("float32")
    expected = student(x).numpy()[0]
    for t, logits in enumerate(expected):
        window = x[:, 2 * t : 2 * t + 4]
        np.testing.assert_allclose(model(window)[0], logits, rtol=1e-5, atol=1e-6)
    assert not any(isinstance(layer, SliceFrames) for layer in model.layers)


def test_a_fold_is_that_of_algebra():
    """One unit by hand: 3 * relu(2 x) + 1, then times 5 and 7 more."""
    dense = L.Dense(1, "relu", kernel_initializer="ones", use_bias=False)
    last = L.Dense(1, use_bias=False, kernel_initializer=keras.initializers.Constant(5))
    layers = [L.Rescaling(2.0), dense, L.Rescaling(3.0, 1.0), last, L.Rescaling(1, 7)]
    model, _ = window_model(keras.Sequential([keras.Input((None, 1)), *layers]))
    assert [w.item() for w in model.get_weights()] == [2.0, 0.0, 15.0, 12.0]
