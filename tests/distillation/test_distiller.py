import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import (
    Distiller,
    SoftAlignmentKL,
    SpliceFrames,
    dnn_student,
    rnn_teacher,
)

CLASSES, FEATURES = 5, 4


def features(frames=(12, 8, 12, 5), seed=0):
    x = np.random.default_rng(seed).normal(size=(len(frames), max(frames), FEATURES))
    for row, count in zip(x, frames, strict=True):
        row[count:] = 0
    return x.astype("float32")


def small_student(**options):
    return dnn_student(
        FEATURES, CLASSES, **{"context": (2, 1), "units": (8,), **options}
    )


def small_teacher(**options):
    options = {"units": (6,), "bidirectional": False, **options}
    return rnn_teacher(FEATURES, CLASSES, **options)


def plain():
    """A model that is traced in half the time: for what is the same of every one."""
    return sequential(keras.layers.Dense(8, activation="relu"))


def log_softmax64(z):
    z = np.asarray(z, "float64")
    return z - np.log(np.sum(np.exp(z), -1, keepdims=True))


def frame_kl64(teacher, student):
    log_p, log_q = log_softmax64(teacher), log_softmax64(student)
    return np.sum(np.exp(log_p) * (log_p - log_q), -1)


@keras.saving.register_keras_serializable(package="tests")
class SubclassedTeacher(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.recurrent = keras.layers.GRU(6, return_sequences=True)
        self.logits = keras.layers.Dense(CLASSES)

    def call(self, inputs):
        return self.logits(self.recurrent(inputs))


def sequential(*layers, **options):
    inputs = keras.Input((None, FEATURES))
    return keras.Sequential([inputs, *layers, keras.layers.Dense(CLASSES, **options)])


def recurrent(cell, **options):
    return getattr(keras.layers, cell)(6, return_sequences=True, **options)


TEACHERS = {
    "lstm": lambda: sequential(recurrent("LSTM")),
    "gru": lambda: sequential(recurrent("GRU")),
    "simple rnn": lambda: sequential(recurrent("SimpleRNN")),
    "bidirectional": lambda: sequential(
        keras.layers.Bidirectional(recurrent("LSTM")),
    ),
    "stacked": lambda: sequential(recurrent("LSTM"), recurrent("GRU")),
    "functional": lambda: small_teacher(bidirectional=True),
    "stacked frames": lambda: small_teacher(stack=3),
    "masking": lambda: sequential(keras.layers.Masking(), recurrent("LSTM")),
    "batch normalization": lambda: sequential(
        recurrent("LSTM"), keras.layers.BatchNormalization()
    ),
    "subclassed": SubclassedTeacher,
    "softmax": lambda: sequential(recurrent("LSTM"), activation="softmax"),
    "float16": lambda: sequential(
        recurrent("LSTM", dtype="mixed_float16"), dtype="mixed_float16"
    ),
    "ensemble": lambda: [small_teacher(), sequential(recurrent("GRU"))],
}
# Steps of those are compiled which graphs may treat otherwise; eager ones are cheap.
COMPILED = ("lstm", "masking", "stacked frames", "subclassed", "float16", "ensemble")
STUDENTS = {
    "dnn_student": small_student,
    "tdnn": lambda: sequential(
        keras.layers.Conv1D(8, 3, padding="same", activation="relu"),
        keras.layers.Conv1D(8, 3, padding="same", dilation_rate=2, activation="relu"),
    ),
    "own dense layers": lambda: sequential(
        SpliceFrames(2, 2), keras.layers.Dense(8, activation="relu")
    ),
}


@pytest.mark.parametrize("kind", TEACHERS)
def test_any_teacher_teaches_and_is_left_as_it_was(kind):
    teacher = TEACHERS[kind]()
    x = features((12, 12, 12, 12))
    members = teacher if isinstance(teacher, list) else [teacher]
    for member in members:
        member(x)
    before = [w.copy() for m in members for w in m.get_weights()]
    flags = [v.trainable for m in members for v in m.variables]
    student = plain()
    loss = SoftAlignmentKL(teacher_from_logits=kind != "softmax")
    distiller = Distiller(teacher, student, loss)
    distiller.compile(keras.optimizers.Adam(0.1), run_eagerly=kind not in COMPILED)
    history = distiller.fit(x, epochs=5, verbose=0).history
    assert history["kl"][-1] < 0.7 * history["kl"][0]
    after = [w for m in members for w in m.get_weights()]
    for left, right in zip(before, after, strict=True):
        np.testing.assert_array_equal(left, right)
    assert flags == [v.trainable for m in members for v in m.variables]
    assert [v.path for v in distiller.trainable_variables] == [
        v.path for v in student.trainable_variables
    ]


@pytest.mark.parametrize("kind", STUDENTS)
def test_any_feed_forward_student_learns(kind):
    student = STUDENTS[kind]()
    distiller = Distiller(small_teacher(), student)
    distiller.compile(keras.optimizers.Adam(0.1), run_eagerly=kind != "tdnn")
    history = distiller.fit(features((12,) * 4), epochs=5, verbose=0).history
    assert history["kl"][-1] < 0.7 * history["kl"][0]
    assert distiller.predict(features((12,) * 4), verbose=0).shape == (4, 12, CLASSES)


def test_the_logged_numbers_are_those_of_float64():
    teacher, student, x = small_teacher(), small_student(), features()
    distiller = Distiller(teacher, student)
    distiller.compile()
    logs = distiller.evaluate(x, verbose=0, return_dict=True)
    valid = np.any(x != 0, axis=-1)
    z, s = np.array(teacher(x)), np.array(student(x))
    kl = frame_kl64(z, s)[valid].mean()
    same = (z.argmax(-1) == s.argmax(-1))[valid].mean()
    assert set(logs) == {"loss", "kl", "agreement"}
    np.testing.assert_allclose([logs["loss"], logs["kl"]], kl, rtol=1e-5)
    np.testing.assert_allclose(logs["agreement"], same, rtol=1e-6)


@pytest.mark.parametrize(
    ("temperature", "teacher_temperature", "eager"),
    [
        (2.0, None, False),
        (1.0, 0, True),
        (1.0, 0.5, True),
        (2.0, 1.0, True),
        (1.0, 1.0, False),
    ],
)
def test_the_logged_kl_is_at_temperature_1(temperature, teacher_temperature, eager):
    teacher, student, x = plain(), plain(), features((12, 12))
    loss = SoftAlignmentKL(temperature, teacher_temperature=teacher_temperature)
    distiller = Distiller(teacher, student, loss)
    distiller.compile(run_eagerly=eager)
    logs = distiller.evaluate(x, verbose=0, return_dict=True)
    z, s = np.array(teacher(x)), np.array(student(x))
    np.testing.assert_allclose(logs["kl"], frame_kl64(z, s).mean(), rtol=1e-5)
    trained = float(loss(z, s))
    np.testing.assert_allclose(logs["loss"], trained, rtol=1e-5)
    loss.temperature = 1.5  # as a schedule does: a compiled step follows
    logs = distiller.evaluate(x, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["kl"], frame_kl64(z, s).mean(), rtol=1e-5)
    assert logs["loss"] != pytest.approx(trained, rel=1e-3)


def test_arguments_may_stand_by_their_place():
    class Seen(keras.callbacks.Callback):
        epochs = 0

        def on_epoch_end(self, epoch, logs=None):
            self.epochs += 1

    distiller, seen = Distiller(plain(), plain()), Seen()
    distiller.compile(run_eagerly=True)
    history = distiller.fit(features(), None, 2, 3, 0, [seen])
    assert seen.epochs == len(history.history["loss"]) == 3
    assert len(distiller.evaluate(features(), None, 2, 0)) == 3


def test_the_mean_posteriors_of_an_ensemble_are_learned():
    teachers, student = [small_teacher(), small_teacher(cell="gru")], small_student()
    x = features((12, 12))
    distiller = Distiller(teachers, student, teacher_weights=[3, 1])
    distiller.compile(run_eagerly=True)
    p = [np.exp(log_softmax64(teacher(x))) for teacher in teachers]
    mean = np.log(0.75 * p[0] + 0.25 * p[1])
    expected = frame_kl64(mean, np.array(student(x))).mean()
    result = distiller.evaluate(x, verbose=0, return_dict=True)["kl"]
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_a_padded_batch_is_the_same_as_its_utterances_one_by_one():
    frames = (12, 8, 12, 5)
    x, teacher = features(frames), small_teacher()
    results = []
    for padded in (True, False):
        keras.utils.set_random_seed(1)
        student = small_student()
        distiller = Distiller(teacher, student)
        total = sum(frames)
        with tf.GradientTape() as tape:
            if padded:
                loss = distiller.compute_loss(x, y_pred=student(x, training=True))
            else:
                loss = 0.0
                for row, count in zip(x, frames, strict=True):
                    alone = row[None, :count]
                    prediction = student(alone, training=True)
                    part = distiller.compute_loss(alone, y_pred=prediction)
                    loss += count / total * part
        gradients = tape.gradient(loss, student.trainable_variables)
        keras.optimizers.SGD(0.5).apply(gradients, student.trainable_variables)
        results.append([loss, *gradients, *student.get_weights()])
    for left, right in zip(*results, strict=True):
        np.testing.assert_allclose(left, right, atol=2e-6)


def test_frame_and_utterance_weights_count():
    teacher, student, x = plain(), plain(), features((12, 12, 12, 12))
    distiller = Distiller(teacher, student)
    distiller.compile()
    values = frame_kl64(np.array(teacher(x)), np.array(student(x)))
    rng = np.random.default_rng(2)
    for weights in (rng.uniform(size=(4, 12)), np.array([1.0, 0.0, 2.0, 0.5])):
        frame_weights = weights if weights.ndim == 2 else weights[:, None]
        expected = np.average(values, weights=np.broadcast_to(frame_weights, (4, 12)))
        logs = distiller.evaluate(x, sample_weight=weights, verbose=0, return_dict=True)
        np.testing.assert_allclose(logs["kl"], expected, rtol=1e-5)
        np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)


def test_teacher_and_student_may_each_have_their_own_input():
    teacher, student = small_teacher(), small_student()
    clean, noisy = features(seed=1), features(seed=2)
    distiller = Distiller(teacher, student)
    distiller.compile(run_eagerly=True)
    x = {"teacher": clean, "student": noisy}
    values = frame_kl64(np.array(teacher(clean)), np.array(student(noisy)))
    expected = values[np.any(clean != 0, axis=-1)].mean()
    logs = distiller.evaluate(x, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["kl"], expected, rtol=1e-5)
    distiller.fit(x, verbose=0)
    np.testing.assert_allclose(
        distiller.predict(x, verbose=0), student(noisy), atol=1e-6
    )


def test_a_delayed_teacher_is_learned_by_the_earlier_frame():
    teacher, student, x = small_teacher(), small_student(), features((12, 8))
    distiller = Distiller(teacher, student, teacher_delay=3)
    distiller.compile(run_eagerly=True)
    z, s = np.array(teacher(x)), np.array(student(x))
    values = [frame_kl64(z[u, 3:n], s[u, : n - 3]) for u, n in enumerate((12, 8))]
    logs = distiller.evaluate(x, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["kl"], np.concatenate(values).mean(), rtol=1e-5)
    assert len(np.concatenate(values)) == 9 + 5


def test_hard_labels_are_mixed_in_by_their_weight():
    teacher, student, x = plain(), small_student(), features()
    labels = np.random.default_rng(3).integers(CLASSES, size=(4, 12))
    valid = np.any(x != 0, axis=-1)
    labels[~valid] = -1  # no class: padding must not matter
    distiller = Distiller(teacher, student, student_loss_weight=0.25)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile(loss=loss)
    logs = distiller.evaluate(x, labels, verbose=0, return_dict=True)
    log_q = log_softmax64(np.array(student(x)))[valid]
    hard = -np.take_along_axis(log_q, labels[valid][:, None], -1).mean()
    np.testing.assert_allclose(logs["hard_loss"], hard, rtol=1e-5)
    expected = 0.75 * logs["kl"] + 0.25 * hard
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)
    history = distiller.fit(x, labels, validation_data=(x, labels), verbose=0).history
    names = {"loss", "kl", "agreement", "hard_loss"}
    assert set(history) == names | {f"val_{name}" for name in names}


def test_penalties_of_the_student_are_added():
    student = sequential(kernel_regularizer=keras.regularizers.L2(0.1))
    distiller = Distiller(small_teacher(), student)
    distiller.compile(run_eagerly=True)
    logs = distiller.evaluate(features((12, 12)), verbose=0, return_dict=True)
    penalty = 0.1 * np.sum(student.get_weights()[0] ** 2)
    np.testing.assert_allclose(logs["loss"], logs["kl"] + penalty, rtol=1e-5)


def test_targets_may_come_with_the_data():
    teacher, x = plain(), features()
    trained = []
    for given in (teacher, None):
        keras.utils.set_random_seed(1)
        student = plain()
        distiller = Distiller(given, student)
        distiller.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        y = None if given else np.array(teacher(x))
        distiller.fit(x, y, epochs=2, shuffle=False, verbose=0)
        trained.append(student.get_weights())
    for left, right in zip(*trained, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)


def test_soft_targets_and_labels_may_come_together_with_weights():
    x, weights = features((12, 12)), np.ones((2, 12))
    weights[1, 5:] = 0.0
    soft = np.array(small_teacher()(x))
    y = {"soft": soft, "labels": soft.argmin(-1)}
    hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    student = small_student()
    distiller = Distiller(None, student, student_loss_weight=0.25)
    distiller.compile(loss=hard, run_eagerly=True)
    s, counted = np.array(student(x)), weights > 0
    kl = frame_kl64(soft, s)[counted].mean()
    log_q = np.take_along_axis(log_softmax64(s), y["labels"][..., None], -1)[..., 0]
    expected = {"kl": kl, "hard_loss": -log_q[counted].mean()}
    expected["loss"] = 0.75 * kl + 0.25 * expected["hard_loss"]
    data = tf.data.Dataset.from_tensors((x, y, weights))
    for given in ((x, y), (data,)):
        options = {"sample_weight": weights} if len(given) == 2 else {}
        logs = distiller.evaluate(*given, verbose=0, return_dict=True, **options)
        for name, value in expected.items():
            np.testing.assert_allclose(logs[name], value, rtol=1e-5)
    distiller.fit(
        x, y, sample_weight=weights, validation_data=(x, y, weights), verbose=0
    )


class Utterances(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return (features(seed=index),)


@pytest.mark.parametrize("kind", ["dataset", "pydataset", "generator"])
def test_every_kind_of_data_trains_the_same_weights(kind):
    batches = [features(seed=index) for index in range(2)]
    data = {
        "dataset": lambda: tf.data.Dataset.from_tensor_slices(batches),
        "pydataset": Utterances,
        "generator": lambda: ((features(seed=n % 2),) for n in itertools.count()),
    }
    trained = []
    for given, options in (
        (np.concatenate(batches), {"batch_size": 4}),
        (data[kind](), {"steps_per_epoch": 2}),
    ):
        keras.utils.set_random_seed(1)
        student = plain()
        distiller = Distiller(plain(), student)
        distiller.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        distiller.fit(given, shuffle=False, verbose=0, **options)
        assert int(distiller.optimizer.iterations) == 2
        trained.append(student.get_weights())
    for left, right in zip(*trained, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)


@pytest.mark.slow
def test_compiled_and_eager_steps_give_the_same_weights():
    trained = []
    for chosen in ({}, {"jit_compile": True}, {"run_eagerly": True}):
        keras.utils.set_random_seed(1)
        student = small_student()
        distiller = Distiller(small_teacher(), student)
        distiller.compile(keras.optimizers.SGD(0.1), **chosen)
        distiller.fit(features(), epochs=2, verbose=0)
        trained.append(student.get_weights())
    for others in trained[1:]:
        for left, right in zip(trained[0], others, strict=True):
            np.testing.assert_allclose(left, right, atol=1e-5)


def test_a_student_in_float16_learns():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        student = sequential(keras.layers.Dense(8, activation="relu"))
    finally:
        keras.config.set_dtype_policy(policy)
    distiller = Distiller(plain(), student)
    distiller.compile(keras.optimizers.Adam(0.05))
    history = distiller.fit(features((12,) * 4), epochs=8, verbose=0).history
    assert history["kl"][-1] < 0.8 * history["kl"][0]
    assert all(np.isfinite(w).all() for w in student.get_weights())
