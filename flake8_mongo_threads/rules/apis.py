"""Wording and fixes that the rules about what exists have in common."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.driver import api, renames
from flake8_mongo_threads.edits import ImportRequest, RenameImport, RenameKeyword, RenameName
from flake8_mongo_threads.findings import Applicability, Fix
from flake8_mongo_threads.rules.repair import anchor, replace
from flake8_mongo_threads.rules.thread_pool import executor_fix
from flake8_mongo_threads.semantics.names import STATE, class_of

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module
    from flake8_mongo_threads.semantics.names import NameUse

PRODUCTS = {"pymongo": "PyMongo", "motor": "Motor"}

_KINDS = {"module": "module ", "keyword": "argument "}


def target_text(use: "NameUse") -> str:
    """The targeted releases and where they come from: ``target pymongo>=4.6,<5 (pyproject.toml:12)``."""
    why = use.target.why(use.answer.dist)
    return f"target: {why}" if why else f"target: {api.ranges(use.answer.dist, use.target.mask(use.answer.dist))}"


def cure(use: "NameUse") -> str:
    """What to write instead."""
    replacement = use.replacement
    if use.what == "receiver":
        return use.advice
    if use.what == "submodule":
        return f"write '{use.suggestion}'"
    if replacement is not None and (replacement.text or replacement.arguments):
        if replacement.text:
            text = replacement.text
            return text.removeprefix("nothing: ") if text.startswith("nothing") else f"use {text}"
        drop = replacement.arguments.partition(":")[0]
        return "drop it" if drop.startswith("drop") else "there is no replacement"
    if use.suggestion:
        return f"use {use.suggestion}"
    if use.what == "keyword":
        return "leave it out, or correct the name"
    if use.what == "read" and use.shown.partition(".")[0].endswith("Client") and STATE.fullmatch(use.shown.rpartition(".")[2]):
        return 'use admin.command("ping") in try/except'
    home = _home_of_member(use) if use.what in ("member", "read") else ""
    return f"'{use.shown.rpartition('.')[2]}' belongs to {home}" if home else "leave it out, or correct the name"


def _home_of_member(use: "NameUse") -> str:
    """The class of the user interface that has a member which this one lacks: ``find_one`` of a database belongs to Collection."""
    flavours = {"Async": "async", "Agnostic": "motor", "Motor": "motor"}
    flavour = next((flavour for prefix, flavour in flavours.items() if use.shown.startswith(prefix)), "sync")
    flavour = "motor" if use.shown.startswith("AsyncIOMotor") else flavour
    for family in ("collection", "database", "client", "cursor", "session", "gridfs-bucket"):
        class_id = class_of(family, flavour)
        if class_id and api.member(class_id, use.shown.rpartition(".")[2], use.target).status is api.Status.OK:
            return class_id.rpartition(".")[2]
    return ""


def shown(use: "NameUse") -> str:
    """The name that is wrong, with its sort where that helps."""
    return f"{_KINDS.get(use.what, '')}'{use.shown}'"


def rename(module: "Module", use: "NameUse") -> Fix | None:
    """The replacement as a fix, where one name takes the place of another and nothing else changes."""
    if use.suggestion == "" and use.replacement is not None and "ThreadPoolExecutor" in use.replacement.advice:
        return executor_fix(module, use.node) if use.shown.endswith(".ThreadPool") else None
    replacement = use.replacement
    new = use.suggestion
    if not new or (replacement.fix != renames.AUTO if replacement is not None else not _certain(use, new)):
        return None
    node = use.node
    if isinstance(node, ast.Attribute) and use.what in ("member", "read", "name"):
        return _renamed_attribute(module, use, node, new)
    if isinstance(node, ast.keyword):
        call = module.index.parents.get(node)
        plain = replacement is None or replacement.arguments == "keyword rename"
        if not plain or not isinstance(call, ast.Call) or any(each.arg == new for each in call.keywords):
            return None
        return Fix(f"Write {new}=", Applicability.SAFE, (RenameKeyword(anchor(module, call), node.arg or "", new),))
    return _imported(module, use, new)


def _renamed_attribute(module: "Module", use: "NameUse", node: ast.Attribute, new: str) -> Fix | None:
    parent, _, name = new.rpartition(".") if renames.is_path(new) else ("", "", new)
    if not name.isidentifier():
        return None
    fix = Fix(f"Write {name}", Applicability.SAFE, (RenameName(anchor(module, node), name),))
    if use.what == "name":
        return fix if parent == use.shown.rpartition(".")[0] else _of_another_module(module, use, node, parent, name)
    call = module.index.parents.get(node)
    called = isinstance(call, ast.Call) and call.func is node
    class_id = use.answer.subject.rpartition(".")[0]
    kind = api.member_kind(class_id, name, use.target)
    if not called and use.what == "member" and kind == "method" and api.has_getattr(class_id):
        return fix if use.replacement is None else None  # handed over to be called
    if called != (kind in ("method", "coroutine")):
        return None
    if kind == "coroutine" and call not in module.index.awaited:
        return None
    if use.replacement is not None and (use.replacement.arguments or use.replacement.returns):
        # What the remarks say concerns arguments; the name alone changes where there are none.
        if not isinstance(call, ast.Call) or call.keywords or len(call.args) > (1 if name == "create_index" else 0):
            return None
        if any(isinstance(arg, ast.Starred) for arg in call.args):
            return None
    return fix


def _of_another_module(module: "Module", use: "NameUse", node: ast.Attribute, parent: str, name: str) -> Fix | None:
    """``pymongo.DuplicateKeyError`` as ``pymongo.errors.DuplicateKeyError``, a name of any other module under an import of its own."""
    if not parent or api.name(parent, name, use.target).status is not api.Status.OK:
        return None
    below = parent.removeprefix(f"{use.shown.rpartition('.')[0]}.")
    if below != parent and api.loaded_by_package(parent, use.target).status is api.Status.OK:
        return Fix(f"Write {parent}.{name}", Applicability.SAFE, (replace(module, node, f"{{0}}.{below}.{name}", node.value),))
    edit = replace(module, node, name)
    return Fix(f"Import {name} from {parent}", Applicability.SAFE, (edit,), (ImportRequest(parent, name),))


def _certain(use: "NameUse", new: str) -> bool:
    """Whether a name that nobody curated can only mean the one that exists: another spelling, or the same name elsewhere."""
    old = use.shown.rpartition(".")[2]
    last = new.rpartition(".")[2]
    return last.replace("_", "").lower() == old.replace("_", "").lower()


def _imported(module: "Module", use: "NameUse", new: str) -> Fix | None:
    """Take an imported name from the place that has it; the names used in the file stay the same."""
    alias = use.node
    statement = module.index.parents.get(alias)
    if not isinstance(alias, ast.alias) or not isinstance(statement, ast.ImportFrom) or not renames.is_path(new):
        return None
    if use.what == "module" and not (use.replacement and use.replacement == renames.path_replacement(f"{statement.module}.{alias.name}")):
        new = f"{new}.{alias.name}"
        if len(statement.names) > 1 or api.resolve(new, use.target) is None:
            return None
    parent, _, name = new.rpartition(".")
    if not parent or api.name(parent, name, use.target).status is not api.Status.OK:
        return None
    return Fix(f"Import {name} from {parent}", Applicability.SAFE, (RenameImport(anchor(module, statement), alias.name, parent, name),))
