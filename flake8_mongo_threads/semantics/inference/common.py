"""Bounds of the inference, and what several of its parts know and use."""

import ast

from flake8_mongo_threads.semantics.scopes import Scope
from flake8_mongo_threads.semantics.values import NOTHING, Awaitable, Const, External, Value, Values, known

MAX_DEPTH = 64
"""Expressions that wait for one another."""
MAX_WORK = 25_000
"""Expressions evaluated for one linted file; beyond it everything new is unknown. A thousand lines need about 5,000."""
MAX_TRIES = 3
"""How often what a cycle cuts is looked for again."""
MAX_HOPS = 14
"""Functions, callers and attributes between an expression and what it comes from."""
MAX_RETURNS = 8
MAX_CALLERS = 12
MAX_BASES = 10
MAX_LEVELS = 3
"""Generations of classes below one whose constructor is called."""
MAX_SIBLINGS = 40
"""Files looked through for what the program puts into a store of a framework."""

CURSORS = frozenset(("cursor", "command-cursor", "raw-cursor", "change-stream", "grid-out-cursor"))
CHAIN = {"client": "database", "database": "collection", "collection": "collection"}

DOUBLES = ("unittest.mock.", "mock.", "pytest_mock.")
"""Where the objects come from that tests put in the place of others."""
NAMED_TUPLE = "collections.namedtuple()"
"""The class that a call of ``namedtuple`` makes."""
PLAIN_BASES = frozenset(
    ("builtins.object", "abc.ABC", "typing.Generic", "typing.Protocol", "typing_extensions.Protocol", "typing_extensions.Generic")
)
"""Base classes that have no attributes of interest: what is read from an object of such a class is set by the program."""


class Result(Value):
    """The bound ``result`` method of a future."""

    __slots__ = ("awaitable",)

    def __init__(self, awaitable: Awaitable) -> None:
        self.awaitable = awaitable


def annotation_text(text: str) -> ast.expr | None:
    """An annotation that is written as a text; None where it is not one."""
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def only_external(values: Values) -> bool:
    """Whether a value is nothing but what other packages gave, of which an annotation knows more; not where one stands in for the driver."""
    return all(isinstance(v, External) and not v.path.startswith(DOUBLES) for v in known(values))


def something(values: Values) -> Values:
    """The alternatives without None and the ``""`` of a place still empty: reading an attribute of it, calling or iterating it gives nothing."""
    return tuple(v for v in values if v is not NOTHING and not (isinstance(v, Const) and not v.value)) or values


def arms(scope: Scope, node: ast.AST) -> dict[ast.AST, str]:
    """The ``if`` statements at the top level of a module around a node, with the arm that it stands in."""
    index = scope.index
    found: dict[ast.AST, str] = {}
    current: ast.AST | None = node
    while current is not None:
        place = index.place.get(current)
        if place is not None:
            owner, field, _ = place
            if isinstance(owner, ast.If):
                found[owner] = field
            elif isinstance(owner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.For, ast.While, ast.AsyncFor)):
                found.clear()  # what is inside runs any number of times
        current = index.parents.get(current)
    return found
