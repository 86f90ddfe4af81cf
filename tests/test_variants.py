"""The verdict on a program does not depend on what its names are, nor on where it is wrapped; and ``# noqa`` silences all of it."""

import ast
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

import harness
import transforms
from flake8_mongo_threads.check import check_text
from flake8_mongo_threads.selection import Selection
from harness import FIXTURES, ROOT

ONE_IN = 10
"""Of so many programs the usual run checks one, in one of its variants: which ones depends on their names. The slow tests check all."""

CASES = [path for path in harness.fixtures_of_rules() if len(path.relative_to(FIXTURES).parts) == 2]


def name_of(path: Path) -> str:
    return path.relative_to(FIXTURES).as_posix()


@pytest.fixture(autouse=True)
def in_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def variants() -> list[object]:
    """A program and a transformation for each variant."""
    found: list[object] = []
    for path in CASES:
        usual = zlib.crc32(name_of(path).encode()) % (ONE_IN * len(transforms.TRANSFORMS))
        for number, transform in enumerate(transforms.TRANSFORMS):
            marks = [] if number == usual else [pytest.mark.slow]
            found.append(pytest.param(path, transform, id=f"{name_of(path)}-{transform.__name__}", marks=marks))
    return found


@pytest.mark.parametrize(("path", "transform"), variants())
def test_variant(path: Path, transform: Callable[[str], transforms.Result]) -> None:
    if transform in transforms.WRAPPING and (reason := transforms.only_as_module(name_of(path))):
        pytest.skip(reason)
    text = path.read_text(encoding="utf-8")
    result = transform(text)
    if result is None:
        pytest.skip(f"{transform.__name__} is not applicable")
    changed, offset = result
    assert changed != text
    compile(changed, str(path), "exec", dont_inherit=True)
    got = harness.run_engine(path.relative_to(ROOT), changed, harness.config_of(text))
    problems = harness.difference(harness.places(got), harness.expectations(text), offset)
    assert not problems, "\n".join(problems)


def reporting() -> list[object]:
    """The programs that something is reported in."""
    paths = [path for path in CASES if not path.name.startswith("ok_")]
    usual = [zlib.crc32(name_of(path).encode()) % ONE_IN == 0 for path in paths]
    return [
        pytest.param(path, id=name_of(path), marks=[] if often else [pytest.mark.slow]) for path, often in zip(paths, usual, strict=True)
    ]


@pytest.mark.parametrize("path", reporting())
def test_noqa_on_every_expected_line(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    reported = harness.expectations(text).reported
    if not reported:
        pytest.skip("nothing is reported")
    lines = text.split("\n")
    for line in {line for line, _ in reported}:
        codes = ",".join(sorted(code for at, code in reported if at == line))
        lines[line - 1] = re.sub(r"\s*#\s*(noqa|expect|known-false-alarm)\b.*", "", lines[line - 1]) + f"  # noqa: {codes}"
    selection = Selection(["--isolated", *harness.arguments_of(text)])
    report = check_text(str(path.relative_to(ROOT)), "\n".join(lines), selection)
    assert [(finding.span.line, finding.code) for finding in report.findings] == []
    assert report.silenced >= len(reported)


def test_transforms_do_something() -> None:
    program = "import pymongo\nfrom threading import Thread\nclient = pymongo.MongoClient()\nThread(target=client.close).start()\n"
    aliased = transforms.import_aliases(program)
    expected = "import pymongo as pymongo_x\nfrom threading import Thread as Thread_x\nclient = pymongo_x.MongoClient()\n"
    assert aliased == (expected + "Thread_x(target=client.close).start()\n", 0)
    renamed = transforms.other_variables(program)
    assert renamed is not None
    assert "client_x = pymongo.MongoClient()" in renamed[0]
    for transform in (transforms.in_block, transforms.in_function, transforms.in_method):
        wrapped = transform(program)
        assert wrapped is not None
        text, offset = wrapped
        ast.parse(text)
        assert text.split("\n")[2 + offset].strip() == "client = pymongo.MongoClient()"


@pytest.mark.slow
def test_enough_variants_apply() -> None:
    applied = sum(transform(path.read_text(encoding="utf-8")) is not None for path in CASES for transform in transforms.TRANSFORMS)
    assert CASES
    assert applied > len(CASES) * 2
