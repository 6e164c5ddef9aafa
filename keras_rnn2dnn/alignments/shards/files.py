"""Files of a store, from which numbers are read at places, into their batch.

A shard is read whole, and checked, when it is first asked for; after that, what was
asked for alone, while its file stays the same.
"""

import collections
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from keras_rnn2dnn.alignments.shards.index import index_shard
from keras_rnn2dnn.alignments.shards.manifest import Shard

_OPEN_FILES, _BUFFER = 64, 1 << 20


class ShardFiles:
    """What is known of the shards of a store.

    Args:
        directory: of the store.
        names: fields of a record that will be read.
        check: called with a shard whose checksum is unknown, or not that of the
            manifest; raises ValueError where a record is damaged.
        cache: keeps the shards in memory.
    """

    def __init__(
        self,
        directory: Path,
        names: Sequence[str],
        check: Callable[[Shard], None],
        cache: bool = False,
    ):
        self._directory, self._names = directory, tuple(names)
        self._check, self._cache = check, cache
        self._places: dict[int, np.ndarray] = {}
        self._versions: dict[int, tuple] = {}
        self._contents: dict[int, bytes] = {}

    def open(self) -> "OpenShards":
        """Returns the shards as one reading sees them; a context manager."""
        return OpenShards(self)

    def path(self, shard: Shard) -> bytes:
        """Returns the path of a shard; names of files may be no Unicode."""
        return os.fsencode(self._directory / shard.file)

    def content(self, shard: Shard) -> bytes | None:
        """Returns the content of a shard that is kept in memory, else None."""
        return self._contents.get(shard.number)

    def places(self, shard: Shard, file: int | None) -> np.ndarray:
        """Returns where the fields of each utterance lie, `(utterances, fields, 2)`.

        Args:
            shard: is read and checked, if this file of it was not yet.
            file: descriptor of its file; None where its content is kept.

        Raises:
            ValueError: if a record is damaged, or the file is another one.
        """
        if file is None:
            return self._places[shard.number]
        version = _version(file)
        if self._versions.get(shard.number) != version:
            self._places[shard.number] = self._checked(shard, file)
            self._versions[shard.number] = version
        elif hasattr(os, "posix_fadvise"):  # whole, before it is read at places
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_WILLNEED)
        return self._places[shard.number]

    def _checked(self, shard, file):
        reason = places = checksum = None
        with open(os.dup(file), "rb", buffering=_BUFFER) as content:
            content.seek(0)
            whole = content.read() if self._cache else None
            try:
                places, checksum = index_shard(
                    content if whole is None else io.BytesIO(whole), self._names
                )
            except ValueError as error:
                reason = error
        if checksum is None or checksum != shard.crc32:
            self._check(shard)
        if places is None:
            path = os.fsdecode(self.path(shard))
            raise ValueError(
                f"{path!r} is damaged: {reason}. Copy or write it again"
            ) from reason
        if whole is not None:
            self._contents[shard.number] = whole
        return places


class OpenShards:
    """Shards of which one reading has the files open: the last that it asked for."""

    def __init__(self, files: ShardFiles):
        self._files = files
        self._open: collections.OrderedDict[int, int] = collections.OrderedDict()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        while self._open:
            os.close(self._open.popitem()[1])

    def places(self, shard: Shard) -> np.ndarray:
        """Returns where the fields of each utterance lie; see `ShardFiles.places`."""
        return self._files.places(shard, self._file(shard))

    def read_into(self, array: np.ndarray, shard: Shard, offset: int) -> None:
        """Fills bytes `(n,)` with what lies in a shard from a place on.

        Raises:
            ValueError: if the file ends before.
        """
        content = self._files.content(shard)
        if content is not None:
            array[:] = np.frombuffer(content, np.uint8, len(array), offset)
            return
        file = self._file(shard)
        while len(array):
            read = os.preadv(file, [array], offset)  # may be less than is there
            if not read:
                path = os.fsdecode(self._files.path(shard))
                raise ValueError(
                    f"{path!r} was cut while it was read. Expected {len(array)} bytes "
                    f"from byte {offset} on. Received: none. Copy it again"
                )
            array, offset = array[read:], offset + read

    def _file(self, shard):
        if shard.number in self._open:
            self._open.move_to_end(shard.number)
        elif self._files.content(shard) is not None:
            return None
        else:
            self._open[shard.number] = os.open(self._files.path(shard), os.O_RDONLY)
            if len(self._open) > _OPEN_FILES:
                os.close(self._open.popitem(last=False)[1])
        return self._open[shard.number]


def _version(file):
    status = os.fstat(file)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
