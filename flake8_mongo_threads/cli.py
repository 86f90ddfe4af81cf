"""The command ``mongo-threads``: a table of commands, each imported when it is used.

Exit codes: 0 nothing to report, 1 findings, 2 a usage error, a file that could not be checked, or a failure of the linter itself.
"""

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple, Protocol, cast

from flake8_mongo_threads import __version__
from flake8_mongo_threads.config import UsageError

BROKEN_PIPE = 141
"""What the shell shows for a program that SIGPIPE ended: whoever read our output has read enough."""


class CommandModule(Protocol):
    """What the module of a command offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's own arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Run the command. Returns the exit code."""


class Command(NamedTuple):
    """A row of the table: what the user types, a line of help, and the module that does it."""

    name: str
    summary: str
    module: str


COMMANDS = (
    Command("check", "report misuse in files and folders, as flake8 would", "flake8_mongo_threads.commands.check"),
    Command("rules", "list all rules", "flake8_mongo_threads.commands.rules"),
    Command("fix", "apply the fixes of what check reports", "flake8_mongo_threads.commands.fix"),
    Command("migrate", "move a program from Motor to PyMongo Async", "flake8_mongo_threads.commands.migrate"),
    Command("explain", "tell what a rule reports, why, and what to do", "flake8_mongo_threads.commands.explain"),
    Command("lsp", "serve an editor as a language server", "flake8_mongo_threads.commands.lsp"),
)


def make_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for these arguments: all commands are listed, the one that is used has its arguments."""
    parser = argparse.ArgumentParser(
        prog="mongo-threads",
        description="Find concurrency-related misuse of PyMongo, PyMongo Async and Motor.",
    )
    parser.add_argument("--version", action="version", version=f"mongo-threads {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    used = next((argument for argument in argv if not argument.startswith("-")), None)
    for command in COMMANDS:
        sub = commands.add_parser(command.name, help=command.summary, description=f"{command.summary[0].upper()}{command.summary[1:]}.")
        if command.name == used:
            module = cast(CommandModule, import_module(command.module))
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (that of the process by default). Returns the exit code; only ``--help`` and usage errors raise SystemExit."""
    argv = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding cannot show must not end the run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    arguments = make_parser(argv).parse_args(argv)
    # Syntax trees are many small objects that live as long as the run: with the usual thresholds, the collector would look through
    # all of them again and again. Worker processes inherit this.
    gc.freeze()
    gc.set_threshold(200_000, 30, 30)
    try:
        code = int(arguments.run(arguments))
        sys.stdout.flush()
    except UsageError as error:
        print(f"mongo-threads: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Python flushes standard output once more at exit: give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return 130
    return code
