"""Code in pages and docstrings: found where it stands, read as far as it goes, written back in place."""

import ast
import re
from pathlib import Path

import pytest

import harness
from flake8_mongo_threads.check import Reading, check_text
from flake8_mongo_threads.documents import blocks, tolerant
from flake8_mongo_threads.documents.pages import Page, RewriteError, read_page
from flake8_mongo_threads.findings import Applicability
from flake8_mongo_threads.fixes.documents import fix_programs
from flake8_mongo_threads.report import FileReport
from flake8_mongo_threads.selection import Selection
from harness import FIXTURES, mongo_threads

DOCUMENTS = FIXTURES / "documents"
UNAWAITED = (
    "from pymongo import AsyncMongoClient\n\nasync def main():\n    client = AsyncMongoClient()\n    client.shop.orders.insert_one({})\n"
)


@pytest.fixture(scope="module")
def selection() -> Selection:
    return Selection(("--isolated", "--select=MDB"))


def checked(path: str, text: str, selection: Selection, **reading: bool) -> FileReport:
    report = check_text(path, text, selection, Reading(**reading))
    assert report.problem is None
    assert not any(finding.code == "MDB000" for finding in report.findings), report.findings
    return report


def places(report: FileReport) -> set[tuple[int, str]]:
    return {(finding.span.line, finding.code) for finding in report.findings}


def fixed(path: str, text: str, selection: Selection, kind: str = "markdown") -> str:
    return fix_programs(lambda changed: read_page(path, changed, kind), path, text, selection, level=Applicability.UNSAFE).text


def page(text: str) -> Page:
    return read_page("page.md", text, "markdown")


def indented(text: str, prefix: str) -> str:
    return "".join((prefix + line if line.strip() else prefix.rstrip() + line) for line in text.splitlines(keepends=True))


# What is found


def test_a_post_whose_code_is_wrong_in_every_way(selection: Selection) -> None:
    text = (DOCUMENTS / "threads.md").read_text(encoding="utf-8")
    report = checked("threads.md", text, selection)
    lines = text.splitlines()
    client = lines.index("    client = MongoClient()  # the client of this thread") + 1
    pool = lines.index("from pymongo.pool import ThreadPool") + 1
    assert places(report) == {(client, "MDB102"), (pool, "MDB001")}
    for finding in report.findings:
        span = finding.span
        assert lines[span.line - 1][span.col : span.end_col] in ("MongoClient", "ThreadPool")
    started = lines.index("    thread = Thread(target=record, args=(page,))") + 1
    thread = next(finding for finding in report.findings if finding.code == "MDB102")
    assert f"line {started}" in thread.message
    assert started in {step.line for step in thread.steps}


def test_the_fixed_post_runs(tmp_path: Path, selection: Selection) -> None:
    pytest.importorskip("pymongo")
    text = (DOCUMENTS / "threads.md").read_text(encoding="utf-8")
    after = fixed("threads.md", text, selection)
    assert not checked("threads.md", after, selection).findings
    wrong, new = (re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE) for page in (text, after))
    assert len(new) == len(wrong) == 2
    for number, code in enumerate(new):
        (tmp_path / f"block{number}.py").write_text(code)
        done = harness.run(f"block{number}.py", cwd=tmp_path)  # clients connect when they are used
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), code
    (tmp_path / "wrong.py").write_text(wrong[0])
    assert "NameError: name 'Thread'" in harness.run("wrong.py", cwd=tmp_path).stderr


@pytest.mark.parametrize("name", ["tutorial.md", "guide.rst"])
def test_every_kind_of_block(name: str, selection: Selection) -> None:
    text = (DOCUMENTS / name).read_text(encoding="utf-8")
    lines = text.splitlines()
    report = checked(name, text, selection)
    verbs = ["insert_one", "delete_one", "count_documents", "drop_collection", "rename", "command"]
    # The last mentions of a page stand in blocks of other languages.
    shown = lines[: next(number for number, line in enumerate(lines) if line in ("```bash", ".. code-block:: javascript"))]
    wanted = {
        (number, verb, line.index(f".{verb}(") + 1)
        for number, line in enumerate(shown, 1)
        for verb in verbs
        if f".{verb}(" in line and "$" not in lines[number - 2]
    }
    assert {(f.span.line, lines[f.span.line - 1][f.span.col : f.span.end_col], f.span.col) for f in report.findings} == wanted
    assert len(wanted) >= 4
    assert {finding.code for finding in report.findings} == {"MDB502"}


def test_steps_stand_where_the_page_has_them(selection: Selection) -> None:
    text = f"# Page\n\n- item\n\n  ```python\n{indented(UNAWAITED, '  ')}  ```\n"
    (finding,) = checked("page.md", text, selection).findings
    lines = text.splitlines()
    for step in finding.steps:
        assert lines[step.line - 1][step.col :].startswith(("AsyncMongoClient", "client", "async def"))


@pytest.mark.parametrize(
    ("info", "read"),
    [
        ("python", True),
        ("py", True),
        ("Python3", True),
        ("{.python .numberLines}", True),
        ("{code-cell} ipython3", True),
        ("{code-block} python", True),
        ('python title="a.py"', True),
        ("python,ignore", True),
        ("python3.12", True),
        ("py2.7", True),
        ("python=", True),
        ("python=17", True),
        ("python:main.py", True),
        ("python-repl", True),
        ("{testcode}", True),
        ("", True),  # it parses, and imports a driver
        ("bash", False),
        ("text", False),
        ("{code-block} json", False),
        ("{note}", False),
        ("pythonic", False),
        ("python3.12-slim", False),
    ],
)
def test_tags_of_fences(info: str, read: bool, selection: Selection) -> None:
    report = checked("page.md", f"```{info}\n{UNAWAITED}```\n", selection)
    assert places(report) == ({(6, "MDB502")} if read else set())


def test_untagged_blocks_must_be_python_that_imports_a_driver_or_go_on_with_one(selection: Selection) -> None:
    plain = UNAWAITED.partition("\n")[2]
    assert not checked("page.md", f"```\n{plain}```\n", selection).findings
    assert not checked("page.md", f"```\n{UNAWAITED}$ python x.py\n```\n", selection).findings
    first = "```python\nfrom pymongo import AsyncMongoClient\n```\n\n"
    assert places(checked("page.md", f"{first}```\n{plain}```\n", selection)) == {(9, "MDB502")}
    assert places(checked("page.md", f"{first}{indented(plain, '    ')}", selection)) == {(8, "MDB502")}


def test_front_matter_is_no_page(selection: Selection) -> None:
    text = f"---\ncode: |\n\n    ```python\n{indented(UNAWAITED, '    ')}    ```\n---\n\nHello\n"
    assert not checked("page.md", text, selection).findings
    assert checked("page.md", text.partition("\n")[2], selection).findings


def test_a_line_across_the_page_is_no_front_matter(selection: Selection) -> None:
    assert places(checked("page.md", f"---\n\n```python\n{UNAWAITED}```\n\n---\n", selection)) == {(8, "MDB502")}


@pytest.mark.parametrize(
    ("name", "before", "after", "read"),
    [
        ("page.md", "<!--\n", "-->\n", False),
        ("page.md", "<!-- drafts:\n\n", "\n  -->\n", False),
        ("page.md", "<!-- one line -->\n", "", True),
        ("page.md", "<!-- it never ends\n\n", "", True),
        ("page.md", "    <!-- this is code:\n\n", "\n-->\n", True),
        ("page.rst", ".. Left out for now\n\n", "", False),
        ("page.rst", "..\n", "", False),
        ("page.rst", "..\n\n", "", True),
        ("page.rst", ".. [1] A footnote\n\n", "", True),
        ("page.rst", ".. _target:\n\n", "", True),
        ("page.rst", ".. |name| image:: a.png\n\n", "", True),
        ("page.rst", ".. versionadded:: 2.0\n\n", "", True),
    ],
)
def test_what_is_commented_out_is_not_on_the_page(name: str, before: str, after: str, read: bool, selection: Selection) -> None:
    block = f"```python\n{UNAWAITED}```\n" if name.endswith("md") else f"   .. code-block:: python\n\n{indented(UNAWAITED, '      ')}"
    text = before + block + after
    line = next(number for number, line in enumerate(text.splitlines(), 1) if "insert_one" in line)
    assert places(checked(name, text, selection)) == ({(line, "MDB502")} if read else set())


def test_blocks_that_do_not_go_on_with_each_other_are_programs_of_their_own() -> None:
    text = (
        "```python\nimport asyncio\nimport pymongo\nclient = pymongo.MongoClient()\n```\n\n"
        "```python\nfrom pymongo import MongoClient\nclient = MongoClient()\n```\n\n"
        "```python\nprint(client.name, asyncio)\n```\n\n"
        "```python\nprint(pymongo.version)\n```\n"
    )
    # The third uses names of both, and goes on with the later one; the fourth with the only one that has its name.
    assert [[part.lines.start for part in program.parts] for program in page(text).programs] == [[2, 17], [8, 13]]


def test_what_is_told_once_a_file_is_told_once_a_page(selection: Selection) -> None:
    block = "```python\nfrom motor.motor_asyncio import AsyncIOMotorClient\n```\n\n"
    assert len(page(block * 3).programs) == 3
    assert places(checked("page.md", block * 3, selection)) == {(2, "MDB006")}


def test_noqa_and_selection_hold_on_pages(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    text = f"```python\n{UNAWAITED}```\n"
    (tmp_path / "docs" / "a.md").write_text(text)
    (tmp_path / "docs" / "b.md").write_text(text.replace("one({})", "one({})  # noqa: MDB502"))
    found = mongo_threads("check", "--isolated", ".", cwd=tmp_path)
    assert [line.partition(": ")[0] for line in found.stdout.splitlines()] == ["./docs/a.md:6:24"]
    assert found.returncode == 1
    for option in ("--no-documents", "--exclude=docs", "--per-file-ignores=docs/*:MDB5", "--ignore=MDB502", "--filename=*.py,x"):
        done = mongo_threads("check", "--isolated", option, ".", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, ""), option
    done = mongo_threads("check", "--isolated", "--stdin-display-name=x.md", "-", cwd=tmp_path, stdin=text)
    assert done.stdout.startswith("x.md:6:24: MDB502 ")


# Reading what is not quite Python


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("def f():\n    # nothing yet\n\nx = 1\n", True),
        ("def f(a,\n      b):  # comment: with colon\n    # nothing\nx = 1\n", True),
        ("class A:\n    def f(self):\n        # later\n    def g(self):\n        return 1\nx = 1", True),
        ("for a in b:\nx = 1", True),
        ("with a as b:\n    # …\nif x:\n    # …\nx = 1", True),
        ("x = {'a': 1, ...}", True),
        ("x = [1, 2, …]", True),
        ("…\nx = 1", True),
        ("x = {\n    'a': 1,\n    ...\n}", True),
        ("f(a, …)\nx = 1", True),
        ("print 'a'\nx = 1", False),
        ("$ pip install pymongo\nx = 1\ny = 2", False),
        ("y = 1\nx = 1\nif y:\n  a = 1\n b = 2\nz = 3\nw = 3", False),
        ("x = 1\nprint(x\ny = 3\n\nz = 3", False),
        ("x = 1\ntry:\n    y()\nz = 1\nw = 2", False),
    ],
)
def test_what_is_missing_is_filled_in_and_no_line_moves(text: str, complete: bool) -> None:
    lines = text.split("\n")
    with pytest.raises(SyntaxError):
        ast.parse(text)
    reading = tolerant.read(lines)
    assert isinstance(reading, tolerant.Reading)
    assert len(reading.lines) == len(lines)
    assert reading.complete == complete
    assert reading.error is not None
    names = {node.id: node.lineno for node in ast.walk(reading.tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    assert names["x"] == next(number for number, line in enumerate(lines, 1) if line.startswith("x"))


@pytest.mark.parametrize("text", ["this is prose, not code at all", "{% if x %}\n<p>\n{% endif %}", "((((((", "a b c\nd e f\ng h i\nx = 1"])
def test_what_is_hardly_python_is_not_read(text: str) -> None:
    assert isinstance(tolerant.read(text.split("\n")), SyntaxError)


def test_names_that_everybody_knows_need_no_import(selection: Selection) -> None:
    text = "```python\ndef work():\n    client = MongoClient()\n\nfor _ in range(3):\n    Thread(target=work).start()\n```\n"
    assert places(checked("page.md", text, selection)) == {(3, "MDB102")}
    # A name that the page binds itself is what the page says it is.
    assert not checked("page.md", text.replace("def work", "from mine import Thread\ndef work"), selection).findings


def test_unparsable_blocks_are_told_only_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# T\n\n```python\nwith a as b:\n    # body\n```\n\n> ```py\n> x = = 1\n> ```\n\n```\nno code\n```\n")
    quiet = mongo_threads("check", "--isolated", "a.md", cwd=tmp_path)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    told = mongo_threads("check", "--isolated", "--report-unparsable", "a.md", cwd=tmp_path)
    assert told.returncode == 2
    assert [line.partition(": error: ")[0] for line in told.stderr.splitlines()] == ["a.md:4:1", "a.md:9:3"]
    body, assignment = told.stderr.splitlines()
    assert "on line 4 (line" in body, "all lines are those of the page"
    assert "(line 9)" in assignment


# Docstrings


DOCSTRINGS = '''\
"""A module.

Use it so::

    from pymongo import AsyncMongoClient

    async def main():
        AsyncMongoClient().shop.orders.insert_one({})
"""


class Orders:
    r"""Orders.

    >>> from pymongo import AsyncMongoClient
    >>> async def order():
    ...     AsyncMongoClient().shop.orders.insert_one({"a": "\\d"})
    """

    def add(self):
        """Add.

        ```python
        from pymongo import AsyncMongoClient

        async def main():
            AsyncMongoClient().shop.orders.delete_one({})
        ```
        """

    def google(self, order):
        """Drop all.

        Args:
            order: pymongo
        Example:
            from pymongo import AsyncMongoClient

            async def main():
                await AsyncMongoClient().shop.orders.find_one({})
                AsyncMongoClient().shop.orders.drop()

        Returns:
            AsyncMongoClient().shop.orders.drop()
        """

    def escaped(self):
        """Here the text is not what stands in the file.

        >>> from pymongo import AsyncMongoClient
        >>> async def order():
        ...     AsyncMongoClient().shop.orders.insert_one({"a": "\\n"})
        """
'''


def test_docstrings_are_read_when_asked_for(selection: Selection) -> None:
    assert not checked("a.py", DOCSTRINGS, selection).findings
    report = checked("a.py", DOCSTRINGS, selection, docstrings=True)
    lines = DOCSTRINGS.splitlines()
    assert [lines[f.span.line - 1][f.span.col : f.span.end_col] for f in report.findings] == [
        "insert_one",
        "insert_one",
        "delete_one",
        "drop",
    ]


def test_docstrings_are_fixed_in_place(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(DOCSTRINGS)
    done = mongo_threads("fix", "--isolated", "a.py", cwd=tmp_path)
    assert (tmp_path / "a.py").read_text() == DOCSTRINGS, done.stdout
    mongo_threads("fix", "--isolated", "--docstrings", "a.py", cwd=tmp_path)
    new = (tmp_path / "a.py").read_text()
    assert new.replace("await ", "") == DOCSTRINGS.replace("await ", "")
    assert new.count("await ") == DOCSTRINGS.count("await ") + 4


# Writing back


@pytest.mark.parametrize("name", ["threads.md", "tutorial.md", "guide.rst"])
def test_an_unchanged_program_gives_the_same_page(name: str) -> None:
    text = (DOCUMENTS / name).read_text(encoding="utf-8")
    read = read_page(name, text, "markdown" if name.endswith("md") else "restructuredtext")
    assert read.programs
    for program in read.programs:
        assert len(program.lines) == len(read.lines)
        assert read.rewritten(program, program.text) == text


@pytest.mark.parametrize("name", ["tutorial.md", "guide.rst"])
def test_only_the_code_that_is_wrong_changes(name: str, selection: Selection) -> None:
    text = (DOCUMENTS / name).read_text(encoding="utf-8")
    count = len(checked(name, text, selection).findings)
    new = fixed(name, text, selection, "markdown" if name.endswith("md") else "restructuredtext")
    assert new.count("await ") == count
    assert new.replace("await ", "") == text
    assert not checked(name, new, selection).findings


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_ends_and_prefixes_are_kept(ending: str, selection: Selection) -> None:
    text = f"\ufeff# Page\n\n> 1. item\n>\n>    ~~~~py\n{indented(UNAWAITED, '>    ')}>    ~~~~\n\nend".replace("\n", ending)
    new = fixed("page.md", text, selection)
    assert new == text.replace("client.shop", "await client.shop")


def edited(text: str, old: str, new: str) -> str:
    read = page(text)
    (program,) = read.programs
    assert old in program.text
    return read.rewritten(program, program.text.replace(old, new))


def test_new_lines_take_the_place_that_they_belong_to() -> None:
    text = "Text\n\n   ```python\n   import pymongo\n\n   def f():\n       return pymongo\n   ```\n\nmore\n\n>>> no\n"
    assert edited(text, "import pymongo\n", "import os\nimport pymongo\n") == text.replace(
        "   import pymongo\n", "   import os\n   import pymongo\n"
    )
    assert edited(text, "    return pymongo\n", "    x = 1\n\n    return pymongo\n") == text.replace(
        "       return pymongo\n", "       x = 1\n\n       return pymongo\n"
    )
    # What is put at the very top or the very end of the program belongs to its first or last block.
    read = page(text)
    (program,) = read.programs
    assert read.rewritten(program, f"import os\n{program.text}").count("   import os\n   import pymongo") == 1


def test_new_lines_of_sessions_get_prompts() -> None:
    text = "```pycon\n>>> import pymongo\n>>> def f():\n...     return 1\n...\n>>> f()\n1\n```\n"
    new = edited(text, "def f():\n    return 1\n", "import os\n\n@os\ndef f():\n    x = 1\n    return x\n")
    assert new == (
        "```pycon\n>>> import pymongo\n>>> import os\n>>>\n>>> @os\n... def f():\n...     x = 1\n...     return x\n...\n>>> f()\n1\n```\n"
    ).replace(">>>\n>>> @os", "...\n>>> @os")


def test_what_was_filled_in_is_not_written_but_code_that_changes_becomes_valid(selection: Selection) -> None:
    text = f"```python\n{UNAWAITED}\nwith client as c:\n    # use it\n\nprint(…)\n```\n"
    new = fixed("page.md", text, selection)
    assert new == text.replace("client.shop", "await client.shop").replace("# use it\n", "# use it\n    pass\n")
    assert "\N{SECTION SIGN}" not in new
    thread = "```python\ndef f():\n    x = 1\n\nThread(target=f)\nimport pymongo\n```\n"
    assert edited(thread, "x = 1", "x = 2") == thread.replace("x = 1", "x = 2").replace(
        "```python\n", "```python\nfrom threading import Thread\n"
    )


def test_sessions_that_await_outside_functions(selection: Selection) -> None:
    session = f"```pycon\n{''.join(f'... {line}' if line.startswith(' ') else f'>>> {line}' for line in UNAWAITED.splitlines(True))}>>> await main()\n```\n"
    assert fixed("page.md", session, selection) == session.replace("client.shop", "await client.shop")


def test_a_change_of_what_cannot_be_read_is_refused() -> None:
    text = "```python\nimport pymongo\nx = 1\nprint 'x'\n```\n\n```python\npymongo.x\n```\n"
    read = page(text)
    (program,) = read.programs
    filler = next(line for line in program.lines if line.startswith('"') and "gap" not in line)
    with pytest.raises(RewriteError):
        read.rewritten(program, program.text.replace(filler, f"if x:\n    {filler}"))
    with pytest.raises(RewriteError):
        read.rewritten(program, program.text.replace('"\N{SECTION SIGN}gap 1"', ""))


def test_refusals_and_what_is_left_are_told_with_the_lines_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "threads.md").write_text((DOCUMENTS / "threads.md").read_text(encoding="utf-8"), encoding="utf-8")
    before = (tmp_path / "threads.md").read_text(encoding="utf-8")
    done = mongo_threads("fix", "--isolated", "--select=MDB102", "--fixable=MDB9", "threads.md", cwd=tmp_path)
    line = before.splitlines().index("    client = MongoClient()  # the client of this thread") + 1
    assert done.stdout.startswith(f"threads.md:{line}:14: MDB102 ")
    assert (tmp_path / "threads.md").read_text(encoding="utf-8") == before


def test_noqa_comments_are_added_to_blocks(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(f"# A\n\n> ```python\n{indented(UNAWAITED, '> ')}> ```\n")
    mongo_threads("fix", "--isolated", "--add-noqa", "a.md", cwd=tmp_path)
    assert ">     client.shop.orders.insert_one({})  # noqa: MDB502\n" in (tmp_path / "a.md").read_text()
    assert mongo_threads("check", "--isolated", "a.md", cwd=tmp_path).returncode == 0


def test_only_comments_are_added(tmp_path: Path) -> None:
    text = (DOCUMENTS / "threads.md").read_text(encoding="utf-8")
    (tmp_path / "threads.md").write_text(text, encoding="utf-8")
    mongo_threads("fix", "--isolated", "--add-noqa", "threads.md", cwd=tmp_path)
    new = (tmp_path / "threads.md").read_text(encoding="utf-8")
    assert new.count("  # noqa: MDB") == 2
    assert new.replace("  # noqa: MDB102", "").replace("  # noqa: MDB001", "") == text
    assert mongo_threads("check", "--isolated", "threads.md", cwd=tmp_path).returncode == 0


def test_diff_writes_nothing(tmp_path: Path) -> None:
    text = f"```python\n{UNAWAITED}```\n"
    (tmp_path / "a.md").write_text(text)
    done = mongo_threads("fix", "--isolated", "--diff", "a.md", cwd=tmp_path)
    assert "+    await client.shop.orders.insert_one({})" in done.stdout
    assert (tmp_path / "a.md").read_text() == text


def test_blocks_keep_their_numbers() -> None:
    lines = ["text::", "", "  a", "", "    b", "  c", "", "d"]
    (block,) = blocks.restructuredtext(lines)
    assert {number: (row.prefix, row.code) for number, row in block.rows.items()} == {
        3: ("  ", "a"),
        4: ("", ""),
        5: ("  ", "  b"),
        6: ("  ", "c"),
    }
