"""Weights in a dict, as Keras takes them beside a dict of targets."""

import keras
import numpy as np

from keras_rnn2dnn.util.errors import invalid


def shared_weights(sample_weight, y=None):
    """Returns the weights of the frames where a dict has them for each entry of `y`.

    Args:
        sample_weight: array, list or None; or a dict of such, as Keras takes it beside
            a dict as `y`.
        y: targets.

    Raises:
        ValueError: if it is a dict with other entries than `y`, or they differ: soft
            targets and labels have the same weights.

    Example:
        >>> soft, labels, weights = np.zeros((2, 5, 3)), np.zeros((2, 5)), np.ones(2)
        >>> y = {"soft": soft, "labels": labels}
        >>> shared_weights({"soft": weights, "labels": weights}, y).tolist()
        [1.0, 1.0]
    """
    if not isinstance(sample_weight, dict):
        return sample_weight
    soft = sample_weight.get("soft")
    entries = "a dict with " + ", ".join(map(repr, sample_weight))
    if isinstance(y, dict) and soft is not None and set(sample_weight) == set(y):
        if all(_same(other, soft) for other in sample_weight.values()):
            return soft
        entries += ", which differ"
    raise ValueError(
        invalid(
            "sample_weight",
            "(batch,) or (batch, frames), which soft targets and labels share",
            entries,
            "Give the array itself. To leave out labels alone, set them to the "
            "`ignore_class` of the loss",
        )
    )


def _same(one, other):
    """Tells whether two arrays, or lists of them, hold the same numbers."""
    if one is other:
        return True
    pairs = [keras.tree.flatten(part) for part in (one, other)]
    return len(pairs[0]) == len(pairs[1]) and all(map(np.array_equal, *pairs))
