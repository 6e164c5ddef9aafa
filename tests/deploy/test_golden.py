import numpy as np
import pytest

from keras_rnn2dnn.deploy import golden
from keras_rnn2dnn.deploy.device import RecognizedWord, Utterance
from keras_rnn2dnn.hmm.reporting import EARLIER, Reporting


def test_floats_become_pcm_rounded_and_clipped():
    x = np.array([0.0, 0.25, -0.25, 1.5, -1.5, 0.5 / 32768, 1.4 / 32768])
    expected = [0, 8192, -8192, 32767, -32768, 0, 1]
    assert golden.int16_pcm(x).tolist() == expected
    pcm = np.array([1, -2], np.int16)
    assert golden.int16_pcm(pcm) is pcm


@pytest.mark.parametrize("kind", ["int32", "uint8", "complex64"])
def test_other_numbers_are_no_pcm(kind):
    with pytest.raises(
        ValueError, match="Invalid value for `recordings`. Expected int16"
    ):
        golden.int16_pcm(np.zeros(4, kind))


def test_edge_signals_reach_the_limits():
    signals = golden.edge_signals(8000)
    assert [x.dtype for x in signals] == [np.int16] * 8
    assert not signals[0].any()
    assert set(signals[1].tolist()) == {-32768, 32767}
    assert set(signals[2].tolist()) == {32767}
    assert set(signals[3].tolist()) == {-32768}
    assert np.count_nonzero(signals[4]) == 1
    crossings = np.diff(np.signbit(signals[5])).reshape(-1, 7999).sum()
    assert (
        crossings > 1900
    )  # the sweep: half the sample rate on average, twice a period
    assert signals[6].std() > 18000
    assert len(signals[7]) < 200


def test_recordings_lie_end_to_end_with_length_and_chunk():
    pcm = [
        np.arange(3, dtype=np.int16),
        np.zeros(0, np.int16),
        np.array([-1], np.int16),
    ]
    data = golden.pcm_bytes(pcm, chunks=(7, 0))
    header = np.frombuffer(data[:8], "<u4").tolist()
    assert header == [3, 7]
    assert np.frombuffer(data[8:14], "<i2").tolist() == [0, 1, 2]
    assert np.frombuffer(data[14:22], "<u4").tolist() == [0, 0]
    assert np.frombuffer(data[22:30], "<u4").tolist() == [1, 7]
    assert [x.tolist() for x in golden.read_pcm(data)] == [x.tolist() for x in pcm]


def test_words_are_rows_with_an_end_after_each_recording():
    yes = RecognizedWord("yes", 1, 10, 20, 2.5)
    no = RecognizedWord("no", 0, 30, 40, -0.001)
    data = golden.event_bytes([[yes, no, Utterance(10, 40, 2)], []], Reporting())
    rows = np.frombuffer(data, "<u4").reshape(-1, 4).tolist()
    end, below = [2**32 - 1, 0, 0, 0], 2**32 - 1
    over = [2**32 - 2, 10, 40, 2]
    assert rows == [[1, 10, 20, 2500], [0, 30, 40, below], over, end, end]
    assert golden.read_words(data) == [[1, 0], []]
    data = golden.event_bytes([[yes, no], []], EARLIER)
    rows = np.frombuffer(data, "<u4").reshape(-1, 3).tolist()
    assert rows == [[1, 10, 20], [0, 30, 40], end[:3], end[:3]]
    assert golden.read_words(data, 3) == [[1, 0], []]
