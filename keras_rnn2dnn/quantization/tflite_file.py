"""Reads the graph of a TensorFlow Lite file; needs no TensorFlow.

The format is that of FlatBuffers. Numbers of fields and codes are those of
`tensorflow/compiler/mlir/lite/schema/schema.fbs`, which only ever grows.
"""

import dataclasses
import struct
import types

import numpy as np

from keras_rnn2dnn.util.errors import invalid

INT32, INT64, INT16, INT8 = 2, 4, 7, 9  # types of tensors
SAME, VALID = 0, 1  # paddings
ACTIVATIONS = {0: "NONE", 1: "RELU", 3: "RELU6"}  # those that students have
# Names of the operators in the order of their codes.
_LISTED = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D
LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU
RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH
CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD
UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN
SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN
EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM
ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN
TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT
SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND
LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD
RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V
UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG
QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4
NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL
PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL
COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL
CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS
RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE
RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2
UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT
"""
_NAMES = _LISTED.split()
# Fields of options by the number of their kind: place, form, value where it is missing.
_ACTIVATION, _PADDING = "activation", "padding"
_STRIDES = {"stride_w": (1, "i", 0), "stride_h": (2, "i", 0)}
_WINDOW = {_PADDING: (0, "b", 0), **_STRIDES}
_OPTIONS = {
    1: _WINDOW  # Conv2D
    | {_ACTIVATION: (3, "b", 0), "dilation_w": (4, "i", 1), "dilation_h": (5, "i", 1)},
    2: _WINDOW  # DepthwiseConv2D
    | {_ACTIVATION: (4, "b", 0), "dilation_w": (5, "i", 1), "dilation_h": (6, "i", 1)},
    5: _WINDOW  # Pool2D
    | {_ACTIVATION: (5, "b", 0), "filter_w": (3, "i", 0), "filter_h": (4, "i", 0)},
    8: {_ACTIVATION: (0, "b", 0)},  # FullyConnected
    11: {_ACTIVATION: (0, "b", 0)},  # Add
}


@dataclasses.dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of a graph.

    Args:
        name: of it.
        shape: of it, with the batch.
        type: such as `INT8`.
        data: of a constant, uint8; None of what is computed.
        scales: of its quantization, float32: one, one for each channel, or none.
        zero_points: likewise, int64.
    """

    name: str
    shape: tuple[int, ...]
    type: int
    data: np.ndarray | None
    scales: np.ndarray
    zero_points: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Operator:
    """An operator of a graph.

    Args:
        kind: its name, such as `"CONV_2D"`.
        inputs: numbers of tensors; -1 for one that is left out.
        outputs: numbers of tensors.
        options: `activation`, and of windows `padding`, `stride_h`, `stride_w`,
            `dilation_h`, `dilation_w`, `filter_h`, `filter_w`; empty where the code
            here knows none.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: types.SimpleNamespace


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """The graph of a file.

    Args:
        inputs: numbers of tensors.
        outputs: numbers of tensors.
        tensors: all of them.
        operators: in the order in which they run.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]


def read_graph(tflite: bytes) -> Graph:
    """Reads a file of one graph.

    Args:
        tflite: the file.

    Raises:
        ValueError: if it is none, or is damaged.
    """
    if tflite[4:8] == b"TFL3":
        try:
            return _graph(_Table(tflite, _offset(tflite, 0)))
        except (struct.error, IndexError, ValueError, AttributeError):
            pass
    received = f"{len(tflite)} bytes"
    raise ValueError(invalid("tflite", "a whole TensorFlow Lite file", received))


def _graph(model):
    graph = model.tables(2)[0]
    buffers = [buffer.array(0, "u1") for buffer in model.tables(4)]
    # Small codes stand in the field of the first versions of the format alone.
    codes = [max(c.number(0, "b"), c.number(3, "i")) for c in model.tables(1)]
    return Graph(
        graph.numbers(1),
        graph.numbers(2),
        tuple(_tensor(one, buffers) for one in graph.tables(0)),
        tuple(_operator(one, codes) for one in graph.tables(3)),
    )


def _tensor(table, buffers):
    data, quantization = buffers[table.number(2, "I")], table.table(4)
    none = np.zeros(0)
    return Tensor(
        name=table.text(3),
        shape=table.numbers(0),
        type=table.number(1, "b"),
        data=data if len(data) else None,
        scales=quantization.array(2, "<f4") if quantization else none,
        zero_points=quantization.array(3, "<i8") if quantization else none,
    )


def _operator(table, codes):
    code = codes[table.number(0, "I")]
    kind = _NAMES[code] if code < len(_NAMES) else f"of code {code}"
    options, fields = table.table(4), _OPTIONS.get(table.number(3, "B"), {})
    found = {
        name: options.number(*place) if options else place[2]
        for name, place in fields.items()
    }
    named = types.SimpleNamespace(**found)
    return Operator(kind, table.numbers(1), table.numbers(2), named)


def _offset(data, place):
    return place + struct.unpack_from("<I", data, place)[0]


class _Table:
    """A table of FlatBuffers: its fields lie where another table, before it, says."""

    def __init__(self, data, place):
        self._data, self._place = data, place
        self._fields = place - struct.unpack_from("<i", data, place)[0]
        self._size = struct.unpack_from("<H", data, self._fields)[0]

    def _at(self, field):
        """Returns where a field lies, or None where it is left out."""
        place = 4 + 2 * field
        if place >= self._size:
            return None
        found = struct.unpack_from("<H", self._data, self._fields + place)[0]
        return self._place + found if found else None

    def number(self, field, form, missing=0):
        """Returns a number; `form` as of `struct`."""
        at = self._at(field)
        return (
            missing if at is None else struct.unpack_from(f"<{form}", self._data, at)[0]
        )

    def table(self, field):
        """Returns a table, or None."""
        at = self._at(field)
        return None if at is None else _Table(self._data, _offset(self._data, at))

    def array(self, field, kind):
        """Returns a vector of numbers of a numpy type, empty where it is left out."""
        at = self._at(field)
        if at is None:
            return np.zeros(0, kind)
        start = _offset(self._data, at)
        count = struct.unpack_from("<I", self._data, start)[0]
        return np.frombuffer(self._data, kind, count, start + 4)

    def numbers(self, field):
        """Returns a vector of int32 as a tuple."""
        return tuple(self.array(field, "<i4").tolist())

    def text(self, field):
        """Returns a string."""
        return self.array(field, "u1").tobytes().decode()

    def tables(self, field):
        """Returns a vector of tables."""
        at = self._at(field)
        if at is None:
            return []
        start = _offset(self._data, at)
        count = struct.unpack_from("<I", self._data, start)[0]
        places = range(start + 4, start + 4 + 4 * count, 4)
        return [_Table(self._data, _offset(self._data, place)) for place in places]
