"""The student as a static graph of one context window, as a device computes it.

A student reads whole utterances; a device computes one output frame at a time, from
the frames around it. The graph is read backwards from output frame 0: each layer says
which frames of its input it needs, which gives the receptive field and what is cut.
"""

import keras
import numpy as np

from keras_rnn2dnn.models.layers import SpliceFrames
from keras_rnn2dnn.models.spliced_dense import SplicedDense
from keras_rnn2dnn.quantization.clips import clip_model
from keras_rnn2dnn.quantization.folding.affine_folding import fold_affine
from keras_rnn2dnn.quantization.folding.graph import student_graph
from keras_rnn2dnn.quantization.folding.splice_folding import fold_splice
from keras_rnn2dnn.quantization.folding.tracing import traced
from keras_rnn2dnn.quantization.layer_rules import refuse
from keras_rnn2dnn.quantization.receptive_field import ReceptiveField
from keras_rnn2dnn.quantization.window_images import window_of_images
from keras_rnn2dnn.quantization.window_layers import (
    build_layer,
    layer_stride,
    reshape_frames,
    take_frames,
)

_PADDINGS = (keras.layers.ZeroPadding1D, keras.layers.ZeroPadding2D)


def window_model(
    student: keras.Model, frames: int | None = None
) -> tuple[keras.Model, ReceptiveField]:
    """Builds the student's graph for one context window, in float32.

    Of an utterance-level student `(batch, classes)` the window is the whole clip; see
    `clips.clip_model`.

    Convolutions lose their padding, masking and dropout vanish, and so does a softmax
    at the end. Batch normalization and other scales and shifts go into the weights of
    the layers around them. From where one frame is left the time axis is gone, so that
    TensorFlow Lite sees fully connected layers.

    Args:
        student: feed-forward Functional or Sequential model (or nested ones), or a
            subclassed one that can be traced, `(batch, frames, features) -> (batch,
            frames, classes)` or `(batch, classes)`.
        frames: of a clip, where an utterance-level student leaves them open.

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
    student = traced(student)
    graph = student_graph(student)
    if graph.clip:
        return clip_model(student, frames)
    steps, images = graph.steps, graph.kind == "images"
    fold_affine(steps, padded=images)
    fold_splice(steps)
    _set_strides(steps)
    steps[-1].needed.append(range(0, 1))
    for step in reversed(steps):
        for index in step.inputs:
            steps[index].needed.append(_needed(step.layer, step.frames))
    steps[0].needed.append(range(0, 1))
    _check_length(student, steps)
    frames = steps[0].frames
    receptive_field = ReceptiveField(-frames.start, frames.stop - 1, steps[-1].stride)
    inputs = keras.Input(
        batch_shape=(1, receptive_field.window, student.input_shape[2]),
        dtype="float32",
        name="window",
    )
    if images:
        output = window_of_images(student, steps, inputs, _needed)
        return keras.Model(inputs, output, name="window_model"), receptive_field
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


def shortens(student: keras.Model) -> bool:
    """Whether the student gives fewer frames than `ceil(frames / stride)`."""
    return any(
        getattr(step.layer, "padding", "") == "valid" and _taps(step.layer) > 1
        for step in student_graph(student).steps
    )


def _taps(layer):
    """Returns the frames that one frame of a convolution or pooling reads; else 1."""
    size = getattr(layer, "kernel_size", getattr(layer, "pool_size", (1,)))
    return size[0]


def _set_strides(steps):
    for step in steps[1:]:
        strides = {steps[index].stride for index in step.inputs}
        if len(strides) > 1:
            refuse(step.source, "Its inputs have different frame rates")
        step.stride = strides.pop() * layer_stride(step.layer)


def _needed(layer, frames: range) -> range:
    """Returns the input frames that these output frames of the layer depend on."""
    if isinstance(layer, _PADDINGS):
        before = int(np.ravel(layer.padding)[0])
        return range(frames.start - before, frames.stop - before)
    if isinstance(layer, SplicedDense):
        layer = layer.splice
    if isinstance(layer, SpliceFrames):
        before, after = layer.left * layer.step, layer.right * layer.step
        return range(frames.start - before, frames.stop + after)
    if hasattr(layer, "kernel_size") or hasattr(layer, "pool_size"):
        dilation = getattr(layer, "dilation_rate", (1,))[0]
        reach = (_taps(layer) - 1) * dilation
        # "same" as in utterances whose frames are a multiple of the stride
        same = max(0, reach + 1 - layer_stride(layer)) // 2
        before = {"valid": 0, "causal": reach, "same": same}[layer.padding]
        start = frames.start * layer_stride(layer) - before
        return range(
            start, (frames.stop - 1) * layer_stride(layer) - before + reach + 1
        )
    return frames


def _check_length(student, steps):
    """Refuses a student that gives more frames than it was given."""
    paddings = [s for s in steps if isinstance(s.layer, _PADDINGS)]
    if not paddings:
        return
    frames = 1000 * steps[-1].stride
    shape = (1, frames, *student.input_shape[2:])
    given = student.compute_output_shape(shape)[1]
    if given > 1000:
        hint = (
            f"It pads more than convolutions take away: {frames} frames become "
            f"{given}, not 1000. Pad (kernel_size - 1) * dilation_rate frames in all"
        )
        refuse(paddings[-1].source, hint)
