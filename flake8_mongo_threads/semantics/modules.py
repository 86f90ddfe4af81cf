"""First-party modules: where they are, and their trees, read once and kept by content.

Nothing is imported or run. Only files below the roots of the linted file are read, within bounds, and a file that is
missing, unreadable or broken is simply unknown.
"""

import ast
import os
import re
import sys
import time

from flake8_mongo_threads.semantics.scopes import Index
from flake8_mongo_threads.source import DecodeError, Source, decode

MAX_MODULES = 20
MAX_BYTES = 600_000
MAX_DEPTH = 4
MAX_ANCESTORS = 10
_KEEP = 1536

EXTERNAL_ROOTS = frozenset(
    (
        *sys.stdlib_module_names,
        "pymongo", "bson", "gridfs", "motor", "mongoengine", "beanie", "flask_pymongo", "flask", "fastapi", "starlette", "django", "celery",
        "aiohttp", "tornado", "sanic", "quart", "discord", "numpy", "pandas", "requests", "pydantic", "pytest", "anyio", "trio", "gevent",
        "eventlet", "typing_extensions", "sqlalchemy", "redis", "httpx", "dotenv", "uvicorn", "click", "yaml", "boto3", "telegram",
    )
)  # fmt: skip
"""Top-level names that are never the user's own: not looked for on disk."""

_PROJECT_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", ".git", ".hg", "requirements.txt", "Pipfile")

FRESH_SECONDS = 1.0
_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+import[ \t]*(\([^)]*\)|[^\n]*)|import[ \t]+([^\n]+))", re.MULTILINE)
_resolved: dict[tuple[tuple[str, ...] | str, str, int], tuple[float, str]] = {}
_roots: dict[tuple[str, tuple[str, ...]], tuple[float, str, tuple[str, ...], str]] = {}
_files: dict[str, tuple[tuple[int, int], "ParsedFile | None"]] = {}


class ParsedFile:
    """A file that was read: its text and, once asked for, its index."""

    __slots__ = ("_failed", "_index", "_source", "imports", "path", "text")

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self._source: Source | None = None
        self.imports: Imports | None = None
        self._failed = False
        self._index: Index | None = None

    @property
    def source(self) -> Source:
        """The file's text with its lines."""
        if self._source is None:
            self._source = Source.from_text(self.path, self.text)
        return self._source

    @property
    def index(self) -> Index | None:
        """The index of the file; None when it is not valid Python."""
        if self._index is None and not self._failed:
            try:
                self._index = Index(ast.parse(self.text))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self._failed = True
        return self._index


def read(path: str, limit: int = MAX_BYTES) -> ParsedFile | None:
    """Read a file of the user's project; None when it is missing, unreadable, too large or not text."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    if status.st_size > limit or not _is_regular(status.st_mode):
        return None
    stamp = (status.st_mtime_ns, status.st_size)
    known = _files.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    parsed: ParsedFile | None
    try:
        with open(path, "rb") as stream:
            decoded = decode(stream.read(limit + 1))
        parsed = ParsedFile(path, decoded.text)
    except (OSError, DecodeError, MemoryError):
        parsed = None
    if len(_files) >= _KEEP:
        for old in list(_files)[: _KEEP // 4]:
            del _files[old]
    _files[path] = (stamp, parsed)
    return parsed


def index_of(path: str, text: str, tree: ast.Module) -> Index:
    """The index of the file being linted: one made earlier from the same text is used again, a new one is kept for others."""
    known = _files.get(path)
    parsed = known[1] if known is not None else None
    if parsed is not None and parsed.text == text:
        if parsed._index is None:  # noqa: SLF001 - the store and its entries are one thing
            parsed._index = Index(tree)  # noqa: SLF001
        return parsed._index  # noqa: SLF001
    return Index(tree)


def _is_regular(mode: int) -> bool:
    return (mode & 0o170000) == 0o100000


class Roots:
    """Where imports of one file are looked up: its package's root, the folders above it up to the project's, ``src``, options."""

    __slots__ = ("package", "paths", "top")

    def __init__(self, package: str, paths: tuple[str, ...], top: str) -> None:
        self.package = package
        """The dotted name of the file, as far as regular packages tell."""
        self.paths = paths
        self.top = top


def _folder_roots(folder: str, extra: tuple[str, ...]) -> tuple[str, tuple[str, ...], str]:
    """The dotted name of a folder's package, the roots of its files, and the project's top folder."""
    parts: list[str] = []
    base = folder
    for _ in range(MAX_ANCESTORS):
        if not os.path.isfile(os.path.join(base, "__init__.py")):
            break
        parts.append(os.path.basename(base))
        up = os.path.dirname(base)
        if up == base:
            break
        base = up
    found = [base] if base == folder else [base, folder]
    top = above = base
    for _ in range(MAX_ANCESTORS):
        if any(os.path.exists(os.path.join(above, mark)) for mark in _PROJECT_MARKS):
            top = above
            for candidate in (above, os.path.join(above, "src")):
                if candidate not in found and os.path.isdir(candidate):
                    found.append(candidate)
            break
        up = os.path.dirname(above)
        if up == above:
            break
        above = up
    # a package may be imported from any folder between: ``server/`` on the path although it has an __init__.py
    between = folder
    while between.startswith(top) and between != top:
        if between not in found:
            found.append(between)
        between = os.path.dirname(between)
    found.extend(os.path.abspath(path) for path in extra if os.path.abspath(path) not in found)
    return ".".join(reversed(parts)), tuple(found), top


def roots_of(location: str, extra: tuple[str, ...] = ()) -> Roots:
    """The roots of a file; what is known about its folder is kept for a second."""
    folder, name = os.path.split(os.path.abspath(location))
    key = (folder, extra)
    now = time.monotonic()
    known = _roots.get(key)
    if known is None or now - known[0] >= FRESH_SECONDS:
        if len(_roots) > 4096:
            _roots.clear()
        known = _roots[key] = (now, *_folder_roots(folder, extra))
    _, package, paths, top = known
    if name not in ("__init__.py", "__init__.pyi"):
        stem = os.path.splitext(name)[0]
        package = f"{package}.{stem}" if package else stem
    return Roots(package, paths, top)


def locate(roots: tuple[str, ...], name: str) -> str:
    """The file of a dotted module name below the first root that has it; empty when none has."""
    head = name.partition(".")[0]
    if head in EXTERNAL_ROOTS:
        return ""
    relative = name.replace(".", os.sep)
    for root in roots:
        found = file_at(os.path.join(root, relative))
        if found:
            return found
    return ""


def file_at(base: str) -> str:
    """``base/__init__.py`` or ``base.py``, whichever exists; a folder without ``__init__.py`` is a namespace package."""
    package = os.path.join(base, "__init__.py")
    if os.path.isfile(package):
        return package
    if os.path.isfile(base + ".py"):
        return base + ".py"
    return ""


def resolve_path(location: str, roots: tuple[str, ...], name: str, level: int) -> str:
    """The file that ``name`` (with ``level`` leading dots) means when imported from the file at ``location``.

    Answers are kept for a second: long enough for one run over a tree, short enough for an editor.
    """
    if level == 0 and name.partition(".")[0] in EXTERNAL_ROOTS:
        return ""
    now = time.monotonic()
    base = os.path.dirname(location)
    key = (roots if level == 0 else base, name, level)
    known = _resolved.get(key)
    if known is not None and now - known[0] < FRESH_SECONDS:
        return known[1]
    if level == 0:
        found = locate(roots, name)
    else:
        for _ in range(level - 1):
            base = os.path.dirname(base)
        found = file_at(os.path.join(base, *name.split("."))) if name else file_at(base)
    if len(_resolved) > 8192:
        _resolved.clear()
    _resolved[key] = (now, found)
    return found


Imports = list[tuple[str, int, tuple[str, ...]]]


def text_imports(parsed: ParsedFile) -> Imports:
    """The imports of a file, read line by line without parsing it: (module, leading dots, names). Enough to follow them."""
    if parsed.imports is None:
        found: Imports = []
        for match in _IMPORT.finditer(parsed.text):
            if match.group(1) is not None:
                target = match.group(1)
                bare = target.lstrip(".")
                listed = tuple(n.strip().split(" ")[0] for n in match.group(2).strip(" ()\\\r\n").replace("(", "").split(",") if n.strip())
                found.append((bare, len(target) - len(bare), listed))
            else:
                found.extend((part.strip().split(" ")[0], 0, ()) for part in match.group(3).split("#")[0].split(",") if part.strip())
        parsed.imports = found
    return parsed.imports


def related(location: str, roots: tuple[str, ...], text: str, limit: int) -> list[str]:
    """The first-party files that a file leads to through imports, nearest first, up to a number of files and a depth."""
    first = ParsedFile(location, text)
    queue: list[tuple[ParsedFile, int]] = [(first, 0)]
    found: list[str] = []
    seen = {location}
    while queue and len(found) < limit:
        parsed, depth = queue.pop(0)
        for name, level, names in text_imports(parsed):
            for candidate in (name, *(f"{name}.{n}" if name else n for n in names[:12] if n != "*")):
                path = resolve_path(parsed.path, roots, candidate, level)
                if path and path not in seen:
                    seen.add(path)
                    neighbour = read(path)
                    if neighbour is not None:
                        found.append(path)
                        if depth + 1 < MAX_DEPTH:
                            queue.append((neighbour, depth + 1))
    return found[:limit]
