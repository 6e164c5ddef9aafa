"""Keeps the output of C++ off the terminal."""

import contextlib
import logging
import os
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
