"""Fixing files: bytes in, bytes out, and a file is at every moment either the old one or the new one, whole.

libcst is imported only for a file that has something to fix.
"""

import codecs
import contextlib
import os
import stat
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from flake8_mongo_threads import documents
from flake8_mongo_threads.documents.pages import Page, read_docstrings
from flake8_mongo_threads.findings import Applicability, Finding
from flake8_mongo_threads.fixes.noqa import add_noqa, silenced_in
from flake8_mongo_threads.notebooks import CellLine, Notebook, NotebookError
from flake8_mongo_threads.selection import STDIN, Selection
from flake8_mongo_threads.source import DecodeError, decode, parse

if TYPE_CHECKING:
    from flake8_mongo_threads.fixes.documents import Outcome


class WriteError(Exception):
    """A file could not be written and is as it was; the text is the reason, one line for the user."""


class Wish(NamedTuple):
    """What the user wants of each file."""

    level: Applicability = Applicability.SAFE
    fixable: tuple[str, ...] = ()
    """Prefixes of codes that may be fixed; all when empty."""
    unfixable: tuple[str, ...] = ()
    diff: bool = False
    """Write nothing."""
    add_noqa: bool = False
    """Fix nothing, silence what is there."""
    docstrings: bool = False
    """The code in the docstrings of Python files, too."""

    def may_fix(self, code: str) -> bool:
        """Whether findings of this code may be fixed. Of two prefixes that fit the longer one decides, as in ruff."""
        yes = max((len(prefix) for prefix in self.fixable if code.startswith(prefix)), default=-1 if self.fixable else 0)
        no = max((len(prefix) for prefix in self.unfixable if code.startswith(prefix)), default=-1)
        return yes > no


class FileResult(NamedTuple):
    """What came of one file."""

    path: str
    """The name to show."""
    applied: tuple[Finding, ...] = ()
    refused: tuple[tuple[Finding, str], ...] = ()
    """Findings whose fix was not applied, with the reason."""
    remaining: tuple[Finding, ...] = ()
    silenced: int = 0
    """How many findings ``--add-noqa`` silenced."""
    changed: bool = False
    before: str = ""
    after: str = ""
    """The texts, when the file has changed or would change."""
    data: bytes | None = None
    """The new bytes of standard input."""
    problem: str = ""
    """Why the file was skipped, one line."""
    cells: tuple[CellLine, ...] = ()
    """Of a notebook: for each line of its program where it stands in the file."""


def fix_file(path: str, selection: Selection, wish: Wish) -> FileResult:
    """Fix one file, or standard input (``-``), whose result is handed back and not written. Never raises an Exception."""
    from flake8_mongo_threads.check import read

    shown = selection.stdin_display_name if path == STDIN else path
    try:
        data = read(path)
        result, new = fix_bytes(shown, data, selection, wish)
        if path == STDIN:
            return result._replace(data=new)
        if new != data and not wish.diff:
            replace_file(path, data, new)
        return result
    except (DecodeError, WriteError) as error:
        return FileResult(shown, problem=str(error))
    except OSError as error:
        return FileResult(shown, problem=error.strerror or str(error))
    except SyntaxError as error:
        place = f", line {error.lineno}" if error.lineno else ""
        return FileResult(shown, problem=f"syntax error: {error.msg}{place}")
    except Exception as error:
        return FileResult(shown, problem=" ".join(f"internal error: {type(error).__name__}: {error}".split()))


def fix_bytes(path: str, data: bytes, selection: Selection, wish: Wish) -> tuple[FileResult, bytes]:
    """Fix the bytes of a file. Returns the result and the new bytes. Raises DecodeError, SyntaxError."""
    from flake8_mongo_threads.engine import check_text

    if documents.kind_of(path):
        return _fix_document(path, data, selection, wish)
    decoded = decode(data)
    if decoded.encode(decoded.text) != data:
        raise DecodeError(f"its bytes cannot be kept as {decoded.encoding}")
    text = decoded.text
    parse(text)

    def suppressed(text: str) -> Callable[[str, int], bool]:
        return silenced_in(selection, path, text)

    def selected(finding: Finding) -> bool:
        return selection.reports(finding.code, path)

    def fixable(finding: Finding) -> bool:
        return wish.may_fix(finding.code)

    everything = check_text(path, text, selection.config)
    found = [finding for finding in everything if selected(finding)]
    silenced = suppressed(text) if found else None
    found = [finding for finding in found if silenced is not None and not silenced(finding.code, finding.span.line)]
    if wish.add_noqa:
        new = add_noqa(text, found)
        quiet = suppressed(new)
        left = [f for f in check_text(path, new, selection.config) if selected(f) and not quiet(f.code, f.span.line)]
        result = FileResult(path, remaining=tuple(left), silenced=len(found) - len(left))
    elif any(finding.fix and finding.fix.applicability >= wish.level and fixable(finding) for finding in found):
        from flake8_mongo_threads.fixes.apply import fix_text

        fixed = fix_text(
            path,
            text,
            selection.config,
            level=wish.level,
            selected=selected,
            fixable=fixable,
            suppressed=suppressed,
            detect=check_text,
            found=everything,
        )
        new = fixed.text
        result = FileResult(path, fixed.applied, tuple((item.finding, item.reason) for item in fixed.refused), fixed.remaining)
    else:
        new, result = text, FileResult(path, remaining=tuple(found))
    if wish.docstrings:
        inside = _fix_programs(lambda changed: read_docstrings(path, changed, parse(changed)), path, new, selection, wish)
        result = _joined(result, inside)
        new = inside.text
    if new == text:
        return result, data
    try:
        return result._replace(changed=True, before=text, after=new), decoded.encode(new)
    except UnicodeEncodeError:
        raise DecodeError(f"the fixed text cannot be written as {decoded.encoding}") from None


def _fix_document(path: str, data: bytes, selection: Selection, wish: Wish) -> tuple[FileResult, bytes]:
    """Fix the programs of a page or notebook. Raises DecodeError."""
    from flake8_mongo_threads.check import decode_page, read_document

    text = decode_page(data)
    try:
        outcome = _fix_programs(lambda changed: read_document(path, changed), path, text, selection, wish)
    except NotebookError as error:
        raise DecodeError(str(error)) from None
    page = read_document(path, outcome.text)
    result = _joined(FileResult(path, cells=tuple(page.places) if isinstance(page, Notebook) else ()), outcome)
    if outcome.text == text:
        return result, data
    new = outcome.text.encode("utf-8")
    if data.startswith(codecs.BOM_UTF8):
        new = codecs.BOM_UTF8 + new
    return result._replace(changed=True, before=text, after=outcome.text), new


def _fix_programs(read: "Callable[[str], Page | Notebook]", path: str, text: str, selection: Selection, wish: Wish) -> "Outcome":
    from flake8_mongo_threads.fixes.documents import fix_programs, found_in

    outcome = fix_programs(
        read, path, text, selection, level=wish.level, fixable=lambda finding: wish.may_fix(finding.code), noqa=wish.add_noqa
    )
    if wish.add_noqa:
        before = sum(map(len, found_in(read(text), selection)))
        return outcome._replace(silenced=before - len(outcome.remaining))
    return outcome


def _joined(result: FileResult, outcome: "Outcome") -> FileResult:
    return result._replace(
        applied=result.applied + outcome.applied,
        refused=result.refused + outcome.refused,
        remaining=tuple(sorted(result.remaining + outcome.remaining, key=lambda finding: finding.sort_key)),
        silenced=result.silenced + outcome.silenced,
    )


def is_read_only(path: str) -> bool:
    """Whether a file may not be written, by its mode or to this user. Raises OSError when it is not there."""
    return not os.stat(path).st_mode & 0o222 or not os.access(path, os.W_OK)


def replace_file(path: str, old: bytes, new: bytes) -> None:
    """Replace a file's bytes by way of a temporary file beside it, keeping its mode and owner and links to it.

    ``old`` is what was read: a file that has changed since is left alone. Raises WriteError, OSError; the file is then as it
    was. Hard links to the file keep the old bytes.
    """
    real = os.path.realpath(path)
    status = os.stat(real)
    if not stat.S_ISREG(status.st_mode):
        raise WriteError("not a regular file")
    if is_read_only(real):
        raise WriteError("not written: the file is read-only")
    folder, name = os.path.split(real)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=folder)
    except OSError as error:
        raise WriteError(f"not written: {folder}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(new)
            stream.flush()
            _keep_owner_and_mode(stream.fileno(), status)
            os.fsync(stream.fileno())
        with open(real, "rb") as stream:
            if stream.read() != old:
                raise WriteError("not written: the file has changed meanwhile")
        os.replace(temporary, real)
    except OSError as error:
        _remove(temporary)
        raise WriteError(f"not written: {error.strerror or error}") from None
    except BaseException:
        _remove(temporary)
        raise
    _sync_folder(folder)


def _keep_owner_and_mode(handle: int, status: os.stat_result) -> None:
    if hasattr(os, "fchown"):
        mine = os.fstat(handle)
        if (mine.st_uid, mine.st_gid) != (status.st_uid, status.st_gid):
            try:
                os.fchown(handle, status.st_uid, status.st_gid)
            except PermissionError:
                raise WriteError("not written: its owner could not be kept") from None
    # After the owner: changing it clears the set-user-id bit.
    if hasattr(os, "fchmod"):
        os.fchmod(handle, stat.S_IMODE(status.st_mode))


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _sync_folder(folder: str) -> None:
    # The new name is on the disk only when its folder is; a system that cannot do this has done its best.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
