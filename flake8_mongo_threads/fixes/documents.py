"""Fixing the programs of pages, docstrings and notebooks: each on its own, written back where it stands."""

import ast
import warnings
from collections.abc import Callable
from typing import NamedTuple

from flake8_mongo_threads.check import document_findings
from flake8_mongo_threads.documents.pages import Page, RewriteError
from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.fixes.noqa import add_noqa, silenced_in
from flake8_mongo_threads.notebooks import Notebook
from flake8_mongo_threads.selection import Selection

MayFix = Callable[[Finding], bool]


class Outcome(NamedTuple):
    """What came of the programs of one text."""

    text: str
    applied: tuple[Finding, ...] = ()
    refused: tuple[tuple[Finding, str], ...] = ()
    remaining: tuple[Finding, ...] = ()
    silenced: int = 0


def _mapped(page: "Page | Notebook", number: int, finding: Finding) -> Finding:
    if isinstance(page, Page):
        return page.mapped(finding, page.programs[number])
    return page.mapped(finding, page.programs[number])


def _rewritten(page: "Page | Notebook", number: int, text: str, complete: bool) -> str:
    if isinstance(page, Page):
        return page.rewritten(page.programs[number], text, complete)
    return page.rewritten(page.programs[number], text)


def found_in(page: "Page | Notebook", selection: Selection) -> list[list[Finding]]:
    """For each program what is reported, in the page's positions."""
    return [found for found, _, _ in document_findings(page, selection)]


def fix_programs(
    read: Callable[[str], "Page | Notebook"],
    path: str,
    text: str,
    selection: Selection,
    *,
    level: int,
    fixable: MayFix = lambda _finding: True,
    wanted: MayFix = lambda _finding: True,
    noqa: bool = False,
) -> Outcome:
    """Fix each program of a text that ``read`` takes apart.

    ``level`` is the least trust a fix must deserve; ``wanted`` tells, of findings in a program's own positions, which are looked at
    at all; with ``noqa`` nothing is fixed and every finding gets a comment. A change that cannot be written back is refused.
    """
    page = read(text)
    applied: list[Finding] = []
    reasons: list[list[str]] = []
    for number in range(len(page.programs)):
        program = page.programs[number]
        before = found_in(page, selection)[number]
        reasons.append([])
        new = program.text
        done: tuple[Finding, ...] = ()
        if noqa and before:
            new = add_noqa(program.text, _own_findings(page, number, selection))
        elif any(finding.fix and finding.fix.applicability >= level and fixable(finding) for finding in before):
            interactive = isinstance(page, Notebook) or _awaits_at_top(program.text)
            new, done, reasons[number] = _fixed(path, program.text, selection, level, fixable, wanted, interactive)
        if new == program.text:
            continue
        try:
            changed = _rewritten(page, number, new, not noqa)
            again = read(changed)
            if len(again.programs) != len(page.programs):
                raise RewriteError("the page would be read differently")
        except RewriteError as error:
            reasons[number] = [str(error) if finding.fix else "" for finding in before]
            continue
        applied += [_mapped(page, number, finding) for finding in done]
        text, page = changed, again
    remaining: list[Finding] = []
    refused: list[tuple[Finding, str]] = []
    for left, told in zip(found_in(page, selection), reasons, strict=True):
        remaining += left
        if len(left) == len(told):
            refused += [(finding, reason) for finding, reason in zip(left, told, strict=True) if reason]
    return Outcome(text, tuple(applied), tuple(refused), tuple(sorted(remaining, key=lambda finding: finding.sort_key)))


def _own_findings(page: "Page | Notebook", number: int, selection: Selection) -> list[Finding]:
    """What is reported of one program, in its own positions."""
    from flake8_mongo_threads.engine import check_text

    program = page.programs[number]
    quiet = silenced_in(selection, page.path, program.text)
    found = check_text(page.path, program.text, selection.config)
    return [finding for finding in found if selection.reports(finding.code, page.path) and not quiet(finding.code, finding.span.line)]


def _awaits_at_top(text: str) -> bool:
    """Whether a program is one for a session that takes ``await`` outside functions, such as ``python -m asyncio``."""

    def compiles(flags: int) -> bool:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                compile(text, "<page>", "exec", flags, dont_inherit=True)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return False
        return True

    return not compiles(0) and compiles(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def _fixed(
    path: str, text: str, selection: Selection, level: int, fixable: MayFix, wanted: MayFix, top_level_await: bool
) -> tuple[str, tuple[Finding, ...], list[str]]:
    """A program's new text, what was fixed, and of each finding that is left why, where its fix was refused."""
    from flake8_mongo_threads.engine import check_text
    from flake8_mongo_threads.findings import Applicability
    from flake8_mongo_threads.fixes.apply import fix_text

    result = fix_text(
        path,
        text,
        selection.config,
        level=Applicability(level),
        selected=lambda finding: selection.reports(finding.code, path) and wanted(finding),
        fixable=fixable,
        suppressed=lambda changed: silenced_in(selection, path, changed),
        detect=check_text,
        top_level_await=top_level_await,
    )
    why = {item.finding: item.reason for item in result.refused}
    return result.text, result.applied, [why.get(finding, "") for finding in result.remaining]
