"""Log-mel features, and the specification of them that goes to the device."""

import dataclasses
import math

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_rnn2dnn.audio.centering import running_mean, start_weights, utterance_mean
from keras_rnn2dnn.audio.mel import mel_matrix, window_weights
from keras_rnn2dnn.audio.sample_checks import after_scale_check, check_scale
from keras_rnn2dnn.audio.spec_fields import check_fields
from keras_rnn2dnn.util.checksums import without_sum
from keras_rnn2dnn.util.errors import invalid, is_integer

_CENTERINGS = ("none", "utterance", "running")
_LOUDEST = 16.0  # noise may go beyond 1; the softest PCM of 16 bits is louder
_WINDOWS = ("hamming", "povey")


@dataclasses.dataclass(frozen=True)
class FeatureSpec:
    """All that is needed to compute the same features elsewhere.

    Frame `t` covers the samples from `t * frame_step` on, without padding. Where asked
    for, its mean is subtracted (`remove_dc`), then `preemphasis` times the sample
    before (of the first, itself). The power spectrum under a window is summed in
    triangles on the mel scale (`1127 ln(1 + f / 700)`), which gives
    `x = log(energy + floor)`. The feature is

    - `(x - mean) / sqrt(variance)` with `centering="none"`;
    - the same with `"utterance"`, where the mean over the utterance is subtracted
      from `x` before;
    - `(x_t - c_t) / sqrt(variance)` with `"running"`, where `c_t = c_{t-1} +
      (x_t - c_{t-1}) / min(prior_frames + t + 1, memory_frames)` from `c_{-1} = mean`.

    Args:
        sample_rate_hz: of the audio.
        frame_length_ms: length of the window.
        frame_step_ms: distance between frames.
        num_bins: number of mel triangles.
        low_hz: lower end of the lowest triangle.
        high_hz: upper end of the highest triangle; half the sample rate by default.
        floor: added to every energy, of samples in [-1, 1].
        centering: `"none"`, `"running"`, or `"utterance"`, which needs the whole
            utterance and so cannot be computed in a stream.
        mean: of each bin, or None for 0.
        variance: of each bin, or None for 1.
        memory_ms: of the running mean: how much audio it is the mean of, at most.
        prior_ms: of the running mean: as how much audio its start counts.
        window: `"hamming"`, or Kaldi's `"povey"`, a Hann window to the power 0.85.
        preemphasis: from 0 to 1.
        remove_dc: whether each frame loses its mean.

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
    memory_ms: float = 3000.0
    prior_ms: float = 300.0
    window: str = "hamming"
    preemphasis: float = 0.0
    remove_dc: bool = False

    def __post_init__(self):
        positive = ("frame_length_ms", "frame_step_ms", "floor", "memory_ms")
        for name in ("sample_rate_hz", *positive):
            value = getattr(self, name)
            if not value > 0 or (value == math.inf and name != "memory_ms"):
                raise ValueError(invalid(name, "a number > 0", getattr(self, name)))
        if self.sample_rate_hz != int(self.sample_rate_hz):
            expected = "a whole number"
            raise ValueError(invalid("sample_rate_hz", expected, self.sample_rate_hz))
        object.__setattr__(self, "sample_rate_hz", int(self.sample_rate_hz))
        for name in ("frame_length", "frame_step"):
            if getattr(self, name) < 1:
                received = getattr(self, f"{name}_ms")
                expected = f"at least one sample at {self.sample_rate_hz} Hz"
                raise ValueError(invalid(f"{name}_ms", expected, received))
        if not 0 <= self.prior_ms < math.inf:
            raise ValueError(invalid("prior_ms", "a number >= 0", self.prior_ms))
        if self.memory_ms == math.inf or self.memory_frames < 1:
            expected = f"at least one frame of {self.frame_step_ms:g} ms, and finite"
            raise ValueError(invalid("memory_ms", expected, self.memory_ms))
        if not is_integer(self.num_bins) or self.num_bins < 1:
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
        if self.window not in _WINDOWS:
            raise ValueError(invalid("window", f"one of {_WINDOWS}", self.window))
        if not 0 <= self.preemphasis <= 1:
            expected = "a number from 0 to 1"
            raise ValueError(invalid("preemphasis", expected, self.preemphasis))
        for name in ("mean", "variance"):
            values = getattr(self, name)
            if values is None:
                continue
            if len(values) != self.num_bins:
                expected = f"{self.num_bins} numbers"
                raise ValueError(invalid(name, expected, f"{len(values)} numbers"))
            object.__setattr__(self, name, tuple(map(float, values)))
            if not all(map(math.isfinite, getattr(self, name))):
                raise ValueError(invalid(name, "finite numbers", getattr(self, name)))
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

    @property
    def memory_frames(self) -> int:
        """Frames which the running mean is the mean of, at most."""
        return round(self.memory_ms / self.frame_step_ms)

    @property
    def prior_frames(self) -> int:
        """Frames which the start of the running mean counts as."""
        return round(self.prior_ms / self.frame_step_ms)

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
        """Builds a specification from `to_dict`; what is missing has its default.

        Args:
            fields: names and values of the arguments; with a sum of them, as the
                package writes it, or without.

        Raises:
            ValueError: if a name is unknown, a value out of its range, or the sum is
                not theirs.
        """
        fields = without_sum(fields)
        check_fields(fields, cls)
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
            `(batch, samples)`, is shorter than a window, or has samples far beyond
            [-1, 1].
        tf.errors.InvalidArgumentError: for such samples in a compiled function. XLA
            (`jit_compile=True`) and TFLite leave that check out.

    Example:
        >>> layer = LogMel(8000, num_bins=24)
        >>> layer(np.zeros((2, 8000), "float32")).shape.as_list()
        [2, 98, 24]
    """

    def __init__(self, sample_rate_hz: int, *, name: str | None = None, **options):
        for key in ("trainable", "dtype"):
            options.pop(key, None)  # of a saved layer: nothing to train, always float32
        super().__init__(name=name, dtype="float32", trainable=False)
        self.spec = FeatureSpec(sample_rate_hz, **options)
        self.supports_masking = True

    @classmethod
    def from_spec(cls, spec: FeatureSpec, name: str | None = None) -> "LogMel":
        """Builds the layer which a specification describes."""
        return cls(**spec.to_dict(), name=name)

    def call(self, inputs, mask=None):
        """Computes the features; see the class."""
        spec = self.spec
        inputs = _checked(inputs, spec)
        frames = ops.extract_sequences(inputs, spec.frame_length, spec.frame_step)
        if spec.remove_dc:
            frames -= ops.mean(frames, axis=-1, keepdims=True)
        if spec.preemphasis:
            before = ops.concatenate([frames[..., :1], frames[..., :-1]], axis=-1)
            frames -= spec.preemphasis * before
        frames *= window_weights(spec).astype("float32")
        real, imaginary = ops.rfft(frames, fft_length=spec.fft_length)
        power = ops.square(real) + ops.square(imaginary)
        features = ops.log(ops.matmul(power, mel_matrix(spec)) + spec.floor)
        if spec.centering == "utterance":
            counts = self.compute_mask(inputs, mask)
            features -= utterance_mean(features, counts)
        if spec.centering == "running":
            frames = (spec.memory_frames, spec.prior_frames)
            features -= running_mean(features, *frames, start=spec.mean)
        elif spec.mean is not None:
            features -= np.array(spec.mean, "float32")
        if spec.variance is not None:
            features /= np.sqrt(np.array(spec.variance, "float32"))
        return features

    def adapt(self, samples, mask=None) -> None:
        """Sets mean and variance of the bins from audio.

        The running mean is to start at the mean of the log-mel energies: that is the
        mean set, and the variance is that of what the running mean then leaves. One
        pass is enough for both, so a generator will do.

        Adapt before the layer is used in a compiled function or by `fit`, which
        would go on with the old numbers (as with `keras.layers.Normalization`).

        Args:
            samples: `(batch, samples)`, or an iterable of such batches.
            mask: optional bool `(batch, samples)`, for a single batch.

        Raises:
            ValueError: if there is no frame.
        """
        spec, batches = self.spec, samples
        running = spec.centering == "running"
        frames = (spec.memory_frames, spec.prior_frames)
        centering = "none" if running else spec.centering
        raw = dataclasses.replace(spec, mean=None, variance=None, centering=centering)
        plain = LogMel.from_spec(raw)

        def compute(batch):  # from 0: the mean to start at is known in the end
            x = plain(batch, mask=mask)
            return x, x - running_mean(x, *frames) if running else x

        if hasattr(samples, "shape"):
            batches = [samples]
        else:  # maybe many, for which it is faster
            signature = [tf.TensorSpec((None, None), tf.float32)]
            compute = tf.function(compute, input_signature=signature, autograph=False)
        sums = np.zeros((7, spec.num_bins))
        for batch in batches:
            batch = ops.convert_to_tensor(batch, "float32")
            _checked(batch, spec)
            x, centred = compute(batch)
            started = np.zeros(x.shape[:2])
            if running:
                started += start_weights(x.shape[1], *frames)
            kept = np.ones(x.shape[:2], bool)
            if mask is not None:
                kept &= ops.convert_to_numpy(plain.compute_mask(batch, mask))
            values = (ops.convert_to_numpy(v)[kept] for v in (x, centred))
            sums += _sums(*values, started[kept])
        if not sums[0].all():
            raise ValueError(
                "No frame to adapt to. Expected audio of at least one window. "
                "Received: no batches, or masks that leave none"
            )
        mean, centred, squares, started, started_squares, products = sums[1:] / sums[0]
        squares += mean**2 * started_squares - 2 * mean * products
        variance = np.maximum(squares - (centred - mean * started) ** 2, 1e-8)
        self.spec = dataclasses.replace(spec, mean=mean, variance=variance)

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


def _checked(inputs, spec):
    """Returns the audio; in a graph it is there once its scale was checked."""
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
    if tf.is_symbolic_tensor(inputs):
        return after_scale_check("inputs", inputs, _LOUDEST)
    check_scale("inputs", np.asarray(inputs), _LOUDEST)
    return inputs


def _sums(x, centred, started):
    """Sums over frames, for each bin: what mean and variance are computed from."""
    x, centred = x.astype("float64"), centred.astype("float64")
    started = np.broadcast_to(started[:, None], x.shape)
    squares, products = started**2, started * centred
    terms = (np.ones_like(x), x, centred, centred**2, started, squares, products)
    return np.stack([term.sum(axis=0) for term in terms])
