"""What one entrance refuses or takes, all do: fit, evaluate, validation, callbacks."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rnn2dnn import Distiller, KLCallback, SoftAlignmentKL, SoftAlignments
from keras_rnn2dnn.distillation.kl_callback import kl_and_agreement

FEATURES, CLASSES = 3, 5
LENGTHS = (6, 4, 9, 5, 8)


def dense(classes=CLASSES, **options):
    layers = [keras.Input((None, FEATURES)), keras.layers.Dense(classes, **options)]
    return keras.Sequential(layers)


def features(batch=4, frames=6):
    rng = np.random.default_rng(0)
    return rng.normal(size=(batch, frames, FEATURES)).astype("float32")


def distiller_of(teacher=None, student=None, loss=None, run_eagerly=False, **options):
    distiller = Distiller(teacher, student or dense(), **options)
    sgd = keras.optimizers.SGD(0.0)
    distiller.compile(sgd, loss=loss, run_eagerly=run_eagerly)
    return distiller


def utterances():
    rng = np.random.default_rng(1)
    return [rng.normal(size=(n, FEATURES)).astype("float32") for n in LENGTHS]


def mean_kl64(teacher, student, given):
    """The mean over the frames of all utterances, in float64."""
    kernels = [
        [w.astype("float64") for w in m.get_weights()] for m in (teacher, student)
    ]
    x = np.concatenate(given).astype("float64")
    z, s = (x @ kernel + bias for kernel, bias in kernels)
    log_p, log_q = (a - np.log(np.exp(a).sum(-1, keepdims=True)) for a in (z, s))
    return np.sum(np.exp(log_p) * (log_p - log_q), -1).mean()


FORMS = {
    "list": lambda given: given,
    "array of objects": lambda given: np.array(given, dtype=object),
    "ragged": lambda given: tf.ragged.constant(
        [u.tolist() for u in given], ragged_rank=1, dtype=tf.float32
    ),
}


@pytest.mark.parametrize(
    "form",
    ["list", *(pytest.param(f, marks=pytest.mark.slow) for f in list(FORMS)[1:])],
)
def test_utterances_of_all_lengths_are_batched_everywhere(form):
    teacher, given = dense(), utterances()
    distiller = distiller_of(teacher, run_eagerly=form != "list")
    expected = mean_kl64(teacher, distiller.student, given)
    x = FORMS[form](given)
    logs = distiller.evaluate(x, batch_size=2, verbose=0, return_dict=True)
    history = distiller.fit(
        x,
        batch_size=2,
        verbose=0,
        validation_data=(x,) if form == "list" else None,
        callbacks=KLCallback(x, batch_size=2, prefix="of_"),
    ).history
    found = [logs["kl"], history["kl"][0], history["of_kl"][0]]
    found.append(kl_and_agreement(distiller, x, batch_size=2)[0])
    found += history.get("val_kl", [])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_targets_labels_and_weights_of_a_list_come_along():
    given, teacher = utterances(), dense()
    soft = [np.asarray(teacher(u[None]))[0] for u in given]
    labels = [z.argmin(-1) for z in soft]
    weights = [np.ones(n) for n in LENGTHS]
    weights[2] = np.zeros(9)
    hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller = distiller_of(None, loss=hard, student_loss_weight=0.5)
    counted = [u for n, u in enumerate(given) if n != 2]
    expected = mean_kl64(teacher, distiller.student, counted)
    y = {"soft": soft, "labels": labels}
    history = distiller.fit(given, y, sample_weight=weights, verbose=0).history
    assert history["kl"] == pytest.approx([expected], rel=1e-5)
    per_utterance = [1.0, 1.0, 0.0, 1.0, 1.0]
    logs = distiller.evaluate(
        given, y, sample_weight=per_utterance, verbose=0, return_dict=True
    )
    assert logs["hard_loss"] == pytest.approx(history["hard_loss"][0], rel=1e-5)


def everywhere(distiller, x, *others, **options):
    """Yields the error texts of all entrances."""
    arrays = (x, *others)
    entrances = (
        lambda: distiller.fit(*arrays, verbose=0, **options),
        lambda: distiller.evaluate(*arrays, verbose=0, **options),
        lambda: kl_and_agreement(distiller, arrays),
        lambda: distiller.fit(
            *good(distiller), verbose=0, callbacks=KLCallback(arrays)
        ),
    )
    for entrance in entrances:
        with pytest.raises((ValueError, TypeError)) as error:
            entrance()
        yield str(error.value)
    assert int(distiller.optimizer.iterations) == 0


def good(distiller):
    x = features()
    return (x,) if distiller.teacher else (x, np.zeros((4, 6, CLASSES), "float32"))


def test_unbatched_data_are_refused_with_the_way_to_batches():
    data = tf.data.Dataset.from_tensor_slices(features())
    for text in everywhere(distiller_of(dense()), data):
        assert text.startswith("The data set gives utterances, not batches. Expected")
        assert "Batch utterances of one length by `dataset.batch(32)`" in text
        assert "bucketed_dataset([list(dataset.as_numpy_iterator())], 32)" in text


def test_utterances_without_frames_are_named():
    given = utterances()
    given[3] = given[3][:0]
    for x, number in ((given, 3), (features(frames=0), 0)):
        for text in everywhere(distiller_of(dense()), x):
            assert f"Utterance {number} has no frames." in text


class TwoAnswers(keras.Model):
    def __init__(self):
        super().__init__(name="two")
        self.dense = keras.layers.Dense(CLASSES)

    def call(self, x):
        return {"a": self.dense(x), "b": x}


def test_several_outputs_are_named_at_the_constructor_or_before_any_step(tmp_path):
    x = keras.Input((None, FEATURES))
    heads = [keras.layers.Dense(CLASSES, name=name)(x) for name in ("words", "pitch")]
    model = keras.Model(x, heads, name="heads")
    remedy = r"several outputs .*'words'.* keras.Model\({0}.input, {0}.output\[0\]\)"
    with pytest.raises(ValueError, match=remedy.format("teacher")):
        Distiller(model, dense())
    with pytest.raises(ValueError, match=remedy.format("student")):
        Distiller(dense(), model)
    model.export(tmp_path, verbose=False)
    layer = keras.layers.TFSMLayer(tmp_path, call_endpoint="serving_default")
    with pytest.raises(ValueError, match="several outputs of the teacher"):
        Distiller(layer, dense())
    with pytest.raises(TypeError, match=r"keras.Model\(x, teacher\(x\)\)"):
        Distiller(keras.layers.Dense(CLASSES), dense())
    for text in everywhere(distiller_of(TwoAnswers()), features()):
        assert "several outputs of the teacher 'two': 'a', 'b'." in text
    for text in everywhere(distiller_of(None, TwoAnswers()), *good(distiller_of())):
        assert "several outputs of the student 'two': 'a', 'b'." in text


class OwnLoss(keras.layers.Layer):
    """The loss of a model that is made to be trained, of labels and lengths."""

    def __init__(self, shape, **options):
        super().__init__(**options)
        self.shape = shape

    def call(self, labels, logits, lengths):
        values = keras.ops.sum(logits, axis=(1, 2)) + keras.ops.sum(labels, axis=-1)
        values += lengths[:, 0]
        return {"column": values[:, None], "row": values}.get(
            self.shape, keras.ops.mean(values)
        )


class TrainingModel(keras.Model):
    def __init__(self, shape):
        super().__init__(name="training")
        self.dense, self.own_loss = keras.layers.Dense(CLASSES), OwnLoss(shape)

    def call(self, inputs):
        x, labels, lengths = inputs
        return self.own_loss(labels, self.dense(x), lengths)


def training_model(shape):
    sizes = {"features": (None, FEATURES), "labels": (None,), "lengths": (1,)}
    x, labels, lengths = (keras.Input(s, name=name) for name, s in sizes.items())
    logits = keras.layers.Dense(CLASSES, name="logits")(x)
    loss = OwnLoss(shape)(labels, logits, lengths)
    return keras.Model([x, labels, lengths], loss, name="training")


@pytest.mark.parametrize("shape", ["column", "row", "number"])
def test_a_training_model_is_refused_with_the_way_to_its_outputs(tmp_path, shape):
    remedy = (
        "Take the part before the loss: "
        'keras.Model({0}.inputs[0], {0}.get_layer("NAME").output)'
    )
    x, model = features(), training_model(shape)
    student = training_model(shape)
    student.compile("sgd", "mse")
    inputs = [x, np.zeros((4, 2), "float32"), np.ones((4, 1), "float32")]
    entrances = {
        "constructor": lambda: Distiller(model, dense()),
        "write": lambda: SoftAlignments.write(tmp_path / "a", model, inputs),
        "callback": lambda: student.fit(
            inputs, np.ones(4), callbacks=KLCallback(x), verbose=0
        ),
    }
    for name, entrance in entrances.items():
        with pytest.raises(ValueError) as error:
            entrance()
        role, text = "student" if name == "callback" else "teacher", str(error.value)
        assert text.startswith(f"Invalid value for `{role}`. Expected a model from")
        assert "is a loss, of the inputs 'features', 'labels', 'lengths'. " in text
        assert text.endswith(remedy.format(role))
    model = TrainingModel(shape)  # which does not show its output before it is called
    pair = {"teacher": inputs, "student": x}
    distiller = distiller_of(model)
    for entrance in (
        lambda: distiller.fit(pair, verbose=0),
        lambda: distiller.evaluate(pair, verbose=0),
        lambda: kl_and_agreement(distiller, pair),
        lambda: SoftAlignments.write(tmp_path / "a", model, pair),
    ):
        with pytest.raises(ValueError) as error:
            entrance()
        text = str(error.value)
        assert text.startswith("Invalid output of the teacher. Expected the shape")
        assert text.endswith(remedy.format("teacher"))
    assert not list(tmp_path.glob("a/*.json"))


class OneBatch(keras.utils.PyDataset):
    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.arrays


def test_weights_in_a_dict_are_refused_unless_they_are_one(tmp_path):
    x, soft, labels = features(), np.zeros((4, 6, CLASSES), "float32"), np.zeros((4, 6))
    weights, others = np.ones((4, 6), "float32"), np.eye(4, 6, dtype="float32")
    y = {"soft": soft, "labels": labels}
    own = {"labels": weights}
    differ = {"soft": weights, "labels": others}
    for given, found in ((own, "'labels'"), (differ, "'soft', 'labels', which differ")):
        text = (
            "Invalid value for `sample_weight`. Expected (batch,) or (batch, frames), "
            "which soft targets and labels share. Received: sample_weight="
            f'"a dict with {found}". Give the array itself. To leave out labels alone, '
            "set them to the `ignore_class` of the loss"
        )
        arrays = (x, y, given)
        lists = keras.tree.map_structure(list, arrays)
        dataset = tf.data.Dataset.from_tensors(arrays)
        for data in (arrays, lists):
            options = {"sample_weight": data[2]}
            entrances = (
                lambda d, data=data, o=options: d.fit(*data[:2], **o, verbose=0),
                lambda d, data=data, o=options: d.evaluate(*data[:2], **o, verbose=0),
                lambda d, data=data: d.fit(x, soft, validation_data=data, verbose=0),
                lambda d, data=data: kl_and_agreement(d, data),
            )
            for entrance in entrances:
                with pytest.raises(ValueError) as error:
                    entrance(distiller_of())
                assert str(error.value) == text
        for data in (dataset, OneBatch(*arrays)):
            assert set(everywhere(distiller_of(), data)) == {text}
        for data in ((x, labels, given), OneBatch(x, labels, given)):
            with pytest.raises(ValueError) as error:
                SoftAlignments.write(tmp_path / "a", dense(), data)
            assert "which soft targets and labels share" in str(error.value)


def test_weights_in_a_dict_that_are_one_are_taken():
    x, weights = features(), np.eye(4, 6, dtype="float32")
    soft = np.asarray(dense()(x))
    y = {"soft": soft, "labels": np.zeros((4, 6))}
    distiller = distiller_of()
    expected = distiller.evaluate(x, soft, sample_weight=weights, verbose=0)
    both = {"soft": weights, "labels": weights.copy()}
    lists = keras.tree.map_structure(list, (x, y, both))
    for *data, given in ((x, y, both), lists):
        found = distiller.evaluate(*data, sample_weight=given, verbose=0)
        assert found == pytest.approx(expected, rel=1e-5)


def test_class_weights_and_metrics_without_labels():
    x = features()
    with pytest.raises(ValueError) as error:
        distiller_of(dense()).fit(x, class_weight={0: 1.0, 1: 2.0}, verbose=0)
    assert str(error.value) == (
        "Invalid value for `class_weight`. Expected None: Keras makes weights of "
        "utterances of it, not of frames. Received: class_weight={0: 1.0, 1: 2.0}. "
        "Give `sample_weight=weights_of_classes[labels]`, (batch, frames)"
    )
    distiller = Distiller(dense(), dense())
    distiller.compile("sgd", metrics=["accuracy"])
    for entrance in (distiller.fit, distiller.evaluate):
        with pytest.raises(ValueError) as error:
            entrance(x, verbose=0)
        assert str(error.value) == (
            "`compile(metrics=...)` needs hard labels. Expected them as `y`. Received: "
            "none. `kl` and `agreement` are logged without: leave `metrics` out"
        )


@pytest.mark.parametrize("with_teacher", [True, False])
def test_metrics_are_those_of_the_labels(with_teacher):
    x, teacher, student = features(), dense(), dense()
    distiller = Distiller(teacher if with_teacher else None, student)
    metric = keras.metrics.SparseCategoricalAccuracy(name="correct")
    distiller.compile(
        keras.optimizers.SGD(0.0), metrics=[metric], run_eagerly=with_teacher
    )
    soft, labels = np.asarray(teacher(x)), np.zeros((4, 6), "int32")
    y = labels if with_teacher else {"soft": soft, "labels": labels}
    expected = np.mean(np.asarray(student(x)).argmax(-1) == 0)
    logs = distiller.evaluate(x, y, verbose=0, return_dict=True)
    assert logs["correct"] == pytest.approx(expected)


def test_time_major_data_are_refused_where_something_tells(caplog):
    x, weights = features(6, 4), np.ones((4, 6))
    with pytest.raises(ValueError, match=r"`sample_weight`.* are time-major"):
        distiller_of(dense()).fit(x, sample_weight=weights, verbose=0)
    with pytest.raises(ValueError, match=r"`y`.* are time-major"):
        distiller_of().fit(x, np.zeros((4, 6, CLASSES)), verbose=0)
    with caplog.at_level(logging.WARNING):
        distiller_of(dense()).fit(features(4, 4), verbose=0)
    assert "As many utterances as frames, 4" in caplog.text


@pytest.mark.parametrize("kind", [list, tuple])
def test_validation_data_may_be_a_list(kind):
    x, teacher = features(), dense()
    weights = np.ones((4, 6))
    weights[1:] = 0
    distiller = distiller_of(teacher, run_eagerly=kind is tuple)
    expected = mean_kl64(teacher, distiller.student, x[:1])
    callback = KLCallback(kind([x, None, weights]), prefix="of_")
    history = distiller.fit(
        x, verbose=0, validation_data=kind([x, None, weights]), callbacks=callback
    ).history
    assert history["val_kl"] == pytest.approx([expected], rel=1e-5)
    assert history["of_kl"] == pytest.approx([expected], rel=1e-5)


KERAS_LOSSES = {
    "KLDivergence": lambda: keras.losses.KLDivergence(),
    "CategoricalCrossentropy": lambda: keras.losses.CategoricalCrossentropy(
        from_logits=True
    ),
}


@pytest.mark.parametrize("name", KERAS_LOSSES)
def test_losses_of_probabilities_are_no_distillation_losses(name):
    with pytest.raises(ValueError) as error:
        Distiller(dense(), dense(), KERAS_LOSSES[name]())
    assert str(error.value) == (
        "Invalid value for `distillation_loss`. Expected a loss of logits. Received: "
        f"distillation_loss='{name}'. It takes the teacher's logits for probabilities. "
        "Give `SoftAlignmentKL()`, or of models that end in a softmax "
        "`SoftAlignmentKL(from_logits=False, teacher_from_logits=False)`"
    )
    for given in ("kl_divergence", keras.losses.kl_divergence):
        with pytest.raises(TypeError, match="Give `SoftAlignmentKL\\(\\)`"):
            Distiller(dense(), dense(), given)


def of_keras(temperature=2.0, loss=None):
    return keras.distillation.LogitsDistillation(
        temperature, loss=loss or keras.losses.KLDivergence()
    )


def test_calls_in_the_form_of_keras_are_taken_where_they_mean_the_same():
    models = dense(), dense()
    for distiller in (
        Distiller(*models, of_keras()),
        Distiller(*models, distillation_losses=of_keras()),
        Distiller(*models, [of_keras()]),
        Distiller(
            *models, distillation_losses=[of_keras()], distillation_loss_weights=[1.0]
        ),
    ):
        assert type(distiller.distillation_loss) is SoftAlignmentKL
        assert distiller.distillation_loss.temperature == 2.0
        assert distiller.student_loss_weight == 0.5  # the default there
    distiller = Distiller(
        *models, distillation_losses=of_keras(), student_loss_weight=0.0
    )
    assert distiller.student_loss_weight == 0.0
    assert Distiller(*models, [SoftAlignmentKL(3.0)]).student_loss_weight == 0.0


def test_calls_in_the_form_of_keras_that_mean_something_else():
    models = dense(), dense()
    feature = keras.distillation.FeatureDistillation()
    new = r"Give `distillation_loss=SoftAlignmentKL\(temperature={}\)`"
    for given, options, text in (
        (of_keras(4.0, "kl_divergence"), {}, new.format(4)),
        (of_keras(2.0, keras.losses.MeanSquaredError()), {}, new.format(2)),
        ([of_keras(2.0), feature], {}, "one loss, .* " + new.format(2)),
        (feature, {}, "FeatureDistillation` is not offered.*" + new.format(1)),
        (
            [of_keras()],
            {"distillation_loss_weights": [0.5]},
            "`distillation_loss_weights`.* share of the hard loss is",
        ),
    ):
        for name in ("distillation_loss", "distillation_losses"):
            with pytest.raises(ValueError, match=text):
                Distiller(*models, **{name: given}, **options)
