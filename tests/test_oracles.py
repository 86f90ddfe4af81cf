"""All seventy misuses are caught without the driver installed, in every form; the published row says so."""

import importlib.util
import re
from types import ModuleType

import pytest

from harness import ROOT, expectations


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_oracles", ROOT / "tools" / "bench_oracles.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def in_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("form", ["annotated", "plain script", "unannotated application"])
def test_all_are_caught(form: str) -> None:
    assert tool().ours(form) == (70, 70)


@pytest.mark.parametrize("form", ["annotated", "plain script", "unannotated application"])
def test_each_misuse_stands_once_in_each_form(form: str) -> None:
    names = [name for _, lines in tool().marked(form) for name in lines.values()]
    assert sorted(names) == [f"T{number:02}" for number in range(1, 71)]


def test_same_code_in_every_form() -> None:
    oracles = tool()
    codes: dict[str, set[str]] = {}
    for form in oracles.FORMS:
        for path, lines in oracles.marked(form):
            expected = expectations(path.read_text(encoding="utf-8")).expect
            for line, name in lines.items():
                codes.setdefault(name, set()).add(min(code for where, code in expected if where == line))
    assert {name: found for name, found in codes.items() if len(found) > 1} == {}


def test_published_row() -> None:
    oracles = tool()
    page = oracles.PAGE.read_text(encoding="utf-8")
    row = re.search(r"^\| flake8-mongo-threads \| not needed \| (.*) \|$", page, re.MULTILINE)
    assert row is not None
    assert row[1].split(" | ") == [str(oracles.ours(form)[1]) for form in oracles.FORMS]
    for form in oracles.FORMS:
        assert f"{form} ({oracles.ours(form)[0]})" in page


def test_reported_lines_are_read() -> None:
    oracles = tool()
    output = "a.py:3:1: error: no\nb.py:9:1: error: other\na.py:4:2: note: why\nERROR a.py:5:2-8: bad [x]\n"
    assert oracles._placed(output, "a.py") == {3, 5}
    report = '{"generalDiagnostics": [{"file": "/x/a.py", "severity": "error", "range": {"start": {"line": 1}}}]}'
    assert oracles._pyright(report, "a.py") == {2}
    assert oracles._pyright("not JSON", "a.py") == set()
