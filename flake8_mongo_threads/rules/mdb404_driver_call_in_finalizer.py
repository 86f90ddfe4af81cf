"""MDB404: a driver operation or close() runs inside __del__ or a weakref callback."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.reentry import Reentry

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB404",
    name="driver-call-in-finalizer",
    summary="A driver operation or close() runs inside __del__ or a weakref callback.",
    why=(
        "The garbage collector runs finalizers anywhere, also while the same thread holds a lock of the driver: a find in "
        "__del__ deadlocked after 1, 24 and 49 collections. The driver's own authors say that it is not safe to acquire a "
        "lock in __del__. Closing an exclusively owned client there mostly closes too early: Repo().coll outlives its "
        'Repo and raises "Cannot use MongoClient after close".'
        " True of every release."
    ),
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "class Store:\n"
                "    def __init__(self):\n"
                "        self.client = MongoClient()\n"
                "\n"
                "    def __del__(self):\n"
                "        self.client.close()  # expect: MDB404\n"
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "class Store:\n"
                "    def __init__(self):\n"
                "        self.client = MongoClient()\n"
                "\n"
                "    def __enter__(self):\n"
                "        return self\n"
                "\n"
                "    def __exit__(self, *exc):\n"
                "        self.client.close()\n"
            ),
            title="A context manager",
        ),
    ),
    silent=(
        "__exit__, close() and atexit.",
        "Finalizers that do not reach the driver, or only read attributes.",
    ),
    references=("https://docs.python.org/3/reference/datamodel.html#object.__del__",),
)


@RULE.on(Reentry)
def check(module: "Module", fact: Reentry) -> Iterator[Finding]:
    """Report the operation, or the call that leads to it, inside the finalizer."""
    if fact.where != "finalizer":
        return
    if fact.owner.flavour != "sync":
        consequence = "nobody awaits it there"
    elif fact.owned:
        consequence = "it closes the client as soon as the object is collected, also while its collections are in use, and can deadlock"
    else:
        consequence = "the collector may run it while the driver holds a lock, which deadlocks"
    yield RULE.finding(
        module,
        fact.span,
        f"'{fact.name}' of a {fact.owner.noun} runs in {fact.text}: {consequence}, use a context manager or an explicit close",
        fact.steps,
        cause=fact.cause,
    )
