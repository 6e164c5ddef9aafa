"""Keeps what is not a number out of the weights, and stops the training there."""

import keras
from keras import ops

_NOTHING = (0, -1, -1, -1, -1)
_CAUSES = (
    "The teacher's output is not a number in {}. Expected finite logits or "
    "probabilities. Check the features of that utterance and the teacher's weights",
    "The student's input is not a number in {}. Expected finite features. Check the "
    "features of that utterance",
    "The `sample_weight` is not a number >= 0 in {}. Expected finite weights. Check "
    "the weights of that utterance",
    "The hard loss is not a number in {}. Expected labels that are numbers, and "
    "classes which the student has. Check the labels of that utterance",
)
_SOFT, _STUDENT, _WEIGHTS, _HARD = range(len(_CAUSES))


class NaNWatch:
    """Remembers the first utterance with a NaN; works inside of a compiled step.

    Example:
        >>> watch, x, weights = NaNWatch(), np.zeros((2, 1, 8)), np.ones((2, 1))
        >>> soft = np.array([[[0.0, 1.0]], [[0.0, np.nan]]])
        >>> watch.observe(soft, weights, x).numpy().tolist()
        [[False], [True]]
        >>> watch.message()
        "The teacher's output is not a number in batch 0, utterance 1. ..."
    """

    def __init__(self):
        # Batches so far; batch, utterance, frame and cause of the first NaN.
        self._state = keras.Variable(_NOTHING, dtype="int32", trainable=False)

    def reset(self) -> None:
        """Forgets all, at the begin of an epoch."""
        self._state.assign(_NOTHING)

    def observe(self, soft, weights, student_x):
        """Looks through the next batch.

        Args:
            soft: soft alignments, `(batch, frames, ...)`; negative infinity is a
                number here: the logit of an impossible class.
            weights: frame weights `(batch, frames)`; where 0, a NaN does no harm.
            student_x: the student's features, `(batch, ...)`, or a structure of them.

        Returns:
            The frames which no loss may be made of, bool `(batch, frames)`.
        """
        # Of a sum, which is NaN or infinite where a part of it is: one fast pass.
        # `~(total < inf)` will not do: TensorFlow's optimizer makes it
        # `total >= inf`, which a NaN is not.
        total = _sum32(soft, tuple(range(2, len(soft.shape))))
        soft_bad = ops.isnan(total) | (total == float("inf"))
        x_bad = _not_finite(student_x)
        weights = ops.convert_to_tensor(weights)
        weights_bad = ~ops.isfinite(weights) | (weights < 0)
        counting = weights > 0
        causes = {
            _SOFT: ops.any(soft_bad & counting, axis=1),
            _STUDENT: x_bad & ops.any(counting, axis=1),
            _WEIGHTS: weights_bad,
        }
        self._state.assign_add((1, 0, 0, 0, 0))
        self._remember(causes)
        return soft_bad | weights_bad | x_bad[:, None]

    def observe_hard_loss(self, wrong, batch: int | None = None) -> None:
        """Looks at the hard loss of the batch that was observed last.

        Args:
            wrong: where it is no number, bool `(batch, frames)` or `(batch,)`.
            batch: number of the batch, where none was observed.
        """
        if batch is not None:
            self._state.assign((batch + 1, *_NOTHING[1:]))
        self._remember({_HARD: wrong})

    def found(self):
        """Tells a compiled step whether something is wrong, a bool tensor."""
        return self._state.value[1] >= 0

    def _remember(self, causes):
        number, *first = ops.unstack(self._state.value, num=len(_NOTHING))
        found, places = [], []
        for cause, flags in causes.items():
            by_row = flags if len(flags.shape) == 1 else ops.any(flags, axis=1)
            # No `argmax`: under a strategy a replica may have no utterance at all.
            utterance = _first_true(by_row)
            found.append(ops.any(by_row))
            places.append(ops.stack([utterance, _frame(flags, utterance), cause]))
        place = ops.take(ops.stack(places), ops.argmax(ops.stack(found)), axis=0)
        new = [number - 1, *ops.unstack(place, num=3)]
        is_first = ops.any(ops.stack(found)) & (first[0] < 0)
        first = [ops.where(is_first, *pair) for pair in zip(new, first, strict=True)]
        self._state.assign(ops.stack([number, *first]))

    def message(self) -> str | None:
        """Returns what is wrong, or None."""
        _, number, utterance, frame, cause = self._state.value.numpy().tolist()
        if number < 0:
            return None
        place = f"batch {number}, utterance {utterance}"
        return _CAUSES[cause].format(place + (f", frame {frame}" if frame >= 0 else ""))


def _first_true(flags):
    """Returns the number of the first that is True, of `(n,)`; n if there is none."""
    return ops.sum(ops.cast(ops.cumsum(ops.cast(flags, "int32")) == 0, "int32"))


def _frame(flags, utterance):
    """Returns the first frame at fault, -1 where flags are of whole utterances."""
    if len(flags.shape) == 1:
        return ops.convert_to_tensor(-1, "int32")
    row = ops.arange(ops.shape(flags)[0], dtype="int32") == utterance
    return _first_true(ops.any(flags & row[:, None], axis=0))


class StopOnNaN(keras.callbacks.Callback):
    """Stops `fit` and `evaluate` at a NaN with a ValueError that names it.

    Args:
        watch: that of the model.
    """

    def __init__(self, watch: NaNWatch):
        super().__init__()
        self.watch = watch

    def on_epoch_begin(self, epoch, logs=None):
        """Forgets earlier batches."""
        self.watch.reset()

    def on_test_begin(self, logs=None):
        """Forgets earlier batches."""
        self.watch.reset()

    def on_train_batch_end(self, batch, logs=None):
        """Stops where something is wrong."""
        message = self.watch.message()
        if message:
            raise ValueError(message)

    on_test_batch_end = on_train_batch_end


def with_watch(callbacks, watch: NaNWatch):
    """Returns callbacks with a `StopOnNaN` before them, where there is none."""
    if isinstance(callbacks, keras.callbacks.CallbackList):  # of `fit`, for evaluate
        if not any(isinstance(c, StopOnNaN) for c in callbacks.callbacks):
            callbacks.append(StopOnNaN(watch))
        return callbacks
    if callbacks is None:
        callbacks = []
    several = isinstance(callbacks, (list, tuple))
    return [StopOnNaN(watch), *(callbacks if several else [callbacks])]


def finite(x):
    """Returns features with 1 for what is not finite: 0 times a NaN is a NaN.

    Not with 0: a `Masking` layer would hide the frame, and with it the NaN.

    Example:
        >>> finite(np.array([2.0, np.nan, np.inf])).numpy().tolist()
        [2.0, 1.0, 1.0]
    """

    def clean(array):
        if not _is_float(array):
            return array
        array = ops.convert_to_tensor(array)
        # The same sums as in `_not_finite`, which a compiled step need not make twice.
        sums = _sum32(array, tuple(range(1, len(array.shape))))
        cleaned = ops.cond(
            ops.all(ops.isfinite(sums)),
            lambda: array,
            lambda: ops.where(ops.isfinite(array), array, ops.ones_like(array)),
        )
        mask = getattr(array, "_keras_mask", None)
        if mask is not None:
            cleaned._keras_mask = mask
        return cleaned

    return keras.tree.map_structure(clean, x)


def _is_float(array):
    return keras.backend.is_float_dtype(keras.backend.standardize_dtype(array.dtype))


def _not_finite(x):
    """Tells which utterances have features that are not finite, bool `(batch,)`."""
    arrays = keras.tree.flatten(x)
    bad = ops.zeros(ops.shape(arrays[0])[:1], dtype="bool")
    for array in filter(_is_float, arrays):
        total = _sum32(array, tuple(range(1, len(array.shape))))
        bad |= ~ops.isfinite(total)
    return bad


def _sum32(array, axis):
    """Sums up in float32: the sum of float16 numbers may be beyond their range."""
    return ops.sum(ops.cast(array, "float32"), axis=axis)
