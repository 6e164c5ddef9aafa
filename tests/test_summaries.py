import numpy as np
import pytest
from event_files import scalars

from keras_rnn2dnn.summaries import write_scalars


def test_scalars_are_read_back(tmp_path):
    write_scalars(tmp_path / "a" / "b", {"loss": [2.0, None, 0.5], "kl": [1.0]})
    assert scalars(tmp_path / "a" / "b") == [
        *(("loss", 0, 2.0), ("loss", 2, 0.5), ("kl", 0, 1.0))
    ]


def test_a_file_in_the_way_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write_scalars(tmp_path / "file", {"loss": np.ones(1)})
