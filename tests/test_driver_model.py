"""The driver model against the installed drivers, against tables recorded from them, and in itself."""

import contextlib
import functools
import importlib
import importlib.metadata
import inspect
import json
import re
import subprocess
import sys
import types
import typing
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.version import Version

from flake8_mongo_threads.driver import api, kinds, motor_to_pymongo, renames, wrappers
from flake8_mongo_threads.driver.api import Status, Target

ROOT = Path(__file__).parent.parent
NEWEST = api.newest_target()
EVERYTHING = Target(api.everything("pymongo"), api.everything("motor"))


def minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def installed(dist: str) -> Target:
    """The target of the installed release; skips when it is not installed or newer than the model.

    A driver release must not break the tests of a commit that was made before it.
    """
    try:
        release = importlib.metadata.version(dist)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{dist} is not installed")
    version = minor(release)
    modelled = dict(zip(api.minors(dist), api.versions(dist), strict=True))
    if version not in modelled or Version(release) > Version(modelled[version]):
        pytest.skip(f"{dist} {release} is newer than the model")
    bit = 1 << api.minors(dist).index(version)
    return Target(bit, NEWEST.motor) if dist == "pymongo" else Target(NEWEST.pymongo, bit)


def pymongo_since(version: str) -> Target:
    return Target(api.since("pymongo", version), api.newest("motor"))


@functools.cache
def imported(path: str) -> types.ModuleType | None:
    """A module of the installed drivers, None when something that it needs is missing here."""
    with warnings.catch_warnings(), contextlib.suppress(ImportError):
        warnings.simplefilter("ignore")
        return importlib.import_module(path)
    return None


def modules_of(dist: str, target: Target) -> Iterator[tuple[str, types.ModuleType]]:
    from flake8_mongo_threads.driver import _api_data

    for path in _api_data.MODULES:
        if api.distribution(path) == dist and api.module(path, target).status is Status.OK:
            module = imported(path)
            if module is not None:
                yield path, module


# What a module has here or not depends on the platform and on optional packages.
OPTIONAL = {"kerberos", "winkerberos", "snappy", "pymongocrypt", "gssapi", "winreg", "_cbson", "_cmessage", "_winreg", "pymongo_auth_aws"}


@pytest.mark.parametrize("dist", api.DISTRIBUTIONS)
def test_every_name_of_the_installed_modules_is_known(dist: str) -> None:
    target = installed(dist)
    unknown = [
        f"{path}.{name}"
        for path, module in modules_of(dist, target)
        for name in vars(module)
        if not name.startswith("__")
        and api.name(path, name, target).status is not Status.OK
        and name not in OPTIONAL
        # A submodule that another import loaded is an attribute of its package.
        and not isinstance(vars(module)[name], types.ModuleType)
    ]
    assert unknown == []


@pytest.mark.parametrize(("dist", "least"), [("pymongo", 80), ("motor", 6)])
def test_every_name_in_the_model_exists_in_the_installed_modules(dist: str, least: int) -> None:
    target = installed(dist)
    missing, checked = [], 0
    for path, module in modules_of(dist, target):
        checked += 1
        row = api._module(path)
        for name in row[3]:
            answer = api.name(path, name, target)
            if answer.status is Status.OK and not hasattr(module, name) and imported(f"{path}.{name}") is None:
                missing.append(f"{path}.{name}")
    assert checked >= least
    # Branches for other platforms and for missing packages set the rest.
    assert len(missing) < 40, missing


def runtime_classes(dist: str, target: Target) -> Iterator[tuple[str, type]]:
    seen = set()
    for path, module in modules_of(dist, target):
        for name, value in vars(module).items():
            if isinstance(value, type) and value.__module__.split(".")[0] in api.PACKAGES and not name.startswith("_"):
                found = api.resolve(f"{path}.{name}", target)
                if (
                    found is not None
                    and found.kind == "class"
                    and found.path not in seen
                    and api.is_class(found.path)
                    and api.distribution(found.path) == dist
                ):
                    seen.add(found.path)
                    yield found.path, value


@pytest.mark.parametrize(("dist", "least"), [("pymongo", 150), ("motor", 12)])
def test_every_member_of_the_installed_classes_is_known(dist: str, least: int) -> None:
    target = installed(dist)
    unknown, checked = [], 0
    for class_id, runtime in runtime_classes(dist, target):
        checked += 1
        for owner in runtime.__mro__:
            if owner.__module__.split(".")[0] not in api.PACKAGES or owner.__name__.startswith("_Typed"):
                continue
            for name in vars(owner):
                if not name.startswith("_") and api.member(class_id, name, target).status not in (Status.OK, Status.OPEN):
                    unknown.append(f"{class_id}.{name}")
    assert unknown == []
    assert checked >= least


def test_signatures_are_those_of_the_installed_driver() -> None:
    target = installed("pymongo")
    wrong, checked = [], 0
    for class_id, runtime in runtime_classes("pymongo", target):
        if kinds.class_kind(class_id) is None:
            continue
        for name, value in inspect.getmembers(runtime, inspect.isfunction):
            if name.startswith("_") and name != "__init__":
                continue
            expected = list(inspect.signature(value).parameters.values())[1:]
            found = api.parameters(class_id, name, target)
            if any(each.kind is each.VAR_POSITIONAL for each in expected):
                continue  # handed on: the model has what it is handed on to
            if not found:
                if value.__module__.split(".")[0] in api.PACKAGES:
                    wrong.append(f"{class_id}.{name}: not in the model")
                continue
            checked += 1
            by_place = tuple(each.name for each in expected if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD))
            by_name = tuple(each.name for each in expected if each.kind is each.KEYWORD_ONLY)
            loose = any(each.kind is each.VAR_KEYWORD for each in expected)
            needed = frozenset(
                each.name for each in expected if each.default is each.empty and each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
            )
            if (by_place, by_name, needed, loose) != (found[0].positional, found[0].keyword_only, found[0].required, found[0].varkeywords):
                wrong.append(f"{class_id}.{name}: {found[0]}")
    assert wrong == []
    assert checked > 200


def test_client_options_are_those_of_the_installed_driver() -> None:
    target = installed("pymongo")
    common = importlib.import_module("pymongo.common")
    known = set(common.VALIDATORS)
    for aliases in common.URI_OPTIONS_ALIAS_MAP.values() if hasattr(common, "URI_OPTIONS_ALIAS_MAP") else ():
        known.update(aliases)
    assert {key.lower() for key in known} == {key.lower() for key in api.option_names(target)}


def test_what_plain_import_loads_is_as_the_model_says() -> None:
    target = installed("pymongo")
    code = "import pymongo, sys; print(*[name for name in sys.modules if name.startswith('pymongo.') and hasattr(pymongo, name[8:])])"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    # An import inside try or if counts as made.
    said = {path for path, _ in modules_of("pymongo", target) if path.count(".") == 1 and path.startswith("pymongo.")}
    said = {path for path in said if api.loaded_by_package(path, target).status is Status.OK}
    assert loaded <= said | {f"pymongo.{name}" for name in OPTIONAL}
    assert len(said - loaded) <= 5


@pytest.mark.parametrize("dist", api.DISTRIBUTIONS)
def test_requirements_are_those_of_the_installed_metadata(dist: str) -> None:
    target = installed(dist)
    index = target.mask(dist).bit_length() - 1
    metadata = importlib.metadata.metadata(dist)
    assert api.requires_python(dist)[index] == metadata["Requires-Python"].replace(" ", "")
    if dist == "motor":
        needed = [each for each in metadata.get_all("Requires-Dist", []) if each.startswith("pymongo") and ";" not in each]
        assert f"pymongo{api.pymongo_of_motor()[index]}" in [re.sub(r"[ ()]", "", each) for each in needed]


# ---------------------------------------------------------------------- kinds


TABLES = json.loads((Path(__file__).parent / "driver_tables.json").read_text())


@pytest.mark.parametrize("family", sorted(TABLES["families"]))
def test_kinds_agree_with_the_recorded_table(family: str) -> None:
    # ``session=`` that travels through *args and **kwargs is not in a signature.
    forwarded = {
        ("collection", "find"),
        ("collection", "find_one"),
        ("collection", "find_raw_batches"),
        ("gridfs", "find"),
        ("gridfs-bucket", "find"),
    }
    for name, text in TABLES["families"][family].items():
        words = text.split()
        sync, twin = kinds.member(family, "sync", name), kinds.member(family, "async", name)
        assert twin is not None, name
        assert twin.coroutine == ("io" in words), name
        assert twin.is_property == ("property" in words) or name in ("address", "primary"), name
        if "async-only" in words:
            assert sync is None, name
            continue
        assert sync is not None, name
        assert not sync.coroutine
        # Starting a transaction is a coroutine in the async classes, but nothing goes over the wire.
        assert sync.io == ("io" in words and (family, name) != ("session", "start_transaction")), name
        assert sync.session == ("session" in words or (family, name) in forwarded), name


ASYNC_CLASSES = {
    "client": "pymongo.asynchronous.mongo_client.AsyncMongoClient",
    "database": "pymongo.asynchronous.database.AsyncDatabase",
    "collection": "pymongo.asynchronous.collection.AsyncCollection",
    "cursor": "pymongo.asynchronous.cursor.AsyncCursor",
    "command-cursor": "pymongo.asynchronous.command_cursor.AsyncCommandCursor",
    "change-stream": "pymongo.asynchronous.change_stream.AsyncChangeStream",
    "session": "pymongo.asynchronous.client_session.AsyncClientSession",
    "client-encryption": "pymongo.asynchronous.encryption.AsyncClientEncryption",
    "gridfs-bucket": "gridfs.asynchronous.grid_file.AsyncGridFSBucket",
    "grid-in": "gridfs.asynchronous.grid_file.AsyncGridIn",
    "grid-out": "gridfs.asynchronous.grid_file.AsyncGridOut",
    "grid-out-cursor": "gridfs.asynchronous.grid_file.AsyncGridOutCursor",
}


def runtime_class(path: str) -> typing.Any:
    module, _, name = path.rpartition(".")
    return getattr(imported(module), name)


@pytest.mark.parametrize("family", sorted(ASYNC_CLASSES))
def test_coroutines_are_those_of_the_installed_async_classes(family: str) -> None:
    if not installed("pymongo").pymongo & api.since("pymongo", "4.9"):
        pytest.skip("the asynchronous classes came in 4.9")
    runtime = runtime_class(ASYNC_CLASSES[family])
    for name, value in inspect.getmembers(runtime):
        if name.startswith("_") or value is None:
            continue
        member = kinds.member(family, "async", name)
        if isinstance(value, property):
            assert member is not None, name
            assert (member.is_property, member.coroutine) == (True, inspect.iscoroutinefunction(value.fget)), name
        elif inspect.isfunction(value) and value.__module__.split(".")[0] in api.PACKAGES:
            assert member is not None, name
            assert (member.is_property, member.coroutine) == (False, inspect.iscoroutinefunction(value)), name


@pytest.mark.parametrize("family", sorted({*ASYNC_CLASSES} - {"client-encryption"}))
def test_coroutines_are_those_of_the_installed_motor_classes(family: str) -> None:
    installed("motor")
    name = "".join(part.capitalize() for part in family.split("-")).replace("Gridfs", "GridFS").replace("Session", "ClientSession")
    runtime = runtime_class(f"motor.motor_asyncio.AsyncIOMotor{name}")
    checked = 0
    for name in dir(runtime):
        value = inspect.getattr_static(runtime, name)
        if name.startswith("_") or not (inspect.isfunction(value) or isinstance(value, property)):
            continue
        member = kinds.member(family, "motor", name)
        assert member is not None, name
        if inspect.isfunction(value):
            marked = hasattr(value, "is_async_method") or hasattr(value, "coroutine_annotation")
            awaited = marked or inspect.iscoroutinefunction(value)
            assert member.coroutine == awaited, name
            checked += 1
    assert checked >= 2


# Which of the two asynchronous drivers awaits what (MongoDB's guide for the migration from Motor, and both drivers' sources).
PLAIN_IN_MOTOR = {
    ("client", "close"),
    ("client", "watch"),
    *(("client", name) for name in ("address", "arbiters", "is_mongos", "is_primary", "primary", "secondaries")),
    ("database", "aggregate"),
    ("database", "watch"),
    *(("collection", name) for name in ("aggregate", "aggregate_raw_batches", "list_indexes", "list_search_indexes", "watch")),
    *((family, name) for family in ("cursor", "raw-cursor") for name in ("add_option", "rewind")),
    ("grid-out-cursor", "rewind"),
    ("session", "start_transaction"),
    ("grid-out", "close"),
    ("grid-out", "seek"),
}
AWAITED_IN_MOTOR = {("client", "start_session"), ("client-encryption", "get_keys"), ("gridfs", "new_file")}


def test_motor_and_pymongo_async_differ_exactly_where_the_guide_says() -> None:
    plain: set[tuple[str, str]] = set()
    awaited: set[tuple[str, str]] = set()
    for family in kinds.FAMILIES:
        motor = kinds.members(family, "motor")
        for name, member in kinds.members(family, "async").items():
            if name in motor and member.coroutine != motor[name].coroutine:
                (plain if member.coroutine else awaited).add((family, name))
    assert plain == PLAIN_IN_MOTOR
    assert awaited == AWAITED_IN_MOTOR


@pytest.mark.parametrize(
    ("family", "flavour", "name", "result"),
    [
        ("client", "sync", "start_session", "session"),
        ("client", "motor", "get_default_database", "database"),
        ("database", "async", "get_collection", "collection"),
        ("collection", "sync", "find", "cursor"),
        ("collection", "motor", "aggregate", "command-cursor"),
        ("collection", "async", "watch", "change-stream"),
        ("collection", "sync", "insert_one", "result"),
        ("collection", "motor", "update_many", "result"),
        ("collection", "sync", "find_and_modify", "document"),
        ("collection", "sync", "aggregate_raw_batches", "raw-cursor"),
        ("cursor", "sync", "sort", "self"),
        ("cursor", "async", "to_list", "documents"),
        ("cursor", "sync", "clone", "cursor"),
        ("session", "sync", "start_transaction", "transaction"),
        ("session", "async", "bind", "bind"),
        ("gridfs-bucket", "motor", "open_download_stream", "grid-out"),
        ("grid-out", "motor", "open", "self"),
        ("grid-out", "async", "open", ""),
        ("client", "sync", "options", "options"),
        ("database", "sync", "connection", "client"),
    ],
)
def test_what_a_member_gives(family: str, flavour: str, name: str, result: str) -> None:
    member = kinds.member(family, flavour, name)
    assert member is not None
    assert member.result == result


def test_results_agree_with_the_annotations() -> None:
    class_of = {kind: path for path in _spellings() if (kind := kinds.class_kind(path)) and api.is_class(path) and kind[1] == "sync"}
    checked = 0
    for (family, flavour), path in sorted(class_of.items()):
        for name, member in kinds.members(family, flavour).items():
            annotated = kinds.class_kind(api.returns(path, name))
            if annotated is None or member.result == "self" or name == "clone":  # the annotation is that of the base class
                continue
            checked += 1
            assert member.result == annotated[0], (family, name)
    assert checked > 30


def _spellings() -> list[str]:
    kinds.class_kind("")
    return list(kinds._classes)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("pymongo.MongoClient", ("client", "sync")),
        ("pymongo.mongo_client.MongoClient", ("client", "sync")),
        ("pymongo.synchronous.mongo_client.MongoClient", ("client", "sync")),
        ("pymongo.AsyncMongoClient", ("client", "async")),
        ("pymongo.asynchronous.mongo_client.AsyncMongoClient", ("client", "async")),
        ("pymongo.MongoReplicaSetClient", ("client", "sync")),
        ("pymongo.Connection", ("client", "sync")),
        ("pymongo.connection.Connection", ("client", "sync")),
        ("pymongo.pool.Connection", None),
        ("pymongo.database.Database", ("database", "sync")),
        ("pymongo.client_session.ClientSession", ("session", "sync")),
        ("pymongo.client_session._TransactionContext", ("transaction", "sync")),
        ("motor.motor_asyncio.AsyncIOMotorClient", ("client", "motor")),
        ("motor.motor_tornado.MotorClient", ("client", "motor")),
        ("motor.MotorClient", ("client", "motor")),
        ("motor.core.AgnosticClient", ("client", "motor")),
        ("motor.motor_asyncio.AsyncIOMotorGridFSBucket", ("gridfs-bucket", "motor")),
        ("motor.MotorReplicaSetClient", ("client", "motor")),
        ("gridfs.GridFSBucket", ("gridfs-bucket", "sync")),
        ("gridfs.AsyncGridFSBucket", ("gridfs-bucket", "async")),
        ("gridfs.GridOut", ("grid-out", "sync")),
        ("pymongo.errors.OperationFailure", None),
        ("mongomock.MongoClient", None),
    ],
)
def test_class_kind(path: str, kind: tuple[str, str] | None) -> None:
    assert kinds.class_kind(path) == kind


def test_removed_members_keep_their_kinds() -> None:
    for family, name in (("collection", "insert"), ("collection", "save"), ("database", "collection_names"), ("cursor", "count")):
        member = kinds.member(family, "sync", name)
        assert member is not None
        assert member.io, name
        assert name in kinds.OPERATION_NAMES
    assert kinds.member("collection", "sync", "insertOne") is None


def test_importing_kinds_is_cheap() -> None:
    code = "import sys, flake8_mongo_threads.driver.kinds, flake8_mongo_threads.driver.api; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    heavy = {"json", "difflib", "packaging", "tomllib", "dataclasses", "hashlib", "flake8_mongo_threads.driver._api_data"}
    assert heavy.isdisjoint(loaded)


def test_wrappers_speak_of_known_kinds() -> None:
    for table in (wrappers.CALLS, wrappers.ATTRIBUTES, wrappers.CLASSES):
        assert table
        for family, flavour in table.values():
            assert family in kinds.FAMILIES
            assert flavour in kinds.FLAVOURS
    assert not wrappers.LOOKALIKES & wrappers.CLASSES.keys()


# ---------------------------------------------------------------------- existence over releases


@pytest.mark.parametrize(
    ("module", "name", "since", "status", "history"),
    [
        ("pymongo", "MongoClient", "2.7", Status.OK, ""),
        ("pymongo", "Connection", "4.0", Status.GONE, "removed in 3.0"),
        ("pymongo", "MongoReplicaSetClient", "3.0", Status.SOME, "removed in 4.0"),
        ("pymongo", "AsyncMongoClient", "4.0", Status.SOME, "added in 4.9"),
        ("pymongo", "AsyncMongoClient", "4.9", Status.OK, "added in 4.9"),
        ("pymongo", "ThreadPool", "2.7", Status.NEVER, ""),
        ("pymongo.pool", "ConnectionPool", "2.7", Status.NEVER, ""),
        ("pymongo.errors", "InvalidId", "4.1", Status.GONE, "removed in 4.1"),
        ("pymongo", "objectid", "2.7", Status.GONE, "removed in 2.2"),
        ("pymongo.objectid", "ObjectId", "2.7", Status.GONE, "removed in 2.2"),
        ("pymongo.collection", "Collection", "2.7", Status.OK, ""),
        ("pymongo.collection", "UpdateOne", "4.1", Status.OK, "added in 4.1"),
        ("pymongo", "errors", "2.7", Status.OK, ""),
    ],
)
def test_names(module: str, name: str, since: str, status: Status, history: str) -> None:
    answer = api.name(module, name, pymongo_since(since))
    assert (answer.status, answer.history) == (status, history)


def test_a_name_younger_than_the_target() -> None:
    old = Target(api.everything("pymongo") & ~api.since("pymongo", "4.0"), api.newest("motor"))
    answer = api.name("pymongo", "AsyncMongoClient", old)
    assert (answer.status, answer.since) == (Status.LATER, "4.9")


def test_a_gap_is_not_a_removal() -> None:
    answer = api.member("motor.motor_asyncio.AsyncIOMotorClient", "get_default_database", EVERYTHING)
    assert (answer.status, answer.missing, answer.until) == (Status.SOME, "2.0", "")
    answer = api.loaded_by_package("pymongo.collection", pymongo_since("4.0"))
    assert answer.missing == "4.9–4.11"


@pytest.mark.parametrize(
    ("class_id", "name", "status", "until"),
    [
        ("pymongo.collection.Collection", "insert", Status.GONE, "4.0"),
        ("pymongo.collection.Collection", "insert_one", Status.OK, ""),
        ("pymongo.collection.Collection", "insertOne", Status.NEVER, ""),
        ("pymongo.collection.Collection", "_private", Status.OPEN, ""),
        ("pymongo.database.Database", "collection_names", Status.GONE, "4.0"),
        ("pymongo.cursor.Cursor", "count", Status.GONE, "4.0"),
        ("pymongo.mongo_client.MongoClient", "max_pool_size", Status.GONE, "4.0"),
        ("pymongo.results.InsertManyResult", "inserted_count", Status.NEVER, ""),
        ("bson.son.SON", "items", Status.OPEN, ""),
        ("pymongo.errors.OperationFailure", "code", Status.OK, ""),
        ("pymongo.errors.OperationFailure", "message", Status.OPEN, ""),
    ],
)
def test_members(class_id: str, name: str, status: Status, until: str) -> None:
    answer = api.member(class_id, name, pymongo_since("4.0"))
    assert (answer.status, answer.until) == (status, until)


def test_deprecated_members() -> None:
    assert api.member("pymongo.cursor.Cursor", "max_scan", NEWEST).deprecated
    assert not api.member("pymongo.cursor.Cursor", "limit", NEWEST).deprecated
    assert api.member("pymongo.collection.Collection", "insert", Target(1 << api.minors("pymongo").index("3.0"), 1)).deprecated


def test_one_class_keeps_its_id() -> None:
    for path in ("pymongo.collection.Collection", "pymongo.synchronous.collection.Collection"):
        assert api.resolve(path) == api.Resolved("class", "pymongo.collection.Collection")
    assert api.resolve("pymongo.MongoClient.close") == api.Resolved("member", "pymongo.mongo_client.MongoClient.close")
    assert api.resolve("pymongo.ASCENDING") == api.Resolved("value", "pymongo.ASCENDING")
    assert api.resolve("bson.encode") == api.Resolved("function", "bson.encode")
    assert api.resolve("pymongo.errors") == api.Resolved("module", "pymongo.errors")
    assert api.resolve("pymongo.ThreadPool") is None
    assert api.resolve("flask.Flask") is None


def test_where_unknown_attributes_are_no_error() -> None:
    dynamic = ("pymongo.mongo_client.MongoClient", "pymongo.database.Database", "pymongo.collection.Collection", "gridfs.grid_file.GridOut")
    for path in (*dynamic, "motor.motor_asyncio.AsyncIOMotorDatabase", "pymongo.asynchronous.collection.AsyncCollection"):
        assert api.has_getattr(path), path
    for path in ("pymongo.cursor.Cursor", "pymongo.results.InsertOneResult", "gridfs.GridFSBucket", "pymongo.client_session.ClientSession"):
        assert not api.has_getattr(path), path


@pytest.mark.parametrize(
    ("class_id", "method", "keyword", "status"),
    [
        ("pymongo.collection.Collection", "find", "projection", Status.OK),
        ("pymongo.collection.Collection", "find", "fields", Status.GONE),
        ("pymongo.collection.Collection", "find_one", "timeout", Status.GONE),
        ("pymongo.collection.Collection", "insert_one", "w", Status.NEVER),
        ("pymongo.collection.Collection", "update_one", "let", Status.SOME),
        ("pymongo.collection.Collection", "create_index", "anything", Status.OPEN),
        ("pymongo.collection.Collection", "insertOne", "w", Status.OPEN),
        ("motor.motor_asyncio.AsyncIOMotorCollection", "find", "session", Status.OK),
        ("motor.motor_asyncio.AsyncIOMotorCollection", "update_one", "multi", Status.NEVER),
        ("pymongo.client_session.ClientSession", "start_transaction", "timeout", Status.NEVER),
    ],
)
def test_keywords(class_id: str, method: str, keyword: str, status: Status) -> None:
    assert api.keyword(class_id, method, keyword, pymongo_since("4.0")).status is status


@pytest.mark.parametrize(
    ("key", "status", "spelling"),
    [
        ("maxPoolSize", Status.OK, "maxPoolSize"),
        ("MAXPOOLSIZE", Status.OK, "maxPoolSize"),
        ("max_pool_size", Status.GONE, ""),
        ("pool_size", Status.NEVER, ""),
        ("ssl_ca_certs", Status.GONE, "ssl_ca_certs"),
        ("timeoutMS", Status.SOME, "timeoutMS"),
        ("waitQueueMultiple", Status.OK, "waitQueueMultiple"),
        ("host", Status.OK, ""),
        ("document_class", Status.OK, "document_class"),
    ],
)
def test_options(key: str, status: Status, spelling: str) -> None:
    assert api.option(key, pymongo_since("4.0")).status is status
    assert api.option_spelling(key) == spelling


def test_suggestions() -> None:
    names = {
        ("pymongo", "ReadConcern"): "pymongo.read_concern.ReadConcern",
        ("pymongo", "DuplicateKeyError"): "pymongo.errors.DuplicateKeyError",
        ("pymongo.errors", "ConnectionError"): "pymongo.errors.ConnectionFailure",
        ("pymongo.exceptions", "OperationFailure"): "pymongo.errors.OperationFailure",
        ("pymongo.errors", "OperationFailed"): "pymongo.errors.OperationFailure",
        ("pymongo.objectid", "ObjectId"): "bson.objectid.ObjectId",
        ("motor", "AsyncIOMotorClient"): "motor.motor_asyncio.AsyncIOMotorClient",
        ("pymongo.pool", "ThreadPool"): "",
        ("pymongo", "Quux"): "",
    }
    assert {key: api.suggest_name(*key, NEWEST) for key in names} == names
    members = {
        ("pymongo.collection.Collection", "insertOne"): "insert_one",
        ("pymongo.collection.Collection", "find_many"): "find",
        ("pymongo.collection.Collection", "toArray"): "",
        ("pymongo.database.Database", "get_collection_names"): "list_collection_names",
        ("motor.motor_asyncio.AsyncIOMotorCollection", "insert"): "insert_one",
        ("pymongo.results.DeleteResult", "modified_count"): "deleted_count",
    }
    assert {key: api.suggest_member(*key, NEWEST) for key in members} == members
    options = {"max_pool_size": "maxPoolSize", "serverSelectionTimeout": "serverSelectionTimeoutMS", "poolSize": "maxPoolSize", "zzz": ""}
    assert {key: api.suggest_option(key, NEWEST) for key in options} == options
    assert api.suggest_module("pymongo.exceptions", NEWEST) == "pymongo.errors"


def test_a_suggestion_must_exist_in_the_target() -> None:
    old = Target(1 << api.minors("pymongo").index("3.4"), api.newest("motor"))
    assert api.suggest_member("pymongo.database.Database", "get_collection_names", old) == ""
    assert api.suggest_name("pymongo", "AsyncClient", old) == ""


# ---------------------------------------------------------------------- replacements

CLASS_OF = {
    "client": "pymongo.mongo_client.MongoClient",
    "database": "pymongo.database.Database",
    "collection": "pymongo.collection.Collection",
    "cursor": "pymongo.cursor.Cursor",
    "command-cursor": "pymongo.command_cursor.CommandCursor",
    "change-stream": "pymongo.change_stream.ChangeStream",
    "session": "pymongo.client_session.ClientSession",
    "gridfs": "gridfs.GridFS",
    "gridfs-bucket": "gridfs.GridFSBucket",
    "grid-out": "gridfs.grid_file.GridOut",
}
MOTORS_OWN = {
    ("cursor", "each"),
    ("cursor", "fetch_next"),
    ("cursor", "next_object"),
    ("grid-out", "stream_to_handler"),
    ("client", "io_loop"),
    ("client", "get_io_loop"),
}
# Removed from the module but told by no class of the model: methods that raised since 1.6.
RAISED = {("gridfs", "open"), ("gridfs", "remove")}


@pytest.mark.parametrize("key", sorted(renames.MEMBERS), ids=".".join)
def test_member_replacements_agree_with_the_model(key: tuple[str, str]) -> None:
    family, name = key
    row = renames.MEMBERS[key]
    answer = api.member(CLASS_OF[family], name, NEWEST)
    if key in MOTORS_OWN or key in RAISED:
        return
    if row.removed:
        assert (answer.status, answer.until) == (Status.GONE, row.removed)
    else:
        assert answer.status in (Status.NEVER, Status.OPEN)
    if row.new:
        needs = pymongo_since(row.needs or "2.9")
        assert api.member(CLASS_OF[family], row.new, needs).status is Status.OK


def _path_answer(path: str, target: Target) -> api.Answer:
    parent, _, last = path.rpartition(".")
    found = api.resolve(parent)
    if found is not None and found.kind == "class":
        return api.member(found.path, last, target)
    # A module that was an attribute of its package is gone when the module is.
    answer = api.module(path, target)
    return answer if answer.have else api.name(parent, last, target)


@pytest.mark.parametrize("path", sorted(renames.PATHS))
def test_path_replacements_agree_with_the_model(path: str) -> None:
    row = renames.PATHS[path]
    answer = _path_answer(path, NEWEST)
    if row.removed.startswith("("):
        assert answer.status in (Status.OK, Status.OPEN)
    elif "back" in row.removed or path.endswith("._QUERY_OPTIONS"):
        assert answer.status is Status.OK  # a gap in the releases, or a private name of an existing module
    elif row.removed:
        assert (answer.status, answer.until) == (Status.GONE, row.removed)
    else:
        assert answer.status is Status.NEVER
    if row.new:
        dist = api.distribution(row.new)
        first = row.needs if row.needs in api.minors(dist) else api.minors(dist)[0]
        target = Target(api.since("pymongo", first), api.everything("motor")) if dist == "pymongo" else Target(1, api.since("motor", first))
        assert _path_answer(row.new, target).status in (Status.OK, Status.OPEN)


@pytest.mark.parametrize("key", sorted(renames.OPTIONS))
def test_option_replacements_agree_with_the_model(key: str) -> None:
    row = renames.OPTIONS[key]
    answer = api.option(key, NEWEST)
    if key in renames.IGNORED_OPTIONS:
        assert answer.status is Status.OK
    elif row.removed:
        # Some of the oldest ones were attributes or internal, and never validated.
        assert answer.status in (Status.GONE, Status.NEVER)
        assert answer.until in ("", row.removed)
    else:
        assert answer.status is Status.NEVER
    if row.new:
        assert api.option(row.new, pymongo_since(row.needs)).status is Status.OK


@pytest.mark.parametrize("key", sorted(renames.KEYWORDS), ids=".".join)
def test_keyword_replacements_agree_with_the_model(key: tuple[str, str, str]) -> None:
    family, method, keyword = key
    row = renames.KEYWORDS[key]
    assert api.keyword(CLASS_OF[family], method, keyword, NEWEST).status in (Status.GONE, Status.NEVER, Status.OPEN)
    if row.new:
        assert api.keyword(CLASS_OF[family], method, row.new, pymongo_since(row.needs)).status is Status.OK


def test_classes_of_motor_and_of_pymongo_async_are_of_one_family() -> None:
    for old, target in motor_to_pymongo.CLASSES.items():
        if not old.startswith("motor.motor_asyncio."):
            continue
        before, after = kinds.class_kind(old), kinds.class_kind(f"{target.module}.{target.name}")
        assert before is not None
        assert after is not None
        assert (before[0], before[1], after[1]) == (after[0], "motor", "async")


# ---------------------------------------------------------------------- the builder


def _release(version: str, sources: dict[str, str]) -> typing.Any:
    from tools.driver_model import scan

    modules = {
        name: (text, name.count(".") == 0 or any(other.startswith(name + ".") for other in sources)) for name, text in sources.items()
    }
    return scan.release("pymongo", version, scan.Distribution(modules), "", "")


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="Python 2 is read by lib2to3")
def test_the_builder_reads_any_python() -> None:
    release = _release(
        "2.7.2",
        {
            "pymongo": "from pymongo.collection import *\nfrom pymongo.helpers import helper as h\nimport warnings\n",
            "pymongo.collection": (
                "import socket\n__all__ = ['Collection']\n"
                "class Collection(object):\n    def find(self, spec=None, *args, **kwargs):\n"
                "        try:\n            print 'x'\n        except ValueError, e:\n            raise e\n    next = find\n"
            ),
            "pymongo.helpers": "if 1:\n    def helper(a, b=2, *c, **d): pass\nfor name in 'ab': pass\n",
        },
    )
    assert release.modules["pymongo"]["Collection"] == ("c", "pymongo.collection", "Collection")
    assert release.modules["pymongo"]["h"] == ("f", "pymongo.helpers", "helper")
    assert release.modules["pymongo"]["warnings"].kind == "m"
    assert "socket" not in release.modules["pymongo"]
    assert release.modules["pymongo.helpers"]["name"].kind == "v"
    assert release.functions["pymongo.helpers.helper"].signature == "a,b=,*c,**d"
    assert release.classes["pymongo.collection.Collection"].members["next"].signature == "spec=,*args,**kwargs"


def test_the_builder_folds_releases_and_follows_moves() -> None:
    from tools.driver_model import fold

    client = (
        "class MongoClient:\n    def __getattr__(self, name): ...\n    def close(self): ...\n"
        "    def watch(self, *, session=None) -> 'Stream': ...\nclass Stream: ...\n"
    )
    old = _release(
        "4.8.0", {"pymongo": "from pymongo.mongo_client import MongoClient\n", "pymongo.mongo_client": client + "def gone(): ...\n"}
    )
    new = _release(
        "4.9.2",
        {
            "pymongo": "from pymongo.mongo_client import MongoClient\n",
            "pymongo.mongo_client": "from pymongo.synchronous.mongo_client import *\n",
            "pymongo.synchronous": "",
            "pymongo.synchronous.mongo_client": client.replace("def close(self)", "def close(self, now=False)"),
        },
    )
    data = fold.Fold([old, new]).data()
    assert data["versions"] == {"pymongo": ["4.8.0", "4.9.2"]}
    mask, _, dynamic, members, returns = data["members"]["pymongo.mongo_client.MongoClient"]
    assert data["masks"][mask] == 3
    assert dynamic == "getattr"
    assert [(data["masks"][row[0]], row[1], data["signatures"][row[2]]) for row in members["close"]] == [(1, "m", ""), (2, "m", "now=")]
    assert data["classes"][returns["watch"]] == "pymongo.mongo_client.Stream"
    gone = data["modules"]["pymongo.mongo_client"][3]["gone"]
    assert [data["masks"][row[0]] for row in gone] == [1]


def test_the_builder_expands_what_is_handed_on() -> None:
    from tools.driver_model import fold

    release = _release(
        "4.9.2",
        {
            "pymongo": "",
            "pymongo.cursor": "class Cursor:\n    def __init__(self, collection, filter=None, limit=0, session=None): ...\n",
            "pymongo.collection": (
                "from pymongo.cursor import Cursor\nclass Collection:\n"
                "    def find(self, *args, **kwargs):\n        return Cursor(self, *args, **kwargs)\n"
                "    def find_one(self, filter=None, *args, **kwargs):\n        return self.find(filter, *args, **kwargs)\n"
                "    def command(self, name, **kwargs):\n        return self.find(name, **kwargs)\n"
            ),
        },
    )
    members = release.classes["pymongo.collection.Collection"].members
    expanded = {name: fold.expanded(release.classes, "pymongo.collection.Collection", member) for name, member in members.items()}
    assert expanded == {"find": "filter=,limit=,session=", "find_one": "filter=,limit=,session=", "command": "name,**kwargs"}


def test_the_builder_says_what_changed() -> None:
    from flake8_mongo_threads.driver import _api_data
    from tools.driver_model import compare

    old = compare.state(compare.committed(_api_data))
    assert list(compare.differences(old, old)) == []
    new = {topic: dict(things) for topic, things in old.items()}
    del new["names"]["pymongo.MongoClient"]
    new["options"]["quux"] = "quux in 4.20.0"
    new["modules"]["pymongo.errors"] = "nowhere"
    assert [line[:25] for line in compare.differences(old, new)] == [
        "~ modules: pymongo.errors",
        "- names: pymongo.MongoCli",
        "+ options: quux quux in 4",
    ]


def test_the_generated_modules_are_what_the_builder_writes() -> None:
    from flake8_mongo_threads.driver import _api_data
    from tools.driver_model import compare, render

    text = render.api_module(compare.committed(_api_data))
    assert text == Path(str(_api_data.__file__)).read_text(encoding="utf-8")
