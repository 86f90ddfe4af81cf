"""What the drivers have in which release: lookup over the generated model.

A *target* is the set of releases that a project must work with: for each distribution a bit mask over the indexed minor releases
(bit i stands for ``versions(dist)[i]``). Every question about existence is answered for a target, see :class:`Answer`. Names of the
packages ``pymongo``, ``bson`` and ``gridfs`` belong to the distribution ``pymongo``, those of ``motor`` to ``motor``.

The data (``_api_data.py``) is text, parsed by module and by class when first asked for. Layout: ``docs/driver-model.md``.
"""

import enum
import functools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

PACKAGES = ("pymongo", "bson", "gridfs", "motor")
DISTRIBUTIONS = ("pymongo", "motor")

OLDER_MINORS = (
    *("0.16", "1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "1.9", "1.10", "1.11"),
    *("2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6"),
)
"""Minor releases of PyMongo before the indexed ones; of these only names that are gone since are known."""

_BUILTIN_BASES = frozenset(
    (
        "object",
        "dict",
        "list",
        "tuple",
        "str",
        "bytes",
        "int",
        "float",
        "Exception",
        "BaseException",
        "ValueError",
        "TypeError",
        "AttributeError",
    )
)


_SPELLED = {"Dict": "dict", "binary_type": "bytes", "long": "int", "NamedTuple": "tuple"}
"""Other spellings of built-in classes among the bases."""


class Status(enum.Enum):
    """How what is asked for relates to the targeted releases."""

    OK = "ok"
    """Every one has it."""
    SOME = "some"
    """Part of them has it."""
    GONE = "gone"
    """None has it, an older release did."""
    LATER = "later"
    """None has it, a newer release does."""
    NEVER = "never"
    """No release of the distribution ever had it (as far back as PyMongo 0.16 and Motor 0.7)."""
    OPEN = "open"
    """It cannot be known: private, dynamic, or inherited from outside the drivers."""


class Answer(NamedTuple):
    """Whether something exists in the targeted releases."""

    status: Status
    subject: str
    dist: str = "pymongo"
    have: int = 0
    """Mask of the releases that have it."""
    since: str = ""
    """First minor release that has it; empty when the oldest indexed one does, or none."""
    until: str = ""
    """First minor release after the last that has it, the one it is removed in; empty when the newest has it, or none."""
    missing: str = ""
    """The targeted minor releases without it, as ranges (``2.7–3.6, 4.9``)."""
    deprecated: bool = False
    """The newest targeted release that has it says that it is deprecated."""

    @property
    def history(self) -> str:
        """``added in 3.7``, ``removed in 4.0``, ``added in 3.7, removed in 4.0``, or nothing."""
        parts = [f"added in {self.since}"] if self.since else []
        if self.until:
            parts.append(f"removed in {self.until}")
        return ", ".join(parts)


class Target(NamedTuple):
    """The releases that a project must work with."""

    pymongo: int
    motor: int
    pymongo_why: str = ""
    """Where the releases of PyMongo come from, for people: ``pymongo>=4.6,<5 (pyproject.toml:12)``."""
    motor_why: str = ""
    known: frozenset[str] = frozenset()
    """The distributions whose releases the project names; of others the newest release is assumed."""
    beyond: frozenset[str] = frozenset()
    """The distributions of which the project allows only releases newer than any indexed one: what is unknown there may be new."""

    def mask(self, dist: str) -> int:
        """The targeted releases of ``pymongo`` or ``motor``."""
        return self.motor if dist == "motor" else self.pymongo

    def why(self, dist: str) -> str:
        """Where they come from."""
        return self.motor_why if dist == "motor" else self.pymongo_why


class Resolved(NamedTuple):
    """What a dotted path is: ``class``, ``function``, ``module``, ``value`` or ``member``, and its one id over all releases."""

    kind: str
    path: str


class Parameters(NamedTuple):
    """The parameters of a callable, without the receiver."""

    positional: tuple[str, ...]
    """Those that may be given by position, in order."""
    positional_only: int
    """How many of them cannot be given by name."""
    keyword_only: tuple[str, ...]
    required: frozenset[str]
    varargs: bool
    varkeywords: bool
    """Any keyword is accepted: it may go to the server, so it cannot be checked."""

    def accepts(self, keyword: str) -> bool:
        """Whether a keyword argument of this name is accepted."""
        return self.varkeywords or keyword in self.keyword_only or keyword in self.positional[self.positional_only :]


# ---------------------------------------------------------------------- the data, parsed on first use


@functools.cache
def _head() -> dict[str, Any]:
    import json

    from flake8_mongo_threads.driver import _api_data

    head: dict[str, Any] = json.loads(_api_data.HEAD)
    return head


@functools.cache
def _module(path: str) -> Any:
    import json

    from flake8_mongo_threads.driver import _api_data

    text = _api_data.MODULES.get(path)
    if text is None:
        return None
    row = json.loads(text)
    row.append(frozenset(row.pop().split(",")) if isinstance(row[-1], str) else frozenset())
    return row


@functools.cache
def _class(path: str) -> Any:
    import json

    from flake8_mongo_threads.driver import _api_data

    text = _api_data.MEMBERS.get(path)
    return None if text is None else json.loads(text)


@functools.cache
def _functions(module: str) -> dict[str, list[list[Any]]]:
    import json

    from flake8_mongo_threads.driver import _api_data

    text = _api_data.FUNCTIONS.get(module)
    found: dict[str, list[list[Any]]] = {} if text is None else json.loads(text)
    return found


@functools.cache
def _older() -> dict[str, str]:
    return {name: version for version, names in _head()["older"].items() for name in names}


def _mask(number: int, container: int) -> int:
    mask: int = _head()["masks"][number] if number else container
    return mask


# ---------------------------------------------------------------------- releases


def distribution(path: str) -> str:
    """The distribution that a dotted path belongs to."""
    return "motor" if path.partition(".")[0] == "motor" else "pymongo"


@functools.cache
def versions(dist: str) -> tuple[str, ...]:
    """The indexed releases, oldest first: the last patch of every minor release."""
    return tuple(_head()["versions"][dist])


@functools.cache
def minors(dist: str) -> tuple[str, ...]:
    """The indexed minor releases, oldest first (``4.9``)."""
    return tuple(".".join(version.split(".")[:2]) for version in versions(dist))


def requires_python(dist: str) -> tuple[str, ...]:
    """For each indexed release the specifier of the Python it needs, empty where its metadata has none."""
    return tuple(python for python, _ in _head()["requires"][dist])


def pymongo_of_motor() -> tuple[str, ...]:
    """For each indexed release of Motor the specifier of the PyMongo it needs."""
    return tuple(pymongo for _, pymongo in _head()["requires"]["motor"])


def everything(dist: str) -> int:
    """The mask of all indexed releases."""
    return (1 << len(versions(dist))) - 1


def newest(dist: str) -> int:
    """The mask of the newest indexed release alone."""
    return 1 << (len(versions(dist)) - 1)


def newest_target() -> Target:
    """The target of a project that names no release."""
    return Target(newest("pymongo"), newest("motor"), f"newest release {minors('pymongo')[-1]}", f"newest release {minors('motor')[-1]}")


@functools.cache
def since(dist: str, minor: str) -> int:
    """The mask of a minor release and all after it; 0 when it is newer than the newest one."""
    wanted = _release_key(minor)
    mask = 0
    for index, version in enumerate(minors(dist)):
        if _release_key(version) >= wanted:
            mask |= 1 << index
    return mask


def _release_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def ranges(dist: str, mask: int) -> str:
    """The minor releases of a mask, for people: ``2.7–3.6, 4.9``."""
    names = minors(dist)
    runs: list[list[int]] = []
    for index in range(len(names)):
        if mask >> index & 1:
            if runs and runs[-1][1] == index - 1:
                runs[-1][1] = index
            else:
                runs.append([index, index])
    return ", ".join(names[first] if first == last else f"{names[first]}–{names[last]}" for first, last in runs)


def _answer(subject: str, have: int, target: int, deprecated: int = 0) -> Answer:
    dist = distribution(subject)
    names = minors(dist)
    if not have:
        last = _older().get(subject)
        if last is None:
            return Answer(Status.NEVER, subject, dist, missing=ranges(dist, target))
        index = OLDER_MINORS.index(".".join(last.split(".")[:2])) + 1
        until = OLDER_MINORS[index] if index < len(OLDER_MINORS) else names[0]
        return Answer(Status.GONE, subject, dist, until=until, missing=ranges(dist, target))
    first = "" if have & 1 else names[(have & -have).bit_length() - 1]
    until = names[have.bit_length()] if have.bit_length() < len(names) else ""
    lacking = target & ~have
    if not lacking:
        status = Status.OK
    elif target & have:
        status = Status.SOME
    elif have & -have > target:
        status = Status.LATER
    else:
        status = Status.GONE
    common = target & have
    old = bool(common) and bool(deprecated >> (common.bit_length() - 1) & 1)
    return Answer(status, subject, dist, have, first, until, ranges(dist, lacking), old)


# ---------------------------------------------------------------------- modules and their names


def module(path: str, target: Target) -> Answer:
    """Whether a module of the drivers can be imported."""
    row = _module(path)
    return _answer(path, _mask(row[0], 0) if row else 0, target.mask(distribution(path)))


def loaded_by_package(path: str, target: Target) -> Answer:
    """Whether a submodule is an attribute of its package without an import of its own (``import pymongo; pymongo.pool``)."""
    row = _module(path)
    return _answer(path, _mask(row[2], 0) if row else 0, target.mask(distribution(path)))


def name(module_path: str, name: str, target: Target) -> Answer:
    """Whether ``from module_path import name`` works; a submodule counts as a name.

    A missing module is the answer for all its names. Names that a module merely imports from elsewhere, and private ones, count as
    existing in every release of the module.
    """
    row = _module(module_path)
    wanted = target.mask(distribution(module_path))
    subject = f"{module_path}.{name}"
    if row is None:
        return _answer(subject if subject in _older() else module_path, 0, wanted)
    whole = _mask(row[0], 0)
    have = whole if name in row[4] or name.startswith("__") else 0
    spec = row[3].get(name)
    if spec is not None:
        for _, mask in _variants(spec, whole):
            have |= mask
    submodule = _module(subject)
    if submodule is not None:
        have |= _mask(submodule[0], 0)
    # Releases without the module itself are the module's question.
    return _answer(subject, have, wanted & whole or wanted)


def _variants(spec: Any, whole: int) -> Iterator[tuple[list[Any], int]]:
    rows: list[list[Any]] = [[spec, "v", ""]] if isinstance(spec, int) else spec
    for row in rows:
        yield row, _mask(row[0], whole)


def resolve(path: str, target: Target | None = None) -> Resolved | None:
    """What a dotted path of the drivers is, in the newest targeted (else the newest) release that has it; None when nothing.

    A path may pass through modules, then a class, then one member: ``pymongo.MongoClient.close`` is the member
    ``pymongo.mongo_client.MongoClient.close``.
    """
    head, *rest = path.split(".")
    if head not in PACKAGES:
        return None
    wanted = (target or newest_target()).mask(distribution(head))
    current = Resolved("module", head)
    for step in rest:
        if current.kind == "module":
            found = _resolve_name(current.path, step, wanted)
        elif current.kind == "class" and _member_spec(current.path, step) is not None:
            found = Resolved("member", f"{current.path}.{step}")
        else:
            found = None
        if found is None:
            return None
        current = found
    return current if current.kind != "module" or _module(current.path) is not None else None


def _resolve_name(module_path: str, name: str, wanted: int) -> Resolved | None:
    row = _module(module_path)
    if row is None:
        return None
    spec = row[3].get(name)
    path = f"{module_path}.{name}"
    if spec is None:
        if _module(path) is not None:
            return Resolved("module", path)
        return Resolved("value", path) if name in row[4] else None
    variants = list(_variants(spec, _mask(row[0], 0)))
    targeted = [pair for pair in variants if pair[1] & wanted] or variants
    (_, kind, place), _ = max(targeted, key=lambda pair: pair[1])
    if kind == "c":
        return Resolved("class", _head()["classes"][place])
    if kind == "f":
        return Resolved("function", place or path)
    if kind == "m":
        return Resolved("module", place)
    return Resolved("value", path)


# ---------------------------------------------------------------------- classes


@functools.cache
def linearised(class_id: str) -> tuple[str, ...]:
    """A class and its bases in every release, nearest first; bases from outside the drivers as they are written."""
    out: list[str] = []
    todo = [class_id]
    while todo:
        current = todo.pop(0)
        if current in out:
            continue
        out.append(current)
        row = _class(current)
        if row is not None:
            todo = [_head()["classes"][base] for _, bases in row[1] for base in bases] + todo
    return tuple(out)


def is_class(path: str) -> bool:
    """Whether the path is the id of a class whose members are known."""
    return _class(path) is not None


def has_getattr(class_id: str) -> bool:
    """Whether an unknown attribute of an instance is not an error (clients, databases, collections; GridFS files, DBRef)."""
    return any(row is not None and "getattr" in row[2].split(",") for row in map(_class, linearised(class_id)))


def _member_spec(class_id: str, name: str) -> Any:
    for path in linearised(class_id):
        row = _class(path)
        if row is not None and name in row[3]:
            return row[3][name]
    return None


def _member_variants(class_id: str, name: str) -> Iterator[tuple[int, str, int | None, str]]:
    """(mask, kind, number of the signature, class) of a member, over the class and its bases."""
    for path in linearised(class_id):
        row = _class(path)
        spec = row[3].get(name) if row is not None else None
        if spec is None:
            continue
        whole = _mask(row[0], 0)
        if isinstance(spec, str):
            yield whole, spec, None, path
        else:
            for each in spec:
                yield _mask(each[0], whole), each[1], each[2] if len(each) > 2 else None, path


def member(class_id: str, name: str, target: Target) -> Answer:
    """Whether instances of a class have a public member.

    OPEN for private and special names, where no targeted release has the class, and where it inherits from outside the drivers.
    On a class with ``__getattr__`` reading a missing member is no error (:func:`has_getattr`); calling what comes back is.
    """
    subject = f"{class_id}.{name}"
    row = _class(class_id)
    dist = distribution(class_id)
    if row is None or name.startswith("_"):
        return Answer(Status.OPEN, subject, dist)
    have = deprecated = 0
    for mask, kind, _, _ in _member_variants(class_id, name):
        have |= mask
        if "!" in kind:
            deprecated |= mask
    whole = _mask(row[0], 0)
    wanted = target.mask(dist) & whole
    if not wanted:  # what is missing is the class
        return Answer(Status.OPEN, subject, dist)
    python2 = dist != "pymongo" or bool(wanted & ~since("pymongo", "4.0"))
    if wanted & ~have and any(_may_have(base, name, python2) for base in linearised(class_id) if _class(base) is None):
        return Answer(Status.OPEN, subject, dist)
    return _answer(subject, have, wanted, deprecated)


def _may_have(base: str, name: str, python2: bool) -> bool:
    """Whether a class from outside the drivers can give a member: known for the built-in ones, assumed for all others."""
    import builtins

    base = _SPELLED.get(base, base)
    # Some names depend on the interpreter that runs the project, not on the one that runs the linter; PyMongo 4 has no Python 2.
    return (
        base not in _BUILTIN_BASES
        or name in dir(getattr(builtins, base))
        or name in ("add_note", "message", "format", "encode")
        or (python2 and name in ("has_key", "iteritems", "iterkeys", "itervalues"))
    )


def members(class_id: str, target: Target) -> list[str]:
    """The public members that every targeted release has, sorted."""
    found: set[str] = set()
    for path in linearised(class_id):
        row = _class(path)
        if row is not None:
            found.update(name for name in row[3] if not name.startswith("_"))
    return sorted(name for name in found if member(class_id, name, target).status is Status.OK)


def member_kind(class_id: str, name: str, target: Target | None = None) -> str:
    """``method``, ``coroutine``, ``property``, ``attribute`` or nothing, in the newest targeted release that has the member.

    ``coroutine`` also stands for Motor's methods that give a Future. The value of a property may itself be awaitable; see
    :mod:`flake8_mongo_threads.driver.kinds`.
    """
    wanted = (target or newest_target()).mask(distribution(class_id))
    variants = list(_member_variants(class_id, name))
    targeted = [variant for variant in variants if variant[0] & wanted] or variants
    if not targeted:
        return ""
    kind = max(targeted, key=lambda variant: variant[0])[1]
    return {"m": "method", "D": "method", "C": "method", "a": "coroutine", "A": "coroutine", "p": "property", "P": "property"}.get(
        kind[0], "attribute"
    )


def returns(class_id: str, name: str) -> str:
    """The id of the class that a member gives by its annotation, the class itself for ``Self``; empty when not known."""
    for path in linearised(class_id):
        row = _class(path)
        if row is not None and name in row[4]:
            number = row[4][name]
            return class_id if number < 0 else str(_head()["classes"][number])
    return ""


# ---------------------------------------------------------------------- parameters


def _delegate(class_id: str) -> str:
    """The class of PyMongo behind a class of Motor."""
    for path in linearised(class_id):
        row = _class(path)
        if row is not None and len(row) > 5:
            return str(row[5])
    return ""


@functools.cache
def _parameters(text: str) -> Parameters:
    positional: list[str] = []
    keyword_only: list[str] = []
    required = set()
    positional_only = 0
    varargs = varkeywords = starred = False
    for part in text.split(",") if text else ():
        if part == "/":
            positional_only = len(positional)
        elif part.startswith("**"):
            varkeywords = True
        elif part.startswith("*"):
            starred = True
            varargs = varargs or part != "*"
        else:
            bare = part.rstrip("=")
            (keyword_only if starred else positional).append(bare)
            if bare == part:
                required.add(bare)
    return Parameters(tuple(positional), positional_only, tuple(keyword_only), frozenset(required), varargs, varkeywords)


def _signatures(class_id: str, name: str) -> tuple[str, list[tuple[int, str]]]:
    """The class that defines the parameters of a method (Motor delegates to PyMongo), and (mask, signature) pairs."""
    texts = _head()["signatures"]
    rest = everything(distribution(class_id))
    out = []
    delegated = False
    for mask, kind, number, _ in _member_variants(class_id, name):
        mask &= rest  # a base is hidden where the class defines the member itself
        rest &= ~mask
        if not mask:
            continue
        forwards = number is not None and texts[number] == "*args,**kwargs" and distribution(class_id) == "motor"
        if kind[0] in "ADCP" or forwards:
            delegated = True
        elif number is not None:
            out.append((mask, texts[number]))
    if delegated:
        behind = _delegate(class_id)
        if behind:
            return _signatures(behind, name)
    return class_id, out


def parameters(class_id: str, name: str, target: Target) -> tuple[Parameters, ...]:
    """The parameters of a method (``__init__`` for the class itself) over the targeted releases, newest first, distinct.

    ``*args, **kwargs`` that a method hands on as they are stand for the parameters of what receives them (``find``: those of ``Cursor``).
    The parameters of Motor's methods are those of the PyMongo beneath. Empty when the method is not known.
    """
    place, signatures = _signatures(class_id, name)
    wanted = target.mask(distribution(place))
    return tuple(dict.fromkeys(_parameters(text) for mask, text in sorted(signatures, reverse=True) if mask & wanted))


def keyword(class_id: str, name: str, keyword_name: str, target: Target) -> Answer:
    """Whether a method accepts a keyword argument, in the targeted releases that have the method.

    OPEN when no such release is known, or when one of them takes any keyword.
    """
    subject = f"{class_id}.{name}({keyword_name}=)"
    place, signatures = _signatures(class_id, name)
    dist = distribution(place)
    exists = have = loose = 0
    for mask, text in signatures:
        accepted = _parameters(text)
        exists |= mask
        if accepted._replace(varkeywords=False).accepts(keyword_name):
            have |= mask
        elif accepted.varkeywords:
            loose |= mask
    wanted = target.mask(dist) & exists
    if not wanted or wanted & loose:
        return Answer(Status.OPEN, subject, dist)
    found = _answer(f"{place}.{name}", have, wanted) if have else Answer(Status.NEVER, subject, dist, missing=ranges(dist, wanted))
    return found._replace(subject=subject, deprecated=False)


def function(path: str, target: Target) -> tuple[Parameters, ...]:
    """The parameters of a module-level function (by its id) over the targeted releases, newest first, distinct."""
    module_path, _, function_name = path.rpartition(".")
    wanted = target.mask(distribution(path))
    rows = sorted(
        ((_mask(row[0], 0), _head()["signatures"][row[2]]) for row in _functions(module_path).get(function_name, ())), reverse=True
    )
    return tuple(dict.fromkeys(_parameters(text) for mask, text in rows if mask & wanted))


# ---------------------------------------------------------------------- client options


def option(key: str, target: Target) -> Answer:
    """Whether ``MongoClient`` knows an option: validators, their aliases and named parameters. Case does not matter.

    The constructor refuses an unknown keyword (ConfigurationError); the same key in a URI is only warned about and ignored.
    """
    row = _head()["options"].get(key.lower())
    have = _mask(row[0], 0) if row else 0
    client = "pymongo.mongo_client.MongoClient"
    for mask, text in _signatures(client, "__init__")[1]:
        accepted = _parameters(text)
        if key in accepted.positional or key in accepted.keyword_only:
            have |= mask
    return _answer(f"{client}({key}=)", have, target.pymongo)


def option_spelling(key: str) -> str:
    """How the drivers spell an option (``maxpoolsize`` -> ``maxPoolSize``); empty when no release knows it."""
    row = _head()["options"].get(key.lower())
    return str(row[1]) if row else ""


def option_validator(key: str) -> str:
    """The name of the function that checks an option's value; empty when not known."""
    row = _head()["options"].get(key.lower())
    return str(row[2]) if row else ""


def option_names(target: Target) -> list[str]:
    """The options that every targeted release knows, as the drivers spell them, sorted."""
    return sorted(row[1] for row in _head()["options"].values() if target.pymongo & ~_mask(row[0], 0) == 0)


# ---------------------------------------------------------------------- did you mean


def snake_case(name: str) -> str:
    """``insertOne`` -> ``insert_one``."""
    return "".join(f"_{letter.lower()}" if letter.isupper() and index else letter.lower() for index, letter in enumerate(name))


def _nearest(word: str, choices: list[str], cutoff: float) -> str:
    import difflib

    close = difflib.get_close_matches(word, choices, 1, cutoff)
    return close[0] if close else ""


def homes(name: str, target: Target) -> list[str]:
    """Public modules that have this very name in every targeted release: the one that defines it first, then the shortest."""
    from flake8_mongo_threads.driver import _api_data

    out = []
    quoted = f'"{name}":'
    for path, text in _api_data.MODULES.items():
        if quoted not in text or ".synchronous" in path or any(part.startswith("_") for part in path.split(".")):
            continue
        row = _module(path)
        wanted = target.mask(distribution(path))
        if name not in row[3] or wanted & ~sum_of(row[3][name], _mask(row[0], 0)):
            continue
        found = _resolve_name(path, name, wanted)
        if found is None or (found.kind == "value" and not name.isupper()):
            continue
        own = found.path == f"{path}.{name}"
        front = path in PACKAGES and found.kind == "class" and found.path.startswith(f"{path}.")
        out.append((not front, not own, path.count("."), path))
    return [path for *_, path in sorted(out)]


def sum_of(spec: Any, whole: int) -> int:
    """The releases in which any variant of a name's entry exists."""
    have = 0
    for _, mask in _variants(spec, whole):
        have |= mask
    return have


def suggest_name(module_path: str, name: str, target: Target) -> str:
    """A dotted path that exists and is probably meant by a name that a module lacks; empty when there is no good guess.

    In this order: a curated replacement, the same name in the right module, the nearest live name of the module.
    """
    from flake8_mongo_threads.driver import renames

    curated = renames.path_replacement(f"{module_path}.{name}")
    if curated is not None:
        return curated.new if renames.is_path(curated.new) and _exists(curated.new, target) else ""
    places = homes(name, target)
    if places:
        return f"{places[0]}.{name}"
    row = _module(module_path)
    if row is None:
        return ""
    wanted = target.mask(distribution(module_path))
    whole = _mask(row[0], 0)
    choices = [each for each, spec in row[3].items() if not wanted & ~sum_of(spec, whole)]
    close = _nearest(name, choices, 0.7)
    return f"{module_path}.{close}" if close else ""


def suggest_module(path: str, target: Target) -> str:
    """A module that is probably meant by a module path that does not exist; empty when there is no good guess."""
    from flake8_mongo_threads.driver import _api_data, renames

    curated = renames.path_replacement(path)
    if curated is not None:
        return curated.new if renames.is_path(curated.new) and _exists(curated.new, target) else ""
    parent = path.rpartition(".")[0]
    choices = [each for each in _api_data.MODULES if each.rpartition(".")[0] == parent and "._" not in each]
    return _nearest(path, [each for each in choices if module(each, target).status is Status.OK], 0.8)


def _exists(path: str, target: Target) -> bool:
    parent, _, last = path.rpartition(".")
    if _module(path) is not None:
        return module(path, target).status is Status.OK
    if _module(parent) is not None:
        return name(parent, last, target).status is Status.OK
    return is_class(parent) and member(parent, last, target).status is Status.OK


def suggest_member(class_id: str, name: str, target: Target) -> str:
    """A member of the class that is probably meant by one that it lacks; empty when there is no good guess.

    In this order: a curated replacement, camelCase to snake_case, the same letters without underscores, the nearest.
    """
    from flake8_mongo_threads.driver import renames

    curated = renames.member_replacement(renames.family_of(class_id), name) or renames.path_replacement(f"{class_id}.{name}")
    if curated is not None:
        new = curated.new.rpartition(".")[2]
        return new if member(class_id, new, target).status is Status.OK else ""
    live = members(class_id, target)
    if snake_case(name) in live:
        return snake_case(name)
    flat = {each.replace("_", ""): each for each in live}
    plain = name.lower().replace("_", "")
    return flat.get(plain) or _lengthened(name, live) or _nearest(snake_case(name), live, 0.75)


def _lengthened(name: str, live: Iterable[str]) -> str:
    """The only member that begins with the whole word: ``commit_transaction`` for ``commit``; a method of a container is not meant so."""
    if any(hasattr(plain, name) for plain in (dict, list, set, str, bytes)):
        return ""
    longer = [each for each in live if each.startswith(name + "_")]
    return longer[0] if len(longer) == 1 else ""


@functools.lru_cache(maxsize=512)
def suggest_option(key: str, target: Target) -> str:
    """The option that is probably meant by one that no targeted release knows; empty when there is no good guess."""
    from flake8_mongo_threads.driver import renames

    curated = renames.option_replacement(key)
    if curated is not None:
        return curated.new if curated.new and option(curated.new, target).status is Status.OK else ""
    live = {each.lower(): each for each in option_names(target)}
    plain = key.lower().replace("_", "")
    if plain in live:
        return live[plain]
    return live.get(_nearest(plain, list(live), 0.8), "")
