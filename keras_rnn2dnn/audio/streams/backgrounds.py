"""What is heard that nobody says: noise, hum, clicks, knocks, notes, sweeps."""

import math
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.audio import augment

FULL_SCALE = 32768.0  # levels of backgrounds are those of 16-bit samples
_LEAST_RMS = 1.0
_HARMONICS = 6


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draws a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def noise(
    rng: np.random.Generator, num_samples: int, voices: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """Draws white or pink noise, or babble where there are voices; its RMS is 1.

    Args:
        rng: of everything random.
        num_samples: >= 2.
        voices: recordings of speech, `(samples,)` each.
    """
    kind = rng.integers(3 if len(voices) else 2)
    if kind == 0:
        return augment.white_noise(rng, num_samples)
    if kind == 1:
        fast = 2 ** math.ceil(math.log2(num_samples))  # of the FFT; others take long
        return augment.unit_level(augment.pink_noise(rng, fast)[:num_samples])
    return augment.babble_noise(rng, num_samples, voices)


def changing_levels(
    rng: np.random.Generator, num_frames: int, highest_rms: float
) -> np.ndarray:
    """Draws the level of a background: it changes at up to three times.

    Args:
        rng: of everything random.
        num_frames: of the stream.
        highest_rms: of 32,768; levels are log-uniform from 1 to it, and a fifth of
            them is 0.

    Returns:
        `(num_frames,)`, the RMS of each frame, of full scale 1.
    """
    times = np.sort(rng.integers(0, num_frames + 1, int(rng.integers(4))))
    levels = np.zeros(num_frames)
    for part in np.split(levels, times):
        if rng.random() > 0.2:
            part += log_uniform(rng, _LEAST_RMS, highest_rms) / FULL_SCALE
    return levels


def hum(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Draws the hum of mains, 50 or 60 Hz with harmonics; its RMS is 1."""
    base = 50.0 if rng.random() < 0.5 else 60.0
    t = np.arange(num_samples) / sample_rate_hz
    harmonics = np.arange(1, _HARMONICS + 1)
    weights = rng.uniform(0, 1, _HARMONICS) / harmonics
    phases = rng.uniform(0, 2 * np.pi, _HARMONICS)
    waves = np.sin(2 * np.pi * base * harmonics[:, None] * t + phases[:, None])
    return augment.unit_level(weights @ waves)


def click(rng: np.random.Generator, sample_rate_hz: int) -> np.ndarray:
    """Draws a click: 1 to 10 ms of noise with a peak of 1."""
    length = max(2, int(rng.uniform(0.001, 0.01) * sample_rate_hz))
    return _at_peak(rng.standard_normal(length))


def knock(rng: np.random.Generator, sample_rate_hz: int) -> np.ndarray:
    """Draws a knock: a low tone with some noise that dies away within 0.1 s."""
    t = np.arange(int(0.12 * sample_rate_hz)) / sample_rate_hz
    tone = np.sin(2 * np.pi * rng.uniform(60, 400) * t)
    sound = tone + 0.3 * rng.standard_normal(len(t))
    return _at_peak(sound * np.exp(-t / rng.uniform(0.01, 0.03)))


def note(rng: np.random.Generator, sample_rate_hz: int) -> np.ndarray:
    """Draws a plucked note: harmonics that die away, the high ones first."""
    t = np.arange(int(rng.uniform(0.2, 0.8) * sample_rate_hz)) / sample_rate_hz
    pitch = rng.uniform(80, min(800, 0.4 * sample_rate_hz))
    decay = rng.uniform(0.1, 0.5)
    sound = np.zeros(len(t))
    for harmonic in range(1, _HARMONICS + 1):
        if harmonic * pitch < sample_rate_hz / 2:
            fading = np.exp(-t * harmonic / decay) / harmonic
            sound += fading * np.sin(2 * np.pi * harmonic * pitch * t)
    return _at_peak(sound)


def sweep(rng: np.random.Generator, sample_rate_hz: int) -> np.ndarray:
    """Draws a tone of 0.3 to 2 s whose frequency rises or falls."""
    t = np.arange(int(rng.uniform(0.3, 2) * sample_rate_hz)) / sample_rate_hz
    low, high = rng.uniform(100, 0.45 * sample_rate_hz, 2)
    return np.sin(2 * np.pi * (low * t + (high - low) / (2 * t[-1]) * t**2))


_SOUNDS = (click, knock, note, sweep)


def sounds(
    rng: np.random.Generator,
    num_samples: int,
    sample_rate_hz: int,
    peak: tuple[float, float] = (0.003, 0.5),
) -> np.ndarray:
    """Draws one kind of short sounds, 0.2 to 3 a second.

    Args:
        rng: of everything random.
        num_samples: of the stream.
        sample_rate_hz: of the stream.
        peak: range of their peaks, log-uniform; of one stream within 6 dB.

    Returns:
        `(num_samples,)`.
    """
    make = _SOUNDS[int(rng.integers(len(_SOUNDS)))]
    rate, loudest = rng.uniform(0.2, 3), log_uniform(rng, *peak)
    heard = np.zeros(num_samples)
    for place in rng.integers(
        0, num_samples, rng.poisson(rate * num_samples / sample_rate_hz)
    ):
        room = heard[place:]
        sound = make(rng, sample_rate_hz)[: len(room)]
        room[: len(sound)] += sound * loudest * rng.uniform(0.5, 1)
    return heard


def _at_peak(sound):
    return sound / np.abs(sound).max()
