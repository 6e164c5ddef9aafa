"""The memory of writing a store, and of training from it, does not grow with it."""

import subprocess
import sys

import pytest

SCRIPT = """
import re, sys
import keras
import numpy as np
from keras_rnn2dnn import Distiller, SoftAlignments

number, path = int(sys.argv[1]), sys.argv[2]


def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((None, 40)), keras.layers.Dense(30)])


def utterances():
    rng = np.random.default_rng(0)
    for _ in range(number):
        yield rng.normal(size=(1, rng.integers(60, 140), 40)).astype("float32")


def peak():  # of this program; ru_maxrss keeps that of the one which started it
    status = open("/proc/self/status").read()
    return int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) // 1024


store = SoftAlignments.write(path, model(), utterances(), utterances_per_shard=256)
written = peak()
distiller = Distiller(None, model())
distiller.compile("adam")
distiller.fit(store.dataset(32, shuffle=True, seed=0), epochs=2, verbose=0)
print(written, peak(), store.nbytes // 2**20)
"""


@pytest.mark.slow
def test_ten_times_the_utterances_take_as_much_memory(tmp_path):
    peaks = []
    for number in (2500, 25000):
        command = [
            sys.executable,
            "-c",
            SCRIPT,
            str(number),
            str(tmp_path / f"{number}"),
        ]
        run = subprocess.run(command, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        peaks.append(list(map(int, run.stdout.split())))
    (written, trained, size), (written_10, trained_10, size_10) = peaks
    assert size_10 - size > 0.4 * trained  # MiB: it would show
    assert written_10 <= 1.1 * written
    assert trained_10 <= 1.1 * trained
