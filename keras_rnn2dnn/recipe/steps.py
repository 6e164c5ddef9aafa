"""Finished steps of a run: what a later call need not do again."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keras_rnn2dnn
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.split import Split
from keras_rnn2dnn.util.checksums import checksum_of, with_sum, without_sum
from keras_rnn2dnn.util.epoch_backup import EpochBackup
from keras_rnn2dnn.util.files import new_file

_MARK = "run.json"


def fingerprint_of(
    split: Split, recipe: Recipe, seed: int, beside: Sequence[Any] = ()
) -> str:
    """Returns a SHA-256 of all that the results of a run depend on.

    Args:
        split: every sample and word counts, in their order.
        recipe: all numbers.
        seed: of everything random.
        beside: what else they depend on, as `repr` tells it.
    """
    versions = [keras_rnn2dnn.__version__, keras.__version__, tf.__version__]
    digest = hashlib.sha256(
        repr((dataclasses.astuple(recipe), seed, versions, *beside)).encode()
    )
    for field in dataclasses.fields(split):
        digest.update(field.name.encode())
        for r in getattr(split, field.name):
            said = r.words, r.speaker, r.index, r.sample_rate_hz, len(r.samples)
            digest.update(repr(said).encode())
            digest.update(np.ascontiguousarray(r.samples).tobytes())
    return digest.hexdigest()


class Steps:
    """The finished steps of a run, in the directory `steps` of its results.

    Each has a file `NAME.json` with what it gave and the checksums of the files that it
    wrote. They count for a run with the same fingerprint; with another one all is
    begun anew.

    Args:
        out: directory of the results.
        fingerprint: of settings and data.

    Example:
        >>> steps = Steps("out", "of these settings")
        >>> steps.result("align") is None
        True
        >>> steps.finish("align", {"states": 5})
        >>> Steps("out", "of these settings").result("align")
        {'states': 5}
        >>> Steps("out", "of other settings").result("align") is None
        True
    """

    def __init__(self, out: str | Path, fingerprint: str):
        self.out, self.fingerprint = Path(out), fingerprint
        self._folder = self.out / "steps"
        if _read(self._folder / _MARK) == {"fingerprint": fingerprint}:
            return
        if (self._folder / _MARK).is_file():  # else it is not ours
            shutil.rmtree(self._folder)
        _write(self._folder / _MARK, {"fingerprint": fingerprint})

    def result(self, name: str) -> Any:
        """Returns what a finished step gave; None if it must be done (again).

        Args:
            name: of the step.
        """
        found = _read(self._folder / f"{name}.json")
        if found is None:
            return None
        for file, checksum in found["files"].items():
            path = self.out / file
            if not path.is_file() or checksum_of(path) != checksum:
                return None
        return found["result"]

    def finish(self, name: str, result: Any, files: Iterable[Path] = ()) -> None:
        """Notes that a step is finished.

        Args:
            name: of the step.
            result: what it gave, as JSON can hold it.
            files: that it wrote under `out`.
        """
        sums = {p.relative_to(self.out).as_posix(): checksum_of(p) for p in files}
        _write(self._folder / f"{name}.json", {"result": result, "files": sums})

    def path(self, file: str) -> Path:
        """Returns the path of a file which a step needs for itself."""
        return self._folder / file

    def backup(self, name: str) -> EpochBackup:
        """Returns the backup of a training, which stays until it is removed."""
        settings = {"fingerprint": self.fingerprint}
        return EpochBackup(self.path(f"{name}.backup"), settings, keep=True)

    def remove(self, *files: str) -> None:
        """Removes files and directories of `path` that are there."""
        for path in map(self.path, files):
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)


def _write(path, fields):
    with new_file(path) as temporary:
        temporary.write_text(json.dumps(with_sum(fields)) + "\n")


def _read(path):
    """Returns what `_write` wrote; None where that is not there, or damaged."""
    try:
        return without_sum(json.loads(path.read_text()))
    except (OSError, ValueError):
        return None


def save_arrays(path: Path, arrays: Sequence[np.ndarray]) -> None:
    """Writes arrays of one type, of any lengths."""
    with new_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, values=np.concatenate(arrays), lengths=[len(a) for a in arrays])


def load_arrays(path: Path) -> list[np.ndarray]:
    """Reads what `save_arrays` wrote."""
    with np.load(path) as found:
        return np.split(found["values"], np.cumsum(found["lengths"])[:-1])
