"""Imports run downward only, and a flake8 process never loads what costs time."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness
from harness import ROOT
from programs import LOOP

PACKAGE = "flake8_mongo_threads"

# Each group may import the groups before it, and its own modules where SIDEWAYS says so.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("edits",),
    ("findings",),
    ("source", "config"),
    ("options",),
    ("driver", "concurrency"),
    ("semantics",),
    ("rules",),
    ("engine",),
    ("cache",),
    ("guard",),
    ("plugin", "documentation", "documents"),
    ("notebooks", "selection"),
    ("report", "parallel"),
    ("check", "baseline"),
    ("fixes",),
    ("lsp",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
SLOW_ON_THE_PLUGIN_PATH = {"dataclasses", "hashlib", "difflib", "tomllib", "tomli", "libcst", "packaging", "rich", "graphlib", "symtable"}
PLUGIN_PATH = {name for names in LAYERS[:10] for name in names} | {"plugin"}


def modules() -> list[Path]:
    return sorted((ROOT / PACKAGE).rglob("*.py"))


def unit(dotted: str) -> str:
    """The part of the house that a module of ours belongs to; empty for the package itself."""
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else ""


def dotted_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module of ours that a module imports, at any depth, with its line."""
    units = set(LEVEL)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path}:{node.lineno}: relative import"
            if node.module == PACKAGE:
                names = [f"{PACKAGE}.{alias.name}" if alias.name in units else PACKAGE for alias in node.names]
            elif node.module == f"{PACKAGE}.rules":
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                names = [node.module]
        else:
            continue
        for name in names:
            if name.split(".")[0] == PACKAGE:
                yield name, node.lineno


def test_every_module_has_a_place() -> None:
    found = {unit(dotted_name(path)) for path in modules()} - {""}
    assert found <= set(LEVEL), f"not in the picture: {sorted(found - set(LEVEL))}"
    assert {"semantics", "rules", "engine", "plugin", "cli"} <= found


def test_arrows_point_down() -> None:
    checked = 0
    for path in modules():
        here = unit(dotted_name(path))
        if not here:
            continue
        for name, line in imports(path):
            there = unit(name)
            if not there or there == here:
                continue
            checked += 1
            assert LEVEL[there] < LEVEL[here], f"{path.relative_to(ROOT)}:{line}: {here} imports {name}"
    assert checked > 20


def test_no_rule_imports_a_rule() -> None:
    rules = sorted((ROOT / PACKAGE / "rules").glob("mdb*.py"))
    assert rules
    for path in rules:
        for name, line in imports(path):
            assert not name.startswith(f"{PACKAGE}.rules.mdb"), f"{path.name}:{line}: imports {name}"


def test_plugin_and_fixes_do_not_know_each_other() -> None:
    for path in modules():
        here = unit(dotted_name(path))
        forbidden = {"plugin": "fixes", "fixes": "plugin"}.get(here)
        if forbidden:
            assert forbidden not in {unit(name) for name, _ in imports(path)}, path


def test_libcst_is_imported_by_fixes_only() -> None:
    for path in modules():
        if unit(dotted_name(path)) == "fixes":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "") or ""]
            assert not any(name.split(".")[0] == "libcst" for name in names), path


def at_import_time(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported, without those under ``if TYPE_CHECKING``."""
    todo: list[ast.stmt] = list(tree.body)
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            todo.extend(node.orelse)
        elif isinstance(node, (ast.If, ast.Try, ast.With, ast.For, ast.While, ast.ClassDef)):
            todo.extend(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))


def test_plugin_path_imports_nothing_slow_at_module_level() -> None:
    checked = 0
    for path in modules():
        if unit(dotted_name(path)) not in PLUGIN_PATH:
            continue
        checked += 1
        for node in at_import_time(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {(node.module or "").split(".")[0]}
            else:
                continue
            assert not names & SLOW_ON_THE_PLUGIN_PATH, f"{path.relative_to(ROOT)}:{node.lineno}"
    assert checked > 10


@pytest.mark.parametrize("program", [LOOP, "print('no driver here')\n"])
def test_what_a_flake8_process_loads(tmp_path: Path, program: str) -> None:
    (tmp_path / "program.py").write_text(program)
    script = (
        "import sys\nfrom flake8.main.application import Application\nfrom flake8.main import cli\n"
        "import flake8.checker, flake8.style_guide, flake8.plugins.finder, flake8.formatting.default\n"
        "import mccabe, pycodestyle, pyflakes.checker\n"
        "before = set(sys.modules)\ncode = cli.main(['--isolated', '-j1', '--select=MDB', 'program.py'])\n"
        "print('code', code, file=sys.stderr)\nprint(*sorted(set(sys.modules) - before), file=sys.stderr)\n"
    )
    done = harness.run("-c", script, cwd=tmp_path)
    status, loaded = done.stderr.split("\n")[:2]
    assert status == f"code {int('MDB' in done.stdout)}", done.stderr
    assert ("MDB101" in done.stdout) == (program == LOOP)
    names = {name.split(".")[0] for name in loaded.split()}
    assert PACKAGE in names
    assert not names & SLOW_ON_THE_PLUGIN_PATH, names & SLOW_ON_THE_PLUGIN_PATH


@pytest.mark.slow
def test_import_of_the_plugin_is_within_budget() -> None:
    script = (
        "import time, flake8.main.application, flake8.options.manager\nstart = time.process_time()\n"
        "import flake8_mongo_threads.plugin\nprint(time.process_time() - start)"
    )
    assert min(float(harness.run("-c", script).stdout) for _ in range(10)) <= 0.015
