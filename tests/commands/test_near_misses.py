"""Errors of the command line are one line, with what was probably meant."""

import argparse
import io
import json
import sys

import numpy as np
import pytest
from helpers import bundles

from keras_rnn2dnn.audio.corpora import write_wav
from keras_rnn2dnn.commands import terminal
from keras_rnn2dnn.commands.help.near_misses import with_hint

MISTYPED = [
    (("distil", "store"), "rnn2dnn", "'distill'"),
    (("align", "--one-bset", "a", "b"), "rnn2dnn align", "'--one-best'"),
    (("convert", "s", "--calbration", "a"), "rnn2dnn convert", "'--calibration'"),
    (("convert", "--ranges", "persentile"), "rnn2dnn convert", "'percentile'"),
    (("report", "--uterances=3", "out"), "rnn2dnn report", "'--utterances'"),
    (("listen", "a", "--tmes"), "rnn2dnn listen", "'--times'"),
]


@pytest.mark.parametrize(("arguments", "program", "meant"), MISTYPED)
def test_a_mistyped_command_option_or_choice(run, arguments, program, meant):
    code, output, error = run(*arguments)
    assert (code, output, error.count("\n")) == (2, "", 1)
    assert error.startswith(f"{program}: error: ")
    assert error.endswith(f"Did you mean {meant}? All options: {program} --help\n")


def test_what_is_like_nothing_is_named_without_a_guess(run):
    _, _, error = run("align", "a", "b", "--zzz")
    assert error == (
        "rnn2dnn align: error: Unknown option '--zzz'. All options: rnn2dnn align "
        "--help\n"
    )


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Stands in a directory with files of all kinds."""
    monkeypatch.chdir(tmp_path)
    bundles.student().save("student.keras")
    for name in ("features.npz", "bundle", "recordings/yes.wav", "out"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "decoder.json").write_text(json.dumps({}))


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("convert", "studnet.keras", "--calibration", "a", "--out", "b"), "student.k"),
        (("verify", "bundel"), "bundle"),
        (("transcribe", "bundle", "recording/yess.wav"), "recordings/yes.wav"),
        (("report", "outt"), "out"),
        (("demo", "--data", "recoordings"), "recordings"),
        (("distill", "bundel", "--out", "b.keras"), "bundle"),
        (("align", "student.keras", "feature.npz", "--out", "b"), "features.npz"),
        (
            ("evaluate", "student.keras", "--data", "feature.npz"),
            "features.npz",
        ),
    ],
)
def test_a_mistyped_file(files, run, arguments, meant):
    code, output, error = run(*arguments)
    assert (code, output, error.count("\n")) == (2, "", 1)
    assert f"Did you mean '{meant}" in error


def test_a_mistyped_word(run, tmp_path):
    for word in ("yes", "no", "stop"):
        (tmp_path / word).mkdir()
        for speaker in ("ann", "bob"):
            write_wav(tmp_path / word / f"{speaker}_0.wav", np.zeros(8000), 8000)
    given = ("train", tmp_path, "--out", tmp_path / "out", "--words", "yess", "no")
    code, _, error = run(*given)
    assert (code, error.count("Did you mean")) == (2, 1)
    assert error.endswith("Received: words=['yess']. Did you mean 'yes'?\n")
    error = ValueError("Expected one of ['ann', 'bob']. Received: speaker='zoe'")
    assert with_hint(error, argparse.Namespace()) == str(error)


class Terminal(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self):
        return True


def test_colours_are_for_terminals_that_want_them(monkeypatch, run):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def written(stream):
        monkeypatch.setattr(sys, "stderr", stream)
        with terminal.safe_output():
            terminal.write_error("rnn2dnn", "a\x1b[2Jb")
        return stream.getvalue()

    plain = "rnn2dnn: error: a\\x1b[2Jb\n"
    assert written(io.StringIO()) == plain
    assert written(Terminal()) == plain.replace("error:", "\x1b[31merror:\x1b[0m")
    monkeypatch.setenv("NO_COLOR", "1")
    assert written(Terminal()) == plain
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert written(Terminal()) == plain
