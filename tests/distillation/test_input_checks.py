import keras
import numpy as np
import pytest
from helpers.plain_models import plain_teacher

from keras_rnn2dnn import Distiller, SoftAlignmentKL, dnn_student, rnn_teacher
from keras_rnn2dnn.batches.model_outputs import single_output

CLASSES = 5


def student(classes=CLASSES, **options):
    return dnn_student(4, classes, context=(1, 1), units=(8,), **options)


def teacher():
    return plain_teacher(4, CLASSES)


def features(batch=3, frames=9):
    return np.random.default_rng(0).normal(size=(batch, frames, 4)).astype("float32")


def refused(distiller, *data, **options):
    """Returns the error text of `fit`, and sees to it that no step was made."""
    if not distiller.compiled:
        distiller.compile()
    before = distiller.student.get_weights()
    with pytest.raises(ValueError) as error:
        distiller.fit(*data, verbose=0, **options)
    assert int(distiller.optimizer.iterations) == 0
    for left, right in zip(before, distiller.student.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    return str(error.value)


def test_different_numbers_of_classes():
    with pytest.raises(ValueError) as error:
        Distiller(rnn_teacher(4, 7, units=(6,)), student())
    assert str(error.value) == (
        "Different numbers of classes. Expected teacher and student to give the same "
        "classes. Received: 7 classes from the teacher 'rnn_teacher', 5 from the "
        "student 'dnn_student'"
    )


def test_different_numbers_of_classes_in_targets_that_come_with_the_data():
    soft = np.zeros((3, 9, 7), "float32")
    assert refused(Distiller(None, student()), features(), soft) == (
        "Different numbers of classes. Expected teacher and student to give the same "
        "shape (batch, frames, classes). Received: (3, 9, 7) from the teacher, "
        "(3, 9, 5) from the student"
    )


def test_different_numbers_of_frames():
    x = {"teacher": features(frames=9), "student": features(frames=6)}
    assert refused(Distiller(teacher(), student()), x) == (
        "Different numbers of frames. Expected teacher and student to give the same "
        "shape (batch, frames, classes). Received: (3, 9, 5) from the teacher, "
        "(3, 6, 5) from the student"
    )


def test_an_output_without_frames():
    model = keras.Sequential(
        [keras.Input((None, 4)), keras.layers.LSTM(6), keras.layers.Dense(CLASSES)]
    )
    assert refused(Distiller(model, student()), features()) == (
        "Invalid output of the teacher. Expected the shape (batch, frames, classes). "
        "Received: (3, 5). A model with one output for each utterance has no frames to "
        "align: give one whose recurrent layers have `return_sequences=True`, without "
        "pooling over the frames, or pair it with another that gives (batch, classes)"
    )


def with_softmax(model):
    return keras.Model(
        model.inputs, keras.layers.Softmax(name="soft")(model.outputs[0])
    )


def test_a_softmax_at_the_end_where_logits_are_declared():
    with pytest.raises(ValueError) as error:
        Distiller(with_softmax(teacher()), student())
    assert str(error.value) == (
        "The teacher is declared to give logits. Expected unnormalised scores. "
        "Received: a softmax in the layer 'soft'. Remove the softmax, or pass "
        "`SoftAlignmentKL(teacher_from_logits=False)`"
    )
    activation = keras.Sequential(
        [keras.Input((None, 4)), keras.layers.Dense(5, "softmax", name="last")]
    )
    with pytest.raises(ValueError) as error:
        Distiller(teacher(), activation)
    assert str(error.value) == (
        "The student is declared to give logits. Expected unnormalised scores. "
        "Received: a softmax in the layer 'last'. Remove the softmax, or pass "
        "`SoftAlignmentKL(from_logits=False)`"
    )


def test_rows_that_sum_to_one_where_logits_are_declared():
    soft = np.full((3, 9, CLASSES), 1 / CLASSES, "float32")
    assert refused(Distiller(None, student()), features(), soft) == (
        "The teacher is declared to give logits. Expected unnormalised scores. "
        "Received: rows >= 0 that sum to 1. Remove the softmax, or pass "
        "`SoftAlignmentKL(teacher_from_logits=False)`"
    )


def test_logits_where_probabilities_are_declared():
    loss = SoftAlignmentKL(teacher_from_logits=False)
    soft = np.full((3, 9, CLASSES), 2.0, "float32")
    assert refused(Distiller(None, student(), loss), features(), soft) == (
        "The teacher is declared to give probabilities. Expected rows >= 0 that sum "
        "to 1. Received: values from 2 to 2. Pass `teacher_from_logits=True` if they "
        "are logits"
    )
    text = refused(
        Distiller(teacher(), student(), SoftAlignmentKL(from_logits=False)), features()
    )
    assert text.startswith("The student is declared to give probabilities. Expected")
    assert text.endswith("Pass `from_logits=True` if they are logits")


@pytest.mark.parametrize("value", [-0.1, 1.5, "half", [0.5], True])
def test_a_weight_outside_of_its_range(value):
    with pytest.raises(ValueError) as error:
        Distiller(teacher(), student(), student_loss_weight=value)
    assert str(error.value) == (
        "Invalid value for `student_loss_weight`. Expected a number from 0 to 1. "
        f"Received: student_loss_weight={value!r}"
    )


@pytest.mark.parametrize("value", [-1, 1.5])
def test_a_delay_that_is_no_count_of_frames(value):
    with pytest.raises(ValueError) as error:
        Distiller(teacher(), student(), teacher_delay=value)
    assert str(error.value) == (
        "Invalid value for `teacher_delay`. Expected an integer >= 0. "
        f"Received: teacher_delay={value!r}"
    )


def test_a_delay_longer_than_the_utterances():
    distiller = Distiller(teacher(), student(), teacher_delay=9)
    assert refused(distiller, features()) == (
        "Invalid value for `teacher_delay`. Expected less than the 9 frames of the "
        "utterances. Received: teacher_delay=9"
    )


def test_an_ensemble_with_wrong_weights():
    for weights in ([1.0], [1.0, -1.0], [0.0, 0.0]):
        with pytest.raises(ValueError) as error:
            Distiller([teacher(), teacher()], student(), teacher_weights=weights)
        assert str(error.value) == (
            "Invalid value for `teacher_weights`. Expected 2 numbers >= 0, not all 0. "
            f"Received: teacher_weights={weights!r}"
        )


def test_something_that_is_no_model():
    with pytest.raises(TypeError) as error:
        Distiller("teacher.keras", student())
    assert str(error.value) == (
        "Invalid value for `teacher`. Expected a Keras model. Received: teacher='str'"
    )


def test_weights_below_zero():
    weights = np.ones((3, 9))
    weights[0, 0] = -0.5
    text = refused(Distiller(teacher(), student()), features(), sample_weight=weights)
    assert text == (
        "Invalid value for `sample_weight`. Expected numbers >= 0. "
        "Received: sample_weight=-0.5"
    )


def test_frames_of_which_none_counts():
    expected = (
        "No frame counts in the first batch. Expected at least one frame with a "
        "weight > 0. Received: masks and `sample_weight` that leave none"
    )
    x = np.zeros((3, 9, 4), "float32")
    assert refused(Distiller(teacher(), student()), x) == expected
    distiller = Distiller(teacher(), student())
    weights = np.zeros((3, 9))
    assert refused(distiller, features(), sample_weight=weights) == expected


def test_missing_labels():
    distiller = Distiller(teacher(), student(), student_loss_weight=0.5)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile(loss=loss)
    expected = (
        "`student_loss_weight=0.5` needs hard labels. Expected them as `y`. "
        "Received: none"
    )
    assert refused(distiller, features()) == expected


def test_a_missing_hard_loss():
    distiller = Distiller(teacher(), student(), student_loss_weight=0.5)
    with pytest.raises(ValueError) as error:
        distiller.compile("adam")
    assert str(error.value) == (
        "`student_loss_weight=0.5` needs a hard loss. Expected `compile(loss=...)`. "
        "Received: loss=None"
    )


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        keras.losses.SparseCategoricalCrossentropy(),
    ],
)
def test_a_hard_loss_of_probabilities_for_a_student_that_gives_logits(loss):
    distiller = Distiller(teacher(), student(), student_loss_weight=0.5)
    with pytest.raises(ValueError, match="Pass an instance with `from_logits=True`"):
        distiller.compile(loss=loss)


def test_a_hard_loss_of_logits_for_a_student_that_gives_probabilities():
    softmax = keras.layers.Dense(CLASSES, activation="softmax")
    probabilities = keras.Sequential([keras.Input((None, 4)), softmax])
    loss = SoftAlignmentKL(from_logits=False)
    distiller = Distiller(teacher(), probabilities, loss, student_loss_weight=0.5)
    with pytest.raises(ValueError) as error:
        distiller.compile(
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
    assert str(error.value) == (
        "Invalid value for `loss`. Expected a loss of probabilities, since the "
        "student is declared to give them. Received: from_logits=True"
    )


def test_an_ensemble_of_none():
    with pytest.raises(ValueError) as error:
        Distiller([], student())
    assert str(error.value) == (
        "Invalid value for `teacher`. Expected a Keras model, a list of at least one, "
        "or None. Received: teacher=[]"
    )


def test_missing_targets_and_missing_data():
    assert refused(Distiller(None, student()), features()) == (
        "A Distiller without a teacher learns from the data. Expected `y` to hold "
        "soft targets (batch, frames, classes). Received: y=None"
    )
    empty = features()[:0]
    assert refused(Distiller(teacher(), student()), empty) == (
        "No data. Expected at least one batch. Received: none"
    )


def two_heads(names=True):
    x = keras.Input((None, 4))
    words, pitch = (keras.layers.Dense(3, name=name)(x) for name in ("words", "pitch"))
    outputs = {"w": words, "p": pitch} if names else [words, pitch]
    return keras.Model(x, outputs, name="heads")


@pytest.mark.parametrize("names", [True, False])
def test_several_outputs_are_named_with_the_way_to_one(names):
    listed, key = ("'w', 'p'", "'w'") if names else ("0 ('words'), 1 ('pitch')", "0")
    model = two_heads(names)
    with pytest.raises(ValueError) as error:
        single_output("teacher", model)
    assert str(error.value) == (
        "Invalid value for `teacher`. Expected a model with one output. Received: "
        f"several outputs of the teacher 'heads': {listed}. Choose one: "
        f"keras.Model(teacher.input, teacher.output[{key}])"
    )
    single_output(
        "teacher",
        eval(
            str(error.value).partition("Choose one: ")[2],
            {"keras": keras, "teacher": model},
        ),
    )


def test_one_output_with_a_name_is_no_plain_output():
    x = keras.Input((None, 4))
    model = keras.Model(x, {"logits": keras.layers.Dense(3)(x)})
    with pytest.raises(ValueError, match=r"teacher\.output\['logits'\]\)$"):
        single_output("teacher", model)


class TwoAnswers(keras.Model):
    def call(self, x):
        return {"a": x, "b": x}


def test_outputs_of_a_model_without_a_graph_are_known_from_a_call():
    model = TwoAnswers(name="sub")
    single_output("teacher", model)
    with pytest.raises(ValueError) as error:
        single_output("teacher", model, model(features()))
    assert "several outputs of the teacher 'sub': 'a', 'b'. Choose one" in str(
        error.value
    )
    assert "keras.Model(x, teacher(x)['a'])" in str(error.value)


def test_a_saved_model_as_a_layer_gives_outputs_with_names(tmp_path):
    two_heads().export(tmp_path, verbose=False)
    layer = keras.layers.TFSMLayer(tmp_path, call_endpoint="serving_default")
    for model in (layer, keras.Sequential([layer])):
        with pytest.raises(ValueError, match="several outputs of the teacher") as error:
            single_output("teacher", model)
        assert "'w'" in str(error.value) and "'p'" in str(error.value)


def test_a_model_that_gives_its_own_ctc_loss():
    x, labels = keras.Input((None, 4), name="x"), keras.Input((None,), name="labels")
    y = keras.layers.Dense(3)(x)
    loss = keras.ops.sum(y, axis=(1, 2))[:, None] + keras.ops.sum(
        labels, axis=-1, keepdims=True
    )
    with pytest.raises(ValueError) as error:
        single_output("teacher", keras.Model([x, labels], loss, name="training"))
    assert str(error.value) == (
        "Invalid value for `teacher`. Expected a model from features to classes. "
        "Received: the teacher 'training', whose output (None, 1) is a loss, of the "
        "inputs 'x', 'labels'. Take the part before the loss: "
        'keras.Model(teacher.inputs[0], teacher.get_layer("NAME").output)'
    )
