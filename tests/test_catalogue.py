"""The catalogue as a whole: one cause gives one finding, every rule has its programs and its page, look-alikes stay silent."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest

import harness
from flake8_mongo_threads import documentation
from flake8_mongo_threads.config import parse
from flake8_mongo_threads.findings import Applicability, Finding
from flake8_mongo_threads.rules import PRECEDENCE, load
from flake8_mongo_threads.rules.base import Rule
from harness import FIXTURES, ROOT

pytestmark = pytest.mark.xdist_group("findings of every fixture with every rule")

RULES = [rule for rule in load() if rule.code != "MDB000"]
PROGRAMS = [*harness.fixtures_of_rules(), *sorted((FIXTURES / "projects").rglob("*.py")), *sorted((FIXTURES / "demo").rglob("*.py"))]
LOOKALIKES = sorted((FIXTURES / "lookalikes").rglob("*.py"))
EVERYTHING = tuple(rule.code for rule in load())

MEETING = frozenset(
    (
        ("MDB001", "MDB002"),  # two names on one line, or in one import
        ("MDB001", "MDB006"),
        ("MDB002", "MDB006"),
        ("MDB002", "MDB702"),  # ``save`` of a document that was read
        ("MDB004", "MDB005"),  # an unknown option and a refused value in one call
        ("MDB103", "MDB501"),  # a client built for one operation, which blocks the loop
        ("MDB107", "MDB202"),  # tasks that share a session which also ends too early
        ("MDB107", "MDB305"),  # work that the client does not wait for, and whose errors nobody reads
        ("MDB206", "MDB501"),  # a foreign session given to an operation that blocks the loop
        ("MDB303", "MDB305"),  # one document in every job, and the errors of it thrown away
        ("MDB502", "MDB703"),  # an insert that is not awaited, after a check
        ("MDB703", "MDB704"),
    )
)
"""Pairs of codes that may meet on one line, in the order of the catalogue: two defects with two causes."""

MIN_POSITIVE = 3
MIN_NEGATIVE = 5


def name_of(path: Path) -> str:
    return path.relative_to(FIXTURES).as_posix()


@pytest.fixture(scope="module")
def findings() -> dict[Path, list[Finding]]:
    """The findings of every fixture, with every rule switched on."""
    found: dict[Path, list[Finding]] = {}
    for path in PROGRAMS:
        text = path.read_text(encoding="utf-8")
        found[path] = harness.run_engine(path, text, harness.config_of(text, *EVERYTHING))
    return found


def pairs_of(found: list[Finding]) -> set[tuple[int, str, str]]:
    """The pairs of different codes on one line."""
    lines: dict[int, set[str]] = defaultdict(set)
    for finding in found:
        lines[finding.span.line].add(finding.code)
    return {(line, first, second) for line, codes in lines.items() for first in codes for second in codes if first < second}


def test_one_cause_one_finding(findings: dict[Path, list[Finding]]) -> None:
    met = {
        (first, second): f"{name_of(path)}:{line} {first} and {second}"
        for path, found in findings.items()
        for line, first, second in pairs_of(found)
    }
    assert [text for pair, text in sorted(met.items()) if pair not in MEETING] == []
    assert sorted(MEETING - met.keys()) == [], "a pair that no fixture shows"


def test_no_rule_says_the_same_twice(findings: dict[Path, list[Finding]]) -> None:
    twice = [
        f"{name_of(path)}:{span.line} {code}"
        for path, found in findings.items()
        for (code, span), count in Counter((f.code, f.span) for f in found).items()
        if count > 1
    ]
    assert twice == []


def test_precedence_names_rules() -> None:
    assert len(set(PRECEDENCE)) == len(PRECEDENCE)
    assert set(PRECEDENCE) <= set(EVERYTHING)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_programs_of_a_rule(rule: Rule) -> None:
    paths = sorted((FIXTURES / rule.code).glob("*.py"))
    silent = [path for path in paths if path.name.startswith("ok_")]
    shown = [
        path
        for path in paths
        if path not in silent and any(code == rule.code for _, code in harness.expectations(path.read_text(encoding="utf-8")).expect)
    ]
    assert len(shown) >= MIN_POSITIVE, "too few programs with a finding of the rule"
    assert len(silent) >= MIN_NEGATIVE, "too few look-alikes"
    texts = {path.read_text(encoding="utf-8") for path in paths}
    assert len(texts) == len(paths), "two programs are the same"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_page_of_a_rule(rule: Rule) -> None:
    page = (ROOT / "docs" / "rules" / documentation.page_name(rule.code)).read_text(encoding="utf-8")
    headings = [line.partition(":")[0] for line in page.splitlines() if line.startswith("## ")]
    wanted = ["## Why", "## Example", "## When it stays silent", "## Fix", "## Silencing it", "## References"]
    found = [heading for heading in wanted if any(h == heading or h.startswith(heading + " ") for h in headings)]
    assert found == wanted
    assert "\nReported:\n" in page
    assert "\nNot reported:\n" in page
    assert documentation.names_as_code(documentation.sentence(rule.summary)) in page
    # the releases that the rule speaks for are said, in words or numbers
    assert any(word in rule.why for word in ("every release", "no release", "in every 4.x", "Which releases")) or any(
        character.isdigit() and rule.why[place + 1 : place + 2] == "." for place, character in enumerate(rule.why)
    )
    assert rule.references
    if any(example.fixed for example in rule.examples):
        assert "What the fix makes of it:" in page
        assert rule.fix in (Applicability.SAFE, Applicability.UNSAFE)


def test_there_are_lookalikes() -> None:
    assert len(LOOKALIKES) >= 30


@pytest.mark.parametrize("path", LOOKALIKES, ids=name_of)
def test_lookalike_is_silent_for_every_rule(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = path.read_text(encoding="utf-8")
    compile(text, str(path), "exec", dont_inherit=True)
    assert not harness.expectations(text).any
    found = harness.run_engine(path.relative_to(ROOT), text, parse(selections=(EVERYTHING,)))
    assert [f"{finding.span.line}: {finding.code} {finding.message}" for finding in found] == []
