"""The engine's front door for programs that must not fall: gate, analysis, and nothing escapes.

flake8 does not protect a run from an exception in a plugin: one would lose every finding of every file. So whatever goes
wrong becomes the finding MDB000 of the file at hand.
"""

import ast

from flake8_mongo_threads import __version__
from flake8_mongo_threads.config import Config
from flake8_mongo_threads.findings import Finding, Span
from flake8_mongo_threads.source import Source

INTERNAL_ERROR = "MDB000"


def one_line(text: str) -> str:
    """``text`` without line breaks: every reader of findings takes one line for one finding."""
    return text if text.isprintable() else " ".join(text.splitlines())


def findings_of(tree: ast.Module, lines: list[str], path: str, config: Config) -> list[Finding]:
    """The findings of one parsed file, sorted, ``# noqa`` not applied; a failure is a finding. Never raises an Exception.

    ``path`` is the name to show and need not exist. The engine is imported when the first file is checked.
    """
    try:
        from flake8_mongo_threads import engine

        if not engine.gate(lines, path, config):
            return []
        return engine.analyse(Source(path, lines), tree, config)
    except Exception as error:
        reason = one_line(f"{type(error).__name__}: {error}".replace("\r", " "))
        message = f"internal error: {reason} (flake8-mongo-threads {__version__}: please report it)"
        return [Finding(INTERNAL_ERROR, path, Span(1, 0, 1, 0), message)]
