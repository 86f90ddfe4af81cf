"""``mongo-threads check``: what flake8 would report of this plugin, told for people or in another format."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TextIO

from flake8_mongo_threads import report, selection
from flake8_mongo_threads.check import check_paths, exit_code
from flake8_mongo_threads.report import FileReport
from flake8_mongo_threads.selection import Selection, SelectionError

AUTO = "auto"


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
    selection.add_arguments(parser)


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
    """Check, write, and return the exit code."""
    try:
        chosen = Selection(selection.arguments_for_flake8(arguments))
    except SelectionError as error:
        print(f"mongo-threads: {error}", file=sys.stderr)
        return 2
    warn_when_nothing_is_selected(chosen)
    paths = chosen.paths(arguments.paths)
    jobs = chosen.jobs if arguments.jobs is None else arguments.jobs
    seen: list[FileReport] = []
    reports = _note(check_paths(paths, chosen, jobs), seen)
    name = wanted_format(arguments.output_format, sys.stdout)
    if name == "text":
        _write_for_people(reports, len(paths))
    else:
        report.load(name).write(reports, sys.stdout)
    sys.stdout.flush()
    if arguments.statistics:
        _write_statistics(seen)
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
        seen.append(item._replace(lines=()))
        yield item


def _write_for_people(reports: Iterator[FileReport], total: int) -> None:
    from flake8_mongo_threads.report import text

    screen = text.console(sys.stdout)
    if not (sys.stdout.isatty() and sys.stderr.isatty()) or total < 2:
        text.show(reports, screen)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    # Findings are printed above the bar, which vanishes at the end.
    with Progress(TextColumn("checking"), BarColumn(), MofNCompleteColumn(), console=screen, transient=True) as progress:
        text.show(progress.track(reports, total=total), screen)


def _write_statistics(reports: Iterable[FileReport]) -> None:
    from flake8_mongo_threads.rules import load

    names = {rule.code: rule.name for rule in load()}
    counts = Counter(finding.code for item in reports for finding in item.findings)
    for code, count in sorted(counts.items()):
        print(f"{count:<7} {code} {names.get(code, '')}".rstrip())
