"""MDB703: a document is looked for and inserted when it is not there."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.races import CheckThenInsert

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB703",
    name="check-then-insert",
    summary="A document is looked for and inserted when it is not there.",
    why=(
        "Several callers can all find nothing and all insert: five of them stored five documents. One upsert does both in "
        "one step, and only a unique index makes it certain."
        " True of every release."
    ),
    default=False,
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "users = MongoClient().app.users\n"
                "\n"
                "\n"
                "def register(name):\n"
                '    if not users.find_one({"name": name}):\n'
                '        users.insert_one({"name": name})  # expect: MDB703\n'
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "users = MongoClient().app.users\n"
                "\n"
                "\n"
                "def register(name):\n"
                '    users.update_one({"name": name}, {"$setOnInsert": {"active": True}}, upsert=True)\n'
            ),
        ),
    ),
    silent=(
        "An insert whose DuplicateKeyError is handled, upserts, transactions and locks.",
        "A check on another collection or for another key.",
    ),
    known_limits=(
        "Whether a unique index exists is not known: with one, handle DuplicateKeyError around the insert, and nothing is reported.",
    ),
    references=("https://www.mongodb.com/docs/manual/reference/method/db.collection.update/",),
)


@RULE.on(CheckThenInsert)
def check(module: "Module", fact: CheckThenInsert) -> Iterator[Finding]:
    """Report the insert."""
    yield RULE.finding(
        module,
        fact.span,
        f"insert after '{fact.check}' at {fact.where} found nothing: several callers can insert at once, use an upsert with $setOnInsert and a unique index",
        fact.steps,
    )
