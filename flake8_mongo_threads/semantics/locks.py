"""Locks around driver calls: needless around a single thread-safe call, too small where several processes write."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import spawners
from flake8_mongo_threads.findings import Span, Step
from flake8_mongo_threads.semantics.facts import PRODUCERS, Operation
from flake8_mongo_threads.semantics.races import same_collection
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.syntax import CHAINS, base_of, last_name, path_key, walk
from flake8_mongo_threads.semantics.values import External, Function, Site

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

_THREAD_LOCKS = frozenset(("threading.Lock()", "threading.RLock()"))
_TASK_LOCKS = frozenset(("asyncio.Lock()", "anyio.Lock()"))
_SHAREABLE = frozenset(("client", "database", "collection", "gridfs", "gridfs-bucket"))
_READERS = frozenset(("list", "tuple", "next", "sorted", "to_list", "dict"))


class NeedlessLock:
    """A ``with lock:`` around one driver call that is safe by itself. ``flavour`` is that of the driver: sync, async or motor."""

    __slots__ = ("flavour", "operation", "span", "steps")

    def __init__(self, module: "Module", node: ast.With | ast.AsyncWith, operation: Operation) -> None:
        self.operation = operation
        self.flavour = operation.owner.flavour
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


def _lock_site(module: "Module", expression: ast.expr, kinds: frozenset[str] = _THREAD_LOCKS) -> Site | None:
    for value in module.values(expression):
        if isinstance(value, External) and value.path in kinds:
            return value.site
    return None


def needless_locks(module: "Module") -> list[NeedlessLock]:
    """Locks of threads or tasks that are taken for just one driver call.

    A lock that is also held around a read and a write keeps a single write out of the time between the two: it is needed.
    """
    single: list[tuple[Site, ast.With | ast.AsyncWith, Operation]] = []
    compound: dict[ast.AST, list[Operation]] = {}
    guarded: dict[ast.AST, set[str]] = {}
    for node, _ in module.index.withs:
        for item in node.items:
            site = _lock_site(module, item.context_expr, _THREAD_LOCKS if isinstance(node, ast.With) else _TASK_LOCKS)
            if site is None:
                continue
            operation = _single(module, node) if len(node.items) == 1 else None
            if operation is None:
                compound.setdefault(site.node, []).extend(o for o in module.facts(Operation) if module.index.within(o.node, node))
                guarded.setdefault(site.node, set()).update(_changed(module, node))
            else:
                single.append((site, node, operation))
    for call in module.index.calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr == "acquire":
            site = _lock_site(module, call.func.value, _THREAD_LOCKS | _TASK_LOCKS)
            if site is not None:
                scope = module.index.scope_of_node[call].function
                compound.setdefault(site.node, []).extend(o for o in module.facts(Operation) if o.scope.function is scope)
    return [
        NeedlessLock(module, node, o)
        for site, node, o in single
        if not _interferes(o, compound.get(site.node, [])) and not _reads(o, guarded.get(site.node, set()))
    ]


def _changed(module: "Module", block: ast.AST) -> set[str]:
    """What a block sets, or calls methods of, beside the driver's objects: a lock around it guards that, too."""
    places: list[ast.expr] = []
    for node in walk(block):
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            places.append(node.value if isinstance(node, ast.Subscript) else node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and module.inference.kind(module, node.func.value) is None:
            places.append(node.func.value)
    return {path_key(place) for place in places if not _local(module, place)} - {"", "self", "cls"}


def _local(module: "Module", place: ast.expr) -> bool:
    """Whether a place belongs to one call of its function: a local, or something that hangs on one."""
    base = base_of(place, CHAINS)
    if not isinstance(base, ast.Name) or base.id in ("self", "cls"):
        return False
    scope = module.index.scope(base).function
    return scope.kind != "module" and base.id in scope.bindings and base.id not in scope.globals | scope.nonlocals


def _reads(operation: Operation, guarded: set[str]) -> bool:
    """Whether a call uses something that is changed elsewhere under the same lock: a list that is filled there, a client made anew."""
    parts = (node for node in walk(operation.node) if isinstance(node, (ast.Name, ast.Attribute)))
    return bool(guarded) and any(path_key(node) in guarded for node in parts)


_INSERTS = frozenset(("insert_one", "insert_many", "insert", "bulk_write"))


def _interferes(operation: Operation, together: list[Operation]) -> bool:
    """Whether a single write could spoil what others do with the same collection under the same lock in several steps.

    A change is lost to one who writes back what was read before it; an insert spoils a check before an insert. Reads spoil nothing.
    """
    if not operation.write:
        return False
    there = [o for o in together if o.write and same_collection(o.owner, operation.owner)]
    inserts = operation.name in _INSERTS
    return any((o.name in _INSERTS) == inserts or o.name == "bulk_write" for o in there)


def _single(module: "Module", node: ast.With | ast.AsyncWith) -> Operation | None:
    """The one operation that is the whole body of a ``with``, or None."""
    if len(node.body) != 1 or not isinstance(node.body[0], (ast.Expr, ast.Assign, ast.AnnAssign, ast.Return)):
        return None
    statement = node.body[0]
    inside = [o for o in module.facts(Operation) if module.index.statement(o.node) is statement]
    working = [o for o in inside if o.io and not o.implicit]
    value: ast.expr | None = statement.value
    while True:
        if isinstance(value, ast.Compare) and all(isinstance(c, ast.Constant) for c in value.comparators):
            value = value.left
        elif isinstance(value, ast.UnaryOp):
            value = value.operand
        elif isinstance(value, (ast.Await, ast.Attribute, ast.Subscript)):
            value = value.value
        else:
            break
    if not working:
        # list(coll.find(...)): the cursor is made and read here, nobody else has it
        working = [o for o in inside if not o.implicit and o.name in ("find", "aggregate")]
        if not isinstance(value, ast.Call) or last_name(value.func) not in _READERS or not working:
            return None
        value = value.func.value if isinstance(value.func, ast.Attribute) else value.args[0] if value.args else None
    if len(working) != 1 or working[0].owner.family not in _SHAREABLE or working[0].session is not None:
        return None
    return working[0] if value is working[0].node else None


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
            if operation.write and module.index.within(operation.node, node):
                seen.add(site.node)
                found.append(LockAcrossProcesses(module, site, operation, context.text, context.steps))
                break
    return found


def _held(module: "Module") -> list[tuple[ast.AST, Scope, ast.expr]]:
    """Where locks are held: ``with`` blocks, and functions that call ``acquire`` by hand."""
    found: list[tuple[ast.AST, Scope, ast.expr]] = []
    for node, scope in module.index.withs:
        for item in node.items:
            found.append((node, scope, item.context_expr))
            found.extend((node, scope, lock) for lock in _behind(module, item.context_expr))
    for call in module.index.calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr == "acquire":
            scope = module.index.scope_of_node[call].function
            found.append((scope.node, scope, call.func.value))
    return found


def _behind(module: "Module", entered: ast.expr) -> list[ast.expr]:
    """What a context manager of this file holds while it yields: ``with lock:`` around the ``yield``."""
    if not isinstance(entered, ast.Call):
        return []
    functions = [v.scope for v in module.values(entered.func) if isinstance(v, Function) and v.module is module and v.scope.yields]
    return [
        item.context_expr
        for function in functions
        for node, scope in module.index.withs
        if scope is function and any(module.index.within(given, node) for given in function.yields)
        for item in node.items
    ]


PRODUCERS[NeedlessLock] = needless_locks
PRODUCERS[LockAcrossProcesses] = locks_across_processes
