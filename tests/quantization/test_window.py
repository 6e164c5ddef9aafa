import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import SpliceFrames, dnn_student, rnn_teacher
from keras_rnn2dnn.deploy import ReceptiveField, window_model
from keras_rnn2dnn.models.reference import tdnn_student
from keras_rnn2dnn.models.spliced_dense import SplicedDense
from keras_rnn2dnn.quantization.interpreter import context_windows
from keras_rnn2dnn.quantization.operators import operators
from keras_rnn2dnn.quantization.quantize import quantize

L = keras.layers
FEATURES, CLASSES, FRAMES = 4, 3, 60


def stack(*layers):
    return keras.Sequential([keras.Input((None, FEATURES)), *layers])


def tdnn():
    return stack(
        L.Conv1D(6, 5, padding="same", activation="relu"),
        L.Conv1D(6, 3, padding="same", dilation_rate=2, activation="relu6"),
        L.BatchNormalization(),
        L.Conv1D(CLASSES, 2, padding="causal", dilation_rate=3),
    )


def nested():
    inputs = keras.Input((None, FEATURES))
    block = keras.Sequential(
        [L.Masking(), SpliceFrames(1, 2), L.Dropout(0.5), L.Dense(5, "relu")]
    )
    return keras.Model(inputs, L.Dense(CLASSES)(block(inputs)))


def residual():
    inputs = keras.Input((None, FEATURES))
    x = L.Dense(6)(inputs)
    y = L.Conv1D(6, 3, padding="same", activation="relu")(x)
    y = L.Conv1D(6, 3, padding="causal")(y)
    x = L.Add()([x, y])
    x = L.Concatenate()([x, SpliceFrames(3, 0)(inputs)])
    return keras.Model(inputs, L.Dense(CLASSES)(x))


def shared():
    inputs = keras.Input((None, FEATURES))
    conv = L.Conv1D(FEATURES, 3, padding="same")
    block = keras.Sequential([keras.Input((None, FEATURES)), conv, L.ReLU()])
    x = L.Average()([block(block(inputs)), block(inputs), inputs])
    return keras.Model(inputs, L.Dense(CLASSES)(x))


def splices():
    return stack(
        SpliceFrames(2, 1, step=3), L.Dense(5, "tanh"), SpliceFrames(1, 1), L.Dense(3)
    )


# The receptive fields are counted by hand from the kernels.
STUDENTS = {
    "dnn": (lambda: dnn_student(FEATURES, CLASSES, (5, 2), (8,)), (5, 2, 1)),
    "one frame": (lambda: stack(L.Dense(5, "relu"), L.Dense(CLASSES)), (0, 0, 1)),
    "spliced dense with a step": (
        lambda: stack(SplicedDense(5, 3, 1, 2, "relu"), L.Dense(CLASSES)),
        (6, 2, 1),
    ),
    "spliced dense twice": (
        lambda: stack(SplicedDense(5, 2, 1), SplicedDense(CLASSES, 1, 1)),
        (3, 2, 1),
    ),
    "dense on spliced frames": (
        lambda: stack(SpliceFrames(3, 1), L.Dense(5, "relu"), L.Dense(CLASSES)),
        (3, 1, 1),
    ),
    "tdnn": (tdnn, (2 + 2 + 3, 2 + 2, 1)),
    "nested": (nested, (1, 2, 1)),
    "residual": (residual, (3, 1, 1)),
    "shared": (shared, (2, 2, 1)),
    "splices": (splices, (6 + 1, 3 + 1, 1)),
    "valid": (lambda: stack(L.Conv1D(5, 3), L.Conv1D(CLASSES, 4)), (0, 5, 1)),
    "causal stride": (
        lambda: stack(
            L.Conv1D(5, 3, strides=2, padding="causal"),
            L.Conv1D(CLASSES, 3, strides=2, padding="causal"),
        ),
        (2 + 4, 0, 4),
    ),
    "valid stride": (
        lambda: stack(
            L.DepthwiseConv1D(3, strides=2), SpliceFrames(1, 1), L.Dense(CLASSES)
        ),
        (2, 2 + 2, 2),
    ),
    "separable": (
        lambda: stack(
            L.SeparableConv1D(6, 3, padding="same", depth_multiplier=2),
            L.DepthwiseConv1D(3, padding="same", activation="relu"),
            L.Conv1D(6, 3, groups=2, padding="same"),
            L.Conv1D(CLASSES, 1),
        ),
        (3, 3, 1),
    ),
}


def randomise(model):
    """Gives every weight a value, also biases and moving averages."""
    generator = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(
            generator.uniform(0.1, 0.9, variable.shape)
            - 0.4 * ("variance" not in variable.name)
        )


@pytest.mark.parametrize("name", STUDENTS)
def test_the_window_graph_equals_the_student_on_inner_frames(name):
    build, (left, right, stride) = STUDENTS[name]
    student = build()
    randomise(student)
    model, field = window_model(student)
    assert field == ReceptiveField(left, right, stride)
    assert model.input_shape == (1, left + 1 + right, FEATURES)
    assert model.output_shape == (1, CLASSES)

    x = np.random.default_rng(1).normal(size=(FRAMES, FEATURES)).astype("float32")
    expected = student(x[None]).numpy()[0]
    inner = [
        t
        for t in range(len(expected))
        if t * stride >= left and t * stride + right < FRAMES
    ]
    assert len(inner) >= 5
    for t in inner:
        window = x[t * stride - left : t * stride + right + 1]
        assert np.abs(model(window[None]).numpy()[0] - expected[t]).max() < 1e-5


def test_the_first_layer_that_spans_the_window_is_fully_connected():
    student = stack(L.Conv1D(8, 7, padding="same"), L.ReLU(), L.Conv1D(CLASSES, 1))
    model, _ = window_model(student)
    kinds = [type(layer).__name__ for layer in model.layers if layer.weights]
    assert kinds == ["Dense", "Dense"]


def test_the_student_is_left_as_it_was():
    student = residual()
    before = student.to_json(), [len(layer._inbound_nodes) for layer in student.layers]
    window_model(student)
    after = student.to_json(), [len(layer._inbound_nodes) for layer in student.layers]
    assert after == before


def test_context_windows_repeat_the_edge_frames_as_splice_frames_does():
    x = np.random.default_rng(0).normal(size=(9, 2)).astype("float32")
    windows = context_windows(x, ReceptiveField(3, 2))
    expected = SpliceFrames(3, 2)(x[None]).numpy()[0]
    np.testing.assert_array_equal(windows.reshape(9, -1), expected)


class Dense(L.Layer):
    def __init__(self, units, name):
        super().__init__(name=name)
        self.scale = self.add_weight(shape=(), initializer="ones")

    def call(self, inputs):
        return inputs * self.scale


class MyDense(L.Dense):
    pass


def relu(x):
    return keras.ops.maximum(x, 0.5)


REFUSED = {
    "lstm": (
        lambda: stack(L.LSTM(4, return_sequences=True, name="bad"), L.Dense(3)),
        "bad (LSTM)",
        "Recurrent: it cannot run on a window; distil it into a feed-forward student",
    ),
    "gru": (
        lambda: stack(L.GRU(4, return_sequences=True, name="bad")),
        "bad (GRU)",
        "Recurrent: it cannot run on a window; distil it into a feed-forward student",
    ),
    "bidirectional": (
        lambda: stack(
            L.Bidirectional(L.SimpleRNN(4, return_sequences=True), name="bad")
        ),
        "bad (Bidirectional)",
        "Recurrent: it cannot run on a window; distil it into a feed-forward student",
    ),
    "softmax": (
        lambda: stack(L.Dense(3), L.Softmax(name="bad"), L.Dense(3)),
        "bad (Softmax)",
        "Remove it: convert wants logits, since an int8 softmax turns most posteriors "
        "into 0",
    ),
    "softmax activation": (
        lambda: stack(L.Dense(3, activation="softmax", name="bad"), L.Dense(3)),
        "bad (Dense)",
        "Its activation is softmax. Remove it: convert wants logits, since an int8 "
        "softmax turns most posteriors into 0",
    ),
    "gelu": (
        lambda: stack(L.Dense(3, activation="gelu", name="bad")),
        "bad (Dense)",
        "Its activation is gelu. It leaves int8 on a device: use relu, silu or "
        "hard_silu instead",
    ),
    "elu": (
        lambda: stack(L.ELU(name="bad")),
        "bad (ELU)",
        "It leaves int8 on a device: use relu, silu or hard_silu instead",
    ),
    "layer normalization": (
        lambda: stack(L.LayerNormalization(name="bad")),
        "bad (LayerNormalization)",
        "Use BatchNormalization, which folds into the weights",
    ),
    "slopes by unit": (
        lambda: stack(L.PReLU(shared_axes=[1], name="bad")),
        "bad (PReLU)",
        "Use ReLU, which the C code runs, or LeakyReLU, with one slope for all",
    ),
    "maximum of frames": (
        lambda: stack(L.MaxPooling1D(2, name="bad")),
        "bad (MaxPooling1D)",
        "Use AveragePooling1D, or a Conv1D with strides",
    ),
    "average same with strides": (
        lambda: stack(L.AveragePooling1D(2, padding="same", name="bad")),
        "bad (AveragePooling1D)",
        'padding="same" with strides > 1 depends on the length of the utterance: use '
        'padding="causal" or "valid"',
    ),
    "too much padding": (
        lambda: stack(L.ZeroPadding1D((3, 1), name="bad"), L.Conv1D(3, 3)),
        "bad (ZeroPadding1D)",
        "It pads more than convolutions take away: 1000 frames become 1002, not 1000. "
        "Pad (kernel_size - 1) * dilation_rate frames in all",
    ),
    "a class of the same name": (
        lambda: stack(Dense(3, name="bad")),
        "bad (Dense)",
        "It is one of your own, of which nothing is known: use keras.layers.Dense "
        "itself",
    ),
    "a derived class": (
        lambda: stack(MyDense(3, name="bad")),
        "bad (MyDense)",
        "It is one of your own, of which nothing is known: use keras.layers.Dense "
        "itself",
    ),
    "an activation of the same name": (
        lambda: stack(L.Dense(3, activation=relu, name="bad")),
        "bad (Dense)",
        "Its activation is relu. It is one of your own, of which nothing is known: use "
        "keras.activations.relu itself",
    ),
    "same with strides": (
        lambda: stack(L.Conv1D(3, 3, strides=2, padding="same", name="bad")),
        "bad (Conv1D)",
        'padding="same" with strides > 1 depends on the length of the utterance: use '
        'padding="causal" or "valid"',
    ),
    "relu with another limit": (
        lambda: stack(L.ReLU(max_value=1, name="bad")),
        "bad (ReLU)",
        "Use ReLU() or ReLU(max_value=6), or LeakyReLU",
    ),
    "batch normalization of frames": (
        lambda: stack_of_frames(L.BatchNormalization(axis=1, name="bad")),
        "bad (BatchNormalization)",
        "Its axis is 1. Use the last one, axis=-1",
    ),
    "lambda": (
        lambda: stack(L.Lambda(lambda x: tf.cumsum(x, axis=1), name="bad")),
        "bad (Lambda)",
        "Use Keras layers instead of own functions",
    ),
}


def stack_of_frames(*layers):
    return keras.Sequential([keras.Input((FRAMES, FEATURES)), *layers])


@pytest.mark.parametrize("name", REFUSED)
def test_a_layer_that_cannot_run_is_refused_by_name(name):
    build, layer, hint = REFUSED[name]
    with pytest.raises(ValueError) as error:
        window_model(build())
    assert str(error.value) == (
        "Invalid value for `student`. Expected layers that run in int8 on one context "
        f"window. Received: student='{layer}'. {hint}"
    )


def test_an_operator_that_no_layer_stands_for_is_refused():
    inputs = keras.Input((None, FEATURES))
    with pytest.raises(ValueError) as error:
        window_model(keras.Model(inputs, keras.ops.sin(inputs)))
    assert str(error.value).endswith(
        "(Sin)'. An operator that no layer stands for. Operators that are converted: "
        "+, -, * and / of tensors (no /) or with constants, concatenate, relu, relu6, "
        "leaky_relu, sigmoid, tanh, silu, hard_silu"
    )


def test_attention_is_refused_with_the_list_of_allowed_layers():
    inputs = keras.Input((None, FEATURES))
    outputs = L.MultiHeadAttention(1, 2, name="bad")(inputs, inputs)
    with pytest.raises(ValueError, match=r"Allowed: Activation, .*, ZeroPadding1D$"):
        window_model(keras.Model(inputs, outputs))


def test_a_recurrent_teacher_is_refused():
    with pytest.raises(ValueError, match=r"\(LSTM\).*Recurrent"):
        window_model(rnn_teacher(FEATURES, CLASSES, units=(4,), bidirectional=False))


def test_branches_of_different_frame_rates_are_refused():
    inputs = keras.Input((8, FEATURES))
    x = L.Conv1D(4, 1, strides=2)(inputs)
    y = L.Conv1D(4, 5, padding="valid")(inputs)
    model = keras.Model(inputs, L.Add(name="bad")([x, y]))
    outer = keras.Sequential([keras.Input((8, FEATURES)), model])
    with pytest.raises(ValueError, match=r"bad \(Add\).*different frame rates"):
        window_model(outer)


def unbuilt():
    return keras.Sequential([L.Dense(3)])


def two_inputs():
    inputs = [keras.Input((None, FEATURES)) for _ in range(2)]
    return keras.Model(inputs, L.Dense(3)(L.Add()(inputs)))


def flat():
    inputs = keras.Input((FEATURES,))
    return keras.Model(inputs, L.Dense(3)(inputs))


def fixed():
    inputs = keras.Input((8, FEATURES))
    return keras.Model(inputs, L.Dense(3)(inputs))


@pytest.mark.parametrize(
    ("build", "hint"),
    [
        (
            unbuilt,
            "Build it first: add keras.Input((None, features)) as its first layer",
        ),
        (two_inputs, "It must have one input"),
        (
            flat,
            "Its input and output shapes are (None, 4) and (None, 3); features are "
            "computed outside of it",
        ),
        (fixed, "Its number of frames is fixed: use keras.Input((None, features))"),
    ],
)
def test_a_model_of_another_kind_is_refused(build, hint):
    model = build()
    with pytest.raises(ValueError) as error:
        window_model(model)
    assert str(error.value) == (
        "Invalid value for `student`. Expected a Functional or Sequential Keras model "
        f"of (batch, frames, features). Received: student={model.name!r}. {hint}"
    )


@pytest.mark.parametrize(
    ("build", "expected_field"),
    [
        (
            lambda: dnn_student(4, 3, context=(2, 1), units=(6,), step=3),
            ReceptiveField(6, 3),
        ),
        (
            lambda: tdnn_student(4, 3, units=(6, 5), steps=(1, 3)),
            ReceptiveField(4, 4),
        ),
    ],
    ids=["window with gaps", "time delay"],
)
def test_frames_apart_become_dilated_convolutions(build, expected_field):
    student = build()
    model, field = window_model(student)
    assert field == expected_field
    x = np.random.default_rng(0).normal(size=(1, 30, 4)).astype("float32")
    expected = student(x).numpy()[0]
    inner = range(field.left, 30 - field.right)
    windows = [x[:, t - field.left : t + field.right + 1] for t in inner]
    for t, window in zip(inner, windows, strict=True):
        assert model(window).numpy()[0] == pytest.approx(expected[t], abs=1e-5)
    kinds = set(operators(quantize(model, np.concatenate(windows))))
    assert "CONV_2D" in kinds
    assert kinds <= {"CONV_2D", "FULLY_CONNECTED", "RESHAPE"}


def test_a_saved_model_of_several_outputs_is_refused_before_it_is_built(tmp_path):
    inputs = keras.Input((None, FEATURES))
    outputs = {"a": L.Dense(3)(inputs), "b": L.Dense(3)(inputs)}
    keras.Model(inputs, outputs).export(tmp_path, verbose=False)
    layer = L.TFSMLayer(tmp_path, call_endpoint="serving_default")
    for student in (layer, keras.Sequential([layer])):
        with pytest.raises(ValueError, match="several outputs of the student"):
            window_model(student)


def test_a_student_of_several_outputs_is_refused_with_the_way_to_one():
    inputs = keras.Input((None, FEATURES))
    outputs = [L.Dense(3, name="a")(inputs), L.Dense(3, name="b")(inputs)]
    with pytest.raises(ValueError) as error:
        window_model(keras.Model(inputs, outputs, name="two"))
    assert str(error.value) == (
        "Invalid value for `student`. Expected a model with one output. Received: "
        "several outputs of the student 'two': 0 ('a'), 1 ('b'). Choose one: "
        "keras.Model(student.input, student.output[0])"
    )
