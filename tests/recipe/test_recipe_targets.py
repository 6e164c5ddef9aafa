import itertools

import keras
import numpy as np
import pytest

from keras_rnn2dnn import dnn_student, hmm, rnn_teacher
from keras_rnn2dnn.recipe.strings import FeatureString
from keras_rnn2dnn.recipe.targets import mean_log_posteriors, path_targets


def test_the_posteriors_of_several_models_are_averaged():
    keras.utils.set_random_seed(0)
    models = [rnn_teacher(3, 4, units=(2,)), dnn_student(3, 4, (1, 1), (2,))]
    x = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    (found,) = mean_log_posteriors(models, [x])
    powers = [np.exp(m(x[None]).numpy()[0].astype("float64")) for m in models]
    one, two = (p / p.sum(axis=1, keepdims=True) for p in powers)
    assert np.exp(found) == pytest.approx((one + two) / 2, abs=1e-5)
    assert np.abs(one - two).max() > 0.02


def test_what_students_learn_is_a_path_so_that_its_loss_has_a_bound():
    topology = hmm.Topology(("a", "b"))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 60, topology.num_states)).astype("float32")
    teacher = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Identity()])
    strings = [FeatureString(s, s, np.zeros(60), ()) for s in x]
    words = ["a b", "b b a", "b", "a a a"]
    untuned = hmm.WordLoopDecoder(topology)
    transform = path_targets([teacher], strings, untuned, tune=None)
    states = np.argmax(transform(list(x), words), axis=-1)
    for of_string, said in zip(states, words, strict=True):
        passed = [s for s, _ in itertools.groupby(of_string) if s != 10]
        firsts = {"a": 0, "b": 5}
        assert passed == [firsts[w] + n for w in said.split() for n in range(5)]
    # Who is ever more sure of them gains nothing; of what is no path, without end.
    loss, every = hmm.SequenceKL.of_words(topology), np.eye(11, dtype="float32")

    def losses(targets):
        learnt = np.log(np.maximum(every[targets], 1e-30))
        return [float(loss(learnt, sure * every[targets])) for sure in (100.0, 1000.0)]

    less, more = losses(states)
    assert more == pytest.approx(less, abs=1e-3)
    less, more = losses(np.argmax(hmm.constrained(topology)(list(x), words), axis=-1))
    assert more < less - 1
