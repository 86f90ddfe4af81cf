"""Files and the command: bytes kept, whole at every moment, and what is told about it."""

import ast
import codecs
import errno
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from flake8_mongo_threads import engine
from flake8_mongo_threads.commands import fix as command
from flake8_mongo_threads.config import Config
from flake8_mongo_threads.edits import Anchor, RenameName
from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.fixes import files
from flake8_mongo_threads.fixes.files import FileResult, Wish, WriteError, fix_file, replace_file
from flake8_mongo_threads.selection import Selection
from flake8_mongo_threads.source import Source

LEVELS = {"old": ("MDB101", Applicability.SAFE, "new"), "risky": ("MDB102", Applicability.UNSAFE, "calm"), "hopeless": ("MDB103", None, "")}


def detect(path: str, text: str, config: Config = Config()) -> list[Finding]:  # noqa: B008 - the signature of the engine
    """``old()`` has a safe fix, ``risky()`` an unsafe one, ``hopeless()`` none, ``stubborn()`` one that does not help."""
    source = Source.from_text(path, text)
    findings = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        name, span = node.func.id, source.span(node.func)
        if name in LEVELS:
            code, level, new = LEVELS[name]
            fix = Fix(f"call {new}", level, (RenameName(Anchor("Name", *span), new),)) if level else None
            findings.append(Finding(code, path, span, f"{name} called", (), fix))
        elif name == "stubborn":
            edit = RenameName(Anchor("Name", 99, 0, 99, 1), "x")
            findings.append(Finding("MDB104", path, span, "stubborn called", (), Fix("none", Applicability.SAFE, (edit,))))
    return sorted(findings, key=lambda finding: finding.sort_key)


@pytest.fixture(autouse=True)
def _own_detector(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engine, "check_text", detect)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def selection() -> Selection:
    return Selection(("--isolated",))


OLD = b"new = calm = 1\nold()\n"
NEW = b"new = calm = 1\nnew()\n"


def leftovers(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.endswith(".tmp")]


# Bytes


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF8 + "new = 1\nold('é')\n".encode(),
        codecs.BOM_UTF8 + b"# coding: utf-8\r\nnew = 1\r\nold()\r\n",
        b"new = 1\r\nold()\r\n",
        b"new = 1\r\nold()\nx = 2\r\n",
        b"new = 1\nold()",
        "# -*- coding: latin-1 -*-\nnew = 'é'; old()  # ü\n".encode("latin-1"),
        "#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nnew = '€'; old()\n".encode("cp1252"),
        b"new = 1\n\x0c\nif new:\n\told()\n",
        "new = '\u2028 \x0b \x1c'; old()\n".encode(),
        b"new = 1\nold()\n\n\n",
        b"new = 1\nold() \\\n  .x\n",
    ],
)
def test_all_bytes_but_the_name_are_kept(data: bytes, tmp_path: Path, selection: Selection) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(data)
    result = fix_file(str(path), selection, Wish())
    assert path.read_bytes() == data.replace(b"old(", b"new(")
    assert (result.changed, result.problem, len(result.applied)) == (True, "", 1)
    before = path.stat()
    assert not fix_file(str(path), selection, Wish()).changed
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"x = (\n", "syntax error: '(' was never closed, line 1"),
        (b"x = '\xff'\n", "not valid utf-8"),
        (b"# coding: nonsense\n", "unknown encoding: nonsense"),
        (b"x = 1\0\n", "source code contains null bytes"),
        (b"x = " + b"(" * 5000 + b")" * 5000 + b"\n", "syntax error: "),
    ],
)
def test_what_cannot_be_read_is_named_and_left(data: bytes, problem: str, tmp_path: Path, selection: Selection) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(data)
    result = fix_file(str(path), selection, Wish())
    assert problem in result.problem
    assert path.read_bytes() == data


def test_a_failure_of_the_program_itself_is_a_problem_of_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, selection: Selection
) -> None:
    def fail(*_args: object) -> list[Finding]:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(engine, "check_text", fail)
    (tmp_path / "a.py").write_bytes(OLD)
    assert fix_file("a.py", selection, Wish()).problem == "internal error: RuntimeError: two lines"
    assert fix_file("missing.py", selection, Wish()).problem == os.strerror(errno.ENOENT)
    assert fix_file(str(tmp_path), selection, Wish()).problem in ("not a regular file", os.strerror(errno.EISDIR))


# Writing


def test_mode_owner_and_symbolic_link_are_kept(tmp_path: Path, selection: Selection) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a.py", tmp_path / "link.py"
    target.write_bytes(OLD)
    target.chmod(0o754)
    link.symlink_to(Path("real") / "a.py")
    owner = (target.stat().st_uid, target.stat().st_gid)
    assert fix_file(str(link), selection, Wish()).changed
    assert link.is_symlink()
    assert target.read_bytes() == NEW
    assert stat.S_IMODE(target.stat().st_mode) == 0o754
    assert (target.stat().st_uid, target.stat().st_gid) == owner
    assert leftovers(tmp_path) == leftovers(target.parent) == []


class Killed(BaseException):
    """As if the process were told to stop at this moment."""


POINTS = [(tempfile, "mkstemp"), (os, "fdopen"), (os, "fchmod"), (os, "fsync"), (os, "replace")]


@pytest.mark.parametrize(("module", "name"), POINTS)
@pytest.mark.parametrize(
    "error", [Killed(), KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EIO, "I/O error")]
)
def test_a_stop_or_a_full_disk_at_any_moment_leaves_the_file_whole(
    module: object, name: str, error: BaseException, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(OLD)
    path.chmod(0o640)

    def fail(*args: object, **_kwargs: object) -> object:
        if name == "fdopen":
            os.close(args[0])  # type: ignore[arg-type]
        raise error

    monkeypatch.setattr(module, name, fail)
    with pytest.raises(WriteError if isinstance(error, OSError) else type(error)) as caught:
        replace_file(str(path), OLD, NEW)
    monkeypatch.undo()
    if isinstance(error, OSError):
        assert str(error.strerror) in str(caught.value)
    assert path.read_bytes() == OLD
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert leftovers(tmp_path) == []


def test_a_disk_that_fills_up_in_the_middle_of_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, selection: Selection) -> None:
    (tmp_path / "a.py").write_bytes(OLD)

    class Full:
        def __init__(self, handle: int) -> None:
            self._handle = handle

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: object) -> None:
            os.close(self._handle)

        def write(self, data: bytes) -> int:
            os.write(self._handle, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fdopen", lambda handle, _mode: Full(handle))
    assert fix_file("a.py", selection, Wish()).problem == f"not written: {os.strerror(errno.ENOSPC)}"
    assert (tmp_path / "a.py").read_bytes() == OLD
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_real_kill_leaves_the_file_whole(moment: str, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(OLD)
    program = (
        "import os, signal, sys\n"
        "from flake8_mongo_threads.fixes.files import replace_file\n"
        f"os.{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"replace_file(sys.argv[1], {OLD!r}, {NEW!r})\n"
    )
    root = Path(files.__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", program, str(path)], env=environment, timeout=60)
    assert done.returncode == -9
    assert path.read_bytes() == OLD


def test_an_edit_made_meanwhile_is_not_overwritten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, selection: Selection) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(OLD)
    original = os.fsync

    def edit_then_sync(handle: int) -> None:
        path.write_bytes(b"somebody = 'else'\n")
        original(handle)

    monkeypatch.setattr(os, "fsync", edit_then_sync)
    assert fix_file("a.py", selection, Wish()).problem == "not written: the file has changed meanwhile"
    assert path.read_bytes() == b"somebody = 'else'\n"
    assert leftovers(tmp_path) == []


def test_read_only_files_and_folders_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, selection: Selection) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(OLD)
    path.chmod(0o444)
    assert fix_file("a.py", selection, Wish()).problem == "not written: the file is read-only"
    path.chmod(0o644)

    def denied(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "mkstemp", denied)
    assert fix_file("a.py", selection, Wish()).problem == f"not written: {tmp_path.resolve()}: Permission denied"
    assert path.read_bytes() == OLD


def test_an_owner_that_cannot_be_kept_refuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(OLD)
    real = os.fstat

    def other_owner(handle: int) -> os.stat_result:
        return os.stat_result([*real(handle)[:4], 12345, *real(handle)[5:]])

    def denied(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(os, "fstat", other_owner)
    monkeypatch.setattr(os, "fchown", denied)
    with pytest.raises(WriteError, match="owner could not be kept"):
        replace_file(str(path), OLD, NEW)
    monkeypatch.undo()
    assert path.read_bytes() == OLD
    assert leftovers(tmp_path) == []


# The command


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def mongo_fix(capsys: pytest.CaptureFixture[str]) -> Command:
    import argparse

    def call(*arguments: str) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        command.register(parser.add_subparsers())
        given = parser.parse_args(["fix", *arguments])
        code = given.run(given)
        out, err = capsys.readouterr()
        return code, out, err

    return call


TEXT = "new = calm = 1\nold()\nrisky()\nhopeless()\n"


def test_safe_fixes_only_by_default(mongo_fix: Command, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(TEXT)
    code, out, err = mongo_fix("a.py")
    assert (tmp_path / "a.py").read_text() == TEXT.replace("old()", "new()")
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        "a.py:3:1: MDB102 risky called",
        "a.py:4:1: MDB103 hopeless called",
        "1 finding fixed in 1 file (MDB101 ×1); 2 findings left; 1 more fix with --unsafe-fixes",
    ]


def test_unsafe_fixes_when_asked_for(mongo_fix: Command, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(TEXT)
    code, out, _ = mongo_fix("--unsafe-fixes", "--show-fixes", "a.py")
    assert (tmp_path / "a.py").read_text() == TEXT.replace("old()", "new()").replace("risky()", "calm()")
    assert code == 1
    assert "a.py:2:1: MDB101 fixed: call new\na.py:3:1: MDB102 fixed: call calm\n" in out
    assert "--unsafe-fixes" not in out


def test_exit_codes(mongo_fix: Command, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(OLD)
    assert mongo_fix("a.py")[0] == 0
    assert mongo_fix("a.py")[1] == "nothing to fix\n"
    path.write_bytes(OLD)
    assert mongo_fix("--exit-non-zero-on-fix", "a.py")[0] == 1
    path.write_text("hopeless()\n")
    assert mongo_fix("a.py")[0] == 1
    assert mongo_fix("--exit-zero", "a.py")[0] == 0
    path.write_text("x = (\n")
    (tmp_path / "b.py").write_bytes(OLD)
    code, out, err = mongo_fix("--exit-zero", ".")
    assert code == 2
    assert err.startswith("./a.py: error: syntax error")
    assert "1 file skipped" in out
    assert (tmp_path / "b.py").read_bytes() == NEW
    assert mongo_fix("missing.py")[0] == 2


def test_diff_writes_nothing(mongo_fix: Command, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"new = 1\nold()")
    code, out, err = mongo_fix("--diff", "--show-fixes", "a.py")
    assert code == 1
    assert path.read_bytes() == b"new = 1\nold()"
    assert (
        out == "--- a.py\n+++ a.py\n@@ -1,2 +1,2 @@\n new = 1\n-old()\n\\ No newline at end of file\n+new()\n\\ No newline at end of file\n"
    )
    assert "MDB101 would be fixed: call new" in err
    assert "1 finding would be fixed in 1 file" in err
    path.write_bytes(NEW)
    assert mongo_fix("--diff", "a.py")[:2] == (0, "")


def test_select_ignore_fixable_unfixable(mongo_fix: Command, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    for arguments, fixed, told in [
        (("--ignore", "MDB101"), False, False),
        (("--select", "MDB103"), False, False),
        (("--unfixable", "MDB1"), False, True),
        (("--fixable", "MDB3"), False, True),
        (("--fixable", "MDB1,MDB2"), True, False),
        (("--fixable", "MDB101", "--unfixable", "MDB1"), True, False),
        (("--fixable", "MDB1", "--unfixable", "MDB101"), False, True),
    ]:
        path.write_bytes(OLD)
        _, out, _ = mongo_fix(*arguments, "a.py")
        assert (path.read_bytes() == NEW) is fixed, arguments
        assert ("old called" in out) is told, arguments


def test_a_refused_fix_is_told_with_its_reason(mongo_fix: Command, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("new = 1\nold()\nstubborn()\n")
    code, out, _ = mongo_fix("a.py")
    assert code == 1
    assert "a.py:3:1: MDB104 stubborn called\n    not fixed: no Name found at line 99, column 1\n" in out
    assert out.endswith("1 finding left, 1 of them with a fix that was refused\n")


def test_a_silenced_finding_is_left_alone(mongo_fix: Command, tmp_path: Path) -> None:
    text = "new = 1\nold()  # noqa\nold()  # noqa: MDB101\nold()  # noqa: E501\n"
    (tmp_path / "a.py").write_text(text)
    mongo_fix("a.py")
    assert (tmp_path / "a.py").read_text() == text.replace("old()  # noqa: E501", "new()  # noqa: E501")
    whole = f"# flake8: noqa\n{text}"
    (tmp_path / "a.py").write_text(whole)
    assert mongo_fix("a.py")[0] == 0
    assert (tmp_path / "a.py").read_text() == whole


def test_standard_input_goes_to_standard_output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import io

    class Stream:
        def __init__(self, data: bytes = b"") -> None:
            self.buffer = io.BytesIO(data)

    data = codecs.BOM_UTF8 + b"new = 1\r\nold()\r\nhopeless()\r\n"
    monkeypatch.setattr(sys, "stdin", Stream(data))
    chosen = Selection(("--isolated", "--stdin-display-name=pkg/x.py"))
    result = fix_file("-", chosen, Wish())
    assert result.data == data.replace(b"old", b"new")
    assert (result.path, [finding.code for finding in result.remaining]) == ("pkg/x.py", ["MDB103"])
    monkeypatch.setattr(sys, "stdin", Stream(b"x = 1\n"))
    assert fix_file("-", chosen, Wish()).data == b"x = 1\n"
    assert os.listdir(tmp_path) == []


def test_the_command_reads_standard_input_under_a_name(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    import argparse
    import io

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(OLD + b"hopeless()\r\n")))
    assert command.run(parser.parse_args(["--isolated", "--stdin-filename", "pkg/x.py", "-"])) == 1
    sys.stdout.flush()
    out, err = capfdbinary.readouterr()
    assert out == NEW + b"hopeless()\r\n"
    assert err.startswith(b"pkg/x.py:3:1: MDB103 hopeless called\n")
    assert command.run(parser.parse_args(["-", "a.py"])) == 2


def test_noqa_comments_are_added_where_flake8_reads_them(mongo_fix: Command, tmp_path: Path) -> None:
    text = (
        "old()\n"
        "old()  # why\r\n"
        "old(); hopeless()\n"
        "old()  # noqa: E501\n"
        "old()  # noqa: E501, W291  # more\n"
        "x = old('''\n''') ; y = 1\n"
        "x = 1 + \\\n    old()\n"
        "x = (\n    old(),\n    1)\n"
        "x = old() + \\\n    1"
    )
    path = tmp_path / "a.py"
    path.write_bytes(text.encode())
    code, out, _ = mongo_fix("--add-noqa", "a.py")
    assert path.read_bytes().decode() == (
        "old()  # noqa: MDB101\n"
        "old()  # why  # noqa: MDB101\r\n"
        "old(); hopeless()  # noqa: MDB101,MDB103\n"
        "old()  # noqa: E501,MDB101\n"
        "old()  # noqa: E501, W291,MDB101  # more\n"
        "x = old('''\n''') ; y = 1  # noqa: MDB101\n"
        "x = 1 + \\\n    old()  # noqa: MDB101\n"
        "x = (\n    old(),  # noqa: MDB101\n    1)\n"
        "x = old() + \\\n    1  # noqa: MDB101"
    )
    assert (code, out) == (0, "10 findings silenced in 1 file\n")
    assert mongo_fix("--add-noqa", "a.py")[:2] == (0, "0 findings silenced in 0 files\n")


def test_several_processes_do_the_same_as_one(mongo_fix: Command, tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"m{number:02}.py").write_text(TEXT)
    one = mongo_fix("--diff", "-j", "1", ".")
    assert mongo_fix("--diff", "-j", "2", ".") == one
    code, out, _ = mongo_fix("-j", "2", ".")
    assert code == 1
    assert "12 findings fixed in 12 files" in out
    assert all("new()\n" in path.read_text() for path in tmp_path.glob("*.py"))


def test_libcst_is_loaded_only_when_there_is_something_to_fix(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    program = (
        "import sys, argparse; from flake8_mongo_threads.commands import fix as command; p = argparse.ArgumentParser();"
        "command.add_arguments(p); code = command.run(p.parse_args(sys.argv[1:])); print('libcst' in sys.modules, code)"
    )
    root = Path(files.__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", program, "--isolated", "a.py"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-1:] == ["False 0"], done.stderr


# The codemod


def test_the_codemod_fixes_a_module_and_warns_of_what_it_left() -> None:
    from libcst.codemod import CodemodContext, TransformSuccess, transform_module

    from flake8_mongo_threads.fixes.codemods import FixMongoThreads

    context = CodemodContext(filename="a.py")
    text = "new = calm = 1\r\nold()\r\nrisky()\r\nold()  # noqa\r\nstubborn()\r\n"
    result = transform_module(FixMongoThreads(context), text)
    assert isinstance(result, TransformSuccess)
    assert result.code == text.replace("old()\r\nrisky", "new()\r\nrisky")
    assert result.warning_messages == ["a.py:5: MDB104 not fixed: no Name found at line 99, column 1"]
    again = transform_module(FixMongoThreads(CodemodContext(filename="a.py"), unsafe_fixes=True), text)
    assert isinstance(again, TransformSuccess)
    assert "calm()\r\n" in again.code


def test_results_travel_between_processes() -> None:
    import pickle

    result = FileResult("a.py", applied=tuple(detect("a.py", TEXT)))
    assert pickle.loads(pickle.dumps(result)) == result
