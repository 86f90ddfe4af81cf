"""What a rule is: metadata, examples that run as tests, and a check on facts."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from flake8_mongo_threads.findings import Applicability, Finding, Fix, Span, Step

if TYPE_CHECKING:
    from flake8_mongo_threads.semantics.module import Module

Check = Callable[["Module", Any], Iterator[Finding]]


MAX_STEPS = 6
"""Hops of evidence that a finding shows."""


def shortened(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """At most six hops: of a long way, how it begins and how it ends."""
    return steps if len(steps) <= MAX_STEPS else (*steps[: MAX_STEPS // 2], *steps[-(MAX_STEPS // 2) :])


class Example(NamedTuple):
    """A program that the rule reports and its correct form. Both run as tests.

    In ``bad`` every line to be reported ends in ``# expect: CODE``; the comment is removed when shown.
    ``good`` must be silent for every default-on rule. ``fixed`` is what the rule's fix makes of ``bad``.
    """

    bad: str = ""
    good: str = ""
    fixed: str = ""
    title: str = ""


class Rule:
    """One row of the catalogue. ``fix`` is the highest applicability its fixes may have."""

    __slots__ = ("checks", "code", "default", "examples", "fix", "known_limits", "name", "references", "silent", "since", "summary", "why")

    def __init__(
        self,
        *,
        code: str,
        name: str,
        summary: str,
        why: str,
        examples: tuple[Example, ...],
        default: bool = True,
        fix: Applicability | None = None,
        silent: tuple[str, ...] = (),
        known_limits: tuple[str, ...] = (),
        references: tuple[str, ...] = (),
        since: str = "0.1.0",
    ) -> None:
        self.code = code
        self.name = name
        self.summary = summary
        self.why = why
        self.examples = examples
        self.default = default
        self.fix = fix
        self.silent = silent
        """What looks like the defect and is right, so that nothing is reported."""
        self.known_limits = known_limits
        self.references = references
        self.since = since
        self.checks: list[tuple[type, Check]] = []

    def on(self, fact: type) -> Callable[[Check], Check]:
        """Register a check for one type of fact: a generator of findings, given the module and the fact."""

        def register(check: Check) -> Check:
            self.checks.append((fact, check))
            return check

        return register

    def finding(
        self, module: "Module", span: Span, message: str, steps: tuple[Step, ...] = (), fix: Fix | None = None, cause: str = ""
    ) -> Finding:
        """Make a finding of this rule. A fix may be less trusted than the rule promises, never more."""
        if fix is not None and (self.fix is None or fix.applicability > self.fix):
            raise ValueError(f"{self.code}: fix {fix.title!r} is more than the rule promises")
        return Finding(self.code, module.source.path, span, message, shortened(steps), fix, cause)
