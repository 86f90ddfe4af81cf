"""Findings for people: grouped by file, with the source line, a caret, and the chain of evidence.

Colours follow the terminal, ``NO_COLOR`` and ``FORCE_COLOR`` (rich reads them).
"""

import os
from collections import Counter
from collections.abc import Iterable
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from flake8_mongo_threads.findings import Applicability, Finding, Step
from flake8_mongo_threads.guard import one_line
from flake8_mongo_threads.report import FileReport, counted

CODE, PATH, QUIET, CARET, FIX = "bold red", "bold", "dim", "red", "green"
_TRUST = {Applicability.SAFE: "", Applicability.UNSAFE: " (unsafe: may change behaviour)", Applicability.DISPLAY: " (by hand)"}


def console(out: TextIO) -> Console:
    """A console that breaks no line of its own accord in a file, and wraps at the terminal's width in a terminal."""
    plain = Console(file=out, highlight=False, emoji=False, markup=False)
    return plain if plain.is_terminal and out.isatty() else Console(file=out, highlight=False, emoji=False, markup=False, width=10_000)


def write(reports: Iterable[FileReport], out: TextIO) -> None:
    """Write files with findings as they come, then how many there are."""
    show(reports, console(out))


def show(reports: Iterable[FileReport], screen: Console) -> None:
    """Print files with findings on a console as they come, then how many there are."""
    files = findings = silenced = unchecked = checked = known = 0
    fixable: Counter[Applicability] = Counter()
    for report in reports:
        checked += 1
        silenced += report.silenced
        known += report.known
        fixable.update(finding.fix.applicability for finding in report.findings if finding.fix)
        unchecked += report.problem is not None
        if report.findings:
            files += 1
            findings += len(report.findings)
            show_file(report, screen)
    screen.print(summary(findings, files, checked, silenced, unchecked, known))
    hint = fix_summary(fixable)
    if hint:
        screen.print(Text(hint, QUIET))


def fix_summary(fixable: "Counter[Applicability]") -> str:
    """How many findings a command can fix, and which command; empty when none."""
    safe, unsafe = fixable[Applicability.SAFE], fixable[Applicability.UNSAFE]
    parts = []
    if safe:
        parts.append(f"{safe} can be fixed with `mongo-threads fix`")
    if unsafe:
        parts.append(f"{unsafe} {'more ' if safe else 'can be fixed '}with `mongo-threads fix --unsafe-fixes`")
    return ", ".join(parts)


def summary(findings: int, files: int, checked: int, silenced: int, unchecked: int, known: int = 0) -> Text:
    """The closing line: what was found in how many files, and what was left out."""
    line = Text(style="bold")
    if findings:
        line.append(f"{counted(findings, 'finding')} in {files} of {counted(checked, 'file')}", CODE)
    else:
        line.append(f"No findings in {counted(checked, 'file')}", "bold green")
    if silenced:
        line.append(f", {silenced} silenced by noqa", QUIET)
    if known:
        line.append(f", {known} known from the baseline", QUIET)
    if unchecked:
        line.append(f", {counted(unchecked, 'file')} could not be checked", CODE)
    return line


def show_file(report: FileReport, screen: Console) -> None:
    """Print one file's name and its findings."""
    screen.print(Text(report.path, PATH))
    for finding in report.findings:
        show_finding(finding, report, screen)
    screen.print()


def show_finding(finding: Finding, report: FileReport, screen: Console) -> None:
    """Print one finding: position, code and message; the line it stands on; why."""
    span = finding.span
    head = Text("  ")
    head.append(report.place(span.line, span.col), QUIET)
    head.append(" ")
    head.append(finding.code, CODE)
    head.append(" ")
    _hanging(head, Text(one_line(finding.message)), screen, "    ")
    if 0 < span.line <= len(report.lines):
        _show_source(report, finding, screen)
    for number, step in enumerate(finding.steps):
        word = "and" if number else "because"
        text = Text(f"{_place(step, report)}: {one_line(step.text)}", QUIET)
        _hanging(Text(f"    {word:>7} ", QUIET), text, screen, " " * 12)
    if finding.fix:
        title = Text(f"{one_line(finding.fix.title)}{_TRUST[finding.fix.applicability]}", FIX)
        _hanging(Text("        fix ", FIX), title, screen, " " * 12)


def _hanging(lead: Text, text: Text, screen: Console, indent: str) -> None:
    """Print a line; where the screen is too narrow for it, what follows is indented."""
    room = screen.width - lead.cell_len
    if text.cell_len <= room or screen.width < 2 * len(indent):
        screen.print(lead + text)
        return
    # All lines have the room of the later ones but for what the lead takes more.
    filler = Text(" " * max(lead.cell_len - len(indent), 0)) + text
    lines = filler.wrap(screen, screen.width - len(indent))
    first = lines[0][max(lead.cell_len - len(indent), 0) :]
    screen.print(lead + first, no_wrap=True)
    for line in lines[1:]:
        screen.print(Text(indent) + line, no_wrap=True)


def _show_source(report: FileReport, finding: Finding, screen: Console) -> None:
    span = finding.span
    line = report.lines[span.line - 1].rstrip("\r\n")
    number = report.place(span.line).rpartition(":")[2]
    end = span.end_col if span.end_line == span.line else len(line)
    # Tabs and wide characters would shift the caret: what stands before it is measured as it is printed.
    lead, marked = line[: span.col].expandtabs(4), line[: max(end, span.col)].expandtabs(4)
    before = cell_len(lead)
    width = max(cell_len(marked) - before, 1)
    code = line.expandtabs(4)
    room = screen.width - len(number) - 7
    if before + width > room:
        # The screen is too narrow for both the start of the line and what is meant.
        cut = 0
        while cut < len(lead) and cell_len(lead[cut:]) > room // 3:
            cut += 1
        code, before = f"…{code[cut:]}", cell_len(lead[cut:]) + 1
    shown = Text.assemble((f"    {number} │ ", QUIET), code)
    screen.print(shown, no_wrap=True, overflow="ellipsis")
    marks = Text.assemble((f"    {' ' * len(number)} │ ", QUIET), " " * before, ("^" * width, CARET))
    screen.print(marks, no_wrap=True, overflow="crop")


def _place(step: Step, report: FileReport) -> str:
    shown = step.path
    if os.path.isabs(shown):
        relative = os.path.relpath(shown)
        shown = relative if not relative.startswith(os.pardir) else shown
    if not report.same_file(shown):
        return f"{shown}:{step.line}"
    place = report.place(step.line)
    return place.replace(":", " line ") if place.startswith("cell") else f"line {place}"
