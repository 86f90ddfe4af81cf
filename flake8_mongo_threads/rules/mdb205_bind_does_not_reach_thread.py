"""MDB205: work handed to a thread inside bind() runs without the session."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.transactions import BoundWork

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB205",
    name="bind-does-not-reach-thread",
    summary="Work handed to a thread inside bind() runs without the bound session.",
    why=(
        "bind() (PyMongo 4.17) keeps the session in a context variable. A thread, an executor's worker and run_in_executor start with an "
        "empty context: their operations run outside the session and its transaction, are committed at once, and nothing raises. "
        "asyncio.to_thread copies the context. On free-threaded Python 3.14 a Thread inherits it, and then several threads share one "
        "session, which is no better."
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
                "def save(doc):\n"
                "    return client.shop.orders.insert_one(doc).inserted_id\n"
                "\n"
                "\n"
                "def save_all(docs):\n"
                "    with client.start_session() as session, session.bind(), session.start_transaction():\n"
                "        with ThreadPoolExecutor() as pool:\n"
                "            return list(pool.map(save, docs))  # expect: MDB205\n"
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def save(doc):\n"
                "    return client.shop.orders.insert_one(doc).inserted_id\n"
                "\n"
                "\n"
                "def save_all(docs):\n"
                "    with client.start_session() as session, session.bind(), session.start_transaction():\n"
                "        return [save(doc) for doc in docs]\n"
            ),
            title="In the thread that bound it",
        ),
    ),
    silent=(
        "asyncio.to_thread, which copies the context.",
        "Work that is given a session, or binds one of its own.",
        "Work that was started before the block, or that does not use the client.",
    ),
    references=("https://pymongo.readthedocs.io/en/stable/api/pymongo/client_session.html",),
)


@RULE.on(BoundWork)
def check(module: "Module", fact: BoundWork) -> Iterator[Finding]:
    """Report the launch."""
    if fact.where != "thread":
        return
    line = getattr(fact.region.node, "lineno", 1)
    home = fact.operation_module
    name = fact.operation.name
    node = getattr(fact.operation, "node", None)
    where = f" ({home.where(node, module)})" if node is not None else ""
    yield RULE.finding(
        module,
        fact.span,
        f"'{name}'{where} on a thread started inside bind() (line {line}) runs without the bound session: run it in this thread, or bind a session of its own there",
        fact.steps,
    )
