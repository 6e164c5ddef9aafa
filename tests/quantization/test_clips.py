import keras
import numpy as np
import pytest
from helpers.clips import BINS, CLASSES, FRAMES, ds_cnn, image, row, shaken, tc_resnet

from keras_rnn2dnn.deploy import window_model
from keras_rnn2dnn.quantization.clips import clip_input

L = keras.layers


def with_operators():
    inputs = keras.Input((FRAMES, BINS))
    x = L.Conv2D(3, 3, activation="relu")(keras.ops.expand_dims(inputs, -1))
    x = L.TimeDistributed(L.Flatten())(x)
    x = keras.ops.max(x, axis=1, keepdims=True)
    return keras.Model(inputs, L.Dense(CLASSES)(keras.ops.mean(x, axis=-2)))


STUDENTS = {
    "DS-CNN": ds_cnn,
    "TC-ResNet": tc_resnet,
    "operators": with_operators,
    "strides": lambda: image(L.Conv2D(4, 3, strides=(1, 2)), L.MaxPooling2D((2, 1))),
    "dilation": lambda: image(L.Conv2D(4, 3, dilation_rate=(2, 1), padding="same")),
    "depthwise": lambda: image(L.DepthwiseConv2D(3, depth_multiplier=4)),
    "separable": lambda: image(L.Conv2D(2, 1), L.SeparableConv2D(4, 3, strides=2)),
    "norm before": lambda: image(
        L.BatchNormalization(), L.Conv2D(4, 3, padding="same", activation="relu")
    ),
    "norm after relu": lambda: image(
        L.Conv2D(4, 3, activation="relu"), L.BatchNormalization()
    ),
    "paddings": lambda: image(L.ZeroPadding2D(((2, 1), (0, 3))), L.Conv2D(4, 3)),
    "flattened": lambda: image(
        L.Conv2D(4, 3), L.AveragePooling2D(2, padding="same"), L.Flatten(), pooled=False
    ),
    "causal": lambda: row(L.Conv1D(4, 3, padding="causal", dilation_rate=2)),
    "frames": lambda: row(
        L.SeparableConv1D(4, 3, strides=2, padding="same", activation="relu"),
        L.MaxPooling1D(2),
        L.DepthwiseConv1D(2),
        L.BatchNormalization(),
        L.AveragePooling1D(2, strides=1),
    ),
    "reshape": lambda: keras.Sequential(
        [
            keras.Input((FRAMES, BINS)),
            L.Rescaling(0.5, offset=0.1),
            L.Reshape((FRAMES, BINS, 1)),
            L.Conv2D(3, 3, padding="same", activation="relu"),
            L.Reshape((FRAMES, BINS * 3)),
            L.GlobalAveragePooling1D(),
            L.Dense(CLASSES, activation="softmax"),
        ]
    ),
    "open number of frames": lambda: row(L.Conv1D(4, 3, padding="same"), frames=None),
}


@pytest.mark.parametrize("name", STUDENTS)
def test_the_graph_of_a_clip_computes_what_the_student_does(name):
    student = shaken(STUDENTS[name]())
    model, field = window_model(student, FRAMES)
    assert (field.window, field.is_clip) == (FRAMES, True)
    clips = np.random.default_rng(1).normal(size=(4, FRAMES, BINS)).astype("float32")
    expected = student(clip_input(student, clips)).numpy()
    found = np.concatenate([model(clip[None]).numpy() for clip in clips])
    if name == "reshape":  # whose softmax is left out
        found = keras.ops.softmax(found).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5 * abs(expected).max())


def test_batch_normalization_leaves_no_operator_of_its_own():
    layers = [type(x).__name__ for x in window_model(ds_cnn())[0].layers]
    assert layers == [
        "InputLayer",
        "Reshaped",
        "Conv2D",
        "ReLU",
        "DepthwiseConv2D",
        "ReLU",
        "Conv2D",
        "ReLU",
        "AveragePooling2D",
        "Reshaped",
        "Dense",
    ]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (L.LSTM(4, name="memory"), r"memory \(LSTM\).*Recurrent"),
        (L.UnitNormalization(name="unit"), r"unit \(UnitNormalization\).*Allowed: "),
        (L.Dense(4, "gelu", name="wide"), r"wide \(Dense\).*Its activation is gelu"),
        (L.Permute((2, 1), name="turn"), r"turn \(Permute\).*\(batch, frames, bins\)"),
    ],
)
def test_a_layer_that_no_device_runs_is_named(layer, message):
    student = keras.Sequential(
        [keras.Input((FRAMES, BINS)), layer, L.Flatten(), L.Dense(CLASSES)]
    )
    with pytest.raises(ValueError, match=message):
        window_model(student)


def test_the_number_of_frames_is_asked_for_and_checked():
    open_one = row(L.Conv1D(4, 3), frames=None)
    with pytest.raises(ValueError, match="Its number of frames is open"):
        window_model(open_one)
    with pytest.raises(ValueError, match="12 frames, as the student takes.*frames=13"):
        window_model(ds_cnn(), 13)


def test_images_in_and_frames_out_are_refused():
    inputs = keras.Input((FRAMES, BINS, 2))
    student = keras.Model(inputs, L.Dense(3)(L.Flatten()(inputs)))
    with pytest.raises(ValueError, match=r"shapes are \(None, 12, 6, 2\)"):
        window_model(student)
