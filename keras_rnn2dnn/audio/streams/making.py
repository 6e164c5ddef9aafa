"""Word strings and other speech become streams: pauses, levels and backgrounds."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.audio import augment
from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.audio.streams import backgrounds
from keras_rnn2dnn.audio.streams.options import StreamOptions
from keras_rnn2dnn.audio.streams.speech_spans import speech_spans
from keras_rnn2dnn.audio.word_strings import WordString, num_label_frames

_UNDER = 0.5  # of the level of speech: the loudest background under it
_BETWEEN = 0.3  # probability that a background is silent under speech
_NOISE_GOES_ON = 0.5  # that a string's noise is heard in the pauses, too
_HUM_RMS = 300.0  # the highest, of 32,768
_OTHER_DB = (-32.0, -20.0)  # level of other speech, of full scale
_TWO_STRINGS = 0.25  # probability that a stream has two strings
_OTHER_BESIDE = 0.2  # that there is other speech before, between or after them


@dataclasses.dataclass(frozen=True, eq=False)
class Stream:
    """What a device hears.

    Args:
        noisy: float32 `(samples,)`, of 16 bits in [-1, 1].
        clean: the same without background, its strings without noise.
        num_frames: a multiple of `step_frames`, or as many as a plain string has.
        strings: for each string its number in the list given, and the frame at which
            it starts.
        other: first frame of each part that is other speech, and the one after its
            last.
    """

    noisy: np.ndarray
    clean: np.ndarray
    num_frames: int
    strings: tuple[tuple[int, int], ...]
    other: tuple[tuple[int, int], ...] = ()

    def labels(
        self, of_strings: Sequence[np.ndarray], silence: int, other: int
    ) -> np.ndarray:
        """Returns a label for each frame, int32 `(num_frames,)`.

        Args:
            of_strings: labels of all strings, `(frames,)` each.
            silence: label of the frames between them.
            other: that of other speech.
        """
        found = np.full(self.num_frames, silence, "int32")
        for number, start in self.strings:
            room = found[start : start + len(of_strings[number])]
            room[:] = of_strings[number][: len(room)]
        for first, end in self.other:
            found[first:end] = other
        return found

    def words(self, strings: Sequence[WordString], other: str) -> tuple[str, ...]:
        """Returns what is said, in its order.

        Args:
            strings: the list given.
            other: stands for each part that is other speech.
        """
        said = [(start, strings[number].words) for number, start in self.strings]
        said += [(first, (other,)) for first, _ in self.other]
        return tuple(word for _, words in sorted(said) for word in words)

    def word_spans(
        self,
        strings: Sequence[WordString],
        recordings: Sequence[Recording],
        spec: FeatureSpec,
    ) -> list[tuple[tuple[str, ...], int, int]]:
        """Returns when words are said.

        Args:
            strings: the list given.
            recordings: which these are made of.
            spec: gives the frames.

        Returns:
            Of each recording that is heard its words, its first frame and the one after
            its last.
        """
        return [
            (
                recordings[part].words,
                start + frame,
                start + frame + num_label_frames(recordings[part], spec),
            )
            for number, start in self.strings
            for part, frame in strings[number].parts
        ]


def make_streams(
    strings: Sequence[WordString],
    seed: int,
    spec: FeatureSpec,
    options: StreamOptions | None = None,
    other: Sequence[Recording] = (),
    voices: Sequence[Recording] = (),
) -> list[Stream]:
    """Makes streams in which each string is heard once, and other speech.

    Args:
        strings: of words.
        seed: of everything random.
        spec: gives sample rate and frames.
        options: see `StreamOptions`.
        other: recordings of other speech; none for streams of strings alone.
        voices: recordings which babble is made of; none for no babble.

    Returns:
        The streams in an order of their own.
    """
    options, rng = options or StreamOptions(), np.random.default_rng(seed)
    parts = [_Part(s.noisy, s.clean, s.num_frames, n) for n, s in enumerate(strings)]
    streams, noise = [], [augment.unit_level(r.samples) for r in voices]
    while parts:
        if rng.random() < options.plain:
            streams.append(_plain(parts.pop(0)))
            continue
        count = 2 if rng.random() < _TWO_STRINGS else 1
        heard = parts[:count]
        del parts[:count]
        if other and rng.random() < _OTHER_BESIDE:
            place = int(rng.integers(count + 1))
            heard.insert(place, _other(rng, other, spec, options))
        streams.append(_stream(rng, heard, spec, options, noise))
    for _ in range(round(options.other * len(strings)) if other else 0):
        part = _other(rng, other, spec, options)
        streams.append(_stream(rng, [part], spec, options, noise))
    return [streams[n] for n in rng.permutation(len(streams))]


@dataclasses.dataclass(frozen=True, eq=False)
class _Part:
    """What is said without a pause: a string, or a piece of other speech.

    Args:
        noisy: `(samples,)`.
        clean: the same without noise.
        num_frames: from its start to that of what follows.
        number: of the string; None of other speech.
        spans: of other speech: its parts, see `speech_spans`.
    """

    noisy: np.ndarray
    clean: np.ndarray
    num_frames: int
    number: int | None = None
    spans: tuple[tuple[int, int], ...] = ()


def _other(rng, recordings, spec, options):
    """Draws a piece of other speech, at a level of its own."""
    length = int(rng.uniform(*options.other_s) * spec.sample_rate_hz)
    samples = np.zeros(0, "float32")
    while len(samples) < length:  # of single words it takes several
        recording = recordings[int(rng.integers(len(recordings)))]
        samples = np.concatenate([samples, augment.unit_level(recording.samples)])
    start = int(rng.integers(len(samples) - length + 1))
    samples = augment.unit_level(samples[start : start + length])
    samples = samples * np.float32(10 ** (rng.uniform(*_OTHER_DB) / 20))
    frames = -(-len(samples) // spec.frame_step)
    return _Part(samples, samples, frames, spans=tuple(speech_spans(samples, spec)))


def _plain(part):
    noisy, clean = _of_16_bits(part.noisy), _of_16_bits(part.clean)
    return Stream(noisy, clean, part.num_frames, ((part.number, 0),))


def _stream(rng, parts, spec, options, voices):
    """Lays parts between pauses, and lets a background be heard."""
    starts, num_frames = _starts(rng, parts, spec, options)
    noisy, clean = np.zeros((2, spec.num_samples(num_frames)))
    speech, strings, other = np.zeros(num_frames, bool), [], []
    goes_on = rng.random() < _NOISE_GOES_ON
    for part, start in zip(parts, starts, strict=True):
        place = start * spec.frame_step
        _add(noisy, part.clean if goes_on else part.noisy, place)
        _add(clean, part.clean, place)
        speech[start : start + part.num_frames] = True
        other += [(start + first, start + end) for first, end in part.spans]
        if part.number is not None:
            strings.append((part.number, start))
    if goes_on and (level := np.std(parts[0].noisy - parts[0].clean)):
        noisy += level * backgrounds.noise(rng, len(noisy), voices)
    rms = max(float(np.std(part.noisy)) for part in parts)
    noisy += _background(rng, speech, rms, spec, options, voices)
    gain = 1.0
    if rng.random() < options.level:
        gain = 10 ** (rng.uniform(*options.level_db) / 20)
    noisy, clean = _of_16_bits(gain * noisy), _of_16_bits(gain * clean)
    return Stream(noisy, clean, num_frames, tuple(strings), tuple(other))


def _starts(rng, parts, spec, options):
    """Draws the frames at which parts start, and the length of the stream."""

    def pause():
        if rng.random() > options.pause_probability:
            return 0
        seconds = backgrounds.log_uniform(rng, *options.pause_s)
        return round(seconds * spec.sample_rate_hz / spec.frame_step)

    frame, starts = pause(), []
    for part in parts:
        starts.append(frame)
        frame += part.num_frames + pause()
    return starts, -(-frame // options.step_frames) * options.step_frames


def _background(rng, speech, speech_rms, spec, options, voices):
    """Draws what is heard before, under, between and after the speech."""
    num_samples = spec.num_samples(len(speech))
    heard = np.zeros(num_samples)
    if rng.random() < options.background:
        levels = backgrounds.changing_levels(rng, len(speech), options.background_rms)
        under = 0 if rng.random() < _BETWEEN else _UNDER * speech_rms
        levels[speech] = np.minimum(levels[speech], under)
        gains = np.repeat(levels, spec.frame_step)
        gains = np.pad(gains, (0, max(0, num_samples - len(gains))), "edge")
        heard += gains[:num_samples] * backgrounds.noise(rng, num_samples, voices)
    if rng.random() < options.hum:
        rms = backgrounds.log_uniform(rng, 1, _HUM_RMS) / backgrounds.FULL_SCALE
        heard += rms * backgrounds.hum(rng, num_samples, spec.sample_rate_hz)
    if rng.random() < options.sounds:
        heard += backgrounds.sounds(rng, num_samples, spec.sample_rate_hz)
    return heard


def _add(heard, samples, place):
    room = heard[place : place + len(samples)]
    room += samples[: len(room)]


def _of_16_bits(samples):
    return (np.clip(np.rint(samples * 32768), -32768, 32767) / 32768).astype("float32")
