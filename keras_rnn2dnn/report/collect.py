"""Reads what a demo left behind; what an older demo did not write is None."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from keras_rnn2dnn.errors import invalid


@dataclasses.dataclass(frozen=True, eq=False)
class FoldFiles:
    """A fold of the demo.

    Args:
        path: its directory.
        rows: of its `table.json`.
        history: of `history.json`, by model, or None.
        hypotheses: of `hypotheses.json`: `references` and `systems`, or None.
        bundle: `report.json` of its bundle, or None.
    """

    path: Path
    rows: list[dict[str, Any]]
    history: dict[str, Any] | None
    hypotheses: dict[str, Any] | None
    bundle: dict[str, Any] | None

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

    def lacking(self, file: str) -> list[str]:
        """Returns the folds without a file."""
        return [fold.name for fold in self.folds if not (fold.path / file).exists()]


def collect(path: str | Path) -> Run:
    """Reads the directory of a finished demo.

    Args:
        path: what `rnn2dnn demo --out` was given.

    Returns:
        The `Run`.

    Raises:
        ValueError: if it is no such directory, or a file in it cannot be read.
    """
    path = Path(path)
    if not (path / "table.json").is_file():
        expected = "the directory of a finished `rnn2dnn demo`, with table.json"
        raise ValueError(invalid("RUN", expected, str(path)))
    known = _read(path / "run.json") or {}
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
    return Run(path, title, _read(path / "table.json"), folds)


def _first_line(path):
    return path.read_text().partition("\n")[0] if path.is_file() else ""


def _fold(path):
    return FoldFiles(
        path,
        *(_read(path / f"{name}.json") for name in ("table", "history", "hypotheses")),
        _read(path / "bundle" / "report.json"),
    )


def _read(path):
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"Cannot read {str(path)!r} as JSON: {error}") from error
