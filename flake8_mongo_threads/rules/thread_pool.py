"""The fix for the pool of threads that PyMongo never had: ``concurrent.futures.ThreadPoolExecutor`` in its place."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.edits import Edit, ImportRequest, RenameImport, RenameName, ReplaceExpr
from flake8_mongo_threads.findings import Applicability, Fix
from flake8_mongo_threads.rules.repair import anchor
from flake8_mongo_threads.semantics.syntax import has_star

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

_EXECUTOR = "ThreadPoolExecutor"
_METHODS = {"schedule": "submit", "submit": "submit", "shutdown": "shutdown"}


def executor_fix(module: "Module", node: ast.AST) -> Fix | None:
    """Replace an import or attribute ``ThreadPool`` with everything that is done with the pool, or nothing.

    ``ThreadPool(n, max_size=m)`` becomes ``ThreadPoolExecutor(max_workers=m)`` (``n`` where there is no ``max_size``), ``schedule``
    becomes ``submit``. None where the pool is used in any other way. Safe: the program cannot even start as it is.
    """
    index = module.index
    edits: list[Edit] = []
    imports: tuple[ImportRequest, ...] = ()
    uses: list[ast.expr] = []
    if isinstance(node, ast.alias):
        statement = index.parents.get(node)
        local = node.asname or node.name
        if (
            not isinstance(statement, ast.ImportFrom)
            or _bindings(module, local) != 1
            or (local != _EXECUTOR and _bindings(module, _EXECUTOR))
        ):
            return None
        edits.append(RenameImport(anchor(module, statement), node.name, "concurrent.futures", _EXECUTOR, keep_local=False))
        uses.extend(index.name_loads.get(local, ()))
    elif isinstance(node, ast.Attribute):
        imports = (ImportRequest("concurrent.futures", _EXECUTOR),)
        uses.append(node)
    else:
        return None
    for use in uses:
        call = index.parents.get(use)
        size = _size(call) if isinstance(call, ast.Call) and call.func is use else None
        if size is None or not isinstance(call, ast.Call):
            return None
        edits.append(ReplaceExpr(anchor(module, call), f"{_EXECUTOR}(max_workers={{0}})", (anchor(module, size),)))
        methods = _uses_of_pool(module, call)
        if methods is None:
            return None
        edits.extend(
            RenameName(anchor(module, method), _METHODS[method.attr]) for method in methods if _METHODS[method.attr] != method.attr
        )
    return Fix(f"Use concurrent.futures.{_EXECUTOR}", Applicability.SAFE, tuple(edits), imports)


def _bindings(module: "Module", name: str) -> int:
    return sum(len(scope.bindings.get(name, ())) for scope in module.index.scopes)


def _size(call: ast.Call) -> ast.expr | None:
    """The number of workers: ``max_size`` if it is given, else the first argument."""
    if has_star(call) or len(call.args) > 1 or any(item.arg != "max_size" for item in call.keywords):
        return None
    return call.keywords[0].value if call.keywords else call.args[0] if call.args else None


def _uses_of_pool(module: "Module", call: ast.Call) -> list[ast.Attribute] | None:
    """The attributes of the pool that the program uses; None when it does something that an executor cannot do."""
    index = module.index
    parent = index.parents.get(call)
    target: ast.expr | None = None
    if isinstance(parent, ast.Assign) and len(parent.targets) == 1:
        target = parent.targets[0]
    elif isinstance(parent, ast.withitem):
        target = parent.optional_vars
    loads: list[ast.expr] = []
    if isinstance(target, ast.Name):
        if _bindings(module, target.id) != 1:
            return None
        loads.extend(index.name_loads.get(target.id, ()))
    elif isinstance(target, ast.Attribute):
        if len(index.attribute_stores.get(target.attr, ())) != 1:
            return None
        loads.extend(index.attribute_loads.get(target.attr, ()))
    elif not isinstance(parent, (ast.Expr, ast.withitem)):
        return None
    found = []
    for load in loads:
        method = index.parents.get(load)
        if isinstance(method, ast.withitem):
            continue
        used = index.parents.get(method) if isinstance(method, ast.Attribute) else None
        if (
            not isinstance(method, ast.Attribute)
            or method.attr not in _METHODS
            or not isinstance(used, ast.Call)
            or used.func is not method
        ):
            return None
        if method.attr == "schedule" and not used.args:
            return None
        found.append(method)
    return found
