import itertools

import numpy as np
import pytest

from keras_rnn2dnn.ctc import ctc_beam_decode, ctc_greedy_decode


def collapse(path, blank):
    """Merges repeats, then leaves out blanks."""
    return tuple(label for label, _ in itertools.groupby(path) if label != blank)


def best_sequence(log_probs, blank):
    """The most probable class sequence, by enumeration of all paths."""
    totals = {}
    frames, classes = log_probs.shape
    for path in itertools.product(range(classes), repeat=frames):
        weight = np.exp(log_probs[np.arange(frames), path].sum())
        key = collapse(path, blank)
        totals[key] = totals.get(key, 0) + weight
    return list(max(totals, key=totals.get))


def random_log_probs(shape, seed):
    logits = np.random.default_rng(seed).normal(size=shape)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("blank", [0, 1, 3, -1])
def test_greedy_decoding_merges_the_best_path(blank):
    log_probs = random_log_probs((8, 12, 4), seed=1)
    lengths = [12, 3, 7, 0, 1, 12, 5, 9]
    expected = [
        list(collapse(row[:length].argmax(axis=1), blank % 4))
        for row, length in zip(log_probs, lengths, strict=True)
    ]
    assert ctc_greedy_decode(log_probs, lengths, blank) == expected
    alone = [row[:length] for row, length in zip(log_probs, lengths, strict=True)]
    assert ctc_greedy_decode(alone, blank=blank) == expected


@pytest.mark.parametrize("blank", [0, 1, 2, -1])
def test_a_wide_beam_finds_the_best_of_all_sequences(blank):
    log_probs = random_log_probs((30, 5, 3), seed=2)
    lengths = np.tile([5, 4, 1, 3, 2], 6)
    expected = [
        best_sequence(row[:length], blank % 3)
        for row, length in zip(log_probs, lengths, strict=True)
    ]
    assert ctc_beam_decode(log_probs, lengths, 200, blank) == expected
    assert expected != ctc_greedy_decode(log_probs, lengths, blank)


def test_a_repeated_class_needs_a_blank_between():
    path = [1, 1, 0, 1, 2, 2, 0, 0, 2]
    log_probs = np.log(np.eye(3)[path] + 1e-4)[None]
    assert ctc_greedy_decode(log_probs) == [[1, 1, 2, 2]]
    assert ctc_beam_decode(log_probs) == [[1, 1, 2, 2]]


def test_nothing_but_blanks_gives_nothing():
    log_probs = np.log(np.eye(3)[[2, 2]] + 1e-4)[None]
    assert ctc_greedy_decode(log_probs, blank=2) == [[]]
    assert ctc_beam_decode(log_probs, blank=2) == [[]]


@pytest.mark.parametrize("decode", [ctc_greedy_decode, ctc_beam_decode])
@pytest.mark.parametrize(
    ("log_probs", "options", "message"),
    [
        (
            np.zeros((5, 3)),
            {},
            r"Expected \(batch, frames, classes\).*'shape \(5, 3\)'",
        ),
        (np.zeros((1, 5, 3)), {"blank": 3}, "one of the 3 classes. Received: blank=3"),
        (
            np.zeros((1, 5, 3)),
            {"blank": -4},
            "one of the 3 classes. Received: blank=-4",
        ),
        (np.zeros((1, 5, 3)), {"num_frames": [6]}, "Expected 1 integers from 0 to 5"),
        ([np.zeros((5, 3))], {"num_frames": [5]}, "None where `log_probs` is a list"),
        ([np.zeros((5, 3)), np.zeros((5, 2))], {}, r"a list of \(frames, classes\)"),
        ([], {}, r"a list of \(frames, classes\)"),
    ],
)
def test_what_does_not_fit_is_an_error(decode, log_probs, options, message):
    with pytest.raises(ValueError, match=message):
        decode(log_probs, **options)


def test_the_beam_width_must_be_positive():
    with pytest.raises(
        ValueError, match=r"Expected an integer >= 1. Received: beam_wid"
    ):
        ctc_beam_decode(np.zeros((1, 2, 3)), beam_width=0)
