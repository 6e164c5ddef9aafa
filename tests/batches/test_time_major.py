import numpy as np
import pytest
from helpers.plain_models import plain_teacher

from keras_rnn2dnn import SoftAlignments
from keras_rnn2dnn.batches.time_major import check_axes

AXES = (
    r"Invalid value for `{}`. Expected the axes \(batch, frames\) of the features, "
    r"\(9, 3\). Received: \(3, 9\). If the features are time-major, \(frames, batch, "
    r"features\), transpose them"
)


@pytest.mark.parametrize("name", ["labels", "sample_weight"])
def test_time_major_features_are_not_stored(tmp_path, name):
    x = np.ones((9, 3, 4), "float32")
    y, weights = np.zeros((3, 9), int), np.ones((3, 9))
    data = (x, y) if name == "labels" else (x, None, weights)
    teacher = plain_teacher(4, 5)
    with pytest.raises(ValueError, match=AXES.format(name)):
        SoftAlignments.write(tmp_path / "store", teacher, data)


def test_as_many_utterances_as_frames_are_a_warning(caplog):
    check_axes((5, 5, 4), y=(5, 5))
    assert "As many utterances as frames, 5: time-major data would not" in caplog.text


@pytest.mark.parametrize("shape", [(9,), (9, 1), (9, 3), (9, 3, 2), (9, 2), None])
def test_what_fits_and_what_is_not_of_frames_is_taken(shape, caplog):
    check_axes((9, 3, 4), y=shape)
    check_axes((9, 3), y=(3, 9))  # of samples
    check_axes((None, 3, 4), y=shape)
    assert not caplog.text
