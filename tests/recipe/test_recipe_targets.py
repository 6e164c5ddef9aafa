import keras
import numpy as np
import pytest

from keras_rnn2dnn import dnn_student, rnn_teacher
from keras_rnn2dnn.recipe.targets import mean_log_posteriors


def test_the_posteriors_of_several_models_are_averaged():
    keras.utils.set_random_seed(0)
    models = [rnn_teacher(3, 4, units=(2,)), dnn_student(3, 4, (1, 1), (2,))]
    x = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    (found,) = mean_log_posteriors(models, [x])
    powers = [np.exp(m(x[None]).numpy()[0].astype("float64")) for m in models]
    one, two = (p / p.sum(axis=1, keepdims=True) for p in powers)
    assert np.exp(found) == pytest.approx((one + two) / 2, abs=1e-5)
    assert np.abs(one - two).max() > 0.02
