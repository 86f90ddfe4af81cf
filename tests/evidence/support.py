"""What the evidence tests share: releases, event loops with a limit, programs in a child process, failures of threads."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import pymongo
import pytest

T = TypeVar("T")

PYMONGO: tuple[int, ...] = tuple(part for part in pymongo.version_tuple if isinstance(part, int))
"""The installed driver's release, without a pre-release tag."""

LIMIT = 15.0
"""Seconds that a coroutine or a child process may take: a hang becomes a failure."""


def since(*release: int) -> pytest.MarkDecorator:
    """Skip the test on drivers older than this release, where the claim is not made."""
    wanted = ".".join(map(str, release))
    return pytest.mark.skipif(release > PYMONGO, reason=f"the claim is made for pymongo >= {wanted}, this is {pymongo.version}")


def open_async(uri: str, **options: Any) -> Any:
    """A client of PyMongo Async. Any: the tests misuse it in ways that a type checker would refuse."""
    from pymongo import AsyncMongoClient

    return AsyncMongoClient(uri, **options)


def run_async(main: Callable[[], Awaitable[T]]) -> T:
    """Run ``main()`` in an event loop of its own, for at most :data:`LIMIT` seconds."""

    async def limited() -> T:
        return await asyncio.wait_for(main(), LIMIT)

    return asyncio.run(limited())


class Outcome(NamedTuple):
    """How a child process ended. ``code`` is None when it had to be killed at its limit."""

    code: int | None
    out: str
    err: str


def run_program(source: str, *arguments: str, flags: tuple[str, ...] = (), limit: float = LIMIT) -> Outcome:
    """Run a Python program in a child process of at most ``limit`` seconds; it finds ``arguments`` in ``sys.argv[1:]``.

    ``flags`` are options of the interpreter (``-W``, ``-X``). The child inherits no warning filter of the test run.
    """
    command = [sys.executable, *flags, "-c", source, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            out, err = child.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            return Outcome(None, out, err)
    return Outcome(child.returncode, out, err)


@contextlib.contextmanager
def thread_failures() -> Iterator[list[BaseException]]:
    """Collect the exceptions that end threads inside the block, which otherwise only appear on stderr."""
    failures: list[BaseException] = []
    before = threading.excepthook

    def keep(details: Any) -> None:
        failures.append(details.exc_value)

    threading.excepthook = keep
    try:
        yield failures
    finally:
        threading.excepthook = before


@contextlib.contextmanager
def set_on_exit(event: threading.Event) -> Iterator[None]:
    """Set the event when the block is left: marks the moment between the exits of two other context managers."""
    try:
        yield
    finally:
        event.set()


def finish(*threads: threading.Thread) -> None:
    """Join threads, and fail rather than hang when one does not end."""
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive(), f"{thread.name} still runs after {LIMIT} s"


def started(*targets: Callable[[], Any]) -> list[threading.Thread]:
    """Start one daemon thread per callable."""
    threads = [threading.Thread(target=target, daemon=True) for target in targets]
    for thread in threads:
        thread.start()
    return threads
