"""The outcome of one check of a bundle."""

import dataclasses

from keras_rnn2dnn.deploy.loading import Bundle

PASSED, FAILED, NOT_RUN = "passed", "FAILED", "NOT RUN"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one check found.

    Args:
        stage: what was checked, and where.
        status: `PASSED`, `FAILED` or `NOT_RUN`.
        detail: numbers, or why it was not run.
        optional: whether the verdict may stand without it.
    """

    stage: str
    status: str
    detail: str
    optional: bool = False


def judged(stage: str, good: bool, detail: str) -> Outcome:
    """Returns a passed or failed outcome.

    Example:
        >>> judged("files", True, "3 files")
        Outcome(stage='files', status='passed', detail='3 files', optional=False)
    """
    return Outcome(stage, PASSED if good else FAILED, detail)


def missing(stage: str, tools: list[str], hint: str = "") -> Outcome:
    """Returns the outcome of a check whose tools are missing."""
    listed = ", ".join(tools)
    return Outcome(stage, NOT_RUN, f"{listed} missing{hint}")


def not_in_bundle(stage: str, bundle: Bundle, optional: bool = False) -> Outcome:
    """Returns the outcome of checks of what the bundle does not hold."""
    why = bundle.report["firmware"]["refused"]
    return Outcome(stage, NOT_RUN, f"not in this bundle: {why}", optional)
