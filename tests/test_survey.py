"""The survey of packages: what it unpacks, what it tells, and that it goes on where it stopped."""

import importlib.util
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from harness import ROOT
from programs import LOOP


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("survey", ROOT / "tools" / "survey.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["survey"] = module
    spec.loader.exec_module(module)
    return module


def wheel(folder: Path, name: str, **files: str) -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as packed:
        for member, text in files.items():
            packed.writestr(f"{name}/{member}.py", text)
        packed.writestr(f"{name}/data.so", b"\0")
        packed.writestr("../outside.py", "x = 1\n")
    return path


def run(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "survey.py"), *arguments], cwd=cwd, capture_output=True, text=True, timeout=120
    )


def test_the_list_can_be_read(tool: ModuleType) -> None:
    names = tool.names()
    assert len(names) >= 300
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.!+]+", name) for name in names)


def test_findings_counts_and_the_log(tmp_path: Path) -> None:
    one = wheel(tmp_path, "one", loop=LOOP, plain="x = 1\n", broken="def (\n")
    two = wheel(tmp_path, "two", plain="x = 1\n")
    done = run("--log", "log", str(one), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, counts, sums = done.stdout.splitlines()
    assert first.startswith("one==1.0: one/loop.py:6: MDB101 ")
    assert counts == "1 packages, 4 files (3 that parse), 10 lines, 1 files that name a driver"
    assert sums == "0 failures, 0 files over 10 times their parse, 1 findings of default rules"
    assert not (tmp_path.parent / "outside.py").exists()
    # The second run leaves out what the log has; what is no wheel is named.
    (tmp_path / "no-1.0-none-any.whl").write_bytes(b"no wheel")
    done = run("--log", "log", str(one), str(two), str(tmp_path / "no-1.0-none-any.whl"), cwd=tmp_path)
    assert done.returncode == 0
    assert "MDB101" not in done.stdout
    assert "left out: no-1.0-none-any.whl: " in done.stdout
    assert "2 packages, 6 files" in done.stdout
    assert [line.split("\t")[0] for line in (tmp_path / "log").read_text().splitlines()] == ["package", "one==1.0", "two==1.0"]
    done = run("--seconds", "-1", str(one), cwd=tmp_path)
    assert "0 packages cannot be had, 1 are left for the next run" in done.stdout


def test_failures_and_slow_files_are_told(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flake8_mongo_threads import check

    (tmp_path / "loop.py").write_text(LOOP)
    [seen] = tool.packages([str(tmp_path)], -1.0)
    assert len(seen.slow) == 1
    assert "× parse" in seen.slow[0]
    monkeypatch.setattr(check, "analysed", lambda *_: 1 / 0)
    [seen] = tool.packages([str(tmp_path)], 10.0)
    assert seen.failures == ("loop.py: ZeroDivisionError: division by zero",)
