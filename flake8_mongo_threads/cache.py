"""Findings of earlier runs, kept in a folder by content: the option ``mongo-threads-cache``.

An entry holds what the answer for one file depends on, and holds only as long as all of it is the same: the text of the file and of
every file of the project that it leads to, the requirement files that say which releases of the drivers are meant, which modules the
project has at all, the options, the release of this package and of Python. Everything is compared by content, never by time, so that
a cache can be kept between checkouts of a project at the same place. What cannot be read, written or understood in the folder is as
good as missing: then the file is analysed.

Entries are JSON, and nothing that stands in one is ever run.
"""

import json
import os
import stat
import sys
from collections.abc import Callable, Iterable
from typing import Any

from flake8_mongo_threads import __version__, edits, findings, source
from flake8_mongo_threads.config import Config
from flake8_mongo_threads.driver import api, targets
from flake8_mongo_threads.findings import Applicability, Finding
from flake8_mongo_threads.semantics import modules

MAX_FILES = 2000
"""A file that leads to more modules than this is analysed every time: to compare them all would take as long."""
MAX_ENTRIES = 40_000
"""So many names in a project are looked at; the files of a larger one are analysed every time."""

_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# This folder holds what flake8-mongo-threads found: https://bford.info/cachedir/\n"
_TYPES: dict[str, Any] = {
    kind.__name__: kind for home in (findings, edits) for kind in vars(home).values() if isinstance(kind, type) and hasattr(kind, "_fields")
}

_digests: dict[str, str] = {}
"""For each file, folder or project that was asked for, the digest of what is there, for the run."""
_reached: dict[str, tuple[str, ...]] = {}
"""For each file the files that it imports, directly or through others, for the run."""
_run = -1


def known(lines: list[str], path: str, config: Config) -> list[Finding] | None:
    """The findings that an earlier run kept for a file; None when there are none, or something that they depend on has changed."""
    key = _key(lines, path, config)
    if not key:
        return None
    try:
        with open(_entry(config, "found", path), encoding="utf-8") as stream:
            held, needs, digest, kept = json.load(stream)
        if held != key or _all(needs) != digest:
            return None
        found = _decoded(kept)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    if isinstance(found, tuple) and all(isinstance(finding, Finding) for finding in found):
        return list(found)
    return None


def is_valid(path: str, text: str, config: Config) -> bool:
    """Whether a text is certainly valid Python, as :func:`source.is_valid` tells; that it is is kept for the next run."""
    entry = _entry(config, "valid", path)
    key = _digest(sys.version + text)
    try:
        with open(entry, encoding="utf-8") as stream:
            if stream.read() == key:
                return True
    except (OSError, ValueError):
        pass
    if not source.is_valid(text):
        return False
    _write(entry, key)
    return True


def keep(lines: list[str], path: str, config: Config, analyse: Callable[[], list[Finding]]) -> list[Finding]:
    """Analyse a file and keep what is found, with what it depends on, for the next run."""
    key = _key(lines, path, config)
    if not key:
        return analyse()
    consulted: set[str] = set()
    before = modules.consult(consulted)
    try:
        found = analyse()
        if any(finding.code == "MDB000" for finding in found):
            return found
        needs = _needs(os.path.abspath(path), consulted, config)
    finally:
        modules.consult(before)
    if needs:
        _write(_entry(config, "found", path), json.dumps((key, needs, _all(needs), _encoded(tuple(found)))))
    return found


# ---------------------------------------------------------------------- what an answer depends on


def _key(lines: list[str], path: str, config: Config) -> str:
    """What identifies an answer besides the files it depends on; empty where nothing can be kept."""
    global _run
    if not config.cache or not path.endswith((".py", ".pyi")) or modules.standing_in():
        return ""
    if _run != modules.runs():
        _run = modules.runs()
        _digests.clear()
        _reached.clear()
    location = os.path.abspath(path)
    roots = modules.roots_of(location, config.src)
    if not os.path.isfile(location):
        return ""
    tops = {roots.top, *roots.paths}
    names = [_project(top) for top in sorted(tops) if not any(top.startswith(other.rstrip(os.sep) + os.sep) for other in tops)]
    if "" in names or _is_skipped(os.path.relpath(location, roots.top)):
        return ""
    own = config._replace(cache="", opted_in=frozenset())
    place = (path, location, os.getcwd(), roots.package, roots.paths)
    program = (_program(), sys.version, _installed(), os.environ.get("VIRTUAL_ENV", ""), own, sorted(config.opted_in))
    return _digest(repr((place, program, names, "".join(lines))))


def _installed() -> str:
    found = _digests.get("installed:")
    if found is None:
        found = _digests["installed:"] = " ".join(f"{dist} {targets.installed(dist)}" for dist in api.DISTRIBUTIONS)
    return found


def _program() -> str:
    """Which linter this is: its release and, for one that is being changed, the sizes of its files."""
    found = _digests.get("program:")
    if found is None:
        sizes = []
        for folder, _, names in os.walk(os.path.dirname(__file__)):
            sizes += [(folder, name, os.path.getsize(os.path.join(folder, name))) for name in names if name.endswith(".py")]
        found = _digests["program:"] = _digest(repr((__version__, sorted((os.path.basename(f), n, s) for f, n, s in sizes))))
    return found


def _needs(location: str, consulted: set[str], config: Config) -> list[str]:
    """The files and folders that an answer depends on, in order; none when there are too many."""
    roots = modules.roots_of(location, config.src).paths
    found: set[str] = set()
    for path in (location, *consulted):
        if path not in found:
            found.update(_leads_to(path, roots))
            found.add(path)
            if len(found) > MAX_FILES:
                return []
    found.update(os.path.join(root, name) for root in roots for name in ("pyproject.toml", "setup.py"))
    found.update(targets.looked_at(location, config))
    return sorted(found)


def _leads_to(path: str, roots: tuple[str, ...]) -> tuple[str, ...]:
    known = _reached.get(path)
    if known is None:
        seen = {path}
        layer = [path]
        while layer and len(seen) <= MAX_FILES:
            layer = [each for inner in layer for each in modules.neighbour(inner, roots).imports if each not in seen]
            seen.update(layer)
        known = _reached[path] = tuple(seen)
    return known


def _all(needs: Iterable[str]) -> str:
    return _digest("\n".join(f"{path}\0{_state(path)}" for path in needs))


def _state(path: str) -> str:
    """What a file or folder is, as one short text; the same as long as nothing changes in it that an answer can depend on."""
    found = _digests.get(path)
    if found is None:
        try:
            mode = os.stat(path).st_mode
            if stat.S_ISDIR(mode):
                found = _digest("\n".join(sorted(filter(targets.matters, os.listdir(path)))))
            elif not stat.S_ISREG(mode):
                found = "other"
            elif path.endswith((".py", ".pyi")):
                parsed = modules.read(path)
                found = "unreadable" if parsed is None else _digest(parsed.text)
            else:
                with open(path, "rb") as stream:
                    found = _digest(stream.read())
        except (OSError, ValueError):
            found = "missing"
        _digests[path] = found
    return found


def _project(top: str) -> str:
    """Which folders and modules a project has; empty when there are too many to look at."""
    key = "names:" + top
    found = _digests.get(key)
    if found is None:
        names: list[str] = []
        pending = [top]
        seen: set[str] = set()
        while pending and len(names) < MAX_ENTRIES:
            folder = pending.pop()
            real = os.path.realpath(folder)
            if real in seen:
                continue
            seen.add(real)
            try:
                with os.scandir(folder) as scan:
                    entries = sorted(scan, key=lambda entry: entry.name)
            except OSError:
                continue
            if folder != top and any(entry.name in ("CACHEDIR.TAG", "pyvenv.cfg") for entry in entries):
                continue  # a cache, this one among them, or a virtual environment
            names.append(folder)
            for entry in entries:
                if entry.name.endswith((".py", ".pyi")) or entry.name in modules.PROJECT_MARKS:
                    names.append(entry.path)
                elif not _is_skipped(entry.name) and entry.is_dir():
                    if not entry.is_symlink() or modules.inside(os.path.realpath(entry.path), (top,)):
                        pending.append(entry.path)
                    else:
                        names.append(entry.path + _state(entry.path))  # it leads out of the project, where nothing is ours to search
        found = _digests[key] = _digest("\n".join(names)) if len(names) < MAX_ENTRIES else ""
    return found


def _is_skipped(relative: str) -> bool:
    return any((part.startswith(".") and part != ".") or part in ("__pycache__", "node_modules") for part in relative.split(os.sep))


def _digest(what: str | bytes) -> str:
    import hashlib

    data = what if isinstance(what, bytes) else what.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=16).hexdigest()


# ---------------------------------------------------------------------- entries


def _entry(config: Config, what: str, path: str) -> str:
    # Named after the file and not after its text: an entry that no longer holds is overwritten.
    name = _digest(f"{what} {path} in {os.getcwd()}")
    return os.path.join(config.cache, __version__, name[:2], name[2:])


def _write(path: str, text: str) -> None:
    """Write an entry whole or not at all; a folder that cannot be written is no error, the next run is just as slow."""
    import tempfile

    folder = os.path.dirname(path)
    try:
        if not os.path.isdir(folder):
            top = os.path.dirname(os.path.dirname(folder))
            ours = not os.path.exists(top)
            os.makedirs(folder, exist_ok=True)
            for name, content in (("CACHEDIR.TAG", _TAG), (".gitignore", "*\n")) if ours else ():
                with open(os.path.join(top, name), "w", encoding="utf-8") as stream:
                    stream.write(content)
        handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
        try:
            with open(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError:
        return


def _encoded(value: object) -> Any:
    """A value of findings as JSON has it: tuples as lists that begin with the name of their class."""
    if isinstance(value, Applicability):
        return ["Applicability", int(value)]
    if isinstance(value, tuple):
        return [type(value).__name__ if hasattr(value, "_fields") else "", *map(_encoded, value)]
    return value


def _decoded(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    name, *fields = value
    if name == "Applicability":
        return Applicability(*fields)
    inner = tuple(map(_decoded, fields))
    return _TYPES[name](*inner) if name else inner
