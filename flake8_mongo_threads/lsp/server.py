"""``mongo-threads lsp``: the language server, on pygls.

All looking at code happens in one worker thread, one piece of work after the other, since the model of a project is shared; the event
loop only keeps the buffers and talks. A buffer is looked at shortly after its last change, the buffers that depend on it after
that; what is out of date when it is known is thrown away.
"""

import asyncio
import contextlib
import functools
import gc
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.uris import to_fs_path, uri_scheme

from flake8_mongo_threads import __version__, documentation, documents
from flake8_mongo_threads.findings import Applicability, Finding, Span
from flake8_mongo_threads.guard import INTERNAL_ERROR
from flake8_mongo_threads.lsp import positions
from flake8_mongo_threads.lsp.analysis import CONFIGURATION_FILES, Analysis, Configuration, analyse, carried
from flake8_mongo_threads.lsp.convert import diagnostic, range_of, region, wanted
from flake8_mongo_threads.lsp.settings import SECTION, Settings, read
from flake8_mongo_threads.report import Replacement
from flake8_mongo_threads.rules import load
from flake8_mongo_threads.rules.base import Rule
from flake8_mongo_threads.semantics import modules
from flake8_mongo_threads.source import split_lines

if TYPE_CHECKING:
    from flake8_mongo_threads.lsp.actions import Action

FIX_ALL = "source.fixAll.mongo-threads"

QUIET_SECONDS = 0.01
"""How long a buffer is left alone after a change: typing faster than this is one change."""
NEIGHBOUR_SECONDS = 0.15
"""How long the buffers that depend on a changed one are left alone."""
IDLE_SECONDS = 1.0
"""How long nothing must have happened before garbage is looked for everywhere."""
_ROUNDS_OF_GARBAGE = 8

_LANGUAGES = ("python", "markdown", "restructuredtext", "mdx", "quarto", "rmd")
_CODE = re.compile(r"\bMDB\d{3}\b")
_WATCHED = ("**/*.py", *(f"**/{name}" for name in CONFIGURATION_FILES), "**/*requirements*.txt", "**/*.lock")

Result = TypeVar("Result")


class Protocol(LanguageServerProtocol):
    """pygls's, but for changes of texts: it also ends lines at form feeds and the like, and moves positions accordingly."""

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> Iterator[Any]:
        """Hand the changes on as they came; the texts are kept here, and pygls's own are not used."""
        yield self.fm.features[types.TEXT_DOCUMENT_DID_CHANGE], (params,), None

    def structure_message(self, data: dict[str, Any]) -> Any:
        """Read a message; a request that cannot be read is answered with the reason, where pygls leaves the client waiting."""
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            number = data.get("id")
            if "method" in data and isinstance(number, (int, str)):
                self._send_response(number, error=error.to_response_error())
            raise


class Buffer:
    """A text that is open in the editor."""

    def __init__(self, uri: str, path: str, on_disk: bool, text: str, version: int | None) -> None:
        self.uri = uri
        self.path = path
        """Absolute, also where there is no such file."""
        self.on_disk = on_disk
        """Whether the text stands for a file that others may import."""
        self.text = text
        self.version = version
        self.asked = 1
        """How often there was a reason to look at the text: it has changed, or something that it depends on."""
        self.answered = 0
        """The value of ``asked`` that ``analysis`` answers."""
        self.analysis: Analysis | None = None
        self.good: Analysis | None = None
        """The last analysis of a text that was valid Python."""
        self.timer: asyncio.TimerHandle | None = None
        self.lock = asyncio.Lock()
        self.actions: dict[tuple[str, Finding | None], Action | None] = {}
        """What was worked out for ``analysis``: what is done, and about which finding."""


class Server:
    """One client's session."""

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self.lsp = LanguageServer(SECTION, __version__, protocol_cls=Protocol)
        self.configuration = Configuration(arguments)
        self.settings = self._base = Settings()
        self.buffers: dict[str, Buffer] = {}
        self._worker = ThreadPoolExecutor(1, "analysis")
        self._news: SimpleQueue[tuple[str, str | None]] = SimpleQueue()
        """What the worker has to know before its next piece of work: the texts that stand for files; a path that is empty stands for
        all files."""
        self._waiting: dict[str, None] = {}
        self._runner: asyncio.Task[None] | None = None
        self._problem = ""
        self._rules: dict[str, Rule] = {}
        self._rounds = 0
        self._idle: asyncio.TimerHandle | None = None
        self._register()

    def _register(self) -> None:
        kinds = [types.CodeActionKind.QuickFix, FIX_ALL]
        features: tuple[tuple[str, Callable[..., Any], object], ...] = (
            (types.INITIALIZE, self.initialize, None),
            (types.INITIALIZED, self.initialized, None),
            (types.SHUTDOWN, self.shutdown, None),
            (types.TEXT_DOCUMENT_DID_OPEN, self.did_open, None),
            (types.TEXT_DOCUMENT_DID_CHANGE, self.did_change, None),
            (types.TEXT_DOCUMENT_DID_SAVE, self.did_save, None),
            (types.TEXT_DOCUMENT_DID_CLOSE, self.did_close, None),
            (types.WORKSPACE_DID_CHANGE_CONFIGURATION, self.did_change_configuration, None),
            (types.WORKSPACE_DID_CHANGE_WATCHED_FILES, self.did_change_watched_files, None),
            (types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS, self.did_change_workspace_folders, None),
            (types.TEXT_DOCUMENT_HOVER, self.hover, None),
            (types.TEXT_DOCUMENT_CODE_ACTION, self.code_action, types.CodeActionOptions(code_action_kinds=kinds, resolve_provider=True)),
            (types.CODE_ACTION_RESOLVE, self.resolve, None),
        )
        for name, handler, options in features:
            # pygls marks the handlers that it is given; a bound method cannot be marked.
            self.lsp.feature(name, options)(functools.partial(handler))

    # Beginning and end

    def initialize(self, params: types.InitializeParams) -> None:
        """Take over the initialization options."""
        self.settings, problem = read(params.initialization_options, Settings())
        self._base = self.settings
        if problem:
            self._show(problem)
        self.configuration.give(self.settings.arguments)
        self._rules = {rule.code: rule for rule in load()}

    async def initialized(self, params: types.InitializedParams) -> None:
        """Ask to be told of changes to settings and files, and load what the first analysis needs."""
        warm = self._in_worker(_warm_up)
        workspace = self.lsp.client_capabilities.workspace
        registrations = []
        if workspace and workspace.did_change_configuration and workspace.did_change_configuration.dynamic_registration:
            registrations.append(types.Registration("configuration", types.WORKSPACE_DID_CHANGE_CONFIGURATION, {"section": SECTION}))
        if workspace and workspace.did_change_watched_files and workspace.did_change_watched_files.dynamic_registration:
            watchers = [types.FileSystemWatcher(pattern) for pattern in _WATCHED]
            registrations.append(
                types.Registration(
                    "files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, types.DidChangeWatchedFilesRegistrationOptions(watchers)
                )
            )
        if registrations:
            with contextlib.suppress(JsonRpcException):  # a client that said that it can and cannot
                await self.lsp.client_register_capability_async(types.RegistrationParams(registrations))
        if workspace and workspace.configuration:
            await self._pull_settings()
        await warm

    def shutdown(self, params: None) -> None:
        """Stop looking at things."""
        for buffer in self.buffers.values():
            if buffer.timer is not None:
                buffer.timer.cancel()
        self._waiting.clear()
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _show(self, problem: str) -> None:
        self.lsp.window_show_message(types.ShowMessageParams(types.MessageType.Warning, f"{SECTION}: {problem}"))

    # Settings and files

    async def _pull_settings(self) -> None:
        try:
            [given] = await self.lsp.workspace_configuration_async(types.ConfigurationParams([types.ConfigurationItem(section=SECTION)]))
        except (JsonRpcException, ValueError):
            return  # a client that said that it can and cannot: what was known before stays
        self._set(given)

    def _set(self, given: object) -> None:
        before = self.settings
        self.settings, problem = read(given, self._base)
        if problem:
            self._show(problem)
        if self.settings != before:
            self.configuration.give(self.settings.arguments)
            self._all_again()

    async def did_change_configuration(self, params: types.DidChangeConfigurationParams) -> None:
        """Take over the settings that come along, or ask for them where the client only tells that they have changed."""
        if isinstance(params.settings, Mapping) and params.settings:
            self._set(params.settings)
            return
        workspace = self.lsp.client_capabilities.workspace
        if workspace and workspace.configuration:
            await self._pull_settings()

    def did_change_watched_files(self, params: types.DidChangeWatchedFilesParams) -> None:
        """Look again at everything: files that were changed elsewhere may be configuration, requirements, or modules."""
        self._news.put(("", None))
        self._all_again()

    def did_change_workspace_folders(self, params: types.DidChangeWorkspaceFoldersParams) -> None:
        """Look again at everything: other configuration files may count."""
        self._all_again()

    def _all_again(self) -> None:
        for buffer in self.buffers.values():
            self._schedule(buffer, QUIET_SECONDS)

    @property
    def _folders(self) -> list[str]:
        workspace = self.lsp.workspace
        uris = [*workspace.folders, *([workspace.root_uri] if workspace.root_uri else [])]
        return [folder for folder in map(to_fs_path, uris) if folder]

    def _folder_of(self, buffer: Buffer) -> str:
        """The folder whose configuration counts for a buffer: the innermost of the workspace it is in, else its own."""
        around = [folder for folder in self._folders if not buffer.on_disk or (buffer.path + os.sep).startswith(os.path.join(folder, ""))]
        found = max(around, key=len, default=os.path.dirname(buffer.path))
        while not os.path.isdir(found) and os.path.dirname(found) != found:
            found = os.path.dirname(found)
        return found

    # Buffers

    def did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        """Look at a buffer from now on."""
        item = params.text_document
        path = to_fs_path(item.uri) or ""
        on_disk = uri_scheme(item.uri) == "file" and bool(path)
        if item.language_id not in _LANGUAGES and not path.endswith((".py", ".pyi")):
            return
        if on_disk:
            path = os.path.abspath(path)
            if documents.kind_of(path) == documents.NOTEBOOK:
                return
        elif uri_scheme(item.uri) == "untitled":
            # A name in the workspace, so that imports are resolved from there.
            suffix = ".py" if item.language_id == "python" else ".rst" if item.language_id == "restructuredtext" else ".md"
            path = os.path.abspath(os.path.join(*self._folders[:1], f"untitled{suffix}"))
        else:
            return
        buffer = self.buffers[item.uri] = Buffer(item.uri, path, on_disk, item.text, item.version)
        self._overlay(buffer)
        self._schedule(buffer, 0)
        if on_disk and not os.path.exists(path):
            self._all_again()  # others may have looked for it in vain
        else:
            self._schedule_dependents(buffer)

    def did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        """Take over the changes and look at the buffer shortly."""
        buffer = self.buffers.get(params.text_document.uri)
        if buffer is None:
            return
        encoding = self._encoding
        for change in params.content_changes:
            where = region(change.range) if isinstance(change, types.TextDocumentContentChangePartial) else None
            buffer.text = positions.changed(buffer.text, where, change.text, encoding)
        buffer.version = params.text_document.version
        self._overlay(buffer)
        self._schedule(buffer, QUIET_SECONDS)
        self._schedule_dependents(buffer)

    def did_save(self, params: types.DidSaveTextDocumentParams) -> None:
        """Look again: with the buffer others may have been written, by a formatter or a generator."""
        self._news.put(("", None))
        buffer = self.buffers.get(params.text_document.uri)
        if buffer is not None:
            self._schedule(buffer, QUIET_SECONDS)

    def did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        """What is on disk counts again."""
        buffer = self.buffers.pop(params.text_document.uri, None)
        if buffer is None:
            return
        if buffer.timer is not None:
            buffer.timer.cancel()
        self._waiting.pop(buffer.uri, None)
        if buffer.on_disk:
            self._news.put((buffer.path, None))
        self._schedule_dependents(buffer)
        self._publish(buffer.uri, None, [])

    def _overlay(self, buffer: Buffer) -> None:
        if buffer.on_disk and not documents.kind_of(buffer.path):
            self._news.put((buffer.path, buffer.text))

    # The worker

    def _in_worker(self, work: Callable[[], Result]) -> "asyncio.Future[Result]":
        return asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _prepare(self) -> None:
        """In the worker: take in what has happened since its last piece of work."""
        while not self._news.empty():
            path, text = self._news.get()
            if path:
                modules.overlay(path, text)
            else:
                modules.new_run()

    def _schedule(self, buffer: Buffer, seconds: float) -> None:
        """See to it that a buffer is looked at when nothing more has happened to it for some time."""
        buffer.asked += 1
        if buffer.timer is not None:
            buffer.timer.cancel()
        buffer.timer = asyncio.get_running_loop().call_later(seconds, self._start, buffer)

    def _schedule_dependents(self, buffer: Buffer) -> None:
        for other in self.buffers.values():
            if other is not buffer and other.good is not None and buffer.path in other.good.consulted:
                self._schedule(other, NEIGHBOUR_SECONDS)

    def _start(self, buffer: Buffer) -> None:
        buffer.timer = None
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        self._waiting[buffer.uri] = None
        if self._runner is None:
            self._runner = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Look at the buffers that wait, one after the other, the one that was changed last first."""
        try:
            while self._waiting:
                uri, _ = self._waiting.popitem()
                buffer = self.buffers.get(uri)
                if buffer is not None:
                    await self._look(buffer)
                    await self._tidy(1)
        finally:
            self._runner = None
        self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._tidy_up)

    async def _tidy(self, generation: int) -> None:
        self._rounds += 1
        if self._rounds >= _ROUNDS_OF_GARBAGE:
            self._rounds = 0
            await self._in_worker(functools.partial(gc.collect, generation))

    def _tidy_up(self) -> None:
        with contextlib.suppress(RuntimeError):  # the session is over
            self._in_worker(gc.collect)

    async def _look(self, buffer: Buffer) -> Analysis | None:
        """The analysis of a buffer's text as it is now, made and told where it was not yet; None when the text has changed meanwhile."""
        async with buffer.lock:
            if buffer.answered == buffer.asked and buffer.analysis is not None:
                return buffer.analysis
            asked, text, version, folder = buffer.asked, buffer.text, buffer.version, self._folder_of(buffer)
            path, good, encoding = buffer.path, buffer.good, self._encoding
            uris = {other.path: other.uri for other in self.buffers.values()} | {path: buffer.uri}

            def work() -> tuple[Analysis, list[types.Diagnostic], str]:
                self._prepare()
                chosen, problem = self.configuration.selection(folder)
                analysis = analyse(path, text, chosen)
                shown: Sequence[Finding] = analysis.reported
                if not analysis.parsed and good is not None:
                    shown = carried(good.reported, good.lines, analysis.lines)
                related = self._related_information
                return analysis, [diagnostic(finding, analysis, encoding, uris, related) for finding in shown], problem

            try:
                analysis, diagnostics, problem = await self._in_worker(work)
            except Exception as error:
                reason = " ".join(f"internal error: {type(error).__name__}: {error}".split())
                self.lsp.window_log_message(types.LogMessageParams(types.MessageType.Error, f"{path}: {reason}"))
                buffer.answered = asked
                return None
            if self.buffers.get(buffer.uri) is not buffer or buffer.text != text:
                return None
            buffer.answered, buffer.analysis = asked, analysis
            buffer.actions.clear()
            if analysis.parsed:
                buffer.good = analysis
            if problem != self._problem:
                self._problem = problem
                if problem:
                    self._show(problem)
            self._publish(buffer.uri, version, diagnostics if self.settings.diagnostics else [])
            return analysis

    @property
    def _encoding(self) -> str:
        return str(getattr(self.lsp.workspace.position_encoding, "value", self.lsp.workspace.position_encoding))

    @property
    def _related_information(self) -> bool:
        document = self.lsp.client_capabilities.text_document
        return bool(document and document.publish_diagnostics and document.publish_diagnostics.related_information)

    def _publish(self, uri: str, version: int | None, diagnostics: list[types.Diagnostic]) -> None:
        self.lsp.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, diagnostics, version))

    # Hovers

    async def hover(self, params: types.HoverParams) -> types.Hover | None:
        """The page of the rule whose finding, or whose code, is at a position."""
        buffer = self.buffers.get(params.text_document.uri)
        if buffer is None:
            return None
        analysis = await asyncio.shield(asyncio.ensure_future(self._look(buffer)))
        lines, encoding = split_lines(buffer.text), self._encoding
        row = params.position.line
        if row >= len(lines):
            return None
        col = positions.column(lines[row], params.position.character, encoding)
        parts: list[str] = []
        codes: list[str] = []
        spans: list[Span] = []
        for finding in analysis.reported if analysis is not None else ():
            span = finding.span
            if (span.line, span.col) <= (row + 1, col) < (span.end_line, span.end_col):
                parts.append(f"**{finding.code}** {finding.message}")
                codes.append(finding.code)
                spans.append(span)
        for match in _CODE.finditer(lines[row]):
            if match.start() <= col <= match.end():
                codes.append(match[0])
                spans.append(Span(row + 1, match.start(), row + 1, match.end()))
        parts += [documentation.page(self._rules[code]) for code in dict.fromkeys(codes) if code in self._rules]
        if not parts:
            return None
        document = self.lsp.client_capabilities.text_document
        formats = document.hover.content_format if document and document.hover else None
        kind = types.MarkupKind.PlainText if formats and types.MarkupKind.Markdown not in formats else types.MarkupKind.Markdown
        return types.Hover(types.MarkupContent(kind, "\n\n---\n\n".join(parts)), range_of(lines, spans[0], encoding))

    # Actions

    async def code_action(self, params: types.CodeActionParams) -> list[types.CodeAction] | None:
        """What can be done about the findings in the lines of a range, whoever shows them, and all safe fixes together."""
        buffer = self.buffers.get(params.text_document.uri)
        if buffer is None:
            return None
        analysis = await asyncio.shield(asyncio.ensure_future(self._look(buffer)))
        if analysis is None or not analysis.parsed:
            return None
        only = params.context.only
        found: list[types.CodeAction] = []
        if wanted(types.CodeActionKind.QuickFix.value, only):
            first, last = params.range.start.line + 1, params.range.end.line + 1
            if params.range.end.character == 0 and last > first:
                last -= 1
            here = [finding for finding in analysis.reported if finding.span.line <= last and first <= finding.span.end_line]
            for finding, action in await self._worked_out(buffer, analysis, here):
                found += self._quick_fix(buffer, analysis, finding, action, params.context.diagnostics)
        if wanted(FIX_ALL, only) and any(
            finding.fix is not None and finding.fix.applicability is Applicability.SAFE for finding in analysis.reported
        ):
            whole = types.CodeAction("Apply all safe fixes of mongo-threads", FIX_ALL, data={"uri": buffer.uri})
            if self._resolves_edits:
                found.append(whole)
            else:
                found += [whole for whole in [await self._with_all_fixes(whole, buffer, analysis)] if whole.edit is not None]
        # Edits are made for the text that was looked at.
        return found if buffer.text == analysis.text else None

    async def resolve(self, action: types.CodeAction) -> types.CodeAction:
        """Work out what applying all safe fixes changes."""
        uri = action.data.get("uri") if isinstance(action.data, Mapping) else None
        buffer = self.buffers.get(str(uri))
        if buffer is None:
            return action
        analysis = await asyncio.shield(asyncio.ensure_future(self._look(buffer)))
        if analysis is None or not analysis.parsed:
            return action
        return await self._with_all_fixes(action, buffer, analysis)

    async def _with_all_fixes(self, whole: types.CodeAction, buffer: Buffer, analysis: Analysis) -> types.CodeAction:
        [(_, action)] = await self._worked_out(buffer, analysis, [None])
        if action is not None and action.replacements and buffer.text == analysis.text:
            whole.edit = self._edit(buffer, analysis, action.replacements)
        return whole

    async def _worked_out(
        self, buffer: Buffer, analysis: Analysis, wanted: "Sequence[Finding | None]"
    ) -> "list[tuple[Finding | None, Action | None]]":
        """For each finding its fix and the comment that silences it, for None all safe fixes; stops early when it is cancelled."""
        cancelled = threading.Event()
        known = buffer.actions

        def work() -> "list[tuple[Finding | None, Action | None]]":
            from flake8_mongo_threads.lsp import actions

            self._prepare()
            done: list[tuple[Finding | None, Action | None]] = []
            for finding in wanted:
                if finding is None:
                    jobs: list[tuple[str, Callable[[], Action | None]]] = [("all", functools.partial(actions.fix_all, analysis))]
                else:
                    jobs = [("fix", functools.partial(actions.fix, analysis, finding))]
                    if finding.code != INTERNAL_ERROR:
                        jobs.append(("noqa", functools.partial(actions.noqa, analysis, finding)))
                for what, job in jobs:
                    if cancelled.is_set():
                        return done
                    if (what, finding) not in known:
                        known[what, finding] = job()
                    done.append((finding, known[what, finding]))
            return done

        try:
            return await self._in_worker(work)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def _quick_fix(
        self, buffer: Buffer, analysis: Analysis, finding: Finding | None, action: "Action | None", shown: Sequence[types.Diagnostic]
    ) -> Iterable[types.CodeAction]:
        if finding is None or action is None:
            return
        document = self.lsp.client_capabilities.text_document
        can_disable = bool(document and document.code_action and document.code_action.disabled_support)
        if not action.replacements and not (action.refused and can_disable):
            return
        # The client's own objects, so that it can tell whose fix this is, also when flake8 shows the findings.
        mine = [item for item in shown if str(item.code) == finding.code and item.range.start.line == finding.span.line - 1]
        if not mine and self.settings.diagnostics:
            mine = [diagnostic(finding, analysis, self._encoding, {analysis.path: buffer.uri}, False)]
        made = types.CodeAction(action.title, types.CodeActionKind.QuickFix, diagnostics=mine or None)
        if action.replacements:
            made.is_preferred = action.safe
            made.edit = self._edit(buffer, analysis, action.replacements)
        else:
            made.disabled = types.CodeActionDisabled(action.refused)
        yield made

    def _edit(self, buffer: Buffer, analysis: Analysis, replacements: Sequence[Replacement]) -> types.WorkspaceEdit:
        encoding = self._encoding
        edits = [types.TextEdit(range_of(analysis.lines, item.span, encoding), item.text) for item in replacements]
        workspace = self.lsp.client_capabilities.workspace
        if workspace and workspace.workspace_edit and workspace.workspace_edit.document_changes:
            document = types.OptionalVersionedTextDocumentIdentifier(buffer.uri, buffer.version)
            return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(document, [*edits])])
        return types.WorkspaceEdit(changes={buffer.uri: edits})

    @property
    def _resolves_edits(self) -> bool:
        document = self.lsp.client_capabilities.text_document
        support = document.code_action.resolve_support if document and document.code_action else None
        return bool(support and "edit" in support.properties)


def _warm_up() -> None:
    """Load what the first analysis needs, and keep it out of the garbage collector's sight: it stays."""
    from flake8_mongo_threads.engine import check_text

    with contextlib.suppress(Exception):
        check_text(os.path.join(os.getcwd(), "warm_up.py"), "from pymongo import MongoClient\nfor _ in ():\n    MongoClient()\n")
    gc.collect()
    gc.freeze()


def serve(arguments: Sequence[str] = ()) -> None:
    """Talk to one client over standard input and output until it ends the session. ``arguments`` are for flake8."""
    output = sys.stdout.buffer
    # Whatever prints must not end up between the messages.
    sys.stdout = sys.stderr
    # Collecting garbage while code is looked at takes longer than looking at it: it is done between keystrokes.
    gc.disable()
    Server(arguments).lsp.start_io(sys.stdin.buffer, output)
