"""MDB506: a lazy or asynchronous method handed to a thread."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import spawners
from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules import repair
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.offload import ASYNC, BATCH, LAZY, Offload, noun
from flake8_mongo_threads.semantics.syntax import has_star, keyword
from flake8_mongo_threads.semantics.values import Method

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB506",
    name="offload-does-nothing",
    summary="A lazy or asynchronous method is handed to a thread: the work still runs on the event loop, or never.",
    why=(
        "find() only builds a cursor; the query runs where the cursor is iterated. After 'cursor = await asyncio.to_thread(coll.find, q)' "
        "the loop over it blocks the event loop as before (200 ms in a measured case), and of aggregate only the first batch is fetched on "
        "the thread (1.8 s of stall over the others). An asynchronous method only makes a coroutine, which the thread never runs."
        " True of every release."
    ),
    fix=Applicability.SAFE,
    examples=(
        Example(
            bad=(
                "import asyncio\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "async def names(query):\n"
                "    cursor = await asyncio.to_thread(events.find, query)  # expect: MDB506\n"
                '    return [event["name"] for event in cursor]\n'
            ),
            good=(
                "import asyncio\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "async def names(query):\n"
                "    found = await asyncio.to_thread(lambda: list(events.find(query)))\n"
                '    return [event["name"] for event in found]\n'
            ),
            fixed=(
                "import asyncio\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "async def names(query):\n"
                "    cursor = await asyncio.to_thread(lambda: list(events.find(query)))\n"
                '    return [event["name"] for event in cursor]\n'
            ),
        ),
        Example(
            bad=(
                "import asyncio\n"
                "\n"
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "events = AsyncMongoClient().app.events\n"
                "\n"
                "\n"
                "async def one(key):\n"
                '    return await asyncio.to_thread(events.find_one, {"_id": key})  # expect: MDB506\n'
            ),
            good=(
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "events = AsyncMongoClient().app.events\n"
                "\n"
                "\n"
                "async def one(key):\n"
                '    return await events.find_one({"_id": key})\n'
            ),
            fixed=(
                "import asyncio\n"
                "\n"
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "events = AsyncMongoClient().app.events\n"
                "\n"
                "\n"
                "async def one(key):\n"
                '    return await events.find_one({"_id": key})\n'
            ),
            title="An asynchronous method",
        ),
    ),
    silent=(
        "lambda: list(coll.find(q)), a function that reads the cursor, and list handed over with the cursor.",
        "Operations of a synchronous client that are not lazy.",
    ),
    known_limits=("A cursor that goes back to a thread for its iteration is not reported.",),
    references=("https://docs.python.org/3/library/asyncio-task.html#asyncio.to_thread",),
)


@RULE.on(Offload)
def check(module: "Module", fact: Offload) -> Iterator[Finding]:
    """Report the hand-over."""
    if fact.how == ASYNC:
        text = f"'{fact.name}' handed to a thread only makes a coroutine, which the thread never runs: await it on the event loop"
    elif fact.how == BATCH:
        text = (
            f"'{fact.name}' handed to a thread fetches only its first batch there, the iteration blocks the event loop: "
            "hand over the whole loop, lambda: list(...)"
        )
    else:
        text = f"'{fact.name}' of {noun(fact)} is lazy, the thread runs no query: hand over the iteration too, lambda: list(...)"
        if fact.owner is not None and fact.owner.flavour != "sync":
            text = f"'{fact.name}' of {noun(fact)} is lazy, the thread runs no query: call it on the event loop"
    yield RULE.finding(module, fact.span, text, fact.steps, _fix(module, fact), cause=f"await@{fact.span.line}:{fact.span.col}")


def _fix(module: "Module", fact: Offload) -> Fix | None:
    call, work = fact.node, fact.work
    if isinstance(work.target, ast.Lambda) and _can_drain(fact) and not _is_no_chain(work.target.body):
        edit = repair.replace(module, work.target.body, "list({0})", work.target.body)
        return Fix("Drain the cursor on the thread", Applicability.SAFE, (edit,))
    if not isinstance(fact.value, Method) or not isinstance(work.target, ast.Attribute) or has_star(call):
        return None
    if work.launcher.passing != spawners.REST or keyword(call, work.launcher.keyword) is not None or work.path.endswith(".submit"):
        return None
    start = work.launcher.index + 1
    arguments = [*call.args[start:], *(k.value for k in call.keywords)]
    names = [*([""] * len(call.args[start:])), *(f"{k.arg}=" for k in call.keywords)]
    if work.path.startswith(("anyio.", "trio.")) and call.keywords:
        return None
    if fact.how == ASYNC:
        if call not in module.index.awaited:
            return None
        holes = ", ".join(f"{name}{{{n}}}" for n, name in enumerate(names, 1))
        return Fix(
            "Await it on the event loop", Applicability.SAFE, (repair.replace(module, call, f"{{0}}({holes})", work.target, *arguments),)
        )
    if not _can_drain(fact) or any(isinstance(a, ast.NamedExpr) for a in arguments):
        return None
    before = call.args[: work.launcher.index]
    position = len(before) + 1
    head = "".join(f"{{{n}}}, " for n in range(1, position))
    holes = ", ".join(f"{name}{{{n}}}" for n, name in enumerate(names, position + 1))
    template = f"{{0}}({head}lambda: list({{{position}}}({holes})))"
    edit = repair.replace(module, call, template, call.func, *before, work.target, *arguments)
    return Fix("Drain the cursor on the thread", Applicability.SAFE, (edit,))


def _can_drain(fact: Offload) -> bool:
    """Whether a cursor of the synchronous driver is handed over, and its documents are all that is wanted."""
    if fact.how not in (LAZY, BATCH) or not fact.flows or fact.owner is None or fact.owner.flavour != "sync":
        return False
    return all(use.how == "iteration" and not use.collected for use in fact.flows)


def _is_no_chain(node: ast.expr) -> bool:
    """Whether an expression is more than one chain of calls."""
    while isinstance(node, (ast.Call, ast.Attribute)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return not isinstance(node, (ast.Name, ast.Subscript))
