"""The command `rnn2dnn`: from the demo to the microphone."""

import argparse
import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence

from keras_rnn2dnn.commands import (
    align,
    check,
    convert,
    demo,
    distill,
    evaluate,
    listen,
    project,
    report,
    train,
    transcribe,
    tune,
    verify,
    web,
)
from keras_rnn2dnn.commands.help.completion import SHELLS, PrintCompletion
from keras_rnn2dnn.commands.help.near_misses import with_hint
from keras_rnn2dnn.commands.help.version import Version
from keras_rnn2dnn.commands.parser import Parser, list_by_task
from keras_rnn2dnn.commands.terminal import safe_output, write_error
from keras_rnn2dnn.util.captured_output import captured_output
from keras_rnn2dnn.util.errors import without_tensorflow
from keras_rnn2dnn.util.interrupts import interrupts_end

_TASKS = {
    "try it": (demo,),
    "from recordings to firmware": (train,),
    "from a teacher to firmware, step by step": (
        align,
        check,
        distill,
        convert,
        tune,
        verify,
        project,
    ),
    "use a bundle on this host": (web, transcribe, listen, evaluate),
    "look at a run": (report,),
}
_LIVE = {"listen", "transcribe"}
_DESCRIPTION = """Distil recurrent acoustic models into feed-forward students for
microcontrollers.

"""
_COMMANDS = tuple(command for commands in _TASKS.values() for command in commands)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    What it does is imported as soon as its options are understood, so that help and
    wrong arguments are answered at once.

    Args:
        arguments: of the command line; those of the process by default, which then is
            the command's own: Ctrl-C during the imports ends it.

    Returns:
        The exit code: 0; 1 where `verify` does not verify, `transcribe` left files
        out, or `convert` could not give the C code that was asked for; 2 for bad
        arguments or data, with one line on standard error; 130 when interrupted; 141
        when nobody reads standard output any more.
    """
    with safe_output():
        return _run(_parser().parse_args(arguments), own_process=arguments is None)


def _run(options, own_process):
    level = logging.INFO if options.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s")
    try:
        if options.check:
            options.check(options)
        with without_tensorflow(f"`rnn2dnn {options.command}`"):
            with interrupts_end() if own_process else contextlib.nullcontext():
                run = _imported(options.command)
            code = run(options) or 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # as after `| head -1`
        # Else the interpreter would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        if options.verbose:
            raise
        write_error(f"rnn2dnn {options.command}", with_hint(error, options))
        return 2
    except KeyboardInterrupt:
        again = "goes on from them" if options.goes_on else "begins anew"
        sys.stderr.write(
            "\nrnn2dnn: interrupted; finished files are whole. The same command again "
            f"{again}\n"
        )
        return 130


def _imported(command) -> Callable[[argparse.Namespace], int | None]:
    """Imports what a command does, and keeps TensorFlow's first lines off the terminal.

    Programs that import the package themselves decide what they show.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if command in _LIVE:  # numpy's threads, which wait actively for little work
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with captured_output():
        return importlib.import_module(f"keras_rnn2dnn.commands.running.{command}").run


def _parser():
    parser = Parser(
        prog="rnn2dnn",
        usage="rnn2dnn [-h] [--version] COMMAND ...",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version",
        action=Version,
        help="show the versions of this package, TensorFlow, Keras and Python",
    )
    parser.add_argument(
        "--print-completion",
        action=PrintCompletion,
        choices=SHELLS,
        help="print what completes commands, options and files by tab; see "
        "docs/commands.md",
    )
    # The description lists them by task.
    commands = parser.add_subparsers(
        dest="command",
        required=True,
        metavar="COMMAND",
        prog="rnn2dnn",
        help=argparse.SUPPRESS,
    )
    for command in _COMMANDS:
        command.add(commands)
    tasks = {
        task: [command.__name__.rpartition(".")[2] for command in several]
        for task, several in _TASKS.items()
    }
    parser.description = _DESCRIPTION + list_by_task(tasks, commands.choices)
    return parser


if __name__ == "__main__":
    sys.exit(main())
