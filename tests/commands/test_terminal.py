import io
import sys

import pytest

from keras_rnn2dnn.commands.terminal import safe_output, shown, shown_name

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
