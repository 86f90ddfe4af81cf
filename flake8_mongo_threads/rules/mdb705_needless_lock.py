"""MDB705: a lock is held only around single calls that are already thread-safe."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.locks import NeedlessLock

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB705",
    name="needless-lock",
    summary="A lock is held only around single calls that are already thread-safe.",
    why=(
        "Clients, databases and collections are thread-safe; a lock around one call of them adds nothing and makes the threads take turns."
        " True of every release."
    ),
    default=False,
    examples=(
        Example(
            bad=(
                "from threading import Lock\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "lock = Lock()\n"
                "\n"
                "\n"
                "def store(event):\n"
                "    with lock:  # expect: MDB705\n"
                "        events.insert_one(event)\n"
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def store(event):\n"
                "    events.insert_one(event)\n"
            ),
        ),
    ),
    silent=("Locks around several steps, around sessions, cursors and GridFS files, and around other state.",),
    known_limits=("Only `with` blocks are judged, not acquire and release by hand; semaphores limit a rate and are left alone.",),
    references=("https://pymongo.readthedocs.io/en/stable/faq.html",),
)


@RULE.on(NeedlessLock)
def check(module: "Module", fact: NeedlessLock) -> Iterator[Finding]:
    """Report the with line of the lock."""
    safe = "thread-safe" if fact.flavour == "sync" else "safe in concurrent tasks"
    yield RULE.finding(
        module,
        fact.span,
        f"lock is held only around '{fact.operation.name}', which is {safe} by itself: remove the lock",
        fact.steps,
    )
