"""Small teachers, students and data, for the tests of the store."""

import json

import keras
import numpy as np

from keras_rnn2dnn import dnn_student, rnn_teacher

FEATURES = 4
LENGTHS = (12, 8, 30, 5, 17, 8, 40)


def log_softmax64(z):
    z = np.asarray(z, "float64")
    return z - np.log(np.sum(np.exp(z), -1, keepdims=True))


def padded(lengths=LENGTHS, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(len(lengths), max(lengths), FEATURES)).astype("float32")
    for row, length in zip(x, lengths, strict=True):
        row[length:] = 0
    return x


def teacher(classes=9, seed=0, **options):
    keras.utils.set_random_seed(seed)
    model = rnn_teacher(FEATURES, classes, **{"units": (6,), **options})
    model.layers[-1].set_weights([3 * w for w in model.layers[-1].get_weights()])
    return model


def plain_teacher(classes=9, seed=0):
    """Traced ten times as fast, for tests that are not of what teachers hear."""
    keras.utils.set_random_seed(seed)
    layers = [
        keras.Input((None, FEATURES)),
        keras.layers.Conv1D(6, 5, padding="same", activation="tanh"),
        keras.layers.Dense(classes, kernel_initializer="normal"),
    ]
    model = keras.Sequential(layers)
    model.layers[-1].set_weights([10 * w for w in model.layers[-1].get_weights()])
    return model


def student(classes=9):
    keras.utils.set_random_seed(5)
    return dnn_student(FEATURES, classes, context=(2, 1), units=(8,))


def files(path):
    return {p.name: p.read_bytes() for p in sorted(path.iterdir()) if p.is_file()}


def expected(model, x, length):
    return log_softmax64(model(x[None, :length])[0])


def edit_manifest(path, change):
    """Changes the manifest of a store by hand, and leaves its sum out."""
    file = path / "manifest.json"
    content = json.loads(file.read_text())
    content.pop("sha256")
    change(content)
    file.write_text(json.dumps(content))
