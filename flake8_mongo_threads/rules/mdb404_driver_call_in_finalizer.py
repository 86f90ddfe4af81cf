"""MDB404: a driver operation or close() runs inside __del__ or a weakref callback."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.edits import DeleteStatement
from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.repair import anchor
from flake8_mongo_threads.semantics.reentry import Reentry
from flake8_mongo_threads.semantics.syntax import constant, path_key

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB404",
    name="driver-call-in-finalizer",
    summary="A driver operation or close() runs inside __del__ or a weakref callback.",
    why=(
        "The garbage collector runs finalizers anywhere, also while the same thread holds a lock of the driver: a find in "
        "__del__ deadlocked after 1, 24 and 49 collections. The driver's own authors say that it is not safe to acquire a "
        "lock in __del__. Closing an exclusively owned client there mostly closes too early: Repo().coll outlives its "
        'Repo and raises "Cannot use MongoClient after close".'
        " True of every release."
    ),
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "class Store:\n"
                "    def __init__(self):\n"
                "        self.client = MongoClient()\n"
                "\n"
                "    def __del__(self):\n"
                "        self.client.close()  # expect: MDB404\n"
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "class Store:\n"
                "    def __init__(self):\n"
                "        self.client = MongoClient()\n"
                "\n"
                "    def __enter__(self):\n"
                "        return self\n"
                "\n"
                "    def __exit__(self, *exc):\n"
                "        self.client.close()\n"
            ),
            fixed=("from pymongo import MongoClient\n\n\nclass Store:\n    def __init__(self):\n        self.client = MongoClient()\n"),
            title="A context manager",
        ),
    ),
    fix=Applicability.UNSAFE,
    silent=(
        "__exit__, close() and atexit.",
        "Finalizers that do not reach the driver, or only read attributes.",
    ),
    references=("https://docs.python.org/3/reference/datamodel.html#object.__del__",),
)


@RULE.on(Reentry)
def check(module: "Module", fact: Reentry) -> Iterator[Finding]:
    """Report the operation, or the call that leads to it, inside the finalizer."""
    if fact.where != "finalizer":
        return
    if fact.owner.flavour != "sync":
        consequence = "nobody awaits it there"
    elif fact.owned:
        consequence = "it closes the client as soon as the object is collected, also while its collections are in use, and can deadlock"
    else:
        consequence = "the collector may run it while the driver holds a lock, which deadlocks"
    yield RULE.finding(
        module,
        fact.span,
        f"'{fact.name}' of a {fact.owner.noun} runs in {fact.text}: {consequence}, use a context manager or an explicit close",
        fact.steps,
        _without_finalizer(module, fact),
        cause=fact.cause,
    )


def _without_finalizer(module: "Module", fact: Reentry) -> Fix | None:
    """A class without its ``__del__``, where that only closes the client of the object: one that nothing refers to any more ends its
    threads and connections itself."""
    if fact.name != "close" or fact.owner.family != "client":
        return None
    owner = next((up for up in module.index.ancestors(fact.node) if isinstance(up, ast.ClassDef)), None)
    methods = [node for node in owner.body if isinstance(node, ast.FunctionDef)] if owner is not None else []
    finalizer = next((method for method in methods if method.name == "__del__"), None)
    if finalizer is None or finalizer.decorator_list or module.index.attribute_loads.get("__del__"):
        return None
    bases = {base.id for base in owner.bases if isinstance(base, ast.Name)} if owner is not None else set()
    if any("__del__" in scope.bindings for scope in module.index.classes if scope.name in bases):
        return None  # that one would run instead
    if any("#" in line for line in module.source.lines[finalizer.lineno - 2 : finalizer.end_lineno]):
        return None  # its comments would go with it
    named = {method.name: method for method in methods if not method.decorator_list}
    if not _only_closes(finalizer, named, fact.node):
        return None
    return Fix("Remove __del__", Applicability.UNSAFE, (DeleteStatement(anchor(module, finalizer)),))


def _only_closes(function: ast.FunctionDef, methods: dict[str, ast.FunctionDef], close: ast.AST) -> bool:
    """Whether a method does nothing but close a client of the object, itself or by calling another method, and forget it."""
    arguments = function.args.posonlyargs or function.args.args
    itself = arguments[0].arg if arguments else ""
    pending: list[ast.stmt] = list(function.body)
    while pending:
        statement = pending.pop()
        if isinstance(statement, ast.If):
            if any(isinstance(part, (ast.Call, ast.NamedExpr)) and not _asks(part) for part in ast.walk(statement.test)):
                return False
            pending += [*statement.body, *statement.orelse]
        elif isinstance(statement, ast.Try):
            pending += [*statement.body, *statement.orelse, *statement.finalbody]
            pending += [inner for handler in statement.handlers for inner in handler.body]
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            call = statement.value
            name = path_key(call.func).removeprefix(f"{itself}.")
            inner = methods.get(name)
            if call is close or (name.endswith(".close") and ast.dump(call) == ast.dump(close)):
                continue
            if inner is None or inner is function or not _only_closes(inner, {}, close):
                return False
        elif isinstance(statement, ast.Assign):
            if not (
                isinstance(statement.value, ast.Constant) and all(path_key(each).startswith(f"{itself}.") for each in statement.targets)
            ):
                return False
        elif not isinstance(statement, ast.Pass) and not (isinstance(statement, ast.Expr) and constant(statement.value) is not None):
            return False
    return True


def _asks(node: ast.AST) -> bool:
    """``hasattr(self, "client")``"""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("hasattr", "getattr")
