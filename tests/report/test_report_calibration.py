import numpy as np
import pytest
from helpers import report_runs

from keras_rnn2dnn.report.calibration import calibration, reliability
from keras_rnn2dnn.report.collect import collect
from keras_rnn2dnn.report.models import FoldModels
from keras_rnn2dnn.util.log_softmax import log_softmax


def test_the_calibration_error_is_that_of_a_plain_loop():
    logits = report_runs.frames(500, 4).astype("float64") / 2
    posteriors = np.exp(log_softmax(logits))
    expected = np.random.default_rng(1).integers(4, size=500)
    error = 0.0
    for low in np.arange(10) / 10:
        inside = [p for p in range(500) if low <= posteriors[p].max() < low + 0.1]
        if inside:
            sure = np.mean([posteriors[p].max() for p in inside])
            right = np.mean([posteriors[p].argmax() == expected[p] for p in inside])
            error += len(inside) / 500 * abs(sure - right)
    found = reliability(posteriors, expected)
    assert found.error == pytest.approx(error, abs=1e-12)
    assert found.frames.sum() == 500


def test_a_model_that_is_always_right_is_sure_enough_at_one():
    found = reliability(np.eye(3), np.arange(3))
    assert (found.error, found.frames[-1]) == (0.0, 3)


def test_the_section_counts_the_frames_of_all_folds(run_directory):
    folds = [FoldModels(fold) for fold in collect(run_directory).folds]
    frames = sum(len(f) for models in folds for f in models.test.features)
    diagram, sureness = calibration(folds).figures
    assert f"On 8 test strings, {frames:,} frames." in diagram
    assert diagram.count("<polyline") == 4  # with the diagonal
    assert f"The same {frames:,} frames" in sureness
