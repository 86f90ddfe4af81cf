"""Annotated programs: exactly the lines that say so are reported."""

from pathlib import Path

import pytest

import harness
from harness import CODES, FIXTURES, ROOT

CASES = harness.fixtures_of_rules()
PROJECTS = sorted((FIXTURES / "projects").rglob("*.py")) + sorted((FIXTURES / "demo").rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(FIXTURES).as_posix()


def check(path: Path) -> harness.Expectations:
    text = path.read_text(encoding="utf-8")
    compile(text, str(path), "exec", dont_inherit=True)
    wanted = harness.expectations(text)
    got = harness.run_engine(path.relative_to(ROOT), text, harness.config_of(text))
    problems = harness.difference(harness.places(got), wanted)
    assert not problems, "\n".join([name_of(path), *problems, *(f"{f.span.line}: {f.code} {f.message}" for f in got)])
    return wanted


@pytest.fixture(autouse=True)
def in_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("path", CASES, ids=name_of)
def test_fixture(path: Path) -> None:
    wanted = check(path)
    if path.name == "__init__.py" or len(path.relative_to(FIXTURES).parts) > 2:
        return  # part of a small project
    folder = path.relative_to(FIXTURES).parts[0]
    own = {place for place in wanted.expect if place[1] == folder} if folder in CODES else wanted.expect
    shown = bool(own or wanted.known_miss or wanted.known_false_alarm)
    assert shown != path.name.startswith("ok_"), "a fixture expects something of its rule, or is named ok_…"


@pytest.mark.parametrize("path", PROJECTS, ids=name_of)
def test_project(path: Path) -> None:
    check(path)


def test_every_rule_has_fixtures() -> None:
    folders = {path.relative_to(FIXTURES).parts[0] for path in CASES}
    silent = {path.relative_to(FIXTURES).parts[0] for path in CASES if path.name.startswith("ok_")}
    reported = {
        code for path in [*CASES, *PROJECTS] for _, code in harness.expectations(path.read_text(encoding="utf-8")).expect if code in CODES
    }
    rules = CODES - {"MDB000"}
    assert rules, "no rule was found"
    assert folders >= rules, f"no fixture: {sorted(rules - folders)}"
    assert silent >= rules, f"no look-alike (ok_…): {sorted(rules - silent)}"
    assert reported >= rules, f"no fixture expects: {sorted(rules - reported)}"


def test_demo_has_what_it_shows() -> None:
    shown = {
        (path.name, code)
        for path in PROJECTS
        if path.is_relative_to(FIXTURES / "demo")
        for _, code in harness.expectations(path.read_text(encoding="utf-8")).expect
    }
    assert shown >= {
        ("thread_per_client.py", "MDB102"),
        ("thread_pool.py", "MDB001"),
        ("app.py", "MDB103"),
        ("app.py", "MDB501"),
        ("tasks.py", "MDB103"),
        ("importer.py", "MDB101"),
        ("importer.py", "MDB201"),
    }
