"""The Firefox that is installed already, spoken to by Marionette, as its tests do."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
NEEDED = (
    pytest.mark.skipif(
        FIREFOX is None, reason="needs firefox: apt install firefox-esr"
    ),
)
# A microphone that hums, which the user has allowed, on a machine without any sound.
HUMMING = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.cubeb.force_mock_context": True,
    "media.autoplay.default": 0,
}
PATIENCE_S = 60


class Firefox:
    """One window; a message is its length, a colon, and a list in JSON."""

    def __init__(self, connection: socket.socket):
        self._connection = connection
        self._file = connection.makefile("rb")
        self._number = 0
        self._received()
        self.send("WebDriver:NewSession")

    def _received(self):
        length = b""
        while (letter := self._file.read(1)) != b":":
            assert letter, "Firefox is gone"
            length += letter
        return json.loads(self._file.read(int(length)))

    def send(self, command: str, **given: Any) -> Any:
        """Returns what a command of WebDriver returns."""
        self._number += 1
        message = json.dumps([0, self._number, command, given]).encode()
        self._connection.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._received()
        assert error is None, error
        return result

    def open(self, address: str) -> None:
        """Opens a page, and waits: with a "#" the browser may answer at once."""
        self.send("WebDriver:Navigate", url="about:blank")
        self.send("WebDriver:Navigate", url=address)
        here = f"location.href === {json.dumps(address)}"
        self.wait(f"return {here} && document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """Returns what JavaScript returns."""
        found = self.send("WebDriver:ExecuteScript", script=script, args=[])
        return found["value"]

    def wait(self, script: str) -> Any:
        """Runs a script until it returns something; returns that."""
        until = time.monotonic() + PATIENCE_S
        while not (found := self.run(script)):
            assert time.monotonic() < until, script
            time.sleep(0.05)
        return found

    def click(self, selector: str) -> None:
        """Clicks as a user does."""
        found = self.send("WebDriver:FindElement", using="css selector", value=selector)
        (identifier,) = found["value"].values()
        self.send("WebDriver:ElementClick", id=identifier)


@contextlib.contextmanager
def launched(profile: Path, preferences: dict[str, Any]) -> Iterator[Firefox]:
    """A headless Firefox, in an empty directory."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    lines = [
        f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
        for name, value in {**preferences, "marionette.port": port}.items()
    ]
    (profile / "user.js").write_text("".join(lines))
    command = [FIREFOX, "--headless", "--marionette", "--no-remote"]
    with (profile / "said.txt").open("w") as said:
        process = subprocess.Popen(
            [*command, "--profile", str(profile)], stdout=said, stderr=said
        )
    try:
        with _connected(port, process) as connection:
            yield Firefox(connection)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _connected(port, process):
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return socket.create_connection(("localhost", port), PATIENCE_S)
        except ConnectionRefusedError:
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.05)
