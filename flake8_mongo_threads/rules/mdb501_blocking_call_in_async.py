"""MDB501: synchronous driver I/O on the event loop."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Applicability, Finding
from flake8_mongo_threads.rules import repair
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.facts import Blocking

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
    known_limits=("Start-up and shutdown hooks run once and are not reported, nor is close().",),
    references=("https://github.com/mongodb-developer/pymongo-fastapi-crud/issues/5",),
)


@RULE.on(Blocking)
def check(module: "Module", fact: Blocking) -> Iterator[Finding]:
    """Report the operation, or the call of the helper, inside the coroutine."""
    if module.contexts.hook(fact.scope):
        return
    operation = fact.operation
    what = {"for": "iteration of a cursor", "comprehension": "iteration of a cursor"}.get(operation.name, f"'{operation.name}'")
    if operation.implicit and what.startswith("'"):
        what = f"{what} of a cursor"
    if fact.direct:
        text = f"{what} blocks the event loop in {fact.place}: await asyncio.to_thread(...) or use AsyncMongoClient"
    else:
        where = fact.operation_module.where(operation.node, module)
        text = (
            f"'{fact.chain[0]}' blocks the event loop in {fact.place} ({what} at {where}): "
            "await asyncio.to_thread(...) or use AsyncMongoClient"
        )
    fix = None
    if isinstance(fact.node, ast.Call) and not (fact.direct and operation.implicit):
        fix = repair.offload(module, fact.node)
    yield RULE.finding(module, fact.span, text, fact.steps, fix, cause=f"await@{fact.span.line}:{fact.span.col}")
