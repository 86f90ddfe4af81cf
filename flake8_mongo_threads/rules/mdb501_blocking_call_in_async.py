"""MDB501: synchronous driver I/O on the event loop."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.edits import ImportRequest
from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules import repair
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.awaiting import can_await
from flake8_mongo_threads.semantics.facts import Blocking, Read
from flake8_mongo_threads.semantics.syntax import last_name, path_key
from flake8_mongo_threads.semantics.values import External, Function, Instance

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB501",
    name="blocking-call-in-async",
    summary="A synchronous driver operation runs on the event loop, directly or through helpers.",
    why=(
        "While the operation waits for the server, nothing else on the loop runs: a query of 300 ms stalled every other task for "
        "303 ms, and with the server down each call stalls the loop for serverSelectionTimeoutMS, by default 30 seconds. "
        "On a thread (asyncio.to_thread) or with AsyncMongoClient the stall was 7 and 4 ms."
        " True of every release."
    ),
    fix=Applicability.UNSAFE,
    examples=(
        Example(
            bad=(
                "from fastapi import FastAPI\n"
                "from pymongo import MongoClient\n"
                "\n"
                "app = FastAPI()\n"
                "orders = MongoClient().shop.orders\n"
                "\n"
                "\n"
                '@app.get("/orders/{number}")\n'
                "async def order(number: int):\n"
                '    return orders.find_one({"number": number})  # expect: MDB501\n'
            ),
            fixed=(
                "import asyncio\n"
                "\n"
                "from fastapi import FastAPI\n"
                "from pymongo import MongoClient\n"
                "\n"
                "app = FastAPI()\n"
                "orders = MongoClient().shop.orders\n"
                "\n"
                "\n"
                '@app.get("/orders/{number}")\n'
                "async def order(number: int):\n"
                '    return await asyncio.to_thread(orders.find_one, {"number": number})\n'
            ),
            good=(
                "from fastapi import FastAPI\n"
                "from pymongo import MongoClient\n"
                "\n"
                "app = FastAPI()\n"
                "orders = MongoClient().shop.orders\n"
                "\n"
                "\n"
                '@app.get("/orders/{number}")\n'
                "def order(number: int):\n"
                '    return orders.find_one({"number": number})\n'
            ),
            title="A plain def runs in FastAPI's thread pool",
        ),
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "users = MongoClient().app.users\n"
                "\n"
                "\n"
                "def load(name):\n"
                '    return users.find_one({"name": name})\n'
                "\n"
                "\n"
                "async def greet(name):\n"
                "    user = load(name)  # expect: MDB501\n"
                "    return user['greeting']\n"
            ),
            fixed=(
                "import asyncio\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "users = MongoClient().app.users\n"
                "\n"
                "\n"
                "def load(name):\n"
                '    return users.find_one({"name": name})\n'
                "\n"
                "\n"
                "async def greet(name):\n"
                "    user = await asyncio.to_thread(load, name)\n"
                "    return user['greeting']\n"
            ),
            good=(
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "users = AsyncMongoClient().app.users\n"
                "\n"
                "\n"
                "async def load(name):\n"
                '    return await users.find_one({"name": name})\n'
                "\n"
                "\n"
                "async def greet(name):\n"
                "    user = await load(name)\n"
                "    return user['greeting']\n"
            ),
            title="The asynchronous client",
        ),
    ),
    silent=(
        "find() alone, which sends nothing, and attribute access.",
        "Functions handed to asyncio.to_thread, run_in_executor, run_in_threadpool or sync_to_async.",
        "Plain def endpoints of FastAPI and Starlette, which run in a thread pool.",
    ),
    known_limits=("Start-up and shutdown hooks run once and are not reported, nor is close().",),
    references=("https://github.com/mongodb-developer/pymongo-fastapi-crud/issues/5",),
)


_FORMS = frozenset(("for", "comprehension", "unpack"))
"""Iterations that no function performs."""
_CONSUMERS = frozenset(("list", "tuple", "set", "frozenset", "sorted"))
"""What reads a cursor to its end, and can do so on another thread: the cursor is handed over."""

_SHORT = frozenset(("next", "any", "all"))
"""What reads a cursor only as far as it must: a list of all documents would be much more."""


@RULE.on(Blocking)
def check(module: "Module", fact: Blocking) -> Iterator[Finding]:
    """Report the operation, or the call of the helper, inside the coroutine."""
    if module.contexts.hook(fact.scope):
        return
    operation = fact.operation
    what = f"'{operation.name}'"
    if operation.implicit:
        what = f"{what} of a cursor" if operation.name.isidentifier() and operation.name not in _FORMS else "iteration of a cursor"
    if fact.direct:
        text = f"{what} blocks the event loop in {fact.place}: await asyncio.to_thread(...) or use AsyncMongoClient"
    else:
        where = fact.operation_module.where(operation.node, module)
        text = (
            f"'{fact.chain[0]}' blocks the event loop in {fact.place} ({what} at {where}): "
            "await asyncio.to_thread(...) or use AsyncMongoClient"
        )
    yield RULE.finding(module, fact.span, text, fact.steps, _fix(module, fact), cause=f"await@{fact.span.line}:{fact.span.col}")


def _fix(module: "Module", fact: Blocking) -> Fix | None:
    """Run the operation, what reads the cursor, or the helper on a thread."""
    operation, node = fact.operation, fact.node
    parent = module.index.parents.get(node)
    iterated = isinstance(parent, (ast.For, ast.comprehension)) and parent.iter is node
    if fact.direct and isinstance(node, ast.Call) and last_name(node.func) == "aggregate" and _consumed(module, node, parent):
        # both the first batch and the others belong on the thread
        return _read_on_thread(module, parent, "await asyncio.to_thread(lambda: {0})")
    if isinstance(operation, Read) and fact.direct and operation.name in _SHORT:
        return None
    if not fact.direct and isinstance(node, ast.Call) and _gives_generator(module, node):
        # calling it runs nothing: what reads it belongs on the thread
        read = operation.owner.family != "change-stream" and (iterated or _consumed(module, node, parent))
        return _read_on_thread(module, node, "await asyncio.to_thread(list, {0})") if read else None
    if fact.direct and operation.implicit:
        if iterated and operation.owner.family == "cursor" and not repair.tailable(node):
            return _read_on_thread(module, node, "await asyncio.to_thread(list, {0})")
        return repair.offload(module, parent) if isinstance(parent, ast.Call) and _consumed(module, node, parent) else None
    if isinstance(node, ast.Attribute):
        return _property(module, fact, node)
    if not isinstance(node, ast.Call):
        return None
    if fact.direct and iterated and operation.name == "aggregate":
        # only the first batch would be fetched on the thread
        return _read_on_thread(module, node, "await asyncio.to_thread(lambda: list({0}))")
    return repair.offload(module, node)


def _gives_generator(module: "Module", call: ast.Call) -> bool:
    return any(isinstance(v, Function) and v.scope.yields for v in module.values(call.func))


def _property(module: "Module", fact: Blocking, node: ast.Attribute) -> Fix | None:
    """Read a property that performs the operation on a thread; None where it is not only read, or where its object is awaited or bound."""
    awaited = isinstance(module.index.parents.get(node), ast.Await)
    if awaited or not isinstance(node.ctx, ast.Load) or not path_key(node) or not can_await(module, node):
        return None
    if not fact.direct and any(repair.needs_the_loop(function) for function in _properties(module, node)):
        return None
    edit = repair.replace(module, node, "await asyncio.to_thread(lambda: {0})", node)
    return Fix("Read it on a thread: await asyncio.to_thread(...)", Applicability.UNSAFE, (edit,), (ImportRequest("asyncio"),))


def _properties(module: "Module", node: ast.Attribute) -> Iterator[ast.AST]:
    """The methods that reading an attribute may run."""
    for value in module.values(node.value):
        method = module.inference.method_of(value, node.attr) if isinstance(value, Instance) else None
        if method is not None:
            yield method.scope.node


def _consumed(module: "Module", node: ast.AST, parent: ast.AST | None) -> bool:
    """Whether a cursor is handed to a function that reads it to its end."""
    if not isinstance(parent, ast.Call) or node not in parent.args:
        return False
    values = list(module.values(parent.func))
    return bool(values) and all(isinstance(v, External) and v.path.removeprefix("builtins.") in _CONSUMERS for v in values)


def _read_on_thread(module: "Module", node: ast.AST | None, template: str) -> Fix | None:
    if node is None or not can_await(module, node):
        return None
    title = "Read the documents on a thread: await asyncio.to_thread(...)"
    return Fix(title, Applicability.UNSAFE, (repair.replace(module, node, template, node),), (ImportRequest("asyncio"),))
