"""Log-mel features, and the specification of them that goes to the device."""

import dataclasses
import functools
import math

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_rnn2dnn.errors import invalid

_CENTERINGS = ("none", "utterance")


@dataclasses.dataclass(frozen=True)
class FeatureSpec:
    """All that is needed to compute the same features elsewhere.

    Frame `t` covers the samples from `t * frame_step` on, without padding. Its
    Hamming-windowed power spectrum is summed in triangles on the mel scale
    (`1127 ln(1 + f / 700)`); the feature is `log(energy + floor)`, less the mean
    over the utterance if `centering="utterance"`, then `(x - mean) / sqrt(variance)`.

    Args:
        sample_rate_hz: of the audio.
        frame_length_ms: length of the window.
        frame_step_ms: distance between frames.
        num_bins: number of mel triangles.
        low_hz: lower end of the lowest triangle.
        high_hz: upper end of the highest triangle; half the sample rate by default.
        floor: added to every energy, of samples in [-1, 1].
        centering: `"none"`, or `"utterance"` to subtract each utterance's own mean,
            which needs the whole utterance.
        mean: of each bin, or None for 0.
        variance: of each bin, or None for 1.

    Raises:
        ValueError: if a value is out of its range.

    Example:
        >>> spec = FeatureSpec(sample_rate_hz=8000, num_bins=24)
        >>> spec.frame_length, spec.frame_step, spec.fft_length, spec.num_frames(8000)
        (200, 80, 256, 98)
        >>> FeatureSpec.from_dict(spec.to_dict()) == spec
        True
    """

    sample_rate_hz: int
    frame_length_ms: float = 25.0
    frame_step_ms: float = 10.0
    num_bins: int = 40
    low_hz: float = 20.0
    high_hz: float | None = None
    floor: float = 1e-6
    centering: str = "none"
    mean: tuple[float, ...] | None = None
    variance: tuple[float, ...] | None = None

    def __post_init__(self):
        for name in ("sample_rate_hz", "frame_length_ms", "frame_step_ms", "floor"):
            if not getattr(self, name) > 0:
                raise ValueError(invalid(name, "a number > 0", getattr(self, name)))
        for name in ("frame_length", "frame_step"):
            if getattr(self, name) < 1:
                received = getattr(self, f"{name}_ms")
                expected = f"at least one sample at {self.sample_rate_hz} Hz"
                raise ValueError(invalid(f"{name}_ms", expected, received))
        if not isinstance(self.num_bins, int) or self.num_bins < 1:
            raise ValueError(invalid("num_bins", "an integer >= 1", self.num_bins))
        half = self.sample_rate_hz / 2
        if not 0 <= self.low_hz < self.upper_hz <= half:
            expected = f"low_hz < high_hz, both from 0 to {half:g}"
            received = (self.low_hz, self.high_hz)
            raise ValueError(invalid("(low_hz, high_hz)", expected, received))
        if self.centering not in _CENTERINGS:
            raise ValueError(
                invalid("centering", f"one of {_CENTERINGS}", self.centering)
            )
        for name in ("mean", "variance"):
            values = getattr(self, name)
            if values is None:
                continue
            if len(values) != self.num_bins:
                expected = f"{self.num_bins} numbers"
                raise ValueError(invalid(name, expected, f"{len(values)} numbers"))
            object.__setattr__(self, name, tuple(map(float, values)))
        if self.variance is not None and min(self.variance) <= 0:
            raise ValueError(invalid("variance", "numbers > 0", min(self.variance)))

    @property
    def upper_hz(self) -> float:
        """Upper end of the highest triangle."""
        return self.sample_rate_hz / 2 if self.high_hz is None else self.high_hz

    @property
    def frame_length(self) -> int:
        """Samples in a window."""
        return round(self.sample_rate_hz * self.frame_length_ms / 1000)

    @property
    def frame_step(self) -> int:
        """Samples between frames."""
        return round(self.sample_rate_hz * self.frame_step_ms / 1000)

    @property
    def fft_length(self) -> int:
        """Length of the FFT: the next power of two."""
        return 2 ** math.ceil(math.log2(self.frame_length))

    def num_frames(self, num_samples: int) -> int:
        """Returns the number of whole frames in that many samples."""
        return max(0, 1 + (num_samples - self.frame_length) // self.frame_step)

    def num_samples(self, num_frames: int) -> int:
        """Returns the number of samples which that many frames cover."""
        if num_frames < 1:
            return 0
        return (num_frames - 1) * self.frame_step + self.frame_length

    def to_dict(self) -> dict:
        """Returns the fields, fit for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: dict) -> "FeatureSpec":
        """Builds a specification from `to_dict`."""
        return cls(**fields)


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class LogMel(keras.layers.Layer):
    """Computes log-mel features from PCM; see `FeatureSpec` for the formula.

    Args:
        sample_rate_hz: of the audio.
        name: name of the layer.
        **options: the other fields of `FeatureSpec`.

    Call arguments:
        inputs: samples in [-1, 1], `(batch, samples)`.
        mask: optional bool `(batch, samples)`, padding at the end. A frame counts if
            its last sample does.

    Returns:
        `(batch, frames, num_bins)`, float32.

    Raises:
        ValueError: if a value is out of its range, or the audio is not floats
            `(batch, samples)` or is shorter than a window.

    Example:
        >>> layer = LogMel(8000, num_bins=24)
        >>> layer(np.zeros((2, 8000), "float32")).shape.as_list()
        [2, 98, 24]
    """

    def __init__(self, sample_rate_hz: int, *, name: str | None = None, **options):
        for key in ("trainable", "dtype"):
            options.pop(key, None)  # of a saved layer: nothing to train, always float32
        super().__init__(name=name, dtype="float32", trainable=False)
        self.spec = FeatureSpec.from_dict({"sample_rate_hz": sample_rate_hz, **options})
        self.supports_masking = True

    @classmethod
    def from_spec(cls, spec: FeatureSpec, name: str | None = None) -> "LogMel":
        """Builds the layer which a specification describes."""
        return cls(**spec.to_dict(), name=name)

    def call(self, inputs, mask=None):
        """Computes the features; see the class."""
        spec = self.spec
        _check_audio(inputs, spec)
        frames = ops.extract_sequences(inputs, spec.frame_length, spec.frame_step)
        window = np.hamming(spec.frame_length).astype("float32")
        real, imaginary = ops.rfft(frames * window, fft_length=spec.fft_length)
        power = real**2 + imaginary**2
        features = ops.log(ops.matmul(power, mel_matrix(spec)) + spec.floor)
        if spec.centering == "utterance":
            counts = self.compute_mask(inputs, mask)
            features -= _mean_over_frames(features, counts)
        if spec.mean is not None:
            features -= np.array(spec.mean, "float32")
        if spec.variance is not None:
            features /= np.sqrt(np.array(spec.variance, "float32"))
        return features

    def adapt(self, samples, mask=None) -> None:
        """Sets mean and variance of the bins from audio.

        Adapt before the layer is used in a compiled function or by `fit`, which
        would go on with the old numbers (as with `keras.layers.Normalization`).

        Args:
            samples: `(batch, samples)`, or an iterable of such batches.
            mask: optional bool `(batch, samples)`, for a single batch.

        Raises:
            ValueError: if there is no frame.
        """
        raw = dataclasses.replace(self.spec, mean=None, variance=None)
        plain, batches = LogMel.from_spec(raw), samples
        if hasattr(samples, "shape"):
            batches = [samples]
        total, squares, count = 0.0, 0.0, 0
        for batch in batches:
            batch = ops.convert_to_tensor(batch, "float32")
            features = ops.convert_to_numpy(plain(batch, mask=mask)).astype("float64")
            if mask is not None:
                kept = ops.convert_to_numpy(plain.compute_mask(batch, mask))
                features = features[kept.astype(bool)]
            features = features.reshape(-1, raw.num_bins)
            total, squares = total + features.sum(0), squares + (features**2).sum(0)
            count += len(features)
        if not count:
            raise ValueError(
                "No frame to adapt to. Expected audio of at least one window. "
                "Received: no batches, or masks that leave none"
            )
        mean = total / count
        variance = np.maximum(squares / count - mean**2, 1e-8)
        self.spec = dataclasses.replace(
            raw, mean=tuple(map(float, mean)), variance=tuple(map(float, variance))
        )

    def compute_mask(self, inputs, mask=None):
        """Returns the mask of the frames, `(batch, frames)`."""
        if mask is None:
            return None
        return mask[:, self.spec.frame_length - 1 :: self.spec.frame_step]

    def compute_output_shape(self, input_shape):
        """Returns `(batch, frames, num_bins)`."""
        batch, samples = input_shape
        frames = None if samples is None else self.spec.num_frames(samples)
        return (batch, frames, self.spec.num_bins)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {"name": self.name, **self.spec.to_dict()}


def _check_audio(inputs, spec):
    shape, dtype = tuple(inputs.shape), keras.backend.standardize_dtype(inputs.dtype)
    if len(shape) != 2 or "float" not in dtype:
        hint = "Divide 16-bit PCM by 32768." if "int" in dtype else ""
        expected = "floats of shape (batch, samples)"
        raise ValueError(invalid("inputs", expected, f"{dtype} {shape}", hint))
    if shape[1] is not None and shape[1] < spec.frame_length:
        raise ValueError(
            f"Audio too short. Expected at least {spec.frame_length} samples, one "
            f"window of {spec.frame_length_ms:g} ms. Received: {shape[1]}"
        )


@functools.lru_cache
def mel_matrix(spec):
    """Returns the weights of the triangles, `(fft_length // 2 + 1, num_bins)`."""
    with tf.init_scope():  # an array, also while a graph is built
        matrix = tf.signal.linear_to_mel_weight_matrix(
            num_mel_bins=spec.num_bins,
            num_spectrogram_bins=spec.fft_length // 2 + 1,
            sample_rate=spec.sample_rate_hz,
            lower_edge_hertz=spec.low_hz,
            upper_edge_hertz=spec.upper_hz,
        )
    return matrix.numpy()


def _mean_over_frames(features, mask):
    if mask is None:
        return ops.mean(features, axis=1, keepdims=True)
    weights = ops.cast(mask, "float32")[..., None]
    total = ops.sum(features * weights, axis=1, keepdims=True)
    return ops.divide_no_nan(total, ops.sum(weights, axis=1, keepdims=True))
