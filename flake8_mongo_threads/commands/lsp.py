"""``mongo-threads lsp``: the language server for editors."""

import argparse
import sys

from flake8_mongo_threads import selection


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--stdio", action="store_true", help="talk over standard input and output, as it does anyway: many editors ask")
    selection.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve one editor until it ends the session. Returns 2 when pygls is not installed."""
    try:
        from flake8_mongo_threads.lsp.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol", "cattrs", "attrs", "attr"):
            raise
        print("mongo-threads: the language server needs pygls: pip install 'flake8-mongo-threads[lsp]'", file=sys.stderr)
        return 2
    serve(selection.arguments_for_flake8(arguments))
    return 0
