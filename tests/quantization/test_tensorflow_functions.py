"""Students whose `call` uses functions of TensorFlow."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.clips import BINS, CLASSES, clips, shaken

from keras_rnn2dnn.deploy import convert
from keras_rnn2dnn.quantization import ReceptiveField, window_model
from keras_rnn2dnn.quantization.folding.tensorflow_functions import as_keras_operations

L = keras.layers
SYMBOL = keras.KerasTensor((None, 6, 4))
X = np.random.default_rng(0).normal(size=(2, 6, 4)).astype("float32")


class Clip(keras.Model):
    """Utterance-level, as code of TensorFlow 2 is written."""

    def __init__(self):
        super().__init__(name="clip")
        self.first = L.Conv2D(4, 3, name="first")
        self.norm = L.BatchNormalization(name="norm")
        self.second = L.Conv2D(4, (3, 1), padding="same", name="second")
        self.logits = L.Dense(CLASSES, name="logits")

    def call(self, inputs, training=False):
        x = tf.expand_dims(tf.cast(inputs, tf.float32), -1)
        x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
        x = tf.nn.relu(self.norm(self.first(x), training=training))
        x = tf.nn.relu6(tf.add(tf.identity(self.second(x)), x))
        return tf.nn.softmax(self.logits(tf.reduce_mean(x, axis=[1, 2])))


class Frames(keras.Model):
    """Frame-wise, with two branches."""

    def __init__(self):
        super().__init__(name="frames")
        self.near, self.far = L.Conv1D(6, 3), L.Conv1D(6, 3, dilation_rate=2)
        self.logits = L.Dense(CLASSES)

    def call(self, inputs):
        near = self.near(tf.pad(inputs, tf.constant([[0, 0], [2, 0], [0, 0]])))
        far = self.far(tf.pad(inputs, [[0, 0], [4, 0], [0, 0]]))
        return self.logits(tf.nn.relu(tf.concat([near, far], -1)))


def built(model):
    model(clips(2))
    return shaken(model)


def test_a_clip_in_functions_of_tensorflow_converts_to_c_code(tmp_path):
    student = built(Clip())
    report = convert(student, tmp_path, clips(80))
    assert report.missing_c is None and (tmp_path / "c/model.h").exists()
    assert report.comparison["agreement"] > 0.9
    model, _ = window_model(student)
    x = clips(4)
    logits = np.concatenate([model(one[None]).numpy() for one in x])
    expected = student(x, training=False).numpy()
    assert keras.ops.softmax(logits).numpy() == pytest.approx(expected, abs=1e-5)


def test_frames_in_functions_of_tensorflow_have_their_receptive_field():
    student = built(Frames())
    model, field = window_model(student)
    assert field == ReceptiveField(4, 0)
    x = np.random.default_rng(0).normal(size=(1, 30, BINS)).astype("float32")
    expected = student(x).numpy()[0, 4:]
    windows = np.lib.stride_tricks.sliding_window_view(x[0], 5, axis=0)
    received = [model(w.T[None]).numpy()[0] for w in windows]
    assert np.array(received) == pytest.approx(expected, abs=1e-5)


def test_own_layers_and_lambdas_of_functions_are_opened():
    class Relu(L.Layer):
        def call(self, inputs):
            return tf.nn.relu(inputs)

    halved = L.Lambda(lambda x: tf.multiply(x, 0.5))
    layers = [L.Dense(6), Relu(), halved, L.Dense(CLASSES)]
    student = keras.Sequential([keras.Input((None, BINS)), *layers])
    model, _ = window_model(student)
    x = np.random.default_rng(0).normal(size=(5, BINS)).astype("float32")
    received = np.concatenate([model(one[None, None]).numpy() for one in x])
    assert received == pytest.approx(student(x[None]).numpy()[0], abs=1e-5)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tf.add(x, 1.0),
        lambda x: tf.constant(2.0) * x,
        lambda x: tf.clip_by_value(x, 0, 6),
        lambda x: tf.clip_by_value(x, -0.5, 0.5),
        lambda x: tf.concat(axis=-1, values=[x, x]),
        lambda x: tf.divide(x, 2.0),
        lambda x: tf.expand_dims(x, axis=1),
        lambda x: tf.squeeze(tf.expand_dims(x, 1), [1]),
        tf.nn.leaky_relu,
        lambda x: tf.nn.leaky_relu(x, alpha=0.1),
        lambda x: tf.nn.log_softmax(x, axis=-1),
        lambda x: tf.maximum(x, 0.0, name="positive"),
        lambda x: tf.multiply(x, tf.constant([1.0, 2, 3, 4])),
        lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 0]]),
        lambda x: tf.reduce_max(x, 1, True),
        lambda x: tf.math.reduce_mean(x, keepdims=True, axis=-1),
        lambda x: tf.reduce_mean(x, keepdims=True),
        lambda x: tf.reduce_max(keepdims=True, input_tensor=x),
        lambda x: tf.pad(mode="CONSTANT", paddings=[[0, 0], [1, 0], [0, 0]], tensor=x),
        lambda x: tf.reshape(x, [-1, 6, 2, 2]),
        lambda x: tf.reshape(x, (tf.shape(x)[0], 24)),
        lambda x: tf.subtract(1.0, x),
        *(tf.math.sigmoid, tf.nn.silu, tf.nn.swish, tf.math.tanh, tf.nn.relu6),
    ],
)
def test_a_function_is_what_keras_computes(function):
    with as_keras_operations():
        symbolic = function(SYMBOL)
    received = keras.Function(SYMBOL, symbolic)(X)
    assert received.numpy() == pytest.approx(function(tf.constant(X)).numpy(), abs=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tf.cumsum(x, axis=1),
        lambda x: tf.nn.dropout(x, 0.5),
        lambda x: tf.pad(x, [[0, 0], [1, 1], [0, 0]], "REFLECT"),
        lambda x: tf.pad(x, [[0, 0], [0, 0], [1, 1]]),
        lambda x: tf.pad(x, [[0, 0], [1, 1], [0, 0]], constant_values=1.0),
    ],
    ids=["cumsum", "dropout", "reflect", "features", "ones"],
)
def test_other_functions_are_left_to_tensorflow(function):
    with as_keras_operations(), pytest.raises(ValueError, match="KerasTensor cannot"):
        function(SYMBOL)


def test_outside_tensorflow_is_as_it_was():
    with as_keras_operations():
        tf.nn.relu(SYMBOL)
    with pytest.raises(ValueError, match="KerasTensor cannot"):
        tf.nn.relu(SYMBOL)
