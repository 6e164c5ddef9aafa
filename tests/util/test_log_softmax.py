import numpy as np
import tensorflow as tf

from keras_rnn2dnn.util.log_softmax import log_softmax


def test_it_is_that_of_tensorflow_and_nothing_overflows():
    logits = np.random.default_rng(0).normal(size=(3, 5, 7)) * 300
    expected = tf.nn.log_softmax(tf.constant(logits, tf.float64))
    np.testing.assert_allclose(log_softmax(logits), expected, rtol=1e-12)
    assert log_softmax(logits.astype("float32")).dtype == np.float32


def test_an_impossible_class_stays_impossible():
    found = log_softmax(np.array([0.0, -np.inf, 0.0]))
    np.testing.assert_allclose(np.exp(found), [0.5, 0.0, 0.5], rtol=1e-15)
