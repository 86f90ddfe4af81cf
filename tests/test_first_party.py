"""Where the modules of a program are looked for: layouts of repositories, and programs that no file marks as one."""

import os
from pathlib import Path

import pytest

from flake8_mongo_threads.config import Config
from flake8_mongo_threads.engine import check_text
from flake8_mongo_threads.semantics import callers, modules

DATABASE = 'from pymongo import MongoClient\n\ndb = MongoClient("mongodb://localhost")["shop"]\n'
USE = "from {module} import db\n\n\nasync def orders():\n    return db.orders.count_documents({{}})\n"


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    """What earlier tests found out about the file system is void."""
    modules.new_run()


def write(root: Path, files: dict[str, str]) -> None:
    """Files below a folder; a name that ends with a slash is a folder."""
    for name, text in files.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def codes(path: Path) -> list[str]:
    """The codes that are reported for a file."""
    return [finding.code for finding in check_text(str(path), path.read_text(encoding="utf-8"), Config())]


LAYOUTS: dict[str, tuple[str, str, dict[str, str]]] = {
    # name: (file with the operation, module that it imports from, other files)
    "a service of a repository, run from the repository's folder": (
        "backend/routers/orders.py",
        "backend.database",
        {".git/": "", "backend/requirements.txt": "pymongo\n", "backend/database.py": DATABASE},
    ),
    "a service of a repository, run from its own folder": (
        "services/orders/app/api/orders.py",
        "app.database",
        {".git/": "", "services/orders/requirements.txt": "pymongo\n", "services/orders/app/database.py": DATABASE},
    ),
    "code that several services share": (
        "services/orders/app/orders.py",
        "common.database",
        {".git/": "", "services/orders/requirements.txt": "pymongo\n", "common/database.py": DATABASE},
    ),
    "no mark at all, folders without __init__.py": (
        "backend/app/services/orders.py",
        "app.database",
        {"backend/app/database.py": DATABASE},
    ),
    "no mark at all, a module two folders above": (
        "cogs/shop/orders.py",
        "structures.database",
        {"bot.py": "", "structures/database.py": DATABASE},
    ),
    "an __init__.py beside the repository's mark": (
        "shop/orders.py",
        "shop.database",
        {".git/": "", "__init__.py": "", "shop/__init__.py": "", "shop/database.py": DATABASE},
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_module_is_found(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client that a module of the program makes is known in the one that imports it; what nothing marks, when run from its top."""
    path, module, files = LAYOUTS[name]
    root = tmp_path / "checkout"
    write(root, {**files, path: USE.format(module=module)})
    if name.startswith("no mark"):
        assert codes(root / path) == []
        modules.new_run()
        monkeypatch.chdir(root)
    assert codes(root / path) == ["MDB501"]


def test_what_lies_around_a_repository_is_not_read(tmp_path: Path) -> None:
    """Neither as a module nor as a caller, whatever stands beside the repository's mark."""
    write(
        tmp_path,
        {
            "database.py": DATABASE,
            "other/callers.py": "from checkout.shop.orders import orders\n",
            "checkout/.git/": "",
            "checkout/__init__.py": "",
            "checkout/shop/__init__.py": "",
            "checkout/shop/orders.py": USE.format(module="database"),
        },
    )
    path = tmp_path / "checkout/shop/orders.py"
    assert codes(path) == []
    roots = modules.roots_of(str(path))
    assert roots.top == str(tmp_path / "checkout")
    assert all(root.startswith(roots.top) for root in roots.paths)
    assert callers._listing(roots.top) == [
        str(tmp_path / "checkout/__init__.py"),
        *sorted(map(str, (tmp_path / "checkout/shop").glob("*.py"))),
    ]


def test_a_namesake_without_the_module_is_not_taken(tmp_path: Path) -> None:
    """A folder that only shares its name with a library says nothing of what is imported from the library."""
    write(tmp_path, {"crawler/items/orders.py": USE.format(module="crawler.database"), "crawler/other.py": DATABASE})
    assert codes(tmp_path / "crawler/items/orders.py") == []


def test_two_services_with_the_same_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``app.database`` is the one of the service that the file belongs to, also where one run looks at both."""
    monkeypatch.chdir(tmp_path)
    asynchronous = DATABASE.replace("MongoClient", "AsyncMongoClient")
    use = USE.format(module="app.database")
    write(
        tmp_path,
        {
            "users/app/api/use.py": use,
            "users/app/database.py": DATABASE,
            "orders/app/api/use.py": use,
            "orders/app/database.py": asynchronous,
        },
    )
    assert codes(tmp_path / "users/app/api/use.py") == ["MDB501"]
    assert "MDB501" not in codes(tmp_path / "orders/app/api/use.py")
    assert codes(tmp_path / "users/app/api/use.py") == ["MDB501"]


def test_home_is_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts in somebody's home folder do not make everything below it one program."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"notes.py": "", "scripts/orders.py": ""})
    assert modules.roots_of(os.path.join(tmp_path, "scripts", "orders.py")).top == str(tmp_path / "scripts")
