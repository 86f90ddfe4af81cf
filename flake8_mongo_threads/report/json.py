"""Findings as one JSON list, for programs: everything that is known about each, columns from 1, ends exclusive."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from flake8_mongo_threads.documentation import fix_word
from flake8_mongo_threads.findings import Finding, Span, Step
from flake8_mongo_threads.guard import one_line
from flake8_mongo_threads.report import FileReport
from flake8_mongo_threads.report.fingerprints import fingerprints, shown_path
from flake8_mongo_threads.rules import load


def write(reports: Iterable[FileReport], out: TextIO) -> None:
    """Write the list, an item a finding, as the files come."""
    separator = "[\n"
    for report in reports:
        for item in _items(report):
            out.write(f"{separator}  {json.dumps(item, ensure_ascii=False)}")
            separator = ",\n"
    out.write("\n]\n" if separator != "[\n" else "[]\n")


def _items(report: FileReport) -> Iterator[dict[str, Any]]:
    rules = {rule.code: rule for rule in load()}
    for finding, fingerprint in zip(report.findings, fingerprints(report), strict=True):
        rule = rules.get(finding.code)
        span = report.region(finding.span)
        item: dict[str, Any] = {
            "code": finding.code,
            "name": rule.name if rule else "internal-error",
            "path": shown_path(report.path),
            "line": span.line,
            "column": span.col + 1,
            "endLine": span.end_line,
            "endColumn": span.end_col + 1,
            "message": one_line(finding.message),
            "evidence": [_step(report, step) for step in finding.steps],
            "fix": _fix(finding),
            "fingerprint": fingerprint,
        }
        if report.cells and 0 < finding.span.line <= len(report.cells):
            place = report.cells[finding.span.line - 1]
            item["cell"] = {"number": place.cell, "line": place.line, "column": finding.span.col + 1}
        if rule:
            item["rule"] = {"summary": rule.summary, "default": rule.default, "fix": fix_word(rule)}
        yield item


def _step(report: FileReport, step: Step) -> dict[str, Any]:
    line, col = step.line, step.col
    if report.cells and report.same_file(step.path):
        span = report.region(Span(line, col, line, col))
        line, col = span.line, span.col
    return {"path": shown_path(step.path), "line": line, "column": col + 1, "text": one_line(step.text)}


def _fix(finding: Finding) -> dict[str, str] | None:
    return {"title": finding.fix.title, "applicability": finding.fix.applicability.name.lower()} if finding.fix else None
