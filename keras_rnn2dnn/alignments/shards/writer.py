"""Writing a store of soft alignments, shard by shard, so that it can go on."""

import contextlib
import dataclasses
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from keras_rnn2dnn.alignments.shards.data_sums import DataSums, checksum
from keras_rnn2dnn.alignments.shards.manifest import (
    Manifest,
    Settings,
    Shard,
    count_lengths,
    locked,
)
from keras_rnn2dnn.alignments.shards.records import write_records
from keras_rnn2dnn.alignments.teacher_pass import TeacherPass
from keras_rnn2dnn.alignments.utterances import Utterance
from keras_rnn2dnn.util.checksums import checksum_of

_LOG = logging.getLogger(__name__)

Plan = Callable[[Utterance], tuple[TeacherPass, Settings]]


@dataclasses.dataclass(frozen=True, eq=False)
class StoreWriter:
    """Writes the shards of a store, or a part of them.

    Args:
        directory: of the store.
        part: this writes the shards whose number leaves the remainder `part[0]` when
            divided by `part[1]`.
        num_utterances: how many the data set must give, if that is known.
        on_shard: called with every finished shard, if given.
    """

    directory: Path
    part: tuple[int, int] = (0, 1)
    num_utterances: int | None = None
    on_shard: Callable[[Shard], None] | None = None

    def write(self, plan: Plan, utterances: Iterable[Utterance]) -> None:
        """Writes what is missing.

        Args:
            plan: returns the teacher's pass and the settings, by the first utterance.
            utterances: all of the store, always in the same order.

        Raises:
            ValueError: if a store of other settings is there, or the data set is
                not the one that was written of it.
            RuntimeError: if the data set fails, or another process writes there.
            OSError: if a file cannot be written.
        """
        stream = _Stream(utterances, begun=_has_shards(self.directory))
        # Of a store that is whole nothing is written, so that it may be read-only.
        faulty = faulty_shards(self.directory)
        whole = not faulty and is_complete(self.directory)
        with contextlib.nullcontext() if whole else locked(self.directory):
            run, settings = plan(stream.peek())
            manifest = open_manifest(self.directory, settings, self.part)
            known = {shard.number: shard for shard in manifest.shards}
            for number, block in enumerate(stream.blocks(settings)):
                if number % self.part[1] != self.part[0]:
                    continue
                if number in known:
                    check_data(self.directory, known[number], block)
                    if number not in faulty:
                        continue
                elif manifest.complete:
                    more = f"at least {stream.number}"
                    raise _other_number(self.directory, manifest, more)
                shard = write_shard(self.directory, number, block, run, settings)
                manifest = manifest.with_shard(shard)
                manifest.save(self.directory)
                if self.on_shard:
                    self.on_shard(shard)
            self._check_end(manifest, stream)
            if whole:
                _LOG.info("%s is complete already", self.directory)
                return
            finish(self.directory, manifest, stream.number)

    def _check_end(self, manifest, stream):
        expected, shards, utterances = (
            self.num_utterances,
            manifest.shards,
            stream.number,
        )
        if expected is not None and utterances < expected:
            raise ValueError(
                f"The data set ended early. Expected {expected} utterances. Received: "
                f"{utterances}. The {len(shards)} finished shards are kept"
            )
        if shards and shards[-1].number >= stream.num_blocks:
            raise ValueError(
                f"The data set ended early. Expected at least {shards[-1].number + 1} "
                "shards of utterances, as were written of it. Received: "
                f"{stream.num_blocks}. {_REMEDY}"
            )
        check_number(self.directory, manifest, utterances)


_REMEDY = (
    "Restore the data as they were (a file that could not be read then may be readable "
    "now, or the other way round), give another path, or remove the store and begin "
    "anew"
)


def check_number(directory: Path, manifest: Manifest, utterances: int) -> None:
    """Raises ValueError where the data of a complete store had another number."""
    if manifest.utterances not in (None, utterances):
        raise _other_number(directory, manifest, utterances)


def _other_number(directory, manifest, utterances):
    number = manifest.utterances or sum(s.utterances for s in manifest.shards)
    return ValueError(
        f"The data are not those of the first run: {str(directory)!r}. Expected its "
        f"{number} utterances. Received: {utterances}. {_REMEDY}"
    )


def is_complete(directory: Path) -> bool:
    """Tells whether a store is there, the data of which were read to their end."""
    try:
        return Manifest.load(directory).complete
    except FileNotFoundError:
        return False


def _has_shards(directory):
    try:
        return bool(Manifest.load(directory).shards)
    except FileNotFoundError:
        return False


def faulty_shards(directory: Path) -> set[int]:
    """Returns the numbers of the shards that are missing or damaged; reads them all."""
    try:
        shards = Manifest.load(directory).shards
    except FileNotFoundError:
        return set()
    faulty = {shard.number for shard in shards if not shard.is_whole(directory)}
    if faulty:
        _LOG.warning(
            "%s: %d of %d shards are missing or damaged, and written anew",
            *(directory, len(faulty), len(shards)),
        )
    return faulty


def check_data(directory: Path, shard: Shard, block: list[Utterance]) -> None:
    """Raises ValueError where a finished shard is of other utterances; says which."""
    found = []
    if shard.utterances != len(block):
        found = [f"number: {shard.utterances} against {len(block)}"]
    else:
        if shard.names not in (None, _of_names(block)):
            found = ["ids"]
        if shard.data is not None:
            found += shard.data.differences(DataSums.of(block))
    if found:
        raise ValueError(
            f"The data are not those of the first run: {str(directory)!r}. Expected "
            f"the same {shard.utterances} utterances as in the finished {shard.file}. "
            f"Received: {len(block)}, {block[0].name!r} to {block[-1].name!r}, which "
            f"differ (there against here) in: {'; '.join(found)}. {_REMEDY}"
        )


def finish(directory: Path, manifest: Manifest, utterances: int) -> None:
    """Marks a store as complete, which holds so many utterances with all its parts."""
    dataclasses.replace(manifest, complete=True, utterances=utterances).save(directory)


def open_manifest(
    directory: Path, settings: Settings, part: tuple[int, int] = (0, 1)
) -> Manifest:
    """Returns the manifest to go on with; writes a new one where there is none.

    Raises:
        ValueError: if the one there has other settings; names both values.
    """
    try:
        manifest = Manifest.load(directory)
    except FileNotFoundError:
        manifest = Manifest(settings, part=part)
        manifest.save(directory)
        return manifest
    differences = manifest.differences(settings)
    if manifest.part != part:
        differences.append(f"part {manifest.part} against {part}")
    if differences:
        raise ValueError(
            f"{str(directory)!r} holds soft alignments of another kind. Expected the "
            f"same settings. Received (there against here): {'; '.join(differences)}. "
            "Give another path"
        )
    return manifest


def write_shard(
    directory: Path,
    number: int,
    block: list[Utterance],
    run: TeacherPass,
    settings: Settings,
) -> Shard:
    """Lets the teacher hear utterances, and writes them as one shard.

    The same utterances give the same bytes.

    Raises:
        OSError: if it cannot be written.
    """
    form, aligned = settings.record_format, run(block, settings.pads)
    shard = Shard(
        number=number,
        num_bytes=0,
        utterances=len(aligned),
        frames=sum(_frames(u) for u in aligned),
        kept=float(np.sum([_kept(u, settings.top_k) for u in aligned])),
        target_bytes=sum(form.target_bytes(len(u.soft)) for u in aligned),
        lengths=count_lengths([len(u.features) for u in aligned]),
        names=_of_names(block),
        data=DataSums.of(block),
    )
    path = directory / shard.file
    write_records(path, map(form.encode, aligned))
    return dataclasses.replace(
        shard, num_bytes=path.stat().st_size, crc32=checksum_of(path)
    )


def _of_names(utterances):
    return checksum([utterance.name for utterance in utterances])


class _Stream:
    """Utterances with frames; counts them, and tells a failed data set."""

    def __init__(self, utterances: Iterable[Utterance], begun: bool):
        self._source = iter(utterances)
        self._begun = begun  # whether there are finished shards
        self._waiting: list[Utterance] = []
        self.number = self.num_blocks = 0

    def blocks(self, settings: Settings) -> Iterator[list[Utterance]]:
        """Yields the utterances of one shard after the other."""
        while block := list(itertools.islice(self, settings.utterances_per_shard)):
            self.num_blocks += 1
            yield block

    def peek(self) -> Utterance:
        """Returns the first utterance without taking it away."""
        self._waiting = list(itertools.islice(self, 1))
        if not self._waiting:
            raise ValueError("No data. Expected at least one utterance with frames")
        self.number = 0
        return self._waiting[0]

    def __iter__(self) -> Iterator[Utterance]:
        return self

    def __next__(self) -> Utterance:
        if self._waiting:
            self.number += 1
            return self._waiting.pop()
        while True:
            try:
                utterance = next(self._source)
            except StopIteration:
                raise
            except Exception as error:
                of_arguments = isinstance(error, (ValueError, TypeError))
                if of_arguments and not self.number and not self._begun:
                    raise
                raise RuntimeError(
                    f"The data set failed after {self.number} utterances: {error!r}. "
                    "Finished shards are kept: call again to go on"
                ) from error
            if len(utterance.student):
                self.number += 1
                return utterance
            _LOG.warning("The utterance %r has no frames: left out", utterance.name)


def _frames(utterance):
    weights = utterance.weights
    return len(utterance.soft) if weights is None else int(np.sum(weights > 0))


def _kept(utterance, top_k):
    """Returns the probability that top-k targets keep, summed over frames."""
    counting = slice(None) if utterance.weights is None else utterance.weights > 0
    if top_k is None:
        return float(_frames(utterance))
    return float(np.exp(utterance.soft[counting, 0, :-1]).sum(dtype="float64"))
