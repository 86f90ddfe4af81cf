"""Positions as the Language Server Protocol counts them: lines from 0, columns in code units of the encoding agreed on.

https://microsoft.github.io/language-server-protocol/specifications/lsp/3.17/specification/#position is what it follows.
"""

from collections.abc import Sequence
from typing import NamedTuple

from flake8_mongo_threads.findings import Span
from flake8_mongo_threads.report import Replacement
from flake8_mongo_threads.source import split_lines

UTF8, UTF16, UTF32 = "utf-8", "utf-16", "utf-32"


class Place(NamedTuple):
    """A position of the protocol."""

    line: int
    character: int


Region = tuple[Place, Place]
"""From the first position to the second, which is not part of it."""


def length(text: str, encoding: str) -> int:
    """How many code units a text has."""
    if encoding == UTF32 or text.isascii():
        return len(text)
    if encoding == UTF8:
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text) + sum(character > "\uffff" for character in text)


def place(lines: Sequence[str], line: int, col: int, encoding: str = UTF16) -> Place:
    """The position of a line (from 1) and a column in characters (from 0); of a line that is not there the column as it is."""
    if not 0 < line <= len(lines):
        return Place(max(line - 1, 0), col)
    return Place(line - 1, length(lines[line - 1][:col], encoding))


def region(lines: Sequence[str], span: Span, encoding: str = UTF16) -> Region:
    """The region of a span."""
    return place(lines, span.line, span.col, encoding), place(lines, span.end_line, span.end_col, encoding)


def column(line: str, character: int, encoding: str = UTF16) -> int:
    """The column in characters of a position in a line; past the end of the line it is the end, before its line break."""
    body = line.rstrip("\r\n")
    if encoding == UTF32 or body.isascii():
        return min(character, len(body))
    units = 0
    for col, letter in enumerate(body):
        if units >= character:
            return col
        units += length(letter, encoding)
    return len(body)


def offset(lines: Sequence[str], where: Place, encoding: str = UTF16) -> int:
    """The index in the text of a position; past the last line it is the end of the text."""
    if where.line >= len(lines):
        return sum(map(len, lines))
    return sum(map(len, lines[: where.line])) + column(lines[where.line], where.character, encoding)


def changed(text: str, where: Region | None, new: str, encoding: str = UTF16) -> str:
    """A text after one change of an editor: of a region, or of the whole."""
    if where is None:
        return new
    lines = split_lines(text)
    start, end = offset(lines, where[0], encoding), offset(lines, where[1], encoding)
    return text[:start] + new + text[max(start, end) :]


def trimmed(lines: Sequence[str], replacement: Replacement) -> Replacement:
    """A replacement of whole lines without the characters at its start and end that stay, so that a cursor there stays, too."""
    span, new = replacement
    old_lines = list(lines[span.line - 1 : span.end_line])
    if not old_lines or span.col:
        return replacement
    if span.end_line <= len(lines):
        old_lines[-1] = old_lines[-1][: span.end_col]
    old = "".join(old_lines)
    limit = min(len(old), len(new))
    start = 0
    while start < limit and old[start] == new[start]:
        start += 1
    # A line break of two characters is one.
    if start and old[start - 1] == "\r":
        start -= 1
    end = 0
    while end < limit - start and old[-1 - end] == new[-1 - end]:
        end += 1
    if end and old[-end] == "\n" and end < len(old) and old[-end - 1] == "\r":
        end -= 1
    first = _advanced(span.line, old[:start])
    last = _advanced(span.line, old[: len(old) - end])
    return Replacement(Span(*first, *last), new[start : len(new) - end])


def _advanced(line: int, text: str) -> tuple[int, int]:
    """The line and column after a text that begins at the start of a line."""
    lines = split_lines(text)
    if not lines:
        return line, 0
    if lines[-1].endswith(("\n", "\r")):
        return line + len(lines), 0
    return line + len(lines) - 1, len(lines[-1])
