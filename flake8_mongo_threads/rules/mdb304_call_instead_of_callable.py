"""MDB304: the operation runs at once and its result is handed over as the callable."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Applicability, Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.rules.repair import separate
from flake8_mongo_threads.semantics.handing import HandedCall

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB304",
    name="call-instead-of-callable",
    summary="The operation runs at once and its result is handed over as the callable.",
    why=(
        "The parentheses make the call happen in the caller, on the event loop for asyncio.to_thread; the worker then "
        'gets an InsertOneResult or a document and raises "object is not callable", only inside the future or on stderr. '
        "Thread(target=coll.find_one(q)) without a match starts a thread that silently does nothing."
        " True of every release."
    ),
    fix=Applicability.SAFE,
    examples=(
        Example(
            bad=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def store(event):\n"
                "    with ThreadPoolExecutor() as pool:\n"
                "        future = pool.submit(events.insert_one(event))  # expect: MDB304\n"
                "    return future.result()\n"
            ),
            good=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def store(event):\n"
                "    with ThreadPoolExecutor() as pool:\n"
                "        future = pool.submit(events.insert_one, event)\n"
                "    return future.result()\n"
            ),
            fixed=(
                "from concurrent.futures import ThreadPoolExecutor\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = MongoClient().app.events\n"
                "\n"
                "\n"
                "def store(event):\n"
                "    with ThreadPoolExecutor() as pool:\n"
                "        future = pool.submit(events.insert_one, event)\n"
                "    return future.result()\n"
            ),
        ),
    ),
    silent=(
        "Coroutines for create_task, gather and the like, which take the result of the call.",
        "Functions that return a function, partial and lambda.",
    ),
    references=("https://docs.python.org/3/library/concurrent.futures.html#concurrent.futures.Executor.submit",),
)


@RULE.on(HandedCall)
def check(module: "Module", fact: HandedCall) -> Iterator[Finding]:
    """Report the call that should have been a callable."""
    launcher = fact.work.path.removesuffix("()").removesuffix(".__init__").rpartition(".")[2]
    yield RULE.finding(
        module,
        fact.span,
        f"'{fact.name}' is called here and its result handed to '{launcher}' as the callable: pass the function and its arguments separately",
        fact.steps,
        separate(module, fact.work, fact.call),
        cause=f"await@{fact.span.line}:{fact.span.col}",
    )
