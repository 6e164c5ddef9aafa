"""The rows of `benchmarks/quality.py` and of its trials."""

import re
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def quality(request):
    sys.path.insert(0, str(BENCHMARKS))
    request.addfinalizer(lambda: sys.path.remove(str(BENCHMARKS)))
    import quality_list
    import quality_students

    return quality_list, quality_students.STUDENTS


@pytest.mark.parametrize("official", [False, True])
@pytest.mark.parametrize("quick", [False, True])
def test_what_labels_comes_before_what_it_labels(quality, official, quick):
    module, students = quality
    done = {"teacher", "ensemble"}
    rows = module.rows(official, quick)
    assert rows[0].name == "hard labels"
    for row in rows:
        assert done.issuperset(row.labeller.split(" and ")), row.name
        assert " and " not in row.name  # joins labellers
        assert row.student in students
        done.add(row.name)
    files = [re.sub(r"[^a-z0-9]+", "-", row.name.lower()) for row in rows]
    assert len(set(files)) == len(rows)


@pytest.mark.parametrize("official", [False, True])
def test_a_recipe_has_one_teacher_and_no_control(quality, official):
    module, _ = quality
    by_name = {row.name: row for row in module.rows(official, False)}
    names = module.candidates(official, False)
    assert 9 < len(names) < len(by_name)
    for name in names:
        assert by_name[name].labeller != "ensemble"
        assert "hard labels" not in name and "self-training" not in name


@pytest.mark.parametrize("official", [False, True])
def test_each_trial_changes_one_thing_of_a_row(quality, official):
    module, students = quality
    by_name = {row.name: row for row in module.rows(official, False)}
    for row, base in module.trials(official):
        fields = (*vars(row),)
        changed = [f for f in fields if getattr(row, f) != getattr(by_name[base], f)]
        assert len(changed) == 2 and "name" in changed, row.name
        assert row.student in students and row.name not in by_name
