"""Folds what scales and shifts channels into the weights of the layers around it.

    W (s * x + o) + b  =  (W * s) x + (b + W o)        before a layer with weights
    s * (W x + b) + o  =  (s * W) x + (s * b + o)      after one without activation

Before a convolution that pads with zeros a shift does not fold: the zeros are not
shifted. In the graph of one window nothing is padded, so that there it always folds.
"""

import keras
import numpy as np

from keras_rnn2dnn.models.layers import SpliceFrames
from keras_rnn2dnn.models.spliced_dense import SplicedDense
from keras_rnn2dnn.quantization.folding.affine import Affine
from keras_rnn2dnn.quantization.folding.plain_layers import copied
from keras_rnn2dnn.quantization.layer_rules import IDENTITIES

_MOST_CHANNELS = 256  # 64 kB
_PADDINGS = (keras.layers.ZeroPadding1D, keras.layers.ZeroPadding2D)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
_PASSED = (*IDENTITIES, *_PADDINGS)


def fold_affine(steps: list, padded: bool = False) -> None:
    """Folds every `Affine` that can be, in place: an Identity stays where it was.

    Args:
        steps: of `graph.student_graph`.
        padded: whether the layers run on whole utterances, where convolutions pad
            with zeros; by default on one window.
    """
    for place, step in enumerate(steps):
        if not isinstance(step.layer, Affine):
            continue
        folded = _fold_back(steps, place) or _fold_on(steps, place, padded)
        if not (folded or padded):
            _make_dense(steps, place)


def _fold_back(steps, place):
    """Folds into the layer before; says whether that was possible."""
    affine, before = steps[place].layer, steps[place].inputs[0]
    while type(steps[before].layer) in IDENTITIES and _read_once(steps, before):
        before = steps[before].inputs[0]
    layer = steps[before].layer
    if not _read_once(steps, before):
        return False
    if isinstance(layer, Affine):
        scale = layer.scale * affine.scale
        offset = layer.offset * affine.scale + affine.offset
        steps[place].layer = Affine(scale, offset, name=affine.name)
        steps[before].layer = _identity(layer)
        return _fold_back(steps, place)
    linear = getattr(layer, "activation", None) is keras.activations.linear
    if not hasattr(layer, "use_bias") or not linear:
        return False
    steps[before].layer = _scaled_after(layer, affine.scale, affine.offset)
    steps[place].layer = _identity(affine)
    return True


def _fold_on(steps, place, padded):
    """Folds into all layers that read it, if each of them can take it."""
    affine = steps[place].layer
    readers = _readers(steps, place, *affine.terms)
    if not readers:
        return False
    for reader, _, offset in readers:
        layer = None if reader is None else steps[reader].layer
        if not hasattr(layer, "use_bias"):
            return False
        if padded and np.any(offset != 0) and not _keeps_edges(steps, place, reader):
            return False
    for reader, scale, offset in readers:
        steps[reader].layer = _scaled_before(steps[reader].layer, scale, offset)
    steps[place].layer = _identity(affine)
    return True


def _make_dense(steps, place):
    """Makes what a ReLU reads a layer with weights of its own, as the C code runs it.

    That costs channels ** 2 weights, most of them 0: so of few channels alone.
    """
    affine = steps[place].layer
    channels = max(affine.scale.size, affine.offset.size)
    readers = [reader for reader, *_ in _readers(steps, place, *affine.terms)]
    if not 1 < channels <= _MOST_CHANNELS or len(readers) != 1:
        return
    layer = None if readers[0] is None else steps[readers[0]].layer
    named = getattr(getattr(layer, "activation", None), "__name__", "")
    is_output = place == len(steps) - 1
    if is_output or type(layer) is keras.layers.ReLU or named in ("relu", "relu6"):
        dense = keras.layers.Dense(channels, name=affine.name, dtype="float32")
        dense.build((None, None, channels))
        kernel = np.diag(np.broadcast_to(affine.scale, channels))
        dense.set_weights([kernel, np.broadcast_to(affine.offset, channels)])
        steps[place].layer = dense


def _readers(steps, place, scale, offset):
    """Lists who reads a step, through what passes values on: step, scale, offset.

    The output of the student, and a layer that reads twice, count as None.
    """
    found = [(None, scale, offset)] if place == len(steps) - 1 else []
    for number, step in enumerate(steps):
        if place not in step.inputs:
            continue
        if type(step.layer) in _PASSED:
            found += _readers(steps, number, scale, offset)
        elif isinstance(step.layer, SpliceFrames):
            width = step.layer.left + 1 + step.layer.right
            tiled = (np.tile(v, width) if v.ndim else v for v in (scale, offset))
            found += _readers(steps, number, *tiled)
        else:
            found.append((number if len(step.inputs) == 1 else None, scale, offset))
    return found


def _keeps_edges(steps, place, reader):
    """Whether no zeros come in between a step and the weights of its reader."""
    layer = steps[reader].layer
    padding = getattr(layer, "padding", "valid")
    if padding != "valid" and max(layer.kernel_size) > 1:
        return False
    while reader != place:
        reader = steps[reader].inputs[0]
        if type(steps[reader].layer) in _PADDINGS:
            return False
    return True


def _read_once(steps, place):
    reads = sum(step.inputs.count(place) for step in steps)
    return reads == 1 and place < len(steps) - 1


def _identity(layer):
    return keras.layers.Identity(name=layer.name, dtype="float32")


def _scaled_after(layer, scale, offset):
    *kernels, bias = _weights(layer)
    if isinstance(layer, _DEPTHWISE):
        outputs = kernels[-1].shape[-2:]
        kernels[-1] = kernels[-1] * np.broadcast_to(scale, bias.shape).reshape(outputs)
    else:
        kernels[-1] = kernels[-1] * scale
    return _copy(layer, [*kernels, bias * scale + offset])


def _scaled_before(layer, scale, offset):
    first, *others, bias = _weights(layer)
    if isinstance(layer, SplicedDense):
        width = layer.splice.left + 1 + layer.splice.right
        scale, offset = (np.tile(v, width) if v.ndim else v for v in (scale, offset))
    rows = _rows(layer, scale, first), _rows(layer, offset, first)
    # What the shift adds to each output: summed over taps, and over inputs.
    added = (first * rows[1]).sum(axis=tuple(range(first.ndim - 2)))
    if isinstance(layer, _SEPARABLE):
        added = added.reshape(-1) @ others[0].reshape(added.size, -1)
    elif isinstance(layer, _DEPTHWISE):
        added = added.reshape(-1)
    else:
        added = added.sum(axis=0)
    return _copy(layer, [first * rows[0], *others, bias + added])


def _rows(layer, values, kernel):
    """Spreads values by channel over the kernel that meets them."""
    if isinstance(layer, keras.layers.Conv1D | keras.layers.Conv2D):
        channels, filters = kernel.shape[-2:]
        values = np.broadcast_to(values, channels * layer.groups)
        by_group = values.reshape(layer.groups, channels)
        return np.repeat(by_group, filters // layer.groups, axis=0).T
    return np.broadcast_to(values, kernel.shape[-2])[:, None]


def _weights(layer):
    """Returns kernels and bias in float64; zeros where there is no bias."""
    arrays = [np.asarray(weight, np.float64) for weight in layer.get_weights()]
    if layer.use_bias:
        return arrays
    depthwise = isinstance(layer, _DEPTHWISE)
    outputs = np.prod(arrays[-1].shape[-2:]) if depthwise else arrays[-1].shape[-1]
    return [*arrays, np.zeros(int(outputs))]


def _copy(layer, weights):
    return copied(layer, weights, use_bias=True)
