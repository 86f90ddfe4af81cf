"""Options, parsed and validated once into a frozen value. Knows nothing of flake8.

Every front end (flake8, the command line, the language server) hands the same raw option texts to :func:`parse`.
"""

import os
import re
from typing import NamedTuple

PREFIX = "MDB"
_CODE = re.compile(r"^[A-Z]{1,3}[0-9]{0,3}$")


class UsageError(Exception):
    """What a command was asked for cannot be done as it is asked; the text is one line for the user, and the exit code is 2."""


class ConfigError(ValueError):
    """An option has a value that means nothing; the text is one line for the user."""


class Factory(NamedTuple):
    """A project function that the user says returns a driver object."""

    module: str
    name: str
    family: str
    flavour: str


class Spawner(NamedTuple):
    """A project function that the user says runs one of its arguments elsewhere."""

    path: str
    argument: int | str
    where: str


class Config(NamedTuple):
    """What the user wants. The defaults are those of a run without any configuration."""

    opted_in: frozenset[str] = frozenset()
    """Code prefixes of at least four characters that switch opt-in rules on."""
    pymongo: str = ""
    motor: str = ""
    src: tuple[str, ...] = ()
    factories: tuple[Factory, ...] = ()
    spawners: tuple[Spawner, ...] = ()
    cache: str = ""
    """The folder for what was found in earlier runs; empty: nothing is kept."""

    def wants(self, code: str, default: bool) -> bool:
        """Whether a rule is switched on: by default, or because a prefix of its code longer than MDB was selected."""
        return default or any(code.startswith(prefix) for prefix in self.opted_in)


FAMILIES = ("client", "database", "collection", "session", "cursor", "gridfs-bucket")
FLAVOURS = ("sync", "async", "motor")
PLACES = ("thread", "process", "task", "request")


def opted_in(*selections: object) -> frozenset[str]:
    """Collect the prefixes that switch opt-in rules on from flake8's select, extend-select and extend-default-select.

    A prefix no longer than ``MDB`` (or the bare default) does not count, so that neither ``select = MDB`` nor a
    user's own ``ignore =`` turns opt-in rules on by accident.
    """
    found: set[str] = set()
    for selection in selections:
        if isinstance(selection, (list, tuple, set, frozenset)):
            found.update(code for code in selection if isinstance(code, str) and code.startswith(PREFIX) and len(code) > len(PREFIX))
    return frozenset(found)


def nearest(word: str, choices: tuple[str, ...]) -> str:
    """A hint for a misspelt word: `` (did you mean …?)`` or nothing."""
    import difflib

    close = difflib.get_close_matches(word, choices, 1, 0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def parse_factory(line: str) -> Factory:
    """Parse ``package.module:get_db = sync-database``. Raises ConfigError."""
    left, equals, right = line.partition("=")
    module, colon, name = left.strip().partition(":")
    flavour, dash, family = right.strip().partition("-")
    if not (equals and colon and dash and module and name):
        raise ConfigError(f"mongo-threads-factories: {line!r} is not of the form 'package.module:function = sync-database'")
    if flavour not in FLAVOURS:
        raise ConfigError(
            f"mongo-threads-factories: unknown flavour {flavour!r} in {line!r}{nearest(flavour, FLAVOURS)}; one of {', '.join(FLAVOURS)}"
        )
    if family not in FAMILIES:
        raise ConfigError(
            f"mongo-threads-factories: unknown kind {family!r} in {line!r}{nearest(family, FAMILIES)}; one of {', '.join(FAMILIES)}"
        )
    return Factory(module.strip(), name.strip(), family, flavour)


def parse_spawner(line: str) -> Spawner:
    """Parse ``package.run_in_pool:0 = thread`` (an argument's index or name, then where it runs). Raises ConfigError."""
    left, equals, where = line.partition("=")
    path, colon, argument = left.strip().rpartition(":")
    where = where.strip()
    if not (equals and colon and path and argument):
        raise ConfigError(f"mongo-threads-spawners: {line!r} is not of the form 'package.function:0 = thread'")
    if where not in PLACES:
        raise ConfigError(
            f"mongo-threads-spawners: unknown place {where!r} in {line!r}{nearest(where, PLACES)}; one of {', '.join(PLACES)}"
        )
    return Spawner(path, int(argument) if argument.isdigit() else argument, where)


def parse_specifier(option: str, text: str) -> str:
    """Validate a release or specifier such as ``4.6`` or ``>=4.6,<5`` and return it as a specifier. Raises ConfigError."""
    text = text.strip()
    if not text:
        return ""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    candidate = f"=={text}.*" if re.fullmatch(r"\d+(\.\d+)?", text) else f"=={text}" if re.fullmatch(r"\d+(\.\d+)+", text) else text
    try:
        SpecifierSet(candidate)
    except InvalidSpecifier:
        raise ConfigError(f"{option}: {text!r} is neither a release nor a specifier such as '>=4.6,<5'") from None
    return candidate


def parse_cache(folder: str) -> str:
    """The absolute path of a folder that exists or can be made. Raises ConfigError for what is no folder."""
    if folder and os.path.exists(folder) and not os.path.isdir(folder):
        raise ConfigError(f"mongo-threads-cache: {folder!r} is not a folder")
    return os.path.abspath(folder) if folder else ""


def parse(
    *,
    selections: tuple[object, ...] = (),
    pymongo: str = "",
    motor: str = "",
    src: tuple[str, ...] = (),
    factories: tuple[str, ...] = (),
    spawners: tuple[str, ...] = (),
    cache: str = "",
) -> Config:
    """Build a Config from raw option texts. Raises ConfigError with a one-line reason."""
    return Config(
        opted_in=opted_in(*selections),
        pymongo=parse_specifier("mongo-threads-pymongo", pymongo),
        motor=parse_specifier("mongo-threads-motor", motor),
        src=tuple(src),
        factories=tuple(parse_factory(line) for line in factories if line.strip()),
        spawners=tuple(parse_spawner(line) for line in spawners if line.strip()),
        cache=parse_cache(cache),
    )
