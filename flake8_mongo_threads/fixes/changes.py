"""What the fix of each finding would do to the text of its file, for formats that hand it on (SARIF)."""

import difflib
from collections.abc import Iterable, Iterator, Sequence

from flake8_mongo_threads import documents
from flake8_mongo_threads.check import decode_page, read_document
from flake8_mongo_threads.findings import Applicability, Finding, Span
from flake8_mongo_threads.notebooks import NotebookError
from flake8_mongo_threads.report import Change, FileReport, Replacement
from flake8_mongo_threads.selection import Selection
from flake8_mongo_threads.source import DecodeError, split_lines


def with_changes(reports: Iterable[FileReport], selection: Selection) -> Iterator[FileReport]:
    """The reports, each with the change of every finding that has a fix."""
    for report in reports:
        if any(finding.fix for finding in report.findings):
            report = report._replace(changes=tuple(_change(report, finding, selection) for finding in report.findings))
        yield report


def _change(report: FileReport, finding: Finding, selection: Selection) -> Change | None:
    fix = finding.fix
    if fix is None or fix.applicability < Applicability.UNSAFE:
        return None
    before = _text(report)
    after = _after(report, before, finding, selection)
    if after == before:
        return None
    return Change(fix.title, fix.applicability, tuple(replacements(split_lines(before), split_lines(after))))


def _text(report: FileReport) -> str:
    if not report.cells:
        return "".join(report.lines)
    try:
        with open(report.path, "rb") as handle:
            return decode_page(handle.read())
    except (OSError, DecodeError):
        return ""


def _after(report: FileReport, text: str, finding: Finding, selection: Selection) -> str:
    """The text with one finding fixed; as it was where that is refused."""
    from flake8_mongo_threads.engine import check_text
    from flake8_mongo_threads.fixes.apply import fix_text
    from flake8_mongo_threads.fixes.documents import fix_programs

    path, line, code = report.path, finding.span.line, finding.code
    if documents.kind_of(path):
        try:
            result = fix_programs(
                lambda changed: read_document(path, changed),
                path,
                text,
                selection,
                level=Applicability.UNSAFE,
                fixable=lambda found: found.code == code and found.span.line == line,
                wanted=lambda found: found.code == code and found.span.line == line,
            )
        except NotebookError:
            return text
        return result.text
    return fix_text(
        path,
        text,
        selection.config,
        level=Applicability.UNSAFE,
        fixable=lambda found: found.code == code and found.span == finding.span,
        detect=check_text,
    ).text


def replacements(before: Sequence[str], after: Sequence[str]) -> Iterator[Replacement]:
    """What turns the lines of one text into another's: whole lines, in order, from the start of the first to the start of the next."""
    for tag, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        if b < len(before) or (before and before[-1].endswith(("\n", "\r"))):
            yield Replacement(Span(a + 1, 0, b + 1, 0), "".join(after[c:d]))
        elif a < len(before):
            yield Replacement(Span(a + 1, 0, b, len(before[-1])), "".join(after[c:d]))
        else:
            yield Replacement(Span(b, len(before[-1]) if before else 0, b, len(before[-1]) if before else 0), "".join(after[c:d]))
