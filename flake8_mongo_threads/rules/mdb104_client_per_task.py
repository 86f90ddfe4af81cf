"""MDB104: an asynchronous client built by every one of many asyncio tasks."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Applicability, Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.lifting import shared
from flake8_mongo_threads.semantics.facts import ClientBuilt

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB104",
    name="client-per-task",
    summary="An asynchronous client is built by every one of many asyncio tasks.",
    why=(
        "AsyncMongoClient and Motor's client are safe to share between the tasks of one event loop, and their pool already limits "
        "how many operations run at once: 100 gathered operations on one client with maxPoolSize=10 opened 9 connections. A client "
        "per task multiplies connections and handshakes."
        " True of Motor and of every release of PyMongo Async (4.9 and newer)."
    ),
    fix=Applicability.UNSAFE,
    examples=(
        Example(
            bad=(
                "import asyncio\n"
                "\n"
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "\n"
                "async def store(doc):\n"
                "    client = AsyncMongoClient()  # expect: MDB104\n"
                "    await client.shop.orders.insert_one(doc)\n"
                "\n"
                "\n"
                "async def main(docs):\n"
                "    await asyncio.gather(*(store(doc) for doc in docs))\n"
            ),
            good=(
                "import asyncio\n"
                "\n"
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "\n"
                "async def store(client, doc):\n"
                "    await client.shop.orders.insert_one(doc)\n"
                "\n"
                "\n"
                "async def main(docs):\n"
                "    async with AsyncMongoClient() as client:\n"
                "        await asyncio.gather(*(store(client, doc) for doc in docs))\n"
            ),
            title="One client for all tasks of the loop",
            fixed=(
                "import asyncio\n"
                "\n"
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "client = AsyncMongoClient()\n"
                "\n"
                "\n"
                "async def store(doc):\n"
                "    await client.shop.orders.insert_one(doc)\n"
                "\n"
                "\n"
                "async def main(docs):\n"
                "    await asyncio.gather(*(store(doc) for doc in docs))\n"
            ),
        ),
    ),
    silent=(
        "A client that is built before the tasks start and handed to them.",
        "One task that owns its client, and one client per deployment whose address comes with the task.",
    ),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/reference/migration/",),
)


@RULE.on(ClientBuilt)
def check(module: "Module", fact: ClientBuilt) -> Iterator[Finding]:
    """Report a client built by each of several tasks of one loop."""
    if fact.context.where != "task" or not fact.context.many or fact.varies:
        return
    yield RULE.finding(
        module,
        fact.span,
        f"{fact.told(module)} for {fact.context.text}: tasks of one event loop can share a client, build one and pass it in",
        fact.steps,
        shared(module, fact),
        cause=fact.cause,
    )
