"""MDB403: a driver operation or close() runs inside a signal handler: it can deadlock."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.reentry import Reentry

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB403",
    name="driver-call-in-signal-handler",
    summary="A driver operation or close() runs inside a signal handler: it can deadlock.",
    why=(
        "A Python signal handler runs in the main thread between two bytecodes, possibly while that thread holds one of "
        "the driver's locks, which are not re-entrant. find_one in a SIGALRM handler hung after 3 to 69 calls; "
        "client.close() in a SIGTERM handler hung within ten trials of random interrupts. A handler that only sets a flag "
        "survived 20,000 calls."
        " True of every release."
    ),
    examples=(
        Example(
            bad=(
                "import signal\n"
                "import sys\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def stop(signum, frame):\n"
                "    client.close()  # expect: MDB403\n"
                "    sys.exit(0)\n"
                "\n"
                "\n"
                "signal.signal(signal.SIGTERM, stop)\n"
            ),
            good=(
                "import signal\n"
                "import sys\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def stop(signum, frame):\n"
                "    sys.exit(0)\n"
                "\n"
                "\n"
                "signal.signal(signal.SIGTERM, stop)\n"
                "\n"
                "\n"
                "def main():\n"
                "    try:\n"
                "        print(client.app.jobs.count_documents({}))\n"
                "    finally:\n"
                "        client.close()\n"
            ),
            title="The handler ends the program, finally closes",
        ),
    ),
    silent=("Handlers that set a flag or an event, or raise SystemExit, and the finally or atexit that closes afterwards.",),
    known_limits=("Handlers registered with loop.add_signal_handler run on the event loop and are not meant here.",),
    references=("https://docs.python.org/3/library/signal.html#execution-of-python-signal-handlers",),
)


@RULE.on(Reentry)
def check(module: "Module", fact: Reentry) -> Iterator[Finding]:
    """Report the operation, or the call that leads to it, inside the handler."""
    if fact.where != "signal":
        return
    yield RULE.finding(
        module,
        fact.span,
        f"'{fact.name}' of a {fact.owner.noun} runs in {fact.text}: it hangs when the signal comes while the driver holds a lock, set a flag or raise SystemExit and close after it",
        fact.steps,
        cause=fact.cause,
    )
