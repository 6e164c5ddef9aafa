import io
import json
import re
import shlex
import shutil
import sys

import pytest

from keras_rnn2dnn import cli, demo
from keras_rnn2dnn.commands.running import demo as running
from keras_rnn2dnn.commands.terminal import program_name
from keras_rnn2dnn.deploy import tflm, toolchain
from keras_rnn2dnn.util.progress import StageProgress

ROWS = [
    {
        **{"system": system, "parameters": 100, "bytes": 400, "wer": 0.25},
        **{"errors": 5, "words": 20, "ci95": [0.2, 0.3], "relative_to_hard": -0.5},
        **{"kl": 0.5, "agreement": 0.75},
    }
    for system in ("student, hard labels", "RNN teacher", "student, distilled")
]


@pytest.fixture
def demo_run(run, monkeypatch, tmp_path):
    """Runs the command without any training."""
    out = tmp_path / "the run"
    (out / "ann").mkdir(parents=True)
    (out / "run.json").write_text(json.dumps({"folds": ["ann"]}))
    said = {"references": ["up down", "up"]}
    (out / "ann" / "hypotheses.json").write_text(json.dumps(said))
    monkeypatch.setattr(demo, "demo_recordings", lambda *arguments: [])
    monkeypatch.setattr(running.espeak, "loader", lambda: None)
    monkeypatch.setattr(running, "write_report", lambda path: f"{path}/report.html")

    def run_demo(recordings, out, on_row, **options):
        progress = StageProgress(1, io.StringIO(), {"train": 80.0})
        for row in ROWS[:2]:
            on_row("", {**row, "kl": None, "relative_to_hard": None}, progress)
        return ROWS

    monkeypatch.setattr(demo, "run_demo", run_demo)
    return lambda *options: (*run("demo", "--out", out, *options), out)


def test_rows_come_one_by_one_then_the_table_the_page_and_what_to_try(demo_run):
    code, output, error, out = demo_run()
    assert (code, error) == (0, "")
    first, rows, table, rest = re.split(r"\n\n(?=Word|\| system)|(?<=\|)\n\n", output)
    first = " ".join(first.split())
    assert "synthetic speech" in first and f"about {demo.DEFAULT.minutes} min" in first
    assert f"--full, with all eight rows, about {demo.FULL.minutes}." in first
    assert f"All goes to {out}; when it is stopped" in first
    titles, *lines = rows.splitlines()[1:]
    assert titles.split()[0] == "system" and titles.split()[-1] == "left"
    assert [line[:37].strip() for line in lines] == [r["system"] for r in ROWS[:2]]
    assert all(re.search(r" 0:\d\d +1:20$", line) for line in lines)
    assert len({len(line) for line in (titles, *lines)}) == 1
    assert table.count("\n") == 1 + len(ROWS)
    measured, rest = rest.split("\nFiles: ")
    assert measured.startswith("Measured on SYNTHETIC speech. A short run. ")
    files, page, *after = rest.splitlines()
    assert (files, page) == (str(out), f"Report: {out}/report.html")
    assert after[:2] == ["", "To try next:"] and len(after) in (8, 10)


@pytest.mark.parametrize("pages", [[], ["web"]])
def test_what_is_to_be_tried_next_are_commands_with_paths_that_exist(
    demo_run, monkeypatch, pages
):
    monkeypatch.setattr(running.compiler, "is_installed", lambda: bool(pages))
    *_, output, _, out = demo_run()
    lines = output.split("To try next:\n")[1].splitlines()
    found = [shlex.split(line) for line in lines[1::2]]
    names = ["verify", "transcribe", *pages, "train"]
    assert [line[:2] for line in found] == [["rnn2dnn", name] for name in names]
    bundles = [None if name == "train" else "ann/bundle" for name in names]
    for line, bundle in zip(found, bundles, strict=True):
        options = cli._parser().parse_args(line[1:])
        expected = str(out / bundle) if bundle else None
        assert getattr(options, "bundle", None) == expected
    assert "(said is: up down)" in lines[2]
    assert found[1][-1] == str(out / "ann" / "example.wav")


@pytest.mark.parametrize(
    ("called", "found", "program"),
    [
        ("rnn2dnn", "rnn2dnn", "rnn2dnn"),
        (".venv/bin/rnn2dnn", None, ".venv/bin/rnn2dnn"),
        ("a b/rnn2dnn", None, "'a b/rnn2dnn'"),
        ("pytest", None, "rnn2dnn"),
        ("a/keras_rnn2dnn/__main__.py", None, f"{sys.executable} -m keras_rnn2dnn"),
    ],
)
def test_commands_begin_as_this_one_did(called, found, program, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rnn2dnn").touch()
    monkeypatch.setattr(sys, "argv", [called])
    monkeypatch.setattr(shutil, "which", lambda name: found)
    assert program_name() == program


def test_what_tools_are_missing_for_is_said_first_with_their_packages(
    demo_run, monkeypatch
):
    monkeypatch.setattr(toolchain.shutil, "which", lambda tool: None)
    monkeypatch.setattr(tflm, "is_installed", lambda: False)
    _, output, *_ = demo_run()
    want = "Left out for want of"
    assert output.splitlines()[3:8] == [
        f"{want} make, cc: the C code on this host in `verify`.",
        f"{want} make, arm-none-eabi-gcc, qemu-system-arm: flash, stack and "
        "instructions of Cortex-M cores, and the cores in `verify`.",
        f"{want} make, riscv64-unknown-elf-gcc, qemu-system-riscv32: RISC-V in "
        "`verify`.",
        f"{want} tflite-micro: the arena of TensorFlow Lite Micro.",
        "To have it: apt install build-essential gcc-arm-none-eabi "
        "gcc-riscv64-unknown-elf qemu-system-arm qemu-system-misc; pip install "
        "tflite-micro",
    ]


def test_full_is_the_complete_plan(demo_run, monkeypatch):
    monkeypatch.setattr(
        demo, "demo_recordings", lambda *given: pytest.fail(str(given[-1].repetitions))
    )
    with pytest.raises(pytest.fail.Exception, match=str(demo.FULL.repetitions)):
        demo_run("--full")
