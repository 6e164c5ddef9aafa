"""The students and teachers, and how they are trained."""

import functools

import keras

from keras_rnn2dnn import Distiller, SoftAlignmentKL, dnn_student, hmm
from keras_rnn2dnn.batches.bucketing import bucketed_dataset
from keras_rnn2dnn.models.reference import tdnn_student
from keras_rnn2dnn.recipe import teacher
from keras_rnn2dnn.recipe.fitting import steps_of, warmed_up_adam
from keras_rnn2dnn.recipe.settings import Recipe

RECIPE = Recipe()
BATCH_SIZE = 16  # of students, strings


STUDENTS = {
    **{
        sizes: functools.partial(
            dnn_student, context=(10, 10), units=tuple(map(int, sizes.split(",")))
        )
        for sizes in ("16,16", "64,64", "112,112")
    },
    "time-delay 80,72,60": functools.partial(
        tdnn_student, units=(80, 72, 60), steps=(1, 3, 6)
    ),
    "assistant 256,256,256": functools.partial(
        tdnn_student, units=(256, 256, 256), steps=(1, 3, 6)
    ),
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
        form = row.student, row.boost
        if form not in self._compiled:
            self._compiled[form] = self._compile(row, banks[0])
        distiller, state = self._compiled[form]
        for variable, first in state:
            variable.assign(first)
        fit(distiller, banks, BATCH_SIZE, self.seed, self.epochs)
        return distiller.student

    def _compile(self, row, bank):
        """Returns a new distiller, and its variables with their values."""
        keras.utils.set_random_seed(self.seed)
        sizes = self.corpus.layer.spec.num_bins, self.corpus.topology.num_states
        student, loss = STUDENTS[row.student](*sizes), SoftAlignmentKL()
        if row.boost is not None:
            loss = hmm.SequenceKL.of_words(self.corpus.topology, boost=row.boost)
        distiller = Distiller(None, student, loss)
        steps = steps_of(bank, BATCH_SIZE)
        rate = RECIPE.student_learning_rate
        distiller.compile(warmed_up_adam(rate, steps, self.epochs))
        distiller.optimizer.build(student.trainable_variables)
        state = student.variables + distiller.optimizer.variables
        return distiller, [(v, v.numpy()) for v in state]


def new_teacher(corpus, seed):
    """Returns an untrained teacher."""
    sizes = corpus.layer.spec.num_bins, corpus.topology.num_states
    return teacher.new_teacher(*sizes, RECIPE, seed)


def train_on_states(model, banks, seed, epochs, callbacks=()):
    """Trains a teacher on strings with states.

    Args:
        model: is changed.
        banks: the strings of each epoch in turn.
        seed: of the order.
        epochs: of the training.
        callbacks: of `fit`.
    """
    teacher.train_on_states(
        model,
        banks,
        epochs=epochs,
        batch_size=RECIPE.teacher_batch_size,
        learning_rate=RECIPE.teacher_learning_rate,
        seed=seed,
        callbacks=callbacks,
    )


def fit(model, banks, batch_size, seed, epochs):
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
    )
