"""Stages of `verify` about the figures of the report: what can be computed anew is."""

import math
from collections.abc import Iterator, Sequence

from keras_rnn2dnn.deploy import golden, held_back
from keras_rnn2dnn.deploy.device import ram
from keras_rnn2dnn.deploy.loading import Bundle
from keras_rnn2dnn.deploy.recordings import word_errors
from keras_rnn2dnn.deploy.toolchain import Workbench
from keras_rnn2dnn.deploy.verify.outcome import NOT_RUN, Outcome, judged
from keras_rnn2dnn.deploy.verify.outputs import INTERPRETER
from keras_rnn2dnn.quantization.operators import operators
from keras_rnn2dnn.scoring.word_errors import word_error_rate
from keras_rnn2dnn.util import bundle_checksums

_EARLIER = "an earlier version wrote this bundle"
# TensorFlow Lite's kernels on another machine may round some logits to the next step.
_KL_TOLERANCE, _FRAMES_TOLERANCE = 0.05, 0.002


def report_sum(bundle: Bundle) -> Iterator[Outcome]:
    """Reports the comparison of the report with its own sum, made by `load_bundle`."""
    if "sum" in bundle.report:
        text = "report.json has the SHA-256 that it states"
        yield judged("report: sum", True, text)
        return
    text = f"{_EARLIER}, whose report has no sum: an edit of it may not be seen"
    yield Outcome("report: sum", NOT_RUN, text, optional=True)


def report_figures(bundle: Bundle, bench: Workbench, _: Sequence) -> Iterator[Outcome]:
    """Computes sizes, KL, agreement and word error rates of the report anew."""
    yield _sizes(bundle)
    if "kept" not in bundle.report["comparison"]:
        if bundle.network is None:
            text = "its figures are covered by the sum: this bundle keeps no utterances"
        else:
            text = f"{_EARLIER}, without utterances to compute its figures from"
        yield Outcome("report: KL, agreement", NOT_RUN, text, optional=True)
        return
    read = held_back.read(lambda name: _content(bundle, name), bundle.student)
    yield _comparison(bundle, *read)
    names = bundle.report["files"]
    if bundle.recognizer is not None and held_back.REFERENCES in names:
        yield _held_errors(bundle, read[0])
    if bundle.recognizer is not None and held_back.SPOKEN in names:
        yield _recording_errors(bundle)


def _content(bundle, name):
    return (bundle.directory / name).read_bytes()


def _lines(bundle, name):
    return _content(bundle, name).decode().splitlines()


def _sizes(bundle):
    report, student = bundle.report, bundle.student
    expected = {
        "bytes": len(bundle.tflite),
        "sha256": bundle_checksums.sha256(bundle.tflite),
        "operators": sorted(set(operators(bundle.tflite))),
        "latency_frames": student.receptive_field.right,
    }
    stated = {name: report[name] for name in expected}
    stated["operators"] = sorted(stated["operators"])
    ends = {"input": student.input_quantization, "output": student.output_quantization}
    for name, (scale, zero_point) in ends.items():
        expected |= {f"{name} scale": scale, f"{name} zero point": zero_point}
        given = report["quantization"][name]
        stated[f"{name} scale"] = given["scale"]
        stated[f"{name} zero point"] = given["zero_point"]
    if bundle.recognizer is not None:
        expected["ram_bytes"] = ram.recognizer_ram(bundle.recognizer)
        stated["ram_bytes"] = report["firmware"]["ram_bytes"]
    return _judged("report: sizes", expected, stated)


def _comparison(bundle, features, logits):
    stated = bundle.report["comparison"]
    with INTERPRETER:
        found = held_back.compared(features, logits, bundle.student)
    whole = stated["kept"]["frames"] == stated["frames"]
    wrong = []
    for where, said in (("kept ", stated["kept"]), ("", stated))[: 1 + whole]:
        most = max(_FRAMES_TOLERANCE, 1.5 / found["frames"])
        if said["frames"] != found["frames"]:
            wrong.append(f"{where}frames {said['frames']} against {found['frames']}")
        if abs(said["agreement"] - found["agreement"]) > most:
            pair = f"{said['agreement']:.4f} against {found['agreement']:.4f}"
            wrong.append(f"{where}agreement {pair}")
        same = math.isclose(
            said["kl"], found["kl"], rel_tol=_KL_TOLERANCE, abs_tol=1e-6
        )
        if not same:
            wrong.append(f"{where}KL {said['kl']:.6f} against {found['kl']:.6f}")
    text = f"KL {found['kl']:.6f}, agreement {found['agreement']:.2%}"
    text += f" on {found['frames']:,} of {stated['frames']:,} frames"
    if wrong:
        text = f"the report says {'; '.join(wrong)} computed"
    return judged("report: KL, agreement", not wrong, text)


def _held_errors(bundle, features):
    """The word error rate of the device's arithmetic, which is the same anywhere."""
    stated, spoken = bundle.report["comparison"], _lines(bundle, held_back.REFERENCES)
    network, recognizer = bundle.network, bundle.recognizer
    found = recognizer.decode([network.logits(network.quantized(x)) for x in features])
    words = [[word.text for word in utterance] for utterance in found]
    expected = {"wer_device": word_error_rate(spoken, words).wer}
    return _judged("report: word errors", expected, stated)


def _recording_errors(bundle):
    """From PCM on; the words are those that the stage of words has compared."""
    columns = golden.row_columns(bundle.recognizer.decoder.reporting)
    found = golden.read_words(bundle.golden("test_set.u32"), columns)
    texts = [[bundle.recognizer.words[k] for k in words] for words in found]
    expected = word_errors(_lines(bundle, held_back.SPOKEN), texts)
    expected["count"] = len(found)
    given = {name: bundle.report["recordings"][name] for name in expected}
    return _judged("report: word errors from PCM", expected, given)


def _judged(stage, expected, given):
    wrong = [
        f"{name} {given[name]} against {value} computed"
        for name, value in expected.items()
        if not _same(given[name], value)
    ]
    text = f"the report says {'; '.join(wrong)}"
    return judged(stage, not wrong, text if wrong else f"{', '.join(expected)}")


def _same(given, value):
    if isinstance(value, float) and isinstance(given, int | float):
        return math.isclose(given, value, rel_tol=1e-9)
    return given == value
