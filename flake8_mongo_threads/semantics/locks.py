"""Locks around driver calls: needless around a single thread-safe call, too small where several processes write."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import spawners
from flake8_mongo_threads.findings import Span, Step
from flake8_mongo_threads.semantics.facts import PRODUCERS, Operation
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.values import External, Site

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

_THREAD_LOCKS = frozenset(("threading.Lock()", "threading.RLock()"))
_SHAREABLE = frozenset(("client", "database", "collection", "gridfs", "gridfs-bucket"))


class NeedlessLock:
    """A ``with lock:`` around one driver call that is thread-safe by itself."""

    __slots__ = ("operation", "span", "steps")

    def __init__(self, module: "Module", node: ast.With, operation: Operation) -> None:
        self.operation = operation
        self.span: Span = module.source.span(node)
        self.steps: tuple[Step, ...] = (
            module.step(node, "the lock is taken here"),
            module.step(operation.node, f"only '{operation.name}' runs under it"),
        )


class LockAcrossProcesses:
    """A thread lock that guards driver writes of code that runs in several processes."""

    __slots__ = ("span", "steps", "text")

    def __init__(self, module: "Module", lock: Site, operation: Operation, text: str, steps: tuple[Step, ...]) -> None:
        self.text = text
        self.span: Span = module.source.name_span(lock.node) if isinstance(lock.node, ast.expr) else module.source.span(lock.node)
        self.steps: tuple[Step, ...] = (
            lock.step("the lock is made here"),
            *steps,
            module.step(operation.node, f"'{operation.name}' relies on it"),
        )


def _lock_site(module: "Module", expression: ast.expr) -> Site | None:
    for value in module.values(expression):
        if isinstance(value, External) and value.path in _THREAD_LOCKS:
            return value.site
    return None


def needless_locks(module: "Module") -> list[NeedlessLock]:
    """Thread locks taken for just one driver call."""
    found: list[NeedlessLock] = []
    for node, _ in module.index.withs:
        if not isinstance(node, ast.With) or len(node.items) != 1:
            continue
        site = _lock_site(module, node.items[0].context_expr)
        operation = _single(module, node) if site is not None else None
        if operation is not None:
            found.append(NeedlessLock(module, node, operation))
    return found


def _single(module: "Module", node: ast.With) -> Operation | None:
    """The one operation that is the whole body of a ``with``, or None."""
    if len(node.body) != 1 or not isinstance(node.body[0], (ast.Expr, ast.Assign, ast.AnnAssign, ast.Return)):
        return None
    statement = node.body[0]
    inside = [o for o in module.facts(Operation) if module.index.statement(o.node) is statement and not o.implicit]
    working = [o for o in inside if o.io]
    if len(working) != 1 or working[0].owner.family not in _SHAREABLE or working[0].session is not None:
        return None
    operation = working[0]
    value = statement.value
    if isinstance(value, ast.Await):
        value = value.value
    return operation if value is operation.node else None


def locks_across_processes(module: "Module") -> list[LockAcrossProcesses]:
    """Thread locks held around driver writes in code that processes or prefork workers run."""
    found: list[LockAcrossProcesses] = []
    seen: set[ast.AST] = set()
    for node, scope, expression in _held(module):
        site = _lock_site(module, expression)
        if site is None or site.module is not module or site.node in seen:
            continue
        context = next(
            (
                c
                for c in module.contexts.at(scope)
                if c.where == spawners.PROCESS or (c.handler is not None and c.handler.label == "Celery task")
            ),
            None,
        )
        if context is None:
            continue
        for operation in module.facts(Operation):
            if operation.write and _below(module, operation.node, node):
                seen.add(site.node)
                found.append(LockAcrossProcesses(module, site, operation, context.text, context.steps))
                break
    return found


def _held(module: "Module") -> list[tuple[ast.AST, Scope, ast.expr]]:
    """Where locks are held: ``with`` blocks, and functions that call ``acquire`` by hand."""
    found: list[tuple[ast.AST, Scope, ast.expr]] = []
    for node, scope in module.index.withs:
        found.extend((node, scope, item.context_expr) for item in node.items)
    for call in module.index.calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr == "acquire":
            scope = module.index.scope_of_node[call].function
            found.append((scope.node, scope, call.func.value))
    return found


def _below(module: "Module", node: ast.AST, root: ast.AST) -> bool:
    current: ast.AST | None = node
    while current is not None:
        if current is root:
            return True
        current = module.index.parents.get(current)
    return False


PRODUCERS[NeedlessLock] = needless_locks
PRODUCERS[LockAcrossProcesses] = locks_across_processes
