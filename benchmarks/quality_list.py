"""The rows of `quality.py`."""

import dataclasses
import itertools

from quality_rows import STUDENTS, Row
from quality_table import HARD

_KINDS = {
    "soft, T = 0.5": {"known": "soft", "temperature": 0.5},
    "soft": {"known": "soft"},
    "soft, T = 2": {"known": "soft", "temperature": 2.0},
    "one-best": {"known": "one-best"},
    "forward-backward": {"known": "occupancies"},
}
CONTROLS = (
    Row(HARD),
    Row("hard labels, sequence training", paths="later"),
)
_MATCHED = {"unknown": "one-best", "matched": True}
_MATCHED_LIGHT = {**_MATCHED, "known_weight": 0.3}
_TWICE = "twice the updates"
_SELF = (
    Row("self-training", unknown="one-best", labeller=HARD),
    Row("hard labels, outputs matched to the priors", outputs_matched=True),
    Row("self-training, matched priors, weight 0.3", **_MATCHED_LIGHT, labeller=HARD),
    Row(
        "self-training, matched priors, weight 0.3, second round",
        **_MATCHED_LIGHT,
        labeller="self-training, matched priors, weight 0.3",
    ),
)
_ALIGNED = {**_MATCHED, "known": "path"}
_LIGHT = {**_MATCHED_LIGHT, "known": "path"}
_NEW_SPEAKER = (
    Row("hard + one-best", unknown="one-best"),
    Row("hard + one-best, skewed words", unknown="one-best", skewed=True),
    Row("matched priors", **_ALIGNED),
    Row("matched priors, skewed words", **_ALIGNED, skewed=True),
    Row("matched priors, weighed by certainty", **_ALIGNED, sure=True),
    Row("matched priors, decoded path", known="path", unknown="path", matched=True),
    Row(
        "matched priors, decoded path, paths later",
        known="path",
        unknown="path",
        matched=True,
        paths="later",
    ),
    Row("matched priors, weight 0.3", **_LIGHT),
    Row("matched priors, weight 0.3, ensemble", **_LIGHT, labeller="ensemble"),
    Row(
        "matched priors, weight 0.3, second round",
        **_LIGHT,
        labeller="matched priors, weight 0.3",
    ),
)
_ENSEMBLE = {"known": "path", "labeller": "ensemble"}
_OFFICIAL = (
    Row("hard labels, minimum Bayes risk", paths="risk"),
    Row("aligned by the teacher", known="path"),
    Row("aligned by the teacher, paths later", known="path", paths="later"),
    Row("aligned by the teacher, paths", known="path", paths="all"),
    Row("forward-backward, paths later", known="occupancies", paths="later"),
    Row("aligned by the ensemble", **_ENSEMBLE),
    Row("aligned by the ensemble, paths later", **_ENSEMBLE, paths="later"),
    Row("aligned by the ensemble, minimum Bayes risk", **_ENSEMBLE, paths="risk"),
    Row("forward-backward of the ensemble", known="occupancies", labeller="ensemble"),
    Row(f"hard labels, {_TWICE}", updates=2),
    Row(f"hard labels, sequence training, {_TWICE}", paths="later", updates=2),
    Row(
        f"aligned by the ensemble, paths later, {_TWICE}",
        **_ENSEMBLE,
        paths="later",
        updates=2,
    ),
)
_QUICK = (
    *(row.name for row in CONTROLS),
    "soft",
    "one-best",
    "self-training",
    "matched priors",
    "matched priors, weight 0.3",
    "matched priors, weight 0.3, second round",
    "aligned by the teacher, paths later",
)


def rows(official: bool, quick: bool) -> list[Row]:
    """Returns the students of a protocol, the one of hard labels first."""
    found = [*CONTROLS]
    for (name, kind), hears in itertools.product(_KINDS.items(), ("clean", "noisy")):
        if "T = " in name and hears == "noisy":
            continue  # the temperatures are compared on clean audio
        name = name if hears == "clean" else f"{name}, teacher hears the noise"
        row = Row(name, hears=hears, **kind)
        found.append(row)
        if not official:
            found.append(
                dataclasses.replace(
                    row, name=f"{name}, with unlabelled", unknown=row.known
                )
            )
    found += _OFFICIAL if official else (*_SELF, *_NEW_SPEAKER)
    return [row for row in found if not quick or row.name in _QUICK]


def candidates(official: bool, quick: bool) -> list[str]:
    """Returns names of rows among which the recipe is chosen: no control is one."""
    return [
        row.name
        for row in rows(official, quick)
        if not row.name.startswith(("hard labels", "self-training"))
        and not row.skewed
        and row.updates == 1
    ]


def sizes(quick: bool) -> dict[str, str]:
    """Returns further students, by the name of their row."""
    names = list(STUDENTS)[1 :: 3 if quick else 1]
    return {f"best recipe, student {name}": name for name in names}
