"""Batches of whatever `fit` accepts: arrays, `tf.data`, `PyDataset`, iterables."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn2dnn.batches.inference import inference_function
from keras_rnn2dnn.batches.model_state import left_as_found
from keras_rnn2dnn.distillation.input_checks import check_frame_outputs, single_output
from keras_rnn2dnn.util.errors import invalid

Batch = tuple[Any, Any, Any]

_BUCKETS = 10  # lengths to pad to, where none are given


def iterate_batches(
    x, y=None, sample_weight=None, batch_size: int | None = None
) -> Iterator[Batch]:
    """Yields `(x, y, sample_weight)` batches, as `fit` would see them.

    Args:
        x: arrays (also in a dict or list), `tf.data.Dataset`, `PyDataset`, or any
            iterable of `x`, `(x, y)` or `(x, y, sample_weight)`.
        y: targets, with arrays only.
        sample_weight: weights, with arrays only.
        batch_size: for arrays; 32 by default.

    Yields:
        `(x, y, sample_weight)`, with None for what is missing.

    Example:
        >>> batches = iterate_batches(np.zeros((5, 7, 3)), batch_size=2)
        >>> [x.shape for x, _, _ in batches]
        [(2, 7, 3), (2, 7, 3), (1, 7, 3)]
    """
    if is_arrays(x):
        size = batch_size or 32
        num_utterances = len(keras.tree.flatten(x)[0])
        for start in range(0, num_utterances, size):
            yield sliced((x, y, sample_weight), start, start + size)
    elif isinstance(x, keras.utils.PyDataset):
        endless = x.num_batches is None
        for index in itertools.count() if endless else range(x.num_batches):
            yield keras.utils.unpack_x_y_sample_weight(x[index])
    else:
        for batch in x:
            yield keras.utils.unpack_x_y_sample_weight(batch)


def sliced(structure, start: int, stop: int):
    """Returns the utterances `start` to `stop` of arrays, also in tuples and dicts.

    A list of what are no arrays, such as transcripts, has an entry for each utterance.

    Example:
        >>> sliced((np.arange(3), {"transcripts": ["a", "b", "c"]}, None), 1, 3)
        (array([1, 2]), {'transcripts': ['b', 'c']}, None)
    """
    if isinstance(structure, dict):
        return {key: sliced(value, start, stop) for key, value in structure.items()}
    of_arrays = isinstance(structure, list) and is_arrays(structure)
    if isinstance(structure, tuple) or of_arrays:
        return type(structure)(sliced(part, start, stop) for part in structure)
    return None if structure is None else structure[start:stop]


def is_arrays(x) -> bool:
    """Tells whether `x` holds arrays or tensors, not a data set.

    Example:
        >>> is_arrays({"teacher": np.zeros(3), "student": np.zeros(3)})
        True
    """
    leaves = keras.tree.flatten(x)
    return bool(leaves) and all(
        hasattr(leaf, "shape") and hasattr(leaf, "dtype") for leaf in leaves
    )


def first_batch(
    x, y=None, sample_weight=None, batch_size: int | None = None
) -> tuple[Batch, Any]:
    """Looks at the first batch without taking it away.

    Args:
        x: as for `iterate_batches`.
        y: targets, with arrays only.
        sample_weight: weights, with arrays only.
        batch_size: for arrays; 32 by default.

    Returns:
        The batch `(x, y, sample_weight)`, and data that still begins with it: `x`
        itself, or a new generator where looking has used it up.

    Raises:
        ValueError: if there is no data.

    Example:
        >>> batch, data = first_batch(n for n in range(3))
        >>> batch[0], list(data)
        (0, [0, 1, 2])
    """
    if isinstance(x, Iterator):
        head = list(itertools.islice(x, 1))
        x = (item for part in (head, x) for item in part)
        batches = map(keras.utils.unpack_x_y_sample_weight, head)
    else:
        batches = iterate_batches(x, y, sample_weight, batch_size)
    batch = next(iter(batches), None)
    if batch is None:
        raise ValueError("No data. Expected at least one batch. Received: none")
    return batch, x


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
            for length, chosen in _batch_plan(plan, batch_size, rng):
                yield _padded_batch([utterances[n] for n in chosen], length)

    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    # Told their number, Keras does not warn that the data ran out.
    num_batches = sum(len(_batch_plan(plan, batch_size, None)) for plan in plans)
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
    return len(_batch_plan(_plan(utterances, batch_size, buckets), batch_size, None))


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


def predict_utterances(
    model: keras.Model, utterances: Sequence[np.ndarray], batch_size: int = 64
) -> list[np.ndarray]:
    """Runs a model on utterances of any lengths, those of one length together.

    Args:
        model: `(batch, frames, ...) -> (batch, frames, classes)`.
        utterances: `(frames, features)` each.
        batch_size: utterances per batch.

    Returns:
        The outputs, `(frames, classes)` each, in the order of the utterances; none
        of an utterance without frames.

    Raises:
        ValueError: if the model has several outputs, or none of frames, or takes no
            utterances of these lengths.

    Example:
        >>> model = keras.Sequential([keras.Input((None, 2)), keras.layers.Dense(3)])
        >>> utterances = [np.ones((4, 2)), np.ones((7, 2))]
        >>> [z.shape for z in predict_utterances(model, utterances)]
        [(4, 3), (7, 3)]
    """
    lengths = [len(utterance) for utterance in utterances]
    if not any(lengths):
        return [np.zeros((0, 0), "float32")] * len(lengths)
    single_output("model", model)
    spoken = [utterance for utterance in utterances if len(utterance)]
    with left_as_found([model]):
        outputs = map_by_length(inference_function(model), spoken, batch_size)
    check_frame_outputs("model", (len(spoken), *outputs[0].shape))
    silent, following = np.zeros((0, outputs[0].shape[-1]), "float32"), iter(outputs)
    return [next(following) if length else silent for length in lengths]


def map_by_length(
    function: Callable, utterances: Sequence[np.ndarray], batch_size: int = 64
) -> list[np.ndarray]:
    """Applies a function to batches of utterances of one length.

    Args:
        function: of float32 `(batch, length, ...)`, to a tensor `(batch, ...)`.
        utterances: `(length, ...)` each.
        batch_size: utterances per batch.

    Returns:
        The result for each utterance, in their order.

    Example:
        >>> waveforms = [np.ones(3), np.ones(5), np.zeros(3)]
        >>> sums = map_by_length(lambda x: tf.reduce_sum(x, axis=1), waveforms)
        >>> [float(s) for s in sums]
        [3.0, 5.0, 0.0]
    """
    results: list = [None] * len(utterances)
    for _, chosen in _batch_plan(_plan_buckets(utterances, None), batch_size, None):
        batch = np.stack([utterances[n] for n in chosen]).astype("float32")
        for number, result in zip(chosen, function(batch).numpy(), strict=True):
            results[number] = result
    return results


def _plan(utterances, batch_size, buckets):
    if buckets:
        return _plan_buckets(utterances, buckets)
    # Of utterances in the order of their lengths, runs of some full batches each.
    by_length = _plan_buckets(utterances, None)
    ordered = [(length, n) for length, numbers in by_length.items() for n in numbers]
    num_batches = -(-len(ordered) // batch_size)
    run = batch_size * -(-num_batches // _BUCKETS)
    plan: dict[int, list[int]] = {}
    for start in range(0, len(ordered), run):
        lengths, numbers = zip(*ordered[start : start + run], strict=True)
        plan.setdefault(lengths[-1], []).extend(numbers)
    return plan


def _plan_buckets(utterances, buckets):
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


def _batch_plan(plan, batch_size, rng):
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
