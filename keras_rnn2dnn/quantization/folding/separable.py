"""Separable convolutions as the two convolutions that they are."""

import keras

from keras_rnn2dnn.quantization.folding.graph import Step


def split_separable(steps: list[Step]) -> list[Step]:
    """Returns the steps with a depthwise and a pointwise one for SeparableConv2D.

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
        if type(step.layer) is keras.layers.SeparableConv2D:
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
    first = keras.layers.DepthwiseConv2D(
        layer.kernel_size,
        strides=layer.strides,
        padding=layer.padding,
        depth_multiplier=multiplier,
        dilation_rate=layer.dilation_rate,
        use_bias=False,
        dtype="float32",
        name=f"{layer.name}_depthwise",
    )
    second = keras.layers.Conv2D(
        layer.filters,
        1,
        activation=layer.activation,
        use_bias=layer.use_bias,
        dtype="float32",
        name=layer.name,
    )
    first.build((None, None, None, channels))
    second.build((None, None, None, channels * multiplier))
    first.set_weights([depthwise])
    second.set_weights([pointwise, *bias])
    return first, second
