"""MDB701: a field is read, computed on, and written back with $set."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.repair import replace, source
from flake8_mongo_threads.semantics.races import LostUpdate
from flake8_mongo_threads.semantics.syntax import constant

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
        " True of every release."
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
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "accounts = MongoClient().bank.accounts\n"
                "\n"
                "\n"
                "def withdraw(number, amount):\n"
                '    account = accounts.find_one({"_id": number})\n'
                '    accounts.update_one({"_id": number}, {"$set": {"balance": account["balance"] - amount, "active": True}})  # expect: MDB701\n'
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "accounts = MongoClient().bank.accounts\n"
                "\n"
                "\n"
                "def withdraw(number, amount):\n"
                '    accounts.update_one({"_id": number}, {"$set": {"active": True}, "$inc": {"balance": -amount}})\n'
            ),
            fixed=(
                "from pymongo import MongoClient\n"
                "\n"
                "accounts = MongoClient().bank.accounts\n"
                "\n"
                "\n"
                "def withdraw(number, amount):\n"
                '    account = accounts.find_one({"_id": number})\n'
                '    accounts.update_one({"_id": number}, {"$set": {"active": True}, "$inc": {"balance": -amount}})\n'
            ),
        ),
    ),
    silent=(
        "$inc and other update operators, a filter that holds the value or version that was read, a lock around both, a transaction.",
        "A value from another document or collection, and a new value that does not come from the field it replaces.",
    ),
    known_limits=(
        "A read and a write are joined through at most two calls of functions of the program.",
        "Operations for bulk_write are followed within one file.",
    ),
    references=("https://www.mongodb.com/docs/manual/reference/operator/update/inc/",),
)


@RULE.on(LostUpdate)
def check(module: "Module", fact: LostUpdate) -> Iterator[Finding]:
    """Report the write."""
    field = f"'{fact.field}'" if fact.field else "a field"
    into = f" into '{fact.name}'" if fact.name else ""
    yield RULE.finding(
        module,
        fact.span,
        f"{field} is read{into} at {fact.where}, computed on and written back with $set: concurrent updates are lost, use $inc or another update operator",
        fact.steps,
        _increment(module, fact),
    )


def _increment(module: "Module", fact: LostUpdate) -> Fix | None:
    """``{"$set": {"n": doc["n"] + 1}}`` becomes ``{"$inc": {"n": 1}}``; other fields of the same ``$set`` stay in it."""
    update = fact.display
    if update is None or not fact.increments:
        return None
    operators = {constant(key): (key, value) for key, value in zip(update.keys, update.values, strict=True)}
    key, fields = operators["$set"]
    if key is None or not isinstance(fields, ast.Dict) or "$inc" in operators:
        return None
    if len(fields.keys) == len(fact.increments):
        values = [replace(module, i.value, f"{i.sign}{{0}}", i.delta) for i in fact.increments]
        quote = "'" if source(module, key).endswith("'") else '"'
        return Fix("Use $inc", Applicability.UNSAFE, (replace(module, key, f"{quote}$inc{quote}"), *values))
    if update.lineno != update.end_lineno or len(operators) > 1 or None in fields.keys:
        return None
    holes: list[ast.AST] = []

    def hole(node: ast.AST) -> str:
        holes.append(node)
        return f"{{{len(holes) - 1}}}"

    raised = {id(i.key) for i in fact.increments}
    kept = ", ".join(
        f"{hole(k)}: {hole(v)}" for k, v in zip(fields.keys, fields.values, strict=True) if k is not None and id(k) not in raised
    )
    added = ", ".join(f"{hole(i.key)}: {i.sign}{hole(i.delta)}" for i in fact.increments)
    template = f'{{"$set": {{{kept}}}, "$inc": {{{added}}}}}'
    return Fix("Use $inc", Applicability.UNSAFE, (replace(module, update, template, *holes),))
