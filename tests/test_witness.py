"""Every hop of the evidence is a real place: the file exists, the line is there, what is named stands on it, and calls chain up."""

import ast
import itertools
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import harness
from flake8_mongo_threads.findings import Finding, Step
from harness import FIXTURES, ROOT

pytestmark = pytest.mark.xdist_group("findings of every fixture")

MAX_HOPS = 6
PROGRAMS = [
    path
    for path in sorted(FIXTURES.rglob("*.py"))
    if path.name != "__init__.py" and not {"fixes", "migrate_motor", "documents"} & set(path.relative_to(FIXTURES).parts)
]

IMPLICIT = {
    "<lambda>": "lambda",
    "comprehension": "for",
    "mongodb+srv look-up": "mongodb+srv",
    "__init__": "(",
    "__new__": "(",
    "__post_init__": "(",
    "__call__": "(",
    "__enter__": "with",
    "__exit__": "with",
    "__aenter__": "with",
    "__aexit__": "with",
    "module": "",
}
"""What runs without its name being written: what is written instead."""

CALLS = re.compile(r"^'([^']+)' (?:calls|reads property|enters) '([^']+)'")


class Hop(NamedTuple):
    """One step of one finding."""

    finding: Finding
    step: Step

    def __str__(self) -> str:
        where = f"{self.finding.path}:{self.finding.span.line} {self.finding.code}"
        return f"{where}: {self.step.path}:{self.step.line}: {self.step.text}"


@cache
def lines_of(path: str) -> tuple[str, ...]:
    return tuple((ROOT / path).read_text(encoding="utf-8").splitlines())


@cache
def extents_of(path: str) -> tuple[dict[int, int], list[tuple[str, int, int]]]:
    """Where what begins on each line ends, and the functions, lambdas and classes with their first and last lines."""
    ends: dict[int, int] = {}
    scopes: list[tuple[str, int, int]] = []
    for node in ast.walk(ast.parse("\n".join(lines_of(path)))):
        first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
        if first:
            ends[first] = max(ends.get(first, 0), last)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            scopes.append((node.name, first, last))
        elif isinstance(node, ast.Lambda):
            scopes.append(("<lambda>", first, last))
    return ends, scopes


def written_at(step: Step) -> str:
    """The text of what begins on the line of a step: a statement with its body, an expression, or a part of one."""
    last = extents_of(step.path)[0].get(step.line, step.line)
    return "\n".join(lines_of(step.path)[step.line - 1 : last])


def function_around(step: Step, name: str) -> bool:
    """Whether a line belongs to a function, lambda or class of that name."""
    return name == "module" or any(scope == name and first <= step.line <= last for scope, first, last in extents_of(step.path)[1])


@cache
def program_around(path: str) -> str:
    """The text of a program: of the file, or of all files of the small project that it is part of."""
    parts = Path(path).parts
    files = sorted((ROOT / Path(*parts[:3])).rglob("*.py")) if len(parts) > 3 else [ROOT / path]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def named(text: str) -> list[str]:
    return re.findall(r"'([^']+)'", text)


def word_of(name: str) -> str:
    """What has to be written for a name: its last part, without arguments and keys."""
    if name in IMPLICIT:
        return IMPLICIT[name]
    return re.split(r"[.(\[ ]", name.rstrip("()[]\"'"))[-1].strip("()[]\"'")


@pytest.fixture(scope="module")
def hops() -> list[Hop]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(ROOT)
        found: list[Hop] = []
        for path in PROGRAMS:
            text = path.read_text(encoding="utf-8")
            for finding in harness.run_engine_once(path.relative_to(ROOT), text, harness.config_of(text)):
                found.extend(Hop(finding, step) for step in finding.steps)
    assert len(found) > 3_000
    return found


def test_every_hop_is_a_place(hops: list[Hop]) -> None:
    for hop in hops:
        step = hop.step
        assert (ROOT / step.path).is_file(), f"no such file: {hop}"
        assert 1 <= step.line <= len(lines_of(step.path)), f"no such line: {hop}"
        line = lines_of(step.path)[step.line - 1]
        assert 0 <= step.col < len(line), f"no such column: {hop}"
        assert not line[step.col].isspace(), f"nothing there: {hop}"
        assert step.text, f"nothing said: {hop}"
        assert step.text == " ".join(step.text.split()), f"not one line: {hop}"


def test_what_is_named_stands_there(hops: list[Hop]) -> None:
    indirect = []
    total = 0
    for hop in hops:
        for name in named(hop.step.text):
            if name == "<lambda>":
                continue  # it has no name that could be written anywhere
            total += 1
            word = "closing" if name == "close" and "contextlib.closing" in hop.step.text else word_of(name)
            if word in written_at(hop.step) or name in written_at(hop.step) or function_around(hop.step, name):
                continue
            # through a variable, a container, a decorator or an import under another name: then it is written elsewhere
            assert word in program_around(hop.step.path), f"{name!r} is nowhere: {hop}"
            indirect.append(f"{name!r}: {hop}")
    assert len(indirect) <= total * 0.03, f"{len(indirect)} of {total}:\n" + "\n".join(indirect[:40])


def test_a_call_stands_in_the_function_that_makes_it(hops: list[Hop]) -> None:
    checked = 0
    for hop in hops:
        match = CALLS.match(hop.step.text)
        if match is not None:
            checked += 1
            assert function_around(hop.step, match[1]), f"not inside {match[1]!r}: {hop}"
    assert checked > 40


def test_calls_chain_up(hops: list[Hop]) -> None:
    chains = 0
    for first, second in itertools.pairwise(hops):
        if first.finding is not second.finding:
            continue
        outer, inner = CALLS.match(first.step.text), CALLS.match(second.step.text)
        if outer is not None and inner is not None:
            chains += 1
            assert outer[2] == inner[1], f"{first}\n{second}"
    assert chains >= 5


def test_at_most_six_hops(hops: list[Hop]) -> None:
    counts: dict[int, int] = {}
    for hop in hops:
        counts[id(hop.finding)] = counts.get(id(hop.finding), 0) + 1
    assert max(counts.values()) <= MAX_HOPS
    assert max(counts.values()) >= 4, "no chain to speak of is among the programs"


def test_a_long_way_is_told_in_six_hops(tmp_path: Path) -> None:
    helpers = "".join(f"def step_{n}():\n    return step_{n + 1}()\n\n\n" for n in range(12))
    text = (
        "from flask import Flask\nfrom pymongo import MongoClient\n\napp = Flask(__name__)\n\n\n"
        "@app.get('/')\ndef index():\n    return step_0()\n\n\n"
        f"{helpers}def step_12():\n    client = MongoClient()\n    return client.shop.orders.find_one()\n"
    )
    found = harness.run_engine(Path("long_way.py"), text, harness.config_of(text))
    for finding in found:
        assert len(finding.steps) <= MAX_HOPS, [step.text for step in finding.steps]
    assert [(f.code, text.splitlines()[f.span.line - 1].strip()) for f in found] == [("MDB103", "client = MongoClient()")]
    assert any("'index'" in step.text for step in found[0].steps)
