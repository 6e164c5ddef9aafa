"""Layers that round in float as int8 does, and pass gradients straight through."""

import math

import keras
import tensorflow as tf
from keras import ops

from keras_rnn2dnn.models.spliced_dense import SplicedDense
from keras_rnn2dnn.util.errors import invalid

_LARGEST = 127  # of int8 weights: narrow range, symmetric around 0


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class FakeQuant(keras.layers.Layer):
    """Rounds to the 256 steps of an int8 tensor, clipped to a range.

    With scale = (high - low) / 255, moved by up to half a step so that 0 is
    represented exactly. The gradient is 1 within the range and 0 outside of it
    (Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", 2018, section 3).

    Args:
        low: smallest value, <= 0.
        high: largest value, >= 0 and not `low`.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: if 0 is not within the range, or the range is empty.

    Example:
        >>> FakeQuant(0.0, 255.0)(np.array([-3.0, 0.0, 1.4, 300.0])).numpy().tolist()
        [0.0, 0.0, 1.0, 255.0]
    """

    def __init__(self, low: float, high: float, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        if not (low <= 0 <= high and low < high):
            expected = "a range that holds 0 and more"
            raise ValueError(invalid("(low, high)", expected, (low, high)))
        self.low, self.high = float(low), float(high)
        self.supports_masking = True

    def call(self, inputs):
        """Rounds; see the class."""
        return tf.quantization.fake_quant_with_min_max_args(
            inputs, self.low, self.high, num_bits=8
        )

    def compute_output_shape(self, input_shape):
        """Returns the shape of the input."""
        return input_shape

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "low": self.low, "high": self.high}


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class FakeQuantAverage(FakeQuant):
    """Rounds averages as TensorFlow Lite's pooling does: a half away from int8's 0.

    Of an even number of values many averages lie in the middle between two steps.

    Example:
        >>> FakeQuantAverage(-128.0, 127.0)(np.array([-1.5, 1.5, 2.4])).numpy().tolist()
        [-2.0, 2.0, 2.0]
    """

    def call(self, inputs):
        """Rounds; see the class."""
        rounded = super().call(inputs)
        scale = (self.high - self.low) / 255
        zero_point = math.floor(0.5 - self.low / scale) - 128
        steps = inputs / scale + zero_point
        # A little more than a half: float32 is not exact.
        steps = ops.sign(steps) * ops.floor(ops.abs(steps) + (0.5 + 1e-3))
        steps = ops.clip(steps, -128, 127)
        return rounded + ops.stop_gradient(scale * (steps - zero_point) - rounded)

    def plain_layer(self):
        """Returns the range, which is all that TensorFlow Lite wants to know."""
        return FakeQuant(self.low, self.high, name=self.name)


def quantized_kernel(kernel, channel_axes: int = 1):
    """Rounds weights to int8, each output channel with a scale of its own.

    scale = max |w| / 127 over a channel, as TensorFlow Lite does.

    Args:
        kernel: `(..., channels)`.
        channel_axes: how many axes at the end hold the output channels: 1, but 2 of
            depthwise convolutions, `(..., channels, multiplier)`.

    Returns:
        scale * round(w / scale), of the same shape.

    Example:
        >>> kernel = np.array([[127.0, 1.0], [0.6, -1 / 127]])
        >>> (quantized_kernel(kernel).numpy() * [1, 127]).round(4).tolist()
        [[127.0, 127.0], [1.0, -1.0]]
    """
    axes = tuple(range(len(kernel.shape) - channel_axes))
    largest = ops.max(ops.abs(kernel), axis=axes, keepdims=True)
    scale = ops.where(largest > 0, largest, 1.0) / _LARGEST
    return ops.round(kernel / scale) * scale


class _FakeQuantKernel:
    """Makes a layer compute with `quantized_kernel`; it trains its float kernel."""

    plain_class: type[keras.layers.Layer]
    channel_axes = 1

    def _rounded(self):
        kernel = ops.convert_to_tensor(self.kernel)
        return quantized_kernel(kernel, self.channel_axes)

    def _int8_kernel(self):
        """Returns a scope in which the kernel has the values of int8."""
        kernel = ops.convert_to_tensor(self.kernel)
        # The rounding is a constant to the gradient, which passes straight through.
        rounded = kernel + ops.stop_gradient(self._rounded() - kernel)
        return keras.StatelessScope([(self.kernel, rounded)])

    def plain_layer(self):
        """Returns the layer without rounding, its kernel rounded once."""
        layer = self.plain_class.from_config(self.get_config())
        layer.build_from_config(self.get_build_config())
        layer.set_weights(self.get_weights())
        layer.kernel.assign(self._rounded())
        return layer


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class FakeQuantDense(_FakeQuantKernel, keras.layers.Dense):
    """A `Dense` layer whose kernel is rounded to int8."""

    plain_class = keras.layers.Dense

    def call(self, inputs):
        """As of `Dense`."""
        with self._int8_kernel():
            return super().call(inputs)


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class FakeQuantConv1D(_FakeQuantKernel, keras.layers.Conv1D):
    """A `Conv1D` layer whose kernel is rounded to int8."""

    plain_class = keras.layers.Conv1D

    def call(self, inputs):
        """As of `Conv1D`."""
        with self._int8_kernel():
            return super().call(inputs)


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class FakeQuantConv2D(_FakeQuantKernel, keras.layers.Conv2D):
    """A `Conv2D` layer whose kernel is rounded to int8."""

    plain_class = keras.layers.Conv2D

    def call(self, inputs):
        """As of `Conv2D`."""
        with self._int8_kernel():
            return super().call(inputs)


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class FakeQuantDepthwiseConv1D(_FakeQuantKernel, keras.layers.DepthwiseConv1D):
    """A `DepthwiseConv1D` layer whose kernel is rounded to int8."""

    plain_class = keras.layers.DepthwiseConv1D
    channel_axes = 2

    def call(self, inputs):
        """As of `DepthwiseConv1D`."""
        with self._int8_kernel():
            return super().call(inputs)


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class FakeQuantDepthwiseConv2D(_FakeQuantKernel, keras.layers.DepthwiseConv2D):
    """A `DepthwiseConv2D` layer whose kernel is rounded to int8."""

    plain_class = keras.layers.DepthwiseConv2D
    channel_axes = 2

    def call(self, inputs):
        """As of `DepthwiseConv2D`."""
        with self._int8_kernel():
            return super().call(inputs)


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class FakeQuantSplicedDense(_FakeQuantKernel, SplicedDense):
    """A `SplicedDense` layer whose kernel is rounded to int8."""

    plain_class = SplicedDense

    def call(self, inputs, mask=None):
        """As of `SplicedDense`."""
        with self._int8_kernel():
            return super().call(inputs, mask=mask)


FAKE_QUANT_CLASSES = {
    layer.plain_class: layer
    for layer in (
        FakeQuantConv1D,
        FakeQuantConv2D,
        FakeQuantDense,
        FakeQuantDepthwiseConv1D,
        FakeQuantDepthwiseConv2D,
        FakeQuantSplicedDense,
    )
}


def plain_layer(layer: keras.Operation) -> keras.Operation:
    """Returns a layer that rounds in a way of its own as a plain one, or as it is."""
    rounds = isinstance(layer, _FakeQuantKernel | FakeQuantAverage)
    return layer.plain_layer() if rounds else layer


def is_fake_quantized(model: keras.Model) -> bool:
    """Tells whether a model brings the ranges of its int8 tensors."""
    return any(isinstance(layer, FakeQuant) for layer in model.layers)
