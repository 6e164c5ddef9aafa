"""Layers of an utterance-level student rebuilt for one clip, all two-dimensional."""

import math
from dataclasses import dataclass

import keras
import numpy as np

from keras_rnn2dnn.quantization.folding.affine import Affine
from keras_rnn2dnn.quantization.layer_rules import IDENTITIES, MERGES
from keras_rnn2dnn.quantization.window_layers import Reshaped, array, with_weights

L = keras.layers
_RESHAPING = (L.Flatten, L.Reshape)
_AVERAGES = (L.AveragePooling1D, L.AveragePooling2D)
_MAXIMA = (L.MaxPooling1D, L.MaxPooling2D)
_GLOBAL_AVERAGES = (L.GlobalAveragePooling1D, L.GlobalAveragePooling2D)
_GLOBAL_MAXIMA = (L.GlobalMaxPooling1D, L.GlobalMaxPooling2D)
_GLOBAL = (*_GLOBAL_AVERAGES, *_GLOBAL_MAXIMA)


@dataclass(frozen=True)
class Image:
    """What a step of the student gives.

    Args:
        tensor: the values, in whatever shape.
        shape: that of the student's layer, without the batch.
    """

    tensor: keras.KerasTensor
    shape: tuple[int, ...]

    @property
    def size(self) -> tuple[int, int, int]:
        """Height, width and channels: frames alone are of width 1."""
        *before, channels = self.shape
        if len(before) > 2:
            before = [before[0], math.prod(before[1:])]
        height, width = [*before, 1, 1][:2]
        return height, width, channels

    def reshaped(self, shape: tuple[int, ...], name: str) -> keras.KerasTensor:
        """Returns the values in a shape."""
        same = tuple(self.tensor.shape[1:]) == tuple(shape)
        return self.tensor if same else Reshaped(shape, name=name)(self.tensor)


def build_clip_layer(step, inputs: list[Image], name: str) -> Image:
    """Applies the two-dimensional form of a layer.

    Args:
        step: of the student's graph.
        inputs: what it reads.
        name: of the new layer.

    Returns:
        What it gives.
    """
    layer, x = step.layer, inputs[0]
    if isinstance(layer, MERGES):
        read = [one.reshaped(one.shape, f"{name}_{k}") for k, one in enumerate(inputs)]
        return _same_shapes(layer, read, name)
    if isinstance(layer, IDENTITIES):
        return x
    shape = tuple(layer.compute_output_shape((1, *x.shape))[1:])
    if isinstance(layer, _RESHAPING):
        return Image(x.tensor, shape)
    if isinstance(layer, Affine):
        return Image(_affine(layer, x, name), shape)
    if isinstance(layer, L.Dense):
        return Image(_dense(layer, x, name), shape)
    if hasattr(layer, "kernel_size"):
        return Image(_convolution(layer, x, name), shape)
    if isinstance(layer, (*_AVERAGES, *_MAXIMA, *_GLOBAL)):
        return Image(_pooling(layer, x, name), shape)
    if isinstance(layer, L.ZeroPadding1D | L.ZeroPadding2D):
        return Image(_padding(layer, x, name), shape)
    return _same_shapes(layer, x.tensor, name, shape)


def _image(x, name):
    return x.reshaped(x.size, f"{name}_image")


def _same_shapes(layer, read, name, shape=None):
    """Copies a layer without weights."""
    own = {**layer.get_config(), "name": name, "dtype": "float32"}
    tensor = type(layer).from_config(own)(read)
    return Image(tensor, tuple(tensor.shape[1:]) if shape is None else shape)


def _affine(layer, x, name):
    channels = x.shape[-1]
    scale, offset = (np.broadcast_to(v, channels) for v in layer.terms)
    new = L.DepthwiseConv2D(1, dtype="float32", name=name)
    return with_weights(new, _image(x, name), scale.reshape(1, 1, channels, 1), offset)


def _dense(layer, x, name):
    """On one vector fully connected, on several a convolution of one pixel."""
    kernel, bias = array(layer.kernel), layer.bias if layer.use_bias else None
    options = {"activation": layer.activation, "use_bias": layer.use_bias}
    # Of sums read by a dense layer TensorFlow 2.17 makes what no runtime loads.
    reads_sum = isinstance(x.tensor._keras_history.operation, MERGES)
    if len(x.shape) == 1 and not reads_sum:
        new = L.Dense(kernel.shape[-1], dtype="float32", name=name, **options)
        return with_weights(new, x.reshaped(x.shape, f"{name}_row"), kernel, bias)
    return _one_pixel(kernel, bias, options, _image(x, name), name)


def _one_pixel(kernel, bias, options, image, name):
    new = L.Conv2D(kernel.shape[-1], 1, dtype="float32", name=name, **options)
    return with_weights(new, image, kernel[None, None], bias)


def _convolution(layer, x, name):
    image, bias = _image(x, name), layer.bias if layer.use_bias else None
    options = {"activation": layer.activation, "use_bias": layer.use_bias}
    pair = _pair if len(layer.kernel_size) == 1 else tuple
    common = {
        "strides": pair(layer.strides),
        "dilation_rate": pair(layer.dilation_rate),
        "padding": layer.padding,
        "dtype": "float32",
    }
    if layer.padding == "causal":
        reach = (layer.kernel_size[0] - 1) * layer.dilation_rate[0]
        image = L.ZeroPadding2D(((reach, 0), (0, 0)), name=f"{name}_causal")(image)
        common["padding"] = "valid"
    size = pair(layer.kernel_size)
    if isinstance(layer, L.SeparableConv1D | L.SeparableConv2D):
        own = {**common, "use_bias": False, "name": f"{name}_depth"}
        image = _depthwise(layer.depthwise_kernel, None, image, size, own)
        kernel = array(layer.pointwise_kernel)
        kernel = kernel.reshape(kernel.shape[-2:])
        return _one_pixel(kernel, bias, options, image, name)
    common |= {"name": name, **options}
    if isinstance(layer, L.DepthwiseConv1D | L.DepthwiseConv2D):
        return _depthwise(layer.kernel, bias, image, size, common)
    new = L.Conv2D(layer.filters, size, groups=layer.groups, **common)
    return with_weights(new, image, _two_dimensional(layer.kernel), bias)


def _depthwise(kernel, bias, image, size, common):
    kernel = _two_dimensional(kernel)
    # TensorFlow wants equal strides; where the width is 1 they may be.
    common["strides"] = common["strides"][0]
    new = L.DepthwiseConv2D(size, depth_multiplier=kernel.shape[-1], **common)
    return with_weights(new, image, kernel, bias)


def _pooling(layer, x, name):
    image = _image(x, name)
    kind = L.MaxPooling2D
    if isinstance(layer, (*_AVERAGES, *_GLOBAL_AVERAGES)):
        kind = L.AveragePooling2D
    if isinstance(layer, _GLOBAL):
        return kind(x.size[:2], dtype="float32", name=name)(image)
    pair = _pair if len(layer.pool_size) == 1 else tuple
    new = kind(
        pair(layer.pool_size),
        pair(layer.strides),
        layer.padding,
        dtype="float32",
        name=name,
    )
    return new(image)


def _padding(layer, x, name):
    padding = layer.padding
    if isinstance(layer, L.ZeroPadding1D):
        padding = (padding, (0, 0))
    return L.ZeroPadding2D(padding, dtype="float32", name=name)(_image(x, name))


def _pair(values):
    return values[0], 1


def _two_dimensional(kernel):
    """Returns a kernel of frames as one of an image of width 1."""
    kernel = array(kernel)
    return kernel[:, None] if kernel.ndim == 3 else kernel
