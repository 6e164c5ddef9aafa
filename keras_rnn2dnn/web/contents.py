"""What a page knows of a bundle, beside its C code."""

import base64
import gzip
from typing import Any

import numpy as np

from keras_rnn2dnn.deploy import golden
from keras_rnn2dnn.deploy.device.decoders import Decoder, labels_of
from keras_rnn2dnn.deploy.device.events import threshold_steps
from keras_rnn2dnn.deploy.loading import Bundle
from keras_rnn2dnn.deploy.toolchain import CORES
from keras_rnn2dnn.hmm import WordLoopDecoder
from keras_rnn2dnn.keywords import KeywordSpotter
from keras_rnn2dnn.scoring.thresholds import CONFIDENCE_STEPS
from keras_rnn2dnn.util.errors import invalid

_NAMED = 4  # words of the title
# Least ranges of the threshold: log odds of 24 bits, and nats for each frame.
_OF_KEYWORDS, _OF_FRAMES = (-5.0, 17.0), (-1.0, 4.0)
_BEYOND = 1.25  # times what most confidences reach
_POSITIONS = 50  # of the slider, at least


def contents(bundle: Bundle, wasm: bytes) -> dict[str, Any]:
    """Returns the data of a page, ready for JSON; bytes in base64.

    Args:
        bundle: with a recognizer.
        wasm: its C code.
    """
    recognizer = bundle.recognizer
    network, spec = recognizer.network, recognizer.spec
    frame_samples = spec.frame_step * network.field.stride
    rows, row_of = _rows(recognizer.decoder)
    columns = golden.row_columns(recognizer.decoder.reporting)
    return {
        "wasm": _text(wasm),
        "rate": spec.sample_rate_hz,
        "frameSamples": frame_samples,
        "frameMs": 1000 * frame_samples / spec.sample_rate_hz,
        "features": network.num_features,
        "classes": network.outputs,
        "scale": float(network.output_quantization[0]),
        "rows": rows,
        "rowOf": row_of,
        "threshold": None if columns == 3 else _threshold(bundle),
        "facts": _facts(bundle, wasm),
        "recordings": _recordings(bundle),
        "golden": {
            "columns": columns,
            "recordings": _packed(bundle.golden("recordings.pcm")),
            "logits": _packed(bundle.golden("logits.s8")),
            "words": _packed(bundle.golden("words.u32")),
        },
    }


def title(bundle: Bundle) -> str:
    """Returns a heading: what a recognizer hears, as far as that is short."""
    decoder = bundle.recognizer.decoder
    words = decoder.reporting.keywords or getattr(decoder, "keywords", None)
    words = words or labels_of(decoder)
    words = [word for word in words if word.strip()]
    named = ", ".join(words[:_NAMED])
    return f"It hears {named}{' …' if len(words) > _NAMED else ''}"


def check_recognizer(bundle: Bundle) -> None:
    """Raises ValueError where a bundle has no C code from PCM to words."""
    if bundle.recognizer is None:
        expected = "a bundle with C code from PCM to words"
        received, why = str(bundle.directory), bundle.report["firmware"].get("refused")
        raise ValueError(invalid("bundle", expected, received, why or ""))


def _rows(decoder: Decoder) -> tuple[list[str], list[int]]:
    """Returns names of rows, and the row of each class: states of a unit share one."""
    if not isinstance(decoder, WordLoopDecoder):
        return list(map(_name, decoder.labels)), list(range(len(decoder.labels)))
    topology = decoder.topology
    rows = list(topology.units)
    row_of = [k for k in range(len(rows)) for _ in range(topology.states_per_unit)]
    extra = ["other speech"] * bool(topology.other) + ["silence"] * topology.silence
    row_of += range(len(rows), len(rows) + len(extra))
    return rows + extra, row_of


def _name(label):
    return label if label.strip() else "(space)" if label else "(blank)"


def _threshold(bundle):
    """Returns range and step of the slider, nats, and the bundle's own, thousandths."""
    decoder = bundle.recognizer.decoder
    own = threshold_steps(decoder.reporting.threshold)
    rows = np.frombuffer(bundle.golden("words.u32"), "<u4").reshape(-1, 4)
    ends = np.flatnonzero(rows[:, 0] == golden.NO_WORD)
    rows = rows[ends[_signals(bundle) - 1] :]  # of real recordings
    reached = rows[rows[:, 0] < golden.NO_MORE, 3].astype(np.int32)
    steps = list(np.percentile(reached, (0, 95)) if len(reached) else ())
    steps += [own] if decoder.reporting.threshold is not None else []
    found = [_BEYOND * step / CONFIDENCE_STEPS for step in steps]
    low, high = _OF_KEYWORDS if isinstance(decoder, KeywordSpotter) else _OF_FRAMES
    low, high = np.floor(min([low, *found])), np.ceil(max([high, *found]))
    step = 10.0 ** np.floor(np.log10((high - low) / _POSITIONS))
    return {
        "lowest": float(low),
        "highest": float(high),
        "step": float(step),
        "own": own,
    }


def _recordings(bundle):
    """Returns a name and a number of each golden recording, real ones first."""
    rate = bundle.recognizer.spec.sample_rate_hz
    recordings = golden.read_pcm(bundle.golden("recordings.pcm"))
    signals = _signals(bundle)
    said = bundle.golden("words.txt").decode().splitlines()
    found = []
    for at, (pcm, words) in enumerate(zip(recordings, said, strict=True)):
        kind, number = "Recording", at + 1 - signals
        if at < signals:
            kind, number = "Test signal", at + 1
        name = f"{kind} {number} ({len(pcm) / rate:.1f} s): {words or 'no word'}"
        found.append({"name": name, "at": at})
    return found[signals:] + found[:signals]


def _signals(bundle):
    """Returns how many golden recordings are signals, which come first."""
    return len(golden.edge_signals(bundle.recognizer.spec.sample_rate_hz))


def _facts(bundle, wasm):
    """Returns what is told of the bundle: names and values."""
    report, spec = bundle.report, bundle.recognizer.spec
    firmware = report["firmware"]
    facts = [
        ("bundle", f"{bundle.directory.resolve().name}, {report['sha256'][:12]}"),
        ("network", f"{report['bytes']:,} bytes, {report['parameters']:,} parameters"),
        ("audio", f"{spec.sample_rate_hz:,} Hz"),
        ("RAM", f"{firmware['ram_bytes']['total']:,} bytes"),
        ("WebAssembly", f"{len(wasm):,} bytes, code and tables"),
    ]
    if report["latency_ms"]:  # of a clip it is none
        facts.insert(3, ("latency of the network", f"{report['latency_ms']:.0f} ms"))
    for core, costs in (firmware["cores"] or {}).items():
        if core in CORES:
            facts.append((f"{CORES[core]}", f"{costs['flash_bytes']:,} bytes of flash"))
    return facts


def _packed(content: bytes) -> str:
    return _text(gzip.compress(content, mtime=0))


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
