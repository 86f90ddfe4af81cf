"""MDB108: a new client is built in an exception handler for an error the driver itself recovers from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.lifetime import Rebuilt

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB108",
    name="client-recreated-on-error",
    summary="A new client is built in an exception handler for an error the driver itself recovers from.",
    why=(
        "The client reconnects in the background, and retryable reads and writes already try once more. A new client per "
        "error abandons a pool each time and makes a connection storm at the worst moment, when every worker does the "
        "same. Handle the error and go on with the client you have."
        " A client reconnects by itself in every release; retryable reads and writes are on by default since 3.9."
    ),
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "from pymongo.errors import AutoReconnect\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def store(event):\n"
                "    global client\n"
                "    try:\n"
                "        client.app.events.insert_one(event)\n"
                "    except AutoReconnect:\n"
                "        client = MongoClient()  # expect: MDB108\n"
                "        client.app.events.insert_one(event)\n"
            ),
            good=(
                "from pymongo import MongoClient\n"
                "from pymongo.errors import AutoReconnect\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def store(event):\n"
                "    try:\n"
                "        client.app.events.insert_one(event)\n"
                "    except AutoReconnect:\n"
                "        client.app.events.insert_one(event)\n"
            ),
        ),
    ),
    silent=(
        (
            "Another server or another user in the handler, errors of configuration and of authentication, and cache misses (KeyError, "
            "AttributeError)."
        ),
        "A try that builds the first client: a retry at start-up.",
    ),
    known_limits=("A fallback to another server, and a handler for wrong credentials, are not reported.",),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/connect/mongoclient/",),
)


@RULE.on(Rebuilt)
def check(module: "Module", fact: Rebuilt) -> Iterator[Finding]:
    """Report the client built, or the call that leads to it, in the handler."""
    yield RULE.finding(
        module,
        fact.span,
        f"{fact.name} is built again after {fact.error} (line {fact.steps[0].line}): the driver reconnects by itself, handle the error and keep the client",
        fact.steps,
        cause=f"client@{fact.span.line}:{fact.span.col}",
    )
