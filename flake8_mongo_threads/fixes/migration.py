"""From Motor to PyMongo Async: what one file needs, and what stands in its way.

Read from the semantic model alone; the tables are in :mod:`flake8_mongo_threads.driver.motor_to_pymongo`. Nothing is changed here:
which files change together is decided in :mod:`flake8_mongo_threads.fixes.migration_groups`.
"""

import ast
import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from flake8_mongo_threads.config import Config
from flake8_mongo_threads.driver import kinds
from flake8_mongo_threads.driver.motor_to_pymongo import (
    CHANGES,
    CLASSES,
    CONSTRUCTORS,
    CREATES_LOOP,
    GONE_NAMES,
    LIBRARIES,
    MODULES,
    Change,
    Form,
    Target,
)
from flake8_mongo_threads.edits import (
    Anchor,
    DeleteStatement,
    Edit,
    ImportRequest,
    MovedName,
    RemoveKeyword,
    RenameKeyword,
    RenameName,
    ReplaceExpr,
    ReplaceImport,
    WhileToAsyncFor,
)
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.semantics.awaiting import SyncIteration, Unawaited, can_await, class_name, uses
from flake8_mongo_threads.semantics.guards import IMPORT_ERRORS, caught
from flake8_mongo_threads.semantics.names import driver_imports, is_driver_source, is_local
from flake8_mongo_threads.semantics.scopes import Binding, Import
from flake8_mongo_threads.semantics.syntax import FUNCTIONS, base_of, dotted, last_name
from flake8_mongo_threads.semantics.values import (
    OPEN,
    UNKNOWN,
    Class,
    Driver,
    External,
    Mapping,
    ModuleRef,
    Super,
    Value,
    known,
)
from flake8_mongo_threads.source import Source

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

MOTOR = "motor"
MAX_HOPS = 8
"""Modules that a class of Motor may be passed on through."""


class Obstacle(NamedTuple):
    """A place that cannot be migrated, and why: 1-based line, 0-based column in characters, one line of text."""

    line: int
    col: int
    reason: str


class Doubt(NamedTuple):
    """The use of a member whose object is not known, and which would have to change if it is one of Motor."""

    line: int
    col: int
    suspects: frozenset[tuple[str, str]]
    """Families that have the member, each with the last name of the object's expression."""
    reason: str
    certain: bool
    """Whether the member and its use are Motor's by themselves; else only a known name of an object of such a family tells."""


class Examined(NamedTuple):
    """What one file has to do with Motor. The places are those of the text that was read."""

    path: str
    """The name to show."""
    location: str
    text: str = ""
    problem: str = ""
    """Why the file could not be read, one line."""
    involved: bool = False
    """Whether it names Motor or works with its objects."""
    imports_motor: bool = False
    edits: tuple[Edit, ...] = ()
    imports: tuple[ImportRequest, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    names: frozenset[tuple[str, str]] = frozenset()
    """Families of Motor's objects, each with a last name under which one is known here."""
    links: tuple[str, ...] = ()
    """Files (absolute paths) that it imports, or that its objects come from."""
    top: str = ""
    """The project's folder."""


def examine(path: str, location: str, text: str, tree: ast.Module, config: Config) -> Examined:
    """What one file needs. ``path`` is the name to show, ``location`` where it stands on disk."""
    from flake8_mongo_threads.engine import build

    module = build(Source.from_text(path, text, location), tree, config)
    return _Examination(module).run()


def links_of(location: str, text: str, config: Config) -> tuple[str, ...]:
    """The first-party files (absolute paths) that a file imports."""
    return modules.imported_files(modules.ParsedFile(location, text), modules.roots_of(location, config.src).paths)


# ---------------------------------------------------------------------- names of Motor's classes


def renamed_names(module: "Module", hops: int = 0) -> dict[str, Target]:
    """The module's global names that get a new name: classes of Motor under their own name, imported here or from a first-party module."""

    def compute() -> dict[str, Target]:
        found = {}
        for name, bindings in module.index.module_scope.bindings.items():
            targets = {_moved(module, binding, hops) for binding in bindings}
            if len(targets) == 1:
                (target,) = targets
                if target is not None:
                    found[name] = target
        for what, scope in module.index.imports:
            if what.name == "*" and scope.kind == "module":
                home = module.project.find(module, what.module, what.level)
                if home is not None and home is not module:
                    passed_on = renamed_names(home, hops + 1).items()
                    found.update((name, target) for name, target in passed_on if name not in module.index.module_scope.bindings)
        return found

    if hops >= MAX_HOPS:
        return {}
    result: dict[str, Target] = module.remember("names that migrate", module.index.module_scope, compute, {})
    return result


def _moved(module: "Module", binding: Binding, hops: int) -> Target | None:
    statement, alias = binding.value, binding.node
    if not isinstance(statement, ast.ImportFrom) or not isinstance(alias, ast.alias) or alias.asname not in (None, alias.name):
        return None
    if not statement.level and (statement.module or "").partition(".")[0] == MOTOR:
        what = Import(statement.module or "", alias.name, 0, alias, statement)
        return None if is_local(module, what) else CLASSES.get(f"{statement.module}.{alias.name}")
    target = module.project.find(module, statement.module or "", statement.level)
    return renamed_names(target, hops + 1).get(alias.name) if target is not None and target is not module else None


# ---------------------------------------------------------------------- one file

_FUTURE_ONLY = frozenset(("add_done_callback", "remove_done_callback", "result", "exception", "done", "cancel", "cancelled", "set_result"))
_CALLS_BACK = re.compile(
    r"^(?:asyncio\..*\.(?:call_soon|call_soon_threadsafe|call_later|call_at|add_done_callback|add_signal_handler|add_reader|add_writer)"
    r"|atexit\.register|signal\.signal|weakref\.finalize|threading\.(?:Timer|Thread)|concurrent\.futures\..*\.(?:submit|map|add_done_callback))$"
)
"""Callables that call what they are given and do nothing with what it returns: a Future runs, a coroutine never does."""
_AWAITS_CALLBACKS = frozenset(("push_async_callback", "add_event_handler", "on_event"))
"""Methods that await the callback they are given when it is a coroutine function."""
_HARMLESS_PACKAGES = sys.stdlib_module_names | frozenset(
    ("typing_extensions", "motor", "pymongo", "bson", "gridfs", "pytest", "fastapi", "attr", "attrs", "structlog", "loguru")
)
"""Packages that do nothing with an object of Motor that depends on what it is."""
_IMPORTERS = frozenset(("import_module", "__import__", "find_spec", "importorskip", "reload"))
_CLASS_TEXT = re.compile(
    r"\b(?:AsyncIOMotor|Motor|Agnostic)(?:Client|Database|Collection|Cursor|CommandCursor|LatentCommandCursor|ChangeStream"
    r"|ClientSession|ClientEncryption|GridFSBucket|GridIn|GridOut|GridOutCursor)\b"
)
_DOTTED = re.compile(r"^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$")

CERTAIN_MEMBERS = frozenset(
    (
        *("aggregate", "aggregate_raw_batches", "list_indexes", "list_search_indexes", "start_session", "start_transaction"),
        *("fetch_next", "next_object"),
    )
)
"""Changed members whose names few other libraries have."""
_WRITES = frozenset(
    (
        *("insert_one", "insert_many", "update_one", "update_many", "replace_one", "delete_one", "delete_many", "bulk_write"),
        *("find_one_and_delete", "find_one_and_replace", "find_one_and_update"),
    )
)
_MOTOR_LIKE = re.compile(r"mongo|motor", re.IGNORECASE)
_REASON_DISCARDED = "is not awaited: Motor runs it all the same, PyMongo never would; await it first"


_VISITED = (ast.Attribute, ast.Name, ast.Call, ast.Constant, ast.AsyncFor, ast.comprehension, ast.ClassDef)


class _Examination:
    def __init__(self, module: "Module") -> None:
        self.module = module
        self.index = module.index
        self.edits: list[Edit] = []
        self.requests: dict[ImportRequest, None] = {}
        self.obstacles: dict[Obstacle, None] = {}
        self.doubts: dict[Doubt, None] = {}
        self.names: set[tuple[str, str]] = set()
        self.origins: set[str] = set()
        self.involved = False
        self.imports_motor = False
        self._handled: set[ast.AST] = set()
        self._module_style: dict[ast.AST, dict[str, Target]] = {}
        """Imports of Motor's modules -> the classes that are reached through them."""
        self._wanted: set[Target] = set()
        self._has_coroutines = any(scope.is_async for scope in self.index.functions)

    # ------------------------------------------------------------------ helpers

    def anchor(self, node: ast.AST) -> Anchor:
        return Anchor(type(node).__name__, *self.module.source.span(node))

    def values(self, node: ast.AST | None) -> tuple[Value, ...]:
        # The cap on the work of one file is there for linting; a migration must know.
        self.module.inference.work = 0
        return self.module.values(node)

    def stop(self, node: ast.AST, reason: str) -> None:
        span = self.module.source.name_span(node) if isinstance(node, ast.expr) else self.module.source.span(node)
        self.obstacles[Obstacle(span.line, span.col, reason)] = None
        self.involved = True

    def run(self) -> Examined:
        module = self.module
        if not is_driver_source(module):
            loops = [node for node in ast.walk(self.index.tree) if isinstance(node, ast.While)]
            for loop in loops:
                self._fetch_loop(loop)
            nodes = [node for node in ast.walk(self.index.tree) if isinstance(node, _VISITED)]
            for node in sorted(nodes, key=lambda node: (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))):
                self._visit(node)
            self._misused()
            self._imports()
            self._libraries()
        roots = modules.roots_of(module.location, module.project.config.src)
        links = {*links_of(module.location, module.source.text, module.project.config), *self.origins} - {module.location}
        return Examined(
            module.path,
            module.location,
            module.source.text,
            involved=self.involved or bool(self.edits),
            imports_motor=self.imports_motor,
            edits=tuple(self.edits),
            imports=tuple(self.requests),
            obstacles=tuple(sorted(self.obstacles)),
            doubts=tuple(self.doubts),
            names=frozenset(self.names),
            links=tuple(sorted(links)),
            top=roots.top,
        )

    def _visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.Attribute):
            self._attribute(node)
            self._class_of_module(node)
        elif isinstance(node, ast.Name):
            self._name(node)
        elif isinstance(node, ast.Call):
            self._call(node)
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str) and "otor" in node.value:
                self._text(node)
        elif isinstance(node, ast.ClassDef):
            self._class(node)
        elif isinstance(node, ast.AsyncFor) or (isinstance(node, ast.comprehension) and node.is_async):
            kind = self._motor(node.iter)
            if kind is not None and kind.family == "grid-out":
                self.stop(node.iter, "iterating a GridOut gives chunks in Motor and lines in PyMongo: use readchunk()")

    # ------------------------------------------------------------------ objects

    def _drivers(self, node: ast.AST) -> tuple[list[Driver], bool]:
        """The driver objects that an expression can be, and whether it can be anything else that is known, or is not known."""
        found: list[Driver] = []
        other = False
        for value in known(self.values(node)):
            driver = self.module.inference.as_driver(value)
            if driver is not None:
                found.append(driver)
            else:
                other = True
        return found, other

    def _motor(self, node: ast.AST) -> Driver | None:
        """The object of Motor that an expression certainly is."""
        found, other = self._drivers(node)
        if other or not found or any(driver.kind != found[0].kind for driver in found) or found[0].flavour != MOTOR:
            return None
        self._known_as(node, found)
        return found[0]

    def _known_as(self, node: ast.AST, found: Sequence[Driver]) -> None:
        self.involved = True
        name = last_name(node)
        for driver in found:
            if name:
                self.names.add((driver.family, name))
            source: Driver | None = driver
            for _ in range(12):
                if source is None:
                    break
                if source.site is not None:
                    self.origins.add(source.site.module.location)
                source = source.parent

    def _attribute(self, node: ast.Attribute) -> None:
        drivers, other = self._drivers(node.value)
        motor = [driver for driver in drivers if driver.flavour == MOTOR]
        if not motor:
            if not drivers:
                self._doubt(node)
            return
        families = {driver.family for driver in motor}
        if not families <= CHANGES.keys():
            return
        changes = {CHANGES[family].get(node.attr) for family in families}
        mixed = other or len(motor) != len(drivers) or len(changes) > 1
        self._known_as(node.value, motor)
        if mixed:
            if changes != {None}:
                what = "an object of Motor or something else" if other else "one of several kinds of objects"
                if other and all(
                    value is UNKNOWN for value in known(self.values(node.value)) if self.module.inference.as_driver(value) is None
                ):
                    what = "probably an object of Motor, but where else it comes from is not known"
                self.stop(node, f"'{node.attr}' would change, and this is {what}")
            return
        (change,) = changes
        driver = motor[0]
        if isinstance(node.ctx, ast.Load):
            self._member(node, driver, change)
        elif isinstance(node.ctx, ast.Store):
            self._store(node, driver, change)

    def _store(self, node: ast.Attribute, driver: Driver, change: Change | None) -> None:
        statement = self.index.statement(node)
        if node.attr in ("get_io_loop", "io_loop") and change is not None:
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.value, (ast.Name, ast.Attribute)):
                self._handled.update((statement.value, node))
                self.edits.append(DeleteStatement(self.anchor(statement)))
                return
            self.stop(node, "PyMongo has no event loop to set")
        elif change is not None or driver.family in ("grid-in", "grid-out"):
            self.stop(node, f"'{node.attr}' of {class_name(driver.kind)} is assigned to")

    def _doubt(self, node: ast.Attribute) -> None:
        """Remember a changed member of an object that is not known."""
        if not isinstance(node.ctx, ast.Load):
            return
        if node.attr in _WRITES:
            self._doubtful_write(node)
            return
        changes = [changes[node.attr] for changes in CHANGES.values() if node.attr in changes]
        if not changes or not self._has_coroutines or any(not self._unknown(value) for value in known(self.values(node.value))):
            return
        up = self.index.parents.get(node)
        call = up if isinstance(up, ast.Call) and up.func is node else None
        form = changes[0].form
        if form in (Form.AWAIT, Form.PLAIN) and call is None and isinstance(up, (ast.Attribute, ast.Subscript)):
            return
        place = call or node
        above = self.index.parents.get(place)
        if form is Form.AWAIT and (
            isinstance(above, (ast.Await, ast.For, ast.Starred, ast.YieldFrom)) or self._iterated_plainly(place, above)
        ):
            return
        if form is Form.PLAIN and not isinstance(above, ast.Await):
            return
        span = self.module.source.name_span(node)
        receiver = last_name(node.value)
        certain = call is not None or form is Form.GONE
        certain &= node.attr in CERTAIN_MEMBERS and self._async_code(node) and not (node.attr == "aggregate" and not _pipeline(call))
        reason = f"'{node.attr}' would change if '{receiver}' is an object of Motor, and that is not known"
        suspects = frozenset((family, receiver) for family, members in CHANGES.items() if node.attr in members)
        self.doubts[Doubt(span.line, span.col, suspects, reason, certain or bool(_MOTOR_LIKE.search(receiver)))] = None

    def _doubtful_write(self, node: ast.Attribute) -> None:
        """Remember a write of an unknown object in a coroutine function that is not awaited."""
        call = self.index.parents.get(node)
        if not isinstance(call, ast.Call) or call.func is not node or not isinstance(self.index.parents.get(call), ast.Expr):
            return
        if self.index.scope(node).function.is_async and all(self._unknown(value) for value in known(self.values(node.value))):
            span = self.module.source.name_span(node)
            reason = f"'{node.attr}' would not run if its object is one of Motor, which is not known: PyMongo's must be awaited"
            self.doubts[Doubt(span.line, span.col, frozenset(), reason, True)] = None

    def _async_code(self, node: ast.AST) -> bool:
        """Whether a place stands in a coroutine function, or in none."""
        scope = self.index.scope(node).function
        return scope.is_async or not isinstance(scope.node, FUNCTIONS)

    @staticmethod
    def _unknown(value: Value) -> bool:
        return value is UNKNOWN or value is OPEN

    @staticmethod
    def _iterated_plainly(place: ast.AST, above: ast.AST | None) -> bool:
        if isinstance(above, ast.comprehension):
            return not above.is_async
        return (
            isinstance(above, ast.Call)
            and place in above.args
            and last_name(above.func) in ("list", "tuple", "set", "sorted", "next", "len")
        )

    # ------------------------------------------------------------------ members

    def _member(self, node: ast.Attribute, driver: Driver, change: Change | None) -> None:
        if node in self._handled:
            return
        up = self.index.parents.get(node)
        call = up if isinstance(up, ast.Call) and up.func is node else None
        name = f"'{node.attr}' of {class_name(driver.kind)}"
        member = kinds.member(driver.family, MOTOR, node.attr)
        if change is None:
            if member is not None and kinds.member(driver.family, "async", node.attr) is None:
                self.stop(node, f"PyMongo has no {name}")
            elif member is not None and member.coroutine:
                self._coroutine(node, call, name)
            elif member is None and kinds.member(driver.family, "async", node.attr) is not None:
                self.stop(node, f"PyMongo has a member '{node.attr}': write [{node.attr!r}] for what is meant here")
            return
        if change.form is Form.GONE:
            self.stop(node, f"PyMongo has no {name}: {change.text}")
        elif change.form is Form.READ:
            self._await(node, f"{name} is awaited in PyMongo")
        elif change.form is Form.AWAIT:
            if call is not None:
                self._await(call, f"{name} is a coroutine in PyMongo")
            elif not self._awaiting_callback(node):
                self.stop(node, f"{name} is a coroutine function in PyMongo, and it is handed on here")
        else:
            self._plain(node, call, name)

    def _await(self, node: ast.expr, why: str) -> None:
        if isinstance(self.index.parents.get(node), ast.Await):
            return
        if not can_await(self.module, node):
            self.stop(node, f"{why}, and {self._where(node)} cannot await it")
            return
        self.edits.append(ReplaceExpr(self.anchor(node), "await {0}", (self.anchor(node),)))

    def _where(self, node: ast.AST) -> str:
        scope = self.index.scope(node)
        if scope.kind == "comprehension":
            return "a generator expression"
        if scope.kind == "function":
            return f"'{scope.name}' (no async def)"
        return {"lambda": "a lambda", "class": "the body of a class"}.get(scope.kind, "the top level of a module")

    def _plain(self, node: ast.Attribute, call: ast.Call | None, name: str) -> None:
        up = self.index.parents.get(call) if call is not None else None
        if isinstance(up, ast.Await):
            assert call is not None
            self.edits.append(ReplaceExpr(self.anchor(up), "{0}", (self.anchor(call),)))
        elif not (isinstance(up, ast.withitem) and isinstance(self.index.parents.get(up), ast.AsyncWith)):
            self.stop(node, f"{name} is no coroutine in PyMongo, and its await does not stand here")

    def _awaiting_callback(self, node: ast.AST) -> bool:
        """Whether a method is handed to something that awaits it when it is a coroutine function."""
        up = self.index.parents.get(node)
        if isinstance(up, ast.keyword):
            return up.arg in ("on_shutdown", "on_startup")
        if isinstance(up, ast.List):
            above = self.index.parents.get(up)
            return isinstance(above, ast.keyword) and above.arg in ("on_shutdown", "on_startup")
        return isinstance(up, ast.Call) and node in up.args and last_name(up.func) in _AWAITS_CALLBACKS

    def _coroutine(self, node: ast.Attribute, call: ast.Call | None, name: str) -> None:
        """An operation that is awaited in both: Motor's is a Future that runs by itself."""
        place: ast.AST = call if call is not None else node
        up = self.index.parents.get(place)
        if call is None and not isinstance(up, (ast.Call, ast.keyword)):
            return
        if isinstance(up, ast.Expr):
            self.stop(node, f"{name} {_REASON_DISCARDED}")
            return
        if isinstance(up, ast.Lambda):
            place, up = up, self.index.parents.get(up)
        if isinstance(up, ast.keyword):
            place, up = up, self.index.parents.get(up)
        if isinstance(up, ast.Call) and up.func is not place:
            for value in self.values(up.func):
                if isinstance(value, External) and _CALLS_BACK.match(value.path):
                    self.stop(
                        node, f"{name} is called by {value.path}, which does not await it: Motor runs it all the same, PyMongo would not"
                    )
                elif isinstance(value, External) and value.path == "asyncio.wait":
                    self.stop(node, "asyncio.wait takes futures, not coroutines: use asyncio.gather")
        if call is None:
            return
        if node.attr == "to_list":
            length = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "length"), None)
            if isinstance(length, ast.Constant) and length.value == 0 and length.value is not False:
                self.stop(node, "to_list(0) gives an empty list in Motor and a ValueError in PyMongo: to_list() gives all documents")
        for use in uses(self.module, call):
            if use.how == "attribute" and getattr(use.at, "attr", "") in _FUTURE_ONLY:
                self.stop(use.at, f"{name} gives a Future in Motor and a coroutine in PyMongo: it has no '{use.at.attr}'")  # type: ignore[attr-defined]
            elif use.how == "stored" and not self._read_again(use.at):
                self.stop(node, f"{name} {_REASON_DISCARDED}")
            elif use.how == "await" and node.attr == "open" and not isinstance(self.index.parents.get(use.at), ast.Expr):
                self.stop(node, f"{name} gives the file in Motor and nothing in PyMongo")

    def _read_again(self, target: ast.AST) -> bool:
        """Whether what is stored in a name or attribute is read anywhere in the file."""
        if isinstance(target, ast.Name):
            return bool(self.index.name_loads.get(target.id))
        return not isinstance(target, ast.Attribute) or bool(self.index.attribute_loads.get(target.attr))

    def _fetch_loop(self, loop: ast.While) -> None:
        """``while await cursor.fetch_next: document = cursor.next_object()`` becomes ``async for``."""
        test = loop.test
        if not (isinstance(test, ast.Await) and isinstance(test.value, ast.Attribute) and test.value.attr == "fetch_next"):
            return
        cursor, first = test.value.value, loop.body[0]
        if self._motor(cursor) is None or loop.orelse or not isinstance(first, ast.Assign) or len(first.targets) != 1:
            return
        call = first.value
        if not (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr == "next_object"
            and ast.dump(call.func.value) == ast.dump(cursor)
            and isinstance(cursor, (ast.Name, ast.Attribute))
        ):
            return
        name = last_name(cursor)
        rest = [n for statement in loop.body[1:] for n in ast.walk(statement)]
        if any(last_name(n) == name for n in rest if isinstance(n, (ast.Name, ast.Attribute))):
            return
        self._handled.update((test.value, call.func))
        self.edits.append(WhileToAsyncFor(self.anchor(loop), self.anchor(cursor)))

    def _misused(self) -> None:
        """Operations that nobody awaits, and cursors that are iterated without ``async``."""
        for unawaited in self.module.facts(Unawaited):
            if unawaited.method.owner.flavour == MOTOR:
                reason = f"'{unawaited.method.name}' of {class_name(unawaited.method.owner.kind)} {_REASON_DISCARDED}"
                self.obstacles[Obstacle(unawaited.span.line, unawaited.span.col, reason)] = None
        for iteration in self.module.facts(SyncIteration):
            if iteration.owner.flavour == MOTOR:
                reason = f"an {class_name(iteration.owner.kind)} is iterated without async: an error in Motor, silently nothing in PyMongo"
                self.obstacles[Obstacle(iteration.span.line, iteration.span.col, reason)] = None

    # ------------------------------------------------------------------ calls

    def _call(self, node: ast.Call) -> None:
        callees = self.values(node.func)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "__init__":
            # `super().__init__(…)`, and `AsyncIOMotorClient.__init__(self, …)`
            callees = tuple(v.cls if isinstance(v, Super) else v for v in self.values(node.func.value))
            for value in callees:
                kind = self.module.inference.driver_base(value) if isinstance(value, Class) else self._class_kind(value)
                if kind is not None and kind[1] == MOTOR:
                    self._constructor(node, kind[0])
                    return
        for value in callees:
            family = self._constructed(value)
            if family:
                self._constructor(node, family)
                return
        self._handed_on(node, callees)
        driver = self._motor(node.func)
        if driver is not None:
            self.stop(
                node, f"{class_name(driver.kind)} is called here: there is no such method, or the object is not what its annotation says"
            )
        if isinstance(node.func, ast.Name) and node.func.id == "getattr" and len(node.args) > 1:
            driver = self._motor(node.args[0])
            name = node.args[1]
            if driver is not None and driver.family not in ("client", "database"):
                if not isinstance(name, ast.Constant) or CHANGES.get(driver.family, {}).get(str(name.value)) is not None:
                    self.stop(node, f"which member of {class_name(driver.kind)} is read is decided at run time")

    def _constructed(self, value: Value) -> str:
        """The family of Motor's objects whose constructor is called, that of a class of the program included."""
        if isinstance(value, External):
            kind = self._class_kind(value)
            return kind[0] if kind is not None and kind[1] == MOTOR else ""
        if isinstance(value, Class):
            kind = self.module.inference.driver_base(value)
            own = any("__init__" in scope.bindings for _, scope in self.module.inference.resolution_order(value))
            return kind[0] if kind is not None and kind[1] == MOTOR and not own else ""
        return ""

    @staticmethod
    def _class_kind(value: Value) -> tuple[str, str] | None:
        return kinds.class_kind(value.path) if isinstance(value, External) and value.path.partition(".")[0] == MOTOR else None

    def _constructor(self, node: ast.Call, family: str) -> None:
        self.involved = True
        rules = CONSTRUCTORS.get(family)
        if rules is None:
            self.stop(node, "PyMongo makes such objects itself")
            return
        positional = [argument for argument in node.args if not isinstance(argument, ast.Starred)]
        if rules.positional is not None and (len(positional) > rules.positional or len(positional) < len(node.args)):
            self.stop(node, "the positional arguments mean something else in PyMongo")
        renamed = dict(rules.renamed)
        for item in node.keywords:
            if item.arg is None:
                for value in self.values(item.value):
                    if isinstance(value, Mapping) and any(key == "io_loop" for key, _ in value.items):
                        self.stop(node, "io_loop is among the unpacked arguments")
            elif item.arg == "io_loop" and rules.loop:
                if self._droppable(item.value):
                    self.edits.append(RemoveKeyword(self.anchor(node), "io_loop"))
                else:
                    self.stop(item.value, "the value of io_loop does more than name a loop")
            elif item.arg in renamed:
                self.edits.append(RenameKeyword(self.anchor(node), item.arg, renamed[item.arg]))
            elif item.arg in rules.foreign:
                self.stop(node, f"PyMongo has no argument '{item.arg}'")

    def _droppable(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Call):
            if node.args or node.keywords:
                return False
            values = self.values(node.func)
            return bool(values) and all(isinstance(value, External) and value.path in CREATES_LOOP for value in values)
        return isinstance(node, (ast.Name, ast.Attribute, ast.Constant)) and (not isinstance(node, ast.Attribute) or bool(dotted(node)))

    def _handed_on(self, node: ast.Call, callees: Sequence[Value]) -> None:
        """Objects of Motor that another package gets."""
        paths = [value.path for value in callees if isinstance(value, External)]
        foreign = [path for path in paths if not self._harmless(path) and not self._own(path)]
        if not foreign:
            return
        for argument in (*node.args, *(item.value for item in node.keywords)):
            if isinstance(argument, (ast.Name, ast.Attribute, ast.Subscript, ast.Call)):
                driver = self._motor(argument)
                if driver is not None and driver.family in CHANGES:
                    library = foreign[0].partition(".")[0]
                    text = LIBRARIES.get(library, f"{library} may need an object of Motor")
                    self.stop(argument, f"{class_name(driver.kind)} is handed to {foreign[0]}: {text}")

    def _own(self, path: str) -> bool:
        """Whether a path is one of the program's own, beyond the modules that were read."""
        package = path.partition(".")[0].removesuffix("()")
        places = (os.path.join(root, package) for root in self.module.roots)
        return any(os.path.isdir(place) or os.path.isfile(place + ".py") for place in places)

    @staticmethod
    def _harmless(path: str) -> bool:
        return path.partition(".")[0] in _HARMLESS_PACKAGES or path.startswith(("namespace:", "builtins."))

    def _class(self, node: ast.ClassDef) -> None:
        """A class of the program that inherits from one of Motor's."""
        scope = self.index.bodies.get(node)
        if scope is None:
            return
        kind = self.module.inference.driver_base(Class(self.module, scope))
        if kind is None or kind[1] != MOTOR:
            return
        self.involved = True
        for name, bindings in scope.bindings.items():
            place = bindings[0].node
            if name in ("__motor_class_name__", "__delegate_class__", "_framework", "__getattr__", "__getitem__", "__new__", "__aiter__"):
                self.stop(place, f"'{name}' changes how a class of Motor works")
            elif kinds.member(kind[0], MOTOR, name) is not None or kinds.member(kind[0], "async", name) is not None:
                self.stop(place, f"'{name}' replaces a member of a class of Motor")
        if kind[0] not in CONSTRUCTORS:
            self.stop(node, "PyMongo makes such objects itself: a class that inherits from theirs is not used")
        elif kind[0] != "client" and "__init__" in scope.bindings:
            self.stop(node, "its constructor takes other arguments in PyMongo")

    # ------------------------------------------------------------------ names of classes

    def _name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            return
        if node.id not in ("self", "cls", "super"):
            self._object_name(node)
        target = self._class_target(node)
        if target is None:
            return
        self.involved = True
        scope = self.index.scope(node).binder(node.id)
        if scope is None:
            # from a star import
            if node.id in (path.rpartition(".")[2] for path in CLASSES) and node.id != target.name:
                self._rename(node, target)
            return
        own = {_moved(self.module, binding, 0) for binding in scope.bindings[node.id]}
        if own == {target}:
            self._rename(node, target)

    def _object_name(self, node: ast.Name) -> None:
        """A name that holds an object of Motor, or one of its modules."""
        found, _ = self._drivers(node)
        motor = [driver for driver in found if driver.flavour == MOTOR]
        if motor:
            self._known_as(node, motor)

    def _rename(self, node: ast.Name, target: Target) -> None:
        self._free(node, target)
        self.edits.append(RenameName(self.anchor(node), target.name))

    def _free(self, node: ast.AST, target: Target) -> None:
        """The new name must not mean anything else in this file."""
        if target in self._wanted:
            return
        self._wanted.add(target)
        for scope in self.index.scopes:
            for binding in scope.bindings.get(target.name, ()):
                statement = binding.value
                if not isinstance(statement, ast.ImportFrom) or not _same_class(
                    statement.module or "", statement.level, binding.node, target
                ):
                    self.stop(node, f"the name '{target.name}' means something else here, line {binding.position[0]}")

    def _class_target(self, node: ast.AST) -> Target | None:
        targets = set()
        for value in known(self.values(node)):
            if not isinstance(value, External):
                return None
            targets.add(CLASSES.get(value.path))
        return targets.pop() if len(targets) == 1 else None

    def _class_of_module(self, node: ast.Attribute) -> None:
        """``motor.motor_asyncio.AsyncIOMotorClient`` and ``database.AsyncIOMotorClient``."""
        base = known(self.values(node.value))
        if any(isinstance(value, ModuleRef) for value in base):
            target = self._class_target(node)
            if target is None:
                return
            for value in base:
                if isinstance(value, ModuleRef) and renamed_names(value.module).get(node.attr) == target:
                    self.origins.add(value.module.location)
                    self.edits.append(RenameName(self.anchor(node), target.name))
            return
        paths = {value.path for value in base if isinstance(value, External)}
        path = next(iter(paths), "")
        if path.partition(".")[0] != MOTOR:
            return
        if path in CLASSES:
            member = CHANGES.get((kinds.class_kind(path) or ("", ""))[0], {}).get(node.attr)
            if member is not None:
                self.stop(node, f"'{node.attr}' of the class is different in PyMongo")
            return
        if path not in MODULES or len(paths) > 1:
            return
        self.involved = True
        full = f"{path}.{node.attr}"
        if full in CLASSES:
            statement = self._import_of(node)
            if statement is None:
                self.stop(node, "the import that it comes from is not plain")
                return
            self._module_style.setdefault(statement, {})[full] = CLASSES[full]
            self._free(node, CLASSES[full])
            self.edits.append(ReplaceExpr(self.anchor(node), CLASSES[full].name))
        elif full not in MODULES:
            self.stop(node, f"PyMongo has nothing for {full}{_advice(full)}")
        elif not isinstance(self.index.parents.get(node), ast.Attribute):
            self.stop(node, f"the module {full} is handed on here")

    def _import_of(self, node: ast.Attribute) -> ast.AST | None:
        """The statement that imports the module an attribute is read from."""
        root = base_of(node, (ast.Attribute,))
        if not isinstance(root, ast.Name):
            return None
        scope = self.index.scope(root).binder(root.id)
        bindings = [] if scope is None else scope.bindings[root.id]
        statements = {binding.value for binding in bindings}
        if not bindings or not all(isinstance(statement, (ast.Import, ast.ImportFrom)) for statement in statements):
            return None
        # `import motor, motor.motor_asyncio`: one name, and the first statement stands for all.
        return min((s for s in statements if s is not None), key=lambda statement: getattr(statement, "lineno", 0))

    # ------------------------------------------------------------------ texts

    def _text(self, node: ast.Constant) -> None:
        """Annotations in quotes, entries of ``__all__``, dotted paths, and names of modules to import."""
        up = self.index.parents.get(node)
        text = node.value
        if isinstance(up, (ast.Expr, ast.JoinedStr)) or not isinstance(text, str):
            return
        if isinstance(up, ast.Call) and last_name(up.func) in _IMPORTERS and text.partition(".")[0] == MOTOR:
            self.stop(node, "Motor is imported by name")
            return
        if not _CLASS_TEXT.search(text):
            return
        new = self._new_text(node, text)
        if new is None:
            if text.strip() == text and " " not in text and _CLASS_TEXT.search(text):
                self.stop(node, f"the text names {_CLASS_TEXT.search(text).group(0)}")  # type: ignore[union-attr]
            return
        if new == text:
            return
        self.involved = True
        source = "".join(self.module.source.lines[node.lineno - 1 : node.end_lineno])
        span = self.module.source.span(node)
        literal = source[span.col : span.col + len(source)] if span.line == span.end_line else ""
        literal = literal[: span.end_col - span.col]
        if literal.count(text) != 1 or "{" in new:
            self.stop(node, f"the text names {_CLASS_TEXT.search(text).group(0)}")  # type: ignore[union-attr]
            return
        self.edits.append(ReplaceExpr(self.anchor(node), literal.replace(text, new)))

    def _new_text(self, node: ast.Constant, text: str) -> str | None:
        """The text after the migration; None when it is no name in the program."""
        renamed = renamed_names(self.module)
        if _DOTTED.match(text) and not self._is_annotation(node):
            if text in CLASSES:
                return ".".join(CLASSES[text])
            head, _, last = text.rpartition(".")
            if last in renamed or _CLASS_TEXT.fullmatch(last):
                target = self.module.project.find(self.module, head, 0)
                if target is not None:
                    self.origins.add(target.location)
                    found = renamed_names(target).get(last)
                    return f"{head}.{found.name}" if found is not None else text
        if text in renamed and self._in_all(node):
            return renamed[text].name
        if not self._is_annotation(node):
            return None
        try:
            tree = ast.parse(text, mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        new = text
        places = [n for n in ast.walk(tree) if isinstance(n, (ast.Name, ast.Attribute))]
        for place in sorted(places, key=lambda n: -n.col_offset):
            name = dotted(place)
            replacement = renamed[name].name if name in renamed else None
            if replacement is None and isinstance(place, ast.Attribute):
                replacement = self._through_module(place, name)
            if replacement is None and isinstance(place, ast.Attribute):
                for value in self.module.inference.annotation(self.module, place, self.index.scope(node)):
                    kind = value.kind if isinstance(value, Driver) else None
                    full = self._spelt(name)
                    if kind is not None and kind[1] == MOTOR and full is not None:
                        replacement = self._through_text(full, name)
            if replacement is not None and place.end_col_offset is not None and text.isascii():
                new = new[: place.col_offset] + replacement + new[place.end_col_offset :]
        return new

    def _through_module(self, place: ast.Attribute, name: str) -> str | None:
        """``database.AsyncIOMotorClient`` in quotes, of a module of the program."""
        root, *parts = name.split(".")[:-1]
        values: tuple[Value, ...] = self.module.inference.lookup(self.module, self.index.module_scope, root, None)
        for part in parts:
            values = tuple(v for value in values for v in self.module.inference.attribute(value, part, None, self.module))
        for value in values:
            found = renamed_names(value.module).get(place.attr) if isinstance(value, ModuleRef) else None
            if found is not None and isinstance(value, ModuleRef):
                self.origins.add(value.module.location)
                return f"{name.rpartition('.')[0]}.{found.name}"
        return None

    def _spelt(self, name: str) -> str | None:
        """The full path of ``motor_asyncio.AsyncIOMotorClient`` as the file's imports have it."""
        root, _, rest = name.partition(".")
        for binding in self.index.module_scope.bindings.get(root, ()):
            for value in self.module.inference.imported(self.module, binding) if binding.how == "import" else ():
                if isinstance(value, External) and f"{value.path}.{rest}" in CLASSES:
                    return f"{value.path}.{rest}"
        return None

    def _through_text(self, full: str, name: str) -> str | None:
        bindings = self.index.module_scope.bindings.get(name.partition(".")[0], ())
        statement = next((b.value for b in bindings if isinstance(b.value, (ast.Import, ast.ImportFrom))), None)
        if statement is None:
            return None
        self._module_style.setdefault(statement, {})[full] = CLASSES[full]
        self._free(statement, CLASSES[full])
        return CLASSES[full].name

    def _in_all(self, node: ast.AST) -> bool:
        statement = self.index.statement(node)
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)

    def _is_annotation(self, node: ast.AST) -> bool:
        """Whether a text stands where a type is expected."""
        child: ast.AST = node
        for up in self.index.ancestors(node):
            if isinstance(up, ast.arg) or (isinstance(up, ast.AnnAssign) and child is up.annotation):
                return True
            if isinstance(up, FUNCTIONS):
                return child is up.returns
            if isinstance(up, ast.Call):
                callee = last_name(up.func)
                return callee in ("cast", "TypeVar", "NewType", "ForwardRef") and (callee != "cast" or child is up.args[0])
            if isinstance(up, ast.stmt):
                return isinstance(child, ast.Subscript) or (isinstance(up, ast.Assign) and isinstance(child, ast.BinOp))
            child = up
        return False

    # ------------------------------------------------------------------ imports

    def _imports(self) -> None:
        moves: dict[ast.AST, list[MovedName]] = {}
        for what, _ in driver_imports(self.module):
            if what.module.partition(".")[0] != MOTOR:
                continue
            self.involved = self.imports_motor = True
            statement, alias = what.statement, what.alias
            if caught(self.module, statement, IMPORT_ERRORS) or self._in_handler(statement):
                self.stop(alias, "Motor is optional here: the import stands in a try")
                continue
            full = f"{what.module}.{what.name}" if isinstance(statement, ast.ImportFrom) else alias.name
            if what.name == "*":
                self.stop(alias, "which names come with `*` is not said")
            elif full in CLASSES and isinstance(statement, ast.ImportFrom):
                target = CLASSES[full]
                if alias.asname in (None, alias.name):
                    self._free(alias, target)
                self._move(moves.setdefault(statement, []), statement, alias, target)
            elif full in MODULES:
                moves.setdefault(statement, []).append(MovedName(alias.name))
            else:
                self.stop(alias, f"PyMongo has nothing for {full}{_advice(full)}")
        for node, classes in self._module_style.items():
            listed = moves.get(node, [])
            gone = next((move for move in listed if not move.new_module), None)
            if gone is None:
                self.stop(node, "the import of Motor is not plain")
                continue
            listed.remove(gone)
            targets = sorted(set(classes.values()))
            placed = [t for t in targets if not self._elsewhere(node, t, t.name)]
            listed.extend([MovedName(gone.name, t.module, t.name, keep_alias=False) for t in placed] or [gone])
        here: set[tuple[Target, str]] = set()
        for node, listed in moves.items():
            top = node in self.index.tree.body
            self._replace(node, [self._once(node, move, here) for move in listed] if top else listed)
        self._first_party_imports()

    def _move(self, listed: list[MovedName], statement: ast.ImportFrom, alias: ast.alias, target: Target) -> None:
        elsewhere = self._elsewhere(statement, target, alias.asname if alias.asname not in (None, alias.name) else target.name)
        listed.append(MovedName(alias.name) if elsewhere else MovedName(alias.name, target.module, target.name, alias.asname != alias.name))

    @staticmethod
    def _once(statement: ast.AST, move: MovedName, here: set[tuple[Target, str]]) -> MovedName:
        """A name that another import at the top of the file brings already is only taken away."""
        aliases = [a.asname or "" for a in getattr(statement, "names", ()) if a.name == move.name]
        key = (Target(move.new_module, move.new_name), aliases[0] if aliases and move.keep_alias else "")
        if move.new_module and key in here:
            return MovedName(move.name)
        here.add(key)
        return move

    def _elsewhere(self, statement: ast.AST, target: Target, local: str | None) -> bool:
        """Whether a name at the top of the file is better added to an import that is there already."""
        tree = self.index.tree
        lines = self.module.source.lines[getattr(statement, "lineno", 1) - 1 : getattr(statement, "end_lineno", 1)]
        # A comment at the import would be lost if its place were not kept.
        if statement not in tree.body or any("#" in line for line in lines):
            return False
        for other in tree.body:
            if isinstance(other, ast.ImportFrom) and not other.level and other.module == target.module and other.names[0].name != "*":
                self.requests[ImportRequest(target.module, target.name, local if local and local != target.name else "")] = None
                return True
        return False

    def _replace(self, statement: ast.AST, listed: list[MovedName]) -> None:
        assert isinstance(statement, (ast.Import, ast.ImportFrom))
        if len({move.name for move in listed}) == len(statement.names) and not any(move.new_module for move in listed):
            self.edits.append(DeleteStatement(self.anchor(statement)))
        elif listed:
            self.edits.append(ReplaceImport(self.anchor(statement), tuple(listed)))

    def _in_handler(self, statement: ast.AST) -> bool:
        return any(isinstance(up, ast.ExceptHandler) for up in self.index.ancestors(statement))

    def _first_party_imports(self) -> None:
        """Classes of Motor that come by way of a module of the program."""
        for what, _ in self.index.imports:
            statement = what.statement
            if not isinstance(statement, ast.ImportFrom) or what.name == "*" or (not what.level and what.module.partition(".")[0] == MOTOR):
                continue
            if not _CLASS_TEXT.fullmatch(what.name):
                continue
            target = self.module.project.find(self.module, what.module, what.level)
            found = renamed_names(target).get(what.name) if target is not None else None
            if found is None or target is None:
                continue
            self.origins.add(target.location)
            self.involved = True
            module = "." * what.level + what.module
            moves = [MovedName(a.name, module, found.name, a.asname != a.name) for a in statement.names if a.name == what.name]
            existing = next((e for e in self.edits if isinstance(e, ReplaceImport) and e.anchor == self.anchor(statement)), None)
            if existing is not None:
                self.edits.remove(existing)
                moves = [*existing.moves, *moves]
            self.edits.append(ReplaceImport(self.anchor(statement), tuple(dict.fromkeys(moves))))

    def _libraries(self) -> None:
        """Packages that stand on Motor and whose objects, or imitations, this file works with."""
        for what, _ in self.index.imports:
            package = what.module.partition(".")[0]
            if not what.level and package in LIBRARIES and package != "beanie" and "." not in package:
                if self.module.project.find(self.module, what.module, 0) is None:
                    self.stop(what.alias, LIBRARIES[package])


def _advice(path: str) -> str:
    """What to do about a name that is gone."""
    text = next((text for name, text in GONE_NAMES.items() if path == name or path.startswith(name + ".")), "")
    return f": {text}" if text else ""


def _same_class(module: str, level: int, alias: ast.AST, target: Target) -> bool:
    """Whether an import brings the target, from wherever PyMongo has it."""
    return not level and isinstance(alias, ast.alias) and alias.name == target.name and module.partition(".")[0] in ("pymongo", "gridfs")


def _pipeline(call: ast.Call | None) -> bool:
    """Whether the first argument looks like a pipeline of stages."""
    if call is None:
        return False
    first = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "pipeline"), None)
    if isinstance(first, ast.List):
        return all(isinstance(item, (ast.Dict, ast.Name, ast.Starred, ast.Call, ast.IfExp)) for item in first.elts)
    return isinstance(first, ast.Name)

