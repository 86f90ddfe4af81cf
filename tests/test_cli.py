"""The command ``mongo-threads``."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from flake8_mongo_threads import __version__, cli
from flake8_mongo_threads.rules import load
from flake8_mongo_threads.selection import Selection, SelectionError
from harness import ROOT, flake8, mongo_threads
from programs import LOOP


def test_check_finds_and_exits_with_one(project: Path) -> None:
    done = mongo_threads("check", "--isolated", ".", cwd=project)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["./loop.py:6:18:", "./threads.py:7:14:"]
    assert [line.split()[1] for line in lines] == ["MDB101", "MDB102"]
    assert done.stderr == ""


def test_clean_is_zero_and_silent(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("print('hello')\n")
    done = mongo_threads("check", "--isolated", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("arguments", [[], ["-j", "2"], ["-j1"]])
def test_trouble_with_a_file_is_one_line_and_the_others_go_on(project: Path, arguments: list[str]) -> None:
    (project / "broken.py").write_text("def (:\n")
    (project / "bytes.py").write_bytes(b"name = '\xff\xfe'\n")
    (project / "null.py").write_bytes(b"a = 1\x00\n")
    (project / "nested.py").write_text(f"a = {'(' * 400}{')' * 400}\n")
    done = mongo_threads("check", "--isolated", *arguments, ".", "missing.py", cwd=project)
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 2
    problems = {line.partition(": error: ")[0]: line for line in done.stderr.splitlines()}
    assert set(problems) >= {"./broken.py:1:5", "./bytes.py", "./null.py", "missing.py"}
    assert "syntax error" in problems["./broken.py:1:5"]
    assert "not valid utf-8" in problems["./bytes.py"]
    assert "null bytes" in problems["./null.py"]
    assert "No such file" in problems["missing.py"]
    assert "Traceback" not in done.stderr


def test_standard_input(tmp_path: Path) -> None:
    done = mongo_threads("check", "--isolated", "--stdin-display-name=pkg/a.py", "-", cwd=tmp_path, stdin=LOOP)
    assert done.stdout.startswith("pkg/a.py:6:18: MDB101 ")
    done = mongo_threads("check", "--isolated", "--exclude=pkg", "--stdin-display-name=pkg/a.py", "-", cwd=tmp_path, stdin=LOOP)
    assert done.stdout.startswith("pkg/a.py") or done.returncode == 0
    assert flake8("--select=MDB", "--exclude=pkg", "--stdin-display-name=pkg/a.py", "-", cwd=tmp_path, stdin=LOOP).stdout == done.stdout


def test_exit_zero_and_statistics(project: Path) -> None:
    done = mongo_threads("check", "--isolated", "--exit-zero", "--statistics", ".", cwd=project)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-2:] == ["1       MDB101 client-in-loop", "1       MDB102 client-per-thread"]
    (project / "broken.py").write_text("def (:\n")
    assert mongo_threads("check", "--isolated", "--exit-zero", ".", cwd=project).returncode == 2


CONFIGURATIONS = {
    "nothing": "",
    "select": "[flake8]\nselect = MDB102\n",
    "ignore": "[flake8]\nextend-ignore = MDB10\n",
    "select wins": "[flake8]\nselect = MDB101\nignore = MDB1\n",
    "without ours": "[flake8]\nselect = E,F\n",
    "per file": "[flake8]\nper-file-ignores =\n    loop.py:MDB101\n    pkg/*:MDB\n",
    "exclude": "[flake8]\nexclude = threads.py\nextend-exclude = pkg\n",
    "no noqa": "[flake8]\ndisable-noqa = true\n",
    "filename": "[flake8]\nfilename = *.pyw,noqa*.py\n",
}

NOQA = {
    "blanket": "client = MongoClient()  # noqa",
    "code": "client = MongoClient()  # noqa: MDB101",
    "code and reason": "client = MongoClient()  # noqa: MDB101 -- one host each",
    "prefix": "client = MongoClient()  # noqa: MDB1",
    "several": "client = MongoClient()  # noqa:E501,MDB101",
    "other code": "client = MongoClient()  # noqa: MDB102",
    "lower": "client = MongoClient()  # NOQA: mdb101",
    "no space": "client = MongoClient()  #noqa",
    "space before colon": "client = MongoClient()  # noqa : MDB102",
    "no colon": "client = MongoClient()  # noqa MDB102",
    "closing line": "client = MongoClient(\n            'mongodb://a'\n        )  # noqa: MDB101",
    "first line": "client = MongoClient(  # noqa: MDB101\n            'mongodb://a'\n        )",
    "multi-line string": "client, text = MongoClient(), '''\n        '''  # noqa: MDB101",
    "backslash": "client = \\\n            MongoClient()  # noqa: MDB101",
    "backslash, first line": "client = MongoClient(), \\\n            1  # noqa: MDB101",
    "file level": "client = MongoClient()\n# flake8: noqa",
    "file level with code": "client = MongoClient()\n# flake8: noqa: MDB102",
    "file level after code": "client = MongoClient()  # flake8: noqa: MDB102",
}


def assert_same(folder: Path, *arguments: str) -> str:
    """flake8 and our command report the same of Python files; returns it."""
    expected = flake8(*arguments, "--format=default", cwd=folder, isolated=False)
    got = mongo_threads("check", "--no-documents", *arguments, cwd=folder)
    theirs = [line for line in expected.stdout.splitlines() if re.search(r": MDB\d{3} ", line)]
    assert got.stdout.splitlines() == theirs, got.stderr
    return got.stdout


@pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_same_findings_as_flake8_under_a_configuration(project: Path, configuration: str) -> None:
    (project / "pkg").mkdir()
    (project / "pkg" / "__init__.py").write_text("")
    (project / "pkg" / "inner.py").write_text(LOOP)
    (project / "noqa.py").write_text(LOOP.replace("MongoClient()\n", "MongoClient()  # noqa: MDB101\n"))
    (project / "script.pyw").write_text(LOOP)
    (project / ".flake8").write_text(configuration)
    assert_same(project)
    assert_same(project, ".")
    assert_same(project, "loop.py", "pkg", "script.pyw")


def test_same_findings_as_flake8_whatever_noqa_says(tmp_path: Path) -> None:
    for number, (name, line) in enumerate(NOQA.items()):
        (tmp_path / f"m{number:02}.py").write_text(f"# {name}\n{LOOP}".replace("client = MongoClient()", line))
    output = assert_same(tmp_path, "--isolated", ".")
    reported = {int(number) for number in re.findall(r"m(\d\d)\.py", output)}
    silent = {name for number, name in enumerate(NOQA) if number not in reported}
    # What flake8's comments mean is flake8's to decide; these are sure, so that the comparison has both kinds.
    assert {"blanket", "code", "first line", "multi-line string", "file level"} <= silent
    assert {"other code", "no space", "closing line", "file level after code"} <= set(NOQA) - silent
    assert_same(tmp_path, "--isolated", "--disable-noqa", ".")


def test_same_findings_as_flake8_on_fixtures() -> None:
    folders = [f"fixtures/{name}" for name in ("demo", "projects", "MDB001", "MDB102", "MDB202", "MDB501", "MDB701")]
    output = assert_same(ROOT, "--isolated", "--select=MDB", *folders)
    assert len(output.splitlines()) > 20


def test_parallel_output_is_the_same(project: Path) -> None:
    for number in range(40):
        (project / f"m{number:02}.py").write_text(LOOP)
    one = mongo_threads("check", "--isolated", "-j1", ".", cwd=project)
    assert len(one.stdout.splitlines()) == 42
    for jobs in ("-j2", "-j3", "-jauto"):
        assert mongo_threads("check", "--isolated", jobs, ".", cwd=project).stdout == one.stdout


def test_workers_that_are_spawned(project: Path) -> None:
    script = project / "spawning.py"
    script.write_text(
        "import multiprocessing, sys\nfrom flake8_mongo_threads.cli import main\n"
        "if __name__ == '__main__':\n    multiprocessing.set_start_method('spawn')\n    sys.exit(main(sys.argv[1:]))\n"
    )
    done = harness.run(str(script), "check", "--isolated", "--select=MDB102", "-j2", ".", cwd=project)
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["MDB102"], done.stderr


def test_configuration_without_our_codes_is_said(project: Path) -> None:
    (project / ".flake8").write_text("[flake8]\nselect = E\n")
    done = mongo_threads("check", ".", cwd=project)
    assert done.returncode == 0
    assert "selects no MDB code" in done.stderr


@pytest.mark.parametrize(
    ("configuration", "reason"),
    [
        ("[flake8]\nignore = MONGO101\n", "MONGO101"),
        ("[flake8]\nmongo-threads-pymongo = four\n", "mongo-threads-pymongo: 'four'"),
        ("[flake8]\nper-file-ignores = a b c: d e\n", "per-file-ignores"),
    ],
)
def test_bad_configuration_is_one_line_and_two(project: Path, configuration: str, reason: str) -> None:
    (project / ".flake8").write_text(configuration)
    done = mongo_threads("check", ".", cwd=project)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert reason in done.stderr
    with pytest.raises(SelectionError):
        Selection()


@pytest.mark.parametrize("arguments", [["check", "-j", "0"], ["check", "-j", "many"], ["check", "--nonsense"], ["nonsense"], []])
def test_usage_errors_are_two(project: Path, arguments: list[str]) -> None:
    done = mongo_threads(*arguments, cwd=project)
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_internal_error_is_two(project: Path) -> None:
    script = (
        "import sys\nfrom flake8_mongo_threads import engine, cli\ndef boom(*arguments):\n    raise KeyError('x')\n"
        "engine.analyse = boom\nsys.exit(cli.main(['check', '--isolated', '-j1', '.']))\n"
    )
    done = harness.run("-c", script, cwd=project)
    assert done.returncode == 2
    assert "MDB000 internal error" in done.stdout


def test_text_for_people(project: Path) -> None:
    done = mongo_threads("check", "--isolated", "--output-format=text", ".", cwd=project)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    source = next(number for number, line in enumerate(lines) if line.endswith("│         client = MongoClient()"))
    assert lines[source + 1].index("^") == lines[source].index("MongoClient")
    assert lines[source + 1].count("^") == len("MongoClient")
    assert any("because" in line for line in lines), "the chain of evidence"
    # What was found, and then, last, where the eye ends up: what to do about it.
    assert lines[-2:] == [
        "2 findings in 2 of 2 files",
        "1 can be fixed with `mongo-threads fix`, 1 more with `mongo-threads fix --unsafe-fixes`",
    ]


def test_text_caret_behind_tabs_and_wide_characters(tmp_path: Path) -> None:
    program = "from pymongo import MongoClient\nfor path in '漢字':\n\ttext = '漢字é'; client = MongoClient()\n"
    (tmp_path / "a.py").write_text(program, encoding="utf-8")
    done = mongo_threads("check", "--isolated", "--output-format=text", ".", cwd=tmp_path)
    lines = done.stdout.splitlines()
    source = next(number for number, line in enumerate(lines) if "│     text" in line)
    before = lines[source][: lines[source].index("MongoClient")]
    assert lines[source + 1].index("^") == len(before) + 2  # two of the characters before it are two columns wide


def test_colours_are_obeyed(project: Path) -> None:
    forced = mongo_threads("check", "--isolated", ".", cwd=project, FORCE_COLOR="1")
    assert "\x1b[" in forced.stdout
    assert "findings in 2 of 2 files" in re.sub(r"\x1b\[[0-9;]*m", "", forced.stdout)
    plain = mongo_threads("check", "--isolated", "--output-format=text", ".", cwd=project, NO_COLOR="1")
    assert "\x1b[" not in plain.stdout


def on_terminal(folder: Path, *command: str, columns: int = 100) -> tuple[int, str]:
    """The exit code of a Python command that runs in a pseudo-terminal, and what it prints there."""
    import pty

    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "40"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, stdout=child, stderr=child, stdin=subprocess.DEVNULL, env=environment
    )
    os.close(child)
    output = b""
    try:
        while chunk := os.read(parent, 65536):
            output += chunk
    except OSError:
        pass  # Linux reports the end of a pseudo-terminal so
    os.close(parent)
    return process.wait(60), output.decode().replace("\r\n", "\n")


def without_codes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal(project: Path) -> None:
    code, text = on_terminal(project, "-m", "flake8_mongo_threads", "check", "--isolated", ".")
    assert code == 1
    assert "\x1b[" in text
    assert "MDB101" in text
    assert "findings in 2 of 2 files" in without_codes(text)
    assert "checking" not in text, "what takes no time shows no progress"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_progress_of_long_work_in_a_terminal_only(project: Path) -> None:
    # A check that has no patience finds every work long.
    script = "import sys\nfrom flake8_mongo_threads import cli\nfrom flake8_mongo_threads.commands import check\ncheck.PATIENCE = -1\nsys.exit(cli.main(sys.argv[1:]))\n"
    code, text = on_terminal(project, "-c", script, "check", "--isolated", ".")
    assert code == 1
    shown = without_codes(text)
    assert "checking" in shown
    assert "2/2" in shown
    assert "2 findings in 2 of 2 files" in shown
    piped = harness.run("-c", script, "check", "--isolated", "--output-format=text", ".", cwd=project)
    assert "checking" not in piped.stdout + piped.stderr
    forced = harness.run("-c", script, "check", "--isolated", ".", cwd=project, FORCE_COLOR="1")
    assert "checking" not in forced.stdout + forced.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_narrow_terminals(tmp_path: Path) -> None:
    long = "from pymongo import MongoClient\nfor path in 'ab':\n    names = {'one': '漢字漢字漢字', 'two': 2, 'three': 3, 'four': 4}; client = MongoClient(); client.close()\n"
    (tmp_path / "a.py").write_text(long, encoding="utf-8")
    _, text = on_terminal(tmp_path, "-m", "flake8_mongo_threads", "check", "--isolated", "a.py", columns=50)
    lines = without_codes(text).splitlines()
    assert all(len(line) <= 50 for line in lines)
    head = next(number for number, line in enumerate(lines) if " MDB101 " in line)
    source = next(number for number, line in enumerate(lines) if "│ …" in line)
    assert source > head + 1
    assert all(line.startswith("    ") for line in lines[head + 1 : source]), "what goes on is indented"
    message = " ".join(line.strip() for line in lines[head:source])
    assert "on every iteration of the loop at line 2: a client is a connection pool, build one before the loop" in message
    caret = lines[source + 1].index("^")
    assert lines[source + 1].count("^") == len("MongoClient")
    assert lines[source][caret : caret + 11] == "MongoClient"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_reader_that_stops_reading(project: Path) -> None:
    for number in range(300):
        (project / f"m{number:03}.py").write_text(LOOP)
    command = f"{sys.executable} -m flake8_mongo_threads check --isolated -j1 . | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""
    assert done.returncode in (1, cli.BROKEN_PIPE)


def test_rules_lists_the_catalogue(tmp_path: Path) -> None:
    done = mongo_threads("rules", cwd=tmp_path)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [rule.code for rule in load()]
    some = mongo_threads("rules", "mdb1", cwd=tmp_path)
    assert [line.split()[0] for line in some.stdout.splitlines()] == [rule.code for rule in load() if rule.code.startswith("MDB1")]
    assert mongo_threads("rules", "MDB9", cwd=tmp_path).returncode == 2


def test_explain_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "rules" / "MDB101.md").read_text(encoding="utf-8")
    for word in ("MDB101", "mdb101", "client-in-loop"):
        assert cli.main(["explain", word]) == 0
        assert capsys.readouterr().out == page


def test_explain_suggests(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "client-in-lop"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "did you mean client-in-loop" in captured.err


def test_version_and_help(tmp_path: Path) -> None:
    assert mongo_threads("--version", cwd=tmp_path).stdout.strip() == f"mongo-threads {__version__}"
    usage = mongo_threads("--help", cwd=tmp_path)
    assert usage.returncode == 0
    for command in cli.COMMANDS:
        assert command.summary.split()[0] in usage.stdout
        assert mongo_threads(command.name, "--help", cwd=tmp_path).returncode == 0


def test_demo_is_what_dev_py_shows() -> None:
    done = mongo_threads("check", "--isolated", "fixtures/demo", cwd=ROOT)
    expected = {
        (path.relative_to(ROOT).as_posix(), line, code)
        for path in (ROOT / "fixtures" / "demo").rglob("*.py")
        for line, code in harness.expectations(path.read_text(encoding="utf-8")).reported
    }
    got = {
        (match[1], int(match[2]), match[3])
        for match in (re.match(r"(.+?):(\d+):\d+: (MDB\d{3}) ", line) for line in done.stdout.splitlines())
        if match
    }
    assert got == expected
    assert done.returncode == 1
