"""MDB401: a client, database, collection, cursor or session is handed to a process."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.processes import SentToProcess

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB401",
    name="driver-object-sent-to-process",
    summary="A client, database, collection, cursor or session is handed to a process.",
    why=(
        "These objects hold locks and sockets and cannot be pickled: a process pool raises \"cannot pickle '_thread.lock' "
        'object" for every start method. Process(args=(client,)) works under fork alone, with a client that the child '
        "must not use, and is a TypeError under spawn and forkserver, the default on macOS, Windows and, since Python "
        "3.14, Linux."
        " True of every release."
    ),
    examples=(
        Example(
            bad=(
                "from multiprocessing import Pool\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "\n"
                "def store(collection, doc):\n"
                "    collection.insert_one(doc)\n"
                "\n"
                "\n"
                "def load(docs):\n"
                "    events = MongoClient().app.events\n"
                "    with Pool(4) as pool:\n"
                "        pool.starmap(store, [(events, doc) for doc in docs])  # expect: MDB401\n"
            ),
            good=(
                "from multiprocessing import Pool\n"
                "\n"
                "from pymongo import MongoClient\n"
                "\n"
                "events = None\n"
                "\n"
                "\n"
                "def connect(uri):\n"
                "    global events\n"
                "    events = MongoClient(uri).app.events\n"
                "\n"
                "\n"
                "def store(doc):\n"
                "    events.insert_one(doc)\n"
                "\n"
                "\n"
                "def load(uri, docs):\n"
                "    with Pool(4, initializer=connect, initargs=(uri,)) as pool:\n"
                "        pool.map(store, docs)\n"
            ),
            title="A client for each process, built by the initializer",
        ),
    ),
    silent=(
        "Addresses, names, ids and documents.",
        "A cursor as the iterable of map or imap: it is read in the parent, only documents are sent.",
        "Threads, also those of multiprocessing.dummy and multiprocessing.pool.ThreadPool.",
    ),
    known_limits=(
        "A class with __getstate__ or __reduce__ says itself what travels: its objects are not reported.",
        "An object that opens its client outside its constructor is reported only where the method that is handed over uses it.",
    ),
    references=("https://www.mongodb.com/docs/languages/python/pymongo-driver/current/connect/mongoclient/",),
)

_NOUNS = {
    "gridfs": "GridFS",
    "gridfs-bucket": "GridFS bucket",
    "grid-out-cursor": "cursor",
    "grid-in": "GridFS file",
    "grid-out": "GridFS file",
    "command-cursor": "cursor",
    "raw-cursor": "cursor",
    "change-stream": "change stream",
}
"""Families whose name is not the word for the object."""


@RULE.on(SentToProcess)
def check(module: "Module", fact: SentToProcess) -> Iterator[Finding]:
    """Report the argument, or the target that carries the object."""
    how = {
        "argument": "is an argument of",
        "bound": "is carried by a bound method to",
        "closure": "is captured by the function that runs in",
        "self": "is carried by a bound method to",
    }[fact.how]
    yield RULE.finding(
        module,
        fact.span,
        f"a {_NOUNS.get(fact.value.family, fact.value.family)} {how} another process (line {fact.work.call.lineno}): it cannot be pickled and must not cross a fork, pass the URI and names and build a client there",
        fact.steps,
        cause=f"process@{fact.work.call.lineno}:{fact.work.call.col_offset}",
    )
