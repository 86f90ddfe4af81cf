"""What the members of the driver's objects give: does it block, is it awaited, which object comes back.

The table is generated from every release of the drivers (``tools/build_driver_model.py``): a member of the synchronous
classes does network I/O exactly when its twin in the asynchronous classes is ``async def``. It is the union over all
releases, removed members included, so that kinds keep flowing through old code; whether a member exists in the releases
that a project targets is answered by :mod:`flake8_mongo_threads.driver.api`.
"""

from typing import NamedTuple

from flake8_mongo_threads.driver import _kinds_data as data

FAMILIES = (
    "client",
    "database",
    "collection",
    "cursor",
    "command-cursor",
    "raw-cursor",
    "change-stream",
    "session",
    "transaction",
    "bind",
    "gridfs-bucket",
    "gridfs",
    "grid-in",
    "grid-out",
    "grid-out-cursor",
    "client-encryption",
)
FLAVOURS = ("sync", "async", "motor")

_NOUNS = {
    "gridfs-bucket": "GridFS bucket",
    "gridfs": "GridFS",
    "grid-in": "GridFS file",
    "grid-out": "GridFS file",
    "grid-out-cursor": "GridFS cursor",
}

OPERATION_NAMES: frozenset[str] = frozenset(data.OPERATIONS.split())
"""Names of members that, in some family and flavour, do I/O or give a driver object: a filter before any inference."""

_FLAVOUR_LETTER = {"sync": "S", "async": "A", "motor": "M"}
_AWAITABLE_LETTER = {"sync": "", "async": "a", "motor": "m"}
_IO_LETTER = {"sync": "i", "async": "i", "motor": "j"}


class Member(NamedTuple):
    """One method or property of a driver object, in one flavour."""

    is_property: bool
    io: bool
    """Does network I/O when called (of a property: when read). False for what is lazy: ``find``, ``start_session``, ``get_*``."""
    coroutine: bool
    """Calling it (of a property: reading it) gives an awaitable in this flavour: a coroutine, with Motor a Future."""
    session: bool
    """Takes ``session=``."""
    write: bool
    """Changes data or schema whatever its arguments are (``aggregate`` and ``command`` do not count)."""
    result: str
    """What comes back, after awaiting: a family, ``self`` (the receiver), ``document``, ``documents`` (a list of them),
    ``result`` (of a write), ``options`` (of a client), or nothing that is tracked."""


def noun(family: str) -> str:
    """What an object of a family is called in messages: ``collection``, ``change stream``, ``GridFS file``."""
    return _NOUNS.get(family) or family.replace("-", " ")


_members: dict[tuple[str, str], dict[str, Member]] = {}
_classes: dict[str, tuple[str, str]] = {}


def members(family: str, flavour: str) -> dict[str, Member]:
    """Every public member of a family in one flavour, in any release. An unknown pair has none."""
    found = _members.get((family, flavour))
    if found is None:
        found = _members[family, flavour] = _parse(data.MEMBERS.get(family, ""), flavour)
    return found


def member(family: str, flavour: str, name: str) -> Member | None:
    """One member, or None when no release has it.

    On a client, database or collection an unknown name that does not start with ``_`` is then a database,
    collection or sub-collection.
    """
    return members(family, flavour).get(name)


def class_kind(path: str) -> tuple[str, str] | None:
    """Family and flavour of the class at an exact dotted path, however any release spells it; None for anything else."""
    if not _classes:
        for row in data.CLASSES.split("\n"):
            family, flavour, *paths = row.split()
            kind = (family, flavour)
            for spelling in paths:
                _classes[spelling] = kind
    return _classes.get(path)


_CLASSES_OF_MODULES = {
    "pymongo.collection": "pymongo.collection.Collection",
    "pymongo.database": "pymongo.database.Database",
    "pymongo.mongo_client": "pymongo.mongo_client.MongoClient",
    "pymongo.asynchronous.collection": "pymongo.asynchronous.collection.AsyncCollection",
    "pymongo.asynchronous.database": "pymongo.asynchronous.database.AsyncDatabase",
    "pymongo.asynchronous.mongo_client": "pymongo.asynchronous.mongo_client.AsyncMongoClient",
}


def class_of_module(path: str) -> str:
    """The class that an annotation means which names its module: ``def load(users: pymongo.collection)``; any other path as it is."""
    return _CLASSES_OF_MODULES.get(path, path)


def _parse(text: str, flavour: str) -> dict[str, Member]:
    # One member is "name:flags:result". Flags: S A M present in a flavour, p property, i I/O in PyMongo (sync and async),
    # j I/O in Motor, a / m awaitable in PyMongo Async / Motor, s session=, w write.
    # A result that differs between flavours is written "sync/async/motor".
    present = _FLAVOUR_LETTER[flavour]
    awaitable = _AWAITABLE_LETTER[flavour]
    io = _IO_LETTER[flavour]
    found = {}
    for token in text.split():
        name, flags, result = token.split(":")
        if present in flags:
            if "/" in result:
                result = result.split("/")["SAM".index(present)]
            found[name] = Member(
                "p" in flags,
                io in flags,
                bool(awaitable) and awaitable in flags,
                "s" in flags,
                "w" in flags,
                result,
            )
    return found
