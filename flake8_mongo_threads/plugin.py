"""flake8's face: constructor parameters, options and tuples as flake8 wants them.

Kept small, since every flake8 run imports it: the engine is imported when the first file is checked, ``libcst`` never.
"""

import ast
import gc
from collections.abc import Iterator
from typing import Any, ClassVar

from flake8_mongo_threads import __version__
from flake8_mongo_threads.config import Config, ConfigError
from flake8_mongo_threads.guard import analysed, known_of, one_line
from flake8_mongo_threads.options import config_of, register

COLLECT_AFTER = 20_000
"""So many new objects the collector waits for. It is some 5 MB, and a whole run of flake8 takes no more memory than before."""


class Plugin:
    """One run over one file, made by flake8 from the file's tree, its lines and the name to show."""

    name = "flake8-mongo-threads"
    version = __version__
    config: ClassVar[Config] = Config()
    """The options of the run. flake8 hands options to the class: forked workers inherit it, spawned ones parse again."""

    def __init__(self, tree: ast.Module, lines: list[str], filename: str = "stdin") -> None:
        self._tree = tree
        self._lines = lines
        self._filename = filename

    @staticmethod
    def add_options(option_manager: Any) -> None:
        """Register the options with flake8's option manager."""
        register(option_manager)

    # flake8 first calls this with three arguments and falls back to one after a TypeError: so it takes exactly one.
    @classmethod
    def parse_options(cls, options: Any) -> None:
        """Keep the merged options. A value that means nothing ends the run with flake8's own one-line error, exit code 1."""
        try:
            cls.config = config_of(options)
        except ConfigError as error:
            from flake8.exceptions import ExecutionError

            raise ExecutionError(str(error)) from error

    def run(self) -> Iterator[tuple[int, int, str, type]]:
        """Yield line (from 1), column (from 0, in characters), ``CODE message`` in one line, and the plugin's type."""
        known = known_of(self._lines, self._filename, self.config)
        if known is None:
            # What is known of the modules of a project stays for the files that follow. With the interpreter's setting the collector
            # would look through all of it over and over, for as long as the analysis itself takes.
            gc.set_threshold(max(gc.get_threshold()[0], COLLECT_AFTER), *gc.get_threshold()[1:])
        findings = known.findings if known is not None else analysed(self._tree, self._lines, self._filename, self.config)
        for finding in findings:
            yield finding.span.line, finding.span.col, f"{finding.code} {one_line(finding.message)}", type(self)
