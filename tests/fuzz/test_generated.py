"""Programs made from Python's grammar, and option texts made of anything."""

import ast
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flake8_mongo_threads.check import check_bytes
from flake8_mongo_threads.config import FAMILIES, FLAVOURS, PLACES, Config, ConfigError, parse
from flake8_mongo_threads.engine import analyse
from flake8_mongo_threads.findings import Applicability
from flake8_mongo_threads.fixes.files import Wish, fix_bytes
from flake8_mongo_threads.selection import Selection, SelectionError
from flake8_mongo_threads.source import DecodeError, Source

hypothesmith = pytest.importorskip("hypothesmith")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

OFTEN = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
EVERYTHING = Config(opted_in=frozenset(("MDB1", "MDB2", "MDB6", "MDB7")))
SELECTION = Selection(["--isolated", "--select=MDB,MDB1,MDB2,MDB6,MDB7"])
BEFORE = (
    "import asyncio, threading\nfrom pymongo import MongoClient, AsyncMongoClient\nclient = MongoClient()\ndb = client.shop\n"
    "session = client.start_session()\nA = B = _ = client\n"
)


def whole(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
    for finding in analyse(Source.from_text("made.py", text), tree, EVERYTHING):
        assert finding.code != "MDB000", finding.message


@OFTEN
@given(hypothesmith.from_grammar())
def test_grammar(text: str) -> None:
    whole(text)
    whole(BEFORE + text)


@OFTEN
@given(hypothesmith.from_node())
def test_nodes(text: str) -> None:
    whole(BEFORE + text)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(hypothesmith.from_node())
def test_fixes_beside_odd_code(text: str) -> None:
    """A fix in a file of odd code changes its own place only, or is refused."""
    data = (
        "import pymongo\nfor x in y:\n    pymongo.MongoClient().a.b.insert_one(x)\npymongo.MongoClient().a.b.insert({})\n" + text
    ).encode("utf-8", "surrogatepass")
    try:
        _, new = fix_bytes("made.py", data, SELECTION, Wish(Applicability.UNSAFE))
    except (DecodeError, SyntaxError):
        return
    assert new.decode().endswith(text)
    ast.parse(new)


@OFTEN
@given(st.binary(max_size=300), st.sampled_from(["made.py", "made.md", "made.rst", "made.ipynb"]), st.booleans())
def test_bytes(data: bytes, name: str, with_driver: bool) -> None:
    report = check_bytes(name, (b"import pymongo\n" if with_driver else b"") + data, SELECTION)
    assert "MDB000" not in {finding.code for finding in report.findings}
    assert report.problem is None or "internal error" not in report.problem.text
    assert len(report.problem_line().splitlines()) <= 1


words = st.text(alphabet=st.sampled_from("abc.:=,;-><0149*~!# \n\té"), max_size=20)
factories = st.builds(
    lambda m, n, k, f: f"{m}:{n} = {k}-{f}", words, words, st.sampled_from((*FLAVOURS, "x")), st.sampled_from((*FAMILIES, "x"))
)
spawners = st.builds(lambda p, a, w: f"{p}:{a} = {w}", words, words, st.sampled_from((*PLACES, "x")))


@OFTEN
@given(words, words, st.lists(factories | words, max_size=3), st.lists(spawners | words, max_size=3), st.lists(words, max_size=2))
def test_options(pymongo: str, motor: str, made: list[str], spawned: list[str], selections: list[str]) -> None:
    """Any text of an option is either used or refused with one line."""
    try:
        config = parse(selections=(selections,), pymongo=pymongo, motor=motor, factories=tuple(made), spawners=tuple(spawned))
    except ConfigError as error:
        told = str(error)
    else:
        told = ""
    assert len(told.splitlines()) <= 1
    if told:
        return
    text = BEFORE + "def f(db):\n    for x in y:\n        db.c.insert(MongoClient())\n"
    assert "MDB000" not in {finding.code for finding in analyse(Source.from_text("made.py", text), ast.parse(text), config)}


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "select",
                "ignore",
                "extend-select",
                "per-file-ignores",
                "exclude",
                "mongo-threads-pymongo",
                "mongo-threads-src",
                "mongo-threads-factories",
            ]
        ),
        words,
        max_size=4,
    )
)
def test_command_line(options: dict[str, str]) -> None:
    try:
        selection = Selection(["--isolated", *(f"--{name}={value}" for name, value in options.items())])
    except SelectionError as error:
        told = str(error)
    else:
        told = ""
    assert len(told.splitlines()) <= 1
    if told:
        return
    check_bytes("made.py", BEFORE.encode(), selection)
