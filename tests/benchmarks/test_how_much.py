"""What `benchmarks/how_much.py` takes of a corpus, and how it shows what it found."""

from helpers.tone_words import tone_words

from benchmarks import how_much
from keras_rnn2dnn.recipe import Split

WORDS = tone_words(("ada", "bob", "eve"), per_word=4)
ROWS = [
    {"speakers": 2, "times": 1, "teacher": 30, "distilled": 40, "words": 80},
    {"speakers": 2, "times": 4, "teacher": 9, "distilled": 10, "words": 80},
    {"speakers": 3, "times": 4, "teacher": 7, "distilled": 6, "words": 80},
]


def test_few_speakers_and_few_recordings_of_each_are_trained_on():
    split = Split(WORDS, WORDS[:2], test=WORDS[2:4])
    found = how_much.some(split, 2, 3, seed=0)
    assert len({r.speaker for r in found.train}) == 2
    assert len(found.train) == 2 * 3 * 2
    assert found.test == split.test and found.development == split.development
    assert how_much.some(split, 3, 4, seed=0).train == WORDS


def test_a_row_has_counts_and_shares():
    assert how_much.line(ROWS[1]).split() == [
        *("2", "4", "8", "9", "11.2", "%", "10", "12.5", "%", "80")
    ]


def test_the_curve_has_a_line_for_each_number_of_speakers():
    drawn = how_much.curve(ROWS)
    assert drawn.count("<polyline ") == 2 and drawn.count("<circle ") == 3
    assert "lines: 2, 3 speakers" in drawn
