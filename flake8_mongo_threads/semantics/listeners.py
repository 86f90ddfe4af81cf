"""Event listeners of the driver: their classes, their methods, and where they are registered."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Span, Step
from flake8_mongo_threads.semantics.calls import Edge
from flake8_mongo_threads.semantics.facts import PRODUCERS, blocks, is_blocking, operations_in
from flake8_mongo_threads.semantics.lifecycle import effects, stored_in
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.sharing import exclusive, under_lock
from flake8_mongo_threads.semantics.syntax import WITHS, base_of, dotted, keyword, last_name, path_key, walk
from flake8_mongo_threads.semantics.values import Class, Driver, External, Function, Instance, ModuleRef

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

_COMMAND = frozenset(("started", "succeeded", "failed"))
_POOL = frozenset(
    (
        "pool_created", "pool_ready", "pool_cleared", "pool_closed", "connection_created", "connection_ready", "connection_closed",
        "connection_check_out_started",
        "connection_check_out_failed", "connection_checked_out", "connection_checked_in",
    )
)  # fmt: skip
_DESCRIBED = frozenset(("opened", "closed", "description_changed"))

_METHODS: dict[str, frozenset[str]] = {
    "CommandListener": _COMMAND,
    "ServerHeartbeatListener": _COMMAND,
    "ConnectionPoolListener": _POOL,
    "ServerListener": _DESCRIBED,
    "TopologyListener": _DESCRIBED,
    "CommandLogger": _COMMAND,
    "HeartbeatLogger": _COMMAND,
    "ConnectionPoolLogger": _POOL,
    "ServerLogger": _DESCRIBED,
    "TopologyLogger": _DESCRIBED,
}
LISTENERS: dict[str, frozenset[str]] = {
    f"{module}.{name}": methods for name, methods in _METHODS.items() for module in ("pymongo.monitoring", "pymongo.event_loggers")
}
"""Base class of the driver → the methods that it calls (``pymongo/monitoring.py``, ``pymongo/event_loggers.py``)."""

_BLOCKING = (
    "requests.",
    "urllib.request.urlopen",
    "urllib3.",
    "httpx.",
    "subprocess.",
    "smtplib.",
    "socket.create_connection",
    "os.system",
    "boto3.",
)
_BLOCKING_NAMES = frozenset(
    (
        "get",
        "post",
        "put",
        "patch",
        "delete",
        "head",
        "request",
        "send",
        "urlopen",
        "run",
        "call",
        "check_call",
        "check_output",
        "create_connection",
        "system",
        "sendmail",
        "SMTP",
        "SMTP_SSL",
        "publish",
        "invoke",
    )
)
_SLEEPS = frozenset(("time.sleep", "gevent.sleep", "eventlet.sleep"))


class ListenerMethod:
    """A method that the driver calls for an event: of a class that inherits from a listener of the driver."""

    __slots__ = ("cls", "node", "scope", "span", "steps")

    def __init__(self, module: "Module", cls: Scope, scope: Scope, base: str) -> None:
        self.cls = cls
        self.scope = scope
        self.node = scope.node
        self.span: Span = module.source.span(scope.node)
        line = getattr(scope.node, "lineno", 1)
        at = module.source.lines[line - 1].find(scope.name, module.source.char_col(line, getattr(scope.node, "col_offset", 0)))
        self.span = Span(line, max(at, 0), line, max(at, 0) + len(scope.name))
        self.steps: tuple[Step, ...] = (module.step(cls.node, f"'{cls.name}' is a {base.rpartition('.')[2]}"),)

    @property
    def shown(self) -> str:
        """Class and method, for a message."""
        return f"{self.cls.name}.{self.scope.name}"


def listener_methods(module: "Module") -> list[ListenerMethod]:
    """Every method of this file that the driver calls for an event."""
    found: list[ListenerMethod] = []
    for cls in module.index.classes:
        base = listener_base(module, cls)
        if not base:
            continue
        names: set[str] = set()
        for path in module.inference.external_bases(Class(module, cls)):
            names |= LISTENERS.get(path, frozenset())
        for scope in module.index.functions:
            if scope.cls is cls and scope.name in names:
                found.append(ListenerMethod(module, cls, scope, base))
    return found


def listener_base(module: "Module", cls: Scope) -> str:
    """The listener class of the driver that a class inherits from, or an empty text."""
    if not getattr(cls.node, "bases", ()):
        return ""
    return next((path for path in module.inference.external_bases(Class(module, cls)) if path in LISTENERS), "")


def stays_async(module: "Module", decorator: ast.expr) -> bool:
    """Whether a decorator of the program puts an ``async def`` around what it decorates."""
    made = [inner for value in module.values(decorator) if isinstance(value, Function) for inner in module.inference.returned(value)]
    return bool(made) and all(isinstance(inner, Function) and inner.scope.is_async for inner in made)


# ---------------------------------------------------------------------- slow and racy listeners


class SlowListener:
    """Something in a listener method that holds up the driver, or that races with other threads."""

    __slots__ = ("method", "node", "racy", "span", "steps", "text")

    def __init__(
        self,
        module: "Module",
        method: ListenerMethod,
        node: ast.AST,
        text: str,
        *,
        racy: bool,
        span: Span | None = None,
        steps: tuple[Step, ...] = (),
    ) -> None:
        self.method = method
        self.node = node
        self.text = text
        self.racy = racy
        self.span = span or (module.source.name_span(node))
        self.steps = (*method.steps, *(steps or (module.step(node, text),)))


def slow_listeners(module: "Module") -> list[SlowListener]:
    """Blocking calls and unlocked counters in the listener methods of this file and in the methods that they call."""
    found: dict[ast.AST, SlowListener] = {}
    for method in module.facts(ListenerMethod):
        if method.scope.is_async:
            continue
        _inside(module, method, method.scope, found)
        for edge in module.calls.inside(method.scope):
            if edge.target.scope.is_async or edge.node in found:
                continue
            _through(module, method, edge, found)
    return sorted(found.values(), key=lambda s: s.span)


def _inside(module: "Module", method: ListenerMethod, scope: Scope, found: dict[ast.AST, SlowListener]) -> None:
    for call in module.index.calls:
        if module.index.scope_of_node[call].function is scope:
            name = _waits(module, call)
            if name:
                found.setdefault(call, SlowListener(module, method, call, f"'{name}' blocks", racy=False))
    for operation in operations_in(module, scope):
        if is_blocking(module, operation) and operation.node not in found:
            found[operation.node] = SlowListener(
                module, method, operation.node, f"the driver operation '{operation.name}' blocks", racy=False, span=operation.span
            )
    for target, statement in _unlocked_updates(module, scope):
        found.setdefault(
            statement,
            SlowListener(
                module, method, statement, f"'{target}' is read and written without a lock", racy=True, span=module.source.span(statement)
            ),
        )


def _through(module: "Module", method: ListenerMethod, edge: Edge, found: dict[ast.AST, SlowListener]) -> None:
    target = edge.target
    inner = blocks(target)
    name = target.scope.name
    if inner is not None:
        where = inner[1].where(inner[0].node, module)
        steps = (module.step(edge.node, f"calls '{name}'"), *inner[3])
        found[edge.node] = SlowListener(
            module, method, edge.node, f"'{name}' blocks (driver operation '{inner[0].name}' at {where})", racy=False, steps=steps
        )
        return
    for call in target.module.index.calls:
        if target.module.index.scope_of_node[call].function is target.scope:
            waits = _waits(target.module, call)
            if waits:
                steps = (module.step(edge.node, f"calls '{name}'"), target.module.step(call, f"'{waits}' blocks"))
                where = target.module.where(call, module)
                found[edge.node] = SlowListener(
                    module, method, edge.node, f"'{name}' blocks ('{waits}' at {where})", racy=False, steps=steps
                )
                return
    if target.module is module and not under_lock(module, edge.node):
        for update, statement in _unlocked_updates(module, target.scope):
            found.setdefault(
                statement,
                SlowListener(
                    module,
                    method,
                    statement,
                    f"'{update}' is read and written without a lock",
                    racy=True,
                    span=module.source.span(statement),
                ),
            )


def _waits(module: "Module", call: ast.Call) -> str:
    """The name of a call of another library that waits, or an empty text."""
    name = last_name(call.func)
    if name != "sleep" and name not in _BLOCKING_NAMES:
        return ""
    for value in module.values(call.func):
        if (
            isinstance(value, External)
            and (value.path in _SLEEPS or value.path.startswith(_BLOCKING))
            and not value.path.startswith("httpx.AsyncClient")
        ):
            return dotted(call.func) or name
    return ""


def _unlocked_updates(module: "Module", scope: Scope) -> list[tuple[str, ast.stmt]]:
    """Statements of a function that read and write one shared place: ``self.n += 1``, ``self.n = self.n + 1``."""
    found: list[tuple[str, ast.stmt]] = []
    for node in walk(scope.node):
        target: ast.AST | None = None
        if isinstance(node, ast.AugAssign):
            target = node.target
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], (ast.Attribute, ast.Subscript)):
            key = _place(node.targets[0])
            if key and any(
                _place(inner) == key or _reads_item(inner, node.targets[0])
                for inner in walk(node.value)
                if isinstance(inner, (ast.Attribute, ast.Subscript, ast.Call))
            ):
                target = node.targets[0]
        if (
            target is None
            or not isinstance(node, ast.stmt)
            or not _shared(module, scope, target)
            or under_lock(module, node)
            or _acquired(module, scope, node)
        ):
            continue
        found.append((_place(target) or "the counter", node))
    return found


def _place(node: ast.AST) -> str:
    try:
        return path_key(node) or (ast.unparse(node) if isinstance(node, (ast.Attribute, ast.Subscript)) else "")
    except RecursionError:
        return ""


def _reads_item(inner: ast.AST, target: ast.AST) -> bool:
    """``totals.get(key, 0)`` reads what ``totals[key] = …`` writes."""
    return (
        isinstance(inner, ast.Call)
        and isinstance(target, ast.Subscript)
        and isinstance(inner.func, ast.Attribute)
        and inner.func.attr in ("get", "setdefault")
        and bool(path_key(target.value))
        and path_key(inner.func.value) == path_key(target.value)
    )


def _shared(module: "Module", scope: Scope, target: ast.AST) -> bool:
    """Whether a place outlives the call: an attribute of ``self``, of a class or module, or a global."""
    base = base_of(target)
    if not isinstance(base, ast.Name):
        return False
    if isinstance(target, (ast.Attribute, ast.Subscript)) and _of_one_thread(module, target.value):
        return False
    if base.id in scope.globals or base.id in scope.nonlocals:
        return True
    if isinstance(target, ast.Name):
        return False
    positional = scope.positional
    if scope.cls is not None and positional and base.id == positional[0].arg:
        return True
    if base.id in scope.bindings:
        return False
    values = module.values(base)
    if base.id not in module.index.module_scope.bindings:
        return bool(values) and all(isinstance(v, Class) for v in values)
    return not any(isinstance(v, ModuleRef) for v in values)


def _of_one_thread(module: "Module", holder: ast.expr) -> bool:
    """Whether what holds an attribute or item is, or lies in, a ``threading.local()``: each thread has its own."""
    current: ast.expr = holder
    while isinstance(current, (ast.Name, ast.Attribute, ast.Subscript)):
        for value in module.values(current):
            if isinstance(value, External) and value.path == "threading.local()":
                return True
            if isinstance(value, Instance) and "threading.local" in module.inference.external_bases(value.cls):
                return True
        if isinstance(current, ast.Name):
            break
        current = current.value
    return False


def _acquired(module: "Module", scope: Scope, node: ast.AST) -> bool:
    """Whether ``lock.acquire()`` stands before a statement in the same function."""
    return any(
        last_name(call.func) == "acquire" and call.lineno <= getattr(node, "lineno", 0)
        for call in module.index.calls
        if module.index.scope_of_node[call].function is scope
    )


# ---------------------------------------------------------------------- registered too late


class LateRegistration:
    """A global ``monitoring.register`` after the client that it should watch was made."""

    __slots__ = ("client", "client_node", "node", "span", "steps")

    def __init__(self, module: "Module", node: ast.Call, client: str, client_node: ast.AST, client_module: "Module") -> None:
        self.node = node
        self.client = client
        self.client_node = client_node
        self.span = module.source.name_span(node)
        self.steps = (
            client_module.step(client_node, f"{client} is made here, with the listeners registered so far"),
            module.step(node, "the listener is registered here"),
        )


def late_registrations(module: "Module") -> list[LateRegistration]:
    """Registrations that no client follows and that one precedes, in one scope or at import before a function runs."""
    found: list[LateRegistration] = []
    for call, where, value in module.calls.constructions:
        if not (isinstance(value, External) and value.path == "pymongo.monitoring.register"):
            continue
        scope = where.function
        made = _clients_made(module, scope)
        if any(_position(node) > _position(call) for _, node, _ in made):
            continue
        earlier = [(name, node, home) for name, node, home in made if _position(node) < _position(call) and _alive(module, node, call)]
        if not earlier and not made and scope.kind == "function":
            earlier = _made_at_import(module, scope)
        if not earlier and not made and scope.kind == "module":
            earlier = _imported(module, call)
        if earlier:
            name, node, home = earlier[-1]
            found.append(LateRegistration(module, call, name, node, home))
    return found


def _position(node: ast.AST) -> tuple[int, int]:
    return (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))


def _clients_made(module: "Module", scope: Scope) -> list[tuple[str, ast.AST, "Module"]]:
    """What makes clients in a function's own code: constructions, and calls that lead to one."""
    found: list[tuple[str, ast.AST, Module]] = [(b.name, b.call, module) for b in module.builds if b.scope.function is scope]
    for edge in module.calls.inside(scope):
        built = effects(edge.target)
        if built:
            found.append((built[0].build.name, edge.node, module))
    found.sort(key=lambda f: _position(f[1]))
    return found


def _alive(module: "Module", node: ast.AST, call: ast.Call) -> bool:
    """Whether a client made earlier is kept and still open where the listener is registered."""
    if isinstance(node, ast.Call) and keyword(node, "event_listeners") is not None:
        return False
    if exclusive(module, node, call):
        return False
    index = module.index
    item = index.parents.get(node)
    if isinstance(item, ast.withitem):
        block = index.parents.get(item)
        return isinstance(block, WITHS) and any(up is block for up in index.ancestors(call))
    targets = stored_in(module, node)
    if not targets:
        return False
    path = {(id(owner), field) for owner, field, _ in index.block_path(call, index.tree)}
    own = index.block_path(node, index.tree)
    if own and (id(own[0][0]), own[0][1]) not in path:
        return False
    keys = {path_key(t) for t in targets}
    scope = index.scope(call).function
    return not any(
        last_name(c.func) == "close"
        and isinstance(c.func, ast.Attribute)
        and path_key(c.func.value) in keys
        and _position(node) < _position(c) < _position(call)
        for c in index.calls
        if index.scope_of_node[c].function is scope
    )


def _made_at_import(module: "Module", scope: Scope) -> list[tuple[str, ast.AST, "Module"]]:
    """The clients that the module's top level, or a class there, makes before any function can run, when nothing else makes one."""
    index = module.index
    top = [b for b in module.builds if b.scope is index.module_scope or (b.scope.kind == "class" and b.scope.parent is index.module_scope)]
    if not top or len(top) != len(module.builds) or len(top) > 1:
        return []
    build = top[0]
    first = _position(build.call)
    if keyword(build.call, "event_listeners") is not None or not stored_in(module, build.call):
        return []
    for edge in module.calls.inside(module.index.module_scope):
        if _position(edge.node) < first and edge.target.module is module:
            return []
    del scope
    return [(build.name, build.call, module)]


def _imported(module: "Module", call: ast.Call) -> list[tuple[str, ast.AST, "Module"]]:
    """A client that an imported first-party module makes at its top level, when this file makes none."""
    if module.builds:
        return []
    for bindings in module.index.module_scope.bindings.values():
        for binding in bindings:
            if binding.how != "import" or binding.position > _position(call):
                continue
            for value in module.inference.imported(module, binding):
                client = value.root("client") if isinstance(value, Driver) else None
                if client is None or client.site is None or client.site.module is module:
                    continue
                home, node = client.site.module, client.site.node
                if (
                    node in home.index.parents
                    and home.index.scope(node).kind == "module"
                    and not (isinstance(node, ast.Call) and keyword(node, "event_listeners") is not None)
                ):
                    return [("the imported client", node, home)]
    return []


PRODUCERS[ListenerMethod] = listener_methods
PRODUCERS[SlowListener] = slow_listeners
PRODUCERS[LateRegistration] = late_registrations
