"""MDB507: an async close handed to something that calls it without awaiting."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.edits import Edit, ImportRequest, MakeAsync, RenameImport
from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules import repair
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.awaiting import can_await, class_name
from flake8_mongo_threads.semantics.closing import UnawaitedClose
from flake8_mongo_threads.semantics.syntax import WITHS

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB507",
    name="async-close-never-awaited",
    summary="An asynchronous 'close' is handed to something that calls it and never awaits it.",
    why=(
        "atexit, contextlib.closing, ExitStack.callback, loop.add_signal_handler and call_later call what they are given. close() of "
        "PyMongo Async only makes a coroutine there: nothing is closed, and Python warns 'coroutine was never awaited' and 'Unclosed "
        "AsyncMongoClient'. close() of Motor is a plain method and fine."
        " True of PyMongo Async in every release (4.9 and newer)."
    ),
    fix=Applicability.SAFE,
    examples=(
        Example(
            bad=(
                "from contextlib import closing\n"
                "\n"
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "\n"
                "async def one(key):\n"
                "    with closing(AsyncMongoClient()) as client:  # expect: MDB507\n"
                '        return await client.app.events.find_one({"_id": key})\n'
            ),
            good=(
                "from contextlib import aclosing\n"
                "\n"
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "\n"
                "async def one(key):\n"
                "    async with aclosing(AsyncMongoClient()) as client:\n"
                '        return await client.app.events.find_one({"_id": key})\n'
            ),
            fixed=(
                "from contextlib import aclosing\n"
                "\n"
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "\n"
                "async def one(key):\n"
                "    async with aclosing(AsyncMongoClient()) as client:\n"
                '        return await client.app.events.find_one({"_id": key})\n'
            ),
        ),
        Example(
            bad=(
                "import atexit\n"
                "\n"
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "client = AsyncMongoClient()\n"
                "atexit.register(client.close)  # expect: MDB507\n"
            ),
            good=(
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "\n"
                "async def main():\n"
                "    async with AsyncMongoClient() as client:\n"
                "        await client.app.events.find_one()\n"
            ),
            title="At exit there is no event loop any more",
        ),
    ),
    silent=(
        "aclosing, push_async_callback, on_shutdown of Starlette, which awaits coroutine functions.",
        "close of MongoClient and of Motor's client.",
    ),
    known_limits=("Only registrars of the standard library, of asyncio, unittest and pytest are known.",),
    references=("https://docs.python.org/3/library/contextlib.html#contextlib.aclosing",),
)


@RULE.on(UnawaitedClose)
def check(module: "Module", fact: UnawaitedClose) -> Iterator[Finding]:
    """Report the call that hands it over."""
    cure = "use 'async with aclosing(...)'" if fact.closing else "await it in the coroutine that owns the client, or use 'async with'"
    text = f"'{fact.name}' of {class_name(fact.owner.kind)} is a coroutine, {fact.to} calls it and never awaits it: {cure}"
    yield RULE.finding(module, fact.span, text, fact.steps, _fix(module, fact), cause=f"close@{fact.span.line}:{fact.span.col}")


def _fix(module: "Module", fact: UnawaitedClose) -> Fix | None:
    """``with closing(x)`` becomes ``async with aclosing(x)`` where that can stand."""
    item = module.index.parents.get(fact.node)
    block = module.index.parents.get(item) if isinstance(item, ast.withitem) else None
    if not fact.closing or not isinstance(block, WITHS) or len(block.items) != 1 or not can_await(module, block):
        return None
    edits: list[Edit] = [] if isinstance(block, ast.AsyncWith) else [MakeAsync(repair.anchor(module, block))]
    title = "Use 'async with aclosing(...)'"
    imported = _only_use(module, fact.node.func)
    if imported is not None:
        edits += [
            RenameImport(repair.anchor(module, imported), "closing", "contextlib", "aclosing", keep_local=False),
            repair.replace(module, fact.node.func, "aclosing"),
        ]
        return Fix(title, Applicability.SAFE, tuple(edits))
    edits.append(repair.replace(module, fact.node.func, "contextlib.aclosing"))
    return Fix(title, Applicability.SAFE, tuple(edits), (ImportRequest("contextlib"),))


def _only_use(module: "Module", function: ast.expr) -> ast.ImportFrom | None:
    """The import of ``closing`` where this is its only use: it can take ``aclosing`` instead."""
    if not isinstance(function, ast.Name) or function.id != "closing" or len(module.index.name_loads.get("closing", ())) != 1:
        return None
    bindings = module.index.module_scope.bindings.get("closing", ())
    if len(bindings) != 1 or sum("closing" in scope.bindings for scope in module.index.scopes) != 1:
        return None
    alias = bindings[0].node
    statement = module.index.parents.get(alias)
    if not isinstance(statement, ast.ImportFrom) or statement.module != "contextlib" or statement.level:
        return None
    return statement if all(item.asname is None for item in statement.names) else None
