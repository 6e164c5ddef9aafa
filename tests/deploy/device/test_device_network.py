import dataclasses
import itertools

import flatbuffers
import keras
import numpy as np
import pytest
from tensorflow.lite.python import schema_py_generated as schema

from keras_rnn2dnn import dnn_student
from keras_rnn2dnn.deploy import Int8Student, window_model
from keras_rnn2dnn.deploy.device.layers import Int8Layer, read_layers
from keras_rnn2dnn.deploy.device.network import run_network
from keras_rnn2dnn.deploy.tflm import is_installed, run_tflm
from keras_rnn2dnn.quantization.quantize import quantize

L = keras.layers
FEATURES, CLASSES = 4, 3
needs_tflm = pytest.mark.skipif(
    not is_installed(), reason="tflite-micro is not installed"
)


def divided(a, b):
    """Divides as C does: towards zero."""
    return a // b if (a < 0) == (b < 0) else -(-a // b)


def saturating_rounding_doubling_high_mul(a, b):
    if a == b == -(2**31):
        return 2**31 - 1
    nudge = 2**30 if a * b >= 0 else 1 - 2**30
    return divided(a * b + nudge, 2**31)


def rounding_divide_by_pot(x, exponent):
    mask = 2**exponent - 1
    threshold = mask // 2 + (1 if x < 0 else 0)
    return (x >> exponent) + (1 if (x & mask) > threshold else 0)


def scaled_twice(x, multiplier, shift):
    left, right = max(shift, 0), max(-shift, 0)
    high = saturating_rounding_doubling_high_mul(x * 2**left, multiplier)
    return rounding_divide_by_pot(high, right)


def scaled_once(x, multiplier, shift):
    right = 31 - shift
    return (x * multiplier + 2 ** (right - 1)) >> right


SCALED = {"double": scaled_twice, "single": scaled_once}


def run_slowly(layers, window, rounding):
    """One window, value by value in Python integers."""
    x = [int(value) for value in window.ravel()]
    for layer in layers:
        last = len(layer.multipliers) - 1
        y = []
        for frame, output in itertools.product(
            range(layer.frames), range(layer.outputs)
        ):
            total = int(layer.bias[output])
            for tap, k in itertools.product(range(layer.taps), range(layer.tap_length)):
                place = frame * layer.frame_step + tap * layer.tap_step + k
                weight = int(layer.weights[output, tap * layer.tap_length + k])
                total += weight * x[place]
            channel = min(output, last)
            multiplier = int(layer.multipliers[channel])
            value = SCALED[rounding](total, multiplier, int(layer.shifts[channel]))
            value += layer.output_offset
            y.append(min(max(value, layer.minimum), layer.maximum))
        x = y
    return x


def made(seed, frames, taps, tap_length, tap_step, frame_step, outputs, **options):
    """Makes a layer whose outputs seldom leave int8."""
    generator = np.random.default_rng(seed)
    inputs, channels = taps * tap_length, options.get("scales", outputs)
    largest, shifts = options.get("largest", 127), options.get("shifts", (-9, -6))
    bias = options.get("bias", 5000)
    return Int8Layer(
        name=f"layer_{seed}",
        weights=generator.integers(
            -largest, largest, (outputs, inputs), np.int8, endpoint=True
        ),
        bias=generator.integers(-bias, bias, outputs),
        multipliers=generator.integers(2**30, 2**31, channels),
        shifts=generator.integers(*shifts, channels, endpoint=True),
        frames=frames,
        taps=taps,
        tap_length=tap_length,
        tap_step=tap_step,
        frame_step=frame_step,
        output_offset=options.get("offset", 3),
        minimum=options.get("minimum", -128),
        maximum=options.get("maximum", 127),
    )


# Windows are (7, 4). The places that a layer reads end within its input.
NETWORKS = {
    "dense": [made(0, 1, 1, 28, 28, 0, 5)],
    "dense, one scale": [made(1, 1, 1, 28, 28, 0, 5, scales=1)],
    "one output": [made(2, 1, 1, 28, 28, 0, 1)],
    "two dense": [
        made(3, 1, 1, 28, 28, 0, 6, offset=-128, minimum=-128),
        made(4, 1, 1, 6, 6, 0, 3, offset=-17, shifts=(-8, -7)),
    ],
    "relu6": [made(5, 1, 1, 28, 28, 0, 8, offset=-50, minimum=-50, maximum=20)],
    "frames": [
        made(6, 5, 1, 12, 12, 4, 6, shifts=(-8, -7)),
        made(7, 1, 1, 30, 30, 0, 3),
    ],
    "dilated, strided": [
        made(8, 3, 2, 4, 12, 4, 6, shifts=(-8, -7)),  # taps 3 frames apart, 4 frames
        made(9, 1, 2, 6, 12, 6, 3, scales=1, shifts=(-8, -8)),
    ],
    "shift to the left": [
        made(10, 1, 1, 28, 28, 0, 6, largest=1, shifts=(0, 1), bias=9),
        made(11, 1, 1, 6, 6, 0, 4, largest=1, shifts=(1, 2), bias=9),
    ],
    "no shift": [made(12, 1, 1, 28, 28, 0, 9, largest=1, shifts=(-1, 1), bias=9)],
}


@pytest.mark.parametrize("rounding", ["double", "single"])
@pytest.mark.parametrize("name", NETWORKS)
def test_numbers_are_those_of_the_reference_kernels(name, rounding):
    layers = NETWORKS[name]
    reach = 5 if "shift" in name else 128
    generator = np.random.default_rng(20)
    windows = generator.integers(-reach, reach, (40, 7, 4), np.int8)
    expected = [run_slowly(layers, window, rounding) for window in windows]
    found = run_network(layers, windows, rounding)
    assert found.dtype == np.int8
    assert found.tolist() == expected
    inside = (found > layers[-1].minimum) & (found < layers[-1].maximum)
    assert inside.mean() > 0.3 and len(np.unique(found)) > 20


def requantized(sums, multiplier, shift, rounding):
    """Scales sums by themselves: as biases, the weights being 0."""
    zeros = np.zeros((len(sums), 1), np.int8)
    shape = (1, 1, 1, 1, 0, len(sums))
    layer = dataclasses.replace(
        made(0, *shape, offset=0),
        weights=zeros,
        bias=np.array(sums, np.int64),
        multipliers=np.array([multiplier]),
        shifts=np.array([shift]),
    )
    return run_network([layer], zeros[:1, None], rounding)[0].tolist()


def test_halves_are_rounded_by_hand():
    sums = [-6, -5, -3, -2, -1, 0, 1, 2, 3, 5, 6]
    # A quarter of the sums. Twice: first sum / 2, halves up; then / 2, away from 0.
    twice = [-2, -1, -1, -1, 0, 0, 1, 1, 1, 2, 2]
    once = [-1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 2]  # halves up
    assert requantized(sums, 2**30, -1, "double") == twice
    assert requantized(sums, 2**30, -1, "single") == once
    # A half of the sums: halves up, both ways; 2^30 / 2^31 * 2^1 is 1.
    halved = [-3, -2, -1, -1, 0, 0, 1, 1, 2, 3, 3]
    assert requantized(sums, 2**30, 0, "double") == halved
    assert requantized(sums, 2**30, 0, "single") == halved
    assert requantized(sums, 2**30, 1, "double") == sums
    assert requantized(sums, 2**30, 3, "single") == [4 * n for n in sums]


@pytest.mark.parametrize("rounding", ["double", "single"])
@pytest.mark.parametrize("shift", [3, 1, 0, -1, -2, -7, -15, -22])
def test_sums_near_a_half_are_rounded_as_in_the_reference_kernels(shift, rounding):
    generator = np.random.default_rng(shift + 50)
    differ = 0
    multipliers = [2**30, 2**30 + 1, 2**31 - 1, *generator.integers(2**30, 2**31, 20)]
    for multiplier in map(int, multipliers):
        halves = 2 * generator.integers(-130, 130, 30) + 1
        near = [int(n) * 2 ** (30 - shift) // multiplier for n in halves]
        sums = [n + k for n in near for k in (-2, -1, 0, 1, 2)]
        sums = [n for n in sums if abs(n) * 2 ** max(shift, 0) < 2**30]
        values = [SCALED[rounding](n, multiplier, shift) for n in sums]
        expected = [min(max(value, -128), 127) for value in values]
        assert requantized(sums, multiplier, shift, rounding) == expected
        assert len(set(expected)) > 20
        differ += sum(scaled_twice(n, multiplier, shift) for n in sums) - sum(
            scaled_once(n, multiplier, shift) for n in sums
        )
    assert (differ != 0) == (shift < 0)  # one of the two roundings has gone


def test_many_windows_are_run_like_few():
    layers = NETWORKS["dilated, strided"]
    windows = np.random.default_rng(0).integers(-128, 128, (4100, 7, 4), np.int8)
    whole = run_network(layers, windows)
    parts = [run_network(layers, windows[k : k + 1025]) for k in range(0, 4100, 1025)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert whole[-1].tolist() == run_slowly(layers, windows[-1], "double")


def test_wrong_arguments_are_refused():
    windows = np.zeros((1, 7, 4), np.int8)
    with pytest.raises(ValueError) as error:
        run_network(NETWORKS["dense"], windows, "up")
    assert str(error.value) == (
        "Invalid value for `rounding`. Expected one of ('double', 'single'). Received: "
        "rounding='up'"
    )
    with pytest.raises(ValueError) as error:
        run_network(NETWORKS["dense"], windows.astype(np.float32))
    assert str(error.value) == (
        "Invalid value for `windows`. Expected int8 values. Received: windows='float32'"
    )


def stack(*layers):
    return keras.Sequential([keras.Input((None, FEATURES)), *layers])


STUDENTS = {
    "dense": lambda: dnn_student(FEATURES, CLASSES, (3, 2), (16, 8)),
    "dilated": lambda: stack(
        L.Conv1D(6, 3, padding="same", activation="relu"),
        L.Conv1D(5, 3, padding="same", dilation_rate=2, activation="relu6"),
        L.Conv1D(CLASSES, 2, padding="causal", dilation_rate=3),
    ),
    "strided": lambda: stack(
        L.Conv1D(6, 3, strides=2, activation="relu"),
        L.Conv1D(5, 2, dilation_rate=2),
        L.Conv1D(CLASSES, 3),
    ),
}


def converted(student, **options):
    """Gives every weight a value; returns the file, its context and windows."""
    generator = np.random.default_rng(1)
    for variable in student.weights:
        variable.assign(generator.uniform(-0.6, 0.7, variable.shape))
    model, field = window_model(student)
    windows = generator.normal(size=(100, field.window, FEATURES))
    tflite = quantize(model, windows)
    shape = (300, field.window, FEATURES)
    quiet = generator.integers(-40, 40, shape, np.int8)
    loud = generator.integers(-128, 128, shape, np.int8)
    return tflite, field, np.concatenate([quiet, loud])


@pytest.mark.parametrize("name", STUDENTS)
def test_logits_are_those_of_both_runtimes(name):
    tflite, field, windows = converted(STUDENTS[name]())
    found = run_network(read_layers(tflite), windows)
    assert len(np.unique(found)) > 100
    runtime = Int8Student.load(tflite, field).integer_logits(windows)
    difference = np.abs(found.astype(int) - runtime)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.2
    if is_installed():
        np.testing.assert_array_equal(found, run_tflm(tflite, windows))


@needs_tflm
def test_logits_of_weights_with_one_scale_are_those_of_tflm(one_scale):
    tflite, _, windows = converted(STUDENTS["dense"]())
    layers = read_layers(tflite)
    assert [layer.multipliers.shape for layer in layers] == [(1,)] * 3
    np.testing.assert_array_equal(
        run_network(layers, windows), run_tflm(tflite, windows)
    )


@needs_tflm
def test_the_scale_is_a_product_in_double_as_in_tflm(one_scale):
    """With these scales, the sums +-6327 tell it from a product in float32."""
    inputs = keras.Input(batch_shape=(1, FEATURES))
    windows = np.random.default_rng(0).normal(size=(100, FEATURES))
    tflite = quantize(
        keras.Model(inputs, L.Dense(CLASSES, bias_initializer="ones")(inputs)), windows
    )
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(tflite, 0))
    graph = model.subgraphs[0]
    x, kernel, bias = (graph.tensors[k] for k in graph.operators[0].inputs)
    output = graph.tensors[graph.outputs[0]]
    scales = "0x1.6a9f56p-6", "0x1.e3752ep-8", "0x1.55f99cp-6"
    scales = [np.float32(float.fromhex(scale)) for scale in scales]
    for tensor, scale in zip((x, kernel, output), scales, strict=True):
        tensor.quantization.scale = [scale]
        tensor.quantization.zeroPoint = [0]
    bias.quantization.scale = [scales[0] * scales[1]]
    sums = np.array([-6327, 6327, 6326], np.int32)
    model.buffers[kernel.buffer].data = np.zeros(FEATURES * CLASSES, np.uint8)
    model.buffers[bias.buffer].data = sums.view(np.uint8)
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    tflite, windows = bytes(builder.Output()), np.zeros((1, FEATURES), np.int8)
    found = run_network(read_layers(tflite), windows)
    assert found.tolist() == run_tflm(tflite, windows).tolist() == [[-49, 49, 49]]


def test_no_windows_give_no_outputs():
    tflite, _, windows = converted(STUDENTS["dense"]())
    layers = read_layers(tflite)
    assert run_network(layers, windows[:0]).shape == (0, layers[-1].outputs)
