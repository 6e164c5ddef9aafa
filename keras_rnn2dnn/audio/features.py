"""Log-mel, MFCC and PCEN features of PCM: `LogMel`."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_rnn2dnn.audio.centering import running_mean, start_weights, utterance_mean
from keras_rnn2dnn.audio.cepstra import cepstral_matrix
from keras_rnn2dnn.audio.example_norm import example_normalized
from keras_rnn2dnn.audio.feature_spec import FeatureSpec
from keras_rnn2dnn.audio.mel import mel_matrix, window_weights
from keras_rnn2dnn.audio.pcen import pcen
from keras_rnn2dnn.audio.sample_checks import IN_SCALE, SCALE, check_scale
from keras_rnn2dnn.util.errors import invalid
from keras_rnn2dnn.util.xla import compiled_by_xla

_LOUDEST = 16.0  # noise may go beyond 1; the softest PCM of 16 bits is louder


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class LogMel(keras.layers.Layer):
    """Computes log-mel, MFCC or PCEN features of PCM; see `FeatureSpec` for how.

    Args:
        sample_rate_hz: of the audio.
        name: name of the layer.
        **options: the other fields of `FeatureSpec`.

    Call arguments:
        inputs: samples in [-1, 1], `(batch, samples)`.
        mask: optional bool `(batch, samples)`, padding at the end. A frame counts if
            its last sample does.

    Returns:
        `(batch, frames, num_bins)`, or `num_cepstra` of them, float32.

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
        >>> LogMel(8000, num_cepstra=10)(np.zeros((2, 8000), "float32")).shape.as_list()
        [2, 98, 10]
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
        features = _compressed(ops.matmul(power, mel_matrix(spec)) + spec.floor, spec)
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
        if spec.example_norm != "none":
            counts = self.compute_mask(inputs, mask)
            features = example_normalized(features, spec.example_norm, counts)
        return features

    def adapt(self, samples, mask=None) -> None:
        """Sets mean and variance of the bins from audio.

        The running mean is to start at the mean of the features without it: that is the
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
        raw = dataclasses.replace(raw, example_norm="none")
        plain = LogMel.from_spec(raw)

        def compute(batch):  # from 0: the mean to start at is known in the end
            x = plain(batch, mask=mask)
            return x, x - running_mean(x, *frames) if running else x

        if hasattr(samples, "shape"):
            batches = [samples]
        else:  # maybe many, for which it is faster
            signature = [tf.TensorSpec((None, None), tf.float32)]
            compute = tf.function(compute, input_signature=signature, autograph=False)
        sums = np.zeros((7, spec.num_features))
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
        """Returns `(batch, frames, num_features)`."""
        batch, samples = input_shape
        frames = None if samples is None else self.spec.num_frames(samples)
        return (batch, frames, self.spec.num_features)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {"name": self.name, **self.spec.to_dict()}


def _compressed(energies, spec):
    """Returns what `FeatureSpec` calls `x`."""
    if spec.num_cepstra is not None:
        return ops.matmul(ops.log(energies), cepstral_matrix(spec).astype("float32"))
    if spec.compression == "log":
        return ops.log(energies)
    frames = spec.time_constant_frames
    return pcen(energies, frames, spec.gain, spec.bias, spec.power)


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
        return _after_scale_check(inputs)
    check_scale("inputs", np.asarray(inputs), _LOUDEST)
    return inputs


def _after_scale_check(inputs):
    """Returns samples of a graph, there once they were found to be in scale.

    XLA cannot check values, and TFLite leaves the check out. NaN passes.
    """
    if compiled_by_xla():
        return inputs
    found = tf.reduce_max(tf.abs(inputs))
    message = (
        f"Invalid value for `inputs`. Expected {IN_SCALE}. {SCALE}. Received samples "
        "as far from 0 as:"
    )
    check = tf.debugging.Assert(
        (found <= _LOUDEST) | tf.math.is_nan(found), [message, found]
    )
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(inputs)


def _sums(x, centred, started):
    """Sums over frames, for each bin: what mean and variance are computed from."""
    x, centred = x.astype("float64"), centred.astype("float64")
    started = np.broadcast_to(started[:, None], x.shape)
    squares, products = started**2, started * centred
    terms = (np.ones_like(x), x, centred, centred**2, started, squares, products)
    return np.stack([term.sum(axis=0) for term in terms])
