"""MDB1xx: what a client costs, what closing it does, and who still uses it then."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import InvalidOperation, PyMongoError

from evidence.fakemongo import FakeServer
from evidence.support import PYMONGO, finish, open_async, run_async, set_on_exit, since, started

DOCUMENTS = [{"_id": number} for number in range(250)]
"""More than the 101 documents of a first batch."""


def open_client(server: FakeServer) -> Any:
    """A client that the test closes."""
    return MongoClient(server.uri)


def carriers(server: FakeServer) -> int:
    """How many connections carried a find."""
    return len({find.connection for find in server.seen("find")})


def test_client_per_iteration(server: FakeServer) -> None:
    """MDB101, MDB103: a client per iteration, or per request, connects anew (and so does its monitor); a shared one stays connected."""
    for number in range(5):
        with open_client(server) as client:
            client.shop.orders.find_one({"_id": number})
    assert carriers(server) == 5
    assert server.connections_opened >= 10
    server.forget()
    with open_client(server) as client:
        for number in range(5):
            client.shop.orders.find_one({"_id": number})
    assert carriers(server) == 1


def test_client_per_thread(server: FakeServer) -> None:
    """MDB102: a client per job opens a connection per job; one shared client serves all threads with a connection per *busy* thread."""
    jobs = range(20)

    def with_own_client(number: int) -> None:
        with open_client(server) as client:
            client.shop.orders.find_one({"_id": number})

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(with_own_client, jobs))
    assert carriers(server) == len(jobs)
    server.forget()
    with open_client(server) as client, ThreadPoolExecutor(4) as executor:
        list(executor.map(lambda number: client.shop.orders.find_one({"_id": number}), jobs))
    assert carriers(server) <= 4


def test_client_is_thread_safe(server: FakeServer, orders: Any) -> None:
    """MDB102, MDB705: threads that use one client at the same time need no lock: every write arrives once, and they overlap."""
    with server.gate("insert", parties=8) as gate, ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda number: orders.insert_one({"_id": number}), range(200)))
    assert gate.most_held == 8
    assert not gate.expired
    assert {order["_id"] for order in server.documents("shop.orders")} == set(range(200))


@since(4, 9)
def test_async_client_per_task(server: FakeServer) -> None:
    """MDB104: an async client per task connects per task; tasks that share one use as many connections as they need at once."""

    async def own(number: int) -> None:
        async with open_async(server.uri) as client:
            await client.shop.orders.find_one({"_id": number})

    async def one_after_the_other_shared() -> None:
        async with open_async(server.uri) as client:
            for number in range(10):
                await asyncio.create_task(client.shop.orders.find_one({"_id": number}))

    async def each_its_own() -> None:
        await asyncio.gather(*map(own, range(10)))

    run_async(each_its_own)
    assert carriers(server) == 10
    server.forget()
    run_async(one_after_the_other_shared)
    assert carriers(server) == 1


@since(4, 0)
def test_close_is_for_everyone(server: FakeServer) -> None:
    """MDB105: a shared client that one worker closes is closed for all others, for good."""
    client = open_client(server)
    client.shop.orders.find_one()
    finish(*started(client.close))
    with pytest.raises(InvalidOperation, match="Cannot use MongoClient after close"):
        client.shop.orders.find_one()
    client.close()  # A second close is no error, and brings nothing back.
    with pytest.raises(InvalidOperation):
        client.admin.command("ping")


@since(4, 0)
def test_use_after_close(server: FakeServer) -> None:
    """MDB106: operations after ``close()`` or after the ``with`` block raise, on a client that never connected as well."""
    with open_client(server) as client:
        orders = client.shop.orders
    assert orders.name == "orders"  # No I/O, no error.
    never_used: Any = MongoClient(server.uri, connect=False)
    never_used.close()
    for collection in (orders, never_used.shop.orders):
        with pytest.raises(InvalidOperation, match="after close"):
            collection.find_one()


@since(4, 0)
def test_lazy_cursor_returned_from_with(server: FakeServer) -> None:
    """MDB106: a find cursor (or a generator over it) returned out of the client's block raises at its first document."""
    server.load("shop.orders", DOCUMENTS[:3])

    def cursor() -> Any:
        with open_client(server) as client:
            return client.shop.orders.find()

    def generator() -> Any:
        with open_client(server) as client:
            return (order["_id"] for order in client.shop.orders.find())

    def documents() -> Any:
        with open_client(server) as client:
            return list(client.shop.orders.find())

    def owning_generator() -> Any:
        with open_client(server) as client:
            yield from client.shop.orders.find()

    for lazy in (cursor, generator):
        with pytest.raises(InvalidOperation, match="after close"):
            list(lazy())
    assert server.seen("find") == []
    assert len(documents()) == len(list(owning_generator())) == 3


@since(4, 9)
def test_aggregate_returned_from_with(server: FakeServer) -> None:
    """MDB106: an aggregate cursor that escapes works as long as the first batch holds everything, and raises at the first getMore.

    Some releases say InvalidOperation there, some the pool's own ``_PoolClosedError``; both are PyMongoErrors.
    """

    def report() -> Any:
        with open_client(server) as client:
            return client.shop.orders.aggregate([{"$match": {}}])

    server.load("shop.orders", DOCUMENTS[:50])
    assert len(list(report())) == 50
    server.load("shop.orders", DOCUMENTS)
    cursor = report()
    assert len([next(cursor) for _ in range(101)]) == 101
    with pytest.raises(PyMongoError, match=r"after close|closed connection pool"):
        next(cursor)


@since(4, 9)
def test_lazy_async_cursor_returned_from_with(server: FakeServer) -> None:
    """MDB106: the same holds for the async client."""

    async def main() -> None:
        async with open_async(server.uri) as client:
            cursor = client.shop.orders.find()
        with pytest.raises(InvalidOperation, match="after close"):
            await cursor.to_list()

    run_async(main)


@since(4, 0)
def test_client_closes_before_the_executor_drains(server: FakeServer) -> None:
    """MDB107: context managers exit in reverse: in ``with executor, client`` the client closes before the executor waits for its jobs."""
    closed = threading.Event()

    def job(client: Any) -> None:
        assert closed.wait(10)
        client.shop.orders.insert_one({})

    # The event is set between the two exits; the jobs only wait for it to make the order visible every time.
    with ThreadPoolExecutor(2) as executor, set_on_exit(closed), open_client(server) as client:
        futures = [executor.submit(job, client) for _ in range(2)]
    assert [type(future.exception()) for future in futures] == [InvalidOperation, InvalidOperation]
    assert server.seen("insert") == []

    closed.clear()
    with open_client(server) as client, ThreadPoolExecutor(2) as executor, set_on_exit(closed):
        futures = [executor.submit(job, client) for _ in range(2)]
    assert [future.exception() for future in futures] == [None, None]
    assert len(server.seen("insert")) == 2


@since(4, 0)
def test_client_closes_before_the_thread_ends(server: FakeServer) -> None:
    """MDB107: a thread started in the client's block and not joined there works with a closed client."""
    closed = threading.Event()
    errors: list[BaseException] = []

    def work(client: Any) -> None:
        assert closed.wait(10)
        try:
            client.shop.orders.find_one()
        except InvalidOperation as error:
            errors.append(error)

    with set_on_exit(closed), open_client(server) as client:
        [thread] = started(lambda: work(client))
    finish(thread)
    assert len(errors) == 1


def test_session_ends_before_the_executor_drains(server: FakeServer, client: Any) -> None:
    """MDB107: the same order with a session."""
    ended = threading.Event()

    def job(session: Any) -> None:
        assert ended.wait(10)
        client.shop.orders.find_one(session=session)

    with ThreadPoolExecutor(1) as executor, set_on_exit(ended), client.start_session() as session:
        future = executor.submit(job, session)
    assert isinstance(future.exception(), InvalidOperation)
    assert "ended session" in str(future.exception())


@since(4, 9)
@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.TaskGroup is new in Python 3.11")
def test_async_client_closes_before_the_task_group(server: FakeServer) -> None:
    """MDB107: ``async with TaskGroup() as group, AsyncMongoClient() as client``: the client closes before the tasks are awaited."""
    assert sys.version_info >= (3, 11)  # For type checkers; the mark above is what skips.

    async def job(client: Any) -> None:
        await client.shop.orders.find_one()

    async def swapped() -> list[type[BaseException]]:
        try:
            async with asyncio.TaskGroup() as group, open_async(server.uri) as client:
                group.create_task(job(client))
        except BaseException as error:
            return [type(part) for part in getattr(error, "exceptions", [error])]
        return []

    async def right() -> None:
        async with open_async(server.uri) as client, asyncio.TaskGroup() as group:
            group.create_task(job(client))

    assert run_async(swapped) == [InvalidOperation]
    run_async(right)
    assert len(server.seen("find")) == 1


@pytest.mark.parametrize("operation", ["find_one", "insert_one"])
def test_client_reconnects_by_itself(server: FakeServer, client: Any, operation: str) -> None:
    """MDB108: after a network fault the same client goes on: reads and writes are retried on a new connection; no new client is needed."""
    run = getattr(client.shop.orders, operation)
    run({"_id": 1})
    [before] = server.seen("find", "insert")
    server.fail(before.name, hang_up=True)
    run({"_id": 2})
    attempts = server.seen(before.name)
    assert len(attempts) == 3  # The one before, the one cut off, its retry.
    assert attempts[2].connection != before.connection


def test_unlocked_lazy_client(server: FakeServer) -> None:
    """MDB109: check-then-create without a lock builds a client per thread that arrives before the first one is stored."""
    holder: dict[str, Any] = {}
    everyone_looked = threading.Barrier(4)
    built: list[Any] = []

    def get_client() -> Any:
        if "client" not in holder:
            everyone_looked.wait(10)
            built.append(open_client(server))
            holder["client"] = built[-1]
        return holder["client"]

    finish(*started(*[get_client] * 4))
    with contextlib.ExitStack() as stack:
        for client in built:
            stack.enter_context(client)
        assert len({id(client) for client in built}) == 4


@pytest.mark.skipif(PYMONGO >= (4, 0), reason="a closed client reopens only before 4.0")
def test_closed_client_reopens(server: FakeServer) -> None:
    """MDB105, MDB106: before 4.0 a closed client reopens, which is why the rules do not speak there."""
    client = open_client(server)
    client.close()
    client.shop.orders.find_one()
    client.close()
    assert len(server.seen("find")) == 1
