"""Which names can matter, found without parsing: a filter before any inference."""

import os
import re
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import frameworks
from flake8_mongo_threads.driver import kinds
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.semantics.spawns import LAUNCHER_NAMES

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Project

_DEF = re.compile(r"^[ \t]*(?:async[ \t]+def|def|class)[ \t]+(\w+)", re.MULTILINE)
_PROPERTY = re.compile(r"^[ \t]*@[\w.]*property\b[^\n]*\n(?:[ \t]*@[^\n]*\n)*[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)", re.MULTILINE)

_CLIENT_CLASS = re.compile(r"^[ \t]*class[ \t]+\w+\([^)]*(?:MongoClient|MotorClient)\b", re.MULTILINE)

MAX_FILES = 40


def _last(path: str) -> str:
    return path.removesuffix("()").rpartition(".")[2]


NAMES: frozenset[str] = frozenset(
    (
        *(name for family in kinds.FAMILIES for flavour in kinds.FLAVOURS for name in kinds.members(family, flavour)),
        *LAUNCHER_NAMES,
        *map(_last, frameworks.REGISTRARS),
        "Depends", "Security", "FastAPI", "Starlette", "Litestar", "FastMCP", "MongoClient", "AsyncMongoClient", "AsyncIOMotorClient", "MotorClient", "PyMongo",
        "register", "closing", "aclosing", "suppress", "timeout", "patch_all", "fork", "forkpty", "fork_processes", "DaemonContext", "set_start_method", "get_context", "local",
        "Lock", "RLock", "start", "join", "result", "shutdown", "cast", "get_database", "get_collection", "partial", "new_event_loop", "enter_context", "enter_async_context", "delay",
        "apply_async", "add_job", "scheduled_job", "listen", "bind",
    )
)  # fmt: skip
"""Names of the driver's members, of launchers, of framework registrars and of a few helpers of the standard library."""

_scanned: dict[tuple[str, int], tuple[frozenset[str], frozenset[str]]] = {}


def defined(text: str, path: str) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the functions and classes, and of the properties, that a file defines; kept by content."""
    key = (path, hash(text))
    found = _scanned.get(key)
    if found is None:
        if len(_scanned) > 2048:
            _scanned.clear()
        found = _scanned[key] = (frozenset(_DEF.findall(text)), frozenset(_PROPERTY.findall(text)) if "property" in text else frozenset())
    return found


def definitions(project: "Project") -> tuple[frozenset[str], frozenset[str], bool]:
    """What the linted file and the modules that it leads to define: callables, properties, whether any class is a client."""
    root = project.order[0]
    clients = "Client" in root.source.text and _CLIENT_CLASS.search(root.source.text) is not None
    names, properties = defined(root.source.text, root.location)
    all_names, all_properties = set(names), set(properties)
    for path in modules.related(root.location, root.roots, root.source.text, MAX_FILES):
        parsed = modules.read(path)
        if parsed is not None:
            names, properties = defined(parsed.text, path)
            all_names |= names
            all_properties |= properties
            clients = clients or ("Client" in parsed.text and _CLIENT_CLASS.search(parsed.text) is not None)
    folder = os.path.dirname(root.location)
    conftest = modules.read(os.path.join(folder, "conftest.py")) if os.path.basename(root.location).startswith("test") else None
    if conftest is not None:
        all_names |= defined(conftest.text, conftest.path)[0]
    return frozenset(all_names), frozenset(all_properties), clients
