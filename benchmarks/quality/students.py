"""The students and teachers of `quality.py`, and how they are trained."""

import keras
import numpy as np

from benchmarks.quality.risk import BayesRisk
from keras_rnn2dnn import Distiller, SoftAlignmentKL, dnn_student, hmm, rnn_teacher
from keras_rnn2dnn.batches.bucketing import bucketed_dataset
from keras_rnn2dnn.distillation.schedules import warmup_cosine
from keras_rnn2dnn.models.reference import tdnn_student
from keras_rnn2dnn.models.spliced_dense import SplicedDense
from keras_rnn2dnn.recipe.student import Recipe

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
        corpus: of `quality_data`.
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
            self._compiled[form] = self._compile(row, len(banks[0]))
        distiller, loss, state = self._compiled[form]
        for variable, first in state:
            variable.assign(first)
        callbacks = []
        if row.paths in ("later", "risk"):
            callbacks = [_frames_first(loss, self.epochs, loss.frame_share)]
        size = RECIPE.student_batch_size
        fit(distiller, banks, size, self.seed, self.epochs, callbacks)
        return distiller.student

    def _compile(self, row, size):
        """Returns a new distiller, its loss, and its variables with their values."""
        keras.utils.set_random_seed(self.seed)
        sizes = self.corpus.layer.spec.num_bins, self.corpus.topology.num_states
        student, loss = STUDENTS[row.student](*sizes), SoftAlignmentKL()
        if row.paths != "none":
            kind = BayesRisk if row.paths == "risk" else hmm.SequenceKL
            loss = kind.of_words(self.corpus.topology, boost=row.boost)
        distiller = Distiller(None, student, loss)
        rates = RECIPE.student_batch_size, RECIPE.student_learning_rate
        distiller.compile(adam(size, *rates, self.epochs))
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
    keras.utils.set_random_seed(seed)
    return rnn_teacher(
        corpus.layer.spec.num_bins,
        corpus.topology.num_states,
        units=RECIPE.teacher_units,
        cell=cell,
        stack=RECIPE.teacher_stack,
        dropout=RECIPE.teacher_dropout,
    )


def train_on_states(teacher, banks, seed, epochs, callbacks=(), share=1.0):
    """Trains a teacher on features and states of strings.

    Args:
        teacher: is changed.
        banks: pairs of features and states; the strings of each epoch in turn.
        seed: of the order.
        epochs: of the training.
        callbacks: of `fit`.
        share: of the usual learning rate.
    """
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    size, rate = RECIPE.teacher_batch_size, share * RECIPE.teacher_learning_rate
    teacher.compile(adam(len(banks[0]), size, rate, epochs), loss)
    fit(teacher, banks, size, seed, epochs, callbacks)


def adam(size, batch_size, learning_rate, epochs):
    """Returns an optimizer with warm-up and cosine decay; `size` strings an epoch."""
    steps = -(-size // batch_size)
    schedule = warmup_cosine(learning_rate, steps * epochs, steps // 2)
    return keras.optimizers.Adam(schedule, global_clipnorm=1.0)


def fit(model, banks, batch_size, seed, epochs, callbacks=()):
    """Fits a compiled model, with one bank after the other."""
    used = [banks[epoch % len(banks)] for epoch in range(epochs)]
    batches = bucketed_dataset(used, batch_size, seed=seed)
    if isinstance(used[0][0][0], dict):
        batches = batches.map(
            lambda x, y, present: (x["features"], y, x["weights"] * present)
        )
    model.fit(
        batches,
        epochs=epochs,
        steps_per_epoch=-(-len(banks[0]) // batch_size),
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    )
