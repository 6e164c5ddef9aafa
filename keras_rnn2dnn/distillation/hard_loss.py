"""The hard loss of a Distiller: of labels, frame by frame or by utterance."""

import keras
import tensorflow as tf
from keras import ops

from keras_rnn2dnn.batches.model_outputs import after_equal
from keras_rnn2dnn.distillation.ctc_loss import as_ctc_loss
from keras_rnn2dnn.distillation.loss_inputs import SoftBatch, keras_mask
from keras_rnn2dnn.distillation.losses import as_logits
from keras_rnn2dnn.distillation.not_a_number import NaNWatch
from keras_rnn2dnn.distillation.whole_utterances import labels_of_one_frame
from keras_rnn2dnn.util.errors import invalid

_DIFFERENT = (
    "Different numbers of frames. Expected a label for each frame of the output. "
    "Received, labels and frames:"
)


def check_labels(loss, batch: SoftBatch, from_logits: bool = True) -> None:
    """Refuses labels of which no loss can be made.

    Args:
        loss: as of `hard_losses`, or None.
        batch: with concrete values.
        from_logits: as of `hard_losses`.

    Raises:
        ValueError: names the first, or for CTC the highest.
    """
    if loss is None or batch.labels is None:
        return
    if as_ctc_loss(loss) is not None:  # which cannot see such labels itself
        highest, classes = int(ops.max(batch.labels)), batch.student.shape[-1]
        if highest >= classes:
            expected = f"classes below {classes}, as many as the student has"
            raise ValueError(invalid("labels", expected, highest))
        return
    watch = NaNWatch()
    watch.observe_hard_loss(hard_losses(loss, batch, from_logits)[2], batch=0)
    if watch.message():
        raise ValueError(watch.message())


def hard_losses(loss, batch: SoftBatch, from_logits: bool = True):
    """Computes the losses of a batch, and their weights.

    Args:
        loss: a Keras loss, or a function of labels and outputs. What its own Keras mask
            leaves out, as `ignore_class` does, gets no weight.
        batch: with labels: of every frame, or for CTC of every utterance.
        from_logits: whether the student gives logits; of use to CTC alone.

    Returns:
        Losses and weights, `(batch, frames)` both, or `(batch,)` of a loss that has
        one value for an utterance; and where no loss can be made of the labels, a bool
        of the same shape. These have no weight either.

    Raises:
        ValueError: if the blank of a CTC loss is no class.
        tf.errors.InvalidArgumentError: if there is not a label for each frame; also in
            a compiled step.
    """
    weights = batch.weights
    ctc = as_ctc_loss(loss)
    if ctc is not None:
        logits = as_logits(batch.student, from_logits)
        values, fits = ctc.of_frames(batch.labels, logits, batch.num_frames())
        return _counted(values, ops.max(weights, axis=1) * fits)
    labels, wrong = _usable_labels(loss, batch)
    call = loss.call if isinstance(loss, keras.losses.Loss) else loss
    values = call(labels, ops.cast(batch.student, "float32"))
    if len(values.shape) == 1:  # one value per utterance
        weights = ops.max(weights, axis=1)
    mask = keras_mask(values)
    if mask is not None:
        weights *= ops.cast(mask, weights.dtype)
    if wrong is not None and len(values.shape) == 1:
        wrong = ops.any(wrong, axis=1)
    return _counted(values, weights, wrong)


def _counted(values, weights, wrong=None):
    """Adds what is not a number, of what counts, to the wrong ones."""
    no_number = (weights > 0) & ~ops.isfinite(values)
    wrong = no_number if wrong is None else wrong | no_number
    return values, ops.where(wrong, 0.0, weights), wrong


def _usable_labels(loss, batch):
    """Returns labels that every loss can bear, and where they were wrong, or None.

    Padding may hold what is no class, or no number.
    """
    labels = ops.convert_to_tensor(batch.labels)
    if batch.student.shape[1] == 1:
        labels = labels_of_one_frame(labels, batch.student.shape[-1])
    counting = batch.weights > 0
    if isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        if len(labels.shape) == 3 and labels.shape[-1] == 1:
            labels = ops.squeeze(labels, axis=-1)
        if len(labels.shape) != 2:
            return labels, None
        labels = ops.cast(labels, "int64")  # as the loss does
        usable = (labels >= 0) & (labels < batch.student.shape[-1])
        ignored = loss.get_config().get("ignore_class")
        if ignored is not None:
            usable |= labels == ignored
        usable_frames = usable
    elif _is_like(labels, batch.student):
        usable = ops.isfinite(labels)
        usable_frames = ops.all(usable, axis=-1)
        counting = counting[..., None]
    else:
        return labels, None
    frames = tf.shape(labels)[1], tf.shape(counting)[1]
    labels = after_equal(*frames, _DIFFERENT, labels)
    labels = ops.where(counting & usable, labels, ops.zeros_like(labels))
    return labels, (batch.weights > 0) & ~usable_frames


def _is_like(labels, outputs):
    """Tells labels that have a number for every output."""
    dtype = keras.backend.standardize_dtype(labels.dtype)
    same = len(labels.shape) == 3 and labels.shape[-1] == outputs.shape[-1]
    return same and keras.backend.is_float_dtype(dtype)
