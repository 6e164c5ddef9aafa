"""The distillation loss: KL divergence from a teacher's soft alignments."""

import math

import keras
from keras import ops

from keras_rnn2dnn.distillation.dense_kl import dense_kl
from keras_rnn2dnn.distillation.top_k import is_top_k, one_best_cross_entropy, top_k_kl
from keras_rnn2dnn.distillation.whole_utterances import as_one_frame
from keras_rnn2dnn.util.errors import invalid

SMALLEST_PROBABILITY = 1e-30


@keras.saving.register_keras_serializable(package="keras_rnn2dnn")
class SoftAlignmentKL(keras.losses.Loss):
    """KL divergence of a student's posteriors from a teacher's soft alignments.

    With teacher logits `z`, student logits `s` and temperature `T`, per frame:

        p = softmax(z / T),  q = softmax(s / T)
        loss = T**2 * sum_k p_k * (log p_k - log q_k)

    (Chan, Ke and Lane, "Transferring Knowledge from a RNN to a DNN", 2015; the
    factor from Hinton, Vinyals and Dean, 2015). All from `log_softmax`, in float32:
    nothing saturates. The gradient by the student's logits is `T * (q - p)`. The
    mean over frames is weighted, so that padding and weights never dilute it.

    Args:
        temperature: `T` > 0. It may be assigned later; a compiled model follows.
        teacher_temperature: temperature of the teacher alone, >= 0; by default `T`.
            0 takes the teacher's best class as the target ("one-best"); the loss is
            then the cross-entropy against it. On real speech 0 gave 2-7 % fewer word
            errors than 1, 0.5 gave 2-5 % fewer, and 2 gave 6-11 % more, without
            recordings of new speakers and with them (docs/results_0_1.md).
        from_logits: whether `y_pred` holds logits; otherwise probabilities.
        teacher_from_logits: whether `y_true` holds logits; otherwise probabilities.
        reduction: `"mean_with_sample_weight"`, or another one of Keras.
        name: name of the loss.
        dtype: ignored by the computation, which is in float32.

    Call arguments:
        y_true: teacher's logits or probabilities, `(batch, frames, classes)`; or the
            targets of its k best classes, `(batch, frames, 2, k + 1)`, see `top_k`.
        y_pred: student's logits or probabilities, `(batch, frames, classes)`. Both may
            be without the axis of frames, one output for each utterance.

    Returns:
        `(batch, frames)` from `call`, or `(batch,)`; a scalar from `__call__`.

    Raises:
        ValueError: if a temperature is out of its range.

    Example:
        >>> teacher = np.log([[[0.75, 0.25]]])
        >>> student = np.log([[[0.50, 0.50]]])
        >>> float(SoftAlignmentKL()(teacher, student))  # 0.75 ln 1.5 + 0.25 ln 0.5
        0.1308...
    """

    def __init__(
        self,
        temperature: float = 1.0,
        teacher_temperature: float | None = None,
        from_logits: bool = True,
        teacher_from_logits: bool = True,
        reduction: str = "mean_with_sample_weight",
        name: str = "soft_alignment_kl",
        dtype: str | None = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self._temperature = ScheduledNumber(_checked_temperature(temperature))
        if teacher_temperature is not None and teacher_temperature != 0:
            _checked_temperature(teacher_temperature, "teacher_temperature", ">= 0")
        self.teacher_temperature = teacher_temperature
        self.from_logits = from_logits
        self.teacher_from_logits = teacher_from_logits

    @property
    def temperature(self) -> float:
        """The temperature `T`."""
        return self._temperature.value

    @temperature.setter
    def temperature(self, value: float):
        self._temperature.value = _checked_temperature(value)

    def call(self, y_true, y_pred):
        """Returns the loss of every frame, `(batch, frames)`."""
        whole = len(y_pred.shape) == 2
        y_true, y_pred = as_one_frame(y_true, y_pred)
        temperature = self._temperature.tensor()
        if self.teacher_temperature == 0:
            logits = as_logits(y_pred, self.from_logits)
            divergence = one_best_cross_entropy(y_true, logits, temperature)
        else:
            divergence = frame_kl(
                y_true,
                y_pred,
                self.teacher_from_logits,
                self.from_logits,
                temperature,
                self.teacher_temperature,
            )
        values = temperature**2 * divergence
        return ops.squeeze(values, axis=1) if whole else values

    def is_plain(self):
        """Tells a compiled step whether this is the KL divergence at temperature 1."""
        plain = self.teacher_temperature in (None, 1)
        return ops.equal(self._temperature.tensor(), 1.0) & plain

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "teacher_temperature": self.teacher_temperature,
            "from_logits": self.from_logits,
            "teacher_from_logits": self.teacher_from_logits,
        }


class ScheduledNumber:
    """A number that changes during training, also inside a compiled step.

    Kept outside of Keras's tracking: it is a setting, not a weight.

    Example:
        >>> weight = ScheduledNumber(0.5)
        >>> weight.value = 0.25
        >>> weight.value, float(weight.tensor())
        (0.25, 0.25)
    """

    def __init__(self, value: float):
        self._value = float(value)
        self._variable = keras.Variable(self._value, dtype="float32", trainable=False)

    @property
    def value(self) -> float:
        """The number."""
        return self._value

    @value.setter
    def value(self, value: float):
        self._value = float(value)
        self._variable.assign(self._value)

    def tensor(self):
        """Returns the number as a tensor which a compiled step reads anew."""
        return ops.convert_to_tensor(self._variable)


def frame_kl(
    soft,
    student,
    teacher_from_logits: bool = True,
    from_logits: bool = True,
    temperature=1.0,
    teacher_temperature=None,
):
    """Returns `KL(teacher || student)` of every frame, `(batch, frames)`.

    Args:
        soft: teacher's outputs `(batch, frames, classes)`, or top-k targets
            `(batch, frames, 2, k + 1)`.
        student: student's outputs `(batch, frames, classes)`.
        teacher_from_logits: whether dense `soft` are logits.
        from_logits: whether `student` are logits.
        temperature: of both.
        teacher_temperature: of the teacher alone; None for `temperature`.

    Example:
        >>> z = np.zeros((1, 2, 4))
        >>> frame_kl(z, z).numpy().tolist()
        [[0.0, 0.0]]
    """
    logits = as_logits(student, from_logits)
    if is_top_k(soft):
        return top_k_kl(soft, logits, temperature, teacher_temperature)
    soft = as_logits(soft, teacher_from_logits)
    return dense_kl(soft, logits, temperature, teacher_temperature)


def as_logits(outputs, from_logits: bool = True):
    """Returns float32 logits; of probabilities `log p`, with `p` floored at 1e-30."""
    outputs = ops.cast(outputs, "float32")
    if from_logits:
        return outputs
    return ops.log(ops.maximum(outputs, SMALLEST_PROBABILITY))


def log_posteriors(outputs, from_logits: bool = True, temperature=1.0):
    """Returns `log softmax(z / temperature)` in float32.

    Args:
        outputs: logits or probabilities, `(..., classes)`.
        from_logits: whether `outputs` are logits `z`; otherwise `z = log p`, with `p`
            floored at 1e-30.
        temperature: number > 0.

    Returns:
        Log-posteriors `(..., classes)`, float32.

    Example:
        >>> log_posteriors(np.zeros((1, 4))).numpy().round(2)
        array([[-1.39, -1.39, -1.39, -1.39]], dtype=float32)
    """
    return ops.log_softmax(as_logits(outputs, from_logits) / temperature, axis=-1)


def kl_divergence(log_p, log_q):
    """Returns `sum_k p_k (log p_k - log q_k)` over the last axis.

    Args:
        log_p: log-posteriors of the teacher, `(..., classes)`; `-inf` is allowed.
        log_q: log-posteriors of the student, `(..., classes)`.

    Returns:
        `(...)`, >= 0 up to rounding.

    Example:
        >>> log_p = np.log(np.array([[0.75, 0.25]], "float32"))
        >>> kl_divergence(log_p, log_p).numpy().tolist()
        [0.0]
    """
    p = ops.exp(log_p)
    return ops.sum(ops.where(p > 0, p * (log_p - log_q), 0.0), axis=-1)


def _checked_temperature(value, name="temperature", bound="> 0"):
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise ValueError(invalid(name, f"a number {bound}", value))
    return float(value)
