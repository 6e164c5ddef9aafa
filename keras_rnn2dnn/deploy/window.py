"""The student as a static graph of one context window, as a device computes it.

A student reads whole utterances; a device computes one output frame at a time, from
the frames around it. The graph is read backwards from output frame 0: each layer says
which frames of its input it needs, which gives the receptive field and what is cut.
"""

from dataclasses import dataclass, field

import keras
from keras import ops

from keras_rnn2dnn.deploy.quantize import IDENTITIES, MERGES, check_layer, refuse
from keras_rnn2dnn.errors import invalid
from keras_rnn2dnn.layers import SpliceFrames


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
    _check_model(student)
    steps = _steps(student)
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
    outputs = [_reshape(inputs, receptive_field.window, "input_frames")]
    for number, step in enumerate(steps[1:], 1):
        name = f"{type(step.layer).__name__.lower()}_{number}"
        need = _needed(step.layer, step.frames)
        taken = [
            _take(outputs[index], steps[index].frames, need, f"{name}_input_{place}")
            for place, index in enumerate(step.inputs)
        ]
        outputs.append(_build(step.layer, taken, len(step.frames), name))
    return keras.Model(inputs, outputs[-1], name="window_model"), receptive_field


def shortens(student: keras.Model) -> bool:
    """Whether the student gives fewer frames than `ceil(frames / stride)`."""
    return any(
        getattr(step.layer, "padding", "") == "valid" and step.layer.kernel_size[0] > 1
        for step in _steps(student)
    )


def _is_graph(model) -> bool:
    return isinstance(model, keras.Function | keras.Sequential)


def _check_model(student):
    expected = "a Functional or Sequential Keras model of (batch, frames, features)"
    received = getattr(student, "name", student)
    if not _is_graph(student):
        hint = (
            f"A {type(student).__name__} hides its layers: rebuild the student as "
            "keras.Model(inputs, outputs) or keras.Sequential"
        )
        raise ValueError(invalid("student", expected, received, hint))
    if not student.built:
        hint = "Build it first: add keras.Input((None, features)) as its first layer"
        raise ValueError(invalid("student", expected, received, hint))
    if len(student.inputs) != 1 or len(student.outputs) != 1:
        hint = "It must have one input and one output"
        raise ValueError(invalid("student", expected, received, hint))
    shapes = [tuple(student.inputs[0].shape), tuple(student.outputs[0].shape)]
    if any(len(shape) != 3 or shape[-1] is None for shape in shapes):
        hint = f"Its input and output shapes are {shapes[0]} and {shapes[1]}"
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
            check_layer(layer)
        # The first argument holds the frames; a mask may come as a keyword.
        arguments = layer._inbound_nodes[node].arguments
        first = arguments.args[0] if arguments.args else arguments.keras_tensors
        sources = [visit(source, known) for source in keras.tree.flatten(first)]
        if _is_graph(layer):
            inside = {id(t): i for t, i in zip(layer.inputs, sources, strict=True)}
            known[id(tensor)] = visit(layer.outputs[output], inside)
        else:
            steps.append(_Step(layer, sources))
            known[id(tensor)] = len(steps) - 1
        return known[id(tensor)]

    last = visit(model.outputs[0], {id(model.inputs[0]): 0})
    return steps[: last + 1]


def _set_strides(steps):
    for step in steps[1:]:
        strides = {steps[index].stride for index in step.inputs}
        if len(strides) > 1:
            refuse(step.layer, "Its inputs have different frame rates")
        step.stride = strides.pop() * _stride(step.layer)


def _stride(layer) -> int:
    return layer.strides[0] if hasattr(layer, "strides") else 1


def _needed(layer, frames: range) -> range:
    """Returns the input frames that these output frames of the layer depend on."""
    if isinstance(layer, SpliceFrames):
        before, after = layer.left * layer.step, layer.right * layer.step
        return range(frames.start - before, frames.stop + after)
    if hasattr(layer, "kernel_size"):
        reach = (layer.kernel_size[0] - 1) * layer.dilation_rate[0]
        before = {"valid": 0, "causal": reach, "same": reach // 2}[layer.padding]
        start = frames.start * _stride(layer) - before
        return range(start, (frames.stop - 1) * _stride(layer) - before + reach + 1)
    return frames


class _SliceFrames(keras.layers.Layer):
    """Takes frames `start:stop:step`."""

    def __init__(self, start, stop, step, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.frames = slice(start, stop, step)

    def call(self, inputs):
        return inputs[:, self.frames]


class _Reshape(keras.layers.Layer):
    """Reshapes with the batch left open, so that a file can be resized to a batch."""

    def __init__(self, shape, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.shape = shape

    def call(self, inputs):
        return ops.reshape(inputs, (-1, *self.shape))


def _reshape(x, frames: int, name: str):
    """Gives one frame as `(1, features)`, several as `(1, frames, 1, features)`.

    The dummy axis makes a 1-D convolution the 2-D one which devices have, without
    reshapes around it. Too few frames are joined side by side.
    """
    size = 1
    for length in x.shape[1:]:
        size *= length
    shape = (size,) if frames == 1 else (frames, 1, size // frames)
    return x if x.shape[1:] == shape else _Reshape(shape, name=name)(x)


def _take(x, have: range, need: range, name: str):
    """Cuts the frames out that a layer needs."""
    if have == need:
        return x
    start = need.start - have.start
    x = _SliceFrames(start, start + len(need), 1, name=name)(x)
    return _reshape(x, len(need), f"{name}_frames")


def _build(layer, inputs, frames: int, name: str):
    """Applies the window form of a layer; `frames` is the length of its output."""
    x = inputs[0]
    if isinstance(layer, IDENTITIES):
        return x
    if isinstance(layer, SpliceFrames):
        return _splice(layer, x, frames, name)
    if isinstance(layer, keras.layers.Dense):
        return _dense(layer, layer.kernel, x, frames, layer.activation, name)
    if isinstance(layer, keras.layers.Conv1D):
        return _conv(layer, x, frames, name)
    if isinstance(layer, keras.layers.SeparableConv1D):
        x = _depthwise(layer, layer.depthwise_kernel, None, None, x, frames, name)
        kernel = layer.pointwise_kernel[0]
        return _dense(layer, kernel, x, frames, layer.activation, f"{name}_point")
    if isinstance(layer, keras.layers.DepthwiseConv1D):
        bias = layer.bias if layer.use_bias else None
        return _depthwise(layer, layer.kernel, bias, layer.activation, x, frames, name)
    axis = {"axis": -1} if hasattr(layer, "axis") else {}
    own = {**layer.get_config(), **axis, "name": name, "dtype": "float32"}
    copy = type(layer).from_config(own)
    y = copy(inputs if isinstance(layer, MERGES) else x)
    copy.set_weights(layer.get_weights())
    return y


def _splice(layer, x, frames, name):
    width = layer.left + 1 + layer.right
    if width == 1:
        return x
    if frames == 1:
        if layer.step > 1:
            x = _SliceFrames(0, None, layer.step, name=f"{name}_step")(x)
        return _reshape(x, 1, name)
    shifted = [
        _SliceFrames(start, start + frames, 1, name=f"{name}_{start}")(x)
        for start in range(0, width * layer.step, layer.step)
    ]
    return keras.layers.Concatenate(dtype="float32", name=name)(shifted)


def _dense(layer, kernel, x, frames, activation, name):
    """One frame: fully connected. Several: a convolution with a kernel of one frame."""
    kernel = _array(kernel)
    options = {"activation": activation, "use_bias": layer.use_bias, "name": name}
    if frames == 1:
        new = keras.layers.Dense(kernel.shape[-1], dtype="float32", **options)
    else:
        new = keras.layers.Conv2D(kernel.shape[-1], 1, dtype="float32", **options)
        kernel = kernel[None, None]
    return _with_weights(new, x, kernel, layer.bias if layer.use_bias else None)


def _conv(layer, x, frames, name):
    kernel = _array(layer.kernel)
    if frames == 1 and layer.groups == 1:
        if layer.dilation_rate[0] > 1 and kernel.shape[0] > 1:
            x = _SliceFrames(0, None, layer.dilation_rate[0], name=f"{name}_step")(x)
        x = _reshape(x, 1, f"{name}_join")
        kernel = kernel.reshape(-1, kernel.shape[-1])
        return _dense(layer, kernel, x, 1, layer.activation, name)
    new = keras.layers.Conv2D(
        layer.filters,
        (kernel.shape[0], 1),
        strides=(_stride(layer), 1),
        dilation_rate=(layer.dilation_rate[0], 1),
        groups=layer.groups,
        activation=layer.activation,
        use_bias=layer.use_bias,
        dtype="float32",
        name=name,
    )
    bias = layer.bias if layer.use_bias else None
    y = _with_weights(new, _as_image(x, name), kernel[:, None], bias)
    return _reshape(y, frames, f"{name}_frames")


def _depthwise(layer, kernel, bias, activation, x, frames, name):
    kernel = _array(kernel)
    # TensorFlow's depthwise convolution wants equal strides; the width is 1.
    new = keras.layers.DepthwiseConv2D(
        (kernel.shape[0], 1),
        strides=_stride(layer),
        dilation_rate=(layer.dilation_rate[0], 1),
        depth_multiplier=kernel.shape[-1],
        activation=activation,
        use_bias=bias is not None,
        dtype="float32",
        name=name,
    )
    y = _with_weights(new, _as_image(x, name), kernel[:, None], bias)
    return _reshape(y, frames, f"{name}_frames")


def _as_image(x, name):
    if len(x.shape) == 4:
        return x
    return _Reshape((1, 1, x.shape[-1]), name=f"{name}_image")(x)


def _with_weights(layer, x, kernel, bias):
    y = layer(x)
    layer.set_weights([kernel] if bias is None else [kernel, _array(bias)])
    return y


def _array(weight):
    return ops.convert_to_tensor(weight, "float32").numpy()
