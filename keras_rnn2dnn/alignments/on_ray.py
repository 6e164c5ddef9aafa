"""The teacher's pass on many machines, by Ray Data: `align_on_ray`."""

import contextlib
import dataclasses
import itertools
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_rnn2dnn.alignments import SoftAlignments
from keras_rnn2dnn.alignments.options import AlignOptions
from keras_rnn2dnn.alignments.shards.manifest import Settings, Shard, locked
from keras_rnn2dnn.alignments.shards.writer import (
    check_data,
    check_number,
    faulty_shards,
    finish,
    is_complete,
    open_manifest,
    write_shard,
)
from keras_rnn2dnn.alignments.utterances import Utterance, utterances_of
from keras_rnn2dnn.batches.iterating import is_arrays, sliced
from keras_rnn2dnn.util.errors import import_extra, invalid, is_integer

_LOG = logging.getLogger(__name__)


def align_on_ray(
    path: str | Path,
    teacher: keras.Model | Sequence[keras.Model],
    dataset: Any,
    top_k: int | None = None,
    *,
    num_actors: int = 2,
    num_cpus: float = 1,
    num_gpus: float = 0,
    on_shard: Callable[[Shard], None] | None = None,
    **options,
) -> SoftAlignments:
    """Runs the teacher on a Ray cluster, and keeps its soft alignments.

    Each actor holds the teacher, reads its own utterances and writes whole shards, so
    that neither features nor alignments pass through one place. The work of an actor
    that dies is done again by another. The store is the same to the byte as that of
    `SoftAlignments.write` on a machine of the same kind, but utterances without frames
    are an error here; a run that was stopped goes on when it is called again.

    Args:
        path: directory of the store, which all machines share.
        teacher: Keras model `(batch, frames, ...) -> (batch, frames, classes)`, or a
            list of them.
        dataset: as for `SoftAlignments.write`, but such that a machine can read its
            part of it: arrays, a tuple `(x, y)` or `(x, y, sample_weight)` of them, a
            `keras.utils.PyDataset`, or a list of batches. All batches but the last
            have the same number of utterances. It is sent to every actor: let it open
            its files when it is read.
        top_k: classes kept in each frame; see `SoftAlignments.write`.
        num_actors: teachers that run at the same time.
        num_cpus: cores of each actor.
        num_gpus: GPUs of each actor.
        on_shard: called with every finished shard.
        **options: of `SoftAlignments.write`, from `teacher_from_logits` to
            `batch_frames`; `part` and `num_utterances` have no use here.

    Returns:
        The store.

    Raises:
        ImportError: if Ray is missing; holds the pip line.
        ValueError: if an argument is invalid, or the store there was made otherwise.
        RuntimeError: if another process writes there, or a shard cannot be made;
            finished ones are kept.

    Example:
        >>> from keras_rnn2dnn.alignments.on_ray import align_on_ray
        >>> store = align_on_ray("train.align", teacher, x)  # doctest: +SKIP
    """
    if not is_integer(num_actors) or num_actors < 1:
        raise ValueError(invalid("num_actors", "an integer >= 1", num_actors))
    chosen = AlignOptions(top_k=top_k, **options)
    source = _Source.of(dataset)
    ray_data = import_extra("ray.data", "ray", "The teacher's pass on Ray")
    path = Path(path).absolute()
    faulty = faulty_shards(path)
    whole = not faulty and is_complete(path)
    with contextlib.nullcontext() if whole else locked(path):
        _, settings = chosen.plan(teacher, next(source.utterances(0, 1)))
        manifest = open_manifest(path, settings)
        done = {shard.number for shard in manifest.shards} - faulty
        number = -(-len(source) // settings.utterances_per_shard)
        if done and max(done) >= number:
            raise ValueError(
                f"The data set is too short. Expected at least {max(done) + 1} shards "
                f"of utterances, as were written of it. Received: {number}. Give the "
                "same data, or another path"
            )
        check_number(path, manifest, len(source))
        for shard in manifest.shards:
            check_data(path, shard, source.block(shard.number, settings))
        if whole:
            _LOG.info("%s is complete already", path)
            return SoftAlignments(path)
        missing = [n for n in range(number) if n not in done]
        _LOG.info("%d of %d shards to write", len(missing), len(missing) + len(done))
        if missing:
            actor = (path, teacher, chosen, settings, source)
            written = ray_data.from_items(
                [{"shard": n} for n in missing], override_num_blocks=len(missing)
            ).map_batches(
                _ShardWriter,
                fn_constructor_args=actor,
                batch_size=1,
                concurrency=num_actors,
                num_cpus=num_cpus,
                num_gpus=num_gpus,
            )
            for row in written.iter_rows():
                if row["error"]:
                    raise RuntimeError(
                        f"Shard {row['shard']} failed: {row['error']}. Finished shards "
                        "are kept: call again to go on"
                    )
                shard = Shard.from_dict(json.loads(row["written"]))
                manifest = manifest.with_shard(shard)
                manifest.save(path)
                if on_shard:
                    on_shard(shard)
        finish(path, manifest, len(source))
    return SoftAlignments(path)


class _ShardWriter:
    """An actor: holds the teacher, and writes a shard for every number it is given."""

    def __init__(self, path, teacher, options: AlignOptions, settings, source):
        self.path, self.settings, self.source = path, settings, source
        self.run = options.teacher_pass(teacher, settings.top_k)

    def __call__(self, batch: dict) -> dict:
        number, written, error = int(batch["shard"][0]), "", ""
        try:
            written = json.dumps(dataclasses.asdict(self._write(number)))
        except Exception as reason:  # the driver raises it, without Ray's many lines
            error = repr(reason)
        return {"shard": [number], "written": [written], "error": [error]}

    def _write(self, number):
        block = self.source.block(number, self.settings)
        return write_shard(self.path, number, block, self.run, self.settings)


@dataclasses.dataclass(frozen=True, eq=False)
class _Source:
    """Utterances which any machine can read from any place on.

    Args:
        data: a tuple of arrays, or batches.
        num_utterances: in all.
        batch_size: utterances in every batch but the last; None of arrays.
    """

    data: Any
    num_utterances: int
    batch_size: int | None = None

    @classmethod
    def of(cls, dataset: Any) -> "_Source":
        arrays = dataset if isinstance(dataset, tuple) else (dataset,)
        if not isinstance(dataset, list) and is_arrays(arrays[0]):
            return cls(arrays, _num_utterances(arrays[0]))
        number = getattr(dataset, "num_batches", None)
        if number is None and isinstance(dataset, Sequence):
            number = len(dataset)
        if number is None:
            expected = "arrays, a PyDataset or a list of batches"
            hint = "A stream is for `SoftAlignments.write`, in parts: `part=(i, n)`"
            name = type(dataset).__name__
            raise ValueError(invalid("dataset", expected, name, hint))
        if not number:
            raise ValueError("No data. Expected at least one utterance with frames")
        x, last = (
            keras.utils.unpack_x_y_sample_weight(dataset[n])[0] for n in (0, number - 1)
        )
        size = _num_utterances(x)
        return cls(dataset, (number - 1) * size + _num_utterances(last), size)

    def __len__(self):
        return self.num_utterances

    def block(self, number: int, settings: Settings) -> list[Utterance]:
        """Returns the utterances of a shard."""
        size = settings.utterances_per_shard
        return list(self.utterances(number * size, size))

    def utterances(self, first: int, number: int) -> Iterator[Utterance]:
        """Yields so many utterances, fewer at the end."""
        stop = min(first + number, len(self))
        if self.batch_size is None:
            rows = sliced(self.data, first, stop)
            found = utterances_of(rows, first_number=first)
        else:
            begin = first // self.batch_size
            batches = map(self._batch, range(begin, -(-stop // self.batch_size)))
            found = utterances_of(batches, first_number=begin * self.batch_size)
            skipped = first - begin * self.batch_size
            found = itertools.islice(found, skipped, skipped + stop - first)
        for utterance in found:
            if not len(utterance.student):
                raise ValueError(
                    f"The utterance {utterance.name!r} has no frames. Leave it out"
                )
            yield utterance

    def _batch(self, number):
        batch = self.data[number]
        size = _num_utterances(keras.utils.unpack_x_y_sample_weight(batch)[0])
        expected = min(self.batch_size, len(self) - number * self.batch_size)
        if size != expected:
            raise ValueError(
                f"Batch {number} has another size than the first. Expected {expected} "
                f"utterances. Received: {size}. Make all batches but the last equal"
            )
        return batch


def _num_utterances(x):
    return len(keras.tree.flatten(x)[0])
