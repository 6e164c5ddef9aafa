"""The CTC loss of padded batches, as a hard loss of the Distiller."""

import keras
from keras import ops

from keras_rnn2dnn.util.errors import invalid, is_integer


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class CTCLoss(keras.losses.Loss):
    """`keras.losses.CTC` for any blank, and for batches padded in labels and frames.

    Per utterance `-log sum_paths prod_t softmax(logits)[t, path[t]]` over all paths of
    its labels (Graves et al., 2006), not divided by its length, as in Keras. The
    Distiller leaves out padding frames, which Keras's loss counts as speech; so it does
    with `keras.losses.CTC()` too.

    An utterance with too few frames for its labels has no path; it gives 0, and no
    gradient.

    Args:
        blank: index of the blank class; negative ones count from the end.
        reduction: as of `keras.losses.Loss`.
        name: name of the loss.
        dtype: ignored by the computation, which is in float32.

    Call arguments:
        y_true: labels, int `(batch, labels)`; those that are negative or the blank are
            padding, at the end.
        y_pred: logits `(batch, frames, classes)`.

    Returns:
        `(batch,)` from `call`, a scalar from `__call__`.

    Raises:
        ValueError: if `blank` is not an integer.

    Example:
        >>> even = np.zeros((1, 2, 3), "float32")  # 3 of the 9 paths give [1]
        >>> float(CTCLoss()(np.array([[1, -1]]), even))
        1.098...
    """

    def __init__(
        self,
        blank: int = 0,
        reduction: str = "sum_over_batch_size",
        name: str = "ctc",
        dtype: str | None = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not is_integer(blank):
            raise ValueError(invalid("blank", "the index of a class", blank))
        self.blank = int(blank)

    def call(self, y_true, y_pred):
        """Returns the loss of every utterance, all frames counted."""
        every = ops.full(ops.shape(y_pred)[:1], ops.shape(y_pred)[1])
        return self.of_frames(y_true, y_pred, every)[0]

    def of_frames(self, labels, logits, num_frames):
        """Returns the loss of every utterance without its padding.

        Args:
            labels: int `(batch, labels)`, see the class.
            logits: `(batch, frames, classes)`.
            num_frames: frames that count, int `(batch,)`, padding behind them.

        Returns:
            The losses, and 1.0 where an utterance has frames enough for its labels,
            otherwise 0.0; `(batch,)` both.
        """
        logits = ops.cast(logits, "float32")
        labels = ops.cast(labels, "int32")
        num_frames = ops.cast(num_frames, "int32")
        classes = logits.shape[-1]
        if not -classes <= self.blank < classes:
            expected = f"the index of one of the {classes} classes of the logits"
            hint = "The blank is a class of its own: give the model one more"
            raise ValueError(invalid("blank", expected, self.blank, hint))
        blank = self.blank % classes
        # A column of padding: Keras's loss is wrong where there is no label at all.
        labels = ops.pad(labels, [[0, 0], [0, 1]], constant_values=-1)
        real = (labels >= 0) & (labels != blank)
        labels = ops.where(real, labels, 0)
        equal = (labels[:, 1:] == labels[:, :-1]) & real[:, 1:]
        counts = ops.sum(ops.cast(real, "int32"), axis=1)
        needed = counts + ops.sum(ops.cast(equal, "int32"), axis=1)
        fits = (needed <= num_frames) & (num_frames > 0)
        # A loss without a path is infinite, and its gradient NaN: a path of blanks.
        counts = ops.where(fits, counts, 0)
        frames = ops.where(fits, num_frames, 1)
        values = ops.ctc_loss(labels, logits, counts, frames, mask_index=blank)
        fits = ops.cast(fits, "float32")
        return values * fits, fits

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "blank": self.blank}


def as_ctc_loss(loss) -> CTCLoss | None:
    """Returns the loss for padded batches of a CTC loss, None of another one.

    Example:
        >>> as_ctc_loss(keras.losses.CTC()).blank, as_ctc_loss("mse")
        (0, None)
    """
    if isinstance(loss, keras.losses.CTC) or loss is keras.losses.ctc:
        return CTCLoss(blank=0)
    return loss if isinstance(loss, CTCLoss) else None
