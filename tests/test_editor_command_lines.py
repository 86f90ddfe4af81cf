"""How editors run flake8, word for word, and how they read what it prints."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness import run
from programs import LOOP

PROGRAM = LOOP.replace("client = MongoClient()", 'note = "é😀"; client = MongoClient()')
LINE = 6
COLUMN = PROGRAM.split("\n")[LINE - 1].index("MongoClient") + 1

# name: arguments after the interpreter, whether the text comes on standard input, how a line is read.
EDITORS = {
    "VS Code's Flake8 extension": (
        ["-m", "flake8", "--format=%(row)d,%(col)d,%(code).1s,%(code)s:%(text)s", "{file}"],
        False,
        r"(?P<line>\d+),(?P<column>-?\d+),(?P<type>\w+),(?P<code>\w+\d+):(?P<message>[^\r\n]*)",
    ),
    "python-lsp-server": (
        ["-m", "flake8", "-", "--stdin-display-name", "{relative}"],
        True,
        r"(?P<path>.*):(?P<line>\d*):(?P<column>\d*): (?P<code>\w*) (?P<message>.*)",
    ),
    "nvim-lint": (
        ["-m", "flake8", "--format=%(path)s:%(row)d:%(col)d:%(code)s:%(text)s", "--no-show-source", "--stdin-display-name", "{file}", "-"],
        True,
        r"(?P<path>[^:]+):(?P<line>\d+):(?P<column>\d+):(?P<code>\w+):(?P<message>.+)",
    ),
    "none-ls": (
        ["-m", "flake8", "--format", "default", "--stdin-display-name", "{file}", "-"],
        True,
        r"(?P<path>.+):(?P<line>\d+):(?P<column>\d+): (?P<code>(?P<type>\w)\w+) (?P<message>.*)",
    ),
    "ALE": (
        ["-m", "flake8", "--format=default", "--stdin-display-name", "{file}", "-"],
        True,
        r"[a-zA-Z]?:?(?P<path>[^:]+):(?P<line>\d+):?(?P<column>\d+)?: (?P<code>[A-Z]+[0-9]+):? (?P<message>.+)",
    ),
    "flycheck": (
        ["-m", "flake8", "--format=default", "--stdin-display-name={file}", "-"],
        True,
        r"(?P<path>.+):(?P<line>\d+):(?P<column>\d+): (?P<code>[A-Z]+[0-9]+) (?P<message>.*)",
    ),
    "SublimeLinter": (
        ["-m", "flake8", "--format", "default", "-"],
        True,
        r"(?P<path>.+?):(?P<line>\d+):(?P<column>\d+): (?P<code>\w+) (?P<message>.*)",
    ),
}


@pytest.mark.parametrize("name", EDITORS)
def test_flake8_as_the_editor_runs_it(tmp_path: Path, name: str) -> None:
    arguments, stdin, pattern = EDITORS[name]
    path = tmp_path / "shop" / "program.py"
    path.parent.mkdir()
    # A buffer that was not saved: what is on disk is something else.
    path.write_text("x = 1\n" if stdin else PROGRAM, encoding="utf-8")
    (tmp_path / ".flake8").write_text("[flake8]\nselect = MDB\n")
    words = [word.format(file=path, relative=path.relative_to(tmp_path)) for word in arguments]
    done = run(*words, cwd=tmp_path, stdin=PROGRAM if stdin else "")
    assert done.stderr == ""
    assert done.returncode == 1
    [line] = done.stdout.splitlines()
    match = re.fullmatch(pattern, line)
    assert match, line
    assert (int(match["line"]), int(match["column"]), match["code"]) == (LINE, COLUMN, "MDB101")
    assert match["message"].startswith("MongoClient built in 'load' on every iteration")
    if "path" in match.groupdict():
        assert match["path"] in (str(path), str(path.relative_to(tmp_path)), "stdin")


def test_buffer_that_no_file_stands_for_yet(tmp_path: Path) -> None:
    arguments, _, _ = EDITORS["ALE"]
    (tmp_path / ".flake8").write_text("[flake8]\nselect = MDB\nper-file-ignores = quiet.py:MDB101\n")
    for file, number in (("new.py", 1), ("quiet.py", 0)):
        words = [word.format(file=tmp_path / file, relative=file) for word in arguments]
        done = run(*words, cwd=tmp_path, stdin=PROGRAM)
        assert len(done.stdout.splitlines()) == number
        assert (done.stderr, done.returncode) == ("", number)


def test_server_in_one_process_for_all_files(tmp_path: Path) -> None:
    """VS Code's extension runs flake8 again and again in one process: nothing of an earlier run may stay."""
    (tmp_path / "db.py").write_text("def connect():\n    return None\n")
    (tmp_path / "main.py").write_text(
        LOOP.replace("from pymongo import MongoClient", "from db import connect").replace("MongoClient()", "connect()")
    )
    script = (
        "import runpy, sys, pathlib, time\nfrom flake8_mongo_threads.semantics import modules\nmodules.FRESH_SECONDS = 0.1\n"
        "def flake8():\n"
        "    sys.argv = ['flake8', '--select=MDB', '--format=%(row)d,%(col)d,%(code).1s,%(code)s:%(text)s', 'main.py']\n"
        "    try:\n        runpy.run_module('flake8', run_name='__main__')\n"
        "    except SystemExit:\n        print('--')\n"
        "flake8()\n"
        "pathlib.Path('db.py').write_text('from pymongo import MongoClient\\n\\n\\ndef connect():\\n    return MongoClient()\\n')\n"
        "time.sleep(modules.FRESH_SECONDS)\nflake8()\n"
    )
    done = run("-c", script, cwd=tmp_path)
    first, second, _ = done.stdout.split("--\n")
    assert first == ""
    assert second.startswith("6,18,M,MDB101:")


# mongo-threads lsp, as far as it goes without an editor


def test_without_pygls_one_line_says_what_to_do(tmp_path: Path) -> None:
    script = (
        "import sys\nfor name in ('pygls', 'lsprotocol'):\n    sys.modules[name] = None\n"
        "from flake8_mongo_threads.cli import main\nsys.exit(main(['lsp']))\n"
    )
    done = harness.run("-c", script, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mongo-threads: the language server needs pygls: pip install 'flake8-mongo-threads[lsp]'\n"


def test_server_ends_when_its_input_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flake8_mongo_threads", "lsp"], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, timeout=60
    )
    assert (done.stdout, done.returncode) == (b"", 0)
