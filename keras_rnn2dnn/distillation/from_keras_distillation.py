"""Calls in the form of `keras.distillation`, for code that changes its import alone."""

import keras

from keras_rnn2dnn.distillation.losses import SoftAlignmentKL
from keras_rnn2dnn.util.errors import invalid

STUDENT_LOSS_WEIGHT = 0.5  # the default there
_NEW = "SoftAlignmentKL(temperature={:g})"
_PROBABILITIES = (
    "KLDivergence",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "SparseCategoricalCrossentropy",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "Poisson",
)


def is_keras_form(loss, options: dict) -> bool:
    """Tells whether a Distiller is called in the form of `keras.distillation`.

    Args:
        loss: its `distillation_loss`.
        options: its other arguments by name.

    Example:
        >>> is_keras_form(None, {"distillation_losses": []}), is_keras_form(None, {})
        (True, False)
    """
    one = loss[0] if isinstance(loss, (list, tuple)) and loss else loss
    return "distillation_losses" in options or _of_keras(one) is not None


def as_distillation_loss(loss, options: dict) -> keras.losses.Loss:
    """Returns the distillation loss, of a call in either form.

    Args:
        loss: a `keras.losses.Loss`; None for `SoftAlignmentKL()`; or what
            `keras.distillation` takes, where it means the same: one
            `LogitsDistillation(T, loss=keras.losses.KLDivergence())`.
        options: other arguments by name; those of `keras.distillation` are taken out.

    Raises:
        TypeError: if it is no loss.
        ValueError: if it is a loss of probabilities, or of `keras.distillation` with
            another meaning; names the new form.

    Example:
        >>> given = keras.losses.KLDivergence()
        >>> given = keras.distillation.LogitsDistillation(2.0, loss=given)
        >>> as_distillation_loss(None, {"distillation_losses": [given]}).temperature
        2.0
    """
    weights = options.pop("distillation_loss_weights", None)
    if "distillation_losses" in options:
        given = options.pop("distillation_losses")
        if loss is not None:
            expected = "either it or `distillation_losses`"
            raise ValueError(invalid("distillation_loss", expected, loss))
        loss = given
    if isinstance(loss, (list, tuple)):
        if len(loss) != 1:
            raise ValueError(
                invalid(
                    "distillation_losses",
                    "one loss, since there is one output to learn",
                    list(loss),
                    f"Give `distillation_loss={_new_form(loss)}`",
                )
            )
        loss = loss[0]
    weights = [weights] if isinstance(weights, (int, float)) else weights
    if weights is not None and list(weights) != [1]:
        raise ValueError(
            invalid(
                "distillation_loss_weights",
                "none, or [1.0] of one loss",
                weights,
                "The share of the hard loss is `student_loss_weight`, from 0 to 1",
            )
        )
    return _checked(_translated(loss))


def _translated(loss):
    kind = _of_keras(loss)
    if kind is None:
        return loss
    new = _new_form([loss])
    if kind != "LogitsDistillation":
        raise ValueError(
            f"`keras.distillation.{kind}` is not offered: a student of another kind "
            f"has no layer like the teacher's. Give `distillation_loss={new}`"
        )
    inner = loss.loss
    if not isinstance(inner, keras.losses.KLDivergence):
        raise ValueError(
            "`LogitsDistillation` with this loss means something else here. Expected "
            "`loss=keras.losses.KLDivergence()`, to which alone Keras gives softmaxed "
            f"outputs. Received: loss={inner!r}. Give `distillation_loss={new}`, the "
            "KL divergence of posteriors"
        )
    return SoftAlignmentKL(temperature=loss.temperature)


def _of_keras(loss):
    """Returns the name of a loss of `keras.distillation`, or None."""
    module = getattr(keras, "distillation", None)  # from Keras 3.13 on
    base = getattr(module, "DistillationLoss", None)
    if base is None or not isinstance(loss, base):
        return None
    return type(loss).__name__


def _new_form(losses):
    temperatures = [getattr(one, "temperature", None) for one in losses]
    known = [t for t in temperatures if isinstance(t, (int, float))]
    return _NEW.format(known[0]) if known else _NEW.format(1)


def _checked(loss):
    if loss is None:
        return SoftAlignmentKL()
    remedy = (
        "Give `SoftAlignmentKL()`, or of models that end in a softmax "
        "`SoftAlignmentKL(from_logits=False, teacher_from_logits=False)`"
    )
    if not isinstance(loss, keras.losses.Loss):
        expected = "a `keras.losses.Loss` of teacher's and student's outputs"
        raise TypeError(invalid("distillation_loss", expected, loss, remedy))
    if type(loss).__name__ in _PROBABILITIES and type(loss).__module__.startswith(
        "keras."
    ):
        raise ValueError(
            invalid(
                "distillation_loss",
                "a loss of logits",
                type(loss).__name__,
                f"It takes the teacher's logits for probabilities. {remedy}",
            )
        )
    return loss
