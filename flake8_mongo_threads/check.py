"""Check files: bytes to text to tree to findings, one report a file, in several processes where that pays.

One file's trouble (missing, undecodable, not Python) is that file's report; the others go on.
"""

import ast
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from flake8_mongo_threads import documents
from flake8_mongo_threads.documents.pages import Page, read_docstrings, read_page
from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.guard import INTERNAL_ERROR, analysed, findings_of, known_of
from flake8_mongo_threads.notebooks import Notebook, NotebookError
from flake8_mongo_threads.parallel import each_file
from flake8_mongo_threads.report import FileReport, Problem
from flake8_mongo_threads.selection import STDIN, Noqa, Selection
from flake8_mongo_threads.source import DecodeError, decode, is_valid, parse, split_lines


class Reading(NamedTuple):
    """What is read besides Python files as they are."""

    docstrings: bool = False
    """The code in the docstrings of Python files, too."""
    unparsable: bool = False
    """Tell of blocks of pages that are not valid Python."""


def read(path: str) -> bytes:
    """The bytes of a file, or of standard input for ``-``. Raises OSError, also for what is no file: a pipe would be waited for.

    What the system names itself (``/dev/stdin``, a shell's ``<(command)``) is read whatever it is.
    """
    if path == STDIN:
        return sys.stdin.buffer.read()
    if not path.startswith(("/dev/fd/", "/dev/stdin", "/proc/self/fd/")) and not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError("not a regular file")
    with open(path, "rb") as handle:
        return handle.read()


def check_file(path: str, selection: Selection, reading: Reading = Reading()) -> FileReport:  # noqa: B008 - immutable
    """Check one file (``-`` is standard input)."""
    shown = selection.stdin_display_name if path == STDIN else path
    try:
        data = read(path)
    except OSError as error:
        return FileReport(shown, problem=Problem(0, 0, error.strerror or str(error)))
    return check_bytes(shown, data, selection, reading)


def check_bytes(path: str, data: bytes, selection: Selection, reading: Reading = Reading()) -> FileReport:  # noqa: B008 - immutable
    """Check the bytes of a file; ``path`` is the name to show and need not exist."""
    try:
        text = decode_page(data) if documents.kind_of(path) else decode(data).text
    except DecodeError as error:
        return FileReport(path, problem=Problem(0, 0, str(error)))
    return check_text(path, text, selection, reading)


def decode_page(data: bytes) -> str:
    """The text of a page or notebook: UTF-8, with or without a byte order mark. Raises DecodeError."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DecodeError(f"not valid utf-8: {error}") from None


def read_document(path: str, text: str) -> "Page | Notebook":
    """The programs of a page or notebook, by the end of its name. Raises NotebookError."""
    kind = documents.kind_of(path)
    return Notebook(path, text) if kind == documents.NOTEBOOK else read_page(path, text, kind)


def check_text(path: str, text: str, selection: Selection, reading: Reading = Reading()) -> FileReport:  # noqa: B008 - immutable
    """Check the text of a file; ``path`` is the name to show and need not exist."""
    if documents.kind_of(path):
        return _check_document(path, text, selection, reading)
    lines = split_lines(text)
    known = known_of(lines, path, selection.config)
    inside: FileReport | None = None
    if known is not None and not reading.docstrings and (known.parsed or _is_valid(path, text, selection)):
        everything = known.findings
    else:
        try:
            tree = parse(text)
        except SyntaxError as error:
            return FileReport(path, problem=Problem(error.lineno or 0, error.offset or 0, f"syntax error: {error.msg}"))
        everything = known.findings if known is not None else analysed(tree, lines, path, selection.config)
        if reading.docstrings:
            inside = _check_page(read_docstrings(path, text, tree), selection, reading)
    found = [finding for finding in everything if selection.reports(finding.code, path)]
    if not found:
        return inside or FileReport(path)
    noqa = Noqa(selection, path, lines)
    kept = [finding for finding in found if not noqa.silences(finding)]
    silenced = len(found) - len(kept)
    unparsable: tuple[Problem, ...] = ()
    if inside is not None:
        kept = sorted([*kept, *inside.findings], key=lambda finding: finding.sort_key)
        silenced += inside.silenced
        unparsable = inside.unparsable
    return FileReport(path, tuple(kept), silenced=silenced, lines=tuple(lines) if kept else (), unparsable=unparsable)


def _is_valid(path: str, text: str, selection: Selection) -> bool:
    """Whether a text is certainly valid Python, found without making its tree."""
    if not selection.config.cache:
        return is_valid(text)
    from flake8_mongo_threads import cache

    return cache.is_valid(path, text, selection.config)


def _check_document(path: str, text: str, selection: Selection, reading: Reading) -> FileReport:
    try:
        if not reading.unparsable and documents.kind_of(path) != documents.NOTEBOOK and not _may_matter(path, text, selection):
            return FileReport(path)
        return _check_page(read_document(path, text), selection, reading)
    except NotebookError as error:
        return FileReport(path, problem=Problem(0, 0, str(error)))
    except Exception as error:
        # What is wrong with the reading of one page must not end the run.
        return FileReport(path, problem=Problem(0, 0, " ".join(f"internal error: {type(error).__name__}: {error}".split())))


def _may_matter(path: str, text: str, selection: Selection) -> bool:
    """Whether a page names a driver, or imports a module of the project that does: the others need not be taken apart."""
    from flake8_mongo_threads import engine
    from flake8_mongo_threads.semantics.modules import mentions_driver

    return mentions_driver(text) or engine.gate([text], path, selection.config)


def _check_page(page: "Page | Notebook", selection: Selection, reading: Reading) -> FileReport:
    kept: list[Finding] = []
    silenced = 0
    lines: list[str] = page.lines if isinstance(page, Page) else []
    for found, quiet, shown in document_findings(page, selection):
        kept += found
        silenced += quiet
        lines = shown
    kept = _once(sorted(kept, key=lambda finding: finding.sort_key))
    return FileReport(
        page.path,
        tuple(kept),
        silenced,
        lines=tuple(lines) if kept else (),
        cells=tuple(page.places) if isinstance(page, Notebook) and kept else (),
        unparsable=tuple(Problem(*told) for told in page.unparsable) if reading.unparsable else (),
    )


def _once(findings: Sequence[Finding]) -> list[Finding]:
    """Findings of several programs of one page, in order: of what is told once a file, the first."""
    from flake8_mongo_threads.rules import load
    from flake8_mongo_threads.semantics.facts import File

    once = {rule.code for rule in load() if rule.checks and all(fact is File for fact, _ in rule.checks)}
    kept: dict[object, Finding] = {}
    for finding in findings:
        kept.setdefault(finding.code if finding.code in once else (finding.code, finding.span), finding)
    return list(kept.values())


def document_findings(page: "Page | Notebook", selection: Selection) -> Iterator[tuple[list[Finding], int, list[str]]]:
    """For each program of a page or notebook: its findings in the page's positions, how many are silenced, and the lines to show."""
    if isinstance(page, Page):
        for program in page.programs:
            lines = page.shown(program)
            kept, silenced = _of_program(page.path, program.tree, program.lines, selection)
            # What was filled in for reading (an import that the page leaves out) is not the page's.
            yield [page.mapped(finding, program) for finding in kept if program.holds(finding.span.line)], silenced, lines
        return
    for cells in page.programs:
        lines = page.shown(cells)
        kept, silenced = _of_program(page.path, cells.tree, cells.lines, selection)
        yield [page.mapped(finding, cells) for finding in kept], silenced, lines


def _of_program(path: str, tree: ast.Module, lines: list[str], selection: Selection) -> tuple[list[Finding], int]:
    found = [finding for finding in findings_of(tree, lines, path, selection.config) if selection.reports(finding.code, path)]
    if not found:
        return [], 0
    noqa = Noqa(selection, path, lines)
    kept = [finding for finding in found if not noqa.silences(finding)]
    return kept, len(found) - len(kept)


def check_paths(
    paths: Sequence[str],
    selection: Selection,
    jobs: int = 0,
    reading: Reading = Reading(),  # noqa: B008 - immutable
) -> Iterator[FileReport]:
    """Check files, in the order given, with up to ``jobs`` processes (0: as many as there are processors, when there are files enough)."""
    return each_file(check_file, paths, selection, reading, jobs)


def exit_code(reports: Sequence[FileReport]) -> int:
    """0 when there is nothing to report, 1 for findings, 2 when a file could not be checked or the linter itself failed."""
    if any(report.problem or report.unparsable or any(finding.code == INTERNAL_ERROR for finding in report.findings) for report in reports):
        return 2
    return int(any(report.findings for report in reports))
