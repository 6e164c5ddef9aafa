"""Reads what a demo left behind; what it did not write, or is damaged, is None.

Only the table of all folds, and the list of the folds, must be whole.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from keras_rnn2dnn.util.errors import invalid

THRESHOLDS = "bundle.threshold.json"  # beside the bundle
_POINT = {"threshold", "false_per_hour", "missed"}
_COLUMNS = {
    *("system", "wer", "ci95", "errors", "words", "relative_to_hard"),
    *("kl", "agreement", "parameters", "bytes"),
}


@dataclasses.dataclass(frozen=True, eq=False)
class FoldFiles:
    """A fold of the demo.

    Args:
        path: its directory.
        rows: of its `table.json`, or None.
        history: of `history.json`, by model, or None.
        hypotheses: of `hypotheses.json`: `references` and `systems`, or None.
        bundle: `report.json` of its bundle, or None.
        thresholds: what `rnn2dnn tune` wrote beside the bundle, or None.
        faults: why one of these files is there and yet None, by its name.
    """

    path: Path
    rows: list[dict[str, Any]] | None
    history: dict[str, Any] | None
    hypotheses: dict[str, Any] | None
    bundle: dict[str, Any] | None
    thresholds: dict[str, Any] | None
    faults: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """The held-out speakers."""
        return self.path.name


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """A finished demo.

    Args:
        path: its directory.
        title: what was measured, one sentence.
        rows: of `table.json`, all folds together.
        folds: in the order of their test strings in the table.
    """

    path: Path
    title: str
    rows: list[dict[str, Any]]
    folds: list[FoldFiles]

    def lacking(self, file: str) -> str:
        """Says which folds have no such file, or a damaged one; "" if all have it."""
        names = [fold.name for fold in self.folds if not (fold.path / file).exists()]
        absent = [f"no {file} in {', '.join(names)}"] if names else []
        damaged = [fold.faults[file] for fold in self.folds if file in fold.faults]
        return "; ".join(absent + damaged)


def collect(path: str | Path) -> Run:
    """Reads the directory of a finished demo.

    Args:
        path: what `rnn2dnn demo --out` was given.

    Returns:
        The `Run`.

    Raises:
        ValueError: if it is no such directory, or its `table.json` or `run.json` cannot
            be read.
    """
    path = Path(path)
    if not (path / "table.json").is_file():
        expected = "the directory of a finished `rnn2dnn demo`, with table.json"
        raise ValueError(invalid("RUN", expected, str(path)))
    known = _read(path / "run.json") or {}
    if not isinstance(known, dict):
        expected = "an object with `title` and `folds`"
        raise ValueError(invalid("run.json", expected, known))
    names = known.get("folds")
    if names is None:  # written by an older demo
        found = (p for p in path.iterdir() if (p / "table.json").is_file())
        names = sorted(p.name for p in found)
    if not names:
        expected = "a directory with the folds of a demo"
        hint = "A single fold has no folds: give the directory above it"
        raise ValueError(invalid("RUN", expected, str(path), hint))
    folds = [_fold(path / name) for name in names]
    title = known.get("title") or _first_line(path / "table.md") or path.name
    rows = _read(path / "table.json")
    if not _is_table(rows):
        raise ValueError(
            f"Cannot use {str(path / 'table.json')!r}. Expected a list with the row of "
            f"each system, as `rnn2dnn demo` writes it. Received: {str(rows)[:60]}"
        )
    return Run(path, title, rows, folds)


def _first_line(path):
    return path.read_text().partition("\n")[0] if path.is_file() else ""


def _fold(path):
    found, faults = [], {}
    for name, is_good in _PARTS.items():
        content = None
        try:
            content = _read(path / name)
            if content is not None and not is_good(content):
                raise ValueError("it holds something else than the demo writes")
        except (ValueError, TypeError) as error:
            content, faults[name] = None, f"{name} of {path.name} is damaged: {error}"
        found.append(content)
    return FoldFiles(path, *found, faults)


def _read(path):
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"Cannot read {str(path)!r} as JSON: {error}") from error


def _is_table(rows):
    return isinstance(rows, list) and rows != [] and all(map(_is_row, rows))


def _is_row(row):
    return isinstance(row, dict) and row.keys() >= _COLUMNS


def _is_by_name(content):
    return isinstance(content, dict) and content != {}


def _are_hypotheses(content):
    if not isinstance(content, dict) or not content.get("references"):
        return False
    said, systems = content["references"], content.get("systems")
    if not _is_by_name(systems):
        return False
    every = [said, *systems.values()]
    texts = all(isinstance(text, str) for texts in every for text in texts)
    return texts and {len(texts) for texts in every} == {len(said)}


def _are_thresholds(content):
    if not isinstance(content, dict) or not isinstance(content.get("curve"), list):
        return False
    points = [*content["curve"], content.get("chosen")]
    good = all(isinstance(p, dict) and p.keys() == _POINT for p in points)
    return good and isinstance(content.get("hours"), int | float)


# What a fold may have, in the order of the fields of `FoldFiles`.
_PARTS = {
    "table.json": _is_table,
    "history.json": _is_by_name,
    "hypotheses.json": _are_hypotheses,
    "bundle/report.json": _is_by_name,
    THRESHOLDS: _are_thresholds,
}
