#!/usr/bin/env python3
"""Run this linter on public projects: what two versions of it report differently, how often it is right, and whether it ever fails.

``tools/ecosystem.py fetch``                              bring the projects of ``ecosystem.tsv`` here, each at its pinned commit or release
``tools/ecosystem.py diff OLD NEW``                       findings and fixes of two versions of this project, as a diff
``tools/ecosystem.py precision``                          per rule: how many findings were judged, and how many of those are right
``tools/ecosystem.py survey PATH...``                     check every Python file below folders: no failure, none too slow

``OLD`` and ``NEW`` are checkouts of this project, or interpreters that have it installed. The projects are kept in a folder outside
version control (``--cache``); nothing of them is installed, imported or run, and nothing of them is part of this repository: the
verdicts in ``ecosystem_labels.tsv`` are ours, and name places only. A verdict holds for the pinned state of its project.
"""

import argparse
import ast
import difflib
import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

PROJECTS = ROOT / "tools" / "ecosystem.tsv"
LABELS = ROOT / "tools" / "ecosystem_labels.tsv"
CACHE = ROOT / ".dev" / "ecosystem"
VERDICTS = ("true", "false", "debatable")
_LIMIT = 1800
"""Seconds that one run over one project may take."""


class EcosystemError(Exception):
    """Something that was asked for cannot be had; the text is one line for the user."""


class Project(NamedTuple):
    """A row of ``ecosystem.tsv``: a git repository at a commit, or a release on the Python package index."""

    name: str
    source: str
    """``git`` or ``pypi``."""
    location: str
    """The address of the repository, or the name of the distribution."""
    version: str
    """The commit, or the release."""

    @property
    def folder(self) -> str:
        """The name of its folder in the cache: another version is another folder."""
        return f"{self.name}@{self.version[:12]}"


class Place(NamedTuple):
    """Where a finding stands."""

    project: str
    path: str
    line: int
    code: str


class Label(NamedTuple):
    """A judged finding: ``true``, ``false`` or ``debatable``, and why."""

    verdict: str
    why: str


def rows(path: Path) -> Iterator[list[str]]:
    """The rows of a tab-separated file with a heading. Raises EcosystemError for rows of another length."""
    lines = path.read_text(encoding="utf-8").splitlines()
    width = len(lines[0].split("\t"))
    for number, line in enumerate(lines[1:], 2):
        if not line or line.startswith("#"):
            continue
        row = line.split("\t")
        if len(row) != width:
            raise EcosystemError(f"{path.name}:{number}: {len(row)} columns instead of {width}")
        yield row


def read_projects(path: Path = PROJECTS) -> list[Project]:
    """The projects of a table."""
    projects = [Project(*row) for row in rows(path)]
    for project in projects:
        if project.source not in ("git", "pypi"):
            raise EcosystemError(f"{path.name}: {project.name}: unknown source {project.source!r}")
    return projects


def read_labels(path: Path = LABELS) -> dict[Place, Label]:
    """The verdicts of a table. Raises EcosystemError for unknown ones and for places that stand there twice."""
    labels: dict[Place, Label] = {}
    for project, name, line, code, verdict, why in rows(path):
        place = Place(project, name, int(line), code)
        if verdict not in VERDICTS:
            raise EcosystemError(f"{path.name}: {project}/{name}:{line}: {verdict!r} is none of {', '.join(VERDICTS)}")
        if place in labels:
            raise EcosystemError(f"{path.name}: {project}/{name}:{line} {code} stands there twice")
        labels[place] = Label(verdict, why)
    return labels


# ---------------------------------------------------------------------- getting the projects


def fetch(project: Project, cache: Path) -> Path:
    """Bring a project into the cache and return its folder; what is there already stays. Raises EcosystemError."""
    target = cache / project.folder
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    partial = cache / f".{project.folder}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        if project.source == "git":
            _clone(project, partial)
        else:
            _download(project, partial)
    except (OSError, subprocess.SubprocessError, tarfile.TarError, zipfile.BadZipFile) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise EcosystemError(f"{project.name}: {' '.join(str(error).split())[:300]}") from None
    partial.rename(target)
    return target


def _clone(project: Project, folder: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, timeout=_LIMIT)

    git("init", "--quiet")
    # One commit and nothing of its history; hooks and filters of the user are left alone.
    git("fetch", "--quiet", "--depth=1", project.location, project.version)
    git("-c", "core.hooksPath=/dev/null", "checkout", "--quiet", "FETCH_HEAD")
    shutil.rmtree(folder / ".git")


def _download(project: Project, folder: Path) -> None:
    """Unpack a distribution. Building one would run its code, so a wheel is preferred to a source archive."""
    packed = folder / ".packed"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", "--dest", str(packed)]
    wanted = f"{project.location}=={project.version}"
    done = subprocess.run([*command, "--only-binary=:all:", wanted], capture_output=True, text=True, timeout=_LIMIT, check=False)
    if done.returncode != 0:
        raise EcosystemError(f"{project.name}: no wheel of {wanted}: {done.stderr.strip().splitlines()[-1:]}")
    for archive in packed.iterdir():
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder)
    shutil.rmtree(packed)


# ---------------------------------------------------------------------- running a version of the linter


class Version:
    """One version of this project: a checkout, or an interpreter that has it installed."""

    def __init__(self, place: str) -> None:
        path = Path(place).absolute()
        self.python, self.checkout = sys.executable, ""
        if path.is_dir() and (path / "flake8_mongo_threads").is_dir():
            self.checkout = str(path)
        elif path.is_file() and os.access(path, os.X_OK):
            self.python = str(path)
        else:
            raise EcosystemError(f"{place}: neither a checkout of this project nor an interpreter")

    def run(self, folder: Path, *arguments: str) -> str:
        """What ``mongo-threads`` prints in a folder. Raises EcosystemError when it fails."""
        environment = {**os.environ, "PYTHONUTF8": "1", "NO_COLOR": "1"}
        if self.checkout:
            environment["PYTHONPATH"] = self.checkout
        command = [self.python, "-m", "flake8_mongo_threads", *arguments]
        try:
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_LIMIT, check=False)
        except subprocess.TimeoutExpired:
            raise EcosystemError(f"{folder.name}: no end after {_LIMIT} s") from None
        if "Traceback" in done.stderr or done.returncode not in (0, 1, 2):
            raise EcosystemError(f"{folder.name}: {' '.join(done.stderr.splitlines()[-1:]) or done.returncode}")
        return done.stdout

    def findings(self, folder: Path, jobs: int) -> list[dict[str, object]]:
        """The findings of the rules that are on by default, in the Python files of a folder."""
        found: list[dict[str, object]] = json.loads(
            self.run(folder, "check", "--isolated", "--no-documents", f"-j{jobs}", "--output-format=json", ".")
        )
        return found

    def fixes(self, folder: Path, jobs: int) -> str:
        """What all fixes, unsafe ones included, would change, as one unified diff."""
        return self.run(folder, "fix", "--isolated", "--no-documents", "--diff", "--unsafe-fixes", f"-j{jobs}", ".")


def told(finding: dict[str, object]) -> str:
    """A finding as one line."""
    return f"{finding['path']}:{finding['line']}:{finding['column']}: {finding['code']} {finding['message']}"


def compare(old: Version, new: Version, project: Project, folder: Path, jobs: int) -> list[str]:
    """The lines in which two versions differ about a project: findings, then fixes; empty when they agree."""
    out: list[str] = []
    before, after = (sorted(map(told, version.findings(folder, jobs))) for version in (old, new))
    out += difflib.unified_diff(before, after, f"{project.name}: findings, old", f"{project.name}: findings, new", n=0, lineterm="")
    before, after = (version.fixes(folder, jobs).splitlines() for version in (old, new))
    out += difflib.unified_diff(before, after, f"{project.name}: fixes, old", f"{project.name}: fixes, new", lineterm="")
    return out


# ---------------------------------------------------------------------- precision


class Precision(NamedTuple):
    """What the verdicts say about one rule."""

    code: str
    reported: int
    true: int
    false: int
    debatable: int

    @property
    def judged(self) -> int:
        """How many of the findings have a verdict."""
        return self.true + self.false + self.debatable

    @property
    def precision(self) -> float | None:
        """The share of right ones among those that are right or wrong; None when there are none."""
        return self.true / (self.true + self.false) if self.true + self.false else None


def precision(found: Iterable[Place], labels: dict[Place, Label]) -> list[Precision]:
    """One row for each rule, in the order of the codes."""
    reported: Counter[str] = Counter()
    verdicts: Counter[tuple[str, str]] = Counter()
    for place in set(found):
        reported[place.code] += 1
        if place in labels:
            verdicts[place.code, labels[place].verdict] += 1
    return [Precision(code, count, *(verdicts[code, verdict] for verdict in VERDICTS)) for code, count in sorted(reported.items())]


def table(lines: Sequence[Precision]) -> str:
    """The rows as a Markdown table with a sum."""
    total = Precision("all", *(sum(column) for column in list(zip(*lines, strict=True))[1:])) if lines else Precision("all", 0, 0, 0, 0)
    out = ["| rule | reported | judged | true | debatable | false | precision |", "|---|---:|---:|---:|---:|---:|---:|"]
    for row in (*lines, total):
        share = "–" if row.precision is None else f"{row.precision:.1%}"
        out.append(f"| {row.code} | {row.reported} | {row.judged} | {row.true} | {row.debatable} | {row.false} | {share} |")
    return "\n".join(out)


# ---------------------------------------------------------------------- survey


class Surveyed(NamedTuple):
    """One file: seconds of processor time to parse and to check it (the whole command's way, from bytes to findings)."""

    path: str
    parse: float
    check: float
    failure: str
    findings: tuple[str, ...] = ()
    """The codes of what is found."""

    @property
    def ratio(self) -> float:
        """How many times its parse the check takes; files that parse in less than a millisecond count as one that takes one."""
        return self.check / max(self.parse, 0.001)


def survey(paths: Iterable[str]) -> Iterator[Surveyed]:
    """Check every Python file below some paths, all rules on. A failure of the linter is told, not raised."""
    from flake8_mongo_threads.check import check_file
    from flake8_mongo_threads.selection import Selection
    from flake8_mongo_threads.source import DecodeError, decode

    selection = Selection(["--isolated", "--select=MDB,MDB0,MDB1,MDB2,MDB3,MDB4,MDB5,MDB6,MDB7"])
    for number, path in enumerate(selection.paths(list(paths), with_documents=False)):
        # Collecting the garbage of many files is no cost of the one at which it happens.
        if number % 100 == 0:
            gc.collect()
        gc.disable()
        try:
            text = decode(Path(path).read_bytes()).text
            start = time.process_time()
            ast.parse(text)
        except (OSError, DecodeError, SyntaxError, ValueError, RecursionError, MemoryError):
            text = ""
        parse = time.process_time() - start if text else 0.0
        failure = ""
        codes: tuple[str, ...] = ()
        start = time.process_time()
        try:
            report = check_file(path, selection)
            codes = tuple(finding.code for finding in report.findings)
            failure = next((finding.message for finding in report.findings if finding.code == "MDB000"), "")
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
        taken = time.process_time() - start
        gc.enable()
        yield Surveyed(path, parse, taken if text else 0.0, failure, codes)


# ---------------------------------------------------------------------- commands


def _chosen(arguments: argparse.Namespace) -> list[Project]:
    projects = read_projects()
    unknown = set(arguments.only).difference(project.name for project in projects)
    if unknown:
        raise EcosystemError(f"not in {PROJECTS.name}: {', '.join(sorted(unknown))}")
    return [project for project in projects if not arguments.only or project.name in arguments.only]


def _available(arguments: argparse.Namespace) -> Iterator[tuple[Project, Path]]:
    """The chosen projects that are here or can be fetched; of others one line is printed."""
    for project in _chosen(arguments):
        try:
            yield project, fetch(project, arguments.cache)
        except EcosystemError as error:
            print(f"ecosystem: left out: {error}", file=sys.stderr)


def run_fetch(arguments: argparse.Namespace) -> int:
    """Fetch. Returns 1 when something could not be had."""
    here = [project.name for project, _ in _available(arguments)]
    print(f"{len(here)} of {len(_chosen(arguments))} projects in {arguments.cache}")
    return int(len(here) < len(_chosen(arguments)))


def run_diff(arguments: argparse.Namespace) -> int:
    """Compare. Returns 1 when there is a difference."""
    old, new = Version(arguments.old), Version(arguments.new)
    different = looked_at = 0
    for project, folder in _available(arguments):
        lines = compare(old, new, project, folder, arguments.jobs)
        looked_at += 1
        different += bool(lines)
        for line in lines:
            print(line)
    print(f"{different} of {looked_at} projects differ", file=sys.stderr)
    return int(different > 0)


def run_precision(arguments: argparse.Namespace) -> int:
    """Print the table, and with ``--unjudged`` what has no verdict. Returns 1 when a finding that was judged false is reported."""
    labels, here = read_labels(), Version(str(ROOT))
    found: dict[Place, str] = {}
    projects = set()
    for project, folder in _available(arguments):
        projects.add(project.name)
        for finding in here.findings(folder, arguments.jobs):
            place = Place(project.name, str(finding["path"]), int(str(finding["line"])), str(finding["code"]))
            found[place] = str(finding["message"])
    lines = precision(found, labels)
    print(table(lines))
    gone = [place for place in labels if place.project in projects and place not in found and labels[place].verdict == "true"]
    print(f"\n{len(projects)} projects; {len(gone)} findings that were judged true are not reported (any more)")
    if arguments.unjudged:
        for place in [*sorted(set(found) - set(labels))]:
            print("\t".join((place.project, place.path, str(place.line), place.code, "?", found[place])))
        for place in gone:
            print("gone\t" + "\t".join(map(str, place)))
    return int(any(row.false for row in lines))


def run_survey(arguments: argparse.Namespace) -> int:
    """Survey. Returns 1 for a failure or a file over the ratio."""
    warnings.simplefilter("ignore")
    from flake8_mongo_threads.engine import check_text

    check_text("warm_up.py", "from pymongo import MongoClient\nfor _ in ():\n    MongoClient()\n")
    files = list(survey(arguments.paths))
    failed = [item for item in files if item.failure]
    parsed = [item for item in files if item.parse]
    for item in failed:
        print(f"{item.path}: {item.failure}")
    for item in sorted(parsed, key=lambda item: -item.ratio)[: arguments.slowest]:
        print(f"{item.ratio:6.2f} × parse  {item.check * 1000:8.1f} ms  {item.path}")
    slow = [item for item in parsed if item.ratio > arguments.most]
    if parsed:
        whole = sum(item.check for item in parsed) / sum(item.parse for item in parsed)
        median = statistics.median(item.ratio for item in parsed)
        print(f"{len(files)} files, {len(parsed)} of them Python that parses; check / parse: whole {whole:.2f}, median {median:.2f}")
    print(f"{len(failed)} failures, {len(slow)} files over {arguments.most:g} times their parse")
    return int(bool(failed or slow))


def main() -> int:
    """Run a command. Returns its exit code; 2 for one that cannot be carried out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, run in (("fetch", run_fetch), ("diff", run_diff), ("precision", run_precision)):
        sub = commands.add_parser(name, help=(run.__doc__ or "").split(". ")[0])
        sub.add_argument("--cache", type=Path, default=CACHE, help="where the projects are kept (default: %(default)s)")
        sub.add_argument("--only", nargs="*", default=[], metavar="NAME", help="these projects only")
        sub.add_argument("-j", "--jobs", type=int, default=1, help="processes (default: %(default)s)")
        sub.set_defaults(run=run)
        if name == "diff":
            sub.add_argument("old", help="a checkout, or an interpreter")
            sub.add_argument("new", help="a checkout, or an interpreter")
        if name == "precision":
            sub.add_argument(
                "--unjudged", action="store_true", help="list the findings without a verdict, and the right ones that are gone"
            )
    sub = commands.add_parser("survey", help="check every Python file below folders")
    sub.add_argument("paths", nargs="+")
    sub.add_argument(
        "--most", type=float, default=10.0, metavar="RATIO", help="how many times its parse a check may take (default: %(default)g)"
    )
    sub.add_argument("--slowest", type=int, default=10, metavar="N", help="how many of the slowest to show (default: %(default)s)")
    sub.set_defaults(run=run_survey)
    arguments = parser.parse_args()
    try:
        return int(arguments.run(arguments))
    except EcosystemError as error:
        print(f"ecosystem: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
