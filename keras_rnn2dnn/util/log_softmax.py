"""Log-posteriors in numpy, for what runs outside of a model."""

import numpy as np


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Returns `logits - log(sum(exp(logits)))` over the last axis.

    Args:
        logits: or log-posteriors, `(..., classes)`.

    Returns:
        Log-posteriors of the same shape and type.

    Example:
        >>> np.exp(log_softmax(np.log([[1.0, 3.0]]))).round(2).tolist()
        [[0.25, 0.75]]
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
