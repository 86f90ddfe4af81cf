"""MDB7xx: reads and writes of several threads that interleave. The server holds the reads back until all of them have happened."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from evidence.fakemongo import FakeServer
from evidence.support import finish, run_program, started

WORKERS = 4


def together(work: Any) -> list[BaseException | None]:
    """Run ``work(number)`` on :data:`WORKERS` threads at once; the exceptions."""
    with ThreadPoolExecutor(WORKERS) as executor:
        return [future.exception() for future in [executor.submit(work, number) for number in range(WORKERS)]]


def visits(server: FakeServer) -> Any:
    """The counter's value at the server."""
    return server.documents("shop.pages")[0]["visits"]


@pytest.fixture
def pages(server: FakeServer, client: Any) -> Any:
    """A collection with a counter at zero."""
    server.load("shop.pages", [{"_id": "home", "visits": 0}])
    return client.shop.pages


def test_lost_update(server: FakeServer, pages: Any) -> None:
    """MDB701: read, add one, ``$set``: workers that read the same value overwrite each other; ``$inc`` loses nothing."""

    def read_then_set(number: int) -> None:
        page = pages.find_one({"_id": "home"})
        pages.update_one({"_id": "home"}, {"$set": {"visits": page["visits"] + 1}})

    with server.gate("find", parties=WORKERS) as gate:
        assert together(read_then_set) == [None] * WORKERS
    assert not gate.expired
    assert visits(server) == 1
    together(lambda _number: pages.update_one({"_id": "home"}, {"$inc": {"visits": 1}}))
    assert visits(server) == 1 + WORKERS


def test_compare_and_set(server: FakeServer, pages: Any) -> None:
    """MDB701, what it must not report: the value read stands in the filter, and a write that finds it changed is tried again."""

    def compare_and_set(number: int) -> None:
        while True:
            page = pages.find_one({"_id": "home"})
            new = {"$set": {"visits": page["visits"] + 1}}
            if pages.update_one({"_id": "home", "visits": page["visits"]}, new).modified_count:
                return

    with server.gate("find", parties=WORKERS):
        assert together(compare_and_set) == [None] * WORKERS
    assert visits(server) == WORKERS


def test_read_modify_replace(server: FakeServer, pages: Any) -> None:
    """MDB702: the whole document written back undoes what others changed meanwhile, other fields included."""

    def replace(number: int) -> None:
        page = pages.find_one({"_id": "home"})
        page[f"seen_by_{number}"] = True
        pages.replace_one({"_id": "home"}, page)

    with server.gate("find", parties=WORKERS):
        together(replace)
    [page] = server.documents("shop.pages")
    assert len([field for field in page if field.startswith("seen_by_")]) == 1


@pytest.mark.parametrize("look", ["find", "aggregate"])
def test_check_then_insert(server: FakeServer, client: Any, look: str) -> None:
    """MDB703: every worker that looks before the first insert inserts, with ``find_one`` or ``count_documents``; an upsert does not."""
    users = client.shop.users

    def sign_up(number: int) -> None:
        missing = users.find_one({"mail": "a@b"}) is None if look == "find" else users.count_documents({"mail": "a@b"}) == 0
        if missing:
            users.insert_one({"mail": "a@b"})

    with server.gate(look, parties=WORKERS) as gate:
        assert together(sign_up) == [None] * WORKERS
    assert not gate.expired
    assert len(server.documents("shop.users")) == WORKERS
    users.drop()
    together(lambda number: users.update_one({"mail": "a@b"}, {"$setOnInsert": {"by": number}}, upsert=True))
    assert len(server.documents("shop.users")) == 1


def test_next_id_from_a_count(server: FakeServer, client: Any) -> None:
    """MDB704: workers that count at the same time choose the same id; a counter incremented at the server gives each its own."""
    tickets = client.shop.tickets

    def open_ticket(number: int) -> None:
        tickets.insert_one({"_id": tickets.count_documents({}) + 1})

    with server.gate("aggregate", parties=WORKERS) as gate:
        errors = together(open_ticket)
    assert not gate.expired
    assert [type(error) for error in errors if error is not None] == [DuplicateKeyError] * (WORKERS - 1)
    numbers: list[int] = []

    def next_number(number: int) -> None:
        counter = client.shop.counters.find_one_and_update(
            {"_id": "ticket"}, {"$inc": {"n": 1}}, upsert=True, return_document=ReturnDocument.AFTER
        )
        numbers.append(counter["n"])

    together(next_number)
    assert sorted(numbers) == list(range(1, WORKERS + 1))


def test_thread_lock_in_one_process(server: FakeServer, pages: Any) -> None:
    """MDB701, MDB704: what one lock covers, read and write, is safe inside one process."""
    lock = threading.Lock()

    def locked(number: int) -> None:
        with lock:
            page = pages.find_one({"_id": "home"})
            pages.update_one({"_id": "home"}, {"$set": {"visits": page["visits"] + 1}})

    together(locked)
    assert visits(server) == WORKERS


def test_thread_lock_across_processes(server: FakeServer, pages: Any) -> None:
    """MDB706: each process has its own ``threading.Lock``: it does not keep the other process out."""
    program = """
import sys, threading
from pymongo import MongoClient
lock = threading.Lock()
with MongoClient(sys.argv[1]) as client, lock:
    pages = client.shop.pages
    page = pages.find_one({"_id": "home"})
    pages.update_one({"_id": "home"}, {"$set": {"visits": page["visits"] + 1}})
"""
    codes: list[int | None] = []
    with server.gate("find", parties=2) as gate:
        finish(*started(*[lambda: codes.append(run_program(program, server.uri).code)] * 2))
    assert not gate.expired  # Both were inside their lock at the same time.
    assert codes == [0, 0]
    assert visits(server) == 1
