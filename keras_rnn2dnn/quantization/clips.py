"""Utterance-level students as a static graph of one whole clip.

Their window has edges of its own, so that convolutions keep their padding. All that has
channels is an image `(frames, bins, channels)`, a row of frames one of width 1: so
TensorFlow Lite sees two-dimensional operators alone, without reshapes around them.
"""

import keras
import numpy as np

from keras_rnn2dnn.quantization.clip_layers import Image, build_clip_layer
from keras_rnn2dnn.quantization.folding.affine_folding import fold_affine
from keras_rnn2dnn.quantization.folding.graph import student_graph
from keras_rnn2dnn.quantization.receptive_field import WholeClip
from keras_rnn2dnn.util.errors import invalid


def clip_model(
    student: keras.Model, frames: int | None = None
) -> tuple[keras.Model, WholeClip]:
    """Builds the student's graph for one clip, in float32.

    Batch normalization and other scales and shifts go into the weights of the layers
    around them where padding allows it, and become depthwise convolutions elsewhere.
    Global pooling becomes pooling over all of an image. Dropout, masking, and a softmax
    at the end vanish.

    Args:
        student: feed-forward Functional or Sequential model (or nested ones)
            `(batch, frames, features) -> (batch, classes)`, or from `(batch, frames,
            features, 1)`.
        frames: of a clip, where the student leaves them open.

    Returns:
        A Keras model `(1, frames, features) -> (1, classes)` with copied weights, and
        its field.

    Raises:
        ValueError: if the student is no such model, one of its layers cannot run in
            int8 (names the layer and says what to do), or the number of frames is
            missing or another than the student's.

    Example:
        >>> student = keras.Sequential([
        ...     keras.Input((20, 8, 1)),
        ...     keras.layers.Conv2D(4, 3, padding="same", activation="relu"),
        ...     keras.layers.GlobalAveragePooling2D(),
        ...     keras.layers.Dense(3),
        ... ])
        >>> model, field = clip_model(student)
        >>> model.input_shape, model.output_shape, field.window
        ((1, 20, 8), (1, 3), 20)
    """
    steps = student_graph(student).steps
    frames = _frames(student, frames)
    fold_affine(steps, padded=True)
    shape = (frames, *student.input_shape[2:])
    inputs = keras.Input(
        batch_shape=(1, frames, student.input_shape[2]), dtype="float32", name="window"
    )
    images = [Image(inputs, shape)]
    for number, step in enumerate(steps[1:], 1):
        name = f"{type(step.layer).__name__.lower()}_{number}"
        read = [images[index] for index in step.inputs]
        images.append(build_clip_layer(step, read, name))
    classes = student.output_shape[-1]
    output = images[-1].reshaped((classes,), "logits")
    return keras.Model(inputs, output, name="clip_model"), WholeClip.of(frames)


def clip_input(student: keras.Model, clips: np.ndarray) -> np.ndarray:
    """Returns clips `(batch, frames, features)` in the shape that a student takes."""
    return clips[..., None] if len(student.input_shape) == 4 else clips


def _frames(student, given):
    own = student.input_shape[1]
    if own is None and given is None:
        hint = "Its number of frames is open: give it as `frames`"
        raise ValueError(invalid("frames", "the frames of a clip", None, hint))
    if own is not None and given not in (None, own):
        expected = f"{own} frames, as the student takes"
        raise ValueError(invalid("frames", expected, given))
    return int(own if given is None else given)
