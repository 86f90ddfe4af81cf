"""MDB402: a client opened in the parent is used in a forked child."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.processes import ForkedUse

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB402",
    name="client-opened-before-fork",
    summary="A client opened in the parent is used in a forked child.",
    why=(
        "Clients are not fork-safe: a child gets copies of sockets and locks. By release, the child's first operation "
        'raises AutoReconnect (4.0 to 4.2, now and then later), works without a word (4.3 to 4.6) or warns "MongoClient '
        'opened before fork" from a line of the driver (3.x, and 4.7 on); busy parents deadlocked in 3 of 60 forks on '
        "3.13. Build the client in the child."
    ),
    examples=(
        Example(
            bad=(
                "from multiprocessing import Process\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def work(name):\n"
                '    client.app.runs.insert_one({"name": name})  # expect: MDB402\n'
                "\n"
                "\n"
                'if __name__ == "__main__":\n'
                '    process = Process(target=work, args=("nightly",))\n'
                "    process.start()\n"
                "    process.join()\n"
            ),
            good=(
                "from multiprocessing import Process\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "def work(name):\n"
                "    client = MongoClient()\n"
                '    client.app.runs.insert_one({"name": name})\n'
                "\n"
                "\n"
                'if __name__ == "__main__":\n'
                '    process = Process(target=work, args=("nightly",))\n'
                "    process.start()\n"
                "    process.join()\n"
            ),
            title="The child builds its own client",
        ),
    ),
    silent=(
        "The start method spawn, where the child imports the module again.",
        (
            "connect=False without an operation before the fork, a getter that is first called in the child, initializers, "
            "worker_process_init, os.register_at_fork."
        ),
        "subprocess and everything else that executes another program; a child that does not use the client.",
    ),
    known_limits=("Servers that fork after importing the application (gunicorn --preload, uWSGI) are not visible in the code.",),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/connect/mongoclient/",),
)


@RULE.on(ForkedUse)
def check(module: "Module", fact: ForkedUse) -> Iterator[Finding]:
    """Report the use in the child, or the launch when the use is in another file."""
    opened = fact.value.site.module.where(fact.value.site.node, module) if fact.value.site is not None else "import"
    yield RULE.finding(
        module,
        fact.span,
        f"'{fact.name}' uses a client opened before the fork ({opened}) in {fact.text}: clients are not fork-safe, build one in the child",
        fact.steps,
        cause=f"fork@{fact.span.line}:{fact.span.col}",
    )
