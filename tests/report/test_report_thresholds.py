"""The curve of a bundle that was tuned: misses against false words an hour."""

import json
import re
import shutil

import pytest
from helpers import report_runs

from keras_rnn2dnn.report.collect import collect
from keras_rnn2dnn.report.html import LeftOut
from keras_rnn2dnn.report.thresholds import picture, thresholds
from keras_rnn2dnn.scoring.thresholds import ThresholdPoint

CURVE = [ThresholdPoint(**fields) for fields in report_runs.CURVE]


def drawn(curve, chosen):
    """The points of the line, and its marks below and beside it."""
    svg = picture(curve, chosen)
    points = re.search('<polyline points="([^"]*)"', svg)[1].split()
    texts = re.findall(">([^<>]+)</text>", svg)
    return [tuple(map(float, point.split(","))) for point in points], texts, svg


def test_false_words_have_a_logarithmic_axis_with_a_place_for_none():
    points, texts, svg = drawn(CURVE, CURVE[2])
    across = [x for x, _ in points]
    assert across == sorted(across, reverse=True)
    assert {"0", "0.1", "1", "10", "100", "1k"} <= set(texts)
    assert {"false words an hour", "missed words, %"} <= set(texts)
    unit = (across[0] - across[2]) / 2.716  # decades from 0.5 to 260
    assert (across[0] - across[1]) / unit == pytest.approx(0.9236, abs=0.01)
    assert across[3] == 46  # the left end
    heights = [y for _, y in points]
    assert heights == sorted(heights, reverse=True)  # more is missed
    assert f'cx="{points[2][0]}" cy="{points[2][1]}"' in svg


def test_where_misses_are_not_known_thresholds_are_drawn():
    curve = [ThresholdPoint(t, f, None) for t, f in ((None, 40.0), (5.0, 0.0))]
    points, texts, _ = drawn(curve, curve[1])
    assert "threshold, nats" in texts and len(points) == 2
    alone = [ThresholdPoint(None, 0.0, None)]
    assert len(drawn(alone, alone[0])[0]) == 1


def test_the_section_tells_what_was_chosen_with_all_numbers_behind_it(run_directory):
    section = thresholds(collect(run_directory))
    assert len(section.figures) == 2
    assert (
        "ada: 2 hours in which none of the words is said. The dot is the threshold of "
        "the bundle: 9.25 nats, 0.50 false words an hour, 10.0% missed."
    ) in section.figures[0]
    for cell in ("none", "260.00", "3.500", "31.00", "5.0", "11.000", "0.00"):
        assert f">{cell}</td>" in section.figures[0]


def test_a_damaged_file_is_left_out_and_named(run_directory, tmp_path):
    path = shutil.copytree(run_directory, tmp_path / "run")
    for fold in ("ada", "bob"):
        content = json.dumps({"hours": 1, "curve": [{}], "chosen": {}})
        (path / fold / "bundle.threshold.json").write_text(content)
    with pytest.raises(LeftOut, match="bundle.threshold.json of ada is damaged"):
        thresholds(collect(path))
