"""The closed set of edits a fix can be made of, anchored on syntax-tree nodes by kind and position.

An anchor names a node as ``ast`` sees it (class name and span in characters); ``fixes/`` finds the same node in
libcst. Never anchor on a parenthesised tuple, a generator expression or a parameter: their spans differ there.
"""

from typing import NamedTuple


class Anchor(NamedTuple):
    """One node of the file: the name of its ``ast`` class and its span (1-based lines, character columns)."""

    kind: str
    line: int
    col: int
    end_line: int
    end_col: int


class ImportRequest(NamedTuple):
    """A name the changed code needs: ``import module`` when ``name`` is empty, else ``from module import name``."""

    module: str
    name: str = ""
    alias: str = ""
    """The local name, when it differs: ``import module as alias``, ``from module import name as alias``."""


class ReplaceExpr(NamedTuple):
    """Replace an expression by a template in which ``{0}``, ``{1}`` … stand for other nodes, kept with their comments.

    ``{1*}`` in an argument list stands for all arguments of the ``Call`` that hole 1 anchors, with their commas,
    comments and stars: ``asyncio.to_thread({0}, {1*})``. A hole may be the anchor itself (``await {0}``). Parentheses
    are added where precedence needs them. A comment that stands in the expression but in no hole refuses the fix.
    """

    anchor: Anchor
    template: str
    holes: tuple[Anchor, ...] = ()


class RenameName(NamedTuple):
    """Give a ``Name``, or the last name of an ``Attribute``, a new identifier."""

    anchor: Anchor
    new: str


class SetKeyword(NamedTuple):
    """Add ``name=value`` to a ``Call``, or replace the value where the keyword exists."""

    anchor: Anchor
    name: str
    value: str


class RemoveKeyword(NamedTuple):
    """Remove the keyword argument ``name`` from a ``Call``."""

    anchor: Anchor
    name: str


class RenameKeyword(NamedTuple):
    """Rename the keyword argument ``old`` of a ``Call`` to ``new``."""

    anchor: Anchor
    old: str
    new: str


class RemoveElement(NamedTuple):
    """Take an element (which is anchored) out of its tuple. One that is left over on one line stands without the tuple: it is for what
    takes either, the exceptions of a handler."""

    anchor: Anchor


class SpliceCall(NamedTuple):
    """``outer(…, f(a, k=v))`` becomes ``outer(…, f, a, k=v)``. Anchors the inner ``Call``, a positional argument."""

    anchor: Anchor


class SwapWithItems(NamedTuple):
    """Exchange two items (by index) of one ``With`` or ``AsyncWith``."""

    anchor: Anchor
    first: int
    second: int


class SwapNestedWith(NamedTuple):
    """``with A: with B: body`` (B is the whole body of A) becomes ``with B: with A: body``."""

    anchor: Anchor


class HoistWith(NamedTuple):
    """``for …: with C: body`` (the ``With`` is the whole loop body) becomes ``with C: for …: body``. Anchors the loop."""

    anchor: Anchor


class MoveStatement(NamedTuple):
    """Move a whole statement directly before (or after) another one, at that one's indentation."""

    statement: Anchor
    target: Anchor
    after: bool = False


class InsertStatement(NamedTuple):
    """Insert one statement of source text directly before or after a statement."""

    target: Anchor
    text: str
    after: bool = False
    leads: bool = False
    """Whether the comments above the target speak of the new statement: it goes below them."""


class DeleteStatement(NamedTuple):
    """Delete a statement; a block that becomes empty gets ``pass``."""

    anchor: Anchor


class Unwrap(NamedTuple):
    """Take a ``with`` away, or the ``finally`` of a ``try``: the body takes the statement's place (a ``try`` with handlers stays one)."""

    anchor: Anchor


class WrapStatementsInTry(NamedTuple):
    """Wrap a run of sibling statements (first to last) in ``try: … finally: <text>``."""

    first: Anchor
    last: Anchor
    text: str


class MakeAsync(NamedTuple):
    """Turn a ``For``, ``With`` or comprehension clause (anchored on the statement or comprehension, ``index`` of the
    clause) into its ``async`` form, or back when ``asynchronous`` is false."""

    anchor: Anchor
    index: int = 0  # type: ignore[assignment]  # hides tuple.index, which no edit needs
    asynchronous: bool = True


class RenameImport(NamedTuple):
    """In a ``from module import name`` (the ``ImportFrom`` is anchored) take ``name`` from another place instead;
    the local alias stays the same unless ``new_name`` is to be the local name (``keep_local`` false)."""

    anchor: Anchor
    name: str
    new_module: str
    new_name: str
    keep_local: bool = True


class MovedName(NamedTuple):
    """A name of an import statement that is taken from another place: ``name`` of ``from x import name``, or the module of
    ``import module``. An empty ``new_module`` takes it away; of a module several names may take the place."""

    name: str
    new_module: str = ""
    new_name: str = ""
    keep_alias: bool = True
    """Whether ``as alias`` stays; of ``import module as alias`` it never does."""


class ReplaceImport(NamedTuple):
    """Take names of an ``Import`` or ``ImportFrom`` from other places instead, where the statement stands.

    What is left of the statement stays; else the first new import takes its place, with its parentheses and comments. The others
    follow it, one for each module.
    """

    anchor: Anchor
    moves: tuple[MovedName, ...]


class WhileToAsyncFor(NamedTuple):
    """``while …: x = …; body`` becomes ``async for x in <iterable>: body``. Anchors the ``While``, whose first statement assigns to one
    target, and the expression to iterate, which stands anywhere in it."""

    anchor: Anchor
    iterable: Anchor


Edit = (
    ReplaceExpr
    | RenameName
    | SetKeyword
    | RemoveKeyword
    | RenameKeyword
    | RemoveElement
    | SpliceCall
    | SwapWithItems
    | SwapNestedWith
    | HoistWith
    | MoveStatement
    | InsertStatement
    | DeleteStatement
    | Unwrap
    | WrapStatementsInTry
    | MakeAsync
    | RenameImport
    | ReplaceImport
    | WhileToAsyncFor
)
