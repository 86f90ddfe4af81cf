"""The language server, driven over standard input and output by a client that does what editors do."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcRequestCancelled
from pytest_lsp import client_capabilities

from editor import Editor, connected, utf16
from flake8_mongo_threads import documentation
from flake8_mongo_threads.config import Config
from flake8_mongo_threads.engine import check_text
from flake8_mongo_threads.rules import load
from programs import LOOP, THREADS

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVER = ("-m", "flake8_mongo_threads", "lsp", "--stdio")
CLEAN = LOOP.replace("        client = MongoClient()\n", "").replace("def load(paths):\n", "client = MongoClient()\n\n\ndef load(paths):\n")
LOST_UPDATE = """\
from pymongo import MongoClient

hits = MongoClient().shop.hits


def visit(page):
    document = hits.find_one({"_id": page})
    hits.update_one({"_id": page}, {"$set": {"count": document["count"] + 1}})
"""
"""A program with one finding, whose fix is unsafe: MDB701."""


@connected(*SERVER)
async def editor(lsp_client: Editor, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[None]:
    """What VS Code can do."""
    root = tmp_path_factory.mktemp("workspace")
    capabilities = client_capabilities("visual-studio-code")
    folder = types.WorkspaceFolder(root.as_uri(), "workspace")
    await lsp_client.initialize_session(types.InitializeParams(capabilities, root_uri=root.as_uri(), workspace_folders=[folder]))
    lsp_client.root = root
    yield
    await lsp_client.shutdown_session()


@connected(*SERVER)
async def plain(lsp_client: Editor, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[None]:
    """A client that can do little, and has its diagnostics from flake8."""
    root = tmp_path_factory.mktemp("plain")
    markup = types.HoverClientCapabilities(content_format=[types.MarkupKind.PlainText])
    literals = types.ClientCodeActionLiteralOptions(types.ClientCodeActionKindOptions([types.CodeActionKind.QuickFix]))
    document = types.TextDocumentClientCapabilities(
        hover=markup,
        code_action=types.CodeActionClientCapabilities(code_action_literal_support=literals),
        publish_diagnostics=types.PublishDiagnosticsClientCapabilities(),
    )
    await lsp_client.initialize_session(
        types.InitializeParams(
            types.ClientCapabilities(text_document=document),
            root_uri=root.as_uri(),
            initialization_options={"diagnostics": False, "arguments": ["--extend-ignore=MDB102"]},
        )
    )
    lsp_client.root = root
    yield
    await lsp_client.shutdown_session()


def found(text: str) -> list[str]:
    return [finding.code for finding in check_text("program.py", text, Config())]


def titles(actions: list[types.CodeAction]) -> list[str]:
    return [action.title for action in actions]


async def test_open_type_the_misuse_see_it_and_fix_it(editor: Editor) -> None:
    uri = editor.open(editor.root / "fresh.py", CLEAN)
    assert await editor.findings(uri) == []
    editor.type(uri, "    for path in paths:\n", "    for path in paths:\n        client = MongoClient()\n")
    [finding] = await editor.findings(uri)
    assert (finding.code, finding.source, finding.severity) == ("MDB101", "mongo-threads", types.DiagnosticSeverity.Warning)
    assert await editor.places(uri) == [("MDB101", "MongoClient")]
    assert finding.code_description is not None
    assert finding.code_description.href.startswith("https://")
    steps = finding.related_information or ()
    assert [step.message for step in steps] == ["MongoClient is built here", "this loop repeats it"]
    assert {step.location.uri for step in steps} == {uri}
    [fix, silence] = await editor.actions(uri, "MongoClient()\n        client.shop", ["quickfix"], [finding])
    assert (fix.kind, fix.is_preferred, fix.diagnostics) == (types.CodeActionKind.QuickFix, True, (finding,))
    assert (silence.title, silence.is_preferred) == ("Silence MDB101 on this line (# noqa: MDB101)", False)
    fixed = editor.applied(uri, fix)
    assert found(fixed) == []
    assert fixed != editor.texts[uri]
    editor.replace(uri, fixed)
    assert await editor.findings(uri) == []


async def test_positions_count_utf_16_code_units(editor: Editor) -> None:
    text = LOOP.replace("        client = MongoClient()", '        note = "é😀𝄞"; client = MongoClient()')
    uri = editor.open(editor.root / "units.py", text)
    [finding] = await editor.findings(uri)
    line = text.split("\n")[5]
    assert finding.range.start.character == utf16(line[: line.index("MongoClient")]) == line.index("MongoClient") + 2
    # A change behind characters of two units lands where it was made.
    editor.type(uri, "MongoClient()\n        client", "MongoClient(tz_aware=True)\n        client")
    editor.type(uri, "é😀𝄞", "😀")
    assert await editor.places(uri) == [("MDB101", "MongoClient")]
    [silence] = [action for action in await editor.actions(uri, "note") if "noqa" in action.title]
    silenced = editor.applied(uri, silence)
    assert silenced.split("\n")[5] == '        note = "😀"; client = MongoClient(tz_aware=True)  # noqa: MDB101'
    editor.replace(uri, silenced)
    assert await editor.findings(uri) == []


async def test_characters_that_are_line_breaks_only_elsewhere(editor: Editor) -> None:
    uri = editor.open(editor.root / "breaks.py", f'NOTE = "a\u2028b\x85c"\n\x0c\n{LOOP}')
    assert [item.range.start.line for item in await editor.findings(uri)] == [7]
    editor.type(uri, "client = MongoClient()", "x = 1; client = MongoClient()")
    assert await editor.places(uri) == [("MDB101", "MongoClient")]


async def test_unsafe_fix_is_named_so_and_not_preferred(editor: Editor) -> None:
    uri = editor.open(editor.root / "unsafe.py", LOST_UPDATE)
    assert [code for code, _ in await editor.places(uri)] == ["MDB701"]
    actions = [action for action in await editor.actions(uri, "update_one") if "noqa" not in action.title]
    assert len(actions) == 1
    assert "unsafe" in actions[0].title
    assert actions[0].is_preferred is False
    assert '"$inc"' in editor.applied(uri, actions[0])


async def test_fix_that_is_refused_says_why(editor: Editor) -> None:
    uri = editor.open(editor.root / "refused.py", LOOP.replace("client = MongoClient()", "x = 1; client = MongoClient()"))
    [fix, _] = await editor.actions(uri, "x = 1", ["quickfix"])
    assert fix.edit is None
    assert fix.disabled is not None
    assert "shares its line" in fix.disabled.reason


async def test_all_safe_fixes_together(editor: Editor) -> None:
    text = (
        f"{LOOP}\n\n{LOOP.replace('def load', 'def again').partition('MongoClient')[2].partition(chr(10))[2].strip()}\n\n\n" + LOST_UPDATE
    )
    codes = found(text)
    assert codes.count("MDB101") == 2
    assert "MDB701" in codes
    uri = editor.open(editor.root / "all.py", text)
    [whole] = await editor.actions(uri, "from pymongo", ["source.fixAll"])
    assert whole.kind == "source.fixAll.mongo-threads"
    assert whole.edit is None
    whole = await editor.code_action_resolve_async(whole)
    assert found(editor.applied(uri, whole)) == ["MDB701"]
    assert await editor.actions(uri, "update_one", ["source.organizeImports"]) == []
    assert "source.fixAll.mongo-threads" not in [action.kind for action in await editor.actions(uri, "MongoClient", ["quickfix"])]
    uri = editor.open(editor.root / "only_unsafe.py", LOST_UPDATE)
    assert await editor.actions(uri, "update_one", ["source.fixAll"]) == []


async def test_hover_shows_the_page_of_the_rule(editor: Editor) -> None:
    text = LOOP + "\nx = 1  # noqa: MDB701\n"
    uri = editor.open(editor.root / "hover.py", text)
    pages = {rule.code: documentation.page(rule) for rule in load()}

    async def hover(line: int, character: int) -> str:
        found = await editor.text_document_hover_async(
            types.HoverParams(types.TextDocumentIdentifier(uri), types.Position(line, character))
        )
        if found is None:
            return ""
        assert isinstance(found.contents, types.MarkupContent)
        assert found.contents.kind == types.MarkupKind.Markdown
        return found.contents.value

    assert (await hover(5, 20)).endswith(pages["MDB101"])
    assert "on every iteration" in await hover(5, 20)
    assert await hover(5, 10) == ""
    assert await hover(8, 17) == pages["MDB701"]
    assert await hover(99, 0) == ""


async def test_broken_text_keeps_what_was_found_where_it_is_now(editor: Editor) -> None:
    uri = editor.open(editor.root / "broken.py", LOOP)
    assert await editor.places(uri) == [("MDB101", "MongoClient")]
    editor.type(uri, "\n\ndef load", "\n\nclass (\n\n\ndef load")
    assert await editor.places(uri) == [("MDB101", "MongoClient")]
    assert await editor.actions(uri, "MongoClient()\n") == []
    editor.type(uri, "        client = MongoClient()\n", "")
    assert await editor.findings(uri) == []
    editor.type(uri, "class (", "class A: ...")
    assert "MDB101" not in [code for code, _ in await editor.places(uri)]


async def test_unsaved_neighbours_count_and_their_changes_refresh_others(editor: Editor) -> None:
    connect = "from pymongo import MongoClient\n\n\ndef connect():\n    return MongoClient()\n"
    (editor.root / "db.py").write_text("def connect():\n    return None\n")
    main = editor.open(
        editor.root / "main.py",
        LOOP.replace("from pymongo import MongoClient", "from db import connect").replace("MongoClient()", "connect()"),
    )
    assert await editor.findings(main) == []
    db = editor.open(editor.root / "db.py", connect)
    await editor.until(lambda: len(editor.published[main].diagnostics) == 1)
    [finding] = await editor.findings(main)
    assert finding.code == "MDB101"
    there = {step.location.uri: step.location.range.start.line for step in finding.related_information or ()}
    assert there[db] == 4
    # Nothing in the open file has changed, and it is looked at again.
    editor.type(db, "    return MongoClient()", "    return _client")
    editor.type(db, "def connect", "_client = MongoClient()\n\n\ndef connect")
    await editor.until(lambda: not editor.published[main].diagnostics)
    editor.type(db, "    return _client", "    return MongoClient()")
    await editor.until(lambda: len(editor.published[main].diagnostics) == 1)
    # What is on disk counts again.
    editor.close(db)
    await editor.until(lambda: not editor.published[main].diagnostics)
    # A module that is not on disk at all.
    editor.type(main, "from db", "from fresh_db")
    assert await editor.findings(main) == []
    editor.open(editor.root / "fresh_db.py", connect)
    await editor.until(lambda: bool(editor.published[main].diagnostics))
    assert await editor.places(main) == [("MDB101", "connect")]


async def test_closed_file_has_no_diagnostics(editor: Editor) -> None:
    uri = editor.open(editor.root / "closed.py", LOOP)
    assert len(await editor.findings(uri)) == 1
    editor.close(uri)
    await editor.until(lambda: not editor.published[uri].diagnostics)
    assert await editor.actions(uri, "MongoClient()\n") == []


async def test_settings_and_configuration_files_are_picked_up(editor: Editor) -> None:
    assert {item.method for item in editor.registered} == {
        types.WORKSPACE_DID_CHANGE_CONFIGURATION,
        types.WORKSPACE_DID_CHANGE_WATCHED_FILES,
    }
    uri = editor.open(editor.root / "settings.py", LOOP)
    assert len(await editor.findings(uri)) == 1
    changed = types.DidChangeConfigurationParams(None)

    async def expect(number: int) -> None:
        await editor.until(lambda: len(editor.published[uri].diagnostics) == number)

    for setting, number in (
        ({"arguments": ["--extend-ignore=MDB101"]}, 0),
        ({"arguments": []}, 1),
        ({"diagnostics": False}, 0),
        ({"diagnostics": True}, 1),
    ):
        editor.set_configuration({"mongo-threads": setting})
        editor.workspace_did_change_configuration(changed)
        await expect(number)
    # What other clients do: the settings come along.
    for setting, number in (({"arguments": ["--extend-ignore=MDB101"]}, 0), ({"arguments": []}, 1)):
        editor.workspace_did_change_configuration(types.DidChangeConfigurationParams({"mongo-threads": setting}))
        await expect(number)
    before = len(editor.messages)
    editor.workspace_did_change_configuration(types.DidChangeConfigurationParams({"mongo-threads": {"arguments": ["--no-such"]}}))
    path = editor.root / ".flake8"
    changed_file = types.DidChangeWatchedFilesParams([types.FileEvent(path.as_uri(), types.FileChangeType.Changed)])
    for text, number in (
        ("[flake8]\nper-file-ignores = settings.py:MDB101\n", 0),
        ("[flake8]\nexclude = other.py\n", 1),
        ("[flake8]\nexclude = settings.py\n", 0),
    ):
        path.write_text(text)
        editor.workspace_did_change_watched_files(changed_file)
        await expect(number)
    # Clients that watch no files: a change is seen when the buffer is looked at next.
    path.unlink()
    editor.type(uri, "path", "one")
    assert len(await editor.findings(uri)) == 1
    path.write_text("[flake8]\nextend-ignore = nonsense\n")
    editor.workspace_did_change_watched_files(changed_file)
    editor.type(uri, "one", "path")
    assert len(await editor.findings(uri)) == 1
    path.unlink()
    messages = [message.message for message in editor.messages[before:]]
    assert len(messages) == 2, messages
    assert "--no-such" in messages[0]
    assert "nonsense" in messages[1]


async def test_pages_and_other_languages(editor: Editor) -> None:
    page = f"# Notes\n\n```python\n{LOOP}```\n"
    uri = editor.open(editor.root / "notes.md", page, "markdown")
    assert await editor.places(uri) == [("MDB101", "MongoClient")]
    [fix] = await editor.actions(uri, "client = MongoClient()", ["quickfix"])
    fixed = editor.applied(uri, fix)
    assert fixed.startswith("# Notes\n\n```python\n")
    assert fixed.endswith("```\n")
    editor.replace(uri, fixed)
    assert await editor.findings(uri) == []
    other = editor.open(editor.root / "notes.txt", LOOP, "plaintext")
    untitled = editor.open("untitled:Untitled-1", LOOP)
    assert await editor.places(untitled) == [("MDB101", "MongoClient")]
    assert await editor.actions(other, "client =") == []
    assert other not in editor.published


async def test_request_that_is_cancelled(editor: Editor) -> None:
    uri = editor.open(editor.root / "cancelled.py", "\n\n".join(LOOP.replace("load", f"load_{number}") for number in range(40)))
    assert len(await editor.findings(uri)) == 40
    whole = types.Range(types.Position(0, 0), types.Position(400, 0))
    params = types.CodeActionParams(types.TextDocumentIdentifier(uri), whole, types.CodeActionContext([]))
    send: Callable[..., Coroutine[Any, Any, object]] = editor.protocol.send_request_async
    request = asyncio.ensure_future(send(types.TEXT_DOCUMENT_CODE_ACTION, params, "cancel-me"))
    await asyncio.sleep(0.05)
    start = time.perf_counter()
    editor.cancel_request(types.CancelParams("cancel-me"))
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    editor.type(uri, "        client = MongoClient()\n", "")
    assert len(await editor.findings(uri)) == 39
    # Working out forty fixes takes several times as long.
    assert time.perf_counter() - start < 3
    editor.close(uri)


async def test_many_changes_at_once_and_only_the_last_counts(editor: Editor) -> None:
    uri = editor.open(editor.root / "typing.py", CLEAN)
    assert await editor.findings(uri) == []
    for letter in "# MongoClient":
        editor.replace(uri, editor.texts[uri] + letter)
    editor.replace(uri, LOOP)
    assert await editor.places(uri) == [("MDB101", "MongoClient")]


async def test_client_that_can_do_little_and_shows_what_flake8_found(plain: Editor) -> None:
    uri = plain.open(plain.root / "plain.py", LOOP)
    assert await plain.findings(uri) == []
    shown = types.Diagnostic(types.Range(types.Position(5, 17), types.Position(5, 31)), "MDB101 text", code="MDB101", source="Flake8")
    [fix, silence, whole] = await plain.actions(uri, "client = MongoClient()", shown=[shown])
    assert list(fix.diagnostics or ()) == list(silence.diagnostics or ()) == [shown]
    assert fix.edit is not None
    assert fix.edit.changes is not None
    assert found(plain.applied(uri, fix)) == [] == found(plain.applied(uri, whole))
    [fix, _, _] = await plain.actions(uri, "client = MongoClient()")
    assert fix.diagnostics is None
    hover = await plain.text_document_hover_async(types.HoverParams(types.TextDocumentIdentifier(uri), types.Position(5, 20)))
    assert hover is not None
    assert isinstance(hover.contents, types.MarkupContent)
    assert hover.contents.kind == types.MarkupKind.PlainText
    # The initialization options have the other settings, too.
    other = plain.open(plain.root / "ignored.py", THREADS)
    assert await plain.findings(other) == []
    assert await plain.actions(other, "client = MongoClient()") == []


@pytest.mark.slow
async def test_thousand_lines_are_answered_within_a_tenth_of_a_second(editor: Editor) -> None:
    functions = "\n\n".join(
        f"def read_{n}(items, db):\n    for item in items:\n        if item.get('n') == {n}:\n            db.things.insert_one(item)\n    return len(items)\n"
        for n in range(140)
    )
    text = f"{LOOP}\n\n{functions}"
    assert text.count("\n") >= 980
    uri = editor.open(editor.root / "large.py", text)
    assert len(await editor.findings(uri)) == 1
    times = []
    for number in range(1, 13):
        start = time.perf_counter()
        editor.type(uri, *(("def read_9(", "def read_9_(") if number % 2 else ("def read_9_(", "def read_9(")))
        await editor.findings(uri)
        times.append(time.perf_counter() - start)
        await asyncio.sleep(0.05)
    assert sorted(times)[len(times) // 2] <= 0.1, times
