"""MDB605: greenlets use the driver and nothing patched the standard library."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.driver import api
from flake8_mongo_threads.driver.targets import target_for
from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.pools import UnpatchedGreenlet

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

EVENTLET_ENDS = "4.16"
"""First release without support for eventlet (changelog of 4.16)."""

RULE = Rule(
    code="MDB605",
    name="gevent-not-patched",
    summary="Greenlets use the driver and nothing monkey-patched the standard library; or eventlet with PyMongo 4.16 or newer.",
    default=False,
    why=(
        "Without gevent.monkey.patch_all() a socket of the driver blocks the whole thread: ten greenlets with operations of 100 ms took "
        "1.02 s instead of 0.13 s. PyMongo 4.16 and newer do not support eventlet at all. The file that patches may be "
        "another one: it is opt-in."
    ),
    examples=(
        Example(
            bad=(
                "import gevent\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def load(keys):\n"
                "    jobs = [gevent.spawn(events.find_one, key) for key in keys]  # expect: MDB605\n"
                "    gevent.joinall(jobs)\n"
            ),
            good=(
                "from gevent import monkey\n"
                "\n"
                "monkey.patch_all()\n"
                "\n"
                "import gevent\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def load(keys):\n"
                "    jobs = [gevent.spawn(events.find_one, key) for key in keys]\n"
                "    gevent.joinall(jobs)\n"
            ),
        ),
    ),
    silent=("A program that calls gevent.monkey.patch_all(), and greenlets that do not use the driver.",),
    known_limits=(
        "A program patched by another file, or by its server's worker class, is reported unless that file is imported or begins its package.",
    ),
    references=("https://pymongo.readthedocs.io/en/stable/examples/gevent.html",),
)


@RULE.on(UnpatchedGreenlet)
def check(module: "Module", fact: UnpatchedGreenlet) -> Iterator[Finding]:
    """Report the spawn."""
    if fact.eventlet:
        target = target_for(module.location, module.project.config)
        if target.pymongo & api.since("pymongo", EVENTLET_ENDS):
            text = (
                f"'{fact.name}' runs in an eventlet greenlet, which PyMongo {EVENTLET_ENDS} and newer do not support: use threads or gevent"
            )
            yield RULE.finding(module, fact.span, text, fact.steps)
            return
    if not fact.patched:
        library = "eventlet.monkey_patch()" if fact.eventlet else "gevent.monkey.patch_all()"
        text = (
            f"'{fact.name}' runs in a greenlet and nothing patched the standard library, so it blocks every other greenlet: "
            f"call {library} first"
        )
        yield RULE.finding(module, fact.span, text, fact.steps)
