"""What alignment and decoding share: batches of utterances, checks of arguments."""

from collections.abc import Iterator, Sequence

import numpy as np

from keras_rnn2dnn.util.errors import invalid

Transcripts = Sequence[str | Sequence[str]]

_MAX_BATCH = 256
_MAX_ELEMENTS = 2**24


def as_utterances(
    values: np.ndarray | Sequence[np.ndarray], num_frames: object, argument: str
) -> list[np.ndarray]:
    """Returns the frames that count, a list of float32 `(frames, X)` without copies.

    Args:
        values: an array `(batch, frames, X)`, or a list of `(frames, X)`.
        num_frames: frames that count `(batch,)`, or None for all.
        argument: the name of `values` in error messages.

    Returns:
        One array `(frames, X)` for each utterance.

    Raises:
        ValueError: if there is no utterance, a shape does not fit, or `num_frames` is
            given with a list or beyond the frames of an array.
    """
    if isinstance(values, (list, tuple)):
        if num_frames is not None:
            expected = f"None where `{argument}` is a list"
            raise ValueError(invalid("num_frames", expected, num_frames))
        utterances = [np.asarray(value, np.float32) for value in values]
    else:
        utterances = list(np.asarray(values, np.float32))
    if not utterances or any(u.ndim != 2 for u in utterances):
        expected = "an array (batch, frames, X), or a list of (frames, X)"
        shapes = [u.shape for u in utterances[:3]]
        raise ValueError(invalid(argument, expected, f"utterances of shapes {shapes}"))
    if num_frames is None:
        return utterances
    lengths, most = np.asarray(num_frames), len(utterances[0])
    fits = lengths.shape == (len(utterances),) and lengths.dtype.kind in "iu"
    if not fits or lengths.min() < 0 or lengths.max() > most:
        expected = f"{len(utterances)} integers from 0 to {most}"
        raise ValueError(invalid("num_frames", expected, num_frames))
    return [u[:length] for u, length in zip(utterances, lengths, strict=True)]


def batches(num_frames: Sequence[int], width: int) -> Iterator[np.ndarray]:
    """Yields the indices of utterances of like length, at most a few hundred a batch.

    Args:
        num_frames: the number of frames of each utterance.
        width: numbers a frame takes, which bounds the memory of a batch.

    Yields:
        int `(batch,)`, the longest utterances first.
    """
    order = np.argsort(num_frames, kind="stable")
    end = len(order)
    while end > 0:
        longest = max(1, num_frames[order[end - 1]] * width)
        size = min(_MAX_BATCH, max(1, _MAX_ELEMENTS // longest))
        yield order[max(0, end - size) : end]
        end -= size


def check_scores(utterances: list[np.ndarray], width: int, argument: str) -> None:
    """Raises ValueError unless each is `(frames, width)`, without NaN or infinity.

    Negative infinity, the logarithm of 0, may stand.
    """
    for index, scores in enumerate(utterances):
        if scores.shape[1] != width:
            expected = f"one score for each of the {width} states"
            received = f"{scores.shape[1]} scores a frame"
            raise ValueError(invalid(f"{argument}[{index}]", expected, received))
        if scores.size and not scores.max() < np.inf:
            expected = "scores without NaN and positive infinity"
            received = float(scores.max())
            raise ValueError(invalid(f"{argument}[{index}]", expected, received))


def check_self_loop(self_loop: float) -> None:
    """Raises ValueError unless `self_loop` lies between 0 and 1."""
    if not 0 < self_loop < 1:
        raise ValueError(invalid("self_loop", "a number between 0 and 1", self_loop))
