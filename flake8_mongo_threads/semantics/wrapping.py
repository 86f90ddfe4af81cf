"""Functions that run inside a transaction because of what stands around them: a decorator, or a dependency.

``@transactional`` wraps a function of the program in code that opens a transaction and calls it; a dependency of a web
framework that yields inside a transaction keeps it open while the handler runs.
"""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.semantics.inference import dependency
from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.syntax import argument
from flake8_mongo_threads.semantics.transactions import Piece, Region, bound_at, regions, session_parameter
from flake8_mongo_threads.semantics.values import Driver, External, Function, Partial, Value

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

_EVERYWHERE = ((0, 0), (1 << 30, 0))
_MAX_VALUES = 16


class Opening:
    """How a wrapper runs the function it wraps inside a transaction, or a bind."""

    __slots__ = ("bound", "how", "kind", "name", "session", "site")

    def __init__(self, kind: str, how: str, session: Driver | None, name: str, bound: bool, site: tuple["Module", ast.AST]) -> None:
        self.kind = kind
        self.how = how
        self.session = session
        self.name = name
        self.bound = bound
        self.site = site


def wrapped_pieces(module: "Module") -> list[Piece]:
    """The functions of a module that a decorator or a dependency of theirs runs inside a transaction."""
    found: list[Piece] = []
    for scope in module.index.functions:
        if not isinstance(scope.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for decorator in scope.decorators:
            for value in module.values(decorator)[:_MAX_VALUES]:
                if isinstance(value, Function):
                    found.extend(_piece(module, scope, decorator, opening) for opening in _openings(value, scope))
        found.extend(_piece(module, scope, node, opening) for node, opening in _dependencies(module, scope))
    found.extend(_handed_pieces(module))
    return found


def _handed_pieces(module: "Module") -> list[Piece]:
    """The functions of a module that a function of another one runs inside a transaction: ``in_transaction(steps)``."""
    found: list[Piece] = []
    if not module.project.mentions("_transaction"):
        return found
    for edges in module.calls.edges.values():
        for edge in edges:
            runner, call = edge.target, edge.node
            if edge.how != "call" or runner.module is module or not isinstance(call, ast.Call):
                continue
            bound = runner.bound
            for parameter in runner.scope.params:
                given = module.inference.argument_for(call, runner.scope, parameter, skip_first=bound)
                if not isinstance(given, (ast.Name, ast.Attribute, ast.Lambda, ast.Call)):
                    continue
                for value in module.values(given)[:_MAX_VALUES]:
                    for run in value.target if isinstance(value, Partial) and not value.call.args else (value,):
                        if isinstance(run, Function) and run.module is module:
                            found.extend(
                                _piece(module, run.scope, call, o) for o in _openings(runner, run.scope, parameter.arg, int(run.bound))
                            )
    return found


def _piece(module: "Module", scope: Scope, node: ast.AST, opening: Opening) -> Piece:
    region = Region(module, scope, "transaction", opening.how, node, opening.session, opening.name, *_EVERYWHERE)
    home, site = opening.site
    steps = (module.step(node, f"'{scope.name}' runs inside a transaction"), home.step(site, "which begins here"))
    names = frozenset((opening.name,)) - {""}
    return Piece(module, scope, region, None, None, opening.bound, {}, steps, 0, names)


# ---------------------------------------------------------------------- decorators


def _openings(decorator: Function, wrapped: Scope, parameter: str = "", skip: int = 0) -> Iterator[Opening]:
    """The transactions inside which a decorator, or another function, runs the function it is given for a parameter, its first."""
    home, outer = decorator.module, decorator.scope
    parameter = parameter or session_parameter(decorator)
    if not parameter:
        return
    index = home.index
    for load in index.name_loads.get(parameter, ()):
        where = index.scope(load).function
        if not (where is outer or outer.encloses(where)) or any(parameter in s.bindings for s in _between(where, outer)):
            continue
        parent = index.parents.get(load)
        if not isinstance(parent, ast.Call):
            continue
        if parent.func is load:
            yield from _around(home, where, parent, wrapped, skip)
        else:
            yield from _handed(home, where, parent, load, wrapped, skip)


def _around(home: "Module", where: Scope, call: ast.Call, wrapped: Scope, skip: int) -> Iterator[Opening]:
    """The transaction in which a call of the wrapped function stands."""
    opened = next((r for r in regions(home, where) if r.kind == "transaction" and r.covers(call)), None)
    if opened is not None:
        names = {opened.name} if opened.name else set()
        bound = bound_at(home, where, call)
        name = _given(home, call, wrapped, names, opened.session, skip)
        yield Opening("transaction", "decorator", opened.session, name, bound, (home, opened.node))
        return
    callback = _callback_of(home, where)
    if callback is not None:
        run, around = callback
        session = _session_of(home, run)
        name = _given(home, call, wrapped, {where.positional[0].arg} if where.positional else set(), session, skip)
        bound = bound_at(home, around, run) or bound_at(home, where, call)
        yield Opening("transaction", "callback", session, name, bound, (home, run))


def _handed(home: "Module", where: Scope, call: ast.Call, load: ast.AST, wrapped: Scope, skip: int) -> Iterator[Opening]:
    """The transaction that ``session.with_transaction(function)`` runs it in."""
    if _is_run(home, call) and argument(call, 0, "callback") is load:
        name = wrapped.positional[skip].arg if len(wrapped.positional) > skip else ""
        yield Opening("transaction", "callback", _session_of(home, call), name, bound_at(home, where, call), (home, call))


def _is_run(home: "Module", call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "with_transaction":
        return False
    return _session_of(home, call) is not None


def _session_of(home: "Module", call: ast.Call) -> Driver | None:
    kind = home.inference.kind(home, call.func.value) if isinstance(call.func, ast.Attribute) else None
    return kind if kind is not None and kind.family == "session" else None


def _callback_of(home: "Module", scope: Scope) -> tuple[ast.Call, Scope] | None:
    """The ``with_transaction`` call that runs a nested function or lambda, when it stands in the function around it."""
    for node in home.index.attribute_loads.get("with_transaction", ()):
        call = home.index.parents.get(node)
        if not isinstance(call, ast.Call) or call.func is not node or not _is_run(home, call):
            continue
        target = argument(call, 0, "callback")
        around = home.index.scope(call).function
        if target is not None and around is not scope and around.encloses(scope):
            if any(isinstance(v, Function) and v.scope is scope for v in home.values(target)):
                return (call, around)
    return None


def _given(home: "Module", call: ast.Call, wrapped: Scope, names: set[str], session: Driver | None, skip: int) -> str:
    """The parameter of the wrapped function that gets the session at a call; empty when none is seen to."""

    def is_session(node: ast.AST) -> bool:
        values: tuple[Value, ...] = home.values(node)
        return (isinstance(node, ast.Name) and node.id in names) or any(
            isinstance(v, Driver) and v.family == "session" and (session is None or v.key() == session.key()) for v in values
        )

    for given in call.keywords:
        if given.arg is not None and is_session(given.value):
            return given.arg
    positional = wrapped.positional[skip:]
    for position, value in enumerate(call.args):
        if isinstance(value, ast.Starred):
            break
        if position < len(positional) and is_session(value):
            return positional[position].arg
    if any(k.arg is None for k in call.keywords) and any(a.arg == "session" for a in wrapped.params):
        return "session"  # put among the keywords before the call
    return ""


def _between(scope: Scope, outer: Scope) -> list[Scope]:
    found: list[Scope] = []
    current: Scope | None = scope
    while current is not None and current is not outer:
        found.append(current)
        current = current.parent
    return found


# ---------------------------------------------------------------------- dependencies


def _dependencies(module: "Module", scope: Scope) -> Iterator[tuple[ast.AST, Opening]]:
    """The dependencies of a handler that yield inside a transaction."""
    for arg in scope.params:
        for call in _depends_calls(module, scope, arg):
            provider = dependency(module, call)
            if provider is None:
                continue
            for value in module.values(provider)[:_MAX_VALUES]:
                if not isinstance(value, Function) or not value.scope.yields:
                    continue
                point = value.scope.yields[0]
                opened = next((r for r in regions(value.module, value.scope) if r.kind == "transaction" and r.covers(point)), None)
                if opened is not None:
                    bound = any(r.kind == "bind" and r.covers(point) for r in regions(value.module, value.scope))
                    name = arg.arg if _yields_session(value, point) else ""
                    yield call, Opening("transaction", "dependency", opened.session, name, bound, (value.module, opened.node))


def _depends_calls(module: "Module", scope: Scope, arg: ast.arg) -> list[ast.Call]:
    """The ``Depends(…)`` of a parameter: its default, or inside ``Annotated``."""
    candidates: list[ast.AST | None] = [scope.default(arg.arg)]
    annotation: ast.AST | None = arg.annotation
    if isinstance(annotation, ast.Name):  # Session = Annotated[…, Depends(…)]
        owner = scope.parent.binder(annotation.id) if scope.parent is not None else None
        bindings = owner.bindings[annotation.id] if owner is not None else []
        annotation = next((b.value for b in bindings if isinstance(b.value, ast.Subscript)), None)
    if isinstance(annotation, ast.Subscript) and isinstance(annotation.slice, ast.Tuple):
        candidates.extend(annotation.slice.elts[1:])
    return [
        c
        for c in candidates
        if isinstance(c, ast.Call) and any(isinstance(v, External) and v.path == "fastapi.Depends" for v in module.values(c.func))
    ]


def _yields_session(function: Function, point: ast.AST) -> bool:
    value = getattr(point, "value", None)
    kind = function.module.inference.kind(function.module, value) if value is not None else None
    return kind is not None and kind.family == "session"
