"""An editor for tests: keeps texts as an editor does, talks to a real language server, and applies what it offers."""

import asyncio
import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

import pytest_lsp
from cattrs import Converter
from lsprotocol import types
from pygls.protocol import default_converter
from pytest_lsp import LanguageClient
from pytest_lsp.client import DEFAULT_CLIENT_FEATURES, register_lsp_features

SECONDS = 30.0
Start = TypeVar("Start", bound=Callable[..., Any])


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def position(text: str, index: int) -> types.Position:
    """The position of a character of a text, in UTF-16 code units."""
    before = text[:index]
    line = before.count("\n")
    return types.Position(line, utf16(before[before.rfind("\n") + 1 :]))


def index(text: str, where: types.Position) -> int:
    """The reverse."""
    start = 0
    for _ in range(where.line):
        start = text.index("\n", start) + 1
    end = start
    while utf16(text[start:end]) < where.character:
        end += 1
    return end


class Editor(LanguageClient):
    """An editor with one server."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.root = Path()
        """The folder that is open."""
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.published: dict[str, types.PublishDiagnosticsParams] = {}
        self.registered: list[types.Registration] = []
        self._news = asyncio.Event()

    def take(self, params: types.PublishDiagnosticsParams) -> None:
        self.published[params.uri] = params
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that diagnostics decide is true."""
        async with asyncio.timeout(SECONDS) if hasattr(asyncio, "timeout") else _Unlimited():
            while not condition():
                self._news.clear()
                await self._news.wait()

    def open(self, path: Path | str, text: str, language: str = "python") -> str:
        """Open a file, or a URI, with this text. Returns the URI."""
        uri = path if isinstance(path, str) else path.as_uri()
        self.texts[uri], self.versions[uri] = text, 1
        self.published.pop(uri, None)
        self.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, language, 1, text)))
        return uri

    def close(self, uri: str) -> None:
        self.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))

    def type(self, uri: str, old: str, new: str) -> None:
        """Replace the first occurrence of a text by another, as a change of that region."""
        text = self.texts[uri]
        start = text.index(old)
        where = types.Range(position(text, start), position(text, start + len(old)))
        self.texts[uri] = text[:start] + new + text[start + len(old) :]
        self._changed(uri, types.TextDocumentContentChangePartial(where, new))

    def replace(self, uri: str, text: str) -> None:
        """Give a buffer another text as a whole."""
        self.texts[uri] = text
        self._changed(uri, types.TextDocumentContentChangeWholeDocument(text))

    def _changed(self, uri: str, change: types.TextDocumentContentChangeEvent) -> None:
        self.versions[uri] += 1
        document = types.VersionedTextDocumentIdentifier(self.versions[uri], uri)
        self.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    async def findings(self, uri: str) -> list[types.Diagnostic]:
        """The diagnostics of the text as it is now."""
        await self.until(lambda: uri in self.published and self.published[uri].version == self.versions[uri])
        return list(self.published[uri].diagnostics)

    async def places(self, uri: str) -> list[tuple[str, str]]:
        """The same as (code, text that is underlined)."""
        text = self.texts[uri]
        return [(str(item.code), text[index(text, item.range.start) : index(text, item.range.end)]) for item in await self.findings(uri)]

    async def actions(
        self, uri: str, at: str, only: Sequence[str] | None = None, shown: Sequence[types.Diagnostic] = ()
    ) -> list[types.CodeAction]:
        """What is offered where the cursor stands at the start of a text."""
        where = position(self.texts[uri], self.texts[uri].index(at))
        context = types.CodeActionContext(list(shown), list(only) if only is not None else None)
        params = types.CodeActionParams(types.TextDocumentIdentifier(uri), types.Range(where, where), context)
        found = await self.text_document_code_action_async(params)
        return [item for item in found or () if isinstance(item, types.CodeAction)]

    def applied(self, uri: str, action: types.CodeAction) -> str:
        """The text with the change that an action makes."""
        assert action.edit is not None
        if action.edit.document_changes is not None:
            [change] = action.edit.document_changes
            assert isinstance(change, types.TextDocumentEdit)
            assert (change.text_document.uri, change.text_document.version) == (uri, self.versions[uri])
            edits = [edit for edit in change.edits if isinstance(edit, types.TextEdit)]
            assert len(edits) == len(change.edits)
        else:
            assert action.edit.changes is not None
            assert list(action.edit.changes) == [uri]
            edits = list(action.edit.changes[uri])
        text = self.texts[uri]
        places = sorted((index(text, edit.range.start), index(text, edit.range.end), edit.new_text) for edit in edits)
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(places)), "edits overlap"
        for start, end, new in reversed(places):
            text = text[:start] + new + text[end:]
        return text


class _Unlimited:
    """Python 3.10 has no ``asyncio.timeout``; the time limit of the whole test is there."""

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        pass


def converter() -> Converter:
    """What turns messages into objects. lsprotocol cannot read a notebook filter, of which python-lsp-server sends one."""
    default: Callable[[], Converter] = default_converter
    made = default()
    for kind in (types.NotebookDocumentFilterWithNotebook, types.NotebookDocumentFilterWithCells):
        made.register_structure_hook(get_type_hints(kind)["notebook"], lambda value, _: value)
    return made


def connected(*command: str) -> Callable[[Start], Start]:
    """Make a fixture of a function that begins and ends a session: an editor, started once a module, of a server run as Python command."""
    config = pytest_lsp.ClientServerConfig(server_command=[sys.executable, *command], client_factory=make_editor)
    return cast(Callable[[Start], Start], pytest_lsp.fixture(config=config, scope="module"))


def make_editor() -> Editor:
    """An editor that has not started its server."""

    def publish(editor: Editor, params: types.PublishDiagnosticsParams) -> None:
        editor.take(params)

    def register(editor: Editor, params: types.RegistrationParams) -> None:
        editor.registered += params.registrations

    editor = Editor(converter_factory=converter)
    own = {types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS: publish, types.CLIENT_REGISTER_CAPABILITY: register}
    register_lsp_features(editor, {**DEFAULT_CLIENT_FEATURES, **own})
    return editor
