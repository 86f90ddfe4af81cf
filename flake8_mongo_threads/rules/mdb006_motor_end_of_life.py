"""MDB006: Motor is past its end of life."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.driver import api, targets
from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.facts import File
from flake8_mongo_threads.semantics.guards import expects_failure
from flake8_mongo_threads.semantics.names import driver_imports, is_driver_source

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB006",
    name="motor-end-of-life",
    summary="Motor is past its end of life; reported once per file, at its first import.",
    why=(
        "Motor is deprecated since May 14th, 2025 in favour of the PyMongo Async API (AsyncMongoClient, generally available since PyMongo "
        "4.13), reached its end of life on May 14th, 2026, and gets critical fixes only until May 14th, 2027. The move is more than a "
        "rename: un-awaited writes run with Motor and never with PyMongo Async. Motor before 3.6 cannot be imported together with PyMongo "
        "4.9 or later."
    ),
    examples=(
        Example(
            bad=(
                "from motor.motor_asyncio import AsyncIOMotorClient  # expect: MDB006\n"
                "\n"
                'client = AsyncIOMotorClient("mongodb://localhost")\n'
            ),
            good='from pymongo import AsyncMongoClient\n\nclient = AsyncMongoClient("mongodb://localhost")\n',
        ),
    ),
    silent=("The second and every later import of a file: it is reported once.",),
    known_limits=("Packages that stand on Motor themselves are not reported.",),
    references=(
        "https://motor.readthedocs.io/en/stable/",
        "https://pymongo.readthedocs.io/en/stable/async-migration.html",
    ),
)

_BROKEN_WITH = ("3.6", "4.9")
"""Motor before the first uses internals that PyMongo lacks from the second on, whatever its requirement says."""
_DATES = "end of life May 14th, 2026, critical fixes until May 14th, 2027"


@RULE.on(File)
def check(module: "Module", file: File) -> Iterator[Finding]:
    """Report the first import of Motor."""
    del file
    if "motor" not in module.source.text:
        return
    for what, _ in driver_imports(module):
        if what.module.partition(".")[0] != "motor" or expects_failure(module, what.alias):
            continue
        if is_driver_source(module):
            return
        text = f"Motor is past its end of life ({_DATES}): move to pymongo.AsyncMongoClient"
        clash = _clash(module)
        if clash:
            text = f"{clash}; Motor is past its end of life ({_DATES}): move to pymongo.AsyncMongoClient"
        yield RULE.finding(module, module.source.span(what.alias), text)
        return


def _clash(module: "Module") -> str:
    """The pair of targeted releases that cannot be imported together, for the message; empty when there is a pair that can."""
    target = targets.target_for(module.location, module.project.config)
    if not {"motor", "pymongo"} <= target.known:
        return ""
    recent = api.since("pymongo", _BROKEN_WITH[1])
    modern = api.since("motor", _BROKEN_WITH[0])
    for index, specifier in enumerate(api.pymongo_of_motor()):
        if target.motor >> index & 1:
            allowed = targets.specifier_mask("pymongo", specifier)[0]
            if not modern >> index & 1:
                allowed &= ~recent
            if allowed & target.pymongo:
                return ""
    motor, pymongo = api.ranges("motor", target.motor), api.ranges("pymongo", target.pymongo)
    return f"Motor {motor} cannot be used with PyMongo {pymongo}"
