import shutil
import subprocess
import sys

import pytest
from helpers.bundles import parts, student

from keras_rnn2dnn.deploy import convert
from keras_rnn2dnn.util import bundle_checksums

EARLY = """
import sys
from keras_rnn2dnn import cli
code = cli.main(["verify", sys.argv[1]])
assert not {"tensorflow", "keras", "numpy"} & set(sys.modules)
raise SystemExit(code)
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "bundle"
    convert(student(), folder, **parts())
    return folder


def test_a_changed_file_is_reported_before_tensorflow_is_imported(written, tmp_path):
    folder = shutil.copytree(written, tmp_path / "bundle")
    path = folder / "c" / "decoder_table.h"
    path.write_text(path.read_text().replace('"up"', '"pu"'))
    line = [sys.executable, "-c", EARLY, str(folder)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"rnn2dnn verify: error: 'c/decoder_table.h' in {str(folder)!r} was changed. "
        "Expected SHA-256 "
    )
    assert done.stderr.endswith("Convert the student again\n")
    assert done.stderr.count("\n") == 1


def test_a_missing_file_ends_the_command_too(written, tmp_path, run):
    folder = shutil.copytree(written, tmp_path / "bundle")
    (folder / "golden" / "words.txt").unlink()
    code, _, error = run("verify", "--recordings", "x", folder)
    assert code == 2
    assert "Expected 'golden/words.txt'" in error


def test_the_file_of_sums_is_what_sha256sum_reads(written):
    line = ["sha256sum", "--strict", "-c", bundle_checksums.SUMS]
    done = subprocess.run(line, cwd=written, capture_output=True, text=True, check=True)
    names = {text.rpartition(": ")[0] for text in done.stdout.splitlines()}
    assert {"student.tflite", "golden/words.txt", "golden/test_set.txt"} <= names
    assert {"c/model.h", "tflm/main.cc", "report.md"} <= names


def test_only_what_is_asked_for_is_looked_at(written, tmp_path):
    folder = shutil.copytree(written, tmp_path / "bundle")
    (folder / "golden" / "words.txt").write_text("other\n")
    (folder / "check" / "more.c").write_text("")
    sums = bundle_checksums.read_report(folder)["files"]
    bundle_checksums.check_files(folder, sums, ("student.tflite", "c/"))
    with pytest.raises(ValueError, match="'golden/words.txt' in .* was changed"):
        bundle_checksums.check_files(folder, sums, ("golden/",))
    with pytest.raises(ValueError, match="'check/more.c' in .* is not of this bundle"):
        bundle_checksums.check_files(folder, sums, ("check/",))
