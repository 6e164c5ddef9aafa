"""Reads networks of two-dimensional operators from TensorFlow Lite files."""

import dataclasses
import math

import numpy as np

from keras_rnn2dnn.deploy.device.images import operators as kinds
from keras_rnn2dnn.deploy.device.images.operators import (
    Geometry,
    ImageNetwork,
    ImageOperator,
)
from keras_rnn2dnn.deploy.device.layers import (
    output_limits,
    quantization,
    quantized_multiplier,
    refuse,
    sums_of,
    tensor_values,
)
from keras_rnn2dnn.quantization import tflite_file

_ADD_SHIFT = 20  # bits by which TensorFlow Lite widens what it adds
_LARGEST = 2**16 - 1  # of a size in the C code


def read_images(tflite: bytes) -> ImageNetwork:
    """Reads the operators of an int8 student.

    Args:
        tflite: the file of `quantize`.

    Returns:
        The network.

    Raises:
        UnsupportedStudent: if the C code does not run one of its operators; names it.
    """
    return _Reader(tflite).network()


class _Reader:
    def __init__(self, tflite):
        self._graph = tflite_file.read_graph(tflite)
        self._same = {}  # tensors with the values of others, in another shape
        self._padded = {}  # tensors of a PAD: what it reads, and pixels before it
        self._read = {
            "ADD": self._add,
            "AVERAGE_POOL_2D": self._pool,
            "CONV_2D": self._conv,
            "DEPTHWISE_CONV_2D": self._depthwise,
            "FULLY_CONNECTED": self._dense,
            "MAX_POOL_2D": self._pool,
        }

    def network(self) -> ImageNetwork:
        found = []
        for operator in self._graph.operators:
            kind, output = operator.kind, operator.outputs[0]
            name = self._graph.tensors[output].name
            if kind == "RESHAPE":
                self._same[output] = self._source(operator.inputs[0])
            elif kind == "PAD":
                self._pad(operator, name)
            elif kind in self._read:
                found.append(self._read[kind](operator, kind, name))
            else:
                refuse(f"the operator {kind} ({name})")
        if not found or self._source(self._graph.outputs[0]) != found[-1].output:
            refuse("a network whose last operator does not give its output")
        return ImageNetwork(tuple(found), self._graph.inputs[0])

    def _source(self, tensor):
        return self._same.get(tensor, tensor)

    def _tensor(self, index):
        return self._graph.tensors[index]

    def _pad(self, operator, name):
        amounts = tensor_values(self._tensor(operator.inputs[1]), np.int32)
        amounts = amounts.reshape(-1, 2)
        x, output = operator.inputs[0], operator.outputs[0]
        readers = [one for one in self._graph.operators if output in one.inputs]
        if len(amounts) != 4 or amounts[[0, 3]].any() or len(readers) != 1:
            refuse(f"the padding PAD ({name})")
        self._padded[output] = x, (int(amounts[1, 0]), int(amounts[2, 0]))

    def _unpadded(self, index, what):
        """Returns the tensor that is read, its size, and the pixels put before it."""
        index, padding = self._padded.get(index, (index, (0, 0)))
        tensor = self._tensor(index)
        sizes = tuple(int(n) for n in tensor.shape[1:])
        if len(sizes) != 3:
            refuse(f"{what} on a tensor of shape {tuple(tensor.shape)}")
        return index, sizes, padding

    def _output_size(self, operator):
        sizes = tuple(int(n) for n in self._tensor(operator.outputs[0]).shape[1:])
        return (*(1,) * (3 - len(sizes)), *sizes)

    def _geometry(self, operator, kernel, dilation, what):
        """Returns the tensor that is read, and the geometry."""
        options = operator.options
        index, size, padding = self._unpadded(operator.inputs[0], what)
        output = self._output_size(operator)
        strides = int(options.stride_h), int(options.stride_w)
        if options.padding == tflite_file.SAME:
            if padding != (0, 0):
                refuse(f"{what}, padded twice")
            padding = tuple(
                max(0, (output[k] - 1) * strides[k] + reach - size[k]) // 2
                for k, reach in enumerate(
                    (kernel[k] - 1) * dilation[k] + 1 for k in range(2)
                )
            )
        geometry = Geometry(size, output, kernel, strides, dilation, padding)
        if max(*size, *output, *kernel, *strides, *dilation) > _LARGEST:
            refuse(f"{what}, whose sizes do not fit into 16 bits")
        return index, geometry

    def _operator(self, kind, operator, index, geometry, **more):
        return ImageOperator(
            kind=kind,
            name=self._tensor(operator.outputs[0]).name,
            inputs=(self._source(index),),
            output=operator.outputs[0],
            geometry=geometry,
            padding_value=quantization(self._tensor(index))[1],
            **more,
        )

    def _dense(self, operator, kind, name):
        what, index = f"the operator {kind} ({name})", operator.inputs[0]
        x, kernel = self._tensor(index), self._tensor(operator.inputs[1])
        outputs, values = map(int, kernel.shape)
        if math.prod(map(int, x.shape)) != values or index in self._padded:
            refuse(f"{what} on several frames")
        weights = tensor_values(kernel, np.int8).reshape(outputs, values)
        sums = sums_of(self._graph, operator, weights, what)
        geometry = Geometry((1, 1, values), (1, 1, outputs))
        return self._operator(kinds.CONV, operator, index, geometry, **sums)

    def _kernel(self, operator, what):
        """Returns the weights, their size, and where they lie."""
        kernel = self._tensor(operator.inputs[1])
        options = operator.options
        dilation = int(options.dilation_h), int(options.dilation_w)
        shape = tuple(map(int, kernel.shape))
        weights = tensor_values(kernel, np.int8).reshape(shape)
        return weights, *self._geometry(operator, shape[1:3], dilation, what)

    def _conv(self, operator, kind, name):
        what = f"the operator {kind} ({name})"
        weights, index, geometry = self._kernel(operator, what)
        groups = geometry.size[2] // weights.shape[3]
        weights = weights.reshape(len(weights), -1)
        sums = sums_of(self._graph, operator, weights, what)
        return self._operator(
            kinds.CONV, operator, index, geometry, groups=groups, **sums
        )

    def _depthwise(self, operator, kind, name):
        what = f"the operator {kind} ({name})"
        weights, index, geometry = self._kernel(operator, what)
        weights = weights.reshape(geometry.taps, -1).T
        sums = sums_of(self._graph, operator, weights, what)
        # Of one channel it is a convolution like others.
        code = kinds.CONV if geometry.size[2] == 1 else kinds.DEPTHWISE
        return self._operator(code, operator, index, geometry, **sums)

    def _pool(self, operator, kind, name):
        what, options = f"the operator {kind} ({name})", operator.options
        if operator.inputs[0] in self._padded:
            refuse(f"{what} behind a padding of its own")
        kernel = int(options.filter_h), int(options.filter_w)
        index, geometry = self._geometry(operator, kernel, (1, 1), what)
        x, output = self._tensor(index), self._tensor(operator.outputs[0])
        if x.type != tflite_file.INT8:
            refuse(f"{what} with other types than int8")
        code = kinds.AVERAGE if kind == "AVERAGE_POOL_2D" else kinds.MAXIMUM
        limits = output_limits(output, options, what)
        return self._operator(code, operator, index, geometry, **limits)

    def _add(self, operator, kind, name):
        what = f"the operator {kind} ({name})"
        pair = [self._tensor(k) for k in operator.inputs[:2]]
        output = self._tensor(operator.outputs[0])
        shapes = {tuple(map(int, one.shape)) for one in (*pair, output)}
        padded = any(k in self._padded for k in operator.inputs)
        if len(shapes) != 1 or pair[0].type != tflite_file.INT8 or padded:
            refuse(f"{what} of tensors of different shapes, or of a constant")
        if any(one.data is not None for one in pair):
            refuse(f"{what} with a constant")
        scales = [quantization(one)[0] for one in pair]
        largest = 2 * max(scales)
        scales = [scale / largest for scale in scales]
        scales.append(largest / (2**_ADD_SHIFT * quantization(output)[0]))
        multipliers, shifts = zip(*map(quantized_multiplier, scales), strict=True)
        if max(shifts) > 0:
            refuse(f"{what} whose output has steps far below those of its inputs")
        size = self._output_size(operator)
        found = self._operator(
            kinds.ADD,
            operator,
            operator.inputs[0],
            Geometry(size, size),
            multipliers=np.array(multipliers, np.int64),
            shifts=np.array(shifts, np.int64),
            offsets=tuple(quantization(one)[1] for one in pair),
            **output_limits(output, operator.options, what),
        )
        sources = tuple(self._source(k) for k in operator.inputs[:2])
        return dataclasses.replace(found, inputs=sources)
