"""What there is to tell about checked files, and the formats it can be written in, one module each.

A format module has ``write(reports, out) -> None``: it is handed an iterable of FileReport, in the order of their paths,
that may come as the files are checked, and a text stream. It is imported when it is asked for.
"""

import os
from collections.abc import Iterable
from importlib import import_module
from typing import NamedTuple, Protocol, TextIO, cast

from flake8_mongo_threads.findings import Applicability, Finding, Span
from flake8_mongo_threads.notebooks import CellLine


class Problem(NamedTuple):
    """Why a file could not be checked: position (1-based, 0 where there is none) and one line of text."""

    line: int
    col: int
    text: str


class Replacement(NamedTuple):
    """A region of the file, and the text to stand there instead."""

    span: Span
    text: str


class Change(NamedTuple):
    """What the fix of one finding does to the text of its file."""

    title: str
    applicability: Applicability
    replacements: tuple[Replacement, ...]


class FileReport(NamedTuple):
    """One checked file: what there is to report (selected, not silenced), in order of position."""

    path: str
    """The name to show, as flake8 shows it."""
    findings: tuple[Finding, ...] = ()
    silenced: int = 0
    """How many selected findings a ``# noqa`` comment silences."""
    problem: Problem | None = None
    lines: tuple[str, ...] = ()
    """The file's lines, when there are findings; of a notebook the lines of its program."""
    cells: tuple[CellLine, ...] = ()
    """Of a notebook: for each line of its program where it stands in the file."""
    unparsable: tuple[Problem, ...] = ()
    """Blocks of a page that are not valid Python, when they were asked for."""
    changes: tuple[Change | None, ...] = ()
    """What the fix of each finding does, when the format wants it."""
    known: int = 0
    """How many findings a baseline holds back."""

    def problem_line(self) -> str:
        """The problem as one line: ``path:line:col: error: text``."""
        return "" if self.problem is None else self._told(self.problem)

    def unparsable_lines(self) -> list[str]:
        """The blocks that are not valid Python, one line each."""
        return [self._told(problem) for problem in self.unparsable]

    def _told(self, problem: Problem) -> str:
        place = f"{self.path}:{problem.line}:{problem.col}" if problem.line else self.path
        return f"{place}: error: {problem.text}"

    def place(self, line: int, col: int | None = None) -> str:
        """A position of a finding or step (``col`` from 0) as people read it: ``12:5``, in a notebook ``cell 3:2:5``."""
        column = "" if col is None else f":{col + 1}"
        if self.cells and 0 < line <= len(self.cells) and self.cells[line - 1].cell:
            return f"cell {self.cells[line - 1].cell}:{self.cells[line - 1].line}{column}"
        return f"{line}{column}"

    def region(self, span: Span) -> Span:
        """Where a finding stands in the file as it is on disk: for a notebook in its JSON."""
        if not self.cells:
            return span
        line, col = self._in_file(span.line, span.col)
        end_line, end_col = self._in_file(span.end_line, span.end_col)
        return Span(line, col, end_line, end_col)

    def _in_file(self, line: int, col: int) -> tuple[int, int]:
        place = self.cells[min(max(line, 1), len(self.cells)) - 1]
        return place.row, place.columns[min(col, len(place.columns) - 1)]

    def same_file(self, path: str) -> bool:
        """Whether a step's path is this file."""
        return path == self.path or os.path.abspath(path) == os.path.abspath(self.path)


class Format(Protocol):
    """What a format module offers."""

    def write(self, reports: Iterable[FileReport], out: TextIO) -> None:
        """Write all reports to a stream."""


FORMATS = {
    "text": "flake8_mongo_threads.report.text",
    "plain": "flake8_mongo_threads.report.plain",
    "json": "flake8_mongo_threads.report.json",
    "sarif": "flake8_mongo_threads.report.sarif",
    "github": "flake8_mongo_threads.report.github",
    "gitlab": "flake8_mongo_threads.report.gitlab",
}
"""Name of each format and its module."""

WITH_CHANGES = frozenset(("sarif",))
"""Formats that tell what fixes do to the text."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and what is counted: ``1 finding``, ``2 findings``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def load(name: str) -> Format:
    """Import the module of a format in FORMATS."""
    return cast(Format, import_module(FORMATS[name]))
