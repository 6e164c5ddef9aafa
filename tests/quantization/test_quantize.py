import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_rnn2dnn import SpliceFrames
from keras_rnn2dnn.deploy import Int8Student, window_model
from keras_rnn2dnn.quantization.operators import check_runs_on_device, operators
from keras_rnn2dnn.quantization.quantize import quantize

L = keras.layers
FEATURES, CLASSES = 4, 3

# It can end by a signal, which must not end pytest.
MICRO = """
import sys
import numpy as np
from tflite_micro.python.tflite_micro import runtime
interpreter = runtime.Interpreter.from_file(sys.argv[1])
windows = np.load(sys.argv[2])
outputs = []
for window in windows:
    interpreter.set_input(window[None], 0)
    interpreter.invoke()
    outputs.append(interpreter.get_output(0)[0].copy())
np.save(sys.argv[3], np.array(outputs))
"""


def stack(*layers):
    return keras.Sequential(
        [keras.Input((None, FEATURES)), *layers, L.Dense(CLASSES, name="logits")]
    )


def merged(merge):
    inputs = keras.Input((None, FEATURES))
    x, y = L.Dense(6, "relu")(inputs), L.Conv1D(6, 3, padding="same")(inputs)
    return keras.Model(inputs, L.Dense(CLASSES)(SpliceFrames(1, 1)(merge([x, y]))))


KINDS = {
    "dense": lambda: stack(L.Dense(6, "relu")),
    "dense on several frames": lambda: stack(L.Dense(6, "relu"), SpliceFrames(2, 1)),
    "splice": lambda: stack(SpliceFrames(2, 1)),
    "splice with a step": lambda: stack(SpliceFrames(2, 1, step=2)),
    "splice twice": lambda: stack(SpliceFrames(1, 1), L.Dense(3), SpliceFrames(1, 0)),
    "conv": lambda: stack(L.Conv1D(6, 3, activation="relu"), L.Conv1D(6, 3)),
    "dilated conv": lambda: stack(
        L.Conv1D(6, 3, padding="same", dilation_rate=2),
        L.Conv1D(6, 3, padding="causal", dilation_rate=3),
    ),
    "strided conv": lambda: stack(
        L.Conv1D(6, 3, strides=2, padding="causal"), L.Conv1D(6, 3, padding="causal")
    ),
    "depthwise": lambda: stack(
        L.DepthwiseConv1D(3, padding="same", depth_multiplier=2),
        L.DepthwiseConv1D(3, padding="same", dilation_rate=2),
    ),
    "strided depthwise": lambda: stack(
        L.DepthwiseConv1D(3, strides=2), L.Conv1D(6, 3, padding="causal")
    ),
    "separable": lambda: stack(
        L.SeparableConv1D(6, 3, padding="same", activation="relu"),
        L.SeparableConv1D(6, 3, padding="same", dilation_rate=2),
    ),
    "batch normalization before relu": lambda: stack(
        L.Dense(6), L.BatchNormalization(), L.ReLU()
    ),
    "batch normalization after relu": lambda: stack(
        L.Conv1D(6, 3, activation="relu"), L.BatchNormalization(), L.Conv1D(6, 2)
    ),
    "relu6": lambda: stack(L.Dense(6), L.ReLU(max_value=6)),
    "leaky relu layer": lambda: stack(L.Dense(6), L.LeakyReLU(0.1)),
    "identities": lambda: stack(
        L.Masking(), L.Dropout(0.5), L.SpatialDropout1D(0.5), L.GaussianNoise(0.1)
    ),
    "add": lambda: merged(L.Add()),
    "subtract": lambda: merged(L.Subtract()),
    "multiply": lambda: merged(L.Multiply()),
    "average": lambda: merged(L.Average()),
    "concatenate": lambda: merged(L.Concatenate()),
    **{
        f"activation {name}": lambda name=name: stack(
            L.Dense(6, name), SpliceFrames(1, 0), L.Dense(6), L.Activation(name)
        )
        for name in (
            *("relu", "relu6", "linear", "tanh", "sigmoid"),
            *("silu", "hard_silu", "leaky_relu"),
        )
    },
}


def converted(student, number=200):
    """Returns the field, the float model, its calibration windows and the file."""
    model, field = window_model(student)
    shape = (number, field.window, FEATURES)
    windows = np.random.default_rng(0).normal(size=shape).astype("float32")
    return field, model, windows, quantize(model, windows)


@pytest.mark.parametrize("name", KINDS)
def test_every_allowed_layer_runs_in_int8_on_a_device(name, tmp_path):
    student = KINDS[name]()
    for variable in student.weights:  # also biases, moving averages
        low = 0.5 if "variance" in variable.name or "gamma" in variable.name else -0.7
        variable.assign(np.random.default_rng(1).uniform(low, 0.9, variable.shape))
    field, model, windows, tflite = converted(student)
    check_runs_on_device(tflite)

    device = Int8Student.load(tflite, field)
    # A window and its frames as an utterance: one inner frame each.
    place = field.left // field.stride
    if field.left % field.stride:
        windows = np.pad(windows, ((0, 0), (1, 0), (0, 0)))
        place += 1
    received = device.predict(list(windows[:60]))
    received = np.stack([logits[place] for logits in received])
    windows = windows[:, -field.window :]
    expected = model(windows[:60]).numpy()
    assert np.abs(received - expected).max() < 0.06 * np.abs(expected).max()

    pytest.importorskip("tflite_micro", reason="tflite-micro is not installed")
    scale, zero_point = device.input_quantization
    quantized = np.clip(np.rint(windows[:60] / scale) + zero_point, -128, 127)
    np.save(tmp_path / "windows.npy", quantized.astype(np.int8))
    (tmp_path / "student.tflite").write_bytes(tflite)
    files = [str(tmp_path / n) for n in ("student.tflite", "windows.npy", "out.npy")]
    run = subprocess.run(
        [sys.executable, "-c", MICRO, *files], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    scale, zero_point = device.output_quantization
    micro = (np.load(tmp_path / "out.npy").astype(np.float32) - zero_point) * scale
    # Runtimes round by a quantum differently, in every layer.
    assert np.abs(micro - received).max() <= 4.01 * scale


def test_dense_layers_of_one_window_are_fully_connected():
    _, _, _, tflite = converted(stack(SpliceFrames(2, 1), L.Dense(6, "relu")))
    assert operators(tflite) == ("RESHAPE", "FULLY_CONNECTED", "FULLY_CONNECTED")


def test_the_same_student_and_windows_give_the_same_bytes():
    files = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        files.append(converted(KINDS["dilated conv"]())[-1])
    assert files[0] == files[1]


def test_the_conversion_writes_nothing(capfd):
    converted(KINDS["dense"]())
    assert capfd.readouterr() == ("", "")


def test_a_failed_conversion_tells_what_was_written_and_restores_the_output(capfd):
    inputs = keras.Input(batch_shape=(1, 2, FEATURES))
    gelu = keras.Model(inputs, L.Dense(CLASSES, "gelu", name="bad")(inputs))
    broken = np.zeros((3, 2, FEATURES + 1))
    with pytest.raises(RuntimeError, match="could not convert the student"):
        quantize(gelu, broken)
    os.write(1, b"out")
    os.write(2, b"err")
    assert capfd.readouterr() == ("out", "err")


INT16 = [
    *("splice twice", "strided conv", "separable", "leaky relu layer", "concatenate"),
    *("batch normalization after relu", "activation silu", "activation tanh"),
]


@pytest.mark.parametrize("name", INT16)
def test_layers_run_with_activations_of_int16(name):
    model, field = window_model(KINDS[name]())
    shape = (80, field.window, FEATURES)
    windows = np.random.default_rng(0).uniform(-2, 2, shape).astype("float32")
    tflite = quantize(model, windows, activations="int16")
    check_runs_on_device(tflite, "int16")
    with pytest.raises(RuntimeError, match="tensors that are not int8: "):
        check_runs_on_device(tflite)
    device = Int8Student.load(tflite, field)
    assert device.dtype == "int16" and device.output_quantization[1] == 0
    place = field.left // field.stride
    if field.left % field.stride:  # see above
        windows, place = np.pad(windows, ((0, 0), (1, 0), (0, 0))), place + 1
    received = np.stack([z[place] for z in device.predict(list(windows[:40]))])
    windows = windows[:, -field.window :]
    expected = np.concatenate([model(w[None]).numpy() for w in windows[:40]])
    # What int8 weights cost is left.
    assert np.abs(received - expected).max() < 0.02 * np.abs(expected).max()


def test_hard_silu_has_no_int16():
    model, field = window_model(KINDS["activation hard_silu"]())
    with pytest.raises(RuntimeError, match="not yet supported for op: 'HARD_SWISH'"):
        quantize(model, np.zeros((5, field.window, FEATURES)), activations="int16")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"activations": "float16"},
            "Invalid value for `activations`. Expected one of ['int8', 'int16']. "
            "Received: activations='float16'",
        ),
        (
            {"activations": "int16", "ranges": "mse"},
            "Invalid value for `ranges`. Expected 'minmax' with int16. Received: "
            "ranges='mse'. int16 has steps enough for outliers: only int8 gains by "
            "clipping them",
        ),
    ],
)
def test_options_that_do_not_exist_are_refused(options, message):
    model, field = window_model(KINDS["dense"]())
    with pytest.raises(ValueError) as error:
        quantize(model, np.zeros((5, field.window, FEATURES)), **options)
    assert str(error.value) == message


def test_operators_outside_a_device_are_named():
    inputs = keras.Input(batch_shape=(1, 4), name="window")
    outputs = L.Dense(4, "exponential", name="bad")(inputs)
    windows = np.random.default_rng(0).normal(size=(20, 4))
    tflite = quantize(keras.Model(inputs, outputs), windows)
    with pytest.raises(RuntimeError, match=r"does not run in int8: .*EXP"):
        check_runs_on_device(tflite)
