"""Values and gradients of the losses at any number of classes, against float64."""

import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import SoftAlignmentKL
from keras_rnn2dnn.distillation.dense_kl import dense_kl
from keras_rnn2dnn.distillation.top_k import dense_of_kept, top_k_targets


def log_softmax64(z):
    z = np.asarray(z, "float64")
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.sum(np.exp(z), -1, keepdims=True))


def logits(classes, seed=0, scale=4.0):
    rng = np.random.default_rng(seed)
    return rng.normal(scale=scale, size=(2, 3, classes)).astype("float32")


def divergence64(teacher, student, temperature, teacher_temperature):
    """Returns value, gradient by the student's and by the teacher's logits."""
    log_p = log_softmax64(np.asarray(teacher, "float64") / teacher_temperature)
    log_q = log_softmax64(np.asarray(student, "float64") / temperature)
    p = np.exp(log_p)
    with np.errstate(invalid="ignore"):
        terms = np.where(p > 0, p * (log_p - log_q), 0)
        values = terms.sum(-1, keepdims=True)
        by_teacher = np.where(p > 0, p * (log_p - log_q - values), 0)
    by_student = (np.exp(log_q) - p) / temperature
    return values[..., 0], by_student, by_teacher / teacher_temperature


@pytest.mark.parametrize("classes", [51, 201, 3400])
@pytest.mark.parametrize("temperatures", [(1.0, 1.0), (2.0, 2.0), (2.0, 0.5)])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_values_and_gradients_are_those_of_float64(classes, temperatures, jit_compile):
    z, s = tf.constant(logits(classes)), tf.constant(logits(classes, 1))
    weights = np.array([[1.0, 0.5, 0.0], [2.0, 1.0, 1.0]], "float32")

    @tf.function(jit_compile=jit_compile)
    def computed(z, s):
        with tf.GradientTape() as tape:
            tape.watch([z, s])
            values = dense_kl(z, s, *temperatures)
            total = tf.reduce_sum(values * weights)
        return values, *tape.gradient(total, [s, z])

    values, by_student, by_teacher = divergence64(z, s, *temperatures)
    expected = values, *(weights[..., None] * g for g in (by_student, by_teacher))
    # That by the teacher's logits is a difference of values of up to 30.
    tolerances = (2e-6, 2e-6, 1e-5)
    for found, right, atol in zip(computed(z, s), expected, tolerances, strict=True):
        np.testing.assert_allclose(found, right, rtol=2e-5, atol=atol)


@pytest.mark.parametrize("offset", [1e4, -300.0])
def test_logits_far_from_zero_lose_nothing(offset):
    """Softmax does not know an offset; of such large numbers a difference does."""
    z, s = logits(201), logits(201, 1) + np.float32(offset)
    values, by_student, _ = divergence64(z, s, 1.0, 1.0)
    student = tf.constant(s)
    with tf.GradientTape() as tape:
        tape.watch(student)
        found = dense_kl(z, student)
    np.testing.assert_allclose(found, values, rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(found, student), by_student, atol=1e-6)
    targets = top_k_targets(log_softmax64(z), 200)
    of_top_k = SoftAlignmentKL().call(targets, student)
    np.testing.assert_allclose(of_top_k, values, rtol=1e-4, atol=1e-4)
    one_best = SoftAlignmentKL(teacher_temperature=0).call(z, student)
    log_q = log_softmax64(s)
    expected = -np.take_along_axis(log_q, z.argmax(-1)[..., None], -1)[..., 0]
    np.testing.assert_allclose(one_best, expected, rtol=1e-6)


def test_nothing_saturates_and_the_impossible_does_not_count():
    z = np.array(
        [[500.0, 0, -np.inf], [0, 0, -np.inf], [1, 2, 3], [0, 0, 0]], "float32"
    )
    s = np.array(
        [[0, 500.0, 0], [0, 0, -np.inf], [1, 2, 3], [0, 0, -np.inf]], "float32"
    )
    np.testing.assert_allclose(dense_kl(z, s), [500, 0, 0, np.inf], rtol=1e-6)


def test_a_frame_that_is_no_number_has_no_gradient_without_weight():
    z, s = logits(5), logits(5, 1)
    s[0, 0, 2] = np.nan
    student = tf.constant(s)
    weights = np.ones((2, 3), "float32")
    weights[0, 0] = 0
    with tf.GradientTape() as tape:
        tape.watch(student)
        values = dense_kl(z, student)
        total = tf.reduce_sum(tf.math.multiply_no_nan(values, weights))
    gradient = tape.gradient(total, student).numpy()
    assert np.isfinite(gradient).all() and not gradient[0, 0].any()
    assert np.abs(gradient[0, 1]).max() > 0.01


@pytest.mark.parametrize("classes", [51, 201, 3400])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_one_best_targets_of_either_form(classes, temperature):
    z, s = logits(classes), tf.constant(logits(classes, 1))
    loss = SoftAlignmentKL(temperature, teacher_temperature=0)
    log_q = log_softmax64(s.numpy() / temperature)
    best = np.eye(classes)[z.argmax(-1)]
    for soft in (z, top_k_targets(log_softmax64(z), 20)):
        with tf.GradientTape() as tape:
            tape.watch(s)
            values = loss.call(soft, s)
        expected = -(temperature**2) * (best * log_q).sum(-1)
        np.testing.assert_allclose(values, expected, rtol=1e-5)
        gradient = temperature * (np.exp(log_q) - best)
        np.testing.assert_allclose(tape.gradient(values, s), gradient, atol=1e-6)


def test_half_precision_is_computed_in_float32():
    z, s = logits(3400).astype("float16"), logits(3400, 1).astype("float16")
    student = tf.constant(s)
    with tf.GradientTape() as tape:
        tape.watch(student)
        values = SoftAlignmentKL().call(z, student)
    expected, by_student, _ = divergence64(z, s, 1.0, 1.0)
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    gradient = tape.gradient(values, student)
    assert (values.dtype, gradient.dtype) == (tf.float32, tf.float16)
    np.testing.assert_allclose(gradient, by_student, rtol=1e-3, atol=1e-7)


def test_kept_classes_of_top_k_have_the_gradient_of_their_targets():
    z, s = logits(3400), tf.constant(logits(3400, 1))
    targets = top_k_targets(log_softmax64(z), 20)
    rest = np.exp(targets[..., 0, -1:].numpy()) / (3400 - 20)
    kept = dense_of_kept(targets, 3400).numpy()
    p = np.where(kept > 0, np.exp(log_softmax64(z)), rest)
    with tf.GradientTape() as tape:
        tape.watch(s)
        values = SoftAlignmentKL().call(targets, s)
    gradient = np.exp(log_softmax64(s)) - p
    np.testing.assert_allclose(tape.gradient(values, s), gradient, atol=1e-6)
