"""Reading a store of soft alignments: utterances, and batches of like length."""

import collections
import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_rnn2dnn.alignments.shards.batch_arrays import BatchArrays, Located
from keras_rnn2dnn.alignments.shards.files import ShardFiles
from keras_rnn2dnn.alignments.shards.integrity import check_records
from keras_rnn2dnn.alignments.shards.length_buckets import LengthBuckets
from keras_rnn2dnn.alignments.shards.manifest import Manifest
from keras_rnn2dnn.alignments.shards.records import AlignedUtterance, read_records
from keras_rnn2dnn.batches.bucketing import without_autotune

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
    dataset = dataset.map(arrays.tensors)  # little work: threads would cost more
    # Told their number, Keras does not warn that the data ran out.
    known = tf.data.experimental.assert_cardinality(plan.num_batches)
    return without_autotune(dataset.apply(known).prefetch(_BATCHES_AHEAD))


def _in_order(shards, places, rng):
    """Yields utterances; with `rng` shards, and those that wait, in a drawn order."""
    order = range(len(shards)) if rng is None else rng.permutation(len(shards))
    waiting: list = []
    for shard in (shards[number] for number in order):
        found = [Located(shard, place) for place in places(shard).tolist()]
        if rng is None:
            yield from found
            continue
        first = min(len(found), _SHUFFLED_UTTERANCES - len(waiting))
        waiting += found[:first]
        drawn = rng.integers(_SHUFFLED_UTTERANCES, size=len(found) - first).tolist()
        for place, utterance in zip(drawn, found[first:], strict=True):
            yield waiting[place]
            waiting[place] = utterance
    for place in rng.permutation(len(waiting)) if waiting else ():
        yield waiting[place]
