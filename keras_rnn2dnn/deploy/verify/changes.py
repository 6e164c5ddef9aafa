"""Changes of one number in a copy of a bundle, and what of its outputs they change."""

import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_rnn2dnn.deploy.c_prefix import prefixed
from keras_rnn2dnn.deploy.loading import Bundle
from keras_rnn2dnn.deploy.toolchain import Workbench


class Change(NamedTuple):
    """A number of a table, or of a macro, to change.

    Args:
        table: its name, or that of a macro.
        place: of the number.
        header: where the table is.
        stage: of the check, which reads it.
        given: golden file that the stage is given.
        expected: golden file that it must give.
        by: how much an integer is changed.
    """

    table: str
    place: int
    header: str
    stage: str
    given: str
    expected: str
    by: int = 1


def unmet_bytes(bundle: Bundle, change: Change, given: bytes, expected: bytes) -> int:
    """Counts the bytes of a stage that a changed copy of a bundle does not meet.

    Args:
        bundle: that is copied.
        change: of the copy.
        given: what the stage is given.
        expected: what it must give.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "bundle"
        ignored = shutil.ignore_patterns("golden", "build", "tflm")
        shutil.copytree(bundle.directory, copy, ignore=ignored)
        path = copy / "c" / prefixed(change.header, bundle.prefix)
        path.chmod(0o644)
        place = change.table, change.place, change.by
        path.write_text(mutated(path.read_text(), *place))
        with Workbench(copy, flags="-O0") as bench:  # of no matter, and soon built
            found = bench.run("host", change.stage, given)
    if len(found) != len(expected):
        return len(expected)
    pair = [np.frombuffer(data, np.uint8) for data in (found, expected)]
    return int((pair[0] != pair[1]).sum())


def mutated(header: str, name: str, place: int, by: int = 1) -> str:
    r"""Changes a number of a table in a header: integers by one, floats by 2^-16.

    Args:
        header: the text.
        name: of the table, or of a macro.
        place: of the number.
        by: how much an integer is changed.

    Example:
        >>> mutated("static const int8_t w[3] = {\n    1, -7, 3\n};", "w", 1)
        'static const int8_t w[3] = {\n    1, -6, 3\n};'
        >>> mutated("#define N 80u", "N", 0)
        '#define N 79u'
    """
    found = re.search(
        rf"\b{name}\[\d+\] = {{([^}}]*)}}|^#define {name} (.*)$", header, re.M
    )
    numbers = list(re.finditer(r"[^\s,]+", found[found.lastindex]))
    start, end = (found.start(found.lastindex) + x for x in numbers[place].span())
    return header[:start] + _changed(header[start:end], by) + header[end:]


def _changed(number, by):
    if number.endswith("f"):
        return f"{smaller(number[:-1])}f"
    value = int(number.strip("(u)"))
    changed = value - by if value > 0 else value + by  # stays within its type
    return number.replace(str(value), str(changed))


def smaller(value: np.float32 | str) -> np.float32:
    """Changes a float as `mutated` does."""
    return np.float32(value) * np.float32(1 - 2**-16)


def shorter_by(frames: int) -> list[int]:
    """Returns how much shorter a time may be: by a frame, by half of it, to a frame.

    A frame less is often heard nowhere.

    Example:
        >>> shorter_by(80)
        [1, 40, 79]
        >>> shorter_by(1)
        []
    """
    return sorted({1, frames // 2, frames - 1} - {0, frames})
