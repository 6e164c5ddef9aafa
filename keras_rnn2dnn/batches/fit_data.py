"""What `fit` and its like take, as Keras can take it: lists, ragged tensors, tuples."""

from typing import Any

import keras
import numpy as np

from keras_rnn2dnn.batches.bucketing import bucketed_dataset
from keras_rnn2dnn.batches.iterating import is_arrays
from keras_rnn2dnn.batches.sample_weights import shared_weights
from keras_rnn2dnn.batches.utterance_lists import (
    is_list_of_utterances,
    is_ragged,
    is_unbatched,
    one_by_one,
)
from keras_rnn2dnn.util.errors import invalid


def as_keras_takes_it(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    batch_size: int | None = None,
    rank: int = 3,
    shuffle: bool = False,
) -> tuple[Any, Any, Any]:
    """Returns `x`, `y` and `sample_weight`; of a list of utterances, batches as `x`.

    Args:
        x: as of `Distiller.fit`: of a list of utterances `(frames, ...)`, or a ragged
            tensor, batches of like length are made.
        y: targets, with arrays and lists.
        sample_weight: weights, with arrays and lists; of a list `(frames,)` each, or a
            number.
        batch_size: utterances per batch; 32 by default.
        rank: of a batch of features.
        shuffle: whether such batches come in another order in each epoch.

    Raises:
        ValueError: if an utterance has no frames, weights are a dict with different
            entries, or a data set gives no batches; says how to batch it.

    Example:
        >>> x, y, weights = as_keras_takes_it([np.ones((3, 2)), np.ones((5, 2))])
        >>> [(x.shape.as_list(), float(w.numpy().sum())) for x, _, w in x]
        [([2, 5, 2], 8.0)]
    """
    sample_weight = shared_weights(sample_weight, y)
    if isinstance(x, np.ndarray) and x.dtype == object:
        x = list(x)
    if is_list_of_utterances(x, rank):
        utterances = list(one_by_one(_rows(x), _rows(y), _rows(sample_weight)))
        return _batched(utterances, batch_size, shuffle), None, None
    if is_unbatched(x, rank):
        shapes = keras.tree.map_structure(lambda s: tuple(s.shape), x.element_spec)
        raise ValueError(
            "The data set gives utterances, not batches. Expected features of "
            f"{rank} axes, (batch, frames, ...). Received: {shapes}. Batch utterances "
            "of one length by `dataset.batch(32)`; of other lengths by "
            "`keras_rnn2dnn.batches.bucketed_dataset([list(dataset.as_numpy_iterator())]"
            ", 32)`, which also tells the padding"
        )
    if is_arrays(x):
        _check_frames(keras.tree.flatten(x))
    return x, y, sample_weight


def as_arguments(data: Any, num_inputs: int = 1) -> tuple:
    """Returns data given as one thing as `x`, `y` and `sample_weight`.

    As in Keras, a list counts as a tuple; but not one of utterances, nor one of the
    inputs of a model that has several.

    Example:
        >>> x, w = np.zeros((2, 5, 3)), np.ones((2, 5))
        >>> len(as_arguments([x, None, w])), len(as_arguments(x))
        (3, 1)
    """
    if isinstance(data, tuple):
        return data
    if not isinstance(data, list) or num_inputs > 1 or len(data) not in (2, 3):
        return (data,)
    has_none = any(part is None for part in data)
    return tuple(data) if has_none or not is_list_of_utterances(data) else (data,)


def check_options(options: dict, has_metrics: bool, has_labels: bool) -> None:
    """Refuses options of `fit` that need labels, or cannot mean what they say.

    Args:
        options: of `fit`.
        has_metrics: whether `compile` was given metrics.
        has_labels: whether there are hard labels.

    Raises:
        ValueError: says what to do.
    """
    if options.get("class_weight") is not None:
        raise ValueError(
            invalid(
                "class_weight",
                "None: Keras makes weights of utterances of it, not of frames",
                options["class_weight"],
                "Give `sample_weight=weights_of_classes[labels]`, (batch, frames)",
            )
        )
    if has_metrics and not has_labels:
        raise ValueError(
            "`compile(metrics=...)` needs hard labels. Expected them as `y`. Received: "
            "none. `kl` and `agreement` are logged without: leave `metrics` out"
        )


def _rows(structure):
    """Returns a list for a ragged tensor, also in dicts."""
    if isinstance(structure, dict):
        return {key: _rows(part) for key, part in structure.items()}
    return [row.numpy() for row in structure] if is_ragged(structure) else structure


def _batched(utterances, batch_size, shuffle):
    rows = []
    for batch in utterances:
        x, y, weight = keras.tree.map_structure(
            lambda a: None if a is None else np.asarray(a)[0], batch
        )
        frames = len(keras.tree.flatten(x)[0])
        if weight is None:
            weight = 1.0
        weight = np.array(np.broadcast_to(weight, frames), "float32")
        rows.append((x, weight) if y is None else (x, y, weight))
    dataset = bucketed_dataset([rows], batch_size or 32)
    if shuffle:
        number = int(dataset.cardinality())
        dataset = dataset.shuffle(number, reshuffle_each_iteration=True)

    def weighted(*parts):
        *xy, own, padding = parts
        return (xy[0], xy[1] if len(xy) > 1 else None, own * padding)

    return dataset.map(weighted)


def _check_frames(arrays):
    if any(len(a.shape) > 2 and a.shape[1] == 0 and a.shape[0] for a in arrays):
        raise ValueError(_without_frames(0))


def _without_frames(number):
    return (
        f"Utterance {number} has no frames. Expected at least one frame in each. "
        "Received: 0 frames. Leave it out"
    )
