"""Counts that were made by hand."""

import math

import pytest

from keras_rnn2dnn.scoring.detections import (
    Detection,
    SpokenWord,
    detection_curve,
    reported,
    score_detections,
)
from keras_rnn2dnn.scoring.thresholds import best_point

HOUR = 3_600_000


def test_a_word_found_twice_is_one_hit_and_one_false_word():
    said = [SpokenWord("one", 1000, 1400)]
    found = [
        Detection("one", 1300, 1390, reported_ms=1500),
        Detection("one", 1000, 1250, reported_ms=1450),
    ]
    score = score_detections(said, found, HOUR)
    assert (score.hits, score.misses, score.false_words) == (1, 0, (found[0],))
    assert score.latencies_ms == (50,)


def test_words_said_twice_in_a_row_are_two_hits():
    said = [SpokenWord("one", 0, 400), SpokenWord("one", 400, 800)]
    found = [
        Detection("one", 30, 450, reported_ms=700),
        Detection("one", 450, 790, reported_ms=900),
    ]
    score = score_detections(said, found, HOUR)
    assert (score.hits, score.false_words) == (2, ())
    assert score.latencies_ms == (300, 100)


def test_what_is_told_too_late_is_a_miss_and_a_false_word():
    said = [SpokenWord("one", 0, 400)]
    found = [Detection("one", 0, 400, reported_ms=1401)]
    score = score_detections(said, found, HOUR)
    assert (score.hits, score.misses, len(score.false_words)) == (0, 1, 1)
    assert score_detections(said, found, HOUR, most_latency_ms=1001).hits == 1


def test_a_neighbour_that_touches_a_word_is_no_pair():
    said = [SpokenWord("one", 100, 400)]
    found = [Detection("one", 400, 600, 700), Detection("one", 0, 100, 200)]
    score = score_detections(said, found, HOUR)
    assert (score.misses, len(score.false_words)) == (1, 2)


def test_the_right_word_comes_before_a_larger_overlap_of_a_wrong_one():
    said = [SpokenWord("one", 0, 400), SpokenWord("two", 500, 900)]
    found = [
        Detection("two", 0, 390, 500),
        Detection("one", 300, 520, 600),
        Detection("six", 510, 890, 950),
    ]
    score = score_detections(said, found, 2 * HOUR)
    assert (score.hits, score.substitutions, score.misses) == (1, 1, 0)
    assert score.false_words == (found[0],)
    assert score.missed == 0.5
    assert score.false_per_hour == 1.0  # "two" and, for "two", "six", in two hours


def test_a_long_detection_is_found_whatever_starts_after_it():
    said = [SpokenWord("one", 5000, 5400)]
    found = [Detection("two", n * 10, n * 10 + 5, 0) for n in range(100, 400)]
    found.insert(0, Detection("one", 0, 5100, 5500))
    score = score_detections(said, found, HOUR)
    assert (score.hits, len(score.false_words)) == (1, 300)


def test_latencies_have_percentiles():
    said = [SpokenWord("one", 1000 * n, 1000 * n + 400) for n in range(5)]
    found = [
        Detection("one", w.start_ms, w.end_ms, w.end_ms + late)
        for w, late in zip(said, (100, 200, 300, 400, 500), strict=True)
    ]
    score = score_detections(said, found, HOUR)
    assert score.latency_ms(50) == 300
    assert score.latency_ms(100) == 500
    assert math.isnan(score_detections(said, [], HOUR).latency_ms(50))


def test_thresholds_trade_misses_for_false_words():
    said = [SpokenWord("one", 1000 * n, 1000 * n + 400) for n in range(4)]
    hits = [
        Detection("one", w.start_ms, w.end_ms, w.end_ms, confidence)
        for w, confidence in zip(said, (9.0, 7.0, 5.0, 1.0), strict=True)
    ]
    ghosts = [
        Detection("two", 90_000 + n, 90_001 + n, 90_001 + n, confidence)
        for n, confidence in ((0, 6.0), (10, 3.0), (20, 0.5))
    ]
    curve = detection_curve(said, hits + ghosts, HOUR)
    assert [p.threshold for p in curve] == [None, 0.501, 3.001, 6.001]
    assert [p.false_per_hour for p in curve] == [3, 2, 1, 0]
    assert [round(4 * p.missed) for p in curve] == [0, 0, 1, 2]
    chosen = [best_point(curve, most).threshold for most in (3, 2, 1, 0.5)]
    assert chosen == [None, 0.501, 3.001, 6.001]


def test_suppression_comes_after_the_threshold():
    """A word is found in window after window: the first sure one is reported."""
    said = [SpokenWord("one", 0, 400)]
    found = [
        Detection("one", 0, end, end, confidence)
        for end, confidence in ((100, 1.0), (200, 2.0), (300, 3.0), (400, 1.0))
    ]
    curve = detection_curve(said, found, HOUR, suppress_ms=1000)
    points = [(p.threshold, p.false_per_hour, p.missed) for p in curve]
    assert points == [
        *((None, 0.0, 0.0), (1.001, 0.0, 0.0), (2.001, 0.0, 0.0)),
        (3.001, 0.0, 1.0),
    ]
    assert [d.end_ms for d in reported(found, 1.5, 1000)] == [200]


def test_a_word_in_the_place_of_another_is_false_on_the_curve():
    said = [SpokenWord("one", 0, 400)]
    found = [Detection("two", 0, 400, 500, confidence=2.0)]
    assert score_detections(said, found, HOUR).substituted == tuple(found)
    curve = detection_curve(said, found, HOUR)
    points = [(p.threshold, p.false_per_hour, p.missed) for p in curve]
    assert points == [(None, 1.0, 1.0), (2.001, 0.0, 1.0)]


def test_a_duration_of_nothing_is_refused():
    with pytest.raises(ValueError, match="Invalid value for `duration_ms`. Expected a"):
        score_detections([], [], 0)
