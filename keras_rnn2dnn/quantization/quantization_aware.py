"""Students that are trained as they will be quantised."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rnn2dnn.models.layers import SpliceFrames
from keras_rnn2dnn.quantization.calibration import utterances_of
from keras_rnn2dnn.quantization.clips import clip_input
from keras_rnn2dnn.quantization.fake_quant import (
    FAKE_QUANT_CLASSES,
    FakeQuant,
    FakeQuantAverage,
)
from keras_rnn2dnn.quantization.folding.affine import Affine
from keras_rnn2dnn.quantization.folding.affine_folding import fold_affine
from keras_rnn2dnn.quantization.folding.graph import is_clip, student_graph
from keras_rnn2dnn.quantization.folding.rebuild import rebuild
from keras_rnn2dnn.quantization.folding.separable import split_separable
from keras_rnn2dnn.quantization.folding.tracing import traced
from keras_rnn2dnn.quantization.layer_rules import IDENTITIES, refuse
from keras_rnn2dnn.quantization.ranges import calibrated_range, check_ranges
from keras_rnn2dnn.util.errors import invalid

_MOST_FRAMES = 20_000
_AVERAGES = (  # TensorFlow Lite gives them the scale of what they read
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
)
_KEEPING = (
    *IDENTITIES,
    SpliceFrames,
    keras.layers.Flatten,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.MaxPooling1D,
    keras.layers.MaxPooling2D,
    keras.layers.Reshape,
    keras.layers.ZeroPadding1D,
    keras.layers.ZeroPadding2D,
)
_OTHERS = (*_AVERAGES, *_KEEPING, keras.layers.Add)
_RELUS = (keras.activations.relu, keras.activations.relu6)


def quantization_aware(
    student: keras.Model, calibration: Any, *, ranges: str = "percentile"
) -> keras.Model:
    """Rebuilds a student so that it computes, and is trained, in steps of int8.

    Kernels are rounded to int8 by output channel. The input and what each layer gives
    are rounded to int8 as a whole tensor, in the range that the student's values have
    on the calibration data; averages in that of what they are of. In training the
    gradient passes the rounding as if it were not there (Jacob et al., 2018, section
    3); the ranges stay as they are.

    An epoch at a low learning rate through the `Distiller` fits the weights to the
    rounding. `convert` then takes the ranges from the student, so that the int8 file
    computes what the student does, but for values that lie on the edge between two
    steps.

    Args:
        student: model of Dense, SplicedDense and convolution layers (Conv,
            DepthwiseConv and SeparableConv, of one dimension and of two) with ReLU,
            ReLU6 or no activation, ReLU and Add layers, SpliceFrames, Masking and
            dropout, and beside two-dimensional layers or of whole clips pooling,
            reshapes and padding; BatchNormalization, Normalization and Rescaling beside
            layers which they fold into exactly, edges of utterances included. A softmax
            at its end stays, in float.
        calibration: real features, as of `convert`.
        ranges: `"percentile"`, `"mse"` or `"minmax"`; see `ranges.calibrated_range`.
            Up to 20,000 frames set them; the extremes of so many are outliers.

    Returns:
        A Keras model with the student's inputs, outputs and layer names, and a copy of
        its weights, in float32.

    Raises:
        ValueError: if the student has another layer, which is named; or `calibration`
            or `ranges` is invalid.

    Example:
        >>> from keras_rnn2dnn import dnn_student
        >>> student = dnn_student(4, 3, context=(2, 1), units=(8,))
        >>> features = np.random.default_rng(0).normal(size=(20, 50, 4))
        >>> aware = quantization_aware(student, features)
        >>> [layer.name for layer in aware.layers]
        ['features', 'mask', 'mask_int8', 'dense_1', 'dense_1_int8', 'logits',
        'logits_int8']
        >>> len(np.unique(aware.predict(features, verbose=0))) <= 256
        True
    """
    check_ranges(ranges)
    student = traced(student)
    graph = student_graph(student)
    steps = split_separable(graph.steps)
    fold_affine(steps, padded=True)
    for step in steps[1:]:
        _check_layer(step)
    places = _places(steps)
    utterances = utterances_of(calibration, student.input_shape[2], graph.clip)
    values = _values(student, steps, places, utterances)
    limits = {place: calibrated_range(values.pop(place), ranges) for place in places}
    for place, step in enumerate(steps):
        if type(step.layer) in _AVERAGES:
            limits[place] = _limits_before(steps, place, limits)

    def rounded(place, tensor, name):
        if place not in limits:
            return tensor
        low, high = limits[place]
        high = high if low < high else 1.0  # all zero: any scale is as good
        average = type(steps[place].layer) in _AVERAGES
        kind = FakeQuantAverage if average else FakeQuant
        return kind(low, high, name=name)(tensor)

    inputs, outputs = rebuild(student, steps, FAKE_QUANT_CLASSES, rounded)
    output = outputs[-1]
    if graph.softmax is not None:  # which `convert` leaves out
        name = f"{graph.softmax_name}_{graph.softmax}"
        output = keras.layers.Activation(graph.softmax, name=name)(output)
    return keras.Model(inputs, output, name=student.name)


def _check_layer(step):
    layer, source = step.layer, step.source
    rounded = isinstance(layer, tuple(FAKE_QUANT_CLASSES))
    if isinstance(layer, Affine):
        refuse(
            source,
            "quantization_aware folds it into a layer with weights: put it directly "
            "after one without activation, or before one that pads with no zeros "
            '(Dense, SplicedDense, Conv1D with padding="valid")',
        )
    averages = type(source) is keras.layers.AveragePooling1D
    if averages and type(layer) not in _AVERAGES:  # a convolution over frames
        rounded = False
    if not (rounded or _is_relu(layer) or type(layer) in _OTHERS):
        refuse(
            source,
            "quantization_aware knows Dense, SplicedDense, Conv, DepthwiseConv, "
            "SeparableConv, pooling, Add and ReLU alone: convert it as it is",
        )
    if rounded and layer.activation not in (*_RELUS, keras.activations.linear):
        refuse(source, "quantization_aware knows relu, relu6 and no activation alone")


def _is_relu(layer):
    activation = type(layer) is keras.layers.Activation and layer.activation in _RELUS
    return activation or type(layer) is keras.layers.ReLU


def _limits_before(steps, place, limits):
    """Returns the range of what a step reads."""
    (place,) = steps[place].inputs
    while place not in limits:
        (place,) = steps[place].inputs
    return limits[place]


def _places(steps):
    """Returns the steps whose outputs are int8 tensors with a range of their own."""
    readers = [
        [k for k, step in enumerate(steps) if place in step.inputs]
        for place in range(len(steps))
    ]

    def past_identities(place):
        """Returns the last step with the same values that is read by one layer."""
        while len(readers[place]) == 1:
            (reader,) = readers[place]
            if type(steps[reader].layer) not in IDENTITIES:
                break
            place = reader
        return place

    # after masking: a frame that counts may be rounded to zeros
    places = [past_identities(0)]
    for place, step in enumerate(steps[1:], 1):
        if type(step.layer) in (*_KEEPING, *_AVERAGES):
            continue
        # TensorFlow Lite puts layer and ReLU into one operator: nothing between them.
        next_ = readers[past_identities(place)]
        linear = getattr(step.layer, "activation", None) is keras.activations.linear
        fused = (
            (linear or type(step.layer) is keras.layers.Add)
            and len(next_) == 1
            and _is_relu(steps[next_[0]].layer)
        )
        if not fused:
            places.append(place)
    return places


def _values(student, steps, places, utterances):
    """Returns what the float student computes at these places, of frames spread out."""
    inputs, outputs = rebuild(student, steps)
    model = keras.Model(inputs, [outputs[place] for place in places])
    signature = tf.TensorSpec((None, *inputs.shape[1:]), tf.float32)
    clip = is_clip(student)
    run = tf.function(lambda x: model(x, training=False), input_signature=[signature])
    total = sum(len(utterance) for utterance in utterances)
    if not total:
        raise ValueError(invalid("calibration", "at least one frame", 0))
    every = -(-total // _MOST_FRAMES)
    found = {place: [] for place in places}
    for utterance in utterances[:: every if clip else 1]:
        if len(utterance):
            arrays = keras.tree.flatten(run(clip_input(student, utterance[None])))
            for place, array in zip(places, arrays, strict=True):
                values = array.numpy()[0]
                found[place].append(values if clip else values[::every])
    return {place: np.concatenate(arrays) for place, arrays in found.items()}
