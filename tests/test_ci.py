"""What runs in other people's pipelines: pre-commit hooks, the action, gates on changed lines."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flake8_mongo_threads import report
from harness import ROOT
from programs import LOOP, THREADS

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


def working_folder(folder: Path) -> Path:
    """A repository with all that the hooks are for."""
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "unawaited.py").write_text(UNAWAITED)
    (folder / "threads.py").write_text(THREADS)
    (folder / "stub.pyi").write_text("def f() -> None: ...\n")
    (folder / "excluded.py").write_text(THREADS)
    (folder / ".flake8").write_text("[flake8]\nextend-exclude = excluded.py\n")
    (folder / "page.md").write_text(f"```python\n{THREADS}```\n")
    (folder / "page.rst").write_text("Text\n")
    (folder / "notes.txt").write_text("from pymongo import MongoClient\n")
    return folder


def assert_hooks_work(work: Path, home: Path) -> None:
    """Run the configured hooks on all files, before and after what they find is silenced."""
    environment = {"PRE_COMMIT_HOME": str(home), "PRE_COMMIT_COLOR": "never"}
    git(work, "add", "-A")
    done = run(sys.executable, "-m", "pre_commit", "run", "--all-files", "--verbose", cwd=work, **environment)
    assert done.returncode == 1, done.stdout + done.stderr
    results = dict(re.findall(r"^(mongo-threads [^.]+?)\.{3,}(\w+)$", done.stdout, re.MULTILINE))
    assert results == {
        "mongo-threads fix": "Failed",
        "mongo-threads check": "Failed",
        "mongo-threads check (documents)": "Failed",
    }, done.stdout
    assert "files were modified by this hook" in done.stdout
    assert (work / "unawaited.py").read_text() == UNAWAITED.replace("client.shop", "await client.shop")
    assert (work / "threads.py").read_text() == THREADS, "only safe fixes are applied"
    assert "threads.py:7:14: MDB102" in done.stdout
    assert "page.md:8:14: MDB102" in done.stdout
    for name in ("excluded.py", "notes.txt"):
        assert name not in done.stdout
    for path in ("threads.py", "page.md"):
        (work / path).write_text((work / path).read_text().replace("MongoClient()\n", "MongoClient()  # noqa: MDB102\n"))
    git(work, "add", "-A")
    done = run(sys.executable, "-m", "pre_commit", "run", "--all-files", cwd=work, **environment)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Passed") == 3


def test_hooks_run_in_pre_commit(tmp_path: Path) -> None:
    """The hooks as they are shipped, but for where their program comes from: that of the tests, with no network."""
    pytest.importorskip("pre_commit")
    shipped = {hook["id"]: hook for hook in yaml_of(ROOT / ".pre-commit-hooks.yaml")}
    order = ("mongo-threads-fix", "mongo-threads", "mongo-threads-documents")
    hooks = []
    for name in order:
        program, _, arguments = shipped[name]["entry"].partition(" ")
        assert program == "mongo-threads"
        entry = f"{shlex.quote(sys.executable)} -m flake8_mongo_threads {arguments}"
        hooks.append({**shipped[name], "entry": entry, "language": "system"})
    work = working_folder(tmp_path / "work")
    # JSON is YAML.
    (work / ".pre-commit-config.yaml").write_text(json.dumps({"repos": [{"repo": "local", "hooks": hooks}]}))
    assert_hooks_work(work, tmp_path / "home")


def test_hooks_are_a_manifest_of_pre_commit() -> None:
    pytest.importorskip("pre_commit")
    done = run(sys.executable, "-m", "pre_commit", "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml"), cwd=ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_hooks_install_themselves_from_a_repository(tmp_path: Path) -> None:
    """As users have them: pre-commit clones the repository and installs it, with what it needs from the network."""
    pytest.importorskip("pre_commit")
    hooks = tmp_path / "hooks"
    shutil.copytree(
        ROOT,
        hooks,
        ignore=shutil.ignore_patterns(".git", ".*cache", ".dev", ".hypothesis", "__pycache__", "fixtures", "tests", "node_modules"),
    )
    git(hooks, "init", "-q")
    git(hooks, "add", "-A")
    git(hooks, "commit", "-q", "-m", "hooks")
    revision = run("git", "rev-parse", "HEAD", cwd=hooks).stdout.strip()
    work = working_folder(tmp_path / "work")
    ids = "".join(f"      - id: {name}\n" for name in ("mongo-threads-fix", "mongo-threads", "mongo-threads-documents"))
    (work / ".pre-commit-config.yaml").write_text(f"repos:\n  - repo: {hooks}\n    rev: {revision}\n    hooks:\n{ids}")
    assert_hooks_work(work, tmp_path / "home")


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("vendor.github-actions", "action.yml"),
        ("vendor.gitlab-ci", "docs/examples/gitlab-ci.yml"),
    ],
)
def test_what_others_read_is_valid(schema: str, path: str, tmp_path: Path) -> None:
    pytest.importorskip("check_jsonschema")
    check = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema)
    done = run(*check, str(ROOT / path), cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    (tmp_path / "bad.yml").write_text((ROOT / path).read_text(encoding="utf-8").replace("artifacts:", "script:").replace("runs:", "run:"))
    assert run(*check, "bad.yml", cwd=tmp_path).returncode == 1


def test_workflows_are_valid(tmp_path: Path) -> None:
    pytest.importorskip("check_jsonschema")
    workflows = [str(path) for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))]
    assert workflows
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    (job,) = re.findall(r"^```yaml\n(permissions:\n.*?)^```$", text, re.DOTALL | re.MULTILINE)
    (tmp_path / "documented.yml").write_text(f"on: [pull_request]\n{job}")
    check = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows")
    done = run(*check, "documented.yml", *workflows, cwd=tmp_path)
    assert done.returncode == 0, done.stdout


def test_documented_jobs_are_the_examples() -> None:
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    example = (ROOT / "docs" / "examples" / "gitlab-ci.yml").read_text(encoding="utf-8")
    assert f"```yaml\n{example}```" in text
    hooks = {hook["id"] for hook in yaml_of(ROOT / ".pre-commit-hooks.yaml")}
    for path in ("README.md", "docs/ci.md"):
        named = set(re.findall(r"- id: (mongo-threads[\w-]*)", (ROOT / path).read_text(encoding="utf-8")))
        assert named <= hooks


def test_traps_are_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert '```toml\n[tool.ruff.lint]\nexternal = ["MDB"]\n```' in text
    assert "`# flake8: noqa: MDB102`" in text


def test_ruff_keeps_our_comments_when_told_so(tmp_path: Path) -> None:
    pytest.importorskip("ruff")
    text = "print(1)  # noqa: MDB102\n"
    for external, kept in (("", False), ('external = ["MDB"]\n', True)):
        (tmp_path / "a.py").write_text(text)
        (tmp_path / "ruff.toml").write_text(f'[lint]\nselect = ["RUF"]\n{external}')
        run(sys.executable, "-m", "ruff", "check", "--no-cache", "--quiet", "--fix", "a.py", cwd=tmp_path)
        assert ((tmp_path / "a.py").read_text() == text) is kept


def test_a_file_level_comment_with_a_code_silences_everything(tmp_path: Path) -> None:
    """The trap that the documents tell of: flake8 then skips the whole file, for every plugin."""
    (tmp_path / "a.py").write_text(f"# flake8: noqa: MDB101\n{THREADS}import os\n")
    (tmp_path / "b.py").write_text(f"{THREADS}import os\n")
    done = run(sys.executable, "-m", "flake8", "--isolated", "--select=MDB,F", ".", cwd=tmp_path)
    codes = re.findall(r"^\./(\w)\.py:\d+:\d+: (\w+)", done.stdout, re.MULTILINE)
    assert sorted(codes) == [("b", "F401"), ("b", "MDB102")]
