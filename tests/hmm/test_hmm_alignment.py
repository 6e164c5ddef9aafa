import itertools

import numpy as np
import pytest

from keras_rnn2dnn.hmm import Topology, align, forward_backward

WORDS = Topology(("a", "b"), states_per_unit=2)
ONE_STATE = Topology(("a", "b"), states_per_unit=1)
PHONES = Topology(("no", "on"), 1, lexicon={"no": "n o", "on": "o n"})
SILENT = Topology(("a", "b"), states_per_unit=2, silence=False)
SILENT_ONE = Topology(("a", "b"), states_per_unit=1, silence=False)
CASES = [
    (WORDS, "a b", 7),
    (WORDS, "a a", 6),
    (WORDS, "b", 2),
    (WORDS, "", 3),
    (ONE_STATE, "a a b", 7),
    (ONE_STATE, "b", 1),
    (PHONES, "no on no", 8),
    (SILENT, "b a", 6),
    (SILENT_ONE, "a a b", 6),
]
cases = pytest.mark.parametrize(("topology", "transcript", "frames"), CASES)


def all_paths(topology, transcript, frames, self_loop):
    """Every path by enumeration of pauses and durations: (states, log-weight)."""
    words = [topology.states_of(word).tolist() for word in transcript.split()]
    gaps = len(words) + 1 if topology.silence else 0
    for pauses in itertools.product([False, True], repeat=gaps):
        nodes = []
        for number, states in enumerate([*words, []]):
            if pauses and pauses[number]:
                nodes.append(topology.silence_state)
            nodes += states
        if not nodes:
            continue
        for cuts in itertools.combinations(range(1, frames), len(nodes) - 1):
            ends = np.diff([0, *cuts, frames])
            moves = len(nodes) - 1
            stays = frames - 1 - moves
            weight = stays * np.log(self_loop) + moves * np.log(1 - self_loop)
            yield np.repeat(nodes, ends), weight


def log_partition(scores, topology, transcript, scale, self_loop):
    frames = np.arange(len(scores))
    weights = [
        weight + scale * scores[frames, states].sum()
        for states, weight in all_paths(topology, transcript, len(scores), self_loop)
    ]
    return np.logaddexp.reduce(weights)


def random_scores(rng, frames, topology):
    return 3 * rng.normal(size=(frames, topology.num_states))


@cases
@pytest.mark.parametrize("self_loop", [0.3, 0.7])
def test_the_alignment_is_the_best_of_all_paths(
    topology, transcript, frames, self_loop
):
    rng = np.random.default_rng(frames)
    for _ in range(5):
        scores = random_scores(rng, frames, topology)
        paths = all_paths(topology, transcript, frames, self_loop)
        rows = np.arange(frames)
        best = max(paths, key=lambda path: path[1] + scores[rows, path[0]].sum())[0]
        (states,) = align([scores], [transcript], topology, self_loop=self_loop)
        assert states.dtype == np.int32
        assert states.tolist() == best.tolist()


@cases
@pytest.mark.parametrize(("scale", "self_loop"), [(1.0, 0.7), (0.4, 0.2)])
def test_the_posteriors_are_sums_over_all_paths(
    topology, transcript, frames, scale, self_loop
):
    rng = np.random.default_rng(frames)
    scores = random_scores(rng, frames, topology)
    log_z = log_partition(scores, topology, transcript, scale, self_loop)
    expected = np.zeros_like(scores)
    rows = np.arange(frames)
    for states, weight in all_paths(topology, transcript, frames, self_loop):
        weight += scale * scores[rows, states].sum()
        expected[rows, states] += np.exp(weight - log_z)
    (found,) = forward_backward(
        [scores], [transcript], topology, scale=scale, self_loop=self_loop
    )
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_the_posteriors_are_the_gradient_of_the_log_partition_sum(scale):
    scores = random_scores(np.random.default_rng(0), 6, WORDS)
    (found,) = forward_backward([scores], ["a b"], WORDS, scale=scale)
    step = 1e-5
    for index in np.ndindex(scores.shape):
        change = np.zeros_like(scores)
        change[index] = step
        difference = log_partition(scores + change, WORDS, "a b", scale, 0.7)
        difference -= log_partition(scores - change, WORDS, "a b", scale, 0.7)
        assert difference / (2 * step) == pytest.approx(scale * found[index], abs=1e-5)


@pytest.mark.parametrize("topology", [WORDS, SILENT])
def test_padded_utterances_give_what_they_give_alone(topology):
    rng = np.random.default_rng(1)
    lengths = np.array([4, 12, 7, 9])
    transcripts = [["a", "b"], "a b a", ["b"], ("b", "b")]
    scores = rng.normal(size=(4, 13, topology.num_states))
    states = align(scores, transcripts, topology, lengths)
    posteriors = forward_backward(scores, transcripts, topology, lengths)
    assert states.shape == (4, 13)
    assert posteriors.shape == scores.shape
    padding = 4 if topology.silence else 0
    for index, length in enumerate(lengths):
        alone = [scores[index, :length]], [transcripts[index]], topology
        np.testing.assert_array_equal(states[index, :length], align(*alone)[0])
        np.testing.assert_allclose(
            posteriors[index, :length], forward_backward(*alone)[0], atol=1e-6
        )
        assert (states[index, length:] == padding).all()
        assert (posteriors[index, length:, padding] == 1).all()
    np.testing.assert_allclose(posteriors.sum(axis=2), 1, atol=1e-6)


def test_a_list_gives_a_list_in_the_order_of_the_utterances():
    rng = np.random.default_rng(2)
    scores = [rng.normal(size=(n, 5)) for n in rng.integers(4, 30, 600)]
    transcripts = ["a b" if number % 2 else "b" for number in range(600)]
    states = align(scores, transcripts, WORDS)
    posteriors = forward_backward(scores, transcripts, WORDS)
    for index in (0, 1, 299, 599):
        alone = [scores[index]], [transcripts[index]], WORDS
        np.testing.assert_array_equal(states[index], align(*alone)[0])
        np.testing.assert_allclose(
            posteriors[index], forward_backward(*alone)[0], atol=1e-6
        )


def test_a_constant_per_frame_changes_nothing():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(1, 40, 5))
    shifted = scores + rng.normal(scale=300, size=(1, 40, 1))
    arguments = ["a b a"], WORDS
    np.testing.assert_array_equal(align(scores, *arguments), align(shifted, *arguments))
    np.testing.assert_allclose(
        forward_backward(scores, *arguments),
        forward_backward(shifted, *arguments),
        atol=1e-3,
    )


def test_impossible_scores_still_give_a_path_of_the_transcript():
    scores = np.full((1, 6, 5), -np.inf)
    states = align(scores, ["a b"], WORDS)[0]
    assert sorted(set(states) - {4}) == [0, 1, 2, 3]
    assert (np.diff(states[states < 4]) >= 0).all()
    posteriors = forward_backward(scores, ["a b"], WORDS)
    np.testing.assert_allclose(posteriors.sum(axis=2), 1, atol=1e-6)


def test_a_long_utterance_keeps_the_posteriors_exact():
    topology = Topology("a", states_per_unit=1)
    frames = 3000
    scores = np.zeros((1, frames, 2), np.float32)
    posteriors = forward_backward(scores, ["a"], topology)[0]
    # Silence, word, silence, where each of the silences may be missing.
    weights = {  # segmentations by number of moves, at equal acoustic scores
        moves: (0.3 / 0.7) ** moves for moves in range(3)
    }
    number = {0: 1, 1: 2 * (frames - 1), 2: (frames - 1) * (frames - 2) / 2}
    total = sum(weights[m] * number[m] for m in weights)
    starts_with_word = 1 + weights[1] * (frames - 1)
    assert posteriors[0, 0] == pytest.approx(starts_with_word / total, rel=1e-3)


@pytest.mark.parametrize("function", [align, forward_backward])
@pytest.mark.parametrize(
    ("shape", "transcripts", "options", "message"),
    [
        ((1, 3, 5), ["a b"], {}, r"`num_frames\[0\]`. Expected at least 4 frames in"),
        ((1, 3, 5), ["a b"], {}, r"transcript 'a b'. Received: num_frames\[0\]=3"),
        (
            (2, 9, 5),
            ["a", "a b"],
            {"num_frames": [9, 2]},
            "at least 4 frames in utterance 1",
        ),
        ((1, 0, 5), [""], {}, "at least 1 frames in utterance 0"),
        ((1, 9, 5), ["a c"], {}, r"vocabulary \('a', 'b'\). Received: .*\[0\]='c'"),
        ((2, 9, 5), ["a"], {}, "one transcript for each of the 2 .*'1 transcripts'"),
        ((1, 9, 4), ["a"], {}, "for each of the 5 states. .*'4 scores a frame'"),
        ((9, 5), ["a"] * 9, {}, r"an array \(batch, frames, X\), or a list"),
        ((1, 9, 5), ["a"], {"num_frames": [10]}, "Expected 1 integers from 0 to 9"),
        ((1, 9, 5), ["a"], {"num_frames": [9.0]}, "Expected 1 integers from 0 to 9"),
        ((1, 9, 5), ["a"], {"self_loop": 1}, "`self_loop`. Expected a number between"),
    ],
)
def test_what_does_not_fit_is_an_error(function, shape, transcripts, options, message):
    with pytest.raises(ValueError, match=message):
        function(np.zeros(shape), transcripts, WORDS, **options)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_an_error(value):
    scores = [np.zeros((5, 5)), np.zeros((5, 5))]
    scores[1][2, 3] = value
    with pytest.raises(ValueError, match=r"`log_scores\[1\]`. Expected scores without"):
        align(scores, ["a", "a"], WORDS)


def test_a_list_takes_no_number_of_frames():
    with pytest.raises(ValueError, match="None where `log_scores` is a list"):
        align([np.zeros((5, 5))], ["a"], WORDS, num_frames=[4])


def test_an_empty_transcript_needs_silence():
    with pytest.raises(ValueError, match="as the topology has no silence"):
        align(np.zeros((1, 5, 4)), [""], SILENT)


def test_the_scale_must_be_positive():
    with pytest.raises(ValueError, match=r"`scale`. Expected a number > 0. Received"):
        forward_backward(np.zeros((1, 5, 5)), ["a"], WORDS, scale=0)
