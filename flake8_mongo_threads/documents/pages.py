"""A page as programs: which blocks belong together, and the way back from a program's text to the page's.

A program has as many lines as its page, and its code stands in the lines where the page has it: line numbers need no translation,
in messages neither. What is not its code is blank, but for one marker at the start of each such gap, by which a changed program is
taken apart again.
"""

import ast
import builtins
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from flake8_mongo_threads.documents import blocks, tolerant
from flake8_mongo_threads.documents.blocks import Block, Row
from flake8_mongo_threads.documents.tolerant import BODY, MARK, WELL_KNOWN
from flake8_mongo_threads.findings import Finding, Span, Step
from flake8_mongo_threads.source import parse, split_lines

_GAP = re.compile(rf'^"{MARK}gap (\d+)"(?:; (.*))?$')
_BUILTINS = frozenset(dir(builtins))
_DRIVERS = ("pymongo", "motor", "bson", "gridfs")


class RewriteError(ValueError):
    """A changed program cannot be written back into its page; the text is one line for the user."""


class Part(NamedTuple):
    """A run of lines of a program that are code, with their numbers: ``range(first, end)``."""

    lines: range
    block: Block


class Program:
    """One program of a page."""

    def __init__(self, lines: list[str], parts: tuple[Part, ...], names: "_Names") -> None:
        self.lines = lines
        """As many lines as the page has, with their line breaks."""
        self.parts = parts
        self.tree = parse("".join(lines))
        self.names = names

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.lines)

    def holds(self, line: int) -> bool:
        """Whether a line of the page is code of this program."""
        return any(line in part.lines for part in self.parts)

    def prefix(self, line: int) -> str:
        """What stands before the code on a line of the page."""
        for part in self.parts:
            if line in part.lines:
                return part.block.rows[line].prefix
        return ""


class Unparsable(NamedTuple):
    """A block that is not Python as it stands: where it begins, what is wrong, and whether some of it was left out."""

    line: int
    col: int
    text: str


class Page:
    """A text with blocks of code in it."""

    def __init__(self, path: str, text: str, found: Sequence[Block]) -> None:
        self.path = path
        self.text = text
        self.lines = split_lines(text)
        self.unparsable: list[Unparsable] = []
        self.programs: list[Program] = self._programs(found)

    def shown(self, _program: Program) -> list[str]:
        """The lines to show, and to read suppression comments from, for a program's line numbers."""
        return self.lines

    def mapped(self, finding: Finding, program: Program) -> Finding:
        """A finding of a program as one of the page: what stands before the code shifts the columns."""
        span = finding.span
        start, end = len(program.prefix(span.line)), len(program.prefix(span.end_line))
        steps = tuple(
            Step(step.path, step.line, step.col + len(program.prefix(step.line)), step.text) if step.path == finding.path else step
            for step in finding.steps
        )
        return finding._replace(span=Span(span.line, span.col + start, span.end_line, span.end_col + end), steps=steps)

    # ------------------------------------------------------------------ reading

    def _programs(self, found: Sequence[Block]) -> list[Program]:
        groups: list[tuple[list[tuple[Block, list[str]]], _Names]] = []
        for block in found:
            read = self._read(block)
            if read is None:
                continue
            codes, names = read
            group = next((group for group in reversed(groups) if names.free & group[1].bound), None)
            if not block.tagged and not names.driver and (group is None or not group[1].driver):
                continue
            if group is None:
                groups.append(([(block, codes)], names))
            else:
                group[0].append((block, codes))
                group[1].add(names)
        return [self._program(members, names) for members, names in groups]

    def _read(self, block: Block) -> "tuple[list[str], _Names] | None":
        """The lines of a block, its gaps filled with empty ones, and its names; None for what is not to be read."""
        last = max(block.rows)
        codes = [block.rows[number].code if number in block.rows else "" for number in range(block.first, last + 1)]
        if not block.tagged:
            try:
                names = _Names(parse("\n".join(codes)))
                parse("\n".join(_marked(block, codes)))
            except SyntaxError:
                return None
            return codes, names
        reading = tolerant.read(codes)
        if isinstance(reading, SyntaxError):
            self._note(block, reading, complete=False)
            return None
        try:
            parse("\n".join(_marked(block, reading.lines)))
        except SyntaxError as error:
            # Prose in the middle of a statement: what is around it cannot be told apart again.
            self._note(block, error, complete=False)
            return None
        if reading.error is not None:
            self._note(block, reading.error, reading.complete)
        return reading.lines, _Names(reading.tree)

    def _note(self, block: Block, error: SyntaxError, complete: bool) -> None:
        line = block.first + max((error.lineno or 1) - 1, 0)
        what = "not valid Python" if complete else "not valid Python, and not read as a whole"
        # The parser counts the lines of the block.
        message = re.sub(r"\bon line (\d+)", lambda match: f"on line {block.first - 1 + int(match[1])}", error.msg or "")
        at = min(block.rows)
        self.unparsable.append(Unparsable(at, len(block.rows[at].prefix) + 1, f"this block is {what}: {message} (line {line})"))

    def _program(self, members: "list[tuple[Block, list[str]]]", names: "_Names") -> Program:
        code: dict[int, str] = {}
        parts: list[Part] = []
        for block, codes in members:
            numbers = sorted(block.rows)
            start = numbers[0]
            for number, following in zip(numbers, [*numbers[1:], 0], strict=True):
                code[number] = codes[number - block.first]
                if following != number + 1:
                    parts.append(Part(range(start, number + 1), block))
                    start = following
        lines = []
        gaps = 0
        for number, line in enumerate(self.lines, 1):
            body = line.rstrip("\r\n")
            ending = line[len(body) :]
            if number in code:
                lines.append(code[number] + ending)
            elif number == 1 or number - 1 in code:
                marker = f'"{MARK}gap {gaps}"'
                missing = names.missing() if gaps == 0 and number == 1 else []
                lines.append("; ".join([marker, *missing]) + ending)
                gaps += 1
            else:
                lines.append(ending)
            if lines[-1] == "\n" and number > 1 and lines[-2].endswith("\r"):
                lines[-1] = "\r"  # what stood between them is gone: together they would be one line break
        return Program(lines, tuple(parts), names)

    # ------------------------------------------------------------------ writing back

    def rewritten(self, program: Program, text: str, complete: bool = True) -> str:
        """The page's text with a program of it changed to ``text``. Raises RewriteError.

        With ``complete``, what was filled in for reading and is needed to run (imports, bodies) is written where a block changes.
        """
        if text == program.text:
            return self.text
        runs = _runs(program, split_lines(text), complete)
        out: list[str] = []
        last = 0
        for part, new in zip(program.parts, runs, strict=True):
            out.extend(self.lines[last : part.lines.start - 1])
            out.extend(self._written(program, part, new, complete))
            last = part.lines.stop - 1
        out.extend(self.lines[last:])
        return "".join(out)

    def _written(self, program: Program, part: Part, new: Sequence[str], complete: bool) -> list[str]:
        """The page's lines of one part, given the program's new ones."""
        old = [program.lines[number - 1] for number in part.lines]
        if old == list(new):
            return self.lines[part.lines.start - 1 : part.lines.stop - 1]
        rows = [part.block.rows[number] for number in part.lines]
        ending = next((line[len(line.rstrip("\r\n")) :] for line in old if line.endswith(("\n", "\r"))), "\n")
        common = _common_prefix(rows)
        out: list[_Written] = []
        for tag, a, b, c, d in difflib.SequenceMatcher(None, old, list(new), autojunk=False).get_opcodes():
            if tag == "equal":
                for number in part.lines[a:b]:
                    whole = self.lines[number - 1]
                    row = part.block.rows[number]
                    bare = BODY in program.lines[number - 1]
                    out.append(_Written(row.prefix, row.code, whole[len(whole.rstrip("\r\n")) :], bare))
            else:
                for text in new[c:d]:
                    body = text.rstrip("\r\n")
                    out.append(_Written(None, body.replace(f" {BODY}", ""), text[len(body) :] or ending, BODY in body))
        if any(MARK in line.code and line.prefix is None for line in out):
            raise RewriteError("a line that is not valid Python would have to change")
        if complete:
            out = _with_bodies(out)
        if not part.block.prompts:
            return [line.with_prefix(common) for line in out]
        begins = _statement_starts([line.code for line in out])
        indent = common[: len(common) - len(common.lstrip())]
        typed = []
        for number, line in enumerate(out, 1):
            begun = line.prefix is not None and not line.prefix.lstrip().startswith("...")
            if line.prefix is None or (line.code and begun != (number in begins)):
                prefix = indent + (">>> " if number in begins else "... ")
                typed.append((prefix + line.code).rstrip() + line.ending)
            else:
                typed.append(line.prefix + line.code + line.ending)
        return typed


def _marked(block: Block, codes: list[str]) -> list[str]:
    """The lines of a block with a marker where a gap in it begins, as they stand in a program."""
    lines = list(codes)
    for number in range(block.first + 1, max(block.rows)):
        if number not in block.rows and number - 1 in block.rows:
            lines[number - block.first] = f'"{MARK}gap"'
    return lines


class _Written(NamedTuple):
    """A line to be written to a page."""

    prefix: str | None
    """What stands before the code; None for a line that is new."""
    code: str
    ending: str
    bare: bool = False
    """Whether it is a header without a body."""

    def with_prefix(self, common: str) -> str:
        """The whole line; a new one begins as the others do, a blank one has no white space at its end."""
        if not self.code:
            return (common.rstrip() if self.prefix is None else self.prefix) + self.ending
        return (common if self.prefix is None else self.prefix) + self.code + self.ending


def _runs(program: Program, new: Sequence[str], complete: bool) -> list[list[str]]:
    """The new lines of every part of a program. Raises RewriteError when its markers are not as they were."""
    wanted = [int(match[1]) for match in map(_GAP.match, (line.rstrip("\r\n") for line in program.lines)) if match]
    pieces: list[tuple[int, list[str]]] = [(-1, [])]
    imports: list[str] = []
    for line in new:
        match = _GAP.match(line.rstrip("\r\n"))
        if match:
            pieces.append((int(match[1]), []))
            if match[2]:
                imports += [f"{statement}\n" for statement in match[2].split("; ")]
        else:
            pieces[-1][1].append(line)
    if [number for number, _ in pieces[1:]] != wanted:
        raise RewriteError("the change goes beyond one block")
    runs: list[list[str]] = []
    carried: list[str] = []
    at_start = program.parts[0].lines.start == 1
    if not at_start and any(line.strip() for line in pieces[0][1]):
        carried += [line for line in pieces[0][1] if line.strip()]
    sizes = _gap_sizes(program)
    for position, (number, lines) in enumerate(pieces):
        if position == 0:
            if at_start:
                runs.append(lines)
            continue
        # Behind the marker come the blank lines of the gap and then the next part; what a change has put among them belongs to the part.
        blank, lines = sizes[number] - 1, list(lines)
        inserted = []
        while blank > 0 and lines:
            line = lines.pop(0)
            if line.strip():
                inserted.append(line)
            else:
                blank -= 1
        if any(line.strip() for line in inserted) and len(runs) >= len(program.parts):
            runs[-1].extend(inserted)
        elif len(runs) < len(program.parts):
            runs.append([*carried, *inserted, *lines])
            carried = []
        elif any(line.strip() for line in lines):
            runs[-1].extend(lines)
    if len(runs) != len(program.parts):
        raise RewriteError("the change goes beyond one block")
    if imports and complete:
        runs[0][:0] = imports
    return runs


def _gap_sizes(program: Program) -> dict[int, int]:
    sizes: dict[int, int] = {}
    current = -1
    inside = {number for part in program.parts for number in part.lines}
    for number, line in enumerate(program.lines, 1):
        match = _GAP.match(line.rstrip("\r\n"))
        if match:
            current = int(match[1])
            sizes[current] = 0
        if number not in inside:
            sizes[current] = sizes.get(current, 0) + 1
    return sizes


def _common_prefix(rows: Iterable[Row]) -> str:
    """What a new line of a block gets in front: what stands before its first line that is not blank."""
    return next((row.prefix for row in rows if row.code.strip()), "")


def _with_bodies(lines: Sequence[_Written]) -> list[_Written]:
    """Lines in which each header without a body has ``pass`` behind its comments: what a fix has been at is valid Python."""
    out = list(lines)
    for start in [index for index, line in enumerate(lines) if line.bare][::-1]:
        indent = len(out[start].code) - len(out[start].code.lstrip())
        at, margin = start + 1, " " * (indent + 4)
        for index in range(start + 1, len(out)):
            code = out[index].code
            if not code.strip():
                continue
            width = len(code) - len(code.lstrip())
            if not code.lstrip().startswith("#") or width <= indent:
                break
            at, margin = index + 1, code[:width]
        out.insert(at, _Written(None, f"{margin}pass", out[at - 1].ending or "\n"))
    return out


def _statement_starts(codes: Sequence[str]) -> set[int]:
    """The numbers of lines that begin a statement at the outermost level, or are comments there: those get the first prompt."""
    try:
        tree = tolerant.read(codes)
    except RecursionError:
        return set()
    if isinstance(tree, SyntaxError):
        return {number for number, code in enumerate(codes, 1) if code[:1].strip()}
    starts: set[int] = set()
    inner: set[int] = set()
    for node in tree.tree.body:
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        starts.add(first)
        inner.update(range(first + 1, (node.end_lineno or first) + 1))
    return starts | {number for number, code in enumerate(codes, 1) if number not in inner and code.strip()}


class _Names:
    """The names of one program: bound at its outermost level, used without being bound, and whether it imports a driver."""

    def __init__(self, tree: ast.Module) -> None:
        self.bound: set[str] = set()
        self.driver = False
        used: set[str] = set()
        anywhere: set[str] = set()
        outer: list[ast.AST] = list(tree.body)
        while outer:
            node = outer.pop()
            self._bind(node, self.bound)
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
                outer.extend(ast.iter_child_nodes(node))
        todo: list[ast.AST] = [tree]
        while todo:
            node = todo.pop()
            todo.extend(ast.iter_child_nodes(node))
            self._bind(node, anywhere)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                used.add(node.id)
            elif isinstance(node, ast.arg):
                anywhere.add(node.arg)
            if isinstance(node, ast.Import):
                self.driver |= any(alias.name.partition(".")[0] in _DRIVERS for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                self.driver |= (node.module or "").partition(".")[0] in _DRIVERS
        self.free = used - anywhere - _BUILTINS

    @staticmethod
    def _bind(node: ast.AST, names: set[str]) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)

    def add(self, other: "_Names") -> None:
        """Let another block follow."""
        self.free |= other.free - self.bound
        self.bound |= other.bound
        self.driver |= other.driver

    def missing(self) -> list[str]:
        """Imports that the program leaves out, of names that everybody knows."""
        wanted: dict[str, list[str]] = {}
        for name in sorted(self.free - self.bound):
            if name in WELL_KNOWN:
                wanted.setdefault(WELL_KNOWN[name], []).append(name)
        modules = [f"import {name}" for name in wanted.pop("", [])]
        return modules + [f"from {module} import {', '.join(names)}" for module, names in sorted(wanted.items())]


def read_page(path: str, text: str, kind: str) -> Page:
    """A Markdown or reStructuredText page (``kind``)."""
    lines = split_lines(text)
    return Page(path, text, blocks.markdown(lines) if kind == "markdown" else blocks.restructuredtext(lines))


def read_docstrings(path: str, text: str, tree: ast.Module) -> Page:
    """The docstrings of a module as a page."""
    return Page(path, text, blocks.docstrings(split_lines(text), tree))
