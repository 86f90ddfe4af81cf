"""MDB001: a name of the drivers that no release ever had."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Applicability, Finding
from flake8_mongo_threads.rules.apis import PRODUCTS, cure, rename, shown
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.modern import modern
from flake8_mongo_threads.semantics.names import NONEXISTENT, NameUse

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB001",
    name="nonexistent-api",
    summary="An import, attribute, method or keyword argument of pymongo, bson, gridfs or motor that no release ever had.",
    why=(
        "Articles and generated code invent interfaces: 'pymongo.pool.ThreadPool' is in no release since 0.4, nor is "
        "'client.is_connected()' or 'collection.insertOne()'. An import fails with ImportError. A method does worse: an unknown attribute of "
        "a client is a Database and of a database a Collection, so the failure is \"TypeError: 'Collection' object is not callable\" when the line runs, and "
        "'if client.closed' tests a Database. Type checkers cannot see it, because any attribute name is valid there."
    ),
    examples=(
        Example(
            title="A pool of threads that never was",
            bad=(
                "from pymongo import MongoClient\n"
                "from pymongo.pool import ThreadPool  # expect: MDB001\n"
                "\n"
                'client = MongoClient("mongodb://localhost")\n'
                "pool = ThreadPool(5, max_size=10)\n"
                "pool.schedule(client.app.events.insert_one, {})\n"
            ),
            good=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                'client = MongoClient("mongodb://localhost")\n'
                "with ThreadPoolExecutor(max_workers=10) as pool:\n"
                "    done = pool.submit(client.app.events.insert_one, {})\n"
                "    done.result()\n"
            ),
        ),
        Example(
            title="Names of the JavaScript shell",
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def one(key):\n"
                '    return events.findOne({"_id": key})  # expect: MDB001\n'
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def one(key):\n"
                '    return events.find_one({"_id": key})\n'
            ),
            fixed=(
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def one(key):\n"
                '    return events.find_one({"_id": key})\n'
            ),
        ),
    ),
    fix=Applicability.SAFE,
    silent=(
        "Names of a module of the project that is called pymongo.pool or the like, and ThreadPool of multiprocessing.pool.",
        "Code that a handler of ImportError or AttributeError, hasattr on a class or module, or TYPE_CHECKING guards.",
    ),
    known_limits=(
        "An unknown attribute of a client, database or collection that is only passed on or used as a collection is legal: not reported.",
        "Keyword arguments of methods that hand unknown ones to the server (command, aggregate, create_index ...) are not checked.",
        "Private names, and members of GridOut and DBRef (which answer for the stored document) are not checked.",
    ),
    references=(
        "https://pymongo.readthedocs.io/en/stable/api/index.html",
        "https://pymongo.readthedocs.io/en/stable/api/pymongo/mongo_client.html",
    ),
)


@RULE.on(NameUse)
def check(module: "Module", use: NameUse) -> Iterator[Finding]:
    """Report the name that is wrong."""
    if use.problem != NONEXISTENT:
        return
    product = PRODUCTS[use.answer.dist]
    since = " since 0.7" if use.answer.dist == "motor" else ""
    if use.what == "receiver":
        text = f"{shown(use)} is a method, it has no attribute '{use.node.attr}': {cure(use)}"  # type: ignore[attr-defined]
    elif use.what == "submodule":
        text = f"{shown(use)} is not there: {use.advice}: {cure(use)}"
    else:
        effect = f", {use.advice}" if use.advice else ""
        text = f"{shown(use)} does not exist in any release of {product}{since}{effect}: {cure(use)}"
    yield RULE.finding(module, use.span, text, fix=rename(module, use) or modern(module, use), cause=use.cause)
