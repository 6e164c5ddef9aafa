import re
import shutil
import subprocess

import pytest
from helpers.bundles import SPEC, features, needs_cores, parts, student
from helpers.two_bundles import PROGRAM, said_by

from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.deploy import c_prefix, convert, load_bundle
from keras_rnn2dnn.deploy.toolchain import Workbench

LABELS = ("", "recognizer", "network_run", "NETWORK_INPUTS", "/* model.h */")


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory):
    """Another bundle, whose labels are names of the C code."""
    folder = tmp_path_factory.mktemp("kitchen") / "bundle"
    decode = GreedyDecoder(LABELS)
    convert(
        student(seed=1),
        folder,
        features(),
        feature_spec=SPEC,
        decode=decode,
        recordings=parts()["recordings"],
        prefix="kitchen",
    )
    return folder


@pytest.mark.parametrize("compiler", [["cc", "-std=c99"], ["g++", "-x", "c++"]])
def test_two_bundles_live_in_one_program(compiler, written, kitchen, tmp_path):
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"needs {compiler[0]}")
    (tmp_path / "main.c").write_text(PROGRAM)
    sources = [*(written / "c").glob("*.c"), *(kitchen / "c").glob("*.c")]
    line = [*compiler, "-Wall", "-Wextra", "-Werror", f"-I{written / 'c'}"]
    line += [f"-I{kitchen / 'c'}", str(tmp_path / "main.c"), *map(str, sources)]
    subprocess.run([*line, "-o", str(tmp_path / "main")], check=True)
    pcm = parts()["recordings"]
    done = subprocess.run(
        [str(tmp_path / "main")],
        input=b"".join(x.tobytes() for x in pcm),
        capture_output=True,
        check=True,
    )
    for name, folder in (("hall", written), ("kitchen", kitchen)):
        said = said_by(name, done.stdout.decode())
        found = load_bundle(folder).recognizer.recognize(pcm)
        assert said == [word.text for words in found for word in words]
        assert said


def test_a_bundle_with_a_prefix_checks_itself(kitchen, tmp_path):
    build = f"BUILD={tmp_path / 'build'}"
    line = ["make", "-s", "-C", str(kitchen), "check", build]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stdout.count("is met to the bit") == 6
    names = sorted(p.name for p in (kitchen / "c").iterdir())
    assert all(name.startswith("kitchen_") for name in names)
    text = (kitchen / "CMakeLists.txt").read_text()
    assert "add_library(kitchen_recognizer STATIC" in text
    assert not re.search(r"[( ]recognizer\b", text.partition("\n")[2])


@needs_cores
def test_every_symbol_and_macro_of_a_header_has_the_prefix(kitchen):
    for path in (kitchen / "c").glob("*.h"):
        defined = re.findall(r"#define (\w+)", path.read_text())
        assert [n for n in defined if not n.startswith("KITCHEN_")] == []
    with Workbench(kitchen) as bench:
        objects = sorted(bench.build("m3").parent.glob("*.o"))
        line = ["arm-none-eabi-nm", "-g", "--defined-only", *map(str, objects)]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
    rows = [text.split() for text in done.stdout.splitlines()]
    names = [row[2] for row in rows if len(row) == 3]
    assert len(names) > 8
    assert [n for n in names if not n.startswith("kitchen_")] == []


def test_without_a_prefix_nothing_changes(written):
    files = {"c/network.c": b"int network_run;", "Makefile": b"c/recognizer.c"}
    assert c_prefix.with_prefix(files, "") == files
    assert load_bundle(written).prefix == ""


def test_words_and_comments_stay(kitchen):
    assert load_bundle(kitchen).recognizer.decoder.labels == LABELS
    text = (kitchen / "c/kitchen_decoder_table.h").read_text()
    assert '"recognizer"' in text and '"network_run"' in text
    assert "No heap, no libc" in (kitchen / "c/kitchen_network.h").read_text()


@pytest.mark.parametrize("prefix", ["1st", "a b", "a__b", "a_", "_a", "é", "x" * 25, 3])
def test_a_prefix_that_makes_no_name_is_refused(prefix, tmp_path):
    with pytest.raises(ValueError) as error:
        convert(student(), tmp_path / "out", features(), prefix=prefix)
    assert str(error.value) == (
        "Invalid value for `prefix`. Expected a name in C of at most 24 letters, "
        "digits and single underscores between them that begins with a letter, or '' "
        f"for names without a prefix. Received: prefix={prefix!r}"
    )
    assert not (tmp_path / "out").exists()
