"""Utterances with their soft alignments, as records of a TFRecord file."""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_rnn2dnn.files import new_file

_RECORDS_AT_A_TIME = 64


@dataclasses.dataclass(frozen=True, eq=False)
class AlignedUtterance:
    """One utterance of a store.

    Args:
        name: its id.
        features: of the student, `(frames, ...)`.
        soft: log-posteriors `(frames, classes)`, or top-k targets
            `(frames, 2, k + 1)`; see `top_k`.
        weights: frame weights `(frames,)`, or None where all are 1.
        labels: hard labels, int, or None.
        transcript: what is said, or None.
    """

    name: str
    features: np.ndarray
    soft: np.ndarray
    weights: np.ndarray | None = None
    labels: np.ndarray | None = None
    transcript: str | None = None


@dataclasses.dataclass(frozen=True)
class RecordFormat:
    """How numbers lie in a record.

    Args:
        num_classes: classes of the teacher.
        top_k: classes kept, or None where all are.
        feature_shape: of one frame.
        feature_dtype: `"float32"` or `"float16"`.
    """

    num_classes: int
    top_k: int | None
    feature_shape: tuple[int, ...]
    feature_dtype: str = "float32"

    @property
    def class_dtype(self) -> str:
        """Type of the class numbers: the smallest that holds them all."""
        return "uint16" if self.num_classes <= 1 << 16 else "uint32"

    def target_bytes(self, frames: int) -> int:
        """Returns the bytes of the soft alignments of so many frames."""
        if not self.top_k:
            return 2 * self.num_classes * frames
        class_bytes = np.dtype(self.class_dtype).itemsize
        return (class_bytes * self.top_k + 2 * (self.top_k + 1)) * frames

    def encode(self, utterance: AlignedUtterance) -> bytes:
        """Returns the record of an utterance: a `tf.train.Example`."""
        soft = np.asarray(utterance.soft, "float32")
        fields = {
            "id": utterance.name.encode(),
            "features": np.asarray(utterance.features, self.feature_dtype).tobytes(),
        }
        if self.top_k:
            fields["classes"] = soft[:, 1, :-1].astype(self.class_dtype).tobytes()
            soft = soft[:, 0]
        fields["log_posteriors"] = soft.astype("float16").tobytes()
        if utterance.weights is not None:
            fields["weights"] = np.asarray(utterance.weights, "float32").tobytes()
        if utterance.labels is not None:
            fields["labels"] = np.asarray(utterance.labels, "int32").tobytes()
        if utterance.transcript is not None:
            fields["transcript"] = utterance.transcript.encode()
        example = tf.train.Example(
            features=tf.train.Features(
                feature={
                    name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[data]))
                    for name, data in fields.items()
                }
            )
        )
        return example.SerializeToString(deterministic=True)

    def decode(self, record) -> dict:
        """Returns the tensors of a record, inside of a graph as well.

        Args:
            record: a scalar string tensor.

        Returns:
            `id`, `features` `(frames, ...)`, `soft`, `weights` `(frames,)`, `labels`
            and `transcript`; the last two are empty where there are none.
        """
        names = ("id", "features", "log_posteriors", "classes", "weights", "labels")
        empty = tf.io.FixedLenFeature((), tf.string, default_value="")
        fields = tf.io.parse_single_example(
            record, dict.fromkeys((*names, "transcript"), empty)
        )
        features = tf.io.decode_raw(fields["features"], self.feature_dtype)
        features = tf.cast(tf.reshape(features, (-1, *self.feature_shape)), tf.float32)
        soft = self._decode_soft(fields)
        weights = tf.io.decode_raw(fields["weights"], tf.float32)
        ones = tf.ones(tf.shape(soft)[:1])
        return {
            "id": fields["id"],
            "features": features,
            "soft": soft,
            "weights": tf.cond(tf.size(weights) > 0, lambda: weights, lambda: ones),
            "labels": tf.io.decode_raw(fields["labels"], tf.int32),
            "transcript": fields["transcript"],
        }

    def _decode_soft(self, fields):
        log_p = tf.io.decode_raw(fields["log_posteriors"], tf.float16)
        log_p = tf.cast(log_p, tf.float32)
        if not self.top_k:
            return tf.reshape(log_p, (-1, self.num_classes))
        log_p = tf.reshape(log_p, (-1, self.top_k + 1))
        # TensorFlow reads no uint32; the numbers are the same up to 2 ** 31.
        dtype = tf.uint16 if self.class_dtype == "uint16" else tf.int32
        classes = tf.io.decode_raw(fields["classes"], dtype)
        classes = tf.cast(tf.reshape(classes, (-1, self.top_k)), tf.float32)
        rest = -tf.ones((tf.shape(classes)[0], 1))
        return tf.stack([log_p, tf.concat([classes, rest], axis=1)], axis=1)


def write_records(path: str | Path, records: Iterable[bytes]) -> None:
    """Writes a TFRecord file under a temporary name, then renames it.

    Args:
        path: of the file.
        records: what to write.

    Raises:
        OSError: if it cannot be written; nothing takes its name then.
    """
    with (
        new_file(path) as temporary,
        _as_os_error(path),
        tf.io.TFRecordWriter(str(temporary)) as writer,
    ):
        for record in records:
            writer.write(record)


@contextlib.contextmanager
def _as_os_error(path):
    try:
        yield
    except tf.errors.OpError as error:
        raise OSError(f"Cannot write {str(path)!r}: {error.message}") from error


def read_records(path: str | Path) -> Iterator[np.ndarray]:
    """Yields arrays of records of a TFRecord file; their checksums are checked.

    Args:
        path: of the file.

    Raises:
        ValueError: names the file and the record which is damaged.
    """
    batches = tf.data.TFRecordDataset(str(path)).batch(_RECORDS_AT_A_TIME)
    try:
        yield from batches.as_numpy_iterator()
    except tf.errors.OpError as error:
        number, reason = _first_damaged(path)
        raise ValueError(
            f"Record {number} of {str(path)!r} is damaged: {reason}. Write that part "
            "of the store again"
        ) from error


def _first_damaged(path):
    number = 0
    try:
        for _ in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            number += 1
    except tf.errors.OpError as error:
        return number, error.message.split("}} ")[-1].split(" [Op:")[0]
    return number, "it could not be read a moment ago"
