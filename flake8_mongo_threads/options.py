"""The project's own options, told once: flake8's plugin and the command line register and read them from here.

Nothing of flake8 is imported; whatever has ``add_option`` as flake8's option manager has it can register them.
"""

import os
import re
from typing import Any, NamedTuple

from flake8_mongo_threads.config import Config, parse


class Option(NamedTuple):
    """One option: its name without the prefix ``mongo-threads-``, and how flake8 treats its text."""

    name: str
    metavar: str
    help: str
    comma_separated_list: bool = False
    normalize_paths: bool = False

    @property
    def flag(self) -> str:
        """The option as it stands on a command line."""
        return f"--mongo-threads-{self.name}"


OPTIONS = (
    Option("pymongo", "SPEC", "Releases of PyMongo the project supports, such as 4.6 or >=4.6,<5 (default: found in its requirements)."),
    Option("motor", "SPEC", "Releases of Motor the project supports, such as 3.3 or >=3.3 (default: found in its requirements)."),
    Option(
        "src",
        "DIRS",
        "Folders that hold the project's own packages (default: found from __init__.py files and pyproject.toml).",
        comma_separated_list=True,
        normalize_paths=True,
    ),
    Option("factories", "LINES", "Functions of the project that return driver objects, one a line: package.module:get_db = sync-database."),
    Option("spawners", "LINES", "Functions that run an argument elsewhere, one a line: package.run_in_pool:0 = thread."),
    Option(
        "cache",
        "DIR",
        "Folder to keep what was found in, so that files are not analysed again while nothing they depend on changes (default: none).",
        normalize_paths=True,
    ),
)


def register(manager: Any) -> None:
    """Register the options with flake8's option manager, to be set on its command line or in its configuration."""
    for option in OPTIONS:
        manager.add_option(
            option.flag,
            default="",
            metavar=option.metavar,
            help=option.help,
            parse_from_config=True,
            comma_separated_list=option.comma_separated_list,
            normalize_paths=option.normalize_paths,
        )


def _lines(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in re.split(r"[,\n]", text) if part.strip())


def _folder(name: str) -> str:
    # flake8 makes a path absolute only when it has a separator in it; a bare name is looked for where flake8 looks for
    # its configuration: here and in the folders above.
    if os.path.isabs(name):
        return name
    above = os.getcwd()
    while True:
        candidate = os.path.join(above, name)
        if os.path.isdir(candidate):
            return candidate
        parent = os.path.dirname(above)
        if parent == above:
            return os.path.abspath(name)
        above = parent


def config_of(options: Any) -> Config:
    """Build the Config from flake8's merged options (a namespace). Raises ConfigError with a one-line reason."""
    return parse(
        selections=(options.select, options.extend_select, options.extended_default_select),
        pymongo=options.mongo_threads_pymongo,
        motor=options.mongo_threads_motor,
        src=tuple(map(_folder, options.mongo_threads_src or ())),
        factories=_lines(options.mongo_threads_factories),
        spawners=_lines(options.mongo_threads_spawners),
        cache=_folder(options.mongo_threads_cache) if options.mongo_threads_cache else "",
    )
