"""Who calls whom inside one module and out of it, and what is handed to threads, tasks and processes."""

import ast
from typing import TYPE_CHECKING, NamedTuple

from flake8_mongo_threads.concurrency.names import PROPERTY_DECORATORS
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.spawns import LAUNCHER_NAMES, Work, works_of
from flake8_mongo_threads.semantics.syntax import last_name
from flake8_mongo_threads.semantics.values import Class, External, Function, Instance, Method, Partial, Super, Value

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

MAX_EDGES = 256


class Edge(NamedTuple):
    """One function running another in its own thread: by a call, a property read, ``with``, or a dependency."""

    caller: Scope
    node: ast.AST
    """The expression that makes it run."""
    target: Function
    how: str
    """call, property, enter, callback or inject."""


class CallGraph:
    """Edges and launched work of one module."""

    def __init__(self, module: "Module") -> None:
        self.module = module
        self.edges: dict[Scope, list[Edge]] = {}
        self.works: list[Work] = []
        self.constructions: list[tuple[ast.Call, Scope, Value]] = []
        """Calls that make an object of an external class or a class with an external base: (call, scope, callee)."""
        self.methods: list[tuple[ast.Call, Scope, Method]] = []
        """Calls of driver methods on objects whose kind is certain."""
        self._coroutine_calls: set[ast.AST] = set()
        self._build()

    def _build(self) -> None:
        module = self.module
        index = module.index
        pending: list[tuple[ast.Call, Scope, list[Function]]] = []
        aliases = {b.name for bindings in index.module_scope.bindings.values() for b in bindings if b.how == "import" and isinstance(b.node, ast.alias) and b.node.name in LAUNCHER_NAMES}
        spawner_names = {s.path.rpartition(".")[2] for s in module.project.config.spawners}
        for call in index.calls:
            scope = index.scope_of_node[call].function
            name = last_name(call.func)
            callees = module.values(call.func)
            for value in callees:
                if isinstance(value, (Class, External, Partial)):
                    self.constructions.append((call, scope, value))
            if any(isinstance(value, Method) for value in callees):
                method = module.inference.method(module, call.func)
                if method is not None:
                    self.methods.append((call, scope, method))
            if name in LAUNCHER_NAMES or name in aliases or name in spawner_names or isinstance(call.func, ast.Call) or self._may_launch(call):
                self.works.extend(works_of(module, call, scope))
            functions = self._called(call)
            if functions:
                pending.append((call, scope, functions))
        for work in self.works:
            if work.launcher.passing == "coroutine":
                self._coroutine_calls.update(_calls_below(work.target))
        for call, scope, functions in pending:
            for function in functions:
                if function.scope.is_async and not function.scope.yields and call not in index.awaited and not self._passed_on(call):
                    continue
                self._add(scope, call, function, "call")
        self._properties()
        self._entered()

    def _passed_on(self, call: ast.Call) -> bool:
        """Whether a coroutine that is not awaited here is returned, so that the caller runs it."""
        if call in self._coroutine_calls:
            return False
        parent = self.module.index.parents.get(call)
        return isinstance(parent, (ast.Return, ast.Lambda))

    def _may_launch(self, call: ast.Call) -> bool:
        return any(isinstance(v, Class) for v in self.module.values(call.func))

    def _add(self, scope: Scope, node: ast.AST, function: Function, how: str) -> None:
        edges = self.edges.setdefault(scope, [])
        if len(edges) < MAX_EDGES:
            edges.append(Edge(scope, node, function, how))

    def _called(self, call: ast.Call) -> list[Function]:
        module = self.module
        inference = module.inference
        found: list[Function] = []
        pending = list(module.values(call.func))
        for _ in range(16):
            if not pending:
                break
            value = pending.pop(0)
            if isinstance(value, Function):
                found.append(value)
            elif isinstance(value, Class):
                found.extend(self._initialisers(value))
            elif isinstance(value, Partial):
                pending.extend(value.target)
            elif isinstance(value, Instance):
                for home, cls in inference.resolution_order(value.cls):
                    found.extend(Function(home, s, value) for s in inference.definitions(cls, "__call__"))
            elif isinstance(value, Method) and value.name == "with_transaction" and call.args:
                found.extend(v for v in module.values(call.args[0]) if isinstance(v, Function))
            elif isinstance(value, External) and value.path in ("builtins.map", "builtins.filter") and call.args:
                found.extend(v for v in module.values(call.args[0]) if isinstance(v, Function))
            elif isinstance(value, External) and value.path == "asgiref.sync.sync_to_async(call)":
                continue
            elif isinstance(value, Super):
                continue
        return found

    def _initialisers(self, cls: Class) -> list[Function]:
        inference = self.module.inference
        found: list[Function] = []
        for name in ("__new__", "__init__", "__post_init__"):
            for home, scope in inference.resolution_order(cls):
                definitions = inference.definitions(scope, name)
                if definitions:
                    found.extend(Function(home, d, Instance(cls)) for d in definitions[:1])
                    break
        return found

    def _properties(self) -> None:
        module = self.module
        inference = module.inference
        for name in self._property_names():
            for node in module.index.attribute_loads.get(name, ()):
                for value in module.values(node.value):
                    if not isinstance(value, Instance):
                        continue
                    for home, cls in inference.resolution_order(value.cls):
                        for definition in inference.definitions(cls, name):
                            if inference.decorators(home, definition) & PROPERTY_DECORATORS:
                                self._add(module.index.scope(node).function, node, Function(home, definition, value), "property")
                        if name in cls.bindings:
                            break

    def _property_names(self) -> set[str]:
        names = set()
        for home in list(self.module.project.order):
            for scope in home.index.functions:
                if scope.cls is not None and any(last_name(d) in ("property", "cached_property", "cachedproperty", "abstractproperty") for d in scope.decorators):
                    names.add(scope.name)
        return names

    def _entered(self) -> None:
        module = self.module
        inference = module.inference
        for node, scope in module.index.withs:
            asynchronous = isinstance(node, ast.AsyncWith)
            for item in node.items:
                for value in module.values(item.context_expr):
                    if isinstance(value, Instance):
                        for name in ("__aenter__", "__aexit__") if asynchronous else ("__enter__", "__exit__"):
                            for home, cls in inference.resolution_order(value.cls):
                                definitions = inference.definitions(cls, name)
                                if definitions:
                                    self._add(scope.function, item.context_expr, Function(home, definitions[0], value), "enter")
                                    break

    def inside(self, scope: Scope) -> list[Edge]:
        """The edges out of a function's own code (comprehensions included; nested functions are functions of their own)."""
        return self.edges.get(scope, [])

    def launched_in(self, scope: Scope) -> list[Work]:
        """The work a function launches itself."""
        return [w for w in self.works if w.scope is scope]


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
