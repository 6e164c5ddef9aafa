"""How sums of int8 products become int8 again: the two roundings of TensorFlow Lite."""

import numpy as np


def round_twice(
    sums: np.ndarray, multipliers: np.ndarray, shifts: np.ndarray
) -> np.ndarray:
    """Returns `sums * multipliers * 2^(shifts - 31)`, as TensorFlow Lite Micro does.

    The product with the multiplier is rounded to its high 32 bits, half away from zero
    upwards, then shifted right and rounded again, half away from zero.

    Args:
        sums: int64 `(windows, frames, outputs)`.
        multipliers: int64 `(outputs,)`, in [2^30, 2^31).
        shifts: int64 `(outputs,)`, to the left where above 0.
    """
    left, right = np.maximum(shifts, 0), np.maximum(-shifts, 0)
    high = ((sums << left) * multipliers + (1 << 30)) >> 31
    mask = (1 << right) - 1
    return (high >> right) + ((high & mask) > (mask >> 1) + (high < 0))


def round_once(
    sums: np.ndarray, multipliers: np.ndarray, shifts: np.ndarray
) -> np.ndarray:
    """Returns the same, rounded once, half up (TFLITE_SINGLE_ROUNDING)."""
    right = 31 - shifts
    return (sums * multipliers + (np.int64(1) << (right - 1))) >> right


ROUNDINGS = {"double": round_twice, "single": round_once}
