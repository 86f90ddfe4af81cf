"""MDB007: the truth value of a database or collection."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.repair import replace
from flake8_mongo_threads.semantics.syntax import path_key, text_of
from flake8_mongo_threads.semantics.truth import TruthTest

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB007",
    name="driver-object-truthiness",
    summary="The truth value of a Database or Collection: it raises NotImplementedError since PyMongo 4.0.",
    why=(
        "'if db:', 'not collection', 'coll or default' and bool(db) raise NotImplementedError: Database objects do not implement truth "
        "value testing or bool(). Please compare with None instead. It bites in lazily made singletons, where the branch runs only once the "
        "object is there. A client, a cursor and a document have a truth value."
        " It raises since PyMongo 4.0 and Motor 3.0."
    ),
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "db = MongoClient().app\n"
                "\n"
                "\n"
                "def ready():\n"
                "    if db:  # expect: MDB007\n"
                "        return True\n"
                "    return False\n"
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "db = MongoClient().app\n"
                "\n"
                "\n"
                "def ready():\n"
                "    if db is not None:\n"
                "        return True\n"
                "    return False\n"
            ),
            fixed=(
                "from pymongo import MongoClient\n"
                "\n"
                "db = MongoClient().app\n"
                "\n"
                "\n"
                "def ready():\n"
                "    if db is not None:\n"
                "        return True\n"
                "    return False\n"
            ),
        ),
    ),
    fix=Applicability.SAFE,
    silent=(
        "Truth values of clients, cursors, sessions and documents, and comparisons with None.",
        "Collections of other libraries, such as Chroma's.",
    ),
    known_limits=("Only objects whose kind is certain are reported.",),
    references=("https://pymongo.readthedocs.io/en/stable/migrate-to-pymongo4.html#collection-bool-raises-notimplementederror",),
)


@RULE.on(TruthTest)
def check(module: "Module", test: TruthTest) -> Iterator[Finding]:
    """Report the expression whose truth is asked for."""
    name = {"database": "Database", "collection": "Collection"}[test.driver.family]
    text = (
        f"truth value of the {name} '{text_of(test.node, 40)}' raises NotImplementedError since {test.release}: compare with None instead"
    )
    yield RULE.finding(module, module.source.name_span(test.node), text, test.steps, _fix(module, test), cause=test.cause)


def _fix(module: "Module", test: TruthTest) -> Fix | None:
    """``X is not None``, or ``X is None`` for ``not X``; ``X if X is not None else Y`` for the value of ``X or Y``."""
    parent = module.index.parents.get(test.node)
    edit = None
    if isinstance(parent, ast.UnaryOp):
        edit = replace(module, parent, "{0} is None", test.node)
    elif isinstance(parent, ast.Call):
        edit = replace(module, parent, "{0} is not None", test.node)
    elif not isinstance(parent, ast.BoolOp) or test.only_truth:
        edit = replace(module, test.node, "{0} is not None", test.node)
    elif isinstance(parent.op, ast.Or) and len(parent.values) == 2 and parent.values[0] is test.node and path_key(test.node):
        edit = replace(module, parent, "{0} if {0} is not None else {1}", test.node, parent.values[1])
    return Fix("Compare with None", Applicability.SAFE, (edit,)) if edit is not None else None
