"""Subclassed students, and layers made of layers, as graphs of Keras's own layers.

`call` is run once on a symbolic input: what it calls are the layers that are seen, and
what it computes itself are operations of Keras.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from keras_rnn2dnn.batches.model_outputs import single_output
from keras_rnn2dnn.quantization.folding.tensorflow_functions import (
    as_keras_operations,
)
from keras_rnn2dnn.quantization.layer_rules import RECURRENT
from keras_rnn2dnn.util.errors import invalid

_EXPECTED = "a Keras model of (batch, frames, features) whose layers can be seen"
_FRAMES = 64  # of the comparison, where their number is open


def is_graph(model: keras.Operation) -> bool:
    """Tells whether a model shows its layers, as Functional and Sequential ones do."""
    return isinstance(model, keras.Function | keras.Sequential)


def traced(student: keras.Model) -> keras.Model:
    """Returns a student as a graph of its layers.

    Args:
        student: any Keras model. Subclassed ones must have seen a batch. The result
            has the same layers, so that weights are shared.

    Returns:
        The student itself where it is a graph without layers made of layers, or is not
        built; else a Functional model that computes the same in inference.

    Raises:
        ValueError: if `call` cannot be run on a symbolic input, or depends on more than
            its input.

    Example:
        >>> class Student(keras.Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.hidden = keras.layers.Dense(8, activation="relu")
        ...         self.logits = keras.layers.Dense(3)
        ...     def call(self, inputs):
        ...         return self.logits(self.hidden(inputs))
        >>> student = Student()
        >>> student(np.zeros((1, 50, 4))).shape
        TensorShape([1, 50, 3])
        >>> traced(student).output_shape
        (None, None, 3)
    """
    is_distiller = hasattr(student, "teacher") and hasattr(student, "student")
    if not isinstance(student, keras.Model) or is_distiller:
        return student  # which is refused
    if is_graph(student) and not (student.built and _has_own(student)):
        return student
    with _unique_names(student), as_keras_operations():
        graph = student if is_graph(student) else _called(student)
        closed = set()
        while _has_own(graph, closed):
            graph = _opened(graph, closed)
    if graph is not student:
        _check_same(student, graph)
    return graph


def _layers(model) -> Iterator[keras.Layer]:
    for layer in model.layers:
        yield layer
        if is_graph(layer):
            yield from _layers(layer)


def _is_own(layer):
    """Whether a layer is somebody's own: made of layers, or of functions alone."""
    if type(layer) is keras.layers.Lambda:
        return True
    foreign = not type(layer).__module__.startswith(("keras.", "keras_rnn2dnn."))
    alone = is_graph(layer) or isinstance(layer, RECURRENT)
    opens = getattr(layer, "_layers", ()) or not getattr(layer, "weights", True)
    return foreign and not alone and bool(opens)


def _has_own(model, closed=()):
    return any(_is_own(one) and id(one) not in closed for one in _layers(model))


@contextmanager
def _unique_names(student):
    """Gives layers names of their own: a graph wants that, blocks of layers do not."""
    layers = list({id(layer): layer for layer in student._flatten_layers()}.values())
    names = [layer.name for layer in layers]
    try:
        for number, layer in enumerate(layers):
            if names.count(layer.name) > 1:
                layer.name = f"{layer.name}_of_{number}"
        yield
    finally:
        for layer, name in zip(layers, names, strict=True):
            layer.name = name


def _called(student):
    """Runs a subclassed model on symbolic features."""
    shape = _input_shape(student)
    try:
        graph = _run(student, shape)
    except Exception as error:  # of anybody's code
        _refuse(student, f"its `call` cannot be traced ({_first_line(error)})", error)
    if len(graph.output_shape) == 3 and shape[0] is not None:
        try:
            return _run(student, (None, *shape[1:]))
        except Exception:
            return graph  # of a fixed number of frames, which is refused as such
    return graph


def _run(student, shape):
    inputs = keras.Input(shape, name="features")
    outputs = student.call(inputs, **_inference(student))
    single_output("student", student, outputs)
    return keras.Model(inputs, keras.tree.flatten(outputs)[0], name=student.name)


def _inference(layer, given=()):
    """Returns `training=False` for a `call` that knows it and was not told."""
    known = inspect.signature(layer.call).parameters
    untold = "training" in known and "training" not in given
    return {"training": False} if untold else {}


def _input_shape(student):
    """Returns frames, features, ... of what a subclassed model was built with."""
    if not student.built:
        hint = "Call it on a batch of features first, so that it has its weights"
        raise ValueError(invalid("student", _EXPECTED, student.name, hint))
    shape = (student.get_build_config() or {}).get("input_shape")
    if not isinstance(shape, list | tuple) or isinstance(shape[0], list | tuple):
        hint = f"A {type(student).__name__} must have one input, a tensor"
        raise ValueError(invalid("student", _EXPECTED, student.name, hint))
    return tuple(shape[1:])


def _opened(model, closed):
    """Builds a graph anew, with the layers of layers in the place of these."""

    def call(layer, *args, **kwargs):
        if is_graph(layer) and _has_own(layer, closed):
            return _opened(layer, closed)(*args, **kwargs)
        if _is_own(layer) and id(layer) not in closed:
            try:
                return layer.call(*args, **kwargs, **_inference(layer, kwargs))
            except Exception:  # stays whole, and is refused by its name
                closed.add(id(layer))
        return layer(*args, **kwargs)

    graph = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    return keras.models.clone_model(
        graph, clone_function=lambda layer: layer, call_function=call
    )


def _check_same(student, graph):
    """Checks that the graph computes what the student does."""
    sizes = [size or _FRAMES for size in graph.inputs[0].shape[1:]]
    batch = np.random.default_rng(0).normal(size=(2, *sizes)).astype("float32")
    received, expected = (
        keras.ops.convert_to_numpy(model(batch, training=False)).astype("float32")
        for model in (graph, student)
    )
    same = received.shape == expected.shape
    if not same or not np.allclose(received, expected, 1e-2, 1e-3, equal_nan=True):
        _refuse(student, "what it computes depends on more than its input")


def _refuse(student, reason, cause=None):
    hint = (
        f"A {type(student).__name__} hides its layers: {reason}. Use Keras layers and "
        "keras.ops in `call`, in place of other functions, or rebuild the student as "
        "keras.Model(inputs, outputs)"
    )
    raise ValueError(invalid("student", _EXPECTED, student.name, hint)) from cause


def _first_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
