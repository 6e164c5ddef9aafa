"""The stage of `verify` that hears minutes, as what is left switched on does."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import numpy as np

from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.audio.streams import backgrounds
from keras_rnn2dnn.deploy import golden
from keras_rnn2dnn.deploy.c_prefix import prefixed
from keras_rnn2dnn.deploy.device.events import words_of
from keras_rnn2dnn.deploy.device.features import device_features, feature_tables
from keras_rnn2dnn.deploy.loading import Bundle
from keras_rnn2dnn.deploy.toolchain import Workbench, missing_tools
from keras_rnn2dnn.deploy.verify.changes import Change, shorter_by, unmet_bytes
from keras_rnn2dnn.deploy.verify.outcome import (
    NOT_RUN,
    Outcome,
    judged,
    missing,
    on_targets,
)

_TARGETS = {"host": "C on the host", "m4": "QEMU Cortex-M4F"}
_CHUNK = 160  # samples, as a microphone gives them
_PAUSE_S, _GAIN_DB = (0.3, 15.0), (-30.0, 10.0)
_BACKWARDS = 0.3  # share of what is said that is none of the words
_BLOCK_S, _NOISE_RMS, _HUM_RMS, _PEAKS = 20, 1000.0, 300.0, (0.003, 0.3)
_SIGNALS = 8  # of `golden.edge_signals`
_CHANGED_S = 60  # of the stream, in which changes must be heard


def stream_of(
    recordings: Sequence[np.ndarray], seconds: float, seed: int, spec: FeatureSpec
) -> np.ndarray:
    """Makes minutes of what a device hears: mostly none of its words.

    Recordings, some of them backwards, at levels of -30 to +10 dB and pauses of 0.3 to
    15 s; behind them in turn for 20 s digital silence, noise of changing levels, hum,
    and clicks, knocks, notes or sweeps.

    Args:
        recordings: int16 `(samples,)` of words.
        seconds: how long.
        seed: of everything random.
        spec: gives sample rate and frames.

    Returns:
        int16 `(samples,)`.
    """
    rng, rate = np.random.default_rng(seed), spec.sample_rate_hz
    heard, place = np.zeros(round(seconds * rate)), 0
    while place < len(heard):
        place += int(backgrounds.log_uniform(rng, *_PAUSE_S) * rate)
        pcm = recordings[int(rng.integers(len(recordings)))]
        pcm = pcm[::-1] if rng.random() < _BACKWARDS else pcm
        room = heard[place : place + len(pcm)]
        room += 10 ** (rng.uniform(*_GAIN_DB) / 20) * pcm[: len(room)]
        place += len(pcm)
    size = _BLOCK_S * rate
    for number, start in enumerate(range(0, len(heard), size)):
        count = min(size, len(heard) - start)
        heard[start : start + count] += _background(rng, number % 4, count, spec)
    return np.clip(np.rint(heard), -32768, 32767).astype(np.int16)


def _background(rng, kind, count, spec):
    """Draws the background of a block, in steps of 16 bits."""
    if kind == 0 or count < 2:
        return np.zeros(count)
    if kind == 1:
        frames = -(-count // spec.frame_step)
        levels = backgrounds.changing_levels(rng, frames, _NOISE_RMS)
        sound = np.repeat(levels, spec.frame_step)[:count]
        sound = sound * backgrounds.noise(rng, count)
    elif kind == 2:
        rms = backgrounds.log_uniform(rng, 1.0, _HUM_RMS) / backgrounds.FULL_SCALE
        sound = rms * backgrounds.hum(rng, count, spec.sample_rate_hz)
    else:
        sound = backgrounds.sounds(rng, count, spec.sample_rate_hz, _PEAKS)
    return sound * backgrounds.FULL_SCALE


def stream_events(
    bundle: Bundle, bench: Workbench, _: Sequence, seconds: float
) -> Iterator[Outcome]:
    """Compares all that is reported in minutes of a stream: numpy, C, an emulated core.

    Then numbers that nothing but a stream hears are changed in a copy.
    """
    recognizer = bundle.recognizer
    reporting = recognizer.decoder.reporting
    pcm = stream_of(_recordings(bundle), seconds, 0, recognizer.spec)
    heard = functools.cache(lambda: recognizer.hear([pcm])[0])  # once, if at all

    def check(stage, target):
        found = bench.run(target, "words", golden.pcm_bytes([pcm], [_CHUNK]))
        events = heard()
        words, expected = words_of(events), golden.event_bytes([events], reporting)
        columns = golden.row_columns(reporting)
        differing = _differing_rows(expected, found, columns)
        text = f"{differing:,} of {len(events):,} events ({len(words):,} words, "
        text += f"{len(events) - len(words):,} ends of utterances) in "
        text += f"{len(pcm) / recognizer.spec.sample_rate_hz / 60:.3g} minutes differ"
        return judged(stage, not differing, text)

    yield from on_targets("stream", _TARGETS, check)
    if reporting.decide_ms is not None:  # earlier bundles have no such numbers
        yield from _mutations(bundle, pcm)


def _recordings(bundle):
    """Returns recordings that the bundle holds, or for want of them its signals."""
    if (bundle.directory / "golden/test_set.pcm").is_file():
        return golden.read_pcm(bundle.golden("test_set.pcm"))
    recordings = golden.read_pcm(bundle.golden("recordings.pcm"))
    return recordings[_SIGNALS:] or recordings


def _differing_rows(expected, found, columns):
    """Counts events that differ, from the first one that does."""
    if expected == found:
        return 0
    rows = [data[: len(data) // 4 * 4] for data in (expected, found)]
    rows = [np.frombuffer(data, "<u4") for data in rows]
    count = min(map(len, rows)) // columns * columns
    same = (rows[0][:count] == rows[1][:count]).reshape(-1, columns).all(axis=1)
    first = len(same) if same.all() else int(same.argmin())
    return max(1, max(map(len, rows)) // columns - first)


def _mutations(bundle, pcm) -> Iterator[Outcome]:
    """Makes a time shorter: what numpy says is heard must be caught."""
    if tools := missing_tools("host"):
        yield missing("mutation: times in the stream", tools)
        return
    recognizer = bundle.recognizer
    pcm = pcm[: _CHANGED_S * recognizer.spec.sample_rate_hz]
    given, logits = golden.pcm_bytes([pcm], [_CHUNK]), recognizer.logits(pcm)
    events = recognizer.events([logits])
    expected = golden.event_bytes(events, recognizer.decoder.reporting)
    for what, name, header, frames, hear in _times(recognizer, pcm, logits):
        heard = (less for less in shorter_by(frames) if hear(frames - less) != events)
        less = next(heard, None)
        if less is None:
            text = "no such change is heard in the stream"
            yield Outcome(f"mutation: {what}", NOT_RUN, text, optional=True)
            continue
        name = prefixed(name, bundle.prefix.upper())
        change = Change(name, 0, header, "words", "", "", less)

        def check(stage, _, change=change):
            unmet = unmet_bytes(bundle, change, given, expected)
            text = f"caught: {unmet:,} of {len(expected):,} bytes of events not met"
            return judged(stage, unmet > 0, text)

        yield from on_targets("mutation", {"host": what}, check)


def _times(recognizer, pcm, logits):
    """Yields times in frames, and functions that hear with another time."""
    spec = recognizer.spec
    features, tables = feature_tables(spec), recognizer.tables

    def remembering(frames):
        changed = dataclasses.replace(features, memory_frames=frames)
        heard = device_features(pcm, spec, changed)
        return recognizer.events([recognizer.logits_of(heard)])

    def deciding(frames):
        other = dataclasses.replace(recognizer)
        # in the place of its cached property
        vars(other)["tables"] = dataclasses.replace(tables, history_frames=frames)
        return other.events([logits])

    what, name = "how long features remember", "FEATURES_MEMORY_FRAMES"
    if features.memory_frames > 1:
        yield what, name, "features_table.h", features.memory_frames, remembering
    what, name = "when a word is decided on", "DECODER_HISTORY_FRAMES"
    if recognizer.is_word_loop and tables.history_frames > 1:
        yield what, name, "decoder_table.h", tables.history_frames, deciding
