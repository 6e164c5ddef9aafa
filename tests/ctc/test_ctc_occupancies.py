import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.plain_models import plain_teacher
from keras import ops

from keras_rnn2dnn import SoftAlignments
from keras_rnn2dnn.ctc import class_log_priors, constrained, ctc_occupancies

CLASSES = 4


def log_softmax64(z):
    z = np.asarray(z, "float64")
    return z - np.log(np.sum(np.exp(z), -1, keepdims=True))


def numbers_of(text):
    return [" abc".index(character) for character in text]


def by_enumeration(scores, labels, blank, scale=1.0):
    """Occupancies by all paths that collapse to the labels, in float64."""
    frames, classes = scores.shape
    total = np.zeros((frames, classes))
    for path in itertools.product(range(classes), repeat=frames):
        merged = [k for k, _ in itertools.groupby(path) if k != blank]
        if merged == list(labels):
            weight = np.exp(scale * scores[np.arange(frames), path].sum())
            total[np.arange(frames), path] += weight
    return total / total.sum(-1, keepdims=True)


@pytest.mark.parametrize("blank", [0, 2, -1])
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_occupancies_are_those_of_all_paths(blank, scale):
    rng = np.random.default_rng(1)
    others = [k for k in range(CLASSES) if k != blank % CLASSES]
    labels = [
        [],
        others[:1],
        [others[0], others[0]],
        others[::-1],
        [others[1], others[2], others[2]],
    ]
    lengths = np.array([2, 5, 3, 3, 6])
    scores = 2 * rng.normal(size=(5, 6, CLASSES)).astype("float32")
    result = ctc_occupancies(scores, labels, lengths, blank=blank, scale=scale)
    for row, length in enumerate(lengths):
        expected = by_enumeration(
            scores[row, :length].astype("float64"), labels[row], blank % CLASSES, scale
        )
        np.testing.assert_allclose(result[row, :length], expected, atol=1e-5)
        np.testing.assert_array_equal(
            result[row, length:], np.eye(CLASSES)[[blank] * (6 - length)]
        )
    cut = [s[:n] for s, n in zip(scores, lengths, strict=True)]
    listed = ctc_occupancies(cut, labels, blank=blank, scale=scale)
    for left, right, n in zip(listed, result, lengths, strict=True):
        np.testing.assert_array_equal(left, right[:n])


@pytest.mark.parametrize("prior_scale", [0.0, 0.4, 1.0])
def test_priors_are_taken_off_the_scores_of_all_paths(prior_scale):
    rng = np.random.default_rng(4)
    scores = rng.normal(size=(2, 6, CLASSES)).astype("float32")
    labels, priors = [[1, 3], [2, 2]], np.log([0.7, 0.05, 0.2, 0.05])
    options = {"scale": 0.6, "log_priors": priors, "prior_scale": prior_scale}
    result = ctc_occupancies(scores, labels, **options)
    for row, given, path in zip(result, scores, labels, strict=True):
        expected = by_enumeration(given - prior_scale * priors, path, 0, 0.6)
        np.testing.assert_allclose(row, expected, atol=1e-5)


def test_temperature_and_priors_make_a_spike_last():
    posteriors = np.full((9, 3), [0.97, 0.02, 0.01])
    posteriors[4] = 0.02, 0.97, 0.01
    posteriors[[3, 5]] = 0.80, 0.19, 0.01
    log_p = np.log(posteriors)
    duration = [
        ctc_occupancies([log_p], [[1]], **options)[0][:, 1].sum()
        for options in (
            {},
            {"scale": 0.5},
            {"scale": 0.5, "log_priors": class_log_priors([log_p])},
        )
    ]
    assert 1.0 < duration[0] < duration[1] < duration[2]
    assert duration[2] > 1.9 * duration[0]


def test_the_priors_are_the_mean_posteriors():
    rng = np.random.default_rng(5)
    logits = [rng.normal(size=(n, CLASSES)) for n in (3, 8)]
    expected = np.mean(np.exp(log_softmax64(np.concatenate(logits))), axis=0)
    np.testing.assert_allclose(np.exp(class_log_priors(logits)), expected, rtol=1e-5)
    never = class_log_priors([np.array([[0.0, -np.inf]])])
    np.testing.assert_allclose(never, [0.0, np.log(1e-6)], atol=1e-6)
    with pytest.raises(ValueError, match="Expected at least one frame"):
        class_log_priors([np.zeros((0, 3))])


def test_without_transcripts_the_best_path_gives_the_labels(tmp_path):
    log_p = [np.log(np.eye(CLASSES)[[0, 2, 2, 0, 1]] + 0.1), np.zeros((2, CLASSES))]
    transform = constrained(scale=0.5)
    assert transform.__name__ == "ctc_occupancies(best path, blank=0, scale=0.5)"
    for given, labels, log_soft in zip(
        log_p, ([2, 1], []), transform(log_p, [None, None]), strict=True
    ):
        expected = by_enumeration(given, labels, 0, 0.5)
        np.testing.assert_allclose(np.exp(log_soft), expected, atol=1e-5)


def test_other_priors_are_another_store():
    names = {
        constrained(numbers_of, log_priors=np.log(p), prior_scale=scale).__name__
        for p in ([0.5, 0.5], [0.9, 0.1])
        for scale in (0.5, 1.0)
    }
    assert len(names) == 4


def test_they_are_the_gradient_of_the_ctc_loss_of_keras():
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(3, 20, 6)).astype("float32")
    labels = [[1, 2, 2, 5], [3], [4, 1, 4, 4, 2, 3]]
    padded = np.zeros((3, 6), "int32")
    for row, given in zip(padded, labels, strict=True):
        row[: len(given)] = given
    frames, sizes = np.array([20, 9, 17], "int32"), np.array([4, 1, 6], "int32")
    z = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(z)
        loss = tf.reduce_sum(ops.ctc_loss(padded, z, sizes, frames, mask_index=0))
    gradient = tape.gradient(loss, z).numpy()
    result = ctc_occupancies(logits, labels, frames)
    for row, length in enumerate(frames):
        expected = np.exp(log_softmax64(logits[row])) - gradient[row]
        np.testing.assert_allclose(result[row, :length], expected[:length], atol=1e-4)


def test_a_store_of_them_holds_the_labels_of_the_transcripts(tmp_path):
    x = np.random.default_rng(0).normal(size=(3, 12, 4)).astype("float32")
    teacher = plain_teacher(4, CLASSES)
    texts = ["ab", "c", "aab"]
    transform = constrained(numbers_of, scale=0.5)
    y = {"transcripts": np.array(texts)}
    store = SoftAlignments.write(tmp_path / "a", teacher, (x, y), transform=transform)
    name = "ctc_occupancies(numbers_of, blank=0, scale=0.5)"
    assert store.manifest.settings.transform == name
    for utterance, row in zip(store.utterances(), x, strict=True):
        scores = log_softmax64(teacher(row[None])[0])
        labels = numbers_of(utterance.transcript)
        expected = by_enumeration(scores[:8], labels, 0, 0.5)
        assert np.exp(utterance.soft).shape == (12, CLASSES)
        alone = ctc_occupancies([scores[:8]], [labels], scale=0.5)[0]
        np.testing.assert_allclose(alone, expected, atol=1e-5)
        whole = ctc_occupancies([scores], [labels], scale=0.5)[0]
        np.testing.assert_allclose(np.exp(utterance.soft), whole, atol=2e-3)  # float16
    with pytest.raises(ValueError) as error:
        SoftAlignments.write(tmp_path / "b", teacher, x, transform=transform)
    assert str(error.value) == (
        "In the utterances '0' to '2', numbered from 0: "
        "Invalid value for `transcripts`. Expected one for each utterance. "
        "Received: transcripts=None. Give them with the features: "
        '(x, {"transcripts": ["turn on", ...]})'
    )


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([[1, 1]], {}, "`num_frames[0]`. Expected at least 3 frames in utterance 0"),
        ([[0]], {}, "`labels[0]`. Expected classes from 0 to 3, not the blank 0"),
        ([[4]], {}, "Received: labels[0]=[4]"),
        ([], {}, "`labels`. Expected one sequence for each of the 1 utterances"),
        ([[1]], {"scale": 0}, "`scale`. Expected a number > 0"),
        ([[1]], {"log_priors": [0, 0]}, "`log_priors`. Expected a finite number for"),
        (
            [[1]],
            {"log_priors": [0, -np.inf, 0, 0]},
            "a finite number for each of the 4 classes",
        ),
        (
            [[1]],
            {"log_priors": np.zeros(4), "prior_scale": -1},
            "`prior_scale`. Expected a number >= 0",
        ),
        ([[1]], {"blank": 4}, "`blank`. Expected the index of one of the 4 classes"),
    ],
)
def test_bad_arguments_are_refused(labels, options, message):
    with pytest.raises(ValueError) as error:
        ctc_occupancies(np.zeros((1, 2, CLASSES)), labels, **options)
    assert message in str(error.value)


def test_a_transcript_that_cannot_be_encoded_is_shown():
    transform = constrained(lambda text: [" ab".index(c) for c in text])
    with pytest.raises(ValueError, match="Cannot encode the transcript 'ac'"):
        transform([np.zeros((3, 3))], ["ac"])


def test_a_transcript_too_long_for_its_utterance_is_found_by_its_id(tmp_path):
    teacher = keras.Sequential([keras.Input((None, 2)), keras.layers.Dense(3)])
    y = {"transcripts": ["ab", "ababa"], "ids": ["ann-1", "ann-2"]}
    transform = constrained(lambda text: [" ab".index(c) for c in text])
    expected = "'ann-1' to 'ann-2', numbered from 0: .*at least 5 frames in utterance 1"
    with pytest.raises(ValueError, match=expected):
        x = np.ones((2, 4, 2), "float32")
        SoftAlignments.write(tmp_path / "store", teacher, (x, y), transform=transform)


def test_priors_of_probabilities_are_refused():
    with pytest.raises(ValueError, match="Expected logits or log-posteriors"):
        class_log_priors([np.full((3, 4), 0.25)])


@pytest.mark.parametrize("labels", [{0: [1]}, {1}, None])
def test_labels_of_another_kind_are_refused(labels):
    with pytest.raises(TypeError, match="`labels`. Expected a sequence of utterances"):
        ctc_occupancies(np.zeros((1, 3, 2)), labels)
