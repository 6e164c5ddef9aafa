import dataclasses

import numpy as np
import pytest
from helpers.word_recordings import corpus

from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.split import Split
from keras_rnn2dnn.recipe.steps import Steps, fingerprint_of, load_arrays, save_arrays


def test_a_finished_step_is_found_by_the_same_run_alone(tmp_path):
    Steps(tmp_path, "a").finish("align", {"states": [1, 2.5]})
    assert Steps(tmp_path, "a").result("align") == {"states": [1, 2.5]}
    assert Steps(tmp_path, "a").result("teacher") is None
    assert Steps(tmp_path, "b").result("align") is None
    assert Steps(tmp_path, "a").result("align") is None  # begun anew by the other


@pytest.mark.parametrize("content", [None, b"damaged", b""])
def test_a_step_whose_files_are_not_as_it_wrote_them_is_done_again(tmp_path, content):
    steps, path = Steps(tmp_path, "a"), tmp_path / "teacher.keras"
    path.write_bytes(b"a model")
    steps.finish("teacher", True, [path])
    assert steps.result("teacher") is True
    path.unlink() if content is None else path.write_bytes(content)
    assert steps.result("teacher") is None


def test_a_damaged_note_of_a_step_is_as_none(tmp_path):
    steps = Steps(tmp_path, "a")
    steps.finish("align", 5)
    note = steps.path("align.json")
    note.write_text(note.read_text().replace("5", "6", 1))
    assert steps.result("align") is None


def test_a_directory_of_another_is_left_alone(tmp_path):
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "mine.txt").write_text("mine")
    Steps(tmp_path, "a")
    assert (tmp_path / "steps" / "mine.txt").read_text() == "mine"


def test_what_a_step_needed_for_itself_is_removed(tmp_path):
    steps = Steps(tmp_path, "a")
    steps.path("teacher.backup").write_text("")
    (steps.path("student.align") / "shards").mkdir(parents=True)
    steps.remove("teacher.backup", "student.align", "not there")
    assert [p.name for p in (tmp_path / "steps").iterdir()] == ["run.json"]


def test_the_fingerprint_is_of_all_settings_and_data():
    recordings = corpus(("anna",), per_word=2)
    split = Split(recordings[:2], recordings[2:])
    found = {fingerprint_of(split, Recipe(), 0)}
    assert found == {fingerprint_of(split, Recipe(), 0)}
    first = recordings[0]
    samples = first.samples.copy()
    samples[7] = np.nextafter(samples[7], np.float32(1))
    others = [
        dataclasses.replace(first, **change)
        for change in (
            {"samples": samples},
            {"words": ("two",)},
            {"speaker": "ben"},
            {"sample_rate_hz": 16000},
        )
    ]
    for other in others:
        changed = Split([other, recordings[1]], recordings[2:])
        found.add(fingerprint_of(changed, Recipe(), 0))
    swapped = Split(recordings[1::-1], recordings[2:])
    moved = Split(recordings[:2], [], recordings[2:])
    found |= {fingerprint_of(s, Recipe(), 0) for s in (swapped, moved)}
    found |= {fingerprint_of(split, Recipe(teacher_epochs=9), 0)}
    found |= {fingerprint_of(split, Recipe(), 1)}
    found |= {fingerprint_of(split, Recipe(), 0, ["of a teacher"])}
    assert len(found) == 10


def test_arrays_of_any_lengths_are_kept(tmp_path):
    arrays = [np.arange(n, dtype="int32") for n in (3, 1, 4)]
    save_arrays(tmp_path / "arrays.npz", arrays)
    found = load_arrays(tmp_path / "arrays.npz")
    assert [a.dtype for a in found] == [np.int32] * 3
    assert [a.tolist() for a in found] == [a.tolist() for a in arrays]
