"""The messages of all rules: what each says, and what all have in common.

``tests/messages.json`` holds, for each rule, every form that a message takes in the fixtures (names stand as ``'…'``, numbers
as ``N``) with one message of that form. ``python tests/test_messages.py`` writes it anew; read the difference before it is committed.
"""

import functools
import json
import re
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pytest

import harness
from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.rules import load
from harness import FIXTURES, ROOT

pytestmark = pytest.mark.xdist_group("findings of every fixture")

SNAPSHOT = Path(__file__).with_name("messages.json")
EVERYTHING = tuple(rule.code for rule in load())
MAX_LENGTH = 260

_VERBS = frozenset(
    (
        "await", "bind", "build", "call", "close", "compare", "correct", "do", "drop", "give", "guard", "handle", "hand", "hold", "insert", "iterate", "keep", "leave", "make", "move", "open",
        "pass", "put", "raise", "read", "register", "remove", "require", "return", "run", "set", "start", "test", "update", "use", "wait", "write",
    )
)  # fmt: skip
"""How a cure begins."""
_STATES_A_FACT = ("nothing public: the module was internal", "there is no replacement", "belongs to", "the client does not say")
"""Cures of interfaces that were never there or are gone for good."""
_LIBRARIES = re.compile(
    r"\b(?:flask[-_]pymongo|tenacity|backoff|aiocache|cachetools|aiofiles|anyio|trio|mongoengine|beanie|odmantic|umongo|celery|joblib|asgiref|retry(?:ing)?|redis|redlock)\b",
    re.IGNORECASE,
)
_OBJECT = re.compile(
    r"'[^']+'|\b(?:[A-Z]\w*)?(?:Client|Cursor|ChangeStream|Session|Transaction|Collection|Database|Bucket|GridIn|GridOut|Error|Exception|Reconnect|Timeout|Failure)\b"
    r"|\b(?:args|bind\(\)|client|client option|collection|comprehension|cursor|change stream|database|document|field|GridFS|insert|iteration"
    r"|lambda|listener|lock|maxPoolSize|Motor|session|synchronous operation|tasks|transaction|unpacking|error)\b"
)
"""What a message is about: a name of the program in quotes, a class, or the word for a thing."""


@functools.cache
def every_finding() -> list[tuple[str, Finding]]:
    """The findings of every fixture, with every rule on, and where each stands."""
    found: list[tuple[str, Finding]] = []
    paths = [*harness.fixtures_of_rules(), *sorted((FIXTURES / "projects").rglob("*.py")), *sorted((FIXTURES / "demo").rglob("*.py"))]
    for path in paths:
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT)
        for finding in harness.run_engine_once(name, text, harness.config_of(text)):
            found.append((f"{name.as_posix()}:{finding.span.line} {finding.code}", finding))
    return found


def form_of(message: str) -> str:
    """A message without what the program at hand puts into it."""
    message = re.sub(r"'[^']*'", "'…'", message)
    message = re.sub(r"target: .*?\)(?=[):,])", "target: …", message)
    message = re.sub(r"\b(?:[\w-]+/)*\w+\.(?:py|toml|txt|lock):\d+", "FILE:N", message)
    return re.sub(r"\d+(?:, \d+)*", "N", message)


def snapshot() -> dict[str, dict[str, str]]:
    """Every form of every rule with its shortest message, the first in the alphabet among equals."""
    forms: dict[str, dict[str, str]] = {rule.code: {} for rule in load() if rule.code != "MDB000"}
    for _, finding in every_finding():
        known = forms[finding.code]
        form = form_of(finding.message)
        best = known.get(form)
        if best is None or (len(finding.message), finding.message) < (len(best), best):
            known[form] = finding.message
    return {code: dict(sorted(known.items())) for code, known in sorted(forms.items())}


def written(forms: dict[str, dict[str, str]]) -> str:
    return json.dumps({code: list(known.values()) for code, known in forms.items()}, indent=1, ensure_ascii=False) + "\n"


def cure_of(message: str) -> str:
    """The clause that says what to do: the last one that begins with a verb of a cure."""
    for clause in reversed(re.split(r"(?::|;|,) (?:or )?", message)):
        if clause.split(" ", 1)[0].rstrip(",.") in _VERBS:
            return message[message.rindex(clause) :]
    return ""


def test_messages_are_as_they_were() -> None:
    stored = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    known = {code: {form_of(message) for message in messages} for code, messages in stored.items()}
    now = snapshot()
    new = [f"{code} {message}" for code, forms in now.items() for form, message in forms.items() if form not in known.get(code, ())]
    gone = [f"{code} {form}" for code, forms in known.items() for form in sorted(forms) if form not in now.get(code, {})]
    assert (new, gone) == ([], []), "python tests/test_messages.py takes the messages over"


def test_every_rule_has_a_message() -> None:
    known = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    assert sorted(known) == sorted(code for code in EVERYTHING if code != "MDB000")
    assert [code for code, messages in known.items() if not messages] == []


def test_style() -> None:
    problems: list[str] = []
    for where, finding in every_finding():
        message = finding.message
        cure = cure_of(message)
        checks = {
            "one line": len(message.splitlines()) == 1 and message == " ".join(message.split()),
            "no period at the end": not message.endswith((".", "!", ",", ";", ":")) or message.endswith("..."),
            "short": len(message) <= MAX_LENGTH,
            "starts as a clause": message[0].islower() or message[0] == "'" or message.split(" ", 1)[0].isidentifier(),
            "names the object": bool(_OBJECT.search(message.partition(": ")[0])),
            "ends with a cure": bool(cure) or any(fact in message for fact in _STATES_A_FACT),
            "advises the driver or the standard library": not _LIBRARIES.search(re.sub(r"'[^']*'", "", cure)),
            "balanced": message.count("(") == message.count(")") and message.count("'") % 2 == 0,
            "no machine's path": not re.search(r"(?:^|[ (])(?:/\w+/|[A-Z]:\\)", message),
        }
        problems.extend(f"{where}: {name}: {message}" for name, good in checks.items() if not good)
    assert sorted(set(problems)) == []


if __name__ == "__main__":
    SNAPSHOT.write_text(written(snapshot()), encoding="utf-8")
    print(f"wrote {SNAPSHOT.name}")
