"""Which files migrate together, and doing it: a group of files that share objects of Motor is migrated whole or not at all."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from flake8_mongo_threads.config import Config
from flake8_mongo_threads.driver.motor_to_pymongo import MINIMUM
from flake8_mongo_threads.findings import Applicability, Finding, Fix, Span
from flake8_mongo_threads.fixes.files import WriteError, is_read_only, replace_file
from flake8_mongo_threads.fixes.migration import CERTAIN_MEMBERS, Doubt, Examined, Obstacle, examine, links_of
from flake8_mongo_threads.parallel import each_file
from flake8_mongo_threads.selection import Selection
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.source import Decoded, DecodeError, decode, parse, split_lines

MAX_OUTSIDE = 500
"""Files outside of the given paths that are looked at because files inside work with their objects."""
_CODE = "MOTOR"


class Left(NamedTuple):
    """A file that is as it was although it works with Motor."""

    path: str
    obstacles: tuple[Obstacle, ...]
    shared_with: tuple[str, ...] = ()
    """The files whose obstacles keep this one, too, when it has none of its own."""


class Changed(NamedTuple):
    """A file that is migrated, or would be."""

    path: str
    before: str
    after: str
    edits: int


class Outcome(NamedTuple):
    """What came of a run."""

    changed: tuple[Changed, ...]
    left: tuple[Left, ...]
    problems: tuple[tuple[str, str], ...]
    """Files that could not be read or written, with the reason."""
    folders: tuple[tuple[str, str], ...]
    """The folders of the files that work with Motor, each with its project's folder, for what the projects require."""


def migrate(paths: Sequence[str], selection: Selection, jobs: int, diff: bool) -> Outcome:
    """Migrate files; with ``diff`` nothing is written. One process does the changing, ``jobs`` the reading. Raises what a worker
    process that died raises."""
    examined = list(each_file(examine_file, paths, selection, None, jobs))
    return _Run(examined, selection.config, diff).run()


def examine_file(path: str, selection: Selection, extra: object = None) -> Examined:
    """What one file needs; never raises an Exception."""
    del extra
    return examine_path(path, selection.config)


def examine_path(path: str, config: Config) -> Examined:
    """What the file at a path needs; never raises an Exception. A problem is one line."""
    location = os.path.abspath(path)
    text = ""
    try:
        with open(path, "rb") as stream:
            data = stream.read()
        decoded = decode(data)
        text = decoded.text
        if decoded.encode(text) != data:
            raise DecodeError(f"its bytes cannot be kept as {decoded.encoding}")
        return examine_text(path, location, text, config)
    except DecodeError as error:
        # The text of what is no Python may still tell that it has to do with Motor.
        return Examined(path, location, data.decode("latin-1"), str(error), top=modules.roots_of(location).top)
    except OSError as error:
        return Examined(path, location, problem=error.strerror or str(error))
    except SyntaxError as error:
        place = f", line {error.lineno}" if error.lineno else ""
        return Examined(path, location, text, f"syntax error: {error.msg}{place}", top=modules.roots_of(location).top)
    except Exception as error:
        problem = " ".join(f"internal error: {type(error).__name__}: {error}".split())
        return Examined(path, location, text, problem, top=modules.roots_of(location).top)


def examine_text(path: str, location: str, text: str, config: Config) -> Examined:
    """What a text needs. Raises SyntaxError."""
    from flake8_mongo_threads.engine import gate

    tree = parse(text)
    if "motor" not in text and not any(f".{name}" in text for name in CERTAIN_MEMBERS) and not gate(split_lines(text), location, config):
        return Examined(path, location, links=links_of(location, text, config), top=modules.roots_of(location, config.src).top)
    return examine(path, location, text, tree, config)


def _together(files: dict[str, Examined]) -> list[set[str]]:
    """Sets of involved files that are parts of one program: some file leads to all of them through imports, or they hand objects on."""
    sets: list[set[str]] = [{location, *item.links} for location, item in files.items() if item.involved]
    imported = {link for item in files.values() for link in item.links}
    seen: set[str] = set()
    # Files that nobody imports come first; what is left after them is only reached by way of import cycles.
    for start in sorted(files, key=lambda location: (location in imported, location)):
        if start in seen:
            continue
        reached = {start}
        pending = [start]
        while pending:
            for link in files[pending.pop()].links:
                if link in files and link not in reached:
                    reached.add(link)
                    pending.append(link)
        seen |= reached
        sets.append(reached)
    return [{location for location in reached if location in files and files[location].involved} for reached in sets]


class _Run:
    def __init__(self, examined: Sequence[Examined], config: Config, diff: bool) -> None:
        self.given = {item.location for item in examined}
        self.files = {item.location: item for item in examined}
        self.config = config
        self.diff = diff
        self.problems = [(item.path, item.problem) for item in examined if item.problem]
        self.broken = [item for item in examined if item.problem and "otor" in item.text]
        self.changed: list[Changed] = []
        self.left: list[Left] = []

    def run(self) -> Outcome:
        """Group, decide, change."""
        self._look_outside()
        for group in self._groups():
            self._group(group)
        involved = [item for item in self.files.values() if item.involved]
        folders = dict.fromkeys((os.path.dirname(item.location), item.top) for item in involved if item.location in self.given)
        return Outcome(
            tuple(sorted(self.changed)), tuple(sorted(self.left, key=lambda item: item.path)), tuple(sorted(self.problems)), tuple(folders)
        )

    def _look_outside(self) -> None:
        """Read the files outside of the given paths that involved files work with."""
        pending = [item for item in self.files.values() if item.involved]
        looked = 0
        while pending:
            for location in pending.pop().links:
                if location in self.files or looked >= MAX_OUTSIDE:
                    continue
                looked += 1
                shown = os.path.relpath(location)
                found = self.files[location] = examine_path(location, self.config)._replace(path=shown)
                if found.involved:
                    pending.append(found)

    def _groups(self) -> list[list[Examined]]:
        """The involved files, those together that share objects: they import each other, or hand them on."""
        parents = {location: location for location, item in self.files.items() if item.involved}

        def root(location: str) -> str:
            while parents[location] != location:
                parents[location] = parents[parents[location]]
                location = parents[location]
            return location

        for together in _together(self.files):
            first, *others = sorted(together) or [""]
            for location in others:
                parents[root(location)] = root(first)
        groups: dict[str, list[Examined]] = {}
        for location in parents:
            groups.setdefault(root(location), []).append(self.files[location])
        return [sorted(group, key=lambda item: item.path) for group in sorted(groups.values(), key=lambda group: min(group).path)]

    def _group(self, group: Sequence[Examined]) -> None:
        if not any(item.location in self.given for item in group):
            return
        if not any(item.edits or item.imports_motor for item in group):
            # Objects of a library that stands on Motor.
            return
        found = self._obstacles(group)
        texts: dict[str, str] = {}
        if not found:
            texts, found = self._apply(group)
        if not found:
            found = self._verify(group, texts)
        if not found and not self.diff and self._write(group, texts):
            return
        if not found:
            by_path = {item.location: item for item in group}
            for location, text in texts.items():
                item = by_path[location]
                self.changed.append(Changed(item.path, item.text, text, len(item.edits)))
            return
        self._leave(group, found)

    def _leave(self, group: Sequence[Examined], found: dict[str, list[Obstacle]]) -> None:
        guilty = tuple(sorted(found))
        for item in group:
            own = tuple(sorted(set(found.pop(item.path, ()))))
            if item.location in self.given:
                self.left.append(Left(item.path, own, () if own else guilty))
            elif own:
                self.left.append(Left(item.path, own))
        # Doubtful uses in files that have nothing else to do with Motor.
        known = {item.path for item in self.left}
        self.left += [Left(path, tuple(sorted(set(items)))) for path, items in found.items() if path not in known]

    def _obstacles(self, group: Sequence[Examined]) -> dict[str, list[Obstacle]]:
        """What keeps a group from being migrated, by file."""
        found: dict[str, list[Obstacle]] = {}
        names = frozenset(name for item in group for name in item.names)
        tops = {item.top for item in group}
        for item in group:
            own = [*item.obstacles, *_doubtful(item.doubts, names)]
            if item.location not in self.given:
                own.append(Obstacle(1, 0, "shares objects of Motor, and is not among the files that were given"))
            elif item.edits and is_read_only(item.location):
                own.append(Obstacle(1, 0, "the file is read-only"))
                if (item.path, "the file is read-only") not in self.problems:
                    self.problems.append((item.path, "the file is read-only"))
            if own:
                found[item.path] = own
        for item in self.files.values():
            if not item.involved and item.top in tops and item.location in self.given:
                own = _doubtful(item.doubts, names)
                if own:
                    found[item.path] = own
        for item in self.broken:
            if item.top in tops:
                found[item.path] = [Obstacle(1, 0, f"mentions Motor, and cannot be read: {item.problem}")]
        return found

    def _apply(self, group: Sequence[Examined]) -> tuple[dict[str, str], dict[str, list[Obstacle]]]:
        """The new texts, by location, or what refuses them."""
        from flake8_mongo_threads.fixes.apply import fix_text

        texts: dict[str, str] = {}
        found: dict[str, list[Obstacle]] = {}
        for item in group:
            if not item.edits:
                continue
            fix = Fix("Move from Motor to PyMongo Async", Applicability.SAFE, item.edits, item.imports)
            finding = Finding(_CODE, item.path, Span(1, 0, 1, 0), "Motor", fix=fix)

            def detect(_path: str, text: str, _config: Config, item: Examined = item, finding: Finding = finding) -> list[Finding]:
                return [finding] if text == item.text else []

            result = fix_text(item.path, item.text, self.config, detect=detect)
            if result.refused:
                found[item.path] = [Obstacle(1, 0, result.refused[0].reason)]
            else:
                texts[item.location] = result.text
        return texts, found

    def _verify(self, group: Sequence[Examined], texts: dict[str, str]) -> dict[str, list[Obstacle]]:
        """Look at the changed group as a whole: nothing of Motor may be left, and no finding may have come."""
        from flake8_mongo_threads.engine import check_text

        config = self.config._replace(pymongo=f">={MINIMUM}")
        found: dict[str, list[Obstacle]] = {}
        before = {item.location: check_text(item.location, item.text, config) for item in group}
        for location, text in texts.items():
            modules.overlay(location, text)
        try:
            for item in group:
                text = texts.get(item.location, item.text)
                own: list[Obstacle] = []
                again = examine_text(item.path, item.location, text, self.config)
                if again.involved:
                    place = again.obstacles[0] if again.obstacles else Obstacle(1, 0, "objects of Motor are left")
                    own.append(place._replace(reason=f"after the migration: {place.reason}"))
                allowed = Counter(finding.code for finding in before[item.location])
                for finding in check_text(item.location, text, config):
                    allowed[finding.code] -= 1
                    if allowed[finding.code] < 0:
                        reason = f"after the migration: {finding.code} {finding.message}"
                        own.append(Obstacle(finding.span.line, finding.span.col, reason))
                if own:
                    found[item.path] = own
        finally:
            for location in texts:
                modules.overlay(location, None)
        return found

    def _write(self, group: Sequence[Examined], texts: dict[str, str]) -> bool:
        """Write the files of a group, all or none. Returns whether it failed; the files are then as they were."""
        written: list[tuple[str, bytes, bytes]] = []
        for item in group:
            if item.location not in texts:
                continue
            try:
                decoded, old = _decoded(item.location, item.text)
                new = decoded.encode(texts[item.location])
                replace_file(item.location, old, new)
                written.append((item.location, old, new))
            except (OSError, WriteError, UnicodeEncodeError) as error:
                reason = f"cannot be written as {decoded.encoding}" if isinstance(error, UnicodeEncodeError) else str(error)
                self.problems.append((item.path, reason))
                self._take_back(written)
                self._leave(group, {item.path: [Obstacle(1, 0, reason)]})
                return True
        return False

    def _take_back(self, written: Iterable[tuple[str, bytes, bytes]]) -> None:
        for location, old, new in written:
            try:
                replace_file(location, new, old)
            except (OSError, WriteError) as error:
                self.problems.append((os.path.relpath(location), f"migrated while others could not be: {error}"))


def _decoded(location: str, text: str) -> tuple[Decoded, bytes]:
    """How a file is encoded, and its bytes. Raises WriteError when it no longer holds the text."""
    with open(location, "rb") as stream:
        data = stream.read()
    try:
        decoded = decode(data)
    except DecodeError:
        decoded = None
    if decoded is None or decoded.text != text:
        raise WriteError("not written: the file has changed meanwhile")
    return decoded, data


def _doubtful(doubts: Iterable[Doubt], names: frozenset[tuple[str, str]]) -> list[Obstacle]:
    return [Obstacle(doubt.line, doubt.col, doubt.reason) for doubt in doubts if doubt.certain or doubt.suspects & names]
