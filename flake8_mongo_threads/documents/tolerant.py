"""Reading Python that is not quite Python, as far as it goes.

Code on pages is written for people: a body may be only a comment, an ellipsis stands for what is left out, a line is a shell
command or Python 2. What is missing is filled in, what cannot be read is taken out, always in place: no line moves. A *filler* is a
string that no program has, so that it can be found again when the code is written back.
"""

import ast
import re
from collections.abc import Sequence
from typing import NamedTuple

from flake8_mongo_threads.source import parse

MARK = "§"
"""Stands in every filler."""
BODY = f'"{MARK}"'
"""The filler that is the body of a compound statement that has none."""

_REPAIRS = 40
_HEADER = re.compile(r"^expected an indented block after .*?(?:on line (\d+))?$")
_LEFT_OUT = re.compile(r"(?P<before>[\[{(,]\s*)(?:\.\.\.|…)(?P<after>\s*[\]})])")
_DOTS = re.compile(r"^\s*(?:\.\.\.|…)\s*,?\s*(?:#.*)?$")
_GOES_ON = ("else", "elif ", "except", "finally", ")", "]", "}")


class Reading(NamedTuple):
    """Code that parses, as many lines as were given."""

    lines: list[str]
    tree: ast.Module
    error: SyntaxError | None = None
    """Why the code as it stands is not Python."""
    complete: bool = True
    """Whether nothing was taken out."""


def read(lines: Sequence[str]) -> Reading | SyntaxError:
    """Read lines of code (without line breaks); the error when hardly anything can be read."""
    try:
        return Reading(list(lines), parse("\n".join(lines)))
    except SyntaxError as error:
        first = error
    work = [_without_ellipsis(line) for line in lines]
    _blank_dots(work)
    removed: set[int] = set()
    for _ in range(_REPAIRS):
        try:
            return Reading(work, parse("\n".join(work)), first, not removed)
        except SyntaxError as error:
            if not _repair(work, error, removed):
                return first
        filled = sum(bool(line.strip()) for line in lines)
        if len(removed) * 2 > filled or filled == 0:
            return first
    return first


def _without_ellipsis(line: str) -> str:
    """``[1, 2, …]`` without the ellipsis, as many characters long."""

    def blank(match: "re.Match[str]") -> str:
        return match["before"] + " " * (len(match[0]) - len(match["before"]) - len(match["after"])) + match["after"]

    return _LEFT_OUT.sub(blank, line)


def _blank_dots(work: list[str]) -> None:
    """Blank lines inside a list or dictionary that are only an ellipsis."""
    before = ""
    for index, line in enumerate(work):
        if _DOTS.match(line) and (line.strip().endswith(",") or before.endswith((",", "{", "[", "("))):
            work[index] = ""
        elif line.strip():
            before = line.partition("#")[0].rstrip()


def _repair(work: list[str], error: SyntaxError, removed: set[int]) -> bool:
    """Make one error go away; False when there is no way."""
    at = min(max((error.lineno or 1) - 1, 0), len(work) - 1)
    while at > 0 and not work[at].strip():
        at -= 1
    message = error.msg or ""
    header = _HEADER.match(message)
    if header:
        return _fill_body(work, int(header[1] or 1) - 1, (error.lineno or len(work)) - 1) or _remove_chunk(work, at, removed)
    if message.startswith("invalid character '…'"):
        column = (error.offset or 1) - 1
        line = work[at]
        if line[column : column + 1] == "…":
            work[at] = f"{line[:column]}_{line[column + 1 :]}"
            return True
    if message.startswith("expected 'except'"):
        while at > 0 and not re.match(r"\s*try\s*:", work[at]):
            at -= 1
    alone = not message.endswith("was never closed") and not isinstance(error, IndentationError) and "block" not in message
    if alone and at not in removed:
        work[at] = work[at][: len(work[at]) - len(work[at].lstrip())] + f'"{MARK}{at}"'
        removed.add(at)
        return True
    return _remove_chunk(work, at, removed)


def _fill_body(work: list[str], first: int, error_at: int) -> bool:
    """Give the compound statement whose header begins in line ``first`` a body, at the end of its header."""
    for index in range(first, min(error_at, len(work) - 1) + 1):
        match = re.match(r"^(?P<code>.*:)(?P<rest>\s*(?:#.*)?)$", work[index])
        if match and not work[index].lstrip().startswith("#"):
            work[index] = f"{match['code']} {BODY}{match['rest']}"
            return True
    return False


def _remove_chunk(work: list[str], at: int, removed: set[int]) -> bool:
    """Take out the whole statement at the outermost level that a line belongs to."""

    def begins(line: str) -> bool:
        return bool(line.strip()) and line[0] not in " \t#" and not line.startswith(_GOES_ON)

    start = at
    while start > 0 and not begins(work[start]):
        start -= 1
    end = start + 1
    while end < len(work) and not begins(work[end]):
        end += 1
    lines = {index for index in range(start, end) if work[index].strip()}
    if not lines:
        return False
    removed |= lines
    for index in range(start, end):
        work[index] = ""
    return True


WELL_KNOWN = {
    **dict.fromkeys(("Thread", "Timer", "Lock", "RLock", "Semaphore", "BoundedSemaphore", "Barrier", "current_thread"), "threading"),
    **dict.fromkeys(("ThreadPoolExecutor", "ProcessPoolExecutor", "as_completed"), "concurrent.futures"),
    "ThreadPool": "multiprocessing.pool",
    "Process": "multiprocessing",
    "Queue": "queue",
    "partial": "functools",
    **dict.fromkeys(
        ("MongoClient", "AsyncMongoClient", "InsertOne", "UpdateOne", "UpdateMany", "ReplaceOne", "DeleteOne", "DeleteMany"),
        "pymongo",
    ),
    **dict.fromkeys(("ReturnDocument", "ASCENDING", "DESCENDING"), "pymongo"),
    **dict.fromkeys(("AsyncIOMotorClient", "AsyncIOMotorGridFSBucket"), "motor.motor_asyncio"),
    "ObjectId": "bson.objectid",
    **dict.fromkeys(("asyncio", "threading", "multiprocessing", "pymongo", "gridfs", "time", "functools", "queue"), ""),
}  # fmt: skip
"""Names that code on pages uses without their import, and the module that has them; nothing for a module itself."""
