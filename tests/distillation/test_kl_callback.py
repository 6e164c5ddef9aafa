import csv

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.event_files import scalars

from keras_rnn2dnn import Distiller, KLCallback, SoftAlignmentKL
from keras_rnn2dnn.distillation.kl_callback import kl_and_agreement

CLASSES, FEATURES = 5, 4


def dense(name=None, activation=None):
    layers = [keras.Input((None, FEATURES)), keras.layers.Dense(CLASSES, activation)]
    return keras.Sequential(layers, name=name)


def masked(model):
    inputs = keras.Input((None, FEATURES))
    return keras.Model(inputs, model.layers[-1](keras.layers.Masking()(inputs)))


def data(frames=(7, 4, 6), seed=0):
    """Padded features, logits of a teacher, labels and weights of the frames."""
    rng = np.random.default_rng(seed)
    shape = (len(frames), max(frames))
    mask = np.arange(max(frames)) < np.array(frames)[:, None]
    x = (rng.normal(size=(*shape, FEATURES)) * mask[..., None]).astype("float32")
    logits = (3 * rng.normal(size=(*shape, CLASSES))).astype("float32")
    labels = rng.integers(CLASSES, size=shape)
    return x, logits, labels, (rng.uniform(0.1, 2, size=shape) * mask).astype("float32")


def log_softmax64(z):
    z = np.asarray(z, "float64")
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def logits64(model, x):
    kernel, bias = (w.astype("float64") for w in model.layers[-1].get_weights())
    return x.astype("float64") @ kernel + bias


def kl64(teacher, student, temperature=1.0):
    log_p = log_softmax64(np.asarray(teacher, "float64") / temperature)
    log_q = log_softmax64(np.asarray(student, "float64") / temperature)
    return np.sum(np.exp(log_p) * (log_p - log_q), axis=-1)


def mean64(values, weights):
    return float(np.sum(values * weights) / np.sum(weights))


def expected64(teacher, student, weights):
    same = teacher.argmax(axis=-1) == student.argmax(axis=-1)
    return mean64(kl64(teacher, student), weights), mean64(same, weights)


def fixed(distiller, run_eagerly=True, **options):
    """Compiles so that the student stays as it is; eager steps are not traced."""
    sgd = keras.optimizers.SGD(0.0)
    distiller.compile(sgd, run_eagerly=run_eagerly, **options)
    return distiller


def fit(model, *given, callback, epochs=1, **options):
    callbacks = [callback, *options.pop("behind", [])]
    history = model.fit(
        *given, epochs=epochs, callbacks=callbacks, verbose=0, **options
    )
    return history.history


def assert_measured(history, expected):
    assert history["val_kl"][-1] == pytest.approx(expected[0], rel=1e-5)
    assert history["val_agreement"][-1] == pytest.approx(expected[1], rel=1e-5)
    assert 0 < expected[1] < 1 and expected[0] > 0.1


@pytest.mark.parametrize("weighted", [True, False])
def test_a_distiller_is_measured_by_weight(weighted):
    x, *_, weights = data()
    teacher, student = dense(), dense()
    weights = weights if weighted else np.ones_like(weights)
    arrays = (x, None, weights) if weighted else x
    history = fit(
        fixed(Distiller(teacher, student)), x, callback=KLCallback(arrays, batch_size=2)
    )
    expected = expected64(logits64(teacher, x), logits64(student, x), weights)
    assert_measured(history, expected)


def test_padding_that_is_masked_does_not_count():
    frames = (7, 4, 6)
    x, *_ = data(frames)
    teacher, student = dense(), dense()
    history = fit(
        fixed(Distiller(masked(teacher), masked(student))), x, callback=KLCallback(x)
    )
    mask = np.arange(7) < np.array(frames)[:, None]
    expected = expected64(logits64(teacher, x), logits64(student, x), mask)
    assert_measured(history, expected)
    alone = [
        kl_and_agreement(Distiller(teacher, student), row[None, :count])[0] * count
        for row, count in zip(x, frames, strict=True)
    ]
    assert history["val_kl"][-1] == pytest.approx(sum(alone) / sum(frames), rel=1e-5)


def test_a_distiller_without_a_teacher_is_measured_against_the_data():
    x, soft, labels, weights = data()
    student = dense()
    distiller = fixed(Distiller(None, student))
    expected = expected64(soft, logits64(student, x), weights)
    for y in (soft, {"soft": soft, "labels": labels}):
        history = fit(distiller, x, y, callback=KLCallback((x, y, weights)))
        assert_measured(history, expected)


def test_a_plain_student_is_measured_against_its_targets():
    x, soft, _, weights = data()
    student = dense()
    fixed(student, loss=SoftAlignmentKL(temperature=3.0))
    expected = expected64(soft, logits64(student, x), weights)
    dataset = tf.data.Dataset.from_tensor_slices((x, soft, weights)).batch(2)
    for given in ((x, soft, weights), dataset):
        assert_measured(fit(student, x, soft, callback=KLCallback(given)), expected)


@pytest.mark.parametrize("teacher_from_logits", [True, False])
def test_probabilities_are_measured_as_they_are_declared(teacher_from_logits):
    x, soft, _, weights = data()
    student = dense(activation="softmax")
    loss = SoftAlignmentKL(from_logits=False, teacher_from_logits=teacher_from_logits)
    given = soft if teacher_from_logits else np.exp(log_softmax64(soft))
    history = fit(
        fixed(Distiller(None, student, loss)),
        x,
        given,
        callback=KLCallback((x, given, weights)),
    )
    assert_measured(history, expected64(soft, logits64(student, x), weights))


def test_a_delayed_ensemble_is_measured_as_it_teaches():
    x, *_, weights = data(frames=(7, 7, 7))
    teachers, student = [dense(), dense()], dense()
    distiller = Distiller(
        teachers, student, teacher_delay=2, teacher_weights=[0.25, 0.75]
    )
    history = fit(fixed(distiller), x, callback=KLCallback((x, None, weights)))
    members = [np.exp(log_softmax64(logits64(teacher, x))) for teacher in teachers]
    mean = np.log(0.25 * members[0] + 0.75 * members[1])
    expected = expected64(mean[:, 2:], logits64(student, x)[:, :-2], weights[:, :-2])
    assert_measured(history, expected)


def test_each_model_is_measured_on_its_own_input():
    x, *_ = data()
    pair = {"teacher": x, "student": 2 * x}
    teacher, student = dense(), dense()
    history = fit(
        fixed(Distiller(teacher, student)), pair, callback=KLCallback(pair, prefix="d_")
    )
    expected = expected64(
        logits64(teacher, x), logits64(student, 2 * x), np.ones(x.shape[:2])
    )
    assert history["d_kl"] == [pytest.approx(expected[0], rel=1e-5)]
    assert history["d_agreement"] == [pytest.approx(expected[1], rel=1e-5)]


def test_the_measure_follows_the_training():
    x, soft, *_ = data()
    student = dense()
    distiller = Distiller(None, student)
    distiller.compile(keras.optimizers.Adam(0.05), run_eagerly=True)
    history = fit(distiller, x, soft, callback=KLCallback((x, soft)), epochs=3)
    assert history["val_kl"] == sorted(history["val_kl"], reverse=True)
    expected = expected64(soft, logits64(student, x), np.ones(x.shape[:2]))
    assert history["val_kl"][-1] == pytest.approx(expected[0], rel=1e-5)


def student_kinds():
    plain, inner = dense(), dense()
    distiller = Distiller(None, inner)
    for model, loss in ((plain, SoftAlignmentKL()), (distiller, None)):
        model.compile(keras.optimizers.Adam(0.05), loss=loss, run_eagerly=True)
    return {"plain": plain, "distiller": distiller}


@pytest.mark.parametrize("kind", ["plain", "distiller"])
def test_early_stopping_finds_the_divergence(kind):
    x, soft, *_ = data()
    model = student_kinds()[kind]
    # Measured against what the student gave before, it grows in every epoch.
    history = fit(
        model,
        x,
        soft,
        epochs=8,
        callback=KLCallback((x, model(x).numpy())),
        behind=[keras.callbacks.EarlyStopping("val_kl", mode="min", patience=1)],
    )
    assert len(history["val_kl"]) == 2
    assert history["val_kl"][1] > history["val_kl"][0]


@pytest.mark.parametrize("kind", ["plain", "distiller"])
def test_checkpoints_and_logs_find_the_divergence(kind, tmp_path):
    x, soft, *_ = data()
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}.weights.h5",
        monitor="val_kl",
        mode="min",
        save_best_only=True,
        save_weights_only=True,
    )
    logger = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    model = student_kinds()[kind]
    history = fit(
        model,
        x,
        soft,
        epochs=3,
        callback=KLCallback((x, model(x).numpy())),
        behind=[checkpoint, logger],
    )
    assert [p.name for p in tmp_path.glob("*.h5")] == ["1.weights.h5"]
    assert checkpoint.best == history["val_kl"][0]
    with open(tmp_path / "log.csv") as file:
        logged = [float(row["val_kl"]) for row in csv.DictReader(file)]
    assert logged == history["val_kl"]


class LosesWeights(keras.callbacks.Callback):
    """Makes the weights of a student NaN at the end of its second epoch."""

    def __init__(self, student):
        super().__init__()
        self.student = student

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            lost = [np.full_like(w, np.nan) for w in self.student.get_weights()]
            self.student.set_weights(lost)


@pytest.mark.parametrize("kind", ["plain", "distiller"])
def test_weights_that_became_nan_are_logged_and_take_no_checkpoint(kind, tmp_path):
    x, soft, *_ = data()
    model = student_kinds()[kind]
    student = model.student if kind == "distiller" else model
    stopping = keras.callbacks.EarlyStopping("val_kl", mode="min", patience=2)
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}.weights.h5",
        monitor="val_kl",
        mode="min",
        save_best_only=True,
        save_weights_only=True,
    )
    measure = KLCallback((x, soft))
    behind = [measure, stopping, checkpoint]
    history = fit(
        model, x, soft, callback=LosesWeights(student), behind=behind, epochs=9
    )
    # Nothing is raised: as its `loss`, the KL of such a student is NaN.
    assert np.isnan(history["val_kl"]).tolist() == [False, True, True]
    assert history["val_agreement"][0] > 0 and history["val_agreement"][1:] == [0, 0]
    assert [p.name for p in tmp_path.glob("*.h5")] == ["1.weights.h5"]
    ended = fit(
        model, x, soft, callback=measure, behind=[keras.callbacks.TerminateOnNaN()]
    )
    assert np.isnan(ended["val_kl"]).all() and model.stop_training


SCHEDULES = {
    "function": (lambda epoch: 1.0 + epoch, [1.0, 2.0, 3.0]),
    "keras": (
        keras.optimizers.schedules.ExponentialDecay(4.0, 1, 0.5),
        [4.0, 2.0, 1.0],
    ),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("kind", ["plain", "distiller"])
def test_a_schedule_of_the_temperature_reaches_the_compiled_step(kind, schedule):
    x, soft, *_ = data()
    student = dense()
    model, loss = student, SoftAlignmentKL()
    if kind == "plain":
        student.compile(keras.optimizers.SGD(0.0), loss=loss)
    else:
        model = fixed(Distiller(None, student, loss), run_eagerly=False)
    function, temperatures = SCHEDULES[schedule]
    callback = KLCallback((x, soft), temperature=function)
    history = fit(model, x, soft, epochs=3, callback=callback)
    logits, ones = logits64(student, x), np.ones(x.shape[:2])
    expected = [t**2 * mean64(kl64(soft, logits, t), ones) for t in temperatures]
    assert history["loss"] == pytest.approx(expected, rel=1e-5)
    assert loss.temperature == temperatures[-1]
    # The yardstick stays.
    measured = 3 * [mean64(kl64(soft, logits), ones)]
    assert history["val_kl"] == pytest.approx(measured, rel=1e-5)


@pytest.mark.parametrize(
    ("function", "shares"),
    [
        (lambda epoch: epoch / 4, [0.0, 0.25, 0.5]),
        (keras.optimizers.schedules.ExponentialDecay(1.0, 1, 0.5), [1.0, 0.5, 0.25]),
    ],
)
def test_a_schedule_of_the_hard_share_reaches_the_compiled_step(function, shares):
    x, _, labels, _ = data()
    teacher, student = dense(), dense()
    distiller = fixed(
        Distiller(teacher, student),
        run_eagerly=False,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    callback = KLCallback(x, student_loss_weight=function)
    history = fit(distiller, x, labels, epochs=3, callback=callback)
    logits = logits64(student, x)
    soft = kl64(logits64(teacher, x), logits).mean()
    log_q = log_softmax64(logits)
    hard = -np.take_along_axis(log_q, labels[..., None], axis=-1).mean()
    expected = [(1 - share) * soft + share * hard for share in shares]
    assert history["loss"] == pytest.approx(expected, rel=1e-5)
    assert distiller.student_loss_weight == shares[-1]


def test_what_is_no_schedule_is_refused():
    for name in ("temperature", "student_loss_weight"):
        with pytest.raises(ValueError) as error:
            KLCallback(np.ones((1, 2, 3)), **{name: 2.0})
        assert str(error.value) == (
            f"Invalid value for `{name}`. Expected a schedule or a function of the "
            f"epoch. Received: {name}=2.0"
        )


def test_data_that_can_be_read_once_is_refused():
    with pytest.raises(ValueError) as error:
        KLCallback(batch for batch in [np.ones((1, 2, 3))])
    assert str(error.value) == (
        "Invalid value for `data`. Expected arrays or a data set, which can be read "
        "after every epoch. Received: data='generator'"
    )


def test_a_schedule_with_nothing_to_act_on_is_refused():
    x, soft, *_ = data()
    plain = dense(name="plain")
    plain.compile("sgd", loss="mse")
    with pytest.raises(ValueError) as error:
        fit(plain, x, soft, callback=KLCallback((x, soft), temperature=float))
    assert str(error.value) == (
        "A schedule of the temperature needs `SoftAlignmentKL`. Received: loss='mse'"
    )
    other = Distiller(None, dense(), keras.losses.MeanSquaredError())
    other.compile("sgd")
    with pytest.raises(ValueError, match="Received: distillation_loss=<.*squared"):
        fit(other, x, soft, callback=KLCallback((x, soft), temperature=float))

    text = (
        "A schedule of the student_loss_weight needs a Distiller with a hard loss. "
        "Expected `Distiller.compile(loss=...)`. Received: "
    )
    plain.compile("sgd", loss=SoftAlignmentKL())
    distiller = Distiller(None, dense())
    distiller.compile("sgd")
    for model, received in (
        (plain, "a model 'plain' alone"),
        (distiller, "loss=None"),
    ):
        callback = KLCallback((x, soft), student_loss_weight=lambda epoch: 0.5)
        with pytest.raises(ValueError) as error:
            fit(model, x, soft, callback=callback)
        assert str(error.value) == text + received


def test_a_schedule_out_of_its_range_is_refused():
    x, soft, *_ = data()
    distiller = fixed(Distiller(None, dense()))
    callback = KLCallback((x, soft), temperature=lambda epoch: 1.0 - epoch)
    with pytest.raises(ValueError, match="`temperature`. Expected a number > 0"):
        fit(distiller, x, soft, epochs=2, callback=callback)


def test_data_in_which_nothing_counts_is_refused():
    x, soft, _, weights = data()
    with pytest.raises(ValueError) as error:
        kl_and_agreement(Distiller(None, dense()), (x, soft, 0 * weights))
    assert str(error.value) == (
        "No frame counts. Expected at least one frame with a weight > 0. Received: "
        "masks and `sample_weight` that leave none"
    )


def test_tensorboard_gets_both_numbers_of_each_epoch(tmp_path):
    x, soft, _, weights = data()
    distiller = Distiller(None, dense())
    distiller.compile("sgd", run_eagerly=True)
    callback = KLCallback((x, soft, weights), prefix="dev_", log_dir=tmp_path / "logs")
    found = distiller.fit(x, soft, epochs=3, verbose=0, callbacks=[callback]).history
    expected = [
        (name, epoch, pytest.approx(found[name][epoch], rel=1e-6))
        for epoch in range(3)
        for name in ("dev_kl", "dev_agreement")
    ]
    assert scalars(tmp_path / "logs") == expected
    distiller.fit(x, soft, epochs=4, initial_epoch=3, verbose=0, callbacks=[callback])
    assert [step for _, step, _ in scalars(tmp_path / "logs")][-2:] == [3, 3]


def test_nothing_is_written_without_a_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, soft, _, _ = data()
    distiller = Distiller(None, dense())
    distiller.compile("sgd", run_eagerly=True)
    distiller.fit(x, soft, verbose=0, callbacks=[KLCallback((x, soft))])
    assert list(tmp_path.iterdir()) == []
