"""Errors of all systems on the same clips, their bootstrap, the choice, Markdown."""

from collections.abc import Sequence

import numpy as np

_RESAMPLES = 2000
_LIMITS = (0.025, 0.975)


class Errors:
    """Errors of systems on one set of clips, with a bootstrap.

    Speakers are drawn with replacement, then clips of each, the same ones for all
    systems; clips of silence, which nobody says, are drawn among themselves. A clip
    stands for what all seeds make of it.

    Args:
        outputs: of each system by its name: of each seed, `(clips, classes)`.
        labels: `(clips,)`.
        speakers: of each clip; "" of silence.

    Example:
        >>> outputs = {"a": [np.eye(2)], "b": [np.eye(2)[::-1]]}
        >>> errors = Errors(outputs, np.array([0, 1]), np.array(["ann", "bob"]))
        >>> errors.counts("b"), errors.accuracy("a")[0]
        ((2, 2), 100.0)
    """

    def __init__(self, outputs, labels, speakers):
        self.names, self.labels = list(outputs), labels
        wrong = [
            np.mean([z.argmax(-1) != labels for z in seeds], axis=0)
            for seeds in outputs.values()
        ]
        self.seeds = {name: len(seeds) for name, seeds in outputs.items()}
        self.wrong = np.array(wrong)  # share of the seeds, (systems, clips)
        self.drawn = self.wrong @ _draws(speakers).T / len(labels)

    def counts(self, name: str) -> tuple[int, int]:
        """Returns errors and clips, of all seeds together."""
        seeds, number = self.seeds[name], self.names.index(name)
        return round(seeds * self.wrong[number].sum()), seeds * len(self.labels)

    def of_classes(self, name: str, classes: Sequence[int]) -> int:
        """Returns the errors on clips of some classes, of all seeds together."""
        number, among = self.names.index(name), np.isin(self.labels, classes)
        return round(self.seeds[name] * self.wrong[number][among].sum())

    def accuracy(self, name: str) -> tuple[float, float, float]:
        """Returns the accuracy with its 95 % interval, in %."""
        number = self.names.index(name)
        low, high = np.quantile(1 - self.drawn[number], _LIMITS)
        return 100 * (1 - self.wrong[number].mean()), 100 * low, 100 * high

    def change(self, name: str, other: str) -> tuple[float, float, float]:
        """Returns the relative change of the errors with its 95 % interval, in %."""
        one, two = self.names.index(name), self.names.index(other)
        least = 0.5 / len(self.labels)  # of a draw without an error
        drawn = np.maximum(self.drawn[one], least) / np.maximum(self.drawn[two], least)
        whole = self.wrong[one].sum() / max(self.wrong[two].sum(), 0.5)
        low, high = np.quantile(drawn, _LIMITS)
        return 100 * (whole - 1), 100 * (low - 1), 100 * (high - 1)


def _draws(speakers):
    """Returns how often each clip is drawn, `(draws, clips)`."""
    rng = np.random.default_rng(0)
    groups = [np.flatnonzero(speakers == s) for s in np.unique(speakers) if s]
    silence = np.flatnonzero(speakers == "")
    drawn = np.zeros((_RESAMPLES, len(speakers)), np.float32)
    for row in drawn:
        chosen = [groups[n] for n in rng.integers(len(groups), size=len(groups))]
        for group in [*chosen, silence] if len(silence) else chosen:
            np.add.at(row, rng.choice(group, len(group)), 1)
        row *= len(speakers) / row.sum()
    return drawn


def chosen(candidates: Sequence[str], sets: Sequence[Errors]) -> str:
    """Returns the name with the fewest errors in several sets; the first of equal ones.

    Args:
        candidates: names.
        sets: of the development.
    """
    return min(candidates, key=lambda name: sum(s.counts(name)[0] for s in sets))


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table whose first column is of words."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def interval(value: tuple[float, float, float], relative: bool = False) -> str:
    """Writes a number and its interval, in %.

    Example:
        >>> interval((97.123, 96.5, 98.0)), interval((-12.3, -20, 3.4), relative=True)
        ('97.12 (96.5-98.0)', '-12.3 % (-20 to +3)')
    """
    if relative:
        return "{:+.1f} % ({:+.0f} to {:+.0f})".format(*value)
    return "{:.2f} ({:.1f}-{:.1f})".format(*value)
