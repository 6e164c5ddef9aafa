"""The widest student whose int8 file fits a memory."""

import numpy as np

from keras_rnn2dnn.deploy import window_model
from keras_rnn2dnn.models.reference import dnn_student
from keras_rnn2dnn.quantization.quantize import quantize
from keras_rnn2dnn.util.errors import invalid, is_integer

_CONTEXTS = ((10, 10), (7, 7), (5, 5), (3, 3))  # the wider one if it has enough units
_FEWEST, _MOST, _STEP = 16, 256, 8
_ENOUGH = 32
_DEEP = 96  # units, from which on there are three layers


def fitting_student(
    num_features: int, num_states: int, max_bytes: int
) -> dict[str, tuple[int, ...]]:
    """Chooses context and units of a student by the size of its int8 file.

    Args:
        num_features: features per frame.
        num_states: outputs.
        max_bytes: of the TensorFlow Lite file.

    Returns:
        `student_context` and `student_units`, as of `Recipe`.

    Raises:
        ValueError: if no student is as small; names the smallest.
    """
    if not is_integer(max_bytes) or max_bytes < 1:
        raise ValueError(invalid("max_bytes", "an integer > 0", max_bytes))
    widths = list(range(_FEWEST, _MOST + 1, _STEP))

    def size(context, width):
        return _num_bytes(num_features, num_states, context, _units(width))

    best = None
    for context in _CONTEXTS:
        low, high = -1, len(widths) - 1
        while low < high:  # the sizes grow with the widths
            middle = (low + high + 1) // 2
            if size(context, widths[middle]) <= max_bytes:
                low = middle
            else:
                high = middle - 1
        if low >= 0:
            best = context, widths[low]
        if low >= 0 and widths[low] >= _ENOUGH:
            break
    if best is None:
        smallest = size(_CONTEXTS[-1], _FEWEST)
        hint = f"The smallest student of {num_states} states has {smallest:,} bytes"
        expected = "a size that a student fits"
        raise ValueError(invalid("max_bytes", expected, max_bytes, hint))
    context, width = best
    return {"student_context": context, "student_units": _units(width)}


def _units(width):
    return (width,) * (3 if width >= _DEEP else 2)


def _num_bytes(num_features, num_states, context, units):
    """Returns the bytes of an untrained student: they depend little on weights."""
    student = dnn_student(num_features, num_states, context, units)
    model, field = window_model(student)
    shape = 50, field.window, num_features
    windows = np.random.default_rng(0).normal(size=shape).astype("float32")
    return len(quantize(model, windows))
