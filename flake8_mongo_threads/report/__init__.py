"""What there is to tell about checked files, and the formats it can be written in, one module each.

A format module has ``write(reports, out) -> None``: it is handed an iterable of FileReport, in the order of their paths,
that may come as the files are checked, and a text stream. It is imported when it is asked for.
"""

from collections.abc import Iterable
from importlib import import_module
from typing import NamedTuple, Protocol, TextIO, cast

from flake8_mongo_threads.findings import Finding


class Problem(NamedTuple):
    """Why a file could not be checked: position (1-based, 0 where there is none) and one line of text."""

    line: int
    col: int
    text: str


class FileReport(NamedTuple):
    """One checked file: what there is to report (selected, not silenced), in order of position."""

    path: str
    """The name to show, as flake8 shows it."""
    findings: tuple[Finding, ...] = ()
    silenced: int = 0
    """How many selected findings a ``# noqa`` comment silences."""
    problem: Problem | None = None
    lines: tuple[str, ...] = ()
    """The file's lines, when there are findings."""

    def problem_line(self) -> str:
        """The problem as one line: ``path:line:col: error: text``."""
        if self.problem is None:
            return ""
        place = f"{self.path}:{self.problem.line}:{self.problem.col}" if self.problem.line else self.path
        return f"{place}: error: {self.problem.text}"


class Format(Protocol):
    """What a format module offers."""

    def write(self, reports: Iterable[FileReport], out: TextIO) -> None:
        """Write all reports to a stream."""


FORMATS = {
    "text": "flake8_mongo_threads.report.text",
    "plain": "flake8_mongo_threads.report.plain",
}
"""Name of each format and its module."""


def load(name: str) -> Format:
    """Import the module of a format in FORMATS."""
    return cast(Format, import_module(FORMATS[name]))
