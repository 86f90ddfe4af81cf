"""Programs with hard formatting before and after fixing, byte for byte; and what must hold for every program of the rules' fixtures."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

import harness
from flake8_mongo_threads.engine import check_text
from flake8_mongo_threads.findings import Applicability
from flake8_mongo_threads.fixes.apply import fix_text
from flake8_mongo_threads.fixes.files import FileResult, Wish, fix_bytes
from flake8_mongo_threads.rules import load
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.selection import Selection
from flake8_mongo_threads.source import decode
from harness import FIXTURES, ROOT

FIXES = FIXTURES / "fixes"
LEVELS = {
    "safe": Applicability.SAFE,
    "unsafe": Applicability.UNSAFE,
    "mixed": Applicability.UNSAFE,
    "refused": Applicability.UNSAFE,
}
CASES = sorted(FIXES.glob("*/*.before"))


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.fixture(scope="module")
def selection() -> Selection:
    return Selection(("--isolated",))


def fix(data: bytes, level: Applicability, selection: Selection) -> tuple[FileResult, bytes]:
    return fix_bytes("program.py", data, selection, Wish(level))


def told_of(result: FileResult, *, everything: bool) -> list[str]:
    """The findings that are left, or those whose fix was refused, with the reason."""
    reasons = dict(result.refused)
    left = [finding for finding in result.remaining if everything or finding in reasons]
    return [f"{finding.span.line} {finding.code} {reasons.get(finding, 'no fix')}" for finding in left]


def test_there_are_cases_of_every_sort() -> None:
    assert {path.parent.name for path in CASES} == set(LEVELS)
    contents = {path: path.read_bytes() for path in CASES}
    for sort in (b"\r\n", b"\t", b"\x0c", b"\\\n", b"\xef\xbb\xbf", b"coding: latin-1"):
        assert any(sort in data for data in contents.values()), sort


@pytest.mark.parametrize("path", [path for path in CASES if path.parent.name != "refused"], ids=name_of)
def test_before_and_after(path: Path, selection: Selection) -> None:
    before, wanted = path.read_bytes(), path.with_suffix(".after").read_bytes()
    level = LEVELS[path.parent.name]
    result, after = fix(before, level, selection)
    assert after == wanted
    assert result.applied
    reasons = path.with_suffix(".reasons")
    assert told_of(result, everything=False) == (reasons.read_text(encoding="utf-8").splitlines() if reasons.exists() else [])
    again, same = fix(after, level, selection)
    assert same == after
    assert not again.applied
    compile(after, str(path), "exec", dont_inherit=True)


@pytest.mark.parametrize("path", [path for path in CASES if path.parent.name == "refused"], ids=name_of)
def test_what_is_refused_stays_and_says_why(path: Path, selection: Selection) -> None:
    """``path.reasons`` lists line, code and reason (``no fix`` where the rule offers none) of every finding."""
    before = path.read_bytes()
    result, after = fix(before, Applicability.UNSAFE, selection)
    assert after == before
    assert told_of(result, everything=True) == path.with_suffix(".reasons").read_text(encoding="utf-8").splitlines()


def test_safe_fixes_leave_the_unsafe_programs_alone(selection: Selection) -> None:
    for path in CASES:
        if path.parent.name == "unsafe":
            before = path.read_bytes()
            assert fix(before, Applicability.SAFE, selection)[1] == before, path.name


# Every fixture of the rules


PROGRAMS = [path for path in harness.fixtures_of_rules() if not path.name.startswith("ok_")]
MARKER = re.compile(r"#\s*(?:expect|known-miss|known-false-alarm):.*")


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.relative_to(FIXTURES).as_posix())
def test_fixing_a_fixture_keeps_every_promise(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = path.read_text(encoding="utf-8")
    shown, config = str(path.relative_to(ROOT)), harness.config_of(text)
    before = check_text(shown, text, config)
    result = fix_text(shown, text, config, level=Applicability.UNSAFE)
    if not any(finding.fix for finding in before):
        assert result.text == text
        return
    compile(result.text, shown, "exec", dont_inherit=True)
    after = check_text(shown, result.text, config)
    assert len(after) == len(result.remaining)
    # a fix may remove the cause of another finding, too, or bring to light what the next one removes
    told, fixed = (Counter((finding.code, finding.message) for finding in findings) for findings in (before, result.applied))
    assert len(before) + (fixed - told).total() - len(result.applied) >= len(after)
    assert {finding.code for finding in after} <= {finding.code for finding in before}
    left = [finding for finding in after if finding.fix and finding.fix.applicability >= Applicability.UNSAFE]
    assert len(left) == len(result.refused)
    again = fix_text(shown, result.text, config, level=Applicability.UNSAFE)
    assert again.text == result.text
    # every comment that is no marker of the fixture is still there, as often as before
    assert comments(text) == comments(result.text)
    # what no finding speaks of is the same code
    assert definitions(text) <= definitions(result.text) | {"__del__"}


def comments(text: str) -> list[str]:
    lines = (MARKER.sub("", line) for line in text.splitlines())
    return sorted(line.partition("#")[2].strip() for line in lines if "#" in line and '"' not in line.partition("#")[2])


def definitions(text: str) -> set[str]:
    """The names of all functions and classes: fixing never removes or adds one, but for a finalizer."""
    return {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}


def test_encodings_of_the_cases_are_kept(selection: Selection) -> None:
    checked = 0
    for path in CASES:
        data = path.read_bytes()
        after = fix(data, LEVELS[path.parent.name], selection)[1]
        old, new = decode(data), decode(after)
        assert (old.encoding, data.startswith(b"\xef\xbb\xbf")) == (new.encoding, after.startswith(b"\xef\xbb\xbf"))
        assert (b"\r\n" in data, data.count(b"\n") == data.count(b"\r\n")) == (b"\r\n" in after, after.count(b"\n") == after.count(b"\r\n"))
        checked += 1
    assert checked == len(CASES)


# The examples of the rules


EXAMPLES = [(rule, number, example) for rule in load() for number, example in enumerate(rule.examples, 1) if example.bad]


@pytest.mark.parametrize(("rule", "number", "example"), EXAMPLES, ids=[f"{rule.code}-{number}" for rule, number, _ in EXAMPLES])
def test_the_fixed_example_is_what_the_fix_makes(rule: Rule, number: int, example: Example) -> None:
    text = re.sub(r"  " + MARKER.pattern, "", example.bad)
    config = harness.config_of(example.bad, rule.code)
    result = fix_text("example.py", text, config, level=Applicability.UNSAFE, fixable=lambda finding: finding.code == rule.code)
    assert result.text == (example.fixed or text)
