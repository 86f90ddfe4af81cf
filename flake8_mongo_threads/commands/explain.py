"""``mongo-threads explain``: a rule's page; why something is or is not reported at a line; which releases a file must work with."""

import argparse
import difflib
import os
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from flake8_mongo_threads import documentation, documents, selection
from flake8_mongo_threads.rules import load
from flake8_mongo_threads.rules.base import Rule
from flake8_mongo_threads.selection import Selection, SelectionError

if TYPE_CHECKING:
    import ast

    from flake8_mongo_threads.documents.pages import Page
    from flake8_mongo_threads.findings import Finding
    from flake8_mongo_threads.notebooks import Notebook
    from flake8_mongo_threads.semantics.module import Module

_PLACE = re.compile(r"^(?P<path>.+?):(?:cell (?P<cell>\d+):)?(?P<line>\d+)(?::\d+)?:?$")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "subject", nargs="+", metavar="CODE|FILE:LINE", help="a code (MDB101), a name (client-in-loop), or a place (worker.py:7)"
    )
    parser.add_argument("--target", action="store_true", help="the arguments are files: tell which releases each must work with, and why")
    selection.add_arguments(parser)


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
    """Explain each subject: pages laid out on a terminal, as Markdown elsewhere."""
    code = 0
    chosen: Selection | None = None
    lines: Iterable[str]
    for word in arguments.subject:
        place = None if arguments.target else _PLACE.match(word)
        try:
            if arguments.target:
                chosen = chosen or Selection(selection.arguments_for_flake8(arguments))
                lines = target(word, chosen)
            elif place:
                chosen = chosen or Selection(selection.arguments_for_flake8(arguments))
                lines = explained(place["path"], int(place["line"]), int(place["cell"] or 0), chosen)
            else:
                rule = find(word)
                if isinstance(rule, str):
                    raise ExplainError(rule)
                _print_page(rule)
                continue
        except (ExplainError, SelectionError) as error:
            print(f"mongo-threads: {error}", file=sys.stderr)
            code = 2
            continue
        for line in lines:
            print(line)
    return code


def _print_page(rule: Rule) -> None:
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(documentation.page(rule)))
    else:
        print(documentation.page(rule), end="")


class ExplainError(Exception):
    """There is nothing to explain; the text is one line for the user."""


def target(path: str, chosen: Selection) -> list[str]:
    """Which releases of the drivers a file must work with, and where that comes from. Raises ExplainError."""
    from flake8_mongo_threads.driver import api
    from flake8_mongo_threads.driver.targets import target_for

    if not os.path.exists(path):
        raise ExplainError(f"{path}: no such file")
    found = target_for(os.path.join(path, "_.py") if os.path.isdir(path) else path, chosen.config)
    lines = [path]
    for dist in ("pymongo", "motor"):
        names = api.minors(dist)
        releases = [name for index, name in enumerate(names) if found.mask(dist) >> index & 1]
        shown = _ranges(releases, list(names))
        why = found.why(dist) if dist in found.known else f"the newest release that this program knows, because nothing names {dist}"
        more = ", and newer ones than this program knows" if dist in found.beyond else ""
        lines.append(f"  {dist} {shown}{more}")
        lines.append(f"    from {why}")
    return lines


def _ranges(chosen: list[str], names: list[str]) -> str:
    """Releases as runs: ``4.6 to 4.13, 4.15``."""
    runs: list[list[str]] = []
    for name in chosen:
        if runs and names.index(name) == names.index(runs[-1][-1]) + 1:
            runs[-1].append(name)
        else:
            runs.append([name])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs) or "none"


class _Subject(NamedTuple):
    """One program that a line belongs to."""

    tree: "ast.Module"
    lines: list[str]
    line: int
    """The line in the program."""
    shown: str
    page: "Page | Notebook | None" = None

    def mapped(self, finding: "Finding") -> "Finding":
        """A finding with the lines that its texts name told by cell."""
        from flake8_mongo_threads.notebooks import Notebook

        return self.page.mapped(finding, self.page.programs[0]) if isinstance(self.page, Notebook) else finding

    def place(self, line: int) -> str:
        """A line of the program as people read it."""
        from flake8_mongo_threads.notebooks import Notebook

        if isinstance(self.page, Notebook):
            place = self.page.places[line - 1]
            return f"cell {place.cell} line {place.line}"
        return f"line {line}"


def _subject(path: str, line: int, cell: int) -> _Subject:
    from flake8_mongo_threads.check import decode_page, read, read_document
    from flake8_mongo_threads.documents.pages import Page
    from flake8_mongo_threads.notebooks import NotebookError
    from flake8_mongo_threads.source import DecodeError, decode, parse, split_lines

    try:
        data = read(path)
        if not documents.kind_of(path):
            text = decode(data).text
            lines = split_lines(text)
            if not 0 < line <= len(lines):
                raise ExplainError(f"{path} has {len(lines)} lines")
            return _Subject(parse(text), lines, line, lines[line - 1].rstrip("\r\n"))
        page = read_document(path, decode_page(data))
    except OSError as error:
        raise ExplainError(f"{path}: {error.strerror or error}") from None
    except (DecodeError, NotebookError) as error:
        raise ExplainError(f"{path}: {error}") from None
    except SyntaxError as error:
        raise ExplainError(f"{path}: syntax error: {error.msg} (line {error.lineno})") from None
    if isinstance(page, Page):
        for program in page.programs:
            if any(line in part.lines for part in program.parts):
                return _Subject(program.tree, program.lines, line, page.lines[line - 1].rstrip("\r\n"), page)
        raise ExplainError(f"{path}:{line} is in no Python block that was read")
    for cells in page.programs:
        for number, place in enumerate(page.places, 1):
            if place.cell and (place.line == line if cell else place.row == line) and place.cell == (cell or place.cell):
                return _Subject(cells.tree, cells.lines, number, page.shown(cells)[number - 1].rstrip("\r\n"), page)
    raise ExplainError(f"{path}: {f'cell {cell} line {line}' if cell else f'line {line}'} is in no code cell that was read")


def explained(path: str, line: int, cell: int, chosen: Selection) -> list[str]:
    """Why something is reported at a line, or why not, line by line. Raises ExplainError."""
    from flake8_mongo_threads import engine
    from flake8_mongo_threads.config import PREFIX
    from flake8_mongo_threads.semantics import explanation
    from flake8_mongo_threads.source import Source

    subject = _subject(path, line, cell)
    out = [f"{path}:{f'cell {cell}:' if cell else ''}{line}: {subject.shown.strip()}", ""]
    if not engine.gate(subject.lines, path, chosen.config):
        out.append("Nothing is reported: this file names no driver and imports no module of the project that does.")
        return out
    source = Source(path, subject.lines)
    # Opt-in rules take part, to say what selecting them would bring.
    everything = chosen.config._replace(opted_in=frozenset(f"{PREFIX}{digit}" for digit in range(10)))
    findings = engine.analyse(source, subject.tree, everything)
    module = engine.build(source, subject.tree, everything)
    here = [finding for finding in findings if finding.span.line == subject.line]
    for finding in here:
        out += _finding(finding, path, subject, chosen)
    for finding in findings:
        steps = [step for step in subject.mapped(finding).steps if step.line == subject.line and step.path == path]
        if finding not in here and steps:
            out += [f"Part of the evidence for {finding.code} in {subject.place(finding.span.line)}: {steps[0].text}", ""]
    place = explanation.place_of(module, subject.line)
    where = f"'{place.function}'" if place.function else "The top level of the file"
    if place.contexts:
        out.append(f"{where} runs on:")
        out += [f"  - {context}" for context in place.contexts]
    elif place.function:
        out.append(
            f"{where}: nothing launches, registers or decorates it, as far as is known; rules about threads, tasks and requests are silent."
        )
    else:
        out.append(f"{where} runs once, when the file is imported or started.")
    sites = explanation.call_sites(module, range(subject.line, subject.line + 1))
    if sites:
        out += ["", "Calls:"]
    for site in sites:
        step = f"; {site.step}" if site.step and not here else ""
        out.append(f"  - {site.text}(): {f'{site.kind}{step}' if site.kind else f'no report, because {site.why}'}")
    handed = explanation.handed_over(module, range(subject.line, subject.line + 1))
    if handed:
        out += ["", "Hands over:", *(f"  - {text}" for text in handed)]
    looked = [rule for rule in load() if rule.code not in {finding.code for finding in here} and _looked(rule, module, subject.line)]
    if looked:
        out += ["", "Ruled out (rules that looked at this line and report nothing here):"]
        out += [f"  - {rule.code} {rule.name}: {rule.summary}" for rule in looked]
    if not here and not sites and not handed and not looked:
        out += ["", "No rule has anything to look at in this line: it builds, uses, shares or hands over no object of a driver."]
    return out


def _finding(finding: "Finding", path: str, subject: _Subject, chosen: Selection) -> list[str]:
    from flake8_mongo_threads.findings import Applicability
    from flake8_mongo_threads.selection import Noqa

    told = subject.mapped(finding)
    out = [f"{told.code} {told.message}"]
    last = len(told.steps) - 1
    for number, step in enumerate(told.steps):
        word = "origin" if number == 0 else "context" if number == last else "then"
        place = subject.place(step.line) if step.path == path else f"{step.path}:{step.line}"
        out.append(f"  {word:8} {place}: {step.text}")
    if finding.fix:
        how = "mongo-threads fix" if finding.fix.applicability is Applicability.SAFE else "mongo-threads fix --unsafe-fixes"
        out.append(f"  {'fix':8} {finding.fix.title} ({how})")
    rule = next((rule for rule in load() if rule.code == finding.code), None)
    if not chosen.reports(finding.code, path):
        out.append("  Not reported: flake8's configuration does not select it for this file.")
    elif rule and not chosen.config.wants(rule.code, rule.default):
        out.append(f"  Not reported: the rule is opt-in (`extend-select = {rule.code}` switches it on).")
    elif Noqa(chosen, path, subject.lines).silences(finding):
        out.append("  Not reported: a `# noqa` comment silences it.")
    out.append("")
    return out


def _looked(rule: Rule, module: "Module", line: int) -> bool:
    """Whether a rule was handed a fact about a line."""
    from flake8_mongo_threads.semantics.explanation import fact_line

    for fact_type, _ in rule.checks:
        try:
            facts: list[object] = module.facts(fact_type)
        except Exception:
            continue
        if any(fact_line(module, fact) == line for fact in facts):
            return True
    return False
