import itertools
import json

import numpy as np
import pytest

from keras_rnn2dnn.hmm import (
    Topology,
    WordLoopDecoder,
    estimate_log_priors,
    tune_decoder,
)

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


def test_priors_count_only_the_frames_that_count():
    expected = np.log([3 / 9, 4 / 9, 1 / 9, 1 / 9])
    alignments = np.array([[0, 0, 1, 2], [1, 1, 2, 3]])
    found = estimate_log_priors(alignments, 4, num_frames=[3, 2])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    listed = estimate_log_priors([[0, 0, 1], [1, 1]], 4)
    np.testing.assert_array_equal(listed, found)


def test_a_state_that_does_not_exist_has_no_prior():
    with pytest.raises(
        ValueError, match=r"from 0 to 2. Received: .*'states from 0 to 3'"
    ):
        estimate_log_priors([np.array([0, 3])], 3)


def development_data(rate, size=30, seed=0):
    """One-state words with spurious changes of state at a rate that penalties cure."""
    topology = Topology("a b c", states_per_unit=1)
    rng = np.random.default_rng(seed)
    scores, references = [], []
    for _ in range(size):
        words = rng.permutation(3)
        path = np.repeat([3, words[0], 3, words[1], 3, words[2], 3], 12)
        noisy = np.where(rng.random(84) < rate, rng.integers(0, 4, 84), path)
        scores.append(np.log(np.eye(4)[noisy] + 0.3))
        references.append([topology.words[word] for word in words])
    return WordLoopDecoder(topology), scores, references


def num_errors(decoder, scores, references):
    return sum(h != r for h, r in zip(decoder(scores), references, strict=True))


def test_tuning_moves_beyond_the_grid_where_the_best_lies_outside():
    decoder, scores, references = development_data(rate=0.15)
    tuned = tune_decoder(
        decoder, scores, references, insertion_penalties=(-1.0, 0.0, 1.0)
    )
    assert tuned.insertion_penalty < -2
    assert tuned.topology == decoder.topology
    assert num_errors(tuned, scores, references) == 0
    assert num_errors(decoder, scores, references) > 10


def test_tuning_is_bounded_and_goes_up_as_well():
    decoder, scores, references = development_data(rate=0.0, size=3)
    muted = [np.concatenate([s[:, :3] - 15, s[:, 3:]], axis=1) for s in scores]
    tuned = tune_decoder(decoder, muted, references, insertion_penalties=(-2.0, -1.0))
    assert -1 < tuned.insertion_penalty <= 9
    # Nothing helps silence alone: every step ties, so the least penalty stays.
    silence = [np.log(np.eye(4)[[3] * 9] + 1e-30)]
    tuned = tune_decoder(decoder, silence, ["a"], insertion_penalties=(-4.0, -2.0))
    assert -2 <= tuned.insertion_penalty <= 0


def test_ties_go_to_the_smallest_penalty_and_prior_scale():
    decoder, scores, references = development_data(rate=0.0)
    priors = np.log(np.full(4, 0.25))
    decoder = WordLoopDecoder(decoder.topology, priors)
    tuned = tune_decoder(decoder, scores, references)
    assert (tuned.prior_scale, tuned.insertion_penalty) == (0.0, 0.0)


def test_tuning_finds_the_prior_scale():
    topology = Topology("a b", states_per_unit=1, silence=False)
    priors = np.log([0.99, 0.01])
    rng = np.random.default_rng(0)
    states = rng.integers(0, 2, 40)
    likelihoods = np.log(np.eye(2)[states] * 0.5 + 0.25)
    scores = [np.repeat(row[None], 3, axis=0) for row in likelihoods + priors]
    references = [["ab"[state]] for state in states]
    tuned = tune_decoder(
        WordLoopDecoder(topology, priors), scores, references, prior_scales=(0.0, 1.0)
    )
    assert tuned.prior_scale == 1.0
    assert num_errors(tuned, scores, references) == 0


@pytest.mark.parametrize(
    ("references", "options", "message"),
    [
        (["a", "a"], {}, "one reference for each of the 1 utterances.*'2 references'"),
        (
            ["a"],
            {"insertion_penalties": ()},
            "`insertion_penalties`. Expected at least",
        ),
        (["a"], {"prior_scales": (0.3,)}, "`prior_scales`. Expected at least one"),
    ],
)
def test_tuning_without_data_or_values_is_an_error(references, options, message):
    decoder = WordLoopDecoder(TOPOLOGIES["one state"])
    with pytest.raises(ValueError, match=message):
        tune_decoder(decoder, np.zeros((1, 4, 3)), references, **options)
