"""Reading a store of soft alignments: examples, batches of like length, checks."""

import itertools
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_rnn2dnn.alignments.manifest import Manifest, Shard
from keras_rnn2dnn.alignments.records import read_records
from keras_rnn2dnn.batches import without_autotune

_SHUFFLED_UTTERANCES, _RECORDS_AT_A_TIME = 1024, 64
_THREADS, _BATCHES_AHEAD = 2, 2


def read_examples(
    directory: Path,
    manifest: Manifest,
    shuffle: bool,
    seed: int | None,
    first_epoch: int,
    labels: bool,
) -> tf.data.Dataset:
    """Returns `(x, y, weights)` of one utterance after the other.

    Args:
        directory: of the store.
        manifest: of the store.
        shuffle: whether shards and utterances come in another order in each epoch.
        seed: of the order; None for one that is drawn here.
        first_epoch: whose order the first reading has.
        labels: whether `y` is `{"soft": ..., "labels": ...}`.
    """
    form, epochs = manifest.settings.record_format, itertools.count(first_epoch)
    seed = np.random.SeedSequence().entropy if seed is None else seed

    def records():
        rng = np.random.default_rng((seed, next(epochs))) if shuffle else None
        shards = list(manifest.shards)
        if shuffle:
            shards = [shards[n] for n in rng.permutation(len(shards))]
        batches = (b for shard in shards for b in read_records(directory / shard.file))
        yield from _shuffled(batches, rng) if shuffle else batches

    def example(record):
        fields = form.decode(record)
        soft = fields["soft"]
        y = {"soft": soft, "labels": fields["labels"]} if labels else soft
        return fields["features"], y, fields["weights"]

    signature = tf.TensorSpec((None,), tf.string)
    dataset = tf.data.Dataset.from_generator(records, output_signature=signature)
    dataset = dataset.unbatch()
    return dataset.map(example, _THREADS, deterministic=True)


def _shuffled(batches, rng):
    """Yields arrays of records drawn from those that wait; see `tf.data` `shuffle`."""
    waiting: list[bytes] = []
    for records in batches:
        waiting.extend(records)
        if len(waiting) >= _SHUFFLED_UTTERANCES:
            yield _drawn(waiting, len(records), rng)
    while waiting:
        yield _drawn(waiting, min(len(waiting), _RECORDS_AT_A_TIME), rng)


def _drawn(waiting, number, rng):
    drawn = []
    for _ in range(number):
        place = int(rng.integers(len(waiting)))
        waiting[place], waiting[-1] = waiting[-1], waiting[place]
        drawn.append(waiting.pop())
    return np.array(drawn, object)


def in_buckets(
    examples: tf.data.Dataset,
    manifest: Manifest,
    buckets: int,
    batch_size: int,
    batch_frames: int | None,
) -> tf.data.Dataset:
    """Batches utterances of like length, padded with zeros to the longest of them.

    Args:
        examples: of `read_examples`.
        manifest: gives the lengths.
        buckets: groups of like length.
        batch_size: utterances per batch.
        batch_frames: frames per batch in place of `batch_size`, or None.
    """
    counts = _bucket_counts(manifest, buckets)
    sizes = [
        max(1, batch_frames // longest) if batch_frames else batch_size
        for longest in counts
    ]
    batches = examples.bucket_by_sequence_length(
        lambda x, y, weights: tf.shape(x)[0],
        bucket_boundaries=[longest + 1 for longest in counts][:-1],
        bucket_batch_sizes=sizes,
    )
    # Told their number, Keras does not warn that the data ran out.
    pairs = zip(counts.values(), sizes, strict=True)
    num_batches = sum(-(-count // size) for count, size in pairs)
    batches = batches.apply(tf.data.experimental.assert_cardinality(num_batches))
    return without_autotune(batches.prefetch(_BATCHES_AHEAD))


def _bucket_counts(manifest, buckets):
    """Parts the utterances into groups of about one size: longest and number."""
    counts: dict[int, int] = {}
    for shard in manifest.shards:
        for length, count in shard.lengths.items():
            counts[length] = counts.get(length, 0) + count
    lengths = sorted(counts)
    share = np.cumsum([counts[n] for n in lengths]) / sum(counts.values())
    parts = np.arange(1, buckets) / buckets
    bounds = sorted({*(lengths[np.searchsorted(share, p)] for p in parts), lengths[-1]})
    groups: dict[int, int] = dict.fromkeys(bounds, 0)
    for length in lengths:
        groups[bounds[np.searchsorted(bounds, length)]] += counts[length]
    return groups


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
    for records in read_records(path):
        for record in records:
            try:
                weights = form.decode(record)["weights"].numpy()
            except tf.errors.OpError as error:
                raise ValueError(
                    f"Record {utterances} of {str(path)!r} is damaged: {error.message}"
                ) from error
            utterances, frames = utterances + 1, frames + int((weights > 0).sum())
    if (utterances, frames) != (shard.utterances, shard.frames):
        raise ValueError(
            f"{str(path)!r} is not the file of its manifest. Expected "
            f"{shard.utterances} utterances, {shard.frames} frames. Received: "
            f"{utterances} utterances, {frames} frames"
        )
