"""The command `rnn2dnn`: from the demo to the microphone."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from keras_rnn2dnn import __version__
from keras_rnn2dnn.commands.running import (
    align,
    convert,
    demo,
    distill,
    evaluate,
    listen,
    report,
    transcribe,
    verify,
)
from keras_rnn2dnn.commands.terminal import safe_output
from keras_rnn2dnn.util.captured_output import interrupts_raise

_COMMANDS = (
    *(demo, align, distill, convert, verify),
    *(evaluate, transcribe, listen, report),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: of the command line; those of the process by default.

    Returns:
        The exit code: 0; 1 where `verify` does not verify, `transcribe` left files
        out, or `convert` could not give the C code that was asked for; 2 for bad
        arguments or data, with one line on standard error; 130 when interrupted; 141
        when nobody reads standard output any more.
    """
    interrupts_raise()
    with safe_output():
        return _run(_parser().parse_args(arguments))


def _run(options):
    level = logging.INFO if options.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s")
    try:
        code = options.run(options) or 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # as after `| head -1`
        # Else the interpreter would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        if options.verbose:
            raise
        line = " ".join(str(error).split())
        sys.stderr.write(f"rnn2dnn {options.command}: error: {line}\n")
        return 2
    except KeyboardInterrupt:
        again = "goes on from them" if options.goes_on else "begins anew"
        sys.stderr.write(
            "\nrnn2dnn: interrupted; finished files are whole. The same command again "
            f"{again}\n"
        )
        return 130


def _parser():
    parser = argparse.ArgumentParser(
        prog="rnn2dnn",
        description="Distil recurrent acoustic models into feed-forward students for "
        "microcontrollers.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser
