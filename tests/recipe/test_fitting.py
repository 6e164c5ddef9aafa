"""Trainings that are stopped, and go on to where they would have come."""

import keras
import numpy as np
import pytest

from keras_rnn2dnn import dnn_student
from keras_rnn2dnn.recipe.fitting import EpochRecorder
from keras_rnn2dnn.recipe.settings import Recipe
from keras_rnn2dnn.recipe.strings import FeatureString
from keras_rnn2dnn.recipe.student import distil, new_student
from keras_rnn2dnn.recipe.teacher import new_teacher, train_on_states
from keras_rnn2dnn.util.epoch_backup import EpochBackup

RECIPE = Recipe(
    student_epochs=3,
    teacher_units=(4,),
    student_units=(4,),
    student_context=(1, 1),
    student_batch_size=2,
)


def bank(seed):
    rng = np.random.default_rng(seed)
    return [
        FeatureString(
            rng.normal(size=(n, 3)).astype("float32"),
            rng.normal(size=(n, 3)).astype("float32"),
            rng.integers(4, size=n).astype("int32"),
            ("yes",),
        )
        for n in (9, 12, 9, 15, 12)
    ]


BANKS = [bank(0), bank(1)]


class Stop(keras.callbacks.Callback):
    """As a user who loses patience in the second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations.numpy() == 5:
            raise KeyboardInterrupt


def taught(callbacks, backup):
    model = new_teacher(3, 4, RECIPE, seed=0)
    options = {"epochs": 3, "batch_size": 2, "learning_rate": 0.01, "seed": 1}
    return model, lambda: train_on_states(
        model, BANKS, callbacks=callbacks, backup=backup, **options
    )


def distilled(callbacks, backup):
    keras.utils.set_random_seed(5)
    teacher = dnn_student(3, 4, (1, 1), (4,))
    model = new_student(3, 4, RECIPE, seed=0)
    return model, lambda: distil(
        teacher,
        model,
        BANKS,
        RECIPE,
        1,
        one_best=False,
        teacher_hears="clean",
        callbacks=callbacks,
        backup=backup,
    )


@pytest.mark.parametrize(
    "prepare", [pytest.param(taught, marks=pytest.mark.slow), distilled]
)
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(prepare, tmp_path):
    heard = [s.noisy for s in BANKS[0][:2]]

    def run(path, stops=()):
        backup = EpochBackup(path, keep=True)
        callbacks = [*stops]
        model, fit = prepare(callbacks, backup)
        recorder = EpochRecorder(model, heard, path.with_suffix(".npz"))
        recorder.restore(backup.epoch)
        callbacks.append(recorder)
        fit()
        return model.get_weights(), recorder

    expected, whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", [Stop()])
    assert EpochBackup(tmp_path / "stopped").epoch == 1
    for _ in range(2):  # the second time nothing is left to do
        weights, recorder = run(tmp_path / "stopped")
        for one, other in zip(weights, expected, strict=True):
            np.testing.assert_array_equal(one, other)
        assert len(recorder.losses) == 3 and recorder.losses == whole.losses
        for one, other in zip(recorder.logits, whole.logits, strict=True):
            for found, wanted in zip(one, other, strict=True):
                np.testing.assert_array_equal(found, wanted)


def test_what_was_recorded_after_the_backup_does_not_count(tmp_path):
    model = dnn_student(3, 4, (1, 1), (4,))
    recorder = EpochRecorder(model, [np.ones((5, 3))], tmp_path / "kept.npz")
    for epoch in range(3):
        recorder.on_epoch_end(epoch, {"loss": float(epoch)})
    again = EpochRecorder(model, [np.ones((5, 3))], tmp_path / "kept.npz")
    again.restore(2)
    assert again.losses == [0.0, 1.0] and len(again.logits) == 2


def test_banks_that_differ_in_size_do_not_run_out():
    model = new_teacher(3, 4, RECIPE, seed=0)
    small = [string for string in BANKS[1] if len(string.noisy) == 12]
    options = {"epochs": 4, "batch_size": 1, "learning_rate": 0.01, "seed": 1}
    train_on_states(model, [BANKS[0], small], **options)  # a warning were an error
    assert model.optimizer.iterations.numpy() == 4 * len(small)
