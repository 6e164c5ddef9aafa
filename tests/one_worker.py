"""One of several workers, for `test_multi_worker`: trains, and says what came of it."""

import json
import os
import sys

options = json.loads(sys.argv[1])
if options["ports"]:
    workers = [f"localhost:{port}" for port in options["ports"]]
    task = {"type": "worker", "index": options["index"]}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

strategy = tf.distribute.get_strategy()
if options["ports"]:
    strategy = tf.distribute.MultiWorkerMirroredStrategy()

from keras_rnn2dnn import Distiller, dnn_student, rnn_teacher  # noqa: E402


def say(text):
    """Writes a line for the test, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Announce(keras.callbacks.Callback):
    """Says when an epoch has ended, and waits where it is told to."""

    def on_epoch_end(self, epoch, logs=None):
        say(f"epoch {epoch}")
        if epoch == options.get("wait_after"):
            sys.stdin.readline()


x = np.random.default_rng(0).normal(size=(8, 12, 4)).astype("float32")
x[1, 7:] = 0  # padding: the workers' batches do not weigh the same
with strategy.scope():
    keras.utils.set_random_seed(0)
    student = dnn_student(4, 5, context=(1, 1), units=(8,))
    if options["kind"] == "plain":
        model, y = student, np.zeros((8, 12), "int32")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss=loss)
        data = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    else:
        model = Distiller(rnn_teacher(4, 5, units=(6,)), student)
        model.compile(keras.optimizers.Adam(0.05))
        data = tf.data.Dataset.from_tensor_slices(x).batch(4)

callbacks = []
if options.get("backup"):
    callbacks.append(keras.callbacks.BackupAndRestore(options["backup"]))
history = model.fit(
    data,
    validation_data=data,
    epochs=4,
    shuffle=False,
    verbose=0,
    callbacks=[*callbacks, Announce()],
).history
weights = [w.tolist() for w in student.get_weights()]
say(json.dumps({"history": history, "weights": weights}))
