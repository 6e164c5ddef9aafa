"""Stores of teachers with one output for each utterance."""

import keras
import numpy as np
import pytest
from helpers.stores import log_softmax64

from keras_rnn2dnn import Distiller, SoftAlignments

FRAMES, FEATURES = 9, 4
X = np.random.default_rng(0).normal(size=(10, FRAMES, FEATURES)).astype("float32")
LABELS = np.arange(10) % 3


def teacher(classes):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((None, FEATURES)),
            keras.layers.Bidirectional(keras.layers.GRU(4)),
            keras.layers.Dense(classes),
        ]
    )


def student(classes):
    keras.utils.set_random_seed(2)
    return keras.Sequential(
        [
            keras.Input((FRAMES, FEATURES)),
            keras.layers.Flatten(),
            keras.layers.Dense(classes),
        ]
    )


@pytest.mark.parametrize("classes", [12, 201])
def test_a_student_learns_from_the_store_as_from_the_teacher(tmp_path, classes):
    model = teacher(classes)
    store = SoftAlignments.write(tmp_path / "a", model, (X, LABELS), top_k=None)
    assert (store.num_utterances, store.num_frames) == (10, 10)
    assert store.top_k == (None if classes == 12 else 20)
    (x, y, weights), *_ = store.dataset(10, labels=True)
    kept = (10, classes) if classes == 12 else (10, 2, 21)
    assert x.shape == X.shape and y["soft"].shape == kept
    assert y["labels"].numpy().tolist() == LABELS.tolist()
    assert weights.numpy().tolist() == [1.0] * 10
    if classes == 12:
        expected = log_softmax64(np.asarray(model(X)))
        np.testing.assert_allclose(y["soft"], expected, atol=2e-3)  # of float16
    found = []
    for trained, data in ((None, store.dataset(5)), (model, X)):
        distiller = Distiller(trained, student(classes))
        distiller.compile("sgd")
        found.append(distiller.evaluate(data, verbose=0, return_dict=True)["kl"])
    # Beyond the best 20 the mass counts as even: less KL, but little here.
    assert found[0] == pytest.approx(found[1], rel=2e-3 if classes == 12 else 0.2)


def test_clips_of_other_lengths_and_weights_of_utterances(tmp_path):
    model = teacher(5)
    clips = [clip[: 5 + n % 3] for n, clip in enumerate(X)]
    weights = [np.array([n % 2 + 0.5], "float32") for n in range(10)]
    batches = [(c[None], np.array([0]), w) for c, w in zip(clips, weights, strict=True)]
    store = SoftAlignments.write(tmp_path / "a", model, iter(batches))
    for clip, weight, found in zip(clips, weights, store.utterances(), strict=True):
        expected = log_softmax64(np.asarray(model(clip[None])))
        np.testing.assert_allclose(found.soft, expected, atol=2e-3)
        assert found.weights.tolist() == weight.tolist()
        assert len(found.features) == len(clip)
