"""What is read besides programs: configuration files, requirements, baselines. Whatever they hold, a run works or ends with one line."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flake8_mongo_threads.baseline import Baseline, BaselineError
from flake8_mongo_threads.check import check_file
from flake8_mongo_threads.guard import one_line
from flake8_mongo_threads.options import OPTIONS
from flake8_mongo_threads.selection import Selection, SelectionError
from flake8_mongo_threads.semantics import modules
from programs import LOOP

CONFIGURATIONS = ("setup.cfg", "tox.ini", ".flake8")
REQUIREMENTS = (
    "pyproject.toml",
    "requirements.txt",
    "setup.py",
    "setup.cfg",
    "Pipfile",
    "Pipfile.lock",
    "poetry.lock",
    "uv.lock",
    "environment.yml",
)
PROGRAM = LOOP + "from pymongo import AsyncMongoClient\nMongoClient().a.b.insert({})\nAsyncMongoClient().a.b.find_one().limit(2)\n"

words = st.text(alphabet=st.sampled_from("abMDB017.:=,;-><*~!# \n\t[]{}%$()'\"\\/\ré"), max_size=24)
keys = st.sampled_from(
    [
        *(option.flag.lstrip("-") for option in OPTIONS),
        *(
            "select",
            "ignore",
            "extend-select",
            "extend-ignore",
            "per-file-ignores",
            "exclude",
            "filename",
            "jobs",
            "max-line-length",
            "format",
            "x y",
        ),
    ]
)
sections = st.sampled_from(("flake8", "flake8", "flake8:local-plugins", "options", "metadata", "DEFAULT", "", "a]b"))
configurations = st.builds(
    lambda section, pairs, rest: f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in pairs) + rest,
    sections,
    st.lists(st.tuples(keys, words), max_size=3),
    words,
).map(str.encode) | st.binary(max_size=60)
RANGES = (
    "",
    ">=4.6,<5",
    "==4.*",
    "~=4.0",
    "^4.2",
    "===x",
    ">=4;python_version<'3'",
    "[srv]>=3.12,<4",
    " @ git+https://x/y",
    ">=99999999999999999999",
    "==4.6.dev1+é",
    "\\\n==4",
)
requirements = st.one_of(
    st.sampled_from(RANGES).map(lambda text: f"pymongo{text}\nmotor{text}\n-r requirements.txt\n-c more.txt\n-e .\n--x\n"),
    st.sampled_from(RANGES).map(lambda text: f"[project]\ndependencies = [{json.dumps('pymongo' + text)}, 3, {{}}]\noptional-dependencies = {{ a = 5 }}\n"),
    st.sampled_from(RANGES).map(lambda text: f"[tool.poetry.dependencies]\npymongo = {json.dumps(text)}\nmotor = {{ version = 4 }}\npython = []\n"),
    st.sampled_from(RANGES).map(lambda text: f"[[package]]\nname = 'pymongo'\nversion = {json.dumps(text)}\n[[package]]\nname = 3\n"),
    st.sampled_from(RANGES).map(lambda text: json.dumps({"default": {"pymongo": {"version": text}, "motor": [text]}, "develop": None})),
    st.sampled_from(RANGES).map(lambda text: f"from setuptools import setup\nsetup(install_requires=['pymongo{text}', *x, None], **y)\n"),
    st.sampled_from(RANGES).map(lambda text: f"dependencies:\n  - pymongo{text}\n  - pip:\n    - motor{text}\n"),
    words,
).map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=60)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from((float("inf"), float("nan"), 1e308, 10**400, "\ud800", "main.py", "MDB101", "client = MongoClient()")),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(("path", "code", "line", "count", "version", "findings")), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
entries = st.fixed_dictionaries({"path": values, "code": values, "line": values}, optional={"count": values})
baselines = st.one_of(
    values.map(json.dumps),
    st.builds(lambda found, version: json.dumps({"version": version, "findings": found}), st.lists(entries, max_size=3), st.sampled_from((1, 1, 1, 2, None))),
    words,
    st.sampled_from(("[" * 100_000, '{"a":' * 100_000, '{"version": 1, "findings": [{"path": ' + "[" * 500 + "]" * 500 + "}]}")),
).map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=60)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("inputs")
    before = os.getcwd()
    os.chdir(made)
    yield made
    os.chdir(before)


def fresh(folder: Path, files: dict[str, bytes]) -> None:
    for path in folder.iterdir():
        path.unlink()
    (folder / "main.py").write_text(PROGRAM)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    modules.new_run()


def checked(folder: Path, files: dict[str, bytes], arguments: tuple[str, ...] = ()) -> list[str]:
    """The codes that are found in a program beside some files; none when the configuration is refused."""
    fresh(folder, files)
    try:
        selection, told = Selection(arguments), ""
    except SelectionError as error:
        told = str(error)
    except SystemExit:  # argparse, of which flake8 makes no error of its own; it has told its line
        told = "usage"
    if told:
        assert len(told.splitlines()) == 1, told
        return []
    report = check_file("main.py", selection)
    assert report.problem is None
    codes = [finding.code for finding in report.findings]
    assert "MDB000" not in codes, report.findings
    assert all(len(one_line(finding.message).splitlines()) == 1 for finding in report.findings)
    return codes


def configuration(folder: Path, files: dict[str, bytes]) -> None:
    checked(folder, files)


def requirement(folder: Path, files: dict[str, bytes]) -> None:
    assert "MDB101" in checked(folder, files, ("--isolated",))


def baseline(folder: Path, data: bytes) -> None:
    fresh(folder, {"known.json": data})
    try:
        known, told = Baseline.read("known.json"), ""
    except BaselineError as error:
        told = str(error)
    if told:
        assert len(told.splitlines()) == 1, told
        assert len(told) < 300
        return
    report = check_file("main.py", Selection(("--isolated",)))
    [kept] = known.without_known([report])
    assert set(kept.findings) <= set(report.findings)
    assert kept.known == len(report.findings) - len(kept.findings)
    known.add(report)
    known.write("known.json")
    [kept] = Baseline.read("known.json").without_known([report])
    assert kept.findings == ()
    assert not Path("known.json.tmp").exists()


def some(number: int) -> Any:
    return settings(max_examples=number, deadline=None, suppress_health_check=list(HealthCheck), database=None)


configuration_files = st.dictionaries(st.sampled_from(CONFIGURATIONS), configurations, min_size=1, max_size=2)
requirement_files = st.dictionaries(st.sampled_from(REQUIREMENTS), requirements, min_size=1, max_size=3)


@some(30)
@given(configuration_files)
def test_configuration_files(folder: Path, files: dict[str, bytes]) -> None:
    configuration(folder, files)


@some(40)
@given(requirement_files)
def test_requirements(folder: Path, files: dict[str, bytes]) -> None:
    requirement(folder, files)


@some(60)
@given(baselines)
def test_baselines(folder: Path, data: bytes) -> None:
    baseline(folder, data)


@pytest.mark.slow
@some(600)
@given(configuration_files)
def test_many_configuration_files(folder: Path, files: dict[str, bytes]) -> None:
    configuration(folder, files)


@pytest.mark.slow
@some(600)
@given(requirement_files)
def test_many_requirements(folder: Path, files: dict[str, bytes]) -> None:
    requirement(folder, files)


@pytest.mark.slow
@some(1500)
@given(baselines)
def test_many_baselines(folder: Path, data: bytes) -> None:
    baseline(folder, data)


def test_what_is_written_there_counts(folder: Path) -> None:
    """The tests above can fail: these files are read."""
    assert "MDB101" in checked(folder, {})
    assert "MDB101" not in checked(folder, {"setup.cfg": b"[flake8]\nextend-ignore = MDB101\n"})
    assert checked(folder, {"setup.cfg": b"[flake8]\nmongo-threads-pymongo = no\n"}) == []
    assert "MDB002" in checked(folder, {})
    old = checked(folder, {"requirements.txt": b"pymongo==3.12.3\n"}, ("--isolated",))
    assert old != checked(folder, {"requirements.txt": b"pymongo==4.9\n"}, ("--isolated",))
