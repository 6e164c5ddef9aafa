"""The RAM of the recognizer on a 32-bit core, from the layout of its structure."""

import ctypes

from keras_rnn2dnn.deploy.device.decoder import CtcTables
from keras_rnn2dnn.deploy.device.images.arena import plan
from keras_rnn2dnn.deploy.device.keywords import SpotterTables
from keras_rnn2dnn.deploy.device.layers import streaming_spans
from keras_rnn2dnn.deploy.device.recognizer import DeviceRecognizer

_POINTER = ctypes.c_uint32  # of a Cortex-M
_OF_REPORTS = ("threshold", "suppressed", "hit_end", "was_hit", "speech_start")
_OF_REPORTS += ("speech_end", "words", "is_speech")


def recognizer_ram(recognizer: DeviceRecognizer) -> dict[str, int]:
    """Counts the bytes of `recognizer` in `recognizer.h`, by part.

    Args:
        recognizer: of the student.

    Returns:
        Bytes of `features`, `decoder`, `network`, `scratch`, and of `total`.
    """
    parts = {
        "features": _features(recognizer.spec, recognizer.network.field.window),
        "decoder": _decoder(recognizer.tables),
        "network": _network(recognizer),
        "logits": ctypes.c_int8 * recognizer.network.outputs,
        "frames": ctypes.c_uint32,
        "busy": ctypes.c_uint32,
        "scratch": _scratch(recognizer),
    }
    names, counters = ["on_word", "on_logits", "context"], []
    if recognizer.decoder.reporting.decide_ms is not None:
        names += ["on_utterance", "keywords"]
        counters = [(name, ctypes.c_uint32) for name in _OF_REPORTS]
    pointers = [(name, _POINTER) for name in names]
    whole = _structure("Recognizer", [*parts.items(), *counters, *pointers])
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
    if network.is_images:
        return None
    return streaming_spans(network.layers, network.field, network.num_features)


def _history(recognizer):
    network = recognizer.network
    return sum(_spans(recognizer) or [network.field.window * network.num_features])


def _network(recognizer):
    history = ctypes.c_int8 * _history(recognizer)
    if (kept := recognizer.network.moving) is None:
        return history
    fields = [("since", ctypes.c_uint32), ("kept", ctypes.c_int8 * kept.size)]
    return _structure("Network", [*fields, ("history", history)])


def _structure(name, fields):
    return type(name, (ctypes.Structure,), {"_fields_": fields})


def _features(spec, window):
    fields = [
        ("pcm", ctypes.c_int16 * spec.frame_length),
        ("filled", ctypes.c_uint32),
        ("skip", ctypes.c_uint32),
        ("frames", ctypes.c_uint32),
        ("mean", ctypes.c_float * spec.num_features),
    ]
    if spec.example_norm != "none":
        frames = ctypes.c_float * (window * spec.num_features)
        fields += [("oldest", ctypes.c_uint32), ("window", frames)]
    return _structure("Features", fields)


def _decoder(tables):
    if isinstance(tables, SpotterTables):
        return _spotter(tables)
    earlier = tables.earlier if isinstance(tables, CtcTables) else tables.margin is None
    clock = [] if earlier else [("clock", ctypes.c_uint32 * 4)]
    if isinstance(tables, CtcTables):
        words = ["frame", "start"] + ["gain"] * (not earlier)
        shorts = ["frames"] * (not earlier) + ["label"]
        fields = [(name, ctypes.c_uint32) for name in words]
        fields += [(name, ctypes.c_uint16) for name in shorts]
        return _structure("Decoder", clock + fields)
    nodes = ctypes.c_int32 * len(tables.state_of_node)
    fields = [*clock, ("frame", ctypes.c_uint32), ("score", nodes)]
    if not earlier:
        fields.insert(0, ("background", ctypes.c_int64))
        gains = ctypes.c_int32 * tables.history_frames
        fields += [("base", nodes), ("gain", gains)]
    nodes = ctypes.c_uint16 * len(tables.state_of_node)
    fields += [(n, nodes) for n in ("age", "last", "first")]
    records = ctypes.c_uint16 * tables.history_frames
    fields += [(name, records) for name in ("word", "duration", "before")]
    if not earlier:
        fields += [("place", ctypes.c_uint16), ("begun", ctypes.c_uint16)]
    return _structure("Decoder", fields)


def _spotter(tables):
    labels = len(tables.labels)
    fields = [
        ("clock", ctypes.c_uint32 * 4),
        ("frame", ctypes.c_uint32),
        ("sum", ctypes.c_uint32 * labels),
        ("age", ctypes.c_uint16),
        ("place", ctypes.c_uint16),
        ("logits", ctypes.c_int8 * (tables.smoothed * labels)),
    ]
    return _structure("Decoder", fields)


def _scratch(recognizer):
    spectrum = ctypes.c_float * recognizer.spec.fft_length
    network = recognizer.network
    if network.is_images:
        size = plan(network.layers).total
    else:
        largest = step_size if _spans(recognizer) else scratch_size
        size = 2 * largest(network.layers)
    layers = ctypes.c_int8 * size
    fields = [("features", spectrum), ("network", layers)]
    return type("Scratch", (ctypes.Union,), {"_fields_": fields})
