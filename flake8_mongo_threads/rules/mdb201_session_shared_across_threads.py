"""MDB201: one ClientSession reaches several threads."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.sharing import Shared

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB201",
    name="session-shared-across-threads",
    summary="One ClientSession reaches several threads.",
    why=(
        "A session can be used by one thread at a time, and no driver is allowed to detect a violation, so nothing raises. Threads "
        "that share a transaction race for its start: the operation that starts it is often not the first to arrive, and the server "
        "answers NoSuchTransaction. Retryable writes of one session from several threads were seen with equal transaction numbers, "
        "which a server takes for a retry: the second write is silently not executed."
        " True since sessions exist (3.6)."
    ),
    examples=(
        Example(
            bad=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def store(doc, session):\n"
                "    client.shop.orders.insert_one(doc, session=session)\n"
                "\n"
                "\n"
                "def load(docs):\n"
                "    with client.start_session() as session, ThreadPoolExecutor() as pool:\n"
                "        futures = [pool.submit(store, doc, session) for doc in docs]  # expect: MDB201\n"
                "        return [future.result() for future in futures]\n"
            ),
            good=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def store(doc):\n"
                "    with client.start_session() as session:\n"
                "        client.shop.orders.insert_one(doc, session=session)\n"
                "\n"
                "\n"
                "def load(docs):\n"
                "    with ThreadPoolExecutor() as pool:\n"
                "        return list(pool.map(store, docs))\n"
            ),
            title="One session per thread",
        ),
    ),
    silent=(
        "A session for each worker, an executor with one worker, every use under one lock, and threads joined before the next use.",
        "Sessions of other libraries: SQLAlchemy, requests, aiohttp.",
    ),
    references=("https://github.com/mongodb/specifications/blob/master/source/sessions/driver-sessions.md",),
)


@RULE.on(Shared)
def check(module: "Module", fact: Shared) -> Iterator[Finding]:
    """Report the launch, or the assignment, by which several threads come to use one session."""
    if fact.value.family != "session" or fact.value.flavour != "sync" or fact.where not in ("thread", "greenlet"):
        return
    yield RULE.finding(
        module,
        fact.span,
        f"session{fact.made(module)} {fact.text}: a session serves one thread at a time, start one in each thread",
        fact.steps,
        cause=fact.cause,
    )
