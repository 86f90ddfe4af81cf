"""MDB5xx: blocking calls, missing and wrong awaits, event loops, in PyMongo Async and in Motor."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import inspect
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient, monitoring

from evidence.fakemongo import PATIENCE, FakeServer
from evidence.support import finish, open_async, run_async, run_program, since, started

pytestmark = since(4, 9)

DOCUMENTS = [{"_id": number} for number in range(5)]


def open_pymongo(server: FakeServer) -> Any:
    """A client of PyMongo Async."""
    return open_async(server.uri)


def open_motor(server: FakeServer) -> Any:
    """A client of Motor; the test is skipped where Motor is not installed."""
    return pytest.importorskip("motor.motor_asyncio").AsyncIOMotorClient(server.uri)


@contextlib.contextmanager
def never_awaited() -> Iterator[list[str]]:
    """Collect what Python says about coroutines that nobody awaited; it says so when they are freed."""
    names: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield names
        gc.collect()
        messages = [str(warning.message) for warning in caught if issubclass(warning.category, RuntimeWarning)]
    names.extend(message.split("'")[1].rpartition(".")[2] for message in messages if "was never awaited" in message)


def test_blocking_call_stops_the_loop(server: FakeServer, orders: Any) -> None:
    """MDB501: while a synchronous operation waits for the server nothing else runs on the loop; with ``to_thread`` it does."""
    loop_ran = threading.Event()
    observed: list[bool] = []

    def observe(gate: Any, patience: float) -> None:
        gate.wait(1)
        observed.append(loop_ran.wait(patience))  # Whether a callback of the loop ran while the operation was under way.
        gate.open()

    async def blocking() -> None:
        asyncio.get_running_loop().call_soon(loop_ran.set)
        orders.find_one()

    async def offloaded() -> None:
        asyncio.get_running_loop().call_soon(loop_ran.set)
        await asyncio.to_thread(orders.find_one)

    # In the first case the callback cannot run before the gate opens, however long the observer waits: the short wait is no race.
    for main, patience in ((blocking, 0.1), (offloaded, PATIENCE)):
        loop_ran.clear()
        with server.gate("find") as gate:
            threads = started(functools.partial(observe, gate, patience))
            run_async(main)
            finish(*threads)
    assert observed == [False, True]


def test_lazy_calls_do_not_block(server: FakeServer, client: Any) -> None:
    """MDB501, what it must not report: ``find()`` and the way to a collection send nothing."""
    client["shop"]["orders"].find({}).sort("_id").limit(1)
    assert server.names() == []


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda client: client.shop.orders.insert_one({"_id": 1}), "insert_one"),
        (lambda client: client.shop.orders.find_one(), "find_one"),
        (lambda client: client.shop.orders.find().to_list(), "to_list"),
        (lambda client: client.shop.list_collection_names(), "list_collection_names"),
        (lambda client: client.start_session().start_transaction(), "start_transaction"),
        (lambda client: client.close(), "close"),
    ],
)
def test_missing_await_runs_nothing(server: FakeServer, call: Callable[[Any], Any], name: str) -> None:
    """MDB502: a coroutine of PyMongo Async that nobody awaits never runs."""

    async def main() -> None:
        client = open_pymongo(server)
        with never_awaited() as names:
            call(client)
        assert names == [name]
        assert server.names() == []
        await client.close()

    run_async(main)


def test_motor_runs_without_await(server: FakeServer) -> None:
    """MDB502 for Motor: the un-awaited write runs (only its errors are lost), which is why the fix is not safe there."""

    async def main() -> None:
        client = open_motor(server)
        client.shop.orders.insert_one({"_id": 1})
        await asyncio.to_thread(server.wait_for, "insert")
        assert await client.shop.orders.find_one() == {"_id": 1}
        client.close()

    run_async(main)
    assert server.documents("shop.orders") == [{"_id": 1}]


@pytest.mark.parametrize("open_client", [open_pymongo, open_motor])
def test_unawaited_result_is_always_true(server: FakeServer, open_client: Callable[[FakeServer], Any]) -> None:
    """MDB502: ``if coll.find_one(query):`` is always true, in PyMongo Async and in Motor."""

    async def main() -> None:
        client = open_client(server)
        with never_awaited():
            result = client.shop.orders.find_one({"_id": "no such document"})
            assert bool(result) is True
            if inspect.isawaitable(result):
                assert await result is None
        closing = client.close()
        if closing is not None:
            await closing

    run_async(main)


def test_awaited_elsewhere(server: FakeServer) -> None:
    """MDB502, what it must not report: a coroutine handed to ``gather``, ``create_task``, ``wait_for``, or kept and awaited later."""

    async def main() -> None:
        async with open_pymongo(server) as client:
            orders = client.shop.orders
            later = orders.insert_one({"_id": 1})
            await asyncio.gather(*[orders.insert_one({"_id": number}) for number in (2, 3)])
            await asyncio.create_task(orders.insert_one({"_id": 4}))
            await asyncio.wait_for(orders.insert_one({"_id": 5}), PATIENCE)
            await later

    with never_awaited() as names:
        run_async(main)
    assert names == []
    assert len(server.documents("shop.orders")) == 5


async def drain(iterable: Any) -> list[Any]:
    """The documents of an async iterable."""
    return [document async for document in iterable]


async def enter(manager: Any) -> None:
    """Enter and leave an async context manager."""
    async with manager:
        pass


async def enter_plain(manager: Any) -> None:
    """Enter and leave a context manager."""
    with manager:
        pass


async def awaited(awaitable: Any) -> Any:
    """Await an expression."""
    return await awaitable


async def aggregate_awaited(client: Any) -> None:
    await drain(await client.shop.orders.aggregate([]))


async def watch_awaited(client: Any) -> None:
    await enter(await client.shop.orders.watch())


async def session_awaited(client: Any) -> None:
    await enter(await client.start_session())


async def transaction(client: Any) -> None:
    session = client.start_session()
    if inspect.isawaitable(session):
        session = await session
    await enter(session.start_transaction())


async def transaction_awaited(client: Any) -> None:
    session = client.start_session()
    if inspect.isawaitable(session):
        session = await session
    await enter(await session.start_transaction())


async def primary_awaited(client: Any) -> None:
    await client.primary


FORMS: list[tuple[str, Callable[[Any], Any], bool, bool]] = [
    # The expression; whether it works in PyMongo Async; whether it works in Motor. Where it does not, it is a TypeError.
    ("await coll.find()", lambda client: awaited(client.shop.orders.find()), False, False),
    ("await client['db']", lambda client: awaited(client["db"]), False, False),
    ("await client.get_database('db')", lambda client: awaited(client.get_database("db")), False, False),
    ("async for … in coll.find()", lambda client: drain(client.shop.orders.find()), True, True),
    ("async for … in coll.aggregate([])", lambda client: drain(client.shop.orders.aggregate([])), False, True),
    ("async for … in await coll.aggregate([])", aggregate_awaited, True, False),
    ("async with coll.watch()", lambda client: enter(client.shop.orders.watch()), False, True),
    ("async with await coll.watch()", watch_awaited, True, False),
    ("async with client.start_session()", lambda client: enter(client.start_session()), True, False),
    ("async with await client.start_session()", session_awaited, False, True),
    ("async with session.start_transaction()", transaction, False, True),
    ("async with await session.start_transaction()", transaction_awaited, True, False),
    ("with client.start_session()", lambda client: enter_plain(client.start_session()), False, False),
    ("await client.primary", primary_awaited, True, False),
    ("await client.close()", lambda client: awaited(client.close()), True, False),
]


@pytest.mark.parametrize("open_client", [open_pymongo, open_motor])
@pytest.mark.parametrize(("form", "run", "pymongo_works", "motor_works"), FORMS, ids=[form[0] for form in FORMS])
def test_forms(
    server: FakeServer,
    open_client: Callable[[FakeServer], Any],
    form: str,
    run: Callable[[Any], Any],
    pymongo_works: bool,
    motor_works: bool,
) -> None:
    """MDB503: which of the forms with and without ``await`` works, per class; the others raise TypeError (AttributeError on 3.10)."""
    works = pymongo_works if open_client is open_pymongo else motor_works

    async def main() -> None:
        client = open_client(server)
        await client.admin.command("ping")  # Motor and PyMongo know their primary once connected.
        with never_awaited():
            if works:
                await run(client)
            else:
                with pytest.raises((TypeError, AttributeError)):
                    await run(client)
        closing = client.close()
        if closing is not None:
            await closing

    run_async(main)


def test_attribute_of_an_unawaited_result(server: FakeServer) -> None:
    """MDB503: ``await coll.insert_one(doc).inserted_id`` asks the coroutine for the attribute."""

    async def main() -> None:
        async with open_pymongo(server) as client:
            with never_awaited(), pytest.raises(AttributeError, match="inserted_id"):
                await client.shop.orders.insert_one({}).inserted_id

    run_async(main)
    assert server.documents("shop.orders") == []


def test_await_of_a_synchronous_operation(server: FakeServer, client: Any, orders: Any) -> None:
    """MDB503: ``await`` on an operation of the synchronous client raises, after the operation has happened; so do the async forms."""

    async def async_with() -> None:
        await enter(client)

    for wrong in (lambda: awaited(orders.insert_one({"_id": 1})), lambda: awaited(orders.find_one()), lambda: drain(orders.find())):
        with pytest.raises(TypeError):
            run_async(wrong)
    with pytest.raises((TypeError, AttributeError)):
        run_async(async_with)
    assert len(server.documents("shop.orders")) == 1


def test_plain_with_of_an_async_client(server: FakeServer) -> None:
    """MDB503: ``with AsyncMongoClient()`` is refused."""

    async def main() -> None:
        client = open_pymongo(server)
        with pytest.raises((TypeError, AttributeError)):
            await enter_plain(client)
        await client.close()

    run_async(main)


@pytest.mark.parametrize(
    ("consume", "nothing"),
    [
        (lambda cursor: [order for order in cursor if order], []),
        (list, []),
        (lambda cursor: [*cursor], []),
        (sorted, []),
        (lambda cursor: sum(1 for _ in cursor), 0),
        (lambda cursor: max(cursor, default="none"), "none"),
        (any, False),
        (lambda cursor: {"_id": 0} in cursor, False),
        (lambda cursor: list(zip(cursor, [1], strict=False)), []),
    ],
    ids=["comprehension", "list", "star", "sorted", "sum", "max", "any", "in", "zip"],
)
def test_sync_iteration_of_an_async_cursor(server: FakeServer, consume: Callable[[Any], Any], nothing: Any) -> None:
    """MDB504: plain iteration of an AsyncCursor yields nothing, asks the server nothing, raises nothing."""
    server.load("shop.orders", DOCUMENTS)

    async def main() -> None:
        async with open_pymongo(server) as client:
            assert consume(client.shop.orders.find().sort("_id")) == nothing
            assert server.seen("find") == []
            assert bool(client.shop.orders.find()) is True
            assert await client.shop.orders.find().sort("_id").to_list() == DOCUMENTS

    run_async(main)


def test_sync_iteration_that_raises(server: FakeServer) -> None:
    """MDB504: the cursor of ``aggregate`` raises under plain iteration, and so does ``next`` on any async cursor."""

    async def main() -> None:
        async with open_async(server.uri) as client:
            with pytest.raises(TypeError):
                list(await client.shop.orders.aggregate([]))
            with pytest.raises(TypeError):
                next(client.shop.orders.find())

    run_async(main)


def test_sync_iteration_of_a_motor_cursor(server: FakeServer) -> None:
    """MDB504 for Motor: plain iteration raises, whichever the cursor."""

    async def main() -> None:
        client = open_motor(server)
        for cursor in (client.shop.orders.find(), client.shop.orders.aggregate([])):
            with pytest.raises(TypeError):
                list(cursor)
        client.close()

    run_async(main)


@since(4, 12)
def test_client_across_event_loops(server: FakeServer) -> None:
    """MDB505: since 4.12 an AsyncMongoClient used in a second event loop raises; it is bound by its first operation, not before."""
    client = open_pymongo(server)  # Outside any loop, as a module does: fine.

    async def find() -> Any:
        return await client.shop.orders.find_one()

    async def one_loop() -> None:
        await find()
        with pytest.raises(RuntimeError, match="different event loop"):
            await asyncio.to_thread(lambda: run_async(find))
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(find(), loop).result(PATIENCE))  # The owner's loop: fine.

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(one_loop())
        with pytest.raises(RuntimeError, match="different event loop"):
            run_async(find)
        loop.run_until_complete(client.close())
    finally:
        loop.close()
    assert len(server.seen("find")) == 2


def test_motor_client_across_event_loops(server: FakeServer) -> None:
    """MDB505 for Motor: the second event loop finds the first one closed."""
    holder: list[Any] = []

    async def first() -> None:
        holder.append(open_motor(server))
        await holder[0].shop.orders.find_one()

    async def second() -> None:
        await holder[0].shop.orders.find_one()

    run_async(first)
    with pytest.raises(RuntimeError, match="loop is closed"):
        run_async(second)
    holder[0].close()


def test_offloading_a_lazy_method(server: FakeServer) -> None:
    """MDB506: ``to_thread(coll.find)`` sends nothing from the thread; the query runs where the cursor is iterated, on the loop."""
    server.load("shop.orders", [{"_id": number} for number in range(250)])
    threads: list[int] = []

    class Listener(monitoring.CommandListener):
        def started(self, event: Any) -> None:
            if event.command_name in ("find", "aggregate", "getMore"):
                threads.append(threading.get_ident())

        def succeeded(self, event: Any) -> None: ...

        def failed(self, event: Any) -> None: ...

    async def main() -> None:
        on_the_loop = threading.get_ident()
        listening: Any = MongoClient(server.uri, event_listeners=[Listener()])
        with listening:
            orders = listening.shop.orders
            cursor = await asyncio.to_thread(orders.find)
            assert threads == []
            list(cursor)
            assert set(threads) == {on_the_loop}
            threads.clear()
            cursor = await asyncio.to_thread(orders.aggregate, [])
            list(cursor)
            assert threads[0] != on_the_loop  # The first batch only.
            assert set(threads[1:]) == {on_the_loop}
            threads.clear()
            await asyncio.to_thread(lambda: list(orders.find()))
            assert on_the_loop not in threads

    run_async(main)


def test_offloading_an_async_method(server: FakeServer) -> None:
    """MDB506: ``await to_thread(async_coll.find_one)`` gives a coroutine that has not run."""

    async def main() -> None:
        async with open_pymongo(server) as client:
            result = await asyncio.to_thread(client.shop.orders.find_one)
            assert inspect.iscoroutine(result)
            result.close()

    run_async(main)
    assert server.seen("find") == []


def test_async_close_never_awaited(server: FakeServer) -> None:
    """MDB507: ``contextlib.closing`` calls the async ``close`` and awaits nothing: the client stays open; ``aclosing`` closes it."""
    from pymongo.errors import InvalidOperation

    async def main() -> None:
        with never_awaited() as names, contextlib.closing(open_pymongo(server)) as client:
            await client.shop.orders.find_one()
        assert names == ["close"]
        await client.shop.orders.find_one()
        async with contextlib.aclosing(client):
            pass
        with pytest.raises(InvalidOperation, match="after close"):
            await client.shop.orders.find_one()

    run_async(main)


def test_async_close_at_exit(server: FakeServer) -> None:
    """MDB507: ``atexit.register(client.close)`` makes a coroutine at exit that nobody awaits."""
    outcome = run_program(
        """
import asyncio, atexit, sys
from pymongo import AsyncMongoClient
client = AsyncMongoClient(sys.argv[1])
atexit.register(client.close)
async def main(): await client.shop.orders.find_one()
asyncio.run(main())
""",
        server.uri,
        flags=("-W", "default"),
    )
    assert outcome.code == 0
    assert "AsyncMongoClient.close' was never awaited" in outcome.err


def test_async_listener_method(server: FakeServer) -> None:
    """MDB508: the driver calls an ``async def`` listener method and never awaits it."""
    events: list[Any] = []

    class Listener(monitoring.CommandListener):
        async def started(self, event: Any) -> None:  # type: ignore[override]
            events.append(event)

        def succeeded(self, event: Any) -> None: ...

        def failed(self, event: Any) -> None: ...

    async def main() -> None:
        async with open_async(server.uri, event_listeners=[Listener()]) as client:
            await client.shop.orders.find_one()

    with never_awaited() as names:
        run_async(main)
    assert set(names) == {"started"}
    assert events == []
