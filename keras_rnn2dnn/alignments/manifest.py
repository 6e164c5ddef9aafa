"""The manifest of a store of soft alignments: what it holds, and how."""

import contextlib
import dataclasses
import fcntl
import json
import shutil
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from keras_rnn2dnn.alignments.records import RecordFormat
from keras_rnn2dnn.files import new_file

FORMAT, VERSION, FILE = "keras_rnn2dnn.soft_alignments", 1, "manifest.json"
_LENGTH_STEP = 4  # frames; the lengths of utterances are counted that finely


@dataclasses.dataclass(frozen=True)
class Shard:
    """A finished file of a store.

    Args:
        number: its place in the store.
        num_bytes: its size.
        utterances: in it.
        frames: in it that count.
        kept: sum over these of the probability that top-k targets keep.
        target_bytes: of the soft alignments alone.
        lengths: utterances by their number of frames, rounded up to 4.
        names: checksum of the utterances' ids; see `checksum_names`. None in stores
            of older versions.
    """

    number: int
    num_bytes: int
    utterances: int
    frames: int
    kept: float
    target_bytes: int
    lengths: dict[int, int]
    names: int | None = None

    @property
    def file(self) -> str:
        """Its name in the directory of the store."""
        return f"shard-{self.number:06d}.tfrecord"

    @classmethod
    def from_dict(cls, entry: dict) -> "Shard":
        """Rebuilds a shard from JSON, where all keys are strings."""
        lengths = {int(length): count for length, count in entry["lengths"].items()}
        return cls(**{**entry, "lengths": lengths})


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all shards of a store have in common; another run may not change it.

    Args:
        num_classes: classes of the teacher.
        top_k: classes kept, or None for all.
        feature_shape: of one frame of the student's features.
        feature_dtype: of the features on disk.
        teacher_from_logits: whether the teacher gives logits.
        batch_frames: frames that the teacher hears at once.
        teacher: fingerprint; see `teacher_pass.fingerprint`.
        temperature: of the teacher's posteriors.
        one_best: whether only the best class was kept, with all of the mass.
        transform: name of what was done to the posteriors, or None.
        pads: whether the teacher ignores padding, so that utterances of different
            lengths ran together.
        utterances_per_shard: in all shards but the last.
        feature_spec: how the features were made, or None.
    """

    num_classes: int
    top_k: int | None
    feature_shape: tuple[int, ...]
    feature_dtype: str
    teacher_from_logits: bool
    batch_frames: int
    teacher: str
    temperature: float
    one_best: bool
    transform: str | None
    pads: bool
    utterances_per_shard: int
    feature_spec: dict | None

    @property
    def record_format(self) -> RecordFormat:
        """How the records are to be read."""
        return RecordFormat(
            self.num_classes,
            self.top_k,
            tuple(self.feature_shape),
            self.feature_dtype,
        )


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The contents of `manifest.json`.

    Args:
        settings: of all shards.
        shards: finished ones, in their order.
        part: which shards are written here: those whose number leaves the remainder
            `part[0]` when divided by `part[1]`.
        complete: whether the data set was read to its end.
    """

    settings: Settings
    shards: tuple[Shard, ...] = ()
    part: tuple[int, int] = (0, 1)
    complete: bool = False

    def save(self, directory: Path) -> None:
        """Writes `manifest.json`."""
        content = {"format": FORMAT, "version": VERSION, **dataclasses.asdict(self)}
        with new_file(directory / FILE) as path:
            path.write_text(json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, directory: Path) -> "Manifest":
        """Reads `manifest.json`.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if it is of another format or version, or damaged.
        """
        path = directory / FILE
        if not path.is_file():
            raise FileNotFoundError(
                f"No soft alignments in {str(directory)!r}. Expected {FILE} there, as "
                "`SoftAlignments.write` makes it"
            )
        try:
            content = json.loads(path.read_text())
            found = content.pop("format"), content.pop("version")
        except (ValueError, KeyError, AttributeError) as error:
            raise ValueError(f"Cannot read {str(path)!r}: {error!r}") from error
        if found != (FORMAT, VERSION):
            raise ValueError(
                f"Cannot use {str(path)!r}. Expected the format {FORMAT!r}, version "
                f"{VERSION}. Received: {found[0]!r}, version {found[1]!r}"
            )
        try:
            settings = Settings(**content.pop("settings"))
            shards = tuple(Shard.from_dict(entry) for entry in content.pop("shards"))
            part = tuple(content.pop("part"))
            return cls(_hashable(settings), shards, part, **content)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise ValueError(f"Cannot use {str(path)!r}: {error!r}") from error

    def with_shard(self, shard: Shard) -> "Manifest":
        """Returns the manifest with one more finished shard."""
        shards = sorted((*self.shards, shard), key=lambda shard: shard.number)
        return dataclasses.replace(self, shards=tuple(shards))

    def differences(self, settings: Settings) -> list[str]:
        """Returns what another run would change, with both values."""
        ours, theirs = dataclasses.asdict(self.settings), dataclasses.asdict(settings)
        return [
            f"{name} {ours[name]!r} against {theirs[name]!r}"
            for name in ours
            if ours[name] != theirs[name]
        ]


def _hashable(settings):
    return dataclasses.replace(settings, feature_shape=tuple(settings.feature_shape))


def count_lengths(lengths: list[int]) -> dict[int, int]:
    """Counts numbers of frames, rounded up to 4.

    Example:
        >>> count_lengths([3, 4, 5])
        {4: 2, 8: 1}
    """
    counts: dict[int, int] = {}
    for length in sorted(-(-n // _LENGTH_STEP) * _LENGTH_STEP for n in lengths):
        counts[length] = counts.get(length, 0) + 1
    return counts


def checksum_names(names: Iterable[str]) -> int:
    """Returns a CRC-32 of ids in their order.

    Example:
        >>> checksum_names(["a", "b"]) == checksum_names(["b", "a"])
        False
    """
    return zlib.crc32(json.dumps(list(names)).encode())


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keeps other writers out of a store, and clears what a killed one left.

    Raises:
        RuntimeError: if another process writes there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process
        except BlockingIOError as error:
            raise RuntimeError(
                f"Another process writes to {str(directory)!r}. Wait for its end, or "
                "give another path"
            ) from error
        _clear(directory)
        yield
        _clear(directory)  # of an actor that was killed meanwhile


def _clear(directory):
    for left in directory.glob(".writing-*"):
        # Another machine's actor may remove it at the same time.
        shutil.rmtree(left, ignore_errors=True)
