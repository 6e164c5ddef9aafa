"""Batches of whatever `fit` accepts: arrays, `tf.data`, `PyDataset`, iterables."""

import itertools
from collections.abc import Iterator
from typing import Any

import keras

Batch = tuple[Any, Any, Any]


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
