"""What the parsers of all commands share."""

import argparse
from collections.abc import Callable

_EPILOG = """example:
  {example}
"""


def add_command(
    commands,
    name: str,
    summary: str,
    example: str,
    goes_on: bool = False,
    check: Callable[[argparse.Namespace], None] | None = None,
) -> argparse.ArgumentParser:
    """Adds a command, with an example in its help.

    Args:
        commands: of `argparse`.
        name: of the command.
        summary: one sentence.
        example: a command line.
        goes_on: whether the same command, after a stop, goes on where it was.
        check: called with the parsed options before anything slow is imported.

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
    parser.set_defaults(goes_on=goes_on, check=check)
    parser.add_argument(
        "--verbose", action="store_true", help="say more, with tracebacks"
    )
    return parser


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


def add_times(parser: argparse.ArgumentParser) -> None:
    """Adds `--times`, for commands that recognise words."""
    parser.add_argument(
        "--times",
        action="store_true",
        help="print a line for each word: its start and end in seconds, and the word",
    )
