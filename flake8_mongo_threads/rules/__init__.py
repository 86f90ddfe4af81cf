"""The catalogue: one file per rule, found by listing the folder."""

import importlib
import os

from flake8_mongo_threads.rules.base import Rule

PRECEDENCE = (
    "MDB001", "MDB004", "MDB002", "MDB003", "MDB007",
    "MDB108", "MDB101", "MDB102", "MDB104", "MDB103",
    "MDB204", "MDB401", "MDB403", "MDB404", "MDB402", "MDB105", "MDB107", "MDB106",
    "MDB210", "MDB504", "MDB304", "MDB506", "MDB503", "MDB502", "MDB501", "MDB203", "MDB207", "MDB209",
)  # fmt: skip
"""Which rule speaks when several find the same cause: the one named first."""

_rules: list[Rule] = []


def load() -> tuple[Rule, ...]:
    """Every rule, sorted by code. A rule file is any ``mdb*.py`` beside this one that has a ``RULE``."""
    if not _rules:
        names = sorted(n[:-3] for n in _files() if n.startswith("mdb") and n.endswith(".py"))
        for name in names:
            _rules.append(importlib.import_module(f"{__name__}.{name}").RULE)
        _rules.sort(key=lambda rule: rule.code)
    return tuple(_rules)


def _files() -> list[str]:
    """The file names of this package, also when it is imported from a zip archive."""
    try:
        return os.listdir(os.path.dirname(__file__))
    except OSError:
        from importlib.resources import files

        return [entry.name for entry in files(__name__).iterdir()]
