"""Kaldi archives (`.ark`) and tables of them (`.scp`); needs the extra `kaldi`.

kaldiio reads and writes the binary arrays. It would run the commands in a table and
unpickle objects in an archive: files that hold such are refused here, and text is read.
"""

import contextlib
import gzip
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from keras_rnn2dnn.audio.corpora.manifests import read_table
from keras_rnn2dnn.kaldi.array_headers import HEADER_BYTES, check_array_header
from keras_rnn2dnn.util.errors import import_extra, invalid, is_text
from keras_rnn2dnn.util.files import new_file

_PLACE = re.compile(r"(?P<path>.+?)(?::(?P<offset>\d+))?(?P<range>\[.*\])?")
_NOT_ARRAYS = (b"PKL", b"NPY", b"RIF", b"fLa", b"AUD")
_MOST_PACKED = 1032  # bytes out of one: zlib can do no better
_LONGEST_NAME = 4096
_INT32 = np.iinfo("int32")
_INTEGER = re.compile(rb"[+-]?\d+")


def read_archive(
    path: str | Path, root: str | Path = "."
) -> Iterator[tuple[str, np.ndarray]]:
    """Reads the arrays of an archive, one after the other.

    Args:
        path: an archive, binary or text, that may be packed (`.gz`); or a table of
            arrays in archives, which ends in `.scp`.
        root: directory to which the paths of a table are relative; Kaldi's recipes
            run in their own directory, such as `egs/wsj/s5`.

    Yields:
        The utterance's id, and its array: floats `(frames, values)` or `(values,)`,
        also from compressed matrices, or int32 `(frames,)`.

    Raises:
        ImportError: if kaldiio is missing; holds the pip line.
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, or holds what is no array; names it.

    Example:
        >>> _ = write_archive("ali.ark", [("u1", np.array([0, 0, 1], "int32"))])
        >>> [(name, states.tolist()) for name, states in read_archive("ali.ark")]
        [('u1', [0, 0, 1])]
    """
    path = Path(path)
    if path.suffix == ".scp":
        for name, place in read_table(path).items():
            with entry_named(name, path):
                array = read_array(place, root)
            yield name, array
        return
    matio = import_extra("kaldiio.matio", "kaldi", "Reading a Kaldi archive")
    with _opened(path) as stream:
        name, end = "", _most_bytes(path)
        while True:
            with _damage_named(path), _behind(name):
                name = _read_name(stream)
            if not name:
                return
            with entry_named(name, path), _damage_named(path):
                array = _array(matio, stream, end)
            yield name, array


def read_array(place: str, root: str | Path = ".") -> np.ndarray:
    """Reads one array by its place in a table, such as `feats.ark:1234`.

    Raises:
        ImportError: if kaldiio is missing; holds the pip line.
        FileNotFoundError: if there is no such archive.
        ValueError: if the place is a command or a range, or the archive is damaged.
    """
    match = _PLACE.fullmatch(place)
    if not match or "|" in place or match["range"]:
        raise ValueError(
            f"Cannot read {place!r}. Expected the place of an array, such as "
            "feats.ark:1234. Commands and ranges are not supported: write their output "
            "with copy-feats first"
        )
    matio = import_extra("kaldiio.matio", "kaldi", "Reading a Kaldi archive")
    path = Path(root) / match["path"]
    if not path.is_file():
        raise FileNotFoundError(
            f"No archive {str(path)!r}. Expected the paths of a table relative to "
            f"{str(root)!r}: give the directory in which Kaldi ran as `root`"
        )
    with _opened(path) as stream, _damage_named(path):
        offset, end = int(match["offset"] or 0), _most_bytes(path)
        if offset >= end:
            raise ValueError(f"it has {end:,} bytes, and none at {offset:,}")
        stream.seek(max(0, offset - 1))
        if offset and not stream.read(1).isspace():
            raise ValueError(f"no array begins at byte {offset:,}")
        return _array(matio, stream, end)


@contextlib.contextmanager
def entry_named(name: str, path: str | Path) -> Iterator[None]:
    """Adds to whatever error there is in which entry of which file it came up."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        text = f"{error}. It is the entry {name!r} of {str(path)!r}"
        kind = ValueError if isinstance(error, ValueError) else FileNotFoundError
        raise kind(text) from error


def write_archive(
    path: str | Path, arrays: Iterable[tuple[str, np.ndarray]], compress: bool = False
) -> int:
    """Writes an archive, and beside it the table of it, `.scp`.

    Args:
        path: of the archive, ending in `.ark`.
        arrays: ids without spaces, and float32 `(frames, values)` or int32
            `(frames,)`, one after the other: they need not fit into memory.
        compress: whether matrices are kept in one byte a value, as Kaldi's features.

    Returns:
        How many were written.

    Raises:
        ImportError: if kaldiio is missing; holds the pip line.
        ValueError: if `path` does not end in `.ark`, an id has spaces, an array has
            another shape or integers beyond int32, or there are no arrays.
    """
    kaldiio = import_extra("kaldiio", "kaldi", "Writing a Kaldi archive")
    path, lines = Path(path), []
    if path.suffix != ".ark":
        raise ValueError(f"Cannot write {str(path)!r}. Expected a name ending in .ark")
    with new_file(path) as temporary, open(temporary, "wb") as stream:
        for name, array in arrays:
            if not name or name != "".join(name.split()) or not is_text(name):
                expected = "no spaces" if is_text(name) else "no lone surrogates"
                raise ValueError(f"Invalid id {name!r}. Expected {expected}")
            offset = stream.tell() + len(name.encode()) + 1
            lines.append(f"{name} {path.absolute()}:{offset}\n")
            array = _writable(name, np.asarray(array))
            method = 2 if compress and array.ndim == 2 else None
            kaldiio.save_ark(stream, {name: array}, compression_method=method)
        if not lines:
            raise ValueError(
                f"Nothing to write to {str(path)!r}. Expected an array. Received: none"
            )
    with new_file(path.with_suffix(".scp")) as temporary:
        temporary.write_text("".join(sorted(lines)), encoding="utf-8")
    return len(lines)


def _writable(name, array):
    integers = array.dtype.kind in "iu"
    if array.ndim not in ((1,) if integers else (1, 2)):
        expected = "floats (frames, values) or (values,), or integers (frames,)"
        received = f"{array.dtype} {array.shape}"
        raise ValueError(invalid(f"array of {name}", expected, received))
    if not integers:
        return array.astype("float32")
    return _as_int32(f"array of {name}", array)


def _as_int32(name, integers):
    integers = np.asarray(integers)
    low, high = integers.min(initial=0), integers.max(initial=0)
    if not _INT32.min <= low <= high <= _INT32.max:
        expected = f"integers from {_INT32.min} to {_INT32.max}, as Kaldi keeps them"
        received = int(low if low < _INT32.min else high)
        raise ValueError(invalid(name, expected, received))
    return integers.astype("int32")


def _opened(path):
    return gzip.open(path) if path.suffix == ".gz" else open(path, "rb")


def _most_bytes(path):
    """Returns how many bytes there are at most, of a packed file when unpacked."""
    size = path.stat().st_size
    return size * _MOST_PACKED if path.suffix == ".gz" else size


@contextlib.contextmanager
def _behind(name):
    """Says behind which entry it was where the next one's id cannot be read."""
    try:
        yield
    except ValueError as error:
        place = f", behind the entry {name!r}" if name else ""
        raise ValueError(f"{error}{place}") from error


def _array(matio, stream, end):
    start = stream.tell()
    head = stream.read(HEADER_BYTES)
    stream.seek(start)
    if head[:3] in _NOT_ARRAYS:
        raise ValueError(f"it holds {head[:3]!r}, and no array of numbers")
    if head[:2] != b"\0B":
        return _text_array(stream)
    check_array_header(head, end - start)
    if len(head) < 5:  # of which kaldiio would go back too far
        raise ValueError("it is damaged")
    array = matio.read_kaldi(stream)
    if array.dtype.kind == "i":
        return array
    if np.isnan(array).any():
        raise ValueError("it is damaged: it holds what is no number")
    return array.astype("float32")


def _read_name(stream):
    """Reads an id and the white space behind it; leaves the end of a line."""
    byte = stream.read(1)
    while byte.isspace():
        byte = stream.read(1)
    name = b""
    while byte and not byte.isspace():
        name += byte
        byte = stream.read(1)
        if len(name) > _LONGEST_NAME or (name and name[-1] < 32):
            raise ValueError(f"no id of an utterance begins with {name[:20]!r}")
    if byte == b"\n":  # an id alone
        stream.seek(-1, 1)
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"no id of an utterance is {name[:20]!r}") from error


def _text_array(stream):
    """Reads integers to the end of the line, or floats in brackets."""
    text = stream.readline()
    if not text:
        raise ValueError("it ends behind an id")
    if not text.lstrip().startswith(b"["):
        fields = text.split()
        if all(_INTEGER.fullmatch(field) for field in fields):
            return _as_int32("integers", [int(field) for field in fields])
        return _floats(fields)
    lines = [text]
    while b"]" not in lines[-1]:
        lines.append(stream.readline())
        if not lines[-1]:
            raise ValueError("there is no ] for a [")
    inside, _, rest = b"".join(lines).partition(b"[")[2].partition(b"]")
    if rest.strip():
        raise ValueError(f"it holds {rest[:40]!r} behind an array")
    rows = [_floats(row.split()) for row in inside.split(b"\n") if row.strip()]
    if b"\n" not in inside or not rows:
        return rows[0] if rows else np.zeros(0, "float32")
    if len({len(row) for row in rows}) > 1:
        raise ValueError("the rows of a matrix differ in length")
    return np.stack(rows)


def _floats(fields):
    try:
        return np.array([float(field) for field in fields], "float32")
    except ValueError as error:
        line = b" ".join(fields)[:60]
        raise ValueError(f"expected numbers, received {line!r}") from error


@contextlib.contextmanager
def _damage_named(path):
    """Turns whatever a damaged archive leads to into an error that names the file."""
    try:
        yield
    except (
        *(ValueError, AssertionError, RuntimeError, struct.error),
        *(EOFError, IndexError, OSError, MemoryError, zlib.error),
    ) as error:
        reason = str(error) or "it is damaged"
        raise ValueError(
            f"Cannot read {str(path)!r} as a Kaldi archive: {reason}"
        ) from error
