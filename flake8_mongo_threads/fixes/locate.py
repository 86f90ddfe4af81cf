"""From an anchor (``ast`` class and span) to the libcst node at the same place.

The spans of ``ast`` (in characters) and of libcst's PositionProvider agree for every kind in ``_KINDS``, with one exception,
handled here: libcst leaves the parentheses out of a tuple and of a generator expression. Whatever is not found exactly is a
refusal, never a guess.
"""

import ast
import sys

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from flake8_mongo_threads.edits import Anchor
from flake8_mongo_threads.source import Source

Place = tuple[int, int, int, int]

TOO_DEEP = "too deeply nested"
NOT_KEPT = "the file has lone carriage returns or form feeds that libcst would lose"
_DEEPEST = 400
"""Levels of ``ast`` nesting up to which libcst is tried. Its visitors need Python frames for every level and give up near
300; its native parser overflows the machine's stack at some thousands, which no handler can catch."""

_COMPOUND = {
    "For": ("For",),
    "AsyncFor": ("For",),
    "While": ("While",),
    "With": ("With",),
    "AsyncWith": ("With",),
    "If": ("If",),
    "Try": ("Try",),
    "TryStar": ("TryStar",),
    "FunctionDef": ("FunctionDef",),
    "AsyncFunctionDef": ("FunctionDef",),
    "ClassDef": ("ClassDef",),
    "Match": ("Match",),
}
_SMALL = {
    "Expr": ("Expr",),
    "Assign": ("Assign",),
    "AnnAssign": ("AnnAssign",),
    "AugAssign": ("AugAssign",),
    "Return": ("Return",),
    "Raise": ("Raise",),
    "Assert": ("Assert",),
    "Delete": ("Del",),
    "Pass": ("Pass",),
    "Break": ("Break",),
    "Continue": ("Continue",),
    "Global": ("Global",),
    "Nonlocal": ("Nonlocal",),
    "Import": ("Import",),
    "ImportFrom": ("ImportFrom",),
}
_EXPRESSIONS = {
    "Name": ("Name",),
    "Attribute": ("Attribute",),
    "Call": ("Call",),
    "Await": ("Await",),
    "Lambda": ("Lambda",),
    "Subscript": ("Subscript",),
    "BinOp": ("BinaryOperation",),
    "BoolOp": ("BooleanOperation",),
    "UnaryOp": ("UnaryOperation",),
    "Compare": ("Comparison",),
    "IfExp": ("IfExp",),
    "Dict": ("Dict",),
    "Set": ("Set",),
    "List": ("List",),
    "Tuple": ("Tuple",),
    "ListComp": ("ListComp",),
    "SetComp": ("SetComp",),
    "DictComp": ("DictComp",),
    "GeneratorExp": ("GeneratorExp",),
    "Constant": ("SimpleString", "ConcatenatedString", "Integer", "Float", "Imaginary", "Ellipsis", "Name"),
    "JoinedStr": ("FormattedString", "ConcatenatedString"),
    "NamedExpr": ("NamedExpr",),
    "Yield": ("Yield",),
    "YieldFrom": ("Yield",),
    "Starred": ("StarredElement", "Arg"),
    "keyword": ("Arg",),
    "alias": ("ImportAlias",),
}
_KINDS: dict[str, tuple[str, ...]] = {**_COMPOUND, **_SMALL, **_EXPRESSIONS}
_WANTED = frozenset(name for names in _KINDS.values() for name in names)
STATEMENTS = frozenset(_COMPOUND) | frozenset(_SMALL)


class RefusedError(Exception):
    """A fix that cannot be placed; the text is the reason, one line for the user."""

    def __init__(self, reason: str, culprit: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.culprit = culprit
        """Which of the fixes handed over is to blame (its index), when that is known."""


def _deepest(tree: ast.AST) -> int:
    deepest = 0
    stack: list[tuple[ast.AST, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        deepest = max(deepest, depth)
        stack.extend((child, depth + 1) for child in ast.iter_child_nodes(node))
    return deepest


class Tree:
    """One text parsed by libcst, with its nodes by kind and place. The nodes are never changed: one Tree serves many tries.

    Raises RefusedError when the text is too deeply nested for libcst, when libcst cannot parse it, or cannot reproduce it
    (where lines end in lone carriage returns it loses the last one, and a form feed in front of a statement).
    """

    def __init__(self, source: Source, tree: ast.Module) -> None:
        self.text = source.text
        self.lines = source.lines
        if _deepest(tree) > _DEEPEST:
            raise RefusedError(TOO_DEEP)
        try:
            self.module = cst.parse_module(self.text)
            if self.module.code != self.text:
                raise RefusedError(NOT_KEPT)
            positions = MetadataWrapper(self.module, unsafe_skip_copy=True).resolve(PositionProvider)
        except RecursionError:
            raise RefusedError(TOO_DEEP) from None
        except RefusedError:
            raise
        except Exception:  # besides its ParserSyntaxError there are errors in itself, at syntax that it knows in part
            raise RefusedError("libcst cannot parse this file") from None
        self._nodes: dict[tuple[str, Place], list[cst.CSTNode]] = {}
        for node, span in positions.items():
            kind = type(node).__name__
            if kind in _WANTED:
                place = (span.start.line, span.start.column, span.end.line, span.end.column)
                self._nodes.setdefault((kind, place), []).append(node)
        self._doubtful = _in_old_fstrings(tree, source)

    @classmethod
    def of_text(cls, text: str) -> "Tree":
        """Parse a text. Raises SyntaxError too."""
        return cls(Source.from_text("<text>", text), ast.parse(text))

    def find(self, anchor: Anchor) -> cst.CSTNode:
        """The one node of this kind at this place. Raises RefusedError."""
        names = _KINDS.get(anchor.kind)
        if names is None:
            raise RefusedError(f"a fix cannot be anchored on {anchor.kind}")
        place = (anchor.line, anchor.col, anchor.end_line, anchor.end_col)
        found = self._exactly(names, place)
        doubtful = self._doubtful.get((anchor.kind, place))
        if doubtful is not None and not (len(found) == 1 and self._reads(found[0], doubtful)):
            raise RefusedError("it stands inside an f-string")
        if not found and anchor.kind in ("Tuple", "GeneratorExp"):
            found = self._inside_parentheses(names, place)
        if len(found) != 1:
            raise RefusedError(f"no {anchor.kind} found at line {anchor.line}, column {anchor.col + 1}")
        return found[0]

    def _exactly(self, names: tuple[str, ...], place: Place) -> list[cst.CSTNode]:
        return [node for name in names for node in self._nodes.get((name, place), ())]

    def _reads(self, node: cst.CSTNode, wanted: str) -> bool:
        """Whether a node's text is the expression whose ``ast`` is given."""
        try:
            return ast.dump(ast.parse(f"({self.module.code_for_node(node)})", mode="eval").body) == wanted
        except SyntaxError:
            return False

    def _inside_parentheses(self, names: tuple[str, ...], place: Place) -> list[cst.CSTNode]:
        line, col, end_line, end_col = place
        found = []
        for (name, inner), nodes in self._nodes.items():
            if name in names and place[:2] < inner[:2] and inner[2:] < place[2:]:
                before = self._slice(line, col, inner[0], inner[1])
                after = self._slice(inner[2], inner[3], end_line, end_col)
                if before.strip() == "(" and after.strip() == ")":
                    found += nodes
        return found

    def _slice(self, line: int, col: int, end_line: int, end_col: int) -> str:
        lines = self.lines[line - 1 : end_line]
        if len(lines) == 1:
            return lines[0][col:end_col]
        return "".join([lines[0][col:], *lines[1:-1], lines[-1][:end_col]])


def _place(source: Source, node: ast.AST) -> Place:
    line, col, end_line, end_col = source.span(node)
    return line, col, end_line, end_col


def _in_old_fstrings(tree: ast.Module, source: Source) -> dict[tuple[str, Place], str]:
    """Nodes inside f-strings, where the positions of Python before 3.12 need not be those of the file, with what they are.

    One place for two different nodes tells nothing: it is nobody's.
    """
    found: dict[tuple[str, Place], str] = {}
    if sys.version_info >= (3, 12):
        return found
    for string in ast.walk(tree):
        if not isinstance(string, ast.JoinedStr):
            continue
        for node in ast.walk(string):
            if node is not string and isinstance(node, ast.expr):
                key, text = (type(node).__name__, _place(source, node)), ast.dump(node)
                found[key] = text if found.get(key, text) == text else ""
    return found
