"""What the files of a project say about the releases of the drivers that it works with.

Every reader takes the text of one file and gives mentions: the requirement, and the line it stands in. A reader never raises on a
broken file: what cannot be read says nothing.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

NAMES = ("pymongo", "motor")
_MENTION = re.compile(r"\b(pymongo|motor)\b", re.IGNORECASE)
_PYTHON = re.compile(r"python_requires|requires-python|\bpython\b")
_LARGEST = 40_000_000
"""Bytes: a larger file is not read."""


class Mention(NamedTuple):
    """One requirement in one file."""

    name: str
    """``pymongo``, ``motor``, or ``python`` for the interpreters that the project supports."""
    specifier: str
    """As PEP 440 has it (``>=4.6,<5``), empty for any release."""
    line: int
    """1-based line of the file, 0 when not known."""
    conditional: bool = False
    """It holds for part of the environments (a marker): an alternative to other conditional mentions."""

    @property
    def pin(self) -> str:
        """The one release that the specifier allows; empty when it allows several."""
        match = re.fullmatch(r"===?\s*v?(\d+(?:\.\d+)*(?:[a-z]+\d*)?(?:\.post\d+)?)", self.specifier.strip())
        return match.group(1) if match else ""


def read_text(path: str) -> str | None:
    """The text of a file, None when it is missing, too large, or no file (a pipe would be waited for)."""
    try:
        status = os.stat(path)
        if status.st_size > _LARGEST or not stat.S_ISREG(status.st_mode):
            return None
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return file.read()
    except (OSError, ValueError):
        return None


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


_DESCRIBES = re.compile(r"\s*(?:keywords|description|classifiers)\s*=")


def _line_of(text: str, *needles: str) -> int:
    """The line of the first needle that occurs outside a comment, and outside what only describes the project."""
    for needle in needles:
        for number, line in enumerate(text.splitlines(), 1):
            if needle.lower() in line.partition("#")[0].lower() and not _DESCRIBES.match(line):
                return number
    return 0


def _toml(text: str) -> dict[str, Any]:
    import sys

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}
    return data


def _mapping(value: object, *keys: str) -> dict[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def requirement(text: object, line: int = 0) -> Mention | None:
    """A PEP 508 requirement of one of the drivers; None for any other text."""
    if not isinstance(text, str):
        return None
    match = re.match(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*(.*)$", text, re.DOTALL)
    if match is None or match.group(1).lower() not in NAMES:
        return None
    specifier, _, marker = match.group(2).partition(";")
    specifier = specifier.strip().strip("()").strip()
    if specifier.startswith("@"):  # a URL: some release, nobody knows which
        specifier = ""
    return Mention(match.group(1).lower(), "".join(specifier.split()), line, bool(marker.strip()))


# ---------------------------------------------------------------------- lock files


def toml_lock(text: str) -> list[Mention]:
    """``uv.lock``, ``poetry.lock``, ``pdm.lock``, ``pylock.toml``: only the blocks of the drivers are looked at."""
    out = []
    for match in re.finditer(r'^name\s*=\s*["\'](pymongo|motor)["\']\s*$', text, re.MULTILINE | re.IGNORECASE):
        end = text.find("\n[[", match.end())
        start = text.rfind("\n[[", 0, match.start())
        block = text[max(start, 0) : end if end >= 0 else len(text)]
        version = re.search(r'^version\s*=\s*["\']([^"\']+)["\']', block, re.MULTILINE)
        if version:
            out.append(Mention(match.group(1).lower(), f"=={version.group(1)}", _line_at(text, match.start()), conditional=True))
    return out


def pipfile_lock(text: str) -> list[Mention]:
    """``Pipfile.lock``."""
    import json

    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return []
    out = []
    for section in ("default", "develop"):
        for name, entry in _mapping(data, section).items():
            version = entry.get("version") if isinstance(entry, dict) else None
            found = requirement(f"{name}{version}", _line_of(text, f'"{name}"')) if isinstance(version, str) else None
            if found is not None:
                out.append(found)
    return out


# ---------------------------------------------------------------------- declarations


def _caret(version: str) -> str:
    parts = [int(part) for part in re.findall(r"\d+", version)]
    if not parts:
        return ""
    index = next((index for index, part in enumerate(parts) if part), len(parts) - 1)
    upper = [*parts[:index], parts[index] + 1]
    return f">={version},<{'.'.join(map(str, upper))}"


def _tilde(version: str) -> str:
    parts = [int(part) for part in re.findall(r"\d+", version)]
    if not parts:
        return ""
    upper = [parts[0] + 1] if len(parts) == 1 else [parts[0], parts[1] + 1]
    return f">={version},<{'.'.join(map(str, upper))}"


def poetry_constraint(text: str) -> list[str]:
    """Poetry's and Pipenv's spelling of a constraint as PEP 440 specifiers, one for each alternative of ``||``."""
    out = []
    for alternative in text.split("||"):
        parts = []
        for part in re.findall(r"(?:[\^~<>=!]+\s*)?[^\s,<>=!^~]+", alternative):
            operator, version = re.match(r"([\^~<>=!]*)\s*(.*)", part, re.DOTALL).groups()  # type: ignore[union-attr]
            if version == "*":
                continue
            if operator == "^":
                parts.append(_caret(version))
            elif operator == "~":
                parts.append(_tilde(version))
            elif operator in ("", "="):
                parts.append(f"=={version}")
            else:
                parts.append(f"{operator}{version}")
        out.append(",".join(part for part in parts if part))
    return out


def _table(entries: dict[str, Any], text: str, python: bool) -> Iterator[Mention]:
    """Requirements in the form of a table, as Poetry and Pipenv have it."""
    for key, value in entries.items():
        name = key.lower()
        if name not in NAMES and not (python and name == "python"):
            continue
        line = _line_of(text, f"{key} =", f"{key}=", f'"{key}"', key)
        alternatives = value if isinstance(value, list) else [value]
        for each in alternatives:
            version = each.get("version", "*") if isinstance(each, dict) else each
            if not isinstance(version, str):
                continue
            specifiers = poetry_constraint(version)
            several = len(alternatives) > 1 or len(specifiers) > 1
            for specifier in specifiers:
                yield Mention(name, specifier, line, conditional=several)


def _requirements(values: object, text: str) -> Iterator[Mention]:
    for value in values if isinstance(values, list) else ():
        found = requirement(value)
        if found is not None:
            quoted = [f"{quote}{value}{quote}" for quote in "\"'"]
            yield found._replace(line=_line_of(text, *quoted, str(value), found.name))


def pyproject(text: str) -> list[Mention]:
    """``pyproject.toml``: PEP 621, PEP 735, Poetry, PDM, Hatch environments, uv."""
    if not _MENTION.search(text) and not _PYTHON.search(text):
        return []
    data = _toml(text)
    project, tool = _mapping(data, "project"), _mapping(data, "tool")
    out = list(_requirements(project.get("dependencies"), text))
    groups = [
        _mapping(project, "optional-dependencies"),
        _mapping(data, "dependency-groups"),
        _mapping(tool, "pdm", "dev-dependencies"),
        {"uv": _mapping(tool, "uv").get("dev-dependencies")},
    ]
    groups += [
        {name: environment.get("dependencies")}
        for name, environment in _mapping(tool, "hatch", "envs").items()
        if isinstance(environment, dict)
    ]
    for group in groups:
        for values in group.values():
            out += _requirements(values, text)
    poetry = _mapping(tool, "poetry")
    out += _table(_mapping(poetry, "dependencies"), text, python=True)
    out += _table(_mapping(poetry, "dev-dependencies"), text, python=False)
    for group in _mapping(poetry, "group").values():
        out += _table(_mapping(group, "dependencies"), text, python=False)
    python = project.get("requires-python")
    if isinstance(python, str):
        out.append(Mention("python", python.replace(" ", ""), _line_of(text, "requires-python")))
    return out


def pipfile(text: str) -> list[Mention]:
    """``Pipfile``."""
    if not _MENTION.search(text):
        return []
    data = _toml(text)
    return [*_table(_mapping(data, "packages"), text, python=False), *_table(_mapping(data, "dev-packages"), text, python=False)]


def setup_cfg(text: str) -> list[Mention]:
    """``setup.cfg`` of setuptools."""
    if not _MENTION.search(text) and "python_requires" not in text:
        return []
    import configparser

    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return []
    out: list[Mention] = []
    values = [parser.get("options", key, fallback="") for key in ("install_requires", "tests_require")]
    if parser.has_section("options.extras_require"):
        values += [value for _, value in parser.items("options.extras_require")]
    for value in values:
        out += _requirements([line for line in re.split(r"[\n]|;(?=\s*[A-Za-z0-9._-]+\s*(?:[<>=!~]|$))", value) if line.strip()], text)
    python = parser.get("options", "python_requires", fallback="").strip()
    if python:
        out.append(Mention("python", python.replace(" ", ""), _line_of(text, "python_requires")))
    return out


def setup_py(text: str) -> list[Mention]:
    """The literal requirements in ``setup.py``; nothing of it is run."""
    if not _MENTION.search(text) and "python_requires" not in text:
        return []
    import ast
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    assigned = {
        target.id: statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    out: list[Mention] = []
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue  # setup() itself, a wrapper of it, or the dict() of its arguments: the keywords tell
        for keyword in call.keywords:
            value: ast.AST = keyword.value
            if isinstance(value, ast.Name):
                value = assigned.get(value.id, value)
            if keyword.arg in ("install_requires", "extras_require", "tests_require"):
                # Literals and the names of literals alone: what a call gives is not known.
                todo, seen = [value], 0
                while todo and seen < 10_000:
                    node, seen = todo.pop(), seen + 1
                    if isinstance(node, ast.Constant):
                        found = requirement(node.value, node.lineno)
                        if found is not None:
                            out.append(found)
                    elif isinstance(node, ast.Name):
                        todo += [assigned[node.id]] if node.id in assigned else []
                    elif not isinstance(node, ast.Call):
                        todo += ast.iter_child_nodes(node)
            elif keyword.arg == "python_requires" and isinstance(value, ast.Constant) and isinstance(value.value, str):
                out.append(Mention("python", value.value.replace(" ", ""), value.lineno))
    return out


def environment(text: str) -> list[Mention]:
    """``environment.yml`` of conda: its own matches and the ``pip:`` list."""
    out = []
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"""\s*-\s*["']?(?:[\w.-]+::)?(pymongo|motor)\b(?:\[[^\]]*\])?\s*([^"'#;]*)""", line, re.IGNORECASE)
        if match is None:
            continue
        name, wanted = match.group(1).lower(), match.group(2).strip()
        if re.match(r"=\s*[^=]|\d", wanted):  # "=4.6" and "=4.6.3=build" are conda's fuzzy and exact forms
            version = wanted.lstrip("= ").split("=")[0].strip()
            wanted = f"=={version}" if version.count(".") >= 2 or version.endswith("*") else f"=={version}.*"
        out.append(Mention(name, wanted.replace(" ", ""), number))
    return out


class Include(NamedTuple):
    """Another file that a requirements file reads (``-r``, ``-c``)."""

    path: str


def requirements_txt(path: str, text: str) -> Iterator[Mention | Include]:
    """What a requirements file says, in its order."""
    logical, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*$", "", line)
        if not logical:
            start = number
        if line.endswith("\\"):
            logical += line[:-1] + " "
            continue
        logical += line
        value, logical = logical.strip(), ""
        include = re.match(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)", value)
        if include:
            if "://" not in include.group(1):
                yield Include(os.path.normpath(os.path.join(os.path.dirname(path), include.group(1))))
        elif value and not value.startswith("-"):
            found = requirement(re.split(r"\s--", value)[0], start)
            if found is not None:
                yield found


READERS: dict[str, Callable[[str], list[Mention]]] = {
    "uv.lock": toml_lock,
    "poetry.lock": toml_lock,
    "pdm.lock": toml_lock,
    "pylock.toml": toml_lock,
    "Pipfile.lock": pipfile_lock,
    "pyproject.toml": pyproject,
    "setup.cfg": setup_cfg,
    "setup.py": setup_py,
    "Pipfile": pipfile,
    "environment.yml": environment,
    "environment.yaml": environment,
}
"""File name -> reader. Requirements files are read by :func:`requirements_txt`."""

LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock")
"""In order of preference within one folder."""

REQUIREMENTS = re.compile(r"(?:[\w.-]*requirements[\w.-]*|[\w.-]*constraints[\w.-]*)\.(?:txt|in)", re.IGNORECASE)
PYLOCK = re.compile(r"pylock\.[\w-]+\.toml")
