"""Typestate: which clients and sessions are closed at each operation of a function.

A structured interpretation of the statements of one function, only where something is closed. States join at branches; a
report needs *must be closed* on every path. What ends a ``with`` block is closed after it, and a lazy cursor, database or
collection that is returned out of the block is closed when its receiver gets it.
"""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Span, Step
from flake8_mongo_threads.semantics.facts import PRODUCERS, Operation
from flake8_mongo_threads.semantics.inference import CURSORS
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.syntax import FUNCTIONS, LOOPS, TRIES, WITHS, argument, constant, keyword, walk
from flake8_mongo_threads.semantics.values import Driver, External, Generator, Manager

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

MAX_STATEMENTS = 400
MAX_NESTING = 40

OPEN = 0
CLOSED = 1
MAYBE = 2

_LAZY = CURSORS | {"database", "collection"}

State = dict[object, tuple[int, ast.AST]]
"""Key of a client or session → how it is, and the place that closed it."""


class UseAfterClose:
    """A use of a client or session, or of something made from it, after it was closed on every path.

    ``family`` is client or session; ``escapes`` whether it is a return out of the block that closes.
    """

    __slots__ = ("closed_at", "escapes", "family", "name", "node", "owner", "scope", "span", "steps", "value")

    def __init__(
        self,
        module: "Module",
        node: ast.AST,
        scope: Scope,
        family: str,
        owner: Driver,
        name: str,
        closed_at: ast.AST,
        escapes: bool,
        value: ast.expr | None = None,
    ) -> None:
        self.node = node
        self.scope = scope
        self.family = family
        self.owner = owner
        """The object that is used, or returned."""
        self.name = name
        self.closed_at = closed_at
        self.escapes = escapes
        self.value = value
        """The returned expression, when it is a return."""
        self.span: Span = module.source.name_span(node) if isinstance(node, ast.expr) else _statement_span(module, node)
        self.steps: tuple[Step, ...] = (module.step(closed_at, f"the {family} is closed here"), module.step(node, "it is used afterwards"))


def _statement_span(module: "Module", node: ast.AST) -> Span:
    line: int = getattr(node, "lineno", 1)
    col = module.source.char_col(line, getattr(node, "col_offset", 0))
    width = {ast.Return: 6, ast.Yield: 5}.get(type(node), 1)
    return Span(line, col, line, col + width)


def uses_after_close(module: "Module") -> list[UseAfterClose]:
    """Every use after close in this file, in source order."""
    found: list[UseAfterClose] = []
    operations: dict[Scope, list[Operation]] = {}
    for operation in module.facts(Operation):
        operations.setdefault(operation.scope.function, []).append(operation)
    withs: dict[Scope, list[ast.AST]] = {}
    for node, scope in module.index.withs:
        withs.setdefault(scope.function, []).append(node)
    for scope in {*operations, *withs}:
        own = operations.get(scope, [])
        closes = any(o.name in ("close", "end_session") for o in own)
        if scope.kind not in ("function", "module") or not (
            closes or any(_closes_something(module, node) for node in withs.get(scope, ()))
        ):
            continue
        found.extend(_Walker(module, scope, own).run())
    found.sort(key=lambda f: (f.span.line, f.span.col))
    return found


def _closes_something(module: "Module", node: ast.AST) -> bool:
    return any(closing(module, item.context_expr) for item in getattr(node, "items", ()))


def closing(module: "Module", expression: ast.expr) -> list[Driver]:
    """The clients and sessions that leaving a ``with`` item closes."""
    found: list[Driver] = []
    for value in module.values(expression):
        if isinstance(value, Driver) and value.family in ("client", "session"):
            found.append(value)
        elif isinstance(value, Driver) and value.family == "bind":
            # the session that bind() ends when its block is left, unless told otherwise
            if isinstance(expression, ast.Call):
                given = keyword(expression, "end_session") or argument(expression, 0)
                session = value.root("session")
                if session is not None and (given is None or constant(given) is True):
                    found.append(session)
        elif (
            isinstance(value, Manager)
            and value.call is not None
            and isinstance(value.call.node, ast.Call)
            and _is_closing(module, value.call.node)
        ):
            found.extend(v for v in value.values if isinstance(v, Driver) and v.family in ("client", "session"))
    return found


def _is_closing(module: "Module", call: ast.Call) -> bool:
    return any(isinstance(v, External) and v.path in ("contextlib.closing", "contextlib.aclosing") for v in module.values(call.func))


class _TooMuchError(Exception):
    """The function is larger than the interpretation is meant for."""


class _Walker:
    def __init__(self, module: "Module", scope: Scope, operations: list[Operation]) -> None:
        self.module = module
        self.scope = scope
        self.found: list[UseAfterClose] = []
        self.reported: set[tuple[int, object]] = set()
        self.count = 0
        self.depth = 0
        self.by_statement: dict[ast.AST, list[Operation]] = {}
        for operation in operations:
            self.by_statement.setdefault(module.index.statement(operation.node), []).append(operation)
        self.closing_later: list[tuple[set[object], ast.AST, list[Driver]]] = []
        """What the blocks around the current statement will close when they are left."""

    def run(self) -> list[UseAfterClose]:
        body = getattr(self.scope.node, "body", [])
        try:
            self.block(body, {})
        except (_TooMuchError, RecursionError):
            return []
        return self.found

    # ------------------------------------------------------------------ statements

    def block(self, statements: list[ast.stmt], state: State | None) -> State | None:
        for statement in statements:
            if state is None:
                return None
            self.count += 1
            if self.count > MAX_STATEMENTS:
                raise _TooMuchError
            state = self.statement(statement, state)
        return state

    def statement(self, node: ast.stmt, state: State) -> State | None:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise _TooMuchError
        try:
            return self._statement(node, state)
        finally:
            self.depth -= 1

    def _statement(self, node: ast.stmt, state: State) -> State | None:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            return state
        if isinstance(node, ast.If):
            self.operations(node, state)
            return _join(self.block(node.body, dict(state)), self.block(node.orelse, dict(state)))
        if isinstance(node, LOOPS):
            return self._loop(node, state)
        if isinstance(node, WITHS):
            return self._with(node, state)
        if isinstance(node, TRIES):
            return self._try(node, state)
        if isinstance(node, ast.Match):
            self.operations(node, state)
            result: State | None = dict(state)
            for case in node.cases:
                result = _join(result, self.block(case.body, dict(state)))
            return result
        self.operations(node, state)
        if isinstance(node, ast.Return):
            self._returned(node)
            return None
        if isinstance(node, (ast.Raise, ast.Break, ast.Continue)):
            return None
        return state

    def _loop(self, node: ast.stmt, state: State) -> State | None:
        self.operations(node, state)
        if isinstance(node, ast.AsyncFor):
            self._async_for(node, state)
        body: list[ast.stmt] = node.body  # type: ignore[attr-defined]
        first = self.block(body, dict(state))
        after = _join(dict(state), first)
        tail = self.block(node.orelse, dict(after)) if after is not None else None  # type: ignore[attr-defined]
        return _join(after, tail)

    def _async_for(self, node: ast.AsyncFor, state: State) -> None:
        owner = self.module.inference.kind(self.module, node.iter)
        if owner is not None and owner.family in CURSORS:
            self._check(node.iter, owner, "async for", None, state)

    def _with(self, node: ast.With | ast.AsyncWith, state: State) -> State | None:
        self.operations(node, state)
        closed: list[Driver] = []
        for item in node.items:
            closed.extend(closing(self.module, item.context_expr))
        keys = {d.key() for d in closed}
        for driver in closed:
            if any(driver.site is not None and driver.site.node is item.context_expr for item in node.items) or not state.get(driver.key()):
                state[driver.key()] = (OPEN, node)
        if keys:
            self.closing_later.append((keys, node, closed))
        after = self.block(node.body, state)
        if keys:
            self.closing_later.pop()
        if after is None:
            return None
        for key in keys:
            after[key] = (CLOSED, node)
        return after

    def _try(self, node: ast.stmt, state: State) -> State | None:
        final: list[ast.stmt] = node.finalbody  # type: ignore[attr-defined]
        closed = self._closed_in(final)
        if closed:
            self.closing_later.append(({d.key() for d in closed}, final[0], closed))
        entry = dict(state)
        body = self.block(node.body, dict(state))  # type: ignore[attr-defined]
        prefix = _join(entry, dict(body) if body is not None else None)
        result = self.block(node.orelse, body) if body is not None else None  # type: ignore[attr-defined]
        for handler in node.handlers:  # type: ignore[attr-defined]
            result = _join(result, self.block(handler.body, dict(prefix) if prefix is not None else {}))
        if closed:
            self.closing_later.pop()
        if not final:
            return result
        ended = self.block(final, dict(result) if result is not None else dict(prefix or {}))
        return ended if result is not None else None

    def _closed_in(self, statements: list[ast.stmt]) -> list[Driver]:
        """What the straight-line part of a ``finally`` closes."""
        found: list[Driver] = []
        for statement in statements:
            for operation in self.by_statement.get(statement, ()):
                driver = self._closes(operation)
                if driver is not None and isinstance(statement, ast.Expr):
                    found.append(driver)
        return found

    # ------------------------------------------------------------------ operations

    def operations(self, statement: ast.AST, state: State) -> None:
        """Apply the operations of a statement's own expressions, in source order; a client made here is open."""
        for operation in self.by_statement.get(statement, ()):
            if self._deferred(operation.node, statement):
                continue
            driver = self._closes(operation)
            if driver is not None:
                state[driver.key()] = (CLOSED, operation.node)
                continue
            self._session_use(operation, state)
            if operation.io or (
                operation.owner.family in ("client", "session")
                and operation.name in ("start_transaction", "commit_transaction", "abort_transaction", "with_transaction")
            ):
                self._check(operation.node, operation.owner, operation.name, operation, state)
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
            for value in self.module.values(statement.value):
                if (
                    isinstance(value, Driver)
                    and value.family in ("client", "session")
                    and value.site is not None
                    and value.site.node is statement.value
                ):
                    state[value.key()] = (OPEN, statement)

    def _deferred(self, node: ast.AST, statement: ast.AST) -> bool:
        """Whether a node stands in a lambda or generator expression of the statement and does not run with it."""
        current: ast.AST | None = node
        while current is not None and current is not statement:
            if isinstance(current, ast.Lambda):
                return True
            current = self.module.index.parents.get(current)
        return False

    def _closes(self, operation: Operation) -> Driver | None:
        if operation.call is None:
            return None
        if operation.name == "close" and operation.owner.family == "client":
            if operation.owner.flavour == "async" and not operation.awaited:
                return None
            return self._single(operation)
        if operation.name == "end_session" and operation.owner.family == "session":
            if operation.owner.flavour in ("async", "motor") and operation.coroutine and not operation.awaited:
                return None
            return self._single(operation)
        return None

    def _single(self, operation: Operation) -> Driver | None:
        """The one object that is closed; None when the receiver can be one of several."""
        func = operation.call.func if operation.call is not None else None
        if not isinstance(func, ast.Attribute):
            return None
        drivers = [v for v in self.module.values(func.value) if isinstance(v, Driver)]
        return drivers[0] if len({d.key() for d in drivers}) == 1 else None

    def _check(self, node: ast.AST, owner: Driver, name: str, operation: Operation | None, state: State) -> None:
        for family in ("session", "client"):
            held = owner if owner.family == family else owner.root(family)
            if held is None and family == "session":
                held = self._session_of(owner)
            if held is None or (owner.family == "client" and family == "session"):
                continue
            status = state.get(held.key())
            if status is None or status[0] != CLOSED or not self._surely(operation, family, state):
                continue
            self._report(node, family, owner, name, status[1], False)
            return

    def _surely(self, operation: Operation | None, family: str, state: State) -> bool:
        """Whether every object that the receiver can be is closed."""
        if operation is None or operation.call is None or not isinstance(operation.call.func, ast.Attribute):
            return True
        if operation.owner.family in CURSORS and family == "session":
            return True
        for value in self.module.values(operation.call.func.value):
            if isinstance(value, Driver):
                held = value if value.family == family else value.root(family)
                status = state.get(held.key()) if held is not None else None
                if status is None or status[0] != CLOSED:
                    return False
        return True

    def _session_use(self, operation: Operation, state: State) -> None:
        if operation.session is None:
            return
        for value in self.module.values(operation.session):
            if isinstance(value, Driver) and value.family == "session":
                status = state.get(value.key())
                if status is not None and status[0] == CLOSED:
                    self._report(operation.node, "session", value, operation.name, status[1], False)

    def _report(
        self, node: ast.AST, family: str, owner: Driver, name: str, closed_at: ast.AST, escapes: bool, value: ast.expr | None = None
    ) -> None:
        key = (id(node), family)
        if key not in self.reported:
            self.reported.add(key)
            self.found.append(UseAfterClose(self.module, node, self.scope, family, owner, name, closed_at, escapes, value))

    # ------------------------------------------------------------------ what is returned out of a block

    def _returned(self, node: ast.Return) -> None:
        if node.value is None or not self.closing_later:
            return
        closing_keys: dict[object, ast.AST] = {}
        for keys, place, _ in self.closing_later:
            for key in keys:
                closing_keys[key] = place
        for owner, family in self._lazy(node.value):
            closer = closing_keys.get(owner[1])
            if closer is not None:
                self._report(node, family, owner[0], "return", closer, True, node.value)
                return

    def _lazy(self, expression: ast.expr) -> list[tuple[tuple[Driver, object], str]]:
        """Lazy objects that an expression hands out, each with the key of the client or session it needs."""
        found: list[tuple[tuple[Driver, object], str]] = []
        if isinstance(expression, ast.Await):
            inner = self.module.values(expression)
        elif isinstance(expression, ast.GeneratorExp):
            first = expression.generators[0]
            inner = self.module.values(first.iter)
        else:
            inner = self.module.values(expression)
        for value in inner:
            if isinstance(value, Generator):
                continue
            if not isinstance(value, Driver) or value.family not in (_LAZY if not isinstance(expression, ast.GeneratorExp) else CURSORS):
                if isinstance(value, Driver) and value.family in ("client", "session") and not isinstance(expression, ast.GeneratorExp):
                    found.append(((value, value.key()), value.family))
                continue
            session = self._session_of(value)
            if session is not None:
                found.append(((value, session.key()), "session"))
            client = value.root("client")
            if client is not None:
                found.append(((value, client.key()), "client"))
        return found

    def _session_of(self, cursor: Driver) -> Driver | None:
        """The session that a cursor was made with."""
        if cursor.family not in CURSORS or cursor.site is None:
            return None
        pending = [cursor.site.node]
        for node in walk(pending[0]):
            if isinstance(node, ast.Call):
                given = keyword(node, "session")
                if given is not None:
                    for value in cursor.site.module.values(given):
                        if isinstance(value, Driver) and value.family == "session":
                            return value
        return None


def _join(first: State | None, second: State | None) -> State | None:
    if first is None:
        return second
    if second is None:
        return first
    result: State = {}
    for key in {*first, *second}:
        a, b = first.get(key), second.get(key)
        if a is None or b is None:
            known = a or b
            assert known is not None
            result[key] = known if known[0] == OPEN else (MAYBE, known[1])
        else:
            result[key] = a if a[0] == b[0] else (MAYBE, a[1])
    return result


PRODUCERS[UseAfterClose] = uses_after_close
