"""Kaldi's filter bank features and MFCC as a `FeatureSpec`."""

import dataclasses
import math

from keras_rnn2dnn.audio.feature_spec import FeatureSpec

_FULL_SCALE = 2**15  # Kaldi takes samples as 16-bit integers, LogMel in [-1, 1]
_SMALLEST_ENERGY = 2.0**-23


def fbank_spec(
    sample_rate_hz: int = 16000,
    num_bins: int = 23,
    low_hz: float = 20.0,
    high_hz: float | None = None,
    window: str = "povey",
    preemphasis: float = 0.97,
    remove_dc: bool = True,
) -> FeatureSpec:
    """Returns the specification whose `LogMel` computes Kaldi's `compute-fbank-feats`.

    That is with `--dither=0 --use-energy=false --snip-edges=true`, and Kaldi's defaults
    for all else. Kaldi's energies are those of 16-bit samples: `2 ln 32768` is added.

    Args:
        sample_rate_hz: `--sample-frequency`.
        num_bins: `--num-mel-bins`.
        low_hz: `--low-freq`.
        high_hz: `--high-freq`; half the sample rate by default.
        window: `--window-type`, `"povey"` or `"hamming"`.
        preemphasis: `--preemphasis-coefficient`.
        remove_dc: `--remove-dc-offset`.

    Returns:
        The specification.

    Raises:
        ValueError: if a value is out of its range.

    Example:
        >>> spec = fbank_spec(8000)
        >>> spec.num_bins, spec.window, round(spec.mean[0], 3)
        (23, 'povey', -20.794)
    """
    return FeatureSpec(
        sample_rate_hz,
        frame_length_ms=_whole_samples_ms(sample_rate_hz, 25.0),
        frame_step_ms=_whole_samples_ms(sample_rate_hz, 10.0),
        num_bins=num_bins,
        low_hz=low_hz,
        high_hz=high_hz,
        floor=_SMALLEST_ENERGY / _FULL_SCALE**2,
        window=window,
        preemphasis=preemphasis,
        remove_dc=remove_dc,
        mean=(-2 * math.log(_FULL_SCALE),) * num_bins,
    )


def mfcc_spec(
    sample_rate_hz: int = 16000,
    num_cepstra: int = 13,
    cepstral_lifter: float = 22.0,
    **options,
) -> FeatureSpec:
    """Returns the specification whose `LogMel` computes Kaldi's `compute-mfcc-feats`.

    As `fbank_spec`, with `--use-energy=false`: the first feature is the cepstrum 0,
    not the energy of the frame.

    Args:
        sample_rate_hz: `--sample-frequency`.
        num_cepstra: `--num-ceps`.
        cepstral_lifter: `--cepstral-lifter`, 0 for none.
        **options: the other arguments of `fbank_spec`.

    Returns:
        The specification.

    Raises:
        ValueError: if a value is out of its range.

    Example:
        >>> mfcc_spec(8000, num_bins=40, num_cepstra=40).num_features
        40
    """
    bins = fbank_spec(sample_rate_hz, **options)
    spec = dataclasses.replace(
        bins,
        num_cepstra=num_cepstra,
        cepstral_norm="ortho",
        cepstral_lifter=cepstral_lifter,
        mean=None,
    )
    first = bins.mean[0] * math.sqrt(bins.num_bins)  # what all bins have more
    return dataclasses.replace(spec, mean=(first, *[0.0] * (num_cepstra - 1)))


def _whole_samples_ms(sample_rate_hz, ms):
    """Returns what `FeatureSpec` rounds to the samples to which Kaldi truncates."""
    samples = int(sample_rate_hz * 0.001 * ms)  # feature-window.h, WindowSize()
    rounded = round(sample_rate_hz * ms / 1000)
    return ms if rounded == samples else 1000 * samples / sample_rate_hz
