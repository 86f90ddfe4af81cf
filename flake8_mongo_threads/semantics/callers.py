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

from flake8_mongo_threads.concurrency.names import slot
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.values import NOTHING, OPEN, UNKNOWN, Class, Driver, External, Function, Instance, ModuleRef, known

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
MAX_ROUNDS = 3
MAX_HOPS = 48
MAX_FILES = 400
_STORES = frozenset(("app", "g", "app.state", "app.ctx"))
"""Objects of frameworks that programs put their own things on, as :func:`slot` names them."""
_SKIP = frozenset(("node_modules", "__pycache__", "venv", ".venv", "env", "site-packages", "build", "dist", "migrations", "static"))

_EXAMPLES = frozenset(("example", "examples", "sample", "samples", "demo", "demos", "doc", "docs"))

_listings: dict[str, tuple[float, list[str]]] = {}


class Needs:
    """What could tell what unknown receivers are."""

    __slots__ = ("filled", "names", "stores")

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        """Functions and classes: whoever uses them hands something over."""
        self.stores: dict[str, None] = {}
        """Attributes and globals that nothing seen so far gives a value."""
        self.filled: dict[str, None] = {}
        """Attributes that get something unknown: an assignment elsewhere can say more."""

    def __len__(self) -> int:
        return len(self.names) + len(self.stores)


def widen(module: "Module") -> None:
    """Load the modules that can tell what unknown receivers of driver-like operations in the linted file are.

    A module that was loaded can lead to the next: a repository's base class names the attribute, the application that
    inherits from it sets it. So there are a few rounds. Tests are asked last: the program itself says more.
    """
    text = module.source.text
    if not any("." + name + "(" in text for name in TELLING):
        return
    tests = _is_test(module, module.location)
    asked: set[str] = set()
    for turn in range(MAX_ROUNDS):
        needs = _needs(module)
        words = {*needs.names, *("." + name for name in needs.stores)}
        if not words or (tests and words <= asked):
            return
        if _load(module, needs, MAX_LOADS if not turn else MAX_LOADS // 2, tests=tests or words <= asked):
            module.project.forget()
        elif tests or words <= asked:
            return
        asked |= words


def _is_test(module: "Module", path: str) -> bool:
    return "test" in path[len(modules.roots_of(module.location).top) :]


def _is_example(module: "Module", path: str) -> bool:
    """Whether a file only shows how a library is used: what it hands over says little about what others do."""
    return not _EXAMPLES.isdisjoint(path[len(modules.roots_of(module.location).top) :].split(os.sep)[:-1])


def _needs(module: "Module") -> Needs:
    """What the unknown receivers of a file wait for."""
    needs = Needs()
    for call in module.index.calls:
        func = call.func
        if isinstance(func, ast.Attribute) and func.attr in TELLING:
            values = module.values(func.value)
            if not any(isinstance(v, Driver) for v in values) and (
                UNKNOWN in values or OPEN in values or all(v is NOTHING or (isinstance(v, External) and slot(v.path)) for v in values)
            ):
                _missing(module, func.value, needs)
        if len(needs) >= MAX_NAMES:
            break
    return needs


def _load(module: "Module", needs: Needs, limit: int, *, tests: bool) -> bool:
    """Load the nearest files that can give what is needed.

    First those that assign what nothing gives a value; then those that use the names, before others those that assign
    several of the attributes in question; last those that only assign such an attribute.
    """
    names = tuple(needs.names)
    stores = (*needs.stores, *needs.filled)
    wanted = re.compile(r"\b(?:" + "|".join(map(re.escape, names)) + r")\b") if names else None
    either = "|".join(map(re.escape, stores))
    assigned = re.compile(rf"\.({either})\s*(?::[^=\n]+)?=[^=]") if stores else None
    project = module.project
    candidates: list[tuple[int, int, str]] = []
    useful = 0
    example = _is_example(module, module.location)
    for path in nearby(module):
        if path in project.loaded or (not tests and _is_test(module, path)) or (not example and _is_example(module, path)):
            continue
        parsed = modules.read(path)
        if parsed is None:
            continue
        text = parsed.text
        found = {name for name in stores if parsed.has(f"def {name}(self")}
        if assigned is not None and any(parsed.has("." + name) for name in stores):
            found.update(assigned.findall(text))
        if not found.isdisjoint(needs.stores):
            candidates.append((0, -len(found), path))
        elif wanted is not None and any(parsed.has(name) for name in names) and wanted.search(text) is not None:
            candidates.append((1, -len(found) if len(found) > 1 else 0, path))
        elif found:
            candidates.append((2, 0, path))
            continue
        else:
            continue
        useful += 1
        if useful >= 2 * MAX_LOADS and not (needs.stores and all(rank for rank, _, _ in candidates)):
            break
    candidates.sort(key=lambda c: c[:2])  # stable: nearest first among equals
    loaded = 0
    for _, _, path in candidates:
        if loaded >= limit:
            break
        loaded += project.load(path, module) is not None
    return loaded > 0


def _missing(module: "Module", receiver: ast.AST, needs: Needs) -> None:
    """Collect what a receiver waits for: from its expression down to parameters, attributes and globals nobody fills."""
    pending: list[tuple[Module, ast.AST]] = [(module, receiver)]
    seen: set[ast.AST] = set()
    for _ in range(MAX_HOPS):
        if not pending:
            break
        home, node = pending.pop(0)
        if node in seen:
            continue
        seen.add(node)
        if any(isinstance(v, Driver) for v in home.values(node)):
            continue
        if isinstance(node, ast.Name):
            _missing_name(home, node, needs, pending)
        elif isinstance(node, ast.Attribute):
            _missing_attribute(home, node, needs, pending)
        elif isinstance(node, ast.Call):
            functions = [v for v in home.values(node.func) if isinstance(v, Function)]
            for function in functions[:2]:
                pending.extend((function.module, value) for value in function.scope.returns[:4])
            if not functions:
                pending.append((home, node.func))
                if isinstance(node.func, ast.Name) and node.func.id == "getattr" and node.args:
                    pending.append((home, node.args[0]))
        elif isinstance(node, (ast.Subscript, ast.Await, ast.Starred, ast.NamedExpr)):
            pending.append((home, node.value))
        elif isinstance(node, ast.BoolOp):
            pending.extend((home, value) for value in node.values[:4])
        elif isinstance(node, ast.IfExp):
            pending.extend(((home, node.body), (home, node.orelse)))


def _missing_name(home: "Module", node: ast.Name, needs: Needs, pending: "list[tuple[Module, ast.AST]]") -> None:
    scope = home.index.scope(node).binder(node.id)
    if scope is None:
        return
    binding = scope.bindings[node.id][-1]
    if binding.how == "param":
        if any(isinstance(v, (Instance, Class)) for v in home.values(node)):
            return
        owners = _owners(scope)
        if scope.cls is not None and scope.name == "__init__":
            owners.extend(home.inference.subclass_names(home, scope.cls.name)[:4])
        for name in owners:
            needs.names[name] = None
            for caller in _passing_on(home, name):
                needs.names[caller] = None
        pending.extend(_given(home, scope, binding.node))
    elif binding.how == "import":
        for value in home.values(node):
            if value is NOTHING and isinstance(binding.node, ast.alias):
                needs.stores[binding.node.name] = None
    else:
        for each in scope.bindings[node.id][-4:]:
            if each.how in ("assign", "ann", "with", "for") and isinstance(each.value, ast.AST):
                pending.append((home, each.value))
        if scope.kind == "module" and all(v is NOTHING for v in home.values(node)):
            needs.stores[node.id] = None


def _missing_attribute(home: "Module", node: ast.Attribute, needs: Needs, pending: "list[tuple[Module, ast.AST]]") -> None:
    inference = home.inference
    name = node.attr
    found = False
    for value in home.values(node.value):
        if isinstance(value, ModuleRef) or (isinstance(value, External) and slot(value.path) in _STORES):
            found = True
            needs.stores[name] = None
        elif isinstance(value, (Instance, Class)):
            found = True
            cls = value.cls if isinstance(value, Instance) else value
            filled = False
            order = inference.resolution_order(cls)
            for owner, scope in order:
                for binding in scope.bindings.get(name, ()):
                    body = owner.index.bodies.get(binding.node) if binding.how == "def" else None
                    if body is not None:
                        filled = True
                        pending.extend((owner, returned) for returned in body.returns[:4])
                for store in owner.index.attribute_stores.get(name, ())[:6]:
                    if store.value is not None and not (isinstance(store.value, ast.Constant) and store.value.value is None):
                        filled = True
                        pending.append((owner, store.value))
            if not filled:
                needs.names.update((scope.name, None) for _, scope in order if len(needs.names) < MAX_NAMES)
                needs.stores[name] = None
            elif len(order) > 1 and len(needs.names) < MAX_NAMES:
                needs.names[cls.scope.name] = None  # what a base class is given comes from those who make the object
            if filled and not known(home.values(node)):
                needs.filled[name] = None
    if not found:
        pending.append((home, node.value))


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


def _given(home: "Module", scope: Scope, arg: ast.AST) -> "list[tuple[Module, ast.AST]]":
    """What the modules loaded so far, other than its own, hand to a parameter that stays unknown: they may wait for something, too."""
    inference = home.inference
    found: list[tuple[Module, ast.AST]] = []
    if not isinstance(arg, ast.arg):
        return found
    for other, reference in inference.references(home, scope)[: 4 * MAX_NAMES]:
        call = other.index.parents.get(reference)
        if other is home or not isinstance(call, ast.Call) or call.func is not reference or len(found) >= MAX_LOADS:
            continue
        bound = inference.names(other, reference, scope)
        given = inference.argument_for(call, scope, arg, skip_first=bound) if bound is not None else None
        if given is not None:
            found.append((other, given))
    return found


def _owners(scope: Scope) -> list[str]:
    function = scope.function
    if function.name.startswith("test") or function.kind == "lambda":
        return []
    if function.cls is not None:
        return [function.cls.name] if function.name.startswith("_") or function.params[:1] else [function.cls.name, function.name]
    return [function.name]


def inherited_elsewhere(module: "Module", name: str) -> bool:
    """Whether a file near the linted one that was not read, tests aside, has a class that inherits from one of that name, or may have."""
    files = nearby(module)
    if len(files) + 1 >= MAX_FILES:
        return True
    inheriting = re.compile(rf"^[ \t]*class[ \t]+\w+[ \t]*\([^)]*\b{re.escape(name)}\b", re.MULTILINE)
    for path in files:
        if _is_test(module, path):
            break  # they come last
        parsed = modules.read(path) if path not in module.project.loaded else None
        if parsed is not None and parsed.has(name) and inheriting.search(parsed.text) is not None:
            return True
    return False


_ASYNC_CLIENTS = ("AsyncMongoClient", "AsyncIOMotorClient", "MotorClient")
_BUILDS_SYNC = re.compile(r"(?<!\w)(?:MongoClient|PyMongo)\s*(?:\[[^\n()]*\])?\(|\bas MongoClient\b")


def only_async_clients(module: "Module") -> bool:
    """Whether files near the linted one name an asynchronous client and none, itself included, builds a synchronous one; tests aside."""
    files = nearby(module)
    if len(files) + 1 >= MAX_FILES or _BUILDS_SYNC.search(module.source.text) is not None:
        return False  # of a program as large not everything is seen
    found = any(name in module.source.text for name in _ASYNC_CLIENTS)
    for path in files:
        if _is_test(module, path):
            break  # they come last
        parsed = modules.read(path)
        if parsed is not None and parsed.driver:
            if parsed.has("ongo") and _BUILDS_SYNC.search(parsed.text) is not None:
                return False
            found = found or any(parsed.has(name) for name in _ASYNC_CLIENTS)
    return found


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
