import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_rnn2dnn.distillation.loss_inputs import (
    SoftBatch,
    frame_weights,
    keep_weights,
    keras_mask,
    split_inputs,
    weighted_mean,
    without_stand_in,
)


def soft_batch(weights, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    weights = np.array(weights, "float32")
    soft, student = rng.normal(size=(2, *weights.shape, classes)).astype("float32")
    tensors = (ops.convert_to_tensor(a) for a in (soft, student, weights))
    return SoftBatch(*tensors, labels="labels")


@pytest.mark.parametrize("delay", [1, 2, 4])
def test_a_delay_pairs_each_frame_with_a_later_one(delay):
    weights = [[1, 1, 1, 1, 1, 1], [0.5, 0, 2, 1, 0, 0], [0, 0, 0, 0, 0, 0]]
    batch = soft_batch(weights)
    result = batch.delayed(delay)
    assert result.soft.shape == result.student.shape == (3, 6 - delay, 3)
    ends = (6, 4, 0)  # the frame after the last one that counts
    for u, end in enumerate(ends):
        for t in range(6 - delay):
            np.testing.assert_array_equal(result.soft[u, t], batch.soft[u, t + delay])
            np.testing.assert_array_equal(result.student[u, t], batch.student[u, t])
            expected = weights[u][t] if t + delay < end else 0
            assert float(result.weights[u, t]) == expected
    assert result.labels == "labels"


def test_no_delay_changes_nothing():
    batch = soft_batch([[1, 0]])
    assert batch.delayed(0) is batch


def test_agreement_is_1_where_the_best_classes_are_the_same():
    soft = np.array([[[1.0, 2, 3], [3, 2, 1], [0, 5, 1]]])
    student = np.array([[[0.1, 0, 0.2], [0, 1, 0], [0, 0.5, 0]]])
    agreement = SoftBatch(soft, student, np.ones((1, 3))).agreement()
    assert agreement.numpy().tolist() == [[1.0, 0.0, 1.0]]


def test_frame_weights_are_masks_times_weights():
    x = np.ones((2, 4, 2), "float32")
    x[0, 3:] = 0
    plain = keras.layers.Dense(3)(x)
    student = keras.layers.Masking()(x)
    x[1, 2:] = 0
    teacher = keras.layers.Masking()(x)
    assert keras_mask(plain) is None
    np.testing.assert_array_equal(frame_weights(plain, plain, None), np.ones((2, 4)))
    rows = np.array([[1, 1, 1, 0], [1, 1, 0, 0]])
    np.testing.assert_array_equal(frame_weights(student, teacher, None), rows)
    np.testing.assert_array_equal(frame_weights(plain, teacher, None), rows)
    weights = np.array([[0.5, 1, 2, 3], [4, 0, 1, 1]])
    result = frame_weights(student, teacher, weights)
    np.testing.assert_array_equal(result, rows * weights)
    for per_utterance in ([2.0, 3.0], [[2.0], [3.0]]):
        result = frame_weights(student, teacher, np.array(per_utterance))
        np.testing.assert_array_equal(result, rows * np.array([[2], [3]]))
    assert result.dtype == "float32"


def test_weights_of_unknown_shape_count_all_the_same():
    @tf.function(input_signature=[tf.TensorSpec(None), tf.TensorSpec((None, None, 3))])
    def compiled(weights, outputs):
        return frame_weights(outputs, outputs, weights)

    weights = np.array([[0.5, 1, 2, 3], [4, 0, 1, 1]], "float32")
    result = compiled(weights, np.zeros((2, 4, 3), "float32"))
    np.testing.assert_array_equal(result, weights)


@pytest.mark.parametrize("shape", [(2, 5), (3,), (3, 4), (4,), (2, 4, 1), ()])
def test_weights_of_another_shape_are_refused(shape):
    outputs = ops.zeros((2, 4, 3))
    with pytest.raises(ValueError) as error:
        frame_weights(outputs, outputs, np.ones(shape))
    assert str(error.value) == (
        "Invalid value for `sample_weight`. Expected the shape (batch,) or (batch, "
        f"frames) of the outputs, (2, 4). Received: sample_weight={shape}"
    )


def test_frames_without_weight_never_enter_the_mean():
    values = np.array([[1.0, 4.0, np.nan], [2.0, np.inf, 8.0]], "float32")
    weights = np.array([[1.0, 0.5, 0.0], [0.0, 0.0, 2.0]], "float32")
    expected = (1 * 1 + 0.5 * 4 + 2 * 8) / 3.5
    values, weights = ops.convert_to_tensor(values), ops.convert_to_tensor(weights)
    assert float(weighted_mean(values, weights)) == pytest.approx(expected, rel=1e-6)
    assert float(weighted_mean(values, 0 * weights)) == 0


def test_each_model_gets_its_own_input_where_there_are_two():
    assert split_inputs({"teacher": 1, "student": 2}) == (1, 2)
    other = {"teacher": 1, "features": 2}
    assert split_inputs(other) == (other, other)


def test_weights_without_labels_are_kept_by_a_stand_in():
    x, weights = np.zeros((4, 5, 3)), np.ones((4, 5))
    y, kept = keep_weights({"teacher": x, "student": x}, None, weights)
    assert kept is weights
    assert y.shape == (4, 0)
    assert without_stand_in(y) is None
    labels = np.zeros((4, 5), int)
    assert keep_weights(x, labels, weights) == (labels, weights)
    assert keep_weights(x, None, None) == (None, None)
    assert keep_weights(iter([x]), None, weights) == (None, weights)
    both = {"soft": x, "labels": labels}
    assert keep_weights(x, both, weights) == (
        both,
        {"soft": weights, "labels": weights},
    )
    for y in (labels, {"soft": x}, None):
        assert without_stand_in(y) is y
