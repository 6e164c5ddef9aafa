"""Graphs of 201 and 3,400 states, and of 10,000 words."""

import tracemalloc

import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import ctc, hmm
from keras_rnn2dnn.deploy.device.decoder import word_loop_tables
from keras_rnn2dnn.deploy.device.events import Limits
from keras_rnn2dnn.deploy.device.paths import search
from keras_rnn2dnn.hmm import (
    Topology,
    WordLoopDecoder,
    decoding,
    flat_start,
    gaussian_mixtures,
)
from keras_rnn2dnn.hmm.loop_graph import LoopGraph
from keras_rnn2dnn.recognition.streaming import WordLoopStream

SIZES = {201: (40, 5), 3400: (3399, 1), 50001: (10000, 5)}  # states: words, per word


@pytest.fixture(scope="module", params=SIZES)
def spoken(request):
    """A decoder, three of its words, a path through them, and scores that say so."""
    words, per_word = SIZES[request.param]
    names = [f"w{number}" for number in range(words)]
    topology = Topology(names, per_word)
    assert topology.num_states == request.param
    said = [0, words // 2, words - 1]
    path = [topology.silence_state] * 2
    for word in said:
        path += [word * per_word + n for n in range(per_word) for _ in range(2)]
    path.append(topology.silence_state)
    scores = np.full((len(path), topology.num_states), -30.0, "float32")
    scores[np.arange(len(path)), path] = 0
    decoder = WordLoopDecoder(topology, insertion_penalty=-5.0)
    return decoder, [names[word] for word in said], np.array(path), scores


def test_the_words_are_recognised(spoken):
    decoder, words, _, scores = spoken
    assert decoder([scores, scores[:0]]) == [words, []]


def test_the_device_recognises_them_too(spoken):
    decoder, words, _, scores = spoken
    logits = (4 * scores + 60).astype(np.int8)  # -60 or 60
    tables = word_loop_tables(decoder, scale=0.25)
    (found,) = search(tables, [logits])
    assert [decoder.topology.words[word.word] for word in found] == words
    stream = WordLoopStream(tables, Limits())
    assert [w for z in logits for w in stream.step(z)] + stream.finish() == found


def test_the_path_is_aligned(spoken):
    decoder, words, path, scores = spoken
    (aligned,) = hmm.align([scores], [words], decoder.topology)
    assert aligned.tolist() == path.tolist()
    for transform in (hmm.constrained(decoder.topology), hmm.decoded(decoder)):
        (log_posteriors,) = transform([scores], [words])
        assert log_posteriors.argmax(axis=1).tolist() == path.tolist()
        assert np.exp(log_posteriors).sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_all_paths_through_the_loop_are_summed(spoken):
    decoder, _, path, scores = spoken
    (occupied,) = LoopGraph(decoder).occupancies([scores])
    assert occupied.argmax(axis=1).tolist() == path.tolist()
    assert occupied.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_labels_of_ctc_are_found_and_occupied(spoken):
    _, _, path, scores = spoken
    blank = scores.shape[1] - 1
    labels = [k for k, g in zip(path, np.append(path[1:], -1), strict=True) if k != g]
    labels = [int(label) for label in labels if label != blank]
    assert ctc.ctc_greedy_decode([scores], blank=blank) == [labels]
    (occupied,) = ctc.ctc_occupancies([scores], [labels], blank=blank)
    assert occupied.argmax(axis=1).tolist() == path.tolist()
    names = [f"w{number}" for number in range(blank)] + [""]
    greedy = ctc.GreedyDecoder(names, blank)
    assert greedy([scores]) == [[f"w{label}" for label in labels]]


def test_a_loop_is_built_once(monkeypatch):
    built = []

    class Loop(decoding.WordLoop):
        def __init__(self, decoder):
            super().__init__(decoder)
            built.append(decoder.insertion_penalty)

    monkeypatch.setattr(decoding, "WordLoop", Loop)
    scores = np.random.default_rng(0).normal(size=(12, 5)).astype("float32")
    decoder = WordLoopDecoder(Topology(("a", "b"), 2))
    assert decoder([scores]) == decoder([scores])
    trials = [WordLoopDecoder(Topology(("a", "b"), 2), None, 0, p) for p in (-9, 0, 9)]
    found = decoding.best_words(trials, [scores])
    assert built == [0, -9]
    assert found == [[trial([scores])[0]] for trial in trials]
    assert len({len(words) for (words,) in found}) == 3


@pytest.mark.parametrize("silence", [True, False])
def test_the_matrix_of_a_large_loop_is_never_made(monkeypatch, silence):
    topology = Topology([f"w{n}" for n in range(40)], 5, silence=silence)
    decoder = WordLoopDecoder(topology, insertion_penalty=-2.0)
    scores = np.random.default_rng(0).normal(size=(2, 15, topology.num_states))
    monkeypatch.delattr(LoopGraph, "matrix")
    for occupied in LoopGraph(decoder).occupancies(list(scores)):
        assert occupied.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_the_memory_of_alignments_grows_with_transcripts_not_with_states():
    """Beside what is returned."""
    beside = []
    for words in (40, 3399):
        topology = Topology([f"w{number}" for number in range(words)], 1)
        scores = np.zeros((8, 200, topology.num_states), "float32")
        said = [topology.words[:5]] * len(scores)
        topology.states_of_transcript(said[0])  # whose tables stay
        tracemalloc.start()
        found = hmm.forward_backward(scores, said, topology)
        beside.append(tracemalloc.get_traced_memory()[1] - found.nbytes)
        tracemalloc.stop()
        assert (found[0, 100] > 0).sum() <= 6
    assert beside[1] < 1.1 * beside[0]


def test_a_flat_start_of_many_states_finds_them(monkeypatch):
    """Features that tell the words apart: those that are said, and their order."""
    topology = Topology([f"w{n}" for n in range(3400)], 1, silence=False)
    rng = np.random.default_rng(0)
    places = 10 * rng.normal(size=(3400, 8))
    said = [rng.choice(50, 4, replace=False) + 3350 for _ in range(20)]
    lengths = [rng.integers(4, 9, size=4) for _ in said]
    paths = [np.repeat(*pair) for pair in zip(said, lengths, strict=True)]
    features = [places[p] + 0.1 * rng.normal(size=(len(p), 8)) for p in paths]
    words = [[f"w{n}" for n in utterance] for utterance in said]
    found = flat_start(features, words, topology, components=1, cepstra=None)
    right = np.concatenate(found.alignments) == np.concatenate(paths)
    assert right.mean() > 0.95
    everything = np.concatenate(features)
    mixtures = found.mixtures  # state 0 is never said
    assert mixtures.means[0, 0] == pytest.approx(everything.mean(axis=0), rel=1e-4)
    monkeypatch.setattr(gaussian_mixtures, "_PART_ELEMENTS", 4 * 50)
    monkeypatch.setattr(gaussian_mixtures, "_CHUNK_ELEMENTS", 4 * 16)
    again = flat_start(features, words, topology, components=1, cepstra=None)
    for one, other in zip(again.alignments, found.alignments, strict=True):
        assert one.tolist() == other.tolist()
    scores = mixtures.log_likelihoods(features)
    by_scores = hmm.align(scores, words, topology)
    for one, other in zip(
        mixtures.align(features, words, topology), by_scores, strict=True
    ):
        assert one.tolist() == other.tolist()


@pytest.mark.parametrize("classes", [201, 3400])
def test_the_loss_of_ctc_goes_down_towards_the_occupancies(classes):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(1, 6, classes)).astype("float32")
    labels = [[classes - 1, 7, 7]]
    with tf.GradientTape() as tape:
        z = tf.constant(logits)
        tape.watch(z)
        loss = ctc.CTCLoss()(np.array(labels), z)
    (occupied,) = ctc.ctc_occupancies(logits, labels)
    p = np.exp(logits[0]) / np.exp(logits[0]).sum(axis=1, keepdims=True)
    gradient = tape.gradient(loss, z).numpy()[0]
    assert gradient == pytest.approx(p - occupied, abs=1e-5)
    sure = np.log(np.eye(classes)[[0, 5, 0, classes - 1]][None] + 1e-9)
    assert ctc.ctc_beam_decode(sure, beam_width=4) == [[5, classes - 1]]
