"""The batch of a replica that the last batch of an epoch left without an utterance."""

from typing import Any

import keras
import tensorflow as tf


def never_empty(
    x: Any, y: Any, sample_weight: Any
) -> tuple[Any, Any, Any, tf.Tensor | None]:
    """Returns the batch, under a strategy with an utterance for a replica of none.

    TensorFlow's convolutions cannot be computed of no utterance in every graph. The
    one that stands in is of zeros and has no weight.

    Args:
        x: inputs, `(batch, ...)` each.
        y: targets, likewise, or None.
        sample_weight: `(batch,)` or `(batch, frames)`, or None.

    Returns:
        `x`, `y` and `sample_weight`, and the number of utterances that are the
        replica's own: None without a strategy of several replicas.

    Example:
        >>> never_empty(np.zeros((0, 2, 3)), None, None)[3] is None
        True
    """
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return x, y, sample_weight, None
    own = tf.shape(keras.tree.flatten(x)[0])[0]
    if sample_weight is None:
        sample_weight = tf.ones((own,))
    missing = tf.maximum(1 - own, 0)

    def filled(tensor):
        if tensor is None:
            return None
        tensor = tf.convert_to_tensor(tensor)
        return tf.pad(tensor, [(0, missing)] + [(0, 0)] * (tensor.shape.rank - 1))

    return *keras.tree.map_structure(filled, (x, y, sample_weight)), own


def own_part(tensors: Any, own: tf.Tensor | None) -> Any:
    """Returns the tensors, `(batch, ...)` each, without what stood in.

    Args:
        tensors: one tensor, or a structure of them, or of None.
        own: what `never_empty` gave.

    Returns:
        The first `own` utterances of each; all of them where `own` is None.

    Example:
        >>> own_part({"x": np.ones((1, 2, 3)), "y": None}, 0)["x"].shape
        (0, 2, 3)
    """
    if own is None:
        return tensors

    def part(tensor):
        return None if tensor is None else tensor[:own]

    return keras.tree.map_structure(part, tensors)
