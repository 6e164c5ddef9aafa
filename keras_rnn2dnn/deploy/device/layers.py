"""The layers of a converted student, read from its file, as the C code runs them."""

import dataclasses
import math
from typing import Any

import numpy as np

from keras_rnn2dnn.quantization import tflite_file
from keras_rnn2dnn.quantization.receptive_field import ReceptiveField

_INT32 = 2**31
_ACTIVATIONS = {"NONE": None, "RELU": math.inf, "RELU6": 6.0}  # the highest value
_ALLOWED = (
    "FULLY_CONNECTED, CONV_2D, DEPTHWISE_CONV_2D, AVERAGE_POOL_2D, MAX_POOL_2D, ADD "
    "and RESHAPE, with ReLU or ReLU6"
)


class UnsupportedStudent(ValueError):
    """A student that the C code does not run, though TensorFlow Lite Micro may."""


@dataclasses.dataclass(frozen=True, eq=False)
class Int8Layer:
    """A dense layer or a convolution over frames, in int8.

    An output frame reads `taps` pieces of `tap_length` values, `tap_step` apart; the
    next frame lies `frame_step` values further. A dense layer has one frame and tap.

    Args:
        name: of its output tensor.
        weights: `(outputs, taps * tap_length)`, int8.
        bias: `(outputs,)`, int64, the offset of the input folded in.
        multipliers: `(outputs,)`, or `(1,)` where the weights have one scale, int64.
        shifts: the same shape, int64: a scale is `multiplier / 2^31 * 2^shift`.
        frames: output frames in one context window.
        taps: pieces of the input.
        tap_length: values in a piece.
        tap_step: values from piece to piece.
        frame_step: values from output frame to output frame.
        output_offset: zero point of the output.
        minimum: lower limit of the output, of ReLU or of int8.
        maximum: upper limit.
    """

    name: str
    weights: np.ndarray
    bias: np.ndarray
    multipliers: np.ndarray
    shifts: np.ndarray
    frames: int
    taps: int
    tap_length: int
    tap_step: int
    frame_step: int
    output_offset: int
    minimum: int
    maximum: int

    @property
    def outputs(self) -> int:
        """Values of an output frame."""
        return len(self.weights)

    @property
    def multiply_accumulates(self) -> int:
        """Products in one context window."""
        return self.weights.size * self.frames


def read_layers(tflite: bytes) -> list[Int8Layer]:
    """Reads the layers of an int8 student.

    Args:
        tflite: the file of `quantize`.

    Returns:
        The layers in the order they run.

    Raises:
        UnsupportedStudent: if the C code does not run one of its operators; names it.
    """
    graph = tflite_file.read_graph(tflite)
    layers, current = [], graph.inputs[0]
    for operator in graph.operators:
        kind, name = operator.kind, graph.tensors[operator.outputs[0]].name
        if kind not in ("FULLY_CONNECTED", "CONV_2D", "RESHAPE"):
            refuse(f"the operator {kind} ({name})")
        if operator.inputs[0] != current:
            refuse(f"a branch before {kind} ({name}), not a plain row of layers")
        if kind != "RESHAPE":
            layers.append(_layer(graph, operator, kind, name))
        current = operator.outputs[0]
    return layers


def refuse(what: str) -> None:
    """Raises UnsupportedStudent."""
    raise UnsupportedStudent(
        f"The C code of the bundle does not run {what}. It runs {_ALLOWED}. Rebuild "
        "the student of such layers, or run student.tflite in TensorFlow Lite Micro"
    )


def _layer(graph, operator, kind, name):
    tensors = graph.tensors
    x, kernel, output = (
        tensors[k] for k in (*operator.inputs[:2], operator.outputs[0])
    )
    weights = tensor_values(kernel, np.int8).reshape(kernel.shape[0], -1)
    sums = sums_of(graph, operator, weights, f"{kind} ({name})")
    geometry = _geometry(x, kernel, output, operator.options, kind, name)
    names = ("frames", "taps", "tap_length", "tap_step", "frame_step")
    return Int8Layer(name=name, **sums, **dict(zip(names, geometry, strict=True)))


def sums_of(graph, operator, weights: np.ndarray, what: str) -> dict[str, Any]:
    """Returns how the outputs of an operator come of its weights.

    Args:
        graph: of the file.
        operator: with weights.
        weights: int8 `(outputs, products of each)`.
        what: it is, for errors.

    Returns:
        `weights`, `bias`, `multipliers`, `shifts`, `output_offset`, `minimum` and
        `maximum`, as of `Int8Layer`.

    Raises:
        UnsupportedStudent: if it is not of int8, has another activation than ReLU and
            ReLU6, or its sums could overflow.
    """
    tensors = graph.tensors
    x, kernel, output = (
        tensors[k] for k in (*operator.inputs[:2], operator.outputs[0])
    )
    if x.type != tflite_file.INT8 or kernel.type != tflite_file.INT8:
        refuse(f"{what} with other types than int8")
    bias = np.zeros(len(weights), np.int64)
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        bias += tensor_values(tensors[operator.inputs[2]], np.int32)
    scale, zero_point = quantization(x)
    output_scale = quantization(output)[0]
    # As TensorFlow Lite does: the product of the two float32 scales in double.
    scales = [scale * float(s) / output_scale for s in kernel.scales]
    multipliers, shifts = zip(*map(quantized_multiplier, scales), strict=True)
    found = {
        "weights": weights,
        "bias": bias - zero_point * weights.astype(np.int64).sum(axis=1),
        "multipliers": np.array(multipliers, np.int64),
        "shifts": np.array(shifts, np.int64),
    }
    _check_range(**found, what=what)
    return found | output_limits(output, operator.options, what)


def output_limits(output, options, what: str) -> dict[str, int]:
    """Returns `output_offset`, `minimum` and `maximum` of an operator's output."""
    activation = tflite_file.ACTIVATIONS.get(options.activation)
    if activation is None:
        refuse(f"the activation of {what}")
    scale, offset = quantization(output)
    highest = _ACTIVATIONS[activation]
    return {
        "output_offset": offset,
        "minimum": -128 if highest is None else max(-128, offset),
        "maximum": _upper_limit(highest, scale, offset),
    }


def tensor_values(tensor, kind) -> np.ndarray:
    """Returns the values of a constant tensor."""
    return tensor.data.view(kind)


def quantization(tensor) -> tuple[float, int]:
    """Returns scale and zero point of a tensor."""
    return float(tensor.scales[0]), int(tensor.zero_points[0])


def _upper_limit(highest, scale, offset):
    if highest is None or math.isinf(highest):
        return 127
    # Rounded as TensorFlow Lite rounds it, in float32, half away from zero.
    steps = float(np.float32(highest) / np.float32(scale))
    return min(127, offset + math.floor(steps + 0.5))


def _geometry(x, kernel, output, options, kind, name):
    """Returns frames, taps, tap_length, tap_step, frame_step."""
    if kind == "FULLY_CONNECTED":
        if int(np.prod(x.shape)) != kernel.shape[1]:
            refuse(f"{kind} ({name}) on several frames")
        return 1, 1, int(kernel.shape[1]), int(kernel.shape[1]), 0
    _, height, width, channels = map(int, kernel.shape)
    if options.padding != tflite_file.VALID:
        refuse(f"{kind} ({name}) with padding")
    if width != 1 or x.shape[2] != 1 or channels != x.shape[3]:
        refuse(f"{kind} ({name}) over two axes, or in groups")
    taps, length, dilation = height, channels, int(options.dilation_h)
    if dilation == 1:  # the taps lie side by side
        taps, length = 1, height * channels
    frame_step = int(options.stride_h) * channels
    return int(output.shape[1]), taps, length, dilation * channels, frame_step


def _check_range(weights, bias, multipliers, shifts, what):
    """Refuses what could overflow 32 bits, whatever the input.

    A unit with weights of 0 may have a bias of 2^30 and a tiny scale, as TensorFlow
    Lite makes them: so the limits are those of the C code's arithmetic, no closer.
    """
    left, right = np.maximum(shifts, 0), np.maximum(-shifts, 0)
    reach = 128 * np.abs(weights.astype(np.int64)).sum(axis=1)
    reach = (reach + np.abs(bias)) << left
    if reach.max() < _INT32 and left.max() < 31:
        # Rounding adds half a step of the shift before it, the offset at most 128.
        scaled = (reach * multipliers + (1 << 30) >> 31) + ((1 << right) >> 1)
        if scaled.max() + 128 < _INT32:
            return
    refuse(f"{what}: its sums do not fit into 31 bits")


def streaming_spans(
    layers: list[Int8Layer], field: ReceptiveField, num_features: int
) -> list[int] | None:
    """Returns the values that each layer keeps to compute its newest frame alone.

    Args:
        layers: of `read_layers`.
        field: context of the student.
        num_features: features of a frame.

    Returns:
        For each layer the frames it reads for one output frame, times their width; or
        None where a stride keeps the frames of one window from serving the next.
    """
    frames, channels, spans = field.window, num_features, []
    for layer in layers:
        if field.stride > 1 or (layer.frames > 1 and layer.frame_step != channels):
            return None
        spans.append((frames - layer.frames + 1) * channels)
        frames, channels = layer.frames, layer.outputs
    return spans


def quantized_multiplier(scale: float) -> tuple[int, int]:
    """Returns `(multiplier, shift)` with scale = multiplier / 2^31 * 2^shift.

    The rounding is TensorFlow Lite's (`QuantizeMultiplier`): a mantissa of 31 bits.

    Example:
        >>> quantized_multiplier(0.75), quantized_multiplier(0.25)
        ((1610612736, 0), (1073741824, -1))
    """
    mantissa, shift = math.frexp(scale)
    multiplier = math.floor(mantissa * _INT32 + 0.5)
    if multiplier == _INT32:
        multiplier, shift = multiplier // 2, shift + 1
    return (multiplier, shift) if multiplier and shift >= -31 else (0, 0)
