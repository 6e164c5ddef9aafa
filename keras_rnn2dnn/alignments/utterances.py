"""Utterances of any data set, without their padding, before the teacher hears them."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn2dnn.batches.iterating import iterate_batches
from keras_rnn2dnn.batches.padding import without_padding
from keras_rnn2dnn.batches.sample_weights import shared_weights
from keras_rnn2dnn.batches.time_major import check_axes
from keras_rnn2dnn.batches.utterance_lists import (
    have_frames,
    is_list_of_utterances,
    is_ragged,
    is_unbatched,
    one_by_one,
)
from keras_rnn2dnn.distillation.loss_inputs import split_inputs
from keras_rnn2dnn.util.errors import invalid

_KEYS = ("labels", "transcripts", "ids")


@dataclasses.dataclass(frozen=True, eq=False)
class Utterance:
    """One utterance before the teacher has heard it.

    Args:
        name: its id.
        teacher: features of the teacher, `(frames, ...)`, or a structure of them; in
            it may be what the utterance has once, such as the number of its speaker.
        student: features of the student, `(frames, ...)`.
        weights: frame weights `(frames,)`, or None.
        labels: hard labels, or None.
        transcript: what is said, or None.
    """

    name: str
    teacher: Any
    student: np.ndarray
    weights: np.ndarray | None = None
    labels: np.ndarray | None = None
    transcript: str | None = None


def utterances_of(
    data,
    batch_size: int = 32,
    first_number: int = 0,
    rank: int = 3,
    teacher_shapes: Sequence[tuple] = (),
) -> Iterator[Utterance]:
    """Takes the batches of a data set apart, and cuts off their padding.

    Padding is what `sample_weight` `(batch, frames)` gives no weight at the end of an
    utterance; without it, all-zero frames at the end.

    Args:
        data: as for `Distiller.fit`: arrays, a data set, or a tuple `(x, y)` or
            `(x, y, sample_weight)`. `y` are labels, or a dict of any of `labels`,
            `transcripts` and `ids`. Also lists of utterances `(frames, ...)`, ragged
            tensors and data sets of one utterance each.
        batch_size: utterances per batch, for arrays.
        first_number: of the first utterance.
        rank: of a batch of features, which tells it from an utterance.
        teacher_shapes: of the teacher's inputs, where they are known; what has no
            frames, as the number of a speaker, goes with its utterance as it is; see
            `utterance_lists.have_frames`.

    Yields:
        One `Utterance` after the other, numbered where they have no ids.

    Example:
        >>> x = np.ones((2, 5, 3))
        >>> x[1, 3:] = 0
        >>> [(u.name, u.student.shape) for u in utterances_of(x)]
        [('0', (5, 3)), ('1', (3, 3))]
    """
    number = first_number
    for batch in _batches(data, batch_size, rank):
        x, y, weights = keras.tree.map_structure(_as_array, batch)
        weights = shared_weights(weights, y)
        y = y if isinstance(y, dict) else {"labels": y}
        if number == first_number:
            _check_axes(x, y.get("labels"), weights)
        teacher_x = split_inputs(x)[0]
        framed = have_frames(keras.tree.flatten(teacher_x), teacher_shapes)
        framed = keras.tree.pack_sequence_as(teacher_x, framed)
        extra = {key: y.get(key) for key in _KEYS}
        for row in range(len(keras.tree.flatten(x)[0])):
            item = {k: None if v is None else v[row] for k, v in extra.items()}
            one = keras.tree.map_structure(lambda a, row=row: a[row], x)
            weight = None if weights is None else weights[row]
            yield _utterance(str(number), one, framed, weight, item)
            number += 1


def _batches(data, batch_size, rank):
    arrays = data if isinstance(data, tuple) else (data,)
    if is_list_of_utterances(arrays[0], rank):
        return one_by_one(*arrays)
    if is_unbatched(data, rank):
        data = data.batch(1)
        arrays = (data,)
    return iterate_batches(*arrays, batch_size=batch_size)


def _check_axes(x, labels, weights):
    student = split_inputs(x)[1]
    if hasattr(student, "shape") and student.dtype != object:
        shapes = {"labels": labels, "sample_weight": weights}.items()
        given = {name: np.shape(a) for name, a in shapes if a is not None}
        check_axes(student.shape, **given)


def _as_array(value):
    if is_ragged(value):
        rows = np.empty(value.shape[0], object)
        rows[:] = [row.numpy() for row in value]
        return rows
    return value.numpy() if tf.is_tensor(value) else value


def _utterance(name, x, framed, weight, item):
    teacher, student = split_inputs(x)
    if not hasattr(student, "shape"):
        expected = "one array as the student's features"
        received = sorted(student) if isinstance(student, dict) else type(x).__name__
        hint = 'Give each model its own: {"teacher": inputs, "student": features}'
        raise ValueError(invalid("x", expected, received, hint))
    weight = None if weight is None else np.asarray(weight, "float32").reshape(-1)
    if weight is not None:
        _check_weights(weight, name)
    padded, frames = len(student), None
    if weight is not None and len(weight) == padded > 1:
        frames = int(np.max(np.flatnonzero(weight), initial=-1)) + 1
        weight = weight[:frames]

    def cut(array, framed=True):
        if not framed:
            return np.asarray(array)
        if frames is None or len(array) != padded:
            return without_padding(array)
        return array[:frames]

    teacher, student = keras.tree.map_structure(cut, teacher, framed), cut(student)
    if weight is not None and np.all(weight == 1):
        weight = None
    labels = item["labels"]
    if labels is not None and np.ndim(labels) and len(labels) == padded:
        labels = labels[: len(student)]
    return Utterance(
        name if item["ids"] is None else _as_text(item["ids"]),
        teacher,
        student,
        weight,
        labels,
        _as_transcript(item["transcripts"]),
    )


def _check_weights(weights, name):
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        raise ValueError(
            f"The `sample_weight` is not a number >= 0 in utterance {name}, frame "
            f"{wrong[0]}. Expected finite weights. Received: {weights[wrong[0]]}. "
            "Check the weights of that utterance"
        )


def _as_text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def _as_transcript(value):
    if value is None:
        return None
    if isinstance(value, (str, bytes)):  # numpy's strings are too
        return _as_text(value)
    raise TypeError(
        invalid(
            "transcripts",
            "one string for each utterance",
            value,
            "Decode the numbers of its characters to text: "
            '(x, {"transcripts": ["turn on", ...]})',
        )
    )
