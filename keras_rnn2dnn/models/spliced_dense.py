"""A dense layer on spliced frames, without the spliced frames."""

import keras
from keras import ops

from keras_rnn2dnn.models.layers import SpliceFrames, repeat_edges
from keras_rnn2dnn.util.errors import invalid, is_integer

_LAST = "channels_last"  # whatever `keras.config` says of images


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class SplicedDense(keras.layers.Layer):
    """Computes `Dense(units)(SpliceFrames(left, right, step)(x))`, in less time.

    A dense layer on a window of frames is a convolution over time. The spliced frames,
    `left + 1 + right` times as large as the features, are never made. Weights are
    those of the dense layer.

    Args:
        units: width of the output.
        left: number of frames before the current one, >= 0.
        right: number of frames after the current one, >= 0.
        step: distance between neighbouring context frames, in frames.
        activation: name or function.
        use_bias: whether there is a bias.
        stride: frames by which the window moves for each output frame.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: `(batch, frames, features)`.
        mask: optional bool `(batch, frames)`, padding at the end; the last frame that
            counts is repeated over it.

    Returns:
        `(batch, ceil(frames / stride), units)`; an output frame counts if the frame
        that its window is around counts.

    Raises:
        ValueError: if `left` or `right` is negative, or `units`, `step` or `stride` is
            not positive.

    Example:
        >>> layer = SplicedDense(2, left=1, right=1)
        >>> x = np.random.default_rng(0).normal(size=(1, 5, 3)).astype("float32")
        >>> y = layer(x)
        >>> [w.shape for w in layer.get_weights()]
        [(9, 2), (2,)]
        >>> dense = keras.layers.Dense(2)
        >>> spliced = SpliceFrames(1, 1)(x)
        >>> dense.build(spliced.shape)
        >>> dense.set_weights(layer.get_weights())
        >>> bool(np.allclose(dense(spliced), y, atol=1e-6))
        True
    """

    def __init__(
        self,
        units: int,
        left: int,
        right: int,
        step: int = 1,
        activation=None,
        use_bias: bool = True,
        stride: int = 1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.splice = SpliceFrames(left, right, step, dtype=self.dtype_policy)
        for name, value in (("units", units), ("stride", stride)):
            if not is_integer(value) or value < 1:
                raise ValueError(invalid(name, "an integer >= 1", value))
        self.units, self.use_bias, self.stride = int(units), use_bias, int(stride)
        self.activation = keras.activations.get(activation)
        self.supports_masking = True

    @property
    def strides(self) -> tuple[int]:
        """The stride as of Keras's convolutions."""
        return (self.stride,)

    def build(self, input_shape):
        """Makes the weights of the dense layer, `(window * features, units)`."""
        width = self.splice.compute_output_shape(input_shape)[-1]
        self.kernel = self.add_weight(shape=(width, self.units), name="kernel")
        self.bias = None
        if self.use_bias:
            shape = (self.units,)
            self.bias = self.add_weight(shape=shape, initializer="zeros", name="bias")
        self.built = True

    def call(self, inputs, mask=None):
        """Convolves; see the class."""
        if self.splice.step > 1:  # a dilated convolution has no gradient on every CPU
            spliced = self.splice(inputs, mask=mask)[:, :: self.stride]
            outputs = ops.matmul(spliced, self.kernel)
        else:
            padded = repeat_edges(inputs, self.splice.left, self.splice.right, mask)
            window = self.splice.left + 1 + self.splice.right
            kernel = ops.reshape(self.kernel, (window, -1, self.units))
            outputs = ops.conv(padded, kernel, self.stride, "valid", data_format=_LAST)
            # Of no utterance at all, TensorFlow may give the shape of the input.
            batch, frames = ops.shape(inputs)[:2]
            frames = (frames + self.stride - 1) // self.stride
            outputs = ops.reshape(outputs, (batch, frames, self.units))
        if self.bias is not None:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def compute_mask(self, inputs, mask=None):
        """Returns the mask of the frames that the windows are around."""
        return None if mask is None else mask[:, :: self.stride]

    def compute_output_shape(self, input_shape):
        """Returns `(batch, ceil(frames / stride), units)`."""
        batch, frames, _ = input_shape
        frames = None if frames is None else -(-frames // self.stride)
        return (batch, frames, self.units)

    def get_config(self):
        """Returns the arguments of the constructor."""
        own = {
            "units": self.units,
            "left": self.splice.left,
            "right": self.splice.right,
            "step": self.splice.step,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "stride": self.stride,
        }
        return {**super().get_config(), **own}
