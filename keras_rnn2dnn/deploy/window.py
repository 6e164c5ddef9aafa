"""The student as a static graph of one context window, as a device computes it.

A student reads whole utterances; a device computes one output frame at a time, from
the frames around it. The graph is read backwards from output frame 0: each layer says
which frames of its input it needs, which gives the receptive field and what is cut.
"""

from dataclasses import dataclass, field

import keras

from keras_rnn2dnn.checks import single_output
from keras_rnn2dnn.deploy.fake_quant import plain_layer
from keras_rnn2dnn.deploy.quantize import RECURRENT, check_layer, refuse
from keras_rnn2dnn.deploy.window_layers import (
    build_layer,
    layer_stride,
    reshape_frames,
    take_frames,
)
from keras_rnn2dnn.errors import invalid
from keras_rnn2dnn.layers import SpliceFrames
from keras_rnn2dnn.spliced_dense import SplicedDense


@dataclass(frozen=True)
class ReceptiveField:
    """The input frames behind one output frame.

    Output frame `t` is computed from the input frames `t * stride - left` to
    `t * stride + right`, so that it is late by `right` frames on a device.

    Attributes:
        left: number of frames before the current one.
        right: number of frames after the current one.
        stride: input frames per output frame.

    Example:
        >>> ReceptiveField(left=15, right=5, stride=1).window
        21
    """

    left: int
    right: int
    stride: int = 1

    @property
    def window(self) -> int:
        """Number of frames in the context window, `left + 1 + right`."""
        return self.left + 1 + self.right


@dataclass
class _Step:
    """One call of a layer: step 0 is the input of the student, the last its output."""

    layer: keras.Layer | None
    inputs: list[int]
    stride: int = 1
    needed: list[range] = field(default_factory=list)  # by those who read this step

    @property
    def frames(self) -> range:
        """The frames of this step that output frame 0 depends on."""
        return range(
            min(r.start for r in self.needed), max(r.stop for r in self.needed)
        )


def window_model(student: keras.Model) -> tuple[keras.Model, ReceptiveField]:
    """Builds the student's graph for one context window, in float32.

    Convolutions lose their padding, masking and dropout vanish, and from where one
    frame is left the time axis is gone, so that TensorFlow Lite sees fully connected
    layers.

    Args:
        student: feed-forward Functional or Sequential model (or nested ones)
            `(batch, frames, features) -> (batch, frames, classes)`.

    Returns:
        A Keras model `(1, window, features) -> (1, classes)` with copied weights, and
        the receptive field.

    Raises:
        ValueError: if the student is no such model, or one of its layers cannot run in
            int8 on one window; names the layer and says what to do.

    Example:
        >>> student = keras.Sequential([
        ...     keras.Input((None, 24)),
        ...     keras.layers.Conv1D(32, 5, padding="causal", activation="relu"),
        ...     keras.layers.Conv1D(51, 3, padding="same", dilation_rate=2),
        ... ])
        >>> model, receptive_field = window_model(student)
        >>> receptive_field
        ReceptiveField(left=6, right=2, stride=1)
        >>> model.input_shape, model.output_shape
        ((1, 9, 24), (1, 51))
    """
    steps = graph_steps(student)
    _set_strides(steps)
    steps[-1].needed.append(range(0, 1))
    for step in reversed(steps):
        for index in step.inputs:
            steps[index].needed.append(_needed(step.layer, step.frames))
    steps[0].needed.append(range(0, 1))
    frames = steps[0].frames
    receptive_field = ReceptiveField(-frames.start, frames.stop - 1, steps[-1].stride)
    inputs = keras.Input(
        batch_shape=(1, receptive_field.window, student.input_shape[-1]),
        dtype="float32",
        name="window",
    )
    outputs = [reshape_frames(inputs, receptive_field.window, "input_frames")]
    for number, step in enumerate(steps[1:], 1):
        name = f"{type(step.layer).__name__.lower()}_{number}"
        need = _needed(step.layer, step.frames)
        taken = [
            take_frames(
                outputs[index], steps[index].frames, need, f"{name}_input_{place}"
            )
            for place, index in enumerate(step.inputs)
        ]
        outputs.append(build_layer(step.layer, taken, len(step.frames), name))
    return keras.Model(inputs, outputs[-1], name="window_model"), receptive_field


def graph_steps(student: keras.Model) -> list[_Step]:
    """Checks a student, and lists the calls of its layers, each after its inputs.

    Args:
        student: as of `window_model`.

    Returns:
        One step for each call, nested models inlined; step 0 is the input.

    Raises:
        ValueError: as of `window_model`.
    """
    _check_model(student)
    return _steps(student)


def shortens(student: keras.Model) -> bool:
    """Whether the student gives fewer frames than `ceil(frames / stride)`."""
    return any(
        getattr(step.layer, "padding", "") == "valid" and step.layer.kernel_size[0] > 1
        for step in _steps(student)
    )


def _is_graph(model) -> bool:
    return isinstance(model, keras.Function | keras.Sequential)


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
    if not _is_graph(student):
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
    single_output("student", student)
    shapes = [tuple(student.inputs[0].shape), tuple(student.outputs[0].shape)]
    if any(len(shape) != 3 or shape[-1] is None for shape in shapes):
        hint = (
            f"Its input and output shapes are {shapes[0]} and {shapes[1]}; features "
            "are computed outside of it"
        )
        raise ValueError(invalid("student", expected, received, hint))
    if isinstance(student, keras.Function) and shapes[0][1] is not None:
        hint = "Its number of frames is fixed: use keras.Input((None, features))"
        raise ValueError(invalid("student", expected, received, hint))


def _steps(model) -> list[_Step]:
    """Lists the calls of layers that lead to the output, nested models inlined."""
    steps = [_Step(None, [])]

    def visit(tensor, known):
        if id(tensor) in known:
            return known[id(tensor)]
        layer, node, output = tensor._keras_history
        if not _is_graph(layer):
            check_layer(plain_layer(layer))
        # The first argument holds the frames; a mask may come as a keyword.
        arguments = layer._inbound_nodes[node].arguments
        first = arguments.args[0] if arguments.args else arguments.keras_tensors
        sources = [visit(source, known) for source in keras.tree.flatten(first)]
        if _is_graph(layer):
            inside = {id(t): i for t, i in zip(layer.inputs, sources, strict=True)}
            known[id(tensor)] = visit(layer.outputs[output], inside)
        else:
            steps.append(_Step(plain_layer(layer), sources))
            known[id(tensor)] = len(steps) - 1
        return known[id(tensor)]

    last = visit(model.outputs[0], {id(model.inputs[0]): 0})
    return steps[: last + 1]


def _set_strides(steps):
    for step in steps[1:]:
        strides = {steps[index].stride for index in step.inputs}
        if len(strides) > 1:
            refuse(step.layer, "Its inputs have different frame rates")
        step.stride = strides.pop() * layer_stride(step.layer)


def _needed(layer, frames: range) -> range:
    """Returns the input frames that these output frames of the layer depend on."""
    if isinstance(layer, SplicedDense):
        layer = layer.splice
    if isinstance(layer, SpliceFrames):
        before, after = layer.left * layer.step, layer.right * layer.step
        return range(frames.start - before, frames.stop + after)
    if hasattr(layer, "kernel_size"):
        reach = (layer.kernel_size[0] - 1) * layer.dilation_rate[0]
        before = {"valid": 0, "causal": reach, "same": reach // 2}[layer.padding]
        start = frames.start * layer_stride(layer) - before
        return range(
            start, (frames.stop - 1) * layer_stride(layer) - before + reach + 1
        )
    return frames
