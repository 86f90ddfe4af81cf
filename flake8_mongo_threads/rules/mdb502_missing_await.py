"""MDB502: a coroutine of the driver that nobody awaits."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.edits import Edit
from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules import repair
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.awaiting import Unawaited, awaited_kind, can_await, class_name
from flake8_mongo_threads.semantics.values import Awaitable

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB502",
    name="missing-await",
    summary="A coroutine of the asynchronous driver that nobody awaits.",
    why=(
        "With PyMongo Async (4.9 and newer) an operation that is not awaited never runs: nothing is written, and the only trace is a "
        "RuntimeWarning when the coroutine is collected. As a condition it is always true, and client.close() closes nothing. "
        "Motor does run it, but its errors are lost ('Future exception was never retrieved') and its result is a Future. "
        "A session.start_transaction() that is not awaited leaves every following operation outside the transaction."
    ),
    fix=Applicability.SAFE,
    examples=(
        Example(
            bad=(
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "events = AsyncMongoClient().app.events\n"
                "\n"
                "\n"
                "async def add(doc):\n"
                '    if events.find_one({"_id": doc["_id"]}):  # expect: MDB502\n'
                "        return\n"
                "    events.insert_one(doc)  # expect: MDB502\n"
            ),
            good=(
                "import asyncio\n"
                "\n"
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "events = AsyncMongoClient().app.events\n"
                "\n"
                "\n"
                "async def add(docs):\n"
                "    await asyncio.gather(*[events.insert_one(doc) for doc in docs])\n"
                "    pending = events.count_documents({})\n"
                "    return await pending\n"
            ),
            fixed=(
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "events = AsyncMongoClient().app.events\n"
                "\n"
                "\n"
                "async def add(doc):\n"
                '    if await events.find_one({"_id": doc["_id"]}):\n'
                "        return\n"
                "    await events.insert_one(doc)\n"
            ),
        ),
    ),
    silent=(
        (
            "Coroutines given to gather, create_task, wait_for, TaskGroup, asyncio.run or run_coroutine_threadsafe, stored and awaited "
            "later, or returned."
        ),
        "Mocks, synchronous clients, and the builder methods of cursors.",
    ),
    known_limits=(
        "A coroutine that is returned, stored or passed to a function of the program counts as awaited by it.",
        "With Motor the fix is unsafe: the operation already runs, awaiting it changes order and errors.",
    ),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/reference/migration/",),
)


@RULE.on(Unawaited)
def check(module: "Module", fact: Unawaited) -> Iterator[Finding]:
    """Report the operation."""
    method = fact.method
    owner = class_name(method.owner.kind)
    if method.owner.flavour == "motor":
        text = (
            f"'{method.name}' of {owner} is never awaited ({fact.misuse}): "
            "it runs, but its result is a Future and its errors are lost; await it"
        )
    else:
        text = f"'{method.name}' of {owner} is never awaited, so it never runs ({fact.misuse}): await it"
    yield RULE.finding(module, fact.span, text, fact.steps, _fix(module, fact), cause=f"await@{fact.span.line}:{fact.span.col}")


def _fix(module: "Module", fact: Unawaited) -> Fix | None:
    if not can_await(module, fact.node):
        return None
    edits: list[Edit] = [repair.insert_await(module, fact.node)]
    use = fact.use
    if use.how == "attribute" and not use.named:
        outer = module.index.parents.get(use.at)
        call = outer if isinstance(outer, ast.Call) and outer.func is use.at else None
        tail = module.index.parents.get(call) if call is not None else outer
        if isinstance(tail, ast.Await):
            keeps = _still_awaited(module, fact.awaitable, use.at)
            if keeps is None:
                return None
            if not keeps:
                edits.append(repair.drop_await(module, tail))
    applicability = Applicability.UNSAFE if fact.method.owner.flavour == "motor" else Applicability.SAFE
    return Fix("Await it", applicability, tuple(edits))


def _still_awaited(module: "Module", awaitable: Awaitable, attribute: ast.AST) -> bool | None:
    """Of ``await f().name()``: whether what ``name`` gives is to be awaited too; None when it is not known."""
    kind = awaited_kind(module, awaitable)
    if kind is None or not isinstance(attribute, ast.Attribute):
        return None
    if kind.family in ("result", "document"):
        return False
    from flake8_mongo_threads.driver import kinds

    member = kinds.member(kind.family, kind.flavour, attribute.attr)
    return member.coroutine if member is not None else None
