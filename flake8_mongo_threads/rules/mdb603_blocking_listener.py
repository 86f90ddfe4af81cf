"""MDB603: blocking or racy code in an event listener."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.listeners import SlowListener

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB603",
    name="blocking-listener",
    summary="An event listener blocks, or changes shared state without a lock.",
    default=False,
    why=(
        "Events are delivered synchronously: the thread that runs the operation waits for the listener, with an asynchronous client the "
        "whole event loop does (a sleep of 200 ms stalled it for 201 ms), and a heartbeat listener holds up the monitor (1 s delayed the "
        "first operation by 1 s). Listeners run on all threads of the application at once, so 'self.count += 1' loses counts."
        " True of every release."
    ),
    examples=(
        Example(
            bad=(
                "import time\n"
                "\n"
                "from pymongo import monitoring\n"
                "\n"
                "\n"
                "class Metrics(monitoring.CommandListener):\n"
                "    def __init__(self):\n"
                "        self.count = 0\n"
                "\n"
                "    def started(self, event):\n"
                "        self.count += 1  # expect: MDB603\n"
                "\n"
                "    def succeeded(self, event):\n"
                "        time.sleep(0.01)  # expect: MDB603\n"
                "\n"
                "    def failed(self, event):\n"
                "        pass\n"
            ),
            good=(
                "import queue\n"
                "import threading\n"
                "\n"
                "from pymongo import monitoring\n"
                "\n"
                "\n"
                "class Metrics(monitoring.CommandListener):\n"
                "    def __init__(self):\n"
                "        self.lock = threading.Lock()\n"
                "        self.count = 0\n"
                "        self.events = queue.SimpleQueue()\n"
                "\n"
                "    def started(self, event):\n"
                "        with self.lock:\n"
                "            self.count += 1\n"
                "\n"
                "    def succeeded(self, event):\n"
                "        self.events.put(event)\n"
                "\n"
                "    def failed(self, event):\n"
                "        pass\n"
            ),
        ),
    ),
    silent=("Logging, queues, counters under a lock, and classes that are no listeners of the driver.",),
    known_limits=("Of other libraries only well-known blocking calls are known: time.sleep, requests, urllib, httpx, subprocess.",),
    references=("https://github.com/mongodb/mongo-python-driver/blob/master/pymongo/monitoring.py",),
)


@RULE.on(SlowListener)
def check(module: "Module", fact: SlowListener) -> Iterator[Finding]:
    """Report the call, or the update."""
    if fact.racy:
        text = f"{fact.text} in listener method '{fact.method.shown}', which every thread of the application runs: hold a lock"
    else:
        text = (
            f"{fact.text} in listener method '{fact.method.shown}', for which the operation (or the event loop) waits: "
            "put the event on a queue"
        )
    yield RULE.finding(module, fact.span, text, fact.steps)
