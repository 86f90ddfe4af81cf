"""Random sessions with the language server: it lives, keeps the texts as an editor does, and ends with what a fresh look finds.

The texts are kept a second time here, by code of its own. What is told about the last state of the texts must be what is found in
files of the same contents by somebody who has seen nothing of how they came about.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flake8_mongo_threads.lsp.analysis import Configuration, analyse
from flake8_mongo_threads.lsp.convert import diagnostic
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.source import split_lines
from fuzz.session import SECONDS, Message, Session
from programs import LOOP, THREADS

INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR, CANCELLED = -32600, -32601, -32602, -32603, -32800
HELPER = "from pymongo import MongoClient\n\n\ndef connect():\n    return MongoClient()\n"
USER = "from helper import connect\n\n\ndef load(paths):\n    for path in paths:\n        connect().shop.files.insert_one({})\n"
ASYNC = (
    "from pymongo import AsyncMongoClient, MongoClient\n\nclient = MongoClient()\nother = AsyncMongoClient()\n\n\n"
    "async def main():\n    client.a.b.find_one({})\n    other.a.b.find_one({})\n"
)
PAGE = f"# Title\n\n```python\n{LOOP}```\n"
DISK = {"helper.py": "def connect():\n    return None\n", "main.py": LOOP, "setup.cfg": ""}
"""The files that are there at the beginning."""


class Name(NamedTuple):
    """A document: its URI below a root, its language, and whether the server is to look at it."""

    uri: str
    language: str
    seen: bool = True

    def at(self, root: str) -> str:
        return self.uri.replace("ROOT", f"file://{root}")

    def path(self, root: str) -> str:
        return {"untitled:Untitled-1": f"{root}/untitled.py", "untitled:Untitled-2": f"{root}/untitled.md"}.get(
            self.uri, self.uri.replace("ROOT", root).replace("file://", "").replace("%20", " ").replace("%C3%A9", "é")
        )


NAMES = (
    Name("ROOT/main.py", "python"),
    Name("ROOT/helper.py", "python"),
    Name("ROOT/new%20%C3%A9.py", "python"),
    Name("ROOT/no/such/folder/x.py", "python"),
    Name("ROOT/page.md", "markdown"),
    Name("ROOT/page.rst", "restructuredtext"),
    Name("untitled:Untitled-1", "python"),
    Name("untitled:Untitled-2", "markdown"),
    Name("ROOT/notes.txt", "plaintext", False),
    Name("ROOT/book.ipynb", "python", False),
    Name("git:/main.py?ref", "python", False),
    Name("vscode-notebook-cell:/book.ipynb#C1", "python", False),
)

# ---------------------------------------------------------------------- what an editor may do

_any = st.sampled_from(
    (LOOP, THREADS, HELPER, USER, ASYNC, PAGE, LOOP.replace("\n", "\r\n"), LOOP.replace("\n", "\r"), "", "\n", "\ufeff" + LOOP)
) | st.text("a1 (:\n\r\t\f'#`\u2028é😀\ud800\udc00\0", max_size=30)
# Halves of a pair side by side are one character once they have been sent.
texts = _any.map(lambda text: str(json.loads(json.dumps(text))))
pieces = st.sampled_from(
    (
        "",
        "\n",
        "\r",
        "\r\n",
        "x = 1\n",
        "😀",
        "é",
        "        client = MongoClient()\n",
        "# noqa",
        "  # MDB101",
        "(",
        "\ud83d",
        "\ude00",
        "```\n",
        LOOP,
    )
) | st.text("ab\n\r😀", max_size=5)
numbers = st.integers(0, 12) | st.integers(0, 40) | st.sampled_from((10_000, 2**31 - 1))
places = st.tuples(numbers, numbers)
changes = st.tuples(st.just("whole"), texts) | st.tuples(st.just("part"), places, places, pieces)
names = st.sampled_from(NAMES[:3]) | st.sampled_from(NAMES)
CONFIGURATIONS: tuple[tuple[object, bool | None, tuple[str, ...]], ...] = (
    # What is sent; then the two settings it stands for: None keeps what there was.
    ({"mongo-threads": {"arguments": ["--extend-ignore=MDB101"]}}, True, ("--extend-ignore=MDB101",)),
    ({"mongo-threads": {"diagnostics": False}}, False, ()),
    ({"arguments": ["--extend-select=MDB7"], "diagnostics": True}, True, ("--extend-select=MDB7",)),
    ({"mongo-threads": {"arguments": ["--no-such-option"]}}, True, ()),
    ({"mongo-threads": {"arguments": ["--select"]}}, True, ()),
    ({"mongo-threads": {"arguments": [1, None], "diagnostics": "yes"}}, True, ()),
    ({"mongo-threads": {"arguments": {"a": []}}}, True, ()),
    ({"mongo-threads": 5}, True, ()),
    ({"mongo-threads": None}, True, ()),
    ({}, None, ()),
    (None, None, ()),
    ([[]], None, ()),
    ("text", None, ()),
)
FLAKE8 = (
    "",
    "[flake8]\nextend-ignore = MDB101\n",
    "[flake8]\nexclude = main.py\n",
    "[flake8]\nextend-ignore = nonsense\n",
    "[flake8\nx",
    "\0\xff",
)
ONLY = (None, [], ["quickfix"], ["source"], ["source.fixAll"], ["source.fixAll.mongo-threads"], ["refactor"], [""])

steps = st.one_of(
    st.tuples(st.just("open"), names, texts),
    st.tuples(st.just("open"), names, texts),
    st.tuples(st.just("change"), names, st.lists(changes, max_size=3), st.sampled_from((1, 1, 1, 0, -3))),
    st.tuples(st.just("change"), names, st.lists(changes, max_size=3), st.sampled_from((1, 1, 1, 0, -3))),
    st.tuples(st.just("close"), names),
    st.tuples(st.just("save"), names),
    st.tuples(st.just("hover"), names, places),
    st.tuples(st.just("actions"), names, places, places, st.sampled_from(ONLY)),
    st.tuples(st.just("apply"), names, st.sampled_from(("quickfix", "source.fixAll")), st.integers(0, 3)),
    st.tuples(st.just("cancel"), st.integers(-1, 3)),
    st.tuples(st.just("configure"), st.sampled_from(CONFIGURATIONS)),
    st.tuples(st.just("file"), st.sampled_from(FLAKE8)),
    st.tuples(st.just("folder"), st.booleans()),
    st.tuples(
        st.just("unknown"), st.sampled_from(("workspace/executeCommand", "textDocument/definition", "codeAction/resolve", "$/x", "no/such"))
    ),
)

# ---------------------------------------------------------------------- what none should do

wrong = st.recursive(st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(("", "x", "file:///a.py")), lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(("textDocument", "uri", "position", "range", "line", "text", "id", "data", "contentChanges")), inner, max_size=3), max_leaves=6)  # fmt: skip
METHODS = (
    "textDocument/didOpen", "textDocument/didChange", "textDocument/didClose", "textDocument/didSave", "textDocument/hover",
    "textDocument/codeAction", "codeAction/resolve", "workspace/didChangeConfiguration", "workspace/didChangeWatchedFiles",
    "workspace/didChangeWorkspaceFolders", "workspace/executeCommand", "$/cancelRequest", "$/setTrace", "initialized", "no/such", "",
)  # fmt: skip
REQUESTS = ("textDocument/hover", "textDocument/codeAction", "codeAction/resolve", "workspace/executeCommand", "no/such", "")
BODIES = (
    b"", b"{", b"[]", b"5", b'"x"', b"null", b"\xff\xfe", b"[" * 100_000, b"{}", b'{"jsonrpc": "1.0", "method": "exit"}',
    b'{"jsonrpc": "2.0"}', b'{"jsonrpc": "2.0", "id": 1}', b'{"jsonrpc": "2.0", "id": null, "error": 3}', b'{"jsonrpc": "2.0", "id": {}, "result": 3}',
    b'{"jsonrpc": "2.0", "method": 7}', b'[{"jsonrpc": "2.0", "method": "exit"}]', b'{"jsonrpc": "2.0", "method": "textDocument/hover", "id": NaN}',
)  # fmt: skip
BAD_URIS = (
    "",
    "file:",
    "file:///",
    "file://host/share/x.py",
    "file:///a%00b.py",
    "http://[bad",
    "file:relative.py",
    "untitled:",
    ":",
    "\ud800",
    "file:///\ud800.py",
)
junk = st.one_of(
    st.tuples(st.just("junk"), st.sampled_from(METHODS), wrong, st.booleans()),
    st.tuples(st.just("body"), st.sampled_from([body for body in BODIES if body])),
    st.tuples(st.just("uri"), st.sampled_from(BAD_URIS), texts),
)


# ---------------------------------------------------------------------- the editor's side


def index(lines: list[str], place: tuple[int, int]) -> int:
    """The code unit, in UTF-16, of a position; behind the end of a line it is that end, behind the last line the end of the text."""
    row, character = place
    before = sum(len(line.encode("utf-16-le", "surrogatepass")) // 2 for line in lines[:row])
    if row >= len(lines):
        return before
    body = re.sub(r"[\r\n]+\Z", "", lines[row])
    units = body.encode("utf-16-le", "surrogatepass")
    at = min(character, len(units) // 2)
    # The middle of a pair that is one character counts as behind it.
    seen = 0
    for letter in body:
        if seen >= at:
            break
        seen += 2 if letter > "\uffff" else 1
    return before + seen


def changed(text: str, start: tuple[int, int], end: tuple[int, int], new: str) -> str:
    lines = split_lines(text)
    first, last = index(lines, start), index(lines, end)
    # Unit by unit, keeping apart what were two characters: halves of a pair that meet are not joined.
    units = [letter if part == 0 else "" for letter in text for part in range(2 if letter > "\uffff" else 1)]
    return "".join(units[:first]) + new + "".join(units[max(first, last) :])


def position(place: tuple[int, int]) -> Message:
    return {"line": place[0], "character": place[1]}


class Play:
    """One random session: what the editor knows, and what it checks."""

    def __init__(self, session: Session, root: Path) -> None:
        self.session, self.root = session, str(root)
        self.texts: dict[Name, str] = {}
        self.versions: dict[Name, int] = {}
        self.asked: list[int] = []
        self.cancelled: set[int] = set()
        self.diagnostics, self.arguments = True, ()
        self.malformed = False

    def do(self, step: tuple[Any, ...]) -> None:
        getattr(self, f"do_{step[0]}")(*step[1:])

    def _document(self, name: Name) -> Message:
        return {"uri": name.at(self.root)}

    def do_open(self, name: Name, text: str) -> None:
        self.texts[name], self.versions[name] = text, 1
        item = {**self._document(name), "languageId": name.language, "version": 1, "text": text}
        self.session.notify("textDocument/didOpen", {"textDocument": item})

    def do_change(self, name: Name, changes: list[tuple[Any, ...]], step: int) -> None:
        given = []
        for kind, *change in changes:
            if kind == "whole":
                given.append({"text": change[0]})
            else:
                start, end, new = change
                given.append({"range": {"start": position(start), "end": position(end)}, "text": new})
            if name in self.texts:
                self.texts[name] = change[0] if kind == "whole" else changed(self.texts[name], *change)
        version = self.versions.get(name, 1) + step
        if name in self.texts:
            self.versions[name] = version
        self.session.notify(
            "textDocument/didChange", {"textDocument": {**self._document(name), "version": version}, "contentChanges": given}
        )

    def do_close(self, name: Name) -> None:
        self.texts.pop(name, None)
        self.session.notify("textDocument/didClose", {"textDocument": self._document(name)})

    def do_save(self, name: Name) -> None:
        self.session.notify("textDocument/didSave", {"textDocument": self._document(name)})

    def do_hover(self, name: Name, place: tuple[int, int]) -> None:
        self._ask("textDocument/hover", {"textDocument": self._document(name), "position": position(place)})

    def do_actions(self, name: Name, start: tuple[int, int], end: tuple[int, int], only: list[str] | None) -> None:
        self._ask("textDocument/codeAction", self._actions(name, start, end, only))

    def _actions(self, name: Name, start: tuple[int, int], end: tuple[int, int], only: list[str] | None) -> Message:
        context = {"diagnostics": [], **({} if only is None else {"only": only})}
        return {"textDocument": self._document(name), "range": {"start": position(start), "end": position(end)}, "context": context}

    def _ask(self, method: str, params: object) -> None:
        self.asked.append(self.session.request(method, params))

    def do_apply(self, name: Name, kind: str, which: int) -> None:
        """Take one of the offers, and send what it makes of the text."""
        answer = self.session.ask("textDocument/codeAction", self._actions(name, (0, 0), (10_000, 0), [kind]))
        assert "error" not in answer, answer
        offers = [offer for offer in answer.get("result") or () if "disabled" not in offer]
        if not offers or name not in self.texts:
            assert not offers
            return
        offer = offers[which % len(offers)]
        if "edit" not in offer:
            answer = self.session.ask("codeAction/resolve", offer)
            assert "error" not in answer, answer
            offer = answer["result"]
        if "edit" not in offer:
            return
        [document] = offer["edit"]["documentChanges"]
        assert document["textDocument"] == {"uri": name.at(self.root), "version": self.versions[name]}
        edits = [((e["range"]["start"], e["range"]["end"]), e["newText"]) for e in document["edits"]]
        new = self.texts[name]
        for (start, end), text in sorted(edits, key=lambda edit: (edit[0][0]["line"], edit[0][0]["character"]), reverse=True):
            new = changed(new, (start["line"], start["character"]), (end["line"], end["character"]), text)
        assert new != self.texts[name]
        self.do_change(name, [("whole", new)], 1)

    def do_cancel(self, which: int) -> None:
        number = self.asked[-1 - which] if 0 <= which < len(self.asked) else 10**6
        self.cancelled.add(number)
        self.session.notify("$/cancelRequest", {"id": number})

    def do_configure(self, configuration: tuple[object, bool | None, tuple[str, ...]]) -> None:
        given, diagnostics, arguments = configuration
        if diagnostics is not None:
            self.diagnostics, self.arguments = diagnostics, arguments
        self.session.notify("workspace/didChangeConfiguration", {"settings": given})

    def do_file(self, text: str) -> None:
        path = Path(self.root, ".flake8")
        path.write_text(text, encoding="latin-1")
        # Two states of one size within the clock's step could not be told apart.
        stamp = len(self.asked) + sum(self.versions.values()) + os.stat(path).st_mtime_ns
        os.utime(path, ns=(stamp, stamp))
        self.session.notify("workspace/didChangeWatchedFiles", {"changes": [{"uri": f"file://{path}", "type": 2}]})

    def do_folder(self, added: bool) -> None:
        folder = {"uri": f"file://{self.root}/no/such", "name": "more"}
        event = {"added": [folder] if added else [], "removed": [] if added else [folder]}
        self.session.notify("workspace/didChangeWorkspaceFolders", {"event": event})

    def do_unknown(self, method: str) -> None:
        params = {
            "workspace/executeCommand": {"command": "no.such", "arguments": []},
            "textDocument/definition": {"textDocument": {"uri": "file:///x.py"}, "position": position((0, 0))},
        }.get(method, {"title": "x", "data": {"uri": 5}})
        answer = self.session.ask(method, params)
        if method == "codeAction/resolve":
            assert answer["result"]["title"] == "x"
        else:
            assert answer["error"]["code"] == (INVALID_PARAMS if method == "workspace/executeCommand" else METHOD_NOT_FOUND)

    # What none should do

    def do_junk(self, method: str, params: object, asks: bool) -> None:
        self.malformed = True
        if asks and method in REQUESTS:
            answer = self.session.ask(method, params)
            assert ("result" in answer) != ("error" in answer), answer
        else:
            self.session.notify(method, params)

    def do_body(self, body: bytes) -> None:
        self.malformed = True
        self.session.raw(body)

    def do_uri(self, uri: str, text: str) -> None:
        self.malformed = True
        item = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        self.session.notify("textDocument/didOpen", {"textDocument": item})
        answer = self.session.ask("textDocument/hover", {"textDocument": {"uri": uri}, "position": position((0, 0))})
        assert "error" not in answer, answer
        self.session.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    # The end

    def check(self) -> None:
        session = self.session
        session.settle()
        for number in self.asked:
            answer = session.answer(number)
            if "error" in answer:
                assert answer["error"]["code"] == CANCELLED, answer
                assert number in self.cancelled
        assert not [told for told in session.shown if "internal error" in told or ("Error in server" in told and not self.malformed)]
        session.shown.clear()
        buffers = session.server.buffers
        seen = {name: text for name, text in self.texts.items() if name.seen}
        assert {uri: buffer.text for uri, buffer in buffers.items()} == {name.at(self.root): text for name, text in seen.items()}
        told = {}
        for name in seen:
            message = session.published[name.at(self.root)]
            assert message["version"] == self.versions[name]
            told[name] = [(item["code"], item["message"], item["range"]) for item in message["diagnostics"]]
        for name in list(self.texts):
            self.do_close(name)
        session.settle()
        assert not buffers
        assert all(not message["diagnostics"] for message in session.published.values())
        # The same texts, as files that somebody finds.
        for name, text in seen.items():
            if name.uri.startswith("ROOT/") and not name.path(self.root).startswith(f"{self.root}/no/"):
                Path(name.path(self.root)).write_bytes(text.encode("utf-8", "surrogatepass"))
        modules.new_run()
        configuration = Configuration()
        configuration.give(self.arguments)
        folder = self.root
        for name, text in seen.items():
            chosen, _ = configuration.selection(folder)
            analysis = analyse(name.path(self.root), text, chosen)
            if not analysis.parsed:
                continue  # what is told of it is what was known before
            fresh = [diagnostic(finding, analysis, "utf-16", {}, False) for finding in analysis.reported]
            assert all(item.code != "MDB000" for item in fresh)
            wanted = [
                (item.code, item.message, {"start": position((item.range.start.line, item.range.start.character)), "end": position((item.range.end.line, item.range.end.character))})
                for item in (fresh if self.diagnostics else ())
            ]  # fmt: skip
            assert told[name] == wanted, name


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    root = tmp_path_factory.mktemp("session")
    made = Session(str(root))
    yield made
    made.end()


def play(session: Session, root: Path, moves: list[tuple[Any, ...]]) -> None:
    for name in root.iterdir():
        name.unlink()
    for name, text in DISK.items():
        (root / name).write_text(text)
    modules.new_run()
    session.notify("workspace/didChangeConfiguration", {"settings": {"mongo-threads": {}}})
    session.notify("workspace/didChangeWatchedFiles", {"changes": []})
    session.settle()
    session.published.clear()
    session.shown.clear()
    playing = Play(session, root)
    try:
        for move in moves:
            playing.do(move)
        playing.check()
    finally:
        for uri in list(session.server.buffers):
            session.notify("textDocument/didClose", {"textDocument": {"uri": uri}})


def root_of(session: Session) -> Path:
    return Path(session.server._folders[0])


def several(number: int) -> Any:
    return settings(max_examples=number, deadline=None, suppress_health_check=list(HealthCheck), database=None)


@several(12)
@given(st.lists(steps, max_size=10))
def test_sessions(session: Session, moves: list[tuple[Any, ...]]) -> None:
    play(session, root_of(session), moves)


@several(12)
@given(st.lists(steps | junk, max_size=8))
def test_sessions_with_malformed_messages(session: Session, moves: list[tuple[Any, ...]]) -> None:
    play(session, root_of(session), moves)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@several(250)
@given(st.lists(steps, max_size=30))
def test_long_sessions(session: Session, moves: list[tuple[Any, ...]]) -> None:
    play(session, root_of(session), moves)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@several(250)
@given(st.lists(steps | junk, max_size=30))
def test_long_sessions_with_malformed_messages(session: Session, moves: list[tuple[Any, ...]]) -> None:
    play(session, root_of(session), moves)


@pytest.mark.parametrize("body", BODIES)
def test_every_wrong_body(session: Session, body: bytes) -> None:
    play(session, root_of(session), [("body", body), ("open", NAMES[0], LOOP)] if body else [])


@pytest.mark.parametrize("uri", BAD_URIS)
def test_every_odd_uri(session: Session, uri: str) -> None:
    play(session, root_of(session), [("uri", uri, LOOP), ("open", NAMES[0], LOOP)])


def test_requests_that_cannot_be_read_are_answered(session: Session) -> None:
    for params in ({}, [], 5, None, {"textDocument": {}, "position": {"line": -1, "character": "x"}}):
        answer = session.ask("textDocument/hover", params)
        assert answer["error"]["code"] in (INVALID_PARAMS, INVALID_REQUEST), (params, answer)


def test_the_sessions_do_what_they_say(session: Session) -> None:
    """The tests above can fail: there is something to find, to fix and to be told in such sessions."""
    root = root_of(session)
    play(session, root, [])
    playing = Play(session, root)
    playing.do(("open", NAMES[1], HELPER))
    playing.do(("open", NAMES[0], USER))
    session.settle()
    assert [item["code"] for item in session.published[NAMES[0].at(str(root))]["diagnostics"]] == ["MDB101"]
    playing.do(("open", NAMES[2], LOOP))
    playing.do(("apply", NAMES[2], "source.fixAll", 0))
    assert playing.texts[NAMES[2]] != LOOP
    playing.check()
    assert json.loads(json.dumps("\ud83d")) == "\ud83d"
    assert SECONDS > 1


@pytest.mark.parametrize(
    ("text", "start", "end", "new", "wanted"),
    [
        ("a😀b\r\nc", (0, 3), (1, 0), "x", "a😀xc"),
        ("a😀b\r\nc", (0, 2), (0, 9), "x", "a😀x\r\nc"),
        ("a\nb", (7, 7), (0, 0), "x", "a\nbx"),
        ("\ud83d", (0, 1), (0, 1), "\ude00", "\ud83d\ude00"),
    ],
)
def test_the_editors_own_arithmetic(text: str, start: tuple[int, int], end: tuple[int, int], new: str, wanted: str) -> None:
    assert changed(text, start, end, new) == wanted
