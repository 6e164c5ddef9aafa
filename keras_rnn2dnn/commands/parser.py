"""What the parsers of all commands share."""

import argparse
import re
import sys
from collections.abc import Callable

_CONTROL = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f]")
_EPILOG = """example:
  {example}
"""


def add_command(
    commands, name: str, run: Callable, summary: str, example: str
) -> argparse.ArgumentParser:
    """Adds a command, with an example in its help.

    Args:
        commands: of `argparse`.
        name: of the command.
        run: called with the parsed options.
        summary: one sentence.
        example: a command line.

    Returns:
        Its parser.
    """
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=_EPILOG.format(example=example),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--verbose", action="store_true", help="say more, with tracebacks"
    )
    return parser


def say(text: str) -> None:
    """Writes a result to standard output."""
    sys.stdout.write(f"{fit_for_terminal(text)}\n")


def fit_for_terminal(text: str) -> str:
    r"""Returns text fit for a terminal: what would steer it, or is no UTF-8, escaped.

    Example:
        >>> print(fit_for_terminal("yes\x1b[2J.wav"))
        yes\x1b[2J.wav
    """
    text = text.encode("utf-8", "backslashreplace").decode()
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def add_normalisation(parser: argparse.ArgumentParser) -> None:
    """Adds `--lowercase` and `--remove-punctuation`, for commands with transcripts."""
    parser.add_argument(
        "--lowercase",
        dest="normalisation",
        action="append_const",
        const="lowercase",
        default=[],
        help="of transcripts, as most vocabularies are written",
    )
    parser.add_argument(
        "--remove-punctuation",
        dest="normalisation",
        action="append_const",
        const="remove-punctuation",
        help="of transcripts, but for ' and - within words",
    )


def add_strict(parser: argparse.ArgumentParser) -> None:
    """Adds `--strict`, for commands that read audio."""
    parser.add_argument(
        "--strict",
        action="store_true",
        help="stop at audio files that are empty, truncated or damaged; by default "
        "they are left out, listed and counted",
    )
