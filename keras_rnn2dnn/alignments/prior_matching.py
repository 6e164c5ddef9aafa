"""Soft alignments of unlabelled audio, matched to what share each class should have."""

import zlib
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.alignments.transforms import Transform
from keras_rnn2dnn.util.errors import invalid, is_integer
from keras_rnn2dnn.util.log_softmax import log_softmax

_MOST_FRAMES = 100_000  # that the shares are counted in
_CLOSE = 1e-3  # largest change of an offset at which the search ends
_SMALLEST = 1e-12


def match_priors(
    outputs: Sequence[np.ndarray],
    log_priors: np.ndarray,
    free: Sequence[int] = (),
    num_iterations: int = 100,
) -> Transform:
    """Returns a transform of soft alignments that gives every class its known share.

    On a new speaker or in a new room a teacher takes some classes for others. Where it
    is known how often each class should occur, because the task is the same, its
    posteriors `p[t, k]` are weighed so that their means come out at the priors:

        q[t, k] = p[t, k] * exp(b[k]) / sum_j p[t, j] * exp(b[j]),
        mean_t q[t, k] = priors[k]

    (posteriors for other priors: Saerens, Latinne and Decaestecker, "Adjusting the
    outputs of a classifier to new a priori probabilities", 2002; means of unlabelled
    data as the constraint: Berthelot et al., "ReMixMatch", 2020). `b` is found by
    adding `log(priors) - log(mean_t q)` until it stays. With the teacher's
    alignment of transcribed strings beside it, which counted 0.3, it took 30.5 % off
    the word errors of students for new speakers, with paths of words 32.7 %. Where
    every second word was five times rarer than the priors say, it was 20.0 % with
    paths (one seed; docs/results_0_1.md).

    Args:
        outputs: of the teacher on the unlabelled audio, or on a part of it: logits or
            log-posteriors, `(frames, classes)` for each utterance.
        log_priors: of the classes, `(classes,)`, as of `hmm.estimate_log_priors`.
        free: classes that are not weighed (`b = 0`), such as silence, of which other
            recordings have more or less; the priors of the others share the rest.
        num_iterations: at most.

    Returns:
        A function of lists of log-posteriors and of transcripts, which it does not look
        at, to log-posteriors; for `SoftAlignments.write`.

    Raises:
        ValueError: if there is no frame, an output is NaN or positive infinity, shapes
            do not fit, a prior is not finite, or a class of `free` does not exist.

    Example:
        >>> found = np.log([[0.6, 0.4], [0.9, 0.1]])  # means 0.75, 0.25
        >>> transform = match_priors([found], np.log([0.5, 0.5]))
        >>> np.exp(transform([found], [None])[0]).mean(axis=0).round(2).tolist()
        [0.5, 0.5]
    """
    log_priors = np.asarray(log_priors, "float64")
    _check(outputs, log_priors, free)
    frames = np.concatenate([np.asarray(o, "float32") for o in outputs])
    frames = log_softmax(frames[:: -(-len(frames) // _MOST_FRAMES)])
    offsets = _offsets(frames, log_priors, list(free), num_iterations)

    def transform(log_posteriors, transcripts):
        return [log_softmax(z + offsets) for z in log_posteriors]

    digest = zlib.crc32(log_priors.astype("float32").tobytes())
    classes = f"{len(offsets)} classes {digest:08x}, free {sorted(map(int, free))}"
    found = f"{sum(map(len, outputs))} frames, {num_iterations} iterations"
    transform.__name__ = f"match_priors({classes}, {found})"
    return transform


def _offsets(frames, log_priors, free, num_iterations):
    """Returns what to add to the log-posteriors, float32 `(classes,)`."""
    wanted = np.exp(log_priors)
    others = np.setdiff1d(np.arange(len(wanted)), free)
    wanted /= wanted[others].sum()
    offsets = np.zeros(len(wanted))
    for _ in range(num_iterations):
        means = np.exp(log_softmax(frames + offsets)).mean(axis=0, dtype="float64")
        means = np.maximum(means, _SMALLEST)
        target = wanted * (1 - means[free].sum())
        target[free] = means[free]
        change = np.log(target) - np.log(means)
        offsets += change
        if np.abs(change).max() < _CLOSE:
            break
    return offsets.astype("float32")


def _check(outputs, log_priors, free):
    if log_priors.ndim != 1 or not np.isfinite(log_priors).all():
        expected = "finite log-probabilities, one for each class"
        raise ValueError(invalid("log_priors", expected, log_priors.tolist()))
    classes = len(log_priors)
    for number in free:
        if not is_integer(number) or not 0 <= number < classes:
            expected = f"classes from 0 to {classes - 1}"
            raise ValueError(invalid("free", expected, number))
    if not sum(map(len, outputs)):
        expected = "at least one frame of unlabelled audio"
        raise ValueError(invalid("outputs", expected, "no frame"))
    for number, output in enumerate(outputs):
        if np.ndim(output) != 2 or np.shape(output)[1] != classes:
            expected = f"arrays (frames, {classes}), as many classes as priors"
            received = f"{np.shape(output)} of utterance {number}"
            raise ValueError(invalid("outputs", expected, received))
        if not np.all(np.asarray(output) < np.inf):
            received = f"NaN or infinity in utterance {number}"
            expected = "logits or log-posteriors"
            raise ValueError(invalid("outputs", expected, received))
