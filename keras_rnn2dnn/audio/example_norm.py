"""Features of which each example has mean 0 and deviation 1, as keyword models do."""

from keras import ops


def example_normalized(features, over: str, mask=None):
    """Subtracts the mean of each example, and divides by its standard deviation.

    `y = (x - m) / max(s, 1 / sqrt(n))` with mean and deviation of the `n` values of an
    example. So a clip of digital silence gives zeros.

    Args:
        features: `(batch, frames, bins)`.
        over: what a mean is of: `"all"` values of the example, which is
            `tf.image.per_image_standardization`, or the frames, in each of the `"bins"`
            by itself.
        mask: optional bool `(batch, frames)`; only frames where it is true count.

    Returns:
        `(batch, frames, bins)`.

    Example:
        >>> import numpy as np
        >>> x = np.array([[[1.0, 10.0], [3.0, 30.0]]], "float32")
        >>> example_normalized(x, "bins").numpy().round(3).tolist()
        [[[-1.0, -1.0], [1.0, 1.0]]]
        >>> example_normalized(x, "all").numpy().astype(float).round(3).tolist()
        [[[-0.872, -0.087], [-0.698, 1.657]]]
    """
    axes = (1, 2) if over == "all" else (1,)
    counting = ops.ones_like(features)
    if mask is not None:
        counting *= ops.cast(mask, features.dtype)[..., None]
    count = ops.maximum(ops.sum(counting, axis=axes, keepdims=True), 1.0)
    centred = features - ops.sum(features * counting, axes, True) / count
    variance = ops.sum(ops.square(centred) * counting, axes, True) / count
    return centred / ops.sqrt(ops.maximum(variance, 1.0 / count))
