"""MDB207: a session, or a lazy cursor of it, is used after the session ended."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.flow import UseAfterClose
from flake8_mongo_threads.semantics.syntax import WITHS
from flake8_mongo_threads.semantics.transactions import LateBind

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
        " True since sessions exist (3.6)."
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
    silent=(
        "A cursor that is read inside the block: list(...), to_list(), yield from.",
        "A name that holds a new session by then, a session after its transaction but before its end, and a second commit.",
    ),
    known_limits=(
        "An end on some paths only is not reported.",
        "Operations that take part only through bind(), without session=, are not followed out of its block.",
    ),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/crud/transactions/",),
)


@RULE.on(UseAfterClose)
def check(module: "Module", fact: UseAfterClose) -> Iterator[Finding]:
    """Report the use of an ended session, or the return that lets its lazy cursor out."""
    if fact.family != "session" or (isinstance(fact.closed_at, WITHS) and fact.name in ("commit_transaction", "abort_transaction")):
        return  # a bind() that ends the session inside its own transaction is reported where it stands
    if isinstance(fact.closed_at, WITHS) and any(
        late.call is item.context_expr for late in module.facts(LateBind) for item in fact.closed_at.items
    ):
        return
    line = getattr(fact.closed_at, "lineno", 1)
    what = "session" if fact.owner.family == "session" else "lazy cursor"
    if fact.escapes and what == "session":
        text = f"session is returned out of the block at line {line} that ends it: using it raises InvalidOperation, use it inside"
    elif fact.escapes:
        text = f"lazy cursor is returned out of the block at line {line} that ends its session: reading it raises InvalidOperation, read it inside"
    elif not fact.name:
        text = f"lazy cursor is returned whose session ended at line {line}: reading it raises InvalidOperation, read it before the session ends"
    elif fact.again:
        text = (
            f"'{fact.name}' uses a session that line {line} ended in the iteration before: it raises InvalidOperation, start one for each"
        )
    else:
        text = f"'{fact.name}' uses a session that ended at line {line}: it raises InvalidOperation, do it before the session ends"
    yield RULE.finding(module, fact.span, text, fact.steps, cause=f"session@{fact.span.line}:{fact.span.col}")
