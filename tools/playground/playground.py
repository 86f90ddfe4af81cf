"""The Python side of the playground: a program as text in, what is found as JSON out.

It runs in the browser, under Pyodide, with the detection part of the package and ``packaging`` and nothing else.
"""

import json

from flake8_mongo_threads.config import ConfigError, parse
from flake8_mongo_threads.engine import check_text
from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules import load

NAME = "example.py"
"""The name that the program has in messages and steps."""


def check(text: str, select: str = "", pymongo: str = "", motor: str = "") -> str:
    """What the engine finds in a program, as the text of a JSON object.

    ``select`` is what ``extend-select`` would be (codes with commas), ``pymongo`` and ``motor`` are the options of these names. The
    object has ``findings`` in the order of their places, lines from 1 and columns from 1 in characters, or else ``problem``: one
    line on why the program could not be read or an option means nothing, and its line in the program, 0 when it has none.
    """
    try:
        config = parse(selections=([code.strip() for code in select.split(",") if code.strip()],), pymongo=pymongo, motor=motor)
        found = check_text(NAME, text, config)
    except ConfigError as error:
        return json.dumps({"problem": str(error), "line": 0})
    except SyntaxError as error:
        return json.dumps({"problem": f"not valid Python: {error.msg}", "line": error.lineno or 0})
    except (ValueError, RecursionError, MemoryError) as error:  # a null byte; nesting that the parser refuses
        return json.dumps({"problem": f"not valid Python: {error}", "line": 0})
    rules = {rule.code: rule.name for rule in load()}
    return json.dumps({"findings": [_told(finding, rules[finding.code]) for finding in found]})


def _told(finding: Finding, name: str) -> dict[str, object]:
    fix = finding.fix
    return {
        "code": finding.code,
        "name": name,
        "line": finding.span.line,
        "col": finding.span.col + 1,
        "end_line": finding.span.end_line,
        "end_col": finding.span.end_col + 1,
        "message": finding.message,
        "steps": [{"line": step.line, "text": step.text} for step in finding.steps],
        "fix": {"title": fix.title, "applicability": fix.applicability.name.lower()} if fix else None,
    }
