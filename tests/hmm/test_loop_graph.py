import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn.hmm import Topology, WordLoopDecoder, loop_sums
from keras_rnn2dnn.hmm.loop_graph import LoopGraph

WORDS = Topology(("a", "b"), states_per_unit=2)
SILENT = Topology(("a", "b", "c"), states_per_unit=1, silence=False)
PHONES = Topology(("no", "on"), 1, lexicon={"no": "n o", "on": "o n"})
CASES = [(WORDS, 0.7, 0.0), (WORDS, 0.4, -1.5), (SILENT, 0.6, 0.5), (PHONES, 0.7, -1.0)]
cases = pytest.mark.parametrize(("topology", "self_loop", "penalty"), CASES)


def occupancies_of(graph, scores):
    (occupancies,) = graph.occupancies([scores])
    return occupancies


def nodes_of(topology):
    """Every position of every word, (word, position); silence is (None, 0)."""
    words = range(len(topology.words))
    length = {w: len(topology.states_of(topology.words[w])) for w in words}
    nodes = [(w, i) for w in words for i in range(length[w])]
    return nodes + [(None, 0)] * topology.silence, length


def weight(topology, node, after, self_loop, penalty):
    """The log-weight of a step by the rules of the decoder, or None."""
    (word, position), (next_word, next_position) = node, after
    _, length = nodes_of(topology)
    stay, move = np.log(self_loop), np.log(1 - self_loop)
    total = []
    if node == after:
        total.append(stay)
    if word is not None and next_word == word and next_position == position + 1:
        total.append(move)
    at_end = word is None or position == length[word] - 1
    if at_end and next_word is not None and next_position == 0:
        total.append(move + penalty)
    if at_end and next_word is None and word is not None:
        total.append(move)
    return np.logaddexp.reduce(total) if total else None


def by_enumeration(topology, scores, self_loop, penalty):
    """log Z and occupancies of all paths, one by one, in float64."""
    nodes, length = nodes_of(topology)
    weights, paths = [], []
    for path in itertools.product(nodes, repeat=len(scores)):
        word, position = path[0]
        end_word, end = path[-1]
        if position or (end_word is not None and end != length[end_word] - 1):
            continue
        steps = [
            weight(topology, *pair, self_loop, penalty)
            for pair in itertools.pairwise(path)
        ]
        if None in steps:
            continue
        states = [
            topology.silence_state
            if word is None
            else topology.states_of(topology.words[word])[position]
            for word, position in path
        ]
        start = 0.0 if word is None else penalty
        weights.append(
            start + sum(steps) + scores[np.arange(len(scores)), states].sum()
        )
        paths.append(states)
    log_z = np.logaddexp.reduce(weights)
    occupancies = np.zeros_like(scores)
    for path, share in zip(paths, np.exp(np.array(weights) - log_z), strict=True):
        occupancies[np.arange(len(scores)), path] += share
    return log_z, occupancies


@cases
def test_all_paths_are_summed(topology, self_loop, penalty):
    rng = np.random.default_rng(0)
    scores = 3 * rng.normal(size=(6, topology.num_states))
    decoder = WordLoopDecoder(topology, insertion_penalty=penalty, self_loop=self_loop)
    graph = LoopGraph(decoder)
    log_z, occupancies = by_enumeration(topology, scores, self_loop, penalty)
    total = graph.log_sum(scores[None], np.ones((1, 6)))
    assert total.numpy() == pytest.approx([log_z], abs=1e-4)
    assert occupancies_of(graph, scores) == pytest.approx(occupancies, abs=1e-5)


def test_priors_are_taken_away_as_the_decoder_does():
    rng = np.random.default_rng(1)
    logits, log_priors = rng.normal(size=(5, 5)), rng.normal(size=5)
    scaled = WordLoopDecoder(WORDS, log_priors=log_priors, prior_scale=0.6)
    _, expected = by_enumeration(WORDS, logits - 0.6 * log_priors, 0.7, 0.0)
    assert occupancies_of(LoopGraph(scaled), logits) == pytest.approx(
        expected, abs=1e-5
    )


def test_frames_without_weight_are_left_out():
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(6, 5))
    weights = np.array([0, 1, 1, 0.5, 0, 0])
    graph = LoopGraph(WordLoopDecoder(WORDS))
    expected, occupancies = by_enumeration(WORDS, scores[1:4], 0.7, 0.0)
    logits = tf.constant(np.stack([scores, rng.normal(size=(6, 5))]), "float32")
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total = graph.log_sum(logits, np.stack([weights, np.zeros(6)]))
    gradient = tape.gradient(total, logits).numpy()
    assert total.numpy() == pytest.approx([expected, 0.0], abs=1e-4)
    assert gradient[0, 1:4] == pytest.approx(occupancies, abs=1e-5)
    assert not gradient[0, [0, 4, 5]].any() and not gradient[1].any()


def test_scores_far_apart_and_utterances_without_a_whole_word_stay_finite():
    graph = LoopGraph(WordLoopDecoder(WORDS))
    scores = np.full((200, 5), -500.0)
    scores[:, 1] = 0.0  # never the first state of a word, and no way to stay there
    assert np.isfinite(occupancies_of(graph, scores)).all()
    assert occupancies_of(graph, scores).sum(axis=1) == pytest.approx(
        np.ones(200), 1e-3
    )
    silent = LoopGraph(WordLoopDecoder(Topology(("a",), 5, silence=False)))
    assert occupancies_of(silent, np.zeros((3, 5))).sum(axis=1) == pytest.approx(
        np.ones(3)
    )


def in_the_log_domain(graph, scores):
    """Occupancies by forward-backward on logarithms, in float64."""
    with np.errstate(divide="ignore"):
        matrix, final = np.log(graph.matrix), np.log(graph.final)
    scores = np.pad(scores[:, graph.states].astype("float64"), [(0, 0), (0, 1)])
    forward, backward = np.full(len(final), -np.inf), final
    forward[-1], alphas, betas = 0.0, [], []
    for frame in scores:
        forward = np.logaddexp.reduce(forward[:, None] + matrix, axis=0) + frame
        alphas.append(forward)
    for frame in scores[::-1]:
        betas.append(backward)
        backward = np.logaddexp.reduce(matrix + frame + backward, axis=1)
    joint = np.array(alphas) + np.array(betas)[::-1]
    nodes = np.exp(joint - np.logaddexp.reduce(joint, axis=1)[:, None])
    of_state = np.eye(graph.decoder.topology.num_states)[graph.states]
    return nodes[:, :-1] @ of_state


@pytest.mark.parametrize("scale", [1.0, 30.0, 100.0])
def test_a_student_that_is_very_sure_and_wrong_has_the_right_gradient(scale):
    topology = Topology(tuple("abcdefgh"), states_per_unit=5)
    graph = LoopGraph(WordLoopDecoder(topology, insertion_penalty=-2.3))
    scores = np.random.default_rng(0).normal(scale=scale, size=(120, 41))
    scores = scores.astype("float32")
    expected = in_the_log_domain(graph, scores)
    assert occupancies_of(graph, scores) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("compiled", [True, False])
def test_more_than_one_block_of_frames_and_words_that_share_states(
    compiled, monkeypatch
):
    if not compiled:  # as where TensorFlow lacks XLA
        monkeypatch.setattr(loop_sums, "_compiled", lambda function: function)
    topology = Topology(("no", "on"), 2, lexicon={"no": "n o", "on": "o n o"})
    graph = LoopGraph(WordLoopDecoder(topology, insertion_penalty=-1.0))
    scores = np.random.default_rng(1).normal(scale=3, size=(9, 65, 5))
    scores = tf.constant(scores, "float32")
    weights = np.ones((9, 65))
    weights[8, 40:] = 0
    with tf.GradientTape() as tape:
        tape.watch(scores)
        total = tf.reduce_sum(graph.log_sum(scores, weights))
    gradient = tape.gradient(total, scores).numpy()
    for row, frames in ((0, 65), (8, 40)):
        expected = in_the_log_domain(graph, scores[row, :frames].numpy())
        assert gradient[row, :frames] == pytest.approx(expected, abs=1e-5)
    assert not gradient[8, 40:].any()


def test_utterances_without_frames_have_no_occupancies():
    graph, scores = LoopGraph(WordLoopDecoder(WORDS)), np.zeros((4, 5), "float32")
    none, some = graph.occupancies([scores[:0], scores])
    assert none.shape == (0, 5)
    assert some == pytest.approx(occupancies_of(graph, scores))


def test_it_compiles_for_unknown_lengths():
    graph = LoopGraph(WordLoopDecoder(WORDS))
    spec = tf.TensorSpec((None, None, 5)), tf.TensorSpec((None, None))
    compiled = tf.function(graph.log_sum, input_signature=spec)
    for frames in (4, 7):
        scores, ones = np.ones((2, frames, 5), "float32"), np.ones((2, frames))
        alike = graph.log_sum(scores, ones)
        assert compiled(scores, ones.astype("float32")).numpy() == pytest.approx(alike)


def test_a_bigram_is_refused():
    bigram = np.zeros((3, 2))
    with pytest.raises(ValueError) as error:
        LoopGraph(WordLoopDecoder(WORDS, bigram=bigram))
    assert str(error.value) == (
        "Invalid value for `decoder`. Expected none with a bigram. Received: "
        "decoder='a bigram'. Its paths remember words: leave it out here"
    )
