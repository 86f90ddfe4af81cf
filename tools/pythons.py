#!/usr/bin/env python3
"""Run the tests on every supported Python that is here, with the oldest and the newest flake8 and libcst: ``python3 dev.py pythons``.

Pythons are looked for on ``PATH`` and among pyenv's. Each combination gets a virtual environment of its own below ``.dev/pythons``, made
once for each content of ``pyproject.toml``; combinations run one after the other. What is not here is named, and is no failure, unless it
was asked for by name.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".dev" / "pythons"
SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14")
DEPENDENCIES = ("flake8", "libcst")


class Combination(NamedTuple):
    """A Python and what its environment holds beside the project."""

    version: str
    python: str
    pins: tuple[str, ...] = ()
    """Requirements that hold dependencies at a release; none for the newest."""

    @property
    def name(self) -> str:
        """What it is called in the report, and its folder."""
        return " ".join((self.version, *self.pins))

    @property
    def folder(self) -> Path:
        """Its virtual environment."""
        return HOME / re.sub(r"[^\w.]+", "-", self.name)

    @property
    def venv_python(self) -> Path:
        """The interpreter of its virtual environment."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def find(version: str) -> str | None:
    """The interpreter of a Python version, on PATH or among pyenv's; None when there is none that works."""
    candidates = [shutil.which(f"python{version}"), sys.executable]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    if pyenv.is_dir():
        candidates += sorted((str(place / "bin" / "python") for place in pyenv.glob(f"{version}.*")), reverse=True)
    for candidate in candidates:
        if candidate is None or not os.access(candidate, os.X_OK):
            continue
        told = subprocess.run(
            [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True, check=False
        )
        # A shim of pyenv is there for versions that are not selected, and fails.
        if told.stdout.strip() == version:
            return candidate
    return None


def oldest() -> tuple[str, ...]:
    """The lowest releases of the dependencies that ``pyproject.toml`` allows, as requirements."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pins = []
    for name in DEPENDENCIES:
        match = re.search(rf'"{name}>=([\d.]+)"', text)
        if match is None:
            raise SystemExit(f"pythons: pyproject.toml names no lowest release of {name}")
        pins.append(f"{name}=={match[1]}" + (".*" if match[1].count(".") < 2 else ""))
    return tuple(pins)


def combinations(wanted: Sequence[str]) -> tuple[list[Combination], list[str]]:
    """Every Python with the newest dependencies, the two ends with the oldest too; and the versions that are not here."""
    here, missing = [], []
    for version in wanted:
        python = find(version)
        if python is None:
            missing.append(version)
        else:
            here.append(Combination(version, python))
    ends = dict.fromkeys((here[0], here[-1])) if here else {}
    return here + [end._replace(pins=oldest()) for end in ends], missing


def prepare(combination: Combination) -> str:
    """Make its environment unless it is there. Returns the reason why it could not be made, one line; empty when it could."""
    stamp = combination.folder / "stamp"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return ""
    shutil.rmtree(combination.folder, ignore_errors=True)
    pip = (str(combination.venv_python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input")
    for command in (
        (combination.python, "-m", "venv", str(combination.folder)),
        (*pip, "--editable", ".[lsp,test]", *combination.pins),
    ):
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
        if done.returncode != 0:
            lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
            return next((line for line in lines if "ERROR" in line), (lines or ["no output"])[-1])
    stamp.write_text(wanted, encoding="utf-8")
    return ""


def run(combination: Combination, arguments: Sequence[str]) -> str:
    """Run the tests. Returns pytest's last line, with an exclamation mark before it when they did not pass."""
    command = (str(combination.venv_python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    if done.returncode != 0:
        for line in lines:
            if line.startswith(("FAILED", "ERROR", "E  ")):
                print(f"    {line[:200]}")
    return ("" if done.returncode == 0 else "! ") + (lines or ["no output"])[-1].strip("= ")


def main() -> int:
    """Run every combination. Returns 1 when one did not pass."""
    parser = argparse.ArgumentParser(prog="dev.py pythons", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="VERSION", help=f"these Pythons only, of {', '.join(SUPPORTED)}; each must be here")
    arguments, rest = parser.parse_known_args()
    wanted = arguments.only or SUPPORTED
    unknown = set(wanted) - set(SUPPORTED)
    if unknown:
        parser.error(f"not supported: {', '.join(sorted(unknown))}")
    chosen, missing = combinations(wanted)
    failed = [version for version in missing if arguments.only]
    for version in missing:
        print(f"{version:32} not here", flush=True)
    for combination in chosen:
        start = time.monotonic()
        told = prepare(combination)
        told = f"! {told}" if told else run(combination, rest)
        if told.startswith("!"):
            failed.append(combination.name)
        print(f"{combination.name:32} {told} ({time.monotonic() - start:.0f} s)", flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
