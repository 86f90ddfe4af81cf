"""MDB206: a session used with a client that did not start it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.belonging import ForeignSession

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB206",
    name="session-of-another-client",
    summary="A session is used with a client that did not start it, or a synchronous one with an asynchronous client.",
    why=(
        "A session belongs to the client that started it. Another client raises InvalidOperation: Can only use session with the "
        "MongoClient that started it. A session of the other colour raises ValueError (PyMongo 4.16), before that it fails in stranger "
        "ways. Inside bind() an operation of another client raises InvalidOperation too, although it names no session."
    ),
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                'source = MongoClient("mongodb://source")\n'
                'target = MongoClient("mongodb://target")\n'
                "\n"
                "\n"
                "def copy(doc):\n"
                "    with source.start_session() as session:\n"
                "        target.shop.orders.insert_one(doc, session=session)  # expect: MDB206\n"
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                'source = MongoClient("mongodb://source")\n'
                'target = MongoClient("mongodb://target")\n'
                "\n"
                "\n"
                "def copy(doc):\n"
                "    with target.start_session() as session:\n"
                "        target.shop.orders.insert_one(doc, session=session)\n"
            ),
        ),
    ),
    silent=(
        "Getters that always give the same client, and collections reached from the session's client in another way.",
        "session=None, and sessions of other libraries.",
    ),
    known_limits=("Clients that one expression builds in a loop count as one; those of two calls of a function do not.",),
    references=("https://pymongo.readthedocs.io/en/stable/api/pymongo/client_session.html",),
)


@RULE.on(ForeignSession)
def check(module: "Module", fact: ForeignSession) -> Iterator[Finding]:
    """Report the session argument, or inside bind() the operation."""
    site = fact.session.site
    where = f" started at {site.module.where(site.node, module)}" if site is not None else ""
    name = fact.operation.name
    names = {"sync": "a synchronous", "async": "an asynchronous", "motor": "a Motor"}
    owner = fact.operation.owner
    start = "start it with that client" if owner.family == "client" else f"start it with the client of the {owner.noun}"
    if fact.how == "colour":
        text = f"{names[fact.session.flavour]} session{where} is given to '{name}' of {names[owner.flavour]} {owner.noun}, which refuses it: {start}"
    elif fact.how == "client":
        text = f"session{where} belongs to another client than '{name}' uses, which raises InvalidOperation: {start}"
    else:
        text = f"'{name}' of another client inside bind() of the session{where} raises InvalidOperation: move it out of the block"
    yield RULE.finding(module, fact.span, text, fact.steps)
