"""Calibration data: real utterances, split in two, and windows drawn from them."""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn2dnn.batches.padding import without_padding
from keras_rnn2dnn.batches.utterance_lists import is_ragged
from keras_rnn2dnn.quantization.interpreter import context_windows
from keras_rnn2dnn.quantization.receptive_field import ReceptiveField
from keras_rnn2dnn.util.errors import invalid

_LOG = logging.getLogger(__name__)
LEAST_CALIBRATION_WINDOWS = 500  # with 20, KL(float || int8) is eight times larger
LEAST_CALIBRATION_CLIPS = 50  # of many positions each
_HELD_BACK = 0.2


def utterances_of(
    calibration: Any, num_features: int, clips: bool = False
) -> list[np.ndarray]:
    """Lists utterances without their padding.

    Args:
        calibration: as `convert` takes it.
        num_features: of a frame.
        clips: whether each is a whole clip, whose last frames count whatever they are.

    Returns:
        float32 `(frames, features)` of each. Those of no frames are named in a warning.

    Raises:
        ValueError: if a shape or a value does not fit; names the utterance.

    Example:
        >>> calibration = [np.ones((3, 4)), np.ones((2, 5, 4))]
        >>> [x.shape for x in utterances_of(calibration, 4)]
        [(3, 4), (5, 4), (5, 4)]
    """
    expected = f"arrays (batch, frames, {num_features}) or (frames, {num_features})"
    utterances = []
    for element in _elements(calibration, expected):
        x = element[0] if isinstance(element, tuple) and element else element
        if isinstance(x, dict):
            hint = "Give the student's features alone, such as dataset.map(...)"
            raise ValueError(invalid("calibration", expected, sorted(x), hint))
        if is_ragged(x):
            utterances += [_array(row, expected) for row in x]
            continue
        x = _array(x, expected)
        is_image = x.ndim == 4 or (x.ndim == 3 and num_features > 1)
        if is_image and x.shape[-2:] == (num_features, 1):
            x = x[..., 0]
        if x.ndim == 3:
            utterances += list(x)
        else:
            utterances.append(x)
    for number, x in enumerate(utterances):
        _check(number, x, num_features, expected)
    if clips:
        return utterances
    utterances = [without_padding(x) for x in utterances]
    empty = [number for number, x in enumerate(utterances) if not len(x)]
    if empty:
        _LOG.warning(
            "Utterances of the calibration without frames (or all of them 0, as "
            "padding is) are left out: %s",
            _listed(empty),
        )
    return utterances


def _elements(calibration, expected):
    """Yields utterances, or batches of them."""
    if isinstance(calibration, np.ndarray) and calibration.dtype != object:
        return [calibration]
    if tf.is_tensor(calibration) or is_ragged(calibration):
        return [calibration]
    if _is_endless(calibration):
        hint = "Leave `repeat` out, or add `.take(batches)`"
        received = "a data set without end"
        raise ValueError(invalid("calibration", expected, received, hint))
    if isinstance(calibration, tf.data.Dataset):
        return calibration
    if isinstance(calibration, keras.utils.PyDataset):
        return (calibration[k] for k in range(calibration.num_batches))
    if not isinstance(calibration, Iterable) or isinstance(calibration, str | dict):
        received = type(calibration).__name__
        raise ValueError(invalid("calibration", expected, received))
    return calibration


def _is_endless(data):
    if isinstance(data, tf.data.Dataset):
        return data.cardinality() == tf.data.INFINITE_CARDINALITY
    return isinstance(data, keras.utils.PyDataset) and data.num_batches is None


def _array(x, expected):
    try:
        return np.asarray(x.numpy() if tf.is_tensor(x) else x, np.float32)
    except (TypeError, ValueError) as error:
        received = f"{type(x).__name__}: {error}"
        raise ValueError(invalid("calibration", expected, received)) from error


def _check(number, x, num_features, expected):
    if x.ndim != 2 or x.shape[-1] != num_features:
        hint = f"That is utterance {number}, counted from 0" if number else ""
        raise ValueError(invalid("calibration", expected, x.shape, hint))
    bad = ~np.isfinite(x).all(axis=-1)
    if bad.any():
        received = f"NaN or inf in utterance {number}, frame {int(bad.argmax())}"
        raise ValueError(invalid("calibration", "finite features", received))


def _listed(numbers):
    shown = ", ".join(map(str, numbers[:10]))
    return shown if len(numbers) <= 10 else f"{shown} and {len(numbers) - 10} more"


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
        if len(counting) < len(utterances):
            empty = [k for k, x in enumerate(utterances) if not len(x)]
            hint += f". Without frames: {_listed(empty)}"
        expected = "at least 2 utterances"
        raise ValueError(invalid("calibration", expected, len(counting), hint))
    order = np.random.default_rng(seed).permutation(counting)
    held = max(1, round(_HELD_BACK * len(order)))
    return sorted(order[held:].tolist()), sorted(order[:held].tolist())


def clip_frames(student: keras.Model, clips: Sequence[np.ndarray]) -> int:
    """Returns the frames of a clip.

    Args:
        student: utterance-level.
        clips: `(frames, features)` of each.

    Raises:
        ValueError: if clips have other numbers of frames than the student takes, or
            differ where it leaves them open.
    """
    frames = student.input_shape[1] or (len(clips[0]) if clips else 0)
    for number, clip in enumerate(clips):
        if len(clip) != frames:
            expected = f"clips of {frames} frames each, the window of the student"
            hint = f"That is clip {number}, counted from 0: cut it, or fill it up as in"
            received = f"{len(clip)} frames"
            raise ValueError(
                invalid("calibration", expected, received, f"{hint} the training")
            )
    return frames


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
        ValueError: if there are less than `LEAST_CALIBRATION_WINDOWS`, or clips than
            `LEAST_CALIBRATION_CLIPS`.
    """
    least, what = LEAST_CALIBRATION_WINDOWS, "context windows"
    if field.is_clip:
        least, what = LEAST_CALIBRATION_CLIPS, "clips"
    windows = [context_windows(x, field) for x in utterances]
    starts = np.cumsum([0, *(len(w) for w in windows)])
    available = int(starts[-1])
    if available < least:
        expected = f"at least {least} {what}"
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
