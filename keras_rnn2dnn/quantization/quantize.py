"""int8 quantisation of a window's graph, by TensorFlow Lite."""

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import mlir_quantize
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from keras_rnn2dnn.quantization.fake_quant import is_fake_quantized
from keras_rnn2dnn.quantization.ranges import check_ranges, impose_ranges
from keras_rnn2dnn.util.captured_output import captured_output
from keras_rnn2dnn.util.errors import invalid

_OPERATOR_SETS = {
    "int8": tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
    "int16": (
        tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    ),
}


def quantize(
    model: keras.Model,
    windows: np.ndarray,
    ranges: str = "minmax",
    activations: str = "int8",
) -> bytes:
    """Converts a model to int8 TensorFlow Lite by post-training quantisation.

    Args:
        model: Keras model `(1, window, features) -> (1, classes)`.
        windows: `(calibration windows, window, features)`; their values set the ranges
            of the int8 tensors.
        ranges: `"minmax"`, `"percentile"` or `"mse"`; see `ranges.calibrated_range`.
        activations: `"int8"`, or `"int16"`: input, output and all between, symmetric
            around 0. Weights are int8 always.

    Returns:
        The TensorFlow Lite file. The same model and windows give the same bytes.

    Raises:
        ValueError: if `ranges` or `activations` is unknown, or int16 is asked for
            with ranges that clip.
        RuntimeError: if TensorFlow Lite fails; holds what it wrote to the terminal.

    Example:
        >>> from keras_rnn2dnn.quantization.operators import operators
        >>> inputs = keras.Input(batch_shape=(1, 3, 2), name="window")
        >>> outputs = keras.layers.Dense(4, name="logits")(
        ...     keras.layers.Flatten(name="flatten")(inputs))
        >>> windows = np.random.default_rng(0).normal(size=(100, 3, 2))
        >>> sorted(operators(quantize(keras.Model(inputs, outputs), windows)))
        ['FULLY_CONNECTED', 'RESHAPE']
    """
    check_quantization(model, ranges, activations)
    windows = np.asarray(windows, np.float32)
    with captured_output() as read:
        try:
            return _convert(model, windows, ranges, activations)
        except Exception as error:
            message = f"TensorFlow Lite could not convert the student: {error}"
            raise RuntimeError(f"{message}\n{read()}") from error


def check_quantization(model: keras.Model, ranges: str, activations: str) -> None:
    """Checks that a model can be quantised so.

    Args:
        model: of one context window.
        ranges: as of `quantize`.
        activations: as of `quantize`.

    Raises:
        ValueError: if something is unknown, int16 is asked for with ranges that clip,
            or the model brings its ranges and others are asked for.
    """
    check_ranges(ranges)
    if activations not in _OPERATOR_SETS:
        expected = f"one of {list(_OPERATOR_SETS)}"
        raise ValueError(invalid("activations", expected, activations))
    if is_fake_quantized(model):
        hint = "The student was trained for int8, with ranges of its own"
        if ranges != "minmax":
            raise ValueError(invalid("ranges", "the default", ranges, hint))
        if activations != "int8":
            raise ValueError(invalid("activations", "'int8'", activations, hint))
    if activations == "int16" and ranges != "minmax":
        hint = "int16 has steps enough for outliers: only int8 gains by clipping them"
        raise ValueError(invalid("ranges", "'minmax' with int16", ranges, hint))


def _convert(model, windows, ranges, activations):
    # The one route that works for every TensorFlow from 2.17 on: a batch of one, and
    # the weights as constants.
    spec = tf.TensorSpec(model.inputs[0].shape, tf.float32, name="window")
    function = tf.function(lambda window: model(window, training=False))
    frozen = convert_variables_to_constants_v2(function.get_concrete_function(spec))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([w[None]] for w in windows)
    converter.target_spec.supported_ops = [_OPERATOR_SETS[activations]]
    converter.inference_input_type = tf.as_dtype(activations)
    converter.inference_output_type = tf.as_dtype(activations)
    if ranges == "minmax":
        return converter.convert()
    # The converter knows minimum and maximum alone; so it stops where it has them, and
    # goes on with others.
    converter._experimental_calibrate_only = True
    file = impose_ranges(converter.convert(), windows, ranges)
    return mlir_quantize(file, input_data_type=tf.int8, output_data_type=tf.int8)
