"""Baselines: what is known is not reported, wherever its line has gone; what is new is."""

import json
from pathlib import Path

import pytest

from harness import FIXTURES, mongo_threads
from programs import LOOP, THREADS


@pytest.fixture
def known(project: Path) -> Path:
    """A project whose two findings are known."""
    done = mongo_threads("check", "--isolated", "--write-baseline", "known.json", ".", cwd=project)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "2 findings in 2 files written to known.json\n"
    return project


def check(folder: Path, *arguments: str, baseline: str = "known.json") -> list[str]:
    done = mongo_threads("check", "--isolated", "--baseline", baseline, *(arguments or (".",)), cwd=folder)
    assert done.returncode == int(bool(done.stdout)), done.stderr
    return [line.split(": ")[0].rpartition(":")[0] for line in done.stdout.splitlines()]


def test_what_is_known_is_silent(known: Path) -> None:
    assert check(known) == []
    text = mongo_threads("check", "--isolated", "--baseline=known.json", "--output-format=text", ".", cwd=known).stdout
    assert text.splitlines()[-1] == "No findings in 2 files, 2 known from the baseline"
    assert json.loads(mongo_threads("check", "--isolated", "--baseline=known.json", "--output-format=gitlab", ".", cwd=known).stdout) == []


def test_lines_may_move_and_white_space_change(known: Path) -> None:
    (known / "loop.py").write_text('"""Doc."""\n\n\n' + LOOP.replace("client = MongoClient()", "client  = MongoClient()") + "\nx = 1\n")
    assert check(known) == []


def test_new_findings_are_reported(known: Path) -> None:
    (known / "loop.py").write_text(LOOP + LOOP.partition("\n\n\n")[2].replace("load", "load_more"))
    assert check(known) == ["./loop.py:10"]  # as many of the same text as were known, in order
    (known / "loop.py").write_text(LOOP.replace("MongoClient()", "MongoClient('mongodb://a')"))
    assert check(known) == ["./loop.py:6"]
    (known / "other.py").write_text(LOOP)
    assert check(known) == ["./loop.py:6", "./other.py:6"]


def test_a_baseline_holds_from_every_folder(known: Path) -> None:
    inner = known / "inner"
    inner.mkdir()
    assert check(inner, "..", baseline="../known.json") == []
    assert check(inner, str(known / "loop.py"), baseline="../known.json") == []


def test_the_file_is_stable_and_can_be_read(known: Path) -> None:
    text = (known / "known.json").read_text()
    assert json.loads(text) == {
        "version": 1,
        "findings": [
            {"path": "loop.py", "code": "MDB101", "line": "client = MongoClient()"},
            {"path": "threads.py", "code": "MDB102", "line": "client = MongoClient()"},
        ],
    }
    assert text.endswith("\n")
    for path, program in (("loop.py", LOOP), ("threads.py", THREADS)):
        (known / path).write_text(f"\n\n{program}")
    mongo_threads("check", "--isolated", "--write-baseline=known.json", "-j2", ".", cwd=known)
    assert (known / "known.json").read_text() == text
    assert sorted(path.name for path in known.iterdir()) == ["known.json", "loop.py", "threads.py"]


def test_equal_findings_are_counted(project: Path) -> None:
    (project / "loop.py").write_text(LOOP + LOOP.partition("\n\n\n")[2].replace("load", "load_more"))
    mongo_threads("check", "--isolated", "--write-baseline=known.json", "loop.py", cwd=project)
    assert json.loads((project / "known.json").read_text())["findings"][0]["count"] == 2
    assert check(project, "loop.py") == []


def test_documents_and_notebooks_have_baselines(tmp_path: Path) -> None:
    for path in (FIXTURES / "documents").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    before = mongo_threads("check", "--isolated", ".", cwd=tmp_path)
    assert len(before.stdout.splitlines()) > 10
    mongo_threads("check", "--isolated", "--write-baseline=known.json", ".", cwd=tmp_path)
    page = tmp_path / "threads.md"
    page.write_text(page.read_text(encoding="utf-8").replace("This post", "Text\n\nThis post"), encoding="utf-8")
    assert check(tmp_path) == []


def test_empty_baseline(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    assert mongo_threads("check", "--isolated", "--write-baseline=known.json", ".", cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "known.json").read_text()) == {"version": 1, "findings": []}
    assert check(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("[]", "no list of findings"),
        ('{"version": 1}', "no list of findings"),
        ('{"version": 2, "findings": []}', "version 2"),
        ('{"version": 1, "findings": [1]}', "1 is no finding"),
        ('{"version": 1, "findings": [{"path": "a"}]}', "is no finding"),
    ],
)
def test_a_file_that_is_no_baseline_is_told_and_two(text: str, reason: str, project: Path) -> None:
    (project / "known.json").write_text(text)
    done = mongo_threads("check", "--isolated", "--baseline=known.json", ".", cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert reason in done.stderr


def test_files_that_cannot_be_read_or_written_are_told(project: Path) -> None:
    done = mongo_threads("check", "--isolated", "--baseline=missing.json", ".", cwd=project)
    assert done.returncode == 2
    assert "missing.json: No such file" in done.stderr
    done = mongo_threads("check", "--isolated", "--write-baseline=no/folder.json", ".", cwd=project)
    assert done.returncode == 2
    assert "not written" in done.stderr
    (project / "broken.py").write_text("def (:\n")
    assert mongo_threads("check", "--isolated", "--write-baseline=known.json", ".", cwd=project).returncode == 2
