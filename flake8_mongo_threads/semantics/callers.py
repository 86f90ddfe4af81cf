"""The other direction: modules that use what the linted file defines.

A repository class gets its collection from a module that imports it; a mixin's attributes are set by the class that
inherits from it. Where an operation named like the driver's has an unknown receiver, the modules that mention the class or
function concerned are looked for near the file and loaded, a few at most.
"""

import ast
import os
import re
import time
from typing import TYPE_CHECKING

from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.syntax import CHAINS, base_of
from flake8_mongo_threads.semantics.values import OPEN, UNKNOWN, Driver

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

TELLING = frozenset(
    (
        "find_one", "insert_one", "insert_many", "update_one", "update_many", "delete_one", "delete_many", "replace_one", "find_one_and_update", "find_one_and_replace",
        "find_one_and_delete", "count_documents", "estimated_document_count", "bulk_write", "list_collection_names", "create_indexes", "drop_indexes", "index_information",
        "list_database_names", "find_and_modify", "ensure_index", "start_transaction", "with_transaction", "start_session",
    )
)  # fmt: skip
"""Names of operations that hardly any other library has."""

MAX_NAMES = 12
MAX_LOADS = 6
MAX_FILES = 400
_SKIP = frozenset(("node_modules", "__pycache__", "venv", ".venv", "env", "site-packages", "build", "dist", "migrations", "static"))

_listings: dict[str, tuple[float, list[str]]] = {}


def widen(module: "Module") -> None:
    """Load the modules that can tell what unknown receivers of driver-like operations in the linted file are."""
    if not any("." + name + "(" in module.source.text for name in TELLING):
        return
    names: dict[str, None] = {}
    for call in module.index.calls:
        func = call.func
        if isinstance(func, ast.Attribute) and func.attr in TELLING:
            values = module.values(func.value)
            if (UNKNOWN in values or OPEN in values) and not any(isinstance(v, Driver) for v in values):
                for name in wanted(module, func.value):
                    names[name] = None
                    for caller in _passing_on(module, name):
                        names[caller] = None
        if len(names) >= MAX_NAMES:
            break
    if not names:
        return
    loaded = 0
    pattern = re.compile(r"\b(?:" + "|".join(map(re.escape, names)) + r")\b")
    for path in nearby(module):
        if loaded >= MAX_LOADS:
            break
        if path in module.project.loaded:
            continue
        parsed = modules.read(path)
        if parsed is None or not any(name in parsed.text for name in names) or pattern.search(parsed.text) is None:
            continue
        if module.project.load(path, module) is not None:
            loaded += 1
    if loaded:
        module.project.forget()


def wanted(module: "Module", receiver: ast.AST, depth: int = 0) -> list[str]:
    """Names whose users could tell what a receiver is: of the function whose parameter it is, or of the class around."""
    base = base_of(receiver, (*CHAINS, ast.Await))
    if not isinstance(base, ast.Name) or depth > 4:
        return []
    scope = module.index.scope(base).binder(base.id)
    if scope is None:
        return []
    binding = scope.bindings[base.id][-1]
    if binding.how == "param":
        return _owners(scope)
    if binding.how in ("assign", "ann", "with", "for") and isinstance(binding.value, ast.AST):
        return wanted(module, binding.value, depth + 1)
    return []


def _passing_on(module: "Module", name: str, levels: int = 3) -> list[str]:
    """Functions and classes of the same file that call a function: what it is given comes from those who call them."""
    found: list[str] = []
    current = [name]
    for _ in range(levels):
        following: list[str] = []
        for callee in current:
            for node in (*module.index.name_loads.get(callee, ()), *module.index.attribute_loads.get(callee, ())):
                scope = module.index.scope(node).function
                if scope.kind == "function":
                    following.extend(owner for owner in _owners(scope) if owner not in found and owner != name)
        found.extend(following)
        current = following
        if not current or len(found) > MAX_NAMES:
            break
    return found[:MAX_NAMES]


def _owners(scope: Scope) -> list[str]:
    function = scope.function
    if function.name.startswith("test") or function.kind == "lambda":
        return []
    if function.cls is not None:
        return [function.cls.name] if function.name.startswith("_") or function.params[:1] else [function.cls.name, function.name]
    return [function.name]


def nearby(module: "Module") -> list[str]:
    """Python files of the project, those nearest to the linted file first; tests last."""
    folder = os.path.dirname(module.location).split(os.sep)
    top = modules.roots_of(module.location).top
    files = _listing(top)
    start = len(top)

    def distance(path: str) -> tuple[bool, int, str]:
        parts = path.split(os.sep)[:-1]
        common = 0
        for mine, other in zip(folder, parts, strict=False):
            if mine != other:
                break
            common += 1
        return ("test" in path[start:], len(folder) + len(parts) - 2 * common, path)

    return sorted((f for f in files if f != module.location), key=distance)


def _listing(top: str) -> list[str]:
    now = time.monotonic()
    known = _listings.get(top)
    if known is not None and now - known[0] < modules.FRESH_SECONDS:
        return known[1]
    found: list[str] = []
    pending = [top]
    while pending and len(found) < MAX_FILES:
        folder = pending.pop(0)
        try:
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda e: e.name):
                    if entry.name.startswith(".") or entry.name in _SKIP or entry.is_symlink():
                        continue
                    if entry.is_dir():
                        pending.append(entry.path)
                    elif entry.name.endswith(".py") and len(found) < MAX_FILES:
                        found.append(entry.path)
        except OSError:
            continue
    if len(_listings) > 64:
        _listings.clear()
    _listings[top] = (now, found)
    return found
