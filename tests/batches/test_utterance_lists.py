import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import SoftAlignments, hmm
from keras_rnn2dnn.batches.utterance_lists import (
    input_rank,
    is_list_of_utterances,
    one_by_one,
)

FEATURES, CLASSES = 4, 5
LENGTHS = (7, 3, 12)


def utterances():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, FEATURES)).astype("float32") for n in LENGTHS]


def labels():
    return [np.arange(n) % CLASSES for n in LENGTHS]


@pytest.fixture(scope="module")
def teacher():
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((None, FEATURES)),
        keras.layers.Bidirectional(keras.layers.GRU(3, return_sequences=True)),
        keras.layers.Dense(CLASSES),
    ]
    return keras.Sequential(layers)


def ragged():
    values = tf.concat(utterances(), axis=0)
    return tf.RaggedTensor.from_row_lengths(values, LENGTHS)


def each_alone():
    signature = tf.TensorSpec((None, FEATURES)), tf.TensorSpec((None,), tf.int64)
    return tf.data.Dataset.from_generator(
        lambda: zip(utterances(), labels(), strict=True), output_signature=signature
    )


FORMS = {
    "list": lambda: (utterances(), labels()),
    "tuple": lambda: (tuple(utterances()), {"labels": labels()}),
    "both": lambda: ({"teacher": utterances(), "student": utterances()}, labels()),
    "ragged": lambda: (ragged(), tf.ragged.constant(labels())),
    "unbatched": each_alone,
    "ragged batches": lambda: each_alone().ragged_batch(2),
}


@pytest.mark.parametrize("form", FORMS)
def test_utterances_of_all_forms_are_kept_as_they_are(tmp_path, teacher, form):
    store = SoftAlignments.write(tmp_path / "store", teacher, FORMS[form]())
    found = list(store.utterances())
    assert [len(u.soft) for u in found] == list(LENGTHS)
    for utterance, x, states in zip(found, utterances(), labels(), strict=True):
        np.testing.assert_array_equal(utterance.features, x)
        np.testing.assert_array_equal(utterance.labels, states)
        expected = tf.nn.log_softmax(teacher(x[None])[0])
        np.testing.assert_allclose(utterance.soft, expected, atol=2e-3)  # float16


def test_weights_and_transcripts_of_lists_are_their_own(tmp_path, teacher):
    weights = [np.ones(7), np.array([1.0, 0.5, 1.0]), np.ones(12)]
    extra = {"transcripts": ["a", "b", "c"], "ids": ["u1", "u2", "u3"]}
    data = (utterances(), extra, weights)
    found = list(SoftAlignments.write(tmp_path / "s", teacher, data).utterances())
    assert [(u.name, u.transcript) for u in found] == [
        ("u1", "a"),
        ("u2", "b"),
        ("u3", "c"),
    ]
    np.testing.assert_array_equal(found[1].weights, [1.0, 0.5, 1.0])


def test_a_list_of_inputs_is_no_list_of_utterances():
    inputs = [np.zeros((2, 5, FEATURES)), np.zeros((2, 5, 3))]
    assert not is_list_of_utterances(inputs)
    assert is_list_of_utterances([np.zeros((5, 8, 1)), np.zeros((2, 8, 1))], rank=4)
    assert is_list_of_utterances([np.zeros(800), np.zeros(640)], rank=2)  # of samples


def test_the_rank_of_a_batch_is_that_of_the_features():
    speaker, image = keras.Input((3,)), keras.Input((None, 40, 1))
    outputs = keras.layers.Dense(2)(image)
    assert input_rank(keras.Model([speaker, image], outputs)) == 4
    assert input_rank(None) == 3
    assert (
        input_rank(keras.Sequential([keras.Input((16000,)), keras.layers.ReLU()])) == 2
    )


def test_unlike_numbers_of_entries_are_refused():
    message = (
        "Invalid value for `y and sample_weight`. Expected one entry for each of the 3 "
        r"utterances. Received: y and sample_weight=\[2, None\]"
    )
    with pytest.raises(ValueError, match=message):
        list(one_by_one(utterances(), labels()[:2]))


def test_class_numbers_are_no_transcripts(tmp_path, teacher):
    transform = hmm.constrained(hmm.Topology(("a",), states_per_unit=4))
    data = utterances(), labels()
    message = (
        "Invalid value for `transcripts`. Expected one for each utterance. Received: "
        r'transcripts=None. Give them with the features: \(x, {"transcripts": \["turn'
    )
    with pytest.raises(ValueError, match=message):
        SoftAlignments.write(tmp_path / "a", teacher, data, transform=transform)
    data = utterances(), {"transcripts": labels()}
    message = (
        "Invalid value for `transcripts`. Expected one string for each utterance. "
        r"Received: transcripts=array\(\[0, 1, 2, 3, 4, 0, 1\]\). Decode the numbers "
        'of its characters to text: .x, {"transcripts": '
    )
    with pytest.raises(TypeError, match=message):
        SoftAlignments.write(tmp_path / "b", teacher, data, transform=transform)


def test_the_inputs_of_a_teacher_are_not_the_students_features(tmp_path, teacher):
    x = {"speaker": np.ones((3, 2)), "audio": np.ones((3, 7, FEATURES))}
    message = (
        "Invalid value for `x`. Expected one array as the student's features. "
        r"Received: x=\['audio', 'speaker'\]. Give each model its own"
    )
    with pytest.raises(ValueError, match=message):
        SoftAlignments.write(tmp_path / "store", teacher, x)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_weights_that_are_no_numbers_are_not_stored(tmp_path, teacher, value):
    x, weights = np.ones((3, 7, FEATURES), "float32"), np.ones((3, 7))
    weights[1, 5] = value
    message = (
        "The `sample_weight` is not a number >= 0 in utterance 1, frame 5. Expected "
        f"finite weights. Received: {value}. Check"
    )
    with pytest.raises(RuntimeError, match=message):
        SoftAlignments.write(tmp_path / "store", teacher, (x, None, weights))


def test_features_that_are_no_numbers_are_not_stored(tmp_path, teacher):
    x = np.ones((3, 7, FEATURES), "float32")
    noisy = x.copy()
    noisy[2, 3, 1] = np.nan
    message = "The student's input is not a number in the utterance '2'. Expected"
    with pytest.raises(ValueError, match=message):
        SoftAlignments.write(
            tmp_path / "store", teacher, {"teacher": x, "student": noisy}
        )
