"""MDB505: one asynchronous client used from more than one event loop."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.awaiting import class_name
from flake8_mongo_threads.semantics.loops import LoopCrossing

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB505",
    name="async-client-across-event-loops",
    summary="One asynchronous client is used from more than one event loop.",
    why=(
        "A client is bound to the event loop of its first operation. On a second loop, also after the first has ended, PyMongo 4.12 and "
        "newer raise 'RuntimeError: Cannot use AsyncMongoClient in different event loop', even from close(); 4.9 to 4.11 do not check and "
        "do not support it; Motor raises 'RuntimeError: Event loop is closed'. Building the client outside of any loop is fine, and so is "
        "one asyncio.run."
    ),
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
                "async def store(row):\n"
                "    await client.app.rows.insert_one(row)\n"
                "\n"
                "\n"
                "def import_rows(rows):\n"
                "    for row in rows:\n"
                "        asyncio.run(store(row))  # expect: MDB505\n"
            ),
            good=(
                "import asyncio\n"
                "\n"
                "from pymongo import AsyncMongoClient\n"
                "\n"
                "client = AsyncMongoClient()\n"
                "\n"
                "\n"
                "async def import_rows(rows):\n"
                "    for row in rows:\n"
                "        await client.app.rows.insert_one(row)\n"
                "\n"
                "\n"
                "def main(rows):\n"
                "    asyncio.run(import_rows(rows))\n"
            ),
        ),
    ),
    silent=(
        "A client at module level with one asyncio.run, one asyncio.Runner, or a loop that lives on.",
        "A client built inside the coroutine, and run_coroutine_threadsafe to the loop of the client.",
    ),
    known_limits=(
        "Commands of which each process runs one are not reported, though each has an asyncio.run of its own.",
        "Loops that pytest plugins make for fixtures are not seen.",
    ),
    references=(
        "https://jira.mongodb.org/browse/PYTHON-4724",
        "https://www.mongodb.com/docs/languages/python/pymongo-driver/current/reference/migration/",
    ),
)


@RULE.on(LoopCrossing)
def check(module: "Module", fact: LoopCrossing) -> Iterator[Finding]:
    """Report the call that enters another loop."""
    name = class_name(fact.client.kind)
    text = f"{name} used on more than one event loop: {fact.text}; build the client inside the coroutine, or keep one loop (asyncio.Runner)"
    yield RULE.finding(module, fact.span, text, fact.steps)
