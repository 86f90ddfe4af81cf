#!/usr/bin/env python3
"""Write what is generated from the program: the rules' pages and index, the README's tables and the finding under its first program, and
the tables of options, fixes and facts and what commands print in the other documents.

``--check`` writes nothing and fails, naming the files, when something on disk is not what would be written.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from flake8_mongo_threads import cli, documentation, selection  # noqa: E402
from flake8_mongo_threads.config import parse  # noqa: E402
from flake8_mongo_threads.engine import check_text  # noqa: E402
from flake8_mongo_threads.options import OPTIONS  # noqa: E402
from flake8_mongo_threads.rules import load  # noqa: E402
from flake8_mongo_threads.rules.base import Rule  # noqa: E402
from tools.screens import with_screens  # noqa: E402

PAGES = ROOT / "docs" / "rules"
README = ROOT / "README.md"
CONFIGURATION = ROOT / "docs" / "configuration.md"
FIXES = ROOT / "docs" / "fixes.md"
WRITING = ROOT / "docs" / "writing-a-rule.md"
_EXAMPLES = ROOT / "fixtures" / "documents"
SCREENS: dict[Path, dict[str, Path]] = {
    ROOT / "docs" / "output.md": {},
    ROOT / "docs" / "documents.md": {"docs/threads.md": _EXAMPLES / "threads.md", "orders.ipynb": _EXAMPLES / "orders.ipynb"},
}
"""Pages that show what commands print, and the files that those commands see."""
SNIPPET = "worker.py"
"""The name that the README's program has in its finding."""


def section(text: str, name: str, body: str) -> str:
    """``text`` with what stands between the comments ``name:start`` and ``name:end`` replaced. Raises ValueError without them."""
    pattern = re.compile(rf"(<!-- {name}:start[^>]*-->\n).*?(<!-- {name}:end -->)", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"there is no section {name!r}")
    return pattern.sub(lambda match: f"{match.group(1)}\n{body}\n\n{match.group(2)}", text, count=1)


def first_program(text: str) -> str:
    """The first Python block of a Markdown text. Raises ValueError when there is none."""
    match = re.search(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    if not match:
        raise ValueError("README.md has no Python program")
    return match.group(1)


def snippet_findings(program: str) -> str:
    """What flake8 prints for a program, as a block. Raises ValueError when it prints nothing: the README would show nothing."""
    lines = [f"{SNIPPET}:{found.span.line}:{found.span.col + 1}: {found.code} {found.message}" for found in check_text(SNIPPET, program)]
    if not lines:
        raise ValueError("the README's program gives no finding")
    return "\n".join(["```text", *lines, "```"])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table. Bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(documentation.names_as_code(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def options_table() -> str:
    """The project's own options, as they are registered with flake8."""
    rows = []
    for option in OPTIONS:
        kind = "a list, with commas" if option.comma_separated_list else "one entry a line" if option.metavar == "LINES" else "one value"
        relative = "; paths relative to the configuration file" if option.normalize_paths else ""
        rows.append([f"`{option.flag.lstrip('-')}`", f"`{option.flag}={option.metavar}`", f"{kind}{relative}", option.help])
    return table(["in a configuration file", "on a command line", "value", "meaning"], rows)


def commands_tables() -> str:
    """The options of every command that flake8 does not have, and those that are flake8's, read from the parsers."""
    shared = {option.flag for option in OPTIONS} | {flag for flag, *_ in (*selection.VALUES, *selection.SWITCHES)}
    parts = []
    for command in cli.COMMANDS:
        rows = [row for row in _arguments(command.name) if shared.isdisjoint(row[0].strip("`").split())]
        parts += [f"### mongo-threads {command.name}", documentation.sentence(command.summary)]
        parts += [table(["argument", "meaning"], rows)] if rows else []
    flags = [[f"`{flag} {metavar}`", text] for flag, metavar, text in selection.VALUES] + [
        [f"`{flag}`", text] for flag, text in selection.SWITCHES
    ]
    return "\n\n".join([*parts, "### Options of flake8 that the commands take", table(["option", "meaning"], flags)])


def _arguments(*command: str) -> list[list[str]]:
    parser = cli.make_parser(command)
    rows: list[list[str]] = []
    for name in command:
        (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
        parser = commands.choices[name]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name in action.choices:
                rows += [[f"`{name} {row[0].strip('`')}`", row[1]] for row in _arguments(*command, name)]
        elif not isinstance(action, argparse._HelpAction):
            name = ", ".join(action.option_strings)
            value = "" if action.nargs == 0 else str(action.metavar or action.dest)
            rows.append([f"`{' '.join(part for part in (name, value) if part)}`", action.help or ""])
    return rows


def fixes_table(rules: Sequence[Rule]) -> str:
    """The rules with fixes, and what the fixes of their examples are called."""
    rows = []
    for rule in rules:
        if rule.fix is None:
            continue
        titles: dict[str, str] = {}
        for example in rule.examples:
            program = documentation.without_markers(example.bad)
            for finding in check_text("example.py", program, parse(selections=([rule.code],))) if example.bad else ():
                if finding.code == rule.code and finding.fix is not None:
                    titles[finding.fix.title] = finding.fix.applicability.name.lower()
        told = "; ".join(f"{title} ({word})" for title, word in titles.items())
        link = f"[{rule.code}](rules/{documentation.page_name(rule.code)})"
        rows.append([link, rule.name, documentation.fix_word(rule), told])
    return table(["code", "name", "at best", "in its examples"], rows)


def facts_table(rules: Sequence[Rule]) -> str:
    """Every fact that a rule can subscribe to: where it is, what it is, and who uses it."""
    from flake8_mongo_threads.semantics.facts import PRODUCERS

    users: dict[type, list[str]] = {fact: [] for fact in PRODUCERS}
    for rule in rules:
        for fact, _ in rule.checks:
            users[fact].append(rule.code)
    rows = []
    for fact, codes in sorted(users.items(), key=lambda item: (item[0].__module__, item[0].__name__)):
        text = (fact.__doc__ or "").strip().split("\n\n")[0]
        used = ", ".join(f"[{code}](rules/{documentation.page_name(code)})" for code in dict.fromkeys(codes))
        rows.append([f"`{fact.__module__.rpartition('.')[2]}.{fact.__name__}`", " ".join(text.split()), used])
    return table(["fact", "what it is", "used by"], rows)


def with_sections(path: Path, **bodies: str) -> str:
    """A document with its generated sections. Raises ValueError when it lacks one."""
    text = path.read_text(encoding="utf-8")
    for name, body in bodies.items():
        text = section(text, name, body)
    return text


def generated() -> dict[Path, str]:
    """Every generated file and its text."""
    rules = load()
    files = {PAGES / documentation.page_name(rule.code): documentation.page(rule) for rule in rules}
    files[PAGES / "index.md"] = f"# Rules\n\n{documentation.index(rules)}\n"
    readme = README.read_text(encoding="utf-8")
    readme = section(readme, "finding", snippet_findings(first_program(readme)))
    files[README] = section(readme, "rules", documentation.index(rules, "docs/rules/"))
    files[CONFIGURATION] = with_sections(CONFIGURATION, options=options_table(), commands=commands_tables())
    files[FIXES] = with_sections(FIXES, fixes=fixes_table(rules))
    files[WRITING] = with_sections(WRITING, facts=facts_table(rules))
    files |= {page: with_screens(page.read_text(encoding="utf-8"), beside) for page, beside in SCREENS.items()}
    return files


def drift(files: dict[Path, str]) -> list[Path]:
    """The files whose text on disk is another one, and pages that no rule has."""
    changed = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    return changed + [path for path in sorted(PAGES.glob("*.md")) if path not in files]


def main() -> int:
    """Write, or with ``--check`` compare. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is not up to date")
    arguments = parser.parse_args()
    try:
        files = generated()
    except ValueError as error:
        print(f"gen_docs: {error}", file=sys.stderr)
        return 1
    changed = drift(files)
    for path in changed:
        if arguments.check:
            print(f"gen_docs: {path.relative_to(ROOT)} is not up to date: run `python3 tools/gen_docs.py`", file=sys.stderr)
        elif path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
        else:
            path.unlink()
            print(f"removed {path.relative_to(ROOT)}")
    return 1 if changed and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
