"""A language server in a thread of this process, spoken to in bytes: whatever an editor might send, also what none should."""

import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from flake8_mongo_threads.lsp.server import Server

SECONDS = 20.0
Message = dict[str, Any]


class Session:
    """One client's side of a session with a server whose buffers can be looked at."""

    def __init__(self, root: str) -> None:
        to_server, self._out = os.pipe()
        self._in, from_server = os.pipe()
        self.server = Server()
        self.published: dict[str, Message] = {}
        self.answers: dict[int | str, Message] = {}
        self.shown: list[str] = []
        """What the server shows and logs."""
        self._number = 0
        self._news = threading.Condition()
        reading, writing = os.fdopen(to_server, "rb"), os.fdopen(from_server, "wb")
        self._thread = threading.Thread(target=self.server.lsp.start_io, args=(reading, writing), daemon=True)
        self._thread.start()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        capabilities = {
            "workspace": {"workspaceFolders": True, "workspaceEdit": {"documentChanges": True}},
            "textDocument": {
                "publishDiagnostics": {"relatedInformation": True, "versionSupport": True},
                "codeAction": {"disabledSupport": True, "resolveSupport": {"properties": ["edit"]}},
            },
        }
        folder = {"uri": f"file://{root}", "name": "root"}
        given = {"processId": None, "rootUri": folder["uri"], "workspaceFolders": [folder], "capabilities": capabilities}
        assert "result" in self.ask("initialize", given)
        self.notify("initialized", {})

    # Sending

    def raw(self, body: bytes) -> None:
        """Send a message's bytes under a right heading."""
        view = memoryview(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        while view:
            view = view[os.write(self._out, view) :]

    def notify(self, method: str, params: object) -> None:
        self.raw(json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode())

    def request(self, method: str, params: object) -> int:
        """Send a request, and return its number without waiting for an answer."""
        self._number += 1
        self.raw(json.dumps({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}).encode())
        return self._number

    # Receiving

    def _listen(self) -> None:
        with os.fdopen(self._in, "rb") as stream:
            while header := stream.readline():
                length = int(header.partition(b":")[2])
                while stream.readline().strip():
                    pass
                message = json.loads(stream.read(length))
                with self._news:
                    self._take(message)
                    self._news.notify_all()

    def _take(self, message: Message) -> None:
        method, params = message.get("method"), message.get("params")
        if method is None:
            self.answers[message["id"]] = message
        elif method == "textDocument/publishDiagnostics":
            self.published[params["uri"]] = params
        elif method in ("window/showMessage", "window/logMessage"):
            self.shown.append(params["message"])

    def until(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + SECONDS
        with self._news:
            while not condition():
                assert self._thread.is_alive(), "the server has ended"
                assert time.monotonic() < end, f"waited in vain: {what}"
                self._news.wait(0.005)

    def answer(self, number: int) -> Message:
        """The answer to a request."""
        self.until(lambda: number in self.answers, f"an answer to request {number}")
        return self.answers.pop(number)

    def ask(self, method: str, params: object) -> Message:
        return self.answer(self.request(method, params))

    def settle(self) -> None:
        """Wait until all that was sent is taken in, and no buffer waits for being looked at."""
        nobody = {"textDocument": {"uri": "untitled:nobody"}, "position": {"line": 0, "character": 0}}
        self.ask("textDocument/hover", nobody)
        server = self.server
        self.until(
            lambda: (
                server._runner is None
                and not server._waiting
                and all(buffer.timer is None and buffer.asked == buffer.answered for buffer in list(server.buffers.values()))
            ),
            "quiet",
        )
        # What was told last stands before this answer.
        self.ask("textDocument/hover", nobody)

    def end(self) -> None:
        """End the session as an editor does."""
        assert "error" not in self.ask("shutdown", None)
        self.notify("exit", None)
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()
        self._listener.join(SECONDS)
        os.close(self._out)
