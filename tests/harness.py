"""What tests share: the expectations written in a program, and runs of the engine and of real commands."""

import functools
import io
import os
import re
import subprocess
import sys
import tokenize
from pathlib import Path
from typing import NamedTuple

from flake8_mongo_threads.config import Config, parse
from flake8_mongo_threads.engine import check_text
from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules import load

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "fixtures"
CODES = frozenset(rule.code for rule in load())

_MARKER = re.compile(r"#\s*(expect|known-miss|known-false-alarm):\s*(MDB\d{3}(?:\s*,\s*MDB\d{3})*)")
_LOOKS_LIKE_MARKER = re.compile(r"#\s*(?:expect|known)\S*\s.*MDB|#\s*(?:expect|known)[^\s:]*:", re.IGNORECASE)
_OPTIONS = re.compile(r"#\s*options:\s*(.*)")
_OPTION_NAMES = ("select", "pymongo", "motor")

Places = set[tuple[int, str]]


class Expectations(NamedTuple):
    """What the comments of a program say, as (line, code)."""

    expect: Places
    known_miss: Places
    known_false_alarm: Places

    @property
    def reported(self) -> Places:
        return self.expect | self.known_false_alarm

    @property
    def any(self) -> bool:
        return bool(self.expect or self.known_miss or self.known_false_alarm)


def planned(code: str) -> bool:
    """A code that has fixtures but no rule (yet)."""
    return code not in CODES and (FIXTURES / code).is_dir()


def expectations(text: str) -> Expectations:
    """Read the comments of a program. A comment that only looks like one fails: it would expect nothing."""
    found: dict[str, Places] = {"expect": set(), "known-miss": set(), "known-false-alarm": set()}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        markers = list(_MARKER.finditer(token.string))
        left = _MARKER.sub("", token.string)
        assert not _LOOKS_LIKE_MARKER.search(left), f"line {token.start[0]}: not a marker: {token.string}"
        for marker in markers:
            for code in re.split(r"\s*,\s*", marker.group(2)):
                if planned(code):
                    continue
                assert code in CODES, f"line {token.start[0]}: no rule has the code {code}"
                found[marker.group(1)].add((token.start[0], code))
    return Expectations(found["expect"], found["known-miss"], found["known-false-alarm"])


def options(text: str) -> dict[str, str]:
    """The options in the first line of a program."""
    match = _OPTIONS.match(text.partition("\n")[0])
    if not match:
        return {}
    pairs = [part.partition("=") for part in match.group(1).split(";") if part.strip()]
    given = {name.strip(): value.strip() for name, _, value in pairs}
    unknown = set(given).difference(_OPTION_NAMES)
    assert not unknown, f"unknown options: {unknown}"
    return given


def config_of(text: str, *select: str) -> Config:
    """The Config that the first line of a program asks for, with more selections."""
    given = options(text)
    selected = [code.strip() for code in given.get("select", "").split(",") if code.strip()]
    return parse(selections=([*selected, *select],), pymongo=given.get("pymongo", ""), motor=given.get("motor", ""))


def arguments_of(text: str) -> list[str]:
    """The same as arguments for flake8 and for ``mongo-threads check``."""
    given = options(text)
    names = {"select": "--extend-select", "pymongo": "--mongo-threads-pymongo", "motor": "--mongo-threads-motor"}
    return [f"{names[name]}={value}" for name, value in given.items()]


def places(findings: list[Finding]) -> Places:
    return {(finding.span.line, finding.code) for finding in findings}


def run_engine(path: Path | str, text: str, config: Config) -> list[Finding]:
    findings = check_text(str(path), text, config)
    failures = [finding.message for finding in findings if finding.code == "MDB000"]
    assert not failures, failures
    return findings


@functools.lru_cache(maxsize=4096)
def run_engine_once(path: Path, text: str, config: Config) -> tuple[Finding, ...]:
    """What the engine gives, kept for the next test that looks at the same program."""
    return tuple(run_engine(path, text, config))


def difference(got: Places, wanted: Expectations, offset: int = 0) -> list[str]:
    """What is reported and should not be, and the other way round, one line each; empty when all is as expected."""
    moved = {(line - offset, code) for line, code in got}
    problems = [
        f"line {line}: {code} is found now: the marker known-miss becomes expect" for line, code in sorted(moved & wanted.known_miss)
    ]
    problems += [
        f"line {line}: {code} is silent now: the marker known-false-alarm goes" for line, code in sorted(wanted.known_false_alarm - moved)
    ]
    problems += [f"line {line}: {code} is missing" for line, code in sorted(wanted.expect - moved)]
    return problems + [f"line {line}: {code} is not expected" for line, code in sorted(moved - wanted.reported - wanted.known_miss)]


def fixtures_of_rules() -> list[Path]:
    """The fixtures of rules that exist."""
    return sorted(path for code in CODES for path in (FIXTURES / code).rglob("*.py"))


def run(*command: str, cwd: Path | None = None, stdin: str | bytes = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a Python command in a process of its own; no colours, no configuration of the user's home."""
    env = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "PYTHONWARNINGS")}
    env.update({"PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1", **environment})
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run([sys.executable, *command], cwd=cwd, input=data, capture_output=True, env=env, timeout=120)
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode().replace("\r\n", "\n"), done.stderr.decode().replace("\r\n", "\n")
    )


def flake8(*arguments: str, cwd: Path, stdin: str | bytes = "", isolated: bool = True) -> "subprocess.CompletedProcess[str]":
    return run("-m", "flake8", *(["--isolated"] if isolated else []), *arguments, cwd=cwd, stdin=stdin)


def mongo_threads(*arguments: str, cwd: Path, stdin: str | bytes = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    return run("-m", "flake8_mongo_threads", *arguments, cwd=cwd, stdin=stdin, **environment)
