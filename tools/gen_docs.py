#!/usr/bin/env python3
"""Write what is generated from the rules: their pages, the index, the README's tables and the finding under its first program.

``--check`` writes nothing and fails, naming the files, when something on disk is not what would be written.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from flake8_mongo_threads import documentation  # noqa: E402
from flake8_mongo_threads.engine import check_text  # noqa: E402
from flake8_mongo_threads.rules import load  # noqa: E402

PAGES = ROOT / "docs" / "rules"
README = ROOT / "README.md"
SNIPPET = "worker.py"
"""The name that the README's program has in its finding."""


def section(text: str, name: str, body: str) -> str:
    """``text`` with what stands between the comments ``name:start`` and ``name:end`` replaced. Raises ValueError without them."""
    pattern = re.compile(rf"(<!-- {name}:start[^>]*-->\n).*?(<!-- {name}:end -->)", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"README.md has no section {name!r}")
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


def generated() -> dict[Path, str]:
    """Every generated file and its text."""
    rules = load()
    files = {PAGES / documentation.page_name(rule.code): documentation.page(rule) for rule in rules}
    files[PAGES / "index.md"] = f"# Rules\n\n{documentation.index(rules)}\n"
    readme = README.read_text(encoding="utf-8")
    readme = section(readme, "finding", snippet_findings(first_program(readme)))
    files[README] = section(readme, "rules", documentation.index(rules, "docs/rules/"))
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
