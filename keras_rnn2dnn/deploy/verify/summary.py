"""The last line of `verify`: what was proven, what was not, and what is missing."""

from collections.abc import Iterable, Sequence

from keras_rnn2dnn.deploy.toolchain import packages_of
from keras_rnn2dnn.deploy.verify.outcome import FAILED, NOT_RUN, PASSED, Outcome
from keras_rnn2dnn.util.errors import pip_line

_COMPARED = ("network", "features", "words", "stream")
PYTHON_TOOL = "tflite-micro"


def last_line(verdict: str, outcomes: Sequence[Outcome]) -> str:
    """Returns a sentence for each of the three, after the verdict.

    Args:
        verdict: as of `Verification`.
        outcomes: of every stage.

    Example:
        >>> from keras_rnn2dnn.deploy.verify.outcome import missing
        >>> outcome = missing("words: QEMU Cortex-M3", ["qemu-system-arm"])
        >>> last_line("not verified", [outcome]).split(". ")[1:]
        ['Not run: words in QEMU Cortex-M3', 'For these: apt install qemu-system-arm']
    """
    failed = [o.stage for o in outcomes if o.status == FAILED]
    if failed:
        return f"verdict: {verdict}. {len(failed)} failed: {'; '.join(failed[:4])}"
    sentences = [f"verdict: {verdict}"]
    if proven := _places(outcomes, PASSED):
        sentences.append(f"Same bits as in Python: {proven}")
    left_out = (o for o in outcomes if o.status == NOT_RUN)
    if lacking := [o for o in left_out if o.tools or not o.optional]:
        found = _places(lacking, NOT_RUN) or "; ".join(o.stage for o in lacking[:4])
        sentences.append(f"Not run: {found}")
    if ways := installing({tool for o in lacking for tool in o.tools}):
        sentences.append(f"For these: {ways}")
    return ". ".join(sentences)


def _places(outcomes, status):
    """Returns what has a status, and where: `network, words in C on the host, TFLM`."""
    found: dict[str, list[str]] = {}
    for outcome in outcomes:
        what, _, place = outcome.stage.partition(": ")
        exact = place.startswith(("C on", "QEMU", "TFLM"))
        if outcome.status == status and what in _COMPARED and exact:
            found.setdefault(place, []).append(what)
    places: dict[str, list[str]] = {}
    for place, several in found.items():
        places.setdefault(", ".join(several), []).append(place)
    return "; ".join(f"{what} in {', '.join(names)}" for what, names in places.items())


def installing(tools: Iterable[str]) -> str:
    """Returns the commands that install programs, and the package tflite-micro.

    Example:
        >>> installing(["cc", "tflite-micro"])
        'apt install build-essential; pip install tflite-micro'
    """
    ways = []
    if packages := packages_of(tools):
        ways.append(f"apt install {' '.join(packages)}")
    if PYTHON_TOOL in tools:
        ways.append(pip_line("micro"))
    return "; ".join(ways)
