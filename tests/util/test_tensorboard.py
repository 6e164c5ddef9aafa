import numpy as np
import pytest
import tensorflow as tf
from helpers.event_files import scalars, summaries

from keras_rnn2dnn.util.tensorboard import write_scalars


def test_scalars_are_read_back(tmp_path):
    write_scalars(tmp_path / "a" / "b", {"loss": [2.0, None, 0.5], "kl": [1.0]})
    assert scalars(tmp_path / "a" / "b") == [
        *(("loss", 0, 2.0), ("loss", 2, 0.5), ("kl", 0, 1.0))
    ]


def test_a_file_in_the_way_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write_scalars(tmp_path / "file", {"loss": np.ones(1)})


def test_scalars_are_those_of_tensorboard_itself(tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    write_scalars(tmp_path / "ours", {"kl": [0.25, 0.1]})
    writer = tf.summary.create_file_writer(str(tmp_path / "theirs"))
    with writer.as_default():
        for step, number in enumerate((0.25, 0.1)):
            tf.summary.scalar("kl", number, step=step)
    writer.close()
    assert summaries(tmp_path / "ours") == summaries(tmp_path / "theirs")
    assert len(summaries(tmp_path / "ours")) == 2
