"""Where a callable is called that was put under another name or into a container: ``HANDLERS[name](db)``, ``for f in self.hooks: f()``."""

import ast

from flake8_mongo_threads.semantics.scopes import Index, Scope

MAX_KEPT = 80
"""Expressions looked at for one callable."""

KEEPS = (ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.Dict, ast.List, ast.Tuple, ast.Set, ast.IfExp, ast.BoolOp)
"""What a callable that stands in it is kept by."""

_PUTS = {"append": 0, "add": 0, "appendleft": 0, "insert": 1, "setdefault": 1}
"""Methods that put an argument into a container, with its position."""
_TAKES = frozenset(("get", "pop", "popleft", "setdefault"))
_WHOLE = frozenset(("values", "items", "copy"))


def calls_of_kept(index: Index, reference: ast.AST) -> list[ast.Call]:
    """The calls of a file that call what an expression stands for, by way of names and containers that it is put into.

    The number beside an expression says how many containers are around the callable there: none, one, or containers of containers.
    """
    found: list[ast.Call] = []
    seen: set[tuple[ast.AST, int]] = set()
    pending: list[tuple[ast.AST, int]] = [(reference, 0)]
    while pending and len(seen) < MAX_KEPT:
        node, depth = pending.pop()
        if (node, depth) in seen or depth > 2:
            continue
        seen.add((node, depth))
        parent = index.parents.get(node)
        if isinstance(parent, ast.Call):
            if parent.func is node and not depth:
                found.append(parent)
            elif parent.func is not node:
                pending.extend(_put(index, parent, node, depth))
        elif isinstance(parent, (ast.Dict, ast.List, ast.Tuple, ast.Set)):
            if not isinstance(parent, ast.Dict) or node in parent.values:
                pending.append((parent, depth + 1))
        elif isinstance(parent, (ast.IfExp, ast.BoolOp)):
            if not isinstance(parent, ast.IfExp) or parent.test is not node:
                pending.append((parent, depth))
        elif isinstance(parent, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and parent.value is node:
            for target in parent.targets if isinstance(parent, ast.Assign) else [parent.target]:
                pending.extend(_read(index, target, depth))
            if isinstance(parent, ast.NamedExpr):
                pending.append((parent, depth))
        elif depth and isinstance(parent, ast.Subscript) and parent.value is node and isinstance(parent.ctx, ast.Load):
            pending.append((parent, depth - 1))
        elif depth and isinstance(parent, ast.Attribute) and (parent.attr in _TAKES or parent.attr in _WHOLE):
            call = index.parents.get(parent)
            if isinstance(call, ast.Call) and call.func is parent:
                pending.append((call, depth if parent.attr in _WHOLE else depth - 1))
        elif depth and isinstance(parent, (ast.For, ast.AsyncFor, ast.comprehension)) and parent.iter is node:
            targets = parent.target.elts[-1:] if isinstance(parent.target, ast.Tuple) else [parent.target]
            pending.extend(read for target in targets for read in _read(index, target, depth - 1))
    return found


def _put(index: Index, call: ast.Call, node: ast.AST, depth: int) -> list[tuple[ast.AST, int]]:
    """The places that read a container into which a call puts the callable: ``hooks.append(f)``, ``hooks[name].append(f)``."""
    func = call.func
    position = _PUTS.get(func.attr) if isinstance(func, ast.Attribute) else None
    if position is None or not isinstance(func, ast.Attribute) or len(call.args) <= position or call.args[position] is not node:
        return []
    place = func.value
    if isinstance(place, ast.Call) and isinstance(place.func, ast.Attribute) and place.func.attr in _TAKES:
        return _read(index, place.func.value, depth + 2)
    return _read(index, place, depth + 1)


def _read(index: Index, target: ast.AST, depth: int) -> list[tuple[ast.AST, int]]:
    """Where what an assignment puts into a name, an attribute or an item is read, and how deep it is there."""
    while isinstance(target, ast.Subscript):
        target, depth = target.value, depth + 1
    if isinstance(target, ast.Attribute):
        owner = _own_class(index, target)
        loads: list[ast.AST] = [
            load for load in index.attribute_loads.get(target.attr, ()) if owner is None or _own_class(index, load) in (owner, None)
        ]
        return [(load, depth) for load in loads]
    if not isinstance(target, ast.Name):
        return []
    binder = index.scope(target).binder(target.id)
    loads = [load for load in index.name_loads.get(target.id, ()) if index.scope(load).binder(target.id) is binder]
    if binder is not None and binder.kind == "class":
        loads.extend(load for load in index.attribute_loads.get(target.id, ()) if _own_class(index, load) in (binder, None))
    return [(load, depth) for load in loads]


def _own_class(index: Index, node: ast.Attribute) -> Scope | None:
    """The class in whose methods ``self.name`` or ``cls.name`` stands; None for an attribute of anything else."""
    if not isinstance(node.value, ast.Name) or node.value.id not in ("self", "cls"):
        return None
    scope: Scope | None = index.scope(node)
    while scope is not None and scope.kind != "class":
        scope = scope.parent
    return scope
