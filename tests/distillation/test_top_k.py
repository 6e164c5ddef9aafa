import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import Distiller, KLCallback, SoftAlignmentKL, dnn_student
from keras_rnn2dnn.distillation.top_k import best_class, top_k_targets

CLASSES, FEATURES, KEPT = 30, 4, 5


def log_softmax64(z):
    z = np.asarray(z, "float64")
    return z - np.log(np.sum(np.exp(z), -1, keepdims=True))


def smeared64(logits, k, temperature=1.0):
    """The posteriors which top-k targets stand for, dense, in float64."""
    p = np.exp(log_softmax64(logits))
    for row in p.reshape(-1, p.shape[-1]):
        others = np.argsort(-row)[k:]
        row[others] = row[others].mean()
    p **= 1 / temperature
    return p / p.sum(-1, keepdims=True)


@pytest.fixture
def batch():
    rng = np.random.default_rng(1)
    teacher, student = 3 * rng.normal(size=(2, 2, 6, CLASSES)).astype("float32")
    weights = np.array([[1, 1, 1, 1, 0, 0], [2, 0.5, 1, 1, 1, 0]], "float32")
    return teacher, student, weights


def targets(logits, k=KEPT):
    return top_k_targets(log_softmax64(logits), k)


@pytest.mark.parametrize("k", [1, KEPT, CLASSES - 1])
def test_targets_hold_the_best_classes_and_the_mass_of_the_rest(batch, k):
    log_p = log_softmax64(batch[0])
    rows = targets(batch[0], k).numpy()
    assert rows.shape == (2, 6, 2, k + 1)
    order = np.argsort(-log_p, axis=-1)
    np.testing.assert_array_equal(rows[..., 1, :-1], order[..., :k])
    np.testing.assert_array_equal(rows[..., 1, -1], -1)
    best = np.take_along_axis(log_p, order[..., :k], -1)
    np.testing.assert_allclose(rows[..., 0, :-1], best, rtol=1e-5, atol=1e-6)
    rest = np.exp(np.take_along_axis(log_p, order[..., k:], -1)).sum(-1)
    np.testing.assert_allclose(np.exp(rows[..., 0, -1]), rest, rtol=1e-5)
    np.testing.assert_array_equal(best_class(rows), log_p.argmax(-1))


def test_ties_at_the_cut_are_counted_once():
    rows = top_k_targets(np.log([[0.3, 0.2, 0.2, 0.2, 0.1]]), 2).numpy()
    np.testing.assert_allclose(np.exp(rows[0, 0]), [0.3, 0.2, 0.5], rtol=1e-5)
    tiny = [1 - 3e-7, 1e-7, 1e-7, 1e-7]  # below what 1 less the sum of the best tells
    rows = top_k_targets(np.log([tiny]), 2).numpy()
    np.testing.assert_allclose(np.exp(rows[0, 0, -1]), 2e-7, rtol=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("teacher_temperature", [None, 0, 0.5])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_loss_and_gradient_are_those_of_the_dense_targets_in_float64(
    batch, temperature, teacher_temperature, jit_compile
):
    teacher, student, weights = batch
    softening = temperature if teacher_temperature is None else teacher_temperature
    if softening:
        p = smeared64(teacher, KEPT, softening)
    else:
        p = np.eye(CLASSES)[teacher.argmax(-1)]
    log_q = log_softmax64(student / temperature)
    with np.errstate(divide="ignore"):
        log_p = np.where(p > 0, np.log(p), 0.0)
    kl = temperature**2 * np.sum(p * (log_p - log_q), -1)
    loss = SoftAlignmentKL(temperature, teacher_temperature)

    @tf.function(jit_compile=jit_compile)
    def value_and_gradient(soft, logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(soft, logits, sample_weight=weights)
        return value, tape.gradient(value, logits)

    value, gradient = value_and_gradient(targets(teacher), tf.constant(student))
    np.testing.assert_allclose(value, np.sum(weights * kl) / weights.sum(), rtol=1e-5)
    expected = temperature * (np.exp(log_q) - p) * weights[..., None] / weights.sum()
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_the_student_that_gives_the_targets_has_no_loss(batch):
    student = np.log(smeared64(batch[0], KEPT))
    np.testing.assert_allclose(
        SoftAlignmentKL(reduction=None)(targets(batch[0]), student), 0.0, atol=2e-6
    )


def test_a_class_that_the_student_excludes(batch):
    """The KL is infinite where the target has mass there, finite where it has none."""
    targets_of_one = targets(batch[0][:1, :1])
    for kept in (True, False):
        student = np.zeros((1, 1, CLASSES), "float32")
        scores = batch[0][0, 0]
        excluded = scores.argmax() if kept else scores.argmin()
        student[..., excluded] = -np.inf
        loss = SoftAlignmentKL(reduction=None)(targets_of_one, student)
        assert float(loss[0, 0]) == np.inf
    one_best = np.array([[[[0.0, -np.inf], [3.0, -1.0]]]], "float32")
    student = np.zeros((1, 1, CLASSES), "float32")
    student[..., 7] = -np.inf
    loss = SoftAlignmentKL(reduction=None)(one_best, student)
    np.testing.assert_allclose(loss, np.log(CLASSES - 1), rtol=1e-6)


def test_no_target_of_all_classes_is_ever_made():
    """As wide as all classes are the logits and, of them, a softmax; no target."""
    loss = SoftAlignmentKL()

    def values(soft, logits):
        return loss.call(soft, logits)

    shapes = [(2, 6, 2, KEPT + 1), (2, 6, CLASSES)]
    function = tf.function(values, [tf.TensorSpec(shape) for shape in shapes])
    wide = [
        op.type
        for op in function.get_concrete_function().graph.get_operations()
        if any(CLASSES in (output.shape.as_list() or []) for output in op.outputs)
    ]
    assert wide.count("Softmax") == 1
    passed_on = {"Placeholder", "Cast", "Reshape", "Identity", "IdentityN"}
    passed_on.add("StatelessIf")  # over the temperature, or as they are
    assert set(wide) - passed_on == {"Softmax"}


@pytest.mark.slow
def test_plain_student_and_distiller_learn_from_them_alike(batch):
    x = np.random.default_rng(0).normal(size=(2, 6, FEATURES)).astype("float32")
    soft = np.array(targets(batch[0]))
    dense = np.log(smeared64(batch[0], KEPT)).astype("float32")
    trained = []
    for kind, y in (("plain", soft), ("distiller", soft), ("distiller", dense)):
        keras.utils.set_random_seed(0)
        student = dnn_student(FEATURES, CLASSES, context=(1, 1), units=(8,))
        model, loss = student, SoftAlignmentKL()
        if kind == "distiller":
            model, loss = Distiller(None, student), None
        # Compiled are the steps that learn from top-k targets.
        sgd = keras.optimizers.SGD(0.1)
        model.compile(sgd, loss=loss, run_eagerly=y is dense)
        callback = KLCallback((x, y, batch[2]))
        history = model.fit(
            *(x, y, 2, 3, 0, [callback]), sample_weight=batch[2]
        ).history
        trained.append((student.get_weights(), history))
    for weights, history in trained[1:]:
        for left, right in zip(trained[0][0], weights, strict=True):
            np.testing.assert_allclose(left, right, atol=1e-6)
        for name in ("loss", "val_kl", "val_agreement"):
            np.testing.assert_allclose(history[name], trained[0][1][name], rtol=1e-5)


def test_a_distiller_watches_and_delays_them_too(batch):
    soft = np.array(targets(batch[0]))
    x = np.random.default_rng(0).normal(size=(2, 6, FEATURES)).astype("float32")
    student = dnn_student(FEATURES, CLASSES, context=(1, 1), units=(8,))
    distiller = Distiller(None, student, teacher_delay=2)
    distiller.compile(run_eagerly=True)
    logs = distiller.evaluate(x, soft, verbose=0, return_dict=True)
    p, log_q = smeared64(batch[0], KEPT), log_softmax64(student(x))
    kl = np.sum(p[:, 2:] * (np.log(p[:, 2:]) - log_q[:, :-2]), -1).mean()
    np.testing.assert_allclose(logs["kl"], kl, rtol=1e-5)
    soft[1, 3, 0, 2] = np.nan
    with pytest.raises(ValueError, match="not a number in batch 0, utterance 1"):
        distiller.evaluate(x, soft, verbose=0)


def test_targets_of_another_shape_are_refused(batch):
    student = dnn_student(FEATURES, CLASSES, context=(1, 1), units=(8,))
    distiller = Distiller(None, student)
    distiller.compile()
    x = np.ones((2, 6, FEATURES), "float32")
    for shape in ((2, 6, 3, 6), (2, 6, 2, CLASSES + 1)):
        with pytest.raises(ValueError) as error:
            distiller.fit(x, np.zeros(shape, "float32"), verbose=0)
        assert str(error.value) == (
            "Invalid top-k targets. Expected the shape (batch, frames, 2, k + 1) with "
            f"k below the 30 classes of the student. Received: {shape}"
        )
    for k in (0, CLASSES, 2.0):
        with pytest.raises(ValueError) as error:
            top_k_targets(np.zeros((1, CLASSES)), k)
        assert str(error.value) == (
            "Invalid value for `k`. Expected an integer from 1 to 29. "
            f"Received: k={k!r}"
        )
