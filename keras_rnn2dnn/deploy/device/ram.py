"""The RAM of the recognizer on a 32-bit core, from the layout of its structure."""

import ctypes

from keras_rnn2dnn.ctc import GreedyDecoder
from keras_rnn2dnn.deploy.device.layers import streaming_spans
from keras_rnn2dnn.deploy.device.recognizer import DeviceRecognizer

_POINTER = ctypes.c_uint32  # of a Cortex-M


def recognizer_ram(recognizer: DeviceRecognizer) -> dict[str, int]:
    """Counts the bytes of `recognizer` in `recognizer.h`, by part.

    Args:
        recognizer: of the student.

    Returns:
        Bytes of `features`, `decoder`, `network`, `scratch`, and of `total`.
    """
    parts = {
        "features": _features(recognizer.spec),
        "decoder": _decoder(recognizer.tables),
        "network": ctypes.c_int8 * _history(recognizer),
        "logits": ctypes.c_int8 * recognizer.network.layers[-1].outputs,
        "frames": ctypes.c_uint32,
        "busy": ctypes.c_uint32,
        "scratch": _scratch(recognizer),
    }
    pointers = [(name, _POINTER) for name in ("on_word", "on_logits", "context")]
    whole = _structure("Recognizer", [*parts.items(), *pointers])
    sizes = {name: ctypes.sizeof(kind) for name, kind in parts.items()}
    counted = ("features", "decoder", "network", "scratch")
    return {name: sizes[name] for name in counted} | {"total": ctypes.sizeof(whole)}


def scratch_size(layers) -> int:
    """Returns the bytes of the largest hidden layer, of which two are kept."""
    return max([1, *(layer.frames * layer.outputs for layer in layers[:-1])])


def step_size(layers) -> int:
    """Returns the bytes of the widest hidden frame, of which two are kept."""
    return max([1, *(layer.outputs for layer in layers[:-1])])


def _spans(recognizer):
    network = recognizer.network
    return streaming_spans(network.layers, network.field, network.num_features)


def _history(recognizer):
    network = recognizer.network
    return sum(_spans(recognizer) or [network.field.window * network.num_features])


def _structure(name, fields):
    return type(name, (ctypes.Structure,), {"_fields_": fields})


def _features(spec):
    return _structure(
        "Features",
        [
            ("pcm", ctypes.c_int16 * spec.frame_length),
            ("filled", ctypes.c_uint32),
            ("skip", ctypes.c_uint32),
            ("frames", ctypes.c_uint32),
            ("mean", ctypes.c_float * spec.num_bins),
        ],
    )


def _decoder(tables):
    if isinstance(tables, GreedyDecoder):
        fields = [
            ("frame", ctypes.c_uint32),
            ("start", ctypes.c_uint32),
            ("label", ctypes.c_uint16),
        ]
        return _structure("Decoder", fields)
    nodes = len(tables.state_of_node)
    fields = [("frame", ctypes.c_uint32), ("score", ctypes.c_int32 * nodes)]
    fields += [(n, ctypes.c_uint16 * nodes) for n in ("age", "last", "first")]
    records = ctypes.c_uint16 * tables.history_frames
    fields += [(name, records) for name in ("word", "duration", "before")]
    return _structure("Decoder", fields)


def _scratch(recognizer):
    spectrum = ctypes.c_float * recognizer.spec.fft_length
    size = step_size if _spans(recognizer) else scratch_size
    layers = ctypes.c_int8 * (2 * size(recognizer.network.layers))
    fields = [("features", spectrum), ("network", layers)]
    return type("Scratch", (ctypes.Union,), {"_fields_": fields})
