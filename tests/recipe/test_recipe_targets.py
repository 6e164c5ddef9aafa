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
    transform = path_targets([teacher], strings, untuned, tune=lambda _: untuned)
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


def test_silence_swallows_no_words_where_the_decoder_takes_priors_away():
    topology = hmm.Topology(("a",), states_per_unit=2)
    heard = np.zeros((20, 3), "float32")
    heard[:, 2], heard[5:15, :2] = 6.0, 5.0  # of silence; of the word
    priors = np.log([0.05, 0.05, 0.9]).astype("float32")
    shares = []
    for scale in (0.0, 1.0):
        tuned = hmm.WordLoopDecoder(topology, priors, prior_scale=scale)
        transform = path_targets([], [], tuned, lambda _, tuned=tuned: tuned)
        (found,) = transform([heard - np.log(np.exp(heard).sum(1)[:, None])], ["a"])
        shares.append(np.mean(found.argmax(axis=1) == 2))
    # Each state once is the least that a word can have. By their priors silence
    # loses 2.89 to the word, which then has more than it in its ten frames.
    assert shares == [0.9, 0.5]
