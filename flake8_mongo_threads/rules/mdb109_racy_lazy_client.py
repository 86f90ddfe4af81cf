"""MDB109: a shared client is checked and built without a lock in code that runs on several threads."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.lifetime import RacyBuild

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB109",
    name="racy-lazy-client",
    summary="A shared client is checked and built without a lock in code that runs on several threads.",
    why=(
        'Sixteen threads that met "if client is None: client = MongoClient()" built 4 to 16 clients. The losers are '
        "collected, so the harm is small unless callers compare clients or they own background work; that is why the rule "
        "is opt-in. Build at module level, or check again under a lock."
        " True of every release. functools.cached_property has no lock since Python 3.12."
    ),
    default=False,
    examples=(
        Example(
            bad=(
                "from flask import Flask\n"
                "from pymongo import MongoClient\n"
                "\n"
                "app = Flask(__name__)\n"
                "client = None\n"
                "\n"
                "\n"
                "def get_client():\n"
                "    global client\n"
                "    if client is None:\n"
                "        client = MongoClient()  # expect: MDB109\n"
                "    return client\n"
                "\n"
                "\n"
                '@app.get("/orders")\n'
                "def orders():\n"
                '    return {"orders": get_client().shop.orders.count_documents({})}\n'
            ),
            good=(
                "from threading import Lock\n"
                "\n"
                "from flask import Flask\n"
                "from pymongo import MongoClient\n"
                "\n"
                "app = Flask(__name__)\n"
                "client = None\n"
                "lock = Lock()\n"
                "\n"
                "\n"
                "def get_client():\n"
                "    global client\n"
                "    with lock:\n"
                "        if client is None:\n"
                "            client = MongoClient()\n"
                "    return client\n"
                "\n"
                "\n"
                '@app.get("/orders")\n'
                "def orders():\n"
                '    return {"orders": get_client().shop.orders.count_documents({})}\n'
            ),
        ),
    ),
    silent=(
        "A check that is repeated under a lock, lru_cache, and code of one thread.",
        "Asynchronous code without an await between the check and the construction: it cannot race.",
    ),
    known_limits=("A getter under lru_cache or cache does not lock either, but what it loses is harmless: it is not reported.",),
    references=("https://docs.python.org/3/library/functools.html#functools.lru_cache",),
)


@RULE.on(RacyBuild)
def check(module: "Module", fact: RacyBuild) -> Iterator[Finding]:
    """Report the unlocked construction."""
    yield RULE.finding(
        module,
        fact.span,
        f"{fact.build.name} is built behind an unlocked check in '{fact.build.scope.function.name}', which runs {'on' if 'thread' in fact.text else 'as'} {fact.text}: several threads can each build one, use a lock or module level",
        fact.steps,
    )
