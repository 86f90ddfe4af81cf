"""MDB208: a driver error caught and dropped inside a transaction or its callback."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.commits import Swallowed

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB208",
    name="error-swallowed-in-transaction",
    summary="An error of the driver is caught and dropped inside a transaction or its callback.",
    why=(
        "An error inside a transaction makes the server abort it. When the error is dropped, the program goes on to commit what is no "
        "longer there: the commit fails with NoSuchTransaction, and with_transaction, which takes that for transient, runs the "
        "callback again and again for up to 120 seconds. The specification says that a callback must not silently handle command errors."
        " True since transactions exist (3.7)."
    ),
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "from pymongo.errors import DuplicateKeyError\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def save(doc):\n"
                "    with client.start_session() as session, session.start_transaction():\n"
                "        try:\n"
                "            client.shop.orders.insert_one(doc, session=session)\n"
                "        except DuplicateKeyError:  # expect: MDB208\n"
                "            pass\n"
                '        client.shop.log.insert_one({"order": doc["_id"]}, session=session)\n'
            ),
            good=(
                "from pymongo import MongoClient\n"
                "from pymongo.errors import DuplicateKeyError\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def save(doc):\n"
                "    try:\n"
                "        with client.start_session() as session, session.start_transaction():\n"
                "            client.shop.orders.insert_one(doc, session=session)\n"
                '            client.shop.log.insert_one({"order": doc["_id"]}, session=session)\n'
                "    except DuplicateKeyError:\n"
                "        return False\n"
                "    return True\n"
            ),
            title="Handle the error around the transaction",
        ),
    ),
    silent=(
        "Handlers that raise, also another error; handlers around the whole transaction; handlers that abort it and stop.",
        "Handlers of errors that are not the driver's, around code that is not the driver's.",
    ),
    known_limits=("A handler that raises in some case, or keeps the error and raises later, is not reported.",),
    references=("https://github.com/mongodb/specifications/blob/master/source/transactions-convenient-api/transactions-convenient-api.md",),
)


@RULE.on(Swallowed)
def check(module: "Module", fact: Swallowed) -> Iterator[Finding]:
    """Report the handler, or the suppress call."""
    region = fact.piece.region
    line = getattr(region.node, "lineno", 1)
    where = f"a callback of with_transaction (line {line})" if region.how == "callback" else f"the transaction begun at line {line}"
    yield RULE.finding(
        module,
        fact.span,
        f"{fact.name} of '{fact.operation.name}' is dropped inside {where}, which the server has aborted by then: raise it again, handle it around the transaction",
        fact.steps,
    )
