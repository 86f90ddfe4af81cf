"""The engine's front door for programs that must not fall: gate, analysis, and nothing escapes.

flake8 does not protect a run from an exception in a plugin: one would lose every finding of every file. So whatever goes
wrong becomes the finding MDB000 of the file at hand.
"""

import ast
from typing import NamedTuple

from flake8_mongo_threads import __version__
from flake8_mongo_threads.config import Config
from flake8_mongo_threads.findings import Finding, Span
from flake8_mongo_threads.source import Source

INTERNAL_ERROR = "MDB000"


def one_line(text: str) -> str:
    """``text`` without line breaks: every reader of findings takes one line for one finding."""
    return text if text.isprintable() else " ".join(text.splitlines())


class Known(NamedTuple):
    """What is known of a file without parsing it."""

    findings: list[Finding]
    parsed: bool = False
    """Whether the text was parsed in an earlier run, so that it is valid Python."""


def known_of(lines: list[str], path: str, config: Config) -> Known | None:
    """The findings of one file as far as they are known without parsing it: none where no driver is involved, those of an earlier run
    where the configuration has a cache; None when it has to be analysed. Never raises an Exception.

    ``path`` is the name to show and need not exist. The engine is imported when the first file is checked.
    """
    try:
        from flake8_mongo_threads import engine

        if not engine.gate(lines, path, config):
            return Known([])
        if not config.cache:
            return None
        from flake8_mongo_threads import cache

        found = cache.known(lines, path, config)
        return Known(found, parsed=True) if found is not None else None
    except Exception as error:
        return Known(_internal_error(path, error))


def findings_of(tree: ast.Module, lines: list[str], path: str, config: Config) -> list[Finding]:
    """The findings of one parsed file, sorted, ``# noqa`` not applied; a failure is a finding. Never raises an Exception."""
    known = known_of(lines, path, config)
    return analysed(tree, lines, path, config) if known is None else known.findings


def analysed(tree: ast.Module, lines: list[str], path: str, config: Config) -> list[Finding]:
    """The same for a file that is known to need the analysis: what is found is kept where the configuration has a cache."""
    try:
        from flake8_mongo_threads import engine

        if not config.cache:
            return engine.analyse(Source(path, lines), tree, config)
        from flake8_mongo_threads import cache

        return cache.keep(lines, path, config, lambda: engine.analyse(Source(path, lines), tree, config))
    except Exception as error:
        return _internal_error(path, error)


def _internal_error(path: str, error: Exception) -> list[Finding]:
    reason = one_line(f"{type(error).__name__}: {error}".replace("\r", " "))
    message = f"internal error: {reason} (flake8-mongo-threads {__version__}: please report it)"
    return [Finding(INTERNAL_ERROR, path, Span(1, 0, 1, 0), message)]
