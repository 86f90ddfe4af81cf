"""The plugin of python-lsp-server, in a real one: flake8 shows what is found, the plugin offers what to do."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lsprotocol import types
from pytest_lsp import client_capabilities

import harness
from editor import Editor, connected
from flake8_mongo_threads.config import Config
from flake8_mongo_threads.engine import check_text
from programs import LOOP

# A program that is not there: python-lsp-server then runs the flake8 of its own interpreter.
FLAKE8 = {"enabled": True, "executable": "flake8-of-nobody", "select": ["MDB"], "extendSelect": ["MDB705"]}
OTHERS = ("pycodestyle", "pyflakes", "mccabe", "preload", "jedi_completion", "rope_autoimport")

TYPED = "        client = MongoClient()\n"
NEEDLESS = """\
import threading

from pymongo import MongoClient

hits = MongoClient().shop.hits
lock = threading.Lock()


def visit(page):
    with lock:
        hits.insert_one({"page": page})


for _ in range(4):
    threading.Thread(target=visit, args=("/",)).start()
"""
"""A program with one finding of an opt-in rule: MDB705."""


@connected("-m", "pylsp")
async def editor(lsp_client: Editor, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[None]:
    root = tmp_path_factory.mktemp("workspace")
    await lsp_client.initialize_session(types.InitializeParams(client_capabilities("neovim"), root_uri=root.as_uri()))
    plugins = {"flake8": FLAKE8, **{name: {"enabled": False} for name in OTHERS}}
    lsp_client.workspace_did_change_configuration(types.DidChangeConfigurationParams({"pylsp": {"plugins": plugins}}))
    lsp_client.root = root
    yield
    await lsp_client.shutdown_session()


def found(text: str) -> list[str]:
    return [finding.code for finding in check_text("program.py", text, Config())]


@pytest.mark.asyncio(loop_scope="module")
async def test_open_type_the_misuse_see_it_and_fix_it(editor: Editor) -> None:
    uri = editor.open(editor.root / "café.py", f'NOTE = "😀"\n{LOOP}'.replace(TYPED, ""))
    assert await editor.findings(uri) == []
    editor.type(uri, "    for path in paths:\n", f"    for path in paths:\n{TYPED}")
    await editor.until(lambda: bool(editor.published[uri].diagnostics))
    [shown] = editor.published[uri].diagnostics
    assert (shown.source, shown.code) == ("flake8", "MDB101")
    fix, silence = await editor.actions(uri, "client = MongoClient", shown=[shown])
    assert (fix.is_preferred, fix.kind) == (True, types.CodeActionKind.QuickFix)
    assert list(fix.diagnostics or ()) == [shown]
    fixed = editor.applied(uri, fix)
    assert fixed.startswith('NOTE = "😀"\n')
    assert found(fixed) == []
    assert editor.applied(uri, silence) == editor.texts[uri].replace("MongoClient()\n", "MongoClient()  # noqa: MDB101\n")
    # Nothing of ours is there, or something else is asked for.
    assert await editor.actions(uri, "NOTE") == []
    assert await editor.actions(uri, "client = MongoClient", ["refactor"], [shown]) == []
    editor.replace(uri, fixed)
    await editor.until(lambda: not editor.published[uri].diagnostics)


@pytest.mark.asyncio(loop_scope="module")
async def test_rules_that_its_settings_switch_on(editor: Editor) -> None:
    uri = editor.open(editor.root / "needless.py", NEEDLESS)
    await editor.until(lambda: uri in editor.published and bool(editor.published[uri].diagnostics))
    [shown] = editor.published[uri].diagnostics
    assert shown.code == "MDB705"
    line = NEEDLESS.split("\n")[shown.range.start.line]
    [silence] = await editor.actions(uri, line, shown=[shown])
    assert f"{line}  # noqa: MDB705\n" in editor.applied(uri, silence)


def test_loading_the_plugin_costs_next_to_nothing(tmp_path: Path) -> None:
    script = (
        "import sys, pylsp\nbefore = set(sys.modules)\n"
        "from importlib.metadata import entry_points\n"
        "[point] = [point for point in entry_points(group='pylsp') if point.name == 'mongo_threads']\n"
        "point.load()\nprint(*sorted(name for name in set(sys.modules) - before if not name.startswith(('importlib', 'email', '_'))))"
    )
    done = harness.run("-c", script, cwd=tmp_path)
    assert done.stderr == ""
    loaded = done.stdout.split()
    assert "flake8_mongo_threads.lsp.pylsp_plugin" in loaded
    ours = {name for name in loaded if name.startswith("flake8_mongo_threads")}
    assert ours == {"flake8_mongo_threads", "flake8_mongo_threads.lsp", "flake8_mongo_threads.lsp.pylsp_plugin"}
    assert not {name.partition(".")[0] for name in loaded} & {"pygls", "lsprotocol", "libcst", "flake8"}
