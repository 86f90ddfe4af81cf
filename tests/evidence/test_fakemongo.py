"""The fake server itself: what it emulates, what it refuses, and that its means of arranging things work."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError, OperationFailure

from evidence.fakemongo import FakeServer
from evidence.support import PYMONGO, finish, started


def test_create_read_update_delete(server: FakeServer, orders: Any) -> None:
    """Documents are stored, found in order and in batches, changed and removed as the operators say."""
    orders.insert_many([{"_id": number, "kind": "even" if number % 2 == 0 else "odd"} for number in range(300)])
    assert [order["_id"] for order in orders.find({"kind": "even"}).sort("_id", -1).skip(1).limit(2)] == [296, 294]
    assert len(list(orders.find(batch_size=50))) == 300
    assert orders.find_one({"_id": 1}, {"kind": 1, "_id": 0}) == orders.find_one({"_id": 1}, {"_id": 0}) == {"kind": "odd"}
    assert orders.find_one({"_id": 1}, {"_id": 1}) == orders.find_one({"_id": 1}, {"kind": 0}) == {"_id": 1}
    assert orders.find_one({"_id": 1}, {"kind": 1}) == {"_id": 1, "kind": "odd"}
    assert orders.count_documents({"_id": {"$gte": 290}}) == 10
    assert sorted(orders.distinct("kind")) == ["even", "odd"]
    update = {"$set": {"kind": "changed"}, "$inc": {"n": 2}, "$push": {"tags": "a"}, "$addToSet": {"marks": 1}, "$unset": {"none": ""}}
    assert orders.update_one({"_id": 1}, update).modified_count == 1
    assert orders.find_one({"_id": 1}) == {"_id": 1, "kind": "changed", "n": 2, "tags": ["a"], "marks": [1]}
    assert orders.replace_one({"_id": 2}, {"n": 1}).matched_count == 1
    assert orders.find_one_and_update({"_id": 2}, {"$inc": {"n": 1}}) == {"_id": 2, "n": 1}
    assert orders.find_one_and_delete({"_id": 2}) == {"_id": 2, "n": 2}
    assert orders.delete_many({"$or": [{"kind": "even"}, {"_id": {"$in": [1, 3]}}]}).deleted_count == 151
    assert orders.update_one({"_id": "new"}, {"$setOnInsert": {"n": 1}}, upsert=True).upserted_id == "new"
    assert orders.database.list_collection_names() == ["orders"]
    orders.drop()
    assert server.documents("shop.orders") == []


def test_unique_id(server: FakeServer, orders: Any) -> None:
    """A second document with the same ``_id`` is refused; an unordered bulk goes on after it."""
    orders.insert_one({"_id": 1})
    with pytest.raises(DuplicateKeyError):
        orders.insert_one({"_id": 1})
    with pytest.raises(BulkWriteError):
        orders.insert_many([{"_id": 1}, {"_id": 2}], ordered=False)
    assert [order["_id"] for order in server.documents("shop.orders")] == [1, 2]


def test_abort_restores_what_the_transaction_changed(server: FakeServer, client: Any, orders: Any) -> None:
    """Insert, update and delete of an aborted transaction are undone; those of a committed one stay."""
    before = [{"_id": 1, "n": 1}, {"_id": 2}]
    server.load("shop.orders", before)

    def change(session: Any) -> None:
        orders.insert_one({"_id": 3}, session=session)
        orders.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
        orders.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)
        orders.delete_one({"_id": 2}, session=session)

    with client.start_session() as session:
        session.start_transaction()
        change(session)
        session.abort_transaction()
        assert sorted(server.documents("shop.orders"), key=lambda order: order["_id"]) == before
        session.with_transaction(change)
    assert server.documents("shop.orders") == [{"_id": 1, "n": 3}, {"_id": 3}]


@pytest.mark.parametrize(
    ("run", "code"),
    [
        (lambda orders: orders.database.command("noSuchCommand"), 59),
        (lambda orders: list(orders.aggregate([{"$lookup": {}}])), 40324),
        (lambda orders: orders.find_one({"n": {"$regex": "a"}}), 2),
        (lambda orders: orders.update_one({}, {"$rename": {"a": "b"}}, upsert=True), 9),
        (lambda orders: orders.update_one({}, [{"$set": {"a": 1}}], upsert=True), 2),
    ],
    ids=["command", "stage", "query operator", "update operator", "update pipeline"],
)
def test_refuses_what_it_does_not_emulate(server: FakeServer, orders: Any, run: Any, code: int) -> None:
    """Nothing is answered with an invented success."""
    server.load("shop.orders", [{"_id": 1, "n": "a"}])
    with pytest.raises(OperationFailure) as caught:
        run(orders)
    assert caught.value.code == code


def test_failures(server: FakeServer) -> None:
    """``fail`` answers so many commands with the error, or hangs up, and then no more."""
    single: Any = MongoClient(server.uri, retryReads=False, retryWrites=False)
    with single:
        orders = single.shop.orders
        server.fail("find", code=50, message="too slow", labels=["Label"])
        with pytest.raises(OperationFailure, match="too slow") as caught:
            orders.find_one()
        assert caught.value.code == 50
        assert caught.value.has_error_label("Label")
        server.fail("insert", times=2, hang_up=True)
        for _ in range(2):
            with pytest.raises(AutoReconnect):
                orders.insert_one({})
        orders.insert_one({"_id": 1})
        assert orders.find_one() == {"_id": 1}


def test_gate_holds_replies(server: FakeServer, orders: Any) -> None:
    """A held command has been executed and recorded; its caller waits until the gate opens."""
    done: list[str] = []

    def insert() -> None:
        orders.insert_one({"_id": 1})
        done.append("answered")

    with server.gate("insert", where=lambda insert: insert.collection == "orders") as gate:
        threads = started(insert)
        gate.wait(1)
        assert len(server.documents("shop.orders")) == 1
        assert (gate.held, done) == (1, [])
    finish(*threads)
    assert (gate.held, gate.most_held, gate.expired, done) == (0, 1, False, ["answered"])
    orders.insert_one({"_id": 2})  # An open gate stays open.


def test_record(server: FakeServer, client: Any, orders: Any) -> None:
    """Commands are recorded with what identifies their session and transaction; handshakes are not."""
    orders.find_one()
    with client.start_session() as session, session.start_transaction():
        orders.insert_one({"_id": 1}, session=session)
    find, insert, commit = (command for command in server.commands if command.name in server.names())
    assert (find.name, find.database, find.collection, find.in_transaction, find.number) == ("find", "shop", "orders", False, None)
    assert (insert.in_transaction, insert.starts_transaction, insert.number) == (True, True, 1)
    assert (commit.session, commit.number, commit.starts_transaction, commit.collection) == (insert.session, 1, False, None)
    assert server.connections_open >= 1
    server.forget()
    assert server.commands == []


def test_cursors(server: FakeServer, orders: Any) -> None:
    """A cursor lives at the server until it is read out or closed."""
    server.load("shop.orders", [{"_id": number} for number in range(6)])
    cursor = orders.find(batch_size=2)
    next(cursor)
    assert server.cursors_open == 1
    cursor.close()
    assert server.cursors_open == 0
    assert len(list(orders.aggregate([], batchSize=2))) == 6
    assert server.cursors_open == 0


def test_close_ends_every_wait(server: FakeServer) -> None:
    """Closing the server opens its gates and its connections: a client in the middle of an operation is not left hanging."""
    waiting: Any = MongoClient(server.uri, serverSelectionTimeoutMS=100)
    gate = server.gate("find")

    def find() -> None:
        with contextlib.suppress(AutoReconnect):
            waiting.shop.orders.find_one()

    threads = started(find)
    gate.wait(1)
    server.close()
    server.close()
    finish(*threads)
    waiting.close()


@pytest.mark.skipif(PYMONGO < (3, 6), reason="change streams are new in 3.6")
def test_change_stream_is_silent(orders: Any) -> None:
    """A change stream opens and reports nothing."""
    with orders.watch() as stream:
        assert stream.try_next() is None
