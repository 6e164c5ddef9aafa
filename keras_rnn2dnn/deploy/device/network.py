"""The int8 network in numpy, with the arithmetic of the C code and of TFLM."""

import math
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.deploy.device.layers import Int8Layer
from keras_rnn2dnn.deploy.device.rounding import ROUNDINGS
from keras_rnn2dnn.util.errors import invalid

_BATCH = 4096  # windows at a time, to bound memory
_EXACT_IN_FLOAT32 = 2**24 // 128**2  # products of two int8 values in a sum


def run_network(
    layers: Sequence[Int8Layer], windows: np.ndarray, rounding: str = "double"
) -> np.ndarray:
    """Computes the int8 logits of context windows, to the bit as the C code does.

    Args:
        layers: of `read_layers`.
        windows: int8 `(windows, frames, features)`.
        rounding: `"double"` or `"single"`; see `rounding`.

    Returns:
        int8 `(windows, classes)`.

    Raises:
        ValueError: if the rounding is unknown or the windows are not int8.
    """
    if rounding not in ROUNDINGS:
        raise ValueError(invalid("rounding", f"one of {tuple(ROUNDINGS)}", rounding))
    if windows.dtype != np.int8:
        raise ValueError(invalid("windows", "int8 values", windows.dtype.name))
    x = windows.reshape(len(windows), math.prod(windows.shape[1:]))
    outputs = np.empty((len(x), layers[-1].frames * layers[-1].outputs), np.int8)
    for start in range(0, len(x), _BATCH):
        part = x[start : start + _BATCH]
        for layer in layers:
            part = _run_layer(layer, part, rounding)
        outputs[start : start + _BATCH] = part
    return outputs


def gathered(layer: Int8Layer, x: np.ndarray) -> np.ndarray:
    """Returns what each weight of a layer meets.

    Args:
        layer: of `read_layers`.
        x: its input, int8 `(windows, values)`.

    Returns:
        int8 `(windows, frames, taps * tap_length)`.
    """
    starts = np.arange(layer.frames)[:, None, None] * layer.frame_step
    starts = starts + np.arange(layer.taps)[:, None] * layer.tap_step
    return x[:, (starts + np.arange(layer.tap_length)).reshape(layer.frames, -1)]


def _run_layer(layer, x, rounding):
    # Sums of int8 products are exact in floats, whose product is the fast one.
    exact = layer.weights.shape[1] <= _EXACT_IN_FLOAT32
    kind = np.float32 if exact else np.float64
    rows = gathered(layer, x).reshape(-1, layer.weights.shape[1]).astype(kind)
    count = len(rows)
    if count == 1:  # BLAS would share it among threads, which then wait actively
        rows = np.repeat(rows, 2, axis=0)
    sums = (rows @ layer.weights.T.astype(kind))[:count]
    sums = sums.astype(np.int64) + layer.bias
    values = ROUNDINGS[rounding](sums, layer.multipliers, layer.shifts)
    values += layer.output_offset
    values = np.clip(values, layer.minimum, layer.maximum)
    return values.astype(np.int8).reshape(len(x), -1)
