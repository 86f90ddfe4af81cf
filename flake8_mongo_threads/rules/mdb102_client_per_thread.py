"""MDB102: a synchronous client built by code that runs on several threads."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Applicability, Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.lifting import shared
from flake8_mongo_threads.semantics.facts import ClientBuilt

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB102",
    name="client-per-thread",
    summary="A synchronous client is built by code that runs on several threads.",
    why=(
        "MongoClient is thread-safe and has connection pooling built in: the advice to build one per thread is wrong. Measured "
        "with 10 threads and 200 jobs: 0.12 s and 9 connections with one shared client, 0.75 to 1.0 s and 400 connections with "
        "one per job. Each client also starts monitoring threads of its own."
        " True of every release."
    ),
    fix=Applicability.UNSAFE,
    examples=(
        Example(
            bad=(
                "from threading import Thread\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "def worker():\n"
                "    client = MongoClient()  # expect: MDB102\n"
                "    client.shop.orders.count_documents({})\n"
                "\n"
                "\n"
                "threads = [Thread(target=worker) for _ in range(5)]\n"
            ),
            good=(
                "from threading import Thread\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def worker():\n"
                "    client.shop.orders.count_documents({})\n"
                "\n"
                "\n"
                "threads = [Thread(target=worker) for _ in range(5)]\n"
            ),
            title="One client shared by all threads",
            fixed=(
                "from threading import Thread\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "client = MongoClient()\n"
                "\n"
                "\n"
                "def worker():\n"
                "    client.shop.orders.count_documents({})\n"
                "\n"
                "\n"
                "threads = [Thread(target=worker) for _ in range(5)]\n"
            ),
        ),
        Example(
            good=(
                "from multiprocessing import Process\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "def worker():\n"
                "    client = MongoClient()\n"
                "    client.shop.orders.count_documents({})\n"
                "\n"
                "\n"
                'if __name__ == "__main__":\n'
                "    for _ in range(4):\n"
                "        Process(target=worker).start()\n"
            ),
            title="A process needs a client of its own",
        ),
    ),
    silent=(
        "Targets of processes, which must build their own client, and asyncio.run on a thread, whose loop needs a client of its own.",
        "One background thread, and one client per deployment whose address comes with the job.",
    ),
    known_limits=("A single background thread that owns its client is not reported.",),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/connect/mongoclient/",),
)


@RULE.on(ClientBuilt)
def check(module: "Module", fact: ClientBuilt) -> Iterator[Finding]:
    """Report a synchronous client built on each of several threads."""
    if fact.flavour != "sync" or fact.varies or not fact.context.many or fact.context.where not in ("thread", "greenlet"):
        return
    if fact.keeper is not None:
        where = "under its number" if isinstance(fact.keeper, ast.Subscript) else "in a threading.local"
        text = f"{fact.name} kept per thread {where}: MongoClient is thread-safe, build one and share it"
    elif fact.direct:
        text = f"{fact.told(module)}, which runs {'on' if 'thread' in fact.context.text else 'as'} {fact.context.text}: MongoClient is thread-safe, build one and share it"
    else:
        text = f"{fact.told(module)} for {fact.context.text}: MongoClient is thread-safe, build one and share it"
    yield RULE.finding(module, fact.span, text, fact.steps, shared(module, fact), cause=fact.cause)
