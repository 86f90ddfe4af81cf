"""MDB0xx: names that do not exist, names that are gone or younger than the driver, truth value."""

from __future__ import annotations

from typing import Any

import pymongo
import pymongo.pool
import pytest
from pymongo.client_session import ClientSession

from evidence.fakemongo import FakeServer
from evidence.support import PYMONGO, since


@pytest.mark.parametrize(
    "statement",
    [
        "from pymongo.pool import ThreadPool",
        "from pymongo.pool import ConnectionPool",
        "from pymongo import ThreadPool",
        "from pymongo import ConnectionPool",
        "import pymongo.connection_pool",
        "import pymongo.thread_pool",
    ],
)
def test_nonexistent_import(statement: str) -> None:
    """MDB001: no release of the driver ever had a thread pool or a public connection pool; the import fails."""
    with pytest.raises(ImportError):
        exec(statement, {})


def test_nonexistent_attribute_of_a_module() -> None:
    """MDB001: ``pymongo.pool.ThreadPool(5, max_size=10)`` is an AttributeError."""
    module: Any = pymongo.pool
    with pytest.raises(AttributeError, match="ThreadPool"):
        module.ThreadPool(5, max_size=10)


@pytest.mark.parametrize("name", ["is_connected", "ThreadPool", "get_pool", "disconnect", "start_request"])
def test_nonexistent_method_of_a_client(client: Any, server: FakeServer, name: str) -> None:
    """MDB001, MDB002: an unknown attribute of a client is a Database; calling it is a TypeError."""
    assert type(getattr(client, name)).__name__ == "Database"
    with pytest.raises(TypeError, match="not callable"):
        getattr(client, name)()


@since(4, 0)
@pytest.mark.parametrize("name", ["closed", "is_closed", "connected", "is_connected", "pool"])
def test_nonexistent_attribute_in_a_condition(client: Any, name: str) -> None:
    """MDB001: ``if client.closed`` does not test anything, it raises: the attribute is a Database."""
    with pytest.raises(NotImplementedError, match="compare with None"):
        bool(getattr(client, name))


def test_nonexistent_method_of_a_collection(orders: Any, server: FakeServer) -> None:
    """MDB001: ``coll.insertOne(...)``, as in the shell, is a Collection that is not callable; nothing is stored."""
    with pytest.raises(TypeError, match="not callable"):
        orders.insertOne({"_id": 1})
    assert server.documents("shop.orders") == []


def test_hasattr_on_an_instance_guards_nothing(client: Any) -> None:
    """MDB001: ``hasattr`` on a client, database or collection is always true."""
    assert hasattr(client, "is_connected")
    assert hasattr(client.shop, "authenticate")
    assert hasattr(client.shop.orders, "insertOne")


@since(4, 0)
@pytest.mark.parametrize("name", ["insert", "save", "update", "remove", "ensure_index", "map_reduce", "group"])
def test_removed_method_of_a_collection(orders: Any, name: str) -> None:
    """MDB002: the collection methods removed in 4.0 became sub-collections; calling one is a TypeError."""
    with pytest.raises(TypeError, match="not callable"):
        getattr(orders, name)({})


@since(4, 0)
def test_removed_names() -> None:
    """MDB002: ``Connection`` (removed in 3.0), ``MongoReplicaSetClient`` and ``Cursor.count`` (removed in 4.0) are gone."""
    assert not hasattr(pymongo, "Connection")
    assert not hasattr(pymongo, "MongoReplicaSetClient")
    assert not hasattr(pymongo.cursor.Cursor, "count")


@pytest.mark.parametrize(
    ("owner", "name", "release"),
    [
        (pymongo, "AsyncMongoClient", (4, 9)),
        (pymongo, "timeout", (4, 2)),
        (ClientSession, "bind", (4, 17)),
        (pymongo.MongoClient, "append_metadata", (4, 14)),
        (pymongo.MongoClient, "bulk_write", (4, 9)),
    ],
)
def test_first_release_of_a_name(owner: object, name: str, release: tuple[int, ...]) -> None:
    """MDB003: the name exists exactly from this release on (looked up on classes and modules, where ``hasattr`` is truthful)."""
    assert hasattr(owner, name) == (release <= PYMONGO)


@since(4, 0)
def test_truth_value_raises(client: Any) -> None:
    """MDB007: the truth value of a Database or Collection raises; that of a client does not, and ``is not None`` is the test."""
    for condition in (lambda: bool(client.shop), lambda: not client.shop, lambda: client.shop.orders or None, lambda: client.shop and 1):
        with pytest.raises(NotImplementedError, match="compare with None"):
            condition()
    assert bool(client) is True
    assert client.shop is not None
