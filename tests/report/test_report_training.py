import re
import shutil

import pytest

from keras_rnn2dnn.report.collect import collect
from keras_rnn2dnn.report.html import LeftOut
from keras_rnn2dnn.report.training import training


def test_curves_are_the_means_of_the_folds(run_directory):
    run = collect(run_directory)
    run.folds[0].history["student"]["kl"] = [2.0, 1.0, 0.5]  # the other: .9 .8 .75
    loss, kl, agreement, wer = training(run).figures
    assert kl.count("<polyline") == 4  # none of the teacher
    assert loss.count("<polyline") == wer.count("<polyline") == 5
    assert '<td>student, distilled</td><td>ada</td><td class="n">2</td>' in kl
    line = re.findall(r'<polyline points="([^"]*)"', kl)[-1].split()
    heights = [float(point.split(",")[1]) for point in line]
    fall = (heights[1] - heights[0]) / (heights[2] - heights[1])
    assert fall == pytest.approx((1.45 - 0.9) / (0.9 - 0.625), rel=0.01)
    assert ">70</td>" in agreement  # in percent


def test_a_teacher_of_fewer_epochs_has_a_shorter_curve(run_directory):
    run = collect(run_directory)
    for fold in run.folds:
        teacher = fold.history["teacher"]
        teacher["loss"] = teacher["loss"][:2]
    loss = training(run).figures[0]
    points = [line.split() for line in re.findall(r'<polyline points="([^"]*)"', loss)]
    assert sorted(map(len, points)) == [2, 3, 3, 3, 3]
    rows = re.findall(r"<tr><td>RNN teacher</td>.*?</tr>", loss)
    assert [row.count('<td class="n"></td>') for row in rows] == [1, 1]


def test_an_older_run_has_no_curves(run_directory, tmp_path):
    copy = shutil.copytree(run_directory, tmp_path / "run")
    (copy / "bob/history.json").unlink()
    with pytest.raises(LeftOut, match="^no history.json in bob$"):
        training(collect(copy))
