"""What is found in one buffer, with all that is needed to act on it; and flake8's options for a folder, kept until they change.

Independent of the protocol and of the program that speaks it.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from flake8_mongo_threads import check, documents
from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.guard import findings_of
from flake8_mongo_threads.selection import Selection, SelectionError
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.source import parse, split_lines

CONFIGURATION_FILES = (".flake8", "setup.cfg", "tox.ini", "pyproject.toml")
_OPTIONS_WITH_FILES = ("--config=", "--append-config=")
_ANCESTORS = 12


class Analysis(NamedTuple):
    """What is found in one text."""

    path: str
    text: str
    lines: list[str]
    selection: Selection
    findings: tuple[Finding, ...] = ()
    """What is there, selected or not; of a page only what is reported."""
    reported: tuple[Finding, ...] = ()
    """What flake8 would report: selected, and not silenced."""
    parsed: bool = True
    """Whether the text is valid Python; what is found in one that is not is not known."""
    consulted: frozenset[str] = frozenset()
    """The files that the answer depends on, besides this one."""

    @property
    def is_page(self) -> bool:
        """Whether the findings are those of code in a page."""
        return bool(documents.kind_of(self.path))


def analyse(path: str, text: str, chosen: Selection) -> Analysis:
    """Look at a text. ``path`` is absolute and need not be on disk."""
    lines = split_lines(text)
    # Of a folder flake8 would list all files.
    if os.path.isdir(path) or not chosen.paths([path]):
        return Analysis(path, text, lines, chosen)
    consulted: set[str] = set()
    modules.consult(consulted)
    try:
        if documents.kind_of(path):
            report = check.check_text(path, text, chosen)
            return Analysis(path, text, lines, chosen, report.findings, report.findings, report.problem is None, frozenset(consulted))
        try:
            tree = parse(text)
        except SyntaxError:
            return Analysis(path, text, lines, chosen, parsed=False)
        findings = findings_of(tree, lines, path, chosen.config)
        roots = modules.roots_of(path, chosen.config.src)
        consulted.update(modules.related(modules.of_text(path, text), roots.paths, modules.MAX_MODULES))
    finally:
        modules.consult(None)
    reported = [finding for finding in findings if chosen.reports(finding.code, path)]
    # Reading the comments takes a tokenizer, as long as the rest of the work; most texts have none.
    if reported and "noqa" in text.casefold():
        reported = chosen.select(reported, path, lines)
    consulted.discard(path)
    return Analysis(path, text, lines, chosen, tuple(findings), tuple(reported), True, frozenset(consulted))


def carried(old: Sequence[Finding], before: Sequence[str], after: Sequence[str]) -> list[Finding]:
    """Findings of a text that has changed since: those whose lines are still there, where they are now."""
    import difflib

    if not old:
        return []
    places: dict[int, int] = {}
    for block in difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        places.update((block.a + number + 1, block.b + number + 1) for number in range(block.size))
    kept = []
    for finding in old:
        span = finding.span
        lines = [places.get(line) for line in range(span.line, span.end_line + 1)]
        first, last = lines[0], lines[-1]
        if first is not None and last is not None and last - first == span.end_line - span.line and None not in lines:
            kept.append(finding._replace(span=span._replace(line=first, end_line=last)))
    return kept


@contextlib.contextmanager
def _inside(folder: str) -> Iterator[None]:
    """Let a folder be the current one: where flake8 looks for its configuration."""
    before = os.getcwd()
    if os.path.samefile(before, folder):
        yield
        return
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


class Configuration:
    """flake8's options for folders: merged once, and again when a file that they may come from has changed."""

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self._arguments = tuple(arguments)
        self._given: tuple[str, ...] = ()
        self._kept: dict[str, tuple[tuple[object, ...], Selection, str]] = {}
        self._stand_in: Selection | None = None

    def give(self, arguments: Sequence[str]) -> None:
        """Add arguments for flake8 to those of the command line, in place of the ones given before."""
        self._given = tuple(arguments)

    def selection(self, folder: str) -> tuple[Selection, str]:
        """What is selected for the files of a folder, and what is wrong with its configuration, one line, or nothing.

        Where something is wrong what was right before counts, or else no configuration at all.
        """
        arguments = (*self._arguments, *self._given)
        stamps = (arguments, *_stamps(folder, arguments))
        kept = self._kept.get(folder)
        if kept is not None and kept[0] == stamps:
            return kept[1], kept[2]
        try:
            with _inside(folder):
                chosen, problem = Selection(arguments), ""
        except (SelectionError, OSError) as error:
            chosen, problem = kept[1] if kept is not None else self._fallback(), str(error)
        except SystemExit:  # argparse, on an option of flake8 with an impossible value; it has told standard error
            chosen, problem = kept[1] if kept is not None else self._fallback(), "an option of flake8 has an impossible value"
        self._kept[folder] = (stamps, chosen, problem)
        return chosen, problem

    def _fallback(self) -> Selection:
        if self._stand_in is None:
            self._stand_in = Selection(("--isolated",))
        return self._stand_in


def _stamps(folder: str, arguments: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Modification time and size of the files that flake8's options for a folder may come from."""
    named = [argument.partition("=")[2] for argument in arguments if argument.startswith(_OPTIONS_WITH_FILES)]
    candidates = [os.path.join(folder, name) for name in named]
    for _ in range(_ANCESTORS):
        candidates += [os.path.join(folder, name) for name in CONFIGURATION_FILES]
        above = os.path.dirname(folder)
        if above == folder:
            break
        folder = above
    for path in candidates:
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            continue
        yield path, status.st_mtime_ns, status.st_size
