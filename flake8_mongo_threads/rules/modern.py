"""Removed members rewritten as what replaces them, where the literals of the call prove what they mean."""

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from flake8_mongo_threads.driver import api, kinds
from flake8_mongo_threads.edits import (
    DeleteStatement,
    Edit,
    ImportRequest,
    InsertStatement,
    MovedName,
    RemoveKeyword,
    RenameImport,
    RenameKeyword,
    ReplaceImport,
    SetKeyword,
    Unwrap,
)
from flake8_mongo_threads.findings import Applicability, Fix
from flake8_mongo_threads.rules.bulk_builder import list_of_operations
from flake8_mongo_threads.rules.credentials import authenticated
from flake8_mongo_threads.rules.documents import (
    can_be_none,
    changed,
    countable,
    document,
    documents,
    fixed,
    literal,
    of_collection,
    only_binding,
    untouched,
    whole,
    written_out,
)
from flake8_mongo_threads.rules.old_names import LEVELS, of_this_client, old_import, old_name
from flake8_mongo_threads.rules.repair import anchor, rename, replace, source
from flake8_mongo_threads.semantics.syntax import constant, dotted, has_star, keyword, path_key
from flake8_mongo_threads.semantics.values import External, known

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module
    from flake8_mongo_threads.semantics.names import NameUse
    from flake8_mongo_threads.semantics.scopes import Binding

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
_ATTRIBUTES = {("database", "connection"): "client", ("cursor", "conn_id"): "address"}
_COUNT_KEYWORDS = frozenset(("filter", "session", "skip", "limit", "hint", "maxTimeMS", "collation"))
_CHAINED = {"hint": "hint", "max_time_ms": "maxTimeMS", "collation": "collation", "comment": "comment"}
"""Methods of a cursor that ``count`` heeded, and the arguments of ``count_documents`` that they become."""
_CONCERN = frozenset(("w", "j", "wtimeout", "fsync"))
_USER_COLLECTIONS = r'{"name": {"$regex": r"^(?!system\.)"}}'


class _Write(NamedTuple):
    """How a removed method is written today."""

    new: str
    edits: list[Edit]
    imports: tuple[ImportRequest, ...] = ()
    result: str = ""
    """What gives the old result, appended where it is used; empty when it is the same, ``!`` when nothing gives it."""
    items: "dict[object, str] | None" = None
    """For items of the old result what to append to the new call instead."""
    level: Applicability = Applicability.SAFE


class _Call:
    """A call of a removed method, with its arguments under their old names."""

    def __init__(self, module: "Module", node: ast.Attribute, call: ast.Call, names: tuple[str, ...]) -> None:
        self.module = module
        self.node = node
        self.call = call
        self.receiver = node.value
        self.positional = dict(zip(names, call.args, strict=False))
        self.readable = len(call.args) <= len(names) and not any(item.arg in self.positional for item in call.keywords)
        self.drops: set[str] = set()

    def get(self, name: str) -> ast.expr | None:
        """The value of an argument, however it is handed over."""
        return self.positional.get(name) or keyword(self.call, name)

    def flag(self, name: str, default: bool) -> bool | None:
        """The value of a flag that is written out; None when it is not a literal."""
        value = self.get(name)
        if value is None:
            return default
        return value.value if isinstance(value, ast.Constant) and isinstance(value.value, bool) else None

    def given(self) -> set[str]:
        return {*self.positional, *(item.arg or "" for item in self.call.keywords)}

    def concern(self) -> tuple[list[Edit], tuple[ImportRequest, ...]] | None:
        """The write concern that the call was given, as ``with_options`` on its receiver; its keywords are dropped."""
        values = [(item.arg or "", source(self.module, item.value)) for item in self.call.keywords if item.arg in _CONCERN]
        safe = self.flag("safe", default=True)
        if safe is None or "safe" in self.positional:
            return None
        self.drops.update(name for name, _ in values)
        self.drops.update({"safe"} & self.given())
        if not safe:
            values = values or [("w", "0")]
        if not values:
            return [], ()
        text = ", ".join(f"{name}={value}" for name, value in values)
        edit = replace(self.module, self.receiver, f"{{0}}.with_options(write_concern=WriteConcern({text}))", self.receiver)
        return [edit], (ImportRequest("pymongo", "WriteConcern"),)

    @property
    def unacknowledged(self) -> bool:
        w = keyword(self.call, "w")
        return (w is not None and constant(w) != 1) or self.flag("safe", default=True) is False

    def write(
        self,
        new: str,
        *,
        order: tuple[str, ...],
        names: "dict[str, str] | None" = None,
        more: tuple[tuple[str, str], ...] = (),
        result: str = "",
    ) -> _Write | None:
        """The call under its new name: ``order`` are old names that may stay positional, ``names`` renames keywords, ``more`` is added."""
        concern = self.concern()
        if concern is None or not self.readable:
            return None
        names = names or {}
        if any(name not in order for name in self.positional):
            return self._rebuilt(new, order, names, more, concern, result)
        edits: list[Edit] = [*concern[0], rename(self.module, self.node, new)]
        here = anchor(self.module, self.call)
        for item in self.call.keywords:
            name = item.arg or ""
            if name in self.drops:
                edits.append(RemoveKeyword(here, name))
            elif name in names:
                edits.append(RenameKeyword(here, name, names[name]))
        edits += [SetKeyword(here, name, value) for name, value in more]
        return _Write(new, edits, concern[1], result)

    def _rebuilt(
        self,
        new: str,
        order: tuple[str, ...],
        names: "dict[str, str]",
        more: tuple[tuple[str, str], ...],
        concern: tuple[list[Edit], tuple[ImportRequest, ...]],
        result: str,
    ) -> _Write | None:
        """The call written anew, where arguments by position lose their place."""
        holes: list[ast.AST] = [self.receiver]
        parts = []
        for name, value in [*self.positional.items(), *((item.arg or "", item.value) for item in self.call.keywords)]:
            if name in self.drops:
                continue
            holes.append(value)
            here = f"{{{len(holes) - 1}}}"
            parts.append(here if name in self.positional and name in order else f"{names.get(name, name)}={here}")
        parts += [f"{name}={value}" for name, value in more]
        return _Write(new, [*concern[0], replace(self.module, self.call, f"{{0}}.{new}({', '.join(parts)})", *holes)], concern[1], result)


def modern(module: "Module", use: "NameUse") -> Fix | None:
    """The call, property or keyword in the interface of today; None where the meaning depends on what is not written there."""
    replacement = use.replacement
    if use.what == "submodule" and isinstance(use.node, ast.Attribute):
        # nothing changes there: the place tells where the import has to reach
        return Fix(f"Import {use.shown}", Applicability.SAFE, (replace(module, use.node, "{0}", use.node),), (ImportRequest(use.shown),))
    if replacement is None and isinstance(use.node, ast.keyword) and use.shown.startswith("bson.decode_"):
        return _codec_options(module, use.node)
    if replacement is None and use.what == "member" and isinstance(use.node, ast.Attribute):
        return _of_the_shell(module, use)
    if replacement is None or (replacement.needs and use.target.pymongo & ~api.since("pymongo", replacement.needs)):
        return None
    if isinstance(use.node, ast.keyword) and use.what == "keyword":
        return _keyword(module, use.node)
    if isinstance(use.node, ast.Attribute) and use.what == "name":
        return old_name(module, use.node) or _connection(module, use.node)
    if isinstance(use.node, ast.alias):
        return old_import(module, use.node) or _connection(module, use.node)
    node = use.node
    class_id, _, name = use.answer.subject.rpartition(".")
    kind = kinds.class_kind(class_id)
    if not isinstance(node, ast.Attribute):
        return None
    if kind is None:
        return _of_result(module, node) if use.answer.subject == "pymongo.results.InsertManyResult.inserted_count" else None
    family, flavour = kind
    call = module.index.parents.get(node)
    if use.what == "read" or ((family, name) in _ATTRIBUTES and not (isinstance(call, ast.Call) and call.func is node)):
        return _read(module, node, family, name) if flavour == "sync" else None
    if use.what != "member" or not isinstance(call, ast.Call) or call.func is not node:
        return None
    if has_star(call) and not (name == "count" and not any(isinstance(arg, ast.Starred) for arg in call.args)):
        return None
    if family == "collection" and name in ("initialize_ordered_bulk_op", "initialize_unordered_bulk_op"):
        return list_of_operations(module, node, call, asynchronous=flavour != "sync")
    if (family, name, flavour) == ("database", "authenticate", "sync"):
        return authenticated(module, node, call)
    if flavour != "sync" and call not in module.index.awaited:
        return None
    maker = _CALLS.get((family, name))
    if maker is None or (flavour != "sync" and maker in _SYNC_ONLY):
        return None
    made = maker(module, node, call)
    return _finished(module, call, made) if made is not None else None


def _finished(module: "Module", call: ast.Call, made: _Write) -> Fix | None:
    """The fix, with what is read from the result mapped to what the new method returns."""
    title = f"Write {made.new}"
    parents = module.index.parents
    whole: ast.AST = parents[call] if isinstance(parents.get(call), ast.Await) else call
    user = parents.get(whole)
    edits = made.edits
    if isinstance(user, ast.Expr) or not made.result:
        return Fix(title, made.level, tuple(edits), made.imports)
    if made.result == "!":
        return None
    if made.items is not None and isinstance(user, ast.Subscript) and user.value is whole and isinstance(user.slice, ast.Constant):
        item = made.items.get(user.slice.value)
        if item is not None:
            return Fix(title, made.level, (*edits, replace(module, user, f"{{0}}{item}", whole)), made.imports)
    return Fix(title, made.level, (*edits, replace(module, whole, f"{{0}}{made.result}", whole)), made.imports)


def _of_the_shell(module: "Module", use: "NameUse") -> Fix | None:
    """``db.setProfilingLevel(1)`` of the shell, which is no method of any release, as the command that it sends."""
    node = use.node
    class_id, _, name = use.answer.subject.rpartition(".")
    call = module.index.parents.get(node)
    if name != "setProfilingLevel" or kinds.class_kind(class_id) != ("database", "sync") or not isinstance(node, ast.Attribute):
        return None
    if not isinstance(call, ast.Call) or call.func is not node or len(call.args) != 1 or call.keywords:
        return None
    level = call.args[0]
    if not isinstance(level, ast.Constant) or isinstance(level.value, bool) or level.value not in (0, 1, 2):
        return None
    edit = replace(module, call, '{0}.command("profile", {1})', node.value, level)
    return Fix("Write command", Applicability.SAFE, (edit,))


def _of_result(module: "Module", node: ast.Attribute) -> Fix | None:
    """``result.inserted_count`` of ``insert_many``, which only lists what it inserted."""
    call = module.index.parents.get(node)
    if not isinstance(node.ctx, ast.Load) or (isinstance(call, ast.Call) and call.func is node):
        return None
    return Fix("Write len(inserted_ids)", Applicability.SAFE, (replace(module, node, "len({0}.inserted_ids)", node.value),))


def _read(module: "Module", node: ast.Attribute, family: str, name: str) -> Fix | None:
    if (family, name) in _ATTRIBUTES:
        new = _ATTRIBUTES[family, name]
        return Fix(f"Read {new}", Applicability.SAFE, (rename(module, node, new),))
    template = _PROPERTIES.get(name) if family == "client" else None
    if template is None:
        return of_this_client(module, node) if family == "client" else None
    return Fix(f"Read {template[4:]}", Applicability.SAFE, (replace(module, node, template, node.value),))


# Arguments


def _operators(node: ast.expr | None) -> bool | None:
    """Whether a written-out update consists of operators (True) or is a document (False); None when that cannot be seen."""
    if not isinstance(node, ast.Dict) or not node.keys:
        return None
    keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
    kinds_of_keys = {isinstance(key, str) and key.startswith("$") for key in keys}
    return kinds_of_keys.pop() if None not in keys and len(kinds_of_keys) == 1 else None


def _insert(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
    given = _Call(module, node, call, ("doc_or_docs", "manipulate", "check_keys", "continue_on_error"))
    what = given.get("doc_or_docs")
    if what is None or given.given() - {"doc_or_docs", "manipulate", "check_keys", "continue_on_error", "safe", "session", *_CONCERN}:
        return None
    one, many = document(module, what), documents(module, what)
    go_on = given.get("continue_on_error")
    if (one is not None) == many or given.flag("manipulate", default=True) is not True or given.flag("check_keys", default=True) is None:
        return None
    more: tuple[tuple[str, str], ...] = ()
    if go_on is not None and many and given.flag("continue_on_error", default=False) is not False:
        simple = isinstance(go_on, (ast.Name, ast.Attribute, ast.Call))
        if given.flag("continue_on_error", default=False) is None and not simple:
            return None
        more = (("ordered", "False" if isinstance(go_on, ast.Constant) else f"not {source(module, go_on)}"),)
    given.drops |= {"manipulate", "check_keys", "continue_on_error"} & given.given()
    result = "!" if given.unacknowledged else ".inserted_id" if one is not None else ".inserted_ids"
    made = given.write(
        "insert_many" if one is None else "insert_one",
        order=("doc_or_docs",),
        names={"doc_or_docs": "documents" if one is None else "document"},
        more=more,
        result=result,
    )
    return made._replace(level=one) if made is not None and one is not None else made


def _save(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
    given = _Call(module, node, call, ("to_save", "manipulate", "check_keys"))
    what = given.get("to_save")
    if isinstance(what, ast.Name) and given.given() == {"to_save"} and whole(module, what):
        text = '{0}.replace_one({"_id": {1}["_id"]}, {1}, upsert=True)'
        return _Write("replace_one", [replace(module, call, text, node.value, what)], result="!", level=Applicability.UNSAFE)
    if not isinstance(what, ast.Dict) or given.given() - {"to_save", "manipulate", "check_keys", "safe", *_CONCERN}:
        return None
    if given.flag("manipulate", default=True) is not True or given.flag("check_keys", default=True) is None:
        return None
    if not all(isinstance(key, ast.Constant) for key in what.keys):
        return None
    given.drops |= {"manipulate", "check_keys"} & given.given()
    ident = next((value for key, value in zip(what.keys, what.values, strict=True) if constant(key) == "_id"), None)
    if ident is None:
        result = "!" if given.unacknowledged else ".inserted_id"
        return given.write("insert_one", order=("to_save",), names={"to_save": "document"}, result=result)
    if not isinstance(ident, (ast.Constant, ast.Name)) or given.given() != {"to_save"}:
        return None
    template = '{0}.replace_one({"_id": {1}}, {2}, upsert=True)'
    return _Write("replace_one", [replace(module, call, template, node.value, ident, what)], result="!")


def _update(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
    given = _Call(module, node, call, ("spec", "document", "upsert", "manipulate", "multi", "check_keys"))
    allowed = {"spec", "document", "upsert", "manipulate", "multi", "check_keys", "safe", "collation", "session", *_CONCERN}
    operators, level = _operators(given.get("document")), Applicability.SAFE
    if operators is None:
        operators, level = _operators_of(module, given.get("document")), Applicability.UNSAFE
    multi = given.flag("multi", default=False)
    if given.given() - allowed or given.get("spec") is None or operators is None or multi is None or (multi and not operators):
        return None
    if given.flag("manipulate", default=False) is not False or given.flag("check_keys", default=True) is None:
        return None
    given.drops |= {"multi", "manipulate", "check_keys"} & given.given()
    new = "replace_one" if not operators else "update_many" if multi else "update_one"
    names = {"spec": "filter", "document": "update" if operators else "replacement"}
    made = given.write(new, order=("spec", "document", "upsert"), names=names, result="!" if given.unacknowledged else ".raw_result")
    if made is None:
        return None
    items: dict[object, str] = {"nModified": ".modified_count", "updatedExisting": ".matched_count > 0", "upserted": ".upserted_id"}
    if given.flag("upsert", default=False) is False:
        items["n"] = ".matched_count"
    return made._replace(items=items, level=level)


def _operators_of(module: "Module", node: ast.expr | None) -> bool | None:
    """The same of a name: what it was assigned, or a document that was read, which holds no operators."""
    display = written_out(module, node)
    if display is not None:
        return _operators(display)
    return False if node is not None and of_collection(module, node) is not None else None


def _remove(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
    given = _Call(module, node, call, ("spec_or_id", "multi"))
    multi = given.flag("multi", default=True)
    what = given.get("spec_or_id")
    if given.given() - {"spec_or_id", "multi", "safe", "collation", "session", *_CONCERN} or multi is None:
        return None
    given.drops |= {"multi"} & given.given()
    new = "delete_many" if multi else "delete_one"
    result = "!" if given.unacknowledged else ".raw_result"
    if what is None:
        if call.args or call.keywords:
            return None
        made: _Write | None = _Write(new, [replace(module, call, f"{{0}}.{new}({{}})", node.value)], result=result)
    else:
        ident = _identifier(module, what)
        level = Applicability.SAFE if ident else document(module, what)
        if level is None and isinstance(what, ast.Subscript) and constant(what.slice) == "_id":
            ident, level = True, Applicability.UNSAFE  # a dictionary, which would have been a filter, is seldom an identifier
        if level is None:
            return None
        made = given.write(new, order=("spec_or_id",), names={"spec_or_id": "filter"}, result=result)
        made = made._replace(level=level) if made is not None else None
        if made is not None and ident:
            made = made._replace(edits=[*made.edits, replace(module, what, '{"_id": {0}}', what)])
    return made._replace(items={"n": ".deleted_count"}) if made is not None else None


def _identifier(module: "Module", node: ast.expr) -> bool:
    """Whether an argument is certainly the ``_id`` of a document: a literal, or a new ObjectId."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (str, int, bytes)) and not isinstance(node.value, bool)
    values = known(module.values(node.func)) if isinstance(node, ast.Call) else []
    return bool(values) and all(isinstance(v, External) and v.path.startswith("bson.") and v.path.endswith(".ObjectId") for v in values)


def _find_and_modify(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
    given = _Call(module, node, call, ("query", "update", "upsert", "sort"))
    allowed = {"query", "update", "upsert", "sort", "remove", "new", "fields", "full_response", "manipulate", "maxTimeMS", "session"}
    remove, new = given.flag("remove", default=False), given.flag("new", default=False)
    if not given.readable or given.given() - allowed or remove is None or new is None:
        return None
    if given.flag("full_response", default=False) is not False or given.flag("manipulate", default=False) is not False:
        return None
    holes: list[ast.AST] = [node.value]

    def hole(value: ast.AST) -> str:
        holes.append(value)
        return f"{{{len(holes) - 1}}}"

    query, update, sort, fields = given.get("query"), given.get("update"), given.get("sort"), given.get("fields")
    parts = [hole(query) if query is not None else "{}"]
    if remove:
        if update is not None or new or given.get("upsert") is not None:
            return None
        name = "find_one_and_delete"
    else:
        operators = _operators(update)
        if operators is None or update is None:
            return None
        name = "find_one_and_update" if operators else "find_one_and_replace"
        parts.append(hole(update))
    if fields is not None:
        parts.append(f"projection={hole(fields)}")
    if isinstance(sort, ast.Dict):
        if None in sort.keys:
            return None
        pairs = ", ".join(f"({hole(k)}, {hole(v)})" for k, v in zip(sort.keys, sort.values, strict=True) if k is not None)
        parts.append(f"sort=[{pairs}]")
    elif sort is not None:
        parts.append(f"sort={hole(sort)}")
    for other in ("upsert", "maxTimeMS", "session"):
        value = given.get(other)
        if value is not None:
            parts.append(f"{other}={hole(value)}")
    imports: tuple[ImportRequest, ...] = ()
    if new:
        parts.append("return_document=ReturnDocument.AFTER")
        imports = (ImportRequest("pymongo", "ReturnDocument"),)
    return _Write(name, [replace(module, call, f"{{0}}.{name}({', '.join(parts)})", *holes)], imports)


# Counting


def _count(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
    if not call.args and not call.keywords:
        return _Write("estimated_document_count", [rename(module, node, "estimated_document_count")])
    given = _Call(module, node, call, ("filter",))
    wanted = given.get("filter")
    limit = given.get("limit")
    # what is handed on by two stars had the names that it has today
    if not given.readable or given.given() - _COUNT_KEYWORDS - {""} or (limit is not None and not isinstance(limit, ast.Constant)):
        return None
    if wanted is None:
        session = given.get("session")
        if session is None or len(call.keywords) > 1:
            return None
        return _Write("count_documents", [replace(module, call, "{0}.count_documents({}, session={1})", node.value, session)])
    level = countable(module, wanted)
    if level is None:
        return None
    if "" in given.given():
        level = Applicability.UNSAFE
    if isinstance(limit, ast.Constant) and not limit.value:
        given.drops.add("limit")
    made = given.write("count_documents", order=("filter",))
    if made is None:
        return None
    more = [replace(module, wanted, "{0} or {}", wanted)] if can_be_none(module, wanted) else []
    return made._replace(edits=[*made.edits, *more], level=level)


def _count_of_find(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
    """``coll.find({…}).count()``: what the cursor would have skipped or limited did not count, unless it was asked to."""
    heeds = _Call(module, node, call, ("with_limit_and_skip",))
    heed = heeds.flag("with_limit_and_skip", default=False)
    if not heeds.readable or heed is None or heeds.given() - {"with_limit_and_skip"}:
        return None
    chain: ast.expr | None = node.value
    binding: Binding | None = None
    if isinstance(chain, ast.Name):
        binding = None if changed(module, chain) else only_binding(module, chain)
        chain = binding.value if binding is not None and isinstance(binding.value, ast.expr) else None
    arguments: list[tuple[str, ast.expr]] = []
    while isinstance(chain, ast.Call) and isinstance(chain.func, ast.Attribute) and chain.func.attr != "find":
        method, value = chain.func.attr, chain.args[0] if len(chain.args) == 1 and not chain.keywords and not has_star(chain) else None
        if method in _CHAINED and value is not None:
            arguments.append((_CHAINED[method], value))
        elif method in ("skip", "limit") and value is not None:
            if heed:
                arguments.append((method, value))
        elif method not in ("sort", "batch_size"):
            return None
        chain = chain.func.value
    if not isinstance(chain, ast.Call) or not isinstance(chain.func, ast.Attribute) or has_star(chain) or len(chain.args) > 2:
        return None
    taken = ("filter", "projection", "sort", "batch_size", "session", *(("skip", "limit") if heed else ()))
    if any(item.arg not in (*taken, "skip", "limit") for item in chain.keywords):
        return None
    arguments += [(item.arg or "", item.value) for item in chain.keywords if item.arg in ("session", "skip", "limit") and item.arg in taken]
    wanted = chain.args[0] if chain.args else keyword(chain, "filter")
    receiver = chain.func.value
    if binding is not None and not (fixed(module, receiver) and all(fixed(module, part) for _, part in arguments)):
        return None
    if binding is not None and wanted is not None and not literal(wanted):
        if not untouched(module, wanted, binding.node, call, node.value.id):  # type: ignore[attr-defined]
            return None
    unused = _unused_assignment(module, node.value) if binding is not None else []
    if wanted is None and not arguments:
        return _Write("estimated_document_count", [replace(module, call, "{0}.estimated_document_count()", receiver), *unused])
    level = countable(module, wanted) if wanted is not None else Applicability.SAFE
    if level is None:
        return None
    holes: list[ast.AST] = [receiver, *([wanted] if wanted is not None else []), *(value for _, value in arguments)]
    start = 1 if wanted is None else 2
    filtered = "{}" if wanted is None else "{1} or {}" if can_be_none(module, wanted) else "{1}"
    parts = [filtered, *(f"{name}={{{n}}}" for n, (name, _) in enumerate(reversed(arguments), start))]
    holes[start:] = [value for _, value in reversed(arguments)]
    return _Write("count_documents", [replace(module, call, f"{{0}}.count_documents({', '.join(parts)})", *holes), *unused], level=level)


def _unused_assignment(module: "Module", name: ast.expr) -> list[Edit]:
    """Deletes the assignment of a local name that this one place alone reads; one with a comment, or with others on its line, stays."""
    if not isinstance(name, ast.Name):
        return []
    index = module.index
    scope = index.scope(name).function
    loads = [load for load in index.name_loads.get(name.id, ()) if index.scope(load).binder(name.id) is scope]
    statement = index.statement(scope.bindings[name.id][0].node)
    if scope.kind != "function" or loads != [name] or not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return []
    lines = module.source.lines[statement.lineno - 1 : statement.end_lineno]
    return [] if any("#" in line or ";" in line for line in lines) else [DeleteStatement(anchor(module, statement))]


# Commands and indexes


def _ensure_index(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
    given = _Call(module, node, call, ("key_or_list", "cache_for"))
    if given.get("key_or_list") is None or any(given.flag(name, default=False) is not False for name in ("drop_dups", "dropDups")):
        return None
    given.drops |= {"cache_for", "ttl", "drop_dups", "dropDups"} & given.given()
    return given.write("create_index", order=("key_or_list",), names={"key_or_list": "keys", "bucket_size": "bucketSize"})


def _template(template: str, *, keywords: tuple[str, ...] = (), result: str = "", many: str = "") -> "_Maker":
    """A method that became an expression, called without arguments by position; ``many`` is the template for when there are keywords."""

    def make(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
        if call.args or any(item.arg not in keywords for item in call.keywords):
            return None
        if not call.keywords:
            return _Write(template[4:], [replace(module, call, template, node.value)], result=result)
        return _Write(template[4:], [replace(module, call, many, node.value, call)], result=result)

    return make


def _repeated(node: ast.expr) -> bool:
    """Whether an expression may be evaluated twice."""
    return bool(dotted(node) or path_key(node))


def _reindex(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
    if call.args or not _repeated(node.value):
        return None
    more = ", {1*}" if call.keywords else ""
    return _Write("command", [replace(module, call, f'{{0}}.database.command("reIndex", {{0}}.name{more})', node.value, call)])


def _inline_map_reduce(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
    given = _Call(module, node, call, ("map", "reduce", "full_response"))
    mapper, reducer, full = given.get("map"), given.get("reduce"), given.flag("full_response", default=False)
    if not given.readable or mapper is None or reducer is None or full is None or not _repeated(node.value):
        return None
    others = [item for item in call.keywords if item.arg not in ("map", "reduce", "full_response")]
    tail = "".join(f", {item.arg}={{{n}}}" for n, item in enumerate(others, 3))
    text = f'{{0}}.database.command("mapReduce", {{0}}.name, map={{1}}, reduce={{2}}, out={{"inline": 1}}{tail})'
    holes = [node.value, mapper, reducer, *(item.value for item in others)]
    return _Write("command", [replace(module, call, text if full else f'{text}["results"]', *holes)])


_OF_MAP_REDUCE = ("query", "sort", "limit", "scope", "finalize", "jsMode", "verbose", "session")
"""Arguments of ``map_reduce`` that are fields of the command, or arguments of ``command``, under the same name."""


def _map_reduce(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
    """``found = coll.map_reduce(m, r, "totals")``: the command, and then the collection that it wrote to.

    Only where the output is named by a literal, and where nothing is done with the result or it is given a name: any other output, a
    dictionary or the text ``inline``, has a result of another form.
    """
    given = _Call(module, node, call, ("map", "reduce", "out"))
    mapper, reducer, out = given.get("map"), given.get("reduce"), given.get("out")
    if not given.readable or mapper is None or reducer is None or not _repeated(node.value):
        return None
    if not isinstance(out, ast.Constant) or not isinstance(out.value, str) or "inline" in out.value:
        return None
    others = [item for item in call.keywords if item.arg not in ("map", "reduce", "out")]
    if any(item.arg not in _OF_MAP_REDUCE for item in others):
        return None
    statement = module.index.parents.get(call)
    parts = [("map", mapper), ("reduce", reducer), ("out", out), *((item.arg or "", item.value) for item in others)]
    if isinstance(statement, ast.Expr):
        named = ", ".join(f"{name}={{{n}}}" for n, (name, _) in enumerate(parts, 1))
        text = f'{{0}}.database.command("mapReduce", {{0}}.name, {named})'
        edits: list[Edit] = [replace(module, call, text, node.value, *(value for _, value in parts))]
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
        texts = [f"{name}={source(module, value)}" for name, value in parts]
        receiver = source(module, node.value)
        text = f'{receiver}.database.command("mapReduce", {receiver}.name, {", ".join(texts)})'
        if "\n" in text or "\r" in text:
            return None
        edits = [InsertStatement(anchor(module, statement), text), replace(module, call, "{0}.database[{1}]", node.value, out)]
    else:
        return None
    return _Write("command", edits, level=Applicability.UNSAFE)


def _remove_user(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
    given = _Call(module, node, call, ("name",))
    name, session = given.get("name"), given.get("session")
    if not given.readable or name is None or given.given() - {"name", "session"}:
        return None
    tail, holes = (", session={2}", [node.value, name, session]) if session is not None else ("", [node.value, name])
    return _Write("command", [replace(module, call, f'{{0}}.command("dropUser", {{1}}{tail})', *holes)], result="!")


def _set_profiling_level(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
    given = _Call(module, node, call, ("level", "slow_ms", "session", "sample_rate", "filter"))
    level = given.get("level")
    if not given.readable or level is None:
        return None
    number = source(module, level) if isinstance(level, ast.Constant) and isinstance(level.value, int) else ""
    if not number:
        values = list(module.values(level))
        number = LEVELS.get(values[0].path, "") if len(values) == 1 and isinstance(values[0], External) else ""
    if not number:
        return None
    holes: list[ast.AST] = [node.value]
    parts = ['"profile"', number]
    for old, new in (("slow_ms", "slowms"), ("sample_rate", "sampleRate"), ("filter", "filter"), ("session", "session")):
        value = given.get(old)
        if value is None or (isinstance(value, ast.Constant) and value.value is None):
            continue
        if old != "session" and not isinstance(value, (ast.Constant, ast.Dict)):
            return None  # a None among the values would be refused by the server
        holes.append(value)
        parts.append(f"{new}={{{len(holes) - 1}}}")
    return _Write("command", [replace(module, call, f"{{0}}.command({', '.join(parts)})", *holes)], result="!")


def _collection_names(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
    given = _Call(module, node, call, ("include_system_collections",))
    system = given.flag("include_system_collections", default=True)
    if given.given() - {"include_system_collections", "session"} or system is None:
        return None
    given.drops |= {"include_system_collections"} & given.given()
    return given.write("list_collection_names", order=(), more=() if system else (("filter", _USER_COLLECTIONS),))


def _database_names(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
    given = _Call(module, node, call, ())
    return None if given.given() - {"session"} else given.write("list_database_names", order=())


def _fsync(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
    if call.args:
        return None
    template = '{0}.admin.command("fsync", {1*})' if call.keywords else '{0}.admin.command("fsync")'
    return _Write("command", [replace(module, call, template, node.value, call)])


def _end_request(module: "Module", _node: ast.Attribute, call: ast.Call) -> _Write | None:
    """``end_request()`` ends nothing any more: the statement goes."""
    statement = module.index.parents.get(call)
    if call.args or call.keywords or not isinstance(statement, ast.Expr):
        return None
    return _Write("nothing", [DeleteStatement(anchor(module, statement))])


def _start_request(module: "Module", _node: ast.Attribute, call: ast.Call) -> _Write | None:
    """``with client.start_request():`` is only its body any more."""
    item = module.index.parents.get(call)
    block = module.index.parents.get(item) if isinstance(item, ast.withitem) else None
    if call.args or call.keywords or not isinstance(item, ast.withitem) or item.optional_vars is not None:
        return None
    if not isinstance(block, ast.With) or len(block.items) != 1:
        return None
    return _Write("nothing", [Unwrap(anchor(module, block))])


def _current_op(module: "Module", node: ast.Attribute, call: ast.Call) -> _Write | None:
    """``current_op()["inprog"]``, as the guide to PyMongo 4 has it; what else the reply holds, an aggregation does not give."""
    given = _Call(module, node, call, ("include_all",))
    every, user = given.flag("include_all", default=False), module.index.parents.get(call)
    if every is None or given.given() - {"include_all", "session"} or not isinstance(user, ast.Subscript) or user.value is not call:
        return None
    if constant(user.slice) != "inprog" or not isinstance(user.ctx, ast.Load):
        return None
    # the command told of the operations of all users
    stage = '{"allUsers": True, "idleConnections": True}' if every else '{"allUsers": True}'
    session = given.get("session")
    tail, holes = (", session={1}", [node.value, session]) if session is not None else ("", [node.value])
    admin = "" if isinstance(node.value, ast.Attribute) and node.value.attr == "admin" else ".client.admin"
    text = f'list({{0}}{admin}.aggregate([{{"$currentOp": {stage}}}]{tail}))'
    return _Write("aggregate", [replace(module, user, text, *holes)])


_Maker = Callable[["Module", ast.Attribute, ast.Call], _Write | None]
_CALLS: dict[tuple[str, str], _Maker] = {
    ("collection", "insert"): _insert,
    ("collection", "save"): _save,
    ("collection", "update"): _update,
    ("collection", "remove"): _remove,
    ("collection", "find_and_modify"): _find_and_modify,
    ("collection", "count"): _count,
    ("collection", "ensure_index"): _ensure_index,
    ("collection", "reindex"): _reindex,
    ("collection", "inline_map_reduce"): _inline_map_reduce,
    ("collection", "map_reduce"): _map_reduce,
    ("cursor", "count"): _count_of_find,
    ("database", "collection_names"): _collection_names,
    ("database", "current_op"): _current_op,
    ("database", "remove_user"): _remove_user,
    ("database", "set_profiling_level"): _set_profiling_level,
    ("database", "profiling_level"): _template(
        '{0}.command("profile", -1)["was"]', keywords=("session",), many='{0}.command("profile", -1, {1*})["was"]'
    ),
    ("database", "profiling_info"): _template(
        'list({0}["system.profile"].find())', keywords=("session",), many='list({0}["system.profile"].find({1*}))'
    ),
    ("client", "database_names"): _database_names,
    ("client", "fsync"): _fsync,
    ("client", "unlock"): _template(
        '{0}.admin.command("fsyncUnlock")', keywords=("session",), result="!", many='{0}.admin.command("fsyncUnlock", {1*})'
    ),
    ("client", "end_request"): _end_request,
    ("client", "start_request"): _start_request,
    ("client", "get_document_class"): _template("{0}.codec_options.document_class"),
}
_SYNC_ONLY = frozenset(
    maker
    for key, maker in _CALLS.items()
    if key[1] in ("current_op", "profiling_level", "profiling_info", "inline_map_reduce", "map_reduce") or key[0] == "client"
)
"""What is not a coroutine of the same shape with the asynchronous drivers."""


# Keywords and names


def _keyword(module: "Module", item: ast.keyword) -> Fix | None:
    """Keywords of ``find`` and its kin that changed more than their name."""
    call = module.index.parents.get(item)
    name = item.arg or ""
    if not isinstance(call, ast.Call) or any(each.arg is None for each in call.keywords):
        return None
    here = anchor(module, call)
    flag = item.value.value if isinstance(item.value, ast.Constant) and isinstance(item.value.value, bool) else None
    if name == "timeout" and keyword(call, "no_cursor_timeout") is None:
        value = replace(module, item.value, str(not flag)) if flag is not None else replace(module, item.value, "not {0}", item.value)
        return Fix("Write no_cursor_timeout=", Applicability.SAFE, (value, RenameKeyword(here, name, "no_cursor_timeout")))
    if name == "disable_md5" and isinstance(item.value, (ast.Constant, ast.Name)):
        return Fix("Drop disable_md5=", Applicability.SAFE, (RemoveKeyword(here, name),))
    if name == "manipulate" and flag is False:
        return Fix("Drop manipulate=", Applicability.SAFE, (RemoveKeyword(here, name),))
    if name in ("tailable", "await_data", "exhaust"):
        return _cursor_type(module, call)
    if name == "modifiers" and isinstance(item.value, ast.Dict):
        pairs = zip(item.value.keys, item.value.values, strict=True)
        wanted = [(_MODIFIERS.get(str(constant(key)), ""), value) for key, value in pairs]
        if not all(new and keyword(call, new) is None for new, _ in wanted):
            return None
        if any(new == "filter" for new, _ in wanted) and call.args:
            return None
        edits: list[Edit] = [SetKeyword(here, new, (_pairs if new == "sort" else source)(module, value)) for new, value in wanted]
        return Fix("Write the modifiers as arguments", Applicability.SAFE, (*edits, RemoveKeyword(here, name)))
    return None


def _pairs(module: "Module", node: ast.expr) -> str:
    """An order of sorting with its keys and directions in a list, where it is a written-out dictionary."""
    if not isinstance(node, ast.Dict):
        return source(module, node)
    pairs = zip(node.keys, node.values, strict=True)
    return f"[{', '.join(f'({source(module, key)}, {source(module, value)})' for key, value in pairs if key is not None)}]"


_MODIFIERS = {
    "$query": "filter",
    "$orderby": "sort",
    "$comment": "comment",
    "$hint": "hint",
    "$min": "min",
    "$max": "max",
    "$maxTimeMS": "max_time_ms",
    "$returnKey": "return_key",
    "$showDiskLoc": "show_record_id",
}


def _codec_options(module: "Module", item: ast.keyword) -> Fix | None:
    """``decode_iter(data, as_class=, tz_aware=)``: dates were aware unless it was told otherwise, those of CodecOptions are not."""
    call = module.index.parents.get(item)
    if not isinstance(call, ast.Call) or len(call.args) != 1 or {each.arg for each in call.keywords} - {"as_class", "tz_aware"}:
        return None
    cls, aware = keyword(call, "as_class"), keyword(call, "tz_aware")
    parts = [f"document_class={source(module, cls)}"] if cls is not None else []
    parts.append(f"tz_aware={source(module, aware) if aware is not None else 'True'}")
    here = anchor(module, call)
    edits: list[Edit] = [RemoveKeyword(here, each.arg or "") for each in call.keywords]
    edits.append(SetKeyword(here, "codec_options", f"CodecOptions({', '.join(parts)})"))
    return Fix("Write codec_options=", Applicability.SAFE, tuple(edits), (ImportRequest("bson.codec_options", "CodecOptions"),))


def _cursor_type(module: "Module", call: ast.Call) -> Fix | None:
    flags: dict[str, bool] = {}
    for item in call.keywords:
        if item.arg in ("tailable", "await_data", "exhaust"):
            if not isinstance(item.value, ast.Constant) or not isinstance(item.value.value, bool):
                return None
            flags[item.arg] = item.value.value
    chosen = frozenset(name for name, value in flags.items() if value)
    types = {
        frozenset(): "",
        frozenset(("tailable",)): "TAILABLE",
        frozenset(("tailable", "await_data")): "TAILABLE_AWAIT",
        frozenset(("exhaust",)): "EXHAUST",
    }
    if chosen not in types or keyword(call, "cursor_type") is not None:
        return None
    here = anchor(module, call)
    edits: list[Edit] = [RemoveKeyword(here, name) for name in flags]
    if not types[chosen]:
        return Fix("Drop the flags", Applicability.SAFE, tuple(edits))
    edits.append(SetKeyword(here, "cursor_type", f"CursorType.{types[chosen]}"))
    return Fix("Write cursor_type=", Applicability.SAFE, tuple(edits), (ImportRequest("pymongo", "CursorType"),))


def _connection(module: "Module", node: ast.alias | ast.Attribute) -> Fix | None:
    """``Connection`` and ``ReplicaSetConnection``, by import or as an attribute of the module, where they are only called.

    The arguments are those of ``MongoClient``, but for the third by position and the options that have another name or none today.
    """
    name = node.name if isinstance(node, ast.alias) else node.attr
    if name not in ("Connection", "ReplicaSetConnection"):
        return None
    if isinstance(node, ast.Attribute):
        if dotted(node.value) != "pymongo":
            return None
        loads: list[ast.expr] = [node]
        edits: list[Edit] = [rename(module, node, "MongoClient")]
    else:
        statement = module.index.parents.get(node)
        if not isinstance(statement, ast.ImportFrom) or statement.module not in _CONNECTIONS:
            return None
        local = node.asname or node.name
        if sum(len(scope.bindings.get(local, ())) for scope in module.index.scopes) != 1:
            return None
        loads = list(module.index.name_loads.get(local, ()))
        if statement.module == "pymongo" and any(each.name == "MongoClient" and not each.asname for each in statement.names):
            edits = [ReplaceImport(anchor(module, statement), (MovedName(node.name),))]
            edits += [rename(module, load, "MongoClient") for load in loads if isinstance(load, ast.Name)]
        else:
            edits = [RenameImport(anchor(module, statement), node.name, "pymongo", "MongoClient")]
    for load in loads:
        call = module.index.parents.get(load)
        if not isinstance(call, ast.Call) or call.func is not load or has_star(call):
            return None
        written = _connection_call(module, call)
        if written is None:
            return None
        edits += written
    return Fix("Write MongoClient", Applicability.SAFE, tuple(edits)) if loads else None


_CONNECTIONS = ("pymongo", "pymongo.connection", "pymongo.replica_set_connection")
_SAME_OPTIONS = frozenset(("host", "port", "replicaset", "tz_aware", "document_class"))
_RENAMED_OPTIONS = {"hosts_or_uri": "host", "max_pool_size": "maxPoolSize"}
_DROPPED_OPTIONS = frozenset(("auto_start_request", "use_greenlets"))
_POSITIONS = ("host", "port", "max_pool_size", "network_timeout", "document_class", "tz_aware")


def _connection_call(module: "Module", call: ast.Call) -> list[Edit] | None:
    """The edits for the arguments of ``Connection``; None where a value does not say what it means."""
    named = [*zip(_POSITIONS[2:], call.args[2:], strict=False), *((item.arg or "", item.value) for item in call.keywords)]
    wanted = [_connection_option(name, value) for name, value in named]
    new = [each[0].lower() for each in wanted if each is not None and each[0]]
    if None in wanted or len(set(new)) < len(new) or len(call.args) > len(_POSITIONS):
        return None
    here = anchor(module, call)
    if len(call.args) <= 2:
        edits: list[Edit] = []
        for (old, value), (name, text) in zip(named, [each for each in wanted if each is not None], strict=True):
            edits += [replace(module, value, text)] if text else []
            edits += [RenameKeyword(here, old, name)] if name and name != old else [RemoveKeyword(here, old)] if not name else []
        return edits
    holes: list[ast.AST] = [call.func, *call.args[:2]]
    parts = ["{1}", "{2}"]
    for (_, value), (name, text) in zip(named, [each for each in wanted if each is not None], strict=True):
        if name:
            holes += [] if text else [value]
            parts.append(f"{name}={text or f'{{{len(holes) - 1}}}'}")
    return [replace(module, call, f"{{0}}({', '.join(parts)})", *holes)]


def _connection_option(name: str, node: ast.expr) -> tuple[str, str] | None:
    """An argument of ``Connection`` today: its name (empty: it goes) and its text (empty: as it is); None where that is unclear."""
    value = node.value if isinstance(node, ast.Constant) else None
    if name.lower() in _SAME_OPTIONS:
        return name, ""
    if name in _RENAMED_OPTIONS:
        return _RENAMED_OPTIONS[name], ""
    if name == "network_timeout" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return "socketTimeoutMS", str(int(value * 1000))
    if name == "slave_okay" and value is True:
        return "readPreference", '"secondaryPreferred"'
    if name in _DROPPED_OPTIONS or (name == "slave_okay" and value is False) or (name == "safe" and value is True):
        return "", ""
    return None
