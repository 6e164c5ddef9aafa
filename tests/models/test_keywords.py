import itertools

import keras
import numpy as np
import pytest

from keras_rnn2dnn import Distiller, crnn_teacher, ds_cnn_student
from keras_rnn2dnn.quantization.window import window_model


def memory(size):
    """Weights, batch normalization folded, and two neighbouring images, in bytes."""
    model = window_model(ds_cnn_student(10, 12, size=size))[0]
    images = [one.output for one in model.layers if hasattr(one, "kernel_size")]
    sizes = [np.prod(image.shape) for image in images]
    pairs = [a + b for a, b in itertools.pairwise(sizes)]
    return model.count_params() + max(pairs)


def test_the_memory_is_that_of_the_paper():
    # "Hello Edge", table 5: kB of weights and activations
    kilobytes = [round(float(memory(size)) / 1000, 1) for size in "SML"]
    assert kilobytes == [38.6, 189.2, 497.6]


def test_the_small_one_has_the_shape_of_mlperf_tiny():
    model, field = window_model(ds_cnn_student(10, 12))
    convolutions = [one for one in model.layers if hasattr(one, "kernel_size")]
    assert {one.output.shape for one in convolutions} == {(1, 25, 5, 64)}
    assert (len(convolutions), field.window) == (9, 49)


@pytest.mark.parametrize(
    "model",
    [
        crnn_teacher(8, 3, filters=4, kernel=(3, 3), strides=(2, 2), units=(5, 4)),
        ds_cnn_student(8, 3, frames=12, dropout=0.1),
    ],
    ids=["teacher", "student"],
)
def test_models_come_back_from_their_file(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(2, 12, 8)).astype("float32")
    assert model(x).shape == (2, 3)
    np.testing.assert_array_equal(loaded(x), model(x))


def test_the_teacher_hears_clips_of_any_length():
    teacher = crnn_teacher(8, 3, filters=4, kernel=(3, 3), strides=(2, 2), units=(4,))
    assert teacher(np.zeros((1, 7, 8), "float32")).shape == (1, 3)
    assert teacher(np.zeros((2, 30, 8), "float32")).shape == (2, 3)


def test_the_student_learns_from_the_teacher():
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(32, 12, 8)).astype("float32")
    teacher = crnn_teacher(8, 3, filters=4, kernel=(3, 3), strides=(2, 2), units=(4,))
    for weight in teacher.weights:
        weight.assign(3 * weight)
    distiller = Distiller(teacher, ds_cnn_student(8, 3, frames=12))
    distiller.compile(keras.optimizers.Adam(3e-3))
    losses = distiller.fit(x, batch_size=16, epochs=6, verbose=0).history["kl"]
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ds_cnn_student(10, 12, size="XL"), "size.*'L', 'M', 'S'.*'XL'"),
        (lambda: ds_cnn_student(10, 12, frames=0), "frames.*a positive integer"),
        (lambda: ds_cnn_student(10, 0), "num_classes.*positive integers"),
        (lambda: crnn_teacher(10, 12, filters=0), "filters.*a positive integer"),
        (lambda: crnn_teacher(10, 12, kernel=(3,)), r"kernel.*pair \(frames, bins\)"),
        (lambda: crnn_teacher(10, 12, units=()), "units.*positive integers"),
    ],
)
def test_sizes_are_checked(call, message):
    with pytest.raises(ValueError, match=message):
        call()
