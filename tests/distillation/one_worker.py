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

from keras_rnn2dnn import (  # noqa: E402
    Distiller,
    SoftAlignments,
    dnn_student,
    rnn_teacher,
)


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


def models():
    keras.utils.set_random_seed(0)
    student = dnn_student(4, 5, context=(1, 1), units=(8,))
    return rnn_teacher(4, 5, units=(6,)), student


def plain_models():
    """Models that are traced soon, for the many forms of data."""
    keras.utils.set_random_seed(0)
    return [
        keras.Sequential(
            [
                keras.Input((None, 4)),
                keras.layers.Dense(8, "tanh"),
                keras.layers.Dense(5),
            ]
        )
        for _ in range(2)
    ]


def trained(model, student, *data, epochs=4, callbacks=(), **options):
    """Trains, and returns what came of it."""
    history = model.fit(
        *data, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks, **options
    ).history
    weights = [w.tolist() for w in student.get_weights()]
    return {"history": history, "weights": weights}


def of_form(form, x):
    """Trains on data of one form that `fit` takes, with validation data of the same."""
    rng = np.random.default_rng(1)
    labels, soft = rng.integers(5, size=(8, 12)), rng.normal(size=(8, 12, 5))
    weights = rng.uniform(0.5, 1.5, size=(8, 12)).astype("float32")
    weights[1, 7:] = weights[6, 2:] = 0
    soft, both = soft.astype("float32"), {"soft": soft, "labels": labels}
    pair = {"teacher": x, "student": 2 * x}
    store = form.startswith("store") and SoftAlignments(options["store"])
    arrays = {
        "x": (x,),
        "x y": (x, labels),
        "x y w": (x, labels, weights),
        "x none w": (x, None, weights),
        "dict": (pair, labels, weights),
        "soft": (x, soft),
        "soft labels w": (x, both, weights),
    }
    name = form.removesuffix(" dataset")
    with strategy.scope():
        teacher, student = plain_models()
        without = name.startswith(("soft", "store"))
        share = 0.3 if " y" in name or "labels" in name or name == "dict" else 0.0
        model = Distiller(
            None if without else teacher, student, student_loss_weight=share
        )
        hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.5), loss=hard if share else None)
    if store:
        data = (store.dataset(4, shuffle=True, seed=0),)
        return trained(
            model, student, *data, epochs=2, validation_data=store.dataset(4)
        )
    if form.endswith("dataset"):
        given = arrays[name]
        data = tf.data.Dataset.from_tensor_slices(given if len(given) > 1 else given[0])
        data = data.batch(4)
        return trained(model, student, data, epochs=2, validation_data=data)
    given = arrays[name]
    weights = given[2] if len(given) > 2 else None
    return trained(
        model,
        student,
        *given[:2],
        epochs=2,
        batch_size=4,
        sample_weight=weights,
        validation_data=given if len(given) > 1 else None,
    )


x = np.random.default_rng(0).normal(size=(8, 12, 4)).astype("float32")
x[1, 7:] = 0  # padding: the workers' batches do not weigh the same
if options["kind"] == "forms":
    results = {}
    for form in options["forms"]:
        results[form] = of_form(form, x)
        say(f"form {form}")
    say(json.dumps(results))
    sys.exit()
with strategy.scope():
    teacher, student = models()
    if options["kind"] == "plain":
        model, y = student, np.zeros((8, 12), "int32")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss=loss)
        data = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    else:
        model = Distiller(teacher, student)
        model.compile(keras.optimizers.Adam(0.05))
        data = tf.data.Dataset.from_tensor_slices(x).batch(4)

callbacks = []
if options.get("backup"):
    callbacks.append(keras.callbacks.BackupAndRestore(options["backup"]))
result = trained(
    model, student, data, validation_data=data, callbacks=[*callbacks, Announce()]
)
say(json.dumps(result))
