"""Transforms with more classes than are kept whole, of which the best are kept."""

import keras
import numpy as np
import pytest
from helpers.stores import log_softmax64

from keras_rnn2dnn import SoftAlignments, ctc, hmm
from keras_rnn2dnn.alignments import by_transcript, chained, match_priors

LENGTHS, WORDS_AND_STATES = (70, 41), {65: (16, 4), 201: (40, 5), 3400: (309, 11)}


@pytest.fixture(scope="module", params=WORDS_AND_STATES)
def many(request):
    """A teacher of so many classes, and what it gives for two utterances."""
    words, states = WORDS_AND_STATES[request.param]
    topology = hmm.Topology(tuple(f"w{n}" for n in range(words)), states)
    assert topology.num_states == request.param
    keras.utils.set_random_seed(0)
    teacher = keras.Sequential([keras.Input((None, 6)), keras.layers.Dense(200)])
    teacher.add(keras.layers.Dense(request.param))
    x = np.random.default_rng(0).normal(size=(2, 70, 6)).astype("float32")
    x[1, LENGTHS[1] :] = 0
    z = np.asarray(teacher(x))
    log_p = [log_softmax64(z[n, :length]) for n, length in enumerate(LENGTHS)]
    return topology, teacher, x, log_p


def encoded(text):
    return [1 + int(word[1:]) for word in text.split()]


def transforms(topology, log_p):
    priors = np.log(np.full(topology.num_states, 1 / topology.num_states))
    matched = match_priors(log_p, priors, num_iterations=3)
    found = hmm.decoded(hmm.WordLoopDecoder(topology))
    return {
        "hmm": hmm.constrained(topology),
        "ctc": ctc.constrained(encoded),
        "best path": ctc.constrained(),
        "priors": matched,
        "mixed": by_transcript(hmm.constrained(topology), chained(matched, found)),
    }


@pytest.mark.parametrize("kind", ["hmm", "ctc", "best path", "priors", "mixed"])
def test_of_what_a_transform_gives_the_best_classes_are_kept(many, tmp_path, kind):
    topology, teacher, x, log_p = many
    transform = transforms(topology, log_p)[kind]
    texts = ["w3 w14", None if kind in ("mixed", "priors", "best path") else "w7"]
    y = {"transcripts": texts}
    store = SoftAlignments.write(tmp_path / "a", teacher, (x, y), transform=transform)
    assert (store.num_classes, store.top_k) == (topology.num_states, 20)
    wanted = transform([p.astype("float32") for p in log_p], texts)
    for utterance, log_q in zip(store.utterances(), wanted, strict=True):
        q = np.exp(np.asarray(log_q, "float64"))
        classes = utterance.soft[:, 1, :-1].astype(int)
        kept = np.take_along_axis(q, classes, axis=1)
        best = -np.sort(-q, axis=1)
        np.testing.assert_allclose(kept, best[:, :20], atol=1e-4)
        np.testing.assert_allclose(np.exp(utterance.soft[:, 0, :-1]), kept, atol=1e-3)
        rest = best[:, 20:].sum(axis=1)
        np.testing.assert_allclose(np.exp(utterance.soft[:, 0, -1]), rest, atol=1e-3)
