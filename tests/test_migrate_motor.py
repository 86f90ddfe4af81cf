"""``mongo-threads migrate motor``: the table against the installed drivers, before and after, refusals, and the command itself."""

import asyncio
import importlib
import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flake8_mongo_threads import cli
from flake8_mongo_threads.config import Config
from flake8_mongo_threads.driver import kinds
from flake8_mongo_threads.driver.motor_to_pymongo import CHANGES, CLASSES, CONSTRUCTORS, Form, Target
from flake8_mongo_threads.edits import Anchor, MovedName, ReplaceImport, WhileToAsyncFor
from flake8_mongo_threads.fixes import files, migration_groups, ops
from flake8_mongo_threads.fixes.locate import RefusedError, Tree
from flake8_mongo_threads.fixes.migration_groups import examine_text
from flake8_mongo_threads.selection import Selection
from flake8_mongo_threads.source import Source
from harness import FIXTURES

CASES = FIXTURES / "migrate_motor"
NAMES = sorted(path.name for path in CASES.iterdir())
_LEFT = re.compile(r"# left: (.*?)(?= # left:|$)")
_SHOWN = re.compile(r"(?P<path>[^:\n]+):(?P<line>\d+):\d+: not migrated: (?P<reason>.*)")

Migrate = Callable[..., tuple[int, str, str]]


@pytest.fixture
def migrate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Migrate:
    """Run the command in a folder: exit code, standard output, standard error."""

    def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(folder)
        code = cli.main(["migrate", "motor", "--isolated", *(arguments or (".",))])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def copied(case: str, tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(CASES / case / "before", folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of all files below a folder, without what Python writes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def markers(folder: Path) -> list[tuple[str, int, str]]:
    return [
        (str(path.relative_to(folder)), number, reason.strip())
        for path in sorted(folder.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for reason in _LEFT.findall(line)
    ]


# ---------------------------------------------------------------------- before and after


@pytest.mark.parametrize("case", NAMES)
def test_before_and_after(case: str, migrate: Migrate, tmp_path: Path) -> None:
    folder = copied(case, tmp_path)
    wanted = CASES / case / "after"
    code, out, err = migrate(folder)
    assert not err
    assert contents(folder) == contents(wanted if wanted.is_dir() else CASES / case / "before")
    expected = markers(CASES / case / "before")
    found = [(os.path.normpath(m["path"]), int(m["line"]), m["reason"]) for m in _SHOWN.finditer(out)]
    assert len(found) == len(expected), out
    for (path, line, reason), (where, number, text) in zip(sorted(found), sorted(expected), strict=True):
        assert (path, line) == (where, number), out
        assert any(text in r for p, n, r in found if (p, n) == (where, number)), f"{reason!r} does not say {text!r}"
    assert code == int(bool(expected))


@pytest.mark.parametrize("case", NAMES)
def test_a_second_run_changes_nothing(case: str, migrate: Migrate, tmp_path: Path) -> None:
    folder = copied(case, tmp_path)
    first = migrate(folder)
    kept = contents(folder)
    second = migrate(folder)
    assert contents(folder) == kept
    assert second[0] == first[0]
    assert "made in" not in second[1]


@pytest.mark.parametrize("case", ["service", "call_forms", "refused_half"])
def test_diff_writes_nothing_and_says_what_would_be_written(case: str, migrate: Migrate, tmp_path: Path) -> None:
    folder = copied(case, tmp_path)
    before = contents(folder)
    code, out, err = migrate(folder, "--diff", ".")
    assert contents(folder) == before
    assert code == 1
    assert "would be made" in err
    if shutil.which("patch"):
        subprocess.run(["patch", "-p0", "-s"], input=out, text=True, cwd=folder, check=True)
        assert contents(folder) == contents(CASES / case / "after")


@pytest.mark.parametrize("case", ["service", "call_forms", "module_imports"])
def test_line_ends_and_byte_order_mark_are_kept(case: str, migrate: Migrate, tmp_path: Path) -> None:
    folder = copied(case, tmp_path)

    def foreign(data: bytes) -> bytes:
        return b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n")

    for path in folder.rglob("*.py"):
        path.write_bytes(foreign(path.read_bytes()))
    assert migrate(folder)[0] == 0
    wanted = contents(CASES / case / "after")
    assert contents(folder) == {name: foreign(data) if name.endswith(".py") else data for name, data in wanted.items()}


def test_the_encoding_is_kept(migrate: Migrate, tmp_path: Path) -> None:
    text = '# -*- coding: latin-1 -*-\nfrom motor.motor_asyncio import AsyncIOMotorClient\n\nname = "Käse"\nclient = AsyncIOMotorClient()\n'
    (tmp_path / "a.py").write_bytes(text.encode("latin-1"))
    assert migrate(tmp_path)[0] == 0
    wanted = text.replace("motor.motor_asyncio", "pymongo").replace("AsyncIOMotorClient", "AsyncMongoClient")
    assert (tmp_path / "a.py").read_bytes() == wanted.encode("latin-1")


def test_several_processes_do_the_same_as_one(migrate: Migrate, tmp_path: Path) -> None:
    folder = copied("service", tmp_path)
    code, out, _ = migrate(folder, "-j", "2", ".")
    assert code == 0, out
    assert contents(folder) == contents(CASES / "service" / "after")


@pytest.mark.parametrize(
    "changed",
    [
        "import asyncio\nfrom motor.motor_asyncio import AsyncIOMotorClient\n\nc = AsyncIOMotorClient(io_loop=asyncio.get_event_loop())\n",
        "from motor.motor_asyncio import AsyncIOMotorClient\n\nc = AsyncIOMotorClient(  # here\n    io_loop=None,\n)\n",
        "from motor.motor_asyncio import AsyncIOMotorClient; c = AsyncIOMotorClient()\n",
        "def f():\n\tfrom motor.motor_asyncio import AsyncIOMotorClient\n\treturn AsyncIOMotorClient()\n",
        "if True:\n    import motor.motor_asyncio\n    c = motor.motor_asyncio.AsyncIOMotorClient()",
        "import motor.motor_asyncio as \\\n    m\n\nc = m.AsyncIOMotorClient(\n)",
    ],
)
def test_hard_layouts_migrate_whole(changed: str, migrate: Migrate, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(changed, encoding="utf-8")
    code, out, _ = migrate(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert code == 0, out
    assert "otor" not in text
    assert "io_loop" not in text
    assert text.endswith("\n") == changed.endswith("\n")
    compile(text, "a.py", "exec")


# ---------------------------------------------------------------------- behaviour


@pytest.fixture
def server() -> Iterator[Any]:
    pytest.importorskip("pymongo")
    from evidence.fakemongo import FakeServer

    with FakeServer() as running:
        yield running


def _program(path: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        spec.loader.exec_module(module)
    return module


def _run(program: Any, uri: str) -> Any:
    with warnings.catch_warnings():
        # Motor's own warnings about what it will lose; a coroutine that is never awaited stays an error.
        warnings.simplefilter("ignore", DeprecationWarning)
        return asyncio.run(asyncio.wait_for(program.main(uri), 20))


def test_the_migrated_program_does_what_it_did(server: Any) -> None:
    pytest.importorskip("motor.motor_asyncio")
    before = _run(_program(CASES / "behaviour" / "before" / "bank.py", "bank_before"), server.uri)
    commands = list(server.names("hello", "ping", "isMaster", "endSessions"))
    assert before[0] == [{"_id": n, "balance": 100 * n} for n in (3, 4, 5)]
    from evidence.fakemongo import FakeServer

    with FakeServer() as fresh:
        after = _run(_program(CASES / "behaviour" / "after" / "bank.py", "bank_after"), fresh.uri)
        assert after == before
        assert list(fresh.names("hello", "ping", "isMaster", "endSessions")) == commands


def test_an_unawaited_write_runs_in_motor_only(server: Any) -> None:
    """Why such a write keeps a program from being migrated."""
    motor = pytest.importorskip("motor.motor_asyncio")
    from pymongo import AsyncMongoClient

    async def write(client: Any) -> None:
        client.test.things.insert_one({"_id": 1})
        await asyncio.sleep(0.3)

    async def run(client: Any) -> None:
        try:
            await write(client)
        finally:
            closed = client.close()
            if closed is not None:
                await closed

    async def with_motor() -> None:
        await run(motor.AsyncIOMotorClient(server.uri))

    async def with_pymongo() -> None:
        await run(AsyncMongoClient(server.uri))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.run(with_motor())
        assert server.seen("insert")
        server.forget()
        asyncio.run(with_pymongo())
        assert not server.seen("insert")


def test_to_list_of_nothing_differs(server: Any) -> None:
    """Why ``to_list(0)`` is left alone."""
    motor = pytest.importorskip("motor.motor_asyncio")
    from pymongo import AsyncMongoClient

    async def of_motor() -> Any:
        client = motor.AsyncIOMotorClient(server.uri)
        await client.test.things.insert_one({"_id": 1})
        found = await client.test.things.find().to_list(0)
        client.close()
        return found

    async def of_pymongo() -> None:
        client: Any = AsyncMongoClient(server.uri)
        async with client:
            await client.test.things.find().to_list(0)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert asyncio.run(of_motor()) == []
    with pytest.raises(ValueError, match="greater than 0"):
        asyncio.run(of_pymongo())


# ---------------------------------------------------------------------- the table and the drivers

MOTOR_CLASS = {
    family: name
    for name, family in (
        ("Client", "client"), ("Database", "database"), ("Collection", "collection"), ("Cursor", "cursor"), ("CommandCursor", "command-cursor"),
        ("ChangeStream", "change-stream"), ("ClientSession", "session"), ("ClientEncryption", "client-encryption"),
        ("GridFSBucket", "gridfs-bucket"), ("GridIn", "grid-in"), ("GridOut", "grid-out"), ("GridOutCursor", "grid-out-cursor"),
    )
}  # fmt: skip


def _load(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _classes(family: str) -> tuple[Any, Any]:
    """Motor's class, with the attributes that say how its methods are made, and PyMongo's."""
    pytest.importorskip("motor.motor_asyncio")
    if family == "raw-cursor":
        return _load("motor.core.AgnosticRawBatchCursor"), _load("pymongo.asynchronous.cursor.AsyncRawBatchCursor")
    name = MOTOR_CLASS[family]
    package = "motor.motor_gridfs" if name.startswith("Grid") else "motor.core"
    target = CLASSES[f"motor.motor_asyncio.AsyncIOMotor{name}"]
    return _load(f"{package}.Agnostic{name}"), _load(".".join(target))


def _of_motor(cls: Any, name: str) -> str:
    """Whether a member of one of Motor's classes is a coroutine (a Future), plain, or missing; properties are plain."""
    from motor.metaprogramming import Async

    try:
        member = inspect.getattr_static(cls, name)
    except AttributeError:
        return "missing"
    if isinstance(member, Async) or inspect.iscoroutinefunction(member) or getattr(member, "coroutine_annotation", False):
        return "coroutine"
    # These are written out by hand and give Futures.
    return "coroutine" if name in ("to_list", "next", "fetch_next", "try_next") else "plain"


def _of_pymongo(cls: Any, name: str) -> str:
    try:
        member = inspect.getattr_static(cls, name)
    except AttributeError:
        return "missing"
    function = member.fget if isinstance(member, property) else member
    return "coroutine" if inspect.iscoroutinefunction(inspect.unwrap(function) if callable(function) else function) else "plain"


@pytest.mark.parametrize("path", sorted(CLASSES))
def test_every_class_is_there_in_both(path: str) -> None:
    target = CLASSES[path]
    pytest.importorskip("pymongo")
    assert inspect.isclass(_load(".".join(target)))
    if path.startswith(("motor.motor_asyncio", "motor.core", "motor.motor_gridfs")):
        pytest.importorskip("motor.motor_asyncio")
        assert inspect.isclass(_load(path))
    elif importlib.util.find_spec("tornado") and importlib.util.find_spec("motor"):
        assert inspect.isclass(_load(path))


@pytest.mark.parametrize("family", sorted([*MOTOR_CLASS, "raw-cursor"]))
def test_every_listed_change_is_one(family: str) -> None:
    motor, pymongo = _classes(family)
    wanted = {Form.AWAIT: ("plain", "coroutine"), Form.PLAIN: ("coroutine", "plain"), Form.READ: ("plain", "coroutine")}
    for name, change in CHANGES[family].items():
        found = (_of_motor(motor, name), _of_pymongo(pymongo, name))
        if change.form is Form.GONE:
            assert found[1] == "missing", (family, name)
        else:
            assert found == wanted[change.form], (family, name, found)


@pytest.mark.parametrize("family", sorted([*MOTOR_CLASS, "raw-cursor"]))
def test_every_change_is_listed(family: str) -> None:
    motor, pymongo = _classes(family)
    # Handed through to the synchronous object, which is plain in both; `open` of a file is not called by programs that have none.
    same = {"next", "read", "write", "readable", "seekable", "tell", "writeable", "advance_cluster_time", "advance_operation_time"}
    checked = 0
    for name in sorted(n for n in dir(motor) if not n.startswith("_")):
        was, now = _of_motor(motor, name), _of_pymongo(pymongo, name)
        checked += 1
        if was != now and name not in same:
            assert name in CHANGES[family], (family, name, was, now)
        if was == now and name in CHANGES[family]:
            assert now == "missing", (family, name, was, now)
    assert checked > 3


def test_the_model_and_the_table_agree() -> None:
    """The kinds are the union over all releases: what changes there, and is in the newest ones, is in the table."""
    for family, changes in CHANGES.items():
        for name, change in changes.items():
            motor, pymongo = kinds.member(family, "motor", name), kinds.member(family, "async", name)
            if motor is None:
                # Not in the model: an attribute of the instance, or a member of newer objects only.
                assert change.form is Form.GONE, (family, name)
                continue
            if change.form is Form.GONE:
                assert pymongo is None, (family, name)
            else:
                assert pymongo is not None
                assert pymongo.coroutine is (change.form is not Form.PLAIN), (family, name)
                assert motor.coroutine is (change.form is Form.PLAIN), (family, name)


@pytest.mark.parametrize("family", sorted(CONSTRUCTORS))
def test_constructors_take_the_same_arguments(family: str) -> None:
    motor, pymongo = _classes(family)
    rules = CONSTRUCTORS[family]
    if family == "client":
        return
    old = list(inspect.signature(motor.__init__).parameters)[1:]
    new = list(inspect.signature(pymongo.__init__).parameters)[1:]
    renamed = dict(rules.renamed)
    if "kwargs" not in old:
        assert rules.positional is not None
        assert [renamed.get(name, name) for name in old[: rules.positional]] == new[: rules.positional]
    taken = {renamed.get(name, name) for name in old} - set(rules.foreign) - ({"io_loop"} if rules.loop else set())
    assert taken <= {*new, "kwargs"}, taken - set(new)
    assert set(renamed.values()) <= set(new)
    assert rules.loop is ("io_loop" in old)


def test_iterating_a_file_gives_other_pieces() -> None:
    """Why ``async for`` over a GridOut is left alone."""
    motor, pymongo = _classes("grid-out")
    assert "readchunk" in inspect.getsource(motor.__anext__)
    assert "readline" in inspect.getsource(pymongo.__anext__)


# ---------------------------------------------------------------------- the command


def test_bad_input_is_named_skipped_and_exits_with_2(migrate: Migrate, tmp_path: Path) -> None:
    folder = copied("sync_beside", tmp_path)
    (folder / "broken.py").write_text("def f(:\n", encoding="utf-8")
    (folder / "bytes.py").write_bytes(b"x = '\xff'\n")
    code, _, err = migrate(folder)
    assert code == 2
    assert "broken.py: error: syntax error" in err
    assert "bytes.py: error: not valid utf-8" in err
    assert (folder / "tools.py").read_bytes() == (CASES / "sync_beside" / "after" / "tools.py").read_bytes()


def test_a_broken_file_that_mentions_motor_keeps_its_project(migrate: Migrate, tmp_path: Path) -> None:
    folder = copied("sync_beside", tmp_path)
    (folder / "broken.py").write_text("import motor\ndef f(:\n", encoding="utf-8")
    before = contents(folder)
    code, out, _ = migrate(folder)
    assert code == 2
    assert contents(folder) == before
    assert "broken.py:1:1: not migrated: mentions Motor, and cannot be read" in out


def test_a_read_only_file_keeps_its_program(migrate: Migrate, tmp_path: Path) -> None:
    folder = copied("service", tmp_path)
    (folder / "shop" / "repository.py").chmod(0o444)
    before = contents(folder)
    code, out, err = migrate(folder)
    assert code == 2
    assert contents(folder) == before
    assert "repository.py: error: the file is read-only" in err
    assert "database.py: not migrated: it shares objects of Motor with ./shop/repository.py" in out


def test_a_failure_in_the_middle_takes_back_what_was_written(migrate: Migrate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copied("service", tmp_path)
    before = contents(folder)
    real = files.replace_file
    written: list[str] = []

    def full(path: str, old: bytes, new: bytes) -> None:
        if path.endswith("repository.py"):
            raise files.WriteError("not written: no space left on device")
        written.append(path)
        real(path, old, new)

    monkeypatch.setattr(migration_groups, "replace_file", full)
    code, out, err = migrate(folder)
    assert code == 2
    assert written
    assert contents(folder) == before
    assert "no space left on device" in err
    assert "made in" not in out


def test_files_outside_of_the_paths_keep_the_ones_inside(migrate: Migrate, tmp_path: Path) -> None:
    folder = copied("service", tmp_path)
    before = contents(folder)
    code, out, _ = migrate(folder, "shop/repository.py")
    assert code == 1
    assert contents(folder) == before
    assert "shop/database.py:1:1: not migrated: shares objects of Motor, and is not among the files that were given" in out


def test_files_that_changed_meanwhile_are_left(migrate: Migrate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copied("sync_beside", tmp_path)
    real = migration_groups._Run._verify

    def meanwhile(self: Any, group: Any, texts: Any) -> Any:
        (folder / "tools.py").write_text("# mine\n", encoding="utf-8")
        return real(self, group, texts)

    monkeypatch.setattr(migration_groups._Run, "_verify", meanwhile)
    code, _, err = migrate(folder)
    assert code == 2
    assert "has changed meanwhile" in err
    assert (folder / "tools.py").read_text(encoding="utf-8") == "# mine\n"


def test_what_the_project_requires_is_told_and_not_edited(migrate: Migrate, tmp_path: Path) -> None:
    folder = copied("sync_beside", tmp_path)
    (folder / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = [\n  "motor>=3.1",\n]\n', encoding="utf-8")
    (folder / "requirements.txt").write_text("httpx\nmotor[srv]==3.5\n", encoding="utf-8")
    before = contents(folder)
    _, out, _ = migrate(folder)
    assert "pyproject.toml:4: motor>=3.1 becomes pymongo>=4.13" in out
    assert "requirements.txt:2: motor==3.5 becomes pymongo>=4.13" in out
    after = contents(folder)
    assert {name: data for name, data in after.items() if not name.endswith(".py")} == {
        name: data for name, data in before.items() if not name.endswith(".py")
    }


@pytest.mark.parametrize(
    ("case", "arguments", "code"),
    [
        ("refused_forms", ("--exit-zero",), 0),
        ("sync_beside", ("--exit-non-zero-on-fix",), 1),
        ("nothing", (), 0),
        ("nothing", ("--diff",), 0),
        ("sync_beside", ("--diff",), 1),
        ("sync_beside", ("--diff", "--exit-zero"), 0),
    ],
)
def test_exit_codes(case: str, arguments: tuple[str, ...], code: int, migrate: Migrate, tmp_path: Path) -> None:
    assert migrate(copied(case, tmp_path), *arguments, ".")[0] == code


def test_standard_input_is_refused(migrate: Migrate, tmp_path: Path) -> None:
    code, _, err = migrate(tmp_path, "-")
    assert code == 2
    assert "whole programs" in err


def test_excluded_files_count_as_not_given(migrate: Migrate, tmp_path: Path) -> None:
    folder = copied("sync_beside", tmp_path)
    before = contents(folder)
    code, out, _ = migrate(folder, "--exclude", "tools.py", ".")
    assert (code, contents(folder)) == (0, before)
    assert "nothing to migrate" in out


# ---------------------------------------------------------------------- the two edits


def _applied(text: str, *changes: Any) -> str:
    return ops.apply(Tree.of_text(text), [changes])


def _whole(text: str, kind: str) -> Anchor:
    lines = text.splitlines()
    return Anchor(kind, 1, 0, len(lines), len(lines[-1]))


@pytest.mark.parametrize(
    ("text", "moves", "wanted"),
    [
        ("from a import x\n", [MovedName("x", "b", "y")], "from b import y\n"),
        ("from a import x as z\n", [MovedName("x", "b", "y")], "from b import y as z\n"),
        ("from a import x as y\n", [MovedName("x", "b", "y")], "from b import y\n"),
        ("from a import x, k\n", [MovedName("x", "b", "y")], "from a import k\nfrom b import y\n"),
        ("from a import x, k\n", [MovedName("x")], "from a import k\n"),
        ("from a import x, k\n", [MovedName("x", "a", "y")], "from a import y, k\n"),
        ("from .a import x\n", [MovedName("x", ".a", "y")], "from .a import y\n"),
        ("from a import x, w\n", [MovedName("x", "c", "y"), MovedName("w", "b", "v")], "from b import v\nfrom c import y\n"),
        ("from a import x, w\n", [MovedName("x", "b", "y"), MovedName("w", "b", "y")], "from b import y\n"),
        ("from a import (\n    x,  # why\n    w,\n)\n", [MovedName("x", "b", "y"), MovedName("w", "c", "v")], "from b import (\n    y,  # why\n)\nfrom c import v\n"),
        ("from a import (\n    w,\n    x,  # why\n)\n", [MovedName("x", "c", "y"), MovedName("w", "b", "v")], "from b import v\nfrom c import y  # why\n"),
        ("from a import (  # all\n    x,\n    w,\n)\n", [MovedName("x", "b", "y"), MovedName("w", "b", "v")], "from b import (  # all\n    y,\n    v,\n)\n"),
        ("import a.b\n", [MovedName("a.b", "c", "y"), MovedName("a.b", "c", "x")], "from c import x, y\n"),
        ("import a.b, os\n", [MovedName("a.b", "c", "y")], "import os\nfrom c import y\n"),
        ("import os, a.b as m\n", [MovedName("a.b")], "import os\n"),
        ("from a import m\n", [MovedName("m", "c", "y", False), MovedName("m", "b", "x", False)], "from b import x\nfrom c import y\n"),
    ],
)  # fmt: skip
def test_imports_are_taken_from_elsewhere(text: str, moves: list[MovedName], wanted: str) -> None:
    kind = "Import" if text.startswith("import") else "ImportFrom"
    assert _applied(text, ReplaceImport(_whole(text, kind), tuple(moves))) == wanted


def test_a_comment_that_would_be_lost_in_an_import_refuses() -> None:
    text = "from a import (\n    # above\n    m,\n)\n"
    change = ReplaceImport(_whole(text, "ImportFrom"), (MovedName("m", "c", "y", False), MovedName("m", "b", "x", False)))
    with pytest.raises(RefusedError, match="comment"):
        _applied(text, change)


@pytest.mark.parametrize(
    "loop",
    [
        "while await c.more:\n    x = y = c.take()\n",
        "while await c.more:\n    c.take()\n",
        "while await c.more: x = c.take()\n",
        "while await c.more:\n    x = c.take()\nelse:\n    pass\n",
        "while await c.more:  # one\n    x = c.take()  # two\n",
    ],
)
def test_loops_that_are_not_plain_are_refused(loop: str) -> None:
    text = "async def f():\n" + "".join(f"    {line}\n" for line in loop.splitlines())
    lines = text.splitlines()
    change = WhileToAsyncFor(Anchor("While", 2, 4, len(lines), len(lines[-1].partition("  #")[0])), Anchor("Name", 2, 16, 2, 17))
    with pytest.raises(RefusedError):
        _applied(text, change)


def test_the_facts_are_those_of_the_model() -> None:
    """A method is judged by its object, never by its name."""
    text = (
        "from motor.motor_asyncio import AsyncIOMotorClient\n"
        "class Report:\n"
        "    def aggregate(self, parts): return parts\n"
        "    def close(self): pass\n"
        "async def f():\n"
        "    report = Report()\n"
        "    report.close()\n"
        "    return report.aggregate([])\n"
    )
    found = examine_text("a.py", "/nowhere/a.py", text, Config())
    assert not found.obstacles
    assert [type(edit).__name__ for edit in found.edits] == ["ReplaceImport"]
    assert Target("pymongo", "AsyncMongoClient") in CLASSES.values()
    assert Source.from_text("a.py", text).text == text
    assert sys.version_info >= (3, 10)


def _with_motor() -> list[Path]:
    found = [path for path in sorted(FIXTURES.glob("MDB*/*.py")) if "motor" in path.read_text(encoding="utf-8")]
    assert len(found) > 40
    return found


def test_every_fixture_that_uses_motor_stays_python_and_is_done_once(tmp_path: Path) -> None:
    selection = Selection(["--isolated"])
    changed = left = 0
    for number, path in enumerate(_with_motor()):
        copy = tmp_path / str(number) / path.name
        copy.parent.mkdir()
        shutil.copy(path, copy)
        before = copy.read_bytes()
        outcome = migration_groups.migrate([str(copy)], selection, 1, False)
        assert not outcome.problems, path
        assert not (outcome.changed and outcome.left), path
        changed += bool(outcome.changed)
        left += bool(outcome.left)
        text = copy.read_text(encoding="utf-8")
        compile(text, path.name, "exec", dont_inherit=True)
        if not outcome.changed:
            assert copy.read_bytes() == before, path
            continue
        assert text.count("\n") >= before.count(b"\n") - 3, path
        again = migration_groups.migrate([str(copy)], selection, 1, False)
        assert again[:3] == ((), (), ()), path
    assert changed > 25
    assert left > 10


def test_a_comment_at_an_import_keeps_its_place(migrate: Migrate, tmp_path: Path) -> None:
    text = (
        "from motor.motor_asyncio import AsyncIOMotorClient  # the driver\nfrom pymongo import ReturnDocument\n\nc = AsyncIOMotorClient()\n"
    )
    (tmp_path / "a.py").write_text(text, encoding="utf-8")
    assert migrate(tmp_path)[0] == 0
    wanted = text.replace("motor.motor_asyncio", "pymongo").replace("AsyncIOMotorClient", "AsyncMongoClient")
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == wanted
