"""MDB105: a client that others share is closed by a handler, worker or helper."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.edits import DeleteStatement, Unwrap
from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.repair import anchor
from flake8_mongo_threads.semantics.lifetime import SharedClientClosed
from flake8_mongo_threads.semantics.releases import closes_for_good
from flake8_mongo_threads.semantics.syntax import TRIES, path_key

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB105",
    name="shared-client-closed",
    summary="A client that others share is closed by a handler, worker or helper.",
    why=(
        'close() is global and, since 4.0, terminal: every other thread and every later call gets "InvalidOperation: '
        'Cannot use MongoClient after close". With eight threads at work, one close made 550 of the next 708 operations '
        "fail. Close a shared client once, when the process ends. Before 4.0 a closed client opened again by itself."
    ),
    fix=Applicability.UNSAFE,
    examples=(
        Example(
            bad=(
                "from flask import Flask\n"
                "from pymongo import MongoClient\n"
                "\n"
                "app = Flask(__name__)\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                '@app.get("/orders")\n'
                "def orders():\n"
                "    count = client.shop.orders.count_documents({})\n"
                "    client.close()  # expect: MDB105\n"
                '    return {"orders": count}\n'
            ),
            good=(
                "from flask import Flask\n"
                "from pymongo import MongoClient\n"
                "\n"
                "app = Flask(__name__)\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                '@app.get("/orders")\n'
                "def orders():\n"
                "    count = client.shop.orders.count_documents({})\n"
                '    return {"orders": count}\n'
            ),
            fixed=(
                "from flask import Flask\n"
                "from pymongo import MongoClient\n"
                "\n"
                "app = Flask(__name__)\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                '@app.get("/orders")\n'
                "def orders():\n"
                "    count = client.shop.orders.count_documents({})\n"
                '    return {"orders": count}\n'
            ),
        ),
    ),
    silent=(
        (
            "Shutdown hooks, the part of a lifespan behind the yield, atexit, close_spider, tearDownClass, and methods such as close and "
            "__exit__."
        ),
        "A client that the handler or worker built itself, and cursors and sessions that it closes.",
    ),
    known_limits=("A method whose job is to close is not reported; who calls it from a handler is.",),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/connect/mongoclient/",),
)


@RULE.on(SharedClientClosed)
def check(module: "Module", fact: SharedClientClosed) -> Iterator[Finding]:
    """Report the close, or the call of the method that closes, in code that runs again and again."""
    if not closes_for_good(module):
        return
    yield RULE.finding(
        module,
        fact.span,
        f"shared client{_origin(module, fact)} is closed by {fact.text}: close it once, when the process ends",
        fact.steps,
        _removed(module, fact),
        cause=f"closed@{fact.span.line}:{fact.span.col}",
    )


def _origin(module: "Module", fact: SharedClientClosed) -> str:
    site = fact.client.site
    return f" made at {site.module.where(site.node, module)}" if site is not None and isinstance(site.node, ast.Call) else ""


def _removed(module: "Module", fact: SharedClientClosed) -> Fix | None:
    """Remove the statement that does nothing but close, or register the close; a helper may do more than that."""
    node = fact.node
    if not isinstance(node, ast.Call) or not any(_names_close(module, part) for part in (node.func, *node.args)):
        return None
    parent = module.index.parents.get(node)
    if isinstance(parent, ast.Await):
        parent = module.index.parents.get(parent)
    if not isinstance(parent, ast.Expr):
        return None
    owner, field, _ = module.index.place[parent]
    if isinstance(owner, TRIES) and field == "finalbody" and len(owner.finalbody) == 1:  # type: ignore[attr-defined]
        return Fix("Remove the close", Applicability.UNSAFE, (Unwrap(anchor(module, owner)),))
    gone: ast.AST = parent
    while isinstance(owner, ast.If) and owner.body == [gone] and not owner.orelse and path_key(_asked(owner.test)):
        if any("#" in line for line in module.source.lines[owner.lineno - 1 : owner.end_lineno]):
            break
        gone = owner
        owner, _, _ = module.index.place[gone]
    return Fix("Remove the close", Applicability.UNSAFE, (DeleteStatement(anchor(module, gone)),))


def _asked(test: ast.expr) -> ast.expr:
    """What a condition asks about: ``client`` in ``client is not None``."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.comparators[0], ast.Constant):
        return test.left
    return test.operand if isinstance(test, ast.UnaryOp) else test


def _names_close(module: "Module", expression: ast.AST) -> bool:
    """Whether an expression is the ``close`` of a client."""
    if not isinstance(expression, ast.Attribute) or expression.attr != "close":
        return False
    owner = module.inference.kind(module, expression.value)
    return owner is not None and owner.family == "client"
