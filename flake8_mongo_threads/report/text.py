"""Findings for people: grouped by file, with the source line, a caret, and the chain of evidence.

Colours follow the terminal, ``NO_COLOR`` and ``FORCE_COLOR`` (rich reads them).
"""

import os
from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.text import Text

from flake8_mongo_threads.findings import Finding, Step
from flake8_mongo_threads.guard import one_line
from flake8_mongo_threads.report import FileReport

CODE, PATH, QUIET, CARET = "bold red", "bold", "dim", "red"


def console(out: TextIO) -> Console:
    """A console that breaks no line of its own accord in a file, and wraps at the terminal's width in a terminal."""
    plain = Console(file=out, highlight=False, emoji=False, markup=False)
    return plain if plain.is_terminal and out.isatty() else Console(file=out, highlight=False, emoji=False, markup=False, width=10_000)


def write(reports: Iterable[FileReport], out: TextIO) -> None:
    """Write files with findings as they come, then how many there are."""
    show(reports, console(out))


def show(reports: Iterable[FileReport], screen: Console) -> None:
    """Print files with findings on a console as they come, then how many there are."""
    files = findings = silenced = unchecked = checked = 0
    for report in reports:
        checked += 1
        silenced += report.silenced
        unchecked += report.problem is not None
        if report.findings:
            files += 1
            findings += len(report.findings)
            show_file(report, screen)
    screen.print(summary(findings, files, checked, silenced, unchecked))


def summary(findings: int, files: int, checked: int, silenced: int, unchecked: int) -> Text:
    """The closing line: what was found in how many files, and what was left out."""
    line = Text(style="bold")
    if findings:
        line.append(f"{_count(findings, 'finding')} in {files} of {_count(checked, 'file')}", CODE)
    else:
        line.append(f"No findings in {_count(checked, 'file')}", "bold green")
    if silenced:
        line.append(f", {silenced} silenced by noqa", QUIET)
    if unchecked:
        line.append(f", {_count(unchecked, 'file')} could not be checked", CODE)
    return line


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


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
    head.append(f"{span.line}:{span.col + 1}", QUIET)
    head.append(" ")
    head.append(finding.code, CODE)
    head.append(f" {one_line(finding.message)}")
    screen.print(head)
    if 0 < span.line <= len(report.lines):
        _show_source(report.lines[span.line - 1], finding, screen)
    for number, step in enumerate(finding.steps):
        word = "and" if number else "because"
        screen.print(Text(f"    {word:>7} {_place(step, report.path)}: {one_line(step.text)}", QUIET))


def _show_source(source: str, finding: Finding, screen: Console) -> None:
    span = finding.span
    line = source.rstrip("\r\n")
    number = str(span.line)
    end = span.end_col if span.end_line == span.line else len(line)
    # Tabs and wide characters would shift the caret: what stands before it is measured as it is printed.
    before = Text(line[: span.col].expandtabs(4)).cell_len
    width = max(Text(line[span.col : end].expandtabs(4)).cell_len, 1)
    shown = Text.assemble((f"    {number} │ ", QUIET), line.expandtabs(4))
    screen.print(shown, no_wrap=True, overflow="ellipsis")
    marks = Text.assemble((f"    {' ' * len(number)} │ ", QUIET), " " * before, ("^" * width, CARET))
    screen.print(marks, no_wrap=True, overflow="crop")


def _place(step: Step, path: str) -> str:
    shown = step.path
    if os.path.isabs(shown):
        relative = os.path.relpath(shown)
        shown = relative if not relative.startswith(os.pardir) else shown
    same = os.path.abspath(shown) == os.path.abspath(path)
    return f"line {step.line}" if same else f"{shown}:{step.line}"
