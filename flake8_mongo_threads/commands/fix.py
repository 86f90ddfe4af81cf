"""``mongo-threads fix``: apply the fixes that findings carry.

Exit codes: 0 nothing is left, 1 findings are left (or ``--diff`` would change something), 2 a usage error or a file that could
not be parsed, decoded or written, or a failure of the linter itself.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TextIO

from flake8_mongo_threads import selection
from flake8_mongo_threads.commands.check import add_reading_arguments, jobs_argument, warn_when_nothing_is_selected
from flake8_mongo_threads.findings import Applicability, Finding
from flake8_mongo_threads.fixes.files import FileResult, Wish, fix_file
from flake8_mongo_threads.guard import INTERNAL_ERROR
from flake8_mongo_threads.parallel import each_file
from flake8_mongo_threads.report import FileReport, counted
from flake8_mongo_threads.selection import STDIN, Selection
from flake8_mongo_threads.source import split_lines


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add the command to an argument parser's subcommands."""
    summary = "apply the fixes of what check reports"
    parser = subparsers.add_parser("fix", help=summary, description=f"{summary.capitalize()}.")
    add_arguments(parser)
    parser.set_defaults(run=run)
    return parser


def _codes(text: str) -> tuple[str, ...]:
    return tuple(code.strip().upper() for code in text.split(",") if code.strip())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files and folders; - is standard input (default: this folder)")
    parser.add_argument("--unsafe-fixes", action="store_true", help="apply fixes, too, that may change what the program does")
    parser.add_argument("--diff", action="store_true", help="show what would change and write nothing")
    parser.add_argument("--fixable", type=_codes, action="extend", metavar="CODES", default=[], help="fix only codes with these prefixes")
    parser.add_argument("--unfixable", type=_codes, action="extend", metavar="CODES", default=[], help="do not fix these")
    parser.add_argument("--show-fixes", action="store_true", help="list every fix that was applied")
    parser.add_argument("--add-noqa", action="store_true", help="fix nothing; add a `# noqa` comment for each finding instead")
    parser.add_argument("-j", "--jobs", type=jobs_argument, metavar="N", help="number of processes (default: as flake8 is configured)")
    parser.add_argument("--exit-zero", action="store_true", help="exit with 0 even if findings are left")
    parser.add_argument("--exit-non-zero-on-fix", action="store_true", help="exit with 1 if anything was fixed")
    add_reading_arguments(parser)
    parser.add_argument(
        "--stdin-filename",
        dest="flake8_stdin_display_name",
        action="append",
        metavar="PATH",
        help="the name of what is read from standard input",
    )
    selection.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Fix, write, tell, and return the exit code. Raises SelectionError."""
    chosen = Selection(selection.arguments_for_flake8(arguments))
    if STDIN in arguments.paths and len(arguments.paths) > 1:
        print("mongo-threads: - cannot be fixed together with files", file=sys.stderr)
        return 2
    warn_when_nothing_is_selected(chosen)
    paths = chosen.paths(arguments.paths, not arguments.no_documents)
    level = Applicability.UNSAFE if arguments.unsafe_fixes else Applicability.SAFE
    wish = Wish(level, tuple(arguments.fixable), tuple(arguments.unfixable), arguments.diff, arguments.add_noqa, arguments.docstrings)
    jobs = chosen.jobs if arguments.jobs is None else arguments.jobs
    from_stdin = STDIN in arguments.paths
    # What is printed besides the fixed text, or the diff, must not end up in it.
    out = sys.stderr if from_stdin or arguments.diff else sys.stdout
    seen: list[FileResult] = []
    try:
        for result in _progress(each_file(fix_file, paths, chosen, wish, jobs), len(paths)):
            if result.problem:
                print(f"{result.path}: error: {result.problem}", file=sys.stderr)
            elif from_stdin and not arguments.diff and result.data is not None:
                sys.stdout.buffer.write(result.data)
            if arguments.diff and result.changed:
                sys.stdout.write(diff(result))
            _tell(result, arguments.show_fixes, wish, out)
            seen.append(result._replace(before="", after="", data=None))
    except BrokenProcessPool:
        print("mongo-threads: a worker process has died; every file is whole, some may not have been looked at", file=sys.stderr)
        return 2
    _summary(seen, wish, out)
    return _exit_code(seen, arguments)


def _exit_code(results: Sequence[FileResult], arguments: argparse.Namespace) -> int:
    if any(result.problem or any(finding.code == INTERNAL_ERROR for finding in result.remaining) for result in results):
        return 2
    if arguments.exit_non_zero_on_fix and any(result.changed for result in results):
        return 1
    if arguments.exit_zero:
        return 0
    return int(any(result.remaining or (arguments.diff and result.changed) for result in results))


def diff(result: FileResult) -> str:
    """What has changed, as a unified diff that ``patch`` can read."""
    return unified_diff(result.path, result.before, result.after)


def unified_diff(path: str, before: str, after: str) -> str:
    """The change of one text, as a unified diff that ``patch`` can read."""
    import difflib

    lines = difflib.unified_diff(split_lines(before), split_lines(after), path, path)
    return "".join(line if line.endswith(("\n", "\r")) else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _place(result: FileResult, finding: Finding) -> str:
    return f"{result.path}:{FileReport(result.path, cells=result.cells).place(finding.span.line, finding.span.col)}: {finding.code}"


def _tell(result: FileResult, show_fixes: bool, wish: Wish, out: TextIO) -> None:
    if show_fixes:
        for finding in result.applied:
            title = finding.fix.title if finding.fix else finding.message
            print(f"{_place(result, finding)} {'would be fixed' if wish.diff else 'fixed'}: {title}", file=out)
    reasons = dict(result.refused)
    for finding in result.remaining:
        print(f"{_place(result, finding)} {finding.message}", file=out)
        if finding in reasons:
            print(f"    not fixed: {reasons[finding]}", file=out)


def _summary(results: Sequence[FileResult], wish: Wish, out: TextIO) -> None:
    applied = [finding for result in results for finding in result.applied]
    remaining = [finding for result in results for finding in result.remaining]
    refused = sum(len(result.refused) for result in results)
    changed = sum(result.changed for result in results)
    skipped = sum(bool(result.problem) for result in results)
    would = "would be " if wish.diff else ""
    parts = []
    if wish.add_noqa:
        silenced = sum(result.silenced for result in results)
        parts.append(f"{counted(silenced, 'finding')} {would}silenced in {counted(changed, 'file')}")
    elif applied:
        codes = Counter(finding.code for finding in applied)
        listed = ", ".join(f"{code} ×{number}" for code, number in sorted(codes.items()))
        parts.append(f"{counted(len(applied), 'finding')} {would}fixed in {counted(changed, 'file')} ({listed})")
    if remaining:
        parts.append(f"{counted(len(remaining), 'finding')} left" + (f", {refused} of them with a fix that was refused" if refused else ""))
    more = _only_unsafe(results, wish)
    if more:
        parts.append(f"{counted(more, 'more fix', 'more fixes')} with --unsafe-fixes")
    if skipped:
        parts.append(f"{counted(skipped, 'file')} skipped")
    if not parts and results:
        parts.append("nothing to fix")
    if parts:
        print("; ".join(parts), file=out)


def _only_unsafe(results: Iterable[FileResult], wish: Wish) -> int:
    if wish.level <= Applicability.UNSAFE or wish.add_noqa:
        return 0
    fixes = (finding for result in results for finding in result.remaining if finding.fix and wish.may_fix(finding.code))
    return sum(finding.fix is not None and finding.fix.applicability is Applicability.UNSAFE for finding in fixes)


# Progress


def _progress(results: Iterator[FileResult], total: int) -> Iterator[FileResult]:
    """Pass the results on, with a bar on a terminal's standard error."""
    if total < 2 or not sys.stderr.isatty():
        yield from results
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("fixing"), BarColumn(), MofNCompleteColumn())
    # Rich would otherwise take over standard output, where the diff or the report goes.
    stdout_too = sys.stdout.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=stdout_too) as progress:
        yield from progress.track(results, total=total)
