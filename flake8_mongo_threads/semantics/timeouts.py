"""``pymongo.timeout()`` blocks and the work that is handed to other threads inside them."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import spawners
from flake8_mongo_threads.findings import Step
from flake8_mongo_threads.semantics.awaiting import enclosing_with
from flake8_mongo_threads.semantics.facts import PRODUCERS, is_blocking, operations_in
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.sharing import exclusive, worker_objects
from flake8_mongo_threads.semantics.spawns import Work, flatten
from flake8_mongo_threads.semantics.syntax import last_name
from flake8_mongo_threads.semantics.values import External, Function, Method

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

MAX_DEPTH = 6

_TIMEOUTS = frozenset(("pymongo.timeout", "pymongo._csot.timeout"))
_STACKS = frozenset(("ExitStack", "AsyncExitStack"))
_ENTER = frozenset(("enter_context",))
COPIES_CONTEXT = frozenset(
    (
        "asyncio.to_thread", "anyio.to_thread.run_sync", "anyio.run_sync_in_worker_thread", "trio.to_thread.run_sync",
        "fastapi.concurrency.run_in_threadpool",
        "asgiref.sync.sync_to_async", "fastapi.BackgroundTasks().add_task", "fastapi.BackgroundTask",
    )
)  # fmt: skip
"""Launchers that run the callable in a copy of the caller's context: the timeout reaches it (or it runs after the block on purpose)."""


class LostTimeout:
    """Driver work on another thread, handed over inside a timeout block.

    ``node`` is the launching call, or the call of the helper that launches, inside the block.
    """

    __slots__ = ("block", "name", "node", "span", "steps", "work")

    def __init__(self, module: "Module", node: ast.expr, block: ast.AST, work: Work, name: str, steps: tuple[Step, ...]) -> None:
        self.node = node
        self.block = block
        self.work = work
        self.name = name
        """The driver operation that runs without the timeout."""
        self.span = module.source.name_span(node)
        self.steps = (module.step(block, "the timeout applies to this thread only"), *steps)


def lost_timeouts(module: "Module") -> list[LostTimeout]:
    """Every hand-over to a thread inside a timeout block whose work talks to the server without a timeout of its own."""
    if "timeout" not in module.source.text:
        return []
    found: dict[ast.AST, LostTimeout] = {}
    for work in worker_objects(module):
        block = timeout_around(module, work.call)
        if block is not None:
            _note(module, work, work.call, block, (), found)
    for scope in [module.index.module_scope, *module.index.functions, *module.index.lambdas]:
        calls = module.calls.of(scope)
        for work in calls.works:
            block = timeout_around(module, work.call)
            if block is not None:
                _note(module, work, work.call, block, (), found)
        for edge in calls.edges:
            block = timeout_around(module, edge.node)
            if block is None or not isinstance(edge.node, ast.expr) or edge.node in found:
                continue
            step = module.step(edge.node, f"calls '{edge.target.scope.name}'")
            for work, steps in _launched(edge.target, 0, set()):
                _note(module, work, edge.node, block, (step, *steps), found)
                if edge.node in found:
                    break
    return sorted(found.values(), key=lambda f: f.span)


def _note(module: "Module", work: Work, node: ast.expr, block: ast.AST, steps: tuple[Step, ...], found: dict[ast.AST, LostTimeout]) -> None:
    if node in found or work.where != spawners.THREAD or work.path in COPIES_CONTEXT:
        return
    unbounded = _unbounded(work)
    if unbounded is not None:
        launch = work.module.step(work.call, "handed to another thread here")
        found[node] = LostTimeout(module, node, block, work, unbounded[0], (*steps, launch, *unbounded[1]))


def _launched(function: Function, depth: int, seen: set[Scope]) -> list[tuple[Work, tuple[Step, ...]]]:
    """The work that a function launches itself or through what it calls, outside of timeout blocks of its own."""
    module, scope = function.module, function.scope
    if depth > MAX_DEPTH or scope in seen or scope.is_async:
        return []
    seen.add(scope)
    works = [*module.calls.launched_in(scope), *(work for work in worker_objects(module) if work.scope.function is scope)]
    found = [(work, ()) for work in works if timeout_around(module, work.call) is None]
    result: list[tuple[Work, tuple[Step, ...]]] = list(found)
    for edge in module.calls.inside(scope):
        if timeout_around(module, edge.node) is None:
            step = module.step(edge.node, f"calls '{edge.target.scope.name}'")
            result.extend((work, (step, *steps)) for work, steps in _launched(edge.target, depth + 1, seen))
    return result


def _unbounded(work: Work) -> tuple[str, tuple[Step, ...]] | None:
    """A driver operation that launched work performs without a timeout of its own."""
    for value in flatten(work.targets):
        if isinstance(value, Method):
            if value.owner.flavour == "sync" and value.member.io:
                return (value.name, ())
        elif isinstance(value, Function):
            found = _operation(value, 0, set())
            if found is not None:
                return found
    return None


def _operation(function: Function, depth: int, seen: set[Scope]) -> tuple[str, tuple[Step, ...]] | None:
    module, scope = function.module, function.scope
    if depth > MAX_DEPTH or scope in seen or scope.is_async:
        return None
    seen.add(scope)
    for operation in operations_in(module, scope):
        if is_blocking(module, operation) and timeout_around(module, operation.node) is None:
            return (operation.name, (module.step(operation.node, f"'{operation.name}' runs without the timeout"),))
    for edge in module.calls.inside(scope):
        if timeout_around(module, edge.node) is None:
            found = _operation(edge.target, depth + 1, seen)
            if found is not None:
                return found
    return None


def timeout_around(module: "Module", node: ast.AST) -> ast.AST | None:
    """The ``with pymongo.timeout(...)`` of its own function around a node, or the one that an exit stack entered before; or None."""
    for block, entered in enclosing_with(module, node):
        for item in block.items[:entered]:
            if _is_timeout(module, item.context_expr) or _entered_by_stack(module, item, block, node):
                return block
    return None


def _entered_by_stack(module: "Module", item: ast.withitem, block: ast.With | ast.AsyncWith, node: ast.AST) -> bool:
    """Whether ``stack.enter_context(pymongo.timeout(...))`` stands in a ``with ExitStack() as stack`` before a node, perhaps behind an ``if``."""
    if not isinstance(item.optional_vars, ast.Name) or last_name(getattr(item.context_expr, "func", item)) not in _STACKS:
        return False
    index = module.index
    before = (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))
    return any(
        isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == item.optional_vars.id
        and (call.lineno, call.col_offset) < before
        and next((up for up in index.ancestors(index.parents[call]) if not isinstance(up, ast.If)), None) is block
        and not exclusive(module, call, node)
        and bool(call.args)
        and _is_timeout(module, call.args[0])
        for call in module.calls_to(_ENTER)
    )


def _is_timeout(module: "Module", expression: ast.expr) -> bool:
    if not isinstance(expression, ast.Call):
        return False
    for value in module.values(expression.func):
        if isinstance(value, External) and value.path in _TIMEOUTS:
            return True
        if isinstance(value, Function) and value.scope.yields and value.scope is not module.index.scope(expression).function:
            home = value.module
            return all(timeout_around(home, made) is not None for made in value.scope.yields)
    return False


PRODUCERS[LostTimeout] = lost_timeouts
