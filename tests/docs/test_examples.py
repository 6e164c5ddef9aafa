import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
def test_a_ctc_recogniser_is_distilled_in_a_few_added_lines(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    path = EXAMPLES / "ctc_keras_asr.py"
    runpy.run_path(str(path), run_name="__main__")
    found = re.findall(r"(\w+): .* (\d+) of 800 letters", capsys.readouterr().out)
    assert [name for name, _ in found] == ["teacher", "student"]
    assert all(int(errors) < 40 for _, errors in found)
    assert (tmp_path / "bundle" / "student.tflite").is_file()


def test_the_added_lines_are_few_and_touch_nothing_else():
    before, added, _ = re.split(
        r"# -+ added: \w+ here\n", (EXAMPLES / "ctc_keras_asr.py").read_text()
    )
    assert "keras_rnn2dnn" not in before.partition('"""\n\n')[2]
    assert len([line for line in added.splitlines() if line.strip()]) <= 15


@pytest.mark.slow
def test_a_model_of_ones_own_is_distilled_and_converted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = EXAMPLES / "distil_your_model.py"
    names = runpy.run_path(str(path), run_name="__main__")
    assert names["student"].output_shape == (None, None, 51)
    assert "KL(float || int8)" in capsys.readouterr().out
    assert (tmp_path / "bundle" / "student.tflite").is_file()
