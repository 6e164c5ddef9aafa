"""`model.h` of a network of two-dimensional operators."""

from keras_rnn2dnn.deploy.c_tables import array, header, network_sizes
from keras_rnn2dnn.deploy.device.images.arena import Arena, plan
from keras_rnn2dnn.deploy.device.images.moving import Moving
from keras_rnn2dnn.deploy.device.images.operators import (
    ADD,
    DEPTHWISE,
    ImageNetwork,
    ImageOperator,
)
from keras_rnn2dnn.quantization.receptive_field import ReceptiveField

_OUTSIDE = 2**32 - 1
_LAYER = """typedef struct {
    const int8_t *weights; /* outputs x taps x channels; of DEPTHWISE taps x outputs */
    const int32_t *bias;        /* the offset of the input folded in */
    const int32_t *multipliers; /* one for each output, or one */
    const int8_t *shifts;
    uint32_t inputs[2]; /* places in the arena, or NETWORK_OUTSIDE */
    uint32_t output;
    int32_t output_offset;
    int32_t minimum;
    int32_t maximum;
    uint16_t height; /* of the input */
    uint16_t width;
    uint16_t channels;
    uint16_t out_height;
    uint16_t out_width;
    uint16_t outputs; /* channels of the output */
    uint16_t taps_y;
    uint16_t taps_x;
    uint16_t stride_y;
    uint16_t stride_x;
    uint16_t dilation_y;
    uint16_t dilation_x;
    uint16_t pad_top;
    uint16_t pad_left;
    uint16_t groups;
    int8_t padding;      /* the value of pixels beyond the edges */
    uint8_t kind;        /* see network_images.c */
    uint8_t per_channel; /* 1 where each output has its own multiplier, else 0 */
    uint8_t backwards;   /* whether it begins with its last pixel */
    uint8_t is_padded;   /* whether an output reads pixels beyond the edges */
    uint8_t is_row;      /* whether all that an output reads lies side by side */
    uint8_t pairs;       /* whether two pixels may be computed side by side */
    uint8_t is_simple;   /* whether shifts go to the right, and 30 bits hold all sums */
} network_layer;
"""
_ROWS = """typedef struct {
    uint32_t first; /* row that is one of the window before, */
    uint32_t end;   /* up to, not with, this one */
    uint32_t shift; /* rows by which they have moved */
    uint32_t place; /* of the image in `kept`, or NETWORK_OUTSIDE */
} network_rows;
"""


def images_header(
    network: ImageNetwork,
    field: ReceptiveField,
    num_features: int,
    output_quantization: tuple[float, int],
    ram_bytes: int | None,
    kept: Moving | None = None,
) -> str:
    """Returns `model.h`.

    Args:
        network: of `read_images`.
        field: context of the student.
        num_features: features of a frame.
        output_quantization: scale and zero point of the logits.
        ram_bytes: of `recognizer`; None where the bundle is the network alone.
        kept: what a window that moves on keeps, if anything.
    """
    arena = plan(network)
    sizes = network_sizes(
        len(network.operators),
        network.outputs,
        field,
        num_features,
        output_quantization,
        ram_bytes,
    )
    sizes |= {
        "NETWORK_IMAGES": 1,
        "NETWORK_IS_CLIP": int(field.is_clip),
        "NETWORK_ARENA_SIZE": f"{max(1, arena.size)}u",
        "NETWORK_COLUMN_SIZE": f"{max(1, arena.column)}u",
        "NETWORK_MOST_TAPS": f"{_most_taps(network)}u",
        "NETWORK_OUTSIDE": f"{_OUTSIDE}u",
        "NETWORK_STREAMS": 0,
        "NETWORK_KEEPS": int(kept is not None),
        "NETWORK_HISTORY_SIZE": f"{field.window * num_features}u",
        "NETWORK_NEWEST": f"{(field.window - 1) * num_features}u",
    }
    if kept is not None:
        sizes["NETWORK_KEPT_SIZE"] = f"{kept.size}u"
    tables, rows = [], []
    for number, operator in enumerate(network.operators):
        tables += _tables(number, operator)
        rows.append(_row(number, operator, arena))
    tables.append(_LAYER + "\n")
    count = len(network.operators)
    declaration = f"static const network_layer network_layers[{count}]"
    tables.append(f"{declaration} = {{\n{''.join(rows)}}};\n")
    if kept is not None:
        tables += [_ROWS, f"static const network_rows network_moving[{count}] = {{\n"]
        tables += [*map(_moving_row, kept.rows), "};\n"]
    return header("MODEL", sizes, tables)


def _most_taps(network):
    """Returns the most pixels that an output of a depthwise convolution reads."""
    depthwise = (one for one in network.operators if one.kind == DEPTHWISE)
    return max((one.geometry.taps for one in depthwise), default=1)


def _moving_row(rows):
    place = _OUTSIDE if rows.place is None else rows.place
    return f"    {{{rows.first}u, {rows.end}u, {rows.shift}u, {place}u}},\n"


def _tables(number, operator):
    tables = []
    if operator.weights is not None:
        weights = operator.weights
        weights = weights.T if operator.kind == DEPTHWISE else weights
        tables += [
            array("int8_t", f"weights_{number}", weights.ravel()),
            array("int32_t", f"bias_{number}", operator.bias),
        ]
    if operator.kind == ADD:
        tables.append(array("int32_t", f"bias_{number}", operator.offsets))
    if operator.multipliers is not None:
        tables += [
            array("int32_t", f"multipliers_{number}", operator.multipliers),
            array("int8_t", f"shifts_{number}", operator.shifts),
        ]
    return tables


def _row(number: int, operator: ImageOperator, arena: Arena) -> str:
    names = {
        "weights": operator.weights is not None,
        "bias": operator.weights is not None or operator.kind == ADD,
        "multipliers": operator.multipliers is not None,
        "shifts": operator.multipliers is not None,
    }
    pointers = [f"{name}_{number}" if has else "0" for name, has in names.items()]
    inputs = [arena.places.get(k, _OUTSIDE) for k in operator.inputs]
    inputs = (*inputs, *inputs)[:2]
    geometry = operator.geometry
    multipliers = 0 if operator.multipliers is None else len(operator.multipliers)
    values = [
        "{" + ", ".join(f"{place}u" for place in inputs) + "}",
        f"{arena.places.get(operator.output, _OUTSIDE)}u",
        operator.output_offset,
        operator.minimum,
        operator.maximum,
        *geometry.size,
        *geometry.output,
        *geometry.kernel,
        *geometry.strides,
        *geometry.dilation,
        *geometry.padding,
        operator.groups,
        operator.padding_value,
        operator.kind,
        int(multipliers > 1),
        int(arena.backwards[number]),
        int(geometry.is_padded),
        int(_is_row(geometry)),
        int(operator.pairs),
        int(operator.is_simple),
    ]
    return "    {" + ", ".join([*pointers, *map(str, values)]) + "},\n"


def _is_row(geometry):
    """Whether what an output pixel reads lies side by side, but for rows beyond."""
    whole_rows = geometry.kernel[1] == geometry.size[1] and geometry.output[1] == 1
    whole_rows &= geometry.padding[1] == 0 and geometry.dilation[1] == 1
    one_row = geometry.kernel[0] == 1
    inside = not geometry.is_padded
    apart = geometry.dilation[0] > 1 and geometry.kernel[0] > 1
    return (
        (geometry.taps == 1 and inside)
        or (whole_rows and not apart)
        or (one_row and inside and geometry.dilation[1] == 1)
    )
