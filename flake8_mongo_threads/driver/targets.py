"""Which releases of the drivers the file at hand must work with.

In this order, the first that says anything wins, for each distribution on its own:

1. the options ``mongo-threads-pymongo`` and ``mongo-threads-motor``;
2. an exact release: a lock file, or ``==`` in a requirements or constraints file, nearest to the file first;
3. a declared range: ``pyproject.toml``, ``setup.cfg``, ``setup.py``, ``Pipfile``, ``environment.yml``, requirements files, nearest
   first; several mentions in one folder must all hold; alternatives with environment markers are all supported. Without a lower bound
   only the newest allowed release counts;
4. a project, or the part of it that is nearest to the file, that names only Motor works with the PyMongo which that Motor requires;
5. the installed distribution;
6. the newest indexed release.

Folders are looked at from the one of the file up to the repository root (a folder with ``.git`` or ``.hg``), at most twelve. Answers are
kept per folder and checked against the state of every file and folder that was looked at, so they are never stale.
"""

import functools
import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from flake8_mongo_threads.config import Config
from flake8_mongo_threads.driver import api
from flake8_mongo_threads.driver import requirements as files
from flake8_mongo_threads.driver.api import Target
from flake8_mongo_threads.driver.requirements import Include, Mention

_DEEPEST = 12
_INCLUDES = 20
_KEPT = 1024
"""Answers kept in the process before the store is emptied."""

Stamp = tuple[int, int]


class Found(NamedTuple):
    """A requirement and the file that it stands in."""

    mention: Mention
    path: str


class _Answer(NamedTuple):
    mask: int
    why: str
    beyond: bool


_answers: dict[tuple[str, str, str], tuple[dict[str, Stamp], Target]] = {}
_files: dict[str, tuple[Stamp, list[Mention | Include]]] = {}


def target_for(path: str, config: Config) -> Target:
    """The releases that the file at ``path`` must work with. The path need not exist (an editor's buffer, ``stdin``)."""
    key = _key_of(path, config)
    kept = _answers.get(key)
    if kept is not None and all(_stamp(place) == stamp for place, stamp in kept[0].items()):
        return kept[1]
    if len(_answers) >= _KEPT:
        _answers.clear()
        _files.clear()
    looked_at: dict[str, Stamp] = {}
    target = _determine(key[0], config, looked_at)
    _answers[key] = (looked_at, target)
    return target


def _key_of(path: str, config: Config) -> tuple[str, str, str]:
    folder = os.path.dirname(os.path.abspath(path)) if path not in ("-", "stdin") else os.getcwd()
    return (folder, config.pymongo, config.motor)


def looked_at(path: str, config: Config) -> list[str]:
    """The files and folders that :func:`target_for` asks for a file; some of them may not exist."""
    target_for(path, config)
    return list(_answers[_key_of(path, config)][0])


_MATTERS = re.compile(
    r"(?:pymongo|motor)-.*\.dist-info|python[\d.]*|lib|Lib|site-packages|requirements|\.git|\.hg|\.?venv|.*\.(?:txt|in|toml|cfg|lock|ya?ml|json)"
    r"|setup\.py|Pipfile",
    re.IGNORECASE,
)


def matters(name: str) -> bool:
    """Whether a file or folder of this name can bear on the answer."""
    return _MATTERS.fullmatch(name) is not None


def installed(dist: str) -> str:
    """The release of a driver that is installed beside the linter; empty when there is none."""
    from importlib import metadata

    try:
        return metadata.version(dist)
    except metadata.PackageNotFoundError:
        return ""


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return (0, -1)
    return (status.st_mtime_ns, status.st_size)


# ---------------------------------------------------------------------- looking around


def folders(start: str) -> list[str]:
    """The folder and its parents up to the repository root, nearest first, at most twelve."""
    out: list[str] = []
    current = start
    while len(out) < _DEEPEST:
        out.append(current)
        if any(os.path.exists(os.path.join(current, name)) for name in (".git", ".hg")):
            break
        parent = os.path.dirname(current)
        if parent == current:
            break
        current = parent
    return out


def _entries(folder: str, looked_at: dict[str, Stamp]) -> list[str]:
    looked_at[folder] = _stamp(folder)
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _read(path: str, looked_at: dict[str, Stamp]) -> list[Mention | Include]:
    """What one file says; read again only when it changed."""
    stamp = looked_at[path] = _stamp(path)
    kept = _files.get(path)
    if kept is not None and kept[0] == stamp:
        return kept[1]
    text = files.read_text(path)
    name = os.path.basename(path)
    reader = files.READERS.get(name) or (files.toml_lock if files.PYLOCK.fullmatch(name) else None)
    found: list[Mention | Include] = []
    if text is not None:
        found += reader(text) if reader is not None else files.requirements_txt(path, text)
    _files[path] = (stamp, found)
    return found


def _read_with_includes(path: str, looked_at: dict[str, Stamp], top: str) -> list[Found]:
    """What a file says, with the files below the folder ``top`` that it includes."""
    out = []
    todo = [path]
    seen: set[str] = set()
    while todo and len(seen) < _INCLUDES:
        current = todo.pop(0)
        if current in seen:
            continue
        seen.add(current)
        for said in _read(current, looked_at):
            if isinstance(said, Include):
                if said.path.startswith(top.rstrip(os.sep) + os.sep):
                    todo.append(said.path)
            else:
                out.append(Found(said, current))
    return out


class _Folder(NamedTuple):
    """What the files of one folder say."""

    locked: list[list[Found]]
    """Exact releases, one list for each file, in order of preference."""
    pinned: list[Found]
    """Exact releases in requirements files."""
    declared: list[Found]


def _read_folder(folder: str, looked_at: dict[str, Stamp], top: str) -> _Folder:
    names = _entries(folder, looked_at)
    locks = [name for name in files.LOCKS if name in names] + [name for name in names if files.PYLOCK.fullmatch(name)]
    locked = []
    for name in locks:
        path = os.path.join(folder, name)
        locked.append(_read_with_includes(path, looked_at, top))
    texts = [os.path.join(folder, name) for name in names if files.REQUIREMENTS.fullmatch(name)]
    if "requirements" in names:
        inner = os.path.join(folder, "requirements")
        texts += [os.path.join(inner, name) for name in _entries(inner, looked_at) if name.endswith((".txt", ".in"))]
    required = [found for path in texts for found in _read_with_includes(path, looked_at, top)]
    declared = []
    for name in ("pyproject.toml", "setup.cfg", "setup.py", "Pipfile", "environment.yml", "environment.yaml"):
        if name in names:
            path = os.path.join(folder, name)
            declared += _read_with_includes(path, looked_at, top)
    return _Folder(
        locked, [found for found in required if found.mention.pin], declared + [found for found in required if not found.mention.pin]
    )


def mentions_near(folder: str, project: str) -> list[Found]:
    """What the requirements and project files of a folder, and of those above it, say; lock files left out. Looked at are the
    folders up to the repository root or, where there is none, to ``project`` (both paths are absolute)."""
    looked_at: dict[str, Stamp] = {}
    walked = folders(folder)
    if not any(os.path.exists(os.path.join(walked[-1], name)) for name in (".git", ".hg")):
        walked = [place for place in walked if place == folder or place.startswith(project)]
    read = [_read_folder(place, looked_at, walked[-1]) for place in walked]
    return [found for place in read for found in (*place.pinned, *place.declared)]


# ---------------------------------------------------------------------- from requirements to releases


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def release_mask(dist: str, version: str) -> tuple[int, bool]:
    """The mask of one release, and whether it is newer than any indexed one (then the newest stands for it)."""
    minors = api.minors(dist)
    wanted = _key(version)[:2] + (0,) * (2 - len(_key(version)[:2]))
    keys = [_key(minor) for minor in minors]
    if wanted > keys[-1]:
        return api.newest(dist), True
    index = max((index for index, key in enumerate(keys) if key <= wanted), default=0)
    return 1 << index, False


@functools.lru_cache(maxsize=256)
def specifier_mask(dist: str, specifier: str) -> tuple[int, bool]:
    """The mask of the minor releases of which a specifier allows a patch, and whether it allows only ones newer than any indexed.

    An invalid specifier allows every release.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        allowed = SpecifierSet(specifier, prereleases=True)
    except InvalidSpecifier:
        return api.everything(dist), False
    mask = 0
    versions = api.versions(dist)
    for index, version in enumerate(versions):
        key = _key(version)
        minor, last = f"{key[0]}.{key[1]}", key[2] if len(key) > 2 else 0
        patches = [f"{minor}.{patch}" for patch in range(last + 1)]
        if index == len(versions) - 1:
            patches.append(f"{minor}.99")  # patches to come
        if any(allowed.contains(patch) for patch in patches):
            mask |= 1 << index
    if mask:
        return mask, False
    major, minor_number = _key(versions[-1])[:2]
    newer = [f"{major}.{minor_number + step}.0" for step in range(1, 60)] + [f"{major + 1}.{step}.0" for step in range(30)]
    beyond = any(allowed.contains(version) for version in newer)
    return (api.newest(dist), True) if beyond else (0, False)


def _bounded(specifier: str) -> bool:
    return re.search(r"(?:^|,)\s*(?:>=?|===?|~=)", specifier) is not None


def _top(mask: int) -> int:
    return 1 << (mask.bit_length() - 1) if mask else 0


def _where(found: Found, root: str) -> str:
    path = os.path.relpath(found.path, root) if root else found.path
    return f"{path}:{found.mention.line}" if found.mention.line else path


def _pins(dist: str, found: Iterable[Found], root: str) -> _Answer | None:
    """Exact releases: each stands for an environment that the project must work in."""
    mask, why, beyond = 0, [], True
    for each in found:
        if each.mention.name == dist and each.mention.pin:
            one, newer = release_mask(dist, each.mention.pin)
            text = f"{dist} {each.mention.pin} ({_where(each, root)})"
            if text not in why:
                why.append(text)
            mask |= one
            beyond = beyond and newer
    return _Answer(mask, ", ".join(why), beyond) if mask else None


def _declared(dist: str, found: Iterable[Found], root: str, python: int) -> _Answer | None:
    """Ranges: all must hold; of conditional ones, alternatives for different environments, at least one."""
    mine = [each for each in found if each.mention.name == dist]
    if not mine:
        return None
    mask = api.everything(dist)
    beyond = bounded = False
    why = []
    alternatives, alternatives_bounded = 0, False
    for each in mine:
        one, newer = specifier_mask(dist, each.mention.specifier)
        if not one:
            continue
        text = f"{dist}{each.mention.specifier} ({_where(each, root)})"
        if each.mention.conditional:
            why.append(text)
            alternatives |= one if _bounded(each.mention.specifier) else _top(one)
            alternatives_bounded = True
            beyond = beyond or newer
        elif mask & one:
            # A mention that contradicts the ones before it belongs to another environment: the first counts.
            why.append(text)
            mask &= one
            bounded = bounded or _bounded(each.mention.specifier)
            beyond = beyond or newer
    if alternatives_bounded and mask & alternatives:
        mask &= alternatives
        bounded = True
    if mask & python:
        mask &= python
    if not why:
        return None
    return _Answer(mask if bounded else _top(mask), ", ".join(dict.fromkeys(why)), beyond)


def _python_mask(dist: str, found: Iterable[Found]) -> int:
    """The releases that install on some Python which the project supports."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    mask = api.everything(dist)
    for each in found:
        if each.mention.name != "python" or not each.mention.specifier:
            continue
        try:
            supported = SpecifierSet(each.mention.specifier)
        except InvalidSpecifier:
            continue
        pythons = [f"3.{minor}.{patch}" for minor in range(3, 31) for patch in (0, 99)]
        pythons = [python for python in ("2.7.18", *pythons) if supported.contains(python)]
        if not pythons:
            continue
        for index, needed in enumerate(api.requires_python(dist)):
            allowed = SpecifierSet(needed)
            if needed and not any(allowed.contains(python) for python in pythons):
                mask &= ~(1 << index)
    return mask


def _installed(dist: str, walked: list[str], looked_at: dict[str, Stamp]) -> _Answer | None:
    """The release that is installed beside the linter, else in a virtual environment of the project."""
    version = installed(dist)
    if version:
        mask, beyond = release_mask(dist, version)
        return _Answer(mask, f"{dist} {version} (installed)", beyond)
    places = [os.path.join(folder, name) for folder in walked for name in (".venv", "venv")]
    active = os.environ.get("VIRTUAL_ENV")
    for environment in places + ([active] if active else []):
        version = _in_environment(dist, environment, looked_at)
        if version:
            mask, beyond = release_mask(dist, version)
            return _Answer(mask, f"{dist} {version} (installed in {os.path.basename(environment)})", beyond)
    return None


def _in_environment(dist: str, environment: str, looked_at: dict[str, Stamp]) -> str:
    looked_at[environment] = _stamp(environment)
    if looked_at[environment][1] < 0:
        return ""
    library = os.path.join(environment, "lib")
    packages = [os.path.join(library, name, "site-packages") for name in _entries(library, looked_at) if name.startswith("python")]
    for place in [*packages, os.path.join(environment, "Lib", "site-packages")]:
        for name in _entries(place, looked_at):
            match = re.fullmatch(rf"{dist}-(\d[\w.]*)\.dist-info", name, re.IGNORECASE)
            if match:
                return match.group(1)
    return ""


def _pymongo_of(motor: _Answer) -> _Answer | None:
    """The releases of PyMongo that the targeted releases of Motor require."""
    mask = 0
    needs = api.pymongo_of_motor()
    for index, specifier in enumerate(needs):
        if motor.mask >> index & 1 and specifier:
            mask |= specifier_mask("pymongo", specifier)[0]
    if not mask:
        return None
    return _Answer(mask, f"what {motor.why} requires", False)


def _determine(folder: str, config: Config, looked_at: dict[str, Stamp]) -> Target:
    found: dict[str, _Answer | None] = {"pymongo": None, "motor": None}
    for dist, option in (("pymongo", config.pymongo), ("motor", config.motor)):
        if option:
            mask, beyond = specifier_mask(dist, option)
            if not mask:
                mask, beyond = release_mask(dist, re.sub(r"^[^\d]*", "", option))
            found[dist] = _Answer(mask if _bounded(option) else _top(mask), f"{dist}{option} (option mongo-threads-{dist})", beyond)
    walked: list[str] = []
    if None in found.values():
        walked = folders(folder)
        for place in walked:  # what makes a folder the repository root
            looked_at[place] = _stamp(place)
        root = walked[-1]
        repository = root if any(os.path.exists(os.path.join(root, name)) for name in (".git", ".hg")) else ""
        read = [_read_folder(place, looked_at, repository or place) for place in walked]
        for dist in [dist for dist, answer in found.items() if answer is None]:
            found[dist] = _from_files(dist, read, repository or folder)
            if dist == "pymongo" and _names_motor_alone(read):
                found[dist] = None
    motor = found["motor"]
    if found["pymongo"] is None and motor is not None:
        found["pymongo"] = _pymongo_of(motor)
    for dist in [dist for dist, answer in found.items() if answer is None]:
        found[dist] = _installed(dist, walked, looked_at)
    newest = api.newest_target()
    masks, whys = [], []
    for dist in ("pymongo", "motor"):
        answer = found[dist]
        masks.append(answer.mask if answer is not None else newest.mask(dist))
        whys.append(answer.why if answer is not None else newest.why(dist))
    return Target(
        masks[0],
        masks[1],
        whys[0],
        whys[1],
        frozenset(dist for dist, answer in found.items() if answer is not None),
        frozenset(dist for dist, answer in found.items() if answer is not None and answer.beyond),
    )


def _names_motor_alone(read: list[_Folder]) -> bool:
    """Whether the nearest folder that names a driver names Motor only, and no release of PyMongo is fixed further up."""
    for folder in read:
        named = {found.mention.name for found in (*folder.pinned, *folder.declared)} - {"python"}
        if named:
            locked = (found for each in read for lock in (*each.locked, each.pinned) for found in lock)
            return named == {"motor"} and all(found.mention.name != "pymongo" for found in locked)
    return False


def _from_files(dist: str, read: list[_Folder], root: str) -> _Answer | None:
    for folder in read:
        for lock in [*folder.locked, folder.pinned]:
            answer = _pins(dist, lock, root)
            if answer is not None:
                return answer
    for folder in read:
        if any(found.mention.name == dist for found in folder.declared):
            supported = next((near.declared for near in read if any(found.mention.name == "python" for found in near.declared)), [])
            return _declared(dist, folder.declared, root, _python_mask(dist, supported))
    return None
