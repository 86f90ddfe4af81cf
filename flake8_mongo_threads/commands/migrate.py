"""``mongo-threads migrate motor``: move a program from Motor to PyMongo's own asynchronous client.

Exit codes: 0 nothing of Motor is left, 1 something was left as it is (or ``--diff`` would change something), 2 a usage error or a
file that could not be read or written.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TextIO

from flake8_mongo_threads import selection
from flake8_mongo_threads.commands.check import jobs_argument
from flake8_mongo_threads.commands.fix import unified_diff
from flake8_mongo_threads.driver.motor_to_pymongo import MINIMUM
from flake8_mongo_threads.driver.targets import Found, mentions_near
from flake8_mongo_threads.fixes.migration_groups import Left, Outcome, migrate
from flake8_mongo_threads.report import counted
from flake8_mongo_threads.selection import STDIN, Selection


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    sources = parser.add_subparsers(title="from", metavar="DRIVER", dest="what", required=True)
    summary = "from Motor to pymongo.AsyncMongoClient"
    parser = sources.add_parser("motor", help=summary, description=f"Move a program {summary}, with every call that changes.")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files and folders; give the whole program (default: this folder)")
    parser.add_argument("--diff", action="store_true", help="show what would change and write nothing")
    parser.add_argument("-j", "--jobs", type=jobs_argument, metavar="N", help="number of processes (default: as flake8 is configured)")
    parser.add_argument("--exit-zero", action="store_true", help="exit with 0 even if something of Motor is left")
    parser.add_argument("--exit-non-zero-on-fix", action="store_true", help="exit with 1 if anything was changed")
    selection.add_arguments(parser, files_only=True)


def run(arguments: argparse.Namespace) -> int:
    """Migrate, write, tell, and return the exit code. Raises SelectionError."""
    chosen = Selection(selection.arguments_for_flake8(arguments))
    if STDIN in arguments.paths:
        print("mongo-threads: a migration looks at whole programs: - cannot be one", file=sys.stderr)
        return 2
    jobs = chosen.jobs if arguments.jobs is None else arguments.jobs
    paths = chosen.paths(arguments.paths, with_documents=False)
    try:
        outcome = migrate(paths, chosen, jobs, arguments.diff)
    except BrokenProcessPool:
        print("mongo-threads: a worker process has died; nothing was changed", file=sys.stderr)
        return 2
    for path, problem in outcome.problems:
        print(f"{path}: error: {problem}", file=sys.stderr)
    if arguments.diff:
        for item in outcome.changed:
            sys.stdout.write(unified_diff(item.path, item.before, item.after))
    _tell(outcome, arguments.diff, sys.stderr if arguments.diff else sys.stdout)
    return _exit_code(outcome, arguments)


def _exit_code(outcome: Outcome, arguments: argparse.Namespace) -> int:
    if outcome.problems:
        return 2
    if arguments.exit_non_zero_on_fix and outcome.changed:
        return 1
    if arguments.exit_zero:
        return 0
    return int(bool(outcome.left or (arguments.diff and outcome.changed)))


def _tell(outcome: Outcome, diff: bool, out: TextIO) -> None:
    for item in outcome.left:
        for obstacle in item.obstacles:
            print(f"{item.path}:{obstacle.line}:{obstacle.col + 1}: not migrated: {obstacle.reason}", file=out)
        if not item.obstacles:
            print(f"{item.path}: not migrated: it shares objects of Motor with {_listed(item)}", file=out)
    for found in requirements(outcome.folders):
        place = f"{os.path.relpath(found.path)}:{found.mention.line}" if found.mention.line else os.path.relpath(found.path)
        print(f"{place}: motor{found.mention.specifier} becomes pymongo>={MINIMUM} once nothing of Motor is left (not edited)", file=out)
    print(_summary(outcome, diff), file=out)


def requirements(folders: Iterable[tuple[str, str]]) -> list[Found]:
    """Where the projects of some folders require Motor, each place once, in order."""
    found: dict[tuple[str, int], Found] = {}
    for folder, project in folders:
        for item in mentions_near(folder, project):
            if item.mention.name == "motor":
                found.setdefault((item.path, item.mention.line), item)
    return sorted(found.values(), key=lambda item: (item.path, item.mention.line))


def _listed(item: Left, most: int = 2) -> str:
    names = ", ".join(item.shared_with[:most])
    more = len(item.shared_with) - most
    return f"{names} and {more} more" if more > 0 else names


def _summary(outcome: Outcome, diff: bool) -> str:
    parts: list[str] = []
    if outcome.changed:
        number = sum(item.edits for item in outcome.changed)
        would = "would be " if diff else ""
        parts.append(f"{counted(number, 'edit')} {would}made in {counted(len(outcome.changed), 'file')}")
    if outcome.left:
        places = sum(len(item.obstacles) for item in outcome.left)
        parts.append(f"{counted(len(outcome.left), 'file')} left unchanged, for {counted(places, 'reason')}")
    if outcome.problems:
        parts.append(f"{counted(len(outcome.problems), 'file')} with errors")
    return "; ".join(parts) or "nothing to migrate"


__all__: Sequence[str] = ("add_arguments", "requirements", "run")
