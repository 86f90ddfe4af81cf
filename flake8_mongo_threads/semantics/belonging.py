"""Which client a session belongs to, and which one it is used with."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Span, Step
from flake8_mongo_threads.semantics.facts import PRODUCERS, Operation
from flake8_mongo_threads.semantics.lifecycle import effects
from flake8_mongo_threads.semantics.places import factory_call
from flake8_mongo_threads.semantics.syntax import keyword
from flake8_mongo_threads.semantics.transactions import callbacks, names_session, one_root, other_client, regions, root_client
from flake8_mongo_threads.semantics.values import Class, Driver, External, Function, Instance

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module


class ForeignSession:
    """A session used with a client that did not start it. ``node`` is the session argument, or inside ``bind()`` the operation.

    ``how`` is client, colour or bind.
    """

    __slots__ = ("how", "operation", "session", "span", "steps")

    def __init__(self, module: "Module", operation: Operation, session: Driver, how: str, node: ast.AST | None) -> None:
        self.operation = operation
        self.session = session
        self.how = how
        self.span: Span = (
            operation.span
            if node is None
            else module.source.name_span(node)
            if isinstance(node, ast.Attribute)
            else module.source.span(node)
        )
        steps: list[Step] = []
        if session.site is not None:
            steps.append(session.site.step("the session is started here"))
        for driver, text in ((session, "by this client"), (operation.owner, "the operation goes through this one")):
            client = driver.root("client")
            if client is not None and client.site is not None:
                steps.append(client.site.step(text))
        steps.append(
            module.step(
                operation.node, f"'{operation.name}' is given the session" if node is not None else f"'{operation.name}' runs inside bind()"
            )
        )
        self.steps = tuple(steps)


def foreign_sessions(module: "Module") -> list[ForeignSession]:
    """Every operation that is given a session of another client or of the other colour, or runs inside the bind of one."""
    found: list[ForeignSession] = []
    for operation in module.facts(Operation):
        call = operation.call
        if call is None or operation.method is None or operation.owner.family == "session":
            continue
        if not operation.method.member.session:
            continue
        given = operation.session or _positional(module, call)
        receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
        if given is not None:
            session = module.inference.kind(module, given)
            if session is None or session.family != "session":
                continue
            if session.flavour != operation.owner.flavour:
                if not _in_wrong_callback(module, operation, session):
                    found.append(ForeignSession(module, operation, session, "colour", given))
            elif receiver is not None and _foreign(module, operation.owner, receiver, session, given):
                found.append(ForeignSession(module, operation, session, "client", given))
            continue
        if (
            receiver is None
            or (not operation.io and operation.name not in ("find", "find_raw_batches", "aggregate"))
            or names_session(module, operation)
        ):
            continue
        # the innermost bind is the one in force
        binds = [r for r in regions(module, operation.scope) if r.kind == "bind" and r.covers(operation.node)]
        region = max(binds, key=lambda r: r.first, default=None)
        if region is None or region.session is None or region.session.flavour != operation.owner.flavour or region.receiver is None:
            continue
        if _foreign(module, operation.owner, receiver, region.session, region.receiver):
            found.append(ForeignSession(module, operation, region.session, "bind", None))
    found.extend(_held_by_partials(module))
    return found


def _held_by_partials(module: "Module") -> list[ForeignSession]:
    """Operations that ``partial`` ties to the session of another client."""
    found: list[ForeignSession] = []
    for call, scope, value in module.calls.constructions:
        if not isinstance(value, External) or value.path != "functools.partial" or not call.args:
            continue
        given, receiver = keyword(call, "session"), call.args[0]
        method = module.inference.method(module, receiver)
        session = module.inference.kind(module, given) if given is not None else None
        if given is None or method is None or not method.member.session or session is None or session.family != "session":
            continue
        operation = Operation(module, call, scope, method, method.owner, method.name, False)
        if session.flavour != method.owner.flavour:
            found.append(ForeignSession(module, operation, session, "colour", given))
        elif isinstance(receiver, ast.Attribute) and _foreign(module, method.owner, receiver.value, session, given):
            found.append(ForeignSession(module, operation, session, "client", given))
    return found


def _in_wrong_callback(module: "Module", operation: Operation, session: Driver) -> bool:
    """Whether the session comes from a ``with_transaction`` of the other colour than its callback, which is what is wrong."""
    scope = operation.scope.function
    return any(
        c.function.scope is scope and c.method.owner.flavour == session.flavour and scope.is_async is (session.flavour == "sync")
        for c in callbacks(module)
    )


def _foreign(module: "Module", owner: Driver, receiver: ast.expr, session: Driver, given: ast.AST) -> bool:
    """Whether an object certainly goes through another client than the one that started a session."""
    if not (one_root(module, given) and one_root(module, receiver)):
        return False
    return other_client(owner, session) or _made_apart(module, owner, receiver, session, given)


def _made_apart(module: "Module", owner: Driver, receiver: ast.expr, session: Driver, given: ast.AST) -> bool:
    """Whether two calls of one function or class, which builds a client each time, made the two clients."""
    client, other = root_client(owner), root_client(session)
    if client is None or other is None or client.site is None or other.site is None or client.site.node is not other.site.node:
        return False
    started = session.site
    if started is not None and isinstance(started.node, ast.Call) and isinstance(started.node.func, ast.Attribute):
        # also where the session came as an argument, we know the call that started it
        if started.module is not module or started.node not in module.index.parents:
            return False
        given = started.node.func.value
    first, second = factory_call(module, receiver), factory_call(module, given)
    if first is None or second is None or first is second:
        return False
    built = client.site.node
    for call in (first, second):
        functions: list[Function] = []
        for value in module.values(call.func):
            made = module.inference.method_of(Instance(value), "__init__") if isinstance(value, Class) else value
            functions.extend([made] if isinstance(made, Function) else [])
        if len(functions) != 1 or not any(e.build.call is built for e in effects(functions[0])):
            return False
    return True


def _positional(module: "Module", call: ast.Call) -> ast.expr | None:
    """The session among the positional arguments."""
    for value in call.args:
        driver = module.inference.kind(module, value)
        if driver is not None and driver.family == "session":
            return value
    return None


PRODUCERS[ForeignSession] = foreign_sessions
