"""Means that are subtracted from features: of the utterance, or running along."""

import keras
import numpy as np
from keras import ops

# What is left of a frame after that many times the memory: less than float32 tells,
# also of a loud energy before silence.
_FORGOTTEN = 40


def utterance_mean(features, mask=None):
    """Returns the mean over the frames of each utterance.

    Args:
        features: `(batch, frames, bins)`.
        mask: optional bool `(batch, frames)`; only frames where it is true count.

    Returns:
        `(batch, 1, bins)`.

    Example:
        >>> utterance_mean(np.array([[[1.0], [2.0], [9.0]]])).numpy().tolist()
        [[[4.0]]]
    """
    if mask is None:
        return ops.mean(features, axis=1, keepdims=True)
    weights = ops.cast(mask, "float32")[..., None]
    total = ops.sum(features * weights, axis=1, keepdims=True)
    return ops.divide_no_nan(total, ops.sum(weights, axis=1, keepdims=True))


def running_mean(features, memory_frames: int, prior_frames: int, start=None):
    """Returns the mean up to each frame, as a device keeps it in a stream.

    `c_t = c_{t-1} + (x_t - c_{t-1}) / min(prior_frames + t + 1, memory_frames)` with
    `c_{-1} = start`: the start counts as much as `prior_frames` frames, and later all
    that was heard fades with the memory. No frame looks ahead, so padding at the end
    changes nothing.

    It is computed for all frames at once: by means over 2, 4, 8, ... frames, until
    what is further back is forgotten. So no loop runs over the frames.

    Args:
        features: `(batch, frames, bins)`.
        memory_frames: after how many frames the mean stops to slow down, >= 1.
        prior_frames: weight of the start, in frames, >= 0.
        start: mean before the first frame `(bins,)`, or None for 0.

    Returns:
        `(batch, frames, bins)`.

    Example:
        >>> features = np.array([[[1.0], [2.0], [6.0], [6.0]]], "float32")
        >>> running_mean(features, 100, 0).numpy().ravel().tolist()
        [1.0, 1.5, 3.0, 3.75]
        >>> running_mean(features, 2, 1).numpy().ravel().tolist()
        [0.5, 1.25, 3.625, 4.8125]
    """
    if start is not None:
        start = ops.convert_to_tensor(np.asarray(start), features.dtype)
        return start + running_mean(features - start, memory_frames, prior_frames)
    num_frames = ops.shape(features)[1]
    heard = ops.arange(num_frames, dtype="float64") + (1.0 + prior_frames)
    counts = ops.minimum(heard, float(memory_frames))[:, None]
    dtype = keras.backend.standardize_dtype(features.dtype)
    # By `kept` a frame's mean goes on; float64, as many factors are multiplied.
    kept, means = 1.0 - 1.0 / counts, features / ops.cast(counts, dtype)
    known = features.shape[1]
    reach = _FORGOTTEN * memory_frames
    shift = 1
    while shift < (reach if known is None else min(reach, known)):
        means = means + ops.cast(kept, dtype) * _delayed(means, shift, axis=1)
        kept = kept * _delayed(kept, shift, axis=0)
        shift *= 2
    return means


def start_weights(num_frames: int, memory_frames: int, prior_frames: int) -> np.ndarray:
    """Returns how much of the start is left in `running_mean` at each frame.

    The running mean is linear: with a start it is the one without, plus the start
    times these weights.

    Args:
        num_frames: how many.
        memory_frames: see `running_mean`.
        prior_frames: see `running_mean`.

    Returns:
        `(frames,)`, float64.

    Example:
        >>> start_weights(4, 3, 1).round(3).tolist()
        [0.5, 0.333, 0.222, 0.148]
    """
    heard = np.arange(num_frames) + 1.0 + prior_frames
    return np.cumprod(1.0 - 1.0 / np.minimum(heard, memory_frames))


def _delayed(values, shift, axis):
    """Moves values back by some frames, zeros before them; as long as before."""
    padding = [(shift, 0) if n == axis else (0, 0) for n in range(len(values.shape))]
    return ops.pad(values, padding)[(*[slice(None)] * axis, slice(None, -shift))]
