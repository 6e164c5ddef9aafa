"""A page on this machine's own address, to which browsers give the microphone."""

import logging
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from keras_rnn2dnn.util.errors import invalid

HOST = "localhost"
_logger = logging.getLogger(__name__)


def serve(page: Path, port: int, tell: Callable[[str], object]) -> None:
    """Serves one file, to this machine alone, until it is interrupted.

    Args:
        page: an HTML file, read anew for each request.
        port: 0: one that is free.
        tell: called with the address, as soon as it is there.

    Raises:
        ValueError: if the port is taken, or none.
    """
    with listening(page, port) as server:
        tell(f"http://{HOST}:{server.server_address[1]}/")
        server.serve_forever()


def listening(page: Path, port: int) -> ThreadingHTTPServer:
    """Returns a server of one file that serves when it is told to; see `serve`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # the name that is called
            if self.path.partition("#")[0] not in ("/", "/index.html"):
                self.send_error(404)
                return
            content = page.read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format, *arguments):
            _logger.info(format, *arguments)

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except (OSError, OverflowError) as error:
        expected = "a port that is free, or 0 for any that is"
        raise ValueError(invalid("port", expected, port, str(error))) from error
