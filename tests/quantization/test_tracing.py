"""Subclassed students, and layers of layers, as graphs of Keras's layers."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.clips import BINS, CLASSES, FRAMES, clips, shaken
from keras import ops

from keras_rnn2dnn.deploy import convert
from keras_rnn2dnn.deploy.forecast import forecast, refusal
from keras_rnn2dnn.quantization import ReceptiveField, quantization_aware, window_model
from keras_rnn2dnn.quantization.folding.tracing import traced

L = keras.layers
COUNT = itertools.count()


class Block(L.Layer):
    """A residual block; all blocks have layers of the same names."""

    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        self.conv = L.Conv2D(channels, 3, padding="same", name="conv")
        self.norm = L.BatchNormalization(name="norm")

    def build(self, input_shape):
        self.conv.build(input_shape)
        self.norm.build(input_shape)

    def call(self, inputs, training=None):
        return ops.relu(self.norm(self.conv(inputs), training=training) + inputs)


class Clip(keras.Model):
    """Utterance-level, of blocks in lists and in a nested model."""

    def __init__(self, activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.first = L.Conv2D(4, 3, padding="same", activation=activation, name="conv")
        self.blocks = [Block(4), Block(4)]
        self.nested = keras.Sequential([L.Dropout(0.5), Block(4)])
        self.last = L.Dense(CLASSES, name="logits")

    def call(self, inputs, training=False):
        x = self.first(inputs[..., None])
        for block in self.blocks:
            x = block(x, training=training)
        return self.last(ops.mean(self.nested(x, training=training), axis=[1, 2]))


class Frames(keras.Model):
    """Frame-wise, with noise in training alone."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = L.BatchNormalization()
        self.hidden = L.Conv1D(6, 5, padding="causal", use_bias=False)
        self.logits = L.Conv1D(CLASSES, 3, padding="same", dilation_rate=2)

    def call(self, inputs, training=False):
        x = self.norm(self.hidden(inputs), training=training)
        if training:
            x = x + keras.random.normal(ops.shape(x))
        return self.logits(ops.relu(x))


def built(model):
    model(clips(2))
    return shaken(model)


def test_a_subclassed_student_of_clips_computes_the_same_in_its_window():
    student = built(Clip())
    names = [layer.name for layer in student._flatten_layers()]
    model, field = window_model(student)
    assert field.is_clip and field.window == FRAMES
    x = clips(8)
    expected = student(x, training=False).numpy()
    received = np.concatenate([model(one[None]).numpy() for one in x])
    assert received == pytest.approx(expected, abs=1e-4)
    assert [layer.name for layer in student._flatten_layers()] == names
    kinds = {type(layer) for layer in traced(student).layers}
    assert Block not in kinds and L.Conv2D in kinds


def test_a_subclassed_student_of_frames_has_its_receptive_field():
    student = built(Frames())  # with clips of a fixed length: frames are left open
    model, field = window_model(student)
    assert field == ReceptiveField(6, 2)
    x = np.random.default_rng(0).normal(size=(1, 30, BINS)).astype("float32")
    expected = student(x, training=False).numpy()[0, 6:28]
    windows = np.lib.stride_tricks.sliding_window_view(x[0], 9, axis=0)
    received = [model(w.T[None]).numpy()[0] for w in windows]
    assert np.array(received) == pytest.approx(expected, abs=1e-5)


def test_the_graph_shares_the_weights():
    student = built(Frames())
    graph = traced(student)
    x = clips(2)
    for weight in student.weights:
        weight.assign(weight * 0.5)
    assert graph(x).numpy() == pytest.approx(student(x).numpy(), abs=1e-6)
    assert graph.name == student.name
    assert graph.count_params() == student.count_params()


def test_graphs_of_keras_layers_stay_as_they_are():
    student = keras.Sequential([keras.Input((None, 4)), L.Dense(3)])
    outer = keras.Sequential([keras.Input((None, 4)), student])
    assert traced(student) is student and traced(outer) is outer


def test_layers_of_layers_in_a_functional_student_are_opened():
    inputs = keras.Input((FRAMES, BINS, 1))
    x = Block(4)(L.Conv2D(4, 3, name="conv")(inputs))
    student = shaken(
        keras.Model(inputs, L.Dense(CLASSES)(L.GlobalMaxPooling2D()(x)), name="own")
    )
    x = clips(4)
    model, _ = window_model(student)
    received = np.concatenate([model(one[None]).numpy() for one in x])
    assert received == pytest.approx(student(x[..., None]).numpy(), abs=1e-4)


def test_a_subclassed_student_converts_to_c_code(tmp_path):
    student = built(Clip(name="clip"))
    assert forecast(student).c
    report = convert(student, tmp_path, clips(80))
    assert report.missing_c is None and (tmp_path / "c/model.h").exists()
    assert report.comparison["agreement"] > 0.9
    assert report.parameters == student.count_params()


def test_without_c_code_it_converts_to_tensorflow_lite_and_says_so(tmp_path, caplog):
    report = convert(built(Clip("tanh")), tmp_path, clips(80))
    assert report.missing_c.startswith("The bundle has no C code.")
    assert report.missing_c in caplog.text
    assert (tmp_path / "student.tflite").exists() and not (tmp_path / "c").exists()


def test_it_is_trained_for_int8_as_graphs_are():
    student = built(Frames())
    aware = quantization_aware(student, clips(80), ranges="minmax")
    x = clips(10, seed=2)
    difference = aware(x).numpy() - student(x, training=False).numpy()
    assert 0 < np.abs(difference).max() < 0.3


class Own(keras.Model):
    """Of one layer, and of a function of the test."""

    def __init__(self, function, layer=None):
        super().__init__(name="own")
        self.function, self.layer = function, layer or L.Dense(CLASSES)

    def call(self, inputs):
        return self.function(self.layer(inputs))


@pytest.mark.parametrize(
    ("student", "said"),
    [
        (
            lambda: Own(lambda x: tf.cumsum(x, axis=2)),
            "A Own hides its layers: its `call` cannot be traced (A KerasTensor cannot",
        ),
        (
            lambda: Own(lambda x: x + next(COUNT)),
            "A Own hides its layers: what it computes depends on more than its input",
        ),
        (
            lambda: Own(lambda x: x[:, 1:]),
            "Received: student='get_item",
        ),
        (
            lambda: Own(ops.relu, L.GRU(CLASSES, return_sequences=True, name="gru")),
            "Received: student='gru (GRU)'. Recurrent: it cannot run on a window",
        ),
        (
            lambda: Own(lambda x: {"a": x, "b": x}),
            "several outputs of the student 'own'",
        ),
    ],
    ids=["tensorflow", "random", "slice", "recurrent", "outputs"],
)
def test_what_cannot_be_traced_is_refused(student, said):
    model = student()
    model(clips(2))
    with pytest.raises(ValueError) as error:
        window_model(model)
    assert said in str(error.value)
    assert said in refusal(model)


def test_a_student_without_weights_is_asked_for_a_batch():
    with pytest.raises(ValueError, match="Call it on a batch of features first"):
        window_model(Frames())


def test_a_layer_of_layers_that_cannot_be_traced_is_named():
    class Mixed(Block):
        def call(self, inputs):
            return tf.cumsum(self.conv(inputs), axis=1)

    student = keras.Sequential([keras.Input((FRAMES, BINS, 1)), Mixed(1, name="mixed")])
    student.add(L.GlobalMaxPooling2D())
    with pytest.raises(ValueError, match=r"Received: student='mixed \(Mixed\)'"):
        window_model(student)
