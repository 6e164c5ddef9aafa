import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from keras_rnn2dnn.commands.terminal import safe_output, shown, shown_name
from keras_rnn2dnn.util import captured_output

CONTROLS = [*range(9), 11, 12, *range(14, 32), *range(127, 160)]
HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\udc80\u202e"


def test_what_controls_a_terminal_is_escaped_and_the_rest_stays():
    for number in CONTROLS:
        assert shown(f"a{chr(number)}b") == f"a\\x{number:02x}b"
    assert shown("\u202e\udc80") == "\\u202e\\udc80"
    plain = "50 %|####\r\tzwölf 数字 \u200d é\n"
    assert shown(plain) == plain
    assert shown_name("a\r\nb\tc") == "a\\r\\nb\\tc"


def test_all_output_passes(monkeypatch):
    streams = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    with safe_output():
        assert sys.stdout.write(HOSTILE) == len(HOSTILE)
        sys.stderr.writelines([HOSTILE, "\n"])
        assert not sys.stderr.isatty()
    assert (sys.stdout, sys.stderr) == streams
    for stream in streams:
        assert stream.getvalue().encode().isascii()
        assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(
    "arguments",
    [
        ("convert", f"{HOSTILE}.keras", "--calibration", "a", "--out", "b"),
        ("report", f"{HOSTILE}\n"),
        ("transcribe", HOSTILE, HOSTILE),
        ("align", f"--{HOSTILE}"),
        (HOSTILE,),
    ],
)
def test_names_reach_the_terminal_without_what_they_control(run, arguments):
    code, output, error = run(*arguments)
    assert code == 2
    assert (output + error).isprintable() or set(output + error) & set("\n")
    assert not set("\x1b\x07\x9b\udc80\u202e") & set(output + error)


@pytest.fixture
def handler():
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_early_interrupt_is_handled_until_the_command_runs(handler):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    captured_output.interrupts_end()
    assert isinstance(signal.getsignal(signal.SIGINT), captured_output._Exit)
    captured_output.interrupts_raise()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as behind nohup
    captured_output.interrupts_end()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.slow  # starts a process
def test_an_interrupt_while_tensorflow_is_imported_shows_no_traceback(tmp_path):
    script = tmp_path / "rnn2dnn"
    script.write_text("from keras_rnn2dnn.cli import main\nraise SystemExit(main())\n")
    # Interrupts itself as the first module of TensorFlow is found.
    (tmp_path / "tensorflow.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
    )
    root = str(Path(captured_output.__file__).parents[1])
    path = os.pathsep.join([str(tmp_path), root])
    done = subprocess.run(
        [sys.executable, str(script), "--version"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "\nrnn2dnn: interrupted before it began\n"
