"""The integers of a keyword spotter against posteriors in floats."""

import numpy as np
import pytest

from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.deploy.device.decoders import field_in_stream
from keras_rnn2dnn.deploy.device.events import OVER, Limits
from keras_rnn2dnn.deploy.device.keywords import Keywords, keywords_of, spotter_tables
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder
from keras_rnn2dnn.keywords import KeywordSpotter
from keras_rnn2dnn.keywords.spotter import best_classes, smoothed_posteriors
from keras_rnn2dnn.quantization.receptive_field import ReceptiveField, WholeClip

SCALE, FIELD = 0.11, ReceptiveField(49, 0, 10)


def random_logits(frames, classes, seed=0):
    noise = 60 * np.random.default_rng(seed).normal(size=(frames, classes))
    return np.clip(np.rint(noise), -128, 127).astype(np.int8)


def spotter(classes, smoothing_ms=300.0):
    labels = tuple(f"w{k}" for k in range(classes))
    return KeywordSpotter(labels, labels[:2], smoothing_ms=smoothing_ms)


@pytest.mark.parametrize(("classes", "smoothed"), [(2 + 1, 1), (12, 3), (201, 30)])
def test_keywords_and_confidences_are_those_of_floats(classes, smoothed):
    decoder, logits = spotter(classes, 100.0 * smoothed), random_logits(300, classes)
    found = keywords_of(spotter_tables(decoder, SCALE, FIELD), logits, Limits())
    means = smoothed_posteriors(SCALE * logits.astype(float), smoothed)
    best, confidences = best_classes(means)
    expected = [
        (int(word), t, 1000 * value)
        for t, (word, value) in enumerate(zip(best, confidences, strict=True))
        if word >= 2
    ]
    assert len(found) == len(expected) > 80
    lag = min(smoothed - 1, 4)
    for one, (word, t, value) in zip(found, expected, strict=True):
        assert (one.word, one.start) == (word, t - min(t, 4))
        assert one.end == t - min(t, lag)
        # Each posterior loses less than 2^-24: of 1 - p a share that grows with p.
        lost = 1000 * (classes + 1) * 2**-24 * (1 + np.exp(value / 1000))
        assert one.confidence == pytest.approx(value, abs=2 + lost)


def test_a_sure_word_has_a_confidence_that_ends_somewhere():
    tables = spotter_tables(spotter(3), 1.0, FIELD)
    logits = np.array([[-128, -128, 127]] * 3, np.int8)
    found = keywords_of(tables, logits, Limits())
    # One part of 2^24, or of three times as much, is all that is left for others.
    expected = [1000 * np.log(count * 2.0**24) for count in (1, 2, 3)]
    assert [one.confidence for one in found] == pytest.approx(expected, abs=1)


def test_silence_is_where_no_keyword_is_heard():
    keywords = Keywords(spotter_tables(spotter(4, 100.0), SCALE, FIELD), Limits(1, 3))
    events = []
    for word in (2, 2, 0, 1, 1, 1, 3):
        row = np.where(np.arange(4) == word, 100, -100).astype(np.int8)
        events += [(one.word, one.end) for one in keywords.step(row)]
    assert events == [(2, 0), (2, 1), (OVER, 5), (3, 6)]
    assert keywords.finish() == [] and keywords.frame == 7


def test_the_window_of_a_clip_moves_by_whole_frames():
    spec, clip = FeatureSpec(8000, frame_step_ms=20.0), WholeClip.of(50)
    decoder = KeywordSpotter("ab", step_ms=90.0)
    assert field_in_stream(clip, decoder, spec) == ReceptiveField(49, 0, 4)
    soon = KeywordSpotter("ab", step_ms=1.0, smoothing_ms=2.0)
    assert field_in_stream(clip, soon, spec) == ReceptiveField(49, 0, 1)
    assert field_in_stream(FIELD, decoder, spec) is FIELD
    assert field_in_stream(clip, WordLoopDecoder(Topology("a")), spec) is clip
