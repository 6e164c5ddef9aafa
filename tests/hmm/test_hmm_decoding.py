import itertools
import json

import numpy as np
import pytest

from keras_rnn2dnn.hmm import Topology, WordLoopDecoder

TOPOLOGIES = {
    "one state": Topology("a b", states_per_unit=1),
    "two states": Topology("a b", states_per_unit=2),
    "no silence": Topology("a b c", states_per_unit=1, silence=False),
    "lexicon": Topology("no on o", 1, lexicon={"no": "n o", "on": "o n", "o": "o"}),
}


def best_words(decoder, scores):
    """The best hypothesis by enumeration of words, pauses and durations."""
    topology, frames = decoder.topology, len(scores)
    stay, move = np.log(decoder.self_loop), np.log(1 - decoder.self_loop)
    if decoder.prior_scale:
        scores = scores - decoder.prior_scale * decoder.log_priors
    best = (-np.inf, None)
    for count in range(frames + 1):
        for words in itertools.product(range(len(topology.words)), repeat=count):
            language = count * decoder.insertion_penalty
            if decoder.bigram is not None:
                pairs = zip((len(topology.words), *words), words, strict=False)
                language += sum(decoder.bigram[pair] for pair in pairs)
            for nodes in node_sequences(topology, words, frames):
                moves = len(nodes) - 1
                path_weight = language + moves * move + (frames - 1 - moves) * stay
                for cuts in itertools.combinations(range(1, frames), moves):
                    states = np.repeat(nodes, np.diff([0, *cuts, frames]))
                    weight = path_weight + scores[np.arange(frames), states].sum()
                    best = max(best, (weight, words))
    return [topology.words[word] for word in best[1]] if best[1] else []


def node_sequences(topology, words, frames):
    chains = [topology.states_of(topology.words[word]).tolist() for word in words]
    gaps = len(words) + 1 if topology.silence else 0
    for pauses in itertools.product([False, True], repeat=gaps):
        nodes = []
        for number, chain in enumerate([*chains, []]):
            if pauses and pauses[number]:
                nodes.append(topology.silence_state)
            nodes += chain
        if 1 <= len(nodes) <= frames:
            yield nodes


@pytest.mark.parametrize("name", TOPOLOGIES)
@pytest.mark.parametrize("with_bigram", [False, True])
@pytest.mark.parametrize(("penalty", "self_loop"), [(0.0, 0.7), (-2.0, 0.4)])
def test_the_words_are_the_best_of_all_hypotheses(
    name, with_bigram, penalty, self_loop
):
    topology = TOPOLOGIES[name]
    rng = np.random.default_rng(len(name))
    vocabulary = len(topology.words)
    bigram = np.log(rng.dirichlet(np.full(vocabulary, 0.5), vocabulary + 1))
    decoder = WordLoopDecoder(
        topology,
        log_priors=np.log(rng.dirichlet(np.ones(topology.num_states))),
        prior_scale=0.5,
        insertion_penalty=penalty,
        bigram=bigram if with_bigram else None,
        self_loop=self_loop,
    )
    lengths = np.array([4, 1, 4, 0, 3, 4])
    scores = 3 * rng.normal(size=(6, 4, topology.num_states))
    expected = [
        best_words(decoder, scores[index, :length]) if length else []
        for index, length in enumerate(lengths)
    ]
    assert decoder.decode(scores, lengths) == expected
    alone = [scores[index, :length] for index, length in enumerate(lengths)]
    assert decoder(alone) == expected
    assert any(expected)


def test_the_previous_word_is_remembered_through_silence():
    topology = TOPOLOGIES["one state"]
    path = [0, 2, 1, 2, 2, 1, 0]
    scores = np.log(np.eye(3)[path] + 1e-3)[None]
    assert WordLoopDecoder(topology)(scores) == [["a", "b", "b", "a"]]
    # After b, only a may come, even when silence lies between them.
    bigram = np.log([[0.5, 0.5], [1, 1e-30], [0.5, 0.5]])
    decoder = WordLoopDecoder(topology, bigram=bigram)
    assert decoder(scores) == [best_words(decoder, scores[0])]
    assert ("b", "b") not in list(itertools.pairwise(decoder(scores)[0]))


def test_a_pair_of_probability_zero_never_occurs():
    topology = Topology("a b", states_per_unit=1, silence=False)
    scores = np.log(np.eye(2)[[0, 1, 0]] + 1e-30)[None]
    with np.errstate(divide="ignore"):
        bigram = np.log([[1.0, 0.0], [0.5, 0.5], [0.5, 0.5]])
    decoder = WordLoopDecoder(topology, bigram=bigram)
    assert WordLoopDecoder(topology)(scores) == [["a", "b", "a"]]
    words = decoder(scores)[0]
    assert words
    assert ("a", "b") not in list(itertools.pairwise(words))


def test_too_few_frames_for_any_word_give_no_words():
    topology = Topology("a b", states_per_unit=3, silence=False)
    assert WordLoopDecoder(topology)(np.zeros((2, 2, 6))) == [[], []]
    assert WordLoopDecoder(topology)(np.zeros((1, 0, 6))) == [[]]


def test_many_utterances_keep_their_order():
    topology = Topology("a b c", states_per_unit=2)
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 40, 700)
    scores = [rng.normal(size=(length, 7)) for length in lengths]
    decoder = WordLoopDecoder(topology)
    hypotheses = decoder(scores)
    for index in (0, 1, 350, 699):
        assert hypotheses[index] == decoder([scores[index]])[0]


def test_a_decoder_travels_through_json():
    topology = TOPOLOGIES["lexicon"]
    rng = np.random.default_rng(0)
    with np.errstate(divide="ignore"):
        bigram = np.log(rng.integers(0, 2, (4, 3)))
    decoder = WordLoopDecoder(topology, rng.normal(size=3), 0.3, -7, bigram, 0.6)
    config = json.loads(json.dumps(decoder.to_dict(), allow_nan=False))
    restored = WordLoopDecoder.from_dict(config)
    assert restored == decoder
    np.testing.assert_array_equal(restored.bigram, decoder.bigram)
    assert restored != WordLoopDecoder(topology)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prior_scale": 0.3}, "`log_priors`. Expected state log-priors, as prior_sc"),
        ({"log_priors": np.zeros(4)}, r"shape \(3,\). Received: .*shape \(4,\)"),
        ({"log_priors": [0, -np.inf, 0]}, "Expected finite log-probabilities"),
        ({"bigram": np.zeros((2, 2))}, r"shape \(3, 2\). Received: .*shape \(2, 2\)"),
        ({"bigram": np.full((3, 2), np.nan)}, "Expected finite log-probabilities"),
        ({"insertion_penalty": np.nan}, "Expected a finite number. Received: .*=nan"),
        ({"self_loop": 0.0}, "Expected a number between 0 and 1. Received: self_loop"),
    ],
)
def test_an_impossible_decoder_is_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        WordLoopDecoder(TOPOLOGIES["one state"], **options)


def test_scores_of_other_states_are_an_error():
    decoder = WordLoopDecoder(TOPOLOGIES["one state"])
    with pytest.raises(
        ValueError, match=r"`log_posteriors\[0\]`.*each of the 3 states"
    ):
        decoder(np.zeros((1, 5, 4)))
