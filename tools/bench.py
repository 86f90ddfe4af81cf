#!/usr/bin/env python3
"""Measure what the plugin costs: ``python3 tools/bench.py PATH`` for a file or a folder of Python files.

Printed are its processor time as a ratio to ``ast.parse`` of the same files (files with and without a driver apart), its import
time in a process that has loaded flake8, and a whole flake8 run without it, with it, and with it and a cache that knows every file
(``mongo-threads-cache``). Each time is the least of several tries: ratios
can be compared between machines.
"""

import argparse
import ast
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from flake8_mongo_threads import engine  # noqa: E402
from flake8_mongo_threads.config import Config  # noqa: E402
from flake8_mongo_threads.plugin import Plugin  # noqa: E402
from flake8_mongo_threads.semantics import modules  # noqa: E402
from flake8_mongo_threads.source import DecodeError, decode, split_lines  # noqa: E402

IMPORT_TIME = """
import time, flake8.main.application, flake8.options.manager
start = time.process_time()
import flake8_mongo_threads.plugin
print(time.process_time() - start)
"""

WITHOUT_PLUGIN = """
import importlib.metadata, sys
every = importlib.metadata.distributions
def others(**context):
    return (found for found in every(**context) if (found.metadata["Name"] or "").lower() != "flake8-mongo-threads")
importlib.metadata.distributions = others
from flake8.main.cli import main
sys.exit(main(sys.argv[1:]))
"""

WITH_PLUGIN = """
import sys
from flake8.main.cli import main
sys.exit(main(sys.argv[1:]))
"""


class Measured(NamedTuple):
    """One file: seconds to parse, seconds to check for the first time and at best, lines, findings, whether a driver is involved."""

    path: Path
    parse: float
    first: float
    best: float
    lines: int
    findings: int
    driver: bool
    warm: float = 0.0
    """Seconds with a cache that knows the file, in a process that has not seen it yet."""

    @property
    def ratio(self) -> float:
        """The best check as a share of the parse."""
        return self.best / self.parse if self.parse else 0.0


def least(action: Callable[[], object], tries: int) -> float:
    """The least processor time of several tries, in seconds."""
    times = []
    for _ in range(tries):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times)


def python_files(path: Path) -> Iterator[Path]:
    """The Python files at or under a path, in order."""
    if path.is_file():
        yield path
        return
    yield from sorted(found for found in path.rglob("*.py") if found.is_file())


def measure(path: Path, tries: int) -> Measured | None:
    """Measure one file; None when it is not a Python file that this interpreter can parse."""
    try:
        text = decode(path.read_bytes()).text
        tree = ast.parse(text)
    except (DecodeError, SyntaxError, ValueError, RecursionError, MemoryError, OSError):
        return None
    lines = split_lines(text)
    parse = least(lambda: ast.parse(text), tries)

    def check() -> list[tuple[int, int, str, type]]:
        return list(Plugin(tree, lines, str(path)).run())

    start = time.process_time()
    findings = len(check())
    first = time.process_time() - start
    return Measured(path, parse, first, least(check, tries), len(lines), findings, engine.gate(lines, str(path), Config()))


def with_warm_cache(measured: list[Measured], tries: int) -> list[Measured]:
    """The same with the time that each takes when an earlier run has kept its findings: all files in turn, as in a run of flake8."""
    programs = []
    for item in measured:
        text = decode(item.path.read_bytes()).text
        programs.append((ast.parse(text), split_lines(text), str(item.path)))
    before = Plugin.config
    times: list[list[float]] = [[] for _ in programs]
    with tempfile.TemporaryDirectory() as folder:
        Plugin.config = Config(cache=folder)
        for attempt in range(tries + 1):
            modules.new_run()
            for program, taken in zip(programs, times, strict=True):
                start = time.process_time()
                list(Plugin(*program).run())
                if attempt:  # the first fills the cache
                    taken.append(time.process_time() - start)
    Plugin.config = before
    return [item._replace(warm=min(taken)) for item, taken in zip(measured, times, strict=True)]


def percentile(values: list[float], share: float) -> float:
    """The nearest-rank percentile of values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def line(title: str, files: list[Measured]) -> str:
    """One row of the report."""
    if not files:
        return f"{title:<24} no files"
    ratios = [item.ratio for item in files]
    parse = sum(item.parse for item in files)
    return (
        f"{title:<24} {len(files):5} files {sum(item.lines for item in files):8} lines   ratio to ast.parse: "
        f"median {statistics.median(ratios):.3f}  p95 {percentile(ratios, 0.95):.3f}  sum {sum(item.best for item in files) / parse:.3f}  "
        f"first run {sum(item.first for item in files) / parse:.3f}"
    )


def import_time(tries: int) -> float:
    """The least time to import the plugin into a process that has loaded flake8, in seconds."""
    command = [sys.executable, "-c", IMPORT_TIME]
    return min(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(tries))


def flake8_run(program: str, path: Path, *arguments: str) -> float:
    """The processor time of one whole flake8 run in one process, in seconds."""
    before = os.times()
    command = [sys.executable, "-c", program, "--isolated", "-j1", "--exit-zero", *arguments, str(path)]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> int:
    """Measure and print. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("path", type=Path, help="a Python file or a folder")
    parser.add_argument("--tries", type=int, default=5, help="tries of each measurement (default: %(default)s)")
    parser.add_argument("--slowest", type=int, default=5, metavar="N", help="how many of the dearest files to name (default: %(default)s)")
    parser.add_argument("--no-flake8", action="store_true", help="leave out the whole flake8 runs")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    list(Plugin(ast.parse("import pymongo"), ["import pymongo\n"], "warm_up.py").run())
    measured = [item for path in python_files(arguments.path) if (item := measure(path, arguments.tries))]
    if not measured:
        print(f"bench: no Python file at {arguments.path}", file=sys.stderr)
        return 2
    measured = with_warm_cache(measured, arguments.tries)
    with_driver = [item for item in measured if item.driver]
    print(line("files with a driver", with_driver))
    print(line("files without a driver", [item for item in measured if not item.driver]))
    if with_driver:
        warm = [item.warm / item.parse for item in with_driver if item.parse]
        total = sum(item.warm for item in with_driver) / sum(item.parse for item in with_driver)
        print(f"  with a warm cache      median {statistics.median(warm):.3f}  p95 {percentile(warm, 0.95):.3f}  sum {total:.3f}")
    print(f"findings                 {sum(item.findings for item in measured):5}")
    for item in sorted(with_driver, key=lambda item: -item.ratio)[: arguments.slowest]:
        print(f"  {item.ratio:7.3f}  {item.best * 1000:8.2f} ms  {item.lines:6} lines  {item.path}")
    print(f"import of the plugin     {import_time(max(arguments.tries, 7)) * 1000:.1f} ms")
    if not arguments.no_flake8:
        # Interleaved, so that a busy moment of the machine does not fall on one side only.
        tries = range(min(arguments.tries, 3))
        with tempfile.TemporaryDirectory() as folder:
            cache = f"--mongo-threads-cache={folder}"
            flake8_run(WITH_PLUGIN, arguments.path, cache)
            runs = [
                (
                    flake8_run(WITHOUT_PLUGIN, arguments.path),
                    flake8_run(WITH_PLUGIN, arguments.path),
                    flake8_run(WITH_PLUGIN, arguments.path, cache),
                )
                for _ in tries
            ]
        without, cold, warm = (min(times) for times in zip(*runs, strict=True))
        print(
            f"flake8, one process      without the plugin {without:.2f} s, with it {cold:.2f} s, ratio {cold / without:.3f}, "
            f"with a warm cache {warm:.2f} s, ratio {warm / without:.3f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
