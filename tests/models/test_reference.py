import json

import keras
import numpy as np
import pytest

from keras_rnn2dnn import Distiller, convert, dnn_student, rnn_teacher
from keras_rnn2dnn.deploy import Int8Student
from keras_rnn2dnn.models.reference import tdnn_student


def padded_batch(frames=(5, 9), features=4):
    x = np.random.default_rng(0).normal(size=(len(frames), max(frames), features))
    for row, count in zip(x, frames, strict=True):
        row[count:] = 0
    return x.astype("float32")


def test_the_student_is_the_network_its_weights_describe():
    student = dnn_student(4, 3, context=(1, 2), units=(6, 5))
    x = padded_batch((9,))
    edges = np.concatenate([x[0, :1], x[0], x[0, -1:], x[0, -1:]]).astype("float64")
    hidden = np.array([edges[t : t + 4].ravel() for t in range(9)])
    weights = [w.astype("float64") for w in student.get_weights()]
    for kernel, bias in zip(weights[0:4:2], weights[1:4:2], strict=True):
        hidden = np.maximum(hidden @ kernel + bias, 0)
    expected = hidden @ weights[4] + weights[5]
    np.testing.assert_allclose(student(x)[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    "build",
    [
        lambda: dnn_student(4, 3, context=(2, 2), units=(8,)),
        lambda: tdnn_student(4, 3, units=(6, 5), steps=(1, 2)),
        lambda: rnn_teacher(4, 3, units=(6, 5)),
        lambda: rnn_teacher(4, 3, units=(6,), cell="gru", stack=3),
        lambda: rnn_teacher(4, 3, units=(6,), cell="simple_rnn", bidirectional=False),
    ],
)
def test_padding_changes_nothing(build):
    model = build()
    x = padded_batch((5, 9))
    result = model(x)
    assert result.shape == (2, 9, 3)
    np.testing.assert_allclose(result[0, :5], model(x[:1, :5])[0], atol=1e-5)
    np.testing.assert_allclose(result[1], model(x[1:])[0], atol=1e-5)
    assert np.array(result._keras_mask).sum(axis=1).tolist() == [5, 9]


@pytest.mark.parametrize(
    "model", [dnn_student(4, 3, units=(8,)), rnn_teacher(4, 3, units=(6,), stack=2)]
)
def test_models_come_back_from_their_file(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = padded_batch()
    np.testing.assert_array_equal(loaded(x), model(x))


@pytest.mark.parametrize("units", [(6,), (6, 5)])
@pytest.mark.parametrize("stride", [2, 3, 4])
def test_a_stride_takes_every_nth_frame_of_the_same_student(units, stride, tmp_path):
    every, some = (dnn_student(4, 3, (1, 2), units, stride=n) for n in (1, stride))
    some.set_weights(every.get_weights())
    x = padded_batch((5, 9))
    result = some(x)
    np.testing.assert_allclose(result, every(x)[:, ::stride], atol=1e-6)
    assert result.shape[1] == -(-9 // stride)
    frames = np.array(result._keras_mask).sum(axis=1)
    assert frames.tolist() == [-(-5 // stride), -(-9 // stride)]
    some.save(tmp_path / "student.keras")
    loaded = keras.saving.load_model(tmp_path / "student.keras")
    np.testing.assert_array_equal(loaded(x), some(x))


def test_a_student_with_a_stride_converts(tmp_path):
    student = dnn_student(4, 3, (2, 1), (8, 8), stride=2)
    x = np.random.default_rng(0).normal(size=(60, 30, 4)).astype("float32")
    report = convert(student, tmp_path, x)
    assert report.context == {"left": 2, "right": 1, "window": 4, "stride": 2}
    logits = Int8Student.load(tmp_path).predict(list(x))
    expected = np.array(student(x))
    assert np.shape(logits) == expected.shape == (60, 15, 3)
    assert np.abs(logits - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("stride", [0, 1.5])
def test_a_stride_is_a_positive_integer(stride):
    with pytest.raises(ValueError, match="`stride`. Expected an integer >= 1"):
        dnn_student(4, 3, stride=stride)


def test_a_time_delay_student_sees_three_frames_in_each_layer():
    student = tdnn_student(4, 3, units=(6, 5), steps=(1, 3))
    x = padded_batch((15,))
    w = [weight.astype("float64") for weight in student.get_weights()]
    hidden = x[0].astype("float64")
    for (kernel, bias), step in zip((w[0:2], w[2:4]), (1, 3), strict=True):
        places = np.arange(15)[:, None] + [-step, 0, step]
        frames = hidden[places.clip(0, 14)].reshape(15, -1)  # edges repeated
        hidden = np.maximum(frames @ kernel + bias, 0)
    expected = hidden @ w[4] + w[5]
    np.testing.assert_allclose(student(x)[0], expected, atol=1e-5)
    with pytest.raises(ValueError, match="Expected 2 numbers, one for each layer"):
        tdnn_student(4, 3, units=(6, 5), steps=(1,))


def test_the_teacher_drops_outputs_in_training_alone():
    teacher = rnn_teacher(4, 3, units=(6,), dropout=0.5)
    x = padded_batch((9,))
    np.testing.assert_array_equal(teacher(x), teacher(x, training=False))
    assert np.abs(teacher(x, training=True) - teacher(x)).max() > 1e-3


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError) as error:
        rnn_teacher(4, 3, cell="transformer")
    assert str(error.value) == (
        "Invalid value for `cell`. Expected one of ['gru', 'lstm', 'simple_rnn']. "
        "Received: cell='transformer'"
    )
    with pytest.raises(ValueError, match="`num_classes`. Expected positive integers"):
        dnn_student(4, 0)
    with pytest.raises(ValueError, match=r"`units`. .* Received: units=\(0,\)"):
        dnn_student(4, 3, units=(0,))
    with pytest.raises(ValueError, match="Expected a pair"):
        dnn_student(4, 3, context=(1,))


def test_integers_of_numpy_will_do():
    student = dnn_student(np.int64(4), np.int32(5), (np.int64(1), 2), (np.int64(8),))
    distiller = Distiller(rnn_teacher(4, 5), student, teacher_delay=np.int64(1))
    copy = Distiller.from_config(distiller.get_config())
    assert (copy.teacher_delay, type(copy.teacher_delay)) == (1, int)
    assert type(student.get_layer("dense_1").get_config()["left"]) is int
    json.loads(student.to_json())
