"""Stages of `verify` that compare outputs: network, features, words."""

import functools
import threading
from collections.abc import Iterator, Sequence

import numpy as np

import keras_rnn2dnn
from keras_rnn2dnn.deploy import golden, held_back, tflm
from keras_rnn2dnn.deploy.bundle import Firmware
from keras_rnn2dnn.deploy.device.events import words_of
from keras_rnn2dnn.deploy.loading import Bundle
from keras_rnn2dnn.deploy.report import ConversionReport
from keras_rnn2dnn.deploy.toolchain import CORES, PORTS, Workbench
from keras_rnn2dnn.deploy.verify.outcome import Outcome, judged, missing, on_targets
from keras_rnn2dnn.util import bundle_checksums as sums
from keras_rnn2dnn.util.errors import pip_line

INTERPRETER = threading.Lock()  # that of TensorFlow Lite has one user at a time
_TARGETS = {"host": "C on the host"}
_TARGETS |= {core: f"QEMU {name}" for core, name in (CORES | PORTS).items()}
_KEPT = {"golden/network_inputs.s8", *held_back.NAMES}
_HEARD = 120  # recordings on the emulated core that hears most
_CHUNKS = {"one sample": 1, "160 samples": 160, "1,024": 1024, "changing": 0}


def files(bundle: Bundle) -> Iterator[Outcome]:
    """Reports the comparison of SHA-256 sums that `load_bundle` has made."""
    count = len(bundle.report["files"])
    yield judged("files", True, f"{count} files have the SHA-256 of report.json")


def generated_files(bundle: Bundle, bench: Workbench, _: Sequence) -> Iterator[Outcome]:
    """Generates the bundle anew from student.tflite and report.json, byte for byte."""
    firmware, report = bundle.report["firmware"], bundle.report
    parts = Firmware(
        bundle.network,
        bundle.recognizer,
        firmware["refused"],
        firmware["tensor_arena_bytes"],
        bundle.prefix,
    )
    recordings = []
    if (bundle.directory / "golden/test_set.pcm").is_file():
        recordings = golden.read_pcm(bundle.golden("test_set.pcm"))
    expected = parts.generated(bundle.tflite, report["operators"], recordings)
    if bundle.network is not None:
        outputs = bundle.network.run(_windows(bundle))
        expected["golden/network_outputs.s8"] = outputs.tobytes()
    decoder = report.get("decoder") or {"reporting": {}}
    earlier = "format" not in report or "reporting" not in decoder
    if "format" in report:
        expected["report.md"] = (
            ConversionReport.from_dict(report).to_markdown().encode()
        )
    if sums.SUMS in report["files"]:
        expected[sums.SUMS] = sums.sums_file(report["files"])
    other = [
        name
        for name, content in expected.items()
        if not (bundle.directory / name).is_file()
        or (bundle.directory / name).read_bytes() != content
    ]
    unknown = set(report["files"]) - set(expected) - _KEPT
    other += sorted(unknown - {"report.md"} if earlier else unknown)
    text = f"{len(expected)} files are those that this version generates"
    older = sorted(set(other) & parts.sources) if earlier else []
    if older:
        text = f"all but {len(older)} sources of an earlier version, whose outputs are"
        text += " compared below, are those that this version generates"
        other = [name for name in other if name not in older]
    if other:
        text = f"other than generated: {', '.join(other)}"
        made = report["versions"]["keras_rnn2dnn"]
        text += f" (written by version {made}, this is {keras_rnn2dnn.__version__})"
    yield judged("generated anew", not other, text)
    if bundle.network is not None:
        count, least = len(_windows(bundle)), golden.least_windows(bundle.network)
        text = f"{count:,} golden windows (at least {least:,})"
        yield judged("golden: size", count >= least, text)


def tflm_outputs(bundle: Bundle, bench: Workbench, _: Sequence) -> Iterator[Outcome]:
    """Compares numpy with TensorFlow Lite Micro."""
    stage = "network: TFLM"
    if not tflm.is_installed():
        yield missing(stage, ["tflite-micro"], f": {pip_line('micro')}")
    elif bundle.network is None:  # nothing to compare with
        windows = np.random.default_rng(0).integers(-128, 128, _shape(bundle, 100))
        outputs = tflm.run_tflm(bundle.tflite, windows.astype(bundle.student.dtype))
        yield judged(stage, True, f"runs {len(outputs)} windows")
    else:
        outputs = tflm.run_tflm(bundle.tflite, _windows(bundle))
        yield _compared(stage, bundle, outputs.tobytes())


def tflite_outputs(bundle: Bundle, bench: Workbench, _: Sequence) -> Iterator[Outcome]:
    """Compares numpy with the TensorFlow Lite of the host, which rounds on its own.

    So each layer may be off by one more than that before it.
    """
    stage = "network: TensorFlow Lite"
    with INTERPRETER:
        found = bundle.student.integer_logits(_windows(bundle)).astype(int)
    difference = np.abs(found - _outputs(bundle).reshape(found.shape))
    count, allowed = int((difference > 0).sum()), _rounding_layers(bundle.network)
    text = (
        f"{count:,} of {found.size:,} int8 outputs differ, by {difference.max()} at "
        f"most (allowed: {allowed}, one for each layer), in {bundle.student.runtime}"
    )
    yield judged(stage, difference.max() <= allowed, text)


def _rounding_layers(network):
    if network is None:
        return 1
    if network.is_images:
        return sum(one.weights is not None for one in network.layers.operators)
    return len(network.layers)


def network_outputs(bundle: Bundle, bench: Workbench, _: Sequence) -> Iterator[Outcome]:
    """Compares numpy with the C code on the host and on the cores."""
    data = bundle.golden("network_inputs.s8")

    def check(stage, target):
        return _compared(stage, bundle, bench.run(target, "network", data))

    yield from on_targets("network", _TARGETS, check, bench)
    single = functools.partial(_single_rounding, bundle)
    yield from on_targets("network", {"host": "C, single rounding"}, single)


def _single_rounding(bundle, stage, target):
    expected = bundle.network.run(_windows(bundle), "single")
    with Workbench(bundle.directory, rounding="single") as bench:
        found = bench.run(target, "network", bundle.golden("network_inputs.s8"))
    differing = _differing(expected.tobytes(), found)
    text = f"{differing:,} of {expected.size:,} int8 outputs differ"
    return judged(stage, differing == 0, text)


def feature_bits(bundle: Bundle, bench: Workbench, _: Sequence) -> Iterator[Outcome]:
    """Compares the bits of numpy and C, for every way to cut the audio into chunks."""
    check = functools.partial(_feature_bits, bundle, bench)
    yield from on_targets("features", _TARGETS, check, bench)


def _feature_bits(bundle, bench, stage, target):
    recordings = golden.read_pcm(bundle.golden("recordings.pcm"))
    expected, differing = bundle.golden("features.f32"), {}
    chunks = _CHUNKS if target not in PORTS else dict(list(_CHUNKS.items())[-1:])
    for name, size in chunks.items():
        data = golden.pcm_bytes(recordings, (size,))
        found = bench.run(target, "features", data)
        differing[name] = _differing(expected, found, "<u4")
    found = bench.run(target, "inputs", golden.pcm_bytes(recordings))
    quantized = _differing(bundle.golden("inputs.s8"), found)
    count = len(expected) // 4
    text = f"{sum(differing.values()):,} of {count:,} float32 values differ in any bit"
    text += f", in chunks of {', '.join(chunks)}; {quantized:,} int8 values differ"
    return judged(stage, not quantized and not any(differing.values()), text)


def recognized_words(
    bundle: Bundle, bench: Workbench, recordings: Sequence[np.ndarray]
) -> Iterator[Outcome]:
    """Compares words and ends of utterances of numpy and C from PCM on."""
    part = golden.read_pcm(bundle.golden("recordings.pcm"))
    pcm = part + [np.asarray(recording) for recording in recordings]
    if (bundle.directory / "golden/test_set.pcm").is_file():
        pcm += golden.read_pcm(bundle.golden("test_set.pcm"))
    events, reporting = bundle.recognizer.hear(pcm), bundle.recognizer.decoder.reporting
    columns = golden.row_columns(reporting)

    def check(stage, target):
        # All of them on the host, many on one core; the others hear a part.
        count = {"host": len(pcm), "m4": max(len(part), _HEARD)}.get(target, len(part))
        count = min(count, len(pcm))
        found = bench.run(target, "words", golden.pcm_bytes(pcm[:count]))
        expected = golden.event_bytes(events[:count], reporting)
        same = _same_utterances(expected, found, columns)
        words = [word for one in events[:count] for word in words_of(one)]
        ends = sum(map(len, events[:count])) - len(words)
        text = f"{count - same:,} of {count:,} recordings ({len(words):,} words, "
        text += f"{ends:,} ends of utterances) with others, other times or confidences"
        return judged(stage, same == count, text)

    yield from on_targets("words", _TARGETS, check, bench)


def _same_utterances(expected, found, columns):
    if len(found) % (4 * columns):
        return 0
    parts = []
    for data in (expected, found):
        rows = np.frombuffer(data, "<u4").reshape(-1, columns)
        ends = np.flatnonzero(rows[:, 0] == golden.NO_WORD)
        parts.append([part.tobytes() for part in np.split(rows, ends + 1)[:-1]])
    if len(parts[0]) != len(parts[1]):
        return 0
    return sum(a == b for a, b in zip(*parts, strict=True))


def _shape(bundle, count):
    student = bundle.student
    return count, student.receptive_field.window, student.num_features


def _windows(bundle):
    values = np.frombuffer(bundle.golden("network_inputs.s8"), np.int8)
    return values.reshape(_shape(bundle, -1))


def _outputs(bundle):
    return np.frombuffer(bundle.golden("network_outputs.s8"), np.int8).astype(int)


def _compared(stage, bundle, found):
    expected = bundle.golden("network_outputs.s8")
    differing = _differing(expected, found)
    text = f"{differing:,} of {len(expected):,} int8 outputs differ"
    windows = len(_windows(bundle))
    return judged(stage, differing == 0, f"{text} on {windows:,} windows")


def _differing(expected, found, kind=np.int8):
    """Counts differing values; all of them where the number is another."""
    if len(expected) != len(found):
        return len(expected)
    return int((np.frombuffer(expected, kind) != np.frombuffer(found, kind)).sum())
