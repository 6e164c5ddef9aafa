"""Writing files so that none is ever half-written, and feature files."""

import contextlib
import dataclasses
import errno
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from keras_rnn2dnn.util.errors import invalid
from keras_rnn2dnn.util.zip_files import read_npz

_PREFIX = ".writing-"
_NO_FLUSH = errno.EINVAL, errno.ENOTSUP, errno.EBADF  # of some network file systems


@contextlib.contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path that takes the place of `path` when all went well.

    What is there is on the disk before it takes its name: what bears the name is whole
    at every moment, also after a power failure.

    Args:
        path: of the file to write; its directory is made.

    Yields:
        A path of the same ending, in the same directory.

    Raises:
        OSError: if it cannot be written; names `path`.
        ValueError: if a text holds what is no Unicode; names `path`.

    Example:
        >>> with new_file("out/note.txt") as temporary:
        ...     _ = temporary.write_text("done")
        >>> Path("out/note.txt").read_text()
        'done'
    """
    target, folder = Path(path), _folder_beside(path)
    with writing(path, (_PREFIX,)), folder:
        temporary = Path(folder.name) / target.name
        yield temporary
        _flush(temporary)
        os.replace(temporary, target)
        _flush(target.parent)


@contextlib.contextmanager
def writing(path: str | Path, parts: Sequence[str] = ("",)) -> Iterator[None]:
    """Names the file that the user asked for in whatever error writing it leads to.

    Args:
        path: as the user gave it.
        parts: errors that name another file are left as they are, unless its name holds
            one of these.

    Example:
        >>> with writing("out.txt"):
        ...     raise OSError(28, "No space left on device")
        Traceback (most recent call last):
        OSError: [Errno 28] Cannot write to 'out.txt': No space left on device
    """
    name = os.fspath(path)
    try:
        yield
    except UnicodeEncodeError as error:
        raise ValueError(f"Cannot write to {name!r}: {error}") from error
    except OSError as error:
        other = error.filename
        if other is not None and not any(part in str(other) for part in parts):
            raise
        number = error.errno
        if isinstance(error, FileExistsError):  # where a directory should be
            number = errno.ENOTDIR
        raise _not_written(name, number, str(error)) from error
    except RuntimeError as error:  # of HDF5, when it closes a file on a full disk
        found = re.search(r"errno = (\d+)", str(error))
        if not found:
            raise
        raise _not_written(name, int(found[1]), "") from error


def _not_written(name, number, text):
    """Returns an error; by the number, where there is one, as HDF5 may have none."""
    if number is None:
        return OSError(f"Cannot write to {name!r}: {text}")
    return OSError(number, f"Cannot write to {name!r}: {os.strerror(number)}")


def _folder_beside(path):
    parent = Path(path).parent
    with writing(path):
        parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent)


def check_writable(path: str | Path) -> None:
    """Makes the directory of a file, for work that ends in writing it.

    Raises:
        OSError: if no file can be written there; names `path`.
    """
    with _folder_beside(path):
        pass


def _flush(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FLUSH:
            raise
    finally:
        os.close(descriptor)


@dataclasses.dataclass(frozen=True, eq=False)
class Utterances:
    """Features of utterances with their transcripts, as they lie in an `.npz` file.

    Args:
        features: `(frames, features)` of each utterance, float32.
        transcripts: what is said in each, words separated by spaces; or None.

    Raises:
        ValueError: if there is no utterance, or not one transcript for each.
    """

    features: list[np.ndarray]
    transcripts: list[str] | None = None

    def __post_init__(self):
        if not len(self.features):
            raise ValueError(invalid("features", "at least one utterance", []))
        _check_transcripts(self.transcripts, len(self.features))

    def save(self, path: str | Path) -> None:
        """Writes an `.npz` file: `features` end to end, `num_frames`, `transcripts`."""
        arrays = {
            "features": np.concatenate(self.features).astype("float32"),
            "num_frames": np.array([len(f) for f in self.features], "int32"),
        }
        _write_npz(path, arrays, self.transcripts)

    @classmethod
    def load(cls, path: str | Path) -> "Utterances":
        """Reads an `.npz` file that `save` wrote.

        Raises:
            ValueError: if it is no such file; names it and says what is missing.

        Example:
            >>> features = [np.ones((3, 2)), np.ones((5, 2))]
            >>> Utterances(features, ["yes", "no"]).save("a.npz")
            >>> [len(features) for features in Utterances.load("a.npz").features]
            [3, 5]
        """
        arrays = read_npz(path)
        features, num_frames = arrays.get("features"), arrays.get("num_frames")
        if not (_is_array(features, "f", 2) and _is_array(num_frames, "iu", 1)):
            shapes = {name: f"{a.dtype} {a.shape}" for name, a in arrays.items()}
            raise ValueError(
                f"Cannot use {str(path)!r}. Expected the arrays `features`, floats "
                "(all frames, features), and `num_frames`, integers (utterances,). "
                f"Received: {shapes}"
            )
        total = num_frames.sum(dtype="int64")
        if not len(num_frames) or num_frames.min() < 0 or total != len(features):
            raise ValueError(
                f"Cannot use {str(path)!r}. Expected `num_frames` >= 0 that sum up to "
                f"the {len(features)} frames of `features`. Received: a sum of {total}"
            )
        transcripts = arrays.get("transcripts")
        if transcripts is not None and transcripts.shape != num_frames.shape:
            raise ValueError(
                f"Cannot use {str(path)!r}. Expected one transcript for each of the "
                f"{len(num_frames)} utterances. Received: {transcripts.shape}"
            )
        ends = np.cumsum(num_frames, dtype="int64")
        return cls(
            np.split(features.astype("float32", copy=False), ends[:-1]),
            None if transcripts is None else transcripts.tolist(),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Audio:
    """PCM of utterances with their transcripts, as they lie in an `.npz` file.

    Args:
        samples: int16 `(samples,)` of each utterance.
        sample_rate_hz: of all of them.
        transcripts: what is said in each, words separated by spaces; or None.

    Raises:
        ValueError: if there is no utterance, one is not int16 `(samples,)`, or there is
            not one transcript for each.
    """

    samples: list[np.ndarray]
    sample_rate_hz: int
    transcripts: list[str] | None = None

    def __post_init__(self):
        if not len(self.samples):
            raise ValueError(invalid("samples", "at least one utterance", []))
        for samples in self.samples:
            if samples.dtype != np.int16 or samples.ndim != 1:
                received = f"{samples.dtype} {samples.shape}"
                raise ValueError(invalid("samples", "int16 (samples,)", received))
        _check_transcripts(self.transcripts, len(self.samples))

    def save(self, path: str | Path) -> None:
        """Writes an `.npz` file: `samples` end to end, `num_samples`, and the rest."""
        arrays = {
            "samples": np.concatenate(self.samples),
            "num_samples": np.array([len(s) for s in self.samples], "int64"),
            "sample_rate_hz": np.array(self.sample_rate_hz, "int64"),
        }
        _write_npz(path, arrays, self.transcripts)

    @classmethod
    def load(cls, path: str | Path) -> "Audio":
        """Reads an `.npz` file that `save` wrote.

        Raises:
            ValueError: if it is no such file; names it and says what is missing.

        Example:
            >>> Audio([np.zeros(3, np.int16)], 8000, ["yes"]).save("a.npz")
            >>> Audio.load("a.npz").transcripts
            ['yes']
        """
        arrays = read_npz(path)
        samples, counts = arrays.get("samples"), arrays.get("num_samples")
        rate, texts = arrays.get("sample_rate_hz"), arrays.get("transcripts")
        good = _is_array(samples, "i", 1) and _is_array(counts, "iu", 1)
        good = good and _is_array(rate, "iu", 0) and counts.sum() == len(samples)
        if not good or not len(counts):
            shapes = {name: f"{a.dtype} {a.shape}" for name, a in arrays.items()}
            raise ValueError(
                f"Cannot use {str(path)!r}. Expected the arrays `samples`, int16 "
                "(all samples,), `num_samples`, integers (utterances,) that sum up "
                f"to them, and `sample_rate_hz`. Received: {shapes}"
            )
        ends = np.cumsum(counts, dtype="int64")
        parts = np.split(samples, ends[:-1])
        return cls(parts, int(rate), None if texts is None else texts.tolist())


def _check_transcripts(transcripts, num_utterances):
    if transcripts is not None and len(transcripts) != num_utterances:
        expected = f"one for each of the {num_utterances} utterances"
        raise ValueError(invalid("transcripts", expected, len(transcripts)))


def _write_npz(path, arrays, transcripts):
    if transcripts is not None:
        arrays = {**arrays, "transcripts": np.array(transcripts, dtype=np.str_)}
    # To an open file: to a path, numpy appends ".npz" where it is missing.
    with new_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def _is_array(array, kinds, ndim):
    return array is not None and array.dtype.kind in kinds and array.ndim == ndim


def joined(words: Sequence[Sequence[str]]) -> list[str]:
    """Returns transcripts as strings.

    Example:
        >>> joined([("one", "two"), ("three",)])
        ['one two', 'three']
    """
    return [" ".join(utterance) for utterance in words]
