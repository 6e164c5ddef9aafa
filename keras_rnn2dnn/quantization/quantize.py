"""int8 quantisation: the layers that devices run, and the conversion."""

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import mlir_quantize
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from keras_rnn2dnn.models.layers import SpliceFrames
from keras_rnn2dnn.models.spliced_dense import SplicedDense
from keras_rnn2dnn.quantization.fake_quant import FakeQuant, is_fake_quantized
from keras_rnn2dnn.quantization.ranges import check_ranges, impose_ranges
from keras_rnn2dnn.util.captured_output import captured_output
from keras_rnn2dnn.util.errors import invalid

MERGES = (
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.Concatenate,
    keras.layers.Multiply,
    keras.layers.Subtract,
)
IDENTITIES = (  # in inference
    keras.layers.ActivityRegularization,
    keras.layers.AlphaDropout,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.Masking,
    keras.layers.SpatialDropout1D,
)
_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.DepthwiseConv1D,
    keras.layers.SeparableConv1D,
)
_ALLOWED = (
    *(*_CONVOLUTIONS, *IDENTITIES, *MERGES),
    keras.layers.Activation,
    keras.layers.AveragePooling1D,
    keras.layers.BatchNormalization,
    keras.layers.Dense,
    keras.layers.LeakyReLU,
    keras.layers.Normalization,
    keras.layers.ReLU,
    keras.layers.Rescaling,
    keras.layers.ZeroPadding1D,
    FakeQuant,
    SpliceFrames,
    SplicedDense,
)
_ACTIVATIONS = (
    keras.activations.hard_silu,
    keras.activations.leaky_relu,
    keras.activations.linear,
    keras.activations.relu,
    keras.activations.relu6,
    keras.activations.sigmoid,
    keras.activations.silu,
    keras.activations.tanh,
)
_SOFTMAX = (
    "Remove it: convert wants logits, since an int8 softmax turns most posteriors "
    "into 0"
)
RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)
_RECURRENT_HINT = (
    "Recurrent: it cannot run on a window; distil it into a feed-forward student"
)
_FLOAT = "It leaves int8 on a device: use relu, silu or hard_silu instead"
_HINTS = {
    "Softmax": _SOFTMAX,
    "softmax": _SOFTMAX,
    "log_softmax": _SOFTMAX,
    "ELU": _FLOAT,
    "elu": _FLOAT,
    "gelu": _FLOAT,
    "GroupNormalization": "Use BatchNormalization, which folds into the weights",
    "LayerNormalization": "Use BatchNormalization, which folds into the weights",
    "RMSNormalization": "Use BatchNormalization, which folds into the weights",
    "Lambda": "Use Keras layers instead of own functions",
    "TimeDistributed": "Dense works on every frame by itself: leave it out",
    "PReLU": "Use ReLU, which the C code runs, or LeakyReLU, with one slope for all",
    "MaxPooling1D": "Use AveragePooling1D, or a Conv1D with strides",
}

_OPERATOR_SETS = {
    "int8": tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
    "int16": (
        tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    ),
}


def refuse(layer: keras.Operation, hint: str) -> None:
    """Raises the error for a layer that cannot be converted."""
    received = f"{layer.name} ({type(layer).__name__})"
    expected = "layers that run in int8 on one context window"
    raise ValueError(invalid("student", expected, received, hint))


def check_layer(layer: keras.Operation) -> None:
    """Checks that a layer can run in int8 on one context window.

    Args:
        layer: a layer, or another Keras operation.

    Raises:
        ValueError: if it cannot; names the layer and says what to do.

    Example:
        >>> check_layer(keras.layers.Softmax(name="posteriors"))
        Traceback (most recent call last):
        ...
        ValueError: Invalid value for `student`. Expected layers that run in int8 on
        one context window. Received: student='posteriors (Softmax)'. Remove it: ...
    """
    if isinstance(layer, RECURRENT):
        refuse(layer, _RECURRENT_HINT)
    if type(layer) not in _ALLOWED:
        refuse(layer, _hint(type(layer), _ALLOWED))
    activation = getattr(layer, "activation", None)
    if activation is not None and activation not in _ACTIVATIONS:
        name = getattr(activation, "__name__", type(activation).__name__)
        refuse(layer, f"Its activation is {name}. {_hint(activation, _ACTIVATIONS)}")
    _check_options(layer)


def _hint(given, allowed):
    """Says what to use in place of a class of layers, or of an activation."""
    name = getattr(given, "__name__", type(given).__name__)
    is_class = isinstance(given, type)
    names = {one.__name__: one for one in allowed}
    bases = [n for n, one in names.items() if is_class and issubclass(given, one)]
    if name in names or bases:
        place = "keras.layers" if is_class else "keras.activations"
        same = names.get(name) or names[bases[0]]
        place = place if same.__module__.startswith("keras.") else "keras_rnn2dnn"
        return (
            "It is one of your own, of which nothing is known: use "
            f"{place}.{same.__name__} itself"
        )
    return _HINTS.get(name, f"Allowed: {', '.join(sorted(names))}")


def _check_options(layer):
    windowed = isinstance(layer, (*_CONVOLUTIONS, keras.layers.AveragePooling1D))
    if windowed and layer.padding == "same" and np.max(layer.strides) > 1:
        refuse(
            layer,
            'padding="same" with strides > 1 depends on the length of the '
            'utterance: use padding="causal" or "valid"',
        )
    if getattr(layer, "data_format", None) == "channels_first":
        refuse(layer, 'Use data_format="channels_last"')
    if isinstance(layer, keras.layers.ReLU) and (
        layer.max_value not in (None, 6) or layer.negative_slope or layer.threshold
    ):
        refuse(layer, "Use ReLU() or ReLU(max_value=6), or LeakyReLU")
    axis = getattr(layer, "axis", -1)
    if isinstance(layer, keras.layers.Normalization):
        axis = axis[0] if len(axis) == 1 else axis or -1
    if axis not in (-1, 2):
        refuse(layer, f"Its axis is {axis}. Use the last one, axis=-1")


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
