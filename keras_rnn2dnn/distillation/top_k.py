"""Soft targets of the k best classes, without a dense array of all classes.

A target `(batch, frames, 2, k + 1)` holds in row 0 the log-posteriors of the k best
classes, best first, and the log of the remaining mass; in row 1 the numbers of these
classes, and -1. The remaining mass counts as spread evenly over the other classes, so
that a target stays a distribution.
"""

import numpy as np
import tensorflow as tf
from keras import ops

from keras_rnn2dnn.distillation.dense_kl import posteriors
from keras_rnn2dnn.util.errors import invalid, is_integer
from keras_rnn2dnn.util.xla import compiled_by_xla


def top_k_targets(log_posteriors, k: int):
    """Keeps the k best classes of every frame.

    Args:
        log_posteriors: normalised, `(..., classes)`.
        k: classes to keep, from 1 to `classes - 1`.

    Returns:
        float32 `(..., 2, k + 1)`; see the module.

    Raises:
        ValueError: if `k` is out of its range.

    Example:
        >>> p = np.array([0.1, 0.6, 0.05, 0.25])
        >>> targets = top_k_targets(np.log(p), k=2).numpy()
        >>> np.exp(targets[0]).round(2).tolist(), targets[1].tolist()
        ([0.6..., 0.25, 0.15...], [1.0, 3.0, -1.0])
    """
    log_posteriors = ops.cast(log_posteriors, "float32")
    classes = log_posteriors.shape[-1]
    if not is_integer(k) or not 1 <= k < classes:
        raise ValueError(invalid("k", f"an integer from 1 to {classes - 1}", k))
    best, indices = ops.top_k(log_posteriors, k)
    # Of float32, 1 - sum of the best loses what is small: sum up the others instead.
    cut = best[..., -1:]
    others = ops.exp(ops.where(log_posteriors < cut, log_posteriors, -np.inf))
    others = ops.sum(others, axis=-1, keepdims=True)
    as_good, kept = (  # as the last one kept: not all of them need be kept
        ops.sum(ops.cast(values == cut, "float32"), axis=-1, keepdims=True)
        for values in (log_posteriors, best)
    )
    rest = ops.log(others + (as_good - kept) * ops.exp(cut))
    numbers = ops.cast(indices, "float32")
    rows = [
        ops.concatenate([best, rest], axis=-1),
        ops.concatenate([numbers, -ops.ones_like(rest)], axis=-1),
    ]
    return ops.stack(rows, axis=-2)


def is_top_k(soft) -> bool:
    """Tells top-k targets `(batch, frames, 2, k + 1)` from dense ones."""
    return len(soft.shape) == 4


def best_class(soft):
    """Returns the best class of every frame, int `(batch, frames)`, of either form."""
    if is_top_k(soft):
        return ops.cast(soft[..., 1, 0], "int32")
    # Of Keras it takes four times as long, for the sake of negative zeros.
    return tf.argmax(soft, axis=-1, output_type="int32")


def top_k_kl(targets, logits, temperature=1.0, teacher_temperature=None):
    """Returns the KL divergence of a student from top-k targets.

    With `k` classes kept, `n` others, `P` the mass of these and `a` the logits over the
    temperature:

        KL = sum_i p_i log p_i + P log(P / n) + log sum_j exp(a_j)
             - sum_i p_i a_i - P / n * (sum_j a_j - sum_i a_i)

    where `i` runs over the classes kept and `j` over all.

    Args:
        targets: see the module, `(..., 2, k + 1)`.
        logits: of the student, `(..., classes)`.
        temperature: > 0, of both.
        teacher_temperature: of the targets alone, all classes included; None for
            `temperature`.

    Returns:
        `(...)`, float32.

    Example:
        >>> z = np.log(np.array([[0.5, 0.2, 0.15, 0.15]]))
        >>> targets = top_k_targets(z, k=2)  # the others are even: nothing is lost
        >>> abs(float(top_k_kl(targets, z)[0])) < 1e-6
        True
    """
    logits = ops.cast(logits, "float32")
    if teacher_temperature is None:
        teacher_temperature = temperature
    log_p, indices = targets[..., 0, :], ops.cast(targets[..., 1, :-1], "int32")
    classes, k = logits.shape[-1], indices.shape[-1]
    log_n = float(np.log(classes - k))
    softened = ops.concatenate(
        [
            log_p[..., :-1] / teacher_temperature,
            log_n + (log_p[..., -1:] - log_n) / teacher_temperature,
        ],
        axis=-1,
    )
    log_p = ops.log_softmax(softened, axis=-1)
    log_each = ops.concatenate([log_p[..., :-1], log_p[..., -1:] - log_n], axis=-1)
    p = ops.exp(log_p)
    entropy = -ops.sum(ops.where(p > 0, p * log_each, 0.0), axis=-1)
    others = ops.exp(log_each[..., -1])
    values = _cross_entropy(
        ops.reshape(logits, (-1, classes)),
        ops.reshape(indices, (-1, k)),
        ops.stop_gradient(ops.reshape(p[..., :-1], (-1, k))),
        ops.stop_gradient(ops.reshape(others, (-1,))),
        ops.convert_to_tensor(temperature, "float32"),
    )
    return ops.reshape(values, ops.shape(others)) - entropy


def one_best_cross_entropy(soft, logits, temperature=1.0):
    """Returns the cross-entropy of a student against the teacher's best class.

    Args:
        soft: of either form; see `best_class`.
        logits: of the student, `(batch, frames, classes)`.
        temperature: > 0, of the student.

    Returns:
        `(batch, frames)`, float32.

    Example:
        >>> soft, logits = np.array([[[0.0, 1.0]]]), np.log([[[0.75, 0.25]]])
        >>> float(one_best_cross_entropy(soft, logits)[0, 0])  # ln 4
        1.3862...
    """
    best = ops.reshape(best_class(soft), (-1, 1))
    logits = ops.cast(logits, "float32")
    values = _cross_entropy(
        ops.reshape(logits, (-1, logits.shape[-1])),
        best,
        ops.ones_like(best, "float32"),
        ops.zeros_like(best[:, 0], "float32"),
        ops.convert_to_tensor(temperature, "float32"),
    )
    return ops.reshape(values, ops.shape(logits)[:-1])


def dense_of_kept(targets, num_classes: int):
    """Returns top-k targets as probabilities of all classes, of the kept ones alone.

    Args:
        targets: see the module, `(..., 2, k + 1)`.
        num_classes: of all classes.

    Returns:
        `(..., classes)`, float32; each frame sums to 1.

    Example:
        >>> targets = top_k_targets(np.log([0.1, 0.6, 0.1, 0.2]), k=2)
        >>> np.asarray(dense_of_kept(targets, 4)).round(2).tolist()
        [0.0, 0.75, 0.0, 0.25]
    """
    log_p = targets[..., 0, :-1]
    p = ops.exp(log_p - ops.logsumexp(log_p, axis=-1, keepdims=True))
    classes, k = ops.cast(targets[..., 1, :-1], "int32"), p.shape[-1]
    frames = ops.shape(p)[:-1]
    p, classes = ops.reshape(p, (-1, k)), ops.reshape(classes, (-1, k))
    none = ops.zeros((ops.shape(p)[0], num_classes), "float32")
    return ops.reshape(_add_at(none, classes, p), (*frames, num_classes))


@tf.custom_gradient
def _cross_entropy(logits, indices, kept, others, temperature):
    """Cross-entropy of targets that keep some classes, all others having one value.

    Written for few passes over all classes, since they are what takes the time.

    Args:
        logits: `(frames, classes)`.
        indices: of the classes kept, `(frames, k)`.
        kept: their posteriors, `(frames, k)`.
        others: the posterior of each other class, `(frames,)`.
        temperature: of the logits.
    """
    scaled, q, log_sum = posteriors(logits, temperature)
    chosen = tf.gather(scaled, indices, batch_dims=1)
    rest = tf.reduce_sum(scaled, axis=1)
    rest = tf.where(tf.math.is_inf(rest), rest, rest - tf.reduce_sum(chosen, axis=1))
    of_kept = tf.reduce_sum(tf.math.multiply_no_nan(chosen, kept), axis=1)
    values = log_sum - of_kept - tf.math.multiply_no_nan(rest, others)

    def backward(upstream):
        by_frame = (upstream / temperature)[:, None]
        update = by_frame * (others[:, None] - kept)
        # When nothing else reads it any more, the memory of `q` takes the result.
        with tf.control_dependencies([log_sum]):
            change = by_frame * (q - others[:, None])
        return _add_at(change, indices, update), None, None, None, None

    return values, backward


def _add_at(dense, columns, values):
    """Adds `values` `(rows, k)` to `dense` `(rows, width)` at these columns."""
    shape = tf.shape(dense, tf.int64)
    places = tf.range(shape[0])[:, None] * shape[1] + tf.cast(columns, tf.int64)
    flat, values = tf.reshape(dense, (-1,)), tf.reshape(values, (-1,))
    places = tf.reshape(places, (-1, 1))
    if compiled_by_xla() or tf.config.list_physical_devices("GPU"):
        flat = tf.tensor_scatter_nd_add(flat, places, values)
    else:  # the same, but faster; it is made for CPUs alone
        sparse = tf.SparseTensor(places, values, tf.shape(flat, tf.int64))
        flat = tf.sparse.add(flat, sparse)
    return tf.reshape(flat, shape)
