"""MDB203: an operation inside a transaction that does not take part in it."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.edits import SetKeyword
from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.repair import anchor
from flake8_mongo_threads.semantics.transactions import Outside

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB203",
    name="missing-session-in-transaction",
    summary="An operation inside a transaction does not take part in it, because it is not given the session.",
    why=(
        "An operation joins a transaction only when it is given the session. Without it the operation runs on an implicit session of "
        "its own: it is committed at once, is not undone when the transaction aborts, and can conflict with its own transaction. "
        "Nothing raises. When no operation is given the session, not even the commit is sent: the transaction never existed. Inside "
        "session.bind() (PyMongo 4.17) operations take part without being given the session."
    ),
    fix=Applicability.UNSAFE,
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "accounts = client.bank.accounts\n"
                "\n"
                "\n"
                "def transfer(amount):\n"
                "    with client.start_session() as session, session.start_transaction():\n"
                '        accounts.update_one({"_id": 1}, {"$inc": {"n": -amount}}, session=session)\n'
                '        accounts.update_one({"_id": 2}, {"$inc": {"n": amount}})  # expect: MDB203\n'
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "accounts = client.bank.accounts\n"
                "\n"
                "\n"
                "def transfer(amount):\n"
                "    with client.start_session() as session, session.start_transaction():\n"
                '        accounts.update_one({"_id": 1}, {"$inc": {"n": -amount}}, session=session)\n'
                '        accounts.update_one({"_id": 2}, {"$inc": {"n": amount}}, session=session)\n'
            ),
            fixed=(
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "accounts = client.bank.accounts\n"
                "\n"
                "\n"
                "def transfer(amount):\n"
                "    with client.start_session() as session, session.start_transaction():\n"
                '        accounts.update_one({"_id": 1}, {"$inc": {"n": -amount}}, session=session)\n'
                '        accounts.update_one({"_id": 2}, {"$inc": {"n": amount}}, session=session)\n'
            ),
        ),
    ),
    silent=(
        "A session without a transaction: it gives causal consistency, also to the operations that name it.",
        "Operations inside bind(), with a session in **options or by position, on another client, and behind the end of the block.",
        "Transactions of other libraries.",
    ),
    known_limits=(
        "A write that is meant to stay outside the transaction (an audit entry) is reported too: silence its line with noqa.",
        "Index, schema and administrative commands are not reported: most of them are not allowed in a transaction.",
    ),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/crud/transactions/",),
)


def _gathered(module: "Module", fact: Outside) -> bool:
    """Whether an operation is handed to a task: with the session it would run beside others that use it."""
    call = fact.operation.node
    if not fact.operation.coroutine or call in module.index.awaited:
        return False
    return not isinstance(module.index.parents.get(call), (ast.Return, ast.Lambda))


@RULE.on(Outside)
def check(module: "Module", fact: Outside) -> Iterator[Finding]:
    """Report the operation, or the call of this file that leads to it."""
    region = fact.piece.region
    line = getattr(region.node, "lineno", 1)
    through = f"'{fact.name}' ({fact.where})" if fact.where else f"'{fact.name}'"
    what = (
        f"the transaction that with_transaction runs at line {line}"
        if region.how == "callback"
        else f"the transaction begun at line {line}"
    )
    give = "pass it the session" if fact.variable in ("", "_") else f"pass session={fact.variable}"
    fix = None
    if fact.call is not None and fact.variable and not _gathered(module, fact):
        fix = Fix(f"Pass session={fact.variable}", Applicability.UNSAFE, (SetKeyword(anchor(module, fact.call), "session", fact.variable),))
    yield RULE.finding(
        module,
        fact.span,
        f"{through} is not given the session, inside {what}: it runs outside of it, {give}",
        fact.steps,
        fix,
    )
