"""Batches of utterances of like length, for `fit`."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn2dnn.util.errors import invalid

_BUCKETS = 10  # lengths to pad to, where none are given


def bucketed_dataset(
    epochs: Sequence[Sequence[Any]],
    batch_size: int = 32,
    buckets: Sequence[int] | None = None,
    seed: int | None = None,
) -> tf.data.Dataset:
    """Batches utterances of like length, padded to few lengths and weighted.

    The data set holds all epochs one after the other, for `fit` with
    `steps_per_epoch` from `num_bucketed_batches`; so the order depends on the seed
    alone, never on how often it was read.

    Args:
        epochs: the utterances of each epoch; an utterance is a structure (array,
            tuple or dict) of arrays whose first axis is its frames: `x` or `(x, y)`.
        batch_size: utterances per batch; the last batch of a bucket is smaller.
        buckets: lengths to pad to, in frames; by default a few that fit the data: of
            utterances in the order of their lengths, such that all batches are full but
            the last.
        seed: shuffles utterances and batches; None keeps their order.

    Returns:
        A `tf.data.Dataset` of `(x, None, weights)` or `(x, y, weights)`, where
        `weights` `(batch, frames)` is 1 for frames and 0 for padding, which is zero.

    Raises:
        ValueError: if there is no utterance, or one is longer than all buckets or has
            arrays of different lengths.

    Example:
        >>> lengths = [3, 5, 4]
        >>> utterances = [(np.ones((n, 2)), np.zeros(n)) for n in lengths]
        >>> dataset = bucketed_dataset([utterances], batch_size=2, buckets=[4, 8])
        >>> [(x.shape.as_list(), float(w.numpy().sum())) for x, y, w in dataset]
        [([2, 4, 2], 7.0), ([1, 8, 2], 5.0)]
    """
    if not all(len(utterances) for utterances in epochs) or not epochs:
        received = [len(utterances) for utterances in epochs]
        expected = "a sequence of epochs with at least one utterance each"
        raise ValueError(invalid("epochs", expected, received))
    plans = [_plan(utterances, batch_size, buckets) for utterances in epochs]
    example = epochs[0][0]
    has_labels = isinstance(example, tuple)
    signature = keras.tree.map_structure(
        lambda a: tf.TensorSpec((None, None, *np.shape(a)[1:]), np.asarray(a).dtype),
        (*(example if has_labels else (example,)), np.zeros(1, "float32")),
    )

    def batches():
        for number, (utterances, plan) in enumerate(zip(epochs, plans, strict=True)):
            rng = None if seed is None else np.random.default_rng((seed, number))
            for length, chosen in batch_plan(plan, batch_size, rng):
                yield _padded_batch([utterances[n] for n in chosen], length)

    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    # Told their number, Keras does not warn that the data ran out.
    num_batches = sum(len(batch_plan(plan, batch_size, None)) for plan in plans)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(num_batches))
    if not has_labels:
        dataset = dataset.map(lambda x, weights: (x, None, weights))
    return without_autotune(dataset.prefetch(2))


def num_bucketed_batches(
    utterances: Sequence[Any],
    batch_size: int = 32,
    buckets: Sequence[int] | None = None,
) -> int:
    """Returns the number of batches which `bucketed_dataset` makes of an epoch.

    Args:
        utterances: of one epoch.
        batch_size: as there.
        buckets: as there.

    Example:
        >>> utterances = [np.ones((n, 2)) for n in (3, 5, 4)]
        >>> num_bucketed_batches(utterances, batch_size=2)
        2
        >>> num_bucketed_batches(utterances, batch_size=2, buckets=[3, 4, 5])
        3
    """
    return len(batch_plan(_plan(utterances, batch_size, buckets), batch_size, None))


def without_autotune(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Keeps `tf.data` from tuning itself, which holds up the end of every epoch.

    The thread that tunes sleeps for 10 ms, then for twice as long each time; an
    iterator that has come to its end waits until it wakes up: for up to as long as
    the epoch took.

    Example:
        >>> without_autotune(tf.data.Dataset.range(3)).options().autotune.enabled
        False
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _plan(utterances, batch_size, buckets):
    if buckets:
        return plan_buckets(utterances, buckets)
    # Of utterances in the order of their lengths, runs of some full batches each.
    by_length = plan_buckets(utterances, None)
    ordered = [(length, n) for length, numbers in by_length.items() for n in numbers]
    num_batches = -(-len(ordered) // batch_size)
    run = batch_size * -(-num_batches // _BUCKETS)
    plan: dict[int, list[int]] = {}
    for start in range(0, len(ordered), run):
        lengths, numbers = zip(*ordered[start : start + run], strict=True)
        plan.setdefault(lengths[-1], []).extend(numbers)
    return plan


def plan_buckets(utterances, buckets):
    """Groups the numbers of the utterances by the length they are padded to."""
    plan: dict[int, list[int]] = {}
    for number, utterance in enumerate(utterances):
        lengths = sorted({len(array) for array in keras.tree.flatten(utterance)})
        if len(lengths) > 1:
            raise ValueError(
                f"Utterance {number} has arrays of different lengths. Expected the "
                f"same number of frames in each. Received: {lengths} frames"
            )
        frames = lengths[0]
        if not frames:
            raise ValueError(
                f"Utterance {number} has no frames. Expected at least one frame in "
                "each. Received: 0 frames. Leave it out"
            )
        fitting = [b for b in sorted(buckets) if b >= frames] if buckets else [frames]
        if not fitting:
            raise ValueError(
                f"Utterance {number} is too long. Expected at most {max(buckets)} "
                f"frames, the longest bucket. Received: {frames} frames"
            )
        plan.setdefault(fitting[0], []).append(number)
    return dict(sorted(plan.items()))


def batch_plan(plan, batch_size, rng):
    """Returns `(length, numbers)` of each batch; `rng` draws their order."""
    batches = []
    for length, numbers in plan.items():
        order = numbers if rng is None else rng.permutation(numbers).tolist()
        for start in range(0, len(order), batch_size):
            batches.append((length, order[start : start + batch_size]))
    if rng is not None:
        batches = [batches[n] for n in rng.permutation(len(batches))]
    return batches


def _padded_batch(utterances, length):
    frames = [len(keras.tree.flatten(utterance)[0]) for utterance in utterances]
    weights = (np.arange(length) < np.array(frames)[:, None]).astype("float32")

    def pad(*arrays):
        first = np.asarray(arrays[0])
        batch = np.zeros((len(arrays), length, *first.shape[1:]), first.dtype)
        for row, array in zip(batch, arrays, strict=True):
            row[: len(array)] = array
        return batch

    stacked = keras.tree.map_structure(pad, *utterances)
    return (*(stacked if isinstance(stacked, tuple) else (stacked,)), weights)
