"""Networks of two-dimensional operators in numpy, to the bit as in the C code."""

import numpy as np

from keras_rnn2dnn.deploy.device.images.operators import (
    ADD,
    AVERAGE,
    CONV,
    DEPTHWISE,
    ImageNetwork,
    ImageOperator,
)
from keras_rnn2dnn.deploy.device.rounding import ROUNDINGS

_VALUES = 2**24  # gathered at a time, to bound memory
_EXACT_IN_FLOAT32 = 2**24 // 128**2  # products of two int8 values in a sum
_ADD_SHIFT = 20


def run_images(
    network: ImageNetwork, windows: np.ndarray, rounding: str = "double"
) -> np.ndarray:
    """Computes the int8 logits of windows.

    Args:
        network: of `read_images`.
        windows: int8 `(windows, values)`.
        rounding: `"double"` or `"single"`; see `rounding`.

    Returns:
        int8 `(windows, classes)`.
    """
    widest = max(
        one.geometry.pixels * one.geometry.taps * one.geometry.size[2]
        for one in network.operators
    )
    batch = max(1, _VALUES // widest)
    parts = [
        _run(network, windows[start : start + batch], rounding)
        for start in range(0, len(windows), batch)
    ]
    return np.concatenate([np.zeros((0, network.outputs), np.int8), *parts])


def _run(network, windows, rounding):
    tensors = {network.input: windows}
    for operator in network.operators:
        read = [tensors[k] for k in operator.inputs]
        tensors[operator.output] = run_operator(operator, read, rounding)
    return tensors[network.operators[-1].output]


def run_operator(
    operator: ImageOperator, inputs: list[np.ndarray], rounding: str = "double"
) -> np.ndarray:
    """Computes an operator.

    Args:
        operator: of the network.
        inputs: int8 `(windows, values)` of each tensor that it reads.
        rounding: `"double"` or `"single"`.

    Returns:
        int8 `(windows, values)`.
    """
    if operator.kind == ADD:
        values = _added(operator, inputs, ROUNDINGS[rounding])
    elif operator.kind in (CONV, DEPTHWISE):
        sums = _sums(operator, inputs[0]) + operator.bias
        values = ROUNDINGS[rounding](sums, operator.multipliers, operator.shifts)
        values += operator.output_offset
    else:
        values = _pooled(operator, inputs[0])
    values = np.clip(values, operator.minimum, operator.maximum)
    return values.astype(np.int8).reshape(len(inputs[0]), -1)


def gathered(operator: ImageOperator, x: np.ndarray, beyond: int) -> np.ndarray:
    """Returns what an operator reads.

    Args:
        operator: of the network.
        x: int8 `(windows, values)`.
        beyond: value of pixels beyond the edges.

    Returns:
        int8 `(windows, pixels, taps, channels)`.
    """
    channels = operator.geometry.size[2]
    images = x.reshape(len(x), -1, channels)
    edge = np.full((len(x), 1, channels), beyond, np.int8)
    return np.concatenate([images, edge], axis=1)[:, operator.geometry.places()]


def _sums(operator, x):
    """Returns sums of products, int64 `(windows, pixels, outputs)`."""
    read = gathered(operator, x, operator.padding_value)
    windows, pixels, taps, channels = read.shape
    # Sums of int8 products are exact in floats, whose product is the fast one.
    exact = operator.weights.shape[1] <= _EXACT_IN_FLOAT32
    kind = np.float32 if exact else np.float64
    weights = operator.weights.astype(kind)
    if operator.kind == DEPTHWISE:
        weights = weights.reshape(channels, -1, taps)
        sums = np.einsum("nptc,cmt->npcm", read.astype(kind), weights, optimize=True)
        return sums.reshape(windows, pixels, -1).astype(np.int64)
    parts = []
    width = channels // operator.groups
    for group, own in enumerate(np.split(weights, operator.groups)):
        part = read[..., group * width : (group + 1) * width].astype(kind)
        parts.append(part.reshape(windows, pixels, -1) @ own.T)
    return np.concatenate(parts, axis=2).astype(np.int64)


def _pooled(operator, x):
    if operator.kind != AVERAGE:
        return gathered(operator, x, -128).max(axis=2)
    sums = gathered(operator, x, 0).sum(axis=2, dtype=np.int64)
    counts = (operator.geometry.places() >= 0).sum(axis=1)[:, None]
    # Half away from zero, as C divides.
    return np.sign(sums) * ((np.abs(sums) + counts // 2) // counts)


def _added(operator, inputs, rounded):
    terms = [
        rounded((x.astype(np.int64) - offset) << _ADD_SHIFT, multiplier, shift)
        for x, offset, multiplier, shift in zip(
            inputs,
            operator.offsets,
            operator.multipliers,
            operator.shifts,
            strict=False,
        )
    ]
    total = rounded(sum(terms), operator.multipliers[2], operator.shifts[2])
    return total + operator.output_offset
