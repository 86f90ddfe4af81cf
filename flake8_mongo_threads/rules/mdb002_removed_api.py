"""MDB002: a name of the drivers that is gone in a release the project targets."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Applicability, Finding
from flake8_mongo_threads.rules.apis import PRODUCTS, cure, rename, shown, target_text
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.modern import modern
from flake8_mongo_threads.semantics.names import REMOVED, NameUse

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB002",
    name="removed-api",
    summary="A name or keyword argument of the drivers that existed and is gone in a release that the project targets.",
    why=(
        "PyMongo 3.0 and 4.0 removed most of the interface of 2.x: insert, update, remove, save, count, ensure_index, Connection, "
        "MongoReplicaSetClient and many more. On a database or collection a removed method is silently a sub-collection, so the call fails "
        "only when it runs ('Collection' object is not callable), and a removed property (client.max_pool_size) is silently a Database. "
        "Which releases count is read from the project's lock and requirement files; without any, the newest one does."
    ),
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "db = MongoClient().blog\n"
                "\n"
                "\n"
                "def names():\n"
                "    return db.collection_names()  # expect: MDB002\n"
            ),
            good=("from pymongo import MongoClient\n\ndb = MongoClient().blog\n\n\ndef names():\n    return db.list_collection_names()\n"),
            fixed=("from pymongo import MongoClient\n\ndb = MongoClient().blog\n\n\ndef names():\n    return db.list_collection_names()\n"),
        ),
    ),
    fix=Applicability.SAFE,
    silent=(
        "Names that are still there in every release that the project can be installed with.",
        "Code for old releases behind a test of the version, or behind a handler of ImportError or AttributeError.",
    ),
    known_limits=(
        "hasattr() on a client, database or collection is always true and guards nothing; on a class, a module or a cursor it does.",
        "A handler of AttributeError or TypeError, and a test of the driver's version, silence the rule; a handler of any exception does not.",
    ),
    references=(
        "https://pymongo.readthedocs.io/en/stable/migrate-to-pymongo4.html",
        "https://pymongo.readthedocs.io/en/stable/changelog.html",
    ),
)


@RULE.on(NameUse)
def check(module: "Module", use: NameUse) -> Iterator[Finding]:
    """Report the name that is gone."""
    if use.problem != REMOVED:
        return
    answer = use.answer
    product = PRODUCTS[answer.dist]
    gone = f"was removed in {product} {answer.until}" if answer.until else f"is not in {product} {answer.missing}"
    if use.what == "submodule":
        text = f"{shown(use)} is not there in {product} {answer.missing} ({target_text(use)}): {use.advice}, {cure(use)}"
    else:
        effect = f", {use.advice}" if use.advice else ""
        text = f"{shown(use)} {gone} ({target_text(use)}){effect}: {cure(use)}"
    yield RULE.finding(module, use.span, text, fix=rename(module, use) or modern(module, use), cause=use.cause)
