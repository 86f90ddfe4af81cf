"""MDB701: a field is read, computed on, and written back with $set."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.repair import replace
from flake8_mongo_threads.semantics.races import LostUpdate

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB701",
    name="lost-update",
    summary="A field is read, computed on, and written back with $set.",
    why=(
        "Between the read and the write another thread, task or process can do the same: with eight threads 42 of 200 "
        "increments survived. An update operator changes the field in one step on the server: with $inc all 200 survived. "
        "A thread lock helps within one process only."
    ),
    fix=Applicability.UNSAFE,
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "accounts = MongoClient().bank.accounts\n"
                "\n"
                "\n"
                "def deposit(number):\n"
                '    account = accounts.find_one({"_id": number})\n'
                '    accounts.update_one({"_id": number}, {"$set": {"deposits": account["deposits"] + 1}})  # expect: MDB701\n'
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "accounts = MongoClient().bank.accounts\n"
                "\n"
                "\n"
                "def deposit(number):\n"
                '    accounts.update_one({"_id": number}, {"$inc": {"deposits": 1}})\n'
            ),
            fixed=(
                "from pymongo import MongoClient\n"
                "\n"
                "accounts = MongoClient().bank.accounts\n"
                "\n"
                "\n"
                "def deposit(number):\n"
                '    account = accounts.find_one({"_id": number})\n'
                '    accounts.update_one({"_id": number}, {"$inc": {"deposits": 1}})\n'
            ),
        ),
    ),
    known_limits=("A read and a write in different functions are not joined.",),
    references=("https://www.mongodb.com/docs/manual/reference/operator/update/inc/",),
)


@RULE.on(LostUpdate)
def check(module: "Module", fact: LostUpdate) -> Iterator[Finding]:
    """Report the write."""
    yield RULE.finding(
        module,
        fact.span,
        f"'{_shown(fact)}' is read{_into(fact)} at line {fact.steps[0].line}, computed on and written back with $set: concurrent updates are lost, use $inc or another update operator",
        fact.steps,
        _increment(module, fact),
    )


def _shown(fact: LostUpdate) -> str:
    """The field, or a word for one whose name is computed."""
    return fact.field if "(" not in fact.field else "a field"


def _into(fact: LostUpdate) -> str:
    return f" into '{fact.name}'" if fact.name else ""


def _increment(module: "Module", fact: LostUpdate) -> Fix | None:
    """``{"$set": {"n": doc["n"] + 1}}`` becomes ``{"$inc": {"n": 1}}``, where that is the whole update."""
    if fact.delta is None or fact.key_node is None or fact.value is None:
        return None
    template = "{0}" if fact.sign == "+" else "-{0}"
    edits = (replace(module, fact.key_node, '"$inc"'), replace(module, fact.value, template, fact.delta))
    return Fix("Use $inc", Applicability.UNSAFE, edits)
