"""Changes of the sample rate and of the speed, band-limited."""

import math
from fractions import Fraction

import numpy as np

from keras_rnn2dnn.audio.sample_checks import check_count, check_samples
from keras_rnn2dnn.util.errors import invalid

_PASSBAND = 0.95  # of the lower Nyquist frequency; a cosine falls to 0 from there


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
    samples = check_samples("samples", samples)
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
    samples = check_samples("samples", samples)
    check_count("from_rate_hz", from_rate_hz, 1)
    check_count("to_rate_hz", to_rate_hz, 1)
    return _resample(samples, Fraction(int(to_rate_hz), int(from_rate_hz)))


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
