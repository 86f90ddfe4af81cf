"""An asynchronous ``close`` handed to something that calls it and never awaits it."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import spawners
from flake8_mongo_threads.findings import Step
from flake8_mongo_threads.semantics.awaiting import class_name, decorated, driver_awaitable, origin
from flake8_mongo_threads.semantics.facts import PRODUCERS, operations_in
from flake8_mongo_threads.semantics.offload import CLOSERS
from flake8_mongo_threads.semantics.spawns import flatten
from flake8_mongo_threads.semantics.syntax import argument, last_name
from flake8_mongo_threads.semantics.values import Driver, External, Function, Method, Value, known

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

_PLACES = frozenset((spawners.EXIT, spawners.CALLBACK))
"""Signal handlers and finalizers have rules of their own, which speak for an asynchronous close as well."""
_THREADS = frozenset(
    ("threading.Thread", "threading.Timer", "concurrent.futures.ThreadPoolExecutor().submit", "concurrent.futures.Executor().submit")
)
_REGISTRARS: dict[str, int] = {
    "callback": 0,
    "addCleanup": 0,
    "addClassCleanup": 0,
    "addModuleCleanup": 0,
    "addfinalizer": 0,
    "add_done_callback": 0,
}
"""Methods that keep a callable to call it later, with its position: those of ExitStack, TestCase and pytest's requests."""
_STACKS = frozenset(("contextlib.ExitStack()", "contextlib.AsyncExitStack()"))
_CLOSING = "contextlib.closing"


class UnawaitedClose:
    """An asynchronous ``close`` that is handed over by the call ``node``; ``closing`` tells whether that is ``contextlib.closing``."""

    __slots__ = ("closing", "name", "node", "owner", "span", "steps", "to")

    def __init__(self, module: "Module", node: ast.Call, owner: Driver, name: str, to: str, *, closing: bool = False) -> None:
        self.node = node
        self.owner = owner
        self.name = name
        self.to = to
        """What calls it, for a message."""
        self.closing = closing
        self.span = module.source.name_span(node)
        made: tuple[Step, ...] = origin(owner)
        self.steps = (*made, module.step(node, f"'{name}' of {class_name(owner.kind)} is a coroutine; {to} calls it and never awaits it"))


def unawaited_closes(module: "Module") -> list[UnawaitedClose]:
    """Every asynchronous ``close`` of this file that is handed to something that only calls it."""
    found: dict[ast.AST, UnawaitedClose] = {}
    for work in module.calls.works:
        if work.where not in _PLACES and work.path not in _THREADS:
            continue
        closed = _closes_all(flatten(work.targets))
        if closed is not None:
            label = {"threading.Thread": "thread", "threading.Timer": "timer thread"}.get(work.path, work.launcher.label)
            to = f"the {label}" if label else f"'{work.path.rpartition('.')[2]}'"
            found[work.call] = UnawaitedClose(module, work.call, closed[0], closed[1], to)
    closing = {"closing", *(what.alias.asname for what, _ in module.index.imports if what.name == "closing" and what.alias.asname)}
    for call in module.index.calls:
        name = last_name(call.func)
        if call in found:
            continue
        if name in closing:
            owner = _closed_object(module, call) if _is_closing(module, call) else None
            if owner is not None:
                found[call] = UnawaitedClose(module, call, owner, "close", "contextlib.closing", closing=True)
        elif name in _REGISTRARS and isinstance(call.func, ast.Attribute):
            target = argument(call, _REGISTRARS[name])
            if target is None:
                continue
            closed = _closes_all(flatten(module.values(target)))
            if closed is not None and _calls_plainly(module, call.func, name):
                found[call] = UnawaitedClose(module, call, closed[0], closed[1], f"'{name}'")
    return sorted(found.values(), key=lambda c: c.span)


def _calls_plainly(module: "Module", func: ast.Attribute, name: str) -> bool:
    """Whether a registrar is known to call what it keeps without awaiting it."""
    if name in ("addCleanup", "addClassCleanup", "addModuleCleanup", "addfinalizer", "add_done_callback"):
        return True
    if name == "callback":
        receivers = known(module.values(func.value))
        return bool(receivers) and all(isinstance(v, External) and v.path in _STACKS for v in receivers)
    return False


def _is_closing(module: "Module", call: ast.Call) -> bool:
    callees = module.values(call.func)
    return bool(callees) and all(isinstance(v, External) and v.path == _CLOSING for v in callees)


def _closed_object(module: "Module", call: ast.Call) -> Driver | None:
    thing = argument(call, 0, "thing")
    kind = module.inference.kind(module, thing) if thing is not None else None
    if kind is None or kind.flavour == "sync":
        return None
    for value in module.inference.member(kind, "close", None, module):
        if isinstance(value, Method) and value.member.coroutine:
            return kind
    return None


def _closes_all(values: list[Value]) -> tuple[Driver, str] | None:
    """The object that a callable closes without awaiting, when it does so in every alternative."""
    found: tuple[Driver, str] | None = None
    for value in values:
        closed = _closes(value)
        if closed is None:
            return None
        found = found or closed
    return found


def _closes(value: Value) -> tuple[Driver, str] | None:
    if isinstance(value, Method):
        return (value.owner, value.name) if value.name in CLOSERS and value.member.coroutine and value.owner.flavour != "sync" else None
    if not isinstance(value, Function) or decorated(value):
        return None
    scope, home = value.scope, value.module
    if scope.is_async:
        for operation in operations_in(home, scope):
            if operation.name in CLOSERS and operation.coroutine and operation.owner.flavour != "sync":
                return (operation.owner, operation.name)
        return None
    if scope.kind == "lambda":
        awaitable = driver_awaitable(home.inference.returned(value))
        method = awaitable.origin if awaitable is not None else None
        if isinstance(method, Method) and method.name in CLOSERS:
            return (method.owner, method.name)
    return None


PRODUCERS[UnawaitedClose] = unawaited_closes
