"""What flake8 would report: its merged options, its files, its ``# noqa``, asked of flake8 itself.

The command line and the editor decide nothing of their own here: options are parsed by flake8 with its own configuration
files, files are found by its rules, and suppression is its own code, so that all front ends agree with the flake8 that is installed.
"""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from flake8_mongo_threads.config import PREFIX, Config, ConfigError, UsageError
from flake8_mongo_threads.documents import SUFFIXES
from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.options import OPTIONS, config_of

STDIN = "-"


class SelectionError(UsageError):
    """flake8's configuration or an option cannot be used; the text is one line for the user."""


# Options of flake8 that mean the same on our command line and are handed to flake8 as they are: flag, placeholder, help.
VALUES = (
    ("--select", "CODES", "report only codes with these prefixes (a prefix longer than MDB switches opt-in rules on)"),
    ("--extend-select", "CODES", "report these as well"),
    ("--ignore", "CODES", "do not report codes with these prefixes"),
    ("--extend-ignore", "CODES", "do not report these either"),
    ("--per-file-ignores", "PAIRS", "codes to ignore in some files: tests/*:MDB101"),
    ("--exclude", "PATTERNS", "files and folders to leave out"),
    ("--extend-exclude", "PATTERNS", "leave these out as well"),
    ("--filename", "PATTERNS", "which files in folders to check (default: *.py)"),
    ("--stdin-display-name", "PATH", "the name of what is read from standard input"),
    ("--config", "FILE", "read this configuration file of flake8 and no other"),
    ("--append-config", "FILE", "read this configuration file as well"),
)
SWITCHES = (
    ("--isolated", "read no configuration file"),
    ("--disable-noqa", "report findings that `# noqa` silences, too"),
)


def _dest(flag: str) -> str:
    return "flake8_" + flag.lstrip("-").replace("-", "_")


_FILE_FLAGS = ("--exclude", "--extend-exclude", "--filename", "--config", "--append-config", "--isolated")
"""The flags that say which files are looked at, and nothing of what is reported."""


def add_arguments(parser: argparse.ArgumentParser, files_only: bool = False) -> None:
    """Add flake8's options, and the project's own, to a parser; ``arguments_for_flake8`` turns them back.

    ``files_only`` leaves out what says which findings are reported.
    """
    group = parser.add_argument_group("selection", "as in flake8, whose configuration files are read, too")
    for flag, metavar, text in VALUES:
        if files_only and flag not in _FILE_FLAGS:
            continue
        group.add_argument(flag, dest=_dest(flag), metavar=metavar, action="append", help=text)
    for flag, text in SWITCHES:
        if files_only and flag not in _FILE_FLAGS:
            continue
        group.add_argument(flag, dest=_dest(flag), action="store_true", help=text)
    own = parser.add_argument_group("project", "options of the same names in flake8's configuration")
    for option in OPTIONS:
        own.add_argument(option.flag, dest=_dest(option.flag), metavar=option.metavar, action="append", help=option.help.replace("%", "%%"))


def arguments_for_flake8(arguments: argparse.Namespace) -> list[str]:
    """The parsed options of ``add_arguments`` as arguments for flake8, without paths."""
    given: list[str] = []
    for flag in (*(flag for flag, _, _ in VALUES), *(option.flag for option in OPTIONS)):
        given.extend(f"{flag}={value}" for value in getattr(arguments, _dest(flag), None) or ())
    given.extend(flag for flag, _ in SWITCHES if getattr(arguments, _dest(flag), False))
    return given


class Selection:
    """flake8's merged options for one run, made from flake8 arguments. Raises SelectionError."""

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self.arguments = tuple(arguments)
        """What to make an equal Selection from in another process."""
        self.options = _merged_options(self.arguments)
        try:
            self.config: Config = config_of(self.options)
        except ConfigError as error:
            raise SelectionError(str(error)) from None
        from flake8.exceptions import ExecutionError
        from flake8.style_guide import StyleGuideManager

        try:
            # The formatter is only kept for reports that flake8 itself writes.
            self._guides = StyleGuideManager(self.options, None)
        except ExecutionError as error:
            raise SelectionError(_first_line(error)) from None

    @property
    def stdin_display_name(self) -> str:
        """The name of what is read from standard input."""
        return str(self.options.stdin_display_name)

    @property
    def jobs(self) -> int:
        """How many processes flake8's configuration asks for; 0 leaves it to the machine."""
        jobs = self.options.jobs
        return 0 if jobs.is_auto else max(int(jobs.n_jobs), 1)

    def paths(self, paths: Sequence[str], with_documents: bool = True) -> list[str]:
        """The files to check for these files and folders (``-`` is standard input), sorted, without the excluded ones.

        In folders, pages and notebooks count, too, unless the configuration says which file names do or they are not wanted.
        """
        from flake8.discover_files import expand_paths

        patterns = list(self.options.filename)
        if with_documents and patterns == ["*.py"]:
            patterns += [f"*{suffix}" for suffix in SUFFIXES]

        found = expand_paths(
            paths=list(paths),
            stdin_display_name=self.options.stdin_display_name,
            filename_patterns=patterns,
            exclude=(*self.options.exclude, *self.options.extend_exclude),
        )
        return sorted(dict.fromkeys(found))

    def reports(self, code: str, path: str) -> bool:
        """Whether flake8's select, ignore and per-file-ignores let ``code`` through for this file."""
        from flake8.style_guide import Decision

        return bool(self._guides.style_guide_for(path).should_report_error(code) is Decision.Selected)

    def reports_any(self, codes: Iterable[str]) -> bool:
        """Whether any of these codes can be reported at all, per-file-ignores left aside."""
        from flake8.style_guide import Decision

        return any(self._guides.default_style_guide.should_report_error(code) is Decision.Selected for code in codes)

    def select(self, findings: Sequence[Finding], path: str, lines: Sequence[str]) -> list[Finding]:
        """The findings that flake8 would report for a file with these lines: selected, and not silenced by ``# noqa``."""
        wanted = [finding for finding in findings if self.reports(finding.code, path)]
        if not wanted:
            return []
        noqa = Noqa(self, path, lines)
        return [finding for finding in wanted if not noqa.silences(finding)]


class Noqa:
    """flake8's reading of the suppression comments of one file."""

    def __init__(self, selection: Selection, path: str, lines: Sequence[str]) -> None:
        from flake8.processor import FileProcessor

        # flake8 reads files with universal newlines, and its tokenizer is given what it read.
        self._processor = FileProcessor(path, selection.options, lines=[_unix(line) for line in lines])
        self._disabled = bool(selection.options.disable_noqa)
        self._path = path
        self._lines = lines
        self.whole_file: bool = self._processor.should_ignore_file()
        """Whether ``# flake8: noqa`` takes the file out altogether."""

    def silences(self, finding: Finding) -> bool:
        """Whether a comment silences this finding."""
        return self.whole_file or self.silences_line(finding.code, finding.span.line)

    def silences_line(self, code: str, line: int) -> bool:
        """Whether the comment on the (1-based) line, or on the multi-line string it belongs to, silences the code."""
        from flake8.violation import Violation

        physical_line = self._processor.noqa_line_for(line)
        if physical_line is None:
            # Where the tokenizer gave up flake8 takes the line from the disk; the name need not be there.
            physical_line = self._lines[line - 1] if 0 < line <= len(self._lines) else ""
        violation = Violation(code, self._path, line, 1, "", physical_line)
        return bool(violation.is_inline_ignored(self._disabled))


def _unix(line: str) -> str:
    if line.endswith("\r\n"):
        return line[:-2] + "\n"
    return line[:-1] + "\n" if line.endswith("\r") else line


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _merged_options(arguments: tuple[str, ...]) -> Any:
    import configparser

    from flake8.exceptions import Flake8Exception
    from flake8.options.parse_args import parse_args

    try:
        _, options = parse_args(list(arguments))
    except Flake8Exception as error:
        raise SelectionError(_first_line(error)) from None
    except configparser.Error as error:  # flake8 expects some of them only
        raise SelectionError(f"flake8's configuration: {_first_line(error)}") from None
    except ValueError as error:  # how flake8 reports an impossible code in `ignore`
        raise SelectionError(f"flake8's configuration: {_first_line(error)}") from None
    if PREFIX not in options.extended_default_select:
        raise SelectionError("flake8 does not see this plugin: flake8-mongo-threads and flake8 must be installed in the same environment")
    return options
