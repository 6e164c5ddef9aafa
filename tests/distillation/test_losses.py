import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import SoftAlignmentKL
from keras_rnn2dnn.distillation.losses import kl_divergence, log_posteriors


def log_softmax64(z):
    z = np.asarray(z, "float64")
    return (
        z
        - np.log(np.sum(np.exp(z - z.max(-1, keepdims=True)), -1, keepdims=True))
        - (z.max(-1, keepdims=True))
    )


def expected_loss(teacher, student, weights, temperature, teacher_temperature=None):
    """The formula of the design, in float64, frame by frame."""
    if teacher_temperature == 0:
        p = np.eye(teacher.shape[-1])[teacher.argmax(-1)]
    else:
        p = np.exp(log_softmax64(teacher / (teacher_temperature or temperature)))
    log_q = log_softmax64(student / temperature)
    total = 0.0
    for u, t in np.ndindex(weights.shape):
        for k in range(p.shape[-1]):
            if p[u, t, k] > 0:
                kl = p[u, t, k] * (np.log(p[u, t, k]) - log_q[u, t, k])
                total += weights[u, t] * kl
    return temperature**2 * total / weights.sum(), p, np.exp(log_q)


@pytest.fixture
def batch():
    rng = np.random.default_rng(1)
    teacher, student = rng.normal(scale=3.0, size=(2, 2, 6, 5)).astype("float32")
    weights = np.array([[1, 1, 1, 1, 0, 0], [2, 0.5, 1, 1, 1, 0]], "float32")
    return teacher, student, weights


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("teacher_temperature", [None, 0, 0.5])
def test_loss_and_gradient_are_those_of_float64(
    batch, temperature, teacher_temperature
):
    teacher, student, weights = batch
    loss = SoftAlignmentKL(temperature, teacher_temperature)
    expected, p, q = expected_loss(*batch, temperature, teacher_temperature)
    z = tf.constant(student)
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = loss(teacher, z, sample_weight=weights)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
    gradient = temperature * (q - p) * weights[..., None] / weights.sum()
    np.testing.assert_allclose(tape.gradient(value, z), gradient, atol=1e-5)


def test_a_model_has_no_divergence_from_itself(batch):
    teacher = batch[0]
    for temperature in (0.5, 1.0, 4.0):
        value = SoftAlignmentKL(temperature)(teacher, teacher)
        assert abs(float(value)) < 1e-6


def test_nothing_saturates_where_probabilities_would():
    teacher, student = np.array([[[40.0, 0.0]]]), np.array([[[0.0, 40.0]]])
    np.testing.assert_allclose(SoftAlignmentKL()(teacher, student), 40.0, rtol=1e-6)


def test_classes_that_the_teacher_rules_out_do_not_count():
    teacher = np.array([[[0.0, 0.0, -np.inf]]], "float32")
    student = np.zeros((1, 1, 3), "float32")
    z = tf.constant(student)
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = SoftAlignmentKL()(teacher, z)
    np.testing.assert_allclose(value, np.log(3 / 2), rtol=1e-6)
    np.testing.assert_allclose(
        tape.gradient(value, z)[0, 0], [-1 / 6, -1 / 6, 1 / 3], rtol=1e-5
    )


def test_probabilities_give_the_same_loss_as_their_logits(batch):
    teacher, student, weights = batch
    p, q = np.exp(log_softmax64(teacher)), np.exp(log_softmax64(student))
    by_logits = SoftAlignmentKL(2.0)(teacher, student, sample_weight=weights)
    by_probabilities = SoftAlignmentKL(
        2.0, from_logits=False, teacher_from_logits=False
    )(p, q, sample_weight=weights)
    np.testing.assert_allclose(by_probabilities, by_logits, rtol=1e-5)


def test_padding_and_weights_do_not_dilute_the_mean(batch):
    teacher, student, weights = batch
    alone = SoftAlignmentKL()(teacher[:1, :4], student[:1, :4])
    padded = SoftAlignmentKL()(teacher[:1], student[:1], sample_weight=weights[:1])
    np.testing.assert_allclose(padded, alone, rtol=1e-6)


def test_it_is_a_plain_keras_loss(tmp_path):
    student = keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(4)])
    student.compile("sgd", loss=SoftAlignmentKL(2.0, teacher_temperature=1.0))
    x, soft = np.ones((2, 5, 3)), np.zeros((2, 5, 4))
    student.fit(x, soft, verbose=0)
    student.save(tmp_path / "student.keras")
    loaded = keras.saving.load_model(tmp_path / "student.keras")
    assert loaded.loss.get_config() == student.loss.get_config()
    assert loaded.loss.temperature == 2.0


def test_a_new_temperature_reaches_a_compiled_step(batch):
    teacher, student, _ = batch
    loss = SoftAlignmentKL(1.0)
    compiled = tf.function(lambda: loss(teacher, student))
    compiled()
    loss.temperature = 3.0
    expected, _, _ = expected_loss(teacher, student, np.ones((2, 6)), 3.0)
    np.testing.assert_allclose(compiled(), expected, rtol=1e-5)


@pytest.mark.parametrize("value", [0, -1, float("nan"), "hot", True])
def test_a_temperature_must_be_positive(value):
    with pytest.raises(ValueError) as error:
        SoftAlignmentKL(temperature=value)
    assert str(error.value) == (
        "Invalid value for `temperature`. Expected a number > 0. "
        f"Received: temperature={value!r}"
    )


def test_a_teacher_temperature_may_be_zero_but_not_less():
    assert SoftAlignmentKL(teacher_temperature=0).teacher_temperature == 0
    with pytest.raises(ValueError, match="Expected a number >= 0"):
        SoftAlignmentKL(teacher_temperature=-0.5)


def test_kl_divergence_and_log_posteriors_are_those_of_float64(batch):
    teacher, student, _ = batch
    log_p, log_q = log_softmax64(teacher), log_softmax64(student)
    np.testing.assert_allclose(log_posteriors(teacher), log_p, atol=1e-5)
    expected = np.sum(np.exp(log_p) * (log_p - log_q), -1)
    result = kl_divergence(log_posteriors(teacher), log_posteriors(student))
    np.testing.assert_allclose(result, expected, atol=1e-5)
