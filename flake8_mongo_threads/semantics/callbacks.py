"""Callbacks of ``with_transaction``: their colour, and what they do that is the driver's to do."""

import ast
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Span
from flake8_mongo_threads.semantics.awaiting import decorated
from flake8_mongo_threads.semantics.facts import PRODUCERS
from flake8_mongo_threads.semantics.syntax import walk
from flake8_mongo_threads.semantics.transactions import Callback, Inside, Piece, callbacks
from flake8_mongo_threads.semantics.values import NOTHING, Awaitable, Const, Driver, Mapping, Sequence, Value

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module


class WrongColour:
    """A callback that does not fit its session: one that gives a coroutine to a synchronous session, or none to an asynchronous one."""

    __slots__ = ("callback", "cause", "span", "steps")

    def __init__(self, module: "Module", callback: Callback) -> None:
        self.callback = callback
        self.span: Span = module.source.name_span(callback.call)
        home = callback.function.module
        self.steps = (
            home.step(
                callback.function.scope.node,
                f"{callback.name} is {'asynchronous' if callback.method.owner.flavour == 'sync' else 'a plain function'}",
            ),
            module.step(
                callback.call,
                f"handed to an {'asynchronous' if callback.method.owner.flavour != 'sync' else 'synchronous'} with_transaction",
            ),
        )
        self.cause = f"await@{self.span.line}:{self.span.col}"


def wrong_colours(module: "Module") -> list[WrongColour]:
    """The ``with_transaction`` calls whose every possible callback has the wrong colour."""
    groups: dict[ast.Call, list[Callback]] = {}
    for callback in callbacks(module):
        groups.setdefault(callback.call, []).append(callback)
    return [
        WrongColour(module, group[0]) for group in groups.values() if all(_wrong(c) for c in group) and not _open(module, group[0].target)
    ]


def _open(module: "Module", target: ast.expr) -> bool:
    """Whether the callback can also be something that is not known."""
    from flake8_mongo_threads.semantics.values import OPEN, UNKNOWN

    return any(v is UNKNOWN or v is OPEN for v in module.values(target))


def _wrong(callback: Callback) -> bool:
    function = callback.function
    scope = function.scope
    if decorated(function):
        return False
    if callback.method.owner.flavour == "sync":
        if scope.is_async:
            return True
        results = _results(callback)
        return bool(results) and all(isinstance(v, Awaitable) and v.how == "coroutine" for values in results for v in values)
    if scope.is_async or scope.yields:
        return False
    return all(values and all(_plain(v) for v in values) for values in _results(callback))


def _results(callback: Callback) -> list[tuple[Value, ...]]:
    """What each ``return`` of a callback can give."""
    scope = callback.function.scope
    home = callback.function.module
    if isinstance(scope.node, ast.Lambda):
        return [home.values(scope.node.body)]
    return [home.values(value) for value in scope.returns]


def _plain(value: Value) -> bool:
    """Whether a value certainly cannot be awaited."""
    return value is NOTHING or isinstance(value, (Const, Sequence, Mapping)) or (isinstance(value, Driver) and value.family != "document")


class OwnControl:
    """A callback that starts, commits or aborts the transaction that the driver runs it in. ``node`` is where to report it."""

    __slots__ = ("call", "cause", "name", "piece", "span", "steps")

    def __init__(self, module: "Module", piece: Piece, call: ast.Call, node: ast.AST) -> None:
        self.piece = piece
        self.call = call
        self.name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        self.span: Span = module.source.name_span(node)
        self.steps = (*piece.steps, piece.module.step(call, f"'{self.name}' is the driver's to do"))
        self.cause = ""


def own_controls(module: "Module") -> list[OwnControl]:
    """Every start, commit or abort inside a callback, of the callback's own session."""
    found: list[OwnControl] = []
    for fact in module.facts(Inside):
        for piece in fact.pieces:
            if piece.region.how != "callback":
                continue
            for call in piece.session_calls("start_transaction", "commit_transaction", "abort_transaction", "with_transaction"):
                node = call if piece.module is module else piece.anchor
                if node is not None and call is not piece.region.node:
                    found.append(OwnControl(module, piece, call, node))
    return found


# ---------------------------------------------------------------------- effects outside the database


class Effect:
    """Something that a callback does outside the database, and that happens again when the driver runs it again."""

    __slots__ = ("piece", "span", "steps", "text")

    def __init__(self, module: "Module", piece: Piece, node: ast.AST, at: ast.AST, text: str) -> None:
        self.piece = piece
        self.text = text
        self.span: Span = module.source.name_span(at)
        self.steps = (*piece.steps, piece.module.step(node, text))


def effects_outside(module: "Module") -> list[Effect]:
    """Every effect outside the database in a callback or in a function that one calls."""
    from flake8_mongo_threads.semantics.effects import effects_of

    found: list[Effect] = []
    for fact in module.facts(Inside):
        for piece in fact.pieces:
            if piece.region.how != "callback":
                continue
            for node, text in effects_of(piece):
                at = node if piece.module is module else piece.anchor
                if at is not None:
                    found.append(Effect(module, piece, node, at, text))
    return found


def contains(root: ast.AST, kind: type | tuple[type, ...]) -> bool:
    """Whether a node of some class stands below another, nested functions left out."""
    return any(isinstance(node, kind) for node in walk(root))


PRODUCERS[WrongColour] = wrong_colours
PRODUCERS[OwnControl] = own_controls
PRODUCERS[Effect] = effects_outside
