"""Writing files so that none is ever half-written, and feature files."""

import contextlib
import dataclasses
import os
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np


@contextlib.contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path that takes the place of `path` when all went well.

    Args:
        path: of the file to write; its directory is made.

    Yields:
        A path of the same ending, in the same directory.

    Example:
        >>> with new_file("out/note.txt") as temporary:
        ...     _ = temporary.write_text("done")
        >>> Path("out/note.txt").read_text()
        'done'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        yield temporary
        os.replace(temporary, path)


@dataclasses.dataclass(frozen=True, eq=False)
class Utterances:
    """Features of utterances with their transcripts, as they lie in an `.npz` file.

    Args:
        features: `(frames, features)` of each utterance, float32.
        transcripts: what is said in each, words separated by spaces; or None.
    """

    features: list[np.ndarray]
    transcripts: list[str] | None = None

    def save(self, path: str | Path) -> None:
        """Writes an `.npz` file: `features` end to end, `num_frames`, `transcripts`."""
        arrays = {
            "features": np.concatenate(self.features).astype("float32"),
            "num_frames": np.array([len(f) for f in self.features], "int32"),
        }
        if self.transcripts is not None:
            arrays["transcripts"] = np.array(self.transcripts, dtype=np.str_)
        with new_file(path) as temporary:
            np.savez(temporary, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> "Utterances":
        """Reads an `.npz` file that `save` wrote.

        Raises:
            ValueError: if it is no such file; names it and says what is missing.

        Example:
            >>> features = [np.ones((3, 2)), np.ones((5, 2))]
            >>> Utterances(features, ["yes", "no"]).save("a.npz")
            >>> [len(features) for features in Utterances.load("a.npz").features]
            [3, 5]
        """
        try:
            with np.load(path) as file:
                arrays = {name: file[name] for name in file.files}
        except (ValueError, zipfile.BadZipFile, EOFError) as error:
            raise ValueError(f"Cannot read {str(path)!r} as .npz: {error}") from error
        missing = {"features", "num_frames"} - set(arrays)
        if missing or arrays["features"].ndim != 2:
            raise ValueError(
                f"Cannot use {str(path)!r}. Expected the arrays `features` "
                f"(all frames, features) and `num_frames`. Received: {sorted(arrays)}"
            )
        ends = np.cumsum(arrays["num_frames"])
        if not len(ends) or ends[-1] != len(arrays["features"]):
            raise ValueError(
                f"Cannot use {str(path)!r}. Expected `num_frames` to sum up to the "
                f"{len(arrays['features'])} frames of `features`. Received: "
                f"{arrays['num_frames'].sum()}"
            )
        transcripts = arrays.get("transcripts")
        return cls(
            np.split(arrays["features"], ends[:-1]),
            None if transcripts is None else transcripts.tolist(),
        )


def joined(words: Sequence[Sequence[str]]) -> list[str]:
    """Returns transcripts as strings.

    Example:
        >>> joined([("one", "two"), ("three",)])
        ['one two', 'three']
    """
    return [" ".join(utterance) for utterance in words]
