#!/usr/bin/env python3
"""Compare what we and the general checkers see of the drivers' misuses: ``tools/bench_oracles.py --with BIN --without BIN [--write]``.

The programs are the ``seventy_*`` fixtures: 70 misuses of names, arguments and options, each marked ``# T01  # expect: CODE``, once
annotated for a type checker, once as a plain script, and once as an unannotated application. For every other tool the figure is the
number of marked lines on which it reports anything at all; ours counts only with the expected code. ``BIN`` is the ``bin`` folder of
an environment that holds the tools, ``--with`` with pymongo and motor installed beside them, ``--without`` with neither. A tool that
is not there is shown as not measured.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import harness  # noqa: E402

PAGE = ROOT / "docs" / "comparison-type-checkers.md"
FORMS = {
    "annotated": ("MDB001/seventy_annotated.py", "MDB001/seventy_annotated_encryption.py"),
    "plain script": ("MDB001/seventy_script.py", "MDB001/seventy_script_encryption.py"),
    "unannotated application": (
        "MDB001/seventy_application.py",
        "MDB001/seventy_application_imports.py",
        "MDB004/seventy_application_options.py",
        "MDB001/seventy_application_encryption.py",
        "MDB502/seventy_application_async.py",
    ),
}
_MISUSE = re.compile(r"# (T\d\d)  # expect: ")
_PLACE = re.compile(r":(\d+):\d+")


class Tool(NamedTuple):
    """One checker: its command (the file's name is appended), and how to read the reported lines from its output."""

    name: str
    command: tuple[str, ...]
    lines: Callable[[str, str], set[int]]


def _placed(output: str, name: str) -> set[int]:
    """The lines in an output of ``file:line:column`` entries that are errors."""
    found = set()
    for line in output.splitlines():
        if name in line and "note:" not in line:
            match = _PLACE.search(line.split(name, 1)[1])
            if match:
                found.add(int(match[1]))
    return found


def _pyright(output: str, name: str) -> set[int]:
    """The lines of pyright's JSON report that are errors."""
    try:
        report = json.loads(output)
    except ValueError:
        return set()
    entries = report["generalDiagnostics"]
    return {entry["range"]["start"]["line"] + 1 for entry in entries if entry["severity"] == "error" and entry["file"].endswith(name)}


TOOLS = (
    Tool("mypy", ("mypy", "--no-error-summary", "--show-column-numbers", "--cache-dir", os.devnull), _placed),
    Tool("pyright", ("pyright", "--outputjson"), _pyright),
    Tool("ty", ("ty", "check", "--output-format", "concise", "--no-progress"), _placed),
    Tool("pyrefly", ("pyrefly", "check", "--output-format", "min-text", "--preset", "default"), _placed),
    Tool("pylint", ("pylint", "--errors-only", "--score=n", "--rcfile", os.devnull), _placed),
)


def marked(form: str) -> list[tuple[Path, dict[int, str]]]:
    """The fixtures of a form, each with the lines that hold a misuse and which of the seventy it is."""
    found = []
    for name in FORMS[form]:
        path = ROOT / "fixtures" / name
        lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        found.append((path, {number: match[1] for number, line in lines if (match := _MISUSE.search(line))}))
    return found


def ours(form: str) -> tuple[int, int]:
    """How many misuses of a form there are, and how many we report with the code that is expected; no driver is needed."""
    total = caught = 0
    for path, lines in marked(form):
        text = path.read_text(encoding="utf-8")
        reported = harness.places(harness.run_engine(path.relative_to(ROOT), text, harness.config_of(text)))
        found = {line for line, _ in harness.expectations(text).expect & reported}
        total += len(lines)
        caught += len(lines.keys() & found)
    return total, caught


def theirs(tool: Tool, folder: Path, form: str) -> int | None:
    """On how many lines a tool of an environment reports; None where it is not installed or does not run."""
    program = shutil.which(tool.command[0], path=str(folder))
    if program is None:
        return None
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}", "VIRTUAL_ENV": str(folder.parent)}
    caught = 0
    with tempfile.TemporaryDirectory() as where:
        for path, lines in marked(form):
            Path(where, path.name).write_bytes(path.read_bytes())
            try:
                done = subprocess.run(
                    [program, *tool.command[1:], path.name],
                    cwd=where,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=600,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired):
                return None
            reported = tool.lines(done.stdout, path.name)
            if not reported and done.returncode not in (0, 1) and not done.stdout.strip():
                return None
            caught += len(lines.keys() & reported)
    return caught


def version(tool: Tool, folder: Path) -> str:
    """What a tool says of its own version."""
    program = shutil.which(tool.command[0], path=str(folder))
    if program is None:
        return ""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"\d+(?:\.\d+)+", done.stdout)
    return match[0] if match else ""


def table(installed: Path | None, bare: Path | None) -> str:
    """The Markdown table of all figures."""
    counts = {form: ours(form) for form in FORMS}
    heads = [f"{form} ({counts[form][0]})" for form in FORMS]
    rows = [
        "| tool | drivers installed | " + " | ".join(heads) + " |",
        "|---|---|" + "---:|" * len(heads),
        "| flake8-mongo-threads | not needed | " + " | ".join(str(counts[form][1]) for form in FORMS) + " |",
    ]
    for tool in TOOLS:
        for folder, word in ((installed, "yes"), (bare, "no")):
            figures = [theirs(tool, folder, form) if folder is not None else None for form in FORMS]
            shown = " | ".join("not measured" if figure is None else str(figure) for figure in figures)
            named = f"{tool.name} {version(tool, folder)}".strip() if folder is not None else tool.name
            rows.append(f"| {named} | {word} | {shown} |")
    return "\n".join(rows)


_TEXT = """# What type checkers see of these misuses

How many of 70 misuses of pymongo, bson, gridfs and motor (names that never existed, were removed or live elsewhere, wrong keyword
arguments and client options, missing `await`) each tool reports. Every misuse stands once in each of three forms: in code annotated
for a type checker, in a plain script, and in an application without annotations, where clients and collections arrive through
attributes, factories, base classes, closures, decorators and containers. The programs are the files `seventy_*.py` of `fixtures/`,
where the lines of the misuses are marked `# T01` to `# T70`. A line counts when the tool reports any error on it (for the first row,
only with the code that is expected), each tool in its default configuration (pyrefly with its `default` preset, pylint with errors
only).

{table}

Two lines in the drivers blind every type checker: `Collection.__getattr__` and `Database.__getattr__` accept any name and give a
collection, and `Collection.__call__` is declared to raise, so that `coll.insert({{}})` is correct as far as types go. Client options
and most keyword arguments pass through `**kwargs: Any`. In an application without annotations, part of what the types hold is lost as
well; mypy does not look into functions without annotations at all unless it is told to. Without the drivers installed, nearly all
that is counted are imports, which these tools cannot resolve then, whether they are right or wrong.

To reproduce, with two environments that hold the tools, one of them with pymongo and motor:

```
python3 tools/bench_oracles.py --with ENV1/bin --without ENV2/bin --write
```
"""


def main() -> int:
    """Print the table, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--with", dest="installed", type=Path, metavar="BIN", help="tools beside which pymongo and motor are installed")
    parser.add_argument("--without", dest="bare", type=Path, metavar="BIN", help="tools without the drivers")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    folders = [folder.absolute() if folder is not None else None for folder in (arguments.installed, arguments.bare)]
    made = table(*folders)
    if arguments.write:
        PAGE.write_text(_TEXT.format(table=made), encoding="utf-8")
        print(f"wrote {PAGE.relative_to(ROOT)}")
    else:
        print(made)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
