"""GitLab's code quality report: a JSON list whose fingerprints stay when lines move."""

import json
from collections.abc import Iterable
from typing import Any, TextIO

from flake8_mongo_threads.guard import INTERNAL_ERROR, one_line
from flake8_mongo_threads.report import FileReport
from flake8_mongo_threads.report.fingerprints import fingerprints, shown_path


def write(reports: Iterable[FileReport], out: TextIO) -> None:
    """Write the whole list."""
    issues: list[dict[str, Any]] = []
    for report in reports:
        for finding, fingerprint in zip(report.findings, fingerprints(report), strict=True):
            span = report.region(finding.span)
            issues.append(
                {
                    "description": f"{finding.code} {one_line(finding.message)}",
                    "check_name": finding.code,
                    "fingerprint": fingerprint,
                    "severity": "blocker" if finding.code == INTERNAL_ERROR else "major",
                    "location": {"path": shown_path(report.path), "lines": {"begin": span.line, "end": span.end_line}},
                }
            )
    out.write(json.dumps(issues, indent=2, ensure_ascii=False) + "\n")
