"""The rows: the recipe, its variations, and controls."""

import dataclasses
import itertools

from benchmarks.quality.rows import Row
from benchmarks.quality.table import HARD

_KINDS = {
    "soft, T = 0.5": {"known": "soft", "temperature": 0.5},
    "soft": {"known": "soft"},
    "soft, T = 2": {"known": "soft", "temperature": 2.0},
    "one-best": {"known": "one-best"},
    "forward-backward": {"known": "occupancies"},
}
_PATHS = {"paths": "all", "boost": 1.0}
CONTROLS = (
    Row(HARD),
    Row("hard labels, boosted paths", **_PATHS),
)
_LIGHT = {"unknown": "one-best", "matched": True, "known_weight": 0.3}
_BOOSTED = {**_LIGHT, **_PATHS, "unknown": "path"}
_SELF = (
    Row("self-training", unknown="one-best", labeller=HARD),
    Row("hard labels, outputs matched to the priors", outputs_matched=True),
    Row("self-training, boosted paths", **_BOOSTED, labeller=HARD),
    Row(
        "self-training, boosted paths, second round",
        **_BOOSTED,
        labeller="self-training, boosted paths",
    ),
)
_TEACHER, _ENSEMBLE = {"known": "path"}, {"known": "path", "labeller": "ensemble"}
_NEW_SPEAKER = (
    Row("hard + one-best", unknown="one-best"),
    Row("matched priors", **_TEACHER, **_LIGHT),
    Row("boosted paths", **_TEACHER, **_BOOSTED),
    Row(
        "boosted paths, second round",
        **_TEACHER,
        **_BOOSTED,
        labeller="boosted paths",
    ),
    Row(
        "committee, boosted paths",
        **_TEACHER,
        **_BOOSTED,
        labeller=f"teacher and {HARD}",
    ),
    Row(
        "committee, boosted paths, second round",
        **_TEACHER,
        **_BOOSTED,
        labeller="committee, boosted paths",
    ),
)
_OFFICIAL = (
    Row("hard labels, paths", paths="all"),
    Row("aligned by the teacher", **_TEACHER),
    Row("aligned by the teacher, paths", **_TEACHER, paths="all"),
    Row("aligned by the teacher, boosted paths", **_TEACHER, **_PATHS),
    Row(
        "aligned by the teacher, boosted paths, second round",
        known="path",
        labeller="aligned by the teacher, boosted paths",
        **_PATHS,
    ),
    Row("aligned by the ensemble", **_ENSEMBLE),
    Row("aligned by the ensemble, boosted paths", **_ENSEMBLE, **_PATHS),
)
_QUICK = (
    *(row.name for row in CONTROLS),
    "soft",
    "one-best",
    "self-training",
    "matched priors",
    "boosted paths",
    "boosted paths, second round",
    "aligned by the teacher, boosted paths",
)


_TEACHERS = {
    "teacher with SpecAugment": ("labeller", "SpecAugment"),
    "GRU teacher": ("labeller", "GRU"),
    "LSTM and GRU teacher together": ("labeller", "LSTM and GRU"),
    "the same noisy strings in all epochs": ("banks", 1),
}
_STUDENTS = {
    f"student, {name}": ("student", name)
    for name in (
        "every second frame of 41",
        "every second frame of 21",
        "factored 32,128,112",
        "decorrelated 104,96",
        "time-delay 80,72,60",
    )
}
# What else a teacher that hears the noise may give; "soft" is among `rows`.
_OF_NOISE = ("one-best", "forward-backward", "soft, T = 0.5", "soft, T = 2")


def _hearing_noise(also=""):
    """Returns trials of a teacher that hears the noise, by the name of their base."""
    return {
        kind + also: {f"{kind}, teacher hears the noise{also}": ("hears", "noisy")}
        for kind in _OF_NOISE
    }


_TRIALS = {
    "boosted paths": {
        **_TEACHERS,
        "ensemble of the teachers of all seeds": ("labeller", "ensemble"),
        "teacher adapted to what it recognises": ("labeller", "adapted"),
        "surest two thirds of the strings": ("sure", "utterances"),
        "ever more unlabelled strings": ("rising", True),
        "boosted paths, priors not matched": ("matched", False),
        "boosted paths, skewed words": ("skewed", True),
        **_STUDENTS,
    },
    "matched priors": {
        "matched priors, weight 1": ("known_weight", 1.0),
        "matched priors, decoded": ("unknown", "path"),
        "frames weighed by certainty": ("sure", "weights"),
        "frames given 0.7 or more": ("sure", "frames"),
    },
    "hard + one-best": {"hard + one-best, skewed words": ("skewed", True)},
    **_hearing_noise(),
    **_hearing_noise(", with unlabelled"),
}
_OFFICIAL_TRIALS = {
    "aligned by the teacher, boosted paths": {
        **_TEACHERS,
        **_STUDENTS,
        "forward-backward, boosted paths": ("known", "occupancies"),
        "boosted paths later": ("paths", "later"),
    },
    "aligned by the teacher, paths": {
        "forward-backward, paths": ("known", "occupancies")
    },
    "aligned by the teacher": {"minimum Bayes risk": ("paths", "risk")},
    **_hearing_noise(),
}


def rows(official: bool, quick: bool) -> list[Row]:
    """Returns the students of a protocol, the one of hard labels first."""
    found = [*CONTROLS]
    for (name, kind), hears in itertools.product(_KINDS.items(), ("clean", "noisy")):
        if name != "soft" and hears == "noisy":
            continue  # the others are compared on clean audio
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
    """Returns names of rows among which the recipe is chosen: of one teacher each."""
    return [
        row.name
        for row in rows(official, quick)
        if not row.name.startswith(("hard labels", "self-training"))
        and row.labeller != "ensemble"
    ]


def sizes(quick: bool) -> dict[str, str]:
    """Returns further students, by the name of their row."""
    names = ("16,16",) if quick else ("16,16", "112,112")
    return {f"best recipe, student {name}": name for name in names}


def trials(official: bool) -> list[tuple[Row, str]]:
    """Returns what else was tried, each with the name of the row that it changes."""
    of_name = {row.name: row for row in rows(official, quick=False)}
    return [
        (dataclasses.replace(of_name[base], name=name, **{field: value}), base)
        for base, changes in (_OFFICIAL_TRIALS if official else _TRIALS).items()
        for name, (field, value) in changes.items()
    ]
