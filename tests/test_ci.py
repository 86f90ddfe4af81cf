"""What runs in other people's pipelines: pre-commit hooks, the action, gates on changed lines."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flake8_mongo_threads import report
from harness import ROOT
from programs import LOOP

BIN = Path(sys.executable).parent
UNAWAITED = (
    "from pymongo import AsyncMongoClient\n\n\nasync def main():\n    client = AsyncMongoClient()\n    client.shop.orders.insert_one({})\n"
)


def run(*command: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **environment}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=280)


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main")
    done = run("git", *identity, *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr


def yaml_of(path: Path) -> Any:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_action_passes_its_inputs_by_environment() -> None:
    action = yaml_of(ROOT / "action.yml")
    assert action["runs"]["using"] == "composite"
    used = set()
    for step in action["runs"]["steps"]:
        assert "${{" not in step["run"], "an input in a script would be run"
        for value in step["env"].values():
            match = re.fullmatch(r"\$\{\{ (?:inputs\.([\w-]+)|github\.action_path) \}\}", value)
            assert match
            used.add(match[1])
    assert used - {None} == set(action["inputs"])


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_action_checks_and_writes_sarif(tmp_path: Path) -> None:
    action = yaml_of(ROOT / "action.yml")
    (script,) = [step["run"] for step in action["runs"]["steps"] if step["name"] == "Check"]
    python = tmp_path / "temp" / "mongo-threads" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    work = tmp_path / "work"
    (work / "a b").mkdir(parents=True)
    (work / "a b" / "loop.py").write_text(LOOP)
    (work / "other.py").write_text(LOOP)
    inputs = {
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "INPUT_PATHS": "a b\n",
        "INPUT_ARGUMENTS": "--isolated\n",
        "INPUT_SARIF_FILE": "out.sarif",
    }
    done = run("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script, cwd=work, **inputs)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("::warning title=MDB101,file=a b/loop.py,line=6,")
    assert len(done.stdout.splitlines()) == 1
    assert '"ruleId": "MDB101"' in (work / "out.sarif").read_text()
    clean = {**inputs, "INPUT_ARGUMENTS": "--isolated\n--ignore=MDB1", "INPUT_SARIF_FILE": ""}
    done = run("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script, cwd=work, **clean)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    evil = {**inputs, "INPUT_PATHS": "$(touch evil); `touch evil`\n-x"}
    assert run("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script, cwd=work, **evil).returncode == 2
    assert not (work / "evil").exists()


def test_every_format_is_in_the_docs() -> None:
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    for name in report.FORMATS:
        assert f"`{name}`" in text


def test_hooks_are_what_pre_commit_takes() -> None:
    hooks = {hook["id"]: hook for hook in yaml_of(ROOT / ".pre-commit-hooks.yaml")}
    assert set(hooks) == {"mongo-threads", "mongo-threads-fix", "mongo-threads-documents"}
    for hook in hooks.values():
        assert set(hook) == {"id", "name", "description", "entry", "language", "types_or", "require_serial"}
        assert hook["language"] == "python"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_hooks_run_in_pre_commit(tmp_path: Path) -> None:
    pytest.importorskip("pre_commit")
    hooks = tmp_path / "hooks"
    shutil.copytree(
        ROOT,
        hooks,
        ignore=shutil.ignore_patterns(".git", ".*cache", ".dev", ".hypothesis", "__pycache__", "fixtures", "tests", "node_modules"),
    )
    for folder in (hooks, work := tmp_path / "work"):
        folder.mkdir(exist_ok=True)
        git(folder, "init", "-q")
    git(hooks, "add", "-A")
    git(hooks, "commit", "-q", "-m", "hooks")
    revision = run("git", "rev-parse", "HEAD", cwd=hooks).stdout.strip()
    ids = "".join(f"      - id: {name}\n" for name in ("mongo-threads-fix", "mongo-threads", "mongo-threads-documents"))
    (work / ".pre-commit-config.yaml").write_text(f"repos:\n  - repo: {hooks}\n    rev: {revision}\n    hooks:\n{ids}")
    (work / "unawaited.py").write_text(UNAWAITED)
    (work / "loop.py").write_text(LOOP)
    (work / "excluded.py").write_text(LOOP)
    (work / ".flake8").write_text("[flake8]\nextend-exclude = excluded.py\n")
    (work / "page.md").write_text(f"```python\n{LOOP}```\n")
    git(work, "add", "-A")
    environment = {"PRE_COMMIT_HOME": str(tmp_path / "home"), "PRE_COMMIT_COLOR": "never"}
    done = run(sys.executable, "-m", "pre_commit", "run", "--all-files", cwd=work, **environment)
    assert done.returncode == 1, done.stderr
    assert "files were modified by this hook" in done.stdout
    assert "await client.shop" in (work / "unawaited.py").read_text()
    assert "loop.py:6:18: MDB101" in done.stdout
    assert "page.md:7:18: MDB101" in done.stdout
    assert "excluded.py" not in done.stdout
    for path in ("loop.py", "page.md"):
        (work / path).write_text((work / path).read_text().replace("MongoClient()\n", "MongoClient()  # noqa: MDB101\n"))
    git(work, "add", "-A")
    done = run(sys.executable, "-m", "pre_commit", "run", "--all-files", cwd=work, **environment)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_gate_on_changed_lines(tmp_path: Path) -> None:
    pytest.importorskip("diff_cover")
    git(tmp_path, "init", "-q")
    (tmp_path / ".flake8").write_text("[flake8]\nselect = MDB\n")
    (tmp_path / "old.py").write_text(LOOP)
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "an old misuse")
    git(tmp_path, "checkout", "-q", "-b", "change")
    gate = ("diff-quality", "--violations=flake8", "--compare-branch=main", "--fail-under=100")
    (tmp_path / "old.py").write_text(f"import sys\n{LOOP}\nprint(sys.version)\n")
    done = run(*gate, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    (tmp_path / "old.py").write_text(LOOP + LOOP.partition("\n\n\n")[2].replace("load", "load_more"))
    git(tmp_path, "commit", "-q", "-a", "-m", "a new misuse")
    done = run(*gate, cwd=tmp_path)
    assert done.returncode == 1, done.stdout
    assert "old.py" in done.stdout
    assert re.search(r"old\.py \(\d", done.stdout)
