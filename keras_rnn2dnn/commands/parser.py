"""What the parsers of all commands share."""

import argparse
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from keras_rnn2dnn.commands.help.near_misses import did_you_mean, near_option
from keras_rnn2dnn.commands.terminal import write_error
from keras_rnn2dnn.util.bundle_checksums import check_files, read_report

_EPILOG = """example:
  {example}
"""
_COLUMN = 14  # of what a command does, in the list of commands


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with what was probably meant."""

    def parse_known_args(self, args=None, namespace=None):
        """Parses; what is left over is an error of the command, not of `rnn2dnn`."""
        self._given = list(sys.argv[1:] if args is None else args)
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest

    def error(self, message):
        """Writes one line to standard error, and ends with code 2."""
        known = self._option_string_actions
        text = near_option(self._given, known) or message
        stop = "" if text.endswith(("?", ".")) else "."
        write_error(self.prog, f"{text}{stop} All options: {self.prog} --help")
        self.exit(2)

    def _check_value(self, action, value):
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            if hint := did_you_mean(str(value), map(str, action.choices)):
                error.message += f". {hint}"
            raise


def list_by_task(
    tasks: Mapping[str, Sequence[str]], parsers: Mapping[str, argparse.ArgumentParser]
) -> str:
    """Returns the list of commands for the help: by task, each with what it does.

    Args:
        tasks: names of commands by what they are for.
        parsers: of the commands, by name.
    """
    lines: list[str] = []
    for task, names in tasks.items():
        lines += ["", f"{task}:"]
        for name in names:
            before = f"  {name:<{_COLUMN - 3}} "
            lines += textwrap.wrap(
                " ".join((parsers[name].description or "").split()),
                min(shutil.get_terminal_size().columns, 100) - 2,
                initial_indent=before,
                subsequent_indent=" " * _COLUMN,
            )
    return "\n".join([*lines[1:], "", "rnn2dnn COMMAND --help shows its options."])


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


def check_bundle(options: argparse.Namespace) -> None:
    """Raises ValueError or OSError, at once, where a file of `bundle` was changed."""
    bundle = Path(options.bundle)
    check_files(bundle, read_report(bundle)["files"])


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
        help="print a line for each word: its start and end in seconds, the word, and "
        "its confidence in nats",
    )


def add_threshold(parser: argparse.ArgumentParser) -> None:
    """Adds `--threshold`, for commands that recognise words."""
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="NATS",
        help="least confidence of a word that is printed; default: the bundle's",
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Adds `--engine`, for commands that recognise words."""
    parser.add_argument(
        "--engine",
        choices=("c", "numpy", "tflite"),
        help="what computes: the bundle's C code, compiled once; the same in numpy; or "
        "the network in TensorFlow Lite. Default: C where there is a compiler, of a "
        "bundle of this version, or else numpy",
    )
