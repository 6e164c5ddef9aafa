import hashlib
import json
import subprocess

import keras
import numpy as np
import pytest
from helpers.bundles import (
    BINS,
    DECODER,
    SPEC,
    TOPOLOGY,
    features,
    parts,
    recordings,
    residual,
    student,
)

from keras_rnn2dnn.audio.features import FeatureSpec
from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.deploy import bundle, convert, load_bundle, toolchain
from keras_rnn2dnn.deploy.golden import read_pcm
from keras_rnn2dnn.hmm import Topology, WordLoopDecoder

C = ["decoder.c", "decoder.h", "decoder_labels.c", "decoder_table.h"]
C += [
    "features_table.h",
    "model.h",
    "network.c",
    "network.h",
    "network_kernels.h",
    "recognizer.c",
    "recognizer.h",
]
C += ["speech_features.c", "speech_features.h"]
FOLDERS = ["c", "check", "golden", "qemu", "student.tflite", "tflm"]
TFLM = ["main.cc", "model_data.cc", "model_data.h", "op_resolver.h"]


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def contents(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_a_bundle_holds_all_from_pcm_to_words(tmp_path):
    report = convert(student(), tmp_path, **parts())
    assert names(tmp_path) == sorted(
        ["CMakeLists.txt", "Makefile", *FOLDERS, "report.json", "report.md"]
    )
    assert names(tmp_path / "c") == C
    assert names(tmp_path / "tflm") == TFLM
    sums = {
        name: hashlib.sha256(content).hexdigest()
        for name, content in contents(tmp_path).items()
        if name != "report.json"
    }
    assert report.files == sums
    assert (report.firmware["c"], report.firmware["refused"]) == ("recognizer", None)
    assert report.decoder == {"kind": "word-loop", **DECODER.to_dict()}
    assert json.loads((tmp_path / "report.json").read_text()) == report.to_dict()
    # Edge signals and all recordings with everything in between, then the words alone.
    assert len(read_pcm((tmp_path / "golden/recordings.pcm").read_bytes())) == 8 + 4 + 1
    test_set = read_pcm((tmp_path / "golden/test_set.pcm").read_bytes())
    assert [x.tolist() for x in test_set] == [x.tolist() for x in parts()["recordings"]]
    text = (tmp_path / "report.md").read_text()
    assert "| C code | from PCM to words |" in text
    assert f"| RAM | {report.firmware['ram_bytes']['total']:,} bytes" in text
    assert "| KL(float \\|\\| int8) |" in text


def test_the_same_student_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        convert(student(), tmp_path / name, **parts())
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_new_bundle_takes_the_place_of_an_earlier_one(tmp_path):
    convert(student(), tmp_path, **parts())
    (tmp_path / "mine.txt").write_text("kept")
    options = {**parts(), "recordings": ()}
    convert(student(seed=1), tmp_path, **options)
    assert not (tmp_path / "golden/test_set.pcm").exists()
    assert (tmp_path / "mine.txt").read_text() == "kept"
    assert load_bundle(tmp_path).recognizer is not None
    convert(residual(), tmp_path, features())
    assert list((tmp_path / "c").iterdir()) == []
    assert load_bundle(tmp_path).network is None


def test_files_of_other_origin_are_neither_overwritten_nor_removed(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "victim.txt").write_text("mine")
    folder = tmp_path / "project"
    (folder / "Makefile").write_text("all:")
    with pytest.raises(ValueError) as error:
        convert(student(), folder, **parts())
    assert str(error.value) == (
        "Invalid value for `directory`. Expected a new directory, or one of an earlier "
        f"bundle. Received: directory={str(folder)!r}. It holds files of other origin: "
        "Makefile"
    )
    (folder / "Makefile").unlink()
    convert(student(), folder, **parts())
    report = json.loads((folder / "report.json").read_text())
    content = hashlib.sha256(b"mine").hexdigest()
    report["files"] |= {"../victim.txt": content, str(tmp_path / "victim.txt"): content}
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "golden" / "test_set.txt").write_text("edited")
    convert(student(seed=1), folder, **{**parts(), "recordings": ()})
    assert (tmp_path / "victim.txt").read_text() == "mine"
    assert (folder / "golden" / "test_set.txt").read_text() == "edited"
    assert not (folder / "golden" / "test_set.pcm").exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "they need a FeatureSpec"),
        ({"decode": DECODER}, "they need a FeatureSpec"),
        ({"feature_spec": SPEC}, "they need a FeatureSpec"),
        ({"feature_spec": SPEC, "decode": lambda z: z}, "they need a FeatureSpec"),
        (
            {
                "feature_spec": FeatureSpec(8000, num_bins=BINS, centering="utterance"),
                "decode": DECODER,
            },
            "Expected features without future",
        ),
        (
            {
                "feature_spec": SPEC,
                "decode": WordLoopDecoder(TOPOLOGY, bigram=np.zeros((3, 2))),
            },
            "Expected a word loop without a bigram",
        ),
    ],
)
def test_without_features_or_decoder_the_c_code_is_the_network(
    options, reason, tmp_path
):
    report = convert(student(), tmp_path / "a", features(), **options)
    assert report.firmware["c"] == "network"
    assert reason in report.firmware["refused"]
    assert names(tmp_path / "a" / "c") == [
        "model.h",
        "network.c",
        "network.h",
        "network_kernels.h",
    ]
    assert load_bundle(tmp_path / "a").recognizer is None
    with pytest.raises(ValueError, match=r"Invalid value for `recordings`") as error:
        convert(
            student(),
            tmp_path / "b",
            features(),
            recordings=recordings(1),
            **options,
        )
    assert reason in str(error.value)
    assert not (tmp_path / "b").exists()


def test_a_student_that_the_c_code_does_not_run_is_left_to_tflm(tmp_path):
    report = convert(residual(), tmp_path, features())
    assert report.firmware["c"] is None
    assert "does not run the operator ADD" in report.firmware["refused"]
    assert names(tmp_path) == ["report.json", "report.md", "student.tflite", "tflm"]
    assert "resolver.AddAdd()" in (tmp_path / "tflm/op_resolver.h").read_text()


@pytest.mark.parametrize(
    ("decode", "text"),
    [
        (
            WordLoopDecoder(Topology(("a",), 3)),
            "Invalid value for `decode`. Expected a decoder of 5 states, as the "
            "student has classes. Received: decode='4 states'",
        ),
        (
            GreedyDecoder(("", "a")),
            "Invalid value for `decode`. Expected a decoder of 5 labels, as the "
            "student has classes. Received: decode='2 labels'",
        ),
    ],
)
def test_a_decoder_of_other_classes_is_refused_before_any_work(decode, text, tmp_path):
    with pytest.raises(ValueError) as error:
        convert(student(), tmp_path / "out", features(), decode=decode)
    assert str(error.value) == text
    assert not (tmp_path / "out").exists()


def test_recordings_must_be_pcm(tmp_path):
    options = {**parts(), "recordings": [np.zeros((2, 80), np.int16)]}
    with pytest.raises(ValueError) as error:
        convert(student(), tmp_path / "out", **options)
    assert str(error.value) == (
        "Invalid value for `recordings`. Expected int16, or floats in [-1, 1], of "
        "shape (samples,). Received: recordings='int16 (2, 80)'"
    )


def test_the_report_has_the_word_error_rate_of_the_device(tmp_path):
    references = ["up", "down"] * 6
    report = convert(student(), tmp_path, **parts(), references=references)
    held = np.sort(np.random.default_rng(0).permutation(12)[:2])
    recognizer = load_bundle(tmp_path).recognizer
    x = features()
    logits = [
        recognizer.network.logits(recognizer.network.quantized(x[k])) for k in held
    ]
    wrong = 0
    for k, words in zip(held, recognizer.decode(logits), strict=True):
        said = [w.text for w in words]
        right = references[k] in said
        wrong += len(said) - 1 if right else max(1, len(said))
    assert report.comparison["wer_device"] == wrong / 2
    assert "device arithmetic" in str(report)


def test_costs_that_cannot_be_measured_do_not_stop_a_conversion(
    tmp_path, monkeypatch, caplog
):
    def fail(*arguments, **options):
        raise RuntimeError("no such core")

    monkeypatch.setattr(bundle, "measure_cores", toolchain.measure_cores)
    monkeypatch.setattr(toolchain.Workbench, "costs", fail)
    monkeypatch.setattr(toolchain, "missing_tools", lambda target: [])
    report = convert(student(), tmp_path, **parts())
    assert report.firmware["cores"] is None
    assert "not measured: no such core" in caplog.text


def test_labels_cannot_break_out_of_the_generated_code(tmp_path):
    labels = ("", 'a"; int evil; //', "??/\n\\", "*/ ß %s\x00 1", "plain word")
    convert(
        keras.Sequential([keras.Input((None, BINS)), keras.layers.Dense(5)]),
        tmp_path,
        features(),
        feature_spec=SPEC,
        decode=GreedyDecoder(labels),
    )
    source = tmp_path / "print.c"
    source.write_text(
        '#include <stdio.h>\n#include <string.h>\n#include "decoder.h"\n'
        "int main(void) { for (unsigned i = 0; i < DECODER_WORDS; i++)\n"
        "  { fputs(decoder_words[i], stdout); putchar(0); } return 0; }\n"
    )
    program = tmp_path / "print"
    line = ["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-trigraphs"]
    line += [f"-I{tmp_path / 'c'}", str(source), str(tmp_path / "c/decoder.c")]
    subprocess.run([*line, "-o", str(program)], check=True)
    printed = subprocess.run([str(program)], capture_output=True, check=True).stdout
    expected = [label.partition("\x00")[0].encode() for label in labels]
    assert printed.split(b"\x00")[:-1] == expected
