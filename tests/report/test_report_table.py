import numpy as np
import pytest

from keras_rnn2dnn.report import table


def output(system, hypotheses, kl=0.5, agreement=0.75, frames=100):
    references = [["one", "two"], ["three"]]
    return table.SystemOutput(
        system, 10, 40, references, hypotheses, kl, agreement, frames
    )


RIGHT, ONE_WRONG, TWO_WRONG = (
    [["one", "two"], ["three"]],
    [["one"], ["three"]],
    [["one"], ["four"]],
)


def test_rows_are_counted_by_hand():
    outputs = [
        output("RNN teacher", RIGHT),
        output(table.HARD, TWO_WRONG),
        output("student, distilled", ONE_WRONG),
    ]
    rows = table.table_rows(outputs)
    assert [(r["errors"], r["words"]) for r in rows] == [(0, 3), (2, 3), (1, 3)]
    assert [r["relative_to_hard"] for r in rows] == [-1.0, 0.0, -0.5]


def test_a_faultless_hard_student_leaves_no_change_to_state():
    rows = table.table_rows([output(table.HARD, RIGHT)])
    assert rows[0]["relative_to_hard"] is None
    assert "-" in table.to_markdown(rows)


def test_folds_are_put_together_by_words_and_frames():
    folds = [
        [output(table.HARD, TWO_WRONG, kl=1.0, agreement=0.5, frames=100)],
        [output(table.HARD, RIGHT, kl=2.0, agreement=1.0, frames=300)],
    ]
    (row,) = table.table_rows(table.pooled(folds))
    assert (row["errors"], row["words"]) == (2, 6)
    assert (row["kl"], row["agreement"]) == (1.75, 0.875)


def test_kl_and_agreement_are_those_of_float64():
    rng = np.random.default_rng(0)
    teacher, student = rng.normal(size=(2, 7, 5))
    p, q = (np.exp(z) / np.exp(z).sum(-1, keepdims=True) for z in (teacher, student))
    made = table.system_output(
        "x",
        1,
        4,
        [["a"]],
        [["a"]],
        [student[:3], student[3:]],
        [teacher[:3], teacher[3:]],
    )
    assert made.kl == pytest.approx(np.sum(p * np.log(p / q), -1).mean())
    assert made.agreement == np.mean(p.argmax(-1) == q.argmax(-1))
    assert made.frames == 7


def test_the_table_is_aligned_markdown():
    text = table.to_markdown(table.table_rows([output(table.HARD, ONE_WRONG)]))
    header, rule, row = text.splitlines()
    assert len(header) == len(rule) == len(row)
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "student, hard labels",
        "10",
        "40",
        "33.33",
        "1/3",
        "0.0-50.0",
        "+0.0 %",
        "0.500",
        "75.0 %",
    ]
