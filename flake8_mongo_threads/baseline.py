"""A baseline: the findings that are known, so that only new ones are reported.

A finding is known by its code, its file and the text of its line with white space made even; of findings that have all this in
common so many are known as the file says. Lines may move, and lines around them change; paths are relative to the baseline's folder.
"""

import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from flake8_mongo_threads.config import UsageError
from flake8_mongo_threads.guard import INTERNAL_ERROR
from flake8_mongo_threads.report import FileReport
from flake8_mongo_threads.report.fingerprints import identities

VERSION = 1


class BaselineError(UsageError):
    """A baseline cannot be read or written; the text is one line for the user."""


class Entry(NamedTuple):
    """What makes findings the same."""

    path: str
    code: str
    text: str


class Baseline:
    """Known findings, how many of each, for a baseline in ``folder``."""

    def __init__(self, folder: str, known: "Counter[Entry] | None" = None) -> None:
        self.folder = os.path.abspath(folder)
        self.known: Counter[Entry] = known if known is not None else Counter()

    @classmethod
    def read(cls, path: str) -> "Baseline":
        """Read a file. Raises BaselineError."""
        try:
            with open(path, encoding="utf-8") as handle:
                data = json.load(handle)
        except OSError as error:
            raise BaselineError(f"baseline {path}: {error.strerror or error}") from None
        except (ValueError, RecursionError) as error:
            raise BaselineError(f"baseline {path}: not JSON: {error}") from None
        if not isinstance(data, dict) or not isinstance(data.get("findings"), list):
            raise BaselineError(f"baseline {path}: it is not one (no list of findings)")
        if data.get("version") != VERSION:
            raise BaselineError(
                f"baseline {path}: version {_shown(data.get('version'))} is not one that this release reads; write it again"
            )
        known: Counter[Entry] = Counter()
        for item in data["findings"]:
            try:
                known[Entry(str(item["path"]), str(item["code"]), str(item["line"]))] += int(item.get("count", 1))
            except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
                raise BaselineError(f"baseline {path}: {_shown(item)} is no finding") from None
        return cls(os.path.dirname(os.path.abspath(path)), known)

    def add(self, report: FileReport) -> None:
        """Let the findings of a file be known, but for failures of the linter itself."""
        self.known.update(entry for entry in self._entries(report) if entry.code != INTERNAL_ERROR)

    def without_known(self, reports: Iterable[FileReport]) -> Iterator[FileReport]:
        """The reports without the findings that are known."""
        for report in reports:
            if not report.findings:
                yield report
                continue
            left = Counter(self.known)
            kept = []
            for finding, entry in zip(report.findings, self._entries(report), strict=True):
                if left[entry] > 0:
                    left[entry] -= 1
                else:
                    kept.append(finding)
            yield report._replace(findings=tuple(kept), known=len(report.findings) - len(kept), lines=report.lines if kept else ())

    def write(self, path: str) -> None:
        """Write the file, sorted, one finding a line. Raises BaselineError."""
        rows = [
            _row({"path": entry.path, "code": entry.code, "line": entry.text, **({"count": count} if count > 1 else {})})
            for entry, count in sorted(self.known.items())
            if count > 0
        ]
        body = ",\n    ".join(rows)
        text = f'{{\n  "version": {VERSION},\n  "findings": [{f"{chr(10)}    {body}{chr(10)}  " if rows else ""}]\n}}\n'
        temporary = f"{path}.tmp"
        try:
            with open(temporary, "w", encoding="utf-8", newline="\n") as handle:
                handle.write(text)
            os.replace(temporary, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise BaselineError(f"baseline {path}: not written: {error.strerror or error}") from None

    def _entries(self, report: FileReport) -> list[Entry]:
        path = os.path.abspath(report.path)
        try:
            relative = os.path.relpath(path, self.folder)
        except ValueError:  # another drive on Windows
            relative = path
        return [Entry(relative.replace(os.sep, "/"), code, text) for code, text, _ in identities(report)]


def _row(item: dict[str, object]) -> str:
    """A finding as JSON that can be read; the name of a file that is not text is escaped."""
    row = json.dumps(item, ensure_ascii=False)
    return row if row.isprintable() else json.dumps(item)


def _shown(item: object) -> str:
    """What stands where a finding should, on one line and not too long."""
    told = ascii(item)
    return told if len(told) <= 80 else f"{told[:77]}..."
