"""MDB209: a manually started transaction that no path commits."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.commits import NeverCommitted

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB209",
    name="transaction-never-committed",
    summary="A manually started transaction that no path commits.",
    why=(
        "A transaction that is still open when its session ends is aborted: the driver sends abortTransaction, every write is lost, "
        "and nothing raises. Only the context manager that start_transaction gives, and with_transaction, commit on their own."
        " True since transactions exist (3.7)."
    ),
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def save(doc):\n"
                "    with client.start_session() as session:\n"
                "        session.start_transaction()  # expect: MDB209\n"
                "        client.shop.orders.insert_one(doc, session=session)\n"
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def save(doc):\n"
                "    with client.start_session() as session, session.start_transaction():\n"
                "        client.shop.orders.insert_one(doc, session=session)\n"
            ),
            title="The context manager commits",
        ),
    ),
    silent=(
        "with session.start_transaction(), with_transaction, a helper or an __exit__ that commits.",
        "A transaction that is aborted on purpose on every path, such as a dry run.",
    ),
    known_limits=("Sessions that leave the function (returned, stored, handed to unknown code) are not followed.",),
    references=("https://pymongo.readthedocs.io/en/stable/api/pymongo/client_session.html",),
)


@RULE.on(NeverCommitted)
def check(module: "Module", fact: NeverCommitted) -> Iterator[Finding]:
    """Report the call that starts the transaction."""
    form = "async with await" if fact.session.flavour == "async" else "async with" if fact.session.flavour == "motor" else "with"
    yield RULE.finding(
        module,
        fact.span,
        f"transaction is never committed, so that the end of the session aborts it and its writes are lost: use '{form} session.start_transaction():' or call commit_transaction()",
        fact.steps,
        cause=f"session@{fact.span.line}:{fact.span.col}",
    )
