"""MDB202: one session used by several concurrent asyncio tasks."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.edits import Edit, InsertStatement
from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.repair import anchor, replace, source
from flake8_mongo_threads.semantics.sharing import Shared
from flake8_mongo_threads.semantics.transactions import BoundWork

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module
    from flake8_mongo_threads.semantics.spawns import Work

RULE = Rule(
    code="MDB202",
    name="session-shared-across-tasks",
    summary="One session is used by several concurrent asyncio tasks.",
    why=(
        "A session runs one operation at a time. In a transaction each concurrent operation goes over a connection of its own, and "
        "the one that starts the transaction is often not the first to arrive: the server answers NoSuchTransaction. Retryable "
        "writes get equal transaction numbers, and the second is silently not executed. When one of the gathered operations fails, "
        "the others go on after the transaction was aborted. Inside bind() every task inherits the session, although none names it."
    ),
    fix=Applicability.UNSAFE,
    examples=(
        Example(
            bad=(
                "import asyncio\n"
                "\n"
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "client = AsyncMongoClient()\n"
                "\n"
                "\n"
                "async def order(cart):\n"
                "    async with client.start_session() as session, await session.start_transaction():\n"
                "        await asyncio.gather(  # expect: MDB202\n"
                "            client.shop.orders.insert_one(cart, session=session),\n"
                '            client.shop.carts.delete_one({"_id": cart["_id"]}, session=session),\n'
                "        )\n"
            ),
            good=(
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "client = AsyncMongoClient()\n"
                "\n"
                "\n"
                "async def order(cart):\n"
                "    async with client.start_session() as session, await session.start_transaction():\n"
                "        await client.shop.orders.insert_one(cart, session=session)\n"
                '        await client.shop.carts.delete_one({"_id": cart["_id"]}, session=session)\n'
            ),
            title="One after the other",
        ),
        Example(
            bad=(
                "import asyncio\n"
                "\n"
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "client = AsyncMongoClient()\n"
                "\n"
                "\n"
                "async def load(a, b):\n"
                "    async with client.start_session() as s:\n"
                "        await asyncio.gather(client.app.a.insert_one(a, session=s), client.app.b.insert_one(b, session=s))  # expect: MDB202\n"
            ),
            fixed=(
                "import asyncio\n"
                "\n"
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "client = AsyncMongoClient()\n"
                "\n"
                "\n"
                "async def load(a, b):\n"
                "    async with client.start_session() as s:\n"
                "        await client.app.a.insert_one(a, session=s)\n"
                "        await client.app.b.insert_one(b, session=s)\n"
            ),
        ),
    ),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/crud/transactions/",),
)


@RULE.on(Shared)
def check(module: "Module", fact: Shared) -> Iterator[Finding]:
    """Report the launch, or the assignment, by which several tasks come to use one session."""
    if fact.value.family != "session" or fact.value.flavour == "sync" or fact.where != "task":
        return
    yield RULE.finding(
        module,
        fact.span,
        f"session{fact.made(module)} {fact.text}: a session runs one operation at a time, await them in turn or start a session in each task",
        fact.steps,
        in_turn(module, fact.work) if fact.work is not None else None,
        cause=fact.cause,
    )


@RULE.on(BoundWork)
def check_bound(module: "Module", fact: BoundWork) -> Iterator[Finding]:
    """Report the launch of tasks that inherit one bound session."""
    if fact.where != "task":
        return
    line = getattr(fact.region.node, "lineno", 1)
    yield RULE.finding(
        module,
        fact.span,
        f"tasks started inside bind() (line {line}) all use the bound session: a session runs one operation at a time, await them in turn or bind a session in each task",
        fact.steps,
        in_turn(module, fact.work),
        cause=f"shared@{fact.span.line}:{fact.span.col}:session",
    )


def in_turn(module: "Module", work: "Work") -> Fix | None:
    """``await asyncio.gather(a, b)`` becomes ``await a`` and ``await b``, or the list of both where the result is used."""
    call = work.call
    parents = module.index.parents
    awaited = parents.get(call)
    if work.path != "asyncio.gather" or call.keywords or len(call.args) < 2 or not isinstance(awaited, ast.Await):
        return None
    if not all(isinstance(arg, ast.Call) for arg in call.args):
        return None
    title = "Await one after the other"
    statement = parents.get(awaited)
    if isinstance(statement, ast.Expr):
        edits: list[Edit] = [InsertStatement(anchor(module, statement), f"await {source(module, arg)}") for arg in call.args[:-1]]
        edits.append(replace(module, awaited, "await {0}", call.args[-1]))
        return Fix(title, Applicability.UNSAFE, tuple(edits))
    template = ", ".join(f"await {{{position}}}" for position in range(len(call.args)))
    return Fix(title, Applicability.UNSAFE, (replace(module, awaited, f"[{template}]", *call.args),))
