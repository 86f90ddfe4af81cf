"""A rule's metadata as text: its page in Markdown, and its row in the tables. Nothing about a rule is written down twice."""

import re
from collections.abc import Sequence

from flake8_mongo_threads.findings import Applicability
from flake8_mongo_threads.rules.base import Example, Rule

FAMILIES = {
    "MDB0": "The API is not there",
    "MDB1": "Life of a client",
    "MDB2": "Sessions and transactions",
    "MDB3": "Handing work to workers",
    "MDB4": "Processes, signals, finalizers",
    "MDB5": "asyncio",
    "MDB6": "Timeouts, listeners, pool",
    "MDB7": "Races in the data",
}
"""The first digit of a code and what its rules are about."""

_MARKER = re.compile(r"^# options:.*\n|[ \t]*#\s*(?:expect|known-miss|known-false-alarm):[^#\n]*", re.MULTILINE)
_FIX = {
    None: ("–", "There is no automatic fix: the message says what to do."),
    Applicability.DISPLAY: ("shown", "The fix is shown, never applied by a command."),
    Applicability.UNSAFE: (
        "unsafe",
        "The fix changes behaviour, rightly in nearly every program, so it is applied only when asked for (`--unsafe-fixes`).",
    ),
    Applicability.SAFE: ("safe", "The fix is safe: what the program does today is an error, a silent no-op, or provably the same."),
}


_CODE_OR_NAME = re.compile(
    r"^(?P<fence>```+|~~~+).*?^(?P=fence)|`[^`\n]+`|(?<![\w.`/#\\])__\w+?__(?:\.py)?(?!\w)", re.DOTALL | re.MULTILINE
)


def names_as_code(text: str) -> str:
    """A Markdown text with names such as ``__del__`` outside code made code: Markdown would take their underscores for emphasis."""
    return _CODE_OR_NAME.sub(lambda match: f"`{match[0]}`" if match[0].startswith("__") else match[0], text)


def page_name(code: str) -> str:
    """The file name of a rule's page."""
    return f"{code}.md"


def without_markers(program: str) -> str:
    """An example as people read it: without the comments that say what is expected where."""
    return _MARKER.sub("", program).strip("\n") + "\n"


def default_word(rule: Rule) -> str:
    """``on`` or ``opt-in``."""
    return "on" if rule.default else "opt-in"


def fix_word(rule: Rule) -> str:
    """``safe``, ``unsafe``, ``shown``, or a dash where there is no fix."""
    return _FIX[rule.fix][0]


def page(rule: Rule) -> str:
    """The page of a rule in Markdown, as a text that ends in one line break."""
    parts = [f"# {rule.code}: {rule.name}", sentence(rule.summary), _status(rule), "## Why", rule.why.strip()]
    for number, example in enumerate(rule.examples, 1):
        parts.extend(_example(example, number, len(rule.examples)))
    if rule.silent:
        parts += ["## When it stays silent", "\n".join(f"- {sentence(each)}" for each in rule.silent)]
    if rule.known_limits:
        parts += ["## Known limits", "\n".join(f"- {sentence(limit)}" for limit in rule.known_limits)]
    parts += ["## Fix", _FIX[rule.fix][1], "## Silencing it", _silencing(rule)]
    if rule.references:
        parts += ["## References", "\n".join(f"- {reference}" for reference in rule.references)]
    return names_as_code("\n\n".join(parts)) + "\n"


def sentence(text: str) -> str:
    """A text as a sentence: stripped, a plain first word capitalised, with a closing mark."""
    text = text.strip()
    if re.match(r"[a-z]+[ ,]", text):
        text = text[0].upper() + text[1:]
    return text if text.endswith((".", "!", "?", ":", "…")) else f"{text}."


def _status(rule: Rule) -> str:
    on = "on by default" if rule.default else f"opt-in: switch it on with `extend-select = {rule.code}` in flake8's configuration"
    return f"*Since {rule.since}; {on}.*"


def _example(example: Example, number: int, count: int) -> list[str]:
    title = example.title.strip()
    heading = "## Example" if count == 1 else f"## Example {number}"
    parts = [f"{heading}: {title}" if title else heading]
    if example.bad:
        parts += ["Reported:", _block(example.bad)]
    if example.fixed:
        parts += ["What the fix makes of it:", _block(example.fixed)]
    if example.good:
        parts += ["Not reported:", _block(example.good)]
    return parts


def _block(program: str) -> str:
    return f"```python\n{without_markers(program)}```"


def _silencing(rule: Rule) -> str:
    return (
        f"On one line: `# noqa: {rule.code}` at the end of the line that the finding names. In some files: flake8's `per-file-ignores`. "
        f"Everywhere: `extend-ignore = {rule.code}`."
    )


def index(rules: Sequence[Rule], link: str = "") -> str:
    """The catalogue as Markdown tables, one a family, with links to the pages under ``link``."""
    parts: list[str] = []
    for prefix, title in FAMILIES.items():
        rows = [rule for rule in rules if rule.code.startswith(prefix)]
        if rows:
            parts += [f"### {prefix}xx: {title}", table(rows, link)]
    return "\n\n".join(parts)


def table(rules: Sequence[Rule], link: str = "") -> str:
    """A Markdown table of rules: code, name, what it reports, default, fix."""
    lines = ["| code | name | reports | default | fix |", "|---|---|---|---|---|"]
    for rule in rules:
        summary = " ".join(rule.summary.split()).rstrip(".").replace("|", "\\|")
        lines.append(f"| [{rule.code}]({link}{page_name(rule.code)}) | {rule.name} | {summary} | {default_word(rule)} | {fix_word(rule)} |")
    return names_as_code("\n".join(lines))
