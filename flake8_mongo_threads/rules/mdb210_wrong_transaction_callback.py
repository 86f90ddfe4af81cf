"""MDB210: a callback of with_transaction of the wrong colour, or one that starts, commits or aborts the transaction itself."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.callbacks import OwnControl, WrongColour

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB210",
    name="wrong-transaction-callback",
    summary="A transaction callback has the wrong colour, or starts, commits or aborts the transaction itself.",
    why=(
        "with_transaction starts the transaction, calls the callback and commits. A synchronous with_transaction given an async def "
        "gets a coroutine that nobody awaits: nothing is written, and nothing raises. An asynchronous one awaits what the callback "
        "gives, so that a plain function fails with TypeError after it ran. A callback that starts the transaction again raises "
        "InvalidOperation, and one that commits or aborts makes with_transaction return as if all were well, without its retries."
        " True since with_transaction exists (3.9), in PyMongo Async since 4.9."
    ),
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def deposit(session):\n"
                '    client.bank.accounts.update_one({"_id": 1}, {"$inc": {"n": 5}}, session=session)\n'
                "    session.commit_transaction()  # expect: MDB210\n"
                "\n"
                "\n"
                "def run():\n"
                "    with client.start_session() as session:\n"
                "        session.with_transaction(deposit)\n"
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def deposit(session):\n"
                '    client.bank.accounts.update_one({"_id": 1}, {"$inc": {"n": 5}}, session=session)\n'
                "\n"
                "\n"
                "def run():\n"
                "    with client.start_session() as session:\n"
                "        session.with_transaction(deposit)\n"
            ),
            title="The driver commits",
        ),
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "async def deposit(session):\n"
                '    client.bank.accounts.update_one({"_id": 1}, {"$inc": {"n": 5}}, session=session)\n'
                "\n"
                "\n"
                "def run():\n"
                "    with client.start_session() as session:\n"
                "        session.with_transaction(deposit)  # expect: MDB210\n"
            ),
            title="A coroutine that nobody awaits",
        ),
    ),
    silent=(
        "Lambdas and partial objects that give what the colour of with_transaction needs.",
        "Methods called with_transaction of other libraries.",
    ),
    references=("https://github.com/mongodb/specifications/blob/master/source/transactions-convenient-api/transactions-convenient-api.md",),
)


@RULE.on(WrongColour)
def check_colour(module: "Module", fact: WrongColour) -> Iterator[Finding]:
    """Report the with_transaction call."""
    callback = fact.callback
    if callback.method.owner.flavour == "sync":
        text = f"{callback.name} gives a coroutine that the synchronous with_transaction never awaits, so that the transaction does nothing: make it a plain function"
    else:
        text = f"{callback.name} gives nothing that the asynchronous with_transaction can await, so that it raises TypeError: make it an async def"
    yield RULE.finding(module, fact.span, text, fact.steps, cause=fact.cause)


@RULE.on(OwnControl)
def check_control(module: "Module", fact: OwnControl) -> Iterator[Finding]:
    """Report the inner start, commit or abort."""
    line = getattr(fact.piece.region.node, "lineno", 1)
    cure = "raise an exception to abort" if fact.name == "abort_transaction" else "leave that to the driver"
    yield RULE.finding(
        module,
        fact.span,
        f"'{fact.name}' inside a callback of with_transaction (line {line}), which starts and commits the transaction itself: {cure}",
        fact.steps,
        cause=fact.cause,
    )
