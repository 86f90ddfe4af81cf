"""Spans agree with the text and with libcst, whose nodes fixes look for."""

import ast
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import libcst
import pytest
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from flake8_mongo_threads.source import DecodeError, Source, decode

STDLIB = Path(sysconfig.get_paths()["stdlib"])
SMALL = [STDLIB / name for name in ("queue.py", "contextlib.py", "sched.py", "concurrent/futures/thread.py", "asyncio/locks.py")]

ODD = """\
# noqa: comments and é before anything
é = "😀"; result = (client.db["漢字"]).find_one({"é": 1}, *args, key="ß")  # behind wide characters
async def handler(request, *, session=None):
    async with client.start_session() as s, other(s) as t:
        return await (db.coll
            .find({"a": 1})
            .to_list(length=None))
text = f"{client.db.command('ping')} é {value!r}"
with open("a") as a, open("b") as b:
    x = [c for c in db.coll.find() if c["é"]]; y = db.coll.count_documents({})
@app.get("/é")
def view(db: "Database" = Depends(get_db)): return db.é.find_one()
"""

KINDS: dict[type[ast.AST], tuple[type[libcst.CSTNode], ...]] = {
    ast.Call: (libcst.Call,),
    ast.Name: (libcst.Name,),
    ast.Attribute: (libcst.Attribute,),
    ast.Await: (libcst.Await,),
    ast.Subscript: (libcst.Subscript,),
    ast.With: (libcst.With,),
    ast.AsyncWith: (libcst.With,),
    ast.For: (libcst.For,),
    ast.FunctionDef: (libcst.FunctionDef,),
    ast.Return: (libcst.Return,),
}


class Collector(libcst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.found: set[tuple[type[libcst.CSTNode], int, int, int, int]] = set()

    def on_visit(self, node: libcst.CSTNode) -> bool:
        if isinstance(node, tuple({kind for kinds in KINDS.values() for kind in kinds})):
            position = self.get_metadata(PositionProvider, node)
            assert isinstance(position, CodeRange)
            self.found.add((type(node), position.start.line, position.start.column, position.end.line, position.end.column))
        return True


def nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes of KINDS, without what stands inside f-strings: only from Python 3.12 on are their positions their own."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.JoinedStr):
            continue
        if type(node) in KINDS:
            yield node
        todo.extend(ast.iter_child_nodes(node))


def compare(path: str, text: str) -> int:
    source, tree = Source.from_text(path, text), ast.parse(text)
    wrapper, collector = MetadataWrapper(libcst.parse_module(text), unsafe_skip_copy=True), Collector()
    wrapper.visit(collector)
    compared = 0
    for node in nodes(tree):
        span = source.span(node)
        # A decorated function begins, for libcst, at its first decorator.
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            continue
        compared += 1
        assert (KINDS[type(node)][0], *span) in collector.found, f"{path}:{span}: {ast.dump(node)[:80]}"
    return compared


def test_odd_text() -> None:
    assert compare("odd.py", ODD) > 50


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.name)
def test_library_file(path: Path) -> None:
    assert compare(str(path), path.read_text(encoding="utf-8")) > 100


@pytest.mark.slow
def test_standard_library() -> None:
    compared = 0
    for path in sorted(STDLIB.glob("*.py"))[:120]:
        try:
            text = decode(path.read_bytes()).text
            ast.parse(text)
        except (DecodeError, SyntaxError):
            continue
        if "\x0c" not in text and len(text) < 60_000:
            compared += compare(str(path), text)
    assert compared > 20_000


def test_name_spans_are_names() -> None:
    checked = 0
    for text in (ODD, *(path.read_text(encoding="utf-8") for path in SMALL)):
        source = Source.from_text("a.py", text)
        for node in nodes(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
                span = source.name_span(node)
                name = source.lines[span.line - 1][span.col : span.end_col]
                assert name == (node.func.id if isinstance(node.func, ast.Name) else node.func.attr)
                assert span.line == span.end_line
                checked += 1
    assert checked > 200
