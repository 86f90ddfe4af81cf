"""What a client can set: as initialization options, and in its settings under ``mongo-threads``."""

import argparse
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

from flake8_mongo_threads import selection
from flake8_mongo_threads.selection import SelectionError

SECTION = "mongo-threads"
"""The name of the settings, and the source of the diagnostics."""


class Settings(NamedTuple):
    """What is set."""

    diagnostics: bool = True
    """Whether diagnostics are published; without them actions and hovers still work."""
    arguments: tuple[str, ...] = ()
    """Options of ``mongo-threads check`` about what is selected, as arguments for flake8."""


def read(given: object, base: Settings) -> tuple[Settings, str]:
    """The settings that a client sends, or those under ``mongo-threads`` in them; ``base`` has what is not set.

    Returns the settings, and what is wrong with those sent, one line, or nothing.
    """
    if isinstance(given, Mapping) and isinstance(given.get(SECTION), Mapping):
        given = given[SECTION]
    if not isinstance(given, Mapping):
        return base, ""
    found, problem = base, ""
    diagnostics, arguments = given.get("diagnostics"), given.get("arguments")
    if isinstance(diagnostics, bool):
        found = found._replace(diagnostics=diagnostics)
    elif diagnostics is not None:
        problem = f"{SECTION}.diagnostics: true or false is expected"
    if isinstance(arguments, Sequence) and not isinstance(arguments, str) and all(isinstance(word, str) for word in arguments):
        try:
            found = found._replace(arguments=arguments_of(arguments))
        except SelectionError as error:
            problem = f"{SECTION}.arguments: {error}"
    elif arguments is not None:
        problem = f"{SECTION}.arguments: a list of options is expected"
    return found, problem


class _Parser(argparse.ArgumentParser):
    """A parser that raises where argparse would end the program."""

    def error(self, message: str) -> NoReturn:
        raise SelectionError(message)


def arguments_of(given: Sequence[str]) -> tuple[str, ...]:
    """Options of ``mongo-threads check`` about what is selected as arguments for flake8. Raises SelectionError."""
    parser = _Parser(prog="arguments", add_help=False, allow_abbrev=False)
    selection.add_arguments(parser)
    return tuple(selection.arguments_for_flake8(parser.parse_args(list(given))))
