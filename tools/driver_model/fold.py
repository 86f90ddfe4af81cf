"""Releases folded into one compact value: what exists in which releases, as bit masks.

Bit i of a mask stands for the i-th indexed minor release of the distribution. The layout is described in
``docs/driver-model.md``; ``flake8_mongo_threads/driver/api.py`` reads it.
"""

import collections
import re
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from tools.driver_model.identity import Identities
from tools.driver_model.records import ClassRecord, MemberRecord, Release

T = TypeVar("T", bound=Hashable)
K = TypeVar("K", bound=Hashable)

_OPERATORS = frozenset(
    (
        "__init__",
        "__new__",
        "__getattr__",
        "__call__",
        "__getitem__",
        "__aenter__",
        "__enter__",
        "__aiter__",
        "__iter__",
        "__next__",
        "__anext__",
        "__bool__",
        "__len__",
    )
)
"""The special methods that are kept: those that decide how an object may be used."""

_WITHOUT_MEANING = ("Generic", "ABC", "object", "Protocol")
_DOCUMENTED = re.compile(
    r"(pymongo(\.(collection|database|mongo_client|cursor|command_cursor|change_stream|client_session|collation|errors|results|operations"
    r"|monitoring|read_preferences|write_concern|read_concern|encryption|encryption_options|server_api|event_loggers|driver_info"
    r"|uri_parser|uri_parser_shared|auth_oidc|common|_csot))?|bson(\..*)?|gridfs(\..*)?|motor(\..*)?)$"
)
"""Modules whose functions' parameters are kept."""


class Numbers(Generic[T]):
    """Distinct values, each with the number it is written as."""

    def __init__(self, first: list[T]) -> None:
        self.values = list(first)
        self._index = {value: number for number, value in enumerate(first)}

    def __call__(self, value: T) -> int:
        if value not in self._index:
            self._index[value] = len(self.values)
            self.values.append(value)
        return self._index[value]


class Masks(collections.defaultdict[K, int]):
    """Key -> mask of the releases in which it was seen."""

    def __init__(self) -> None:
        super().__init__(int)

    @property
    def whole(self) -> int:
        """The releases in which any key was seen."""
        out = 0
        for mask in self.values():
            out |= mask
        return out


class _Module:
    def __init__(self, dist: str) -> None:
        self.dist = dist
        self.mask = 0
        self.loaded = 0
        self.package = False
        self.names: dict[str, Masks[tuple[str, str]]] = collections.defaultdict(Masks)
        self.incidental: Masks[str] = Masks()


class _Class:
    def __init__(self) -> None:
        self.mask = 0
        self.bases: Masks[tuple[str, ...]] = Masks()
        self.dynamic: set[str] = set()
        self.members: dict[str, Masks[tuple[str, str | None]]] = collections.defaultdict(Masks)
        self.returns: dict[str, str] = {}
        self.delegate = ""


def _linear(classes: dict[str, ClassRecord], path: str) -> list[str]:
    out: list[str] = []
    todo = [path]
    while todo:
        current = todo.pop(0)
        if current not in out and current in classes:
            out.append(current)
            todo = list(classes[current].bases) + todo
    return out


def _parts(signature: str) -> list[str]:
    return signature.split(",") if signature else []


def expanded(classes: dict[str, ClassRecord], owner: str, member: MemberRecord, depth: int = 0) -> str | None:
    """The signature with ``*args, **kwargs`` replaced by the parameters of what they are handed on to."""
    text = member.signature
    if not member.forward or text is None or depth > 4:
        return text
    where, name, before = member.forward.split(":")
    if where == "C":
        order, name = _linear(classes, name), "__init__"
    else:
        order = _linear(classes, owner)
        if where == "super":
            order = order[1:]
    for path in order:
        target = classes[path].members.get(name)
        if target is None:
            continue
        inner = expanded(classes, path, target, depth + 1)
        if inner is None:
            return text
        own = [part for part in _parts(text) if not part.startswith("*")]
        taken = {part.rstrip("=") for part in own}
        rest = _parts(inner)[int(before) :]
        return ",".join(own + [part for part in rest if part == "*" or part.rstrip("=") not in taken])
    return text


class Fold:
    """All releases, oldest first within each distribution, as the value that is shipped (:meth:`data`)."""

    def __init__(self, releases: list[Release]) -> None:
        self.identity = Identities(releases)
        self.versions: dict[str, list[str]] = collections.defaultdict(list)
        self.modules: dict[str, _Module] = {}
        self.classes: dict[str, _Class] = {}
        self.functions: dict[str, Masks[tuple[str, str]]] = collections.defaultdict(Masks)
        self.options: Masks[str] = Masks()
        self.validators: dict[str, tuple[str, str]] = {}
        self.requires: dict[str, list[list[str]]] = collections.defaultdict(list)
        for release in releases:
            self.versions[release.dist].append(release.version)
            self.requires[release.dist].append([release.requires_python, release.requires_pymongo])
        for release in releases:
            bit = 1 << self.versions[release.dist].index(release.version)
            self._add_modules(release, bit)
            self._add_classes(release, bit)
            for path, function in release.functions.items():
                module, _, name = self.identity(path).rpartition(".")
                if not name.startswith("_") and _DOCUMENTED.match(module):
                    kind = ("a" if function.coroutine else "f") + ("!" if function.deprecated else "")
                    self.functions[f"{module}.{name}"][kind, function.signature] |= bit
            for option, validator in release.options.items():
                key = option.lower()
                self.options[key] |= bit
                spelling, before = self.validators.get(key, ("", ""))
                self.validators[key] = (option if option != key or not spelling else spelling, validator or before)

    def _add_modules(self, release: Release, bit: int) -> None:
        for module, names in release.modules.items():
            entry = self.modules.setdefault(module, _Module(release.dist))
            entry.mask |= bit
            entry.package = entry.package or module in release.packages
            if module in release.autoloaded.get(module.split(".")[0], ()):
                entry.loaded |= bit
            for name, target in names.items():
                if name.startswith("__") and name != "__version__":
                    continue
                kind = target.kind
                if kind == "m" and target.module.split(".")[0] not in ("pymongo", "bson", "gridfs", "motor"):
                    kind = "x"
                if kind == "x" or name.startswith("_"):
                    entry.incidental[name] |= bit
                    continue
                path = ""
                if kind in "cf":
                    path = self.identity(f"{target.module}.{target.name}")
                elif kind == "m":
                    path = target.module
                entry.names[name][kind, path] |= bit

    def _add_classes(self, release: Release, bit: int) -> None:
        for path, record in release.classes.items():
            entry = self.classes.setdefault(self.identity(path), _Class())
            entry.mask |= bit
            entry.bases[tuple(self.identity(base) for base in record.bases if base not in _WITHOUT_MEANING)] |= bit
            entry.dynamic.update(record.dynamic)
            if record.delegate:
                entry.delegate = self.identity(record.delegate)
            for name, member in record.members.items():
                if name.startswith("_") and name not in _OPERATORS:
                    continue
                signature = expanded(release.classes, path, member)
                entry.members[name][member.kind + member.flags, signature] |= bit
                if member.returns:
                    entry.returns[name] = "Self" if member.returns == "Self" else self.identity(member.returns)

    def _kept_classes(self) -> list[str]:
        todo = [path for path in self.classes if not path.rpartition(".")[2].startswith("_")]
        kept: set[str] = set()
        while todo:
            path = todo.pop()
            if path in kept or path not in self.classes:
                continue
            kept.add(path)
            for bases in self.classes[path].bases:
                todo += bases
        return sorted(kept)

    def data(self) -> dict[str, Any]:
        """``versions, requires, masks, signatures, classes, options`` (the head) and ``modules``, ``members``, ``functions`` by name."""
        masks: Numbers[int] = Numbers([0])  # number 0: the same releases as the container
        signatures: Numbers[str] = Numbers([""])
        classes: Numbers[str] = Numbers([])

        def mask_of(mask: int, container: int) -> int:
            return 0 if mask == container else masks(mask)

        modules = {}
        for module, entry in sorted(self.modules.items()):
            names: dict[str, Any] = {}
            for name, found in sorted(entry.names.items()):
                if name in entry.incidental:
                    found["v", ""] |= entry.incidental[name]
                if set(found) == {("v", "")}:
                    names[name] = mask_of(found.whole, entry.mask)
                    continue
                rows = []
                for (kind, path), mask in found.items():
                    target: int | str = path
                    if kind == "c":
                        target = classes(path)
                    elif kind == "f" and path == self.identity(f"{module}.{name}"):
                        target = 0
                    rows.append([mask_of(mask, entry.mask), kind, target])
                names[name] = rows
            row: list[Any] = [masks(entry.mask), int(entry.package), masks(entry.loaded), names]
            incidental = sorted(set(entry.incidental) - set(names))
            if incidental:
                row.append(",".join(incidental))
            modules[module] = row
        members = {}
        for path in self._kept_classes():
            record = self.classes[path]
            spec: dict[str, Any] = {}
            for name, variants in sorted(record.members.items()):
                if len(variants) == 1 and variants.whole == record.mask and next(iter(variants))[1] is None:
                    spec[name] = next(iter(variants))[0]
                else:
                    spec[name] = [
                        [mask_of(mask, record.mask), kind] + ([] if signature is None else [signatures(signature)])
                        for (kind, signature), mask in variants.items()
                    ]
            bases = [[mask_of(mask, record.mask), [classes(base) for base in found]] for found, mask in record.bases.items()]
            returns = {name: -1 if found == "Self" else classes(found) for name, found in sorted(record.returns.items())}
            row = [masks(record.mask), bases, ",".join(sorted(record.dynamic)), spec, returns]
            if record.delegate:
                row.append(record.delegate)
            members[path] = row
        functions: dict[str, dict[str, Any]] = collections.defaultdict(dict)
        for path, kinds in sorted(self.functions.items()):
            module, _, name = path.rpartition(".")
            functions[module][name] = [[masks(mask), kind, signatures(signature)] for (kind, signature), mask in kinds.items()]
        options = {key: [masks(mask), *self.validators[key]] for key, mask in sorted(self.options.items())}
        return {
            "versions": dict(self.versions),
            "options": options,
            "requires": dict(self.requires),
            "modules": modules,
            "members": members,
            "functions": dict(functions),
            "masks": masks.values,
            "signatures": signatures.values,
            "classes": classes.values,
        }
