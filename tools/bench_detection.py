#!/usr/bin/env python3
"""Run other linters and type checkers over the labelled programs and tell who finds what: ``bench_detection.py --peers BIN [--write]``.

The programs are the single-file fixtures with a line marked ``# expect: CODE``, up to so many of each rule. Without their markers they
are put side by side into one folder, together with as many look-alikes (``ok_…``), and every tool runs over the folder once. ``BIN`` is
the ``bin`` folder of an environment that holds the tools, and pymongo and motor for the type checkers.

What counts as found: the tool reports on the marked line, with a rule of its own that is about such things. A rule counts when at least
half of all its reports over the programs stand on marked lines; so a rule about style, which reports anywhere, does not. Our own figure
counts a line only when the right code is reported. Rules of a tool that count are listed beside the table.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import harness  # noqa: E402
from flake8_mongo_threads.driver import kinds  # noqa: E402

PAGE = ROOT / "docs" / "comparison.md"
BEGIN, END = "<!-- detection -->", "<!-- end of detection -->"
FAMILIES = {
    "MDB0": "API", "MDB1": "clients", "MDB2": "sessions, transactions", "MDB3": "handing over", "MDB4": "processes, signals",
    "MDB5": "asyncio", "MDB6": "timeouts, pools", "MDB7": "races",
}  # fmt: skip
_MARKER = re.compile(r"\s*#\s*(?:expect|known-miss|known-false-alarm):.*$", re.MULTILINE)
_TIME = 1800
"""Seconds that one tool may take."""

Report = tuple[str, int, str]
"""What a tool reports: the name of the file, the line, the tool's own code."""


class Sample(NamedTuple):
    """A program: its name in the folder, its text without markers, and the places that are wrong."""

    name: str
    text: str
    wrong: frozenset[tuple[int, str]]


def samples(most: int) -> list[Sample]:
    """The programs with marked lines, up to so many of each rule, and as many look-alikes."""
    found = []
    for code in sorted(harness.CODES - {"MDB000"}):
        wrong = ok = 0
        for path in sorted((harness.FIXTURES / code).glob("*.py")):
            text = path.read_text(encoding="utf-8")
            expected = harness.expectations(text)
            # A relative import in a lone file ends mypy's run over all of them.
            if expected.known_miss or expected.known_false_alarm or re.search(r"^\s*from \.", text, re.MULTILINE):
                continue
            if (wrong if expected.expect else ok) >= most:
                continue
            wrong, ok = wrong + bool(expected.expect), ok + (not expected.expect)
            # Line numbers stay: only comments go.
            found.append(Sample(f"{code.lower()}_{path.stem}.py", _MARKER.sub("", text), frozenset(expected.expect)))
    return found


class Tool(NamedTuple):
    """A peer: its command, run in the folder, and how to read its reports."""

    name: str
    command: tuple[str, ...]
    read: Callable[[str], Iterable[Report]]
    version: tuple[str, ...] = ()


def _flake8(output: str) -> Iterable[Report]:
    for match in re.finditer(r"^(?:\./)?([\w.]+\.py):(\d+):\d+: ([A-Z]+\d+)", output, re.MULTILINE):
        yield match[1], int(match[2]), match[3]


def _ruff(output: str) -> Iterable[Report]:
    for entry in json.loads(output):
        yield Path(entry["filename"]).name, entry["location"]["row"], entry["code"] or "syntax"


def _pylint(output: str) -> Iterable[Report]:
    for entry in json.loads(output or "[]"):
        yield Path(entry["path"]).name, entry["line"], entry["symbol"]


def _mypy(output: str) -> Iterable[Report]:
    for match in re.finditer(r"^([\w.]+\.py):(\d+): error: .*?\[([\w-]+)\]$", output, re.MULTILINE):
        yield match[1], int(match[2]), match[3]


def _pyright(output: str) -> Iterable[Report]:
    for entry in json.loads(output)["generalDiagnostics"]:
        yield Path(entry["file"]).name, entry["range"]["start"]["line"] + 1, entry.get("rule", "error")


def _ty(output: str) -> Iterable[Report]:
    for match in re.finditer(r"^([\w.]+\.py):(\d+):\d+: \w+\[([\w-]+)\]", output, re.MULTILINE):
        yield match[1], int(match[2]), match[3]


def _semgrep(output: str) -> Iterable[Report]:
    for entry in json.loads(output)["results"]:
        yield Path(entry["path"]).name, entry["start"]["line"], entry["check_id"].rpartition(".")[2]


# The one rule of a peer that can be told which calls block: every operation of the driver.
_BLOCKING = ",".join(f"*.{name}->AsyncMongoClient" for name in sorted(kinds.OPERATION_NAMES))

_PYLINT = ("pylint", "--rcfile", os.devnull, "--output-format=json", "--enable=all", "--disable=C,R,duplicate-code", "-j1", ".")
_ASYNC = ("flake8", "--isolated", "--select=ASYNC", "-j1", "--enable=ASYNC", f"--async200-blocking-calls={_BLOCKING}", ".")
_RUFF = ("ruff", "check", "--isolated", "--preview", "--select=ALL", "--output-format=json", "--exit-zero", ".")


def _plugin(name: str) -> tuple[str, ...]:
    """A command that tells the version of an installed distribution."""
    return ("python", "-c", f"import importlib.metadata as m; print(m.version({name!r}))")


TOOLS = (
    Tool("ruff, all rules", _RUFF, _ruff, ("ruff", "--version")),
    Tool("flake8-bugbear", ("flake8", "--isolated", "--select=B", "-j1", "."), _flake8, _plugin("flake8-bugbear")),
    Tool("flake8-async, told what blocks", _ASYNC, _flake8, _plugin("flake8-async")),
    Tool("pylint", _PYLINT, _pylint, ("pylint", "--version")),
    Tool("mypy --strict", ("mypy", "--strict", "--no-error-summary", "--cache-dir", os.devnull, "."), _mypy, ("mypy", "--version")),
    Tool("pyright", ("pyright", "--outputjson", "."), _pyright, ("pyright", "--version")),
    Tool("ty", ("ty", "check", "--output-format", "concise", "--no-progress", "."), _ty, ("ty", "--version")),
)


def semgrep(rules: Path) -> Tool:
    """semgrep with the Python rules of a checkout of its public rules."""
    command = (
        "semgrep",
        "scan",
        "--metrics=off",
        "--disable-version-check",
        "--json",
        "--quiet",
        "--no-git-ignore",
        "--config",
        str(rules),
        ".",
    )
    return Tool("semgrep, public rules", command, _semgrep, ("semgrep", "--version"))


def _environment(folder: Path) -> dict[str, str]:
    path = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path, "VIRTUAL_ENV": str(folder.parent), "PYTHONPATH": "", "PYTHONUTF8": "1"}


def theirs(tool: Tool, folder: Path, where: Path) -> list[Report] | None:
    """The reports of a tool; None where it is not installed or does not run."""
    program = shutil.which(tool.command[0], path=str(folder))
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *tool.command[1:]], cwd=where, env=_environment(folder), capture_output=True, text=True, timeout=_TIME, check=False
        )
        found = list(tool.read(done.stdout))
        if not found and done.stderr.strip():
            raise ValueError(done.stderr.strip().splitlines()[-1])
        return found
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
        print(f"{tool.name}: not measured: {type(error).__name__} {str(error)[:200]}", file=sys.stderr)
        return None


def version(tool: Tool, folder: Path) -> str:
    """What a tool says of its own version."""
    program = shutil.which(tool.version[0], path=str(folder))
    if program is None:
        return ""
    done = subprocess.run([program, *tool.version[1:]], env=_environment(folder), capture_output=True, text=True, timeout=300, check=False)
    match = re.search(r"\d+(?:\.\d+)+", done.stdout)
    return match[0] if match else ""


class Score(NamedTuple):
    """Marked lines that are found in each family, reports on look-alikes, and the rules that counted."""

    found: dict[str, int]
    alarms: int
    rules: tuple[str, ...]
    near: tuple[str, ...] = ()
    """Rules that report on many marked lines, but on more others: each with its figures."""


def score(reports: Iterable[Report], programs: list[Sample]) -> Score:
    """Count what a tool found, by its rules that are about such things."""
    wrong = {(sample.name, line): {code[:4] for at, code in sample.wrong if at == line} for sample in programs for line, _ in sample.wrong}
    clean = {sample.name for sample in programs if not sample.wrong}
    hits: Counter[str] = Counter()
    total: Counter[str] = Counter()
    places: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for name, line, rule in set(reports):
        total[rule] += 1
        hits[rule] += (name, line) in wrong
        places[rule].add((name, line))
    rules = tuple(sorted((rule for rule in total if hits[rule] and 2 * hits[rule] >= total[rule]), key=lambda rule: -hits[rule]))
    told = {place for rule in rules for place in places[rule]}
    found = Counter(family for place in told & set(wrong) for family in wrong[place])
    near = sorted(
        (rule for rule in total if rule not in rules and hits[rule] >= 20 and 4 * hits[rule] >= total[rule]), key=lambda r: -hits[r]
    )
    figures = tuple(f"`{rule}` ({hits[rule]} of its {total[rule]} reports stand on marked lines)" for rule in near)
    return Score(dict(found), sum(name in clean for name, _ in told), rules, figures)


def ours(programs: list[Sample]) -> Score:
    """The same for this linter, where only the right code counts."""
    found: Counter[str] = Counter()
    alarms = 0
    for sample in programs:
        findings = harness.run_engine(sample.name, sample.text, harness.config_of(sample.text))
        places = harness.places(findings)
        for family in FAMILIES:
            found[family] += len({line for line, code in sample.wrong & places if code.startswith(family)})
        alarms += 0 if sample.wrong else len(places)
    return Score(dict(found), alarms, ())


def table(folder: Path, programs: list[Sample], tools: Iterable[Tool]) -> str:
    """The Markdown table of all tools, and the rules that counted."""
    marked = Counter(family for sample in programs for _, family in {(line, code[:4]) for line, code in sample.wrong})
    heads = [f"{FAMILIES[family]} ({marked[family]})" for family in FAMILIES]
    rows = [
        f"| tool | {' | '.join(heads)} | all ({sum(marked.values())}) | reports on look-alikes |",
        "|---|" + "---:|" * (len(heads) + 2),
    ]

    def row(name: str, got: Score) -> str:
        figures = " | ".join(str(got.found.get(family, 0)) for family in FAMILIES)
        return f"| {name} | {figures} | {sum(got.found.values())} | {got.alarms} |"

    rows.append(row("flake8-mongo-threads", ours(programs)))
    notes = []
    with tempfile.TemporaryDirectory() as where:
        for sample in programs:
            Path(where, sample.name).write_text(sample.text, encoding="utf-8")
        for tool in tools:
            reports = theirs(tool, folder, Path(where))
            named = f"{tool.name} {version(tool, folder)}".strip()
            if reports is None:
                rows.append(f"| {named} |" + " not measured |" * (len(heads) + 2))
                continue
            got = score(reports, programs)
            rows.append(row(named, got))
            missed = f"; not {', '.join(got.near)}" if got.near else ""
            notes.append(f"- {tool.name}: {', '.join(f'`{rule}`' for rule in got.rules) or 'none'}{missed}")
    wrong = sum(bool(sample.wrong) for sample in programs)
    first = f"{wrong} programs with {sum(marked.values())} marked lines, and {len(programs) - wrong} look-alikes."
    return "\n".join([first, "", *rows, "", "Rules that counted:", "", *notes])


def write_part(page: Path, begin: str, end: str, text: str) -> None:
    """Put a text between two marks of a page. Raises ValueError when they are not there."""
    whole = page.read_text(encoding="utf-8")
    before, found, rest = whole.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{page}: no {begin} … {end}")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def show(made: str, begin: str, end: str, *, write: bool) -> None:
    """Print what was made, or write it between two marks of the page."""
    if write:
        write_part(PAGE, begin, end, made)
        print(f"wrote {PAGE.relative_to(ROOT)}")
    else:
        print(made)


def main() -> int:
    """Print the table, or write it into the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers", type=Path, required=True, metavar="BIN", help="the bin folder of an environment that holds the tools")
    parser.add_argument("--semgrep", type=Path, metavar="BIN", help="another one, for semgrep")
    parser.add_argument("--semgrep-rules", type=Path, metavar="DIR", help="a checkout of semgrep's public rules, or a part of it")
    parser.add_argument("--most", type=int, default=4, metavar="N", help="programs of each rule (default: %(default)s)")
    parser.add_argument("--only", nargs="*", metavar="TOOL", help="tools whose names begin so")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    programs = samples(arguments.most)
    tools = [tool for tool in TOOLS if arguments.only is None or tool.name.startswith(tuple(arguments.only))]
    made = table(arguments.peers.absolute(), programs, tools)
    if arguments.semgrep_rules:
        extra = table((arguments.semgrep or arguments.peers).absolute(), programs, [semgrep(arguments.semgrep_rules.absolute())])
        row = next(line for line in extra.splitlines() if line.startswith("| semgrep"))
        note = [line for line in extra.splitlines() if line.startswith("- semgrep")]
        last = max(index for index, line in enumerate(made.splitlines()) if line.startswith("|"))
        lines = made.splitlines()
        made = "\n".join([*lines[: last + 1], row, *lines[last + 1 :], *note])
    show(made, BEGIN, END, write=arguments.write)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
