#!/usr/bin/env python3
"""Measure what checking costs, beside other tools: ``tools/bench_peers.py --peers BIN --tree NAME=PATH [--tree …] [--write]``.

Every command is run over every tree several times, the tools in turn, so that a busy moment of the machine does not fall on one alone.
These tables come out: flake8 with one plugin at a time, as ratios to flake8 without any; whole commands, as ratios to ``mongo-threads
check``; and with ``--scale NAME``, of that tree, how cost and memory grow with the number of files and of processes, and what a cache
gains, for tools that have one. Figures are medians of wall time with the least and the greatest beside them, one process each where a tool
can be told so, and caches off but where they are measured. ``BIN`` is the ``bin`` folder of an environment that holds the tools and this
project; ``--semgrep BIN`` may name another one for semgrep, which runs with rules of comparable kinds (``semgrep_rules.yml``). A tool that
takes longer than ``--limit`` seconds is shown so, and not run again on that tree.
"""

import argparse
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.bench_detection import PAGE, show  # noqa: E402

BEGIN, END = "<!-- cost -->", "<!-- end of cost -->"

FLAKE8 = """
import importlib.metadata, sys
keep = sys.argv.pop(1)
plugins = {"flake8-mongo-threads", "flake8-bugbear", "flake8-async"} - {keep}
every = importlib.metadata.distributions
importlib.metadata.distributions = lambda **context: (d for d in every(**context) if (d.metadata["Name"] or "").lower() not in plugins)
from flake8.main.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""flake8 with one of its installed plugins left, or none."""

PLUGINS = ("none", "flake8-mongo-threads", "flake8-bugbear", "flake8-async")

COMMANDS: dict[str, tuple[str, ...]] = {
    "mongo-threads check": ("mongo-threads", "check", "--isolated", "--no-documents", "-j1", "--exit-zero"),
    "ruff, ASYNC": ("ruff", "check", "--isolated", "--no-cache", "--select=ASYNC", "--exit-zero"),
    "ruff, all rules": ("ruff", "check", "--isolated", "--no-cache", "--preview", "--select=ALL", "--exit-zero"),
    "pylint": ("pylint", "--rcfile", os.devnull, "-j1", "--score=n", "--recursive=y", "--exit-zero"),
    "mypy": ("mypy", "--cache-dir", os.devnull, "--ignore-missing-imports", "--namespace-packages", "--explicit-package-bases"),
    "pyright": ("pyright",),
    "fixit": ("fixit", "lint"),
    "semgrep, comparable rules": (
        "semgrep", "scan", "--metrics=off", "--disable-version-check", "--quiet", "--no-git-ignore", "--jobs=1",
        f"--config={ROOT / 'tools' / 'semgrep_rules.yml'}",
    ),
}  # fmt: skip
SHARES = "mongo-threads check"

CACHES: dict[str, str] = {
    "mongo-threads check": "--mongo-threads-cache",
    "ruff, all rules": "--cache-dir",
    "mypy": "--cache-dir",
}
"""The options that name the folder of a cache; a command whose ``--help`` does not know its option has no cache."""
_NO_CACHE = frozenset(("--no-cache", "--cache-dir", os.devnull))


class Run(NamedTuple):
    """One run: seconds of wall time, and the greatest memory of a process of it in MiB."""

    wall: float
    memory: float


def timed(command: Sequence[str], cwd: Path, environment: dict[str, str], limit: float) -> Run | None:
    """Run a command; None when it took longer than the limit and was ended."""
    start = time.perf_counter()
    with open(os.devnull, "wb") as nowhere:
        child = subprocess.Popen(command, cwd=cwd, env=environment, stdout=nowhere, stderr=nowhere, start_new_session=True)
        # wait4 tells the memory of this child; its own children's is counted as they are waited for by it.
        while True:
            found, _, used = os.wait4(child.pid, os.WNOHANG)
            if found:
                child.returncode = 0
                return Run(time.perf_counter() - start, used.ru_maxrss / 1024)
            if time.perf_counter() - start > limit:
                os.killpg(child.pid, 9)
                child.wait()
                return None
            time.sleep(0.002)


class Cell(NamedTuple):
    """What the runs of one command over one tree came to."""

    runs: tuple[Run, ...]
    over: bool = False

    @property
    def median(self) -> float:
        """The median wall time in seconds."""
        return statistics.median(run.wall for run in self.runs)

    def ratio(self, base: "Cell") -> str:
        """The ratio to another command's median, with its spread."""
        if self.over or not self.runs or not base.runs:
            return "over the limit" if self.over else "not measured"
        low, high = min(run.wall for run in self.runs), max(run.wall for run in self.runs)
        if self is base:
            return f"1 ({self.median:.2f} s)"
        return f"{self.median / base.median:.2f} ({low / base.median:.2f}–{high / base.median:.2f})"

    @property
    def memory(self) -> str:
        """The greatest memory of all runs."""
        return f"{max(run.memory for run in self.runs):.0f} MiB" if self.runs else "–"


def measure(
    commands: Mapping[str, Sequence[str]],
    tree: Path,
    environment: dict[str, str],
    tries: int,
    limit: float,
    before: Callable[[], object] = lambda: None,
) -> dict[str, Cell]:
    """Run commands in turn, several times; the first round warms the disk and is not counted. ``before`` is called before each run."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    over: set[str] = set()
    for round_ in range(tries + 1):
        for name, command in commands.items():
            if name in over:
                continue
            before()
            run = timed(command, tree, environment, limit)
            if run is None:
                over.add(name)
            elif round_:
                runs[name].append(run)
    return {name: Cell(tuple(found), name in over) for name, found in runs.items()}


def size(tree: Path) -> str:
    """How many Python files and lines a tree has, and how many files name the driver."""
    files = lines = driver = 0
    for path in tree.rglob("*.py"):
        if path.is_file():
            data = path.read_bytes()
            files, lines, driver = files + 1, lines + data.count(b"\n"), driver + bool(re.search(rb"pymongo|motor\.|MongoClient", data))
    return f"{files} files, {lines} lines, {driver} files name a driver"


def versions(commands: Iterable[str], path: str) -> str:
    """The versions of the tools."""
    found = []
    for name in dict.fromkeys(COMMANDS[command][0] for command in commands):
        program = shutil.which(name, path=path)
        if program:
            done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=300, check=False)
            match = re.search(r"\d+(?:\.\d+)+", done.stdout)
            found.append(f"{name} {match[0] if match else ''}".strip())
    return ", ".join(found)


def scaling(program: str, tree: Path, environment: dict[str, str], tries: int, limit: float) -> str:
    """How the cost of ``mongo-threads check`` grows with the number of files and of processes, as a table."""
    files = sorted(str(path.relative_to(tree)) for path in tree.rglob("*.py") if path.is_file())
    processes = sorted({1, 2, os.cpu_count() or 1})
    rows = [f"| files | {' | '.join(f'-j{jobs}' for jobs in processes)} | memory |", "|---:|" + "---:|" * (len(processes) + 1)]
    base: Cell | None = None
    for share in (8, 4, 2, 1):
        some = files[::share]
        commands = {str(jobs): (program, "check", "--isolated", f"-j{jobs}", "--exit-zero", *some) for jobs in processes}
        cells = measure(commands, tree, environment, tries, limit)
        base = base or cells["1"]
        rows.append(f"| {len(some)} | {' | '.join(cell.ratio(base) for cell in cells.values())} | {cells['1'].memory} |")
    return "\n".join(rows)


def caching(commands: Mapping[str, Sequence[str]], tree: Path, environment: dict[str, str], tries: int, limit: float) -> str:
    """What a cache gains the commands that have one: runs without, with an empty one, and with one that knows the tree, as a table."""
    rows = ["| command | without a cache | empty cache | full cache |", "|---|---:|---:|---:|"]
    for name, option in CACHES.items():
        if name not in commands:
            continue
        command = commands[name]
        asked = command[:1] if command[1].startswith("-") else command[:2]
        known = subprocess.run([*asked, "--help"], capture_output=True, text=True, timeout=limit, env=environment, check=False)
        if option not in known.stdout:
            rows.append(f"| {name} | it has none | – | – |")
            continue
        with tempfile.TemporaryDirectory(prefix="bench-cache-") as folder:
            place = Path(folder) / "cache"
            cached = (*(word for word in command if word not in _NO_CACHE), f"{option}={place}")
            without = measure({"it": command}, tree, environment, tries, limit)["it"]
            empty = measure({"it": cached}, tree, environment, tries, limit, lambda: shutil.rmtree(place, ignore_errors=True))["it"]  # noqa: B023 - called now
            full = measure({"it": cached}, tree, environment, tries, limit)["it"]
        rows.append(f"| {name} | {without.ratio(without)} | {empty.ratio(without)} | {full.ratio(without)} |")
    return "\n".join(rows)


def report(folder: Path, semgrep: Path, trees: dict[str, Path], tries: int, limit: float, scale: str) -> str:
    """All tables as Markdown."""
    python = str(folder / "python")
    environment = {
        **os.environ,
        "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}",
        "VIRTUAL_ENV": str(folder.parent),
        "PYTHONUTF8": "1",
    }
    flake8 = {name: (python, "-c", FLAKE8, name, "--isolated", "-j1", "--exit-zero", ".") for name in PLUGINS}
    both = f"{folder}{os.pathsep}{semgrep}"
    programs = {name: shutil.which(command[0], path=both) for name, command in COMMANDS.items()}
    whole = {name: (program, *COMMANDS[name][1:], ".") for name, program in programs.items() if program}
    first = {tree: measure(flake8, path, environment, tries, limit) for tree, path in trees.items()}
    second = {tree: measure(whole, path, environment, tries, limit) for tree, path in trees.items()}
    out = [f"- {tree}: {size(path)}" for tree, path in trees.items()]
    out += ["", f"{versions(whole, both)}; Python {'.'.join(map(str, sys.version_info[:3]))}; {tries} runs each.", ""]
    out += [f"| flake8 with | {' | '.join(trees)} | memory |", "|---|" + "---:|" * (len(trees) + 1)]
    for name in PLUGINS:
        cells = [first[tree][name].ratio(first[tree]["none"]) for tree in trees]
        out.append(f"| {'no plugin' if name == 'none' else name} | {' | '.join(cells)} | {first[next(iter(trees))][name].memory} |")
    out += ["", f"| command | {' | '.join(trees)} | memory |", "|---|" + "---:|" * (len(trees) + 1)]
    for name in COMMANDS:
        if name in whole:
            cells = [second[tree][name].ratio(second[tree][SHARES]) for tree in trees]
            out.append(f"| {name} | {' | '.join(cells)} | {second[next(iter(trees))][name].memory} |")
        else:
            out.append(f"| {name} |" + " not measured |" * (len(trees) + 1))
    if scale:
        out += ["", f"`mongo-threads check` over parts of {scale}, as ratios to the first figure:", ""]
        out += [scaling(whole[SHARES][0], trees[scale], environment, tries, limit)]
        out += ["", f"Caches, over {scale}, as ratios to the command without one:", ""]
        out += [caching(whole, trees[scale], environment, tries, limit)]
    return "\n".join(out)


def main() -> int:
    """Measure, and print or write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--peers", type=Path, required=True, metavar="BIN", help="the bin folder of an environment with the tools and this project"
    )
    parser.add_argument("--semgrep", type=Path, metavar="BIN", help="another one, for semgrep")
    parser.add_argument("--tree", action="append", required=True, metavar="NAME=PATH", help="what to check; again for more")
    parser.add_argument("--tries", type=int, default=3, help="runs of each command (default: %(default)s)")
    parser.add_argument(
        "--limit", type=float, default=120, metavar="SECONDS", help="the longest that one run may take (default: %(default)g)"
    )
    parser.add_argument("--scale", default="", metavar="NAME", help="the tree to show growth and caches on")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    trees = {}
    for given in arguments.tree:
        name, _, path = given.partition("=")
        trees[name] = Path(path).absolute()
        if not trees[name].is_dir():
            parser.error(f"{given}: no such folder")
    if arguments.scale and arguments.scale not in trees:
        parser.error(f"--scale: no tree is called {arguments.scale}")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    semgrep = (arguments.semgrep or arguments.peers).absolute()
    made = report(arguments.peers.absolute(), semgrep, trees, arguments.tries, arguments.limit, arguments.scale)
    show(made, BEGIN, END, write=arguments.write)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
