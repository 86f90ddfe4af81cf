"""MDB604: a literal maxPoolSize below the literal number of workers that share the client."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.pools import SmallPool

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB604",
    name="pool-smaller-than-workers",
    summary="A literal maxPoolSize is below the literal number of workers that share the client.",
    default=False,
    why=(
        "The threads that find no free connection wait, by default for ever: 16 threads with operations of 50 ms took 0.13 s with the "
        "default pool, 0.42 s with maxPoolSize=4 and 1.65 s with maxPoolSize=1. Where it is meant as "
        "a limit, the rule is noise: it is opt-in."
        " True of every release."
    ),
    examples=(
        Example(
            bad=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient(maxPoolSize=2)  # expect: MDB604\n"
                "\n"
                "\n"
                "def store(docs):\n"
                "    with ThreadPoolExecutor(max_workers=16) as executor:\n"
                "        list(executor.map(client.app.events.insert_one, docs))\n"
            ),
            good=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def store(docs):\n"
                "    with ThreadPoolExecutor(max_workers=16) as executor:\n"
                "        list(executor.map(client.app.events.insert_one, docs))\n"
            ),
        ),
    ),
    silent=("maxPoolSize=0 and None, workers that do not use the client, and pools of processes.",),
    known_limits=("Only literal numbers, and names of constants, are compared: a size or a URI from the environment is not known.",),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/connect/connection-options/connection-pools/",),
)


@RULE.on(SmallPool)
def check(module: "Module", fact: SmallPool) -> Iterator[Finding]:
    """Report the argument."""
    line = fact.steps[-1].line
    text = (
        f"maxPoolSize={fact.size} is below the {fact.workers} workers that share the client (line {line}), "
        "the others wait for a connection: raise it or drop it"
    )
    yield RULE.finding(module, fact.span, text, fact.steps)
