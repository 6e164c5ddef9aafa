from dataclasses import replace

import numpy as np
import pytest

from keras_rnn2dnn.hmm import (
    Topology,
    WordLoopDecoder,
    estimate_log_priors,
    tune_decoder,
)
from keras_rnn2dnn.hmm.decoding import best_words


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


def test_penalties_that_share_scores_are_those_of_decoders_of_their_own():
    decoder, scores, _ = development_data(rate=0.15)
    scores = [s[: 84 - 3 * n] for n, s in enumerate(scores[:28])] + [scores[0][:0]]
    decoder = replace(decoder, log_priors=np.log([0.2, 0.3, 0.4, 0.1]), prior_scale=0.5)
    trials = [replace(decoder, insertion_penalty=p) for p in (-6, -2, 0)]
    found = best_words(trials, scores)
    assert found == [trial.decode(scores) for trial in trials]
    assert found[0] != found[1] != found[2]


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
    decoder = WordLoopDecoder(Topology("a b", states_per_unit=1))
    with pytest.raises(ValueError, match=message):
        tune_decoder(decoder, np.zeros((1, 4, 3)), references, **options)
