"""What closes a client or ends a session: operations, ``with`` blocks, and functions whose run ends with it closed."""

import ast
from typing import TYPE_CHECKING, NamedTuple

from flake8_mongo_threads.semantics.facts import Operation, operations_in
from flake8_mongo_threads.semantics.lifecycle import builds_in, conditional, stored_in
from flake8_mongo_threads.semantics.places import exact
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.spawns import enclosing_loop
from flake8_mongo_threads.semantics.syntax import (
    COMPREHENSIONS,
    FUNCTIONS,
    TRIES,
    WITHS,
    argument,
    asked_for,
    base_of,
    keyword,
    last_name,
    path_key,
    walk,
)
from flake8_mongo_threads.semantics.values import Driver, External, Function, Instance, Manager, known

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

MAX_DEPTH = 3
MAX_SITES_DEPTH = 4
_MANAGERS = frozenset(("contextlib.closing", "contextlib.aclosing"))
STACKS = frozenset(("contextlib.ExitStack()", "contextlib.AsyncExitStack()"))
_ENDS = {"client": "close", "session": "end_session"}


class Closed(NamedTuple):
    """One object that something closes."""

    family: str
    """client or session."""
    driver: Driver
    receiver: ast.expr | None
    """The expression that names it, in the function that closes it."""
    node: ast.AST
    module: "Module"
    """Where the receiver and the node stand."""

    def path_from_self(self) -> str:
        """``.session`` when a method closes ``self.session``; empty when it closes something else."""
        if self.receiver is None:
            return ""
        params = self.module.index.scope(self.receiver).function.params
        base = ("local", id(params[0]), "") if params else None
        return next((path for at, path in exact(self.module, self.receiver) if at == base), "")


def closes(module: "Module", operation: Operation) -> Closed | None:
    """What an operation closes: not a coroutine that nobody awaits, nor one of several objects that are told apart."""
    owner = operation.owner
    if operation.call is None or _ENDS.get(owner.family) != operation.name or not isinstance(operation.call.func, ast.Attribute):
        return None
    if operation.coroutine and not operation.awaited:
        return None
    return Closed(owner.family, owner, operation.call.func.value, operation.call, module)


def unique(driver: Driver, scope: Scope) -> bool:
    """Whether the place that made an object tells it from every other one while a function runs.

    Not so for what a factory or a ``partial`` gives, an attribute of one of several instances, or an element of a list.
    """
    site = driver.site
    if site is None:
        return False
    home = site.module.index.scope(site.node).function
    if isinstance(site.node, ast.Call) and (
        site.node not in site.module.index.parents or isinstance(enclosing_loop(site.module, site.node), COMPREHENSIONS)
    ):
        return False
    if home.kind in ("module", "class") or (home is scope and not isinstance(site.node, ast.arg)):
        return True
    if not isinstance(site.node, ast.expr):
        return False
    if site.module.inference.is_cached(site.module, home):
        return True
    targets = stored_in(site.module, site.node)
    if any(isinstance(t, ast.Name) and t.id in home.globals for t in targets):
        return True
    return home.encloses(scope)


def closed_by_item(module: "Module", expression: ast.expr) -> list[Closed]:
    """The clients and sessions that leaving a ``with`` item closes."""
    found: list[Closed] = []
    for value in module.values(expression):
        if isinstance(value, Driver):
            if value.family in _ENDS:
                found.append(Closed(value.family, value, expression, expression, module))
            elif value.family == "bind" and isinstance(expression, ast.Call) and isinstance(expression.func, ast.Attribute):
                # bind() ends the session when its block is left, unless told otherwise
                given = keyword(expression, "end_session") or argument(expression, 0)
                session = value.root("session")
                if session is not None and (given is None or module.constant(given) is True):
                    found.append(Closed("session", session, expression.func.value, expression, module))
        elif isinstance(value, Manager) and value.call is not None and isinstance(value.call.node, ast.Call):
            found.extend(_closed_by_manager(value, value.call.module, value.call.node))
        elif isinstance(value, Instance):
            for name in ("__exit__", "__aexit__"):
                method = module.inference.method_of(value, name)
                if method is not None:
                    found.extend(ends(method))
    return found


def _closed_by_manager(manager: Manager, module: "Module", call: ast.Call) -> list[Closed]:
    found: list[Closed] = []
    for callee in module.values(call.func):
        if isinstance(callee, External) and callee.path in _MANAGERS:
            given = argument(call, 0)
            found.extend(Closed(v.family, v, given, call, module) for v in manager.values if isinstance(v, Driver) and v.family in _ENDS)
        elif isinstance(callee, Function):
            found.extend(ends(callee))
    return found


def ends(function: Function, depth: int = 0) -> list[Closed]:
    """What is closed whenever a function has run to its end, by straight-line code, ``finally`` and ``with``."""
    module, scope = function.module, function.scope
    if depth > MAX_DEPTH or scope not in _candidates(module):
        return []
    result: list[Closed] = module.remember("ends", scope, lambda: _ends(module, scope, depth), [])
    return result


def _candidates(module: "Module") -> set[Scope]:
    """The functions of a module that can close something, told by names alone: the others are not looked at."""

    def compute() -> set[Scope]:
        found: set[Scope] = set()
        text = module.source.text
        index = module.index
        if ".close(" in text or ".end_session(" in text:
            for call in index.calls:
                func = call.func
                if isinstance(func, ast.Attribute) and func.attr in ("close", "end_session"):
                    scope = index.scope_of_node[call].function
                    if _outlives(func.value, scope):
                        found.add(scope)
        for node, where in index.withs:
            scope = where.function
            if scope.yields or any(
                _outlives(item.context_expr, scope) for item in node.items if not isinstance(item.context_expr, ast.Call)
            ):
                found.add(scope)
        if not found:
            return found
        callers: dict[str, set[Scope]] = {}
        for call in index.calls:
            callers.setdefault(last_name(call.func), set()).add(index.scope_of_node[call].function)
        fresh = found
        for _ in range(MAX_DEPTH):
            names = {scope.name for scope in fresh} - {""}
            fresh = {scope for name in names for scope in callers.get(name, ())} - found
            found |= fresh
        return found

    result: set[Scope] = module.remember("closing candidates", module.index.module_scope, compute, set())
    return result


def _outlives(receiver: ast.expr, scope: Scope) -> bool:
    """Whether a receiver is more than a local variable of a plain function, whose end is nobody else's business."""
    if scope.yields:
        return True
    node = base_of(receiver)
    if not isinstance(node, ast.Name):
        return isinstance(node, ast.Call)
    if node.id in scope.globals or node.id in scope.nonlocals:
        return True
    return all(binding.how == "param" for binding in scope.bindings.get(node.id, ()))


def _ends(module: "Module", scope: Scope, depth: int) -> list[Closed]:
    if scope.kind != "function":
        return []
    operations: dict[ast.AST, list[Operation]] = {}
    for operation in operations_in(module, scope):
        if operation.name in ("close", "end_session"):
            operations.setdefault(module.index.statement(operation.node), []).append(operation)
    edges: dict[ast.AST, list[Function]] = {}
    for edge in module.calls.inside(scope):
        if edge.how == "call":
            edges.setdefault(module.index.statement(edge.node), []).append(edge.target)
    found: list[Closed] = []
    pending: list[tuple[ast.stmt, tuple[ast.expr, ...]]] = [(s, ()) for s in reversed(getattr(scope.node, "body", []))]
    passed: tuple[ast.expr, ...] = ()
    for _ in range(200):
        if not pending:
            break
        statement, tests = pending.pop()
        if isinstance(statement, ast.Assign) and not tests:
            # ``self.client.close()`` and then ``self.client = MongoClient()``: the object holds another one, or none
            again = {path_key(target) for target in statement.targets} - {""}
            found = [c for c in found if c.receiver is None or path_key(c.receiver) not in again]
        if isinstance(statement, (ast.Expr, ast.Assign, ast.Return)):
            for operation in operations.get(statement, ()):
                closed = closes(module, operation)
                if (
                    closed is not None
                    and not _replaced(module, scope, closed)
                    and all(concerns(test, closed.receiver) for test in (*tests, *passed))
                ):
                    found.append(closed)
            if isinstance(statement, ast.Expr) and not tests and not passed:
                for target in edges.get(statement, ()):
                    if target.scope is not scope:
                        inner = ends(target, depth + 1)
                        found.extend(c for c in inner if target.scope.cls is scope.cls or unique(c.driver, target.scope))
            if isinstance(statement, ast.Return):
                break
        elif isinstance(statement, WITHS):
            if not tests and not passed:
                for item in statement.items:
                    found.extend(closed_by_item(module, item.context_expr))
            pending.extend((s, tests) for s in reversed(statement.body))
        elif isinstance(statement, TRIES):
            pending.extend((s, tests) for s in reversed(statement.finalbody))  # type: ignore[attr-defined]
            pending.extend((s, tests) for s in reversed(statement.body))  # type: ignore[attr-defined]
        elif isinstance(statement, ast.If):
            if any(isinstance(n, (ast.Return, ast.Raise)) for n in walk(statement)):
                # another path may leave before what follows
                passed = (*passed, statement.test)
            if not statement.orelse:
                pending.extend((s, (*tests, statement.test)) for s in reversed(statement.body))
    return found


def _replaced(module: "Module", scope: Scope, closed: Closed) -> bool:
    """Whether the function puts another object where the one that it closes was: ``self._client.close(); self._client = MongoClient(…)``."""
    receiver = closed.receiver
    if isinstance(receiver, ast.Name) and receiver.id in scope.globals:
        return any(
            binding.position > (receiver.lineno, receiver.col_offset)
            and not (isinstance(binding.value, ast.Constant) and binding.value.value is None)
            and module.index.scope(binding.node).function is scope
            for binding in module.index.module_scope.bindings.get(receiver.id, ())
        )
    if not isinstance(receiver, ast.Attribute):
        return False
    key = path_key(receiver)
    return any(
        store.scope.function is scope
        and store.target.lineno > receiver.lineno
        and not (isinstance(store.value, ast.Constant) and store.value.value is None)
        and path_key(store.target) == key
        for store in module.index.attribute_stores.get(receiver.attr, ())
    )


def concerns(test: ast.expr, receiver: ast.expr | None) -> bool:
    """Whether a test only asks if what is closed, or what holds it, is there: ``if client: client.close()``."""
    asked = asked_for(test)
    key = path_key(receiver) if receiver is not None else ""
    return bool(asked) and (key == asked or key.startswith(asked + "."))


def opened_by(function: Function, depth: int = 0) -> frozenset[int]:
    """The places (ids of nodes) that make a client when a function runs, itself or through what it calls."""
    module, scope = function.module, function.scope
    if depth > MAX_SITES_DEPTH:
        return frozenset()

    def compute() -> frozenset[int]:
        found = {id(b.call) for b in builds_in(module, scope)}
        for edge in module.calls.inside(scope):
            found |= opened_by(edge.target, depth + 1)
        return frozenset(found)

    result: frozenset[int] = module.remember("opened", scope, compute, frozenset())
    return result


def used_by(function: Function, depth: int = 0) -> list[tuple[Operation, Driver]]:
    """The operations that running a plain function performs in any case, each with the client it needs."""
    module, scope = function.module, function.scope
    if depth > 1 or scope.kind not in ("function", "lambda") or scope.yields:
        return []

    def compute() -> list[tuple[Operation, Driver]]:
        found: list[tuple[Operation, Driver]] = []
        for operation in operations_in(module, scope):
            client = operation.owner.root("client")
            if not operation.io or client is None or (operation.coroutine and not operation.awaited) or _spared(module, operation.node):
                continue
            if operation.name not in ("close", "end_session"):
                found.append((operation, client))
        for edge in module.calls.inside(scope):
            if edge.how == "call" and edge.target.scope is not scope and not _spared(module, edge.node):
                found.extend(used_by(edge.target, depth + 1))
        return found

    result: list[tuple[Operation, Driver]] = module.remember("used", scope, compute, [])
    return result


def sessions_used_by(function: Function) -> list[tuple[Operation, Driver, str]]:
    """The operations that a method performs in any case with a session that its object keeps: the session, and the path from
    ``self`` to it."""
    module, scope = function.module, function.scope
    if scope.kind != "function" or scope.yields or scope.cls is None:
        return []

    def compute() -> list[tuple[Operation, Driver, str]]:
        found: list[tuple[Operation, Driver, str]] = []
        for operation in operations_in(module, scope):
            given = operation.session
            if not isinstance(given, ast.Attribute) or (operation.coroutine and not operation.awaited) or _spared(module, operation.node):
                continue
            for value in module.values(given):
                if isinstance(value, Driver) and value.family == "session":
                    path = Closed("session", value, given, operation.node, module).path_from_self()
                    if path:
                        found.append((operation, value, path))
        return found

    result: list[tuple[Operation, Driver, str]] = module.remember("sessions used", scope, compute, [])
    return result


def sessions_given_to(function: Function) -> list[tuple[Operation, ast.arg]]:
    """The operations that a function performs in any case with a session that it is given, and the parameter that gets it."""
    module, scope = function.module, function.scope
    if scope.kind != "function" or scope.yields:
        return []

    def compute() -> list[tuple[Operation, ast.arg]]:
        found: list[tuple[Operation, ast.arg]] = []
        params = {arg.arg: arg for arg in scope.params if all(b.how == "param" for b in scope.bindings.get(arg.arg, ()))}
        for operation in operations_in(module, scope):
            given = operation.session
            if not isinstance(given, ast.Name) or given.id not in params or (operation.coroutine and not operation.awaited):
                continue
            if not _spared(module, operation.node):
                found.append((operation, params[given.id]))
        return found

    result: list[tuple[Operation, ast.arg]] = module.remember("sessions given", scope, compute, [])
    return result


def starts_session(function: Function, depth: int = 0) -> bool:
    """Whether running a function starts a session, itself or through what it calls."""
    module, scope = function.module, function.scope
    if depth > MAX_SITES_DEPTH:
        return False

    def compute() -> bool:
        return any(o.name == "start_session" for o in operations_in(module, scope)) or any(
            starts_session(edge.target, depth + 1) for edge in module.calls.inside(scope) if edge.target.scope is not scope
        )

    result: bool = module.remember("starts a session", scope, compute, False)
    return result


def _spared(module: "Module", node: ast.AST) -> bool:
    """Whether a node may not run with its function, or its failure is expected there."""
    if conditional(module, node):
        return True
    for up in module.index.ancestors(node):
        if isinstance(up, (*TRIES, ast.For, ast.AsyncFor, ast.While)):
            return True
        if isinstance(up, (*FUNCTIONS, ast.Lambda)):
            return False
    return False


def gives_away(module: "Module", stack: ast.expr) -> bool:
    """Whether another owner takes over what a stack would close, somewhere in the file: ``stack.pop_all()``."""
    return any(path_key(load.value) == path_key(stack) for load in module.index.attribute_loads.get("pop_all", ()))


def stack_entry(module: "Module", call: ast.Call) -> tuple[ast.expr, list[Closed]] | None:
    """``stack.enter_context(client)`` and ``stack.callback(client.close)``: the stack, and what it will close."""
    func = call.func
    if not isinstance(func, ast.Attribute) or not call.args:
        return None
    if func.attr not in ("enter_context", "enter_async_context", "callback", "push_async_callback"):
        return None
    values = known(module.values(func.value))
    if not values or not all(isinstance(v, External) and v.path in STACKS for v in values):
        return None
    given = call.args[0]
    if func.attr.startswith("enter"):
        return func.value, closed_by_item(module, given)
    if isinstance(given, ast.Attribute):
        drivers = [v for v in module.values(given.value) if isinstance(v, Driver)]
        if drivers and all(_ENDS.get(d.family) == given.attr for d in drivers):
            return func.value, [Closed(drivers[0].family, drivers[0], given.value, call, module)]
    return None
