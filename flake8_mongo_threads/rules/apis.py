"""Wording and fixes that the rules about what exists have in common."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.driver import api, renames
from flake8_mongo_threads.edits import RenameImport, RenameKeyword, RenameName
from flake8_mongo_threads.findings import Applicability, Fix
from flake8_mongo_threads.rules.repair import anchor

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
            return text if text.startswith("nothing") else f"use {text}"
        drop = replacement.arguments.partition(":")[0]
        return "drop it" if drop.startswith("drop") else "there is no replacement"
    if use.suggestion:
        suggestion = use.suggestion
        if use.what in ("member", "read") and not renames.is_path(suggestion):
            return f"use {suggestion}"
        return f"use {suggestion}"
    return "remove it, or correct the name"


def shown(use: "NameUse") -> str:
    """The name that is wrong, with its sort where that helps."""
    return f"{_KINDS.get(use.what, '')}'{use.shown}'"


def rename(module: "Module", use: "NameUse") -> Fix | None:
    """The replacement as a fix, where one name takes the place of another and nothing else changes."""
    replacement = use.replacement
    if replacement is not None and replacement.fix != renames.AUTO:
        return None
    if replacement is not None and (replacement.arguments or replacement.returns) and use.what != "keyword":
        if not _same_call(use, replacement):
            return None
    new = replacement.new if replacement is not None else use.suggestion
    if not new or (replacement is not None and not use.suggestion):
        return None
    if replacement is None and not _certain(use, new):
        return None
    node = use.node
    if use.what in ("member", "read") and isinstance(node, ast.Attribute):
        name = new.rpartition(".")[2] if renames.is_path(new) else new
        if name.isidentifier() and isinstance(module.index.parents.get(node), ast.Call) == (use.what == "member"):
            return Fix(f"Write {name}", Applicability.SAFE, (RenameName(anchor(module, node), name),))
        return None
    if use.what == "keyword" and isinstance(node, ast.keyword) and replacement is not None and replacement.arguments == "keyword rename":
        call = module.index.parents.get(node)
        if isinstance(call, ast.Call) and not any(each.arg == new for each in call.keywords):
            return Fix(f"Write {new}=", Applicability.SAFE, (RenameKeyword(anchor(module, call), node.arg or "", new),))
        return None
    return _imported(module, use, new)


def _same_call(use: "NameUse", replacement: renames.Replacement) -> bool:
    """Whether a replacement with remarks on its arguments still is a plain renaming of this call."""
    del replacement
    return use.what in ("name", "module")


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
    if use.what == "module":
        new = f"{new}.{alias.name}"
        if len(statement.names) > 1 or api.resolve(new, use.target) is None:
            return None
    parent, _, name = new.rpartition(".")
    if not parent or api.name(parent, name, use.target).status is not api.Status.OK:
        return None
    return Fix(f"Import {name} from {parent}", Applicability.SAFE, (RenameImport(anchor(module, statement), alias.name, parent, name),))
