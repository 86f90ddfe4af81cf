"""Files made to break a linter: each gets its finding or one line that says why not, and the others go on."""

import ast
import builtins
import json
import os
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness
from flake8_mongo_threads.check import check_file
from flake8_mongo_threads.plugin import Plugin
from flake8_mongo_threads.report import FORMATS
from flake8_mongo_threads.selection import Selection
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.source import decode, split_lines
from harness import ROOT
from programs import LOOP

FOUND = "MDB101"
SILENT = ""
TOO_DEEP = "syntax error: too deeply nested to be parsed"


def numbered(first: str, line: str, count: int) -> str:
    return first + "".join(line.format(i) for i in range(1, count))


def nested(line: str, depth: int) -> str:
    return "".join(" " * level + line + "\n" for level in range(depth)) + " " * depth + "MongoClient()\n"


TEXTS: dict[str, tuple[str, str]] = {
    # Wide and deep, as generators write them.
    "sum_of_1000": (LOOP + "n = " + " + ".join(f"client.a.b.count_documents({{'n': {i}}})" for i in range(1000)) + "\n", FOUND),
    "or_of_3000": (LOOP + "c = " + " or ".join(["MongoClient()"] * 3000) + "\n", FOUND),
    "sum_of_20000": (LOOP + "n = " + " + ".join("a" for _ in range(20_000)) + "\n", TOO_DEEP),
    "elif_of_5000": (LOOP + numbered("if n == 0:\n    pass\n", "elif n == {0}:\n    pass\n", 5000), TOO_DEEP),
    "elif_of_900": (LOOP + numbered("if n == 0:\n    pass\n", "elif n == {0}:\n    MongoClient().a.b.find_one()\n", 900), FOUND),
    "parentheses_150": (LOOP + "n = " + "(" * 150 + "1" + ")" * 150 + "\n", FOUND),
    "parentheses_5000": (LOOP + "n = " + "(" * 5000 + "1" + ")" * 5000 + "\n", "syntax error: too many nested parentheses"),
    "calls_in_calls": (LOOP + "n = " + "f(" * 180 + "MongoClient()" + ")" * 180 + "\n", FOUND),
    "brackets": (LOOP + "n = " + "[" * 90 + "MongoClient()" + "]" * 90 + "\n", FOUND),
    "not_not": (LOOP + "n = " + "not " * 900 + "MongoClient()\n", FOUND),
    "minus_minus": (LOOP + "n = " + "-" * 100_000 + "1\n", TOO_DEEP),
    "lambdas": (LOOP + "n = " + "lambda: " * 300 + "MongoClient()\n", FOUND),
    "attributes": (LOOP + "n = MongoClient()" + ".a" * 900 + ".find_one()\n", FOUND),
    "method_chain": (LOOP + "n = MongoClient().a.b.find()" + ".sort('a')" * 400 + "\n", FOUND),
    "conditional": (LOOP + "n = " + "a if b else " * 900 + "MongoClient()\n", FOUND),
    "functions_in_functions": (LOOP + nested("def f():", 95), FOUND),
    "ifs_in_ifs": (LOOP + nested("if n:", 95), FOUND),
    "loops_in_loops": (LOOP + nested("for n in m:", 19), FOUND),
    "rebound_2000_times": (LOOP + "c = MongoClient()\n" + "c = c\nc.a.b.find_one()\n" * 2000, FOUND),
    "alias_chain": (LOOP + "v0 = MongoClient()\n" + "".join(f"v{i + 1} = v{i}\n" for i in range(3000)) + "v3000.a.b.find_one()\n", FOUND),
    "call_chain": (LOOP + "".join(f"def f{i}(c: MongoClient):\n    return f{i + 1}(c)\n" for i in range(2000)), FOUND),
    "two_megabytes": (LOOP + "DATA = [\n" + "".join(f"    {'x' * 200!r},\n" for _ in range(10_000)) + "]\n", FOUND),
    "two_megabytes_of_code": (
        LOOP
        + "".join(
            f"def get_{i}(client: MongoClient):\n    return client.shop.things.find_one({{'_id': {i}, 'x': '{'x' * 60}'}})\n\n"
            for i in range(14_000)
        ),
        FOUND,
    ),
    "one_line_of_two_megabytes": (LOOP + "n = '" + "x" * 2_000_000 + "'\n", FOUND),
    "one_line_of_many_names": (LOOP + "n = [" + "MongoClient, " * 20_000 + "]\n", FOUND),
    "uri_of_many_options": (LOOP + "MongoClient('mongodb://h/?" + "x=1&" * 2000 + "')\n", FOUND),
    # What turns in circles.
    "circles": (
        LOOP + "a = a\nb = c\nc = b\nd = [d]\ne = lambda: e()\nself = self.self\nx, *x = x\n"
        "class A(A): pass\nclass B(C): pass\nclass C(B): pass\n"
        "def f(a=f): return f\ng = g()\ndef h(): return h()\n"
        "for o in (A(), B(), a, b, d, e(), f, g, h(), x, self): o.insert_one({}); o.find_one()\n",
        FOUND,
    ),
    "aliases_of_themselves": (
        "from typing import Optional, TypeAlias, Union\n"
        + LOOP
        + "A: TypeAlias = 'A'\nB = Optional['C']\nC = Union['B', MongoClient]\nD = 'D'\nE = list['E']\n"
        "F: 'F' = 'F'\nclass G('G'): g: 'G'\nclass H:\n    h: 'H' = h\n    H = H\n"
        "def f(a: 'A', b: 'B', c: C, d: D, e: E, g: 'G', h: 'H') -> 'f':\n"
        "    for o in (a, b, c, d, *e, g.g.g, h.h.H, f(a)): o.find_one(); o.close()\n",
        FOUND,
    ),
    "imports_itself": ("from imports_itself import *\nfrom imports_itself import client\nimport imports_itself\n" + LOOP, FOUND),
    "cycle_one": (
        "from cycle_two import *\nfrom cycle_two import B, client as c\n" + LOOP + "class A(B): pass\nclient = c\nA().find_one()\n",
        FOUND,
    ),
    "cycle_two": (
        "from cycle_one import *\nfrom cycle_one import A, client as c\n" + LOOP + "class B(A): pass\nclient = c\nB().find_one()\n",
        FOUND,
    ),
    "imports_all_that_is_wrong": (
        "".join(
            f"import {name}\nfrom {name} import *\nfrom {name} import c\n"
            for name in ("folder", "loop_one", "dangling", "null_byte", "wrong_cookie", "pipe", "locked")
        )
        + LOOP
        + "c.insert_one({})\n",
        FOUND,
    ),
    # Odd literals and odd calls.
    "odd_values": (
        LOOP + "MongoClient(maxPoolSize=0x" + "f" * 4000 + ")\nMongoClient(maxPoolSize=1e999, timeoutMS=-1e999j, connect=...)\n"
        "MongoClient(*a, **b, **{**c, 'x': 1}, **{'\\ud800': 1})\nMongoClient()['\\ud800'][...][::][1:2, 3]\n"
        "MongoClient('mongodb://\\ud800/?\\udfff=1&a\\n=\\ud800')\nMongoClient('mongodb://[::1')\nMongoClient('mongodb://%zz:@?&&==&;a=b')\n"
        "MongoClient('mongodb+srv://')\nMongoClient('mongodb://a:99999999999999/')\nMongoClient(b'mongodb://x/?\\xff')\nMongoClient(['a', 1, None])\n"
        "n = f'{MongoClient()!r:{MongoClient()}}'\n",
        FOUND,
    ),
    # Not Python.
    "not_python": ("def (:\n", "syntax error"),
    "never_closed": (LOOP + "n = (\n", "syntax error"),
    "ends_in_backslash": (LOOP + "\\", "syntax error"),
    "tabs_and_spaces": (LOOP + "if n:\n\tn = 1\n        n = 2\n", "syntax error: inconsistent use of tabs and spaces in indentation"),
    "digits": (LOOP + "n = " + "9" * 5000 + "\n", "syntax error"),
    "empty": ("", SILENT),
    "blank": ("   ", SILENT),
    "newline": ("\n", SILENT),
    "comment_only": ("# pymongo", SILENT),
    "mixed_newlines": (LOOP.replace("\n", "\r\n", 3).replace("    for", "\r    for") + "\x0c\r\rn = 1\n\r\n", FOUND),
    "carriage_returns": (LOOP.replace("\n", "\r"), FOUND),
    "no_last_newline": (LOOP + "n = '''\n'''", FOUND),
}
DATA: dict[str, tuple[bytes, str]] = {
    "null_byte": (LOOP.encode() + b"n = '\0'\n", "source code contains null bytes"),
    "only_null_bytes": (b"\0" * 1000, "source code contains null bytes"),
    "surrogate": ((LOOP + "n = '\ud800'\n").encode("utf-8", "surrogatepass"), "not valid utf-8"),
    "not_utf8": (LOOP.encode() + b"n = '\xff\xfe'\n", "not valid utf-8"),
    "utf16": (LOOP.encode("utf-16"), "not valid utf-8"),
    "byte_order_mark": (b"\xef\xbb\xbf" + LOOP.encode(), FOUND),
    "byte_order_mark_only": (b"\xef\xbb\xbf", SILENT),
    "two_encodings": (b"\xef\xbb\xbf# coding: latin-1\n" + LOOP.encode(), "contradicts the byte order mark"),
    "wrong_cookie": (b"# -*- coding: klingon -*-\n" + LOOP.encode(), "unknown encoding: klingon"),
    "binary_cookie": (b"# coding: hex\n" + LOOP.encode(), "hex is not a text encoding"),
    "undefined_cookie": (b"# coding: undefined\n" + LOOP.encode(), "not valid undefined"),
    "punycode_cookie": (b"# coding: punycode\n" + LOOP.encode(), "not valid punycode"),
    "ascii_cookie": (b"# coding: ascii\n" + LOOP.encode() + "n = 'é'\n".encode(), "not valid ascii"),
    "utf7_cookie": (b"# coding: utf-7\n" + LOOP.encode(), FOUND),
}
EXPECTED = {name: wanted for name, (_, wanted) in (*TEXTS.items(), *DATA.items())}
SYSTEM = {
    "loop_one": "Too many levels of symbolic links",
    "dangling": "No such file or directory",
    "pipe": "not a regular file",
}
BIG = 200_000
"""Bytes from which a file is too much for the other checkers of a flake8 run, in the time that a test may take."""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes and symbolic links")


def lay_out(folder: Path, most: int = 1 << 30) -> None:
    for name, (text, _) in TEXTS.items():
        if len(text) <= most:
            (folder / f"{name}.py").write_bytes(text.encode())
    for name, (data, _) in DATA.items():
        (folder / f"{name}.py").write_bytes(data)
    (folder / "folder.py").mkdir()
    (folder / "folder.py" / "inside.py").write_text(LOOP)
    (folder / "loop_one.py").symlink_to("loop_two.py")
    (folder / "loop_two.py").symlink_to("loop_one.py")
    (folder / "dangling.py").symlink_to("nowhere.py")
    (folder / "itself").symlink_to(".")
    (folder / "requirements.txt").symlink_to("requirements.txt")
    (folder / "locked.py").write_text(LOOP)


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> "subprocess.CompletedProcess[str]":
    folder = tmp_path_factory.mktemp("adversarial")
    lay_out(folder)
    os.mkfifo(folder / "pipe.py")
    os.mkfifo(folder / "setup.cfg.py")
    return harness.mongo_threads("check", "--isolated", "--output-format=plain", "-j1", ".", cwd=folder)


@pytest.fixture(scope="module")
def linted(tmp_path_factory: pytest.TempPathFactory) -> "subprocess.CompletedProcess[str]":
    folder = tmp_path_factory.mktemp("linted")
    lay_out(folder, BIG)
    # flake8 itself ends in a traceback on these, with or without a plugin.
    for name, wanted in EXPECTED.items():
        if wanted == TOO_DEEP or name in DEEP or name in FATAL:
            (folder / f"{name}.py").unlink(missing_ok=True)
    return harness.flake8("--select=MDB,E9", "-j1", ".", cwd=folder)


DEEP = frozenset(
    ("sum_of_1000", "or_of_3000", "elif_of_900", "not_not", "attributes", "method_chain", "conditional", "lambdas", "calls_in_calls")
)
"""What flake8's own checkers recurse over until they fail, on some Pythons."""
FATAL = frozenset(("binary_cookie", "undefined_cookie", "punycode_cookie", "null_byte", "only_null_bytes", "utf16"))
"""What ends a whole flake8 run, whatever plugins it has: encodings that it has no handler for, null bytes on some Pythons."""


def lines_about(name: str, *outputs: str) -> list[str]:
    return [line for output in outputs for line in output.splitlines() if re.match(rf"(\./)?{name}\.py:", line)]


def test_run_as_a_whole(checked: "subprocess.CompletedProcess[str]") -> None:
    assert checked.returncode == 2
    assert "Traceback" not in checked.stderr + checked.stdout
    assert "MDB000" not in checked.stdout
    known = (*EXPECTED, *SYSTEM, "loop_two", "locked", "folder", "setup.cfg")
    for line in (checked.stdout + checked.stderr).splitlines():
        assert re.match(r"(\./)?[\w.]+(/inside)?\.py:", line), line
        assert line.removeprefix("./").partition(".py")[0] in known
    assert lines_about("folder.py/inside", checked.stdout)


@pytest.mark.parametrize("name", [*EXPECTED, *SYSTEM])
def test_check_tells(name: str, checked: "subprocess.CompletedProcess[str]") -> None:
    wanted = EXPECTED.get(name, SYSTEM.get(name, ""))
    told = lines_about(name, checked.stderr)
    found = lines_about(name, checked.stdout)
    if wanted == FOUND:
        assert not told
        assert any(FOUND in line for line in found)
    elif wanted == TOO_DEEP and found:
        # A later Python parses what this one could not: then it is checked like any other.
        assert any(FOUND in line for line in found)
    elif wanted:
        assert len(told) == 1
        assert "error: " in told[0]
        assert wanted in told[0] or (wanted == TOO_DEEP and "syntax error" in told[0])
        assert not found
    else:
        assert not told
        assert not found


def test_flake8_as_a_whole(linted: "subprocess.CompletedProcess[str]") -> None:
    assert linted.returncode == 1
    assert "Traceback" not in linted.stderr
    assert "MDB000" not in linted.stdout
    assert lines_about("folder.py/inside", linted.stdout)


@pytest.mark.parametrize(
    "name", [n for n, w in EXPECTED.items() if w == FOUND and n not in {*DEEP, *FATAL} and (n in DATA or len(TEXTS[n][0]) <= BIG)]
)
def test_flake8_reports(name: str, linted: "subprocess.CompletedProcess[str]") -> None:
    about = lines_about(name, linted.stdout)
    # flake8 reads a few of the odd encodings in its own way; then it says so itself.
    assert any(FOUND in line or re.search(r" E9\d\d ", line) for line in about)
    assert any(FOUND in line for line in about) or name in DATA


@pytest.mark.parametrize("name", [n for n, (text, w) in TEXTS.items() if w == FOUND])
def test_plugin_alone(name: str, tmp_path: Path) -> None:
    """What a flake8 run would take too long for, or would not survive itself, the plugin does."""
    text = TEXTS[name][0]
    path = tmp_path / f"{name}.py"
    path.write_bytes(text.encode())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    lines = [line[:-2] + "\n" if line.endswith("\r\n") else line for line in split_lines(text)]
    found = list(Plugin(tree, lines, str(path)).run())
    assert FOUND in {message[:6] for _, _, message, _ in found}
    assert "MDB000" not in {message[:6] for _, _, message, _ in found}
    assert all("\n" not in message for _, _, message, _ in found)


def by_size(make: Callable[[int], str], size: int, folder: Path) -> float:
    """Processor time to check a text of some size."""
    path = folder / f"size_{size}.py"
    path.write_text(make(size))
    selection = Selection(["--isolated"])
    start = time.process_time()
    report = check_file(str(path), selection)
    taken = time.process_time() - start
    assert report.problem is None
    assert FOUND in {finding.code for finding in report.findings}
    return taken


@pytest.mark.parametrize(
    "make",
    [
        lambda size: LOOP + "c = MongoClient()\n" + "c = c\nc.a.b.find_one()\n" * size,
        lambda size: LOOP + "c = " + " or ".join(["MongoClient()"] * size) + "\n",
        lambda size: LOOP + "".join(f"def f{i}(c: MongoClient):\n    return f{i + 1}(c)\n" for i in range(size)),
        lambda size: LOOP + "class C:\n" + "".join(f"    def m{i}(self):\n        return self.m{(i * 79) % size}()\n" for i in range(size)),
    ],
    ids=["rebound", "operands", "functions", "methods"],
)
def test_cost_grows_with_the_size(make: Callable[[int], str], tmp_path: Path) -> None:
    """Four times the text may cost ten times as much, not sixteen: nothing is quadratic."""
    by_size(make, 100, tmp_path)
    small = min(by_size(make, 500, tmp_path) for _ in range(3))
    assert by_size(make, 2000, tmp_path) < max(10 * small, 1.0)


def test_unreadable_file(tmp_path: Path) -> None:
    (tmp_path / "locked.py").write_text(LOOP)
    (tmp_path / "user.py").write_text("from locked import client\n" + LOOP)
    (tmp_path / "locked.py").chmod(0)
    if os.access(tmp_path / "locked.py", os.R_OK):
        pytest.skip("this user may read everything")
    done = harness.mongo_threads("check", "--isolated", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "./locked.py: error: Permission denied\n"
    assert "user.py:7:" in done.stdout


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error"), FileNotFoundError(2, "No such file")]
)
def test_files_that_cannot_be_read(error: OSError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for users who may read everything: one line about the file itself, and nothing is known of it to others."""
    (tmp_path / "locked.py").write_text("from pymongo import MongoClient\ndb = MongoClient().shop\n")
    (tmp_path / "user.py").write_text("from locked import db\n" + LOOP + "if db: pass\n")
    monkeypatch.chdir(tmp_path)
    selection = Selection(["--isolated"])
    assert {finding.code for finding in check_file("user.py", selection).findings} == {FOUND, "MDB007"}
    modules.new_run()
    real = builtins.open

    def refuse(path: object, *arguments: Any, **named: Any) -> Any:
        if str(path).endswith("locked.py"):
            raise error
        return real(path, *arguments, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(builtins, "open", refuse)
    report = check_file("locked.py", selection)
    assert report.problem is not None
    assert report.problem.text == error.strerror
    # What was read before and has not changed since is known; a file that nobody has read is not.
    (tmp_path / "fresh_locked.py").write_text("from pymongo import MongoClient\ndb = MongoClient().shop\n")
    (tmp_path / "other.py").write_text("from fresh_locked import db\n" + LOOP + "if db: pass\n")
    assert {finding.code for finding in check_file("other.py", selection).findings} == {FOUND}


def test_names_that_are_not_text(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, line breaks and the like in names of files and folders: every format tells of them."""
    names = [b"\xff\n.py", b"new\nline.py", b"dir\xe9/a.py", b"-dash.py", b"%41.py", b"a b'\".py", b"\xe2\x80\xa8.py", "é😀.py".encode()]
    folder = os.fsencode(tmp_path)
    os.mkdir(folder + b"/dir\xe9")
    for name in names:
        Path(os.fsdecode(folder + b"/" + name)).write_text(LOOP)
    for kind in sorted(FORMATS):
        done = harness.mongo_threads("check", "--isolated", f"--output-format={kind}", ".", cwd=tmp_path)
        assert done.returncode == 1, (kind, done.stderr)
        assert "Traceback" not in done.stderr
        if kind in ("json", "sarif", "gitlab"):
            assert done.stdout.count("MDB101") >= len(names)
            json.loads(done.stdout)
    done = harness.mongo_threads("check", "--isolated", "--write-baseline=known.json", ".", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, f"{len(names)} findings in {len(names)} files written to known.json\n")
    done = harness.mongo_threads("check", "--isolated", "--baseline=known.json", ".", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    done = harness.mongo_threads("fix", "--isolated", ".", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert harness.mongo_threads("check", "--isolated", ".", cwd=tmp_path).returncode == 0


def test_vanishing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are listed and gone when they are read."""
    (tmp_path / "user.py").write_text("from helper import client\n" + LOOP)
    (tmp_path / "helper.py").write_text(LOOP)
    monkeypatch.chdir(tmp_path)
    selection = Selection(["--isolated"])
    paths = selection.paths(["."])
    (tmp_path / "helper.py").unlink()
    reports = [check_file(path, selection) for path in paths]
    assert [report.problem.text if report.problem else "" for report in reports] == ["No such file or directory", ""]
    assert [finding.code for finding in reports[1].findings] == [FOUND]


def test_standard_input_and_pipes(tmp_path: Path) -> None:
    done = harness.mongo_threads("check", "--isolated", "-", cwd=tmp_path, stdin=b"\xff\0")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    # What a shell makes of <(command).
    reading, writing = os.pipe()
    os.write(writing, LOOP.encode())
    os.close(writing)
    program = subprocess.run(
        [sys.executable, "-m", "flake8_mongo_threads", "check", "--isolated", f"/dev/fd/{reading}"],
        pass_fds=(reading,),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    os.close(reading)
    assert program.returncode == 1, program.stderr
    assert FOUND in program.stdout


def test_fix_survives_the_same_files(tmp_path: Path) -> None:
    lay_out(tmp_path, 20_000)
    os.mkfifo(tmp_path / "pipe.py")
    before = {path: path.read_bytes() for path in tmp_path.glob("*.py") if path.is_file()}
    done = harness.mongo_threads("fix", "--isolated", "--diff", "--unsafe-fixes", "-j1", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("name", ["page.md", "page.rst", "book.ipynb"])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\xff\xfe",
        b"```python\n" * 500,
        b"```python\nimport pymongo\n" + b"(" * 5000 + b"\n```\n",
        b"- " * 3000 + b"```python\nimport pymongo\n```\n",
        b"> " * 3000 + b"```python\nimport pymongo\n",
        b".. code-block:: python\n\n    import pymongo\n\t  x = 1\n  y\n",
        b'{"cells": [' + b"[" * 100_000,
        b'{"cells": [{"cell_type": "code", "source": [1, null]}], "nbformat": 4}',
        b'{"cells": [{"cell_type": "code", "source": "import pymongo\\n%magic\\n\\ud800"}], "nbformat": 4}',
    ],
)
def test_pages(name: str, data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(data)
    report = check_file(name, Selection(["--isolated"]))
    assert "MDB000" not in {finding.code for finding in report.findings}
    assert report.problem is None or "internal error" not in report.problem.text
    assert len(report.problem_line().splitlines()) <= 1


def test_texts_are_what_their_names_say() -> None:
    assert len(TEXTS["two_megabytes"][0]) > 2_000_000
    assert all(decode(text.encode()).text == text for text, _ in TEXTS.values())
