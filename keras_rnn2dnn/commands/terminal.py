"""What goes to the terminal: names of files and words may hold what controls it."""

import contextlib
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

# Control characters but \t, \n and \r, which commands write themselves; what reverses
# the direction of the text; halves of surrogate pairs, which no encoding has.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def shown(text: str) -> str:
    r"""Returns a text with everything escaped that would control a terminal.

    Example:
        >>> print(shown("a\x1b[2Jb"))
        a\x1b[2Jb
    """
    return _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)


def shown_name(name: str) -> str:
    r"""Returns the name of a file on one line, fit for a terminal.

    Example:
        >>> print(shown_name("a\nb.wav"))
        a\nb.wav
    """
    return re.sub(r"[\t\n\r]", lambda found: ascii(found[0])[1:-1], shown(name))


def say(text: str) -> None:
    """Writes a result to standard output."""
    sys.stdout.write(f"{text}\n")


@contextlib.contextmanager
def safe_output() -> Iterator[None]:
    """Passes all that is written to standard output and error through `shown`."""
    streams = sys.stdout, sys.stderr
    try:
        sys.stdout, sys.stderr = map(_Shown, streams)  # type: ignore[assignment]
        yield
    finally:
        sys.stdout, sys.stderr = streams


class _Shown:
    """A stream that passes on what `shown` returns, and everything else as it is."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(shown(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
