"""Programs made wrong in small ways: what an editor, a merge or a half-finished change leaves behind."""

import functools
import io
import keyword
import os
import random
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

from harness import FIXTURES

SEED = os.environ.get("FUZZ_SEED", "mongo-threads")
ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "6"))
"""How many mutants are made of each program; another seed makes others."""

_NAMES = (
    "client",
    "MongoClient",
    "AsyncMongoClient",
    "session",
    "self",
    "db",
    "find_one",
    "insert_one",
    "Thread",
    "target",
    "None",
    "_",
    "é",
    "await",
    "x",
)


@functools.cache
def programs() -> list[Path]:
    """The fixtures of all rules, in order."""
    return sorted(path for path in FIXTURES.rglob("*.py") if path.stat().st_size)


def tokens(text: str) -> list[tuple[str, str]]:
    """A program as tokens, each with the white space before it, so that they can be put together again."""
    found: list[tuple[str, str]] = []
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    last = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if not token.string or token.type in (tokenize.INDENT, tokenize.DEDENT):
                continue
            start = starts[token.start[0] - 1] + token.start[1]
            end = starts[token.end[0] - 1] + token.end[1]
            found.append((text[last:start], text[start:end]))
            last = end
    except (tokenize.TokenError, SyntaxError, IndexError):
        pass
    found.append((text[last:], ""))
    return found


def joined(parts: list[tuple[str, str]]) -> str:
    return "".join(space + string for space, string in parts)


def _some(chooser: random.Random, parts: list[tuple[str, str]]) -> int:
    return chooser.randrange(len(parts))


def delete_token(text: str, chooser: random.Random) -> str:
    parts = tokens(text)
    del parts[_some(chooser, parts)]
    return joined(parts)


def duplicate_token(text: str, chooser: random.Random) -> str:
    parts = tokens(text)
    at = _some(chooser, parts)
    parts.insert(at, (" ", parts[at][1]))
    return joined(parts)


def swap_tokens(text: str, chooser: random.Random) -> str:
    parts = tokens(text)
    one, other = _some(chooser, parts), _some(chooser, parts)
    parts[one], parts[other] = (parts[one][0], parts[other][1]), (parts[other][0], parts[one][1])
    return joined(parts)


def replace_name(text: str, chooser: random.Random) -> str:
    parts = tokens(text)
    names = [at for at, (_, string) in enumerate(parts) if string.isidentifier() and not keyword.iskeyword(string)]
    if names:
        at = chooser.choice(names)
        parts[at] = (parts[at][0], chooser.choice((*_NAMES, parts[chooser.choice(names)][1])))
    return joined(parts)


def wrap_in_call(text: str, chooser: random.Random) -> str:
    parts = tokens(text)
    names = [at for at, (_, string) in enumerate(parts) if string.isidentifier() and not keyword.iskeyword(string)]
    if names:
        at = chooser.choice(names)
        frame = chooser.choice(
            ("({})", "(lambda: {})()", "[{}][0]", "{{'a': {}}}", "(yield {})", "(w := {})", "*{}", "f'{{{}}}'", "(not {})", "{}.{}")
        )
        parts[at] = (parts[at][0], frame.replace("{}", parts[at][1]))
    return joined(parts)


def delete_line(text: str, chooser: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    del lines[chooser.randrange(len(lines))]
    return "".join(lines)


def duplicate_line(text: str, chooser: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    lines.insert(chooser.randrange(len(lines)), chooser.choice(lines))
    return "".join(lines)


def swap_lines(text: str, chooser: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    one, other = chooser.randrange(len(lines)), chooser.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return "".join(lines)


def indent_line(text: str, chooser: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    at = chooser.randrange(len(lines))
    lines[at] = "    " + lines[at] if chooser.random() < 0.5 else lines[at].removeprefix("    ")
    return "".join(lines)


def colour_of_function(text: str, chooser: random.Random) -> str:
    """``async def`` becomes ``def`` and the other way round, and so for ``with`` and ``for``."""
    lines = text.splitlines(keepends=True)
    at = [i for i, line in enumerate(lines) if line.lstrip().startswith(("def ", "async ", "with ", "for "))]
    if at:
        line = lines[chosen := chooser.choice(at)]
        indent = line[: len(line) - len(line.lstrip())]
        lines[chosen] = indent + (line.lstrip().removeprefix("async ") if "async " in line else "async " + line.lstrip())
    return "".join(lines)


def splice(text: str, chooser: random.Random) -> str:
    """Two programs in one."""
    other = chooser.choice(programs()).read_text(encoding="utf-8").splitlines(keepends=True)
    lines = text.splitlines(keepends=True)
    return "".join(lines[: chooser.randrange(len(lines))] + other[chooser.randrange(len(other)) :])


def cut_off(text: str, chooser: random.Random) -> str:
    return text[: chooser.randrange(len(text))]


def newlines(text: str, chooser: random.Random) -> str:
    return "".join(line.rstrip("\n") + chooser.choice(("\n", "\r\n", "\n", "\r")) for line in text.splitlines(keepends=True))


MUTATIONS: tuple[Callable[[str, random.Random], str], ...] = (
    delete_token, duplicate_token, swap_tokens, replace_name, wrap_in_call, delete_line, duplicate_line, swap_lines, indent_line,
    colour_of_function, splice, cut_off, newlines,
)  # fmt: skip


def mutants(text: str, name: str, rounds: int = ROUNDS) -> Iterator[str]:
    """Mutants of a text, up to three changes deep, the same for the same name and seed."""
    chooser = random.Random(f"{SEED}:{name}")
    for _ in range(rounds):
        mutant = text
        for _ in range(chooser.choice((1, 1, 1, 2, 3))):
            if mutant:
                mutant = chooser.choice(MUTATIONS)(mutant, chooser)
        yield mutant
