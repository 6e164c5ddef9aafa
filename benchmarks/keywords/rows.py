"""The rows: teachers, students, and controls."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Row:
    """A system.

    Args:
        name: in the tables.
        model: of `work.MODELS`; None where the members of `taught_by` are heard, and
            their mean posterior is what counts.
        taught_by: row whose posteriors are learnt; None for labels alone.
        of_all_seeds: whether these are the mean ones of all seeds.
        temperature: of both.
        hard: share of the labels' loss.
        epochs: times those of the others.
    """

    name: str
    model: str | None = "DS-CNN"
    taught_by: str | None = None
    of_all_seeds: bool = False
    temperature: float = 1.0
    hard: float = 0.0
    epochs: int = 1


TEACHER, LABELS = "recurrent teacher", "DS-CNN, labels"
LONGER = "DS-CNN, labels, twice the epochs"
LONGER_DISTILLED = "DS-CNN, distilled, twice the epochs"
BY_ITSELF = "DS-CNN, distilled from the DS-CNN of labels"
BY_TEACHERS = "DS-CNN, distilled from the teachers of all seeds"
BY_STUDENTS = "DS-CNN, distilled from the DS-CNNs of labels of all seeds"
DNN_LABELS, DNN_DISTILLED = "DNN, labels", "DNN, distilled"
MEAN_OF_TEACHERS = "teachers of all seeds, their mean"
MEAN_OF_STUDENTS = "DS-CNNs of labels of all seeds, their mean"
SHARE = 0.3  # of the labels, beside the teacher

FIRST = (
    Row(TEACHER, "CRNN", epochs=1),
    Row(LABELS),
    Row(LONGER, epochs=2),
    Row(DNN_LABELS, "DNN"),
)


def candidates(temperatures: Sequence[float]) -> list[Row]:
    """Returns the rows among which the way to learn from a teacher is chosen."""
    return [
        Row(
            f"DS-CNN, soft{' + hard' * bool(hard)}, T = {temperature:g}",
            taught_by=TEACHER,
            temperature=temperature,
            hard=hard,
        )
        for hard in (0.0, SHARE)
        for temperature in temperatures
    ]


def later_rows(best: Row, seeds: int) -> list[Row]:
    """Returns the rows that learn in the way of the best candidate.

    Args:
        best: that was chosen on the development speakers.
        seeds: how many there are: of one there are no others to learn from.
    """
    like = {"temperature": best.temperature, "hard": best.hard}
    rows = [
        Row(BY_ITSELF, taught_by=LABELS, **like),
        Row(LONGER_DISTILLED, taught_by=TEACHER, epochs=2, **like),
        Row(DNN_DISTILLED, "DNN", taught_by=TEACHER, **like),
    ]
    if seeds > 1:
        rows += [
            Row(MEAN_OF_TEACHERS, None, TEACHER, of_all_seeds=True),
            Row(MEAN_OF_STUDENTS, None, LABELS, of_all_seeds=True),
            Row(BY_TEACHERS, taught_by=TEACHER, of_all_seeds=True, **like),
            Row(BY_STUDENTS, taught_by=LABELS, of_all_seeds=True, **like),
        ]
    return rows


def on_device(best: Row, seeds: int) -> list[str]:
    """Returns the names of the rows that become bundles."""
    names = [LABELS, best.name]
    if seeds > 1:
        names += [LONGER, LONGER_DISTILLED, BY_ITSELF, BY_TEACHERS, BY_STUDENTS]
    return [*names, DNN_LABELS, DNN_DISTILLED]
