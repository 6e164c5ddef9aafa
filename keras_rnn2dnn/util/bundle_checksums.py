"""The SHA-256 sums of a bundle: of its files, and of its report.

Needs nothing but the standard library, so that a changed file is found at once.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FORMAT = 2  # of report.json; 1 (none stated) had no sum of its own
SUMS = "golden/sums.sha256"
_SUMMED = ("c/", "golden/", "tflm/", "student.tflite", "report.md")
_BUILT_FOLDERS = ("c", "check", "qemu")  # the build takes all that lies in them
_HINT = "Convert the student again"


def sha256(content: bytes) -> str:
    """Returns the SHA-256 of bytes, in hexadecimal.

    Example:
        >>> sha256(b"")[:8]
        'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()


def report_sum(report: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of all that a report says but its own sum.

    Example:
        >>> report_sum({"a": 1, "b": 2}) == report_sum({"b": 2, "a": 1, "sum": "x"})
        True
    """
    rest = {name: value for name, value in report.items() if name != "sum"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode())


def sums_file(sums: Mapping[str, str]) -> bytes:
    """Returns the file that `sha256sum -c` takes: of what `make check` compares.

    Sources of the check and the build are left out: they may be fitted to a board.

    Args:
        sums: SHA-256 by path.
    """
    chosen = [n for n in sorted(sums) if n.startswith(_SUMMED) and n != SUMS]
    return "".join(f"{sums[name]}  {name}\n" for name in chosen).encode()


def read_report(directory: Path) -> dict[str, Any]:
    """Reads the report of a bundle, and compares it with its own sum.

    Args:
        directory: of the bundle.

    Returns:
        The report. One that an earlier version wrote has no `sum`.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is damaged, was changed, or is another program's.
    """
    path = directory / "report.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"No bundle in {str(directory)!r}. Expected a directory with the "
            "report.json of `rnn2dnn convert`"
        )
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        listed = report["files"], report["firmware"]["c"], report["context"]["left"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"Cannot read {str(path)!r}: {error!r}. Expected the report of a firmware "
            f"bundle. {_HINT}"
        ) from error
    if not isinstance(listed[0], dict):
        raise ValueError(f"Cannot read {str(path)!r}: no list of files. {_HINT}")
    if "format" in report or "sum" in report:
        expected, found = report.get("sum"), report_sum(report)
        if found != expected:
            raise ValueError(
                f"'report.json' in {str(directory)!r} was changed. Expected SHA-256 "
                f"{expected}. Received: {found}. {_HINT}"
            )
    return report


def check_files(
    directory: Path, sums: Mapping[str, str], only: tuple[str, ...] = ("",)
) -> None:
    """Compares the files of a bundle with their sums.

    Args:
        directory: of the bundle.
        sums: `files` of its report.
        only: what the names begin with of those that are looked at.

    Raises:
        FileNotFoundError: if one is missing.
        ValueError: if one was changed, or the build would take another one; names it.
    """
    for name, expected in sums.items():
        if not name.startswith(only):
            continue
        path = directory / name
        if not path.is_file():
            raise FileNotFoundError(
                f"The bundle is not whole. Expected {name!r}, as report.json lists it, "
                f"in {str(directory)!r}. {_HINT}"
            )
        found = _sum_of_file(path)
        if found != expected:
            raise ValueError(
                f"{name!r} in {str(directory)!r} was changed. Expected SHA-256 "
                f"{expected}. Received: {found}. {_HINT}"
            )
    for folder in _BUILT_FOLDERS:
        for path in sorted((directory / folder).glob("*")):
            name = path.relative_to(directory).as_posix()
            if name.startswith(only) and name not in sums:
                raise ValueError(
                    f"{name!r} in {str(directory)!r} is not of this bundle. Expected "
                    "the files that report.json lists. Take it out"
                )


def _sum_of_file(path):
    """Returns the SHA-256 of a file, which need not fit into memory."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 16):
            found.update(part)
    return found.hexdigest()
