"""The fixes as a libcst codemod, for teams that drive codemods from their own scripts.

``python -m libcst.tool codemod -x flake8_mongo_threads.fixes.codemods.FixMongoThreads PATH…`` (``-x``: the command stands in no
module that ``.libcst.yaml`` lists). Options and ``# noqa`` comments are those of a flake8 without configuration.
"""

import argparse
from functools import partial

import libcst as cst
from libcst.codemod import CodemodCommand, CodemodContext, SkipFile

from flake8_mongo_threads.findings import Applicability
from flake8_mongo_threads.fixes.apply import fix_text
from flake8_mongo_threads.fixes.noqa import silenced_in
from flake8_mongo_threads.selection import Selection


class FixMongoThreads(CodemodCommand):
    """Apply the fixes of all findings in a module."""

    DESCRIPTION = "Fix concurrency-related misuse of PyMongo, PyMongo Async and Motor."

    def __init__(self, context: CodemodContext, unsafe_fixes: bool = False) -> None:
        super().__init__(context)
        self._level = Applicability.UNSAFE if unsafe_fixes else Applicability.SAFE

    @staticmethod
    def add_args(arg_parser: argparse.ArgumentParser) -> None:
        """Add the codemod's own argument."""
        arg_parser.add_argument("--unsafe-fixes", action="store_true", help="apply fixes, too, that may change what the program does")

    def transform_module_impl(self, tree: cst.Module) -> cst.Module:
        """The fixed module; what was not fixed becomes a warning. A module that Python itself cannot parse is skipped."""
        path = self.context.filename or "<module>"
        selection = Selection(("--isolated",))

        text = tree.code.removeprefix("\ufeff")
        try:
            result = fix_text(path, text, selection.config, level=self._level, suppressed=partial(silenced_in, selection, path))
        except SyntaxError as error:
            raise SkipFile(f"syntax error: {error.msg}") from None
        for finding, reason in result.refused:
            self.warn(f"{path}:{finding.span.line}: {finding.code} not fixed: {reason}")
        if result.text == text:
            return tree
        return cst.parse_module(result.text, config=tree.config_for_parsing)
