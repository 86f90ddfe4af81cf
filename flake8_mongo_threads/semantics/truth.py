"""The fact of the rule about truth values: where the truth of a database or collection is asked for."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.driver import api
from flake8_mongo_threads.driver.targets import target_for
from flake8_mongo_threads.semantics.facts import PRODUCERS
from flake8_mongo_threads.semantics.guards import caught, expects_failure, tested
from flake8_mongo_threads.semantics.syntax import last_name
from flake8_mongo_threads.semantics.values import Driver, Instance, known

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

_RAISES_SINCE = {"pymongo": "4.0", "motor": "3.0"}
_PRODUCTS = {"pymongo": "PyMongo", "motor": "Motor"}
_REFUSAL = frozenset(("NotImplementedError",))
_SIMPLE = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.NamedExpr, ast.Await)


class TruthTest:
    """An expression that is a database or collection and stands where its truth value is asked for."""

    __slots__ = ("cause", "driver", "node", "only_truth", "release", "steps")

    def __init__(self, module: "Module", node: ast.expr, driver: Driver, release: str, *, only_truth: bool) -> None:
        self.node = node
        self.driver = driver
        self.release = release
        """The release since which it raises, with the product's name."""
        self.only_truth = only_truth
        """Whether nothing but the truth value is used: not the operand that ``or`` gives."""
        self.steps = (driver.site.step(f"the {driver.noun} is made here"),) if driver.site is not None else ()
        span = module.source.name_span(node)
        self.cause = f"name@{span.line}:{span.col}"


def truth_tests(module: "Module") -> list[TruthTest]:
    """Every place of this file where the truth value of a database or collection is asked for."""
    target = target_for(module.location, module.project.config)
    raising = {dist for dist, minor in _RAISES_SINCE.items() if target.mask(dist) & api.since(dist, minor)}
    if not raising:
        return []
    found: list[TruthTest] = []
    seen: set[ast.AST] = set()
    pending: list[ast.expr] = [test for test, _ in module.index.tests][::-1]
    for call in module.index.calls:
        pending.extend(_asked_by(call))
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, ast.BoolOp):
            pending.extend(node.values)
            continue
        if not isinstance(node, _SIMPLE):
            continue
        driver = _object(module, node)
        if driver is None:
            continue
        dist = "motor" if driver.flavour == "motor" else "pymongo"
        if dist in raising and not _expected(module, node):
            release = f"{_PRODUCTS[dist]} {_RAISES_SINCE[dist]}"
            found.append(TruthTest(module, node, driver, release, only_truth=_only_truth(module, node)))
    found.sort(key=lambda test: (test.node.lineno, test.node.col_offset))
    return found


def _expected(module: "Module", node: ast.AST) -> bool:
    """Whether the program asks for the release first, handles the error, or asserts it."""
    return tested(module, node) or caught(module, node, _REFUSAL) or expects_failure(module, node)


def _asked_by(call: ast.Call) -> list[ast.expr]:
    """The expressions whose truth a call of ``bool``, ``all`` or ``any`` asks for."""
    if not isinstance(call.func, ast.Name) or call.func.id not in ("bool", "all", "any") or len(call.args) != 1 or call.keywords:
        return []
    asked = call.args[0]
    if call.func.id == "bool":
        return [asked]
    if isinstance(asked, (ast.List, ast.Tuple, ast.Set)):
        return asked.elts
    return [asked.elt] if isinstance(asked, (ast.GeneratorExp, ast.ListComp, ast.SetComp)) else []


def _object(module: "Module", node: ast.expr) -> Driver | None:
    """The database or collection that an expression certainly is; None for one of a class with a truth value of its own."""
    if isinstance(node, ast.Call) and last_name(node.func) in ("bool", "isinstance", "len", "all", "any"):
        return None
    values = module.values(node)
    driver = next(iter(module.inference.flavours(values)), None)  # by what was imported: the truth value raises for all
    if driver is None or driver.family not in ("database", "collection"):
        return None
    for value in known(values):
        if isinstance(value, Instance):
            order = module.inference.resolution_order(value.cls)
            if any({"__bool__", "__len__"} & cls.bindings.keys() for _, cls in order):
                return None
    return driver


def _only_truth(module: "Module", node: ast.AST) -> bool:
    """Whether an operand of ``and`` / ``or`` stands in a condition, so that the operand itself is not the result."""
    index = module.index
    child = node
    up = index.parents.get(node)
    while isinstance(up, ast.BoolOp):
        child = up
        up = index.parents.get(up)
    if isinstance(up, (ast.If, ast.While, ast.IfExp, ast.Assert)):
        return up.test is child
    return isinstance(up, (ast.UnaryOp, ast.comprehension))


PRODUCERS[TruthTest] = truth_tests
