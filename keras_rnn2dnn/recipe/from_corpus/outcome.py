"""What `train_corpus` made, measured and proved: `TrainedCorpus`."""

import dataclasses
from pathlib import Path
from typing import Any

from keras_rnn2dnn.deploy import Verification
from keras_rnn2dnn.deploy.verify.outcome import PASSED
from keras_rnn2dnn.report.table import (
    ALONE,
    DEVICE,
    DISTILLED,
    HARD,
    TEACHER,
    to_markdown,
)


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedCorpus:
    """What `train_corpus` made of a corpus; printed, it is the table and what it says.

    Args:
        out: directory of `teacher.keras`, `student.keras`, `features.json`,
            `decoder.json`, `bundle/`, `report.html` and `table.json`.
        rows: of `table.json`: teacher, students and the device, on the same strings.
        verification: of the bundle.
        by_speaker: whether those heard in the test are heard in no training.
    """

    out: Path
    rows: list[dict[str, Any]]
    verification: Verification
    by_speaker: bool

    @property
    def bundle(self) -> Path:
        """The directory of the firmware."""
        return self.out / "bundle"

    @property
    def report(self) -> Path:
        """The page about the run."""
        return self.out / "report.html"

    def row(self, system: str) -> dict[str, Any]:
        """Returns the row of a system, such as `report.table.DEVICE`."""
        return next(row for row in self.rows if row["system"] == system)

    @property
    def helped(self) -> str:
        """A sentence: whether the student is better for its teacher."""
        alone, distilled = self.row(ALONE), self.row(DISTILLED)
        fewer = distilled["errors"] < alone["errors"]
        change = ""
        if alone["errors"] and distilled["errors"] != alone["errors"]:
            change = f" ({100 * (distilled['wer'] / alone['wer'] - 1):+.0f} %)"
        (low, high), (other_low, other_high) = distilled["ci95"], alone["ci95"]
        sure = high < other_low or other_high < low or not change
        chance = "" if sure else ". The 95 % intervals overlap: it may be chance"
        return (
            f"The teacher {'helped' if fewer else 'did not help'}: "
            f"{distilled['errors']} errors of {distilled['words']} words against "
            f"{alone['errors']}{change} of the student that learns in the same way "
            f"without it, and {self.row(HARD)['errors']} of the student of hard labels"
            f"{chance}"
        )

    @property
    def on_device(self) -> str:
        """A sentence: how many words the device gets wrong, and how large it is."""
        row, teacher = self.row(DEVICE), self.row(TEACHER)
        size = teacher["bytes"] / row["bytes"]
        return (
            f"The device gets {100 * row['wer']:.1f} % of the words wrong, with "
            f"{row['bytes']:,} bytes; the teacher {100 * teacher['wer']:.1f} %, with "
            f"{size:.0f} times as many"
        )

    @property
    def proven(self) -> str:
        """The verdict on the bundle, and a line for each check that did not pass."""
        outcomes = self.verification.outcomes
        lacking = [o for o in outcomes if o.status != PASSED]
        passed = f"{len(outcomes) - len(lacking)} of {len(outcomes)} checks passed"
        lines = [f"Verification: {self.verification.verdict}; {passed}"]
        return "\n".join(
            [*lines, *(f"  {o.stage}: {o.status}, {o.detail}" for o in lacking)]
        )

    def __str__(self) -> str:
        lines = [to_markdown(self.rows), f"{self.helped}.", f"{self.on_device}."]
        if not self.by_speaker:
            lines.append(
                "The same speakers may be heard in training and test: whoever speaks "
                "later will be understood less well."
            )
        return "\n".join([*lines, "", self.proven])
