"""Sums by which files are recognised that were damaged, or changed by hand."""

import dataclasses
import hashlib
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SUM, _PIECE = "sha256", 1 << 20


def with_sum(fields: dict) -> dict:
    """Returns what JSON can hold with a sum of itself, for `without_sum` to check.

    Example:
        >>> without_sum(with_sum({"blank": 0}))
        {'blank': 0}
    """
    return {**fields, _SUM: _sum_of(fields)}


def without_sum(fields: Any) -> Any:
    """Returns the fields without their sum, if they have one; others as they are.

    Raises:
        ValueError: if the sum is not theirs.
    """
    if not isinstance(fields, dict) or _SUM not in fields:
        return fields
    rest = {name: value for name, value in fields.items() if name != _SUM}
    if fields[_SUM] != _sum_of(rest):
        raise ValueError(
            f"its `{_SUM}` is not that of its content: it is damaged, or was changed "
            f"by hand. Take out `{_SUM}` if the change is wanted"
        )
    return rest


def _sum_of(fields):
    as_read = json.loads(json.dumps(fields))  # where all keys are strings
    return hashlib.sha256(json.dumps(as_read, sort_keys=True).encode()).hexdigest()


def fields_of(kind: type, config: Any) -> dict:
    """Returns the arguments of a dataclass, as they were read from JSON.

    Args:
        kind: the dataclass.
        config: its fields, with a sum of them or, written by hand, without.

    Raises:
        ValueError: if the sum is not theirs, or a field is unknown or missing.

    Example:
        >>> from keras_rnn2dnn.ctc import GreedyDecoder
        >>> fields_of(GreedyDecoder, {"labels": ["", "yes"]})
        {'labels': ['', 'yes']}
    """
    fields = without_sum(dict(config)) if isinstance(config, Mapping) else None
    names = [field.name for field in dataclasses.fields(kind)]
    needed = [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is field.default_factory  # both missing
    ]
    if fields is None or set(fields) - set(names) or set(needed) - set(fields):
        others = ", ".join(name for name in names if name not in needed)
        received = type(config).__name__ if fields is None else sorted(fields)
        raise ValueError(
            f"These are not the fields of a {kind.__name__}. Expected "
            f"{', '.join(needed)}, and of {others} what differs from the default. "
            f"Received: {received}"
        )
    return fields


def checksum_of(path: str | Path) -> int:
    """Returns the CRC-32 of a file, a piece at a time."""
    checksum = 0
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            checksum = zlib.crc32(piece, checksum)
    return checksum
