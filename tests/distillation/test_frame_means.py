"""What is logged is the mean over frames, by weight, however they come in batches."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import Distiller, KLCallback, SoftAlignmentKL

FEATURES = 3


def dense(classes=5, **options):
    layers = [keras.Input((None, FEATURES)), keras.layers.Dense(classes, **options)]
    return keras.Sequential(layers)


def log_softmax64(z):
    z = np.asarray(z, "float64")
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def kl64(teacher, student):
    log_p, log_q = log_softmax64(teacher), log_softmax64(student)
    return np.sum(np.exp(log_p) * (log_p - log_q), -1)


def hard64(student, labels):
    return -np.take_along_axis(log_softmax64(student), labels[..., None], -1)[..., 0]


def utterances(classes=5, frames=(10, 1000)):
    """Features, a teacher's logits, labels and weights of two utterances."""
    rng = np.random.default_rng(0)
    return [
        (
            rng.normal(size=(1, n, FEATURES)).astype("float32"),
            (scale * rng.normal(size=(1, n, classes))).astype("float32"),
            rng.integers(classes, size=(1, n)),
            rng.uniform(0.1, 2.0, size=(1, n)).astype("float32"),
        )
        for n, scale in zip(frames, (4.0, 0.5), strict=True)
    ]


def as_dataset(batches):
    spec = keras.tree.map_structure(
        lambda a: tf.TensorSpec((1, None, *a.shape[2:]), a.dtype), batches[0]
    )
    data = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=spec)
    return data.apply(tf.data.experimental.assert_cardinality(len(batches)))


@pytest.mark.parametrize("classes", [5, 201, 3400])
def test_batches_of_different_lengths_count_by_their_frames(classes):
    given = utterances(classes, (10, 200) if classes > 5 else (10, 1000))
    data = as_dataset(
        [(x, {"soft": z, "labels": y}, w) for x, z, y, w in given],
    )
    student = dense(classes, kernel_regularizer=keras.regularizers.L2(0.1))
    distiller = Distiller(None, student, student_loss_weight=0.25)
    hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    sgd = keras.optimizers.SGD(0.0)
    distiller.compile(sgd, loss=hard, run_eagerly=classes == 201)
    outputs = [np.asarray(student(x)) for x, *_ in given]
    weights = np.concatenate([w[0] for *_, w in given]).astype("float64")

    def mean(values):
        return np.average(np.concatenate([v[0] for v in values]), weights=weights)

    expected = {
        "kl": mean(
            [kl64(z, s) for (_, z, _, _), s in zip(given, outputs, strict=True)]
        ),
        "agreement": mean(
            [
                z.argmax(-1) == s.argmax(-1)
                for (_, z, _, _), s in zip(given, outputs, strict=True)
            ]
        ),
        "hard_loss": mean(
            [hard64(s, y) for (_, _, y, _), s in zip(given, outputs, strict=True)]
        ),
    }
    penalty = 0.1 * np.sum(student.get_weights()[0].astype("float64") ** 2)
    expected["loss"] = 0.75 * expected["kl"] + 0.25 * expected["hard_loss"] + penalty
    logs = distiller.evaluate(data, verbose=0, return_dict=True)
    history = distiller.fit(
        data,
        validation_data=data,
        callbacks=[KLCallback(data, prefix="of_")],
        verbose=0,
    ).history
    for name, value in expected.items():
        assert logs[name] == pytest.approx(value, rel=1e-5), name
        assert history[name] == pytest.approx([value], rel=1e-5), name
        assert history[f"val_{name}"] == pytest.approx([value], rel=1e-5), name
    assert history["of_kl"] == pytest.approx([expected["kl"]], rel=1e-5)
    assert history["of_agreement"] == pytest.approx([expected["agreement"]], rel=1e-5)


def test_what_a_subclass_adds_to_the_loss_is_logged():
    class Penalized(Distiller):
        def compute_loss(self, *arguments, **options):
            return super().compute_loss(*arguments, **options) + 0.5

    x = utterances(frames=(10, 20))[0][0]
    distiller = Penalized(dense(), dense())
    distiller.compile(keras.optimizers.SGD(0.0))
    logs = distiller.evaluate(x, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(logs["kl"] + 0.5, rel=1e-6)


@keras.saving.register_keras_serializable(package="tests")
class MaskedDivergence(SoftAlignmentKL):
    def call(self, y_true, y_pred):
        values = super().call(y_true, y_pred)
        values._keras_mask = tf.range(tf.shape(values)[1])[None] < 4
        return values


def masking_function(y_true, y_pred):
    values = keras.losses.sparse_categorical_crossentropy(
        tf.maximum(y_true, 0), y_pred, from_logits=True
    )
    values._keras_mask = y_true != -1
    return values


IGNORING = {
    "ignore_class": keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=-1
    ),
    "function": masking_function,
}


@pytest.mark.parametrize("kind", IGNORING)
@pytest.mark.parametrize("classes", [5, 3400])
def test_frames_that_the_hard_loss_ignores_are_not_in_its_mean(kind, classes):
    x, z, labels, weights = utterances(classes, (60, 3))[0]
    ignored = np.random.default_rng(1).uniform(size=labels.shape) < 0.8
    student = dense(classes)
    distiller = Distiller(None, student, student_loss_weight=1.0)
    sgd = keras.optimizers.SGD(1.0)
    distiller.compile(sgd, loss=IGNORING[kind], run_eagerly=classes == 5)
    values = hard64(np.asarray(student(x)), labels)
    expected = np.average(values[~ignored], weights=weights[~ignored])
    y = {"soft": z, "labels": np.where(ignored, -1, labels)}
    kernel, bias = (w.astype("float64") for w in student.get_weights())
    history = distiller.fit(x, y, sample_weight=weights, verbose=0).history
    assert history["hard_loss"] == pytest.approx([expected], rel=1e-5)
    assert history["loss"] == pytest.approx([expected], rel=1e-5)
    # What was minimised is the same mean: the gradient by the bias.
    q = np.exp(log_softmax64(x.astype("float64") @ kernel + bias))
    gradient = (q - np.eye(classes)[labels]) * (weights * ~ignored)[..., None]
    gradient = gradient.sum((0, 1)) / np.sum(weights * ~ignored)
    np.testing.assert_allclose(
        student.get_weights()[1], bias - gradient, rtol=1e-4, atol=1e-6
    )


def test_frames_that_the_distillation_loss_ignores_are_not_in_its_mean():
    x, z, _, _ = utterances()[0]
    student = dense()
    distiller = Distiller(None, student, MaskedDivergence())
    distiller.compile(keras.optimizers.SGD(0.0))
    values = kl64(z, np.asarray(student(x)))
    logs = distiller.evaluate(x, z, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(values[:, :4].mean(), rel=1e-5)
    assert logs["kl"] == pytest.approx(values.mean(), rel=1e-5)
