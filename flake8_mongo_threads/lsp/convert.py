"""Findings as objects of the Language Server Protocol."""

import re
from collections.abc import Mapping, Sequence

from lsprotocol import types
from pygls.uris import from_fs_path

from flake8_mongo_threads.findings import Finding, Span
from flake8_mongo_threads.guard import INTERNAL_ERROR, one_line
from flake8_mongo_threads.lsp import positions
from flake8_mongo_threads.lsp.analysis import Analysis
from flake8_mongo_threads.lsp.settings import SECTION
from flake8_mongo_threads.report.sarif import HOME
from flake8_mongo_threads.semantics import modules

_NAME = re.compile(r"[\w.]+")


def wanted(kind: str, only: Sequence[types.CodeActionKind | str] | None) -> bool:
    """Whether a kind of action is asked for: all are when nothing is said; a kind stands for those below it."""
    if only is None:
        return True
    asked = [str(getattr(word, "value", word)) for word in only]
    return any(not word or kind == word or kind.startswith(f"{word}.") for word in asked)


def region(where: types.Range) -> positions.Region:
    """A range of the protocol as a region."""
    return positions.Place(where.start.line, where.start.character), positions.Place(where.end.line, where.end.character)


def range_of(lines: Sequence[str], span: Span, encoding: str) -> types.Range:
    """The range of a span."""
    start, end = positions.region(lines, span, encoding)
    return types.Range(types.Position(*start), types.Position(*end))


def diagnostic(finding: Finding, analysis: Analysis, encoding: str, uris: Mapping[str, str], related: bool) -> types.Diagnostic:
    """A finding as the protocol has it; ``uris`` are those of open files, by path; ``related`` asks for the chain of evidence.

    The steps may stand in other files, whose lines are read here: only the worker may call this with ``related``.
    """
    information = None
    if related and finding.steps:
        information = []
        for step in finding.steps:
            lines: Sequence[str] = analysis.lines
            if step.path != analysis.path:
                parsed = modules.read(step.path)
                lines = parsed.source.lines if parsed is not None else ()
            text = lines[step.line - 1] if 0 < step.line <= len(lines) else ""
            name = _NAME.match(text, step.col)
            where = range_of(lines, Span(step.line, step.col, step.line, name.end() if name else step.col), encoding)
            uri = uris.get(step.path) or from_fs_path(step.path) or step.path
            information.append(types.DiagnosticRelatedInformation(types.Location(uri, where), one_line(step.text)))
    severity = types.DiagnosticSeverity.Information if finding.code == INTERNAL_ERROR else types.DiagnosticSeverity.Warning
    return types.Diagnostic(
        range_of(analysis.lines, finding.span, encoding),
        one_line(finding.message),
        severity,
        finding.code,
        types.CodeDescription(f"{HOME}#rules"),
        SECTION,
        related_information=information,
    )
