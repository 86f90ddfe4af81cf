"""What keeps a use of a name from failing: handlers, version tests, probes, tests that assert the failure."""

import ast
import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from flake8_mongo_threads.semantics.scopes import Binding, Scope
from flake8_mongo_threads.semantics.syntax import COMPREHENSIONS, FUNCTIONS, TRIES, WITHS, ends, last_name, walk

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

IMPORT_ERRORS = frozenset(("ImportError", "ModuleNotFoundError", "Exception", "BaseException"))
"""Handlers of these catch a failing import."""
NAME_ERRORS = frozenset(("ImportError", "ModuleNotFoundError", "AttributeError", "TypeError"))
"""Handlers of these are written for an interface that differs between releases; a handler of every exception is not."""

_ASSERTS_FAILURE = frozenset(
    ("raises", "assertRaises", "assertRaisesRegex", "assertRaisesRegexp", "assert_raises", "RaisesGroup", "RaisesExc")
)
_ASSERTS_WARNING = frozenset(("catch_warnings", "warns", "assertWarns", "assertWarnsRegex", "deprecated_call"))
_PROBES = frozenset(("hasattr", "getattr", "find_spec", "dir", "callable", "signature", "getfullargspec", "importorskip"))
_GIVES_UP = frozenset(("skip", "skipTest", "fail", "exit", "xfail"))
_FLAG = re.compile(r"version|^(?:is_|_)?(?:has|have)_|(?:mongo|motor|bson)\w*_?(?:gte|lt|ge|v)?_?\d|^PY_?\d", re.IGNORECASE)
_TYPE_CHECKING = "TYPE_CHECKING"
_DRIVER_OBJECTS = ("client", "database", "collection")
_MOST_OPERANDS = 64
"""Of a long ``a or b or …`` so many operands before the one in question are looked at."""


def expects_failure(module: "Module", node: ast.AST) -> bool:
    """Whether a test asserts that the code raises: ``pytest.raises``, ``assertRaises`` around it or as the call it is part of."""
    for up in module.index.ancestors(node):
        if isinstance(up, WITHS):
            if any(_called(item.context_expr) in _ASSERTS_FAILURE for item in up.items):
                return True
        elif isinstance(up, ast.Call) and last_name(up.func) in _ASSERTS_FAILURE:
            return True
    return False


def for_sync_twin(module: "Module", node: ast.AST) -> bool:
    """Whether asynchronous source that is translated to a synchronous twin (as unasync does) keeps this code for the twin:
    the body of ``if _IS_SYNC``, or a function that its decorator ``require_sync`` skips."""
    child = node
    for up in module.index.ancestors(node):
        if isinstance(up, ast.If):
            negated = isinstance(up.test, ast.UnaryOp) and isinstance(up.test.op, ast.Not)
            test = up.test.operand if isinstance(up.test, ast.UnaryOp) else up.test
            if last_name(test).upper().strip("_") == "IS_SYNC" and child in (up.orelse if negated else up.body):
                return True
        elif isinstance(up, FUNCTIONS) and any(
            last_name(d.func if isinstance(d, ast.Call) else d) == "require_sync" for d in getattr(up, "decorator_list", ())
        ):
            return True
        child = up
    return False


def guarded(module: "Module", node: ast.AST, errors: frozenset[str] = NAME_ERRORS) -> bool:
    """Whether the code at ``node`` is protected from a name that is not there, by a handler of one of ``errors`` or by a test."""
    return caught(module, node, errors) or tested(module, node) or expects_failure(module, node)


def caught(module: "Module", node: ast.AST, errors: frozenset[str]) -> bool:
    """Whether the code stands in a ``try`` (or its handler) or a ``suppress`` for one of some errors."""
    broad = "Exception" in errors
    child = node
    for up in module.index.ancestors(node):
        if isinstance(up, TRIES):
            handlers: list[ast.ExceptHandler] = up.handlers  # type: ignore[attr-defined]
            protected = child not in handlers and child not in up.finalbody  # type: ignore[attr-defined]
            if protected and any(_catches(handler, errors, broad) for handler in handlers):
                return True
        elif isinstance(up, ast.ExceptHandler):
            if _catches(up, errors, broad):
                return True
        elif isinstance(up, WITHS) and child in up.body:
            for item in up.items:
                call = item.context_expr
                if isinstance(call, ast.Call) and last_name(call.func) == "suppress" and any(_names(arg) & errors for arg in call.args):
                    return True
        elif isinstance(up, (*FUNCTIONS, ast.Lambda)):
            return False
        child = up
    return False


def _catches(handler: ast.ExceptHandler, errors: frozenset[str], broad: bool) -> bool:
    return broad if handler.type is None else bool(_names(handler.type) & errors)


def _names(node: ast.AST) -> set[str]:
    return {last_name(each) for each in walk(node)} - {""}


def _called(node: ast.AST) -> str:
    return last_name(node.func) if isinstance(node, ast.Call) else ""


def expects_warning(module: "Module", node: ast.AST) -> bool:
    """Whether the warnings of the code are collected or asserted: ``warnings.catch_warnings``, ``pytest.warns``, ``assertWarns``."""
    for up in module.index.ancestors(node):
        if isinstance(up, WITHS) and any(_called(item.context_expr) in _ASSERTS_WARNING for item in up.items):
            return True
    return False


def tested_class(module: "Module", node: ast.Attribute, expected: str) -> bool:
    """Whether an ``isinstance`` test around or before the code says that the receiver may be something else than ``expected``."""
    receiver = ast.dump(node.value)
    for test in _tests(module, node):
        for part in walk(test):
            if isinstance(part, ast.Call) and last_name(part.func) == "isinstance" and len(part.args) == 2:
                if ast.dump(part.args[0]) == receiver and _class_names(part.args[1]) != {expected}:
                    return True
    return False


def _class_names(node: ast.expr) -> set[str]:
    return {last_name(each) for each in (node.elts if isinstance(node, ast.Tuple) else [node])}


def tested(module: "Module", node: ast.AST) -> bool:
    """Whether a test around or before the code asks for a release or for the name: version tests, probes, TYPE_CHECKING."""
    return any(module.remember("is_guard", test, partial(is_guard, module, test)) for test in _tests(module, node))


def _tests(module: "Module", node: ast.AST) -> Iterator[ast.AST]:
    """The tests that decide whether the code at ``node`` runs, innermost first."""
    index = module.index
    child = node
    up = index.parents.get(node)
    while up is not None:
        if isinstance(up, (ast.If, ast.IfExp, ast.While)):
            if child is not up.test:
                yield up.test
        elif isinstance(up, ast.match_case):
            if child is not up.pattern:
                yield getattr(index.parents.get(up), "subject", up.pattern)
                if up.guard is not None and child is not up.guard:
                    yield up.guard
        elif isinstance(up, ast.BoolOp):
            position = next(index for index, value in enumerate(up.values) if value is child)
            yield from up.values[max(position - _MOST_OPERANDS, 0) : position]
        elif isinstance(up, COMPREHENSIONS):
            for generator in up.generators:
                yield from (test for test in generator.ifs if test is not child)
        elif isinstance(up, (*FUNCTIONS, ast.ClassDef)) and child not in up.decorator_list:
            yield from up.decorator_list
            if isinstance(up, ast.ClassDef):
                yield from _marks(index.bodies[up])
        place = index.place.get(child)
        if place is not None:
            owner, field, position = place
            block = getattr(owner, field, None)
            if isinstance(block, list) and position > 0:
                exits = module.remember(f"exits of {field}", owner, partial(_exits, block))
                for at, test in exits:
                    if at >= position:
                        break
                    yield test
        child = up
        up = index.parents.get(up)
    yield from _marks(index.module_scope)


def _marks(scope: Scope) -> list[ast.AST]:
    """What pytest has to know of all tests of a class or module: ``pytestmark = pytest.mark.skipif(…)``."""
    return [binding.value for binding in scope.bindings.get("pytestmark", ()) if binding.value is not None]


def _exits(block: list[ast.stmt]) -> list[tuple[int, ast.expr]]:
    """The statements of a block that can keep those after them from running: the place of each in it, and its test."""
    return [
        (position, statement.test)
        for position, statement in enumerate(block)
        if isinstance(statement, ast.Assert) or (isinstance(statement, ast.If) and (_leaves(statement.body) or _leaves(statement.orelse)))
    ]


def _leaves(block: list[ast.stmt]) -> bool:
    if ends(block):
        return True
    last = block[-1] if block else None
    return isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and last_name(last.value.func) in _GIVES_UP


def is_guard(module: "Module", test: ast.AST) -> bool:
    """Whether a test is about releases or about a name being there."""
    for part in walk(test):
        if isinstance(part, ast.Call):
            if _probes(module, part):
                return True
        elif isinstance(part, (ast.Name, ast.Attribute)):
            name = last_name(part)
            if name == _TYPE_CHECKING or _FLAG.search(name):
                return True
            if isinstance(part, ast.Name) and _flag(module, part):
                return True
    return False


def _probes(module: "Module", call: ast.Call) -> bool:
    name = last_name(call.func)
    if name not in _PROBES:
        return False
    if name == "hasattr" and call.args:
        # A client, database or collection has every attribute: asking tells nothing.
        driver = module.inference.kind(module, call.args[0])
        return driver is None or driver.family not in _DRIVER_OBJECTS
    return True


def _flag(module: "Module", name: ast.Name) -> bool:
    """Whether a name was set from a version test or a probe, or beside an import that may fail."""
    scope = module.index.scope(name).binder(name.id)
    return scope is not None and any(_set_by_guard(module, binding) for binding in scope.bindings[name.id][:6])


def _set_by_guard(module: "Module", binding: Binding) -> bool:
    if binding.how not in ("assign", "ann") or binding.value is None:
        return False
    if isinstance(binding.value, ast.Constant) and caught(module, binding.node, IMPORT_ERRORS - {"Exception", "BaseException"}):
        return True
    for part in walk(binding.value):
        if isinstance(part, ast.Call) and _probes(module, part):
            return True
        if isinstance(part, (ast.Name, ast.Attribute)) and _FLAG.search(last_name(part)):
            return True
    return False
