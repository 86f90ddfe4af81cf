"""MDB508: an async def event listener method."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.listeners import ListenerMethod, stays_async

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB508",
    name="async-listener-method",
    summary="A method of an event listener is 'async def': the driver calls it and never awaits it.",
    why=(
        "PyMongo, PyMongo Async and Motor call listeners as plain functions. An async def only makes a coroutine there: its body never "
        "runs, and the one trace is 'RuntimeWarning: coroutine was never awaited'."
        " True of every release."
    ),
    examples=(
        Example(
            bad=(
                "from pymongo import monitoring\n"
                "\n"
                "\n"
                "class Metrics(monitoring.CommandListener):\n"
                "    async def started(self, event):  # expect: MDB508\n"
                "        print(event.command_name)\n"
                "\n"
                "    def succeeded(self, event):\n"
                "        pass\n"
                "\n"
                "    def failed(self, event):\n"
                "        pass\n"
            ),
            good=(
                "import asyncio\n"
                "\n"
                "from pymongo import monitoring\n"
                "\n"
                "\n"
                "class Metrics(monitoring.CommandListener):\n"
                "    def __init__(self, loop, queue):\n"
                "        self.loop, self.queue = loop, queue\n"
                "\n"
                "    def started(self, event):\n"
                "        asyncio.run_coroutine_threadsafe(self.queue.put(event), self.loop)\n"
                "\n"
                "    def succeeded(self, event):\n"
                "        pass\n"
                "\n"
                "    def failed(self, event):\n"
                "        pass\n"
            ),
        ),
    ),
    silent=("Plain methods, also those that put the event on a queue, and classes that are no listeners of the driver.",),
    known_limits=("A method decorated by another library is not reported: the decorator may make a plain function of it.",),
    references=("https://pymongo.readthedocs.io/en/stable/api/pymongo/monitoring.html",),
)


@RULE.on(ListenerMethod)
def check(module: "Module", fact: ListenerMethod) -> Iterator[Finding]:
    """Report the name of the method."""
    if fact.scope.is_async and all(stays_async(module, d) for d in fact.scope.decorators):
        text = (
            f"listener method '{fact.shown}' is 'async def', the driver calls it and never awaits it: "
            "make it a plain def and hand the work over"
        )
        yield RULE.finding(module, fact.span, text, fact.steps)
