import dataclasses

import numpy as np
import pytest

from keras_rnn2dnn.hmm import GaussianMixtures, Topology, flat_start


def synthetic(topology, num_utterances=60, size=6, seed=0):
    """Gaussian states of random durations in random transcripts, with the truth."""
    rng = np.random.default_rng(seed)
    means = 4 * rng.normal(size=(topology.num_states, size))
    features, states, transcripts = [], [], []
    for _ in range(num_utterances):
        words = list(rng.choice(topology.words, rng.integers(1, 4)))
        chain = np.concatenate(topology.states_of_transcript(words))
        if topology.silence:
            silence = [topology.silence_state]
            chain = np.concatenate([silence, chain, silence])
        durations = rng.integers(4, 9, len(chain))
        path = np.repeat(chain, durations)
        states.append(path)
        features.append(means[path] + rng.normal(size=(len(path), size)))
        transcripts.append(words)
    return features, transcripts, states


@pytest.mark.parametrize(
    "topology",
    [
        Topology("one two three four", states_per_unit=3),
        Topology("one two three four", states_per_unit=3, silence=False),
        Topology("no on noon", 2, lexicon={"no": "n o", "on": "o n", "noon": "n o n"}),
    ],
)
@pytest.mark.parametrize("components", [1, 2])
def test_the_states_of_known_data_are_recovered(topology, components):
    features, transcripts, states = synthetic(topology)
    result = flat_start(
        features, transcripts, topology, components=components, cepstra=None
    )
    found, truth = np.concatenate(result.alignments), np.concatenate(states)
    assert (found == truth).mean() > 0.95
    assert result.mixtures.means.shape == (topology.num_states, components, 6)
    history = result.log_likelihood_per_frame
    assert len(history) == 10
    assert np.diff(history).min() > -0.01
    assert history[-1] > history[0] + 1


def test_single_gaussians_only_gain_from_each_iteration():
    topology = Topology("one two three", states_per_unit=2)
    features, transcripts, _ = synthetic(topology, seed=1)
    result = flat_start(features, transcripts, topology, components=1, cepstra=None)
    assert np.diff(result.log_likelihood_per_frame).min() > -1e-4


def test_the_log_likelihoods_are_those_of_gaussian_mixtures():
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(3), 4)
    means, variances = rng.normal(size=(4, 3, 5)), rng.uniform(0.5, 2, (4, 3, 5))
    x = rng.normal(size=(7, 5))
    squares = (x[:, None, None] - means) ** 2 / variances
    normal = np.exp(-squares / 2) / np.sqrt(2 * np.pi * variances)
    expected = np.log((weights * normal.prod(axis=-1)).sum(axis=-1))
    mixtures = GaussianMixtures(
        *(part.astype(np.float32) for part in (weights, means, variances))
    )
    np.testing.assert_allclose(mixtures.log_likelihoods([x])[0], expected, atol=1e-4)
    # An offset far from zero costs no accuracy.
    mixtures = GaussianMixtures(
        weights.astype(np.float32),
        (means + 64).astype(np.float32),
        variances.astype(np.float32),
    )
    found = mixtures.log_likelihoods((x + 64)[None])[0]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_cepstra_are_an_orthogonal_transform_with_mean_and_delta():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 9, 4))
    n = np.arange(4)
    dct = np.sqrt(0.5) * np.cos(np.pi * np.outer(n, n + 0.5) / 4)
    dct[0] = 0.5
    np.testing.assert_allclose(dct @ dct.T, np.eye(4), atol=1e-12)
    cepstra = x[0] @ dct[:3].T
    cepstra -= cepstra.mean(axis=0)
    delta = np.empty_like(cepstra)
    delta[1:-1] = (cepstra[2:] - cepstra[:-2]) / 2
    delta[0], delta[-1] = cepstra[1] - cepstra[0], cepstra[-1] - cepstra[-2]
    seen = np.concatenate([cepstra, delta], axis=1)
    expected = -0.5 * (seen**2 + np.log(2 * np.pi)).sum(axis=1)
    mixtures = GaussianMixtures(
        np.ones((1, 1), np.float32),
        np.zeros((1, 1, 6), np.float32),
        np.ones((1, 1, 6), np.float32),
        cepstra=3,
    )
    np.testing.assert_allclose(
        mixtures.log_likelihoods(x)[0, :, 0], expected, rtol=1e-5
    )
    # The mean is taken over the frames that count.
    padded = np.concatenate([x, 100 + x], axis=1)
    found = mixtures.log_likelihoods(padded, num_frames=[9])
    np.testing.assert_allclose(found[0, :9, 0], expected, rtol=1e-5)
    assert (found[0, 9:] == 0).all()
    # Divided by their deviation, numbers of any level are the same.
    mixtures = dataclasses.replace(mixtures, normalized=True)
    seen /= seen.std(axis=0) + 1e-3
    expected = -0.5 * (seen**2 + np.log(2 * np.pi)).sum(axis=1)
    found = mixtures.log_likelihoods(x)[0, :, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.isfinite(mixtures.log_likelihoods(np.ones((1, 3, 4)))).all()


def test_a_padded_array_gives_the_same_as_a_list():
    topology = Topology("one two", states_per_unit=2)
    features, transcripts, _ = synthetic(topology, num_utterances=12)
    lengths = [len(f) for f in features]
    padded = np.full((12, max(lengths) + 3, 6), 99.0)
    for row, feature in zip(padded, features, strict=True):
        row[: len(feature)] = feature
    options = {"iterations": 4, "cepstra": 4}
    listed = flat_start(features, transcripts, topology, **options)
    result = flat_start(padded, transcripts, topology, lengths, **options)
    assert result.log_likelihood_per_frame == listed.log_likelihood_per_frame
    for row, states in zip(result.alignments, listed.alignments, strict=True):
        np.testing.assert_array_equal(row[: len(states)], states)
        assert (row[len(states) :] == topology.silence_state).all()


def test_a_word_that_never_occurs_gets_the_statistics_of_all_frames():
    topology = Topology("one two unheard", states_per_unit=1)
    features, _, _ = synthetic(Topology("one two", states_per_unit=1))
    result = flat_start(features, ["one"] * 60, topology, cepstra=None, iterations=3)
    frames = np.concatenate(features)
    np.testing.assert_allclose(
        result.mixtures.means[2], [frames.mean(axis=0)] * 2, atol=1e-4
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iterations": 0}, "`iterations`. Expected an integer >= 1. Received"),
        ({"components": 0}, "`components`. Expected an integer >= 1. Received"),
        ({"silent_frames": -1}, "`silent_frames`. Expected an integer >= 0. Received"),
        ({"cepstra": 13}, "`cepstra`. Expected 1 to 3, the number of features, or"),
        ({"cepstra": 2.0}, "`cepstra`. Expected an integer or None"),
        ({"transcripts": ["a b c"]}, "`num_frames.0.`. Expected at least 6 frames"),
        ({"features": np.full((1, 5, 3), np.nan)}, r"`features\[0\]`.*finite features"),
    ],
)
def test_what_does_not_fit_is_an_error(options, message):
    arguments = {
        "features": np.zeros((1, 5, 3)),
        "transcripts": ["a"],
        "topology": Topology("a b c", states_per_unit=2),
        "cepstra": None,
    }
    with pytest.raises(ValueError, match=message):
        flat_start(**{**arguments, **options})


def test_features_of_another_width_do_not_fit_the_mixtures():
    one = np.ones((1, 1), np.float32)
    mixtures = GaussianMixtures(one, one[None], one[None])
    with pytest.raises(ValueError, match=r"`features`. Expected 1 numbers a frame"):
        mixtures.log_likelihoods(np.zeros((1, 5, 2)))
