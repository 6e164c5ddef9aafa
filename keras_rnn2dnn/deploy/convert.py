"""`convert`: from a trained student to an int8 file and a report of what that costs."""

import hashlib
import logging
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keras_rnn2dnn
from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.deploy import bundle, golden, held_back
from keras_rnn2dnn.deploy.bundle import (
    Firmware,
    check_keeping,
    check_parts,
    check_reporting,
    decoder_dict,
)
from keras_rnn2dnn.deploy.c_prefix import check_prefix
from keras_rnn2dnn.deploy.device.decoders import check_of_clips
from keras_rnn2dnn.deploy.recordings import compare_features, pcm_of, word_errors
from keras_rnn2dnn.deploy.report import ConversionReport
from keras_rnn2dnn.quantization.calibration import (
    calibration_windows,
    clip_frames,
    split,
    utterances_of,
)
from keras_rnn2dnn.quantization.comparison import (
    check_equal,
    compare,
    long_enough,
    student_logits,
)
from keras_rnn2dnn.quantization.fake_quant import is_fake_quantized
from keras_rnn2dnn.quantization.folding.graph import student_graph
from keras_rnn2dnn.quantization.folding.rebuild import logits_student
from keras_rnn2dnn.quantization.folding.tracing import traced
from keras_rnn2dnn.quantization.interpreter import Int8Student
from keras_rnn2dnn.quantization.operators import check_runs_on_device, operators
from keras_rnn2dnn.quantization.quantize import check_quantization, quantize
from keras_rnn2dnn.quantization.window import window_model
from keras_rnn2dnn.scoring.pairing import as_words
from keras_rnn2dnn.scoring.vocabulary import check_vocabulary
from keras_rnn2dnn.scoring.word_errors import word_error_rate
from keras_rnn2dnn.util.errors import invalid, is_integer
from keras_rnn2dnn.util.files import Audio

_LOGGER = logging.getLogger(__name__)


def convert(
    student: keras.Model,
    directory: str | Path,
    calibration: Any,
    *,
    feature_spec: Any = None,
    decode: Callable[[list[np.ndarray]], list] | None = None,
    references: Sequence | None = None,
    recordings: Sequence[np.ndarray] | Audio = (),
    frame_step_ms: float = 10.0,
    num_calibration_windows: int = 1000,
    seed: int = 0,
    ranges: str = "minmax",
    activations: str = "int8",
    no_c: bool = False,
    prefix: str = "",
    keep_images: bool = False,
) -> ConversionReport:
    """Converts a feed-forward student to int8, and writes the firmware bundle.

    `student.tflite` computes the logits of one frame from its context window,
    `(1, window, features) -> (1, classes)`. A fifth of the utterances is held back from
    the calibration; on it the student itself, edge frames included, is compared with
    what the device computes. Around it: `report.json` and `report.md`, sources for
    TensorFlow Lite Micro in `tflm/`, and, for students of layers that it runs, C99
    code of the network in `c/` with its build and `golden/` outputs. With a
    `FeatureSpec` and a `WordLoopDecoder` or `GreedyDecoder` the C code goes from PCM to
    words; with a `KeywordSpotter` that of a student of whole clips `(batch, classes)`.
    `rnn2dnn verify` proves that it computes what Python does. Where the C code cannot
    be, or leaves features and decoder out though both are given, a warning is logged;
    `report.missing_c` says why.

    BatchNormalization, Normalization and Rescaling are folded into the Dense and Conv1D
    layers beside them. A softmax at the end is left out: the file gives logits.

    Args:
        student: Functional or Sequential model, or a subclassed one whose `call` uses
            Keras layers and `keras.ops`, `(batch, frames, features) -> (batch, frames,
            classes)`, logits out, or posteriors of a softmax at its end.
        directory: of the bundle; made if it is missing. An earlier bundle there is
            replaced.
        calibration: real features, never random numbers: `(utterances, frames,
            features)`, a list of `(frames, features)`, a `tf.RaggedTensor`, or a
            `tf.data.Dataset`, `PyDataset` or another iterable of utterances or batches,
            `x` or `(x, ...)`. All-zero frames at the end of an utterance are padding.
        feature_spec: how the features were made: a `FeatureSpec` (or a layer with
            one), for the C code; for the report alone also a dict or another object
            with `to_dict()`. Its `frame_step_ms` replaces the argument.
        decode: turns a list of logits `(frames, classes)` into a list of hypotheses: a
            `WordLoopDecoder`, `GreedyDecoder` or, for a student of whole clips,
            `KeywordSpotter`, which the C code runs too, or any function. With
            `references` the report holds the word error rates.
        references: the words of each utterance, for all of them.
        recordings: PCM of real utterances, int16 or floats in [-1, 1], `(samples,)`
            each: the device must find the same words in all of them as Python. Only
            where the C code goes from PCM to words. `Audio` with transcripts adds the
            word error rate from PCM on: the one number that a wrong `feature_spec`
            cannot pass.
        frame_step_ms: distance between two input frames in milliseconds.
        num_calibration_windows: windows that set the int8 ranges, spread evenly.
        seed: of the choice of the utterances held back.
        ranges: what int8 activations can hold of their values in the calibration:
            `"minmax"` all, `"percentile"` 99.99 %, `"mse"` what gives the smallest mean
            squared error; see `ranges.calibrated_range`. Those that
            `quantization_aware` chose stay.
        activations: `"int8"`, or `"int16"`: finer, for twice the memory of activations.
            Weights are int8 always. The C code runs int8 alone.
        no_c: whether a bundle without the C code will do: no warning then.
        prefix: of all names in the C code, such as `"kitchen"` for
            `kitchen_recognizer_push` in `c/kitchen_recognizer.h`: with one of their own
            several bundles go into one program.
        keep_images: of a keyword spotter, whether the C code keeps the images of its
            layers from window to window, and computes new rows of them alone: the same
            bits for fewer instructions and more RAM, both of which the report states.

    Returns:
        The report.

    Raises:
        ValueError: if the student cannot run in int8 on one context window, there are
            too few calibration frames, `directory` holds files of other origin, the
            features of the recordings are far from the calibration, or an argument is
            invalid.
        RuntimeError: if TensorFlow Lite fails, or a device could not run its file.

    Example:
        >>> student = keras_rnn2dnn.dnn_student(4, 3, context=(2, 1), units=(8,))
        >>> features = np.random.default_rng(0).normal(size=(20, 50, 4))
        >>> report = convert(student, "device", features)
        >>> report.parameters, report.multiply_accumulates, report.latency_ms
        (163, 152, 10.0)
        >>> report.comparison["kl"] < 0.01
        True
    """
    given_spec = getattr(feature_spec, "spec", feature_spec)  # of a layer
    spec, frame_step_ms = _feature_spec(given_spec, frame_step_ms)
    _check_count("num_calibration_windows", num_calibration_windows)
    if decode is None and references is not None:
        expected = "a value, since `references` is given"
        raise ValueError(invalid("decode", expected, None))
    bundle.check_directory(directory)
    check_prefix(prefix)
    student = traced(student)
    graph = student_graph(student)
    utterances = utterances_of(calibration, student.input_shape[2], graph.clip)
    frames = clip_frames(student, utterances) if graph.clip else None
    model, field = window_model(student, frames)
    check_quantization(model, ranges, activations)
    _check_width(spec, student)
    pcm, transcripts = pcm_of(recordings)
    check_reporting(decode)
    check_of_clips(decode, graph.clip)
    check_parts(given_spec, decode, student.output_shape[-1], pcm)
    if references is not None:
        as_words(references, "references")  # raises where they are none
    if references is not None and len(references) != len(utterances):
        expected = f"{len(utterances)} references, one per utterance"
        raise ValueError(invalid("references", expected, len(references)))
    for name, texts in (("references", references), ("recordings", transcripts)):
        if texts is not None:
            check_vocabulary(texts, decode, name)
    chosen, held = split(utterances, seed)
    held = long_enough(student, field, utterances, held)
    used = [utterances[k] for k in chosen]
    windows = calibration_windows(used, field, num_calibration_windows)
    heard = compare_features(pcm, given_spec, used) if pcm else None
    check_equal(student, model, field, used, graph.softmax)
    floats = logits_student(student, graph)

    tflite = quantize(model, windows, ranges, activations)
    check_runs_on_device(tflite, activations)
    device = Int8Student.load(tflite, field)
    parts = tflite, device, given_spec, decode, prefix, keep_images
    firmware = Firmware.of(*parts)
    if keep_images:
        check_keeping(firmware.recognizer)
    compared = compare(floats, device, utterances, held, decode, references)
    compared["wer_device"] = None
    if references is not None and firmware.recognizer is not None:
        words = firmware.decode([utterances[k] for k in held])
        spoken = [references[k] for k in held]
        compared["wer_device"] = word_error_rate(spoken, words).wer
    names = tuple(sorted(set(operators(tflite))))
    files = firmware.files(tflite, names, utterances, pcm)
    kept = [utterances[k] for k in held]
    spoken = [references[k] for k in held] if references is not None else None
    if firmware.network is not None:
        given = spoken if decoder_dict(decode) else None
        files |= held_back.of_utterances(
            kept, lambda x: student_logits(floats, x), given
        )
        compared["kept"] = held_back.kept(files, device)
    if heard:
        found = golden.read_words(files["golden/test_set.u32"])
        texts = [[firmware.recognizer.words[k] for k in words] for words in found]
        heard |= word_errors(transcripts, texts)
        if transcripts is not None:
            files[held_back.SPOKEN] = held_back.lines(transcripts)
    report = ConversionReport(
        tflite="student.tflite",
        bytes=len(tflite),
        sha256=hashlib.sha256(tflite).hexdigest(),
        parameters=student.count_params(),
        multiply_accumulates=_multiply_accumulates(model),
        context=field.to_dict(),
        latency_frames=field.right,
        latency_ms=field.right * frame_step_ms,
        operators=names,
        quantization=_quantization(device, activations),
        calibration={
            "utterances": len(chosen),
            "windows": len(windows),
            "ranges": "student" if is_fake_quantized(model) else ranges,
        },
        comparison=compared,
        recordings=heard,
        feature_spec=spec,
        versions=_versions(),
        decoder=decoder_dict(decode),
        firmware=firmware.summary(files),
        left_out=_left_out(graph),
        missing_c=_missing_c(firmware, given_spec, decode),
    )
    report = bundle.write(directory, report, files)
    if report.missing_c and not no_c:
        _LOGGER.warning("%s", report.missing_c)
    return report


def _left_out(graph):
    """Says which part of the student the file leaves out, if any."""
    if graph.softmax is None:
        return None
    return f"the {graph.softmax} of {graph.softmax_name!r}: the file gives logits"


def _missing_c(firmware, spec, decode):
    """Says which C code was asked for and cannot be; None where nothing is missing."""
    if firmware.network is None:
        return f"The bundle has no C code. {firmware.refused}"
    words = isinstance(spec, FeatureSpec) and decoder_dict(decode) is not None
    if words and firmware.recognizer is None:  # both given: from PCM to words
        return f"The C code is the network alone. {firmware.refused}"
    return None


def _quantization(device, activations):
    ends = {"input": device.input_quantization, "output": device.output_quantization}
    return {
        name: {"dtype": activations, "scale": scale, "zero_point": zero_point}
        for name, (scale, zero_point) in ends.items()
    }


def _feature_spec(feature_spec, frame_step_ms):
    """Returns the spec as a dict or None, and the frame step in milliseconds."""
    spec = feature_spec
    if spec is not None and not isinstance(spec, dict):
        if not hasattr(spec, "to_dict"):
            expected = "a dict or an object with `to_dict()`"
            raise ValueError(invalid("feature_spec", expected, feature_spec))
        spec = spec.to_dict()
    step = (spec or {}).get("frame_step_ms")
    step = getattr(feature_spec, "frame_step_ms", step)
    step = frame_step_ms if step is None else step
    if isinstance(step, bool) or not isinstance(step, int | float) or not step > 0:
        raise ValueError(invalid("frame_step_ms", "a number > 0", step))
    return spec, float(step)


def _check_width(spec, student):
    spec, expected, unit = spec or {}, student.input_shape[2], "bins"
    given = spec.get("num_bins")
    if spec.get("num_cepstra") is not None:
        given, unit = spec["num_cepstra"], "cepstra"
    if given is not None and given != expected:
        expected = f"features of {expected} {unit}, as the student takes"
        hint = "Is it the specification of this student's features?"
        raise ValueError(invalid("feature_spec", expected, f"{given} {unit}", hint))


def _check_count(name, value):
    if not is_integer(value) or value < 1:
        raise ValueError(invalid(name, "an integer >= 1", value))


def _multiply_accumulates(model):
    """Counts those of the kernels; a convolution uses its kernel once per position."""
    return sum(
        int(np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:-1]))
        for layer in model.layers
        if hasattr(layer, "kernel")
    )


def _versions():
    return {
        "keras_rnn2dnn": keras_rnn2dnn.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
