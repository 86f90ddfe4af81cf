"""MDB704: the next id is computed from a count or a maximum."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.races import NextId

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB704",
    name="next-id-race",
    summary="The next id is computed from a count or a maximum.",
    why=(
        "Two callers that count at the same time get the same number: 157 of 200 inserts failed with DuplicateKeyError, "
        "and where the key is not unique they stored duplicates; after a deletion a count repeats old numbers. A counter "
        "document raised with find_one_and_update and $inc gave 200 different ones."
        " True of every release."
    ),
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "tickets = MongoClient().app.tickets\n"
                "\n"
                "\n"
                "def create(title):\n"
                "    number = tickets.count_documents({}) + 1\n"
                '    tickets.insert_one({"_id": number, "title": title})  # expect: MDB704\n'
            ),
            good=(
                "from pymongo import MongoClient, ReturnDocument\n"
                "\n"
                "db = MongoClient().app\n"
                "\n"
                "\n"
                "def create(title):\n"
                "    counter = db.counters.find_one_and_update(\n"
                '        {"_id": "tickets"}, {"$inc": {"n": 1}}, upsert=True, return_document=ReturnDocument.AFTER\n'
                "    )\n"
                '    db.tickets.insert_one({"_id": counter["n"], "title": title})\n'
            ),
        ),
    ),
    silent=(
        "Counters raised with find_one_and_update, ObjectId and UUIDs, and a lock around the read and the write.",
        "Counts that are stored as numbers and not used as a key.",
    ),
    known_limits=(
        "A maximum that a loop finds by comparing is not recognised.",
        "A retry on DuplicateKeyError in a loop counts as cure; whether the key has a unique index is not known.",
    ),
    references=("https://www.mongodb.com/docs/manual/reference/method/db.collection.findOneAndUpdate/",),
)


@RULE.on(NextId)
def check(module: "Module", fact: NextId) -> Iterator[Finding]:
    """Report the insert."""
    yield RULE.finding(
        module,
        fact.span,
        f"'{fact.key}' is made from a {fact.source} read at {fact.where}: two callers get the same one, use ObjectId or a counter raised with find_one_and_update and $inc",
        fact.steps,
    )
