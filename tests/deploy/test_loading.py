import json
import shutil

import pytest
from helpers.bundles import DECODER, SPEC, parts, student

from keras_rnn2dnn.deploy import convert, load_bundle


@pytest.fixture
def copy(written, tmp_path):
    return shutil.copytree(written, tmp_path / "bundle")


def test_a_bundle_is_read_back(written):
    bundle = load_bundle(written)
    assert bundle.recognizer.spec == SPEC
    assert bundle.recognizer.decoder == DECODER
    assert bundle.student.num_classes == 5
    words = bundle.recognizer.recognize(parts()["recordings"])
    lines = (written / "golden/test_set.txt").read_text().splitlines()
    assert lines == [" ".join(w.text for w in found) for found in words]
    assert any(lines)


@pytest.mark.parametrize(
    "name", ["student.tflite", "c/model.h", "golden/words.u32", "Makefile"]
)
def test_an_edited_file_is_named(name, copy):
    path = copy / name
    path.write_bytes(path.read_bytes()[:-1] + b"#")
    with pytest.raises(ValueError, match="was changed. Expected SHA-256") as error:
        load_bundle(copy)
    assert repr(name) in str(error.value)
    assert str(error.value).endswith("Convert the student again")


@pytest.mark.parametrize(
    "name", ["golden/features.f32", "student.tflite", "c/network.c"]
)
def test_a_missing_file_is_named(name, copy):
    (copy / name).unlink()
    with pytest.raises(FileNotFoundError, match="The bundle is not whole") as error:
        load_bundle(copy)
    assert repr(name) in str(error.value)


def test_a_foreign_source_is_refused_as_the_build_would_take_it(copy):
    (copy / "c" / "extra.c").write_text("int extra;")
    with pytest.raises(ValueError, match="'c/extra.c' in .* is not of this bundle"):
        load_bundle(copy)


def test_what_a_build_leaves_behind_does_no_harm(copy):
    (copy / "build").mkdir()
    (copy / "build" / "check.o").write_text("")
    assert load_bundle(copy).recognizer is not None


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"files": []}', '{"files": {}}', '{"sha256": "ab"}']
)
def test_a_damaged_report_is_named(content, copy):
    (copy / "report.json").write_text(content)
    with pytest.raises(ValueError, match=r"Cannot read '.*report\.json'"):
        load_bundle(copy)


def test_another_student_under_the_old_report_is_refused(copy, tmp_path):
    convert(student(seed=1), tmp_path / "other", **parts())
    shutil.copy(tmp_path / "other" / "student.tflite", copy)
    with pytest.raises(ValueError, match=r"'student\.tflite' in .* was changed"):
        load_bundle(copy)


def test_a_directory_without_a_report_is_no_bundle(tmp_path):
    with pytest.raises(FileNotFoundError, match="No bundle in .* Expected a directory"):
        load_bundle(tmp_path)
    report = {"files": {"student.tflite": "00"}, "firmware": {"c": None}}
    report["context"] = {"left": 0, "right": 0, "stride": 1}
    (tmp_path / "report.json").write_text(json.dumps(report))
    with pytest.raises(FileNotFoundError, match=r"Expected 'student\.tflite'"):
        load_bundle(tmp_path)
