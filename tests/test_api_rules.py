"""The rules about what exists, against the installed driver: what it has is never reported, what it refuses is."""

import ast
import importlib
import logging
import subprocess
import sys
import types
import warnings
from collections.abc import Callable, Iterator

import pytest

from flake8_mongo_threads.config import Config, parse
from flake8_mongo_threads.driver import api
from flake8_mongo_threads.engine import check_text
from flake8_mongo_threads.fixes.apply import fix_text
from harness import ROOT, expectations

RULES = ("MDB001", "MDB002", "MDB003", "MDB004", "MDB005")

VALUES: tuple[object, ...] = (
    *(None, True, False, 0, 1, -1, 10, 500, 1.5, 10**9, [], {}),
    *("abc", "true", "false", "0", "1", "-1", "10", "1.5", "primary", "secondary", "standard", "majority", "SCRAM-SHA-256", "MONGODB-X509"),
    *("zlib", "stream", "strict", "dc:ny", "DATETIME_AUTO"),
)
FILES = ("tlscafile", "tlscertificatekeyfile", "tlscrlfile", "ssl_ca_certs", "ssl_certfile", "ssl_crlfile", "ssl_keyfile")
"""Options that name a file: whether it is there is not for a linter to say."""
IGNORED = ("waitqueuemultiple",)
"""Options that the driver accepts and ignores: reported whatever the value."""


def reported(text: str, codes: tuple[str, ...] = RULES) -> dict[int, list[str]]:
    """The lines with findings of some rules, with their messages."""
    found: dict[int, list[str]] = {}
    for finding in check_text("program.py", text, Config()):
        if finding.code in codes:
            found.setdefault(finding.span.line, []).append(f"{finding.code} {finding.message}")
    return found


@pytest.fixture
def driver() -> types.ModuleType:
    """The installed driver, when it is the release that a file without any requirement is checked against."""
    pymongo: types.ModuleType = pytest.importorskip("pymongo")
    if ".".join(pymongo.version.split(".")[:2]) != api.minors("pymongo")[-1]:
        pytest.skip("not the newest release of the model")
    return pymongo


def outcome(build: Callable[[], object]) -> str:
    """What the driver says to a client: its exception, its first warning, or nothing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            client = build()
        except Exception as error:  # the driver raises its own errors, ValueError, TypeError and KeyError
            return f"{type(error).__name__}: {error}"
        close: Callable[[], None] = client.close  # type: ignore[attr-defined]
        close()
    told = [str(each.message) for each in caught if issubclass(each.category, UserWarning)]
    return told[0] if told else ""


def calls(driver: types.ModuleType) -> Iterator[tuple[str, str]]:
    """(option, call) for every option that the driver validates, as keyword and in a URI."""
    for key in sorted(importlib.import_module("pymongo.common").VALIDATORS):
        for value in VALUES:
            if key != "connect":
                yield key, f'MongoClient("mongodb://h", connect=False, {key}={value!r})'
            if isinstance(value, str):
                yield key, f'MongoClient("mongodb://h/?{key}={value}", connect=False)'


def test_options_agree_with_the_driver(driver: types.ModuleType) -> None:
    logging.getLogger("pymongo").setLevel(logging.CRITICAL)
    rows = [row for row in calls(driver) if row[0] not in IGNORED]
    assert len(rows) > 2000
    found = reported("from pymongo import MongoClient\n" + "\n".join(call for _, call in rows) + "\n")
    names = {"MongoClient": driver.MongoClient}
    false, missed = [], []
    for line, (key, call) in enumerate(rows, 2):
        code = compile(call, "program.py", "eval")
        said = outcome(lambda code=code: eval(code, names))  # type: ignore[misc]
        if line in found and not said:
            false.append(f"{call}: {found[line]}")
        elif said and line not in found and not (key in FILES and "FileNotFoundError" in said):
            missed.append(f"{call}: {said}")
    assert false == []
    # A limit of 0 hosts as text, an empty list of tags for the primary, and the names of properties, which differ between releases.
    known = ("srvmaxhosts='0'", "readpreferencetags=[]", "authmechanismproperties='dc:ny'", "authmechanismproperties=dc:ny")
    assert [each for each in missed if not any(call in each for call in known)] == []


@pytest.mark.parametrize("name", ["objects_and_logins", "ok_literals_that_are_accepted"])
def test_fixtures_of_values_agree_with_the_driver(driver: types.ModuleType, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URI", "mongodb://app:secret@localhost/?readPreference=nearest")
    monkeypatch.delenv("DB_USER", raising=False)
    text = (ROOT / "fixtures" / "MDB005" / f"{name}.py").read_text(encoding="utf-8")
    wrong = {line for line, _ in expectations(text).expect}
    space: dict[str, object] = {}
    clients = 0
    for statement in ast.parse(text).body:
        code = ast.unparse(statement)
        if not isinstance(statement, ast.Expr) or "MongoClient" not in code:
            exec(code, space)
            continue
        if "mongodb+srv" in code:
            continue  # it asks the name server
        clients += 1
        lazy = code if "connect=" in code or "False)" in code else f"{code[:-1]}, connect=False)"
        said = outcome(lambda lazy=lazy: eval(lazy, space))  # type: ignore[misc]
        assert bool(said) == (statement.lineno in wrong), f"{lazy}: {said}"
    assert clients > 15


def test_nothing_that_the_driver_has_is_reported(driver: types.ModuleType) -> None:
    """Every public name of every documented module and class, read and called."""
    lines = [
        "from pymongo import MongoClient",
        "import bson, gridfs, pymongo",
        "client = MongoClient()",
        "db = client.app",
        "coll = db.users",
    ]
    modules = [
        "pymongo",
        "bson",
        "gridfs",
        "pymongo.errors",
        "pymongo.collection",
        "pymongo.operations",
        "pymongo.results",
        "bson.codec_options",
    ]
    for path in modules:
        module = importlib.import_module(path)
        lines.append(f"import {path}")
        lines.extend(f"print({path}.{name})" for name in dir(module) if not name.startswith("_"))
        lines.extend(f"from {path} import {name}" for name in dir(module) if not name.startswith("_") and path.count("."))
    lines += ["from pymongo import MongoClient", "client = MongoClient()", "db = client.app", "coll = db.users", "cursor = coll.find()"]
    opened = {
        "client": driver.MongoClient,
        "db": driver.database.Database,
        "coll": driver.collection.Collection,
        "cursor": driver.cursor.Cursor,
    }
    members = 0
    for name, cls in opened.items():
        for member in dir(cls):
            if not member.startswith("_") and callable(getattr(cls, member)):
                lines.append(f"{name}.{member}()")
                members += 1
    assert members > 80
    assert reported("\n".join(lines) + "\n") == {}


@pytest.mark.parametrize("name", ["MDB001/misuses_of_a_store", "MDB001/exceptions_and_flags", "MDB002/through_functions"])
def test_misuses_are_caught_where_no_driver_can_be_imported(name: str) -> None:
    path = ROOT / "fixtures" / f"{name}.py"
    program = (
        "import sys\n"
        "for package in ('pymongo', 'bson', 'gridfs', 'motor'):\n"
        "    sys.modules[package] = None\n"
        "from flake8_mongo_threads.engine import check_text\n"
        "path = sys.argv[1]\n"
        "with open(path, encoding='utf-8') as file:\n"
        "    text = file.read()\n"
        "for finding in check_text(path, text):\n"
        "    print(finding.span.line, finding.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=120, check=True, cwd=ROOT)
    found = {(int(line), code) for line, code in (row.split() for row in done.stdout.splitlines())}
    assert found == set(expectations(path.read_text(encoding="utf-8")).expect)
    assert len(found) >= 10


HEAD = """\
import datetime

from bson import ObjectId
from pymongo import MongoClient

client = MongoClient()
db = client.app
coll = db.users
document = {"a": 1}
documents = [{"a": 1}, {"a": 2}]


def run(x, many):
"""

MODERN = [
    ('coll.insert({"a": x})', 'coll.insert_one({"a": x})'),
    ("coll.insert(document)", "coll.insert_one(document)"),
    ("coll.insert(documents)", "coll.insert_many(documents)"),
    ("coll.insert([{'i': i} for i in range(3)])", "coll.insert_many([{'i': i} for i in range(3)])"),
    ('coll.save({"a": x})', 'coll.insert_one({"a": x})'),
    ('coll.update({"a": 1}, {"$set": {"b": x}})', 'coll.update_one({"a": 1}, {"$set": {"b": x}})'),
    ('coll.update({"a": 1}, {"$set": {"b": x}}, multi=True)', 'coll.update_many({"a": 1}, {"$set": {"b": x}})'),
    ('coll.update({"a": 1}, {"$inc": {"b": 1}}, upsert=many, multi=False)', 'coll.update_one({"a": 1}, {"$inc": {"b": 1}}, upsert=many)'),
    ('coll.update({"a": 1}, {"b": x}, True)', 'coll.replace_one({"a": 1}, {"b": x}, True)'),
    ('coll.update(spec={}, document={"$unset": {"b": 1}}, multi=True)', 'coll.update_many(filter={}, update={"$unset": {"b": 1}})'),
    ("coll.remove()", "coll.delete_many({})"),
    ('coll.remove({"a": x})', 'coll.delete_many({"a": x})'),
    ('coll.remove({"a": x}, multi=False)', 'coll.delete_one({"a": x})'),
    ("return coll.count()", "return coll.estimated_document_count()"),
    ('return coll.count({"_id": ObjectId()})', 'return coll.count_documents({"_id": ObjectId()})'),
    (
        'return coll.count({"at": datetime.datetime(2020, 1, 1)}, limit=5)',
        'return coll.count_documents({"at": datetime.datetime(2020, 1, 1)}, limit=5)',
    ),
    ("return coll.find().count()", "return coll.estimated_document_count()"),
    ('return db["x"].find({"a": 1}, {"_id": 0}).count()', 'return db["x"].count_documents({"a": 1})'),
    ("print(client.max_pool_size)", "print(client.options.pool_options.max_pool_size)"),
    ("print(client.max_bson_size)", 'print(client.admin.command("hello")["maxBsonObjectSize"])'),
    ("print(db.profiling_level())", 'print(db.command("profile", -1)["was"])'),
    ("return coll.insertOne({})", "return coll.insert_one({})"),
    ("return client.database_names()", "return client.list_database_names()"),
    ('return coll.insert({"a": 1})', 'return coll.insert_one({"a": 1}).inserted_id'),
    ("return coll.insert([{}, {}], continue_on_error=many)", "return coll.insert_many([{}, {}], ordered=not many).inserted_ids"),
    ('coll.insert({"a": 1}, manipulate=True, check_keys=False, safe=True)', 'coll.insert_one({"a": 1})'),
    ('coll.save({"_id": 1, "a": x})', 'coll.replace_one({"_id": 1}, {"_id": 1, "a": x}, upsert=True)'),
    ('coll.update({"a": 1}, {"$set": {"b": 1}}, True, False, True)', 'coll.update_many({"a": 1}, {"$set": {"b": 1}}, True)'),
    ('return coll.update({"a": 1}, {"$set": {"b": 1}})', 'return coll.update_one({"a": 1}, {"$set": {"b": 1}}).raw_result'),
    ('return coll.update({"a": 1}, {"$set": {"b": 1}})["n"]', 'return coll.update_one({"a": 1}, {"$set": {"b": 1}}).matched_count'),
    (
        'return not coll.update({"a": 1}, {"$set": {"b": 1}})["updatedExisting"]',
        'return not coll.update_one({"a": 1}, {"$set": {"b": 1}}).matched_count > 0',
    ),
    (
        'return coll.update({"a": 1}, {"$set": {"b": 1}}, upsert=True)["n"]',
        'return coll.update_one({"a": 1}, {"$set": {"b": 1}}, upsert=True).raw_result["n"]',
    ),
    ('return coll.remove({"a": 1})["n"]', 'return coll.delete_many({"a": 1}).deleted_count'),
    ("coll.remove(ObjectId(x))", 'coll.delete_many({"_id": ObjectId(x)})'),
    ('return coll.find_and_modify({"a": 1}, {"$set": {"b": x}})', 'return coll.find_one_and_update({"a": 1}, {"$set": {"b": x}})'),
    (
        'return coll.find_and_modify(query={"a": x}, update={"b": 1}, fields={"b": 1}, sort={"a": -1}, upsert=True)',
        'return coll.find_one_and_replace({"a": x}, {"b": 1}, projection={"b": 1}, sort=[("a", -1)], upsert=True)',
    ),
    ("return coll.find_and_modify({}, remove=True)", "return coll.find_one_and_delete({})"),
    ('return coll.count({"a": 1}, limit=0)', 'return coll.count_documents({"a": 1})'),
    ("return coll.count(session=x)", "return coll.count_documents({}, session=x)"),
    ('return coll.count({"a": str(x)})', 'return coll.count_documents({"a": str(x)})'),
    ('return coll.find({"a": 1}).limit(5).count()', 'return coll.count_documents({"a": 1})'),
    ('return coll.find({"a": 1}).skip(2).limit(5).count(True)', 'return coll.count_documents({"a": 1}, skip=2, limit=5)'),
    ('return coll.find({"a": 1}).hint("a_1").sort("a").count()', 'return coll.count_documents({"a": 1}, hint="a_1")'),
    ("return coll.find().max_time_ms(5).count()", "return coll.count_documents({}, maxTimeMS=5)"),
    ('found = coll.find({"a": 1}); return found.count()', 'found = coll.find({"a": 1}); return coll.count_documents({"a": 1})'),
    ('coll.ensure_index([("a", 1)], unique=True, cache_for=5)', 'coll.create_index([("a", 1)], unique=True)'),
    ('coll.ensure_index("a", 300)', 'coll.create_index("a")'),
    ("return coll.reindex()", 'return coll.database.command("reIndex", coll.name)'),
    (
        "return coll.inline_map_reduce(x, many)",
        'return coll.database.command("mapReduce", coll.name, map=x, reduce=many, out={"inline": 1})["results"]',
    ),
    ('coll.find({}, timeout=x, fields=["a"])', 'coll.find({}, no_cursor_timeout=not x, projection=["a"])'),
    ("coll.find({}, timeout=True, manipulate=False)", "coll.find({}, no_cursor_timeout=False)"),
    ('coll.find({}, modifiers={"$hint": x, "$maxTimeMS": 5})', "coll.find({}, hint=x, max_time_ms=5)"),
    ("return db.collection_names(False)", 'return db.list_collection_names(filter={"name": {"$regex": r"^(?!system\\.)"}})'),
    ("return db.collection_names(session=x)", "return db.list_collection_names(session=x)"),
    ('db.remove_user("ann")', 'db.command("dropUser", "ann")'),
    ("db.set_profiling_level(2, slow_ms=50)", 'db.command("profile", 2, slowms=50)'),
    ("return db.connection", "return db.client"),
    ("client.fsync(lock=True)", 'client.admin.command("fsync", lock=True)'),
    ('return db.current_op()["inprog"]', 'return list(db.client.admin.aggregate([{"$currentOp": {"allUsers": True}}]))'),
    (
        'return client.admin.current_op(True, session=x)["inprog"]',
        'return list(client.admin.aggregate([{"$currentOp": {"allUsers": True, "idleConnections": True}}], session=x))',
    ),
    ("return coll.insert_many(documents).inserted_count", "return len(coll.insert_many(documents).inserted_ids)"),
    (
        'coll.find(modifiers={"$query": {"a": x}, "$orderby": {"b": -1}})',
        'coll.find(filter={"a": x}, sort=[("b", -1)])',
    ),
    ("client.end_request()", "pass"),
    ("return client.get_document_class()", "return client.codec_options.document_class"),
]

KEPT = [
    "coll.insert(x)",
    'return coll.insert({"a": 1}, w=0)',
    'coll.insert({"a": 1}, manipulate=False)',
    "coll.insert(*x)",
    'return coll.save({"_id": 1, "a": x})',
    "coll.find_and_modify({}, x)",
    'coll.find_and_modify({}, {"$set": {"a": 1}}, full_response=True)',
    'coll.ensure_index("a", drop_dups=True)',
    'found = coll.find({"a": ObjectId()}); return found.count()',
    "return x.coll if x else coll.count(x)",
    'return coll.find({"a": 1}).where(x).count()',
    "coll.find({}, tailable=x)",
    "db.set_profiling_level(x)",
    'return db.remove_user("ann")',
    "return db.current_op()",
    'return db.current_op(x)["inprog"]',
    "return client.max_idle_time_ms",
    "return client.host",
    'coll.find({}, modifiers={"$query": {"a": x}})',
    'coll.find(modifiers={"$snapshot": True})',
    "bulk = coll.initialize_ordered_bulk_op(); x(bulk)",
    "coll.save({**x})",
    'coll.update({"a": 1}, {"$set": {"b": x}}, multi=many)',
    'coll.update({"a": 1}, x)',
    'coll.update({"a": 1}, {"b": 1}, multi=True)',
    'coll.update({"a": 1}, {"$set": {"b": 1}, "c": 2})',
    "coll.remove(x)",
    'coll.remove({"a": 1}, 1)',
    'return coll.count({"loc": {"$near": [1, 2]}})',
    'return coll.count({"a": x})',
]


@pytest.mark.parametrize(("before", "after"), [*MODERN, *((line, line) for line in KEPT)])
def test_removed_calls_are_rewritten_where_literals_prove_them(before: str, after: str) -> None:
    assert reported(f"{HEAD}    {before}\n")
    assert fix_text("program.py", f"{HEAD}    {before}\n", Config()).text == f"{HEAD}    {after}\n"


def test_nothing_is_rewritten_to_what_a_targeted_release_lacks() -> None:
    program = f"{HEAD}    return coll.count()\n"
    assert fix_text("program.py", program, parse(pymongo=">=3.4,<5")).text == program
    assert fix_text("program.py", program, parse(pymongo=">=3.7,<5")).text.endswith("coll.estimated_document_count()\n")
