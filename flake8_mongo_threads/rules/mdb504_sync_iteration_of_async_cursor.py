"""MDB504: plain iteration of an asynchronous cursor."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.edits import Edit
from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules import repair
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.awaiting import SyncIteration, can_await, class_name

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB504",
    name="sync-iteration-of-async-cursor",
    summary="'for', list, sorted … over an asynchronous cursor: it yields nothing, or raises.",
    why=(
        "In every release from 4.9 to 4.20, plain iteration of an AsyncCursor yields nothing: no exception, no warning, no query. It has "
        "no __iter__, but a __getitem__ that raises IndexError, which Python's sequence protocol reads as the end. So 'if not "
        "list(coll.find(q))' is always true and max(coll.find(), default=0) is 0. The cursors of aggregate and list_indexes, raw batches, "
        "and all of Motor's raise TypeError or InvalidOperation."
    ),
    fix=Applicability.SAFE,
    examples=(
        Example(
            bad=(
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "orders = AsyncMongoClient().shop.orders\n"
                "\n"
                "\n"
                "async def total():\n"
                "    result = 0\n"
                "    for order in orders.find():  # expect: MDB504\n"
                '        result += order["price"]\n'
                "    return result\n"
                "\n"
                "\n"
                "async def numbers():\n"
                '    return sorted(list(orders.find({}, {"n": 1})), key=str)  # expect: MDB504\n'
            ),
            good=(
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "orders = AsyncMongoClient().shop.orders\n"
                "\n"
                "\n"
                "async def total():\n"
                "    result = 0\n"
                "    async for order in orders.find():\n"
                '        result += order["price"]\n'
                "    return result, await orders.find().to_list()\n"
            ),
            fixed=(
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "orders = AsyncMongoClient().shop.orders\n"
                "\n"
                "\n"
                "async def total():\n"
                "    result = 0\n"
                "    async for order in orders.find():\n"
                '        result += order["price"]\n'
                "    return result\n"
                "\n"
                "\n"
                "async def numbers():\n"
                '    return sorted(await orders.find({}, {"n": 1}).to_list(), key=str)\n'
            ),
        ),
    ),
    silent=(
        "async for, await cursor.to_list(), asynchronous comprehensions.",
        "Synchronous cursors, documents and lists that an awaited call gave.",
    ),
    known_limits=("In a plain def or a lambda there is no fix: the function itself must become async.",),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/reference/migration/",),
)


@RULE.on(SyncIteration)
def check(module: "Module", fact: SyncIteration) -> Iterator[Finding]:
    """Report what is iterated."""
    name = class_name(fact.owner.kind)
    form = {"for": "'for'", "comprehension": "a comprehension", "*": "'*'", "in": "'in'", "unpack": "an unpacking assignment"}.get(
        fact.how, f"'{fact.how}'"
    )
    silent = fact.owner.kind == ("cursor", "async") and not fact.unawaited and fact.how not in ("next", "reversed")
    effect = "yields nothing, without an error" if silent else "raises TypeError"
    what = f"the coroutine of an {name}" if fact.unawaited else f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
    text = f"{form} over {what} {effect}: use 'async for' or await its to_list()"
    yield RULE.finding(module, fact.span, text, fact.steps, _fix(module, fact), cause=f"await@{fact.span.line}:{fact.span.col}")


def _fix(module: "Module", fact: SyncIteration) -> Fix | None:
    fix = _awaited(module, fact)
    made = fact.node.value if isinstance(fact.node, ast.Await) else fact.node
    returned = isinstance(made, ast.Call) and any(edge.node is made for edge in module.calls.inside(module.index.scope(made).function))
    return fix._replace(isolation=repair.HANDED_OUT) if fix is not None and returned else fix


def _awaited(module: "Module", fact: SyncIteration) -> Fix | None:
    if fact.owner.family == "change-stream" and not isinstance(fact.at, (ast.For, ast.comprehension)):
        return None
    edits: list[Edit] = [repair.insert_await(module, fact.node)] if fact.unawaited else []
    if isinstance(fact.at, (ast.For, ast.comprehension)):
        owner = module.index.parents.get(fact.at) if isinstance(fact.at, ast.comprehension) else fact.at
        if isinstance(owner, ast.GeneratorExp) and owner.generators[0] is fact.at and fact.at.iter is fact.node:
            return _read_first(module, fact, owner)
        edit = repair.make_async(module, fact.at)
        if edit is None or owner is None or not can_await(module, owner):
            return None
        return Fix("Use 'async for'", Applicability.SAFE, (*edits, edit))
    if not can_await(module, fact.node) or fact.how in ("next", "iter", "reversed", "yield from", "islice"):
        return None
    template = _template(fact)
    if isinstance(fact.at, ast.Call) and fact.how == "list" and len(fact.at.args) == 1 and not fact.at.keywords:
        return Fix("Await its to_list()", Applicability.SAFE, (repair.replace(module, fact.at, template, fact.node),))
    return Fix("Await its to_list()", Applicability.SAFE, (repair.replace(module, fact.node, template, fact.node),))


def _template(fact: SyncIteration) -> str:
    listed = "to_list(None)" if fact.owner.flavour == "motor" else "to_list()"
    return f"await (await {{0}}).{listed}" if fact.unawaited else f"await {{0}}.{listed}"


def _read_first(module: "Module", fact: SyncIteration, owner: ast.GeneratorExp) -> Fix | None:
    """``sum(d["n"] for d in cursor)``: the first iterable of a generator is evaluated where the generator is made."""
    if fact.owner.family == "change-stream" or not can_await(module, owner):
        return None
    return Fix("Await its to_list()", Applicability.SAFE, (repair.replace(module, fact.node, _template(fact), fact.node),))
