"""Soft alignments of a CTC model that know the labels of the utterance.

The graph of an utterance is blank, label, blank, label, ..., blank; blanks are
optional, except between two equal labels (Graves et al., "Connectionist temporal
classification", 2006).
"""

from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.distillation.input_checks import are_probabilities
from keras_rnn2dnn.hmm.occupancies import occupancies
from keras_rnn2dnn.hmm.topology import NEVER
from keras_rnn2dnn.hmm.utterances import as_utterances, check_scores
from keras_rnn2dnn.scoring.pairing import check_utterances
from keras_rnn2dnn.util.errors import invalid, is_integer
from keras_rnn2dnn.util.log_softmax import log_softmax

_SMALLEST_PRIOR = 1e-6  # of a class that the model never gives


def ctc_occupancies(
    log_probs: np.ndarray | Sequence[np.ndarray],
    labels: Sequence[Sequence[int]],
    num_frames: np.ndarray | None = None,
    blank: int = 0,
    scale: float = 1.0,
    log_priors: np.ndarray | None = None,
    prior_scale: float = 1.0,
) -> np.ndarray | list[np.ndarray]:
    """Computes the posterior of every class in every frame, given the labels.

    With the scores `s[t, k] = scale * (log_probs[t, k] - prior_scale * log_priors[k])`
    and `Z` the sum of `exp(sum_t s[t, path[t]])` over all paths of the labels, the
    posterior is `d log Z / d s`; so the gradient of the CTC loss by the logits is
    `softmax(logits) - posterior` (scale 1, no priors).

    A CTC model gives a label in one frame and blanks in the others. Temperature
    (`1 / scale`) and priors, of which that of the blank is by far the largest, spread
    the labels over their duration (Zeyer, Schlueter and Ney, "Why does CTC result in
    peaky behavior?", 2021; Huang et al., "Less peaky and more accurate CTC forced
    alignment by label priors", 2024).

    Args:
        log_probs: log-posteriors or logits `(batch, frames, classes)`, or a list of
            `(frames, classes)`. A constant per frame changes nothing.
        labels: the classes of each utterance, in their order, without blanks.
        num_frames: frames that count `(batch,)`; the others are padding at the end.
            Not with a list.
        blank: index of the blank class; negative ones count from the end.
        scale: factor on the scores, > 0; below 1 the posteriors are softer, and the
            labels last longer. One over the temperature.
        log_priors: of every class, `(classes,)`, see `class_log_priors`; none by
            default.
        prior_scale: factor on them, >= 0.

    Returns:
        Posteriors, float32 `(batch, frames, classes)`, or a list of
        `(frames, classes)`; each frame sums to 1. Padding frames are blank.

    Raises:
        TypeError: if the labels are no sequence, such as a mapping.
        ValueError: if shapes do not fit, a score is NaN or positive infinity, a prior
            is not finite, a label is no class or the blank, or an utterance has too
            few frames for its labels.

    Example:
        >>> even = np.zeros((1, 2, 3))
        >>> ctc_occupancies(even, [[1]])[0].astype(float).round(2).tolist()
        [[0.33, 0.67, 0.0], [0.33, 0.67, 0.0]]
    """
    utterances = as_utterances(log_probs, num_frames, "log_probs")
    num_classes = utterances[0].shape[1]
    check_scores(utterances, num_classes, "log_probs")
    if not 0 < scale < np.inf:
        raise ValueError(invalid("scale", "a number > 0", scale))
    if not is_integer(blank) or not -num_classes <= blank < num_classes:
        expected = f"the index of one of the {num_classes} classes"
        raise ValueError(invalid("blank", expected, blank))
    blank %= num_classes
    if log_priors is not None:
        priors = checked_priors(log_priors, prior_scale, num_classes)
        utterances = [scores - priors for scores in utterances]
    paths = _paths(labels, utterances, blank, num_classes)
    return occupancies(log_probs, utterances, paths, _LabelGraph, blank, scale)


def class_log_priors(log_posteriors: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the log of the mean posterior of every class, float32 `(classes,)`.

    Args:
        log_posteriors: of a CTC model on some utterances, `(frames, classes)` each;
            logits or log-posteriors.

    Raises:
        ValueError: if there is no frame, a shape does not fit, or a score is NaN.

    Example:
        >>> peaky = np.log([[0.98, 0.02], [0.5, 0.5]])
        >>> np.exp(class_log_priors([peaky])).round(2).tolist()
        [0.74..., 0.25...]
    """
    utterances = as_utterances(list(log_posteriors), None, "log_posteriors")
    check_scores(utterances, utterances[0].shape[1], "log_posteriors")
    scores = np.concatenate(utterances).astype("float64")
    if not len(scores):
        raise ValueError(invalid("log_posteriors", "at least one frame", "none"))
    if are_probabilities(scores):
        hint = "Give their logarithms"
        received = "rows >= 0 that sum to 1, probabilities"
        expected = "logits or log-posteriors"
        raise ValueError(invalid("log_posteriors", expected, received, hint))
    mean = np.exp(log_softmax(scores)).mean(axis=0)
    return np.log(np.maximum(mean, _SMALLEST_PRIOR)).astype("float32")


def checked_priors(log_priors, prior_scale, num_classes) -> np.ndarray:
    """Returns `prior_scale * log_priors`, float32 `(classes,)`, or raises."""
    priors = np.asarray(log_priors, np.float32)
    if priors.shape != (num_classes,) or not np.isfinite(priors).all():
        expected = f"a finite number for each of the {num_classes} classes"
        raise ValueError(invalid("log_priors", expected, log_priors))
    if not 0 <= prior_scale < np.inf:
        raise ValueError(invalid("prior_scale", "a number >= 0", prior_scale))
    return np.float32(prior_scale) * priors


def _paths(labels, utterances, blank, num_classes):
    """Returns the classes along the graph of each utterance: int arrays."""
    check_utterances(labels, "labels")
    if len(labels) != len(utterances):
        expected = f"one sequence for each of the {len(utterances)} utterances"
        raise ValueError(invalid("labels", expected, f"{len(labels)} sequences"))
    paths = []
    for index, (given, utterance) in enumerate(zip(labels, utterances, strict=True)):
        classes = np.asarray(given, int).reshape(-1)
        if np.any((classes < 0) | (classes >= num_classes) | (classes == blank)):
            expected = f"classes from 0 to {num_classes - 1}, not the blank {blank}"
            raise ValueError(invalid(f"labels[{index}]", expected, classes.tolist()))
        needed = max(1, len(classes) + int(np.sum(classes[1:] == classes[:-1])))
        if len(utterance) < needed:
            expected = f"at least {needed} frames in utterance {index} for its labels"
            hint = "Leave the utterance out"
            received = len(utterance)
            raise ValueError(invalid(f"num_frames[{index}]", expected, received, hint))
        path = np.full(2 * len(classes) + 1, blank)
        path[1::2] = classes
        paths.append(path)
    return paths


class _LabelGraph:
    """Nodes of a batch as columns; see `hmm.topology.TranscriptGraph`."""

    def __init__(self, paths: list[np.ndarray]):
        self.paths = paths
        lengths = np.array([len(path) for path in paths])
        self.nodes = np.zeros((lengths.max(), len(paths)), np.int32)
        for column, path in enumerate(paths):
            self.nodes[: len(path), column] = path
        self.move = np.float32(0)  # as good as staying
        rows = np.arange(len(self.nodes))[:, None]
        self.skip_rows = np.arange(3, len(self.nodes), 2)  # from label to label
        unlike = self.nodes[self.skip_rows] != self.nodes[self.skip_rows - 2]
        allowed = unlike & (self.skip_rows[:, None] < lengths)
        self.skip = np.where(allowed, np.float32(0), NEVER)
        self.start = np.where(rows < 2, np.float32(0), NEVER)
        final = (rows < lengths) & (rows >= lengths - 2)
        self.final = np.where(final, np.float32(0), NEVER)
