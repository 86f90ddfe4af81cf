"""Properties of fixing over generated programs: it parses, is clean, stable, and changed only where it must be."""

import ast
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flake8_mongo_threads.config import Config
from flake8_mongo_threads.edits import Anchor, Edit, ImportRequest, MakeAsync, RenameName, ReplaceExpr, SetKeyword, SpliceCall
from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.fixes.apply import FixResult, fix_text
from flake8_mongo_threads.source import Source, split_lines

FIXED = ("block", "rename", "option", "splice")


def detect(path: str, text: str, _config: Config) -> list[Finding]:
    """Four kinds of wrong calls, each with a fix of its own; and a plain loop over ``cursor()``."""
    source = Source.from_text(path, text)
    tree = ast.parse(text)
    findings = []

    def anchor(node: ast.AST) -> Anchor:
        return Anchor(type(node).__name__, *source.span(node))

    def add(code: str, node: ast.expr, edits: tuple[Edit, ...], imports: tuple[ImportRequest, ...] = ()) -> None:
        findings.append(Finding(code, path, source.name_span(node), code, (), Fix(code, Applicability.SAFE, edits, imports)))

    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not any(k.arg == "ok" for k in node.keywords):
            call = anchor(node)
            match node.func.attr:
                case "block":
                    template = "await asyncio.to_thread({0}, {1*})"
                    add("MDB001", node, (ReplaceExpr(call, template, (anchor(node.func), call)),), (ImportRequest("asyncio"),))
                case "rename":
                    add("MDB002", node, (RenameName(anchor(node.func), "renamed"),))
                case "option":
                    add("MDB003", node, (SetKeyword(call, "ok", "not None"),))
        elif isinstance(node, ast.For) and isinstance(node.iter, ast.Call) and ast.unparse(node.iter.func) == "cursor":
            add("MDB004", node.iter, (MakeAsync(anchor(node)),))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "submit":
            for argument in node.args:
                if isinstance(argument, ast.Call) and isinstance(argument.func, ast.Attribute) and argument.func.attr == "splice":
                    add("MDB005", argument, (SpliceCall(anchor(argument)),))
    return sorted(findings, key=lambda finding: finding.sort_key)


NAMES = st.sampled_from(["a", "b2", "größe", "self"])
GAP = st.sampled_from(["", " ", "  "])
CONSTANTS = st.sampled_from(["1", "None", "'é😀'", '"""two\nlines"""', "b'x'", "f'{a}'", "(1, 2)", "[]"])


def calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arguments = st.lists(st.one_of(inner, inner.map("k={}".format), inner.map("*({})".format), inner.map("**({})".format)), max_size=3)

    @st.composite
    def call(draw: Callable[..., Any]) -> str:
        method = draw(st.sampled_from([*FIXED, "fine"]))
        receiver = draw(st.one_of(NAMES, inner.map("({})".format)))
        parts = sorted(draw(arguments), key=lambda part: 2 if part.startswith("**") else 1 if part.startswith("k=") else 0)
        parts = [part.replace("k=", f"k{index}=", 1) if part.startswith("k=") else part for index, part in enumerate(parts)]
        dot = draw(st.sampled_from([".", " .", ". "]))
        layout = draw(st.integers(0, 3))
        if layout == 0 or not parts:
            body = "(" + ", ".join(parts) + ")"
        elif layout == 1:
            body = "(\n" + ",\n".join(f"      {part}" for part in parts) + ",\n )"
        elif layout == 2:
            body = "(  # open\n" + ",  # comment\n".join(f"      {part}" for part in parts) + ",\n )"
        else:
            body = " (\n" + ", ".join(parts) + "\n)"
        text = f"{receiver}{dot}{method}{body}"
        wrapper = draw(
            st.sampled_from(["{}", "{}", "submit({})", "({})", "(  # why\n{})", "not {}", "-{}", "{}[0]", "{}.x", "[{} for i in a]"])
        )
        return str(wrapper.format(text))

    return call()


EXPRESSIONS = st.recursive(st.one_of(NAMES, CONSTANTS), calls, max_leaves=4)
STATEMENTS = st.one_of(
    EXPRESSIONS,
    EXPRESSIONS.map("x = {}".format),
    EXPRESSIONS.map("y = 1; x = {} ; z = 2  # several".format),
    EXPRESSIONS.map("return {}".format),
    EXPRESSIONS.map("for i in cursor({}):\n{{indent}}pass".format),
    EXPRESSIONS.map("if {}:\n{{indent}}pass".format),
    st.just("# a comment\n\n"),
)


@st.composite
def programs(draw: Callable[..., Any]) -> str:
    indent = draw(st.sampled_from(["    ", "\t", "  "]))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    head = draw(
        st.sampled_from(
            [
                "",
                '"""Doc."""\n',
                "import os\n\n",
                "import asyncio\n",
                "# licence\n\nfrom pymongo import x\n",
                "from __future__ import annotations\n",
            ]
        )
    )
    body = ""
    for statement in draw(st.lists(STATEMENTS, min_size=1, max_size=4)):
        # Lines that continue an expression keep their own indentation: they are inside brackets.
        body += f"{indent}{statement.replace('{indent}', indent * 2)}\n"
    body += f"{indent}pass"
    text = f"{head}\n\nasync def main(a, b2, größe, self, cursor, submit):\n{body}{draw(st.sampled_from(['', chr(10)]))}"
    return text.replace("\n", newline)


def valid(text: str) -> bool:
    try:
        compile(text, "t", "exec")
    except SyntaxError:
        return False
    return True


def comments(text: str) -> int:
    return text.count("# ")


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs().filter(valid))
def test_fixing_keeps_every_promise(text: str) -> None:
    found = detect("t.py", text, Config())
    result: FixResult = fix_text("t.py", text, detect=detect)
    assert valid(result.text)
    # Gone, or named with its reason.
    left = detect("t.py", result.text, Config())
    assert len(left) == len(result.remaining) == len(result.refused)
    assert len(result.applied) >= len(found) - len(left)
    assert fix_text("t.py", result.text, detect=detect).text == result.text
    assert comments(result.text) == comments(text)
    old, new = split_lines(text), split_lines(result.text)
    assert {line[len(line.rstrip("\r\n")) :] for line in new} <= {line[len(line.rstrip("\r\n")) :] for line in old}
    assert text.endswith("\n") == result.text.endswith("\n")
    # Only lines inside a statement with a finding, and the import, differ.
    tree = ast.parse(text)
    touched: set[int] = set()
    for finding in found:
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.stmt)
                and not isinstance(node, ast.AsyncFunctionDef)
                and node.lineno <= finding.span.line <= (node.end_lineno or 0)
            ):
                touched.update(range(node.lineno, (node.end_lineno or 0) + 1))
    kept = [line for number, line in enumerate(old, 1) if number not in touched and line.strip()]
    remaining = iter(new)
    assert all(line in remaining for line in kept)
    if not found:
        assert result.text == text


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(EXPRESSIONS)
def test_awaiting_an_expression_means_the_same_as_in_parentheses(expression: str) -> None:
    """What precedence demands: the tree of the fixed text is that of the text with explicit parentheses."""
    text = f"async def f(a, b2, größe, self, submit):\n    x = (\n{expression}\n)\n"
    if not valid(text):
        return
    source, tree = Source.from_text("t.py", text), ast.parse(text)
    targets = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fine"
    ]
    if len(targets) != 1:
        return

    def once(path: str, current: str, _config: Config) -> list[Finding]:
        if current != text:
            return []
        anchor = Anchor("Call", *source.span(targets[0]))
        fix = Fix("t", Applicability.SAFE, (ReplaceExpr(anchor, "a or {0}", (anchor,)),))
        return [Finding("MDB001", path, source.span(targets[0]), "m", (), fix)]

    result = fix_text("t.py", text, detect=once)

    class Wrap(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.AST:
            new: Any = self.generic_visit(node)
            return ast.BoolOp(ast.Or(), [ast.Name("a", ast.Load()), new]) if node is targets[0] else new

    assert result.applied, result.refused
    assert ast.dump(ast.parse(result.text)) == ast.dump(Wrap().visit(tree))
