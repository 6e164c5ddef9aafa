"""A user's lines print what they print, and nothing else."""

import os
import re
import subprocess
import sys

import pytest
from helpers import pages

# TensorFlow and Keras begin with lines of their own, here before the mark.
BEFORE = """
import sys
import keras
import numpy as np
from helpers import setups
x, layer = np.zeros((2, 5, 3)), keras.layers.LSTM(2, return_sequences=True)
plain = keras.Sequential([keras.Input((None, 3)), keras.layers.Masking(), layer])
plain.compile("adam", "mse")
plain.fit(x, np.zeros((2, 5, 2)), verbose=0)
locals().update(setups.readme())
for stream in (sys.stdout, sys.stderr):
    print("=== begin", file=stream, flush=True)
"""
# What XLA compiles, which TensorFlow's own models do not ask for.
PATHS = """
from keras_rnn2dnn import Distiller, dnn_student, hmm
words = hmm.Topology(("a", "b"))
paths = Distiller(None, dnn_student(3, 11), hmm.SequenceKL.of_words(words))
paths.compile("adam")
paths.fit(np.ones((8, 20, 3)), np.zeros((8, 20, 11)), verbose=0)
"""
# What its engine says of any tf.data pipeline that ends, and of some processors.
ENGINE = re.compile(
    r".*(OUT_OF_RANGE: End of sequence|oneDNN supports DT_|M_TRIM_THR).*"
)


@pytest.mark.slow
def test_the_ten_lines_print_epochs_and_report_and_nothing_else(tmp_path):
    ((_, code),) = pages.blocks("readme", "python")
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    environment["PYTHONPATH"] = os.pathsep.join([str(pages.ROOT), *sys.path])
    line = [sys.executable, "-c", f"{BEFORE}\n{code}\n{PATHS}"]
    done = subprocess.run(
        line, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    output, errors = (
        text.partition("=== begin\n")[2] for text in (done.stdout, done.stderr)
    )
    said = [line for line in errors.splitlines() if not ENGINE.fullmatch(line)]
    assert said == []
    lines = output.splitlines()
    report = next(n for n, line in enumerate(lines) if line.startswith("file   "))
    epochs = list(filter(None, lines[:report]))
    assert [line for line in epochs if "loss: " not in line] == [
        f"Epoch {number}/10" for number in range(1, 11)
    ]
    assert lines[report + 1].startswith("SHA-256")
