"""Keras layers for frames: context splicing, and stacking for recurrent teachers."""

import keras
from keras import ops

from keras_rnn2dnn.util.errors import invalid, is_integer


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class SpliceFrames(keras.layers.Layer):
    """Gives every frame its context: the frames around it, side by side.

    Frame `t` becomes `[x[t - left * step], ..., x[t], ..., x[t + right * step]]`.
    Beyond the ends of an utterance the edge frame is repeated, as Kaldi's
    `splice-feats` does. With a Keras mask, the last edge is the last frame that
    counts, so that a padded utterance gives the same result as an unpadded one.

    Args:
        left: number of frames before the current one, >= 0.
        right: number of frames after the current one, >= 0; each delays the output
            by `step` frames on a device.
        step: distance between neighbouring context frames, in frames.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: `(batch, frames, features)`.
        mask: optional bool `(batch, frames)`, padding at the end.

    Returns:
        `(batch, frames, (left + 1 + right) * features)`.

    Raises:
        ValueError: if `left` or `right` is negative, or `step` is not positive.

    Example:
        >>> x = np.array([[[1.0], [2.0], [3.0]]])
        >>> SpliceFrames(left=1, right=1)(x).numpy().tolist()
        [[[1.0, 1.0, 2.0], [1.0, 2.0, 3.0], [2.0, 3.0, 3.0]]]
    """

    def __init__(self, left: int, right: int, step: int = 1, **kwargs):
        super().__init__(**kwargs)
        for name, value, least in (("left", left, 0), ("right", right, 0)):
            if not is_integer(value) or value < least:
                raise ValueError(invalid(name, f"an integer >= {least}", value))
        if not is_integer(step) or step < 1:
            raise ValueError(invalid("step", "an integer >= 1", step))
        self.left, self.right, self.step = int(left), int(right), int(step)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        """Splices; see the class."""
        num_frames = ops.shape(inputs)[1]
        before, after = self.left * self.step, self.right * self.step
        padded = repeat_edges(inputs, before, after, mask)
        offsets = range(0, before + after + 1, self.step)
        return ops.concatenate([padded[:, k : k + num_frames] for k in offsets], axis=2)

    def compute_output_shape(self, input_shape):
        """Returns `(batch, frames, (left + 1 + right) * features)`."""
        batch, frames, features = input_shape
        width = self.left + 1 + self.right
        return (batch, frames, None if features is None else width * features)

    def get_config(self):
        """Returns the arguments of the constructor."""
        own = {"left": self.left, "right": self.right, "step": self.step}
        return {**super().get_config(), **own}


def repeat_edges(inputs, before: int, after: int, mask=None):
    """Puts copies of the first and the last frame around an utterance.

    Args:
        inputs: `(batch, frames, features)`.
        before: copies of the first frame.
        after: copies of the last frame.
        mask: optional bool `(batch, frames)`; the last frame that counts is copied.

    Returns:
        `(batch, before + frames + after, features)`.

    Example:
        >>> repeat_edges(np.array([[[1.0], [2.0]]]), 1, 2).numpy()[0, :, 0].tolist()
        [1.0, 1.0, 2.0, 2.0, 2.0]
    """
    if mask is not None:
        inputs = _hold_last_frame(inputs, mask)
    parts = [inputs]  # of one frame `tile` is `repeat`, with fewer operations
    if before:
        parts.insert(0, ops.tile(inputs[:, :1], (1, before, 1)))
    if after:
        parts.append(ops.tile(inputs[:, -1:], (1, after, 1)))
    return ops.concatenate(parts, axis=1) if len(parts) > 1 else inputs


def _hold_last_frame(inputs, mask):
    """Replaces padding by the last frame that counts, `(batch, frames, features)`."""
    mask = ops.cast(mask, "int32")
    index = ops.arange(ops.shape(mask)[1])
    last = ops.max(ops.where(mask > 0, index, 0), axis=1)
    held = ops.take_along_axis(inputs, last[:, None, None], axis=1)
    return ops.where(index[None, :, None] > last[:, None, None], held, inputs)


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class StackFrames(keras.layers.Layer):
    """Puts `stack` successive frames side by side: fewer, wider steps for an RNN.

    The last stack is filled up by repeating the last frame, so that any number of
    frames will do. A stack counts if its first frame counts.

    Args:
        stack: number of frames in a stack, >= 1.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: `(batch, frames, features)`.
        mask: optional bool `(batch, frames)`, padding at the end.

    Returns:
        `(batch, ceil(frames / stack), stack * features)`.

    Raises:
        ValueError: if `stack` is not a positive integer.

    Example:
        >>> StackFrames(2)(np.array([[[1.0], [2.0], [3.0]]])).numpy().tolist()
        [[[1.0, 2.0], [3.0, 3.0]]]
    """

    def __init__(self, stack: int, **kwargs):
        super().__init__(**kwargs)
        if not is_integer(stack) or stack < 1:
            raise ValueError(invalid("stack", "an integer >= 1", stack))
        self.stack = int(stack)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        """Stacks; see the class."""
        if mask is not None:
            inputs = _hold_last_frame(inputs, mask)
        batch, frames = ops.shape(inputs)[0], ops.shape(inputs)[1]
        missing = -frames % self.stack
        inputs = ops.concatenate(
            [inputs, ops.repeat(inputs[:, -1:], missing, axis=1)], axis=1
        )
        width = self.stack * inputs.shape[2]
        return ops.reshape(inputs, (batch, (frames + missing) // self.stack, width))

    def compute_mask(self, inputs, mask=None):
        """Returns the mask of each stack's first frame."""
        return None if mask is None else mask[:, :: self.stack]

    def compute_output_shape(self, input_shape):
        """Returns `(batch, ceil(frames / stack), stack * features)`."""
        batch, frames, features = input_shape
        frames = None if frames is None else -(-frames // self.stack)
        return (batch, frames, None if features is None else self.stack * features)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "stack": self.stack}


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class UnstackFrames(keras.layers.Layer):
    """Undoes `StackFrames` on a model's output, cut to the frames that went in.

    Args:
        stack: number of frames in a stack, >= 1.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        inputs: a list of `(batch, steps, stack * classes)` and a reference
            `(batch, frames, features)`, whose number of frames and mask are taken.

    Returns:
        `(batch, frames, classes)`.

    Example:
        >>> stacked = np.array([[[1.0, 2.0], [3.0, 4.0]]])
        >>> UnstackFrames(2)([stacked, np.zeros((1, 3, 1))]).numpy().tolist()
        [[[1.0], [2.0], [3.0]]]
    """

    def __init__(self, stack: int, **kwargs):
        super().__init__(**kwargs)
        if not is_integer(stack) or stack < 1:
            raise ValueError(invalid("stack", "an integer >= 1", stack))
        self.stack = int(stack)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        """Unstacks; see the class."""
        stacked, reference = inputs
        batch, steps = ops.shape(stacked)[0], ops.shape(stacked)[1]
        classes = stacked.shape[2] // self.stack
        frames = ops.reshape(stacked, (batch, steps * self.stack, classes))
        return frames[:, : ops.shape(reference)[1]]

    def compute_mask(self, inputs, mask=None):
        """Returns the mask of the reference."""
        return None if mask is None else mask[1]

    def compute_output_shape(self, input_shape):
        """Returns `(batch, frames, classes)`."""
        (batch, _, width), (_, frames, _) = input_shape
        return (batch, frames, width // self.stack)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "stack": self.stack}
