"""Students built anew from their plain layers."""

from collections.abc import Callable, Mapping, Sequence

import keras

from keras_rnn2dnn.quantization.folding.graph import Step, StudentGraph
from keras_rnn2dnn.quantization.layer_rules import MERGES


def logits_student(student: keras.Model, graph: StudentGraph) -> keras.Model:
    """Returns the student without a softmax at its end.

    Args:
        student: `(batch, frames, features) -> (batch, frames, classes)`.
        graph: of it.

    Returns:
        The student itself where it ends in none; else one of copies of its layers.

    Example:
        >>> from keras_rnn2dnn.quantization.folding.graph import student_graph
        >>> layer = keras.layers.Dense(2, "softmax", bias_initializer="ones")
        >>> student = keras.Sequential([keras.Input((None, 1)), layer])
        >>> logits = logits_student(student, student_graph(student))
        >>> logits(np.zeros((1, 1, 1))).numpy().tolist()
        [[[1.0, 1.0]]]
    """
    if graph.softmax is None:
        return student
    inputs, outputs = rebuild(student, graph.steps)
    return keras.Model(inputs, outputs[-1], name=student.name)


def rebuild(
    student: keras.Model,
    steps: Sequence[Step],
    classes: Mapping[type, type] | None = None,
    after: Callable = lambda place, tensor, name: tensor,
) -> tuple:
    """Builds a graph anew from copies of its layers, in float32.

    Args:
        student: whose input it has.
        steps: of its graph.
        classes: what takes the place of which class of layers.
        after: called with each step's number, its output, and a free name; gives what
            the next layers read.

    Returns:
        The input, and the outputs of all steps.
    """
    shape, name = student.inputs[0].shape[1:], student.inputs[0].name
    inputs = keras.Input(shape, name=name)
    copies = {}  # a layer may be called twice
    taken = set()

    def free(name):
        """Names are unique in a model, but not in those nested in it."""
        count = 1
        while (found := name if count == 1 else f"{name}_{count}") in taken:
            count += 1
        taken.add(found)
        return found

    outputs = [after(0, inputs, free(f"{free(name)}_int8"))]
    for place, step in enumerate(steps[1:], 1):
        layer, read = step.layer, [outputs[index] for index in step.inputs]
        read = read if isinstance(layer, MERGES) else read[0]
        if id(layer) not in copies:
            kind = (classes or {}).get(type(layer), type(layer))
            copies[id(layer)] = _copy(layer, kind, free(layer.name), read)
        copy = copies[id(layer)]
        outputs.append(after(place, copy(read), free(f"{copy.name}_int8")))
    return inputs, outputs


def _copy(layer, kind, name, read):
    config = {**layer.get_config(), "name": name, "dtype": "float32"}
    copy = kind.from_config(config)
    copy.build(keras.tree.map_structure(lambda tensor: tensor.shape, read))
    copy.set_weights(layer.get_weights())
    return copy
