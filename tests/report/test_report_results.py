import re

import pytest

from keras_rnn2dnn.report.collect import collect
from keras_rnn2dnn.report.html import LeftOut
from keras_rnn2dnn.report.results import confusions, error_counts, kind_of, results


def test_errors_are_counted_by_hand():
    counted = error_counts(
        [("one two three", "one six"), ("one", "two one"), ("one two", "one six")]
    )
    assert counted == {
        ("two", "six"): 2,
        ("three", "(nothing)"): 1,
        ("(nothing)", "two"): 1,
    }
    assert [kind_of(pair) for pair in sorted(counted)] == [
        *("insertions", "deletions", "substitutions")
    ]


def test_the_table_holds_every_number_of_the_demo(run_directory):
    run = collect(run_directory)
    section = results(run)
    first, kinds = section.figures
    row = run.rows[4]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", section.table)
    start = cells.index("student, distilled")
    low, high = row["ci95"]
    assert cells[start : start + 8] == [
        "student, distilled",
        f"{100 * row['wer']:.2f}",
        f"{100 * low:.1f}-{100 * high:.1f}",
        *(str(row[k]) for k in ("errors", "substitutions", "deletions", "insertions")),
        str(row["words"]),
    ]
    assert first.count("<table>") == 3  # all together, and each fold
    assert "<h4>ada</h4>" in first
    assert row["errors"] == row["substitutions"] + row["deletions"] + row["insertions"]
    assert f"Of {row['words']} words said." in kinds


def test_the_most_confused_words_come_first(run_directory):
    recognised = [("a b", "a c"), ("b", "c"), ("a", "")]
    pairs, words = confusions(collect(run_directory), recognised).figures
    rows = re.findall(r"<tr>(<td.*?)</tr>", pairs)
    cells = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in rows]
    # The teacher of these folds makes no errors.
    assert cells == [
        ["b", "c", "2", "100.0", "0"],
        ["a", "(nothing)", "1", "50.0", "0"],
    ]
    assert ">b \N{RIGHTWARDS ARROW} c</text>" in pairs
    assert '<td>b</td><td class="n">2</td><td class="n">2</td>' in words


def test_where_all_is_right_there_is_nothing_to_show(run_directory):
    with pytest.raises(LeftOut, match="all words of 2 strings were recognised"):
        confusions(collect(run_directory), [("a b", "a b"), ("b", "b")])


def test_the_words_add_up_to_the_errors(run_directory):
    recognised = [("a b c", "c c"), ("", "d"), ("b", "b a")]
    _, words = confusions(collect(run_directory), recognised).figures
    found = re.findall(r"<td[^>]*>([^<]*)</td>", words)
    rows = {
        row[0]: list(map(int, row[1:])) for row in zip(*[iter(found)] * 5, strict=True)
    }
    assert rows["d"] == [0, 0, 0, 1]  # never said
    assert sum(sum(row[1:]) for row in rows.values()) == 4
