"""Programs before and after their fix against the fake server: the fixed one does what the first one meant.

Each program is run twice, in this process, with its server in ``MONGO_URI``; ``main()`` is its whole work. Nothing sleeps, and what has
to happen at once is held at a gate of the server.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import inspect
import os
import textwrap
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("pymongo")

from pymongo.errors import ConfigurationError, DuplicateKeyError, InvalidOperation

from evidence.fakemongo import FakeServer
from evidence.support import PYMONGO, since
from flake8_mongo_threads.config import Config, parse
from flake8_mongo_threads.documents import kind_of
from flake8_mongo_threads.findings import Applicability
from flake8_mongo_threads.fixes.apply import fix_text
from flake8_mongo_threads.fixes.files import Wish, fix_bytes
from flake8_mongo_threads.selection import Selection

pytestmark = pytest.mark.timeout(30)
asynchronous = since(4, 9)

HEAD = """\
import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pymongo
from pymongo import MongoClient

URI = os.environ["MONGO_URI"]
"""
ASYNC_HEAD = HEAD.replace("import MongoClient", "import AsyncMongoClient, MongoClient")


class Outcome(NamedTuple):
    """What running a program gave."""

    value: Any
    error: BaseException | None
    stored: list[dict[str, Any]]
    """What ``app.docs`` holds."""
    names: list[str]
    """The commands that arrived."""
    connections: int
    in_threads: list[BaseException]
    """What ended threads."""


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Coroutines that nobody awaits, and clients that nobody closes, are the point of some of the programs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        monkeypatch.setattr("sys.unraisablehook", lambda _details: None)
        yield
        gc.collect()


def run(program: str, load: list[dict[str, Any]], prepare: Callable[[FakeServer], object] | None = None) -> Outcome:
    """Run a program and its ``main()`` against a server of its own."""
    ended: list[BaseException] = []
    hook, threading.excepthook = threading.excepthook, lambda details: ended.append(details.exc_value)  # type: ignore[arg-type]
    value, error = None, None
    with FakeServer() as server:
        server.load("app.docs", load)
        os.environ["MONGO_URI"] = server.uri
        if prepare is not None:
            prepare(server)
        space: dict[str, Any] = {"__name__": "program"}
        try:
            exec(compile(program, "program.py", "exec", dont_inherit=True), space)
            value = space["main"]()
            if inspect.iscoroutine(value):
                value = asyncio.run(asyncio.wait_for(value, 15))
        except (Exception, asyncio.CancelledError) as caught:
            error = caught
        finally:
            threading.excepthook = hook
            for each in space.values():
                if type(each).__name__ == "MongoClient":
                    each.close()
            del os.environ["MONGO_URI"]
        found = server.documents("app.docs")
        return Outcome(value, error, found, server.names(), server.connections_opened, ended)


def both(
    body: str,
    *codes: str,
    head: str = HEAD,
    load: list[dict[str, Any]] | None = None,
    prepare: Callable[[FakeServer], object] | None = None,
) -> tuple[Outcome, Outcome]:
    """The outcomes of a program before and after fixing. ``codes`` are the findings that have to be fixed, all of them."""
    before = head + "\n" + textwrap.dedent(body)
    config: Config = parse(pymongo=f">={PYMONGO[0]}.{PYMONGO[1]}")
    fixed = fix_text("program.py", before, config, level=Applicability.UNSAFE)
    assert sorted(finding.code for finding in fixed.applied) == sorted(codes), fixed
    assert not fixed.refused, fixed.refused
    assert not fixed.remaining, fixed.remaining
    return run(before, load or [], prepare), run(fixed.text, load or [], prepare)


def ids(outcome: Outcome) -> list[Any]:
    return sorted(document["_id"] for document in outcome.stored)


# The life of a client


LOOPS = {
    "assignment": """
        for n in range(4):
            client = MongoClient(URI)
            client.app.docs.insert_one({"_id": n})
    """,
    "close": """
        for n in range(4):
            client = MongoClient(URI)
            client.app.docs.insert_one({"_id": n})
            client.close()
    """,
    "finally": """
        for n in range(4):
            client = MongoClient(URI)
            try:
                client.app.docs.insert_one({"_id": n})
            finally:
                client.close()
    """,
    "with": """
        for n in range(4):
            with MongoClient(URI) as client:
                client.app.docs.insert_one({"_id": n})
    """,
    "expression": """
        for n in range(4):
            MongoClient(URI).app.docs.insert_one({"_id": n})
    """,
    "break and continue": """
        for n in range(9):
            with MongoClient(URI) as client:
                if n > 5:
                    break
                if n > 3:
                    continue
                client.app.docs.insert_one({"_id": n})
    """,
}


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_one_client_for_a_loop(loop: str) -> None:
    before, after = both("def main():" + textwrap.indent(textwrap.dedent(loop), "    "), "MDB101")
    assert before.error is after.error is None
    assert ids(before) == ids(after) == [0, 1, 2, 3]
    assert after.names == before.names
    assert after.connections < before.connections
    assert after.connections <= 3  # one client: its monitor's, and one that works


def test_the_client_of_a_loop_is_closed_when_the_loop_fails() -> None:
    body = """
        made = []

        class Client(MongoClient):
            def close(self):
                made.append("closed")
                super().close()

        def main():
            for n in [1, 2, 2, 3]:
                client = Client(URI)
                try:
                    client.app.docs.insert_one({"_id": n})
                finally:
                    client.close()
            return made
    """
    before, after = both(body, "MDB101")
    assert isinstance(before.error, DuplicateKeyError)
    assert isinstance(after.error, DuplicateKeyError)
    assert ids(before) == ids(after) == [1, 2]
    assert after.names == before.names


@asynchronous
def test_one_asynchronous_client_for_a_loop() -> None:
    body = """
        async def main():
            for n in range(3):
                client = AsyncMongoClient(URI)
                await client.app.docs.insert_one({"_id": n})
                await client.close()
    """
    before, after = both(body, "MDB101", head=ASYNC_HEAD)
    assert before.error is after.error is None
    assert ids(before) == ids(after) == [0, 1, 2]
    assert after.connections < before.connections


WORKERS = {
    "assignment": """
        def work(n):
            client = MongoClient(URI)
            try:
                client.app.docs.insert_one({"_id": n})
            finally:
                client.close()
    """,
    "with": """
        def work(n):
            with MongoClient(URI) as client:
                client.app.docs.insert_one({"_id": n})
    """,
    "expression": """
        def work(n):
            MongoClient(URI).app.docs.insert_one({"_id": n})
    """,
}


@pytest.mark.parametrize("worker", WORKERS.values(), ids=WORKERS)
def test_one_client_for_all_threads(worker: str) -> None:
    main = """
        def main():
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(work, range(6)))
    """
    before, after = both(textwrap.dedent(worker) + textwrap.dedent(main), "MDB102")
    assert before.error is after.error is None
    assert ids(before) == ids(after) == list(range(6))
    assert after.connections < before.connections
    assert after.connections <= 4  # of one client: its monitor's, and one for each thread


def test_one_client_for_the_threads_of_a_closure() -> None:
    body = """
        def main():
            def work(n):
                client = MongoClient(URI)
                client.app.docs.insert_one({"_id": n})

            threads = [Thread(target=work, args=(n,)) for n in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    """
    before, after = both(body, "MDB102")
    assert not before.in_threads + after.in_threads
    assert ids(before) == ids(after) == [0, 1, 2]
    assert after.connections < before.connections


HANDLERS = {
    "closed": """
        client = MongoClient(URI)
        try:
            return client.app.docs.count_documents({})
        finally:
            client.close()
    """,
    "with": """
        with MongoClient(URI) as client:
            return client.app.docs.count_documents({})
    """,
    "expression": "return MongoClient(URI).app.docs.count_documents({})",
}


@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)
def test_one_client_for_all_requests(handler: str) -> None:
    """The handler is called as the framework of a cloud function calls it."""
    body = f"""
def lambda_handler(event, context):
{textwrap.indent(textwrap.dedent(handler).strip(), "    ")}


def main():
    return lambda_handler({{}}, None), lambda_handler({{}}, None), lambda_handler({{}}, None)
"""
    before, after = both(body, "MDB103", load=[{"_id": 0}])
    assert before.value == after.value == (1, 1, 1)
    assert before.error is after.error is None
    assert after.connections <= 3 < before.connections  # of one client: its monitor's and its own


@asynchronous
def test_one_client_for_all_tasks() -> None:
    body = """
        async def main():
            async def work(n):
                client = AsyncMongoClient(URI)
                await client.app.docs.insert_one({"_id": n})

            await asyncio.gather(*(work(n) for n in range(3)))
    """
    before, after = both(body, "MDB104", head=ASYNC_HEAD)
    assert before.error is after.error is None
    assert ids(before) == ids(after) == [0, 1, 2]
    assert after.connections < before.connections


def test_a_helper_leaves_the_shared_client_open() -> None:
    body = """
        client = MongoClient(URI)

        def store(n):
            try:
                client.app.docs.insert_one({"_id": n})
            finally:
                client.close()

        def count():
            return client.app.docs.count_documents({})

        def main():
            for n in range(3):
                globals()["store"](n)  # as another module would
            return globals()["count"]()
    """
    before, after = both(body, "MDB105")
    assert isinstance(before.error, InvalidOperation)
    assert (after.value, after.error) == (3, None)
    assert (ids(before), ids(after)) == ([0], [0, 1, 2])


@pytest.mark.parametrize("result", ["client.app.docs.find()", "client.app.docs.find({}).sort('_id', -1).limit(2)"])
def test_documents_are_read_before_the_client_closes(result: str) -> None:
    body = f"""
        def rows():
            with MongoClient(URI) as client:
                return {result}

        def main():
            return [row["_id"] for row in rows()]
    """
    before, after = both(body, "MDB106", load=[{"_id": n} for n in range(3)])
    assert isinstance(before.error, InvalidOperation)
    assert after.error is None
    assert after.value in ([0, 1, 2], [2, 1])


@asynchronous
def test_documents_are_read_before_the_asynchronous_client_closes() -> None:
    body = """
        async def rows():
            async with AsyncMongoClient(URI) as client:
                return client.app.docs.find()

        async def read(found):
            return found if isinstance(found, list) else [row async for row in found]

        async def main():
            return await globals()["read"](await rows())
    """
    before, after = both(body, "MDB106", head=ASYNC_HEAD, load=[{"_id": 1}, {"_id": 2}])
    assert isinstance(before.error, InvalidOperation)
    assert (after.value, after.error) == ([{"_id": 1}, {"_id": 2}], None)


ORDERS = {
    "items": "with ThreadPoolExecutor(1) as pool, MongoClient(URI) as client:\n    hand_over(pool, client)",
    "nested": "with ThreadPoolExecutor(1) as pool:\n    with MongoClient(URI) as client:\n        hand_over(pool, client)",
}


@asynchronous
def test_what_aggregate_gives_is_read_before_the_client_closes() -> None:
    body = """
        async def found():
            async with AsyncMongoClient(URI) as client:
                return await client.app.docs.aggregate([{"$match": {}}, {"$sort": {"_id": -1}}])

        async def main():
            return [document["_id"] for document in await found()]
    """
    before, after = both(body, "MDB106", head=ASYNC_HEAD, load=[{"_id": 1}, {"_id": 2}])
    assert isinstance(before.error, TypeError)
    assert (after.value, after.error) == ([2, 1], None)


@pytest.mark.parametrize("blocks", ORDERS.values(), ids=ORDERS)
def test_the_client_closes_after_the_executor(blocks: str) -> None:
    work = 'started.append(pool.submit(go.wait, 0.3))\nfor n in range(5):\n    started.append(pool.submit(client.app.docs.insert_one, {"_id": n}))'
    width = " " * (8 if "\n    with" in blocks else 4)
    body = "import threading\ngo = threading.Event()\n\ndef main():\n    started = []\n" + textwrap.indent(
        blocks.replace(width + "hand_over(pool, client)", textwrap.indent(work, width)), "    "
    )
    body += "\n    return [future.exception() for future in started[1:]]\n"
    before, after = both(body, "MDB107")
    assert {type(error) for error in before.value} == {InvalidOperation}
    assert after.value == [None] * 5
    assert (ids(before), ids(after)) == ([], [0, 1, 2, 3, 4])


# Sessions and transactions


def test_the_operation_takes_part_in_the_transaction() -> None:
    body = """
        client = MongoClient(URI)

        def main():
            try:
                with client.start_session() as session:
                    with session.start_transaction():
                        client.app.docs.insert_one({"_id": 1}, session=session)
                        client.app.docs.insert_one({"_id": 2})
                        raise LookupError
            except LookupError:
                pass
    """
    before, after = both(body, "MDB203")
    assert before.error is after.error is None
    assert (ids(before), ids(after)) == ([2], [])


@since(4, 17)
def test_a_bound_session_stays_open_until_its_transaction_is_committed() -> None:
    body = """
        client = MongoClient(URI)

        def main():
            with client.start_session() as session, session.start_transaction(), session.bind():
                client.app.docs.insert_one({"_id": 1})
    """
    before, after = both(body, "MDB204")
    assert before.error is after.error is None
    assert (ids(before), ids(after)) == ([], [1])
    assert (before.names[-1], after.names[-1]) == ("abortTransaction", "commitTransaction")


@asynchronous
def test_operations_of_a_session_take_turns() -> None:
    body = """
        client = AsyncMongoClient(URI)
        docs = client.app.docs

        async def main():
            async with client.start_session() as session:
                async with await session.start_transaction():
                    await asyncio.gather(docs.insert_one({"_id": 1}, session=session), docs.insert_one({"_id": 2}, session=session))
                    first, second = await asyncio.gather(docs.find_one(1, session=session), docs.find_one(2, session=session))
                    await asyncio.gather(*[docs.insert_one({"_id": n}, session=session) for n in range(3, 6)])
            return first, second
    """
    _, after = both(body, "MDB202", head=ASYNC_HEAD)
    assert after.error is None
    assert after.value == ({"_id": 1}, {"_id": 2})
    assert ids(after) == [1, 2, 3, 4, 5]
    assert after.names == ["insert", "insert", "find", "find", "insert", "insert", "insert", "commitTransaction"]


# Handing work over


HANDED = {
    "submit": ("pool.submit(docs.insert_one({'_id': 1})).result().inserted_id", 1),
    "submit with keywords": ("pool.submit(docs.insert_one({'_id': 1}, bypass_document_validation=True)).result().inserted_id", 1),
    "partial": ("asyncio.run(elsewhere(pool))", 1),
}


@pytest.mark.parametrize(("call", "wanted"), HANDED.values(), ids=HANDED)
def test_the_callable_is_handed_over(call: str, wanted: int) -> None:
    elsewhere = """
        async def elsewhere(pool):
            loop = asyncio.get_running_loop()
            done = await loop.run_in_executor(pool, docs.insert_one({"_id": 1}, bypass_document_validation=True))
            return done.inserted_id
    """
    body = f"""
        docs = MongoClient(URI).app.docs
        {elsewhere if "elsewhere" in call else ""}
        def main():
            with ThreadPoolExecutor(1) as pool:
                return {call}
    """
    before, after = both(body, "MDB304")
    assert isinstance(before.error, TypeError)
    assert (after.value, after.error) == (wanted, None)
    assert ids(after) == [1]


def test_a_thread_gets_its_function_and_arguments() -> None:
    body = """
        docs = MongoClient(URI).app.docs

        def main():
            threads = [
                Thread(target=docs.update_one({"_id": 1}, {"$set": {"a": 1}}, upsert=True)),
                Thread(target=docs.insert_one, args=({"_id": 2})),
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    """
    before, after = both(body, "MDB304", "MDB306")
    assert [type(error) for error in before.in_threads] == [TypeError, TypeError]
    assert after.in_threads == []
    assert (ids(before), ids(after)) == ([1], [1, 2])


def test_errors_of_workers_are_seen() -> None:
    body = """
        docs = MongoClient(URI).app.docs

        def main():
            with ThreadPoolExecutor(1) as pool:
                pool.map(docs.insert_one, [{"_id": 1}, {"_id": 1}])
    """
    before, after = both(body, "MDB305")
    assert before.error is None
    assert isinstance(after.error, DuplicateKeyError)
    assert ids(before) == ids(after) == [1]


def test_each_operation_inserts_a_document_of_its_own() -> None:
    body = """
        docs = MongoClient(URI).app.docs

        def main():
            event = {"kind": "probe"}
            with ThreadPoolExecutor(2) as pool:
                futures = [pool.submit(docs.insert_one, event) for _ in range(3)]
            return [type(future.exception()).__name__ for future in futures]
    """
    before, after = both(body, "MDB303")
    assert before.value.count("DuplicateKeyError") >= 1
    assert after.value == ["NoneType"] * 3
    assert len(after.stored) == 3


# asyncio


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ('docs.find_one({"_id": 1})["n"]', 10),
        ("list(docs.find({}))", [{"_id": 1, "n": 10}]),
        ("load(1)", {"_id": 1, "n": 10}),
        ('[row["n"] for row in docs.find({})]', [10]),
        ('list(docs.aggregate([{"$match": {}}]))', [{"_id": 1, "n": 10}]),
        ('[row["n"] for row in docs.aggregate([{"$match": {}}])]', [10]),
        ("docs.count_documents({}) + 1", 2),
        ("f\"{docs.find_one({'_id': 1})['n']:>4}\"", "  10"),
        ("shelf.full", True),
    ],
)
def test_the_event_loop_is_free_while_an_operation_runs(line: str, wanted: object) -> None:
    """Another task counts its turns: while the first program waits for the reply it gets none."""
    body = f"""
        docs = MongoClient(URI).app.docs

        def load(key):
            return docs.find_one({{"_id": key}})

        class Shelf:
            @property
            def full(self):
                return docs.count_documents({{}}) > 0

        async def main():
            shelf = Shelf()
            beats = 0

            async def beat():
                nonlocal beats
                while True:
                    beats += 1
                    await asyncio.sleep(0)

            other = asyncio.create_task(beat())
            await asyncio.sleep(0)
            start = beats
            value = {line}
            seen = beats - start
            other.cancel()
            return value, seen
    """
    before, after = both(body, "MDB501", load=[{"_id": 1, "n": 10}])
    assert before.value == (wanted, 0)
    assert after.error is None
    assert after.value[0] == wanted
    assert after.value[1] > 0


@asynchronous
def test_a_coroutine_is_awaited() -> None:
    body = """
        docs = AsyncMongoClient(URI).app.docs

        async def main():
            docs.insert_one({"_id": 1})
            if docs.find_one({"_id": 7}):
                return "found"
            return "missing"
    """
    before, after = both(body, "MDB502", "MDB502", head=ASYNC_HEAD)
    assert (before.value, ids(before)) == ("found", [])
    assert (after.value, ids(after)) == ("missing", [1])


@asynchronous
def test_the_result_of_a_coroutine_is_used() -> None:
    body = """
        docs = AsyncMongoClient(URI).app.docs

        async def main():
            return docs.find_one({"_id": 1})["n"] + docs.count_documents({})
    """
    before, after = both(body, "MDB502", "MDB502", head=ASYNC_HEAD, load=[{"_id": 1, "n": 10}])
    assert isinstance(before.error, TypeError)
    assert after.value == 11


@asynchronous
def test_the_await_moves_to_the_operation() -> None:
    body = """
        docs = AsyncMongoClient(URI).app.docs

        async def main():
            return await docs.insert_one({"_id": 5}).inserted_id
    """
    before, after = both(body, "MDB502", head=ASYNC_HEAD)
    assert isinstance(before.error, AttributeError)
    assert (after.value, ids(before), ids(after)) == (5, [], [5])


OLD_ASYNC = [
    ("(await docs.insert({'_id': 1}))", 1),
    ("(await docs.update({'_id': 0}, {'$set': {'n': 6}}))['nModified']", 1),
    ("(await docs.remove({'n': 5}))['n']", 1),
    ("await docs.count({'n': 5})", 1),
    ("await docs.find({'n': 5}).count()", 1),
    ("(await docs.find_and_modify({'_id': 0}, {'$inc': {'n': 1}}, new=True))['n']", 6),
    ("await docs.database.collection_names()", ["docs"]),
]


@asynchronous
@pytest.mark.parametrize(("line", "wanted"), OLD_ASYNC, ids=[line for line, _ in OLD_ASYNC])
def test_the_old_interface_with_the_asynchronous_driver(line: str, wanted: object) -> None:
    body = f"""
        docs = AsyncMongoClient(URI).app.docs

        async def main():
            return {line}
    """
    before, after = both(body, "MDB001", head=ASYNC_HEAD, load=[{"_id": 0, "n": 5}])
    assert isinstance(before.error, (TypeError, AttributeError))
    assert (after.value, after.error) == (wanted, None)


FORMS = {
    "loop over a coroutine": ("[row['_id'] async for row in docs.aggregate([{'$match': {}}])]", [1, 2]),
    "await of a lazy cursor": ("[row['_id'] async for row in (await docs.find({}))]", [1, 2]),
    "await of a lazy cursor in a chain": ("len((await docs.find({})).sort('_id', -1).to_list())", 2),
    "await of a synchronous operation": ("(await plain.find_one({'_id': 2}))['_id']", 2),
}


@asynchronous
@pytest.mark.parametrize(("line", "wanted"), FORMS.values(), ids=FORMS)
def test_the_right_form_is_used(line: str, wanted: object) -> None:
    body = f"""
        docs = AsyncMongoClient(URI).app.docs
        plain = MongoClient(URI).app.docs

        async def main():
            return {line}
    """
    before, after = both(body, "MDB503", head=ASYNC_HEAD, load=[{"_id": 1}, {"_id": 2}])
    assert isinstance(before.error, TypeError)
    assert (after.value, after.error) == (wanted, None)


def test_a_synchronous_cursor_is_read_on_a_thread() -> None:
    body = """
        docs = MongoClient(URI).app.docs

        async def main():
            found = docs.find({"n": 5})
            keys = []
            async for document in docs.find({}):
                keys.append(document["_id"])
            return keys + [document["n"] async for document in found]
    """
    before, after = both(body, "MDB503", "MDB503", load=[{"_id": 0, "n": 5}, {"_id": 1, "n": 6}])
    assert isinstance(before.error, TypeError)
    assert (after.value, after.error) == ([0, 1, 5], None)


@asynchronous
def test_a_transaction_is_entered() -> None:
    body = """
        client = AsyncMongoClient(URI)

        async def main():
            async with client.start_session() as session:
                async with session.start_transaction():
                    await client.app.docs.insert_one({"_id": 1}, session=session)
    """
    before, after = both(body, "MDB503", head=ASYNC_HEAD)
    assert isinstance(before.error, (AttributeError, TypeError))  # AttributeError before Python 3.11
    assert after.error is None
    assert (ids(after), after.names) == ([1], ["insert", "commitTransaction"])


@asynchronous
def test_the_form_of_motor_is_left_behind() -> None:
    """The await of the session hides that the transaction has none: both are put right, one after the other."""
    body = """
        client = AsyncMongoClient(URI)

        async def main():
            async with await client.start_session() as session:
                async with session.start_transaction():
                    await client.app.docs.insert_one({"_id": 1}, session=session)
    """
    before, after = both(body, "MDB503", "MDB503", head=ASYNC_HEAD)
    assert isinstance(before.error, TypeError)
    assert (ids(after), after.names, after.error) == ([1], ["insert", "commitTransaction"], None)


@asynchronous
def test_a_session_and_its_transaction_are_entered_together() -> None:
    body = """
        client = AsyncMongoClient(URI)

        async def main():
            with client.start_session() as session, session.start_transaction():
                await client.app.docs.insert_one({"_id": 1}, session=session)
    """
    before, after = both(body, "MDB503", "MDB503", head=ASYNC_HEAD)
    assert isinstance(before.error, (AttributeError, TypeError))
    assert (ids(after), after.names, after.error) == ([1], ["insert", "commitTransaction"], None)


ITERATIONS = {
    "for": "found = []\nfor row in docs.find({}):\n    found.append(row['_id'])\nreturn found",
    "comprehension": "return [row['_id'] for row in docs.find({}).sort('_id')]",
    "list": "rows = list(docs.find({}))\nreturn [row['_id'] for row in rows]",
    "sorted": "return [row['_id'] for row in sorted(docs.find({}), key=lambda row: row['_id'])]",
    "generator expression": "return sorted(row['_id'] for row in docs.find({}))",
    "list in an expression": "return [row['_id'] for row in list(docs.find({})) + []]",
}


@asynchronous
@pytest.mark.parametrize("lines", ITERATIONS.values(), ids=ITERATIONS)
def test_an_asynchronous_cursor_gives_its_documents(lines: str) -> None:
    body = "docs = AsyncMongoClient(URI).app.docs\n\nasync def main():\n" + textwrap.indent(lines, "    ")
    before, after = both(body, "MDB504", head=ASYNC_HEAD, load=[{"_id": 1}, {"_id": 2}])
    assert (before.value, before.error) == ([], None)
    assert (after.value, after.error) == ([1, 2], None)
    assert (before.names, after.names) == ([], ["find"])


@asynchronous
def test_work_is_really_handed_to_a_thread_or_awaited() -> None:
    body = """
        docs = MongoClient(URI).app.docs
        journal = AsyncMongoClient(URI).app.docs

        async def main():
            cursor = await asyncio.to_thread(docs.find, {})
            rows = [row["_id"] for row in cursor]
            one = await asyncio.to_thread(journal.find_one, {"_id": 1})
            return rows, type(one).__name__
    """
    before, after = both(body, "MDB506", "MDB506", head=ASYNC_HEAD, load=[{"_id": 1}])
    assert before.value == ([1], "coroutine")
    assert (after.value, after.error) == (([1], "dict"), None)


@asynchronous
def test_an_asynchronous_client_is_closed() -> None:
    body = """
        from contextlib import closing

        closed = []

        class Client(AsyncMongoClient):
            async def close(self):
                closed.append(True)
                await super().close()

            aclose = close

        async def main():
            with closing(Client(URI)) as client:
                await client.app.docs.insert_one({"_id": 1})
            return len(closed)
    """
    before, after = both(body, "MDB507", head=ASYNC_HEAD)
    assert (before.value, before.error) == (0, None)
    assert (after.value, after.error) == (1, None)
    assert ids(before) == ids(after) == [1]


def test_the_client_of_an_object_outlives_it() -> None:
    body = """
        class Store:
            def __init__(self):
                self.client = MongoClient(URI)
                self.docs = self.client.app.docs

            def close(self):
                self.client.close()

            def __del__(self):
                self.close()

        def main():
            docs = Store().docs
            gc.collect()
            return docs.count_documents({})
    """
    before, after = both(body, "MDB404", head=HEAD.replace("import asyncio", "import asyncio\nimport gc"), load=[{"_id": 1}])
    assert isinstance(before.error, InvalidOperation) or PYMONGO < (4, 0)
    assert (after.value, after.error) == (1, None)


def test_two_clients_for_a_loop() -> None:
    body = """
        def main():
            for n in range(4):
                source = MongoClient(URI)
                target = MongoClient(URI + "&appname=target")
                target.app.docs.insert_one({"_id": n, "before": source.app.docs.count_documents({})})
                source.close()
                target.close()
    """
    before, after = both(body, "MDB101", "MDB101")
    assert before.error is after.error is None
    assert before.stored == after.stored
    assert [document["before"] for document in after.stored] == [0, 1, 2, 3]
    assert after.connections < before.connections


# Races in the data


COUNTERS = ["counter['value'] + 1", "1 + counter['value']", "(counter.get('other') or 0) + 3", "counter.get('other', 0) - 2", "value + 1"]


@pytest.mark.parametrize("value", COUNTERS)
def test_the_operator_gives_what_was_computed(value: str) -> None:
    body = f"""
        docs = MongoClient(URI).app.docs

        def main():
            counter = docs.find_one({{"_id": "n"}})
            value = counter["value"]
            docs.update_one({{"_id": "n"}}, {{"$set": {{"{"other" if "other" in value else "value"}": {value}}}}})
    """
    before, after = both(body, "MDB701", load=[{"_id": "n", "value": 5}])
    assert before.error is after.error is None
    assert before.stored == after.stored
    assert after.stored[0] in ({"_id": "n", "value": 6}, {"_id": "n", "value": 5, "other": 3}, {"_id": "n", "value": 5, "other": -2})


def test_no_update_is_lost() -> None:
    """Both threads have read before either writes: the gate holds the replies to their reads until there are two."""
    body = """
        docs = MongoClient(URI).app.docs

        def add(_):
            counter = docs.find_one({"_id": "n"})
            docs.update_one({"_id": "n"}, {"$set": {"value": counter["value"] + 1}})

        def main():
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(add, range(2)))
    """
    before, after = both(body, "MDB701", load=[{"_id": "n", "value": 0}], prepare=lambda server: server.gate("find", parties=2))
    assert before.error is after.error is None
    assert (before.stored[0]["value"], after.stored[0]["value"]) == (1, 2)


# The interface of the driver


def test_the_pool_that_never_was() -> None:
    body = """
        from pymongo.pool import ThreadPool

        client = MongoClient(URI)
        pool = ThreadPool(5, max_size=10)

        def worker(n):
            with client.start_session() as session:
                client.app.docs.insert_one({"_id": n}, session=session)

        def main():
            for n in range(5):
                pool.schedule(worker, n)
            pool.shutdown()
    """
    before, after = both(body, "MDB001", head=HEAD.replace("from concurrent.futures import ThreadPoolExecutor\n", ""))
    assert isinstance(before.error, ImportError)
    assert after.error is None
    assert ids(after) == [0, 1, 2, 3, 4]


PAGE = """\
# Threads

Each thread gets its own client:

```python
from pymongo import MongoClient

def worker():
    client = MongoClient()  # one for each thread
    db = client.app
    db.docs.insert_one({})

threads = []
for i in range(5):
    thread = Thread(target=worker)
    threads.append(thread)
    thread.start()

for thread in threads:
    thread.join()
```

Or a pool of them:

```python
from pymongo import MongoClient
from pymongo.pool import ThreadPool

mongo_client = MongoClient()
pool = ThreadPool(5, max_size=10)  # at least 5 threads, at most 10

def worker():
    with mongo_client.start_session() as session:
        # work with MongoDB

for i in range(5):
    pool.schedule(worker)

pool.shutdown()
```
"""


def test_the_code_of_a_fixed_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that teaches a client for each thread and a pool that PyMongo does not have: neither block runs, and both do when fixed."""
    assert kind_of("page.md")
    wish = Wish(Applicability.UNSAFE)
    result, data = fix_bytes("page.md", PAGE.encode(), Selection(("--isolated",)), wish)
    assert sorted(finding.code for finding in result.applied) == ["MDB001", "MDB102"]
    assert not result.remaining
    assert fix_bytes("page.md", data, Selection(("--isolated",)), wish)[1] == data
    blocks = [block.partition("```")[0] for block in data.decode().split("```python\n")[1:]]
    assert len(blocks) == 2
    with FakeServer() as server:
        import pymongo

        opened: list[Any] = []

        class Local(pymongo.MongoClient):  # type: ignore[type-arg]
            """The default address is that of the fake server."""

            def __init__(self) -> None:
                super().__init__(server.uri)
                opened.append(self)

        monkeypatch.setattr(pymongo, "MongoClient", Local)
        try:
            for block in blocks:
                exec(compile(block, "page.md", "exec", dont_inherit=True), {"__name__": "page"})
            assert len(opened) == 2  # one a block
            assert len(server.documents("app.docs")) == 5
        finally:
            for client in opened:
                client.close()


OLD = [
    ("db.docs.insertOne({'_id': 1}).inserted_id", 1, "MDB001"),
    ("db.docs.findOne({'_id': 0})['n']", 5, "MDB001"),
    ("db.docs.insert({'_id': 1})", 1, "MDB002"),
    ("db.docs.insert([{'_id': 1}, {'_id': 2}])", [1, 2], "MDB002"),
    ("db.docs.update({'_id': 0}, {'$set': {'n': 6}})['nModified']", 1, "MDB002"),
    ("db.docs.update({'_id': 0}, {'$inc': {'n': 1}})['updatedExisting']", True, "MDB002"),
    ("db.docs.update({'_id': 9}, {'$set': {'n': 6}}, True)['upserted']", 9, "MDB002"),
    ("db.docs.update({'n': 5}, {'n': 6}, multi=False)['n']", 1, "MDB002"),
    ("db.docs.remove({'n': 5})['n']", 1, "MDB002"),
    ("db.docs.remove()['n']", 1, "MDB002"),
    ("db.docs.find_and_modify({'_id': 0}, {'$inc': {'n': 1}}, new=True)['n']", 6, "MDB002"),
    ("db.docs.find_and_modify(query={'_id': 0}, remove=True)['n']", 5, "MDB002"),
    ("db.docs.count()", 1, "MDB002"),
    ("db.docs.count({'n': 5}, limit=0)", 1, "MDB002"),
    ("db.docs.find({'n': 5}).sort('n').count()", 1, "MDB002"),
    ("db.docs.find({'n': 5}).skip(1).count(True)", 0, "MDB002"),
    ("db.collection_names()", ["docs"], "MDB002"),
    ("db.docs.ensure_index('n', 300)", "n_1", "MDB002"),
    ("client.max_bson_size > 1000", True, "MDB002"),
    ("client.max_pool_size", 100, "MDB002"),
    ("bool(db)", True, "MDB007"),
    ("'yes' if not db.docs else 'no'", "no", "MDB007"),
    ("(db or client.other).name", "app", "MDB007"),
    ("f\"{client.max_bson_size > 1000} {db.docs.remove('x')['n']}\"", "True 0", "MDB002"),
]


@pytest.mark.skipif(PYMONGO < (4, 0), reason="before 4.0 the old interface is there")
@pytest.mark.parametrize(("line", "wanted", "code"), OLD, ids=[line for line, _, _ in OLD])
def test_the_interface_of_today_gives_what_the_old_one_did(line: str, wanted: object, code: str) -> None:
    body = f"""
        client = MongoClient(URI)
        db = client.app

        def main():
            return {line}
    """
    codes = [code] * (1 + line.startswith("f"))
    before, after = both(body, *codes, load=[{"_id": 0, "n": 5}])
    # an unknown attribute of a database is a collection, which is not callable, has no truth value and is equal to nothing
    assert isinstance(before.error, (TypeError, AttributeError, NotImplementedError)) or before.value != wanted
    assert (after.value, after.error) == (wanted, None)


PROVEN = [
    ("sum(1 for document in db.docs.find({'n': 5}) if db.docs.find({'_id': document['_id']}).count())", 1),
    ("db.docs.find(query).count()", 1),
    ("db.docs.count(query)", 1),
    ("[copy.insert(document) for document in db.docs.find(query)]", [0]),
    ("[db.docs.remove(document['_id'])['n'] for document in db.docs.find(query)]", [1]),
    ("db.docs.update(query, change, multi=True)['nModified']", 1),
    ("db.docs.update(query, other)['n']", 1),
    ("saved()", [{"_id": 0, "n": 5, "seen": True}]),
    ("kept({'n': 7})", 2),
]


@pytest.mark.skipif(PYMONGO < (4, 0), reason="before 4.0 the old interface is there")
@pytest.mark.parametrize(("line", "wanted"), PROVEN, ids=[line for line, _ in PROVEN])
def test_what_the_program_shows_of_an_argument_is_right(line: str, wanted: object) -> None:
    """Filters, documents and identifiers that are names: how they came about says what they are."""
    helpers = {
        "saved": """
            def saved():
                for document in db.docs.find({"n": 5}):
                    document["seen"] = True
                    db.docs.save(document)
                return list(db.docs.find({}))
        """,
        "kept": """
            def kept(document):
                document["seen"] = False
                db.docs.insert(document)
                cursor = db.docs.find({})
                return sum(1 for _ in cursor)
        """,
    }
    body = textwrap.dedent(helpers.get(line.partition("(")[0], "")) + textwrap.dedent(f"""
        client = MongoClient(URI)
        db, copy = client.app, client.app.copy

        def main():
            query = {{"n": 5}}
            change = {{"$set": {{"n": 6}}}}
            other = {{"n": 6}}
            return {line}
    """)
    before, after = both(body, "MDB002", load=[{"_id": 0, "n": 5}])
    assert isinstance(before.error, (TypeError, AttributeError))
    assert (after.value, after.error) == (wanted, None)


BULKS = {
    "one of each": (
        """
        bulk = docs.initialize_ordered_bulk_op()
        bulk.insert({"_id": 1, "n": 1})
        bulk.find({"_id": 0}).update_one({"$inc": {"n": 1}})
        bulk.find({}).update({"$set": {"seen": True}})
        bulk.find({"_id": 2}).upsert().replace_one({"n": 2})
        bulk.find({"_id": 1}).remove_one()
        result = bulk.execute()
        return result["nInserted"], result["nMatched"], result["nUpserted"], result["nRemoved"], result["writeErrors"]
        """,
        (1, 3, 1, 1, []),
        [{"_id": 0, "n": 6, "seen": True}, {"_id": 2, "n": 2}],
    ),
    "in pages": (
        """
        total = 0
        for page in ([1, 2], [3]):
            bulk = docs.initialize_unordered_bulk_op()
            for number in page:
                bulk.insert({"_id": number})
            total += bulk.execute()["nInserted"]
        return total
        """,
        3,
        [{"_id": 0, "n": 5}, {"_id": 1}, {"_id": 2}, {"_id": 3}],
    ),
    "goes on after an error": (
        """
        bulk = docs.initialize_unordered_bulk_op()
        bulk.insert({"_id": 0})
        bulk.insert({"_id": 1})
        try:
            bulk.execute()
        except pymongo.errors.BulkWriteError as error:
            return error.details["nInserted"]
        """,
        1,
        [{"_id": 0, "n": 5}, {"_id": 1}],
    ),
}


@pytest.mark.skipif(PYMONGO < (4, 0), reason="before 4.0 the old interface is there")
@pytest.mark.parametrize("name", BULKS)
def test_a_builder_of_bulk_operations_writes_what_it_did(name: str) -> None:
    lines, wanted, stored = BULKS[name]
    body = f"""
        import pymongo.errors

        docs = MongoClient(URI).app.docs

        def main():
{textwrap.indent(textwrap.dedent(lines), " " * 12)}
    """
    before, after = both(body, "MDB002", load=[{"_id": 0, "n": 5}])
    assert isinstance(before.error, TypeError)
    assert (after.value, after.error) == (wanted, None)
    assert sorted(after.stored, key=lambda document: document["_id"]) == stored


NAMES = [
    ("from bson.binary import UUIDLegacy", "UUIDLegacy(uuid.UUID(int=7)).subtype", 3),
    ("from pymongo import SLOW_ONLY", "SLOW_ONLY", 1),
    ("from pymongo.ismaster import IsMaster", "IsMaster({'ok': 1}).max_bson_size > 0", True),
    ("from pymongo import Connection", "Connection(URI, tz_aware=True).app.docs.find_one()['n']", 5),
]


@pytest.mark.skipif(PYMONGO < (4, 0), reason="before 4.0 the old interface is there")
@pytest.mark.parametrize(("line", "expression", "wanted"), NAMES, ids=[line for line, _, _ in NAMES])
def test_removed_names_are_what_they_stood_for(line: str, expression: str, wanted: object) -> None:
    body = f"""
        import uuid

        def main():
            {line}
            return {expression}
    """
    before, after = both(body, "MDB002", load=[{"_id": 0, "n": 5}])
    assert isinstance(before.error, ImportError)
    assert (after.value, after.error) == (wanted, None)


def test_an_exception_that_nothing_raises_is_not_caught() -> None:
    body = """
        import pymongo.errors

        def main():
            try:
                raise pymongo.errors.ConnectionFailure("down")
            except (pymongo.errors.CertificateError, pymongo.errors.ConnectionFailure):
                return "down"
    """
    if PYMONGO < (4, 0):
        pytest.skip("before 4.0 the exception is there")
    before, after = both(body, "MDB002")
    assert isinstance(before.error, AttributeError)
    assert (after.value, after.error) == ("down", None)


def test_an_exception_of_another_module_is_caught() -> None:
    body = """
        from bson import errors

        docs = MongoClient(URI).app.docs

        def main():
            try:
                docs.insert_many([{"_id": 1}])
                docs.insert_one({"_id": 1})
            except errors.DuplicateKeyError:
                return "twice"
            except (pymongo.OperationFailure, ValueError):
                return "failed"
    """
    before, after = both(body, "MDB001", "MDB001")
    assert isinstance(before.error, AttributeError)
    assert (after.value, after.error) == ("twice", None)


def test_credentials_are_options_of_the_client() -> None:
    body = """
        client = MongoClient("localhost", connect=False)
        db = client["shop"]
        db.authenticate("reader", "secret")

        def main():
            given = client.options.pool_options._credentials
            return given.username, given.password, given.source
    """
    if PYMONGO < (4, 0):
        pytest.skip("before 4.0 a database has the method")
    fixed = fix_text("program.py", HEAD + "\n" + textwrap.dedent(body), parse(pymongo=">=4.9"), level=Applicability.UNSAFE)
    assert [finding.code for finding in fixed.applied] == ["MDB002"]
    outcome = run(fixed.text, [])
    assert outcome.error is None
    assert outcome.value == ("reader", "secret", "shop")


def test_the_command_writes_to_the_collection_that_was_asked_for() -> None:
    """The function that was removed sent this command, and gave the collection that it wrote to."""
    body = """
        docs = MongoClient(URI).app.docs

        def main():
            totals = docs.map_reduce("function() {}", "function() {}", "totals", query={"n": 5}, limit=3)
            docs.map_reduce("function() {}", "function() {}", out="others")
            return [total["value"] for total in totals.find({})]
    """
    if PYMONGO < (4, 0):
        pytest.skip("before 4.0 a collection has the method")
    servers: list[FakeServer] = []

    def prepare(server: FakeServer) -> None:
        servers.append(server)
        server.load("app.totals", [{"_id": "a", "value": 2}])

    before, after = both(body, "MDB002", "MDB002", prepare=prepare)
    assert isinstance(before.error, TypeError)
    assert (after.value, after.error) == ([2], None)
    first, second = servers[1].seen("mapReduce")
    assert (first.database, first.collection, first.body["out"], first.body["query"], first.body["limit"]) == (
        "app",
        "docs",
        "totals",
        {"n": 5},
        3,
    )
    assert (second.body["map"], second.body["reduce"], second.body["out"]) == ("function() {}", "function() {}", "others")


def test_what_its_own_options_say_about_a_client() -> None:
    body = """
        client = MongoClient(URI, maxIdleTimeMS=30000, directConnection=True)

        def main():
            return client.max_idle_time_ms, client.host, client.port > 0
    """
    if PYMONGO < (4, 0):
        pytest.skip("before 4.0 the properties are there")
    before, after = both(body, "MDB002", "MDB002", "MDB002")
    assert before.value != (30000, "127.0.0.1", True)
    assert (after.value, after.error) == ((30000, "127.0.0.1", True), None)


def test_the_option_takes_effect() -> None:
    body = """
        client = MongoClient(URI, max_pool_size=7, socketKeepAlive=True)

        def main():
            return client.options.pool_options.max_pool_size
    """
    if PYMONGO < (4, 0):
        pytest.skip("socketKeepAlive was an option before 4.0")
    before, after = both(body, "MDB004", "MDB004")
    assert isinstance(before.error, ConfigurationError)
    assert after.value == 7


def test_the_option_of_a_literal_uri_takes_effect() -> None:
    body = """
        client = MongoClient("mongodb://127.0.0.1/?max_pool_size=7&waitQueueMultiple=3", connect=False)

        def main():
            return client.options.pool_options.max_pool_size
    """
    before, after = both(body, "MDB004", "MDB004")
    assert (before.value, after.value) == (100, 7)


def test_every_code_with_a_fix_is_run_here() -> None:
    """A fix that can be run is run: each rule that promises one is named in this file."""
    from flake8_mongo_threads.rules import load

    text = Path(__file__).read_text(encoding="utf-8")
    assert importlib.util.find_spec("pymongo")
    promised = {rule.code for rule in load() if rule.fix is not None} - {"MDB006"}  # `migrate motor`
    assert promised
    assert [code for code in sorted(promised) if f'"{code}"' not in text] == []
