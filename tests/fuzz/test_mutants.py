"""Mutated fixtures: whatever a program has become, it is read, checked and fixed without a failure."""

import json
import random
from pathlib import Path

import pytest

from flake8_mongo_threads.check import Reading, check_bytes
from flake8_mongo_threads.findings import Applicability
from flake8_mongo_threads.fixes.files import Wish, fix_bytes
from flake8_mongo_threads.report import FileReport
from flake8_mongo_threads.selection import Selection
from flake8_mongo_threads.source import DecodeError, parse, split_lines
from fuzz.mutation import MUTATIONS, SEED, delete_line, mutants, programs

pytestmark = pytest.mark.slow

SHARDS = 8
SELECTION = Selection(["--isolated", "--select=MDB,MDB0,MDB1,MDB2,MDB3,MDB4,MDB5,MDB6,MDB7"])
ALL_FIXES = Wish(Applicability.UNSAFE, docstrings=True)


def shard(number: int) -> list[Path]:
    return programs()[number::SHARDS]


def is_whole(report: FileReport, text: str) -> None:
    """A report without a failure of the linter, whose findings stand inside the text."""
    assert report.problem is None or "internal error" not in report.problem.text, report.problem
    assert len(report.problem_line().splitlines()) <= 1
    lines = split_lines(text)
    assert list(report.findings) == sorted(report.findings, key=lambda finding: finding.sort_key)
    for finding in report.findings:
        assert finding.code != "MDB000", finding.message
        assert "\n" not in finding.message
        if not report.cells:
            assert 1 <= finding.span.line <= len(lines)
            assert 0 <= finding.span.col <= len(lines[finding.span.line - 1])


@pytest.mark.parametrize("number", range(SHARDS))
def test_detection(number: int) -> None:
    parsed = found = 0
    for path in shard(number):
        for mutant in mutants(path.read_text(encoding="utf-8"), path.as_posix()):
            report = check_bytes(str(path), mutant.encode("utf-8", "surrogatepass"), SELECTION, Reading(docstrings=True))
            is_whole(report, mutant)
            parsed += report.problem is None
            found += len(report.findings)
    assert parsed > 50, "the mutants are too broken to test anything"
    assert found > 50


@pytest.mark.parametrize("number", range(SHARDS))
def test_fixes(number: int) -> None:
    """What a fix makes of a mutant is Python, has fewer findings, and is left alone the second time."""
    changed = 0
    for path in shard(number):
        for mutant in mutants(path.read_text(encoding="utf-8"), f"fix {path.as_posix()}", 2):
            data = mutant.encode("utf-8", "surrogatepass")
            try:
                result, new = fix_bytes(str(path), data, SELECTION, ALL_FIXES)
            except (DecodeError, SyntaxError):
                continue
            if new == data:
                continue
            changed += 1
            parse(new.decode())
            again, newer = fix_bytes(str(path), new, SELECTION, ALL_FIXES)
            assert newer == new, (path, mutant)
            assert not again.applied
            assert "MDB000" not in {finding.code for finding in (*result.remaining, *again.remaining)}
    assert changed > 5


def page(text: str, chooser: random.Random) -> str:
    """A page with a program in fenced, indented and prompted blocks."""
    lines = text.splitlines()
    cut = chooser.randrange(len(lines))
    fenced = "\n".join(("```python", *lines[:cut], "```"))
    directive = "\n".join((".. code-block:: python", "", *("    " + line for line in lines[cut:])))
    prompted = "\n".join(">>> " + line if not line.startswith(" ") else "... " + line for line in lines[:20])
    blocks = [fenced, directive, prompted, "```pycon\n" + prompted + "\n```", "> " + fenced.replace("\n", "\n> "), "text ``MongoClient()``"]
    chooser.shuffle(blocks)
    return "# Title\n\n" + "\n\n".join(blocks) + "\n"


@pytest.mark.parametrize("number", range(SHARDS))
def test_pages(number: int) -> None:
    found = 0
    for path in shard(number)[::3]:
        chooser = random.Random(f"{SEED} page {path.as_posix()}")
        text = page(path.read_text(encoding="utf-8"), chooser)
        for mutant in (text, *mutants(text, f"page {path.as_posix()}", 3)):
            for name in ("page.md", "page.rst"):
                report = check_bytes(name, mutant.encode("utf-8", "surrogatepass"), SELECTION, Reading(unparsable=True))
                is_whole(report, mutant)
                found += len(report.findings)
                if report.problem is None:
                    _, new = fix_bytes(name, mutant.encode(), SELECTION, ALL_FIXES)
                    is_whole(check_bytes(name, new, SELECTION), new.decode())
    assert found > 20


def notebook(text: str, chooser: random.Random) -> str:
    """A notebook whose cells are pieces of a program, with magics and prose between them."""
    lines = text.splitlines(keepends=True)
    cells = []
    while lines:
        size = chooser.randrange(1, 12)
        source = lines[:size]
        del lines[:size]
        if chooser.random() < 0.2:
            source.insert(0, chooser.choice(("%matplotlib inline\n", "!pip install pymongo\n", "%%time\n", "?client\n")))
        kind = chooser.choice(("code", "code", "code", "markdown", "raw"))
        cells.append({"cell_type": kind, "metadata": {}, "source": source if chooser.random() < 0.7 else "".join(source)})
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=chooser.choice((None, 1, 2)))


@pytest.mark.parametrize("number", range(SHARDS))
def test_notebooks(number: int) -> None:
    found = 0
    for path in shard(number)[::3]:
        chooser = random.Random(f"{SEED} notebook {path.as_posix()}")
        text = notebook(path.read_text(encoding="utf-8"), chooser)
        for mutant in (text, *mutants(text, f"notebook {path.as_posix()}", 3)):
            data = mutant.encode("utf-8", "surrogatepass")
            report = check_bytes("book.ipynb", data, SELECTION)
            is_whole(report, mutant)
            found += len(report.findings)
            if report.problem is None:
                _, new = fix_bytes("book.ipynb", data, SELECTION, ALL_FIXES)
                json.loads(new)
    assert found > 20


def test_every_mutation_changes_something() -> None:
    text = programs()[0].read_text(encoding="utf-8")
    chooser = random.Random(1)
    for mutation in MUTATIONS:
        assert any(mutation(text, chooser) != text for _ in range(20)), mutation
    assert len(delete_line(text, chooser)) < len(text)
    assert len(set(mutants(text, "a", 20))) > 10
    assert list(mutants(text, "a", 5)) == list(mutants(text, "a", 5))
