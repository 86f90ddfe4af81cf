"""MDB003: a name of the drivers that is younger than the oldest release the project targets."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.apis import PRODUCTS, shown, target_text
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.names import NEW, NameUse
from flake8_mongo_threads.semantics.options import OptionUse

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB003",
    name="api-too-new",
    summary="A name, keyword argument or client option of the drivers that is younger than the oldest release the project targets.",
    why=(
        "A project that allows pymongo>=4.6 is installed with 4.6 somewhere: AsyncMongoClient (4.9), Cursor.to_list (4.9) or "
        "InsertOne(namespace=) (4.9) fail there, while the tests, run with the newest release, pass."
    ),
    examples=(
        Example(
            title="In a project that allows pymongo>=3.12",
            bad=(
                "# options: pymongo=>=3.12,<5\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def drain(query):\n"
                "    return events.find(query).to_list()  # expect: MDB003\n"
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def drain(query):\n"
                "    return list(events.find(query))\n"
            ),
        ),
    ),
    silent=(
        (
            "Projects that name no release, and code behind a test of the version, hasattr on a class, or a handler of ImportError or "
            "AttributeError."
        ),
    ),
    known_limits=("Only a project that names its releases, by a lower bound, a pin or a lock file, can have names that are too new.",),
    references=("https://pymongo.readthedocs.io/en/stable/changelog.html",),
)


@RULE.on(NameUse)
def check(module: "Module", use: NameUse) -> Iterator[Finding]:
    """Report the name that is too new."""
    if use.problem == NEW:
        product = PRODUCTS[use.answer.dist]
        since = use.answer.since
        text = f"{shown(use)} was added in {product} {since} ({target_text(use)}): require {use.answer.dist}>={since}, or guard its use"
        yield RULE.finding(module, use.span, text, cause=use.cause)


@RULE.on(OptionUse)
def check_option(module: "Module", use: OptionUse) -> Iterator[Finding]:
    """Report a client option that is too new."""
    if use.problem == NEW:
        since = use.since
        text = f"client option '{use.key}' was added in PyMongo {since} (target: {use.why}): require pymongo>={since}, or leave it out"
        yield RULE.finding(module, use.span, text, cause=use.cause)
