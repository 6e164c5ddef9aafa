"""Projects of a bundle: their files, what platforms ask of them, what is refused."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from helpers.bundles import features, residual, student

from keras_rnn2dnn.commands import project
from keras_rnn2dnn.deploy import convert, write_project
from keras_rnn2dnn.deploy.projects import KINDS
from keras_rnn2dnn.deploy.projects.golden_array import (
    MOST_RECORDINGS,
    MOST_SAMPLES,
    chosen_recordings,
)
from keras_rnn2dnn.util.bundle_checksums import sha256

EARLIER = Path(__file__).parents[2] / "earlier" / "version_0_1.zip"
# From the specifications of the platforms.
CATEGORIES = {"Display", "Communication", "Signal Input/Output", "Sensors"}
CATEGORIES |= {"Device Control", "Timing", "Data Storage", "Data Processing", "Other"}
ARDUINO = {"name", "version", "author", "maintainer", "sentence", "paragraph"}
ARDUINO |= {"category", "url", "architectures", "includes"}
SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
OF_MODULE = {"name", "build", "samples", "tests", "boards", "blobs"}
OF_BUILD = {"cmake", "kconfig", "depends", "settings", "cmake-ext", "kconfig-ext"}
OF_COMPONENT = {"version", "description", "dependencies", "examples", "targets"}
OF_COMPONENT |= {"license", "url", "maintainers", "repository", "tags", "files"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["written", "kitchen", "spotter"])
def test_the_sources_are_those_of_the_bundle(name, kind, project_of, request):
    bundle, out = request.getfixturevalue(name), project_of(name, kind)
    for path in (bundle / "c").iterdir():
        assert (out / "src" / path.name).read_bytes() == path.read_bytes()
    more = {path.name for path in (out / "src").iterdir()}
    more -= {path.name for path in (bundle / "c").iterdir()}
    header = {"written": "recognizer", "kitchen": "kitchen_recognizer"}.get(name)
    assert len(more) == (kind == "arduino")
    if header and more:
        assert more == {f"rnn2dnn_{header}.h"}
    texts = {p: p.read_text() for p in out.rglob("*") if p.is_file()}
    left = {p: re.findall(r"@\w+@", text) for p, text in texts.items()}
    allowed = {"recognizer-config.cmake.in", "kitchen_recognizer-config.cmake.in"}
    assert not [p for p, found in left.items() if found and p.name not in allowed]


def test_an_arduino_library_has_what_its_specification_asks_for(project_of):
    out = project_of("kitchen", "arduino")
    text = (out / "library.properties").read_text()
    fields = dict(line.split("=", 1) for line in text.splitlines())
    assert len(text.splitlines()) == len(fields)
    assert set(fields) == ARDUINO and all(fields.values())
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9 _.\-]{0,62}", fields["name"])
    assert not fields["name"].lower().startswith("arduino")
    assert SEMVER.fullmatch(fields["version"])
    assert fields["category"] in CATEGORIES
    assert re.fullmatch(r"https?://\S+", fields["url"])
    assert (out / "src" / fields["includes"]).is_file()
    assert fields["sentence"] == "Hears 4 words from a microphone, without a network."
    sketches = list(out.rglob("*.ino"))
    assert [path.parent.name for path in sketches] == ["Listen"]  # named as its folder
    assert sketches[0].relative_to(out).as_posix() == "examples/Listen/Listen.ino"


def test_the_words_are_those_that_can_be_reported(project_of):
    for name, count in (("written", 2), ("kitchen", 4), ("spotter", 2)):
        text = (project_of(name, "cmake") / "README.md").read_text()
        assert f"Hears {count} words at 8000 Hz" in text  # no blank, no silence


def test_a_zephyr_module_has_what_its_schema_asks_for(project_of):
    yaml = pytest.importorskip("yaml", reason="needs the extra `docs`")
    out = project_of("kitchen", "zephyr")
    module = yaml.safe_load((out / "zephyr" / "module.yml").read_text())
    assert set(module) <= OF_MODULE and set(module["build"]) <= OF_BUILD
    assert module["name"] == "kitchen_recognizer"
    assert (out / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    option = (out / module["build"]["kconfig"]).read_text()
    assert option.startswith("config KITCHEN_RECOGNIZER\n\tbool ")
    (samples,) = module["samples"]
    sample = out / samples / "listen"
    about = yaml.safe_load((sample / "sample.yaml").read_text())
    assert set(about) == {"sample", "tests"} and about["sample"]["name"]
    ((test, fields),) = about["tests"].items()
    assert re.fullmatch(r"sample(\.\w+)+", test)
    assert fields["integration_platforms"] and fields["filter"]
    config = (sample / "prj.conf").read_text()
    assert all(re.fullmatch(r"CONFIG_\w+=(y|\d+)", x) for x in config.splitlines())
    assert "CONFIG_KITCHEN_RECOGNIZER=y" in config
    assert "if(CONFIG_KITCHEN_RECOGNIZER)" in (out / "CMakeLists.txt").read_text()


def test_an_esp_idf_component_has_what_its_manifest_asks_for(project_of):
    yaml = pytest.importorskip("yaml", reason="needs the extra `docs`")
    out = project_of("written", "esp-idf")
    manifest = yaml.safe_load((out / "idf_component.yml").read_text())
    assert set(manifest) <= OF_COMPONENT
    assert SEMVER.fullmatch(manifest["version"])
    assert re.fullmatch(r"[<>=~^]*\d+\.\d+", manifest["dependencies"]["idf"])
    for example in manifest["examples"]:
        text = (out / example["path"] / "CMakeLists.txt").read_text()
        order = ["cmake_minimum_required", "project.cmake", "project("]
        places = [text.index(part) for part in order]
        assert places == sorted(places)
    for path in (out / "CMakeLists.txt", out / "examples/listen/main/CMakeLists.txt"):
        (call,) = re.findall(r"idf_component_register\((.*?)\)", path.read_text(), re.S)
        listed = re.findall(r"[\w/]+\.c\b", call)
        assert sorted(listed) == sorted(
            found.relative_to(path.parent).as_posix()
            for found in [*path.parent.glob("*.c"), *path.parent.glob("src/*.c")]
        )
    kconfig = (out / "examples/listen/main/Kconfig.projbuild").read_text()
    defined = set(re.findall(r"^config (LISTEN_\w+)", kconfig, re.MULTILINE))
    main = (out / "examples/listen/main/main.c").read_text()
    assert set(re.findall(r"CONFIG_(LISTEN_\w+)", main)) <= defined


def test_the_page_explains_what_the_example_says(project_of):
    page = (Path(__file__).parents[3] / "docs" / "boards.md").read_text()
    core = project_of("written", "cmake") / "examples" / "listen"
    said = "".join(path.read_text() for path in core.glob("listen*.c"))
    explained = re.findall(r"^\| `([a-zA-Z][^`]+)` \|", page, re.MULTILINE)
    assert len(explained) == 10
    for text in explained:
        assert f'"{text.removesuffix("0")}' in said, text


def test_the_golden_array_is_small_and_has_words(written):
    pcm, words = (
        (written / "golden" / n).read_bytes() for n in ("recordings.pcm", "words.u32")
    )
    chosen = chosen_recordings(pcm, words)
    assert 1 < len(chosen) <= MOST_RECORDINGS
    assert all(one.num_words for one in chosen)
    assert sum(len(one.pcm) for one in chosen) <= MOST_SAMPLES
    assert min(len(one.pcm) for one in chosen) == 6000  # not that with a pause alone


def test_an_unknown_kind_is_refused(written, tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'arduino'") as raised:
        write_project(written, "arduno", tmp_path / "out")
    assert "Expected one of 'arduino', 'zephyr', 'esp-idf', 'cmake'" in str(
        raised.value
    )
    assert not (tmp_path / "out").exists()


def test_other_files_stay_and_are_named(written, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="It holds other files: mine.txt"):
        write_project(written, "cmake", out)
    with pytest.raises(ValueError, match="It is a file"):
        write_project(written, "cmake", out / "mine.txt")
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_a_project_is_written_anew_unless_it_was_changed(written, kitchen, tmp_path):
    out = write_project(written, "arduino", tmp_path / "out")
    (out / "build").mkdir()  # what was made with it stays
    write_project(kitchen, "esp-idf", out)
    assert not (out / "src" / "recognizer.h").exists()
    assert not (out / "library.properties").exists()
    assert (out / "src" / "kitchen_recognizer.h").is_file()
    assert (out / "build").is_dir()
    (out / "README.md").write_text("mine")
    with pytest.raises(ValueError, match="Files were changed since: README.md"):
        write_project(kitchen, "esp-idf", out)
    assert (out / "README.md").read_text() == "mine"
    (out / "README.md").unlink()
    (out / "library.properties").write_text("mine")
    with pytest.raises(ValueError, match="It holds other files: library.properties"):
        write_project(kitchen, "arduino", out)
    assert (out / "library.properties").read_text() == "mine"


def test_a_list_of_files_elsewhere_deletes_nothing(written, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    listed = {
        "../mine.txt": sha256(b"mine"),
        str(tmp_path / "mine.txt"): sha256(b"mine"),
    }
    out = tmp_path / "out"
    out.mkdir()
    text = json.dumps({"kind": "cmake", "files": listed})
    (out / ".rnn2dnn_project.json").write_text(text)
    write_project(written, "cmake", out)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_bundle_without_words_says_what_is_needed(tmp_path):
    convert(student(), tmp_path / "network", features())
    with pytest.raises(ValueError, match="one with the network alone") as raised:
        write_project(tmp_path / "network", "cmake", tmp_path / "out")
    assert "Left out: features and decoder: they need a FeatureSpec" in (
        str(raised.value)
    )
    convert(residual(), tmp_path / "none", features(), no_c=True)
    with pytest.raises(ValueError, match="Received: one with no C code") as raised:
        write_project(tmp_path / "none", "cmake", tmp_path / "out")
    assert "add" in str(raised.value).lower()
    assert not (tmp_path / "out").exists()


def test_bundles_of_others_and_damaged_ones_are_refused(written, tmp_path):
    with pytest.raises(FileNotFoundError, match="No bundle in"):
        write_project(tmp_path / "nowhere", "cmake", tmp_path / "out")
    with zipfile.ZipFile(EARLIER) as archive:
        archive.extractall(tmp_path)
    with pytest.raises(ValueError, match="one of an earlier version"):
        write_project(tmp_path / "bundle", "cmake", tmp_path / "out")
    changed = shutil.copytree(written, tmp_path / "changed")
    (changed / "c" / "model.h").write_text("")
    with pytest.raises(ValueError, match=r"'c/model.h' in .* was changed"):
        write_project(changed, "cmake", tmp_path / "out")


def test_the_command_writes_a_project(written, tmp_path, run):
    assert project.KINDS == KINDS  # to choose from
    code, said, _ = run("project", written, "zephyr", "--out", tmp_path / "out")
    assert code == 0
    assert said == (
        f"Wrote {tmp_path / 'out'}; how to build it: {tmp_path / 'out' / 'README.md'}\n"
    )
    listed = json.loads((tmp_path / "out" / ".rnn2dnn_project.json").read_text())
    assert listed["kind"] == "zephyr"
    code, _, error = run("project", written, "zefyr", "--out", tmp_path / "out")
    assert code == 2 and "Did you mean 'zephyr'?" in error
