"""The specification of the features that goes to the device: `FeatureSpec`."""

import dataclasses
import math

from keras_rnn2dnn.audio.spec_fields import check_fields
from keras_rnn2dnn.util.checksums import without_sum
from keras_rnn2dnn.util.errors import invalid, is_integer

_CENTERINGS = ("none", "utterance", "running")
_COMPRESSIONS = ("log", "pcen")
_NORMS = ("htk", "ortho")
_WINDOWS = ("hamming", "hann", "povey")
_EXAMPLE_NORMS = ("none", "all", "bins")


@dataclasses.dataclass(frozen=True)
class FeatureSpec:
    """All that is needed to compute the same features elsewhere.

    Frame `t` covers the samples from `t * frame_step` on, without padding. Where asked
    for, its mean is subtracted (`remove_dc`), then `preemphasis` times the sample
    before (of the first, itself). The power spectrum under a window is summed in
    triangles on the mel scale (`1127 ln(1 + f / 700)`). That energy is compressed to
    `x`:

    - `x = log(energy + floor)` with `compression="log"`;
    - `x = (e / m^gain + bias)^power - bias^power` with `"pcen"`, where `e = energy +
      floor` and `m` is its mean over the time constant: `m_t = m_{t-1} + (e_t -
      m_{t-1}) / min(t + 1, time_constant_frames)`. With a power of 0 it is the limit
      of that divided by the power, `x = log(e / m^gain + bias) - log(bias)`.

    PCEN, per-channel energy normalization (Wang et al., "Trainable frontend for robust
    and far-field keyword spotting", ICASSP 2017, https://arxiv.org/abs/1607.05666),
    forgets within seconds what it heard: after minutes of silence, of noise or of other
    speech it gives for the same words what it gave before. Names of the arguments are
    those of librosa; the mean starts as that of the frames so far, so that a stream may
    begin anywhere, and with the floor in both parts of the quotient all that stands
    still gives the same, noise or digital silence.

    With `num_cepstra` the logarithms of a frame become cepstra (MFCC), the first of
    their discrete cosine transform: `x_k = lifter_k sqrt(2 / num_bins) sum_n
    log(energy_n + floor) cos(pi k (n + 1/2) / num_bins)`. So `"htk"` scales them,
    which is what `tf.signal.mfccs_from_log_mel_spectrograms` computes; `"ortho"`, as
    in Kaldi, librosa and torchaudio, divides the first, `k = 0`, by `sqrt(2)`. The
    lifter is Kaldi's, `1 + L / 2 sin(pi k / L)` with `L = cepstral_lifter`. From there
    on cepstra take the place of the bins: the means, running or not, and the variance
    are those of the cepstra, as in Kaldi's CMVN. PCEN has no cepstra here.

    The feature is

    - `(x - mean) / sqrt(variance)` with `centering="none"`;
    - the same with `"utterance"`, where the mean over the utterance is subtracted
      from `x` before;
    - `(x_t - c_t) / sqrt(variance)` with `"running"`, where `c_t = c_{t-1} +
      (x_t - c_{t-1}) / min(prior_frames + t + 1, memory_frames)` from `c_{-1} = mean`.

    With `example_norm` that feature is made `(x - m) / max(s, 1 / sqrt(n))` at last, by
    mean and standard deviation of the `n` values of the example, a clip as a rule.

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
        mean: of each bin or cepstrum, or None for 0.
        variance: of each bin or cepstrum, or None for 1.
        memory_ms: of the running mean: how much audio it is the mean of, at most.
        prior_ms: of the running mean: as how much audio its start counts.
        window: `"hamming"`; `"hann"`, periodic as in `tf.signal.stft`; or Kaldi's
            `"povey"`, a symmetric Hann window to the power 0.85.
        preemphasis: from 0 to 1.
        remove_dc: whether each frame loses its mean.
        compression: `"log"`, or `"pcen"`, which is not for a running mean.
        gain: of PCEN, from 0 to 1: with 1 the level of a sound does not matter at all.
        bias: of PCEN, > 0: the higher, the less is heard of what is soft.
        power: of PCEN, from 0 to 1; 0 for the logarithm.
        time_constant_ms: of PCEN: how much audio its mean is of.
        num_cepstra: how many there are, up to `num_bins`; None for the bins
            themselves.
        cepstral_norm: `"htk"`, as `tf.signal` has it, or `"ortho"`.
        cepstral_lifter: 0 for none; Kaldi's default is 22.
        example_norm: `"all"`: of all values of an example, as
            `tf.image.per_image_standardization`; `"bins"`: of each bin or cepstrum by
            itself; `"none"`. It needs the whole example, as `centering="utterance"`.

    Raises:
        ValueError: if a value is out of its range.

    Example:
        >>> spec = FeatureSpec(sample_rate_hz=8000, num_bins=24)
        >>> spec.frame_length, spec.frame_step, spec.fft_length, spec.num_frames(8000)
        (200, 80, 256, 98)
        >>> FeatureSpec(8000, num_bins=40, num_cepstra=10).num_features
        10
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
    compression: str = "log"
    gain: float = 0.98
    bias: float = 2.0
    power: float = 0.5
    time_constant_ms: float = 400.0
    num_cepstra: int | None = None
    cepstral_norm: str = "htk"
    cepstral_lifter: float = 0.0
    example_norm: str = "none"

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
        self._check_compression()
        self._check_cepstra()
        if self.example_norm not in _EXAMPLE_NORMS:
            expected = f"one of {_EXAMPLE_NORMS}"
            raise ValueError(invalid("example_norm", expected, self.example_norm))
        if self.example_norm != "none" and self.centering != "none":
            hint = "The mean of an example is subtracted anyway"
            expected = '"none" with example_norm'
            raise ValueError(invalid("centering", expected, self.centering, hint))
        for name in ("mean", "variance"):
            values = getattr(self, name)
            if values is None:
                continue
            if len(values) != self.num_features:
                expected = f"{self.num_features} numbers"
                raise ValueError(invalid(name, expected, f"{len(values)} numbers"))
            object.__setattr__(self, name, tuple(map(float, values)))
            if not all(map(math.isfinite, getattr(self, name))):
                raise ValueError(invalid(name, "finite numbers", getattr(self, name)))
        if self.variance is not None and min(self.variance) <= 0:
            raise ValueError(invalid("variance", "numbers > 0", min(self.variance)))

    def _check_compression(self):
        if self.compression not in _COMPRESSIONS:
            expected = f"one of {_COMPRESSIONS}"
            raise ValueError(invalid("compression", expected, self.compression))
        for name in ("gain", "power"):
            if not 0 <= getattr(self, name) <= 1:
                expected = "a number from 0 to 1"
                raise ValueError(invalid(name, expected, getattr(self, name)))
        if not 0 < self.bias < math.inf:
            raise ValueError(invalid("bias", "a finite number > 0", self.bias))
        constant = self.time_constant_ms
        if not 0 < constant < math.inf or self.time_constant_frames < 1:
            expected = f"at least one frame of {self.frame_step_ms:g} ms, and finite"
            raise ValueError(invalid("time_constant_ms", expected, constant))
        if self.compression == "pcen" and self.centering == "running":
            expected = '"none" or "utterance" with compression="pcen"'
            hint = "PCEN has a running mean of its own: that of the energy"
            raise ValueError(invalid("centering", expected, "running", hint))

    def _check_cepstra(self):
        if self.cepstral_norm not in _NORMS:
            expected = f"one of {_NORMS}"
            raise ValueError(invalid("cepstral_norm", expected, self.cepstral_norm))
        lifter, count = self.cepstral_lifter, self.num_cepstra
        if not 0 <= lifter < math.inf:
            raise ValueError(invalid("cepstral_lifter", "a number >= 0", lifter))
        if count is None:
            if lifter:
                expected = "0 without num_cepstra"
                raise ValueError(invalid("cepstral_lifter", expected, lifter))
            return
        if not is_integer(count) or not 1 <= count <= self.num_bins:
            expected = f"None, or an integer from 1 to num_bins={self.num_bins}"
            raise ValueError(invalid("num_cepstra", expected, count))
        if self.compression == "pcen":
            hint = "Cepstra are of logarithms"
            expected = '"log" with num_cepstra'
            raise ValueError(invalid("compression", expected, "pcen", hint))

    @property
    def num_features(self) -> int:
        """Values of a frame: the cepstra, or else the bins."""
        return self.num_bins if self.num_cepstra is None else self.num_cepstra

    @property
    def unit(self) -> str:
        """What these values are called: `"bins"` or `"cepstra"`."""
        return "bins" if self.num_cepstra is None else "cepstra"

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

    @property
    def time_constant_frames(self) -> int:
        """Frames which the mean of PCEN is the mean of, at most."""
        return round(self.time_constant_ms / self.frame_step_ms)

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
