"""MDB706: a thread lock guards data that several processes write."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.locks import LockAcrossProcesses

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB706",
    name="thread-lock-across-processes",
    summary="A thread lock guards data that several processes write.",
    why=(
        "A threading.Lock exists once in each process and keeps only the threads of that process apart. Let the server "
        "decide: an update operator, a compare-and-set filter, a unique index or a transaction."
        " True of every release."
    ),
    default=False,
    examples=(
        Example(
            bad=(
                "from multiprocessing import Process\n"
                "from threading import Lock\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "lock = Lock()  # expect: MDB706\n"
                "\n"
                "\n"
                "def work(name):\n"
                "    events = MongoClient().app.events\n"
                "    with lock:\n"
                '        if not events.find_one({"name": name}):\n'
                '            events.insert_one({"name": name})\n'
                "\n"
                "\n"
                'if __name__ == "__main__":\n'
                '    for name in ("a", "b"):\n'
                "        Process(target=work, args=(name,)).start()\n"
            ),
            good=(
                "from multiprocessing import Process\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "def work(name):\n"
                "    events = MongoClient().app.events\n"
                '    events.update_one({"name": name}, {"$setOnInsert": {"new": True}}, upsert=True)\n'
                "\n"
                "\n"
                'if __name__ == "__main__":\n'
                '    for name in ("a", "b"):\n'
                "        Process(target=work, args=(name,)).start()\n"
            ),
        ),
    ),
    silent=("multiprocessing.Lock, locks of threads of one process, and locks around code without the driver.",),
    known_limits=("The processes must be started, or the Celery task defined, in the file that holds the lock.",),
    references=("https://docs.python.org/3/library/threading.html#lock-objects",),
)


@RULE.on(LockAcrossProcesses)
def check(module: "Module", fact: LockAcrossProcesses) -> Iterator[Finding]:
    """Report the creation of the lock."""
    yield RULE.finding(
        module,
        fact.span,
        f"thread lock guards writes of {fact.text}: each process has a lock of its own, use an atomic update, a unique index or a transaction",
        fact.steps,
    )
