"""Who calls whom inside one module and out of it, and what is handed to threads, tasks and processes."""

import ast
import builtins
from typing import TYPE_CHECKING, NamedTuple

from flake8_mongo_threads.concurrency.spawners import LAUNCHERS
from flake8_mongo_threads.semantics.modules import EXTERNAL_ROOTS
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.spawns import JOBLIB, LAUNCHER_NAMES, Work, relayed_works, works_of
from flake8_mongo_threads.semantics.syntax import CHAINS, base_of, last_name
from flake8_mongo_threads.semantics.values import Class, External, Function, Instance, Method, Partial, Value, Values

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

MAX_EDGES = 256
_LAUNCHING = JOBLIB | LAUNCHERS.keys()


class Edge(NamedTuple):
    """One function running another in its own thread: by a call, a property read, ``with``, or a dependency."""

    caller: Scope
    node: ast.AST
    """The expression that makes it run."""
    target: Function
    how: str
    """call, property, enter, callback, inject or wrap (by a decorator)."""


class Calls:
    """What one function's own code calls: computed when first asked for."""

    __slots__ = ("constructions", "edges", "methods", "works")

    def __init__(self) -> None:
        self.edges: list[Edge] = []
        self.works: list[Work] = []
        self.constructions: list[tuple[ast.Call, Scope, Value]] = []
        self.methods: list[tuple[ast.Call, Scope, Method]] = []


class CallGraph:
    """Edges and launched work of one module.

    Of the module being linted everything is looked at, of other modules only the functions that are reached. A call is
    resolved only where its callee can matter: by its name, or by the import its receiver comes from.
    """

    def __init__(self, module: "Module") -> None:
        self.module = module
        self._of: dict[Scope, Calls] = {}
        self._loads: dict[Scope, list[ast.Attribute]] | None = None
        self._all: Calls | None = None
        self._edges: dict[Scope, list[Edge]] = {}
        index = module.index
        self._calls = index.calls_in
        self._withs = index.withs_in
        self._bound = index.origins
        self._starred = any(what.name == "*" for what, _ in index.imports)
        self._launchers = LAUNCHER_NAMES | {
            what.alias.asname for what, _ in index.imports if what.alias.asname and what.alias.name in LAUNCHER_NAMES
        }
        self._launchers |= {s.path.rpartition(".")[2] for s in module.project.config.spawners}
        self._coroutine_calls: set[ast.AST] = set()

    # ------------------------------------------------------------------ the whole module

    @property
    def whole(self) -> Calls:
        """The calls of every function of the module and of its top level, in source order."""
        if self._all is None:
            total = self._all = Calls()
            for scope in sorted(
                set(self._calls) | set(self._withs) | set(self._property_loads()), key=lambda s: getattr(s.node, "lineno", 0)
            ):
                calls = self.of(scope)
                total.edges.extend(calls.edges)
                total.works.extend(calls.works)
                total.constructions.extend(calls.constructions)
                total.methods.extend(calls.methods)
                if calls.edges:
                    self._edges[scope] = calls.edges
            total.works.sort(key=lambda w: (w.call.lineno, w.call.col_offset))
            total.constructions.sort(key=lambda c: (c[0].lineno, c[0].col_offset))
            total.methods.sort(key=lambda c: (c[0].lineno, c[0].col_offset))
        return self._all

    @property
    def works(self) -> list[Work]:
        """All work that the module launches."""
        return self.whole.works

    @property
    def constructions(self) -> list[tuple[ast.Call, Scope, Value]]:
        """Calls of classes and external callables: (call, function, callee)."""
        return self.whole.constructions

    @property
    def methods(self) -> list[tuple[ast.Call, Scope, Method]]:
        """Calls of driver methods on objects whose kind is certain."""
        return self.whole.methods

    @property
    def edges(self) -> dict[Scope, list[Edge]]:
        """The edges out of every function."""
        return self._edges if self.whole else {}

    def inside(self, scope: Scope) -> list[Edge]:
        """The edges out of a function's own code (comprehensions included; nested functions are functions of their own)."""
        return self.of(scope).edges

    def launched_in(self, scope: Scope) -> list[Work]:
        """The work a function launches itself."""
        return self.of(scope).works

    # ------------------------------------------------------------------ one function

    def of(self, scope: Scope) -> Calls:
        """What a function's own code calls."""
        scope = scope.function
        found = self._of.get(scope)
        if found is None:
            found = self._of[scope] = Calls()
            self._build(scope, found)
        return found

    def _build(self, scope: Scope, result: Calls) -> None:
        module = self.module
        index = module.index
        pending: list[tuple[ast.Call, list[Function]]] = []
        works: list[Work] = []
        for call in self._calls.get(scope, ()):
            if not self._matters(call):
                continue
            callees = module.values(call.func)
            launches = last_name(call.func) in self._launchers or isinstance(call.func, ast.Call)
            for value in callees:
                if isinstance(value, (Class, External, Partial)):
                    result.constructions.append((call, scope, value))
                    launches = launches or isinstance(value, Class) or (isinstance(value, External) and value.path in _LAUNCHING)
            if any(isinstance(value, Method) for value in callees):
                method = module.inference.method(module, call.func)
                if method is not None:
                    result.methods.append((call, scope, method))
            launched = works_of(module, call, scope) if launches else []
            for value in callees if not launched else ():
                if isinstance(value, Function):
                    launched.extend(relayed_works(module, call, scope, value))
            works.extend(launched)
            functions = self._called(call, callees)
            if functions:
                pending.append((call, functions))
        result.works = works
        for work in works:
            if work.launcher.passing == "coroutine":
                self._coroutine_calls.update(_calls_below(work.target))
        for call, functions in pending:
            for function in functions:
                if function.scope.is_async and not function.scope.yields and call not in index.awaited and not self._passed_on(call):
                    continue
                _add(result, scope, call, function, "call")
        self._properties(scope, result)
        self._entered(scope, result)
        if scope.decorators:
            self._wrapped(scope, result)

    def _wrapped(self, scope: Scope, result: Calls) -> None:
        """What the decorators of a function put around it runs with it: ``@with_client``."""
        module = self.module
        for decorator in scope.decorators:
            named = decorator.func if isinstance(decorator, ast.Call) else decorator
            base = base_of(named, CHAINS)
            root = self._bound.get(base.id) if isinstance(base, ast.Name) else None
            if root is None or root in EXTERNAL_ROOTS or (not root and base is not named):
                continue  # ``@property``, ``@lru_cache``, ``@app.route``
            for value in module.values(decorator):
                if isinstance(value, Function):
                    for wrapper in value.module.inference.returned(value):
                        if isinstance(wrapper, Function) and wrapper.scope is not scope and value.scope.encloses(wrapper.scope):
                            _add(result, scope, decorator, wrapper, "wrap")

    def _matters(self, call: ast.Call) -> bool:
        """Whether a call's callee can be of interest, told by names alone."""
        func = call.func
        if isinstance(func, ast.Name):
            if self._starred and func.id not in self._bound:
                return not hasattr(builtins, func.id) or func.id in _BUILTIN_CALLERS
            return func.id in self._bound or func.id in _BUILTIN_CALLERS
        if isinstance(func, ast.Attribute):
            if func.attr in self.module.project.interest:
                return True
            base = base_of(func.value, CHAINS)
            if isinstance(base, ast.Name):
                root = self._bound.get(base.id, "")
                return bool(root) and root not in _PLAIN_MODULES
            return False
        return True

    def _passed_on(self, call: ast.Call) -> bool:
        """Whether a coroutine that is not awaited here is returned, so that the caller runs it."""
        if call in self._coroutine_calls:
            return False
        parent = self.module.index.parents.get(call)
        return isinstance(parent, (ast.Return, ast.Lambda))

    def _called(self, call: ast.Call, callees: Values) -> list[Function]:
        module = self.module
        inference = module.inference
        found: list[Function] = []
        pending = list(callees)
        for _ in range(16):
            if not pending:
                break
            value = pending.pop(0)
            if isinstance(value, Function):
                found.append(value)
            elif isinstance(value, Class):
                found.extend(self._initialisers(value))
                found.extend(inference.default_factories(value, call))
            elif isinstance(value, Partial):
                pending.extend(value.target)
            elif isinstance(value, Instance):
                for home, cls in inference.resolution_order(value.cls):
                    found.extend(Function(home, s, value) for s in inference.definitions(cls, "__call__"))
            elif (isinstance(value, Method) and value.name == "with_transaction" and call.args) or (
                isinstance(value, External) and value.path in ("builtins.map", "builtins.filter") and call.args
            ):
                pending.extend(v for v in module.values(call.args[0]) if isinstance(v, (Function, Partial)))
        return found

    def _initialisers(self, cls: Class) -> list[Function]:
        if self._made_by_metaclass(cls):
            return []
        made = (self.module.inference.method_of(Instance(cls), name) for name in ("__new__", "__init__", "__post_init__"))
        return [method for method in made if method is not None]

    def _made_by_metaclass(self, cls: Class) -> bool:
        """Whether a metaclass of the program decides when calling a class makes an object: a singleton is initialised once."""
        inference = self.module.inference
        for home, scope in inference.resolution_order(cls):
            for item in scope.node.keywords:  # type: ignore[attr-defined]
                if item.arg == "metaclass":
                    return any(
                        isinstance(value, Class) and any("__call__" in s.bindings for _, s in inference.resolution_order(value))
                        for value in home.values(item.value)
                    )
        return False

    def _property_loads(self) -> dict[Scope, list[ast.Attribute]]:
        """Reads of attributes that are properties somewhere in the program, by function."""
        if self._loads is None:
            self._loads = {}
            index = self.module.index
            for name in self.module.project.property_names:
                for node in index.attribute_loads.get(name, ()):
                    self._loads.setdefault(index.scope(node).function, []).append(node)
        return self._loads

    def _properties(self, scope: Scope, result: Calls) -> None:
        module = self.module
        inference = module.inference
        for node in self._property_loads().get(scope, ()):
            for value in module.values(node.value):
                if not isinstance(value, Instance):
                    continue
                for home, cls in inference.resolution_order(value.cls):
                    for definition in inference.definitions(cls, node.attr):
                        if inference.is_property(home, definition):
                            _add(result, scope, node, Function(home, definition, value), "property")
                    if node.attr in cls.bindings:
                        break

    def _entered(self, scope: Scope, result: Calls) -> None:
        module = self.module
        for node in self._withs.get(scope, ()):
            asynchronous = isinstance(node, ast.AsyncWith)
            for item in node.items:
                for value in module.values(item.context_expr):
                    if not isinstance(value, Instance):
                        continue
                    for name in ("__aenter__", "__aexit__") if asynchronous else ("__enter__", "__exit__"):
                        method = module.inference.method_of(value, name)
                        if method is not None:
                            _add(result, scope, item.context_expr, method, "enter")


_BUILTIN_CALLERS = frozenset(("map", "filter", "getattr"))

_PLAIN_MODULES = frozenset(
    (
        "os", "sys", "json", "re", "logging", "datetime", "time", "math", "random", "numpy", "pandas", "collections", "itertools", "string", "uuid", "hashlib", "copy",
        "pathlib", "shutil", "argparse", "struct", "traceback", "typing", "requests", "pytest", "unittest", "warnings", "base64", "csv", "io", "tempfile", "pprint", "textwrap",
        "operator", "enum", "decimal", "urllib", "glob", "inspect", "ast", "sqlalchemy", "yaml", "dotenv", "loguru", "structlog", "matplotlib", "scipy", "torch", "subprocess", "socket", "ssl", "secrets",
    )
)  # fmt: skip
"""Modules whose functions neither launch work nor give anything that matters, unless their name says so."""


def _add(result: Calls, scope: Scope, node: ast.AST, function: Function, how: str) -> None:
    if len(result.edges) < MAX_EDGES:
        result.edges.append(Edge(scope, node, function, how))


def _calls_below(node: ast.AST) -> set[ast.AST]:
    """The calls whose result is what an expression hands over: itself, or the elements of a display or comprehension."""
    found: set[ast.AST] = set()
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, ast.Call):
            found.add(current)
            pending.extend(a for a in current.args if isinstance(a, ast.Call))
        elif isinstance(current, (ast.List, ast.Tuple, ast.Set)):
            pending.extend(current.elts)
        elif isinstance(current, (ast.ListComp, ast.GeneratorExp, ast.SetComp)):
            pending.append(current.elt)
        elif isinstance(current, ast.Starred):
            pending.append(current.value)
        elif isinstance(current, ast.IfExp):
            pending.extend((current.body, current.orelse))
    return found
