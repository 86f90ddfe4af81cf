"""What processes get: objects that would have to be pickled, and clients that a fork copies from the parent."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import spawners
from flake8_mongo_threads.findings import Span, Step
from flake8_mongo_threads.semantics.calls import Edge
from flake8_mongo_threads.semantics.carrying import helpers, made_by_work
from flake8_mongo_threads.semantics.closers import opened_by
from flake8_mongo_threads.semantics.contexts import Context
from flake8_mongo_threads.semantics.facts import PRODUCERS, HandOver, Operation, operations_in
from flake8_mongo_threads.semantics.lifecycle import conditional
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.sharing import objects_of_workers
from flake8_mongo_threads.semantics.spawns import Work
from flake8_mongo_threads.semantics.syntax import CHAINS, FUNCTIONS, argument, base_of, constant, ends, keyword, last_name
from flake8_mongo_threads.semantics.values import Class, Driver, External, Function, Instance, Partial, Sequence, Site, Value

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

UNPICKLABLE = frozenset(
    (
        "client", "database", "collection", "cursor", "command-cursor", "raw-cursor", "change-stream", "session", "gridfs-bucket", "gridfs", "grid-in", "grid-out",
        "client-encryption",
    )
)  # fmt: skip

TASK_CLASSES = frozenset(("celery.Task", "celery.Celery().Task", "celery.current_app.Task"))
"""Classes whose objects the parent of a prefork pool makes: what their constructors open is inherited by the children."""

PICKLE_METHODS = ("__getstate__", "__reduce__", "__reduce_ex__", "__getnewargs__", "__deepcopy__")
"""Methods by which a class says itself what of its objects is pickled."""

HOOKS = frozenset(
    ("uwsgidecorators.postfork", "celery.signals.worker_process_init.connect", "celery.signals.worker_process_init.connect()")
)
"""Decorators of functions that run in each child right after the fork."""

MAX_DEPTH = 5


# ---------------------------------------------------------------------- objects sent to a process


class SentToProcess:
    """A driver object that work on another process receives as an argument, bound method or closure."""

    __slots__ = ("how", "span", "steps", "value", "work")

    def __init__(self, module: "Module", work: Work, value: Driver, how: str, node: ast.AST) -> None:
        self.work = work
        self.value = value
        self.how = how
        place = node if how == "argument" and node in module.index.parents and module.index.within(node, work.call) else work.target
        self.span: Span = module.source.span(place)
        steps = [value.site.step(f"the {value.noun} is made here")] if value.site is not None else []
        self.steps: tuple[Step, ...] = (*steps, module.step(work.call, "handed to another process here"))


def sent_to_processes(module: "Module") -> list[SentToProcess]:
    """Driver objects handed to processes, the first one of each launch."""
    found: list[SentToProcess] = []
    seen: set[int] = set()
    for hand_over in (*module.facts(HandOver), *objects_of_workers(module)):
        work = hand_over.work
        if (
            work.where != spawners.PROCESS
            or id(work) in seen
            or hand_over.value.family not in UNPICKLABLE
            or work.path == "os.register_at_fork"
        ):
            continue
        if hand_over.how == "global" or not _travels(module, hand_over):
            continue
        seen.add(id(work))
        found.append(SentToProcess(module, work, hand_over.value, hand_over.how, hand_over.node))
    for work in module.calls.works:
        if work.where == spawners.PROCESS and id(work) not in seen and work.path != "os.register_at_fork":
            carried = _holder_sent(module, work)
            if carried is not None:
                value, how, node = carried
                found.append(SentToProcess(module, work, value, how, node))
    return found


def _holder_sent(module: "Module", work: Work) -> tuple[Driver, str, ast.AST] | None:
    """An object of the program that holds a driver object and goes to a process: as an argument, or by a bound method."""
    expressions: list[ast.AST] = list(work.arguments)
    for value in work.targets:
        if isinstance(value, Partial) and value.module is module:
            expressions.extend((*value.call.args, *(k.value for k in value.call.keywords)))
    for expression in expressions:
        inner = expression.value if isinstance(expression, ast.Starred) else expression
        for value in module.values(inner):
            for candidate in _elements(module, value):
                held = _held(candidate)
                if held is not None:
                    return held, "argument", inner
    for function in work.functions:
        plain = module.inference.decorators(function.module, function.scope) & {"builtins.staticmethod", "builtins.classmethod"}
        if function.receiver is not None and function.scope.cls is not None and not plain and isinstance(work.target, ast.Attribute):
            held = _held(function.receiver)
            if held is not None and not made_by_work(held, [function], through=True):
                return held, "self", work.target
    return None


def _elements(module: "Module", value: Value) -> list[Value]:
    """The objects in a container, and in the tuples that it holds: ``[(store, key) for key in keys]``."""
    found = [value]
    for _ in range(2):
        found = [
            inner
            for v in found
            for inner in ((x for e in v.elements[:8] for x in module.inference.element(e)) if isinstance(v, Sequence) else (v,))
        ]
    return found


def _held(value: Value) -> Driver | None:
    """The driver object that the constructor of an object's class puts into an attribute, when pickling takes it along."""
    if not isinstance(value, Instance):
        return None
    order = value.cls.module.inference.resolution_order(value.cls)
    if any(name in cls.bindings for _, cls in order for name in PICKLE_METHODS):
        return None
    for home, cls in order:
        for constructor in home.inference.definitions(cls, "__init__"):
            receiver = constructor.positional[0].arg if constructor.positional else ""
            for stores in home.index.attribute_stores.values():
                for store in stores:
                    if store.scope.function is not constructor or last_name(store.target.value) != receiver:
                        continue
                    kind = home.inference.agreed(home.inference.stored(home, store))
                    if kind is not None and kind.family in UNPICKLABLE:
                        return kind
    return _given_to(value, order)


def _given_to(value: Instance, order: list[tuple["Module", Scope]]) -> Driver | None:
    """The driver object among the arguments of a class whose constructor is generated from its fields: a dataclass, a named tuple."""
    site = value.site
    if site is None or not isinstance(site.node, ast.Call):
        return None
    if not any(cls.decorators for _, cls in order) and "typing.NamedTuple" not in value.cls.module.inference.external_bases(value.cls):
        return None
    if any("__init__" in cls.bindings for _, cls in order):
        return None
    for given in (*site.node.args, *(k.value for k in site.node.keywords)):
        kind = site.module.inference.kind(site.module, given)
        if kind is not None and kind.family in UNPICKLABLE:
            return kind
    return None


def _travels(module: "Module", hand_over: HandOver) -> bool:
    """Whether the object really goes along with the callable: not when its class leaves it out of its pickled state."""
    work = hand_over.work
    if hand_over.how == "closure":
        return not any(f.scope.kind == "module" for f in work.functions) and _outside(hand_over)
    if hand_over.how != "self":
        return True
    for function in work.functions:
        receiver = function.receiver
        if not isinstance(receiver, Instance):
            return False
        for _, cls in module.inference.resolution_order(receiver.cls):
            if any(name in cls.bindings for name in PICKLE_METHODS):
                return False
        if function.scope.cls is None or any(
            d in ("builtins.staticmethod", "builtins.classmethod") for d in module.inference.decorators(function.module, function.scope)
        ):
            return False
    return bool(work.functions) and not made_by_work(hand_over.value, work.functions, through=True)


def _outside(hand_over: HandOver) -> bool:
    site = hand_over.value.site
    if site is None:
        return True
    for function in hand_over.work.functions:
        node: ast.AST | None = site.node
        while node is not None and site.module is function.module:
            if node is function.scope.node:
                return False
            node = site.module.index.parents.get(node)
    return True


# ---------------------------------------------------------------------- clients that a fork copies


_NO_USE = frozenset(("get_collection", "get_database", "get_default_database", "with_options"))
"""Methods that only make another object of the client: what is done with it is the use."""


class ForkedUse:
    """The use, in a forked child, of a client that the parent opened."""

    __slots__ = ("name", "span", "steps", "text", "value")

    def __init__(self, module: "Module", node: ast.AST, value: Driver, name: str, text: str, steps: tuple[Step, ...]) -> None:
        self.value = value
        self.name = name
        self.text = text
        """What makes the code run in a child, for a message."""
        self.steps = steps
        self.span: Span = module.source.name_span(node)


def forked_uses(module: "Module") -> list[ForkedUse]:
    """The first use of each inherited client in every function that runs in a forked child."""
    found: list[ForkedUse] = []
    seen: set[tuple[int, object]] = set()
    spawn = _spawns_only(module)
    sent = {(id(s.work.call), held.key()) for s in module.facts(SentToProcess) if (held := s.value.root("client")) is not None}

    def add(node: ast.AST, scope: Scope, client: Driver, name: str, text: str, steps: tuple[Step, ...]) -> None:
        key = (id(scope), client.key())
        if key not in seen and name not in _NO_USE:
            seen.add(key)
            found.append(ForkedUse(module, node, client, name, text, steps))

    for scope, contexts in module.contexts.of.items():
        context = next((c for c in contexts if _forks(module, c, spawn)), None)
        if context is None:
            continue
        for operation in module.facts(Operation):
            if operation.scope.function is not scope or operation.name == "close":
                continue
            client = inherited(module, operation, context)
            if client is not None and (context.work is None or (id(context.work.call), client.key()) not in sent):
                add(operation.node, scope, client, operation.name, context.text, _steps(module, client, context, operation))
        for edge in module.calls.edges.get(scope, ()):
            if edge.target.module is module or edge.how != "call" or _imported_here(edge.node, scope):
                continue
            hit = _uses(edge.target, 0, frozenset(), ((module, edge),))
            if hit is None or not (_by_constructor(hit[2]) or _all_at_import(hit[0], hit[1])):
                continue
            steps = _steps_through(module, context, edge.node, hit)
            if context.handler is not None:
                add(edge.node, scope, hit[2], hit[1].name, context.text, steps)
            elif context.work is not None and (id(context.work.call), hit[2].key()) not in sent:
                add(context.work.call, scope, hit[2], hit[1].name, context.text, steps)
    for region, text, start in _fork_regions(module):
        for operation in _operations_below(module, region):
            client = _before(module, operation, start)
            if client is not None and not _rebound_in_child(module, operation):
                step = module.step(start, text)
                origin = (client.site.step("the client is opened here"),) if client.site is not None else ()
                add(
                    operation.node,
                    operation.scope.function,
                    client,
                    operation.name,
                    text,
                    (*origin, step, module.step(operation.node, "it is used in the child")),
                )
    for scope, start, text in _forked_handlers(module):
        for operation in operations_in(module, scope):
            client = _before(module, operation, start)
            if client is not None and not _rebound_in_child(module, operation):
                origin = (client.site.step("the client is opened here"),) if client.site is not None else ()
                steps = (*origin, module.step(start, text), module.step(operation.node, "it is used in the child"))
                add(operation.node, scope, client, operation.name, text, steps)
    for hook, text in _hooks(module):
        for scope in (hook, *(h.scope for h in helpers(Function(module, hook)) if h.module is module)):
            for operation in operations_in(module, scope):
                client = _before(module, operation, hook.node)
                if client is None or _rebound_in_child(module, operation) or _imported_here(operation.node, operation.scope.function):
                    continue
                origin = (client.site.step("the client is opened here"),) if client.site is not None else ()
                steps = (
                    *origin,
                    module.step(hook.node, f"'{hook.name}' is {text}"),
                    module.step(operation.node, "it is used in the child"),
                )
                add(operation.node, scope, client, operation.name, text, steps)
    found.extend(_elsewhere(module, spawn))
    return found


def _forked_handlers(module: "Module") -> list[tuple[Scope, ast.Call, str]]:
    """The methods of Tornado handlers in a file that starts several processes: requests are served by the children."""
    fork = next(
        (
            call
            for call, _, value in module.calls.constructions
            if isinstance(value, External) and (value.path == "tornado.process.fork_processes" or _starts_processes(value.path, call))
        ),
        None,
    )
    if fork is None:
        return []
    found: list[tuple[Scope, ast.Call, str]] = []
    for cls in module.index.classes:
        bases = module.inference.external_bases(Class(module, cls))
        if any(base in ("tornado.web.RequestHandler", "tornado.websocket.WebSocketHandler") for base in bases):
            text = f"a handler of the processes forked at line {fork.lineno}"
            found.extend((scope, fork, text) for scope in module.index.functions if scope.cls is cls)
    return found


def _hooks(module: "Module") -> list[tuple[Scope, str]]:
    """Functions that servers and pools call in each child right after the fork, with what they are, for a message."""
    found: list[tuple[Scope, str]] = []
    for scope in module.index.functions:
        if scope.parent is not None and scope.parent.kind == "module" and scope.cls is None:
            parameters = tuple(p.arg for p in scope.params)
            if (scope.name == "post_fork" and parameters == ("server", "worker")) or (
                scope.name == "post_worker_init" and parameters == ("worker",)
            ):
                found.append((scope, f"the gunicorn hook '{scope.name}', which runs in each forked worker"))
        for path in module.inference.decorators(module, scope) & HOOKS:
            found.append((scope, f"a hook of {path.partition('.')[0]}, which runs in each forked worker"))
    return found


def _imported_here(node: ast.AST, function: Scope) -> bool:
    """Whether what is used or called is imported by the function itself: then the child is the first to import it."""
    node = base_of(node, CHAINS)
    if not isinstance(node, ast.Name) or function.kind == "module":
        return False
    return any(b.how == "import" for b in function.bindings.get(node.id, ()))


def _by_constructor(client: Driver) -> bool:
    """Whether a client is made by a function or a class, of which something else shows that it ran at import."""
    return client.site is not None and client.site.module.index.scope(client.site.node).function.kind == "function"


def _steps(module: "Module", client: Driver, context: Context, operation: Operation) -> tuple[Step, ...]:
    origin = (client.site.step("the client is opened here"),) if client.site is not None else ()
    return (*origin, *context.steps, module.step(operation.node, "it is used in the child"))


def _steps_through(module: "Module", context: Context, node: ast.AST, hit: "tuple[Module, Operation, Driver]") -> tuple[Step, ...]:
    home, operation, client = hit
    origin = (client.site.step("the client is opened here"),) if client.site is not None else ()
    return (*origin, *context.steps, module.step(node, "the child calls this"), home.step(operation.node, "it is used in the child"))


def _all_at_import(module: "Module", operation: Operation) -> bool:
    """Whether every client that an operation can be meant for is opened at import: a parameter may be given others, too."""
    clients = [driver.root("client") for driver in operation.receivers(module)]
    return bool(clients) and all(
        client is not None
        and client.site is not None
        and client.site.module.index.scope(client.site.node).function.kind in ("module", "class")
        for client in clients
    )


def _forks(module: "Module", context: Context, spawn: bool) -> bool:
    if context.where == spawners.PROCESS:
        if context.work is not None and (context.work.launcher.label == "RQ job" or context.work.path == "os.register_at_fork"):
            return False
        return not spawn and not (context.work is not None and starts_by_spawn(module, context.work))
    return (
        context.handler is not None
        and context.handler.label == "Celery task"
        and not module.project.mentions("worker_pool", "--pool=solo", "-P solo", "-P threads", "--pool=threads", "-P gevent")
    )


def _spawns_only(module: "Module") -> bool:
    """Whether the file sets a start method that does not copy the parent: spawn or forkserver."""
    for call, _, value in module.calls.constructions:
        if (
            isinstance(value, External)
            and value.path == "multiprocessing.set_start_method"
            and constant(argument(call, 0, "method")) in ("spawn", "forkserver")
        ):
            return True
    return False


def starts_by_spawn(module: "Module", work: Work) -> bool:
    """Whether the process of some work is started by spawn or forkserver, told by its context object."""
    func = work.call.func
    if isinstance(func, ast.Attribute) and _other_method(module, func.value):
        return True
    pool = work.pool
    candidates = [work.call]
    if isinstance(pool, External) and pool.site is not None and isinstance(pool.site.node, ast.Call):
        made = pool.site.node
        candidates.append(made)
        if isinstance(made.func, ast.Attribute) and _other_method(pool.site.module, made.func.value):
            return True
    for call in candidates:
        context = keyword(call, "mp_context")
        if context is not None and _other_method(module, context):
            return True
    return work.path.startswith("loky.") or work.path == "joblib.Parallel"


def _other_method(module: "Module", expression: ast.AST) -> bool:
    for value in module.values(expression):
        if (
            isinstance(value, External)
            and value.site is not None
            and isinstance(value.site.node, ast.Call)
            and value.path.endswith("get_context()")
        ):
            if constant(argument(value.site.node, 0, "method")) in ("spawn", "forkserver"):
                return True
    return False


def inherited(module: "Module", operation: Operation, context: Context) -> Driver | None:
    """The client that an operation in a child uses although the parent opened it, or None."""
    client = operation.owner.root("client")
    if client is None or client.site is None:
        return None
    site = client.site
    home = site.module.index.scope(site.node).function
    places = [*_places(module, operation), *_called_on(operation, [(module, edge) for edge in context.chain])]
    at_import = home.kind in ("module", "class") or _made_by_global(places, site)
    root = context.root
    in_constructor = (
        home.cls is not None
        and home.name == "__init__"
        and root.cls is not None
        and root.name == "run"
        and context.work is None
        and _same_class(module, root, home)
    )
    registered = (
        home.cls is not None
        and home.name == "__init__"
        and context.handler is not None
        and any(base in TASK_CLASSES for base in module.inference.external_bases(Class(site.module, home.cls)))
    )
    if not at_import and not in_constructor and not registered:
        return client if context.work is not None and _opened_by_parent(site, context.work, Function(module, root)) else None
    if _declared_only(site) or _rebound_in_child(module, operation) or _unopened(module, site, context):
        return None
    return client


def _opened_by_parent(site: Site, work: Work, child: Function) -> bool:
    """Whether a function that keeps its client in a global or on a class, or is cached, was called by the parent before it started a
    process.

    Not when the child makes a client of its own: by an initializer, or by a function that assigns the global without asking
    whether there is a client.
    """
    maker, home = site.module, site.module.index.scope(site.node).function
    if home.kind != "function" or home.is_async or (isinstance(site.node, ast.Call) and _lazy(site.node)):
        return False
    cached = maker.inference.is_cached(maker, home)
    statement = maker.index.statement(site.node)
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target] if isinstance(statement, ast.AnnAssign) else []
    kept = [t.id for t in targets if isinstance(t, ast.Name) and t.id in home.globals]
    on_class = [name for t in targets if isinstance(t, ast.Attribute) for name in _on_class(maker, t, home)]
    if not (cached or kept or on_class) or any(last_name(c.func) == "getpid" for c in maker.index.calls_in.get(home, ())):
        return False
    if not any(home in reached for reached in _run_before(work, maker)):
        return False
    if cached:
        return True
    writers = {
        b.scope.function for name in kept for b in maker.index.module_scope.bindings.get(name, ()) if b.scope.function.kind == "function"
    }
    stores = [s.scope.function for name in on_class for s in maker.index.attribute_stores.get(name, ())]
    writers |= {writer for writer in stores if writer.cls is home.cls}
    anew = {w for w in writers if w is not home or not conditional(maker, site.node)}
    inside = [
        child,
        *(f for w in work.module.calls.works if w.where == spawners.PROCESS for f in w.functions if f.scope is not child.scope),
    ]
    return not any(f.scope in anew or any(h.scope in anew for h in helpers(f)) for f in inside)


def _on_class(module: "Module", target: ast.Attribute, home: Scope) -> list[str]:
    """The attributes through which a class, or the one object that it keeps, holds what is assigned: ``cls.client``,
    ``cls._instance.client``; none when it does not."""
    names, holder = [target.attr], target.value
    if isinstance(holder, ast.Attribute) and home.name == "__new__":
        names, holder = [holder.attr, target.attr], holder.value
    values = module.values(holder)
    return names if values and all(isinstance(v, Class) for v in values) else []


def _lazy(made: ast.Call) -> bool:
    """Whether a client is made with ``connect=False``."""
    return keyword(made, "connect") is not None and constant(keyword(made, "connect")) is False


def _run_before(work: Work, maker: "Module") -> list[set[Scope]]:
    """The functions that have run for certain when a process is started: each set holds a function and those that it calls for certain.

    They are called earlier in a block around the launch or around the call of the function that launches it, or at import.
    """
    module = work.module
    points: list[ast.AST] = [work.call]
    launching = work.scope.function
    if launching.kind == "function":
        callers = [e for edges in module.calls.edges.values() for e in edges if e.target.scope is launching]
        if len(callers) == 1:
            points.append(callers[0].node)
    found: list[set[Scope]] = []
    for home in {module, maker}:
        for scope, edges in home.calls.edges.items():
            for edge in edges:
                early = any(_precedes(module, edge.node, p) for p in points) if home is module else False
                if early or (scope.kind == "module" and launching.kind != "module" and _at_top(home, edge.node)):
                    found.append({edge.target.scope, *(e.target.scope for e in edge.target.module.calls.inside(edge.target.scope))})
    return found


def _precedes(module: "Module", first: ast.AST, second: ast.AST) -> bool:
    """Whether the statement of a node stands before another node's in one of the blocks around that one: then it has run."""
    place = module.index.place.get(module.index.statement(first))
    if place is None or first is second:
        return False
    owner, field, position = place
    return any(o is owner and f == field and position < p for o, f, p in module.index.block_path(second, module.index.tree))


def _at_top(module: "Module", node: ast.AST) -> bool:
    """Whether a node stands in a statement of the module itself: it runs at import."""
    place = module.index.place.get(module.index.statement(node))
    return place is not None and place[0] is module.index.tree


def _same_class(module: "Module", scope: Scope, home: Scope) -> bool:
    if scope.cls is None or home.cls is None:
        return False
    return any(cls is home.cls for _, cls in module.inference.resolution_order(Class(module, scope.cls)))


def _made_by_global(places: "list[tuple[Module, ast.AST]]", site: Site) -> bool:
    """Whether a module makes the client while it is imported, by a function or class that its top level calls: ``storage = Storage()``.

    ``places`` are the expressions that lead from the client to the object that is used.
    """
    for home, node in places:
        base = base_of(node, CHAINS)
        scope = home.index.scope(base).binder(base.id) if isinstance(base, ast.Name) else None
        if scope is not None and scope.kind == "function" and isinstance(base, ast.Name):
            local = scope.bindings[base.id]  # ``comments = storage.comments``
            if len(local) == 1 and local[0].how == "assign" and isinstance(local[0].value, ast.AST):
                base = base_of(local[0].value, CHAINS)
                scope = home.index.scope(base).binder(base.id) if isinstance(base, ast.Name) else None
        if scope is None or scope.kind != "module" or not isinstance(base, ast.Name):
            continue
        bindings = scope.bindings[base.id]
        statement = bindings[0].value
        if isinstance(statement, ast.ImportFrom) and isinstance(bindings[0].node, ast.alias):
            target = home.project.find(home, statement.module or "", statement.level)
            if target is None:
                continue
            home, bindings = target, target.index.module_scope.bindings.get(bindings[0].node.name, [])
        if len(bindings) != 1 or bindings[0].how != "assign" or bindings[0].scope.kind != "module":
            continue
        made = bindings[0].value
        for callee in home.values(made.func) if isinstance(made, ast.Call) else ():
            maker = home.inference.method_of(Instance(callee), "__init__") if isinstance(callee, Class) else callee
            if isinstance(maker, Function) and id(site.node) in opened_by(maker):
                return True
    return False


def _called_on(operation: Operation, chain: "list[tuple[Module, Edge]]") -> "list[tuple[Module, ast.AST]]":
    """The call of the object that an operation on ``self`` belongs to: ``storage.save(row)``; nothing for other operations."""
    used, scope = operation.node, operation.scope.function
    for home, edge in reversed(chain):
        base = base_of(used, CHAINS)
        if scope.cls is None or not scope.positional or not isinstance(base, ast.Name) or base.id != scope.positional[0].arg:
            return []
        used, scope = edge.node, edge.caller.function
        base = base_of(used, CHAINS)
        if not (isinstance(base, ast.Name) and scope.cls is not None and scope.positional and base.id == scope.positional[0].arg):
            return [(home, used)]
    return []


def _places(module: "Module", operation: Operation) -> "list[tuple[Module, ast.AST]]":
    """The object that is used and every expression on the way to it from the client, each of which starts at a name."""
    places: list[tuple[Module, ast.AST]] = [(module, operation.node)]
    owner: Driver | None = operation.owner
    for _ in range(6):
        if owner is None or owner.family == "client":
            break
        if owner.site is not None:
            places.append((owner.site.module, owner.site.node))
        owner = owner.parent
    return places


def _rebound_in_child(module: "Module", operation: Operation) -> bool:
    """Whether the global that holds the client is assigned by a function as well: an initializer or a lazy getter.

    The global is looked for behind local names and helpers too.
    """
    return any(_assigned_by_function(home, node) for home, node in _places(module, operation))


def _assigned_by_function(module: "Module", node: ast.AST) -> bool:
    node = base_of(node, CHAINS)
    if not isinstance(node, ast.Name):
        return False
    for binding in module.index.module_scope.bindings.get(node.id, ()):
        if binding.scope.function.kind != "module" and binding.how != "def":
            return True
    return False


def _declared_only(site: Site) -> bool:
    """Whether a client is known from an annotation alone: ``client: MongoClient | None = None`` opens nothing."""
    statement = site.module.index.statement(site.node)
    if not isinstance(statement, ast.AnnAssign):
        return False
    return statement.value is None or isinstance(statement.value, ast.Constant)


def _unopened(module: "Module", site: Site, context: Context) -> bool:
    """A client made with ``connect=False`` opens nothing until its first operation: only one before the fork matters."""
    if not (
        isinstance(site.node, ast.Call) and constant(keyword(site.node, "connect")) is False and keyword(site.node, "connect") is not None
    ):
        return False
    launch = context.work
    for operation in module.facts(Operation):
        used = operation.owner.root("client")
        if used is None or used.site is None or used.site.node is not site.node or not operation.io:
            continue
        function = operation.scope.function
        if function.kind == "module":
            return False
        if launch is not None and function is launch.scope.function and operation.node.lineno < launch.call.lineno:  # type: ignore[attr-defined]
            return False
    return True


DAEMON_OPEN = frozenset(("daemon.DaemonContext().open", "daemon.daemon.DaemonContext().open"))
SERVER_STARTS = frozenset(("tornado.httpserver.HTTPServer().start", "tornado.tcpserver.TCPServer().start"))

_SAME_PROCESS = frozenset((spawners.THREAD, spawners.TASK, spawners.RUN, spawners.CALLBACK, spawners.JOB, spawners.GREENLET))
"""Where work that a process launches runs in that very process."""

Region = tuple[list[ast.stmt], str, ast.AST]


def _fork_regions(module: "Module") -> list[Region]:
    """Statements that only a forked child runs: branches on ``os.fork()``, the body of a daemon context, what follows
    ``fork_processes``."""
    found: list[Region] = []
    index = module.index
    for call, scope, value in module.calls.constructions:
        if not isinstance(value, External):
            continue
        line = call.lineno
        if value.path in ("os.fork", "os.forkpty", "pty.fork"):
            branches, goes_on = _child_branches(module, call, scope)
            found.extend((body, f"the child forked at line {line}", call) for body in branches)
            if goes_on:
                found.extend(_after_calls(module, scope.function))
        elif value.path in DAEMON_OPEN or value.path == "tornado.process.fork_processes" or _starts_processes(value.path, call):
            statement = index.statement(call)
            if statement in index.place:
                owner, field, position = index.place[statement]
                what = "the daemon process" if value.path in DAEMON_OPEN else "the processes"
                found.append((getattr(owner, field)[position + 1 :], f"{what} forked at line {line}", call))
        elif value.path in ("daemon.DaemonContext", "daemon.daemon.DaemonContext"):
            for node, _ in index.withs:
                if any(item.context_expr is call or _is_context(module, item.context_expr, call) for item in node.items):
                    found.append((node.body, f"the daemon process forked at line {node.lineno}", node))
    return found


def _after_calls(module: "Module", function: Scope) -> list[Region]:
    """What follows the calls of a function that only a child comes back from: ``daemonize()``."""
    found: list[Region] = []
    for edges in module.calls.edges.values():
        for edge in edges:
            statement = module.index.statement(edge.node)
            if edge.target.scope is function and edge.how == "call" and statement in module.index.place:
                owner, field, position = module.index.place[statement]
                text = f"the child that comes back from '{function.name}' (line {getattr(edge.node, 'lineno', 1)})"
                found.append((getattr(owner, field)[position + 1 :], text, edge.node))
    return found


def _starts_processes(path: str, call: ast.Call) -> bool:
    """Whether ``server.start(n)`` forks: any literal number of processes but one, or one for each processor."""
    if path not in SERVER_STARTS:
        return False
    number = argument(call, 0, "num_processes")
    if isinstance(number, ast.Call):
        return last_name(number.func) == "cpu_count"
    return number is not None and isinstance(constant(number), int) and constant(number) != 1


def _is_context(module: "Module", expression: ast.AST, call: ast.Call) -> bool:
    return any(isinstance(v, External) and v.site is not None and v.site.node is call for v in module.values(expression))


def _child_branches(module: "Module", call: ast.Call, scope: Scope) -> tuple[list[list[ast.stmt]], bool]:
    """The statements that only the child runs, and whether it alone leaves the function, because the parent exits."""
    goes_on = False
    index = module.index
    statement = index.statement(call)
    names: set[str] = set()
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            names.update(n.id for n in (target.elts if isinstance(target, ast.Tuple) else [target]) if isinstance(n, ast.Name))
    found: list[list[ast.stmt]] = []
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.UnaryOp) and isinstance(statement.value.op, ast.Not):
        flags, names = names, set()
    else:
        flags = set()
    found.extend(_cases(module, call, scope, names))
    for test, where in index.tests:
        owner = index.parents.get(test)
        if where.function is not scope.function or not isinstance(owner, ast.If) or owner.test is not test:
            continue
        verdict = True if isinstance(test, ast.Name) and test.id in flags else _tests_child(test, call, names)
        if verdict is None:
            continue
        if verdict:
            found.append(owner.body)
        else:
            if owner.orelse:
                found.append(owner.orelse)
            if ends(owner.body) and owner in index.place:
                holder, field, position = index.place[owner]
                found.append(getattr(holder, field)[position + 1 :])
                goes_on = goes_on or not isinstance(owner.body[-1], (ast.Return, ast.Break, ast.Continue))
    return found, goes_on


def _cases(module: "Module", call: ast.Call, scope: Scope, names: set[str]) -> list[list[ast.stmt]]:
    """The bodies of ``case 0:`` where the result of the fork is matched."""
    found: list[list[ast.stmt]] = []
    matches = {owner for owner, _, _ in module.index.place.values() if isinstance(owner, ast.match_case)}
    for case in matches:
        match = module.index.parents.get(case)
        if not isinstance(match, ast.Match) or module.index.scope(match).function is not scope.function:
            continue
        subject = match.subject
        if subject is not call and not (isinstance(subject, ast.Name) and subject.id in names):
            continue
        pattern = case.pattern
        if isinstance(pattern, ast.MatchValue) and constant(pattern.value) == 0:
            found.append(case.body)
    return found


def _tests_child(test: ast.expr, call: ast.Call, names: set[str]) -> bool | None:
    """True when a test is true in the child, False when it is true in the parent, None when it is about something else."""

    def is_pid(node: ast.expr) -> bool:
        return node is call or (isinstance(node, ast.Name) and node.id in names) or (isinstance(node, ast.NamedExpr) and node.value is call)

    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) and is_pid(test.operand):
        return True
    if is_pid(test):
        return False
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        left, right, operator = test.left, test.comparators[0], test.ops[0]
        if is_pid(right) and constant(left) == 0:
            left, right = right, left
        if is_pid(left) and constant(right) == 0:
            if isinstance(operator, ast.Eq):
                return True
            if isinstance(operator, (ast.NotEq, ast.Gt)):
                return False
    return None


def _operations_below(module: "Module", statements: list[ast.stmt]) -> list[Operation]:
    """The operations in some statements, and those of the functions of this file that they call."""
    inside = set(map(id, statements))

    def below(node: ast.AST) -> bool:
        current: ast.AST | None = node
        while current is not None:
            if id(current) in inside:
                return True
            if isinstance(current, (*FUNCTIONS, ast.Lambda)):
                return False
            current = module.index.parents.get(current)
        return False

    found = [o for o in module.facts(Operation) if below(o.node)]
    pending = [e.target for edges in module.calls.edges.values() for e in edges if below(e.node)]
    seen: set[Scope] = set()
    pending.extend(f for work in module.calls.works if work.where in _SAME_PROCESS and below(work.call) for f in work.functions)
    for _ in range(32):
        if not pending:
            break
        function = pending.pop(0)
        if function.module is not module or function.scope in seen:
            continue
        seen.add(function.scope)
        found.extend(operations_in(module, function.scope))
        pending.extend(e.target for e in module.calls.inside(function.scope))
        pending.extend(f for work in module.calls.launched_in(function.scope) if work.where in _SAME_PROCESS for f in work.functions)
    return found


def _before(module: "Module", operation: Operation, start: ast.AST) -> Driver | None:
    """The client of an operation when it was made before the fork: at import, or earlier in the same function."""
    client = operation.owner.root("client")
    if client is None or client.site is None or operation.name == "close" or _declared_only(client.site):
        return None
    site = client.site
    home = site.module.index.scope(site.node).function
    line = getattr(start, "lineno", 0)
    here = module.index.scope(start).function
    early = site.module is module and home is here and getattr(site.node, "lineno", 0) < line
    around = site.module is module and home.encloses(here)
    if home.kind not in ("module", "class") and not early and not around:
        return None
    if home.kind == "module" and site.module is module and here.kind == "module" and getattr(site.node, "lineno", 0) > line:
        return None
    if isinstance(site.node, ast.Call) and keyword(site.node, "connect") is not None and constant(keyword(site.node, "connect")) is False:
        used = [
            o
            for o in module.facts(Operation)
            if o.io
            and getattr(o.node, "lineno", 0) < line
            and _same_client(o, client)
            and o.scope.function in (here, module.index.module_scope)
        ]
        return client if used else None
    return client


def _same_client(operation: Operation, client: Driver) -> bool:
    other = operation.owner.root("client")
    return other is not None and other.key() == client.key()


def _elsewhere(module: "Module", spawn: bool) -> list[ForkedUse]:
    """Work on a process whose function stands in another module and uses a client that was opened at import."""
    found: list[ForkedUse] = []
    if spawn:
        return found
    sent = {id(fact.work) for fact in module.facts(SentToProcess)}
    for work in module.calls.works:
        if id(work) in sent:
            continue
        if (
            work.where != spawners.PROCESS
            or work.launcher.label == "RQ job"
            or work.path == "os.register_at_fork"
            or starts_by_spawn(module, work)
        ):
            continue
        for function in work.functions:
            if function.module is module:
                continue
            hit = _uses(function, 0, frozenset())
            if hit is not None:
                home, operation, client = hit
                origin = (client.site.step("the client is opened here"),) if client.site is not None else ()
                text = f"the process started at line {work.call.lineno}"
                steps = (
                    *origin,
                    module.step(work.call, f"'{function.scope.name}' runs on {text}"),
                    home.step(operation.node, "it is used in the child"),
                )
                found.append(ForkedUse(module, work.call, client, operation.name, text, steps))
                break
    return found


def _uses(
    function: Function, depth: int, active: frozenset[int], chain: "tuple[tuple[Module, Edge], ...]" = ()
) -> tuple["Module", Operation, Driver] | None:
    module, scope = function.module, function.scope
    if depth > MAX_DEPTH or id(scope) in active:
        return None
    for operation in operations_in(module, scope):
        client = operation.owner.root("client")
        if client is None or client.site is None or operation.name == "close" or _declared_only(client.site):
            continue
        home = client.site.module.index.scope(client.site.node).function
        lazy = (
            isinstance(client.site.node, ast.Call)
            and constant(keyword(client.site.node, "connect")) is False
            and keyword(client.site.node, "connect") is not None
        )
        early = home.kind in ("module", "class") or _made_by_global(_called_on(operation, list(chain)), client.site)
        if early and not lazy and not _rebound_in_child(module, operation):
            return module, operation, client
    for edge in module.calls.inside(scope):
        inner = _uses(edge.target, depth + 1, active | {id(scope)}, (*chain, (module, edge)))
        if inner is not None:
            return inner
    return None


PRODUCERS[SentToProcess] = sent_to_processes
PRODUCERS[ForkedUse] = forked_uses
