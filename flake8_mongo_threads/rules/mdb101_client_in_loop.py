"""MDB101: a client built on every iteration of a loop."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Applicability, Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.lifting import hoisted
from flake8_mongo_threads.semantics.facts import ClientBuilt

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB101",
    name="client-in-loop",
    summary="A client is built on every iteration of a loop, directly or through a function called in the loop.",
    why=(
        "A client is a connection pool with monitoring threads. Building one costs at least two sockets per server and two "
        "threads, and every operation pays for a handshake: measured against a local server, 7 to 11 ms instead of 0.4 to 2 ms, "
        "and 200 connections for 100 iterations. PyMongo's documentation: create this client once for each process, and reuse it "
        "for all operations."
        " True of every release, for the synchronous and the asynchronous client."
    ),
    fix=Applicability.SAFE,
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "def load(orders):\n"
                "    for order in orders:\n"
                '        client = MongoClient("mongodb://localhost")  # expect: MDB101\n'
                "        client.shop.orders.insert_one(order)\n"
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                'client = MongoClient("mongodb://localhost")\n'
                "\n"
                "\n"
                "def load(orders):\n"
                "    for order in orders:\n"
                "        client.shop.orders.insert_one(order)\n"
            ),
            title="One client for all iterations",
            fixed=(
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "def load(orders):\n"
                '    client = MongoClient("mongodb://localhost")\n'
                "    for order in orders:\n"
                "        client.shop.orders.insert_one(order)\n"
            ),
        ),
        Example(
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "def migrate(uris):\n"
                "    for uri in uris:\n"
                "        with MongoClient(uri) as client:\n"
                "            client.shop.orders.delete_many({})\n"
            ),
            title="One client per deployment is right",
        ),
    ),
    silent=(
        "A client whose arguments depend on the loop: one client per deployment is right.",
        (
            "A loop that is left as soon as the client works (a retry at start-up), one that starts an endless function again after an "
            "error, and a client built behind a test for None."
        ),
        "The iterable of a loop, which is evaluated once, and functions that are only defined in it.",
        "A function that is the target of a process, which must build its own.",
    ),
    known_limits=("A loop in another module that calls into this file is reported there, where the loop is.",),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/connect/mongoclient/",),
)


@RULE.on(ClientBuilt)
def check(module: "Module", fact: ClientBuilt) -> Iterator[Finding]:
    """Report a client built in a loop, unless it is built for a different deployment on each iteration."""
    if fact.context.where != "loop" or fact.varies:
        return
    yield RULE.finding(
        module,
        fact.span,
        f"{fact.told(module)} on every iteration of {fact.context.text}: a client is a connection pool, build one before the loop and reuse it",
        fact.steps,
        hoisted(module, fact),
        cause=fact.cause,
    )
