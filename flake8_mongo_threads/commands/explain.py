"""``mongo-threads explain CODE``: a rule's page."""

import argparse
import difflib
import sys

from flake8_mongo_threads import documentation
from flake8_mongo_threads.rules import load
from flake8_mongo_threads.rules.base import Rule


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("rule", nargs="+", metavar="CODE", help="a code (MDB101) or a name (client-in-loop)")


def find(word: str) -> Rule | str:
    """The rule with this code or name, whatever its case; else one line that says what is close."""
    rules = load()
    for rule in rules:
        if word.upper() == rule.code or word.lower() == rule.name:
            return rule
    choices = [choice for rule in rules for choice in (rule.code, rule.name)]
    close = [*difflib.get_close_matches(word.upper(), choices, 2), *difflib.get_close_matches(word.lower(), choices, 2)]
    hint = f"; did you mean {' or '.join(dict.fromkeys(close))}?" if close else "; `mongo-threads rules` lists them"
    return f"there is no rule {word!r}{hint}"


def run(arguments: argparse.Namespace) -> int:
    """Print the pages: laid out on a terminal, as Markdown elsewhere."""
    code = 0
    for word in arguments.rule:
        rule = find(word)
        if isinstance(rule, str):
            print(f"mongo-threads: {rule}", file=sys.stderr)
            code = 2
        elif sys.stdout.isatty():
            from rich.console import Console
            from rich.markdown import Markdown

            Console().print(Markdown(documentation.page(rule)))
        else:
            print(documentation.page(rule), end="")
    return code
