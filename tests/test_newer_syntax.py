"""Syntax that is newer than what this program, or libcst, was written for: it is looked at like any other, and fixed only where libcst can."""

import ast
import sys
from typing import Any

import libcst
import pytest

from flake8_mongo_threads.check import check_bytes
from flake8_mongo_threads.findings import Applicability
from flake8_mongo_threads.fixes.files import Wish, fix_bytes
from flake8_mongo_threads.selection import Selection
from flake8_mongo_threads.semantics.syntax import CHILD_FIELDS
from flake8_mongo_threads.source import parse
from programs import LOOP

SELECTION = Selection(("--isolated",))
PROGRAMS: dict[str, tuple[tuple[int, int], str, set[str]]] = {
    # Since which Python, a program, and what is found in it.
    "match": (
        (3, 10),
        LOOP + "match load:\n    case {'a': 1, **rest} | [1, *rest]:\n        pass\n    case None | -1 | int(x=1):\n        pass\n",
        {"MDB101"},
    ),
    "except_star": ((3, 11), LOOP + "try:\n    pass\nexcept* ValueError as errors:\n    pass\n", {"MDB101"}),
    "exception_group": (
        (3, 11),
        LOOP + "from pymongo.errors import PyMongoError\ntry:\n    pass\nexcept* PyMongoError as group:\n    print(group.exceptions)\n",
        {"MDB101"},
    ),
    "type_parameters": (
        (3, 12),
        LOOP + "type Pair[T: int, *Ts, **P] = tuple[T, T]\ndef f[T](x: T) -> T: ...\nclass C[T]: ...\n",
        {"MDB101"},
    ),
    "type_alias": (
        (3, 12),
        "from pymongo.asynchronous.database import AsyncDatabase\n\ntype Store = AsyncDatabase | None\n\n\n"
        "async def f(store: Store):\n    store.a.insert_one({})\n",
        {"MDB502"},
    ),
    "nested_quotes": ((3, 12), LOOP + "x = f'{load('a')!r:>{len('b')}}'\n", {"MDB101"}),
    "type_defaults": ((3, 13), LOOP + "class C[T = int, *Ts = *tuple[int], **P = [int]]: ...\n", {"MDB101"}),
    "template": ((3, 14), LOOP + "x = t'{load!r:>{load(1)}} {1=}' t''\n", {"MDB101"}),
    "await_in_template": (
        (3, 14),
        "from pymongo import MongoClient\n\nclient = MongoClient()\n\n\nasync def f():\n    return t'{client.a.b.find_one({})}'\n",
        {"MDB501"},
    ),
    "except_without_parentheses": ((3, 14), LOOP + "try:\n    pass\nexcept ValueError, TypeError:\n    pass\n", {"MDB101"}),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("path", ["program.py", "program.md"])
def test_detection_goes_on(name: str, path: str) -> None:
    since, text, wanted = PROGRAMS[name]
    if sys.version_info < since:
        pytest.skip(f"Python {since[0]}.{since[1]}")
    page = f"```python\n{text}```\n" if path.endswith(".md") else text
    report = check_bytes(path, page.encode(), SELECTION)
    assert report.problem is None
    assert {finding.code for finding in report.findings} == wanted


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_is_fixed_or_left_alone(name: str) -> None:
    since, text, wanted = PROGRAMS[name]
    if sys.version_info < since:
        pytest.skip(f"Python {since[0]}.{since[1]}")
    result, new = fix_bytes("program.py", text.encode(), SELECTION, Wish(Applicability.UNSAFE))
    if result.applied:
        parse(new.decode())
        assert not {finding.code for finding in result.remaining} & wanted
    else:
        assert new == text.encode()
        assert {finding.code for finding in result.remaining} == wanted
        assert all(len(reason.splitlines()) == 1 for _, reason in result.refused)


@pytest.mark.parametrize(
    "error", [libcst.ParserSyntaxError("unknown", lines=[], raw_line=1, raw_column=1), libcst.CSTLogicError("no"), ValueError("no")]
)
def test_what_libcst_cannot_parse_is_reported_and_left_alone(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse_module(*_: object, **__: object) -> Any:
        raise error

    monkeypatch.setattr(libcst, "parse_module", parse_module)
    result, new = fix_bytes("program.py", LOOP.encode(), SELECTION, Wish(Applicability.UNSAFE))
    assert new == LOOP.encode()
    assert [finding.code for finding in result.remaining] == ["MDB101"]
    assert [reason for _, reason in result.refused] == ["libcst cannot parse this file"]


@pytest.mark.skipif(not hasattr(ast.Name, "_field_types"), reason="what fields hold is told from Python 3.13 on")
def test_every_class_of_nodes_is_walked_through_all_that_holds_nodes() -> None:
    def holds_nodes(kind: object) -> bool:
        kinds = [kind, *getattr(kind, "__args__", ())]
        leaves = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)
        return any(isinstance(each, type) and issubclass(each, ast.AST) and not issubclass(each, leaves) for each in kinds)

    looked_at = 0
    for kind, fields in CHILD_FIELDS.items():
        types = vars(kind).get("_field_types", {})
        if kind.__module__ != "ast" or kind.__name__ in ("Import", "ImportFrom", "FunctionType"):
            continue
        if not types and fields:
            continue  # classes that are there for old programs only
        looked_at += 1
        assert {field for field, held in types.items() if holds_nodes(held)} - {"type_ignores"} == set(fields), kind
    assert looked_at > 60
