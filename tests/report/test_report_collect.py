import json

import pytest
from helpers import report_runs

from keras_rnn2dnn.report.collect import collect


def test_a_run_has_its_folds_in_order(run_directory):
    run = collect(run_directory)
    assert run.title == report_runs.TITLE
    assert [fold.name for fold in run.folds] == ["ada", "bob"]
    assert [row["system"] for row in run.rows] == list(report_runs.SYSTEMS)
    assert run.folds[1].history["student"]["kl"] == [0.9, 0.8, 0.75]


def test_a_fold_of_an_earlier_run_in_the_same_directory_is_not_read(tmp_path):
    path = report_runs.make_run(tmp_path / "run", ("eve",))
    (path / "run.json").write_text('{"title": "later", "folds": ["eve"]}')
    (path / "old").mkdir()
    (path / "old/table.json").write_text("[]")
    run = collect(path)
    assert (run.title, [fold.name for fold in run.folds]) == ("later", ["eve"])


def test_other_directories_are_refused(tmp_path, run_directory):
    with pytest.raises(ValueError) as error:
        collect(tmp_path)
    assert str(error.value) == (
        "Invalid value for `RUN`. Expected the directory of a finished `rnn2dnn demo`, "
        f"with table.json. Received: RUN={str(tmp_path)!r}"
    )
    with pytest.raises(ValueError, match="give the directory above it"):
        collect(run_directory / "ada")


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "table.json").write_text("[")
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada/table.json").write_text("[")
    with pytest.raises(ValueError, match=r"Cannot read '.*/table.json' as JSON"):
        collect(tmp_path)


def test_the_list_of_folds_must_be_one(tmp_path):
    (tmp_path / "table.json").write_text("[]")
    (tmp_path / "run.json").write_text("3")
    with pytest.raises(
        ValueError, match="an object with `title` and `folds`. Received"
    ):
        collect(tmp_path)


@pytest.mark.parametrize("content", ["{}", "[]", '[{"system": "RNN teacher"}]', "3"])
def test_a_table_without_rows_is_refused(content, tmp_path):
    (tmp_path / "table.json").write_text(content)
    (tmp_path / "run.json").write_text('{"folds": ["ada"]}')
    with pytest.raises(ValueError) as error:
        collect(tmp_path)
    assert str(error.value) == (
        f"Cannot use {str(tmp_path / 'table.json')!r}. Expected a list with the row of "
        f"each system, as `rnn2dnn demo` writes it. Received: {json.loads(content)}"
    )
