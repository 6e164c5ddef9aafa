"""C code that runs the layers of a bundle by CMSIS-NN, for `benchmarks.cmsis_nn`.

Each layer reads one image and writes another, as in TensorFlow Lite Micro. What
CMSIS-NN asks for beside is shared, as large as that of the layer which asks for most.
"""

import numpy as np

from keras_rnn2dnn.deploy.c_tables import array
from keras_rnn2dnn.deploy.device.images.operators import (
    AVERAGE,
    CONV,
    DEPTHWISE,
    ImageNetwork,
    ImageOperator,
)
from keras_rnn2dnn.util.errors import invalid

KINDS = {CONV: "conv", DEPTHWISE: "dw_conv", AVERAGE: "pool"}
_HEAD = '#include "arm_nnfunctions.h"\n#include "network.h"\n\n'


def network_source(network: ImageNetwork) -> str:
    """Returns C with the function `network_run` of a bundle's `network.h`.

    Args:
        network: layers in a row: convolutions in one group, depthwise ones of as many
            outputs as inputs, average pooling, dense layers.

    Raises:
        ValueError: if it has other layers.
    """
    operators = network.operators
    tables, functions, calls = [], [], []
    for number, one in enumerate(operators):
        check(one, network.input if number == 0 else operators[number - 1].output)
        tables += tables_of(number, one)
        functions.append(function_of(number, one, is_dense(one, number, operators)))
        x = "input" if number == 0 else f"images[{(number - 1) % 2}]"
        y = "output" if number + 1 == len(operators) else f"images[{number % 2}]"
        calls.append(f"    layer_{number}({x}, {y});\n")
    sizes = [int(np.prod(one.geometry.output)) for one in operators[:-1]]
    memory = [
        f"static int8_t even[{max(sizes[::2], default=1)}];",
        f"static int8_t odd[{max(sizes[1::2], default=1)}];",
        "static int8_t *const images[2] = {even, odd};",
        f"static int32_t buffer[{max(map(buffer_bytes, operators)) // 4 or 1}];",
        "static const cmsis_nn_context context = {buffer, sizeof buffer};\n\n",
    ]
    head = (
        "void network_run(const int8_t *input, int8_t *output, network_scratch *unused)"
    )
    run = f"{head}\n{{\n    (void)unused;\n{''.join(calls)}}}\n"
    return "".join([_HEAD, *tables, "\n".join(memory), *functions, run])


def check(one: ImageOperator, source: int) -> None:
    """Refuses what this file has no call for."""
    same = one.geometry.size[2] == one.geometry.output[2]
    good = one.kind in KINDS and one.groups == 1 and one.inputs == (source,)
    if not good or (one.kind == DEPTHWISE and not same):
        expected = "convolutions, depthwise and dense layers and averages in a row"
        raise ValueError(invalid("--student", expected, one.name))


def is_dense(one, number, operators) -> bool:
    """Whether a convolution of one pixel was a dense layer: the last one."""
    last = number > 0 and number + 1 == len(operators)
    return one.kind == CONV and last and one.geometry.pixels == one.geometry.taps == 1


def buffer_bytes(one: ImageOperator) -> int:
    """Returns what the functions for cores with DSP ask for, as their sizes tell."""
    if one.kind == AVERAGE:
        return 4 * one.geometry.size[2]
    row = one.geometry.taps * one.geometry.size[2]
    if one.kind == DEPTHWISE:
        return 0 if one.geometry.kernel == (3, 3) else 2 * row
    pointwise = row == one.geometry.size[2] and one.geometry.strides == (1, 1)
    return 0 if pointwise else 4 * (-(-row // 4) * 4)


def tables_of(number: int, one: ImageOperator) -> list[str]:
    """Returns the constants of a layer, with the bias as TensorFlow Lite has it."""
    if one.weights is None:
        return []
    weights = one.weights.T if one.kind == DEPTHWISE else one.weights
    bias = one.bias + one.padding_value * one.weights.astype(np.int64).sum(axis=1)
    scales = [np.broadcast_to(v, bias.shape) for v in (one.multipliers, one.shifts)]
    values = {"bias": bias, "multipliers": scales[0], "shifts": scales[1]}
    return [
        array("int8_t", f"weights_{number}", weights.ravel()),
        *(array("int32_t", f"{name}_{number}", v) for name, v in values.items()),
    ]


def function_of(number: int, one: ImageOperator, dense: bool) -> str:
    """Returns the call of one layer."""
    g, kind = one.geometry, "fc" if dense else KINDS[one.kind]
    tiles = [f"{{{b}, {a}}}" for a, b in (g.strides, g.padding, g.dilation)]
    limits = f"{{{one.minimum}, {one.maximum}}}"
    offsets = [str(-one.padding_value), str(one.output_offset)]
    params = {
        "conv": [*offsets, *tiles, limits],
        "dw_conv": [*offsets, "1", *tiles, limits],
        "fc": [offsets[0], "0", offsets[1], limits],
        "pool": [*tiles[:2], limits],
    }[kind]
    (height, width), channels = g.kernel, 1 if kind == "dw_conv" else g.size[2]
    outputs = g.output[2]
    filters = {
        "conv": (outputs, height, width, channels),
        "dw_conv": (1, height, width, outputs),
        "fc": (channels, 1, 1, outputs),
        "pool": (1, height, width, 1),
    }[kind]
    sizes = {"in": (1, *g.size), "filter": filters, "out": (1, *g.output)}
    lines = [f"const cmsis_nn_{kind}_params params = {{{', '.join(params)}}};"]
    lines += [
        f"const cmsis_nn_dims {name} = {{{', '.join(map(str, size))}}};"
        for name, size in sizes.items()
    ]
    if kind == "pool":
        call = "arm_avgpool_s8(&context, &params, &in, x, &filter, &out, y);"
    else:
        quant = f"{{(int32_t *)multipliers_{number}, (int32_t *)shifts_{number}}}"
        lines.append(f"const cmsis_nn_per_channel_quant_params quant = {quant};")
        lines.append(f"const cmsis_nn_dims bias = {{1, 1, 1, {outputs}}};")
        call = {
            "conv": "arm_convolve_wrapper_s8",
            "dw_conv": "arm_depthwise_conv_wrapper_s8",
            "fc": "arm_fully_connected_per_channel_s8",
        }[kind]
        call += f"(&context, &params, &quant, &in, x, &filter, weights_{number},"
        call += f"\n        &bias, bias_{number}, &out, y);"
    body = "".join(f"    {line}\n" for line in [*lines, "", call])
    head = f"static void layer_{number}(const int8_t *x, int8_t *y)"
    return f"{head}\n{{\n{body}}}\n\n"
