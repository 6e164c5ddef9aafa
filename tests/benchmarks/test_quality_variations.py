"""The rows of `benchmarks.quality`."""

import re

import pytest

from benchmarks.quality import variations
from benchmarks.quality.students import STUDENTS


@pytest.mark.parametrize("protocol", ["official", "commands", "a speaker"])
@pytest.mark.parametrize("quick", [False, True])
def test_what_labels_comes_before_what_it_labels(protocol, quick):
    done = {"teacher", "ensemble"}
    rows = variations.rows(protocol, quick)
    assert rows[0].name == "hard labels"
    for row in rows:
        assert done.issuperset(row.labeller.split(" and ")), row.name
        assert " and " not in row.name  # joins labellers
        assert row.student in STUDENTS
        done.add(row.name)
    files = [re.sub(r"[^a-z0-9]+", "-", row.name.lower()) for row in rows]
    assert len(set(files)) == len(rows)


@pytest.mark.parametrize("protocol", ["official", "commands", "a speaker"])
def test_a_recipe_has_one_teacher_and_no_control(protocol):
    by_name = {row.name: row for row in variations.rows(protocol, False)}
    names = variations.candidates(protocol, False)
    assert 6 < len(names) < len(by_name)
    for name in names:
        assert by_name[name].student == "64,64"
        assert "hard labels" not in name and "self-training" not in name
