"""Minutes to hours of audio with words at known times: `make_day`."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.audio import augment
from keras_rnn2dnn.audio.corpora.recordings import Recording
from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.audio.streams import backgrounds
from keras_rnn2dnn.audio.streams.speech_spans import speech_spans
from keras_rnn2dnn.audio.word_strings import StringOptions, make_strings
from keras_rnn2dnn.scoring.detections import SpokenWord

BACKGROUNDS = (
    *("quiet", "noise", "babble", "other speech", "notes", "clicks"),
    "other speech alone",
)
_STRINGS = StringOptions(words=(1, 5), snr_db=(40.0, 40.0))
_WITH_SPEECH = {"babble", "other speech", "other speech alone"}
_GAIN_DB, _SNR_DB = (-30.0, 10.0), (0.0, 30.0)
_QUIET_RMS, _NOISE_RMS = (0.5, 30.0), (30.0, 1000.0)  # of 32,768
_SPEECH_RMS = 0.05
_SOUNDS = {"notes": (backgrounds.note, 2.0), "clicks": (backgrounds.click, 1.0)}


@dataclasses.dataclass(frozen=True, eq=False)
class Block:
    """Minutes of one background.

    Args:
        background: one of `BACKGROUNDS`.
        pcm: int16 `(samples,)`.
        words: what is said, and when.
    """

    background: str
    pcm: np.ndarray
    words: list[SpokenWord]


def make_day(
    recordings: Sequence[Recording],
    others: Sequence[Recording],
    other_speech: Sequence[Recording],
    hours: float,
    seed: int,
    spec: FeatureSpec,
    block_s: float = 300.0,
    pause_s: tuple[float, float] = (0.3, 60.0),
) -> list[Block]:
    """Makes blocks of some minutes, their backgrounds in turn.

    Strings and single words of one speaker after the other are heard between pauses, at
    -30 to +10 dB of their usual level. Backgrounds are 0 to 30 dB softer than they; in
    quiet and in noise they have levels of their own. In the last kind of blocks nobody
    says a word of the vocabulary.

    Args:
        recordings: of single words of the vocabulary.
        others: of words that are none of it, of the same speakers; half of what is said
            is theirs, if there are any.
        other_speech: of anybody; without any its backgrounds are left out.
        hours: of all blocks together.
        seed: of everything random.
        spec: gives sample rate and frames.
        block_s: seconds of a block.
        pause_s: shortest and longest pause, log-uniform.
    """
    kinds = [k for k in BACKGROUNDS if len(other_speech) or k not in _WITH_SPEECH]
    blocks = []
    for number in range(round(hours * 3600 / block_s)):
        kind = kinds[number % len(kinds)]
        rng = np.random.default_rng((seed, number))
        heard = np.zeros(round(block_s * spec.sample_rate_hz))
        words = []
        if kind != "other speech alone":
            words = _lay_words(rng, heard, recordings, others, spec, pause_s)
        heard += _background(rng, kind, len(heard), other_speech, spec.sample_rate_hz)
        heard *= 10 ** (rng.uniform(*_GAIN_DB) / 20)
        pcm = np.clip(np.rint(heard * 32768), -32768, 32767).astype(np.int16)
        blocks.append(Block(kind, pcm, words))
    return blocks


def joined(
    blocks: Sequence[Block], sample_rate_hz: int
) -> tuple[np.ndarray, list[SpokenWord]]:
    """Returns blocks as one stream: its samples, and the words with their times in it.

    Args:
        blocks: of `make_day`.
        sample_rate_hz: of the blocks.
    """
    words, start = [], 0
    for block in blocks:
        words += [word.later(1000 * start / sample_rate_hz) for word in block.words]
        start += len(block.pcm)
    return np.concatenate([block.pcm for block in blocks]), words


def _lay_words(rng, heard, recordings, others, spec, pause_s):
    """Adds what is said, and returns the words of the vocabulary with their times."""
    place, words = 0, []
    while True:
        place += int(backgrounds.log_uniform(rng, *pause_s) * spec.sample_rate_hz)
        known = not others or rng.random() < 0.5
        chosen = recordings if known else others
        speaker = chosen[int(rng.integers(len(chosen)))].speaker
        theirs = [r for r in chosen if r.speaker == speaker]
        seed = int(rng.integers(2**31))
        (string,) = make_strings(theirs, 1, seed, spec, _STRINGS)
        if place + len(string.clean) > len(heard):
            return words
        heard[place : place + len(string.clean)] += string.clean
        if known:
            words += _spoken(string, theirs, place, spec)
        place += len(string.clean)


def _spoken(string, recordings, place, spec):
    """Returns the words of a string, without the silence of their recordings."""
    words = []
    for part, frame in string.parts:
        spans = speech_spans(recordings[part].samples, spec)
        first, end = (spans[0][0], spans[-1][1]) if spans else (0, 1)
        start = place + (frame + first) * spec.frame_step
        end = place + (frame + end) * spec.frame_step
        times = (1000 * n / spec.sample_rate_hz for n in (start, end))
        words.append(SpokenWord(recordings[part].words[0], *times))
    return words


def _background(rng, kind, num_samples, other_speech, rate):
    """Draws a background at its level."""
    if kind in ("quiet", "noise"):
        rms = backgrounds.log_uniform(
            rng, *(_QUIET_RMS if kind == "quiet" else _NOISE_RMS)
        )
        return rms / 32768 * backgrounds.noise(rng, num_samples)
    level = _SPEECH_RMS
    if kind != "other speech alone":
        level *= 10 ** (-rng.uniform(*_SNR_DB) / 20)
    if kind in _SOUNDS:
        make, each_second = _SOUNDS[kind]
        heard = np.zeros(num_samples)
        for start in rng.integers(
            0, num_samples, rng.poisson(each_second * num_samples / rate)
        ):
            sound = make(rng, rate)[: num_samples - start]
            heard[start : start + len(sound)] += sound
        return level * augment.unit_level(heard)
    voices = [augment.unit_level(r.samples) for r in other_speech]
    if kind == "babble":
        return level * augment.babble_noise(rng, num_samples, voices)
    order = rng.permutation(len(voices))
    heard, place, number = np.zeros(num_samples), 0, 0
    while place < num_samples:
        voice = voices[order[number % len(order)]][: num_samples - place]
        heard[place : place + len(voice)] += voice
        place += len(voice) + int(rng.uniform(0.2, 2.0) * rate)
        number += 1
    return level * heard
