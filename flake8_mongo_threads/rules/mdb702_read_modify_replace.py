"""MDB702: a document is read, changed, and written back whole."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.races import ReplaceAfterRead

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB702",
    name="read-modify-replace",
    summary="A document is read, changed, and written back whole.",
    why=(
        "A replacement writes every field as it was read, so it undoes whatever others changed in between: 44 of 200 "
        "changes survived. Set only the fields that change, or put the version that was read into the filter."
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
                "def rename(key, name):\n"
                '    user = users.find_one({"_id": key})\n'
                '    user["name"] = name\n'
                '    users.replace_one({"_id": key}, user)  # expect: MDB702\n'
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "users = MongoClient().app.users\n"
                "\n"
                "\n"
                "def rename(key, name):\n"
                '    users.update_one({"_id": key}, {"$set": {"name": name}})\n'
            ),
        ),
    ),
    silent=("$set of the fields that change, a filter with the version that was read, a document that goes into another collection.",),
    known_limits=(
        "A read and a write are joined through at most two calls of functions of the program.",
        "Operations for bulk_write are followed within one file.",
    ),
    references=("https://www.mongodb.com/docs/manual/reference/operator/update/set/",),
)


@RULE.on(ReplaceAfterRead)
def check(module: "Module", fact: ReplaceAfterRead) -> Iterator[Finding]:
    """Report the write."""
    document = f"document '{fact.name}'" if fact.name else "a document"
    yield RULE.finding(
        module,
        fact.span,
        f"{document} is read at {fact.where}, changed and written back whole: changes of others in between are lost, update only the changed fields",
        fact.steps,
    )
