"""Building blocks of fixes: anchors and the few changes that several rules make."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.edits import Anchor, Edit, ImportRequest, MakeAsync, ReplaceExpr
from flake8_mongo_threads.findings import Applicability, Fix
from flake8_mongo_threads.semantics.awaiting import can_await
from flake8_mongo_threads.semantics.syntax import COMPREHENSIONS
from flake8_mongo_threads.semantics.values import External

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

_LAZY = frozenset(("builtins.map", "builtins.filter"))
"""Callables that do their work only when their result is iterated."""


def anchor(module: "Module", node: ast.AST) -> Anchor:
    """The anchor of a node of this module."""
    span = module.source.span(node)
    return Anchor(type(node).__name__, span.line, span.col, span.end_line, span.end_col)


def replace(module: "Module", node: ast.AST, template: str, *holes: ast.AST) -> ReplaceExpr:
    """Replace an expression by a template whose holes are other nodes of the module."""
    return ReplaceExpr(anchor(module, node), template, tuple(anchor(module, hole) for hole in holes))


def insert_await(module: "Module", node: ast.AST) -> ReplaceExpr:
    """``f(x)`` becomes ``await f(x)``."""
    return replace(module, node, "await {0}", node)


def drop_await(module: "Module", node: ast.Await) -> ReplaceExpr:
    """``await f(x)`` becomes ``f(x)``."""
    return replace(module, node, "{0}", node.value)


def offload(module: "Module", call: ast.Call, at: ast.AST | None = None) -> Fix | None:
    """``f(x)`` becomes ``await asyncio.to_thread(f, x)``; ``at`` is what is replaced, when it is more than the call.

    None where ``await`` cannot stand, or where the call is entered by ``with`` or unpacks a generator argument.
    """
    place = at or call
    if not can_await(module, place) or isinstance(module.index.parents.get(place), ast.withitem):
        return None
    if any(isinstance(arg, ast.GeneratorExp) for arg in call.args):
        return None
    if any(isinstance(value, External) and value.path in _LAZY for value in module.values(call.func)):
        return None
    template = "await asyncio.to_thread({0}, {1*})" if call.args or call.keywords else "await asyncio.to_thread({0})"
    edit = ReplaceExpr(anchor(module, place), template, (anchor(module, call.func), anchor(module, call)))
    return Fix("Run it in a thread: await asyncio.to_thread(...)", Applicability.UNSAFE, (edit,), (ImportRequest("asyncio"),))


def make_async(module: "Module", at: ast.AST, asynchronous: bool = True) -> Edit | None:
    """Turn a ``for``, a comprehension clause or a ``with`` of one item into its ``async`` form or back; None where it cannot be."""
    if isinstance(at, (ast.For, ast.AsyncFor)):
        return MakeAsync(anchor(module, at), 0, asynchronous)
    if isinstance(at, (ast.With, ast.AsyncWith)):
        return MakeAsync(anchor(module, at), 0, asynchronous) if len(at.items) == 1 else None
    if isinstance(at, ast.comprehension):
        owner = module.index.parents.get(at)
        if isinstance(owner, COMPREHENSIONS) and not isinstance(owner, ast.GeneratorExp):
            return MakeAsync(anchor(module, owner), owner.generators.index(at), asynchronous)
    return None
