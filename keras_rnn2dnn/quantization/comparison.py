"""Compares a student with its graph for one window, and with its int8 file."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn2dnn.quantization.clips import clip_input
from keras_rnn2dnn.quantization.fake_quant import is_fake_quantized
from keras_rnn2dnn.quantization.folding.graph import is_clip
from keras_rnn2dnn.quantization.interpreter import Int8Student, context_windows
from keras_rnn2dnn.quantization.receptive_field import ReceptiveField
from keras_rnn2dnn.quantization.window import shortens
from keras_rnn2dnn.scoring.word_errors import word_error_rate
from keras_rnn2dnn.util.errors import invalid
from keras_rnn2dnn.util.log_softmax import log_softmax

_CHECKED_FRAMES = 256
_CHECKED_CLIPS = 32
_CLIPS = 64  # in one batch


def check_equal(
    student: keras.Model,
    model: keras.Model,
    field: ReceptiveField,
    utterances: Sequence[np.ndarray],
    softmax: str | None = None,
) -> None:
    """Checks that the window's graph gives what the student gives on inner frames.

    Args:
        student: `(batch, frames, features) -> (batch, frames, classes)`.
        model: its graph for one context window.
        field: context of the student.
        utterances: real features `(frames, features)`.
        softmax: `"softmax"` or `"log_softmax"` that the student ends in and its graph
            lacks, or None.

    Raises:
        ValueError: if their logits differ.
    """
    expected, windows = _both_inputs(student, field, utterances)
    with tf.device("CPU:0"):  # GPUs round to TF32
        # A batch of one is what the graph was made for.
        received = np.concatenate([model(w[None]).numpy() for w in windows])
    if softmax is not None:
        received = log_softmax(received)
        received = np.exp(received) if softmax == "softmax" else received
    exact = all(layer.compute_dtype == "float32" for layer in student.layers)
    exact &= not is_fake_quantized(model)  # which may round to the next step
    difference = float(np.abs(expected - received).max())
    tolerance = (1e-3 if exact else 5e-2) * max(1.0, float(np.abs(expected).max()))
    if not difference <= tolerance:
        hint = (
            f"Its logits differ by {difference:.3g} from those of its graph for one "
            f"context window of {field.window} frames (allowed: {tolerance:.3g}). Does "
            "it override `call`, or look at more than its layers say?"
        )
        what = "a student whose frames depend on their context window alone"
        if field.is_clip:
            what = "a student that computes what its layers say"
        raise ValueError(invalid("student", what, student.name, hint))


def _both_inputs(student, field, utterances):
    """Returns logits of the student, and the windows that they are of."""
    if field.is_clip:
        clips = np.stack(utterances[:_CHECKED_CLIPS])
        return np.concatenate([student_logits(student, x) for x in clips]), clips
    length = field.window + field.stride * _CHECKED_FRAMES
    length = -(-length // field.stride) * field.stride  # as `window` takes them
    frames = np.concatenate(utterances[:length])[:length]
    frames = np.resize(frames, (length, frames.shape[1]))  # repeats what is too short
    expected = student_logits(student, frames)
    positions = np.arange(len(expected)) * field.stride
    inner = positions - field.left >= 0
    inner &= positions + field.right < length
    windows = context_windows(frames, field)[: len(expected)][inner]
    return expected[inner][::8], windows[::8]


def student_logits(student: keras.Model, utterance: np.ndarray) -> np.ndarray:
    """Computes the student's own logits of an utterance, on the processor.

    Args:
        student: with logits as its output.
        utterance: features `(frames, features)`.

    Returns:
        float32 `(output frames, classes)`; of a clip `(1, classes)`.
    """
    with tf.device("CPU:0"):
        logits = student(clip_input(student, utterance[None]), training=False)
    logits = keras.ops.cast(logits, "float32").numpy()
    return logits if is_clip(student) else logits[0]


def _clip_logits(student, clips):
    """Yields logits `(1, classes)` of clips, which are computed many at a time."""
    for start in range(0, len(clips), _CLIPS):
        part = clip_input(student, clips[start : start + _CLIPS])
        with tf.device("CPU:0"):
            logits = student(part, training=False)
        yield from keras.ops.cast(logits, "float32").numpy()[:, None]


def long_enough(
    student: keras.Model,
    field: ReceptiveField,
    utterances: Sequence[np.ndarray],
    held: Sequence[int],
) -> list[int]:
    """Returns which utterances the student gives frames for.

    Args:
        student: as given to `convert`.
        field: its context.
        utterances: features `(frames, features)` of each.
        held: indices of those to choose from.

    Raises:
        ValueError: if no utterance is long enough.
    """
    if field.is_clip:
        return list(held)
    least = field.window if shortens(student) else 1
    long = [k for k in held if len(utterances[k]) >= least]
    if not long:
        expected = f"utterances of at least {least} frames among those held back"
        raise ValueError(invalid("calibration", expected, "shorter ones"))
    return long


def compare(
    student: keras.Model,
    device: Int8Student,
    utterances: Sequence[np.ndarray],
    held: Sequence[int],
    decode: Callable[[list[np.ndarray]], list] | None,
    references: Sequence | None,
) -> dict[str, Any]:
    """Compares the student with its int8 file.

    Args:
        student: as given to `convert`.
        device: the file.
        utterances: features `(frames, features)` of each.
        held: indices of those to compare on, of `long_enough`.
        decode: of logits, for the word error rates.
        references: words of each utterance, or None: no word error rates.

    Returns:
        `comparison` of the report.
    """
    chosen = [utterances[k] for k in held]
    if is_clip(student):
        floats = list(_clip_logits(student, np.stack(chosen)))
    else:
        floats = [student_logits(student, x) for x in chosen]
    int8s = device.predict(chosen)
    int8s = [np.atleast_2d(z) for z in int8s]  # of a clip one row
    int8s = [z[: len(reference)] for z, reference in zip(int8s, floats, strict=True)]
    compared = {"utterances": len(held), **compare_logits(floats, int8s)}
    compared |= {"wer_float": None, "wer_int8": None}
    if references is not None:
        spoken = [references[k] for k in held]
        for name, logits in (("wer_float", floats), ("wer_int8", int8s)):
            compared[name] = word_error_rate(spoken, decode(logits)).wer
    return compared


def compare_logits(
    expected: list[np.ndarray], received: list[np.ndarray]
) -> dict[str, float]:
    """Compares the logits of two models on the same frames.

    `kl` is the mean over frames of KL(p || q) = sum_k p_k (log p_k - log q_k), with
    p = softmax(expected) and q = softmax(received), in float64.

    Args:
        expected: one `(frames, classes)` per utterance.
        received: the same shapes.

    Returns:
        `frames`, `kl`, `agreement` and `max_abs_logit_difference`.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> logits = [np.log([[0.25, 0.75]])]
        >>> compare_logits(logits, logits)["kl"]
        0.0
        >>> round(compare_logits(logits, [np.log([[0.5, 0.5]])])["kl"], 6)
        0.130812
    """
    shapes = [x.shape for x in expected], [x.shape for x in received]
    if shapes[0] != shapes[1]:
        raise ValueError(invalid("received", f"shapes {shapes[0]}", shapes[1]))
    p, q = (np.concatenate(x).astype(np.float64) for x in (expected, received))
    difference = float(np.abs(p - q).max())
    same = float((p.argmax(axis=1) == q.argmax(axis=1)).mean())
    log_p, log_q = log_softmax(p), log_softmax(q)
    kl = float((np.exp(log_p) * (log_p - log_q)).sum(axis=1).mean())
    return {
        "frames": len(p),
        "kl": kl,
        "agreement": same,
        "max_abs_logit_difference": difference,
    }
