#!/usr/bin/env python3
"""Start a new rule: ``python3 tools/new_rule.py MDB110 kebab-case-name`` writes its file and two fixtures.

They hold the words ``FILL IN``, and the tests fail until none of them is left.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

RULE = '''"""{code} {name}: FILL IN what is wrong, in one line."""

from collections.abc import Iterator

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules.base import Example, Rule
from flake8_mongo_threads.semantics.facts import ClientBuilt
from flake8_mongo_threads.semantics.module import Module

RULE = Rule(
    code="{code}",
    name="{name}",
    summary="FILL IN: one sentence that says what is reported",
    why="""FILL IN: what happens at run time, and where the driver's documentation says so.""",
    examples=(
        Example(
            bad="""\\
from pymongo import MongoClient

client = MongoClient()  # expect: {code}
""",
            good="""\\
from pymongo import MongoClient

client = MongoClient()
""",
        ),
    ),
)


# FILL IN: subscribe to the fact that the rule judges, and report only what is known for certain.
@RULE.on(ClientBuilt)
def check(module: Module, fact: ClientBuilt) -> Iterator[Finding]:
    """Report FILL IN."""
    yield from ()
'''

REPORTED = '''"""FILL IN: a program that a person would write."""

from pymongo import MongoClient

client = MongoClient()  # expect: {code}
'''

SILENT = '''"""FILL IN: a look-alike of {name} that is correct."""

from pymongo import MongoClient

client = MongoClient()
'''


def files(code: str, name: str) -> dict[Path, str]:
    """The files of a new rule and their texts."""
    module = f"{code.lower()}_{name.replace('-', '_')}.py"
    return {
        ROOT / "flake8_mongo_threads" / "rules" / module: RULE.format(code=code, name=name),
        ROOT / "fixtures" / code / "basic.py": REPORTED.format(code=code, name=name),
        ROOT / "fixtures" / code / "ok_basic.py": SILENT.format(code=code, name=name),
    }


def problem(code: str, name: str) -> str:
    """Why a rule of this code and name cannot be started, in one line; empty when it can."""
    if not re.fullmatch(r"MDB[0-9]{3}", code):
        return f"{code!r} is not a code: MDB and three digits"
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        return f"{name!r} is not a name in kebab-case"
    rules = ROOT / "flake8_mongo_threads" / "rules"
    taken = next(rules.glob(f"{code.lower()}_*.py"), None)
    if taken:
        return f"{code} is taken by {taken.relative_to(ROOT)}"
    same = next(rules.glob(f"mdb*_{name.replace('-', '_')}.py"), None)
    return f"the name is taken by {same.relative_to(ROOT)}" if same else ""


def main() -> int:
    """Write the files; existing ones are kept. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("code", help="MDB and three digits")
    parser.add_argument("name", help="what is wrong, in kebab-case: client-in-loop")
    arguments = parser.parse_args()
    reason = problem(arguments.code, arguments.name)
    if reason:
        print(f"new_rule: {reason}", file=sys.stderr)
        return 2
    for path, text in files(arguments.code, arguments.name).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            print(f"kept {path.relative_to(ROOT)}")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    print("next: CONTRIBUTING.md, 'A new rule'")
    return 0


if __name__ == "__main__":
    sys.exit(main())
