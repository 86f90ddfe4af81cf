"""Where each function of a module runs, how many at once, and the chain that shows it.

Contexts start at roots (handlers, launched work, loops, ``async def``) and flow along call edges; a launcher switches
them. Only what has evidence has a context: a function about which nothing is known has none.
"""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import frameworks, spawners
from flake8_mongo_threads.concurrency.frameworks import DECORATORS, METHODS, ONCE, REGISTRARS, Handler
from flake8_mongo_threads.findings import Step
from flake8_mongo_threads.semantics.calls import Edge
from flake8_mongo_threads.semantics.inference import dependency, own_object
from flake8_mongo_threads.semantics.lifecycle import selected
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.spawns import Work, repeating_loop
from flake8_mongo_threads.semantics.syntax import argument, last_name
from flake8_mongo_threads.semantics.values import Class, External, Function, Partial

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

MAX_CONTEXTS = 8
MAX_STEPS = 12
"""Hops that a context keeps; a finding shows six at most."""

LOOP = "loop"
COROUTINE = "coroutine"
THREADS = frozenset((spawners.THREAD, spawners.GREENLET))
PER_REQUEST = frozenset((frameworks.REQUEST, frameworks.JOB, frameworks.MESSAGE))


class Context:
    """One way a function comes to run: ``where``, whether several run at once or in turn (``many``), and the evidence.

    ``where`` is loop, thread, greenlet, process, task, run, callback, signal, finalizer, exit, coroutine, request, job,
    message or once. ``node`` is the place that makes it so (the loop, the launching call, the decorator or handler).
    """

    __slots__ = ("edge", "handler", "many", "node", "parent", "root", "steps", "text", "where", "work")

    def __init__(
        self,
        where: str,
        many: bool,
        node: ast.AST,
        text: str,
        steps: tuple[Step, ...],
        *,
        root: Scope,
        handler: Handler | None = None,
        work: Work | None = None,
        parent: "Context | None" = None,
        edge: Edge | None = None,
    ) -> None:
        self.where = where
        self.many = many
        self.node = node
        self.text = text
        """What makes it so, for a message: ``every thread started at line 12``."""
        self.steps = steps
        self.root = root
        """The function at which this context begins."""
        self.handler = handler
        self.work = work
        self.parent = parent
        self.edge = edge
        """The edge by which the context came from ``parent``."""

    def __repr__(self) -> str:
        return f"<{self.where} x{'N' if self.many else '1'} {self.text}>"

    @property
    def chain(self) -> list[Edge]:
        """The edges from the root to the function, outermost first."""
        found: list[Edge] = []
        context: Context | None = self
        while context is not None and context.edge is not None:
            found.append(context.edge)
            context = context.parent
        return found[::-1]


class Contexts:
    """The contexts of every function of one module."""

    def __init__(self, module: "Module") -> None:
        self.module = module
        self.of: dict[Scope, list[Context]] = {}
        self._pending: list[tuple[Scope, Context]] = []
        self._roots()
        self._spread()

    def at(self, scope: Scope) -> list[Context]:
        """The contexts of a function (its comprehensions share them)."""
        return self.of.get(scope.function, [])

    def first(self, scope: Scope, *wheres: str, many: bool = False) -> Context | None:
        """The first context of the given sorts, or None; with ``many``, only one in which several run."""
        for context in self.at(scope):
            if context.where in wheres and (context.many or not many):
                return context
        return None

    def hook(self, scope: Scope) -> bool:
        """Whether a function is a start-up or shutdown hook that runs once."""
        current: Scope | None = scope.function
        while current is not None and current.kind != "module":
            if any(c.where == ONCE for c in self.of.get(current, ())) or current.name in frameworks.ONCE_METHODS:
                return True
            current = current.parent
        return False

    # ------------------------------------------------------------------ roots

    def _add(self, scope: Scope, context: Context) -> None:
        known = self.of.setdefault(scope, [])
        if len(known) >= MAX_CONTEXTS or any(c.where == context.where and c.many >= context.many for c in known):
            return
        known.append(context)
        self._pending.append((scope, context))

    def _roots(self) -> None:
        module = self.module
        for scope in module.index.functions:
            self._handler_roots(scope)
            if scope.is_async:
                step = module.step(scope.node, f"'{scope.name}' is a coroutine: it runs on the event loop")
                self._add(scope, Context(COROUTINE, False, scope.node, f"coroutine '{scope.name}'", (step,), root=scope))
            if scope.name == "__del__" and scope.cls is not None:
                step = module.step(scope.node, "'__del__' runs whenever the garbage collector decides")
                self._add(scope, Context(spawners.FINALIZER, False, scope.node, "'__del__'", (step,), root=scope))
        self._finalizers()
        self._registered()
        self._injected()
        self._scripts()
        works = module.calls.works
        for work in works:
            self._launched(work, works)
        self._worker_classes()
        self._loops()

    def _finalizers(self) -> None:
        """``__del__ = close`` in a class body makes that method a finalizer."""
        module = self.module
        for cls in module.index.classes:
            for binding in cls.bindings.get("__del__", ()):
                if binding.how != "assign" or not isinstance(binding.value, ast.expr):
                    continue
                for function in self._functions(binding.value):
                    if function.module is module:
                        step = module.step(binding.node, "'__del__' runs whenever the garbage collector decides")
                        context = Context(spawners.FINALIZER, False, binding.node, "'__del__'", (step,), root=function.scope)
                        self._add(function.scope, context)
        if module.project.mentions("__del__"):
            for cls in module.index.classes:
                if cls.node.bases and "__del__" not in cls.bindings:  # type: ignore[attr-defined]
                    self._inherited_finalizer(cls)

    def _inherited_finalizer(self, cls: Scope) -> None:
        """What a class defines itself of the methods that an inherited ``__del__`` calls: ``def __del__(self): self.close()``."""
        inference = self.module.inference
        for home, base in inference.resolution_order(Class(self.module, cls)):
            finalizers = list(inference.definitions(base, "__del__"))
            for finalizer in finalizers:
                for call in home.index.calls_in.get(finalizer, ()):
                    func = call.func
                    if not (isinstance(func, ast.Attribute) and func.attr in cls.bindings and own_object(home, func)):
                        continue
                    for method in inference.definitions(cls, func.attr):
                        steps = (
                            home.step(finalizer.node, "'__del__' runs whenever the garbage collector decides"),
                            home.step(call, f"'__del__' calls '{func.attr}', which '{cls.name}' defines"),
                        )
                        self._add(method, Context(spawners.FINALIZER, False, call, "'__del__'", steps, root=method))
            if finalizers:
                return

    def _handler_roots(self, scope: Scope) -> None:
        module = self.module
        inference = module.inference
        decorators = inference.decorators(module, scope)
        for path in sorted(decorators):
            handler = DECORATORS.get(path)
            if handler is not None:
                self._add_handler(scope, handler, scope.decorators[0] if scope.decorators else scope.node)
                return
        if scope.cls is not None:
            bases = inference.external_bases(Class(module, scope.cls)) if scope.cls.node.bases else []  # type: ignore[attr-defined]
            for base in bases:
                row = METHODS.get(base)
                if row is not None and scope.name in row[0]:
                    self._add_handler(scope, row[1], scope.node)
                    return
            if scope.name == "process_item" and [p.arg for p in scope.params[1:3]] in (["item", "spider"], ["item"]):
                self._add_handler(scope, Handler(frameworks.JOB, "pipeline method"), scope.node)
            elif (
                scope.name in ("on_get", "on_post", "on_put", "on_delete", "on_patch")
                and len(scope.params) >= 3
                and scope.params[1].arg in ("req", "request")
            ):
                self._add_handler(scope, Handler(frameworks.REQUEST, "responder"), scope.node)
            elif scope.name == "__call__" and [p.arg for p in scope.params[1:4]] == ["scope", "receive", "send"]:
                self._add_handler(scope, Handler(frameworks.REQUEST, "ASGI middleware", "loop"), scope.node)
            elif scope.name == "__call__" and self._is_django_middleware(scope.cls):
                self._add_handler(scope, Handler(frameworks.REQUEST, "middleware"), scope.node)
            elif any(base.endswith("Servicer") for base in bases) and not scope.name.startswith("_") and len(scope.params) == 3:
                self._add_handler(scope, Handler(frameworks.REQUEST, "gRPC method"), scope.node)
            return
        if scope.parent is None or scope.parent.kind != "module":
            return
        names = [p.arg for p in scope.params]
        if (
            len(names) >= 2
            and names[0] == "event"
            and names[1] in ("context", "ctx", "_context", "_")
            and (scope.name.endswith("handler") or scope.name in ("main", "lambda_function"))
        ) or (scope.name == "lambda_handler" and len(names) == 2):
            self._add_handler(scope, Handler(frameworks.REQUEST, "Lambda handler"), scope.node)
        elif names and self._annotated(
            scope,
            0,
            (
                "azure.functions.HttpRequest()",
                "azure.functions.QueueMessage()",
                "azure.functions.TimerRequest()",
                "azure.functions.ServiceBusMessage()",
            ),
        ):
            self._add_handler(scope, Handler(frameworks.REQUEST, "Azure function"), scope.node)
        elif names and self._annotated(scope, 0, ("flask.Request()",)) and not decorators:
            self._add_handler(scope, Handler(frameworks.REQUEST, "cloud function"), scope.node)
        elif names in (["environ", "start_response"], ["env", "start_response"]):
            self._add_handler(scope, Handler(frameworks.REQUEST, "WSGI application"), scope.node)
        elif names == ["scope", "receive", "send"] and scope.is_async:
            self._add_handler(scope, Handler(frameworks.REQUEST, "ASGI application", "loop"), scope.node)
        elif names and names[0] in ("request", "req") and self._returns_http(scope):
            self._add_handler(scope, Handler(frameworks.REQUEST, "view"), scope.node)

    def _annotated(self, scope: Scope, position: int, paths: tuple[str, ...]) -> bool:
        annotation = scope.params[position].annotation
        if annotation is None:
            return False
        return any(
            isinstance(v, External) and v.path in paths
            for v in self.module.inference.annotation(self.module, annotation, scope.parent or scope)
        )

    def _is_django_middleware(self, cls: Scope) -> bool:
        for binding in cls.bindings.get("__init__", ()):
            body = self.module.index.bodies.get(binding.node)
            if body is not None and "get_response" in [p.arg for p in body.params]:
                return True
        return False

    def _returns_http(self, scope: Scope) -> bool:
        for value in scope.returns:
            if isinstance(value, ast.Call):
                for callee in self.module.values(value.func):
                    if isinstance(callee, External) and callee.path.startswith(
                        ("django.http.", "django.shortcuts.", "rest_framework.response.")
                    ):
                        return True
        return False

    def _add_handler(self, scope: Scope, handler: Handler, node: ast.AST) -> None:
        if scope.name in frameworks.ONCE_HANDLERS and handler.each == frameworks.MESSAGE:
            handler = Handler(ONCE, "start-up hook", "loop")
        step = self.module.step(
            scope.node, f"'{scope.name}' is a {handler.label}" + ("" if handler.each == ONCE else f", run for every {handler.each}")
        )
        self._add(
            scope,
            Context(handler.each, handler.each != ONCE, node, f"{handler.label} '{scope.name}'", (step,), root=scope, handler=handler),
        )

    def _registered(self) -> None:
        module = self.module
        for call, _, value in module.calls.constructions:
            if not isinstance(value, External):
                continue
            row = REGISTRARS.get(value.path)
            if row is None:
                continue
            target = argument(call, row[0], row[1])
            if target is None:
                continue
            for function in self._functions(target):
                if function.module is module:
                    self._add_handler(function.scope, row[2], call)
        for (path, name), handler in frameworks.ATTRIBUTES.items():
            for store in module.index.attribute_stores.get(name, ()):
                if any(isinstance(v, External) and v.path == path for v in module.values(store.target.value)):
                    for function in self._functions(store.value) if store.value is not None else ():
                        if function.module is module:
                            self._add_handler(function.scope, handler, store.target)
        self._lifespans()

    def _scripts(self) -> None:
        """A Streamlit script runs from top to bottom on every interaction of every user; arq lists its jobs in a class."""
        module = self.module
        top = module.index.module_scope
        for call, scope, value in module.calls.constructions:
            if (
                scope is top
                and isinstance(value, External)
                and value.path.startswith("streamlit.")
                and not value.path.startswith(frameworks.STREAMLIT_SETUP)
            ):
                self._add(
                    top,
                    Context(
                        frameworks.REQUEST, True, call, "Streamlit script", (module.step(call, "Streamlit runs this script again on every interaction"),),
                        root=top, handler=Handler(frameworks.REQUEST, "Streamlit script"),
                    ),
                )  # fmt: skip
                break
        for cls in module.index.classes:
            if cls.name != "WorkerSettings":
                continue
            for binding in cls.bindings.get("functions", ()):
                for element in binding.value.elts if isinstance(binding.value, (ast.List, ast.Tuple)) else ():
                    for function in self._functions(element):
                        if function.module is module:
                            self._add_handler(function.scope, Handler(frameworks.JOB, "arq job", "loop"), cls.node)

    def _lifespans(self) -> None:
        module = self.module
        for call, _, value in module.calls.constructions:
            if isinstance(value, External) and value.path in (
                "fastapi.FastAPI",
                "starlette.applications.Starlette",
                "litestar.Litestar",
                "mcp.server.fastmcp.FastMCP",
                "fastmcp.FastMCP",
            ):
                for item in call.keywords:
                    if item.arg in ("lifespan", "on_startup", "on_shutdown"):
                        targets = item.value.elts if isinstance(item.value, (ast.List, ast.Tuple)) else [item.value]
                        for target in targets:
                            for function in self._functions(target):
                                if function.module is module:
                                    self._add_handler(function.scope, Handler(ONCE, "start-up or shutdown hook", "loop"), call)
        for scope in module.index.functions:
            if "lifespan" in scope.name and module.inference.decorators(module, scope) & {"contextlib.asynccontextmanager"}:
                self._add_handler(scope, Handler(ONCE, "start-up or shutdown hook", "loop"), scope.node)

    def _functions(self, target: ast.AST) -> list[Function]:
        found: list[Function] = []
        for value in self.module.values(target):
            if isinstance(value, Function):
                found.append(value)
            elif isinstance(value, Partial):
                found.extend(v for v in value.target if isinstance(v, Function))
            elif isinstance(value, Class):
                for home, cls in self.module.inference.resolution_order(value):
                    found.extend(Function(home, d) for d in self.module.inference.definitions(cls, "__init__"))
        return found

    def _injected(self) -> None:
        module = self.module
        for call, _, value in module.calls.constructions:
            if not (isinstance(value, External) and value.path in frameworks.INJECTORS):
                continue
            provider = dependency(module, call)
            if provider is None:
                continue
            for function in self._functions(provider):
                if function.module is module and not module.inference.is_cached(module, function.scope):
                    step = module.step(
                        call, f"'{function.scope.name}' is a dependency: {frameworks.INJECTORS[value.path]} calls it for every request"
                    )
                    handler = Handler(frameworks.REQUEST, "dependency")
                    self._add(
                        function.scope,
                        Context(
                            frameworks.REQUEST,
                            True,
                            call,
                            f"dependency '{function.scope.name}'",
                            (step,),
                            root=function.scope,
                            handler=handler,
                        ),
                    )

    def _launched(self, work: Work, works: list[Work]) -> None:
        module = self.module
        for function in work.functions:
            if function.module is not module:
                continue
            many = work.many or self._several(work, function, works)
            self.launch(function, work, many)

    def launch(self, function: Function, work: Work, many: bool) -> None:
        """Give a function of this module the context of launched work."""
        module = self.module
        where = work.where
        if work.path in ("fastapi.BackgroundTasks().add_task", "fastapi.BackgroundTask") and function.scope.is_async:
            where = spawners.TASK
        if work.path.startswith("tornado.") and where == spawners.CALLBACK and function.scope.is_async:
            where = spawners.TASK  # the loop runs what the callback returns
        line = getattr(work.call, "lineno", 1)
        text = {
            spawners.THREAD: f"{'every' if many else 'the'} thread started at line {line}",
            spawners.GREENLET: f"{'every' if many else 'the'} greenlet spawned at line {line}",
            spawners.PROCESS: f"the process started at line {line}",
            spawners.TASK: f"{'every' if many else 'the'} task started at line {line}",
            spawners.RUN: f"the event loop started at line {line}",
            spawners.CALLBACK: f"the event-loop callback registered at line {line}",
            spawners.SIGNAL: f"the signal handler registered at line {line}",
            spawners.FINALIZER: f"the finalizer registered at line {line}",
            spawners.EXIT: f"the exit handler registered at line {line}",
            spawners.JOB: f"the job registered at line {line}",
        }.get(where, f"the work launched at line {line}")
        if work.launcher.label and where in (spawners.THREAD, spawners.PROCESS):
            text = f"the {work.launcher.label} at line {line}"
        step = module.step(work.call, f"'{function.scope.name}' runs on {text}")
        self._add(function.scope, Context(where, many or where == spawners.JOB, work.call, text, (step,), root=function.scope, work=work))

    def _several(self, work: Work, function: Function, works: list[Work]) -> bool:
        """Whether other work launches the same function too, or the code that launches it runs many times at once."""
        for other in works:
            if other is work or other.where != work.where or work.relays(other) or other.relays(work):
                continue
            if any(f.scope is function.scope for f in other.functions):
                return True
        caller = work.scope.function
        if any(c.where in PER_REQUEST and c.many for c in self.at(caller)):
            return work.where in (spawners.THREAD, spawners.TASK, spawners.GREENLET)
        return False

    def _worker_classes(self) -> None:
        module = self.module
        inference = module.inference
        for cls in module.index.classes:
            if not cls.node.bases:  # type: ignore[attr-defined]
                continue
            for base in inference.external_bases(Class(module, cls)):
                row = spawners.WORKER_CLASSES.get(base)
                if row is None:
                    continue
                for method in inference.definitions(cls, row[0]):
                    made = [
                        call for call, _, value in module.calls.constructions if isinstance(value, Class) and self._descends(value, cls)
                    ]
                    looped = [call for call in made if repeating_loop(module, call) is not None]
                    requested = [call for call in made if any(c.where in PER_REQUEST for c in self.at(module.index.scope(call)))]
                    many = len(made) > 1 or bool(looped) or bool(requested)
                    if row[1] == spawners.PROCESS or many:
                        place: ast.AST = next(iter(looped or requested or made), cls.node)
                        kind = "process" if row[1] == spawners.PROCESS else "thread"
                        text = f"{'every' if many and kind == 'thread' else 'the'} {kind} of class '{cls.name}'"
                        step = module.step(place, f"'{cls.name}.{row[0]}' runs on {text}")
                        self._add(method, Context(row[1], many, place, text, (step,), root=method))
                break

    def _descends(self, value: Class, cls: Scope) -> bool:
        return any(scope is cls for _, scope in self.module.inference.resolution_order(value))

    def _loops(self) -> None:
        """A function called on every iteration of a loop is hot, and so is what it calls."""
        module = self.module
        for edges in list(module.calls.edges.values()):
            for edge in edges:
                if edge.target.module is not module:
                    continue
                mapped = maps(module, edge)
                loop = edge.node if mapped else repeating_loop(module, edge.node)
                if loop is not None and not selected(module, edge.node, loop):
                    text = f"the {'map' if mapped else 'loop'} at line {getattr(loop, 'lineno', 1)}"
                    step = module.step(loop, f"{text} calls '{edge.target.scope.name}' on every iteration")
                    call = module.step(edge.node, f"call of '{edge.target.scope.name}'")
                    self._add(edge.target.scope, Context(LOOP, True, loop, text, (step, call), root=edge.target.scope, edge=edge))

    # ------------------------------------------------------------------ spreading

    def _spread(self) -> None:
        module = self.module
        calls = module.calls
        while self._pending:
            scope, context = self._pending.pop(0)
            for edge in calls.inside(scope):
                if edge.target.module is not module or edge.target.scope is scope:
                    continue
                if not self.carries(context, edge):
                    continue
                step = module.step(edge.node, f"'{scope.name or 'module'}' {_verb(edge)} '{edge.target.scope.name}'")
                steps = (*context.steps, step)
                if len(steps) > MAX_STEPS:
                    steps = (*steps[:3], *steps[4:])  # how it begins and how it ends say most
                self._add(
                    edge.target.scope,
                    Context(
                        context.where,
                        context.many,
                        context.node,
                        context.text,
                        steps,
                        root=context.root,
                        handler=context.handler,
                        work=context.work,
                        parent=context,
                        edge=edge,
                    ),
                )
            if context.where == spawners.PROCESS:
                for work in calls.launched_in(scope):
                    if work.where in (spawners.RUN, spawners.TASK):
                        self._in_process(context, work)
            if context.many and (context.where in PER_REQUEST or context.where in THREADS or context.where in (LOOP, spawners.TASK)):
                for work in calls.launched_in(scope):
                    if work.where == spawners.THREAD or (work.where in (spawners.TASK, spawners.GREENLET) and context.where != LOOP):
                        for function in work.functions:
                            if function.module is module:
                                self.launch(function, work, True)

    def _in_process(self, context: Context, work: Work) -> None:
        """What a process runs on an event loop of its own runs in that process."""
        for function in work.functions:
            if function.module is self.module:
                step = self.module.step(work.call, f"'{function.scope.name}' runs on its event loop")
                inner = Context(
                    context.where, context.many, context.node, context.text, (*context.steps[:MAX_STEPS - 1], step),
                    root=context.root, work=context.work, parent=context,
                )  # fmt: skip
                self._add(function.scope, inner)

    @staticmethod
    def carries(context: Context, edge: Edge) -> bool:
        """Whether a context flows along an edge: a coroutine root does not flow into another coroutine, which is its own."""
        if context.where == COROUTINE and edge.target.scope.is_async:
            return False
        if edge.target.scope.yields and edge.how == "call" and context.where == COROUTINE:
            return False
        return context.where != ONCE or edge.how in ("call", "property", "enter")


def maps(module: "Module", edge: Edge) -> bool:
    """Whether an edge is a ``map`` or ``filter`` that calls the function for every element."""
    node = edge.node
    if not isinstance(node, ast.Call) or last_name(node.func) not in ("map", "filter"):
        return False
    return any(isinstance(v, External) and v.path in ("builtins.map", "builtins.filter") for v in module.values(node.func))


def _verb(edge: Edge) -> str:
    return {
        "call": "calls",
        "property": "reads property",
        "enter": "enters",
        "callback": "hands over",
        "inject": "depends on",
        "wrap": "is decorated by",
    }.get(edge.how, "calls")
