"""Keeps the output of C++ off the terminal, and tracebacks of an early Ctrl-C."""

import contextlib
import logging
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def captured_output() -> Iterator[Callable[[], str]]:
    """Silences TensorFlow, whose C++ writes past `sys.stdout` and `sys.stderr`.

    The file descriptors 1 and 2 of the whole process are redirected meanwhile.

    Yields:
        A function that returns what was written so far.

    Example:
        >>> with captured_output() as read:
        ...     _ = os.write(2, b"from C++")
        ...     text = read()
        >>> text
        'from C++'
    """
    logger = logging.getLogger("absl")
    level = logger.level
    with tempfile.TemporaryFile() as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")

        def read():
            file.seek(0)
            return file.read().decode(errors="replace")

        _flush()
        saved = [os.dup(descriptor) for descriptor in (1, 2)]
        try:
            logger.setLevel(logging.ERROR)
            for descriptor in (1, 2):
                os.dup2(file.fileno(), descriptor)
            yield read
        finally:
            logger.setLevel(level)
            _flush()
            for descriptor, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)


def _flush():
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


class _Exit:
    """Ends the process at Ctrl-C; there is nothing yet to clean up."""

    def __init__(self):
        self.terminal = os.dup(2)  # which `captured_output` redirects

    def __call__(self, number, frame):
        os.write(self.terminal, b"\nrnn2dnn: interrupted before it began\n")
        os._exit(130)


def interrupts_end() -> None:
    """Makes Ctrl-C end the process, without a traceback of what is imported.

    Where Ctrl-C is ignored, as behind `nohup`, it stays so.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _Exit())


def interrupts_raise() -> None:
    """Makes Ctrl-C raise KeyboardInterrupt again, after `interrupts_end`."""
    handler = signal.getsignal(signal.SIGINT)
    if isinstance(handler, _Exit):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(handler.terminal)
