"""Data that come an utterance at a time: lists, ragged tensors, unbatched data sets."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn2dnn.util.errors import invalid

_RANK = 3  # of a batch `(batch, frames, features)`


def input_rank(model: keras.Model | None) -> int:
    """Returns the rank of a batch of a model's features; 3 where it is unknown.

    Example:
        >>> model = keras.Sequential([keras.Input((None, 40, 1)), keras.layers.ReLU()])
        >>> input_rank(model)
        4
    """
    inputs = getattr(model, "inputs", None)
    return max(len(tensor.shape) for tensor in inputs) if inputs else _RANK


def have_frames(arrays: Sequence, shapes: Sequence[tuple] = ()) -> list[bool]:
    """Tells which inputs have something for each frame, not one for an utterance.

    Args:
        arrays: a batch of each input.
        shapes: of `inference.input_shapes`, where they are known: beside others, an
            input `(batch, n)` is one vector for an utterance if its `n` is fixed, and
            not to the number of frames.

    Example:
        >>> features, speakers = np.zeros((2, 7, 3)), np.zeros(2)
        >>> have_frames([features, speakers])
        [True, False]
        >>> vectors = np.zeros((2, 5))
        >>> have_frames([features, vectors], [(None, None, 3), (None, 5)])
        [True, False]
    """
    if len(shapes) != len(arrays):
        shapes = [(None, None if a.shape[1:] != (1,) else 1) for a in arrays]
    sizes = {None, *(shape[1] for shape in shapes if len(shape) > 2)}
    beside = any(map(lambda a, s: len(a.shape) > 2 or s[1:] == (None,), arrays, shapes))

    def framed(array, shape):
        if array.dtype == object:  # rows of different lengths
            return True
        vector = len(array.shape) == 2 and (*shape, 1)[1] not in sizes
        return len(array.shape) > 1 and not (beside and vector)

    return list(map(framed, arrays, shapes))


def is_ragged(x) -> bool:
    """Tells whether something is a ragged tensor."""
    return isinstance(x, tf.RaggedTensor)


def is_list_of_utterances(x: Any, rank: int = _RANK) -> bool:
    """Tells a list of utterances `(frames, ...)` from a list of a model's inputs.

    Args:
        x: features: a list, a ragged tensor, or a dict of such.
        rank: of a batch.

    Example:
        >>> is_list_of_utterances([np.zeros((4, 8)), np.zeros((7, 8))])
        True
        >>> is_list_of_utterances([np.zeros((2, 4, 8)), np.zeros((2, 7, 8))])
        False
    """
    if isinstance(x, dict):
        return bool(x) and all(is_list_of_utterances(v, rank) for v in x.values())
    if is_ragged(x):
        return True
    if not isinstance(x, (list, tuple)) or not x:
        return False
    return all(hasattr(a, "shape") and len(a.shape) == rank - 1 for a in x)


def is_unbatched(dataset: Any, rank: int = _RANK) -> bool:
    """Tells whether a `tf.data.Dataset` gives one utterance `(frames, ...)` each time.

    Args:
        dataset: of `x`, `(x, y)` or `(x, y, sample_weight)`.
        rank: of a batch.

    Example:
        >>> one_by_one = tf.data.Dataset.from_tensor_slices(np.zeros((2, 5, 8)))
        >>> is_unbatched(one_by_one), is_unbatched(one_by_one.batch(2))
        (True, False)
    """
    if not isinstance(dataset, tf.data.Dataset):
        return False
    x = keras.utils.unpack_x_y_sample_weight(dataset.element_spec)[0]
    ranks = {
        spec.shape.rank for spec in keras.tree.flatten(x) if hasattr(spec, "shape")
    }
    return ranks == {rank - 1}


def one_by_one(x: Any, y: Any = None, sample_weight: Any = None) -> Iterator[tuple]:
    """Yields batches `(x, y, sample_weight)` of one utterance each.

    Args:
        x: list of utterances, see `is_list_of_utterances`.
        y: one entry for each utterance, also in dicts and lists; or None.
        sample_weight: one entry for each utterance; or None.

    Raises:
        ValueError: if the numbers of entries differ.

    Example:
        >>> utterances = [np.zeros((4, 8)), np.zeros((7, 8))]
        >>> batches = one_by_one(utterances, {"transcripts": ["a", "b"]})
        >>> [(x.shape, y) for x, y, _ in batches]
        [((1, 4, 8), {'transcripts': ['a']}), ((1, 7, 8), {'transcripts': ['b']})]
    """
    counts = [_count(x), *(_count(part) for part in (y, sample_weight))]
    given = [count for count in counts if count is not None]
    if len(set(given)) > 1:
        expected = f"one entry for each of the {given[0]} utterances"
        raise ValueError(invalid("y and sample_weight", expected, counts[1:]))
    for number in range(given[0]):
        yield tuple(_entry(part, number) for part in (x, y, sample_weight))


def _count(structure):
    if structure is None:
        return None
    if isinstance(structure, dict):
        counts = {_count(part) for part in structure.values()} - {None}
        return max(counts, default=None)
    return structure.shape[0] if hasattr(structure, "shape") else len(structure)


def _entry(structure, number):
    """Returns a batch of one: that of the utterance with this number."""
    if structure is None:
        return None
    if isinstance(structure, dict):
        return {key: _entry(part, number) for key, part in structure.items()}
    value = structure[number]
    if isinstance(value, (str, bytes)):
        return [value]
    return np.asarray(value.numpy() if tf.is_tensor(value) else value)[None]
