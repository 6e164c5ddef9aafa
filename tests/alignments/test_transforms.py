import itertools

import numpy as np
import pytest
from helpers.stores import expected, padded, teacher

from keras_rnn2dnn import SoftAlignments
from keras_rnn2dnn.alignments import (
    by_transcript,
    chained,
    match_priors,
    teacher_pass,
)
from keras_rnn2dnn.hmm import Topology, constrained


def test_transcripts_decide_what_is_done(tmp_path):
    topology = Topology(("a", "b"), states_per_unit=4)
    x, model = padded((12, 8)), teacher()
    log_p = [expected(model, row, n) for row, n in zip(x, (12, 8), strict=True)]
    matched = match_priors(log_p, np.log(np.full(9, 1 / 9)))
    known = constrained(topology)
    both = by_transcript(known, matched)
    of_both = both(log_p, ["a", None])
    assert np.array_equal(of_both[0], known(log_p[:1], ["a"])[0])
    assert np.array_equal(of_both[1], matched(log_p[1:], [None])[0])
    assert known.__name__ in both.__name__ and matched.__name__ in both.__name__
    assert by_transcript(known, matched)(log_p[1:], [None])[0].shape == (8, 9)


def test_errors_tell_which_utterances_they_number():
    topology = Topology(("a", "b"), states_per_unit=4)
    transform = by_transcript(constrained(topology), negated)
    with pytest.raises(ValueError) as error:
        transform([np.zeros((3, 9))] * 3, [None, None, "a"])
    assert str(error.value).startswith(
        "Of the utterances with a transcript, numbered alone: Invalid value for "
        "`num_frames[0]`. Expected at least 4 frames"
    )


def negated(log_posteriors, transcripts):
    return [-z for z in log_posteriors]


def told(log_posteriors, transcripts):
    return [z + len(t) for z, t in zip(log_posteriors, transcripts, strict=True)]


def test_transforms_follow_one_another_and_all_know_the_transcripts():
    z = [np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])]
    after = chained(negated, told)(z, ["a", "bc"])
    assert [one.tolist() for one in after] == [[[0.0, -1.0]], [[-1.0, -2.0]]]
    before = chained(told, negated)(z, ["a", "bc"])
    assert [one.tolist() for one in before] == [[[-2.0, -3.0]], [[-5.0, -6.0]]]
    assert chained(negated, told).__name__ == "chained(negated, told)"


def test_a_store_keeps_what_a_chain_gives(tmp_path):
    x, model = padded((12, 8)), teacher()

    def tilted(log_posteriors, transcripts):
        return [z + np.arange(9) for z in log_posteriors]

    priors = np.log(np.full(9, 1 / 9))
    log_p = [expected(model, row, n) for row, n in zip(x, (12, 8), strict=True)]
    matched = match_priors(tilted(log_p, None), priors, num_iterations=1000)
    transform = chained(tilted, matched)
    store = SoftAlignments.write(tmp_path / "s", model, x, transform=transform)
    soft = np.concatenate([u.soft for u in store.utterances()])
    assert np.allclose(np.exp(soft).mean(axis=0), 1 / 9, atol=1e-3)


def test_a_transform_is_given_what_fits_into_memory(tmp_path, monkeypatch):
    model, x, told = teacher(), padded((12, 8, 30, 5)), []

    def negated(log_posteriors, transcripts):
        told.append(transcripts)
        return [-z for z in log_posteriors]

    def softs(name):
        y = {"transcripts": ["a", "b", "c", "d"]}
        options = {"transform": negated, "batch_frames": 30}
        store = SoftAlignments.write(tmp_path / name, model, (x, y), **options)
        return [utterance.soft for utterance in store.utterances()]

    whole = softs("whole")
    monkeypatch.setattr(teacher_pass, "_TRANSFORMED_ELEMENTS", 12 * 9)
    for one, other in zip(softs("parts"), whole, strict=True):
        np.testing.assert_array_equal(one, other)
    assert told[0] == ["a", "b", "c", "d"]
    assert len(told) > 2 and sorted(itertools.chain(*told[1:])) == told[0]

    def refused(log_posteriors, transcripts):
        raise ValueError("not these")

    with pytest.raises(ValueError) as error:
        options = {"transform": refused, "batch_frames": 30}
        SoftAlignments.write(tmp_path / "refused", model, x, **options)
    assert str(error.value) == "In the utterances '2', numbered from 0: not these"
