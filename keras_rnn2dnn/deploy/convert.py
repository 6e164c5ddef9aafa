"""`convert`: from a trained student to an int8 file and a report of what that costs."""

import hashlib
import platform
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keras_rnn2dnn
from keras_rnn2dnn.batches import without_padding
from keras_rnn2dnn.deploy import bundle
from keras_rnn2dnn.deploy.bundle import Firmware, check_parts, decoder_dict
from keras_rnn2dnn.deploy.fake_quant import is_fake_quantized
from keras_rnn2dnn.deploy.golden import int16_pcm
from keras_rnn2dnn.deploy.interpreter import Int8Student, context_windows
from keras_rnn2dnn.deploy.quantize import (
    check_quantization,
    check_runs_on_device,
    operators,
    quantize,
)
from keras_rnn2dnn.deploy.report import ConversionReport, compare_logits
from keras_rnn2dnn.deploy.window import shortens, window_model
from keras_rnn2dnn.errors import invalid, is_integer
from keras_rnn2dnn.scoring import word_error_rate

LEAST_CALIBRATION_WINDOWS = 500  # with 20, KL(float || int8) is eight times larger
_HELD_BACK = 0.2
_CHECKED_FRAMES = 256


def convert(
    student: keras.Model,
    directory: str | Path,
    calibration: Any,
    *,
    feature_spec: Any = None,
    decode: Callable[[list[np.ndarray]], list] | None = None,
    references: Sequence | None = None,
    recordings: Sequence[np.ndarray] = (),
    frame_step_ms: float = 10.0,
    num_calibration_windows: int = 1000,
    seed: int = 0,
    ranges: str = "minmax",
    activations: str = "int8",
) -> ConversionReport:
    """Converts a feed-forward student to int8, and writes the firmware bundle.

    `student.tflite` computes the logits of one frame from its context window,
    `(1, window, features) -> (1, classes)`. A fifth of the utterances is held back from
    the calibration; on it the student itself, edge frames included, is compared with
    what the device computes. Around it: `report.json` and `report.md`, sources for
    TensorFlow Lite Micro in `tflm/`, and, for students of Dense and Conv1D layers, C99
    code of the network in `c/` with its build and `golden/` outputs. With a
    `FeatureSpec` and a `WordLoopDecoder` or `GreedyDecoder` the C code goes from PCM to
    words. `rnn2dnn verify` proves that it computes what Python does.

    Args:
        student: Functional or Sequential model
            `(batch, frames, features) -> (batch, frames, classes)`, logits out.
        directory: of the bundle; made if it is missing. An earlier bundle there is
            replaced.
        calibration: real features, never random numbers: `(utterances, frames,
            features)`, a list of `(frames, features)`, or a `tf.data.Dataset` or
            another iterable of batches `x` or `(x, ...)`. All-zero frames at the end of
            an utterance are padding.
        feature_spec: how the features were made: a `FeatureSpec` (or a layer with
            one), for the C code; for the report alone also a dict or another object
            with `to_dict()`. Its `frame_step_ms` replaces the argument.
        decode: turns a list of logits `(frames, classes)` into a list of hypotheses: a
            `WordLoopDecoder` or `GreedyDecoder`, which the C code runs too, or any
            function. With `references` the report holds the word error rates.
        references: the words of each utterance, for all of them.
        recordings: PCM of real utterances, int16 or floats in [-1, 1], `(samples,)`
            each: the device must find the same words in all of them as Python. Only
            where the C code goes from PCM to words.
        frame_step_ms: distance between two input frames in milliseconds.
        num_calibration_windows: windows that set the int8 ranges, spread evenly.
        seed: of the choice of the utterances held back.
        ranges: what int8 activations can hold of their values in the calibration:
            `"minmax"` all, `"percentile"` 99.99 %, `"mse"` what gives the smallest mean
            squared error; see `ranges.calibrated_range`. Those that
            `quantization_aware` chose stay.
        activations: `"int8"`, or `"int16"`: finer, for twice the memory of activations.
            Weights are int8 always.

    Returns:
        The report.

    Raises:
        ValueError: if the student cannot run in int8 on one context window, there are
            too few calibration frames, `directory` holds files of other origin, or
            an argument is invalid.
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
    model, field = window_model(student)
    check_quantization(model, ranges, activations)
    _check_width(spec, student)
    recordings = [int16_pcm(recording) for recording in recordings]
    check_parts(given_spec, decode, student.output_shape[-1], recordings)
    utterances = _utterances(calibration, student.input_shape[-1])
    if references is not None and len(references) != len(utterances):
        expected = f"{len(utterances)} references, one per utterance"
        raise ValueError(invalid("references", expected, len(references)))
    chosen, held = _split(utterances, seed)
    windows = _calibration_windows(
        [utterances[k] for k in chosen], field, num_calibration_windows
    )
    _check_equal(student, model, field, [utterances[k] for k in chosen])

    tflite = quantize(model, windows, ranges, activations)
    check_runs_on_device(tflite, activations)
    device = Int8Student.load(tflite, field)
    names = tuple(sorted(set(operators(tflite))))
    firmware = Firmware.of(tflite, device, given_spec, decode)
    compared = _compare(student, device, utterances, held, decode, references)
    compared["wer_device"] = None
    if references is not None and firmware.recognizer is not None:
        words = firmware.decode([utterances[k] for k in held])
        compared["wer_device"] = word_error_rate(_chosen(references, held), words).wer
    files = firmware.files(tflite, names, utterances, recordings)
    report = ConversionReport(
        tflite="student.tflite",
        bytes=len(tflite),
        sha256=hashlib.sha256(tflite).hexdigest(),
        parameters=student.count_params(),
        multiply_accumulates=_multiply_accumulates(model),
        context={
            "left": field.left,
            "right": field.right,
            "window": field.window,
            "stride": field.stride,
        },
        latency_frames=field.right,
        latency_ms=field.right * frame_step_ms,
        operators=names,
        quantization={
            name: {"dtype": activations, "scale": scale, "zero_point": zero_point}
            for name, (scale, zero_point) in (
                ("input", device.input_quantization),
                ("output", device.output_quantization),
            )
        },
        calibration={
            "utterances": len(chosen),
            "windows": len(windows),
            "ranges": "student" if is_fake_quantized(model) else ranges,
        },
        comparison=compared,
        feature_spec=spec,
        versions=_versions(),
        decoder=decoder_dict(decode),
        firmware=firmware.summary(files),
    )
    return bundle.write(directory, report, files)


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
    given, expected = (spec or {}).get("num_bins"), student.input_shape[-1]
    if given is not None and given != expected:
        expected = f"features of {expected} bins, as the student takes"
        hint = "Is it the specification of this student's features?"
        raise ValueError(invalid("feature_spec", expected, f"{given} bins", hint))


def _check_count(name, value):
    if not is_integer(value) or value < 1:
        raise ValueError(invalid(name, "an integer >= 1", value))


def _utterances(calibration, num_features) -> list[np.ndarray]:
    """Lists the utterances without padding, float32 `(frames, features)`."""
    expected = f"arrays (batch, frames, {num_features}) or (frames, {num_features})"
    if isinstance(calibration, np.ndarray):
        calibration = [calibration]
    if not isinstance(calibration, Iterable):
        received = type(calibration).__name__
        raise ValueError(invalid("calibration", expected, received))
    utterances = []
    for element in calibration:
        x = element[0] if isinstance(element, tuple) else element
        if isinstance(x, dict):
            hint = "Give the student's features alone, such as dataset.map(...)"
            raise ValueError(invalid("calibration", expected, sorted(x), hint))
        x = np.asarray(x.numpy() if tf.is_tensor(x) else x, np.float32)
        if x.ndim not in (2, 3) or x.shape[-1] != num_features:
            raise ValueError(invalid("calibration", expected, x.shape))
        if not np.isfinite(x).all():
            raise ValueError(invalid("calibration", "finite features", "NaN or inf"))
        utterances.extend(x if x.ndim == 3 else [x])
    return [without_padding(x) for x in utterances]


def _split(utterances, seed):
    """Chooses about 80 % for the calibration; the rest is held back. Sorted indices."""
    counting = [k for k, x in enumerate(utterances) if len(x)]
    if len(counting) < 2:
        hint = "One part calibrates, the other is held back for the comparison"
        expected = "at least 2 utterances"
        raise ValueError(invalid("calibration", expected, len(counting), hint))
    order = np.random.default_rng(seed).permutation(counting)
    held = max(1, round(_HELD_BACK * len(order)))
    return sorted(order[held:].tolist()), sorted(order[:held].tolist())


def _calibration_windows(utterances, field, number):
    """Draws windows spread evenly over the utterances, `(number, window, features)`."""
    windows = [context_windows(x, field) for x in utterances]
    starts = np.cumsum([0, *(len(w) for w in windows)])
    available = int(starts[-1])
    if available < LEAST_CALIBRATION_WINDOWS:
        expected = f"at least {LEAST_CALIBRATION_WINDOWS} context windows"
        hint = (
            f"That is what {len(utterances)} utterances give, the others being held "
            "back for the comparison: give more real utterances"
        )
        raise ValueError(invalid("calibration", expected, available, hint))
    drawn = np.linspace(0, available - 1, min(number, available)).round().astype(int)
    owners = np.searchsorted(starts, drawn, side="right") - 1
    return np.stack(
        [windows[k][n - starts[k]] for k, n in zip(owners, drawn, strict=True)]
    )


def _check_equal(student, model, field, utterances):
    """Checks that the window's graph gives what the student gives on inner frames."""
    length = field.window + field.stride * _CHECKED_FRAMES
    frames = np.concatenate(utterances[:length])[:length]
    frames = np.resize(frames, (length, frames.shape[1]))  # repeats what is too short
    expected = _student_logits(student, frames)
    positions = np.arange(len(expected)) * field.stride
    inner = positions - field.left >= 0
    inner &= positions + field.right < length
    windows = context_windows(frames, field)[: len(expected)][inner]
    with tf.device("CPU:0"):  # GPUs round to TF32
        # A batch of one is what the graph was made for.
        received = np.concatenate([model(w[None]).numpy() for w in windows[::8]])
    expected = expected[inner][::8]
    exact = all(layer.compute_dtype == "float32" for layer in student.layers)
    exact &= not is_fake_quantized(model)  # which may round to the next step
    difference = float(np.abs(expected - received).max())
    tolerance = (1e-3 if exact else 5e-2) * max(1.0, float(np.abs(expected).max()))
    if not difference <= tolerance:
        hint = (
            f"Its logits differ by {difference:.3g} from those of its graph for one "
            f"context window of {field.window} frames (allowed: {tolerance:.3g}). Does "
            "it override `call`, or look at more than its layers say?"
        )
        expected = "a student whose frames depend on their context window alone"
        raise ValueError(invalid("student", expected, student.name, hint))


def _student_logits(student, utterance):
    with tf.device("CPU:0"):
        logits = student(utterance[None], training=False)
    return keras.ops.cast(logits, "float32").numpy()[0]


def _compare(student, device, utterances, held, decode, references):
    """Compares the student with the device on the utterances held back."""
    least = device.receptive_field.window if shortens(student) else 1
    held = [k for k in held if len(utterances[k]) >= least]
    if not held:
        expected = f"utterances of at least {least} frames among those held back"
        raise ValueError(invalid("calibration", expected, "shorter ones"))
    floats = [_student_logits(student, utterances[k]) for k in held]
    int8s = device.predict([utterances[k] for k in held])
    int8s = [z[: len(reference)] for z, reference in zip(int8s, floats, strict=True)]
    compared = {"utterances": len(held), **compare_logits(floats, int8s)}
    compared |= {"wer_float": None, "wer_int8": None}
    if references is not None:
        spoken = _chosen(references, held)
        for name, logits in (("wer_float", floats), ("wer_int8", int8s)):
            compared[name] = word_error_rate(spoken, decode(logits)).wer
    return compared


def _chosen(references, held):
    return [references[k] for k in held]


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
