"""Frame-wise students with two-dimensional layers as a graph of one context window.

As in the graph of a clip all that has channels is an image; but in time nothing is
padded: where the student puts zeros before an utterance, a stream has frames.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

import keras

from keras_rnn2dnn.quantization.clip_layers import Image, build_clip_layer
from keras_rnn2dnn.quantization.folding.affine import Affine
from keras_rnn2dnn.quantization.folding.plain_layers import copied
from keras_rnn2dnn.quantization.layer_rules import TWO_DIMENSIONAL, refuse
from keras_rnn2dnn.quantization.window_layers import SliceFrames

L = keras.layers
_LOG = logging.getLogger(__name__)
_POOLINGS = (L.AveragePooling2D, L.MaxPooling2D)


def window_of_images(
    student: keras.Model, steps: list, inputs: keras.KerasTensor, needed: Callable
) -> keras.KerasTensor:
    """Builds the graph.

    Args:
        student: `(batch, frames, bins) -> (batch, frames, classes)`, or with a last
            axis of 1 in its input.
        steps: of its graph, with the frames that each is needed for.
        inputs: the window, `(1, frames, bins)`.
        needed: gives the frames of its input that a layer needs for those of its
            output.

    Returns:
        The logits, `(1, classes)`.

    Raises:
        ValueError: if a layer cannot run on one window; names it.
    """
    window = len(steps[0].frames)
    images = [Image(inputs, (window, *student.input_shape[2:]))]
    for number, step in enumerate(steps[1:], 1):
        name = f"{type(step.layer).__name__.lower()}_{number}"
        need = needed(step.layer, step.frames)
        read = [
            _taken(images[k], steps[k].frames, need, f"{name}_input_{place}")
            for place, k in enumerate(step.inputs)
        ]
        images.append(_built(step, read, name))
    _tell_of_padding(steps)
    return images[-1].reshaped((student.output_shape[-1],), "logits")


def _taken(image, have, need, name):
    """Cuts out the frames that a layer needs."""
    if have == need:
        return image
    start = need.start - have.start
    tensor = image.reshaped(image.size, f"{name}_image")
    tensor = SliceFrames(start, start + len(need), 1, name=name)(tensor)
    return Image(tensor, (len(need), *image.shape[1:]))


def _built(step, read, name):
    layer, x = step.layer, read[0]
    if isinstance(layer, L.ZeroPadding1D):
        return x  # of padding the moved frames are left, see `window`
    if isinstance(layer, L.Reshape):
        if layer.target_shape[0] not in (-1, None):
            refuse(step.source, "It must keep the frames: Reshape((-1, ...))")
        return Image(x.tensor, (len(step.frames), *_rest(layer, x)))
    if isinstance(layer, L.ZeroPadding2D):
        return _padded(x, layer.padding[1], name)
    if isinstance(layer, Affine) or getattr(layer, "padding", "valid") == "valid":
        return build_clip_layer(step, read, name)
    pads = layer.padding == "same" and isinstance(layer, TWO_DIMENSIONAL)
    if pads and any(around := _around(layer, x.shape[1])):
        if isinstance(layer, _POOLINGS):
            refuse(step.source, 'Its padding="same" pads the bins: use "valid"')
        x = _padded(x, around, f"{name}_bins")
    return build_clip_layer(replace(step, layer=_unpadded(layer)), [x], name)


def _rest(layer, x):
    """Returns the sizes of a frame in the new shape."""
    sizes = layer.target_shape[1:]
    if -1 not in sizes:
        return tuple(sizes)
    return layer.compute_output_shape((1, *x.shape))[2:]


def _unpadded(layer):
    if isinstance(layer, _POOLINGS):
        config = {**layer.get_config(), "padding": "valid"}
        return type(layer).from_config(config)
    return copied(layer, padding="valid")


def _around(layer, bins):
    """Returns the zeros before and behind the bins where the padding is `"same"`."""
    taps = _taps(layer)[1]
    stride = layer.strides[1]
    reach = (taps - 1) * getattr(layer, "dilation_rate", (1, 1))[1] + 1
    total = max(0, (-(-bins // stride) - 1) * stride + reach - bins)
    return total // 2, total - total // 2


def _taps(layer):
    return getattr(layer, "kernel_size", getattr(layer, "pool_size", (1, 1)))


def _padded(x, around, name):
    """Puts zeros around the bins."""
    if not any(around):
        return x
    image = x.reshaped(x.size, f"{name}_image")
    tensor = L.ZeroPadding2D(((0, 0), around), dtype="float32", name=name)(image)
    return Image(tensor, (x.shape[0], x.shape[1] + sum(around), *x.shape[2:]))


def _tell_of_padding(steps):
    """Says of which layers the first and last frames of an utterance differ."""
    names = [
        f"{step.source.name} ({type(step.source).__name__})"
        for step in steps[1:]
        if isinstance(step.layer, TWO_DIMENSIONAL)
        and getattr(step.layer, "padding", "") == "same"
        and _taps(step.layer)[0] > 1
    ]
    if names:
        _LOG.warning(
            'padding="same" puts zeros before and behind an utterance, where a stream '
            "has frames: there the device gives other logits than the student, and "
            "with strides also where frames are no multiple of them. Use "
            'ZeroPadding2D before and padding="valid" to train as it runs. Layers: %s',
            ", ".join(names),
        )
