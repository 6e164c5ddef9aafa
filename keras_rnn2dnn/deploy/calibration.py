"""Calibration data: real utterances, split in two, and windows drawn from them."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_rnn2dnn.deploy.interpreter import context_windows
from keras_rnn2dnn.deploy.window import ReceptiveField
from keras_rnn2dnn.errors import invalid
from keras_rnn2dnn.padding import without_padding

LEAST_CALIBRATION_WINDOWS = 500  # with 20, KL(float || int8) is eight times larger
_HELD_BACK = 0.2


def utterances_of(calibration: Any, num_features: int) -> list[np.ndarray]:
    """Lists utterances without their padding.

    Args:
        calibration: as `convert` takes it.
        num_features: of a frame.

    Returns:
        float32 `(frames, features)` of each.

    Raises:
        ValueError: if a shape or a value does not fit.
    """
    expected = f"arrays (batch, frames, {num_features}) or (frames, {num_features})"
    if isinstance(calibration, np.ndarray):
        calibration = [calibration]
    if not isinstance(calibration, Iterable):
        received = type(calibration).__name__
        raise ValueError(invalid("calibration", expected, received))
    utterances = []
    for element in calibration:
        x = element[0] if isinstance(element, tuple) else element
        if isinstance(x, dict):
            hint = "Give the student's features alone, such as dataset.map(...)"
            raise ValueError(invalid("calibration", expected, sorted(x), hint))
        x = np.asarray(x.numpy() if tf.is_tensor(x) else x, np.float32)
        if x.ndim not in (2, 3) or x.shape[-1] != num_features:
            raise ValueError(invalid("calibration", expected, x.shape))
        if not np.isfinite(x).all():
            raise ValueError(invalid("calibration", "finite features", "NaN or inf"))
        utterances.extend(x if x.ndim == 3 else [x])
    return [without_padding(x) for x in utterances]


def split(utterances: Sequence[np.ndarray], seed: int) -> tuple[list[int], list[int]]:
    """Chooses about 80 % for the calibration; the rest is held back.

    Args:
        utterances: `(frames, features)` of each; empty ones are in neither part.
        seed: of the choice.

    Returns:
        Sorted indices of both parts.

    Raises:
        ValueError: if there are less than two that are not empty.
    """
    counting = [k for k, x in enumerate(utterances) if len(x)]
    if len(counting) < 2:
        hint = "One part calibrates, the other is held back for the comparison"
        expected = "at least 2 utterances"
        raise ValueError(invalid("calibration", expected, len(counting), hint))
    order = np.random.default_rng(seed).permutation(counting)
    held = max(1, round(_HELD_BACK * len(order)))
    return sorted(order[held:].tolist()), sorted(order[:held].tolist())


def calibration_windows(
    utterances: Sequence[np.ndarray], field: ReceptiveField, number: int
) -> np.ndarray:
    """Draws windows spread evenly over utterances.

    Args:
        utterances: `(frames, features)` of each.
        field: context of the student.
        number: of windows, at most.

    Returns:
        `(number, window, features)`.

    Raises:
        ValueError: if there are less than `LEAST_CALIBRATION_WINDOWS`.
    """
    windows = [context_windows(x, field) for x in utterances]
    starts = np.cumsum([0, *(len(w) for w in windows)])
    available = int(starts[-1])
    if available < LEAST_CALIBRATION_WINDOWS:
        expected = f"at least {LEAST_CALIBRATION_WINDOWS} context windows"
        hint = (
            f"That is what {len(utterances)} utterances give, the others being held "
            "back for the comparison: give more real utterances"
        )
        raise ValueError(invalid("calibration", expected, available, hint))
    drawn = np.linspace(0, available - 1, min(number, available)).round().astype(int)
    owners = np.searchsorted(starts, drawn, side="right") - 1
    return np.stack(
        [windows[k][n - starts[k]] for k, n in zip(owners, drawn, strict=True)]
    )
