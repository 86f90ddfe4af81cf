"""MDB2xx: what takes part in a transaction, what ends it, and what happens when operations run at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pymongo import MongoClient, monitoring
from pymongo.errors import DuplicateKeyError, InvalidOperation, OperationFailure, PyMongoError

from evidence.fakemongo import PATIENCE, FakeServer
from evidence.support import finish, open_async, run_async, since, started

TRANSIENT = ["TransientTransactionError"]


def transactional(server: FakeServer) -> list[tuple[str, bool]]:
    """Name of every command, and whether it belongs to a transaction."""
    return [(command.name, command.in_transaction) for command in server.commands if command.name in server.names()]


def test_parallel_operations_in_one_transaction(server: FakeServer, client: Any, orders: Any) -> None:
    """MDB201: operations of one session on several threads travel at once, on a connection each, and the driver raises nothing.

    What they say about their transaction is not asserted: the session's bookkeeping is not locked, so that two of them may start
    it, or even carry different session ids. On one thread (see the test of ``gather``) exactly one starts it.
    """
    with client.start_session() as session, server.gate("insert", parties=4) as gate:
        session.start_transaction()
        with ThreadPoolExecutor(4) as executor:
            futures = [executor.submit(orders.insert_one, {"_id": number}, session=session) for number in range(4)]
            errors = [future.exception() for future in futures]
        session.abort_transaction()
    assert gate.most_held == 4
    assert not gate.expired
    inserts = server.seen("insert")[:4]
    assert len({insert.connection for insert in inserts}) == 4
    assert all(insert.in_transaction for insert in inserts)
    assert all(error is None or isinstance(error, OperationFailure) for error in errors)  # Only the server may object.


def test_transaction_overtaken_by_its_second_operation(server: FakeServer) -> None:
    """MDB201: nothing makes the operation that starts the transaction arrive first; the one that overtakes it fails.

    The listener, which runs between the driver's bookkeeping and the sending, holds the starting operation back until the other
    one has been answered. A server answers an operation of a transaction it has not seen with NoSuchTransaction.
    """
    other_sent = threading.Event()

    class HoldStart(monitoring.CommandListener):
        def started(self, event: Any) -> None:
            if event.command.get("startTransaction"):
                started_first.set()
                assert other_sent.wait(PATIENCE)

        def succeeded(self, event: Any) -> None: ...

        def failed(self, event: Any) -> None: ...

    started_first = threading.Event()
    client: Any = MongoClient(server.uri, event_listeners=[HoldStart()])
    with client, client.start_session() as session:
        session.start_transaction()
        threads = started(lambda: client.shop.orders.insert_one({"_id": "first"}, session=session))
        assert started_first.wait(PATIENCE)
        with pytest.raises(OperationFailure) as caught:
            client.shop.orders.insert_one({"_id": "second"}, session=session)
        other_sent.set()
        finish(*threads)
        session.abort_transaction()
    assert caught.value.code == 251
    assert [insert.starts_transaction for insert in server.seen("insert")] == [False, True]


@since(4, 9)
@pytest.mark.parametrize("bound", [False, pytest.param(True, marks=since(4, 17))])
def test_gather_in_one_transaction(server: FakeServer, bound: bool) -> None:
    """MDB202: ``gather`` over operations of one session runs them at once in one transaction, inside ``bind()`` without naming it too."""

    async def main() -> None:
        async with open_async(server.uri) as client, client.start_session() as session:
            orders = client.shop.orders
            await session.start_transaction()
            if bound:
                async with session.bind(end_session=False):
                    inserts = [orders.insert_one({"_id": number}) for number in range(4)]
                    await asyncio.gather(*inserts, return_exceptions=True)
            else:
                inserts = [orders.insert_one({"_id": number}, session=session) for number in range(4)]
                await asyncio.gather(*inserts, return_exceptions=True)
            await session.abort_transaction()

    with server.gate("insert", parties=4) as gate:
        run_async(main)
    assert gate.most_held == 4
    assert not gate.expired
    inserts = server.seen("insert")[:4]
    assert all(insert.in_transaction for insert in inserts)
    assert len({insert.connection for insert in inserts}) == 4
    assert len({(insert.session, insert.number) for insert in inserts}) == 1
    assert [insert.starts_transaction for insert in inserts].count(True) == 1


def test_missing_session(server: FakeServer, client: Any, orders: Any) -> None:
    """MDB203: an operation without ``session=`` inside the block takes no part in the transaction, and survives its abort."""

    class CancelledError(Exception):
        pass

    def order(session: Any) -> None:
        with session.start_transaction():
            orders.insert_one({"_id": "in"}, session=session)
            orders.insert_one({"_id": "out"})
            raise CancelledError

    with client.start_session() as session, pytest.raises(CancelledError):
        order(session)
    assert [(name, inside) for name, inside in transactional(server)] == [("insert", True), ("insert", False), ("abortTransaction", True)]
    inside, outside = server.seen("insert")
    assert inside.session != outside.session
    assert [order["_id"] for order in server.documents("shop.orders")] == ["out"]


def test_session_never_passed(server: FakeServer, client: Any, orders: Any) -> None:
    """MDB203: when no operation names the session there is no transaction at all: not even a commit is sent, and no error."""
    with client.start_session() as session, session.start_transaction():
        orders.insert_one({"_id": 1})
    with client.start_session() as session:
        session.with_transaction(lambda _session: orders.insert_one({"_id": 2}))
    assert transactional(server) == [("insert", False), ("insert", False)]


@since(4, 17)
def test_bind_inside_transaction(server: FakeServer, client: Any, orders: Any) -> None:
    """MDB204: ``bind()`` inside the transaction ends the session at its end, which aborts every write, without an error."""
    with client.start_session() as session, session.start_transaction(), session.bind():
        orders.insert_one({"_id": 1})
    assert transactional(server) == [("insert", True), ("abortTransaction", True)]

    def callback(session: Any) -> None:
        with session.bind():
            orders.insert_one({"_id": 2})

    with client.start_session() as session:
        session.with_transaction(callback)
    assert server.names()[2:] == ["insert", "abortTransaction"]
    assert server.documents("shop.orders") == []


@since(4, 17)
def test_bind_around_transaction(server: FakeServer, client: Any, orders: Any) -> None:
    """MDB204, its fix, and MDB203, what it must not report: the right order, or ``end_session=False``, commits."""
    with client.start_session() as session, session.bind(), session.start_transaction():
        orders.insert_one({"_id": 1})
    with client.start_session() as session, session.start_transaction(), session.bind(end_session=False):
        orders.insert_one({"_id": 2})
    with client.start_session() as session, session.bind():
        session.with_transaction(lambda _session: orders.insert_one({"_id": 3}))
    assert transactional(server) == [("insert", True), ("commitTransaction", True)] * 3
    assert len(server.documents("shop.orders")) == 3


@since(4, 17)
def test_bind_does_not_reach_threads(server: FakeServer, client: Any, orders: Any) -> None:
    """MDB205: inside ``bind()`` work on other threads runs outside the transaction; ``asyncio.to_thread`` copies the context."""

    async def offload() -> None:
        await asyncio.to_thread(orders.insert_one, {"by": "to_thread"})
        await asyncio.get_running_loop().run_in_executor(None, orders.insert_one, {"by": "run_in_executor"})

    with client.start_session() as session, session.bind(end_session=False), session.start_transaction():
        orders.insert_one({"by": "same thread"})
        finish(*started(lambda: orders.insert_one({"by": "Thread"})))
        with ThreadPoolExecutor(1) as executor:
            executor.submit(orders.insert_one, {"by": "submit"}).result()
        asyncio.run(offload())
    inherits = bool(getattr(sys.flags, "thread_inherit_context", 0))  # Free-threaded 3.14 hands contexts to threads.
    assert {insert.body["documents"][0]["by"]: insert.in_transaction for insert in server.seen("insert")} == {
        "same thread": True,
        "to_thread": True,
        "Thread": inherits,
        "submit": inherits,
        "run_in_executor": inherits,
    }


def test_session_of_another_client(server: FakeServer, client: Any, orders: Any) -> None:
    """MDB206: a session works only with the client that started it."""
    other: Any = MongoClient(server.uri)
    refused = pytest.raises(InvalidOperation, match="Can only use session with the MongoClient that started it")
    with other, other.start_session() as session, refused:
        orders.find_one(session=session)
    assert server.seen("find") == []


@since(4, 16)
def test_async_session_with_a_sync_operation(server: FakeServer, orders: Any) -> None:
    """MDB206: an async session handed to a synchronous operation is a ValueError (the check is new in 4.16)."""

    async def main() -> None:
        async with open_async(server.uri) as client, client.start_session() as session:
            with pytest.raises(ValueError, match="must be a ClientSession"):
                orders.find_one(session=session)

    run_async(main)


@since(4, 17)
def test_other_client_inside_bind(server: FakeServer, client: Any) -> None:
    """MDB206: inside ``bind()`` an operation of another client is refused."""
    other: Any = MongoClient(server.uri)
    refused = pytest.raises(InvalidOperation, match="Only the client that created the bound session")
    with other, client.start_session() as session, session.bind(), refused:
        other.shop.orders.find_one()


def test_session_used_after_end(server: FakeServer, client: Any, orders: Any) -> None:
    """MDB207: an ended session, and a lazy cursor made with it, raise; an aggregate cursor does so at its first getMore."""
    server.load("shop.orders", [{"_id": number} for number in range(5)])
    with client.start_session() as session:
        lazy = orders.find({}, session=session)
        one_batch = orders.aggregate([], session=session)
        two_batches = orders.aggregate([], session=session, batchSize=2)
    for use in (lambda: orders.find_one(session=session), lambda: list(lazy), lambda: list(two_batches)):
        with pytest.raises(InvalidOperation, match="Cannot use ended session"):
            use()
    assert len(list(one_batch)) == 5
    assert server.seen("find") == []


@since(4, 17)
def test_session_used_after_bind(client: Any, orders: Any) -> None:
    """MDB207: a plain ``with session.bind():`` ends the session."""
    with client.start_session() as session:
        with session.bind():
            orders.insert_one({})
        with pytest.raises(InvalidOperation, match="Cannot use ended session"):
            orders.find_one(session=session)


def test_error_swallowed_in_a_transaction_block(server: FakeServer, client: Any, orders: Any) -> None:
    """MDB208: a driver error swallowed inside the block does not stop the commit; the server has long aborted: all is lost.

    That an error inside a transaction ends it, so that the commit finds no transaction, is the server's part (manual: "Transactions
    and Operations"; specification: transactions); that the driver still commits is what the release under test does.
    """
    server.load("shop.orders", [{"_id": "taken"}])

    def place(session: Any) -> None:
        with session.start_transaction():
            orders.insert_one({"_id": "new"}, session=session)
            with contextlib.suppress(DuplicateKeyError):
                orders.insert_one({"_id": "taken"}, session=session)

    with client.start_session() as session, pytest.raises(OperationFailure) as caught:
        place(session)
    assert caught.value.code == 251
    assert server.names() == ["insert", "insert", "commitTransaction"]
    assert [order["_id"] for order in server.documents("shop.orders")] == ["taken"]


def test_error_swallowed_in_a_callback(server: FakeServer, client: Any, orders: Any) -> None:
    """MDB208: ``with_transaction`` takes the failed commit for transient and runs the callback again (for up to 120 seconds)."""
    server.load("shop.orders", [{"_id": "taken"}])
    keys = iter(["taken", "taken", "free"])
    runs: list[str] = []

    def callback(session: Any) -> None:
        runs.append(next(keys))
        with contextlib.suppress(PyMongoError):
            orders.insert_one({"_id": runs[-1]}, session=session)

    with client.start_session() as session:
        session.with_transaction(callback)
    assert runs == ["taken", "taken", "free"]
    assert server.names("abortTransaction") == ["insert", "commitTransaction"] * 3


def test_transaction_never_committed(server: FakeServer, client: Any, orders: Any) -> None:
    """MDB209: a transaction started by hand and not committed is aborted at the end of the session: every write lost, no error."""
    with client.start_session() as session:
        session.start_transaction()
        orders.insert_one({"_id": 1}, session=session)
    assert transactional(server) == [("insert", True), ("abortTransaction", True)]
    assert server.documents("shop.orders") == []
    with client.start_session() as session:
        session.start_transaction()
        orders.insert_one({"_id": 2}, session=session)
        session.commit_transaction()
        session.commit_transaction()  # Legal: the explicit retry of a commit.
    assert server.names()[2:] == ["insert", "commitTransaction", "commitTransaction"]
    assert [order["_id"] for order in server.documents("shop.orders")] == [2]


def test_async_callback_for_a_sync_session(server: FakeServer, client: Any, orders: Any) -> None:
    """MDB210: the synchronous ``with_transaction`` given an ``async def`` returns a coroutine, runs nothing, commits nothing."""

    async def callback(session: Any) -> None:
        orders.insert_one({}, session=session)

    with client.start_session() as session:
        returned = session.with_transaction(callback)
    assert inspect.iscoroutine(returned)
    returned.close()
    assert server.names() == []


@since(4, 9)
def test_sync_callback_for_an_async_session(server: FakeServer) -> None:
    """MDB210: the async ``with_transaction`` given a plain function runs it and then fails to await its result."""
    calls: list[Any] = []

    def callback(session: Any) -> int:
        calls.append(session)
        return 1

    async def main() -> None:
        async with open_async(server.uri) as client, client.start_session() as session:
            with pytest.raises(TypeError, match="await"):
                await session.with_transaction(callback)

    run_async(main)
    assert len(calls) == 1


def test_callback_that_starts_a_transaction(client: Any, orders: Any) -> None:
    """MDB210: inside a callback the transaction is already in progress; a commit there ends it early, and in silence."""

    def starts(session: Any) -> None:
        with session.start_transaction():
            orders.insert_one({}, session=session)

    with client.start_session() as session, pytest.raises(InvalidOperation, match="Transaction already in progress"):
        session.with_transaction(starts)


def test_callback_that_commits(server: FakeServer, client: Any, orders: Any) -> None:
    """MDB210: what a callback does after a commit of its own is not in the transaction any more."""

    def commits(session: Any) -> None:
        orders.insert_one({"_id": 1}, session=session)
        session.commit_transaction()
        orders.insert_one({"_id": 2}, session=session)

    with client.start_session() as session:
        session.with_transaction(commits)
    assert transactional(server) == [("insert", True), ("commitTransaction", True), ("insert", False)]


def test_callback_runs_again(server: FakeServer, client: Any, orders: Any) -> None:
    """MDB211: after a transient error the whole callback runs again, its effects outside the database included."""
    server.fail("insert", times=2, labels=TRANSIENT)
    mails: list[str] = []

    def callback(session: Any) -> None:
        mails.append("order confirmed")
        orders.insert_one({"_id": 1}, session=session)

    with client.start_session() as session:
        session.with_transaction(callback)
    assert len(mails) == 3
    assert len(server.documents("shop.orders")) == 1


@since(4, 9)
def test_start_transaction_without_await(server: FakeServer) -> None:
    """MDB502 in a transaction: without ``await`` no transaction starts; the write happens outside, and only a commit would notice."""

    async def main() -> None:
        async with open_async(server.uri) as client, client.start_session() as session:
            session.start_transaction()
            await client.shop.orders.insert_one({"_id": 1}, session=session)
            with pytest.raises(InvalidOperation, match="No transaction started"):
                await session.commit_transaction()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run_async(main)
    assert any("start_transaction' was never awaited" in str(warning.message) for warning in caught)
    assert transactional(server) == [("insert", False)]
