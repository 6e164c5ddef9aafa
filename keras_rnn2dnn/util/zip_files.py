"""Zip archives, looked at before anything of them is unpacked: `.keras`, `.npz`."""

import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

DAMAGE = (  # what `zipfile` raises for damaged archives
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError),
    *(IndexError, OSError),
)
_MOST_TIMES, _PIECE = 20, 1 << 20
_FREE_BYTES = 1 << 27  # that any .npz file may unpack to


def check_zip(
    path: str | Path, needed: Sequence[str] = (), free_bytes: int = 1 << 24
) -> None:
    """Reads an archive to its end, a piece at a time, and compares its checksums.

    Args:
        path: of the archive.
        needed: names of members that must be there.
        free_bytes: to which it may unpack whatever its own size; beyond, to 20 times
            its size.

    Raises:
        OSError: if the file cannot be opened.
        ValueError: if it is damaged, lacks a member, or would unpack to far more than
            it has; names it.

    Example:
        >>> np.savez("a.npz", x=np.zeros(3))
        >>> check_zip("a.npz", needed=["x.npy"])
    """
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                check_sizes(archive, path, free_bytes)
                missing = set(needed) - set(archive.namelist())
                if missing:
                    raise zipfile.BadZipFile(f"it lacks {sorted(missing)}")
                for member in archive.infolist():
                    with archive.open(member) as content:
                        while content.read(_PIECE):
                            pass
        except TooLargeError:
            raise
        except DAMAGE as error:
            raise ValueError(
                f"{str(path)!r} is damaged: {error}. Copy it again, or make it anew"
            ) from error


class TooLargeError(ValueError):
    """An archive would unpack to far more than it has."""


def check_sizes(archive: zipfile.ZipFile, path: str | Path, free_bytes: int) -> None:
    """Raises TooLargeError by the sizes in the directory of an archive.

    Args:
        archive: opened; nothing of it is unpacked.
        path: of it, for the error.
        free_bytes: see `check_zip`.
    """
    packed = sum(member.compress_size for member in archive.infolist())
    unpacked = sum(member.file_size for member in archive.infolist())
    limit = max(free_bytes, _MOST_TIMES * packed)
    if unpacked > limit:
        raise TooLargeError(
            f"{str(path)!r} is not unpacked. Expected at most {limit:,} bytes in it, "
            f"for its {packed:,}. Received: {unpacked:,}. Check where it comes from"
        )


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """Reads the arrays of an `.npz` file.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if it is none, is damaged, or claims more than it has; names it.

    Example:
        >>> np.savez("a.npz", x=np.zeros(3))
        >>> read_npz("a.npz")
        {'x': array([0., 0., 0.])}
    """
    with open(path, "rb") as stream:
        try:
            if stream.read(6) == np.lib.format.MAGIC_PREFIX:
                raise ValueError("it holds a single array, as .npy files do")
            with zipfile.ZipFile(stream) as archive:
                check_sizes(archive, path, _FREE_BYTES)
                for member in archive.infolist():
                    _check_array(archive, member)
            stream.seek(0)
            with np.load(stream) as file:
                return {name: file[name] for name in file.files}
        except TooLargeError:
            raise
        except (*DAMAGE, MemoryError) as error:
            raise ValueError(f"Cannot read {str(path)!r} as .npz: {error}") from error


def _check_array(archive, member):
    """Raises ValueError where an array claims another size than it has."""
    with archive.open(member) as content:
        version = np.lib.format.read_magic(content)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read is None:
            raise ValueError(f"{member.filename!r} is of the version {version}")
        shape, _, dtype = read(content)
        claimed = math.prod(shape) * dtype.itemsize
        if not dtype.hasobject and claimed != member.file_size - content.tell():
            raise ValueError(
                f"{member.filename!r} claims {claimed:,} bytes, and has "
                f"{member.file_size - content.tell():,}"
            )
