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

for size in (8, 9):  # of 9, one replica has none at the end
    for number in (1, 2):
        devices = [f"CPU:{n}" for n in range(number)]
        with tf.distribute.MirroredStrategy(devices).scope():
            keras.utils.set_random_seed(3)
            teacher = rnn_teacher(4, 5, units=(6,))
            student = dnn_student(4, 5, context=(2, 1), units=(8,))
            student.layers[-1].kernel_regularizer = keras.regularizers.L2(0.01)
            distiller = Distiller(teacher, student, student_loss_weight=0.3)
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            distiller.compile(keras.optimizers.SGD(0.5), loss=loss)
        history = distiller.fit(
            **data(size), batch_size=8, epochs=2, shuffle=False, verbose=0
        ).history
        logs = {f"log_{k}": np.array(v) for k, v in history.items()}
        weights_after = {f"w{n}": w for n, w in enumerate(student.get_weights())}
        np.savez(f"{sys.argv[1]}/{size}_{number}.npz", **logs, **weights_after)
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("replicas")
    command = [sys.executable, "-c", SCRIPT, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.mark.parametrize("size", [8, 9])
def test_two_replicas_train_the_same_weights_as_one(trained, size):
    files = (trained / f"{size}_{number}.npz" for number in (1, 2))
    with np.load(next(files)) as one, np.load(next(files)) as two:
        assert set(one) == set(two)
        assert {"log_loss", "log_kl", "log_agreement", "log_hard_loss"} <= set(one)
        # Keras weighs the loss it logs by the utterances of each replica.
        names = set(one) if size == 8 else set(one) - {"log_loss"}
        for name in sorted(names):
            np.testing.assert_allclose(two[name], one[name], atol=1e-5, err_msg=name)
