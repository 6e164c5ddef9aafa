"""The widest student whose int8 file fits a memory."""

import numpy as np

from keras_rnn2dnn.deploy import window_model
from keras_rnn2dnn.models.reference import tdnn_student
from keras_rnn2dnn.quantization.quantize import quantize
from keras_rnn2dnn.util.errors import invalid, is_integer

_STEPS = (1, 3, 6)  # of the layers: ten frames to each side
_FEWEST, _MOST, _STEP = 16, 320, 8
_SHARES = (1.0, 0.9, 0.75)  # of the first layer's units
# About as many weights as two dense layers of 64 units on the same frames, and better
# (docs/results.md).
TIME_DELAY = {"student_units": (80, 72, 60), "student_steps": _STEPS}


def fitting_student(
    num_features: int, num_states: int, max_bytes: int
) -> dict[str, tuple[int, ...]]:
    """Chooses the units of a time-delay student by the size of its int8 file.

    Args:
        num_features: features per frame.
        num_states: outputs.
        max_bytes: of the TensorFlow Lite file.

    Returns:
        `student_units` and `student_steps`, as of `Recipe`.

    Raises:
        ValueError: if no student is as small; names the smallest.
    """
    if not is_integer(max_bytes) or max_bytes < 1:
        raise ValueError(invalid("max_bytes", "an integer > 0", max_bytes))
    widths = list(range(_FEWEST, _MOST + 1, _STEP))

    def size(width):
        return _num_bytes(num_features, num_states, _units(width))

    low, high = -1, len(widths) - 1
    while low < high:  # the sizes grow with the widths
        middle = (low + high + 1) // 2
        if size(widths[middle]) <= max_bytes:
            low = middle
        else:
            high = middle - 1
    if low < 0:
        smallest = size(_FEWEST)
        hint = f"The smallest student of {num_states} states has {smallest:,} bytes"
        expected = "a size that a student fits"
        raise ValueError(invalid("max_bytes", expected, max_bytes, hint))
    return {"student_units": _units(widths[low]), "student_steps": _STEPS}


def _units(width):
    return tuple(4 * round(width * share / 4) for share in _SHARES)


def _num_bytes(num_features, num_states, units):
    """Returns the bytes of a student of random weights: on these they depend little."""
    student = tdnn_student(num_features, num_states, units, _STEPS)
    rng = np.random.default_rng(0)
    for weight in student.weights:  # biases, too: zeros are kept once for all
        weight.assign(rng.normal(size=weight.shape))
    model, field = window_model(student)
    shape = 50, field.window, num_features
    return len(quantize(model, rng.normal(size=shape).astype("float32")))
