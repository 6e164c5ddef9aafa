"""Confidences, other speech and ends of utterances, by independent counting."""

import dataclasses
import itertools

import numpy as np
import pytest

from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.deploy.device import RecognizedWord, Utterance
from keras_rnn2dnn.deploy.device.decoder import ctc_tables, word_loop_tables
from keras_rnn2dnn.deploy.device.events import (
    NO_THRESHOLD,
    OVER,
    Found,
    Limits,
    Reporter,
    confidence,
    threshold_steps,
)
from keras_rnn2dnn.deploy.device.labels import best_labels
from keras_rnn2dnn.deploy.device.paths import search
from keras_rnn2dnn.hmm import Reporting, Topology, WordLoopDecoder
from keras_rnn2dnn.quantization.receptive_field import ReceptiveField

SCALE = 0.125
TOPOLOGY = Topology("a b", 2, other=3)  # states: a 0 1, b 2 3, other 4, silence 5
A, B, OTHER, SILENCE = [0, 1], [2, 3], [4], [5]
DECODER = WordLoopDecoder(TOPOLOGY, insertion_penalty=-4.0, other_penalty=-1.0)


def heard(states, level=100):
    return np.where(np.eye(6)[states] > 0, level, -level).astype(np.int8)


def random_logits(frames, seed, states=6):
    noise = np.random.default_rng(seed).normal(size=(frames + 4, states)) * 30
    smooth = sum(noise[k : k + frames] for k in range(4)) / 2
    return np.clip(np.rint(smooth), -128, 127).astype(np.int8)


def gain_of(decoder, logits, word, start, end):
    """The log of the ratio of a word to the background, by all its paths, a frame."""
    topology, scores = decoder.topology, SCALE * logits.astype(float)
    if decoder.topology.other:
        scores[:, topology.other_state] += decoder.other_bias
    chain = topology.chains[word]
    move = np.log((1 - decoder.self_loop) / decoder.self_loop)
    penalties = decoder.insertion_penalty, decoder.other_penalty
    entering = penalties[word == len(topology.words)] + move * (start > 0)
    best = max(
        sum(scores[t, s] for t, s in zip(range(start, end), path, strict=True))
        for cuts in itertools.combinations(range(1, end - start), len(chain) - 1)
        for path in [np.repeat(chain, np.diff([0, *cuts, end - start]))]
    )
    none = [s for s in (topology.other_state, topology.silence_state) if s is not None]
    none = scores[start:end, none] if none else scores[start:end]
    gain = best + entering + move * (len(chain) - 1) - none.max(axis=1).sum()
    return gain / (end - start)


@pytest.mark.parametrize(
    "topology",
    [TOPOLOGY, Topology("a b", 2), Topology("a b", 2, silence=False)],
    ids=["other", "silence", "neither"],
)
def test_confidence_is_the_gain_of_the_word_over_what_is_none(topology):
    other = {"other_penalty": -1.0, "other_bias": 0.5} if topology.other else {}
    decoder = WordLoopDecoder(topology, insertion_penalty=-2.0, **other)
    tables, counted = word_loop_tables(decoder, SCALE, 20), 0
    logits = [random_logits(60, seed, topology.num_states) for seed in range(4)]
    for z, found in zip(logits, search(tables, logits), strict=True):
        for word, start, end, value in found:
            expected = gain_of(decoder, z, word, start, end)
            # The gain counts 128ths of a nat, cut twice, and parameters are rounded.
            assert value == pytest.approx(1000 * expected, abs=20)
            counted += 1
    assert counted > 12


def test_confidence_of_a_label_is_its_gain_over_the_blank():
    tables = ctc_tables(GreedyDecoder(("", "a", "b")), SCALE)
    logits = random_logits(50, 1, 3)
    found = best_labels(tables, logits, Limits())
    assert len(found) > 5
    for word, start, end, value in found:
        gain = SCALE * (logits[start:end, word] - logits[start:end, 0].astype(float))
        assert value == pytest.approx(1000 * gain.mean(), abs=8)


@pytest.mark.parametrize(
    ("gain", "frames", "expected"),
    [
        *((128, 1, 1000), (1, 1, 7), (-1, 1, -7), (-129, 1, -1007), (0, 1, 0)),
        *((129, 2, 503), (-129, 2, -503), (2**40, 3, 2**31 - 1)),
    ],
)
def test_a_gain_becomes_thousandths_of_a_nat_for_each_frame(gain, frames, expected):
    assert confidence(gain, frames) == expected


def test_confidences_are_counted_as_32_bits_go_round():
    """A word of minutes gains more than fits; the device subtracts modulo 2^32."""
    tables = word_loop_tables(DECODER, SCALE, 20)
    logits = heard(np.repeat([0, 1, 5], [4, 4, 40]))
    (expected,) = search(tables, [logits])
    wide = dataclasses.replace(tables, bits=7)  # as if the shift were 0
    (found,) = search(wide, [logits])
    frames = expected[0].end - expected[0].start
    gain = frames * expected[0].confidence / 1000 * 128 * 2**9
    wrapped = (gain + 2**31) % 2**32 - 2**31
    of_frames = 1000 * wrapped / 128 / frames
    assert found[0].confidence == pytest.approx(of_frames, rel=1e-3)


def times(found):
    return [word[:3] for word in found]


def test_other_speech_is_found_with_the_number_after_the_words():
    states = np.repeat([5, 0, 1, 5, 4, 5, 2, 3, 5], [9, 4, 4, 9, 9, 9, 4, 4, 9])
    (found,) = search(word_loop_tables(DECODER, SCALE, 20), [heard(states)])
    assert times(found) == [(0, 9, 17), (2, 26, 35), (1, 44, 52)]
    gain = -1 + 3 * np.log(3 / 7)
    assert found[1].confidence == pytest.approx(1000 * gain / 9, abs=20)


LIMITS = Limits(history=10, silence=8, longest=40)


def test_an_utterance_is_over_after_the_silence_that_is_wanted():
    states = np.repeat([5, 0, 1, 5, 2, 3, 5, 0, 1, 5], [30, 4, 4, 7, 4, 4, 9, 4, 4, 30])
    (found,) = search(word_loop_tables(DECODER, SCALE, 10), [heard(states)], LIMITS)
    assert times(found) == [
        (OVER, 8, 8),  # nothing was said; a reporter says nothing of it
        (0, 30, 38),
        (1, 45, 53),  # after 7 frames the utterance goes on
        (OVER, 61, 61),  # 8 frames after its last word
        (0, 62, 70),
        (OVER, 78, 78),
    ]


def test_it_is_over_without_silence_when_it_is_too_long_and_words_go_on():
    """Words in progress at its end are whole words of the next one."""
    states = np.tile(np.repeat([0, 1, 2, 3], [3, 3, 4, 4]), 10)
    (found,) = search(word_loop_tables(DECODER, SCALE, 10), [heard(states)], LIMITS)
    words = [word for word in found if word.word != OVER]
    ends = [14 * k + end for k in range(10) for end in (6, 14)]
    assert [word.end for word in words] == ends
    assert [word.end for word in found if word.word == OVER] == [40, 80, 120]
    (same,) = search(word_loop_tables(DECODER, SCALE, 10), [heard(states)])
    assert same == words


def test_words_are_decided_before_the_end_of_their_utterance():
    """However long the history is: nothing is reported after the end."""
    tables = word_loop_tables(DECODER, SCALE, 200)
    logits = [random_logits(300, seed) for seed in range(5)]
    for z in logits:
        z[:, 5] = np.where(np.arange(300) // 30 % 2, 127, z[:, 5])
    ends = 0
    for found in search(tables, logits, Limits(silence=12)):
        over = 0
        for word in found:
            if word.word == OVER:
                over, ends = word.end, ends + 1
            else:
                assert word.start >= over - 12
    assert ends >= 20


@pytest.mark.parametrize("seed", range(3))
def test_no_word_waits_for_longer_than_the_history(seed):
    tables, logits = word_loop_tables(DECODER, SCALE, 7), random_logits(150, seed)
    known, late = [], []
    for frames in range(1, 151):
        (found,) = search(tables, [logits[:frames]])
        new = [word for word in found if word.end < frames - 7 and word not in known]
        late += new if frames > 1 and known else []
        known += new
    (whole,) = search(tables, [logits])
    assert [w for w in whole if w.end < 143] == [w for w in known if w.end < 143]


def test_labels_end_their_utterances_too():
    tables = ctc_tables(GreedyDecoder(("", "a", "b")), SCALE)
    best = np.repeat([0, 1, 0, 2, 0, 1], [20, 3, 7, 3, 30, 100])
    found = best_labels(tables, heard(best)[:, :3], LIMITS)
    assert times(found) == [
        (OVER, 8, 8),
        (1, 20, 23),
        (2, 30, 33),
        (OVER, 41, 41),
        (OVER, 103, 103),
        (OVER, 143, 143),
        (1, 63, 163),
    ]


def reporter(**options):
    limits = Limits(suppress=options.pop("suppress", 0))
    return Reporter.of(
        Reporting(**options), ("a", "b"), limits, lambda frame: 10 * frame
    )


FOUND = [
    Found(2, 0, 5, 0),
    Found(0, 10, 20, 1500),
    Found(1, 22, 30, 900),
    Found(OVER, 40, 40, 0),
    Found(OVER, 90, 90, 0),
    Found(1, 100, 110, -500),
    Found(OVER, 120, 120, 0),
]
WORD_A = RecognizedWord("a", 0, 100, 200, 1.5)
WORD_B = RecognizedWord("b", 1, 220, 300, 0.9)
LAST = RecognizedWord("b", 1, 1000, 1100, -0.5)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [WORD_A, WORD_B, Utterance(0, 300, 2), LAST, Utterance(1000, 1100, 1)]),
        (
            {"threshold": 0.9},
            [WORD_A, WORD_B, Utterance(0, 300, 2), Utterance(1000, 1100, 0)],
        ),
        (
            {"threshold": 0.901},
            [WORD_A, Utterance(0, 300, 1), Utterance(1000, 1100, 0)],
        ),
        (
            {"keywords": "b"},
            [WORD_B, Utterance(0, 300, 1), LAST, Utterance(1000, 1100, 1)],
        ),
        (
            {"suppress": 11},
            [WORD_A, Utterance(0, 300, 1), LAST, Utterance(1000, 1100, 1)],
        ),
        (
            {"suppress": 10},
            [WORD_A, WORD_B, Utterance(0, 300, 2), LAST, Utterance(1000, 1100, 1)],
        ),
    ],
)
def test_what_is_reported(options, expected):
    assert reporter(**options).take(FOUND) == expected
    one_by_one = reporter(**options)
    assert [event for found in FOUND for event in one_by_one.take([found])] == expected


def test_thresholds_are_thousandths_of_a_nat():
    found = [threshold_steps(x) for x in (None, -np.inf, 1.2344, 1e9, np.inf)]
    assert found == [NO_THRESHOLD, NO_THRESHOLD, 1234, 2**31 - 1, 2**31 - 1]


def test_milliseconds_become_output_frames():
    spec, field = FeatureSpec(8000, num_bins=8), ReceptiveField(3, 4, 2)
    reporting = Reporting(
        decide_ms=500, suppress_ms=19, silence_ms=800, longest_ms=60_001
    )
    # 500 less 25 of the window and 40 to the right are 435: 21 frames of 20.
    assert Limits.of(reporting, spec, field) == Limits(21, 40, 3001, 1)
    short = dataclasses.replace(reporting, decide_ms=10.0)
    assert Limits.of(short, spec, field).history == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": "high"}, "`threshold`. Expected a finite number. Received"),
        ({"threshold": np.nan}, "`threshold`. Expected a finite number. Received"),
        ({"decide_ms": -1}, "`decide_ms`. Expected a finite number >= 0. Received"),
        ({"silence_ms": None}, "`silence_ms`. Expected a finite number >= 0."),
        ({"margin": True}, "`margin`. Expected a finite number >= 0. Received"),
        ({"keywords": ()}, "`keywords`. Expected at least one word. Received"),
    ],
)
def test_impossible_reports_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Reporting(**options)


def test_keywords_are_words_of_the_decoder():
    reporting = Reporting(threshold=-2, keywords="a b")
    assert Reporting.from_dict(reporting.to_dict()) == reporting
    decoder = dataclasses.replace(DECODER, reporting=reporting)
    assert WordLoopDecoder.from_dict(decoder.to_dict()) == decoder != DECODER
    with pytest.raises(ValueError, match="`keywords`. Expected words of the decoder"):
        WordLoopDecoder(Topology("a c"), reporting=reporting)
    with pytest.raises(ValueError, match="`keywords`. Expected words of the decoder"):
        GreedyDecoder(("", "a"), reporting=reporting)
    greedy = GreedyDecoder(("", "a", "b"), reporting=reporting)
    assert GreedyDecoder.from_dict(greedy.to_dict()) == greedy
