"""Separable convolutions as the two convolutions that they are."""

import keras

from keras_rnn2dnn.quantization.folding.graph import Step

L = keras.layers
_KINDS = {
    L.SeparableConv1D: (L.DepthwiseConv1D, L.Conv1D),
    L.SeparableConv2D: (L.DepthwiseConv2D, L.Conv2D),
}


def split_separable(steps: list[Step]) -> list[Step]:
    """Returns the steps with a depthwise and a pointwise one for each separable layer.

    Args:
        steps: of `graph.student_graph`.

    Example:
        >>> from keras_rnn2dnn.quantization.folding.graph import student_graph
        >>> layers = [keras.layers.SeparableConv2D(2, 3), keras.layers.Flatten()]
        >>> student = keras.Sequential([keras.Input((5, 4, 1)), *layers])
        >>> steps = split_separable(student_graph(student).steps)
        >>> [type(step.layer).__name__ for step in steps]
        ['NoneType', 'DepthwiseConv2D', 'Conv2D', 'Flatten']
    """
    found, places, parts = [], [], {}
    for step in steps:
        inputs = [places[index] for index in step.inputs]
        layers = [step.layer]
        if type(step.layer) in _KINDS:
            if id(step.layer) not in parts:  # a layer may be called twice
                parts[id(step.layer)] = _parts(step.layer)
            layers = parts[id(step.layer)]
        for layer in layers:
            found.append(Step(layer, inputs, step.source))
            inputs = [len(found) - 1]
        places.append(len(found) - 1)
    return found


def _parts(layer):
    depthwise, pointwise, *bias = layer.get_weights()
    *_, channels, multiplier = depthwise.shape
    first_kind, second_kind = _KINDS[type(layer)]
    first = first_kind(
        layer.kernel_size,
        strides=layer.strides,
        padding=layer.padding,
        depth_multiplier=multiplier,
        dilation_rate=layer.dilation_rate,
        use_bias=False,
        dtype="float32",
        name=f"{layer.name}_depthwise",
    )
    second = second_kind(
        layer.filters,
        1,
        activation=layer.activation,
        use_bias=layer.use_bias,
        dtype="float32",
        name=layer.name,
    )
    unknown = (None,) * (len(depthwise.shape) - 1)
    first.build((*unknown, channels))
    second.build((*unknown, channels * multiplier))
    first.set_weights([depthwise])
    second.set_weights([pointwise, *bias])
    return first, second
