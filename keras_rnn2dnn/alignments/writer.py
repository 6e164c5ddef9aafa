"""Writing a store of soft alignments, shard by shard, so that it can go on."""

import dataclasses
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from keras_rnn2dnn.alignments.manifest import (
    Manifest,
    Settings,
    Shard,
    checksum_names,
    count_lengths,
    locked,
)
from keras_rnn2dnn.alignments.records import AlignedUtterance, write_records
from keras_rnn2dnn.alignments.teacher_pass import TeacherPass, Utterance

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
                shorter than what was written of it, or gives other utterances.
            RuntimeError: if the data set fails, or another process writes there.
            OSError: if a file cannot be written.
        """
        stream = _Stream(utterances)
        with locked(self.directory):
            run, settings = plan(stream.peek())
            manifest = open_manifest(self.directory, settings, self.part)
            if manifest.complete:
                _LOG.info("%s is complete already", self.directory)
                return
            done = {shard.number: shard for shard in manifest.shards}
            count = itertools.count()
            while block := list(
                itertools.islice(stream, settings.utterances_per_shard)
            ):
                number = next(count)
                if number in done:
                    self._check_names(done[number], block)
                    continue
                if number % self.part[1] != self.part[0]:
                    continue
                aligned = run(block, settings.pads)
                shard = write_shard(self.directory, number, aligned, settings)
                manifest = manifest.with_shard(shard)
                manifest.save(self.directory)
                if self.on_shard:
                    self.on_shard(shard)
            self._check_end(stream.number, manifest.shards, next(count))
            dataclasses.replace(manifest, complete=True).save(self.directory)

    def _check_names(self, shard, block):
        if shard.names in (None, checksum_names(u.name for u in block)):
            return
        raise ValueError(
            f"The data are not those of the first run: {str(self.directory)!r}. "
            f"Expected the same {shard.utterances} utterances as in the finished "
            f"{shard.file}. Received: {len(block)}, {block[0].name!r} to "
            f"{block[-1].name!r}. Restore the data as they were (a file that could not "
            "be read then may be readable now, or the other way round), or remove the "
            "store and begin anew"
        )

    def _check_end(self, utterances, shards, blocks):
        expected = self.num_utterances
        if expected is not None and utterances < expected:
            raise ValueError(
                f"The data set ended early. Expected {expected} utterances. Received: "
                f"{utterances}. The {len(shards)} finished shards are kept"
            )
        if shards and shards[-1].number >= blocks:
            raise ValueError(
                f"The data set ended early. Expected at least {shards[-1].number + 1} "
                f"shards of utterances, as were written of it. Received: {blocks}"
            )


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
    directory: Path, number: int, aligned: list[AlignedUtterance], settings: Settings
) -> Shard:
    """Writes one shard; the same utterances give the same bytes.

    Raises:
        OSError: if it cannot be written.
    """
    form = settings.record_format
    shard = Shard(
        number=number,
        num_bytes=0,
        utterances=len(aligned),
        frames=sum(_frames(u) for u in aligned),
        kept=float(np.sum([_kept(u, settings.top_k) for u in aligned])),
        target_bytes=sum(form.target_bytes(len(u.soft)) for u in aligned),
        lengths=count_lengths([len(u.features) for u in aligned]),
        names=checksum_names(u.name for u in aligned),
    )
    path = directory / shard.file
    write_records(path, map(form.encode, aligned))
    return dataclasses.replace(shard, num_bytes=path.stat().st_size)


class _Stream:
    """Utterances with frames; counts them, and tells a failed data set."""

    def __init__(self, utterances: Iterable[Utterance]):
        self._source = iter(utterances)
        self._waiting: list[Utterance] = []
        self.number = 0

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
