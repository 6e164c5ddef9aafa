"""Keywords from the posteriors of a window that moves over a stream."""

import dataclasses
import json

import numpy as np
import pytest

from keras_rnn2dnn.commands.running import inputs
from keras_rnn2dnn.hmm import Reporting
from keras_rnn2dnn.keywords import KeywordSpotter
from keras_rnn2dnn.keywords.spotter import best_classes, smoothed_posteriors
from keras_rnn2dnn.scoring.vocabulary import check_vocabulary

LABELS = ("yes", "no", "other", "silence")
SPOTTER = KeywordSpotter(LABELS, ("other", "silence"), 100.0, 200.0)
YES, NO, OTHER, SILENCE = range(4)


def heard(path, level=9.0):
    return level * np.eye(4)[path]


def with_reporting(**options):
    return dataclasses.replace(SPOTTER, reporting=Reporting(**options))


def test_posteriors_are_averaged_over_those_that_there_are():
    logits = np.log([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.125, 0.125, 0.75]])
    means = smoothed_posteriors(logits, 2)
    expected = [[0.5, 0.25, 0.25], [0.375, 0.375, 0.25], [0.1875, 0.3125, 0.5]]
    np.testing.assert_allclose(means, expected)
    best, confidences = best_classes(means[2:])
    assert best.tolist() == [2] and confidences[0] == pytest.approx(0.0)
    assert best_classes(np.eye(2))[1] == pytest.approx(np.log(2.0**24))
    assert smoothed_posteriors(logits[:0], 2).shape == (0, 3)


def test_a_word_is_reported_once_within_the_suppression():
    path = [SILENCE] * 5 + [YES] * 9 + [OTHER] * 9 + [NO] * 14
    assert SPOTTER([heard(path), heard([OTHER] * 30)]) == [["yes", "no", "no"], []]
    assert with_reporting(suppress_ms=0.0)([heard([YES] * 3)]) == [["yes"] * 3]


def test_one_clip_is_a_recording_of_one_window():
    expected = [["yes"], ["no"], [], []]
    assert SPOTTER([heard([k]) for k in range(4)]) == expected
    assert SPOTTER(heard(range(4))) == expected
    assert SPOTTER([np.zeros((0, 4))]) == [[]]


def test_the_threshold_is_one_of_log_odds():
    logits = [np.log([[0.9, 0.05, 0.03, 0.02]])]
    assert with_reporting(threshold=2.19)(logits) == [["yes"]]
    assert with_reporting(threshold=2.2)(logits) == [[]]
    assert with_reporting(keywords="no")(logits) == [[]]


def test_it_is_kept_in_a_file(tmp_path):
    spotter = dataclasses.replace(SPOTTER, reporting=Reporting(threshold=1.0))
    path = tmp_path / "decoder.json"
    path.write_text(json.dumps(spotter.to_dict()))
    assert inputs.decoder(path) == spotter
    assert KeywordSpotter.from_dict(SPOTTER.to_dict()) == SPOTTER
    assert SPOTTER.reporting.suppress_ms == 1000.0


def test_words_that_it_never_reports_are_not_known():
    check_vocabulary(["yes", "no", ""], SPOTTER)
    with pytest.raises(ValueError, match="words of the decoder's vocabulary.*'other'"):
        check_vocabulary(["other"], SPOTTER)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ("a", "a")}, "`labels`. Expected different labels.*'a' twice"),
        ({"labels": ()}, "`labels`. Expected a string for each class"),
        ({"none": ("x",)}, "`none`. Expected labels of the classes.*none='x'"),
        ({"none": "yes"}, r"`none`. Expected several labels.*For one: \('yes',\)"),
        ({"none": LABELS}, "`none`. Expected labels of which some are keywords"),
        ({"step_ms": 0}, "`step_ms`. Expected a finite number > 0"),
        ({"smoothing_ms": "1"}, "`smoothing_ms`. Expected a finite number > 0"),
        ({"smoothing_ms": 1e5}, "`smoothing_ms`. Expected a time of at most 255 steps"),
        (
            {"reporting": Reporting(keywords=("other",))},
            "`keywords`. Expected words of the decoder.*'other'",
        ),
    ],
)
def test_impossible_spotters_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SPOTTER, **options)
