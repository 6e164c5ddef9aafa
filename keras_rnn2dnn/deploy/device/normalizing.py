"""From energies to features in float32: logarithm, cepstra or PCEN, mean, variance.

As in `features`, each operation of `firmware/c/speech_features.c` rounds once.
"""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from keras_rnn2dnn.audio.feature_spec import FeatureSpec

_F = np.float32
_WINDOWS = 512  # normalized at a time


@dataclasses.dataclass(frozen=True)
class Pcen:
    """The constants of PCEN, see `FeatureSpec`.

    Args:
        gain: power of the mean that the energy is divided by.
        bias: added to the quotient.
        power: of the sum; 0 for its logarithm.
    """

    gain: np.float32
    bias: np.float32
    power: np.float32

    @classmethod
    def of(cls, spec: FeatureSpec) -> "Pcen | None":
        """Returns those of a specification, or None where it has the logarithm."""
        if spec.compression == "log":
            return None
        return cls(_F(spec.gain), _F(spec.bias), _F(spec.power))

    @property
    def at_zero(self) -> float:
        """What `compressed` gives for no energy: it is subtracted with the mean."""
        bias = float(self.bias)
        return bias ** float(self.power) if self.power else math.log(bias)

    def compressed(self, energies: np.ndarray, means: np.ndarray) -> np.ndarray:
        """Compresses energies by their means; see `compressed` of the C code."""
        if self.gain == 1:
            x = energies / means
        else:
            x = energies * exponential(-self.gain * logarithm(means))
        x = logarithm(x + self.bias)
        return exponential(self.power * x) if self.power else x


class Normalizer:
    """Makes features of the energies of a stream, frame by frame.

    Args:
        tables: `FeatureTables` of the features.
    """

    def __init__(self, tables):
        self._tables, self._frames = tables, tables.prior_frames
        self._mean = np.zeros_like(tables.mean) if tables.pcen else tables.mean

    def push(self, energies: np.ndarray) -> np.ndarray:
        """Takes energies `(frames, bins)` with their floor, returns the features."""
        tables = self._tables
        if tables.pcen:
            means = self._means(energies)
            x = tables.pcen.compressed(energies, means) - tables.mean
        else:
            x = logarithm(energies)
            if tables.cepstra is not None:
                x = _weighted(x, tables.cepstra)
            x = x - self._means(x)
        return x * tables.inverse_deviation

    def _means(self, x):
        """Returns the mean up to each frame, `(frames, bins)`; `(bins,)` if fixed."""
        if not self._tables.memory_frames:
            return self._mean
        means = np.empty_like(x)
        for t, frame in enumerate(x):
            self._frames = min(self._frames + 1, self._tables.memory_frames)
            self._mean = self._mean + (frame - self._mean) / _F(self._frames)
            means[t] = self._mean
        return means


def normalized_windows(windows: np.ndarray, over: str) -> np.ndarray:
    """Normalizes examples; see `features_window_measure` of the C code.

    Args:
        windows: float32 `(windows, frames, features)`.
        over: `"all"` or `"bins"`, as of `FeatureSpec`.

    Returns:
        float32 of the same shape.

    Example:
        >>> x = np.array([[[1, 10], [3, 30]]], np.float32)
        >>> normalized_windows(x, "bins").astype(float).round(3).tolist()
        [[[-1.0, -1.0], [1.0, 1.0]]]
    """
    of_all = over == "all"
    number = _F(math.prod(windows.shape[1:] if of_all else windows.shape[1:2]))
    centred = windows - _sums(windows, of_all) / number
    variance = np.maximum(_sums(centred * centred, of_all) / number, _F(1) / number)
    return centred * exponential(_F(-0.5) * logarithm(variance))


def normalized_batches(windows: np.ndarray, over: str) -> Iterator[np.ndarray]:
    """Normalizes as `normalized_windows`, some windows at a time, to bound memory.

    Example:
        >>> windows = np.zeros((1000, 3, 2), np.float32)
        >>> [len(batch) for batch in normalized_batches(windows, "all")]
        [512, 488]
    """
    for start in range(0, len(windows), _WINDOWS):
        yield normalized_windows(windows[start : start + _WINDOWS], over)


def newest_normalized(features: np.ndarray, window: int, over: str) -> np.ndarray:
    """Normalizes each frame by the window that ends with it.

    Args:
        features: float32 `(frames, features)`; the first frame stands for those before.
        window: its frames.
        over: `"all"` or `"bins"`.

    Returns:
        float32 of the same shape.

    Example:
        >>> newest_normalized(np.array([[1], [3]], np.float32), 2, "bins").tolist()
        [[0.0], [1.0]]
    """
    if not len(features):
        return features
    padded = np.pad(features, ((window - 1, 0), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, window, axis=0)
    parts = normalized_batches(windows.transpose(0, 2, 1), over)
    return np.concatenate([part[:, -1] for part in parts])


def _sums(windows, of_all):
    """Sums frames from the oldest on; of all values those of each frame before."""
    if of_all:
        windows = _in_turn(windows.transpose(2, 0, 1))[..., None]
    return _in_turn(windows.swapaxes(0, 1))[:, None]


def _in_turn(values):
    """Sums along the first axis, one after the other."""
    total = np.zeros(values.shape[1:], _F)
    for value in values:
        total = total + value
    return total


def _weighted(x, weights):
    """Sums values `(frames, bins)` by weights `(sums, bins)`, from the first bin on."""
    total = np.zeros((len(x), len(weights)), _F)
    for values, weight in zip(x.T, weights.T, strict=True):
        total = total + values[:, None] * weight
    return total


def logarithm(x: np.ndarray) -> np.ndarray:
    """Natural logarithm of normal float32 numbers; see `logarithm` of the C code."""
    bits = x.view(np.uint32)
    exponent = (bits >> 23).astype(np.int32) - 127
    m = ((bits & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)).view(_F)
    large = m > _F(1.41421356)
    m, exponent = np.where(large, m * _F(0.5), m), exponent + large
    t = (m - _F(1)) / (m + _F(1))
    t2 = t * t
    p = _F(0.22222222) * t2
    for coefficient in (0.28571430, 0.4, 0.66666667):
        p = (p + _F(coefficient)) * t2
    p = (p + _F(2)) * t
    e = exponent.astype(_F)
    return (p + e * _F(-1.904654323148236e-09)) + e * _F(0.693147182464599609375)


def exponential(x: np.ndarray) -> np.ndarray:
    """Exponential of float32 numbers; see `exponential` of the C code."""
    k = x * _F(1.44269504)
    n = (k + np.where(k < 0, _F(-0.5), _F(0.5))).astype(np.int32)  # towards 0, as C
    e = n.astype(_F)
    r = (x - e * _F(0.693359375)) - e * _F(-2.1219444e-4)
    p = _F(1.9875691e-4) * r + _F(1.39819994e-3)
    for coefficient in (8.3334519e-3, 4.1665796e-2, 1.66666655e-1, 0.5):
        p = p * r + _F(coefficient)
    p = p * r * r + r
    return (p + _F(1)) * ((n + 127).astype(np.uint32) << np.uint32(23)).view(_F)
