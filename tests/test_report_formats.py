"""Formats for other programs: complete, escaped, and the same finding has the same fingerprint when lines move."""

import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flake8_mongo_threads import report
from flake8_mongo_threads.findings import Applicability, Finding, Fix, Span, Step
from flake8_mongo_threads.fixes.changes import replacements
from flake8_mongo_threads.report import FileReport, github
from flake8_mongo_threads.report.fingerprints import fingerprints, shown_path
from flake8_mongo_threads.rules import load
from flake8_mongo_threads.source import split_lines
from harness import FIXTURES, mongo_threads
from programs import LOOP, THREADS

UNAWAITED = """\
from pymongo import AsyncMongoClient


async def main():
    client = AsyncMongoClient()
    text = "🧵é"; client.shop.orders.insert_one({"text": text})
    client.shop.orders.delete_one({})
"""


def written(name: str, *reports: FileReport) -> str:
    import io

    out = io.StringIO()
    report.load(name).write(reports, out)
    return out.getvalue()


def output(folder: Path, name: str, *arguments: str) -> Any:
    done = mongo_threads("check", "--isolated", f"--output-format={name}", *arguments, ".", cwd=folder)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "loop.py").write_text(LOOP)
    (tmp_path / "threads.py").write_text(THREADS)
    (tmp_path / "a file, 100%.py").write_text(UNAWAITED, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", report.FORMATS)
def test_every_format_writes_nothing_wrong_when_there_is_nothing(name: str) -> None:
    text = written(name, FileReport("a.py"))
    if name in ("json", "gitlab"):
        assert json.loads(text) == []
    elif name == "sarif":
        assert json.loads(text)["runs"][0]["results"] == []
    elif name == "text":
        assert text.startswith("No findings in 1 file")
    else:
        assert text == ""


# JSON


def test_json_tells_everything(folder: Path) -> None:
    items = output(folder, "json")
    assert [(item["path"], item["code"], item["line"], item["column"]) for item in items] == [
        ("a file, 100%.py", "MDB502", 6, 37),
        ("a file, 100%.py", "MDB502", 7, 24),
        ("pkg/loop.py", "MDB101", 6, 18),
        ("threads.py", "MDB102", 7, 14),
    ]
    first, thread = items[0], items[3]
    assert UNAWAITED.splitlines()[5][first["column"] - 1 : first["endColumn"] - 1] == "insert_one"
    assert first["name"] == "missing-await"
    assert first["fix"]["applicability"] == "safe"
    assert thread["evidence"][-1]["line"] == 12
    assert thread["evidence"][-1]["path"] == "threads.py"
    assert len({item["fingerprint"] for item in items}) == 4


# SARIF

REGION = {
    "type": "object",
    "properties": {name: {"type": "integer", "minimum": 1} for name in ("startLine", "startColumn", "endLine", "endColumn")},
    "required": ["startLine", "startColumn"],
    "additionalProperties": False,
}
ARTIFACT = {
    "type": "object",
    "properties": {"uri": {"type": "string", "pattern": r"^[^\s\\%]*(%[0-9A-F]{2}[^\s\\%]*)*$"}, "uriBaseId": {"const": "%SRCROOT%"}},
    "required": ["uri"],
    "additionalProperties": False,
}
MESSAGE = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 1}},
    "required": ["text"],
    "additionalProperties": False,
}
LOCATION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "minimum": 0},
        "message": MESSAGE,
        "physicalLocation": {
            "type": "object",
            "properties": {"artifactLocation": ARTIFACT, "region": REGION},
            "required": ["artifactLocation"],
            "additionalProperties": False,
        },
    },
    "required": ["physicalLocation"],
    "additionalProperties": False,
}
FLOW = {
    "type": "object",
    "properties": {
        "threadFlows": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "locations": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "properties": {"location": LOCATION},
                            "required": ["location"],
                            "additionalProperties": False,
                        },
                    }
                },
                "required": ["locations"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["threadFlows"],
    "additionalProperties": False,
}
FIX = {
    "type": "object",
    "properties": {
        "description": MESSAGE,
        "artifactChanges": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "artifactLocation": ARTIFACT,
                    "replacements": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "properties": {
                                "deletedRegion": {**REGION, "required": ["startLine", "startColumn", "endLine", "endColumn"]},
                                "insertedContent": {
                                    "type": "object",
                                    "properties": {"text": {"type": "string"}},
                                    "required": ["text"],
                                    "additionalProperties": False,
                                },
                            },
                            "required": ["deletedRegion", "insertedContent"],
                            "additionalProperties": False,
                        },
                    },
                },
                "required": ["artifactLocation", "replacements"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["description", "artifactChanges"],
    "additionalProperties": False,
}
RULE = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": r"^MDB\d{3}$"},
        "name": {"type": "string", "pattern": "^[A-Za-z]+$"},
        "shortDescription": MESSAGE,
        "fullDescription": MESSAGE,
        "help": {
            "type": "object",
            "properties": {"text": {"type": "string", "minLength": 1}, "markdown": {"type": "string", "minLength": 1}},
            "required": ["text", "markdown"],
            "additionalProperties": False,
        },
        "helpUri": {"type": "string", "pattern": "^https://"},
        "defaultConfiguration": {
            "type": "object",
            "properties": {"level": {"enum": ["none", "note", "warning", "error"]}, "enabled": {"type": "boolean"}},
            "additionalProperties": False,
        },
        "properties": {"type": "object", "properties": {"tags": {"type": "array", "uniqueItems": True, "items": {"type": "string"}}}},
    },
    "required": ["id", "name", "shortDescription", "fullDescription", "help", "helpUri", "defaultConfiguration"],
    "additionalProperties": False,
}
RESULT = {
    "type": "object",
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": {"enum": ["note", "warning", "error"]},
        "message": MESSAGE,
        "locations": {"type": "array", "minItems": 1, "maxItems": 1, "items": LOCATION},
        "relatedLocations": {
            "type": "array",
            "uniqueItems": True,
            "items": {**LOCATION, "required": ["id", "physicalLocation", "message"]},
        },
        "codeFlows": {"type": "array", "minItems": 1, "items": FLOW},
        "fixes": {"type": "array", "minItems": 1, "uniqueItems": True, "items": FIX},
        "partialFingerprints": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        },
    },
    "required": ["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"],
    "additionalProperties": False,
}
NOTIFICATION = {
    "type": "object",
    "properties": {
        "level": {"enum": ["note", "warning", "error"]},
        "message": MESSAGE,
        "locations": {"type": "array", "uniqueItems": True, "items": LOCATION},
    },
    "required": ["level", "message"],
    "additionalProperties": False,
}
LOG = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "$schema": {"type": "string", "pattern": r"^https://.*sarif-schema-2\.1\.0\.json$"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "tool": {
                        "type": "object",
                        "properties": {
                            "driver": {
                                "type": "object",
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "semanticVersion": {"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
                                    "informationUri": {"type": "string", "pattern": "^https://"},
                                    "rules": {"type": "array", "uniqueItems": True, "items": RULE},
                                },
                                "required": ["name", "version", "rules"],
                                "additionalProperties": False,
                            }
                        },
                        "required": ["driver"],
                        "additionalProperties": False,
                    },
                    "columnKind": {"const": "utf16CodeUnits"},
                    "originalUriBaseIds": {"type": "object", "required": ["%SRCROOT%"]},
                    "invocations": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "executionSuccessful": {"type": "boolean"},
                                "toolExecutionNotifications": {"type": "array", "items": NOTIFICATION},
                            },
                            "required": ["executionSuccessful"],
                            "additionalProperties": False,
                        },
                    },
                    "results": {"type": "array", "items": RESULT},
                },
                "required": ["tool", "columnKind", "originalUriBaseIds", "invocations", "results"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["$schema", "version", "runs"],
    "additionalProperties": False,
}
"""What this program uses of SARIF 2.1.0, and nothing else. Written from the specification's text (sections 3.13 to 3.58)."""


def valid(log: Any) -> Any:
    jsonschema.Draft7Validator.check_schema(LOG)
    jsonschema.validate(log, LOG)
    run = log["runs"][0]
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
    return run


def test_sarif_of_programs(folder: Path) -> None:
    run = valid(output(folder, "sarif"))
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [rule.code for rule in load()]
    uris = [result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in run["results"]]
    assert uris == ["a%20file%2C%20100%25.py", "a%20file%2C%20100%25.py", "pkg/loop.py", "threads.py"]
    thread = run["results"][3]
    flow = thread["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [place["location"]["physicalLocation"]["region"]["startLine"] for place in flow] == [7, 12]
    assert [place["message"]["text"] for place in thread["relatedLocations"]] == [place["location"]["message"]["text"] for place in flow]
    # A character beyond the basic plane counts twice.
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"]["startColumn"] == 38
    assert run["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]


def test_sarif_of_documents_and_fixtures() -> None:
    done = mongo_threads("check", "--isolated", "--output-format=sarif", "fixtures/documents", "fixtures/demo", cwd=FIXTURES.parent)
    run = valid(json.loads(done.stdout))
    assert len(run["results"]) > 20
    files = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in run["results"]}
    assert {"fixtures/documents/orders.ipynb", "fixtures/documents/threads.md", "fixtures/documents/guide.rst"} <= files
    for result in run["results"]:
        place = result["locations"][0]["physicalLocation"]
        line = split_lines((FIXTURES.parent / place["artifactLocation"]["uri"]).read_text(encoding="utf-8"))[
            place["region"]["startLine"] - 1
        ]
        units = line.encode("utf-16-le")
        assert units[2 * (place["region"]["startColumn"] - 1) :].decode("utf-16-le")[:1].strip()


def applied(text: str, fix: dict[str, Any]) -> str:
    """What a reader of SARIF makes of a fix: regions in UTF-16 code units, replaced from the last to the first."""
    starts = [0]
    for line in split_lines(text):
        starts.append(starts[-1] + len(line.encode("utf-16-le")))
    data = text.encode("utf-16-le")
    (change,) = fix["artifactChanges"]
    for replacement in reversed(change["replacements"]):
        region = replacement["deletedRegion"]
        start = starts[region["startLine"] - 1] + 2 * (region["startColumn"] - 1)
        end = starts[region["endLine"] - 1] + 2 * (region["endColumn"] - 1)
        data = data[:start] + replacement["insertedContent"]["text"].encode("utf-16-le") + data[end:]
    return data.decode("utf-16-le")


def test_fixes_in_sarif_do_what_the_command_does(folder: Path) -> None:
    (folder / "page.md").write_text(
        f"# 🧵\n\n> ```python\n{''.join(f'> {line}'.rstrip() + chr(10) for line in UNAWAITED.splitlines())}> ```\n"
    )
    for path in ("a file, 100%.py", "page.md"):
        text = (folder / path).read_text(encoding="utf-8")
        results = [
            result
            for result in valid(output(folder, "sarif", "--select=MDB502"))["results"]
            if result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].endswith(path[-3:])
        ]
        assert len(results) == 2
        one = applied(text, results[0]["fixes"][0])
        assert one == text.replace("client.shop.orders.insert_one", "await client.shop.orders.insert_one")
        assert applied(one, results[1]["fixes"][0]) == one.replace("client.shop.orders.delete_one", "await client.shop.orders.delete_one")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\nb\nc\n", "a\nx\nc\n"),
        ("a\nb", "a\nb\nc"),
        ("a\nb", "a\n"),
        ("", "a"),
        ("a\n", ""),
        ("a", "a\nb"),
        ("a\r\nb\r\n", "a\r\nx\r\nb\r\n"),
        ("a", "b"),
    ],
)
def test_replacements_turn_one_text_into_the_other(before: str, after: str) -> None:
    lines = split_lines(before)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    new = before
    for item in reversed(list(replacements(lines, split_lines(after)))):
        span = item.span
        start = starts[max(span.line - 1, 0)] + span.col
        end = starts[max(span.end_line - 1, 0)] + span.end_col
        new = new[:start] + item.text + new[end:]
    assert new == after


def test_problems_are_notifications(folder: Path) -> None:
    (folder / "broken.py").write_text("def (:\n")
    done = mongo_threads("check", "--isolated", "--output-format=sarif", ".", cwd=folder)
    assert done.returncode == 2
    (invocation,) = valid(json.loads(done.stdout))["invocations"]
    assert invocation["executionSuccessful"] is False
    (told,) = invocation["toolExecutionNotifications"]
    assert told["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "broken.py"


@pytest.mark.slow
@pytest.mark.skipif("SARIF_SCHEMA" not in os.environ, reason="needs the schema of OASIS, as a file that SARIF_SCHEMA names")
def test_the_published_schema_accepts_the_sarif() -> None:
    schema = json.loads(Path(os.environ["SARIF_SCHEMA"]).read_text(encoding="utf-8"))
    assert schema["id"].endswith("/sarif-schema-2.1.0.json")
    validator = jsonschema.Draft4Validator(schema)
    done = mongo_threads(
        "check", "--isolated", "--output-format=sarif", "--select=MDB", "documents", "demo", "MDB102", "MDB502", "nowhere", cwd=FIXTURES
    )
    log = json.loads(done.stdout)
    assert len(log["runs"][0]["results"]) > 100
    assert log["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert [error.message for error in validator.iter_errors(log)] == []
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = "six"
    assert not validator.is_valid(log)


def test_an_independent_model_reads_the_sarif(folder: Path) -> None:
    model = pytest.importorskip("sarif_pydantic")
    log = output(folder, "sarif")
    read = model.Sarif.model_validate(log)
    assert len(read.runs[0].results) == 4
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = "six"
    with pytest.raises(ValueError, match="startLine"):
        model.Sarif.model_validate(log)


# Fingerprints


def test_fingerprints_stay_when_lines_move_and_white_space_changes(folder: Path) -> None:
    before = {item["fingerprint"]: item["line"] for item in output(folder, "json")}
    for path in (*folder.glob("*.py"), *folder.glob("pkg/*.py")):
        text = path.read_text(encoding="utf-8").replace("client = MongoClient()", "client  =  MongoClient()")
        path.write_text(f'"""New."""\n\n{text}\n\nx = 1\n', encoding="utf-8")
    after = {item["fingerprint"]: item["line"] for item in output(folder, "json")}
    assert set(after) == set(before)
    assert all(after[mark] == line + 2 for mark, line in before.items())


def test_fingerprints_tell_apart_what_differs() -> None:
    def marks(path: str, *findings: tuple[str, int]) -> list[str]:
        lines = ("x = f()\n", "x = f()\n", "y = f()\n")
        return fingerprints(
            FileReport(path, tuple(Finding(code, path, Span(line, 4, line, 5), "m") for code, line in findings), lines=lines)
        )

    first, second, other = marks("a.py", ("MDB101", 1), ("MDB101", 2), ("MDB101", 3))
    assert len({first, second, other, *marks("b.py", ("MDB101", 1)), *marks("a.py", ("MDB102", 1))}) == 5
    assert marks("a.py", ("MDB102", 1), ("MDB101", 2))[1] == first  # which of the same code it is
    assert marks("./a.py", ("MDB101", 1)) == [first]


def test_paths_are_told_relative_and_with_slashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown_path(str(tmp_path / "pkg" / "a.py")) == "pkg/a.py"
    assert shown_path("./a.py") == "a.py"
    assert shown_path("stdin") == "stdin"
    outside = str(tmp_path.parent / "a.py")
    assert shown_path(outside) == outside


# GitHub, GitLab


def test_github_annotations_are_escaped() -> None:
    message = "100% of\r\nit: a, b"
    finding = Finding("MDB101", "a,b:c%.py", Span(3, 4, 3, 9), message)
    failure = Finding("MDB000", "a.py", Span(1, 0, 1, 0), "internal error")
    long = Finding("MDB102", "a.py", Span(3, 4, 5, 2), "m")
    lines = written("github", FileReport("a,b:c%.py", (finding,)), FileReport("a.py", (failure, long))).splitlines()
    assert lines == [
        "::error title=MDB000,file=a.py,line=1,endLine=1,col=1,endColumn=1::a.py:1:1: MDB000 internal error",
        "::warning title=MDB101,file=a%2Cb%3Ac%25.py,line=3,endLine=3,col=5,endColumn=9::a,b:c%25.py:3:5: MDB101 100%25 of%0D%0Ait: a, b",
        "::warning title=MDB102,file=a.py,line=3,endLine=5::a.py:3:5: MDB102 m",
    ]
    assert github.value("a\nb%,:") == "a%0Ab%25%2C%3A"


def test_gitlab_code_quality(folder: Path) -> None:
    issues = output(folder, "gitlab")
    marks = {item["fingerprint"] for item in output(folder, "json")}
    assert {issue["fingerprint"] for issue in issues} == marks
    for issue in issues:
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert re.fullmatch(r"MDB\d{3}", issue["check_name"])
        assert issue["location"]["path"] in ("a file, 100%.py", "pkg/loop.py", "threads.py")
        assert issue["location"]["lines"]["begin"] > 0


# For people


def test_text_tells_fixes_and_what_can_be_done() -> None:
    lines = ("x = f()\n", "y = g()\n")
    step = Step("a.py", 2, 0, "it is here")
    safe = Finding("MDB101", "a.py", Span(1, 4, 1, 5), "wrong", (step,), Fix("Put it right", Applicability.SAFE, ()))
    unsafe = Finding("MDB102", "a.py", Span(2, 4, 2, 5), "wrong", (), Fix("Put it elsewhere", Applicability.UNSAFE, ()))
    text = written("text", FileReport("a.py", (safe, unsafe), lines=lines, known=3))
    assert text.splitlines() == [
        "a.py",
        "  1:5 MDB101 wrong",
        "    1 │ x = f()",
        "      │     ^",
        "    because line 2: it is here",
        "        fix Put it right",
        "  2:5 MDB102 wrong",
        "    2 │ y = g()",
        "      │     ^",
        "        fix Put it elsewhere (unsafe: may change behaviour)",
        "",
        "2 findings in 1 of 1 file, 3 known from the baseline",
        "1 can be fixed with `mongo-threads fix`, 1 more with `mongo-threads fix --unsafe-fixes`",
    ]


def test_statistics_do_not_spoil_other_formats(folder: Path) -> None:
    done = mongo_threads("check", "--isolated", "--statistics", "--output-format=json", ".", cwd=folder)
    assert len(json.loads(done.stdout)) == 4
    assert "2       MDB502 missing-await" in done.stderr.splitlines()
