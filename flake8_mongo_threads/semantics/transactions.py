"""Transactions and bound sessions as regions of code, and what runs inside them.

A transaction is open inside the ``with`` block of ``start_transaction``, between a plain ``start_transaction`` and the
commit or abort that follows it, inside the callback of ``with_transaction``, and inside the ``with`` block of a context
manager of the program whose ``yield`` stands in one. ``bind()`` opens a region in which operations use the session
without being given it. Functions called inside a region run inside it, also those of other modules.
"""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import spawners
from flake8_mongo_threads.findings import Span, Step
from flake8_mongo_threads.semantics.facts import PRODUCERS, Operation, operations_in
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.sharing import exclusive, joined_between, under_lock, waits_for_each, worker_objects
from flake8_mongo_threads.semantics.spawns import COPYING, Work, flatten, relays
from flake8_mongo_threads.semantics.syntax import FUNCTIONS, argument, ends, has_star, keyword, path_key
from flake8_mongo_threads.semantics.values import (
    NOTHING,
    Awaitable,
    Class,
    Driver,
    External,
    Function,
    Instance,
    Manager,
    Method,
    Partial,
    Value,
    known,
)

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

MAX_DEPTH = 6
MAX_PIECES = 200

PARTICIPANTS = frozenset(
    (
        "insert_one", "insert_many", "update_one", "update_many", "replace_one", "delete_one", "delete_many", "bulk_write", "find", "find_one", "find_raw_batches",
        "find_one_and_update", "find_one_and_replace", "find_one_and_delete", "aggregate", "aggregate_raw_batches", "count_documents", "distinct",
    )
)  # fmt: skip
"""Operations that belong into the transaction around them: reads and writes of documents. Commands, indexes and schema
are left out, a transaction either does not allow them or they are meant to stay outside."""

ENDERS = frozenset(("commit_transaction", "abort_transaction", "end_session"))
_JOINED = ("gather", "wait_for", "shield")

Position = tuple[int, int]


def start_of(node: ast.AST) -> Position:
    """Line and byte column at which a node begins."""
    return (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))


def end_of(node: ast.AST) -> Position:
    """Line and byte column at which a node ends."""
    return (getattr(node, "end_lineno", 0) or 0, getattr(node, "end_col_offset", 0) or 0)


def same_session(first: Driver | None, second: Driver | None) -> bool:
    """Whether two values are one session: they come from one place."""
    if first is None or second is None:
        return False
    return first is second or (first.site is not None and first.key() == second.key())


class Region:
    """Code of one function during which a transaction is open, or a session is bound.

    ``how`` is with, manual, callback, manager, decorator or dependency; ``node`` the call that opens it; ``receiver`` the expression of the
    session there, or None; ``name`` what the session is called inside, empty where it has no name.
    """

    __slots__ = ("enders", "first", "how", "kind", "last", "module", "name", "node", "receiver", "scope", "session")

    def __init__(
        self,
        module: "Module",
        scope: Scope,
        kind: str,
        how: str,
        node: ast.AST,
        session: Driver | None,
        name: str,
        first: Position,
        last: Position,
        enders: tuple[ast.AST, ...] = (),
        receiver: ast.AST | None = None,
    ) -> None:
        self.module = module
        self.scope = scope
        self.kind = kind
        self.how = how
        self.node = node
        self.session = session
        self.name = name
        self.first = first
        self.last = last
        self.enders = enders
        self.receiver = receiver

    def covers(self, node: ast.AST) -> bool:
        """Whether a node of the same function certainly runs while the region is open."""
        at = start_of(node)
        if not self.first <= at < self.last:
            return False
        if self.how != "manual":
            return True
        index = self.module.index
        root = self.scope.node
        blocks = {(id(owner), field): position for owner, field, position in index.block_path(node, root)}
        path = _through_withs(index.block_path(self.node, root))
        if not any((id(owner), field) in blocks for owner, field, _ in path):
            return False
        return all(start_of(ender) >= at or _other_way(self.module, ender, blocks) for ender in self.enders)

    def step(self) -> Step:
        """Where the region begins, as one hop of a witness."""
        return self.module.step(self.node, "the session is bound here" if self.kind == "bind" else "the transaction begins here")


def _through_withs(path: list[tuple[ast.AST, str, int]]) -> list[tuple[ast.AST, str, int]]:
    """The blocks that a statement is certain to run in: its own, and those around it that only ``with`` and ``try`` separate."""
    found = []
    for owner, field, position in path:
        found.append((owner, field, position))
        if not isinstance(owner, (ast.With, ast.AsyncWith)):
            break
    return found


def _other_way(module: "Module", ender: ast.AST, blocks: dict[tuple[int, str], int]) -> bool:
    """Whether code that passed an end of the transaction never comes to a place: another branch, or one that leaves."""
    for owner, field, _ in module.index.block_path(ender, module.index.tree):
        if (id(owner), field) in blocks:
            return False
        block = getattr(owner, field, None)
        if isinstance(block, list) and block and isinstance(block[0], ast.stmt) and ends(block):
            return True
        if isinstance(owner, ast.If) and (id(owner), "orelse" if field == "body" else "body") in blocks:
            return True
    return False


# ---------------------------------------------------------------------- the regions of one function


def regions(module: "Module", scope: Scope) -> list[Region]:
    """The transactions and binds that a function's own code opens."""

    def compute() -> list[Region]:
        found = [r for node, where in _withs(module, scope) for r in _entered(module, where.function, node)]
        found.extend(_called(module, scope.function))
        return found

    result: list[Region] = module.remember("transaction regions", scope.function, compute, [])
    return result


def _withs(module: "Module", scope: Scope) -> list[tuple[ast.With | ast.AsyncWith, Scope]]:
    def compute() -> dict[Scope, list[tuple[ast.With | ast.AsyncWith, Scope]]]:
        table: dict[Scope, list[tuple[ast.With | ast.AsyncWith, Scope]]] = {}
        for node, where in module.index.withs:
            table.setdefault(where.function, []).append((node, where))
        return table

    table: dict[Scope, list[tuple[ast.With | ast.AsyncWith, Scope]]] = module.remember(
        "withs by function", module.index.module_scope, compute, {}
    )
    return table.get(scope.function, [])


def _entered(module: "Module", scope: Scope, node: ast.With | ast.AsyncWith) -> list[Region]:
    found: list[Region] = []
    for item in node.items:
        expression = item.context_expr
        opened = _opened(module, expression)
        first, last = end_of(item.optional_vars or expression), end_of(node)
        if opened is not None:
            kind, session, call = opened
            receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
            name = path_key(receiver) if receiver is not None else ""
            found.append(Region(module, scope, kind, "with", call, session, name, first, last, receiver=receiver))
            continue
        for kind, session in _managed(module, expression):
            name = path_key(item.optional_vars) if item.optional_vars is not None and _is_session(module, item.optional_vars) else ""
            found.append(Region(module, scope, kind, "manager", expression, session, name, first, last))
    return found


def _is_session(module: "Module", node: ast.AST) -> bool:
    kind = module.inference.kind(module, node)
    return kind is not None and kind.family == "session"


def _opened(module: "Module", expression: ast.expr) -> tuple[str, Driver | None, ast.Call] | None:
    """The kind of region, the session and the call, when an expression is what ``start_transaction`` or ``bind`` gave."""
    values = list(known(module.values(expression)))
    if len(values) == 1 and isinstance(values[0], Awaitable):
        values = list(known(values[0].values))  # an ``await`` is missing: the transaction is meant all the same
    if len(values) != 1:
        return None
    value = values[0]
    if not isinstance(value, Driver) or value.family not in ("transaction", "bind") or value.site is None:
        return None
    call = value.site.node
    if not isinstance(call, ast.Call):
        return None
    return (value.family, value.parent, call)


def _managed(module: "Module", expression: ast.expr) -> list[tuple[str, Driver | None]]:
    """What entering a context manager of the program leaves open: the regions around its ``yield``, or those of ``__enter__``."""
    found: list[tuple[str, Driver | None]] = []
    for value in module.values(expression.func) if isinstance(expression, ast.Call) else ():
        if isinstance(value, Function) and value.scope.yields and not isinstance(value.scope.node, ast.Lambda):
            for point in value.scope.yields[:1]:
                found.extend((r.kind, r.session) for r in regions(value.module, value.scope) if r.covers(point))
        elif isinstance(value, Class):
            found.extend(_entered_class(value))
    if found:
        return found
    # an object, or a manager, that a name or a factory gives
    values = known(module.values(expression))
    if len(values) == 1 and isinstance(values[0], Instance):
        return _entered_class(values[0].cls)
    if len(values) == 1 and isinstance(values[0], Manager) and values[0].call is not None:
        made = values[0].call
        if isinstance(made.node, ast.Call) and made.node is not expression:
            return _managed(made.module, made.node)
    return found


def _entered_class(cls: Class) -> list[tuple[str, Driver | None]]:
    """What ``__enter__`` of a class of the program leaves open."""
    for name in ("__enter__", "__aenter__"):
        method = cls.module.inference.method_of(Instance(cls), name)
        if method is not None:
            home, scope = method.module, method.scope
            return [
                (r.kind, r.session)
                for r in regions(home, scope)
                if r.how == "manual" and not any(_is_call_in(home, e, scope) for e in r.enders)
            ]
    return []


def _is_call_in(module: "Module", node: ast.AST, scope: Scope) -> bool:
    return module.index.scope(node).function is scope


def _called(module: "Module", scope: Scope) -> list[Region]:
    """Transactions started by a plain call, and what an exit stack enters."""
    found: list[Region] = []
    methods = module.calls.of(scope).methods
    end = end_of(scope.node) if scope.kind != "module" else (1 << 30, 0)
    for call, _, method in methods:
        if method.owner.family != "session" or method.name not in ("start_transaction", "bind"):
            continue
        receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
        name = path_key(receiver) if receiver is not None else ""
        up = module.index.parents.get(call)
        outer = module.index.parents.get(up) if isinstance(up, ast.Await) else up
        if (
            isinstance(outer, ast.Call)
            and isinstance(outer.func, ast.Attribute)
            and outer.func.attr in ("enter_context", "enter_async_context")
        ):
            kind = "bind" if method.name == "bind" else "transaction"
            found.append(
                Region(
                    module, scope, kind, "with", call, method.owner, name, end_of(outer), _stack_end(module, outer, end), receiver=receiver
                )
            )
        elif method.name == "start_transaction" and (isinstance(outer, ast.Expr) or _dropped(module, outer)):
            found.append(
                Region(
                    module,
                    scope,
                    "transaction",
                    "manual",
                    call,
                    method.owner,
                    name,
                    end_of(call),
                    end,
                    (*_enders(module, scope, method.owner), *_deletions(scope, receiver)),
                    receiver,
                )
            )
    return found


def _dropped(module: "Module", statement: ast.AST | None) -> bool:
    """Whether an assignment keeps a value under a name that nothing reads."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1 or not isinstance(statement.targets[0], ast.Name):
        return False
    index = module.index
    function = index.scope(statement.targets[0]).function
    return function.kind != "module" and all(
        index.scope(load).function is not function for load in index.name_loads.get(statement.targets[0].id, ())
    )


def _stack_end(module: "Module", call: ast.Call, end: Position) -> Position:
    stack = path_key(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    for up in module.index.ancestors(call):
        if isinstance(up, FUNCTIONS):
            break
        if isinstance(up, (ast.With, ast.AsyncWith)) and any(
            i.optional_vars is not None and path_key(i.optional_vars) == stack for i in up.items
        ):
            return end_of(up)
    return end


def _enders(module: "Module", scope: Scope, session: Driver) -> list[ast.AST]:
    """What may end a transaction in a function: its own calls, and calls of functions that get the session and end it."""
    calls = module.calls.of(scope)
    found: list[ast.AST] = [call for call, _, method in calls.methods if method.name in ENDERS and same_session(method.owner, session)]
    for edge in calls.edges:
        if isinstance(edge.node, ast.Call) and _given(module, edge.node, session) and ends_transaction(edge.target):
            found.append(edge.node)
    return found


def _deletions(scope: Scope, receiver: ast.AST | None) -> list[ast.AST]:
    """Where ``del session`` ends the session."""
    bindings = scope.function.bindings.get(receiver.id, ()) if isinstance(receiver, ast.Name) else ()
    return [b.node for b in bindings if b.how == "del"]


def _given(module: "Module", call: ast.Call, session: Driver) -> bool:
    return any(
        isinstance(v, Driver) and same_session(v, session)
        for a in (*call.args, *(k.value for k in call.keywords))
        for v in module.values(a.value if isinstance(a, ast.Starred) else a)
    )


def ends_transaction(function: Function, depth: int = 0, ways: tuple[str, ...] = ("commit_transaction", "abort_transaction")) -> bool:
    """Whether a function, or one it calls, commits or aborts some transaction: in one of some ways."""
    module, scope = function.module, function.scope
    if depth > MAX_DEPTH:
        return False

    def compute() -> bool:
        if any(module.index.scope(node).function is scope for name in ways for node in module.index.attribute_loads.get(name, ())):
            return True
        return any(
            ends_transaction(edge.target, depth + 1, ways)
            for edge in module.calls.inside(scope)
            if edge.target.scope is not scope and edge.how != "wrap"
        )

    result: bool = module.remember(f"ends a transaction by {ways}", scope, compute, False)
    return result


# ---------------------------------------------------------------------- callbacks


class Callback:
    """A function that a ``with_transaction`` call of this module runs."""

    __slots__ = ("call", "function", "method", "scope", "target")

    def __init__(self, call: ast.Call, scope: Scope, method: Method, function: Function, target: ast.expr) -> None:
        self.call = call
        self.scope = scope
        self.method = method
        self.function = function
        self.target = target

    @property
    def name(self) -> str:
        """The callback, for a message."""
        return "the lambda" if self.function.scope.kind == "lambda" else f"'{self.function.scope.name}'"


def callbacks(module: "Module") -> list[Callback]:
    """Every function of the program that is handed to ``with_transaction``: directly, through partial, as an object that is called."""
    found: list[Callback] = []
    for call, scope, method in module.calls.methods:
        if method.name != "with_transaction" or method.owner.family != "session":
            continue
        target = argument(call, 0, "callback")
        if target is None:
            continue
        pending: list[Value] = list(module.values(target))
        for _ in range(16):
            if not pending:
                break
            value = pending.pop(0)
            if isinstance(value, Function):
                found.append(Callback(call, scope, method, value, target))
            elif isinstance(value, Partial):
                pending.extend(value.target)
            elif isinstance(value, Instance):
                called = module.inference.method_of(value, "__call__")
                if called is not None:
                    found.append(Callback(call, scope, method, called, target))
    return found


def session_parameter(function: Function) -> str:
    """The parameter that gets the session of ``with_transaction``."""
    positional = function.scope.positional
    if function.bound:
        positional = positional[1:]
    return positional[0].arg if positional else ""


# ---------------------------------------------------------------------- what runs inside


class Piece:
    """Code that runs while a transaction is open: part of the function that opens it, a callback, or a function called there.

    ``anchor`` is the call of the linted module that leads to code of another module, else None. ``absent`` are the
    parameters that no caller supplies and that are None for that reason, with the call that leaves them out; ``names``
    what the session of the transaction is called in this function.
    """

    __slots__ = ("absent", "anchor", "bound", "depth", "module", "names", "region", "scope", "steps", "within")

    def __init__(
        self,
        module: "Module",
        scope: Scope,
        region: Region,
        within: Region | None,
        anchor: ast.AST | None,
        bound: bool,
        absent: "dict[str, tuple[Module, ast.AST]]",
        steps: tuple[Step, ...],
        depth: int,
        names: frozenset[str],
    ) -> None:
        self.module = module
        self.scope = scope
        self.region = region
        self.within = within
        self.anchor = anchor
        self.bound = bound
        self.absent = absent
        self.steps = steps
        self.depth = depth
        self.names = names

    def covers(self, node: ast.AST) -> bool:
        """Whether a node of the function is part of the piece."""
        return self.within is None or self.within.covers(node)

    def is_bound(self, node: ast.AST) -> bool:
        """Whether a bound session is in force at a node, so that operations need not name one."""
        if self.bound or any(r.kind == "bind" and r.covers(node) for r in regions(self.module, self.scope)):
            return True
        return any(self._binds(up) for up in self.module.index.ancestors(node))

    def _binds(self, node: ast.AST) -> bool:
        """Whether a ``with`` binds the session of the transaction, also where that session is known by its name alone."""
        return isinstance(node, (ast.With, ast.AsyncWith)) and any(
            isinstance(item.context_expr, ast.Call)
            and isinstance(item.context_expr.func, ast.Attribute)
            and item.context_expr.func.attr == "bind"
            and path_key(item.context_expr.func.value) in self.names
            for item in node.items
        )

    def is_session(self, node: ast.AST) -> bool:
        """Whether an expression of the function is the session of the transaction."""
        if path_key(node) in self.names:
            return True
        return any(isinstance(v, Driver) and same_session(v, self.region.session) for v in self.module.values(node))

    def session_calls(self, *names: str) -> list[ast.Call]:
        """The calls of some methods of the transaction's session, in source order."""
        index = self.module.index
        found = []
        for name in names:
            for node in index.attribute_loads.get(name, ()):
                call = index.parents.get(node)
                if (
                    isinstance(call, ast.Call)
                    and call.func is node
                    and index.scope(call).function is self.scope
                    and self.covers(call)
                    and self.is_session(node.value)
                ):
                    found.append(call)
        return sorted(found, key=start_of)

    def operations(self) -> list[Operation]:
        """The operations of the piece."""
        return [o for o in operations_in(self.module, self.scope) if o.scope.function is self.scope.function and self.covers(o.node)]


class Inside:
    """The code that runs inside the transactions that this module starts."""

    __slots__ = ("pieces",)

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces


def inside(module: "Module") -> list[Inside]:
    """One fact a file."""
    pending: list[Piece] = []
    if not module.project.mentions("_transaction"):
        return [Inside([])]
    for scope in [module.index.module_scope, *module.index.functions, *module.index.lambdas]:
        for region in regions(module, scope):
            if region.kind == "transaction":
                pending.append(
                    Piece(
                        module,
                        scope,
                        region,
                        region,
                        None,
                        bound_at(module, scope, region.node, lexical=False),
                        {},
                        (region.step(),),
                        0,
                        frozenset((region.name,)) - {""},
                    )
                )
    for callback in callbacks(module):
        function = callback.function
        home = function.module
        scope = function.scope
        region = Region(
            home, scope, "transaction", "callback", callback.call, callback.method.owner, session_parameter(function), (0, 0), (1 << 30, 0)
        )
        bound = bound_at(module, callback.scope, callback.call)
        steps = (module.step(callback.call, f"with_transaction runs {'the lambda' if scope.kind == 'lambda' else repr(scope.name)}"),)
        pending.append(
            Piece(
                home,
                scope,
                region,
                None,
                callback.call if home is not module else None,
                bound,
                {},
                steps,
                0,
                frozenset((region.name,)) - {""},
            )
        )
    from flake8_mongo_threads.semantics.wrapping import wrapped_pieces

    pending.extend(wrapped_pieces(module))
    found: list[Piece] = []
    seen: set[tuple[object, ...]] = set()
    while pending and len(found) < MAX_PIECES:
        piece = pending.pop(0)
        anchored = piece.anchor if piece.anchor is not None else None
        key = (
            id(piece.scope),
            piece.within and id(piece.within.node),
            piece.bound,
            id(anchored),
            tuple(sorted(piece.absent)),
            id(piece.region.node) if piece.within is None else 0,
        )
        if key in seen:
            continue
        seen.add(key)
        found.append(piece)
        if piece.depth < MAX_DEPTH:
            pending.extend(_called_from(module, piece))
    return [Inside(found)]


def _called_from(module: "Module", piece: Piece) -> list[Piece]:
    found: list[Piece] = []
    targets: list[tuple[ast.AST, Function, ast.Call | None]] = []
    for edge in piece.module.calls.inside(piece.scope):
        call = edge.node if isinstance(edge.node, ast.Call) else None
        if edge.how in ("enter", "wrap") or (
            call is not None and isinstance(call.func, ast.Attribute) and call.func.attr == "with_transaction"
        ):
            continue
        targets.append((edge.node, edge.target, call))
    for work in piece.module.calls.launched_in(piece.scope):
        if work.where == spawners.TASK and work.path.rpartition(".")[2] in _JOINED:
            targets.extend((work.call, function, work.target if isinstance(work.target, ast.Call) else None) for function in work.functions)
    for node, function, call in targets:
        if (
            function.scope is piece.scope
            or not piece.covers(node)
            or (function.scope.yields and not function.scope.is_async and _lazy(piece.module, node))
        ):
            continue
        anchor = piece.anchor
        if anchor is None and function.module is not module:
            anchor = node
        absent = _absent(piece, call, function) if call is not None else {}
        steps = (*piece.steps, piece.module.step(node, f"calls '{function.scope.name}' inside it"))
        found.append(
            Piece(
                function.module,
                function.scope,
                piece.region,
                None,
                anchor,
                piece.is_bound(node),
                absent,
                steps,
                piece.depth + 1,
                _names(piece, call, function),
            )
        )
    return found


def _names(piece: Piece, call: ast.Call | None, function: Function) -> frozenset[str]:
    """What the session is called inside a function that a call of the piece runs."""
    found: set[str] = set()
    scope = function.scope
    if piece.scope.encloses(scope):
        found.update(n for n in piece.names if n.partition(".")[0] not in scope.bindings)
    if function.bound and piece.scope.cls is not None:
        found.update(n for n in piece.names if n.startswith("self."))
    if call is not None and not has_star(call):
        bound = function.bound
        for arg in scope.params:
            given = piece.module.inference.argument_for(call, scope, arg, skip_first=bound)
            if given is not None and piece.is_session(given):
                found.add(arg.arg)
    return frozenset(found)


def _lazy(module: "Module", node: ast.AST) -> bool:
    """A generator that is only made, not iterated here."""
    return isinstance(module.index.parents.get(node), (ast.Return, ast.Assign))


def _absent(piece: Piece, call: ast.Call, function: Function) -> "dict[str, tuple[Module, ast.AST]]":
    """The parameters with a default of None that a call does not supply, or supplies with such a parameter of its own."""
    node = function.scope.node
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or has_star(call):
        return {}
    arguments = node.args
    positional = function.scope.positional
    defaults: dict[str, ast.expr] = {
        a.arg: d for a, d in zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True)
    }
    defaults.update({a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None})
    bound = function.bound
    found: dict[str, tuple[Module, ast.AST]] = {}
    for name, default in defaults.items():
        if not (isinstance(default, ast.Constant) and default.value is None):
            continue
        arg = next(a for a in function.scope.params if a.arg == name)
        given = piece.module.inference.argument_for(call, function.scope, arg, skip_first=bound)
        if given is None:
            found[name] = (piece.module, call)
        elif isinstance(given, ast.Name) and given.id in piece.absent:
            found[name] = piece.absent[given.id]
    return found


def bound_at(module: "Module", scope: Scope, node: ast.AST, *, lexical: bool = True, depth: int = 0) -> bool:
    """Whether a session may be bound where a node runs: by a bind around it, or around a call of its function."""
    if lexical and any(r.kind == "bind" and r.covers(node) for r in regions(module, scope)):
        return True
    if depth > 3:
        return False
    function = scope.function
    for caller, edges in module.calls.edges.items():
        for edge in edges:
            if (
                edge.target.scope is function
                and caller is not function
                and edge.how != "wrap"
                and bound_at(module, caller, edge.node, depth=depth + 1)
            ):
                return True
    return False


# ---------------------------------------------------------------------- which operations take part


def takes_session(operation: Operation) -> bool:
    """Whether an operation belongs into a transaction: a read or write of documents that accepts a session."""
    return (
        operation.method is not None
        and operation.name in PARTICIPANTS
        and operation.method.member.session
        and (operation.owner.family == "collection" or (operation.owner.family == "client" and operation.name == "bulk_write"))
    )


def names_session(module: "Module", operation: Operation) -> bool:
    """Whether an operation is given a session, or arguments that can hide one."""
    call = operation.call
    if call is None or has_star(call):
        return True
    if operation.session is not None:
        return not (isinstance(operation.session, ast.Constant) and operation.session.value is None)
    for position, value in enumerate(call.args):
        if any(isinstance(v, Driver) and v.family == "session" for v in module.values(value)):
            return True
        if position and "session" in path_key(value):
            return True
    return False


def root_client(driver: Driver | None) -> Driver | None:
    """The client an object was made from, when it is known which construction made it."""
    client = driver.root("client") if driver is not None else None
    return client if client is not None and client.site is not None and isinstance(client.site.node, ast.Call) else None


def other_client(first: Driver | None, second: Driver | None) -> bool:
    """Whether two objects certainly belong to different clients."""
    a, b = root_client(first), root_client(second)
    return a is not None and b is not None and a.site is not None and b.site is not None and a.site.node is not b.site.node


def one_root(module: "Module", expression: ast.AST) -> bool:
    """Whether an expression can only be one driver object, of one client."""
    values = [v for v in module.values(expression) if v is not NOTHING]
    return (
        bool(values)
        and all(isinstance(v, Driver) for v in values)
        and len({id(c.site.node) if (c := root_client(v)) and c.site else 0 for v in values if isinstance(v, Driver)}) == 1
    )


class Outside:
    """An operation inside a transaction that does not take part in it. ``node`` is the operation, or the call of this file that leads to it."""

    __slots__ = ("call", "cause", "name", "operation", "piece", "span", "steps", "variable", "where")

    def __init__(self, module: "Module", piece: Piece, operation: Operation, node: ast.AST, *, omitted: bool) -> None:
        self.piece = piece
        self.operation = operation
        direct = node is operation.node
        self.span: Span = operation.span if direct else module.source.name_span(node)
        self.name = operation.name
        self.where = (
            ""
            if direct
            else piece.module.where(operation.node, module)
            if not omitted
            else f"{piece.module.where(operation.node, module)}, with a session that this call leaves out"
        )
        self.call = operation.call if direct else None
        self.variable = _variable(piece, operation) if self.call is not None else ""
        self.steps = (*piece.steps, piece.module.step(operation.node, f"'{operation.name}' has no session"))
        self.cause = f"await@{operation.span.line}:{operation.span.col}" if direct else ""


def _variable(piece: Piece, operation: Operation) -> str:
    """What the session of the transaction is called at an operation; empty where it has no name."""
    return next((name for name in sorted(piece.names) if _usable(piece, operation, name)), "")


def _usable(piece: Piece, operation: Operation, name: str) -> bool:
    """Whether a name means the session of the transaction at an operation."""
    if "." in name or "[" in name:
        return piece.region.scope is piece.scope
    owner = operation.scope.binder(name)
    if owner is None:
        return False
    return owner.function is not piece.scope.function or len(piece.module.index.reaching(owner, name, operation.node)) == 1


def outside(module: "Module") -> list[Outside]:
    """Every operation that stands in a transaction and runs outside it."""
    found: list[Outside] = []
    for fact in module.facts(Inside):
        for piece in fact.pieces:
            for operation in [*piece.operations(), *_partial_operations(piece)]:
                if not takes_session(operation) or piece.is_bound(operation.node) or _elsewhere(piece, operation):
                    continue
                omitted = _omitted(piece, operation)
                if omitted is not None:
                    place = omitted[1] if omitted[0] is module else piece.anchor
                    if place is not None:
                        found.append(Outside(module, piece, operation, place, omitted=True))
                    continue
                if names_session(piece.module, operation) or _chosen(piece, operation):
                    continue
                node = operation.node if piece.module is module else piece.anchor
                if node is not None:
                    found.append(Outside(module, piece, operation, node, omitted=False))
    return found


def _elsewhere(piece: Piece, operation: Operation) -> bool:
    """Whether an operation belongs to another deployment than the transaction, or to a transaction of its own."""
    if other_client(operation.owner, piece.region.session):
        return True
    return any(
        r.kind == "transaction" and r is not piece.within and r.covers(operation.node) and not same_session(r.session, piece.region.session)
        for r in regions(piece.module, piece.scope)
    )


def _partial_operations(piece: Piece) -> list[Operation]:
    """Calls of a ``partial`` of an operation that holds no session."""
    found: list[Operation] = []
    for call, scope, value in piece.module.calls.of(piece.scope).constructions:
        if isinstance(value, Partial) and len(value.target) == 1 and isinstance(value.target[0], Method) and piece.covers(call):
            held = value.call
            if not has_star(held) and keyword(held, "session") is None:
                method = value.target[0]
                found.append(Operation(piece.module, call, scope, method, method.owner, method.name, False))
    return found


def _omitted(piece: Piece, operation: Operation) -> "tuple[Module, ast.AST] | None":
    """The call that leaves out the session that an operation would have used."""
    session = operation.session
    if not isinstance(session, ast.Name) or session.id not in piece.absent:
        return None
    bindings = piece.module.index.reaching(piece.scope, session.id, session)
    return piece.absent[session.id] if all(b.how == "param" for b in bindings) else None


def _chosen(piece: Piece, operation: Operation) -> bool:
    """Whether a function chooses between operations by whether it got a session: this one is for the callers without."""
    if piece.within is not None:
        return False
    index = piece.module.index
    names = {a.arg for a in piece.scope.params} - set(piece.absent)
    node: ast.AST = operation.node
    tests: list[ast.AST] = []
    for up in index.ancestors(node):
        if isinstance(up, (*FUNCTIONS, ast.Lambda)):
            break
        if isinstance(up, (ast.If, ast.IfExp)) and node is not up.test:
            tests.append(up.test)
        if node in index.place:
            owner, field, position = index.place[node]
            tests.extend(s.test for s in getattr(owner, field)[:position] if isinstance(s, ast.If) and ends(s.body))
        node = up
    if node in index.place:
        owner, field, position = index.place[node]
        tests.extend(s.test for s in getattr(owner, field)[:position] if isinstance(s, ast.If) and ends(s.body))
    return any(_presence(test) in names for test in tests)


def _presence(test: ast.AST) -> str:
    """The name whose presence a test asks for: ``if session``, ``if session is None``, ``if not session``."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test = test.operand
    if (
        isinstance(test, ast.Compare)
        and len(test.comparators) == 1
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value is None
    ):
        test = test.left
    return test.id if isinstance(test, ast.Name) else ""


# ---------------------------------------------------------------------- bind inside a transaction


class LateBind:
    """A ``bind()`` that ends the session while the session's own transaction is open."""

    __slots__ = ("call", "piece", "span", "steps")

    def __init__(self, module: "Module", piece: Piece, call: ast.Call, node: ast.AST) -> None:
        self.piece = piece
        self.call = call
        self.span: Span = module.source.name_span(node)
        self.steps = (*piece.steps, piece.module.step(call, "leaving this block ends the session and aborts the transaction"))


def late_binds(module: "Module") -> list[LateBind]:
    """Every ``bind()`` inside a transaction of the same session that does not keep the session open."""
    found: list[LateBind] = []
    for fact in module.facts(Inside):
        for piece in fact.pieces:
            for call in piece.session_calls("bind"):
                end = argument(call, 0, "end_session")
                if has_star(call) or (end is not None and piece.module.constant(end) is not True):
                    continue
                node = call if piece.module is module else piece.anchor
                if node is not None:
                    found.append(LateBind(module, piece, call, node))
    return found


# ---------------------------------------------------------------------- tasks and threads started while a session is bound


class BoundWork:
    """Work launched inside ``bind()`` that talks to the server without naming a session.

    A task inherits the bound session (``where`` is task: several of them share it), a thread does not (thread).
    """

    __slots__ = ("operation", "operation_module", "region", "several", "span", "steps", "where", "work")

    def __init__(self, module: "Module", work: Work, region: Region, operation: Operation | Method, home: "Module", several: bool) -> None:
        self.work = work
        self.region = region
        self.operation = operation
        self.operation_module = home
        self.several = several
        self.where = work.where
        self.span: Span = module.source.name_span(work.call)
        steps = [
            region.step(),
            module.step(work.call, f"work is started on {'a thread' if work.where == spawners.THREAD else 'a task'} inside it"),
        ]
        if isinstance(operation, Operation):
            steps.append(home.step(operation.node, f"'{operation.name}' names no session"))
        self.steps = tuple(steps)


def bound_work(module: "Module") -> list[BoundWork]:
    """Tasks that share a bound session, and threads that lose it."""
    found: list[BoundWork] = []
    if not module.project.mentions("bind("):
        return found
    groups: dict[tuple[int, int], list[tuple[Work, Region, Operation | Method, Module]]] = {}
    for work in (*module.calls.works, *worker_objects(module)):
        if work.where not in (spawners.THREAD, spawners.TASK) or (work.where == spawners.THREAD and work.path.startswith(COPYING)):
            continue
        region = next(
            (
                r
                for r in _binds_around(module, work)
                if r.session is None or (r.session.flavour == "sync") == (work.where == spawners.THREAD)
            ),
            None,
        )
        if region is None:
            continue
        use = _sessionless_work(module, work, region)
        if use is not None:
            if work.where == spawners.THREAD:
                found.append(BoundWork(module, work, region, use[0], use[1], work.many))
            else:
                groups.setdefault((id(region.node), id(work.scope.function)), []).append((work, region, *use))
    for group in groups.values():
        running = [g for g in group if not waits_for_each(module, g[0])]
        many = next((g for g in running if g[0].many and not fresh_bind(module, g)), None)
        first = many
        if first is None:
            together = [
                g
                for g in running
                if g is running[0]
                or not (joined_between(module, running[0][0], g[0].call) or exclusive(module, running[0][0].call, g[0].call))
            ]
            first = together[0] if len(together) > 1 else None
        if first is not None:
            found.append(BoundWork(module, *first, True))
    return found


def fresh_bind(module: "Module", group: "tuple[Work, Region, Operation | Method, Module]") -> bool:
    """Whether the session is bound inside the loop that launches the work, so that every run has its own."""
    work, region = group[0], group[1]
    return work.loop is not None and any(up is work.loop for up in module.index.ancestors(region.node))


def _binds_around(module: "Module", work: Work) -> list[Region]:
    """The binds in force where work is launched: around the launch, or around every call of the function that launches it."""
    own = [r for r in regions(module, work.scope) if r.kind == "bind" and r.covers(work.call)]
    if not own and any(relayed is work for relayed, _ in relays(module, work.scope.function)):
        return []  # the calls that say what is launched stand for it
    return own or _binds_of_callers(module, work.scope.function, 0)


def _binds_of_callers(module: "Module", function: Scope, depth: int) -> list[Region]:
    callers = [
        e
        for caller, edges in module.calls.edges.items()
        for e in edges
        if e.target.scope is function and caller is not function and e.how != "wrap"
    ]
    if depth > 2 or not callers:
        return []
    found: list[Region] = []
    for edge in callers:
        binds = [r for r in regions(module, edge.caller) if r.kind == "bind" and r.covers(edge.node)]
        binds = binds or _binds_of_callers(module, edge.caller.function, depth + 1)
        if not binds:
            return []
        found.extend(binds)
    return found


def _sessionless_work(module: "Module", work: Work, region: Region) -> "tuple[Operation | Method, Module] | None":
    """The first operation of launched work that would use the bound session."""
    if any(isinstance(a, ast.expr) and _is_session(module, a) for a in work.arguments):
        return None
    for value in flatten(work.targets):
        if isinstance(value, Method):
            if (
                value.member.io
                and value.member.session
                and value.owner.family in _USERS
                and not other_client(value.owner, region.session)
                and not _hands_session(work)
            ):
                return (value, module)
    for function in work.functions:
        use = uses_context(function, region)
        if use is not None:
            return use
    return None


_USERS = ("client", "database", "collection")


def _hands_session(work: Work) -> bool:
    """Whether the session is named where the work is launched: in the call itself, in the coroutine's call or in a partial."""
    pending: list[ast.AST] = [work.target, *((work.call,) if work.launcher.passing != spawners.COROUTINE else ())]
    for value in work.targets:
        if isinstance(value, Partial):
            pending.append(value.call)
        if isinstance(value, Awaitable) and value.call is not None:
            pending.append(value.call.node)
    return any(
        isinstance(node, ast.Call) and (keyword(node, "session") is not None or has_star(node)) for top in pending for node in _results(top)
    )


def _results(node: ast.AST) -> list[ast.AST]:
    """An expression, or the elements of a display or comprehension."""
    if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)):
        return [node.elt]
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return list(node.elts)
    return [node]


def uses_context(function: Function, region: Region, depth: int = 0) -> "tuple[Operation, Module] | None":
    """The first operation that a function performs without naming a session and without a bind or a lock of its own."""
    module, scope = function.module, function.scope
    if depth > MAX_DEPTH:
        return None
    binds = [r for r in regions(module, scope) if r.kind == "bind"]
    for operation in operations_in(module, scope):
        if (
            operation.method is not None
            and operation.io
            and operation.method.member.session
            and operation.owner.family in _USERS
            and not names_session(module, operation)
            and not any(r.covers(operation.node) for r in binds)
            and not other_client(operation.owner, region.session)
            and not under_lock(module, operation.node)
        ):
            return (operation, module)
    for edge in module.calls.inside(scope):
        if (
            edge.target.scope is not scope
            and edge.how != "wrap"
            and not any(r.covers(edge.node) for r in binds)
            and not under_lock(module, edge.node)
        ):
            inner = uses_context(edge.target, region, depth + 1)
            if inner is not None:
                return inner
    return None


def is_suppress(module: "Module", expression: ast.AST) -> bool:
    """Whether a ``with`` item is ``contextlib.suppress(…)``."""
    return isinstance(expression, ast.Call) and any(
        isinstance(v, External) and v.path == "contextlib.suppress" for v in module.values(expression.func)
    )


PRODUCERS[Inside] = inside
PRODUCERS[Outside] = outside
PRODUCERS[LateBind] = late_binds
PRODUCERS[BoundWork] = bound_work
