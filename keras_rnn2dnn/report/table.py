"""The demo's table: word error rates of all systems, side by side."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_rnn2dnn.quantization.comparison import compare_logits
from keras_rnn2dnn.report.svg import OKABE_ITO
from keras_rnn2dnn.scoring.word_errors import word_error_rate
from keras_rnn2dnn.util.files import joined, new_file

TEACHER = "RNN teacher"
HARD = "student, hard labels"
SELF = "student, hard + self-labelled"
SOFT = "student, soft, transcribed audio"
ALONE = "student, distilled without the RNN"
DISTILLED = "student, distilled"
INT8 = "student, distilled, int8"
DEVICE = "student, distilled, device arithmetic"
_LINES = {
    TEACHER: ("black", ""),
    HARD: ("orange", "6 3"),
    SELF: ("sky", "2 3"),
    SOFT: ("green", "9 3 2 3"),
    ALONE: ("sky", ""),
    DISTILLED: ("vermillion", ""),
    INT8: ("blue", "6 3"),
    DEVICE: ("purple", "2 3"),
}


@dataclasses.dataclass(frozen=True, eq=False)
class SystemOutput:
    """What one system gave on the test strings.

    Args:
        system: name of the system.
        parameters: of its model.
        num_bytes: of its model as it would be stored.
        references: what was said.
        hypotheses: what was recognised.
        kl: mean KL(teacher || system) in nats, by frame; None without a teacher.
        agreement: share of frames with the teacher's best class, or None.
        frames: test frames.
    """

    system: str
    parameters: int
    num_bytes: int
    references: list[list[str]]
    hypotheses: list[list[str]]
    kl: float | None
    agreement: float | None
    frames: int


def system_output(
    system: str,
    parameters: int,
    num_bytes: int,
    references: Sequence[Sequence[str]],
    hypotheses: Sequence[Sequence[str]],
    logits: Sequence[np.ndarray],
    teacher_logits: Sequence[np.ndarray] | None,
) -> SystemOutput:
    """Compares a system with the teacher, and gathers what the table needs.

    Args:
        system: name of the system.
        parameters: of its model.
        num_bytes: of its model as it would be stored.
        references: what was said.
        hypotheses: what was recognised.
        logits: of the system, `(frames, classes)` for each string.
        teacher_logits: of the teacher on the same strings; None to compare nothing.

    Returns:
        The `SystemOutput`.
    """
    compared = {"kl": None, "agreement": None, "frames": sum(map(len, logits))}
    if teacher_logits is not None:
        compared = compare_logits(teacher_logits, logits)
    return SystemOutput(
        system,
        parameters,
        num_bytes,
        [list(words) for words in references],
        [list(words) for words in hypotheses],
        compared["kl"],
        compared["agreement"],
        compared["frames"],
    )


def pooled(folds: Sequence[Sequence[SystemOutput]]) -> list[SystemOutput]:
    """Puts the same systems of several folds together: all their test strings."""
    systems = []
    for outputs in zip(*folds, strict=True):
        frames = np.array([o.frames for o in outputs])
        systems.append(
            dataclasses.replace(
                outputs[0],
                references=[words for o in outputs for words in o.references],
                hypotheses=[words for o in outputs for words in o.hypotheses],
                num_bytes=max(o.num_bytes for o in outputs),
                kl=float(np.average([o.kl for o in outputs], weights=frames)),
                agreement=float(
                    np.average([o.agreement for o in outputs], weights=frames)
                ),
                frames=int(frames.sum()),
            )
        )
    return systems


def table_rows(outputs: Sequence[SystemOutput]) -> list[dict]:
    """Returns one row for each system, fit for JSON.

    `wer`, `ci95` (bootstrap over strings) and `relative_to_hard` (change of the word
    errors against the hard-label student) are fractions, `kl` is in nats; None is what
    cannot be compared.
    """
    rates = {o.system: word_error_rate(o.references, o.hypotheses) for o in outputs}
    hard = rates[HARD].wer if HARD in rates else None
    return [
        {
            "system": o.system,
            "parameters": o.parameters,
            "bytes": o.num_bytes,
            "wer": rates[o.system].wer,
            "errors": rates[o.system].errors,
            "words": rates[o.system].words,
            "substitutions": rates[o.system].substitutions,
            "deletions": rates[o.system].deletions,
            "insertions": rates[o.system].insertions,
            "ci95": list(rates[o.system].confidence_interval),
            "relative_to_hard": rates[o.system].wer / hard - 1 if hard else None,
            "kl": o.kl,
            "agreement": o.agreement,
        }
        for o in outputs
    ]


def to_markdown(rows: Sequence[dict]) -> str:
    """Returns the table as aligned Markdown."""
    header = (
        "system",
        "parameters",
        "bytes",
        "WER %",
        "errors/words",
        "95 % interval",
        "against hard",
        "KL",
        "agreement",
    )
    return aligned([header, *(_cells(row) for row in rows)])


def aligned(cells: Sequence[Sequence[str]]) -> str:
    """Returns rows of cells, the first of them the header, as aligned Markdown.

    Example:
        >>> print(aligned([("system", "bytes"), ("small", "9")]), end="")
        | system | bytes |
        | ------ | ----: |
        | small  |     9 |
    """
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [
        "| "
        + " | ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in cells
    ]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    return "\n".join(lines) + "\n"


def write_hypotheses(directory: Path, outputs: Sequence[SystemOutput]) -> None:
    """Writes `hypotheses.json`: what was said, and what each system recognised.

    Args:
        directory: of the fold.
        outputs: of its systems, on the same strings.
    """
    found = {
        "references": joined(outputs[0].references),
        "systems": {o.system: joined(o.hypotheses) for o in outputs},
    }
    with new_file(directory / "hypotheses.json") as path:
        path.write_text(json.dumps(found, indent=1) + "\n")


def _cells(row):
    low, high = row["ci95"]
    change = row["relative_to_hard"]
    return (
        row["system"],
        f"{row['parameters']:,}",
        f"{row['bytes']:,}",
        f"{100 * row['wer']:.2f}",
        f"{row['errors']}/{row['words']}",
        f"{100 * low:.1f}-{100 * high:.1f}",
        "-" if change is None else f"{100 * change:+.1f} %",
        f"{row['kl']:.3f}",
        f"{100 * row['agreement']:.1f} %",
    )


def write_table(
    directory: Path, title: str, rows: Sequence[dict], below: str = ""
) -> None:
    """Writes `table.json` and `table.md`.

    Args:
        directory: where.
        title: what the rows were measured on.
        rows: of `table_rows`.
        below: what stands below the table in `table.md`, if anything.
    """
    with new_file(directory / "table.json") as path:
        path.write_text(json.dumps(list(rows), indent=2) + "\n")
    with new_file(directory / "table.md") as path:
        after = f"\n{below}" if below else ""
        path.write_text(f"{title}\n\n{to_markdown(rows)}{after}")


def lines_of(systems: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Returns the colour and the dashes of each system, by which they are told apart.

    Example:
        >>> lines_of(["RNN teacher"])
        {'RNN teacher': ('#000000', '')}
    """
    found = (_LINES.get(system, ("black", "2 3")) for system in systems)
    return {
        system: (OKABE_ITO[colour], dash)
        for system, (colour, dash) in zip(systems, found, strict=True)
    }
