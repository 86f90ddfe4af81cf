"""MDB107: a client or session closes before the executor, task group or thread that uses it is done."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.edits import Edit, SwapNestedWith, SwapWithItems
from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.repair import anchor
from flake8_mongo_threads.semantics.lifetime import ClosedEarly

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB107",
    name="closed-before-workers-finish",
    summary="A client or session closes before the executor, task group or thread that uses it is done.",
    why=(
        'Context managers exit in reverse order: in "with ThreadPoolExecutor() as pool, MongoClient() as client" the '
        "client closes first and then the pool drains. 18 of 20 tasks got InvalidOperation, swallowed in their futures; a "
        "task group raised an ExceptionGroup of them; a thread not joined inside the block failed every time."
        " True since 4.0; before, a closed client opened again by itself."
    ),
    fix=Applicability.SAFE,
    examples=(
        Example(
            bad=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "def store(collection, doc):\n"
                "    collection.insert_one(doc)\n"
                "\n"
                "\n"
                "def load(docs):\n"
                "    with ThreadPoolExecutor() as pool, MongoClient() as client:  # expect: MDB107\n"
                "        for doc in docs:\n"
                "            pool.submit(store, client.app.events, doc)\n"
            ),
            good=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "def store(collection, doc):\n"
                "    collection.insert_one(doc)\n"
                "\n"
                "\n"
                "def load(docs):\n"
                "    with MongoClient() as client, ThreadPoolExecutor() as pool:\n"
                "        for doc in docs:\n"
                "            pool.submit(store, client.app.events, doc)\n"
            ),
            fixed=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "def store(collection, doc):\n"
                "    collection.insert_one(doc)\n"
                "\n"
                "\n"
                "def load(docs):\n"
                "    with MongoClient() as client, ThreadPoolExecutor() as pool:\n"
                "        for doc in docs:\n"
                "            pool.submit(store, client.app.events, doc)\n"
            ),
        ),
    ),
    silent=(
        "The client first and the executor or task group second, in one with or in two.",
        "Work that is waited for inside the block: result(), list(map(...)), wait, as_completed, join.",
        "Work that does not use the client.",
    ),
    known_limits=(
        "A thread or task for which the code may wait in another way (an event, a queue, a pause, a loop, a yield) is not reported.",
        "Work that another function starts and does not wait for is not followed.",
    ),
    references=("https://docs.python.org/3/library/concurrent.futures.html#concurrent.futures.Executor.shutdown",),
)


@RULE.on(ClosedEarly)
def check(module: "Module", fact: ClosedEarly) -> Iterator[Finding]:
    """Report the with item, the launch, or the early close that makes the order wrong."""
    yield RULE.finding(
        module,
        fact.span,
        f"{fact.family} {fact.text} (work started at line {fact.work.call.lineno}): open the {fact.family} first, or wait for the work inside",
        fact.steps,
        _swapped(module, fact),
    )


def _swapped(module: "Module", fact: ClosedEarly) -> Fix | None:
    """Exchange the two items of one ``with``, or two nested ``with`` statements, where neither needs the other."""
    edits: tuple[Edit, ...] = ()
    if fact.order is not None:
        statement, first, second = fact.order
        edits = (SwapWithItems(anchor(module, statement), first, second),)
    elif fact.nested is not None:
        edits = (SwapNestedWith(anchor(module, fact.nested)),)
    return Fix("Open the client first", Applicability.SAFE, edits) if edits else None
