"""Where the fields of each record lie in a shard."""

import os
import zlib
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np

# Of a TFRecord: the length of the record and the checksum of that; its own checksum.
_HEAD, _TAIL = 12, 4
# Of a `tf.train.Example`: the only field of a message, or the first and the second of
# an entry; each followed by its length.
_FIRST, _SECOND = 0x0A, 0x12
_LARGEST_SHIFT = 56  # of a length below 2 ** 63


def index_shard(file: BinaryIO, names: Sequence[str]) -> tuple[np.ndarray, int]:
    """Reads a shard once, a record at a time.

    Args:
        file: which can be sought in.
        names: of the fields.

    Returns:
        `(places, checksum)`: the first byte and the bytes of each field,
        `(utterances, fields, 2)`, 0 bytes where a record lacks it; the CRC-32 of all.

    Raises:
        ValueError: if it holds no records of `RecordFormat`.
    """
    keys = [name.encode() for name in names]
    end, _ = file.seek(0, os.SEEK_END), file.seek(0)
    places, position, checksum = [], 0, 0
    while head := file.read(_HEAD):
        size, start = int.from_bytes(head[:8], "little"), position + _HEAD
        if start + size + _TAIL > end:  # before memory is taken for it
            raise ValueError(
                f"record {len(places)} has no end. Expected {size} bytes of it. "
                f"Received: {max(0, end - start)} bytes to the end of the file"
            )
        record, tail = file.read(size), file.read(_TAIL)
        for piece in (head, record, tail):
            checksum = zlib.crc32(piece, checksum)
        try:
            fields = _fields(record)
        except ValueError as error:
            raise ValueError(f"record {len(places)}: {error}") from error
        found = (fields.get(key, (-start, 0)) for key in keys)
        places.append([(start + offset, length) for offset, length in found])
        position += _HEAD + size + _TAIL
    return np.array(places, np.int64).reshape(-1, len(keys), 2), checksum


def _fields(record):
    """Returns the offset and the length of each field of a `tf.train.Example`."""
    fields = {}
    try:
        position, _ = _length(record, 0, _FIRST)  # the features
        while position < len(record):
            position, size = _length(record, position, _FIRST)  # an entry of the map
            end = position + size
            position, size = _length(record, position, _FIRST)  # its key
            key, position = record[position : position + size], position + size
            position, _ = _length(record, position, _SECOND)  # a feature
            position, _ = _length(record, position, _FIRST)  # its list of bytes
            position, size = _length(record, position, _FIRST)
            if position + size != end or end > len(record):
                raise ValueError("a field is not as long as it says")
            fields[key], position = (position, size), end
    except IndexError as error:
        raise ValueError("it is no tf.train.Example of ours") from error
    return fields


def _length(record, position, tag):
    """Returns where a field begins and its length, which is a varint."""
    if record[position] != tag:
        raise ValueError("it is no tf.train.Example of ours")
    size = shift = 0
    while True:
        position += 1
        byte = record[position]
        size |= (byte & 127) << shift
        if byte < 128:
            return position + 1, size
        shift += 7
        if shift > _LARGEST_SHIFT:
            raise ValueError("a length has no end")
