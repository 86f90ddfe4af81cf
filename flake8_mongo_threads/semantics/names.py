"""The facts of the rules about what exists: every use of a driver's name that some targeted release does not have.

Imports, attributes of modules and classes, members of objects whose kind is certain, and keyword arguments. A use that is
guarded (``guards``) gives no fact.
"""

import ast
import builtins
import functools
import os
import re
import sys
from typing import TYPE_CHECKING

from flake8_mongo_threads.driver import api, kinds, renames, wrappers
from flake8_mongo_threads.driver.api import Answer, Status, Target
from flake8_mongo_threads.driver.renames import Replacement
from flake8_mongo_threads.driver.requirements import read_text
from flake8_mongo_threads.driver.targets import target_for
from flake8_mongo_threads.findings import Span
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.semantics.facts import PRODUCERS
from flake8_mongo_threads.semantics.guards import IMPORT_ERRORS, NAME_ERRORS, guarded, tested_class
from flake8_mongo_threads.semantics.inference import MAX_WORK
from flake8_mongo_threads.semantics.scopes import Import, Scope
from flake8_mongo_threads.semantics.spawns import receiving
from flake8_mongo_threads.semantics.syntax import CHAINS, base_of, dotted, last_name, literal_text, text_of
from flake8_mongo_threads.semantics.values import UNKNOWN, Class, Driver, External, Function, Instance, Method, Partial, Value, known

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

NONEXISTENT = "nonexistent"
REMOVED = "removed"
NEW = "new"

_OPEN_OBJECTS = frozenset(("client", "database", "collection"))
"""Families whose unknown attributes are databases and collections."""
_CHILD = {"client": "Database", "database": "Collection", "collection": "Collection"}
_SPELLINGS: dict[tuple[str, str], str] = {
    ("client", "sync"): "pymongo.MongoClient",
    ("client", "async"): "pymongo.AsyncMongoClient",
    ("database", "sync"): "pymongo.database.Database",
    ("database", "async"): "pymongo.asynchronous.database.AsyncDatabase",
    ("collection", "sync"): "pymongo.collection.Collection",
    ("collection", "async"): "pymongo.asynchronous.collection.AsyncCollection",
    ("cursor", "sync"): "pymongo.cursor.Cursor",
    ("cursor", "async"): "pymongo.asynchronous.cursor.AsyncCursor",
    ("command-cursor", "sync"): "pymongo.command_cursor.CommandCursor",
    ("command-cursor", "async"): "pymongo.asynchronous.command_cursor.AsyncCommandCursor",
    ("raw-cursor", "sync"): "pymongo.cursor.RawBatchCursor",
    ("raw-cursor", "async"): "pymongo.asynchronous.cursor.AsyncRawBatchCursor",
    ("change-stream", "sync"): "pymongo.change_stream.ChangeStream",
    ("change-stream", "async"): "pymongo.asynchronous.change_stream.AsyncChangeStream",
    ("session", "sync"): "pymongo.client_session.ClientSession",
    ("session", "async"): "pymongo.asynchronous.client_session.AsyncClientSession",
    ("gridfs-bucket", "sync"): "gridfs.GridFSBucket",
    ("gridfs-bucket", "async"): "gridfs.AsyncGridFSBucket",
    ("gridfs", "sync"): "gridfs.GridFS",
    ("gridfs", "async"): "gridfs.AsyncGridFS",
    ("grid-out-cursor", "sync"): "gridfs.GridOutCursor",
    ("grid-out-cursor", "async"): "gridfs.AsyncGridOutCursor",
    ("client-encryption", "sync"): "pymongo.encryption.ClientEncryption",
    ("client-encryption", "async"): "pymongo.asynchronous.encryption.AsyncClientEncryption",
    ("client", "motor"): "motor.motor_asyncio.AsyncIOMotorClient",
    ("database", "motor"): "motor.motor_asyncio.AsyncIOMotorDatabase",
    ("collection", "motor"): "motor.motor_asyncio.AsyncIOMotorCollection",
    ("cursor", "motor"): "motor.motor_asyncio.AsyncIOMotorCursor",
    ("command-cursor", "motor"): "motor.motor_asyncio.AsyncIOMotorCommandCursor",
    ("change-stream", "motor"): "motor.motor_asyncio.AsyncIOMotorChangeStream",
    ("session", "motor"): "motor.motor_asyncio.AsyncIOMotorClientSession",
    ("gridfs-bucket", "motor"): "motor.motor_asyncio.AsyncIOMotorGridFSBucket",
    ("grid-out-cursor", "motor"): "motor.motor_asyncio.AsyncIOMotorGridOutCursor",
}
"""A public path of the class of a kind. GridIn and GridOut answer for the fields of the stored document: they are left out."""

_PLAIN = frozenset(dir(str) + dir(list) + dir(dict) + dir(set) + dir(bytes)) | frozenset(
    ("info", "debug", "warning", "critical", "exception", "log", "isoformat", "strftime", "timestamp", "read", "readline", "write", "group")
)
"""Names of everyday objects: looked at only where a driver had the name, too, and on what is imported from one."""

_MOCK = frozenset(
    (
        *("assert_called", "assert_called_once", "assert_called_once_with", "assert_called_with", "assert_any_call", "assert_not_called"),
        *(
            "assert_has_calls",
            "assert_awaited",
            "assert_awaited_once",
            "assert_awaited_once_with",
            "assert_awaited_with",
            "assert_any_await",
        ),
        *("assert_has_awaits", "assert_not_awaited", "attach_mock", "await_args", "await_args_list", "await_count", "call_args"),
        *("call_args_list", "call_count", "called", "configure_mock", "method_calls", "mock_add_spec", "mock_calls", "reset_mock"),
        *("return_value", "side_effect"),
    )
)
"""What only a mock has: the object was replaced by one, wherever that was done."""

STATE = re.compile(
    r"(?:is|has|was|can|should)_\w+|is[A-Z]\w*|(?:dis)?connected|closed|alive|open(?:ed)?|ready|active|available|exists|empty|started|stopped|running"
    r"|healthy|valid|initiali[sz]ed|online"
)
"""Names of flags: a driver's object without such a member gives a database or collection, which is no answer."""

_HANDS_ON = frozenset(
    (
        *("asyncio.to_thread", "fastapi.concurrency.run_in_threadpool", "fastapi.BackgroundTasks().add_task", "gevent.spawn"),
        *("concurrent.futures.ThreadPoolExecutor().submit", "concurrent.futures.Executor().submit"),
    )
)
"""Launchers that hand every keyword argument on to the callable, having none of their own."""

_MOCK_MEMBERS = frozenset(
    (
        "return_value", "side_effect", "called", "call_count", "call_args", "call_args_list", "mock_calls", "method_calls", "reset_mock", "await_count", "await_args",
        "await_args_list", "configure_mock", "attach_mock", "mock_add_spec",
    )
)  # fmt: skip
"""Attributes of ``unittest.mock`` objects."""


_OTHER_BSON = frozenset(("", "codec", "network", "objectid", "py3compat", "tz_util"))
"""The modules of the other distribution called ``bson`` (0.5.10), and the package itself."""


class NameUse:
    """A use of a name that some targeted release does not have."""

    __slots__ = ("advice", "answer", "cause", "node", "problem", "replacement", "shown", "span", "suggestion", "target", "what")

    def __init__(
        self,
        node: ast.AST,
        span: Span,
        answer: Answer,
        problem: str,
        what: str,
        shown: str,
        target: Target,
        *,
        replacement: Replacement | None = None,
        suggestion: str = "",
        advice: str = "",
    ) -> None:
        self.node = node
        """The alias, attribute, name or keyword."""
        self.span = span
        self.answer = answer
        self.problem = problem
        """``nonexistent``, ``removed`` (in some or all targeted releases) or ``new`` (for some or all of them)."""
        self.what = what
        """module, name, member, read, keyword or receiver (a method used as a collection)."""
        self.shown = shown
        """The name for people."""
        self.target = target
        self.replacement = replacement
        """The curated replacement, if there is one."""
        self.suggestion = suggestion
        """What exists in every targeted release and is probably meant: a path, a member or a keyword."""
        self.advice = advice
        """What the use does instead, for the message; empty for the usual error."""
        self.cause = f"name@{span.line}:{span.col}"


# ---------------------------------------------------------------------- what the file works with


@functools.cache
def class_of(family: str, flavour: str) -> str:
    """The id of the class of a kind of object; empty when its members are not checked."""
    spelling = _SPELLINGS.get((family, flavour))
    if spelling is None and flavour == "async":
        spelling = _SPELLINGS.get((family, "sync"))
    found = api.resolve(spelling) if spelling else None
    return found.path if found is not None and found.kind == "class" else ""


def class_of_object(value: Driver) -> str:
    """The id of the class of a driver object; of the result of a write, by the method that gave it."""
    if value.family != "result":
        return class_of(value.family, value.flavour)
    call = value.site.node if value.site is not None else None
    if value.parent is None or not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return ""
    flavour = "sync" if value.flavour == "motor" else value.flavour
    owner = class_of(value.parent.family, flavour)
    return api.returns(owner, call.func.attr) if owner else ""


def is_driver_source(module: "Module") -> bool:
    """Whether the file belongs to a driver itself, or stands beside a copy of one: it is made for that very release."""
    parts = module.location.replace("\\", "/").split("/")[:-1]
    for package, mark in modules.DRIVER_MARKS.items():
        if package in parts:
            folder = "/".join(parts[: len(parts) - parts[::-1].index(package)])
            if os.path.isfile(os.path.join(folder, mark)):
                return True
    return any(_is_driver_project(root) for root in module.roots)


def _is_driver_project(root: str) -> bool:
    """Whether a folder is the source tree of a driver, with its tests and tools."""
    if not any(os.path.isfile(os.path.join(root, package, modules.DRIVER_MARKS[package])) for package in api.DISTRIBUTIONS):
        return False
    for name in ("pyproject.toml", "setup.py"):
        text = read_text(os.path.join(root, name)) or ""
        if re.search(r"""\bname\s*=\s*["'](?:pymongo|motor)["']""", text):
            return True
    return False


def is_local(module: "Module", what: Import) -> bool:
    """Whether an import names a module of the program that is called like a driver's package."""
    return modules.shadows_driver(module.roots, module.location, what.module)


def driver_imports(module: "Module") -> list[tuple[Import, Scope]]:
    """The imports of the drivers' packages, in source order."""
    found = []
    for what, scope in module.index.imports:
        if not what.level and what.module.partition(".")[0] in api.PACKAGES and not is_local(module, what):
            found.append((what, scope))
    found.sort(key=lambda pair: (pair[0].alias.lineno, pair[0].alias.col_offset))
    return found


def problem_of(answer: Answer, wanted: int) -> str:
    """What is wrong with a name in the targeted releases, or nothing."""
    if answer.status is Status.NEVER:
        return NONEXISTENT
    if answer.status is Status.GONE:
        return REMOVED
    if answer.status is Status.LATER:
        return NEW
    if answer.status is Status.SOME:
        lacking = wanted & ~answer.have
        lowest = answer.have & -answer.have
        return REMOVED if lacking > lowest else NEW
    return ""


# ---------------------------------------------------------------------- the scan


class _Scan:
    def __init__(self, module: "Module") -> None:
        self.module = module
        self.target = target_for(module.location, module.project.config)
        self.found: list[NameUse] = []
        self.imports = driver_imports(module)
        self.roots = {what.module.partition(".")[0] for what, _ in self.imports}
        self.everything = Target(api.everything("pymongo"), api.everything("motor"))
        self.caught = {handler.name for handler, _ in module.index.handlers if handler.name}
        self._stdlib: frozenset[str] | None = None
        self._callables: set[ast.AST] | None = None
        self._own_is_plain: dict[Scope, bool] = {}

    def run(self) -> list[NameUse]:
        if is_driver_source(self.module):
            return []
        for what, _ in self.imports:
            self._import(what)
        self._star_names()
        self._attributes()
        self._keywords()
        self.found.sort(key=lambda use: (use.span.line, use.span.col))
        return self.found

    # imports -----------------------------------------------------------

    def _alias_span(self, alias: ast.alias, name: str) -> Span:
        span = self.module.source.span(alias)
        return Span(span.line, span.col, span.line, span.col + len(name))

    def _module_span(self, what: Import) -> Span:
        if isinstance(what.statement, ast.Import):
            return self._alias_span(what.alias, what.alias.name)
        start = self.module.source.span(what.statement)
        line = self.module.source.lines[start.line - 1]
        col = line.find(what.module, start.col + len("from"))
        if col < 0:
            return Span(start.line, start.col, start.line, start.col + len("from"))
        return Span(start.line, col, start.line, col + len(what.module))

    def _import(self, what: Import) -> None:
        parts = what.module.split(".")
        for end in range(1, len(parts) + 1):
            path = ".".join(parts[:end])
            answer = api.module(path, self.target)
            if self._wrong(answer):
                if not self._excused(what.alias, IMPORT_ERRORS, answer):
                    replacement = renames.path_replacement(path)
                    suggestion = api.suggest_module(path, self.target)
                    if isinstance(what.statement, ast.ImportFrom) and what.name != "*" and len(what.statement.names) == 1:
                        whole = f"{path}.{what.name}" if path == what.module else ""
                        of_name = renames.path_replacement(whole) if whole else None
                        replacement, suggestion = (of_name, of_name.new or suggestion) if of_name is not None else (replacement, suggestion)
                    self._add(what.alias, self._module_span(what), answer, "module", path, replacement, suggestion)
                return
        if isinstance(what.statement, ast.ImportFrom) and what.name != "*":
            self._imported_name(what)

    def _imported_name(self, what: Import) -> None:
        answer = api.name(what.module, what.name, self.target)
        if not self._wrong(answer) or self._excused(what.alias, IMPORT_ERRORS, answer):
            return
        path = f"{what.module}.{what.name}"
        self._add(
            what.alias,
            self._alias_span(what.alias, what.name),
            answer,
            "name",
            path,
            renames.path_replacement(path),
            api.suggest_name(what.module, what.name, self.target),
        )

    def _star_names(self) -> None:
        """Names that can only come from ``from driver import *`` and that the driver lacks."""
        index = self.module.index
        stars = [what for what, _ in index.imports if what.name == "*"]
        ours = [what for what, _ in self.imports if what.name == "*"]
        if not ours:
            return
        bound = {name for scope in index.scopes for name in scope.bindings}
        for name, loads in index.name_loads.items():
            if name in bound or name.startswith("_") or hasattr(builtins, name):
                continue
            for what in ours:
                path = f"{what.module}.{name}"
                answer = api.name(what.module, name, self.target)
                replacement = renames.path_replacement(path)
                if answer.status in (Status.OK, Status.OPEN):
                    break
                # A name that no release had may come from another star; one that is known to be imagined does not.
                if not self._wrong(answer) or (answer.status is Status.NEVER and (replacement is None or len(stars) > len(ours))):
                    continue
                if not self._excused(loads[0], NAME_ERRORS, answer):
                    suggestion = api.suggest_name(what.module, name, self.target)
                    self._add(loads[0], self.module.source.span(loads[0]), answer, "name", path, replacement, suggestion)
                break

    # attributes --------------------------------------------------------

    def _attributes(self) -> None:
        module = self.module
        index = module.index
        inference = module.inference
        ordinary = [name for name in index.attribute_loads if not name.startswith("_")]
        # Names that a driver has or had come first: should the work be cut off, what is left is the least likely.
        ordinary.sort(key=lambda name: (not _ever(name), name))
        imported = {what.alias.asname or what.alias.name for what, _ in self.imports}
        for name in ordinary:
            familiar = _ever(name)
            if not familiar and inference.work > MAX_WORK // 2:
                continue
            plain = not familiar and name in _PLAIN
            for node in index.attribute_loads[name]:
                if plain and not (isinstance(node.value, ast.Name) and node.value.id in imported):
                    continue
                if not self._idle(node) and not self._of_own_object(node):
                    self._attribute(node)

    def _idle(self, node: ast.Attribute) -> bool:
        """Whether the receiver is certainly nothing of a driver, told by its first name alone."""
        base = base_of(node.value, CHAINS)
        if isinstance(base, ast.Name):
            return base.id in self._standard_modules()
        return isinstance(base, (ast.Constant, ast.JoinedStr))

    def _of_own_object(self, node: ast.Attribute) -> bool:
        """Whether an attribute is read from the object that a method belongs to, of a class that has nothing of a driver."""
        name = node.value
        if not isinstance(name, ast.Name):
            return False
        scope = self.module.index.scope(name).function
        if scope.cls is None or scope.kind != "function" or len(scope.bindings.get(name.id, ())) != 1:
            return False
        first = scope.positional[:1]
        if not first or first[0].arg != name.id:
            return False
        plain = self._own_is_plain.get(scope)
        if plain is None:
            values = known(self.module.values(name))
            plain = self._own_is_plain[scope] = bool(values) and all(
                isinstance(v, (Instance, Class)) and self.module.inference.driver_base(v if isinstance(v, Class) else v.cls) is None
                for v in values
            )
        return plain

    def _standard_modules(self) -> frozenset[str]:
        """Local names that only ever mean a module of the standard library."""
        if self._stdlib is None:
            names: dict[str, bool] = {}
            for scope in self.module.index.scopes:
                for name, bindings in scope.bindings.items():
                    plain = all(b.how == "import" and _from_stdlib(b.value) for b in bindings)
                    names[name] = names.get(name, True) and plain
            self._stdlib = frozenset(name for name, plain in names.items() if plain)
        return self._stdlib

    def _attribute(self, node: ast.Attribute) -> None:
        values = known(self.module.values(node.value))
        if not values or UNKNOWN in values:
            if isinstance(node.value, ast.Name) and node.value.id in self.caught:
                self._of_exception(node, node.value)
            return
        if all(isinstance(value, Method) for value in values):
            self._method_as_collection(node, values[0])
        elif len(values) == 1 and isinstance(values[0], External):
            self._external(node, values[0].path)
        elif not self._through_removed(node.value):
            drivers = self.module.inference.flavours(values)
            if not drivers:
                driver = self._behind_proxy(values, node.attr)
                if driver is not None:
                    self._member(node, driver)
            elif not self._program_class_has(values, node.attr) and not any(self._has(driver, node.attr) for driver in drivers[1:]):
                self._member(node, drivers[0])

    def _has(self, driver: Driver, name: str) -> bool:
        """Whether an object may have a member in every targeted release."""
        class_id = class_of_object(driver)
        return not class_id or not self._wrong(api.member(class_id, name, self.target))

    def _behind_proxy(self, values: tuple[Value, ...], name: str) -> Driver | None:
        """The driver object that an object of the program hands an attribute on to, by ``__getattr__``; None when it may have its own."""
        inference = self.module.inference
        parts: list[Value] = []
        for value in values:
            order = inference.resolution_order(value.cls) if isinstance(value, Instance) else []
            if not isinstance(value, Instance) or not any("__getattr__" in cls.bindings for _, cls in order):
                return None
            for home, cls in order:
                if {name, "__getattribute__"} & cls.bindings.keys() or name in home.index.attribute_stores:
                    return None
            if _has_unknown_base(value.cls) or inference.external_bases(value.cls):
                return None
            parts.extend(inference.stands_for(value))
        return inference.agreed(tuple(parts))

    def _through_removed(self, receiver: ast.expr) -> bool:
        """Whether a receiver is read from a property that is gone: it is a database or collection now, and reported by itself."""
        if not isinstance(receiver, ast.Attribute):
            return False
        owner = self.module.inference.kind(self.module, receiver.value)
        if owner is None or owner.family not in _OPEN_OBJECTS:
            return False
        class_id = class_of(owner.family, owner.flavour)
        return bool(class_id) and api.member(class_id, receiver.attr, self.target).status is Status.GONE

    def _external(self, node: ast.Attribute, path: str) -> None:
        if path.partition(".")[0] not in api.PACKAGES:
            return
        instance = path.endswith("()")
        found = api.resolve(path[:-2] if instance else path, self.everything)
        if found is None:
            return
        name = node.attr
        if found.kind == "module" and not instance:
            self._module_attribute(node, found.path)
        elif found.kind == "class" and api.is_class(found.path):
            if not instance and (name in dir(type) or name in _MOCK):
                return
            if instance and (api.has_getattr(found.path) or _subclass_has(found.path, name)):
                return
            self._class_member(node, found.path, renames.family_of(found.path))

    def _of_exception(self, node: ast.Attribute, name: ast.Name) -> None:
        """An attribute of a caught exception: wrong when no class that the handler names has it, nor any that inherits from one."""
        index = self.module.index
        handler = next((up for up in index.ancestors(name) if isinstance(up, ast.ExceptHandler) and up.name == name.id), None)
        if handler is None or handler.type is None or node.attr in index.attribute_stores:
            return
        if not isinstance(index.parents.get(handler), ast.Try):
            return  # ``except*`` gives the group of the errors
        if any(b.how != "except" and handler.lineno < b.position[0] <= name.lineno for b in index.scope(name).bindings.get(name.id, ())):
            return
        found = []
        for each in handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]:
            values = known(self.module.values(each))
            path = values[0].path if len(values) == 1 and isinstance(values[0], External) else ""
            resolved = api.resolve(path, self.everything) if path.partition(".")[0] in api.PACKAGES else None
            if resolved is None or not api.is_class(resolved.path) or _subclass_has(resolved.path, node.attr):
                return
            if not self._wrong(api.member(resolved.path, node.attr, self.target)):
                return
            found.append(resolved.path)
        if found:
            self._class_member(node, found[0], "")

    def _module_attribute(self, node: ast.Attribute, module_path: str) -> None:
        name = node.attr
        full = f"{module_path}.{name}"
        answer = api.name(module_path, name, self.target)
        if not self._wrong(answer):
            if api.module(full, self.target).status is Status.OK:
                self._submodule(node, full)
            return
        if self._excused(node, NAME_ERRORS, answer):
            return
        # ``import pymongo.pool; pymongo.pool.ThreadPool``: the module itself may be what is missing, and is reported there.
        written = f"{dotted(node)}."
        if any(isinstance(what.statement, ast.Import) and f"{what.alias.name}.".startswith(written) for what, _ in self.imports):
            return
        if api.module(module_path, self.target).status in (Status.GONE, Status.NEVER):
            return
        span = self.module.source.name_span(node)
        self._add(node, span, answer, "name", full, renames.path_replacement(full), api.suggest_name(module_path, name, self.target))

    def _submodule(self, node: ast.Attribute, full: str) -> None:
        """``import pymongo`` alone does not load every submodule; any other import of a driver may."""
        answer = api.loaded_by_package(full, self.target)
        if answer.status is Status.OK or not answer.missing:
            return
        for each in self.module.project.order:
            for what, _ in each.index.imports:
                if what.level == 0 and what.module.partition(".")[0] in api.PACKAGES and not self._comes_along(what.module):
                    return
                if what.level == 0 and what.module == "pymongo" and what.name:
                    resolved = api.resolve(f"pymongo.{what.name}")
                    if resolved is None or (resolved.kind == "module" and not self._comes_along(f"pymongo.{what.name}")):
                        return
                if what.level or (what.module.partition(".")[0] not in api.PACKAGES and not _from_stdlib(what.statement)):
                    return  # another module may import it
        if self._excused(node, NAME_ERRORS, answer):
            return
        problem = NONEXISTENT if answer.status is Status.NEVER else REMOVED
        span = self.module.source.name_span(node)
        advice = f"'import {full.partition('.')[0]}' does not load the submodule"
        self.found.append(NameUse(node, span, answer, problem, "submodule", full, self.target, suggestion=f"import {full}", advice=advice))

    def _comes_along(self, path: str) -> bool:
        """Whether importing a module of the drivers loads nothing that ``import pymongo`` does not load anyway."""
        package = path.partition(".")[0]
        if package != "pymongo":
            return package == "bson"
        return path == package or api.loaded_by_package(path, self.target).status is Status.OK

    def _class_member(self, node: ast.Attribute, class_id: str, family: str) -> None:
        name = node.attr
        answer = api.member(class_id, name, self.target)
        if not self._wrong(answer) or self._excused(node, NAME_ERRORS, answer) or self._patched(class_id, name):
            return
        replacement = (renames.member_replacement(family, name) if family else None) or _path_of_member(class_id, name)
        shown = f"{class_id.rpartition('.')[2]}.{name}"
        suggestion = api.suggest_member(class_id, name, self.target)
        self._add(node, self.module.source.name_span(node), answer, "member", shown, replacement, suggestion)

    def _member(self, node: ast.Attribute, driver: Driver) -> None:
        class_id = class_of_object(driver)
        name = node.attr
        if not class_id or name in wrappers.EXTRA_MEMBERS or name in _MOCK:
            return
        if driver.family not in _OPEN_OBJECTS:
            if not api.has_getattr(class_id) and (self._likely(class_id, name) or self._made_here(node, driver)):
                self._class_member(node, class_id, driver.family if driver.family != "result" else "")
            return
        answer = api.member(class_id, name, self.target)
        if not self._wrong(answer) or self._off_by_one(driver, name):
            return
        parent = self.module.index.parents.get(node)
        called = (isinstance(parent, ast.Call) and parent.func is node) or node in self._handed() or self._called_by_name(parent)
        called = called or (isinstance(parent, (ast.Call, ast.keyword)) and self._called_by_callee(node, parent))
        advice = ""
        if not called:
            advice = f"it is silently a {_CHILD[driver.family]}"
            if not self._reads_member(node, parent, class_id, driver.family, answer):
                return
        if self._excused(node, NAME_ERRORS, answer) or self._patched(class_id, name):
            return
        family = driver.family
        replacement = renames.member_replacement(family, name)
        if replacement is not None and answer.status is Status.NEVER and replacement.removed:
            replacement = replacement._replace(removed="")
        shown = f"{class_id.rpartition('.')[2]}.{name}"
        suggestion = api.suggest_member(class_id, name, self.target)
        self._add(node, self.module.source.name_span(node), answer, "member" if called else "read", shown, replacement, suggestion, advice)

    def _likely(self, class_id: str, name: str) -> bool:
        """Whether a name is one of a driver, or nearly, or one of another language's: then it is meant as a member of it."""
        return (
            _ever(name)
            or name != name.lower()
            or bool(_path_of_member(class_id, name))
            or bool(api.suggest_member(class_id, name, self.target))
        )

    def _made_here(self, node: ast.AST, driver: Driver) -> bool:
        """Whether an object is made in a function around its use, or outside of functions: what another function returns may be
        converted on its way, by a decorator for one."""
        if driver.site is None or driver.site.module is not self.module or driver.site.node not in self.module.index.parents:
            return False
        owner: Driver | None = driver
        for _ in range(8):
            if owner is None:
                break
            if owner.site is not None and owner.site.module is not self.module:
                return False
            owner = owner.parent
        home = self.module.index.scope(driver.site.node).function
        around: Scope | None = self.module.index.scope(node)
        while around is not None and around is not home:
            around = around.parent
        if home.kind in ("module", "class") or around is home:
            return True
        # ``self.fs = GridFS(db)``, read as ``self.fs`` somewhere else
        stored = self.module.index.parents.get(driver.site.node)
        receiver = node.value if isinstance(node, ast.Attribute) else None
        return isinstance(stored, ast.Assign) and any(
            isinstance(target, ast.Attribute) and isinstance(receiver, ast.Attribute) and target.attr == receiver.attr
            for target in stored.targets
        )

    def _called_by_name(self, statement: ast.AST | None) -> bool:
        """``insert = coll.insert`` where every use of the name calls it."""
        target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
        if not isinstance(target, ast.Name):
            return False
        index = self.module.index
        scope = index.scope(target)
        if len(scope.bindings.get(target.id, ())) != 1:
            return False
        loads = [load for load in index.name_loads.get(target.id, ()) if index.scope(load).binder(target.id) is scope]
        calls = [index.parents.get(load) for load in loads]
        return bool(loads) and all(isinstance(call, ast.Call) and call.func is load for call, load in zip(calls, loads, strict=True))

    def _called_by_callee(self, node: ast.AST, parent: ast.AST) -> bool:
        """``retry(coll.insert, doc)``, where ``retry`` does nothing with its parameter but call it."""
        index = self.module.index
        call = index.parents.get(parent) if isinstance(parent, ast.keyword) else parent
        callees = known(self.module.values(call.func)) if isinstance(call, ast.Call) else ()
        if not isinstance(call, ast.Call) or len(callees) != 1 or not isinstance(callees[0], Function):
            return False
        function = callees[0]
        parameter = receiving(function, call, node)
        if not parameter:
            return False
        inside = function.module.index
        loads = [load for load in inside.name_loads.get(parameter, ()) if inside.scope(load).binder(parameter) is function.scope]
        uses = [(load, inside.parents.get(load)) for load in loads]
        return bool(uses) and all(isinstance(user, ast.Call) and user.func is load for load, user in uses)

    def _handed(self) -> set[ast.AST]:
        """Attributes that are handed over to be called: to a thread, an executor, ``partial``."""
        if self._callables is None:
            calls = self.module.calls
            self._callables = {work.target for work in calls.works if isinstance(work.target, ast.Attribute)}
            for call, _, value in calls.constructions:
                if isinstance(value, External) and value.path == "functools.partial" and call.args:
                    self._callables.add(call.args[0])
        return self._callables

    @staticmethod
    def _off_by_one(driver: Driver, name: str) -> bool:
        """Whether the annotation is what is wrong: a parameter annotated as a client that is a database, by what is done with it."""
        client = driver.parent
        if driver.family != "database" or client is None or client.family != "client" or client.site is None:
            return False
        return not isinstance(client.site.node, ast.Call) and kinds.member("collection", driver.flavour, name) is not None

    def _reads_member(self, node: ast.Attribute, parent: ast.AST | None, class_id: str, family: str, answer: Answer) -> bool:
        """Whether an attribute that is not called is meant as a member: a property that is gone, or an imagined one in a condition."""
        if answer.status is Status.LATER or problem_of(answer, self.target.mask(answer.dist)) == NEW:
            return False
        if answer.status is Status.NEVER:
            if renames.member_replacement(family, node.attr) is not None:
                return self._in_test(node, parent)
            return STATE.fullmatch(node.attr) is not None and self._asks_truth(node, parent)
        if self._in_test(node, parent):
            return True
        if api.member_kind(class_id, node.attr) not in ("property", "attribute"):
            return False
        if isinstance(parent, ast.Attribute):
            member = kinds.member(family, "sync", node.attr)
            if member is None or member.result != "client" or family == "client":
                return False
            inner = api.member(class_of("collection", "sync"), parent.attr, self.everything)
            return kinds.member("client", "sync", parent.attr) is not None and inner.status is Status.NEVER
        if isinstance(parent, ast.Subscript) and parent.value is node:
            return False
        stored = parent.targets[0] if isinstance(parent, ast.Assign) and len(parent.targets) == 1 else None
        if isinstance(parent, (ast.AnnAssign, ast.NamedExpr)):
            stored = parent.target
        return stored is None or not self._used_as_collection(last_name(stored))

    def _used_as_collection(self, name: str) -> bool:
        """Whether something of this name is used with attributes or items later: it is a database or collection on purpose."""
        index = self.module.index
        loads: list[ast.AST] = [*index.name_loads.get(name, ()), *index.attribute_loads.get(name, ())]
        return any(isinstance(index.parents.get(load), (ast.Attribute, ast.Subscript)) for load in loads)

    @classmethod
    def _asks_truth(cls, node: ast.AST, parent: ast.AST | None) -> bool:
        """Whether a value is used as a flag: its truth is asked for, or it is compared with a constant."""
        if isinstance(parent, ast.Compare):
            others = [side for side in (parent.left, *parent.comparators) if side is not node]
            return all(isinstance(side, ast.Constant) and side.value is not None for side in others)
        return cls._in_test(node, parent)

    @staticmethod
    def _in_test(node: ast.AST, parent: ast.AST | None) -> bool:
        if isinstance(parent, (ast.If, ast.While, ast.IfExp, ast.Assert)):
            return parent.test is node
        if isinstance(parent, ast.comprehension):
            return node in parent.ifs
        if isinstance(parent, ast.match_case):
            return parent.guard is node
        if isinstance(parent, ast.Call):
            return last_name(parent.func) == "bool"
        return isinstance(parent, (ast.BoolOp, ast.Compare)) or (isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not))

    def _program_class_has(self, values: tuple[Value, ...], name: str) -> bool:
        """Whether a class of the program that inherits from a driver class may supply the member."""
        inference = self.module.inference
        for value in values:
            if not isinstance(value, Instance):
                continue
            for home, cls in inference.resolution_order(value.cls):
                if {name, "__getattr__", "__getattribute__"} & cls.bindings.keys() or name in home.index.attribute_stores:
                    return True
            if any(kinds.class_kind(base) is None for base in inference.external_bases(value.cls)):
                return True
            if _has_unknown_base(value.cls):
                return True
        return False

    def _method_as_collection(self, node: ast.Attribute, value: Value) -> None:
        """``db.command.find_one()``: a method has no such attribute."""
        method = node.value
        if not isinstance(value, Method) or not isinstance(method, ast.Attribute) or value.owner.family not in _OPEN_OBJECTS:
            return
        parent = self.module.index.parents.get(node)
        if not isinstance(parent, ast.Call) or parent.func is not node or not _ever(node.attr):
            return
        class_id = class_of(value.owner.family, value.owner.flavour)
        answer = api.member(class_id, method.attr, self.target) if class_id else None
        if (
            answer is None
            or answer.status is not Status.OK
            or api.member_kind(class_id, method.attr, self.target) not in ("method", "coroutine")
        ):
            return
        if self._excused(node, NAME_ERRORS, answer):
            return
        shown = f"{class_id.rpartition('.')[2]}.{method.attr}"
        answer = answer._replace(status=Status.NEVER)
        child = _CHILD[value.owner.family].lower()
        advice = f"write {text_of(method.value, 30)}[{method.attr!r}] for the {child} of that name"
        use = NameUse(node, self.module.source.name_span(node), answer, NONEXISTENT, "receiver", shown, self.target, advice=advice)
        self.found.append(use)

    # keyword arguments -------------------------------------------------

    def _keywords(self) -> None:
        module = self.module
        for call, _, method in module.calls.methods:
            self._arguments(call, method)
        for work in module.calls.works:
            handed = module.inference.method(module, work.target) if work.path in _HANDS_ON and work.call.keywords else None
            if handed is not None:
                self._arguments(work.call, handed, work.launcher.keyword)
        for call in module.index.calls:
            if call.keywords and any(isinstance(arg, ast.Attribute) and _ever(arg.attr) for arg in call.args):
                self._handed_on(call)
        seen: set[ast.AST] = set()
        for call, _, value in module.calls.constructions:
            if call in seen or not call.keywords:
                continue
            seen.add(call)
            if isinstance(value, Partial):
                continue
            if isinstance(value, External):
                self._constructed(call, value.path)

    def _handed_on(self, call: ast.Call) -> None:
        """``retry(coll.find_one, {}, fields=names)``: keywords for which a function of the program has no parameter of its own."""
        callees = known(self.module.values(call.func))
        function = callees[0] if len(callees) == 1 else None
        if not isinstance(function, Function) or isinstance(function.scope.node, ast.Lambda):
            return
        rest: ast.arg | None = function.scope.node.args.kwarg  # type: ignore[attr-defined]
        if rest is None:
            return
        own = {arg.arg for arg in function.scope.params}
        index = function.module.index
        for handed in call.args:
            parameter = receiving(function, call, handed) if isinstance(handed, ast.Attribute) else ""
            loads = [load for load in index.name_loads.get(parameter, ()) if index.scope(load).binder(parameter) is function.scope]
            users = [index.parents.get(load) for load in loads]
            passed = [
                isinstance(user, ast.Call)
                and user.func is load
                and any(k.arg is None and isinstance(k.value, ast.Name) and k.value.id == rest.arg for k in user.keywords)
                for load, user in zip(loads, users, strict=True)
            ]
            method = self.module.inference.method(self.module, handed) if passed and all(passed) else None
            class_id = class_of_object(method.owner) if method is not None else ""
            if method is None or not class_id:
                continue
            for item in call.keywords:
                if item.arg is not None and item.arg not in own:
                    self._keyword(item, class_id, method.owner.family, method.name)

    def _arguments(self, call: ast.Call, method: Method, own: str = "") -> None:
        """The keyword arguments of a method, given by its call or by a launcher (whose ``own`` keyword is not one of them)."""
        class_id = class_of_object(method.owner)
        if not class_id:
            return
        for item in call.keywords:
            if item.arg is not None and item.arg != own:
                self._keyword(item, class_id, method.owner.family, method.name)

    def _keyword(self, item: ast.keyword, class_id: str, family: str, name: str) -> None:
        argument = item.arg or ""
        answer = api.keyword(class_id, name, argument, self.target)
        if not self._wrong(answer):
            return
        if self._excused(item, NAME_ERRORS, answer):
            return
        replacement = renames.keyword_replacement(family, name, argument)
        spelled = class_id.rpartition(".")[2] if name in ("__init__", "__new__") else f"{class_id.rpartition('.')[2]}.{name}"
        shown = f"{spelled}({argument}=)"
        self._add(
            item,
            self._keyword_span(item),
            answer,
            "keyword",
            shown,
            replacement,
            self._near(class_id, name, argument, replacement),
        )

    def _near(self, class_id: str, name: str, argument: str, replacement: Replacement | None) -> str:
        if replacement is not None:
            return replacement.new
        names = [each for row in api.parameters(class_id, name, self.target) for each in (*row.positional, *row.keyword_only)]
        snake = api.snake_case(argument)
        return snake if snake in names and snake != argument else ""

    def _keyword_span(self, item: ast.keyword) -> Span:
        span = self.module.source.span(item)
        return Span(span.line, span.col, span.line, span.col + len(item.arg or ""))

    def _constructed(self, call: ast.Call, path: str) -> None:
        if path in ("functools.partial", "functools.partialmethod"):
            method = self.module.inference.method(self.module, call.args[0]) if call.args else None
            if method is not None:
                self._arguments(call, method)
            return
        if path.partition(".")[0] not in api.PACKAGES or "()" in path:
            return
        found = api.resolve(path, self.everything)
        if found is None:
            return
        kind = kinds.class_kind(found.path)
        if found.kind == "class" and api.is_class(found.path) and (kind is None or kind[0] != "client"):
            # A tuple or a text is made by ``__new__``; one that hands on to that of its base cannot be told from its own parameters.
            made = [row for base in api.linearised(found.path) if (row := api.parameters(base, "__new__", self.everything))]
            initialiser = "__new__" if len(made) == 1 and not any(row.varkeywords for row in made[0]) else "__init__"
            for item in call.keywords:
                if item.arg is not None:
                    self._keyword(item, found.path, kind[0] if kind is not None else "", initialiser)
        elif found.kind == "function":
            for item in call.keywords:
                if item.arg is not None:
                    self._function_keyword(item, found.path)

    def _function_keyword(self, item: ast.keyword, path: str) -> None:
        argument = item.arg or ""
        accepted = api.function(path, self.target)
        if not accepted or any(row.accepts(argument) for row in accepted):
            return
        ever = any(row.accepts(argument) for row in api.function(path, self.everything))
        dist = api.distribution(path)
        status = Status.GONE if ever else Status.NEVER
        answer = Answer(status, f"{path}({argument}=)", dist, missing=api.ranges(dist, self.target.mask(dist)))
        if not self._wrong(answer) or self._excused(item, NAME_ERRORS, answer):
            return
        self._add(item, self._keyword_span(item), answer, "keyword", f"{path}({argument}=)", None, "")

    # helpers -----------------------------------------------------------

    def _wrong(self, answer: Answer) -> bool:
        if answer.status in (Status.OK, Status.OPEN):
            return False
        if answer.status is Status.NEVER and answer.dist in self.target.beyond:
            # The project works with a release newer than any that is known here: the name may be new, unless it is known to be imagined.
            parent, _, last = answer.subject.rpartition(".")
            curated = renames.path_replacement(answer.subject) or renames.member_replacement(renames.family_of(parent), last)
            return curated is not None
        return True

    def _excused(self, node: ast.AST, errors: frozenset[str], answer: Answer) -> bool:
        subject = answer.subject
        if isinstance(node, ast.Attribute) and (node.attr in _MOCK_MEMBERS or node.attr.startswith("assert_")):
            # The test has put a mock where the driver's object stood.
            return True
        if subject.startswith("bson.") and answer.status is Status.NEVER and self._other_bson():
            return True
        if isinstance(node, ast.Attribute) and tested_class(self.module, node, subject.rpartition(".")[0].rpartition(".")[2]):
            return True
        return guarded(self.module, node, errors) or self._skipped(subject)

    def _other_bson(self) -> bool:
        """Whether ``bson`` may be the other distribution of that name: nothing here is of a driver that this one lacks."""
        if self.roots - {"bson"}:
            return False
        for what, _ in self.imports:
            paths = [what.module] if isinstance(what.statement, ast.Import) else [what.module, f"{what.module}.{what.name}"]
            for path in paths:
                submodule = path.split(".")[1] if "." in path else ""
                if submodule not in _OTHER_BSON and api.module(f"bson.{submodule}", self.everything).status is not Status.NEVER:
                    return False
        return True

    def _skipped(self, subject: str) -> bool:
        """Whether ``pytest.importorskip`` stands for a module that the name belongs to."""
        if "importorskip" not in self.module.source.text:
            return False
        for call in self.module.index.calls:
            name = literal_text(call.args[0]) if last_name(call.func) == "importorskip" and call.args else None
            if name is not None and name not in api.PACKAGES and f"{subject}.".startswith(f"{name}."):
                return True
        return False

    def _patched(self, class_id: str, name: str) -> bool:
        """Whether the program itself puts the name on a driver's class or object, in this file or one that it leads to."""
        module = self.module
        for store in module.index.attribute_stores.get(name, ()):
            if isinstance(store.target, ast.Attribute):
                for value in known(module.values(store.target.value)):
                    if isinstance(value, (External, Driver, Class)):
                        return True
        cls = class_id.rpartition(".")[2]
        if module.project.mentions(
            f"{cls}.{name} = ", f"{cls}.{name}=", f"{cls}, '{name}'", f'{cls}, "{name}"', f"{cls}.{name}'", f'{cls}.{name}"'
        ):
            return True
        if name not in module.source.text or not any(word in module.source.text for word in ("setattr", "patch")):
            return False
        for call in module.index.calls:
            if last_name(call.func) in ("setattr", "object", "patch", "multiple"):
                for argument in call.args:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and argument.value.rpartition(".")[2] == name:
                        return True
        return False

    def _add(
        self,
        node: ast.AST,
        span: Span,
        answer: Answer,
        what: str,
        shown: str,
        replacement: Replacement | None,
        suggestion: str,
        advice: str = "",
    ) -> None:
        problem = problem_of(answer, self.target.mask(answer.dist))
        if problem:
            self.found.append(
                NameUse(
                    node, span, answer, problem, what, shown, self.target, replacement=replacement, suggestion=suggestion, advice=advice
                )
            )


def _from_stdlib(statement: ast.AST | None) -> bool:
    if isinstance(statement, ast.Import):
        return all(alias.name.partition(".")[0] in sys.stdlib_module_names for alias in statement.names)
    if isinstance(statement, ast.ImportFrom):
        return not statement.level and (statement.module or "").partition(".")[0] in sys.stdlib_module_names
    return False


def _has_unknown_base(cls: Class) -> bool:
    """Whether a class has a base that nobody can read."""
    return any(isinstance(base, (ast.Call, ast.Starred)) for base in getattr(cls.scope.node, "bases", ()))


@functools.cache
def _ever(name: str) -> bool:
    """Whether any release of a driver has the name as a member of some object of the user interface."""
    return any(name in kinds.members(family, flavour) for family in kinds.FAMILIES for flavour in kinds.FLAVOURS)


@functools.cache
def _subclass_has(class_id: str, name: str) -> bool:
    """Whether a class of the drivers that inherits from a class has the member: ``except PyMongoError as exc: exc.code`` may be right."""
    from flake8_mongo_threads.driver import _api_data

    quoted = f'"{name}":'
    return any(quoted in text and class_id in api.linearised(path) for path, text in _api_data.MEMBERS.items() if path != class_id)


def _path_of_member(class_id: str, name: str) -> Replacement | None:
    """The curated replacement of a member of a class outside the families, or of a base."""
    for path in api.linearised(class_id):
        for spelling in (path, f"{path.partition('.')[0]}.{path.rpartition('.')[2]}"):
            found = renames.path_replacement(f"{spelling}.{name}")
            if found is not None:
                return found
    return None


def names_used(module: "Module") -> list[NameUse]:
    """Every use in this file of a driver's name that some targeted release does not have."""
    return _Scan(module).run()


PRODUCERS[NameUse] = names_used
