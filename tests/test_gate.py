"""Which files are looked at at all: those that may have to do with a driver, and no others."""

from pathlib import Path

import pytest

from flake8_mongo_threads.engine import gate
from flake8_mongo_threads.semantics import modules


def opens(folder: Path, text: str, **neighbours: str) -> bool:
    for name, other in neighbours.items():
        (folder / f"{name}.py").write_text(other)
    (folder / "__init__.py").write_text("")
    modules.new_run()
    return gate(text.splitlines(keepends=True), str(folder / "user.py"))


@pytest.mark.parametrize(
    "text",
    [
        "from pymongo import MongoClient\n",
        "import motor.motor_asyncio\n",
        "from umongo import Document\n",
        "def f(users): users.find_one_and_update({}, {})\n",
        "app.extensions['pymongo'].db.users.drop()\n",
    ],
)
def test_files_that_may_matter(text: str, tmp_path: Path) -> None:
    assert opens(tmp_path, text)


@pytest.mark.parametrize("text", ["# a humongous list\nx = []\n", "motor = engine.motor\n", "import mongolia\n", ""])
def test_files_that_cannot(text: str, tmp_path: Path) -> None:
    assert not opens(tmp_path, text)
    assert not opens(tmp_path, "from .other import x\n", other=text)


def test_neighbours_that_bring_a_driver(tmp_path: Path) -> None:
    user = "from .other import x\nx.users.insert({})\n"
    assert opens(tmp_path, user, other="from pymongo import MongoClient\nx = MongoClient().shop\n")
    assert opens(tmp_path, user, other="from flask_pymongo import PyMongo\nx = PyMongo().db\n")
    assert opens(tmp_path, user, other="try:\n    import pymongo\nexcept ImportError:\n    pymongo = None\n")
    assert opens(tmp_path, user, other="def make(mongo_client): return mongo_client.shop\n")
    assert opens(tmp_path, user, other="from .third import x\n", third="import motor.motor_asyncio\n")
    # A list of plug-ins, one of which is about pymongo, hands out nothing.
    assert not opens(tmp_path, user, other="PLUGINS = ['plugins.redis.Redis', 'plugins.pymongo.PyMongo']\n")
