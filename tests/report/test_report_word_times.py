import numpy as np

from keras_rnn2dnn.hmm import Topology
from keras_rnn2dnn.report.word_times import spans_of_path, stretches, word_spans

TOPOLOGY = Topology(("no", "yes"), states_per_unit=2)  # no 0 1, yes 2 3, silence 4


def test_spans_follow_the_path():
    path = np.array([4, 0, 0, 1, 4, 4, 2, 3, 3, 4])
    assert spans_of_path(path, ["no", "yes"], TOPOLOGY) == [("no", 1, 4), ("yes", 6, 9)]


def test_a_word_said_twice_without_a_pause_is_two_words():
    path = np.array([0, 1, 1, 0, 1])
    assert spans_of_path(path, ["no", "no"], TOPOLOGY) == [("no", 0, 3), ("no", 3, 5)]


def test_words_may_share_phones():
    lexicon = {"no": "n o", "on": "o n"}
    topology = Topology(("no", "on"), 1, lexicon=lexicon)  # n 0, o 1, silence 2
    path = np.array([0, 1, 2, 1, 0, 0])
    assert spans_of_path(path, ["no", "on"], topology) == [("no", 0, 2), ("on", 3, 6)]
    path = np.array([0, 1, 1, 0])  # the o of both in a row: the first takes it all
    assert spans_of_path(path, ["no", "on"], topology)[0][:2] == ("no", 0)


def test_words_are_aligned_with_logits():
    path = [4, 0, 1, 1, 4, 2, 3]
    logits = 9.0 * np.eye(5)[path]
    spans = word_spans(logits, ["no", "yes"], TOPOLOGY)
    assert spans == [("no", 1, 4), ("yes", 5, 7)]
    assert word_spans(logits, [], TOPOLOGY) == []


def test_stretches_end_where_the_marks_end():
    assert stretches(np.array([False, True, True, False, True])) == [(1, 3), (4, 5)]
    assert stretches(np.zeros(3, bool)) == []
