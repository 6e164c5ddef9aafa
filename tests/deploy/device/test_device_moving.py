"""Rows that a window has in common with the one before it, by computing both."""

import numpy as np
import pytest
from helpers.clips import BINS, FRAMES, L, ds_cnn, image, int8_network, tc_resnet

from keras_rnn2dnn import ds_cnn_student
from keras_rnn2dnn.deploy import window_model
from keras_rnn2dnn.deploy.device.images.moving import moving
from keras_rnn2dnn.deploy.device.images.reading import read_images
from keras_rnn2dnn.deploy.device.images.running import run_operator
from keras_rnn2dnn.quantization.quantize import quantize

STUDENTS = {
    "same": (ds_cnn(), 2),
    "valid": (image(L.Conv2D(4, 3), L.MaxPooling2D((2, 1))), 2),
    "dilated": (image(L.Conv2D(3, 3, dilation_rate=(2, 1)), L.Conv2D(2, (2, 3))), 1),
    "strided": (image(L.Conv2D(3, 2), L.AveragePooling2D((3, 2), (3, 2))), 3),
    "one by one": (image(L.Conv2D(3, (1, 6)), L.DepthwiseConv2D((2, 1))), 5),
}


def images(network, window):
    """All outputs for a window, `(rows, columns, channels)` of each operator."""
    tensors, found = {network.input: window.reshape(1, -1)}, []
    for one in network.operators:
        tensors[one.output] = run_operator(one, [tensors[k] for k in one.inputs])
        found.append(tensors[one.output].reshape(one.geometry.output))
    return found


@pytest.mark.parametrize("name", STUDENTS)
def test_rows_are_those_of_the_window_before(name):
    student, step = STUDENTS[name]
    network = int8_network(student)[1].layers
    plan = moving(network, FRAMES, step)
    rng = np.random.default_rng(0)
    frames = rng.integers(-128, 128, (FRAMES + step, BINS)).astype(np.int8)
    before, after = images(network, frames[:-step]), images(network, frames[step:])
    same = 0
    for rows, old, new in zip(plan.rows, before, after, strict=True):
        kept = np.arange(rows.first, rows.end)
        np.testing.assert_array_equal(new[kept], old[kept + rows.shift])
        same += len(kept)
    assert same >= 4
    assert plan.rows[-1].place is None  # the logits


def test_half_of_a_ds_cnn_is_the_same_when_the_stride_divides_the_step():
    model, field = window_model(ds_cnn_student(10, 12), 49)
    clips = np.random.default_rng(0).normal(size=(60, 49, 10)).astype("float32")
    network = read_images(quantize(model, clips))
    plan = moving(network, field.window, 6)
    # Padding of 4 frames before the clip and 5 behind it reaches into 2 and 3 rows of
    # 25, and one row more with each layer; three rows are new.
    kept = [(rows.first, rows.end) for rows in plan.rows[::2]]
    assert kept[:5] == [(2 + k, 19 - k) for k in range(5)]
    new = [8 + 2 * k for k in range(5)]
    products = [40 * 64, *[(9 + 64) * 64] * 4]
    rest = sum(5 * rows * count for rows, count in zip(new, products, strict=True))
    assert plan.multiply_accumulates == rest + 12 * 64 == 1_317_888
    assert plan.size == 5 * 25 * 5 * 64
    assert moving(network, field.window, 5) is None
    assert moving(network, field.window, 40) is None


def test_branches_are_not_kept():
    network = int8_network(tc_resnet())[1].layers
    assert moving(network, FRAMES, 2) is None
