"""Every type of edit on hard formatting, the planning of imports, and the rounds with their verification.

The findings are made by hand: ``At`` finds nodes in the text, a small detector reports them as long as the text is wrong.
"""

import ast
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from flake8_mongo_threads.config import Config
from flake8_mongo_threads.edits import (
    Anchor,
    DeleteStatement,
    Edit,
    HoistWith,
    ImportRequest,
    InsertStatement,
    MakeAsync,
    MoveStatement,
    RemoveElement,
    RemoveKeyword,
    RenameImport,
    RenameKeyword,
    RenameName,
    ReplaceExpr,
    SetKeyword,
    SpliceCall,
    SwapNestedWith,
    SwapWithItems,
    Unwrap,
    WrapStatementsInTry,
)
from flake8_mongo_threads.findings import Applicability, Finding, Fix, Span
from flake8_mongo_threads.fixes import ops
from flake8_mongo_threads.fixes.apply import FixResult, fix_text
from flake8_mongo_threads.fixes.imports import Names, Planner
from flake8_mongo_threads.fixes.locate import NOT_KEPT, RefusedError, Tree
from flake8_mongo_threads.source import Source


class At:
    """Anchors of a text, found by what the node's source is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.source = Source.from_text("t.py", text)
        self.tree = ast.parse(text)

    def anchor(self, node: ast.AST) -> Anchor:
        return Anchor(type(node).__name__, *self.source.span(node))

    def nodes(self, kind: type[ast.AST]) -> list[Any]:
        found: list[Any] = [node for node in ast.walk(self.tree) if isinstance(node, kind)]
        return sorted(found, key=lambda node: (node.lineno, node.col_offset, -node.end_lineno, -node.end_col_offset))

    def __call__(self, kind: type[ast.AST], code: str = "", nth: int = 0) -> Anchor:
        """The anchor of the nth node of this class whose unparsed source starts with ``code``."""
        return self.anchor([node for node in self.nodes(kind) if ast.unparse(node).startswith(code)][nth])


def dedent(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def change(text: str, *edits: Edit) -> str:
    new = ops.apply(Tree.of_text(text), [edits])
    compile(new, "new", "exec")
    return new


def refusal(text: str, *edits: Edit) -> str:
    with pytest.raises(RefusedError) as caught:
        ops.apply(Tree.of_text(text), [edits])
    return caught.value.reason


# Expressions

AWAIT = "await {0}"


@pytest.mark.parametrize(
    ("before", "template", "after"),
    [
        ("x = f()", AWAIT, "x = await f()"),
        ("x = f().y", AWAIT, "x = (await f()).y"),
        ("x = f()[0]", AWAIT, "x = (await f())[0]"),
        ("x = -f() ** 2", AWAIT, "x = -await f() ** 2"),
        ("x = await f()", AWAIT, "x = await f()"),
        ("x = not f()", AWAIT, "x = not await f()"),
        ("x = (f())", AWAIT, "x = (await f())"),
        ("x = (  # why\n    f()\n)", AWAIT, "x = (  # why\n    await f()\n)"),
        ("x = f() if f else 1", "{0} or 2", "x = f() or 2 if f else 1"),
        ("x = f() * 2", "{0} or 2", "x = (f() or 2) * 2"),
        ("x = 2 - f()", "{0} - 1", "x = 2 - (f() - 1)"),
        ("x = f() - 2", "{0} - 1", "x = f() - 1 - 2"),
        ("x = g(f())", "lambda: {0}", "x = g(lambda: f())"),
        ("x = g(k=f())", "(y := {0})", "x = g(k=(y := f()))"),
        ("x = g(*f())", "lambda: {0}", "x = g(*(lambda: f()))"),
        ("x = [f() for _ in y]", "lambda: {0}", "x = [lambda: f() for _ in y]"),
        ("x = [a for a in f() if a]", "lambda: {0}", "x = [a for a in (lambda: f()) if a]"),
        ("x = [a for a in f()]", "{0}.to_list()", "x = [a for a in f().to_list()]"),
        ("if f():\n    pass", "{0} is not None", "if f() is not None:\n    pass"),
        ("if not f():\n    pass", "{0} is not None", "if not f() is not None:\n    pass"),
        ("if f() == 1:\n    pass", "{0} is not None", "if (f() is not None) == 1:\n    pass"),
        ("x = {f(): f}", "y if y else {0}", "x = {y if y else f(): f}"),
        ("for a in f():\n    pass", "list({0})", "for a in list(f()):\n    pass"),
        ("x = f\\\n    ()", AWAIT, "x = await f\\\n    ()"),
        ("x = f(\n    1,  # one\n\n    # two\n    *a, **k,\n)", AWAIT, "x = await f(\n    1,  # one\n\n    # two\n    *a, **k,\n)"),
        ("x = f(i for i in y)", AWAIT, "x = await f(i for i in y)"),
    ],
)
def test_replaced_expression_stands_in_parentheses_only_where_it_must(before: str, template: str, after: str) -> None:
    text = "async def main():\n" + textwrap.indent(before, "    ") + "\n"
    at = At(text)
    call = at(ast.Call, "f(")
    assert change(text, ReplaceExpr(call, template, (call,))) == "async def main():\n" + textwrap.indent(after, "    ") + "\n"


def test_a_hole_keeps_its_comments_and_a_lost_comment_refuses() -> None:
    text = dedent(
        """
        x = old(
            first(  # the first
                1,
            ),
            second,
        )
        """
    )
    at = At(text)
    first = at(ast.Call, "first")
    assert change(text, ReplaceExpr(at(ast.Call, "old"), "new({0})", (first,))) == "x = new(first(  # the first\n        1,\n    ))\n"
    assert (
        refusal(text, ReplaceExpr(at(ast.Call, "old"), "new({0})", (at(ast.Name, "second"),)))
        == "a comment inside the expression would be lost"
    )


def test_a_multi_line_chain_that_leaves_its_parentheses_gets_new_ones() -> None:
    text = "x = f(\n    a\n    .b\n)\n"
    at = At(text)
    assert change(text, ReplaceExpr(at(ast.Call), "{0}", (at(ast.Attribute),))) == "x = (a\n    .b)\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("c.find_one(q)", "asyncio.to_thread(c.find_one, q)"),
        ("c.find_one()", "asyncio.to_thread(c.find_one)"),
        ("c.find_one(*a, **k)", "asyncio.to_thread(c.find_one, *a, **k)"),
        ("c.find_one(q for q in y)", "asyncio.to_thread(c.find_one, (q for q in y))"),
        (
            "c.find_one(  # look\n    q,  # the filter\n    session=s,\n)",
            "asyncio.to_thread(  # look\n    c.find_one,\n    q,  # the filter\n    session=s,\n)",
        ),
    ],
)
def test_all_arguments_of_a_call_go_into_a_template(before: str, after: str) -> None:
    text = f"x = {before}\n"
    at = At(text)
    call = at(ast.Call, "c.find_one")
    edit = ReplaceExpr(call, "asyncio.to_thread({0}, {1*})", (at(ast.Attribute, "c.find_one"), call))
    assert change(text, edit) == f"x = {after}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ex.submit(c.insert_one(doc))", "ex.submit(c.insert_one, doc)"),
        ("ex.submit(c.insert_one())", "ex.submit(c.insert_one)"),
        ("ex.submit(c.insert_one(doc, session=s))", "ex.submit(c.insert_one, doc, session=s)"),
        ("ex.submit(c.insert_one(*docs))", "ex.submit(c.insert_one, *docs)"),
        ("ex.submit(c.insert_many(d for d in docs))", "ex.submit(c.insert_many, (d for d in docs))"),
        ("loop.run(None, c.insert_one(doc))", "loop.run(None, c.insert_one, doc)"),
        ("loop.run(c.insert_one(a), c.insert_one(b))", "loop.run(c.insert_one, a, c.insert_one(b))"),
        (
            "ex.submit(\n    c.insert_one(doc),  # hand it over\n)",
            "ex.submit(\n    c.insert_one, doc,  # hand it over\n)",
        ),
        (
            "ex.submit(c.insert_one(\n    {'a': 1},  # a document\n))",
            "ex.submit(\n    c.insert_one,\n    {'a': 1},  # a document\n)",
        ),
    ],
)
def test_a_call_is_spliced_into_its_outer_call(before: str, after: str) -> None:
    text = f"x = {before}\n"
    assert change(text, SpliceCall(At(text)(ast.Call, "c.insert"))) == f"x = {after}\n"


def test_two_calls_are_spliced_into_one_outer_call() -> None:
    text = "run(f(a), g(b))\n"
    at = At(text)
    assert change(text, SpliceCall(at(ast.Call, "f")), SpliceCall(at(ast.Call, "g"))) == "run(f, a, g, b)\n"


def test_a_keyword_argument_is_not_spliced() -> None:
    text = "Thread(target=f(a))\n"
    assert refusal(text, SpliceCall(At(text)(ast.Call, "f"))) == "the call is not a plain positional argument"


def test_names_are_renamed_in_place() -> None:
    text = "client.db  \\\n    .coll.insert (doc)  # ö\nThreadPool ()\n"
    at = At(text)
    edits = [RenameName(at(ast.Attribute, "client.db.coll.insert"), "insert_one"), RenameName(at(ast.Name, "ThreadPool"), "Pool")]
    assert change(text, *edits) == "client.db  \\\n    .coll.insert_one (doc)  # ö\nPool ()\n"


# Keywords


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f()", "f(session=s)"),
        ("f(a)", "f(a, session=s)"),
        ("f(a,)", "f(a, session=s,)"),
        ("f(a, session = None)", "f(a, session = s)"),
        ("f(*a, **k)", "f(*a, **k, session=s)"),
        ("f(x for x in y)", "f((x for x in y), session=s)"),
        ("f(\n    a,\n    b\n)", "f(\n    a,\n    b,\n    session=s\n)"),
        ("f(\n    a,\n)", "f(\n    a,\n    session=s,\n)"),
        ("f(\n    a,\n    b,  # last\n)", "f(\n    a,\n    b,  # last\n    session=s,\n)"),
        ("f(\n    a  # only\n)", "f(\n    a,  # only\n    session=s\n)"),
        ("f(a,\n  b)", "f(a,\n  b,\n  session=s)"),
    ],
)
def test_keyword_is_added_or_replaced(before: str, after: str) -> None:
    text = f"{before}\n"
    assert change(text, SetKeyword(At(text)(ast.Call, "f("), "session", "s")) == f"{after}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f(k=1)", "f()"),
        ("f(a, k=1)", "f(a)"),
        ("f(k=1, a=2)", "f(a=2)"),
        ("f(a, k=1,)", "f(a,)"),
        ("f(\n    k=1,\n)", "f()"),
        ("f(\n    a,  # first\n    k=1,\n)", "f(\n    a,  # first\n)"),
        ("f(\n    a,  # first\n    k=1\n)", "f(\n    a  # first\n)"),
        ("f(\n    a,\n    k=1,\n    b=2,\n)", "f(\n    a,\n    b=2,\n)"),
    ],
)
def test_keyword_is_removed(before: str, after: str) -> None:
    text = f"{before}\n"
    assert change(text, RemoveKeyword(At(text)(ast.Call, "f("), "k")) == f"{after}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("(Gone, A)", "A"),
        ("(A, Gone)", "A"),
        ("(A, Gone, B)", "(A, B)"),
        ("(A, B, Gone)", "(A, B)"),
        ("(A, B, Gone,)", "(A, B,)"),
        ("(e.A, Gone)", "e.A"),
        ("(*A, Gone)", "(*A,)"),
        ("(\n    A,\n    Gone,\n)", "(\n    A,\n)"),
        ("(\n    A,\n    Gone\n)", "(\n    A,\n)"),
        ("(\n    Gone,\n    A\n)", "(\n    A,\n)"),
        ("(\n    A,  # first\n    Gone,\n)", "(\n    A,  # first\n)"),
        ("(\n    A,\n    # above\n    B,\n    Gone,\n)", "(\n    A,\n    # above\n    B,\n)"),
    ],
)
@pytest.mark.parametrize("name", ["", " as error"])
def test_an_exception_is_taken_out_of_a_handler(before: str, after: str, name: str) -> None:
    frame = "try:\n    f()\nexcept {}" + name + ":\n    g()\n"
    text = frame.format(before)
    assert change(text, RemoveElement(At(text)(ast.Name, "Gone"))) == frame.format(after)


def test_a_handler_without_a_space_keeps_its_parentheses() -> None:
    text = "try:\n    f()\nexcept(A, Gone):\n    g()\n"
    assert change(text, RemoveElement(At(text)(ast.Name, "Gone"))) == text.replace("(A, Gone)", "(A)")


def test_an_element_is_only_removed_from_a_tuple_that_keeps_one() -> None:
    for text, reason in (
        ("x = Gone\n", "it is no element of a tuple"),
        ("x = [Gone, A]\n", "it is no element of a tuple"),
        ("x = (Gone,)\n", "the tuple would be empty"),
        ("x = (\n    A,\n    Gone,  # why\n    B,\n)\n", "a comment inside the expression would be lost"),
        ("x = (A,  # why\n     Gone)\n", "a comment inside the expression would be lost"),
    ):
        assert refusal(text, RemoveElement(At(text)(ast.Name, "Gone"))) == reason
    text = "x = (Gone, A, Gone, B)\n"
    at = At(text)
    assert (
        refusal(text, RemoveElement(at(ast.Name, "Gone")), RemoveElement(at(ast.Name, "Gone", 1))) == "the tuple is changed by another fix"
    )


def test_keyword_is_renamed_and_what_is_not_there_refuses() -> None:
    text = "f(max_pool_size  =  5)\n"
    call = At(text)(ast.Call)
    assert change(text, RenameKeyword(call, "max_pool_size", "maxPoolSize")) == "f(maxPoolSize  =  5)\n"
    assert "no argument 'x'" in refusal(text, RenameKeyword(call, "x", "y"))
    assert "no argument 'x'" in refusal(text, RemoveKeyword(call, "x"))
    text = "f(a=1, b=2)\n"
    assert "has an argument 'b' already" in refusal(text, RenameKeyword(At(text)(ast.Call), "a", "b"))


# Blocks


def test_with_items_are_swapped_with_their_comments() -> None:
    text = "with A() as a, B() as b:  # both\n    pass\n"
    assert change(text, SwapWithItems(At(text)(ast.With), 0, 1)) == "with B() as b, A() as a:  # both\n    pass\n"
    text = "with (\n    A() as a,  # one\n    B() as b,  # two\n):\n    pass\n"
    assert change(text, SwapWithItems(At(text)(ast.With), 0, 1)) == "with (\n    B() as b,  # two\n    A() as a,  # one\n):\n    pass\n"
    text = "with (\n    A() as a,  # one\n    B() as b\n):\n    pass\n"
    assert change(text, SwapWithItems(At(text)(ast.With), 0, 1)) == "with (\n    B() as b,\n    A() as a  # one\n):\n    pass\n"
    text = "with (\n    A() as a,  # one\n    B() as b):\n    pass\n"
    assert refusal(text, SwapWithItems(At(text)(ast.With), 0, 1)) == "a comment stands between the items"


def test_nested_with_is_swapped_and_keeps_bodies_and_comments() -> None:
    text = dedent(
        """
        x = 1

        # the client
        with A() as a:  # a
            # the pool
            async_ = 1 if x else 2
        """
    )
    assert refusal(text, SwapNestedWith(At(text)(ast.With))) == "there is more in the block"
    text = dedent(
        """
        x = 1

        # the client
        with A() as a:  # a
            # the pool
            with B(
                1,
            ) as b:  # b
                run(a, b)
                # done
        """
    )
    assert change(text, SwapNestedWith(At(text)(ast.With))) == dedent(
        """
        x = 1

        # the pool
        with B(
            1,
        ) as b:  # b
            # the client
            with A() as a:  # a
                run(a, b)
                # done
        """
    )


def test_with_is_hoisted_out_of_its_loop() -> None:
    text = dedent(
        """
        def main():
        \tx = 1

        \t# every document
        \tfor doc in docs:  # loop
        \t\t# a client
        \t\twith Client(uri) as c:  # client
        \t\t\tc.insert(doc)

        \t\t\t# next
        \telse:
        \t\tdone()
        """
    ).replace("        ", "")
    expected = dedent(
        """
        def main():
        \tx = 1

        \t# a client
        \twith Client(uri) as c:  # client
        \t\t# every document
        \t\tfor doc in docs:  # loop
        \t\t\tc.insert(doc)

        \t\t\t# next
        \t\telse:
        \t\t\tdone()
        """
    ).replace("        ", "")
    assert change(text, HoistWith(At(text)(ast.For))) == expected


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        (ast.For, "for x in c:\n        pass", "async for x in c:\n        pass"),
        (ast.With, "with  c as x:\n        pass", "async with  c as x:\n        pass"),
        (ast.ListComp, "y = [x  for x in c  if x]", "y = [x  async for x in c  if x]"),
        (ast.GeneratorExp, "y = f(x for x in c)", "y = f(x async for x in c)"),
        (ast.GeneratorExp, "y = f( (x for x in c) )", "y = f( (x async for x in c) )"),
        (ast.DictComp, "y = {a: b for a, b in c}", "y = {a: b async for a, b in c}"),
    ],
)
def test_iteration_becomes_asynchronous(kind: type[ast.AST], before: str, after: str) -> None:
    text = f"async def f():\n    {before}\n"
    new = change(text, MakeAsync(At(text)(kind)))
    assert new == f"async def f():\n    {after}\n"
    back = {ast.For: ast.AsyncFor, ast.With: ast.AsyncWith}.get(kind, kind)
    assert change(new, MakeAsync(At(new)(back), asynchronous=False)) == text


def test_the_inner_clause_of_a_comprehension_becomes_asynchronous() -> None:
    text = "async def f():\n    return [y for x in a for y in x.find()]\n"
    expected = "async def f():\n    return [y for x in a async for y in x.find()]\n"
    assert change(text, MakeAsync(At(text)(ast.ListComp), 1)) == expected


# Statements


def test_statement_moves_before_the_loop_with_its_comments() -> None:
    text = dedent(
        """
        import x

        # all of them
        for doc in docs:

            # one client
            client = Client(
                uri,  # where
            )  # built

            client.insert(doc)
        """
    )
    at = At(text)
    assert change(text, MoveStatement(at(ast.Assign, "client"), at(ast.For))) == dedent(
        """
        import x

        # one client
        client = Client(
            uri,  # where
        )  # built
        # all of them
        for doc in docs:
            client.insert(doc)
        """
    )


def test_statement_moves_after_another_and_into_an_earlier_block() -> None:
    text = "def f():\n    a = 1\n\n\ndef g():\n    b = 2\n    c = 3\n"
    at = At(text)
    assert (
        change(text, MoveStatement(at(ast.Assign, "b"), at(ast.Assign, "a"), after=True))
        == "def f():\n    a = 1\n    b = 2\n\n\ndef g():\n    c = 3\n"
    )
    assert (
        change(text, MoveStatement(at(ast.Assign, "a"), at(ast.Assign, "b")))
        == "def f():\n    pass\n\n\ndef g():\n    a = 1\n    b = 2\n    c = 3\n"
    )


def test_statement_on_a_shared_line_does_not_move() -> None:
    text = "for x in y:\n    a = 1; b = 2\n"
    at = At(text)
    assert "shares its line" in refusal(text, MoveStatement(at(ast.Assign, "a"), at(ast.For)))
    text = "for x in y: a = 1\n"
    at = At(text)
    assert "shares its line" in refusal(text, MoveStatement(at(ast.Assign, "a"), at(ast.For)))


def test_statement_is_inserted_in_the_file_s_own_style() -> None:
    text = "def f():\r\n\tx = 1\r\n\r\n\t# two\r\n\ty = 2\r\n"
    at = At(text)
    expected = "def f():\r\n\tx = 1\r\n\r\n\tif a:\r\n\t\tb()\r\n\t# two\r\n\ty = 2\r\n"
    assert change(text, InsertStatement(at(ast.Assign, "y"), "if a:\n    b()")) == expected
    assert change(text, InsertStatement(at(ast.Assign, "x"), "z()", after=True)) == text.replace("x = 1\r\n", "x = 1\r\n\tz()\r\n")


def test_statement_is_inserted_above_decorators() -> None:
    text = "x = 1\n\n\n@one\n@two(\n    1\n)\ndef f():\n    pass\n"
    new = change(text, InsertStatement(At(text)(ast.FunctionDef), "client = Client()"))
    assert new == text.replace("\n\n\n@one", "\n\nclient = Client()\n\n\n@one")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def f():\n    close()\n", "def f():\n    pass\n"),
        ("def f():\n    a()\n\n    close()  # gone\n\n    b()\n", "def f():\n    a()\n\n    b()\n"),
        ("def f():\n    a()\n    # why\n    close()\n    b()\n", "def f():\n    a()\n    # why\n    b()\n"),
        ("def f():\n    a()\n    # why\n    close()\n\nx = 1\n", "def f():\n    a()\n    # why\n\nx = 1\n"),
        ("a(); close(); b()\n", "a(); b()\n"),
        ("a(); close()\n", "a()\n"),
        ("if x: close()\n", "if x: pass\n"),
        ("if x:\n    a()\nelse:\n    close()\n", "if x:\n    a()\nelse:\n    pass\n"),
        ("close()\n", ""),
    ],
)
def test_statement_is_deleted(before: str, after: str) -> None:
    assert change(before, DeleteStatement(At(before)(ast.Expr, "close"))) == after


def test_both_statements_of_a_line_are_deleted() -> None:
    text = "x()\nclose(); close2()\n"
    at = At(text)
    assert change(text, DeleteStatement(at(ast.Expr, "close()")), DeleteStatement(at(ast.Expr, "close2"))) == "x()\n"


def test_statements_are_wrapped_in_try() -> None:
    text = "def f():\n    c = C()\n\n    # use\n    use(\n        c\n    )\n    more(c)  # it\n    return 1\n"
    at = At(text)
    assert change(text, WrapStatementsInTry(at(ast.Expr, "use"), at(ast.Expr, "more"), "c.close()")) == dedent(
        """
        def f():
            c = C()

            try:
                # use
                use(
                    c
                )
                more(c)  # it
            finally:
                c.close()
            return 1
        """
    )
    inner = "if x:\n    a()\nb()\n"
    at = At(inner)
    assert refusal(inner, WrapStatementsInTry(at(ast.Expr, "a"), at(ast.Expr, "b"), "c()")) == "the statements are not in one block"


# Imports


@pytest.mark.parametrize(
    ("before", "keep", "after"),
    [
        ("from m import Old\n", False, "from n.o import New\n"),
        ("from m import Old  # why\n", True, "from n.o import New as Old  # why\n"),
        ("from m import Old as X\n", True, "from n.o import New as X\n"),
        ("from m import Old as New\n", True, "from n.o import New\n"),
        ("from m import (\n    A,  # a\n    Old,\n)\n", False, "from m import (\n    A,  # a\n)\nfrom n.o import New\n"),
        ("from m import Old, A\n", True, "from m import A\nfrom n.o import New as Old\n"),
        (
            "try:\n    from m import A, Old\nexcept E:\n    pass\n",
            True,
            "try:\n    from m import A\n    from n.o import New as Old\nexcept E:\n    pass\n",
        ),
    ],
)
def test_import_is_taken_from_another_place(before: str, keep: bool, after: str) -> None:
    edit = RenameImport(At(before)(ast.ImportFrom), "Old", "n.o", "New", keep)
    assert change(before, edit) == after


def test_name_of_the_same_module_is_renamed_in_its_place() -> None:
    text = "from m import A, Old as X, B\n"
    assert change(text, RenameImport(At(text)(ast.ImportFrom), "Old", "m", "New")) == "from m import A, New as X, B\n"


def planned(text: str, *requests: ImportRequest, use: str = "") -> str:
    """The text with the imports planned; ``use`` is the source of the expression that wants them."""
    at = At(text)
    planner = Planner(Names(at.source, at.tree), at.source)
    uses = [at(ast.expr, use)] if use else []
    absent = [request for request in requests if not planner.present(request, uses)]
    return ops.apply(Tree.of_text(text), [planner.plan(absent)])


ASYNCIO = ImportRequest("asyncio")
PARTIAL = ImportRequest("functools", "partial")


@pytest.mark.parametrize(
    ("before", "request_", "after"),
    [
        ("", ASYNCIO, "import asyncio\n"),
        ("x = 1\n", ASYNCIO, "import asyncio\n\nx = 1\n"),
        ("# licence\n\nx = 1\n", ASYNCIO, "# licence\n\nimport asyncio\n\nx = 1\n"),
        ('"""Doc."""\n', ASYNCIO, '"""Doc."""\n\nimport asyncio\n'),
        ('"""Doc."""\nx = 1\n', ASYNCIO, '"""Doc."""\n\nimport asyncio\n\nx = 1\n'),
        (
            '"""Doc."""\n\nfrom __future__ import annotations\n\nx = 1\n',
            ASYNCIO,
            '"""Doc."""\n\nfrom __future__ import annotations\n\nimport asyncio\n\nx = 1\n',
        ),
        (
            "import json\nimport os\n\nimport pymongo\n",
            PARTIAL,
            "import json\nimport os\nfrom functools import partial\n\nimport pymongo\n",
        ),
        ("import json\n\nimport pymongo\n", ASYNCIO, "import asyncio\nimport json\n\nimport pymongo\n"),
        ("# third\nfrom pymongo import X\n", ASYNCIO, "# third\nimport asyncio\n\nfrom pymongo import X\n"),
        (
            "import json\nfrom pymongo import X\nx = 1\n",
            ImportRequest("pymongo.errors", "E"),
            "import json\nfrom pymongo import X\nfrom pymongo.errors import E\nx = 1\n",
        ),
        ("from functools import wraps\n", PARTIAL, "from functools import partial, wraps\n"),
        ("from functools import reduce, cache\n", PARTIAL, "from functools import reduce, cache, partial\n"),
        (
            "from functools import (\n    cache,  # c\n    wraps,\n)\n",
            PARTIAL,
            "from functools import (\n    cache,  # c\n    partial,\n    wraps,\n)\n",
        ),
        (
            "from functools import (\n    cache,\n    lru_cache  # l\n)\n",
            PARTIAL,
            "from functools import (\n    cache,\n    lru_cache,  # l\n    partial\n)\n",
        ),
        ("from functools import (\n    cache,\n)\n", PARTIAL, "from functools import (\n    cache,\n    partial,\n)\n"),
        ("from functools import cache, \\\n    lru_cache\n", PARTIAL, "from functools import cache, \\\n    lru_cache, partial\n"),
        ("import asyncio\n", ASYNCIO, "import asyncio\n"),
        ("import asyncio as aio\n", ASYNCIO, "import asyncio as aio\nimport asyncio\n"),
        ("import concurrent.futures.thread\n", ImportRequest("concurrent.futures"), "import concurrent.futures.thread\n"),
        ("if TYPE_CHECKING:\n    import x\n\ny = 1\n", ASYNCIO, "if TYPE_CHECKING:\n    import x\n\nimport asyncio\n\ny = 1\n"),
        ("import os\r\nx = 1\r\n", ASYNCIO, "import asyncio\r\nimport os\r\nx = 1\r\n"),
    ],
)
def test_import_is_merged_or_placed(before: str, request_: ImportRequest, after: str) -> None:
    new = planned(before, request_)
    assert new == after
    compile(new, "new", "exec")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("asyncio = 1\n", "the name 'asyncio' means something else, line 1"),
        ("def asyncio(): pass\n", "the name 'asyncio' means something else, line 1"),
        ("from x import asyncio\n", "the name 'asyncio' means something else, line 1"),
        ("import trio as asyncio\n", "the name 'asyncio' means something else, line 1"),
        ("def g():\n    global asyncio\n    asyncio = 1\n", "the name 'asyncio' means something else, line 2"),
        ("try:\n    import asyncio\nexcept ImportError:\n    pass\n", "'asyncio' is imported only under a condition, line 2"),
        ("if TYPE_CHECKING:\n    import asyncio\n", "'asyncio' is imported only under a condition, line 2"),
        ("def f(asyncio):\n    return use()\n", "the name 'asyncio' means something else there, line 1"),
        ("def f():\n    for asyncio in y:\n        use()\n", "the name 'asyncio' means something else there, line 2"),
        ("x = [use() for asyncio in y]\n", "the name 'asyncio' means something else there, line 1"),
        ("x = lambda asyncio: use()\n", "the name 'asyncio' means something else there, line 1"),
        ("class A:\n    asyncio = 1\n    x = use()\n", "the name 'asyncio' means something else there, line 2"),
        ("use()\nimport asyncio\n", "'asyncio' is imported after its use, line 2"),
    ],
)
def test_import_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(RefusedError) as caught:
        planned(text, ASYNCIO, use="use()" if "use()" in text else "")
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    import asyncio\n    use()\n",
        "import asyncio\ndef f():\n    use()\n",
        "class A:\n    import asyncio\n    def f(self):\n        use()\nimport asyncio\n",
        "def f():\n    use()\nimport asyncio\n",
        "def g(asyncio):\n    pass\nimport asyncio\nuse()\n",
    ],
)
def test_import_that_is_there_is_used(text: str) -> None:
    assert planned(text, ASYNCIO, use="use()") == text


# Blocks that go


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        (ast.With, "with a() as x:\n    b()\n    c()\nd()\n", "b()\nc()\nd()\n"),
        (
            ast.With,
            "# why\nwith a() as x:  # open\n\n    # first\n    b()\n    # last\nd()\n",
            "# why\n# open\n# first\nb()\n# last\nd()\n",
        ),
        (ast.With, "if y:\n\twith a(\n\t\t1,\n\t) as x:\n\t\tb(\n\t\t\t2\n\t\t)\n", "if y:\n\tb(\n\t\t2\n\t)\n"),
        (ast.Try, "try:\n    b()\nfinally:\n    c()  # gone\n", "b()\n"),
        (ast.Try, "try:\n    b()\nexcept E:\n    d()\nfinally:\n    c()\n", "try:\n    b()\nexcept E:\n    d()\n"),
    ],
)
def test_a_block_is_unwrapped(kind: type[ast.AST], before: str, after: str) -> None:
    assert change(before, Unwrap(At(before)(kind))) == after


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (ast.With, "with (\n    a() as x,  # one\n):\n    b()\n", "a comment would be lost with the statement"),
        (ast.With, "with a() as x: b()\n", "the statement stands on one line"),
        (ast.Try, "try:\n    b()\nexcept E:\n    c()\n", "it is neither a with nor a try with finally"),
        (ast.Try, "try:\n    b()\nfinally:\n    # why\n    c()\n", "a comment would be lost with the statement"),
    ],
)
def test_a_block_that_cannot_be_unwrapped_refuses(kind: type[ast.AST], text: str, reason: str) -> None:
    assert refusal(text, Unwrap(At(text)(kind))) == reason


def test_comments_above_stay_with_their_statement_or_lead_the_new_one() -> None:
    text = "a()\n\n# of b\nb()\n"
    target = At(text)(ast.Expr, "b")
    assert change(text, InsertStatement(target, "new()")) == "a()\n\nnew()\n# of b\nb()\n"
    assert change(text, InsertStatement(target, "new()", leads=True)) == "a()\n\n# of b\nnew()\nb()\n"
    replaced = change(text, InsertStatement(target, "for x in y:\n    new()", leads=True), DeleteStatement(target))
    assert replaced == "a()\n\n# of b\nfor x in y:\n    new()\n"


def test_an_expression_in_parentheses_gives_them_to_the_call_around_it() -> None:
    text = "x = (  # lazily\n    f()\n    .g()\n)\n"
    call = At(text)(ast.Call, "f().g")
    assert change(text, ReplaceExpr(call, "list({0})", (call,))) == "x = list(  # lazily\n    f()\n    .g()\n)\n"


# Rounds: detectors that look at the text as a rule would


Maker = Callable[[At], list[Finding]]


def make(code: str, at: At, node: ast.AST, edits: tuple[Edit, ...], level: Applicability = Applicability.SAFE, **more: object) -> Finding:
    line, col, end_line, end_col = at.source.span(node)
    return Finding(code, "t.py", Span(line, col, end_line, end_col), f"{code} here", (), Fix(f"fix {code}", level, edits, **more))  # type: ignore[arg-type]


def run(text: str, maker: Maker, **more: object) -> FixResult:
    def detect(_path: str, text: str, _config: Config) -> list[Finding]:
        return maker(At(text))

    result = fix_text("t.py", text, detect=detect, **more)  # type: ignore[arg-type]
    again = fix_text("t.py", result.text, detect=detect, **more)  # type: ignore[arg-type]
    assert again.text == result.text
    assert not again.applied
    return result


def calls(at: At, name: str) -> list[ast.Call]:
    return [node for node in at.nodes(ast.Call) if ast.unparse(node.func) == name]


def wrap_old(at: At) -> list[Finding]:
    """Every ``old(…)`` is wrong; ``new(…)`` is right."""
    return [make("MDB001", at, node, (RenameName(at.anchor(node.func), "new"),)) for node in calls(at, "old")]


def test_nested_and_neighbouring_findings_are_all_fixed() -> None:
    result = run("x = old(old(1), old(2)); old()\nold = new = 1\n", wrap_old)
    assert result.text == "x = new(new(1), new(2)); new()\nold = new = 1\n"
    assert (len(result.applied), result.refused, result.remaining) == (4, (), ())


def replace_old(at: At) -> list[Finding]:
    """Every ``old(x)`` is wrong; ``new(x)`` is right; the whole call is replaced, so nesting takes rounds."""
    return [make("MDB001", at, node, (ReplaceExpr(at.anchor(node), "new({0})", (at.anchor(node.args[0]),)),)) for node in calls(at, "old")]


def test_overlapping_fixes_take_rounds_from_the_inside() -> None:
    result = run("new = 1\nx = old(old(old(1)))\n", replace_old)
    assert result.text == "new = 1\nx = new(new(new(1)))\n"
    assert [finding.span.col for finding in result.applied] == [12, 8, 4]


def test_nesting_deeper_than_the_rounds_is_said() -> None:
    text = "new = 1\nx = " + "old(" * 12 + "1" + ")" * 12 + "\n"
    result = fix_text("t.py", text, detect=lambda _path, text, _config: replace_old(At(text)))
    assert result.text.count("new(") == 10
    assert {reason for _, reason in result.refused} == {"not stable after 10 rounds"}


def test_isolated_fixes_are_not_made_in_one_round() -> None:
    seen: list[str] = []

    def maker(at: At) -> list[Finding]:
        seen.append(at.text)
        return [make("MDB001", at, node, (RenameName(at.anchor(node.func), "new"),), isolation="one") for node in calls(at, "old")]

    assert run("new = 1\nold()\nold()\n", maker).text == "new = 1\nnew()\nnew()\n"
    assert "new = 1\nnew()\nold()\n" in seen


def test_a_fix_that_would_have_brought_a_finding_is_tried_again_when_others_are_made() -> None:
    """``first()`` may only become ``new()`` once ``second()`` has."""

    def maker(at: At) -> list[Finding]:
        found = [make("MDB001", at, node, (RenameName(at.anchor(node.func), "new"),)) for node in calls(at, "first")]
        found += [make("MDB002", at, node, (RenameName(at.anchor(node.func), "new"),), isolation="x") for node in calls(at, "second")]
        if calls(at, "second") and calls(at, "new"):
            found.append(make("MDB009", at, at.nodes(ast.Assign)[0], ()))
        return found

    result = run("new = 1\nfirst()\nsecond()\n", maker)
    assert (result.text, result.refused) == ("new = 1\nnew()\nnew()\n", ())


def test_level_selection_and_fixable_are_respected() -> None:
    def maker(at: At) -> list[Finding]:
        rename = [(RenameName(at.anchor(node.func), "new"), node) for node in calls(at, "old")]
        levels = [Applicability.DISPLAY, Applicability.UNSAFE, Applicability.SAFE]
        return [make(f"MDB00{level.value}", at, node, (edit,), level) for level, (edit, node) in zip(levels, rename, strict=False)]

    text = "new = 1\nold()\nold()\nold()\n"
    assert fix_text("t.py", text, detect=lambda _p, t, _c: maker(At(t)), level=Applicability.SAFE).text == "new = 1\nold()\nold()\nnew()\n"
    result = fix_text("t.py", text, detect=lambda _p, t, _c: maker(At(t)), level=Applicability.SAFE, fixable=lambda _finding: False)
    assert (result.text, len(result.remaining)) == (text, 3)
    result = fix_text("t.py", text, detect=lambda _p, t, _c: maker(At(t)), selected=lambda finding: finding.code == "MDB001")
    assert (result.text, [finding.code for finding in result.remaining]) == (text, ["MDB001"])


def noqa(text: str) -> Callable[[str, int], bool]:
    lines = text.splitlines()
    return lambda _code, line: "# noqa" in lines[line - 1]


def test_a_silenced_line_is_neither_fixed_nor_changed() -> None:
    text = "new = 1\nold()  # noqa\nold()\n"
    result = run(text, wrap_old, suppressed=noqa)
    assert (result.text, result.remaining) == ("new = 1\nold()  # noqa\nnew()\n", ())

    def maker(at: At) -> list[Finding]:
        targets = at.nodes(ast.Assign)
        return [make("MDB001", at, node, (DeleteStatement(at.anchor(target)),)) for target in targets for node in calls(at, "old")]

    result = run("new = 1  # noqa\nold()\n", maker, suppressed=noqa)
    assert result.text == "new = 1  # noqa\nold()\n"
    assert [reason for _, reason in result.refused] == ["line 1 is silenced by a comment"]


def test_an_import_line_that_is_silenced_is_not_merged_into() -> None:
    def maker(at: At) -> list[Finding]:
        imports = (PARTIAL,)
        edits = [(ReplaceExpr(at.anchor(node), "partial({0})", (at.anchor(node.args[0]),)), node) for node in calls(at, "old")]
        return [make("MDB001", at, node, (edit,), imports=imports) for edit, node in edits]

    result = run("from functools import wraps  # noqa\nold(wraps)\n", maker, suppressed=noqa)
    assert result.text == "from functools import wraps  # noqa\nfrom functools import partial\npartial(wraps)\n"


def test_imports_of_several_fixes_are_one_line() -> None:
    def maker(at: At) -> list[Finding]:
        found = []
        for node in calls(at, "old"):
            name = node.args[0].id  # type: ignore[attr-defined]
            found.append(
                make("MDB001", at, node, (ReplaceExpr(at.anchor(node), f"{name}()"),), imports=(ImportRequest("functools", name),))
            )
        return found

    result = run("old(partial)\nold(cache)\nold(partial)\n", maker)
    assert result.text == "from functools import cache, partial\n\npartial()\ncache()\npartial()\n"


# Verification: a fix that does harm is dropped alone, and said


def bad_among_good(bad: Callable[[At, ast.Call], tuple[Edit, ...]], extra: Maker | None = None) -> Maker:
    def maker(at: At) -> list[Finding]:
        return [
            *wrap_old(at),
            *(make("MDB002", at, node, bad(at, node)) for node in [*calls(at, "bad"), *calls(at, "still_bad")]),
            *(extra(at) if extra else []),
        ]

    return maker


@pytest.mark.parametrize(
    ("bad", "extra", "reason"),
    [
        (lambda at, node: (RenameName(at.anchor(node.func), "still_bad"),), None, "MDB002 would still be reported"),
        (
            lambda at, node: (RenameName(at.anchor(node.func), "a b"),),
            None,
            "libcst refuses the result: Name 'a b' is not a valid identifier.",
        ),
        (lambda at, node: (RenameName(at.anchor(node.func), "nowhere"),), None, "the name 'nowhere' would not be defined"),
        (
            lambda at, node: (ReplaceExpr(at.anchor(node), "await {0}", (at.anchor(node),)),),
            None,
            "the result would not be Python: 'await' outside function, line 3",
        ),
        (
            lambda at, node: (RenameName(at.anchor(node.func), "worse"),),
            lambda at: [make("MDB003", at, node, ()) for node in calls(at, "worse")],
            "it would bring MDB003, line 3",
        ),
        (lambda at, node: (RenameName(Anchor("Name", 1, 1, 1, 4), "x"),), None, "no Name found at line 1, column 2"),
        (lambda at, node: (RenameName(Anchor("arg", 1, 1, 1, 4), "x"),), None, "a fix cannot be anchored on arg"),
        (lambda at, node: (), None, "it changes nothing"),
        (lambda at, node: (ReplaceExpr(at.anchor(node), "1 +"),), None, "the replacement '1 +' is not an expression"),
        (lambda at, node: (ReplaceExpr(at.anchor(node), "f({0})"),), None, "the replacement 'f({0})' has no node for {0}"),
    ],
)
def test_a_harmful_fix_is_dropped_alone_with_its_reason(
    bad: Callable[[At, ast.Call], tuple[Edit, ...]], extra: Maker | None, reason: str
) -> None:
    text = "new = worse = still_bad = 1\nold()\nbad()\nold()\n"
    result = run(text, bad_among_good(bad, extra))
    assert result.text == "new = worse = still_bad = 1\nnew()\nbad()\nnew()\n"
    assert [(finding.code, why) for finding, why in result.refused] == [("MDB002", reason)]
    assert [finding.code for finding in result.remaining] == ["MDB002"]


def test_two_fixes_that_only_harm_together_take_turns() -> None:
    """Each alone is right, both together bring a new finding: the first is made, the second refused when its turn comes."""

    def maker(at: At) -> list[Finding]:
        found = [make("MDB001", at, node, (RenameName(at.anchor(node.func), "new"),)) for node in calls(at, "old")]
        if len(calls(at, "new")) > 1:
            found.append(make("MDB009", at, at.nodes(ast.Assign)[0], ()))
        return found

    result = run("new = 1\nold(1)\nold(2)\n", maker)
    assert result.text == "new = 1\nnew(1)\nold(2)\n"
    assert [(finding.span.line, reason) for finding, reason in result.refused] == [(3, "it would bring MDB009, line 1")]


def test_a_change_outside_the_edited_lines_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    original = ops.apply
    monkeypatch.setattr(ops, "apply", lambda tree, fixes: original(tree, fixes).replace("keep = 1", "keep = 2"))
    result = fix_text("t.py", "new = 1\nkeep = 1\nx = 2\nold()\n", detect=lambda _p, t, _c: wrap_old(At(t)))
    assert [reason for _, reason in result.refused] == ["lines outside the fix would change"]
    monkeypatch.setattr(ops, "apply", lambda tree, fixes: original(tree, fixes).replace("\n", "\r\n"))
    result = fix_text("t.py", "old()", detect=lambda _p, t, _c: wrap_old(At(t)))
    assert result.refused


@pytest.mark.parametrize("text", ["new = 1\rold()\r", "new = 1\n\x0cold()\n"])
def test_a_file_that_libcst_cannot_reproduce_is_left_alone(text: str) -> None:
    result = run(text, wrap_old)
    assert (result.text, [reason for _, reason in result.refused]) == (text, [NOT_KEPT])


@pytest.mark.parametrize("terms", [450, 5_000])
def test_what_is_too_deep_for_libcst_is_said(terms: int) -> None:
    text = "new = 1\nold()\nx = " + " + ".join(["1"] * terms) + "\n"

    def detect(_path: str, text: str, _config: Config) -> list[Finding]:
        line = 2 if "\nold()" in text else 0
        return [
            Finding(
                "MDB001",
                "t.py",
                Span(2, 0, 2, 3),
                "old",
                (),
                Fix("f", Applicability.SAFE, (RenameName(Anchor("Name", 2, 0, 2, 3), "new"),)),
            )
        ] * bool(line)

    result = fix_text("t.py", text, detect=detect)
    assert (result.text, [reason for _, reason in result.refused]) == (text, ["too deeply nested"])


@pytest.mark.parametrize(
    "text",
    [
        "new = 1\r\n\r\nold()\r\n",
        "new = 1\nold()\r\nx = 1\n",
        "new = 1\n\n\x0c\ndef f():\n\told(2)\n",
        "new = 'é\u2028 \x0b'; old('ü', old('😀'))\n",
        "new = 1\nold()",
        "# -*- coding: latin-1 -*-\nnew = 'é'; old('é')\n",
        "new = 1\nif x:\n\told(\n\t\t1,\n\t\t# two\n\t)\n",
        "new = 1\n@old(1)\n@old\ndef f(): return old()\n",
        "new = 1\nx = [old(  # c\n  i) for i in y] ; z = {old(): old()}\n",
    ],
)
def test_only_the_name_changes_whatever_the_file_looks_like(text: str) -> None:
    result = run(text, wrap_old)
    assert result.text == text.replace("old(", "new(")
    assert not result.refused


def test_renamed_import_must_not_leave_an_undefined_or_exported_name() -> None:
    def maker(at: At) -> list[Finding]:
        found = []
        for node in at.nodes(ast.ImportFrom):
            if "Old" in ast.unparse(node):
                uses = tuple(RenameName(at.anchor(call.func), "New") for call in calls(at, "Old"))
                edit = RenameImport(at.anchor(node), "Old", "n", "New", False)
                found.append(make("MDB001", at, node, (edit, *uses)))
        return found

    assert run("from m import Old\nOld()\n", maker).text == "from n import New\nNew()\n"
    result = run("from m import Old\nx = Old\n", maker)
    assert [reason for _, reason in result.refused] == ["the name 'Old' would not be defined"]
    result = run("from m import Old\n__all__ = ['Old']\n", maker)
    assert [reason for _, reason in result.refused] == ["'Old' is exported by __all__, line 2"]
    result = run("from m import Old\nNew = 1\nOld()\n", maker)
    assert [reason for _, reason in result.refused] == ["the name 'New' means something else, line 2"]


def test_text_that_is_not_python_raises() -> None:
    with pytest.raises(SyntaxError):
        fix_text("t.py", "x = (\n", detect=lambda _p, t, _c: wrap_old(At(t)))
