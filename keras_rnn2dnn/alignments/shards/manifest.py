"""The manifest of a store of soft alignments: what it holds, and how."""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from keras_rnn2dnn.alignments.shards.data_sums import DataSums
from keras_rnn2dnn.alignments.shards.records import RecordFormat, read_records
from keras_rnn2dnn.util.checksums import checksum_of, with_sum, without_sum
from keras_rnn2dnn.util.files import new_file, writing

FORMAT, VERSION, FILE = "keras_rnn2dnn.soft_alignments", 1, "manifest.json"
_REMEDY = "Copy it again, or remove the store and write it anew"
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
        names: checksum of the utterances' ids. None in stores of older versions.
        data: sums of what the teacher heard, and of what goes with it. None in stores
            of older versions.
        crc32: of the file. None in stores of older versions.
    """

    number: int
    num_bytes: int
    utterances: int
    frames: int
    kept: float
    target_bytes: int
    lengths: dict[int, int]
    names: int | None = None
    data: DataSums | None = None
    crc32: int | None = None

    @property
    def file(self) -> str:
        """Its name in the directory of the store."""
        return f"shard-{self.number:06d}.tfrecord"

    @classmethod
    def from_dict(cls, entry: dict) -> "Shard":
        """Rebuilds a shard from JSON, where all keys are strings."""
        lengths = {int(length): count for length, count in entry["lengths"].items()}
        data = entry.get("data")
        data = None if data is None else DataSums.from_dict(data)
        return cls(**{**entry, "lengths": lengths, "data": data})

    def is_whole(self, directory: Path) -> bool:
        """Tells whether its file is there as it was written; reads all of it."""
        path = directory / self.file
        if not path.is_file() or path.stat().st_size != self.num_bytes:
            return False
        if self.crc32 is not None:
            return checksum_of(path) == self.crc32
        try:
            return sum(1 for _ in read_records(path)) == self.utterances
        except ValueError:
            return False


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
        whole_utterances: whether the teacher gives one output for each utterance.
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
    whole_utterances: bool = False

    @property
    def record_format(self) -> RecordFormat:
        """How the records are to be read."""
        return RecordFormat(
            self.num_classes,
            self.top_k,
            tuple(self.feature_shape),
            self.feature_dtype,
            self.whole_utterances,
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
        utterances: of the data set, those of other parts included; None before its
            end, and in stores of older versions.
    """

    settings: Settings
    shards: tuple[Shard, ...] = ()
    part: tuple[int, int] = (0, 1)
    complete: bool = False
    utterances: int | None = None

    def save(self, directory: Path) -> None:
        """Writes `manifest.json`, with a sum of itself."""
        content = {"format": FORMAT, "version": VERSION}
        content |= with_sum(self._fields())
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
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ValueError(
                f"Cannot read {str(path)!r}: {error!r}. {_REMEDY}"
            ) from error
        if found != (FORMAT, VERSION):
            raise ValueError(
                f"Cannot use {str(path)!r}. Expected the format {FORMAT!r}, version "
                f"{VERSION}. Received: {found[0]!r}, version {found[1]!r}"
            )
        try:
            content = without_sum(content)
            settings = Settings(**content.pop("settings"))
            shards = tuple(Shard.from_dict(entry) for entry in content.pop("shards"))
            part = tuple(content.pop("part"))
            return cls(_hashable(settings), shards, part, **content)
        except ValueError as error:
            raise ValueError(f"Cannot use {str(path)!r}: {error}. {_REMEDY}") from error
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"Cannot use {str(path)!r}: {error!r}. {_REMEDY}"
            ) from error

    def with_shard(self, shard: Shard) -> "Manifest":
        """Returns the manifest with a finished shard, instead of any of its number."""
        others = (other for other in self.shards if other.number != shard.number)
        shards = sorted((*others, shard), key=lambda shard: shard.number)
        return dataclasses.replace(self, shards=tuple(shards))

    @property
    def fingerprint(self) -> str:
        """A sum of the settings and of all shards, by which another store is told."""
        content = self._fields()
        text = json.dumps([content["settings"], content["shards"]])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _fields(self):
        """Returns the fields, as older versions wrote those that they knew."""
        content = dataclasses.asdict(self)
        if not self.settings.whole_utterances:
            del content["settings"]["whole_utterances"]
        return content

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


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keeps other writers out of a store, and clears what a killed one left.

    Raises:
        RuntimeError: if another process writes there.
    """
    with contextlib.ExitStack() as stack:
        with writing(directory):
            directory.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(open(directory / ".lock", "w"))
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
