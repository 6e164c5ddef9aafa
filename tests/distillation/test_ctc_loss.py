import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import Distiller, SoftAlignments, dnn_student
from keras_rnn2dnn.ctc import CTCLoss, constrained, ctc_occupancies

CLASSES = 4
LABELS = [[1, 2], [3, 3], [2], [1, 1, 1, 1]]  # the last has too few frames
FRAMES = [6, 4, 2, 5]


def softmax64(z):
    odds = np.exp(np.asarray(z, "float64"))
    return odds / odds.sum(-1, keepdims=True)


def by_enumeration(logits, labels, blank):
    """The CTC loss by all paths that collapse to the labels, in float64."""
    p, total = softmax64(logits), 0.0
    for path in itertools.product(range(CLASSES), repeat=len(p)):
        if [k for k, _ in itertools.groupby(path) if k != blank] == list(labels):
            total += np.prod(p[np.arange(len(p)), path])
    return -np.log(total)


def batch(blank, padding):
    """Logits of 7 frames, and labels that are not the blank, padded."""
    logits = np.random.default_rng(0).normal(size=(4, 7, CLASSES)).astype("float32")
    shift = [k for k in range(CLASSES) if k != blank % CLASSES]
    labels = [[shift[k - 1] for k in row] for row in LABELS]
    padded = np.array([row + [padding] * (5 - len(row)) for row in labels])
    return logits, labels, padded


@pytest.mark.parametrize(("blank", "padding"), [(0, -1), (0, 0), (2, 2), (-1, -1)])
def test_padding_of_labels_and_frames_counts_for_nothing(blank, padding):
    logits, labels, padded = batch(blank, padding)
    loss = CTCLoss(blank)
    values, fits = loss.of_frames(padded, logits, np.array(FRAMES))
    assert fits.numpy().tolist() == [1, 1, 1, 0]
    for row in range(3):
        expected = by_enumeration(
            logits[row, : FRAMES[row]], labels[row], blank % CLASSES
        )
        np.testing.assert_allclose(values[row], expected, rtol=1e-5)
    assert float(values[3]) == 0.0
    every = loss.call(padded, logits)
    expected = by_enumeration(logits[1], labels[1], blank % CLASSES)
    np.testing.assert_allclose(every[1], expected, rtol=1e-5)


def test_its_gradient_is_the_posterior_less_the_occupancy():
    logits, labels, padded = batch(-1, -1)
    z = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(z)
        total = tf.reduce_sum(CTCLoss(-1).of_frames(padded, z, np.array(FRAMES))[0])
    gradient = tape.gradient(total, z).numpy()
    for row, frames in enumerate(FRAMES[:3]):
        cut = logits[row, :frames]
        occupancy = ctc_occupancies([cut], [labels[row]], blank=-1)[0]
        expected = softmax64(cut) - occupancy
        np.testing.assert_allclose(gradient[row, :frames], expected, atol=1e-5)
        np.testing.assert_array_equal(gradient[row, frames:], 0)
    np.testing.assert_array_equal(gradient[3], 0)


def test_it_is_the_loss_of_keras_where_nothing_is_padded():
    logits, _, padded = batch(0, 0)
    ours = CTCLoss()(padded[:3, :2], logits[:3])
    np.testing.assert_allclose(ours, keras.losses.CTC()(padded[:3, :2], logits[:3]))
    loss = CTCLoss(blank=3, name="hard")
    copy = keras.losses.deserialize(keras.losses.serialize(loss))
    assert (copy.blank, copy.name) == (3, "hard")
    with pytest.raises(ValueError, match="`blank`. Expected the index of a class"):
        CTCLoss(blank="last")


def data():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4, 12, 3)).astype("float32")
    frames = 2 * np.array(FRAMES)
    weights = (np.arange(12) < frames[:, None]).astype("float32")
    return x * weights[..., None], frames


@pytest.mark.parametrize("loss", [keras.losses.CTC(), "ctc", CTCLoss()])
def test_a_distiller_mixes_it_with_the_divergence_and_leaves_padding_out(loss):
    x, frames = data()
    student = dnn_student(3, CLASSES, (1, 1), (8, 8), stride=2)
    soft = np.random.default_rng(2).normal(size=(4, 6, CLASSES)).astype("float32")
    weights = (np.arange(6) < frames[:, None] // 2).astype("float32")
    labels = np.array([row + [0] * (5 - len(row)) for row in LABELS])
    distiller = Distiller(None, student, student_loss_weight=0.25)
    distiller.compile(loss=loss, run_eagerly=not isinstance(loss, CTCLoss))
    y = {"soft": soft, "labels": labels}
    logs = distiller.evaluate(x, y, sample_weight=weights, verbose=0, return_dict=True)
    z = np.array(student(x))
    hard = [by_enumeration(z[n, : FRAMES[n]], LABELS[n], 0) for n in range(3)]
    np.testing.assert_allclose(logs["hard_loss"], np.mean(hard), rtol=1e-5)
    expected = 0.75 * logs["kl"] + 0.25 * np.mean(hard)
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)
    distiller.fit(x, y, sample_weight=weights, epochs=2, verbose=0)
    assert all(np.isfinite(w).all() for w in student.get_weights())


@pytest.mark.parametrize("factor", [pytest.param(2, marks=pytest.mark.slow), 4])
def test_a_subsampling_teacher_and_labels_come_from_a_store(tmp_path, factor):
    x, _ = data()
    x = np.concatenate([x, x, x], axis=1)
    lengths = [36, 33, 34, 31]
    for row, length in zip(x, lengths, strict=True):
        row[length:] = 0
        row[:length] += 0.01
    teacher = keras.Sequential(
        [
            keras.Input((None, 3)),
            keras.layers.Conv1D(8, 5, strides=2, padding="same", activation="relu"),
            keras.layers.Conv1D(8, 3, strides=factor // 2, padding="same"),
            keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True)),
            keras.layers.Dense(CLASSES),
        ]
    )
    texts = ["ab", "c", "ba", "cb"]
    numbers = ["abc".index for _ in texts]
    labels = np.array(
        [
            [n(c) for c in t] + [-1] * (2 - len(t))
            for n, t in zip(numbers, texts, strict=True)
        ]
    )
    transform = constrained(lambda text: ["abc".index(c) for c in text], -1, 0.5)
    store = SoftAlignments.write(
        tmp_path / "store",
        teacher,
        (x, {"transcripts": texts, "labels": labels}),
        transform=transform,
    )
    for utterance, length in zip(store.utterances(), lengths, strict=True):
        assert utterance.soft.shape == (-(-length // factor), CLASSES)
    ((_, y, _),) = store.dataset(batch_size=4, buckets=1, labels=True)
    assert sorted(y["labels"].numpy().tolist()) == sorted(labels.tolist())
    student = dnn_student(3, CLASSES, (2, 2), (8, 8), stride=factor)
    distiller = Distiller(None, student, student_loss_weight=0.01, teacher_delay=1)
    eager = factor == 4
    distiller.compile("adam", loss=CTCLoss(blank=-1), run_eagerly=eager)
    train = store.dataset(batch_size=2, buckets=1, labels=True)
    logs = distiller.fit(train, epochs=3, verbose=0).history
    assert logs["loss"][-1] < logs["loss"][0]
    together = Distiller(teacher, student)
    together.compile("adam", run_eagerly=eager)
    assert "kl" in together.fit(x, epochs=1, verbose=0).history
    with pytest.raises(ValueError, match="Different numbers of frames"):
        Distiller(teacher, dnn_student(3, CLASSES, units=(4,))).fit(x, verbose=0)


@pytest.mark.parametrize("blank", [3, 28, -4])
def test_a_blank_that_is_no_class_is_refused(blank):
    with pytest.raises(ValueError, match="`blank`. Expected the index of one of the 3"):
        CTCLoss(blank).call(np.array([[1]]), np.zeros((1, 4, 3), "float32"))


def test_a_label_that_is_no_class_is_refused_before_the_training():
    student = keras.Sequential([keras.Input((None, 2)), keras.layers.Dense(3)])
    distiller = Distiller(None, student, student_loss_weight=0.5)
    distiller.compile("sgd", loss=CTCLoss())
    y = {"soft": np.zeros((1, 4, 3), "float32"), "labels": np.array([[1, 3]])}
    with pytest.raises(ValueError, match="`labels`. Expected classes below 3"):
        distiller.fit(tf.data.Dataset.from_tensors((np.ones((1, 4, 2)), y)), verbose=0)


def test_transcripts_that_are_all_empty():
    logits = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    found = CTCLoss().call(np.zeros((2, 0), int), logits)
    log_p = logits - np.logaddexp.reduce(logits.astype(float), -1, keepdims=True)
    np.testing.assert_allclose(found, -log_p[..., 0].sum(axis=1), rtol=1e-5)
