import re

import keras
import numpy as np
import pytest
from helpers.clips import ds_cnn, image, int8_network, tc_resnet

from benchmarks.cmsis_network import network_source
from benchmarks.cmsis_nn import cmsis_sources
from keras_rnn2dnn.quantization.tflite_file import read_graph

L = keras.layers


def constants(source, name):
    """The values of a constant array."""
    found = re.search(rf"const \w+ {name}\[\d+\] = {{(.*?)}};", source, re.DOTALL)
    return np.array([int(value) for value in found[1].split(",")])


def test_cmsis_nn_is_given_the_weights_and_biases_of_the_file():
    tflite, network = int8_network(ds_cnn())
    source = network_source(network.layers)
    graph, number = read_graph(tflite), 0
    for operator in graph.operators:
        if len(operator.inputs) > 2:
            _, kernel, bias = (graph.tensors[k] for k in operator.inputs)
            weights = constants(source, f"weights_{number}")
            np.testing.assert_array_equal(weights, kernel.data.view(np.int8).ravel())
            values = constants(source, f"bias_{number}")
            np.testing.assert_array_equal(values, bias.data.view(np.int32))
        number += operator.kind != "RESHAPE"
    assert number == len(network.layers.operators) == 5


def test_the_calls_have_the_sizes_of_the_layers():
    source = network_source(int8_network(ds_cnn())[1].layers)
    calls = re.findall(r"arm_\w+(?=\()", source)
    assert calls == [
        "arm_convolve_wrapper_s8",
        "arm_depthwise_conv_wrapper_s8",
        "arm_convolve_wrapper_s8",
        "arm_avgpool_s8",
        "arm_fully_connected_per_channel_s8",
    ]
    first = source[source.index("layer_0(") : source.index("layer_1(")]
    assert "in = {1, 12, 6, 1};" in first  # height, width, channels
    assert "filter = {4, 5, 3, 1};" in first
    assert "out = {1, 6, 3, 4};" in first
    assert "{2, 2}, {0, 1}, {1, 1}, {" in first  # padding: (horizontal, vertical)
    # Two columns of 5 x 3 values, in whole words, as 16 bits: 4 * 16 bytes.
    assert "static int32_t buffer[16];" in source
    assert "static int8_t even[90];" in source  # 6 x 3 x 5, of the third layer
    assert "static int8_t odd[72];" in source  # 6 x 3 x 4, of the second one


def multiplied():
    return image(L.Conv2D(2, 3), L.DepthwiseConv2D(3, depth_multiplier=2))


@pytest.mark.parametrize("student", [tc_resnet, multiplied])
def test_other_layers_are_refused(student):
    network = int8_network(student())[1]
    with pytest.raises(ValueError, match="--student.*layers and averages in a row"):
        network_source(network.layers)


def test_what_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--cmsis.*Include/arm_nnfunctions.h.*clone"):
        cmsis_sources(tmp_path)
    (tmp_path / "Include").mkdir()
    (tmp_path / "Include" / "arm_nnfunctions.h").touch()
    folder = tmp_path / "Source" / "ConvolutionFunctions"
    folder.mkdir(parents=True)
    for name in ("arm_convolve_wrapper_s8", "arm_convolve_f16"):
        (folder / f"{name}.c").touch()
    assert cmsis_sources(tmp_path) == [folder / "arm_convolve_wrapper_s8.c"]
