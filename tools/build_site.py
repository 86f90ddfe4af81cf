#!/usr/bin/env python3
"""Build the documentation site into ``site/``: ``python3 dev.py docs``; ``--serve`` shows it on this machine.

The pages are those of ``docs/``, the README as the first one, CONTRIBUTING and CHANGELOG. They are gathered in ``.dev/site/``, so that
links between them are right wherever they stand, and rendered by MkDocs in strict mode: a broken link ends the build. The playground
takes Pyodide from its npm package, at a fixed version whose checksum is known; ``--without-playground`` needs no npm.
"""

import argparse
import base64
import functools
import hashlib
import http.server
import importlib.util
import io
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from flake8_mongo_threads import documentation  # noqa: E402
from flake8_mongo_threads.rules import load  # noqa: E402
from flake8_mongo_threads.rules.base import Rule  # noqa: E402

SITE = ROOT / "site"
STAGE = ROOT / ".dev" / "site"
DOWNLOADS = ROOT / ".dev" / "npm"
SOURCES = ROOT / "tools" / "playground"
ASSETS = "assets/playground"
PLAYGROUND = "playground.md"

Nav = list[dict[str, object] | str]

DETECTION = (
    "__init__.py", "config.py", "edits.py", "engine.py", "findings.py", "source.py", "concurrency", "driver", "rules", "semantics",
)  # fmt: skip
"""What of the package finds things: no flake8, no libcst, no command line."""


class SiteError(Exception):
    """The site cannot be built; the text is one line for whoever builds it."""


class NpmPackage(NamedTuple):
    """A package of the npm registry at one version, and the SHA-512 of its archive in base64, as npm's own lock files have it."""

    name: str
    version: str
    sha512: str
    files: tuple[str, ...]
    """What the site needs of it."""


PYODIDE = NpmPackage(
    "pyodide",
    "314.0.7",
    "0YvXxEhfEdpLfb/XkM2BFAeMROq0iMUX2bzzH9pOttyMcWkwq+HbE5uyuGD82LN7y2q+SNvi/6V5JEsOlD2R1A==",
    ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json"),
)
IFRAME_WORKER = NpmPackage(
    "iframe-worker",
    "1.0.4",
    "roeaaI+Lg1LJNfgpCjoRe/+WzEjy9+Z08LoEvu85MCPbBjwm+qXz8Ag5U05lHa6V1CysZyGzE0SOkAtSUA5q7Q==",
    ("shim/index.js",),
)
"""What lets the search work in pages that are opened as files: browsers give those no workers."""


# ---------------------------------------------------------------------- pages


def sources() -> dict[str, str]:
    """Which file of the project is which page of the site, both as paths with slashes."""
    docs = ROOT / "docs"
    found = {path.relative_to(ROOT).as_posix(): path.relative_to(docs).as_posix() for path in sorted(docs.rglob("*.md"))}
    return {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", **found}


_LINK = re.compile(r"(?<=\]\()([^)\s#?:]+)(?=(?:#[^)\s]*)?\))")


def relinked(text: str, source: str, pages: dict[str, str]) -> str:
    """A page's text with its links to other pages as they are on the site. Other links stay, for MkDocs to judge."""

    def new(match: "re.Match[str]") -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
        if target not in pages:
            return match[1]
        return posixpath.relpath(pages[target], posixpath.dirname(pages[source]) or ".")

    return _LINK.sub(new, text)


def first_page(readme: str) -> str:
    """The README without the tables of rules, which have a page of their own on the site."""
    pattern = re.compile(r"<!-- rules:start.*?<!-- rules:end -->\n", re.DOTALL)
    if not pattern.search(readme):
        raise SiteError("README.md has no section 'rules'")
    return pattern.sub("[All rules](docs/rules/index.md), each with its reason, examples and fix.\n", readme, count=1)


def with_playground_link(page: str, rule: Rule) -> str:
    """A rule's page with a link to its example in the playground, after the line that says since when the rule is there."""
    if not any(example.bad for example in rule.examples):
        return page
    link = f" [Try it in the playground](../{PLAYGROUND}?rule={rule.code})."
    return re.sub(r"^\*Since .*\*$", lambda match: match[0] + link, page, count=1, flags=re.MULTILINE)


def pages(with_playground: bool) -> dict[str, str]:
    """Every page of the site and its Markdown."""
    known = sources()
    texts = {}
    for source, page in known.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        texts[page] = relinked(first_page(text) if page == "index.md" else text, source, known)
    if with_playground:
        for rule in load():
            name = f"rules/{documentation.page_name(rule.code)}"
            texts[name] = with_playground_link(texts[name], rule)
        texts[PLAYGROUND] = (SOURCES / PLAYGROUND).read_text(encoding="utf-8")
    return texts


def navigation(present: Iterable[str]) -> Nav:
    """The order of the pages; a page of ``docs/`` that is not told here comes last, under "More"."""
    here = set(present)
    rules: Nav = ["rules/index.md"]
    for prefix, title in documentation.FAMILIES.items():
        family = [f"rules/{documentation.page_name(rule.code)}" for rule in load() if rule.code.startswith(prefix)]
        if family:
            rules.append({f"{prefix}xx {title}": family})
    nav: Nav = [
        {"Start": "index.md"},
        {"Configuration": "configuration.md"},
        {"Rules": rules},
        {"Fixes": "fixes.md"},
        {"From Motor to PyMongo Async": "motor-migration.md"},
        {"Editors": "editors.md"},
        {"Continuous integration": "ci.md"},
        {"Documents and notebooks": "documents.md"},
        {"What is printed": "output.md"},
        {"Playground": PLAYGROUND},
        {"How it works": ["architecture.md", "driver-model.md"]},
        {"How it compares": ["comparison.md", "comparison-type-checkers.md"]},
        {"Contributing": ["contributing.md", "writing-a-rule.md", "changelog.md"]},
    ]
    if PLAYGROUND not in here:
        nav.remove({"Playground": PLAYGROUND})
    more: Nav = [*sorted(here.difference(_leaves(nav)))]
    return [*nav, {"More": more}] if more else nav


def _leaves(entry: object) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for value in entry.values():
            yield from _leaves(value)
    elif isinstance(entry, list):
        for value in entry:
            yield from _leaves(value)


# ---------------------------------------------------------------------- playground


def archive() -> bytes:
    """What the browser gets of Python sources, as a zip: the detection part of the package, ``packaging``, and the playground's own."""
    package = ROOT / "flake8_mongo_threads"
    spec = importlib.util.find_spec("packaging")
    if spec is None or spec.origin is None:
        raise SiteError("packaging is not installed here")
    files = {f"packaging/{path.name}": path for path in Path(spec.origin).parent.glob("*.py")}
    for name in DETECTION:
        found = [package / name] if name.endswith(".py") else (package / name).rglob("*.py")
        files.update({path.relative_to(ROOT).as_posix(): path for path in found})
    files["playground.py"] = SOURCES / "playground.py"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, path in sorted(files.items()):
            # A fixed date: the same sources make the same archive.
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(info, path.read_bytes())
    return buffer.getvalue()


_ALONE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import playground
answers = [json.loads(playground.check(**request)) for request in json.load(sys.stdin)]
json.dump({"answers": answers, "modules": sorted(sys.modules)}, sys.stdout)
"""


class Answers(NamedTuple):
    """What the playground's Python side says, and the modules that it needed."""

    answers: list[dict[str, Any]]
    modules: list[str]


def answers(requests: Sequence[dict[str, str]]) -> Answers:
    """Ask the playground's Python side as it is in a browser: what the site ships and the standard library, no installed packages, no
    project around it whose requirements would say which releases are meant. A request has the arguments of ``playground.check``."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(io.BytesIO(archive())) as shipped:
            shipped.extractall(folder)
        os.mkdir(os.path.join(folder, ".git"))  # the root of a repository: nothing above is looked at
        environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        command = [sys.executable, "-I", "-S", "-W", "error", "-c", _ALONE, folder]
        done = subprocess.run(
            command, input=json.dumps(requests), capture_output=True, text=True, cwd=folder, env=environment, timeout=600, check=False
        )
    if done.returncode != 0:
        raise SiteError(f"the playground's Python side fails: {done.stderr.strip().splitlines()[-1]}")
    return Answers(**json.loads(done.stdout))


def examples() -> dict[str, dict[str, Any]]:
    """The first program of each rule's page with what is found in it, so that the page is of use before Python is there."""
    requests: dict[str, dict[str, str]] = {}
    for rule in load():
        program = next((example.bad for example in rule.examples if example.bad), "")
        if program:
            fields = {"select": "" if rule.default else rule.code, "pymongo": "", "motor": "", **_options(program)}
            requests[rule.code] = {"text": documentation.without_markers(program), **fields}
    names = {rule.code: rule.name for rule in load()}
    found: dict[str, dict[str, Any]] = {}
    for (code, request), result in zip(requests.items(), answers(list(requests.values())).answers, strict=True):
        if not any(finding["code"] == code for finding in result.get("findings", ())):
            raise SiteError(f"the example of {code} does not show it")
        found[code] = {"name": names[code], **request, "result": result}
    return found


def _options(program: str) -> dict[str, str]:
    first = re.match(r"# options:(.*)", program)
    pairs = (part.partition("=") for part in first[1].split(";")) if first else ()
    return {name.strip(): value.strip() for name, _, value in pairs}


def fetched(package: NpmPackage) -> dict[str, bytes]:
    """The wanted files of an npm package. Downloaded once, and checked each time. Raises SiteError."""
    DOWNLOADS.mkdir(parents=True, exist_ok=True)
    path = DOWNLOADS / f"{package.name}-{package.version}.tgz"
    if not path.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise SiteError("the playground is made with npm, which is not here: install it, or use --without-playground")
        command = [npm, "pack", f"{package.name}@{package.version}", "--silent", "--pack-destination", str(DOWNLOADS)]
        done = subprocess.run(command, cwd=DOWNLOADS, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0 or not path.exists():
            reason = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "nothing was downloaded")
            raise SiteError(f"npm could not get {package.name}: {reason}")
    data = path.read_bytes()
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != package.sha512:
        path.unlink()
        raise SiteError(f"{path.name} is not the archive that was expected: its checksum differs")
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        return {name: _member(opened, f"package/{name}") for name in package.files}


def _member(opened: tarfile.TarFile, name: str) -> bytes:
    member = opened.extractfile(name)
    if member is None:
        raise SiteError(f"{name} is no file")
    return member.read()


def playground_files() -> dict[str, bytes]:
    """Everything that the playground's page loads, by its place in the site. Raises SiteError."""
    files = {name: (SOURCES / name).read_bytes() for name in ("playground.js", "playground.css", "worker.mjs")}
    files["engine.zip"] = archive()
    files["examples.js"] = f"window.mongoThreadsExamples = {json.dumps(examples(), ensure_ascii=True)};\n".encode()
    files.update({f"pyodide/{name}": data for name, data in fetched(PYODIDE).items()})
    found = {f"{ASSETS}/{name}": data for name, data in files.items()}
    found["assets/iframe-worker/shim.js"] = fetched(IFRAME_WORKER)["shim/index.js"]
    return found


# ---------------------------------------------------------------------- building


def stage(folder: Path, site: Path, with_playground: bool) -> Path:
    """Write everything that MkDocs needs into an empty ``folder``. Returns its configuration file. Raises SiteError."""
    shutil.rmtree(folder, ignore_errors=True)
    texts = pages(with_playground)
    files = {name: text.encode() for name, text in texts.items()}
    # What the offline plugin would load from elsewhere: here, or (a page opened as a file then has no search) not at all.
    settings: dict[str, object] = {"polyfills": ["assets/iframe-worker/shim.js"] if with_playground else []}
    config: dict[str, object] = {
        "INHERIT": os.path.relpath(ROOT / "mkdocs.yml", folder),
        "docs_dir": "pages",
        "site_dir": str(site),
        "nav": navigation(texts),
        "extra": settings,
    }
    if with_playground:
        files.update(playground_files())
        config["extra_css"] = [f"{ASSETS}/playground.css"]
    else:
        config["plugins"] = {"offline": {"enabled": False}}
    docs = ROOT / "docs"
    files.update(
        {path.relative_to(docs).as_posix(): path.read_bytes() for path in docs.rglob("*") if path.is_file() and path.suffix != ".md"}
    )
    for name, data in files.items():
        path = folder / "pages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    written = folder / "mkdocs.yml"
    written.write_text(json.dumps(config, indent=1), encoding="utf-8")  # JSON is YAML
    return written


def build(site: Path, folder: Path = STAGE, with_playground: bool = True) -> int:
    """Build the site. Returns MkDocs's exit code. Raises SiteError."""
    config = stage(folder, site, with_playground)
    # Not --quiet: MkDocs counts only the warnings that it prints.
    command = [sys.executable, "-m", "mkdocs", "build", "--clean", "--strict", "--config-file", str(config)]
    # The theme's advertisement for its successor is no news in every build.
    done = subprocess.run(command, cwd=folder, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr, end="")
    return done.returncode


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files with the types that browsers insist on for modules and WebAssembly."""

    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript", ".wasm": "application/wasm"}  # noqa: RUF012

    def log_message(self, *_: object) -> None:
        """Say nothing: each page is dozens of files."""


def server(site: Path, port: int = 0) -> http.server.ThreadingHTTPServer:
    """A server of the built site on this machine only; port 0 takes a free one."""
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Handler, directory=str(site)))


def main() -> int:
    """Build, and with ``--serve`` show. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--site", type=Path, default=SITE, metavar="DIR", help="where to put it (default: site)")
    parser.add_argument("--without-playground", action="store_true", help="leave out the page that needs Pyodide's npm package")
    parser.add_argument(
        "--serve", type=int, nargs="?", const=8000, metavar="PORT", help="then serve it on this machine (default port: 8000)"
    )
    arguments = parser.parse_args()
    try:
        code = build(arguments.site.absolute(), with_playground=not arguments.without_playground)
    except SiteError as error:
        print(f"build_site: {error}", file=sys.stderr)
        return 1
    if code:
        return code
    print(f"built {arguments.site}")
    if arguments.serve is not None:
        with server(arguments.site, arguments.serve) as running:
            print(f"http://127.0.0.1:{running.server_port}/ (Ctrl+C ends it)", flush=True)
            try:
                running.serve_forever()
            except KeyboardInterrupt:
                print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
