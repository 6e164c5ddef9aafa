"""Outputs of whole utterances, `(batch, classes)`: they count as those of one frame.

So classifiers, such as those of keywords, learn by the same loss, weights and measures
as what gives the classes of every frame.
"""

from keras import ops

from keras_rnn2dnn.util.errors import invalid

REDUCTIONS = (None, "mean")


def check_reduction(value: str | None) -> str | None:
    """Returns a reduction of the teacher's frames, refused where it is unknown."""
    if value not in REDUCTIONS:
        raise ValueError(invalid("teacher_reduction", f"one of {REDUCTIONS}", value))
    return value


def as_one_frame(soft, student):
    """Gives the outputs of whole utterances an axis of frames.

    Args:
        soft: teacher's output `(batch, classes)`, or targets of the k best classes
            `(batch, 2, k + 1)`.
        student: student's output `(batch, classes)`.

    Returns:
        Both with one frame, `(batch, 1, classes)` or `(batch, 1, 2, k + 1)`; what has
        frames already is returned as it is.

    Example:
        >>> soft, student = as_one_frame(np.zeros((4, 3)), np.zeros((4, 3)))
        >>> soft.shape, student.shape
        (TensorShape([4, 1, 3]), TensorShape([4, 1, 3]))
    """
    if len(student.shape) != 2:
        return soft, student
    if len(soft.shape) == 2 or (len(soft.shape) == 3 and soft.shape[1] == 2):
        soft = ops.expand_dims(soft, 1)
    return soft, ops.expand_dims(student, 1)


def labels_of_one_frame(labels, classes: int):
    """Gives labels of whole utterances an axis of frames.

    Args:
        labels: classes `(batch,)` or `(batch, 1)`, or one-hot `(batch, classes)`.
        classes: of the student.

    Returns:
        `(batch, 1)`, or one-hot `(batch, 1, classes)`.

    Example:
        >>> labels_of_one_frame(np.array([2, 0]), 3).shape
        TensorShape([2, 1])
        >>> labels_of_one_frame(np.eye(3, dtype="float32"), 3).shape
        TensorShape([3, 1, 3])
    """
    labels = ops.convert_to_tensor(labels)
    rank = len(labels.shape)
    one_hot = rank == 2 and labels.shape[1] == classes and classes > 1
    return ops.expand_dims(labels, 1) if rank == 1 or one_hot else labels


def check_levels(soft, student, from_teacher: bool) -> None:
    """Refuses frames where the student gives one output for an utterance.

    Args:
        soft: shape of the teacher's output, or of the soft targets.
        student: shape of the student's output.
        from_teacher: whether a teacher gave `soft`.

    Raises:
        ValueError: says how to reduce them.
    """
    soft, student = tuple(soft), tuple(student)
    top_k = len(soft) == 3 and soft[1] == 2 and not from_teacher
    if len(student) != 2 or len(soft) == 2 or top_k:
        return
    who = "the teacher" if from_teacher else "the soft targets"
    remedy = (
        'Pass `teacher_reduction="mean"`, the mean posterior of the frames, or a '
        "teacher that gives (batch, classes)"
        if from_teacher
        else "Give one posterior for each utterance"
    )
    raise ValueError(
        f"Different kinds of outputs. Expected of {who} one output for each utterance, "
        f"(batch, classes), as the student gives it. Received: {soft} from {who}, "
        f"{student} from the student. {remedy}"
    )
