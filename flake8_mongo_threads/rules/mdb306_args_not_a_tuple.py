"""MDB306: a document or text stands where a tuple of arguments belongs, and its keys become the arguments."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.repair import replace
from flake8_mongo_threads.semantics.handing import LooseArguments

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB306",
    name="args-not-a-tuple",
    summary="A document or text stands where a tuple of arguments belongs, and its keys become the arguments.",
    why=(
        "args=(doc) is doc: the parentheses make no tuple. The thread is started with the keys of the document as its "
        "arguments, raises TypeError there, and nothing is stored."
        " True of every release."
    ),
    fix=Applicability.SAFE,
    examples=(
        Example(
            bad=(
                "from threading import Thread\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def store():\n"
                '    thread = Thread(target=events.insert_one, args=({"kind": "start"}))  # expect: MDB306\n'
                "    thread.start()\n"
                "    thread.join()\n"
            ),
            good=(
                "from threading import Thread\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def store():\n"
                '    thread = Thread(target=events.insert_one, args=({"kind": "start"},))\n'
                "    thread.start()\n"
                "    thread.join()\n"
            ),
            fixed=(
                "from threading import Thread\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def store():\n"
                '    thread = Thread(target=events.insert_one, args=({"kind": "start"},))\n'
                "    thread.start()\n"
                "    thread.join()\n"
            ),
        ),
    ),
    silent=("A tuple, a list, and any value that is not known to be a document or a string.",),
    known_limits=("A name is reported when its value, its annotation or its use in the same function shows a document or a string.",),
    references=("https://docs.python.org/3/library/threading.html#threading.Thread",),
)


@RULE.on(LooseArguments)
def check(module: "Module", fact: LooseArguments) -> Iterator[Finding]:
    """Report the value given as args."""
    yield RULE.finding(
        module,
        fact.span,
        f"{fact.work.launcher.args_keyword} is {fact.text}, not a tuple: its {'keys' if 'document' in fact.text else 'characters'} become the arguments, write a comma after it",
        fact.steps,
        Fix("Make it a tuple", Applicability.SAFE, (replace(module, fact.given, "({0},)", fact.given),)),
    )
