"""What goes to the terminal: names of files and words may hold what controls it."""

import contextlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

# Control characters but \t, \n and \r, which commands write themselves; what reverses
# the direction of the text; halves of surrogate pairs, which no encoding has.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
RED, GREEN, YELLOW = "31", "32", "33"


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


def coloured(stream: TextIO) -> bool:
    """Tells whether a stream is a terminal that shows colours, and they are wanted.

    `NO_COLOR` in the environment, whatever it says, means that they are not.
    """
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and stream.isatty()


def program_name() -> str:
    """Returns how the command was called, to be copied into a shell."""
    called = Path(sys.argv[0])
    if called.parent.name == "keras_rnn2dnn":  # `python -m`
        return f"{shlex.quote(sys.executable)} -m keras_rnn2dnn"
    found = shutil.which(called.name)
    if called.name != "rnn2dnn" or (found and Path(found).samefile(called)):
        return "rnn2dnn"
    return shlex.quote(str(called))


def write_error(program: str, text: str) -> None:
    """Writes an error, on one line, to standard error."""
    write(sys.stderr, f"{shown_name(program)}: ")
    write(sys.stderr, "error:", RED)
    write(sys.stderr, f" {shown_name(text)}\n")


def write(stream: TextIO, text: str, colour: str = "") -> None:
    """Writes to a stream, in a colour where it shows colours.

    Args:
        stream: standard output or error, within `safe_output` or not.
        text: may hold what controls a terminal: it is escaped.
        colour: `RED`, `GREEN` or `YELLOW`; none by default.
    """
    text = shown(text)
    if colour and coloured(stream):
        text = f"\x1b[{colour}m{text}\x1b[0m"
    target = stream.unescaped if isinstance(stream, _Shown) else stream
    target.write(text)


def say(text: str) -> None:
    """Writes a result to standard output."""
    sys.stdout.write(f"{text}\n")


def say_coloured(text: str, colours: Mapping[str, str]) -> None:
    """Writes a result, the first of some words in each line in its colour.

    Args:
        text: lines.
        colours: as of `write`, by word.
    """
    words = re.compile(f"({'|'.join(map(re.escape, colours))})")
    for line in text.splitlines():
        for part in words.split(line, maxsplit=1):
            write(sys.stdout, part, colours.get(part, ""))
        write(sys.stdout, "\n")


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
        self.unescaped = stream

    def write(self, text: str) -> int:
        self.unescaped.write(shown(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unescaped, name)
