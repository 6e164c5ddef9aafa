"""Augmentation of speech: noise, level and SpecAugment; see `resampling` for speed."""

from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.audio.sample_checks import (
    check_count,
    check_finite,
    check_rng,
    check_samples,
    check_sound,
)
from keras_rnn2dnn.util.errors import invalid

_ACTIVE_RANGE_DB = 30.0  # below the loudest frame; what is quieter is a pause
_QUIETEST_RMS = 1e-6
_ACTIVE_FRAME = 200  # samples: 25 ms at 8 kHz


def unit_level(samples: np.ndarray, active: bool = False) -> np.ndarray:
    """Scales to an RMS of 1, the level that signal-to-noise ratios refer to.

    Args:
        samples: `(samples,)`.
        active: whether the level is that of the loud frames alone, as of `add_noise`.

    Returns:
        `(samples,)` float32; silence stays silence.

    Example:
        >>> unit_level(np.array([0.25, -0.25])).tolist()
        [1.0, -1.0]
    """
    rms = _active_rms(samples) if active else _rms(samples)
    return (samples / max(rms, _QUIETEST_RMS)).astype(np.float32)


def white_noise(rng: np.random.Generator, num_samples: int) -> np.ndarray:
    """Draws white Gaussian noise: the same power at all frequencies.

    Args:
        rng: the source of the random numbers.
        num_samples: length of the noise.

    Returns:
        `(num_samples,)` float32, with an RMS of 1.

    Raises:
        ValueError: if `rng` is no generator or `num_samples` is not positive.

    Example:
        >>> noise = white_noise(np.random.default_rng(0), 8000)
        >>> round(float(np.sqrt(np.mean(noise**2))), 3)
        1.0
    """
    check_rng(rng)
    check_count("num_samples", num_samples, 1)
    return unit_level(rng.standard_normal(num_samples))


def pink_noise(rng: np.random.Generator, num_samples: int) -> np.ndarray:
    """Draws pink noise: its power density falls by 3 dB an octave, as 1 / frequency.

    The spectrum of white noise is divided by the square root of the frequency; its
    component at 0 Hz is left out.

    Args:
        rng: the source of the random numbers.
        num_samples: length of the noise, at least 2.

    Returns:
        `(num_samples,)` float32, with an RMS of 1.

    Raises:
        ValueError: if `rng` is no generator or `num_samples` is below 2.

    Example:
        >>> pink_noise(np.random.default_rng(0), 8000).shape
        (8000,)
    """
    check_rng(rng)
    check_count("num_samples", num_samples, 2)
    spectrum = np.fft.rfft(rng.standard_normal(num_samples))
    spectrum[0] = 0
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    return unit_level(np.fft.irfft(spectrum, num_samples))


def babble_noise(
    rng: np.random.Generator,
    num_samples: int,
    recordings: Sequence[np.ndarray],
    num_voices: int = 5,
) -> np.ndarray:
    """Lets several voices speak at once: recordings drawn and laid end to end.

    Each voice is a track of its own, which begins within a recording and has gaps of
    up to a quarter of a recording. All recordings are brought to the same RMS.

    Args:
        rng: the source of the random numbers.
        num_samples: length of the noise.
        recordings: float arrays `(samples,)` of speech, at one sample rate. Give none
            of the test's recordings here.
        num_voices: number of tracks.

    Returns:
        `(num_samples,)` float32, with an RMS of 1.

    Raises:
        ValueError: if a count is not positive, or a recording is no float array, is
            empty or silent.

    Example:
        >>> words = [np.sin(np.arange(n)) for n in (300, 400)]
        >>> babble_noise(np.random.default_rng(0), 8000, words, num_voices=2).shape
        (8000,)
    """
    check_rng(rng)
    check_count("num_samples", num_samples, 1)
    check_count("num_voices", num_voices, 1)
    if not len(recordings):
        raise ValueError(invalid("recordings", "at least one recording", recordings))

    def draw():  # levels no more than what is heard
        number = int(rng.integers(len(recordings)))
        return unit_level(check_sound(f"recordings[{number}]", recordings[number]))

    mixture = np.zeros(num_samples)
    for _ in range(num_voices):
        recording = draw()
        position = -int(rng.integers(len(recording)))
        while position < num_samples:
            heard = recording[max(-position, 0) : num_samples - position]
            mixture[max(position, 0) :][: len(heard)] += heard
            position += len(recording) + int(rng.integers(len(recording) // 4 + 1))
            recording = draw()
    if not mixture.any():
        expected = "a length that reaches into the speech of the recordings"
        raise ValueError(invalid("num_samples", expected, num_samples))
    return unit_level(mixture)


def add_noise(samples: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Adds noise at a given signal-to-noise ratio.

        output = samples + gain * noise,
        gain = rms_active(samples) / (rms(noise) * 10^(snr_db / 20))

    The level of the speech is its RMS over the frames of 200 samples that are at most
    30 dB below the loudest one, so that pauses do not change the ratio. The level of
    the noise is its RMS over all samples that are used.

    Args:
        samples: `(samples,)` floats, clean speech.
        noise: `(samples or more,)` floats; its first `len(samples)` values are used.
        snr_db: signal-to-noise ratio in decibels.

    Returns:
        `(samples,)` float32. It may exceed -1 to 1: lower the level before writing PCM.

    Raises:
        ValueError: if an array is not 1-D floats, is empty, silent or not finite, if
            `noise` is too short or `snr_db` is not finite.

    Example:
        >>> speech, noise = np.array([0.5, -0.5]), np.array([1.0, 1.0])
        >>> add_noise(speech, noise, snr_db=20)
        array([ 0.55, -0.45], dtype=float32)
    """
    samples = check_sound("samples", samples)
    noise = check_samples("noise", noise)[: len(samples)]
    if len(noise) < len(samples):
        expected = f"an array of at least {len(samples)} values, as in `samples`"
        raise ValueError(invalid("noise", expected, noise.shape))
    check_sound("noise", noise)
    check_finite("snr_db", snr_db)
    gain = _active_rms(samples) / (_rms(noise) * 10 ** (snr_db / 20))
    return (samples + gain * noise).astype(np.float32)


def change_level(samples: np.ndarray, gain_db: float) -> np.ndarray:
    """Multiplies by 10^(gain_db / 20). Nothing is clipped.

    Args:
        samples: `(samples,)` floats.
        gain_db: gain in decibels; below 0 makes it quieter.

    Returns:
        `(samples,)` float32.

    Raises:
        ValueError: if `samples` is not 1-D floats or `gain_db` is not finite.

    Example:
        >>> change_level(np.array([0.5, -0.25]), gain_db=-20)
        array([ 0.05 , -0.025], dtype=float32)
    """
    samples = check_samples("samples", samples)
    check_finite("gain_db", gain_db)
    return (samples * 10 ** (gain_db / 20)).astype(np.float32)


def spec_augment(
    features: np.ndarray,
    rng: np.random.Generator,
    num_frequency_masks: int = 2,
    max_bins: int = 6,
    num_time_masks: int = 2,
    max_frames: int = 20,
) -> np.ndarray:
    """Masks random bands of frequency and spans of time (SpecAugment).

    The width of each mask is uniform over 0 to its maximum, its place uniform over the
    places where it fits. Masked values become the mean of their bin over the utterance.

    Source: Park et al., "SpecAugment: a simple data augmentation method for automatic
    speech recognition", Interspeech 2019, https://arxiv.org/abs/1904.08779.

    Args:
        features: `(frames, bins)` floats, one utterance without padding.
        rng: the source of the random numbers.
        num_frequency_masks: masks over all frames.
        max_bins: the widest such mask; at most the number of bins.
        num_time_masks: masks over all bins.
        max_frames: the longest such mask; in a shorter utterance, its length.

    Returns:
        A masked copy of `features`, of the same shape and type.

    Raises:
        ValueError: if `features` is not a 2-D float array, or a number is negative or
            too large.

    Example:
        >>> features = np.arange(12.0).reshape(4, 3)
        >>> rng = np.random.default_rng(0)
        >>> spec_augment(features, rng, max_bins=1, max_frames=2).shape
        (4, 3)
    """
    check_rng(rng)
    features = np.asarray(features)
    if features.ndim != 2 or features.dtype.kind != "f" or not features.size:
        expected = "floats of shape (frames, bins), not empty"
        received = f"{features.dtype} {features.shape}"
        raise ValueError(invalid("features", expected, received))
    check_count("num_frequency_masks", num_frequency_masks, 0)
    check_count("max_bins", max_bins, 0)
    check_count("num_time_masks", num_time_masks, 0)
    check_count("max_frames", max_frames, 0)
    num_frames, num_bins = features.shape
    if max_bins > num_bins:
        raise ValueError(invalid("max_bins", f"at most {num_bins} bins", max_bins))
    masked, mean = features.copy(), features.mean(axis=0)
    for _ in range(num_frequency_masks):
        first, last = _span(rng, max_bins, num_bins)
        masked[:, first:last] = mean[first:last]
    for _ in range(num_time_masks):
        first, last = _span(rng, min(max_frames, num_frames), num_frames)
        masked[first:last] = mean
    return masked


def _span(rng, widest, size):
    width = int(rng.integers(widest + 1))
    first = int(rng.integers(size - width + 1))
    return first, first + width


def _rms(samples):
    return float(np.sqrt(np.mean(np.square(samples))))


def _active_rms(samples):
    starts = np.arange(0, len(samples), _ACTIVE_FRAME)
    lengths = np.diff(starts, append=len(samples))
    energies = np.add.reduceat(np.square(samples), starts)
    powers = energies / lengths
    active = powers >= powers.max() * 10 ** (-_ACTIVE_RANGE_DB / 10)
    return float(np.sqrt(energies[active].sum() / lengths[active].sum()))
