"""MDB3xx: what happens to objects and calls that are handed to threads, executors and tasks."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gridfs
import pytest
from gridfs.errors import CorruptGridFile
from pymongo.errors import DuplicateKeyError

from evidence.fakemongo import PATIENCE, FakeServer
from evidence.support import finish, open_async, run_async, since, started, thread_failures

PAYLOAD = bytes(range(200)) * 20
"""4000 bytes: four chunks of 1000."""


def test_cursor_shared_by_threads(server: FakeServer, orders: Any) -> None:
    """MDB301: two threads that advance one cursor both send its query: documents come twice."""
    server.load("shop.orders", [{"_id": number} for number in range(5)])
    cursor = orders.find()
    got: list[int] = []
    with server.gate("find", parties=2) as gate:
        finish(*started(*[lambda: got.append(next(cursor)["_id"])] * 2))
    assert gate.most_held == 2
    assert not gate.expired
    assert len(server.seen("find")) == 2  # One cursor, which is one query.


def test_get_more_by_two_threads(server: FakeServer, orders: Any) -> None:
    """MDB301: past the first batch, both threads ask for the next batch of the same server cursor; one batch ends up lost or doubled."""
    server.load("shop.orders", [{"_id": number} for number in range(12)])
    cursor = orders.find(batch_size=2)
    [next(cursor) for _ in range(2)]
    with server.gate("getMore", parties=2) as gate:
        finish(*started(*[lambda: next(cursor)] * 2))
    assert gate.most_held == 2
    assert not gate.expired
    first, second = server.seen("getMore")
    assert first.body["getMore"] == second.body["getMore"]
    assert first.connection != second.connection


def test_cursor_under_a_lock(server: FakeServer, orders: Any) -> None:
    """MDB301, what it must not report: ``next()`` under one lock gives every document once; so does ``executor.map`` over the cursor."""
    server.load("shop.orders", [{"_id": number} for number in range(300)])
    cursor = orders.find(batch_size=20)
    lock = threading.Lock()
    got: list[int] = []

    def work() -> None:
        while True:
            with lock:
                document = next(cursor, None)
            if document is None:
                return
            got.append(document["_id"])

    finish(*started(*[work] * 4))
    assert sorted(got) == list(range(300))
    with ThreadPoolExecutor(4) as executor:
        assert list(executor.map(lambda order: order["_id"], orders.find(batch_size=20))) == list(range(300))


@since(4, 9)
def test_cursor_shared_by_tasks(server: FakeServer) -> None:
    """MDB301: four tasks that iterate one AsyncCursor send its query four times: duplicates, without an exception."""
    server.load("shop.orders", [{"_id": number} for number in range(5)])
    got: list[int] = []

    async def main() -> None:
        async with open_async(server.uri) as client:
            cursor = client.shop.orders.find()

            async def read() -> None:
                got.extend([order["_id"] async for order in cursor])

            await asyncio.gather(*[read() for _ in range(4)])

    with server.gate("find", parties=4) as gate:
        run_async(main)
    assert gate.most_held == 4
    assert not gate.expired
    assert len(got) > len(set(got)) == 5


def test_grid_out_shared(server: FakeServer, client: Any) -> None:
    """MDB302: threads that read one GridOut share its position and its chunk cursor: a read overtaken by another one fails.

    ``readchunk()`` and not ``read()``: two threads in ``read()`` may never come to an end, nor to a limit of memory.
    """
    bucket = gridfs.GridFSBucket(client.files, chunk_size_bytes=1000)
    name = bucket.upload_from_stream("report", PAYLOAD)
    assert bucket.open_download_stream(name).read() == PAYLOAD
    stream = bucket.open_download_stream(name)
    assert stream.filename == "report"  # Reads the file's document, so that only the chunks are left to read.
    overtaken = threading.Event()
    errors: list[BaseException] = []

    def read() -> None:
        try:
            stream.readchunk()
        except CorruptGridFile as error:
            errors.append(error)

    with server.gate("find", where=lambda find: find.collection == "fs.chunks" and not overtaken.is_set()) as gate:
        threads = started(read)
        gate.wait(1)
        overtaken.set()
        assert stream.readchunk() == PAYLOAD[:1000]
        gate.open()
        finish(*threads)
    assert len(errors) == 1
    assert "expected chunk #1 but found chunk with n=0" in str(errors[0])


def test_grid_in_shared(server: FakeServer, client: Any) -> None:
    """MDB302: two threads that write one GridIn share its buffer: the chunks come out with wrong sizes and the file cannot be read."""
    bucket = gridfs.GridFSBucket(client.files, chunk_size_bytes=1000)
    stream = bucket.open_upload_stream("report")
    stream.write(b"x" * 10)
    writing, overtaken = threading.Event(), threading.Event()

    class Source:
        """Data whose reader is overtaken by another write in the middle of ``GridIn.write``."""

        rest = b"a" * 990

        def read(self, size: int) -> bytes:
            writing.set()
            assert overtaken.wait(PATIENCE)
            part, self.rest = self.rest[:size], self.rest[size:]
            return part

    threads = started(lambda: stream.write(Source()))
    assert writing.wait(PATIENCE)
    stream.write(b"b" * 990)
    overtaken.set()
    finish(*threads)
    stream.write(b"x" * 10)
    stream.close()
    sizes = [len(chunk["data"]) for chunk in server.documents("files.fs.chunks")]
    assert sizes == [1000, 990, 10]  # All but the last have to be 1000 long.
    with pytest.raises(CorruptGridFile):
        bucket.open_download_stream(stream._id).read()


def test_bucket_shared(server: FakeServer, client: Any) -> None:
    """MDB302, what it must not report: threads share a bucket as long as each opens its own stream."""
    bucket = gridfs.GridFSBucket(client.files, chunk_size_bytes=1000)
    name = bucket.upload_from_stream("report", PAYLOAD)
    with ThreadPoolExecutor(4) as executor:
        copies = list(executor.map(lambda _: bucket.open_download_stream(name).read(), range(8)))
    assert copies == [PAYLOAD] * 8


def test_document_shared(server: FakeServer, orders: Any) -> None:
    """MDB303: the driver writes ``_id`` into the document it inserts; the same dict inserted again meanwhile is a duplicate."""
    document = {"kind": "event"}
    with ThreadPoolExecutor(2) as executor, server.gate("insert") as gate:
        first = executor.submit(orders.insert_one, document)
        gate.wait(1)
        assert "_id" in document  # Before the first insert has come back.
        document["kind"] = "changed"
        second = executor.submit(orders.insert_one, document)
        gate.wait(2)
        gate.open()
        assert first.exception() is None
        assert isinstance(second.exception(), DuplicateKeyError)
    assert len(server.documents("shop.orders")) == 1


@since(4, 9)
def test_document_shared_by_tasks(server: FakeServer) -> None:
    """MDB303: the same with ``gather``; a copy per insert (``dict(document)``) stores all."""

    async def main() -> tuple[list[Any], list[Any]]:
        async with open_async(server.uri) as client:
            orders = client.shop.orders
            event: dict[str, Any] = {"kind": "event"}
            copies = await asyncio.gather(*[orders.insert_one(dict(event)) for _ in range(3)], return_exceptions=True)
            shared = await asyncio.gather(*[orders.insert_one(event) for _ in range(3)], return_exceptions=True)
            return copies, shared

    copies, shared = run_async(main)
    assert [isinstance(result, DuplicateKeyError) for result in copies] == [False] * 3
    assert [isinstance(result, DuplicateKeyError) for result in shared].count(True) == 2


def test_call_instead_of_callable_in_submit(server: FakeServer, orders: Any) -> None:
    """MDB304: ``submit(coll.insert_one(doc))`` inserts on the calling thread; the future fails with "not callable"."""
    with ThreadPoolExecutor(1) as executor:
        future: Any = executor.submit(orders.insert_one({"_id": 1}))  # Stored before submit() is entered.
        missing: Any = executor.submit(orders.find_one({"_id": "none"}))
    for failed in (future, missing):
        with pytest.raises(TypeError, match="not callable"):
            failed.result()
    assert len(server.documents("shop.orders")) == 1


def test_call_instead_of_callable_in_thread(server: FakeServer, orders: Any) -> None:
    """MDB304: a thread whose target is a result dies of "not callable"; one whose target is None (nothing found) does nothing."""
    with thread_failures() as failures:
        thread = threading.Thread(target=orders.insert_one({"_id": 1}))
        assert len(server.documents("shop.orders")) == 1  # Not started yet.
        thread.start()
        finish(thread)
    assert [str(failure) for failure in failures] == ["'InsertOneResult' object is not callable"]
    with thread_failures() as failures:
        nothing = threading.Thread(target=orders.find_one({"_id": "none"}))
        nothing.start()
        finish(nothing)
    assert failures == []


def test_call_instead_of_callable_in_to_thread(server: FakeServer, orders: Any) -> None:
    """MDB304: with ``to_thread`` the operation runs on the event loop's thread, and the await fails."""

    async def main() -> None:
        await asyncio.to_thread(orders.insert_one({"_id": 1}))

    with pytest.raises(TypeError, match="not callable"):
        run_async(main)
    assert len(server.documents("shop.orders")) == 1


def test_errors_of_workers_discarded(server: FakeServer, orders: Any) -> None:
    """MDB305: nobody learns that a submitted write failed, nor does leaving the executor's block tell; the same for an unread ``map``."""
    with ThreadPoolExecutor(1) as executor:
        executor.submit(orders.insert_one, {"_id": "twin", "n": 1})
        executor.submit(orders.insert_one, {"_id": "twin", "n": 2})
    with ThreadPoolExecutor(1) as executor:
        executor.map(orders.insert_one, [{"_id": "twin", "n": 3}, {"_id": "other"}])
    assert len(server.seen("insert")) == 4
    assert [(order["_id"], order.get("n")) for order in server.documents("shop.orders")] == [("twin", 1), ("other", None)]
    with ThreadPoolExecutor(1) as executor, pytest.raises(DuplicateKeyError):
        list(executor.map(orders.insert_one, [{"_id": "twin"}]))


def test_args_not_a_tuple(server: FakeServer, orders: Any) -> None:
    """MDB306: ``args=(doc)`` is the document itself; its keys become the arguments: TypeError on stderr, nothing stored."""
    with thread_failures() as failures:
        wrong = threading.Thread(target=orders.insert_one, args=({"name": "ada"}))
        wrong.start()
        finish(wrong)
    assert [type(failure) for failure in failures] == [TypeError]
    assert server.documents("shop.orders") == []
    right = threading.Thread(target=orders.insert_one, args=({"name": "ada"},))
    right.start()
    finish(right)
    assert len(server.documents("shop.orders")) == 1
