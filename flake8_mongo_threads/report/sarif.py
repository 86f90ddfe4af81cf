"""SARIF 2.1.0: rules with their help, the chain of evidence as code flow and related locations, what fixes change.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/ is what it follows. Paths are relative to the current folder (``%SRCROOT%``), columns
count UTF-16 code units.
"""

import json
import os
import re
from collections.abc import Iterable
from typing import Any, TextIO
from urllib.parse import quote

from flake8_mongo_threads import __version__
from flake8_mongo_threads.documentation import page, sentence
from flake8_mongo_threads.findings import Applicability, Finding, Span
from flake8_mongo_threads.guard import INTERNAL_ERROR, one_line
from flake8_mongo_threads.report import Change, FileReport
from flake8_mongo_threads.report.fingerprints import fingerprints, shown_path
from flake8_mongo_threads.rules import load
from flake8_mongo_threads.rules.base import Rule
from flake8_mongo_threads.source import split_lines

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
HOME = "https://pypi.org/project/flake8-mongo-threads/"
FINGERPRINT = "mongoThreads/v1"
ROOT = "%SRCROOT%"


def write(reports: Iterable[FileReport], out: TextIO) -> None:
    """Write one log with one run."""
    rules = list(load())
    index = {rule.code: number for number, rule in enumerate(rules)}
    results: list[dict[str, Any]] = []
    notifications: list[dict[str, Any]] = []
    for report in reports:
        if report.problem is not None:
            notifications.append(_notification(report))
        texts = _Texts(report)
        marks = fingerprints(report)
        for number, (finding, mark) in enumerate(zip(report.findings, marks, strict=True)):
            if finding.code == INTERNAL_ERROR:
                place = texts.location(report.path, Span(1, 0, 1, 0))
                notifications.append({"level": "error", "message": {"text": one_line(finding.message)}, "locations": [place]})
                continue
            change = report.changes[number] if number < len(report.changes) else None
            results.append(_result(report.path, finding, mark, index[finding.code], change, texts))
    run = {
        "tool": {
            "driver": {
                "name": "flake8-mongo-threads",
                "version": __version__,
                "semanticVersion": __version__,
                "informationUri": HOME,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "columnKind": "utf16CodeUnits",
        "originalUriBaseIds": {ROOT: {"description": {"text": "The folder in which the linter was run."}}},
        "invocations": [{"executionSuccessful": not notifications, "toolExecutionNotifications": notifications}],
        "results": results,
    }
    out.write(json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n")


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": sentence(rule.summary)},
        "fullDescription": {"text": rule.why.strip()},
        "help": {"text": f"{sentence(rule.summary)} {rule.why.strip()}", "markdown": page(rule)},
        "helpUri": f"{HOME}#rules",
        "defaultConfiguration": {"level": "warning", "enabled": rule.default},
        "properties": {"tags": ["mongodb", "concurrency"], "precision": "high" if rule.default else "medium"},
    }


def _result(path: str, finding: Finding, mark: str, index: int, change: Change | None, texts: "_Texts") -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": "warning",
        "message": {"text": one_line(finding.message)},
        "locations": [texts.location(path, finding.span)],
        "partialFingerprints": {FINGERPRINT: mark},
    }
    if finding.steps:
        places = [
            {**texts.location(step.path, Span(step.line, step.col, step.line, step.col)), "message": {"text": one_line(step.text)}}
            for step in finding.steps
        ]
        result["codeFlows"] = [{"threadFlows": [{"locations": [{"location": place} for place in places]}]}]
        result["relatedLocations"] = [{"id": number, **place} for number, place in enumerate(places, 1)]
    if change is not None and change.replacements:
        result["fixes"] = [_fix(path, change, texts)]
    return result


def _fix(path: str, change: Change, texts: "_Texts") -> dict[str, Any]:
    unsafe = change.applicability < Applicability.SAFE
    replacements = [
        {"deletedRegion": texts.region(path, item.span, in_file=True), "insertedContent": {"text": item.text}}
        for item in change.replacements
    ]
    return {
        "description": {"text": f"{change.title} (may change what the program does)" if unsafe else change.title},
        "artifactChanges": [{"artifactLocation": artifact(path), "replacements": replacements}],
    }


def artifact(path: str) -> dict[str, str]:
    """The location of a file: relative to the current folder where it can be."""
    shown = shown_path(path)
    if os.path.isabs(shown) or re.match(r"^[A-Za-z]:/", shown):
        return {"uri": "file://" + _quoted(shown if shown.startswith("/") else f"/{shown}")}
    return {"uri": _quoted(shown), "uriBaseId": ROOT}


def _quoted(path: str) -> str:
    """A path as part of a URI; of a name that is not text the bytes."""
    return quote(path, errors="surrogateescape")


def _notification(report: FileReport) -> dict[str, Any]:
    problem = report.problem
    assert problem is not None
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": artifact(report.path)}}
    if problem.line:
        location["physicalLocation"]["region"] = {"startLine": problem.line, "startColumn": max(problem.col, 1)}
    return {"level": "error", "message": {"text": one_line(problem.text)}, "locations": [location]}


class _Texts:
    """The lines of the files that locations stand in, to count columns in UTF-16 code units."""

    def __init__(self, report: FileReport) -> None:
        self._report = report
        self._files: dict[str, list[str] | tuple[str, ...]] = {}

    def location(self, path: str, span: Span) -> dict[str, Any]:
        """A location in this file or another."""
        return {"physicalLocation": {"artifactLocation": artifact(path), "region": self.region(path, span)}}

    def region(self, path: str, span: Span, in_file: bool = False) -> dict[str, int]:
        """A region; an empty one has no end but in a fix. ``in_file``: the span is one of the file on disk already."""
        if not in_file and self._report.cells and self._report.same_file(path):
            span = self._report.region(span)
        lines = self._lines(path)
        region = {"startLine": max(span.line, 1), "startColumn": self._column(lines, span.line, span.col)}
        if in_file or (span.end_line, span.end_col) > (span.line, span.col):
            region["endLine"] = span.end_line
            region["endColumn"] = self._column(lines, span.end_line, span.end_col)
        return region

    def _lines(self, path: str) -> "list[str] | tuple[str, ...]":
        if self._report.same_file(path) and not self._report.cells:
            return self._report.lines
        if path not in self._files:
            try:
                with open(path, "rb") as handle:
                    self._files[path] = split_lines(handle.read().decode("utf-8", "replace"))
            except OSError:
                self._files[path] = []
        return self._files[path]

    @staticmethod
    def _column(lines: "list[str] | tuple[str, ...]", line: int, col: int) -> int:
        text = lines[line - 1][:col] if 0 < line <= len(lines) else ""
        return col + 1 + sum(ord(character) > 0xFFFF for character in text)
