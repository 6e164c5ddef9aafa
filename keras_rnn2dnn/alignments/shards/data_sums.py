"""Sums of the data that a store is made of, by which other data are told.

Features come out of float32 kernels, which may differ in their last bits on another
machine, or among more threads. So of features and weights a few projections are
compared, up to rounding; of all else, CRC-32 sums.
"""

import dataclasses
import json
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

_WIDTH, _PROJECTIONS = 64, 4
_CLOSE = 1e-5  # of the norm; float32 kernels differ by 1e-8 to 1e-6
_ODD = 1e6  # stands for what is not finite


@dataclasses.dataclass(frozen=True)
class DataSums:
    """Sums of some utterances, before the teacher has heard them.

    Args:
        frames: of their lengths.
        features: of the student's features; see `projections`.
        teacher: of the teacher's features; None where they are the student's.
        weights: of the frame weights; None where all are 1.
        labels: of the hard labels; None where there are none.
        transcripts: of what is said; None where nothing is known.
    """

    frames: int
    features: tuple[float, ...]
    teacher: tuple[float, ...] | None = None
    weights: tuple[float, ...] | None = None
    labels: int | None = None
    transcripts: int | None = None

    @classmethod
    def of(cls, utterances: Sequence[Any]) -> "DataSums":
        """Returns the sums of a sequence of `Utterance`.

        Example:
            >>> from keras_rnn2dnn.alignments.utterances import Utterance
            >>> x = np.ones((3, 2), "float32")
            >>> bare = DataSums.of([Utterance("0", x, x)])
            >>> other = Utterance("0", 2 * x, 2 * x, labels=np.ones(3))
            >>> bare.differences(DataSums.of([other]))
            ['features', 'labels: none against some']
        """
        labels = [u.labels for u in utterances]
        texts = [u.transcript for u in utterances]
        return cls(
            frames=checksum([len(u.student) for u in utterances]),
            features=projections(u.student for u in utterances),
            teacher=_of_teacher(utterances),
            weights=_of_weights(utterances),
            labels=_of_labels(labels) if any(a is not None for a in labels) else None,
            transcripts=checksum(texts) if any(t is not None for t in texts) else None,
        )

    @classmethod
    def from_dict(cls, fields: dict) -> "DataSums":
        """Rebuilds sums from JSON, which has lists for tuples."""
        return cls(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        )

    def differences(self, other: "DataSums") -> list[str]:
        """Returns what other data have otherwise, in words."""
        words = {
            "frames": "numbers of frames",
            "features": "features",
            "labels": "labels",
            "transcripts": "transcripts",
            "weights": "frame weights",
            "teacher": "the teacher's features",
        }
        found = []
        for name, word in words.items():
            ours, theirs = getattr(self, name), getattr(other, name)
            if (ours is None) != (theirs is None):
                absent = ("the student's", "others") if name == "teacher" else _ABSENT
                order = absent if ours is None else absent[::-1]
                found.append(f"{word}: {order[0]} against {order[1]}")
            elif not _same(ours, theirs):
                found.append(word)
        return found


_ABSENT = ("none", "some")


def checksum(values: Any) -> int:
    """Returns a CRC-32 of what JSON can hold.

    Example:
        >>> checksum(["a", "b"]) == checksum(["b", "a"])
        False
    """
    return zlib.crc32(json.dumps(values).encode())


def projections(arrays: Iterable[np.ndarray]) -> tuple[float, ...]:
    """Returns the norm of arrays laid end to end, and sums weighted by cosines.

    Their order counts, and where one ends and the next begins. It takes about as long
    as adding the numbers up.

    Example:
        >>> a, b = np.ones((4, 2)), np.zeros((3, 2))
        >>> projections([a, b]) == projections([b, a])
        False
    """
    number = np.arange(1, _WIDTH + 1)[:, None] ** 2
    columns = np.cos(number * np.sqrt([2.0, 3.0, 5.0, 7.0])).astype("float32")
    squares, sums, row = 0.0, np.zeros(_PROJECTIONS), 0
    for array in arrays:
        flat = np.asarray(array, "float32").reshape(-1)
        flat = np.nan_to_num(flat, nan=-_ODD, posinf=_ODD, neginf=-_ODD)
        squares += float(np.square(flat).sum(dtype="float64"))
        rest = -len(flat) % _WIDTH
        rows = np.pad(flat, (0, rest)).reshape(-1, _WIDTH) @ columns
        phases = np.arange(row, row + len(rows))[:, None] * np.sqrt([11, 13, 17, 19])
        sums += (rows * np.cos(phases)).sum(axis=0, dtype="float64")
        row += len(rows) + 1
    return (float(np.sqrt(squares)), *map(float, sums))


def _same(ours, theirs):
    if not isinstance(ours, tuple):
        return ours == theirs
    close = _CLOSE * max(ours[0], theirs[0])
    return len(ours) == len(theirs) and np.allclose(ours, theirs, rtol=0, atol=close)


def _of_teacher(utterances):
    pairs = [(keras.tree.flatten(u.teacher), u.student) for u in utterances]
    if all(len(leaves) == 1 and _is_one(*leaves, x) for leaves, x in pairs):
        return None
    return projections(leaf for leaves, _ in pairs for leaf in leaves)


def _is_one(left, right):
    """Tells whether two arrays are the same; where they lie in one place, at once."""
    if not (isinstance(left, np.ndarray) and isinstance(right, np.ndarray)):
        return left is right
    places = (a.__array_interface__ for a in (left, right))
    first, second = ((p["data"], p["shape"], p["strides"]) for p in places)
    return first == second or np.array_equal(left, right)


def _of_weights(utterances):
    if all(u.weights is None for u in utterances):
        return None
    return projections(
        np.ones(len(u.student)) if u.weights is None else u.weights for u in utterances
    )


def _of_labels(labels):
    sums = (None if a is None else np.asarray(a, "int32") for a in labels)
    return checksum([None if a is None else zlib.crc32(a.tobytes()) for a in sums])
