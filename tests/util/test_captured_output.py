import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keras_rnn2dnn.util.captured_output import captured_output


def test_captured_output_holds_what_went_past_python(capfd):
    with pytest.raises(ZeroDivisionError), captured_output() as read:
        os.write(1, b"one ")
        os.write(2, b"two")
        text = read()
        raise ZeroDivisionError
    os.write(1, b"three")
    assert text == "one two"
    assert capfd.readouterr() == ("three", "")


def test_the_command_says_nothing_but_its_own():
    command = shutil.which("rnn2dnn", path=Path(sys.executable).parent)
    unset = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [command, "evaluate", "a.keras", "--data", "b.npz", "--decoder", "c.json"],
        capture_output=True,
        text=True,
        env=unset,
    )
    assert done.stdout == ""
    assert done.stderr == (
        "rnn2dnn evaluate: error: No such file: 'b.npz'. Expected one that exists\n"
    )
