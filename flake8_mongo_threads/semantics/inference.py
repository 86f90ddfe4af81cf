"""What an expression can be: demand-driven, memoised, capped inference over the syntax tree.

``values`` answers for any expression. It follows imports into first-party modules, local bindings as far as they reach,
annotations, returns of functions, arguments of callers, attributes through the method resolution order, containers,
context managers, awaits and the stores of web frameworks. Every search has a cap, and a cap means unknown.
"""

import ast
import builtins
import collections
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency.names import CACHING_DECORATORS, OFFLOADING_DECORATORS, PROPERTY_DECORATORS, canonical, slot
from flake8_mongo_threads.concurrency.spawners import LAUNCHERS, PROCESS_POOLS, THREAD_POOLS
from flake8_mongo_threads.driver import kinds, wrappers
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.semantics.keeping import KEEPS, calls_of_kept
from flake8_mongo_threads.semantics.scopes import Binding, Import, Scope, Store
from flake8_mongo_threads.semantics.syntax import argument, constant, dotted, has_star, keyword, last_name, path_key, says_nothing, walk
from flake8_mongo_threads.semantics.values import (
    BOTTOM,
    NOTHING,
    OPEN,
    UNKNOWN,
    UNKNOWN_ONLY,
    Awaitable,
    Class,
    Const,
    Driver,
    Element,
    External,
    Function,
    Generator,
    Instance,
    Manager,
    Mapping,
    Method,
    ModuleRef,
    Partial,
    Sequence,
    Site,
    Super,
    Value,
    Values,
    known,
    union,
)

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module, Project

MAX_DEPTH = 64
MAX_WORK = 25_000
MAX_TRIES = 3
"""Expressions evaluated for one linted file; beyond it everything new is unknown. A thousand lines need about 5,000."""
MAX_HOPS = 14
MAX_RETURNS = 8
MAX_CALLERS = 12
MAX_BASES = 10
MAX_LEVELS = 3
MAX_SIBLINGS = 40

CURSORS = frozenset(("cursor", "command-cursor", "raw-cursor", "change-stream", "grid-out-cursor"))
CHAIN = {"client": "database", "database": "collection", "collection": "collection"}

_ELEMENT_WRAPPERS = frozenset(
    ("builtins.list", "builtins.tuple", "builtins.set", "builtins.sorted", "builtins.reversed", "builtins.iter", "builtins.frozenset", "tqdm.tqdm", "tqdm.auto.tqdm", "collections.deque", "itertools.cycle", "itertools.islice")
)  # fmt: skip
_PATHS = frozenset(("pathlib.Path()", "pathlib.PosixPath()", "pathlib.PurePath()"))
_FIRST_ARGUMENT = frozenset(("typing.cast",))
_FIELDS = frozenset(("dataclasses.field", "attr.ib", "attrs.field", "attr.attrib", "pydantic.Field"))
_RUNS_FIRST = frozenset(
    ("asyncio.to_thread", "anyio.to_thread.run_sync", "fastapi.concurrency.run_in_threadpool", "trio.to_thread.run_sync")
)
_AWAITS_FIRST = frozenset(
    ("asyncio.create_task", "asyncio.ensure_future", "asyncio.shield", "asyncio.wait_for", "asyncio.AbstractEventLoop().create_task", "asyncio.TaskGroup().create_task", "asyncio.wrap_future")
)  # fmt: skip
_RUNS_COROUTINE = frozenset(
    (
        "asyncio.run",
        "asyncio.AbstractEventLoop().run_until_complete",
        "asyncio.Runner().run",
        "asgiref.sync.async_to_sync()",
        "nest_asyncio.run",
    )
)
_ANNOTATION_ITER = frozenset(
    ("typing.List", "typing.Sequence", "typing.Iterable", "typing.Set", "typing.FrozenSet", "typing.Tuple", "typing.Deque", "builtins.list", "builtins.tuple", "builtins.set", "builtins.frozenset", "typing.Collection")
)  # fmt: skip
_ANNOTATION_GENERATOR = frozenset(
    ("typing.Generator", "typing.Iterator", "typing.AsyncGenerator", "typing.AsyncIterator", "typing.AsyncIterable")
)
_ANNOTATION_MANAGER = frozenset(
    ("typing.ContextManager", "typing.AsyncContextManager", "contextlib.AbstractContextManager", "contextlib.AbstractAsyncContextManager")
)
_ANNOTATION_TRANSPARENT = frozenset(
    ("typing.Final", "typing.ClassVar", "typing.Required", "typing.NotRequired", "typing.Type", "builtins.type")
)
_ANNOTATION_MAP = frozenset(
    (
        "typing.Dict",
        "typing.Mapping",
        "builtins.dict",
        "typing.DefaultDict",
        "collections.defaultdict",
        "typing.MutableMapping",
        "typing.OrderedDict",
    )
)

_MADE_FROM = {"database": "client", "collection": "database", "gridfs": "database", "gridfs-bucket": "database"}
"""What the constructors of the driver's own classes are given first."""

EXECUTORS = PROCESS_POOLS | THREAD_POOLS

_DOUBLES = ("unittest.mock.", "mock.", "pytest_mock.")
"""Where the objects come from that tests put in the place of others."""

_FIELD_CLASSES = frozenset(
    ("dataclasses.dataclass", "attr.s", "attr.attrs", "attr.dataclass", "attr.define", "attr.frozen", "attrs.define", "attrs.frozen", "attrs.mutable")
)  # fmt: skip
"""Decorators that write an ``__init__`` from the annotated fields of a class."""
_SET = frozenset(("set",))
_NAMED_TUPLE = "collections.namedtuple()"
"""The class that a call of ``namedtuple`` makes."""
_NAMESPACES = frozenset(("types.SimpleNamespace()", "argparse.Namespace()"))
_MADE_OF_ARGUMENTS = frozenset((*_NAMESPACES, _NAMED_TUPLE + "()"))
"""Objects whose attributes are the arguments of the call that made them."""
_STORES_OF_FRAMEWORKS = frozenset(("app.state", "app.ctx", "app.extensions", "app.config"))
"""What applications have of themselves, for programs to put things in."""
_APPLICATION_NAMES = frozenset(("app", "application", "bot"))

_PLAIN_TYPES: dict[str, type] = {f"builtins.{plain.__name__}()": plain for plain in (str, bytes, int, float, bool)}
"""Objects that annotations name beside a driver's: ``client: MongoClient | str``."""

_PLAIN_BASES = frozenset(
    ("builtins.object", "abc.ABC", "typing.Generic", "typing.Protocol", "typing_extensions.Protocol", "typing_extensions.Generic")
)
"""Base classes that have no attributes of interest: what is read from an object of such a class is set by the program."""


class Inference:
    """The inference of one analysis."""

    def __init__(self, project: "Project") -> None:
        self.project = project
        self.depth = 0
        self.hops = 0
        self.active: set[object] = set()
        self.work = 0
        self.cuts = 0
        """How often a cycle or a cap has cut a search: what was found meanwhile may be partial and is not kept."""
        self._orders: dict[Scope, list[tuple[Module, Scope]]] = {}
        self._external_bases: dict[Scope, list[str]] = {}
        self._driver_bases: dict[Scope, tuple[str, str] | None] = {}
        self._tries: dict[object, int] = {}
        self._attributes: dict[tuple[Scope, str], Values] = {}
        self._inherited: dict[str, bool] = {}
        self._factories = {(f.module, f.name): (f.family, f.flavour) for f in project.config.factories}

    # ------------------------------------------------------------------ expressions

    def values(self, module: "Module", node: ast.AST | None, scope: Scope | None = None) -> Values:
        """The alternatives of an expression; never raises, never empty at the outermost call."""
        if node is None:
            return UNKNOWN_ONLY
        found = module.memo.get(node)
        if found is not None:
            return found
        handler = _HANDLERS.get(type(node))
        if handler is None:
            return UNKNOWN_ONLY
        self.work += 1
        if self.depth >= MAX_DEPTH or self.work > MAX_WORK:
            self.cuts += 1
            return UNKNOWN_ONLY
        active = self.active
        if node in active:
            self.cuts += 1
            return BOTTOM
        active.add(node)
        self.depth += 1
        before = self.cuts
        try:
            result = handler(self, module, node, scope if scope is not None else module.index.scope(node))
        except RecursionError:
            self.cuts += 1
            result = UNKNOWN_ONLY
        finally:
            self.depth -= 1
            active.discard(node)
        if not active:
            result = result or UNKNOWN_ONLY
            module.memo[node] = result
        elif result and (self.cuts == before or self._settled_now(node)):
            module.memo[node] = result
        return result

    def _settled_now(self, key: object) -> bool:
        """Whether something that a cycle keeps cutting was tried often enough: then what was found stays."""
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        return tries >= MAX_TRIES

    def unrolled(self, values: Iterable[Value], limit: int) -> Iterator[Value]:
        """The alternatives with the elements of sequences in their place, as far as ``limit`` of both go."""
        pending = list(values)
        for _ in range(limit):
            if not pending:
                return
            value = pending.pop(0)
            if isinstance(value, Sequence):
                for element in value.elements:
                    pending.extend(self.element(element))
            else:
                yield value

    def kind(self, module: "Module", node: ast.AST | None) -> Driver | None:
        """The driver object an expression certainly is: every known alternative agrees on family and flavour."""
        return self.agreed(self.values(module, node))

    def agreed(self, values: Values) -> Driver | None:
        """The driver object a value set certainly is, or None."""
        found: Driver | None = None
        for value in known(values):
            driver = self.as_driver(value)
            if driver is None or (found is not None and driver.kind != found.kind):
                return None
            if found is None:
                found = driver
        return found

    def flavours(self, values: Values) -> list[Driver]:
        """The driver objects of one family that a value set certainly is, one for each flavour; empty when it may be anything else."""
        found: dict[str, Driver] = {}
        for value in known(values):
            driver = self.as_driver(value)
            if driver is None or any(other.family != driver.family for other in found.values()):
                return []
            found.setdefault(driver.flavour, driver)
        return list(found.values())

    def as_driver(self, value: Value) -> Driver | None:
        """A value as a driver object: itself, or an object of a class of the program that inherits from a driver class."""
        if isinstance(value, Driver):
            return value
        if isinstance(value, Instance):
            kind = self.driver_base(value.cls)
            if kind is not None:
                return Driver(kind[0], kind[1], value.site)
        return None

    def method(self, module: "Module", node: ast.AST) -> Method | None:
        """The driver method that a callee certainly is, whatever object of that kind it is bound to."""
        found: Method | None = None
        for value in known(self.values(module, node)):
            if not isinstance(value, Method):
                return None
            if found is not None and (value.owner.kind != found.owner.kind or value.name != found.name):
                return None
            found = found or value
        return found

    # names -------------------------------------------------------------

    def _name(self, module: "Module", node: ast.AST, scope: Scope) -> Values:
        return self.lookup(module, scope, node.id, node)  # type: ignore[attr-defined]

    def lookup(self, module: "Module", scope: Scope, name: str, use: ast.AST | None) -> Values:
        """What a name means in a scope; with ``use``, only the bindings that reach it."""
        current: Scope | None = scope
        own = scope.function
        while current is not None:
            if current.kind != "class" or current is own:
                bindings = current.bindings.get(name)
                if bindings and current.kind == "class" and use is not None:
                    bindings = _bound_before(current, bindings, use)
                if bindings and not (name in current.globals and current.kind != "module"):
                    if use is not None and current.function is own and current.kind != "comprehension":
                        bindings = current.index.reaching(current, name, use)
                    if current.kind == "module":
                        if use is not None and len(bindings) > 1:
                            bindings = _same_arms(current, bindings, use)
                        return self._global(module, name, bindings)
                    return self.join(module, bindings)
            current = current.parent
        found = self._star(module, name)
        if found:
            return found
        if hasattr(builtins, name):
            return (External("builtins." + name),)
        return UNKNOWN_ONLY

    def _star(self, module: "Module", name: str) -> Values:
        for what, scope in module.index.imports:
            if what.name == "*" and scope.kind == "module":
                target = self.project.find(module, what.module, what.level)
                if target is not None:
                    if name in target.index.module_scope.bindings:
                        return self.export(target, name)
                    inner = self._star(target, name) if ("star", id(target)) not in self.active else BOTTOM
                    if inner:
                        return inner
                elif what.level == 0:
                    path = canonical(what.module + "." + name)
                    if kinds.class_kind(what.module + "." + name) is not None or path in LAUNCHERS or path + "()" in EXECUTORS:
                        return (External(path),)
        return BOTTOM

    def join(self, module: "Module", bindings: list[Binding]) -> Values:
        """The union of what bindings give."""
        if len(bindings) > MAX_RETURNS:
            interesting = [b for b in bindings if b.how != "del"][: MAX_RETURNS * 2]
            return union(*(self.binding(module, b) for b in interesting))
        return union(*(self.binding(module, b) for b in bindings if b.how != "del"))

    def binding(self, module: "Module", binding: Binding) -> Values:
        """What one binding gives."""
        how = binding.how
        if how == "import":
            return self.imported(module, binding)
        if how == "def":
            scope = module.index.bodies.get(binding.node)
            return (Function(module, scope),) if scope is not None else UNKNOWN_ONLY
        if how == "class":
            scope = module.index.bodies.get(binding.node)
            return (Class(module, scope),) if scope is not None else UNKNOWN_ONLY
        if how == "param":
            return self.parameter(module, binding)
        if how == "assign":
            return self.unpack(self.values(module, binding.value, self._hint(module, binding)), binding.path)
        if how == "ann":
            return self._annotated(
                module, binding.annotation, binding.value if isinstance(binding.value, ast.expr) else None, binding.scope
            )
        if how == "for":
            return self.unpack(self.iterate(module, binding.value, self.values(module, binding.value)), binding.path)
        if how == "with":
            return self.unpack(self.enter(self.values(module, binding.value), self._with_is_async(module, binding.value)), binding.path)
        if how == "aug":
            # ``doc |= changes`` and ``rows += more`` keep what the name was
            others = [b for b in binding.scope.bindings.get(binding.name, ()) if b.how not in ("aug", "del")]
            return self.join(module, others) if others else UNKNOWN_ONLY
        return UNKNOWN_ONLY

    @staticmethod
    def _hint(module: "Module", binding: Binding) -> Scope | None:
        return binding.scope if binding.value is not None and binding.value not in module.index.parents else None

    @staticmethod
    def _with_is_async(module: "Module", item: ast.AST | None) -> bool:
        parent = module.index.parents.get(item) if item is not None else None
        return isinstance(module.index.parents.get(parent) if parent is not None else None, ast.AsyncWith)

    def _annotated(self, module: "Module", annotation: ast.expr | None, value: ast.expr | None, scope: Scope) -> Values:
        by_value = self.values(module, value) if value is not None else BOTTOM
        written = constant(value)
        certain = bool(known(by_value)) and UNKNOWN not in by_value and not _only_external(by_value)
        if certain and not isinstance(written, str):
            return by_value
        if by_value and any(isinstance(v, External) and v.path == "typing.TypeAlias" for v in self.values(module, annotation, scope)):
            named = _parsed(written) if isinstance(written, str) else None
            return self.values(module, named, scope) if named is not None else by_value
        if certain:
            return by_value
        by_annotation = self.annotation(module, annotation, scope)
        if known(by_annotation) and UNKNOWN not in by_annotation:
            abstract = by_value and all(isinstance(v, External) and v.path == "concurrent.futures.Executor()" for v in by_annotation)
            return by_value if abstract and known(by_value) and UNKNOWN not in by_value else by_annotation
        return by_value or by_annotation or UNKNOWN_ONLY

    # imports -----------------------------------------------------------

    def imported(self, module: "Module", binding: Binding) -> Values:
        """What an import statement binds."""
        alias = binding.node
        statement = binding.value
        if not isinstance(alias, ast.alias):
            return UNKNOWN_ONLY
        if isinstance(statement, ast.Import):
            name = alias.name if alias.asname else alias.name.partition(".")[0]
            target = self.project.find(module, name, 0)
            if target is not None:
                return (ModuleRef(target),)
            if self._namespace(module, name):
                return (External("namespace:" + name),)
            if modules.shadows_driver(module.roots, module.location, alias.name):
                return UNKNOWN_ONLY
            return (External(canonical(name)),)
        if isinstance(statement, ast.ImportFrom):
            return self.from_import(module, Import(statement.module or "", alias.name, statement.level, alias, statement))
        return UNKNOWN_ONLY

    @staticmethod
    def _namespace(module: "Module", name: str) -> bool:
        if name.partition(".")[0] in modules.EXTERNAL_ROOTS:
            return False
        relative = name.replace(".", os.sep)
        return any(os.path.isdir(os.path.join(root, relative)) for root in module.roots)

    def from_import(self, module: "Module", what: Import) -> Values:
        """What ``from x import y`` gives."""
        declared = self._declared(what.module, what.name)
        if declared is not None:
            return declared
        if what.level == 0 and modules.shadows_driver(module.roots, module.location, what.module):
            return UNKNOWN_ONLY
        path = self.project.locate(module, what.module, what.level)
        if path:
            target = self.project.load(path, module)
            if target is None:
                return UNKNOWN_ONLY
            if target is module:
                found = module.index.module_scope.bindings.get(what.name, [])
                others = [b for b in found if b.how != "import"]
                return self.join(module, others) if others else self._submodule(module, what)
            if what.name in target.index.module_scope.bindings or self._star(target, what.name):
                return self.export(target, what.name)
            return self._submodule(module, what)
        submodule = self._submodule(module, what)
        if submodule is not UNKNOWN_ONLY:
            return submodule
        if what.level:
            return UNKNOWN_ONLY
        return (External(canonical(f"{what.module}.{what.name}")),)

    def _submodule(self, module: "Module", what: Import) -> Values:
        name = f"{what.module}.{what.name}" if what.module else what.name
        target = self.project.find(module, name, what.level)
        return (ModuleRef(target),) if target is not None else UNKNOWN_ONLY

    def _declared(self, module_name: str, name: str) -> Values | None:
        kind = self._factories.get((module_name, name))
        if kind is None:
            return None
        return (External(f"declared:{kind[0]}:{kind[1]}"),)

    def export(self, module: "Module", name: str) -> Values:
        """What a module's global name can be, as another module sees it."""
        key = ("export", id(module), name)
        if key in self.active:
            self.cuts += 1
            return BOTTOM
        if self.hops >= MAX_HOPS:
            self.cuts += 1
            return UNKNOWN_ONLY
        declared = self._declared(module.name, name)
        if declared is not None:
            return declared
        self.active.add(key)
        self.hops += 1
        try:
            bindings = module.index.module_scope.bindings.get(name)
            if bindings:
                return self._global(module, name, bindings)
            return self._star(module, name) or UNKNOWN_ONLY
        finally:
            self.hops -= 1
            self.active.discard(key)

    def _global(self, module: "Module", name: str, bindings: list[Binding]) -> Values:
        """What a global name can be: what its module binds it to, and where that is only None, what others put there."""
        found = self.join(module, bindings)
        if len(self.project.order) < 2 or any(v is not NOTHING for v in found) or not found:
            return found
        key = ("global", id(module), name)
        if key in self.active:
            self.cuts += 1
            return found
        self.active.add(key)
        try:
            parts = [found]
            for home in list(self.project.order):
                for store in self._stores(home, name)[:MAX_CALLERS]:
                    base = store.target.value
                    if isinstance(base, (ast.Name, ast.Attribute)) and any(
                        isinstance(v, ModuleRef) and v.module is module for v in self.values(home, base)
                    ):
                        parts.append(self.stored(home, store))
            return union(*parts)
        finally:
            self.active.discard(key)

    # parameters --------------------------------------------------------

    def parameter(self, module: "Module", binding: Binding) -> Values:
        """What callers, annotations, defaults and frameworks put into a parameter."""
        arg = binding.node
        scope = binding.scope
        if not isinstance(arg, ast.arg):
            return UNKNOWN_ONLY
        found = module.memo.get(arg)
        if found is not None:
            return found
        if arg in self.active:
            self.cuts += 1
            return BOTTOM
        self.active.add(arg)
        before = self.cuts
        try:
            found = self._parameter(module, scope, arg)
        finally:
            self.active.discard(arg)
        if self.cuts == before or (found and self._settled_now(arg)):
            module.memo[arg] = found
        return found

    def _parameter(self, module: "Module", scope: Scope, arg: ast.arg) -> Values:
        node = scope.node
        arguments = node.args  # type: ignore[attr-defined]
        if arg is arguments.vararg or arg is arguments.kwarg:
            return (OPEN,)
        cls = scope.cls
        positional = scope.positional
        if cls is not None and positional and arg is positional[0] and "builtins.staticmethod" not in self.decorators(module, scope):
            owner = Class(module, cls)
            if "builtins.classmethod" in self.decorators(module, scope) or scope.name in (
                "__new__",
                "__init_subclass__",
                "__class_getitem__",
            ):
                return (owner,)
            return (Instance(owner),)
        if arg.annotation is not None:
            found = self.annotation(module, arg.annotation, scope.parent or scope)
            if (
                known(found)
                and UNKNOWN not in found
                and not all(isinstance(v, External) and v.path.startswith(("builtins.", "typing.")) for v in known(found))
            ):
                return self._handed_for(module, scope, arg, found) or found
        default = scope.default(arg.arg)
        if default is not None:
            injected = self._depends(module, default, scope.parent or scope)
            if injected is not None:
                return injected
        fixture = self._fixture(module, scope, arg)
        if fixture is not None:
            return fixture
        supplied = self._supplied(module, scope, arg)
        if supplied is not None:
            return supplied
        parts: list[Values] = []
        if arg.arg == "self" and positional and arg is positional[0]:
            parts.append(self._owners_of_decorated(module, scope))
        if default is not None:
            value = self.values(module, default)
            if known(value):
                parts.append(value)
        parts.extend(self._from_callers(module, scope, arg))
        result = union(*parts) if parts else BOTTOM
        return result or (OPEN,)

    def _handed_for(self, module: "Module", scope: Scope, arg: ast.arg, declared: Values) -> Values:
        """The objects that callers hand to a parameter whose annotation tells their kind; nothing when none is seen."""
        kinds = {v.kind for v in declared if isinstance(v, Driver)}
        if not kinds or len(kinds) != len(known(declared)):
            return BOTTOM
        given = [v for part in self._from_callers(module, scope, arg) for v in part]
        return union(*((v,) for v in given if isinstance(v, Driver) and v.kind in kinds))

    def _owners_of_decorated(self, module: "Module", scope: Scope) -> Values:
        """The objects whose methods a decorator of this module wraps in a function: what the ``self`` of that function is."""

        def compute() -> dict[str, list[tuple[ast.expr, Scope]]]:
            table: dict[str, list[tuple[ast.expr, Scope]]] = {}
            for method in module.index.functions:
                for decorator in method.decorators if method.cls is not None else ():
                    named = decorator.func if isinstance(decorator, ast.Call) else decorator
                    table.setdefault(last_name(named), []).append((named, method))
            return table

        found: dict[Scope, Value] = {}
        table: dict[str, list[tuple[ast.expr, Scope]]] = module.remember("decorated methods", module.index.module_scope, compute, {})
        outer = scope.parent
        while outer is not None and outer.kind == "function":
            for named, method in table.get(outer.name, ()):
                if method.cls is not None and any(isinstance(v, Function) and v.scope is outer for v in self.values(module, named)):
                    found.setdefault(method.cls, Instance(Class(module, method.cls)))
            outer = outer.parent
        return tuple(found.values())[:MAX_CALLERS]

    def _depends(self, module: "Module", node: ast.expr, scope: Scope) -> Values | None:
        """The value that ``Depends(provider)`` injects, or None when the expression is no dependency."""
        if not isinstance(node, ast.Call):
            return None
        callee = self.values(module, node.func, scope)
        if not any(isinstance(v, External) and v.path == "fastapi.Depends" for v in callee):
            return None
        provider = dependency(module, node)
        if provider is None:
            return None
        return self.provided(module, provider, scope)

    def provided(self, module: "Module", provider: ast.expr, scope: Scope | None = None) -> Values:
        """What a dependency provider gives to those who depend on it: returns awaited, generators entered."""
        results = []
        for value in self.values(module, provider, scope):
            result = self.invoke(value, None, module)
            results.append(self._settled(result))
        return union(*results) if results else UNKNOWN_ONLY

    def _settled(self, values: Values) -> Values:
        parts: list[Values] = []
        for value in values:
            if isinstance(value, (Awaitable, Generator, Manager)):
                parts.append(value.values)
            else:
                parts.append((value,))
        return union(*parts) if parts else UNKNOWN_ONLY

    def _fixture(self, module: "Module", scope: Scope, arg: ast.arg) -> Values | None:
        """The value of a pytest fixture for a parameter of a test or of another fixture."""
        if not scope.name.startswith("test") and not self.is_fixture(module, scope):
            return None
        for home in self._fixture_homes(module):
            for binding in home.index.module_scope.bindings.get(arg.arg, ()):
                target = home.index.bodies.get(binding.node) if binding.how == "def" else None
                if target is not None and target is not scope and self.is_fixture(home, target):
                    return self._settled(self.invoke(Function(home, target), None, module))
        if scope.cls is not None:
            for binding in scope.cls.bindings.get(arg.arg, ()):
                target = module.index.bodies.get(binding.node) if binding.how == "def" else None
                if target is not None and target is not scope and self.is_fixture(module, target):
                    return self._settled(self.invoke(Function(module, target, Instance(Class(module, scope.cls))), None, module))
        return None

    def _fixture_homes(self, module: "Module") -> list["Module"]:
        homes = [module]
        folder = os.path.dirname(module.location)
        for _ in range(4):
            path = os.path.join(folder, "conftest.py")
            if path != module.location and os.path.isfile(path):
                found = self.project.load(path, module)
                if found is not None:
                    homes.append(found)
            if folder in module.roots[:1]:
                break
            folder = os.path.dirname(folder)
        return homes

    def is_fixture(self, module: "Module", scope: Scope) -> bool:
        """Whether a function is a pytest fixture."""
        return any(d.startswith(("pytest.fixture", "pytest_asyncio.fixture")) for d in self.decorators(module, scope))

    def _supplied(self, module: "Module", scope: Scope, arg: ast.arg) -> Values | None:
        """What a framework hands to a handler's parameter that has no annotation: the request object."""
        if arg.arg == "self" and scope.cls is None and scope.positional[:1] == [arg]:
            return self._task_class(module, scope)
        if scope.name == "setup" and scope.positional == [arg] and self._is_extension(module, scope, arg):
            return (External("discord.ext.commands.Bot()"),)
        if arg.arg.endswith(("app", "application")):
            return self._application(module, scope, arg)
        if scope.name == "initialize" and scope.cls is not None:
            return self._from_routes(module, scope, arg)
        if arg.arg not in ("request", "req", "ctx", "context", "update"):
            return None
        from flake8_mongo_threads.concurrency.frameworks import request_type

        for value in self._handler_paths(module, scope):
            path = request_type(value, arg.arg)
            if path:
                return (External(path),)
        return None

    def _application(self, module: "Module", scope: Scope, arg: ast.arg) -> Values | None:
        """The application that a framework hands to a hook: ``app.on_startup.append(hook)``, ``FastAPI(lifespan=hook)``."""
        from flake8_mongo_threads.concurrency.frameworks import application_type

        first = scope.positional[1:] if scope.cls is not None else scope.positional
        if first[:1] != [arg]:
            return None
        for path in sorted(self.decorators(module, scope)):
            kind = application_type(path, "")
            if kind:
                return (External(kind),)
        for home, reference in self.references(module, scope)[:MAX_CALLERS]:
            parents = home.index.parents
            parent = parents.get(reference)
            if isinstance(parent, (ast.List, ast.Tuple)):
                parent = parents.get(parent)
            named = parent.arg or "" if isinstance(parent, ast.keyword) else ""
            call = parents.get(parent) if isinstance(parent, ast.keyword) else parent
            if isinstance(call, ast.Call) and call.func is not reference and self.names(home, reference, scope) is not None:
                for value in self.values(home, call.func):
                    kind = application_type(value.path, named) if isinstance(value, External) else ""
                    if kind:
                        return (External(kind),)
        return None

    @staticmethod
    def _is_extension(module: "Module", scope: Scope, arg: ast.arg) -> bool:
        """Whether a function is the entry of an extension of a Discord bot: ``def setup(bot): bot.add_cog(…)``."""
        index = module.index
        if scope.parent is not index.module_scope:
            return False
        if not any(what.module.partition(".")[0] in ("discord", "nextcord", "disnake") for what, _ in index.imports):
            return False
        return any(
            isinstance(node.value, ast.Name) and node.value.id == arg.arg and index.scope(node).function is scope
            for node in index.attribute_loads.get("add_cog", ())
            if isinstance(node, ast.Attribute)
        )

    def _task_class(self, module: "Module", scope: Scope) -> Values | None:
        """The task object that Celery hands to ``@app.task(bind=True, base=MongoTask)``."""
        for decorator in scope.decorators:
            if not isinstance(decorator, ast.Call):
                continue
            base = next((k.value for k in decorator.keywords if k.arg == "base"), None)
            bound = any(k.arg == "bind" and isinstance(k.value, ast.Constant) and k.value.value is True for k in decorator.keywords)
            if base is not None and bound:
                classes = tuple(Instance(v) for v in self.values(module, base) if isinstance(v, Class))
                return classes or None
        return None

    def _handler_paths(self, module: "Module", scope: Scope) -> list[str]:
        found = sorted(self.decorators(module, scope))
        if scope.cls is not None:
            found.extend(sorted(base + "()" for base in self.external_bases(Class(module, scope.cls))))
        if not found and scope.parent is not None and scope.parent.kind in ("module", "function"):
            for home, reference in self.references(module, scope)[:MAX_CALLERS]:
                parent = home.index.parents.get(reference)
                if isinstance(parent, ast.Call) and parent.func is not reference:
                    if home is module or self.names(home, reference, scope) is not None:
                        found.extend(v.path for v in self.values(home, parent.func) if isinstance(v, External))
        return found

    def deeper(self) -> bool:
        """Enter one more hop from a callee to its callers; False, and a cut, where there were too many already."""
        if self.hops >= MAX_HOPS:
            self.cuts += 1
            return False
        self.hops += 1
        return True

    def shallower(self) -> None:
        """Leave a hop that ``deeper`` entered."""
        self.hops -= 1

    def _from_callers(self, module: "Module", scope: Scope, arg: ast.arg) -> list[Values]:
        """What visible callers hand over: direct calls, instantiation, partial, spawns and callbacks."""
        if self.hops >= MAX_HOPS:
            self.cuts += 1
            return [UNKNOWN_ONLY]
        self.hops += 1
        try:
            parts: list[Values] = []
            for seen, (home, reference) in enumerate(self.references(module, scope)):
                if seen >= MAX_CALLERS * 2 or len(parts) > MAX_CALLERS:
                    break
                value = self._handed(home, reference, scope, arg)
                if value is not None and value:
                    # what a test double stands in for is what the others hand over
                    parts.append(tuple(OPEN if isinstance(v, External) and v.path.startswith(_DOUBLES) else v for v in value))
            parts.extend(self._from_decorators(module, scope, arg))
            parts.extend(self._from_decorated(module, scope, arg))
            return parts
        finally:
            self.hops -= 1

    def _from_decorators(self, module: "Module", scope: Scope, arg: ast.arg) -> list[Values]:
        """What the program's own decorators of a function put into a parameter of it."""
        from flake8_mongo_threads.semantics.spawns import relayed

        if not scope.decorators or arg not in scope.params:
            return []
        parameters = scope.positional
        position = parameters.index(arg) if arg in parameters else None
        found: list[Values] = []
        for decorator in scope.decorators:
            for value in self.values(module, decorator):
                if isinstance(value, Function) and value.receiver is None and value.scope.positional:
                    given = relayed(self, value, value.scope.positional[0].arg, position, arg.arg)
                    if given:
                        found.append(given)
        return found

    def _from_decorated(self, module: "Module", scope: Scope, arg: ast.arg) -> list[Values]:
        """What the wrapper that a decorator puts in a function's place gets: the object whose method it is, what callers hand over."""
        outer = scope.parent
        if outer is None or outer.kind != "function" or scope.kind != "function" or arg not in scope.positional:
            return []
        if not any(isinstance(r, ast.Name) and r.id == scope.name for r in outer.returns):
            return []
        factory = outer.parent
        maker = factory if factory is not None and factory.kind == "function" else None
        position = scope.positional.index(arg)
        found: list[Values] = []
        for home, load in self.references(module, maker or outer)[: MAX_CALLERS * 2]:
            index = home.index
            decorator, placed = load, index.parents.get(load)
            if maker is not None and isinstance(placed, ast.Call) and placed.func is load:
                decorator, placed = placed, index.parents.get(placed)
            if not isinstance(placed, (ast.FunctionDef, ast.AsyncFunctionDef)) or decorator not in placed.decorator_list:
                continue
            decorated = index.bodies.get(placed)
            if decorated is None or position >= len(decorated.positional):
                continue
            if decorated.cls is not None and not position:
                found.append(self.values_of_parameter(home, decorated, decorated.positional[0]))
            else:
                found.extend(self._from_callers(home, decorated, decorated.positional[position]))
        return [v for v in found if v]

    def values_of_parameter(self, module: "Module", scope: Scope, arg: ast.arg) -> Values:
        """What a parameter of a function can be."""
        binding = next((b for b in scope.bindings.get(arg.arg, ()) if b.how == "param"), None)
        return self.parameter(module, binding) if binding is not None else UNKNOWN_ONLY

    def references(self, module: "Module", scope: Scope) -> list[tuple["Module", ast.AST]]:
        """Expressions that name a function (or the class it initialises), in the modules loaded so far."""
        names: list[str] = [scope.name]
        init = scope.cls is not None and scope.name in ("__init__", "__new__", "__call__", "__post_init__")
        inheriting: list[Module] = []
        if init and scope.cls is not None:
            names = [scope.cls.name]
            inheriting.append(module)
            below = [scope.cls.name]
            for _ in range(MAX_LEVELS):
                derived = [(home, c.name) for home in self.project.order for name in below for c in home.index.derived.get(name, ())]
                inheriting.extend(home for home in self.project.order if home not in inheriting and any(h is home for h, _ in derived))
                below = list(dict.fromkeys(name for _, name in derived if name not in names))
                if not below:
                    break
                names.extend(below)
        elif scope.kind == "lambda":
            return [(module, scope.node)]
        found: list[tuple[Module, ast.AST]] = []
        for home in list(self.project.order):
            for name in names[:MAX_CALLERS]:
                found.extend((home, n) for n in home.index.name_loads.get(name, ()))
                found.extend((home, n) for n in home.index.attribute_loads.get(name, ()))
            if home in inheriting:
                found.extend((home, n) for n in home.index.attribute_loads.get(scope.name, ()))
                # ``return cls(client)`` of another way to make one, ``self.__class__(…)`` of a copy
                own: list[ast.AST] = [*home.index.name_loads.get("cls", ()), *home.index.attribute_loads.get("__class__", ())]
                calls = ((n, home.index.parents.get(n)) for n in own)
                found.extend((home, n) for n, call in calls if isinstance(call, ast.Call) and call.func is n)
        return found

    @staticmethod
    def subclass_names(module: "Module", name: str) -> list[str]:
        """Names of the classes of a module that inherit from a class of that name, directly or through one another."""
        found = [name]
        for base in found:
            found.extend(c.name for c in module.index.derived.get(base, ()) if len(found) < MAX_CALLERS and c.name not in found)
        return found[1:]

    def _handed(self, home: "Module", reference: ast.AST, scope: Scope, arg: ast.arg) -> Values | None:
        parent = home.index.parents.get(reference)
        while isinstance(parent, ast.Subscript) and parent.value is reference:
            reference, parent = parent, home.index.parents.get(parent)
        if isinstance(parent, ast.keyword):
            call = home.index.parents.get(parent)
            if isinstance(call, ast.Call) and self.names(home, reference, scope) is not None:
                return self._through(home, call, reference, scope, arg)
            return None
        if not isinstance(parent, ast.Call):
            return self._kept(home, reference, scope, arg) if isinstance(parent, KEEPS) else None
        bound = self.names(home, reference, scope)
        if bound is None:
            return None
        if parent.func is reference:
            expression = self.argument_for(parent, scope, arg, skip_first=bound)
            return self.values(home, expression) if expression is not None else self._passed_on(home, parent, scope, arg)
        given = self._through(home, parent, reference, scope, arg)
        return given if given is not None else self._kept(home, reference, scope, arg)

    def _passed_on(self, home: "Module", call: ast.Call, scope: Scope, arg: ast.arg) -> Values | None:
        """What reaches a parameter through ``super().__init__(*args, **kwargs)``: what the callers of the method around it hand over."""
        outer = home.index.scope(call).function
        rest = outer.node.args.vararg if isinstance(outer.node, (ast.FunctionDef, ast.AsyncFunctionDef)) else None
        first = call.args[0] if call.args else None
        if rest is None or outer.cls is None or not isinstance(first, ast.Starred):
            return None
        if not isinstance(first.value, ast.Name) or first.value.id != rest.arg or not self.deeper():
            return None
        try:
            found = []
            for other, reference in self.references(home, outer)[:MAX_CALLERS]:
                given = other.index.parents.get(reference)
                if isinstance(given, ast.Call) and given.func is reference and self.names(other, reference, outer):
                    expression = self.argument_for(given, scope, arg, skip_first=True, offset=len(outer.positional) - 1)
                    if expression is not None:
                        found.append(self.values(other, expression))
            return union(*found) if found else None
        finally:
            self.shallower()

    def _kept(self, home: "Module", reference: ast.AST, scope: Scope, arg: ast.arg) -> Values | None:
        """What calls hand over to a function that was put under another name or into a container: ``HANDLERS[name](db)``."""
        calls = calls_of_kept(home.index, reference)
        if not calls:
            return None
        bound = self.names(home, reference, scope)
        if bound is None:
            return None
        given = [self.argument_for(call, scope, arg, skip_first=bound) for call in calls[:MAX_CALLERS]]
        found = [self.values(home, expression) for expression in given if expression is not None]
        return union(*found) if found else None

    def names(self, home: "Module", reference: ast.AST, scope: Scope) -> bool | None:
        """Whether an expression means this function: None if not, else whether its first parameter is already bound."""
        if scope.kind == "lambda":
            return False
        for value in self.values(home, reference):
            if isinstance(value, Function) and value.scope is scope:
                static = "builtins.staticmethod" in self.decorators(value.module, scope)
                return scope.cls is not None and not static and value.receiver is not None
            if isinstance(value, Class) and scope.name in ("__init__", "__new__", "__post_init__"):
                for _, cls in self.resolution_order(value):
                    if scope.name in cls.bindings:
                        if any(home_scope is scope for home_scope in self.definitions(cls, scope.name)):
                            return True
                        break
            if isinstance(value, Instance) and scope.name == "__call__" and scope.cls is value.cls.scope:
                return True
        return None

    @staticmethod
    def definitions(owner: Scope, name: str) -> list[Scope]:
        """The functions that a class body defines under a name."""
        bodies = owner.index.bodies
        return [bodies[b.node] for b in owner.bindings.get(name, ()) if b.how == "def" and b.node in bodies]

    def method_of(self, value: Instance, name: str) -> Function | None:
        """The method of the program that an object has under a name: the first definition in the resolution order of its class."""
        for home, cls in self.resolution_order(value.cls):
            for definition in self.definitions(cls, name):
                return Function(home, definition, value)
        return None

    @staticmethod
    def argument_for(call: ast.Call, scope: Scope, arg: ast.arg, *, skip_first: bool, offset: int = 0) -> ast.expr | None:
        """The expression a call hands to a parameter; ``offset`` arguments of the call belong to somebody else."""
        for item in call.keywords:
            if item.arg == arg.arg:
                return item.value
        positional = scope.positional
        for position, candidate in enumerate(positional[1:] if skip_first else positional):
            if candidate is arg:
                return argument(call, position + offset)
        return None

    def _through(self, home: "Module", call: ast.Call, reference: ast.AST, scope: Scope, arg: ast.arg) -> Values | None:
        """What a call that receives the function as a callback will put into its parameter."""
        from flake8_mongo_threads.semantics.spawns import delivered

        bound = False
        for value in self.values(home, reference):
            if isinstance(value, Function) and value.scope is scope:
                bound = scope.cls is not None and value.receiver is not None
        positional = scope.positional[1:] if bound else scope.positional
        position = next((i for i, candidate in enumerate(positional) if candidate is arg), None)
        return delivered(self, home, call, reference, position, arg.arg)

    # annotations -------------------------------------------------------

    def annotation(self, module: "Module", node: ast.AST | None, scope: Scope, depth: int = 0) -> Values:
        """What an object annotated with an expression is."""
        if node is None or depth > 8:
            return UNKNOWN_ONLY
        if isinstance(node, ast.Constant):
            if node.value is None:
                return (NOTHING,)
            if isinstance(node.value, str):
                parsed = _parsed(node.value)
                if parsed is None:
                    return UNKNOWN_ONLY
                found = self.annotation(module, parsed, scope, depth + 1)
                return tuple(
                    Driver(v.family, v.flavour, Site(module, node), v.parent, v.name)
                    if isinstance(v, Driver) and v.site is not None and v.site.node not in module.index.parents
                    else v
                    for v in found
                )
            return UNKNOWN_ONLY
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return union(self.annotation(module, node.left, scope, depth + 1), self.annotation(module, node.right, scope, depth + 1))
        if isinstance(node, ast.Subscript):
            return self._generic(module, node, scope, depth)
        values = self.values(module, node, scope)
        if len(values) > 1 and isinstance(node, ast.Name):
            values = self._seen_by_checkers(module, node.id) or values
        return self._instances(module, node, values, scope, depth)

    def _seen_by_checkers(self, module: "Module", name: str) -> Values:
        """What a name of a module means to type checkers, where that is written for them: ``if TYPE_CHECKING: from app import Bot``."""
        top = module.index.module_scope
        for_them = [
            b
            for b in top.bindings.get(name, ())
            if any(
                arm == "body" and isinstance(test, ast.If) and last_name(test.test) == "TYPE_CHECKING"
                for test, arm in _arms(top, b.node).items()
            )
        ]
        return self.join(module, for_them) if for_them else BOTTOM

    def _instances(self, module: "Module", node: ast.AST, values: Values, scope: Scope, depth: int) -> Values:
        parts: list[Values] = []
        for value in values:
            if isinstance(value, Class):
                # a class that only describes another driver's objects to a type checker says nothing of what they are
                parts.append(UNKNOWN_ONLY if self._is_description(value) else (Instance(value),))
            elif isinstance(value, External) and value.path in ("typing.NoReturn", "typing.Never"):
                parts.append((NOTHING,))  # like None: what comes after does not happen
            elif isinstance(value, External):
                parts.append(self._alias(module, value, scope, depth) or self._described(value.path, Site(module, node)))
            elif isinstance(value, (Sequence, Mapping, Generator, Manager)):
                parts.append((value,))
            else:
                parts.append(UNKNOWN_ONLY)
        return union(*parts) if parts else UNKNOWN_ONLY

    def _described(self, path: str, site: Site) -> Values:
        """An object of the class that an annotation names. ``Database`` says little where every client of the program is asynchronous."""
        found = self.instance(kinds.class_of_module(path), site)
        if isinstance(found, Driver) and found.flavour == "sync" and self.project.only_async_clients:
            return UNKNOWN_ONLY
        return (found,)

    def _alias(self, module: "Module", value: External, scope: Scope, depth: int) -> Values | None:
        """``NewType("Db", Database)`` and annotated aliases kept as values."""
        if (
            value.site is not None
            and value.path in ("typing.NewType()", "typing_extensions.NewType()")
            and isinstance(value.site.node, ast.Call)
        ):
            return self.annotation(
                value.site.module, argument(value.site.node, 1), value.site.module.index.scope(value.site.node), depth + 1
            )
        if value.site is not None and isinstance(value.site.node, ast.Subscript):
            return self._generic(value.site.module, value.site.node, value.site.module.index.scope(value.site.node), depth + 1)
        if value.site is not None and isinstance(value.site.node, ast.BinOp):
            return self.annotation(value.site.module, value.site.node, value.site.module.index.scope(value.site.node), depth + 1)
        return None

    def _generic(self, module: "Module", node: ast.Subscript, scope: Scope, depth: int) -> Values:
        bases = self.values(module, node.value, scope)
        inner = node.slice
        parts = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
        for base in bases:
            path = base.path if isinstance(base, External) else ""
            if path in ("typing.Optional", "typing.Union"):
                return union(*(self.annotation(module, part, scope, depth + 1) for part in parts[:6]))
            if path == "typing.Annotated" and parts:
                for extra in parts[1:]:
                    injected = self._depends(module, extra, scope)
                    if injected is not None and known(injected) and UNKNOWN not in injected:
                        return injected
                return self.annotation(module, parts[0], scope, depth + 1)
            if path in _ANNOTATION_TRANSPARENT:
                return self.annotation(module, parts[0], scope, depth + 1)
            if path in _ANNOTATION_ITER:
                element = Element(module, scope, None, self.annotation(module, parts[0], scope, depth + 1))
                return (Sequence((element,), Site(module, node), many=True),)
            if path in _ANNOTATION_GENERATOR:
                return (Generator(self.annotation(module, parts[0], scope, depth + 1), Site(module, node)),)
            if path in _ANNOTATION_MANAGER:
                return (Manager(self.annotation(module, parts[0], scope, depth + 1), Site(module, node)),)
            if path in _ANNOTATION_MAP and len(parts) > 1:
                element = Element(module, scope, None, self.annotation(module, parts[1], scope, depth + 1))
                return (Mapping(((None, element),), Site(module, node)),)
            if path in ("typing.Awaitable", "typing.Coroutine"):
                return (Awaitable(self.annotation(module, parts[-1], scope, depth + 1), "coroutine", Site(module, node)),)
            if path == "typing.Callable":
                return UNKNOWN_ONLY
        return self._instances(module, node, bases, scope, depth)

    def instance(self, path: str, site: Site | None) -> Value:
        """An object of an external class: a driver object where the class is the driver's."""
        path = canonical(path)
        if path.startswith("declared:"):
            _, family, flavour = path.split(":")
            return Driver(family, flavour, site)
        kind = kinds.class_kind(path) or wrappers.CLASSES.get(path)
        if kind is not None:
            return Driver(kind[0], kind[1], site)
        return External(canonical(path + "()"), site)

    # attributes --------------------------------------------------------

    def _attribute(self, module: "Module", node: ast.AST, scope: Scope) -> Values:
        base = _something(self.values(module, node.value, scope))  # type: ignore[attr-defined]
        name: str = node.attr  # type: ignore[attr-defined]
        if len(base) > 1:
            called = _is_called(module, node)
            base = tuple(v for v in base if self._may_have(v, name, module, called=called)) or base
        return union(*(self.attribute(value, name, node, module) for value in base)) if base else BOTTOM

    def _may_have(self, value: Value, name: str, module: "Module", *, called: bool) -> bool:
        """Whether reading an attribute of such an object, or calling it, can succeed: what would raise is no alternative."""
        if isinstance(value, Driver) and called:
            # of a client or a database, any other name is a database or collection: not callable
            return value.family not in CHAIN or kinds.member(value.family, value.flavour, name) is not None
        if not isinstance(value, Instance):
            return _plain_has(value, name)
        order = self.resolution_order(value.cls)
        if any(name in cls.bindings or "__getattr__" in cls.bindings or "__getattribute__" in cls.bindings for _, cls in order):
            return True
        if self._opaque_base(value.cls) or any(base not in _PLAIN_BASES for base in self.external_bases(value.cls)):
            return True
        return any(self._stores(home, name) for home in self.project.order) or "setattr" in module.source.text

    def attribute(self, value: Value, name: str, node: ast.AST | None, module: "Module") -> Values:
        """What an attribute of a value is; ``node`` is the expression that reads it."""
        if value is OPEN:
            return (OPEN,)
        if isinstance(value, Driver):
            return self.member(value, name, node, module)
        if isinstance(value, ModuleRef):
            target = value.module
            if name in target.index.module_scope.bindings:
                return self.export(target, name)
            submodule = self.project.find(target, name, 1) if target.package_file else None
            if submodule is not None:
                return (ModuleRef(submodule),)
            return self._star(target, name) or UNKNOWN_ONLY
        if isinstance(value, Instance):
            return self.instance_attribute(value, name, node, module)
        if isinstance(value, Class):
            return self.class_attribute(value, name, node, module)
        if isinstance(value, Super):
            return self._super_attribute(value, name, node, module)
        if isinstance(value, External):
            return self._external_attribute(value, name, node, module)
        if isinstance(value, Awaitable) and name == "result":
            return (_Result(value),)
        if isinstance(value, Awaitable) and name == "add_done_callback" and value.how != "coroutine":
            made = value.call.node if value.call is not None else None
            pool = isinstance(made, ast.Call) and last_name(made.func) == "submit"
            return (External(f"{'concurrent.futures' if pool else 'asyncio'}.Future().add_done_callback", value.call),)
        if isinstance(value, Function) and node is not None:
            return self._function_attribute(value, name, module)
        return UNKNOWN_ONLY

    def member(self, owner: Driver, name: str, node: ast.AST | None, module: "Module") -> Values:
        """A member of a driver object: a method, a property, or by ``__getattr__`` a database or collection."""
        if name in module.index.attribute_stores and isinstance(node, ast.Attribute) and self._replaced(module, node):
            return UNKNOWN_ONLY
        found = kinds.member(owner.family, owner.flavour, name)
        site = Site(module, node) if node is not None else owner.site
        if found is None:
            child = CHAIN.get(owner.family)
            if child is None or name.startswith("_"):
                return UNKNOWN_ONLY
            full = f"{owner.name}.{name}" if owner.family == "collection" else name
            return (Driver(child, owner.flavour, site, owner, full),)
        if not found.is_property:
            return (Method(owner, name, found),)
        result = self._member_result(owner, name, found.result, site)
        if found.coroutine:
            return (Awaitable(result, "coroutine", site, Method(owner, name, found)),)
        return result

    def _replaced(self, module: "Module", node: ast.Attribute) -> bool:
        """Whether the program sets this very attribute of a driver object: ``client.db = Mock()``, ``coll.find_one = fake``."""
        key = path_key(node.value)
        if not key or node not in module.index.parents:
            return False
        scope = module.index.scope(node)
        for store in module.index.attribute_stores[node.attr]:
            target = store.target
            if isinstance(target, ast.Attribute) and path_key(target.value) == key and self._same_place(key, scope, store.scope):
                return True
        return False

    def _member_result(self, owner: Driver, name: str, result: str, site: Site | None) -> Values:
        if not result or result == "options":
            return UNKNOWN_ONLY
        if result == "self":
            return (owner,)
        if result == "documents":
            document = Driver("document", owner.flavour, site, owner)
            return (Sequence((Element(site.module, None, None, (document,)),), site, many=True),) if site is not None else UNKNOWN_ONLY
        known_parent = owner.root(result) if result in ("client", "database", "collection") and result != CHAIN.get(owner.family) else None
        if known_parent is not None:
            return (known_parent,)
        parent: Driver | None = owner
        if result in ("client", "database") and owner.family != "client":
            parent = owner.root("client")
        return (Driver(result, owner.flavour, site, parent),)

    def _function_attribute(self, value: Function, name: str, module: "Module") -> Values:
        """Attributes put on a function by its decorator: Celery's ``delay`` and kin, or the function wrapped."""
        decorators = self.decorators(value.module, value.scope)
        if name in ("__wrapped__", "fn", "func"):
            return (value,)
        for decorator in sorted(decorators):
            return (External(f"{decorator}.{name}", Site(value.module, value.scope.node)),)
        for store in self._stores(module, name):
            base = self.values(module, store.target.value)
            if any(isinstance(v, Function) and v.scope is value.scope for v in base):
                return self.stored(module, store)
        return UNKNOWN_ONLY

    def _super_attribute(self, value: Super, name: str, node: ast.AST | None, module: "Module") -> Values:
        order = self.resolution_order(value.cls)[1:]
        for home, cls in order:
            if name in cls.bindings:
                return self._class_binding(home, cls, name, value.receiver, node, module)
        if name == "__new__":
            return (External("builtins.object.__new__"),)
        kind = self.driver_base(value.cls)
        if kind is not None and isinstance(value.receiver, Instance):
            return self.member(Driver(kind[0], kind[1], value.receiver.site), name, node, module)
        for base in self.external_bases(value.cls):
            return (External(canonical(f"{base}().{name}")),)
        return UNKNOWN_ONLY

    def resolution_order(self, cls: Class) -> list[tuple["Module", Scope]]:
        """First-party classes from the class upwards, depth first and without repeats (a close stand-in for the C3 order)."""
        known_order = self._orders.get(cls.scope)
        if known_order is not None:
            return known_order
        before = self.cuts
        found: list[tuple[Module, Scope]] = []
        pending = [cls]
        while pending and len(found) < MAX_BASES:
            current = pending.pop(0)
            if any(scope is current.scope for _, scope in found):
                continue
            found.append((current.module, current.scope))
            bases: list[Class] = []
            for base in current.scope.node.bases:  # type: ignore[attr-defined]
                target = base.value if isinstance(base, ast.Subscript) else base
                bases.extend(v for v in self.values(current.module, target) if isinstance(v, Class))
            pending = bases + pending
        if self.cuts == before:
            self._orders[cls.scope] = found
        return found

    def external_bases(self, cls: Class) -> list[str]:
        """Paths of the external classes among a class's bases, nearest first; calls such as ``with_metaclass`` give none."""
        known_bases = self._external_bases.get(cls.scope)
        if known_bases is not None:
            return known_bases
        before = self.cuts
        found: list[str] = []
        for home, scope in self.resolution_order(cls):
            for base in scope.node.bases:  # type: ignore[attr-defined]
                target = base.value if isinstance(base, ast.Subscript) else base
                for value in self.values(home, target):
                    if isinstance(value, External) and value.path not in found:
                        found.append(value.path)
        if self.cuts == before:
            self._external_bases[cls.scope] = found
        return found

    def driver_base(self, cls: Class) -> tuple[str, str] | None:
        """Family and flavour when a class of the program inherits from a driver class."""
        if cls.scope in self._driver_bases:
            return self._driver_bases[cls.scope]
        before = self.cuts
        found: tuple[str, str] | None = None
        for path in self.external_bases(cls):
            kind = kinds.class_kind(path) or wrappers.CLASSES.get(path)
            if kind is not None:
                found = None if self._awaited_instead(cls, *kind) else kind
                break
        if self.cuts == before:
            self._driver_bases[cls.scope] = found
        return found

    def _is_description(self, cls: Class) -> bool:
        """Whether a subclass of a driver class makes blocking operations ``async def``."""
        bases = cls.scope.node.bases  # type: ignore[attr-defined]
        if not bases or not any(isinstance(n, ast.AsyncFunctionDef) for n in cls.scope.node.body):  # type: ignore[attr-defined]
            return False
        return self.driver_base(cls) is None and any(kinds.class_kind(path) is not None for path in self.external_bases(cls))

    def _awaited_instead(self, cls: Class, family: str, flavour: str) -> bool:
        """Whether a subclass of a blocking class makes its operations ``async def``: then it stands for another driver's object."""
        if flavour != "sync":
            return False
        for _, scope in self.resolution_order(cls):
            for name, bindings in scope.bindings.items():
                if not name.startswith("_") and any(b.how == "def" and isinstance(b.node, ast.AsyncFunctionDef) for b in bindings):
                    member = kinds.member(family, flavour, name)
                    if member is not None and member.io:
                        return True
        return False

    def _opaque_base(self, cls: Class) -> bool:
        """Whether some base cannot be read, so that an attribute we do not find may exist all the same."""
        for home, scope in self.resolution_order(cls):
            for base in scope.node.bases:  # type: ignore[attr-defined]
                target = base.value if isinstance(base, ast.Subscript) else base
                if UNKNOWN in self.values(home, target):
                    return True
        return False

    def _stores(self, module: "Module", name: str) -> list[Store]:
        return module.index.attribute_stores.get(name, [])

    def stored(self, module: "Module", store: Store) -> Values:
        """What an attribute or item assignment puts there."""
        if store.how == "ann":
            return self._annotated(module, store.annotation, store.value, store.scope)
        if store.value is None or store.how == "aug":
            return UNKNOWN_ONLY
        value = self.values(module, store.value)
        if store.how == "for":
            value = self.iterate(module, store.value, value)
        elif store.how == "with":
            value = self.enter(value, self._with_is_async(module, store.value))
        return self.unpack(value, store.path)

    def instance_attribute(self, value: Instance, name: str, node: ast.AST | None, module: "Module") -> Values:
        """An attribute of an object of the program: set anywhere in its classes, defined by them, or a driver member."""
        if name == "__class__":
            return (value.cls,)
        known_value = self._attributes.get((value.cls.scope, name))
        if known_value is not None:
            return known_value
        key = ("attribute", id(value.cls.scope), name)
        if key in self.active or self.hops >= MAX_HOPS:
            self.cuts += 1
            return BOTTOM if key in self.active else UNKNOWN_ONLY
        self.active.add(key)
        self.hops += 1
        before = self.cuts
        try:
            found = self._instance_attribute(value, name, node, module)
        finally:
            self.hops -= 1
            self.active.discard(key)
        if (self.cuts == before or (found and self._settled_now(key))) and not any(
            isinstance(v, (Function, Method)) or (isinstance(v, External) and v.site is not None) for v in found
        ):
            self._attributes[value.cls.scope, name] = found
        return found

    def _instance_attribute(self, value: Instance, name: str, node: ast.AST | None, module: "Module") -> Values:
        parts: list[Values] = []
        order = self.resolution_order(value.cls)
        declared = True
        for home, cls in order:
            if name in cls.bindings:
                parts.append(self._class_binding(home, cls, name, value, node, module))
                declared = declared and all(b.how == "ann" and b.value is None for b in cls.bindings[name])
                methods = any(b.how == "def" for b in cls.bindings[name])
                if methods:
                    break
        set_here = [v for home, cls in order for v in self._self_stores(home, cls, name)]
        if set_here and any(s.scope.name == "__init__" for home, cls in order for s in self._stores(home, name) if s.scope.cls is cls):
            # an object has what its ``__init__`` sets rather than a method of that name
            parts = [part for part in parts if not all(isinstance(v, Function) for v in part)]
        parts.extend(set_here[: MAX_RETURNS + 4])
        if not set_here and declared:
            # nothing, or a bare annotation: what is put there from outside says more
            outside = [*self._outside_stores(module, value, name), *self._from_construction(value, name)]
            if (outside and self.agreed(union(*outside)) is not None) or not parts:
                parts = outside
        result = _made(union(*parts)) if parts else BOTTOM
        if node is not None and not known(result) and not any(v is UNKNOWN for v in result):
            # a base class or mixin reads what only its subclasses set
            subclass = self._from_subclasses(value, name, node, module)
            if known(subclass):
                return union(result, subclass)
        silent = bool(result) and all(isinstance(v, Function) and says_nothing(v.scope.node) for v in result)
        if result == UNKNOWN_ONLY:
            nearest = next((cls for _, cls in order if name in cls.bindings), None)
            silent = nearest is not None and any(says_nothing(method.node) for method in self.definitions(nearest, name))
        if node is not None and silent:
            # an abstract method or property: what runs is what the subclasses define, where all of them are known
            defined = self._from_subclasses(value, name, node, module)
            if known(defined):
                if not self._inherited_elsewhere(value.cls.scope.name):
                    return defined
                if own_object(module, node):
                    # the class calls it on its own object: of a subclass beside it that much is certain
                    return union(tuple(v for v in defined if isinstance(v, Function) and v.module is module), UNKNOWN_ONLY)
        if result or set_here:
            return result
        kind = self.driver_base(value.cls)
        if kind is not None:
            return self.member(Driver(kind[0], kind[1], value.site), name, node, module)
        if any(name in cls.bindings for _, cls in order):
            return UNKNOWN_ONLY
        for home, cls in order:
            if "__getattr__" in cls.bindings:
                return self._delegated(home, cls, value, name, node, module)
        bases = [base for base in self.external_bases(value.cls) if base not in _PLAIN_BASES]
        for base in bases:
            handed = wrappers.ATTRIBUTES.get((base, name))
            if handed is not None:
                return (Driver(handed[0], handed[1], value.site),)
        if bases and not self._opaque_base(value.cls):
            return (
                (External(canonical(f"{bases[0]}().{name}"), value.site),)
                if len(bases) == 1
                else tuple(External(canonical(f"{b}().{name}"), value.site) for b in bases[:3])
            )
        return UNKNOWN_ONLY

    def _inherited_elsewhere(self, name: str) -> bool:
        """Whether modules that were not read may have subclasses of a class of that name."""
        found = self._inherited.get(name)
        if found is None:
            from flake8_mongo_threads.semantics.callers import inherited_elsewhere

            found = self._inherited[name] = inherited_elsewhere(self.project.order[0], name)
        return found

    def _from_subclasses(self, value: Instance, name: str, node: ast.AST, module: "Module") -> Values:
        """A mixin or base reads what only its subclasses set: the union over the subclasses that are loaded."""
        parts: list[Values] = []
        wanted = value.cls.scope
        for home in list(self.project.order):
            for other in home.index.classes:
                if other is wanted or not _named_bases(other, wanted.name):
                    continue
                if name in other.bindings or any(s.scope.function.cls is other for s in self._stores(home, name)):
                    # what the subclass sets itself is enough: its other bases need not be read
                    order = [(home, other)]
                    if not any(
                        isinstance(v, Class) and v.scope is wanted
                        for base in _named_bases(other, wanted.name)
                        for v in self.values(home, base)
                    ):
                        continue
                else:
                    order = self.resolution_order(Class(home, other))
                    if not any(scope is wanted for _, scope in order):
                        continue
                for owner, scope in order:
                    if scope is wanted:
                        continue
                    if name in scope.bindings:
                        parts.append(self._class_binding(owner, scope, name, Instance(Class(home, other)), node, module))
                    parts.extend(self._self_stores(owner, scope, name))
        return union(*parts) if parts and len(parts) <= MAX_RETURNS else BOTTOM

    def _delegated(self, home: "Module", cls: Scope, value: Instance, name: str, node: ast.AST | None, module: "Module") -> Values:
        """A ``__getattr__`` of the form ``return getattr(self._client, name)`` hands over to another object."""
        del value
        target = self.agreed(self._stand_in(home, cls))
        return self.member(target, name, node, module) if target is not None else UNKNOWN_ONLY

    def _stand_in(self, home: "Module", cls: Scope) -> Values:
        """The object whose attributes a class's ``__getattr__`` gives; nothing where it only raises."""
        for definition in self.definitions(cls, "__getattr__"):
            if not definition.returns and isinstance(definition.node.body[-1], ast.Raise):  # type: ignore[attr-defined]
                return BOTTOM
            if len(definition.returns) != 1:
                continue
            returned = definition.returns[0]
            if (
                isinstance(returned, ast.Call)
                and isinstance(returned.func, ast.Name)
                and returned.func.id == "getattr"
                and len(returned.args) >= 2
                and isinstance(returned.args[1], ast.Name)
                and [arg.arg for arg in definition.positional[1:]] == [returned.args[1].id]
                and len(definition.bindings[returned.args[1].id]) == 1
            ):
                return self.values(home, returned.args[0])
        return UNKNOWN_ONLY

    def stands_for(self, value: Instance) -> Values:
        """What an object answers for whatever attribute is asked of it: itself, or what its ``__getattr__`` hands over to."""
        for home, cls in self.resolution_order(value.cls):
            if "__getattr__" in cls.bindings:
                return tuple(v for v in self._stand_in(home, cls) if v is not NOTHING)
        return (value,)

    def _self_stores(self, home: "Module", cls: Scope, name: str) -> list[Values]:
        """What methods of a class assign to ``self.name``."""
        found = []
        for store in self._stores(home, name):
            owner = store.scope.function
            while owner.kind in ("lambda", "comprehension") and owner.parent is not None:
                owner = owner.parent
            method = owner
            while method.cls is not cls and method.parent is not None and method.parent.kind != "module":
                method = method.parent
            if method.cls is not cls or not isinstance(store.target.value, ast.Name):
                continue
            positional = method.positional
            if positional and store.target.value.id == positional[0].arg:
                found.append(self.stored(home, store))
        return found

    def _outside_stores(self, module: "Module", value: Instance, name: str) -> list[Values]:
        """What code outside the class assigns to the attribute of such an object."""
        found: list[Values] = []
        for home in list(self.project.order):
            for store in self._stores(home, name)[:MAX_CALLERS]:
                base = store.target.value
                if isinstance(base, ast.Name) and base.id == "self":
                    continue
                for candidate in self.values(home, base):
                    if (isinstance(candidate, Instance) and candidate.cls.scope is value.cls.scope) or (
                        isinstance(candidate, Class) and candidate.scope is value.cls.scope
                    ):
                        found.append(self.stored(home, store))
                        break
        del module
        return [v for v in found if v]

    def _from_construction(self, value: Instance, name: str) -> list[Values]:
        """What calls of a class hand over for a field of it, where the class (a dataclass, a named tuple) writes no ``__init__``."""
        order = self.resolution_order(value.cls)
        if any("__init__" in cls.bindings for _, cls in order):
            return []
        fields = self._fields(value.cls)
        if name not in fields:
            return []
        found: list[Values] = []
        for home in list(self.project.order):
            names = [value.cls.scope.name, *self.subclass_names(home, value.cls.scope.name)]
            loads: list[ast.AST] = [n for each in names for n in home.index.name_loads.get(each, ())]
            loads.extend(n for each in names for n in home.index.attribute_loads.get(each, ()))
            for load in loads[: MAX_CALLERS * 2]:
                call = home.index.parents.get(load)
                if not isinstance(call, ast.Call) or call.func is not load:
                    continue
                given = keyword(call, name) or argument(call, fields.index(name))
                if given is not None and any(
                    isinstance(v, Class) and any(scope is value.cls.scope for _, scope in self.resolution_order(v))
                    for v in self.values(home, load)
                ):
                    found.append(self.values(home, given))
        return [v for v in found if v][:MAX_CALLERS]

    def _fields(self, cls: Class) -> list[str]:
        """The fields of a dataclass or named tuple, in the order of the arguments of its calls; none for other classes."""
        order = self.resolution_order(cls)
        for home, scope in order:
            for base in scope.node.bases:  # type: ignore[attr-defined]
                for made in self.values(home, base):
                    if fields := self._tuple_fields(made):
                        return fields
        generated = "typing.NamedTuple" in self.external_bases(cls) or any(
            isinstance(v, External) and v.path in _FIELD_CLASSES
            for home, scope in order
            for decorator in scope.node.decorator_list  # type: ignore[attr-defined]
            for v in self.values(home, decorator.func if isinstance(decorator, ast.Call) else decorator)
        )
        found: list[str] = []
        for _, scope in reversed(order) if generated else ():
            declared = sorted((b.position, b.name) for bindings in scope.bindings.values() for b in bindings if b.how == "ann")
            found.extend(name for _, name in declared if name not in found)
        return found

    def class_attribute(self, value: Class, name: str, node: ast.AST | None, module: "Module") -> Values:
        """An attribute read on a class: its own or an inherited binding, or what ``cls.name = …`` stores."""
        parts: list[Values] = []
        order = self.resolution_order(value)
        for home, cls in order:
            if name in cls.bindings:
                parts.append(self._class_binding(home, cls, name, value, node, module))
                break
        for home, cls in order:
            for store in self._stores(home, name)[:MAX_CALLERS]:
                base = store.target.value
                if isinstance(base, ast.Name) and any(isinstance(v, Class) and v.scope is cls for v in self.values(home, base)):
                    parts.append(self.stored(home, store))
        if not parts:
            parts.extend(self._outside_stores(module, Instance(value), name))
        result = union(*parts) if parts else BOTTOM
        if result:
            return result
        bases = self.external_bases(value)
        for path in bases:
            if f"{path}.{name}" in wrappers.CALLS:
                return (External(f"{path}.{name}"),)
        kind = self.driver_base(value)
        if kind is not None:
            return UNKNOWN_ONLY
        return (External(f"{bases[0]}.{name}"),) if bases and not self._opaque_base(value) else UNKNOWN_ONLY

    def _class_binding(self, home: "Module", cls: Scope, name: str, receiver: Value, node: ast.AST | None, module: "Module") -> Values:
        parts: list[Values] = []
        for binding in cls.bindings[name]:
            if binding.how != "def":
                if binding.how == "ann" and binding.value is None:
                    parts.append(self.annotation(home, binding.annotation, cls))
                elif isinstance(binding.value, ast.Call) and self.is_field(home, binding.value):
                    parts.append(self._field(home, cls, binding))
                else:
                    parts.append(self._read_descriptors(self.binding(home, binding), receiver))
                continue
            scope = home.index.bodies.get(binding.node)
            if scope is None:
                continue
            decorators = self.decorators(home, scope)
            if decorators & PROPERTY_DECORATORS or self.is_descriptor(home, scope):
                parts.append(self._read_property(home, scope, receiver, node, module))
            elif "builtins.staticmethod" in decorators:
                parts.append((Function(home, scope),))
            elif any(d.endswith((".setter", ".deleter", ".getter")) for d in decorators) or any(
                isinstance(d, ast.Attribute) and d.attr in ("setter", "deleter") for d in scope.decorators
            ):
                continue
            else:
                bound = receiver
                if "builtins.classmethod" in decorators and isinstance(receiver, Instance):
                    bound = receiver.cls
                unbound = isinstance(receiver, Class) and "builtins.classmethod" not in decorators
                parts.append((Function(home, scope, None if unbound else bound),))
        return union(*parts) if parts else UNKNOWN_ONLY

    def _read_descriptors(self, values: Values, receiver: Value) -> Values:
        """What reading class attributes gives: an object of the program with ``__get__`` gives what that returns."""
        parts: list[Values] = []
        for value in values:
            getter = self.method_of(value, "__get__") if isinstance(value, Instance) else None
            if getter is None:
                parts.append((value,))
                continue
            given = self.returned(getter)
            # ``if obj is None: return self`` is for reading on the class
            on_object = tuple(v for v in given if not (isinstance(v, Instance) and v.key() == value.key()))
            parts.append(on_object if on_object and isinstance(receiver, Instance) else given or UNKNOWN_ONLY)
        return union(*parts)

    def is_field(self, home: "Module", call: ast.Call) -> bool:
        """Whether a call describes a field of a dataclass, an attrs class or a model."""
        return any(isinstance(v, External) and v.path in _FIELDS for v in self.values(home, call.func))

    def default_factories(self, cls: Class, call: ast.Call) -> list[Function]:
        """The functions that make the fields of an object for which the constructing call gives nothing."""
        fields: list[tuple[Module, Binding]] = []
        for home, scope in reversed(self.resolution_order(cls)):
            own = [b for group in scope.bindings.values() for b in group if b.how == "ann"]
            fields.extend((home, b) for b in sorted(own, key=lambda b: b.position))
        found: list[Function] = []
        for position, (home, binding) in enumerate(fields):
            value = binding.value
            if not isinstance(value, ast.Call) or argument(call, position, binding.name) is not None or not self.is_field(home, value):
                continue
            factory = keyword(value, "default_factory") or keyword(value, "factory")
            if factory is not None and not has_star(call):
                found.extend(v for v in self.values(home, factory) if isinstance(v, Function))
        return found

    def _field(self, home: "Module", cls: Scope, binding: Binding) -> Values:
        call = binding.value
        if isinstance(call, ast.Call):
            factory = keyword(call, "default_factory") or keyword(call, "factory")
            if factory is not None:
                return union(*(self.invoke(v, call, home) for v in self.values(home, factory)))
            default = keyword(call, "default")
            if default is not None:
                found = self.values(home, default)
                if known(found):
                    return found
        return self.annotation(home, binding.annotation, cls)

    def _read_property(self, home: "Module", scope: Scope, receiver: Value, node: ast.AST | None, module: "Module") -> Values:
        del node, module
        function = Function(home, scope, receiver)
        result = self.returned(function)
        if scope.is_async:
            return (Awaitable(result, "coroutine", None, function),)
        return result

    # external objects --------------------------------------------------

    def _external_attribute(self, value: External, name: str, node: ast.AST | None, module: "Module") -> Values:
        if value.path.startswith("namespace:"):
            full = value.path[len("namespace:") :] + "." + name
            target = self.project.find(module, full, 0)
            if target is not None:
                return (ModuleRef(target),)
            return (External("namespace:" + full),) if self._namespace(module, full) else UNKNOWN_ONLY
        path = canonical(f"{value.path}.{name}")
        handed = wrappers.ATTRIBUTES.get((value.path[:-2], name)) if value.path.endswith("()") else None
        if handed is not None:
            return (Driver(handed[0], handed[1], value.site),)
        if value.path in _MADE_OF_ARGUMENTS:
            given = self._argument_named(value, name)
            if given is not None:
                return union(given, self._from_store(path, name, module)) if value.path in _NAMESPACES else given
        if "()" in path or slot(path):
            stored = self._from_store(path, name, module)
            if stored:
                return stored
        if value.path == "threading.local()":
            found = [
                self.stored(home, s)
                for home in self.project.order
                for s in self._stores(home, name)
                if any(isinstance(v, External) and v.path == "threading.local()" for v in self.values(home, s.target.value))
            ]
            if found:
                return union(*found)
        del node
        return (External(path, value.site),)

    def _argument_named(self, value: External, name: str | int) -> Values | None:
        """What the call that made a namespace or a named tuple hands over for one of its attributes, of a tuple by position, too."""
        call = value.site.node if value.site is not None else None
        if value.site is None or not isinstance(call, ast.Call) or any(isinstance(a, ast.Starred) for a in call.args):
            return None
        home = value.site.module
        given = keyword(call, name) if isinstance(name, str) else None
        if given is None and value.path not in _NAMESPACES:
            for cls in self.values(home, call.func):
                fields = self._tuple_fields(cls)
                if isinstance(name, int):
                    name = fields[name] if 0 <= name < len(fields) else ""
                if name in fields:
                    given = argument(call, fields.index(name), name)
        return self.values(home, given) if given is not None else None

    def _tuple_fields(self, value: Value) -> list[str]:
        """The fields of a class that ``namedtuple("Name", "first second")`` made."""
        call = value.site.node if isinstance(value, External) and value.path == _NAMED_TUPLE and value.site is not None else None
        if not isinstance(value, External) or value.site is None or not isinstance(call, ast.Call):
            return []
        written = argument(call, 1, "field_names")
        if isinstance(written, (ast.List, ast.Tuple)):
            return [e.value if isinstance(e, ast.Constant) and isinstance(e.value, str) else "" for e in written.elts]
        text = self._constant(value.site.module, written) if written is not None else None
        return text.replace(",", " ").split() if isinstance(text, str) else []

    def _from_store(self, path: str, name: str, module: "Module") -> Values:
        """What the program puts into an attribute of an application, a request or another external object."""
        key = ("store", path)
        if key in self.active or self.hops >= MAX_HOPS:
            self.cuts += 1
            return BOTTOM
        self.active.add(key)
        self.hops += 1
        try:
            wanted = slot(path) or path
            found: list[Values] = []
            for home in list(self.project.order):
                found.extend(self._matching_stores(home, name, wanted))
            if not found and slot(path):
                for home in self.siblings(module, (f".{name} =", f".{name}: ", f".{name}=")):
                    found.extend(self._matching_stores(home, name, wanted))
            if not found and wanted == "app." + name and wanted not in _STORES_OF_FRAMEWORKS:
                found.extend(self._application_members(path.partition(".")[0], name, module))
            if not found and slot(path) and wanted not in _STORES_OF_FRAMEWORKS:
                for home in list(self.project.order):
                    found.extend(self._stores_on_open(home, name, wanted))
            found = [v for v in found if v]
            return union(*found) if found else BOTTOM
        finally:
            self.hops -= 1
            self.active.discard(key)

    def _application_members(self, package: str, name: str, module: "Module") -> list[Values]:
        """What the program's own class of the application, made of one of a package, defines under a name: a method or property of
        ``class Bot(commands.Bot)``."""
        found = []
        for home in list(self.project.order):
            for cls in home.index.classes:
                owner = Class(home, cls)
                if name in cls.bindings and any(
                    base.startswith(package + ".") and slot(base + "()") == "app" for base in self.external_bases(owner)
                ):
                    found.append(self.instance_attribute(Instance(owner), name, None, module))
        return found

    def _stores_on_open(self, home: "Module", name: str, wanted: str) -> list[Values]:
        """What functions put on a parameter called ``app`` or ``bot`` of which nothing is known: the one application of the program."""
        found = []
        for store in self._stores(home, name)[:MAX_CALLERS]:
            base: ast.expr = store.target.value
            tail = "." + name
            while isinstance(base, ast.Attribute):
                tail = f".{base.attr}{tail}"
                base = base.value
            if isinstance(base, ast.Name) and base.id in _APPLICATION_NAMES and "app" + tail == wanted:
                binder = store.scope.binder(base.id)
                how = binder.bindings[base.id][0].how if binder is not None else ""
                if how == "param" and not known(self.values(home, base)):
                    found.append(self.stored(home, store))
        return found

    def _matching_stores(self, home: "Module", name: str, wanted: str) -> list[Values]:
        found = []
        for store in self._stores(home, name)[:MAX_CALLERS]:
            for base in self.values(home, store.target.value):
                base_path = self._external_path(base)
                if base_path:
                    full = canonical(f"{base_path}.{name}")
                    if (slot(full) or full) == wanted:
                        found.append(self.stored(home, store))
                        break
        return found

    def _external_path(self, value: Value) -> str:
        if isinstance(value, External):
            return value.path
        if isinstance(value, Instance):
            bases = self.external_bases(value.cls)
            return bases[0] + "()" if bases else ""
        return ""

    def siblings(self, module: "Module", needles: tuple[str, ...]) -> list["Module"]:
        """Modules near this one (its folder, and the folders up to the project's top) whose text has one of ``needles``."""
        found: list[Module] = []
        folder = os.path.dirname(module.location)
        looked = 0
        for _ in range(4):
            if not modules.inside(folder, module.roots):
                break
            try:
                names = sorted(n for n in os.listdir(folder) if n.endswith(".py"))
            except OSError:
                break
            for name in names:
                path = os.path.join(folder, name)
                if path in self.project.loaded or looked >= MAX_SIBLINGS:
                    continue
                looked += 1
                parsed = modules.read(path)
                if parsed is not None and any(parsed.has(needle) for needle in needles):
                    loaded = self.project.load(path, module)
                    if loaded is not None:
                        found.append(loaded)
            if folder in module.roots[:1] and not os.path.isfile(os.path.join(folder, "__init__.py")):
                break
            up = os.path.dirname(folder)
            if up == folder or looked >= MAX_SIBLINGS or not any(r == up or up.startswith(r) for r in module.roots):
                break
            folder = up
        return found

    # subscripts --------------------------------------------------------

    def _subscript(self, module: "Module", node: ast.AST, scope: Scope) -> Values:
        base = _something(self.values(module, node.value, scope))  # type: ignore[attr-defined]
        index = node.slice  # type: ignore[attr-defined]
        parts: list[Values] = []
        for value in base:
            if value is OPEN:
                parts.append((OPEN,))
            elif isinstance(value, Driver) or (
                isinstance(value, Instance) and self.driver_base(value.cls) is not None and not self._has(value.cls, "__getitem__")
            ):
                driver = self.as_driver(value)
                if driver is not None:
                    parts.append(self._driver_item(driver, module, node, index))
            elif isinstance(value, (Sequence, Mapping)):
                parts.append(self._item(module, node, value, index))
            elif isinstance(value, (Class, External)):
                parts.append(self._external_item(module, node, value, index))
            elif isinstance(value, Instance):
                named = "__getitem__" if self._has(value.cls, "__getitem__") else "__missing__"
                parts.append(self.invoke_named(value, named, module))
            else:
                parts.append(UNKNOWN_ONLY)
        return union(*parts) if parts else BOTTOM

    def _has(self, cls: Class, name: str) -> bool:
        return any(name in scope.bindings for _, scope in self.resolution_order(cls))

    def _driver_item(self, value: Driver, module: "Module", node: ast.AST, index: ast.AST) -> Values:
        child = CHAIN.get(value.family)
        if child is None:
            if value.family in CURSORS:
                return (value,) if isinstance(index, ast.Slice) else (Driver("document", value.flavour, Site(module, node), value),)
            return UNKNOWN_ONLY
        names = [v.value for v in self.values(module, index) if isinstance(v, Const) and isinstance(v.value, str)]
        name = names[0] if len(names) == 1 else ""
        if value.family == "collection":
            name = f"{value.name}.{name}" if name else ""
        return (Driver(child, value.flavour, Site(module, node), value, name),)

    def _item(self, module: "Module", node: ast.AST, value: Sequence | Mapping, index: ast.AST) -> Values:
        wanted: object = None
        certain = False
        if isinstance(index, ast.Slice):
            return (value,)
        for candidate in self.values(module, index):
            if isinstance(candidate, Const):
                wanted, certain = candidate.value, True
        entries = self.entries(module, node.value, value)  # type: ignore[attr-defined]
        if isinstance(value, Sequence):
            if certain and value.exact and isinstance(wanted, int) and -len(value.elements) <= wanted < len(value.elements):
                return self.element(value.elements[wanted])
            return union(*(self.element(e) for _, e in entries)) if entries else UNKNOWN_ONLY
        if certain:
            exact = [e for k, e in entries if k == wanted and k is not None]
            loose = [e for k, e in entries if k is None]
            chosen = exact or loose
            return union(*(self.element(e) for e in chosen)) if chosen else UNKNOWN_ONLY
        return union(*(self.element(e) for _, e in entries)) if entries else UNKNOWN_ONLY

    def entries(self, module: "Module", expression: ast.AST, value: Sequence | Mapping) -> list[tuple[object, Element]]:
        """The elements of a container with their constant keys: those of the literal and those put in later."""
        found: list[tuple[object, Element]] = []
        if isinstance(value, Sequence):
            found.extend(enumerate(value.elements))
        else:
            found.extend(value.items)
        home = value.site.module if value.site is not None else module
        for place, where in ((expression, module), (self._home_expression(value), home)):
            key = path_key(place) if place is not None else ""
            if not key:
                continue
            own = where.index.scope(place) if place in where.index.parents else None
            known = {id(e.expression) for _, e in found}
            found.extend((k, e) for k, e in self._added(where, key, own) if e.expression is None or id(e.expression) not in known)
        return found[:24]

    @staticmethod
    def _home_expression(value: Sequence | Mapping) -> ast.AST | None:
        """The target that the container's own literal is assigned to."""
        if value.site is None:
            return None
        parent = value.site.module.index.parents.get(value.site.node)
        if isinstance(parent, ast.Assign) and len(parent.targets) == 1:
            return parent.targets[0]
        if isinstance(parent, ast.AnnAssign):
            return parent.target
        return None

    def _added(self, module: "Module", key: str, scope: Scope | None) -> list[tuple[object, Element]]:
        found: list[tuple[object, Element]] = []
        tail = key.rpartition(".")[2]
        for call, where in module.index.mutations.get(tail, ()):
            func = call.func
            if not isinstance(func, ast.Attribute) or path_key(func.value) != key or not self._same_place(key, scope, where):
                continue
            name = func.attr
            if name in ("append", "add", "appendleft", "put", "put_nowait") and call.args:
                found.append((None, Element(module, where, call.args[0])))
            elif name == "insert" and len(call.args) > 1:
                found.append((None, Element(module, where, call.args[1])))
            elif name == "setdefault" and len(call.args) > 1:
                found.append((self._constant(module, call.args[0]), Element(module, where, call.args[1])))
            elif name in ("extend", "update"):
                found.extend((item.arg, Element(module, where, item.value)) for item in call.keywords if item.arg is not None)
                for value in self.values(module, call.args[0]) if call.args else ():
                    if isinstance(value, Sequence):
                        found.extend((None, e) for e in value.elements)
                    elif isinstance(value, Mapping):
                        found.extend(value.items)
        for store in module.index.items_of.get(tail, ()):
            target = store.target
            if (
                isinstance(target, ast.Subscript)
                and store.value is not None
                and store.how in ("assign", "ann")
                and path_key(target.value) == key
                and self._same_place(key, scope, store.scope)
            ):
                found.append((self._constant(module, target.slice), Element(module, store.scope, store.value)))
        while scope is not None and key not in scope.bindings:
            scope = scope.parent
        for binding in scope.bindings[key] if scope is not None else ():
            if binding.how == "aug":  # jobs += [job]
                found.extend((None, e) for v in self.values(module, binding.value) if isinstance(v, Sequence) for e in v.elements)
        return found

    @staticmethod
    def _same_place(key: str, scope: Scope | None, where: Scope) -> bool:
        """Whether a path means the same variable in two scopes: attributes of self in one class, closures, globals."""
        if scope is None:
            return True
        head = key.partition(".")[0].partition("[")[0]
        if head == "self" or head == "cls":
            return _class_of(scope) is _class_of(where)

        def owner(start: Scope) -> Scope:
            current: Scope | None = start
            while current is not None:
                if head in current.bindings and head not in current.globals:
                    return current
                current = current.parent
            return start.index.module_scope

        return owner(scope) is owner(where)

    def _constant(self, module: "Module", node: ast.AST) -> object:
        found = [v.value for v in self.values(module, node) if isinstance(v, Const)]
        return found[0] if len(found) == 1 else None

    def _external_item(self, module: "Module", node: ast.AST, value: Class | External, index: ast.AST) -> Values:
        if isinstance(value, Class):
            return (value,)
        if "()" not in value.path and not slot(value.path):
            return (External(value.path, Site(module, node)),) if value.path.startswith("typing.") else (value,)
        key = self._constant(module, index)
        name = key if isinstance(key, str) else path_key(index)
        stored = self._from_items(value.path, index, name, module)
        if stored:
            return stored
        return (External(f"{value.path}[{name}]", value.site),) if name else UNKNOWN_ONLY

    def _from_items(self, path: str, index: ast.AST, name: str, module: "Module") -> Values:
        key = ("item", path, name)
        if key in self.active or not name or self.hops >= MAX_HOPS:
            self.cuts += 1
            return BOTTOM
        self.active.add(key)
        self.hops += 1
        try:
            wanted = slot(path) or path
            found: list[Values] = []
            homes = list(self.project.order)
            tail = last_name(index) or name
            for attempt in range(2):
                for home in homes:
                    for store in home.index.item_stores:
                        target = store.target
                        if not isinstance(target, ast.Subscript) or store.how not in ("assign", "ann"):
                            continue
                        if isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, str):
                            label = target.slice.value  # most are: nothing is to be worked out
                        else:
                            stored_key = self._constant(home, target.slice)
                            label = stored_key if isinstance(stored_key, str) else last_name(target.slice)
                        if label not in (name, tail):
                            continue
                        for base in self.values(home, target.value):
                            base_path = self._external_path(base)
                            if base_path and (slot(base_path) or base_path) == wanted:
                                found.append(self.stored(home, store))
                                break
                settings = wanted == "app.settings"
                if settings:
                    found.extend(value for home in homes for value in self._settings(home, name))
                if found or attempt or not slot(path):
                    break
                homes = self.siblings(module, (f'"{tail}"] =', f"'{tail}'] =", f"[{tail}] =", *((f"{tail}=",) if settings else ())))
            found = [v for v in found if v]
            return union(*found) if found else BOTTOM
        finally:
            self.hops -= 1
            self.active.discard(key)

    def _settings(self, home: "Module", name: str) -> list[Values]:
        """What the applications of Tornado that a module makes are given as a setting: ``Application(routes, db=client.shop)``."""
        found: list[Values] = []
        for call in home.index.calls:
            if not any(k.arg == name or k.arg is None for k in call.keywords) or not self._makes_tornado(home, call):
                continue
            for item in call.keywords:
                if item.arg == name:
                    found.append(self.values(home, item.value))
                elif item.arg is None:
                    for value in self.values(home, item.value):
                        if isinstance(value, Mapping):
                            found.extend(self.element(e) for k, e in self.entries(home, item.value, value) if k == name)
        return found

    def _makes_tornado(self, home: "Module", call: ast.Call) -> bool:
        """Whether a call makes an application of Tornado, or hands its arguments on to the constructor of one."""
        application = "tornado.web.Application"
        func = call.func
        if isinstance(func, ast.Attribute) and func.attr == "__init__":
            cls = home.index.scope(call).function.cls
            return cls is not None and application in self.external_bases(Class(home, cls))
        return any(
            (isinstance(v, External) and v.path == application)
            or (isinstance(v, Class) and application in self.external_bases(v) and not self._has(v, "__init__"))
            for v in self.values(home, func)
        )

    def _from_routes(self, module: "Module", scope: Scope, arg: ast.arg) -> Values | None:
        """What the routes of a Tornado application hand to ``initialize`` of a handler: ``(r"/", Handler, {"db": db})``."""
        cls = scope.cls
        if cls is None or not any(b.startswith("tornado.") for b in self.external_bases(Class(module, cls))):
            return None
        parts: list[Values] = []
        for home in list(self.project.order):
            for name in (cls.name, *self.subclass_names(module, cls.name)):
                for reference in (*home.index.name_loads.get(name, ()), *home.index.attribute_loads.get(name, ())):
                    route = home.index.parents.get(reference)
                    given = route.elts if isinstance(route, ast.Tuple) else route.args if isinstance(route, ast.Call) else []
                    if len(given) < 3 or given[1] is not reference:
                        continue
                    for value in self.values(home, given[2]):
                        if isinstance(value, Mapping):
                            parts.extend(self.element(e) for k, e in self.entries(home, given[2], value) if k == arg.arg)
        return union(*parts) if parts else None

    # calls -------------------------------------------------------------

    def _call(self, module: "Module", node: ast.AST, scope: Scope) -> Values:
        assert isinstance(node, ast.Call)
        func = node.func
        if isinstance(func, ast.Attribute):
            contained = self._container_call(module, node, func, scope)
            if contained is not None:
                return contained
        elif isinstance(func, ast.Name) and func.id == "super" and scope.binder("super") is None:
            return self._super(module, node, scope)
        callees = _something(self.values(module, func, scope))
        if not callees:
            return BOTTOM
        return union(*(self.invoke(value, node, module) for value in callees))

    def _super(self, module: "Module", node: ast.Call, scope: Scope) -> Values:
        method: Scope | None = scope.function
        while method is not None and method.cls is None:
            method = method.parent
        if method is None or method.cls is None or method.kind == "class":
            return UNKNOWN_ONLY
        cls = Class(module, method.cls)
        if node.args:
            named = [v for v in self.values(module, node.args[0]) if isinstance(v, Class)]
            cls = named[0] if named else cls
        receiver: Value = cls if "builtins.classmethod" in self.decorators(module, method) or method.name == "__new__" else Instance(cls)
        return (Super(cls, receiver),)

    def _container_call(self, module: "Module", node: ast.Call, func: ast.Attribute, scope: Scope) -> Values | None:
        name = func.attr
        if name not in (
            "get",
            "values",
            "items",
            "pop",
            "setdefault",
            "copy",
            "popleft",
            "keys",
            "get_nowait",
            "result",
            "_replace",
            "__getitem__",
            "__enter__",
            "__aenter__",
            "enter_context",
            "enter_async_context",
        ):
            return None
        base = _something(self.values(module, func.value, scope))
        if name in ("enter_context", "enter_async_context"):
            if node.args and any(
                isinstance(v, External) and v.path in ("contextlib.ExitStack()", "contextlib.AsyncExitStack()") for v in base
            ):
                entered = self.enter(self.values(module, node.args[0]), name.endswith("async_context"))
                return (Awaitable(entered, "coroutine", Site(module, node)),) if name.endswith("async_context") else entered
            return None
        parts: list[Values] = []
        handled = False
        for value in base:
            if isinstance(value, (Sequence, Mapping)):
                handled = True
                entries = self.entries(module, func.value, value)
                elements = tuple(e for _, e in entries)
                if name == "copy":
                    parts.append((self._copy(module, node, func.value, value),))
                elif name == "values" or (name == "keys" and isinstance(value, Sequence)):
                    parts.append((Sequence(elements, Site(module, node), many=True),) if name == "values" else (value,))
                elif name == "items":
                    # one pair for all: equal sites are one alternative
                    inner = Element(module, scope, None, union(*(self.element(e) for e in elements[:12])))
                    pair = Sequence((Element(module, scope, None, UNKNOWN_ONLY), inner), Site(module, node), exact=True)
                    pairs = (Element(module, scope, None, (pair,)),) if elements else ()
                    parts.append((Sequence(pairs, Site(module, node), many=True),))
                elif name in ("get", "pop", "setdefault", "popleft", "__getitem__", "get_nowait"):
                    wanted = self._constant(module, node.args[0]) if node.args else None
                    chosen = [e for k, e in entries if wanted is not None and k == wanted] or [
                        e for k, e in entries if k is None or wanted is None
                    ]
                    parts.extend(self.element(e) for e in chosen)
                    if name in ("setdefault", "get", "pop") and len(node.args) > 1 and isinstance(value, Mapping):
                        parts.append(self.values(module, node.args[1]))
                    if not chosen:
                        parts.append(UNKNOWN_ONLY)
                else:
                    parts.append(UNKNOWN_ONLY)
            elif isinstance(value, External) and name == "get" and node.args and slot(value.path):
                wanted = self._constant(module, node.args[0])
                stored = self._from_items(value.path, node.args[0], wanted, module) if isinstance(wanted, str) else BOTTOM
                handled = handled or bool(stored)
                parts.append(stored)
            elif isinstance(value, Awaitable) and name == "result":
                handled = True
                parts.append(value.values)
            elif name == "get" and isinstance(value, External) and value.path == "contextvars.ContextVar()":
                handled = True
                parts.append(self._set_in_context(value))
            elif name in ("__enter__", "__aenter__") and isinstance(value, (Driver, Manager)):
                handled = True
                parts.append(self.enter((value,), name == "__aenter__"))
        if not handled:
            return None
        return union(*parts) if parts else UNKNOWN_ONLY

    def _copy(self, module: "Module", call: ast.Call, original: ast.expr, value: Value) -> Value:
        """What copying a value gives: a dictionary of its own, with what was put into the original."""
        if not isinstance(value, Mapping):
            return value
        return Mapping(tuple(self.entries(module, original, value)), Site(module, call))

    def _set_in_context(self, variable: External) -> Values:
        """What the program puts into a context variable: its default, and what ``set`` is called with."""
        made = variable.site.node if variable.site is not None else None
        if variable.site is None or not isinstance(made, ast.Call):
            return UNKNOWN_ONLY
        default = keyword(made, "default")
        found = [self.values(variable.site.module, default)] if default is not None else []
        for home in list(self.project.order):
            for call in home.index.calls_to(_SET):
                if len(call.args) == 1 and isinstance(call.func, ast.Attribute):
                    if any(v.key() == variable.key() for v in self.values(home, call.func.value)):
                        found.append(self.values(home, call.args[0]))
        return union(*(v for v in found if v)) or UNKNOWN_ONLY

    def invoke(self, value: Value, call: ast.Call | None, module: "Module") -> Values:
        """What calling a value gives; ``call`` is the expression, None for a call that a framework makes."""
        if value is OPEN:
            return (OPEN,)
        if isinstance(value, Method):
            return self._invoke_method(value, call, module)
        if isinstance(value, Function):
            return self._invoke_function(value, call, module)
        if isinstance(value, Class):
            return self._instantiate(value, call, module)
        if isinstance(value, External):
            return self._invoke_external(value, call, module)
        if isinstance(value, Partial):
            return union(*(self.invoke(target, value.call, value.module) for target in value.target)) if value.target else UNKNOWN_ONLY
        if isinstance(value, Instance):
            if self.driver_base(value.cls) is not None:
                return UNKNOWN_ONLY
            return self.invoke_named(value, "__call__", module)
        if isinstance(value, _Result):
            return value.awaitable.values
        return UNKNOWN_ONLY

    def invoke_named(self, value: Instance, name: str, module: "Module") -> Values:
        """What a special method of an object of the program gives."""
        method = self.method_of(value, name)
        return self._invoke_function(method, None, module) if method is not None else UNKNOWN_ONLY

    def _invoke_method(self, value: Method, call: ast.Call | None, module: "Module") -> Values:
        owner, member = value.owner, value.member
        site = Site(module, call) if call is not None else owner.site
        if member.is_property:
            return UNKNOWN_ONLY
        if member.result == "self" and value.name != "clone":
            result: Values = (owner,)
        elif value.name == "clone" and owner.family in CURSORS:
            result = (Driver(owner.family, owner.flavour, site, owner.parent),)
        else:
            result = self._member_result(owner, value.name, member.result, site)
            if member.result in ("database", "collection") and call is not None and result and isinstance(result[0], Driver):
                first = argument(call, 0, "name")
                name = self._constant(module, first) if first is not None else None
                base = result[0]
                if value.name in ("get_database", "get_default_database", "get_collection", "create_collection"):
                    result = (Driver(base.family, base.flavour, site, owner, name if isinstance(name, str) else ""),)
                elif value.name == "with_options":
                    result = (Driver(owner.family, owner.flavour, site, owner.parent, owner.name),)
        if member.coroutine:
            return (Awaitable(result, "coroutine" if owner.flavour == "async" else "future", site, value),)
        return result

    def returned(self, function: Function) -> Values:
        """The union of what a function returns (for generators see ``yielded``), by body and by annotation."""
        scope = function.scope
        memo = function.module.returns_memo
        if scope in memo:
            return memo[scope]
        key = ("returns", id(scope))
        if key in self.active or self.hops >= MAX_HOPS:
            self.cuts += 1
            return BOTTOM if key in self.active else UNKNOWN_ONLY
        self.active.add(key)
        self.hops += 1
        before = self.cuts
        try:
            result = self._returned(function)
        finally:
            self.hops -= 1
            self.active.discard(key)
        if self.cuts == before or not self.active or (result and self._settled_now(key)):
            memo[scope] = result
        return result

    def _returned(self, function: Function) -> Values:
        module, scope = function.module, function.scope
        node = scope.node
        if isinstance(node, ast.Lambda):
            return self.values(module, node.body)
        by_body: Values = BOTTOM
        if scope.returns and len(scope.returns) <= MAX_RETURNS:
            by_body = union(*(self.values(module, value) for value in scope.returns))
        if known(by_body) and UNKNOWN not in by_body and OPEN not in by_body and not _only_external(by_body):
            return by_body
        annotated: Values = BOTTOM
        if node.returns is not None and not scope.yields:  # type: ignore[attr-defined]
            annotated = self.annotation(module, node.returns, scope.parent or scope)  # type: ignore[attr-defined]
            if scope.is_async and len(annotated) == 1 and isinstance(annotated[0], Awaitable):
                annotated = annotated[0].values
            interesting = [v for v in known(annotated) if not isinstance(v, External)]
            if interesting and UNKNOWN not in annotated:
                agreed = self.agreed(by_body)
                return by_body if agreed is not None and agreed.kind == getattr(interesting[0], "kind", None) else annotated
        return by_body or annotated or UNKNOWN_ONLY

    def yielded(self, function: Function) -> Values:
        """The union of what a generator yields."""
        module, scope = function.module, function.scope
        key = ("yields", id(scope))
        if key in self.active:
            self.cuts += 1
            return BOTTOM
        self.active.add(key)
        try:
            parts: list[Values] = []
            for item in scope.yields[:MAX_RETURNS]:
                if isinstance(item, ast.YieldFrom):
                    parts.append(self.iterate(module, item.value, self.values(module, item.value)))
                elif item.value is not None:
                    parts.append(self.values(module, item.value))
            return union(*parts) if parts else UNKNOWN_ONLY
        finally:
            self.active.discard(key)

    def _invoke_function(self, value: Function, call: ast.Call | None, module: "Module") -> Values:
        scope = value.scope
        decorators = self.decorators(value.module, scope)
        site = Site(module, call) if call is not None else Site(value.module, scope.node)
        if decorators & {"contextlib.contextmanager", "contextlib.asynccontextmanager", "async_generator.asynccontextmanager"}:
            return (Manager(self.yielded(value), site),)
        if scope.yields:
            return (Generator(self.yielded(value), site, value),)
        if scope.is_async:
            if decorators & {"asgiref.sync.async_to_sync"}:
                return self.returned(value)
            how = self.converted(value) if scope.decorators else ""
            if how == "sync":
                return UNKNOWN_ONLY  # ``return asyncio.run(fn(*args))``
            result = UNKNOWN_ONLY if how else self.returned(value)
            return (Awaitable(result, "coroutine", site, value),)
        result = UNKNOWN_ONLY if scope.decorators and self.converted(value) else self.returned(value)
        if decorators & OFFLOADING_DECORATORS:
            return (Awaitable(result, "future", site, value),)
        if result and all(isinstance(v, Driver) for v in known(result)) and len(known(result)) == 1 and OPEN in result:
            return result
        if OPEN in result and call is not None:
            specific = self._specialise(value, call, module)
            if specific is not None:
                return specific
        return result

    def _specialise(self, value: Function, call: ast.Call, module: "Module") -> Values | None:
        """A function that returns its parameter: what this call hands over."""
        scope = value.scope
        if len(scope.returns) != 1 or not isinstance(scope.returns[0], ast.Name):
            return None
        for arg in scope.params:
            if arg.arg == scope.returns[0].id:
                expression = self.argument_for(call, scope, arg, skip_first=scope.cls is not None and value.receiver is not None)
                return self.values(module, expression) if expression is not None else None
        return None

    def _instantiate(self, value: Class, call: ast.Call | None, module: "Module") -> Values:
        site = Site(module, call) if call is not None else None
        for home, cls in self.resolution_order(value):
            for definition in self.definitions(cls, "__new__"):
                made = self.returned(Function(home, definition, value))
                drivers = [v for v in known(made) if isinstance(v, Driver)]
                if drivers and len(drivers) == len(known(made)):
                    return made
        return (Instance(value, site),)

    def _invoke_external(self, value: External, call: ast.Call | None, module: "Module") -> Values:
        path = value.path
        site = Site(module, call) if call is not None else value.site
        if path.startswith("namespace:"):
            return UNKNOWN_ONLY
        if call is not None:
            special = _EXTERNAL_CALLS.get(path)
            if special is not None:
                return special(self, module, call, path)
            if path in _RUNS_FIRST:
                return self._runs(module, call, 0, site)
            if path in _AWAITS_FIRST:
                return self._task(module, call, site)
            if path in _RUNS_COROUTINE:
                first = argument(call, 0)
                return self._settled(self.values(module, first)) if first is not None else UNKNOWN_ONLY
            if path in _ELEMENT_WRAPPERS and call.args:
                return self._listed(module, call)
            if path.endswith(".get_cog") and slot(path) == "app.get_cog":
                cog = self._cog(module, call)
                if cog is not None:
                    return (cog,)
        kind = wrappers.CALLS.get(path) or wrappers.CALLS.get(path.replace("().", "."))
        if kind is not None:
            return (Driver(kind[0], kind[1], site),)
        if path in wrappers.LOOKALIKES:
            return UNKNOWN_ONLY
        made = self.instance(path, site)
        if call is not None and isinstance(made, Driver) and made.family in _MADE_FROM:
            # ``GridFS(db)``, ``Collection(db, "orders")``
            family = _MADE_FROM[made.family]
            parent = self.kind(module, argument(call, 0, family))
            if parent is not None and parent.kind == (family, made.flavour):
                return (Driver(*made.kind, site, parent),)
        return (made,)

    def _cog(self, module: "Module", call: ast.Call) -> Instance | None:
        """The cog that a Discord bot has under a name: of the only class of cogs that is called so, or says ``name="…"``."""
        first = argument(call, 0, "name")
        name = self._constant(module, first) if first is not None else None
        if not isinstance(name, str):
            return None
        found = self._cogs(list(self.project.order), name)
        if not found:
            found = self._cogs(self.siblings(self.project.order[0], (f"class {name}(", f'name="{name}"')), name)
        return Instance(found[0]) if len(found) == 1 else None

    def _cogs(self, homes: list["Module"], name: str) -> list[Class]:
        found: list[Class] = []
        for home in homes:
            for scope in home.index.classes:
                named = next((constant(k.value) for k in scope.node.keywords if k.arg == "name"), scope.name)  # type: ignore[attr-defined]
                if named == name and any(base.endswith("Cog") for base in self.external_bases(Class(home, scope))):
                    found.append(Class(home, scope))
        return found

    def _listed(self, module: "Module", call: ast.Call) -> Values:
        source = self.values(module, call.args[0])
        for value in source:
            if isinstance(value, (Sequence, Mapping)):
                return source
            if isinstance(value, Generator) or (isinstance(value, Driver) and value.family in CURSORS and value.flavour == "sync"):
                elements = self.iterate(module, call.args[0], (value,))
                return (Sequence((Element(module, None, None, elements),), Site(module, call), many=True),)
        return UNKNOWN_ONLY

    def _runs(self, module: "Module", call: ast.Call, position: int, site: Site | None) -> Values:
        """``to_thread(f, …)``: an awaitable of what ``f`` gives."""
        target = argument(call, position, "func")
        if target is None:
            return UNKNOWN_ONLY
        results = union(*(self.invoke(v, call, module) for v in self.values(module, target)))
        return (Awaitable(results, "future", site),)

    def _task(self, module: "Module", call: ast.Call, site: Site | None) -> Values:
        first = argument(call, 0)
        if first is None:
            return UNKNOWN_ONLY
        inner = self.values(module, first)
        awaitables = [v for v in inner if isinstance(v, Awaitable)]
        if not awaitables:
            return (Awaitable(UNKNOWN_ONLY, "task", site),)
        return (Awaitable(union(*(v.values for v in awaitables)), "task", site, awaitables[0].origin),)

    # other expressions -------------------------------------------------

    def _await(self, module: "Module", node: ast.AST, scope: Scope) -> Values:
        inner = _something(self.values(module, node.value, scope))  # type: ignore[attr-defined]
        if not inner:
            return BOTTOM
        return union(*(v.values if isinstance(v, Awaitable) else ((OPEN,) if v is OPEN else UNKNOWN_ONLY) for v in inner))

    def _constant_value(self, module: "Module", node: ast.AST, scope: Scope) -> Values:
        del self, module, scope
        value = node.value  # type: ignore[attr-defined]
        return (NOTHING,) if value is None else (Const(value),)

    def _either(self, module: "Module", node: ast.AST, scope: Scope) -> Values:
        return union(self.values(module, node.body, scope), self.values(module, node.orelse, scope))  # type: ignore[attr-defined]

    def _boolean(self, module: "Module", node: ast.AST, scope: Scope) -> Values:
        values = node.values  # type: ignore[attr-defined]
        if isinstance(node.op, ast.And):  # type: ignore[attr-defined]
            return self.values(module, values[-1], scope)
        return union(*(self.values(module, v, scope) for v in values[:6]))

    def _walrus(self, module: "Module", node: ast.AST, scope: Scope) -> Values:
        return self.values(module, node.value, scope)  # type: ignore[attr-defined]

    def _lambda(self, module: "Module", node: ast.AST, scope: Scope) -> Values:
        del self, scope
        body = module.index.bodies.get(node)
        return (Function(module, body),) if body is not None else UNKNOWN_ONLY

    def _display(self, module: "Module", node: ast.AST, scope: Scope) -> Values:
        del self
        elements = node.elts  # type: ignore[attr-defined]
        starred = any(isinstance(e, ast.Starred) for e in elements)
        exact = not starred and isinstance(node, (ast.Tuple, ast.List))
        return (
            Sequence(
                tuple(Element(module, scope, e.value if isinstance(e, ast.Starred) else e) for e in elements[:64]),
                Site(module, node),
                exact=exact,
            ),
        )

    def _dict(self, module: "Module", node: ast.AST, scope: Scope) -> Values:
        keys: list[ast.expr | None] = node.keys[:64]  # type: ignore[attr-defined]
        written: list[ast.expr] = node.values[:64]  # type: ignore[attr-defined]
        items = tuple(
            (self._constant(module, k) if k is not None else None, Element(module, scope, v)) for k, v in zip(keys, written, strict=False)
        )
        return (Mapping(items, Site(module, node)),)

    def _comprehension(self, module: "Module", node: ast.AST, scope: Scope) -> Values:
        del self, scope
        body = module.index.bodies.get(node)
        if isinstance(node, ast.DictComp):
            return (Mapping(((None, Element(module, body, node.value)),), Site(module, node)),)
        return (Sequence((Element(module, body, node.elt),), Site(module, node), many=True),)  # type: ignore[attr-defined]

    def _starred(self, module: "Module", node: ast.AST, scope: Scope) -> Values:
        return self.values(module, node.value, scope)  # type: ignore[attr-defined]

    def _binary(self, module: "Module", node: ast.AST, scope: Scope) -> Values:
        operation = node.op  # type: ignore[attr-defined]
        if isinstance(operation, ast.BitOr):
            left = self.values(module, node.left, scope)  # type: ignore[attr-defined]
            if any(isinstance(v, (Class, External)) for v in left):
                return (External("typing.Union", Site(module, node)),)
            merged = [v for v in left if isinstance(v, Mapping)]
            if merged and len(merged) == len(left):
                right = self.values(module, node.right, scope)  # type: ignore[attr-defined]
                if right and all(isinstance(v, Mapping) for v in right):
                    items = tuple(item for v in (*left, *right) if isinstance(v, Mapping) for item in v.items)
                    return (Mapping(items, Site(module, node)),)
        elif isinstance(operation, ast.Div):
            # pathlib: a part of a path is a path
            left = self.values(module, node.left, scope)  # type: ignore[attr-defined]
            return tuple(v for v in left if isinstance(v, External) and v.path in _PATHS) or UNKNOWN_ONLY
        elif isinstance(operation, ast.Mult):
            for side in (node.left, node.right):  # type: ignore[attr-defined]
                if isinstance(side, (ast.List, ast.Tuple)) and not all(isinstance(e, ast.Constant) for e in side.elts):
                    parts = tuple(v for v in self.values(module, side, scope) if isinstance(v, Sequence))
                    return tuple(Sequence(v.elements, Site(module, node), many=True) for v in parts) or UNKNOWN_ONLY
        return UNKNOWN_ONLY

    # places ------------------------------------------------------------

    def element(self, element: Element) -> Values:
        """The values of one container element."""
        if element.expression is None:
            return element.values
        return self.values(
            element.module, element.expression, None if element.expression in element.module.index.parents else element.scope
        )

    def unpack(self, values: Values, path: tuple[int, ...]) -> Values:
        """The part of a value at a position inside nested tuples."""
        for position in path:
            parts: list[Values] = []
            for value in values:
                if isinstance(value, Sequence) and value.exact and position < len(value.elements):
                    parts.append(self.element(value.elements[position]))
                elif isinstance(value, Sequence) and value.many and value.elements:
                    parts.append(self.element(value.elements[0]))
                elif isinstance(value, Instance):
                    parts.append(self._tuple_field(value, position))
                elif isinstance(value, External) and value.path == _NAMED_TUPLE + "()":
                    parts.append(self._argument_named(value, position) or UNKNOWN_ONLY)
                elif value is OPEN:
                    parts.append((OPEN,))
                else:
                    parts.append(UNKNOWN_ONLY)
            values = union(*parts) if parts else UNKNOWN_ONLY
        return values

    def _tuple_field(self, value: Instance, position: int) -> Values:
        if not any(b == "typing.NamedTuple" for b in self.external_bases(value.cls)):
            return UNKNOWN_ONLY
        fields = [b for bindings in value.cls.scope.bindings.values() for b in bindings if b.how == "ann"]
        fields.sort(key=lambda b: b.position)
        return self.annotation(value.cls.module, fields[position].annotation, value.cls.scope) if position < len(fields) else UNKNOWN_ONLY

    def iterate(self, module: "Module", expression: ast.AST | None, values: Values) -> Values:
        """What looping over a value gives."""
        parts: list[Values] = []
        for value in _something(values):
            if isinstance(value, Sequence):
                entries = self.entries(module, expression, value) if expression is not None else [(None, e) for e in value.elements]
                parts.extend(self.element(e) for _, e in entries[:12])
                if not entries:
                    parts.append(UNKNOWN_ONLY)
            elif isinstance(value, Generator):
                parts.append(value.values)
            elif isinstance(value, Driver) and value.family in CURSORS:
                site = Site(module, expression) if expression is not None else value.site
                parts.append((Driver("grid-out" if value.family == "grid-out-cursor" else "document", value.flavour, site, value),))
            elif isinstance(value, Instance):
                parts.append(self._iterated_instance(value, module))
            elif value is OPEN:
                parts.append((OPEN,))
            else:
                parts.append(UNKNOWN_ONLY)
        return union(*parts) if parts else UNKNOWN_ONLY

    def _iterated_instance(self, value: Instance, module: "Module") -> Values:
        for name in ("__iter__", "__aiter__"):
            method = self.method_of(value, name)
            if method is not None:
                made = self._invoke_function(method, None, module)
                return union(*(v.values if isinstance(v, Generator) else UNKNOWN_ONLY for v in made))
        return UNKNOWN_ONLY

    def enter(self, values: Values, asynchronous: bool) -> Values:
        """What ``with`` (or ``async with``) binds."""
        parts: list[Values] = []
        for value in _something(values):
            if isinstance(value, Manager):
                parts.append(value.values)
            elif isinstance(value, (Driver, External)) or value is OPEN:
                parts.append((value,))
            elif isinstance(value, Instance):
                parts.append(self._enter_instance(value, asynchronous))
            elif isinstance(value, Awaitable) and value.how == "future" and asynchronous:
                parts.append(value.values)
            else:
                parts.append(UNKNOWN_ONLY)
        return union(*parts) if parts else UNKNOWN_ONLY

    def _enter_instance(self, value: Instance, asynchronous: bool) -> Values:
        method = self.method_of(value, "__aenter__" if asynchronous else "__enter__")
        if method is not None:
            return self.returned(method)
        if self.external_bases(value.cls):
            return (value,)
        return UNKNOWN_ONLY

    # decorators --------------------------------------------------------

    def decorators(self, module: "Module", scope: Scope) -> frozenset[str]:
        """External paths of a function's decorators; ``()`` at the end when the decorator is a call."""
        found = module.decorator_paths.get(scope)
        if found is not None:
            return found
        paths: set[str] = set()
        module.decorator_paths[scope] = frozenset()  # a decorator that leads back here sees none
        for decorator in scope.decorators:
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            suffix = "()" if isinstance(decorator, ast.Call) else ""
            for value in self.values(module, target):
                if isinstance(value, External):
                    paths.add(canonical(value.path + suffix))
                elif isinstance(value, Function) and value.module is not module and (value.module.name, value.scope.name):
                    paths.add(f"{value.module.name}.{value.scope.name}{suffix}")
        result = frozenset(paths)
        module.decorator_paths[scope] = result
        return result

    def converted(self, function: Function) -> str:
        """The colour (sync or async) of the wrapper by which a decorator of the program makes something else of what a function
        returns, as ``return list(fn(*args))`` does; empty when none does."""
        module, scope = function.module, function.scope
        return str(module.remember("converted", scope, lambda: self._converted(module, scope), ""))

    def _converted(self, module: "Module", scope: Scope) -> str:
        for decorator in scope.decorators:
            for value in self.values(module, decorator):
                if not isinstance(value, Function) or not value.scope.positional:
                    continue
                called = value.scope.positional[0].arg
                for wrapper in self.returned(value):
                    if isinstance(wrapper, Function) and value.scope.encloses(wrapper.scope) and wrapper.scope is not value.scope:
                        results = _results_of(called, wrapper.scope)
                        if any(_makes_else(result, called, results) for result in wrapper.scope.returns):
                            return "async" if wrapper.scope.is_async else "sync"
        return ""

    def is_property(self, module: "Module", scope: Scope) -> bool:
        """Whether reading a method as an attribute runs it."""
        return bool(self.decorators(module, scope) & PROPERTY_DECORATORS) or self.is_descriptor(module, scope)

    def is_descriptor(self, module: "Module", scope: Scope) -> bool:
        """Whether a decorator of a method is a class of the program whose ``__get__`` calls the method and gives what it returns."""
        for decorator in scope.decorators:
            if not isinstance(decorator, (ast.Name, ast.Attribute)):
                continue
            for value in self.values(module, decorator):
                if not isinstance(value, Class):
                    continue
                for _, cls in self.resolution_order(value):
                    for getter in self.definitions(cls, "__get__"):
                        if any(_calls_own(returned, getter) for returned in getter.returns):
                            return True
                if any(base in PROPERTY_DECORATORS for base in self.external_bases(value)):
                    return True
        return False

    def is_cached(self, module: "Module", scope: Scope) -> bool:
        """Whether a function's body runs once, by its decorator."""
        if self.decorators(module, scope) & CACHING_DECORATORS:
            return True
        for decorator in scope.decorators:
            name = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
            if name and any(mark in name.lower() for mark in ("cache", "singleton", "memoize", "run_once", "call_once")):
                return True
        result: bool = module.remember("kept by what wraps it", scope, lambda: self._kept_by_wrapper(module, scope), False)
        return result

    def _kept_by_wrapper(self, module: "Module", scope: Scope) -> bool:
        """Whether a decorator of the program calls a function once, or ``cache(function)`` is what others call."""
        from flake8_mongo_threads.semantics.lifecycle import keeps_result

        index = module.index
        for decorator in scope.decorators:
            for value in self.values(module, decorator):
                if isinstance(value, Function) and any(
                    isinstance(wrapper, Function) and value.scope.encloses(wrapper.scope) and keeps_result(value, wrapper)
                    for wrapper in self.returned(value)
                ):
                    return True
        named: list[ast.AST] = [scope.node] if scope.kind == "lambda" else list(index.name_loads.get(scope.name, ()))
        for load in named:
            call = index.parents.get(load)
            if not isinstance(call, ast.Call) or load not in call.args:
                continue
            maker, suffix = (call.func.func, "()") if isinstance(call.func, ast.Call) else (call.func, "")
            if last_name(maker) in _CACHES and any(
                isinstance(v, External) and v.path + suffix in CACHING_DECORATORS for v in self.values(module, maker)
            ):
                return True
        return False


_CACHES = frozenset(path.removesuffix("()").rpartition(".")[2] for path in CACHING_DECORATORS)


def _named_bases(cls: Scope, name: str) -> list[ast.expr]:
    """The bases of a class that are written with a name, with type arguments or without."""
    bases: list[ast.expr] = cls.node.bases  # type: ignore[attr-defined]
    return [base for base in bases if last_name(base.value if isinstance(base, ast.Subscript) else base) == name]


def own_object(module: "Module", node: ast.AST) -> bool:
    """Whether an attribute is one of the object that the method around it was called on: ``self.load``."""
    if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
        return False
    scope = module.index.scope(node).function
    return scope.cls is not None and bool(scope.positional) and node.value.id == scope.positional[0].arg


def _calls_own(returned: ast.expr, getter: Scope) -> bool:
    """Whether what a descriptor's ``__get__`` returns is the result of a function that the descriptor keeps: ``self.func(obj)``."""
    values: list[ast.AST] = [returned]
    if isinstance(returned, ast.Name):
        values = [b.value for b in getter.bindings.get(returned.id, ()) if b.how == "assign" and b.value is not None]
    own = getter.positional[0].arg if getter.positional else ""
    return any(
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and isinstance(value.func.value, ast.Name)
        and value.func.value.id == own
        for value in values
    )


class _Result(Value):
    """The bound ``result`` method of a future."""

    __slots__ = ("awaitable",)

    def __init__(self, awaitable: Awaitable) -> None:
        self.awaitable = awaitable


def _made(values: Values) -> Values:
    """Alternatives without the objects that an annotation describes, where it is seen how one of the same kind is made."""
    made = {v.kind for v in values if isinstance(v, Driver) and not v.described} if len(values) > 1 else set()
    return tuple(v for v in values if not (isinstance(v, Driver) and v.kind in made and v.described)) if made else values


def _is_called(module: "Module", node: ast.AST) -> bool:
    parent = module.index.parents.get(node)
    return isinstance(parent, ast.Call) and parent.func is node


def _parsed(text: str) -> ast.expr | None:
    """An annotation that is written as a text; None where it is not one."""
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _only_external(values: Values) -> bool:
    """Whether a value is nothing but what other packages gave, of which an annotation knows more; not where one stands in for the driver."""
    return all(isinstance(v, External) and not v.path.startswith(_DOUBLES) for v in known(values))


def _plain_has(value: Value, name: str) -> bool:
    """Whether a text, number or dictionary has an attribute: ``db = ""`` at first, a client or its ``str``. True for anything else."""
    if isinstance(value, Const):
        return hasattr(value.value, name)
    if isinstance(value, Mapping):
        return hasattr(collections.defaultdict, name) or hasattr(collections.OrderedDict, name)
    plain = _PLAIN_TYPES.get(value.path) if isinstance(value, External) else None
    return plain is None or hasattr(plain, name)


def _something(values: Values) -> Values:
    """The alternatives without None and the ``""`` of a place still empty: reading an attribute of it, calling or iterating it gives nothing."""
    return tuple(v for v in values if v is not NOTHING and not (isinstance(v, Const) and not v.value)) or values


def dependency(module: "Module", call: ast.Call) -> ast.expr | None:
    """The provider of a ``Depends(…)``: its argument, or for ``Depends()`` the class that the parameter is annotated with."""
    provider = argument(call, 0, "dependency")
    if provider is not None:
        return None if constant(keyword(call, "use_cache")) is True and last_name(call.func) == "Provide" else provider
    index = module.index
    parent = index.parents.get(call)
    if isinstance(parent, ast.Tuple):
        outer = index.parents.get(parent)
        if isinstance(outer, ast.Subscript) and parent.elts and parent.elts[0] is not call:
            return parent.elts[0]
    if isinstance(parent, ast.arguments):
        positional = [*parent.posonlyargs, *parent.args]
        offset = len(positional) - len(parent.defaults)
        for position, value in enumerate(parent.defaults):
            if value is call:
                return positional[position + offset].annotation
        for arg, default in zip(parent.kwonlyargs, parent.kw_defaults, strict=False):
            if default is call:
                return arg.annotation
    return None


def _bound_before(scope: Scope, bindings: list[Binding], use: ast.AST) -> list[Binding]:
    """The bindings of a class body that a name in it can mean: in ``db = db`` the second ``db`` is the one outside."""
    index = scope.index
    if use not in index.parents:
        return bindings
    statement = index.statement(use)
    place = (getattr(use, "lineno", 0), getattr(use, "col_offset", 0))
    return [b for b in bindings if b.how == "def" or (b.position < place and index.statement(b.node) is not statement)]


def _same_arms(scope: Scope, bindings: list[Binding], use: ast.AST) -> list[Binding]:
    """The bindings of a module that can hold where a name is used: code in one arm of an ``if`` sees none of the other's.

    A module runs once, so a function that is defined in one arm runs only where that arm was taken.
    """
    mine = _arms(scope, use)
    if not mine:
        return bindings
    kept = [b for b in bindings if all(mine.get(test, arm) == arm for test, arm in _arms(scope, b.node).items())]
    return kept or bindings


def _arms(scope: Scope, node: ast.AST) -> dict[ast.AST, str]:
    """The ``if`` statements at the top level of a module around a node, with the arm that it stands in."""
    index = scope.index
    found: dict[ast.AST, str] = {}
    current: ast.AST | None = node
    while current is not None:
        place = index.place.get(current)
        if place is not None:
            owner, field, _ = place
            if isinstance(owner, ast.If):
                found[owner] = field
            elif isinstance(owner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.For, ast.While, ast.AsyncFor)):
                found.clear()  # what is inside runs any number of times
        current = index.parents.get(current)
    return found


def _class_of(scope: Scope) -> Scope | None:
    current: Scope | None = scope
    while current is not None:
        if current.kind == "class":
            return current
        current = current.parent
    return None


# ---------------------------------------------------------------------- calls of the standard library that carry values


def _partial(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    del path
    if not call.args:
        return UNKNOWN_ONLY
    inner = ast.Call(func=call.args[0], args=call.args[1:], keywords=call.keywords)
    ast.copy_location(inner, call)
    return (Partial(self.values(module, call.args[0]), inner, module, module.index.scope(call)),)


def _cast(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    del path
    annotated = self.annotation(module, argument(call, 0), module.index.scope(call))
    if known(annotated) and UNKNOWN not in annotated:
        inner = self.values(module, argument(call, 1))
        agreed, by_type = self.agreed(inner), self.agreed(annotated)
        return inner if agreed is not None and by_type is not None and agreed.kind == by_type.kind else annotated
    return self.values(module, argument(call, 1))


def _gather(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    del path
    elements: list[Element] = []
    exact = True
    for arg in call.args:
        if isinstance(arg, ast.Starred):
            exact = False
            for value in self.values(module, arg.value):
                if isinstance(value, (Sequence, Generator)):
                    inner = self.iterate(module, arg.value, (value,))
                    elements.append(Element(module, None, None, self._settled(inner)))
        else:
            elements.append(Element(module, None, None, self._settled(self.values(module, arg))))
    site = Site(module, call)
    return (Awaitable((Sequence(tuple(elements), site, exact=exact, many=not exact),), "future", site),)


def _run_in_executor(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    del path
    return self._runs(module, call, 1, Site(module, call))


def _submit(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    del path
    target = argument(call, 0, "fn")
    if target is None:
        return UNKNOWN_ONLY
    results = union(*(self.invoke(v, call, module) for v in self.values(module, target)))
    return (Awaitable(results, "future", Site(module, call)),)


def _threadsafe(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    del path
    return self._task(module, call, Site(module, call))


def _closing(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    del path
    first = argument(call, 0)
    return (Manager(self.values(module, first), Site(module, call)),) if first is not None else UNKNOWN_ONLY


def _next(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    del path
    first = argument(call, 0)
    if first is None:
        return UNKNOWN_ONLY
    values = self.values(module, first)
    found = self.iterate(module, first, values)
    if len(call.args) > 1:
        found = union(found, self.values(module, call.args[1]))
    return found


def _getattr(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    del path
    name = self._constant(module, call.args[1]) if len(call.args) > 1 else None
    base = _something(self.values(module, call.args[0])) if call.args else UNKNOWN_ONLY
    if isinstance(name, str):
        found = union(*(self.attribute(v, name, call, module) for v in base)) if base else UNKNOWN_ONLY
        if len(call.args) > 2:
            found = union(found, self.values(module, call.args[2]))
        return found
    parts: list[Values] = []
    for candidate in base:
        for value in self.stands_for(candidate) if isinstance(candidate, Instance) else (candidate,):
            child = CHAIN.get(value.family) if isinstance(value, Driver) else None
            parts.append(
                (Driver(child, value.flavour, Site(module, call), value),)
                if child is not None and isinstance(value, Driver)
                else UNKNOWN_ONLY
            )
    return union(*parts) if parts else (BOTTOM if base and all(isinstance(v, Instance) for v in base) else UNKNOWN_ONLY)


def _enumerate(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    first = argument(call, 0)
    if first is None:
        return UNKNOWN_ONLY
    inner = self.iterate(module, first, self.values(module, first))
    site = Site(module, call)
    del path
    pair = Sequence((Element(module, None, None, UNKNOWN_ONLY), Element(module, None, None, inner)), site, exact=True)
    return (Sequence((Element(module, None, None, (pair,)),), site, many=True),)


def _zip(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    del path
    site = Site(module, call)
    elements = tuple(
        Element(module, None, None, self.iterate(module, a, self.values(module, a))) for a in call.args if not isinstance(a, ast.Starred)
    )
    return (Sequence((Element(module, None, None, (Sequence(elements, site, exact=True),)),), site, many=True),)


def _map(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    """``map(f, …)``: one object for each element."""
    del path
    if len(call.args) < 2 or isinstance(call.args[0], ast.Starred):
        return UNKNOWN_ONLY
    made = ast.Call(func=call.args[0], args=[], keywords=[])
    ast.copy_location(made, call)
    results = union(*(self.invoke(v, None if isinstance(v, Function) else made, module) for v in self.values(module, call.args[0])))
    site = Site(module, call)
    return (Sequence((Element(module, None, None, results),), site, many=True),)


def _repeat(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    del self, path
    if not call.args or isinstance(call.args[0], ast.Starred):
        return UNKNOWN_ONLY
    return (Sequence((Element(module, None, call.args[0]),), Site(module, call), many=True),)


def _results_of(called: str, scope: Scope) -> frozenset[str]:
    """The names in a wrapper that hold what the function it wraps returns."""
    return frozenset(
        name
        for name, bindings in scope.bindings.items()
        if any(isinstance(b.value, ast.expr) and not b.path and _calls_name(b.value, called) for b in bindings)
    )


def _calls_name(node: ast.expr, name: str) -> bool:
    if isinstance(node, ast.Await):
        node = node.value
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _makes_else(result: ast.expr, called: str, results: frozenset[str]) -> bool:
    """Whether an expression is made from what the wrapped function returns without being that."""
    if _calls_name(result, called) or isinstance(result, ast.Name):
        return False
    pending: list[ast.expr] = [result.body, result.orelse] if isinstance(result, ast.IfExp) else [result]
    for part in pending:
        if _calls_name(part, called) or isinstance(part, ast.Name):
            continue
        for node in walk(part):
            if (isinstance(node, ast.Name) and node.id in results) or (isinstance(node, ast.expr) and _calls_name(node, called)):
                return True
    return False


def _dict_call(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    del path
    items: tuple[tuple[object, Element], ...] = tuple((k.arg, Element(module, None, k.value)) for k in call.keywords if k.arg)
    if call.args:
        source = self.values(module, call.args[0])
        if not call.keywords:
            if any(isinstance(v, Mapping) for v in source):
                return tuple(self._copy(module, call, call.args[0], v) for v in source)
        else:
            given = [v for v in source if isinstance(v, Mapping)]
            items = (*(item for v in given for item in v.items), *items)
        pairs = (pair for v in source if isinstance(v, Sequence) for element in v.elements for pair in self.element(element))
        for pair in pairs:
            if isinstance(pair, Sequence) and pair.exact and len(pair.elements) == 2:
                key = pair.elements[0].expression
                items = (*items, (key.value if isinstance(key, ast.Constant) else None, pair.elements[1]))
    return (Mapping(items, Site(module, call)),)


def _copied(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    if not call.args:
        return UNKNOWN_ONLY
    found = tuple(self._copy(module, call, call.args[0], v) for v in self._listed(module, call))
    if path != "copy.deepcopy":
        return found
    return tuple(Sequence(v.elements, Site(module, call), exact=v.exact, many=v.many) if isinstance(v, Sequence) else v for v in found)


def _empty_list(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    if call.args:
        return self._listed(module, call)
    del path
    return (Sequence((), Site(module, call), many=True),)


def _anext(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    return (Awaitable(_next(self, module, call, path), "coroutine", Site(module, call)),)


def _as_completed(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    del path
    first = argument(call, 0, "fs")
    if first is None:
        return UNKNOWN_ONLY
    inner = self.iterate(module, first, self.values(module, first))
    return (Sequence((Element(module, None, None, inner),), Site(module, call), many=True),)


def _sync_to_async(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    del self, path
    if not call.args:
        return (External("asgiref.sync.sync_to_async()", Site(module, call)),)
    return (External("asgiref.sync.sync_to_async(call)", Site(module, call)),)


def _sync_to_async_run(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    del path
    results: list[Values] = []
    for value in self.values(module, call.func):
        if isinstance(value, External) and value.site is not None and isinstance(value.site.node, ast.Call) and value.site.node.args:
            for target in self.values(value.site.module, value.site.node.args[0]):
                results.append(self.invoke(target, call, module))
    return (Awaitable(union(*results) if results else UNKNOWN_ONLY, "future", Site(module, call)),)


def _cached(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    """``lru_cache(f)`` and ``lru_cache(maxsize=1)(f)``: the function itself."""
    del path
    if call.args:
        return self.values(module, call.args[0])
    return (External("functools.lru_cache()", Site(module, call)),)


def _dependency_lookup(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    del path
    found = self._depends(module, call, module.index.scope(call))
    return found if found is not None else UNKNOWN_ONLY


def _class_constructor(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    """``type(x)``: the class of an object of the program."""
    del path
    if len(call.args) != 1:
        return UNKNOWN_ONLY
    return union(*((v.cls,) if isinstance(v, Instance) else UNKNOWN_ONLY for v in self.values(module, call.args[0])))


def _allocate(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    """``object.__new__(cls)``: an object of the class."""
    del path
    if not call.args:
        return UNKNOWN_ONLY
    return union(*((Instance(v, Site(module, call)),) if isinstance(v, Class) else UNKNOWN_ONLY for v in self.values(module, call.args[0])))


def _iterator(self: Inference, module: "Module", call: ast.Call, path: str) -> Values:
    """``iter(cursor)``: a cursor is its own iterator."""
    if len(call.args) == 1:
        values = self.values(module, call.args[0])
        if values and all(isinstance(v, Driver) and v.family in CURSORS and v.flavour == "sync" for v in values):
            return values
    return (External(path + "()", Site(module, call)),)


_EXTERNAL_CALLS: dict[str, Callable[[Inference, "Module", ast.Call, str], Values]] = {
    "functools.partial": _partial,
    "functools.partialmethod": _partial,
    "typing.cast": _cast,
    "asyncio.gather": _gather,
    "tornado.gen.multi": _gather,
    "asyncio.AbstractEventLoop().run_in_executor": _run_in_executor,
    "tornado.ioloop.IOLoop.current().run_in_executor": _run_in_executor,
    "concurrent.futures.ThreadPoolExecutor().submit": _submit,
    "concurrent.futures.Executor().submit": _submit,
    "asyncio.run_coroutine_threadsafe": _threadsafe,
    "contextlib.closing": _closing,
    "contextlib.aclosing": _closing,
    "contextlib.nullcontext": _closing,
    "builtins.iter": _iterator,
    "builtins.next": _next,
    "builtins.anext": _anext,
    "builtins.getattr": _getattr,
    "builtins.enumerate": _enumerate,
    "builtins.zip": _zip,
    "itertools.product": _zip,
    "builtins.map": _map,
    "itertools.repeat": _repeat,
    "builtins.dict": _dict_call,
    "collections.defaultdict": _dict_call,
    "collections.OrderedDict": _dict_call,
    "copy.copy": _copied,
    "copy.deepcopy": _copied,
    "weakref.WeakValueDictionary": _dict_call,
    "builtins.list": _empty_list,
    "builtins.set": _empty_list,
    "collections.deque": _empty_list,
    "queue.Queue": _empty_list,
    "asyncio.Queue": _empty_list,
    "asyncio.as_completed": _as_completed,
    "concurrent.futures.as_completed": _as_completed,
    "asgiref.sync.sync_to_async": _sync_to_async,
    "asgiref.sync.sync_to_async(call)": _sync_to_async_run,
    "functools.lru_cache": _cached,
    "functools.lru_cache()": _cached,
    "functools.cache": _cached,
    "fastapi.Depends": _dependency_lookup,
    "builtins.type": _class_constructor,
    "builtins.object.__new__": _allocate,
}

_HANDLERS: dict[type, Callable[[Inference, "Module", ast.AST, Scope], Values]] = {
    ast.Name: Inference._name,
    ast.Attribute: Inference._attribute,
    ast.Call: Inference._call,
    ast.Subscript: Inference._subscript,
    ast.Await: Inference._await,
    ast.Constant: Inference._constant_value,
    ast.IfExp: Inference._either,
    ast.BoolOp: Inference._boolean,
    ast.NamedExpr: Inference._walrus,
    ast.Lambda: Inference._lambda,
    ast.List: Inference._display,
    ast.Tuple: Inference._display,
    ast.Set: Inference._display,
    ast.Dict: Inference._dict,
    ast.ListComp: Inference._comprehension,
    ast.SetComp: Inference._comprehension,
    ast.GeneratorExp: Inference._comprehension,
    ast.DictComp: Inference._comprehension,
    ast.Starred: Inference._starred,
    ast.BinOp: Inference._binary,
}
