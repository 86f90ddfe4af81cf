"""Check files: bytes to text to tree to findings, one report a file, in several processes where that pays.

One file's trouble (missing, undecodable, not Python) is that file's report; the others go on.
"""

import ast
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor

from flake8_mongo_threads.guard import INTERNAL_ERROR, findings_of
from flake8_mongo_threads.report import FileReport, Problem
from flake8_mongo_threads.selection import STDIN, Noqa, Selection
from flake8_mongo_threads.source import DecodeError, decode, split_lines

_PARALLEL_FROM = 24
"""Fewer files than this are checked sooner than processes have started."""

_selection: Selection | None = None
"""The selection of this worker process."""


def parse(text: str) -> ast.Module:
    """Parse a text as a module, without the warnings that compiling it may give. Raises SyntaxError for any reason to refuse it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except SyntaxError:
            raise
        except (RecursionError, MemoryError):
            raise SyntaxError("too deeply nested to be parsed") from None
        except ValueError as error:
            raise SyntaxError(str(error)) from None


def read(path: str) -> bytes:
    """The bytes of a file, or of standard input for ``-``. Raises OSError."""
    if path == STDIN:
        return sys.stdin.buffer.read()
    with open(path, "rb") as handle:
        return handle.read()


def check_file(path: str, selection: Selection) -> FileReport:
    """Check one file (``-`` is standard input)."""
    shown = selection.stdin_display_name if path == STDIN else path
    try:
        data = read(path)
    except OSError as error:
        return FileReport(shown, problem=Problem(0, 0, error.strerror or str(error)))
    return check_bytes(shown, data, selection)


def check_bytes(path: str, data: bytes, selection: Selection) -> FileReport:
    """Check the bytes of a file; ``path`` is the name to show and need not exist."""
    try:
        text = decode(data).text
    except DecodeError as error:
        return FileReport(path, problem=Problem(0, 0, str(error)))
    return check_text(path, text, selection)


def check_text(path: str, text: str, selection: Selection) -> FileReport:
    """Check the text of a file; ``path`` is the name to show and need not exist."""
    lines = split_lines(text)
    try:
        tree = parse(text)
    except SyntaxError as error:
        return FileReport(path, problem=Problem(error.lineno or 0, error.offset or 0, f"syntax error: {error.msg}"))
    found = [finding for finding in findings_of(tree, lines, path, selection.config) if selection.reports(finding.code, path)]
    if not found:
        return FileReport(path)
    noqa = Noqa(selection, path, lines)
    kept = tuple(finding for finding in found if not noqa.silences(finding))
    return FileReport(path, kept, silenced=len(found) - len(kept), lines=tuple(lines) if kept else ())


def check_paths(paths: Sequence[str], selection: Selection, jobs: int = 0) -> Iterator[FileReport]:
    """Check files, in the order given, with up to ``jobs`` processes (0: as many as there are processors, when there are files enough)."""
    if jobs == 0:
        jobs = (os.cpu_count() or 1) if len(paths) >= _PARALLEL_FROM else 1
    jobs = min(jobs, len(paths))
    if jobs <= 1 or STDIN in paths:
        return (check_file(path, selection) for path in paths)
    return _check_in_processes(paths, selection, jobs)


def _check_in_processes(paths: Sequence[str], selection: Selection, jobs: int) -> Iterator[FileReport]:
    global _selection
    # Neighbours import the same modules, whose summaries each process keeps: hand them out in runs.
    size = max(1, min(16, len(paths) // (jobs * 4)))
    executor = ProcessPoolExecutor(jobs, initializer=_start_worker, initargs=(selection.arguments,))
    _selection = selection  # forked workers inherit it, others make their own
    try:
        # All are handed in here, not when the first report is asked for: processes are forked before a progress display starts a thread.
        futures = [executor.submit(_check_chunk, tuple(paths[start : start + size])) for start in range(0, len(paths), size)]
    except BaseException:
        executor.shutdown(cancel_futures=True)
        raise
    finally:
        _selection = None
    return _results(executor, futures)


def _results(executor: ProcessPoolExecutor, futures: "list[Future[list[FileReport]]]") -> Iterator[FileReport]:
    try:
        for future in futures:
            yield from future.result()
    finally:
        executor.shutdown(cancel_futures=True)


def _start_worker(arguments: Sequence[str]) -> None:
    global _selection
    if _selection is None or _selection.arguments != tuple(arguments):
        _selection = Selection(arguments)


def _check_chunk(paths: Sequence[str]) -> list[FileReport]:
    assert _selection is not None
    return [check_file(path, _selection) for path in paths]


def exit_code(reports: Sequence[FileReport]) -> int:
    """0 when there is nothing to report, 1 for findings, 2 when a file could not be checked or the linter itself failed."""
    if any(report.problem or any(finding.code == INTERNAL_ERROR for finding in report.findings) for report in reports):
        return 2
    return int(any(report.findings for report in reports))
