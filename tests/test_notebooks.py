"""Notebooks: cells as one program, and fixes that touch one source and nothing else."""

import difflib
import json
from pathlib import Path

import pytest

from flake8_mongo_threads.check import check_text
from flake8_mongo_threads.notebooks import Notebook, NotebookError
from flake8_mongo_threads.selection import Selection
from harness import FIXTURES, mongo_threads

FIXTURE = FIXTURES / "documents" / "orders.ipynb"
TEXT = FIXTURE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def selection() -> Selection:
    return Selection(("--isolated",))


def notebook(*sources: object, **metadata: object) -> str:
    cells = [{"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source} for source in sources]
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def test_findings_stand_in_cells_and_in_the_file(selection: Selection) -> None:
    report = check_text("orders.ipynb", TEXT, selection)
    got = [(report.place(f.span.line, f.span.col), f.code) for f in report.findings]
    assert got == [("cell 4:3:24", "MDB502"), ("cell 5:2:24", "MDB502"), ("cell 6:2:19", "MDB101")]
    rows = TEXT.splitlines()
    for finding, name in zip(report.findings, ("insert_one", "delete_one", "MongoClient"), strict=True):
        region = report.region(finding.span)
        assert region.line == region.end_line
        assert rows[region.line - 1][region.col : region.end_col] == name
        assert report.lines[finding.span.line - 1][finding.span.col : finding.span.end_col] == name
    assert "the loop at cell 6 line 1" in report.findings[2].message


def test_escapes_in_the_file_shift_its_columns(selection: Selection) -> None:
    line = 'name = "\\t\\"ü🧵"; client.a.b.insert_one({})'
    text = json.dumps(
        json.loads(notebook(["from pymongo import AsyncMongoClient\n", "client = AsyncMongoClient()\n", f"async def f():\n    {line}"]))
    )
    report = check_text("a.ipynb", text, selection)
    (finding,) = report.findings
    region = report.region(finding.span)
    assert text.splitlines()[region.line - 1][region.col : region.end_col] == "insert_one"


def test_the_command_tells_cells(tmp_path: Path) -> None:
    (tmp_path / "orders.ipynb").write_text(TEXT, encoding="utf-8")
    done = mongo_threads("check", "--isolated", "--output-format=text", ".", cwd=tmp_path)
    assert "cell 4:3:24 MDB502" in done.stdout
    assert "because cell 6 line 2: MongoClient is built here" in done.stdout
    lines = done.stdout.splitlines()
    source = next(number for number, line in enumerate(lines) if line.endswith("│     sync_client = MongoClient()"))
    assert lines[source].split()[0] == "2"
    assert lines[source + 1].index("^") == lines[source].index("MongoClient")


def test_only_the_sources_of_fixed_cells_change(tmp_path: Path) -> None:
    path = tmp_path / "orders.ipynb"
    path.write_bytes(TEXT.encode())
    done = mongo_threads("fix", "--isolated", "--fixable=MDB502", "--show-fixes", "orders.ipynb", cwd=tmp_path)
    assert "orders.ipynb:cell 4:3:" in done.stdout
    new = path.read_text(encoding="utf-8")
    changed = [line for line in difflib.ndiff(TEXT.splitlines(), new.splitlines()) if line[0] in "+-"]
    assert [line[2:].strip() for line in changed if line[0] == "+"] == [
        r'"    await client.shop.orders.insert_one({\"größe\": \"🧵\", \"item\": item})\n",',
        r'"source": "async def cancel(item):\n    await client.shop.orders.delete_one({\"item\": item})\n"',
    ]
    assert len(changed) == 4
    assert new.replace("await ", "") == TEXT
    again = mongo_threads("fix", "--isolated", "--fixable=MDB502", "orders.ipynb", cwd=tmp_path)
    assert path.read_text(encoding="utf-8") == new, again.stdout


def test_new_lines_are_written_as_the_old_ones_are() -> None:
    for text, wanted in (
        (notebook(["import a\n", "b = 1"]), '    "import a\\n",\n    "x = 2\\n",\n    "b = 1"\n'),
        (json.dumps(json.loads(notebook(["import a\n", "b = 1"]))), '["import a\\n", "x = 2\\n", "b = 1"]'),
        (notebook("import a\nb = 1"), '"import a\\nx = 2\\nb = 1"'),
        (json.dumps(json.loads(notebook(["é = 1"]))), '"x = 2\\n", "\\u00e9 = 1"'),
        (json.dumps(json.loads(notebook(["é = 1"])), ensure_ascii=False), '"x = 2\\n", "é = 1"'),
    ):
        read = Notebook("a.ipynb", text)
        (program,) = read.programs
        old = "b = 1" if "b = 1" in program.text else "é = 1"
        new = read.rewritten(program, program.text.replace(old, f"x = 2\n{old}"))
        assert wanted in new
        source = json.loads(new)["cells"][0]["source"]
        assert "".join(source).count("x = 2\n") == 1
        assert read.rewritten(program, program.text) == text


MAGICS = [
    "%matplotlib inline",
    "%load_ext autoreload",
    "!ls -l | head",
    "  !ls",
    "?print",
    "print?",
    "os.path??",
    "files = !ls",
    "data = %sql SELECT 1",
    "!ls \\\n  -l",
    "%time client = AsyncMongoClient()",
    "%timeit -n 1 f()",
    "%%time\nx = 1",
    "%%capture out\nx = 1",
]


@pytest.mark.parametrize("magic", MAGICS)
def test_magics_are_tolerated_and_kept(magic: str, selection: Selection) -> None:
    lead = "if True:\n" if magic.startswith("  ") else ""
    head = "" if magic.startswith("%%") else "from pymongo import AsyncMongoClient\n"
    import_cell = "from pymongo import AsyncMongoClient\nclient = AsyncMongoClient()"
    text = notebook(import_cell, f"{head}{lead}{magic}\nasync def f():\n    client.a.b.insert_one({{}})")
    report = check_text("a.ipynb", text, selection)
    line = f"{head}{lead}{magic}\n".count("\n") + 2
    assert [report.place(f.span.line) for f in report.findings] == [f"cell 2:{line}"]
    read = Notebook("a.ipynb", text)
    assert not read.unparsable
    (program,) = read.programs
    new = read.rewritten(program, program.text.replace("    client.a", "    await client.a"))
    assert new == text.replace("    client.a", "    await client.a")


def test_notebooks_that_await_outside_functions_are_fixed(tmp_path: Path) -> None:
    imports = "from pymongo import AsyncMongoClient\nclient = AsyncMongoClient()\nawait client.admin.command('ping')"
    text = notebook(imports, "async def add(order):\n    client.shop.orders.insert_one(order)", "await add({})")
    (tmp_path / "a.ipynb").write_text(text)
    done = mongo_threads("fix", "--isolated", "a.ipynb", cwd=tmp_path)
    assert (tmp_path / "a.ipynb").read_text() == text.replace("client.shop.orders", "await client.shop.orders"), done.stdout


@pytest.mark.parametrize("awaits", [True, False])
def test_await_is_written_outside_functions_only_where_the_notebook_does_so(awaits: bool, tmp_path: Path) -> None:
    ping = "await client.admin.command('ping')" if awaits else "client.close"
    text = notebook("from pymongo import AsyncMongoClient\nclient = AsyncMongoClient()", ping, "client.shop.orders.insert_one({})")
    (tmp_path / "a.ipynb").write_text(text)
    mongo_threads("fix", "--isolated", "a.ipynb", cwd=tmp_path)
    assert (tmp_path / "a.ipynb").read_text() == (text.replace("client.shop.orders", "await client.shop.orders") if awaits else text)


def test_statements_behind_timing_magics_are_read(selection: Selection) -> None:
    text = notebook("from pymongo import MongoClient\nfor i in range(3):\n    %time client = MongoClient()")
    report = check_text("a.ipynb", text, selection)
    assert [report.place(f.span.line, f.span.col) for f in report.findings] == ["cell 1:3:20"]


def test_cells_in_other_languages_and_broken_ones_are_left_out(selection: Selection) -> None:
    good = "from pymongo import AsyncMongoClient\nasync def f():\n    AsyncMongoClient().a.b.insert_one({})"
    text = notebook("%%bash\nls -l", "%%html\n<p>", "this is = = not\nvalid at all", good)
    report = check_text("a.ipynb", text, selection)
    assert [report.place(f.span.line) for f in report.findings] == ["cell 4:3"]
    read = Notebook("a.ipynb", text)
    assert [told.text.partition(" is ")[0] for told in read.unparsable] == ["cell 3"]
    assert read.rewritten(read.programs[0], read.programs[0].text) == text
    other = notebook(good, kernelspec={"name": "ir", "language": "R", "display_name": "R"})
    assert not check_text("a.ipynb", other, selection).findings


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"cells": 1}',
        '{"cells": [1], "metadata": {}}',
        '{"cells": [{"cell_type": "code", "source": [1]}]}',
        "[" * 100_000,
    ],
)
def test_what_is_no_notebook_is_named(text: str, selection: Selection) -> None:
    with pytest.raises(NotebookError, match="not a notebook"):
        Notebook("a.ipynb", text)
    report = check_text("a.ipynb", text, selection)
    assert report.problem is not None
    assert report.problem.text.startswith("not a notebook")
    assert "\n" not in report.problem.text


def test_empty_notebooks_have_nothing_to_report(selection: Selection) -> None:
    for text in (notebook(), notebook([], "", ["\n"]), '{"cells": [], "metadata": null}'):
        assert check_text("a.ipynb", text, selection) == check_text("a.ipynb", notebook(), selection)
