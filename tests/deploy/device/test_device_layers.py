from fractions import Fraction

import flatbuffers
import keras
import numpy as np
import pytest
from tensorflow.lite.python import schema_py_generated as schema

from keras_rnn2dnn import dnn_student
from keras_rnn2dnn.deploy import load_interpreter, window_model
from keras_rnn2dnn.deploy.device import UnsupportedStudent
from keras_rnn2dnn.deploy.device.layers import quantized_multiplier, read_layers
from keras_rnn2dnn.deploy.device.network import gathered
from keras_rnn2dnn.quantization.quantize import quantize

L = keras.layers
FEATURES, CLASSES = 4, 3


def stack(*layers):
    return keras.Sequential([keras.Input((None, FEATURES)), *layers])


def window(*layers, frames=4):
    inputs = outputs = keras.Input(batch_shape=(1, frames, FEATURES))
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


def converted(model):
    """Gives every weight a value and converts the model of a window."""
    generator = np.random.default_rng(1)
    for variable in model.weights:
        variable.assign(generator.uniform(-0.7, 0.9, variable.shape))
    windows = generator.normal(size=(100, *model.input_shape[1:]))
    return quantize(model, windows)


def edited(tflite, change):
    """Returns the file after `change` of its first graph."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(tflite, 0))
    change(model.subgraphs[0])
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_multipliers_are_the_nearest_of_31_bits():
    generator = np.random.default_rng(0)
    scales = 2.0 ** generator.uniform(-31, 20, 2000)
    for scale in scales.tolist():
        multiplier, shift = quantized_multiplier(scale)
        assert 2**30 <= multiplier < 2**31
        unit = Fraction(2) ** (shift - 31)
        assert abs(multiplier * unit - Fraction(scale)) <= unit / 2


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (1.0, (2**30, 1)),
        (0.5, (2**30, 0)),
        (3.0, (3 * 2**29, 2)),
        (0.5 + 2**-32, (2**30 + 1, 0)),  # a half of a unit: away from zero
        (0.5 + 2**-32 - 2**-53, (2**30, 0)),
        (0.5 + 3 * 2**-32, (2**30 + 2, 0)),
        (1 - 2**-32, (2**30, 1)),  # up to 2^31, which does not fit
        (1 - 2**-31, (2**31 - 1, 0)),
        (2**-32, (2**30, -31)),
        (1.99 * 2**-33, (0, 0)),  # too small for a shift of 31
        (0.0, (0, 0)),
    ],
)
def test_multipliers_at_the_limits(scale, expected):
    assert quantized_multiplier(scale) == expected


def reads(kernel, stride, dilation, channels, frames):
    """Places in the input that each output frame of a convolution reads."""
    return [
        [
            (frame * stride + tap * dilation) * channels + channel
            for tap in range(kernel)
            for channel in range(channels)
        ]
        for frame in range(frames)
    ]


# Each layer as (kernel, stride, dilation, channels, output frames), then
# (taps, tap_length, frame_step): taps side by side count as one. Counted by hand.
STUDENTS = {
    "dense": (
        lambda: dnn_student(FEATURES, CLASSES, (2, 1), (8,)),
        [((4, 1, 1, 4, 1), (1, 16, 0)), ((1, 1, 1, 8, 1), (1, 8, 0))],
    ),
    "dense on each frame": (
        lambda: stack(L.Dense(6, "relu"), L.Conv1D(CLASSES, 3)),
        [((1, 1, 1, 4, 3), (1, 4, 4)), ((3, 1, 1, 6, 1), (1, 18, 0))],
    ),
    "dilated": (
        lambda: stack(
            L.Conv1D(6, 3, padding="same", activation="relu"),
            L.Conv1D(5, 3, padding="same", dilation_rate=2, activation="relu6"),
            L.Conv1D(CLASSES, 2, padding="causal", dilation_rate=3),
        ),
        [
            ((3, 1, 1, 4, 8), (1, 12, 4)),
            ((3, 1, 2, 6, 4), (3, 6, 6)),
            ((2, 1, 3, 5, 1), (2, 5, 5)),
        ],
    ),
    "strided": (
        lambda: stack(
            L.Conv1D(6, 3, strides=2, activation="relu"),
            L.Conv1D(5, 2, dilation_rate=2),
            L.Conv1D(CLASSES, 3),
        ),
        [
            ((3, 2, 1, 4, 5), (1, 12, 8)),
            ((2, 1, 2, 6, 3), (2, 6, 6)),
            ((3, 1, 1, 5, 1), (1, 15, 0)),
        ],
    ),
    "strided and dilated by turns": (
        lambda: stack(
            L.Conv1D(6, 2, padding="causal", dilation_rate=3),
            L.Conv1D(CLASSES, 2, strides=3, padding="causal"),
        ),
        [((2, 1, 3, 4, 2), (2, 4, 4)), ((2, 1, 1, 6, 1), (1, 12, 0))],
    ),
}


@pytest.mark.parametrize("name", STUDENTS)
def test_each_layer_reads_the_places_counted_by_hand(name):
    build, expected = STUDENTS[name]
    layers = read_layers(converted(window_model(build())[0]))
    assert len(layers) == len(expected)
    for layer, (convolution, geometry) in zip(layers, expected, strict=True):
        kernel, _, dilation, channels, frames = convolution
        places = np.arange(layer.frames * 100)[None]
        assert gathered(layer, places)[0].tolist() == reads(*convolution)
        assert layer.frames == frames
        assert (layer.taps, layer.tap_length) == geometry[:2]
        assert frames == 1 or layer.frame_step == geometry[2]
        assert layer.taps == 1 or layer.tap_step == dilation * channels
        inputs = kernel * channels
        assert layer.weights.shape == (layer.outputs, inputs)
        assert layer.multiply_accumulates == layer.outputs * inputs * frames
    assert layers[-1].outputs == CLASSES


def parameters(tflite):
    """Scale and zero point of input and output, as the runtime reports them."""
    runtime = load_interpreter(tflite)
    details = runtime.get_input_details()[0], runtime.get_output_details()[0]
    return [(float(d["quantization"][0]), d["quantization"][1]) for d in details]


def check_numbers(layer, tflite, kernel, bias, scales):
    """Compares a layer with the Keras weights `(outputs, inputs)` and weight scales."""
    (scale, zero_point), (output_scale, output_zero_point) = parameters(tflite)
    assert zero_point != 0
    assert np.abs(layer.weights).max() == 127
    assert np.abs(layer.weights * scales[:, None] - kernel).max() <= 0.501 * max(scales)
    assert (np.abs(layer.weights * scales[:, None] - kernel) <= 0.501 * scales[0]).any()
    plain = layer.bias + zero_point * layer.weights.astype(int).sum(axis=1)
    assert (np.abs(plain * scale * scales - bias) <= 0.51 * scale * scales).all()
    multipliers = layer.multipliers / 2**31 * 2.0**layer.shifts
    np.testing.assert_allclose(
        multipliers, (scale * scales / output_scale)[: len(multipliers)], rtol=1e-6
    )
    assert layer.output_offset == output_zero_point
    assert (layer.minimum, layer.maximum) == (-128, 127)


def test_the_numbers_of_a_dense_layer_are_those_of_keras():
    model = window(L.Flatten(), L.Dense(CLASSES))
    tflite = converted(model)
    (layer,) = read_layers(tflite)
    kernel, bias = model.get_weights()
    scales = np.abs(kernel).max(axis=0) / 127
    assert layer.multipliers.shape == layer.shifts.shape == (CLASSES,)
    check_numbers(layer, tflite, kernel.T, bias, scales)


def test_the_numbers_of_a_dilated_convolution_are_those_of_keras():
    model, _ = window_model(stack(L.Conv1D(CLASSES, 3, dilation_rate=2)))
    tflite = converted(model)
    (layer,) = read_layers(tflite)
    kernel, bias = (w.reshape(-1, CLASSES) for w in model.get_weights())
    scales = np.abs(kernel).max(axis=0) / 127
    assert (layer.taps, layer.multipliers.shape) == (3, (CLASSES,))
    check_numbers(layer, tflite, kernel.T, bias[0], scales)


def test_weights_of_one_scale_have_one_multiplier(one_scale):
    model = window(L.Flatten(), L.Dense(CLASSES))
    tflite = converted(model)
    (layer,) = read_layers(tflite)
    kernel, bias = model.get_weights()
    scales = np.full(CLASSES, np.abs(kernel).max() / 127)
    assert layer.multipliers.shape == layer.shifts.shape == (1,)
    check_numbers(layer, tflite, kernel.T, bias, scales)


def test_a_layer_without_bias_has_that_of_its_zero_point():
    tflite = converted(window(L.Flatten(), L.Dense(CLASSES, use_bias=False)))
    (layer,) = read_layers(tflite)
    (_, zero_point), _ = parameters(tflite)
    expected = -zero_point * layer.weights.astype(int).sum(axis=1)
    assert layer.bias.tolist() == expected.tolist()
    assert layer.bias.any()


@pytest.mark.parametrize(
    ("activation", "scale", "zero_point", "limits"),
    [
        (None, 0.05, -20, (-128, 127)),
        ("relu", 0.05, -20, (-20, 127)),
        ("relu", 0.05, -128, (-128, 127)),
        ("relu6", 0.05, -20, (-20, -20 + 120)),
        ("relu6", 0.05, -128, (-128, -128 + 120)),
        ("relu6", 0.05, 20, (20, 127)),
        ("relu6", 0.16, 0, (0, 38)),  # 37.5 away from zero
        # 6 / scale is 30.4999994, but 30.5 in float32.
        ("relu6", 0.19672131538391113, 0, (0, 31)),
    ],
)
def test_an_activation_limits_the_output(activation, scale, zero_point, limits):
    tflite = converted(window(L.Flatten(), L.Dense(CLASSES, activation)))

    def change(graph):
        tensor = graph.tensors[graph.outputs[0]]
        tensor.quantization.scale = [scale]
        tensor.quantization.zeroPoint = [zero_point]

    (layer,) = read_layers(edited(tflite, change))
    assert (layer.minimum, layer.maximum) == limits
    assert layer.output_offset == zero_point


def branches():
    inputs = keras.Input(batch_shape=(1, FEATURES))
    x, y = L.Dense(6, "relu")(inputs), L.Dense(6)(inputs)
    return keras.Model(inputs, L.Dense(CLASSES)(L.Concatenate()([x, y])))


def residual():
    inputs = keras.Input((None, FEATURES))
    x = L.Dense(CLASSES, "relu")(inputs)
    added = L.Add()([x, L.Dense(CLASSES, "relu")(x)])
    return window_model(keras.Model(inputs, added))[0]


def several_frames():
    return window(L.Dense(6, "relu"), L.Flatten(), L.Dense(CLASSES))


def fused(kind):
    def change(graph):
        graph.operators[-1].builtinOptions.fusedActivationFunction = kind

    return change


def tiny_scale(graph):
    graph.tensors[graph.outputs[0]].quantization.scale = [1e-8]


def float_input(graph):
    tensor = graph.tensors[graph.operators[-1].inputs[0]]
    tensor.type = schema.TensorType.FLOAT32


REFUSED = {
    "residual": (residual, None, "the operator ADD (", ")"),
    "depthwise": (
        lambda: window_model(stack(L.DepthwiseConv1D(3), L.Dense(CLASSES)))[0],
        None,
        "the operator DEPTHWISE_CONV_2D (",
        ")",
    ),
    "tanh": (
        lambda: window(L.Flatten(), L.Dense(6, "tanh"), L.Dense(CLASSES)),
        None,
        "the operator TANH (",
        ")",
    ),
    "branch": (
        branches,
        None,
        "a branch before FULLY_CONNECTED (",
        "), not a plain row of layers",
    ),
    "several frames": (
        several_frames,
        None,
        "FULLY_CONNECTED (",
        ") on several frames",
    ),
    "padding": (
        lambda: window(L.Conv1D(6, 3, padding="same"), L.Flatten(), L.Dense(CLASSES)),
        None,
        "CONV_2D (",
        ") with padding",
    ),
    "two axes": (
        lambda: window(
            L.Reshape((4, FEATURES, 1)),
            L.Conv2D(3, 2),
            L.Flatten(),
            L.Dense(CLASSES),
        ),
        None,
        "CONV_2D (",
        ") over two axes, or in groups",
    ),
    "activation": (
        lambda: window(L.Flatten(), L.Dense(CLASSES)),
        fused(schema.ActivationFunctionType.RELU_N1_TO_1),
        "the activation of FULLY_CONNECTED (",
        ")",
    ),
    "large sums": (
        lambda: window(L.Flatten(), L.Dense(CLASSES)),
        tiny_scale,
        "FULLY_CONNECTED (",
        "): its sums do not fit into 31 bits",
    ),
    "floats": (
        lambda: window(L.Flatten(), L.Dense(CLASSES)),
        float_input,
        "FULLY_CONNECTED (",
        ") with other types than int8",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_c_code_does_not_run_is_refused_by_its_operator(name):
    build, change, before, after = REFUSED[name]
    tflite = converted(build())
    tflite = edited(tflite, change) if change else tflite
    with pytest.raises(UnsupportedStudent) as error:
        read_layers(tflite)
    assert isinstance(error.value, ValueError)
    start = f"The C code of the bundle does not run {before}"
    end = (
        f"{after}. It runs FULLY_CONNECTED, CONV_2D, DEPTHWISE_CONV_2D, "
        "AVERAGE_POOL_2D, MAX_POOL_2D, ADD and RESHAPE, with ReLU or ReLU6. Rebuild "
        "the student of such layers, or run student.tflite in TensorFlow Lite Micro"
    )
    text = str(error.value)
    assert text.startswith(start) and text.endswith(end)
    named = text[len(start) : -len(end)]
    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(tflite, 0)).subgraphs[0]
    assert named in {tensor.name.decode() for tensor in graph.tensors}


def test_sums_up_to_31_bits_are_taken():
    tflite = converted(window(L.Flatten(), L.Dense(CLASSES)))
    (layer,) = read_layers(tflite)
    reach = 128 * np.abs(layer.weights.astype(int)).sum(axis=1) + np.abs(layer.bias)

    def scaled(factor):
        def change(graph):
            scale = graph.tensors[graph.outputs[0]].quantization.scale
            graph.tensors[graph.outputs[0]].quantization.scale = scale / factor

        return edited(tflite, change)

    def largest(doublings):  # each is a shift by one
        shifts = np.maximum(layer.shifts + doublings, 0)
        return max(int(a) << int(b) for a, b in zip(reach, shifts, strict=True))

    last = max(k for k in range(40) if largest(k) < 2**31)
    assert read_layers(scaled(2.0**last))[0].shifts.max() == layer.shifts.max() + last
    with pytest.raises(UnsupportedStudent, match="do not fit into 31 bits"):
        read_layers(scaled(2.0 ** (last + 1)))
