"""Counts of the table of what is left switched on, and speech of other words."""

import numpy as np
import pytest

from keras_rnn2dnn.demo import left_on
from keras_rnn2dnn.demo.other_speech import _WORDS, other_speech
from keras_rnn2dnn.scoring.detections import Detection, SpokenWord

SAID = [SpokenWord("up", 0, 400), SpokenWord("down", 2000, 2400)]
FOUND = [
    Detection("up", 10, 390, 600, 5.0),
    Detection("up", 2000, 2390, 2700, 3.0),
    Detection("down", 9000, 9400, 9700, 2.0),
]


def test_a_row_is_counted_by_hand():
    row = left_on._row(SAID, FOUND, 60_000, None)
    assert row == {
        "threshold": False,
        "minutes": 1.0,
        "words": 2,
        "hits": 1,
        "substitutions": 1,
        "misses": 0,
        "false_words": 2,  # that in the place of another among them
        "latencies_ms": [200],
    }
    above = left_on._row(SAID, FOUND, 60_000, 4.0)
    counts = [above[n] for n in ("hits", "substitutions", "misses", "false_words")]
    assert counts == [1, 0, 1, 0]


def test_folds_are_added_and_shown():
    rows = [left_on._row(SAID, FOUND, 60_000, t) for t in (None, -np.inf)]
    silent = [left_on._row([], [], 120_000, t) for t in (None, 1.0)]
    added = left_on.pooled([rows, silent])
    assert [row["minutes"] for row in added] == [3.0, 3.0]
    text = left_on.to_markdown(added)
    cells = [cell.strip() for cell in text.splitlines()[2].split("|")[1:-1]]
    assert cells == [
        "every word",
        "3",
        "2",
        "50.0 %",
        "50.0 %",
        "0.0 %",
        "40",
        "200 ms",
    ]
    assert "threshold for 20 an hour in development" in text.splitlines()[3]
    without = left_on.to_markdown(silent).splitlines()[2].split("|")
    assert [cell.strip() for cell in without[3:-1]] == ["0", "-", "-", "-", "0", "-"]


def test_a_directory_without_rows_has_no_table(tmp_path):
    assert left_on.read_markdown(tmp_path) == ""


def test_other_speech_has_words_of_its_own_for_each_use_in_several_languages():
    pytest.importorskip("espeakng_loader", reason="needs the extra `synth`")
    for text in _WORDS.values():
        words = text.split()
        assert len(set(words)) == len(words) >= 12
    voices = ("en-gb+f3", "en-us+m1")
    found = other_speech(("window",), voices, 12, 0, "train")
    again = other_speech(("window",), voices, 12, 0, "train")
    assert all(
        np.array_equal(a.samples, b.samples) for a, b in zip(found, again, strict=True)
    )
    assert all(r.words == () and r.sample_rate_hz == 8000 for r in found)
    languages = {r.speaker.partition("+")[0] for r in found}
    assert len(languages - {"en-gb", "en-us"}) >= 2 and languages & {"en-gb", "en-us"}
    assert {r.speaker.partition("+")[2] for r in found} == {"f3", "m1"}
