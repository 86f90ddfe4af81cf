"""MDB601: pymongo.timeout() around work that runs on another thread."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.timeouts import LostTimeout

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB601",
    name="timeout-does-not-reach-thread",
    summary="pymongo.timeout() stands around work that runs on another thread.",
    default=False,
    why=(
        "The timeout is a context variable: it applies to the current thread. Threads, executors and run_in_executor do not copy the "
        "context, so operations there run without it (0.61 s under a timeout of 0.2 s in a measured run). asyncio.to_thread copies it."
        " pymongo.timeout() exists since 4.2."
    ),
    examples=(
        Example(
            bad=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "import pymongo\n"
                "\n"
                "events = pymongo.MongoClient().app.events\n"
                "executor = ThreadPoolExecutor(4)\n"
                "\n"
                "\n"
                "def load(keys):\n"
                "    with pymongo.timeout(2):\n"
                "        return list(executor.map(events.find_one, keys))  # expect: MDB601\n"
            ),
            good=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "import pymongo\n"
                "\n"
                "events = pymongo.MongoClient().app.events\n"
                "executor = ThreadPoolExecutor(4)\n"
                "\n"
                "\n"
                "def one(key):\n"
                "    with pymongo.timeout(2):\n"
                "        return events.find_one(key)\n"
                "\n"
                "\n"
                "def load(keys):\n"
                "    return list(executor.map(one, keys))\n"
            ),
        ),
    ),
    silent=("asyncio.to_thread, work that sets its own timeout, and asyncio.timeout.",),
    known_limits=("On free-threaded builds of Python 3.14, where threads inherit the context, it is reported all the same.",),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/connect/connection-options/csot/",),
)


@RULE.on(LostTimeout)
def check(module: "Module", fact: LostTimeout) -> Iterator[Finding]:
    """Report the hand-over inside the block."""
    line = getattr(fact.block, "lineno", 1)
    text = (
        f"'{fact.name}' runs on another thread, where the pymongo.timeout() of line {line} does not apply: "
        "set the timeout inside the worker"
    )
    yield RULE.finding(module, fact.span, text, fact.steps)
