"""MDB106: a client, or a lazy cursor of it, is used after close() or after its with block."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Applicability, Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.repair import listed
from flake8_mongo_threads.semantics.flow import UseAfterClose
from flake8_mongo_threads.semantics.releases import closes_for_good

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB106",
    name="use-after-close",
    summary="A client, or a lazy cursor of it, is used after close() or after its with block.",
    why=(
        "A closed client raises InvalidOperation since 4.0. find() reads nothing until it is iterated, so a cursor "
        'returned out of "with MongoClient()" always fails; aggregate() reads the first batch at once, so it works in '
        "tests with up to 101 documents and raises in production at the next batch."
    ),
    fix=Applicability.SAFE,
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "def open_orders():\n"
                "    with MongoClient() as client:\n"
                '        return client.shop.orders.find({"open": True})  # expect: MDB106\n'
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "def open_orders():\n"
                "    with MongoClient() as client:\n"
                '        return list(client.shop.orders.find({"open": True}))\n'
            ),
            fixed=(
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "def open_orders():\n"
                "    with MongoClient() as client:\n"
                '        return list(client.shop.orders.find({"open": True}))\n'
            ),
            title="Read the documents before the client closes",
        ),
    ),
    silent=(
        "Documents read before the close: list(...), to_list(), find_one, a yield inside the block.",
        "A client that may have been built again, or closed on some paths only, and a second close.",
        "Names, options and other attributes that need no connection.",
    ),
    known_limits=("A close in one branch only is not reported.",),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/connect/mongoclient/",),
)


@RULE.on(UseAfterClose)
def check(module: "Module", fact: UseAfterClose) -> Iterator[Finding]:
    """Report the use, or the return that lets a lazy object out of the block that closes its client."""
    if fact.family != "client" or not closes_for_good(module):
        return
    line = getattr(fact.closed_at, "lineno", 1)
    what = {"database": "database", "collection": "collection", "client": "client"}.get(fact.owner.family, "lazy cursor")
    if fact.escapes and fact.name:
        text = f"'{fact.name}' is returned out of the block at line {line} that closes the client it uses: its call raises InvalidOperation, keep the client open as long as it is used"
    elif fact.escapes:
        cure = "return list(...) of it" if what == "lazy cursor" else "keep the client open as long as it is used"
        text = f"{what} is returned out of the block at line {line} that closes its client: the first use raises InvalidOperation, {cure}"
    elif not fact.name:
        text = f"{what} is returned whose client was closed at line {line}: the first use raises InvalidOperation, read it before the close"
    elif fact.again:
        text = f"'{fact.name}' uses a client that line {line} closed in the iteration before: it raises InvalidOperation, close it after the loop"
    else:
        text = f"'{fact.name}' uses a client that is closed at line {line}: it raises InvalidOperation, close it after its last use"
    yield RULE.finding(
        module, fact.span, text, fact.steps, listed(module, fact), cause="" if fact.escapes else f"closed@{_place(module, fact)}"
    )


def _place(module: "Module", fact: UseAfterClose) -> str:
    """Where the close stands, in the words of the rule that may report the close itself."""
    node = fact.closed_at
    if isinstance(node, ast.Call):
        span = module.source.name_span(node)
        return f"{span.line}:{span.col}"
    return f"with{getattr(node, 'lineno', 1)}:{fact.span.line}"
