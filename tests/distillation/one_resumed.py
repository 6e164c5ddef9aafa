"""Trains with one number of threads, for `test_resumed`: at one go, and resumed."""

import sys

import tensorflow as tf

threads, directory = int(sys.argv[1]), sys.argv[2]
tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(threads)

import keras  # noqa: E402
import numpy as np  # noqa: E402

from keras_rnn2dnn import (  # noqa: E402
    Distiller,
    SoftAlignments,
    dnn_student,
    rnn_teacher,
)

FEATURES, CLASSES = 24, 201


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def trained(*callbacks):
    keras.utils.set_random_seed(3)
    student = dnn_student(FEATURES, CLASSES, context=(10, 5), units=(64, 64))
    distiller = Distiller(teacher, student)
    distiller.compile(keras.optimizers.Adam(0.003))
    options = {"batch_size": 16, "shuffle": False, "epochs": 4, "verbose": 0}
    distiller.fit(x, callbacks=list(callbacks), **options)
    return np.concatenate([w.ravel() for w in student.get_weights()])


def resumed():
    backup = keras.callbacks.BackupAndRestore(f"{directory}/backup-{threads}")
    try:
        trained(backup, Interrupt())
    except KeyboardInterrupt:
        return trained(backup)
    raise RuntimeError("nothing was interrupted")


def stored(path):
    """Writes the second half of a store after the first: returns its bytes."""
    options = {"utterances_per_shard": 16}

    def failing():
        yield from (x[start : start + 8] for start in range(0, 40, 8))
        raise OSError

    try:
        SoftAlignments.write(path, teacher, failing(), **options)
    except RuntimeError:
        store = SoftAlignments.write(path, teacher, x, **options)
        return [p.read_bytes() for p in sorted(store.path.glob("shard-*"))]
    raise RuntimeError("nothing was interrupted")


x = np.random.default_rng(0).normal(size=(64, 60, FEATURES)).astype("float32")
keras.utils.set_random_seed(1)
teacher = rnn_teacher(FEATURES, CLASSES, units=(32,))
whole = SoftAlignments.write(
    f"{directory}/whole-{threads}", teacher, x, utterances_per_shard=16
)
at_one_go = trained()
np.savez(
    f"{directory}/{threads}.npz",
    at_one_go=at_one_go,
    resumed=resumed(),
    same_store=stored(f"{directory}/store-{threads}")
    == [p.read_bytes() for p in sorted(whole.path.glob("shard-*"))],
    best=np.concatenate([u.soft[:, 0] for u in whole.utterances()]),
)
