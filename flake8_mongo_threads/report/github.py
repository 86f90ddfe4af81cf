"""Annotations of GitHub Actions: one workflow command a finding.

GitHub shows ten annotations of a kind for one step, so what fails the linter itself comes first.
"""

from collections.abc import Iterable
from typing import TextIO

from flake8_mongo_threads.guard import INTERNAL_ERROR
from flake8_mongo_threads.report import FileReport
from flake8_mongo_threads.report.fingerprints import shown_path


def data(text: str) -> str:
    """A text as the data of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def value(text: str) -> str:
    """A text as the value of a workflow command's property."""
    return data(text).replace(":", "%3A").replace(",", "%2C")


def write(reports: Iterable[FileReport], out: TextIO) -> None:
    """Write one command a finding: errors of the linter first, then as they come."""
    commands: list[tuple[bool, str]] = []
    for report in reports:
        for finding in report.findings:
            span = report.region(finding.span)
            failed = finding.code == INTERNAL_ERROR
            place = f"file={value(shown_path(report.path))},line={span.line},endLine={span.end_line}"
            if span.line == span.end_line:  # columns of a region over several lines are refused
                place += f",col={span.col + 1},endColumn={max(span.end_col, span.col + 1)}"
            text = f"{report.path}:{report.place(finding.span.line, finding.span.col)}: {finding.code} {finding.message}"
            commands.append((not failed, f"::{'error' if failed else 'warning'} title={value(finding.code)},{place}::{data(text)}"))
    for _, command in sorted(commands, key=lambda item: item[0]):
        print(command, file=out)
