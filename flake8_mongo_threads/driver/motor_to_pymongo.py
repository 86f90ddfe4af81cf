"""What each name of Motor is in PyMongo Async, and what changes where it is used.

What must be awaited follows from the driver model, the rest is written here: compared by introspection with Motor 3.7.1 and PyMongo
4.20.1, and checked against the installed drivers by the tests. What is not
listed is called in the same way in both: ``await`` before the operations, none before ``find``, ``with_options`` and properties.
"""

import enum
from typing import NamedTuple

from flake8_mongo_threads.driver import kinds

MINIMUM = "4.13"
"""The first PyMongo with a generally available asynchronous API."""


class Target(NamedTuple):
    """Where a class is imported from."""

    module: str
    name: str


_NAMES: dict[str, Target] = {
    "Client": Target("pymongo", "AsyncMongoClient"),
    "Database": Target("pymongo.asynchronous.database", "AsyncDatabase"),
    "Collection": Target("pymongo.asynchronous.collection", "AsyncCollection"),
    "Cursor": Target("pymongo.asynchronous.cursor", "AsyncCursor"),
    "CommandCursor": Target("pymongo.asynchronous.command_cursor", "AsyncCommandCursor"),
    "LatentCommandCursor": Target("pymongo.asynchronous.command_cursor", "AsyncCommandCursor"),
    "ChangeStream": Target("pymongo.asynchronous.change_stream", "AsyncChangeStream"),
    "ClientSession": Target("pymongo.asynchronous.client_session", "AsyncClientSession"),
    "ClientEncryption": Target("pymongo.asynchronous.encryption", "AsyncClientEncryption"),
    "GridFSBucket": Target("gridfs", "AsyncGridFSBucket"),
    "GridIn": Target("gridfs", "AsyncGridIn"),
    "GridOut": Target("gridfs", "AsyncGridOut"),
    "GridOutCursor": Target("gridfs", "AsyncGridOutCursor"),
}
_PLACES = (
    ("motor.motor_asyncio.AsyncIOMotor", tuple(_NAMES)),
    ("motor.motor_tornado.Motor", tuple(_NAMES)),
    ("motor.Motor", tuple(_NAMES)),
    ("motor.core.Agnostic", tuple(name for name in _NAMES if not name.startswith("Grid"))),
    ("motor.motor_gridfs.Agnostic", tuple(name for name in _NAMES if name.startswith("Grid"))),
)

CLASSES: dict[str, Target] = {prefix + name: _NAMES[name] for prefix, names in _PLACES for name in names}
"""Dotted path of a class of Motor -> its class in PyMongo. The Agnostic classes serve as annotations only."""

MODULES = frozenset(("motor", "motor.motor_asyncio", "motor.motor_tornado", "motor.core", "motor.motor_gridfs"))
"""Modules of Motor that are imported for their classes."""

GONE_NAMES: dict[str, str] = {
    "motor.web": "PyMongo has nothing for Tornado's request handlers",
    "motor.aiohttp": "PyMongo has nothing for aiohttp's request handlers",
    "motor.motor_asyncio.AsyncIOMotorReplicaSetClient": "an AsyncMongoClient with the option replicaSet takes its place",
    "motor.motor_asyncio.AsyncIOMotorGridFS": "an AsyncGridFSBucket takes its place, with other methods",
    "motor.MotorReplicaSetClient": "an AsyncMongoClient with the option replicaSet takes its place",
    "motor.MotorGridFS": "an AsyncGridFSBucket takes its place, with other methods",
    "motor.Op": "operations are awaited",
}
"""Names of Motor (and modules, with all in them) that have no counterpart, and what to do."""


class Form(enum.Enum):
    """How the use of a member changes."""

    AWAIT = "await"
    """A plain method of Motor, a coroutine in PyMongo: the call is awaited."""
    PLAIN = "plain"
    """A coroutine of Motor, a plain method in PyMongo: the await goes."""
    READ = "read"
    """A plain property of Motor, one that is awaited in PyMongo."""
    GONE = "gone"
    """PyMongo has nothing of the name."""


class Change(NamedTuple):
    """What becomes of one member."""

    form: Form
    text: str = ""
    """Of a member that is gone what to do instead."""


_LOOP = Change(Form.GONE, "a client of PyMongo belongs to the event loop that first uses it: asyncio.get_running_loop() gives it")
_DELEGATE = Change(Form.GONE, "there is no synchronous object inside")
_WRAP = Change(Form.GONE, "there is no synchronous object to wrap")
_NEXT_OBJECT = Change(Form.GONE, "iterate with `async for`, or `await cursor.next()`")
_MADE: dict[str, Change] = {"get_io_loop": _LOOP, "delegate": _DELEGATE}
_CURSOR: dict[str, Change] = {
    **_MADE,
    "each": Change(Form.GONE, "iterate with `async for`"),
    "fetch_next": _NEXT_OBJECT,
    "next_object": _NEXT_OBJECT,
    "started": Change(Form.GONE, "`alive` and `retrieved` tell what is left"),
    "closed": Change(Form.GONE, "`alive` tells whether there is more"),
}
_GONE: dict[str, dict[str, Change]] = {
    "client": {**_MADE, "io_loop": _LOOP, "wrap": _WRAP},
    "database": {**_MADE, "wrap": _WRAP},
    "collection": {**_MADE, "wrap": _WRAP},
    "cursor": _CURSOR,
    "raw-cursor": _CURSOR,
    "command-cursor": _CURSOR,
    "grid-out-cursor": _CURSOR,
    "change-stream": _MADE,
    "session": _MADE,
    "client-encryption": {**_MADE, "io_loop": _LOOP},
    "gridfs-bucket": {
        **_MADE,
        "io_loop": _LOOP,
        "wrap": _WRAP,
        "collection": Change(Form.GONE, "the bucket's collections are `database[bucket_name].files` and `.chunks`"),
    },
    "grid-in": {**_MADE, "io_loop": _LOOP},
    "grid-out": {**_MADE, "io_loop": _LOOP, "stream_to_handler": Change(Form.GONE, "read chunks with `readchunk()` and write them")},
}
"""Family of an object -> member that PyMongo has not -> what to do instead."""


def _awaited_otherwise(family: str) -> dict[str, Change]:
    """The members of a family that both drivers have and that must be awaited in one of them only, as the driver model knows."""
    found: dict[str, Change] = {}
    for name in kinds.members(family, "motor"):
        old, new = kinds.member(family, "motor", name), kinds.member(family, "async", name)
        if old is None or new is None or old.is_property != new.is_property or old.coroutine == new.coroutine:
            continue
        found[name] = Change(Form.PLAIN if old.coroutine else Form.READ if new.is_property else Form.AWAIT)
    return found


CHANGES: dict[str, dict[str, Change]] = {family: {**_awaited_otherwise(family), **gone} for family, gone in _GONE.items()}
"""Family of an object -> member -> what changes."""


class Constructor(NamedTuple):
    """How the arguments of a class are taken over."""

    positional: int | None
    """How many positional arguments mean the same in both; None for any number."""
    renamed: tuple[tuple[str, str], ...] = ()
    loop: bool = False
    """Whether Motor takes ``io_loop``, which goes."""
    foreign: tuple[str, ...] = ()
    """Keywords of Motor that PyMongo has not."""


CONSTRUCTORS: dict[str, Constructor] = {
    "client": Constructor(None, loop=True),
    "database": Constructor(6, foreign=("_delegate",)),
    "collection": Constructor(2, foreign=("_delegate",)),
    "gridfs-bucket": Constructor(5, renamed=(("database", "db"), ("collection", "bucket_name"))),
    "grid-in": Constructor(1, foreign=("delegate",)),
    "grid-out": Constructor(3, foreign=("delegate",)),
    "client-encryption": Constructor(4, loop=True),
}
"""Families whose classes programs may call. Objects of the others come from methods."""

LIBRARIES: dict[str, str] = {
    "beanie": "Beanie 2 works with PyMongo's asynchronous client, Beanie 1 with Motor: move to Beanie 2 first",
    "odmantic": "ODMantic works with Motor",
    "umongo": "umongo works with Motor",
    "quart_motor": "Quart-Motor works with Motor",
    "sanic_motor": "sanic-motor works with Motor",
    "mongomock_motor": "mongomock-motor imitates Motor, not PyMongo",
}
"""Packages that stand on Motor, and what that means for a program that uses them."""

CREATES_LOOP = frozenset(("asyncio.get_event_loop", "asyncio.get_running_loop", "asyncio.new_event_loop"))
"""Calls that may be dropped together with ``io_loop=``: they only name a loop."""
