"""The scripts for the tab key, and what helps to find a command."""

import importlib.metadata
import platform
import shutil
import subprocess

import pytest

import keras_rnn2dnn
from keras_rnn2dnn import cli


@pytest.fixture
def complete(run, tmp_path):
    """Completes a line in bash, as its tab key does."""
    if not shutil.which("bash"):
        pytest.skip("needs bash")
    _, script, _ = run("--print-completion", "bash")
    (tmp_path / "script").write_text(script)

    def complete(line):
        words = line.split(" ")
        lines = [
            f"source {tmp_path / 'script'}",
            f"COMP_WORDS=({' '.join(words[:-1])} '{words[-1]}')",
            f"COMP_CWORD={len(words) - 1}",
            "_rnn2dnn",
            'printf "%s\\n" "${COMPREPLY[@]}"',
        ]
        bash = ["bash", "--norc", "-c", "\n".join(lines)]
        done = subprocess.run(bash, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    return complete


def test_commands_options_and_choices_are_completed(complete):
    names = [name.__name__.rpartition(".")[2] for name in cli._COMMANDS]
    assert set(complete("rnn2dnn ")) >= {*names, "--version"}
    assert complete("rnn2dnn al") == ["align"]
    assert complete("rnn2dnn convert a.keras --rec") == ["--recordings"]
    assert complete("rnn2dnn convert --ranges m") == ["minmax", "mse"]
    assert complete("rnn2dnn convert stud") == []  # files, by bash itself


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_every_option(run, shell):
    code, script, _ = run("--print-completion", shell)
    assert code == 0
    for word in ("align", "transcribe", "utterances-per-shard", "percentile"):
        assert word in script
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=script, text=True)
        assert done.returncode == 0


def test_the_help_lists_every_command_by_its_task(run):
    code, text, _ = run("--help")
    assert code == 0
    listed = text.partition("\noptions:")[0]
    for task, commands in cli._TASKS.items():
        part = listed.partition(f"\n{task}:\n")[2].partition("\n\n")[0]
        names = [line.split()[0] for line in part.splitlines() if line[2] != " "]
        assert names == [c.__name__.rpartition(".")[2] for c in commands]


def test_the_version_names_what_computes(run):
    code, text, _ = run("--version")
    parts = [f"Keras {importlib.metadata.version('keras')}", platform.python_version()]
    parts += [f"TensorFlow {importlib.metadata.version('tensorflow')}"]
    assert code == 0 and text.startswith(f"keras-rnn2dnn {keras_rnn2dnn.__version__} (")
    assert all(part in text for part in parts) and text.count("\n") == 1
