"""MDB211: effects outside the database in a callback that the driver may run again."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.callbacks import Effect

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB211",
    name="side-effect-in-transaction-callback",
    summary="A transaction callback has effects outside the database, and the driver may run it again.",
    why=(
        "with_transaction runs the whole callback again after every transient error, for up to 120 seconds. With two transient errors "
        "a callback was seen to run three times: the mail goes out three times, the counter is three too high. An abort undoes none "
        "of it."
        " True since with_transaction exists (3.9)."
    ),
    default=False,
    examples=(
        Example(
            bad=(
                "import requests\n"
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def order(session):\n"
                '    client.shop.orders.insert_one({"sku": 1}, session=session)\n'
                '    requests.post("https://pay.example.org/charge", timeout=5)  # expect: MDB211\n'
                "\n"
                "\n"
                "def run():\n"
                "    with client.start_session() as session:\n"
                "        session.with_transaction(order)\n"
            ),
            good=(
                "import requests\n"
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def order(session):\n"
                '    client.shop.orders.insert_one({"sku": 1}, session=session)\n'
                "\n"
                "\n"
                "def run():\n"
                "    with client.start_session() as session:\n"
                "        session.with_transaction(order)\n"
                '    requests.post("https://pay.example.org/charge", timeout=5)\n'
            ),
            title="After the commit",
        ),
    ),
    silent=("Effects after with_transaction, on local variables of the callback, in a plain transaction, and logging.",),
    known_limits=("Logging and print are not reported.", "Effects of unknown libraries are not seen."),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/crud/transactions/",),
)


@RULE.on(Effect)
def check(module: "Module", fact: Effect) -> Iterator[Finding]:
    """Report the effect, or the call of this file that leads to it."""
    line = getattr(fact.piece.region.node, "lineno", 1)
    yield RULE.finding(
        module,
        fact.span,
        f"{fact.text} in a callback that with_transaction (line {line}) may run several times: do it after the commit",
        fact.steps,
    )
