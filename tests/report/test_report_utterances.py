import re

import pytest

from keras_rnn2dnn.report.collect import collect
from keras_rnn2dnn.report.models import FoldModels
from keras_rnn2dnn.report.utterances import choose, most_frequent, utterances


def test_the_worst_and_a_typical_string_are_chosen():
    recognised = [
        [("a b", "a b"), ("a b", "a c")],
        [("a b", ""), ("a", "b"), ("a", "")],
    ]
    worst, typical = choose(["x", "y"], recognised, None)
    assert (worst.index, worst.models, worst.number) == (2, "y", 0)
    assert worst.why == "most word errors"
    assert (typical.index, typical.models, typical.number) == (1, "x", 1)
    assert typical.why == "median number of word errors"


def test_strings_that_are_all_alike_are_shown_once():
    assert [c.index for c in choose(["x"], [[("a", "a"), ("b", "b")]], None)] == [0]


def test_an_index_beyond_the_last_is_refused():
    with pytest.raises(ValueError, match="from 0 to 1. Received: utterances=-1"):
        choose(["x"], [[("a", "a"), ("b", "b")]], [1, -1])


def test_the_pair_that_differs_most_often_is_not_two_states_that_are_frequent():
    # Each side is most often in state 0, and both never at the same time.
    pairs = [(0, 1), (0, 2), (3, 0), (4, 0), (0, 1)]
    assert most_frequent(pairs) == (0, 1)


def test_the_states_of_a_difference_differ(run_directory):
    models = [FoldModels(fold) for fold in collect(run_directory).folds]
    recognised = [fold.recognised() for fold in models]
    for figure in utterances(choose(models, recognised, range(8))).figures:
        behind = figure.partition("longest of")[2].partition("</thead>")[2]
        rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td>", behind)
        assert rows and all(teacher != student for teacher, student in rows)
        assert "the pair of states that differs most often in it" in figure


def test_times_of_words_and_differences_are_in_the_table(run_directory):
    models = [FoldModels(fold) for fold in collect(run_directory).folds]
    recognised = [fold.recognised() for fold in models]
    (figure,) = utterances(choose(models, recognised, [5])).figures
    assert "Number 1 of the fold bob" in figure
    assert figure.count("<td>said</td>") == 2
    assert '<th scope="col">student&#x27;s</th>' in figure
    assert figure.count("<image") == 2
