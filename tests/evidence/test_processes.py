"""MDB4xx: driver objects and processes, signal handlers, finalizers.

What forks, may hang or may deadlock runs in a child process with a limit.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId
from pymongo import InsertOne

from evidence.fakemongo import FakeServer
from evidence.support import PYMONGO, run_program, since

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda client: client, id="client"),
        pytest.param(lambda client: client.shop, id="database"),
        pytest.param(lambda client: client.shop.orders, id="collection"),
        pytest.param(lambda client: client.shop.orders.find(), id="cursor"),
        pytest.param(lambda client: client.start_session(), id="session"),
        pytest.param(lambda client: client.shop.orders.find_one, id="bound method"),
    ],
)
def test_driver_objects_cannot_be_pickled(client: Any, build: Callable[[Any], Any]) -> None:
    """MDB401: whatever holds a client cannot be pickled, hence not be sent to a process."""
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(build(client))


def test_what_may_be_sent_to_a_process(server: FakeServer, client: Any) -> None:
    """MDB401, what it must not report: documents, identifiers and operations are plain data."""
    server.load("shop.orders", [{"_id": ObjectId("0123456789ab0123456789ab")}])
    for data in (list(client.shop.orders.find()), ObjectId(), InsertOne({"_id": 1}), client.shop.name):
        assert pickle.loads(pickle.dumps(data)) == data


def test_client_submitted_to_a_process_pool(server: FakeServer) -> None:
    """MDB401: ``ProcessPoolExecutor.submit(work, client)`` fails in the parent under every start method, as do bound methods."""
    outcome = run_program(
        """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from pymongo import MongoClient

class Repository:
    def __init__(self, client): self.client = client
    def work(self): pass

with MongoClient(sys.argv[1]) as client:
    client.shop.orders.find_one()
    for method in multiprocessing.get_all_start_methods():
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
            for future in (pool.submit(print, client.shop.orders), pool.submit(Repository(client).work)):
                print(method, type(future.exception()).__name__)
""",
        server.uri,
    )
    lines = [line.split() for line in outcome.out.splitlines()]
    assert outcome.code == 0, outcome.err
    assert len(lines) >= 2
    assert {error for _, error in lines} == {"TypeError"}, outcome.out


FORK = """
import os, sys, warnings
from pymongo import MongoClient

def in_child(work):
    # The number of warnings about a client opened before the fork, or 99 for an exception.
    child = os.fork()
    if child == 0:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try: work()
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(99)
        os._exit(sum("opened before fork" in str(warning.message) for warning in caught))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def operation(client): return lambda: client.shop.orders.find_one()

def own():
    with MongoClient(uri) as client: client.shop.orders.find_one()

uri = sys.argv[1]
"""


@needs_fork
@pytest.mark.skipif((4, 0) <= PYMONGO < (4, 7), reason="4.0-4.2 raise AutoReconnect, 4.3-4.6 lost the warning (PYTHON-4348)")
def test_client_opened_before_fork(server: FakeServer) -> None:
    """MDB402: a client that the parent has opened is warned about at its first use in the child; ``connect=False`` without use is not."""
    outcome = run_program(
        FORK
        + """
used = MongoClient(uri); used.shop.orders.find_one()
lazy = MongoClient(uri, connect=False)
lazy_but_used = MongoClient(uri, connect=False); lazy_but_used.shop.orders.find_one()
print("used", in_child(operation(used)))
print("lazy_but_used", in_child(operation(lazy_but_used)))
print("lazy", in_child(operation(lazy)))
print("own", in_child(own))
print("unused", in_child(lambda: None))
for client in (used, lazy, lazy_but_used): client.close()
""",
        server.uri,
    )
    assert outcome.code == 0, outcome.err
    counts = {name: int(count) for name, count in map(str.split, outcome.out.splitlines())}
    assert 0 < counts["used"] < 99
    assert 0 < counts["lazy_but_used"] < 99
    assert (counts["lazy"], counts["own"], counts["unused"]) == (0, 0, 0)


@needs_fork
@since(4, 7)
def test_session_and_cursor_across_fork(server: FakeServer) -> None:
    """MDB402: a session used in the child as well puts one session id into two processes, and the child drains the parent's cursor.

    The child first waits until its copy of the client has found the server again: before that, some releases (4.9.2 and 4.13.2
    among them) may answer its first operations with AutoReconnect, "connection pool paused".
    """
    server.load("shop.orders", [{"_id": number} for number in range(6)])
    outcome = run_program(
        FORK
        + """
import time
from pymongo.errors import AutoReconnect, CursorNotFound
client = MongoClient(uri)

def after_reconnecting(work):
    def run():
        for _ in range(500):
            try:
                client.admin.command("ping")
                break
            except AutoReconnect: time.sleep(0.01)
        work()
    return run

session = client.start_session()
client.shop.orders.find_one(session=session)
in_child(after_reconnecting(lambda: client.shop.orders.find_one(session=session)))
cursor = client.shop.orders.find(batch_size=2)
next(cursor)
in_child(after_reconnecting(lambda: list(cursor)))
try: print(len(list(cursor)))
except CursorNotFound: print("CursorNotFound")
client.close()
""",
        server.uri,
    )
    assert (outcome.code, outcome.out.split()) == (0, ["CursorNotFound"]), outcome.err
    parent, child = server.seen("find")[:2]
    assert parent.session is not None
    assert parent.session == child.session
    assert parent.connection != child.connection


INTERRUPT = """
import gc, signal, sys, threading

plain_lock = threading.Lock

class SelfDeadlock(BaseException):
    pass

class Lock:
    # A threading.Lock that knows its owner. It calls `interrupt` right after a chosen acquisition on the main thread, where
    # a signal handler or the garbage collector may run as well, and raises where the plain lock would block for ever: when
    # the thread that holds it acquires it again.
    countdown = 0
    interrupt = None

    def __init__(self):
        self.plain = plain_lock()
        self.owner = None
        self.of_the_driver = sys._getframe(1).f_globals.get("__name__", "").startswith("pymongo")

    def acquire(self, blocking=True, timeout=-1):
        if self.owner == threading.get_ident() and blocking and timeout == -1:
            raise SelfDeadlock
        acquired = self.plain.acquire(blocking, timeout)
        if acquired:
            self.owner = threading.get_ident()
            if blocking and self.of_the_driver and threading.current_thread() is threading.main_thread() and Lock.countdown:
                Lock.countdown -= 1
                if not Lock.countdown:
                    Lock.interrupt()
        return acquired

    def release(self):
        self.owner = None
        self.plain.release()

    def locked(self): return self.plain.locked()
    def __enter__(self): return self.acquire()
    def __exit__(self, *details): self.release()

threading.Lock = Lock
from pymongo import MongoClient

def outcomes(what):
    # What becomes of a find_one() that is interrupted, once for every lock that it acquires.
    results = []
    while True:
        client = MongoClient(sys.argv[1])
        client.shop.orders.find_one()
        Lock.interrupt = what(client)
        Lock.countdown = len(results) + 1
        try:
            client.shop.orders.find_one()
            result = "finished"
        except SelfDeadlock:
            result = "deadlock"
        if Lock.countdown:  # It acquires fewer locks than that: all have had their turn.
            Lock.countdown = 0
            client.close()
            return results
        results.append(result)
        if result == "finished": client.close()

def report(name, what):
    results = outcomes(what)
    print(name, len(results), results.count("deadlock"), flush=True)
"""


def reported(server: FakeServer, program: str) -> dict[str, tuple[int, int]]:
    """By name: how many locks the operation acquired, and at how many of them the interruption was a deadlock."""
    outcome = run_program(INTERRUPT + program + "\nsys.stdout.flush()\nimport os\nos._exit(0)\n", server.uri)
    assert outcome.code == 0, outcome.err
    return {name: (int(locks), int(deadlocks)) for name, locks, deadlocks in map(str.split, outcome.out.splitlines())}


@since(4, 3)
@pytest.mark.skipif(os.name == "nt", reason="the program raises SIGALRM")
def test_driver_call_in_signal_handler(server: FakeServer) -> None:
    """MDB403: a handler that runs while its thread is inside the driver blocks for ever at the driver's plain locks.

    Python runs signal handlers on the main thread between two bytecodes; the program lets the signal arrive right after each
    lock acquisition of one ``find_one()`` in turn. A handler that only sets a flag is harmless at every one of these points.
    """
    results = reported(
        server,
        """
def on_signal(handler):
    signal.signal(signal.SIGALRM, lambda number, frame: handler())
    return lambda: signal.raise_signal(signal.SIGALRM)

report("close", lambda client: on_signal(client.close))
report("find_one", lambda client: on_signal(client.shop.orders.find_one))
report("flag", lambda client: on_signal(threading.Event().set))
""",
    )
    assert results["close"][1] > 0
    assert results["find_one"][1] > 0
    assert results["flag"][0] > 0
    assert results["flag"][1] == 0


@since(4, 3)
def test_driver_call_in_finalizer(server: FakeServer) -> None:
    """MDB404: ``__del__`` runs wherever the collector does, also while its thread holds a lock of the driver: the same deadlock.

    The finalizer swallows nothing: Python reports what ``__del__`` raises and goes on, so the program counts at the source.
    """
    results = reported(
        server,
        """
class Repository:
    def __init__(self, work):
        self.work = work
        self.itself = self  # A cycle, as parent and child objects form: only the collector frees it.

    def __del__(self):
        try: self.work()
        except SelfDeadlock: failed.append(self)

failed = []

def on_collection(choose):
    def prepare(client):
        Repository(choose(client))
        def interrupt():
            gc.collect()
            if failed:
                failed.clear()
                raise SelfDeadlock
        return interrupt
    return prepare

gc.disable()
report("close", on_collection(lambda client: client.close))
report("find_one", on_collection(lambda client: client.shop.orders.find_one))
report("nothing", on_collection(lambda client: lambda: None))
""",
    )
    assert results["close"][1] > 0
    assert results["find_one"][1] > 0
    assert results["nothing"][0] > 0
    assert results["nothing"][1] == 0
