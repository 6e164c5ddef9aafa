"""Fields of the records of many files: read ahead, and decoded batch by batch.

Between the two, Python moves whole fields from record to batch, and never looks inside.
"""

import math
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_rnn2dnn.alignments.records import RecordFormat

Fields = dict[str, bytes]

_RECORDS_AT_A_TIME = 32
_READ_AHEAD = 512  # records: a shard of the usual size


class FieldReader:
    """Reads the fields of records, many at a time, ahead of what asks for them.

    What reads is built once: for every file, or every epoch, that would take longer
    than to read a small one.

    Args:
        names: fields to read; what a record lacks of them is empty.
        required: of these, those without which it is damaged.
    """

    def __init__(self, names: Sequence[str], required: Sequence[str] = ()):
        self._names = tuple(names)
        self._paths = tf.Variable([""], shape=(None,), trainable=False)
        self._lock = threading.Lock()
        form = {
            name: tf.io.FixedLenFeature(
                (), tf.string, default_value=None if name in required else ""
            )
            for name in names
        }
        start = tf.data.Dataset.from_tensors(0)
        records = start.flat_map(lambda _: tf.data.TFRecordDataset(self._paths))
        chunks = records.batch(_RECORDS_AT_A_TIME)
        parsed = chunks.map(lambda chunk: tf.io.parse_example(chunk, form))
        ahead = parsed.prefetch(_READ_AHEAD // _RECORDS_AT_A_TIME)
        options = tf.data.Options()
        options.autotune.enabled = False
        # Of its own: what asks may hold the only thread of TensorFlow's.
        options.threading.private_threadpool_size = 2
        self._dataset = ahead.with_options(options)

    def read(self, paths: Sequence[str | bytes]) -> Iterator[Fields]:
        """Yields the fields of each record, in the order of the files.

        Args:
            paths: of the files.

        Raises:
            tf.errors.OpError: if a file or record cannot be read.
        """
        with self._lock:  # the iterator takes the paths when it begins
            self._paths.assign(list(paths))
            chunks = iter(self._dataset)
            chunk = next(chunks, None)
        while chunk is not None:
            columns = [chunk[name].numpy() for name in self._names]
            for values in zip(*columns, strict=True):
                yield dict(zip(self._names, values, strict=True))
            chunk = next(chunks, None)


class BatchDecoder:
    """Makes padded batches of the fields of utterances.

    Args:
        form: how numbers lie in the records.
        labels: whether batches have hard labels.
    """

    required = ("features", "log_posteriors")

    def __init__(self, form: RecordFormat, labels: bool):
        self._form, self._labels = form, labels
        optional = ["classes"] * bool(form.top_k) + ["weights"] + ["labels"] * labels
        self.names = (*self.required, *optional)
        self.signature = {
            name: tf.TensorSpec((None,), tf.string) for name in self.names
        }
        self._target_width = form.top_k + 1 if form.top_k else form.num_classes
        self._ones = np.ones(1, "float32").tobytes()

    def gather(self, utterances: Sequence[Fields]) -> dict[str, np.ndarray]:
        """Returns each field of all utterances, still as bytes; weights always."""
        columns = {name: [fields[name] for fields in utterances] for name in self.names}
        columns["weights"] = [
            weights or self._ones * (len(log_p) // (2 * self._target_width))
            for weights, log_p in zip(
                columns["weights"], columns["log_posteriors"], strict=True
            )
        ]
        return {name: np.array(c, object) for name, c in columns.items()}

    def decode(self, columns: dict[str, Any]) -> tuple:
        """Returns the numbers of a batch, padded with zeros, in a graph.

        Args:
            columns: of `gather`.

        Returns:
            `(x, y, weights)`: features `(batch, frames, ...)`; soft alignments
            `(batch, frames, classes)` or `(batch, frames, 2, k + 1)`, or a dict of
            these and of labels, padded with -1; weights `(batch, frames)`.
        """
        features = _padded(
            columns["features"],
            self._form.feature_dtype,
            self._form.feature_shape,
        )
        soft = _padded(columns["log_posteriors"], tf.float16, (self._target_width,))
        soft = tf.cast(soft, tf.float32)
        if self._form.top_k:
            # TensorFlow reads no uint32; no number of a class is that large.
            wide = self._form.class_dtype == "uint32"
            classes = _padded(
                columns["classes"],
                tf.int32 if wide else tf.uint16,
                (self._form.top_k,),
            )
            classes = tf.pad(
                tf.cast(classes, tf.float32),
                [[0, 0], [0, 0], [0, 1]],
                constant_values=-1,
            )
            soft = tf.stack([soft, classes], axis=2)
        weights = _padded(columns["weights"], tf.float32)
        if self._labels:
            # Every number from 0 on may be a label.
            given = tf.sequence_mask(tf.strings.length(columns["labels"]) // 4)
            labels = tf.where(given, _padded(columns["labels"], tf.int32), -1)
            soft = {"soft": soft, "labels": labels}
        return tf.cast(features, tf.float32), soft, weights


def _padded(strings, dtype, shape=()):
    """Returns the numbers in each of some strings, `(strings, longest, *shape)`."""
    dtype = tf.as_dtype(dtype)
    longest = tf.reduce_max(tf.strings.length(strings))
    # TensorFlow decodes no padded float16.
    read = tf.uint16 if dtype == tf.float16 else dtype
    size = tf.maximum(longest, dtype.size)
    numbers = tf.io.decode_raw(strings, read, fixed_length=size)
    numbers = tf.bitcast(numbers[:, : longest // dtype.size], dtype)
    frames = longest // (dtype.size * math.prod(shape))
    return tf.reshape(numbers, (tf.shape(strings)[0], frames, *shape))
