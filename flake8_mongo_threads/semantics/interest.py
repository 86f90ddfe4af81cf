"""Which names can matter, found without parsing: a filter before any inference.

A function is of interest when its text uses a driver operation, or calls, by name, a function of interest of its own file
or of one that it imports. This is read from the text with an eye for indentation only; it may take a name too many, and
a name that it misses is not followed through calls (kinds do not depend on it).
"""

import os
import re
from typing import TYPE_CHECKING

from flake8_mongo_threads.concurrency import frameworks
from flake8_mongo_threads.driver import kinds
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.semantics.spawns import LAUNCHER_NAMES

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Project

_DEF = re.compile(r"^([ \t]*)(?:async[ \t]+def|def|(class))[ \t]+(\w+)", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z_]\w*")
_PROPERTY = re.compile(r"^[ \t]*@[\w.]*property\b[^\n]*\n(?:[ \t]*(?:[@#][^\n]*)?\n)*[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)", re.MULTILINE)
_CLIENT_CLASS = re.compile(r"^[ \t]*class[ \t]+\w+\([^)]*(?:MongoClient|MotorClient)\b", re.MULTILINE)

_ASSIGNED = r"\b(\w{1,60})(?:[ \t]{0,4}:[^=\n]{0,80})?[ \t]{0,4}=[ \t]{0,4}"
_ALIAS = re.compile(
    _ASSIGNED + r"(?:(?:functools\.)?partial\(\s{0,40}[\w.]{0,80}Client\b|lambda[^:\n]{0,40}:[ \t]{0,4}[\w.]{0,80}Client\b"
    r"|[\w.]{0,80}(?:MongoClient|MotorClient)\b(?![\w(]))"
)
"""A name that stands for a client class, or for a callable that makes one: ``client_class = MongoClient``.

Every part is bounded: one line of several megabytes takes no longer than as many short ones."""
_IMPORTED_AS = re.compile(r"Client[ \t]{1,4}as[ \t]{1,4}(\w{1,60})")
"""A client class under another name: ``from pymongo import MongoClient as MC``."""

MAX_FILES = 40
MAX_DEPTH = 8


def _last(path: str) -> str:
    return path.removesuffix("()").rpartition(".")[2]


_CLIENTS = frozenset(
    ("MongoClient", "AsyncMongoClient", "AsyncIOMotorClient", "MotorClient", "PyMongo", "MongoReplicaSetClient", "connect")
)

_MEMBERS: frozenset[str] = frozenset(
    name for family in kinds.FAMILIES for flavour in kinds.FLAVOURS for name in kinds.members(family, flavour)
)

NAMES: frozenset[str] = frozenset(
    (
        *_MEMBERS,
        *_CLIENTS,
        *LAUNCHER_NAMES,
        *map(_last, frameworks.REGISTRARS),
        "Depends", "Security", "FastAPI", "Starlette", "Litestar", "FastMCP",
        "register", "closing", "aclosing", "suppress", "timeout", "patch_all", "fork", "forkpty", "fork_processes", "DaemonContext", "set_start_method", "get_context", "local",
        "Lock", "RLock", "start", "join", "result", "shutdown", "cast", "partial", "new_event_loop", "enter_context", "enter_async_context", "delay", "apply_async", "scheduled_job", "listen",
    )
)  # fmt: skip
"""Names of the driver's members, of launchers, of framework registrars and of a few helpers of the standard library."""

_USES = kinds.OPERATION_NAMES | _CLIENTS
"""What in a function's text makes it one of interest, in a file that has to do with the driver."""


class Outline:
    """What a file's text shows of its definitions."""

    __slots__ = ("aliases", "classes", "clients", "functions", "properties", "relevant")

    def __init__(self, parsed: modules.ParsedFile) -> None:
        text = parsed.text
        self.functions: list[tuple[str, frozenset[str]]] = []
        """Every function and class with the words of its body."""
        self.classes: set[str] = set()
        found = list(_DEF.finditer(text))
        ends = [len(text)] * len(found)
        around: list[int] = []  # the definitions that the one at hand stands in, by position
        for position, match in enumerate(found):
            while around and len(match.group(1)) <= len(found[around[-1]].group(1)):
                ends[around.pop()] = match.start()
            around.append(position)
        for match, end in zip(found, ends, strict=True):
            if match.group(2):
                self.classes.add(match.group(3))
            self.functions.append((match.group(3), frozenset(_WORD.findall(text, match.end(), end))))
        self.properties = frozenset(_PROPERTY.findall(text)) if "property" in text else frozenset()
        self.clients = "Client" in text and _CLIENT_CLASS.search(text) is not None
        self.aliases = _aliases(text) if "Client" in text else frozenset()
        self.relevant = parsed.driver or parsed.like_driver


def _aliases(text: str) -> frozenset[str]:
    found = set(_ALIAS.findall(text))
    for name in _IMPORTED_AS.findall(text)[:4]:
        found.update(re.findall(rf"{_ASSIGNED}{name}\b(?![\w(.])", text))
    return frozenset(found)


_outlines: dict[tuple[str, int], Outline] = {}


def outline(parsed: modules.ParsedFile) -> Outline:
    """The outline of a file, kept by content."""
    key = (parsed.path, hash(parsed.text))
    found = _outlines.get(key)
    if found is None:
        if len(_outlines) > 2048:
            _outlines.clear()
        found = _outlines[key] = Outline(parsed)
    return found


def leading(paths: list[str], roots: tuple[str, ...]) -> frozenset[str]:
    """Of some files, and those that they import directly or through others, the ones that lead to a file that has to do with the driver.

    In a large program most do not, and their texts need not be looked at closely.
    """
    users: dict[str, list[str]] = {path: [] for path in paths}
    layer = list(users)
    for _ in range(MAX_DEPTH + 1):
        following: list[str] = []
        for path in layer:
            for imported in modules.neighbour(path, roots).imports[:MAX_FILES]:
                if imported not in users:
                    users[imported] = []
                    following.append(imported)
                users[imported].append(path)
        layer = following
    pending = [path for path in users if _has_to_do_with_driver(path)]
    found = set(pending)
    while pending:
        for user in users[pending.pop()]:
            if user not in found:
                found.add(user)
                pending.append(user)
    return frozenset(found)


def _has_to_do_with_driver(path: str) -> bool:
    parsed = modules.read(path)
    return parsed is not None and (parsed.driver or parsed.like_driver)


def interesting(
    path: str, roots: tuple[str, ...], uses: frozenset[str] = _USES, depth: int = 0, among: frozenset[str] | None = None
) -> frozenset[str]:
    """Names of the functions and classes of a file that lead to the driver, or to calls of some of its members; kept for the run.

    ``among`` are the files that ``leading`` tells, where the caller has asked already.
    """
    known = modules.interesting.get((path, uses))
    if known is not None:
        return known
    if among is None:
        among = modules.leading.get(path)
        if among is None:
            among = modules.leading[path] = leading([path], roots)
    if path not in among:
        return frozenset()
    parsed = modules.read(path)
    if parsed is None:
        return frozenset()
    shape = outline(parsed)
    everything = frozenset(name for name, _ in shape.functions) | shape.classes
    if depth > MAX_DEPTH:
        return everything
    modules.interesting[path, uses] = everything  # an import cycle takes everything
    found = modules.interesting[path, uses] = _closure(shape, path, roots, uses, depth, among)
    return found


def _closure(shape: Outline, path: str, roots: tuple[str, ...], uses: frozenset[str], depth: int, among: frozenset[str]) -> frozenset[str]:
    names: set[str] = set()
    if shape.relevant:
        names |= uses | shape.aliases
    for neighbour in modules.neighbour(path, roots).imports[:MAX_FILES]:
        names |= interesting(neighbour, roots, uses, depth + 1, among)
    found: set[str] = set()
    changed = True
    while changed:
        changed = False
        for name, words in shape.functions:
            if name not in found and not names.isdisjoint(words):
                found.add(name)
                names.add(name)
                changed = True
    return frozenset(found | (shape.aliases & names))


def definitions(project: "Project") -> tuple[frozenset[str], frozenset[str], bool]:
    """What the linted file and the modules that it leads to define: callables, properties, whether any class is a client."""
    root = project.order[0]
    text = modules.of_text(root.location, root.source.text)
    own = outline(text)
    names: set[str] = {name for name, _ in own.functions} | own.classes | own.aliases
    properties = set(own.properties)
    clients = own.clients
    paths = modules.related(text, root.roots, MAX_FILES)
    paths.extend(module.location for module in project.order[1:])
    if os.path.basename(root.location).startswith("test"):
        paths.append(os.path.join(os.path.dirname(root.location), "conftest.py"))
    among = leading(paths, root.roots)
    for path in paths:
        parsed = modules.read(path) if path in among else None
        if parsed is None:
            continue
        shape = outline(parsed)
        found = interesting(path, root.roots, among=among)
        names |= found
        properties |= shape.properties & found
        clients = clients or shape.clients
    return frozenset(names), frozenset(properties), clients
