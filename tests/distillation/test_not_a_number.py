import gc

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import Distiller, dnn_student, rnn_teacher
from keras_rnn2dnn.distillation.not_a_number import NaNWatch, finite

CLASSES = 5


@pytest.fixture(autouse=True)
def collected():
    """Frees the data of stopped trainings; the older, the longer TensorFlow waits."""
    yield
    gc.collect()


def student():
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dense(CLASSES)]
    return keras.Sequential([keras.Input((None, 4)), *layers])


def features(batch=3, frames=9):
    return np.random.default_rng(0).normal(size=(batch, frames, 4)).astype("float32")


def targets(nan_in=None):
    soft = np.zeros((3, 9, CLASSES), "float32")
    soft[..., 0] = 1.5
    if nan_in is not None:
        soft[nan_in, 4, 2] = np.nan
    return soft


def batches(*structures):
    return tf.data.Dataset.from_tensor_slices(
        tf.nest.map_structure(lambda *arrays: np.stack(arrays), *structures)
    )


def stopped(distiller, data, **options):
    """Returns the error text of `fit`, and sees to it that no weight is NaN."""
    distiller.compile(**options)
    with pytest.raises(ValueError) as error:
        distiller.fit(data, shuffle=False, verbose=0)
    assert int(distiller.optimizer.iterations) > 0
    assert all(np.isfinite(w).all() for w in distiller.student.get_weights())
    assert all(np.isfinite(v).all() for v in distiller.optimizer.variables)
    return str(error.value)


def test_a_teacher_that_gives_nan_in_the_first_batch():
    distiller = Distiller(None, student())
    distiller.compile()
    with pytest.raises(ValueError) as error:
        distiller.fit(features(), targets(nan_in=1), verbose=0)
    assert int(distiller.optimizer.iterations) == 0
    assert str(error.value) == (
        "The teacher's output is not a number in batch 0, utterance 1. Expected "
        "finite logits or probabilities. Check the features of that utterance and "
        "the teacher's weights"
    )


@pytest.mark.parametrize(
    "options", [{}, {"jit_compile": True}, {"steps_per_execution": 2}]
)
def test_a_teacher_that_gives_nan_later(options):
    good = (features(), targets())
    data = batches(good, good, (features(), targets(nan_in=2)), good)
    text = stopped(Distiller(None, student()), data, **options)
    assert "The teacher's output is not a number in batch 2, utterance 2." in text


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_of_both_models_that_are_not_a_number(value):
    bad = features()
    bad[1, 4, 0] = value
    distiller = Distiller(rnn_teacher(4, CLASSES, units=(6,)), student())
    # An LSTM saturates at an infinite feature; the student does not.
    role = "teacher's output" if np.isnan(value) else "student's input"
    text = stopped(distiller, batches(features(), bad))
    assert f"The {role} is not a number in batch 1, utterance 1." in text


def test_features_of_the_student_alone_that_are_not_a_number():
    bad = features()
    bad[2, 0, 3] = np.nan
    data = batches(
        *({"teacher": features(), "student": x} for x in (features(), features(), bad))
    )
    distiller = Distiller(student(), student())
    assert stopped(distiller, data) == (
        "The student's input is not a number in batch 2, utterance 2. Expected finite "
        "features. Check the features of that utterance"
    )


def test_evaluate_names_the_utterance_too():
    distiller = Distiller(None, student())
    distiller.compile(run_eagerly=True)
    data = batches((features(), targets()), (features(), targets(nan_in=0)))
    with pytest.raises(ValueError, match="not a number in batch 1, utterance 0"):
        distiller.evaluate(data, verbose=0)
    # It is forgotten afterwards.
    distiller.evaluate(features(), targets(), verbose=0)


def test_validation_data_are_watched_within_fit():
    distiller = Distiller(None, student())
    distiller.compile()
    with pytest.raises(ValueError, match="not a number in batch 0, utterance 1"):
        distiller.fit(
            *(features(), targets(), 3, 1, 0),
            callbacks=keras.callbacks.TerminateOnNaN(),
            validation_data=(features(), targets(nan_in=1)),
        )


def test_what_does_not_count_does_no_harm():
    weights = np.ones((3, 9))
    weights[1, 4] = weights[2] = 0.0
    x = features()
    x[2, 3, 1] = np.nan  # of an utterance without weight
    distiller = Distiller(None, dnn_student(4, CLASSES, context=(1, 1), units=(8,)))
    distiller.compile(run_eagerly=True)
    history = distiller.fit(x, targets(1), sample_weight=weights, verbose=0).history
    assert np.isfinite(history["kl"][0])
    assert all(np.isfinite(w).all() for w in distiller.student.get_weights())


def test_large_numbers_of_float16_are_numbers():
    x = np.full((2, 9, 4), 20_000, "float16")
    soft = np.full((2, 9, CLASSES), 30_000, "float16")
    watch = NaNWatch()
    bad = watch.observe(tf.constant(soft), np.ones((2, 9)), tf.constant(x))
    assert watch.message() is None and not bad.numpy().any()
    np.testing.assert_array_equal(finite(tf.constant(x)), x)


@pytest.mark.parametrize("bad", [[2], [0, 1, 2, 3]])
def test_a_student_that_masks_does_not_hide_an_utterance_of_nan(bad):
    x = np.random.default_rng(0).normal(size=(4, 6, 3)).astype("float32")
    x[bad] = np.nan
    teacher = keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(2)])
    distiller = Distiller(teacher, dnn_student(3, 2, (1, 1), (4,)))
    distiller.compile("sgd")
    with pytest.raises(ValueError, match=f"batch 0, utterance {bad[0]}"):
        distiller.fit(x, batch_size=4, shuffle=False, verbose=0)


class Batches(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def weights(bad=None, value=np.nan):
    given = np.ones((3, 9), "float32")
    if bad is not None:
        given[bad] = value
    return given


IN_WEIGHTS = (
    "The `sample_weight` is not a number >= 0 in batch {}, utterance {}, frame {}. "
    "Expected finite weights. Check the weights of that utterance"
)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", ["arrays", "dataset", "pydataset"])
def test_weights_that_are_no_number_in_the_first_batch(kind, value):
    distiller = Distiller(None, student())
    distiller.compile("sgd", run_eagerly=kind != "arrays")
    before = distiller.student.get_weights()
    batch = features(), targets(), weights((1, 4), value)
    given, options = {
        "arrays": (batch[:2], {"sample_weight": batch[2]}),
        "dataset": ((batches(batch),), {}),
        "pydataset": ((Batches([batch]),), {}),
    }[kind]
    with pytest.raises(ValueError) as error:
        distiller.fit(*given, verbose=0, **options)
    assert str(error.value) == IN_WEIGHTS.format(0, 1, 4)
    with pytest.raises(ValueError) as error:
        distiller.evaluate(*given, verbose=0, **options)
    assert str(error.value) == IN_WEIGHTS.format(0, 1, 4)
    for left, right in zip(before, distiller.student.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_weights_that_are_no_number_later_do_not_change_the_weights(value):
    good, seen = (features(), targets(), weights()), []

    class Remember(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            seen.append(self.model.student.get_weights())

    data = Batches([good, good, (*good[:2], weights((2, 7), value))])
    distiller = Distiller(None, student())
    distiller.compile("adam", run_eagerly=value < 0)
    with pytest.raises(ValueError) as error:
        distiller.fit(data, shuffle=False, verbose=0, callbacks=Remember())
    assert str(error.value) == IN_WEIGHTS.format(2, 2, 7)
    assert int(distiller.optimizer.iterations) == 2
    for left, right in zip(seen[2], distiller.student.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("validation", [tuple, list])
def test_weights_of_validation_data_that_are_no_number(validation):
    distiller = Distiller(None, student())
    distiller.compile(run_eagerly=validation is list)
    bad = validation([features(), targets(), weights((0, 3))])
    with pytest.raises(ValueError, match="`sample_weight` .* utterance 0, frame 3"):
        distiller.fit(features(), targets(), verbose=0, validation_data=bad)


def labelled(loss, run_eagerly=False):
    distiller = Distiller(None, student(), student_loss_weight=0.5)
    distiller.compile("sgd", loss=loss, run_eagerly=run_eagerly)
    return distiller


def of_labels(labels):
    return {"soft": targets(), "labels": labels}


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("value", [np.nan, 7.0, -1.0])
def test_labels_that_are_no_class(value, later):
    labels = np.zeros((3, 9), "float32")
    bad = labels.copy()
    bad[1, 6] = value
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller = labelled(loss, run_eagerly=value < 0)
    before = distiller.student.get_weights()
    data = [(features(), of_labels(labels))] * later + [(features(), of_labels(bad))]
    with pytest.raises(ValueError) as error:
        distiller.fit(Batches(data), shuffle=False, verbose=0)
    assert str(error.value) == (
        f"The hard loss is not a number in batch {int(later)}, utterance 1, frame 6. "
        "Expected labels that are numbers, and classes which the student has. Check "
        "the labels of that utterance"
    )
    assert all(np.isfinite(w).all() for w in distiller.student.get_weights())
    if not later:
        for left, right in zip(before, distiller.student.get_weights(), strict=True):
            np.testing.assert_array_equal(left, right)


def test_labels_of_padding_may_be_anything():
    labels = np.zeros((3, 9, CLASSES), "float32")
    labels[..., 0] = 1
    labels[1, 5:] = np.nan
    mask = weights((1, slice(5, None)), 0.0)
    distiller = labelled(keras.losses.CategoricalCrossentropy(from_logits=True))
    history = distiller.fit(
        features(), of_labels(labels), sample_weight=mask, verbose=0
    ).history
    assert np.isfinite(history["hard_loss"][0])
    assert all(np.isfinite(w).all() for w in distiller.student.get_weights())
    with pytest.raises(ValueError, match="hard loss .* utterance 1, frame 5"):
        distiller.fit(features(), of_labels(labels), verbose=0)
