"""Places: what an expression names, so that two expressions can be told to mean one object.

A place is a base (one binding of a local name, or a name of an outer scope) and a path of attributes from it. Values say
where an object was made; two calls of one factory give two objects with one such site, and only places tell them apart.
"""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.semantics.scopes import Binding, Scope
from flake8_mongo_threads.semantics.values import NOTHING

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

Base = tuple[str, int, str]
"""``("local", binding, "")`` or ``("outer", scope, name)``."""
Place = tuple[Base, str]
"""A base and the path of attributes from it: empty, or ``.client``."""

MAX_HOPS = 8


def binding_base(binding: Binding) -> Base:
    """The base that a binding of a local name makes."""
    return ("local", id(binding.node), "")


def _bound(module: "Module", name: ast.Name) -> tuple[Base, Binding | None] | None:
    """The base that a name stands for, with its binding when that is a single one of the name's own function."""
    index = module.index
    scope: Scope | None = index.scope(name)
    own = scope.function if scope is not None else None
    while scope is not None:
        found = scope.bindings.get(name.id)
        if found and not (name.id in scope.globals and scope.kind != "module"):
            if scope.function is not own:
                return ("outer", id(scope), name.id), None
            if scope.kind == "comprehension":
                return binding_base(found[0]), found[0]
            reaching = [b for b in index.reaching(scope, name.id, name) if not _is_none(module, b)]
            if len(reaching) == 1:
                return binding_base(reaching[0]), reaching[0]
            return None
        scope = scope.parent
    return None


def _is_none(module: "Module", binding: Binding) -> bool:
    return binding.how in ("assign", "ann") and isinstance(binding.value, ast.Constant) and module.values(binding.value) == (NOTHING,)


def _split(expression: ast.AST) -> tuple[ast.AST, list[ast.AST]]:
    """The innermost receiver of a chain of attributes, subscripts and method calls, and the chain from it outwards."""
    chain: list[ast.AST] = []
    node = expression
    while True:
        if isinstance(node, (ast.Attribute, ast.Subscript, ast.Await, ast.Starred)):
            chain.append(node)
            node = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            chain.append(node)
            node = node.func
        elif isinstance(node, ast.NamedExpr):
            node = node.target
        else:
            chain.reverse()
            return node, chain


def exact(module: "Module", expression: ast.AST) -> list[Place]:
    """The places that an expression names itself: a name, or attributes of one; aliases are followed."""
    found: list[Place] = []
    path = ""
    current = expression
    for _ in range(MAX_HOPS):
        base, chain = _split(current)
        if not isinstance(base, ast.Name) or not all(isinstance(n, ast.Attribute) for n in chain):
            break
        path = "".join(f".{n.attr}" for n in chain if isinstance(n, ast.Attribute)) + path
        bound = _bound(module, base)
        if bound is None:
            break
        found.append((bound[0], path))
        binding = bound[1]
        if binding is None or binding.how not in ("assign", "ann", "with") or binding.path or binding.value is None:
            break
        current = binding.value
    return found


def origins(module: "Module", expression: ast.AST) -> list[Place]:
    """The places that an object was made from, nearest first: ``db.users`` and, where ``db = client.app``, ``client``."""
    found: list[Place] = []
    current = expression
    for _ in range(MAX_HOPS):
        base, chain = _split(current)
        if not isinstance(base, ast.Name):
            break
        bound = _bound(module, base)
        if bound is None:
            break
        path = ""
        found.append((bound[0], path))
        for node in chain:
            if not isinstance(node, ast.Attribute):
                break
            path += f".{node.attr}"
            found.append((bound[0], path))
        binding = bound[1]
        if binding is None or binding.how not in ("assign", "ann", "with", "for") or binding.path or binding.value is None:
            break
        current = binding.value
    return found


def factory_call(module: "Module", expression: ast.AST) -> ast.Call | None:
    """The one call of a function that an object was made from: ``connect()`` for ``db.users`` where ``db = connect().app``.

    Names and attributes of ``self`` are followed where they have a single binding, in whatever scope.
    """
    index = module.index
    current = expression
    for _ in range(MAX_HOPS):
        base, chain = _split(current)
        if isinstance(base, ast.Call):
            return base
        if not isinstance(base, ast.Name):
            return None
        if base.id == "self" and chain and isinstance(chain[0], ast.Attribute):
            stores = index.attribute_stores.get(chain[0].attr, [])
            value = stores[0].value if len(stores) == 1 and not stores[0].path else None
            same = stores and stores[0].scope.function.cls is index.scope(base).function.cls
        else:
            scope = index.scope(base).binder(base.id)
            found = scope.bindings[base.id] if scope is not None else []
            same = len(found) == 1 and found[0].how in ("assign", "ann", "with") and not found[0].path
            value = found[0].value if same else None  # type: ignore[assignment]
        if not same or value is None:
            return None
        current = value
    return None
