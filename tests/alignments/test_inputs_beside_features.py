"""What a teacher is told of an utterance once, beside the features of its frames."""

import keras
import numpy as np
import pytest
from helpers.stores import FEATURES, padded

from keras_rnn2dnn import Distiller, SoftAlignments

CLASSES, SPEAKERS, LENGTHS = 5, 9, (6, 4, 6, 3)
NUMBERS = np.array([0, 3, 0, 8], "int32")
VECTORS = np.eye(4, 6, dtype="float32")[::-1]  # as wide as the longest is long
GIVEN = {
    "numbers": ((), NUMBERS),
    "columns": ((1,), NUMBERS[:, None]),
    "numbers for columns": ((1,), NUMBERS),
    "vectors": ((6,), VECTORS),
}


def teacher(shape, frames=None):
    x = keras.Input((frames, FEATURES), name="features")
    speaker = keras.Input(shape, name="speaker")
    if shape == (6,):
        own = keras.layers.Dense(CLASSES)(speaker)
    else:
        own = keras.layers.Embedding(SPEAKERS, CLASSES, "normal")(speaker)
    own = keras.layers.Reshape((1, CLASSES))(own)
    return keras.Model(
        {"features": x, "speaker": speaker}, keras.layers.Dense(CLASSES)(x) + own
    )


class OfLists(keras.Model):
    """Does not show its inputs before it is called."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(CLASSES)
        self.own = keras.layers.Embedding(SPEAKERS, CLASSES, "normal")

    def call(self, inputs):
        x, speaker = inputs
        return self.dense(x) + self.own(keras.ops.reshape(speaker, (-1, 1)))


def assert_heard(store, model, inputs, x):
    """Every utterance has the posteriors which the model gives it in its batch."""
    expected = np.asarray(keras.ops.log_softmax(model(inputs)))
    found = list(store.utterances())
    for number, (utterance, frames) in enumerate(zip(found, LENGTHS, strict=True)):
        np.testing.assert_array_equal(utterance.features, x[number, :frames])
        np.testing.assert_allclose(
            utterance.soft, expected[number, :frames], rtol=1e-3, atol=1e-3
        )


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("form", GIVEN)
def test_what_an_utterance_has_once_goes_with_it(tmp_path, form, weighted):
    shape, given = GIVEN[form]
    x, model = padded(LENGTHS), teacher(shape)
    inputs = {"features": x, "speaker": given}
    data = {"teacher": inputs, "student": x}
    weights = np.array([[t < n for t in range(6)] for n in LENGTHS], "float32")
    store = SoftAlignments.write(
        tmp_path / "a", model, (data, None, weights) if weighted else data
    )
    assert_heard(store, model, inputs, x)


def test_distiller_and_store_hear_the_same(tmp_path):
    x, model = padded(LENGTHS), OfLists()
    inputs = [x, NUMBERS]
    data = {"teacher": inputs, "student": x}
    store = SoftAlignments.write(tmp_path / "a", model, data)
    assert_heard(store, model, inputs, x)
    student = keras.Sequential([keras.Input((None, FEATURES))])
    student.add(keras.layers.Dense(CLASSES))
    weights = np.array([[t < n for t in range(6)] for n in LENGTHS], "float32")
    kl = []
    for distiller, given in (
        (Distiller(model, student), (data, None, weights)),
        (Distiller(None, student), (store.dataset(),)),
    ):
        distiller.compile(keras.optimizers.SGD(0.0))
        x, y, w = (*given, None, None)[:3]
        logs = distiller.evaluate(x, y, sample_weight=w, verbose=0, return_dict=True)
        kl.append(logs["kl"])
    assert kl[0] > 0.1 and kl[1] == pytest.approx(kl[0], rel=1e-2)


def test_other_speakers_are_other_data(tmp_path):
    x, model = padded(LENGTHS), teacher(())
    data = {"teacher": {"features": x, "speaker": NUMBERS}, "student": x}
    SoftAlignments.write(tmp_path / "a", model, data)
    data["teacher"]["speaker"] = NUMBERS + 1
    with pytest.raises(ValueError, match=r"against here\) in: the teacher's features"):
        SoftAlignments.write(tmp_path / "a", model, data)


def test_models_of_one_length_hear_it_too(tmp_path):
    x, model = padded(LENGTHS), teacher(())
    fixed = teacher((), frames=8)
    fixed.set_weights(model.get_weights())
    inputs = {"features": x, "speaker": NUMBERS}
    data = {"teacher": inputs, "student": x}
    store = SoftAlignments.write(tmp_path / "a", fixed, data)
    assert_heard(store, model, inputs, x)
