"""Properties of fixing over generated programs: it parses, is clean, stable, and changed only where it must be."""

import ast
import io
import re
import tokenize
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import harness
from flake8_mongo_threads.config import Config
from flake8_mongo_threads.edits import (
    Anchor,
    DeleteStatement,
    Edit,
    ImportRequest,
    MakeAsync,
    RemoveKeyword,
    RenameName,
    ReplaceExpr,
    SetKeyword,
    SpliceCall,
    Unwrap,
)
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


# The programs of the fixtures, formatted otherwise


def fixable_fixtures() -> list[str]:
    """Small programs of the fixtures with a fix, without the markers of what is expected."""
    texts = []
    for path in harness.fixtures_of_rules():
        text = path.read_text(encoding="utf-8")
        if path.name.startswith("ok_") or len(text) > 2500 or text.startswith("# options"):
            continue
        texts.append(re.sub(r"[ \t]*#\s*(?:expect|known-miss|known-false-alarm):.*", "", text))
    return texts


FIXTURES = fixable_fixtures()
_INSIDE = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


def positions(text: str) -> tuple[list[int], list[tuple[int, int]], list[int]]:
    """Lines behind which a comment may be written, commas inside brackets (line, column), and lines above which a statement begins."""
    ends, commas, starts, depth = [], [], [], 0
    strings: set[int] = set()
    fresh = True
    opened = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        if kind == "FSTRING_START":
            opened += 1
        if kind in ("STRING", "FSTRING_MIDDLE"):
            strings.update(range(token.start[0], token.end[0]))
        if kind == "OP" and not opened:
            depth += _INSIDE.get(token.string, 0)
            if token.string == "," and depth:
                commas.append(token.end)
        if kind == "FSTRING_END":
            opened -= 1
        if kind in ("NEWLINE", "NL") and "#" not in token.line and token.string:
            ends.append(token.start[0])
        if kind in ("NEWLINE", "NL", "COMMENT", "INDENT", "DEDENT", "ENCODING", "ENDMARKER"):
            fresh |= kind == "NEWLINE"
        elif fresh:
            starts.append(token.start[0])
            fresh = False
    return [line for line in ends if line not in strings], commas, starts


@st.composite
def otherwise(draw: Callable[..., Any]) -> tuple[str, str, bool]:
    """A program, the same program formatted in another way, and whether expressions stand on other lines."""
    text = draw(st.sampled_from(FIXTURES))
    lines = text.split("\n")
    ends, commas, starts = positions(text)
    broken = draw(st.booleans())
    for line, column in sorted(draw(st.sets(st.sampled_from(commas), max_size=4)) if broken and commas else (), reverse=True):
        row = lines[line - 1]
        if row[column:].strip() and not row[column:].lstrip().startswith("#"):
            indent = " " * (len(row) - len(row.lstrip()) + 8)
            lines[line - 1] = f"{row[:column]}\n{indent}{row[column:].lstrip()}"
    for number in draw(st.sets(st.sampled_from(ends), max_size=5)) if ends else ():
        head, _, last = lines[number - 1].rpartition("\n")
        lines[number - 1] = f"{head}{chr(10) if head else ''}{last}  # note {number}"
    for number in sorted(draw(st.sets(st.sampled_from(starts), max_size=4)), reverse=True) if starts else ():
        row = lines[number - 1]
        lines[number - 1] = f"{draw(st.sampled_from(['', chr(10)]))}{row[: len(row) - len(row.lstrip())]}# above {number}\n{row}"
    changed = "\n".join(lines)
    if draw(st.booleans()):
        changed = re.sub(r"^(?: {4})+", lambda match: "\t" * (len(match[0]) // 4), changed, flags=re.MULTILINE)
    changed = changed.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    return text, changed, broken


def same_code(one: str, other: str) -> bool:
    return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))


def notes(text: str) -> list[str]:
    return sorted(re.findall(r"# (?:note|above) \d+", text))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(otherwise().filter(lambda drawn: valid(drawn[1]) and same_code(drawn[0], drawn[1])))
def test_the_format_of_a_program_does_not_matter(drawn: tuple[str, str, bool]) -> None:
    text, changed, broken = drawn
    wanted = fix_text("program.py", text, Config(), level=Applicability.UNSAFE)
    result = fix_text("program.py", changed, Config(), level=Applicability.UNSAFE)
    assert valid(result.text)
    ends = {line[len(line.rstrip("\r\n")) :] for line in split_lines(result.text)} - {""}
    assert len(ends) <= 1
    assert ends <= {line[len(line.rstrip("\r\n")) :] for line in split_lines(changed)}
    # a comment goes only with a statement that is taken away
    lost = set(notes(changed)) - set(notes(result.text))
    assert set(notes(result.text)) <= set(notes(changed))
    assert not lost or any(finding.fix and any(isinstance(e, GOING) for e in finding.fix.edits) for finding in result.applied), lost
    again = fix_text("program.py", result.text, Config(), level=Applicability.UNSAFE)
    assert again.text == result.text
    if not broken and len(result.refused) == len(wanted.refused):
        assert same_code(result.text, wanted.text)
    expected = {without_numbers(reason) for _, reason in wanted.refused}
    assert all("comment" in reason or without_numbers(reason) in expected for _, reason in result.refused), result.refused


def without_numbers(reason: str) -> str:
    return re.sub(r"\d+", "", reason)


GOING = (DeleteStatement, RemoveKeyword, Unwrap)
