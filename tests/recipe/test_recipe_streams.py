import dataclasses
import itertools

import numpy as np
import pytest
from helpers.word_recordings import TONES_HZ, corpus, marked, with_tone

from keras_rnn2dnn.audio.features import LogMel
from keras_rnn2dnn.audio.streams import StreamOptions
from keras_rnn2dnn.hmm.topology import Topology
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.streams import (
    development_streams,
    stream_topology,
    streamed_banks,
)
from keras_rnn2dnn.recipe.strings import FeatureString, strings_for

OPTIONS = StreamOptions(other=0.5, other_s=(0.5, 1.0), sounds=0, hum=0)
RECIPE = Recipe(
    transcribed_strings=12,
    unlabelled_strings=6,
    num_banks=2,
    development_strings=8,
    streams=OPTIONS,
)
LAYER = LogMel(8000, num_bins=20, low_hz=80.0, high_hz=3900.0)


@pytest.fixture(scope="module")
def split():
    other = [with_tone(r, TONES_HZ["other_speech"]) for r in corpus(("dora",), 4)]
    return dataclasses.replace(marked(), other_speech=other)


def labelled(split, number, topology):
    """Strings whose frames have the first state of a word, or silence."""
    given = "train", 18, number, 0, LAYER.spec, RECIPE.strings
    found = []
    for string in strings_for(split, *given):
        states = np.full(string.num_frames, topology.silence_state)
        for word, (_, frame) in zip(string.words, string.parts, strict=True):
            states[frame : frame + 15] = topology.states_of(word)[0]
        features = np.zeros((string.num_frames, 20))
        found.append(FeatureString(features, features, states, string.words))
    return found


def said(states, topology):
    """The words that labels say, and the numbers of their frames."""
    names = {topology.states_of(w)[0]: w for w in (*topology.words, "<unk>")}
    cuts = np.flatnonzero(np.diff(states)) + 1
    runs = [(names.get(run[0]), len(run)) for run in np.split(states, cuts)]
    return [run for run in runs if run[0]]


def test_labels_and_words_of_streams_agree(split):
    topology = stream_topology(Topology(split.vocabulary), split, OPTIONS)
    banks = [labelled(split, number, topology) for number in range(2)]
    transcribed, mixed = streamed_banks(split, banks, LAYER, topology, RECIPE, seed=0)
    assert len(transcribed) == len(mixed) == 2
    for bank, both, strings in zip(transcribed, mixed, banks, strict=True):
        words = sorted(w for s in strings for w in s.words)
        assert sorted(w for s in bank for w in s.words if w != "<unk>") == words
        assert sum("<unk>" in s.words for s in bank) >= 9
        for stream in bank:
            assert len(stream.noisy) == len(stream.clean) == len(stream.states)
            runs = said(stream.states, topology)
            # Equal words that follow each other at once are one run of labels.
            assert [w for w, _ in itertools.groupby(w for w, _ in runs)] == [
                w for w, _ in itertools.groupby(stream.words)
            ]
        known = [s for s in both if s.states is not None]
        assert all(a is b for a, b in zip(known, bank, strict=False))
        unlabelled = [s for s in both if s.states is None]
        assert unlabelled and not any("<unk>" in s.words for s in unlabelled)


def test_streams_are_the_same_for_the_same_seed(split):
    given = LAYER, stream_topology(Topology(split.vocabulary), split, OPTIONS), RECIPE
    first, again = (development_streams(split, *given, seed=1) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.noisy, b.noisy)
        expected = LAYER(a.samples[None]).numpy()[0]
        np.testing.assert_allclose(a.noisy, expected, atol=1e-4)
        assert a.states is None and "<unk>" not in a.words
    other = development_streams(split, *given, seed=2)
    assert [s.words for s in other] != [s.words for s in first]


def test_other_speech_has_a_state_where_there_is_some(split):
    words = Topology(split.vocabulary)
    assert stream_topology(words, split, OPTIONS) == Topology(("one", "two"), other=8)
    assert stream_topology(words, split, None) == words
    silent = dataclasses.replace(split, other_speech=())
    assert stream_topology(words, silent, OPTIONS) == words
