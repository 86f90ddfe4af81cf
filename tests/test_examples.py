"""The examples in the rules' metadata, which people read as documentation, do what they say."""

import pytest

import harness
from flake8_mongo_threads.rules import load
from flake8_mongo_threads.rules.base import Example, Rule

EXAMPLES = [(rule, example) for rule in load() for example in rule.examples]
IDS = [f"{rule.code}-{number}" for rule in load() for number, _ in enumerate(rule.examples, 1)]


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize(("rule", "example"), EXAMPLES, ids=IDS)
def test_example(rule: Rule, example: Example) -> None:
    assert example.bad or example.good
    if example.bad:
        wanted = harness.expectations(example.bad)
        assert any(code == rule.code for _, code in wanted.expect), "the bad example expects nothing of its own rule"
        got = harness.run_engine("example.py", example.bad, harness.config_of(example.bad, rule.code))
        problems = harness.difference(harness.places(got), wanted)
        assert not problems, "\n".join(problems)
    for program in (example.good, example.fixed):
        if program:
            assert not harness.expectations(program).any
            got = harness.run_engine("example.py", program, harness.config_of(program, rule.code))
            assert not got, [f"{finding.span.line}: {finding.code} {finding.message}" for finding in got]
