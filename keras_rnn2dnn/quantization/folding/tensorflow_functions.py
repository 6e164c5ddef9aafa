"""TensorFlow's functions on symbolic tensors, as the Keras operations that they are."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops
from tensorflow.python.util import dispatch


@contextmanager
def as_keras_operations() -> Iterator[None]:
    """Lets functions of TensorFlow take symbolic tensors of Keras.

    Those that `convert` knows an operation of Keras for give what that does; all
    others raise TensorFlow's error, as they do outside.

    Example:
        >>> import tensorflow as tf
        >>> with as_keras_operations():
        ...     tf.reduce_mean(tf.nn.relu(keras.Input((98, 8))), axis=1).shape
        (None, 8)
    """
    dispatcher = _Dispatcher()
    dispatcher.register()
    try:
        yield
    finally:
        dispatch._GLOBAL_DISPATCHERS.remove(dispatcher)


class _Dispatcher(dispatch.GlobalOpDispatcher):
    """Is asked where a function did not take its arguments."""

    def handle(self, op: Callable, args: tuple, kwargs: dict) -> Any:
        operation = _OPERATIONS.get(op.__name__.removesuffix("_v2"))
        if operation is None or not any(map(_is_symbolic, _flat(args, kwargs))):
            return self.NOT_SUPPORTED
        places, names = _arguments(op, args, kwargs)
        try:
            return operation(*places, **names)
        except TypeError:  # options that only TensorFlow has: its own error is raised
            return self.NOT_SUPPORTED


def _arguments(op, args, kwargs):
    """Returns arguments by their places, and by names those after one left out.

    Keras has these places in common with TensorFlow, and such names.
    """
    signature = inspect.signature(op)
    given = signature.bind(*args, **kwargs).arguments
    given.pop("name", None)
    known = list(signature.parameters)
    first = next((n for n, key in enumerate(known) if key not in given), len(known))
    places = [given[key] for key in known[:first]]
    return places, {key: given[key] for key in known[first:] if key in given}


def _flat(*arguments):
    return keras.tree.flatten(arguments)


def _is_symbolic(value):
    return isinstance(value, keras.KerasTensor)


def _leaky_relu(x, alpha=0.2):  # Keras's default is another one
    return ops.leaky_relu(x, alpha)


def _cast(x, dtype):
    return ops.cast(x, getattr(dtype, "name", dtype))


def _clip(x, low, high):
    return ops.relu6(x) if (low, high) == (0, 6) else ops.clip(x, low, high)


def _reshape(x, shape):
    return ops.reshape(x, [-1 if size is None else size for size in shape])


def _zero_padding(x, paddings, mode="CONSTANT"):
    """Zeros around frames, or around frames and bins."""
    if mode.upper() != "CONSTANT":
        raise TypeError("no zeros")
    paddings = [tuple(map(int, pair)) for pair in paddings]
    if any(map(any, (paddings[0], paddings[-1]))) or not 3 <= len(paddings) <= 4:
        raise TypeError("no padding of frames and bins")
    layers = keras.layers
    if len(paddings) == 3:
        return layers.ZeroPadding1D(paddings[1])(x)
    return layers.ZeroPadding2D(tuple(paddings[1:3]))(x)


# By their names within TensorFlow; tf.nn.silu is called swish there.
_OPERATIONS = {
    "add": ops.add,
    "cast": _cast,
    "clip_by_value": _clip,
    "concat": ops.concatenate,
    "divide": ops.divide,
    "expand_dims": ops.expand_dims,
    "identity": lambda x: x,
    "leaky_relu": _leaky_relu,
    "log_softmax": ops.log_softmax,
    "maximum": ops.maximum,
    "multiply": ops.multiply,
    "pad": _zero_padding,
    "reduce_max": ops.max,
    "reduce_mean": ops.mean,
    "relu": ops.relu,
    "relu6": ops.relu6,
    "reshape": _reshape,
    "shape": ops.shape,
    "sigmoid": ops.sigmoid,
    "softmax": ops.softmax,
    "squeeze": ops.squeeze,
    "subtract": ops.subtract,
    "swish": ops.silu,
    "tanh": ops.tanh,
}
