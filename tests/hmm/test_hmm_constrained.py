import itertools

import numpy as np
import pytest

from keras_rnn2dnn.alignments import by_transcript, chained, match_priors
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder, constrained, decoded
from keras_rnn2dnn.hmm.constrained import made_of_paths

SILENT = Topology(("a", "b"), states_per_unit=1)


def best_path(scores, topology, self_loop, penalty):
    """The states of the best path through the loop of words of two states, one by one.

    Words are entered at their first state and left at their second; silence is last.
    """
    words, silence = topology.num_states // 2, topology.num_states - 1
    last = {2 * w + 1 for w in range(words)} | {silence}
    best = -np.inf, None
    for path in itertools.product(range(topology.num_states), repeat=len(scores)):
        total = scores[np.arange(len(scores)), path].sum()
        total += 0.0 if path[0] == silence else penalty
        allowed = (path[0] == silence or path[0] % 2 == 0) and path[-1] in last
        for one, two in itertools.pairwise(path):
            if one == two:
                total += np.log(self_loop)
                continue
            total += np.log(1 - self_loop)
            entered = two != silence and two % 2 == 0
            inside = two != silence and two % 2 == 1 and two == one + 1
            ended = one in last and (entered or two == silence)
            allowed &= inside or ended
            total += penalty if entered else 0.0
        if allowed and total > best[0]:
            best = total, path
    return list(best[1])


@pytest.mark.parametrize("seed", range(4))
def test_the_states_are_those_of_the_words_that_are_recognised(seed):
    topology = Topology(("a", "b"), states_per_unit=2)
    decoder = WordLoopDecoder(topology, insertion_penalty=-1.0, self_loop=0.6)
    scores = 4 * np.random.default_rng(seed).normal(size=(6, 5))
    scores -= np.logaddexp.reduce(scores, axis=1, keepdims=True)
    (found,) = decoded(decoder)([scores.astype("float32")], [None])
    path = best_path(scores, topology, 0.6, -1.0)
    assert found.argmax(axis=1).tolist() == path
    assert np.exp(found).sum(axis=1) == pytest.approx(np.ones(6), abs=1e-5)


def test_where_nothing_is_recognised_all_is_silence():
    heard = np.log(np.tile([0.1, 0.1, 0.8], (3, 1)))
    decoder = WordLoopDecoder(SILENT, insertion_penalty=-20.0)
    (found,) = decoded(decoder)([heard], ["a"])
    assert np.exp(found).tolist() == [[0.0, 0.0, 1.0]] * 3


def test_without_silence_posteriors_stay_where_nothing_is_recognised():
    topology = Topology(("a", "b"), states_per_unit=2, silence=False)
    short, long = np.log(np.full((1, 4), 0.25)), np.log(np.full((4, 4), 0.25))
    found = decoded(WordLoopDecoder(topology))([short, long], [None, None])
    assert found[0] == pytest.approx(short)
    assert np.exp(found[1][0]).max() == pytest.approx(1.0)  # begins with a word


@pytest.mark.parametrize("silence", [True, False])
def test_utterances_without_frames_stay_as_they_are(silence):
    topology = Topology(("a", "b"), states_per_unit=1, silence=silence)
    heard = np.log(np.full((2, topology.num_states), 1 / topology.num_states))
    found = decoded(WordLoopDecoder(topology))([heard[:0], heard], [None, None])
    assert found[0].shape == (0, topology.num_states)
    assert np.exp(found[1]).sum(axis=1) == pytest.approx(np.ones(2))


def test_targets_are_of_paths_where_the_decoder_comes_last():
    decoder, log_p = WordLoopDecoder(SILENT), [np.log(np.full((4, 3), 1 / 3))]
    matched = match_priors(log_p, np.log(np.full(3, 1 / 3)))
    known, unknown = constrained(SILENT), decoded(decoder)
    for transform, of_paths in (
        (known, True),
        (unknown, True),
        (matched, False),
        (chained(matched, unknown), True),
        (chained(unknown, matched), False),
        (by_transcript(known, chained(matched, unknown)), True),
        (by_transcript(known, matched), False),
        (by_transcript(matched, unknown), False),
    ):
        assert made_of_paths(transform.__name__, SILENT, 0.7) == of_paths
    assert not made_of_paths(unknown.__name__, SILENT, 0.6)


def test_another_decoder_has_another_name():
    names = {
        decoded(
            WordLoopDecoder(SILENT, insertion_penalty=penalty, self_loop=a)
        ).__name__
        for penalty in (0.0, -1.0)
        for a in (0.6, 0.7)
    }
    assert len(names) == 4


def test_best_classes_may_skip_a_state_where_the_path_does_not():
    topology = Topology(("a",), states_per_unit=3, silence=False)
    scores = np.zeros((5, 3), "float32")
    scores[:, 1] = -8  # heard for a single frame, nobody knows in which
    scores[2, 1] = -9
    (posteriors,) = constrained(topology)([scores], ["a"])
    assert posteriors.argmax(axis=1).tolist() == [0, 0, 0, 2, 2]
    places = itertools.combinations(range(1, 5), 2)  # where the path goes on
    paths = [np.searchsorted(place, np.arange(5), "right") for place in places]

    def mass(states):
        return np.exp(posteriors)[np.arange(5), states].sum()

    for transform in (
        constrained(topology, path=True),
        decoded(WordLoopDecoder(topology), path=True),
    ):
        (found,) = transform([scores], ["a"])
        states = found.argmax(axis=1)
        assert states[0] == 0 and sorted(np.diff(states)) == [0, 0, 1, 1]
        assert np.exp(found).sum(axis=1) == pytest.approx(np.ones(5))
        assert mass(states) == pytest.approx(max(map(mass, paths)))


def test_paths_are_known_by_their_names():
    known = constrained(SILENT, path=True)
    unknown = chained(
        match_priors([np.zeros((3, 3))], np.zeros(3), []),
        decoded(WordLoopDecoder(SILENT), path=True),
    )
    for transform in (known, unknown, by_transcript(known, unknown)):
        assert ", path)" in transform.__name__
        assert made_of_paths(transform.__name__, SILENT, 0.7)


@pytest.mark.parametrize("seed", range(4))
def test_priors_are_taken_away_before_states_are_aligned(seed):
    topology = Topology(("a", "b"), states_per_unit=2)
    rng = np.random.default_rng(seed)
    scores = 8 * rng.normal(size=(6, 5)) + [0, 0, 0, 0, 4]
    scores -= np.logaddexp.reduce(scores, axis=1, keepdims=True)
    priors = np.log([0.02, 0.02, 0.02, 0.02, 0.92])
    path = best_path(scores - priors, topology, 0.7, -1.0)
    entered = [s for before, s in itertools.pairwise([-1, *path]) if s != before]
    words = ["ab"[state // 2] for state in entered if state in (0, 2)]
    assert words  # which silence swallows otherwise
    options = {"log_priors": priors, "prior_scale": 1.0, "path": True}
    transform = constrained(topology, **options)
    (found,) = transform([scores.astype("float32")], [words])
    assert found.argmax(axis=1).tolist() == path
    decoder = WordLoopDecoder(
        topology, priors, prior_scale=1.0, insertion_penalty=-1.0, self_loop=0.7
    )
    (found,) = decoded(decoder, prior_scale=1.0)([scores.astype("float32")], [None])
    assert found.argmax(axis=1).tolist() == path
    for given in (transform, decoded(decoder, prior_scale=1.0)):
        assert made_of_paths(given.__name__, topology, 0.7)
    assert transform.__name__ != constrained(topology, path=True).__name__


def test_priors_that_cannot_be_taken_away():
    def refused(make, *given, **options):
        with pytest.raises(ValueError) as error:
            make(*given, **options)
        return str(error.value)

    assert refused(constrained, SILENT, log_priors=np.zeros(2)) == (
        "Invalid value for `log_priors`. Expected one for each of the 3 states. "
        "Received: log_priors='shape (2,)'"
    )
    few = np.array([0, -1, -np.inf])
    assert refused(constrained, SILENT, log_priors=few) == (
        "Invalid value for `log_priors`. Expected finite numbers, and a finite "
        "`prior_scale`. Received: log_priors=array([ 0. , -0.9, -inf], dtype=float32)"
    )
    assert refused(decoded, WordLoopDecoder(SILENT), prior_scale=0.5) == (
        "Invalid value for `prior_scale`. Expected 0, as the decoder has no priors. "
        "Received: prior_scale=0.5"
    )


def test_a_path_at_3400_classes_is_that_of_the_word():
    topology = Topology(tuple(f"w{n}" for n in range(680)))
    scores = np.full((9, topology.num_states), -9, "float32")
    priors = np.zeros(topology.num_states)
    scores[:, -1], priors[-1] = 9.0, 9.0
    scores[2:7, 3395:3400] = np.where(np.eye(5), 3, -9)
    options = {"log_priors": priors, "prior_scale": 1.0, "path": True}
    (found,) = constrained(topology, **options)([scores], ["w679"])
    silent = topology.silence_state
    expected = [silent, silent, 3395, 3396, 3397, 3398, 3399, silent, silent]
    assert found.argmax(axis=1).tolist() == expected
    assert np.exp(found).sum(axis=1).tolist() == [1.0] * 9
