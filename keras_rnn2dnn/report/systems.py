"""How the systems of the demo are told apart: colour and dashes of each."""

from collections.abc import Sequence

from keras_rnn2dnn.report.svg import OKABE_ITO
from keras_rnn2dnn.report.table import DEVICE, DISTILLED, HARD, INT8, SELF, SOFT

TEACHER = "RNN teacher"
_LINES = {
    TEACHER: ("black", ""),
    HARD: ("orange", "6 3"),
    SELF: ("sky", "2 3"),
    SOFT: ("green", "9 3 2 3"),
    DISTILLED: ("vermillion", ""),
    INT8: ("blue", "6 3"),
    DEVICE: ("purple", "2 3"),
}


def lines_of(systems: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Returns the colour and the dashes of each system.

    Example:
        >>> lines_of(["RNN teacher"])
        {'RNN teacher': ('#000000', '')}
    """
    found = (_LINES.get(system, ("black", "2 3")) for system in systems)
    return {
        system: (OKABE_ITO[colour], dash)
        for system, (colour, dash) in zip(systems, found, strict=True)
    }
