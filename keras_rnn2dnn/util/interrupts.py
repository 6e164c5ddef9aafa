"""Ctrl-C while a command is still being imported."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def interrupts_end() -> Iterator[None]:
    """Lets Ctrl-C end the process meanwhile, without a traceback of what is imported.

    KeyboardInterrupt would be raised within the imports of others, some of which catch
    it, or give another error for it. Where Ctrl-C is ignored, as behind `nohup`, or
    handled by a program, it stays so.
    """
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not ours or threading.current_thread() is not threading.main_thread():
        yield
        return
    terminal = os.dup(2)  # which may be redirected meanwhile

    def end(number, frame):
        os.write(terminal, b"\nrnn2dnn: interrupted before it began\n")
        os._exit(130)  # there is nothing yet to clean up

    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(terminal)
