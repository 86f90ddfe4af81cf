#!/usr/bin/env python3
"""Check packages from the index: no failure, no file that takes too long, and what the rules that are on by default say.

``tools/survey.py``                        the packages of ``survey.txt``, each in its pinned release
``tools/survey.py NAME==VERSION …``        these releases; a name alone is the newest release
``tools/survey.py FILE.whl FOLDER …``      what is here already

A release is downloaded as a wheel by pip, without what it depends on, into a folder of its own that goes when it has been checked, so that
no more than one package is on the disk. Only its Python files are unpacked, and nothing of it is installed, imported or run. One line is
printed for each failure (MDB000, an exception), each file over ``--most`` times its parse in two measurements, and each finding of a rule
that is on by default; packages that cannot be had are named. With ``--log FILE`` what was found is kept there, a line a package, and
packages that the file has are not checked again: a long survey can be done in parts (``--seconds``).
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.ecosystem import Surveyed, survey  # noqa: E402

PACKAGES = ROOT / "tools" / "survey.txt"
_DOWNLOAD_SECONDS = 600
_LARGEST = 4_000_000
"""Bytes of a file that is still unpacked: what is larger is data in the shape of Python."""


class SurveyError(Exception):
    """A package cannot be had; the text is one line."""


class Package(NamedTuple):
    """What was seen of one package."""

    name: str
    files: int
    parsed: int
    lines: int
    drivers: int
    """How many files name a driver."""
    findings: tuple[str, ...]
    failures: tuple[str, ...]
    slow: tuple[str, ...]
    whole: float
    """Processor time of checking all its files by that of parsing them."""
    median: float

    def row(self) -> str:
        """The line of a log."""
        counts = (len(self.findings), len(self.failures), len(self.slow))
        return "\t".join(map(str, (self.name, self.files, self.parsed, self.lines, self.drivers, *counts, f"{self.whole:.2f}")))


HEADING = "package\tfiles\tparsed\tlines\tdriver files\tfindings\tfailures\tslow\tcheck by parse"


def names(path: Path = PACKAGES) -> list[str]:
    """The packages of a list, one a line, comments left out."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def unpack(archive: Path, folder: Path) -> None:
    """The Python files of a wheel or zip. Raises SurveyError when it is none."""
    try:
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                # A name of an archive is no path to be trusted; zipfile itself keeps what it extracts inside the folder.
                if member.filename.endswith(".py") and member.file_size <= _LARGEST:
                    packed.extract(member, folder)
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise SurveyError(f"{archive.name}: {' '.join(str(error).split())[:200]}") from None


def download(wanted: str, folder: Path) -> Path:
    """The wheel of a release. Raises SurveyError when there is none; a source archive would run code to be built."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", "--only-binary=:all:"]
    try:
        done = subprocess.run(
            [*command, "--dest", str(folder), wanted], capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise SurveyError(f"{wanted}: no end after {_DOWNLOAD_SECONDS} s") from None
    found = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not found:
        raise SurveyError(f"{wanted}: {' '.join(done.stderr.strip().splitlines()[-1:]) or 'no wheel'}")
    return found[0]


def name_of(wanted: str) -> str:
    """What a package is called in the log: a release by name and version, a folder by its path."""
    path = Path(wanted)
    if path.suffix == ".whl" and path.stem.count("-") > 1:
        name, version = path.stem.split("-")[:2]
        return f"{re.sub(r'[-_.]+', '-', name).lower()}=={version}"
    return wanted


def look_at(name: str, folder: Path, most: float) -> Package:
    """Check every Python file below a folder: with all rules for failures and time, and for findings with those that are on by default."""
    from flake8_mongo_threads.check import check_file
    from flake8_mongo_threads.selection import Selection

    files: list[Surveyed] = list(survey([str(folder)]))
    failures = [f"{item.path}: {item.failure}" for item in files if item.failure]
    over = [item.path for item in files if item.ratio > most]
    # A share of a file's time is the machine's: what is over the limit is measured again.
    slow = (
        [f"{item.path}: {item.ratio:.1f} × parse ({item.check * 1000:.0f} ms)" for item in survey(over) if item.ratio > most]
        if over
        else []
    )
    findings = []
    default = Selection(["--isolated"])
    for item in files:
        if item.findings:
            report = check_file(item.path, default)
            findings += [f"{item.path}:{finding.span.line}: {finding.code} {finding.message}" for finding in report.findings]
    lines = drivers = 0
    for item in files:
        data = Path(item.path).read_bytes()
        lines += data.count(b"\n")
        drivers += bool(re.search(rb"\b(?:pymongo|motor|gridfs|MongoClient)\b", data))
    parsed = [item for item in files if item.parse]
    whole = sum(item.check for item in parsed) / max(sum(item.parse for item in parsed), 0.001)
    median = statistics.median([item.ratio for item in parsed]) if parsed else 0.0

    def told(texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(text.replace(f"{folder}/", "") for text in texts)

    return Package(name, len(files), len(parsed), lines, drivers, told(findings), told(failures), told(slow), whole, median)


def packages(wanted: Sequence[str], most: float) -> Iterator[Package | SurveyError]:
    """What is seen of each package, or why it cannot be had."""
    from flake8_mongo_threads.semantics import modules

    for word in wanted:
        path = Path(word)
        if path.is_dir():
            yield look_at(name_of(word), path, most)
            continue
        with tempfile.TemporaryDirectory(prefix="survey-") as temporary:
            folder = Path(temporary) / "package"
            folder.mkdir()
            try:
                if path.suffix in (".whl", ".zip"):
                    archive = path
                else:
                    archive = download(word, Path(temporary))
                unpack(archive, folder)
            except SurveyError as error:
                yield error
                continue
            yield look_at(name_of(str(archive)), folder, most)
        modules.new_run()


def main() -> int:
    """Survey. Returns 1 when something failed or took too long; findings are there to be read."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=f"releases, wheels or folders (default: those of {PACKAGES.name})")
    parser.add_argument(
        "--most", type=float, default=10.0, metavar="RATIO", help="how many times its parse a check may take (default: %(default)g)"
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="keep the results here, and leave out what it has")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no package after this time")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    from flake8_mongo_threads.engine import check_text

    # What the first check loads is no cost of the file at which it happens.
    check_text("warm_up.py", "from pymongo import MongoClient\nfor _ in ():\n    MongoClient()\n")
    done: list[list[str]] = []
    if arguments.log and arguments.log.is_file():
        done = [line.split("\t") for line in arguments.log.read_text(encoding="utf-8").splitlines()[1:]]
    elif arguments.log:
        arguments.log.write_text(HEADING + "\n", encoding="utf-8")
    here = {row[0] for row in done}
    begun = time.monotonic()
    missing = left = 0
    for word in arguments.packages or names():
        if name_of(word) in here:
            continue
        if time.monotonic() - begun > arguments.seconds:
            left += 1
            continue
        for found in packages([word], arguments.most):
            if isinstance(found, SurveyError):
                missing += 1
                print(f"left out: {found}", flush=True)
                continue
            for line in (*found.failures, *found.slow, *found.findings):
                print(f"{found.name}: {line}", flush=True)
            done.append(found.row().split("\t"))
            if arguments.log:
                with arguments.log.open("a", encoding="utf-8") as log:
                    log.write(found.row() + "\n")
    files, parsed, lines, drivers, findings, failures, slow = (sum(int(row[column]) for row in done) for column in range(1, 8))
    print(f"{len(done)} packages, {files} files ({parsed} that parse), {lines} lines, {drivers} files that name a driver")
    print(f"{failures} failures, {slow} files over {arguments.most:g} times their parse, {findings} findings of default rules")
    if missing or left:
        print(f"{missing} packages cannot be had, {left} are left for the next run")
    return int(bool(failures or slow))


if __name__ == "__main__":
    raise SystemExit(main())
