"""What must hold for every rule: codes, names, texts, pages, messages."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import harness
from flake8_mongo_threads import documentation
from flake8_mongo_threads.rules import load
from flake8_mongo_threads.rules.base import Rule
from harness import FIXTURES, ROOT

RULES = load()
RULE_FILES = sorted((ROOT / "flake8_mongo_threads" / "rules").glob("mdb*.py"))


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_codes_and_names_are_unique_and_in_order() -> None:
    codes = [rule.code for rule in RULES]
    assert codes
    assert codes == sorted(set(codes))
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_metadata(rule: Rule) -> None:
    # flake8 refuses longer codes in its configuration, and longer ends the whole run.
    assert re.fullmatch(r"MDB[0-9]{3}", rule.code)
    assert any(rule.code.startswith(prefix) for prefix in documentation.FAMILIES)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule.name)
    assert rule.summary.strip()
    assert "\n" not in rule.summary.strip()
    assert len(rule.summary) <= 200
    assert len(rule.why.split()) >= 10
    assert re.fullmatch(r"\d+\.\d+\.\d+", rule.since)
    if rule.code != "MDB000":
        assert any(example.bad for example in rule.examples)
        assert any(example.good for example in rule.examples)
        assert rule.checks, "no check is registered"
    if any(example.fixed for example in rule.examples):
        assert rule.fix is not None
    for program in (text for example in rule.examples for text in (example.bad, example.good, example.fixed)):
        compile(program, "example.py", "exec", dont_inherit=True)


def test_every_rule_file_is_loaded() -> None:
    assert RULE_FILES
    codes = {path.name[:6].upper() for path in RULE_FILES}
    assert len(codes) == len(RULE_FILES), "one rule a file"
    assert codes == {rule.code for rule in RULES}
    for path in RULE_FILES:
        rule = next(rule for rule in RULES if rule.code == path.name[:6].upper())
        assert path.stem == f"{rule.code.lower()}_{rule.name.replace('-', '_')}"


def test_nothing_of_the_scaffold_is_left() -> None:
    words = "FILL" + " IN"
    for path in [*RULE_FILES, *FIXTURES.rglob("*.py")]:
        assert words not in path.read_text(encoding="utf-8"), path


def test_scaffold_fails_until_it_is_filled_in() -> None:
    new_rule = tool("new_rule")
    files = new_rule.files("MDB199", "not-a-rule")
    assert [path.relative_to(ROOT).as_posix() for path in files] == [
        "flake8_mongo_threads/rules/mdb199_not_a_rule.py",
        "fixtures/MDB199/basic.py",
        "fixtures/MDB199/ok_basic.py",
    ]
    for path, text in files.items():
        compile(text, str(path), "exec", dont_inherit=True)
        assert "FILL" + " IN" in text
    namespace: dict[str, object] = {}
    exec(next(iter(files.values())), namespace)  # the names that it imports exist
    rule = namespace["RULE"]
    assert isinstance(rule, Rule)
    assert rule.checks
    example = rule.examples[0]
    assert harness.expectations(example.good).any is False


@pytest.mark.parametrize(
    ("code", "name", "reason"),
    [
        ("MDB1", "a-b", "not a code"),
        ("mdb110", "a-b", "not a code"),
        ("MDB110", "CamelCase", "kebab-case"),
        ("MDB101", "something-else", "taken"),
        ("MDB110", "client-in-loop", "taken"),
        ("MDB110", "client-of-no-use", ""),
    ],
)
def test_scaffold_refuses(code: str, name: str, reason: str) -> None:
    problem = tool("new_rule").problem(code, name)
    assert (reason in problem) if reason else problem == ""


def test_documents_are_up_to_date() -> None:
    gen_docs = tool("gen_docs")
    files = gen_docs.generated()
    assert len(files) == len(RULES) + 7
    assert [str(path.relative_to(ROOT)) for path in gen_docs.drift(files)] == []


def test_pages_show_programs_without_markers() -> None:
    for rule in RULES:
        page = documentation.page(rule)
        assert page.startswith(f"# {rule.code}: {rule.name}\n")
        assert not re.search(r"#\s*(expect|known-miss|known-false-alarm):", page)
        assert page.count("```") % 2 == 0


@pytest.mark.xdist_group("findings of every fixture")
def test_messages() -> None:
    checked = 0
    for path in harness.fixtures_of_rules():
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT)
        for finding in harness.run_engine_once(name, text, harness.config_of(text)):
            checked += 1
            where = f"{path.relative_to(FIXTURES)}:{finding.span.line} {finding.code} {finding.message!r}"
            assert finding.message == finding.message.strip(), where
            assert finding.message, where
            assert len(finding.message.splitlines()) == 1, where
            assert not finding.message.endswith("."), where
            assert not re.search(r"\{\w*\}|'None'|<[\w.]+ object at", finding.message), where
            assert not finding.message.startswith("MDB"), where
            assert finding.path == str(name), where
    assert checked, "no message was checked"


def test_changelog_knows_the_version() -> None:
    from flake8_mongo_threads import __version__

    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in changelog or f"## [{__version__}]" in changelog


def test_no_page_without_a_rule() -> None:
    pages = {path.stem for path in Path(ROOT / "docs" / "rules").glob("MDB*.md")}
    assert pages == {rule.code for rule in RULES}
