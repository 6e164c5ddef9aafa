import json

import keras
import numpy as np
import pytest
from helpers import bundles

from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.hmm import WordLoopDecoder
from keras_rnn2dnn.util.files import Utterances

L = keras.layers


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    Utterances(bundles.features()).save(folder / "calibration.npz")
    bundles.student().save(folder / "dense.keras")
    inputs = keras.Input((None, bundles.BINS))
    x = L.Dense(6, "relu")(inputs)
    outputs = L.Dense(bundles.TOPOLOGY.num_states)(L.LeakyReLU()(L.Dense(6)(x)))
    keras.Model(inputs, outputs).save(folder / "leaky.keras")
    (folder / "spec.json").write_text(json.dumps(bundles.SPEC.to_dict()))
    bigram = WordLoopDecoder(bundles.TOPOLOGY, bigram=np.log(np.full((3, 2), 0.5)))
    (folder / "bigram.json").write_text(json.dumps(bigram.to_dict()))
    (folder / "loop.json").write_text(json.dumps(bundles.DECODER.to_dict()))
    return folder


def convert(files, tmp_path, run, student, *options):
    data = ("--calibration", files / "calibration.npz", "--out", tmp_path / "bundle")
    return run("convert", files / student, *data, *options)


def test_c_code_that_cannot_be_is_said_on_the_last_line(files, tmp_path, run):
    code, output, error = convert(files, tmp_path, run, "leaky.keras")
    assert (code, error) == (1, "")
    last = output.splitlines()[-1]
    assert last.startswith(
        "The bundle has no C code. The C code of the bundle does not"
    )
    assert "LEAKY_RELU" in last
    assert last.endswith("in TensorFlow Lite Micro. --no-c accepts that")
    report = json.loads((tmp_path / "bundle" / "report.json").read_text())
    assert f"{report['missing_c']}. --no-c accepts that" == last
    code, output, _ = convert(files, tmp_path, run, "leaky.keras", "--no-c")
    assert code == 0 and "--no-c" not in output


def test_words_that_the_c_code_leaves_out_are_said_too(files, tmp_path, run):
    given = ("--features", files / "spec.json", "--decoder", files / "bigram.json")
    code, output, _ = convert(files, tmp_path, run, "dense.keras", *given)
    assert code == 1
    last = output.splitlines()[-1]
    assert last.startswith("The C code is the network alone. Invalid value for ")
    assert "Expected a word loop without a bigram" in last
    assert convert(files, tmp_path, run, "dense.keras", *given, "--no-c")[0] == 0
    # Without a decoder nobody asked for words.
    assert convert(files, tmp_path, run, "dense.keras", *given[:2])[0] == 0


def test_a_project_is_written_with_the_bundle(files, tmp_path, run):
    given = ("--features", files / "spec.json", "--project", "cmake")
    code, output, error = convert(files, tmp_path, run, "dense.keras", *given)
    assert (code, output) == (2, "")
    assert "Expected a decoder beside --project" in error
    assert not (tmp_path / "bundle").exists()
    project = tmp_path / "bundle" / "cmake"
    for _ in range(2):  # the next bundle replaces it
        whole = (*given, "--decoder", files / "loop.json")
        code, output, _ = convert(files, tmp_path, run, "dense.keras", *whole)
        assert code == 0
        assert output.splitlines()[-1].startswith(f"Wrote {project}; how to build it")
    assert (project / "src" / "recognizer.h").is_file()
    whole = (*given, "--decoder", files / "bigram.json")
    code, _, error = convert(files, tmp_path, run, "dense.keras", *whole)
    assert code == 2 and "Received: one with the network alone" in error


def test_files_that_are_no_models_are_told_so(files, tmp_path, run):
    (tmp_path / "student.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    (tmp_path / "text.keras").write_text("no model")
    (tmp_path / "saved").mkdir()
    for name in ("student.h5", "text.keras", "saved"):
        code, output, error = convert(tmp_path, tmp_path, run, name)
        assert (code, output) == (2, "")
        assert f"Cannot use '{tmp_path / name}'. Expected a model saved as .keras" in (
            error
        )
        assert "not found" not in error and error.count("\n") == 1
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"sample_rate": 8000}, "Received: unknown 'sample_rate', no 'sample_rate_hz'"),
        ([1, 2], "Expected an object of the arguments of FeatureSpec"),
        (3, "Expected an object of the arguments of FeatureSpec"),
        ({"sample_rate_hz": "8000"}, "`sample_rate_hz`. Expected a number"),
        (
            {"sample_rate_hz": 8000, "mean": 3},
            "`mean`. Expected a list of numbers, one per bin",
        ),
    ],
)
def test_a_specification_that_is_none_is_named(content, text, files, tmp_path, run):
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(content))
    code, _, error = convert(files, tmp_path, run, "dense.keras", "--features", path)
    assert code == 2
    assert f"Cannot use '{path}': " in error and text in error
    assert "__init__" not in error and error.count("\n") == 1


def test_a_place_that_cannot_be_written_is_named_as_typed(files, tmp_path, run):
    (tmp_path / "file").write_text("")
    data = ("--calibration", files / "calibration.npz", "--out")
    out = tmp_path / "file" / "bundle"
    code, _, error = run("convert", files / "dense.keras", *data, out)
    assert code == 2
    assert error.strip().endswith(f"Cannot write to '{out}': Not a directory")


def test_a_specification_of_our_own_is_read(tmp_path):
    assert FeatureSpec.from_dict(bundles.SPEC.to_dict()) == bundles.SPEC
