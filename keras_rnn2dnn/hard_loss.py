"""The hard loss of a Distiller: of labels, frame by frame or by utterance."""

import keras
import tensorflow as tf
from keras import ops

from keras_rnn2dnn.checks import after_equal
from keras_rnn2dnn.ctc.loss import as_ctc_loss
from keras_rnn2dnn.errors import invalid
from keras_rnn2dnn.losses import as_logits
from keras_rnn2dnn.soft_batch import SoftBatch

_DIFFERENT = (
    "Different numbers of frames. Expected a label for each frame of the output. "
    "Received, labels and frames:"
)


def check_labels(loss, batch: SoftBatch) -> None:
    """Refuses labels of CTC that are no class, which the loss itself cannot see.

    Raises:
        ValueError: if there is one.
    """
    if as_ctc_loss(loss) is None or batch.labels is None:
        return
    highest, classes = int(ops.max(batch.labels)), batch.student.shape[-1]
    if highest >= classes:
        expected = f"classes below {classes}, as many as the student has"
        raise ValueError(invalid("labels", expected, highest))


def hard_losses(loss, batch: SoftBatch, from_logits: bool = True):
    """Computes the losses of a batch, and their weights.

    Args:
        loss: a Keras loss, or a function of labels and outputs.
        batch: with labels: of every frame, or for CTC of every utterance.
        from_logits: whether the student gives logits; of use to CTC alone.

    Returns:
        Losses and weights, `(batch, frames)` both, or `(batch,)` of a loss that has
        one value for an utterance.

    Raises:
        ValueError: if the blank of a CTC loss is no class.
        tf.errors.InvalidArgumentError: if there is not a label for each frame; also in
            a compiled step.
    """
    labels, weights = batch.labels, batch.weights
    ctc = as_ctc_loss(loss)
    if ctc is not None:
        logits = as_logits(batch.student, from_logits)
        values, fits = ctc.of_frames(labels, logits, batch.num_frames())
        return values, ops.max(weights, axis=1) * fits
    if isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        labels = ops.convert_to_tensor(labels)
        if len(labels.shape) == 2:  # padding may hold labels that are no class
            frames = tf.shape(labels)[1], tf.shape(weights)[1]
            labels = after_equal(*frames, _DIFFERENT, labels)
            labels = ops.where(weights > 0, labels, ops.zeros_like(labels))
    call = loss.call if isinstance(loss, keras.losses.Loss) else loss
    values = call(labels, ops.cast(batch.student, "float32"))
    if len(values.shape) == 1:  # one value per utterance
        weights = ops.max(weights, axis=1)
    return values, weights
