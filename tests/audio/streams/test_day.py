"""The day's audio: what is said is where it is said to be."""

import numpy as np

from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.audio.streams.day import BACKGROUNDS, joined, make_day

RATE = 8000
SPEC = FeatureSpec(RATE, num_bins=8)


def tone(hz, word, speaker):
    """A tone of half a second within a second of silence."""
    samples = np.zeros(RATE, "float32")
    samples[2000:6000] = 0.1 * np.sin(2 * np.pi * hz * np.arange(4000) / RATE)
    return Recording(samples, RATE, (word,), speaker, 0)


SAID = [tone(hz, w, s) for s in ("ann", "bob") for hz, w in ((500, "go"), (900, "no"))]
SPEECH = [tone(300, "", "eve"), tone(350, "", "eve")]


def loudness(pcm, word):
    first, end = (int(ms * RATE / 1000) for ms in (word.start_ms, word.end_ms))
    return np.std(pcm[first + 400 : end - 400].astype("float64"))


def test_words_are_where_they_are_said_to_be():
    (block,) = make_day(SAID, [], SPEECH, 300 / 3600, 1, SPEC)
    assert block.background == "quiet" and len(block.pcm) == 300 * RATE
    assert {w.text for w in block.words} == {"go", "no"}
    quiet = np.median(np.abs(block.pcm))
    for word in block.words:
        assert 460 <= word.end_ms - word.start_ms <= 540
        assert loudness(block.pcm, word) > 8 * quiet
        spectrum = np.abs(np.fft.rfft(block.pcm[int(word.start_ms * 8) + 400 :][:3200]))
        assert np.argmax(spectrum) * RATE / 3200 == {"go": 500, "no": 900}[word.text]


def test_a_block_of_each_background_is_the_same_for_a_seed():
    hours = len(BACKGROUNDS) * 300 / 3600
    others = [tone(1500, "other", "ann")]
    one, two = (make_day(SAID, others, SPEECH, hours, seed, SPEC) for seed in (3, 3))
    assert [block.background for block in one] == list(BACKGROUNDS)
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a.pcm, b.pcm) and a.words == b.words
    assert one[-1].words == [] and np.any(one[-1].pcm)
    assert {w.text for block in one for w in block.words} == {"go", "no"}


def test_without_other_speech_its_backgrounds_are_left_out():
    given = {"block_s": 5, "pause_s": (0.2, 0.5)}
    blocks = make_day(SAID, [], [], 25 / 3600, 3, SPEC, **given)
    kinds = [block.background for block in blocks]
    assert kinds == ["quiet", "noise", "notes", "clicks", "quiet"]
    assert all(len(block.pcm) == 5 * RATE for block in blocks)
    assert any(block.words for block in blocks)


def test_blocks_become_one_stream_in_which_words_are_later():
    given = {"block_s": 10, "pause_s": (0.2, 0.5)}
    blocks = make_day(SAID, [], SPEECH, 20 / 3600, 3, SPEC, **given)
    pcm, words = joined(blocks, RATE)
    assert np.array_equal(pcm, np.concatenate([b.pcm for b in blocks]))
    first, second = (block.words for block in blocks)
    assert words[: len(first)] == first
    assert [w.later(-10_000) for w in words[len(first) :]] == second and second
