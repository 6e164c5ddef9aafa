"""The best student within a budget of bytes and instructions."""

import dataclasses
import itertools
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from keras_rnn2dnn.alignments import SoftAlignments
from keras_rnn2dnn.alignments.training import train_student
from keras_rnn2dnn.budget.result import Candidate, SearchResult
from keras_rnn2dnn.deploy import Int8Student, convert, window_model
from keras_rnn2dnn.deploy.device.layers import read_layers, streaming_spans
from keras_rnn2dnn.hmm import WordLoopDecoder, tune_decoder
from keras_rnn2dnn.models.reference import dnn_student, tdnn_student
from keras_rnn2dnn.quantization.interpreter import context_windows
from keras_rnn2dnn.quantization.quantize import quantize
from keras_rnn2dnn.scoring.word_errors import word_error_rate
from keras_rnn2dnn.util.errors import invalid, is_integer
from keras_rnn2dnn.util.files import Utterances

WIDTHS = (16, 20, 24, 28, 32, 40, 48, 64, 96, 128)
DEPTHS = (1, 2, 3)
STEPS = (1, 2)
_TDNN_SHARES = (0.1, 0.3, 0.6)  # of the context, by layer
_TRAINED_PER_SHAPE = 3  # the widest ones that fit; narrower ones are worse
_CALIBRATION_UTTERANCES = 200
# Cortex-M4F: 27 instructions for 16 products in network.c, and those of each output.
_PER_PRODUCT, _PER_OUTPUT = 27 / 16, 110


def search_student(
    store: SoftAlignments,
    development: Utterances,
    decoder: WordLoopDecoder,
    *,
    max_bytes: int | None = None,
    max_instructions: int | None = None,
    context: tuple[int, int] = (10, 10),
    widths: Sequence[int] = WIDTHS,
    depths: Sequence[int] = DEPTHS,
    steps: Sequence[int] = STEPS,
    tdnn: bool = True,
    epochs: int = 10,
    batch_size: int = 32,
    learning_rate: float = 3e-3,
    seed: int = 0,
    loss: keras.losses.Loss | None = None,
    backups: str | Path | None = None,
    on_progress: Callable[[str, float], None] | None = None,
) -> SearchResult:
    """Trains the students of a small grid that fit a budget, all from one store.

    The grid has a `dnn_student` of each width, depth and step, and `tdnn_student`s of
    each width, whose last layer has that width or the one before. Of every kind the
    three widest students that fit are trained. Each is converted to int8, its decoder
    is tuned, and its words are counted on the development data: by them the best is
    chosen. So its errors there are too low an estimate of those on new data.

    Args:
        store: soft alignments of the training data.
        development: features with transcripts.
        decoder: to tune: priors and topology.
        max_bytes: of the int8 file.
        max_instructions: of the network per frame on a Cortex-M4F.
        context: frames before and after the current one.
        widths: of the hidden layers.
        depths: numbers of hidden layers.
        steps: distances between the context frames.
        tdnn: whether the grid has time-delay students of three layers, too.
        epochs: of each training.
        batch_size: utterances.
        learning_rate: highest.
        seed: of weights and order.
        loss: of the training, `SoftAlignmentKL()` by default.
        backups: directory in which every training keeps its state, as `64,64.backup`;
            see `EpochBackup`. A search that was stopped goes on from there. They stay
            at the end; see `util.epoch_backup.remove_backups`.
        on_progress: called with what is done next and the share that is done.

    Returns:
        All candidates, and the best student.

    Raises:
        ValueError: if there is no budget, no candidate fits it, there are no
            transcripts, or features or states do not fit the store; or a backup is
            damaged, or of other settings or another store.
    """
    _check(store, development, max_bytes, max_instructions)
    limits = (max_bytes or math.inf, max_instructions or math.inf)
    settings = {"context": context, "seed": seed}
    calibration = _calibration(store)
    grid = [((w,) * d, (step,)) for d in depths for step in steps for w in widths]
    if tdnn:
        grid += _tdnn_grid(context, widths)
    candidates = []
    for number, (units, between) in enumerate(grid):
        _report(on_progress, "measure", number / len(grid))
        student = _new(store, units, between, **settings)
        candidates.append(_estimated(student, units, between, calibration, limits))
    chosen = _widest(candidates)
    if not chosen:
        _refuse(candidates, max_bytes, max_instructions)
    training = {"epochs": epochs, "batch_size": batch_size, "seed": seed}
    training |= {"learning_rate": learning_rate, "loss": loss}
    found = {}
    for number, candidate in enumerate(chosen):

        def report(share, number=number):
            _report(on_progress, "train", (number + share) / len(chosen))

        student = _new(store, candidate.units, candidate.steps, **settings)
        name = f"{candidate.name.replace(' ', '-')}.backup"
        train_student(
            student,
            store,
            **training,
            backup=backups and Path(backups, name),
            keep_backup=True,
            on_progress=report,
        )
        measured, tuned = _evaluated(
            candidate, student, calibration, development, decoder, limits
        )
        found[candidate] = (measured, student, tuned)
    fitting = [entry for entry in found.values() if entry[0].fits]
    if not fitting:
        _refuse([entry[0] for entry in found.values()], max_bytes, max_instructions)
    best = min(fitting, key=lambda entry: (entry[0].errors, entry[0].num_bytes))
    everything = [found[c][0] if c in found else c for c in candidates]
    everything.sort(key=lambda c: (c.num_bytes, c.instructions))
    return SearchResult(tuple(everything), *best)


def _check(store, development, max_bytes, max_instructions):
    if max_bytes is None and max_instructions is None:
        raise ValueError(invalid("max_bytes", "a budget, or `max_instructions`", None))
    for name, value in (
        ("max_bytes", max_bytes),
        ("max_instructions", max_instructions),
    ):
        if value is not None and (not is_integer(value) or value < 1):
            raise ValueError(invalid(name, "an integer >= 1", value))
    if development.transcripts is None:
        raise ValueError(invalid("development", "utterances with transcripts", None))
    shape = store.manifest.settings.feature_shape
    if tuple(development.features[0].shape[1:]) != tuple(shape):
        received = development.features[0].shape[1:]
        expected = f"features of shape {shape}, as in the store"
        raise ValueError(invalid("development", expected, received))


def _report(on_progress, stage, share):
    if on_progress:
        on_progress(stage, share)


def _calibration(store):
    chosen = itertools.islice(store.utterances(), _CALIBRATION_UTTERANCES)
    return [utterance.features for utterance in chosen]


def _tdnn_grid(context, widths):
    """Lists three layers that together see the shorter side.

    The last is as wide as the second, or one width narrower: a finer grid in bytes.
    """
    reach = min(context)
    steps = tuple(max(1, round(share * reach)) for share in _TDNN_SHARES)
    if sum(steps) > reach:
        return []
    pairs = zip(widths, (None, *widths[:-1]), strict=True)
    lasts = [
        (width, last) for width, before in pairs for last in (before, width) if last
    ]
    return [((round(1.5 * width), width, last), steps) for width, last in lasts]


def _new(store, units, steps, context, seed):
    keras.utils.set_random_seed(seed)
    features, classes = store.manifest.settings.feature_shape[0], store.num_classes
    if len(steps) > 1:
        return tdnn_student(features, classes, units, steps)
    left, right = (frames // steps[0] for frames in context)
    return dnn_student(features, classes, (left, right), units, steps[0])


def _estimated(student, units, steps, calibration, limits):
    """Returns an untrained candidate: its size depends little on its weights."""
    model, field = window_model(student)
    windows = np.concatenate([context_windows(x, field) for x in calibration[:5]])
    tflite = quantize(model, windows[:50])
    layers = read_layers(tflite)
    streams = streaming_spans(layers, field, student.input_shape[-1]) is not None
    frames = [1 if streams else layer.frames for layer in layers]
    pairs = list(zip(layers, frames, strict=True))
    products = sum(layer.weights.size * count for layer, count in pairs)
    outputs = sum(layer.outputs * count for layer, count in pairs)
    instructions = round(_PER_PRODUCT * products + _PER_OUTPUT * outputs)
    fits = len(tflite) <= limits[0] and instructions <= limits[1]
    return Candidate(units, steps, len(tflite), instructions, False, fits)


def _widest(candidates):
    """Returns those of each depth and step that are worth the training."""
    shapes = {}
    for candidate in candidates:
        if candidate.fits:
            key = (len(candidate.units), candidate.steps)
            shapes.setdefault(key, []).append(candidate)
    return [
        c
        for shape in shapes.values()
        for c in sorted(shape, key=lambda c: c.units)[-_TRAINED_PER_SHAPE:]
    ]


def _refuse(candidates, max_bytes, max_instructions):
    smallest = min(candidates, key=lambda c: c.num_bytes)
    hint = (
        f"The smallest one, {smallest.name}, has {smallest.num_bytes:,} bytes and "
        f"{smallest.instructions:,} instructions per frame"
    )
    expected = "a budget that a student of the grid fits"
    name = "max_instructions" if max_bytes is None else "max_bytes"
    received = max_instructions if max_bytes is None else max_bytes
    raise ValueError(invalid(name, expected, received, hint))


def _evaluated(candidate, student, calibration, development, decoder, limits):
    """Converts a trained student, and counts its word errors in int8."""
    with tempfile.TemporaryDirectory() as folder:
        report = convert(student, folder, calibration)
        logits = Int8Student.load(folder).predict(development.features)
    tuned = tune_decoder(decoder, logits, development.transcripts)
    rate = word_error_rate(development.transcripts, tuned(logits))
    instructions, cores = candidate.instructions, report.firmware["cores"]
    if cores:
        instructions = cores["m4"]["instructions_per_frame"]["network"]
    found = dataclasses.replace(
        candidate,
        num_bytes=report.bytes,
        instructions=instructions,
        measured=cores is not None,
        fits=report.bytes <= limits[0] and instructions <= limits[1],
        errors=rate.errors,
        words=rate.words,
    )
    return found, tuned
