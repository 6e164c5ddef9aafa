"""The students and teachers, and how they are trained."""

import dataclasses

import keras
import numpy as np

from benchmarks.quality.risk import BayesRisk
from keras_rnn2dnn import Distiller, SoftAlignmentKL, dnn_student, hmm
from keras_rnn2dnn.batches.bucketing import bucketed_dataset
from keras_rnn2dnn.models.reference import tdnn_student
from keras_rnn2dnn.models.spliced_dense import SplicedDense
from keras_rnn2dnn.recipe import teacher
from keras_rnn2dnn.recipe.fitting import steps_of, warmed_up_adam
from keras_rnn2dnn.recipe.settings import Recipe

RECIPE = Recipe()


def _factored(num_features, num_classes):
    return _student(
        num_features,
        num_classes,
        SplicedDense(32, 10, 10, use_bias=False),
        keras.layers.Dense(128, "relu"),
        keras.layers.Dense(112, "relu"),
    )


def _decorrelated(num_features, num_classes):
    """The student sees ten cosines of every bin's course over the 21 frames."""
    numbers = np.arange(21)
    cosines = np.cos(np.pi * (numbers + 0.5)[:, None] * numbers[:10] / 21)
    kernel = np.einsum("to,fg->tfog", cosines / 10, np.eye(num_features))
    fixed = SplicedDense(10 * num_features, 10, 10, use_bias=False, trainable=False)
    hidden = (keras.layers.Dense(units, "relu") for units in (104, 96))
    student = _student(num_features, num_classes, fixed, *hidden)
    fixed.set_weights([kernel.reshape(21 * num_features, -1)])
    return student


def _student(num_features, num_classes, *layers):
    """Returns a student of these layers, which know padding, and one for the logits."""
    inputs = keras.Input((None, num_features))
    x = keras.layers.Masking()(inputs)
    for layer in (*layers, keras.layers.Dense(num_classes)):
        x = layer(x)
    return keras.Model(inputs, x)


STUDENTS = {
    "64,64": lambda f, c: dnn_student(f, c, (10, 10), (64, 64)),
    "16,16": lambda f, c: dnn_student(f, c, (10, 10), (16, 16)),
    "112,112": lambda f, c: dnn_student(f, c, (10, 10), (112, 112)),
    "time-delay 80,72,60": lambda f, c: tdnn_student(f, c, (80, 72, 60), (1, 3, 6)),
    "every second frame of 41": lambda f, c: dnn_student(f, c, (10, 10), (64, 64), 2),
    "every second frame of 21": lambda f, c: dnn_student(f, c, (5, 5), (104, 72), 2),
    "factored 32,128,112": _factored,
    "decorrelated 104,96": _decorrelated,
}


class Students:
    """Trains students with equal first weights and equal steps, whatever they learn.

    Those of one form are one Keras model, set back to its first weights, so that it is
    compiled once.

    Args:
        corpus: of `data`.
        seed: of the first weights and of the order of the strings.
        epochs: of each student.
    """

    def __init__(self, corpus, seed, epochs):
        self.corpus, self.seed, self.epochs = corpus, seed, epochs
        self._compiled = {}

    def train(self, row, banks):
        """Returns the student of a row, until the next one is trained."""
        form = row.student, row.paths, row.boost
        if form not in self._compiled:
            self._compiled[form] = self._compile(row, banks[0])
        distiller, loss, state = self._compiled[form]
        for variable, first in state:
            variable.assign(first)
        callbacks = []
        if row.paths in ("later", "risk"):
            callbacks = [_frames_first(loss, self.epochs, loss.frame_share)]
        size = RECIPE.student_batch_size
        fit(distiller, banks, size, self.seed, self.epochs, callbacks)
        return distiller.student

    def _compile(self, row, bank):
        """Returns a new distiller, its loss, and its variables with their values."""
        keras.utils.set_random_seed(self.seed)
        sizes = self.corpus.layer.spec.num_bins, self.corpus.topology.num_states
        student, loss = STUDENTS[row.student](*sizes), SoftAlignmentKL()
        if row.paths != "none":
            kind = BayesRisk if row.paths == "risk" else hmm.SequenceKL
            loss = kind.of_words(self.corpus.topology, boost=row.boost)
        distiller = Distiller(None, student, loss)
        steps = steps_of(bank, RECIPE.student_batch_size)
        rate = RECIPE.student_learning_rate
        distiller.compile(warmed_up_adam(rate, steps, self.epochs))
        distiller.optimizer.build(student.trainable_variables)
        state = student.variables + distiller.optimizer.variables
        return distiller, loss, [(v, v.numpy()) for v in state]


def _frames_first(loss, epochs, later):
    """Returns a callback: frames alone in two thirds of the epochs, then paths."""

    def choose(epoch, logs=None):
        loss.frame_share = 1.0 if epoch < 2 * epochs // 3 else later

    return keras.callbacks.LambdaCallback(on_epoch_begin=choose)


def new_teacher(corpus, seed, cell="lstm"):
    """Returns an untrained teacher."""
    recipe = dataclasses.replace(RECIPE, teacher_cell=cell)
    sizes = corpus.layer.spec.num_bins, corpus.topology.num_states
    return teacher.new_teacher(*sizes, recipe, seed)


def train_on_states(model, banks, seed, epochs, callbacks=(), share=1.0):
    """Trains a teacher on strings with states.

    Args:
        model: is changed.
        banks: the strings of each epoch in turn.
        seed: of the order.
        epochs: of the training.
        callbacks: of `fit`.
        share: of the usual learning rate.
    """
    teacher.train_on_states(
        model,
        banks,
        epochs=epochs,
        batch_size=RECIPE.teacher_batch_size,
        learning_rate=share * RECIPE.teacher_learning_rate,
        seed=seed,
        callbacks=callbacks,
    )


def fit(model, banks, batch_size, seed, epochs, callbacks=()):
    """Fits a compiled model to `rows.examples`, with one bank after the other."""
    used = [banks[epoch % len(banks)] for epoch in range(epochs)]
    batches = bucketed_dataset(used, batch_size, seed=seed)
    batches = batches.map(
        lambda x, y, present: (x["features"], y, x["weights"] * present)
    )
    model.fit(
        batches,
        epochs=epochs,
        steps_per_epoch=steps_of(banks[0], batch_size),
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    )
