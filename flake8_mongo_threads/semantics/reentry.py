"""Driver calls that can interrupt the driver itself: in signal handlers, finalizers and weakref callbacks."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import spawners
from flake8_mongo_threads.findings import Span, Step
from flake8_mongo_threads.semantics.calls import Edge
from flake8_mongo_threads.semantics.facts import PRODUCERS, Operation, operations_in
from flake8_mongo_threads.semantics.spawns import Work, flatten
from flake8_mongo_threads.semantics.values import Driver, Function, Instance, Method

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

MAX_DEPTH = 6
_FAMILIES = frozenset(("client", "database", "collection", "cursor", "command-cursor", "raw-cursor", "change-stream", "session", "gridfs", "gridfs-bucket", "grid-in", "grid-out", "grid-out-cursor", "client-encryption"))  # fmt: skip


class Reentry:
    """A driver operation that a signal handler, ``__del__`` or weakref callback performs, itself or through helpers.

    ``where`` is signal or finalizer; ``text`` the place for messages; ``owned`` whether it closes a client of the object's own.
    """

    __slots__ = ("cause", "name", "node", "owned", "owner", "span", "steps", "text", "where")

    def __init__(
        self, module: "Module", node: ast.AST, where: str, text: str, owner: Driver, name: str, owned: bool, steps: tuple[Step, ...]
    ) -> None:
        self.node = node
        self.where = where
        self.text = text
        self.owner = owner
        self.name = name
        self.owned = owned
        self.steps = steps
        self.span: Span = module.source.name_span(node)
        # a coroutine that nobody awaits there is the same defect
        sort = "reentry" if owner.flavour == "sync" else "await" if isinstance(node, ast.Call) else "close"
        self.cause = f"{sort}@{self.span.line}:{self.span.col}"


def dangerous(owner: Driver, method: Method | None, name: str) -> bool:
    """Whether an operation takes the driver's locks: I/O, or the closing of a client, cursor or session."""
    if owner.family not in _FAMILIES:
        return False
    if method is None:
        return True
    return method.member.io or name in ("close", "end_session")


def reentries(module: "Module") -> list[Reentry]:
    """Driver operations in the handlers and finalizers of this file, and calls of theirs that lead to one elsewhere."""
    found: list[Reentry] = []
    for where in (spawners.SIGNAL, spawners.FINALIZER):
        for scope, contexts in module.contexts.of.items():
            context = next((c for c in contexts if c.where == where), None)
            if context is None:
                continue
            for operation in module.facts(Operation):
                if (
                    operation.scope.function is scope
                    and dangerous(operation.owner, operation.method, operation.name)
                    and not _left_alone(operation, where)
                ):
                    step = module.step(operation.node, f"'{operation.name}' can wait for a lock that the interrupted code holds")
                    owned = where == spawners.FINALIZER and operation.name == "close" and _own_client(module, operation)
                    found.append(
                        Reentry(module, operation.node, where, context.text, operation.owner, operation.name, owned, (*context.steps, step))
                    )
            for edge in module.calls.inside(scope):
                if edge.target.module is not module:
                    inner = reached(edge)
                    if inner is not None:
                        home, operation, steps = inner
                        found.append(
                            Reentry(
                                module,
                                edge.node,
                                where,
                                context.text,
                                operation.owner,
                                operation.name,
                                False,
                                (*context.steps, module.step(edge.node, f"leads to {home.where(operation.node, module)}"), *steps),
                            )
                        )
    for work in module.calls.works:
        if work.where in (spawners.SIGNAL, spawners.FINALIZER):
            found.extend(_handed_directly(module, work))
    return found


def _left_alone(operation: Operation, where: str) -> bool:
    """An async operation that is only made into a coroutine does nothing in a handler: that is another rule's."""
    return operation.coroutine and not (where == spawners.FINALIZER or operation.name == "close")


def _own_client(module: "Module", operation: Operation) -> bool:
    node = operation.node
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Attribute)):
        return False
    base = node.func.value.value
    return isinstance(base, ast.Name) and any(isinstance(v, Instance) for v in module.values(base)) and operation.owner.family == "client"


def _handed_directly(module: "Module", work: Work) -> list[Reentry]:
    """``weakref.finalize(self, client.close)``: the bound method itself is the callback."""
    found: list[Reentry] = []
    for value in flatten(work.targets):
        if isinstance(value, Method) and dangerous(value.owner, value, value.name):
            line = work.call.lineno
            text = f"the {work.label} registered at line {line}"
            step = module.step(work.call, f"'{value.name}' runs as {text}")
            found.append(Reentry(module, work.target, work.where, text, value.owner, value.name, False, (step,)))
        elif isinstance(value, Function) and value.module is not module:
            inner = _search(value, 0, frozenset())
            if inner is not None:
                home, operation, steps = inner
                text = f"the {work.label} registered at line {work.call.lineno}"
                found.append(
                    Reentry(
                        module,
                        work.target,
                        work.where,
                        text,
                        operation.owner,
                        operation.name,
                        False,
                        (module.step(work.call, f"leads to {home.where(operation.node, module)}"), *steps),
                    )
                )
    return found


Reached = tuple["Module", Operation, tuple[Step, ...]]


def reached(edge: Edge) -> Reached | None:
    """The first dangerous operation that a call leads to."""
    return _search(edge.target, 0, frozenset())


def _search(function: Function, depth: int, active: frozenset[int]) -> Reached | None:
    module, scope = function.module, function.scope
    if depth > MAX_DEPTH or id(scope) in active:
        return None
    for operation in operations_in(module, scope):
        if dangerous(operation.owner, operation.method, operation.name) and not operation.coroutine:
            return module, operation, (module.step(operation.node, f"'{operation.name}' takes the driver's locks"),)
    for edge in module.calls.inside(scope):
        inner = _search(edge.target, depth + 1, active | {id(scope)})
        if inner is not None:
            return inner[0], inner[1], (module.step(edge.node, f"'{scope.name}' calls '{edge.target.scope.name}'"), *inner[2])
    return None


PRODUCERS[Reentry] = reentries
