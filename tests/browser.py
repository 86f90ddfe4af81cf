"""A headless Chromium for tests, spoken to over a pipe by its own protocol: no driver, no port."""

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# The browser reads from descriptor 3 and writes to descriptor 4, whatever numbers its pipes have here.
_LAUNCHER = """
import fcntl, os, sys
reads, writes = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(reads, 3)
os.dup2(writes, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "chromium-headless-shell")


def found() -> str | None:
    """The browser of this machine."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class BrowserError(Exception):
    """The browser did not do what it was asked."""


class Page:
    """One tab, and what it and its workers asked the network for."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._out = to_browser
        self._in = from_browser
        self._buffer = b""
        self._last = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._session = ""
        self.requests: list[str] = []
        self.problems: list[str] = []
        """What went to the console as an error, uncaught exceptions, and files that could not be loaded."""

    def open(self) -> None:
        """Make the tab. Workers that it starts are listened to from their beginning."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._listen(self._session)

    def _listen(self, session: str) -> None:
        self._send("Network.enable", session)
        self._send("Runtime.enable", session)
        self._send("Log.enable", session)
        self._send("Page.enable", session)
        self._send("Target.setAutoAttach", session, autoAttach=True, waitForDebuggerOnStart=True, flatten=True)
        self._send("Runtime.runIfWaitingForDebugger", session)

    def _send(self, method: str, session: str, **parameters: object) -> int:
        self._last += 1
        message: dict[str, object] = {"id": self._last, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        return self._last

    def _read(self, until: float) -> None:
        ready, _, _ = select.select([self._in], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise BrowserError("no answer in time")
        data = os.read(self._in, 1 << 20)
        if not data:
            raise BrowserError("the browser has ended")
        *messages, self._buffer = (self._buffer + data).split(b"\0")
        for raw in messages:
            self._take(json.loads(raw))

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
            return
        parameters = message["params"]
        match message["method"]:
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
            case "Network.loadingFailed" if not parameters.get("canceled"):
                self.problems.append(f"not loaded: {parameters['errorText']}")
            case "Network.responseReceived" if parameters["response"]["status"] >= 400:
                self.problems.append(f"{parameters['response']['status']} {parameters['response']['url']}")
            case "Runtime.exceptionThrown":
                self.problems.append(json.dumps(parameters["exceptionDetails"])[:500])
            case "Target.attachedToTarget":
                self._listen(parameters["sessionId"])
            case _:
                pass

    def call(self, method: str, wait: float = 60, **parameters: object) -> dict[str, Any]:
        """Ask the tab (or, before there is one, the browser). Raises BrowserError."""
        number = self._send(method, self._session, **parameters)
        until = time.monotonic() + wait
        while number not in self._answers:
            self._read(until)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def evaluate(self, expression: str, wait: float = 60) -> Any:
        """The value of a JavaScript expression, awaited. Raises BrowserError."""
        answer = self.call("Runtime.evaluate", wait, expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(json.dumps(answer["exceptionDetails"])[:500])
        return answer["result"].get("value")

    def go(self, url: str) -> None:
        """Load a page."""
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def until(self, condition: str, wait: float = 60) -> None:
        """Wait for a JavaScript condition. Raises BrowserError when it does not come true in time."""
        end = time.monotonic() + wait
        while not self.evaluate(condition):
            if time.monotonic() > end:
                raise BrowserError(f"not in {wait:g} s: {condition}; {self.problems}")
            time.sleep(0.1)


@contextlib.contextmanager
def page(program: str, profile: Path) -> Iterator[Page]:
    """A tab in a browser of its own that knows no host but this machine."""
    to_browser, out = os.pipe()
    from_browser, into = os.pipe()
    flags = (
        "--headless",
        "--remote-debugging-pipe",
        "--no-sandbox",  # tests may run as root, in containers
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={profile}",
    )

    command = [sys.executable, "-c", _LAUNCHER, str(to_browser), str(into), program, *flags]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(to_browser, into)) as process:
        os.close(to_browser)
        os.close(into)
        try:
            tab = Page(out, from_browser)
            tab.open()
            yield tab
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
            os.close(out)
            os.close(from_browser)
