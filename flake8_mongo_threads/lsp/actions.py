"""What an editor can do about findings: the change of each fix, of all safe ones together, and of a ``# noqa`` comment.

Independent of the protocol. All changes are made, and verified, by ``fixes``, which imports libcst: this module is imported when
the first action is asked for.
"""

from typing import NamedTuple

from flake8_mongo_threads.config import Config
from flake8_mongo_threads.findings import Applicability, Finding
from flake8_mongo_threads.lsp.analysis import Analysis
from flake8_mongo_threads.lsp.positions import trimmed
from flake8_mongo_threads.report import FileReport, Replacement


class Action(NamedTuple):
    """A change of a text that an editor can offer."""

    title: str
    replacements: tuple[Replacement, ...] = ()
    safe: bool = False
    refused: str = ""
    """Why there is no change, one line."""


def title_of(finding: Finding) -> str:
    """The title of the action for a finding's fix: one that may change what the program does is named so."""
    fix = finding.fix
    if fix is None:
        return ""
    return fix.title if fix.applicability is Applicability.SAFE else f"{fix.title} (unsafe: may change what the program does)"


def fix(analysis: Analysis, finding: Finding) -> Action | None:
    """The fix of one of the findings of a text; None when it has none that may be applied."""
    wish = finding.fix
    if wish is None or wish.applicability < Applicability.UNSAFE:
        return None
    action = Action(title_of(finding), safe=wish.applicability is Applicability.SAFE)
    if analysis.is_page:
        from flake8_mongo_threads.fixes.changes import with_changes

        report = FileReport(analysis.path, (finding,), lines=tuple(analysis.lines))
        [report] = with_changes([report], analysis.selection)
        change = report.changes[0]
        if change is None:
            return action._replace(refused="the page cannot be changed there")
        return action._replace(replacements=_trimmed(analysis, change.replacements))
    from flake8_mongo_threads.fixes.apply import fix_text
    from flake8_mongo_threads.fixes.noqa import silenced_in

    result = fix_text(
        analysis.path,
        analysis.text,
        analysis.selection.config,
        level=Applicability.UNSAFE,
        # The very finding: another one that comes to stand in its place is not meant.
        fixable=lambda found: found is finding,
        suppressed=lambda text: silenced_in(analysis.selection, analysis.path, text),
        detect=lambda path, text, config: _detected(analysis, path, text, config),
    )
    if not result.applied:
        return action._replace(refused=next((refusal.reason for refusal in result.refused), "it changes nothing"))
    return action._replace(replacements=_replacements(analysis, result.text))


def fix_all(analysis: Analysis) -> Action:
    """All safe fixes of a text together."""
    from flake8_mongo_threads.check import read_document
    from flake8_mongo_threads.fixes.apply import fix_text
    from flake8_mongo_threads.fixes.documents import fix_programs
    from flake8_mongo_threads.fixes.noqa import silenced_in

    path, chosen = analysis.path, analysis.selection
    if analysis.is_page:
        new = fix_programs(lambda changed: read_document(path, changed), path, analysis.text, chosen, level=Applicability.SAFE).text
    else:
        new = fix_text(
            path,
            analysis.text,
            chosen.config,
            selected=lambda finding: chosen.reports(finding.code, path),
            suppressed=lambda text: silenced_in(chosen, path, text),
            detect=lambda path, text, config: _detected(analysis, path, text, config),
        ).text
    return Action("Apply all safe fixes of mongo-threads", _replacements(analysis, new), safe=True)


def noqa(analysis: Analysis, finding: Finding) -> Action | None:
    """A comment that silences a finding; None in a page, whose readers would see it."""
    if analysis.is_page:
        return None
    from flake8_mongo_threads.fixes.noqa import add_noqa

    return Action(
        f"Silence {finding.code} on this line (# noqa: {finding.code})", _replacements(analysis, add_noqa(analysis.text, [finding]))
    )


def _detected(analysis: Analysis, path: str, text: str, config: Config) -> list[Finding]:
    """The findings of a text: of the one that was looked at they are known."""
    from flake8_mongo_threads.engine import check_text

    return list(analysis.findings) if text == analysis.text else check_text(path, text, config)


def _replacements(analysis: Analysis, new: str) -> tuple[Replacement, ...]:
    from flake8_mongo_threads.fixes.changes import replacements
    from flake8_mongo_threads.source import split_lines

    return _trimmed(analysis, tuple(replacements(analysis.lines, split_lines(new))))


def _trimmed(analysis: Analysis, whole: tuple[Replacement, ...]) -> tuple[Replacement, ...]:
    return tuple(trimmed(analysis.lines, replacement) for replacement in whole)
