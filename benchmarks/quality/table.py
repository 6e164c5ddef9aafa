"""Results: errors by recording, their bootstrap, choices, tables."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_rnn2dnn.scoring.word_errors import align_words
from keras_rnn2dnn.util.files import new_file

_RESAMPLES = 2000
GIVEN = OFFICIAL, COMMANDS = "official", "commands"  # splits; others are speakers
HARD, TEACHER, BEST = "hard labels", "RNN teacher", "best recipe"
HARD_BOOSTED, REALIGNED = (
    "hard labels, boosted paths",
    "hard labels, realigned by itself",
)
ORACLE = "hard labels of an oracle"
ALIGNED, BOOSTED = "aligned by the teacher", "aligned by the teacher, boosted paths"
SECOND = f"{BOOSTED}, second round"
_SELF_TRAINED = "self-training, boosted paths, second round"
COMPARED = (  # what docs, docstrings and the README speak of
    (HARD, TEACHER),
    (BEST, HARD),
    (BEST, HARD_BOOSTED),
    (BEST, REALIGNED),
    (BEST, _SELF_TRAINED),
    (BEST, TEACHER),
    (f"{BEST}, int8", BEST),
    (f"{BEST}, int8", TEACHER),
    (f"{BEST}, student 112,112, int8", TEACHER),
    (ORACLE, HARD),
    ("soft", HARD),
    ("forward-backward", HARD),
    (ALIGNED, HARD),
    (HARD_BOOSTED, HARD),
    (REALIGNED, HARD_BOOSTED),
    (BOOSTED, ALIGNED),
    (BOOSTED, HARD_BOOSTED),
    (SECOND, REALIGNED),
    ("taught by the assistant", BOOSTED),
    ("time-delay student", "time-delay student, hard labels"),
    ("hard + one-best", HARD),
    ("matched priors", "hard + one-best"),
    ("boosted paths", "matched priors"),
    ("boosted paths, second round", "boosted paths"),
    ("committee, boosted paths, second round", "boosted paths, second round"),
)


@dataclasses.dataclass(frozen=True)
class Result:
    """What one system gave on one split and seed.

    Args:
        row: name of the system.
        split: held-out speaker, or one of `GIVEN`.
        seed: of the run.
        num_bytes: of the model as it would be stored.
        development: word errors and words on the decoder's strings.
        choice: the same on the strings for the choice of the recipe.
        test: the same of each recording of the test.
        decoder: prior scale and insertion penalty.
    """

    row: str
    split: str
    seed: int
    num_bytes: int
    development: tuple[int, int]
    choice: tuple[int, int]
    test: dict[str, tuple[int, int]]
    decoder: tuple[float, float]

    def save(self, path: Path):
        """Writes it as JSON."""
        with new_file(path) as temporary:
            temporary.write_text(json.dumps(dataclasses.asdict(self)) + "\n")

    @classmethod
    def load(cls, path: Path):
        """Reads it."""
        return cls(**json.loads(path.read_text()))


def errors_by_recording(references, recordings, hypotheses) -> dict:
    """Counts word errors and words of each recording.

    An inserted word counts for the recording before it, at the start for the first.

    Args:
        references: words of each string.
        recordings: of each word of it.
        hypotheses: words recognised in each string.
    """
    counts = {name: [0, 0] for names in recordings for name in names}
    for pairs, names in zip(
        align_words(references, hypotheses), recordings, strict=True
    ):
        said = 0
        for one, heard in pairs:
            name = names[said if one is not None else max(said - 1, 0)]
            counts[name][0] += one != heard
            counts[name][1] += one is not None
            said += one is not None
    return {name: tuple(count) for name, count in counts.items()}


class Summary:
    """Systems on the same test: totals, and a bootstrap over speakers and recordings.

    Speakers are drawn with replacement, then recordings of each, the same ones for
    all systems; a recording stands for its words in all strings and seeds.

    Args:
        results: of all systems, splits and seeds of one protocol.
    """

    def __init__(self, results: Sequence[Result]):
        self.rows = list(dict.fromkeys(r.row for r in results))
        self.results = results
        names = sorted({name for r in results for name in r.test})
        place = {name: n for n, name in enumerate(names)}
        counts = np.zeros((len(self.rows), len(names), 2))
        for result in results:
            for name, count in result.test.items():
                counts[self.rows.index(result.row), place[name]] += count
        self.totals = counts.sum(axis=1)
        self.drawn = self._draw(counts, np.array([n.split("_")[1] for n in names]))

    def _draw(self, counts, speakers):
        rng = np.random.default_rng(0)
        groups = [np.flatnonzero(speakers == s) for s in np.unique(speakers)]
        drawn = np.zeros((_RESAMPLES, len(self.rows), 2))
        for number in range(_RESAMPLES):
            for chosen in rng.integers(len(groups), size=len(groups)):
                group = groups[chosen]
                again = rng.choice(group, len(group))
                drawn[number] += counts[:, again].sum(axis=1)
        return drawn

    def errors(self, row):
        """Returns word errors and words of the test."""
        return tuple(int(n) for n in self.totals[self.rows.index(row)])

    def of(self, row, use):
        """Returns word errors and words of `development` or `choice`."""
        found = [getattr(r, use) for r in self.results if r.row == row]
        return tuple(int(n) for n in np.sum(found, axis=0))

    def rate(self, row):
        """Returns the word error rate with its 95 % interval, in %."""
        number = self.rows.index(row)
        rates = self.drawn[:, number, 0] / self.drawn[:, number, 1]
        errors, words = self.totals[number]
        return 100 * errors / words, *(100 * np.quantile(rates, (0.025, 0.975)))

    def change(self, row, other):
        """Returns the relative change of the rate with its 95 % interval, in %."""
        one, two = self.rows.index(row), self.rows.index(other)
        rates = self.drawn[..., 0] / self.drawn[..., 1]
        total = self.totals[:, 0] / self.totals[:, 1]
        drawn = rates[:, one] / rates[:, two]
        limits = np.quantile(drawn, (0.025, 0.975))
        return 100 * (total[one] / total[two] - 1), *(100 * (limits - 1))

    def table(self, names=None):
        """Returns the systems as a Markdown table."""
        lines = [
            "| system | bytes | tuning | development | test | WER % (95 %) "
            "| against hard labels (95 %) | against the teacher |",
            "|---|---:|---:|---:|---:|---:|---:|---:|",
        ]
        for row in names or self.rows:
            rate = "{:.2f} ({:.1f}-{:.1f})".format(*self.rate(row))
            hard = "{:+.1f} % ({:+.0f} to {:+.0f})".format(*self.change(row, HARD))
            num_bytes = max(r.num_bytes for r in self.results if r.row == row)
            cells = (
                row,
                f"{num_bytes:,}",
                "{}/{}".format(*self.of(row, "development")),
                "{}/{}".format(*self.of(row, "choice")),
                "{}/{}".format(*self.errors(row)),
                rate,
                "-" if row == HARD else hard,
                f"{self.change(row, TEACHER)[0]:+.1f} %" if row != TEACHER else "-",
            )
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)

    def comparisons(self, pairs):
        """Returns pairs of systems, the second as the base, as a Markdown table."""
        lines = [
            "| system | against | development | test | change (95 %) |",
            "|---|---|---:|---:|---:|",
        ]
        for row, other in pairs:
            if row in self.rows and other in self.rows:
                chosen = f"{self.of(row, 'choice')[0]} / {self.of(other, 'choice')[0]}"
                errors = f"{self.errors(row)[0]} / {self.errors(other)[0]}"
                change = "{:+.1f} % ({:+.0f} to {:+.0f})".format(
                    *self.change(row, other)
                )
                lines.append(f"| {row} | {other} | {chosen} | {errors} | {change} |")
        return "\n".join(lines)


def chosen_row(results: Sequence[Result], candidates, split: str) -> str:
    """Returns the row with the fewest errors on strings for the choice.

    Those of the held-out speaker itself do not count: another one's recipe is chosen
    by the other speakers. The given splits have one list of such strings each.

    Args:
        results: of all splits and seeds.
        candidates: names of rows.
        split: to choose for.
    """
    if split in GIVEN:
        splits = {split}
    else:
        speakers = {result.split for result in results} - {*GIVEN}
        splits = speakers - {split} or speakers
    errors = dict.fromkeys(candidates, 0)
    for result in results:
        if result.row in errors and result.split in splits:
            errors[result.row] += result.choice[0]
    return min(errors, key=errors.get)


def load_results(out: Path) -> list[Result]:
    """Returns all results under a directory, in the order in which they were made."""
    paths = sorted(out.glob("*/*.json"), key=lambda path: path.stat().st_mtime_ns)
    return [Result.load(path) for path in paths]
