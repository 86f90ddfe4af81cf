"""The fix for the builders of bulk operations: a list of operations, and ``bulk_write`` where they are executed."""

import ast
from typing import TYPE_CHECKING, NamedTuple

from flake8_mongo_threads.edits import Edit, ImportRequest
from flake8_mongo_threads.findings import Applicability, Fix
from flake8_mongo_threads.rules.repair import replace, source
from flake8_mongo_threads.semantics.syntax import constant, has_star, keyword, walk

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

_FIND = {
    "update_one": ("UpdateOne", 1),
    "update": ("UpdateMany", 1),
    "replace_one": ("ReplaceOne", 1),
    "remove_one": ("DeleteOne", 0),
    "remove": ("DeleteMany", 0),
}
"""What the builder does with the documents of a filter: the operation of today, and how many arguments it takes besides the filter."""
_COUNTS = {
    "nInserted": ".inserted_count",
    "nMatched": ".matched_count",
    "nModified": ".modified_count",
    "nRemoved": ".deleted_count",
    "nUpserted": ".upserted_count",
}
_CONCERN = frozenset(("w", "j", "wtimeout", "fsync"))
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


class _Step(NamedTuple):
    """One use of the builder as it is written today."""

    edits: tuple[Edit, ...]
    imports: tuple[str, ...] = ()
    executes: ast.Call | None = None


def list_of_operations(module: "Module", node: ast.Attribute, call: ast.Call, *, asynchronous: bool) -> Fix | None:
    """``bulk = coll.initialize_ordered_bulk_op()`` becomes ``bulk = []``, its operations are appended, ``execute`` is ``bulk_write``.

    The operations are made where they were made, so nothing is evaluated earlier or later. None where the builder is more than a local
    name of one function, is used in any other way, or may be executed twice (an error then, a second write now), and where the collection
    may be another one when it is executed.
    """
    parents = module.index.parents
    assign = parents.get(call)
    if call.args or call.keywords or not isinstance(assign, ast.Assign) or len(assign.targets) != 1:
        return None
    target = assign.targets[0]
    if not isinstance(target, ast.Name) or not _same_later(module, node.value):
        return None
    names = _uses(module, target)
    if names is None:
        return None
    ordered = node.attr == "initialize_ordered_bulk_op"
    steps = [_step(module, name, node.value, ordered=ordered, asynchronous=asynchronous) for name in names]
    known = [step for step in steps if step is not None]
    executed = [step.executes for step in known if step.executes is not None]
    if len(known) < len(steps) or len(executed) != 1 or _loops(module, executed[0]) != _loops(module, assign):
        return None
    if _asks_for_id(module, names, executed[0]):
        return None
    edits: list[Edit] = [replace(module, call, "[]")]
    for step in known:
        edits += step.edits
    wanted = sorted({name for step in known for name in step.imports})
    return Fix("Write bulk_write", Applicability.SAFE, tuple(edits), tuple(ImportRequest("pymongo", name) for name in wanted))


def _uses(module: "Module", target: ast.Name) -> list[ast.Name] | None:
    """Where the builder is read, in source order; None when its name is bound again, deleted, shared or read in an inner function."""
    scope = module.index.scope(target).function
    if scope.kind == "class" or any(target.id in each.globals or target.id in each.nonlocals for each in module.index.scopes):
        return None
    reads = []
    for part in walk(scope.node, into_functions=True):
        if isinstance(part, ast.Name) and part.id == target.id and part is not target:
            if not isinstance(part.ctx, ast.Load) or module.index.scope(part).binder(part.id) is not scope:
                return None
            if module.index.scope(part).function is not scope:
                return None
            reads.append(part)
    if len(scope.bindings.get(target.id, ())) != 1 or any(read.lineno < target.lineno for read in reads):
        return None
    return sorted(reads, key=lambda read: (read.lineno, read.col_offset))


def _asks_for_id(module: "Module", names: list[ast.Name], executed: ast.Call) -> bool:
    """Whether the ``_id`` of an inserted document is read before the execution: the builder gave it at once, ``bulk_write`` does."""
    inserted: dict[str, int] = {}
    for name in names:
        method, call = _called(module, name)
        if method is not None and call is not None and method.attr == "insert" and isinstance(call.args[0], ast.Name):
            inserted.setdefault(call.args[0].id, call.lineno)
    for document, line in inserted.items():
        for load in module.index.name_loads.get(document, ()):
            user = module.index.parents.get(load)
            if isinstance(user, ast.Attribute):
                user = module.index.parents.get(user)
            if line <= load.lineno < executed.lineno and isinstance(user, (ast.Subscript, ast.Call)):
                if any(constant(part) == "_id" for part in walk(user)):
                    return True
    return False


def _same_later(module: "Module", node: ast.expr) -> bool:
    """Whether an expression of names, attributes and constant items names the same collection when the operations are executed."""
    base: ast.AST = node
    while isinstance(base, (ast.Attribute, ast.Subscript)):
        if isinstance(base, ast.Subscript) and not isinstance(base.slice, ast.Constant):
            return False
        if isinstance(base, ast.Attribute) and len(module.index.attribute_stores.get(base.attr, ())) > 1:
            return False
        base = base.value
    if not isinstance(base, ast.Name):
        return False
    binder = module.index.scope(base).binder(base.id)
    return binder is not None and len(binder.bindings[base.id]) == 1


def _loops(module: "Module", node: ast.AST) -> list[ast.AST]:
    """The loops around a statement, up to its function."""
    found: list[ast.AST] = []
    up = module.index.parents.get(node)
    while up is not None and not isinstance(up, _FUNCTIONS):
        if isinstance(up, (*_LOOPS, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            found.append(up)
        up = module.index.parents.get(up)
    return found


def _step(module: "Module", name: ast.Name, receiver: ast.expr, *, ordered: bool, asynchronous: bool) -> _Step | None:
    method, call = _called(module, name)
    if method is None or call is None or has_star(call):
        return None
    if method.attr == "execute":
        return _execute(module, name, call, receiver, ordered=ordered, asynchronous=asynchronous)
    if method.attr == "insert":
        if len(call.args) != 1 or call.keywords:
            return None
        return _Step((replace(module, call, "{0}.append(InsertOne({1*}))", name, call),), ("InsertOne",))
    if method.attr != "find" or len(call.args) != 1 or any(item.arg != "collation" for item in call.keywords):
        return None
    collation = keyword(call, "collation")
    found = call
    method, call = _called(module, found)
    upsert = method is not None and method.attr == "upsert"
    if upsert and call is not None:
        if call.args or call.keywords:
            return None
        method, call = _called(module, call)
    if method is None or call is None or method.attr not in _FIND or has_star(call) or call.keywords:
        return None
    operation, count = _FIND[method.attr]
    if len(call.args) != count or (upsert and not count):
        return None
    alone = count and not upsert and collation is None
    holes: list[ast.AST] = [name, found.args[0], *([call] if alone else call.args)]
    parts = ["{1}", "{2*}"] if alone else [f"{{{n}}}" for n in range(1, len(holes))]
    if upsert:
        parts.append("upsert=True")
    if collation is not None:
        holes.append(collation)
        parts.append(f"collation={{{len(holes) - 1}}}")
    text = f"{{0}}.append({operation}({', '.join(parts)}))"
    return _Step((replace(module, call, text, *holes),), (operation,))


def _called(module: "Module", node: ast.AST) -> tuple[ast.Attribute | None, ast.Call | None]:
    """The method that is called on an expression, and its call."""
    method = module.index.parents.get(node)
    call = module.index.parents.get(method) if isinstance(method, ast.Attribute) else None
    return (method, call) if isinstance(method, ast.Attribute) and isinstance(call, ast.Call) and call.func is method else (None, None)


def _execute(module: "Module", name: ast.Name, call: ast.Call, receiver: ast.expr, *, ordered: bool, asynchronous: bool) -> _Step | None:
    parents = module.index.parents
    whole: ast.AST = parents[call] if isinstance(parents.get(call), ast.Await) else call
    if (whole is not call) != asynchronous or len(call.args) > 1 or any(item.arg != "write_concern" for item in call.keywords):
        return None
    concern = call.args[0] if call.args else keyword(call, "write_concern")
    text = source(module, receiver)
    imports: tuple[str, ...] = ()
    used = not isinstance(parents.get(whole), ast.Expr)
    if "\n" in text:
        return None
    if concern is not None:
        options = _concern(module, concern)
        if options is None or used:  # without acknowledgement there was no result
            return None
        text, imports = f"{text}.with_options(write_concern=WriteConcern({options}))", ("WriteConcern",)
    tail = "" if ordered else ", ordered=False"
    edits: list[Edit] = [replace(module, call, f"{text}.bulk_write({{0}}{tail})", name)]
    user = parents.get(whole)
    if used:
        item = constant(user.slice) if isinstance(user, ast.Subscript) and user.value is whole else None
        if isinstance(item, str) and item in _COUNTS and user is not None:
            edits.append(replace(module, user, f"{{0}}{_COUNTS[item]}", whole))
        else:
            edits.append(replace(module, whole, "{0}.bulk_api_result", whole))
    return _Step(tuple(edits), imports, call)


def _concern(module: "Module", node: ast.expr) -> str | None:
    """A written-out write concern as the arguments of ``WriteConcern``."""
    if not isinstance(node, ast.Dict) or not node.keys or not all(isinstance(value, ast.Constant) for value in node.values):
        return None
    pairs = [(constant(key), source(module, value)) for key, value in zip(node.keys, node.values, strict=True)]
    return ", ".join(f"{name}={value}" for name, value in pairs) if all(name in _CONCERN for name, _ in pairs) else None
