"""Nothing of the user's code is run, and nothing outside the project is read: both as the interpreter itself sees it.

The commands run in a process with an audit hook, which hears of every file that is opened, every module that is imported, every code
object that is executed, every process that is started and every connection, whoever in the process does it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness import ROOT, run

WATCHER = """
import json, os, sys
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
LOUD = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "socket.connect", "socket.bind", "ctypes.dlopen", "urllib.Request")
def heard(event, arguments):
    if event == "open":
        told = arguments[0]
        if isinstance(told, bytes):
            told = os.fsdecode(told)
        if not isinstance(told, (str, os.PathLike)):
            return
        told = os.path.abspath(os.fspath(told))
    elif event == "import":
        told = arguments[0]
    elif event == "exec":
        told = getattr(arguments[0], "co_filename", str(arguments[0]))
    elif event in LOUD:
        told = str(arguments)
    else:
        return
    os.write(log, (json.dumps([event, told]) + "\\n").encode())
sys.argv[:] = sys.argv[1:]
program = sys.argv.pop(1)
sys.addaudithook(heard)
if program == "flake8":
    from flake8.main.cli import main
else:
    from flake8_mongo_threads.cli import main
raise SystemExit(main(sys.argv[1:]))
"""
"""Run ``flake8`` or ``mongo-threads`` (second argument) with what is heard written to a file (first argument)."""

EFFECT = """
import os, pathlib, sys
pathlib.Path({mark!r}).touch()
os.system("touch {mark}")
class Meta(type):
    def __init__(cls, *args): pathlib.Path({mark!r}).touch()
class C(metaclass=Meta):
    def __getattr__(self, name): pathlib.Path({mark!r}).touch()
def __getattr__(name): pathlib.Path({mark!r}).touch()
{body}
"""

USER = """
from pymongo import MongoClient
from app.helper import client, C
from app import helper
from side_effect import client as other
from ..outside_package.secret import client as far
from ....outside import client as farther
import secret, outside

'''
from ./../../outside import client
from .////etc/hostname import client
import ../../outside
from ../../outside import client
'''

for _ in range(3):
    MongoClient(port=pathlib.Path({mark!r}).touch() or 1).a.b.insert_one({{}})

class Repository(C):
    def __init__(self, db):
        self.db = db

    async def handler(self, request):
        request.app.db.users.insert_one({{}})
        self.db.users.find_one({{}})
        client.a.b.find_one(); other.a.b.find_one(); far.a.b.find_one(); farther.a.b.find_one()
"""

CONFIGURATION = frozenset(("setup.cfg", "tox.ini", ".flake8"))
REQUIREMENTS = frozenset(("pyproject.toml", "setup.cfg", "setup.py", "Pipfile", "requirements.txt"))


class Heard(NamedTuple):
    """What a watched run did."""

    code: int
    output: str
    events: list[tuple[str, str]]

    def of(self, *events: str) -> set[str]:
        return {told for event, told in self.events if event in events}


class Place(NamedTuple):
    """A project, and what lies around it."""

    top: Path
    project: Path
    mark: Path
    log: Path

    def watch(self, program: str, *arguments: str) -> Heard:
        self.log.unlink(missing_ok=True)
        if arguments == ("lsp",):
            done = self.edit("-c", WATCHER, str(self.log), program, *arguments)
        else:
            done = run("-c", WATCHER, str(self.log), program, *arguments, cwd=self.project, PYTHONPATH=str(ROOT))
        events = [tuple(json.loads(line)) for line in self.log.read_text().splitlines()]
        return Heard(done.returncode, done.stdout + done.stderr, events)

    def edit(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """An editor's session: it opens a file, asks for what can be done about it, waits for the answer, and ends."""
        uri = (self.project / "app" / "user.py").as_uri()
        whole = {"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}}
        item = {"uri": uri, "languageId": "python", "version": 1, "text": (self.project / "app" / "user.py").read_text()}
        messages: list[dict[str, Any]] = [
            {"id": 1, "method": "initialize", "params": {"rootUri": self.project.as_uri(), "capabilities": {}}},
            {"method": "initialized", "params": {}},
            {"method": "textDocument/didOpen", "params": {"textDocument": item}},
            {
                "id": 2,
                "method": "textDocument/codeAction",
                "params": {"textDocument": {"uri": uri}, "range": whole, "context": {"diagnostics": []}},
            },
            {"id": 3, "method": "shutdown"},
            {"method": "exit"},
        ]
        server = subprocess.Popen(
            [sys.executable, *command], cwd=self.project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert server.stdin is not None
        assert server.stdout is not None
        told = b""
        for message in messages:
            body = json.dumps({"jsonrpc": "2.0", **message}).encode()
            server.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            server.stdin.flush()
            answer = b'"id": %d' % message.get("id", 0)
            while answer != b'"id": 0' and answer not in told:
                more = os.read(server.stdout.fileno(), 65_536)
                assert more, told
                told += more
        rest, errors = server.communicate(timeout=60)
        return subprocess.CompletedProcess(command, server.returncode, (told + rest).decode(), errors.decode())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    top, mark = tmp_path / "top", tmp_path / "mark"
    project = top / "middle" / "project"
    package = project / "app"
    package.mkdir(parents=True)
    (project / "pyproject.toml").write_text("[project]\nname = 'app'\ndependencies = ['pymongo>=4.6']\n")
    (project / "requirements.txt").write_text("-r ../../outside.txt\n-r /etc/hostname\n-r more.txt\npymongo\n")
    (project / "more.txt").write_text("pymongo>=4.6\n")
    (package / "__init__.py").write_text(EFFECT.format(mark=str(mark), body=""))
    (package / "helper.py").write_text(EFFECT.format(mark=str(mark), body="from pymongo import MongoClient\nclient = MongoClient()\n"))
    (package / "conftest.py").write_text(EFFECT.format(mark=str(mark), body=""))
    (package / "user.py").write_text(EFFECT.format(mark=str(mark), body=USER.format(mark=str(mark))))
    (project / "side_effect.py").write_text(EFFECT.format(mark=str(mark), body="from pymongo import MongoClient\nclient = MongoClient()\n"))
    (project / "sitecustomize.py").write_text(EFFECT.format(mark=str(mark), body=""))
    (project / "page.md").write_text("```python\n" + EFFECT.format(mark=str(mark), body=USER.format(mark=str(mark))) + "```\n")
    cell: dict[str, object] = {
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        "source": ["from side_effect import client\n", "import pymongo\n"],
    }
    (project / "book.ipynb").write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    outside = EFFECT.format(mark=str(mark), body="from pymongo import MongoClient\nclient = MongoClient()\n")
    (top / "outside_package").mkdir()
    (top / "middle" / "outside_package").mkdir()
    for path in (top, top / "middle", tmp_path):
        (path / "outside.py").write_text(outside)
        (path / "secret.py").write_text(outside)
        (path / "outside.txt").write_text("pymongo==3.13\n")
    (top / "middle" / "outside_package" / "secret.py").write_text(outside)
    (top / "outside_package" / "secret.py").write_text(outside)
    return Place(tmp_path, project, mark, tmp_path / "log")


RUNS = {
    "check": ("mongo-threads", "check", "--docstrings", "-j1", "."),
    "check in processes": ("mongo-threads", "check", "-j2", "."),
    "check of one file": ("mongo-threads", "check", "--isolated", "app/user.py"),
    "sarif": ("mongo-threads", "check", "--output-format=sarif", "-j1", "."),
    "fix": ("mongo-threads", "fix", "--diff", "--unsafe-fixes", "-j1", "."),
    "fix for real": ("mongo-threads", "fix", "--unsafe-fixes", "-j1", "."),
    "migrate": ("mongo-threads", "migrate", "motor", "--diff", "."),
    "explain": ("mongo-threads", "explain", "app/user.py:27"),
    "lsp": ("mongo-threads", "lsp"),
    "flake8": ("flake8", "--select=MDB,MDB1,MDB7", "-j1", "."),
}


def allowed_outside(path: Path) -> bool:
    """What is looked for in the folders above a project, as documented: configuration of flake8, requirements."""
    return path.name in CONFIGURATION | REQUIREMENTS


@pytest.mark.parametrize("name", RUNS)
def test_nothing_is_run_and_nothing_outside_is_read(name: str, place: Place) -> None:
    heard = place.watch(*RUNS[name])
    assert heard.code == (0 if name in ("explain", "lsp", "migrate") else 1), heard.output
    assert "MDB" in heard.output or name == "migrate"
    assert "internal error in" not in heard.output

    assert not place.mark.exists(), "code of the user was run"
    assert heard.of("import").isdisjoint(
        {"app", "app.helper", "app.user", "side_effect", "secret", "outside", "conftest", "pymongo", "motor", "bson"}
    )
    ran = {file for file in heard.of("exec") if file.startswith(str(place.top)) or file in ("<unknown>", "<user>")}
    assert not ran
    assert not heard.of(
        "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "socket.connect", "socket.bind", "urllib.Request"
    )

    opened = {Path(path) for path in heard.of("open")}
    # An editor has told what is in its file; its neighbour is read.
    assert place.project / "app" / ("helper.py" if name == "lsp" else "user.py") in opened
    strangers = {
        path for path in opened if place.top in path.parents and place.project not in (path, *path.parents) and not allowed_outside(path)
    }
    assert strangers - {place.log} == set()
    ours = {Path(folder) for folder in (ROOT, sys.prefix, sys.base_prefix, sys.exec_prefix)}
    elsewhere = {path for path in opened if place.top not in path.parents and not any(folder in path.parents for folder in ours)}
    # What Python itself opens: devices, semaphores of its process pool, message catalogues, files that belong to the system's Python.
    elsewhere = {path for path in elsewhere if not str(path).startswith(("/dev/", "/proc/", "/usr/", "/etc/mime", "/sys/"))}
    assert {path for path in elsewhere if not allowed_outside(path)} == set()


def test_the_watcher_hears(place: Place) -> None:
    """The tests above can fail: an import that runs, and a file that is read, are heard."""
    program = WATCHER.replace(
        "raise SystemExit(main(sys.argv[1:]))", "import side_effect; open('../../outside.py').close(); raise SystemExit(1)"
    )
    log = place.top / "log"
    subprocess.run([sys.executable, "-c", program, str(log), "check"], cwd=place.project, check=False, env={"PYTHONPATH": str(ROOT)})
    events = [tuple(json.loads(line)) for line in log.read_text().splitlines()]
    assert ("import", "side_effect") in events
    assert ("exec", str(place.project / "side_effect.py")) in events
    assert ("open", str(place.project.parent.parent / "outside.py")) in events
    assert any(event == "os.system" for event, _ in events)
    assert place.mark.exists()


def test_a_project_without_any_mark_is_its_folder(tmp_path: Path) -> None:
    """Where nothing says how far a project goes, a file's own package and the current folder are all that is read."""
    mark, folder = tmp_path / "mark", tmp_path / "scripts" / "deep"
    folder.mkdir(parents=True)
    (folder / "user.py").write_text(EFFECT.format(mark=str(mark), body=USER.format(mark=str(mark)) + "from fastapi import Request\n"))
    for above in (tmp_path, tmp_path / "scripts"):
        (above / "database.py").write_text("from pymongo import MongoClient\napp.db = MongoClient().shop\n")
    heard = Place(tmp_path, folder, mark, tmp_path / "log").watch("mongo-threads", "check", "--isolated", "user.py")
    assert heard.code == 1, heard.output
    opened = {Path(path) for path in heard.of("open")}
    assert {path for path in opened if tmp_path in path.parents} - {tmp_path / "log"} == {folder / "user.py"}
