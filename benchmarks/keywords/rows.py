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


def soft_rows(temperatures: Sequence[float]) -> list[Row]:
    """Returns the rows among which the temperature is chosen."""
    return [
        Row(f"DS-CNN, soft, T = {t:g}", taught_by=TEACHER, temperature=t)
        for t in temperatures
    ]


def with_labels(best: Row) -> Row:
    """Returns the row that learns as the best one does, and labels beside."""
    name = best.name.replace("soft", "soft + hard")
    return dataclasses.replace(best, name=name, hard=SHARE)


def later_rows(best: Row, seeds: int) -> list[Row]:
    """Returns the rows that learn in the way of the best candidate.

    Args:
        best: that was chosen on the development speakers, with labels or without.
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


def compared(best: Row) -> list[tuple[str, str]]:
    """Returns pairs of rows, the second as the base: what each part is worth."""
    return [
        (best.name, LABELS),
        (best.name, BY_ITSELF),
        (LONGER, LABELS),
        (LONGER_DISTILLED, LONGER),
        (BY_TEACHERS, LABELS),
        (BY_TEACHERS, BY_STUDENTS),
        (LONGER_DISTILLED, TEACHER),
        (MEAN_OF_STUDENTS, MEAN_OF_TEACHERS),
        (DNN_DISTILLED, DNN_LABELS),
    ]


def on_device(best: Row, seeds: int) -> list[str]:
    """Returns the names of the rows that are measured as integers."""
    names = [LABELS, best.name, DNN_LABELS, DNN_DISTILLED]
    if seeds > 1:
        names[2:2] = [LONGER, LONGER_DISTILLED, BY_TEACHERS, BY_STUDENTS]
    return names


def in_bundles(best: Row) -> list[str]:
    """Returns the names of rows that become bundles: costs depend on the form alone."""
    return [LABELS, best.name, DNN_DISTILLED]
