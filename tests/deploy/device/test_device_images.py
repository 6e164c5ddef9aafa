import functools

import keras
import numpy as np
import pytest
from helpers.bundles import needs_cores
from helpers.clips import (
    ds_cnn,
    image,
    int8_network,
    random_windows,
    row,
    tc_resnet,
)

from keras_rnn2dnn.deploy.atomic_directory import write_all
from keras_rnn2dnn.deploy.bundle import Firmware
from keras_rnn2dnn.deploy.device.images.arena import distances, plan
from keras_rnn2dnn.deploy.device.images.operators import (
    AVERAGE,
    BLOCK,
    CONV,
    DEPTHWISE,
    Geometry,
    ImageOperator,
)
from keras_rnn2dnn.deploy.device.images.running import run_operator
from keras_rnn2dnn.deploy.device.layers import UnsupportedStudent
from keras_rnn2dnn.deploy.tflm import is_installed, run_tflm
from keras_rnn2dnn.deploy.toolchain import Workbench
from keras_rnn2dnn.quantization.operators import operators

L = keras.layers
needs_tflm = pytest.mark.skipif(
    not is_installed(), reason="tflite-micro is not installed"
)
STUDENTS = {
    "DS-CNN": ds_cnn,
    "TC-ResNet": tc_resnet,
    "strides, maxima": lambda: image(
        L.Conv2D(9, (3, 2), strides=(1, 2)), L.MaxPooling2D((2, 1), padding="same")
    ),
    "dilation, averages": lambda: image(
        L.Conv2D(6, 3, dilation_rate=(2, 1), padding="same", activation="relu6"),
        L.AveragePooling2D((3, 2), strides=2, padding="same"),
        L.Conv2D(17, (2, 3), padding="same"),
    ),
    "multiplied depth, groups": lambda: image(
        L.DepthwiseConv2D(3, depth_multiplier=4),
        L.DepthwiseConv2D((3, 1), depth_multiplier=2, dilation_rate=2),
        L.Conv2D(8, 3, groups=2, padding="same"),
    ),
    "depthwise, eleven channels": lambda: image(
        L.Conv2D(11, 3, padding="same"),
        L.DepthwiseConv2D((2, 3), padding="same"),
        L.DepthwiseConv2D(3, strides=2, padding="same", activation="relu"),
        L.DepthwiseConv2D(2, dilation_rate=2),
    ),
    "padding of its own": lambda: image(
        L.ZeroPadding2D(((2, 1), (0, 3))), L.Conv2D(5, 3), L.Flatten(), pooled=False
    ),
    "frames": lambda: row(
        L.Conv1D(19, 5, padding="causal", activation="relu"),
        L.DepthwiseConv1D(5, padding="same"),
        L.MaxPooling1D(2),
    ),
}


@functools.cache
def converted(name):
    return int8_network(STUDENTS[name]())


@needs_tflm
@pytest.mark.parametrize("name", STUDENTS)
def test_numpy_computes_what_tflm_does(name):
    tflite, network = converted(name)
    windows = random_windows(40)
    np.testing.assert_array_equal(network.run(windows), run_tflm(tflite, windows))


def on_target(tmp_path, network, tflite, windows, target, rounding="double"):
    parts = Firmware(network, None, None, None)
    write_all(tmp_path, parts.generated(tflite, operators(tflite), []))
    with Workbench(tmp_path, rounding=rounding) as bench:
        found = bench.run(target, "network", windows.tobytes())
    return np.frombuffer(found, np.int8).reshape(len(windows), -1)


@pytest.mark.parametrize("name", STUDENTS)
def test_c_computes_what_numpy_does(tmp_path, name):
    tflite, network = converted(name)
    windows = random_windows(40)
    found = on_target(tmp_path, network, tflite, windows, "sanitize")
    np.testing.assert_array_equal(found, network.run(windows))


def test_c_rounds_once_where_numpy_does(tmp_path):
    tflite, network = converted("TC-ResNet")
    windows = random_windows(40)
    found = on_target(tmp_path, network, tflite, windows, "host", "single")
    np.testing.assert_array_equal(found, network.run(windows, "single"))
    assert (found != network.run(windows)).any()


@needs_cores
@pytest.mark.parametrize("core", ["m4", "m55"])
@pytest.mark.parametrize(
    "name",
    [
        "DS-CNN",
        *(pytest.param(n, marks=pytest.mark.slow) for n in STUDENTS if n != "DS-CNN"),
    ],
)
def test_cores_compute_what_numpy_does(tmp_path, name, core):
    tflite, network = converted(name)
    windows = random_windows(20)
    found = on_target(tmp_path, network, tflite, windows, core)
    np.testing.assert_array_equal(found, network.run(windows))


def test_an_average_rounds_half_away_from_zero():
    geometry = Geometry((1, 2, 1), (1, 1, 1), (1, 2))
    operator = ImageOperator(AVERAGE, "mean", (0,), 1, geometry, 0, -128, 127)
    x = np.array([[1, 2], [-1, -2], [-3, -3], [-1, 0]], np.int8)
    assert run_operator(operator, [x]).ravel().tolist() == [2, -2, -3, -1]


def overlap(operator, before, backwards):
    """Whether a pixel is overwritten before the last that reads it is computed."""
    geometry = operator.geometry
    width, depth = geometry.size[2], geometry.output[2]
    block = BLOCK if operator.kind == CONV else 1
    blocks = [
        range(start, min(start + block, geometry.pixels))
        for start in range(0, geometry.pixels, block)
    ]
    overwritten = set()
    for pixels in blocks[::-1] if backwards else blocks:
        read = geometry.places()[list(pixels)]
        values = {place * width + k for place in read[read >= 0] for k in range(width)}
        written = {p * depth + k - before for p in pixels for k in range(depth)}
        if values & (overwritten | written):
            return True
        overwritten |= written
    return False


@pytest.mark.parametrize("kind", [CONV, DEPTHWISE])
@pytest.mark.parametrize(
    "geometry",
    [
        Geometry((7, 3, 4), (7, 3, 4), (3, 3), padding=(1, 1)),
        Geometry((7, 3, 4), (7, 3, 2)),
        Geometry((7, 3, 2), (7, 3, 5)),
        Geometry((9, 1, 4), (4, 1, 8), (3, 1), strides=(2, 1)),
        Geometry((9, 5, 2), (9, 5, 2), (3, 3), dilation=(2, 2), padding=(2, 2)),
    ],
)
def test_an_output_overwrites_its_input_as_closely_as_may_be(kind, geometry):
    operator = ImageOperator(kind, "x", (0,), 1, geometry, 0, -128, 127)
    before, behind = distances(operator)
    assert not overlap(operator, before, False)
    assert overlap(operator, before - 1, False)
    assert not overlap(operator, -behind, True)
    assert overlap(operator, -behind + 1, True)


def test_a_row_needs_little_more_than_its_largest_image():
    _, network = converted("DS-CNN")
    sizes = [np.prod(one.geometry.output) for one in network.layers.operators]
    assert max(sizes) < plan(network.layers).size < 1.5 * max(sizes)


def test_branches_that_live_at_the_same_time_lie_apart():
    _, network = converted("TC-ResNet")
    arena, found = plan(network.layers), network.layers.operators
    (sum_,) = [one for one in found if len(one.inputs) == 2]
    one, other = sum_.inputs
    sizes = {x.output: int(np.prod(x.geometry.output)) for x in found}
    low, high = sorted((arena.places[one], arena.places[other]))
    assert high - low >= min(sizes[one], sizes[other])


def test_products_are_counted():
    _, network = converted("DS-CNN")
    assert network.multiply_accumulates == (
        6 * 3 * 15 * 4 + 6 * 3 * 9 * 4 + 6 * 3 * 4 * 5 + 5 * 3
    )


def test_an_operator_that_the_c_code_lacks_is_named():
    student = row(L.Conv1D(4, 3), L.LeakyReLU())
    with pytest.raises(UnsupportedStudent, match=r"the operator LEAKY_RELU \("):
        int8_network(student)
