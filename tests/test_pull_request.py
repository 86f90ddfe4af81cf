"""A pull request: what it adds fails its gate, what was there before does not."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import ROOT
from programs import LOOP

MAIN, BRANCH = "main", "change"

OLD = f"""\
{LOOP}

def total(db):
    return db.orders.count_documents({{}})
"""
"""What is there before: a client for every file that is loaded."""

NEW = """

def load_again(paths):
    while paths:
        client = MongoClient()
        client.shop.files.delete_one({"path": paths.pop()})
"""
"""What a change adds to it."""
NEW_LINE = (OLD + NEW).splitlines().index("    while paths:") + 2

LIBRARY = """\
from pymongo import MongoClient


def record(page):
    client = MongoClient()
    client.shop.visits.insert_one({"page": page})
"""
SPAWNING = "from threading import Thread\n\n" + LIBRARY + "\n\nfor page in range(5):\n    Thread(target=record, args=(page,)).start()\n"
"""``LIBRARY`` with threads that call it: the misuse is a line that no change touches."""


def run(folder: Path, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command with the Python of the tests and its scripts first on the path, and nothing of the user's configuration."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIT_", "CI_")) and name not in ("FORCE_COLOR", "NO_COLOR")
    }
    env |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run(command, cwd=folder, env={**env, **environment}, capture_output=True, text=True, timeout=120)


def git(folder: Path, *arguments: str) -> str:
    done = run(folder, "git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(folder: Path, **files: str) -> str:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "a change")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with misuse on its main branch, on a branch of a pull request."""
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "-q", "-b", MAIN)
    (folder / ".flake8").write_text("[flake8]\nselect = MDB\n")
    commit(folder, loader=OLD, visits=LIBRARY)
    git(folder, "checkout", "-q", "-b", BRANCH)
    return folder


GATE = ("diff-quality", "--violations=flake8", f"--compare-branch={MAIN}", "--fail-under=100")


def test_the_gate_is_the_documented_one() -> None:
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    assert " ".join(GATE).replace(f"={MAIN}", f"=origin/{MAIN}") in text


def test_diff_quality_judges_the_lines_of_the_change(repository: Path) -> None:
    pytest.importorskip("diff_cover")
    assert run(repository, "flake8", "loader.py").stdout.startswith("loader.py:6:18: MDB101 "), "the misuse is there before"

    commit(repository, loader=f'"""Loads files."""\n{OLD}\nprint(total)\n')
    around = run(repository, *GATE)
    assert around.returncode == 0, around.stdout
    assert "loader.py (100%)" in around.stdout

    commit(repository, loader=OLD + NEW)
    added = run(repository, *GATE)
    assert added.returncode == 1, added.stderr
    assert re.search(rf"^loader\.py:{NEW_LINE}: MDB101 ", added.stdout, re.MULTILINE), added.stdout
    assert not re.search(r"^loader\.py:6: ", added.stdout, re.MULTILINE)

    commit(repository, loader=OLD + NEW.replace("MongoClient()", "MongoClient()  # noqa: MDB101"))
    assert run(repository, *GATE).returncode == 0


def test_a_report_can_be_judged_too(repository: Path) -> None:
    pytest.importorskip("diff_cover")
    commit(repository, loader=OLD + NEW)
    found = run(repository, "flake8", "--select=MDB,E,W", ".")
    (repository / "flake8.txt").write_text("".join(line for line in found.stdout.splitlines(True) if " MDB" in line))
    added = run(repository, *GATE, "flake8.txt")
    assert added.returncode == 1
    assert "MDB101" in added.stdout
    assert "E501" not in added.stdout


def baseline_gate(folder: Path) -> "subprocess.CompletedProcess[str]":
    """The gate of the GitLab example, line by line, but for what installs."""
    job = gitlab()["mongo-threads-gate"]
    lines = [line for line in job["script"] if not line.startswith("pip ")]
    assert len(lines) == len(job["script"]) - 1
    base = git(folder, "merge-base", MAIN, BRANCH)
    return run(folder, "bash", "-eo", "pipefail", "-c", "\n".join(lines), CI_MERGE_REQUEST_DIFF_BASE_SHA=base)


def gitlab() -> Any:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((ROOT / "docs" / "examples" / "gitlab-ci.yml").read_text(encoding="utf-8"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
@pytest.mark.parametrize(
    ("files", "new"),
    [
        ({"loader": f'"""Loads files."""\n{OLD}\nprint(total)\n'}, ""),
        ({"loader": OLD.replace("paths):\n    for path in paths", "names):\n    for path in names")}, ""),
        ({"loader": OLD + NEW}, f"loader.py:{NEW_LINE}:18: MDB101"),
        # The line that is wrong now is not one that changed: a gate on changed lines cannot see it.
        ({"visits": SPAWNING}, "visits.py:7:14: MDB102"),
    ],
    ids=["lines move", "around it", "new misuse", "misuse by a change elsewhere"],
)
def test_a_baseline_of_the_branch_point_judges_the_whole_program(repository: Path, files: dict[str, str], new: str) -> None:
    commit(repository, **files)
    done = baseline_gate(repository)
    assert done.returncode == (1 if new else 0), done.stdout + done.stderr
    assert [line.partition(" ")[0] for line in done.stdout.splitlines()] == ([f"./{new.partition(' ')[0]}"] if new else [])
    assert not new or f" {new.partition(' ')[2]} " in done.stdout


def test_a_gate_on_changed_lines_does_not_see_what_a_change_causes_elsewhere(repository: Path) -> None:
    pytest.importorskip("diff_cover")
    commit(repository, visits=SPAWNING)
    assert " MDB102 " in run(repository, "flake8", "visits.py").stdout
    assert run(repository, *GATE).returncode == 0, "the documentation says so"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_code_quality_of_both_branches_differs_by_what_is_new(repository: Path) -> None:
    (script,) = [line for line in gitlab()["mongo-threads"]["script"] if not line.startswith("pip ")]
    marks: list[dict[str, tuple[str, int, str]]] = []
    for text in (OLD, f"import sys\n{OLD}{NEW}\nprint(sys)\n"):
        commit(repository, loader=text + f"# {len(marks)}\n")
        done = run(repository, "bash", "-eo", "pipefail", "-c", script)
        assert done.returncode == 0, done.stderr
        report = json.loads((repository / "gl-code-quality-report.json").read_text(encoding="utf-8"))
        marks.append(
            {item["fingerprint"]: (item["location"]["path"], item["location"]["lines"]["begin"], item["check_name"]) for item in report}
        )
    before, after = marks
    assert set(before) < set(after)
    assert [after[mark] for mark in set(after) - set(before)] == [("loader.py", NEW_LINE + 1, "MDB101")]
