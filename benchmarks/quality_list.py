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
    Row("hard labels, sequence training", sequence=True),
)
_MATCHED = {"unknown": "one-best", "matched": True}
_SELF = (
    Row("self-training", unknown="one-best", labeller=HARD),
    Row("hard labels, outputs matched to the priors", outputs_matched=True),
    Row("self-training, matched priors", **_MATCHED, labeller=HARD),
    Row(
        "self-training, matched priors, weight 0.3",
        **_MATCHED,
        known_weight=0.3,
        labeller=HARD,
    ),
    Row(
        "self-training, matched priors, weight 0.3, second round",
        **_MATCHED,
        known_weight=0.3,
        labeller="self-training, matched priors, weight 0.3",
    ),
)
_ALIGNED = {**_MATCHED, "known": "path"}
_LIGHT = {**_ALIGNED, "known_weight": 0.3}
_NEW_SPEAKER = (
    Row("hard + one-best", unknown="one-best"),
    Row("hard + one-best, a quarter unlabelled", unknown="one-best", share=0.25),
    Row("hard + decoded path", unknown="path"),
    Row("matched priors", **_ALIGNED),
    Row("matched priors, soft", known="soft", unknown="soft", matched=True),
    Row("matched priors, decoded path", known="path", unknown="path", matched=True),
    Row(
        "matched priors, sequence",
        known="path",
        unknown="path",
        matched=True,
        sequence=True,
    ),
    Row("matched priors, three quarters unlabelled", **_ALIGNED, share=0.75),
    Row("matched priors, weight 0.1", **_ALIGNED, known_weight=0.1),
    Row("matched priors, weight 0.3", **_LIGHT),
    Row("matched priors, weight 0.3, ensemble", **_LIGHT, labeller="ensemble"),
    Row(
        "matched priors, second round",
        **_ALIGNED,
        labeller="matched priors",
    ),
    Row(
        "matched priors, weight 0.3, second round",
        **_LIGHT,
        labeller="matched priors, weight 0.3",
    ),
    Row(
        "matched priors, weight 0.3, ensemble, second round",
        **_LIGHT,
        labeller="matched priors, weight 0.3, ensemble",
    ),
)
_OFFICIAL = (
    Row("aligned by the teacher", known="path"),
    Row("forward-backward of the ensemble", known="occupancies", labeller="ensemble"),
    Row("aligned by the ensemble", known="path", labeller="ensemble"),
    Row("one-best, sequence", known="one-best", sequence=True),
    Row("aligned by the teacher, sequence", known="path", sequence=True),
    Row(
        "aligned by the ensemble, sequence",
        known="path",
        labeller="ensemble",
        sequence=True,
    ),
    Row("forward-backward, sequence", known="occupancies", sequence=True),
    Row(
        "forward-backward of the ensemble, sequence",
        known="occupancies",
        labeller="ensemble",
        sequence=True,
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
    "aligned by the teacher, sequence",
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
    controls = {row.name for row in (*CONTROLS, *_SELF)}
    return [row.name for row in rows(official, quick) if row.name not in controls]


def sizes(quick: bool) -> dict[str, str]:
    """Returns further students, by the name of their row."""
    names = list(STUDENTS)[1 :: 3 if quick else 1]
    return {f"best recipe, student {name}": name for name in names}
