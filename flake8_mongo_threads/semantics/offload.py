"""Work handed to a thread that the thread does not do: lazy methods, and methods and functions that only make a coroutine."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import spawners
from flake8_mongo_threads.findings import Step
from flake8_mongo_threads.semantics.awaiting import Use, class_name, decorated, driver_awaitable, origin, uses
from flake8_mongo_threads.semantics.facts import PRODUCERS, Operation, blocks, is_blocking, operations_in
from flake8_mongo_threads.semantics.inference import CURSORS
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.spawns import Work, flatten
from flake8_mongo_threads.semantics.values import Driver, External, Function, Method, Value

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

LAZY = "lazy"
BATCH = "batch"
ASYNC = "async"

OFFLOADERS = frozenset(
    (
        "asyncio.to_thread",
        "anyio.to_thread.run_sync",
        "anyio.run_sync_in_worker_thread",
        "trio.to_thread.run_sync",
        "fastapi.concurrency.run_in_threadpool",
        "asgiref.sync.sync_to_async",
        "asyncio.AbstractEventLoop().run_in_executor",
        "tornado.ioloop.IOLoop.current().run_in_executor",
        "tornado.ioloop.IOLoop.instance().run_in_executor",
        "concurrent.futures.ThreadPoolExecutor().submit",
        "concurrent.futures.Executor().submit",
    )
)
"""Launchers that give the result of a callable back to the coroutine that hands it over."""
_RUNNERS = frozenset(
    (
        *OFFLOADERS,
        "threading.Thread",
        "threading.Timer",
        "concurrent.futures.ThreadPoolExecutor().map",
        "concurrent.futures.Executor().map",
        *(
            f"multiprocessing.pool.ThreadPool().{name}"
            for name in ("apply", "apply_async", "map", "map_async", "imap", "imap_unordered", "starmap", "starmap_async")
        ),
    )
)
"""Launchers that call a plain callable on a thread and never await what it gives."""
CLOSERS = frozenset(("close", "aclose", "end_session"))


class Offload:
    """A launcher call whose thread does nothing, or only the first part of the work.

    ``how`` is lazy (a cursor is only built), batch (only the first batch is fetched) or async (only a coroutine is made).
    """

    __slots__ = ("flows", "how", "iterated", "name", "node", "owner", "result", "scope", "span", "steps", "value", "work")

    def __init__(
        self,
        module: "Module",
        work: Work,
        value: Value,
        how: str,
        name: str,
        owner: Driver | None,
        flows: list[Use],
        result: ast.AST | None,
    ) -> None:
        self.work = work
        self.node: ast.Call = work.call
        self.scope: Scope = work.scope
        self.value = value
        """The method or function that is handed over."""
        self.how = how
        self.name = name
        self.owner = owner
        self.flows = flows
        """What is done with the result, once awaited."""
        self.result = result
        """The expression that is the result: the ``await``."""
        self.iterated = [use for use in flows if use.how == "iteration"]
        self.span = module.source.name_span(work.call)
        steps: list[Step] = list(origin(owner)) if owner is not None else []
        made = {LAZY: "only builds a cursor", BATCH: "fetches only the first batch", ASYNC: "only makes a coroutine"}[how]
        steps.append(module.step(work.target, f"'{name}' {made} on the thread"))
        if self.iterated:
            steps.append(module.step(self.iterated[0].node, "the cursor is iterated here, on the event loop"))
        self.steps = tuple(steps)


def offloads(module: "Module") -> list[Offload]:
    """Every hand-over to a thread that does not move the work there."""
    found: list[Offload] = []
    drained = _drained_sites(module)
    for work in module.calls.works:
        if work.path not in _RUNNERS or work.where != spawners.THREAD:
            continue
        made = [_makes(value) for value in flatten(work.targets)]
        if not made or any(m is None for m in made):
            continue
        how, name, owner, value = made[0]  # type: ignore[misc]
        if work.path in ("threading.Thread", "threading.Timer") and name in CLOSERS:
            continue
        if how == ASYNC:
            found.append(Offload(module, work, value, how, name, owner, [], _result(module, work)[0]))
            continue
        if work.path not in OFFLOADERS or not work.scope.function.is_async:
            continue
        result, flows = _result(module, work)
        if any(_back_to_thread(module, use) for use in flows):
            continue
        offload = Offload(module, work, value, how, name, owner, flows, result)
        if how == LAZY or offload.iterated or work.call in drained:
            found.append(offload)
    return found


def _makes(value: Value) -> tuple[str, str, Driver | None, Value] | None:
    """What a callable leaves undone: how, its name, the driver object it belongs to."""
    if isinstance(value, Method):
        member = value.member
        if member.coroutine:
            return (ASYNC, value.name, value.owner, value)
        if member.result in CURSORS:
            return (BATCH if member.io and value.owner.flavour == "sync" else LAZY, value.name, value.owner, value)
        return None
    if not isinstance(value, Function) or decorated(value):
        return None
    scope, home = value.scope, value.module
    name = scope.name if scope.kind == "function" else "lambda"
    if scope.yields:
        return None
    if scope.is_async:
        first = next((o for o in operations_in(home, scope)), None)
        return (ASYNC, name, first.owner, value) if first is not None else None
    values = home.inference.returned(value)
    awaitable = driver_awaitable(values)
    if awaitable is not None and isinstance(awaitable.origin, Method):
        return (ASYNC, awaitable.origin.name if scope.kind == "lambda" else name, awaitable.origin.owner, value)
    kind = home.inference.agreed(values)
    if kind is None or kind.family not in CURSORS or len(scope.returns) > 1:
        return None
    shown = _last_method(home, scope) or name
    return (BATCH if blocks(value) is not None else LAZY, shown if scope.kind == "lambda" else name, kind, value)


def _last_method(module: "Module", scope: Scope) -> str:
    for operation in operations_in(module, scope):
        if operation.method is not None and operation.method.member.result in CURSORS:
            return operation.name
    return ""


def _result(module: "Module", work: Work) -> tuple[ast.AST | None, list[Use]]:
    """The expression that awaits a hand-over, and what is done with what it gives."""
    index = module.index
    calls: list[ast.AST] = [work.call]
    if work.launcher.passing == spawners.NONE:  # what it gives is called in turn, at once or by a name
        calls = [use.at for use in uses(module, work.call) if use.how == "called"] or calls
    flows: list[Use] = []
    result: ast.AST | None = None
    for use in (use for call in calls for use in uses(module, call)):
        if use.how == "await":
            result = result or use.at
            flows.extend(uses(module, use.at))
        elif use.how == "attribute" and getattr(use.at, "attr", "") == "result":
            got = index.parents.get(use.at)
            if isinstance(got, ast.Call) and got.func is use.at:
                result = result or got
                flows.extend(uses(module, got))
    return result, flows


def _back_to_thread(module: "Module", use: Use) -> bool:
    """Whether the cursor goes into a thread again: as an argument of hand-over, or inside a function that is handed over."""
    if use.how == "captured":
        return True
    call: ast.AST | None = module.index.parents.get(use.at) if isinstance(use.at, ast.keyword) else use.at
    if use.how == "attribute":
        call = module.index.parents.get(use.at)
    if not isinstance(call, ast.Call):
        return False
    return any(work.call is call for work in module.calls.works) or any(
        isinstance(v, External) and v.path.startswith("asgiref.sync.sync_to_async(") for v in module.values(call.func)
    )


def _drained_sites(module: "Module") -> set[ast.AST]:
    """The expressions whose cursors some coroutine of this file iterates."""
    found: set[ast.AST] = set()
    for operation in module.facts(Operation):
        if operation.implicit and operation.scope.function.is_async and is_blocking(module, operation) and operation.owner.site is not None:
            found.add(operation.owner.site.node)
    return found


def spoken_for(module: "Module", operation: Operation) -> bool:
    """Whether the iteration of a cursor is the consequence of a hand-over that does nothing, which is what is reported."""
    site = operation.owner.site
    for offload in module.facts(Offload):
        if (site is not None and offload.node is site.node) or any(use.node is operation.node for use in offload.iterated):
            return True
    return False


def noun(offload: Offload) -> str:
    """The object whose method is handed over, for a message."""
    return class_name(offload.owner.kind) if offload.owner is not None else "the driver"


PRODUCERS[Offload] = offloads
