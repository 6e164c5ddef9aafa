"""Decoding of models trained with CTC (Graves et al., 2006)."""

from collections.abc import Sequence

import numpy as np
from keras import ops

from keras_rnn2dnn.util.errors import invalid, is_integer


def ctc_greedy_decode(
    log_probs: np.ndarray | Sequence[np.ndarray],
    num_frames: np.ndarray | None = None,
    blank: int = 0,
) -> list[list[int]]:
    """Returns the best class of each frame, repeats merged and blanks left out.

    Args:
        log_probs: log-posteriors or logits `(batch, frames, classes)`, or a list of
            `(frames, classes)`.
        num_frames: frames that count `(batch,)`; the others are padding at the end.
            Not with a list.
        blank: index of the blank class; negative ones count from the end.

    Returns:
        The class indices of each utterance.

    Raises:
        ValueError: if a shape does not fit, or `blank` is not a class.

    Example:
        >>> posteriors = np.eye(3)[[1, 1, 0, 1, 2, 2]]
        >>> ctc_greedy_decode(np.log(posteriors[None] + 0.01))
        [[1, 1, 2]]
    """
    return _decode(log_probs, num_frames, blank, strategy="greedy")


def ctc_beam_decode(
    log_probs: np.ndarray | Sequence[np.ndarray],
    num_frames: np.ndarray | None = None,
    beam_width: int = 100,
    blank: int = 0,
) -> list[list[int]]:
    """Returns the most probable class sequence, summed over its CTC paths.

    Args:
        log_probs: log-posteriors or logits `(batch, frames, classes)`, or a list of
            `(frames, classes)`.
        num_frames: frames that count `(batch,)`; the others are padding at the end.
            Not with a list.
        beam_width: number of sequences kept after each frame, >= 1.
        blank: index of the blank class; negative ones count from the end.

    Returns:
        The class indices of each utterance.

    Raises:
        ValueError: if a shape does not fit, `blank` is not a class, or `beam_width`
            is not a positive integer.

    Example:
        The single best path is blank, blank (0.36), but the paths of [1] sum to 0.64.

        >>> ctc_beam_decode(np.log([[[0.6, 0.4], [0.6, 0.4]]]))
        [[1]]
    """
    if not is_integer(beam_width) or beam_width < 1:
        raise ValueError(invalid("beam_width", "an integer >= 1", beam_width))
    return _decode(
        log_probs, num_frames, blank, strategy="beam_search", beam_width=beam_width
    )


def _decode(log_probs, num_frames, blank, **options):
    """Runs `keras.ops.ctc_decode` and cuts off its filling of -1."""
    scores, lengths = _padded(log_probs, num_frames)
    num_classes = scores.shape[2]
    if not -num_classes <= blank < num_classes:
        expected = f"the index of one of the {num_classes} classes"
        raise ValueError(invalid("blank", expected, blank))
    # Beam search takes a negative mask_index for none at all.
    decoded, _ = ops.ctc_decode(
        scores, lengths, mask_index=blank % num_classes, **options
    )
    paths = ops.convert_to_numpy(decoded)[0]
    return [[int(label) for label in path if label >= 0] for path in paths]


def _padded(log_probs, num_frames):
    """Returns float32 `(batch, frames, classes)` and int32 `(batch,)`."""
    if isinstance(log_probs, (list, tuple)):
        if num_frames is not None:
            expected = "None where `log_probs` is a list"
            raise ValueError(invalid("num_frames", expected, num_frames))
        utterances = [np.asarray(scores, np.float32) for scores in log_probs]
        if len({u.shape[1:] for u in utterances}) != 1 or utterances[0].ndim != 2:
            shapes = [u.shape for u in utterances[:3]]
            expected, received = "a list of (frames, classes)", f"shapes {shapes}"
            raise ValueError(invalid("log_probs", expected, received))
        num_frames = [len(utterance) for utterance in utterances]
        shape = (len(utterances), max(num_frames), utterances[0].shape[1])
        log_probs = np.zeros(shape, np.float32)
        for row, utterance in zip(log_probs, utterances, strict=True):
            row[: len(utterance)] = utterance
    scores = np.asarray(log_probs, np.float32)
    if scores.ndim != 3:
        expected, received = "(batch, frames, classes)", f"shape {scores.shape}"
        raise ValueError(invalid("log_probs", expected, received))
    batch, frames, _ = scores.shape
    lengths = np.full(batch, frames) if num_frames is None else np.asarray(num_frames)
    fits = lengths.shape == (batch,) and lengths.dtype.kind in "iu"
    if not fits or (lengths < 0).any() or (lengths > frames).any():
        expected = f"{batch} integers from 0 to {frames}"
        raise ValueError(invalid("num_frames", expected, num_frames))
    return scores, lengths.astype(np.int32)
