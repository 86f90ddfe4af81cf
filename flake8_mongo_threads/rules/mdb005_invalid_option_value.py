"""MDB005: literal option values that the driver refuses or that contradict each other."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.options import OptionValue

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB005",
    name="invalid-option-value",
    summary="Literal values of client options that the driver refuses, or that contradict each other.",
    why=(
        "minPoolSize above maxPoolSize (100 unless set; 0 and None are without limit) raises ValueError, waitQueueTimeoutMS=0 does not "
        "mean 'no timeout' but raises, serverSelectionTimeoutMS cannot be None, w=0 with journal=True and loadBalanced with directConnection "
        "exclude each other. In a URI a value that is refused only warns: the option is ignored and the default is used."
        " What raises and what only warns was the same in every release from 3.12 to 4.20, but for the options that a release does "
        "not know."
    ),
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient\n"
                "\n"
                'client = MongoClient("mongodb://localhost", minPoolSize=10, maxPoolSize=5)  # expect: MDB005\n'
            ),
            good='from pymongo import MongoClient\n\nclient = MongoClient("mongodb://localhost", minPoolSize=5, maxPoolSize=10)\n',
        ),
    ),
    silent=(
        "maxPoolSize=0 and None, which mean no limit, and waitQueueTimeoutMS=None, which means no timeout.",
        "A maxPoolSize that is legal, however small or large: MDB604 judges it against the workers.",
    ),
    known_limits=("Only literal values are judged, and a default only when every option of the client can be read.",),
    references=("https://pymongo.readthedocs.io/en/stable/api/pymongo/mongo_client.html",),
)


@RULE.on(OptionValue)
def check(module: "Module", value: OptionValue) -> Iterator[Finding]:
    """Report the option whose value is wrong."""
    effect = "the driver only warns and goes on without it" if value.ignored else "the client cannot be made"
    yield RULE.finding(module, value.span, f"client option {value.text}: {effect}, correct the value")
