"""Padding at the end of utterances: into one batch, and off again."""

import numpy as np


def stacked(*arrays: np.ndarray, dtype: str | None = None) -> np.ndarray:
    """Puts arrays of different lengths into one batch, zeros behind them.

    Args:
        *arrays: `(length, ...)` each; or single numbers, as of a speaker.
        dtype: of the batch; by default that of the first array.

    Returns:
        `(batch, longest, ...)`; `(batch,)` of numbers.

    Example:
        >>> stacked(np.array([1, 2]), np.array([3])).tolist()
        [[1, 2], [3, 0]]
    """
    if not np.ndim(arrays[0]):
        return np.array(arrays, dtype)
    longest = max(len(array) for array in arrays)
    shape = (len(arrays), longest, *arrays[0].shape[1:])
    batch = np.zeros(shape, dtype or arrays[0].dtype)
    for row, array in zip(batch, arrays, strict=True):
        row[: len(array)] = array
    return batch


def without_padding(utterance: np.ndarray) -> np.ndarray:
    """Drops the all-zero frames at the end, `(frames, ...)`.

    Example:
        >>> without_padding(np.array([[1.0], [0.0], [2.0], [0.0]])).tolist()
        [[1.0], [0.0], [2.0]]
    """
    axes = tuple(range(1, np.ndim(utterance)))
    counting = np.flatnonzero(np.any(utterance != 0, axis=axes))
    return utterance[: counting[-1] + 1 if len(counting) else 0]
