"""``mongo-threads rules``: the catalogue."""

import argparse
import sys

from flake8_mongo_threads import documentation
from flake8_mongo_threads.rules import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("prefix", nargs="*", metavar="PREFIX", help="list only codes that start with one of these")


def run(arguments: argparse.Namespace) -> int:
    """Print one rule a line: code, name, whether it is on, what its fix is worth, what it reports."""
    prefixes = tuple(prefix.upper() for prefix in arguments.prefix)
    rules = [rule for rule in load() if not prefixes or rule.code.startswith(prefixes)]
    if not rules:
        print(f"mongo-threads: no rule starts with {' or '.join(prefixes)}", file=sys.stderr)
        return 2
    rows = [(rule.code, rule.name, documentation.default_word(rule), documentation.fix_word(rule), rule.summary) for rule in rules]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table("code", "name", "default", "fix", "reports", box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        Console(highlight=False, markup=False, emoji=False).print(table)
        return 0
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]))
    return 0
