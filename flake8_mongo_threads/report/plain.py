"""One finding a line, ``path:line:col: CODE text``, as flake8 prints it and every editor reads it."""

from collections.abc import Iterable
from typing import TextIO

from flake8_mongo_threads.guard import one_line
from flake8_mongo_threads.report import FileReport


def write(reports: Iterable[FileReport], out: TextIO) -> None:
    """Write the findings as they come; columns count from 1."""
    for report in reports:
        for finding in report.findings:
            place = report.place(finding.span.line, finding.span.col)
            print(f"{report.path}:{place}: {finding.code} {one_line(finding.message)}", file=out)
