"""MDB305: a driver write is submitted to an executor and nobody reads its result."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.repair import replace
from flake8_mongo_threads.semantics.handing import Discarded

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB305",
    name="worker-errors-discarded",
    summary="A driver write is submitted to an executor and nobody reads its result.",
    why=(
        "An executor keeps an exception in the future. When the future is thrown away, duplicate keys, timeouts and "
        'failovers vanish, also at the end of "with ThreadPoolExecutor()"; the results of map must be iterated for an '
        "error to appear."
        " True of every release."
    ),
    fix=Applicability.SAFE,
    examples=(
        Example(
            bad=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def load(batch):\n"
                "    with ThreadPoolExecutor() as pool:\n"
                "        pool.map(events.insert_one, batch)  # expect: MDB305\n"
            ),
            good=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def load(batch):\n"
                "    with ThreadPoolExecutor() as pool:\n"
                "        list(pool.map(events.insert_one, batch))\n"
            ),
            fixed=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def load(batch):\n"
                "    with ThreadPoolExecutor() as pool:\n"
                "        list(pool.map(events.insert_one, batch))\n"
            ),
        ),
    ),
    silent=(
        "A future that is stored, waited for or given a callback, and list(pool.map(...)).",
        "Reads, unacknowledged writes (w=0), and functions of the project.",
    ),
    known_limits=("A function of the project that is submitted may handle its own errors and is not reported.",),
    references=("https://docs.python.org/3/library/concurrent.futures.html#concurrent.futures.Future.exception",),
)


@RULE.on(Discarded)
def check(module: "Module", fact: Discarded) -> Iterator[Finding]:
    """Report the submit or map whose errors are lost."""
    name = fact.work.path.rpartition(".")[2]
    cure = "iterate its results" if name in ("map", "imap", "imap_unordered") else "keep the future and ask it for its result"
    yield RULE.finding(
        module,
        fact.span,
        f"the result of '{name}' is discarded, so errors of '{fact.method.name}' are lost: {cure}",
        fact.steps,
        _listed(module, fact),
    )


def _listed(module: "Module", fact: Discarded) -> Fix | None:
    """``pool.map(…)`` becomes ``list(pool.map(…))``: the tasks run either way, now their errors are raised."""
    if fact.work.path.rpartition(".")[2] != "map":
        return None
    return Fix("Read the results: list(...)", Applicability.SAFE, (replace(module, fact.work.call, "list({0})", fact.work.call),))
