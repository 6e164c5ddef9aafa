"""Operators and foreign activations of a student as the Keras layers that they are."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_rnn2dnn.quantization.folding.affine import Affine
from keras_rnn2dnn.quantization.layer_rules import check_layer, refuse

SOFTMAXES = ("softmax", "log_softmax")
_MERGES = {
    "Add": keras.layers.Add,
    "Subtract": keras.layers.Subtract,
    "Multiply": keras.layers.Multiply,
    "Concatenate": keras.layers.Concatenate,
}
_ACTIVATIONS = {
    "HardSilu": "hard_silu",
    "LogSoftmax": "log_softmax",
    "Relu": "relu",
    "Relu6": "relu6",
    "Sigmoid": "sigmoid",
    "Silu": "silu",
    "Softmax": "softmax",
    "Tanh": "tanh",
}
_ALIKE = (  # the same functions, found elsewhere
    (tf.identity, "linear"),
    *((tf.nn.relu, "relu"), (ops.relu, "relu")),
    *((tf.nn.relu6, "relu6"), (ops.relu6, "relu6")),
    *((tf.nn.leaky_relu, "leaky_relu"), (ops.leaky_relu, "leaky_relu")),
    *((tf.nn.sigmoid, "sigmoid"), (ops.sigmoid, "sigmoid")),
    *((tf.nn.tanh, "tanh"), (ops.tanh, "tanh")),
    *((tf.nn.silu, "silu"), (ops.silu, "silu"), (ops.hard_silu, "hard_silu")),
    *((tf.nn.softmax, "softmax"), (ops.softmax, "softmax")),
    *((tf.nn.log_softmax, "log_softmax"), (ops.log_softmax, "log_softmax")),
)
_FRAME_BY_FRAME = (
    keras.layers.Activation,
    keras.layers.BatchNormalization,
    keras.layers.Dense,
    keras.layers.Dropout,
    keras.layers.LeakyReLU,
    keras.layers.ReLU,
    keras.layers.Rescaling,
)
_OPERATOR_HINT = (
    "An operator that no layer stands for. Operators that are converted: +, -, * and / "
    "of tensors (no /) or with constants, concatenate, relu, relu6, leaky_relu, "
    "sigmoid, tanh, silu, hard_silu"
)
_LOG_HINT = "Leave it out, and the softmax before it too: convert wants logits"
_GLOBAL_POOLINGS = {
    "Max": (keras.layers.GlobalMaxPooling1D, keras.layers.GlobalMaxPooling2D),
    "Mean": (keras.layers.GlobalAveragePooling1D, keras.layers.GlobalAveragePooling2D),
}
_RESHAPES = ("ExpandDims", "Reshape", "Squeeze")
_OF_CONSTANTS = ("Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Maximum")


def plain_layers(
    operation: keras.Operation, arguments, images: bool = False
) -> list[keras.Layer]:
    """Returns the layers that compute what an operation of a student does.

    Args:
        operation: a layer, or an operator such as that of `a + b`.
        arguments: of this call, `node.arguments`.
        images: whether two-dimensional layers stand for others.

    Returns:
        The layer itself, or what stands for it; two where a layer has another one as
        its activation.

    Raises:
        ValueError: if no layer stands for an operator.

    Example:
        >>> x = keras.Input((None, 4))
        >>> operation, node, _ = (2 * x)._keras_history
        >>> arguments = operation._inbound_nodes[node].arguments
        >>> plain_layers(operation, arguments)[0].scale.tolist()
        2.0
    """
    if not isinstance(operation, keras.layers.Layer):
        pooling = _global_pooling(operation, arguments) if images else None
        return [pooling or _operator(operation, arguments)]
    layer = operation
    if type(layer) is keras.layers.TimeDistributed:
        inner = layer.layer
        if type(inner) in _FRAME_BY_FRAME and getattr(inner, "axis", -1) in (-1, 1):
            layer = inner
    if type(layer) is keras.layers.AveragePooling1D and not images:
        return [_mean_of_frames(layer, arguments.keras_tensors[0].shape[-1])]
    activation = getattr(layer, "activation", None)
    if isinstance(activation, keras.layers.Layer):
        own = [] if type(layer) is keras.layers.Activation else [layer]
        return [*(copied(x, activation="linear") for x in own), activation]
    for function, name in _ALIKE:
        if activation is function:
            return [copied(layer, activation=name)]
    return [layer]


def reshaping(
    operation: keras.Operation, arguments, shape
) -> keras.layers.Reshape | None:
    """Returns the layer of an operation that changes the shape alone, or None.

    Args:
        operation: a layer, or an operator such as that of `expand_dims`.
        arguments: of this call, `node.arguments`.
        shape: of its output, `(batch, ...)`.
    """
    own = type(operation).__module__.startswith("keras.src.ops.")
    kind = type(operation).__name__
    adds = kind == "GetItem" and own and _adds_axes(arguments)
    changes = adds or (own and kind in _RESHAPES)
    flattens = type(operation) is keras.layers.TimeDistributed
    flattens = flattens and type(operation.layer) is keras.layers.Flatten
    sizes = tuple(-1 if length is None else length for length in shape[1:])
    if not (changes or flattens) or sizes.count(-1) > 1:
        return None
    return keras.layers.Reshape(sizes, name=operation.name, dtype="float32")


def _adds_axes(arguments):
    """Whether an index such as `x[..., None]` takes all there is."""
    key = arguments.args[1]
    keys = key if isinstance(key, tuple) else (key,)
    return all(k is None or k is Ellipsis or k == slice(None) for k in keys)


def copied(layer: keras.Layer, weights=None, **changes) -> keras.Layer:
    """Returns a copy of a built layer, in float32.

    Args:
        layer: of a student.
        weights: of the copy; those of the layer by default.
        **changes: of its configuration.
    """
    config = {**layer.get_config(), "dtype": "float32", **changes}
    copy = type(layer).from_config(config)
    copy.build_from_config(layer.get_build_config())
    copy.set_weights(layer.get_weights() if weights is None else weights)
    return copy


def _global_pooling(operation, arguments):
    """Returns the layer of a mean or maximum over all frames (and bins), or None."""
    layers = _GLOBAL_POOLINGS.get(type(operation).__name__)
    own = type(operation).__module__.startswith("keras.src.ops.")
    if layers is None or not own or operation.axis is None:
        return None
    rank = len(arguments.keras_tensors[0].shape)
    axes = sorted(axis % rank for axis in np.atleast_1d(operation.axis).tolist())
    if axes != list(range(1, rank - 1)):
        return None
    return layers[rank - 3](
        keepdims=operation.keepdims, name=operation.name, dtype="float32"
    )


def _operator(operation, arguments):
    kind, name = type(operation).__name__, operation.name
    tensors = len(arguments.keras_tensors)
    if not type(operation).__module__.startswith("keras.src.ops."):
        refuse(operation, _OPERATOR_HINT)
    if kind in _MERGES and tensors > 1:
        axis = getattr(operation, "axis", -1)
        if axis not in (-1, 2):
            refuse(operation, f"Its axis is {axis}. Use the last one, axis=-1")
        return _MERGES[kind](name=name, dtype="float32")
    if kind in _ACTIVATIONS and getattr(operation, "axis", -1) in (-1, 2):
        return keras.layers.Activation(_ACTIVATIONS[kind], name=name, dtype="float32")
    if kind == "LeakyRelu":
        return keras.layers.LeakyReLU(operation.negative_slope, name=name)
    if kind == "Clip" and (operation.x_min, operation.x_max) == (0, 6):
        return keras.layers.Activation("relu6", name=name, dtype="float32")
    if kind == "Cast" and keras.backend.is_float_dtype(operation.dtype):
        return keras.layers.Activation("linear", name=name, dtype="float32")
    if kind == "Negative":
        return Affine(-1.0, 0.0, name=name)
    found = None
    if kind in _OF_CONSTANTS and tensors == 1 and len(arguments.args) == 2:
        found = _with_constant(kind, name, arguments.args)
    if found is None:
        refuse(operation, _LOG_HINT if kind == "Log" else _OPERATOR_HINT)
    return found


def _with_constant(kind, name, args):
    """Returns the layer of an operator with a tensor and a constant, or None."""
    first = not isinstance(args[0], keras.KerasTensor)  # constant - x
    value = np.asarray(ops.convert_to_numpy(args[0 if first else 1]), np.float64)
    if value.size > 1 and value.shape[-1] != value.size:
        return None  # neither one number nor one for each channel
    value = value.reshape(-1) if value.size > 1 else float(value.reshape(()))
    if kind == "Add":
        return Affine(1.0, value, name=name)
    if kind == "Subtract":
        return Affine(*((-1.0, value) if first else (1.0, -value)), name=name)
    if kind == "Multiply":
        return Affine(value, 0.0, name=name)
    if kind in ("Divide", "TrueDivide") and not first:
        return Affine(1 / value, 0.0, name=name)
    if kind == "Maximum" and np.all(value == 0):
        return keras.layers.ReLU(name=name, dtype="float32")
    return None


def _mean_of_frames(layer, channels):
    """Returns an average over frames as a convolution, which the C code runs."""
    check_layer(layer)
    conv = keras.layers.Conv1D(
        channels,
        layer.pool_size,
        strides=layer.strides,
        padding=layer.padding,
        use_bias=False,
        dtype="float32",
        name=layer.name,
    )
    conv.build((None, None, channels))
    size = conv.kernel_size[0]
    conv.set_weights([np.tile(np.eye(channels, dtype="float32") / size, (size, 1, 1))])
    return conv
