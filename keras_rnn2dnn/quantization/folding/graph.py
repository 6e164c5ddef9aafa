"""The calls of a student's layers, as a plain list.

Nested models are inlined, operators stand as the layers that they are, and a softmax at
the end is left out: int8 students give logits.
"""

from dataclasses import dataclass, field

import keras
import numpy as np

from keras_rnn2dnn.batches.model_outputs import single_output
from keras_rnn2dnn.quantization.fake_quant import plain_layer
from keras_rnn2dnn.quantization.folding.affine import Affine, affine_form
from keras_rnn2dnn.quantization.folding.plain_layers import (
    SOFTMAXES,
    copied,
    plain_layers,
    reshaping,
)
from keras_rnn2dnn.quantization.folding.tracing import is_graph
from keras_rnn2dnn.quantization.layer_rules import (
    IDENTITIES,
    RECURRENT,
    TWO_DIMENSIONAL,
    check_layer,
)
from keras_rnn2dnn.util.errors import invalid


@dataclass
class Step:
    """One call of a layer.

    Attributes:
        layer: what is computed; None for the input.
        inputs: steps that it reads.
        source: the student's own layer or operator, for errors.
        stride: input frames of the student for each of its output frames.
        needed: frames that those who read this step need, once that is known.
    """

    layer: keras.Layer | None
    inputs: list[int]
    source: keras.Operation | None = None
    stride: int = 1
    needed: list[range] = field(default_factory=list)

    @property
    def frames(self) -> range:
        """The frames of this step that output frame 0 depends on."""
        return range(
            min(r.start for r in self.needed), max(r.stop for r in self.needed)
        )


@dataclass
class StudentGraph:
    """What a student computes.

    Attributes:
        steps: the calls of its layers, each after its inputs; step 0 is the input of
            the student, the last one gives its logits.
        softmax: `"softmax"` or `"log_softmax"` where the student ended in one, which
            is left out here; or None.
        softmax_name: name of the layer that ended it.
        kind: `"clip"` where the student gives one output for an utterance, `"images"`
            where it gives frames by two-dimensional layers, else `"frames"`.
    """

    steps: list[Step]
    softmax: str | None = None
    softmax_name: str | None = None
    kind: str = "frames"

    @property
    def clip(self) -> bool:
        """Whether the student gives one output for an utterance."""
        return self.kind == "clip"


def student_graph(student: keras.Model) -> StudentGraph:
    """Checks a student, and lists the calls of its layers.

    Args:
        student: feed-forward Functional or Sequential model (or nested ones)
            `(batch, frames, features) -> (batch, frames, classes)` or `(batch,
            classes)`; with outputs of utterances also `(batch, frames, features, 1)`.

    Returns:
        The graph.

    Raises:
        ValueError: if the student is no such model, or one of its layers cannot run in
            int8 on one window; names the layer and says what to do.

    Example:
        >>> student = keras.Sequential([
        ...     keras.Input((None, 4)),
        ...     keras.layers.Dense(3, "softmax", name="posteriors"),
        ... ])
        >>> graph = student_graph(student)
        >>> [step.layer.name for step in graph.steps[1:]], graph.softmax
        (['posteriors'], 'softmax')
        >>> graph.steps[-1].layer.activation.__name__
        'linear'
    """
    _check_model(student)
    kind = _kind(student)
    graph = StudentGraph(_steps(student, kind), kind=kind)
    _leave_softmax_out(graph)
    for step in graph.steps[1:]:
        if _softmax_of(step.layer):
            check_layer(step.layer, kind)
        step.layer = affine_form(step.layer)
    return graph


def is_clip(student: keras.Model) -> bool:
    """Tells whether a student gives one output for an utterance, `(batch, classes)`."""
    return len(student.output_shape) == 2


def _kind(student):
    if is_clip(student):
        return "clip"
    layers = list(_all_layers(student))
    two = len(student.input_shape) == 4
    two |= any(isinstance(layer, TWO_DIMENSIONAL) for layer in layers)
    return "images" if two else "frames"


def _all_layers(model):
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _all_layers(layer)


def _check_model(student):
    expected = "a Functional or Sequential Keras model of (batch, frames, features)"
    received = getattr(student, "name", student)
    if hasattr(student, "teacher") and hasattr(student, "student"):
        hint = "It holds teacher and student: give its `.student`"
        raise ValueError(invalid("student", expected, received, hint))
    if isinstance(student, keras.Layer):
        single_output("student", student)
    if not is_graph(student):
        hint = (
            f"A {type(student).__name__} hides its layers: rebuild the student as "
            "keras.Model(inputs, outputs) or keras.Sequential"
        )
        raise ValueError(invalid("student", expected, received, hint))
    for layer in _all_layers(student):  # the reason that matters most, first
        if isinstance(layer, RECURRENT):
            check_layer(layer)
    if not student.built:
        hint = "Build it first: add keras.Input((None, features)) as its first layer"
        raise ValueError(invalid("student", expected, received, hint))
    if len(student.inputs) != 1:
        hint = "It must have one input"
        raise ValueError(invalid("student", expected, received, hint))
    shapes = [tuple(student.inputs[0].shape), tuple(student.outputs[0].shape)]
    ranks = tuple(map(len, shapes))
    known = all(shape[-1] is not None for shape in shapes) and shapes[0][2:3] != (None,)
    is_image = ranks[0] == 4 and shapes[0][-1] == 1
    if not known or ranks[1] not in (2, 3) or not (ranks[0] == 3 or is_image):
        hint = (
            f"Its input and output shapes are {shapes[0]} and {shapes[1]}; features "
            "are computed outside of it"
        )
        raise ValueError(invalid("student", expected, received, hint))
    for weight in student.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
            hint = "Its training diverged: take an earlier checkpoint"
            received = f"NaN or inf in {weight.path}"
            raise ValueError(invalid("student", "finite weights", received, hint))
    fixed = isinstance(student, keras.Function) and shapes[0][1] is not None
    if fixed and not is_clip(student):
        hint = "Its number of frames is fixed: use keras.Input((None, features))"
        raise ValueError(invalid("student", expected, received, hint))


def _steps(model, kind) -> list[Step]:
    """Lists the calls of layers that lead to the output, nested models inlined."""
    steps = [Step(None, [])]

    def visit(tensor, known):
        if id(tensor) in known:
            return known[id(tensor)]
        layer, node, output = tensor._keras_history
        arguments = layer._inbound_nodes[node].arguments
        plain = [] if is_graph(layer) else _checked(layer, arguments, tensor, kind)
        sources = [visit(source, known) for source in _sources(layer, arguments)]
        if is_graph(layer):
            inside = {id(t): i for t, i in zip(layer.inputs, sources, strict=True)}
            known[id(tensor)] = visit(layer.outputs[output], inside)
            return known[id(tensor)]
        for found in plain:
            steps.append(Step(found, sources, layer))
            sources = [len(steps) - 1]
        known[id(tensor)] = len(steps) - 1
        return known[id(tensor)]

    last = visit(model.outputs[0], {id(model.inputs[0]): 0})
    return steps[: last + 1]


def _checked(operation, arguments, output, kind):
    """Returns the plain layers of a call; a softmax is checked once it is not last."""
    images = kind != "frames"
    if images and (found := reshaping(operation, arguments, output.shape)) is not None:
        return [found]
    layers = plain_layers(plain_layer(operation), arguments, images)
    for layer in layers:
        if not (isinstance(layer, Affine) or _softmax_of(layer)):
            check_layer(layer, kind)
    return layers


def _sources(layer, arguments):
    """Returns the tensors of a call that hold frames."""
    if not isinstance(layer, keras.layers.Layer):
        return arguments.keras_tensors
    # The first argument holds the frames; a mask may come as a keyword.
    first = arguments.args[0] if arguments.args else arguments.keras_tensors
    return keras.tree.flatten(first)


def _softmax_of(layer):
    """Returns the kind of softmax over classes that a layer ends in, or None."""
    if type(layer) is keras.layers.Softmax:
        return "softmax" if layer.axis in (-1, 2) else None
    name = getattr(getattr(layer, "activation", None), "__name__", None)
    return name if name in SOFTMAXES else None


def _leave_softmax_out(graph):
    """Makes the last step give logits."""
    place = len(graph.steps) - 1
    while place and type(graph.steps[place].layer) in IDENTITIES:
        (place,) = graph.steps[place].inputs
    step = graph.steps[place]
    kind = _softmax_of(step.layer) if place else None
    if kind is None or any(place in s.inputs for s in graph.steps[place + 2 :]):
        return
    graph.softmax, graph.softmax_name = kind, step.layer.name
    if isinstance(step.layer, keras.layers.Softmax | keras.layers.Activation):
        step.layer = keras.layers.Identity(name=step.layer.name, dtype="float32")
    else:
        step.layer = copied(step.layer, activation="linear")
