"""Removed members rewritten as what replaces them, where the literals of the call prove what they mean."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.driver import api, kinds
from flake8_mongo_threads.edits import Edit, RemoveKeyword, RenameKeyword, RenameName, SetKeyword
from flake8_mongo_threads.findings import Applicability, Fix
from flake8_mongo_threads.rules.repair import anchor, replace
from flake8_mongo_threads.semantics.syntax import has_star, keyword, walk
from flake8_mongo_threads.semantics.values import External, Mapping, Sequence, known

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module
    from flake8_mongo_threads.semantics.names import NameUse

_PROPERTIES = {
    "max_pool_size": "{0}.options.pool_options.max_pool_size",
    "min_pool_size": "{0}.options.pool_options.min_pool_size",
    "local_threshold_ms": "{0}.options.local_threshold_ms",
    "server_selection_timeout": "{0}.options.server_selection_timeout",
    "retry_writes": "{0}.options.retry_writes",
    "retry_reads": "{0}.options.retry_reads",
    "event_listeners": "{0}.options.event_listeners",
    "document_class": "{0}.codec_options.document_class",
    "tz_aware": "{0}.codec_options.tz_aware",
    "is_locked": '{0}.admin.command("currentOp").get("fsyncLock", False)',
    "max_bson_size": '{0}.admin.command("hello")["maxBsonObjectSize"]',
    "max_message_size": '{0}.admin.command("hello")["maxMessageSizeBytes"]',
    "max_write_batch_size": '{0}.admin.command("hello")["maxWriteBatchSize"]',
}
"""Properties of the client, silently databases today."""
_COMMANDS = {
    ("client", "fsync"): '{0}.admin.command("fsync")',
    ("client", "unlock"): '{0}.admin.command("fsyncUnlock")',
    ("database", "profiling_level"): '{0}.command("profile", -1)["was"]',
    ("database", "profiling_info"): 'list({0}["system.profile"].find())',
}
"""Methods that became commands, called without arguments."""
_NO_COUNT = frozenset(("$where", "$near", "$nearSphere"))
"""Operators that ``count`` took and ``count_documents`` refuses."""
_COUNT_KEYWORDS = frozenset(("filter", "session", "skip", "limit", "hint", "maxTimeMS", "collation"))


def modern(module: "Module", use: "NameUse") -> Fix | None:
    """The call or property in the interface of today; None where the meaning depends on what is not written there."""
    node = use.node
    class_id, _, name = use.answer.subject.rpartition(".")
    kind = kinds.class_kind(class_id)
    replacement = use.replacement
    if not isinstance(node, ast.Attribute) or kind is None or replacement is None or kind[1] == "async":
        return None
    if replacement.needs and use.target.pymongo & ~api.since("pymongo", replacement.needs):
        return None
    family = kind[0]
    if use.what == "read":
        template = _PROPERTIES.get(name) if (family, kind[1]) == ("client", "sync") else None
        return Fix(f"Read {template[4:]}", Applicability.SAFE, (replace(module, node, template, node.value),)) if template else None
    call = module.index.parents.get(node)
    if use.what != "member" or not isinstance(call, ast.Call) or call.func is not node or has_star(call):
        return None
    if kind[1] == "motor" and call not in module.index.awaited:
        return None
    if (family, name) in _COMMANDS and kind[1] == "sync" and not call.args and not call.keywords:
        template = _COMMANDS[family, name]
        return Fix(f"Write {template[4:]}", Applicability.SAFE, (replace(module, call, template, node.value),))
    made: tuple[str, list[Edit]] | None = None
    if family == "collection" and name in _WRITES and _unused(module, call):
        made = _WRITES[name](module, node, call)
    elif family == "collection" and name == "count":
        made = _count(module, node, call)
    elif family == "cursor" and name == "count":
        made = _count_of_find(module, node, call)
    if made is None:
        return None
    new, edits = made
    return Fix(f"Write {new}", Applicability.SAFE, tuple(edits))


def _unused(module: "Module", call: ast.Call) -> bool:
    """Whether nobody looks at the result: it is not of the same type any more."""
    parent = module.index.parents.get(call)
    if isinstance(parent, ast.Await):
        parent = module.index.parents.get(parent)
    return isinstance(parent, ast.Expr)


def _document(module: "Module", node: ast.expr) -> bool:
    """Whether an argument is certainly one dictionary."""
    values = known(module.values(node))
    return isinstance(node, ast.Dict) or (len(values) == 1 and isinstance(values[0], Mapping))


def _documents(module: "Module", node: ast.expr) -> bool:
    """Whether an argument is certainly a list."""
    values = known(module.values(node))
    return isinstance(node, (ast.List, ast.Tuple, ast.ListComp)) or (len(values) == 1 and isinstance(values[0], Sequence))


def _renamed(module: "Module", node: ast.Attribute, new: str) -> tuple[str, list[Edit]]:
    return new, [RenameName(anchor(module, node), new)]


def _insert(module: "Module", node: ast.Attribute, call: ast.Call) -> tuple[str, list[Edit]] | None:
    if len(call.args) != 1 or call.keywords:
        return None
    if _document(module, call.args[0]):
        return _renamed(module, node, "insert_one")
    return _renamed(module, node, "insert_many") if _documents(module, call.args[0]) else None


def _save(module: "Module", node: ast.Attribute, call: ast.Call) -> tuple[str, list[Edit]] | None:
    document = call.args[0] if len(call.args) == 1 and not call.keywords else None
    if not isinstance(document, ast.Dict) or not all(isinstance(key, ast.Constant) and key.value != "_id" for key in document.keys):
        return None
    return _renamed(module, node, "insert_one")


def _flag(call: ast.Call, name: str, default: bool) -> bool | None:
    """The value of a flag that is written out; None when it is not a literal."""
    value = keyword(call, name)
    if value is None:
        return default
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, bool) else None


def _update(module: "Module", node: ast.Attribute, call: ast.Call) -> tuple[str, list[Edit]] | None:
    if len(call.args) > 3 or any(item.arg not in ("spec", "document", "upsert", "multi") for item in call.keywords):
        return None
    document = call.args[1] if len(call.args) > 1 else keyword(call, "document")
    multi = _flag(call, "multi", default=False)
    if not isinstance(document, ast.Dict) or not document.keys or multi is None or not (call.args or keyword(call, "spec")):
        return None
    keys = [key.value if isinstance(key, ast.Constant) else None for key in document.keys]
    operators = {isinstance(key, str) and key.startswith("$") for key in keys}
    if None in keys or len(operators) != 1 or (multi and operators == {False}):
        return None
    new = "replace_one" if operators == {False} else "update_many" if multi else "update_one"
    made = _renamed(module, node, new)
    if keyword(call, "spec") is not None:
        made[1].append(RenameKeyword(anchor(module, call), "spec", "filter"))
    if keyword(call, "document") is not None:
        made[1].append(RenameKeyword(anchor(module, call), "document", "replacement" if new == "replace_one" else "update"))
    if keyword(call, "multi") is not None:
        made[1].append(RemoveKeyword(anchor(module, call), "multi"))
    return made


def _remove(module: "Module", node: ast.Attribute, call: ast.Call) -> tuple[str, list[Edit]] | None:
    if len(call.args) > 1 or any(item.arg != "multi" for item in call.keywords):
        return None
    multi = _flag(call, "multi", default=True)
    if multi is None or (call.args and not _document(module, call.args[0])):
        return None
    made = _renamed(module, node, "delete_many" if multi else "delete_one")
    if keyword(call, "multi") is not None:
        made[1].append(RemoveKeyword(anchor(module, call), "multi"))
    if not call.args:
        made[1].append(SetKeyword(anchor(module, call), "filter", "{}"))
    return made


def _countable(module: "Module", node: ast.expr) -> bool:
    """Whether a filter holds no operator that ``count_documents`` refuses, as far as every part of it is written out."""
    if not isinstance(node, ast.Dict):
        return False
    for part in walk(node):
        if isinstance(part, ast.Constant) and part.value in _NO_COUNT:
            return False
        if isinstance(part, ast.Call):
            values = known(module.values(part.func))
            if len(values) != 1 or not isinstance(values[0], External) or not values[0].path.startswith(("bson.", "datetime.", "uuid.")):
                return False
        elif isinstance(part, (ast.Dict, ast.List, ast.Constant, ast.UnaryOp, ast.unaryop, ast.expr_context, ast.operator)):
            continue
        elif not isinstance(module.index.parents.get(part), (ast.Call, ast.Attribute, ast.keyword)):
            return False
    return None not in node.keys


def _count(module: "Module", node: ast.Attribute, call: ast.Call) -> tuple[str, list[Edit]] | None:
    if not call.args and not call.keywords:
        return _renamed(module, node, "estimated_document_count")
    wanted = call.args[0] if call.args else keyword(call, "filter")
    limit = keyword(call, "limit")
    if len(call.args) > 1 or wanted is None or not _countable(module, wanted):
        return None
    if any(item.arg not in _COUNT_KEYWORDS for item in call.keywords):
        return None
    if limit is not None and not (isinstance(limit, ast.Constant) and limit.value):
        return None
    return _renamed(module, node, "count_documents")


def _count_of_find(module: "Module", node: ast.Attribute, call: ast.Call) -> tuple[str, list[Edit]] | None:
    """``coll.find({…}).count()``: what the cursor would have skipped or limited did not count."""
    find = node.value
    if call.args or call.keywords or not isinstance(find, ast.Call) or not isinstance(find.func, ast.Attribute) or find.func.attr != "find":
        return None
    if (
        has_star(find)
        or any(item.arg not in ("filter", "projection", "sort", "batch_size") for item in find.keywords)
        or len(find.args) > 2
    ):
        return None
    wanted = find.args[0] if find.args else keyword(find, "filter")
    if wanted is None:
        return "estimated_document_count", [replace(module, call, "{0}.estimated_document_count()", find.func.value)]
    if not _countable(module, wanted):
        return None
    return "count_documents", [replace(module, call, "{0}.count_documents({1})", find.func.value, wanted)]


_WRITES = {"insert": _insert, "save": _save, "update": _update, "remove": _remove}
