"""Typestate: which clients and sessions are closed at each operation of a function.

A structured interpretation of the statements of one function, only where something is closed. States join where paths
meet; a report needs *closed on every path* that leads to the use. What ends a ``with`` block is closed after it, and a
lazy cursor, database or collection that is returned out of the block is closed when its receiver gets it.

A state maps keys to how things are. A key is a place (``("place", base, path)``), the site that made an object, or
``("via", base, site)``: an object that is reached through the object at a base.
"""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.driver import kinds
from flake8_mongo_threads.findings import Span, Step
from flake8_mongo_threads.semantics.closers import (
    STACKS,
    Closed,
    closed_by_item,
    closes,
    concerns,
    ends,
    opened_by,
    sessions_given_to,
    sessions_used_by,
    stack_entry,
    starts_session,
    unique,
    used_by,
)
from flake8_mongo_threads.semantics.facts import PRODUCERS, Operation
from flake8_mongo_threads.semantics.guards import expects_failure
from flake8_mongo_threads.semantics.inference import CURSORS
from flake8_mongo_threads.semantics.places import Place, binding_base, exact, origins
from flake8_mongo_threads.semantics.scopes import Binding, Scope
from flake8_mongo_threads.semantics.syntax import FUNCTIONS, LOOPS, TRIES, WITHS, keyword, last_name, walk
from flake8_mongo_threads.semantics.values import NOTHING, Const, Driver, External, Function, Generator, Method

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.calls import Edge
    from flake8_mongo_threads.semantics.module import Module

MAX_STATEMENTS = 400
MAX_STEPS = 4000
"""Statements interpreted, those of loops twice a nesting."""
MAX_NESTING = 40

OPEN = 0
CLOSED = 1
MAYBE = 2

_LAZY = CURSORS | {"database", "collection"}
_TRANSACTION = frozenset(("start_transaction", "commit_transaction", "abort_transaction", "with_transaction"))
_LAZY_CALLS = frozenset(("builtins.map", "builtins.filter", "builtins.zip", "builtins.enumerate", "builtins.iter", "builtins.reversed"))
"""Callables that read their arguments only when their result is iterated; those of itertools as well."""
_FAMILIES = ("session", "client")

Key = tuple[object, ...]
State = dict[Key, tuple[int, ast.AST, str]]
"""Key → how it is, the place that closed it, and whether it is a client or a session."""


class UseAfterClose:
    """A use of a client or session, or of something made from it, after it was closed on every path.

    ``family`` is client or session; ``escapes`` whether it is a return out of the block that closes.
    """

    __slots__ = ("again", "closed_at", "escapes", "family", "made_here", "name", "node", "owner", "scope", "span", "steps", "value")

    def __init__(
        self,
        module: "Module",
        node: ast.AST,
        scope: Scope,
        family: str,
        owner: Driver,
        name: str,
        closed_at: ast.AST,
        *,
        escapes: bool = False,
        value: ast.expr | None = None,
    ) -> None:
        self.node = node
        self.scope = scope
        self.family = family
        self.owner = owner
        """The object that is used, or returned."""
        self.name = name
        """What uses it; empty for a return, but of a function that uses it."""
        self.closed_at = closed_at
        self.escapes = escapes
        self.value = value
        """The returned expression, when it is a return."""
        self.made_here = _made_here(module, owner, family, closed_at)
        """Whether the block that closes also makes what it closes."""
        self.span: Span = module.source.name_span(node) if isinstance(node, ast.expr) else _statement_span(module, node)
        at, line = getattr(closed_at, "lineno", 1), getattr(node, "lineno", 1)
        self.again = not escapes and at >= line and closed_at is not node and not isinstance(closed_at, WITHS)
        """Whether the close stands behind the use, in a loop around both."""
        told = "it is used by the next iteration" if self.again else "it is used afterwards"
        steps = (module.step(closed_at, f"the {kinds.noun(family)} is closed here"), module.step(node, told))
        self.steps: tuple[Step, ...] = steps


def _made_here(module: "Module", owner: Driver, family: str, closed_at: ast.AST) -> bool:
    root = owner.root(family)
    site = root.site if root is not None else None
    if site is None or site.module is not module or not isinstance(closed_at, WITHS):
        return False
    return any(site.node is part for item in closed_at.items for part in walk(item.context_expr))


def _statement_span(module: "Module", node: ast.AST) -> Span:
    line: int = getattr(node, "lineno", 1)
    col = module.source.char_col(line, getattr(node, "col_offset", 0))
    return Span(line, col, line, col + (6 if isinstance(node, ast.Return) else 1))


def uses_after_close(module: "Module") -> list[UseAfterClose]:
    """Every use after close in this file, in source order."""
    found: list[UseAfterClose] = []
    operations: dict[Scope, list[Operation]] = {}
    for operation in module.facts(Operation):
        operations.setdefault(operation.scope.function, []).append(operation)
    withs: dict[Scope, list[ast.With | ast.AsyncWith]] = {}
    for node, scope in module.index.withs:
        withs.setdefault(scope.function, []).append(node)
    edges = module.calls.edges
    for scope in {*operations, *withs, *edges}:
        if scope.kind not in ("function", "module"):
            continue
        own = operations.get(scope, [])
        if (
            any(o.name in ("close", "end_session") for o in own)
            or any(_closes_something(module, node) for node in withs.get(scope, ()))
            or any(ends(edge.target) for edge in edges.get(scope, ()) if edge.how == "call")
        ):
            found.extend(_Walker(module, scope, own, edges.get(scope, [])).run())
    found.sort(key=lambda f: (f.span.line, f.span.col))
    return found


def _closes_something(module: "Module", node: ast.With | ast.AsyncWith) -> bool:
    for item in node.items:
        if closed_by_item(module, item.context_expr) or any(
            isinstance(v, External) and v.path in STACKS for v in module.values(item.context_expr)
        ):
            return True
    return False


class _TooMuch(Exception):  # noqa: N818 - it ends a search, it is no error
    """The function is larger than the interpretation is meant for."""


class _Block:
    """A ``with`` or ``try … finally`` around the current statement: what it will close, and its stack variable."""

    __slots__ = ("closed", "node", "stack", "stacked")

    def __init__(self, node: ast.AST, closed: State, stack: list[Place]) -> None:
        self.node = node
        self.closed = closed
        self.stack = stack
        self.stacked: set[Key] = set()
        """The keys of what the stack will close."""


class _Walker:
    def __init__(self, module: "Module", scope: Scope, operations: list[Operation], edges: "list[Edge]") -> None:
        self.module = module
        self.scope = scope
        self.found: list[UseAfterClose] = []
        self.reported: set[tuple[int, str]] = set()
        self.depth = 0
        self.steps = 0
        self.blocks: list[_Block] = []
        self.breaks: list[list[State]] = []
        self.continues: list[list[State]] = []
        self.attempts: list[State | None] = []
        """For each ``try`` around the current statement, the join of the states its handlers can start from."""
        self.by_statement: dict[ast.AST, list[Operation]] = {}
        statement = module.index.statement
        for operation in operations:
            self.by_statement.setdefault(statement(operation.node), []).append(operation)
        self.edges: dict[ast.AST, list[Edge]] = {}
        for edge in edges:
            self.edges.setdefault(statement(edge.node), []).append(edge)
        self.calls: dict[ast.AST, list[ast.Call]] = {}
        for call in module.index.calls:
            if module.index.scope_of_node[call].function is scope:
                self.calls.setdefault(statement(call), []).append(call)
        self.bindings: dict[ast.AST, list[Binding]] = {}
        for binding in _bindings_of(scope):
            if binding.how not in ("param", "def", "class", "import"):
                self.bindings.setdefault(statement(binding.node), []).append(binding)

    def run(self) -> list[UseAfterClose]:
        body: list[ast.stmt] = getattr(self.scope.node, "body", [])
        if _size(body) > MAX_STATEMENTS:
            return []
        try:
            self.block(body, {})
        except _TooMuch:
            return []
        return self.found

    # ------------------------------------------------------------------ statements

    def block(self, statements: list[ast.stmt], state: State | None) -> State | None:
        for statement in statements:
            if state is None:
                return None
            self.steps += 1
            if self.steps > MAX_STEPS or self.depth >= MAX_NESTING:
                raise _TooMuch
            self.depth += 1
            state = self._statement(statement, state)
            self.depth -= 1
            if state is not None:
                self._may_fail(state)
        return state

    def _may_fail(self, state: State) -> None:
        if self.attempts:
            self.attempts[-1] = _join(self.attempts[-1], state)

    def _statement(self, node: ast.stmt, state: State) -> State | None:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            return state
        if isinstance(node, ast.If):
            self.run_expressions(node, state)
            return self._if(node, state)
        if isinstance(node, LOOPS):
            return self._loop(node, state)
        if isinstance(node, WITHS):
            return self._with(node, state)
        if isinstance(node, TRIES):
            return self._try(node, state)
        if isinstance(node, ast.Match):
            self.run_expressions(node, state)
            result: State | None = None if any(_catches_all(case) for case in node.cases) else dict(state)
            for case in node.cases:
                result = _join(result, self.block(case.body, dict(state)))
            return result
        self.run_expressions(node, state)
        if isinstance(node, ast.Return):
            self._returned(node, state)
            return None
        if isinstance(node, ast.Break):
            if self.breaks:
                self.breaks[-1].append(state)
            return None
        if isinstance(node, ast.Continue):
            if self.continues:
                self.continues[-1].append(state)
            return None
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and _exits(self.module, node.value)):
            return None
        return state

    def _if(self, node: ast.If, state: State) -> State | None:
        body = self.block(node.body, dict(state))
        orelse = self.block(node.orelse, dict(state))
        if not node.orelse and body is not None and orelse is not None:
            # ``if client: client.close()``: where there is no client, there is nothing to use
            for key, status in body.items():
                closer = status[1]
                receiver = closer.func.value if isinstance(closer, ast.Call) and isinstance(closer.func, ast.Attribute) else None
                if status[0] == CLOSED and concerns(node.test, receiver) and (key not in orelse or orelse[key][0] != MAYBE):
                    orelse[key] = status
        return _join(body, orelse)

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While, state: State) -> State | None:
        self.run_expressions(node, state)
        if isinstance(node, ast.AsyncFor):
            self._async_for(node, state)
        if not isinstance(node, ast.While):
            self._rebound(node, state)
        endless = isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and bool(node.test.value)
        self.breaks.append([])
        self.continues.append([])
        back = self.block(node.body, dict(state))
        for each in self.continues[-1]:
            back = _join(back, each)
        after = None if endless else _join(dict(state), back)
        if back is not None and back != state:
            # the second iteration starts with what the first one left
            again = dict(back)
            if isinstance(node, ast.While):
                self.run_expressions(node, again)
            else:
                self._rebound(node, again)
            self.continues[-1] = []
            second = self.block(node.body, again)
            for each in self.continues[-1]:
                second = _join(second, each)
            after = after if endless else _join(after, second)
        self.continues.pop()
        left = self.breaks.pop()
        after = self.block(node.orelse, after)
        for each in left:
            after = _join(after, each)
        return after

    def _async_for(self, node: ast.AsyncFor, state: State) -> None:
        owner = self.module.inference.kind(self.module, node.iter)
        if owner is not None and owner.family in CURSORS:
            self._check(node.iter, owner, "async for", node.iter, state)

    def _with(self, node: ast.With | ast.AsyncWith, state: State) -> State | None:
        self._rebound(node, state)
        self.run_expressions(node, state)
        closed: State = {}
        stack: list[Place] = []
        swallows = False
        for item in node.items:
            bound = self._bound_by(item)
            for each in closed_by_item(self.module, item.context_expr):
                for key in self._keys_of_item(each, item, bound):
                    closed[key] = (CLOSED, node, each.family)
            values = self.module.values(item.context_expr)
            if any(isinstance(v, External) and v.path in STACKS for v in values):
                stack.extend((binding_base(b), "") for b in bound)
            call = item.context_expr
            swallows = swallows or (isinstance(call, ast.Call) and last_name(call.func) == "suppress")
        self.blocks.append(_Block(node, closed, stack))
        before = dict(state) if swallows else None
        if self.attempts and closed:
            # an error in the block passes through what closes
            self.attempts.append(dict(state))
            after = self.block(node.body, state)
            failed = self.attempts.pop()
            if failed is not None:
                failed.update(closed)
                self._may_fail(failed)
        else:
            after = self.block(node.body, state)
        self.blocks.pop()
        if before is not None:
            after = _join(before, after)
        if after is not None:
            after.update(closed)
        return after

    def _bound_by(self, item: ast.withitem) -> list[Binding]:
        names = [n for n in walk(item.optional_vars) if isinstance(n, ast.Name)] if item.optional_vars is not None else []
        return [b for n in names for b in self.scope.bindings.get(n.id, ()) if b.node is n or b.value is item.context_expr]

    def _keys_of_item(self, closed: Closed, item: ast.withitem, bound: list[Binding]) -> list[Key]:
        """The keys under which what a ``with`` item closes is known after its block."""
        module = self.module
        site = closed.driver.key()
        keys: list[Key] = []
        path = ""
        if unique(closed.driver, self.scope):
            keys.append(site)  # type: ignore[arg-type]
        if closed.node is item.context_expr:
            if closed.receiver is not None:
                alone = closed.family == "client" and _alone(module, closed.receiver)
                for place in exact(module, closed.receiver):
                    keys.append(("place", *place))
                    if alone:
                        keys.append(("via", place[0], site))
        else:
            # an object of the program closes what it holds
            path = closed.path_from_self()
            for base, prefix in exact(module, item.context_expr):
                keys.append(("via", base, site))
                if path:
                    keys.append(("place", base, prefix + path))
        given = module.values(item.optional_vars) if item.optional_vars is not None else ()
        drivers = [v for v in given if isinstance(v, Driver)]
        for binding in bound:
            base = binding_base(binding)
            keys.append(("via", base, site))
            if path:
                keys.append(("place", base, path))
            if drivers and all(_rooted(d, closed) for d in drivers):
                keys.append(("place", base, ""))
        return keys

    def _try(self, node: ast.stmt, state: State) -> State | None:
        final: list[ast.stmt] = node.finalbody  # type: ignore[attr-defined]
        handlers: list[ast.ExceptHandler] = node.handlers  # type: ignore[attr-defined]
        closed = self._closed_in(final)
        if closed:
            self.blocks.append(_Block(final[0], closed, []))
        self.attempts.append(dict(state))
        body = self.block(node.body, dict(state))  # type: ignore[attr-defined]
        failed = self.attempts.pop()
        result = self.block(node.orelse, body)  # type: ignore[attr-defined]
        for handler in handlers:
            result = _join(result, self.block(handler.body, dict(failed or {})))
        if closed:
            self.blocks.pop()
        if failed is not None:
            self._may_fail(failed)
        if not final:
            return result
        ended = self.block(final, dict(result) if result is not None else dict(failed or {}))
        return ended if result is not None else None

    def _closed_in(self, statements: list[ast.stmt]) -> State:
        """What the straight-line part of a ``finally`` closes."""
        found: State = {}
        pending: list[tuple[ast.stmt, tuple[ast.expr, ...]]] = [(s, ()) for s in statements]
        for _ in range(20):
            if not pending:
                break
            statement, tests = pending.pop(0)
            if isinstance(statement, ast.If) and not statement.orelse:
                pending.extend((s, (*tests, statement.test)) for s in statement.body)
            elif isinstance(statement, TRIES):
                pending.extend((s, tests) for s in statement.body)  # type: ignore[attr-defined]
            elif isinstance(statement, ast.Expr):
                for operation in self.by_statement.get(statement, ()):
                    closed = closes(self.module, operation)
                    if closed is not None and all(concerns(test, closed.receiver) for test in tests):
                        self._mark(closed, found)
                for edge in self.edges.get(statement, ()):
                    if not tests:
                        self._called(edge, found)
        return found

    # ------------------------------------------------------------------ expressions

    def run_expressions(self, statement: ast.AST, state: State) -> None:
        """Apply what a statement's own expressions do, in source order; then what it binds is fresh."""
        self._made(statement, state)
        edges = self.edges.get(statement, ())
        for edge in edges:
            self._reopened(edge, state)
        for operation in self.by_statement.get(statement, ()):
            if self._deferred(operation, statement):
                continue
            closed = closes(self.module, operation)
            if closed is not None:
                self._mark(closed, state)
                continue
            self._use(operation, state)
        for edge in edges:
            self._uses_in(edge, state)
            self._called(edge, state)
        resolved = {edge.node for edge in edges}
        for call in self.calls.get(statement, ()):
            entry = stack_entry(self.module, call)
            if entry is not None:
                self._stacked(entry, call)
            elif isinstance(call.func, ast.Attribute) and call.func.attr == "pop_all":
                self._unstacked(call.func.value)
            elif state and call not in resolved:
                self._unknown_call(call, state)
        if state:
            self._reads(statement, state)
        if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return, ast.If, ast.While, ast.Delete)):
            self._rebound(statement, state)

    def _rebound(self, statement: ast.AST, state: State) -> None:
        """What a statement binds is something new; a client that it makes is open."""
        if not state:
            return
        bases = {binding_base(b) for b in self.bindings.get(statement, ())}
        outer = {b.name for b in self.bindings.get(statement, ()) if b.name in self.scope.globals or b.name in self.scope.nonlocals}
        paths: list[Place] = []
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
            targets = [statement.target]
        for target in targets:
            for part in walk(target):
                if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
                    paths.extend(exact(self.module, part))
        for key in list(state):
            fresh = False
            if key[0] == "place":
                fresh = (
                    key[1] in bases
                    or (key[1], key[2]) in paths
                    or any(key[1] == base and str(key[2]).startswith(path + ".") for base, path in paths)
                )
                fresh = fresh or (isinstance(key[1], tuple) and key[1][0] == "outer" and key[1][2] in outer)
            elif key[0] == "via":
                fresh = (
                    key[1] in bases
                    or any(key[1] == base for base, _ in paths)
                    or (isinstance(key[1], tuple) and key[1][0] == "outer" and key[1][2] in outer)
                )
            if fresh:
                del state[key]

    def _made(self, statement: ast.AST, state: State) -> None:
        """A client that is made, or bound by ``:=``, inside the statement is open for the rest of it."""
        if not state:
            return
        parents = self.module.index.parents
        bases = {
            binding_base(b)
            for b in self.bindings.get(statement, ())
            if isinstance(parents.get(b.node), ast.NamedExpr) or isinstance(b.node, ast.NamedExpr)
        }
        made = {id(call) for call in self.calls.get(statement, ())}
        for key in list(state):
            if (key[0] in ("place", "via") and key[1] in bases) or (key[0] == "driver" and key[-1] in made):
                del state[key]

    def _deferred(self, operation: Operation, statement: ast.AST) -> bool:
        """Whether an operation stands in a lambda, or iterates for a generator expression that nobody reads yet."""
        current: ast.AST | None = operation.node
        parents = self.module.index.parents
        while current is not None and current is not statement:
            if isinstance(current, ast.Lambda):
                return True
            if isinstance(current, ast.GeneratorExp) and not isinstance(parents.get(current), (ast.Call, ast.YieldFrom)):
                return True
            current = parents.get(current)
        return False

    def _mark(self, closed: Closed, state: State) -> None:
        """Record that something is closed."""
        status = (CLOSED, closed.node, closed.family)
        receiver = closed.receiver
        if receiver is None:
            return
        key = closed.driver.key()
        alone = _alone(self.module, receiver)
        for place in exact(self.module, receiver):
            slot = ("place", *place)
            state[slot] = status
            if closed.family == "client" and alone:
                state[("via", place[0], key)] = status
        if alone and unique(closed.driver, self.scope):
            state[key] = status  # type: ignore[index]

    def _called(self, edge: "Edge", state: State) -> None:
        """Record what a function that is called here closes."""
        if edge.how != "call" or not isinstance(edge.node, ast.Call):
            return
        target = edge.target
        if target.scope.is_async and edge.node not in self.module.index.awaited:
            return
        if target.scope.yields:
            return
        for closed in ends(target):
            status = (CLOSED, edge.node, closed.family)
            driver = closed.driver
            alone = closed.receiver is None or _alone(target.module, closed.receiver)
            if alone and unique(driver, target.scope) and unique(driver, self.scope):
                state[driver.key()] = status  # type: ignore[index]
            places = exact(target.module, closed.receiver) if closed.receiver is not None else []
            for param in target.scope.params:
                path = next((p for b, p in places if b == ("local", id(param), "")), None)
                if path is None:
                    continue
                if target.bound and param is target.scope.params[0]:
                    given: ast.expr | None = edge.node.func.value if isinstance(edge.node.func, ast.Attribute) else None
                else:
                    bound = target.bound
                    given = self.module.inference.argument_for(edge.node, target.scope, param, skip_first=bound)
                if given is None:
                    continue
                for base, prefix in exact(self.module, given):
                    state[("place", base, prefix + path)] = status
                    if closed.family == "client" and path and alone:
                        state[("via", base, driver.key())] = status

    def _reopened(self, edge: "Edge", state: State) -> None:
        """A function that is called here may make what was closed anew."""
        if not state:
            return
        if any(status[2] == "session" for status in state.values()) and starts_session(edge.target):
            for key in [k for k, status in state.items() if status[2] == "session" and k[0] in ("place", "via")]:
                del state[key]
        made = opened_by(edge.target)
        if not made:
            return
        for key in list(state):
            if key[0] == "place":
                stale = bool(key[2]) or (isinstance(key[1], tuple) and key[1][0] == "outer")
            elif key[0] == "via":
                site = key[2]
                stale = isinstance(site, tuple) and site[-1] in made
            else:
                stale = key[-1] in made
            if stale:
                del state[key]

    def _unknown_call(self, call: ast.Call, state: State) -> None:
        """A method of ``self`` that we cannot see may open again what ``self`` holds."""
        func = call.func
        if not isinstance(func, ast.Attribute) or not isinstance(func.value, ast.Name) or func.value.id not in ("self", "cls"):
            return
        if any(isinstance(v, (Function, Method)) for v in self.module.values(func)):
            return
        bases = {base for base, _ in exact(self.module, func.value)}
        for key in list(state):
            if key[0] in ("place", "via"):
                if key[1] in bases:
                    del state[key]
            else:
                del state[key]

    def _stacked(self, entry: tuple[ast.expr, list[Closed]], call: ast.Call) -> None:
        """What an exit stack will close when its block ends."""
        block = self._block_of(entry[0])
        if block is None:
            return
        found: State = {}
        for closed in entry[1]:
            self._mark(closed, found)
        for binding in self.bindings.get(self.module.index.statement(call), ()):
            if binding.value is call:
                for closed in entry[1]:
                    found[("place", binding_base(binding), "")] = (CLOSED, call, closed.family)
        for key, status in found.items():
            block.closed[key] = (CLOSED, block.node, status[2])
            block.stacked.add(key)

    def _unstacked(self, stack: ast.expr) -> None:
        """``stack.pop_all()``: what was entered outlives the block of the stack."""
        block = self._block_of(stack)
        if block is not None:
            for key in block.stacked:
                block.closed.pop(key, None)
            block.stacked.clear()

    def _block_of(self, stack: ast.expr) -> _Block | None:
        """The ``with`` around the current statement that an exit stack belongs to."""
        places = exact(self.module, stack)
        return next((b for b in reversed(self.blocks) if any(p in b.stack for p in places)), None)

    # ------------------------------------------------------------------ uses

    def _use(self, operation: Operation, state: State) -> None:
        if not state:
            return
        if operation.session is not None:
            for value in self.module.values(operation.session):
                if isinstance(value, Driver) and value.family == "session":
                    status = self._status(operation.session, (value,), "session", state)
                    if status is not None:
                        self._report(operation.node, "session", value, operation.name, status[1])
                        return
        if operation.io or (operation.owner.family in _FAMILIES and operation.name in _TRANSACTION):
            call = operation.call
            receiver = call.func.value if call is not None and isinstance(call.func, ast.Attribute) else operation.node
            self._check(operation.node, operation.owner, operation.name, receiver, state)

    def _check(self, node: ast.AST, owner: Driver, name: str, receiver: ast.AST, state: State) -> None:
        if owner.family == "session" or owner.root("session") is not None:
            status = self._status(receiver, self._drivers(receiver, owner), "session", state)
            if status is not None:
                self._report(node, "session", owner, name, status[1])
                return
        elif owner.family in CURSORS:
            session = self._session_of(owner, receiver)
            if session is not None:
                status = self._status(session[0], (session[1],), "session", state)
                if status is not None:
                    self._report(node, "session", owner, name, status[1])
                    return
        status = self._status(receiver, self._drivers(receiver, owner), "client", state)
        if status is not None:
            self._report(node, "client", owner, name, status[1])

    def _drivers(self, receiver: ast.AST, owner: Driver) -> tuple[Driver, ...]:
        """What the receiver can be; empty when it can also be something else."""
        values = self.module.values(receiver)
        drivers = tuple(v for v in values if isinstance(v, Driver))
        if any(not isinstance(v, (Driver, Const)) and v is not NOTHING for v in values):
            return ()
        return drivers or (owner,)

    def _status(self, expression: ast.AST, drivers: tuple[Driver, ...], family: str, state: State) -> tuple[int, ast.AST, str] | None:
        """The closed state of what an expression depends on, or None when it may be open."""
        places = origins(self.module, expression) if family == "client" else exact(self.module, expression)
        for place in places:
            status = state.get(("place", *place))
            if status is not None and status[2] == family:
                if status[0] == CLOSED:
                    return status
                return None
        if not drivers:
            return None
        bases = list(dict.fromkeys(place[0] for place in places))
        result: tuple[int, ast.AST, str] | None = None
        for driver in drivers:
            held = driver.root(family)
            if held is None:
                return None
            site: Key = held.key()  # type: ignore[assignment]
            status = state.get(site)
            for base in bases:
                status = status or state.get(("via", base, site))
            if status is None or status[0] != CLOSED or status[2] != family:
                return None
            result = status
        return result

    def _uses_in(self, edge: "Edge", state: State) -> None:
        """A function that is called here and uses what is closed."""
        if not state or edge.how != "call" or not isinstance(edge.node, ast.Call):
            return
        target = edge.target
        if target.scope.is_async and edge.node not in self.module.index.awaited:
            return
        receiver = edge.node.func.value if isinstance(edge.node.func, ast.Attribute) else None
        if self._uses_session_in(edge, edge.node, receiver, state):
            return
        used = used_by(target)
        if not used or opened_by(target) or ends(target):
            return
        bases = [p[0] for p in exact(self.module, receiver)] if receiver is not None else []
        for operation, client in used:
            key: Key = client.key()  # type: ignore[assignment]
            status = state.get(key)
            if target.bound:
                for base in bases:
                    status = status or state.get(("via", base, key))
            if status is not None and status[0] == CLOSED and status[2] == "client":
                self._report(edge.node, "client", operation.owner, target.scope.name, status[1])
                return

    def _uses_session_in(self, edge: "Edge", call: ast.Call, receiver: ast.expr | None, state: State) -> bool:
        """A function that is called here and works with a session that has ended: the one it is given, or that of its object."""
        target = edge.target
        if not any(status[0] == CLOSED and status[2] == "session" for status in state.values()):
            return False
        if starts_session(target) or ends(target):
            return False
        bound = target.bound
        for operation, param in sessions_given_to(target):
            given = self.module.inference.argument_for(call, target.scope, param, skip_first=bound)
            for session in self.module.values(given) if given is not None else ():
                if given is not None and isinstance(session, Driver) and session.family == "session":
                    status = self._status(given, (session,), "session", state)
                    if status is not None:
                        self._report(edge.node, "session", operation.owner, target.scope.name, status[1])
                        return True
        if target.receiver is None or receiver is None:
            return False
        for operation, session, path in sessions_used_by(target):
            for base, prefix in exact(self.module, receiver):
                status = state.get(("place", base, prefix + path)) or state.get(("via", base, session.key()))
                if status is not None and status[0] == CLOSED and status[2] == "session":
                    self._report(edge.node, "session", operation.owner, target.scope.name, status[1])
                    return True
        return False

    def _reads(self, statement: ast.AST, state: State) -> None:
        """Reads of cursors that are no operations of their own: ``cursor[0]``, and ``async for`` in a comprehension."""
        if isinstance(statement, (*LOOPS, *TRIES, *WITHS, ast.If, ast.Match)):
            return
        kind = self.module.inference.kind
        for node in walk(statement):
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and not isinstance(node.slice, ast.Slice):
                owner = kind(self.module, node.value)
                if owner is not None and owner.family == "cursor" and owner.flavour == "sync":
                    self._check(node, owner, "[]", node.value, state)
            elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp)):
                for generator in node.generators:
                    owner = kind(self.module, generator.iter) if generator.is_async else None
                    if owner is not None and owner.family in CURSORS:
                        self._check(generator.iter, owner, "async for", generator.iter, state)

    def _report(
        self,
        node: ast.AST,
        family: str,
        owner: Driver,
        name: str,
        closed_at: ast.AST,
        *,
        escapes: bool = False,
        value: ast.expr | None = None,
    ) -> None:
        key = (id(node), family)
        if key in self.reported or self._expected(node):
            return
        self.reported.add(key)
        self.found.append(UseAfterClose(self.module, node, self.scope, family, owner, name, closed_at, escapes=escapes, value=value))

    def _expected(self, node: ast.AST) -> bool:
        """Whether the code expects the failure: a test that asserts it, or a handler of InvalidOperation."""
        if expects_failure(self.module, node):
            return True
        child = node
        for up in self.module.index.ancestors(node):
            if isinstance(up, TRIES) and child in up.body:  # type: ignore[attr-defined]
                for handler in up.handlers:  # type: ignore[attr-defined]
                    if handler.type is not None and self._names_invalid_operation(handler.type):
                        return True
            elif isinstance(up, WITHS):
                for item in up.items:
                    made = item.context_expr
                    if (
                        isinstance(made, ast.Call)
                        and last_name(made.func) == "suppress"
                        and any(map(self._names_invalid_operation, made.args))
                    ):
                        return True
            elif isinstance(up, (*FUNCTIONS, ast.Lambda)):
                return False
            child = up
        return False

    def _names_invalid_operation(self, types: ast.expr) -> bool:
        for part in walk(types):
            if last_name(part) == "InvalidOperation":
                return True
            if isinstance(part, (ast.Name, ast.Attribute)):
                if any(isinstance(v, External) and v.path == "pymongo.errors.InvalidOperation" for v in self.module.values(part)):
                    return True
        return False

    # ------------------------------------------------------------------ what is returned

    def _returned(self, node: ast.Return, state: State) -> None:
        if node.value is None or not (self.blocks or state):
            return
        for expression, families in self._parts(node.value):
            for owner, family, receiver, held in self._lazy(expression, families):
                drivers = (held,)
                # a fix can read the whole only where it is the lazy object itself, whatever path was taken
                values = self.module.values(expression)
                alone = expression is node.value and all(isinstance(v, Driver) and v.family in CURSORS for v in values)
                value = node.value if alone else None
                name = next((v.scope.name for v in values if isinstance(v, Function)), "")
                for block in reversed(self.blocks):
                    if block.closed and self._status(receiver, drivers, family, block.closed) is not None:
                        self._report(node, family, owner, name, block.node, escapes=True, value=value)
                        return
                if owner.family in _FAMILIES:
                    continue
                status = self._status(receiver, drivers, family, state)
                if status is not None:
                    self._report(node, family, owner, "", status[1])
                    return

    def _parts(self, expression: ast.expr) -> list[tuple[ast.expr, frozenset[str]]]:
        """The expressions whose objects a returned expression hands out, with the families that matter there."""
        found: list[tuple[ast.expr, frozenset[str]]] = []
        pending: list[tuple[ast.expr, frozenset[str]]] = [(expression, _LAZY | {"client", "session"})]
        for _ in range(60):
            if not pending:
                break
            node, families = pending.pop(0)
            if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
                pending.extend((e, families) for e in node.elts)
            elif isinstance(node, ast.Dict):
                pending.extend((e, families) for e in node.values)
            elif isinstance(node, ast.IfExp):
                pending.extend(((node.body, families), (node.orelse, families)))
            elif isinstance(node, ast.BoolOp):
                pending.extend((e, families) for e in node.values)
            elif isinstance(node, ast.NamedExpr):
                pending.append((node.value, families))
            elif isinstance(node, ast.GeneratorExp):
                pending.append((node.generators[0].iter, CURSORS))
            elif isinstance(node, ast.Call) and self._reads_later(node):
                pending.extend((a, CURSORS) for a in node.args)
            else:
                found.append((node, families))
        return found

    def _reads_later(self, call: ast.Call) -> bool:
        values = self.module.values(call.func)
        return bool(values) and all(isinstance(v, External) and (v.path in _LAZY_CALLS or v.path.startswith("itertools.")) for v in values)

    def _lazy(self, expression: ast.expr, families: frozenset[str]) -> list[tuple[Driver, str, ast.AST, Driver]]:
        """Lazy objects that an expression hands out: each with the family it depends on, what names that, and what it is."""
        found: list[tuple[Driver, str, ast.AST, Driver]] = []
        for value in self.module.values(expression):
            if isinstance(value, Generator):
                found.extend((owner, "client", expression, owner) for owner in self._generated(value.origin))
            elif isinstance(value, Function):
                found.extend((owner, "client", expression, owner) for owner in self._generated(value))
            if not isinstance(value, Driver) or value.family not in families:
                continue
            if value.family == "session":
                found.append((value, "session", expression, value))
                continue
            session = self._session_of(value, expression)
            if session is not None:
                found.append((value, "session", session[0], session[1]))
            if value.root("client") is not None:
                found.append((value, "client", expression, value))
        return found

    def _generated(self, origin: Function | None) -> list[Driver]:
        """What a function or generator defined inside this one will read when it is called or iterated."""
        if origin is None or origin.scope.parent is None or origin.scope.parent.function is not self.scope:
            return []
        found: list[Driver] = []
        for operation in self.module.facts(Operation):
            if operation.scope.function is origin.scope and operation.io:
                client = operation.owner.root("client")
                if client is not None and client.site is not None and self.module.index.scope(client.site.node).function is self.scope:
                    found.append(operation.owner)
        return found

    def _session_of(self, cursor: Driver, expression: ast.AST) -> tuple[ast.expr, Driver] | None:
        """The session that a cursor was made with, and the expression of this file that names it."""
        site = cursor.site
        if cursor.family not in CURSORS or site is None:
            return None
        given = next((g for n in walk(site.node) if isinstance(n, ast.Call) and (g := keyword(n, "session")) is not None), None)
        if given is None:
            return None
        maker = site.module.index.scope(given).function
        if isinstance(given, ast.Name) and maker is not self.scope:
            # ``store.rows(session)``: what the call that made this very cursor hands over
            called = self._call_of(maker, expression)
            param = next((arg for arg in maker.params if arg.arg == given.id), None)
            if called is not None and param is not None:
                bound = called[1].receiver is not None and maker.cls is not None
                handed = self.module.inference.argument_for(called[0], maker, param, skip_first=bound)
                return self._as_session(handed)
        return self._as_session(given) if site.module is self.module else None

    def _as_session(self, given: ast.expr | None) -> tuple[ast.expr, Driver] | None:
        for value in self.module.values(given) if given is not None else ():
            if given is not None and isinstance(value, Driver) and value.family == "session":
                return given, value
        return None

    def _call_of(self, maker: Scope, expression: ast.AST) -> tuple[ast.Call, Function] | None:
        """The call of a function that gives what an expression stands for, also behind a name and ``.sort(…)``."""
        current = expression
        if isinstance(current, ast.Name):
            scope = self.module.index.scope(current).binder(current.id)
            reaching = self.module.index.reaching(scope, current.id, current) if scope is not None else []
            if len(reaching) == 1 and reaching[0].how == "assign" and not reaching[0].path and isinstance(reaching[0].value, ast.expr):
                current = reaching[0].value
        while isinstance(current, ast.Call):
            for value in self.module.values(current.func):
                if isinstance(value, Function) and value.scope is maker:
                    return current, value
            if not isinstance(current.func, ast.Attribute):
                break
            current = current.func.value
        return None


def _bindings_of(scope: Scope) -> list[Binding]:
    """What a function binds: its own names, and those of outer scopes that it declares ``global`` or ``nonlocal``."""
    found = [binding for bindings in scope.bindings.values() for binding in bindings]
    outer = scope.parent
    while outer is not None and (scope.globals or scope.nonlocals):
        names = scope.globals if outer.kind == "module" else scope.nonlocals
        found.extend(b for name in names for b in outer.bindings.get(name, ()) if b.scope.function is scope)
        outer = outer.parent
    return found


def _rooted(driver: Driver, closed: Closed) -> bool:
    """Whether an object depends on what is closed: it is it, or for a client, was made from it."""
    if closed.family == "session":
        return driver.family == "session" and driver.key() == closed.driver.key()
    root = driver.root("client")
    return root is not None and root.key() == closed.driver.key()


def _alone(module: "Module", receiver: ast.expr) -> bool:
    """Whether an expression can be one driver object only, as far as the places go that make it."""
    return len({v.key() for v in module.values(receiver) if isinstance(v, Driver)}) == 1


def _catches_all(case: ast.match_case) -> bool:
    return case.guard is None and isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None


def _exits(module: "Module", value: ast.expr) -> bool:
    if not isinstance(value, ast.Call):
        return False
    return any(
        isinstance(v, External) and v.path in ("sys.exit", "os._exit", "builtins.exit", "builtins.quit") for v in module.values(value.func)
    )


def _size(body: list[ast.stmt]) -> int:
    """The number of statements of a body, nested blocks included."""
    count = 0
    pending: list[ast.AST] = list(body)
    while pending and count <= MAX_STATEMENTS:
        node = pending.pop()
        if isinstance(node, ast.stmt):
            count += 1
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            continue
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            part = getattr(node, field, None)
            if isinstance(part, list):
                pending.extend(part)
    return count


def _join(first: State | None, second: State | None) -> State | None:
    """What holds when either path was taken: closed only where both are; a missing entry is open."""
    if first is None:
        return dict(second) if second is not None else None
    if second is None:
        return dict(first)
    result: State = {}
    for key in {*first, *second}:
        a, b = first.get(key), second.get(key)
        either = a or b
        if a is not None and b is not None and a[0] == b[0]:
            result[key] = a
        elif either is not None:
            result[key] = (MAYBE, either[1], either[2])
    return result


PRODUCERS[UseAfterClose] = uses_after_close
