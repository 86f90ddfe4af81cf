"""Fixtures of pytest for all tests."""

from pathlib import Path

import pytest

import programs


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the current one, with two programs that each have one finding."""
    (tmp_path / "loop.py").write_text(programs.LOOP)
    (tmp_path / "threads.py").write_text(programs.THREADS)
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path
