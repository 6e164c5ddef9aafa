"""The rows of `benchmarks.quality` and of its trials."""

import re

import pytest

from benchmarks.quality import variations
from benchmarks.quality.students import STUDENTS


@pytest.mark.parametrize("official", [False, True])
@pytest.mark.parametrize("quick", [False, True])
def test_what_labels_comes_before_what_it_labels(official, quick):
    done = {"teacher", "ensemble"}
    rows = variations.rows(official, quick)
    assert rows[0].name == "hard labels"
    for row in rows:
        assert done.issuperset(row.labeller.split(" and ")), row.name
        assert " and " not in row.name  # joins labellers
        assert row.student in STUDENTS
        done.add(row.name)
    files = [re.sub(r"[^a-z0-9]+", "-", row.name.lower()) for row in rows]
    assert len(set(files)) == len(rows)


@pytest.mark.parametrize("official", [False, True])
def test_a_recipe_has_one_teacher_and_no_control(official):
    by_name = {row.name: row for row in variations.rows(official, False)}
    names = variations.candidates(official, False)
    assert 9 < len(names) < len(by_name)
    for name in names:
        assert by_name[name].labeller != "ensemble"
        assert "hard labels" not in name and "self-training" not in name


@pytest.mark.parametrize("official", [False, True])
def test_each_trial_changes_one_thing_of_a_row(official):
    by_name = {row.name: row for row in variations.rows(official, False)}
    for row, base in variations.trials(official):
        fields = (*vars(row),)
        changed = [f for f in fields if getattr(row, f) != getattr(by_name[base], f)]
        assert len(changed) == 2 and "name" in changed, row.name
        assert row.student in STUDENTS and row.name not in by_name
