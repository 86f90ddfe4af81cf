"""Every row of the tables of what runs code where is shown at work, and so is what only looks like it.

The tables are data, and so is this test: a row without a program in ``fixtures/`` that shows it fails here.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import harness
from flake8_mongo_threads.concurrency import frameworks, names, spawners
from flake8_mongo_threads.config import Config, parse
from flake8_mongo_threads.engine import build, check_text
from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.semantics import contexts, spawns
from flake8_mongo_threads.semantics.explanation import place_of
from flake8_mongo_threads.semantics.inference import calls, decorated, instances
from flake8_mongo_threads.source import Source
from harness import FIXTURES, ROOT

SHOWN = sorted(path for folder in ("contexts", "kinds") for path in (FIXTURES / folder).rglob("*.py"))
PROGRAMS = [path for path in SHOWN if path.is_relative_to(FIXTURES / "contexts")]

Row = tuple[str, str]


class Fired(NamedTuple):
    """A row that was used for a place of a program."""

    row: Row
    path: str
    lines: frozenset[int]


def findings_of(path: Path) -> list[Finding]:
    text = path.read_text(encoding="utf-8")
    return harness.run_engine(path.relative_to(ROOT), text, harness.config_of(text))


@pytest.fixture(autouse=True)
def in_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.relative_to(FIXTURES).as_posix())
def test_program(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    compile(text, str(path), "exec", dont_inherit=True)
    wanted = harness.expectations(text)
    problems = harness.difference(harness.places(findings_of(path)), wanted)
    assert not problems, "\n".join(problems)
    if len(path.relative_to(FIXTURES).parts) == 2:
        assert bool(wanted.expect) != path.name.startswith("ok_") or _shows_a_start(text), "a program expects something, or is named ok_…"


def _shows_a_start(text: str) -> bool:
    return "start-up code" in text.partition("\n")[0]


# ---------------------------------------------------------------------- rows that lead to findings


class Recorder:
    """Gives every row a copy of its own, so that its use can be told from that of an equal row."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: dict[int, Row] = {}
        self.fired: list[Fired] = []
        self.path = ""
        for path, handler in list(frameworks.DECORATORS.items()):
            monkeypatch.setitem(frameworks.DECORATORS, path, self.own(("decorator", path), handler))
        for path, (index, keyword, handler) in list(frameworks.REGISTRARS.items()):
            monkeypatch.setitem(frameworks.REGISTRARS, path, (index, keyword, self.own(("registrar", path), handler)))
        for path, (methods, handler) in list(frameworks.METHODS.items()):
            monkeypatch.setitem(frameworks.METHODS, path, (methods, self.own(("methods", path), handler)))
        for (base, name), handler in list(frameworks.ATTRIBUTES.items()):
            monkeypatch.setitem(frameworks.ATTRIBUTES, (base, name), self.own(("attribute", f"{base}.{name}"), handler))
        for path, launcher in list(spawners.LAUNCHERS.items()):
            monkeypatch.setitem(spawners.LAUNCHERS, path, self.own(("launcher", path), launcher))
        for path, row in list(spawners.WORKER_CLASSES.items()):
            monkeypatch.setitem(spawners.WORKER_CLASSES, path, self.own(("worker class", path), Worker(*row)))
        add_handler = contexts.Contexts._add_handler
        init_work = spawns.Work.__init__
        add = contexts.Contexts._add
        recorder = self

        def handled(self: contexts.Contexts, scope: Any, handler: Any, node: ast.AST) -> None:
            recorder.note(handler, scope.node, node, *scope.decorators)
            add_handler(self, scope, handler, node)

        def worked(self: spawns.Work, *args: Any, **kwargs: Any) -> None:
            init_work(self, *args, **kwargs)
            recorder.note(self.launcher, self.call)

        def added(self: contexts.Contexts, scope: Any, context: contexts.Context) -> None:
            if "of class" in context.text and scope.cls is not None:
                for base in self.module.inference.external_bases(_class(self, scope.cls)):
                    if base in spawners.WORKER_CLASSES:
                        recorder.note(spawners.WORKER_CLASSES[base], context.node, scope.node)
            add(self, scope, context)

        monkeypatch.setattr(contexts.Contexts, "_add_handler", handled)
        monkeypatch.setattr(spawns.Work, "__init__", worked)
        monkeypatch.setattr(contexts.Contexts, "_add", added)

    def own(self, row: Row, value: Any) -> Any:
        copy = type(value)(*value)
        self.rows[id(copy)] = row
        return copy

    def note(self, value: object, *nodes: ast.AST) -> None:
        row = self.rows.get(id(value))
        if row is not None:
            lines: set[int] = set()
            for node in nodes:
                first = getattr(node, "lineno", 0)
                last = (getattr(node, "end_lineno", 0) or first) if isinstance(node, ast.expr) else first
                lines.update(range(first, last + 1))
            self.fired.append(Fired(row, self.path, frozenset(lines)))


class Worker(NamedTuple):
    """A row of ``WORKER_CLASSES`` with an identity."""

    method: str
    where: str


def _class(of: contexts.Contexts, scope: Any) -> Any:
    from flake8_mongo_threads.semantics.values import Class

    return Class(of.module, scope)


@pytest.fixture(scope="module")
def recorded() -> tuple[list[Fired], dict[str, list[Finding]]]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(ROOT)
        recorder = Recorder(monkeypatch)
        found: dict[str, list[Finding]] = {}
        for path in PROGRAMS:
            recorder.path = str(path.relative_to(ROOT))
            found[recorder.path] = findings_of(path)
        fired = recorder.fired
    return fired, found


def is_once(row: Row) -> bool:
    table, path = row
    if table == "decorator":
        return frameworks.DECORATORS[path].each == frameworks.ONCE
    if table == "registrar":
        return frameworks.REGISTRARS[path][2].each == frameworks.ONCE
    return False


def all_rows() -> list[Row]:
    return [
        *(("decorator", path) for path in frameworks.DECORATORS),
        *(("registrar", path) for path in frameworks.REGISTRARS),
        *(("attribute", f"{base}.{name}") for base, name in frameworks.ATTRIBUTES),
        *(("methods", path) for path in frameworks.METHODS),
        *(("launcher", path) for path in spawners.LAUNCHERS),
        *(("worker class", path) for path in spawners.WORKER_CLASSES),
    ]


SILENT_LAUNCHERS = {"os.register_at_fork"}
"""What they run is right there, whatever it does: shown by a test of its own."""


def test_every_row_is_shown(recorded: tuple[list[Fired], dict[str, list[Finding]]]) -> None:
    fired, found = recorded
    evidence = {
        name: {line for finding in findings for line in (finding.span.line, *(s.line for s in finding.steps if s.path == name))}
        for name, findings in found.items()
    }
    shown = {each.row for each in fired if not each.lines.isdisjoint(evidence[each.path])}
    missing = [row for row in all_rows() if row not in shown and not is_once(row) and row[1] not in SILENT_LAUNCHERS]
    assert not missing, f"{len(missing)} rows that no finding of fixtures/contexts comes from: {missing[:20]}"


def test_every_row_has_a_look_alike(recorded: tuple[list[Fired], dict[str, list[Finding]]]) -> None:
    fired, _ = recorded
    used = {(each.path, line) for each in fired for line in each.lines}
    names_of: set[str] = set()
    for path in PROGRAMS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for expression in _callees(node):
                if (str(path.relative_to(ROOT)), expression.lineno) not in used:
                    names_of.add(expression.attr if isinstance(expression, ast.Attribute) else expression.id)
    missing = [row for row in all_rows() if last(row[1]) not in names_of]
    assert not missing, f"{len(missing)} rows without a look-alike in fixtures/contexts: {missing[:20]}"


def last(path: str) -> str:
    return path.removesuffix("()").removesuffix(".__init__").rpartition(".")[2].removesuffix("()")


def _callees(node: ast.AST) -> Iterator[ast.Attribute | ast.Name]:
    candidates: list[ast.expr] = []
    if isinstance(node, ast.Call):
        candidates.append(node.func)
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        candidates.extend(node.decorator_list)
    elif isinstance(node, ast.ClassDef):
        candidates.extend(node.bases)
    for candidate in candidates:
        target = candidate.func if isinstance(candidate, ast.Call) else candidate
        if isinstance(target, (ast.Attribute, ast.Name)):
            yield target


# ---------------------------------------------------------------------- rows that change what is reported: without them it differs


def without(table: Any, key: str) -> Any:
    return frozenset(table) - {key} if isinstance(table, frozenset) else {k: v for k, v in table.items() if k != key}


def _in_place(table: dict[str, Any]) -> Callable[[pytest.MonkeyPatch, str], None]:
    return lambda monkeypatch, key: monkeypatch.delitem(table, key)


def _everywhere(name: str, *modules: Any) -> Callable[[pytest.MonkeyPatch, str], None]:
    def remove(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
        for module in modules:
            monkeypatch.setattr(module, name, without(getattr(module, name), key))

    return remove


def mutations() -> list[tuple[str, str, Callable[[pytest.MonkeyPatch, str], None]]]:
    found: list[tuple[str, str, Callable[[pytest.MonkeyPatch, str], None]]] = []
    found.extend(("decorator", path, _in_place(frameworks.DECORATORS)) for path in frameworks.DECORATORS if is_once(("decorator", path)))
    found.extend(("registrar", path, _in_place(frameworks.REGISTRARS)) for path in frameworks.REGISTRARS if is_once(("registrar", path)))
    found.extend(("alias", path, _in_place(names.ALIASES)) for path in names.ALIASES)
    for name, modules in (
        ("CACHING_DECORATORS", (names, decorated)),
        ("OFFLOADING_DECORATORS", (names, calls)),
        ("PROPERTY_DECORATORS", (names, decorated, instances)),
        ("APPLICATIONS", (names,)),
        ("APPLICATION_PARTS", (names,)),
        ("REQUEST_STATES", (names,)),
        ("ONCE_METHODS", (frameworks,)),
        ("ONCE_HANDLERS", (frameworks,)),
    ):
        remove = _everywhere(name, *modules)
        found.extend((name, key, remove) for key in sorted(getattr(modules[0], name)))
    return found


MUTATIONS = mutations()


@pytest.fixture(scope="module")
def normal() -> dict[Path, set[tuple[int, str]]]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(ROOT)
        return {path: harness.places(findings_of(path)) for path in PROGRAMS}


@pytest.mark.parametrize("table", sorted({table for table, _, _ in MUTATIONS}))
def test_without_a_row_something_else_is_reported(
    table: str, normal: dict[Path, set[tuple[int, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in PROGRAMS}
    useless: list[str] = []
    for owner, key, remove in MUTATIONS:
        if owner != table:
            continue
        words = {word for word in key.replace("()", "").split(".") if word and word != "builtins"}
        with monkeypatch.context() as patched:
            remove(patched, key)
            if not any(
                harness.places(findings_of(path)) != normal[path] for path, text in texts.items() if all(word in text for word in words)
            ):
                useless.append(key)
    assert not useless, f"{table}: {len(useless)} rows without which fixtures/contexts are the same: {useless}"


def test_hook_after_a_fork_runs_in_the_child() -> None:
    path = FIXTURES / "contexts" / "ok_after_fork.py"
    text = path.read_text(encoding="utf-8")
    line = text[: text.index("def reconnect")].count("\n") + 1
    module = build(Source.from_text(str(path), text), ast.parse(text), Config())
    assert any("after-fork hook" in context for context in place_of(module, line).contexts)


# ---------------------------------------------------------------------- rows of the user's own


SPAWNED = """\
from pymongo import MongoClient

from jobs.runner import run_in_background


def load(key):
    client = MongoClient("mongodb://localhost")
    return client.shop.orders.find_one({"_id": key})


def load_all(keys):
    for key in keys:
        run_in_background("label", load, key)
"""


def test_spawner_of_the_user(tmp_path: Path) -> None:
    assert check_text(str(tmp_path / "a.py"), SPAWNED) == []
    by_index = check_text(str(tmp_path / "a.py"), SPAWNED, parse(spawners=("jobs.runner.run_in_background:1 = thread",)))
    assert [(f.code, f.span.line) for f in by_index] == [("MDB102", 7)]
    assert any(step.line == 13 for step in by_index[0].steps)
    named = SPAWNED.replace('"label", load, key', 'label="label", work=load')
    by_name = check_text(str(tmp_path / "a.py"), named, parse(spawners=("jobs.runner.run_in_background:work = thread",)))
    assert [(f.code, f.span.line) for f in by_name] == [("MDB102", 7)]
    assert check_text(str(tmp_path / "a.py"), SPAWNED, parse(spawners=("jobs.runner.run_in_foreground:1 = thread",))) == []
    assert check_text(str(tmp_path / "a.py"), SPAWNED, parse(spawners=("jobs.runner.run_in_background:1 = process",))) == []


def test_spawner_of_the_project_itself(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    package = tmp_path / "jobs"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "runner.py").write_text(
        "import broker\n\n\ndef run_in_background(label, work, *args):\n    broker.send(label, work, args)\n"
    )
    main = tmp_path / "main.py"
    main.write_text(SPAWNED, encoding="utf-8")
    assert check_text(str(main), SPAWNED) == []
    found = check_text(str(main), SPAWNED, parse(spawners=("jobs.runner.run_in_background:1 = thread",)))
    assert [(f.code, f.span.line) for f in found] == [("MDB102", 7)]


def test_spawner_of_processes_and_tasks(tmp_path: Path) -> None:
    text = (
        "from pymongo import AsyncMongoClient, MongoClient\n"
        "from jobs.runner import in_process, in_task\n"
        "\n"
        "client = MongoClient('mongodb://localhost')\n"
        "\n"
        "\n"
        "def count(collection):\n"
        "    return collection.count_documents({})\n"
        "\n"
        "\n"
        "async def load(key):\n"
        "    own = AsyncMongoClient('mongodb://localhost')\n"
        "    return await own.shop.orders.find_one({'_id': key})\n"
        "\n"
        "\n"
        "async def start(keys):\n"
        "    in_process(count, client.shop.orders)\n"
        "    for key in keys:\n"
        "        in_task(load, key)\n"
    )
    path = str(tmp_path / "a.py")
    assert check_text(path, text) == []
    found = check_text(path, text, parse(spawners=("jobs.runner.in_process:0 = process", "jobs.runner.in_task:0 = task")))
    assert [(f.code, f.span.line) for f in found] == [("MDB104", 12), ("MDB401", 17)]


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("sync-database", "get_store().orders.find_one({})", "MDB501"),
        ("sync-collection", "get_store().find_one({})", "MDB501"),
        ("async-database", "get_store().orders.insert_one({})", "MDB502"),
        ("motor-client", "get_store().shop.orders.insert_one({})", "MDB502"),
    ],
)
def test_factory_of_the_user(tmp_path: Path, kind: str, body: str, code: str) -> None:
    text = f"from warehouse.db import get_store\n\n\nasync def handler():\n    {body}\n"
    path = str(tmp_path / "a.py")
    assert check_text(path, text) == []
    found = check_text(path, text, parse(factories=(f"warehouse.db:get_store = {kind}",)))
    assert [(f.code, f.span.line) for f in found] == [(code, 5)]
    assert check_text(path, text, parse(factories=(f"warehouse.db:get_other = {kind}",))) == []
