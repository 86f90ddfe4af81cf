"""Clients that live too short: shared ones that a handler or worker closes, ones closed before their workers are done,
ones rebuilt after errors the driver recovers from, and lazily built ones that threads race for."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import spawners
from flake8_mongo_threads.concurrency.names import slot
from flake8_mongo_threads.driver import wrappers
from flake8_mongo_threads.findings import Span, Step
from flake8_mongo_threads.semantics.calls import Edge
from flake8_mongo_threads.semantics.closers import Closed, closed_by_item, ends, gives_away, stack_entry
from flake8_mongo_threads.semantics.contexts import LOOP, PER_REQUEST, THREADS, Context
from flake8_mongo_threads.semantics.facts import PRODUCERS, HandOver, Operation, operations_in
from flake8_mongo_threads.semantics.lifecycle import (
    Build,
    builds_in,
    call_kept,
    guarded,
    in_handler_of,
    is_kept,
    request_store,
    shared_targets,
    stored_in,
    thread_local_store,
    try_of,
)
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.sharing import (
    awaitable_launcher,
    exclusive,
    handles,
    is_lock,
    objects_of_workers,
    under_lock,
    wait_after,
    waits_for_each,
)
from flake8_mongo_threads.semantics.spawns import Work, enclosing_loop
from flake8_mongo_threads.semantics.syntax import WITHS, argument, base_of, last_name, path_key, walk
from flake8_mongo_threads.semantics.values import UNKNOWN, Class, Driver, External, Function, Instance, Method, Partial, Site, Value
from flake8_mongo_threads.semantics.varying import varies_in_loop

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

CLOSING_NAMES = frozenset(
    (
        "close", "aclose", "shutdown", "stop", "disconnect", "dispose", "cleanup", "clean_up", "tear_down", "teardown", "tearDown", "tearDownClass", "asyncTearDown", "teardown_module",
        "teardown_method", "teardown_class", "__exit__", "__aexit__", "__del__", "on_shutdown", "shutdown_event", "close_spider", "spider_closed", "cog_unload", "close_db", "close_client",
        "close_connection", "close_connections", "close_mongo", "close_mongo_connection", "disconnect_db", "stop_db", "on_stop", "quit", "exit", "terminate", "finish", "destroy", "unload", "end",
        "close_database", "close_database_connection", "disconnect_from_db", "close_db_connection",
    )
)  # fmt: skip
"""Functions whose job is to close: not reported themselves, but the handler that calls them is."""

_MAIN_NAMES = frozenset(("main", "run", "cli", "app", "start", "demo", "example", "script", "amain", "async_main"))
_RECOVERED = frozenset(
    (
        "AutoReconnect", "ConnectionFailure", "NetworkTimeout", "ServerSelectionTimeoutError", "NotPrimaryError", "NotMasterError", "PyMongoError", "WaitQueueTimeoutError", "_OperationCancelled",
    )
)  # fmt: skip
"""Errors after which the driver goes on by itself."""


# ---------------------------------------------------------------------- closed by those who share it


class SharedClientClosed:
    """A client that others share is closed by code that runs for every request, job or worker, or by a helper."""

    __slots__ = ("client", "node", "scope", "span", "steps", "text")

    def __init__(self, module: "Module", node: ast.AST, scope: Scope, client: Driver, text: str, steps: tuple[Step, ...]) -> None:
        self.node = node
        self.scope = scope
        self.client = client
        self.text = text
        self.steps = steps
        self.span: Span = module.source.name_span(node)


def shared_clients_closed(module: "Module") -> list[SharedClientClosed]:
    """Closes of shared clients, and calls of methods that close one, in handlers, workers and helpers."""
    found: list[SharedClientClosed] = []
    for operation in module.facts(Operation):
        if operation.name != "close" or operation.owner.family != "client" or operation.call is None:
            continue
        scope = operation.scope.function
        client = operation.owner
        if not is_shared(module, client, scope, operation.call):
            continue
        context = _many(module, scope)
        if context is not None and _own_of_thread(module, client, scope, context):
            continue
        if context is not None:
            if _closes_for_others(scope, context):
                continue
            found.append(_closed(module, operation.call, scope, client, context))
        elif _eager_helper(module, operation, scope, client):
            steps = (*_made(client), module.step(operation.call, "closed by a helper that others call again"))
            found.append(
                SharedClientClosed(
                    module, operation.call, scope, client, f"helper '{scope.name}', after which every other use fails", steps
                )
            )
    for scope, edges in module.calls.edges.items():
        context = _many(module, scope)
        if context is None or _closes_for_others(scope, context):
            continue
        for edge in edges:
            closed = _closed_by(module, edge)
            if closed is not None:
                found.append(_closed(module, edge.node, scope, closed, context))
    found.extend(_closed_by_blocks(module))
    found.extend(_closed_by_works(module))
    return found


def _closes_for_others(scope: Scope, context: Context) -> bool:
    """Whether a function has the job to close, so that the one who calls or launches it is to blame."""
    return scope.name in CLOSING_NAMES and (context.edge is not None or context.work is not None)


def _own_of_thread(module: "Module", client: Driver, scope: Scope, context: Context) -> bool:
    """Whether a thread object closes a client that it made itself, or that nobody else is seen to get: every thread has its own."""
    site = client.site
    if site is None or context.where not in THREADS or context.work is not None:
        return False
    if _declared(client):
        return not _handed_to_many(module, client, scope)
    return scope.cls is not None and site.module.index.scope(site.node).function.cls is scope.cls


_ENTRIES = frozenset(("enter_context", "enter_async_context", "callback", "push_async_callback"))


def _closed_by_blocks(module: "Module") -> list[SharedClientClosed]:
    """``with client:`` in a handler or worker, around a client that others share, or its entry into a stack of the function."""
    found: list[SharedClientClosed] = []
    items = [(item.context_expr, item.context_expr, where) for node, where in module.index.withs for item in node.items]
    for call in module.calls_to(_ENTRIES):
        stack = call.func.value if isinstance(call.func, ast.Attribute) else None
        scope = module.index.scope_of_node[call].function
        if isinstance(stack, ast.Name) and call.args and any(b.how == "with" for b in scope.bindings.get(stack.id, ())):
            items.append((call, call.args[0], scope))
    for node, expression, where in items:
        scope = where.function
        context = _many(module, scope)
        if context is None or _closes_for_others(scope, context):
            continue
        for closed in (
            _closed_by_stack(module, node) if isinstance(node, ast.Call) and node is not expression else closed_by_item(module, expression)
        ):
            if closed.family != "client" or _made_by_item(module, expression):
                continue
            if closed.module is module and closed.node not in (expression, node) and _reported_there(module, closed.node):
                continue
            if is_shared(module, closed.driver, scope, expression):
                found.append(_closed(module, node, scope, closed.driver, context))
    return found


def _closed_by_stack(module: "Module", call: ast.Call) -> list[Closed]:
    """What an exit stack of the function closes in the end because of a call."""
    entry = stack_entry(module, call)
    return entry[1] if entry is not None and not gives_away(module, entry[0]) else []


def _reported_there(module: "Module", node: ast.AST) -> bool:
    """Whether the close is in a function of this file that is reported itself."""
    return module.index.scope(node).function.name not in CLOSING_NAMES


def _made_by_item(module: "Module", expression: ast.expr) -> bool:
    """Whether a ``with`` item makes the object of the program that closes the client."""
    return isinstance(expression, ast.Call) and any(isinstance(v, Instance) for v in module.values(expression))


def _closed_by_works(module: "Module") -> list[SharedClientClosed]:
    """``add_task(client.close)`` in a handler, or the launch of a function whose job is to close."""
    found: list[SharedClientClosed] = []
    for work in module.calls.works:
        if work.where in (spawners.EXIT, spawners.SIGNAL, spawners.FINALIZER, spawners.PROCESS):
            continue
        context = _many(module, work.scope.function)
        if context is None:
            continue
        for value in work.targets:
            client: Driver | None = None
            if isinstance(value, Method) and value.name == "close" and value.owner.family == "client":
                client = value.owner if is_shared(module, value.owner, work.scope.function, work.target) else None
            elif isinstance(value, Function) and value.scope.name in CLOSING_NAMES:
                for closed in ends(value):
                    if closed.family == "client" and is_shared(closed.module, closed.driver, value.scope, closed.node):
                        client = closed.driver
            if client is not None:
                found.append(_closed(module, work.call, work.scope.function, client, context))
                break
    return found


def _closed(module: "Module", node: ast.AST, scope: Scope, client: Driver, context: Context) -> SharedClientClosed:
    steps = (*_made(client), *context.steps, module.step(node, "it closes the client for everybody"))
    return SharedClientClosed(module, node, scope, client, context.text, steps)


def _made(client: Driver) -> tuple[Step, ...]:
    return (client.site.step("the client is made here"),) if client.site is not None else ()


def _many(module: "Module", scope: Scope) -> Context | None:
    for context in module.contexts.at(scope):
        if context.many and (context.where in PER_REQUEST or context.where in THREADS or context.where == spawners.TASK):
            return context
    return None


def is_shared(module: "Module", client: Driver, scope: Scope, node: ast.AST) -> bool:
    """Whether a client outlives one run of a function: made at import, kept in a global or on an object, or captured."""
    site = client.site
    if site is None:
        return False
    made = site.node
    while isinstance(made, (ast.Attribute, ast.Subscript)):
        made = made.value
    if isinstance(made, ast.Call) and any(isinstance(v, External) and v.path in wrappers.REGISTERED for v in site.module.values(made.func)):
        return True
    home = site.module.index.scope(site.node).function
    if _declared(client) and _is_parameter(node, scope):
        return _handed_to_many(module, client, scope)
    if home.kind in ("module", "class"):
        return True
    targets = stored_in(site.module, site.node)
    if any(_request_bound(site, target) for target in targets):
        return False
    kept = shared_targets(site.module, home, targets)
    if home is scope:
        return bool(kept) and guarded(site.module, site.node, home, kept)
    if site.module is module and home.encloses(scope):
        return True
    if site.module.inference.is_cached(site.module, home):
        return True
    if any(isinstance(t, ast.Attribute) for t in targets):
        return not _made_for_the_call(module, node, scope) and not _of_one_request(site, home, scope)
    return bool(kept) or _handed_to_many(module, client, scope) or _made_once_for(module, site, home, scope)


def _made_once_for(module: "Module", site: Site, home: Scope, scope: Scope) -> bool:
    """Whether code that runs again and again gets a client from a function of the same file that nothing repeats."""
    around = _many(module, scope)
    if site.module is not module or around is None or enclosing_loop(module, site.node) is not None:
        return False
    if around.work is not None and not (around.work.many and around.work.scope.function is home):
        return False  # each launch may have a client of its own
    return not any(context.many for context in module.contexts.at(home))


def _declared(client: Driver) -> bool:
    """Whether an annotation says what the object is, so that it is not known which construction made it."""
    return client.site is not None and not isinstance(client.site.node, ast.Call)


def _is_parameter(node: ast.AST, scope: Scope) -> bool:
    """Whether what is closed is a parameter of the function, or something reached through one other than ``self``."""
    base = base_of(node.func if isinstance(node, ast.Call) else node)
    return isinstance(base, ast.Name) and base.id != "self" and base.id in (p.arg for p in scope.params)


def _of_one_request(site: Site, home: Scope, scope: Scope) -> bool:
    """Whether a handler object makes its client for each request, and another method of it closes that."""
    if home.cls is None or scope.cls is not home.cls:
        return False
    return any(c.where in PER_REQUEST and c.many and c.edge is None for c in site.module.contexts.at(home))


def _handed_to_many(module: "Module", client: Driver, scope: Scope) -> bool:
    """Whether several runs of a worker are given the same client."""
    for hand_over in (*module.facts(HandOver), *objects_of_workers(module)):
        held = hand_over.value.root("client")
        if held is None or not hand_over.shared:
            continue
        if held.key() == client.key() or (_declared(client) and held.kind == client.kind):
            if any(function.scope is scope for function in hand_over.work.functions):
                return True
    return False


def _request_bound(site: Site, target: ast.AST) -> bool:
    if not isinstance(target, ast.Attribute):
        return False
    return any(isinstance(v, External) and slot(v.path).partition(".")[0] in ("g", "request") for v in site.module.values(target.value))


def _made_for_the_call(module: "Module", node: ast.AST, scope: Scope) -> bool:
    """Whether the object that holds the client is made by the function itself, so that its client is the function's own."""
    base = base_of(node.func if isinstance(node, ast.Call) else node)
    if isinstance(base, ast.Call):
        return any(isinstance(v, (Class, Function, External)) for v in module.values(base.func))
    for value in module.values(base):
        if (
            isinstance(value, Instance)
            and value.site is not None
            and value.site.module is module
            and module.index.scope(value.site.node).function is scope
        ):
            return True
    return False


def _closed_by(module: "Module", edge: Edge) -> Driver | None:
    """The shared client that a called function closes: one whose job that is, or any of another module."""
    function = edge.target
    if edge.how != "call" or _made_for_the_call(module, edge.node, edge.caller):
        return None
    clients: list[tuple[Driver, ast.AST]] = []
    if function.scope.name in CLOSING_NAMES:
        for operation in operations_in(function.module, function.scope):
            if operation.name == "close" and operation.owner.family == "client" and operation.call is not None:
                clients.append((operation.owner, operation.call))
    elif function.module is not module and not function.scope.yields:
        clients.extend((c.driver, c.node) for c in ends(function) if c.family == "client" and c.module is function.module)
    for client, node in clients:
        if client.site is not None and module is client.site.module and module.index.scope(client.site.node).function is edge.caller:
            return None
        if is_shared(function.module, client, function.scope, node):
            return client
    return None


def _eager_helper(module: "Module", operation: Operation, scope: Scope, client: Driver) -> bool:
    """A plain function that uses a client made at import and closes it at its end: whoever comes next fails."""
    site = client.site
    if (
        scope.kind != "function"
        or scope.is_async
        or scope.name in CLOSING_NAMES
        or scope.name.lower() in _MAIN_NAMES
        or site is None
        or site.module is not module
    ):
        return False
    if (
        module.index.scope(site.node).function.kind != "module"
        or scope.decorators
        or scope.cls is not None
        or scope.name.startswith(("test", "close", "shutdown", "stop", "main", "teardown"))
    ):
        return False
    if module.contexts.hook(scope) or any(
        c.where in (spawners.EXIT, spawners.SIGNAL, spawners.FINALIZER, spawners.RUN, spawners.PROCESS) for c in module.contexts.at(scope)
    ):
        return False
    used = any(o is not operation and o.scope.function is scope and o.io and _same(o.owner, client) for o in module.facts(Operation))
    if used and module.contexts.first(scope, LOOP) is not None:
        return True  # the second iteration fails
    if not used or _called_from_top(module, scope):
        return False
    others = any(
        o.scope.function is not scope and o.scope.function.kind == "function" and o.io and _same(o.owner, client)
        for o in module.facts(Operation)
    )
    return others


def _same(owner: Driver, client: Driver) -> bool:
    root = owner.root("client")
    return root is not None and root.key() == client.key()


def _called_from_top(module: "Module", scope: Scope) -> bool:
    for caller, edges in module.calls.edges.items():
        if any(e.target.scope is scope for e in edges) and (caller.kind == "module" or caller.name.lower() in _MAIN_NAMES):
            return True
    return any(any(f.scope is scope for f in w.functions) for w in module.calls.works)


# ---------------------------------------------------------------------- closed before the workers are done


class ClosedEarly:
    """A client or session that is closed while work that uses it may still be under way.

    ``order`` holds the ``with`` statement and the indexes of its two items when exchanging them is the cure.
    """

    __slots__ = ("family", "nested", "node", "order", "span", "steps", "text", "work")

    def __init__(
        self,
        module: "Module",
        node: ast.AST,
        work: Work,
        family: str,
        text: str,
        closer: ast.AST,
        order: tuple[ast.AST, int, int] | None,
        nested: ast.AST | None,
    ) -> None:
        self.node = node
        self.work = work
        self.family = family
        self.text = text
        self.order = order
        self.nested = nested
        """The outer ``with`` when the two stand nested, the inner being its whole body."""
        self.span: Span = module.source.name_span(node)
        self.steps: tuple[Step, ...] = (
            module.step(work.call, f"work that uses the {family} is started here"),
            module.step(closer, f"the {family} closes here"),
        )


def closed_early(module: "Module") -> list[ClosedEarly]:
    """Clients and sessions that close before the threads, executors or task groups that use them are done."""
    found: list[ClosedEarly] = []
    seen: set[tuple[int, object]] = set()
    for work, value in (*((h.work, h.value) for h in module.facts(HandOver)), *_thread_objects(module)):
        if work.where not in (spawners.THREAD, spawners.TASK, spawners.GREENLET) or _waited(module, work):
            continue
        for held in _held(value):
            result = _with_closer(module, work, held) or _stack_closer(module, work, held) or _call_closer(module, work, held)
            if result is not None:
                key = (id(result.node), held.family)
                if key not in seen:
                    seen.add(key)
                    found.append(result)
    return found


def _thread_objects(module: "Module") -> list[tuple[Work, Driver]]:
    """Objects of ``Thread`` subclasses, with what is given to them and used by their ``run``."""
    found: list[tuple[Work, Driver]] = []
    for call, scope, value in module.calls.constructions:
        if not isinstance(value, Class) or (not call.args and not call.keywords):
            continue
        row = next((spawners.WORKER_CLASSES[b] for b in module.inference.external_bases(value) if b in spawners.WORKER_CLASSES), None)
        if row is None or row[1] != spawners.THREAD or not _started(module, call):
            continue
        runs = module.inference.method_of(Instance(value), row[0])
        used = {o.owner.flavour for o in operations_in(runs.module, runs.scope) if o.io} if runs is not None else set()
        launcher = spawners.LAUNCHERS["threading.Thread"]
        for expression in (*call.args, *(k.value for k in call.keywords)):
            for given in module.values(expression):
                if isinstance(given, Driver) and given.flavour in used:
                    work = Work(module, scope, call, "threading.Thread", launcher, row[1], call.func, (), [], None, False, None)
                    found.append((work, given))
    return found


def _started(module: "Module", call: ast.Call) -> bool:
    """Whether a thread object is started where it is made, or by a call on the variable that holds it."""
    parent = module.index.parents.get(call)
    if isinstance(parent, ast.Attribute):
        return parent.attr == "start"
    targets = stored_in(module, call)
    names = {last_name(t) for t in targets} - {""}
    function = module.index.scope(call).function
    for other in module.index.calls:
        func = other.func
        if isinstance(func, ast.Attribute) and func.attr == "start" and module.index.scope_of_node[other].function is function:
            if last_name(func.value) in names or not names:
                return True
    return False


def _held(value: Driver) -> list[Driver]:
    found: list[Driver] = []
    if value.family in ("document", "result"):
        return found  # documents outlive the client that read them
    for family in ("client", "session"):
        held = value.root(family)
        if held is not None and held.site is not None:
            found.append(held)
    return found


def _waited(module: "Module", work: Work) -> bool:
    """Whether the launch itself waits: a blocking pool call, an awaited gather, or results consumed on the spot.

    Who waits for a pool that is lent to what launches the work is not followed.
    """
    if waits_for_each(module, work) or work.lender is not None:
        return True
    parent = module.index.parents.get(work.call)
    if work.launcher.joined and (
        work.call in module.index.awaited
        or (work.where == spawners.THREAD and not work.path.startswith(("asyncio.", "anyio.", "trio.", "fastapi.")))
    ):
        return True
    if work.path.rpartition(".")[2] in ("map", "imap", "imap_unordered"):
        if (
            isinstance(parent, ast.Call)
            and work.call in parent.args
            and last_name(parent.func)
            in ("list", "tuple", "set", "sum", "sorted", "dict", "any", "all", "max", "min", "Counter", "extend", "update", "deque", "join")
        ):
            return True
        if isinstance(parent, (ast.For, ast.comprehension)):
            return True
    if _collected(module, work.call):
        return True
    if work.path == "asyncio.as_completed" and isinstance(parent, (ast.For, ast.AsyncFor, ast.comprehension)):
        return True
    if work.where == spawners.TASK or work.path.endswith("run_in_executor") or awaitable_launcher(work):
        node: ast.AST | None = parent
        while node is not None and not isinstance(node, (ast.stmt, ast.Lambda)):
            if isinstance(node, ast.Await):
                return True
            node = module.index.parents.get(node)
    return False


def _collected(module: "Module", launch: ast.AST) -> bool:
    """Whether the handles of launches are waited for where they are made: ``wait([pool.submit(…), …])``, ``[f.result() for f in [pool.submit(…), …]]``."""
    parents = module.index.parents
    node, parent = launch, parents.get(launch)
    while isinstance(parent, (ast.List, ast.Tuple, ast.Set, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.Starred)):
        node, parent = parent, parents.get(parent)
    if node is launch:
        return False
    if isinstance(parent, ast.Call) and node in parent.args:
        called = {v.path.rpartition(".")[2] for v in module.values(parent.func) if isinstance(v, External)}
        if "wait" in called:
            return True
        if "as_completed" not in called:
            return False
        node, parent = parent, parents.get(parent)
    if isinstance(parent, ast.comprehension) and node is parent.iter:
        parent = parents.get(parent)
    elif not (isinstance(parent, ast.For) and node is parent.iter):
        return False
    return parent is not None and any(
        isinstance(n, ast.Attribute) and n.attr in ("result", "exception", "join", "get") for n in walk(parent)
    )


def _with_closer(module: "Module", work: Work, held: Driver) -> ClosedEarly | None:
    index = module.index
    current: ast.AST | None = work.call
    inner: ast.AST | None = None
    while current is not None:
        up = index.parents.get(current)
        if isinstance(up, WITHS) and current in up.body:
            for position, item in enumerate(up.items):
                if any(c.driver.key() == held.key() for c in closed_by_item(module, item.context_expr)):
                    if index.scope(up).function is not work.scope.function:
                        return None
                    return _judge(module, work, held, up, position, inner)
            inner = up
        if isinstance(up, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.Module)):
            return None
        current = up
    return None


def _stack_closer(module: "Module", work: Work, held: Driver) -> ClosedEarly | None:
    """A client that an exit stack got after the executor: the stack closes it first."""
    func = work.call.func
    if not isinstance(func, ast.Attribute) or not isinstance(func.value, ast.Name) or wait_after(module, work) is not None:
        return None
    scope = work.scope.function
    pools = [b.value for b in scope.bindings.get(func.value.id, ()) if b.how == "assign" and isinstance(b.value, ast.Call)]
    if len(pools) != 1:
        return None
    pool = pools[0]
    if not isinstance(pool, ast.Call) or not isinstance(pool.func, ast.Attribute) or not pool.func.attr.startswith("enter"):
        return None
    stack = path_key(pool.func.value)
    if gives_away(module, pool.func.value):
        return None
    for call in module.index.calls:
        if module.index.scope_of_node[call].function is not scope or call.lineno < pool.lineno or call is pool:
            continue
        entry = stack_entry(module, call)
        if entry is not None and path_key(entry[0]) == stack and any(c.driver.key() == held.key() for c in entry[1]):
            text = f"closes before the {_pool_name(work)} that the stack got at line {pool.lineno} is done"
            return ClosedEarly(module, call, work, held.family, text, call, None, None)
    return None


def _pool_with(module: "Module", work: Work) -> tuple[ast.AST, int] | None:
    """The ``with`` item that opens the executor, pool or task group of some work."""
    func = work.call.func
    if not isinstance(func, ast.Attribute) or not isinstance(func.value, ast.Name):
        return None
    scope: Scope | None = module.index.scope(func.value)
    while scope is not None:
        for binding in scope.bindings.get(func.value.id, ()):
            if binding.how == "with" and binding.value is not None:
                item = module.index.parents.get(binding.value)
                owner = module.index.parents.get(item) if isinstance(item, ast.withitem) else None
                if isinstance(item, ast.withitem) and isinstance(owner, WITHS):
                    return owner, owner.items.index(item)
        if scope.bindings.get(func.value.id):
            return None
        scope = scope.parent
    return None


def _judge(
    module: "Module", work: Work, held: Driver, closer: ast.With | ast.AsyncWith, position: int, inner: ast.AST | None
) -> ClosedEarly | None:
    pool = _pool_with(module, work)
    wait = wait_after(module, work)
    line = closer.lineno
    if pool is not None:
        owner, index = pool
        if owner is closer:
            if index > position:
                return None
            if wait is not None and wait is not closer and module.index.within(wait, closer):
                return None
            order = (closer, index, position) if _independent(closer, index, position) else None
            text = f"closes before the {_pool_name(work)} of the same line is done"
            return ClosedEarly(module, closer.items[position].context_expr, work, held.family, text, closer, order, None)
        if module.index.within(owner, closer):
            return None
        if wait is not None and wait is not owner and module.index.within(wait, closer):
            return None
        text = f"closes before the {_pool_name(work)} opened at line {getattr(owner, 'lineno', 1)} is done"
        body: list[ast.stmt] = getattr(owner, "body", [])
        nested = owner if len(body) == 1 and body[0] is closer and isinstance(owner, WITHS) and _apart(owner, closer) else None
        return ClosedEarly(module, closer.items[position].context_expr, work, held.family, text, closer, None, nested)
    if wait is not None and module.index.within(wait, closer):
        return None
    if _may_wait(module, work, (closer.end_lineno or closer.lineno, closer.end_col_offset or 0)):
        return None
    del inner
    return ClosedEarly(
        module,
        work.call,
        work,
        held.family,
        f"closes at the end of the with block at line {line}, before this {_noun(work)} is done",
        closer,
        None,
        None,
    )


_WAITS = frozenset(
    ("wait", "wait_for", "join", "is_alive", "acquire", "get", "serve_forever", "run_forever", "run", "serve", "start_consuming", "sleep", "pause", "done", "cancel", "input", "signal", "idle", "run_until_disconnected")
)  # fmt: skip
"""Calls that can take as long as the work does, or that end it."""


def _may_wait(module: "Module", work: Work, end: tuple[int, int]) -> bool:
    """Whether the code between a launch and a place can wait for the work in a way that we do not follow.

    For work of a pool only a function that is given its handle; for a thread or task of its own also an event, a queue, a
    loop, a pause, a ``yield``, or an ``await`` of anything that is not a single driver call.
    """
    start = (work.call.end_lineno or work.call.lineno, work.call.end_col_offset or 0)
    scope = work.scope.function
    index = module.index
    names = handles(module, work)
    alone = "()." not in work.path  # else a method of an executor, a pool or a task group
    driver = {o.node for o in module.facts(Operation)}
    for call in index.calls:
        if not start <= (call.lineno, call.col_offset) < end or index.scope_of_node[call].function is not scope:
            continue
        name = last_name(call.func)
        if alone and name in _WAITS and call not in driver:
            return True
        given = (*call.args, *(k.value for k in call.keywords))
        if names and name not in ("append", "add", "print") and any(path_key(a) in names for a in given):
            return True
    if not alone:
        return False
    for loop, where in index.loops:
        if where.function is scope and isinstance(loop, ast.While) and start <= (loop.lineno, loop.col_offset) < end:
            return True
    for node in scope.yields:
        if start <= (node.lineno, node.col_offset) < end:
            return True
    if work.where == spawners.TASK:
        for awaited in index.awaited:
            at = (getattr(awaited, "lineno", 0), getattr(awaited, "col_offset", 0))
            if start <= at < end and awaited not in driver and index.scope(awaited).function is scope:
                return True
    return False


def _noun(work: Work) -> str:
    return {"thread": "thread", "task": "task", "greenlet": "greenlet"}.get(work.where, "work")


def _pool_name(work: Work) -> str:
    return {"task": "task group"}.get(work.where, "executor")


def _independent(statement: ast.With | ast.AsyncWith, first: int, second: int) -> bool:
    """Whether two ``with`` items, and those between, can change places: none reads what another binds."""
    items = statement.items[first : second + 1]
    bound = {n.id for item in items if item.optional_vars is not None for n in walk(item.optional_vars) if isinstance(n, ast.Name)}
    read = {n.id for item in items for n in walk(item.context_expr) if isinstance(n, ast.Name)}
    return not bound & read and second == first + 1


def _apart(outer: ast.With | ast.AsyncWith, inner: ast.With | ast.AsyncWith) -> bool:
    """Whether the inner ``with`` reads nothing that the outer one binds."""
    bound = {n.id for item in outer.items if item.optional_vars is not None for n in walk(item.optional_vars) if isinstance(n, ast.Name)}
    return not any(isinstance(n, ast.Name) and n.id in bound for item in inner.items for n in walk(item.context_expr))


def _call_closer(module: "Module", work: Work, held: Driver) -> ClosedEarly | None:
    """An explicit ``close()`` in the launching function, after the launch and before anything waits."""
    start = (work.call.end_lineno or work.call.lineno, work.call.end_col_offset or 0)
    wait = wait_after(module, work)
    end = (getattr(wait, "lineno", 1 << 30), getattr(wait, "col_offset", 0)) if wait is not None else (1 << 30, 0)
    if isinstance(wait, WITHS):
        # the end of the pool's block waits; a close behind it is right
        end = (wait.end_lineno or 0, wait.end_col_offset or 0)
    for operation in module.facts(Operation):
        if operation.name not in ("close", "end_session") or operation.call is None or operation.scope.function is not work.scope.function:
            continue
        at = (operation.call.lineno, operation.call.col_offset)
        if not start <= at < end or operation.owner.key() != held.key() or exclusive(module, work.call, operation.call):
            continue
        if _may_wait(module, work, at):
            return None
        if wait is None and not _visible(module, work):
            return None
        closer = operation.call
        noun = {"thread": "threads", "task": "tasks", "greenlet": "greenlets"}.get(work.where, "work")
        return ClosedEarly(
            module,
            closer,
            work,
            held.family,
            f"closes here while the {noun} started at line {work.call.lineno} may still use it",
            closer,
            None,
            None,
        )
    return None


def _visible(module: "Module", work: Work) -> bool:
    """Whether the launch is one whose waiting we would see: not a pool that was handed in and may be drained elsewhere."""
    func = work.call.func
    if not isinstance(func, ast.Attribute):
        return True
    values = module.values(func.value)
    return all(isinstance(v, External) for v in values)


# ---------------------------------------------------------------------- rebuilt after an error


class Rebuilt:
    """A client built in a handler for an error the driver recovers from by itself."""

    __slots__ = ("error", "name", "node", "span", "steps")

    def __init__(self, module: "Module", node: ast.AST, name: str, error: str, steps: tuple[Step, ...]) -> None:
        self.node = node
        self.name = name
        self.error = error
        self.steps = steps
        self.span: Span = module.source.name_span(node)


def rebuilt_clients(module: "Module") -> list[Rebuilt]:
    """Clients built in exception handlers, directly or through a function that the handler calls."""
    found: list[Rebuilt] = []
    seen: set[ast.AST] = set()
    for build in module.builds:
        handler = in_handler_of(module, build.call)
        error = _recovered(module, handler, build.call) if handler is not None else ""
        if handler is not None and error and _same_server(module, build) and _around_operations(module, handler):
            seen.add(build.call)
            found.append(
                Rebuilt(
                    module,
                    build.call,
                    build.name,
                    error,
                    (module.step(handler, f"handler for {error}"), module.step(build.call, "a new client is built")),
                )
            )
    for edges in module.calls.edges.values():
        for edge in edges:
            handler = in_handler_of(module, edge.node)
            error = _recovered(module, handler, edge.node) if handler is not None else ""
            if handler is None or not error or not _around_operations(module, handler) or edge.how != "call":
                continue
            found.extend(_through(module, edge, handler, error, seen))
    return found


MAX_REBUILD_DEPTH = 2


def _through(module: "Module", edge: Edge, handler: ast.ExceptHandler, error: str, seen: set[ast.AST]) -> list[Rebuilt]:
    """What the functions that a handler calls build: reported where it is built in this file, else at the handler's call."""
    found: list[Rebuilt] = []
    handled = module.step(handler, f"handler for {error}")
    pending: list[tuple[Function, tuple[Step, ...]]] = [
        (edge.target, (handled, module.step(edge.node, f"calls '{edge.target.scope.name}'")))
    ]
    visited: set[Scope] = set()
    depths = {edge.target.scope: 0}
    given = edge.node.args if isinstance(edge.node, ast.Call) else []
    while pending and len(visited) < 24:
        function, steps = pending.pop(0)
        home, scope = function.module, function.scope
        if scope in visited or home.inference.is_cached(home, scope):
            continue
        visited.add(scope)
        for build in builds_in(home, scope):
            if is_kept(home, build):
                continue
            # arguments of the handler's own call may name another server
            if home is not module and given:
                continue
            if home is module and not _same_server(module, build):
                continue
            node = build.call if home is module else edge.node
            if node not in seen:
                seen.add(node)
                found.append(Rebuilt(module, node, build.name, error, (*steps, home.step(build.call, "a new client is built"))))
        if depths[scope] < MAX_REBUILD_DEPTH:
            for inner in home.calls.inside(scope):
                if inner.how == "call" and inner.target.scope not in depths and not call_kept(home, inner):
                    depths[inner.target.scope] = depths[scope] + 1
                    step = home.step(inner.node, f"'{scope.name}' calls '{inner.target.scope.name}'")
                    pending.append((inner.target, (*steps, step)))
    return found


def _recovered(module: "Module", handler: ast.ExceptHandler, node: ast.AST) -> str:
    """The driver's own error that is handled at a node of a handler, after which the driver goes on by itself."""
    types = _named(module, handler.type) if handler.type is not None else []
    if types and all(_is_recovered(path) for path in types):
        return types[0].rpartition(".")[2]
    if handler.name and (not types or all(path.rpartition(".")[2] in ("Exception", "BaseException", "PyMongoError") for path in types)):
        # ``except Exception as error: if isinstance(error, AutoReconnect): …``
        child = node
        for up in module.index.ancestors(node):
            if up is handler:
                break
            if isinstance(up, ast.If) and child in up.body:
                asked = _isinstance(module, up.test, handler.name)
                if asked and all(_is_recovered(path) for path in asked):
                    return asked[0].rpartition(".")[2]
            child = up
    return ""


def _is_recovered(path: str) -> bool:
    return path.startswith("pymongo.errors.") and path.rpartition(".")[2] in _RECOVERED


def _named(module: "Module", expression: ast.expr) -> list[str]:
    """The paths of the exception classes that an expression names: a class, a tuple, a variable that holds one.

    A class that we cannot name gives an empty path.
    """
    named: list[Value] = []
    for each in expression.elts if isinstance(expression, ast.Tuple) else [expression]:
        named.extend(module.values(each) or (UNKNOWN,))
    return [value.path if isinstance(value, External) else "" for value in module.inference.unrolled(named, 24)]


def _isinstance(module: "Module", test: ast.expr, name: str) -> list[str]:
    """The classes that ``isinstance(name, …)`` asks for."""
    if isinstance(test, ast.Call) and last_name(test.func) == "isinstance" and len(test.args) == 2:
        if isinstance(test.args[0], ast.Name) and test.args[0].id == name:
            return _named(module, test.args[1])
    return []


def _around_operations(module: "Module", handler: ast.ExceptHandler) -> bool:
    """Whether the ``try`` guards operations on a client, and does not itself build one (a start-up fallback)."""
    attempt = try_of(module, handler)
    if attempt is None:
        return False
    body: list[ast.stmt] = attempt.body  # type: ignore[attr-defined]
    inside = {n for statement in body for n in walk(statement)}
    return not any(build.call in inside for build in module.builds)


def _same_server(module: "Module", build: Build) -> bool:
    """Whether the new client is for the same server: not when its address differs from that of every other client here, or
    from one turn of a loop to the next."""
    address = _address(build)
    loop = enclosing_loop(module, build.call)
    if address is not None and loop is not None and varies_in_loop(module, build.scope, [address], loop):
        return False
    others = [_address(b) for b in module.builds if b.call is not build.call]
    return (
        not others
        or any(_equal(other, address) or _attribute(other, address) for other in others)
        or all(isinstance(other, (ast.Call, ast.Subscript)) and type(other) is not type(address) for other in others)
    )


def _address(build: Build) -> ast.expr | None:
    """What names the server of a client that is built: an argument of the call, or of the ``partial`` that is called."""
    given = argument(build.call, 0, "host")
    if given is None:
        partials = (v for v in build.module.values(build.call.func) if isinstance(v, Partial))
        given = next((argument(p.call, 0, "host") for p in partials), None)
    return given


def _equal(first: ast.expr | None, second: ast.expr | None) -> bool:
    return first is second or (first is not None and second is not None and ast.dump(first) == ast.dump(second))


def _attribute(first: ast.expr | None, second: ast.expr | None) -> bool:
    """``MongoClient(uri)`` in the constructor and ``MongoClient(self.uri)`` later name the same address."""
    names = {last_name(each).lstrip("_") for each in (first, second) if each is not None}
    return first is not None and second is not None and len(names) == 1 and "" not in names


# ---------------------------------------------------------------------- lazily built without a lock


class RacyBuild:
    """A shared client built behind an unlocked check in code that runs on several threads."""

    __slots__ = ("build", "span", "steps", "text")

    def __init__(self, module: "Module", build: Build, node: ast.AST, text: str, steps: tuple[Step, ...]) -> None:
        self.build = build
        self.text = text
        """What runs on several threads, for a message."""
        self.span: Span = module.source.name_span(node)
        self.steps: tuple[Step, ...] = (*steps, build.module.step(build.call, "checked and built without a lock"))


def racy_builds(module: "Module") -> list[RacyBuild]:
    """Lazily built, guarded, unlocked clients that several threads can build at once."""
    found: list[RacyBuild] = []
    for build in module.builds:
        scope = build.scope.function
        if module.inference.is_cached(module, scope) or not _unguarded(module, build):
            continue
        context = _racing(module, scope)
        if context is not None:
            found.append(RacyBuild(module, build, build.call, context.text, context.steps))
    found.extend(_racy_elsewhere(module))
    for work in module.calls.works:
        if work.where not in THREADS or not work.many:
            continue
        for function in work.functions:
            lazy = _lazy_build(function, 0, frozenset()) if function.module is not module else None
            if lazy is not None:
                text = f"every thread started at line {work.call.lineno}"
                found.append(RacyBuild(module, lazy, work.call, text, (module.step(work.call, f"'{function.scope.name}' runs on {text}"),)))
    return found


def _unguarded(module: "Module", build: Build) -> bool:
    """Whether a client is kept where several threads look for it, and no lock is held while it is built."""
    return (
        build.flavour == "sync"
        and is_kept(module, build)
        and request_store(module, build.call) is None
        and thread_local_store(module, build.call) is None
        and not under_lock(module, build.call)
        and not _acquired(module, build.call)
    )


def _racing(module: "Module", scope: Scope) -> Context | None:
    """The context in which several threads run a function at once, none of them under a lock."""
    for context in module.contexts.at(scope):
        on_threads = context.where in THREADS or (
            context.where in PER_REQUEST
            and _threaded(context)
            and (context.handler is None or context.handler.sync_runs == "threads")
            and not _in_coroutine(scope, context)
        )
        locked = any(under_lock(module, edge.node) for edge in context.chain if edge.caller.index is module.index)
        if context.many and on_threads and not locked:
            return context
    return None


def _racy_elsewhere(module: "Module") -> list[RacyBuild]:
    """Racy builds of other modules that functions of this one lead to on several threads, each at the first call."""
    found: dict[ast.AST, RacyBuild] = {}
    leaving = [edge for edges in module.calls.edges.values() for edge in edges if edge.target.module is not module]
    for edge in sorted(leaving, key=lambda e: (getattr(e.node, "lineno", 0), getattr(e.node, "col_offset", 0))):
        lazy = _lazy_build(edge.target, 0, frozenset())
        if lazy is None or lazy.call in found or under_lock(module, edge.node):
            continue
        context = _racing(module, edge.caller.function)
        if context is not None:
            step = module.step(edge.node, f"calls '{edge.target.scope.name}'")
            found[lazy.call] = RacyBuild(module, lazy, edge.node, context.text, (*context.steps, step))
    return list(found.values())


def _acquired(module: "Module", node: ast.AST) -> bool:
    """Whether ``lock.acquire()`` stands before a node in its function."""
    function = module.index.scope(node).function
    line = getattr(node, "lineno", 0)
    for call in module.index.calls:
        func = call.func
        if isinstance(func, ast.Attribute) and func.attr == "acquire" and call.lineno <= line:
            if module.index.scope_of_node[call].function is function and is_lock(module, func.value):
                return True
    return False


def _lazy_build(function: Function, depth: int, active: frozenset[int]) -> Build | None:
    """The first guarded, unlocked construction that a function of another module leads to."""
    module, scope = function.module, function.scope
    if depth > 5 or id(scope) in active or module.inference.is_cached(module, scope):
        return None
    for build in builds_in(module, scope):
        if _unguarded(module, build):
            return build
    for edge in module.calls.inside(scope):
        if not under_lock(module, edge.node):
            inner = _lazy_build(edge.target, depth + 1, active | {id(scope)})
            if inner is not None:
                return inner
    return None


def _threaded(context: Context) -> bool:
    """Whether a handler runs on several threads of one process: not in a function service or a prefork worker."""
    return context.handler is None or context.handler.label not in (
        "Lambda handler",
        "Lambda function",
        "Celery task",
        "cloud function",
        "Azure function",
        "Streamlit script",
        "pipeline method",
        "spider callback",
    )


def _in_coroutine(scope: Scope, context: Context) -> bool:
    """Whether the function runs on the event loop alone: a loop without await between check and build cannot race."""
    return scope.is_async or context.root.is_async or any(edge.caller.is_async for edge in context.chain)


PRODUCERS[SharedClientClosed] = shared_clients_closed
PRODUCERS[ClosedEarly] = closed_early
PRODUCERS[Rebuilt] = rebuilt_clients
PRODUCERS[RacyBuild] = racy_builds
