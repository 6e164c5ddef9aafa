"""Layers of a student rebuilt for one context window."""

import keras
import numpy as np
from keras import ops

from keras_rnn2dnn.models.layers import SpliceFrames
from keras_rnn2dnn.models.spliced_dense import SplicedDense
from keras_rnn2dnn.quantization.layer_rules import IDENTITIES, MERGES


def layer_stride(layer) -> int:
    """Returns the frames by which the layer's input moves for each output frame."""
    return layer.strides[0] if hasattr(layer, "strides") else 1


class SliceFrames(keras.layers.Layer):
    """Takes frames `start:stop:step`."""

    def __init__(self, start, stop, step, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.frames = slice(start, stop, step)

    def call(self, inputs):
        """Slices."""
        return inputs[:, self.frames]


class Reshaped(keras.layers.Layer):
    """Reshapes with the batch left open, so that a file can be resized to a batch."""

    def __init__(self, shape, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.shape = shape

    def call(self, inputs):
        """Reshapes."""
        return ops.reshape(inputs, (-1, *self.shape))


def reshape_frames(x, frames: int, name: str):
    """Gives one frame as `(1, features)`, several as `(1, frames, 1, features)`.

    The dummy axis makes a 1-D convolution the 2-D one which devices have, without
    reshapes around it. Too few frames are joined side by side.
    """
    size = 1
    for length in x.shape[1:]:
        size *= length
    shape = (size,) if frames == 1 else (frames, 1, size // frames)
    return x if x.shape[1:] == shape else Reshaped(shape, name=name)(x)


def take_frames(x, have: range, need: range, name: str):
    """Cuts the frames out that a layer needs."""
    if have == need:
        return x
    start = need.start - have.start
    x = SliceFrames(start, start + len(need), 1, name=name)(x)
    return reshape_frames(x, len(need), f"{name}_frames")


def build_layer(layer, inputs, frames: int, name: str):
    """Applies the window form of a layer; `frames` is the length of its output."""
    x = inputs[0]
    if isinstance(layer, (*IDENTITIES, keras.layers.ZeroPadding1D)):
        return x  # of padding the moved frames are left, see `window`
    if isinstance(layer, SpliceFrames):
        return _splice(layer, x, frames, name)
    if isinstance(layer, SplicedDense) and (frames > 1 or layer.splice.step > 1):
        return _spliced_conv(layer, x, frames, name)
    if isinstance(layer, SplicedDense):
        x = _splice(layer.splice, x, frames, f"{name}_splice")
    if isinstance(layer, (keras.layers.Dense, SplicedDense)):
        return _dense(layer, layer.kernel, x, frames, layer.activation, name)
    if isinstance(layer, keras.layers.Conv1D):
        return _conv(layer, x, frames, name)
    if isinstance(layer, keras.layers.SeparableConv1D):
        x = _depthwise(layer, layer.depthwise_kernel, None, None, x, frames, name)
        kernel = layer.pointwise_kernel[0]
        return _dense(layer, kernel, x, frames, layer.activation, f"{name}_point")
    if isinstance(layer, keras.layers.DepthwiseConv1D):
        bias = layer.bias if layer.use_bias else None
        return _depthwise(layer, layer.kernel, bias, layer.activation, x, frames, name)
    own = {**layer.get_config(), "name": name, "dtype": "float32"}
    if hasattr(layer, "axis"):
        own["axis"] = -1
    copy = type(layer).from_config(own)
    y = copy(inputs if isinstance(layer, MERGES) else x)
    copy.set_weights(layer.get_weights())
    return y


def _splice(layer, x, frames, name):
    width = layer.left + 1 + layer.right
    if width == 1:
        return x
    if frames == 1:
        if layer.step > 1:
            x = SliceFrames(0, None, layer.step, name=f"{name}_step")(x)
        return reshape_frames(x, 1, name)
    shifted = [
        SliceFrames(start, start + frames, 1, name=f"{name}_{start}")(x)
        for start in range(0, width * layer.step, layer.step)
    ]
    return keras.layers.Concatenate(dtype="float32", name=name)(shifted)


def _dense(layer, kernel, x, frames, activation, name):
    """One frame: fully connected. Several: a convolution with a kernel of one frame."""
    kernel = array(kernel)
    options = {"activation": activation, "use_bias": layer.use_bias, "name": name}
    # TensorFlow 2.17 takes a sum apart that a dense layer reads, and makes one half of
    # it that layer's bias, which no runtime loads.
    reads_sum = isinstance(x._keras_history.operation, MERGES)
    if frames == 1 and not reads_sum:
        new = keras.layers.Dense(kernel.shape[-1], dtype="float32", **options)
    else:
        new = keras.layers.Conv2D(kernel.shape[-1], 1, dtype="float32", **options)
        kernel, x = kernel[None, None], _as_image(x, name)
    y = with_weights(new, x, kernel, layer.bias if layer.use_bias else None)
    return reshape_frames(y, frames, f"{name}_frames")


def _conv(layer, x, frames, name):
    kernel = array(layer.kernel)
    dilated = layer.dilation_rate[0] > 1 and kernel.shape[0] > 1
    if frames == 1 and layer.groups == 1 and not dilated:
        x = reshape_frames(x, 1, f"{name}_join")
        kernel = kernel.reshape(-1, kernel.shape[-1])
        return _dense(layer, kernel, x, 1, layer.activation, name)
    new = keras.layers.Conv2D(
        layer.filters,
        (kernel.shape[0], 1),
        strides=(layer_stride(layer), 1),
        dilation_rate=(layer.dilation_rate[0], 1),
        groups=layer.groups,
        activation=layer.activation,
        use_bias=layer.use_bias,
        dtype="float32",
        name=name,
    )
    bias = layer.bias if layer.use_bias else None
    y = with_weights(new, _as_image(x, name), kernel[:, None], bias)
    return reshape_frames(y, frames, f"{name}_frames")


def _spliced_conv(layer, x, frames, name):
    """Several windows, or one with gaps: a convolution, without slices."""
    splice = layer.splice
    width = splice.left + 1 + splice.right
    kernel = array(layer.kernel)
    new = keras.layers.Conv2D(
        layer.units,
        (width, 1),
        dilation_rate=(splice.step, 1),
        activation=layer.activation,
        use_bias=layer.use_bias,
        dtype="float32",
        name=name,
    )
    kernel = kernel.reshape(width, 1, -1, layer.units)
    bias = layer.bias if layer.use_bias else None
    y = with_weights(new, _as_image(x, name), kernel, bias)
    return reshape_frames(y, frames, f"{name}_frames")


def _depthwise(layer, kernel, bias, activation, x, frames, name):
    kernel = array(kernel)
    # TensorFlow's depthwise convolution wants equal strides; the width is 1.
    new = keras.layers.DepthwiseConv2D(
        (kernel.shape[0], 1),
        strides=layer_stride(layer),
        dilation_rate=(layer.dilation_rate[0], 1),
        depth_multiplier=kernel.shape[-1],
        activation=activation,
        use_bias=bias is not None,
        dtype="float32",
        name=name,
    )
    y = with_weights(new, _as_image(x, name), kernel[:, None], bias)
    return reshape_frames(y, frames, f"{name}_frames")


def _as_image(x, name):
    if len(x.shape) == 4:
        return x
    return Reshaped((1, 1, x.shape[-1]), name=f"{name}_image")(x)


def with_weights(layer, x, kernel, bias):
    """Applies a new layer to `x` and gives it weights; `bias` may be None."""
    y = layer(x)
    layer.set_weights([kernel] if bias is None else [kernel, array(bias)])
    return y


def array(weight) -> np.ndarray:
    """Returns a weight in float32."""
    return ops.convert_to_tensor(weight, "float32").numpy()
