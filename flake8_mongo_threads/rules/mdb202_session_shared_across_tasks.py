"""MDB202: one session used by several concurrent asyncio tasks."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.edits import DeleteStatement, Edit, InsertStatement
from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.repair import anchor, replace, source
from flake8_mongo_threads.semantics.sharing import Shared
from flake8_mongo_threads.semantics.syntax import names_in, walk
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
        " True of Motor and of every release of PyMongo Async; bind() exists since 4.17."
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
            fixed=(
                "import asyncio\n"
                "\n"
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
    silent=(
        "Operations awaited one after the other, one operation handed over and awaited, and a session for each task.",
        "Operations without the session beside one that has it, outside of bind().",
        "Every use under one asyncio.Lock.",
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
        all_in_turn(module, fact.work, _with_session(module, fact.work)) if fact.work is not None else None,
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
        all_in_turn(module, fact.work, _within(module, fact.region.node)),
        cause=f"shared@{fact.span.line}:{fact.span.col}:session",
    )


def _with_session(module: "Module", first: "Work") -> "list[Work]":
    """The launches of the same function that hand over a session, too: one finding speaks for all of them."""
    kind = module.inference.kind
    found = []
    for work in module.calls.works:
        if work.path == "asyncio.gather" and work.scope.function is first.scope.function:
            handed = (kind(module, node) for node in walk(work.call, into_functions=True) if isinstance(node, ast.Name))
            if any(value is not None and value.family == "session" for value in handed):
                found.append(work)
    return found


def _within(module: "Module", region: ast.AST) -> "list[Work]":
    """The launches inside a block."""
    return [work for work in module.calls.works if work.path == "asyncio.gather" and module.index.within(work.call, region)]


def all_in_turn(module: "Module", first: "Work", others: "list[Work]") -> Fix | None:
    """Take turns at a launch, and at the others that use the same session."""
    fix = in_turn(module, first)
    if fix is None:
        return None
    edits = list(fix.edits)
    seen = {first.call}
    for work in others:
        more = in_turn(module, work) if work.call not in seen else None
        seen.add(work.call)
        if more is not None:
            edits += more.edits
    return fix._replace(edits=tuple(edits))


def in_turn(module: "Module", work: "Work") -> Fix | None:
    """``await asyncio.gather(a, b)`` becomes ``await a`` and ``await b``, or the list of both where the result is used.

    ``gather(*[f(x) for x in xs])`` becomes a loop that awaits, or the list that awaits each.
    """
    call = work.call
    parents = module.index.parents
    awaited = parents.get(call)
    if work.path != "asyncio.gather" or call.keywords or not isinstance(awaited, ast.Await):
        return None
    statement = parents.get(awaited)
    unused = isinstance(statement, ast.Expr)
    if len(call.args) == 1:
        return _each_in_turn(module, call.args[0], awaited, statement if unused else None)
    if len(call.args) < 2 or not all(isinstance(arg, ast.Call) for arg in call.args):
        return None
    if unused and isinstance(statement, ast.Expr):
        here = anchor(module, statement)
        comments = [_comment_behind(module, arg) for arg in call.args]
        if any(comments) and source(module, statement).count("#") == sum(map(bool, comments)):
            turns = [f"await {source(module, arg)}{comment}" for arg, comment in zip(call.args, comments, strict=True)]
            inserted = [InsertStatement(here, text, leads=True) for text in turns if "\n" not in text]
            if len(inserted) == len(turns):
                return Fix(_TITLE, Applicability.UNSAFE, (*inserted, DeleteStatement(here)))
        edits: list[Edit] = [InsertStatement(here, f"await {source(module, arg)}", leads=True) for arg in call.args[:-1]]
        edits.append(replace(module, awaited, "await {0}", call.args[-1]))
        return Fix(_TITLE, Applicability.UNSAFE, tuple(edits))
    template = ", ".join(f"await {{{position}}}" for position in range(len(call.args)))
    return Fix(_TITLE, Applicability.UNSAFE, (replace(module, awaited, f"[{template}]", *call.args),))


_TITLE = "Await one after the other"


def _each_in_turn(module: "Module", argument: ast.expr, awaited: ast.Await, statement: ast.AST | None) -> Fix | None:
    many = argument.value if isinstance(argument, ast.Starred) else None
    if not isinstance(many, (ast.ListComp, ast.GeneratorExp)) or not isinstance(many.elt, ast.Call) or len(many.generators) != 1:
        return None
    clause = many.generators[0]
    if clause.is_async or len(clause.ifs) > 1:
        return None
    bound = module.index.scope(awaited).function.bindings
    loop = _loop(module, many.elt, clause, statement) if statement is not None and not names_in(clause.target) & bound.keys() else ""
    if loop and statement is not None:
        here = anchor(module, statement)
        return Fix(_TITLE, Applicability.UNSAFE, (InsertStatement(here, loop, leads=True), DeleteStatement(here)))
    holes = [many.elt, clause.target, clause.iter, *clause.ifs]
    tail = " if {3}" if clause.ifs else ""
    return Fix(_TITLE, Applicability.UNSAFE, (replace(module, awaited, f"[await {{0}} for {{1}} in {{2}}{tail}]", *holes),))


def _comment_behind(module: "Module", node: ast.expr) -> str:
    """The comment on the line on which an argument ends, with the space before it."""
    span = module.source.span(node)
    rest = module.source.lines[span.end_line - 1][span.end_col :].strip().removeprefix(",").strip()
    return f"  {rest}" if rest.startswith("#") else ""


def _loop(module: "Module", call: ast.expr, clause: ast.comprehension, statement: ast.AST) -> str:
    """A loop that awaits a call, in place of the statement that gathers; empty where a comment or a layout could not be kept."""
    parts = [source(module, part) for part in (clause.target, clause.iter, *clause.ifs)]
    text, first = source(module, call).splitlines(), module.source.span(call).col
    span = module.source.span(statement)
    comment = module.source.lines[span.end_line - 1][span.end_col :].strip()
    whole = source(module, statement)  # type: ignore[arg-type]
    if any("\n" in part for part in parts) or (comment and not comment.startswith("#")) or whole.count("#") > "\n".join(text).count("#"):
        return ""
    if any(line[:first].strip() or "\t" in line[:first] for line in text[1:]):
        return ""
    header = f"for {parts[0]} in {parts[1]}:{'  ' * bool(comment)}{comment}"
    lines = [header, *(f"    if {part}:" for part in parts[2:])]
    indent = "    " * len(lines)
    return "\n".join([*lines, f"{indent}await {text[0]}", *(indent + line[first:] for line in text[1:])])
