"""The fixes of removed names that stand for a value, an exception or a class: their import goes, and every use with it."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.edits import DeleteStatement, Edit, ImportRequest, MovedName, RemoveElement, ReplaceImport
from flake8_mongo_threads.findings import Applicability, Fix
from flake8_mongo_threads.rules.repair import anchor, replace
from flake8_mongo_threads.semantics.syntax import constant, dotted, has_star, walk
from flake8_mongo_threads.semantics.values import Driver, External

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

LEVELS = {"pymongo.OFF": "0", "pymongo.SLOW_ONLY": "1", "pymongo.ALL": "2"}
_CONSTANTS = {**LEVELS, "pymongo.GEOHAYSTACK": '"geoHaystack"'}
_NEVER_RAISED = "pymongo.errors.CertificateError"
_LEGACY = "bson.binary.UUIDLegacy"


def old_name(module: "Module", node: ast.Attribute) -> Fix | None:
    """``pymongo.ALL`` as the number that it was, and the like for an attribute of a module."""
    values = list(module.values(node))
    path = values[0].path if len(values) == 1 and isinstance(values[0], External) else ""
    path = path if path in (*_CONSTANTS, _NEVER_RAISED, _LEGACY) else dotted(node)
    if path in _CONSTANTS:
        return Fix(f"Write {_CONSTANTS[path]}", Applicability.SAFE, (replace(module, node, _CONSTANTS[path]),))
    if path == _NEVER_RAISED:
        edit = _caught(module, node)
        return Fix("Drop CertificateError", Applicability.SAFE, (edit,)) if edit is not None else None
    if path == _LEGACY and dotted(node.value):
        call = module.index.parents.get(node)
        made = f"{dotted(node.value)}.Binary.from_uuid({{0}}, {dotted(node.value)}.UuidRepresentation.PYTHON_LEGACY)"
        if isinstance(call, ast.Call) and _legacy(module, node):
            return Fix("Write Binary.from_uuid", Applicability.SAFE, (replace(module, call, made, call.args[0]),))
    return None


def old_import(module: "Module", alias: ast.alias) -> Fix | None:
    """``from pymongo import ALL``, where the import can go with all the uses of the name. None where another name binds it, too."""
    statement = module.index.parents.get(alias)
    if not isinstance(statement, ast.ImportFrom) or statement.level or statement.module is None:
        return None
    path, local = f"{statement.module}.{alias.name}", alias.asname or alias.name
    if len(statement.names) == 1 and remark(module, statement):
        return None
    if sum(len(scope.bindings.get(local, ())) for scope in module.index.scopes) != 1 or _exported(module, local):
        return None
    loads = module.index.name_loads.get(local, ())
    edits: list[Edit] = []
    if path in _CONSTANTS:
        edits += [replace(module, load, _CONSTANTS[path]) for load in loads]
        return Fix(f"Write {_CONSTANTS[path]}", Applicability.SAFE, (*edits, _dropped(module, statement, alias)))
    if path == _NEVER_RAISED:
        caught = [_caught(module, load) for load in loads]
        if None in caught or len({module.index.parents[load] for load in loads}) < len(loads):
            return None
        edits += [edit for edit in caught if edit is not None]
        return Fix("Drop CertificateError", Applicability.SAFE, (*edits, _dropped(module, statement, alias)))
    if path == _LEGACY and loads and all(_legacy(module, load) for load in loads):
        for load in loads:
            call = module.index.parents[load]
            assert isinstance(call, ast.Call)
            edits.append(replace(module, call, "Binary.from_uuid({0}, UuidRepresentation.PYTHON_LEGACY)", call.args[0]))
        needed = ["Binary", "UuidRepresentation"]
        if len(statement.names) > 1:
            here = {each.asname or each.name for each in statement.names}
            needed = [name for name in needed if name not in here]
            edits.append(_dropped(module, statement, alias))
        else:
            new = next((name for name in needed if not any(name in scope.bindings for scope in module.index.scopes)), "")
            if not new:
                return None
            needed.remove(new)
            edits.append(ReplaceImport(anchor(module, statement), (MovedName(alias.name, statement.module, new, keep_alias=False),)))
        imports = tuple(ImportRequest("bson.binary", name) for name in needed)
        return Fix("Write Binary.from_uuid", Applicability.SAFE, tuple(edits), imports)
    return None


def _dropped(module: "Module", statement: ast.ImportFrom, alias: ast.alias) -> Edit:
    """The import without a name, or nothing where it was the only one."""
    here = anchor(module, statement)
    return ReplaceImport(here, (MovedName(alias.name),)) if len(statement.names) > 1 else DeleteStatement(here)


def remark(module: "Module", statement: ast.stmt) -> bool:
    """Whether a comment for people stands behind a statement, which would go along with it."""
    span = module.source.span(statement)
    behind = module.source.lines[span.end_line - 1][span.end_col :].partition("#")
    return bool(behind[1]) and not behind[2].strip().startswith(("noqa", "type:", "pyright:", "pylint:", "ruff:"))


def _exported(module: "Module", name: str) -> bool:
    """Whether ``__all__`` lists a name."""
    for binding in module.index.scopes[0].bindings.get("__all__", ()):
        if binding.value is None or any(constant(part) == name for part in walk(binding.value)):
            return True
    return False


def _caught(module: "Module", node: ast.expr) -> Edit | None:
    """Take an exception out of the tuple of an ``except``."""
    several = module.index.parents.get(node)
    if not isinstance(several, ast.Tuple) or len(several.elts) < 2 or not isinstance(module.index.parents.get(several), ast.ExceptHandler):
        return None
    return RemoveElement(anchor(module, node))


def _legacy(module: "Module", node: ast.expr) -> bool:
    """Whether ``UUIDLegacy`` is called with a UUID, and nothing asks what comes back for the UUID (``Binary`` has no ``uuid``)."""
    call = module.index.parents.get(node)
    if not isinstance(call, ast.Call) or call.func is not node or len(call.args) != 1 or call.keywords or has_star(call):
        return False
    user = module.index.parents.get(call)
    kept = isinstance(user, (ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.Return))
    return not (isinstance(user, ast.Attribute) and user.attr == "uuid") and not (kept and module.index.attribute_loads.get("uuid"))


def construction(module: "Module", node: ast.expr) -> ast.Call | None:
    """The only call, in this file, that makes the client that an expression gives; None when its options come from elsewhere, too."""
    values = module.values(node)
    if len(values) != 1 or not isinstance(values[0], Driver) or values[0].site is None:
        return None
    site = values[0].site
    return site.node if site.module is module and isinstance(site.node, ast.Call) and not has_star(site.node) else None


def of_this_client(module: "Module", node: ast.Attribute) -> Fix | None:
    """Properties of a client that only its own options explain: ``max_idle_time_ms`` (None without), ``host`` and ``port``."""
    call = construction(module, node.value)
    if call is None:
        return None
    options = {(item.arg or "").lower(): item.value for item in call.keywords}
    if node.attr == "max_idle_time_ms":
        given = constant(options.get("maxidletimems"))
        if isinstance(given, bool) or not isinstance(given, (int, float)):
            return None
        text = "{0}.options.pool_options.max_idle_time_seconds * 1000"
    elif node.attr in ("host", "port") and constant(options.get("directconnection")) is True:
        text = f"{{0}}.address[{0 if node.attr == 'host' else 1}]"
    else:
        return None
    return Fix(f"Read {text[4:]}", Applicability.SAFE, (replace(module, node, text, node.value),))
