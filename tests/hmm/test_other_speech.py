"""Other speech: one state, of which a path takes several frames, and no word."""

import itertools
import json

import numpy as np
import pytest

from keras_rnn2dnn.hmm import (
    LoopGraph,
    Topology,
    WordLoopDecoder,
    align,
    constrained,
    decoded,
    flat_start,
    forward_backward,
    tune_decoder,
)

OTHER = Topology("a b", 1, other=2)
# The same paths: a word of a lexicon that says one phone twice.
AS_WORD = Topology("a b <unk>", 1, lexicon={"a": "a", "b": "b", "<unk>": "x x"})


def scores_of(count=8, frames=7, seed=0):
    shape = count, frames, OTHER.num_states
    return list(3 * np.random.default_rng(seed).normal(size=shape))


def test_other_speech_has_one_state_before_silence():
    assert (OTHER.num_states, OTHER.other_state, OTHER.silence_state) == (4, 2, 3)
    assert OTHER.state_names == ("a_0", "b_0", "other", "sil")
    assert OTHER.states_of("<unk>").tolist() == [2, 2]
    assert [chain.tolist() for chain in OTHER.chains] == [[0], [1], [2, 2]]
    bare = Topology("a", 2, other=1, silence=False)
    assert (bare.num_states, bare.other_state, bare.silence_state) == (3, 2, None)
    assert Topology("a", 2).other_state is None
    assert len(Topology("a", 2).chains) == 1


def test_a_topology_without_it_is_written_as_before():
    plain = Topology("a b", 1)
    assert set(plain.to_dict()) == {"words", "states_per_unit", "lexicon", "silence"}
    assert "other" not in repr(plain)
    restored = Topology.from_dict(json.loads(json.dumps(OTHER.to_dict())))
    assert restored == OTHER != plain
    names = {
        constrained(t).__name__ for t in (plain, OTHER, Topology("a b", 1, other=3))
    }
    assert len(names) == 3


def test_words_outside_the_vocabulary_become_other_speech():
    assert OTHER.with_other(["a c b", ["d"]]) == [("a", "<unk>", "b"), ("<unk>",)]
    with pytest.raises(ValueError) as error:
        Topology("a").with_other(["a"])
    assert str(error.value) == (
        "Invalid value for `other`. Expected frames of other speech, to which words "
        "are mapped. Received: other=0"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"other": -1}, "`other`. Expected an integer >= 0. Received: other=-1"),
        ({"other": True}, "`other`. Expected an integer >= 0. Received: other=True"),
        (
            {"words": "a <unk>", "other": 1},
            "`words`. Expected words but '<unk>', which stands for other speech",
        ),
    ],
)
def test_what_cannot_be_other_speech_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Topology(**{"words": "a", **arguments})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"other_penalty": -1.0},
            "`other_penalty`. Expected 0, as the topology has",
        ),
        ({"other_bias": 1.0}, "`other_bias`. Expected 0, as the topology has no other"),
    ],
)
def test_weights_of_no_other_speech_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        WordLoopDecoder(Topology("a"), **options)


def test_a_bigram_beside_other_speech_is_refused():
    with pytest.raises(ValueError, match="`bigram`. Expected none, as the topology"):
        WordLoopDecoder(OTHER, bigram=np.zeros((3, 2)))


@pytest.mark.parametrize("transcript", ["a <unk>", "<unk>", "b <unk> a"])
def test_alignments_are_those_of_a_word_that_says_one_phone_twice(transcript):
    scores = scores_of()
    texts = [transcript] * len(scores)
    for of_best in (align, forward_backward):
        found = of_best(scores, texts, OTHER)
        np.testing.assert_array_equal(found, of_best(scores, texts, AS_WORD))
    assert OTHER.other_state in align(scores, texts, OTHER)[0]


def test_it_is_found_as_a_word_would_be_and_is_none():
    scores, penalties = scores_of(), {"insertion_penalty": -1.0}
    decoder = WordLoopDecoder(OTHER, other_penalty=-1.0, **penalties)
    expected = WordLoopDecoder(AS_WORD, **penalties)(scores)
    assert decoder.decode(scores, keep_other=True) == expected
    words = [[word for word in found if word != "<unk>"] for found in expected]
    assert decoder(scores) == words != expected
    graphs = [LoopGraph(d) for d in (decoder, WordLoopDecoder(AS_WORD, **penalties))]
    np.testing.assert_allclose(*(g.occupancies(scores) for g in graphs), atol=1e-6)


def best_and_sum(decoder, scores):
    """The best words, and log Z, by enumeration of all paths of nodes in float64."""
    chains = [[0], [1], [2, 2]]
    nodes = [(w, k) for w, chain in enumerate(chains) for k in range(len(chain))]
    nodes.append((3, 0))
    states = [0, 1, 2, 2, 3]
    penalty = [decoder.insertion_penalty] * 2 + [decoder.other_penalty, 0.0]
    weights, found = [], []
    for path in itertools.product(range(5), repeat=len(scores)):
        word, place = nodes[path[0]]
        if place or (nodes[path[-1]] == (2, 0)):
            continue
        options = [(penalty[word], (word,))]  # self-loop of a word, or the word again
        for before, after in itertools.pairwise(path):
            (w, k), (v, i) = nodes[before], nodes[after]
            ends = w == 3 or k == len(chains[w]) - 1
            following = []
            for weight, words in options:
                if before == after:
                    following.append((weight + np.log(decoder.self_loop), words))
                move = weight + np.log(1 - decoder.self_loop)
                if w == v != 3 and i == k + 1:
                    following.append((move, words))
                if ends and i == 0 and not w == v == 3:
                    following.append((move + penalty[v], (*words, v)))
            options = following
        total = sum(scores[t, states[n]] for t, n in enumerate(path))
        total += decoder.other_bias * sum(states[n] == 2 for n in path)
        weights += [weight + total for weight, _ in options]
        found += [words for _, words in options]
    words = found[int(np.argmax(weights))]
    return ["ab"[w] for w in words if w < 2], np.logaddexp.reduce(weights)


@pytest.mark.parametrize("weights", [(0.0, 0.0), (-3.0, 0.5), (1.0, -1.5)])
def test_its_weights_are_those_of_the_definition(weights):
    decoder = WordLoopDecoder(
        OTHER,
        insertion_penalty=-1.0,
        self_loop=0.6,
        other_penalty=weights[0],
        other_bias=weights[1],
    )
    assert WordLoopDecoder.from_dict(decoder.to_dict()) == decoder
    scores = scores_of(6, 5, 1)
    expected = [best_and_sum(decoder, z) for z in scores]
    assert decoder(scores) == [words for words, _ in expected]
    assert len({tuple(words) for words, _ in expected}) > 2
    totals = LoopGraph(decoder).log_sum(np.stack(scores), np.ones((6, 5)))
    np.testing.assert_allclose(totals, [z for _, z in expected], atol=1e-4)


def test_the_penalty_of_words_is_tuned_and_that_of_other_speech_stays():
    decoder = WordLoopDecoder(OTHER, other_penalty=-2.0)
    scores = scores_of(4)
    tuned = tune_decoder(decoder, scores, ["a <unk>", "<unk>", "b", "a"])
    same = tune_decoder(decoder, scores, ["a", "", "b", "a"])
    assert tuned == same
    assert tuned.other_penalty == -2.0
    options = {"insertion_penalty": tuned.insertion_penalty, "other_penalty": -2.0}
    assert tuned(scores) == WordLoopDecoder(OTHER, **options)(scores)


def test_targets_of_recognised_words_keep_other_speech():
    scores = np.full((6, 4), -9.0)
    scores[:3, 2] = scores[3:, 0] = 0.0  # other speech, then a
    decoder = WordLoopDecoder(OTHER)
    assert decoder([scores]) == [["a"]]
    (found,) = decoded(decoder)([scores], [None])
    assert np.exp(found).argmax(axis=1).tolist() == [2, 2, 2, 0, 0, 0]


def test_a_flat_start_finds_other_speech():
    a, x = np.array([0.0, 4.0]), np.array([4.0, 0.0])
    frames = np.stack([[9.0, 9.0]] * 3 + [x] * 5 + [a] * 5 + [[9.0, 9.0]] * 3)
    spoken = [np.stack([[9.0, 9.0]] * 3 + [a] * 5 + [[9.0, 9.0]] * 3), frames]
    texts = OTHER.with_other(["a", "what a"])
    found = flat_start(spoken, texts, OTHER, components=1, cepstra=None)
    assert found.alignments[1].tolist() == [3] * 3 + [2] * 5 + [0] * 5 + [3] * 3
