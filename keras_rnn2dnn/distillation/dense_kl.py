"""KL divergence of dense soft alignments, and its gradient, in few passes.

With thousands of classes it is the passes over all of them that take the time. So
posteriors are computed once, for value and gradient; and what is written for them is
TensorFlow's `softmax`, the fast one of its operations for this on CPUs.
"""

import tensorflow as tf

_FAR_FROM_ZERO = 16.0  # beyond it a float32 has less than 5 digits behind the point


def dense_kl(teacher, student, temperature=1.0, teacher_temperature=None):
    """Returns `KL(softmax(z / T) || softmax(s / T))` of every frame.

    The gradient by the student's logits is `(q - p) / T`.

    Args:
        teacher: logits `z`, `(..., classes)`, float32; `-inf` is allowed.
        student: logits `s`, of the same shape.
        temperature: `T` > 0, of both.
        teacher_temperature: > 0, of the teacher alone; None for `temperature`.

    Returns:
        `(...)`, float32, >= 0 up to rounding.

    Example:
        >>> teacher, student = np.log([[0.75, 0.25]]), np.log([[0.5, 0.5]])
        >>> float(dense_kl(teacher, student)[0])  # 0.75 ln 1.5 + 0.25 ln 0.5
        0.1308...
    """
    if teacher_temperature is None:
        teacher_temperature = temperature
    given = (teacher, student, teacher_temperature, temperature)
    return _divergence(*(tf.cast(value, tf.float32) for value in given))


@tf.custom_gradient
def _divergence(teacher, student, teacher_temperature, temperature):
    z, p, log_sum_p = posteriors(teacher, teacher_temperature)
    s, q, log_sum_q = posteriors(student, temperature)
    # Where p is 0 it counts nothing, also of infinite logits.
    differences = z - s
    values = tf.reduce_sum(tf.math.multiply_no_nan(differences, p), axis=-1)
    values -= log_sum_p - log_sum_q

    def backward(upstream):
        upstream = upstream[..., None]
        # Frames without weight give no gradient, whatever their logits are.
        by_student = tf.math.multiply_no_nan(q - p, upstream / temperature)
        logs = differences - (log_sum_p - log_sum_q + values)[..., None]
        by_teacher = tf.math.multiply_no_nan(logs, p) * upstream / teacher_temperature
        return by_teacher, by_student, None, None

    return values, backward


def posteriors(logits, temperature):
    """Returns logits over the temperature, their softmax, and the log of its sum.

    Args:
        logits: `(..., classes)`, float32.
        temperature: a tensor, > 0.

    Returns:
        `(scaled, q, log_sum)`: `scaled` are the logits over the temperature, less the
        largest of their frame where this is far from zero, so that differences of them
        stay exact; `q` is `softmax(scaled)`; `log_sum`, `(...)`, `log sum exp scaled`.

    Example:
        >>> logits = np.log([[1.0, 3.0]]).astype("float32")
        >>> _, q, log_sum = posteriors(logits, tf.constant(1.0))
        >>> q.numpy().round(4).tolist(), np.exp(log_sum).round(4).tolist()
        ([[0.25, 0.75]], [4.0])
    """
    largest = tf.reduce_max(logits, axis=-1, keepdims=True)
    near = tf.reduce_all(tf.abs(largest) <= _FAR_FROM_ZERO)
    scaled, best = tf.cond(
        near & (temperature == 1.0),
        lambda: (logits, largest),
        lambda: ((logits - largest) / temperature, tf.zeros_like(largest)),
    )
    q = tf.nn.softmax(scaled)
    return scaled, q, best[..., 0] - tf.math.log(tf.reduce_max(q, axis=-1))
