"""The generated headers of the bundle: sizes and tables of one student in C99.

Nothing of the user's reaches C but the labels, and those only as escaped strings.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.deploy.device.features import (
    FeatureTables,
    feature_tables,
    input_rounding,
    tables_of,
)
from keras_rnn2dnn.deploy.device.layers import Int8Layer, streaming_spans
from keras_rnn2dnn.deploy.device.ram import scratch_size, step_size
from keras_rnn2dnn.quantization.receptive_field import ReceptiveField
from keras_rnn2dnn.util.errors import invalid

_WIDTH = 88
_LAYER = """typedef struct {
    const int8_t *weights;      /* outputs x (taps x tap_length) */
    const int32_t *bias;        /* the offset of the input folded in */
    const int32_t *multipliers; /* one for each output, or one */
    const int8_t *shifts;
    uint32_t frames;     /* output frames in a window */
    uint32_t outputs;    /* values of an output frame */
    uint32_t taps;       /* pieces of the input that an output frame reads */
    uint32_t tap_length; /* values in a piece */
    uint32_t tap_step;   /* values from piece to piece */
    uint32_t frame_step; /* values from output frame to output frame */
    int32_t output_offset;
    int32_t minimum;
    int32_t maximum;
    uint32_t channels; /* values of an input frame */
    uint32_t span;     /* values that network_step keeps for it */
    uint32_t per_channel; /* 1 where each output has its own multiplier, else 0 */
} network_layer;
"""


def model_header(
    layers: Sequence[Int8Layer],
    field: ReceptiveField,
    num_features: int,
    output_quantization: tuple[float, int],
    ram_bytes: int | None,
) -> str:
    """Returns `model.h`: the network.

    Args:
        layers: of `read_layers`.
        field: context of the student.
        num_features: features of a frame.
        output_quantization: scale and zero point of the logits.
        ram_bytes: of `recognizer`; None where the bundle is the network alone.
    """
    window = field.window * num_features
    spans = streaming_spans(layers, field, num_features)
    widths = [num_features, *(layer.outputs for layer in layers)]
    sizes = network_sizes(
        len(layers),
        layers[-1].outputs,
        field,
        num_features,
        output_quantization,
        ram_bytes,
    )
    sizes |= {
        "NETWORK_SCRATCH_SIZE": f"{scratch_size(layers)}u",
        "NETWORK_STREAMS": int(spans is not None),
        "NETWORK_HISTORY_SIZE": f"{sum(spans or [window])}u",
        "NETWORK_STEP_SIZE": f"{step_size(layers)}u",
        "NETWORK_NEWEST": f"{(spans or [window])[0] - num_features}u",
    }
    tables, rows = [], []
    for number, layer in enumerate(layers):
        tables += [
            array("int8_t", f"weights_{number}", layer.weights.ravel()),
            array("int32_t", f"bias_{number}", layer.bias),
            array("int32_t", f"multipliers_{number}", layer.multipliers),
            array("int8_t", f"shifts_{number}", layer.shifts),
        ]
        names = [f"{n}_{number}" for n in ("weights", "bias", "multipliers", "shifts")]
        numbers = [
            layer.frames,
            layer.outputs,
            layer.taps,
            layer.tap_length,
            layer.tap_step,
            layer.frame_step,
            layer.output_offset,
            layer.minimum,
            layer.maximum,
            widths[number],
            (spans or [window] * len(layers))[number],
            int(len(layer.multipliers) > 1),
        ]
        rows.append("    {" + ", ".join([*names, *map(str, numbers)]) + "},\n")
    tables.append(_LAYER + "\n")
    declaration = f"static const network_layer network_layers[{len(layers)}]"
    tables.append(f"{declaration} = {{\n{''.join(rows)}}};\n")
    return header("MODEL", sizes, tables)


def network_sizes(
    layers: int,
    outputs: int,
    field: ReceptiveField,
    num_features: int,
    output_quantization: tuple[float, int],
    ram_bytes: int | None,
) -> dict[str, int | str]:
    """Returns the sizes that every network has, by the names of their macros.

    Args:
        layers: how many it has.
        outputs: values of an output frame.
        field: context of the student.
        num_features: features of a frame.
        output_quantization: scale and zero point of the logits.
        ram_bytes: of `recognizer`; None where the bundle is the network alone.
    """
    scale, zero_point = output_quantization
    sizes = {
        "MODEL_HAS_RECOGNIZER": int(ram_bytes is not None),
        "NETWORK_LAYERS": f"{layers}u",
        "NETWORK_FEATURES": f"{num_features}u",
        "NETWORK_INPUTS": f"{field.window * num_features}u",
        "NETWORK_OUTPUTS": f"{outputs}u",
        "NETWORK_LEFT": f"{field.left}u",
        "NETWORK_RIGHT": f"{field.right}u",
        "NETWORK_STRIDE": f"{field.stride}u",
        "NETWORK_OUTPUT_SCALE": float_literal(scale),
        "NETWORK_OUTPUT_ZERO_POINT": zero_point,
    }
    if ram_bytes is not None:
        sizes["RECOGNIZER_RAM_BYTES"] = f"{ram_bytes}u"
    return sizes


def features_header(
    spec: FeatureSpec,
    input_quantization: tuple[float, int],
    tables: FeatureTables | None = None,
    window_frames: int = 0,
) -> str:
    """Returns `features_table.h`.

    Args:
        spec: of the features.
        input_quantization: scale and zero point of the network's input.
        tables: of the specification, where they are known.
        window_frames: of a clip, where each is normalized by itself.
    """
    tables = tables or feature_tables(spec)
    inverse, rounding = input_rounding(*input_quantization)
    sizes = {
        "FEATURES_SAMPLE_RATE_HZ": f"{spec.sample_rate_hz}u",
        "FEATURES_FRAME_LENGTH": f"{spec.frame_length}u",
        "FEATURES_FRAME_STEP": f"{spec.frame_step}u",
        "FEATURES_FFT_LENGTH": f"{spec.fft_length}u",
        "FEATURES_NUM_BINS": f"{spec.num_bins}u",
        "FEATURES_NUM_FEATURES": f"{spec.num_features}u",
        "FEATURES_CEPSTRA": int(tables.cepstra is not None),
        "FEATURES_FLOOR": float_literal(tables.floor),
        "FEATURES_PRIOR_FRAMES": f"{tables.prior_frames}u",
        "FEATURES_MEMORY_FRAMES": f"{tables.memory_frames}u",
        **_compression(tables),
        "FEATURES_INVERSE_SCALE": float_literal(inverse),
        "FEATURES_ROUNDING": float_literal(rounding),
        **_example_norm(spec, window_frames),
    }
    weights = np.concatenate([*tables.mel_weights, np.zeros(0, np.float32)])
    lengths = [len(weights) for weights in tables.mel_weights]
    # What the C code reads: a multiplication by 1 is left out, and beyond the right
    # angle the values are those before it.
    quarter = slice(1, spec.fft_length // 4 + 1)
    arrays = [
        array("float", "features_window", tables.window),
        array("float", "features_cosine", tables.cosine[quarter]),
        array("float", "features_sine", tables.sine[quarter]),
        array("uint16_t", "features_mel_start", tables.mel_start),
        array("uint16_t", "features_mel_length", lengths),
        array("float", "features_mel_weights", weights),
        array("float", "features_mean", tables.mean),
        array("float", "features_inverse_deviation", tables.inverse_deviation),
    ]
    if tables.cepstra is not None:
        arrays.append(array("float", "features_cepstra", tables.cepstra.ravel()))
    return header("FEATURES", sizes, arrays)


def read_features_header(text: str, spec: FeatureSpec) -> FeatureTables:
    """Reads the tables of features, as far as the specification leaves them open.

    The weights of the triangles come from a logarithm, whose last bits differ between
    machines: those of a bundle are in its header.

    Args:
        text: of `features_header`, with or without a prefix.
        spec: of the features.

    Raises:
        ValueError: if it is no header of such features.
    """
    arrays = ("mel_start", "mel_length", "mel_weights")
    patterns = (rf"features_{name}\[\d+\] = {{([^}}]*)}}" for name in arrays)
    found = [re.search(pattern, text) for pattern in patterns]
    if all(found):
        parts = [match[1].replace("f", "").split(",") for match in found]
        start, length = (np.array(part, np.int64) for part in parts[:2])
        weights = np.array(parts[2], np.float32)[: length.sum()]
        whole = len(start) == len(length) == spec.num_bins and min(length) >= 0
        inside = (
            whole and min(start) >= 0 and max(start + length) <= spec.fft_length // 2
        )
        if inside and len(weights) == length.sum():
            cut = np.split(weights, np.cumsum(length)[:-1])
            return tables_of(spec, list(zip(start.tolist(), cut, strict=True)))
    expected = f"the header of {spec.num_bins} bins, as `convert` writes it"
    raise ValueError(invalid("features_table.h", expected, f"{len(text)} letters"))


def _example_norm(spec, frames):
    """What the C code knows of clips that are normalized, if they are."""
    if spec.example_norm == "none":
        return {}
    norms = 1 if spec.example_norm == "all" else spec.num_features
    count = np.float32(frames * spec.num_features // norms)
    return {
        "FEATURES_EXAMPLE_NORM": 1,
        "FEATURES_WINDOW_FRAMES": f"{frames}u",
        "FEATURES_NORMS": f"{norms}u",
        "FEATURES_LEAST_VARIANCE": float_literal(np.float32(1) / count),
    }


def _compression(tables):
    """What the C code knows of PCEN; it leaves out what a gain of 1 does not need."""
    pcen = tables.pcen
    if pcen is None:
        return {"FEATURES_PCEN": 0}
    return {
        "FEATURES_PCEN": 1,
        "FEATURES_GAIN_IS_ONE": int(pcen.gain == 1),
        "FEATURES_GAIN": float_literal(pcen.gain),
        "FEATURES_BIAS": float_literal(pcen.bias),
        "FEATURES_POWER_IS_ZERO": int(pcen.power == 0),
        "FEATURES_POWER": float_literal(pcen.power),
    }


def header(name: str, sizes: Mapping, tables: Iterable[str]) -> str:
    """Returns a header: sizes for all; tables where `{name}_TABLES` is, and once."""
    defines = "".join(f"#define {key} {value}\n" for key, value in sizes.items())
    return (
        "/* Generated by keras-rnn2dnn; do not edit. */\n"
        f"#ifndef {name}_SIZES\n#define {name}_SIZES\n\n#include <stdint.h>\n\n"
        f"{defines}\n#endif\n\n"
        f"#ifdef {name}_TABLES\n\n{''.join(tables)}\n#endif\n"
    )


def array(
    kind: str, name: str, values: Sequence | np.ndarray, linkage: str = "static "
) -> str:
    """Returns the definition of a constant array.

    Example:
        >>> print(array("int8_t", "weights_0", [1, -2]), end="")
        static const int8_t weights_0[2] = {
            1, -2
        };
    """
    literal = float_literal if kind == "float" else (lambda value: str(int(value)))
    items = [literal(value) for value in values] or ["0"]
    lines, line = [], "   "
    for place, item in enumerate(items, 1):
        piece = f" {item}," if place < len(items) else f" {item}"
        if len(line) + len(piece) > _WIDTH:
            lines.append(line)
            line = "   "
        line += piece
    lines.append(line)
    body = "\n".join(lines)
    return f"{linkage}const {kind} {name}[{len(items)}] = {{\n{body}\n}};\n"


def float_literal(value: float) -> str:
    """Returns a float32 constant that every compiler reads as the same bits.

    Example:
        >>> float_literal(0.1), float_literal(-2.0), float_literal(1e-12)
        ('0.1f', '-2.0f', '1e-12f')
    """
    text = str(np.float32(value))
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def string_literal(text: str) -> str:
    r"""Returns a C string of the text's UTF-8, which nothing in it can end.

    Example:
        >>> print(string_literal('yes"; x ??/ \n'))
        "yes\042; x \077\077\057 \012"
    """
    plain = set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ;-_.")
    return (
        '"'
        + "".join(
            chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode()
        )
        + '"'
    )
