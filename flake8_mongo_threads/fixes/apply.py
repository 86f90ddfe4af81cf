"""Applying the fixes of one text until nothing is left to fix, every round verified.

A round takes the fixes that do not touch each other, makes them in one pass and looks at the result: it must parse and compile,
the findings must be gone and no new ones have come, nothing outside the edited places may differ. When that fails, each fix is
tried alone, the guilty ones are named, and the others go on.
"""

import ast
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from flake8_mongo_threads.config import Config
from flake8_mongo_threads.edits import (
    Anchor,
    DeleteStatement,
    Edit,
    HoistWith,
    ImportRequest,
    InsertStatement,
    MakeAsync,
    MoveStatement,
    RemoveKeyword,
    RenameImport,
    RenameKeyword,
    ReplaceExpr,
    ReplaceImport,
    SetKeyword,
    SwapNestedWith,
    SwapWithItems,
    Unwrap,
    WrapStatementsInTry,
)
from flake8_mongo_threads.findings import Applicability, Finding, Fix
from flake8_mongo_threads.fixes import ops
from flake8_mongo_threads.fixes.imports import Names, Planner, local_name
from flake8_mongo_threads.fixes.locate import TOO_DEEP, RefusedError, Tree
from flake8_mongo_threads.source import Source, split_lines

ROUNDS = 10
_BRINGS = "it would bring"

Detect = Callable[[str, str, Config], list[Finding]]
"""Findings of a text: path, text, config. Raises SyntaxError."""
Silenced = Callable[[str, int], bool]
"""Whether a comment silences a code on a (1-based) line."""


class Refusal(NamedTuple):
    """A finding whose fix was not applied, and why."""

    finding: Finding
    reason: str


class FixResult(NamedTuple):
    """What came of a text."""

    text: str
    applied: tuple[Finding, ...] = ()
    """What was fixed, in the order it was done; each as it was found in its round."""
    refused: tuple[Refusal, ...] = ()
    remaining: tuple[Finding, ...] = ()
    """What is still reported, the refused ones included."""


def _always(_finding: Finding) -> bool:
    return True


def _nothing_silenced(_text: str) -> Silenced:
    return lambda _code, _line: False


def fix_text(
    path: str,
    text: str,
    config: Config | None = None,
    *,
    level: Applicability = Applicability.SAFE,
    selected: Callable[[Finding], bool] = _always,
    fixable: Callable[[Finding], bool] = _always,
    suppressed: Callable[[str], Silenced] = _nothing_silenced,
    detect: Detect | None = None,
    found: Sequence[Finding] | None = None,
    top_level_await: bool = False,
) -> FixResult:
    """Fix a text (without byte order mark). ``path`` is the name to show.

    ``level`` is the least trust a fix must deserve; ``selected`` tells which findings are reported at all, ``fixable`` which of
    them may be fixed; ``suppressed`` reads the suppression comments of a text; ``found`` are its findings where they are known
    already; with ``top_level_await`` the program runs where ``await`` may stand outside functions, as in notebooks. Raises
    SyntaxError when the text is not Python.
    """
    if detect is None:
        from flake8_mongo_threads.engine import check_text

        detect = check_text
    return _Fixer(path, config or Config(), level, selected, fixable, suppressed, detect, top_level_await).run(text, found)


class _Round:
    """One text with all that is known about it."""

    def __init__(self, fixer: "_Fixer", text: str, findings: Sequence[Finding] | None = None) -> None:
        self.source = Source.from_text(fixer.path, text)
        self.text = text
        self.top_level_await = fixer.top_level_await
        self.silenced = fixer.suppressed(text)
        self.findings = list(fixer.detect(fixer.path, text, fixer.config) if findings is None else findings)
        self.reported = [f for f in self.findings if fixer.selected(f) and not self.silenced(f.code, f.span.line)]
        self._tree: Tree | None = None
        self._names: Names | None = None

    @property
    def names(self) -> Names:
        if self._names is None:
            try:
                tree = _parse(self.text, self.top_level_await)
            except SyntaxError as error:
                raise RefusedError(f"the program would not run as it stands: {error.msg}, line {error.lineno}") from None
            self._names = Names(self.source, tree)
        return self._names

    @property
    def tops(self) -> dict[int, int]:
        """For the ``def`` or ``class`` line of what is decorated the line of its first decorator."""
        decorated = (node for node in ast.walk(self.names.tree) if getattr(node, "decorator_list", None))
        return {node.lineno: node.decorator_list[0].lineno for node in decorated}  # type: ignore[attr-defined]

    @property
    def tree(self) -> Tree:
        if self._tree is None:
            self._tree = Tree(self.source, self.names.tree)
        return self._tree


class _Candidate(NamedTuple):
    """A fix to try, with the findings that carry it."""

    fix: Fix
    findings: tuple[Finding, ...]


class _Fixer:
    def __init__(
        self,
        path: str,
        config: Config,
        level: Applicability,
        selected: Callable[[Finding], bool],
        fixable: Callable[[Finding], bool],
        suppressed: Callable[[str], Silenced],
        detect: Detect,
        top_level_await: bool,
    ) -> None:
        self.path = path
        self.config = config
        self.level = level
        self.selected = selected
        self.fixable = fixable
        self.suppressed = suppressed
        self.detect = detect
        self.top_level_await = top_level_await

    def run(self, text: str, found: Sequence[Finding] | None = None) -> FixResult:
        """Rounds until stable."""
        applied: list[Finding] = []
        refused: list[Refusal] = []
        current = _Round(self, text, found)
        tried = 0
        for _ in range(ROUNDS):
            candidates = self._candidates(current, refused)
            if not candidates and len(applied) > tried:
                # what would have brought another finding may not do so any more, now that others are fixed
                tried = len(applied)
                refused = [refusal for refusal in refused if not refusal.reason.startswith(_BRINGS)]
                candidates = self._candidates(current, refused)
            if not candidates:
                break
            after, done = self._round(current, candidates, refused)
            if after is None:
                continue
            applied += done
            refused = _moved(refused, current, after)
            current = after
        else:
            refused += [Refusal(f, f"not stable after {ROUNDS} rounds") for c in self._candidates(current, refused) for f in c.findings]
        refused.sort(key=lambda refusal: refusal.finding.sort_key)
        return FixResult(current.text, tuple(applied), tuple(refused), tuple(current.reported))

    def _candidates(self, current: _Round, refused: Sequence[Refusal]) -> list[_Candidate]:
        known = {_identity(refusal.finding) for refusal in refused}
        together: dict[tuple[tuple[Edit, ...], tuple[ImportRequest, ...]], list[Finding]] = {}
        for finding in sorted(current.reported, key=lambda finding: finding.sort_key):
            fix = finding.fix
            if fix is not None and fix.applicability >= self.level and self.fixable(finding) and _identity(finding) not in known:
                together.setdefault((fix.edits, fix.imports), []).append(finding)
        candidates = []
        for group in together.values():
            fix = group[0].fix
            assert fix is not None
            candidates.append(_Candidate(fix, tuple(group)))
        return candidates

    def _round(self, current: _Round, candidates: Sequence[_Candidate], refused: list[Refusal]) -> tuple[_Round | None, list[Finding]]:
        """Try fixes; refusals are added to ``refused``. Returns the next round, or None when nothing was applied, and what was fixed."""

        def refuse(candidate: _Candidate, reason: str) -> None:
            refused.extend(Refusal(finding, reason) for finding in candidate.findings)

        good: list[_Candidate] = []
        for candidate in candidates:
            try:
                self._prepare(current, [candidate])
            except RefusedError as error:
                refuse(candidate, error.reason)
            else:
                good.append(candidate)
        batch = _apart(good)
        if not batch:
            return None, []
        try:
            return self._attempt(current, batch), [finding for candidate in batch for finding in candidate.findings]
        except RefusedError as error:
            if len(batch) == 1:
                refuse(batch[0], error.reason)
                return None, []
        # One of them is to blame: each alone, then the good ones together again.
        alone: list[tuple[_Candidate, _Round]] = []
        for candidate in batch:
            try:
                alone.append((candidate, self._attempt(current, [candidate])))
            except RefusedError as error:
                refuse(candidate, error.reason)
        if not alone:
            return None, []
        if 1 < len(alone) < len(batch):
            rest = [candidate for candidate, _ in alone]
            try:
                return self._attempt(current, rest), [finding for candidate in rest for finding in candidate.findings]
            except RefusedError:
                pass
        candidate, after = alone[0]
        return after, list(candidate.findings)

    def _prepare(self, current: _Round, batch: Sequence[_Candidate]) -> tuple[list[list[ops.Change]], list[ops.Change]]:
        """The changes of fixes: their edits, and the imports of all of them together. Raises RefusedError."""
        codes = {finding.code for candidate in batch for finding in candidate.findings}

        def frozen(line: int) -> bool:
            return any(current.silenced(code, line) for code in codes)

        planner = Planner(current.names, current.source, frozen)
        top = {node for node in current.names.tree.body if isinstance(node, ast.ImportFrom)}
        top_places = {tuple(current.source.span(node)) for node in top}
        wanted: list[ImportRequest] = []
        beside: list[ops.Change] = []
        first_use = len(current.source.lines) + 1
        changes: list[list[ops.Change]] = []
        for candidate in batch:
            uses = [anchor for edit in candidate.fix.edits for anchor in _use_anchors(edit)]
            replaced = frozenset((e.anchor.line, e.name) for e in candidate.fix.edits if isinstance(e, RenameImport))
            gone = [e.anchor.line for e in candidate.fix.edits if isinstance(e, (ReplaceImport, DeleteStatement))]
            replaced |= {(line, local_name(request)) for line in gone for request in candidate.fix.imports}
            aliases: dict[str, str] = {}
            for request in candidate.fix.imports:
                alias = planner.alias(request, uses)
                if alias:
                    aliases[local_name(request)] = alias
                    continue
                if planner.present(request, uses, replaced):
                    continue
                guarded = planner.guarded(request, uses)
                if guarded is not None:
                    beside.append(guarded)
                    continue
                wanted.append(request)
                running = [use.line for use in uses if not current.names.scopes_at(use.line, use.col)[0].deferred]
                first_use = min([first_use, *running])
            for edit in candidate.fix.edits:
                if isinstance(edit, RenameImport):
                    _check_rename(current, planner, edit, tuple(edit.anchor[1:]) in top_places)
            changes.append([_under(edit, aliases) for edit in candidate.fix.edits] if aliases else list(candidate.fix.edits))
        return changes, [*dict.fromkeys(beside), *planner.plan(wanted, first_use)]

    def _attempt(self, current: _Round, batch: Sequence[_Candidate]) -> _Round:
        """Make the changes of fixes and verify the result. Raises RefusedError."""
        changes, imports = self._prepare(current, batch)
        text = ops.apply(current.tree, [*changes, imports])
        if text == current.text:
            raise RefusedError("it changes nothing")
        try:
            tree = _parse(text, self.top_level_await)
            after = _Round(self, text)
        except SyntaxError as error:
            raise RefusedError(f"the result would not be Python: {error.msg}, line {error.lineno}") from None
        _verify_lines(current, text, [change for group in [*changes, imports] for change in group], batch)
        new = Names(after.source, tree).undefined() - current.names.undefined()
        if new:
            raise RefusedError(f"the name {min(new)!r} would not be defined")
        _verify_findings(current, after, batch, self._can_fix)
        return after

    def _can_fix(self, finding: Finding) -> bool:
        fix = finding.fix
        return fix is not None and bool(fix.edits) and fix.applicability >= self.level and self.fixable(finding) and self.selected(finding)


def _under(edit: Edit, aliases: Mapping[str, str]) -> Edit:
    """The edit with what it imports under the names that the file has for it: ``aio.to_thread`` after ``import asyncio as aio``."""

    def renamed(text: str) -> str:
        for name, alias in aliases.items():
            text = re.sub(rf"""(?<![\w.'"]){name}(?!\w|\s*=[^=]|['"])""", alias, text)
        return text

    match edit:
        case ReplaceExpr():
            return edit._replace(template=renamed(edit.template))
        case SetKeyword():
            return edit._replace(value=renamed(edit.value))
        case InsertStatement() | WrapStatementsInTry():
            return edit._replace(text=renamed(edit.text))
        case _:
            return edit


def _parse(text: str, top_level_await: bool) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(text)
            # Much is wrong only for the compiler: `await` outside a coroutine, `return` outside a function.
            compile(text, "<fixed>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if top_level_await else 0, dont_inherit=True)
        except (RecursionError, MemoryError):
            raise RefusedError(TOO_DEEP) from None
        except ValueError as error:
            raise RefusedError(str(error)) from None
    return tree


def _identity(finding: Finding) -> tuple[str, int, int, str]:
    return (finding.code, finding.span.line, finding.span.col, finding.fix.title if finding.fix else "")


def _check_rename(current: _Round, planner: Planner, edit: RenameImport, at_top: bool) -> None:
    """A local name that goes away must not be exported; one that comes must be free. Raises RefusedError."""
    statements = (node for node in ast.walk(current.names.tree) if isinstance(node, ast.ImportFrom))
    statement = next((node for node in statements if current.source.span(node) == edit.anchor[1:]), None)
    alias = next((alias for alias in statement.names if alias.name == edit.name), None) if statement is not None else None
    if statement is None or alias is None:
        return
    local = alias.asname or alias.name
    if edit.keep_local or local == edit.new_name:
        return
    for node in current.names.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            if any(isinstance(inner, ast.Constant) and inner.value == local for inner in ast.walk(node)):
                raise RefusedError(f"{local!r} is exported by __all__, line {node.lineno}")
    if at_top:
        planner.present(ImportRequest(edit.new_module, edit.new_name), (), frozenset({(statement.lineno, local)}))


# Which fixes can be made in one pass


class _Claim(NamedTuple):
    """What an edit takes for itself: a whole region, or one named part of a node."""

    anchor: Anchor
    part: str = ""

    @property
    def start(self) -> tuple[int, int]:
        return self.anchor[1:3]

    @property
    def end(self) -> tuple[int, int]:
        return self.anchor[3:5]


def _claims(edit: Edit) -> list[_Claim]:
    match edit:
        case SetKeyword(anchor, name) | RemoveKeyword(anchor, name):
            return [_Claim(anchor, f"keyword {name}")]
        case RenameKeyword(anchor, old, new):
            return [_Claim(anchor, f"keyword {old}"), _Claim(anchor, f"keyword {new}")]
        case RenameImport(anchor, name):
            return [_Claim(anchor, f"name {name}")]
        case MakeAsync(anchor, index):
            return [_Claim(anchor, f"clause {index}")]
        case MoveStatement(statement):
            return [_Claim(statement)]
        case InsertStatement(target, text):
            return [_Claim(target, f"beside {text}")]
        case WrapStatementsInTry(first, last):
            return [_Claim(Anchor("", first.line, first.col, last.end_line, last.end_col))]
        case _:
            return [_Claim(edit.anchor)]


def _collide(one: _Claim, other: _Claim) -> bool:
    if one.part and other.part:
        return one == other
    if one.part or other.part:
        part, whole = (one, other) if one.part else (other, one)
        return whole.start <= part.start and part.end <= whole.end
    return one.start < other.end and other.start < one.end


def _size(claim: _Claim) -> tuple[int, int]:
    return (claim.anchor.end_line - claim.anchor.line, claim.anchor.end_col - claim.anchor.col)


def _apart(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """The fixes that can be made together: of two that overlap the inner one, of an isolation group the first."""
    taken: list[_Claim] = []
    chosen: list[int] = []
    claims = [[claim for edit in candidate.fix.edits for claim in _claims(edit)] for candidate in candidates]
    first: dict[str, int] = {}
    for index, candidate in enumerate(candidates):
        first.setdefault(candidate.fix.isolation, index)
    order = sorted(range(len(candidates)), key=lambda i: (max(map(_size, claims[i]), default=(0, 0)), i))
    for index in order:
        group = candidates[index].fix.isolation
        if (group and first[group] != index) or any(_collide(mine, theirs) for mine in claims[index] for theirs in taken):
            continue
        taken += claims[index]
        chosen.append(index)
    return [candidates[index] for index in sorted(chosen)]


# Verification


def _use_anchors(edit: Edit) -> list[Anchor]:
    match edit:
        case MoveStatement(statement, target):
            return [statement, target]
        case InsertStatement(target):
            return [target]
        case WrapStatementsInTry(first, last):
            return [first, last]
        case RenameImport() | ReplaceImport() | DeleteStatement():
            return []
        case _:
            return [edit.anchor]


def _regions(change: ops.Change, tops: Mapping[int, int]) -> list[tuple[int, int]]:
    """The lines (from 0, end exclusive, possibly none: a place between lines) that a change may touch.

    ``tops`` tells where decorated definitions really begin.
    """

    def lines(anchor: Anchor) -> tuple[int, int]:
        return (tops.get(anchor.line, anchor.line) - 1, anchor.end_line)

    def beside(anchor: Anchor, after: bool) -> tuple[int, int]:
        place = anchor.end_line if after else tops.get(anchor.line, anchor.line) - 1
        return (place, place)

    match change:
        case MoveStatement(statement, target, after):
            return [lines(statement), beside(target, after)]
        case InsertStatement(target, _, after):
            return [beside(target, after)]
        case ops.PlaceImport(target, _, after):
            return [(0, 0) if target is None else beside(target, after)]
        case WrapStatementsInTry(first, last):
            return [(first.line - 1, last.end_line)]
        case ReplaceExpr(anchor, _, holes):
            return [lines(anchor), *map(lines, holes)]
        case SwapWithItems(anchor) | SwapNestedWith(anchor) | HoistWith(anchor) | DeleteStatement(anchor):
            return [lines(anchor)]
        case RenameImport(anchor):
            return [lines(anchor)]
        case _:
            return [lines(change.anchor)]


_BLOCKS = (HoistWith, SwapNestedWith, Unwrap, WrapStatementsInTry)
"""Edits that give a whole block another indentation."""


def _blank(line: str) -> bool:
    return not line.strip()


def _widened(lines: Sequence[str], start: int, end: int, block: bool = False) -> tuple[int, int]:
    """The region with the empty lines and the comments at its edges, which go along when statements move.

    The comments behind a ``block`` may be its own: they get its new indentation.
    """
    while start > 0 and (_blank(lines[start - 1]) or lines[start - 1].lstrip().startswith("#")):
        start -= 1
    while end < len(lines) and (_blank(lines[end]) or (block and lines[end].lstrip().startswith("#"))):
        end += 1
    return start, end


def _opened(lines: Sequence[str], change: ops.Change, region: tuple[int, int]) -> tuple[int, int]:
    """The region with the line of the parenthesis that an expression begins behind: a call may take it over."""
    start, end = region
    behind = isinstance(change, ReplaceExpr) and start > 0 and lines[start - 1].partition("#")[0].rstrip().endswith("(")
    return (start - 1, end) if behind else region


def _verify_lines(current: _Round, text: str, changes: Iterable[ops.Change], batch: Sequence[_Candidate]) -> None:
    """Nothing outside the edited places may differ, line ends and silenced lines stay as they are. Raises RefusedError."""
    old, new = current.source.lines, split_lines(text)
    regions = sorted(
        _widened(old, *_opened(old, change, region), isinstance(change, _BLOCKS))
        for change in changes
        for region in _regions(change, current.tops)
    )
    merged: list[tuple[int, int]] = []
    for start, end in regions:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    whole = _ended(old)
    pairs = _aligned(whole, _ended(new), merged)
    if pairs is None:
        raise RefusedError("lines outside the fix would change")
    if _ends(new) - _ends(old) and _ends(old):
        raise RefusedError("line ends would change")
    if bool(old) and bool(new) and (old[-1][-1:] in "\r\n") != (new[-1][-1:] in "\r\n"):
        raise RefusedError("the end of the file would change")
    codes = {finding.code for candidate in batch for finding in candidate.findings}
    for (start, end), chunk in pairs:
        kept = Counter(chunk)
        for index in range(start, end):
            line = whole[index]
            if kept[line]:
                kept[line] -= 1
            elif any(current.silenced(code, index + 1) for code in codes):
                raise RefusedError(f"line {index + 1} is silenced by a comment")


def _ended(lines: Sequence[str]) -> list[str]:
    """The lines with an end of the last one, too: which one that is may change."""
    whole = [*lines]
    if whole and whole[-1][-1:] not in ("\r", "\n"):
        whole[-1] += lines[0][len(lines[0].rstrip("\r\n")) :] or "\n"
    return whole


_Aligned = list[tuple[tuple[int, int], Sequence[str]]]


def _aligned(old: Sequence[str], new: Sequence[str], regions: Sequence[tuple[int, int]]) -> _Aligned | None:
    """For every region what became of it, or None when something between the regions differs."""
    pairs: _Aligned = []
    position = 0
    for index, (start, _) in enumerate(regions):
        before = regions[index - 1][1] if index else 0
        kept = old[before:start]
        if index == 0:
            if new[: len(kept)] != kept:
                return None
            position = len(kept)
            continue
        found = _find(new, kept, position)
        if found < 0:
            return None
        pairs.append((regions[index - 1], new[position:found]))
        position = found + len(kept)
    if not regions:
        return [] if list(old) == list(new) else None
    tail = old[regions[-1][1] :]
    found = len(new) - len(tail)
    if found < position or new[found:] != tail:
        return None
    pairs.append((regions[-1], new[position:found]))
    return pairs


def _find(lines: Sequence[str], wanted: Sequence[str], start: int) -> int:
    if not wanted:
        return start
    for index in range(start, len(lines) - len(wanted) + 1):
        if lines[index] == wanted[0] and lines[index : index + len(wanted)] == wanted:
            return index
    return -1


def _ends(lines: Sequence[str]) -> set[str]:
    return {line[len(line.rstrip("\r\n")) :] for line in lines} - {""}


def _verify_findings(current: _Round, after: _Round, batch: Sequence[_Candidate], can_fix: Callable[[Finding], bool]) -> None:
    """Every finding of the batch must be gone and none have come. Raises RefusedError.

    What one mistake hid, the next one of the same kind behind it, may come to light where the next round fixes it:
    ``db.getCollection("x").insertOne(d)``.
    """
    allowed = Counter(finding.code for finding in current.findings)
    allowed.subtract(finding.code for candidate in batch for finding in candidate.findings)
    found = Counter(finding.code for finding in after.findings)
    mine = {finding.code for candidate in batch for finding in candidate.findings}
    if all(found[code] <= allowed[code] for code in found):
        return
    known = Counter((finding.code, finding.message) for finding in current.findings)
    new = [finding for finding in after.findings if not _counted(known, (finding.code, finding.message))]
    kinds = {code[:4] for code in mine}
    if len(new) <= len(batch) and all(finding.code[:4] in kinds and can_fix(finding) for finding in new):
        gone = Counter((finding.code, finding.message) for candidate in batch for finding in candidate.findings)
        left = Counter((finding.code, finding.message) for finding in after.findings)
        before = Counter((finding.code, finding.message) for finding in current.findings)
        if all(left[each] <= before[each] - gone[each] for each in gone):
            return
    for code in sorted(found):
        if found[code] > allowed[code]:
            if code in mine:
                raise RefusedError(f"{code} would still be reported")
            line = next(finding.span.line for finding in after.findings if finding.code == code)
            raise RefusedError(f"{_BRINGS} {code}, line {line}")


def _counted(counter: "Counter[tuple[str, str]]", item: tuple[str, str]) -> bool:
    counter[item] -= 1
    return counter[item] >= 0


def _moved(refused: Sequence[Refusal], before: _Round, after: _Round) -> list[Refusal]:
    """The refusals of a text that has changed: those whose line is still there, at its new place."""
    import difflib

    if not refused:
        return []
    places: dict[int, int] = {}
    matcher = difflib.SequenceMatcher(None, before.source.lines, after.source.lines, autojunk=False)
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            places[block.a + offset + 1] = block.b + offset + 1
    here = {_identity(finding): finding for finding in after.reported}
    kept = []
    for refusal in refused:
        code, line, col, title = _identity(refusal.finding)
        finding = here.get((code, places.get(line, -1), col, title))
        if finding is not None:
            kept.append(Refusal(finding, refusal.reason))
    return kept
