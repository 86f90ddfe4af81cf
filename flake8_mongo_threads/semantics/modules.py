"""First-party modules: where they are, and their trees, read once and kept by content.

Nothing is imported or run. Only files below the roots of the linted file are read, within bounds, and a file that is
missing, unreadable or broken is simply unknown.
"""

import ast
import os
import sys
import time
from typing import NamedTuple

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

FRESH_SECONDS = 3.0
"""How long answers about the file system are taken for true; :func:`new_run` forgets them all."""
_resolved: dict[tuple[tuple[str, ...] | str, str, int], str] = {}
_roots: dict[tuple[str, tuple[str, ...]], tuple[str, tuple[str, ...], str]] = {}
_entries: dict[str, frozenset[str]] = {}
_checked: dict[str, "ParsedFile | None"] = {}
_started = 0.0
_files: dict[str, tuple[tuple[int, int], "ParsedFile | None"]] = {}


class ParsedFile:
    """A file that was read: its text and, once asked for, its index."""

    __slots__ = ("_failed", "_index", "_source", "_words", "imports", "path", "text")

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self._source: Source | None = None
        self.imports: Imports | None = None
        self._failed = False
        self._index: Index | None = None
        self._words: dict[str, bool] = {}

    def has(self, word: str) -> bool:
        """Whether the text contains a word; looked for once."""
        found = self._words.get(word)
        if found is None:
            found = self._words[word] = word in self.text
        return found

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
    if path in _checked:
        return _checked[path]
    parsed = _checked[path] = _read(path, limit)
    return parsed


def _read(path: str, limit: int) -> ParsedFile | None:
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
    parsed = read(path)
    if parsed is not None and parsed.text == text:
        if parsed._index is None:
            parsed._index = Index(tree)
        return parsed._index
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
    known = _roots.get(key)
    if known is None:
        known = _roots[key] = _folder_roots(folder, extra)
    package, paths, top = known
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
        inside = _listed(root)
        if head in inside or head + ".py" in inside:
            found = file_at(os.path.join(root, relative))
            if found:
                return found
    return ""


def _listed(folder: str) -> frozenset[str]:
    """The names in a folder; a folder that cannot be read has none."""
    found = _entries.get(folder)
    if found is None:
        try:
            found = frozenset(os.listdir(folder))
        except OSError:
            found = frozenset()
        _entries[folder] = found
    return found


def file_at(base: str) -> str:
    """``base/__init__.py`` or ``base.py``, whichever exists; a folder without ``__init__.py`` is a namespace package."""
    package = os.path.join(base, "__init__.py")
    if os.path.isfile(package):
        return package
    if os.path.isfile(base + ".py"):
        return base + ".py"
    return ""


def resolve_path(location: str, roots: tuple[str, ...], name: str, level: int) -> str:
    """The file that ``name`` (with ``level`` leading dots) means when imported from the file at ``location``."""
    if level == 0 and name.partition(".")[0] in EXTERNAL_ROOTS:
        return ""
    base = os.path.dirname(location)
    key = (roots if level == 0 else base, name, level)
    found = _resolved.get(key)
    if found is None:
        if level == 0:
            found = locate(roots, name)
        else:
            for _ in range(level - 1):
                base = os.path.dirname(base)
            found = file_at(os.path.join(base, *name.split("."))) if name else file_at(base)
        _resolved[key] = found
    return found


Imports = list[tuple[str, int, tuple[str, ...]]]


def text_imports(parsed: ParsedFile) -> Imports:
    """The imports of a file, found without parsing it: (module, leading dots, names). Enough to follow them."""
    if parsed.imports is None:
        found: Imports = []
        text = parsed.text
        at = text.find("import")
        while at >= 0:
            start = text.rfind("\n", 0, at) + 1
            end = text.find("\n", at)
            line = text[start : end if end >= 0 else len(text)].strip()
            if line.startswith("from ") and " import" in line:
                target, _, names = line[5:].partition(" import")
                if "(" in names and ")" not in names:
                    end = text.find(")", at)
                    names = text[at + 6 : end if end >= 0 else len(text)]
                target = target.strip()
                bare = target.lstrip(".")
                listed = tuple(
                    word.split()[0] for word in names.replace("(", "").replace(")", "").replace("\\", "").split(",") if word.strip()
                )
                found.append((bare, len(target) - len(bare), listed))
            elif line.startswith("import "):
                found.extend((word.split()[0], 0, ()) for word in line[7:].split("#")[0].split(",") if word.strip())
            if end < 0:
                break
            at = text.find("import", end)
        parsed.imports = found
    return parsed.imports


MARKS = ("pymongo", "mongoengine", "umongo", "mongo_client", "MongoClient")
_IMPORTED_MARKS = ("motor", "bson", "gridfs", "beanie", "pymodm", "odmantic", "quart_motor")


def mentions_driver(text: str) -> bool:
    """Whether a text names a driver, or a wrapper that hands out its objects."""
    if "ongo" in text and any(mark in text for mark in MARKS):
        return True
    return any(mark in text and (f"import {mark}" in text or f"from {mark}" in text) for mark in _IMPORTED_MARKS)


class Neighbour(NamedTuple):
    """What the gate knows of a file without parsing it."""

    driver: bool
    """Whether its text names a driver."""
    imports: tuple[str, ...]
    """The first-party files that it imports."""


_neighbours: dict[str, Neighbour] = {}
interesting: dict[tuple[str, frozenset[str]], frozenset[str]] = {}
"""Names in a file that lead to calls of some members of the driver, for the run (filled by ``semantics.interest``)."""


def neighbour(path: str, roots: tuple[str, ...]) -> Neighbour:
    """What a file of the project imports and whether it names a driver; an unreadable file has neither."""
    found = _neighbours.get(path)
    if found is None:
        parsed = read(path)
        found = Neighbour(False, ()) if parsed is None else Neighbour(mentions_driver(parsed.text), imported_files(parsed, roots))
        _neighbours[path] = found
    return found


def imported_files(parsed: ParsedFile, roots: tuple[str, ...]) -> tuple[str, ...]:
    """The first-party files that the imports of a file name, in order."""
    found: dict[str, None] = {}
    for name, level, names in text_imports(parsed):
        if level == 0 and name.partition(".")[0] in EXTERNAL_ROOTS:
            continue
        path = resolve_path(parsed.path, roots, name, level)
        if path:
            found[path] = None
        if not path or path.endswith("__init__.py"):
            for part in names[:12]:
                if part != "*":
                    inner = resolve_path(parsed.path, roots, f"{name}.{part}" if name else part, level)
                    if inner:
                        found[inner] = None
    found.pop(parsed.path, None)
    return tuple(found)


def related(location: str, roots: tuple[str, ...], text: str, limit: int) -> list[str]:
    """The first-party files that a file leads to through imports, nearest first, up to a number of files and a depth."""
    found: list[str] = []
    seen = {location}
    layer = imported_files(ParsedFile(location, text), roots)
    for depth in range(MAX_DEPTH):
        following: list[str] = []
        for path in layer:
            if path in seen:
                continue
            seen.add(path)
            found.append(path)
            if len(found) >= limit:
                return found
            if depth + 1 < MAX_DEPTH:
                following.extend(neighbour(path, roots).imports)
        layer = tuple(following)
        if not layer:
            break
    return found


def leads_to_driver(location: str, roots: tuple[str, ...], text: str) -> bool:
    """Whether a file imports, directly or through a few modules, a first-party file that names a driver."""
    return any(neighbour(path, roots).driver for path in related(location, roots, text, MAX_MODULES))


def new_run() -> None:
    """Forget what was found out about the file system. Texts and their indexes stay: they are checked by modification
    time and size."""
    global _started
    _started = time.monotonic()
    for store in (_resolved, _roots, _entries, _checked, _neighbours, interesting):
        store.clear()


def freshen() -> None:
    """Start anew when the answers are older than a few seconds, so that a long-lived process is never stale for long."""
    if time.monotonic() - _started > FRESH_SECONDS:
        new_run()
