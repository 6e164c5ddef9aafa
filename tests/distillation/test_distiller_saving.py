import h5py
import keras
import numpy as np
import pytest

from keras_rnn2dnn import Distiller, SoftAlignmentKL, dnn_student, rnn_teacher


def features():
    return np.random.default_rng(0).normal(size=(8, 12, 4)).astype("float32")


def dense_teacher():
    return keras.Sequential([keras.Input((None, 4)), keras.layers.Dense(5)])


def new_distiller(teacher=None, run_eagerly=True, **options):
    keras.utils.set_random_seed(3)
    teacher = teacher or rnn_teacher(4, 5, units=(6,))
    student = dnn_student(4, 5, context=(2, 1), units=(8,))
    distiller = Distiller(teacher, student, **options)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    adam = keras.optimizers.Adam(0.01)
    distiller.compile(adam, loss=loss, run_eagerly=run_eagerly)
    return distiller


def train(distiller, epochs, **options):
    labels = np.random.default_rng(1).integers(5, size=(8, 12))
    distiller.fit(
        features(),
        labels,
        batch_size=4,
        shuffle=False,
        verbose=0,
        epochs=epochs,
        **options,
    )


@pytest.mark.parametrize("teachers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_loaded_distiller_goes_on_as_if_never_saved(tmp_path, teachers):
    members = [dense_teacher()]
    if teachers == 2:
        members = [rnn_teacher(4, 5, units=(6,)) for _ in range(2)]
    teacher = members[0] if teachers == 1 else members
    options = {
        "distillation_loss": SoftAlignmentKL(2.0, teacher_temperature=0.5),
        "student_loss_weight": 0.3,
        "teacher_delay": 1,
        "run_eagerly": teachers == 2,
    }
    uninterrupted = new_distiller(teacher, **options)
    train(uninterrupted, 4)
    first = new_distiller(teacher, **options)
    train(first, 2)
    first.save(tmp_path / "d.keras")
    loaded = keras.saving.load_model(tmp_path / "d.keras")
    assert loaded.get_config()["teacher_delay"] == 1
    assert loaded.run_eagerly == (teachers == 2)
    assert loaded.distillation_loss.get_config() == (
        first.distillation_loss.get_config()
    )
    train(loaded, 2)
    for left, right in zip(
        uninterrupted.student.get_weights(), loaded.student.get_weights(), strict=True
    ):
        np.testing.assert_allclose(left, right, atol=1e-6)
    restored = loaded.teacher if teachers == 2 else [loaded.teacher]
    for member, copy in zip(members, restored, strict=True):
        np.testing.assert_array_equal(copy(features()), member(features()))


@pytest.mark.parametrize(
    "policies",
    [
        ("float32", "mixed_float16"),
        pytest.param(("mixed_float16", "float32"), marks=pytest.mark.slow),
    ],
)
def test_the_state_of_the_optimizer_is_kept_under_another_policy(tmp_path, policies):
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policies[0])
        eager = policies[0] == "float32"
        distiller = new_distiller(dense_teacher(), run_eagerly=eager)
        train(distiller, 2)
        distiller.save(tmp_path / "d.keras")
        keras.config.set_dtype_policy(policies[1])
        loaded = keras.saving.load_model(tmp_path / "d.keras")
        assert type(loaded.optimizer) is type(distiller.optimizer)
        assert loaded.dtype_policy.name == policies[0]
        pairs = zip(
            distiller.optimizer.variables, loaded.optimizer.variables, strict=True
        )
        for left, right in pairs:
            np.testing.assert_array_equal(left, right)
        assert any(np.any(v.numpy()) for v in loaded.optimizer.variables)
        train(loaded, 1)
    finally:
        keras.config.set_dtype_policy(before)


def test_checkpoints_hold_the_student_and_the_optimizer_alone(tmp_path):
    distiller = new_distiller()
    train(distiller, 1)
    distiller.save_weights(tmp_path / "d.weights.h5")
    sizes = []
    with h5py.File(tmp_path / "d.weights.h5") as file:
        file.visititems(
            lambda name, item: (
                sizes.append(item.size) if isinstance(item, h5py.Dataset) else None
            )
        )
    metrics = sum(v.shape.num_elements() for v in distiller.metrics_variables)
    state = sum(v.shape.num_elements() for v in distiller.optimizer.variables)
    assert sum(sizes) <= distiller.student.count_params() + state + metrics
    assert sum(sizes) >= distiller.student.count_params() + state
    assert distiller.count_params() == distiller.student.count_params()


def test_backup_and_restore_continues_to_the_same_weights(tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    teacher = dense_teacher()
    uninterrupted = new_distiller(teacher)
    train(uninterrupted, 4)
    first = new_distiller(teacher)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        train(first, 4, callbacks=[backup, Interrupt()])
    second = new_distiller(teacher)
    train(second, 4, callbacks=[keras.callbacks.BackupAndRestore(tmp_path / "backup")])
    for left, right in zip(
        uninterrupted.student.get_weights(), second.student.get_weights(), strict=True
    ):
        np.testing.assert_allclose(left, right, atol=1e-6)


def test_the_student_is_an_ordinary_model(tmp_path):
    distiller = new_distiller()
    train(distiller, 1)
    distiller.student.save(tmp_path / "student.keras")
    student = keras.saving.load_model(tmp_path / "student.keras")
    expected = distiller.predict(features(), verbose=0)
    np.testing.assert_allclose(student(features()), expected, atol=1e-6)
