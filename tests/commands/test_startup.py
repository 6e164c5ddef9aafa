"""Options are understood, and help is given, before anything slow is imported."""

import importlib
import subprocess
import sys

import pytest

from keras_rnn2dnn import cli
from keras_rnn2dnn.quantization.ranges import RANGES

COMMANDS = [command.__name__.rpartition(".")[2] for command in cli._COMMANDS]
LIGHT = """
import contextlib, io, sys
from keras_rnn2dnn import cli
lines = [["--version"], ["--help"], [], ["unknown"], ["report", "a", "--unknown"]]
for line in lines + [[command, "--help"] for command in sys.argv[1:]]:
    texts = io.StringIO()
    with contextlib.redirect_stdout(texts), contextlib.redirect_stderr(texts):
        try:
            cli.main(line)
        except SystemExit:
            pass
    assert texts.getvalue(), line
print(*sorted({"tensorflow", "keras", "numpy"} & set(sys.modules)))
"""


def test_help_and_wrong_arguments_import_nothing_slow():
    line = [sys.executable, "-c", LIGHT, *COMMANDS]
    done = subprocess.run(line, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


@pytest.mark.parametrize("module", ["keras_rnn2dnn", "keras_rnn2dnn.cli"])
def test_the_package_runs_as_the_command(module):
    def run(*arguments):
        line = [sys.executable, "-m", module, *arguments]
        return subprocess.run(line, capture_output=True, text=True)

    helped, wrong = run("--help"), run("lsten")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert helped.stdout.startswith("usage: rnn2dnn [-h] [--version] COMMAND ...")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "Did you mean 'listen'?" in wrong.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_options_and_something_that_runs(command, run):
    code, text, _ = run(command, "--help")
    assert code == 0
    assert text.startswith(f"usage: rnn2dnn {command} ")
    running = importlib.import_module(f"keras_rnn2dnn.commands.running.{command}")
    assert callable(running.run)


def test_the_ranges_to_choose_from_are_those_of_the_conversion(run):
    _, text, _ = run("convert", "--help")
    assert f"--ranges {{{','.join(RANGES)}}}\n" in text
