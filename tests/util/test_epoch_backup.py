import json
import os
import zipfile

import keras
import numpy as np
import pytest

from keras_rnn2dnn.util.epoch_backup import EpochBackup

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")


def model(units=2):
    keras.utils.set_random_seed(1)
    layers = [keras.Input((3,)), keras.layers.Dense(units), keras.layers.Dropout(0.5)]
    network = keras.Sequential(layers)
    network.compile(keras.optimizers.Adam(0.1), "mse", run_eagerly=True)
    return network


def fit(network, *callbacks, epochs=4):
    y = np.ones((8, network.output_shape[-1]))
    options = {"batch_size": 4, "shuffle": False, "verbose": 0}
    return network.fit(X, y, epochs=epochs, callbacks=list(callbacks), **options)


class Killed(BaseException):
    """As a signal would end it: not even Keras catches it."""


class Stop(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.at = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.at:
            raise Killed


@pytest.fixture(scope="module")
def whole():
    network = model()
    fit(network)
    return network.get_weights()


def same(network, weights):
    for left, right in zip(network.get_weights(), weights, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("stop_at", [0, 1, 3])
def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path, whole, stop_at):
    path = tmp_path / "a" / "training.backup"
    with pytest.raises(Killed):
        fit(model(), EpochBackup(path), Stop(stop_at))
    network, backup = model(), EpochBackup(path)
    assert backup.epoch == stop_at
    assert fit(network, backup).epoch == list(range(stop_at, 4))
    same(network, whole)
    assert not path.exists()


@pytest.mark.parametrize("step", ["save_weights", "writestr", "fsync", "replace"])
def test_a_kill_while_it_is_written_leaves_the_one_before(
    tmp_path, whole, monkeypatch, step
):
    path, calls = tmp_path / "training.backup", []
    place = {"save_weights": keras.Model, "writestr": zipfile.ZipFile}.get(step, os)
    real = getattr(place, step)

    def killed(*arguments, **options):
        calls.append(step)
        # Of the second epoch: for each the file is flushed, and its directory.
        if len(calls) == (3 if step == "fsync" else 2):
            raise Killed
        return real(*arguments, **options)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(place, step, killed)
        fit(model(), EpochBackup(path))
    assert EpochBackup(path).epoch == 1
    network = model()
    fit(network, EpochBackup(path))
    same(network, whole)


def test_what_was_trained_to_its_end_knows_what_was_logged(tmp_path):
    path = tmp_path / "training.backup"
    history = fit(model(), EpochBackup(path, keep=True)).history
    backup = EpochBackup(path)
    assert (backup.epoch, backup.logs) == (4, {"loss": history["loss"][-1]})
    assert fit(model(), backup).history == {}


def damaged(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 64
    path.write_bytes(content)


def test_a_damaged_backup_is_named_with_its_remedy(tmp_path):
    path = tmp_path / "training.backup"
    fit(model(), EpochBackup(path, keep=True), epochs=1)
    content = path.read_bytes()
    for place in (0, 200, len(content) // 2):
        damaged(path, place)
        with pytest.raises(ValueError) as error:
            EpochBackup(path)
        assert str(path) in str(error.value)
        assert str(error.value).endswith("Remove it to begin anew")
        path.write_bytes(content)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="Remove it to begin anew"):
        EpochBackup(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match="is a directory, as earlier versions left it"):
        EpochBackup(path)


def test_other_settings_and_other_models_are_refused(tmp_path):
    path = tmp_path / "training.backup"
    fit(model(), EpochBackup(path, {"seed": 0, "data": [1]}, keep=True), epochs=1)
    with pytest.raises(ValueError) as error:
        EpochBackup(path, {"seed": 1, "data": [1]})
    assert str(error.value) == (
        f"{str(path)!r} is of a training with other settings. Expected the same. "
        "Received (there against here): seed 0 against 1. Remove it to begin anew"
    )
    with pytest.raises(ValueError, match="is of another model"):
        fit(model(units=3), EpochBackup(path, {"seed": 0, "data": (1,)}))
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("state.json"))["epoch"] == 1
