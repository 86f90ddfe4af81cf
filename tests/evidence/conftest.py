"""Fixtures of the evidence tests. Where the driver is not installed, the folder holds no tests."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from evidence.fakemongo import FakeServer

HERE = Path(__file__).parent

collect_ignore_glob: list[str] = [] if importlib.util.find_spec("pymongo") else ["test_*.py"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give every test of this folder a limit, where pytest-timeout is installed, so that a deadlock turns red and not silent."""
    if not config.pluginmanager.hasplugin("timeout"):
        return
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.timeout(30))


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A fresh fake server; what it offers is in the docstring of ``fakemongo``."""
    from evidence.fakemongo import FakeServer

    with FakeServer() as fake:
        yield fake


@pytest.fixture
def client(server: FakeServer) -> Iterator[Any]:
    """A synchronous client of the fake server. Any: the tests misuse it in ways that a type checker would refuse."""
    from pymongo import MongoClient

    opened: Any = MongoClient(server.uri)
    with opened:
        yield opened


@pytest.fixture
def orders(client: Any) -> Any:
    """The collection ``shop.orders`` of ``client``."""
    return client.shop.orders
