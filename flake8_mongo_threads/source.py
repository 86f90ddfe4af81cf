"""Text of one file: bytes to text and back, and positions counted in characters.

``ast`` counts columns in UTF-8 bytes; editors, flake8 and libcst count characters. Everything that leaves the
program is in characters, so the conversion is made here and nowhere else.
"""

import ast
import codecs
import re
import warnings
from typing import NamedTuple

from flake8_mongo_threads.findings import Span

_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK = re.compile(rb"^[ \t\f]*(?:#[^\r\n]*)?(?:\r\n|\r|\n|$)")


class DecodeError(ValueError):
    """The bytes of a file are not text in the encoding that it declares."""


class Decoded(NamedTuple):
    """A file's text with what is needed to write it back byte for byte."""

    text: str
    encoding: str
    bom: bool

    def encode(self, text: str) -> bytes:
        """Return ``text`` as bytes of this file. Raises UnicodeEncodeError when the encoding cannot hold it."""
        body = text.encode(self.encoding)
        return codecs.BOM_UTF8 + body if self.bom else body


def decode(data: bytes) -> Decoded:
    """Decode a Python file as the interpreter would (byte order mark, PEP 263 cookie, else UTF-8), newlines kept.

    Raises DecodeError with a one-line reason.
    """
    bom = data.startswith(codecs.BOM_UTF8)
    if bom:
        data = data[len(codecs.BOM_UTF8) :]
    encoding = _declared_encoding(data)
    if encoding is None:
        encoding = "utf-8"
    elif bom and encoding != "utf-8":
        raise DecodeError(f"encoding cookie {encoding!r} contradicts the byte order mark")
    try:
        text = data.decode(encoding)
    except (UnicodeDecodeError, UnicodeError) as error:
        raise DecodeError(f"not valid {encoding}: {error}") from None
    if "\0" in text:
        raise DecodeError("source code contains null bytes")
    return Decoded(text, encoding, bom)


def _declared_encoding(data: bytes) -> str | None:
    first, _, rest = data.partition(b"\n")
    for line in (first, rest.partition(b"\n")[0]):
        match = _COOKIE.match(line)
        if match:
            name = match.group(1).decode("ascii")
            try:
                found = codecs.lookup(name)
            except LookupError:
                raise DecodeError(f"unknown encoding: {name}") from None
            if not getattr(found, "_is_text_encoding", True):
                raise DecodeError(f"{name} is not a text encoding")
            return found.name
        if not _BLANK.match(line + b"\n"):
            return None
    return None


def split_lines(text: str) -> list[str]:
    """Split at the line ends Python's tokenizer knows (LF, CRLF, CR), keeping them; not at form feeds or U+2028."""
    if "\r" not in text:
        lines = [line + "\n" for line in text.split("\n")]
        lines[-1] = lines[-1][:-1]
    else:
        lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", text)
    if lines and lines[-1] == "":
        lines.pop()
    return lines


def parse(text: str) -> ast.Module:
    """Parse a text as a module, without the warnings that compiling it may give. Raises SyntaxError for any reason to refuse it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except SyntaxError:
            raise
        except (RecursionError, MemoryError):
            raise SyntaxError("too deeply nested to be parsed") from None
        except ValueError as error:
            raise SyntaxError(str(error)) from None


def is_valid(text: str) -> bool:
    """Whether a text is certainly a valid module, told in half of the time that it takes to make its tree. False is only a doubt:
    :func:`parse` knows."""
    import symtable

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # Of what the interpreter offers this is the least that reads the whole text: the parser and the scopes, no tree of objects.
            symtable.symtable(text, "<text>", "exec")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


class Source:
    """One file's text with conversions from ``ast`` positions.

    ``path`` is the name to show and may not exist on disk (stdin, an editor's buffer, a code block).
    """

    __slots__ = ("_ascii", "_real_path", "_text", "lines", "path")

    def __init__(self, path: str, lines: list[str], real_path: str | None = None) -> None:
        if lines and lines[0].startswith("\ufeff"):
            lines = [lines[0][1:], *lines[1:]]
        self.path = path
        self.lines = lines
        self._real_path = real_path
        self._ascii: bool | None = None
        self._text: str | None = None

    @classmethod
    def from_text(cls, path: str, text: str, real_path: str | None = None) -> "Source":
        """Make a Source of a whole text."""
        made = cls(path, split_lines(text), real_path)
        if not text.startswith("\ufeff"):
            made._text = text
        return made

    def shown_as(self, path: str) -> "Source":
        """The same text under another name."""
        same = Source(path, self.lines, self._real_path or self.path)
        same._text = self.text
        same._ascii = self._ascii
        return same

    @property
    def location(self) -> str:
        """Where the file stands on disk, to resolve imports from; the display path unless told otherwise."""
        return self._real_path or self.path

    @property
    def text(self) -> str:
        """The whole text."""
        if self._text is None:
            self._text = "".join(self.lines)
        return self._text

    def char_col(self, line: int, byte_col: int) -> int:
        """Turn a UTF-8 byte column of a 1-based line, as ``ast`` has it, into a character column."""
        if self._ascii is None:
            self._ascii = self.text.isascii()
        if self._ascii or byte_col == 0 or line > len(self.lines):
            return byte_col
        text = self.lines[line - 1]
        if text.isascii():
            return byte_col
        return len(text.encode("utf-8", "surrogatepass")[:byte_col].decode("utf-8", "ignore"))

    def span(self, node: ast.AST) -> Span:
        """The span of a node in characters."""
        line: int = node.lineno  # type: ignore[attr-defined]
        end_line: int = node.end_lineno  # type: ignore[attr-defined]
        return Span(
            line,
            self.char_col(line, node.col_offset),  # type: ignore[attr-defined]
            end_line,
            self.char_col(end_line, node.end_col_offset),  # type: ignore[attr-defined]
        )

    def name_span(self, node: ast.AST) -> Span:
        """The span of the name that an expression ends in: of ``a.b.c(…)`` and ``a.b.c`` the ``c``; of anything else its own.

        This is where a finding stands: in a chain over several lines it is the line a reader looks at.
        """
        if isinstance(node, ast.Call):
            node = node.func
        while isinstance(node, ast.Subscript):
            node = node.value
        if isinstance(node, ast.Attribute):
            end_line: int = node.end_lineno or node.lineno
            end = self.char_col(end_line, node.end_col_offset or 0)
            return Span(end_line, max(end - len(node.attr), 0), end_line, end)
        return self.span(node)
