"""MDB302: one GridIn or GridOut is used by several threads or tasks."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.sharing import Shared

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="MDB302",
    name="gridfs-file-shared",
    summary="One GridIn or GridOut is used by several threads or tasks.",
    why=(
        "A GridFS file object has a position and a buffer and no lock. Four threads that wrote one GridIn produced a "
        "wrong length in 13 to 19 of 20 files without an error; readers of one GridOut raised CorruptGridFile, and once "
        "an unbounded read reached 19 GB of memory. The bucket is safe to share: open a file in each worker."
        " True of every release."
    ),
    examples=(
        Example(
            bad=(
                "from threading import Thread\n"
                "\n"
                "from gridfs import GridFSBucket\n"
                "from pymongo import MongoClient\n"
                "\n"
                "bucket = GridFSBucket(MongoClient().media)\n"
                "\n"
                "\n"
                "def copy(source, target):\n"
                "    target.write(source.read())\n"
                "\n"
                "\n"
                "def store(parts):\n"
                '    upload = bucket.open_upload_stream("video")\n'
                "    threads = [Thread(target=copy, args=(part, upload)) for part in parts]  # expect: MDB302\n"
                "    for thread in threads:\n"
                "        thread.start()\n"
                "    for thread in threads:\n"
                "        thread.join()\n"
                "    upload.close()\n"
            ),
            good=(
                "from threading import Thread\n"
                "\n"
                "from gridfs import GridFSBucket\n"
                "from pymongo import MongoClient\n"
                "\n"
                "bucket = GridFSBucket(MongoClient().media)\n"
                "\n"
                "\n"
                "def copy(part):\n"
                '    with bucket.open_upload_stream("part") as upload:\n'
                "        upload.write(part.read())\n"
                "\n"
                "\n"
                "def store(parts):\n"
                "    threads = [Thread(target=copy, args=(part,)) for part in parts]\n"
                "    for thread in threads:\n"
                "        thread.start()\n"
                "    for thread in threads:\n"
                "        thread.join()\n"
            ),
            title="A file for each worker, one bucket for all",
        ),
    ),
    silent=(
        "A shared GridFSBucket or GridFS, and files that each worker opens itself.",
        "One reader on another thread.",
    ),
    references=("https://pymongo.readthedocs.io/en/stable/api/gridfs/grid_file.html",),
)


@RULE.on(Shared)
def check(module: "Module", fact: Shared) -> Iterator[Finding]:
    """Report the launch, or the assignment, by which several workers come to use one file."""
    if fact.value.family not in ("grid-in", "grid-out") or fact.where not in ("thread", "greenlet", "task"):
        return
    what = "GridIn" if fact.value.family == "grid-in" else "GridOut"
    yield RULE.finding(
        module,
        fact.span,
        f"{what}{fact.made(module)} {fact.text}: a GridFS file has one position and one buffer, open one in each worker",
        fact.steps,
        cause=fact.cause,
    )
