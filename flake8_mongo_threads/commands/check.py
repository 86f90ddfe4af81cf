"""``mongo-threads check``: what flake8 would report of this plugin, told for people or in another format."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TextIO

from flake8_mongo_threads import report, selection
from flake8_mongo_threads.baseline import Baseline
from flake8_mongo_threads.check import Reading, check_paths, exit_code
from flake8_mongo_threads.guard import INTERNAL_ERROR
from flake8_mongo_threads.report import FileReport
from flake8_mongo_threads.selection import Selection

AUTO = "auto"
PATIENCE = 0.5
"""Seconds before work that is still going on shows its progress."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files and folders; - is standard input (default: this folder)")
    parser.add_argument(
        "--output-format",
        choices=(AUTO, *report.FORMATS),
        default=AUTO,
        metavar="FORMAT",
        help=f"one of {', '.join((AUTO, *report.FORMATS))} (default: text on a terminal, else plain)",
    )
    parser.add_argument("-j", "--jobs", type=jobs_argument, metavar="N", help="number of processes (default: as flake8 is configured)")
    parser.add_argument("--exit-zero", action="store_true", help="exit with 0 even if there are findings")
    parser.add_argument("--statistics", action="store_true", help="end with the number of findings of each code")
    parser.add_argument("--baseline", metavar="FILE", help="report only findings that this file does not know")
    parser.add_argument("--write-baseline", metavar="FILE", help="report nothing; let this file know all findings that there are")
    add_reading_arguments(parser)
    parser.add_argument("--report-unparsable", action="store_true", help="tell of blocks of pages that are not valid Python (exit code 2)")
    selection.add_arguments(parser)


def add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is read besides Python files."""
    parser.add_argument(
        "--no-documents", action="store_true", help="in folders, leave out Markdown and reStructuredText pages and Jupyter notebooks"
    )
    parser.add_argument("--docstrings", action="store_true", help="read the code in docstrings, too")


def jobs_argument(text: str) -> int:
    """A number of processes; ``auto`` is 0. Raises ArgumentTypeError."""
    if text == AUTO:
        return 0
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'auto' nor a number of processes")
    return int(text)


def wanted_format(name: str, out: TextIO) -> str:
    """The format to write: for people when a person is looking (or colours are asked for), else plain lines."""
    if name != AUTO:
        return name
    return "text" if out.isatty() or os.environ.get("FORCE_COLOR") else "plain"


def run(arguments: argparse.Namespace) -> int:
    """Check, write, and return the exit code. Raises UsageError."""
    chosen = Selection(selection.arguments_for_flake8(arguments))
    warn_when_nothing_is_selected(chosen)
    known = Baseline.read(arguments.baseline) if arguments.baseline else None
    paths = chosen.paths(arguments.paths, not arguments.no_documents)
    jobs = chosen.jobs if arguments.jobs is None else arguments.jobs
    reports = check_paths(paths, chosen, jobs, Reading(arguments.docstrings, arguments.report_unparsable))
    seen: list[FileReport] = []
    if arguments.write_baseline:
        return _write_baseline(_note(reports, seen), arguments.write_baseline, len(paths))
    if known is not None:
        reports = known.without_known(reports)
    name = wanted_format(arguments.output_format, sys.stdout)
    if name in report.WITH_CHANGES:
        from flake8_mongo_threads.fixes.changes import with_changes

        reports = with_changes(reports, chosen)
    reports = _note(reports, seen)
    if name == "text":
        _write_for_people(reports, len(paths))
    else:
        report.load(name).write(reports, sys.stdout)
    sys.stdout.flush()
    if arguments.statistics:
        _write_statistics(seen, sys.stdout if name in ("text", "plain") else sys.stderr)
    code = exit_code(seen)
    return 0 if arguments.exit_zero and code == 1 else code


def warn_when_nothing_is_selected(chosen: Selection) -> None:
    """Say so when the configuration selects none of our codes: silence would look like a clean result."""
    from flake8_mongo_threads.rules import load

    if not chosen.reports_any(rule.code for rule in load()):
        print("mongo-threads: flake8's configuration selects no MDB code, so nothing can be reported", file=sys.stderr)


def _note(reports: Iterable[FileReport], seen: list[FileReport]) -> Iterator[FileReport]:
    # Only what the end needs is kept: not the lines of the files. Problems go to standard error at once, formats write findings.
    for item in reports:
        if item.problem is not None:
            sys.stdout.flush()
            print(item.problem_line(), file=sys.stderr)
        for line in item.unparsable_lines():
            print(line, file=sys.stderr)
        seen.append(item._replace(lines=(), cells=(), changes=()))
        yield item


def _write_baseline(reports: Iterable[FileReport], path: str, total: int) -> int:
    """Write all findings into a baseline. Returns the exit code: findings are no failure here. Raises BaselineError."""
    baseline = Baseline(os.path.dirname(os.path.abspath(path)))
    seen = []
    for item in reports:
        baseline.add(item)
        seen.append(item._replace(findings=tuple(finding for finding in item.findings if finding.code == INTERNAL_ERROR)))
    baseline.write(path)
    findings = report.counted(sum(baseline.known.values()), "finding")
    print(f"{findings} in {report.counted(total, 'file')} written to {path}", file=sys.stderr)
    return exit_code(seen)


def _write_for_people(reports: Iterator[FileReport], total: int) -> None:
    from flake8_mongo_threads.report import text

    screen = text.console(sys.stdout)
    if not screen.is_terminal or not (sys.stdout.isatty() and sys.stderr.isatty()) or total < 2:
        text.show(reports, screen)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    # Findings are printed above the bar, which vanishes at the end. Work that is done in no time has none.
    bar = Progress(TextColumn("checking"), BarColumn(), MofNCompleteColumn(), console=screen, transient=True)
    task = bar.add_task("", total=total)
    begun = time.monotonic()

    def watched() -> Iterator[FileReport]:
        for item in reports:
            if not bar.live.is_started and time.monotonic() - begun > PATIENCE:
                bar.start()
            bar.advance(task)
            yield item

    try:
        text.show(watched(), screen)
    finally:
        if bar.live.is_started:
            bar.stop()


def _write_statistics(reports: Iterable[FileReport], out: TextIO) -> None:
    from flake8_mongo_threads.rules import load

    names = {rule.code: rule.name for rule in load()}
    counts = Counter(finding.code for item in reports for finding in item.findings)
    for code, count in sorted(counts.items()):
        print(f"{count:<7} {code} {names.get(code, '')}".rstrip(), file=out)
