"""Whatever happens while files are fixed, each of them is the old one or the new one, whole."""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import programs
from flake8_mongo_threads import engine
from flake8_mongo_threads.fixes import files
from flake8_mongo_threads.fixes.files import Wish, fix_file
from flake8_mongo_threads.selection import Selection
from harness import ROOT, mongo_threads

OLD = programs.LOOP.encode()
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals, limits and owners are those of POSIX")


@pytest.fixture(scope="module")
def new() -> bytes:
    """The program when it is fixed."""
    result, data = files.fix_bytes("a.py", OLD, Selection(("--isolated",)), Wish())
    assert result.applied
    assert data != OLD
    return data


@pytest.fixture
def selection() -> Selection:
    return Selection(("--isolated",))


def child(program: str, *arguments: str, **more: object) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, **more)  # type: ignore[call-overload,no-any-return]


REPLACE = """
import os, sys, tempfile
from flake8_mongo_threads.fixes import files

def hooked(module, name, before):
    real = getattr(module, name)
    def stop(*arguments, **named):
        if not before:
            real(*arguments, **named)
        os._exit(9)
    setattr(module, name, stop)

where, name, moment = sys.argv[2:5]
hooked({"os": os, "tempfile": tempfile}[where], name, moment == "before")
files.replace_file(sys.argv[1], open(sys.argv[1], "rb").read(), sys.stdin.buffer.read())
"""
STEPS = ["tempfile.mkstemp", "os.fdopen", "os.fstat", "os.fchmod", "os.fsync", "os.replace", "os.open"]


@POSIX
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_leaves_one_of_the_two(step: str, moment: str, tmp_path: Path, new: bytes, selection: Selection) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(OLD)
    path.chmod(0o750)
    done = child(REPLACE, str(path), *step.split("."), moment, input=new.decode())
    assert done.returncode == 9, done.stderr
    # os.open is what mkstemp opens the temporary file by, and only then the folder
    assert path.read_bytes() == (new if (step, moment) == ("os.replace", "after") else OLD)
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    # what is left behind is no Python file, and does not keep the next run from doing its work
    left = [name for name in os.listdir(tmp_path) if name != "a.py"]
    assert all(name.startswith(".a.py.") and name.endswith(".tmp") for name in left)
    fix_file(str(path), selection, Wish())
    assert path.read_bytes() == new


def test_every_step_of_writing_is_tried() -> None:
    source = Path(files.__file__).read_text(encoding="utf-8")
    body = source[source.index("def replace_file") :]
    for step in STEPS:
        assert f"{step}(" in body, step


LIMITED = """
import resource, signal, sys
from flake8_mongo_threads.fixes import files
if sys.argv[2] == "killed":
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
old = open(sys.argv[1], "rb").read()
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    files.replace_file(sys.argv[1], old, sys.stdin.buffer.read())
except files.WriteError as error:
    print(error)
"""


@POSIX
@pytest.mark.parametrize("how", ["told", "killed"])
def test_a_limit_in_the_middle_of_the_file_leaves_it_whole(how: str, tmp_path: Path, new: bytes) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(OLD)
    done = child(LIMITED, str(path), how, input=new.decode())
    assert path.read_bytes() == OLD
    if how == "told":
        assert done.stdout.startswith("not written: ")
        assert os.listdir(tmp_path) == ["a.py"]
    else:
        assert done.returncode == -signal.SIGXFSZ


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _Full:
    """A file on a disk that is full after some bytes: told while it is written, or only when it is closed."""

    def __init__(self, handle: int, when: str) -> None:
        self._handle, self._when = handle, when

    def __enter__(self) -> "_Full":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)
        if self._when == "close":
            raise FULL

    def write(self, data: bytes) -> int:
        os.write(self._handle, data[:10])
        if self._when == "write":
            raise FULL
        return len(data)

    def flush(self) -> None:
        if self._when == "flush":
            raise FULL

    def fileno(self) -> int:
        return self._handle


@POSIX
@pytest.mark.parametrize("when", ["mkstemp", "write", "flush", "fsync", "close", "replace"])
def test_a_full_disk_leaves_the_file_whole(
    when: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, new: bytes, selection: Selection
) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(OLD)

    def full(*_: object, **__: object) -> None:
        raise FULL

    with monkeypatch.context() as patched:
        if when == "mkstemp":
            patched.setattr(tempfile, "mkstemp", full)
        elif when in ("fsync", "replace"):
            patched.setattr(os, when, full)
        else:
            patched.setattr(os, "fdopen", lambda handle, *_: _Full(handle, when))
        result = fix_file(str(path), selection, Wish())
    assert result.problem.startswith("not written: ")
    assert os.strerror(errno.ENOSPC) in result.problem
    assert path.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["a.py"]
    assert fix_file(str(path), selection, Wish()).changed
    assert path.read_bytes() == new


COMMAND = """
import os, sys
real, seen = os.replace, []
def replace(*arguments):
    seen.append(arguments)
    if len(seen) == 2:
        os._exit(9)
    real(*arguments)
os.replace = replace
from flake8_mongo_threads.cli import main
sys.argv = ["mongo-threads", "fix", "--isolated", "-j", "1", "."]
main()
"""


@POSIX
def test_a_run_that_is_killed_can_be_run_again(tmp_path: Path, new: bytes) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.py").write_bytes(OLD)
    assert child(COMMAND, cwd=tmp_path).returncode == 9
    assert sorted(path.read_bytes() == new for path in tmp_path.glob("*.py")) == [False, False, True]
    assert all(path.read_bytes() in (OLD, new) for path in tmp_path.glob("*.py"))
    assert mongo_threads("fix", "--isolated", ".", cwd=tmp_path).returncode == 0
    assert all(path.read_bytes() == new for path in tmp_path.glob("*.py"))


@pytest.fixture
def anybody() -> Iterator[Path]:
    """A folder that a user without rights can reach."""
    folder = Path(tempfile.mkdtemp(prefix="mongo-threads-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@POSIX
def test_a_read_only_tree_is_named_file_by_file(anybody: Path, new: bytes, selection: Selection) -> None:
    """Run as a user to whom permissions apply: ``new`` has already loaded what that user may not be able to read."""
    paths = [anybody / "a.py", anybody / "b.py"]
    for path in paths:
        path.write_bytes(OLD)
        path.chmod(0o666)
    paths[1].chmod(0o444)
    anybody.chmod(0o555)
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other tests may have left threads; this child needs none of them
        process = os.fork()
    if process == 0:  # pragma: no cover - the child
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.write(writer, "\n".join(fix_file(str(path), selection, Wish()).problem for path in paths).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        problems = stream.read().decode().split("\n")
    os.waitpid(process, 0)
    assert problems == [f"not written: {anybody.resolve()}: {os.strerror(errno.EACCES)}", "not written: the file is read-only"]
    assert [path.read_bytes() for path in paths] == [OLD, OLD]
    assert sorted(os.listdir(anybody)) == ["a.py", "b.py"]
    anybody.chmod(0o755)


# What others do meanwhile


OTHER = b"somebody = 'else'\n"


def during_detection(monkeypatch: pytest.MonkeyPatch, action: object) -> None:
    """Do something once while the file is looked at: it has been read and not yet been written."""
    real = engine.check_text
    done: list[bool] = []

    def check_text(*arguments: object, **named: object) -> object:
        if not done:
            done.append(True)
            action()  # type: ignore[operator]
        return real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "check_text", check_text)


def test_what_an_editor_saves_meanwhile_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, selection: Selection) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(OLD)
    during_detection(monkeypatch, lambda: path.write_bytes(OTHER))
    assert fix_file(str(path), selection, Wish()).problem == "not written: the file has changed meanwhile"
    assert path.read_bytes() == OTHER
    assert os.listdir(tmp_path) == ["a.py"]


def test_an_editor_that_replaces_the_file_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, selection: Selection) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(OLD)

    def save() -> None:
        (tmp_path / "new").write_bytes(OTHER)
        os.replace(tmp_path / "new", path)

    during_detection(monkeypatch, save)
    assert "changed meanwhile" in fix_file(str(path), selection, Wish()).problem
    assert path.read_bytes() == OTHER


def test_a_file_that_has_gone_does_not_come_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, selection: Selection) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(OLD)
    during_detection(monkeypatch, path.unlink)
    assert fix_file(str(path), selection, Wish()).problem
    assert os.listdir(tmp_path) == []


@POSIX
def test_a_link_that_is_turned_elsewhere_is_not_followed_blindly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, selection: Selection
) -> None:
    (tmp_path / "one").write_bytes(OLD)
    (tmp_path / "two").write_bytes(OTHER)
    link = tmp_path / "a.py"
    link.symlink_to("one")

    def turn() -> None:
        link.unlink()
        link.symlink_to("two")

    during_detection(monkeypatch, turn)
    assert "changed meanwhile" in fix_file(str(link), selection, Wish()).problem
    assert ((tmp_path / "one").read_bytes(), (tmp_path / "two").read_bytes()) == (OLD, OTHER)


# Links and modes


@POSIX
def test_links_stay_links(tmp_path: Path, new: bytes, selection: Selection) -> None:
    (tmp_path / "src").mkdir()
    real = tmp_path / "src" / "real.py"
    real.write_bytes(OLD)
    (tmp_path / "first.py").symlink_to("src/real.py")
    (tmp_path / "second.py").symlink_to(tmp_path / "first.py")
    (tmp_path / "folder").symlink_to("src")
    assert fix_file(str(tmp_path / "second.py"), selection, Wish()).changed
    assert real.read_bytes() == new
    assert os.readlink(tmp_path / "first.py") == "src/real.py"
    assert (tmp_path / "second.py").is_symlink()
    real.write_bytes(OLD)
    assert fix_file(str(tmp_path / "folder" / "real.py"), selection, Wish()).changed
    assert real.read_bytes() == new
    assert (tmp_path / "folder").is_symlink()
    assert os.listdir(tmp_path / "src") == ["real.py"]


@POSIX
def test_links_to_nothing_and_in_circles_are_named(tmp_path: Path, selection: Selection) -> None:
    (tmp_path / "dangling.py").symlink_to("nowhere.py")
    (tmp_path / "circle.py").symlink_to("circle.py")
    assert fix_file(str(tmp_path / "dangling.py"), selection, Wish()).problem == os.strerror(2)
    assert fix_file(str(tmp_path / "circle.py"), selection, Wish()).problem
    assert sorted(os.listdir(tmp_path)) == ["circle.py", "dangling.py"]


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755, 0o2755, 0o777])
def test_the_mode_is_kept(mode: int, tmp_path: Path, new: bytes, selection: Selection) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(OLD)
    path.chmod(mode)
    before = os.umask(0o077)
    try:
        assert fix_file(str(path), selection, Wish()).changed
    finally:
        os.umask(before)
    assert path.read_bytes() == new
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_file_without_changes_is_not_touched(tmp_path: Path, new: bytes, selection: Selection) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(new)
    os.utime(path, ns=(1, 1))
    inode = path.stat().st_ino
    assert not fix_file(str(path), selection, Wish()).changed
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (inode, 1)
    path.write_bytes(OLD)
    os.utime(path, ns=(1, 1))
    assert fix_file(str(path), selection, Wish(diff=True)).changed
    assert (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) == (inode, 1, OLD)
