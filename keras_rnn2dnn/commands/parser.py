"""What the parsers of all commands share."""

import argparse
import sys
from collections.abc import Callable

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
    sys.stdout.write(f"{text}\n")


def add_strict(parser: argparse.ArgumentParser) -> None:
    """Adds `--strict`, for commands that read audio."""
    parser.add_argument(
        "--strict",
        action="store_true",
        help="stop at audio files that are empty, truncated or damaged; by default "
        "they are left out, listed and counted",
    )
