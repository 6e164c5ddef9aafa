"""The outcome of one check of a bundle."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

from keras_rnn2dnn.deploy.loading import Bundle
from keras_rnn2dnn.deploy.toolchain import Workbench, missing_tools

PASSED, FAILED, NOT_RUN = "passed", "FAILED", "NOT RUN"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one check found.

    Args:
        stage: what was checked, and where.
        status: `PASSED`, `FAILED` or `NOT_RUN`.
        detail: numbers, or why it was not run.
        optional: whether the verdict may stand without it.
        tools: programs that are missing, for want of which it was not run.
    """

    stage: str
    status: str
    detail: str
    optional: bool = False
    tools: tuple[str, ...] = ()


def judged(stage: str, good: bool, detail: str) -> Outcome:
    """Returns a passed or failed outcome.

    Example:
        >>> judged("files", True, "3 files").status
        'passed'
    """
    return Outcome(stage, PASSED if good else FAILED, detail)


def missing(
    stage: str, tools: list[str], hint: str = "", optional: bool = False
) -> Outcome:
    """Returns the outcome of a check whose tools are missing."""
    listed = ", ".join(tools)
    return Outcome(stage, NOT_RUN, f"{listed} missing{hint}", optional, tuple(tools))


def on_targets(
    stage: str,
    targets: Mapping[str, str],
    check: Callable[[str, str], Outcome],
    bench: Workbench | None = None,
) -> Iterator[Outcome]:
    """Makes a check on each target; what fails on one does not end the others.

    Args:
        stage: what is checked.
        targets: names by target, as of `missing_tools`.
        check: called with the stage, the target's name added, and the target.
        bench: where the bundle is built, if some targets may be new to it.

    Yields:
        One outcome for each target.
    """
    for target, name in targets.items():
        title, lacking = f"{stage}: {name}", missing_tools(target)
        if lacking:  # a verdict does not need RISC-V
            yield missing(title, lacking, optional=target == "rv32")
            continue
        if bench is not None and not bench.builds_for(target):
            text = "an earlier version wrote this bundle, without a build for it"
            yield Outcome(title, NOT_RUN, text, optional=True)
            continue
        try:
            yield check(title, target)
        except RuntimeError as error:  # holds what a tool said
            yield judged(title, False, " ".join(str(error).split())[:600])


def not_in_bundle(stage: str, bundle: Bundle, optional: bool = False) -> Outcome:
    """Returns the outcome of checks of what the bundle does not hold."""
    why = bundle.report["firmware"]["refused"]
    return Outcome(stage, NOT_RUN, f"not in this bundle: {why}", optional)
