"""MDB204: a bind() that ends the session inside its own transaction."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.edits import SetKeyword
from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.repair import anchor, replace
from flake8_mongo_threads.semantics.transactions import LateBind

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB204",
    name="bind-inside-transaction",
    summary="bind() ends the session inside its own transaction: every write is silently aborted.",
    why=(
        "bind() (PyMongo 4.17) ends the session when its block is left, unless it is told end_session=False, and ending a session "
        "aborts its transaction. Entered inside the transaction, the bind ends first: the server is sent abortTransaction, every "
        "write is lost, and nothing raises."
    ),
    fix=Applicability.SAFE,
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def save(doc):\n"
                "    with client.start_session() as session, session.start_transaction(), session.bind():  # expect: MDB204\n"
                "        client.shop.orders.insert_one(doc)\n"
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def save(doc):\n"
                "    with client.start_session() as session, session.bind(), session.start_transaction():\n"
                "        client.shop.orders.insert_one(doc)\n"
            ),
            fixed=(
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def save(doc):\n"
                "    with client.start_session() as session, session.start_transaction(), session.bind(end_session=False):\n"
                "        client.shop.orders.insert_one(doc)\n"
            ),
        ),
    ),
    silent=(
        "bind() around the transaction, and bind(end_session=False) inside it.",
        "Methods called bind of other objects: sockets, SQLAlchemy.",
    ),
    references=("https://pymongo.readthedocs.io/en/stable/api/pymongo/client_session.html",),
)


@RULE.on(LateBind)
def check(module: "Module", fact: LateBind) -> Iterator[Finding]:
    """Report the bind() call."""
    line = getattr(fact.piece.region.node, "lineno", 1)
    fix = None
    if fact.piece.module is module:
        call = fact.call
        edit = replace(module, call.args[0], "False") if call.args else SetKeyword(anchor(module, call), "end_session", "False")
        # a helper may be called outside of a transaction as well, and there the bind is what ends the session
        level = Applicability.SAFE if fact.piece.depth == 0 else Applicability.UNSAFE
        fix = Fix("Keep the session open: bind(end_session=False)", level, (edit,))
    yield RULE.finding(
        module,
        fact.span,
        f"bind() ends the session inside its transaction (line {line}), which aborts every write without an error: bind before the transaction begins, or pass end_session=False",
        fact.steps,
        fix,
        cause=f"await@{fact.span.line}:{fact.span.col}",
    )
