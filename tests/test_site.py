"""The documentation site and its playground: what is built, that nothing comes from elsewhere, and that the documents' commands do what they show."""

import contextlib
import html.parser
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import ModuleType

import pytest

import browser
from flake8_mongo_threads import documentation
from flake8_mongo_threads.config import parse
from flake8_mongo_threads.engine import check_text
from flake8_mongo_threads.rules import load
from harness import FIXTURES, ROOT

CODES = [rule.code for rule in load()]


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its named tuples look themselves up
    spec.loader.exec_module(module)
    return module


build_site = tool("build_site")

# ---------------------------------------------------------------------- pages


@pytest.mark.parametrize(
    ("source", "link", "wanted"),
    [
        ("README.md", "docs/ci.md", "ci.md"),
        ("README.md", "docs/rules/MDB101.md", "rules/MDB101.md"),
        ("README.md", "CONTRIBUTING.md", "contributing.md"),
        ("README.md", "https://example.org/docs/ci.md", "https://example.org/docs/ci.md"),
        ("docs/architecture.md", "../CONTRIBUTING.md#a-new-rule", "contributing.md#a-new-rule"),
        ("docs/architecture.md", "../tools/kinds.py", "../tools/kinds.py"),
        ("docs/rules/MDB101.md", "../../README.md", "../index.md"),
        ("docs/ci.md", "documents.md#fixes", "documents.md#fixes"),
    ],
)
def test_links_between_pages(source: str, link: str, wanted: str) -> None:
    assert build_site.relinked(f"see [a page]({link}).", source, build_site.sources()) == f"see [a page]({wanted})."


def test_every_page_is_in_the_navigation_once() -> None:
    for with_playground in (True, False):
        pages = build_site.pages(with_playground)
        leaves = list(build_site._leaves(build_site.navigation(pages)))
        assert sorted(leaves) == sorted(pages)
        assert ("playground.md" in pages) is with_playground
    assert {f"rules/{code}.md" for code in CODES} < set(leaves)
    extra = build_site.navigation([*pages, "new.md"])
    assert extra[-1] == {"More": ["new.md"]}


def test_names_with_underscores_are_no_emphasis() -> None:
    text = "In __del__, `x.__del__` and (__init__.py): https://a/b#object.__del__\n\n```python\ndef __del__(self):\n    '`'\n```\n\n__exit__.\n"
    wanted = text.replace("In __del__", "In `__del__`").replace("__init__.py", "`__init__.py`").replace("__exit__", "`__exit__`")
    assert documentation.names_as_code(text) == wanted
    assert "inside `__del__` or" in build_site.pages(True)["rules/MDB404.md"]


def test_first_page_has_no_tables_of_rules() -> None:
    page = build_site.pages(True)["index.md"]
    assert "| MDB101" not in page
    assert "[All rules](rules/index.md)" in page


def test_rules_lead_to_the_playground() -> None:
    pages = build_site.pages(True)
    assert "playground.md?rule=MDB102)" in pages["rules/MDB102.md"]
    assert "playground" not in build_site.pages(False)["rules/MDB102.md"]


# ---------------------------------------------------------------------- the playground under CPython


def test_playground_answers_with_what_it_ships() -> None:
    examples = build_site.examples()
    assert set(examples) == {rule.code for rule in load() if any(example.bad for example in rule.examples)}
    for code, example in examples.items():
        found = example["result"]["findings"]
        assert all(finding["code"] != "MDB000" for finding in found)
        assert all(finding["steps"] or code.startswith("MDB00") for finding in found if finding["code"] == code), code
        config = parse(selections=([example["select"]],), pymongo=example["pymongo"], motor=example["motor"])
        here = [(finding.code, finding.span.line, finding.span.col + 1) for finding in check_text("example.py", example["text"], config)]
        assert [(finding["code"], finding["line"], finding["col"]) for finding in found] == here, code


def test_playground_needs_nothing_that_a_browser_lacks() -> None:
    _, modules = build_site.answers([{"text": "import pymongo\nfrom pymongo import MongoClient\nfor x in 'ab':\n    MongoClient()\n"}])
    assert "flake8_mongo_threads.engine" in modules
    absent = {"subprocess", "multiprocessing", "ssl", "ctypes", "sqlite3", "curses", "flake8", "libcst", "rich"}
    assert absent.isdisjoint(modules)


@pytest.mark.parametrize(
    ("request_", "problem", "line"),
    [
        ({"text": "def f(:\n"}, "not valid Python: invalid syntax", 1),
        ({"text": "x = 1\n  y = 2\n"}, "not valid Python: unexpected indent", 2),
        ({"text": "x = '\0'\n"}, "null byte", None),
        ({"text": "x = 1\n", "pymongo": "four"}, "mongo-threads-pymongo: 'four' is neither", 0),
    ],
)
def test_playground_tells_of_problems(request_: dict[str, str], problem: str, line: int | None) -> None:
    (answer,) = build_site.answers([request_]).answers
    assert problem in answer["problem"]
    assert "\n" not in answer["problem"]
    if line is not None:
        assert answer["line"] == line


def test_playground_counts_characters_and_takes_options() -> None:
    text = "from pymongo import MongoClient\n\nfor x in 'ab':\n    é = '😀'; MongoClient().a.b.insert_one({})\n"
    lost = "from pymongo import MongoClient\n\ndb = MongoClient().shop\n\n\ndef f(key):\n    d = db.c.find_one({'_id': key})\n"
    lost += "    d['n'] = 1\n    db.c.replace_one({'_id': key}, d)\n"
    place, off, on, nothing = build_site.answers([{"text": text}, {"text": lost}, {"text": lost, "select": "MDB702"}, {"text": ""}]).answers
    (found,) = [finding for finding in place["findings"] if finding["code"] == "MDB101"]
    assert (found["line"], found["col"]) == (4, 14)
    assert (off["findings"], nothing["findings"]) == ([], [])
    assert [finding["code"] for finding in on["findings"]] == ["MDB702"]


def test_archive_is_reproducible_and_small() -> None:
    assert build_site.archive() == build_site.archive()
    assert len(build_site.archive()) < 2_000_000
    names = zipfile.ZipFile(BytesIO(build_site.archive())).namelist()
    assert "flake8_mongo_threads/engine.py" in names
    assert not any(
        name.startswith(("flake8_mongo_threads/fixes", "flake8_mongo_threads/lsp", "flake8_mongo_threads/commands")) for name in names
    )


def test_a_changed_download_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_site, "DOWNLOADS", tmp_path)
    package = build_site.PYODIDE
    archive = tmp_path / f"{package.name}-{package.version}.tgz"
    archive.write_bytes(b"something else")
    with pytest.raises(build_site.SiteError, match="checksum"):
        build_site.fetched(package)
    assert not archive.exists()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(build_site.SiteError, match="npm"):
        build_site.fetched(package)


# ---------------------------------------------------------------------- commands in documents

FILE = re.compile(r"<!-- file: (\S+) -->\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SESSION = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def files_of(page: str) -> dict[str, str]:
    found = dict(FILE.findall(page))
    assert found
    return found


def sessions(page: str) -> list[tuple[str, str]]:
    """The commands of a page that run this project's command, and what is shown of their output."""
    found = []
    for block in SESSION.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            if command.startswith("mongo-threads ") and "~" not in command:
                found.append((command, output))
    return found


def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(("name", "count"), [("configuration", 3), ("fixes", 4), ("writing-a-rule", 1)])
def test_commands_print_what_the_page_shows(name: str, count: int, tmp_path: Path) -> None:
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    shop = {path: text for path, text in files_of(page).items() if not path.startswith(("fixtures/", "flake8_mongo_threads/"))}
    put(tmp_path, shop)
    if ".flake8" not in shop:
        put(tmp_path, {".flake8": "[flake8]\n"})
    shown = sessions(page)
    assert len(shown) == count
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "COLUMNS": "200"}
    for command, output in shown:
        arguments = [sys.executable, "-m", "flake8_mongo_threads", *shlex.split(command)[1:]]
        done = subprocess.run(
            arguments, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=120
        )
        # Two streams: the order between them is that of a terminal only there.
        assert sorted(done.stdout.splitlines()) == sorted(output.splitlines()), f"{command}\n{done.stdout}"


@pytest.mark.slow
def test_the_rule_of_the_page_becomes_green(tmp_path: Path) -> None:
    """The steps of docs/writing-a-rule.md, in a copy of the project."""
    for name in ("flake8_mongo_threads", "tests", "tools", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "pyproject.toml", "CONTRIBUTING.md", "CHANGELOG.md", "action.yml", "dev.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(FIXTURES, tmp_path / "fixtures")
    page = (ROOT / "docs" / "writing-a-rule.md").read_text(encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)

    made = run("tools/new_rule.py", "MDB150", "index-per-request")
    assert f"$ python3 tools/new_rule.py MDB150 index-per-request\n{made.stdout}" in page
    unfinished = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_examples.py", "-k", "MDB150")
    assert unfinished.returncode == 1
    put(tmp_path, files_of(page))
    (found,) = re.findall(r"^shop\.py:.*$", page, re.MULTILINE)[:1]
    assert run("-m", "flake8_mongo_threads", "check", "--isolated", "--extend-select=MDB150", "shop.py").stdout.strip() == found
    for script in ("tools/gen_docs.py", "tests/test_messages.py"):
        done = run(script)
        assert done.returncode == 0, done.stderr
    names = ("examples", "fixtures", "variants", "meta", "catalogue", "messages", "witness", "positions")
    tests = [f"tests/test_{name}.py" for name in names]
    green = run("-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    failed = re.findall(r"^FAILED (\S+)", green.stdout, re.MULTILINE)
    assert failed == ["tests/test_catalogue.py::test_programs_of_a_rule[MDB150]"], green.stdout[-4000:]


# ---------------------------------------------------------------------- the built site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    if shutil.which("npm") is None:
        pytest.skip("npm is not here")
    folder = tmp_path_factory.mktemp("site")
    assert build_site.build(folder / "built", folder / "stage") == 0
    return folder / "built"


LOADING = {
    ("script", "src"), ("img", "src"), ("img", "srcset"), ("iframe", "src"), ("audio", "src"), ("video", "src"), ("video", "poster"),
    ("source", "src"), ("source", "srcset"), ("track", "src"), ("embed", "src"), ("object", "data"), ("input", "src"), ("body", "background"),
    ("use", "href"), ("use", "xlink:href"), ("image", "href"), ("form", "action"),
}  # fmt: skip
NOT_LOADED = {"canonical", "alternate", "next", "prev", "license", "author", "help"}
ELSEWHERE = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
IN_STYLE = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])([^"')]+)""", re.IGNORECASE)


class Resources(html.parser.HTMLParser):
    """What a page loads by itself, and the texts of its own styles."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._style = tag == "style"
        if tag == "link" and not set(given.get("rel", "").split()) <= NOT_LOADED:
            self.found.append(given.get("href", ""))
        for name, value in given.items():
            if (tag, name) in LOADING:
                self.found += [part.split()[0] for part in value.split(",")] if name == "srcset" else [value]
            if name == "style":
                self.found += IN_STYLE.findall(value)
        if tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            self.found.append(given.get("content", "").partition("=")[2])

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if self._style:
            self.found += IN_STYLE.findall(data)


def loaded_by(page: str) -> list[str]:
    reader = Resources()
    reader.feed(page)
    return reader.found


def test_resources_are_seen() -> None:
    page = '<link rel="stylesheet" href="//a/b.css"><link rel="canonical" href="https://c"><script src="https://d/e.js"></script><img srcset="f 1x, http://g 2x">'
    page += "<style>@import 'https://h'; p {background: url(http://i)}</style><a href='https://j'>k</a><p style='background:url(\"//l\")'>"
    assert [found for found in loaded_by(page) if ELSEWHERE.match(found)] == [
        "//a/b.css",
        "https://d/e.js",
        "http://g",
        "https://h",
        "http://i",
        "//l",
    ]


@pytest.mark.slow
def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(CODES)
    for path in pages:
        resources = loaded_by(path.read_text(encoding="utf-8"))
        assert resources
        assert [found for found in resources if ELSEWHERE.match(found)] == [], path
        for found in resources:
            if path.name != "404.html" and not found.startswith("data:"):
                assert (path.parent / re.split("[?#]", found)[0]).exists(), (path, found)
    styles = sorted(site.rglob("*.css"))
    assert styles
    for path in styles:
        assert [found for found in IN_STYLE.findall(path.read_text(encoding="utf-8")) if ELSEWHERE.match(found)] == [], path


@pytest.mark.slow
def test_every_rule_has_a_page_and_is_found(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]
    titles = {entry["location"]: entry["title"] for entry in index}
    for rule in load():
        page = (site / "rules" / f"{rule.code}.html").read_text(encoding="utf-8")
        assert f"{rule.code}: {rule.name}" in page
        assert not re.search(r"<strong>\w+</strong>", page), rule.code
        assert titles[f"rules/{rule.code}.html"] == f"{rule.code}: {rule.name}"


@pytest.mark.slow
@pytest.mark.parametrize("link", ["nowhere.md", "documents.md#nothing", "/absolute.md"])
def test_a_broken_link_ends_the_build(
    link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    pages = build_site.pages

    def broken(with_playground: bool) -> dict[str, str]:
        texts: dict[str, str] = pages(with_playground)
        texts["ci.md"] += f"\nSee [this]({link}).\n"
        return texts

    monkeypatch.setattr(build_site, "pages", broken)
    assert build_site.build(tmp_path / "built", tmp_path / "stage", with_playground=False) != 0
    assert link.lstrip("/").partition("#")[0] in capfd.readouterr().err


# ---------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def chromium() -> str:
    program = browser.found()
    if program is None or sys.platform == "win32":
        pytest.skip("no Chromium here")
    return program


@contextlib.contextmanager
def served(site: Path) -> Iterator[str]:
    server = build_site.server(site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def from_elsewhere(page: browser.Page, base: str) -> list[str]:
    return [url for url in page.requests if not url.startswith((f"{base}/", "data:", "blob:", "about:"))]


STATE = "document.querySelector('#pg-status').dataset.state"
CHECK_ALL = """
(async () => {
  const at = (id) => document.querySelector(`#pg-${id}`), answers = {};
  for (const name of Object.keys(window.mongoThreadsExamples)) {
    at('example').value = name;
    at('example').dispatchEvent(new Event('change'));
    const before = at('findings').innerText;
    at('findings').replaceChildren();
    at('run').click();
    while (at('status').dataset.state === 'example') await new Promise((done) => setTimeout(done, 5));
    answers[name] = [at('status').dataset.state, before === at('findings').innerText, before.includes(name)];
  }
  return answers;
})()
"""


@pytest.mark.slow
def test_playground_in_a_browser(site: Path, chromium: str, tmp_path: Path) -> None:
    with served(site) as base, browser.page(chromium, tmp_path / "profile") as page:
        page.go(f"{base}/playground.html?rule=MDB501")
        # Something is there before Python is.
        assert page.evaluate(STATE) == "example"
        assert "MDB501 blocking-call-in-async" in page.evaluate("document.querySelector('#pg-findings').innerText")
        assert not any("pyodide" in url for url in page.requests)
        page.evaluate("document.querySelector('#pg-run').click()")
        page.until(f"['checked', 'failed'].includes({STATE})", 180)
        assert page.evaluate(STATE) == "checked", page.evaluate("document.querySelector('#pg-status').innerText")
        assert sum("pyodide.asm.wasm" in url for url in page.requests) == 1
        # The engine in the browser finds what it found here, in every example.
        answers = page.evaluate(CHECK_ALL, 180)
        assert set(answers) == {rule.code for rule in load() if any(example.bad for example in rule.examples)}
        assert {name: answer for name, answer in answers.items() if answer != ["checked", True, True]} == {}
        # What is typed is checked without a click.
        page.evaluate(
            "(() => { const code = document.querySelector('#pg-code');"
            " code.value = 'from pymongo import MongoClient\\nfor x in range(3):\\n    MongoClient().a.b.insert_one({})\\n';"
            " code.dispatchEvent(new Event('input')); })()"
        )
        page.until("document.querySelector('#pg-findings').innerText.includes('line 2 this loop repeats it')")
        assert page.evaluate("document.querySelector('#pg-gutter .pg-marked').innerText.trim()") == "3"
        page.evaluate("document.querySelector('#pg-findings .pg-place').click()")
        selected = "(() => { const c = document.querySelector('#pg-code'); return c.value.slice(c.selectionStart, c.selectionEnd); })()"
        assert page.evaluate(selected) == "MongoClient"
        page.evaluate(
            "(() => { const code = document.querySelector('#pg-code'); code.value = 'def <b>x</b>(:'; code.dispatchEvent(new Event('input')); })()"
        )
        page.until(f"{STATE} === 'problem'")
        assert page.evaluate("document.querySelector('#pg-status').innerText").startswith("Line 1: not valid Python")
        assert from_elsewhere(page, base) == []
        assert page.problems == []


@pytest.mark.slow
def test_search_and_pages_in_a_browser(site: Path, chromium: str, tmp_path: Path) -> None:
    result = "document.querySelector('.md-search-result__link')"
    with served(site) as base, browser.page(chromium, tmp_path / "profile") as page:
        for rule in (load()[1], load()[-1]):
            for words in (rule.code, rule.name):
                page.go(f"{base}/index.html?q={words}")
                page.until(f"{result} && {result}.href.includes('rules/{rule.code}.html')")
        for path in ("rules/index.html", "rules/MDB505.html", "configuration.html", "architecture.html", "404.html"):
            page.go(f"{base}/{path}")
        assert from_elsewhere(page, base) == []
        assert page.problems == []


@pytest.mark.slow
def test_pages_work_as_files(site: Path, chromium: str, tmp_path: Path) -> None:
    result = "document.querySelector('.md-search-result__link')"
    with browser.page(chromium, tmp_path / "profile") as page:
        page.go(f"{(site / 'index.html').as_uri()}?q=MDB505")
        page.until(f"{result} && {result}.href.includes('rules/MDB505.html')")
        page.go((site / "playground.html").as_uri())
        assert page.evaluate(STATE) == "example"
        page.evaluate("document.querySelector('#pg-run').click()")
        assert "http.server" in page.evaluate("document.querySelector('#pg-status').innerText")
        assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:", "about:"))] == []
