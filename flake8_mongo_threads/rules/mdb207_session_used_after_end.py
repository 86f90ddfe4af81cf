"""MDB207: a session, or a lazy cursor of it, is used after the session ended."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.flow import UseAfterClose
from flake8_mongo_threads.semantics.syntax import WITHS

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB207",
    name="session-used-after-end",
    summary="A session, or a lazy cursor of it, is used after the session ended.",
    why=(
        "A session ends with its with block, with end_session(), and with a bind() block unless end_session=False is "
        'given. Using it then raises "InvalidOperation: Cannot use ended session"; a cursor returned out of the block '
        "raises it when it is iterated."
    ),
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def store(order):\n"
                "    with client.start_session() as session:\n"
                "        client.shop.orders.insert_one(order, session=session)\n"
                '    client.shop.log.insert_one({"order": order["_id"]}, session=session)  # expect: MDB207\n'
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def store(order):\n"
                "    with client.start_session() as session:\n"
                "        client.shop.orders.insert_one(order, session=session)\n"
                '        client.shop.log.insert_one({"order": order["_id"]}, session=session)\n'
            ),
        ),
    ),
)


@RULE.on(UseAfterClose)
def check(module: "Module", fact: UseAfterClose) -> Iterator[Finding]:
    """Report the use of an ended session, or the return that lets its lazy cursor out."""
    if fact.family != "session" or (isinstance(fact.closed_at, WITHS) and fact.name in ("commit_transaction", "abort_transaction")):
        return  # a bind() that ends the session inside its own transaction is reported where it stands
    line = getattr(fact.closed_at, "lineno", 1)
    if fact.escapes:
        text = f"lazy cursor is returned out of the block at line {line} that ends its session: iterating it raises InvalidOperation, read it inside"
    else:
        text = f"'{fact.name}' uses a session that ended at line {line}: it raises InvalidOperation, do it before the session ends"
    yield RULE.finding(module, fact.span, text, fact.steps, cause=f"session@{fact.span.line}:{fact.span.col}")
