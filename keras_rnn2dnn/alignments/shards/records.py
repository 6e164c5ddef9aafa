"""Utterances with their soft alignments, as records of a TFRecord file."""

import contextlib
import dataclasses
import functools
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf import message

from keras_rnn2dnn.util.files import new_file

_RECORDS_AT_A_TIME = 16
_ERRORS = "surrogatepass"  # names of files may be no Unicode


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
        whole_utterances: whether there is one output for each utterance; it is kept as
            that of one frame.
    """

    num_classes: int
    top_k: int | None
    feature_shape: tuple[int, ...]
    feature_dtype: str = "float32"
    whole_utterances: bool = False

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
            "id": utterance.name.encode(errors=_ERRORS),
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
            fields["transcript"] = utterance.transcript.encode(errors=_ERRORS)
        example = tf.train.Example(
            features=tf.train.Features(
                feature={
                    name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[data]))
                    for name, data in fields.items()
                }
            )
        )
        return example.SerializeToString(deterministic=True)

    def fields(self, record: bytes) -> dict[str, bytes]:
        """Returns what a record holds, not yet as numbers.

        Raises:
            ValueError: if it is no such record.
        """
        try:
            example = tf.train.Example.FromString(record)
        except message.DecodeError as error:
            raise ValueError("it is no tf.train.Example") from error
        return {k: v.bytes_list.value[0] for k, v in example.features.feature.items()}

    def num_frames(self, fields: dict[str, bytes]) -> int:
        """Returns the length of the features of an utterance."""
        return len(fields["features"]) // self._frame_bytes

    @functools.cached_property
    def _frame_bytes(self):
        return math.prod(self.feature_shape) * np.dtype(self.feature_dtype).itemsize

    def decode(self, fields: dict[str, bytes]) -> AlignedUtterance:
        """Returns the utterance of a record's fields."""
        transcript = fields.get("transcript")
        return AlignedUtterance(
            fields["id"].decode(errors=_ERRORS),
            self._features(fields).astype("float32", copy=False),
            self._soft(fields),
            self._weights(fields),
            self._labels(fields) if "labels" in fields else None,
            None if transcript is None else transcript.decode(errors=_ERRORS),
        )

    def _features(self, fields):
        features = np.frombuffer(fields["features"], self.feature_dtype)
        return features.reshape(-1, *self.feature_shape)

    def _soft(self, fields):
        def numbers(name, dtype, width):
            flat = np.frombuffer(fields[name], dtype)
            return flat.reshape(-1, width).astype("float32")

        if not self.top_k:
            return numbers("log_posteriors", "float16", self.num_classes)
        log_p = numbers("log_posteriors", "float16", self.top_k + 1)
        soft = np.full((len(log_p), 2, self.top_k + 1), -1, "float32")
        soft[:, 0] = log_p
        soft[:, 1, :-1] = numbers("classes", self.class_dtype, self.top_k)
        return soft

    def _weights(self, fields):
        if "weights" in fields:
            return np.frombuffer(fields["weights"], "float32")
        width = 2 * (self.top_k + 1 if self.top_k else self.num_classes)
        return np.ones(len(fields["log_posteriors"]) // width, "float32")

    def _labels(self, fields):
        return np.frombuffer(fields.get("labels", b""), "int32")


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
        tf.io.TFRecordWriter(os.fsencode(temporary)) as writer,
    ):
        for record in records:
            writer.write(record)


@contextlib.contextmanager
def _as_os_error(path):
    try:
        yield
    except tf.errors.OpError as error:
        raise OSError(f"Cannot write {str(path)!r}: {error.message}") from error


def read_records(*paths: str | Path) -> Iterator[bytes]:
    """Yields the records of TFRecord files; their checksums are checked.

    Args:
        *paths: of the files. All at once take far less time than one by one.

    Raises:
        ValueError: names the file and the record which is damaged.
    """
    batches = tf.data.TFRecordDataset(list(map(os.fsencode, paths))).batch(
        _RECORDS_AT_A_TIME
    )
    try:
        for records in batches.as_numpy_iterator():
            yield from records
    except tf.errors.OpError as error:
        path, number, reason = _first_damaged(paths)
        raise ValueError(
            f"Record {number} of {str(path)!r} is damaged: {reason}. Write that part "
            "of the store again"
        ) from error


def _first_damaged(paths):
    for path in paths:
        number = 0
        try:
            for _ in tf.data.TFRecordDataset(os.fsencode(path)).as_numpy_iterator():
                number += 1
        except tf.errors.OpError as error:
            return path, number, error.message.split("}} ")[-1].split(" [Op:")[0]
    return paths[0], 0, "it could not be read a moment ago"
