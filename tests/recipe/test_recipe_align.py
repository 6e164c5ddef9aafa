import dataclasses

import numpy as np
import pytest
from helpers.word_recordings import WORDS, corpus, with_tone

from keras_rnn2dnn import hmm
from keras_rnn2dnn.audio import augment
from keras_rnn2dnn.recipe import align
from keras_rnn2dnn.recipe.align import align_recordings, align_strings, at_speeds
from keras_rnn2dnn.recipe.material import feature_layer


def test_speeds_make_copies_and_keep_the_original():
    given = corpus(per_word=1)[:2]
    result = at_speeds(given, (1.0, 0.5, 2.0))
    assert result[0] is given[0] and result[1] is given[1]
    assert [len(r.samples) for r in result] == [1200, 1200, 2400, 2400, 600, 600]
    names = [(r.words, r.speaker, r.index) for r in result]
    assert names == 3 * names[:2]


def test_recordings_are_aligned_by_the_words_they_hold():
    topology = hmm.Topology(WORDS, states_per_unit=2)
    hz = {"one": 500, "two": 2000}
    recordings = [with_tone(r, hz[r.words[0]]) for r in corpus(("anna",), per_word=6)]
    layer = feature_layer(recordings, seed=0)
    first, again = (
        align_recordings(recordings, topology, layer, seed=0) for _ in range(2)
    )
    for given, states, same in zip(recordings, first, again, strict=True):
        assert states.shape == (15,) and states.dtype == np.int32
        allowed = {*topology.states_of(given.words[0]), topology.silence_state}
        assert set(states) <= allowed and set(states) - {topology.silence_state}
        np.testing.assert_array_equal(states, same)


def test_a_click_in_a_quiet_recording_is_no_obstacle():
    (quiet,) = corpus(per_word=1)[:1]
    samples = 0.001 * quiet.samples
    samples[600] = 0.9  # at an RMS of 1 it is 40 times that
    recording = dataclasses.replace(quiet, samples=samples)
    layer, topology = feature_layer([quiet], seed=0), hmm.Topology(WORDS)
    assert np.abs(augment.unit_level(samples)).max() > 16
    (states,) = align_recordings([recording], topology, layer, seed=0)
    assert states.shape == (15,)


@pytest.mark.parametrize("first", [1000, 20])
def test_strings_are_aligned_as_they_are_heard(first, monkeypatch):
    monkeypatch.setattr(align, "_FIRST_STRINGS", first)
    topology = hmm.Topology(("a", "b"), states_per_unit=2)
    rng = np.random.default_rng(0)
    level = {"a": (0, 4), "b": (8, 12)}
    features, words, expected = [], [], []
    for _ in range(50):
        said = tuple(rng.permutation(["a", "b"]))
        states = [4] * int(rng.integers(4, 9))
        for word in said:
            for state in topology.states_of(word):
                states += [int(state)] * int(rng.integers(4, 9))
        states += [4] * int(rng.integers(4, 9))
        levels = np.array([*level["a"], *level["b"], -6])[states]
        features.append(np.eye(14)[levels] + 0.1 * rng.normal(size=(len(levels), 14)))
        words.append(said)
        expected.append(states)
    found = align_strings(features, words, topology, seed=0)
    assert [len(states) for states in found] == list(map(len, expected))
    assert found[0].dtype == np.int32
    agreed = np.concatenate(found) == np.concatenate(expected)
    assert agreed.mean() > 0.8  # by chance 0.2
    same = hmm.flat_start(
        features[:first], words[:first], topology, **align._OF_STRINGS
    ).alignments
    for states, wanted in zip(found, same, strict=False):
        np.testing.assert_array_equal(states, wanted)
