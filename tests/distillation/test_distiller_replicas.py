import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
import keras
from keras_rnn2dnn import Distiller, dnn_student, rnn_teacher

def data(size):
    x = np.random.default_rng(0).normal(size=(size, 12, 4)).astype("float32")
    weights = np.random.default_rng(1).uniform(size=(size, 12)).astype("float32")
    weights[:4, 6:] = 0  # one replica has fewer frames than the other
    labels = np.random.default_rng(2).integers(5, size=(size, 12))
    return {"x": x, "y": labels, "sample_weight": weights}

def convolutions():
    inputs = x = keras.Input((12, 4))
    for units in (8, 6):
        x = keras.layers.Conv1D(units, 3, padding="same", activation="relu")(x)
    return keras.Model(inputs, keras.layers.Dense(5)(x))

directory, size, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
for number in (1, 2):
    devices = [f"CPU:{n}" for n in range(number)]
    with tf.distribute.MirroredStrategy(devices).scope():
        keras.utils.set_random_seed(3)
        teacher = rnn_teacher(4, 5, units=(6,))
        student = convolutions()
        if kind == "spliced":
            student = dnn_student(4, 5, context=(2, 1), units=(8,))
        student.layers[-1].kernel_regularizer = keras.regularizers.L2(0.01)
        distiller = Distiller(teacher, student, student_loss_weight=0.3)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        distiller.compile(keras.optimizers.SGD(0.5), loss, metrics=["accuracy"])
    options = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}
    options["validation_data"] = tuple(data(size).values())
    history = distiller.fit(**data(size), **options).history
    logs = {f"log_{k}": np.array(v) for k, v in history.items()}
    weights_after = {f"w{n}": w for n, w in enumerate(student.get_weights())}
    predicted = distiller.predict(data(size)["x"], batch_size=8, verbose=0)
    saved = {**logs, **weights_after, "predicted": predicted}
    np.savez(f"{directory}/{number}.npz", **saved)
"""


CASES = [  # of 9, one replica has none at the end
    (8, "spliced"),
    (9, "spliced"),
    (9, "convolutions"),
]


@pytest.mark.parametrize(("size", "kind"), CASES)
def test_two_replicas_train_the_same_weights_as_one(tmp_path, size, kind):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(size), kind]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    files = (tmp_path / f"{number}.npz" for number in (1, 2))
    with np.load(next(files)) as one, np.load(next(files)) as two:
        assert set(one) == set(two)
        logs = {"loss", "kl", "agreement", "hard_loss", "accuracy", "val_accuracy"}
        assert {f"log_{name}" for name in logs} <= set(one)
        assert one["predicted"].shape == (size, 12, 5)
        # Keras weighs the loss it logs by the utterances of each replica.
        names = set(one) if size == 8 else set(one) - {"log_loss", "log_val_loss"}
        for name in sorted(names):
            np.testing.assert_allclose(two[name], one[name], atol=1e-5, err_msg=name)
