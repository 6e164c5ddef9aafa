"""Tabs of Chromium that can go to the background: those of Playwright never do."""

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

PATIENCE_S = 60


class Tab:
    """A page of its own, by the protocol of the developer tools."""

    def __init__(self, root, context: str, address: str):
        self._root = root
        self._number = 0
        self._answers = {}
        given = {"url": address, "browserContextId": context}
        self._target = root.send("Target.createTarget", given)["targetId"]
        given = {"targetId": self._target, "flatten": False}
        self._session = root.send("Target.attachToTarget", given)["sessionId"]
        root.on("Target.receivedMessageFromTarget", self._received)

    def _received(self, event):
        message = json.loads(event["message"])
        if event["sessionId"] == self._session and "id" in message:
            self._answers[message["id"]] = message

    def run(self, script: str) -> Any:
        """Returns what JavaScript returns, a promise kept, as if a user had asked."""
        self._number += 1
        given = {"expression": script, "awaitPromise": True, "returnByValue": True}
        message = {"id": self._number, "method": "Runtime.evaluate"}
        message["params"] = {**given, "userGesture": True}
        given = {"sessionId": self._session, "message": json.dumps(message)}
        self._root.send("Target.sendMessageToTarget", given)
        until = time.monotonic() + PATIENCE_S
        while self._number not in self._answers:
            assert time.monotonic() < until, script
            self._root.send("Browser.getVersion")  # events come while one waits
            time.sleep(0.02)
        answer = self._answers.pop(self._number)["result"]
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, script: str) -> Any:
        """Runs a script until it returns something; returns that."""
        until = time.monotonic() + PATIENCE_S
        while not (found := self.run(script)):
            assert time.monotonic() < until, script
            time.sleep(0.05)
        return found

    def to_front(self) -> None:
        """Shows it; the other tabs of its window are hidden."""
        self._root.send("Target.activateTarget", {"targetId": self._target})


@contextlib.contextmanager
def opened(browser, *addresses: str) -> Iterator[list[Tab]]:
    """Tabs of one window, which may hear the microphone; the last one is shown."""
    root = browser.new_browser_cdp_session()
    context = root.send("Target.createBrowserContext")["browserContextId"]
    given = {"permissions": ["audioCapture"], "browserContextId": context}
    root.send("Browser.grantPermissions", given)
    yield [Tab(root, context, address) for address in addresses]
    root.send("Target.disposeBrowserContext", {"browserContextId": context})
    root.detach()
