"""Reading a store of soft alignments: batches of like length, and checks."""

import collections
import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_rnn2dnn.alignments.shards.batch_arrays import BatchArrays, Located
from keras_rnn2dnn.alignments.shards.files import ShardFiles
from keras_rnn2dnn.alignments.shards.length_buckets import LengthBuckets
from keras_rnn2dnn.alignments.shards.manifest import Manifest, Shard
from keras_rnn2dnn.alignments.shards.records import AlignedUtterance, read_records
from keras_rnn2dnn.batches.bucketing import without_autotune
from keras_rnn2dnn.util.sums import checksum_of

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

    Their order is made of numbers alone; what they hold goes from the file into its
    batch.
    """
    lengths: collections.Counter[int] = collections.Counter()
    for shard in manifest.shards:
        lengths.update(shard.lengths)
    plan = LengthBuckets.of_lengths(lengths, buckets, batch_size, batch_frames)
    arrays = BatchArrays(manifest.settings.record_format, labels)
    check = functools.partial(check_records, directory, manifest)
    files = ShardFiles(directory, arrays.names, check, cache)
    epochs = itertools.count(first_epoch)
    seed = np.random.SeedSequence().entropy if seed is None else seed

    def batches():
        rng = np.random.default_rng((seed, next(epochs))) if shuffle else None
        with files.open() as shards:
            utterances = _in_order(manifest.shards, shards.places, rng)
            for batch in plan.batches(utterances, arrays.num_frames, rng):
                yield arrays.gather(batch, shards.read_into)

    dataset = tf.data.Dataset.from_generator(batches, output_signature=arrays.signature)
    dataset = dataset.map(arrays.tensors, num_parallel_calls=_BATCHES_AHEAD)
    # Told their number, Keras does not warn that the data ran out.
    known = tf.data.experimental.assert_cardinality(plan.num_batches)
    return without_autotune(dataset.apply(known).prefetch(_BATCHES_AHEAD))


def _in_order(shards, places, rng):
    """Yields utterances; with `rng` shards, and those that wait, in a drawn order."""
    order = range(len(shards)) if rng is None else rng.permutation(len(shards))
    waiting: list = []
    for shard in (shards[number] for number in order):
        for found in places(shard).tolist():
            waiting.append(Located(shard, found))
            if rng is None:
                yield waiting.pop()
            elif len(waiting) == _SHUFFLED_UTTERANCES:
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


def check_shard(directory: Path, manifest: Manifest, shard: Shard) -> None:
    """Raises ValueError where a shard is not as it was written; reads all of it."""
    if shard.crc32 is None or checksum_of(directory / shard.file) != shard.crc32:
        check_records(directory, manifest, shard)


def check_records(directory: Path, manifest: Manifest, shard: Shard) -> None:
    """Raises ValueError where a shard has a damaged record, or other counts.

    It takes far longer than a checksum, and names the record.
    """
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
