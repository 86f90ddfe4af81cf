"""First-party modules: where they are, and their trees, read once and kept by content.

Nothing is imported or run. Only files below the roots of the linted file are read, within bounds, and a file that is
missing, unreadable or broken is simply unknown.
"""

import ast
import os
import sys

from flake8_mongo_threads.semantics.scopes import Index
from flake8_mongo_threads.source import DecodeError, Source, decode

MAX_MODULES = 20
MAX_BYTES = 600_000
MAX_DEPTH = 4
MAX_ANCESTORS = 10
_KEEP = 512

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

_files: dict[str, tuple[tuple[int, int], "ParsedFile | None"]] = {}


class ParsedFile:
    """A file that was read: its text and, once asked for, its index."""

    __slots__ = ("_index", "_tree", "path", "source", "text")

    def __init__(self, path: str, text: str, source: Source) -> None:
        self.path = path
        self.text = text
        self.source = source
        self._tree: ast.Module | None = None
        self._index: Index | None = None

    @property
    def index(self) -> Index | None:
        """The index of the file; None when it is not valid Python."""
        if self._index is None:
            try:
                self._tree = ast.parse(self.text)
                self._index = Index(self._tree)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return None
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
        parsed = ParsedFile(path, decoded.text, Source.from_text(path, decoded.text))
    except (OSError, DecodeError, MemoryError):
        parsed = None
    if len(_files) >= _KEEP:
        for old in list(_files)[: _KEEP // 4]:
            del _files[old]
    _files[path] = (stamp, parsed)
    return parsed


def _is_regular(mode: int) -> bool:
    return (mode & 0o170000) == 0o100000


class Roots:
    """Where imports of one file are looked up: its package's root, the folders above it up to the project's, ``src``, options."""

    __slots__ = ("folder", "package", "paths", "top")

    def __init__(self, location: str, extra: tuple[str, ...] = ()) -> None:
        location = os.path.abspath(location)
        self.folder = os.path.dirname(location)
        name = os.path.basename(location)
        parts = [] if name in ("__init__.py", "__init__.pyi") else [os.path.splitext(name)[0]]
        base = self.folder
        for _ in range(MAX_ANCESTORS):
            if not os.path.isfile(os.path.join(base, "__init__.py")):
                break
            parts.append(os.path.basename(base))
            up = os.path.dirname(base)
            if up == base:
                break
            base = up
        self.package = ".".join(reversed(parts))
        """The dotted name of the file, as far as regular packages tell."""
        found = [base, self.folder]
        above = base
        self.top = base
        for _ in range(MAX_ANCESTORS):
            if any(os.path.exists(os.path.join(above, mark)) for mark in _PROJECT_MARKS):
                self.top = above
                for candidate in (above, os.path.join(above, "src")):
                    if candidate not in found:
                        found.append(candidate)
                break
            up = os.path.dirname(above)
            if up == above:
                break
            above = up
        if self.top != base:
            between = os.path.dirname(base)
            while between.startswith(self.top) and between != self.top:
                if between not in found:
                    found.append(between)
                between = os.path.dirname(between)
        found.extend(os.path.abspath(path) for path in extra if os.path.abspath(path) not in found)
        self.paths = tuple(found)


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
