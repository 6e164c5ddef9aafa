"""Reading a store of soft alignments: batches of like length, and checks."""

import collections
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_rnn2dnn.alignments.batching import LengthBuckets
from keras_rnn2dnn.alignments.fields import BatchDecoder, FieldReader
from keras_rnn2dnn.alignments.manifest import Manifest, Shard
from keras_rnn2dnn.alignments.records import AlignedUtterance, read_records
from keras_rnn2dnn.batches import without_autotune
from keras_rnn2dnn.sums import checksum_of

_SHUFFLED_UTTERANCES, _BATCHES_AHEAD = 1024, 2


def read_utterances(directory: Path, manifest: Manifest) -> Iterator[AlignedUtterance]:
    """Yields the utterances of a store, in the order of writing."""
    form = manifest.settings.record_format
    for record in read_records(*(directory / shard.file for shard in manifest.shards)):
        yield form.decode(form.fields(record))


def read_batches(
    directory: Path,
    manifest: Manifest,
    buckets: int,
    batch_size: int,
    batch_frames: int | None,
    shuffle: bool,
    seed: int | None,
    first_epoch: int,
    labels: bool,
    cache: bool,
) -> tf.data.Dataset:
    """Returns batches of utterances of like length; see `SoftAlignments.dataset`.

    Records are read and decoded many at a time; only their order is made in Python.
    """
    lengths: collections.Counter[int] = collections.Counter()
    for shard in manifest.shards:
        lengths.update(shard.lengths)
    plan = LengthBuckets.of_lengths(lengths, buckets, batch_size, batch_frames)
    form, epochs = manifest.settings.record_format, itertools.count(first_epoch)
    decoder = BatchDecoder(form, labels)
    reader = FieldReader(decoder.names, decoder.required)
    seed = np.random.SeedSequence().entropy if seed is None else seed
    kept: dict[int, list] = {}

    def read(shards):
        left = [shard for shard in shards if shard.number not in kept]
        fields = reader.read([os.fsencode(directory / shard.file) for shard in left])
        try:
            if not cache:
                yield from fields
                return
            for shard in shards:
                if shard.number not in kept:
                    kept[shard.number] = list(
                        itertools.islice(fields, shard.utterances)
                    )
                yield from kept[shard.number]
        except tf.errors.OpError:
            for shard in left:  # names the record
                check_records(directory, manifest, shard)
            raise

    def batches():
        rng = np.random.default_rng((seed, next(epochs))) if shuffle else None
        utterances = _in_order(manifest.shards, read, rng)
        for fields in plan.batches(utterances, form.num_frames, rng):
            yield decoder.gather(fields)

    dataset = tf.data.Dataset.from_generator(
        batches, output_signature=decoder.signature
    )
    dataset = dataset.map(decoder.decode, num_parallel_calls=_BATCHES_AHEAD)
    # Told their number, Keras does not warn that the data ran out.
    known = tf.data.experimental.assert_cardinality(plan.num_batches)
    return without_autotune(dataset.apply(known).prefetch(_BATCHES_AHEAD))


def _in_order(shards, read, rng):
    """Yields utterances; with `rng` shards, and those that wait, in a drawn order."""
    if rng is None:
        yield from read(shards)
        return
    waiting: list = []
    for utterance in read([shards[n] for n in rng.permutation(len(shards))]):
        waiting.append(utterance)
        if len(waiting) == _SHUFFLED_UTTERANCES:
            yield _drawn(waiting, rng)
    while waiting:
        yield _drawn(waiting, rng)


def _drawn(waiting, rng):
    place = int(rng.integers(len(waiting)))
    waiting[place], waiting[-1] = waiting[-1], waiting[place]
    return waiting.pop()


def check_files(directory: Path, manifest: Manifest) -> None:
    """Raises ValueError where a shard is missing or has another size."""
    for shard in manifest.shards:
        path = directory / shard.file
        if not path.is_file():
            raise ValueError(
                f"The store {str(directory)!r} lacks {shard.file!r}. Expected "
                f"{len(manifest.shards)} shards. Copy or write it again"
            )
        size = path.stat().st_size
        if size != shard.num_bytes:
            raise ValueError(
                f"{str(path)!r} is damaged. Expected {shard.num_bytes} bytes. "
                f"Received: {size}. Copy or write it again"
            )


def check_records(directory: Path, manifest: Manifest, shard: Shard) -> None:
    """Raises ValueError where a shard has a damaged record, or other counts."""
    path, form = directory / shard.file, manifest.settings.record_format
    utterances = frames = 0
    for record in read_records(path):
        try:
            weights = form.decode(form.fields(record)).weights
        except (ValueError, KeyError) as error:
            raise ValueError(
                f"Record {utterances} of {str(path)!r} is damaged: {error}"
            ) from error
        utterances, frames = utterances + 1, frames + int((weights > 0).sum())
    if (utterances, frames) != (shard.utterances, shard.frames):
        raise ValueError(
            f"{str(path)!r} is not the file of its manifest. Expected "
            f"{shard.utterances} utterances, {shard.frames} frames. Received: "
            f"{utterances} utterances, {frames} frames"
        )
    if shard.crc32 is not None and checksum_of(path) != shard.crc32:
        raise ValueError(
            f"{str(path)!r} is not the file of its manifest, though it has as many "
            "utterances and frames: its checksum differs. Copy or write it again"
        )
