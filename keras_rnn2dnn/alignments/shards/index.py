"""Where the fields of each record lie in a shard."""

import zlib
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np

# Of a TFRecord: the length of the record and the checksum of that; its own checksum.
_HEAD, _TAIL = 12, 4
# Of a `tf.train.Example`: the only field of a message, or the first and the second of
# an entry; each followed by its length.
_FIRST, _SECOND = 0x0A, 0x12


def index_shard(file: BinaryIO, names: Sequence[str]) -> tuple[np.ndarray, int]:
    """Reads a shard once, a record at a time.

    Args:
        file: at its begin.
        names: of the fields.

    Returns:
        `(places, checksum)`: the first byte and the bytes of each field,
        `(utterances, fields, 2)`, 0 bytes where a record lacks it; the CRC-32 of all.

    Raises:
        ValueError: if it holds no records of `RecordFormat`.
    """
    keys = [name.encode() for name in names]
    places, position, checksum = [], 0, 0
    while head := file.read(_HEAD):
        size = int.from_bytes(head[:8], "little")
        record = file.read(size) if size < 1 << 40 else b""
        tail = file.read(_TAIL)
        if len(tail) < _TAIL or len(record) < size:
            raise ValueError(f"record {len(places)} has no end")
        for piece in (head, record, tail):
            checksum = zlib.crc32(piece, checksum)
        fields = _fields(record)
        start = position + _HEAD
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
            if position + size != end:
                raise ValueError("a field holds more than its bytes")
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
