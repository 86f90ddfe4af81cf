"""MDB303: one mutable document is inserted by several concurrent operations."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.repair import replace
from flake8_mongo_threads.semantics.handing import SharedDocument
from flake8_mongo_threads.semantics.syntax import last_name, text_of
from flake8_mongo_threads.semantics.values import Mapping, known

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB303",
    name="document-shared",
    summary="One mutable document is inserted by several concurrent operations.",
    why=(
        "An insert writes the new _id into the document it is given. When several operations insert the same dictionary, "
        "the first sets _id and the others fail with DuplicateKeyError, often unseen in a future: of five submitted "
        "inserts of one document one was stored."
        " True of every release."
    ),
    fix=Applicability.UNSAFE,
    examples=(
        Example(
            bad=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def load(count):\n"
                '    event = {"kind": "probe"}\n'
                "    with ThreadPoolExecutor(4) as pool:\n"
                "        futures = [pool.submit(events.insert_one, event) for _ in range(count)]  # expect: MDB303\n"
                "    return [future.result() for future in futures]\n"
            ),
            good=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def load(count):\n"
                '    event = {"kind": "probe"}\n'
                "    with ThreadPoolExecutor(4) as pool:\n"
                "        futures = [pool.submit(events.insert_one, dict(event)) for _ in range(count)]\n"
                "    return [future.result() for future in futures]\n"
            ),
            fixed=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def load(count):\n"
                '    event = {"kind": "probe"}\n'
                "    with ThreadPoolExecutor(4) as pool:\n"
                "        futures = [pool.submit(events.insert_one, dict(event)) for _ in range(count)]\n"
                "    return [future.result() for future in futures]\n"
            ),
            title="A copy for each insert",
        ),
    ),
    silent=(
        "A document made in the loop, and copies: dict(document), {**document}, document.copy().",
        "Filters, updates and pipelines, which the driver does not change.",
    ),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/crud/insert/",),
)


@RULE.on(SharedDocument)
def check(module: "Module", fact: SharedDocument) -> Iterator[Finding]:
    """Report the launch of work that inserts a document made outside it."""
    name = text_of(fact.document)
    yield RULE.finding(
        module,
        fact.span,
        f"document '{name}' made at line {fact.steps[0].line} is inserted by several operations at once: the first writes _id into it and the others fail, insert a copy each",
        fact.steps,
        _copy(module, fact),
    )


def _copy(module: "Module", fact: SharedDocument) -> Fix | None:
    """Insert a copy each; only where the document stands in the launch itself and is evaluated for each run."""
    if not all(isinstance(value, Mapping) for value in known(module.values(fact.document))):
        return None
    node: ast.AST | None = fact.document
    while node is not None and node is not fact.work.call:
        node = module.index.parents.get(node)
        if isinstance(node, ast.BinOp) or (isinstance(node, ast.Call) and last_name(node.func) == "repeat"):
            return None
    if node is None:
        return None
    return Fix("Insert a copy of the document", Applicability.UNSAFE, (replace(module, fact.document, "dict({0})", fact.document),))
