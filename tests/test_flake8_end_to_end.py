"""The plugin in real flake8, in processes of its own."""

import re
import sys
from pathlib import Path

import pytest

from flake8_mongo_threads import __version__
from harness import flake8, run
from programs import LOOP


def codes(output: str) -> list[tuple[str, int, int, str]]:
    """Path, line, column and code of each finding that flake8 printed; every line is one."""
    found = []
    for line in output.splitlines():
        match = re.fullmatch(r"(.+?):(\d+):(\d+): ([A-Z]+\d+) .+", line)
        assert match, line
        found.append((match[1], int(match[2]), int(match[3]), match[4]))
    return found


def ours(output: str) -> list[tuple[str, int, int, str]]:
    return [item for item in codes(output) if item[3].startswith("MDB")]


def test_flake8_lists_the_plugin(tmp_path: Path) -> None:
    done = flake8("--version", cwd=tmp_path, isolated=False)
    assert f"flake8-mongo-threads: {__version__}" in " ".join(done.stdout.split())


def test_findings(project: Path) -> None:
    done = flake8("--select", "MDB", ".", cwd=project)
    assert ours(done.stdout) == [("./loop.py", 6, 18, "MDB101"), ("./threads.py", 7, 14, "MDB102")]
    assert done.returncode == 1
    assert done.stderr == ""


def test_stdin_with_a_name_that_is_not_on_disk(tmp_path: Path) -> None:
    done = flake8("--select=MDB", "--stdin-display-name", "pkg/not_there.py", "-", cwd=tmp_path, stdin=LOOP)
    assert ours(done.stdout) == [("pkg/not_there.py", 6, 18, "MDB101")]
    done = flake8("--select=MDB", "-", cwd=tmp_path, stdin=LOOP)
    assert ours(done.stdout) == [("stdin", 6, 18, "MDB101")]


def test_parallel(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"m{number}.py").write_text(LOOP)
    done = flake8("--select=MDB", "-j2", ".", cwd=tmp_path)
    assert ours(done.stdout) == [(f"./m{number}.py", 6, 18, "MDB101") for number in range(6)]


def test_spawned_workers_know_the_options(tmp_path: Path) -> None:
    script = tmp_path / "spawning.py"
    script.write_text(
        "import multiprocessing, sys\nfrom flake8.main.cli import main\n"
        "if __name__ == '__main__':\n    multiprocessing.set_start_method('spawn')\n    sys.exit(main(sys.argv[1:]))\n"
    )
    folder = tmp_path / "src"
    folder.mkdir()
    for number in range(4):
        (folder / f"m{number}.py").write_text(LOOP)
    (tmp_path / ".flake8").write_text("[flake8]\nselect = MDB\nmongo-threads-pymongo = >=4.6\n")
    done = run(str(script), "-j2", "src", cwd=tmp_path)
    assert [item[3] for item in ours(done.stdout)] == ["MDB101"] * 4, done.stdout + done.stderr


def test_columns_count_characters(tmp_path: Path) -> None:
    program = LOOP.replace("client = MongoClient()", 'note = "ééé😀"; client = MongoClient()')
    done = flake8("--select=MDB", "--stdin-display-name=a.py", "-", cwd=tmp_path, stdin=program)
    column = program.split("\n")[5].index("MongoClient") + 1
    assert ours(done.stdout) == [("a.py", 6, column, "MDB101")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "cp1252", "utf-8"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_odd_encodings(tmp_path: Path, encoding: str, newline: str) -> None:
    cookie = "" if encoding == "utf-8-sig" else f"# coding: {encoding}\n"
    program = (cookie + LOOP.replace("client = MongoClient()", 'note = "é"; client = MongoClient()')).replace("\n", newline)
    (tmp_path / "a.py").write_bytes(program.encode(encoding))
    done = flake8("--select=MDB", "a.py", cwd=tmp_path)
    assert ours(done.stdout) == [("a.py", 6 + bool(cookie), 30, "MDB101")]


def test_file_that_is_not_python(tmp_path: Path) -> None:
    # Before 3.11.4 null bytes are a ValueError, which ends flake8's own run.
    with_null = sys.version_info >= (3, 11, 4)
    if with_null:
        (tmp_path / "null.py").write_bytes(b"import pymongo\x00\n")
    (tmp_path / "syntax.py").write_text("import pymongo\ndef (:\n")
    (tmp_path / "z.py").write_text(LOOP)
    done = flake8(".", "--select=MDB,E9", cwd=tmp_path)
    assert "Traceback" not in done.stderr
    assert {item[0] for item in codes(done.stdout) if item[3].startswith("E9")} == {"./syntax.py"} | ({"./null.py"} if with_null else set())
    assert ours(done.stdout) == [("./z.py", 6, 18, "MDB101")]


@pytest.mark.parametrize(
    "tail",
    [
        f"total = {' + '.join(['1'] * 1000)}\n",
        f"value = {'a' + '.b()' * 300}\n",
        "if a:\n    pass\n" + "".join(f"elif a == {number}:\n    pass\n" for number in range(400)),
        f"value = {'[' * 80}{']' * 80}\n",
    ],
    ids=["sum", "chain", "elif", "brackets"],
)
def test_deep_nesting(tmp_path: Path, tail: str) -> None:
    # The plugin alone: flake8's other plugins recurse, and may give up on such a file.
    (tmp_path / "deep.py").write_text(f"{LOOP}\n\n{tail}")
    script = (
        "import ast, sys\nfrom flake8_mongo_threads.plugin import Plugin\ntext = open('deep.py').read()\n"
        "plugin = Plugin(ast.parse(text), text.splitlines(True), 'deep.py')\n"
        "for line, column, message, _ in plugin.run():\n    print(line, column, message)\n"
    )
    done = run("-c", script, cwd=tmp_path)
    assert done.stderr == ""
    assert [line.split()[:3] for line in done.stdout.splitlines()] == [["6", "17", "MDB101"]]


def test_whole_flake8_on_a_long_sum(tmp_path: Path) -> None:
    (tmp_path / "deep.py").write_text(f"{LOOP}\n\ntotal = {' + '.join(['1'] * 200)}\n")
    done = flake8("--select=MDB", "deep.py", cwd=tmp_path)
    assert ours(done.stdout) == [("deep.py", 6, 18, "MDB101")]


BREAK = """
import sys
from flake8.main.cli import main
from flake8_mongo_threads.rules import load
def boom(module, fact):
    raise {error}
    yield
broken = 0
for rule in load():
    if rule.code == "MDB101":
        rule.checks = [(fact, boom) for fact, _ in rule.checks]
        broken += 1
assert broken == 1
sys.exit(main(["--isolated", "-j1", "--select=MDB", "."]))
"""


@pytest.mark.parametrize("error", ["ValueError('first\\nsecond')", "SyntaxError('leaked')", "RecursionError()"])
def test_a_rule_that_raises_is_isolated(project: Path, error: str) -> None:
    done = run("-c", BREAK.format(error=error), cwd=project)
    assert "Traceback" not in done.stderr
    found = [(path, code) for path, _, _, code in codes(done.stdout)]
    assert ("./threads.py", "MDB102") in found, "other rules go on"
    assert ("./loop.py", "MDB000") in found
    assert ("./loop.py", "MDB101") not in found
    assert "MDB101" in next(line for line in done.stdout.splitlines() if "loop.py" in line), "the message names the rule"


def test_an_engine_that_raises_is_isolated(project: Path) -> None:
    script = (
        "import sys\nfrom flake8.main.cli import main\nfrom flake8_mongo_threads import engine\n"
        "def boom(*arguments):\n    raise KeyError('a\\nb')\nengine.analyse = boom\n"
        "sys.exit(main(['--isolated', '-j1', '--select=MDB', '.']))\n"
    )
    done = run("-c", script, cwd=project)
    assert "Traceback" not in done.stderr
    assert [(path, line, column, code) for path, line, column, code in codes(done.stdout)] == [
        ("./loop.py", 1, 1, "MDB000"),
        ("./threads.py", 1, 1, "MDB000"),
    ]
    assert "KeyError" in done.stdout


OPT_IN = """
import sys
from flake8.main.cli import main
from flake8_mongo_threads.rules import load
next(rule for rule in load() if rule.code == "MDB101").default = False
sys.exit(main(["--isolated", "-j1", "loop.py", *sys.argv[1:]]))
"""


@pytest.mark.parametrize(
    ("arguments", "on"),
    [
        ([], False),
        (["--ignore=E501"], False),
        (["--select=MDB"], False),
        (["--select=M"], False),
        (["--extend-select=MDB"], False),
        (["--extend-select=MDB2"], False),
        (["--extend-select=MDB1"], True),
        (["--extend-select=MDB101"], True),
        (["--select=MDB,MDB10"], True),
        (["--select=MDB101"], True),
        (["--extend-select=MDB101", "--ignore=E501"], True),
        (["--extend-select=MDB1", "--extend-ignore=MDB101"], False),
    ],
)
def test_opt_in_rules_are_off_until_they_are_named(project: Path, arguments: list[str], on: bool) -> None:
    done = run("-c", OPT_IN, *arguments, cwd=project)
    assert done.stderr == ""
    assert [item[3] for item in ours(done.stdout)] == (["MDB101"] if on else [])


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("mongo-threads-pymongo = four", "mongo-threads-pymongo: 'four'"),
        ("mongo-threads-motor = >>3", "mongo-threads-motor: '>>3'"),
        ("mongo-threads-factories = shop.db.get", "mongo-threads-factories: 'shop.db.get'"),
        ("mongo-threads-factories = shop.db:get = syn-database", "did you mean 'sync'"),
        ("mongo-threads-spawners = shop.run:0 = threat", "did you mean 'thread'"),
    ],
)
def test_option_without_meaning_is_one_line(project: Path, option: str, reason: str) -> None:
    (project / ".flake8").write_text(f"[flake8]\n{option}\n")
    done = flake8(".", cwd=project, isolated=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert len([line for line in done.stdout.splitlines() if reason in line]) == 1, done.stdout


def test_options_in_the_configuration_are_understood(project: Path) -> None:
    (project / ".flake8").write_text(
        "[flake8]\nselect = MDB\nmongo-threads-pymongo = >=4.6,<5\nmongo_threads_motor = 3.3\nmongo-threads-src = ./lib\n"
        "mongo-threads-factories =\n    shop.db:get_database = sync-database\n    shop.db:get_client = sync-client\n"
        "mongo-threads-spawners = shop.pool.run:0 = thread\n"
    )
    script = (
        "from flake8.main.cli import main\nmain(['-j1', '.'])\nfrom flake8_mongo_threads.plugin import Plugin\nprint(repr(Plugin.config))\n"
    )
    done = run("-c", script, cwd=project)
    *findings, config = done.stdout.splitlines()
    assert [item[3] for item in ours("\n".join(findings))] == ["MDB101", "MDB102"]
    assert "pymongo='>=4.6,<5', motor='==3.3.*'" in config
    assert f"src=('{project / 'lib'}',)" in config
    assert "Factory(module='shop.db', name='get_database', family='database', flavour='sync')" in config
    assert "Factory(module='shop.db', name='get_client', family='client', flavour='sync')" in config
    assert "Spawner(path='shop.pool.run', argument=0, where='thread')" in config


def test_a_factory_of_the_project_is_found_through_the_option(tmp_path: Path) -> None:
    program = (
        "from vendor.mongo import connect\n\n\nasync def show(request):\n"
        "    return connect().shop.orders.find_one({'number': request.number})\n"
    )
    (tmp_path / "views.py").write_text(program)
    before = flake8("--select=MDB", "views.py", cwd=tmp_path)
    after = flake8("--select=MDB", "--mongo-threads-factories=vendor.mongo:connect = sync-client", "views.py", cwd=tmp_path)
    assert ours(before.stdout) == []
    assert ours(after.stdout) == [("views.py", 5, 34, "MDB501")]
