"""A teacher that gives an output for every fourth frame, and padded batches."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import Distiller, SoftAlignments, dnn_student

FRAMES, CLASSES = (40, 33, 22, 17), 5
OUTPUTS = [-(-frames // 4) for frames in FRAMES]


def strided_teacher():
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((None, 6)),
        keras.layers.Conv1D(8, 5, strides=4, padding="same"),
        keras.layers.Dense(CLASSES),
    ]
    return keras.Sequential(layers)


def padded():
    x = np.random.default_rng(0).normal(size=(4, 40, 6)).astype("float32")
    for row, frames in zip(x, FRAMES, strict=True):
        row[frames:] = 0
    return x


def counting(lengths, longest):
    return (np.arange(longest) < np.array(lengths)[:, None]).astype("float32")


WEIGHTS = {
    "of the inputs": counting(FRAMES, 40),
    "of the outputs": counting(OUTPUTS, 10),
    "of the outputs, some smaller": counting(OUTPUTS, 10)
    * np.random.default_rng(1).uniform(0.1, 1, (4, 10)).astype("float32"),
    "of the utterances": np.full(4, 0.5, "float32"),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_no_frame_is_lost_and_weights_are_those_of_the_outputs(kind, tmp_path):
    x, weights = padded(), WEIGHTS[kind]
    labels = np.tile(np.arange(10) % CLASSES, (4, 1))
    at_outputs = weights.shape == (4, 10)
    data = x, labels if at_outputs else None, weights
    store = SoftAlignments.write(tmp_path / "store", strided_teacher(), data)
    found = list(store.utterances())
    assert [len(u.features) for u in found] == list(FRAMES)
    assert [len(u.soft) for u in found] == OUTPUTS
    for row, (utterance, outputs) in enumerate(zip(found, OUTPUTS, strict=True)):
        expected = np.ones(outputs)
        if at_outputs:
            expected = weights[row, :outputs]
            np.testing.assert_array_equal(utterance.labels, labels[row, :outputs])
        elif weights.ndim == 1:
            expected = np.full(outputs, 0.5)
        np.testing.assert_allclose(utterance.weights, expected, rtol=1e-6)


def test_weights_of_the_inputs_that_are_no_mask_are_refused(tmp_path):
    data = padded(), None, 0.5 * WEIGHTS["of the inputs"]
    with pytest.raises(ValueError, match="utterance '0'. Expected 10 weights, as many"):
        SoftAlignments.write(tmp_path / "store", strided_teacher(), data)


def test_a_student_learns_hard_labels_of_the_outputs(tmp_path):
    labels = np.tile(np.arange(10) % CLASSES, (4, 1))
    data = padded(), labels, WEIGHTS["of the outputs"]
    store = SoftAlignments.write(tmp_path / "store", strided_teacher(), data)
    student = dnn_student(6, CLASSES, (2, 2), (8,), stride=4)
    distiller = Distiller(None, student, student_loss_weight=0.5)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile("adam", loss=loss, run_eagerly=True)
    history = distiller.fit(store.dataset(2, labels=True), epochs=1, verbose=0).history
    assert np.isfinite(history["hard_loss"]).all()
    # Without weights the store cannot know that labels are padded.
    data = padded(), labels
    store = SoftAlignments.write(tmp_path / "longer", strided_teacher(), data)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="a label for each frame of the output"
    ):
        distiller.fit(store.dataset(1, labels=True), epochs=1, verbose=0)


def test_pooling_that_loses_a_frame_is_named_whatever_batch_it_is_in():
    layers = [keras.Input((None, 6)), keras.layers.MaxPooling1D(2)]
    teacher = keras.Sequential([*layers, keras.layers.Dense(CLASSES)])
    distiller = Distiller(teacher, dnn_student(6, CLASSES, (1, 1), (4,), stride=2))
    distiller.compile("adam")
    batches = [(padded(),), (padded()[:, :39],)]
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="with strides use the padding"
    ):
        distiller.fit(iter(batches), epochs=1, verbose=0, shuffle=False)
