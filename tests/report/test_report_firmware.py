import re

import pytest

from keras_rnn2dnn.report.collect import collect
from keras_rnn2dnn.report.firmware import firmware
from keras_rnn2dnn.report.html import LeftOut


def sums(figure):
    return re.findall(r">([\d,]+)</text>", figure)


def test_bars_add_up_to_what_was_measured(run_directory):
    flash, ram, instructions = firmware(collect(run_directory)).figures
    assert sums(flash) == ["20,007", "20,005"]
    assert sums(ram) == ["1,500", "1,500"]  # 1,100 static, 400 of the stack
    assert sums(instructions) == ["153,007", "153,005"]
    assert flash.count("<td>bob</td>") == 2
    assert "features 100,000" in instructions


def test_without_emulated_cores_the_ram_is_left(run_directory):
    run = collect(run_directory)
    for fold in run.folds:
        fold.bundle["firmware"]["cores"] = None
    section = firmware(run)
    assert len(section.figures) == 1 and sums(section.figures[0]) == ["1,100"]
    assert section.missing == [
        "flash, stack and instructions: the demo had no cross compiler or emulator"
    ]


def test_a_bundle_without_c_code_says_why(run_directory):
    run = collect(run_directory)
    run.folds[0].bundle["firmware"] |= {"ram_bytes": None, "refused": "too wide"}
    section = firmware(run)
    assert section.missing == ["ada: too wide"]
    assert "bundle of bob" in section.text
    assert not any("<td>ada</td>" in figure for figure in section.figures)
    run.folds[1].bundle["firmware"] |= {"ram_bytes": None}
    with pytest.raises(LeftOut, match="ada: too wide; bob: no C code"):
        firmware(run)
