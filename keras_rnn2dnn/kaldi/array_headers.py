"""The headers of arrays in Kaldi archives, checked before memory is taken."""

import math
import struct

HEADER_BYTES = 40  # at most, with the marks before the numbers
_VALUE_BYTES = {b"FM": 4, b"FV": 4, b"DM": 8, b"DV": 8, b"CM": 1, b"CM2": 2, b"CM3": 1}
_COLUMN_BYTES = 8  # of a column's own header in a compressed matrix


def check_array_header(head: bytes, remaining: int) -> None:
    r"""Checks what the header of a binary array promises.

    Args:
        head: the array's first bytes, from `\0B` on; `HEADER_BYTES` or all there are.
        remaining: bytes from the beginning of the array to the end of the file, at
            most.

    Raises:
        ValueError: if it is no header, or promises more than there is.

    Example:
        >>> check_array_header(b"\0BFV \4" + struct.pack("<i", 1000), remaining=100)
        Traceback (most recent call last):
        ValueError: its header promises 4,010 bytes, and there are 100
    """
    try:
        size = _size(head)
    except (struct.error, IndexError) as error:
        raise ValueError("it ends within a header") from error
    if size > remaining:
        raise ValueError(
            f"its header promises {size:,} bytes, and there are {remaining:,}"
        )


def _size(head):
    """Returns the bytes of an array with its header."""
    if head[2] == 4:  # integers, each behind a mark
        (count,) = _counts(head, 2, 1)
        return 7 + 5 * count
    kind, space, _ = head[2:7].partition(b" ")
    if not space or kind not in _VALUE_BYTES:
        known = ", ".join(k.decode() for k in _VALUE_BYTES)
        raise ValueError(f"it holds {head[2:7]!r} where one of {known} is expected")
    start = 3 + len(kind)
    if kind.startswith(b"C"):
        return _compressed_size(head, kind, start)
    counts = _counts(head, start, 2 if kind.endswith(b"M") else 1)
    _check_shape(counts)
    return start + 5 * len(counts) + math.prod(counts) * _VALUE_BYTES[kind]


def _compressed_size(head, kind, start):
    least, reach, rows, columns = struct.unpack_from("<ffii", head, start)
    _check_shape((rows, columns))
    if not (math.isfinite(least) and math.isfinite(reach) and reach >= 0):
        raise ValueError(
            f"its header promises values from {least:g} on, over {reach:g}"
        )
    own = _COLUMN_BYTES * columns if kind == b"CM" else 0
    return start + 16 + own + rows * columns * _VALUE_BYTES[kind]


def _counts(head, start, number):
    """Returns numbers, each behind the mark that it has 4 bytes."""
    found = []
    for place in range(start, start + 5 * number, 5):
        mark, count = struct.unpack_from("<bi", head, place)
        if mark != 4:
            raise ValueError(f"its header has a mark of {mark}, where 4 is expected")
        found.append(count)
    if min(found) < 0:
        raise ValueError(f"its header promises {min(found)} values")
    return found


def _check_shape(counts):
    if min(counts) < 0 or (min(counts) == 0) != (max(counts) == 0):
        shape = " x ".join(map(str, counts))
        raise ValueError(f"its header promises a matrix of {shape}")
