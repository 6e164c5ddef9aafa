"""Augmentation of speech: noise, speed, level, resampling and SpecAugment."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from keras_rnn2dnn.errors import invalid

_ACTIVE_RANGE_DB = 30.0  # below the loudest frame; what is quieter is a pause
_ACTIVE_FRAME = 200  # samples: 25 ms at 8 kHz
_PASSBAND = 0.95  # of the lower Nyquist frequency; a cosine falls to 0 from there


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
    _check_rng(rng)
    _check_count("num_samples", num_samples, 1)
    return _unit_rms(rng.standard_normal(num_samples))


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
    _check_rng(rng)
    _check_count("num_samples", num_samples, 2)
    spectrum = np.fft.rfft(rng.standard_normal(num_samples))
    spectrum[0] = 0
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    return _unit_rms(np.fft.irfft(spectrum, num_samples))


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
    _check_rng(rng)
    _check_count("num_samples", num_samples, 1)
    _check_count("num_voices", num_voices, 1)
    if not len(recordings):
        raise ValueError(invalid("recordings", "at least one recording", recordings))

    def draw():  # levels no more than what is heard
        number = int(rng.integers(len(recordings)))
        return _unit_rms(_check_sound(f"recordings[{number}]", recordings[number]))

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
    return _unit_rms(mixture)


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
    samples = _check_sound("samples", samples)
    noise = _check_samples("noise", noise)[: len(samples)]
    if len(noise) < len(samples):
        expected = f"an array of at least {len(samples)} values, as in `samples`"
        raise ValueError(invalid("noise", expected, noise.shape))
    _check_sound("noise", noise)
    _check_finite("snr_db", snr_db)
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
    samples = _check_samples("samples", samples)
    _check_finite("gain_db", gain_db)
    return (samples * 10 ** (gain_db / 20)).astype(np.float32)


def change_speed(samples: np.ndarray, factor: float) -> np.ndarray:
    """Plays faster or slower, as a tape does: duration, pitch and formants change.

    Band-limited, as `resample`. The factor is rounded to the nearest fraction with a
    denominator of up to 10,000.

    Source: Ko, Peddinti, Povey, Khudanpur, "Audio augmentation for speech
    recognition", Interspeech 2015 (factors 0.9, 1.0 and 1.1).

    Args:
        samples: `(samples,)` floats.
        factor: speed, 0.1 to 10; above 1 is faster and higher.

    Returns:
        `(ceil(samples / factor),)` float32.

    Raises:
        ValueError: if `samples` is not 1-D floats or `factor` is out of range.

    Example:
        >>> change_speed(np.zeros(8800), factor=1.1).shape
        (8000,)
    """
    samples = _check_samples("samples", samples)
    if not 0.1 <= factor <= 10:
        raise ValueError(invalid("factor", "a number from 0.1 to 10", factor))
    return _resample(samples, 1 / Fraction(float(factor)).limit_denominator(10_000))


def resample(samples: np.ndarray, from_rate_hz: int, to_rate_hz: int) -> np.ndarray:
    """Changes the sample rate by a band-limited FFT over the whole utterance.

    The value at output index m is that of the time `m / to_rate_hz`, without delay.
    Frequencies pass unchanged up to 95 % of the lower of the two Nyquist frequencies;
    from there a cosine falls to 0, so that nothing aliases. The sound is taken as
    silent before and after.

    Args:
        samples: `(samples,)` floats.
        from_rate_hz: their sample rate.
        to_rate_hz: the sample rate wanted.

    Returns:
        `(ceil(samples * to_rate_hz / from_rate_hz),)` float32.

    Raises:
        ValueError: if `samples` is not 1-D floats or a rate is not a positive integer.

    Example:
        >>> resample(np.zeros(22050), 22050, 8000).shape
        (8000,)
    """
    samples = _check_samples("samples", samples)
    _check_count("from_rate_hz", from_rate_hz, 1)
    _check_count("to_rate_hz", to_rate_hz, 1)
    return _resample(samples, Fraction(int(to_rate_hz), int(from_rate_hz)))


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
    _check_rng(rng)
    features = np.asarray(features)
    if features.ndim != 2 or features.dtype.kind != "f" or not features.size:
        expected = "floats of shape (frames, bins), not empty"
        received = f"{features.dtype} {features.shape}"
        raise ValueError(invalid("features", expected, received))
    _check_count("num_frequency_masks", num_frequency_masks, 0)
    _check_count("max_bins", max_bins, 0)
    _check_count("num_time_masks", num_time_masks, 0)
    _check_count("max_frames", max_frames, 0)
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


def _resample(samples, ratio):
    if ratio == 1:
        return samples.astype(np.float32)
    # The filter rings for about 40 samples of the lower rate: ten times that in
    # silence keeps the two ends apart, since the FFT sees the sound as a ring.
    step = ratio.denominator
    padding = step * math.ceil(400 * max(1, 1 / ratio) / step)
    size = step * math.ceil((len(samples) + 2 * padding) / step)
    padded = np.zeros(size)
    padded[padding : padding + len(samples)] = samples
    new_size = int(size * ratio)
    kept = min(size, new_size) // 2 + 1
    frequency = np.arange(kept) / (min(size, new_size) / 2)
    roll_off = np.clip((frequency - _PASSBAND) / (1 - _PASSBAND), 0, 1)
    spectrum = np.zeros(new_size // 2 + 1, complex)
    spectrum[:kept] = np.fft.rfft(padded)[:kept] * (1 + np.cos(np.pi * roll_off)) / 2
    output = np.fft.irfft(spectrum, new_size) * float(ratio)
    first = int(padding * ratio)
    return output[first : first + math.ceil(len(samples) * ratio)].astype(np.float32)


def _rms(samples):
    return float(np.sqrt(np.mean(np.square(samples))))


def _unit_rms(samples):
    return (samples / _rms(samples)).astype(np.float32)


def _active_rms(samples):
    starts = np.arange(0, len(samples), _ACTIVE_FRAME)
    lengths = np.diff(starts, append=len(samples))
    energies = np.add.reduceat(np.square(samples), starts)
    powers = energies / lengths
    active = powers >= powers.max() * 10 ** (-_ACTIVE_RANGE_DB / 10)
    return float(np.sqrt(energies[active].sum() / lengths[active].sum()))


def _check_samples(name, samples):
    samples = np.asarray(samples)
    if samples.ndim != 1 or samples.dtype.kind != "f" or not samples.size:
        received = f"{samples.dtype} {samples.shape}"
        hint = "Divide 16-bit PCM by 32768." if samples.dtype.kind in "iu" else ""
        expected = "floats of shape (samples,), not empty"
        raise ValueError(invalid(name, expected, received, hint))
    if not np.isfinite(samples).all():
        raise ValueError(invalid(name, "finite values", "values with inf or nan"))
    return samples.astype(np.float64)


def _check_sound(name, samples):
    samples = _check_samples(name, samples)
    if not samples.any():
        raise ValueError(invalid(name, "sound", "silence"))
    return samples


def _check_rng(rng):
    if not isinstance(rng, np.random.Generator):
        hint = "Make one with np.random.default_rng(seed)."
        raise ValueError(invalid("rng", "a numpy random generator", rng, hint))


def _check_count(name, value, minimum):
    if not isinstance(value, int | np.integer) or value < minimum:
        raise ValueError(invalid(name, f"an integer >= {minimum}", value))


def _check_finite(name, value):
    if not np.isfinite(value):
        raise ValueError(invalid(name, "a finite number", value))
