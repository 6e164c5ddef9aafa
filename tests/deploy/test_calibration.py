import numpy as np

from keras_rnn2dnn.deploy.calibration import calibration_windows, split
from keras_rnn2dnn.deploy.window import ReceptiveField


def test_the_utterances_held_back_are_a_fifth_and_calibrate_nothing():
    utterances = [np.ones((2, 3), np.float32)] * 50
    chosen, held = split(utterances, seed=3)
    assert sorted(chosen + held) == list(range(50))
    assert len(held) == 10
    assert (chosen, held) == split(utterances, seed=3)
    assert held != split(utterances, seed=4)[1]


def test_calibration_windows_are_spread_over_all_utterances():
    lengths = (400, 100, 500)
    utterances = [np.full((n, 1), k, np.float32) for k, n in enumerate(lengths)]
    windows = calibration_windows(utterances, ReceptiveField(1, 1), 500)
    assert windows.shape == (500, 3, 1)
    assert np.bincount(windows[:, 0, 0].astype(int)).tolist() == [200, 50, 250]
