"""What the loss of a batch is made of: outputs, frame weights, labels."""

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_rnn2dnn.batches.iterating import is_arrays
from keras_rnn2dnn.batches.sample_weights import shared_weights
from keras_rnn2dnn.distillation.losses import SMALLEST_PROBABILITY, log_posteriors
from keras_rnn2dnn.distillation.top_k import best_class
from keras_rnn2dnn.util.errors import invalid
from keras_rnn2dnn.util.running_means import weighted_sums


@dataclasses.dataclass(frozen=True)
class SoftBatch:
    """Outputs of teacher and student on one batch, with the weights of its frames.

    Args:
        soft: teacher's output, `(batch, frames, classes)`, or top-k targets
            `(batch, frames, 2, k + 1)`.
        student: student's output, `(batch, frames, classes)`.
        weights: frame weights `(batch, frames)`, masks counted in.
        labels: hard labels, or None.
    """

    soft: Any
    student: Any
    weights: Any
    labels: Any = None

    def delayed(self, num_frames: int) -> "SoftBatch":
        """Pairs student frame `t` with teacher frame `t + num_frames`.

        Frames whose partner lies beyond the end of their utterance get weight 0.

        Example:
            >>> outputs, weights = np.zeros((1, 4, 2)), np.array([[1.0, 1.0, 1.0, 0.0]])
            >>> batch = SoftBatch(outputs, outputs, ops.convert_to_tensor(weights))
            >>> batch.delayed(1).weights.numpy().tolist()
            [[1.0, 1.0, 0.0]]
        """
        if not num_frames:
            return self
        frame = ops.arange(ops.shape(self.student)[1])
        in_time = frame + num_frames < self.num_frames()[:, None]
        in_time = ops.cast(in_time, self.weights.dtype)
        kept = ops.shape(self.student)[1] - num_frames
        return dataclasses.replace(
            self,
            soft=self.soft[:, num_frames:],
            student=self.student[:, :kept],
            weights=(self.weights * in_time)[:, :kept],
        )

    def num_frames(self):
        """Returns the frames of every utterance up to the last that counts."""
        frame = ops.arange(ops.shape(self.student)[1])
        return ops.max(ops.where(self.weights > 0, frame + 1, 0), axis=1)

    def agreement(self):
        """Returns 1.0 where both have the same best class, `(batch, frames)`."""
        # Of `ops.take_along_axis` this would be a copy of all logits.
        given = tf.gather(self.student, best_class(self.soft), batch_dims=2)
        # The largest value is found faster than its number, and the loss has it, too.
        largest = ops.max(self.student, axis=-1, keepdims=True)
        return ops.cast(given == largest[..., 0], "float32")


def frame_weights(student, soft, sample_weight):
    """Returns masks times weights, float32 `(batch, frames)`.

    Args:
        student: student's output; its Keras mask counts.
        soft: teacher's output; its Keras mask counts.
        sample_weight: `(batch,)`, `(batch, frames)` or None; of a dict as
            `keep_weights` gives it the entry `"soft"`.

    Raises:
        ValueError: if `sample_weight` has another shape.
    """
    weights = ops.ones(ops.shape(student)[:2], dtype="float32")
    for mask in (keras_mask(student), keras_mask(soft)):
        if mask is not None:
            weights *= ops.cast(mask, "float32")
    if isinstance(sample_weight, dict):
        if "soft" not in sample_weight:
            shared_weights(sample_weight)  # an error
        sample_weight = sample_weight["soft"]
    if sample_weight is not None:
        sample_weight = ops.cast(sample_weight, "float32")
        if sample_weight.shape.rank is not None:  # unknown from some generators
            _check_shape(tuple(sample_weight.shape), tuple(student.shape)[:2])
        rows = (ops.shape(student)[0], -1)
        weights *= ops.reshape(sample_weight, rows)
    return weights


def counting_frames(soft, sample_weight=None):
    """Returns the frames that count, told before the student has run.

    Args:
        soft: as of `frame_weights`.
        sample_weight: as of `frame_weights`.

    Returns:
        bool `(batch, frames)`, or None where nothing tells padding from frames.

    Example:
        >>> counting_frames(np.zeros((1, 3, 2)), np.array([[1.0, 0.5, 0.0]])).numpy()
        array([[ True,  True, False]])
    """
    if sample_weight is None and keras_mask(soft) is None:
        return None
    return frame_weights(soft, soft, sample_weight) > 0


def _check_shape(given, expected):
    if given[1:] == (1,):
        given = given[:1]
    pairs = zip(given, expected, strict=False)
    unlike = any(a != b for a, b in pairs if None not in (a, b))
    if len(given) not in (1, 2) or unlike:
        shapes = f"the shape (batch,) or (batch, frames) of the outputs, {expected}"
        raise ValueError(invalid("sample_weight", shapes, given))


def weighted_mean(values, weights):
    """Returns `sum(weights * values) / sum(weights)`, 0 where nothing counts.

    Under a distribution strategy the weights are summed over all replicas, each of
    which gives its part of the mean: gradients are summed there.

    Example:
        >>> float(weighted_mean(np.array([1.0, 4.0]), np.array([1.0, 0.5])))
        2.0
    """
    return mean_of_sums(*weighted_sums(values, weights))


def mean_of_sums(total, weight):
    """Returns the mean of what `weighted_sums` gave; see `weighted_mean`."""
    return ops.divide_no_nan(total, _sum_over_replicas(weight))


def replica_share(value):
    """Returns this replica's part of a value that is the same on all of them."""
    return value / tf.distribute.get_strategy().num_replicas_in_sync


def _sum_over_replicas(value):
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def keras_mask(tensor):
    """Returns the Keras mask that a tensor carries, or None."""
    return getattr(tensor, "_keras_mask", None)


def mean_posteriors(outputs: list, weights: list, from_logits: bool):
    """Returns the weighted mean of the posteriors of an ensemble.

    Args:
        outputs: of each member, `(batch, frames, classes)`; the first Keras mask
            among them is that of the mean.
        weights: of each member, summing to 1.
        from_logits: whether the outputs are logits; so is then the mean.

    Example:
        >>> one, two = np.array([[[0.75, 0.25]]]), np.array([[[0.25, 0.75]]])
        >>> mean_posteriors([one, two], [0.5, 0.5], False).numpy().round(4).tolist()
        [[[0.5, 0.5]]]
    """
    if len(outputs) == 1:
        return outputs[0]
    mean = 0.0
    for weight, output in zip(weights, outputs, strict=True):
        mean += weight * ops.exp(log_posteriors(output, from_logits))
    if from_logits:
        mean = ops.log(ops.maximum(mean, SMALLEST_PROBABILITY))
    masks = [m for m in map(keras_mask, outputs) if m is not None]
    if masks:
        mean._keras_mask = masks[0]
    return mean


def mean_over_frames(outputs, from_logits: bool):
    """Returns the mean of the posteriors of the frames of every utterance.

    Args:
        outputs: of a teacher, `(batch, frames, classes)`; frames that its Keras mask
            leaves out do not count.
        from_logits: whether these are logits; so is then the mean.

    Returns:
        `(batch, classes)`, float32.

    Example:
        >>> frames = np.array([[[0.75, 0.25], [0.25, 0.75]]], "float32")
        >>> mean_over_frames(frames, from_logits=False).numpy().tolist()
        [[0.5, 0.5]]
    """
    posteriors = ops.exp(log_posteriors(outputs, from_logits))
    mask = keras_mask(outputs)
    if mask is None:
        mean = ops.mean(posteriors, axis=1)
    else:
        counts = ops.cast(mask, "float32")[..., None]
        mean = ops.sum(posteriors * counts, axis=1)
        mean /= ops.maximum(ops.sum(counts, axis=1), 1.0)
    return ops.log(ops.maximum(mean, SMALLEST_PROBABILITY)) if from_logits else mean


def split_inputs(x) -> tuple[Any, Any]:
    """Returns the teacher's and the student's input.

    Example:
        >>> split_inputs({"teacher": 1, "student": 2}), split_inputs(3)
        ((1, 2), (3, 3))
    """
    if isinstance(x, dict) and set(x) == {"teacher", "student"}:
        return x["teacher"], x["student"]
    return x, x


def keep_weights(x, y=None, sample_weight=None) -> tuple[Any, Any]:
    """Returns `y` and `sample_weight` of arrays such that Keras keeps the weights.

    Keras drops the weights of arrays without `y`: labels of no class make it keep
    them. Beside a dict as `y` it wants weights for each entry; see `frame_weights`.

    Example:
        >>> y, weights = keep_weights(np.zeros((2, 5, 3)), None, np.ones((2, 5)))
        >>> y.shape, weights.shape
        ((2, 0), (2, 5))
    """
    if sample_weight is None or not is_arrays(x):
        return y, sample_weight
    if y is None:
        y = np.zeros((len(keras.tree.flatten(x)[0]), 0), "float32")
    elif isinstance(y, dict) and not isinstance(sample_weight, dict):
        sample_weight = dict.fromkeys(y, sample_weight)
    return y, sample_weight


def without_stand_in(y):
    """Returns `y`, or None for what `keep_weights` put in its place.

    Example:
        >>> without_stand_in(np.zeros((2, 0))) is None
        True
    """
    shape = getattr(y, "shape", None)
    return None if shape and shape[-1] == 0 else y
