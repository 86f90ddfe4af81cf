"""The values that travel through the program: spans, witness steps, findings and their fixes.

Plain immutable tuples. Nothing here knows about ``ast``, flake8 or libcst; ``dataclasses`` is not used because
flake8 has not loaded it and importing it would cost every run several milliseconds.
"""

import enum
from typing import NamedTuple

from flake8_mongo_threads.edits import Edit, ImportRequest


class Span(NamedTuple):
    """A region of a text file: 1-based lines, 0-based columns counted in characters, end exclusive."""

    line: int
    col: int
    end_line: int
    end_col: int


class Step(NamedTuple):
    """One hop of the evidence: where it stands and what is true there."""

    path: str
    line: int
    col: int
    text: str


class Applicability(enum.IntEnum):
    """How far a fix can be trusted, in rising order."""

    DISPLAY = 1
    """Shown to people, never applied by a command."""
    UNSAFE = 2
    """Right in nearly every program, but it changes behaviour: applied only when asked for."""
    SAFE = 3
    """Behaviour today is an error, a silent no-op, or provably the same."""


class Fix(NamedTuple):
    """A change that removes a finding, as data: nothing is decided again when it is applied."""

    title: str
    applicability: Applicability
    edits: tuple[Edit, ...]
    imports: tuple[ImportRequest, ...] = ()
    isolation: str = ""
    """Fixes of one non-empty group are never applied in the same round."""


class Finding(NamedTuple):
    """One defect in one file."""

    code: str
    path: str
    span: Span
    """The name that is called, or the expression that is wrong: its first line carries ``# noqa``."""
    message: str
    """One line, without the code."""
    steps: tuple[Step, ...] = ()
    """The chain of evidence, from the origin of the object to the context that makes it wrong."""
    fix: Fix | None = None
    cause: str = ""
    """Findings with the same non-empty cause are the same defect: only the most specific rule speaks."""

    @property
    def sort_key(self) -> tuple[int, int, str, str]:
        """Position first, then code and text, so that the order never depends on dispatch."""
        return (self.span.line, self.span.col, self.code, self.message)
