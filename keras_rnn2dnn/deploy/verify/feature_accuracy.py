"""The stage of `verify` that compares features with their formula in float64."""

from collections.abc import Iterator, Sequence

import numpy as np

from keras_rnn2dnn.audio.cepstra import cepstral_matrix
from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.audio.mel import mel_matrix, window_weights
from keras_rnn2dnn.deploy import golden
from keras_rnn2dnn.deploy.device.features import feature_tables
from keras_rnn2dnn.deploy.loading import Bundle
from keras_rnn2dnn.deploy.toolchain import Workbench
from keras_rnn2dnn.deploy.verify.outcome import Outcome, judged

# Of the logarithms of the energies, or of PCEN: of 99.9 % of them, and of all of them
# beyond what the FFT has rounded.
USUAL_ERROR, BEYOND_ROUNDING = 1e-2, 1e-3
_HALF_STEP = 2.0**-24  # of float32


def against_formula(bundle: Bundle, bench: Workbench, _: Sequence) -> Iterator[Outcome]:
    """Compares the float32 features with their formula in float64."""
    recordings = golden.read_pcm(bundle.golden("recordings.pcm"))
    spec = bundle.recognizer.spec
    expected = np.concatenate([exact_features(pcm, spec) for pcm in recordings])
    rounded = np.concatenate([feature_rounding(pcm, spec) for pcm in recordings])
    found = np.frombuffer(bundle.golden("features.f32"), "<f4").reshape(expected.shape)
    deviations = feature_tables(spec).inverse_deviation.astype(np.float64)
    error = np.abs(expected - found) / deviations
    unit = "natural logarithms of energies" if spec.compression == "log" else "of PCEN"
    if spec.num_cepstra is not None:
        norms = np.linalg.norm(cepstral_matrix(spec), axis=0)
        norms = np.where(norms > 0, norms, 1)  # a lifter may leave nothing
        error, rounded = error / norms, rounded / norms
        unit = "cepstra of natural logarithms, over the norms of their weights"
    usual, beyond = np.percentile(error, 99.9), np.maximum(error - rounded, 0).max()
    text = (
        f"99.9 % of {error.size:,} values within {usual:.1e}, all within {beyond:.1e} "
        f"beyond what the FFT rounds (allowed: {USUAL_ERROR:.0e}, "
        f"{BEYOND_ROUNDING:.0e}; {unit})"
    )
    good = usual <= USUAL_ERROR and beyond <= BEYOND_ROUNDING
    yield judged("features: float64", bool(good), text)


def exact_features(pcm: np.ndarray, spec: FeatureSpec) -> np.ndarray:
    """Computes features by their formula in float64; see `FeatureSpec`.

    Args:
        pcm: int16 `(samples,)`.
        spec: of the features.

    Returns:
        float64 `(frames, num_features)`.
    """
    width = spec.num_features
    if not spec.num_frames(len(pcm)):
        return np.zeros((0, width))
    energies, _ = _energies(pcm, spec)
    mean = np.array(spec.mean or np.zeros(width))
    if spec.compression == "pcen":
        x = _exact_pcen(energies, spec)
    else:
        x, matrix = np.log(energies), cepstral_matrix(spec)
        x = x if matrix is None else x @ matrix
        if spec.centering == "running":
            mean = _means(x, mean, spec.prior_frames, spec.memory_frames)
    return (x - mean) / np.sqrt(spec.variance or np.ones(width))


def feature_rounding(pcm: np.ndarray, spec: FeatureSpec) -> np.ndarray:
    """Bounds what is left of the FFT's rounding in features, to first order.

    A bin of an FFT in float32 is off by about `2^-24 log2(N) ||x||`, however little it
    holds: a loud frame of one pitch has bins that hold next to nothing.

    Args:
        pcm: int16 `(samples,)`.
        spec: of the features.

    Returns:
        float64 `(frames, num_features)`, before the division by the deviations.
    """
    if not spec.num_frames(len(pcm)):
        return np.zeros((0, spec.num_features))
    energies, error = _energies(pcm, spec)
    if spec.compression == "pcen":
        means, errors = (
            _means(x, 0, 0, spec.time_constant_frames) for x in (energies, error)
        )
        y = energies / means**spec.gain
        slope = y * (y + spec.bias) ** (spec.power - 1) * (spec.power or 1)
        return slope * (error / energies + spec.gain * errors / means)
    bound, matrix = error / energies, cepstral_matrix(spec)
    bound = bound if matrix is None else bound @ np.abs(matrix)
    if spec.centering == "running":
        bound = bound + _means(bound, 0, spec.prior_frames, spec.memory_frames)
    return bound


def _energies(pcm, spec):
    """Returns energies, and by how much the rounding of the FFT may change them."""
    frames = np.lib.stride_tricks.sliding_window_view(pcm / 32768, spec.frame_length)
    frames = frames[:: spec.frame_step] * window_weights(spec)
    amplitudes = np.abs(np.fft.rfft(frames, spec.fft_length))
    off = _HALF_STEP * np.log2(spec.fft_length) * np.linalg.norm(frames, axis=1)
    off = off[:, None]
    matrix = mel_matrix(spec).astype(np.float64)
    return amplitudes**2 @ matrix + spec.floor, (2 * amplitudes * off + off**2) @ matrix


def _exact_pcen(energies, spec):
    means = _means(energies, 0, 0, spec.time_constant_frames)
    x = energies / means**spec.gain
    if spec.power == 0:
        return np.log1p(x / spec.bias)
    return (x + spec.bias) ** spec.power - spec.bias**spec.power


def _means(x, mean, prior, memory):
    means = np.empty_like(x)
    for t, row in enumerate(x):
        mean = mean + (row - mean) / min(prior + t + 1, memory)
        means[t] = mean
    return means
