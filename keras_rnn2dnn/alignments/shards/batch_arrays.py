"""Padded batches of utterances that lie in files: arrays first, then tensors.

An array takes its numbers from the file at once; nothing is copied between.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_rnn2dnn.alignments.shards.records import RecordFormat

_ALIGNMENT = 64  # bytes; TensorFlow copies what lies otherwise


class Column(NamedTuple):
    """A field of the utterances of a batch.

    Args:
        name: in a record.
        dtype: of its numbers.
        shape: of one frame.
        padding: what is beyond its end, or all of it where it is missing.
    """

    name: str
    dtype: np.dtype
    shape: tuple[int, ...] = ()
    padding: int = 0

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return math.prod(self.shape) * self.dtype.itemsize


class Located(NamedTuple):
    """An utterance in a file.

    Args:
        source: its file, whatever reads from it knows it by.
        places: first byte and number of bytes of each column.
    """

    source: Any
    places: Sequence[tuple[int, int]]


class BatchArrays:
    """Makes padded batches of utterances in files.

    Args:
        form: how numbers lie in the records.
        labels: whether batches have hard labels.
    """

    def __init__(self, form: RecordFormat, labels: bool):
        self._top_k, self._labels = form.top_k, labels
        self._whole = form.whole_utterances
        width = form.top_k + 1 if form.top_k else form.num_classes
        columns = [
            Column("features", np.dtype(form.feature_dtype), form.feature_shape),
            Column("log_posteriors", np.dtype("float16"), (width,)),
            Column("weights", np.dtype("float32")),
        ]
        if form.top_k:
            # TensorFlow reads no uint32; no number of a class is that large.
            dtype = "int32" if form.class_dtype == "uint32" else form.class_dtype
            columns.append(Column("classes", np.dtype(dtype), (form.top_k,)))
        if labels:
            columns.append(Column("labels", np.dtype("int32"), padding=-1))
        self.columns = tuple(columns)
        self._frame_bytes = [column.frame_bytes for column in columns]
        self.names = tuple(column.name for column in columns)
        self.signature = {
            column.name: tf.TensorSpec((None, None, *column.shape), column.dtype)
            for column in columns
        }

    def num_frames(self, utterance: Located) -> int:
        """Returns the length of the features of an utterance."""
        return utterance.places[0][1] // self._frame_bytes[0]

    def gather(
        self,
        utterances: Sequence[Located],
        read_into: Callable[[np.ndarray, Any, int], None],
    ) -> dict[str, np.ndarray]:
        """Returns the numbers of each column, `(utterances, longest, ...)`.

        Args:
            utterances: of the batch.
            read_into: `(bytes, source, offset)` fills an array of bytes from a file.
        """
        batch = {}
        for number, column in enumerate(self.columns):
            places = [utterance.places[number] for utterance in utterances]
            if column.name == "weights":
                array = self._ones(utterances)
            else:
                width = self._frame_bytes[number]
                array = _padded(column, [size // width for _, size in places])
            rows = array.reshape(len(utterances), -1).view(np.uint8)
            for row, (offset, size) in enumerate(places):
                if size:
                    read_into(rows[row, :size], utterances[row].source, offset)
            batch[column.name] = array
        return batch

    def _ones(self, utterances):
        """Returns the weights of utterances which have none of their own."""
        targets = np.array([u.places[1][1] for u in utterances]) // self._frame_bytes[1]
        array = _aligned((len(utterances), targets.max()), self.columns[2].dtype)
        array[:] = np.arange(targets.max()) < targets[:, None]
        return array

    def tensors(self, batch: dict[str, tf.Tensor]) -> tuple:
        """Returns what a model learns from, in a graph.

        Args:
            batch: of `gather`.

        Returns:
            `(x, y, weights)`: features `(batch, frames, ...)`; soft alignments
            `(batch, frames, classes)` or `(batch, frames, 2, k + 1)`, or a dict of
            these and of labels, padded with -1; weights `(batch, frames)`. All but
            the features are without frames where there is one output an utterance.
        """
        soft: Any = tf.cast(batch["log_posteriors"], tf.float32)
        if self._top_k:
            others = [[0, 0], [0, 0], [0, 1]]
            classes = tf.cast(batch["classes"], tf.float32)
            classes = tf.pad(classes, others, constant_values=-1)
            soft = tf.stack([soft, classes], axis=2)
        weights = batch["weights"]
        if self._labels:
            soft = {"soft": soft, "labels": batch["labels"]}
        if self._whole:
            soft, weights = tf.nest.map_structure(lambda a: a[:, 0], (soft, weights))
        return tf.cast(batch["features"], tf.float32), soft, weights


def _padded(column, frames):
    """Returns an array for a column, in which the padding alone is set."""
    longest = max(frames)
    array = _aligned((len(frames), longest, *column.shape), column.dtype)
    for row, count in enumerate(frames):
        if count < longest:
            array[row, count:] = column.padding
    return array


def _aligned(shape, dtype):
    size = math.prod(shape) * dtype.itemsize
    content = np.empty(size + _ALIGNMENT, np.uint8)
    start = -content.ctypes.data % _ALIGNMENT
    return content[start : start + size].view(dtype).reshape(shape)
