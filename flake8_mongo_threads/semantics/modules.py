"""First-party modules: where they are, and their trees, read once and kept by content.

Nothing is imported or run. Only files below the roots of the linted file are read, within bounds, and a file that is
missing, unreadable or broken is simply unknown.
"""

import ast
import os
import re
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

PROJECT_MARKS = (
    "pyproject.toml", "setup.py", "setup.cfg", ".git", ".hg", "requirements.txt", "Pipfile", "tox.ini", "environment.yml", ".github", ".gitlab-ci.yml",
    ".travis.yml",
)  # fmt: skip

_REPOSITORY_MARKS = (".git", ".hg")

FRESH_SECONDS = 3.0
"""After a pause as long as this, answers about the file system are no longer taken for true; :func:`new_run` forgets them all."""
_resolved: dict[tuple[tuple[str, ...] | str, str, int], str] = {}
_roots: dict[tuple[str, tuple[str, ...]], tuple[str, tuple[str, ...], str]] = {}
_entries: dict[str, frozenset[str]] = {}
_checked: dict[str, "ParsedFile | None"] = {}
_used = 0.0
_files: dict[str, tuple[tuple[int, int], "ParsedFile | None"]] = {}
_overlay: dict[str, "ParsedFile"] = {}
_consulted: set[str] | None = None
_runs = 0


class ParsedFile:
    """A file that was read: its text and, once asked for, its index."""

    __slots__ = ("_driver", "_failed", "_index", "_like_driver", "_packages", "_source", "_words", "imports", "path", "text")

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self._source: Source | None = None
        self.imports: Imports | None = None
        self._failed = False
        self._index: Index | None = None
        self._words: dict[str, bool] = {}
        self._driver: bool | None = None
        self._like_driver: bool | None = None
        self._packages: frozenset[str] | None = None

    @property
    def driver(self) -> bool:
        """Whether the text names a driver."""
        if self._driver is None:
            self._driver = _names_driver(self.text) or not self.packages.isdisjoint(_IMPORTED_MARKS)
        return self._driver

    @property
    def brings_driver(self) -> bool:
        """Whether the text may have objects of a driver to hand out: it imports a driver or a wrapper, or names a client.

        Less than to name a driver: of plug-ins and extras many a package names some that it never imports.
        """
        return self.driver and (
            "MongoClient" in self.text
            or "mongo_client" in self.text
            or any("mongo" in name or name in _IMPORTED_MARKS for name in self.packages)
        )

    @property
    def like_driver(self) -> bool:
        """Whether the text calls methods that few other libraries have, or starts a session."""
        if self._like_driver is None:
            self._like_driver = calls_like_driver(self.text) or "start_session" in self.text
        return self._like_driver

    @property
    def packages(self) -> frozenset[str]:
        """The top-level packages that the text imports, as far as that is seen without parsing it."""
        if self._packages is None:
            self._packages = frozenset(name.partition(".")[0] for name, level, _ in text_imports(self) if not level)
        return self._packages

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
    if _consulted is not None:
        _consulted.add(path)
    if path in _checked:
        return _checked[path]
    parsed = _checked[path] = _read(path, limit)
    return parsed


def overlay(path: str, text: str | None) -> None:
    """Let a text stand for the file at an absolute path, on disk or not, until it is given as None: an editor's unsaved buffer."""
    known = path in _overlay
    if text is None:
        _overlay.pop(path, None)
    else:
        _overlay[path] = ParsedFile(path, text)
    if known != (path in _overlay):
        new_run()
        return
    _checked.pop(path, None)
    _neighbours.pop(path, None)
    interesting.clear()
    leading.clear()


def consult(record: set[str] | None) -> set[str] | None:
    """From now on add the paths of the files that are asked for to a set, those that are missing, too; None ends it. Returns the set
    that was in use before."""
    global _consulted
    before = _consulted
    _consulted = record
    return before


def standing_in() -> bool:
    """Whether a text stands for some file: what is on disk is not what is analysed."""
    return bool(_overlay)


def _read(path: str, limit: int) -> ParsedFile | None:
    if path in _overlay:
        standing_in = _overlay[path]
        return standing_in if len(standing_in.text) <= limit else None
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


def _has_any(folder: str, marks: tuple[str, ...]) -> bool:
    return any(os.path.exists(os.path.join(folder, mark)) for mark in marks)


def _up_to_repository(folder: str) -> list[str]:
    """The folders above a project that is one of several in a repository, up to the repository's own; none without one."""
    found: list[str] = []
    while len(found) < MAX_ANCESTORS and not _has_any(folder, _REPOSITORY_MARKS):
        up = os.path.dirname(folder)
        if up == folder:
            return []
        folder = up
        found.append(folder)
    return found if _has_any(folder, _REPOSITORY_MARKS) else []


def _unmarked_top(folder: str) -> str:
    """The top of a project that no file marks as one: the current folder where the linter is run above it, else the folder itself."""
    try:
        current = os.getcwd()
    except OSError:  # it was removed
        return folder
    if folder.startswith(current.rstrip(os.sep) + os.sep) and current not in (os.path.expanduser("~"), os.path.dirname(current)):
        return current
    return folder


def _folder_roots(folder: str, extra: tuple[str, ...]) -> tuple[str, tuple[str, ...], str]:
    """The dotted name of a folder's package, the roots of its files, and the project's top folder."""
    parts: list[str] = []
    base = folder
    for _ in range(MAX_ANCESTORS):
        if not os.path.isfile(os.path.join(base, "__init__.py")) or _has_any(base, _REPOSITORY_MARKS):
            break  # an __init__.py beside a repository's mark does not make what stands around the repository a part of it
        parts.append(os.path.basename(base))
        up = os.path.dirname(base)
        if up == base:
            break
        base = up
    found = [base] if base == folder else [base, folder]
    top = above = base
    outer: list[str] = []
    marked = False
    for _ in range(MAX_ANCESTORS):
        if _has_any(above, PROJECT_MARKS):
            marked = True
            top = above
            for candidate in (above, os.path.join(above, "src"), os.path.join(above, "lib")):
                if candidate not in found and os.path.isdir(candidate):
                    found.append(candidate)
            outer = _up_to_repository(above)
            break
        up = os.path.dirname(above)
        if up == above:
            break
        above = up
    if not marked:
        top = _unmarked_top(base)
        if top not in found:
            found.append(top)
    # a package may be imported from any folder between: ``server/`` on the path although it has an __init__.py
    between = folder
    while between.startswith(top) and between != top:
        if between not in found:
            found.append(between)
        between = os.path.dirname(between)
    found.extend(outer)
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


def inside(path: str, roots: tuple[str, ...]) -> bool:
    """Whether a file or folder belongs to the project: it is one of its roots or below one, or below the current folder.

    Nothing else is ever read as a module, whatever an import says.
    """
    return any(path == root or path.startswith(root.rstrip(os.sep) + os.sep) for root in (*roots, os.getcwd()))


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


def _below_namesake(folder: str, name: str) -> str:
    """The file of ``app.database`` for a file somewhere below a folder ``app``: whoever imports it so runs it from the folder above."""
    head = name.partition(".")[0]
    for _ in range(MAX_ANCESTORS):
        up = os.path.dirname(folder)
        if up == folder:
            break
        if os.path.basename(folder) == head:
            found = file_at(os.path.join(up, *name.split(".")))
            if found:
                return found
        folder = up
    return ""


DRIVER_MARKS = {"pymongo": "mongo_client.py", "bson": "objectid.py", "gridfs": "grid_file.py", "motor": "core.py"}
"""A file that only the driver's own package has."""


def shadows_driver(roots: tuple[str, ...], location: str, name: str) -> bool:
    """Whether a dotted module name means a module of the program that is called like a driver's package: a ``motor.py`` beside the file.

    A single file has no submodules, so ``import motor.motor_asyncio`` never means it.
    """
    package, _, rest = name.partition(".")
    if package not in DRIVER_MARKS:
        return False
    for root in roots:
        inside = _listed(root)
        if package not in inside and package + ".py" not in inside:
            continue
        path = file_at(os.path.join(root, package))
        if not path or os.path.abspath(path) == location:
            continue
        if os.path.basename(path) != "__init__.py":
            if not rest:
                return True
        elif not os.path.isfile(os.path.join(os.path.dirname(path), DRIVER_MARKS[package])):
            return True
    return False


def _listed(folder: str) -> frozenset[str]:
    """The names in a folder; a folder that cannot be read has none."""
    found = _entries.get(folder)
    if found is None:
        try:
            found = frozenset(os.listdir(folder))
        except OSError:
            found = frozenset()
        if _overlay:
            found |= {os.path.basename(path) for path in _overlay if os.path.dirname(path) == folder}
        _entries[folder] = found
    return found


def file_at(base: str) -> str:
    """``base/__init__.py`` or ``base.py``, whichever exists; a folder without ``__init__.py`` is a namespace package."""
    package = os.path.join(base, "__init__.py")
    if package in _overlay or os.path.isfile(package):
        return package
    if base + ".py" in _overlay or os.path.isfile(base + ".py"):
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
            # More dots than the project has folders lead out of it, where nothing is ours to read.
            found = file_at(os.path.join(base, *name.split(".")) if name else base) if inside(base, roots) else ""
        _resolved[key] = found
    if level == 0 and not found and os.sep + name.partition(".")[0] + os.sep in location:
        own = (base, name, 0)
        found = _resolved.get(own, "-")
        if found == "-":
            found = _below_namesake(base, name)
            found = _resolved[own] = found if inside(found, roots) else ""
    return found


Imports = list[tuple[str, int, tuple[str, ...]]]


def _is_dotted(name: str) -> bool:
    return all(map(str.isidentifier, name.split(".")))


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
            if ": import " in line or "; import " in line:  # ``try: import bson``
                line = line[line.index(" import ") + 1 :]
            if line.startswith("from ") and " import" in line:
                target, _, names = line[5:].partition(" import")
                if "(" in names and ")" not in names:
                    end = text.find(")", at)
                    names = text[at + 6 : end if end >= 0 else len(text)]
                target = target.strip()
                bare = target.lstrip(".")
                words = (word.split()[0] for word in names.replace("(", "").replace(")", "").replace("\\", "").split(",") if word.strip())
                # The line may be prose: only names are made into paths.
                if not bare or _is_dotted(bare):
                    found.append((bare, len(target) - len(bare), tuple(word for word in words if word == "*" or word.isidentifier())))
            elif line.startswith("import "):
                named = (word.split()[0] for word in line[7:].split("#")[0].split(",") if word.strip())
                found.extend((name, 0, ()) for name in named if _is_dotted(name))
            if end < 0:
                break
            at = text.find("import", end)
        parsed.imports = found
    return parsed.imports


MARKS = ("pymongo", "mongoengine", "mongo_client", "MongoClient")
_IMPORTED_MARKS = frozenset(("motor", "bson", "gridfs", "beanie", "pymodm", "odmantic", "quart_motor", "umongo"))
"""Packages whose names are words of other fields, or parts of words ("humongous"), too: they count where they are imported."""


def _names_driver(text: str) -> bool:
    return "ongo" in text and any(mark in text for mark in MARKS)


def mentions_driver(text: str) -> bool:
    """Whether a text, which need not be Python alone, names a driver, or a wrapper that hands out its objects."""
    return _names_driver(text) or any(
        mark in text and (f"import {mark}" in text or f"from {mark}" in text or f", {mark}" in text) for mark in _IMPORTED_MARKS
    )


_LIKE_DRIVER = ("_one(", "_many(", "_one_and_", ".count_documents(", ".bulk_write(")
_CALLS_LIKE_DRIVER = re.compile(
    r"\.(?:find|insert|update|delete|replace)_(?:one|many)\(|\.find_one_and_(?:update|replace|delete)\b|\.count_documents\(|\.bulk_write\("
)


def calls_like_driver(text: str) -> bool:
    """Whether a text calls methods that few other libraries have: it may get its objects from the modules that use it."""
    return any(end in text for end in _LIKE_DRIVER) and _CALLS_LIKE_DRIVER.search(text) is not None


class Neighbour(NamedTuple):
    """What the gate knows of a file without parsing it."""

    driver: bool
    """Whether it may have objects of a driver to hand out."""
    imports: tuple[str, ...]
    """The first-party files that it imports."""


_neighbours: dict[str, Neighbour] = {}
interesting: dict[tuple[str, frozenset[str]], frozenset[str]] = {}
"""Names in a file that lead to calls of some members of the driver, for the run (filled by ``semantics.interest``)."""
leading: dict[str, frozenset[str]] = {}
"""For a file those of the files it leads to that have to do with the driver, for the run (filled by ``semantics.interest``)."""


def neighbour(path: str, roots: tuple[str, ...]) -> Neighbour:
    """What a file of the project imports and whether it brings a driver; an unreadable file has neither."""
    if _consulted is not None:
        _consulted.add(path)
    found = _neighbours.get(path)
    if found is None:
        parsed = read(path)
        found = Neighbour(False, ()) if parsed is None else Neighbour(parsed.brings_driver, imported_files(parsed, roots))
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


def of_text(location: str, text: str) -> ParsedFile:
    """A text as the file at a path: what is known about the file is used again where it has just this text."""
    known = _checked.get(location)
    return known if known is not None and known.text == text else ParsedFile(location, text)


def related(parsed: ParsedFile, roots: tuple[str, ...], limit: int) -> list[str]:
    """The first-party files that a file leads to through imports, nearest first, up to a number of files and a depth."""
    found: list[str] = []
    seen = {parsed.path}
    layer = imported_files(parsed, roots)
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


def leads_to_driver(parsed: ParsedFile, roots: tuple[str, ...]) -> bool:
    """Whether a file imports, directly or through a few modules, a first-party file that brings a driver."""
    return any(neighbour(path, roots).driver for path in related(parsed, roots, MAX_MODULES))


def new_run() -> None:
    """Forget what was found out about the file system. Texts and their indexes stay: they are checked by modification
    time and size."""
    global _runs
    _runs += 1
    for store in (_resolved, _roots, _entries, _checked, _neighbours, interesting, leading):
        store.clear()


def runs() -> int:
    """How often everything about the file system was forgotten: what others keep for a run is void when it has changed."""
    return _runs


def freshen() -> None:
    """Start anew after a pause: a run over many files asks without one, a long-lived process for each edit."""
    global _used
    now = time.monotonic()
    if now - _used > FRESH_SECONDS:
        new_run()
    _used = now
