"""The rows: the recipe, its variations, and controls."""

from benchmarks.quality.rows import Row
from benchmarks.quality.table import (
    ALIGNED,
    BOOSTED,
    COMMANDS,
    GIVEN,
    HARD,
    HARD_BOOSTED,
    ORACLE,
    REALIGNED,
    SECOND,
)

CONTROLS = (
    Row(HARD),
    Row(HARD_BOOSTED, boost=1.0),
    Row(REALIGNED, known="path", labeller=HARD_BOOSTED, boost=1.0),
    Row(ORACLE, known="oracle"),
    Row(f"{ORACLE}, boosted paths", known="oracle", boost=1.0),
)
_PATH = {"known": "path", "boost": 1.0}
_TAUGHT = (
    Row("soft", known="soft"),
    Row("soft, T = 2", known="soft", temperature=2.0),
    Row("soft, teacher hears the noise", known="soft", hears="noisy"),
    Row("one-best", known="one-best"),
    Row("forward-backward", known="occupancies"),
    Row(
        "forward-backward, teacher hears the noise", known="occupancies", hears="noisy"
    ),
    Row(ALIGNED, known="path"),
    Row("forward-backward, boosted paths", known="occupancies", boost=1.0),
    Row(BOOSTED, **_PATH),
    Row(SECOND, **_PATH, labeller=BOOSTED),
    Row(f"{BOOSTED}, then by both", **_PATH, labeller=f"teacher and {BOOSTED}"),
)
_ASSISTANT = (
    Row("assistant of the teacher", **_PATH, student="assistant 256,256,256"),
    Row("taught by the assistant", **_PATH, labeller="assistant of the teacher"),
    Row("time-delay student", **_PATH, student="time-delay 80,72,60"),
    Row("time-delay student, hard labels", boost=1.0, student="time-delay 80,72,60"),
)
_LIGHT = {"unknown": "one-best", "matched": True, "known_weight": 0.3}
_UNLABELLED = {**_LIGHT, "unknown": "path", "boost": 1.0}
_SELF = (
    Row("self-training", unknown="one-best", labeller=HARD),
    Row("hard labels, outputs matched to the priors", outputs_matched=True),
    Row("self-training, boosted paths", **_UNLABELLED, labeller=HARD),
    Row(
        "self-training, boosted paths, second round",
        **_UNLABELLED,
        labeller="self-training, boosted paths",
    ),
)
_NEW_SPEAKER = (
    Row("soft, with unlabelled", known="soft", unknown="soft"),
    Row("hard + one-best", unknown="one-best"),
    Row("matched priors", known="path", **_LIGHT),
    Row("boosted paths", known="path", **_UNLABELLED),
    Row(
        "boosted paths, second round",
        known="path",
        **_UNLABELLED,
        labeller="boosted paths",
    ),
    Row(
        "committee, boosted paths",
        known="path",
        **_UNLABELLED,
        labeller=f"teacher and {HARD}",
    ),
    Row(
        "committee, boosted paths, second round",
        known="path",
        **_UNLABELLED,
        labeller="committee, boosted paths",
    ),
)
# At 201 states a row takes minutes: what was no help with 51 is left out.
_NOT_OF_COMMANDS = {
    *("soft, T = 2", "soft, teacher hears the noise", "one-best"),
    "forward-backward, teacher hears the noise",
}
_QUICK = {
    *(HARD, HARD_BOOSTED, REALIGNED, "soft", "forward-backward", BOOSTED, SECOND),
    *("self-training", "boosted paths", "boosted paths, second round"),
}


def rows(protocol: str, quick: bool) -> list[Row]:
    """Returns the students of a protocol, the one of hard labels first."""
    if protocol in GIVEN:
        found = [*CONTROLS, *_TAUGHT]
        if protocol == COMMANDS:
            found = [row for row in found if row.name not in _NOT_OF_COMMANDS]
        else:
            found += _ASSISTANT
    else:
        found = [*CONTROLS[:2], *_SELF, *_NEW_SPEAKER]
    return [row for row in found if not quick or row.name in _QUICK]


def candidates(protocol: str, quick: bool) -> list[str]:
    """Returns names of rows among which the recipe is chosen, all of one size."""
    return [
        row.name
        for row in rows(protocol, quick)
        if not row.name.startswith((HARD, "self-training")) and row.student == "64,64"
    ]


def sizes(quick: bool) -> dict[str, str]:
    """Returns further students, by the name of their row."""
    names = ("16,16",) if quick else ("16,16", "112,112")
    return {f"best recipe, student {name}": name for name in names}
