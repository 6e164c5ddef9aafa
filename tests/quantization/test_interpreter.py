import sys
import types

import keras
import numpy as np
import pytest

from keras_rnn2dnn import SpliceFrames, dnn_student
from keras_rnn2dnn.deploy import (
    Int8Student,
    ReceptiveField,
    convert,
    load_interpreter,
    window_model,
)
from keras_rnn2dnn.quantization.quantize import quantize

FEATURES, CLASSES = 4, 3
FIELD = ReceptiveField(left=2, right=1)
RUNTIMES = ["tflite_runtime.interpreter", "ai_edge_litert.interpreter"]


@pytest.fixture(scope="module")
def tflite():
    student = dnn_student(FEATURES, CLASSES, (2, 1), (8,))
    windows = np.random.default_rng(0).normal(size=(300, 4, FEATURES))
    return quantize(window_model(student)[0], windows)


def utterances(*lengths, seed=1):
    generator = np.random.default_rng(seed)
    return [generator.normal(size=(n, FEATURES)).astype("float32") for n in lengths]


def direct(tflite, utterance):
    """Runs TensorFlow Lite window by window, and writes out the arithmetic."""
    interpreter = load_interpreter(tflite)
    source = interpreter.get_input_details()[0]
    target = interpreter.get_output_details()[0]
    scale, zero_point = source["quantization"]
    output_scale, output_zero_point = target["quantization"]
    logits = []
    for t in range(len(utterance)):
        places = [min(max(k, 0), len(utterance) - 1) for k in range(t - 2, t + 2)]
        window = np.round(utterance[places] / scale) + zero_point
        window = np.clip(window, -128, 127).astype(np.int8)
        interpreter.set_tensor(source["index"], window[None])
        interpreter.invoke()
        output = interpreter.get_tensor(target["index"])[0].astype(np.float64)
        logits.append((output - output_zero_point) * output_scale)
    return np.array(logits)


def test_logits_of_whole_utterances_equal_those_of_single_windows(tflite):
    student = Int8Student.load(tflite, FIELD)
    lengths = (1, 2, 7, 300)
    for x, logits in zip(
        utterances(*lengths), student.predict(utterances(*lengths)), strict=True
    ):
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, direct(tflite, x), atol=1e-6)


def test_a_padded_batch_equals_the_utterances_without_padding(tflite):
    student = Int8Student.load(tflite, FIELD)
    batch = np.zeros((3, 9, FEATURES), np.float32)
    parts = utterances(9, 4)
    batch[0], batch[1, :4] = parts
    logits = student.predict(batch)
    assert logits.shape == (3, 9, CLASSES)
    alone = student.predict(parts)
    np.testing.assert_array_equal(logits[0], alone[0])
    np.testing.assert_array_equal(logits[1, :4], alone[1])
    assert not logits[1, 4:].any() and not logits[2].any()


def test_a_stride_gives_every_other_frame(tflite):
    (x,) = utterances(7)
    every = Int8Student.load(tflite, FIELD).predict([x])[0]
    other = Int8Student.load(tflite, ReceptiveField(2, 1, stride=2)).predict([x])[0]
    np.testing.assert_array_equal(other, every[::2])


def test_a_graph_that_fixes_the_batch_runs_window_by_window():
    inputs = keras.Input(batch_shape=(1, 4, FEATURES), name="window")
    x = keras.layers.Flatten(name="flat")(inputs)
    x = keras.ops.reshape(x, (1, 4 * FEATURES))
    model = keras.Model(inputs, keras.layers.Dense(CLASSES, name="logits")(x))
    windows = np.random.default_rng(0).normal(size=(300, 4, FEATURES))
    tflite = quantize(model, windows)
    (x,) = utterances(6)
    logits = Int8Student.load(tflite, FIELD).predict([x])[0]
    np.testing.assert_allclose(logits, direct(tflite, x), atol=1e-6)


def test_every_runtime_is_passed_over_when_it_is_hidden(tflite, monkeypatch):
    for name in RUNTIMES:  # None makes the import fail
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setitem(sys.modules, name.split(".")[0], None)
        interpreter = load_interpreter(tflite)
        assert type(interpreter).__module__ != name
        assert interpreter.get_input_details()[0]["shape"].tolist() == [1, 4, FEATURES]
    assert type(interpreter).__module__.startswith("tensorflow.")


def test_a_runtime_that_imports_and_then_fails_is_passed_over(tflite, monkeypatch):
    tried = []

    class Interpreter:
        def __init__(self, **kwargs):
            tried.append(kwargs["num_threads"])
            raise ImportError("numpy.core.multiarray failed to import")

    broken = types.ModuleType("tflite_runtime.interpreter")
    broken.Interpreter = Interpreter
    monkeypatch.setitem(
        sys.modules, "tflite_runtime", types.ModuleType("tflite_runtime")
    )
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", broken)
    interpreter = load_interpreter(tflite, num_threads=2)
    assert tried == [2]
    assert interpreter.get_output_details()[0]["shape"].tolist() == [1, CLASSES]


def test_loading_writes_nothing(tflite, capfd):
    Int8Student.load(tflite, FIELD).predict(utterances(5))
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_no_model_is_refused_with_what_each_runtime_said(tmp_path):
    (tmp_path / "bad.tflite").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError) as error:
        load_interpreter(tmp_path / "bad.tflite")
    text = str(error.value)
    assert text.startswith(
        "Invalid value for `model`. Expected a TensorFlow Lite file. Received: model="
    )
    assert all(f"{name}: " in text for name in [*RUNTIMES, "tensorflow"])


def test_bytes_need_a_receptive_field(tflite):
    with pytest.raises(ValueError) as error:
        Int8Student.load(tflite)
    assert str(error.value) == (
        "Invalid value for `receptive_field`. Expected a ReceptiveField. Received: "
        "receptive_field=None. Bytes say nothing of the context: pass the one of the "
        "report"
    )


def test_a_receptive_field_of_another_student_is_refused(tflite):
    with pytest.raises(ValueError) as error:
        Int8Student.load(tflite, ReceptiveField(2, 2))
    assert str(error.value) == (
        "Invalid value for `receptive_field`. Expected a context window of 4 frames. "
        "Received: receptive_field=ReceptiveField(left=2, right=2, stride=1)"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((5, FEATURES)), r"Expected \(batch, frames, features\), or a list"),
        ([np.zeros((5, FEATURES + 1))], r"Expected utterances of shape \(frames, 4\)"),
    ],
)
def test_utterances_of_another_shape_are_refused(tflite, given, message):
    with pytest.raises(ValueError, match=message):
        Int8Student.load(tflite, FIELD).predict(given)


def test_an_utterance_without_frames_has_no_logits(tflite):
    student = Int8Student.load(tflite, FIELD)
    silent, spoken = student.predict([np.zeros((0, FEATURES)), np.ones((5, FEATURES))])
    assert silent.shape == (0, student.num_classes)
    assert len(spoken) > 0


def test_a_converted_student_loads_by_its_directory_and_a_changed_one_does_not(
    tmp_path,
):
    student = keras.Sequential(
        [
            keras.Input((None, FEATURES)),
            SpliceFrames(2, 1),
            keras.layers.Dense(8, "relu"),
            keras.layers.Dense(CLASSES),
        ]
    )
    convert(student, tmp_path, utterances(*[80] * 10))
    loaded = Int8Student.load(tmp_path)
    assert loaded.receptive_field == FIELD
    file = tmp_path / "student.tflite"
    (x,) = utterances(9)
    np.testing.assert_array_equal(
        loaded.predict([x])[0],
        Int8Student.load(file.read_bytes(), FIELD).predict([x])[0],
    )

    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match="damaged or from another conversion"):
        Int8Student.load(file)
