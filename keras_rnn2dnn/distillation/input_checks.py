"""Checks of models and batches, made before any training step."""

import keras
import numpy as np
from keras import ops

from keras_rnn2dnn.batches.model_outputs import check_frame_outputs, single_output
from keras_rnn2dnn.distillation.top_k import is_top_k
from keras_rnn2dnn.util.errors import invalid


def check_models(teacher, student: keras.Model) -> None:
    """Refuses teachers and students that cannot be paired.

    Args:
        teacher: Keras model, a list of them, or None.
        student: Keras model.

    Raises:
        TypeError: if something is not a Keras model.
        ValueError: if the numbers of classes differ, or an ensemble is empty.
    """
    several = isinstance(teacher, (list, tuple))
    if several and not teacher:
        expected = "a Keras model, a list of at least one, or None"
        raise ValueError(invalid("teacher", expected, teacher))
    teachers = teacher if several else [] if teacher is None else [teacher]
    for role, model in [*(("teacher", t) for t in teachers), ("student", student)]:
        if isinstance(model, keras.Layer):
            single_output(role, model)
        if not isinstance(model, keras.Model):
            hint = ""
            if isinstance(model, keras.Layer):
                hint = (
                    "Make a model of the layer: x = keras.Input((None, features)); "
                    f"keras.Model(x, {role}(x))"
                )
            raise TypeError(invalid(role, "a Keras model", type(model).__name__, hint))
    for teacher in teachers:
        given, expected = output_classes(student), output_classes(teacher)
        if given and expected and given != expected:
            raise ValueError(
                f"Different numbers of classes. Expected teacher and student to give "
                f"the same classes. Received: {expected} classes from the teacher "
                f"{teacher.name!r}, {given} from the student {student.name!r}"
            )


def output_classes(model: keras.Model) -> int | None:
    """Returns the width of a model's output, or None while it is unknown."""
    outputs = getattr(model, "outputs", None)
    return outputs[0].shape[-1] if outputs and outputs[0].shape else None


def check_softmax(
    role: str, model: keras.Model, from_logits: bool, remedy: str | None = None
) -> None:
    """Refuses a model that ends in a softmax where logits are declared.

    Args:
        role: `"teacher"` or `"student"`.
        model: Keras model.
        from_logits: what the distillation loss was told.
        remedy: what to pass; by default the argument of the distillation loss.

    Raises:
        ValueError: if the last layer is a softmax although `from_logits`.
    """
    graph = isinstance(model, keras.Sequential | keras.Function)
    last = model.layers[-1] if graph and model.layers else None
    activation = getattr(last, "activation", None)
    softmax = (
        isinstance(last, keras.layers.Softmax)
        or getattr(activation, "__name__", "") == "softmax"
    )
    if softmax and from_logits:
        received = f"a softmax in the layer {last.name!r}"
        raise ValueError(_not_logits(role, received, remedy))


# Of what is known only while it runs, such as utterances of an odd length.
DIFFERENT_FRAMES = (
    "Different numbers of frames. Expected teacher and student to give the same number "
    "for every length of utterances: with strides use the padding called same, in "
    "pooling too"
)


def check_shapes(soft, student, teacher_delay: int) -> None:
    """Refuses outputs whose shapes do not fit together.

    Args:
        soft: shape of the teacher's output; unknown sizes are None.
        student: shape of the student's output.
        teacher_delay: frames by which the teacher lags.

    Raises:
        ValueError: if ranks, numbers of frames or of classes do not match, or the
            delay leaves no frame.
    """
    soft, student = tuple(soft), tuple(student)
    if len(soft) == 4:
        _check_top_k(soft, student)
        soft = (*soft[:2], student[-1])
    for role, shape in (("teacher", soft), ("student", student)):
        check_frame_outputs(role, shape)
    for axis, name in enumerate(("utterances", "frames", "classes")):
        if None not in (soft[axis], student[axis]) and soft[axis] != student[axis]:
            raise ValueError(
                f"Different numbers of {name}. Expected teacher and student to give "
                f"the same shape (batch, frames, classes). Received: {soft} from the "
                f"teacher, {student} from the student"
            )
    if student[1] is not None and student[1] <= teacher_delay:
        expected = f"less than the {student[1]} frames of the utterances"
        raise ValueError(invalid("teacher_delay", expected, teacher_delay))


def _check_top_k(soft, student):
    kept, classes = soft[3] and soft[3] - 1, student[-1]
    if soft[2] != 2 or (kept and classes and not 1 <= kept < classes):
        raise ValueError(
            "Invalid top-k targets. Expected the shape (batch, frames, 2, k + 1) with "
            f"k below the {classes} classes of the student. Received: {soft}"
        )


def check_weights(weights) -> None:
    """Refuses frame weights `(batch, frames)` below 0, or all 0."""
    weights = ops.convert_to_numpy(weights)
    if np.any(weights < 0):
        raise ValueError(invalid("sample_weight", "numbers >= 0", float(weights.min())))
    if not np.any(weights > 0):
        raise ValueError(
            "No frame counts in the first batch. Expected at least one frame with a "
            "weight > 0. Received: masks and `sample_weight` that leave none"
        )


def check_values(batch, from_logits: bool, teacher_from_logits: bool) -> None:
    """Refuses logits where probabilities are declared, and the other way round.

    Args:
        batch: a `SoftBatch` with concrete values, of which some frame counts.
        from_logits: whether the student is declared to give logits.
        teacher_from_logits: whether the teacher is declared to give logits.

    Raises:
        ValueError: if a declaration does not fit.
    """
    soft, student, weights = map(
        ops.convert_to_numpy, (batch.soft, batch.student, batch.weights)
    )
    declarations = [("student", student, from_logits)]
    if not is_top_k(soft):
        declarations.insert(0, ("teacher", soft, teacher_from_logits))
    for role, values, declared in declarations:
        check_declared(role, values[weights > 0], declared)


def check_declared(
    role: str, rows: np.ndarray, from_logits: bool, remedy: str | None = None
) -> None:
    """Refuses outputs that are not what they are declared to be.

    Args:
        role: `"teacher"` or `"student"`.
        rows: its outputs `(frames, classes)`, at least one frame.
        from_logits: whether it is declared to give logits.
        remedy: what to pass if it gives probabilities; by default the argument of the
            distillation loss.

    Raises:
        ValueError: if they are probabilities, or are not.
    """
    rows = np.asarray(rows, "float64")
    probabilities = are_probabilities(rows)
    if from_logits and probabilities:
        raise ValueError(_not_logits(role, "rows >= 0 that sum to 1", remedy))
    if not from_logits and not probabilities:
        argument = "teacher_from_logits" if role == "teacher" else "from_logits"
        raise ValueError(
            f"The {role} is declared to give probabilities. Expected rows >= 0 "
            f"that sum to 1. Received: values from {rows.min():.4g} to "
            f"{rows.max():.4g}. Pass `{argument}=True` if they are logits"
        )


def are_probabilities(rows: np.ndarray) -> bool:
    """Tells whether rows `(frames, classes)` are >= 0 and sum to 1."""
    return rows.min() >= 0 and np.allclose(rows.sum(-1), 1.0, atol=1e-2)


def check_hard_loss(loss, from_logits: bool) -> None:
    """Refuses a hard loss of probabilities for logits, and the other way round."""
    config = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
    entropies = ("sparse_categorical_crossentropy", "categorical_crossentropy")
    named = loss in entropies if isinstance(loss, str) else False
    if from_logits and (named or config.get("from_logits") is False):
        raise ValueError(
            f"Invalid value for `loss`. Expected a loss of logits, since the student "
            f"gives logits. Received: loss={loss!r}. Pass an instance with "
            "`from_logits=True`"
        )
    if not from_logits and config.get("from_logits"):
        raise ValueError(
            "Invalid value for `loss`. Expected a loss of probabilities, since the "
            "student is declared to give them. Received: from_logits=True"
        )


def checked_share(value) -> float:
    """Returns the share of the hard loss, refused outside of 0 to 1."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:
        expected = "a number from 0 to 1"
        raise ValueError(invalid("student_loss_weight", expected, value))
    return float(value)


def checked_weights(weights, teachers: list) -> list[float]:
    """Returns the weights of an ensemble, which sum to 1; equal ones by default."""
    if weights is None:
        return [1.0 / len(teachers)] * len(teachers) if teachers else []
    if len(weights) != len(teachers) or min(weights) < 0 or sum(weights) <= 0:
        expected = f"{len(teachers)} numbers >= 0, not all 0"
        raise ValueError(invalid("teacher_weights", expected, weights))
    return [float(weight) / sum(weights) for weight in weights]


def _not_logits(role, received, remedy=None):
    argument = "teacher_from_logits" if role == "teacher" else "from_logits"
    return (
        f"The {role} is declared to give logits. Expected unnormalised scores. "
        f"Received: {received}. Remove the softmax, or pass "
        f"{remedy or f'`SoftAlignmentKL({argument}=False)`'}"
    )
