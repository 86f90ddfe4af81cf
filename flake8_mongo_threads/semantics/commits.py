"""How transactions end: errors that are dropped inside them, and transactions that nothing commits."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Span
from flake8_mongo_threads.semantics.facts import PRODUCERS, Operation, operations_in
from flake8_mongo_threads.semantics.lifecycle import conditional
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.syntax import FUNCTIONS, TRIES, has_star, last_name, names_in, walk
from flake8_mongo_threads.semantics.transactions import (
    Inside,
    Piece,
    end_of,
    ends_transaction,
    is_suppress,
    names_session,
    other_client,
    regions,
    same_session,
    start_of,
    takes_session,
)
from flake8_mongo_threads.semantics.values import Class, Driver, External, Function

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

_BROAD = frozenset(("builtins.Exception", "builtins.BaseException", "Exception", "BaseException"))
_CLIENT_SIDE = frozenset(("InvalidOperation", "ConfigurationError", "InvalidName", "InvalidURI", "CollectionInvalid", "EncryptionError"))
"""Errors that the driver raises without asking the server: catching them hides no failed operation."""
_RAISING = frozenset(("exit", "_exit", "fail", "abort", "quit", "skip", "xfail", "raise_from", "reraise"))


class Swallowed:
    """A handler inside a transaction that drops an error of the driver. ``node`` is the handler or the ``suppress`` call."""

    __slots__ = ("name", "operation", "piece", "span", "steps")

    def __init__(self, module: "Module", piece: Piece, node: ast.AST, at: ast.AST, operation: Operation, home: "Module", name: str) -> None:
        self.piece = piece
        self.operation = operation
        self.name = name
        span = module.source.span(at)
        if isinstance(at, ast.ExceptHandler):
            span = Span(span.line, span.col, span.line, span.col + len("except"))
        elif isinstance(at, ast.expr):
            span = module.source.name_span(at)
        self.span: Span = span
        self.steps = (
            *piece.steps,
            home.step(operation.node, f"'{operation.name}' can fail here"),
            piece.module.step(node, f"{name} is dropped here"),
        )


def swallowed(module: "Module") -> list[Swallowed]:
    """Every handler and ``suppress`` that drops an error of an operation that takes part in the transaction around it."""
    found: list[Swallowed] = []
    for fact in module.facts(Inside):
        for piece in fact.pieces:
            index = piece.module.index
            for statement, scope in index.tries:
                if scope.function is piece.scope and piece.covers(statement):
                    found.extend(_handlers(module, piece, statement))
            for node, scope in index.withs:
                if scope.function is piece.scope and piece.covers(node):
                    found.extend(_suppressed(module, piece, node))
            if piece.within is None and (piece.depth > 0 or piece.region.how == "callback"):
                found.extend(_by_decorators(module, piece))
    return found


def _by_decorators(module: "Module", piece: Piece) -> list[Swallowed]:
    """Handlers of a decorator around a function that runs inside a transaction."""
    found: list[Swallowed] = []
    body: list[ast.stmt] = getattr(piece.scope.node, "body", [])
    for edge in piece.module.calls.inside(piece.scope):
        if edge.how != "wrap" or not isinstance(body, list):
            continue
        home, wrapper = edge.target.module, edge.target.scope
        steps = (*piece.steps, piece.module.step(edge.node, f"'{piece.scope.name}' is decorated"))
        outer = Piece(home, wrapper, piece.region, None, piece.anchor, piece.bound, {}, steps, piece.depth + 1, frozenset())
        if home is not module and piece.anchor is None:
            continue
        for statement, scope in home.index.tries:
            if scope.function is not wrapper or not _calls_wrapped(wrapper, statement.body):  # type: ignore[attr-defined]
                continue
            failing = _failing(piece, body)
            if failing is not None:
                found.extend(_dropping(module, outer, statement, failing))
    return found


def _calls_wrapped(wrapper: Scope, body: list[ast.stmt]) -> bool:
    """Whether some statements of a wrapper call what the decorator was given."""
    given = {arg.arg for outer in (wrapper.parent,) if outer is not None for arg in outer.params}
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in given
        for statement in body
        for node in walk(statement)
    )


def _place(module: "Module", piece: Piece, node: ast.AST) -> ast.AST | None:
    return node if piece.module is module else piece.anchor


def _handlers(module: "Module", piece: Piece, statement: ast.AST) -> list[Swallowed]:
    found: list[Swallowed] = []
    body: list[ast.stmt] = statement.body  # type: ignore[attr-defined]
    handlers: list[ast.ExceptHandler] = statement.handlers  # type: ignore[attr-defined]
    if not handlers or not _reaches_commit(piece, statement):
        return found
    failing = _failing(piece, body)
    return _dropping(module, piece, statement, failing) if failing is not None else found


def _dropping(module: "Module", piece: Piece, statement: ast.AST, failing: "tuple[Operation, Module]") -> list[Swallowed]:
    """The handlers of a ``try`` that drop the error of an operation."""
    found: list[Swallowed] = []
    handlers: list[ast.ExceptHandler] = statement.handlers  # type: ignore[attr-defined]
    for handler in handlers:
        name = _caught(piece.module, handler.type)
        if not name:
            continue
        if _passes_on(piece, handler, statement):
            if name in ("PyMongoError", "Exception", "BaseException", "every error"):
                break
            continue
        at = _place(module, piece, handler)
        if at is not None:
            found.append(Swallowed(module, piece, handler, at, failing[0], failing[1], name))
        if name in ("PyMongoError", "Exception", "BaseException", "every error"):
            break
    return found


def _reaches_commit(piece: Piece, statement: ast.AST) -> bool:
    """Whether the transaction goes on after a ``try``: it does not hold the commit or abort of the transaction itself."""
    calls = piece.session_calls("commit_transaction", "abort_transaction", "end_session")
    body_end = end_of(statement.body[-1])  # type: ignore[attr-defined]
    if any(start_of(statement) <= start_of(call) < body_end for call in calls):
        return False
    region = piece.within
    if region is None or region.how != "manual":
        return True
    return any(start_of(ender) >= end_of(statement) for ender in region.enders)


def _suppressed(module: "Module", piece: Piece, node: ast.With | ast.AsyncWith) -> list[Swallowed]:
    for item in node.items:
        call = item.context_expr
        if not isinstance(call, ast.Call) or not is_suppress(piece.module, call):
            continue
        name = next((n for n in (_caught(piece.module, a) for a in call.args) if n), "")
        failing = _failing(piece, node.body) if name else None
        at = _place(module, piece, call)
        if failing is not None and at is not None:
            return [Swallowed(module, piece, call, at, failing[0], failing[1], name)]
    return []


def _failing(piece: Piece, body: list[ast.stmt]) -> "tuple[Operation, Module] | None":
    """The first operation below some statements that takes part in the transaction, also behind calls."""
    first, last = start_of(body[0]), end_of(body[-1])
    for operation in operations_in(piece.module, piece.scope):
        if first <= start_of(operation.node) < last and piece.covers(operation.node) and _takes_part(piece, operation):
            return (operation, piece.module)
    for edge in piece.module.calls.inside(piece.scope):
        if first <= start_of(edge.node) < last and piece.covers(edge.node) and edge.target.scope is not piece.scope and edge.how != "wrap":
            bound = piece.is_bound(edge.node)
            inner = _performs(piece, edge.target, bound, 0)
            if inner is not None:
                return inner
    return None


def _takes_part(piece: Piece, operation: Operation) -> bool:
    if operation.implicit or not takes_session(operation) or operation.name in ("find", "find_raw_batches"):
        return operation.implicit
    if operation.session is not None:
        if isinstance(operation.session, ast.Constant):
            return False
        sessions = [v for v in piece.module.values(operation.session) if isinstance(v, Driver)]
        return (
            not sessions
            or piece.is_session(operation.session)
            or any(v.site is None or same_session(v, piece.region.session) for v in sessions)
            or not piece.region.session
        )
    if names_session(piece.module, operation):
        return not has_star(operation.call) if operation.call is not None else False
    return piece.is_bound(operation.node) and not other_client(operation.owner, piece.region.session)


def _performs(piece: Piece, function: Function, bound: bool, depth: int) -> "tuple[Operation, Module] | None":
    module, scope = function.module, function.scope
    if depth > 4:
        return None
    for operation in operations_in(module, scope):
        if takes_session(operation) and operation.name not in ("find", "find_raw_batches"):
            given = operation.session is not None and not isinstance(operation.session, ast.Constant)
            own = isinstance(operation.session, ast.Name) and any(b.how != "param" for b in scope.bindings.get(operation.session.id, ()))
            if (given and not own) or (bound and operation.session is None and not other_client(operation.owner, piece.region.session)):
                return (operation, module)
    for edge in module.calls.inside(scope):
        if edge.target.scope is not scope and edge.how != "wrap":
            inner = _performs(piece, edge.target, bound, depth + 1)
            if inner is not None:
                return inner
    return None


def _caught(module: "Module", expression: ast.AST | None) -> str:
    """The driver error that a handler for an expression catches, or an empty text."""
    if expression is None:
        return "every error"
    parts: list[ast.AST] = list(expression.elts) if isinstance(expression, ast.Tuple) else [expression]
    for part in parts:
        for value in module.inference.unrolled(module.values(part), 24):
            if isinstance(value, External):
                name = _error_name(value.path)
                if name:
                    return name
            elif isinstance(value, Class) and any(
                _error_name(base).endswith("Error") and base.startswith("pymongo.") for base in module.inference.external_bases(value)
            ):
                return value.scope.name
    return ""


def _error_name(path: str) -> str:
    if path in _BROAD:
        return path.rpartition(".")[2]
    if path.startswith("pymongo.errors.") or (path.startswith("pymongo.") and ".errors." in path):
        name = path.rpartition(".")[2]
        return "" if name in _CLIENT_SIDE else name
    return ""


def _passes_on(piece: Piece, handler: ast.ExceptHandler, statement: ast.AST) -> bool:
    """Whether a handler raises, ends the transaction or the program, or keeps the error for a later ``raise``."""
    module = piece.module
    kept: set[str] = set()
    for top in handler.body:
        for node in walk(top):
            if isinstance(node, ast.Raise):
                return True
            if isinstance(node, (ast.Assert,)):
                return True
            if isinstance(node, ast.Call):
                name = last_name(node.func)
                if name in ("abort_transaction", "end_session") or name in _RAISING:
                    return True
                if _raises(module, node):
                    return True
                if (
                    isinstance(node.func, ast.Attribute)
                    and node.func.attr in ("append", "add", "set_exception")
                    and isinstance(node.func.value, ast.Name)
                ):
                    kept.add(node.func.value.id)
            if isinstance(node, ast.Assign):
                kept.update(t.id for t in node.targets if isinstance(t, ast.Name))
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                kept.add(node.target.id)
    return bool(kept) and _raised_later(piece, statement, kept)


def _raises(module: "Module", call: ast.Call) -> bool:
    """Whether a call certainly raises, or ends the transaction: a function of the program that ends in ``raise``."""
    values = module.values(call.func)
    if any(isinstance(v, External) and v.path == "argparse.ArgumentParser().error" for v in values):
        return True
    functions = [v for v in values if isinstance(v, Function)]
    return bool(functions) and all(_never_returns(f) or ends_transaction(f) for f in functions)


def _never_returns(function: Function) -> bool:
    """Whether a function says that it does not return, or ends in ``raise`` or by leaving the program."""
    node = function.scope.node
    if not isinstance(node, FUNCTIONS):
        return False
    last = node.body[-1]
    if isinstance(last, ast.Raise) or (node.returns is not None and last_name(node.returns) in ("NoReturn", "Never")):
        return True
    return isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and last_name(last.value.func) in _RAISING


def _raised_later(piece: Piece, statement: ast.AST, names: set[str]) -> bool:
    """Whether a ``raise``, or an abort of the transaction, after the ``try`` depends on what the handler kept."""
    index = piece.module.index
    for call in piece.session_calls("abort_transaction"):
        if start_of(call) >= end_of(statement) and any(
            isinstance(up, ast.If) and names & names_in(up.test) for up in index.ancestors(call)
        ):
            return True
    for node in walk(piece.scope.node, into_functions=False) if not isinstance(piece.scope.node, ast.Lambda) else ():
        if isinstance(node, ast.Raise) and start_of(node) >= end_of(statement):
            if node.exc is not None and names & names_in(node.exc):
                return True
            if any(isinstance(up, ast.If) and names & names_in(up.test) for up in index.ancestors(node)):
                return True
    return False


# ---------------------------------------------------------------------- never committed


class NeverCommitted:
    """A plain ``start_transaction`` of a session that stays in the function and that nothing commits."""

    __slots__ = ("call", "session", "span", "steps")

    def __init__(self, module: "Module", call: ast.Call, session: Driver) -> None:
        self.call = call
        self.session = session
        self.span: Span = module.source.name_span(call)
        made = (session.site.step("the session is started here"),) if session.site is not None else ()
        self.steps = (*made, module.step(call, "the transaction begins here, and nothing commits it"))


_HARMLESS_CALLS = frozenset(
    ("print", "str", "repr", "id", "bool", "isinstance", "type", "hash", "format", "debug", "info", "warning", "error", "exception", "log")
)
_ENDING = ("commit_transaction", "abort_transaction")


def never_committed(module: "Module") -> list[NeverCommitted]:
    """Every manually started transaction that no path commits."""
    found: list[NeverCommitted] = []
    if not module.project.mentions("start_transaction"):
        return found
    for scope in [module.index.module_scope, *module.index.functions, *module.index.lambdas]:
        for region in regions(module, scope):
            if region.how != "manual" or region.session is None or not isinstance(region.node, ast.Call):
                continue
            if region.session.flavour == "async" and region.node not in module.index.awaited:
                continue  # it never began: the missing await is what is wrong
            if (
                isinstance(region.receiver, ast.Name)
                and _local(module, scope, region.receiver, region.session)
                and not _finished(module, scope, region.receiver.id, region.session, region.node)
            ) or (isinstance(region.receiver, ast.Attribute) and _held(module, scope, region.receiver)):
                found.append(NeverCommitted(module, region.node, region.session))
    return found


def _held(module: "Module", scope: Scope, receiver: ast.Attribute) -> bool:
    """Whether the session is kept by an object whose ``__exit__`` ends it, aborts after an error, and commits nothing.

    Nobody else must be able to commit: the word stands nowhere in the program, no class is derived, and the attribute is
    only called methods on, compared, and given as ``session=``.
    """
    cls, index = scope.function.cls, module.index
    if cls is None or last_name(receiver.value) != "self" or module.project.mentions("commit_transaction"):
        return False
    if any(cls.name in (last_name(b) for b in other.node.bases) for other in index.classes):  # type: ignore[attr-defined]
        return False
    ended = aborted = False
    for load in index.attribute_loads.get(receiver.attr, ()):
        parent = index.parents.get(load)
        function = index.scope(load).function
        if isinstance(parent, ast.Attribute) and function.cls is cls:
            if function.name in ("__exit__", "__aexit__"):
                ended = ended or parent.attr == "end_session"
                aborted = aborted or (parent.attr == "abort_transaction" and conditional(module, parent))
            elif parent.attr in ("abort_transaction", "with_transaction"):
                return False
        elif isinstance(parent, ast.keyword):
            if parent.arg != "session":
                return False
        elif not isinstance(parent, (ast.Compare, ast.BoolOp, ast.If, ast.IfExp, ast.UnaryOp)):
            return False
    return ended and aborted


def _local(module: "Module", scope: Scope, name: ast.Name, session: Driver) -> bool:
    """Whether a session is started in the very function and known under one name there."""
    site = session.site
    if site is None or site.module is not module or module.index.scope(site.node).function is not scope.function:
        return False
    bindings = scope.function.bindings.get(name.id, ())
    return (
        bool(bindings)
        and all(b.how in ("assign", "ann", "with", "del") and not isinstance(b.value, (ast.Name, ast.Attribute)) for b in bindings)
        and name.id not in scope.globals
        and name.id not in scope.nonlocals
    )


def _finished(module: "Module", scope: Scope, name: str, session: Driver, start: ast.Call) -> bool:
    """Whether the transaction is committed, aborted on purpose on every path, or may be by somebody else."""
    index = module.index
    aborts: list[ast.AST] = []
    for node in index.name_loads.get(name, ()):
        if not _means(scope, index.scope(node), name):
            continue
        if not any(same_session(v, session) for v in module.values(node) if isinstance(v, Driver)):
            if not any(isinstance(v, Driver) for v in module.values(node)):
                return True
            continue
        parent = index.parents.get(node)
        if _expected_to_fail(module, node):
            return True
        if isinstance(parent, ast.Attribute):
            if parent.attr == "commit_transaction":
                if isinstance(index.parents.get(parent), ast.Expr):
                    continue  # named, not called
                return True
            if parent.attr == "abort_transaction":
                call = index.parents.get(parent)
                if not isinstance(call, ast.Call) or call.func is not parent:
                    return True
                aborts.append(call)
            continue
        if isinstance(parent, ast.Call) and _only_aborts(module, parent, node):
            aborts.append(parent)
        elif _escapes(module, node, parent, 0):
            return True
    return any(_always(module, abort, start) for abort in aborts) or _both_branches(module, aborts)


def _only_aborts(module: "Module", call: ast.Call, node: ast.AST) -> bool:
    """Whether a call hands the session to a function of the program that aborts, never commits, and does not keep it."""
    functions = [v for v in module.values(call.func) if isinstance(v, Function)]
    return (
        bool(functions)
        and len(functions) == len(module.values(call.func))
        and not has_star(call)
        and all(ends_transaction(f) and not ends_transaction(f, 0, ("commit_transaction",)) for f in functions)
        and not any(_keeps(module, call, f, node, 0) for f in functions)
    )


def _expected_to_fail(module: "Module", node: ast.AST) -> bool:
    """Whether a node stands where a test expects an error, after which there is nothing to commit."""
    return any(
        isinstance(up, (ast.With, ast.AsyncWith))
        and any(isinstance(i.context_expr, ast.Call) and last_name(i.context_expr.func) in _EXPECTING for i in up.items)
        for up in module.index.ancestors(node)
    )


_EXPECTING = frozenset(("raises", "assertRaises", "assertRaisesRegex"))


def _means(scope: Scope, where: Scope, name: str) -> bool:
    current: Scope | None = where
    while current is not None:
        if name in current.bindings and current.kind != "class" and not (name in current.globals or name in current.nonlocals):
            return current is scope or current.function is scope.function
        current = current.parent
    return False


def _escapes(module: "Module", node: ast.AST, parent: ast.AST | None, depth: int) -> bool:
    """Whether a use of the session may let somebody else end the transaction."""
    if isinstance(parent, (ast.withitem, ast.Compare, ast.BoolOp, ast.If, ast.UnaryOp, ast.FormattedValue, ast.Assert, ast.While)):
        return False
    keyword = parent if isinstance(parent, ast.keyword) else None
    call = module.index.parents.get(keyword) if keyword is not None else parent
    if not isinstance(call, ast.Call) or node is call.func:
        return True
    if module.inference.method(module, call.func) is not None:
        return False
    functions = [v for v in module.values(call.func) if isinstance(v, Function)]
    if not functions:
        return last_name(call.func) not in _HARMLESS_CALLS
    if len(functions) != len(module.values(call.func)) or has_star(call):
        return True
    return any(ends_transaction(f) or _keeps(module, call, f, node, depth) for f in functions)


def _keeps(module: "Module", call: ast.Call, function: Function, node: ast.AST, depth: int) -> bool:
    """Whether a function lets the session that a call hands over out of its sight."""
    if depth > 3:
        return True
    scope, home = function.scope, function.module
    bound = function.bound
    for arg in scope.params:
        if module.inference.argument_for(call, scope, arg, skip_first=bound) is not node:
            continue
        if any(b.how != "param" for b in scope.bindings.get(arg.arg, ())):
            return True
        for load in home.index.name_loads.get(arg.arg, ()):
            if not _means(scope, home.index.scope(load), arg.arg):
                continue
            parent = home.index.parents.get(load)
            if isinstance(parent, ast.Attribute):
                continue
            if _escapes(home, load, parent, depth + 1):
                return True
        return False
    return True


def _always(module: "Module", abort: ast.AST, start: ast.AST) -> bool:
    """Whether an abort is passed on every way out that raises no error."""
    path = module.index.block_path(abort, module.index.tree)
    around = {(id(owner), field) for owner, field, _ in module.index.block_path(start, module.index.tree)}
    for owner, field, _ in path:
        if (id(owner), field) in around:
            return True
        if isinstance(owner, (ast.If, ast.ExceptHandler, ast.match_case)) or (isinstance(owner, TRIES) and field == "handlers"):
            return False
    return True


def _both_branches(module: "Module", aborts: list[ast.AST]) -> bool:
    """Whether both branches of one ``if`` abort."""
    seen: set[tuple[int, str]] = set()
    for abort in aborts:
        for owner, field, _ in module.index.block_path(abort, module.index.tree)[:1]:
            if isinstance(owner, ast.If):
                if (id(owner), "orelse" if field == "body" else "body") in seen:
                    return True
                seen.add((id(owner), field))
    return False


PRODUCERS[Swallowed] = swallowed
PRODUCERS[NeverCommitted] = never_committed
