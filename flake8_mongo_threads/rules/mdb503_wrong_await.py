"""MDB503: await, async with, async for or their plain forms on an object of the other colour."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.driver import api
from flake8_mongo_threads.edits import Edit, ImportRequest, MakeAsync, ReplaceExpr
from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules import repair
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.awaiting import WrongForm, can_await
from flake8_mongo_threads.semantics.names import class_of

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB503",
    name="wrong-await",
    summary="'await', 'async with', 'async for' or their plain forms on something of the other colour.",
    why=(
        "It raises TypeError when it runs, and which form is right differs between PyMongo Async and Motor: aggregate, watch, "
        "list_indexes and start_transaction are coroutines in PyMongo Async and plain methods in Motor; start_session and find are "
        "the other way round or plain in both. Awaiting a synchronous operation is worse: the write happens, then "
        "\"object InsertOneResult can't be used in 'await' expression\" is raised."
        " In every release from 4.9 to 4.20 start_transaction is a coroutine, and start_session is not."
    ),
    fix=Applicability.SAFE,
    examples=(
        Example(
            bad=(
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "client = AsyncMongoClient()\n"
                "events = client.app.events\n"
                "\n"
                "\n"
                "async def names(pipeline):\n"
                "    async for row in events.aggregate(pipeline):  # expect: MDB503\n"
                "        print(row)\n"
                "    cursor = await events.find()  # expect: MDB503\n"
                "    return [doc async for doc in cursor]\n"
                "\n"
                "\n"
                "async def transfer(doc):\n"
                "    async with client.start_session() as session:\n"
                "        async with session.start_transaction():  # expect: MDB503\n"
                "            await events.insert_one(doc, session=session)\n"
            ),
            good=(
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "client = AsyncMongoClient()\n"
                "events = client.app.events\n"
                "\n"
                "\n"
                "async def names(pipeline):\n"
                "    async for row in await events.aggregate(pipeline):\n"
                "        print(row)\n"
                "    return [doc async for doc in events.find()]\n"
            ),
            fixed=(
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "client = AsyncMongoClient()\n"
                "events = client.app.events\n"
                "\n"
                "\n"
                "async def names(pipeline):\n"
                "    async for row in await events.aggregate(pipeline):\n"
                "        print(row)\n"
                "    cursor = events.find()\n"
                "    return [doc async for doc in cursor]\n"
                "\n"
                "\n"
                "async def transfer(doc):\n"
                "    async with client.start_session() as session:\n"
                "        async with await session.start_transaction():\n"
                "            await events.insert_one(doc, session=session)\n"
            ),
        ),
    ),
    silent=(
        "The form that is right for the class at hand: Motor's and PyMongo's differ.",
        "Objects whose class is not certain.",
    ),
    known_limits=("The await of a synchronous operation has an unsafe fix only: asyncio.to_thread runs it on another thread.",),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/reference/migration/",),
)

_CURES = {
    "drop": "drop the await",
    "await": "await it first",
    "await+async": "await it first and use 'async with'",
    "plain": "use the plain form, or the asynchronous client",
    "async": "use 'async with'",
    "thread": "await asyncio.to_thread(...) or use AsyncMongoClient",
    "none": "drop the await, or use the asynchronous client",
}


@RULE.on(WrongForm)
def check(module: "Module", fact: WrongForm) -> Iterator[Finding]:
    """Report the object."""
    cure = _CURES[fact.cure]
    if fact.cure == "none" and fact.form == "async for":
        cure = "await it and loop over the result"
    if fact.cure == "plain" and isinstance(fact.node, ast.Await):
        cure = "use a plain for"
    yield RULE.finding(
        module, fact.span, f"{fact.text}; {cure}", fact.steps, _fix(module, fact), cause=f"await@{fact.span.line}:{fact.span.col}"
    )


def _fix(module: "Module", fact: WrongForm) -> Fix | None:
    safe = Applicability.SAFE
    if fact.cure == "drop" and isinstance(fact.at, ast.Await):
        return Fix("Drop the await", safe, (repair.drop_await(module, fact.at), *_awaited_at_its_end(module, fact.at)))
    if fact.cure == "thread" and isinstance(fact.node, ast.Call):
        return repair.offload(module, fact.node, fact.at)
    if not can_await(module, fact.node):
        return None
    if fact.cure == "await":
        return Fix("Await it first", safe, (repair.insert_await(module, fact.node),))
    if fact.cure in ("await+async", "async"):
        if isinstance(fact.at, ast.With) and len(fact.at.items) > 1:
            return _all_items(module, fact.at)
        edit = repair.make_async(module, fact.at)
        if edit is None:
            return None
        edits = (repair.insert_await(module, fact.node), edit) if fact.cure == "await+async" else (edit,)
        return Fix("Use 'async with'", safe, edits)
    if fact.cure == "plain" and (fact.form == "async with" or isinstance(fact.node, ast.Await)):
        edit = repair.make_async(module, fact.at, asynchronous=False)
        return Fix("Use the plain form", safe, (edit,)) if edit is not None else None
    if fact.cure == "plain" and fact.form == "async for":
        return _listed(module, fact)
    return None


def _all_items(module: "Module", block: ast.With) -> Fix | None:
    """``with client.start_session() as s, s.start_transaction():`` of the asynchronous client, where nothing else is entered."""
    facts = {id(fact.node): fact for fact in module.facts(WrongForm) if fact.at is block}
    found = [facts.get(id(item.context_expr)) for item in block.items]
    edits: list[Edit] = []
    for item, fact in zip(block.items, found, strict=True):
        if fact is None or fact.cure not in ("await+async", "async"):
            return None
        if fact.cure == "await+async":
            edits.append(repair.insert_await(module, item.context_expr))
    return Fix("Use 'async with'", Applicability.SAFE, (*edits, MakeAsync(repair.anchor(module, block), 0, True)))


def _awaited_at_its_end(module: "Module", node: ast.Await) -> list[ReplaceExpr]:
    """``(await coll.find()).to_list()``: what the last method of the chain gives is what has to be awaited."""
    kind, parents = module.inference.kind(module, node.value), module.index.parents
    chain: ast.AST = node
    last = ""
    while isinstance(name := parents.get(chain), ast.Attribute) and isinstance(call := parents.get(name), ast.Call) and call.func is name:
        chain, last = call, name.attr
    if kind is None or not last or isinstance(parents.get(chain), ast.Await):
        return []
    coroutine = api.member_kind(class_of(*kind.kind), last) == "coroutine"
    return [repair.insert_await(module, chain)] if coroutine else []


def _listed(module: "Module", fact: WrongForm) -> Fix | None:
    """``async for`` over a cursor of the synchronous driver: a plain one, over the documents that a thread has read."""
    kind, edit = module.inference.kind(module, fact.node), repair.make_async(module, fact.at, asynchronous=False)
    if kind is None or kind.kind != ("cursor", "sync") or edit is None or repair.tailable(fact.node):
        return None
    if isinstance(fact.node, ast.Name):
        bindings = module.index.reaching(module.index.scope(fact.node).function, fact.node.id, fact.node)
        if any(not isinstance(binding.value, ast.expr) or repair.tailable(binding.value) for binding in bindings):
            return None
    read = repair.replace(module, fact.node, "await asyncio.to_thread(list, {0})", fact.node)
    title = "Read the documents on a thread: await asyncio.to_thread(...)"
    return Fix(title, Applicability.UNSAFE, (edit, read), (ImportRequest("asyncio"),))
