"""The teacher is left as it was found, and every batch begins at the zero state."""

import keras
import numpy as np
import pytest

from keras_rnn2dnn import Distiller, KLCallback, SoftAlignments
from keras_rnn2dnn.batches.model_state import left_as_found, run_stateless
from keras_rnn2dnn.batches.predicting import predict_utterances
from keras_rnn2dnn.distillation.kl_callback import kl_and_agreement

FEATURES, CLASSES = 3, 5
CELLS = {
    "gru": lambda: keras.layers.GRU(4, return_sequences=True, stateful=True),
    "both ways": lambda: keras.layers.Bidirectional(
        keras.layers.LSTM(3, return_sequences=True, stateful=True)
    ),
}


def dense_student():
    return keras.Sequential(
        [keras.Input((None, FEATURES)), keras.layers.Dense(CLASSES)]
    )


def stateful_teacher(kind="gru", batch=2):
    """A teacher with a state that is not zero, and the same one without states."""
    inputs = keras.Input((None, FEATURES), batch_size=batch)
    layer = CELLS[kind]()
    model = keras.Sequential([inputs, layer, keras.layers.Dense(CLASSES)])
    config = {**layer.get_config(), "stateful": False}
    if "layer" in config:
        config["layer"]["config"]["stateful"] = False
        config["backward_layer"] = None
        config.pop("stateful")
    plain = keras.Sequential(
        [
            keras.Input((None, FEATURES)),
            type(layer).from_config(config),
            keras.layers.Dense(CLASSES),
        ]
    )
    plain.set_weights([v.numpy() for v in model.weights if "state" not in v.path])
    model(features(batch), training=False)
    return model, plain


def features(batch=5, frames=6):
    return np.random.default_rng(0).normal(size=(batch, frames, 3)).astype("float32")


def states(model):
    return [v.numpy() for v in model.non_trainable_variables]


@pytest.mark.parametrize("kind", CELLS)
def test_a_stateful_teacher_begins_each_batch_at_the_zero_state(kind, tmp_path):
    model, plain = stateful_teacher(kind)
    found, x = states(model), features()
    assert any(np.any(state) for state in found)
    student = dense_student()
    distiller, expected = Distiller(model, student), Distiller(plain, student)
    for one in (distiller, expected):
        one.compile(keras.optimizers.SGD(0.0), run_eagerly=kind == "both ways")
    wanted = expected.evaluate(x, batch_size=2, verbose=0, return_dict=True)
    logs = distiller.evaluate(x, batch_size=2, verbose=0, return_dict=True)
    callback = KLCallback(x, batch_size=2)
    history = distiller.fit(  # the last batch is smaller
        x, batch_size=2, verbose=0, callbacks=callback
    ).history
    assert logs["kl"] == pytest.approx(wanted["kl"], rel=1e-5)
    assert history["kl"] == pytest.approx([wanted["kl"]], rel=1e-5)
    assert history["val_kl"] == pytest.approx([wanted["kl"]], rel=1e-5)
    measured = kl_and_agreement(distiller, x, batch_size=3)
    assert measured[0] == pytest.approx(wanted["kl"], rel=1e-5)
    outputs = np.asarray(plain(x))
    for row, output in zip(predict_utterances(model, list(x)), outputs, strict=True):
        np.testing.assert_allclose(row, output, atol=1e-5)
    store = SoftAlignments.write(tmp_path / "store", model, x, batch_size=2)
    for one, output in zip(store.utterances(), outputs, strict=True):
        log_p = output - np.log(np.exp(output).sum(-1, keepdims=True))
        np.testing.assert_allclose(one.soft, log_p, atol=2e-2)  # kept in float16
    for left, right in zip(found, states(model), strict=True):
        np.testing.assert_array_equal(left, right)
    assert all(getattr(layer, "stateful", True) for layer in model.layers[:1])


class OwnState(keras.layers.Layer):
    """Adds up what it has seen, without a word."""

    def build(self, shape):
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.seen.assign_add(1.0)
        return x + self.seen


class OwnFlag(OwnState):
    stateful = True


@pytest.mark.parametrize("layer", [OwnState, OwnFlag])
def test_a_state_of_another_kind_is_refused_before_any_step(layer):
    layers = [layer(name="own"), keras.layers.Dense(CLASSES)]
    teacher = keras.Sequential([keras.Input((None, FEATURES)), *layers], name="t")
    distiller = Distiller(teacher, dense_student())
    distiller.compile("sgd")
    with pytest.raises(ValueError) as error:
        distiller.fit(features(), verbose=0)
    assert "Expected a model whose output does not depend on the batches" in str(
        error.value
    )
    assert "keeps a state from batch to batch: build it without one" in str(error.value)
    assert "own" in str(error.value)
    assert float(layers[0].seen) == 0


class Sampling(keras.layers.Layer):
    """A layer that is random, and counts, in inference too."""

    def __init__(self):
        super().__init__()
        self.seed = keras.random.SeedGenerator(3)
        self.count = keras.metrics.Sum(name="count")

    def call(self, x):
        self.count.update_state(keras.ops.ones(()))
        return x + keras.random.normal(keras.ops.shape(x), seed=self.seed)


def test_seeds_and_metrics_of_the_teacher_are_put_back():
    layer = Sampling()
    layers = [keras.Input((None, FEATURES)), layer, keras.layers.Dense(CLASSES)]
    distiller = Distiller(keras.Sequential(layers), dense_student())
    distiller.compile("sgd")
    seed, count = layer.seed.state.numpy(), float(layer.count.result())
    distiller.fit(features(), verbose=0, callbacks=KLCallback(features()))
    distiller.evaluate(features(), verbose=0)
    np.testing.assert_array_equal(layer.seed.state.numpy(), seed)
    assert float(layer.count.result()) == count


def shared_models(layer, name="student"):
    x = keras.Input((None, FEATURES))
    return [
        keras.Model(x, keras.layers.Dense(CLASSES)(layer(x)), name=each)
        for each in ("teacher", name)
    ]


@pytest.mark.parametrize(
    "layer", [lambda: keras.layers.Dense(4), keras.layers.BatchNormalization]
)
def test_a_layer_of_teacher_and_student_both_is_refused(layer):
    shared = layer()
    shared._name = shared.name = "front"
    with pytest.raises(ValueError) as error:
        Distiller(*shared_models(shared))
    assert str(error.value) == (
        "Teacher and student share layers: training the student would change the "
        "teacher. Expected a student with layers of its own. Received: 'front' in "
        "both. Give the student a copy, `keras.models.clone_model(student)` with "
        "`set_weights`, or set `layer.trainable = False` where both are to use a layer "
        "as it is"
    )
    shared.trainable = False
    teacher, student = shared_models(shared)
    before = [w.copy() for w in teacher.get_weights()]
    distiller = Distiller(teacher, student)
    distiller.compile("sgd")
    distiller.fit(features(), verbose=0)
    for left, right in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    shared.trainable = True
    with pytest.raises(ValueError, match="share layers"):
        distiller.fit(features(), verbose=0)


def test_features_that_learn_by_adapt_may_be_shared():
    layer = keras.layers.Normalization()
    layer.adapt(features())
    Distiller(*shared_models(layer))
    with pytest.raises(ValueError, match="share layers"):
        model = shared_models(keras.layers.Dropout(0.1))[0]
        Distiller(model, model)


def test_an_error_leaves_the_flags_and_the_states():
    model, _ = stateful_teacher()
    found = states(model)
    with pytest.raises(ValueError), left_as_found([model]):
        model(features(2), training=False)
        raise ValueError
    with pytest.raises(Exception, match="rank|shape|incompatible"):
        run_stateless(model, np.zeros((2, 3), "float32"))
    assert model.layers[0].stateful
    for left, right in zip(found, states(model), strict=True):
        np.testing.assert_array_equal(left, right)
