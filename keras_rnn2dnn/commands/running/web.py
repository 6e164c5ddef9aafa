"""`rnn2dnn web`: the C code of a bundle in a web page."""

import argparse
import contextlib
import shlex
import sys

from keras_rnn2dnn.commands.terminal import program_name, say
from keras_rnn2dnn.web import serve, write_page


def run(options: argparse.Namespace) -> None:
    """Writes the page, and serves it where that is asked for."""
    path = write_page(options.bundle, options.out)
    say(f"Page: {path}, {path.stat().st_size:,} bytes, all inside")
    if not options.serve:
        say(f"Open it in a browser: {path.resolve().as_uri()}")
        say("Where that gets no microphone:")
        say(f"  {program_name()} web {shlex.quote(options.bundle)} --serve")
        return
    with contextlib.suppress(KeyboardInterrupt):  # as it ends
        serve(path, options.port, _tell)


def _tell(address):
    say(f"Open it in a browser: {address}\nUntil Ctrl-C")
    sys.stdout.flush()
