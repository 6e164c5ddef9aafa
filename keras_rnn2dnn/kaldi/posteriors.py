"""Alignments and posteriors of Kaldi: a teacher's archives in, a student's out."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_rnn2dnn.alignments import SoftAlignments
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.distillation.input_checks import are_probabilities
from keras_rnn2dnn.distillation.losses import SMALLEST_PROBABILITY
from keras_rnn2dnn.kaldi.archives import read_archive, write_archive
from keras_rnn2dnn.kaldi.directory import KaldiDirectory, KaldiUtterance
from keras_rnn2dnn.util.errors import invalid
from keras_rnn2dnn.util.log_softmax import log_softmax

_LOG = logging.getLogger(__name__)
_AT_ONCE = 256  # utterances that a model hears before they are written
_FLOOR = float(np.log(SMALLEST_PROBABILITY))


def read_alignments(
    paths: str | Path | Sequence[str | Path], num_classes: int | None = None
) -> dict[str, np.ndarray]:
    """Reads hard labels: a class for every frame.

    Kaldi's `ali.*.gz` hold transition-ids; their pdf-ids, which are the classes of a
    network, come from `ali-to-pdf final.mdl "ark:gunzip -c ali.1.gz|" ark:ali.ark`.

    Args:
        paths: archive or archives, binary or text, also packed (`.gz`).
        num_classes: of the network, if labels beyond it are to be refused.

    Returns:
        int32 `(frames,)` by utterance.

    Raises:
        ImportError: if kaldiio is missing; holds the pip line.
        ValueError: if an archive holds no integers, a label is out of range, or an
            utterance comes twice.
    """
    paths = [paths] if isinstance(paths, (str, Path)) else paths
    labels = {}
    for path in paths:
        for name, states in read_archive(path):
            if states.dtype.kind != "i" or states.ndim != 1:
                received = f"{states.dtype} {states.shape}"
                hint = "Posteriors are for store_posteriors"
                text = invalid(name, "integers of shape (frames,)", received, hint)
                raise ValueError(text)
            if (
                num_classes
                and len(states)
                and not 0 <= min(states) <= max(states) < num_classes
            ):
                expected = f"classes from 0 to {num_classes - 1}"
                hint = "Of transition-ids, ali-to-pdf gives the classes"
                received = f"{min(states)} to {max(states)}"
                raise ValueError(invalid(name, expected, received, hint))
            if name in labels:
                raise ValueError(f"Two alignments of {name!r}. Expected one")
            labels[name] = states
    return labels


def store_posteriors(
    store: str | Path,
    posteriors: str | Path,
    features: KaldiDirectory,
    *,
    from_logits: bool = True,
    labels: dict[str, np.ndarray] | None = None,
    root: str | Path = ".",
    **options: Any,
) -> SoftAlignments:
    """Keeps a foreign teacher's posteriors as soft alignments: no Keras teacher runs.

    The teacher may be of Kaldi (`nnet3-compute`, `nnet-forward`), of PyTorch or of
    anything that writes matrices to a Kaldi archive. `Distiller(None, student)` learns
    from the store.

    Args:
        store: directory of the store; see `SoftAlignments.write`.
        posteriors: archive or table of matrices `(frames, classes)`.
        features: of the student; utterances without posteriors are left out.
        from_logits: whether these are logits or log-posteriors; otherwise they are
            probabilities. Log-likelihoods, less the log-priors, are neither: add the
            priors first.
        labels: hard labels of `read_alignments`, kept beside them; utterances without
            are left out then.
        root: to which the paths of a table are relative.
        **options: of `SoftAlignments.write`, such as `top_k` and `temperature`.

    Returns:
        The store.

    Raises:
        ImportError: if kaldiio is missing; holds the pip line.
        ValueError: if there is nothing in common, an utterance comes twice, frames or
            classes do not match, or probabilities are declared to be logits, or logits
            probabilities.
        RuntimeError: with that text, where it comes to light in the midst of writing.

    Example:
        >>> from keras_rnn2dnn import kaldi
        >>> data = [kaldi.KaldiUtterance("u1", np.ones((4, 2)))]
        >>> data = kaldi.write_directory("data", data)
        >>> _ = kaldi.write_archive("post.ark", [("u1", np.full((4, 3), 1 / 3))])
        >>> store = store_posteriors("s.align", "post.ark", data, from_logits=False)
        >>> store.num_utterances, store.num_frames, store.num_classes
        (1, 4, 3)
    """
    name, first = next(iter(read_archive(posteriors, root)), (None, None))
    if first is None or first.ndim != 2:
        received = None if first is None else f"{first.dtype} {first.shape}"
        expected = "an archive of matrices (frames, classes)"
        raise ValueError(invalid("posteriors", expected, received))
    options = {"teacher_from_logits": from_logits, **options}
    from_logits = options["teacher_from_logits"]
    _check_declared(name, first, from_logits)
    teacher = keras.Sequential([keras.Input((None, first.shape[1])), _Given()])

    def examples():
        left_out, seen = 0, set()
        for name, values in read_archive(posteriors, root):
            if name in seen:
                raise ValueError(f"Two matrices of {name!r}. Expected one")
            seen.add(name)
            if name not in features or (labels is not None and name not in labels):
                left_out += 1
                continue
            utterance = features.utterance(name)
            _check_declared(name, values, from_logits)
            yield _example(utterance, values, first.shape[1], labels)
        if left_out:
            _LOG.warning("%d utterances lack features or labels: left out", left_out)

    return SoftAlignments.write(store, teacher, examples(), **options)


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class _Given(keras.layers.Layer):
    """The teacher whose logits are its input."""

    def call(self, inputs):
        return inputs


def _check_declared(name, values, from_logits):
    if not values.size:
        return
    probabilities = are_probabilities(values.astype("float64"))
    if from_logits and probabilities:
        raise ValueError(
            f"The posteriors of {name!r} are declared to be logits or log-posteriors. "
            "Received: rows >= 0 that sum to 1. Pass `from_logits=False`, or "
            "`--probabilities`, if they are probabilities"
        )
    if not from_logits and not probabilities:
        raise ValueError(
            f"The posteriors of {name!r} are declared to be probabilities. Expected "
            f"rows >= 0 that sum to 1. Received: values from {values.min():.4g} to "
            f"{values.max():.4g}. Pass `from_logits=True`, or leave out "
            "`--probabilities`, if they are logits or log-posteriors"
        )


def _example(utterance, values, num_classes, labels):
    name, frames = utterance.name, len(utterance.features)
    if values.shape != (frames, num_classes):
        expected = f"{(frames, num_classes)}, as many frames as its features"
        hint = "Of a teacher with fewer frames, repeat each"
        raise ValueError(invalid(f"posteriors of {name}", expected, values.shape, hint))
    y = {"ids": [name]}
    if utterance.text is not None:
        y["transcripts"] = [utterance.text]
    if labels is not None:
        if len(labels[name]) != frames:
            expected, received = f"{frames} labels", len(labels[name])
            raise ValueError(invalid(f"labels of {name}", expected, received))
        y["labels"] = labels[name][None]
    values = np.asarray(values, "float32")[None]
    x = {"teacher": values, "student": utterance.features[None]}
    return x, y, np.ones((1, frames), "float32")


def write_scores(
    path: str | Path,
    model: keras.Model,
    utterances: Iterable[KaldiUtterance],
    log_priors: np.ndarray | None = None,
) -> int:
    """Writes what a model gives, for Kaldi's decoder.

    Without priors these are log-posteriors `log p(k | x)`. With them they are the
    scaled log-likelihoods `log p(k | x) - log p(k)` which `latgen-faster-mapped`
    takes (Bourlard and Morgan, "Connectionist speech recognition", 1994).

    Args:
        path: of the archive, `.ark`; its table `.scp` is written too.
        model: Keras model that gives logits, `(batch, frames, features) -> (batch,
            frames, classes)`.
        utterances: such as a `KaldiDirectory`.
        log_priors: `(classes,)`, of `hmm.estimate_log_priors` or `read_log_priors`.

    Returns:
        How many utterances were written.

    Raises:
        ImportError: if kaldiio is missing; holds the pip line.
        ValueError: if there is no utterance, or not one prior for each class.
    """

    def pairs():
        waiting: list[KaldiUtterance] = []
        for utterance in utterances:
            waiting.append(utterance)
            if len(waiting) == _AT_ONCE:
                yield from outputs(waiting)
                waiting = []
        yield from outputs(waiting)

    def outputs(some):
        logits = predict_utterances(model, [u.features for u in some]) if some else []
        for utterance, z in zip(some, logits, strict=True):
            yield utterance.name, _less_priors(log_softmax(z), log_priors)

    return write_archive(path, pairs())


def write_store_scores(
    path: str | Path, store: SoftAlignments, log_priors: np.ndarray | None = None
) -> int:
    """Writes the soft alignments of a store as matrices, as `write_scores` does.

    Of the best classes alone, the mass of the others is spread evenly over them.

    Args:
        path: of the archive, `.ark`; its table `.scp` is written too.
        store: of soft alignments.
        log_priors: `(classes,)`, or None for log-posteriors.

    Returns:
        How many utterances were written.

    Raises:
        ImportError: if kaldiio is missing; holds the pip line.
        ValueError: if there is not one prior for each class.
    """
    pairs = (
        (u.name, _less_priors(_dense(u.soft, store.num_classes), log_priors))
        for u in store.utterances()
    )
    return write_archive(path, pairs)


def _dense(soft, num_classes):
    if soft.ndim == 2:
        return np.maximum(soft, _FLOOR)
    others = num_classes - (soft.shape[-1] - 1)
    with np.errstate(divide="ignore"):
        rest = soft[:, 0, -1:] - np.log(others)
    dense = np.repeat(rest, num_classes, axis=1)
    classes = soft[:, 1, :-1].astype("int64")
    np.put_along_axis(dense, classes, soft[:, 0, :-1], axis=1)
    return np.maximum(dense, _FLOOR)


def _less_priors(log_p, log_priors):
    if log_priors is None:
        return log_p
    if np.shape(log_priors) != (log_p.shape[-1],):
        expected = f"{log_p.shape[-1]} numbers, one for each class"
        raise ValueError(invalid("log_priors", expected, np.shape(log_priors)))
    return log_p - np.asarray(log_priors, "float32")
