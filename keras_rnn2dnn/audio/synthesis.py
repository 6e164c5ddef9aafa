"""Speech synthesised by espeak-ng, with the time of every word and phoneme.

Needs the extra `synth`; see `audio.espeak`.
"""

import bisect
import dataclasses
import functools
import itertools
import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.audio import espeak
from keras_rnn2dnn.audio.resampling import resample
from keras_rnn2dnn.audio.sample_checks import check_range
from keras_rnn2dnn.util.errors import invalid

_WORD_RATES_WPM = (130, 220)
_WORD_PITCHES = (30, 70)
_NO_SOUND = ("_", "(")  # phoneme names of pauses, and of changes of the language


@dataclasses.dataclass(frozen=True)
class TimedLabel:
    """A word or phoneme and when it is spoken."""

    label: str
    start_ms: float
    end_ms: float


@dataclasses.dataclass(frozen=True, eq=False)
class SyntheticUtterance:
    """Synthetic speech and its alignment.

    Attributes:
        samples: `(samples,)` float32 in [-1, 1], in steps of 1 / 32768.
        sample_rate_hz: samples per second.
        text: what is spoken, with single spaces.
        voice: the voice that speaks.
        words: the words in order. Words that espeak-ng contracts ("of the") share one
            label. A word starts at its event and ends with its last phoneme.
        phonemes: the phonemes in order, in espeak-ng's notation, where `'` marks
            stress. A phoneme lasts until the next phoneme, pause or word.
    """

    samples: np.ndarray
    sample_rate_hz: int
    text: str
    voice: str
    words: tuple[TimedLabel, ...]
    phonemes: tuple[TimedLabel, ...]

    @property
    def duration_ms(self) -> float:
        """Length of `samples` in milliseconds."""
        return len(self.samples) * 1000 / self.sample_rate_hz


def synthesize(
    text: str,
    voice: str = "en-us",
    rate_wpm: int = 175,
    pitch: int = 50,
    sample_rate_hz: int = 8000,
) -> SyntheticUtterance:
    """Speaks a text.

    The same arguments give the same samples, whatever was spoken before. May be called
    from several threads; they speak one after the other.

    Args:
        text: words in the voice's language and script.
        voice: a language of espeak-ng such as `"en-us"` or `"de"`, alone or with a
            variant, as in `"en-us+f3"`; see `english_voices`.
        rate_wpm: words per minute, 80 to 450. (450 is spoken as 449: there espeak-ng
            turns to another algorithm, which does not keep to the times of its events.)
        pitch: 0 to 100.
        sample_rate_hz: sample rate of the result. espeak-ng speaks at 22,050 Hz.

    Returns:
        The samples, with the times of words and phonemes.

    Raises:
        ImportError: if `espeakng_loader` is not installed.
        ValueError: if `text` has nothing to speak, `voice` is unknown, or a number is
            out of range.

    Example:
        >>> utterance = synthesize("one two three")
        >>> [word.label for word in utterance.words]
        ['one', 'two', 'three']
    """
    espeak.loader()
    espeak.check_voice(voice)
    _check_text("text", text)
    check_range("rate_wpm", rate_wpm, 80, 450)
    check_range("pitch", pitch, 0, 100)
    check_range("sample_rate_hz", sample_rate_hz, 1, 1_000_000)
    text = " ".join(text.split())
    pcm, pcm_rate_hz, events = espeak.speak(
        text, voice, min(int(rate_wpm), 449), int(pitch)
    )
    words, phonemes = _labels(text, events, pcm_rate_hz)
    if not words:
        raise ValueError(invalid("text", f"words that {voice!r} can speak", text))
    samples = resample(pcm.astype(np.float32) / 32768, pcm_rate_hz, sample_rate_hz)
    # In 16-bit steps, as espeak-ng's own: the same with every version of numpy's FFT.
    samples = np.clip(np.rint(samples * 32768) / 32768, -1, 1)
    rate_hz = int(sample_rate_hz)
    return SyntheticUtterance(samples, rate_hz, text, voice, words, phonemes)


def synthesize_words(
    words: Sequence[str],
    voices: Sequence[str],
    repetitions: int,
    seed: int,
    sample_rate_hz: int = 8000,
) -> list[SyntheticUtterance]:
    """Speaks single words, each several times by every voice.

    Rate and pitch are drawn for every utterance: uniform integers of 130 to 220 words
    per minute and of 30 to 70. The silence around the word is cut off: what comes
    before its event, and 5 ms frames more than 50 dB below the loudest one.

    Args:
        words: the words, in the voices' language.
        voices: the voices, as for `synthesize`.
        repetitions: utterances per voice and word.
        seed: the same seed gives the same utterances.
        sample_rate_hz: sample rate of the result.

    Returns:
        `len(voices) * len(words) * repetitions` utterances, ordered by voice, then
        word, then repetition.

    Raises:
        ImportError: if `espeakng_loader` is not installed.
        ValueError: if a word or voice cannot be spoken, or a number is out of range.

    Example:
        >>> utterances = synthesize_words(["ja", "nein"], ["de", "de+f3"], 2, seed=0)
        >>> [utterance.text for utterance in utterances[:5]]
        ['ja', 'ja', 'nein', 'nein', 'ja']
    """
    espeak.loader()
    for name, values in {"words": words, "voices": voices}.items():
        if isinstance(values, str) or not len(values):
            raise ValueError(invalid(name, "a list of at least one", values))
    for word in words:
        _check_text("words", word)
    for voice in voices:
        espeak.check_voice(voice)
    check_range("repetitions", repetitions, 1, 1_000_000)
    rng = np.random.default_rng(seed)
    utterances = []
    for voice in voices:
        for word in words:
            for _ in range(repetitions):
                rate_wpm = int(rng.integers(*_WORD_RATES_WPM, endpoint=True))
                pitch = int(rng.integers(*_WORD_PITCHES, endpoint=True))
                spoken = synthesize(word, voice, rate_wpm, pitch, sample_rate_hz)
                utterances.append(_trim(spoken))
    return utterances


def english_voices(num_voices: int, seed: int = 0) -> tuple[str, ...]:
    """Draws English voices: accents and voice variants of the installed espeak-ng.

    Variants that do not speak, or only whisper, are left out. Each variant comes once
    before any comes again in another accent.

    Args:
        num_voices: how many.
        seed: the same seed gives the same voices, and fewer voices are the first of
            more.

    Returns:
        Different names such as `"en-gb+f3"`.

    Raises:
        ImportError: if `espeakng_loader` is not installed.
        ValueError: if there are not so many voices.

    Example:
        >>> voices = english_voices(100)
        >>> len(set(voices)), voices[:3] == english_voices(3)
        (100, True)
    """
    espeak.loader()
    rng = np.random.default_rng(seed)
    # The Shavian alphabet is a script, not an accent.
    codes = sorted(set(espeak.accents()) - {"en-shaw"})
    accents = [codes[i] for i in rng.permutation(len(codes))]
    spoken = _speaking_variants()
    variants = [spoken[i] for i in rng.permutation(len(spoken))]
    check_range("num_voices", num_voices, 1, len(accents) * len(variants))
    return tuple(
        f"{accents[(i + i // len(variants)) % len(accents)]}"
        f"+{variants[i % len(variants)]}"
        for i in range(num_voices)
    )


@functools.cache
def _speaking_variants():
    return tuple(
        name for name in espeak.variants() if espeak.is_voiced(name) and _speaks(name)
    )


def _speaks(variant):
    try:
        samples = synthesize("seven", f"en+{variant}").samples
    except (RuntimeError, ValueError):
        return False
    return bool(np.sqrt(np.mean(np.square(samples))) > 0.005)


def _labels(text, events, rate_hz):
    """Turns espeak-ng's events into words and phonemes, both as timed labels."""
    tokens = list(re.finditer(r"\S+", text))
    ends = [token.end() for token in tokens]
    timeline = [
        e for e in events if e[0] in (espeak.WORD, espeak.PHONEME, espeak.CLAUSE_END)
    ]
    words, phonemes = [], []  # words: first token, start and end sample
    for event, following in itertools.pairwise(timeline):
        kind, sample, position, name = event
        if kind == espeak.WORD:
            token = min(bisect.bisect_right(ends, position - 1), len(tokens) - 1)
            # One token may have several events ("1984"), and several one ("of the").
            if not words or token > words[-1][0]:
                words.append([token, sample, sample])
        elif kind == espeak.PHONEME and not name.startswith(_NO_SOUND):
            phonemes.append(_timed(name, sample, following[1], rate_hz))
            if words:
                words[-1][2] = following[1]
    words = [word for word in words if word[2] > word[1]]
    cuts = [0, *(word[0] for word in words[1:]), len(tokens)]
    labels = [
        _timed(_bare(tokens[cuts[i] : cuts[i + 1]]), start, end, rate_hz)
        for i, (_, start, end) in enumerate(words)
    ]
    return tuple(labels), tuple(phonemes)


def _timed(label, start, end, rate_hz):
    return TimedLabel(label, start * 1000 / rate_hz, end * 1000 / rate_hz)


def _bare(tokens):
    """Joins words without the punctuation around them."""
    texts = [token.group() for token in tokens]
    bare = [
        text.strip("".join(c for c in text if unicodedata.category(c)[0] == "P"))
        for text in texts
    ]
    return " ".join(filter(None, bare)) or " ".join(texts)


def _trim(utterance):
    rate, samples = utterance.sample_rate_hz, utterance.samples
    size = max(1, rate // 200)
    starts = np.arange(0, len(samples), size)
    energies = np.add.reduceat(np.square(samples), starts)
    loud = starts[energies > 1e-5 * energies.max()]
    first = max(int(loud[0]), int(utterance.words[0].start_ms * rate / 1000))
    kept = samples[first : loud[-1] + size]
    shift_ms, end_ms = first * 1000 / rate, len(kept) * 1000 / rate
    return dataclasses.replace(
        utterance,
        samples=kept,
        words=_shifted(utterance.words, shift_ms, end_ms),
        phonemes=_shifted(utterance.phonemes, shift_ms, end_ms),
    )


def _shifted(labels, shift_ms, end_ms):
    times = [np.subtract((x.start_ms, x.end_ms), shift_ms) for x in labels]
    return tuple(
        TimedLabel(x.label, *np.clip(pair, 0, end_ms).tolist())
        for x, pair in zip(labels, times, strict=True)
    )


def _check_text(name, text):
    if not isinstance(text, str) or not text.strip():
        raise ValueError(invalid(name, "text to speak, not empty", text))
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in "".join(text.split())):
        raise ValueError(invalid(name, "text without control characters", text))
