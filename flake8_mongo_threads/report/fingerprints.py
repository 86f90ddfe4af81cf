"""Fingerprints of findings: the same finding has the same one when lines around it come, go or move.

What counts is the code, the path with slashes, the text of the line with its white space made even, and, of findings that have all
this in common, which one in the file it is. Neither line numbers nor the message (which names lines) count.
"""

import hashlib
import os
from collections import Counter

from flake8_mongo_threads.report import FileReport


def shown_path(path: str) -> str:
    """A path as it is told to other programs: relative to the current folder where it is below it, with slashes."""
    if path in ("-", "stdin"):
        return path
    relative = os.path.relpath(path) if os.path.isabs(path) else os.path.normpath(path)
    if os.path.isabs(path) and relative.startswith(os.pardir):
        relative = path
    return relative.replace(os.sep, "/")


def identities(report: FileReport) -> list[tuple[str, str, int]]:
    """For each finding of a file its code, the text of its line, and which of those with the same code and text it is, from 0."""
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for finding in report.findings:
        line = finding.span.line
        text = " ".join(report.lines[line - 1].split()) if 0 < line <= len(report.lines) else ""
        found.append((finding.code, text, seen[(finding.code, text)]))
        seen[(finding.code, text)] += 1
    return found


def fingerprints(report: FileReport) -> list[str]:
    """For each finding of a file its fingerprint, 64 hexadecimal digits."""
    path = shown_path(report.path)
    found = []
    for code, text, ordinal in identities(report):
        found.append(hashlib.sha256("\0".join((code, path, text, str(ordinal))).encode("utf-8", "surrogatepass")).hexdigest())
    return found
