import dataclasses

import numpy as np
from helpers.tone_words import tone_words

from keras_rnn2dnn import hmm
from keras_rnn2dnn.recipe.from_corpus.long_recordings import cut_to_words

TOPOLOGY = hmm.Topology(("down", "up"))


def test_long_recordings_are_cut_to_where_their_words_are():
    rng = np.random.default_rng(0)
    given, places = [], []
    for r in tone_words(("ada", "bob"), per_word=4):
        before, after = rng.integers(8000, 100_000, size=2)
        samples = np.pad(r.samples, (before, after))
        if r.index == 1:  # a door slams
            samples[500:620] += 0.3 * rng.normal(size=120)
        samples = samples + 0.003 * rng.normal(size=len(samples)).astype("float32")
        given.append(dataclasses.replace(r, samples=samples.astype("float32")))
        places.append((before, before + len(r.samples)))
    short = tone_words(("ada",), per_word=4)
    found = cut_to_words([*given, *short], TOPOLOGY, seed=0)
    assert all(a is b for a, b in zip(found[len(given) :], short, strict=True))
    for whole, cut, (start, end) in zip(given, found, places, strict=False):
        windows = np.lib.stride_tricks.sliding_window_view(whole.samples, 50)
        (first,) = np.flatnonzero((windows == cut.samples[:50]).all(axis=1))
        assert start - 5000 < first <= start
        assert end <= first + len(cut.samples) < end + 5000
        assert (cut.words, cut.speaker) == (whole.words, whole.speaker)


def test_short_recordings_are_not_aligned(monkeypatch):
    monkeypatch.setattr(hmm, "flat_start", None)
    given = tone_words(("ada",), per_word=2)
    assert cut_to_words(given, TOPOLOGY, seed=0) == given
