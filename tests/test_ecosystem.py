"""The tool that runs the linter on public projects: its tables are whole, its arithmetic and its comparison are right."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import harness
from harness import ROOT
from programs import LOOP, THREADS


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ecosystem", ROOT / "tools" / "ecosystem.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables(tool: ModuleType) -> None:
    projects = {project.name: project for project in tool.read_projects()}
    assert len(projects) == len(tool.read_projects()) >= 30
    for project in projects.values():
        assert len(project.version) == 40 or project.source == "pypi", f"{project.name}: not a full commit"
    labels = tool.read_labels()
    assert len(labels) > 300
    for place, label in labels.items():
        assert place.project in projects
        assert place.code in harness.CODES
        assert label.why
        assert not place.path.startswith("/")


def test_damaged_tables(tool: ModuleType, tmp_path: Path) -> None:
    heading = "project\tpath\tline\tcode\tverdict\twhy\n"
    for row, reason in (
        ("a\tb.py\t1\tMDB101\tperhaps\tx\n", "'perhaps' is none of"),
        ("a\tb.py\t1\tMDB101\ttrue\n", "5 columns instead of 6"),
        ("a\tb.py\t1\tMDB101\ttrue\tx\na\tb.py\t1\tMDB101\tfalse\tx\n", "stands there twice"),
    ):
        (tmp_path / "labels.tsv").write_text(heading + row)
        with pytest.raises(tool.EcosystemError, match=reason):
            tool.read_labels(tmp_path / "labels.tsv")


def test_precision(tool: ModuleType) -> None:
    def place(line: int, code: str = "MDB101") -> object:
        return tool.Place("a", "b.py", line, code)

    labels = {
        place(1): tool.Label("true", ""),
        place(2): tool.Label("true", ""),
        place(3): tool.Label("false", ""),
        place(4): tool.Label("debatable", ""),
    }
    found = [place(line) for line in range(1, 7)] + [place(1, "MDB501"), place(1)]
    first, second = tool.precision(found, labels)
    assert (first.reported, first.judged, first.true, first.false, first.debatable) == (6, 4, 2, 1, 1)
    assert first.precision == pytest.approx(2 / 3)
    assert (second.reported, second.precision) == (1, None)
    table = tool.table([first, second])
    assert "| MDB101 | 6 | 4 | 2 | 1 | 1 | 66.7% |" in table
    assert "| MDB501 | 1 | 0 | 0 | 0 | 0 | – |" in table
    assert "| all | 7 | 4 | 2 | 1 | 1 | 66.7% |" in table


def test_two_versions(tool: ModuleType, tmp_path: Path) -> None:
    """A checkout that reports nothing beside this one: every finding and every fix is a difference."""
    project = tool.Project("mine", "git", "", "0" * 40)
    folder = tmp_path / project.folder
    folder.mkdir()
    (folder / "loop.py").write_text(LOOP)
    old = tmp_path / "old" / "flake8_mongo_threads"
    old.mkdir(parents=True)
    (old / "__init__.py").write_text("")
    (old / "__main__.py").write_text("import sys\nif 'json' in sys.argv[-2]:\n    print('[]')\n")
    here = tool.Version(str(ROOT))
    assert tool.compare(here, tool.Version(sys.executable), project, folder, 1) == []
    lines = tool.compare(tool.Version(str(tmp_path / "old")), here, project, folder, 1)
    assert any(line.startswith("+loop.py:6:18: MDB101 ") for line in lines)
    assert any(line.startswith("+") and "fixes" not in line and "MongoClient()" in line for line in lines)
    assert tool.fetch(project, tmp_path) == folder
    with pytest.raises(tool.EcosystemError, match="neither a checkout"):
        tool.Version(str(tmp_path))


def test_survey(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loop.py").write_text(LOOP)
    (tmp_path / "threads.py").write_text(THREADS)
    (tmp_path / "broken.py").write_text("def (:\n")
    files = list(tool.survey([str(tmp_path)]))
    assert [(Path(item.path).name, item.failure) for item in files] == [("broken.py", ""), ("loop.py", ""), ("threads.py", "")]
    assert all((item.parse > 0) == (Path(item.path).name != "broken.py") for item in files)
    assert all(item.ratio >= 0 for item in files)

    def fails(*_: object) -> None:
        raise ZeroDivisionError("no")

    monkeypatch.setattr("flake8_mongo_threads.check.check_file", fails)
    assert {item.failure for item in tool.survey([str(tmp_path)])} == {"ZeroDivisionError: no"}
