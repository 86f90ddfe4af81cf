"""The same work on many files, in several processes where that pays, with the results in the order of the files."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

from flake8_mongo_threads.selection import STDIN, Selection

Result = TypeVar("Result")
Extra = TypeVar("Extra")

_PARALLEL_FROM = 24
"""Fewer files than this are done sooner than processes have started."""

_worker: tuple[Selection, Any] | None = None
"""What this worker process works with: the selection, and what else the work takes."""


def each_file(
    work: Callable[[str, Selection, Extra], Result], paths: Sequence[str], selection: Selection, extra: Extra, jobs: int = 0
) -> Iterator[Result]:
    """Call ``work`` for every path, in the order given, in up to ``jobs`` processes (0: as many as there are processors, when there are
    files enough). ``work`` must be a function of a module, and ``extra`` and the results picklable. Raises what ``work`` raises."""
    if jobs == 0:
        jobs = (os.cpu_count() or 1) if len(paths) >= _PARALLEL_FROM else 1
    jobs = min(jobs, len(paths))
    if jobs <= 1 or STDIN in paths:
        return (work(path, selection, extra) for path in paths)
    return _in_processes(work, paths, selection, extra, jobs)


def _in_processes(
    work: Callable[[str, Selection, Extra], Result], paths: Sequence[str], selection: Selection, extra: Extra, jobs: int
) -> Iterator[Result]:
    global _worker
    # Neighbours import the same modules, whose summaries each process keeps: hand them out in runs.
    size = max(1, min(16, len(paths) // (jobs * 4)))
    # From 3.14 on Linux forks no longer unless told to: its other way starts a server that listens on a socket and loads everything anew.
    # Where forking is not the custom it is not safe, either.
    context = multiprocessing.get_context("fork") if sys.platform == "linux" else None
    executor = ProcessPoolExecutor(jobs, context, initializer=_start_worker, initargs=(selection.arguments, extra))
    _worker = (selection, extra)  # forked workers inherit it, others make their own
    try:
        # All are handed in here, not when the first result is asked for: processes are forked before a progress display starts a thread.
        futures = [executor.submit(_run_of_files, work, tuple(paths[start : start + size])) for start in range(0, len(paths), size)]
    except BaseException:
        executor.shutdown(cancel_futures=True)
        raise
    finally:
        _worker = None
    return _in_order(executor, futures)


def _in_order(executor: ProcessPoolExecutor, futures: "list[Future[list[Result]]]") -> Iterator[Result]:
    try:
        for future in futures:
            yield from future.result()
    finally:
        executor.shutdown(cancel_futures=True)


def _start_worker(arguments: Sequence[str], extra: object) -> None:
    global _worker
    if _worker is None or _worker[0].arguments != tuple(arguments):
        _worker = (Selection(arguments), extra)


def _run_of_files(work: Callable[[str, Selection, Any], Result], paths: Sequence[str]) -> list[Result]:
    assert _worker is not None
    selection, extra = _worker
    return [work(path, selection, extra) for path in paths]
