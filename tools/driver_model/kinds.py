"""Derive the kinds table: what each member of a driver object does and gives, in each flavour.

Almost everything follows from the sources: a member of a synchronous class does I/O exactly when its twin in the
asynchronous classes is ``async def``; Motor's ``AsyncRead``/``AsyncWrite``/``AsyncCommand`` members are awaitable;
return annotations name the class that comes back. The constants below are the remainder that no source states.
"""

import collections
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tools.driver_model.records import ClassRecord, MemberRecord

FAMILY_CLASSES: dict[str, tuple[str, ...]] = {
    "client": (
        "MongoClient",
        "MongoReplicaSetClient",
        "Connection",
        "ReplicaSetConnection",
        "MasterSlaveConnection",
        "Client",
        "ClientBase",
        "ReplicaSetClient",
        "Open",
    ),
    "database": ("Database",),
    "collection": ("Collection",),
    "cursor": ("Cursor", "BaseCursor"),
    "command-cursor": ("CommandCursor", "LatentCommandCursor"),
    "raw-cursor": ("RawBatchCursor", "RawBatchCommandCursor"),
    "change-stream": ("ChangeStream", "CollectionChangeStream", "DatabaseChangeStream", "ClusterChangeStream"),
    "session": ("ClientSession",),
    "transaction": ("_TransactionContext", "_MotorTransactionContext"),
    "bind": ("_BoundSessionContext", "_AsyncBoundSessionContext"),
    "gridfs-bucket": ("GridFSBucket",),
    "gridfs": ("GridFS",),
    "grid-in": ("GridIn",),
    "grid-out": ("GridOut",),
    "grid-out-cursor": ("GridOutCursor",),
    "client-encryption": ("ClientEncryption",),
}
"""Class names by family, without the prefix of their flavour. Where a family is defined is checked by the module."""

MOTOR_PREFIXES = ("AsyncIOMotor", "Motor", "Agnostic")
NOT_CLIENTS = ("pymongo.pool.", "pymongo.asynchronous.pool.", "pymongo.synchronous.pool.")
"""Since 4.5 ``pymongo.pool.Connection`` is one socket, not the client class of PyMongo 2."""

DOCUMENTS = {
    "collection": ("find_one", "find_one_and_delete", "find_one_and_replace", "find_one_and_update", "find_and_modify"),
    "database": ("dereference",),
    "cursor": ("next", "next_object"),
    "command-cursor": ("next", "try_next", "next_object"),
    "change-stream": ("next", "try_next"),
    "client-encryption": ("get_key", "get_key_by_alt_name", "delete_key", "add_key_alt_name", "remove_key_alt_name"),
}
"""Members that give one document as a plain dictionary: annotated with a type variable or a mapping, if at all."""

LISTS = {"cursor": ("to_list",), "command-cursor": ("to_list",), "collection": ("inline_map_reduce",)}

RESULTS: dict[tuple[str, str], str] = {
    ("client", "get_database"): "database",
    ("client", "get_default_database"): "database",
    ("client", "start_session"): "session",
    ("client", "list_databases"): "command-cursor",
    ("client", "watch"): "change-stream",
    ("client", "options"): "options",
    ("database", "client"): "client",
    ("database", "connection"): "client",
    ("database", "get_collection"): "collection",
    ("database", "create_collection"): "collection",
    ("database", "with_options"): "database",
    ("database", "aggregate"): "command-cursor",
    ("database", "cursor_command"): "command-cursor",
    ("database", "list_collections"): "command-cursor",
    ("database", "watch"): "change-stream",
    ("collection", "database"): "database",
    ("collection", "with_options"): "collection",
    ("collection", "find"): "cursor",
    ("collection", "find_raw_batches"): "raw-cursor",
    ("collection", "aggregate"): "command-cursor",
    ("collection", "aggregate_raw_batches"): "raw-cursor",
    ("collection", "list_indexes"): "command-cursor",
    ("collection", "list_search_indexes"): "command-cursor",
    ("collection", "watch"): "change-stream",
    ("collection", "map_reduce"): "collection",
    ("cursor", "collection"): "collection",
    ("cursor", "session"): "session",
    ("cursor", "clone"): "cursor",
    ("command-cursor", "session"): "session",
    ("raw-cursor", "collection"): "collection",
    ("raw-cursor", "session"): "session",
    ("raw-cursor", "clone"): "raw-cursor",
    ("grid-out-cursor", "collection"): "collection",
    ("grid-out-cursor", "session"): "session",
    ("grid-out-cursor", "clone"): "grid-out-cursor",
    ("grid-out-cursor", "next"): "grid-out",
    ("grid-out-cursor", "next_object"): "grid-out",
    ("session", "client"): "client",
    ("session", "start_transaction"): "transaction",
    ("session", "bind"): "bind",
    ("gridfs-bucket", "find"): "grid-out-cursor",
    ("gridfs-bucket", "collection"): "collection",
    ("gridfs-bucket", "open_upload_stream"): "grid-in",
    ("gridfs-bucket", "open_upload_stream_with_id"): "grid-in",
    ("gridfs-bucket", "open_download_stream"): "grid-out",
    ("gridfs-bucket", "open_download_stream_by_name"): "grid-out",
    ("gridfs", "find"): "grid-out-cursor",
    ("gridfs", "find_one"): "grid-out",
    ("gridfs", "get"): "grid-out",
    ("gridfs", "get_version"): "grid-out",
    ("gridfs", "get_last_version"): "grid-out",
    ("gridfs", "new_file"): "grid-in",
    ("client-encryption", "get_keys"): "cursor",
    ("client-encryption", "io_loop"): "",
}
"""What a member gives where releases before annotations, or Motor, leave it unsaid. Checked against every annotation."""

FLAVOUR_RESULTS: dict[tuple[str, str, str], str] = {
    ("grid-out", "motor", "open"): "self",
    ("collection", "motor", "database"): "database",
}

CHAINING = {
    "cursor": (
        "add_option",
        "allow_disk_use",
        "batch_size",
        "collation",
        "comment",
        "hint",
        "limit",
        "max",
        "max_await_time_ms",
        "max_scan",
        "max_time_ms",
        "min",
        "remove_option",
        "rewind",
        "skip",
        "sort",
        "where",
    ),
    "command-cursor": ("batch_size",),
}
"""Members that give their receiver back (annotated since 4.9 with ``Self`` or the class)."""
CHAINING["raw-cursor"] = CHAINING["grid-out-cursor"] = CHAINING["cursor"]

WRITES = {
    "client": ("bulk_write", "copy_database", "drop_database"),
    "database": ("add_user", "create_collection", "drop_collection", "remove_user", "set_profiling_level"),
    "collection": (
        "bulk_write",
        "create_index",
        "create_indexes",
        "create_search_index",
        "create_search_indexes",
        "delete_many",
        "delete_one",
        "drop",
        "drop_index",
        "drop_indexes",
        "drop_search_index",
        "ensure_index",
        "find_and_modify",
        "find_one_and_delete",
        "find_one_and_replace",
        "find_one_and_update",
        "insert",
        "insert_many",
        "insert_one",
        "reindex",
        "remove",
        "rename",
        "replace_one",
        "save",
        "update",
        "update_many",
        "update_one",
        "update_search_index",
    ),
    "gridfs-bucket": (
        "delete",
        "delete_by_name",
        "rename",
        "rename_by_name",
        "upload_from_stream",
        "upload_from_stream_with_id",
    ),
    "gridfs": ("delete", "put", "remove"),
    "grid-in": ("abort", "close", "set", "write", "writelines"),
    "client-encryption": (
        "add_key_alt_name",
        "create_data_key",
        "create_encrypted_collection",
        "delete_key",
        "remove_key_alt_name",
        "rewrap_many_data_key",
    ),
}

IO_BEFORE_ASYNC = {
    "client": (
        "alive",
        "close_cursor",
        "copy_database",
        "database_names",
        "disconnect",
        "fsync",
        "is_locked",
        "kill_cursors",
        "max_bson_size",
        "max_message_size",
        "max_wire_version",
        "max_write_batch_size",
        "min_wire_version",
        "refresh",
        "unlock",
    ),
    "database": (
        "add_user",
        "authenticate",
        "collection_names",
        "current_op",
        "error",
        "eval",
        "last_status",
        "logout",
        "previous_error",
        "profiling_info",
        "profiling_level",
        "remove_user",
        "reset_error_history",
        "set_profiling_level",
    ),
    "collection": (
        "count",
        "ensure_index",
        "find_and_modify",
        "group",
        "inline_map_reduce",
        "insert",
        "map_reduce",
        "parallel_scan",
        "reindex",
        "remove",
        "save",
        "update",
    ),
    "cursor": ("count",),
    "grid-out-cursor": ("count",),
    "gridfs": ("remove",),
}
"""I/O of members that were gone before the asynchronous classes came (4.9), so that they have no twin."""

SESSION_BY_FORWARDING = {
    "collection": ("find", "find_one", "find_raw_batches"),
    "gridfs": ("find", "find_one"),
    "gridfs-bucket": ("find",),
}
"""``session=`` that travels through ``*args, **kwargs``."""

INHERITED = {"grid-out": ("readlines",)}
"""Synchronous members with I/O that come from a base of the standard library (``io.IOBase``)."""

MOTOR_IO_ON_CALL = {"client": ("close",), "session": (), "cursor": ("close",)}
"""Members of Motor that are not awaited and still do I/O."""


class Version(NamedTuple):
    """The classes of one release of one distribution."""

    dist: str
    version: str
    classes: Mapping[str, ClassRecord]


def kind_of_class(path: str) -> tuple[str, str] | None:
    """Family and flavour of a class by where it is defined, None when it is no object of the driver's user interface."""
    module, _, name = path.rpartition(".")
    top = module.split(".")[0]
    if path.startswith(NOT_CLIENTS):
        return None
    if top == "motor":
        flavour = "motor"
        if name in FAMILY_CLASSES["transaction"]:
            return "transaction", flavour
        for prefix in MOTOR_PREFIXES:
            if name.startswith(prefix) and name != prefix:
                name = name[len(prefix) :]
                break
        else:
            return None
    elif top in ("pymongo", "gridfs"):
        flavour = "async" if ".asynchronous" in module else "sync"
        if flavour == "async" and name.startswith("Async"):
            name = name[len("Async") :]
    else:
        return None
    for family, names in FAMILY_CLASSES.items():
        if name in names:
            return family, flavour
    return None


def linearise(classes: Mapping[str, ClassRecord], path: str) -> Iterator[ClassRecord]:
    """The class and its bases, nearest first, as far as the drivers define them."""
    todo, seen = [path], set()
    while todo:
        current = todo.pop(0)
        if current in seen or current not in classes:
            continue
        seen.add(current)
        yield classes[current]
        todo = list(classes[current].bases) + todo


class Row:
    """Everything that the releases say about one member of one family."""

    def __init__(self) -> None:
        self.kinds: dict[str, MemberRecord] = {}
        """Flavour -> the member in the newest release that has it."""
        self.session: set[str] = set()


def collect(versions: list[Version]) -> dict[str, dict[str, Row]]:
    """Family -> member name -> what the releases say. ``versions`` must be oldest first within a distribution."""
    families: dict[str, dict[str, Row]] = {family: {} for family in FAMILY_CLASSES}
    for version in versions:
        for path in version.classes:
            kind = kind_of_class(path)
            if kind is None:
                continue
            family, flavour = kind
            seen = set()
            for record in linearise(version.classes, path):
                for name, member in record.members.items():
                    if name.startswith("_") or name in seen:
                        continue
                    seen.add(name)
                    row = families[family].setdefault(name, Row())
                    old = row.kinds.get(flavour)
                    # An attribute that is only set on the instance never hides a method or property of the class.
                    if old is None or member.kind != "i" or old.kind == "i":
                        row.kinds[flavour] = member
                    if member.signature and "session" in _parameters(member.signature):
                        row.session.add(flavour)
    for family, names in INHERITED.items():
        for name in names:
            families[family].setdefault(name, Row()).kinds.setdefault("sync", MemberRecord("m"))
    return families


def _parameters(signature: str) -> list[str]:
    return [part.lstrip("*").rstrip("=") for part in signature.split(",")]


def _result(family: str, flavour: str, name: str, member: MemberRecord) -> str:
    own = FLAVOUR_RESULTS.get((family, flavour, name))
    if own is not None:
        return own
    if name in CHAINING.get(family, ()):
        return "self"
    if name in DOCUMENTS.get(family, ()):
        return "document"
    if name in LISTS.get(family, ()):
        return "documents"
    curated = RESULTS.get((family, name))
    if curated is not None:
        return curated
    if member.returns:
        kind = kind_of_class(member.returns)
        if kind is not None:
            return kind[0]
        if member.returns.startswith("pymongo.results."):
            return "result"
    return ""


def _write_result(row: Row) -> bool:
    return any(member.returns and member.returns.startswith("pymongo.results.") for member in row.kinds.values())


def table(versions: list[Version]) -> dict[str, str]:
    """Family -> text of its members: ``name:flags:result`` words (see ``flake8_mongo_threads/driver/kinds.py``)."""
    out = {}
    for family, rows in collect(versions).items():
        words = []
        for name in sorted(rows):
            row = rows[name]
            twin, motor, sync = row.kinds.get("async"), row.kinds.get("motor"), row.kinds.get("sync")
            flags = "".join(letter for letter, flavour in (("S", "sync"), ("A", "async"), ("M", "motor")) if flavour in row.kinds)
            some = sync or twin or motor
            assert some is not None
            if some.is_property:
                flags += "p"
            awaited = twin is not None and twin.awaitable
            awaited_motor = motor is not None and motor.awaitable
            io = awaited or (twin is None and (name in IO_BEFORE_ASYNC.get(family, ()) or awaited_motor))
            if io and not (family == "session" and name == "start_transaction"):
                flags += "i"
            if (awaited_motor and name != "start_session") or (io and motor is not None and name in MOTOR_IO_ON_CALL.get(family, ())):
                flags += "j"
            if awaited:
                flags += "a"
            if awaited_motor:
                flags += "m"
            if row.session or name in SESSION_BY_FORWARDING.get(family, ()):
                flags += "s"
            if name in WRITES.get(family, ()):
                flags += "w"
            results = {}
            for flavour, member in row.kinds.items():
                result = _result(family, flavour, name, member)
                results[flavour] = "result" if not result and _write_result(row) else result
            distinct = set(results.values())
            if len(distinct) == 1:
                text = distinct.pop()
            else:
                text = "/".join(results.get(flavour, "") for flavour in ("sync", "async", "motor"))
            words.append(f"{name}:{flags}:{text}")
        out[family] = " ".join(words)
    return out


def operations(members: Mapping[str, str]) -> list[str]:
    """Names that do I/O or give an object of the driver in some flavour of some family."""
    tracked = set(FAMILY_CLASSES) | {"self"}
    found = set()
    for text in members.values():
        for word in text.split():
            name, flags, result = word.split(":")
            if "i" in flags or "j" in flags or "a" in flags or "m" in flags or tracked.intersection(result.split("/")):
                found.add(name)
    return sorted(found)


def spellings(paths: Mapping[str, str]) -> list[str]:
    """Rows ``family flavour path path …`` for importable dotted paths (path -> path of the class that it names)."""
    rows = collections.defaultdict(set)
    for path, target in paths.items():
        kind = kind_of_class(target)
        if kind is not None:
            rows[kind].add(path)
            rows[kind].add(target)
    return [" ".join([family, flavour, *sorted(found)]) for (family, flavour), found in sorted(rows.items())]
