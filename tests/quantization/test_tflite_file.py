"""The reader of TensorFlow Lite files agrees with TensorFlow's."""

import keras
import numpy as np
import pytest
from helpers import bundles, spotters
from tensorflow.lite.python import schema_py_generated as schema

from keras_rnn2dnn.deploy import Int8Student, window_model
from keras_rnn2dnn.quantization import tflite_file
from keras_rnn2dnn.quantization.interpreter import context_windows
from keras_rnn2dnn.quantization.quantize import quantize
from keras_rnn2dnn.quantization.receptive_field import WholeClip

L = keras.layers
OPTIONS = {
    "padding": "padding",
    "stride_h": "strideH",
    "stride_w": "strideW",
    "dilation_h": "dilationHFactor",
    "dilation_w": "dilationWFactor",
    "filter_h": "filterHeight",
    "filter_w": "filterWidth",
    "activation": "fusedActivationFunction",
}


def convolutions():
    """Dilation, a stride, ReLU6 and pooling over frames."""
    return keras.Sequential(
        [
            keras.Input((None, bundles.BINS)),
            L.Conv1D(9, 3, dilation_rate=2, activation="relu6"),
            L.AveragePooling1D(2),
            L.Conv1D(5, 2, strides=2),
        ]
    )


@pytest.fixture(scope="module")
def files(spotter):
    model, field = window_model(convolutions())
    windows = context_windows(np.concatenate(bundles.features()), field)
    return {
        "images": (spotter / "student.tflite").read_bytes(),
        "frames": quantize(model, windows),
    }


@pytest.mark.parametrize("name", ["images", "frames"])
def test_all_is_read_that_tensorflow_reads(name, files):
    found = tflite_file.read_graph(files[name])
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(files[name], 0))
    (graph,) = model.subgraphs
    assert (found.inputs, found.outputs) == (tuple(graph.inputs), tuple(graph.outputs))
    assert len(found.tensors) == len(graph.tensors)
    for one, expected in zip(found.tensors, graph.tensors, strict=True):
        data = model.buffers[expected.buffer].data
        assert (one.name, one.type) == (expected.name.decode(), expected.type)
        assert one.shape == tuple(expected.shape)
        assert (one.data is None) == (data is None)
        if data is not None:
            np.testing.assert_array_equal(one.data, data)
        if expected.quantization.scale is not None:
            scales, points = (
                expected.quantization.scale,
                expected.quantization.zeroPoint,
            )
            np.testing.assert_array_equal(one.scales, scales)
            np.testing.assert_array_equal(one.zero_points, points)
    names = {code: n for n, code in vars(schema.BuiltinOperator).items() if n.isupper()}
    kinds, options = set(), 0
    for one, expected in zip(found.operators, graph.operators, strict=True):
        code = model.operatorCodes[expected.opcodeIndex]
        kinds.add(one.kind)
        assert one.kind == names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        assert one.inputs == tuple(expected.inputs)
        assert one.outputs == tuple(expected.outputs)
        for option, value in vars(one.options).items():
            assert value == getattr(expected.builtinOptions, OPTIONS[option])
            options += 1
    assert {"CONV_2D"} < kinds and options > 10


def test_the_names_of_operators_are_those_of_the_format():
    names = {code: n for n, code in vars(schema.BuiltinOperator).items() if n.isupper()}
    for code, name in enumerate(tflite_file._NAMES):
        assert names[code] == name
    assert names[len(tflite_file._NAMES)].startswith("STABLEHLO_")
    types = schema.TensorType
    assert (types.INT8, types.INT16) == (tflite_file.INT8, tflite_file.INT16)
    assert (types.INT32, types.INT64) == (tflite_file.INT32, tflite_file.INT64)


def test_what_is_no_such_file_is_refused(files):
    whole = files["frames"]
    for wrong in (b"", b"TFL3", whole[:4] + b"TFL2" + whole[8:], whole[:100]):
        with pytest.raises(
            ValueError, match="`tflite`. Expected a whole TensorFlow Lite"
        ):
            tflite_file.read_graph(wrong)


def test_scale_and_context_are_those_of_the_interpreter(files):
    student = Int8Student.load(files["images"], WholeClip.of(spotters.FRAMES))
    graph = tflite_file.read_graph(files["images"])
    for tensor, expected in (
        (graph.tensors[graph.inputs[0]], student.input_quantization),
        (graph.tensors[graph.outputs[0]], student.output_quantization),
    ):
        assert (float(tensor.scales[0]), int(tensor.zero_points[0])) == expected
