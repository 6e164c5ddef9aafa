"""What a search for a student within a budget found: candidates, front and table."""

import dataclasses

import keras

from keras_rnn2dnn.hmm import WordLoopDecoder


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A student of the grid.

    Args:
        units: of the hidden layers.
        steps: of a `dnn_student` the distance between its context frames, of a
            `tdnn_student` those of its layers.
        num_bytes: of its int8 file.
        instructions: of its network per frame on a Cortex-M4F.
        measured: whether the instructions were counted in QEMU, or estimated from the
            number of products.
        fits: whether bytes and instructions are within the budget.
        errors: word errors of the int8 student on the development data; None where it
            was not trained.
        words: of the development data.
    """

    units: tuple[int, ...]
    steps: tuple[int, ...]
    num_bytes: int
    instructions: int
    measured: bool
    fits: bool
    errors: int | None = None
    words: int | None = None

    @property
    def name(self) -> str:
        """Such as `64,64`, `40,40 step 2` or `tdnn 48,32 steps 1,3`."""
        units, steps = (",".join(map(str, n)) for n in (self.units, self.steps))
        if len(self.steps) > 1:
            return f"tdnn {units} steps {steps}"
        return units if self.steps == (1,) else f"{units} step {steps}"

    @property
    def wer(self) -> float | None:
        """Word error rate on the development data."""
        return None if self.errors is None else self.errors / self.words


@dataclasses.dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search found.

    Args:
        candidates: all of the grid, by bytes.
        best: the one with the fewest development errors.
        student: its float student, trained.
        decoder: its decoder, tuned.
    """

    candidates: tuple[Candidate, ...]
    best: Candidate
    student: keras.Model
    decoder: WordLoopDecoder

    @property
    def pareto(self) -> tuple[Candidate, ...]:
        """Those trained that no other one beats in bytes, instructions and errors."""
        trained = [c for c in self.candidates if c.errors is not None]
        return tuple(
            c for c in trained if not any(_dominates(other, c) for other in trained)
        )


def _dominates(a, b):
    costs = [(c.num_bytes, c.instructions, c.errors) for c in (a, b)]
    return costs[0] != costs[1] and all(x <= y for x, y in zip(*costs, strict=True))


def to_markdown(result: SearchResult) -> str:
    """Returns the table of a search: the Pareto front, then what else was trained."""
    front = set(result.pareto)
    trained = [c for c in result.candidates if c.errors is not None]
    lines = [
        "| student | bytes | instructions | development WER % | |",
        "| - | -: | -: | -: | - |",
    ]
    for candidate in sorted(trained, key=lambda c: (c not in front, c.num_bytes)):
        about = "" if candidate.measured else "about "
        marks = ["best"] if candidate == result.best else []
        marks += ["Pareto"] if candidate in front else []
        marks += [] if candidate.fits else ["beyond the budget"]
        lines.append(
            f"| {candidate.name} "
            f"| {candidate.num_bytes:,} | {about}{candidate.instructions:,} "
            f"| {100 * candidate.wer:.2f} ({candidate.errors}/{candidate.words}) "
            f"| {', '.join(marks)} |"
        )
    skipped = len(result.candidates) - len(trained)
    lines.append(f"\n{len(trained)} trained, {skipped} too large or too narrow.")
    return "\n".join(lines) + "\n"
