import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_rnn2dnn import Distiller

CLASSES, FEATURES = 5, 4


def batch(utterances):
    x = np.random.default_rng(0).normal(size=(utterances, 6, FEATURES))
    return x.astype("float32"), np.zeros((utterances, 6, CLASSES), "float32")


def test_the_models_are_traced_for_the_first_batch_and_for_the_step():
    class Counted(keras.layers.Layer):
        traced = 0

        def build(self, input_shape):  # of its own, so that `convert` looks not inside
            self.scale = self.add_weight(shape=(), initializer="ones")

        def call(self, inputs):
            self.traced += 1
            return inputs * self.scale

    counted = Counted()
    student = keras.Sequential(
        [keras.Input((None, FEATURES)), counted, keras.layers.Dense(CLASSES)]
    )
    before = counted.traced
    distiller = Distiller(None, student)
    distiller.compile()
    distiller.fit(*batch(4), batch_size=2, epochs=2, verbose=0)
    assert counted.traced - before == 2


MANY_DISTILLERS = """
import numpy as np
from keras_rnn2dnn import Distiller, KLCallback, dnn_student

x = np.random.default_rng(0).normal(size=(12, 6, 4)).astype("float32")
soft = np.zeros((12, 6, 5), "float32")
for _ in range(6):
    distiller = Distiller(None, dnn_student(4, 5, context=(2, 1), units=(8,)))
    distiller.compile()
    options = {"callbacks": [KLCallback((x, soft))], "verbose": 0}
    # So many steps that Keras's own is not traced too often.
    distiller.fit(x, soft, batch_size=1, **options)
"""


@pytest.mark.slow
def test_many_distillers_are_trained_without_a_word():
    # TensorFlow counts the traces of a whole process, those of other tests, too.
    command = [sys.executable, "-c", MANY_DISTILLERS]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "retracing" not in done.stderr
