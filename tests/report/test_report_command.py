import shutil

import pytest

from keras_rnn2dnn import demo


def test_the_command_writes_the_page_and_names_it(run, run_directory, tmp_path):
    out = tmp_path / "deep" / "page.html"
    code, output, error = run(
        *("report", run_directory, "--out", out, "--utterances", "3,6")
    )
    assert (code, output, error) == (0, f"Report: {out}\n", "")
    text = out.read_text()
    assert "String 3: chosen" in text and "String 6: chosen" in text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--utterances", "3,six"), "Invalid value for `--utterances`. Expected whole"),
        (("--utterances", "99"), "Expected indices of test strings, from 0 to 7"),
    ],
)
def test_bad_arguments_are_one_line(run, run_directory, tmp_path, arguments, text):
    out = ("--out", tmp_path / "page.html")
    code, output, error = run("report", run_directory, *out, *arguments)
    assert (code, output, error.count("\n")) == (2, "", 1)
    assert text in error
    assert list(tmp_path.iterdir()) == []


def test_another_directory_is_refused(run, tmp_path):
    code, _, error = run("report", tmp_path)
    assert code == 2
    assert "Expected the directory of a finished `rnn2dnn demo`" in error


def test_the_demo_writes_the_page(run, run_directory, tmp_path, monkeypatch):
    copy = shutil.copytree(run_directory, tmp_path / "run")
    monkeypatch.setattr(demo, "demo_recordings", lambda *arguments: [])
    monkeypatch.setattr(demo, "run_demo", lambda *arguments, **options: [])
    commands = "keras_rnn2dnn.commands.running.demo"
    monkeypatch.setattr(f"{commands}.espeak.loader", lambda: None)
    monkeypatch.setattr(f"{commands}.to_markdown", lambda rows: "the table")
    code, output, _ = run("demo", "--out", copy)
    assert code == 0
    assert f"\nReport: {copy / 'report.html'}\n" in output
    assert (copy / "report.html").is_file()
