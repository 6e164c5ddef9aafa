import pytest
from helpers import word_recordings

from keras_rnn2dnn.audio.features import LogMel


@pytest.fixture(scope="module")
def marked_split():
    """A split in which the recordings of each use hold a tone of their own."""
    return word_recordings.marked()


@pytest.fixture(scope="module")
def layer():
    """Features with narrow bins."""
    return LogMel(8000, num_bins=40, low_hz=80.0, high_hz=3900.0)
