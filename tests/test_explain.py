"""``explain FILE:LINE`` and ``explain --target``."""

from pathlib import Path

import pytest

from flake8_mongo_threads import cli
from harness import FIXTURES, mongo_threads

PROGRAM = """\
from threading import Thread

from helpers import get_db
from pymongo import MongoClient


class Store:
    def __init__(self):
        self.db = MongoClient().shop

    def add(self, order, other):
        self.db.orders.insert_one(order)
        other.orders.insert_one(order)
        get_db().orders.insert_one(order)
        undefined.insert_one(order)
        plain = {}
        plain.update(order)


def worker():
    client = MongoClient()
    client.shop.orders.count_documents({})


for _ in range(5):
    Thread(target=worker).start()


def silent():
    for _ in range(3):
        client = MongoClient()  # noqa: MDB101
        document = client.shop.orders.find_one({})
        document["n"] = 1
        client.shop.orders.replace_one({"_id": document["_id"]}, document)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "a.py").write_text(PROGRAM)
    (tmp_path / ".flake8").write_text("[flake8]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def line_of(text: str, program: str = PROGRAM) -> int:
    return next(number for number, line in enumerate(program.splitlines(), 1) if text in line)


def explain(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["explain", *words]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_why_something_is_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built = PROGRAM.splitlines().index("def worker():") + 2
    started = line_of("Thread(target=worker)")
    out = explain(capsys, f"a.py:{built}")
    assert out.startswith(f"a.py:{built}: client = MongoClient()\n\nMDB102 ")
    assert f"  origin   line {built}: MongoClient is built here\n" in out
    assert f"  context  line {started}: " in out
    assert f"'worker' runs on:\n  - every thread started at line {started} (several at once or in turn)\n" in out
    assert "  - MongoClient(): builds a sync client\n" in out
    ruled_out = out.partition("Ruled out")[2]
    assert "MDB101 client-in-loop" in ruled_out
    assert "MDB102" not in ruled_out
    assert f"Part of the evidence for MDB102 in line {built}" in explain(capsys, f"a.py:{started}:5")


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("self.db.orders.insert_one", "on a sync collection"),
        ("other.orders.insert_one", "'other' is a parameter about which the program says nothing"),
        ("get_db().orders.insert_one", "the object comes from 'helpers.get_db"),
        ("undefined.insert_one", "'undefined' is a name that nothing in this file binds (line 15)"),
    ],
)
def test_why_nothing_is_reported_names_the_failing_step(call: str, reason: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = explain(capsys, f"a.py:{line_of(call)}")
    (told,) = [line for line in out.splitlines() if line.startswith(f"  - {call}()")]
    assert reason in told
    assert "'Store.add': nothing launches" in out


KNOWN = """\
import asyncio
from threading import Thread

from pymongo import AsyncMongoClient, MongoClient

db = MongoClient().shop
quick = AsyncMongoClient().shop


def plain():
    db.orders.insert_one({"plain": 1})


async def handler():
    await asyncio.to_thread(db.orders.delete_one, {})
    db.orders.find({})
    await quick.orders.insert_one({"awaited": 1})
    quick.orders.find({"lazy": 1})
    quick.orders.insert_one({"forgotten": 1})


def made():
    return MongoClient()


db.orders.insert_one({"top": 1})
register(db.orders.update_one)
Thread(target=db.orders.count_documents, args=({},)).start()
"""


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (
            '"plain"',
            "db.orders.insert_one(): on a sync collection; it waits for the server, and nothing shows that 'plain' runs on an event loop",
        ),
        ("to_thread", "db.orders.delete_one: asyncio.to_thread() runs it on another thread"),
        ("    db.orders.find", "db.orders.find(): on a sync collection; 'find' asks the server nothing by itself"),
        ('"awaited"', "quick.orders.insert_one(): on an async collection; it is awaited"),
        ('"lazy"', "quick.orders.find(): on an async collection; 'find' gives nothing to await: it asks the server nothing by itself"),
        ('"forgotten"', "quick.orders.insert_one(): on an async collection"),
        (
            "return MongoClient",
            "MongoClient(): builds a sync client; nothing shows that 'made' runs in a loop, on threads, in tasks or for every request",
        ),
        ("db = MongoClient", "MongoClient(): builds a sync client; it is built once, when the file is imported or started"),
        (
            '"top"',
            "db.orders.insert_one(): on a sync collection; it waits for the server, and the top level of a file is not an event loop",
        ),
        ("register(", "db.orders.update_one: a method of a sync collection, and nothing is known about what register() does with it"),
        ("Thread(target", "db.orders.count_documents: Thread() runs it on another thread"),
    ],
)
def test_known_objects_tell_which_condition_is_not_met(part: str, told: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "known.py").write_text(KNOWN)
    out = explain(capsys, f"known.py:{line_of(part, KNOWN)}")
    assert f"  - {told}" in out.splitlines()
    assert ("MDB502" in out.partition("Ruled out")[0].partition("Part of")[0]) == ("forgotten" in part)
    assert "No rule has anything to look at" not in out


def test_lines_without_driver_calls(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No rule has anything to look at in this line" in explain(capsys, f"a.py:{line_of('plain = {}')}")
    (folder / "b.py").write_text("x = 1\n")
    assert "this file names no driver" in explain(capsys, "b.py:1")


def test_findings_that_are_not_reported_say_what_holds_them_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    silenced = line_of("# noqa: MDB101")
    assert "Not reported: a `# noqa` comment silences it." in explain(capsys, f"a.py:{silenced}")
    opt_in = line_of("replace_one")
    out = explain(capsys, f"a.py:{opt_in}")
    assert "MDB702" in out
    assert "Not reported: the rule is opt-in (`extend-select = MDB702` switches it on)." in out
    assert "opt-in" not in explain(capsys, f"a.py:{opt_in}", "--extend-select=MDB702").partition("Ruled out")[0]
    out = explain(capsys, f"a.py:{opt_in}", "--ignore=MDB7")
    assert "Not reported: flake8's configuration does not select it for this file." in out


def test_pages_and_notebooks(capsys: pytest.CaptureFixture[str]) -> None:
    documents = FIXTURES / "documents"
    page = (documents / "threads.md").read_text(encoding="utf-8")
    line = line_of("# the client of this thread", page)
    assert "MDB102 MongoClient built in 'record'" in explain(capsys, f"{documents / 'threads.md'}:{line}")
    out = explain(capsys, f"{documents / 'orders.ipynb'}:cell 6:2")
    assert "MDB101" in out
    assert "  context  cell 6 line 1: " in out
    row = line_of("sync_client = MongoClient()", (documents / "orders.ipynb").read_text(encoding="utf-8"))
    assert explain(capsys, f"{documents / 'orders.ipynb'}:{row}").partition("\n")[2] == out.partition("\n")[2]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("missing.py:3", "missing.py: No such file"),
        ("a.py:999", "a.py has "),
        ("broken.py:1", "broken.py: syntax error"),
        ("page.md:1", "page.md:1 is in no Python block"),
        ("n.ipynb:3", "not a notebook"),
    ],
)
def test_what_cannot_be_explained_is_told_and_two(word: str, reason: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.py").write_text("def (:\n")
    (folder / "page.md").write_text("# Hello\n")
    (folder / "n.ipynb").write_text("{}")
    assert cli.main(["explain", word]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("mongo-threads: ")
    assert reason in captured.err
    assert len(captured.err.splitlines()) == 1


def test_targets_and_where_they_come_from(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".git").mkdir()
    (folder / "requirements.txt").write_text("requests\npymongo>=4.6,<4.9\n")
    assert explain(capsys, "--target", "a.py").splitlines()[:3] == [
        "a.py",
        "  pymongo 4.6 to 4.8",
        "    from pymongo>=4.6,<4.9 (requirements.txt:2)",
    ]
    assert "(option mongo-threads-pymongo)" in explain(capsys, "--target", "a.py", "--mongo-threads-pymongo=4.9")
    assert explain(capsys, "--target", ".").splitlines()[1] == "  pymongo 4.6 to 4.8"
    assert cli.main(["explain", "--target", "missing.py"]) == 2
    assert "missing.py: no such file" in capsys.readouterr().err


def test_from_the_command_line(folder: Path) -> None:
    done = mongo_threads("explain", "a.py:9", "MDB101", cwd=folder)
    assert done.returncode == 0
    assert "a.py:9: self.db = MongoClient().shop" in done.stdout
    assert "# MDB101: client-in-loop" in done.stdout
