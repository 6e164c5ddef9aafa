import dataclasses
import itertools
import json

import numpy as np
import pytest

from keras_rnn2dnn.ctc import GreedyDecoder, ctc_greedy_decode
from keras_rnn2dnn.ctc.greedy import best_path
from keras_rnn2dnn.hmm import Reporting


def runs(labels, blank):
    """Runs of the same label with their frames, blanks left out."""
    found, start = [], 0
    for label, group in itertools.groupby(labels):
        end = start + len(list(group))
        if label != blank:
            found.append((label, start, end))
        start = end
    return found


def test_repeats_are_merged_and_blanks_left_out():
    decoder = GreedyDecoder(("", "yes", "no"))
    path = [0, 1, 1, 0, 1, 2, 2, 0, 0]
    assert decoder([np.eye(3)[path]]) == [["yes", "yes", "no"]]
    assert best_path(np.eye(3)[path], 0) == [(1, 1, 3), (1, 4, 5), (2, 5, 7)]


def test_characters_are_words_where_there_is_a_space():
    decoder = GreedyDecoder(("a", "b", " ", ""), blank=3)
    path = [2, 0, 0, 3, 0, 2, 2, 3, 2, 1, 2]
    assert decoder.words([np.eye(4)[path], np.eye(4)[[3, 3]]]) == [["aa", "b"], []]
    assert GreedyDecoder(("", "yes")).words([np.eye(2)[[1, 0, 1]]]) == [["yes", "yes"]]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ([], []),
        ([2], []),
        ([2, 2, 2], []),
        ([0], [(0, 0, 1)]),
        ([0, 0], [(0, 0, 2)]),
        ([1, 2], [(1, 0, 1)]),
        ([2, 1], [(1, 1, 2)]),
        ([1, 0, 0, 1], [(1, 0, 1), (0, 1, 3), (1, 3, 4)]),
    ],
)
def test_times_of_short_paths_are_those_counted_by_hand(path, expected):
    logits = np.eye(3)[path] if path else np.zeros((0, 3))
    assert best_path(logits, 2) == expected


@pytest.mark.parametrize("blank", [0, 2, 4])
@pytest.mark.parametrize("kind", [np.float32, np.int8])
def test_labels_are_those_of_greedy_decoding(blank, kind):
    generator = np.random.default_rng(blank)
    lengths = (1, 2, 9, 40, 0, 77)
    logits = [generator.permutation(np.arange(5 * n)).reshape(n, 5) for n in lengths]
    logits = [(z % 101 - 50).astype(kind) for z in logits]
    for z in logits:  # no ties, of which Keras may take another one
        z[np.arange(len(z)), generator.integers(0, 5, len(z))] = 51
    labels = ("a", "b", "c", "d", "e")
    expected = [
        [labels[k] for k in row] for row in ctc_greedy_decode(logits, None, blank)
    ]
    assert GreedyDecoder(labels, blank)(logits) == expected
    for z in logits:
        found = best_path(z, blank)
        assert found == runs([max(range(5), key=row.__getitem__) for row in z], blank)
        assert all(type(number) is int for word in found for number in word)
    assert sum(map(len, expected)) > 40


def test_the_first_of_equal_logits_counts_as_on_the_device():
    logits = np.array([[5, 5, 1], [0, 7, 7], [3, 3, 3]], np.int8)
    assert best_path(logits, 2) == [(0, 0, 1), (1, 1, 2), (0, 2, 3)]


def test_a_decoder_travels_through_json():
    decoder = GreedyDecoder(["_", "ä", "b"], blank=np.int64(1))
    fields = json.loads(json.dumps(decoder.to_dict()))
    assert fields.pop("reporting") == Reporting().to_dict()
    assert fields == {"labels": ["_", "ä", "b"], "blank": 1}
    assert GreedyDecoder.from_dict(fields) == decoder
    assert decoder.labels == ("_", "ä", "b")
    assert GreedyDecoder.from_dict({"labels": ["a"]}).blank == 0
    assert GreedyDecoder(["a", "b"]) != decoder
    with pytest.raises(dataclasses.FrozenInstanceError):
        decoder.blank = 0


@pytest.mark.parametrize(
    ("labels", "blank", "message"),
    [
        ((), 0, "`labels`. Expected a string for each class. Received: labels=()"),
        (
            ("a", 1),
            0,
            "`labels`. Expected a string for each class. Received: labels=('a', 1)",
        ),
        (
            ("a", "b"),
            2,
            "`blank`. Expected the index of one of the 2 classes. Received: blank=2",
        ),
        (
            ("a", "b"),
            -1,
            "`blank`. Expected the index of one of the 2 classes. Received: blank=-1",
        ),
        (
            ("a", "b"),
            True,
            "`blank`. Expected the index of one of the 2 classes. Received: blank=True",
        ),
        (
            ("a", "b"),
            0.0,
            "`blank`. Expected the index of one of the 2 classes. Received: blank=0.0",
        ),
    ],
)
def test_an_impossible_decoder_is_an_error(labels, blank, message):
    with pytest.raises(ValueError) as error:
        GreedyDecoder(labels, blank)
    assert str(error.value) == f"Invalid value for {message}"


def test_labels_that_cannot_be_written_are_refused():
    with pytest.raises(ValueError, match="`labels`. Expected text without lone surrog"):
        GreedyDecoder(("", "\ud800"))
