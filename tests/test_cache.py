"""The cache: what it answers is what an analysis would answer, whatever changes between two runs, and it is asked instead of one."""

import ast
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flake8_mongo_threads import cache, check, engine, guard
from flake8_mongo_threads.config import Config, ConfigError, parse
from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.selection import Selection
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.source import DecodeError, decode, split_lines
from harness import FIXTURES, mongo_threads

APP = """\
from store import get_client


def handle(ids):
    for each in ids:
        client = get_client()
        client.shop.orders.find_one({"_id": each})
"""
STORE = "from settings import make\n\n\ndef get_client():\n    return make()\n"
SETTINGS = "from pymongo import MongoClient\n\n\ndef make():\n    return MongoClient()\n"


@pytest.fixture(autouse=True)
def no_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tests of editors may have left open in this process stands for no file here."""
    monkeypatch.setattr(modules, "_overlay", {})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "requirements.txt").write_text("pymongo>=4.6\n")
    (root / "app.py").write_text(APP)
    (root / "store.py").write_text(STORE)
    (root / "settings.py").write_text(SETTINGS)
    monkeypatch.chdir(root)
    return root


def answers(root: Path, config: Config) -> dict[str, list[Finding]]:
    """What a new process would find in every file of a folder."""
    modules.new_run()
    found = {}
    for path in sorted(root.rglob("*.py")):
        name = str(path)
        try:
            lines = split_lines(decode(path.read_bytes()).text)
            tree = ast.parse("".join(lines))
        except (DecodeError, SyntaxError):
            continue
        known = guard.known_of(lines, name, config)
        found[name] = known.findings if known is not None else guard.analysed(tree, lines, name, config)
    return found


@pytest.fixture
def analysed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are analysed from now on."""
    paths: list[str] = []
    real = engine.analyse

    def noted(source, tree, config):  # type: ignore[no-untyped-def]
        paths.append(os.path.basename(source.path))
        return real(source, tree, config)

    monkeypatch.setattr(engine, "analyse", noted)
    return paths


def test_the_second_run_analyses_nothing_and_finds_the_same(project: Path, tmp_path: Path, analysed: list[str]) -> None:
    config = parse(cache=str(tmp_path / "kept"))
    first = answers(project, config)
    assert [finding.code for finding in first[str(project / "app.py")]] == ["MDB101"]
    assert sorted(analysed) == ["app.py", "settings.py", "store.py"]
    analysed.clear()
    assert answers(project, config) == first == answers(project, Config())
    assert sorted(analysed) == ["app.py", "settings.py", "store.py"], "those of the run without a cache"


def package(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "__init__.py").write_text(text)


CHANGES: dict[str, Callable[[Path], object]] = {
    "the file itself": lambda root: (root / "app.py").write_text(APP.replace("for each in ids:", "if ids:")),
    "what it imports": lambda root: (root / "store.py").write_text(STORE.replace("make()", "None")),
    "what that imports": lambda root: (root / "settings.py").write_text(SETTINGS.replace("MongoClient()", "None")),
    "a module is gone": lambda root: (root / "settings.py").unlink(),
    "a module that comes before": lambda root: package(root / "store", "get_client = dict\n"),
    "no longer text": lambda root: (root / "settings.py").write_bytes(b"\xff\xfe\x00"),
    "the releases meant": lambda root: (root / "requirements.txt").write_text("pymongo==3.4\n"),
    "a lock file": lambda root: (root / "Pipfile.lock").write_text('{"default": {"pymongo": {"version": "==2.9"}}}'),
    "a project in between": lambda root: (root / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["pymongo==3.0"]\n'),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_anything_is_noticed(what: str, project: Path, tmp_path: Path) -> None:
    (project / "old.py").write_text("from pymongo import MongoClient\n\nMongoClient().shop.orders.insert({})\nMongoClient().shop.aggregate([])\n")
    config = parse(cache=str(tmp_path / "kept"))
    before = answers(project, config)
    assert answers(project, config) == before
    CHANGES[what](project)
    fresh = answers(project, Config())
    assert fresh != before, "the change makes no difference: it shows nothing"
    assert answers(project, config) == fresh


def test_the_options_are_part_of_the_question(project: Path, tmp_path: Path) -> None:
    (project / "app.py").write_text("from pymongo import MongoClient\n\nMongoClient().shop.orders.insert({})\n")
    folder = str(tmp_path / "kept")
    for config in (parse(cache=folder), parse(cache=folder, pymongo="==2.9"), parse(cache=folder)):
        assert answers(project, config) == answers(project, config._replace(cache=""))
    assert answers(project, parse(cache=folder)) != answers(project, parse(cache=folder, pymongo="==2.9"))


def test_an_entry_that_makes_no_sense_is_as_good_as_missing(project: Path, tmp_path: Path, analysed: list[str]) -> None:
    config = parse(cache=str(tmp_path / "kept"))
    expected = answers(project, config)
    entries = [path for path in (tmp_path / "kept").rglob("*") if path.is_file() and path.parent != tmp_path / "kept"]
    assert len(entries) == 3
    whole = [entry.read_text() for entry in entries]
    held, needs, digest, _ = json.loads(whole[0])
    broken = [
        "", "[", "null", "[1, 2]", "{}", whole[0][: len(whole[0]) // 2], json.dumps([held, needs, digest, 7]), json.dumps([held, 7, digest, [""]]),
        json.dumps([held, needs, digest, ["", ["Finding", 1]]]), json.dumps([held, needs, digest, ["", ["os.system", "true"]]]), "[" * 100_000,
        json.dumps([held, needs, digest, ["", "x"]]), "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ]  # fmt: skip
    for text in broken:
        for entry in entries:
            entry.write_text(text)
        analysed.clear()
        assert answers(project, config) == expected
        assert len(analysed) == 3, text[:40]


def test_what_an_editor_has_open_is_never_kept(project: Path, tmp_path: Path) -> None:
    config = parse(cache=str(tmp_path / "kept"))
    modules.overlay(str(project / "settings.py"), "make = None\n")
    try:
        assert answers(project, config)[str(project / "app.py")] == []
    finally:
        modules.overlay(str(project / "settings.py"), None)
    assert not (tmp_path / "kept").exists()
    assert answers(project, config)[str(project / "app.py")] != []


def test_a_new_folder_is_marked_as_a_cache_and_an_old_one_left_alone(project: Path, tmp_path: Path) -> None:
    answers(project, parse(cache=str(tmp_path / "new")))
    assert (tmp_path / "new" / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert (tmp_path / "new" / ".gitignore").read_text() == "*\n"
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "mine.txt").write_text("mine")
    answers(project, parse(cache=str(tmp_path / "old")))
    assert not (tmp_path / "old" / ".gitignore").exists()
    assert (tmp_path / "old" / "mine.txt").read_text() == "mine"


def test_a_cache_inside_the_project_does_not_void_itself(project: Path, analysed: list[str]) -> None:
    config = parse(cache=str(project / "kept"))
    first = answers(project, config)
    analysed.clear()
    assert answers(project, config) == first
    assert analysed == []


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    expected = answers(project, Config())
    monkeypatch.setattr(os, "replace", full)
    assert answers(project, parse(cache=str(tmp_path / "kept"))) == expected
    assert list((tmp_path / "kept").rglob("*.tmp")) == []
    monkeypatch.setattr(os, "makedirs", full)
    assert answers(project, parse(cache=str(tmp_path / "other"))) == expected


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is not a folder"):
        parse(cache=str(tmp_path / "file"))
    (tmp_path / "a.py").write_text("")
    refused = mongo_threads("check", f"--mongo-threads-cache={tmp_path / 'file'}", str(tmp_path / "a.py"), cwd=tmp_path)
    assert refused.returncode == 2
    assert "is not a folder" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_findings_with_all_they_carry_survive() -> None:
    seen: set[type] = set()
    fixes = 0
    for path in sorted(FIXTURES.glob("MDB*/*.py"))[::9]:
        text = path.read_text(encoding="utf-8")
        found = tuple(engine.check_text(str(path), text, parse(selections=(("MDB6", "MDB7", "MDB1", "MDB2"),))))
        kept = cache._decoded(json.loads(json.dumps(cache._encoded(found))))
        assert kept == found
        assert [type(finding.fix) for finding in kept] == [type(finding.fix) for finding in found]
        seen.update(type(edit) for finding in found if finding.fix for edit in finding.fix.edits)
        fixes += sum(finding.fix is not None and finding.fix.applicability is kept[at].fix.applicability for at, finding in enumerate(found))
    assert len(seen) > 6
    assert fixes > 30


PROJECTS = sorted(path for path in (FIXTURES / "projects").iterdir() if path.is_dir())


@pytest.mark.parametrize("origin", PROJECTS[::12], ids=lambda path: path.name)
def test_whatever_file_goes_or_changes_the_answer_is_that_of_an_analysis(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "p"
    shutil.copytree(origin, root)
    monkeypatch.chdir(root)
    config = parse(cache=str(tmp_path / "kept"))
    assert answers(root, config) == answers(root, Config())
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    assert files
    for path in files:
        text = path.read_bytes()
        for changed in (None, text.replace(b"return", b"pass; return", 1).replace(b"=", b"= None or", 1), text):
            path.unlink() if changed is None else path.write_bytes(changed)
            assert answers(root, config) == answers(root, Config()), path


def test_valid_files_without_a_driver_are_not_read_by_the_parser_again(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "plain.py").write_text("x = 1\n")
    (project / "broken.py").write_text("def f(:\n")
    selection = Selection([f"--mongo-threads-cache={tmp_path / 'kept'}"])
    for _ in range(2):
        modules.new_run()
        assert check.check_file("plain.py", selection).problem is None
        problem = check.check_file("broken.py", selection).problem
        assert problem is not None
        assert "syntax error" in problem.text
    with monkeypatch.context() as patch:
        patch.setattr(check, "parse", None)
        patch.setattr("flake8_mongo_threads.source.is_valid", None)
        assert check.check_file("plain.py", selection).problem is None
    (project / "plain.py").write_text("x = (\n")
    assert check.check_file("plain.py", selection).problem is not None


def test_flake8_takes_the_option_from_its_configuration(project: Path) -> None:
    (project / "setup.cfg").write_text("[flake8]\nmongo-threads-cache = ./.kept\nselect = MDB\n")
    first = mongo_threads("check", ".", cwd=project)
    again = mongo_threads("check", ".", cwd=project)
    assert first.returncode == again.returncode == 1
    assert first.stdout == again.stdout
    assert "MDB101" in first.stdout
    assert (project / ".kept" / "CACHEDIR.TAG").is_file()
