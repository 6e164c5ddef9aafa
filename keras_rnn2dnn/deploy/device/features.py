"""Features in numpy, float32, with the operations of the C code in the same order.

Each operation of `firmware/c/speech_features.c` rounds once; here it is done on all
frames at a time. So the bits are those of the device.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from keras_rnn2dnn.audio.cepstra import cepstral_matrix
from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.audio.mel import mel_matrix, window_weights
from keras_rnn2dnn.deploy.device.normalizing import Normalizer, Pcen
from keras_rnn2dnn.util.errors import invalid

_F = np.float32


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureTables:
    """The numbers that the device needs for its features, float32.

    Args:
        window: `(frame_length,)`, over 32768, so that it takes 16-bit samples.
        cosine: `(fft_length / 2,)`, of 2 pi k / fft_length.
        sine: the same of the sine.
        mel_start: first FFT bin of each triangle.
        mel_weights: weights of each triangle from there on.
        mean: subtracted from each bin or cepstrum, or the start of its running mean.
        inverse_deviation: `1 / sqrt(variance)` of each bin or cepstrum.
        floor: added to each energy.
        prior_frames: frames that the mean at the start counts for.
        memory_frames: frames of the running mean; 0 for a fixed one.
        pcen: what energies are compressed by; None for the logarithm.
        cepstra: weights of the bins in each cepstrum, `(num_cepstra, num_bins)`; None
            for the bins themselves.
    """

    window: np.ndarray
    cosine: np.ndarray
    sine: np.ndarray
    mel_start: tuple[int, ...]
    mel_weights: tuple[np.ndarray, ...]
    mean: np.ndarray
    inverse_deviation: np.ndarray
    floor: np.float32
    prior_frames: int
    memory_frames: int
    pcen: Pcen | None
    cepstra: np.ndarray | None


@functools.lru_cache
def feature_tables(spec: FeatureSpec) -> FeatureTables:
    """Returns the tables of a specification.

    Args:
        spec: with `centering` `"none"` or `"running"`.

    Returns:
        The tables.

    Raises:
        ValueError: if a device cannot compute the features in a stream.
    """
    check_of_stream(spec)
    return tables_of(spec, [_triangle(column) for column in mel_matrix(spec).T])


def check_of_stream(spec: FeatureSpec) -> None:
    """Raises ValueError where a device cannot compute features in a stream."""
    if spec.centering == "utterance":
        expected = 'features without future: centering="running" or "none"'
        hint = "Compute the features, and train the student, with one of these"
        raise ValueError(invalid("feature_spec", expected, "utterance", hint))
    for name, plain in (("preemphasis", 0), ("remove_dc", False)):
        if (received := getattr(spec, name)) != plain:
            expected = f"{name}={plain!r}, which is all that the C code computes"
            hint = "Compute the features, and train the student, with it"
            raise ValueError(invalid("feature_spec", expected, received, hint))
    if spec.compression == "pcen" and not 1e-6 <= spec.bias <= 1e6:
        expected = "a bias from 1e-6 to 1e6, with which float32 computes PCEN"
        raise ValueError(invalid("feature_spec", expected, spec.bias))
    if spec.fft_length < 8 or spec.floor < 1e-37:
        expected = "windows of more than 4 samples and a floor of at least 1e-37"
        received = (spec.frame_length, spec.floor)
        raise ValueError(invalid("feature_spec", expected, received))


def check_example_norm(spec: FeatureSpec, is_of_clips: bool) -> None:
    """Raises ValueError where features are of examples, and a stream has none.

    Args:
        spec: of the features.
        is_of_clips: whether a window of a clip moves over the stream.
    """
    if spec.example_norm == "none" or is_of_clips:
        return
    expected = 'example_norm="none" for a student of frames'
    hint = (
        "A stream has no examples. Compute the features, and train the student, with "
        'compression="pcen" or centering="running"'
    )
    received = f"example_norm={spec.example_norm!r}"
    raise ValueError(invalid("feature_spec", expected, received, hint))


def tables_of(
    spec: FeatureSpec, triangles: Sequence[tuple[int, np.ndarray]]
) -> FeatureTables:
    """Returns the tables of a specification, whose triangles are known.

    Args:
        spec: of the features.
        triangles: of each bin the first bin of the FFT, and the weights from there on.

    Raises:
        ValueError: if a device cannot compute the features in a stream.
    """
    check_of_stream(spec)
    half = spec.fft_length // 2
    angles = 2 * np.pi * np.arange(half) / spec.fft_length
    pcen, memory, prior = Pcen.of(spec), spec.memory_frames, spec.prior_frames
    mean = np.array(spec.mean or (0.0,) * spec.num_features)
    if pcen:
        mean, memory, prior = mean + pcen.at_zero, spec.time_constant_frames, 0
    running = pcen or spec.centering == "running"
    variance = np.array(spec.variance or (1.0,) * spec.num_features)
    cepstra = cepstral_matrix(spec)
    return FeatureTables(
        window=window_weights(spec).astype(_F) / _F(32768),
        cosine=_without_noise(np.cos(angles)),
        sine=np.sin(angles).astype(_F),
        mel_start=tuple(start for start, _ in triangles),
        mel_weights=tuple(weights for _, weights in triangles),
        mean=mean.astype(_F),
        inverse_deviation=(1 / np.sqrt(variance)).astype(_F),
        floor=_F(spec.floor),
        prior_frames=prior if running else 0,
        memory_frames=memory if running else 0,
        pcen=pcen,
        cepstra=None if cepstra is None else _without_noise(cepstra.T),
    )


def _without_noise(values):
    """Makes the cosine of a right angle 0, which float64 misses by little."""
    return np.where(np.abs(values) < 1e-12, 0.0, values).astype(_F)


def _triangle(column):
    """Returns the first bin with a weight and the weights up to the last one."""
    bins = np.flatnonzero(column)
    if not len(bins):
        return 1, np.zeros(0, _F)
    return int(bins[0]), column[bins[0] : bins[-1] + 1].astype(_F)


def device_features(
    pcm: np.ndarray, spec: FeatureSpec, tables: FeatureTables | None = None
) -> np.ndarray:
    """Computes the features of an utterance as the device does, to the bit.

    With `example_norm` those before it: the windows of the network are normalized.

    Args:
        pcm: int16 `(samples,)`.
        spec: of the features.
        tables: other ones than those of the specification.

    Returns:
        float32 `(frames, num_features)`; no frames where the audio is too short.

    Raises:
        ValueError: if the samples are not int16 `(samples,)`, or a device cannot
            compute the features.

    Example:
        >>> silence = np.zeros(8000, np.int16)
        >>> device_features(silence, FeatureSpec(8000, num_bins=24)).shape
        (98, 24)
    """
    if pcm.dtype != np.int16 or pcm.ndim != 1:
        received = f"{pcm.dtype.name} {pcm.shape}"
        raise ValueError(invalid("pcm", "int16 (samples,)", received))
    tables = tables or feature_tables(spec)
    return Normalizer(tables).push(device_energies(pcm, spec, tables))


def device_energies(
    pcm: np.ndarray, spec: FeatureSpec, tables: FeatureTables
) -> np.ndarray:
    """Computes the energies of the triangles, the floor added, as the device does.

    Args:
        pcm: int16 `(samples,)`.
        spec: of the features.
        tables: of the specification.

    Returns:
        float32 `(frames, num_bins)`.
    """
    num_frames = spec.num_frames(len(pcm))
    if not num_frames:
        return np.zeros((0, spec.num_bins), _F)
    frames = np.lib.stride_tricks.sliding_window_view(pcm, spec.frame_length)
    frames = frames[:: spec.frame_step][:num_frames].astype(_F)
    padded = np.zeros((num_frames, spec.fft_length), _F)
    padded[:, : spec.frame_length] = frames * tables.window
    power = _power(padded, tables)
    energies = np.empty((num_frames, spec.num_bins), _F)
    bins = zip(tables.mel_start, tables.mel_weights, strict=True)
    for bin_, (start, weights) in enumerate(bins):
        energy = np.zeros(num_frames, _F)
        for k, weight in enumerate(weights, start):
            energy = energy + power[:, k] * weight
        energies[:, bin_] = energy + tables.floor
    return energies


def quantized_features(
    features: np.ndarray, scale: float, zero_point: int
) -> np.ndarray:
    """Rounds features to the int8 input of the network, as the device does.

    Args:
        features: float32 `(frames, features)`.
        scale: of the input, where feature = scale * (int8 - zero_point).
        zero_point: of the input.

    Returns:
        int8 `(frames, features)`.
    """
    inverse, rounding = input_rounding(scale, zero_point)
    return np.clip(np.floor(features * inverse + rounding), -128, 127).astype(np.int8)


def input_rounding(scale: float, zero_point: int) -> tuple[np.float32, np.float32]:
    """Returns the factor and the summand before the features are rounded down."""
    return _F(1 / scale), _F(zero_point + 0.5)


def _power(padded, tables):
    """Returns the power spectrum but for its ends, `(frames, fft_length / 2)`."""
    half = padded.shape[1] // 2
    re, im = _transform(padded[:, 0::2], padded[:, 1::2], tables)
    k = np.arange(1, half // 2 + 1)
    ar, ai, br, bi = re[:, k], im[:, k], re[:, half - k], im[:, half - k]
    even = _F(0.5) * (ar + br), _F(0.5) * (ai - bi)
    odd = _F(0.5) * (ai + bi), _F(-0.5) * (ar - br)
    c, s = tables.cosine[k], -tables.sine[k]
    turned = odd[0] * c - odd[1] * s, odd[0] * s + odd[1] * c
    xr, xi = even[0] + turned[0], even[1] + turned[1]
    yr, yi = even[0] - turned[0], turned[1] - even[1]
    power = np.zeros((len(padded), half), _F)
    power[:, k] = xr * xr + xi * xi
    power[:, half - k] = yr * yr + yi * yi
    return power


def _transform(re, im, tables):
    """Complex FFT, radix 2, of each row."""
    count, points = re.shape
    bits = points.bit_length() - 1
    order = [int(f"{k:0{bits}b}"[::-1], 2) for k in range(points)]
    re, im = re[:, order], im[:, order]
    length = 2
    while length <= points:
        half, step = length // 2, 2 * points // length
        wr, wi = tables.cosine[::step][:half], -tables.sine[::step][:half]
        shape = (count, points // length, length)
        re, im = re.reshape(shape), im.reshape(shape)
        ar, ai = re[..., :half], im[..., :half]
        br, bi = re[..., half:], im[..., half:]
        tr, ti = br * wr - bi * wi, br * wi + bi * wr
        re = np.concatenate([ar + tr, ar - tr], axis=-1).reshape(count, points)
        im = np.concatenate([ai + ti, ai - ti], axis=-1).reshape(count, points)
        length *= 2
    return re, im
