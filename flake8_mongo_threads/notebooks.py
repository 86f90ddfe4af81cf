"""Jupyter notebooks as programs: the code cells in order, positions in cells, and fixes written back into the JSON.

The JSON is read with the places of its strings, so that a change replaces the source of one cell and no other byte: outputs,
identifiers, key order and indentation stay as they are.
"""

import difflib
import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from flake8_mongo_threads.documents import tolerant
from flake8_mongo_threads.documents.pages import RewriteError, Unparsable
from flake8_mongo_threads.documents.tolerant import BODY, MARK
from flake8_mongo_threads.findings import Finding, Step
from flake8_mongo_threads.source import parse, split_lines

_SPACE = re.compile(r"[ \t\r\n]*")
_CELL = re.compile(rf'^"{MARK}cell (\d+)"$')
_LINE_IN_TEXT = re.compile(r"\bline (\d+)")
_MAGIC = re.compile(r"^(?P<indent>\s*)(?:%\w|!|\?|[\w.]+\?{1,2}\s*$)")
_ASSIGNED = re.compile(r"^(?P<left>\s*[\w., \[\]'\"]+?\s*=\s*)(?:!|%\w)")
_STATEMENT_MAGIC = re.compile(r"^(?P<indent>\s*)(?P<magic>%(?:time|timeit|prun)\s+)(?=[A-Za-z_(])")
_CELL_MAGIC = re.compile(r"^\s*%%(\w+)")
_PYTHON_CELLS = frozenset(("time", "timeit", "capture", "prun", "debug"))
"""Cell magics whose body is Python of the same program."""


class NotebookError(ValueError):
    """A file is not a notebook; the text is one line for the user."""


class CellLine(NamedTuple):
    """Where one line of the program stands: cell (from 1, all cells counted), line in it, row of the file, and for each
    character, and the end, the 0-based column in that row."""

    cell: int
    line: int
    row: int
    columns: tuple[int, ...]


class _Cell(NamedTuple):
    number: int
    """From 1, cells of every type counted."""
    start: int
    end: int
    """Where its source, a string or a list of strings, stands in the file."""
    strings: tuple[tuple[int, int], ...]
    """Where the strings stand, quotes included."""
    lines: tuple[str, ...]
    places: tuple[CellLine, ...]


class Cells:
    """The program that a notebook's code cells make."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.tree = parse("".join(lines))

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.lines)


class Notebook:
    """A notebook. Raises NotebookError when the text is not one."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.unparsable: list[Unparsable] = []
        self.places: list[CellLine] = []
        """For each line of the program where it stands; a line that marks a cell's start has cell 0."""
        self._shown: list[str] = []
        self._cells = _code_cells(text)
        self._read: list[_Cell] = []
        self.programs: list[Cells] = self._programs()

    def shown(self, _program: Cells) -> list[str]:
        """The program's lines as they stand in the cells, magics included."""
        return self._shown

    def mapped(self, finding: Finding, program: Cells) -> Finding:
        """The finding with the lines that its texts name told by cell; its span stays in lines of the program (see ``places``)."""
        del program
        steps = tuple(
            Step(step.path, step.line, step.col, self._told(step.text)) if step.path == finding.path else step for step in finding.steps
        )
        return finding._replace(message=self._told(finding.message), steps=steps)

    def _told(self, text: str) -> str:
        def place(match: "re.Match[str]") -> str:
            number = int(match[1])
            if not 0 < number <= len(self.places) or not self.places[number - 1].cell:
                return match[0]
            return f"cell {self.places[number - 1].cell} line {self.places[number - 1].line}"

        return _LINE_IN_TEXT.sub(place, text)

    def _programs(self) -> list[Cells]:
        lines: list[str] = []
        for cell in self._cells:
            body = _readable(cell.lines)
            if body is None:
                continue
            reading = tolerant.read(body)
            if isinstance(reading, SyntaxError) or reading.error is not None:
                error = reading if isinstance(reading, SyntaxError) else reading.error
                assert error is not None
                at = cell.places[min(max((error.lineno or 1) - 1, 0), len(cell.places) - 1)]
                text = f"cell {cell.number} is not valid Python: {error.msg} (line {at.line})"
                self.unparsable.append(Unparsable(at.row, at.columns[0] + 1, text))
            if isinstance(reading, SyntaxError):
                continue
            self._read.append(cell)
            lines.append(f'"{MARK}cell {cell.number}"\n')
            lines.extend(f"{line}\n" for line in reading.lines)
            self._shown.extend(["\n", *(f"{line}\n" for line in cell.lines)])
            self.places.extend([CellLine(0, 0, cell.places[0].row, (0,)), *cell.places])
        return [Cells(lines)] if lines else []

    # ------------------------------------------------------------------ writing back

    def rewritten(self, program: Cells, text: str) -> str:
        """The notebook's text with its program changed to ``text``. Raises RewriteError."""
        bodies: list[list[str]] = []
        numbers: list[int] = []
        before: list[str] = []
        for line in (line.rstrip("\r\n") for line in split_lines(text)):
            match = _CELL.match(line)
            if match:
                numbers.append(int(match[1]))
                bodies.append(before)
                before = []
            elif bodies:
                bodies[-1].append(line)
            elif line.strip():
                before.append(line)
        if numbers != [cell.number for cell in self._read]:
            raise RewriteError("the change goes beyond one cell")
        out = self.text
        start = len(program.lines)
        for cell, body in reversed(list(zip(self._read, bodies, strict=True))):
            start -= len(cell.lines) + 1
            old = [line.rstrip("\r\n") for line in program.lines[start + 1 : start + 1 + len(cell.lines)]]
            if body != old:
                out = out[: cell.start] + self._source(cell, _restored(cell, old, body)) + out[cell.end :]
        return out

    def _source(self, cell: _Cell, lines: Sequence[str]) -> str:
        """The JSON of a cell's new source, written as the old one is."""
        raw = self.text[cell.start : cell.end]
        ascii_only = raw.isascii() and "\\u" in raw
        texts = [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines and lines[-1] else [])
        if raw.startswith('"'):
            return json.dumps("".join(texts), ensure_ascii=ascii_only)
        old = [self.text[start:end] for start, end in cell.strings]
        decoded = [json.loads(text) for text in old]
        new: list[str] = []
        for tag, a, b, c, d in difflib.SequenceMatcher(None, decoded, texts, autojunk=False).get_opcodes():
            new.extend(old[a:b] if tag == "equal" else [json.dumps(text, ensure_ascii=ascii_only) for text in texts[c:d]])
        opening = self.text[cell.start : cell.strings[0][0]]
        spaced = opening[1:] or (" " if '": ' in self.text else "")
        between = self.text[cell.strings[0][1] : cell.strings[1][0]] if len(cell.strings) > 1 else f",{spaced}"
        closing = self.text[cell.strings[-1][1] : cell.end]
        return opening + between.join(new) + closing


def _restored(cell: _Cell, old: Sequence[str], new: Sequence[str]) -> list[str]:
    """A cell's new lines with what was replaced for reading put back. Raises RewriteError."""
    out: list[str] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, list(new), autojunk=False).get_opcodes():
        if tag == "equal":
            out.extend(cell.lines[a:b])
            continue
        for line in new[c:d]:
            line = line.replace(f" {BODY}", "")
            if MARK in line or "__magic_" in line:
                raise RewriteError("a line that is not plain Python would have to change")
            out.append(line)
    return out


def _readable(lines: Sequence[str]) -> list[str] | None:
    """A cell's lines with its magics replaced, none moved; None for a cell in another language."""
    head = next((line for line in lines if line.strip()), "")
    magic = _CELL_MAGIC.match(head)
    if magic and magic[1] not in _PYTHON_CELLS:
        return None
    try:
        parse("\n".join(lines))
        return list(lines)
    except SyntaxError:
        pass
    out: list[str] = []
    continued = False
    for number, line in enumerate(lines):
        if continued:
            out.append("")
            continued = line.rstrip().endswith("\\")
            continue
        assigned, plain, timed = _ASSIGNED.match(line), _MAGIC.match(line), _STATEMENT_MAGIC.match(line)
        if _CELL_MAGIC.match(line) and line is head:
            out.append(f'"{MARK}{number}"')
        elif timed:
            # The statement is kept, and its columns with it.
            out.append(f"{timed['indent']}0{' ' * (len(timed['magic']) - 2)};{line[timed.end() :]}")
        elif plain:
            out.append(f'{plain["indent"]}"{MARK}{number}"')
            continued = line.rstrip().endswith("\\")
        elif assigned:
            out.append(f"{assigned['left']}__magic_{number}__")
            continued = line.rstrip().endswith("\\")
        else:
            out.append(line)
    return out


# ---------------------------------------------------------------------- JSON with places


def _code_cells(text: str) -> list[_Cell]:
    """The code cells of a notebook whose kernel, if it says, runs Python. Raises NotebookError."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotebookError(f"not a notebook: {error}") from None
    if not isinstance(whole, dict) or not isinstance(whole.get("cells"), list):
        raise NotebookError("not a notebook of format 4: it has no list of cells")
    metadata = whole.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    told = [metadata.get("language_info"), metadata.get("kernelspec")]
    names = [str(part.get(key, "")).lower() for part, key in zip(told, ("name", "language"), strict=True) if isinstance(part, dict)]
    if any(name and "python" not in name for name in names):
        return []
    decoder = json.JSONDecoder(strict=False)
    top = _members(text, _skip(text, 0), decoder)
    starts = _line_starts(text)
    cells: list[_Cell] = []
    for number, at in enumerate(_items(text, top["cells"], decoder), 1):
        if text[at] != "{":
            raise NotebookError(f"not a notebook: cell {number} is no object")
        members = _members(text, at, decoder)
        if "source" not in members or "cell_type" not in members:
            continue
        if decoder.raw_decode(text, members["cell_type"])[0] == "code":
            cell = _cell(text, number, members["source"], decoder, starts)
            if cell is not None:
                cells.append(cell)
    return cells


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _members(text: str, at: int, decoder: json.JSONDecoder) -> dict[str, int]:
    """The keys of the object at a place, and where their values stand."""
    found: dict[str, int] = {}
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = decoder.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        found[key] = at
        at = _skip(text, decoder.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _items(text: str, at: int, decoder: json.JSONDecoder) -> list[int]:
    """Where the items of the list at a place stand."""
    found: list[int] = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        found.append(at)
        at = _skip(text, decoder.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _line_starts(text: str) -> list[int]:
    starts = [0]
    starts.extend(match.end() for match in re.finditer("\n", text))
    return starts


def _cell(text: str, number: int, at: int, decoder: json.JSONDecoder, starts: Sequence[int]) -> _Cell | None:
    """The cell whose source stands at a place; None when it has no code."""
    from bisect import bisect_right

    end = decoder.raw_decode(text, at)[1]
    if text[at] == '"':
        strings = [(at, end)]
    elif text[at] == "[":
        strings = [(item, decoder.raw_decode(text, item)[1]) for item in _items(text, at, decoder)]
    else:
        return None
    if any(text[start] != '"' for start, _ in strings):
        raise NotebookError(f"not a notebook: the source of cell {number} is no text")
    characters: list[tuple[str, int]] = []
    for start, stop in strings:
        characters.extend(_characters(text, start, stop))
    if not any(character.strip() for character, _ in characters):
        return None
    lines: list[str] = []
    places: list[CellLine] = []
    current: list[tuple[str, int]] = []
    # What is behind the last character of a line is its end: the place of the line break, or of the closing quote.
    for character, offset in [*characters, ("\n", strings[-1][1] - 1)]:
        if character != "\n":
            current.append((character, offset))
            continue
        offsets = [place for _, place in current] + [offset]
        row = bisect_right(starts, offsets[0])
        places.append(CellLine(number, len(lines) + 1, row, tuple(place - starts[row - 1] for place in offsets)))
        lines.append("".join(letter for letter, _ in current).rstrip("\r"))
        current = []
    return _Cell(number, at, end, tuple(strings), tuple(lines), tuple(places))


def _characters(text: str, start: int, end: int) -> list[tuple[str, int]]:
    """The characters that a JSON string means, each with its place in the file."""
    found: list[tuple[str, int]] = []
    at = start + 1
    while at < end - 1:
        length = 1
        if text[at] == "\\":
            length = 6 if text[at + 1] == "u" else 2
            # Two escapes may be one character.
            if length == 6 and text[at + 2 : at + 4].lower() in ("d8", "d9", "da", "db") and text[at + 6 : at + 8] == "\\u":
                length = 12
        value = json.loads(f'"{text[at : at + length]}"', strict=False)
        found.extend((character, at) for character in value)
        at += length
    return found
