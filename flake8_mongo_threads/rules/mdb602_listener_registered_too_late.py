"""MDB602: monitoring.register() after the client it should watch was created."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.listeners import LateRegistration

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB602",
    name="listener-registered-too-late",
    summary="monitoring.register() stands after the client that it should watch was created.",
    why=(
        "A client takes the registered listeners over when it is built. A listener registered later gets no event of it: 0 events in a "
        "measured run."
        " True of every release."
    ),
    examples=(
        Example(
            bad=(
                "from pymongo import MongoClient, monitoring\n"
                "\n"
                "from app.listeners import CommandMetrics\n"
                "\n"
                "client = MongoClient()\n"
                "monitoring.register(CommandMetrics())  # expect: MDB602\n"
            ),
            good=(
                "from pymongo import MongoClient\n"
                "\n"
                "from app.listeners import CommandMetrics\n"
                "\n"
                "client = MongoClient(event_listeners=[CommandMetrics()])\n"
            ),
        ),
    ),
    silent=("register() before the first client, and event_listeners=[...].",),
    known_limits=(
        "The order of two functions is not known; a registration that a further client follows in its function counts as that client's.",
    ),
    references=("https://pymongo.readthedocs.io/en/stable/api/pymongo/monitoring.html",),
)


@RULE.on(LateRegistration)
def check(module: "Module", fact: LateRegistration) -> Iterator[Finding]:
    """Report the registration."""
    line = fact.steps[0].line
    where = f"line {line}" if fact.steps[0].path == module.path else f"{fact.steps[0].path.rpartition('/')[2]}:{line}"
    text = (
        f"listener registered after {fact.client} was created at {where}, which sends it no events: "
        "register it first, or pass event_listeners=[...]"
    )
    yield RULE.finding(module, fact.span, text, fact.steps)
