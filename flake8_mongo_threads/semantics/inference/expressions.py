"""Expressions that choose, wait or enter: conditions, ``or``, ``:=``, ``lambda``, ``await``, ``with``."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.semantics.inference.common import something
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.values import (
    BOTTOM,
    NOTHING,
    OPEN,
    UNKNOWN_ONLY,
    Awaitable,
    Class,
    Const,
    Driver,
    External,
    Function,
    Instance,
    Manager,
    Mapping,
    Sequence,
    Site,
    Values,
    union,
)

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.inference.core import Inference
    from flake8_mongo_threads.semantics.module import Module

_PATHS = frozenset(("pathlib.Path()", "pathlib.PosixPath()", "pathlib.PurePath()"))


def evaluate_await(inference: "Inference", module: "Module", node: ast.AST, scope: Scope) -> Values:
    """What an awaitable gives."""
    inner = something(inference.values(module, node.value, scope))  # type: ignore[attr-defined]
    if not inner:
        return BOTTOM
    return union(*(v.values if isinstance(v, Awaitable) else ((OPEN,) if v is OPEN else UNKNOWN_ONLY) for v in inner))


def evaluate_constant(inference: "Inference", module: "Module", node: ast.AST, scope: Scope) -> Values:
    """A constant as it is written."""
    del inference, module, scope
    value = node.value  # type: ignore[attr-defined]
    return (NOTHING,) if value is None else (Const(value),)


def evaluate_conditional(inference: "Inference", module: "Module", node: ast.AST, scope: Scope) -> Values:
    """Either arm of a conditional expression."""
    return union(inference.values(module, node.body, scope), inference.values(module, node.orelse, scope))  # type: ignore[attr-defined]


def evaluate_boolean(inference: "Inference", module: "Module", node: ast.AST, scope: Scope) -> Values:
    """The operands that ``and`` and ``or`` can give."""
    values = node.values  # type: ignore[attr-defined]
    if isinstance(node.op, ast.And):  # type: ignore[attr-defined]
        return inference.values(module, values[-1], scope)
    return union(*(inference.values(module, v, scope) for v in values[:6]))


def evaluate_walrus(inference: "Inference", module: "Module", node: ast.AST, scope: Scope) -> Values:
    """What ``:=`` binds."""
    return inference.values(module, node.value, scope)  # type: ignore[attr-defined]


def evaluate_lambda(inference: "Inference", module: "Module", node: ast.AST, scope: Scope) -> Values:
    """A ``lambda`` as a function."""
    del inference, scope
    body = module.index.bodies.get(node)
    return (Function(module, body),) if body is not None else UNKNOWN_ONLY


def evaluate_starred(inference: "Inference", module: "Module", node: ast.AST, scope: Scope) -> Values:
    """What is unpacked by a star."""
    return inference.values(module, node.value, scope)  # type: ignore[attr-defined]


def evaluate_binary(inference: "Inference", module: "Module", node: ast.AST, scope: Scope) -> Values:
    """What operators join: alternatives of a union, elements of sequences."""
    operation = node.op  # type: ignore[attr-defined]
    if isinstance(operation, ast.BitOr):
        left = inference.values(module, node.left, scope)  # type: ignore[attr-defined]
        if any(isinstance(v, (Class, External)) for v in left):
            return (External("typing.Union", Site(module, node)),)
        merged = [v for v in left if isinstance(v, Mapping)]
        if merged and len(merged) == len(left):
            right = inference.values(module, node.right, scope)  # type: ignore[attr-defined]
            if right and all(isinstance(v, Mapping) for v in right):
                items = tuple(item for v in (*left, *right) if isinstance(v, Mapping) for item in v.items)
                return (Mapping(items, Site(module, node)),)
    elif isinstance(operation, ast.Div):
        # pathlib: a part of a path is a path
        left = inference.values(module, node.left, scope)  # type: ignore[attr-defined]
        return tuple(v for v in left if isinstance(v, External) and v.path in _PATHS) or UNKNOWN_ONLY
    elif isinstance(operation, ast.Mult):
        for side in (node.left, node.right):  # type: ignore[attr-defined]
            if isinstance(side, (ast.List, ast.Tuple)) and not all(isinstance(e, ast.Constant) for e in side.elts):
                parts = tuple(v for v in inference.values(module, side, scope) if isinstance(v, Sequence))
                return tuple(Sequence(v.elements, Site(module, node), many=True) for v in parts) or UNKNOWN_ONLY
    return UNKNOWN_ONLY


def enter(inference: "Inference", values: Values, asynchronous: bool) -> Values:
    """What ``with`` (or ``async with``) binds."""
    parts: list[Values] = []
    for value in something(values):
        if isinstance(value, Manager):
            parts.append(value.values)
        elif isinstance(value, (Driver, External)) or value is OPEN:
            parts.append((value,))
        elif isinstance(value, Instance):
            parts.append(_enter_instance(inference, value, asynchronous))
        elif isinstance(value, Awaitable) and value.how == "future" and asynchronous:
            parts.append(value.values)
        else:
            parts.append(UNKNOWN_ONLY)
    return union(*parts) if parts else UNKNOWN_ONLY


def _enter_instance(inference: "Inference", value: Instance, asynchronous: bool) -> Values:
    method = inference.method_of(value, "__aenter__" if asynchronous else "__enter__")
    if method is not None:
        return inference.returned(method)
    if inference.external_bases(value.cls):
        return (value,)
    return UNKNOWN_ONLY
