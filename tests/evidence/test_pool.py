"""MDB004, MDB005 (client options) and MDB6xx (timeouts, listeners, pool size)."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pymongo
import pytest
from pymongo import MongoClient, monitoring
from pymongo.errors import ConfigurationError

from evidence.fakemongo import FakeServer
from evidence.support import PYMONGO, finish, run_program, since, started

ADDRESS = "mongodb://127.0.0.1:1/"
"""Nothing listens there; with ``connect=False`` nothing is dialled either."""


def build(uri: str = ADDRESS, **options: Any) -> Any:
    """A client that never connects."""
    return MongoClient(uri, connect=False, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"max_pool_size": 10},
        {"min_pool_size": 1},
        {"pool_size": 5},
        {"poolSize": 5},
        {"max_size": 10},
        {"max_workers": 3},
        {"thread_safe": True},
        {"use_greenlets": True},
        {"auto_start_request": True},
        {"wait_queue_timeout_ms": 100},
    ],
)
def test_unknown_keyword_raises(options: dict[str, Any]) -> None:
    """MDB004: a client option the driver does not know, given as a keyword, is a ConfigurationError."""
    with pytest.raises(ConfigurationError, match=r"(?i)unknown option"):
        build(**options)


@since(4, 0)
def test_removed_keyword_raises() -> None:
    """MDB004: ``socketKeepAlive`` is unknown since 4.0."""
    with pytest.raises(ConfigurationError, match=r"(?i)unknown option"):
        build(socketKeepAlive=True)


@pytest.mark.parametrize("option", ["max_pool_size=10", "poolSize=10", "maxPoolSize=abc", "maxPoolSize=-1"])
def test_bad_option_in_the_uri_is_only_a_warning(option: str) -> None:
    """MDB004, MDB005: in a URI an unknown option or a bad value is warned about and ignored: the pool keeps its 100 connections."""
    with pytest.warns(UserWarning, match=r"(?i)poolsize|pool_size"):
        client = build(f"{ADDRESS}?{option}")
    with client:
        assert client.options.pool_options.max_pool_size == 100


@since(4, 0)
def test_wait_queue_multiple_is_ignored() -> None:
    """MDB004: ``waitQueueMultiple`` was removed in 4.0, and is accepted in silence, and does nothing."""
    with build(waitQueueMultiple=5) as client:
        assert not hasattr(client.options.pool_options, "wait_queue_multiple")


def test_names_of_options_ignore_case() -> None:
    """MDB004, what it must not report: option names are case-insensitive, as keywords and in a URI."""
    for client in (build(maxpoolsize=7), build(MAXPOOLSIZE=7), build(f"{ADDRESS}?maxpoolsize=7")):
        with client:
            assert client.options.pool_options.max_pool_size == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minPoolSize": 10, "maxPoolSize": 5}, "minPoolSize must be smaller or equal to maxPoolSize"),
        ({"minPoolSize": 200}, "minPoolSize must be smaller or equal to maxPoolSize"),
        ({"waitQueueTimeoutMS": 0}, "(?i)waitQueueTimeoutMS must be greater than 0"),
        ({"maxPoolSize": -1}, "(?i)maxPoolSize"),
    ],
)
def test_rejected_values(options: dict[str, Any], message: str) -> None:
    """MDB005: literal values that the driver rejects or that contradict each other are a ValueError at construction."""
    with pytest.raises(ValueError, match=message):
        build(**options)


@since(4, 0)
def test_no_upper_limit() -> None:
    """MDB005, what it must not report: ``maxPoolSize=None`` goes with any ``minPoolSize``. 0, the other spelling, does since 4.20."""
    with build(minPoolSize=200, maxPoolSize=None) as client:
        assert client.options.pool_options.min_pool_size == 200
    if PYMONGO >= (4, 20):
        with build(minPoolSize=200, maxPoolSize=0) as client:
            assert client.options.pool_options.min_pool_size == 200
    else:
        with pytest.raises(ValueError, match="minPoolSize must be smaller or equal to maxPoolSize"):
            build(minPoolSize=200, maxPoolSize=0)


@since(4, 2)
def test_timeout_does_not_reach_threads(server: FakeServer, orders: Any) -> None:
    """MDB601: ``pymongo.timeout()`` is a context variable: it limits this thread and ``asyncio.to_thread``, no other thread."""

    async def in_executor() -> None:
        await asyncio.get_running_loop().run_in_executor(None, orders.find_one, {"by": "run_in_executor"})

    with pymongo.timeout(30):
        orders.find_one({"by": "same thread"})
        asyncio.run(asyncio.to_thread(orders.find_one, {"by": "to_thread"}))
        asyncio.run(in_executor())
        finish(*started(lambda: orders.find_one({"by": "Thread"})))
        with ThreadPoolExecutor(1) as executor:
            executor.submit(orders.find_one, {"by": "submit"}).result()
    limited = {find.body["filter"]["by"]: "maxTimeMS" in find.body for find in server.seen("find")}
    inherits = bool(getattr(sys.flags, "thread_inherit_context", 0))  # Free-threaded 3.14 hands contexts to threads.
    assert limited == {"same thread": True, "to_thread": True, "run_in_executor": inherits, "Thread": inherits, "submit": inherits}


def test_listener_registered_too_late(server: FakeServer) -> None:
    """MDB602: ``monitoring.register()`` concerns clients created later; the existing one reports no event."""
    # In a process of its own: a registration is global and cannot be taken back.
    outcome = run_program(
        """
import sys
from pymongo import MongoClient, monitoring

class Count(monitoring.CommandListener):
    events = 0
    def started(self, event): self.events += event.command_name == "find"
    def succeeded(self, event): pass
    def failed(self, event): pass

count = Count()
with MongoClient(sys.argv[1]) as early:
    monitoring.register(count)
    early.shop.orders.find_one()
    seen_by_early = count.events
    with MongoClient(sys.argv[1]) as late:
        late.shop.orders.find_one()
print(seen_by_early, count.events)
""",
        server.uri,
    )
    assert (outcome.code, outcome.out.split()) == (0, ["0", "1"]), outcome.err


def test_listener_runs_inside_the_operation(server: FakeServer) -> None:
    """MDB603: an event listener runs on the thread of the operation, before the command is sent: what blocks it, blocks that."""
    calls: list[tuple[int, int]] = []

    class Listener(monitoring.CommandListener):
        def started(self, event: Any) -> None:
            if event.command_name == "find":
                calls.append((threading.get_ident(), len(server.seen("find"))))

        def succeeded(self, event: Any) -> None: ...

        def failed(self, event: Any) -> None: ...

    listening: Any = MongoClient(server.uri, event_listeners=[Listener()])
    with listening:
        listening.shop.orders.find_one()
    assert calls == [(threading.get_ident(), 0)]
    assert len(server.seen("find")) == 1


@since(4, 2)
def test_pool_smaller_than_its_users(server: FakeServer) -> None:
    """MDB604: with ``maxPoolSize=1`` a second worker waits for the connection of the first (for ever, without a timeout)."""
    from pymongo.errors import WaitQueueTimeoutError

    narrow: Any = MongoClient(server.uri, maxPoolSize=1, waitQueueTimeoutMS=100)
    with narrow, server.gate("find") as gate:
        first = started(narrow.shop.orders.find_one)
        gate.wait(1)
        with pytest.raises(WaitQueueTimeoutError, match="maxPoolSize: 1"):
            narrow.shop.orders.find_one()
        gate.open()
        finish(*first)
    assert len(server.seen("find")) == 1


def test_suggestion_in_the_error() -> None:
    """MDB004: since 4.7 the error names similar options; the rule's own suggestion does not depend on it."""
    with pytest.raises(ConfigurationError) as caught:
        build(max_pool_size=10)
    assert ("Did you mean" in str(caught.value)) == (PYMONGO >= (4, 7))
