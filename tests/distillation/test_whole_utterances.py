"""Teachers and students with one output for each utterance: classifiers of keywords."""

import keras
import numpy as np
import pytest
from helpers.stores import log_softmax64

from keras_rnn2dnn import Distiller, KLCallback, SoftAlignmentKL
from keras_rnn2dnn.distillation.top_k import top_k_targets

UTTERANCES, FRAMES, FEATURES, CLASSES = 12, 10, 4, 5
RNG = np.random.default_rng(0)
X = RNG.normal(size=(UTTERANCES, FRAMES, FEATURES)).astype("float32")
LABELS = RNG.integers(CLASSES, size=UTTERANCES)
WEIGHTS = np.array([0.0, 2.0, 0.5] * 4, "float32")


def teacher(seed=1, frames=False):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((None, FEATURES)),
            keras.layers.GRU(6, return_sequences=frames),
            keras.layers.Dense(
                CLASSES, kernel_initializer=keras.initializers.Orthogonal(4)
            ),
        ]
    )


def student(seed=2):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((FRAMES, FEATURES)),
            keras.layers.Reshape((FRAMES, FEATURES, 1)),
            keras.layers.Conv2D(3, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(CLASSES),
        ]
    )


def kl64(soft, logits):
    log_p, log_q = log_softmax64(soft), log_softmax64(logits)
    return np.sum(np.exp(log_p) * (log_p - log_q), axis=-1)


def mean64(values, weights=WEIGHTS):
    return np.sum(values * weights) / np.sum(weights)


def evaluated(distiller, *data):
    distiller.compile("sgd", run_eagerly=True)
    return distiller.evaluate(*data, batch_size=5, verbose=0, return_dict=True)


@pytest.mark.parametrize("one_hot", [False, True])
def test_what_is_measured_are_means_over_utterances_by_weight(one_hot):
    distiller = Distiller(teacher(), student(), student_loss_weight=0.25)
    labels, loss = LABELS, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if one_hot:
        labels = np.eye(CLASSES, dtype="float32")[LABELS]
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    soft, logits = np.asarray(teacher()(X)), np.asarray(student()(X))
    kl = mean64(kl64(soft, logits))
    hard = mean64(-log_softmax64(logits)[np.arange(UTTERANCES), LABELS])
    same = mean64(soft.argmax(-1) == logits.argmax(-1))
    distiller.compile("sgd", loss=loss, run_eagerly=one_hot)
    found = distiller.evaluate(
        X, labels, batch_size=5, sample_weight=WEIGHTS, verbose=0, return_dict=True
    )
    expected = {
        "kl": kl,
        "hard_loss": hard,
        "agreement": same,
        "loss": 0.75 * kl + 0.25 * hard,
    }
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_step_is_that_of_the_gradient_in_float64():
    model = keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(CLASSES)])
    kernel = model.layers[0].kernel.numpy().astype("float64")
    x, soft = X[:, 0], 3 * RNG.normal(size=(UTTERANCES, CLASSES))
    distiller = Distiller(None, model)
    distiller.compile(keras.optimizers.SGD(1.0))
    distiller.fit(x, soft, sample_weight=WEIGHTS, batch_size=UTTERANCES, verbose=0)
    p, q = np.exp(log_softmax64(soft)), np.exp(log_softmax64(x @ kernel))
    change = x.T @ ((q - p) * WEIGHTS[:, None]) / WEIGHTS.sum()
    np.testing.assert_allclose(
        model.layers[0].kernel.numpy(), kernel - change, rtol=1e-4, atol=1e-6
    )


def test_metrics_of_labels_and_the_callback_see_utterances():
    distiller = Distiller(teacher(), student(), student_loss_weight=0.5)
    distiller.compile(
        keras.optimizers.SGD(0.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    callback = KLCallback((X, None, WEIGHTS))
    history = distiller.fit(X, LABELS, callbacks=[callback], verbose=0).history
    soft, logits = np.asarray(teacher()(X)), np.asarray(student()(X))
    assert history["accuracy"][0] == pytest.approx(np.mean(logits.argmax(-1) == LABELS))
    assert history["val_kl"][0] == pytest.approx(mean64(kl64(soft, logits)), rel=1e-5)
    assert distiller.predict(X, verbose=0).shape == (UTTERANCES, CLASSES)


def test_an_ensemble_teaches_its_mean_posterior():
    members = [teacher(1), teacher(3)]
    found = evaluated(Distiller(members, student(), teacher_weights=[3, 1]), X)
    p = [np.exp(log_softmax64(np.asarray(member(X)))) for member in members]
    mean = np.log(0.75 * p[0] + 0.25 * p[1])
    expected = np.mean(kl64(mean, np.asarray(student()(X))))
    assert found["kl"] == pytest.approx(expected, rel=1e-5)


def test_targets_of_the_best_classes_lose_nothing_where_the_others_are_even():
    soft = np.zeros((UTTERANCES, CLASSES), "float32")
    soft[np.arange(UTTERANCES), LABELS] = 3.0
    targets = top_k_targets(log_softmax64(soft), 2).numpy()
    assert targets.shape == (UTTERANCES, 2, 3)
    expected = kl64(soft, np.asarray(student()(X)))
    found = evaluated(Distiller(None, student()), X, targets)
    assert found["kl"] == pytest.approx(np.mean(expected), rel=1e-5)
    logits = np.asarray(student()(X))
    for given in (soft, targets):
        values = SoftAlignmentKL().call(given, logits)
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6)


def test_frames_teach_an_utterance_by_their_mean_where_that_is_asked_for():
    framewise = teacher(frames=True)
    with pytest.raises(ValueError) as error:
        evaluated(Distiller(framewise, student()), X)
    assert str(error.value) == (
        "Different kinds of outputs. Expected of the teacher one output for each "
        "utterance, (batch, classes), as the student gives it. Received: (5, 10, 5) "
        "from the teacher, (5, 5) from the student. Pass "
        '`teacher_reduction="mean"`, the mean posterior of the frames, or a teacher '
        "that gives (batch, classes)"
    )
    distiller = Distiller(framewise, student(), teacher_reduction="mean")
    p = np.exp(log_softmax64(np.asarray(framewise(X)))).mean(axis=1)
    expected = np.mean(kl64(np.log(p), np.asarray(student()(X))))
    assert evaluated(distiller, X)["kl"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="Invalid value for `teacher_reduction`"):
        Distiller(framewise, student(), teacher_reduction="max")


def test_padding_that_a_teacher_masks_is_no_part_of_its_mean():
    masked = keras.Sequential([keras.layers.Masking(), *teacher(frames=True).layers])
    x = X.copy()
    x[:, 6:] = 0
    distiller = Distiller(masked, student(), teacher_reduction="mean")
    p = np.exp(log_softmax64(np.asarray(masked(x))))[:, :6].mean(axis=1)
    expected = np.mean(kl64(np.log(p), np.asarray(student()(x))))
    assert evaluated(distiller, x)["kl"] == pytest.approx(expected, rel=1e-5)


def test_a_saved_distiller_goes_on(tmp_path):
    distiller = Distiller(
        teacher(frames=True),
        student(),
        teacher_reduction="mean",
        student_loss_weight=0.5,
    )
    distiller.compile("adam", keras.losses.SparseCategoricalCrossentropy(True))
    distiller.fit(X, LABELS, verbose=0)
    distiller.save(tmp_path / "d.keras")
    loaded = keras.saving.load_model(tmp_path / "d.keras")
    given = {"verbose": 0, "return_dict": True}
    assert loaded.evaluate(X, LABELS, **given) == distiller.evaluate(X, LABELS, **given)


def test_a_label_that_is_no_class_stops_the_training_before_it_begins():
    distiller = Distiller(teacher(), student(), student_loss_weight=0.5)
    distiller.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    labels = np.where(np.arange(UTTERANCES) == 3, CLASSES, LABELS)
    with pytest.raises(ValueError, match="not a number in batch 0, utterance 3"):
        distiller.fit(X, labels, verbose=0)
